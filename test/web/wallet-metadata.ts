import { expect } from "chai";
import { FunctionFragment, Interface, type ParamType } from "ethers";
import registry from "../../artifacts/contracts/DeviceRegistry.sol/DeviceRegistry.json" with {
  type: "json",
};
import distributor from "../../artifacts/contracts/RewardDistributor.sol/RewardDistributor.json" with {
  type: "json",
};
import { clearSigning, tokenList } from "../../scripts/wallet-metadata.ts";
import { type Stage, theStage } from "./support/stage.ts";

type Format = {
  readonly intent: string;
  readonly fields: readonly { readonly path: string; readonly label: string }[];
  readonly excluded?: readonly string[];
};
type Descriptor = {
  readonly context: {
    readonly contract: { readonly deployments: readonly { chainId: number; address: string }[] };
  };
  readonly display: { readonly formats: Readonly<Record<string, Format>> };
};

describe("what wallets are told", () => {
  let stage: Stage;
  let deployment: Parameters<typeof clearSigning>[0];

  before(async () => {
    stage = await theStage();
    deployment = stage.config.deployment;
  });

  for (const [name, file, abi] of [
    ["RewardDistributor", "calldata-RewardDistributor.json", distributor.abi],
    ["DeviceRegistry", "calldata-DeviceRegistry.json", registry.abi],
  ] as const) {
    it(`describes functions that ${name} has, and leaves no argument out by accident`, () => {
      const descriptor = clearSigning(deployment)[file] as Descriptor;
      const face = new Interface(abi as unknown as string[]);
      for (const [signature, format] of Object.entries(descriptor.display.formats)) {
        const fragment = FunctionFragment.from(signature);
        expect(face.getFunction(fragment.selector)?.name).to.equal(fragment.name);
        const told = [...format.fields.map(({ path }) => path), ...(format.excluded ?? [])];
        expect(told.sort()).to.deep.equal(
          fragment.inputs.flatMap((input) => pathsOf(input)).sort(),
        );
      }
      const [at] = descriptor.context.contract.deployments;
      expect(at?.address.toLowerCase()).to.equal(deployment.contracts[name].address);
    });
  }

  it("lists the token as the chain has it", async () => {
    const { token } = stage.world.devnet.suite;
    const list = tokenList(deployment, "logo.svg", "2026-01-01T00:00:00.000Z");
    const [entry] = list.tokens;
    expect(entry?.symbol).to.equal(await token.symbol());
    expect(entry?.name).to.equal(await token.name());
    expect(BigInt(entry?.decimals ?? 0)).to.equal(await token.decimals());
    expect(entry?.address).to.equal(await token.getAddress());
  });
});

/** Every value in the call, as a descriptor spells its path. */
function pathsOf(input: ParamType, prefix = ""): readonly string[] {
  const path = `${prefix}${input.name}`;
  const inner = input.arrayChildren ?? input;
  const here = input.arrayChildren ? `${path}.[]` : path;
  if (inner.components) return inner.components.flatMap((part) => pathsOf(part, `${here}.`));
  return [here];
}
