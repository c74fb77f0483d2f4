import { expect } from "chai";
import lock from "../../package-lock.json" with { type: "json" };

type Locked = {
  version?: string;
  resolved?: string;
  link?: boolean;
  optionalDependencies?: Record<string, string>;
};
const packages = new Map(Object.entries<Locked>(lock.packages));

/** Where Node looks for a package: the dependent's own node_modules, then each folder above. */
function isLocked(dependent: string, name: string): boolean {
  if (packages.has(`${dependent && `${dependent}/`}node_modules/${name}`)) return true;
  if (dependent === "") return false;
  return isLocked(dependent.slice(0, Math.max(0, dependent.lastIndexOf("/node_modules/"))), name);
}

describe("package-lock.json", () => {
  // npm locks only what the registry had that day; `npm ci` elsewhere then refuses the whole lock.
  it("holds every platform's build of every native package", () => {
    const missing = [...packages].flatMap(([dependent, { optionalDependencies = {} }]) =>
      Object.entries(optionalDependencies)
        .filter(([name]) => !isLocked(dependent, name))
        .map(([name, version]) => `${name}@${version}, wanted by ${dependent}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it("names no registry", () => {
    // What a workspace package resolves to is its folder.
    const named = [...packages].filter(([, { resolved, link }]) => resolved !== undefined && !link);
    expect(named).to.deep.equal([]);
  });
});
