import { expect } from "chai";
import { MaxUint256, parseEther, Signature } from "ethers";
import { deployedWorld, from, walletOf } from "../worlds/contracts.ts";
import { CHAIN_ID } from "./support/signing.ts";

const PERMIT = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

describe("LinkToken", () => {
  it("is minted once: 1,500,000,000 tokens of 18 decimals", async () => {
    const { token } = await from(deployedWorld);
    expect(await token.totalSupply()).to.equal(parseEther("1500000000"));
    expect(await token.SUPPLY()).to.equal(parseEther("1500000000"));
    expect([await token.name(), await token.symbol(), await token.decimals()]).to.deep.equal([
      "LinkToken",
      "LTK",
      18n,
    ]);
  });

  it("has no owner, no mint, no pause and no upgrade", async () => {
    const { token } = await from(deployedWorld);
    const names = token.interface.fragments.flatMap((fragment) =>
      "name" in fragment ? [String(fragment.name)] : [],
    );
    expect(names.filter((name) => /own|mint|pause|upgrade|role|admin/i.test(name))).to.deep.equal(
      [],
    );
  });

  it("can be burned by its holder, for good", async () => {
    const { token, customer } = await from(deployedWorld);
    const supply = await token.totalSupply();
    await token.connect(customer).burn(5);
    expect(await token.totalSupply()).to.equal(supply - 5n);
  });

  it("takes an allowance by signature (ERC-2612)", async () => {
    const { token, stranger } = await from(deployedWorld);
    const owner = walletOf("owner");
    const domain = {
      name: "LinkToken",
      version: "1",
      chainId: CHAIN_ID,
      verifyingContract: await token.getAddress(),
    };
    const permit = {
      owner: owner.address,
      spender: stranger.address,
      value: 7n,
      nonce: 0n,
      deadline: MaxUint256,
    };
    const { v, r, s } = Signature.from(await owner.signTypedData(domain, PERMIT, permit));
    await token.permit(owner.address, stranger.address, 7, MaxUint256, v, r, s);
    expect(await token.allowance(owner.address, stranger.address)).to.equal(7);
    await expect(
      token.permit(owner.address, stranger.address, 7, MaxUint256, v, r, s),
    ).to.be.revertedWithCustomError(token, "ERC2612InvalidSigner");
  });
});
