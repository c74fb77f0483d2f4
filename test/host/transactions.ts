import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { openJournal } from "@link-rewards/host/journal";
import {
  type Call,
  createSender,
  isStillWaiting,
  type StoredTransaction,
} from "@link-rewards/host/transactions";
import { expect } from "chai";
import { type HDNodeWallet, JsonRpcProvider, Transaction, type TransactionReceipt } from "ethers";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import type { Store } from "../../oracle/store/store.ts";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { startAnvilChain } from "../../scripts/local/local-chain.ts";
import { type RpcHandler, type RpcProxy, startRpcProxy } from "../../scripts/local/rpc-proxy.ts";

/** Longer than any of these tests, but for the one that is about it. */
const PATIENT_MS = 60_000;

/** A process killed before the node has the transaction it stored, and one killed after. */
const neverSent: RpcHandler = async ({ methods }, forward) => {
  if (methods.includes("eth_sendRawTransaction")) throw new Error("killed");
  return forward();
};
const neverAnswered: RpcHandler = async ({ methods }, forward) => {
  const answer = await forward();
  if (methods.includes("eth_sendRawTransaction")) throw new Error("killed");
  return answer;
};

/** Blocks come, and what waits is in none of them. */
const crowded = (handler: RpcHandler = (_, forward) => forward()): RpcHandler => {
  let blocks = 0;
  return async (request, forward) => {
    if (request.methods[0] !== "eth_blockNumber") return handler(request, forward);
    return answerTo(request.body, { result: `0x${(1_000_000 + blocks++).toString(16)}` });
  };
};

async function expectCut(sending: Promise<unknown>): Promise<void> {
  await sending.then(
    () => expect.fail("it was sent"),
    () => undefined,
  );
}

describe("sending transactions", () => {
  /** A thousand of the chain's coin. */
  const FUNDS = "0x3635c9adc5dea00000";
  let devnet: Devnet;
  let proxy: RpcProxy;
  let provider: JsonRpcProvider;
  let wallet: HDNodeWallet;
  let folder: string;
  let store: Store;
  let events: string[];
  let finalizedNumber: () => Promise<number>;
  let walletIndex = 0;

  before(async () => {
    devnet = await startDevnet();
    proxy = await startRpcProxy(devnet.rpcUrl);
    provider = new JsonRpcProvider(proxy.url, 31337, {
      ...{ staticNetwork: true, cacheTimeout: -1, batchStallTime: 0 },
    });
  });
  after(async () => {
    provider.destroy();
    await proxy.close();
    await devnet.close();
  });

  beforeEach(async () => {
    wallet = devnet.wallet(walletIndex++);
    await devnet.provider.send("hardhat_setBalance", [wallet.address, FUNDS]);
    folder = await mkdtemp(join(tmpdir(), "link-rewards-transactions-"));
    store = await openSqliteStore(folder);
    events = [];
    finalizedNumber = () => devnet.provider.getBlockNumber();
    proxy.handle((_, forward) => forward());
  });
  afterEach(async () => {
    await devnet.provider.send("evm_setAutomine", [true]);
    await devnet.provider.send("evm_mine", []);
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A process's sender; a second one is that of the process started after it. */
  const sender = (key = wallet, replaceAfterMs = PATIENT_MS, feeCeiling?: bigint) =>
    createSender({ ...parts(), wallet: key, replaceAfterMs, feeCeiling });
  const parts = () => ({
    provider,
    wallet,
    journal: store,
    finalized: async () => ({ number: await finalizedNumber() }),
    replaceAfterMs: PATIENT_MS,
    onEvent: (event: string) => void events.push(event),
  });
  const callTo = (tag: number): Call => ({
    to: devnet.role("treasury").address,
    data: `0x${tag.toString(16).padStart(8, "0")}`,
  });
  const receiptOf = async (hash: string) =>
    (await devnet.provider.getTransactionReceipt(hash)) as TransactionReceipt;
  const nonceOf = async (hash: string) =>
    (await devnet.provider.getTransaction(hash))?.nonce as number;
  const sentBy = ({ address }: HDNodeWallet) => devnet.provider.getTransactionCount(address);
  const noBlocks = () => devnet.provider.send("evm_setAutomine", [false]);
  const mine = () => devnet.provider.send("evm_mine", []);
  const pending = () => store.pendingTransactions(lowercaseHex(wallet.address));
  const sentEvents = () => events.filter((event) => event === "transaction sent").length;
  const until = async (happened: () => boolean | Promise<boolean>) => {
    while (!(await happened())) await new Promise((next) => setTimeout(next, 10));
  };

  it("stores a transaction before it is sent (Helium, DIMO: a crash in between pays twice)", async () => {
    let storedWhenSent: readonly StoredTransaction[] = [];
    proxy.handle(async ({ methods }, forward) => {
      if (methods.includes("eth_sendRawTransaction")) storedWhenSent = await pending();
      return forward();
    });
    const { hash, outcome } = await sender().send("propose/1/0", callTo(1));
    expect(outcome).to.equal("mined");
    expect(storedWhenSent).to.have.lengthOf(1);
    expect(storedWhenSent[0]).to.include({ purpose: "propose/1/0", hash });
    expect(await pending()).to.deep.equal([]);
  });

  it("replaces one that is not mined, by fee and under the same nonce (Chainlink 576: stuck transactions)", async () => {
    await noBlocks();
    proxy.handle(crowded());
    const sending = sender(wallet, 1).send("propose/1/0", callTo(1));
    await until(async () => (await pending()).length >= 3);
    await mine();
    const attempts = await pending();
    const { hash, outcome } = await sending;
    expect(outcome).to.equal("mined");
    expect(new Set(attempts.map(({ nonce }) => nonce))).to.deep.equal(new Set([0]));
    const fees = attempts.map(({ raw }) => Transaction.from(raw).maxFeePerGas as bigint);
    for (const [i, fee] of fees.entries()) {
      if (i > 0) expect(Number(fee)).to.be.at.least(Number(fees[i - 1]) * 1.1);
    }
    expect(attempts.map((attempt) => attempt.hash)).to.include(hash);
    expect(events).to.include("transaction replaced");
    expect(await sentBy(wallet)).to.equal(1);
    expect(await pending()).to.deep.equal([]);
  });

  it("finds after a crash what it had stored and never sent, and sends that", async () => {
    proxy.handle(neverSent);
    await expectCut(sender().send("propose/1/0", callTo(1)));
    const [stored] = await pending();
    proxy.handle((_, forward) => forward());
    const { hash } = await sender().send("propose/1/0", callTo(1));
    expect(hash).to.equal(stored?.hash);
    expect(await sentBy(wallet)).to.equal(1);
  });

  it("finds after a crash what it had sent, and sends nothing twice", async () => {
    proxy.handle(neverAnswered);
    await expectCut(sender().send("propose/1/0", callTo(1)));
    proxy.handle((_, forward) => forward());
    const [stored] = await pending();
    const { hash } = await sender().send("finalize/1/0", callTo(2));
    expect(await nonceOf(hash)).to.equal(1);
    expect((await receiptOf(stored?.hash as string)).status).to.equal(1);
    expect(await sentBy(wallet)).to.equal(2);
    expect(await pending()).to.deep.equal([]);
  });

  it("gets past what was stored, never sent, and is not wanted any more", async () => {
    proxy.handle(neverSent);
    await expectCut(sender().send("collect/somebody/1/5", callTo(1)));
    proxy.handle((_, forward) => forward());
    const { hash, outcome } = await sender().send("propose/1/0", callTo(2));
    expect([outcome, await nonceOf(hash)]).to.deep.equal(["mined", 1]);
    expect(await sentBy(wallet)).to.equal(2);
  });

  it("starts anew when something else that the key sent took the nonce", async () => {
    await noBlocks();
    const sending = sender().send("propose/1/0", callTo(1));
    await until(() => events.length > 0);
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 12n };
    const other = await wallet.sendTransaction({ ...callTo(9), nonce: 0, ...fees });
    await mine();
    await until(() => sentEvents() > 1);
    await mine();
    const { hash } = await sending;
    expect(events).to.include("nonce taken by a transaction that was not sent from here");
    expect((await receiptOf(other.hash)).status).to.equal(1);
    expect(await nonceOf(hash)).to.equal(1);
    expect(await pending()).to.deep.equal([]);
  });

  it("waits for what another program with this key has sent under the nonce, and goes on after it", async () => {
    await noBlocks();
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 12n };
    const other = await wallet.sendTransaction({ ...callTo(9), nonce: 0, ...fees });
    const refused = Promise.withResolvers<string>();
    proxy.handle(async ({ methods }, forward) => {
      const answer = await forward();
      if (methods.includes("eth_sendRawTransaction")) refused.resolve(answer);
      return answer;
    });
    const sending = sender().send("propose/1/0", callTo(1));
    sending.catch(refused.reject);
    expect(await refused.promise).to.contain("underpriced");
    await mine();
    await Promise.race([sending, until(() => sentEvents() > 0)]);
    await mine();
    const { hash } = await sending;
    expect((await receiptOf(other.hash)).status).to.equal(1);
    expect(await nonceOf(hash)).to.equal(1);
    expect(await pending()).to.deep.equal([]);
  });

  it("gives its nonce up only when what took it is final, and is mined itself when a reorg undoes that", async () => {
    const undo = await devnet.provider.send("evm_snapshot", []);
    const unfinal = await devnet.provider.getBlockNumber();
    finalizedNumber = async () => unfinal;
    await noBlocks();
    const sending = sender().send("propose/1/0", callTo(1));
    await until(() => events.length > 0);
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 12n };
    await wallet.sendTransaction({ ...callTo(9), nonce: 0, ...fees });
    const searched = Promise.withResolvers<void>();
    proxy.handle(async ({ methods }, forward) => {
      const answer = await forward();
      // The block in which it finds the other one.
      if (answer.includes('"transactions":[{')) searched.resolve();
      return methods.length > 0 ? answer : forward();
    });
    await mine();
    await Promise.race([sending, searched.promise]);
    expect((await pending()).map(({ nonce }) => nonce)).to.deep.equal([0]);
    expect(events).not.to.include("nonce taken by a transaction that was not sent from here");
    await devnet.provider.send("evm_revert", [undo]);
    await devnet.provider.send("evm_setAutomine", [true]);
    await devnet.provider.send("eth_sendRawTransaction", [(await pending())[0]?.raw]);
    const { hash, outcome } = await sending;
    expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 0, 1]);
  });

  it("makes the call once its nonce is chosen: of two at once, one is sent", async () => {
    const bothHaveNonces = Promise.withResolvers<void>();
    let asked = 0;
    const callNow = async () => {
      if (++asked === 2) bothHaveNonces.resolve();
      await bothHaveNonces.promise;
      return asked > 2 ? undefined : callTo(1);
    };
    // Two programs that share a key, and not even a journal.
    const other = await openJournal(join(folder, "other.journal"));
    const ended = await Promise.all([
      sender().sendIfDue("claim/1", callNow),
      createSender({ ...parts(), journal: other }).sendIfDue("claim/1", callNow),
    ]);
    const hashes = ended.flatMap((settled) => settled?.hash ?? []);
    expect(new Set(hashes).size).to.equal(1);
    expect(await sentBy(wallet)).to.equal(1);
  });

  it("brings to its end what an earlier run has sent, before anything else", async () => {
    proxy.handle(neverSent);
    await expectCut(sender().send("claim/1", callTo(1)));
    proxy.handle((_, forward) => forward());
    await sender().finish();
    expect([await sentBy(wallet), await pending()]).to.deep.equal([1, []]);
  });

  it("gets past a nonce whose transaction a reorg has lost", async () => {
    const undo = await devnet.provider.send("evm_snapshot", []);
    await sender().send("propose/1/0", callTo(1));
    await noBlocks();
    proxy.handle(crowded());
    const sending = sender(wallet, 1).send("finalize/1/0", callTo(2));
    await until(async () => (await pending()).some(({ nonce }) => nonce === 1));
    await devnet.provider.send("evm_revert", [undo]);
    await until(async () => (await pending()).some(({ purpose }) => purpose === "fill/0"));
    const mined = until(async () => {
      await mine();
      return (await sentBy(wallet)) === 2;
    });
    await Promise.race([sending, mined]);
    const { hash, outcome } = await sending;
    expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 1, 2]);
  });

  it("raises what waits under a lower nonce too, without which its own is never mined", async () => {
    await noBlocks();
    proxy.handle(crowded());
    const first = sender(wallet, 1, 3n * 10n ** 9n).send("collect/1", callTo(1));
    expect(isStillWaiting(await first.catch((error: unknown) => error))).to.equal(true);
    const before = (await pending()).length;
    const sending = sender(wallet, 1).send("propose/1/0", callTo(2));
    await until(async () => (await pending()).filter(({ nonce }) => nonce === 0).length > before);
    await mine();
    await Promise.race([sending, until(async () => (await sentBy(wallet)) === 2)]);
    await mine();
    const { hash, outcome } = await sending;
    expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 1, 2]);
  });

  it("gets out of a fee of zero, which blocks with a base fee of zero ask for and none of more takes (yagna 2270)", async () => {
    const fees: bigint[] = [];
    const free: RpcHandler = async ({ methods, body }, forward) => {
      const [method] = methods;
      if (method === "eth_maxPriorityFeePerGas") return answerTo(body, { result: "0x0" });
      if (method === "eth_sendRawTransaction") {
        const { maxFeePerGas } = Transaction.from(JSON.parse(body).params[0]);
        fees.push(maxFeePerGas as bigint);
        if (maxFeePerGas === 0n) return answerTo(body, { result: `0x${"0".repeat(64)}` });
      }
      const answer = await forward();
      return method === "eth_getBlockByNumber"
        ? answer.replace(/"baseFeePerGas":"0x[0-9a-f]+"/, '"baseFeePerGas":"0x0"')
        : answer;
    };
    proxy.handle(crowded(free));
    const { outcome } = await sender(wallet, 1).send("propose/1/0", callTo(1));
    expect([outcome, await sentBy(wallet), fees[0]]).to.deep.equal(["mined", 1, 0n]);
    expect(Number(fees.at(-1))).to.be.at.least(10 ** 9);
  });

  it("ends a transaction whose nonce was used longer ago than the node keeps state", async () => {
    proxy.handle(neverSent);
    await expectCut(sender().send("propose/1/0", callTo(1)));
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 12n };
    proxy.handle((_, forward) => forward());
    await (await wallet.sendTransaction({ ...callTo(9), nonce: 0, ...fees })).wait();
    await devnet.provider.send("hardhat_mine", ["0xc8"]);
    const head = await devnet.provider.getBlockNumber();
    proxy.handle(async ({ methods, body }, forward) => {
      const [method] = methods;
      const { params } = JSON.parse(body);
      if (method === "eth_getTransactionCount" && Number(params[1]) < head - 2)
        return answerTo(body, { error: { code: -32000, message: "missing trie node 12ab" } });
      return forward();
    });
    const { hash, outcome } = await sender().send("propose/1/0", callTo(1));
    expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 1, 2]);
    expect(events).to.include("nonce taken by a transaction that was not sent from here");
  });

  it("takes no account of another key's nonces", async () => {
    await sender().send("propose/1/0", callTo(1));
    proxy.handle(neverSent);
    await expectCut(sender().send("propose/2/0", callTo(1)));
    proxy.handle((_, forward) => forward());
    const another = devnet.wallet(walletIndex++);
    await devnet.provider.send("hardhat_setBalance", [another.address, FUNDS]);
    const { hash } = await sender(another).send("finalize/1/0", callTo(2));
    expect(await nonceOf(hash)).to.equal(0);
    expect((await pending()).map(({ purpose }) => purpose)).to.deep.equal(["propose/2/0"]);
  });

  it("says when a transaction was mined but reverted, and may be asked again", async () => {
    const treasury = devnet.role("treasury");
    const token = devnet.suite.token.connect(treasury);
    await (await token.approve(wallet.address, 1n)).wait();
    const call = await token.transferFrom.populateTransaction(treasury.address, wallet.address, 1n);
    proxy.handle(async ({ methods }, forward) => {
      if (methods.includes("eth_sendRawTransaction")) {
        // What was right when it was signed is not any more when it is mined.
        await (await token.approve(wallet.address, 0n)).wait();
        await noBlocks();
      }
      return forward();
    });
    const sending = sender().send("take", call);
    await until(() => events.length > 0);
    await mine();
    expect((await sending).outcome).to.equal("reverted");
    proxy.handle((_, forward) => forward());
    await devnet.provider.send("evm_setAutomine", [true]);
    await (await token.approve(wallet.address, 1n)).wait();
    expect((await sender().send("take", call)).outcome).to.equal("mined");
  });

  it("sends nothing twice while receipts are missing (celo-monorepo 11790, aztec-packages 25018)", async () => {
    let hidden = 0;
    proxy.handle(async ({ methods, body }, forward) => {
      if (methods[0] !== "eth_getTransactionReceipt" || hidden === 5) return forward();
      hidden++;
      return answerTo(body, { result: null });
    });
    const { outcome } = await sender().send("collect/1", callTo(1));
    expect([outcome, hidden, await sentBy(wallet)]).to.deep.equal(["mined", 5, 1]);
  });

  it("takes a refusal in any spelling for a question of its fate, and still raises the fee (ethers 1183, dcrdex 3498)", async () => {
    const spellings = [
      "already known",
      "known transaction: 0x12",
      "AlreadyKnown",
      "Transaction already imported",
      "transaction already in pool",
      "ALREADY_EXISTS: already known",
      "nonce too low: next nonce 1, tx nonce 0",
      "OldNonce",
    ];
    await noBlocks();
    for (const [nonce, message] of spellings.entries()) {
      const refusing: RpcHandler = async ({ methods, body }, forward) => {
        const answer = await forward();
        if (methods[0] !== "eth_sendRawTransaction") return answer;
        return answerTo(body, { error: { code: -32000, message } });
      };
      proxy.handle(crowded(refusing));
      const sending = sender(wallet, 1).send(`propose/${nonce}/0`, callTo(1));
      await Promise.race([sending, until(async () => (await pending()).length >= 2)]);
      await mine();
      expect((await sending).outcome, message).to.equal("mined");
      expect(await sentBy(wallet), message).to.equal(nonce + 1);
    }
  });

  it("offers more at once where the base fee rose since it was signed (pyth-crosschain 829)", async () => {
    proxy.handle(neverSent);
    await expectCut(sender().send("propose/1/0", callTo(1)));
    proxy.handle((_, forward) => forward());
    const [stored] = await pending();
    const { maxFeePerGas } = Transaction.from(stored?.raw as string);
    await devnet.provider.send("hardhat_setNextBlockBaseFeePerGas", [
      `0x${(3n * (maxFeePerGas as bigint)).toString(16)}`,
    ]);
    await mine();
    const { outcome } = await sender(wallet, 1_000).send("propose/1/0", callTo(1));
    expect([outcome, await sentBy(wallet)]).to.deep.equal(["mined", 1]);
  });

  it("offers no more and ends where no block comes: the chain or the node stands still", async () => {
    await noBlocks();
    for (let run = 0; run < 2; run++) {
      const ended = await sender(wallet, 1)
        .send("propose/1/0", callTo(1))
        .catch((error: unknown) => error);
      expect(isStillWaiting(ended), String(ended)).to.equal(true);
      expect(String(ended)).to.match(/shows no block after \d+/);
    }
    expect(await pending()).to.have.lengthOf(1);
    proxy.handle(async ({ methods }, forward) => {
      const answer = await forward();
      if (methods.includes("eth_sendRawTransaction")) await mine();
      return answer;
    });
    const { outcome } = await sender().send("propose/1/0", callTo(1));
    expect([outcome, await sentBy(wallet)]).to.deep.equal(["mined", 1]);
  });

  it("never offers more than the ceiling, in however many runs, and says that it waits (go-livepeer 1568)", async () => {
    await noBlocks();
    proxy.handle(crowded());
    const ceiling = 5n * 10n ** 9n;
    for (let run = 0; run < 2; run++) {
      const ended = await sender(wallet, 1, ceiling)
        .send("propose/1/0", callTo(1))
        .catch((error: unknown) => error);
      expect(isStillWaiting(ended), String(ended)).to.equal(true);
    }
    const fees = (await pending()).map(({ raw }) => Transaction.from(raw).maxFeePerGas as bigint);
    for (const fee of fees) expect(fee <= ceiling).to.equal(true);
    const told = events.filter((event) => event.startsWith("fee ceiling reached"));
    expect(told).to.have.lengthOf(2);
  });

  describe("while the base fee rises", () => {
    const GWEI = 10n ** 9n;
    let base: bigint;
    /** Blocks come when they are asked for, each with a base fee four times that of the last, up to a height. */
    const rising =
      (most: bigint): RpcHandler =>
      async ({ methods }, forward) => {
        if (methods[0] !== "eth_blockNumber") return forward();
        base = base * 4n < most ? base * 4n : most;
        await devnet.provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${base.toString(16)}`]);
        await mine();
        return forward();
      };
    const gasOf = (call: Call) => devnet.provider.estimateGas({ ...call, from: wallet.address });
    const offers = async () =>
      (await pending()).map(({ raw }) => Transaction.from(raw).maxFeePerGas as bigint);

    beforeEach(async () => {
      await noBlocks();
      base = GWEI / 4n;
      await rising(GWEI)({ methods: ["eth_blockNumber"], body: "" }, async () => "");
    });
    afterEach(async () => {
      await devnet.provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${GWEI.toString(16)}`]);
      await mine();
    });

    it("never offers more than it brings, in however many runs, whoever starts them (go-livepeer 1603)", async () => {
      const call = callTo(1);
      const brings = 5n * GWEI * (await gasOf(call));
      proxy.handle(rising(64n * GWEI));
      const runs = [
        () => sender(wallet, 1).send("collect/1", { ...call, brings }),
        () => sender(wallet, 1).finish(),
        () => sender(wallet, 1).send("collect/1", call),
      ];
      for (const run of runs) {
        const ended = await run().catch((error: unknown) => error);
        expect(isStillWaiting(ended), String(ended)).to.equal(true);
        expect(String(ended)).to.contain("it offers all that it brings");
      }
      const offered = await offers();
      expect(offered.length).to.be.greaterThan(1);
      for (const fee of offered) expect(fee <= 5n * GWEI, `${fee}`).to.equal(true);
      expect(events).to.include("what it brings reached: it is offered no more than that");
      base = GWEI;
      proxy.handle(rising(GWEI));
      await sender(wallet, 1).finish();
      expect([await sentBy(wallet), await pending()]).to.deep.equal([1, []]);
    });

    it("offers what --max-fee allows and not what it brings where that is more", async () => {
      const call = callTo(1);
      const brings = 500n * GWEI * (await gasOf(call));
      proxy.handle(rising(64n * GWEI));
      const ended = await sender(wallet, 1, 5n * GWEI)
        .send("collect/1", { ...call, brings })
        .catch((error: unknown) => error);
      expect(String(ended)).to.contain("it offers the most that --max-fee allows");
      for (const fee of await offers()) expect(fee <= 5n * GWEI, `${fee}`).to.equal(true);
    });

    it("is not kept waiting by what is worth less than its place: the nonce of that is used for nothing", async () => {
      const call = callTo(1);
      const brings = 5n * GWEI * (await gasOf(call));
      proxy.handle(rising(64n * GWEI));
      const first = sender(wallet, 1).send("collect/1", { ...call, brings });
      expect(isStillWaiting(await first.catch((error: unknown) => error))).to.equal(true);
      const { hash, outcome } = await sender(wallet, 1).send("propose/1/0", callTo(2));
      expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 1, 2]);
      expect(events).to.include("transaction given up: its nonce is used for nothing");
      const { blockNumber } = await receiptOf(hash);
      const blocks = await Promise.all(
        [blockNumber - 1, blockNumber].map((block) => devnet.provider.getBlock(block, true)),
      );
      const nothing = blocks
        .flatMap((block) => block?.prefetchedTransactions ?? [])
        .find(({ nonce, from }) => nonce === 0 && from === wallet.address);
      expect([nothing?.to, nothing?.value]).to.deep.equal([wallet.address, 0n]);
      // What was given up is sent anew once it is wanted, and worth it.
      base = GWEI;
      proxy.handle(rising(GWEI));
      const again = await sender(wallet, 1).send("collect/1", { ...call, brings });
      expect([again.outcome, await nonceOf(again.hash)]).to.deep.equal(["mined", 2]);
      expect(await pending()).to.deep.equal([]);
    });
  });

  for (const [client, message] of [
    ["geth", "exceeds block gas limit"],
    ["Besu", "Intrinsic gas exceeds gas limit"],
    ["geth", "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)"],
  ] as const) {
    it(`names what no block can have, and is not stopped by it for ever: ${client}'s "${message}"`, async () => {
      let refused: string | undefined;
      proxy.handle(async ({ methods, body }, forward) => {
        if (methods[0] !== "eth_sendRawTransaction") return forward();
        const [raw] = JSON.parse(body).params;
        refused ??= raw;
        return raw === refused ? answerTo(body, { error: { code: -32000, message } }) : forward();
      });
      const ended = await sender()
        .send("collect/1", callTo(1))
        .catch((error: Error) => error.message);
      expect(ended).to.contain(`collect/1: the RPC node`).and.contain(message);
      await sender().finish();
      const { hash, outcome } = await sender().send("collect/1", callTo(1));
      expect([outcome, await nonceOf(hash), await sentBy(wallet)]).to.deep.equal(["mined", 1, 2]);
      expect(await pending()).to.deep.equal([]);
    });
  }

  for (const [client, message] of [
    ["geth", "txpool is full"],
    ["Erigon", "pending sub-pool is full"],
    ["edr", "Nonce too high. Expected nonce to be 0 but got 1."],
    ["Besu", "An invalid transaction with a lower nonce exists"],
  ] as const) {
    it(`goes on after ${client}'s "${message}"`, async () => {
      let refusals = 0;
      proxy.handle(
        crowded(async ({ methods, body }, forward) =>
          methods[0] === "eth_sendRawTransaction" && refusals++ < 2
            ? answerTo(body, { error: { code: -32000, message } })
            : forward(),
        ),
      );
      const { outcome } = await sender(wallet, 1).send("propose/1/0", callTo(1));
      expect([outcome, await sentBy(wallet)]).to.deep.equal(["mined", 1]);
    });
  }

  it("ends with a node's words that it does not know, and finds in the next run what became of it", async () => {
    await noBlocks();
    proxy.handle(async ({ methods, body }, forward) => {
      const answer = await forward();
      return methods[0] === "eth_sendRawTransaction"
        ? answerTo(body, { error: { code: -32000, message: "the moon is full" } })
        : answer;
    });
    const ended = await sender()
      .send("propose/1/0", callTo(1))
      .catch((error: unknown) => error);
    expect(reasonOf(ended)).to.equal("the moon is full");
    await devnet.provider.send("evm_setAutomine", [true]);
    await mine();
    proxy.handle((_, forward) => forward());
    expect(await pending()).to.have.lengthOf(1);
    await sender().finish();
    expect([await sentBy(wallet), await pending()]).to.deep.equal([1, []]);
  });

  it("serves a chain before EIP-1559: anvil's berlin", async () => {
    const chain = await startAnvilChain("--hardfork", "berlin");
    const berlin = new NodeProvider([chain.rpcUrl], 31337);
    try {
      const key = wallet.connect(berlin);
      await berlin.send("anvil_setBalance", [key.address, FUNDS]);
      const { hash, outcome } = await createSender({
        ...{ ...parts(), provider: berlin, wallet: key },
        finalized: async () => ({ number: await berlin.getBlockNumber() }),
      }).send("propose/1/0", callTo(1));
      const sent = await berlin.getTransaction(hash);
      expect([outcome, sent?.type, sent?.blockNumber]).to.deep.equal(["mined", 0, 1]);
    } finally {
      berlin.destroy();
      await chain.close();
    }
  });

  it("serves a chain whose blocks have no base fee", async () => {
    const types: unknown[] = [];
    proxy.handle(async ({ methods, body }, forward) => {
      const [method] = methods;
      if (method === "eth_sendRawTransaction") {
        const { type } = Transaction.from(JSON.parse(body).params[0]);
        types.push(type);
        if (type === 2)
          return answerTo(body, {
            error: { code: -32000, message: "transaction type not supported" },
          });
      }
      const answer = await forward();
      return method === "eth_getBlockByNumber"
        ? answer.replace(/"baseFeePerGas":"0x[0-9a-f]+",?/, "")
        : answer;
    });
    const { outcome } = await sender().send("propose/1/0", callTo(1));
    expect([outcome, ...types]).to.deep.equal(["mined", 0]);
  });
});

function answerTo(body: string, answer: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(body).id, ...answer });
}
