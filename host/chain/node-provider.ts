import { nodeFault } from "@link-rewards/client/node/node-fault";
import { Nodes, type NodesOptions } from "@link-rewards/client/node/nodes";
import { refusalOf } from "@link-rewards/client/node/refusals";
import {
  type JsonRpcError,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
  type Networkish,
} from "ethers";

/** RPC nodes as ethers takes them, whose interface the contracts' classes use. */
export class NodeProvider extends JsonRpcProvider {
  readonly nodes: Nodes;

  constructor(urls: readonly string[], network: Networkish, options: NodesOptions = {}) {
    super(urls[0], network, {
      staticNetwork: true,
      cacheTimeout: -1,
      // Calls made at once still go as one batch; what is asked one after the other waits for no others.
      batchStallTime: 0,
    });
    this.nodes = new Nodes(urls, options);
  }

  /** What one call of a batch was answered with is that call's alone. */
  override getRpcError(payload: JsonRpcPayload, answer: JsonRpcError): Error {
    const { message } = answer.error;
    if (refusalOf(payload.method, answer.error) !== "too-large")
      return super.getRpcError(payload, answer);
    return nodeFault("too-large", `${this.nodes.hosts.join(", ")}: ${message}`);
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    // ethers takes errors here too; only its type of this class does not say so.
    return (await this.nodes.ask([payload].flat())) as JsonRpcResult[];
  }
}
