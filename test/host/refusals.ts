import { type NodesError, type Refusal, refusalOf } from "@link-rewards/client/node/refusals";
import { expect } from "chai";

const SEND = "eth_sendRawTransaction";
const LOGS = "eth_getLogs";

/** As the client says it, word for word; with the code where it gives one that others use for something else. */
type Case = readonly [client: string, message: string, code?: number, method?: string];

const GENERIC = -32000;

const CASES: Readonly<Record<Refusal, readonly Case[]>> = {
  known: [
    ["geth", "already known"],
    [
      "geth 1.8",
      "known transaction: 0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960",
    ],
    ["Besu", "Known transaction"],
    ["Erigon", "existing txn with same hash"],
    ["Nethermind 1.25", "AlreadyKnown"],
    ["Reth", "already imported"],
    ["anvil", "[0x12] already Imported"],
    ["edr", "Known transaction: 0x12"],
    ["OpenEthereum", "Transaction with the same hash was already imported."],
    ["Gnosis", "alreadyknown"],
    ["zkSync", "known transaction. transaction with hash 0x6013…3053 is already in the system"],
    ["Moonriver", "submit transaction to pool failed: Pool(AlreadyImported)"],
    [
      "Mantle",
      "failed to forward tx to sequencer, please try again. Error message: 'already known'",
    ],
    ["Sei", "tx already exists in cache"],
  ],
  outbid: [
    ["geth", "replacement transaction underpriced"],
    ["geth", "future transaction tries to replace pending"],
    ["Besu", "Replacement transaction underpriced"],
    ["Erigon", "could not replace existing tx"],
    ["Nethermind 1.25", "ReplacementNotAllowed"],
    ["Reth", "insufficient gas price to replace existing transaction"],
    ["anvil", "Tx: [0x12] insufficient gas price to replace existing transaction"],
    [
      "edr",
      "Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 1100000000 is necessary to replace the existing transaction with nonce 3.",
    ],
    [
      "OpenEthereum",
      "Transaction gas price 100wei is too low. There is another transaction with same nonce in the queue with gas price 150wei. Try increasing the gas price or incrementing the nonce.",
    ],
    ["Klaytn", "there is another tx which has the same nonce in the tx pool"],
  ],
  "nonce-used": [
    ["geth", "nonce too low: next nonce 6, tx nonce 5"],
    ["Besu", "Nonce too low", -32001],
    ["Nethermind 1.25", "OldNonce, Current nonce: 22, nonce of rejected tx: 17"],
    ["Reth", "nonce too low: next nonce 6, tx nonce 5"],
    ["edr", "Nonce too low. Expected nonce to be 3 but got 2."],
    ["edr", "Transaction nonce too low. Expected nonce to be at least 3 but got 2."],
    ["OpenEthereum", "Transaction nonce is too low. Try incrementing the nonce."],
    ["Arbitrum", "invalid transaction nonce"],
    ["zkSync", "nonce too low. allowed nonce range: 427 - 447, actual: 426"],
    ["Moonriver", "submit transaction to pool failed: Pool(Stale)"],
  ],
  "nonce-gap": [
    ["geth", "nonce too high: tx nonce 7, gapped nonce 5"],
    ["Besu", "Nonce too high", -32006],
    ["Besu", "Transaction nonce is too distant from current sender nonce"],
    ["Besu", "An invalid transaction with a lower nonce exists"],
    ["Nethermind 1.25", "NonceGap, Future nonce. Expected nonce: 10"],
    ["Nethermind", "nonce too far in future"],
    [
      "edr",
      "Nonce too high. Expected nonce to be 3 but got 4. Note that transactions can't be queued when automining.",
    ],
  ],
  "insufficient-funds": [
    ["geth", "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1"],
    ["Besu", "Upfront cost exceeds account balance", -32004],
    ["Erigon", "insufficient funds"],
    [
      "Nethermind 1.25",
      "InsufficientFunds, Account balance: 4740799397601480913, cumulative cost: 22019342038993800000",
    ],
    ["Reth", "transaction overdraws from account"],
    ["anvil", "Insufficient funds for gas * price + value"],
    [
      "edr",
      "Sender doesn't have enough funds to send tx. The max upfront cost is: 2 and the sender's balance is: 1.",
    ],
    ["OpenEthereum", "Insufficient balance for transaction. Balance=100.25, Cost=200.50"],
    ["Arbitrum", "not enough funds for gas"],
  ],
  "type-unsupported": [
    ["geth", "transaction type not supported: type 2 rejected, pool not yet in London"],
    ["Besu", "Invalid transaction type", -32602],
    ["Erigon", "fork supporting this transaction type is not activated yet"],
    ["Nethermind", "unsupported transaction type"],
    [
      "anvil",
      "EIP-1559 style fee params (maxFeePerGas or maxPriorityFeePerGas) received but they are not supported by the current hardfork.\n\nYou can use them by running anvil with '--hardfork london' or later.",
    ],
  ],
  "over-nodes-cap": [
    ["geth", "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)"],
    ["Besu", "Transaction fee cap exceeded"],
    ["Klaytn", "invalid gas fee cap"],
  ],
  unfit: [
    ["geth", "intrinsic gas too low: gas 20000, minimum needed 21000"],
    ["geth", "exceeds block gas limit"],
    ["geth", "max priority fee per gas higher than max fee per gas"],
    ["geth", "invalid sender: invalid chain id for signer"],
    ["geth", "only replay-protected (EIP-155) transactions allowed over RPC"],
    ["geth", "oversized data: transaction size 140000, limit 131072"],
    ["Besu", "Intrinsic gas exceeds gas limit", -32003],
    ["Besu", "Transaction gas limit exceeds block gas limit", -32005],
    ["Besu", "Max priority fee per gas exceeds max fee per gas"],
    ["Besu", "Wrong chainId"],
    ["Erigon", "IntrinsicGas"],
    ["Erigon", "gas limit is too high"],
    ["Nethermind", "gas limit reached"],
    ["Nethermind 1.25", "GasLimitExceeded, Gas limit: 100, gas limit of rejected tx: 150"],
    ["Reth", "transaction's gas limit 40000000 exceeds block's gas limit 30000000"],
    ["Reth", "sender is not an EOA"],
    [
      "anvil",
      "Transaction gas limit is greater than the block gas limit, gas_limit: 40000000, cap: 30000000",
    ],
    ["anvil", "Invalid input: `max_priority_fee_per_gas` greater than `max_fee_per_gas`"],
    ["edr", "Transaction gas limit is 40000000 and exceeds block gas limit of 30000000"],
    ["geth", "gas required exceeds allowance (0)", GENERIC, "eth_estimateGas"],
    ["Besu", "Transaction gas limit exceeds block gas limit", -32005, "eth_estimateGas"],
  ],
  "fee-too-low": [
    ["geth", "transaction underpriced"],
    ["geth 1.16", "transaction gas price below minimum: gas tip cap 0, minimum needed 1"],
    ["geth", "max fee per gas less than block base fee: address 0x12, maxFeePerGas: 1, baseFee: 2"],
    ["Besu", "Gas price below configured minimum gas price", -32009],
    ["Besu", "Gas price below current base fee", -32009],
    ["Erigon", "underpriced"],
    ["Erigon", "fee too low"],
    [
      "Nethermind 1.25",
      "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 50, BaseFee: 100, MaxPriorityFeePerGas:200, Block number: 5",
    ],
    ["Nethermind 1.25", "FeeTooLowToCompete"],
    ["Reth", "transaction feeCap 1 below chain minimum"],
    ["Reth", "transaction priority fee below minimum required priority fee 1"],
    [
      "edr",
      "Transaction maxFeePerGas (1) is too low for the next block, which has a baseFeePerGas of 7",
    ],
    [
      "OpenEthereum",
      "Transaction gas price is too low. It does not satisfy your node's minimal gas price (minimal: 100 got: 50). Try increasing the gas price.",
    ],
    ["Arbitrum", "gas price too low"],
    ["Hedera", "Gas price '830000000000' is below configured minimum gas price '950000000000'"],
    ["Sei", "insufficient fee"],
  ],
  "pool-full": [
    ["geth", "txpool is full"],
    ["geth", "account limit exceeded: pooled 64 txs"],
    ["geth", "in-flight transaction limit reached for delegated accounts"],
    ["Erigon", "pending sub-pool is full"],
    ["Erigon", "spammer"],
    ["Reth", "transaction discarded outright due to pool size constraints"],
    [
      "OpenEthereum",
      "There are too many transactions in the queue. Your transaction was dropped due to limit. Try increasing the fee.",
    ],
    ["Arbitrum", "sequencer pending tx pool full, please try again"],
  ],
  pruned: [
    ["geth", "missing trie node 5ab6 (path 0a) state 0x12 is not available", GENERIC, "eth_call"],
    ["geth", "required historical state unavailable (reexec=128)", GENERIC, "eth_call"],
    ["geth", "pruned history unavailable", 4444, LOGS],
    ["Nethermind", "Pruned history unavailable", 4444, LOGS],
    ["Nethermind", "No state available for block 45615500", -32002, "eth_getTransactionCount"],
    ["Besu", "World state unavailable", GENERIC, "eth_getBalance"],
    ["Erigon", "state at block 12345 is not available", GENERIC, "eth_call"],
    ["a client to come", "gone", 4444, LOGS],
  ],
  behind: [
    ["geth", "header not found", GENERIC, "eth_call"],
    ["geth", "unknown block", GENERIC, LOGS],
    ["Reth", "block not found: 0x18e0873", -32001, "eth_call"],
    ["Reth", "block range extends beyond current head block: requested 9, head 8", -32602, LOGS],
    ["Besu", "Unknown block", -39001, "eth_getBlockByNumber"],
    ["anvil", "BlockOutOfRangeError: block height is 5 but requested was 9", -32602, "eth_call"],
    ["edr", "Received invalid block tag 9. Latest block number is 5", GENERIC, "eth_call"],
    ["Alchemy", "Nonexistent block: requested 21000002, latest 21000000", GENERIC, "eth_call"],
  ],
  batch: [
    ["geth", "batch too large", -32600, ""],
    ["Besu", "Number of requests exceeds max batch size", -32005, ""],
    [
      "Erigon",
      "batch limit 100 exceeded (can increase by --rpc.batch.limit). Requested batch of size: 101",
      GENERIC,
      "",
    ],
    [
      "dRPC",
      "Batch of more than 3 requests are not allowed on free tier, to use this feature register paid account at drpc.org",
      31,
      "",
    ],
  ],
  "too-large": [
    [
      "Infura",
      "query returned more than 10000 results. Try with this block range [0xCB3D, 0x7B737].",
      -32005,
      LOGS,
    ],
    [
      "Alchemy",
      "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x0, 0x133e71]",
      -32602,
      LOGS,
    ],
    ["Alchemy", "Query timeout exceeded. Consider reducing your block range.", GENERIC, LOGS],
    [
      "Alchemy",
      "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.",
      -32600,
      LOGS,
    ],
    ["QuickNode", "eth_getLogs is limited to a 10,000 range", -32614, LOGS],
    ["BlockPI", "eth_getLogs is limited to 1024 block range", -32602, LOGS],
    ["Ankr", "block range is too wide", -32600, LOGS],
    [
      "Chainstack",
      "Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits",
      GENERIC,
      LOGS,
    ],
    ["Chainstack", "request timed out", -32002, LOGS],
    ["NodeReal", "exceed maximum block range: 50000", -32005, LOGS],
    ["PublicNode", "exceed maximum block range: 50000", -32701, LOGS],
    ["Cloudflare", "Invalid block range. Max range: 800", -32047, LOGS],
    ["Base", "block range too large", GENERIC, LOGS],
    ["Optimism", "Block range is too large", -32020, LOGS],
    ["Optimism", "backend response too large", -32020, LOGS],
    ["Arbitrum", "logs matched by query exceeds limit of 10000", GENERIC, LOGS],
    [
      "Avalanche",
      "requested too many blocks from 0 to 16777216, maximum is set to 2048",
      GENERIC,
      LOGS,
    ],
    ["SimplyVC", "too wide blocks range, the limit is 100", GENERIC, LOGS],
    ["Moonriver", "block range is too wide (maximum 1024)", GENERIC, LOGS],
    ["Merkle", "eth_getLogs range is too large, max is 10k blocks", GENERIC, LOGS],
    ["Coinbase", "please limit the query to at most 1,000 blocks", GENERIC, LOGS],
    ["thirdweb", "Maximum allowed number of requested blocks is 1000", GENERIC, LOGS],
    ["Blast", "exceeds the range allowed for your plan (5000 > 3000)", GENERIC, LOGS],
    ["Swell", "block range greater than 1000 max", GENERIC, LOGS],
    ["Somnia", "block range exceeds 1000", GENERIC, LOGS],
    ["Harmony", "query must be smaller than size 1024", GENERIC, LOGS],
    ["1RPC", "response size should not greater than 10000000 bytes", GENERIC, LOGS],
    ["Altitude", "allowed block range threshold exceeded", GENERIC, LOGS],
    ["Ankr on TAC", "maximum [from, to] blocks distance: 1000", GENERIC, LOGS],
    ["Besu", "Requested range exceeds maximum RPC range limit", -32005, LOGS],
    ["Besu", "Timeout expired", -32603, LOGS],
    ["Reth", "query exceeds max block range 100000", -32602, LOGS],
    ["Reth", "query exceeds max results 20000, retry with the range 10-50", -32602, LOGS],
    ["geth", "response too large", -32003, LOGS],
  ],
  "rate-limit": [
    ["Infura", "daily request count exceeded, request rate limited", -32005, LOGS],
    ["Infura", "project ID request rate exceeded", -32005, "eth_call"],
    [
      "Alchemy",
      "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore this message. If not, check out https://docs.alchemy.com/reference/throughput",
      429,
      LOGS,
    ],
    [
      "QuickNode",
      "50/second request limit reached - reduce calls per second or upgrade your account at quicknode.com",
      -32007,
      SEND,
    ],
    ["Base", "no backend is currently healthy to serve traffic", -32011, "eth_call"],
    ["Optimism", "backend is over capacity", -32012, "eth_call"],
    ["Besu", "Initial sync is still in progress", -32008, "eth_call"],
    ["a public node", "Too Many Requests", GENERIC, LOGS],
    ["a public node", "Rate limit exceeded", -32029, LOGS],
    ["a client to come", "slow down", -32005, "eth_call"],
    ["a client to come", "slow down", -32097, LOGS],
  ],
  timeout: [
    ["geth", "request timed out", -32002, "eth_call"],
    ["geth", "execution aborted (timeout = 5s)", GENERIC, "eth_call"],
    ["Besu", "Timeout expired", -32603, "eth_getTransactionReceipt"],
  ],
};

describe("what a node refuses", () => {
  for (const [refusal, cases] of Object.entries(CASES)) {
    for (const [client, message, code = GENERIC, method = SEND] of cases) {
      it(`is ${refusal}, as ${client} says it: ${message.slice(0, 60)}`, () => {
        expect(refusalOf(method, { code, message })).to.equal(refusal);
      });
    }
  }

  const none = (method: string, error: NodesError) =>
    expect(refusalOf(method, error)).to.equal(undefined);

  it("is nothing of these where the contract says it, reverting", () => {
    none("eth_call", { code: 3, message: "rate limit exceeded" });
    none("eth_call", { code: -32000, message: "execution reverted: nonce too low" });
    none("eth_estimateGas", {
      code: -32000,
      message: "VM error",
      data: `0x08c379a0${"0".repeat(64)}`,
    });
  });

  it("is nothing of these in words that nobody has used yet, or in none", () => {
    for (const message of ["the moon is full", "", undefined, null, 5, {}])
      for (const method of [SEND, LOGS, "eth_call"]) none(method, { code: -32000, message });
  });

  it("is no range of logs where no logs were asked for", () => {
    none("eth_getBalance", { code: -32602, message: "block range is too wide" });
  });

  it("is no rate limit where Besu says that a sender may not send", () => {
    none(SEND, { code: -32007, message: "Sender account not authorized to send transactions" });
  });
});
