import { childrenOf, nodeIn, nodesIn, type SyntaxNode, typeOf, walk } from "./syntax.ts";

/**
 * Of a source, those that have code of it in their own bytecode, itself included: those that inherit it, deploy it, or
 * call a library's function. Who only calls a contract from outside has nothing of it.
 */
export type Dependents = (source: string) => ReadonlySet<string>;

export function dependentsIn(trees: Readonly<Record<string, SyntaxNode>>): Dependents {
  const uses = usesIn(trees);
  return (source) => {
    const found = new Set([source]);
    for (const used of found) {
      for (const [name, sources] of uses) if (sources.has(used)) found.add(name);
    }
    return found;
  };
}

/** By each source, those it takes code from. */
function usesIn(
  trees: Readonly<Record<string, SyntaxNode>>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const declared = declarationsIn(trees);
  return new Map(
    Object.entries(trees).map(([name, tree]) => {
      const used = [...walk(tree)].flatMap(([node]) => {
        const reference = codeReference(node, declared);
        return reference === undefined || reference === name ? [] : [reference];
      });
      return [name, new Set(used)];
    }),
  );
}

type Declared = { readonly source: string; readonly node: SyntaxNode; readonly inlined: boolean };

function declarationsIn(
  trees: Readonly<Record<string, SyntaxNode>>,
): ReadonlyMap<number, Declared> {
  const declared = new Map<number, Declared>();
  for (const [source, tree] of Object.entries(trees)) {
    for (const node of childrenOf(tree)) {
      declared.set(node.id, { source, node, inlined: true });
      const inlined = node.contractKind === "library";
      for (const member of nodesIn(node, "nodes")) {
        declared.set(member.id, { source, node: member, inlined });
      }
    }
  }
  return declared;
}

function codeReference(
  node: SyntaxNode,
  declared: ReadonlyMap<number, Declared>,
): string | undefined {
  if (node.nodeType === "InheritanceSpecifier") return declaredBy(nodeIn(node, "baseName"));
  if (node.nodeType === "NewExpression") {
    return declaredBy(nodeIn(nodeIn(node, "typeName") ?? node, "pathNode"));
  }
  const found = declared.get(Number(node.referencedDeclaration ?? node.function));
  if (found === undefined) return undefined;
  if (found.node.nodeType === "FunctionDefinition") return found.inlined ? found.source : undefined;
  if (found.node.nodeType === "VariableDeclaration") {
    // By a contract's name and not by an instance of it.
    const byName = typeOf(nodeIn(node, "expression")).startsWith("type(");
    return found.node.constant === true && (found.inlined || byName) ? found.source : undefined;
  }
  return undefined;

  function declaredBy(name: SyntaxNode | undefined): string | undefined {
    return declared.get(Number(name?.referencedDeclaration))?.source;
  }
}
