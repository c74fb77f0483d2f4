import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");

const IMPORTS = "lint/style/noRestrictedImports";
const NODE_MODULES = "lint/correctness/noNodejsModules";
const GLOBALS = "lint/style/noRestrictedGlobals";
const UNDECLARED = "lint/correctness/noUndeclaredDependencies";

/** One small file per sentence: where it stands, what it says, and the rules that must object. */
type Plant = { name: string; path: string; source: string; objections: string[] };

/** By its wall, and because no package.json declares it. */
const TWICE = [IMPORTS, UNDECLARED];

/** Imports one name from `specifier`, which is forbidden there unless told otherwise. */
function importing(
  name: string,
  path: string,
  specifier: string,
  objections: string[] = [IMPORTS],
): Plant {
  const source = `import { planted } from "${specifier}"; export const used = planted;`;
  return { name, path, source, objections };
}

const PACKAGES = ["contracts", "core", "client", "host", "oracle", "device", "web"];
const CORE_ROOMS = ["encoding", "signed", "law", "epoch", "judge", "walk"];
/** What an outsider runs: these commands, and all of outsider/. */
const OUTSIDERS = ["audit", "claim", "omission", "proof", "status", "watch", "why"];

const plants: Plant[] = [
  // Core: one way through its rooms, and nothing from outside.
  ...CORE_ROOMS.slice(1).map((above, i) =>
    importing(
      `keeps ${above} out of ${CORE_ROOMS[i]}`,
      `core/${CORE_ROOMS[i]}/imports-${above}.ts`,
      `../${above}/neighbour.ts`,
    ),
  ),
  ...CORE_ROOMS.slice(1).map((room, i) =>
    importing(
      `lets ${room} import ${CORE_ROOMS[i]} and its own files`,
      `core/${room}/clean.ts`,
      `../${CORE_ROOMS[i]}/neighbour.ts`,
      [],
    ),
  ),
  importing("lets encoding import noble", "core/encoding/clean.ts", "@noble/hashes/sha3.js", []),
  importing("lets answers be written in zod", "core/signed/clean-zod.ts", "zod", []),
  importing("keeps zod out of the other rooms", "core/law/imports-zod.ts", "zod"),
  importing(
    "keeps libraries outside the allow-list out of core",
    "core/law/imports-library.ts",
    "ethers",
    TWICE,
  ),
  importing(
    "keeps client out of core",
    "core/judge/imports-client.ts",
    "@link-rewards/client/leaf",
    TWICE,
  ),
  importing(
    "keeps host out of core",
    "core/judge/imports-host.ts",
    "@link-rewards/host/keys",
    TWICE,
  ),
  importing(
    "keeps the oracle out of core",
    "core/judge/imports-oracle.ts",
    "../../oracle/edge/http/server.ts",
  ),
  importing("keeps Node's modules out of core", "core/law/imports-node.ts", "node:fs", [
    NODE_MODULES,
    IMPORTS,
  ]),
  {
    name: "keeps late imports out of core",
    path: "core/law/imports-late.ts",
    source: `export const planted = () => import("../epoch/neighbour.ts");`,
    objections: [IMPORTS],
  },
  ...["Date", "process", "console", "fetch", "crypto", "Buffer", "globalThis", "setTimeout"].map(
    (name) => ({
      name: `keeps ${name} out of core`,
      path: `core/law/uses-${name.toLowerCase()}.ts`,
      source: `export const planted = () => ${name};`,
      objections: [GLOBALS],
    }),
  ),
  {
    name: "keeps Math.random out of core",
    path: "core/law/uses-random.ts",
    source: "export const planted = () => Math.random();",
    objections: ["plugin"],
  },

  // Client and host.
  importing("lets client import core", "client/clean.ts", "@link-rewards/core/law/neighbour", []),
  importing("keeps Node's modules out of client", "client/imports-node.ts", "node:fs", [
    NODE_MODULES,
    IMPORTS,
  ]),
  importing("keeps host out of client", "client/imports-host.ts", "@link-rewards/host/keys", TWICE),
  importing(
    "keeps the paths behind core's door out of client",
    "client/imports-path.ts",
    "../core/law/neighbour.ts",
  ),
  importing("lets host import client", "host/clean.ts", "@link-rewards/client/leaf", []),
  importing(
    "keeps the oracle out of host",
    "host/imports-oracle.ts",
    "@link-rewards/oracle/outsider/audit",
    TWICE,
  ),
  importing(
    "keeps the oracle's paths out of host",
    "host/imports-path.ts",
    "../oracle/edge/http/server.ts",
  ),

  // The oracle's rooms.
  importing("keeps edges out of stores", "oracle/store/imports-edge.ts", "../edge/http/server.ts"),
  importing("keeps members out of stores", "oracle/store/imports-member.ts", "../member/close.ts"),
  importing(
    "lets an edge import Node and host",
    "oracle/edge/clean.ts",
    "@link-rewards/host/keys",
    [],
  ),
  importing(
    "keeps edges from importing each other",
    "oracle/edge/imports-sibling.ts",
    "./http/server.ts",
  ),
  importing(
    "lets the files of the http edge import each other",
    "oracle/edge/http/clean.ts",
    "./server.ts",
    [],
  ),
  importing(
    "keeps other edges out of the http edge",
    "oracle/edge/http/imports-sibling.ts",
    "../peers.ts",
  ),
  importing(
    "keeps stores out of the http edge",
    "oracle/edge/http/imports-store.ts",
    "../../store/store.ts",
  ),
  importing(
    "lets a member import the http edge by its door",
    "oracle/member/clean-http.ts",
    "../edge/http/server.ts",
    [],
  ),
  importing(
    "keeps what is behind that door out of members",
    "oracle/member/imports-bodies.ts",
    "../edge/http/bodies.ts",
  ),
  importing("keeps stores out of edges", "oracle/edge/imports-store.ts", "../store/store.ts"),
  importing("keeps members out of edges", "oracle/edge/imports-member.ts", "../member/close.ts"),
  importing("lets an outsider import edges", "oracle/outsider/clean.ts", "../edge/peers.ts", []),
  importing(
    "keeps the server out of outsiders",
    "oracle/outsider/imports-server.ts",
    "../edge/http/server.ts",
  ),
  importing(
    "keeps members out of outsiders",
    "oracle/outsider/imports-member.ts",
    "../member/close.ts",
  ),
  importing(
    "keeps stores out of outsiders",
    "oracle/outsider/imports-store.ts",
    "../store/store.ts",
  ),
  importing(
    "keeps commands out of outsiders",
    "oracle/outsider/imports-command.ts",
    "../commands/close.ts",
  ),
  {
    name: "keeps members out of outsiders, however late",
    path: "oracle/outsider/imports-late.ts",
    source: `export const planted = () => import("../member/close.ts");`,
    objections: [IMPORTS],
  },
  importing("lets a member import stores", "oracle/member/clean.ts", "../store/store.ts", []),
  importing(
    "keeps outsiders out of members",
    "oracle/member/imports-outsider.ts",
    "../outsider/audit.ts",
  ),
  importing(
    "keeps commands out of members",
    "oracle/member/imports-command.ts",
    "../commands/close.ts",
  ),
  ...OUTSIDERS.flatMap((command) => [
    importing(
      `keeps members out of the command ${command}`,
      `oracle/commands/${command}.ts`,
      "../member/close.ts",
    ),
  ]),
  importing("lets close import members", "oracle/commands/close.ts", "../member/close.ts", []),
  importing(
    "keeps devices out of the oracle",
    "oracle/member/imports-device.ts",
    "@link-rewards/device/node/start",
    TWICE,
  ),
  importing(
    "keeps devices' paths out of the oracle",
    "oracle/commands/imports-device.ts",
    "../../device/node/start.ts",
  ),

  // Devices and pages.
  importing("lets a device import host", "device/clean.ts", "@link-rewards/host/keys", []),
  importing(
    "keeps the oracle out of devices",
    "device/imports-oracle.ts",
    "@link-rewards/oracle/outsider/audit",
    TWICE,
  ),
  importing(
    "keeps the oracle's paths out of devices",
    "device/node/imports-path.ts",
    "../../oracle/edge/http/server.ts",
  ),
  importing(
    "lets a page import client and libraries",
    "web/clean.ts",
    "@link-rewards/client/leaf",
    [],
  ),
  importing(
    "keeps host out of pages",
    "web/claim/imports-host.ts",
    "@link-rewards/host/keys",
    TWICE,
  ),
  importing(
    "keeps the oracle's paths out of pages",
    "web/claim/imports-path.ts",
    "../../oracle/edge/http/server.ts",
  ),
  importing("keeps devices out of pages", "web/imports-device.ts", "../device/node/start.ts"),
  importing("keeps Node's modules out of pages", "web/imports-node.ts", "node:fs", [NODE_MODULES]),
  importing(
    "keeps scripts out of what builds the pages",
    "web/page-contracts.ts",
    "../scripts/deployment.ts",
  ),

  // Everywhere.
  importing(
    "keeps what a package does not declare out of it",
    "web/imports-undeclared.ts",
    "fastify",
    [UNDECLARED],
  ),
  {
    name: "refuses an import cycle",
    path: "oracle/cycle-start.ts",
    source: `import { end } from "./cycle-end.ts"; export const start = () => end;`,
    objections: ["lint/suspicious/noImportCycles"],
  },
  {
    name: "refuses a barrel file",
    path: "oracle/barrel.ts",
    source: `export { http } from "./edge/http/server.ts";`,
    objections: ["lint/performance/noBarrelFile"],
  },
  {
    name: "refuses a default export",
    path: "oracle/default-export.ts",
    source: "export default 1;",
    objections: ["lint/style/noDefaultExport"],
  },
];

/** Files the plants point at; nothing is expected of them. */
const scenery = [
  ...CORE_ROOMS.map((room) => [`core/${room}/neighbour.ts`, "export const planted = 1;"] as const),
  ["oracle/edge/http/server.ts", "export const planted = 1; export const http = 1;"],
  ["oracle/edge/http/bodies.ts", "export const planted = 1;"],
  ["oracle/edge/peers.ts", "export const planted = 1;"],
  ["oracle/store/store.ts", "export const planted = 1;"],
  ["oracle/member/close.ts", "export const planted = 1;"],
  ["oracle/outsider/audit.ts", "export const planted = 1;"],
  ["device/node/start.ts", "export const planted = 1;"],
  ["oracle/cycle-end.ts", `import { start } from "./cycle-start.ts"; export const end = start;`],
] as const;

type Diagnostics = { diagnostics: { category: string; location: { path: string } }[] };

describe("boundaries", () => {
  let folder: string;
  let objectionsTo: (path: string) => string[];

  // Planted outside the checkout, under the checkout's own rules: a killed test leaves nothing behind.
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-boundaries-"));
    const packages = PACKAGES.map((name) => `${name}/package.json`);
    for (const rules of ["biome.json", "package.json", "scripts/lint", ...packages])
      await cp(join(checkout, rules), join(folder, rules), { recursive: true });
    for (const [path, source] of [...scenery, ...plants.map((p) => [p.path, p.source] as const)]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), source);
    }
    const { diagnostics } = await lint(folder);
    objectionsTo = (path) =>
      diagnostics
        .filter(({ location }) => location.path.replaceAll("\\", "/") === path)
        .map(({ category }) => category)
        .sort();
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const { name, path, objections } of plants)
    it(name, () => expect(objectionsTo(path)).to.deep.equal([...objections].sort()));
});

/** Biome exits 1 when it objects, which here is the point; only unreadable output is a failure. */
function lint(cwd: string): Promise<Diagnostics> {
  const options = ["lint", "--reporter=json", "--max-diagnostics=none", "--vcs-enabled=false"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [biome, ...options], { cwd }, (_exit, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch (cause) {
        reject(new Error(`biome gave no report: ${stderr}`, { cause }));
      }
    });
  });
}
