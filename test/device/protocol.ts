import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  concatBytes,
  fromHex,
  keccak256,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { verifyP256 } from "@link-rewards/core/encoding/p256";
import { REFUSALS } from "@link-rewards/core/encoding/refusal";
import { p256 } from "@noble/curves/nist.js";
import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import { NODE_REFUSALS, type NodeRefusal, statusOf } from "../../device/refusal.ts";
import { sessionDigest } from "../../device/session.ts";
import { serve } from "../oracle/http/served.ts";
import { address, deployment, registryDomain } from "../worlds/paper.ts";

const DOCUMENT = readFileSync(new URL("../../docs/receipt-protocol.md", import.meta.url), "utf8");
const VECTORS = JSON.parse(
  readFileSync(new URL("../vectors/receipts.json", import.meta.url), "utf8"),
);

const P256 = JSON.parse(readFileSync(new URL("../vectors/p256.json", import.meta.url), "utf8"));

describe("docs/receipt-protocol.md", () => {
  const section = (title: string) => (DOCUMENT.split(`${title}\n`)[1] ?? "").split("\n#")[0] ?? "";
  const rows = (title: string) =>
    section(title)
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));

  it("says of every refusal of the oracle what to do", () => {
    const named = rows("### Refusals of the oracle").map((cells) => cells[1]);
    expect(named).to.deep.equal(Object.keys(REFUSALS));
  });

  it("says every refusal of a device, with its status", () => {
    const named = rows("### Refusals of a device").map((cells) => [cells[1], Number(cells[2])]);
    const known = Object.keys(NODE_REFUSALS).map((word) => [word, statusOf(word as NodeRefusal)]);
    expect(named).to.have.deep.members(known);
  });

  it("computes the first vector step by step", () => {
    const [vector] = VECTORS.vectors;
    const steps = Object.fromEntries(
      [...DOCUMENT.matchAll(/^\| (\w+) \| `(0x[0-9a-f]+)` \|$/gm)].map((match) => match.slice(1)),
    );
    expect(steps).to.deep.include({
      packed: vector.packed,
      separator: VECTORS.domain.separator,
      digest: vector.digest,
    });
    const text = concatBytes(
      Uint8Array.of(0x19, 0x01),
      fromHex(steps.separator),
      fromHex(steps.structHash),
    );
    expect(toHex(keccak256(text))).to.equal(vector.digest);
    expect(DOCUMENT).to.include(VECTORS.type).and.to.include(VECTORS.typeHash);
  });

  it("computes the first vector with a P-256 key, and holds its order and the half of it", () => {
    const [vector] = P256.vectors;
    const steps = Object.fromEntries(
      [...DOCUMENT.matchAll(/^\| ([\w' -]+) \| `(0x[0-9a-f]+)` \|$/gm)].map((match) =>
        match.slice(1),
      ),
    );
    expect(steps).to.deep.include({
      "private key": P256.deviceKey,
      "public key": P256.publicKey,
      address: P256.device,
      "the receipt's digest": vector.digest,
      "SHA-256 of it": vector.sha256,
      "the device's signature": vector.deviceSignature,
    });
    const numberAfter = (name: string) => {
      const [, list = ""] = new RegExp(`${name}\\[32\\] = \\{([^}]+)\\}`).exec(DOCUMENT) ?? [];
      return BigInt(`0x${list.replaceAll(/0x|[,\s]/g, "")}`);
    };
    const order = p256.Point.CURVE().n;
    expect([numberAfter("ORDER"), numberAfter("HALF")]).to.deep.equal([order, order >> 1n]);
  });

  it("signs in a few lines what the law takes, with a PEM file of OpenSSL's", async () => {
    const [, code = ""] = /```js\n([^`]*`[^`]*`[^`]*)```/.exec(DOCUMENT) ?? [];
    const module = `data:text/javascript,${encodeURIComponent(`${code}\nexport { signDigest };`)}`;
    const { signDigest } = await import(module);
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    const key = toHex(publicKey.export({ type: "spki", format: "der" }).subarray(-64));
    const digest = fromHex(P256.vectors[0].digest);
    // Every second signature has a high s at first.
    for (let i = 0; i < 16; i++)
      expect(verifyP256(digest, new Uint8Array(signDigest(digest, pem)), key)).to.equal(true);
  });

  it("shows a request that the oracle takes", async () => {
    const [, body] = /```json\n([^`]+)```/.exec(DOCUMENT) ?? [];
    const oracle = await serve();
    try {
      const { body: answer } = await oracle.post(String(body));
      const [result] = answer.results as readonly Record<string, unknown>[];
      expect(result).to.deep.include({ status: "accepted", digest: VECTORS.vectors[0].digest });
    } finally {
      await oracle.close();
    }
  });

  it("names the session as it is signed", () => {
    const [, fields] = /`Session\(([^)]+)\)`/.exec(DOCUMENT) ?? [];
    const types = String(fields)
      .split(",")
      .map((field) => field.split(" "))
      .map(([type = "", name = ""]) => ({ type, name }));
    const session = { device: address("device-1"), customer: address("customer-1"), epoch: 7 };
    const domain = {
      name: "LinkRewards",
      version: "1",
      chainId: deployment.chainId,
      verifyingContract: deployment.contracts.deviceRegistry,
    };
    const expected = TypedDataEncoder.hash(domain, { Session: types }, session);
    expect(toHex(sessionDigest(registryDomain, session))).to.equal(lowercaseHex(expected));
  });
});
