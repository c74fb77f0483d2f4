import { createPrivateKey, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Address, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { endOf, epochAt, sealTimeOf } from "@link-rewards/core/law/clock";
import {
  type Receipt,
  receiptDigest,
  receiptToJson,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { type DeviceKey, p256KeyOf, signerOf } from "@link-rewards/host/keys";
import { contentTreeOf } from "../../../device/content.ts";
import { type LinkedDevice, openDoor } from "../../../device/gateway/door.ts";
import {
  type GatewayJob,
  type GatewayOptions,
  type RunningGateway,
  startGateway,
} from "../../../device/gateway/start.ts";
import {
  type InspectorOptions,
  type RunningInspector,
  startInspector,
} from "../../../device/inspector/start.ts";
import type { LinkAnswer, LinkRequest } from "../../../device/link/request.ts";
import { type NodeOptions, type RunningNode, startNode } from "../../../device/node/start.ts";
import { authorizationOf, sessionDigest } from "../../../device/session.ts";
import { type Circumstances, type Served, serve } from "../../oracle/http/served.ts";
import {
  address,
  deployment,
  isP256,
  keyOf,
  NO_CAP,
  publicKey,
  registryDomain,
  tariff,
} from "../../worlds/paper.ts";
import { ECHO, moduleOf } from "./modules.ts";

import { settled } from "./settled.ts";

export const device = address("device-1");
export const customer = address("customer-1");
export const registry = deployment.contracts.deviceRegistry;
const { chainId } = deployment;

/** A test does not wait for what a device looks after once a minute. */
const LOOK_MS = 50;

export const NOTHING_SERVED = {
  egressBytes: 0n,
  storageByteSeconds: 0n,
  computeMilliseconds: 0n,
};

/** A small round, so that a test is about what happens and not about how much. */
export const SMALL_WORK = {
  ranges: 2,
  chunksPerRange: 2,
  challenges: 2,
  jobPercent: 100,
  checkPercent: 0,
};

/** What a job is worth in these tests: more than any machine needs for it. */
export const JOB_MILLISECONDS = 20_000;

type ServiceBuyer = {
  readonly chain?: Partial<GatewayOptions["chain"]>;
  /** Those that it uses, asked for each round; all there are when not given. */
  readonly nodes?: () => readonly Pick<RunningNode, "device">[];
  /** Changes what a device answers; undefined leaves it as it is. */
  readonly spoil?: Spoil;
  /** What is between gateway and device. */
  readonly between?: (link: LinkedDevice) => LinkedDevice;
};

export type ServiceGateway = ServiceBuyer & Partial<Omit<GatewayOptions, "chain" | "door">>;

export type ServiceInspector = ServiceBuyer &
  Partial<Omit<InspectorOptions, "chain" | "door">> &
  Pick<InspectorOptions, "orderOf" | "atOnce">;

/** With the device's address. */
export type Spoil = (path: string, body: Buffer, device: Address) => Buffer | undefined;

/** A node, and a gateway of the customer's to ask it by hand. */
export type ServiceNode = RunningNode & {
  /** Over the connection that the node opened; waits for it. */
  fetch(path: string, init?: LinkRequest): Promise<Response>;
};

/** The key of a device on paper, of whichever kind it is. */
export function deviceKey(name: string): DeviceKey {
  if (!isP256(name)) return signerOf(keyOf(name));
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const point = fromHex(publicKey(name));
  const [x, y] = [base64(point.subarray(0, 32)), base64(point.subarray(32))];
  const jwk = { kty: "EC", crv: "P-256", x, y, d: base64(keyOf(name)) };
  return p256KeyOf(createPrivateKey({ key: jwk, format: "jwk" }));
}

/** What contracts would say to a gateway: that everything is covered, unless told otherwise. */
export function chainOf(changes: Partial<GatewayOptions["chain"]> = {}): GatewayOptions["chain"] {
  return {
    tariffAt: async () => tariff,
    capAt: async () => NO_CAP,
    collectableEpoch: async () => 1,
    paid: async () => 0n,
    spendable: async () => NO_CAP,
    shareAt: async () => undefined,
    isEarningAt: async () => true,
    ...changes,
  };
}

/** An oracle, nodes and gateways on loopback; everything started here ends with `close`. */
export type Service = {
  readonly oracle: Served;
  readonly folder: string;
  /** Makes a file of random bytes. */
  file(name: string, size: number): Promise<string>;
  /** Makes the files of a job, whose answer is its input unless another module is given. */
  job(module?: Uint8Array): Promise<GatewayJob>;
  node(options?: Partial<NodeOptions>): Promise<ServiceNode>;
  /** A device that was started elsewhere; waits for its connection. */
  linked(device: Address): Promise<Pick<ServiceNode, "fetch">>;
  /** What its oracle says of customers: others may say the same. */
  readonly customers: NonNullable<Circumstances["customers"]>;
  /** Where its gateways are. */
  readonly endpoint: string;
  /** Where else the customer's gateways are. */
  publish(endpoint: string): void;
  /** Everything it asks the contracts is covered, unless `chain` says otherwise. */
  gateway(options: ServiceGateway): Promise<RunningGateway>;
  /** The same, for the programme. It does not wait for those that it uses. */
  inspector(options: ServiceInspector): Promise<RunningInspector>;
  /** Into the middle of this epoch. */
  enter(epoch: number): void;
  close(): Promise<void>;
};

export async function startService(circumstances: Circumstances = {}): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-device-"));
  const endpoints: string[] = [];
  const customers = customersAt(endpoints);
  const oracle = await serve({ customers, ...circumstances });
  const door = await openDoor({
    host: "127.0.0.1",
    port: 0,
    end: {
      key: signerOf(keyOf("gateway-1")),
      domain: registryDomain,
      customer,
      epoch: async () => Number(Object(await openEpochsOf(oracle)).at(-1)?.epoch ?? 0),
      judge: async () => undefined,
    },
    log: () => undefined,
  });
  const endpoint = `https://127.0.0.1:${door.port}`;
  endpoints.push(endpoint);
  const linkOf = (of: Address) => settled(() => door.device(of));
  const nodes = new Set<RunningNode>();
  const started: { close(): Promise<void> }[] = [];
  let nextJob = 1;

  /** As the escrow says it, by the oracle's clock. */
  async function collectableEpoch(): Promise<number> {
    const { body } = await oracle.request("/v1/epochs/open");
    const current = epochAt(deployment, body.now as number);
    return current > 1 && Number(body.now) < sealTimeOf(deployment, current - 1)
      ? current - 1
      : current;
  }

  async function job(module?: Uint8Array): Promise<GatewayJob> {
    const bytes = module ?? (await moduleOf(ECHO));
    const files = { module: join(folder, `${nextJob}.wasm`), input: join(folder, `${nextJob}.in`) };
    nextJob += 1;
    await writeFile(files.module, bytes);
    await writeFile(files.input, randomBytes(100));
    return { ...files, milliseconds: JOB_MILLISECONDS };
  }

  async function buying({
    chain,
    nodes: used = () => [...nodes],
    spoil,
    between,
    ...options
  }: ServiceGateway): Promise<GatewayOptions> {
    const devices = () =>
      used().flatMap(({ device: of }) => {
        const found = door.device(of);
        const link = found && between ? between(found) : found;
        return link === undefined ? [] : [spoil ? spoiled(link, spoil) : link];
      });
    return {
      door: { devices, device: (of) => devices().find((each) => each.device === of) },
      customer,
      key: signerOf(keyOf("gateway-1")),
      chainId,
      registry,
      escrow: deployment.contracts.customerEscrow,
      oracles: [oracle.url],
      files: [],
      folder: join(folder, "gateway"),
      chain: chainOf({ collectableEpoch, ...chain }),
      work: SMALL_WORK,
      epochMaxAgeMilliseconds: 0,
      ...options,
      jobs: options.jobs ?? [await job()],
    };
  }

  return {
    oracle,
    folder,
    async file(name, size) {
      const path = join(folder, name);
      await writeFile(path, randomBytes(size));
      return path;
    },
    job,
    async node(options = {}) {
      const node = await startNode({
        key: deviceKey("device-1"),
        chainId,
        registry,
        oracles: [oracle.url],
        members: [address("member")],
        folder: join(folder, "node"),
        epochMaxAgeMilliseconds: 0,
        backoff: {
          firstMilliseconds: 20,
          longestMilliseconds: 100,
          retries: Number.POSITIVE_INFINITY,
        },
        allowPrivateAddresses: true,
        lookMilliseconds: LOOK_MS,
        ...options,
      });
      nodes.add(node);
      const linked: ServiceNode = {
        ...node,
        fetch: async (path, init) => fetching(await linkOf(node.device)).fetch(path, init),
        async close() {
          const link = door.device(node.device);
          nodes.delete(node);
          await node.close();
          // What is asked of the next one must not go to this one.
          await settled(() => (door.device(node.device) === link && link ? undefined : true));
        },
      };
      started.push(linked);
      return linked;
    },
    customers,
    endpoint,
    linked: async (of) => fetching(await linkOf(of)),
    publish: (endpoint) => void endpoints.push(endpoint),
    async gateway({ nodes: used = () => [...nodes], ...options }) {
      const gateway = await startGateway(await buying({ nodes: used, ...options }));
      started.push(gateway);
      return {
        ...gateway,
        async serveRound() {
          for (const { device: of } of used()) await linkOf(of);
          return gateway.serveRound();
        },
      };
    },
    async inspector({ orderOf, atOnce, ...options }) {
      const chain = { shareAt: async () => NO_CAP, spendable: async () => 0n, ...options.chain };
      const given = await buying({ ...options, chain });
      const inspector = await startInspector({ ...given, orderOf, atOnce });
      started.push(inspector);
      return inspector;
    },
    enter(epoch) {
      oracle.at(endOf(deployment, epoch) - deployment.epochSeconds / 2);
    },
    async close() {
      for (const { close } of started.reverse()) await close();
      await door.close();
      await oracle.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openEpochsOf(oracle: Served): Promise<unknown> {
  return (await oracle.request("/v1/epochs/open")).body.epochs;
}

/** What the oracle says of customers: one, that can pay, with gateways at these endpoints. */
function customersAt(endpoints: readonly string[]): NonNullable<Circumstances["customers"]> {
  const known = {
    ...{ customer, inspector: false, balance: NO_CAP.toString(), thawing: "0" },
    keys: [{ key: address("gateway-1"), cap: NO_CAP.toString() }],
  };
  return {
    list: async () => ({
      epoch: 1,
      customers: endpoints.map((endpoint) => ({ ...known, endpoint })),
    }),
    standing: async () => undefined,
  };
}

function fetching({ ask: askLink }: LinkedDevice): Pick<ServiceNode, "fetch"> {
  return { fetch: async (path, init) => responseOf(await askLink(path, init)) };
}

async function responseOf({ status, headers, body }: LinkAnswer): Promise<Response> {
  const shown = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  const pieces = await Array.fromAsync(body as AsyncIterable<Buffer>);
  return new Response(Buffer.concat(pieces), { status, headers: shown as [string, string][] });
}

/** A device that answers something else. */
function spoiled(link: LinkedDevice, spoil: Spoil): LinkedDevice {
  return {
    ...link,
    async ask(path, request) {
      const answer = await link.ask(path, request);
      const pieces = await Array.fromAsync(answer.body as AsyncIterable<Buffer>);
      const body = Buffer.concat(pieces);
      const spoilt = request?.method === "PUT" ? undefined : spoil(path, body, link.device);
      return { ...answer, body: Readable.from([spoilt ?? body]) };
    },
  };
}

export function authorization(epoch = 1, gateway = "gateway-1", forDevice = device): string {
  const session = { device: forDevice, customer, epoch };
  const signature = sign(sessionDigest(registryDomain, session), keyOf(gateway));
  return authorizationOf({ customer, epoch, signature });
}

export type Answer = { readonly status: number; readonly body: Record<string, unknown> };

/** A request as a customer of the node makes it. */
export async function ask(
  node: ServiceNode,
  path: string,
  init: LinkRequest = {},
): Promise<Answer> {
  const headers = { authorization: authorization(), ...init.headers };
  const response = await node.fetch(path, { ...init, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Has the node keep module and input, and asks for the answer. */
export async function askJob(
  node: ServiceNode,
  {
    module,
    input = new Uint8Array(8),
    milliseconds = JOB_MILLISECONDS,
    epoch = 1,
  }: {
    readonly module: Uint8Array;
    readonly input?: Uint8Array;
    readonly milliseconds?: number;
    readonly epoch?: number;
  },
): Promise<{
  readonly status: number;
  readonly output: Uint8Array;
  readonly refusal?: string;
  readonly message?: string;
}> {
  const headers = { authorization: authorization(epoch) };
  const roots = [];
  for (const bytes of [module, input]) {
    const { root } = await contentTreeOf([bytes]);
    roots.push(root);
    const body = Buffer.from(bytes);
    const kept = await node.fetch(`/v1/contents/${root}`, {
      ...{ method: "PUT", body },
      headers: { ...headers, "content-type": "application/octet-stream" },
    });
    await kept.arrayBuffer();
  }
  const response = await node.fetch("/v1/jobs", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ module: roots[0], input: roots[1], milliseconds }),
  });
  const output = new Uint8Array(await response.arrayBuffer());
  return {
    status: response.status,
    output,
    ...(response.ok ? {} : JSON.parse(Buffer.from(output).toString())),
  };
}

/** A draft that the customer signed, as a gateway sends it. */
export function draftOf(
  fields: Partial<Receipt> = {},
  gateway = "gateway-1",
): Record<string, unknown> {
  const receipt: Receipt = {
    device,
    customer,
    epoch: 1,
    sequence: 1,
    ...NOTHING_SERVED,
    ...fields,
  };
  const customerSignature = sign(receiptDigest(registryDomain, receipt), keyOf(gateway));
  return { receipt: receiptToJson(receipt), customerSignature: toHex(customerSignature) };
}

export async function sendDraft(
  node: Pick<ServiceNode, "fetch">,
  draft: Record<string, unknown>,
  head?: SignedReceipt,
): Promise<Answer> {
  const response = await node.fetch("/v1/receipts", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...draft, ...(head && { head: signedReceiptToJson(head) }) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

export function digestOf(receipt: Receipt): Hex {
  return toHex(receiptDigest(registryDomain, receipt));
}

/** Sequences a device signs in the first epoch it knows of begin here: an older book may be lost. */
export const FIRST_SEQUENCE = 65_536;
