import chromium from "@sparticuz/chromium";
import { type Browser, chromium as playwright } from "playwright-core";

/** Set it to use a browser of the machine's own. */
const OWN_BROWSER = process.env.LINK_BROWSER;

/** One process for all dies with its first crash; and what the pages may fetch from others is a part of the test. */
const UNWANTED: readonly string[] = [
  "--single-process",
  "--disable-web-security",
  "--allow-running-insecure-content",
];

/** Chromium from the registry, so that a machine without a browser runs the suite too. */
export async function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  if (OWN_BROWSER !== undefined) {
    return playwright.launch({ executablePath: OWN_BROWSER, args: [...args] });
  }
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args.filter((arg) => !UNWANTED.includes(arg)), ...args],
  });
}
