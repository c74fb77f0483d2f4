import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Address, equalBytes } from "@link-rewards/core/encoding/bytes";
import type { JobOffer } from "../compute/job.ts";
import { runJob } from "../compute/run.ts";
import { contentTreeOf } from "../content.ts";
import type { Log } from "../log.ts";
import { replaceFile } from "../state.ts";
import type { KeptFile } from "./peer.ts";

/** What the customer has computed, and what it offers for it. */
export type JobFiles = {
  readonly module: KeptFile;
  readonly input: KeptFile;
  readonly milliseconds: number;
};

/** A device that a job can be given to. */
export type Worker = {
  readonly device: Address;
  compute(offer: JobOffer): Promise<Uint8Array>;
};

/** What became of a job at one worker: undefined `amiss` is an answer that counts. */
export type Computed = {
  readonly worker: Worker;
  readonly amiss: string | undefined;
  /** It answered, and the answer is not that of the gateway's own run. */
  readonly isWrong: boolean;
};

export type Workshop = {
  /**
   * Gives a job to all workers in the same moment: each gets what the others get, so none can tell whether it checks or is
   * checked. An answer counts without a check if none is asked for, and otherwise if two are equal, or if it is that of the
   * gateway's own run.
   */
  compute(
    job: JobFiles,
    workers: readonly Worker[],
    isChecked: boolean,
  ): Promise<readonly Computed[]>;
};

/** The gateway's machine may be slower than a device, and what answered there ends here, too. */
const OWN_PATIENCE = 10;

/** `answers`: a folder for what was computed; each is called `<root of the module>-<root of the input>`. */
export function openWorkshop({
  log,
  answers,
}: {
  readonly log: Log;
  readonly answers: string | undefined;
}): Workshop {
  const runOwn = oneAtATime(runHere);

  /** Undefined where nobody knows. */
  async function rightAmong(
    job: JobFiles,
    outputs: readonly Uint8Array[],
    isChecked: boolean,
  ): Promise<Uint8Array | undefined> {
    const [first, second] = outputs;
    if (first === undefined || !isChecked) return first;
    if (second !== undefined && equalBytes(first, second)) return first;
    try {
      return await runOwn(job);
    } catch (error) {
      const reason = (error as Error).message;
      log("warn", "job-undecided", { ...offerOf(job), reason });
      return undefined;
    }
  }

  return {
    async compute(job, workers, isChecked) {
      const asked = await Promise.all(workers.map((worker) => ask(worker, offerOf(job))));
      const outputs = asked.flatMap(({ output }) => (output === undefined ? [] : [output]));
      const right = await rightAmong(job, outputs, isChecked);
      if (right !== undefined && answers !== undefined)
        await replaceFile(join(answers, nameOf(job)), right);
      return asked.map(({ worker, output, failure }) => {
        if (output === undefined) return { worker, amiss: failure, isWrong: false };
        if (right === undefined) return { worker, amiss: "cannot be checked", isWrong: false };
        if (equalBytes(output, right)) return { worker, amiss: undefined, isWrong: false };
        return { worker, amiss: "the answer is wrong", isWrong: true };
      });
    },
  };
}

export function offerOf({ module, input, milliseconds }: JobFiles): JobOffer {
  return { module: module.contentTree.root, input: input.contentTree.root, milliseconds };
}

function nameOf(job: JobFiles): string {
  const { module, input } = offerOf(job);
  return `${module}-${input}`;
}

type Asked = {
  readonly worker: Worker;
  readonly output?: Uint8Array;
  readonly failure?: string;
};

async function ask(worker: Worker, offer: JobOffer): Promise<Asked> {
  try {
    return { worker, output: await worker.compute(offer) };
  } catch (error) {
    return { worker, failure: (error as Error).message };
  }
}

/** Throws when no answer comes of it. */
async function runHere({ module, input, milliseconds }: JobFiles): Promise<Uint8Array> {
  const outcome = await runJob({
    module: await bytesOf(module),
    input: await bytesOf(input),
    milliseconds: OWN_PATIENCE * milliseconds,
  });
  if (outcome.outcome === "answered") return outcome.output;
  throw new Error(outcome.reason);
}

/** What a device was given, or it would be blamed for a file that was changed here. */
async function bytesOf({ file, contentTree }: KeptFile): Promise<Uint8Array> {
  const bytes = await readFile(file);
  if ((await contentTreeOf([bytes])).root === contentTree.root) return bytes;
  throw new Error(`${file} is not what it was at the start`);
}

/** The gateway goes on with its business meanwhile. */
function oneAtATime<In, Out>(work: (given: In) => Promise<Out>): (given: In) => Promise<Out> {
  let last: Promise<unknown> = Promise.resolve();
  return (given) => {
    const mine = last.then(() => work(given));
    last = mine.catch(() => undefined);
    return mine;
  };
}
