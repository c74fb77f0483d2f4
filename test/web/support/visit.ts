import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { installWallet, type TestWallet, type WalletOptions } from "./wallet.ts";

/** What a visitor needs of a stage. */
export type Place = {
  readonly browser: Browser;
  readonly pagesUrl: string;
  readonly world: { readonly devnet: { readonly rpcUrl: string } };
};

export type Visit = {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly wallets: readonly TestWallet[];
  /** The element that says where things stand. */
  state(name: string): Locator;
  /** Waits until the page says so. */
  reaches(name: string): Promise<void>;
};

export type VisitOptions = {
  /** The route, such as "#/audit". */
  readonly at?: string;
  readonly wallets?: readonly Omit<WalletOptions, "rpcUrl">[];
  readonly locale?: string;
  /** Before anything is loaded, such as to cut a connection. */
  readonly before?: (page: Page) => Promise<unknown>;
};

/** Signals come within a second or two; a noisy machine may take longer. */
const TIMEOUT_MS = 15_000;

const open = new Set<BrowserContext>();

/** A new browser profile with these wallets in it, at the pages. */
export async function visit(stage: Place, options: VisitOptions = {}): Promise<Visit> {
  const { at = "", wallets = [], locale = "en-GB", before } = options;
  const context = await stage.browser.newContext({
    viewport: { width: 1180, height: 900 },
    locale,
    timezoneId: "Europe/Rome",
    // What is looked at, and what axe measures, stands still.
    reducedMotion: "reduce",
  });
  open.add(context);
  context.setDefaultTimeout(TIMEOUT_MS);
  const installed: TestWallet[] = [];
  for (const wallet of wallets) {
    installed.push(await installWallet(context, { ...wallet, rpcUrl: stage.world.devnet.rpcUrl }));
  }
  const page = await context.newPage();
  await before?.(page);
  await page.goto(`${stage.pagesUrl}${at}`);
  const state = (name: string) => page.locator(`main [data-state="${name}"]`).first();
  return { page, context, wallets: installed, state, reaches: (name) => state(name).waitFor() };
}

/** With one wallet, connected. */
export async function visitWith(
  stage: Place,
  wallet: Omit<WalletOptions, "rpcUrl" | "name"> & { readonly name?: string },
  options: VisitOptions = {},
): Promise<Visit & { readonly wallet: TestWallet }> {
  const name = wallet.name ?? "Orange";
  const visited = await visit(stage, { ...options, wallets: [{ ...wallet, name }] });
  await visited.page.locator("main .wallets button").first().click();
  return { ...visited, wallet: visited.wallets[0] as TestWallet };
}

export async function leaveAll(): Promise<void> {
  for (const context of open) await context.close();
  open.clear();
}
