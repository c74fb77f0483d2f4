import { Option } from "@commander-js/extra-typings";
import { feeCeilingOption, wholeNumber } from "@link-rewards/host/options";
import { askedToStop } from "@link-rewards/host/program";
import { memberCommand } from "./options.ts";
import { memberSender } from "./sender.ts";

const DEFAULT_PORT = 8787;
const DEFAULT_MARGIN_SECONDS = 60;
const DEFAULT_FOLLOW_SECONDS = 5;

export function serveCommand() {
  return memberCommand("serve")
    .summary("take receipts and vouchers in over HTTP")
    .description(
      "Serves the ingest API (described at /openapi.json), the published bundles under /bundles, /livez, /readyz and /metrics, on loopback unless told otherwise. While it runs it answers, on chain and paid by the member's key, what is demanded of reports whose bundle it has: not answered in time they are revoked. Ends cleanly on SIGTERM: what was taken in is answered first.",
    )
    .addOption(
      new Option("--host <address>", "where to listen").env("LINK_HOST").default("127.0.0.1"),
    )
    .addOption(
      new Option("--port <n>", "0 takes any free port")
        .env("LINK_PORT")
        .default(DEFAULT_PORT)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option("--margin-seconds <n>", "how long before its seal time an epoch closes here")
        .default(DEFAULT_MARGIN_SECONDS)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option("--follow-seconds <n>", "time between two looks at the chain")
        .default(DEFAULT_FOLLOW_SECONDS)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option(
        "--pages <folder>",
        "also serve the claim and audit pages (web/dist and a config.json) under /pages/",
      ).env("LINK_PAGES"),
    )
    .addOption(
      new Option(
        "--trust-proxy <addresses...>",
        "reverse proxies, as addresses or networks: without them, all that comes through one counts as one sender",
      ).env("LINK_TRUST_PROXY"),
    )
    .addOption(feeCeilingOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const { serve } = await import("../member/serve.ts");
      await withOracle(options, async (oracle, signer, log) => {
        const sender = memberSender(oracle, signer, { log, maxFee: options.maxFee });
        await serve(oracle, sender, log, options, askedToStop(), (url) => {
          log.info({ url, member: oracle.member.address }, "listening");
          process.stdout.write(`${url}\n`);
        });
        log.info({}, "stopped");
      });
    });
}
