import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import { toHex, writeUint } from "@link-rewards/core/encoding/bytes";
import type { Block } from "@link-rewards/core/law/block";
import { expect } from "chai";

const START = 10;
const HEAD = 60;

/** Blocks come every 3 seconds, two of them at one time. */
function blockOf(number: number): Block {
  const hash = new Uint8Array(32);
  writeUint(hash, 24, 8, BigInt(number));
  return { number, hash: toHex(hash), timestamp: 1_000 + 3 * (number === 31 ? 30 : number) };
}

async function search(time: number, start = START) {
  let asked = 0;
  const blockAt = async (number: number) => {
    asked++;
    return blockOf(number);
  };
  const found = await lastBlockBefore(blockAt, time, start, blockOf(HEAD));
  return { found, asked };
}

describe("lastBlockBefore", () => {
  it("is the one that a look at each of them finds", async () => {
    const { timestamp: first } = blockOf(START);
    for (let time = first + 1; time <= blockOf(HEAD).timestamp; time++) {
      let expected = START;
      while (blockOf(expected + 1).timestamp < time) expected++;
      const { number, hash } = blockOf(expected);
      const { found, asked } = await search(time);
      expect(found, `before ${time}`).to.deep.equal({ number, hash });
      expect(asked).to.be.at.most(1 + Math.ceil(Math.log2(HEAD - START)));
    }
  });

  it("is not known while the head has not reached the time", async () => {
    const { timestamp } = blockOf(HEAD);
    expect(await search(timestamp + 1)).to.deep.equal({ found: undefined, asked: 0 });
  });

  it("refuses a start that is not before the time", async () => {
    const { timestamp } = blockOf(START);
    const outcome = await search(timestamp).catch(({ message }) => message);
    expect(outcome).to.equal(`the deployment is younger than ${timestamp}`);
  });
});
