import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type HDNodeWallet, Wallet } from "ethers";
import { type Address, fromHex, type Hex, lowercaseHex } from "../../../oracle/core/bytes.ts";
import { type Receipt, receiptDigest, signedReceiptToJson } from "../../../oracle/core/receipt.ts";
import { sign } from "../../../oracle/core/signature.ts";
import { signedVoucherToJson } from "../../../oracle/core/submission.ts";
import { domainSeparator } from "../../../oracle/core/typed.ts";
import { voucherDigest } from "../../../oracle/core/voucher.ts";
import {
  addMember,
  admitCustomer,
  bindDevices,
  DEVNET_CLASS,
  type Devnet,
  startDevnet,
} from "../../../scripts/devnet.ts";
import { type OracleProcess, runOracle, startOracle } from "../../../scripts/oracle-process.ts";

/** A chain with one member, some owners with a device each, and one customer; everything in effect from epoch 1 on. */
export type MemberWorld = {
  readonly devnet: Devnet;
  readonly owners: readonly HDNodeWallet[];
  readonly devices: readonly Wallet[];
  readonly customer: HDNodeWallet;
  readonly data: string;
  /** Options of the commands that read the chain. */
  readonly chainArgs: readonly string[];
  /** Options of the commands that are the member's. */
  readonly memberArgs: readonly string[];
  readonly bundles: string;
  serve(): Promise<{
    readonly url: string;
    readonly process: OracleProcess;
    stop(): Promise<void>;
  }>;
  /** Submits receipts that both sides signed. */
  submit(
    url: string,
    receipts: readonly Partial<Receipt>[],
  ): Promise<readonly Record<string, unknown>[]>;
  /** Signs and submits what the customer owes in all, up to and with `epoch`. */
  owe(url: string, epoch: number, cumulative: bigint): Promise<void>;
  close(
    execute?: boolean,
    ...more: readonly string[]
  ): Promise<{ code: number | null; outcome: Record<string, unknown>; stderr: string }>;
  /** Ends `epoch` on chain, its grace not yet. */
  endEpoch(epoch: number): Promise<void>;
  sealEpoch(epoch: number): Promise<void>;
  stop(): Promise<void>;
};

export const LIMIT = {
  egressBytes: 10n ** 13n,
  storageByteSeconds: 10n ** 18n,
  computeMilliseconds: 10n ** 9n,
};

export async function startMemberWorld({ owners: count = 3 } = {}): Promise<MemberWorld> {
  const devnet = await startDevnet();
  const { suite, role, parameters } = devnet;
  const owners = Array.from({ length: count }, (_, i) => devnet.wallet(i));
  const customer = devnet.wallet(count);
  const gateway = Wallet.createRandom();
  const devices = owners.map(() => new Wallet(`0x${randomBytes(32).toString("hex")}`));
  const registryDomain = domainSeparator(31337, lowercaseHex(await suite.registry.getAddress()));
  const escrowDomain = domainSeparator(31337, lowercaseHex(await suite.escrow.getAddress()));
  const keyOf = ({ privateKey }: { privateKey: string }) => fromHex(privateKey as Hex);

  await addMember(devnet, role("member").address, 1);
  await (
    await suite.registry.connect(role("governance")).setClassLimit(DEVNET_CLASS, LIMIT)
  ).wait();
  await bindDevices(
    devnet,
    devices.map((key, i) => ({ key, account: (owners[i] as HDNodeWallet).address })),
  );
  await admitCustomer(devnet, customer, gateway.address, 1_000_000n * 10n ** 18n);
  await devnet.warpTo(parameters.genesis + 1);

  const data = join(devnet.folder, "data");
  const chainArgs = ["--rpc", devnet.rpcUrl, "--deployment", devnet.deploymentFile];
  const key = await devnet.keyFile("member", role("member"));
  const memberArgs = [...chainArgs, "--data", data, "--key-file", key];
  const running = new Set<OracleProcess>();

  const post = async (url: string, path: string, body: unknown) => {
    const response = await fetch(new URL(path, url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };

  return {
    devnet,
    owners,
    devices,
    customer,
    data,
    chainArgs,
    memberArgs,
    bundles: join(data, "bundles"),
    async serve() {
      const process = startOracle(["serve", ...memberArgs, "--port", "0", "--follow-seconds", "1"]);
      running.add(process);
      const url = await process.line(/^http/);
      return {
        url,
        process,
        async stop() {
          process.child.kill("SIGTERM");
          await process.finished;
          running.delete(process);
        },
      };
    },
    async submit(url, receipts) {
      const items = receipts.map((fields, i) => {
        const device = devices[i % devices.length] as Wallet;
        const receipt: Receipt = {
          device: lowercaseHex(device.address) as Address,
          customer: lowercaseHex(customer.address) as Address,
          epoch: 1,
          sequence: 1,
          egressBytes: 10n ** 12n,
          storageByteSeconds: 0n,
          computeMilliseconds: 0n,
          ...fields,
        };
        const signer =
          devices.find(({ address }) => lowercaseHex(address) === receipt.device) ?? device;
        const digest = receiptDigest(registryDomain, receipt);
        return signedReceiptToJson({
          receipt,
          customerSignature: sign(digest, keyOf(gateway)),
          deviceSignature: sign(digest, keyOf(signer)),
        });
      });
      const registry = lowercaseHex(await suite.registry.getAddress());
      const answer = await post(url, "/v1/receipts", { chainId: 31337, registry, receipts: items });
      return answer.results as readonly Record<string, unknown>[];
    },
    async owe(url, epoch, cumulative) {
      const voucher = { customer: lowercaseHex(customer.address), epoch, cumulative };
      const signature = sign(voucherDigest(escrowDomain, voucher), keyOf(gateway));
      await post(url, "/v1/vouchers", signedVoucherToJson({ voucher, signature }));
    },
    async close(execute = true, ...more) {
      const args = ["close", ...memberArgs, "--json", "--lease-seconds", "2", ...more];
      const { code, stdout, stderr } = await runOracle(execute ? [...args, "--execute"] : args);
      return { code, outcome: stdout === "" ? {} : JSON.parse(stdout), stderr };
    },
    endEpoch: (epoch) => devnet.warpTo(parameters.genesis + epoch * parameters.epochSeconds),
    sealEpoch: (epoch) =>
      devnet.warpTo(parameters.genesis + epoch * parameters.epochSeconds + parameters.graceSeconds),
    async stop() {
      for (const { child, finished } of running) {
        child.kill("SIGKILL");
        await finished;
      }
      await devnet.close();
    },
  };
}
