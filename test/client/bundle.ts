import { cutRange, readBundle } from "@link-rewards/client/bundle";
import { utf8 } from "@link-rewards/core/encoding/bytes";
import { MANIFEST_FILE } from "@link-rewards/core/epoch/manifest";
import { expect } from "chai";
import vector from "../vectors/epoch.json" with { type: "json" };

const bytes = new Uint8Array([1, 2, 3, 4, 5]);

describe("cutRange", () => {
  it("takes what a server with ranges gives", () => {
    expect(cutRange({ status: 206, bytes }, 7, 5)).to.deep.equal(bytes);
  });

  it("cuts the range out of the whole file that a server without ranges gives", () => {
    expect(cutRange({ status: 200, bytes }, 1, 3)).to.deep.equal(new Uint8Array([2, 3, 4]));
  });

  it("gives less where the file ends before the range: the caller looks at the length", () => {
    expect(cutRange({ status: 200, bytes }, 4, 3)).to.have.length(1);
  });
});

describe("readBundle", () => {
  async function readNamed(manifest: Uint8Array) {
    const asked: string[] = [];
    const bundle = await readBundle(async (file) => {
      asked.push(file);
      return file === MANIFEST_FILE ? manifest : utf8(file);
    });
    return { bundle, asked };
  }

  it("reads the manifest and every file that one names", async () => {
    const manifest = utf8(JSON.stringify(vector.manifest));
    const { bundle, asked } = await readNamed(manifest);
    const names = Object.keys(vector.manifest.files);
    expect(asked).to.have.members([MANIFEST_FILE, ...names]);
    expect(bundle.manifest).to.equal(manifest);
    expect([...bundle.files.keys()]).to.have.members(names);
    expect(bundle.files.get("rewards.bin")).to.deep.equal(utf8("rewards.bin"));
  });

  it("reads no other file, and no fewer, on the word of a manifest that is none", async () => {
    // Who publishes it could else keep the tables from whoever judges them.
    for (const manifest of [utf8("{"), utf8('{"files":{"../../etc/passwd":{}}}')]) {
      const { asked } = await readNamed(manifest);
      expect(asked).to.have.members([MANIFEST_FILE, ...Object.keys(vector.manifest.files)]);
    }
  });
});
