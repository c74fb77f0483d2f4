import { readFileSync } from "node:fs";
import {
  EVIDENCE_ABI,
  type Evidence,
  JUDGED_TABLES,
  PROOFS,
} from "@link-rewards/core/judge/evidence";
import { expect } from "chai";
import { AbiCoder } from "ethers";
import { encodeEvidence } from "../../../oracle/edge/evidence.ts";

const solidity = readFileSync(
  new URL("../../../contracts/interfaces/IJudge.sol", import.meta.url),
  "utf8",
);

/** The members of an enum, in lower case and without what joins their words. */
function enumOf(name: string): readonly string[] {
  const [, members = ""] = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(solidity) ?? [];
  return members.split(",").map((member) => member.trim().toLowerCase());
}

/** The types and names of a struct's fields, nested structs spelled out. */
function tupleOf(name: string): string {
  const [, fields = ""] = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(solidity) ?? [];
  const parts = fields
    .split(";")
    .map((field) => field.trim())
    .filter((field) => field !== "")
    .map((field) =>
      field
        .replace(/^(Table|Proof) /, "uint8 ")
        .replace(/^Opening\[\] /, () => `${tupleOf("Opening")}[] `),
    );
  return `tuple(${parts.join(", ")})`;
}

describe("evidence", () => {
  it("has the contract's tables and proofs in the contract's order", () => {
    const joined = (names: readonly string[]) =>
      names.map((name) => name.toLowerCase().replaceAll("-", ""));
    expect(joined(JUDGED_TABLES)).to.deep.equal(enumOf("Table"));
    expect(joined(PROOFS)).to.deep.equal(enumOf("Proof"));
  });

  it("is encoded as the contract's struct", () => {
    expect(EVIDENCE_ABI).to.equal(tupleOf("Evidence"));
    const evidence: Evidence = {
      proof: "reward-boundary",
      position: 3,
      openings: [
        { table: "lastRewards", position: 2, row: "0x0102", proof: [`0x${"ab".repeat(32)}`] },
        { table: "contributions", position: 4, row: "0x", proof: [] },
      ],
      publicKey: `0x${"cd".repeat(64)}`,
    };
    const [decoded] = AbiCoder.defaultAbiCoder().decode([EVIDENCE_ABI], encodeEvidence(evidence));
    expect(decoded.toArray(true)).to.deep.equal([
      5n,
      3n,
      [
        [3n, 2n, "0x0102", [`0x${"ab".repeat(32)}`]],
        [0n, 4n, "0x", []],
      ],
      evidence.publicKey,
    ]);
  });
});
