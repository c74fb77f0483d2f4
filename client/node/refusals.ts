/** A JSON-RPC error as a node gave it; none of its fields can be relied on. */
export type NodesError = {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly data?: unknown;
};

/**
 * Why a node did not take a transaction:
 * `known`: it has it, or had it and mined it;
 * `nonce-used`: a transaction of that nonce is mined;
 * `nonce-gap`: it wants those of lower nonces first;
 * `outbid`: it holds another one of that nonce, and ours offers too little more;
 * `fee-too-low`: for its pool or for the next block;
 * `pool-full`: of others' transactions, or of this key's;
 * `type-unsupported`: the chain has no base fee, or its node does not know such transactions;
 * `over-nodes-cap`: the node's own limit on what a transaction may cost;
 * `unfit`: it can be in no block as it is.
 */
export type SendRefusal =
  | "known"
  | "nonce-used"
  | "nonce-gap"
  | "outbid"
  | "fee-too-low"
  | "pool-full"
  | "insufficient-funds"
  | "type-unsupported"
  | "over-nodes-cap"
  | "unfit";

/**
 * Why a node did not answer a question:
 * `pruned`: it has thrown away what is asked for, which another may have;
 * `behind`: it does not have the block yet, as the one machine of several that is late;
 * `batch`: several questions at once, or so many;
 * `too-large`: of logs, the range or what was found in it: half of it may do;
 * `rate-limit`: it asks for patience;
 * `timeout`: it gave up by itself.
 */
export type AskRefusal = "pruned" | "behind" | "batch" | "too-large" | "rate-limit" | "timeout";

export type Refusal = SendRefusal | AskRefusal;

type Row<R extends Refusal> = {
  readonly refusal: R;
  /** Only codes that say one thing alone: -32005 is a gas limit, a range and a batch at Besu, and a rate limit elsewhere. */
  readonly codes?: readonly number[];
  /** Of the methods whose answers it may be; undefined for any. */
  readonly of?: ReadonlySet<string>;
  readonly words: readonly RegExp[];
};

/** What is refused of a transaction is refused of the call that tries it. */
const OF_TRANSACTIONS = new Set(["eth_sendRawTransaction", "eth_estimateGas", "eth_call"]);
const OF_LOGS = new Set(["eth_getLogs"]);

/** The first row that fits counts: "replacement transaction underpriced" is not a fee that is too low by itself. */
const SENDING: readonly Row<SendRefusal>[] = [
  {
    refusal: "known",
    words: [
      /already ?known/, // geth core/txpool/errors.go, Erigon txpoolcfg.go, Nethermind AcceptTxResult.cs
      /\bknown transaction/, // geth before 1.9 core/tx_pool.go, Besu RpcErrorType.java, Hardhat edr, zkSync
      /already ?imported/, // Reth transaction-pool error.rs, anvil eth/error.rs, OpenEthereum, Moonriver
      /existing txn? with same hash/, // Erigon txpoolcfg.go
      /tx already (exists in cache|in mempool)/, // Sei and other Cosmos chains
      /transaction already in pool/,
    ],
  },
  {
    refusal: "outbid",
    words: [
      /replacement transaction underpriced/, // geth core/txpool/errors.go, Erigon, Besu, Nethermind, edr
      /to replace existing transaction/, // Reth transaction-pool error.rs, anvil eth/error.rs
      /could not replace existing tx/, // Erigon txpoolcfg.go
      /replaced by transaction with higher tip/, // Erigon txpoolcfg.go
      /replacementnotallowed|ownnoncealreadyused/, // Nethermind before 2026 AcceptTxResult.cs
      /another (transaction|tx).* same nonce/, // OpenEthereum, Klaytn
      /future transaction tries to replace pending/, // geth core/txpool/errors.go
      /address already reserved/, // geth core/txpool/errors.go
    ],
  },
  {
    refusal: "nonce-used",
    words: [
      /nonce (is )?too low/, // geth core/error.go, Reth, Erigon, Besu, anvil, edr, zkSync, OpenEthereum
      /oldnonce/, // Nethermind before 2026
      /invalid (transaction )?nonce/, // Arbitrum, Cosmos chains
      /pool\(stale\)/, // Moonriver
      /transaction already finalized/, // Harmony
    ],
  },
  {
    refusal: "nonce-gap",
    words: [
      /nonce (is )?too (high|far)/, // geth core/error.go, Reth, Besu, edr; Nethermind TxPoolErrorMessages.cs
      /nonce ?gap/, // Nethermind
      /too distant from current sender nonce/, // Besu RpcErrorType.java
      /transaction with a lower nonce exists/, // Besu RpcErrorType.java
      /gapped-nonce/, // geth core/txpool/legacypool
    ],
  },
  {
    refusal: "insufficient-funds",
    words: [
      /insufficient ?(funds|balance)/, // geth core/error.go, Erigon, Reth, anvil, Nethermind, OpenEthereum
      /upfront cost exceeds/, // Besu RpcErrorType.java
      /enough funds/, // edr, OpenEthereum, Arbitrum
      /overdraws from account|cause overdraft/, // Reth transaction-pool error.rs, geth
      /insufficient_payer_balance/, // Hedera
    ],
  },
  {
    refusal: "type-unsupported",
    words: [
      /transaction type not supported/, // geth core/types, Reth rpc-eth-types error/mod.rs
      /unsupported transaction type/, // Nethermind TxPoolErrorMessages.cs
      /invalid transaction type/, // Besu RpcErrorType.java
      /transaction type is not activated/, // Erigon txpoolcfg.go
      /1559.*not supported/, // anvil eth/error.rs, edr
    ],
  },
  {
    refusal: "over-nodes-cap",
    words: [
      /exceeds the configured cap/, // geth internal/ethapi, Erigon, Celo
      /fee cap exceeded/, // Besu RpcErrorType.java
      /invalid gas fee cap/, // Klaytn
    ],
  },
  {
    refusal: "unfit",
    words: [
      /intrinsic ?gas|floor data gas/, // geth core/error.go, Reth, Besu, Erigon
      /exceeds (the )?(block('s)?|transaction) gas (limit|cap)/, // geth core/txpool/errors.go, Besu, Reth, edr
      /gas limit (is )?too high|gas ?limit ?(reached|exceeded)/, // Erigon, Reth, Nethermind
      /greater than the block gas limit/, // anvil eth/error.rs
      /gas required exceeds allowance/, // geth, Reth rpc-eth-types error/mod.rs
      /priority.fee.per.gas`? (higher|greater|exceeds)/, // geth core/error.go, anvil, Besu
      /(invalid|wrong) chain ?id|signed for another chain/, // Reth, Besu, anvil
      /only replay-protected/, // geth internal/ethapi
      /invalid sender|invalid signature/, // geth core/txpool/errors.go, Besu
      /sender (is )?not an eoa|senderiscontract/, // geth core/error.go, Reth, Nethermind
      /oversized data|transaction too large/, // geth core/txpool/errors.go, Nethermind
    ],
  },
  {
    refusal: "fee-too-low",
    words: [
      /underpriced/, // geth core/txpool/errors.go, Erigon, Reth, Nethermind
      /less than (the )?block('s)? base ?fee/, // geth core/error.go, Reth, anvil, Astar
      /fee ?too ?low/, // Erigon txpoolcfg.go, Nethermind before 2026
      /gas price (is )?too low/, // Arbitrum, Metis, OpenEthereum
      /below (configured )?minimum( gas price)?/, // geth core/txpool/errors.go, Besu, Hedera
      /below current base fee/, // Besu RpcErrorType.java
      /below chain minimum/, // Reth transaction-pool error.rs
      /is too low for the next block/, // edr
      /insufficient fee/, // Sei
      /unacceptable gas price/, // zkSync
    ],
  },
  {
    refusal: "pool-full",
    words: [
      /pool (is )?full/, // geth core/txpool/legacypool, Erigon txpoolcfg.go, Arbitrum's sequencer
      /queue full/, // Arbitrum
      /pool size constraints/, // Reth transaction-pool error.rs
      /too many transactions in the queue/, // OpenEthereum
      /account limit exceeded/, // geth core/txpool/errors.go
      /in-flight transaction limit/, // geth core/txpool/legacypool
      /spammer/, // Erigon txpoolcfg.go, Reth transaction-pool error.rs
      /dropped due to l2 congestion/, // Arbitrum
    ],
  },
];

/** What a node lacks comes first: it is not asked for less of it, or later by hours. */
const ASKING: readonly Row<AskRefusal>[] = [
  {
    refusal: "pruned",
    codes: [4444], // EIP-4444: geth, Reth rpc-eth-types error/mod.rs, Nethermind
    words: [
      /missing trie node/, // geth trie
      /historical state|state .{0,80}(not available|unavailable)|no state available/, // geth, Erigon, Nethermind
      /pruned|pruning/, // geth, Reth, and those behind X Layer
      /neither stored nor reproducible/, // Nethermind
    ],
  },
  {
    refusal: "behind",
    codes: [-39001], // Besu RpcErrorType.java
    words: [
      /header (for hash )?not found/, // geth eth/api_backend.go, Reth rpc-eth-types error/mod.rs, Infura's machines
      /unknown block\b/, // geth eth/filters, Besu RpcErrorType.java
      /block not found/, // Reth, Besu, Erigon
      /beyond (current )?head block/, // Reth rpc eth/filter.rs, geth
      /blockoutofrange/, // anvil eth/error.rs
      /received invalid block tag/, // edr
      /nonexistent block/, // Alchemy
    ],
  },
  {
    refusal: "batch",
    words: [
      /\bbatch/, // geth rpc/errors.go, Besu RpcErrorType.java, Erigon rpc, dRPC
    ],
  },
  {
    refusal: "too-large",
    of: OF_LOGS,
    codes: [-32614], // QuickNode
    words: [
      /returned more than [\d,]+ (results|logs)/, // Infura, Polygon zkEVM
      /query exceeds max (results|block range)/, // Reth rpc eth/filter.rs, Ankr, LlamaRPC
      /logs matched by query exceeds limit/, // Arbitrum
      /(block|blocks|getlogs) range.*(too (large|wide)|exceed|limit|greater than|maximum)/, // Ankr, Optimism, Base, Merkle, Chainstack, Swell
      /limited to (a )?[\d,.]+[a-z]? (block )?range/, // QuickNode, BlockPI, 1RPC
      /up to a [\d,.]+[a-z]? block range/, // Alchemy, Aurora
      /(requested )?range exceeds/, // Besu RpcErrorType.java
      /exceeds the range allowed/, // Blast
      /max(imum)?( allowed)?( block)? range/, // NodeReal, PublicNode, Tron, Cloudflare
      /range threshold exceeded|exceeded max allowed/, // Altitude, eRPC
      /too (many|wide) blocks/, // Avalanche, dRPC, SimplyVC
      /limit the query to at most/, // Coinbase
      /maximum allowed number of requested blocks/, // thirdweb
      /maximum \[from, to\] blocks distance/, // Ankr on TAC
      /query must be smaller than size/, // Harmony
      /response (size|is too (big|large)|too large)/, // geth rpc/errors.go, Alchemy, 1RPC, proxyd
      /time(d)? ?-?out|deadline exceeded/, // geth rpc/errors.go, Alchemy, Besu, Chainstack
    ],
  },
  {
    refusal: "rate-limit",
    codes: [429], // Alchemy
    words: [
      /rate[\s_-]?limit|request rate/, // Infura and many
      /too many requests/,
      /request (limit|count).*(reached|exceeded)/, // QuickNode, Infura
      /exceeded its .*(compute units|capacity|limit)/, // Alchemy
      /(quota|throughput|usage|capacity).*(exceed|limit|reached)|exceeded.*(quota|capacity|usage)/,
      /throttl|over capacity/, // proxyd backend.go
      /try again (later|in)/,
      /no backend is currently healthy|backend offline/, // proxyd backend.go: Base, Optimism
      /initial sync is still in progress|node is syncing/, // Besu, Nethermind
    ],
  },
  {
    refusal: "timeout",
    words: [
      /request timed out|time(out)? expired|query timeout/, // geth rpc/errors.go, Besu
      /execution aborted \(timeout/, // geth, Reth rpc-eth-types error/mod.rs
    ],
  },
  // Codes that mean this where no words say otherwise; EIP-1474 calls the first «limit exceeded».
  { refusal: "rate-limit", codes: [-32005, -32029, -32097], words: [] },
  {
    refusal: "too-large",
    of: OF_LOGS,
    words: [/(range|result|response|log|block)s?\b.*(too (large|wide|big|many)|exceed|limit)/],
  },
];

/**
 * What a node's error says, by its code where that is certain and by its words. Undefined where it says nothing of these: it
 * is then an error like another, told in its own words. What a contract says, reverting, is none of a node's refusals.
 */
export function refusalOf(method: string, error: NodesError): Refusal | undefined {
  if (isRevert(error)) return undefined;
  const rows = OF_TRANSACTIONS.has(method) ? [...SENDING, ...ASKING] : ASKING;
  const said = typeof error.message === "string" ? error.message.toLowerCase() : "";
  return rows.find(
    ({ of, codes, words }) =>
      (of === undefined || of.has(method)) &&
      (codes?.includes(Number(error.code)) || words.some((each) => each.test(said))),
  )?.refusal;
}

/** Geth's code for it; others say it, or give the data. */
function isRevert({ code, message, data }: NodesError): boolean {
  if (code === 3 || (typeof message === "string" && /revert/i.test(message))) return true;
  return typeof data === "string" && /^0x[0-9a-f]{8,}$/i.test(data);
}

/** Whether it is about a transaction that is sent. */
export function isSendRefusal(refusal: Refusal | undefined): refusal is SendRefusal {
  return SENDING.some((row) => row.refusal === refusal);
}
