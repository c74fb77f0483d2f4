import { fileURLToPath } from "node:url";
import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";
import mocha from "./.mocharc.json" with { type: "json" };

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    version: "0.8.37",
    // The compiler comes with `npm ci`, under the lock file's hash, so a build needs no other download.
    path: fileURLToPath(new URL("./node_modules/solc/soljson.js", import.meta.url)),
    // The Solidity tests take a minute to compile, and only they need it: nothing else waits for it.
    splitTestsCompilation: true,
    settings: {
      viaIR: true,
      // A claim is sent far more often than a contract is deployed.
      optimizer: { enabled: true, runs: 100000 },
      evmVersion: "cancun",
    },
  },
  // tsNocheck: TypeChain emits namespaces, which `erasableSyntaxOnly` refuses.
  typechain: { outDir: "contracts/types", tsNocheck: true },
  paths: {
    // The TypeScript tests deploy some contracts of their own.
    sources: ["contracts", "test/solidity/support"],
    // In the package that hands them out.
    artifacts: "contracts/artifacts",
    tests: { mocha: "test", solidity: "test/solidity" },
  },
  test: {
    // Full epochs on a real chain and database take their time on a small machine: hence the timeout.
    mocha,
    solidity: {
      fuzz: { runs: 256 },
      // For each invariant. What must be refused is tried in a call of its own, so an act that reverts is a failure.
      invariant: { runs: 12, depth: 64, failOnRevert: true },
    },
  },
  coverage: { skipFiles: ["test/**"] },
  // Sourcify needs none.
  verify: { etherscan: { apiKey: configVariable("ETHERSCAN_API_KEY") } },
  networks: {
    localhost: { type: "http", chainType: "l1", url: "http://127.0.0.1:8545" },
    // `scripts/deploy.ts` gives it its key, out of a file.
    custom: { type: "http", chainType: "l1", url: configVariable("LINK_RPC") },
  },
});
