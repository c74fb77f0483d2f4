import { join } from "node:path";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { EXIT } from "@link-rewards/host/program";
import { toJson, tokens } from "../oracle/commands/print.ts";
import { type DemoCustomer, foundWorld, startCast } from "./demo/cast.ts";
import { cashOut } from "./demo/colluders.ts";
import { firstEpoch, type Story, secondEpoch, THEFTS, thirdEpoch } from "./demo/epochs.ts";
import {
  countForgotten,
  epochWithLiar,
  type Lost,
  loseMember,
  membersSummary,
  type Proof,
} from "./demo/members.ts";
import { countMoney, refundAll } from "./demo/money.ts";
import { type Operator, startOperators } from "./demo/operator.ts";
import { readOptions } from "./demo/options.ts";
import { audit, auditTampered, coverOf, strayedVisits, tables } from "./demo/summary.ts";
import { writePages } from "./pages/write-pages.ts";

/** What is not promised to the wei: too much of one epoch, half of another. */
const PROMISES = [
  { customer: "customer 1", epoch: 1, basisPoints: 11_000 },
  { customer: "customer 3", epoch: 2, basisPoints: 5_000 },
];
const WHOLE_BASIS_POINTS = 10_000;
const EPOCHS = 3;

const options = await readOptions(process.argv.slice(2));
if (options === undefined) process.exit();
const { json, keep, oracles, threshold } = options;
const areSeveral = oracles > 1;

const started = Date.now();
const tell = (text: string) => {
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(5);
  process.stderr.write(`${seconds}s  ${text}\n`);
};

const world = await foundWorld({ oracles, threshold });
const withP256 = world.devices.filter(({ key }) => key.publicKey !== NO_PUBLIC_KEY).length;
tell(
  `a chain with the contracts: 8 owners with 12 devices, ${withP256} of them with P-256 keys, and 3 customers, one an inspector of the reward programme, are enrolled, bound and admitted`,
);
const pages = keep ? join(world.devnet.folder, "pages") : undefined;
if (pages !== undefined) {
  const { deploymentFile, rpcUrl } = world.devnet;
  const chain = { name: "Demo chain", currency: "ETH" };
  await writePages(pages, { deploymentFile, rpcUrls: [rpcUrl], chain, bundles: ["../bundles"] });
  tell("the claim and audit pages are built");
}
const operator = await startOperators(world.devnet, world.people.members, pages);
tell(
  areSeveral
    ? `${oracles} oracles serve, each as its own process, and ${threshold} of them must sign`
    : `the oracle serves at ${operator.url}, as its own process`,
);
const cast = await startCast(
  world,
  operator,
  (customer, epoch) =>
    PROMISES.find((promise) => promise.customer === customer && promise.epoch === epoch)
      ?.basisPoints ?? WHOLE_BASIS_POINTS,
);
tell(
  `${cast.customers.length} gateways run, and ${cast.devices.length} devices that listen nowhere and dial in`,
);

const problems: string[] = [];
const proofs: Proof[] = [];
let lost: Lost | undefined;
const stories: readonly Story[] = areSeveral
  ? [
      firstEpoch,
      (...with_) =>
        secondEpoch(...with_, async (...amid) => {
          lost = await loseMember(...amid);
        }),
      async (...with_) => {
        proofs.push(await epochWithLiar(...with_));
      },
    ]
  : [firstEpoch, secondEpoch, thirdEpoch];
try {
  for (const [i, epoch] of stories.entries()) {
    tell(`— epoch ${i + 1} —`);
    await epoch(cast, operator, tell);
  }
  tell("— claims and audit —");
  await claim(operator, "owner", 0, []);
  tell("owner 1, with two devices, claimed three epochs in one transaction");
  await claim(
    operator,
    "bystander",
    undefined,
    cast.owners.slice(1, 5).map(({ address }) => address),
  );
  tell("a bystander claimed for owners 2 to 5 in one transaction; the tokens went to them");
  const { bills, inFull, ceiling } = await coverOf(operator, cast.customers[2] as DemoCustomer, 2);
  tell(
    `of the ${bills} bills that customer 3 half paid, the ${inFull} smallest are paid in full, the others up to ${tokens(ceiling)} LTK`,
  );
  if (inFull === 0 || inFull === bills) problems.push("the smallest bills were not paid first");
  await refundAll(cast, operator);
  tell(
    "what customers paid beyond what counted is back in their balances, the inspector's in the programme",
  );
  await claim(operator, "bystander", undefined, [cast.colluders.wallet.address]);
  const ended = await cashOut(cast.colluders, cast.devnet);
  const { began } = cast.colluders;
  tell(`who signed with himself began with ${tokens(began)} LTK and ends with ${tokens(ended)}`);
  if (ended >= began) problems.push("who signed with himself lost nothing");

  const asPublished = await audit(operator, operator.bundlesUrl);
  tell(`an outsider's audit of the public files: ${asPublished.agrees ? "agrees" : "DIFFERS"}`);
  if (!asPublished.agrees) problems.push("the audit differs");
  const tampered = await auditTampered(cast, operator);
  tell(`with one byte changed it ends with ${tampered.code}: ${tampered.message}`);
  const named = `this copy at ${tampered.copy} is not what was signed: contributions.bin of epoch 2 `;
  if (tampered.code !== EXIT.unavailable || !tampered.message?.startsWith(named))
    problems.push("the file with the changed byte was not named");

  const strayed = await strayedVisits(cast, EPOCHS);
  tell(`the inspector called devices ${strayed ?? "in the order that the chain drew"}`);
  if (strayed !== undefined) problems.push(`the inspector called devices ${strayed}`);

  if (lost !== undefined) {
    const forgotten = await countForgotten(cast, operator, lost);
    if (forgotten === 0)
      tell("all that the lost member had acknowledged is in the bundle, or newer receipts for it");
    if (forgotten > 0) problems.push(`${forgotten} acknowledged receipts are not in the bundle`);
  }

  const money = await countMoney(cast, operator);
  problems.push(...money.problems);
  const { counts } = operator;
  await Promise.all(cast.customers.map(({ gateway }) => gateway.close()));
  await Promise.all(cast.devices.map(({ node }) => node.close()));
  await Promise.all(cast.customers.map(({ door }) => door.close()));
  await Promise.all(cast.delays.map((delay) => delay.close()));
  const readable = json ? "" : await tables(cast, operator, money);
  await operator.count();
  problems.push(...missing(counts, await convictions()));
  const seconds = Math.round((Date.now() - started) / 1000);
  const summary = {
    ok: problems.length === 0,
    epochs: asPublished.epochs.map((epoch) => ({
      epoch: epoch.epoch,
      contributions: epoch.contributions,
      value: epoch.value,
      counted: epoch.counted,
      delta: epoch.delta,
      fee: epoch.fee,
      root: epoch.root,
      contributionRoot: epoch.contributionRoot,
      invoiceRoot: epoch.invoiceRoot,
      bundleHash: epoch.bundleHash,
      auditAgrees: epoch.verdict === "agrees",
    })),
    receipts: {
      accepted: counts.accepted,
      refused: counts.refused,
      equivocations: counts.equivocations,
    },
    users: cast.used,
    claims: money.claims,
    inWei: money.in,
    outWei: money.out,
    refundedWei: money.refunded,
    colluders: { beganWei: began, endedWei: ended },
    refusedCustomers: cast.refusedCustomers,
    crashesSurvived: operator.crashes,
    convictions: await convictions(),
    ...(areSeveral && (await membersSummary(cast, operator, proofs))),
    seconds,
  };
  if (cast.used === undefined || cast.used.far.bytes >= cast.used.near.bytes)
    problems.push("the device that is far away did not get less than the near ones");
  if (summary.epochs.length !== EPOCHS)
    problems.push(`${summary.epochs.length} epochs are final, not ${EPOCHS}`);
  if (json) process.stdout.write(`${toJson({ ...summary, ok: problems.length === 0 })}\n`);
  else {
    process.stdout.write(`${readable}\n`);
    tell(
      `${counts.accepted} receipts accepted, ${counts.equivocations} equivocation kept, refused: ${JSON.stringify(counts.refused)}`,
    );
    tell(
      "what is claimed, claimable, credited, burned, left and rounded away is what went in, to the wei",
    );
  }
  for (const problem of problems) process.stderr.write(`PROBLEM: ${problem}\n`);
  if (keep) await keepRunning();
} finally {
  await operator.stop();
  cast.chain.close();
  cast.deviceChain.close();
  await cast.devnet.close();
}
process.exitCode = problems.length === 0 ? 0 : 1;

async function claim(
  by: Operator,
  name: string,
  owner: number | undefined,
  accounts: readonly string[],
) {
  const { devnet, owners } = cast;
  const wallet = owner === undefined ? devnet.role("bystander") : owners[owner];
  if (wallet === undefined) throw new Error(`there is no owner ${owner}`);
  const keyFile = await devnet.keyFile(name, wallet);
  const args = ["--bundles", by.bundlesUrl, "--key-file", keyFile, "--json", ...accounts];
  const { code, stdout, stderr } = await by.run("claim", ...args);
  if (code !== 0) throw new Error(`the claim ended with ${code}: ${stderr}`);
  const { transactions } = JSON.parse(stdout) as { transactions: string[] };
  if (transactions.length !== 1) problems.push(`${transactions.length} transactions for one claim`);
}

async function convictions(): Promise<number> {
  const { ledger } = cast.devnet.suite;
  return (await ledger.queryFilter(ledger.filters.RootRevoked())).length;
}

/** What the story was meant to show and did not. */
function missing(
  { refused, equivocations }: Operator["counts"],
  undone: number,
): readonly string[] {
  // Of several members one alone gets nothing proposed.
  const thefts = areSeveral ? 0 : THEFTS;
  const shown = [
    [refused["device-signature-invalid"] === 1, "the forged signature was not refused"],
    [(refused["device-revoked"] ?? 0) > 0, "the revoked device was not refused"],
    [equivocations > 0, "the cloned key was not caught"],
    [undone === thefts, `${undone} of ${thefts} thefts were undone`],
  ] as const;
  return shown.flatMap(([ok, problem]) => (ok ? [] : [problem]));
}

async function keepRunning(): Promise<void> {
  const { devnet } = cast;
  const { RewardDistributor, EpochLedger, LinkToken } = JSON.parse(
    await (await import("node:fs/promises")).readFile(devnet.deploymentFile, "utf8"),
  ).contracts;
  process.stderr.write(`
Everything keeps running until Ctrl-C.
  chain        ${devnet.rpcUrl} (chain id 31337)
  deployment   ${devnet.deploymentFile}
  oracle       ${operator.url}
  bundles      ${operator.bundlesUrl}
  pages        ${operator.url}/pages/ (claim: add the chain and an owner's key to a wallet; audit: needs nothing)
  an owner     ${operator.url}/pages/#/claim/${cast.owners[6]?.address}
  the audit    ${operator.url}/pages/#/audit
  LinkToken ${LinkToken.address}, EpochLedger ${EpochLedger.address}, RewardDistributor ${RewardDistributor.address}

  npm run oracle -- status --rpc ${devnet.rpcUrl} --deployment ${devnet.deploymentFile}
  npm run oracle -- proof ${cast.owners[6]?.address} --rpc ${devnet.rpcUrl} --deployment ${devnet.deploymentFile} --bundles ${operator.bundlesUrl}
`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
