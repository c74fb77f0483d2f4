import { networkOf } from "@link-rewards/host/network";
import { printable } from "@link-rewards/host/printable";
import { expect } from "chai";

describe("the network of an address", () => {
  it("is the address, and of IPv6 its first half, in any spelling", () => {
    expect(networkOf("192.0.2.1")).to.equal("192.0.2.1");
    expect(networkOf("::ffff:192.0.2.1")).to.equal("192.0.2.1");
    expect(networkOf("2001:db8::1")).to.equal(networkOf("2001:0db8:0:0:1:2:3:4"));
    expect(networkOf("2001:db8:0:1::1")).to.not.equal(networkOf("2001:db8::1"));
    expect(networkOf("::1")).to.equal("0:0:0:0");
    expect(networkOf("fe80::1%eth0")).to.equal(networkOf("fe80::2"));
  });

  it("of what is no address is that itself", () => {
    for (const odd of ["", "unix", "host.example"]) expect(networkOf(odd)).to.equal(odd);
  });
});

describe("what another machine said", () => {
  it("moves no cursor, begins no line and turns no writing", () => {
    expect(printable("a\u001b[2Jb\r\nc\u202ed\u2028e\u0000f\ud800")).to.equal("a?[2Jb??c?d?e?f?");
  });

  it("keeps its letters, whatever the script", () => {
    expect(printable("ß 漢字 😀 ñ")).to.equal("ß 漢字 😀 ñ");
  });
});
