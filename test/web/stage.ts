import { expect } from "chai";
import { startStage } from "./support/stage.ts";

describe("a stage that cannot be set up", () => {
  it("fails with the reason, and leaves no chain behind for the run to wait on", async () => {
    let rpcUrl = "";
    const failed = startStage("hardhat", {
      ...{ owners: 1, customers: 1 },
      async play({ devnet }) {
        rpcUrl = devnet.rpcUrl;
        throw new Error("nobody came");
      },
    });
    const failure = await failed.catch((error: unknown) => error);
    expect(failure).to.be.an("error").with.property("message", "nobody came");
    const answer = await fetch(rpcUrl).catch((error: unknown) => error);
    expect(answer).to.be.an("error").with.nested.property("cause.code", "ECONNREFUSED");
  });
});
