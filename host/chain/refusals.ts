import { reasonOf } from "./errors.ts";

/**
 * Why a node did not take a transaction:
 * `known`: it has it, or had it and mined it;
 * `nonce-used`: a transaction of that nonce is mined;
 * `outbid`: it holds another one of that nonce, and ours offers too little more;
 * `fee-too-low`: for its pool or for the next block;
 * `type-unsupported`: the chain has no base fee, or its node does not know such transactions;
 * `over-nodes-cap`: the node's own limit on what a transaction may cost.
 */
export type SendRefusal =
  | "known"
  | "nonce-used"
  | "outbid"
  | "fee-too-low"
  | "insufficient-funds"
  | "type-unsupported"
  | "over-nodes-cap";

/**
 * In the words of geth, Erigon, Nethermind, Besu, Reth, OpenEthereum, Hardhat and anvil; the first that matches counts, so
 * that "replacement transaction underpriced" is not taken for a fee that is too low by itself.
 */
const WORDS: readonly (readonly [SendRefusal, RegExp])[] = [
  [
    "known",
    /already[\s_-]?known|known[\s_-]?transaction|already[\s_-]?(imported|exists|pending|queued)|already (been )?(in|added to) .*pool|transaction already|tx already|in (the )?(tx)?(mem)?pool already|duplicate (transaction|tx)|same hash/i,
  ],
  [
    "outbid",
    /replacement.*(underpriced|too low|not allowed)|replacementnotallowed|to replace|too low to compete|another transaction with (the )?same nonce/i,
  ],
  [
    "nonce-used",
    /nonce[\s_-]?(is )?too[\s_-]?low|old[\s_-]?nonce|nonce.*already been used|nonce_expired|expected nonce to be|invalid (transaction )?nonce|nonce below|next nonce/i,
  ],
  [
    "insufficient-funds",
    /insufficient[\s_-]?(funds|balance)|enough funds|not enough (balance|funds)|upfront cost exceeds/i,
  ],
  [
    "type-unsupported",
    /type.*(not|un)[\s_-]?(supported|allowed|enabled)|(not|un)[\s_-]?support.*(type|1559)|unsupported.*type|invalid transaction type|transaction type|1559.*not|before london/i,
  ],
  ["over-nodes-cap", /exceeds the configured cap|tx fee .*exceeds|fee cap exceeded/i],
  [
    "fee-too-low",
    /under[\s_-]?priced|fee.*too[\s_-]?low|feetoolow|gas[\s_-]?price.*too[\s_-]?low|(less|lower) than .*base[\s_-]?fee|below .*(base[\s_-]?fee|minimum)|max ?fee ?per ?gas.*(less|lower|low)|min(imum)? gas price|gas price below/i,
  ],
];

/** Undefined when the error says nothing about the transaction, as one of the connection. */
export function sendRefusalOf(error: unknown): SendRefusal | undefined {
  // ethers has its own code for some, and the node's words inside.
  const said = `${reasonOf(error)} ${String(Object(error).code ?? "")}`;
  return WORDS.find(([, words]) => words.test(said))?.[0];
}
