import type { RpcQuestion } from "./rpc.ts";

/** What a number can hold without loss, as each count, height and time does. */
const NUMBER = /^0x[0-9a-f]{1,13}$/i;
const AMOUNT = /^0x[0-9a-f]{1,64}$/i;
const HASH = /^0x[0-9a-f]{64}$/i;
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
/** Of a call's answer: no view of the contracts has a hundredth of it, and what is longer only costs to be read. */
const MAX_CALL_CHARACTERS = 1024 * 1024;

type Check = (result: unknown, params: readonly unknown[]) => boolean;

const is =
  (form: RegExp): Check =>
  (value) =>
    typeof value === "string" && form.test(value);
const isNumber = is(NUMBER);
const isAmount = is(AMOUNT);
const isHash = is(HASH);
const isBytes: Check = (value) =>
  typeof value === "string" && value.length <= MAX_CALL_CHARACTERS && BYTES.test(value);
const isNone = (value: unknown) => value === undefined || value === null;

const isBlock: Check = (block, [asked]) => {
  if (block === null) return true;
  const { number, hash, parentHash, timestamp, baseFeePerGas, transactions } = Object(block);
  return (
    [number, timestamp].every((each) => isNumber(each, [])) &&
    [hash, parentHash].every((each) => isHash(each, [])) &&
    (isNone(baseFeePerGas) || isAmount(baseFeePerGas, [])) &&
    Array.isArray(transactions) &&
    // Of a name such as «latest» it is any.
    (!isNumber(asked, []) || Number(asked) === Number(number)) &&
    (!isHash(asked, []) || isSame(asked, hash))
  );
};

const isReceipt: Check = (receipt, [asked]) => {
  if (receipt === null) return true;
  const { transactionHash, blockHash, blockNumber, status, logs } = Object(receipt);
  return (
    [transactionHash, blockHash].every((each) => isHash(each, [])) &&
    isNumber(blockNumber, []) &&
    (isNone(status) || isNumber(status, [])) &&
    Array.isArray(logs) &&
    isSame(asked, transactionHash)
  );
};

function isSame(a: unknown, b: unknown): boolean {
  return String(a).toLowerCase() === String(b).toLowerCase();
}

/** Of the methods that are asked here; logs are looked at one by one where they are read. */
const CHECKS: Readonly<Record<string, Check>> = {
  eth_chainId: isNumber,
  eth_blockNumber: isNumber,
  eth_getTransactionCount: isNumber,
  eth_estimateGas: isNumber,
  eth_gasPrice: isAmount,
  eth_maxPriorityFeePerGas: isAmount,
  eth_getBalance: isAmount,
  eth_call: isBytes,
  eth_getCode: isBytes,
  eth_sendRawTransaction: isHash,
  eth_getBlockByNumber: isBlock,
  eth_getBlockByHash: isBlock,
  eth_getTransactionReceipt: isReceipt,
};

/** Whether it can be an answer to what was asked. Whether it is true is another question. */
export function isOfForm({ method, params }: RpcQuestion, result: unknown): boolean {
  const check = CHECKS[method];
  return check === undefined || check(result, Array.isArray(params) ? params : []);
}
