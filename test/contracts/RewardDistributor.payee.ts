import { expect } from "chai";
import { parseEther, Signature, toBeHex, type Wallet, ZeroAddress } from "ethers";
import {
  accountOf,
  at,
  from,
  NO_DEADLINE,
  sender,
  startOf,
  walletOf,
} from "../worlds/contracts.ts";
import { firstFinal, type Staffed } from "./support/epochs.ts";
import { claimOf } from "./support/reward-tree.ts";
import { digestOf, domainOf } from "./support/signing.ts";

const OWNER = walletOf("account 0");
const PAYEE = walletOf("payee").address;

type Consent = {
  readonly account: string;
  readonly payee: string;
  readonly nonce: bigint;
  readonly deadline: bigint | number;
};

async function consentOf(
  { distributor }: Staffed,
  change: Partial<Consent> = {},
): Promise<Consent> {
  const account = change.account ?? OWNER.address;
  const nonce = await distributor.nonces(account);
  return { account, payee: PAYEE, nonce, deadline: NO_DEADLINE, ...change };
}

async function signConsent({ distributor }: Staffed, consent: Consent, key: Wallet) {
  const digest = digestOf(await domainOf(distributor), "SetPayee", consent);
  return key.signingKey.sign(digest).serialized;
}

/** Sends the consent of an account that never sends. */
async function setPayee(world: Staffed, change: Partial<Consent> = {}, key: Wallet = OWNER) {
  const consent = await consentOf(world, change);
  const signature = await signConsent(world, consent, key);
  const { account, payee, deadline } = consent;
  return world.distributor.setPayeeBySig(account, payee, deadline, signature);
}

/** Code an EOA set by EIP-7702: a wallet that takes signatures of `sessionKey`, or of nobody. */
async function delegate(world: Staffed, account: Wallet, sessionKey: string): Promise<void> {
  const { ethers, networkHelpers } = world.connection;
  const wallet = await ethers.deployContract("OwnedWallet", [sessionKey]);
  await networkHelpers.setBalance(account.address, parseEther("1"));
  const owner = account.connect(ethers.provider);
  const authorization = await owner.authorize({
    address: await wallet.getAddress(),
    nonce: 1,
    chainId: 31337,
  });
  await owner.sendTransaction({
    type: 4,
    to: ZeroAddress,
    authorizationList: [authorization],
    nonce: 0,
  });
  const code = await ethers.provider.getCode(account.address);
  expect(code.startsWith("0xef0100")).to.equal(true);
}

describe("RewardDistributor", () => {
  describe("setPayee", () => {
    it("lets another address receive what the caller earns", async () => {
      const world = await from(firstFinal);
      const { connection, distributor, token } = world;
      const owner = await sender(world, OWNER.address);
      await expect(distributor.connect(owner).setPayee(PAYEE))
        .to.emit(distributor, "PayeeSet")
        .withArgs(OWNER.address, PAYEE);
      expect(await distributor.payeeOf(OWNER)).to.equal(PAYEE);
      const claiming = distributor.claim([claimOf(world.first, 1, 0)]);
      await expect(claiming)
        .to.emit(distributor, "Claimed")
        .withArgs(OWNER.address, PAYEE, 1, parseEther("1"), parseEther("1"));
      await expect(claiming).to.changeTokenBalances(
        connection.ethers,
        token,
        [PAYEE, OWNER.address],
        [parseEther("1"), 0],
      );
      expect(await distributor.claimed(OWNER)).to.equal(parseEther("1"));
    });

    it("restores the caller when zero", async () => {
      const world = await from(firstFinal);
      const owner = await sender(world, OWNER.address);
      await world.distributor.connect(owner).setPayee(PAYEE);
      await world.distributor.connect(owner).setPayee(ZeroAddress);
      expect(await world.distributor.payeeOf(OWNER)).to.equal(OWNER.address);
    });

    it("voids what the account signed before", async () => {
      const world = await from(firstFinal);
      const { distributor } = world;
      const before = await consentOf(world);
      const signature = await signConsent(world, before, OWNER);
      await distributor.connect(await sender(world, OWNER.address)).setPayee(accountOf(1));
      expect(await distributor.nonces(OWNER)).to.equal(1);
      await expect(
        distributor.setPayeeBySig(OWNER.address, PAYEE, NO_DEADLINE, signature),
      ).to.be.revertedWithCustomError(distributor, "InvalidAccountSignature");
      expect(await distributor.payeeOf(OWNER)).to.equal(accountOf(1));
    });

    it("reaches nobody else's earnings", async () => {
      const { distributor, stranger } = await from(firstFinal);
      await distributor.connect(stranger).setPayee(stranger);
      expect(await distributor.payeeOf(OWNER)).to.equal(OWNER.address);
    });

    it("refuses the contracts of the suite, where tokens would be lost", async () => {
      const world = await from(firstFinal);
      const { distributor, stranger, token, registry, programme, escrow, quorum, ledger } = world;
      for (const contract of [distributor, token, registry, programme, escrow, quorum, ledger]) {
        const payee = await contract.getAddress();
        await expect(distributor.connect(stranger).setPayee(payee))
          .to.be.revertedWithCustomError(distributor, "PayeeNotAllowed")
          .withArgs(payee);
        await expect(setPayee(await from(firstFinal), { payee })).to.be.revertedWithCustomError(
          distributor,
          "PayeeNotAllowed",
        );
      }
    });
  });

  describe("setPayeeBySig", () => {
    it("does it for an account that signs, whoever sends", async () => {
      const world = await from(firstFinal);
      await expect(setPayee(world))
        .to.emit(world.distributor, "PayeeSet")
        .withArgs(OWNER.address, PAYEE);
      expect(await world.distributor.nonces(OWNER)).to.equal(1);
    });

    it("takes a signature until its deadline and not a second longer", async () => {
      const world = await from(firstFinal);
      const deadline = startOf(9);
      await at(world, deadline + 1);
      await expect(setPayee(world, { deadline }))
        .to.be.revertedWithCustomError(world.distributor, "SignatureExpired")
        .withArgs(deadline);
      await at(world, deadline);
      await setPayee(world, { deadline });
    });

    it("takes each signature once, and only the next nonce", async () => {
      const world = await from(firstFinal);
      const { distributor } = world;
      await expect(setPayee(world, { nonce: 1n })).to.be.revertedWithCustomError(
        distributor,
        "InvalidAccountSignature",
      );
      const signature = await signConsent(world, await consentOf(world), OWNER);
      const sending = () => distributor.setPayeeBySig(OWNER.address, PAYEE, NO_DEADLINE, signature);
      await sending();
      await expect(sending())
        .to.be.revertedWithCustomError(distributor, "InvalidAccountSignature")
        .withArgs(OWNER.address);
    });

    it("refuses every change of what was signed: lesson, 1inch, a signature over the receiver only", async () => {
      const world = await from(firstFinal);
      const { distributor, ledger } = world;
      const consent = await consentOf(world);
      const signature = await signConsent(world, consent, OWNER);
      const tries: [string, string, bigint][] = [
        [accountOf(1), PAYEE, NO_DEADLINE],
        [OWNER.address, accountOf(1), NO_DEADLINE],
        [OWNER.address, PAYEE, NO_DEADLINE - 1n],
      ];
      for (const [account, payee, deadline] of tries) {
        await expect(
          distributor.setPayeeBySig(account, payee, deadline, signature),
        ).to.be.revertedWithCustomError(distributor, "InvalidAccountSignature");
      }
      for (const domain of [await domainOf(ledger), await domainOf(distributor, 1)]) {
        const digest = digestOf(domain, "SetPayee", consent);
        const { serialized } = OWNER.signingKey.sign(digest);
        await expect(
          distributor.setPayeeBySig(OWNER.address, PAYEE, NO_DEADLINE, serialized),
        ).to.be.revertedWithCustomError(distributor, "InvalidAccountSignature");
      }
    });

    it("refuses another key, bytes that are not a signature, a high s, and the zero account", async () => {
      const world = await from(firstFinal);
      const { distributor } = world;
      await expect(setPayee(world, {}, walletOf("thief"))).to.be.revertedWithCustomError(
        distributor,
        "InvalidAccountSignature",
      );
      const { r, s, v } = Signature.from(await signConsent(world, await consentOf(world), OWNER));
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const highS = `${r}${toBeHex(order - BigInt(s), 32).slice(2)}${v === 27 ? "1c" : "1b"}`;
      for (const bytes of ["0x", "0x1234", `0x${"00".repeat(65)}`, highS]) {
        for (const account of [OWNER.address, ZeroAddress]) {
          await expect(distributor.setPayeeBySig(account, PAYEE, NO_DEADLINE, bytes))
            .to.be.revertedWithCustomError(distributor, "InvalidAccountSignature")
            .withArgs(account);
        }
      }
    });

    it("takes an ERC-1271 wallet's word, and refuses what the wallet refuses", async () => {
      const world = await from(firstFinal);
      const { connection, distributor } = world;
      const wallet = await connection.ethers.deployContract("OwnedWallet", [OWNER.address]);
      const account = await wallet.getAddress();
      await expect(setPayee(world, { account }, walletOf("thief")))
        .to.be.revertedWithCustomError(distributor, "InvalidAccountSignature")
        .withArgs(account);
      await setPayee(world, { account });
      expect(await distributor.payeeOf(account)).to.equal(PAYEE);
    });

    it("takes an EOA's own key whatever its EIP-7702 code says: lesson, safe-wallet-monorepo 6235", async () => {
      const world = await from(firstFinal);
      await delegate(world, OWNER, ZeroAddress);
      await setPayee(world);
      expect(await world.distributor.payeeOf(OWNER)).to.equal(PAYEE);
      await expect(setPayee(world, {}, walletOf("thief"))).to.be.revertedWithCustomError(
        world.distributor,
        "InvalidAccountSignature",
      );
    });

    it("takes the key that an EOA's EIP-7702 code answers for", async () => {
      const world = await from(firstFinal);
      const sessionKey = walletOf("session key");
      await delegate(world, OWNER, sessionKey.address);
      await setPayee(world, {}, sessionKey);
      expect(await world.distributor.payeeOf(OWNER)).to.equal(PAYEE);
    });

    it("lets an EOA with EIP-7702 code claim and receive as any other: lesson, OpenZeppelin 5707", async () => {
      const world = await from(firstFinal);
      await delegate(world, OWNER, ZeroAddress);
      await world.distributor.claim([claimOf(world.first, 1, 0)]);
      expect(await world.token.balanceOf(OWNER)).to.equal(parseEther("1"));
    });
  });

  describe("pause", () => {
    const PAUSE_SECONDS = 3 * 24 * 3600;
    const COOLDOWN_SECONDS = 30 * 24 * 3600;

    it("holds claims up for three days, to the second, and ends by itself", async () => {
      const world = await from(firstFinal);
      const { distributor, guardian, first } = world;
      const until = startOf(4) + PAUSE_SECONDS;
      expect(await distributor.PAUSE_SECONDS()).to.equal(PAUSE_SECONDS);
      await at(world, startOf(4));
      await expect(distributor.connect(guardian).pause())
        .to.emit(distributor, "ClaimsPaused")
        .withArgs(until);
      expect(await distributor.pausedUntil()).to.equal(until);
      const claiming = () => distributor.claim([claimOf(first, 1, 0)]);
      await at(world, until - 1);
      await expect(claiming())
        .to.be.revertedWithCustomError(distributor, "PausedUntil")
        .withArgs(until);
      await at(world, until);
      await claiming();
    });

    it("cannot be strung together: the next may start 30 days after the end", async () => {
      const world = await from(firstFinal);
      const { distributor, guardian } = world;
      const next = startOf(4) + PAUSE_SECONDS + COOLDOWN_SECONDS;
      expect(await distributor.PAUSE_COOLDOWN_SECONDS()).to.equal(COOLDOWN_SECONDS);
      await at(world, startOf(4));
      await distributor.connect(guardian).pause();
      await distributor.connect(guardian).resume();
      await at(world, next - 1);
      await expect(distributor.connect(guardian).pause())
        .to.be.revertedWithCustomError(distributor, "PauseNotAllowedBefore")
        .withArgs(next);
      await at(world, next);
      await distributor.connect(guardian).pause();
    });

    it("can be ended early", async () => {
      const { distributor, guardian, first } = await from(firstFinal);
      await distributor.connect(guardian).pause();
      await expect(distributor.connect(guardian).resume()).to.emit(distributor, "ClaimsResumed");
      await distributor.claim([claimOf(first, 1, 0)]);
    });
  });

  describe("before a ledger is linked", () => {
    it("refuses the suite's other contracts as payees, and lets zero restore the caller", async () => {
      const world = await from(firstFinal);
      const { connection, token, registry, programme, escrow, quorum, governance, guardian } =
        world;
      const terms = [token, registry, programme, escrow, quorum, governance, guardian];
      const unlinked = await connection.ethers.deployContract("RewardDistributor", terms);
      await unlinked.setPayee(ZeroAddress);
      await expect(unlinked.setPayee(escrow)).to.be.revertedWithCustomError(
        unlinked,
        "PayeeNotAllowed",
      );
    });
  });
});
