import { Piscina } from "piscina";
import solc from "solc";
import type { SyntaxNode } from "./syntax.ts";

/** Solidity's compiler, with one input for all: the project's sources as Hardhat gathered and named them. */
export type CompilerInput = {
  readonly sources: Readonly<Record<string, { readonly content: string }>>;
  readonly settings: Readonly<Record<string, unknown>>;
};

export type CompileTask = {
  /** Sources with another text, by their names. */
  readonly changed: Readonly<Record<string, string>>;
  /** Names of the sources whose contracts are wanted. */
  readonly wanted: readonly string[];
  readonly trees?: boolean;
};

/** Of a contract, as solc says it. */
export type Compiled = {
  readonly source: string;
  readonly name: string;
  readonly bytecode: CompiledCode;
  readonly deployedBytecode: CompiledCode & { readonly immutableReferences?: object };
};
type CompiledCode = { readonly object: string; readonly linkReferences?: object };

export type CompileResult = {
  /** What keeps it from compiling; then there is nothing else. */
  readonly errors: readonly string[];
  readonly contracts: readonly Compiled[];
  readonly trees: Readonly<Record<string, SyntaxNode>>;
};

export type Compiler = {
  readonly compile: (task: CompileTask) => Promise<CompileResult>;
  close(): Promise<void>;
};

const CODE = [
  "evm.bytecode.object",
  "evm.bytecode.linkReferences",
  "evm.deployedBytecode.object",
  "evm.deployedBytecode.linkReferences",
  "evm.deployedBytecode.immutableReferences",
];
/** What would tell two texts apart that do the same. */
const WITHOUT_METADATA = { bytecodeHash: "none", appendCBOR: false };

/** Each thread keeps its compiler, which takes longer to load than some contracts to compile. */
export function openCompiler(input: CompilerInput, threads: number): Compiler {
  const pool = new Piscina<CompileTask, CompileResult>({
    filename: import.meta.url,
    name: "compileTask",
    maxThreads: threads,
    workerData: input,
  });
  return { compile: (task) => pool.run(task), close: () => pool.destroy() };
}

/** What runs in each thread; Piscina finds it by its name. @public */
export function compileTask(task: CompileTask): CompileResult {
  return compile(Piscina.workerData as CompilerInput, task);
}

export function compile({ sources, settings }: CompilerInput, task: CompileTask): CompileResult {
  const { changed, wanted, trees = false } = task;
  const texts = Object.entries(changed).map(([name, content]) => [name, { content }] as const);
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: "Solidity",
        sources: { ...sources, ...Object.fromEntries(texts) },
        settings: {
          ...settings,
          metadata: WITHOUT_METADATA,
          outputSelection: {
            ...(trees ? { "*": { "": ["ast"] } } : {}),
            ...Object.fromEntries(
              wanted.map((name) => [name, { "*": CODE, ...(trees ? { "": ["ast"] } : {}) }]),
            ),
          },
        },
      }),
    ),
  ) as SolcOutput;
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    return { errors: errors.map((error) => error.formattedMessage), contracts: [], trees: {} };
  }
  const contracts = Object.entries(output.contracts ?? {}).flatMap(([source, named]) =>
    Object.entries(named).flatMap(([name, { evm }]): Compiled[] =>
      // An interface has no code, and some sources were only wanted as trees.
      evm === undefined ? [] : [{ source, name, ...evm }],
    ),
  );
  const parsed = Object.entries(output.sources ?? {}).flatMap(([name, { ast }]) =>
    ast === undefined ? [] : [[name, ast] as const],
  );
  return { errors: [], contracts, trees: Object.fromEntries(parsed) };
}

type SolcOutput = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts?: Readonly<
    Record<string, Readonly<Record<string, { readonly evm?: Omit<Compiled, "source" | "name"> }>>>
  >;
  readonly sources?: Readonly<Record<string, { readonly ast?: SyntaxNode }>>;
};
