import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type Edit, editsOf, type Operator } from "./operators.ts";
import type { Span, SyntaxNode } from "./syntax.ts";

/** A source with one mistake. */
export type Mutant = Span & {
  /** Stays the same whatever else changes in the file: contract, member, operator, and a hash of what becomes what. */
  readonly id: string;
  /** The name of its file. */
  readonly contract: string;
  readonly file: string;
  readonly line: number;
  readonly operator: Operator;
  readonly replacement: string;
  /** The lines it changes, before and after. */
  readonly before: string;
  readonly after: string;
};

const ID_DIGITS = 8;

/** All mutants of a file. */
export function mutantsOf(file: string, source: string, tree: SyntaxNode): readonly Mutant[] {
  const contract = basename(file, ".sol");
  const seen = new Map<string, number>();
  return editsOf(source, tree).map((edit) => {
    const { start, end, operator, replacement, text } = edit;
    const place = `${contract}.${memberOf(edit)}/${operator}`;
    const change = [place, source.slice(start, end), replacement, text].map(oneLine).join("\n");
    const occurrence = seen.get(change) ?? 0;
    seen.set(change, occurrence + 1);
    const hash = createHash("sha256").update(`${change}\n${occurrence}`).digest("hex");
    return {
      id: `${place}/${hash.slice(0, ID_DIGITS)}`,
      contract,
      file,
      line: source.slice(0, start).split("\n").length,
      start,
      end,
      operator,
      replacement,
      ...changedLines(source, edit),
    };
  });
}

export function applyMutant(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

/** The function, modifier or variable it is in. */
function memberOf({ path }: Edit): string {
  const member = path.find(
    ({ nodeType, stateVariable }) =>
      nodeType === "FunctionDefinition" ||
      nodeType === "ModifierDefinition" ||
      (nodeType === "VariableDeclaration" && stateVariable === true),
  );
  const name = String(member?.name ?? "");
  return name === "" ? String(member?.kind ?? "file") : name;
}

function changedLines(source: string, edit: Edit) {
  const { start, end } = linesOf(source, edit);
  const changed = source.slice(start, edit.start) + edit.replacement + source.slice(edit.end, end);
  return { before: oneLine(source.slice(start, end)), after: oneLine(changed) };
}

/** The whole lines that a change touches. */
function linesOf(source: string, { start, end }: Span): Span {
  const newline = source.indexOf("\n", end);
  return {
    start: source.lastIndexOf("\n", start - 1) + 1,
    end: newline === -1 ? source.length : newline,
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
