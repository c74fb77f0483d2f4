import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { assembleBundle } from "@link-rewards/core/epoch/bundle";
import type { Manifest } from "@link-rewards/core/epoch/manifest";
import { expect } from "chai";
import { isBundleUnavailable, openBundles, signedBundle } from "../../oracle/edge/bundles.ts";
import { deployment, tariff } from "../worlds/paper.ts";

const NONE = toHex(new Uint8Array(32));
const terms = {
  chainId: deployment.chainId,
  contracts: deployment.contracts,
  genesis: deployment.genesis,
  epochSeconds: deployment.epochSeconds,
  graceSeconds: deployment.graceSeconds,
  epoch: 1,
  sealBlock: { number: 1, hash: NONE },
  rulesHash: NONE,
  tariff,
  paid: [],
  fund: 0n,
  value: 0n,
  counted: 0n,
  delta: 0n,
  fee: 0n,
  total: 0n,
  lastFinal: { epoch: 0, root: NONE, total: 0n, leaves: 0, bundleHash: NONE },
} satisfies Partial<Manifest>;

const bundle = assembleBundle(terms, {
  "contributions.bin": new Uint8Array(248),
  "contributions.fence": new Uint8Array(20),
  "invoices.bin": new Uint8Array(84),
  "rewards.bin": new Uint8Array(44),
});
const { bundleHash } = bundle;

/** One that ends by itself does so when it is stopped. */
type Answer = (request: IncomingMessage, response: ServerResponse, file: string) => void;

describe("a mirror", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  });

  async function mirror(answer: Answer): Promise<string> {
    const server = createServer((request, response) => {
      const [, place, file = ""] = (request.url ?? "").split("/");
      if (place !== "1") response.writeHead(404).end();
      else answer(request, response, file);
    });
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const honestly: Answer = (_, response, file) =>
    response.end(bundle.files.get(file as "rewards.bin"));
  const except =
    (bad: string, answer: Answer): Answer =>
    (request, response, file) =>
      (file === bad ? answer : honestly)(request, response, file);

  async function failureAt(url: string) {
    const failure = await openBundles(url)
      .signed(1, bundleHash)
      .catch((error: unknown) => error);
    if (!isBundleUnavailable(failure)) throw failure;
    return failure;
  }

  it("that is honest has what was signed", async () => {
    const { files } = await openBundles(await mirror(honestly)).signed(1, bundleHash);
    for (const [name, bytes] of files) expect(bytes).to.deep.equal(bundle.files.get(name));
  });

  it("is not read on when it sends more than was signed, however much that is", async () => {
    const pour: Answer = (_, response) => {
      const piece = Buffer.alloc(64 * 1024);
      const more = () => {
        while (!response.destroyed && response.write(piece));
      };
      response.on("drain", more);
      more();
    };
    const { message, isDamaged } = await failureAt(await mirror(except("rewards.bin", pour)));
    expect(message).to.match(
      /not what was signed: rewards\.bin of epoch 1 has more than 44 bytes$/,
    );
    expect(isDamaged).to.equal(true);
  });

  it("sends nobody elsewhere, to files or to what only this machine can reach", async () => {
    let asked = 0;
    const inside = await mirror((_, response) => {
      asked += 1;
      response.end();
    });
    for (const to of [`${inside}/1/rewards.bin`, "file:///etc/hostname", "/2/rewards.bin"]) {
      const redirect: Answer = (_, response) => response.writeHead(302, { location: to }).end();
      const { message, isDamaged } = await failureAt(await mirror(except("rewards.bin", redirect)));
      expect(message).to.contain(
        `it redirects to ${to}; if you trust that, give it as the location`,
      );
      expect(isDamaged).to.equal(false);
    }
    expect(asked).to.equal(0);
  });

  it("that trickles is not waited for: the next one is asked beside it, and it is left when that has all", async () => {
    const left = Promise.withResolvers<void>();
    let isOpen = false;
    // Enough each second to be kept, and it would take days.
    const trickle: Answer = (_, response) => {
      isOpen = true;
      const drops = setInterval(() => response.write(Buffer.alloc(8 * 1024)), 100);
      response.on("close", () => {
        clearInterval(drops);
        left.resolve();
      });
    };
    const slow = await mirror(except("manifest.json", trickle));
    const late = await mirror((request, response, file) => {
      expect(isOpen).to.equal(true);
      honestly(request, response, file);
    });
    const mirrors = [slow, late].map(openBundles);
    const { files } = await signedBundle(mirrors, { epoch: 1, bundleHash }, 100);
    expect(files.get("rewards.bin")).to.deep.equal(bundle.files.get("rewards.bin"));
    await left.promise;
  });

  it("that is asked after one that has what was signed is not asked at all", async () => {
    const first = await mirror(honestly);
    let asked = 0;
    const second = await mirror((_, response) => {
      asked += 1;
      response.end();
    });
    await signedBundle([first, second].map(openBundles), { epoch: 1, bundleHash });
    expect(asked).to.equal(0);
  });

  it("that has a page for everything is no copy, and the next one is asked", async () => {
    const page = await mirror((_, response) => response.end("<html>not found</html>"));
    const { message, isDamaged } = await failureAt(page);
    expect(message).to.contain(`this copy at ${page} is not what was signed: manifest.json`);
    expect(isDamaged).to.equal(true);
    const mirrors = [page, await mirror(honestly)].map(openBundles);
    const { files } = await signedBundle(mirrors, { epoch: 1, bundleHash });
    expect(files.get("rewards.bin")).to.deep.equal(bundle.files.get("rewards.bin"));
    const failure = await signedBundle([mirrors[0] as never, openBundles("/nowhere")], {
      epoch: 1,
      bundleHash,
    }).catch((error: Error) => error);
    expect(failure).to.have.property("message").that.contains(page).and.contains("/nowhere");
  });
});
