import { contractsOf } from "@link-rewards/client/deployment-file";
import { fromHex, type Hex, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { escrowDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import {
  type Receipt,
  receiptDigest,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import { type SignedVoucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import type { HDNodeWallet, Wallet } from "ethers";
import type { SuiteParameters } from "../../scripts/deployment.ts";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import {
  chainArgsOf,
  type LocalChain,
  startHardhatChain,
} from "../../scripts/local/local-chain.ts";
import type { LocalDevice } from "../../scripts/local/local-device.ts";
import { settle } from "../../scripts/local/people.ts";
import { type MemberOracle, memberOracle } from "../oracle/support/member-oracle.ts";

/**
 * The world as a network: a real chain with members whose oracles run as processes, owners with a device each, and
 * customers; what they have and are is in effect when epoch 1 begins or, for members, when its report is due. What runs of the oracle, the pages and the programs are tested on.
 */
export type MemberWorld = {
  readonly devnet: Devnet;
  readonly owners: readonly HDNodeWallet[];
  /** The second, the fifth and so on have P-256 keys. */
  readonly devices: readonly LocalDevice[];
  readonly customers: readonly HDNodeWallet[];
  /** The first, or only, one. */
  readonly customer: HDNodeWallet;
  /** The key that each customer signs with. */
  readonly gateways: readonly Wallet[];
  readonly oracles: readonly MemberOracle[];
  /** The first, or only, member's. */
  readonly oracle: MemberOracle;
  /** Options of the commands that read the chain. */
  readonly chainArgs: readonly string[];
  /** A receipt of the first device to the first customer in epoch 1, with these changes, signed by both sides. */
  sign(fields: Partial<Receipt>): SignedReceipt;
  /** Submits a receipt for each: of the first device, the second and so on, unless it names its own. */
  submit(
    url: string,
    receipts: readonly Partial<Receipt>[],
  ): Promise<readonly Record<string, unknown>[]>;
  /** What a customer owes for `epoch`, signed. */
  promise(epoch: number, amount: bigint, customer?: number): SignedVoucher;
  /** Submits such a promise. */
  owe(url: string, epoch: number, amount: bigint, customer?: number): Promise<void>;
  /** Ends `epoch` on chain, its grace not yet. */
  endEpoch(epoch: number): Promise<void>;
  sealEpoch(epoch: number): Promise<void>;
  /** Lets the window of the pending proposal pass. */
  passWindow(): Promise<void>;
  stop(): Promise<void>;
};

/** One LinkToken; at the devnet's prices also what a terabyte is worth. */
export const LTK = 10n ** 18n;
export const TERABYTE = 10n ** 12n;

const LIMIT = {
  egressBytes: 10n * TERABYTE,
  storageByteSeconds: 10n ** 18n,
  computeMilliseconds: 10n ** 9n,
};
const FUNDS = 1_000n * LTK;

/** What cannot be set up leaves no chain behind. */
export async function startMemberWorld({
  startChain = startHardhatChain,
  parameters = {},
  ...sizes
}: Founding & Sizes = {}): Promise<MemberWorld> {
  const devnet = await startDevnet(parameters, startChain);
  try {
    return await worldOn(devnet, sizes);
  } catch (error) {
    await devnet.close();
    throw error;
  }
}

type Founding = {
  readonly startChain?: () => Promise<LocalChain>;
  /** What is to be other than a devnet's. */
  readonly parameters?: Partial<SuiteParameters>;
};

type Sizes = {
  readonly owners?: number;
  readonly customers?: number;
  readonly members?: number;
  readonly threshold?: number;
  readonly createDatabase?: () => Promise<string | undefined>;
};

async function worldOn(
  devnet: Devnet,
  {
    owners: ownerCount = 3,
    customers: customerCount = 1,
    members: memberCount = 1,
    threshold = 1,
    createDatabase = async () => undefined,
  }: Sizes,
): Promise<MemberWorld> {
  const { suite, parameters } = devnet;
  const { owners, devices, customers, gateways, members } = await settle(devnet, {
    owners: ownerCount,
    devices: ownerCount,
    customers: customerCount,
    members: memberCount,
    threshold,
    limit: LIMIT,
    deposit: FUNDS,
  });
  const deployment = await readDeploymentFile(devnet.deploymentFile);
  const { chainId } = deployment;
  const contracts = contractsOf(deployment);
  const { deviceRegistry: registry } = contracts;
  const receiptDomain = registryDomain({ chainId, contracts });
  const voucherDomain = escrowDomain({ chainId, contracts });

  const oracles: MemberOracle[] = [];
  for (const [i, wallet] of members.entries()) {
    const database = await createDatabase();
    oracles.push(await memberOracle({ devnet, name: `member-${i + 1}`, wallet, database }));
  }
  const [oracle] = oracles;
  const [customer] = customers;
  if (oracle === undefined || customer === undefined) {
    throw new Error("a world needs a member and a customer");
  }

  const deviceAt = (address: string): LocalDevice => {
    const device = devices.find((each) => isSame(each.address, address));
    if (device === undefined) throw new Error(`${address} is no device of this world`);
    return device;
  };
  const signed = new Map<Hex, SignedReceipt>();
  const sign_: MemberWorld["sign"] = (fields) => {
    const receipt: Receipt = {
      device: (devices[0] as LocalDevice).address,
      customer: lowercaseHex(customer.address),
      epoch: 1,
      sequence: 1,
      egressBytes: TERABYTE,
      storageByteSeconds: 0n,
      computeMilliseconds: 0n,
      ...fields,
    };
    const digest = receiptDigest(receiptDomain, receipt);
    // A device signs a receipt once; and P-256 signatures of one key and digest differ.
    const known = signed.get(toHex(digest));
    if (known !== undefined) return known;
    const gateway =
      gateways[customers.findIndex(({ address }) => isSame(address, receipt.customer))];
    const both = {
      receipt,
      customerSignature: sign(digest, keyOf(gateway)),
      deviceSignature: deviceAt(receipt.device).sign(digest),
    };
    signed.set(toHex(digest), both);
    return both;
  };
  const promise: MemberWorld["promise"] = (epoch, amount, index = 0) => {
    const debtor = lowercaseHex((customers[index] as HDNodeWallet).address);
    const voucher = { customer: debtor, epoch, amount };
    const signature = sign(voucherDigest(voucherDomain, voucher), keyOf(gateways[index]));
    return { voucher, signature };
  };
  const warpToSeal = (epoch: number, seconds: number) =>
    devnet.warpTo(parameters.genesis + epoch * parameters.epochSeconds + seconds);

  return {
    devnet,
    owners,
    devices,
    customers,
    customer,
    gateways,
    oracles,
    oracle,
    chainArgs: chainArgsOf(devnet),
    sign: sign_,
    async submit(url, receipts) {
      const items = receipts.map((fields, i) => {
        const device = (devices[i % devices.length] as LocalDevice).address;
        return signedReceiptToJson(sign_({ device, ...fields }));
      });
      const answer = await post(url, "/v1/receipts", {
        chainId,
        registry,
        receipts: items,
      });
      return answer.results as readonly Record<string, unknown>[];
    },
    promise,
    async owe(url, epoch, amount, index) {
      const promised = promise(epoch, amount, index);
      await post(url, "/v1/vouchers", signedVoucherToJson(promised));
    },
    endEpoch: (epoch) => warpToSeal(epoch, 0),
    sealEpoch: (epoch) => warpToSeal(epoch, parameters.graceSeconds),
    async passWindow() {
      const { finalizableAt } = await suite.ledger.proposal();
      if (finalizableAt === 0n) throw new Error("no proposal is pending");
      await devnet.warpTo(Number(finalizableAt));
    },
    async stop() {
      for (const member of oracles) await member.stop();
      await devnet.close();
    },
  };
}

function isSame(address: string, other: string): boolean {
  return lowercaseHex(address) === lowercaseHex(other);
}

function keyOf(wallet: { readonly privateKey: string } | undefined): Uint8Array {
  if (wallet === undefined) throw new Error("nobody in this world has that key");
  return fromHex(lowercaseHex(wallet.privateKey));
}

async function post(url: string, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(new URL(path, url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}
