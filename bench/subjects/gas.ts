import uniswap from "@uniswap/merkle-distributor/build/MerkleDistributor.json" with {
  type: "json",
};
import {
  type BaseContract,
  ContractFactory,
  type ContractTransactionResponse,
  concat,
  type InterfaceAbi,
  id,
  keccak256,
  parseEther,
  solidityPackedKeccak256,
  toBeHex,
} from "ethers";
import { ltkTree, propose, reportOf, sealedTwo } from "../../test/contracts/support/epochs.ts";
import {
  claimOf,
  honestLeaves,
  type RewardTree,
  tallTree,
} from "../../test/contracts/support/reward-tree.ts";
import { accountOf, deployedWorld, sender, type World } from "../../test/worlds/contracts.ts";
import type { Case, Contestant } from "../case.ts";
import { compilePlain } from "../plain-contracts.ts";

/** Sizes are accounts in the tree: what a claim costs grows with its depth. */
const EARNERS = 32;
const EARNER = 9;
const BATCH = 20;
const WEEKS = 52;
const CLAIMS_A_YEAR = 12;
const FUNDS = parseEther("1000000");
const amountOf = (epoch: number) => parseEther(`${epoch}.5`);
const accounts = Array.from({ length: EARNERS }, (_, i) => accountOf(i));

async function gasOf(sending: Promise<ContractTransactionResponse>): Promise<number> {
  return Number((await (await sending).wait())?.gasUsed);
}

// Ours

async function publish(world: World, epoch: number, depth: number): Promise<RewardTree> {
  const { distributor, token, treasury, ledger } = world;
  const cumulative = Array.from({ length: epoch }, (_, i) => amountOf(i + 1)).reduce(
    (a, b) => a + b,
  );
  const tree = tallTree(
    honestLeaves(
      accounts,
      accounts.map(() => cumulative),
    ),
    depth,
  );
  await token.connect(treasury).transfer(distributor, BigInt(EARNERS) * amountOf(epoch));
  const publisher = await sender(world, await ledger.getAddress());
  await distributor.connect(publisher).publish(epoch, tree.root, tree.total, tree.leaves);
  return tree;
}

function oursClaiming(claim: (world: World, depth: number) => Promise<number>): Contestant {
  return async (size) => {
    const world = await deployedWorld();
    const gas = await claim(world, Math.log2(size));
    return () => gas;
  };
}

const oursFirst = oursClaiming(async (world, depth) => {
  const tree = await publish(world, 1, depth);
  return gasOf(world.distributor.claim([claimOf(tree, 1, EARNER)]));
});

const oursLater = oursClaiming(async (world, depth) => {
  const first = await publish(world, 1, depth);
  await (await world.distributor.claim([claimOf(first, 1, EARNER)])).wait();
  const second = await publish(world, 2, depth);
  return gasOf(world.distributor.claim([claimOf(second, 2, EARNER)]));
});

const oursBatch = oursClaiming(async (world, depth) => {
  const tree = await publish(world, 1, depth);
  const claims = Array.from({ length: BATCH }, (_, i) => claimOf(tree, 1, i));
  return gasOf(world.distributor.claim(claims));
});

const oursYear = oursClaiming(async (world, depth) => {
  let gas = 0;
  for (let month = 1; month <= CLAIMS_A_YEAR; month++) {
    const tree = await publish(world, month, depth);
    gas += await gasOf(world.distributor.claim([claimOf(tree, month, EARNER)]));
  }
  return gas;
});

const oursPropose: Contestant = async () => {
  const world = await sealedTwo();
  const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
  const gas = await gasOf(propose(world, report, world.members.slice(0, 3)));
  return () => gas;
};

// Theirs

type Plain = { readonly root: string; readonly proofOf: (index: number) => string[] };

/** Sorted pairs, as OpenZeppelin and Uniswap have them, under arbitrary siblings up to `depth`. */
function sortedTree(leaves: readonly string[], depth: number): Plain {
  const levels: string[][] = [[...leaves]];
  while ((levels.at(-1) ?? []).length > 1) {
    const below = levels.at(-1) as string[];
    levels.push(
      below.filter((_, i) => i % 2 === 0).map((left, i) => pair(left, below[2 * i + 1] ?? left)),
    );
  }
  const siblings = Array.from({ length: depth - levels.length + 1 }, (_, i) => id(`sibling ${i}`));
  const [top = ""] = levels.at(-1) ?? [];
  return {
    root: siblings.reduce(pair, top),
    proofOf: (index) => [
      ...levels.slice(0, -1).map((level, height) => level[(index >>> height) ^ 1] as string),
      ...siblings,
    ],
  };
}

function pair(a: string, b: string): string {
  return keccak256(BigInt(a) < BigInt(b) ? concat([a, b]) : concat([b, a]));
}

type Methods = BaseContract &
  Record<string, (...args: unknown[]) => Promise<ContractTransactionResponse>>;

async function deploy(
  world: World,
  abi: InterfaceAbi,
  bytecode: string,
  ...args: unknown[]
): Promise<Methods> {
  const contract = await new ContractFactory(abi, bytecode, world.deployer).deploy(
    await world.token.getAddress(),
    ...args,
  );
  await contract.waitForDeployment();
  await world.token.connect(world.treasury).transfer(await contract.getAddress(), FUNDS);
  return contract as Methods;
}

function standardLeaf(...words: readonly (string | bigint | number)[]): string {
  return keccak256(keccak256(concat(words.map((word) => toBeHex(BigInt(word), 32)))));
}

function plainClaiming(claim: (plain: Methods, depth: number) => Promise<number>): Contestant {
  return async (size) => {
    const world = await deployedWorld();
    const { abi, evm } = compilePlain("PlainCumulativeDistributor");
    const gas = await claim(await deploy(world, abi, evm.bytecode.object), Math.log2(size));
    return () => gas;
  };
}

async function publishPlain(plain: Methods, epoch: number, depth: number) {
  const cumulative = Array.from({ length: epoch }, (_, i) => amountOf(i + 1)).reduce(
    (a, b) => a + b,
  );
  const tree = sortedTree(
    accounts.map((account) => standardLeaf(account, cumulative)),
    depth,
  );
  await (await plain.publish?.(tree.root))?.wait();
  return { tree, cumulative };
}

async function claimPlain(plain: Methods, epoch: number, depth: number): Promise<number> {
  const { tree, cumulative } = await publishPlain(plain, epoch, depth);
  return gasOf(call(plain, "claim", accountOf(EARNER), cumulative, tree.proofOf(EARNER)));
}

function call(
  contract: Methods,
  method: string,
  ...args: unknown[]
): Promise<ContractTransactionResponse> {
  return contract.getFunction(method)(...args) as Promise<ContractTransactionResponse>;
}

const plainFirst = plainClaiming((plain, depth) => claimPlain(plain, 1, depth));
const plainLater = plainClaiming(async (plain, depth) => {
  await claimPlain(plain, 1, depth);
  return claimPlain(plain, 2, depth);
});
const plainBatch = plainClaiming(async (plain, depth) => {
  const { tree, cumulative } = await publishPlain(plain, 1, depth);
  const claims = Array.from({ length: BATCH }, (_, i) => ({
    account: accountOf(i),
    cumulative,
    proof: tree.proofOf(i),
  }));
  return gasOf(call(plain, "claimBatch", claims));
});
const plainYear = plainClaiming(async (plain, depth) => {
  let gas = 0;
  for (let month = 1; month <= CLAIMS_A_YEAR; month++) gas += await claimPlain(plain, month, depth);
  return gas;
});

const perEpochYear: Contestant = async (size) => {
  const world = await deployedWorld();
  const { abi, evm } = compilePlain("PlainEpochDistributor");
  const plain = await deploy(world, abi, evm.bytecode.object);
  let gas = 0;
  for (let epoch = 1; epoch <= WEEKS; epoch++) {
    const amount = amountOf(epoch);
    const leaves = accounts.map((account, i) => standardLeaf(i, account, amount));
    const tree = sortedTree(leaves, Math.log2(size));
    await (await call(plain, "publish", epoch, tree.root)).wait();
    gas += await gasOf(
      call(plain, "claim", epoch, EARNER, accountOf(EARNER), amount, tree.proofOf(EARNER)),
    );
  }
  return () => gas;
};

/** One contract for each distribution. */
async function claimUniswap(world: World, epoch: number, size: number): Promise<number> {
  const amount = amountOf(epoch);
  const leaves = accounts.map((account, i) =>
    solidityPackedKeccak256(["uint256", "address", "uint256"], [i, account, amount]),
  );
  const tree = sortedTree(leaves, Math.log2(size));
  const contract = await deploy(world, uniswap.abi, uniswap.bytecode, tree.root);
  return gasOf(call(contract, "claim", EARNER, accountOf(EARNER), amount, tree.proofOf(EARNER)));
}

const uniswapFirst: Contestant = async (size) => {
  const gas = await claimUniswap(await deployedWorld(), 1, size);
  return () => gas;
};

/** The account has tokens already, and the distribution is another one. */
const uniswapLater: Contestant = async (size) => {
  const world = await deployedWorld();
  await claimUniswap(world, 1, size);
  const gas = await claimUniswap(world, 2, size);
  return () => gas;
};

const common = {
  unit: "gas",
  sizes: { quick: [2 ** 14], full: [2 ** 10, 2 ** 14, 2 ** 20] },
  rounds: { quick: 1, full: 1 },
} as const;
/** Each contestant starts a chain of its own, so a quick run has one comparison only. */
const fullOnly = { ...common, sizes: { ...common.sizes, quick: [] } } as const;
const UNISWAP = "@uniswap/merkle-distributor";
const PLAIN = "@openzeppelin/contracts, cumulative";
const PER_EPOCH = "@openzeppelin/contracts, per epoch";

export const cases: readonly Case[] = [
  {
    ...fullOnly,
    what: "claim, first",
    ours: oursFirst,
    peers: { [PLAIN]: { run: plainFirst }, [UNISWAP]: { run: uniswapFirst } },
  },
  {
    ...common,
    what: "claim, later",
    ours: oursLater,
    peers: { [PLAIN]: { run: plainLater }, [UNISWAP]: { run: uniswapLater } },
  },
  {
    ...fullOnly,
    what: "claim, batch of 20",
    ours: oursBatch,
    peers: { [PLAIN]: { run: plainBatch } },
  },
  {
    ...fullOnly,
    what: "a year of weekly epochs claimed monthly",
    ours: oursYear,
    peers: { [PLAIN]: { run: plainYear }, [PER_EPOCH]: { run: perEpochYear } },
  },
  {
    ...common,
    what: "propose, 3 of 5",
    sizes: { quick: [5], full: [5] },
    ours: oursPropose,
    peers: {},
  },
];
