/** What solc says of a source: a tree of nodes, each with where it stands, "first byte:bytes:source". */
export type SyntaxNode = {
  readonly nodeType: string;
  readonly id: number;
  readonly src: string;
  readonly [field: string]: unknown;
};

/** Where a node stands in the text, in characters. */
export type Span = { readonly start: number; readonly end: number };

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "nodeType" in value && "src" in value;
}

export function childrenOf(node: SyntaxNode): readonly SyntaxNode[] {
  return Object.values(node)
    .flatMap((value): unknown[] => (Array.isArray(value) ? value : [value]))
    .filter(isNode);
}

/** A node and all below it, each with what it stands in, the outermost first. */
export function* walk(
  node: SyntaxNode,
  within: readonly SyntaxNode[] = [],
): Generator<readonly [node: SyntaxNode, within: readonly SyntaxNode[]]> {
  yield [node, within];
  const inside = [...within, node];
  for (const child of childrenOf(node)) yield* walk(child, inside);
}

export function nodeIn(node: SyntaxNode, field: string): SyntaxNode | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

export function nodesIn(node: SyntaxNode, field: string): readonly SyntaxNode[] {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** The type of an expression, in Solidity's words; empty when it has none. */
export function typeOf(node: SyntaxNode | undefined): string {
  const described = node?.typeDescriptions as { typeString?: string | null } | undefined;
  return described?.typeString ?? "";
}

/** Solc counts bytes of UTF-8, JavaScript does not. */
export function spansIn(source: string): (node: SyntaxNode) => Span {
  const characterAt = new Uint32Array(Buffer.byteLength(source) + 1);
  let byte = 0;
  let character = 0;
  for (const point of source) {
    characterAt[byte] = character;
    byte += Buffer.byteLength(point);
    character += point.length;
  }
  characterAt[byte] = character;
  return ({ src }) => {
    const [first = 0, bytes = 0] = src.split(":").map(Number);
    return { start: characterAt[first] ?? 0, end: characterAt[first + bytes] ?? 0 };
  };
}
