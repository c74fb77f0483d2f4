import { nodeIn, nodesIn, type Span, type SyntaxNode, spansIn, typeOf, walk } from "./syntax.ts";

/** The ways in which a source is made wrong. */
export const OPERATORS = [
  "relation",
  "arithmetic",
  "bitwise",
  "boolean",
  "guard",
  "condition",
  "statement",
  "literal",
  "modifier",
  "return",
  "swap",
  "assembly",
] as const;

export type Operator = (typeof OPERATORS)[number];

/** One change of a source's text. */
export type Edit = Span & {
  readonly operator: Operator;
  readonly replacement: string;
  /** What is changed, with as much around it as tells it from others. */
  readonly text: string;
  /** The outermost first, the changed node last. */
  readonly path: readonly SyntaxNode[];
};

/** Those that a wrong relation must be told apart from: any other wrong one is told apart with one of them. */
const RELATIONS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", "!="],
  "<=": ["<", "=="],
  ">": [">=", "!="],
  ">=": [">", "=="],
  "==": ["<=", ">="],
  "!=": ["<", ">"],
};
const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "**": "*",
  "++": "--",
  "--": "++",
};
const BITWISE: Readonly<Record<string, string>> = {
  "&": "|",
  "|": "&",
  "^": "|",
  "<<": ">>",
  ">>": "<<",
};
/** In assembly. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  add: "sub",
  sub: "add",
  mul: "div",
  div: "mul",
  mod: "div",
  and: "or",
  or: "and",
  xor: "or",
  shl: "shr",
  shr: "shl",
  lt: "gt",
  gt: "lt",
  slt: "sgt",
  sgt: "slt",
  eq: "lt",
};
const NOTHING = "{}";
/** Which of their first two comes first is all the same to them. */
const COMMUTATIVE = new Set(["max", "min", "mulDiv"]);
const GUARDS = new Set(["require", "assert"]);
const HOLDS_STATEMENTS =
  /^(SourceUnit|.*Definition|.*Block|IfStatement|ForStatement|WhileStatement|DoWhileStatement|TryStatement|TryCatchClause|InlineAssembly|Yul(If|Switch|Case|ForLoop))$/;
/** What only says what things are. */
const DECLARATIONS = new Set([
  "EnumDefinition",
  "ErrorDefinition",
  "EventDefinition",
  "ImportDirective",
  "InheritanceSpecifier",
  "OverrideSpecifier",
  "StructDefinition",
  "StructuredDocumentation",
  "UsingForDirective",
]);

/** Every change there is of a source, in the order of the text. */
export function editsOf(source: string, tree: SyntaxNode): readonly Edit[] {
  const spanOf = spansIn(source);
  const nodes = [...walk(tree)].filter(
    ([node, within]) => ![...within, node].some((outer) => isOnlyDeclared(outer)),
  );
  const parameters = new Map(
    nodes.flatMap(([node]) => (node.nodeType === "ParameterList" ? [[node.id, node]] : [])),
  );
  const context: Context = { source, spanOf, parameters };
  return nodes
    .flatMap(([node, within]) => {
      const path = [...within, node];
      return changesOf(node, within.at(-1), context).map((change) => ({
        ...change,
        text: textAround(change, path, context),
        path,
      }));
    })
    .sort((a, b) => a.start - b.start || a.end - b.end);
}

type Context = {
  readonly source: string;
  readonly spanOf: (node: SyntaxNode) => Span;
  readonly parameters: ReadonlyMap<number, SyntaxNode>;
};
type Change = Omit<Edit, "path" | "text">;

/** Of the smallest expression or simple statement that is more than the change. */
function textAround(
  change: Span,
  path: readonly SyntaxNode[],
  { source, spanOf }: Context,
): string {
  const outer = path.findLast((node) => {
    const { start, end } = spanOf(node);
    return HOLDS_STATEMENTS.test(node.nodeType) || end - start > change.end - change.start;
  });
  const isTooMuch = outer === undefined || HOLDS_STATEMENTS.test(outer.nodeType);
  const { start, end } = isTooMuch ? change : spanOf(outer);
  return source.slice(start, end);
}

function isOnlyDeclared(node: SyntaxNode): boolean {
  return (
    DECLARATIONS.has(node.nodeType) ||
    node.nodeType.endsWith("TypeName") ||
    node.contractKind === "interface"
  );
}

function changesOf(
  node: SyntaxNode,
  parent: SyntaxNode | undefined,
  context: Context,
): readonly Change[] {
  switch (node.nodeType) {
    case "BinaryOperation":
      return binary(node, parent, context);
    case "Assignment":
      return assignment(node, context);
    case "UnaryOperation":
      return unary(node, context);
    case "IfStatement":
    case "Conditional":
      return forced(node, ["true", "false"], context);
    case "WhileStatement":
    case "ForStatement":
      return forced(node, ["false"], context);
    case "ExpressionStatement":
      return parent?.nodeType === "ForStatement" ? [] : withoutStatement(node, context);
    case "EmitStatement":
    case "Break":
    case "Continue":
      return [{ operator: "statement", ...statement(node, context), replacement: NOTHING }];
    case "RevertStatement":
      return [{ operator: "guard", ...statement(node, context), replacement: NOTHING }];
    case "Literal":
      return literal(node, context);
    case "MemberAccess":
      return isMost(node)
        ? [{ operator: "literal", ...around(node, context, (text) => `(${text} - 1)`) }]
        : [];
    case "ModifierInvocation":
      return node.kind === "modifierInvocation"
        ? [{ operator: "modifier", ...around(node, context, () => "") }]
        : [];
    case "Return":
      return returned(node, context);
    case "FunctionCall":
      return swapped(node, context);
    case "YulFunctionCall":
    case "YulLiteral":
    case "YulExpressionStatement":
    case "YulAssignment":
      return assembly(node, context);
    default:
      return [];
  }
}

function binary(
  node: SyntaxNode,
  parent: SyntaxNode | undefined,
  context: Context,
): readonly Change[] {
  const operator = String(node.operator);
  const left = nodeIn(node, "leftExpression");
  const right = nodeIn(node, "rightExpression");
  if (left === undefined || right === undefined) return [];
  const put = (name: Operator, replacement: string): Change => ({
    operator: name,
    ...between(left, right, operator, context),
    replacement,
  });
  if (operator === "&&" || operator === "||") {
    const alone = [left, right].map((side): Change => {
      const { replacement } = around(side, context, (text) => text);
      return { operator: "boolean", ...context.spanOf(node), replacement };
    });
    return [...alone, put("boolean", operator === "&&" ? "||" : "&&")];
  }
  if (operator in RELATIONS) {
    const isLoop = parent?.nodeType === "ForStatement";
    return wrongRelations(operator, left, right, isLoop).map((other) => put("relation", other));
  }
  return exchanged(operator, put);
}

/** Without those that are no mistake. */
function wrongRelations(
  operator: string,
  left: SyntaxNode,
  right: SyntaxNode,
  isLoop: boolean,
): readonly string[] {
  const type = typeOf(typeOf(left).startsWith("int_const") ? right : left);
  // What has no order is the same or is not.
  if (!/^(u?int|rational)/.test(type)) return [operator === "==" ? "!=" : "=="];
  const same = new Set<string>();
  // A loop counts up to its end one by one.
  if (isLoop) same.add("<!=");
  if (type.startsWith("uint") && right.value === "0")
    for (const pair of ["==<=", "!=>", ">!="]) same.add(pair);
  if (isMost(right)) for (const pair of ["==>=", "!=<", "<!="]) same.add(pair);
  return (RELATIONS[operator] ?? []).filter((other) => !same.has(operator + other));
}

/** The largest of a type. */
function isMost(node: SyntaxNode): boolean {
  return node.memberName === "max" && typeOf(nodeIn(node, "expression")).startsWith("type(");
}

function exchanged(
  operator: string,
  put: (name: Operator, replacement: string) => Change,
): readonly Change[] {
  const arithmetic = ARITHMETIC[operator];
  if (arithmetic !== undefined) return [put("arithmetic", arithmetic)];
  const bitwise = BITWISE[operator];
  return bitwise === undefined ? [] : [put("bitwise", bitwise)];
}

function assignment(node: SyntaxNode, context: Context): readonly Change[] {
  const operator = String(node.operator);
  const left = nodeIn(node, "leftHandSide");
  const right = nodeIn(node, "rightHandSide");
  if (left === undefined || right === undefined) return [];
  return exchanged(operator.slice(0, -1), (name, replacement) => ({
    operator: name,
    ...between(left, right, operator, context),
    replacement: `${replacement}=`,
  }));
}

function unary(node: SyntaxNode, context: Context): readonly Change[] {
  const operator = String(node.operator);
  const operand = nodeIn(node, "subExpression");
  if (operand === undefined) return [];
  const { replacement } = around(operand, context, (text) => text);
  const span = context.spanOf(node);
  if (operator === "!") return [{ operator: "boolean", ...span, replacement }];
  if (operator === "~") return [{ operator: "bitwise", ...span, replacement }];
  if (operator === "-") return [{ operator: "arithmetic", ...span, replacement }];
  const other = ARITHMETIC[operator];
  if (other === undefined) return [];
  return [
    {
      operator: "arithmetic",
      ...span,
      replacement: node.prefix === true ? `${other}${replacement}` : `${replacement}${other}`,
    },
  ];
}

function forced(node: SyntaxNode, to: readonly string[], context: Context): readonly Change[] {
  const condition = nodeIn(node, "condition");
  if (condition === undefined || condition.nodeType === "Literal") return [];
  return to.map((value) => ({
    operator: "condition",
    ...context.spanOf(condition),
    replacement: value,
  }));
}

function withoutStatement(node: SyntaxNode, context: Context): readonly Change[] {
  const expression = nodeIn(node, "expression");
  const isGuard =
    expression?.nodeType === "FunctionCall" && GUARDS.has(String(calleeOf(expression)));
  return [
    {
      operator: isGuard ? "guard" : "statement",
      ...statement(node, context),
      replacement: NOTHING,
    },
  ];
}

function literal(node: SyntaxNode, context: Context): readonly Change[] {
  const put = (replacement: string): Change => ({
    operator: "literal",
    ...context.spanOf(node),
    replacement,
  });
  const value = String(node.value);
  if (node.kind === "bool") return [put(value === "true" ? "false" : "true")];
  if (node.kind === "string") return value === "" ? [] : [put(JSON.stringify(`${value}_`))];
  // An address is no number.
  if (node.kind !== "number" || /^(u?int|rational)/.test(typeOf(node)) === false) return [];
  const unit = typeof node.subdenomination === "string" ? ` ${node.subdenomination}` : "";
  const whole = /^[\d_]+$/.test(value) ? BigInt(value.replaceAll("_", "")) : undefined;
  if (whole === undefined) return [put(`(${value}${unit} + 1)`), put(`(${value}${unit} - 1)`)];
  return [whole + 1n, whole - 1n].flatMap((other) => (other < 0n ? [] : [put(`${other}${unit}`)]));
}

/** Each value that a function gives back, by its type. */
function returned(node: SyntaxNode, context: Context): readonly Change[] {
  const expression = nodeIn(node, "expression");
  const list = context.parameters.get(Number(node.functionReturnParameters));
  if (expression === undefined || list === undefined) return [];
  const types = nodesIn(list, "parameters").map(typeOf);
  const values = types.length === 1 ? [expression] : nodesIn(expression, "components");
  if (values.length !== types.length) return [];
  return values.flatMap((value, i) =>
    wrongValues(types[i] ?? "").flatMap((wrong): Change[] => {
      const changed = around(value, context, wrong);
      const isSame = context.source.slice(changed.start, changed.end) === changed.replacement;
      return isSame ? [] : [{ operator: "return", ...changed }];
    }),
  );
}

function wrongValues(type: string): readonly ((text: string) => string)[] {
  if (type === "bool") return [() => "true", () => "false"];
  if (/^u?int\d+$/.test(type)) return [(text) => `(${text}) + 1`];
  if (/^(address|bytes\d+)$/.test(type)) return [() => `${type}(0)`];
  return [];
}

/** Two arguments of a type in each other's place. */
function swapped(node: SyntaxNode, context: Context): readonly Change[] {
  const given = nodesIn(node, "arguments");
  const isCommutative = COMMUTATIVE.has(String(calleeOf(node)));
  return given.flatMap((first, i): Change[] => {
    const second = given.slice(i + 1).find((other) => typeOf(other) === typeOf(first));
    if (second === undefined || typeOf(first) === "") return [];
    if (isCommutative && i === 0 && second === given[1]) return [];
    const [a, b] = [context.spanOf(first), context.spanOf(second)];
    const { source } = context;
    const [before, after] = [source.slice(a.start, a.end), source.slice(b.start, b.end)];
    if (before === after) return [];
    const replacement = `${after}${source.slice(a.end, b.start)}${before}`;
    return [{ operator: "swap", start: a.start, end: b.end, replacement }];
  });
}

function assembly(node: SyntaxNode, context: Context): readonly Change[] {
  const put = (changed: Span & { readonly replacement: string }): Change => ({
    operator: "assembly",
    ...changed,
  });
  if (node.nodeType === "YulLiteral") {
    const value = String(node.value);
    if (node.kind !== "number" || !/^(0x)?[\da-f]+$/i.test(value)) return [];
    return [BigInt(value) + 1n, BigInt(value) - 1n].flatMap((other) =>
      other < 0n ? [] : [put(around(node, context, () => `${other}`))],
    );
  }
  if (node.nodeType !== "YulFunctionCall") return [put(around(node, context, () => ""))];
  const name = nodeIn(node, "functionName");
  const other = INSTRUCTIONS[String(name?.name)];
  return name === undefined || other === undefined ? [] : [put(around(name, context, () => other))];
}

function calleeOf(call: SyntaxNode): unknown {
  const callee = nodeIn(call, "expression");
  return callee?.name ?? callee?.memberName;
}

function around(
  node: SyntaxNode,
  { source, spanOf }: Context,
  wrap: (text: string) => string,
): Span & { readonly replacement: string } {
  const span = spanOf(node);
  return { ...span, replacement: wrap(source.slice(span.start, span.end)) };
}

/** Solc leaves a statement's semicolon out of it. */
function statement(node: SyntaxNode, { source, spanOf }: Context): Span {
  const { start, end } = spanOf(node);
  const semicolon = /^\s*;/.exec(source.slice(end))?.[0].length ?? 0;
  return { start, end: end + semicolon };
}

/** Where the operator itself stands. */
function between(
  left: SyntaxNode,
  right: SyntaxNode,
  operator: string,
  { source, spanOf }: Context,
): Span {
  const from = spanOf(left).end;
  const start = from + source.slice(from, spanOf(right).start).indexOf(operator);
  return { start, end: start + operator.length };
}
