import { expect } from "chai";
import { playOneEpoch } from "./support/epochs.ts";
import { type Stage, startStage } from "./support/stage.ts";
import { leaveAll, visit } from "./support/visit.ts";

const CUSTOMERS = 10;
const TIMEOUT_MS = 100_000;
/** `LINK_CONTRIBUTIONS=10000` measures, and says how long it took. */
const WANTED = process.env.LINK_CONTRIBUTIONS;
const CONTRIBUTIONS = Number(WANTED ?? 300);

/** It may be gone too soon to be waited for. */
const RECORD_PROGRESS = `
  window.progress = "";
  new MutationObserver(() => {
    window.progress += document.querySelector('[data-state="verifying"]')?.textContent ?? "";
  }).observe(document, { subtree: true, childList: true, characterData: true });`;

describe("verifying an epoch of many contributions in the browser", () => {
  let stage: Stage;

  before(async function () {
    if (WANTED !== undefined) this.timeout(0);
    const owners = CONTRIBUTIONS / CUSTOMERS;
    stage = await startStage("hardhat", { owners, customers: CUSTOMERS, play: playOneEpoch });
  });
  afterEach(leaveAll);
  after(() => stage.close());

  it("takes every core, and says how far it is", async () => {
    const { page, context, reaches, state } = await visit(stage, {
      at: "#/audit/1",
      before: (page) => page.addInitScript(RECORD_PROGRESS),
    });
    context.setDefaultTimeout(TIMEOUT_MS);
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
    expect(await page.evaluate("window.progress")).to.include(` of ${CONTRIBUTIONS}`);
    const verdict = await state("agrees").innerText();
    expect(verdict).to.include(CONTRIBUTIONS.toLocaleString("en"));
    if (WANTED !== undefined) process.stdout.write(`${verdict}\n`);
  });
});
