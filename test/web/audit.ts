import { CONTRIBUTION_BYTES } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import type { Locator, Page, Route } from "playwright-core";
import { CONTESTED_EPOCH } from "./support/epochs.ts";
import { holdNode } from "./support/hold.ts";
import { leaveOut } from "./support/leave-out.ts";
import { onEachChain, type Stage } from "./support/stage.ts";
import { tamper } from "./support/tamper.ts";
import { leaveAll, visit } from "./support/visit.ts";

onEachChain("the audit page", (theStage) => {
  let stage: Stage;

  before(async () => {
    stage = await theStage();
  });
  afterEach(leaveAll);

  it("lists every epoch with what it released, and the one in its window", async () => {
    const { page } = await visit(stage, { at: "#/audit" });
    await page.locator('[data-epoch="4"]').getByText("In its window").waitFor();
    const row = page.locator('[data-epoch="3"]');
    await row.getByText("Final").waitFor();
    const finalized = stage.world.devnet.suite.ledger.filters.RootFinalized(3);
    const [event] = await stage.world.devnet.suite.ledger.queryFilter(finalized);
    const { delta = 0n, fee = 0n } = event?.args ?? {};
    const fund = await stage.world.devnet.suite.escrow.fund(3);
    for (const amount of [delta, fee, fund]) {
      const shown = new RegExp(`${amount / 10n ** 18n}\\.\\d{4} LTK`);
      expect(await row.innerText()).to.match(shown);
    }
    expect(await row.innerText()).to.include("6");
    await page.locator('td:has-text("not checked here")').first().waitFor();
  });

  it("lists beside each figure what it is checked by: roots, signers, window, transaction, files", async () => {
    const { page } = await visit(stage, { at: "#/audit" });
    const epoch = page.locator('[data-epoch="3"]');
    await epoch.waitFor();
    const { ledger } = stage.world.devnet.suite;
    const [proposed] = await ledger.queryFilter(ledger.filters.RootProposed(3));
    const { report, finalizableAt } = proposed?.args ?? expect.fail("never proposed");
    const hashes = [report.root, report.contributionRoot, report.invoiceRoot, report.bundleHash];
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    for (const hash of [...hashes, proposed?.transactionHash]) {
      await epoch.getByTitle(hash as string, { exact: true }).click();
      expect(await page.evaluate("navigator.clipboard.readText()")).to.equal(hash);
    }
    expect(await epoch.getByTitle(stage.world.oracle.member).innerText()).to.equal("1");
    const opens = new Date(Number(finalizableAt) * 1000).toISOString();
    expect(await epoch.locator("time").getAttribute("datetime")).to.equal(opens);
  });

  it("leads from a transaction to the chain's explorer, where it has one", async () => {
    const { config } = stage;
    const { page: without } = await visit(stage, { at: "#/audit/3" });
    const finalIn = (page: Page) => page.locator(".facts div", { hasText: "Final in" });
    await finalIn(without).getByRole("button").waitFor();
    expect(await finalIn(without).getByRole("link").count()).to.equal(0);
    stage.config = { ...config, chain: { ...config.chain, explorer: "https://explorer.example" } };
    try {
      const { page } = await visit(stage, { at: "#/audit" });
      const { ledger } = stage.world.devnet.suite;
      const linked = async (link: Locator) => link.getAttribute("href");
      const [proposed] = await ledger.queryFilter(ledger.filters.RootProposed(3));
      const [final] = await ledger.queryFilter(ledger.filters.RootFinalized(3));
      expect(await linked(page.locator('[data-epoch="3"] td a'))).to.equal(
        `https://explorer.example/tx/${proposed?.transactionHash}`,
      );
      await page.getByRole("link", { name: "Epoch 3" }).click();
      expect(await linked(finalIn(page).getByRole("link"))).to.equal(
        `https://explorer.example/tx/${final?.transactionHash}`,
      );
    } finally {
      stage.config = config;
    }
  });

  it("says that it is reading until the chain has answered", async () => {
    const node = holdNode(stage);
    const { page, reaches } = await visit(stage, { at: "#/audit", before: node.hold });
    await node.called;
    await reaches("loading");
    node.release();
    await page.locator('[data-epoch="3"]').waitFor();
    expect(await page.locator('[data-state="loading"]').count()).to.equal(0);
  });

  it("counts the member's equivocations and its refusals by reason", async () => {
    const { page } = await visit(stage, { at: `#/audit/${CONTESTED_EPOCH}` });
    await page.getByText("Equivocations: 1", { exact: true }).waitFor();
    await page.getByText("Refusals: device-revoked 2", { exact: true }).waitFor();
    await page.goto(`${stage.pagesUrl}#/audit/2`);
    await page.getByText("Equivocations: 0", { exact: true }).waitFor();
    await page.getByText("Refusals: 0", { exact: true }).waitFor();
  });

  it("says when a mirror publishes neither", async () => {
    const { page } = await visit(stage, {
      at: `#/audit/${CONTESTED_EPOCH}`,
      before: (page) => page.route("**/*.ndjson", (route) => route.fulfill({ status: 404 })),
    });
    await page.getByText("publishes no refusals or equivocations").waitFor();
  });

  it("shows live that what must always hold holds, and whose code the contracts run", async () => {
    const { page } = await visit(stage, { at: "#/audit" });
    await expectCount(page.locator('[data-invariant][data-state="holds"]'), 5);
    await expectCount(page.locator('[data-contract][data-state="same"]'), 9);
  });

  it("verifies an epoch in the browser and keeps the verdict", async () => {
    const { page, reaches } = await visit(stage, { at: "#/audit/3" });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
    await page.getByRole("link", { name: "All epochs" }).click();
    await page.locator('[data-epoch="3"]').getByText("agrees").waitFor();
  });

  it("verifies the epoch that is still in its window", async () => {
    const { page, reaches } = await visit(stage, { at: "#/audit/4" });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
  });

  const cutTo = (length: number) => async (route: Route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.body()).subarray(0, length) });
  };
  for (const [what, spoil, says] of [
    ["was changed", tamper(2 * CONTRIBUTION_BYTES + 55), "has the hash"],
    ["lacks a record", cutTo(CONTRIBUTION_BYTES), `has ${CONTRIBUTION_BYTES} bytes`],
    ["ends within a record", cutTo(CONTRIBUTION_BYTES + 9), `has ${CONTRIBUTION_BYTES + 9} bytes`],
  ] as const) {
    it(`says that a copy that ${what} is another copy, and nothing against the report`, async () => {
      const { page, state } = await visit(stage, {
        at: "#/audit/2",
        before: (page) => page.route("**/bundles/2/contributions.bin", spoil),
      });
      await page.getByRole("button", { name: "Verify this epoch here" }).click();
      // The tables below say it too, of the ranges that they read.
      const verdict = page.locator('.verify [data-state="another-copy"]');
      await verdict.locator("summary").click();
      expect(await verdict.innerText()).to.contain(`contributions.bin ${says}`);
      expect(await state("differs").count()).to.equal(0);
      await page.getByRole("link", { name: "All epochs" }).click();
      await page.locator('[data-epoch="2"]').getByText("another copy").waitFor();
    });
  }

  it("verifies an epoch out of the next mirror when one has another copy of it", async () => {
    const config = stage.config;
    stage.config = { ...config, bundles: ["../bundles", `${stage.server.url}/bundles`] };
    try {
      let first = true;
      const { page, reaches } = await visit(stage, {
        at: "#/audit/2",
        before: (page) =>
          page.route("**/bundles/2/invoices.bin", (route) => {
            // What the list of lines reads is a range.
            if (!first || route.request().headers().range !== undefined) return route.continue();
            first = false;
            return tamper(3)(route);
          }),
      });
      await page.getByRole("button", { name: "Verify this epoch here" }).click();
      await reaches("agrees");
      expect(first).to.equal(false);
    } finally {
      stage.config = config;
    }
  });

  it("tells wrong files and missing files apart", async () => {
    const { page } = await visit(stage, {
      at: "#/audit",
      before: async (page) => {
        await page.route("**/bundles/1/manifest.json", tamper(10));
        await page.route("**/bundles/2/manifest.json", (route) => route.fulfill({ status: 404 }));
      },
    });
    await page.locator('[data-epoch="1"]').getByText("another copy").waitFor();
    await page.locator('[data-epoch="2"]').getByText("files missing").waitFor();
  });

  it("checks both signatures of every contribution it lists, and marks a wrong one", async () => {
    const { page } = await visit(stage, {
      at: "#/audit/3",
      before: (page) => page.route("**/bundles/3/contributions.bin", tamper(80)),
    });
    await expectCount(page.locator(".badge.holds", { hasText: "✓" }), 5);
    await page.getByText("Signature wrong").waitFor();
  });

  it("proves one account's leaf", async () => {
    const { page, reaches, state } = await visit(stage, { at: "#/audit/3" });
    const owner = stage.world.owners[1] as HDNodeWallet;
    await page.getByLabel("Account address").fill(owner.address);
    await page.getByRole("button", { name: "Check proof" }).click();
    await reaches("proven");
    expect(await state("proven").innerText()).to.include(owner.address);
    // What was proven of one account does not stand beside the next that is typed.
    await page.getByLabel("Account address").fill("0x12");
    await page.getByRole("button", { name: "Check proof" }).click();
    await page.locator("#proof-account-problem").waitFor();
    expect(await state("proven").count()).to.equal(0);
  });

  for (const [which, where] of [
    ["first", "in the middle"],
    ["last", "at the end"],
  ] as const) {
    it(`shows nothing of a history in which an event is missing ${where}`, async () => {
      const collected = "VoucherCollected(address,uint32,uint96,uint96,uint96,uint64)";
      const { page, reaches } = await visit(stage, {
        at: "#/audit",
        before: leaveOut(stage, which, collected),
      });
      await reaches("rpc-incomplete");
      expect(await page.locator("[data-epoch]").count()).to.equal(0);
    });
  }

  it("says so when the chain cannot be reached", async () => {
    const { reaches } = await visit(stage, {
      at: "#/audit",
      before: (page) => page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => route.abort()),
    });
    await reaches("rpc-down");
  });
});

async function expectCount(locator: Locator, count: number): Promise<void> {
  await locator.nth(count - 1).waitFor();
  expect(await locator.count()).to.equal(count);
}
