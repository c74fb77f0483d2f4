import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import type { Page } from "playwright-core";
import { type Stage, theStage } from "./support/stage.ts";
import { leaveAll, type Visit, visit, visitWith } from "./support/visit.ts";

/** Where `npm run screenshots` wants pictures for the docs: of what a screen shows, not of the whole page. */
const WANTED = process.env.LINK_SCREENSHOTS;
const SCREENSHOTS = WANTED ?? fileURLToPath(new URL("../../cache/screenshots", import.meta.url));
const FORMS = [
  ["desktop", 1180],
  ["tablet", 768],
  ["phone", 360],
] as const;

type View = {
  readonly name: string;
  /** How much of it the docs show, in pixels from its top; a screen of 800 otherwise. */
  readonly height?: number;
  readonly open: (stage: Stage) => Promise<Visit>;
};

const owner = (stage: Stage, i: number) => stage.world.owners[i] as HDNodeWallet;

const VIEWS: readonly View[] = [
  {
    name: "welcome",
    async open(stage) {
      const wallets = ["Orange", "Violet"].map((name) => ({ name, signer: owner(stage, 0) }));
      const visited = await visit(stage, { wallets });
      await visited.page.locator("main .wallets button").nth(1).waitFor();
      return visited;
    },
  },
  {
    name: "claim",
    async open(stage) {
      const visited = await visitWith(stage, { signer: owner(stage, 0) });
      await visited.page.locator("button.primary").waitFor();
      await visited.page.getByRole("button", { name: "Download CSV" }).waitFor();
      return visited;
    },
  },
  {
    name: "wrong-chain",
    async open(stage) {
      const visited = await visitWith(stage, { signer: owner(stage, 1), chainId: 1 });
      await visited.reaches("wrong-chain");
      await visited.page.getByRole("button", { name: "Download CSV" }).waitFor();
      return visited;
    },
  },
  {
    name: "tampered",
    async open(stage) {
      const visited = await visit(stage, {
        at: `#/claim/${owner(stage, 0).address}`,
        before: (page) =>
          page.route("**/rewards.bin", (route) =>
            route.fulfill({ status: 200, body: Buffer.alloc(4096) }),
          ),
      });
      await visited.reaches("another-copy");
      return visited;
    },
  },
  {
    name: "audit",
    height: 1150,
    async open(stage) {
      const visited = await visit(stage, { at: "#/audit" });
      await visited.page.locator('[data-contract][data-state="same"]').nth(6).waitFor();
      await visited.page.locator('[data-invariant][data-state="holds"]').nth(4).waitFor();
      return visited;
    },
  },
  {
    name: "epoch",
    async open(stage) {
      const visited = await visit(stage, { at: "#/audit/3" });
      await visited.page.getByRole("button", { name: "Verify this epoch here" }).click();
      await visited.reaches("agrees");
      await visited.page.locator(".badge.holds", { hasText: "✓" }).nth(5).waitFor();
      return visited;
    },
  },
];

describe("the pages' appearance", () => {
  let stage: Stage;

  before(async () => {
    stage = await theStage();
    await mkdir(SCREENSHOTS, { recursive: true });
  });
  afterEach(leaveAll);

  for (const { name, height = 800, open } of VIEWS) {
    it(`axe finds nothing wrong with ${name}, light or dark, and a phone cuts nothing off`, async () => {
      const { page } = await open(stage);
      for (const [form, width] of FORMS) {
        await page.setViewportSize({ width, height });
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await problemsOf(page), `${form}, ${colorScheme}`).to.deep.equal([]);
          expect(await cutOff(page, width), `${form}, ${colorScheme}`).to.deep.equal([]);
          await photograph(page, `${name}-${form}-${colorScheme}`);
        }
      }
    });
  }

  it("works by keyboard alone", async () => {
    const { page, reaches } = await visit(stage, {
      wallets: [{ name: "Orange", signer: owner(stage, 0), habit: "reject" }],
    });
    await page.locator("main .wallets button").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).to.equal("main");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("button.primary").waitFor();
    await page.locator("button.primary").focus();
    await page.keyboard.press("Enter");
    await reaches("rejected");
  });

  it("runs under its Content-Security-Policy without a complaint", async () => {
    const complaints: string[] = [];
    const { page, reaches } = await visit(stage, {
      at: "#/audit/3",
      before: async (page) => page.on("console", (message) => complaints.push(message.text())),
    });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
    expect(complaints.filter((text) => /security policy|refused/i.test(text))).to.deep.equal([]);
    const inline = "document.querySelectorAll('[style], [onclick], script:not([src])').length";
    expect(await page.evaluate(inline)).to.equal(0);
  });
});

async function problemsOf(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n")}`,
  );
}

/** What reaches beyond the screen's right edge. */
async function cutOff(page: Page, width: number): Promise<readonly string[]> {
  return (await page.evaluate(`
    [...document.querySelectorAll("body *")]
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > ${width} + 1)
      .filter((element) => getComputedStyle(element.closest("thead") ?? element).position !== "absolute")
      .map((element) => element.outerHTML.slice(0, 120))`)) as string[];
}

async function photograph(page: Page, name: string): Promise<void> {
  await page.evaluate("window.scrollTo(0, 0)");
  await page.screenshot({
    path: `${SCREENSHOTS}/${name}.png`,
    fullPage: WANTED === undefined,
  });
}
