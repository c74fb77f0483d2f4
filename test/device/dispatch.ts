import { expect } from "chai";
import { assert, integer, property, record } from "fast-check";
import {
  afterAnswer,
  afterFailure,
  expectedMs,
  openDispatch,
  type Ranked,
} from "../../device/gateway/dispatch.ts";
import { address } from "../worlds/paper.ts";

const CHUNK = 16_384;
const MINUTE = 60_000;

function deviceAt(name: string, roundTrip: number): Ranked {
  return { device: address(name), roundTrip: () => roundTrip };
}

describe("dispatch", () => {
  const near = deviceAt("near", 5);
  const far = deviceAt("far", 80);
  let now: number;

  beforeEach(() => {
    now = 1_000;
  });

  const open = () => openDispatch(() => now);
  const order = (dispatch: ReturnType<typeof open>, bytes = CHUNK) =>
    dispatch.rank([far, near], bytes).ready.map(({ device }) => device);

  /** A whole request: `answer` until the first chunk, and `more` bytes that take `rest`. */
  function request(
    dispatch: ReturnType<typeof open>,
    device: Ranked,
    { answer, more = 0, rest = 0 }: { answer: number; more?: number; rest?: number },
  ): void {
    const asked = dispatch.ask(device);
    now += answer;
    asked.chunkCame(CHUNK);
    now += rest;
    if (more > 0) asked.chunkCame(more);
    asked.answered();
  }

  it("takes a device of which nothing is known for as good as its link", () => {
    expect(order(open())).to.deep.equal([near.device, far.device]);
  });

  it("goes by answers once there are some, not by the link", () => {
    const dispatch = open();
    request(dispatch, near, { answer: 200 });
    expect(order(dispatch)).to.deep.equal([far.device, near.device]);
  });

  it("counts what is under way there", () => {
    const dispatch = open();
    for (let i = 0; i < 4; i++) request(dispatch, near, { answer: 20 });
    const asked = Array.from({ length: 30 }, () => dispatch.ask(near));
    expect(order(dispatch)).to.deep.equal([far.device, near.device]);
    for (const each of asked) each.dropped();
    expect(order(dispatch)).to.deep.equal([near.device, far.device]);
  });

  it("counts each request once, however often its end is told", () => {
    const dispatch = open();
    const [first, second] = [dispatch.ask(near), dispatch.ask(near)];
    for (let i = 0; i < 3; i++) first.dropped();
    expect(order(dispatch)).to.deep.equal([near.device, far.device]);
    const asked = Array.from({ length: 29 }, () => dispatch.ask(near));
    expect(order(dispatch)[0]).to.equal(far.device);
    for (const each of [second, ...asked]) each.dropped();
  });

  it("prefers who is quick for much over who is quick to begin", () => {
    const dispatch = open();
    request(dispatch, near, { answer: 5, more: 1e6, rest: 1_000 });
    request(dispatch, far, { answer: 80, more: 1e6, rest: 100 });
    expect(order(dispatch, CHUNK)[0]).to.equal(near.device);
    expect(order(dispatch, 2e6)[0]).to.equal(far.device);
  });

  it("leaves a device that gets slow after few answers, and tries it again later, once", () => {
    const dispatch = open();
    for (let i = 0; i < 20; i++) request(dispatch, near, { answer: 5 });
    let asked = 0;
    while (order(dispatch)[0] === near.device) {
      request(dispatch, near, { answer: 400 });
      asked += 1;
    }
    expect(asked).to.be.within(2, 5);
    now += MINUTE;
    expect(order(dispatch)[0]).to.equal(near.device);
    // Only one is sent to find out.
    const trying = Array.from({ length: 2 }, () => {
      const [first = far] = dispatch.rank([far, near], CHUNK).ready;
      return { first, asked: dispatch.ask(first) };
    });
    const [toNear, ...more] = trying.filter(({ first }) => first === near);
    expect(more.length).to.equal(0);
    now += 80;
    for (const { first, asked: each } of trying) {
      if (first === far) each.chunkCame(CHUNK);
      if (first === far) each.answered();
    }
    now += 320;
    toNear?.asked.chunkCame(CHUNK);
    toNear?.asked.answered();
    expect(order(dispatch)[0]).to.equal(far.device);
  });

  it("does not leave the nearest for one answer that came late", () => {
    const dispatch = open();
    for (let i = 0; i < 20; i++) request(dispatch, near, { answer: 5 });
    request(dispatch, near, { answer: 2_000 });
    expect(order(dispatch)[0]).to.equal(near.device);
  });

  it("asks a device that is slow all the time only now and then", () => {
    const dispatch = open();
    let late = 0;
    for (let i = 0; i < 6_000; i++) {
      const [first] = dispatch.rank([far, near], CHUNK).ready;
      const isNear = first?.device === near.device;
      if (isNear) late += 1;
      request(dispatch, isNear ? near : far, { answer: isNear ? 300 : 80 });
      now += 20;
    }
    expect(late).to.be.within(2, (4 * now) / MINUTE);
  });

  it("asks who failed last, for longer each time, until it answers", () => {
    const dispatch = open();
    const avoided = () => dispatch.rank([far, near], CHUNK).avoided.map(({ device }) => device);
    for (const seconds of [5, 10, 20, 40]) {
      dispatch.ask(near).failed();
      now += 1_000 * seconds - 1;
      expect(avoided()).to.deep.equal([near.device]);
      expect(order(dispatch)).to.deep.equal([far.device]);
      now += 1;
      expect(avoided()).to.deep.equal([]);
    }
    request(dispatch, near, { answer: 5 });
    dispatch.ask(near).failed();
    now += 5_000;
    expect(avoided()).to.deep.equal([]);
    for (let i = 0; i < 40; i++) dispatch.ask(near).failed();
    now += 10 * MINUTE;
    expect(avoided()).to.deep.equal([]);
  });

  it("does not hold against a device what is not its fault", () => {
    const dispatch = open();
    dispatch.ask(near).dropped();
    expect(order(dispatch)).to.deep.equal([near.device, far.device]);
  });

  it("expects neither less than nothing nor anything that is no number, whatever was measured", () => {
    const ms = integer({ min: 0, max: 1e7 });
    const sample = record({
      answer: ms,
      load: integer({ min: 0, max: 1_000 }),
      perByte: integer({ min: 0, max: 100 }),
      later: ms,
      roundTrip: ms,
    });
    assert(
      property(sample, sample, sample, (...samples) => {
        let at = 0;
        let measured: ReturnType<typeof afterAnswer> | undefined;
        for (const { later, roundTrip, ...each } of samples) {
          at += later;
          measured =
            each.load === 999
              ? afterFailure(measured, { roundTrip, now: at })
              : afterAnswer(measured, each, { roundTrip, now: at });
          const circumstances = { roundTrip, load: each.load, bytes: 1_000_000, now: at + later };
          const expected = expectedMs(measured, circumstances);
          expect(Number.isFinite(expected) && expected >= 0, String(expected)).to.equal(true);
        }
      }),
    );
  });

  it("moves to what comes again and again", () => {
    let measured: ReturnType<typeof afterAnswer> | undefined;
    for (let at = 0; at < 1_000; at += 20)
      measured = afterAnswer(
        measured,
        { answer: 33, load: 0, perByte: 0.01 },
        { roundTrip: 1, now: at },
      );
    const circumstances = { roundTrip: 1, load: 0, bytes: CHUNK + 1_000, now: 980 };
    expect(expectedMs(measured, circumstances)).to.be.within(42.5, 43.5);
  });
});
