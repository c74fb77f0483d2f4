import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import type { Page, Request } from "playwright-core";
import { leaveOut } from "./support/leave-out.ts";
import { beforeNode, type Call } from "./support/node.ts";
import { onEachChain, type Stage } from "./support/stage.ts";
import { leaveAll, visit } from "./support/visit.ts";

/** What one is asked for at a public node, to see what can be claimed. */
const MOST_REQUESTS = 6;
/** More than the pages read anew each time. */
const SETTLED_BLOCKS = 80;

onEachChain("the pages, at nodes as they are", (theStage) => {
  let stage: Stage;
  before(async () => {
    stage = await theStage();
  });
  afterEach(leaveAll);

  const claim = () => `#/claim/${(stage.world.owners[0] as HDNodeWallet).address}`;
  const amount = (page: Page) => page.locator(".amount.large").first();
  const refuse = (method: string, code: number, message: string) => (page: Page) =>
    beforeNode(page, stage, (call, given) =>
      call.method === method ? { error: { code, message } } : given,
    );

  it("show what can be claimed within six requests, whatever the past takes", async () => {
    const requests: string[] = [];
    const isCounted = (request: Request) =>
      request.url().startsWith(stage.world.devnet.rpcUrl) || request.url().includes("/bundles/");
    const { page } = await visit(stage, {
      at: claim(),
      async before(page) {
        page.on("request", (request) => isCounted(request) && requests.push(request.url()));
        // The past never comes.
        await page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => {
          const calls = [route.request().postDataJSON()].flat() as Call[];
          if (calls.every(({ method }) => method !== "eth_getLogs")) return route.continue();
          return new Promise<void>(() => undefined);
        });
      },
    });
    await amount(page).waitFor();
    const beforeThePast = requests.length;
    expect(beforeThePast).to.be.within(3, MOST_REQUESTS);
  });

  it("go on with the past where the last visit ended", async () => {
    const back = await stage.snapshot();
    try {
      for (let i = 0; i < SETTLED_BLOCKS; i++) await stage.mine();
      const ranges: number[] = [];
      const note = (call: Call) => {
        if (call.method !== "eth_getLogs") return;
        const [{ fromBlock }] = call.params as [{ fromBlock: string }];
        ranges.push(Number(fromBlock));
      };
      const { page, context } = await visit(stage, {
        at: claim(),
        before: (page) =>
          beforeNode(page, stage, (call, given) => {
            note(call);
            return given;
          }),
      });
      const devices = () => page.locator("[data-device]").first();
      await devices().waitFor();
      const { startBlock } = stage.config.deployment;
      expect(Math.min(...ranges)).to.equal(startBlock);
      ranges.length = 0;
      await page.reload();
      await devices().waitFor();
      expect(ranges.length).to.be.greaterThan(0);
      expect(Math.min(...ranges)).to.be.greaterThan(startBlock);
      expect(context.pages()).to.have.length(1);
    } finally {
      await back();
    }
  });

  it("read anew what a node left out of a past that was kept", async () => {
    const back = await stage.snapshot();
    try {
      for (let i = 0; i < SETTLED_BLOCKS; i++) await stage.mine();
      const { page, reaches } = await visit(stage, {
        at: "#/audit",
        before: leaveOut(stage, "first", "DeviceBound(address,address,uint32,uint64)"),
      });
      await reaches("rpc-incomplete");
      await page.unroute(`${stage.world.devnet.rpcUrl}/**`);
      await page.locator('[data-epoch="3"]').waitFor();
      expect(await page.locator('[data-state="rpc-incomplete"]').count()).to.equal(0);
    } finally {
      await back();
    }
  });

  it("read the past in small parts where the node wants it so", async () => {
    const { page } = await visit(stage, {
      at: claim(),
      before: (page) =>
        beforeNode(page, stage, ({ method, params: [range] }, given) => {
          if (method !== "eth_getLogs") return given;
          const { fromBlock, toBlock } = range as Record<"fromBlock" | "toBlock", string>;
          if (Number(toBlock) - Number(fromBlock) < 50) return given;
          return { error: { code: -32000, message: "block range is too large, 50 at most" } };
        }),
    });
    await page.locator("[data-device]").first().waitFor();
  });

  it("show the amount all the same where the node refuses logs, and say that it does", async () => {
    const { page, reaches } = await visit(stage, {
      at: claim(),
      before: refuse("eth_getLogs", -32601, "the method eth_getLogs is not available"),
    });
    await amount(page).waitFor();
    await reaches("rpc-refused");
    expect(await amount(page).count()).to.equal(1);
  });

  it("say on the audit page that the node refuses logs", async () => {
    const { reaches } = await visit(stage, {
      at: "#/audit",
      before: refuse("eth_getLogs", -32601, "the method eth_getLogs is not available"),
    });
    await reaches("rpc-refused");
  });

  it("say that a node limits requests, and go on when it does not", async () => {
    const isBusy = (page: Page) =>
      page.route(`${stage.world.devnet.rpcUrl}/**`, (route) =>
        route.fulfill({
          status: 429,
          headers: { "retry-after": "0", "access-control-allow-origin": "*" },
        }),
      );
    const { page, reaches } = await visit(stage, { at: claim(), before: isBusy });
    await reaches("rpc-busy");
    await page.unroute(`${stage.world.devnet.rpcUrl}/**`);
    await amount(page).waitFor();
  });

  it("ask a node that takes no batches one question at a time", async () => {
    const { page } = await visit(stage, {
      at: claim(),
      before: (page) =>
        page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => {
          if (!Array.isArray(route.request().postDataJSON())) return route.continue();
          return route.fulfill({
            json: { jsonrpc: "2.0", id: null, error: { code: -32600, message: "no batches" } },
            headers: { "access-control-allow-origin": "*" },
          });
        }),
    });
    await amount(page).waitFor();
  });

  it("ask the next node when the first is gone", async () => {
    const { config } = stage;
    stage.config = { ...config, rpcUrls: ["http://127.0.0.1:1", ...config.rpcUrls] };
    try {
      const { page } = await visit(stage, { at: claim() });
      await amount(page).waitFor();
    } finally {
      stage.config = config;
    }
  });

  it("ask for an epoch's contributions once, however many epochs there are", async () => {
    const asked = new Map<string, number>();
    const { page } = await visit(stage, {
      at: "#/audit",
      before: async (page) =>
        page.on("request", (request) => {
          const url = request.url();
          if (/(contributions\.bin|manifest\.json)$/.test(url))
            asked.set(url, (asked.get(url) ?? 0) + 1);
        }),
    });
    await page.locator('[data-invariant][data-state="holds"]').nth(4).waitFor();
    await page.waitForLoadState("networkidle");
    expect(asked.size).to.be.greaterThan(3);
    expect([...new Set(asked.values())]).to.deep.equal([1]);
  });
});
