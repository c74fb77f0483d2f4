import { spawn } from "node:child_process";
import { createECDH, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { type Address, fromHex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isSignedBy } from "@link-rewards/core/encoding/p256";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { recover } from "@link-rewards/core/encoding/signature";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import {
  parseSignedReceipt,
  type Receipt,
  receiptDigest,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { SEQUENCE_JUMP } from "../../device/node/book.ts";
import type { LocalDevice } from "../../scripts/local/local-device.ts";
import type { Serving } from "../oracle/support/member-oracle.ts";
import { type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { cFilesIn, compile, FIRMWARE, SANITIZED, STRICT } from "./support/compile.ts";

const FIRST_EPOCH = 1;

/** The C example as its reader runs it: a process with a key file and a folder, and an oracle that runs on a real chain. */
describe("firmware's example", () => {
  let world: MemberWorld;
  let oracle: Serving;
  let program: string;
  let domain: Uint8Array;
  let place: readonly string[];

  before(async () => {
    world = await startMemberWorld({ owners: 2 });
    const deployment = await readDeploymentFile(world.devnet.deploymentFile);
    const { chainId } = deployment;
    const contracts = contractsOf(deployment);
    domain = registryDomain({ chainId, contracts });
    oracle = await world.oracle.serve();
    place = ["--chain-id", `${chainId}`, "--registry", contracts.deviceRegistry];
    program = join(world.devnet.folder, "device");
    const sources = [...cFilesIn(FIRMWARE), ...cFilesIn(`${FIRMWARE}example/`)];
    const posix = ["-D_POSIX_C_SOURCE=200809L", `-I${FIRMWARE}`];
    await compile(...STRICT, ...SANITIZED, ...posix, ...sources, "-o", program, "-lcrypto");
  });

  after(() => world.stop());

  /** As the gateway sends it: the customer has signed, the device has not. */
  const draftOf = (device: LocalDevice, fields: Partial<Receipt>) => {
    const signed = world.sign({ device: device.address, epoch: FIRST_EPOCH, ...fields });
    const { deviceSignature: _, ...draft } = signedReceiptToJson(signed);
    return draft;
  };

  const deviceNamed = (name: string, device: LocalDevice) => {
    const start = async (state: string, drafts: readonly unknown[], changes = {}) => {
      const keyFile = join(world.devnet.folder, `${name}.pem`);
      await writeFile(keyFile, pemOf(device), { mode: 0o600 });
      const folder = join(world.devnet.folder, `${name}-${state}`);
      await mkdir(folder, { recursive: true });
      const options = {
        key: keyFile,
        state: folder,
        oracle: oracle.url.replace(/\/$/, ""),
        customer: lowercaseHex(world.customer.address),
        "gateway-key": gatewayOf(world.sign({ device: device.address })),
        member: world.oracle.member,
        attempts: "1",
        ...changes,
      };
      const given = Object.entries(options).flatMap(([option, value]) => [`--${option}`, value]);
      return runWith(program, [...place, ...given], drafts);
    };
    return { start };
  };

  const gatewayOf = ({ receipt, customerSignature }: SignedReceipt): Address =>
    recover(receiptDigest(domain, receipt), customerSignature) as Address;

  const headOf = async (device: Address): Promise<unknown> => {
    const customer = lowercaseHex(world.customer.address);
    const path = `/v1/receipts/${FIRST_EPOCH}/${device}/${customer}`;
    const { digest: _, ...head } = (await (await fetch(new URL(path, oracle.url))).json()) as {
      digest: string;
    };
    return head;
  };

  for (const [index, kind] of ["secp256k1", "P-256"].entries()) {
    it(`has its receipt acknowledged by a running oracle, with a ${kind} key`, async () => {
      const device = world.devices[index] as LocalDevice;
      const { start } = deviceNamed(kind, device);

      // A new device cannot tell itself from one that lost its memory.
      const early = await start("flash", [draftOf(device, { sequence: 1 })]);
      const next = { refusal: "sequence-unexpected", next: SEQUENCE_JUMP };
      expect(early, early.said).to.deep.include({ code: 1, answers: [next] });

      const draft = draftOf(device, { sequence: SEQUENCE_JUMP });
      const signed = await start("flash", [draft]);
      expect(signed.code, signed.said).to.equal(0);
      expect(signed.answers[0]).to.deep.include(draft);
      const said = `acknowledged: epoch ${FIRST_EPOCH}, sequence ${SEQUENCE_JUMP}, by ${world.oracle.member}`;
      expect(signed.said).to.include(said);

      const receipt = signedReceiptOf(signed.answers[0]);
      const digest = receiptDigest(domain, receipt.receipt);
      const { address, publicKey } = device;
      expect(isSignedBy(address, digest, receipt.deviceSignature, publicKey)).to.equal(true);
      expect(await headOf(address)).to.deep.equal(signed.answers[0]);

      // Asked again, after its process ended, it has the receipt and signs nothing.
      const again = await start("flash", [draft]);
      expect(again, again.said).to.deep.include({ code: 0, answers: signed.answers });
      expect(again.said).not.to.include("acknowledged");
    });
  }

  it("keeps a receipt until the member that it knows has acknowledged it", async () => {
    const device = world.devices[0] as LocalDevice;
    const { start } = deviceNamed("secp256k1", device);
    const draft = draftOf(device, { sequence: SEQUENCE_JUMP + 1 });
    const stranger = lowercaseHex(world.customer.address);
    const unknown = await start("flash", [draft], { member: stranger });
    expect(unknown.code, unknown.said).to.equal(2);
    expect(unknown.said).to.include("not acknowledged: HTTP 200");

    const later = await start("flash", []);
    expect(later, later.said).to.deep.include({ code: 0, answers: [] });
    expect(later.said).to.include(`acknowledged: epoch 1, sequence ${SEQUENCE_JUMP + 1}`);
  });

  it("goes on past the oracle's head when its state is lost", async () => {
    const device = world.devices[1] as LocalDevice;
    const { start } = deviceNamed("P-256", device);
    const lost = await start("new-flash", [draftOf(device, { sequence: SEQUENCE_JUMP + 1 })]);
    const next = { refusal: "sequence-unexpected", next: 2 * SEQUENCE_JUMP };
    expect(lost, lost.said).to.deep.include({ code: 1, answers: [next] });
    const found = await start("new-flash", [draftOf(device, { sequence: 2 * SEQUENCE_JUMP })]);
    expect(found.code, found.said).to.equal(0);
  });

  it("refuses what another key than the customer's has signed, and what is no draft", async () => {
    const device = world.devices[0] as LocalDevice;
    const { start } = deviceNamed("secp256k1", device);
    const draft = draftOf(device, { sequence: SEQUENCE_JUMP + 2 });
    const changed = { ...draft, receipt: { ...draft.receipt, egressBytes: "7" } };
    const { code, answers } = await start("flash", [changed, {}, []]);
    expect(code).to.equal(1);
    expect(answers).to.deep.equal([
      { refusal: "key-unknown" },
      { refusal: "malformed" },
      { refusal: "malformed" },
    ]);
  });

  it("says what it is told wrong, and ends with 3", async () => {
    const device = world.devices[0] as LocalDevice;
    const { start } = deviceNamed("secp256k1", device);
    const { code, said } = await start("flash", [], { member: "0x12" });
    expect(code).to.equal(3);
    expect(said).to.include("addresses are 0x and 40 hex digits");
  });
});

function signedReceiptOf(answer: unknown): SignedReceipt {
  const signed = parseSignedReceipt(answer);
  if (isRefused(signed)) throw new Error(signed.message);
  return signed;
}

/** As `openssl genpkey` writes it, whichever the curve. */
function pemOf({ privateKey }: LocalDevice): string {
  if (!privateKey.startsWith("0x")) return privateKey;
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(fromHex(lowercaseHex(privateKey)));
  const point = ecdh.getPublicKey();
  const part = (bytes: Buffer) => bytes.toString("base64url");
  const jwk = {
    kty: "EC",
    crv: "secp256k1",
    d: part(Buffer.from(fromHex(lowercaseHex(privateKey)))),
    x: part(point.subarray(1, 33)),
    y: part(point.subarray(33)),
  };
  const pem = createPrivateKey({ key: jwk, format: "jwk" }).export({
    type: "pkcs8",
    format: "pem",
  });
  return String(pem);
}

async function runWith(program: string, args: readonly string[], drafts: readonly unknown[]) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const closed = once(child, "close");
  // It may end before it has read: what is told wrong is not worth a draft.
  child.stdin.on("error", () => undefined);
  child.stdin.end(drafts.map((draft) => `${JSON.stringify(draft)}\n`).join(""));
  const [stdout, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  const answers = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as unknown);
  return { code: code as number | null, answers, said };
}
