import { styleText } from "node:util";
import { EXIT } from "@link-rewards/host/program";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";

export function checkCommand() {
  return memberCommand("check")
    .summary("whether this oracle is fit to run")
    .description(
      "Checks the RPC node, the chain id, the contracts and how they are linked, the rules, the member's role and bond, balances, clocks and storage; says for each what is wrong and what to do.\n\nExit codes: 0 all is well, 1 something is not, 2 it cannot be told: the chain cannot be read, or its newest block and this machine's clock do not belong together, 3 usage.",
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const { checkOracle } = await import("../member/check.ts");
      const { findings, isTold } = await withOracle(options, (oracle) =>
        checkOracle(oracle, options),
      );
      const ok = findings.every((finding) => finding.ok);
      print(options.json, { ok, findings }, () =>
        findings
          .map(({ name, ok: fine, message }) => {
            const mark = fine ? styleText("green", "ok  ") : styleText("red", "FAIL");
            return `${mark} ${name.padEnd(12)} ${message}`;
          })
          .join("\n"),
      );
      process.exitCode = isTold ? (ok ? EXIT.ok : EXIT.differs) : EXIT.unavailable;
    });
}
