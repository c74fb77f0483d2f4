import Mocha from "mocha";

/** What mocha's process tells the one that started it, whenever it is done with a file. */
export type FileReport = {
  /** Relative to the checkout; undefined for what failed outside of any file. */
  readonly file: string | undefined;
  /** What its tests and their set-up took. */
  readonly milliseconds: number;
  readonly tests: readonly TestReport[];
};

export type TestReport = {
  readonly title: string;
  readonly passed: boolean;
  readonly milliseconds: number;
};

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PASS } =
  Mocha.Runner.constants;

const LONGEST_END_MS = 30_000;

/** Tells each file's results to the parent process, and prints what failed, in full, at the end. */
class Reporter extends Mocha.reporters.Base {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    let file: string | undefined;
    let tests: TestReport[] = [];
    let milliseconds = 0;

    const finishFile = () => {
      if (tests.length > 0) process.send?.({ file, tests, milliseconds } satisfies FileReport);
      [file, tests, milliseconds] = [undefined, [], 0];
    };
    /** In one process files follow each other without a sign; of several, each comes whole and ends its root suite. */
    const enter = ({ file: path, duration = 0 }: Runnable) => {
      const entered = path && relativeToCheckout(path);
      if (file !== undefined && entered !== undefined && entered !== file) finishFile();
      file = entered ?? file;
      milliseconds += duration;
    };
    const add = (runnable: Runnable, passed: boolean) => {
      const { duration = 0 } = runnable;
      enter(runnable);
      tests.push({ title: runnable.titlePath().join(" › "), passed, milliseconds: duration });
    };

    runner
      .on(EVENT_HOOK_END, enter)
      .on(EVENT_TEST_PASS, (test) => add(test, true))
      .on(EVENT_TEST_FAIL, (runnable) => add(runnable, false))
      .on(EVENT_SUITE_END, ({ root }) => root && finishFile())
      .once(EVENT_RUN_END, () => {
        finishFile();
        Mocha.reporters.Base.list(this.failures);
        // A test that left something open would else be waited for without end.
        setTimeout(() => {
          console.error(`mocha does not end: ${process.getActiveResourcesInfo().join(", ")}`);
          process.exit(1);
        }, LONGEST_END_MS).unref();
      });
  }
}

/** A test, or a hook: what mocha also tells of hooks is not in its types. */
type Runnable = Pick<Mocha.Runnable, "titlePath"> & {
  readonly file?: string | undefined;
  readonly duration?: number | undefined;
};

function relativeToCheckout(path: string): string {
  return path.slice(process.cwd().length + 1).replaceAll("\\", "/");
}

// Mocha gets its reporters by `require`.
export { Reporter as "module.exports" };
