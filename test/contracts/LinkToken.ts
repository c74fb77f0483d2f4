import { expect } from "chai";
import { MaxUint256, parseEther, Signature } from "ethers";
import { deployedWorld, from, walletOf } from "../worlds/contracts.ts";
import { PERMIT, permitDomainOf } from "./support/permits.ts";

const MOST = (2n ** 96n - 1n) / 32n;

describe("LinkToken", () => {
  it("is minted once, under the name and in the amount it was deployed with", async () => {
    const { connection, token, stranger } = await from(deployedWorld);
    expect(await token.totalSupply()).to.equal(parseEther("1500000000"));
    expect(await token.initialSupply()).to.equal(parseEther("1500000000"));
    expect([await token.name(), await token.symbol(), await token.decimals()]).to.deep.equal([
      "LinkToken",
      "LTK",
      18n,
    ]);
    const terms = ["Other", "OTH", MOST, stranger];
    const other = await connection.ethers.deployContract("LinkToken", terms);
    expect([await other.name(), await other.symbol()]).to.deep.equal(["Other", "OTH"]);
    expect(await other.balanceOf(stranger)).to.equal(MOST);
    await other.connect(stranger).burn(7);
    expect(await other.initialSupply()).to.equal(MOST);
  });

  it("refuses a supply of zero, and one that totals of 96 bits hold fewer than 32 times", async () => {
    const { connection, token, stranger } = await from(deployedWorld);
    for (const supply of [0n, MOST + 1n]) {
      await expect(
        connection.ethers.deployContract("LinkToken", ["LinkToken", "LTK", supply, stranger]),
      )
        .to.be.revertedWithCustomError(token, "InvalidSupply")
        .withArgs(supply);
    }
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

  it("can be burned by whom its holder allows it, and by nobody else", async () => {
    const { token, customer, stranger } = await from(deployedWorld);
    await token.connect(customer).approve(stranger, 5);
    const supply = await token.totalSupply();
    await token.connect(stranger).burnFrom(customer, 5);
    expect(await token.totalSupply()).to.equal(supply - 5n);
    await expect(token.connect(stranger).burnFrom(customer, 1)).to.be.revertedWithCustomError(
      token,
      "ERC20InsufficientAllowance",
    );
  });

  it("takes an allowance by signature (ERC-2612)", async () => {
    const { token, stranger } = await from(deployedWorld);
    const owner = walletOf("owner");
    const domain = await permitDomainOf(token);
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
