import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { pageContracts } from "./page-contracts.ts";

/** How long a plugin took is of no interest here, and differs from run to run. */
const QUIET = { checks: { pluginTimings: false } };

/** Relative addresses only: the folder works from any path, object store or IPFS gateway. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  // Said outright: a NODE_ENV of whoever builds would put debug code into the pages, and the folder's name with it.
  oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
  define: {
    PAGE_CONTRACTS: JSON.stringify(pageContracts()),
    "process.env.NODE_ENV": JSON.stringify("production"),
  },
  worker: { format: "es", rolldownOptions: QUIET },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    // Icons stay files: the Content-Security-Policy needs no `data:` then.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: QUIET,
  },
});
