import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { contentTreeOf } from "../../../device/content.ts";
import { ECHO, ENDLESS, moduleOf, running } from "../support/modules.ts";
import { processesOf } from "../support/processes.ts";
import {
  ask,
  askJob,
  authorization,
  customer,
  type Service,
  type ServiceNode,
  startService,
} from "../support/service.ts";

/** Too little for a module that never ends, and for nothing else. */
const LITTLE = 300;

describe("a device's jobs", () => {
  let service: Service;
  let node: ServiceNode;

  beforeEach(async () => {
    service = await startService();
    node = await service.node();
  });

  afterEach(async () => {
    await service.close();
    expect(processesOf(process.pid)).to.deep.equal([]);
  });

  const counted = () => node.metered(1, customer).computeMilliseconds;

  /** Until a job has its process. */
  async function untilOneRuns(): Promise<void> {
    while (processesOf(process.pid).length === 0) await sleep(5);
  }

  it("are answered, and count what was offered for them", async () => {
    const input = Buffer.from("some input");
    const { status, output } = await askJob(node, {
      ...{ module: await moduleOf(ECHO), input, milliseconds: 12_345 },
    });
    expect([status, Buffer.from(output)]).to.deep.equal([200, input]);
    expect(counted()).to.equal(12_345n);
  });

  it("count nothing when no answer comes of them, which is said", async () => {
    const trap = await askJob(node, { module: await moduleOf(running("(unreachable)")) });
    expect([trap.status, trap.refusal]).to.deep.equal([422, "job-unfinished"]);
    expect(trap.message).to.match(/^trap: RuntimeError: unreachable/);
    const refused = await askJob(node, { module: Buffer.from("no module") });
    expect([refused.status, refused.refusal]).to.deep.equal([422, "module-refused"]);
    expect(counted()).to.equal(0n);
  });

  it("are tried, and refused from then on when the same module outran as high an offer", async () => {
    const module = await moduleOf(ENDLESS);
    const offer = async (milliseconds: number) => {
      const { status, refusal } = await askJob(node, { module, milliseconds });
      return [status, refusal];
    };
    expect(await offer(LITTLE)).to.deep.equal([422, "job-unfinished"]);
    expect(await offer(LITTLE)).to.deep.equal([409, "offer-short"]);
    expect(await offer(1)).to.deep.equal([409, "offer-short"]);
    expect(await offer(LITTLE + 1)).to.deep.equal([422, "job-unfinished"]);
    expect(await offer(LITTLE + 1)).to.deep.equal([409, "offer-short"]);
    const other = await askJob(node, { module: await moduleOf(ECHO) });
    expect(other.status).to.equal(200);
    expect(counted()).to.equal(20_000n);
  });

  it("are refused when module or input are not kept here, or rotted", async () => {
    const module = await moduleOf(ECHO);
    const { root } = await contentTreeOf([module]);
    const offer = (input: string) =>
      ask(node, "/v1/jobs", {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ module: root, input, milliseconds: 20_000 }),
      });
    const before = await offer(root);
    expect([before.status, before.body.refusal]).to.deep.equal([404, "content-unknown"]);
    expect((await askJob(node, { module })).status).to.equal(200);
    await writeFile(join(service.folder, "node", "contents", root), Buffer.alloc(module.length));
    const rotted = await offer(root);
    expect([rotted.status, rotted.body.refusal]).to.deep.equal([404, "content-unknown"]);
    expect((await askJob(node, { module })).status).to.equal(200);
  });

  it("are refused when their module is larger than is taken", async () => {
    const { status, refusal } = await askJob(node, { module: Buffer.alloc(4 * 2 ** 20 + 1) });
    expect([status, refusal]).to.deep.equal([413, "too-large"]);
  });

  it("wait for each other, two of a customer and no third, while the device serves others", async () => {
    const [endless, echo] = [await moduleOf(ENDLESS), await moduleOf(ECHO)];
    // Who is cut off in the end may see the connection close first.
    const statusOf = (module: Uint8Array, milliseconds?: number) =>
      askJob(node, { module, ...(milliseconds && { milliseconds }) }).then(
        ({ status }) => status,
        () => 503,
      );
    const first = statusOf(endless, 60_000);
    await untilOneRuns();
    const others = [statusOf(echo), statusOf(echo)];
    // One of them waits, the other one is told so at once.
    expect(await Promise.race([first, ...others])).to.equal(503);
    expect((await ask(node, "/v1/device")).status).to.equal(200);
    expect(processesOf(process.pid)).to.have.length(1);
    await node.close();
    expect(await Promise.all([first, ...others])).to.deep.equal([503, 503, 503]);
    expect(counted()).to.equal(0n);
  });

  it("end when their customer goes away, and count nothing", async () => {
    const module = await moduleOf(ENDLESS);
    const { root } = await contentTreeOf([module]);
    await askJob(node, { module, milliseconds: 1 });
    const gone = new AbortController();
    const asked = node
      .fetch("/v1/jobs", {
        method: "POST",
        headers: { authorization: authorization(), "content-type": "application/json" },
        body: JSON.stringify({ module: root, input: root, milliseconds: 60_000 }),
        signal: gone.signal,
      })
      .catch((error: Error) => error.name);
    await untilOneRuns();
    gone.abort();
    expect(await asked).to.equal("AbortError");
    while (processesOf(process.pid).length > 0) await sleep(5);
    expect((await askJob(node, { module: await moduleOf(ECHO) })).status).to.equal(200);
    expect(counted()).to.equal(20_000n);
  });
});
