import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
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
import type { MeasureTogether } from "../case.ts";
import type { Flood, Flooded } from "../floods/flooder.ts";
import type { HonestWork, Waited } from "../floods/honest.ts";
import { answerOf, forkOf } from "../ingest/processes.ts";

/**
 * What an honest device waits for its acknowledgement from a real `serve` with its database on disk, while nothing else
 * happens, and while strangers and an insider do what they can. All on loopback, all bounded.
 */
const HONEST_DEVICES = 4;
const HONEST_EVERY_MS = 100;
const SECONDS = { quick: 3, full: 10 } as const;
/** Four addresses; the honest ones are at 127.0.0.1. */
const ADDRESSES = 4;
const CONNECTIONS = 16;
/** More than an insider's device may have stored while it is measured. */
const INSIDER_RECEIPTS = 2_000;
const BATCH = 100;
const SLOW_BODIES = 600;
const SILENT_CONNECTIONS = 1_600;
const BODY_BYTES = 1024 * 1024;

type Kind = Omit<Flood, "url" | "addresses">;

export const measureTogether: MeasureTogether = async ({ quick }) => {
  const seconds = quick ? SECONDS.quick : SECONDS.full;
  const world = await startMemberWorld({ owners: 2 * HONEST_DEVICES });
  const honest = forkOf("../floods/honest.ts", [], import.meta.url);
  const flooder = forkOf("../floods/flooder.ts", [], import.meta.url);
  try {
    const service = await world.oracle.serve();
    const { pid } = service.process.child;
    const floods = await floodsOf(world, service.url);
    const measurings = 2 * floods.size + 1;
    await told(honest, await honestWork(world, service.url, measurings * seconds));
    const measured: Awaited<ReturnType<MeasureTogether>>[number][] = [];
    // The first receipts of a process take longer: what was never run is compiled.
    await told<Waited>(honest, { seconds });
    let host = 10;
    for (const [what, kind] of floods) {
      await forgetPeak(pid);
      const idle = await told<Waited>(honest, { seconds });
      const idleMb = await peakMb(pid);
      await forgetPeak(pid);
      const addresses = Array.from({ length: ADDRESSES }, () => `127.0.0.${host++}`);
      await told(flooder, { ...kind, url: service.url, addresses } satisfies Flood);
      const under = await told<Waited>(honest, { seconds });
      const { answered, opened, cpuSeconds } = await told<Flooded>(flooder, "stop");
      process.stderr.write(
        `bench: floods, ${what}: ${opened} connections, ${answered} answers, ${cpuSeconds.toFixed(1)} s of processor to send; ` +
          `honest p50 ${under.p50.toFixed(1)} ms (idle ${idle.p50.toFixed(1)}), ${under.lost} of ${under.sent} lost (idle ${idle.lost})\n`,
      );
      measured.push({
        what,
        size: kind.connections,
        figure: under.p99,
        idle: idle.p99,
        peakMb: await peakMb(pid),
        peerPeakMb: idleMb,
      });
      // What still waits is not the next one's.
      await sleep(1_000);
    }
    await service.stop();
    return measured;
  } finally {
    honest.kill();
    flooder.kill();
    await world.stop();
  }
};

async function told<T>(child: ReturnType<typeof forkOf>, message: unknown): Promise<T> {
  const answer = answerOf(child);
  child.send(message as object);
  return (await answer) as T;
}

async function honestWork(world: MemberWorld, url: string, seconds: number): Promise<HonestWork> {
  const each = Math.ceil((1_000 * seconds) / HONEST_EVERY_MS);
  const envelope = await envelopeOf(world);
  const lanes = secpDevices(world)
    .slice(1, 1 + HONEST_DEVICES)
    .map((device) =>
      Array.from({ length: each }, (_, i) =>
        packedRequest(envelope, [world.sign({ device, sequence: i + 1, egressBytes: 5n })]),
      ),
    );
  return { url, lanes, everyMilliseconds: HONEST_EVERY_MS };
}

/** The insider's first, then the honest ones'. */
function secpDevices(world: MemberWorld): readonly Address[] {
  return world.devices.filter((_, i) => i % 3 !== 1).map(({ address }) => address);
}

async function envelopeOf({ devnet }: MemberWorld) {
  const file = await readDeploymentFile(devnet.deploymentFile);
  return { chainId: file.chainId, registry: contractsOf(file).deviceRegistry };
}

type Envelope = Awaited<ReturnType<typeof envelopeOf>>;

async function floodsOf(world: MemberWorld, url: string): Promise<ReadonlyMap<string, Kind>> {
  const envelope = await envelopeOf(world);
  const [insider, ...others] = secpDevices(world);
  const victim = others[0] as Address;
  const { member } = world.oracle;
  const usual = { connections: CONNECTIONS };
  const forged = { ...world.sign({ device: victim, sequence: 1, egressBytes: 5n }) };
  const forgery = (i: number): SignedReceipt => {
    const receipt = { ...forged.receipt, sequence: 1_000_000 + i };
    return { ...forged, receipt, deviceSignature: randomSignature() };
  };
  const higher = Array.from({ length: INSIDER_RECEIPTS / BATCH }, (_, b) =>
    Array.from({ length: BATCH }, (_each, i) =>
      world.sign({ device: insider as Address, sequence: 1 + b * BATCH + i, egressBytes: 1n }),
    ),
  );
  const bomb = gzipSync(`[${"[],".repeat(349_000)}[]]`);
  const bad = { ...envelope, receipts: Array.from({ length: 17 }, () => 0) };
  const promised = world.promise(1, 1n);
  const voucher = () => signedVoucherToJson({ ...promised, signature: randomSignature() });
  const times = <T>(count: number, make: (i: number) => T) =>
    Array.from({ length: count }, (_, i) => make(i));
  return new Map<string, Kind>([
    [
      "an insider's ever higher sequences",
      { ...usual, requests: higher.map((batch) => packedRequest(envelope, batch)) },
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
        ].map((path) => requestOf(`GET ${path}`, Buffer.alloc(0), "")),
      },
    ],
    [
      "connections opened and left",
      { connections: SILENT_CONNECTIONS, requests: [], silent: true },
    ],
  ]);

  function requestOf(line: string, body: Buffer, headers: string): string {
    const length = body.length === 0 ? "" : `content-length: ${body.length}\r\n`;
    const head = `${line} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n${headers}${length}\r\n`;
    return Buffer.concat([Buffer.from(head), body]).toString("base64");
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
