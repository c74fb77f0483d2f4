import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import { signedReceiptToJson } from "@link-rewards/core/signed/receipt";
import { EXIT } from "@link-rewards/host/program";
import { addMember } from "../local/devnet.ts";
import { hiddenRow, type Loot, lawfulEpoch, propose, stolen } from "./attack.ts";
import {
  type Cast,
  type DemoDevice,
  endpointOf,
  openDemoDoor,
  startDemoGateway,
  startDevice,
  untilConnected,
} from "./cast.ts";
import { collude } from "./colluders.ts";
import type { Operator } from "./operator.ts";
import { refusedBy, refuseInsolvent } from "./refusals.ts";
import { type Used, useAsUsers } from "./users.ts";

/** After the owners' and the customers'. */
const SPARE_WALLET = 11;

/** Undone proposals: each of them a member's of its own, who is slashed for it. */
export const THEFTS = 3;

export type Tell = (text: string) => void;
export type Story = (cast: Cast, operator: Operator, tell: Tell) => Promise<void>;

const kilobytes = (bytes: number) => `${Math.round(bytes / 1_000)} kB`;

/** Users come in the first epoch, when every device keeps every file. */
async function userStory(cast: Cast, tell: Tell): Promise<Used> {
  const used = await useAsUsers(cast);
  const { requests, far, near } = used;
  tell(
    `${requests} users were served from the nearest devices: ${far.device}, ${far.roundTripMs} ms away, sent ${kilobytes(far.bytes)}, the others ${kilobytes(near.bytes)} on average`,
  );
  return used;
}

/** One round: every gateway uses every node, then signs for what it verified and promises to pay for it. */
async function serveAndSettle(cast: Cast): Promise<void> {
  const { customers, devices } = cast;
  await untilConnected(cast);
  await Promise.all(customers.map(({ gateway }) => gateway.serveRound()));
  await Promise.all(customers.map(({ gateway }) => gateway.settle()));
  await Promise.all(devices.map(({ node }) => node.idle()));
}

/** Enough for large bills and small ones: half of their sum pays the small ones in full. */
const FAVOURITES = 3;
const FAVOURITE_ROUNDS = 20;

/** Customer 3 uses a few nodes much more than the others. */
async function useFavourites({ customers, favourites }: Cast): Promise<void> {
  const { name, gateway } = customers[2] as Cast["customers"][number];
  favourites.set(name, FAVOURITES);
  for (let round = 0; round < FAVOURITE_ROUNDS; round++) await gateway.serveRound();
  favourites.delete(name);
}

/** Waits until every oracle has seen that the chain's clock moved on. */
async function waitForEpoch(operator: Operator, epoch: number): Promise<void> {
  const isOpenAt = async (url: string) => {
    const response = await fetch(new URL("/v1/epochs/open", url));
    const { epochs } = (await response.json()) as { epochs: { epoch: number }[] };
    return epochs.some((open) => open.epoch === epoch);
  };
  for (const { url, isLost } of [operator, ...operator.others])
    while (!isLost() && !(await isOpenAt(url))) await sleep(100);
}

export async function firstEpoch(cast: Cast, operator: Operator, tell: Tell): Promise<void> {
  await waitForEpoch(operator, 1);
  await serveAndSettle(cast);
  tell("every node served every gateway; both signed, the oracle acknowledged");
  cast.used = await userStory(cast, tell);

  const insolvent = await refuseInsolvent(cast, [operator.url], 1);
  cast.refusedCustomers.push(insolvent);
  tell(
    `a customer whose balance is on its way out is refused by ${insolvent.devices} devices: ${insolvent.refusal}: ${insolvent.message}`,
  );
  const signed = signedBy(cast.devices[0] as DemoDevice);
  tell(`a device resends a receipt: ${await submit(cast, operator, signed)}`);
  const forged = { ...signed, deviceSignature: signed.customerSignature };
  tell(`somebody forges a device's signature: ${await submit(cast, operator, forged)}`);

  const forgetful = cast.devices[1] as DemoDevice;
  const before = signedBy(forgetful).receipt.sequence;
  await forgetful.node.close();
  await rm(forgetful.folder, { recursive: true, force: true });
  forgetful.node = await startDevice(cast, forgetful.oracleUrls, forgetful.key, forgetful.folder);
  await operator.crash();
  tell("the oracle was killed in the middle of the epoch and started again");
  await waitForEpoch(operator, 1);
  await serveAndSettle(cast);
  const after = signedBy(forgetful).receipt.sequence;
  tell(`${forgetful.name} lost its memory and went on from sequence ${before} with ${after}`);
  await collude(cast.colluders, cast.chain, operator, 1);
  tell("a device and a customer that are one person sign for service that never happened, and pay");
  tell("customer 1 promises a tenth more than it owes");
  await closeEpoch(cast, operator, 1, tell);
}

export async function secondEpoch(
  cast: Cast,
  operator: Operator,
  tell: Tell,
  inTheMiddle?: Story,
): Promise<void> {
  await enterEpoch(cast, operator, 2);
  await useFavourites(cast);
  await serveAndSettle(cast);
  await serveFromClone(cast);
  tell(
    "a cloned device signed a sequence that the device signs too: kept as evidence of equivocation",
  );
  const revoked = cast.devices[11] as DemoDevice;
  const { suite, role } = cast.devnet;
  const signed = signedBy(revoked);
  await (
    await suite.registry.connect(role("manufacturer")).revoke([revoked.key.address], "stolen")
  ).wait();
  await sleep(1_500);
  tell(`the manufacturer revokes ${revoked.name}: ${await submit(cast, operator, signed)}`);
  await inTheMiddle?.(cast, operator, tell);
  await serveAndSettle(cast);
  tell("customer 3 promises only half of what it owes: its smallest bills are paid first");
  await closeEpoch(cast, operator, 2, tell, "computed");
}

/** Of the epoch before customer 3 paid half, which is final now. */
export async function serveWhoPaid(cast: Cast, tell: Tell): Promise<void> {
  const { wallet, name } = cast.customers[2] as Cast["customers"][number];
  const unpaid = await refusedBy(cast, lowercaseHex(wallet.address), 3);
  cast.refusedCustomers.push(unpaid);
  tell(`${name} is refused by ${unpaid.devices} devices: ${unpaid.refusal}: ${unpaid.message}`);
  await serveAndSettle(cast);
}

export async function thirdEpoch(cast: Cast, operator: Operator, tell: Tell): Promise<void> {
  await enterEpoch(cast, operator, 3);
  await serveWhoPaid(cast, tell);
  const { devnet } = cast;
  await sealEpoch(cast, operator, 3);

  const lawful = await lawfulEpoch(cast, operator, 3);
  const thieves = thievesIn(cast, operator);
  await thieves.propose(stolen(lawful));
  tell(
    "a thief with the oracle member's key gives what one device earned to another, amid the table",
  );
  await thieves.watch(EXIT.differs);
  tell("a bystander's watch --defend had that row judged: revoked, the member slashed");
  await operator.close();
  tell("the oracle, whose key signs no more, has published what is lawful");

  await thieves.join();
  await thieves.propose(hiddenRow(lawful));
  tell("a new member is a thief too: a row that it shows to nobody");
  await thieves.watch(EXIT.unavailable);
  await devnet.warpTo((await devnet.now()) + 2 * devnet.parameters.answerSeconds);
  await thieves.watch(EXIT.unavailable);
  tell(
    "a bystander's watch --defend demanded that row; nobody answered: revoked, the member slashed",
  );

  await thieves.join();
  const digest = await thieves.propose(stolen(lawful));
  const guardian = devnet.suite.ledger.connect(devnet.role("guardian"));
  await (await guardian.veto(digest)).wait();
  tell(
    "the next one has a friend in the guardian, who vetoes its root before anybody proves it wrong",
  );
  await thieves.watch(EXIT.differs);
  tell("a bystander's watch --defend had it judged all the same: the member is slashed");

  await operator.changeKey(await devnet.keyFile("successor", await thieves.join()));
  tell("governance adds a new member, which takes over after one whole epoch more");
  const { held } = await finishEpoch(cast, operator, 3, tell, true);
  tell(`the next epoch, in which nobody served, waits for a person to look: ${held}`);
}

/** Whoever has the only member's key, one after the other, and the bystander who watches them. */
function thievesIn(cast: Cast, operator: Operator) {
  const { devnet } = cast;
  const { genesis, epochSeconds } = devnet.parameters;
  const folder = join(devnet.folder, "thief");
  let member = devnet.role("member");
  let joined = 0;
  return {
    propose: (loot: Loot) => propose(cast, loot, member, folder),
    /** Once, which ends with `code`: what is wrong is convicted, demanded, or found not to be answered. */
    async watch(code: number) {
      const key = await devnet.keyFile("bystander", devnet.role("bystander"));
      const bundles = ["--bundles", folder, "--bundles", operator.bundles];
      const watched = await operator.run(
        "watch",
        ...bundles,
        "--once",
        "--defend",
        "--key-file",
        key,
      );
      if (watched.code !== code)
        throw new Error(
          `the watcher ended with ${watched.code}: ${watched.stdout}${watched.stderr}`,
        );
    },
    /** Governance adds the next one, and it is time for it to sign. */
    async join() {
      member = devnet.wallet(SPARE_WALLET + joined);
      joined += 1;
      await addMember(devnet, member.address, 1);
      await devnet.warpTo(genesis + (3 + 2 * joined) * epochSeconds + 1);
      return member;
    },
  };
}

export async function enterEpoch(
  { devnet }: Cast,
  operator: Operator,
  epoch: number,
): Promise<void> {
  const { genesis, epochSeconds } = devnet.parameters;
  await devnet.warpTo(genesis + (epoch - 1) * epochSeconds + 1);
  await waitForEpoch(operator, epoch);
}

/** The epoch ends, its vouchers are collected in the grace, and its seal time has come; a lost member was waited for. */
export async function sealEpoch(
  { devnet }: Cast,
  operator: Operator,
  epoch: number,
): Promise<void> {
  const { genesis, epochSeconds, graceSeconds, proposalTimeoutSeconds } = devnet.parameters;
  await devnet.warpTo(genesis + epoch * epochSeconds);
  await operator.close();
  const sealTime = genesis + epoch * epochSeconds + graceSeconds;
  await devnet.warpTo(sealTime);
  if (!operator.others.some((other) => other.isLost())) return;
  // As long as `close` waits for a peer that is silent and may have receipts that nobody else has.
  await devnet.warpTo(sealTime + Math.ceil(proposalTimeoutSeconds / 2));
}

/** It is sealed as it has ended, proposed and final. */
async function closeEpoch(
  cast: Cast,
  operator: Operator,
  epoch: number,
  tell: Tell,
  killAt?: string,
): Promise<void> {
  await sealEpoch(cast, operator, epoch);
  tell("the epoch has ended; what customers owe was collected");
  if (killAt !== undefined) {
    await operator.killClose(killAt);
    tell(`close was killed right after the epoch was ${killAt}, and is started again`);
  }
  await finishEpoch(cast, operator, epoch, tell);
}

export async function finishEpoch(
  cast: Cast,
  operator: Operator,
  epoch: number,
  tell: Tell,
  nextIsHeld = false,
): Promise<Record<string, unknown>> {
  const { devnet } = cast;
  await operator.close();
  const { digest } = await devnet.suite.ledger.proposal();
  if (BigInt(digest) === 0n) throw new Error(`epoch ${epoch} is not proposed`);
  const watched = await operator.run("watch", "--bundles", operator.bundlesUrl, "--once");
  if (watched.code !== 0)
    throw new Error(`the watcher disagrees: ${watched.stdout}${watched.stderr}`);
  tell(`epoch ${epoch} is proposed; a watcher verified every signature and sum and agrees`);
  await devnet.warpTo((await devnet.now()) + devnet.parameters.windowSeconds);
  const closed = await operator.close(nextIsHeld);
  const latest = await devnet.suite.distributor.latestEpoch();
  if (Number(latest) !== epoch) throw new Error(`epoch ${epoch} is not final`);
  tell(`epoch ${epoch} is final`);
  return closed;
}

/** The newest receipt of the device's that both signed. */
function signedBy({ node }: DemoDevice): SignedReceipt {
  const signed = node
    .receipts()
    .flatMap((entry) => (entry.signed === undefined ? [] : [entry.signed]));
  const newest = signed.toSorted((a, b) => b.receipt.epoch - a.receipt.epoch)[0];
  if (newest === undefined) throw new Error("the device has signed nothing");
  return newest;
}

/** What the oracle says to one receipt. */
async function submit({ chain }: Cast, { url }: Operator, signed: SignedReceipt): Promise<string> {
  const { chainId, contracts } = chain.deployment;
  const response = await fetch(new URL("/v1/receipts", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      chainId,
      registry: contracts.deviceRegistry,
      receipts: [signedReceiptToJson(signed)],
    }),
  });
  const { results } = (await response.json()) as {
    results: { status: string; refusal?: string }[];
  };
  const [result] = results;
  return result?.refusal ?? result?.status ?? "no answer";
}

/** Copies of a device and of a gateway, memories included, do business behind the originals' backs. */
async function serveFromClone(cast: Cast): Promise<void> {
  const device = cast.devices[2] as DemoDevice;
  const customer = cast.customers[0] as Cast["customers"][number];
  const folder = `${device.folder}-clone`;
  await cp(device.folder, folder, { recursive: true, filter: isMemory });
  const clone = { ...customer, folder: `${customer.folder}-clone` };
  await cp(customer.folder, clone.folder, { recursive: true });
  // A gateway's copy is at another address, where the device's copy alone dials in.
  const door = await openDemoDoor(cast, customer.oracleUrls, clone);
  const copied = { customer: lowercaseHex(customer.wallet.address), url: endpointOf(door) };
  const node = await startDevice(cast, device.oracleUrls, device.key, folder, [copied]);
  while (door.device(node.device) === undefined) await sleep(100);
  const gateway = await startDemoGateway(cast, customer.oracleUrls, clone, {
    door,
    // What it signs for is on the original's account already when that goes on.
    payBasisPoints: () => 10_000,
  });
  try {
    await gateway.serveRound();
    await customer.gateway.serveRound();
    await gateway.settle();
    await node.idle();
    await customer.gateway.settle();
    await device.node.idle();
  } finally {
    await gateway.close();
    await node.close();
    await door.close();
  }
}

/** Not the socket on which the device that runs says how it does. */
function isMemory(path: string): boolean {
  return !path.endsWith(".sock");
}
