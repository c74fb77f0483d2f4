import { endOf, epochAt, openEpochs, sealTimeOf } from "@link-rewards/core/law/clock";
import { expect } from "chai";

const clock = { genesis: 1_000, epochSeconds: 100, graceSeconds: 20 };
const MARGIN = 5;
const openAt = (now: number) => openEpochs(clock, now, MARGIN).map(({ epoch }) => epoch);

describe("clock", () => {
  it("numbers epochs from 1; before genesis it is 0", () => {
    expect([0, 999, 1_000, 1_099, 1_100].map((time) => epochAt(clock, time))).to.deep.equal([
      0, 0, 1, 1, 2,
    ]);
  });

  it("ends an epoch where the next begins and seals it after the grace", () => {
    expect([endOf(clock, 0), endOf(clock, 1), sealTimeOf(clock, 1)]).to.deep.equal([
      1_000, 1_100, 1_120,
    ]);
    expect(epochAt(clock, endOf(clock, 1))).to.equal(2);
  });

  it("opens nothing before genesis", () => {
    expect(openAt(999)).to.deep.equal([]);
    expect(openAt(1_000)).to.deep.equal([1]);
  });

  it("keeps the last epoch open until its seal time less the margin", () => {
    expect(openAt(1_099)).to.deep.equal([1]);
    expect(openAt(1_100)).to.deep.equal([1, 2]);
    expect(openAt(1_114)).to.deep.equal([1, 2]);
    expect(openAt(1_115)).to.deep.equal([2]);
  });

  it("tells when each open epoch ends, closes and seals", () => {
    expect(openEpochs(clock, 1_100, MARGIN)[0]).to.deep.equal({
      epoch: 1,
      endsAt: 1_100,
      closesAt: 1_115,
      sealTime: 1_120,
    });
  });
});
