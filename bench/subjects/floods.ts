import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { type Address, toHex } from "@link-rewards/core/encoding/bytes";
import {
  bodyHashOf,
  MEMBER_VERSIONS,
  memberAuthorization,
  requestTarget,
} from "@link-rewards/core/signed/member-request";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import {
  PACKED_BATCH_TYPE,
  packBatch,
  signedVoucherToJson,
} from "@link-rewards/core/signed/submission";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { type MemberWorld, startMemberWorld } from "../../test/worlds/network.ts";
import { type MeasureTogether, median } from "../case.ts";
import type { Flood, Flooded } from "../floods/flooder.ts";
import type { HonestWork, Waited } from "../floods/honest.ts";
import type { Sink } from "../floods/sink.ts";
import { answerOf, forkOf } from "../ingest/processes.ts";

/**
 * What an honest device waits for its acknowledgement from a real `serve` with its database on disk, while nothing else
 * happens, and while strangers and an insider do what they can. All on loopback, all bounded.
 */
const HONEST_DEVICES = 4;
const HONEST_EVERY_MS = 100;
const SECONDS = { quick: 3, full: 12 } as const;
const ROUNDS = { quick: 1, full: 5 } as const;
const SETTLE_MS = 1_000;
/** Four addresses; the honest ones are at 127.0.0.1. */
const ADDRESSES = 4;
const CONNECTIONS = 16;
/** More than an insider's device may have stored while it is measured. */
const INSIDER_RECEIPTS = 2_000;
const BATCH = 100;
const SLOW_BODIES = 600;
const SILENT_CONNECTIONS = 1_600;
const BODY_BYTES = 1024 * 1024;
const CHUNKS = 100_000;
/** Of an epoch that nobody sends for, so that reading it is all that is done with it. */
const FULL_EPOCH = 7;
const STORED_RECEIPTS = 20_000;
const STORED_VOUCHERS = 20_000;

type Kind = Omit<Flood, "url" | "addresses"> & {
  /** A round has its own where what was sent before is worth less: an insider's device that is over its allowance. */
  readonly ofRound?: (round: number) => readonly string[];
};

export const measureTogether: MeasureTogether = async ({ quick, only, ...asked }) => {
  const seconds = quick ? SECONDS.quick : SECONDS.full;
  const rounds = asked.rounds ?? (quick ? ROUNDS.quick : ROUNDS.full);
  const world = await startMemberWorld({ owners: ownersOf(rounds) });
  const fork = (file: string) => forkOf(file, [], import.meta.url);
  const [honest, flooder, sink] = ["honest", "flooder", "sink"].map((name) =>
    fork(`../floods/${name}.ts`),
  ) as [ChildProcess, ChildProcess, ChildProcess];
  const listens = answerOf(sink);
  try {
    await fillStore(world);
    const service = await world.oracle.serve();
    const { pid } = service.process.child;
    const all = await floodsOf(world, service.url, rounds);
    const floods = [...all].filter(([what]) => only === undefined || what.includes(only));
    if (floods.length === 0) throw new Error(`no flood's name contains "${only}"`);
    const measurings = 3 * rounds * floods.length + 1;
    await told(honest, await honestWork(world, service.url, measurings * seconds));
    const sinkUrl = (await listens) as string;
    // The first receipts of a process take longer: what was never run is compiled.
    await told<Waited>(honest, { seconds });
    let host = 10;
    const measured: (readonly [string, Kind, Round[]])[] = floods.map(
      ([what, kind]) => [...[what, kind], []] as const,
    ) as never;
    // Round by round, so that whatever else the machine does meets all three.
    for (let round = 0; round < rounds; round++) {
      for (const [what, kind, own] of measured) {
        const addresses = Array.from({ length: ADDRESSES }, () => loopback(host++));
        const { ofRound, ...usual } = kind;
        const requests = ofRound?.(round) ?? kind.requests;
        const flood = { ...usual, requests, addresses };
        await lagOf(service.url);
        const idle = await told<Waited>(honest, { seconds });
        const idleLag = await lagOf(service.url);
        await forgetPeak(pid);
        await told(flooder, { ...flood, url: service.url } satisfies Flood);
        const under = await told<Waited>(honest, { seconds });
        const sent = await told<Flooded>(flooder, "stop");
        const lag = await lagOf(service.url);
        const mb = await peakMb(pid);
        // What still waits is not the next one's.
        await sleep(SETTLE_MS);
        const lanes = kind.connections * (kind.pipelined ?? 1);
        const answerMilliseconds = (lanes * 1_000 * seconds) / Math.max(1, sent.answered);
        await told(sink, { answerMilliseconds } satisfies Sink);
        await told(flooder, { ...flood, url: sinkUrl } satisfies Flood);
        const dropped = await told<Waited>(honest, { seconds });
        await told<Flooded>(flooder, "stop");
        process.stderr.write(
          `bench: floods, ${what}, round ${round + 1}: p99 ${one(idle.p99)} ms idle, ${one(under.p99)} under it, ${one(dropped.p99)} while it is dropped elsewhere; ` +
            `p50 ${one(idle.p50)}, ${one(under.p50)}, ${one(dropped.p50)}; lost ${idle.lost}, ${under.lost}, ${dropped.lost} of ${under.sent}; ` +
            `the service's thread stood still for ${one(lag)} ms at most (idle ${one(idleLag)}); ` +
            `${sent.opened} connections, ${sent.answered} answers, ${one(sent.cpuSeconds)} s of processor to send\n`,
        );
        own.push({ idle, under, dropped, mb });
        await sleep(SETTLE_MS);
      }
    }
    await service.stop();
    return measured.flatMap(([what, { connections }, own]) => {
      const p99 = (which: (round: Round) => Waited) => median(own.map((each) => which(each).p99));
      const peaks = { peakMb: Math.max(...own.map(({ mb }) => mb)), peerPeakMb: null };
      const row = { what, size: connections, figure: p99(({ under }) => under), ...peaks };
      return [
        { ...row, peer: "idle", theirs: p99(({ idle }) => idle) },
        { ...row, peer: "dropped", theirs: p99(({ dropped }) => dropped) },
      ];
    });
  } finally {
    for (const child of [honest, flooder, sink]) child.kill();
    await world.stop();
  }
};

type Round = {
  readonly idle: Waited;
  readonly under: Waited;
  readonly dropped: Waited;
  readonly mb: number;
};

function one(figure: number): string {
  return figure.toFixed(1);
}

function loopback(host: number): string {
  return `127.0.${host >> 8}.${host & 0xff}`;
}

/** Of every three devices one has a key of the other kind, which the bench leaves alone. */
function ownersOf(rounds: number): number {
  return Math.ceil((3 * (HONEST_DEVICES + rounds)) / 2) + 1;
}

/** The longest that the service's only thread stood still since it was last asked, by its own measure. */
async function lagOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return 1_000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN);
}

/** As of many devices and customers: what a reader gets is not looked at again, and so need not be signed. */
async function fillStore({ oracle }: MemberWorld): Promise<void> {
  const store = await oracle.openStore();
  try {
    const filler = (i: number) => toHex(new Uint8Array(randomBytes(20)).fill(i & 0xff, 0, 1));
    const receipts = Array.from({ length: STORED_RECEIPTS }, (_, i) => ({
      receipt: {
        ...{ epoch: FULL_EPOCH, sequence: 1, device: filler(i), customer: filler(i + 1) },
        ...{ egressBytes: 1n, storageByteSeconds: 0n, computeMilliseconds: 0n },
      },
      ...{ customerSignature: randomSignature(), deviceSignature: randomSignature() },
      digest: new Uint8Array(randomBytes(32)),
    }));
    await store.putReceipts(receipts as never);
  } finally {
    await store.close();
  }
  // Each in a commit of its own would take minutes.
  const database = new DatabaseSync(join(oracle.data, "oracle.sqlite"));
  const put = database.prepare(
    "INSERT INTO vouchers (customer, epoch, amount, signature, arrival) VALUES (?, ?, ?, ?, ?)",
  );
  database.exec("BEGIN");
  for (let i = 0; i < STORED_VOUCHERS; i++) {
    put.run(randomBytes(20), FULL_EPOCH, Buffer.alloc(12, 1), randomSignature(), i + 1);
  }
  database.exec(`INSERT INTO voucher_arrivals (id, last) VALUES (1, ${STORED_VOUCHERS}); COMMIT`);
  database.close();
}

async function told<T>(child: ReturnType<typeof forkOf>, message: unknown): Promise<T> {
  const answer = answerOf(child);
  child.send(message as object);
  return (await answer) as T;
}

async function honestWork(world: MemberWorld, url: string, seconds: number): Promise<HonestWork> {
  const each = Math.ceil((1_000 * seconds) / HONEST_EVERY_MS);
  const envelope = await envelopeOf(world);
  const lanes = secpDevices(world)
    .slice(0, HONEST_DEVICES)
    .map((device) =>
      Array.from({ length: each }, (_, i) =>
        packedRequest(envelope, [world.sign({ device, sequence: i + 1, egressBytes: 5n })]),
      ),
    );
  return { url, lanes, everyMilliseconds: HONEST_EVERY_MS };
}

/** The honest ones' first, then an insider's for each round. */
function secpDevices(world: MemberWorld): readonly Address[] {
  return world.devices.filter((_, i) => i % 3 !== 1).map(({ address }) => address);
}

async function envelopeOf({ devnet }: MemberWorld) {
  const file = await readDeploymentFile(devnet.deploymentFile);
  return { chainId: file.chainId, registry: contractsOf(file).deviceRegistry };
}

type Envelope = Awaited<ReturnType<typeof envelopeOf>>;

async function floodsOf(
  world: MemberWorld,
  url: string,
  rounds: number,
): Promise<ReadonlyMap<string, Kind>> {
  const envelope = await envelopeOf(world);
  const [victim, ...others] = secpDevices(world) as [Address, ...Address[]];
  const insiders = others.slice(HONEST_DEVICES - 1, HONEST_DEVICES - 1 + rounds);
  const { member } = world.oracle;
  const usual = { connections: CONNECTIONS };
  const forged = { ...world.sign({ device: victim, sequence: 1, egressBytes: 5n }) };
  const forgery = (i: number): SignedReceipt => {
    const receipt = { ...forged.receipt, sequence: 1_000_000 + i };
    return { ...forged, receipt, deviceSignature: randomSignature() };
  };
  const higher = (insider: Address) =>
    Array.from({ length: INSIDER_RECEIPTS / BATCH }, (_, b) =>
      packedRequest(
        envelope,
        Array.from({ length: BATCH }, (_each, i) =>
          world.sign({ device: insider, sequence: 1 + b * BATCH + i, egressBytes: 1n }),
        ),
      ),
    );
  const higherOf = insiders.map(higher);
  const fillers = Array.from({ length: 3_000 }, () => toHex(randomBytes(8)) + "0".repeat(300));
  const bomb = gzipSync(`[${"[],".repeat(349_000)}[]]`);
  const bad = { ...envelope, receipts: Array.from({ length: 17 }, () => 0) };
  const promised = world.promise(1, 1n);
  const voucher = () => signedVoucherToJson({ ...promised, signature: randomSignature() });
  const times = <T>(count: number, make: (i: number) => T) =>
    Array.from({ length: count }, (_, i) => make(i));
  return new Map<string, Kind>([
    [
      "an insider's ever higher sequences",
      { ...usual, requests: [], ofRound: (round) => higherOf[round] as readonly string[] },
    ],
    [
      "forgeries with public addresses",
      {
        ...usual,
        requests: times(20, (b) =>
          packedRequest(
            envelope,
            times(BATCH, (i) => forgery(b * BATCH + i)),
          ),
        ),
      },
    ],
    [
      "gzip bombs",
      {
        ...usual,
        requests: [postOf("/v1/receipts", bomb, "application/json", "content-encoding: gzip\r\n")],
      },
    ],
    [
      "slow bodies",
      {
        connections: SLOW_BODIES,
        requests: [postOf("/v1/receipts", Buffer.alloc(BODY_BYTES, "0"), "application/json")],
        slow: { bytes: BODY_BYTES / 16, everyMilliseconds: 100 },
      },
    ],
    ["batches of 17 bad items", { ...usual, requests: [jsonPost("/v1/receipts", bad)] }],
    [
      "vouchers with bad signatures",
      { ...usual, requests: times(200, () => jsonPost("/v1/vouchers", voucher())) },
    ],
    [
      "garbage in a member's name",
      { ...usual, requests: times(200, () => garbageInNameOf(member)) },
    ],
    [
      "costly reads",
      {
        ...usual,
        requests: [
          ...[
            "/metrics",
            "/openapi.json",
            "/v1/receipts/1",
            "/v1/vouchers",
            "/bundles/1/contributions.bin",
          ],
          `/v1/receipts/1/${victim}/${forged.receipt.customer}`,
        ].map(get),
      },
    ],
    [
      "connections opened and left",
      { connections: SILENT_CONNECTIONS, requests: [], silent: true },
    ],
    [
      "slow headers",
      {
        connections: SLOW_BODIES,
        requests: [requestOf("GET /livez", Buffer.alloc(0), `x-slow: ${"0".repeat(6_000)}\r\n`)],
        slow: { bytes: 16, everyMilliseconds: 100 },
      },
    ],
    ["tiny requests on open connections", { ...usual, requests: [get("/livez")] }],
    ["probes", { ...usual, requests: [get("/readyz")] }],
    [
      "pipelined requests",
      { ...usual, requests: [get("/livez"), get("/v1/epochs/open")], pipelined: 1_000 },
    ],
    ["nothing there", { ...usual, requests: [get("/no/such/thing")] }],
    [
      "posts where nothing is",
      { ...usual, requests: [jsonPost("/no/such/thing", {}), jsonPost("/v1/attestations", {})] },
    ],
    ["metrics", { ...usual, requests: [get("/metrics")] }],
    [
      "gzip of all that is let through",
      {
        ...usual,
        requests: [
          postOf(
            "/v1/receipts",
            gzipSync(JSON.stringify({ pad: fillers })),
            "application/json",
            "content-encoding: gzip\r\n",
          ),
        ],
      },
    ],
    ["chunks of one byte", { ...usual, requests: [chunked("/v1/receipts")] }],
    ["all receipts of an epoch", { ...usual, requests: [get(`/v1/receipts/${FULL_EPOCH}`)] }],
    ["all vouchers", { ...usual, requests: [get("/v1/vouchers")] }],
  ]);

  function requestOf(line: string, body: Buffer, headers: string): string {
    const length = body.length === 0 ? "" : `content-length: ${body.length}\r\n`;
    const head = `${line} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n${headers}${length}\r\n`;
    return Buffer.concat([Buffer.from(head), body]).toString("base64");
  }
  function get(path: string): string {
    return requestOf(`GET ${path}`, Buffer.alloc(0), "");
  }
  /** What a sender may split as it likes: each byte is a chunk of its own. */
  function chunked(path: string): string {
    const type = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    const body = "1\r\n0\r\n".repeat(CHUNKS);
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${type}\r\n`;
    return Buffer.from(`${head}${body}0\r\n\r\n`).toString("base64");
  }
  function postOf(path: string, body: Buffer, type: string, more = ""): string {
    return requestOf(`POST ${path}`, body, `content-type: ${type}\r\n${more}`);
  }
  function jsonPost(path: string, body: unknown): string {
    return postOf(path, Buffer.from(JSON.stringify(body)), "application/json");
  }
  /** Right in everything but the signature, so that it costs one to be refused. */
  function garbageInNameOf(member: Address): string {
    const path = "/v1/arrivals/receipts";
    const authorization = memberAuthorization(
      {
        ...{ version: MEMBER_VERSIONS.newest, member, recipient: member },
        target: requestTarget("GET", path),
        bodyHash: bodyHashOf(new Uint8Array()),
        sentAt: BigInt(Math.floor(Date.now() / 1_000)),
        nonce: toHex(randomBytes(32)),
      },
      randomSignature(),
    );
    return requestOf(`GET ${path}`, Buffer.alloc(0), `authorization: ${authorization}\r\n`);
  }
}

function packedRequest(envelope: Envelope, receipts: readonly SignedReceipt[]): string {
  const body = packBatch(envelope, receipts);
  const head = `POST /v1/receipts HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${PACKED_BATCH_TYPE}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]).toString("base64");
}

/** Of the right form, and of nobody. */
function randomSignature(): Uint8Array {
  const signature = new Uint8Array(randomBytes(64));
  signature[32] = (signature[32] as number) & 0x3f;
  return signature;
}

/** Linux keeps the highest that a process had in memory, and forgets it when it is told to. */
async function forgetPeak(pid: number | undefined): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5").catch(() => undefined);
}

async function peakMb(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}
