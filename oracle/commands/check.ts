import { styleText } from "node:util";
import { EXIT } from "@link-rewards/host/program";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";

export function checkCommand() {
  return memberCommand("check")
    .summary("whether this oracle is fit to run")
    .description(
      "Checks the RPC node, the chain id, the contracts and how they are linked, the rules, the member's role and bond, balances, clocks and storage; says for each what is wrong and what to do. Exit code 1 when something is.",
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const { checkOracle } = await import("../member/check.ts");
      const findings = await withOracle(options, (oracle) => checkOracle(oracle, options));
      const ok = findings.every((finding) => finding.ok);
      print(options.json, { ok, findings }, () =>
        findings
          .map(({ name, ok: fine, message }) => {
            const mark = fine ? styleText("green", "ok  ") : styleText("red", "FAIL");
            return `${mark} ${name.padEnd(12)} ${message}`;
          })
          .join("\n"),
      );
      process.exitCode = ok ? EXIT.ok : EXIT.differs;
    });
}
