import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
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
    await page.locator('tr[data-epoch="4"]').getByText("In its window").waitFor();
    const row = page.locator('tr[data-epoch="3"]');
    await row.getByText("Final").waitFor();
    const finalized = stage.world.devnet.suite.ledger.filters.RootFinalized(3);
    const [event] = await stage.world.devnet.suite.ledger.queryFilter(finalized);
    const whole = (event?.args.delta ?? 0n) / 10n ** 18n;
    expect(await row.innerText()).to.match(new RegExp(`${whole}\\.\\d{4} LTK`));
    expect(await row.innerText()).to.include("6");
    await page.locator('td:has-text("not checked here")').first().waitFor();
  });

  it("shows live that what must always hold holds, and whose code the contracts run", async () => {
    const { page } = await visit(stage, { at: "#/audit" });
    await expectCount(page.locator('[data-invariant][data-state="holds"]'), 5);
    await expectCount(page.locator('[data-contract][data-state="same"]'), 6);
  });

  it("verifies an epoch in the browser and keeps the verdict", async () => {
    const { page, reaches } = await visit(stage, { at: "#/audit/3" });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
    await page.getByRole("link", { name: "All epochs" }).click();
    await page.locator('tr[data-epoch="3"]').getByText("agrees").waitFor();
  });

  it("verifies the epoch that is still in its window", async () => {
    const { page, reaches } = await visit(stage, { at: "#/audit/4" });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
  });

  it("names the first record that differs", async () => {
    const { page, reaches, state } = await visit(stage, {
      at: "#/audit/2",
      // In the third record's bytes delivered.
      before: (page) => page.route("**/bundles/2/contributions.bin", tamper(2 * 224 + 55)),
    });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("differs");
    expect(await state("differs").innerText()).to.match(/contributions\.bin, record 2/);
  });

  it("tells wrong files and missing files apart", async () => {
    const { page } = await visit(stage, {
      at: "#/audit",
      before: async (page) => {
        await page.route("**/bundles/1/manifest.json", tamper(10));
        await page.route("**/bundles/2/manifest.json", (route) => route.fulfill({ status: 404 }));
      },
    });
    await page.locator('tr[data-epoch="1"]').getByText("files not genuine").waitFor();
    await page.locator('tr[data-epoch="2"]').getByText("files missing").waitFor();
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
  });

  it("says so when the chain cannot be reached", async () => {
    const { reaches } = await visit(stage, {
      at: "#/audit",
      before: (page) => page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => route.abort()),
    });
    await reaches("rpc-down");
  });
});

async function expectCount(
  locator: import("playwright-core").Locator,
  count: number,
): Promise<void> {
  await locator.nth(count - 1).waitFor();
  expect(await locator.count()).to.equal(count);
}
