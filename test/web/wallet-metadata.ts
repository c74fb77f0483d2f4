import registry from "@link-rewards/contracts/DeviceRegistry.json" with { type: "json" };
import distributor from "@link-rewards/contracts/RewardDistributor.json" with { type: "json" };
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import {
  type BaseWallet,
  FunctionFragment,
  Interface,
  type ParamType,
  Signature,
  Wallet,
} from "ethers";
import { DEVNET_CLASS } from "../../scripts/local/devnet.ts";
import { clearSigning, tokenList } from "../../scripts/pages/wallet-metadata.ts";
import { CLEAR_SIGNING_RULES } from "./support/clear-signing-rules.ts";
import { type Stage, theStage } from "./support/stage.ts";

type Deployments = readonly { readonly chainId: number; readonly address: string }[];
type Descriptor = {
  readonly context: {
    readonly contract: { readonly deployments: Deployments };
    readonly eip712: {
      readonly domain: { readonly name: string; readonly version: string };
      readonly deployments: Deployments;
    };
  };
  readonly display: {
    readonly formats: Readonly<
      Record<string, { readonly intent: string; readonly fields: readonly { path: string }[] }>
    >;
  };
};

describe("what wallets are told", () => {
  let stage: Stage;
  let deployment: Parameters<typeof clearSigning>[0];
  let undo: () => Promise<void>;
  const read = (file: string) => clearSigning(deployment)[file] as Descriptor;

  before(async () => {
    stage = await theStage();
    deployment = stage.config.deployment;
    undo = await stage.snapshot();
  });
  after(() => undo());

  it("has the form that ERC-7730 asks for", () => {
    const keeps = new Ajv2020({ allErrors: true }).compile(CLEAR_SIGNING_RULES);
    for (const [file, descriptor] of Object.entries(clearSigning(deployment))) {
      expect(keeps(descriptor), `${file}: ${JSON.stringify(keeps.errors)}`).to.equal(true);
    }
    // The rules are not empty: what version 1 looked like breaks them.
    const { display, ...rest } = read("calldata-RewardDistributor.json");
    expect(
      keeps({ ...rest, display: { ...display, formats: { "setPayee(address)": {} } } }),
    ).to.equal(false);
  });

  for (const [name, file, abi] of [
    ["RewardDistributor", "calldata-RewardDistributor.json", distributor.abi],
    ["DeviceRegistry", "calldata-DeviceRegistry.json", registry.abi],
  ] as const) {
    it(`describes functions that ${name} has, and leaves no argument out by accident`, () => {
      const { context, display } = read(file);
      const face = new Interface(abi as unknown as string[]);
      for (const [signature, { fields }] of Object.entries(display.formats)) {
        const fragment = FunctionFragment.from(signature);
        expect(face.getFunction(fragment.selector)?.name).to.equal(fragment.name);
        expect(fields.map(({ path }) => path).sort()).to.deep.equal(
          fragment.inputs.flatMap((input) => pathsOf(input)).sort(),
        );
      }
      const [at] = context.contract.deployments;
      expect(at?.address.toLowerCase()).to.equal(deployment.contracts[name].address);
    });
  }

  it("describes the very message by which the distributor takes a payee", async () => {
    const { suite, role, wallet, now } = stage.world.devnet;
    const [account, payee] = [wallet(10), Wallet.createRandom().address];
    const deadline = (await now()) + 3600;
    const message = { account: account.address, payee, nonce: 0, deadline };
    const signature = await signAsDescribed(
      read("eip712-RewardDistributor.json"),
      account,
      message,
    );
    const anyone = suite.distributor.connect(role("bystander"));
    await (await anyone.setPayeeBySig(account.address, payee, deadline, signature)).wait();
    expect(await suite.distributor.payeeOf(account.address)).to.equal(payee);
  });

  it("describes the very message by which the registry binds a device", async () => {
    const { suite, role, wallet, now } = stage.world.devnet;
    const [device, account] = [Wallet.createRandom(), wallet(10).address];
    await (
      await suite.registry.connect(role("manufacturer")).enrol([device.address], DEVNET_CLASS)
    ).wait();
    const deadline = (await now()) + 3600;
    const consent = { device: device.address, account, nonce: await now(), deadline };
    const signature = await signAsDescribed(read("eip712-DeviceRegistry.json"), device, consent);
    const { r, yParityAndS: vs } = Signature.from(signature);
    const anyone = suite.registry.connect(role("bystander"));
    await (await anyone.bind([consent], [{ r, vs, publicKey: "0x" }])).wait();
    expect((await suite.registry.deviceOf(device.address)).account).to.equal(account);
  });

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

/** By nothing but what the descriptor says: its key is EIP-712's encodeType, its context the domain. */
async function signAsDescribed(
  { context: { eip712 }, display }: Descriptor,
  signer: BaseWallet,
  message: Readonly<Record<string, unknown>>,
): Promise<string> {
  const [[type, { fields }] = ["", { fields: [] }]] = Object.entries(display.formats);
  const { name, inputs } = FunctionFragment.from(type);
  expect(fields.map(({ path }) => path).sort()).to.deep.equal(
    inputs.map(({ name }) => name).sort(),
  );
  const [{ chainId, address } = { chainId: 0, address: "" }] = eip712.deployments;
  const domain = { ...eip712.domain, chainId, verifyingContract: address };
  const members = inputs.map(({ name, type }) => ({ name, type }));
  return signer.signTypedData(domain, { [name]: members }, message);
}
