import { generateKeyPairSync, verify } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLowS, isSignedBy, NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { expect } from "chai";
import { openKeyCommand } from "../../device/key-command.ts";
import { isRunning } from "./support/processes.ts";
import { runProgram } from "./support/program.ts";
import { startService } from "./support/service.ts";
import { settled } from "./support/settled.ts";

const DIGEST = new Uint8Array(32).fill(7);
type Curve = "P-256" | "secp256k1";

/** How such a program begins: the key's file comes first, then what it is asked. */
const BEGINS = `
import { createPrivateKey, createPublicKey, createSign, generateKeyPairSync, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
const [keyFile, word] = process.argv.slice(-2);
const key = createPrivateKey(readFileSync(keyFile));
const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" });
const digest = word === "sign" ? readFileSync(0) : undefined;
`;
const SHOWS = `if (word === "public-key") { process.stdout.write(publicKey); process.exit(); }`;
const SIGNS = `process.stdout.write(sign("sha256", digest, key));`;

describe("a key behind a command", () => {
  let folder: string;
  let made = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-key-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** A process of its own that has the key, in Node's own crypto. */
  async function program(body: string, curve: Curve = "P-256") {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
    const name = join(folder, `key-${made++}`);
    const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(`${name}.pem`, pem, { mode: 0o600 });
    await writeFile(`${name}.mjs`, `${BEGINS}\n${body}\n`);
    const command = { program: process.execPath, arguments: [`${name}.mjs`, `${name}.pem`] };
    return { command, publicKey, pemFile: `${name}.pem` };
  }

  async function failureOf(body: string, timeoutMilliseconds?: number): Promise<string> {
    const { command } = await program(body);
    try {
      const key = await openKeyCommand(command, timeoutMilliseconds);
      await key.sign(DIGEST);
      return "signed";
    } catch (error) {
      return (error as Error).message;
    }
  }

  it("signs as a P-256 key in a file does, always with low s", async () => {
    const { command, publicKey } = await program(`${SHOWS}${SIGNS}`);
    const key = await openKeyCommand(command);
    // Half of what it writes has high s.
    for (const signature of await Promise.all(Array.from({ length: 6 }, () => key.sign(DIGEST)))) {
      expect(isLowS(signature)).to.equal(true);
      expect(isSignedBy(key.address, DIGEST, signature, key.publicKey)).to.equal(true);
      const asNode = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
      expect(verify("sha256", DIGEST, asNode, signature)).to.equal(true);
    }
  });

  it("may write a signature as r ‖ s, and a public key in DER", async () => {
    const { command } = await program(`
      if (word === "public-key") process.stdout.write(createPublicKey(key).export({ type: "spki", format: "der" }));
      else process.stdout.write(sign("sha256", digest, { key, dsaEncoding: "ieee-p1363" }));`);
    const key = await openKeyCommand(command);
    expect(isSignedBy(key.address, DIGEST, await key.sign(DIGEST), key.publicKey)).to.equal(true);
  });

  it("signs as a secp256k1 key does, by what knows neither low s nor parity", async () => {
    const curves = import.meta.resolve("@noble/curves/secp256k1.js");
    const { command } = await program(
      `${SHOWS}
      const { secp256k1 } = await import(${JSON.stringify(curves)});
      const secret = Buffer.from(key.export({ format: "jwk" }).d, "base64url");
      const options = { prehash: false, lowS: false, format: "der", extraEntropy: true };
      process.stdout.write(secp256k1.sign(digest, secret, options));`,
      "secp256k1",
    );
    const key = await openKeyCommand(command);
    expect(key.publicKey).to.equal(NO_PUBLIC_KEY);
    for (const signature of await Promise.all(Array.from({ length: 6 }, () => key.sign(DIGEST))))
      expect(isSignedBy(key.address, DIGEST, signature, NO_PUBLIC_KEY)).to.equal(true);
  });

  for (const [what, body, reason] of [
    [
      "has another key",
      `${SHOWS} process.stdout.write(sign("sha256", digest, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey));`,
      /its signature is not by the key of 0x/,
    ],
    [
      "signs something else",
      `${SHOWS} process.stdout.write(sign("sha256", Buffer.alloc(32), key));`,
      /its signature is not by the key of 0x/,
    ],
    [
      "writes garbage",
      `${SHOWS} process.stdout.write("no");`,
      /it wrote 2 bytes that are no signature/,
    ],
    [
      "writes DER that ends too early",
      `${SHOWS} process.stdout.write(sign("sha256", digest, key).subarray(0, 40));`,
      /it wrote 40 bytes that are no signature/,
    ],
    [
      "writes without end",
      `${SHOWS} for (;;) process.stdout.write("x".repeat(65536));`,
      /it wrote more than 4096 bytes/,
    ],
    ["dies", `${SHOWS} process.kill(process.pid, "SIGKILL");`, /sign: it was ended by SIGKILL/],
    [
      "fails, and says why",
      `${SHOWS} console.error("no TPM here"); process.exit(7);`,
      /sign: it ended with 7: no TPM here/,
    ],
    ["shows no public key", `process.stdout.write("hello");`, /what it wrote is no public key/],
    [
      "shows a key of another kind",
      `process.stdout.write(generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }));`,
      /its key is ed25519; a device's is P-256 or secp256k1/,
    ],
  ] as const) {
    it(`is an error where the command ${what}`, async () => {
      expect(await failureOf(body)).to.match(reason);
    });
  }

  it("is an error where there is no such program", async () => {
    const opened = openKeyCommand({ program: join(folder, "nothing"), arguments: [] });
    expect(await opened.then(String, ({ message }: Error) => message)).to.match(/ENOENT/);
  });

  it("is ended with all that it started when it does not answer, and the next one signs", async () => {
    const pids = join(folder, "pids");
    const { command } = await program(`${SHOWS}
      if (existsSync(${JSON.stringify(pids)})) { ${SIGNS} process.exit(); }
      const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"]);
      writeFileSync(${JSON.stringify(pids)}, String(child.pid));
      setInterval(() => 0, 1000);`);
    const key = await openKeyCommand(command, 5_000);
    const failed = Promise.resolve(key.sign(DIGEST)).then(String, ({ message }: Error) => message);
    expect(await failed).to.match(/sign: no answer within 5000 ms/);
    const pid = Number(await readFile(pids, "utf8"));
    await settled(() => (isRunning(pid) ? undefined : true));
    expect(isSignedBy(key.address, DIGEST, await key.sign(DIGEST), key.publicKey)).to.equal(true);
  });

  it("proves the device's connections and signs its receipts", async () => {
    const { command } = await program(`${SHOWS}${SIGNS}`);
    const service = await startService();
    try {
      const node = await service.node({ key: await openKeyCommand(command) });
      await settled(() => (node.links()[0]?.state === "connected" ? true : undefined));
      const gateway = await service.gateway({ files: [await service.file("film", 40_000)] });
      await gateway.serveRound();
      const { signed } = await gateway.settle();
      expect(signed.map(({ receipt }) => receipt.device)).to.deep.equal([node.device]);
    } finally {
      await service.close();
    }
  });

  it("is the device's, for the program too, which takes it or a file", async () => {
    const { command, pemFile } = await program(`${SHOWS}${SIGNS}`);
    const args = [
      ...["--key-command", command.program],
      ...command.arguments.flatMap((argument) => ["--key-argument", argument]),
    ];
    const { code, stdout } = await runProgram("node", "address", "--json", ...args);
    const { address, publicKey } = await openKeyCommand(command);
    expect([code, JSON.parse(stdout)]).to.deep.equal([0, { device: address, publicKey }]);
    for (const [wrong, reason] of [
      [[...args, "--key-file", pemFile], "give either --key-command or a file with the key"],
      [["--key-argument", "x"], "--key-argument is for a --key-command"],
    ] as const) {
      const refused = await runProgram("node", "address", ...wrong);
      expect([refused.code, refused.stderr]).to.deep.equal([3, `link-node: ${reason}\n`]);
    }
  });
});
