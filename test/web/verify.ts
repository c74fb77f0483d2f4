import { expect } from "chai";
import { playOneEpoch } from "./support/epochs.ts";
import { type Stage, startStage } from "./support/stage.ts";
import { leaveAll, visit } from "./support/visit.ts";

const CUSTOMERS = 10;
const TIMEOUT_MS = 100_000;
/** `LINK_CONTRIBUTIONS=10000` measures, and says how long it took. */
const WANTED = process.env.LINK_CONTRIBUTIONS;
const CONTRIBUTIONS = Number(WANTED ?? 300);

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
    const { page, context, reaches, state } = await visit(stage, { at: "#/audit/1" });
    context.setDefaultTimeout(TIMEOUT_MS);
    const progress = state("verifying").getByText(` of ${CONTRIBUTIONS}`).waitFor();
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await progress;
    await reaches("agrees");
    const verdict = await state("agrees").innerText();
    expect(verdict).to.include(CONTRIBUTIONS.toLocaleString("en"));
    if (WANTED !== undefined) process.stdout.write(`${verdict}\n`);
  });
});
