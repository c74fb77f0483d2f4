import { expect } from "chai";
import { type HDNodeWallet, parseEther, Wallet, ZeroHash } from "ethers";
import type { Locator, Page } from "playwright-core";
import type { LocalDevice } from "../../scripts/local/local-device.ts";
import { answerCalls } from "./support/answers.ts";
import { CONTESTED_EPOCH, REVOKED_FOR } from "./support/epochs.ts";
import { holdNode } from "./support/hold.ts";
import { leaveOut } from "./support/leave-out.ts";
import { onEachChain, type Stage } from "./support/stage.ts";
import { tamper } from "./support/tamper.ts";
import { leaveAll, visit, visitWith } from "./support/visit.ts";
import { metamaskWallet } from "./support/wallet-metamask.ts";
import { plainWallet } from "./support/wallet-plain.ts";

/** By what it is made of. */
const WALLETS = { "a few lines": plainWallet, "MetaMask’s parts": metamaskWallet };
const POLYGON = 137;
/** The fields of the ledger's Proposal, in its order. */
const PROPOSAL = ["uint32", "uint32", "bytes32", "uint256", "uint256", "uint256"];

onEachChain("the claim page", (theStage) => {
  let stage: Stage;
  let undo: () => Promise<void>;
  const owner = (i: number) => stage.world.owners[i] as HDNodeWallet;
  const claimed = (i: number) => stage.world.devnet.suite.distributor.claimed(owner(i).address);

  before(async () => {
    stage = await theStage();
  });
  beforeEach(async () => {
    undo = await stage.snapshot();
  });
  afterEach(async () => {
    await leaveAll();
    await undo();
  });

  describe("with nothing to claim", () => {
    it("says that no epoch is final yet", async () => {
      const { reaches } = await visit(stage, {
        at: `#/claim/${owner(0).address}`,
        before: (page) =>
          answerCalls(page, stage, [
            ["latestEpoch()", ["uint32"], [0]],
            ["proposal()", PROPOSAL, [1, 0, ZeroHash, 0, 0, 0]],
          ]),
      });
      await reaches("no-epoch-final");
    });

    it("says that a stranger's account has no device", async () => {
      const { reaches } = await visit(stage, { at: `#/claim/${Wallet.createRandom().address}` });
      await reaches("never-bound");
    });

    it("says that nobody has used an owner's device yet", async () => {
      const { reaches } = await visit(stage, {
        at: `#/claim/${owner(3).address}`,
        before: (page) =>
          answerCalls(page, stage, [["proposal()", PROPOSAL, [4, 0, ZeroHash, 0, 0, 0]]]),
      });
      await reaches("nothing-earned");
    });

    it("shows what is pending and when it opens, locally and in UTC", async () => {
      const { page, reaches } = await visit(stage, { at: `#/claim/${owner(3).address}` });
      await reaches("pending");
      const text = await page.locator(".stat", { hasText: "Pending" }).innerText();
      expect(text).to.match(/Epoch 4 · Opens in \d+ min/);
      expect(text).to.match(/\d\d:\d\d UTC/);
    });
  });

  describe("without a wallet", () => {
    it("says that it is reading until the chain has answered", async () => {
      const node = holdNode(stage);
      const at = `#/claim/${owner(0).address}`;
      const { reaches } = await visit(stage, { at, before: node.hold });
      await node.called;
      await reaches("loading");
      node.release();
      await reaches("claimable");
    });

    it("says that there is none, and looks up any account", async () => {
      const { page, reaches } = await visit(stage);
      await reaches("no-wallet");
      await page.getByLabel("Account address").fill("0x12");
      await page.getByRole("button", { name: "Look up" }).click();
      await page.getByRole("alert").getByText("This is not an address").waitFor();
      await page.getByLabel("Account address").fill(owner(0).address);
      await page.getByRole("button", { name: "Look up" }).click();
      await reaches("claimable");
      expect(await page.locator("button.primary").count()).to.equal(0);
    });

    it("shows the amount cut, never rounded up, and to the wei on demand", async () => {
      const { page, reaches } = await visit(stage, { at: `#/claim/${owner(0).address}` });
      await reaches("claimable");
      const amount = page.locator(".amount.large");
      const cut = await amount.locator(".digits").innerText();
      await amount.click();
      const exact = await amount.locator(".digits").innerText();
      expect(cut).to.match(/^\d+\.\d{4}$/);
      expect(exact.startsWith(cut)).to.equal(true);
      expect(exact.length).to.be.greaterThan(cut.length);
    });

    it("shows what each device earned, from whom, for what, and why not more", async () => {
      const { page, reaches } = await visit(stage, { at: `#/claim/${owner(0).address}` });
      await reaches("claimable");
      const newest = page.locator('[data-epoch="3"]');
      await newest.waitFor();
      const text = await newest.innerText();
      expect(text).to.include("4.9 TB");
      expect(text).to.include("TB·h");
      expect(text).to.include("vCPU·h");
      expect(text).to.match(/This customer paid \d+\.\d{4} of the \d+\.\d{4} LTK it owed/);
      const paid = page.locator('[data-epoch="2"]');
      await paid.locator("summary").click();
      await expectSoon(async () => (await paid.getByText("Paid in full").count()) === 2);
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download CSV" }).click();
      expect((await download).suggestedFilename()).to.equal("earnings.csv");
    });

    it("shows lines that add up to the wei: to the device, to the epoch, to all that was earned", async () => {
      const { page, reaches } = await visit(stage, { at: `#/claim/${owner(0).address}` });
      await reaches("claimable");
      await page.locator('[data-epoch="1"]').waitFor();
      let earnedInAll = 0n;
      for (const epoch of await page.locator("[data-epoch]").all()) {
        const [total = 0n, ...amounts] = await weiIn(epoch);
        // Of each customer and of both together: value, what is covered of it, the fee, what is earned.
        expect(amounts).to.have.length(12);
        const [first, second, both] = [0, 4, 8].map((i) => amounts.slice(i, i + 4));
        expect(both).to.deep.equal(first?.map((wei, i) => wei + (second?.[i] ?? 0n)));
        for (const [value = 0n, covered = 0n, fee = 0n, earned] of [first ?? [], second ?? []]) {
          expect(covered <= value).to.equal(true);
          expect(earned).to.equal(covered - fee);
        }
        expect(total).to.equal(both?.[3]);
        earnedInAll += total;
      }
      const earned = (await weiIn(page.locator(".hero .side"))).at(-1);
      expect(earnedInAll).to.equal(earned);
    });

    it("shows a device that was revoked, and why", async () => {
      const { page } = await visit(stage, { at: `#/claim/${owner(3).address}` });
      const device = (stage.world.devices[3] as LocalDevice).address;
      const revoked = page.locator(`[data-epoch="${CONTESTED_EPOCH}"] [data-device="${device}"]`);
      await revoked.waitFor();
      expect(await revoked.innerText()).to.match(/Revoked from epoch [34] on/);
      expect(await revoked.innerText()).to.include(REVOKED_FOR);
      await page.locator(`[data-epoch="${CONTESTED_EPOCH - 1}"]`).waitFor();
      const before = page.locator(`[data-epoch="${CONTESTED_EPOCH - 1}"] [data-device]`);
      expect(await before.count()).to.equal(0);
    });

    it("calls the token what its deployment calls it", async () => {
      const { config } = stage;
      const deployment = structuredClone(config.deployment);
      Object.assign(deployment.contracts.LinkToken, { arguments: ["HomeToken", "HOME"] });
      stage.config = { ...config, deployment };
      try {
        const { page } = await visitWith(stage, { signer: owner(0) });
        await page.getByRole("button", { name: /^Claim [\d.]+ HOME$/ }).waitFor();
        await page.locator(".amount.large .unit", { hasText: "HOME" }).waitFor();
      } finally {
        stage.config = config;
      }
    });

    it("finds an old wallet that announces nothing", async () => {
      const { page } = await visit(stage, {
        wallets: [{ name: "Old", signer: owner(0), legacy: true }],
      });
      await page.locator("main").getByRole("button", { name: "Browser wallet" }).click();
      await page.locator("button.primary").waitFor();
    });
  });

  for (const [maker, make] of Object.entries(WALLETS)) {
    describe(`with a wallet of ${maker}`, () => {
      it("lets a person choose between two that are there at once, and follows the account", async () => {
        const { page, wallets } = await visit(stage, {
          wallets: [
            { name: "Orange", signer: owner(0), make },
            { name: "Violet", signer: owner(1), make },
          ],
        });
        const buttons = page.locator("main .wallets button");
        await buttons.nth(1).waitFor();
        expect(await buttons.allInnerTexts()).to.deep.equal(["Orange", "Violet"]);
        await buttons.nth(1).click();
        const account = page.locator(".account-bar .copyable");
        await account.waitFor();
        expect(await account.getAttribute("title")).to.equal(owner(1).address);
        await wallets[1]?.switchAccount(page, owner(2));
        await page.locator(`.copyable[title="${owner(2).address}"]`).waitFor();
      });

      it("claims all epochs with one button, and shows by itself that they are claimed", async () => {
        const { page, reaches, wallet } = await visitWith(stage, { signer: owner(0), make });
        const button = page.locator("button.primary");
        await button.waitFor();
        const offered = await page.locator(".amount.large").getAttribute("title");
        await button.click();
        await reaches("done");
        const paid = await claimed(0);
        expect(paid > 0n).to.equal(true);
        const stat = page.locator(".hero .side .amount").nth(1);
        await expectSoon(async () => (await stat.getAttribute("title")) === offered);
        expect(await page.locator(".amount.large .digits").innerText()).to.equal("0");
        await page.getByRole("button", { name: "Add LTK to wallet" }).click();
        await expectSoon(async () => wallet.asked.includes("wallet_watchAsset"));
        expect(wallet.asked.filter((method) => method === "eth_sendTransaction")).to.have.length(1);
      });

      it("names both chains when the wallet is on another, and switches", async () => {
        const { page, state, reaches } = await visitWith(stage, {
          signer: owner(0),
          make,
          chainId: POLYGON,
        });
        await reaches("wrong-chain");
        expect(await state("wrong-chain").innerText()).to.match(/on Polygon.*on Local chain/s);
        await page.getByRole("button", { name: "Switch to Local chain" }).click();
        await page.locator("button.primary").waitFor();
      });

      it("adds the chain to a wallet that does not know it, and follows it away again", async () => {
        const { page, reaches, wallet } = await visitWith(stage, {
          signer: owner(0),
          make,
          chainId: POLYGON,
          known: [POLYGON],
        });
        await reaches("wrong-chain");
        await page.getByRole("button", { name: "Switch to Local chain" }).click();
        await page.locator("button.primary").waitFor();
        expect(wallet.asked).to.include("wallet_addEthereumChain");
        await wallet.switchChain(page, POLYGON);
        await reaches("wrong-chain");
      });

      it("takes a no for a no, and can be asked again", async () => {
        const { page, reaches, wallet } = await visitWith(stage, {
          signer: owner(0),
          make,
          habit: "reject",
        });
        await page.locator("button.primary").click();
        await reaches("rejected");
        expect(await claimed(0)).to.equal(0n);
        wallet.habit = "approve";
        await page.locator("button.primary").click();
        await reaches("done");
      });

      it("sends rewards to another payee, and says in plain words when the contract would refuse", async () => {
        const { page, reaches, state } = await visitWith(stage, { signer: owner(0), make });
        await page.locator("button.primary").waitFor();
        const { contracts } = stage.config.deployment;
        await page.getByLabel("Pay rewards to").fill(contracts.EpochLedger.address);
        await page.getByRole("button", { name: "Save" }).click();
        await reaches("refused");
        expect(await state("refused").innerText()).to.include("cannot be a payee");
        const payee = Wallet.createRandom().address;
        await page.getByLabel("Pay rewards to").fill(payee);
        await page.getByRole("button", { name: "Save" }).click();
        await reaches("done");
        expect(await stage.world.devnet.suite.distributor.payeeOf(owner(0).address)).to.equal(
          payee,
        );
      });
    });
  }

  describe("with a wallet", () => {
    it("waits for the wallet's window", async () => {
      const { page, reaches } = await visitWith(stage, { signer: owner(0), habit: "hold" });
      await page.locator("button.primary").click();
      await reaches("signing");
      expect(await page.locator("button.primary").isDisabled()).to.equal(true);
    });

    it("says so when there is no money for the fee, before the wallet is asked", async () => {
      await stage.cheat("setBalance", owner(0).address, "0x0");
      const { page, reaches, wallet } = await visitWith(stage, { signer: owner(0) });
      await page.locator("button.primary").click();
      await reaches("out-of-gas-money");
      expect(wallet.asked).to.not.include("eth_sendTransaction");
    });

    it("tells the owner of a contract wallet that others must sign", async () => {
      await stage.cheat("setCode", owner(0).address, "0x6001600055");
      const { page, state, reaches } = await visitWith(stage, {
        signer: owner(0),
        habit: "collect-signatures",
      });
      await page.locator("button.primary").click();
      await reaches("other-owners");
      expect(await state("other-owners").innerText()).to.include("You may close this page");
      // Much later the others have signed: whoever sent it, the chain shows it.
      await stage.claimFor(owner(0).address);
      await reaches("done");
    });

    it("stops waiting when told to, and can claim again", async () => {
      const { page, reaches, wallet } = await visitWith(stage, {
        signer: owner(0),
        habit: "collect-signatures",
      });
      await page.locator("button.primary").click();
      await reaches("sent");
      await page.getByRole("button", { name: "Stop waiting" }).click();
      await page.reload();
      wallet.habit = "approve";
      await page.locator("button.primary").click();
      await reaches("done");
    });

    it("takes an account with EIP-7702 code for what it is: one owner", async () => {
      await stage.cheat("setCode", owner(0).address, `0xef0100${"11".repeat(20)}`);
      const { page, reaches, state } = await visitWith(stage, {
        signer: owner(0),
        habit: "collect-signatures",
      });
      await page.locator("button.primary").click();
      await reaches("sent");
      await stage.claimFor(owner(0).address);
      await reaches("done");
      expect(await state("other-owners").count()).to.equal(0);
    });

    it("goes on waiting after a reload in mid-claim", async () => {
      await stage.automine(false);
      try {
        const { page, reaches } = await visitWith(stage, { signer: owner(0) });
        await page.locator("button.primary").click();
        await reaches("sent");
        await page.reload();
        await reaches("sent");
        expect(await claimed(0)).to.equal(0n);
        await stage.mine();
        await reaches("done");
      } finally {
        await stage.automine(true);
      }
    });

    it("shows it as claimable again when a reorg undoes the claim", async () => {
      const reorg = await stage.snapshot();
      const { page, reaches } = await visitWith(stage, { signer: owner(0) }, { before: ownClock });
      const amount = page.locator(".amount.large .digits");
      await page.locator("button.primary").waitFor();
      const offered = await amount.innerText();
      await page.locator("button.primary").click();
      await reaches("done");
      await expectSoon(async () => (await amount.innerText()) === "0");
      await reorg();
      await stage.mine();
      await page.clock.fastForward(LOOKS_AGAIN_MS);
      await expectSoon(async () => (await amount.innerText()) === offered);
      expect(await claimed(0)).to.equal(0n);
    });

    it("claims for another account, whose tokens they stay", async () => {
      const { page, reaches } = await visitWith(stage, { signer: owner(0) });
      await page.locator("button.primary").waitFor();
      await page.goto(`${stage.pagesUrl}#/claim/${owner(1).address}`);
      await page.getByText("Anyone may claim for an account").waitFor();
      await page.getByRole("button", { name: "Claim for this account" }).click();
      await reaches("done");
      expect((await claimed(1)) > 0n).to.equal(true);
      expect(await stage.world.devnet.suite.token.balanceOf(owner(1).address)).to.equal(
        await claimed(1),
      );
    });

    it("does not offer to claim while claims are paused", async () => {
      const { devnet } = stage.world;
      const guardian = devnet.suite.distributor.connect(devnet.role("guardian"));
      await (await guardian.pause()).wait();
      const { page, reaches } = await visitWith(stage, { signer: owner(0) });
      await reaches("paused");
      expect(await page.locator("button.primary").count()).to.equal(0);
    });
  });

  describe("when something else is broken", () => {
    const at = () => `#/claim/${owner(0).address}`;

    it("says that the chain cannot be reached, and goes on by itself when it is back", async () => {
      const { page, reaches } = await visit(stage, {
        at: at(),
        async before(page) {
          await ownClock(page);
          await page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => route.abort());
        },
      });
      await reaches("rpc-down");
      await page.unroute(`${stage.world.devnet.rpcUrl}/**`);
      await page.clock.fastForward(LOOKS_AGAIN_MS);
      await reaches("claimable");
      expect(await page.locator('[data-state="rpc-down"]').count()).to.equal(0);
      await page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => route.abort());
      await page.clock.fastForward(LOOKS_AGAIN_MS);
      await reaches("rpc-down");
      // What was proven stays on the page.
      expect(await page.locator(".amount.large").count()).to.equal(1);
    });

    it("says that the files are missing", async () => {
      const { page, reaches } = await visit(stage, {
        at: at(),
        before: (page) => page.route("**/bundles/3/**", (route) => route.fulfill({ status: 404 })),
      });
      await reaches("bundle-missing");
      expect(await page.locator(".amount.large").count()).to.equal(0);
    });

    it("offers nothing from a file that was tampered with", async () => {
      const { page, reaches } = await visit(stage, {
        at: at(),
        before: (page) => page.route("**/bundles/3/rewards.bin", tamper(30)),
      });
      await reaches("another-copy");
      expect(await page.locator(".amount.large").count()).to.equal(0);
    });

    it("offers nothing from a file that is cut off", async () => {
      const { reaches } = await visit(stage, {
        at: at(),
        before: (page) =>
          page.route("**/bundles/3/rewards.bin", async (route) => {
            const body = await (await route.fetch()).body();
            await route.fulfill({ status: 206, body: body.subarray(0, body.length - 1) });
          }),
      });
      await reaches("another-copy");
    });

    it("takes the next mirror when one is not genuine", async () => {
      const config = stage.config;
      stage.config = { ...config, bundles: ["../bundles", `${stage.server.url}/bundles`] };
      try {
        let first = true;
        const { reaches } = await visit(stage, {
          at: at(),
          before: (page) =>
            page.route("**/bundles/3/rewards.bin", (route) => {
              if (!first) return route.continue();
              first = false;
              return tamper(30)(route);
            }),
        });
        await reaches("claimable");
      } finally {
        stage.config = config;
      }
    });

    for (const [file, byte] of [
      // What the first contribution earned, and the value of the first invoice line.
      ["contributions.bin", 235],
      ["invoices.bin", 55],
    ] as const) {
      it(`condemns an epoch's earnings whose ${file} is not the chain's, and no other`, async () => {
        const { page, reaches } = await visit(stage, {
          at: at(),
          before: (page) => page.route(`**/bundles/2/${file}`, tamper(byte)),
        });
        await reaches("claimable");
        await reaches("earnings-unavailable");
        await page.locator('[data-epoch="1"]').waitFor();
        expect(await page.locator('[data-epoch="2"]').count()).to.equal(0);
      });
    }

    it("does not call an epoch idle whose report the node leaves out", async () => {
      const finalized = "RootFinalized(uint32,bytes32,uint96,uint96,uint96,uint64)";
      const { page, reaches } = await visit(stage, {
        at: at(),
        before: leaveOut(stage, "first", finalized),
      });
      await reaches("earnings-unavailable");
      await page.locator('[data-epoch="3"]').waitFor();
      expect(await page.locator('[data-epoch="1"]').count()).to.equal(0);
    });

    it("says that its settings are missing", async () => {
      const { reaches } = await visit(stage, {
        before: (page) =>
          page.route("**/config.json", (route) => route.fulfill({ status: 404, body: "" })),
      });
      await reaches("config-missing");
    });
  });

  describe("in the browser's language", () => {
    for (const [locale, title] of [
      ["zh-CN", "您的设备赚了多少？"],
      ["it-IT", "Quanto hanno guadagnato i tuoi dispositivi?"],
      ["fr-FR", "What have your devices earned?"],
    ] as const) {
      it(`speaks to ${locale}`, async () => {
        const { page } = await visit(stage, { locale });
        await page.getByRole("heading", { name: title }).waitFor();
      });
    }

    it("keeps a language that was chosen", async () => {
      const { page } = await visit(stage);
      await page.getByLabel("Language").selectOption("it");
      await page.getByText("Scegli un wallet").waitFor();
      await page.reload();
      await page.getByText("Scegli un wallet").waitFor();
      expect(await page.locator("html").getAttribute("lang")).to.equal("it");
    });
  });
});

/** Time enough for a page to look at the chain again by itself. */
const LOOKS_AGAIN_MS = 5_000;
/** The page's clock goes on as ever, and can be moved: what comes by itself need not be waited for. */
const ownClock = (page: Page) => page.clock.install();

/** Every amount there, to the wei: a figure's title has all its digits. */
async function weiIn(place: Locator): Promise<readonly bigint[]> {
  const titles = await place
    .locator(".amount")
    .evaluateAll((amounts) => amounts.map((amount) => (amount as HTMLElement).title));
  return titles.map((title) => parseEther(title.replace(" LTK", "").replaceAll(",", "")));
}

const LOOK_MS = 20;
const SOON_MS = 20_000;

/** For what the page shows without a word of its own. */
async function expectSoon(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SOON_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${SOON_MS} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
