/** The part of an OpenAPI document these tests read. */
export type OpenApi = {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Schema> };
};

export type Operation = {
  readonly summary?: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean }[];
  readonly requestBody?: { readonly content: Record<string, { schema: Schema }> };
  readonly responses: Record<string, Response>;
};

type Response = {
  readonly description: string;
  readonly content?: Record<string, { schema: Schema }>;
};

export type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly oneOf?: readonly Schema[];
};

/** Why an answer is not one the document promises; undefined when it is. */
export function undocumented(
  document: OpenApi,
  method: string,
  path: string,
  status: number,
  body: unknown,
): string | undefined {
  const operation = operationAt(document, method, path);
  if (operation === undefined) return status === 404 ? undefined : `${path} is not documented`;
  const response = operation.responses[status];
  if (response === undefined) return `${method} ${path} may not answer ${status}`;
  const schema = response.content?.["application/json"]?.schema;
  return schema && mismatch(document, schema, body, "body");
}

function operationAt(document: OpenApi, method: string, path: string): Operation | undefined {
  const template = Object.keys(document.paths).find((candidate) =>
    new RegExp(`^${candidate.replace(/\{[a-z]+\}/g, "[^/]+")}$`).test(path),
  );
  return template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
}

/** As much of JSON Schema as the document uses; a keyword it does not know is an error, not a pass. */
export function mismatch(
  document: OpenApi,
  schema: Schema,
  value: unknown,
  where: string,
): string | undefined {
  if (schema.$ref !== undefined)
    return mismatch(document, resolve(document, schema.$ref), value, where);
  if (schema.oneOf !== undefined) {
    const fits = schema.oneOf.filter((option) => !mismatch(document, option, value, where));
    return fits.length === 1 ? undefined : `${where} fits ${fits.length} of its alternatives`;
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) return `${where}: ${value}`;
  switch (schema.type) {
    case "string":
      if (typeof value !== "string") return `${where} is not a string`;
      return new RegExp(schema.pattern ?? "").test(value) ? undefined : `${where}: ${value}`;
    case "boolean":
      return typeof value === "boolean" ? undefined : `${where} is not a boolean`;
    case "integer": {
      const { minimum = -Infinity, maximum = Infinity } = schema;
      const fits = Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum;
      return fits ? undefined : `${where}: ${value}`;
    }
    case "array":
      if (!Array.isArray(value)) return `${where} is not a list`;
      return first(value, (item, i) =>
        mismatch(document, schema.items ?? {}, item, `${where}[${i}]`),
      );
    case "object":
      return mismatchInObject(document, schema, value, where);
    default:
      return `${where} has a schema of unknown type ${schema.type}`;
  }
}

function mismatchInObject(
  document: OpenApi,
  { properties = {}, required = [], additionalProperties }: Schema,
  value: unknown,
  where: string,
): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return `${where} is not an object`;
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${where}.${missing} is missing`;
  return first(Object.entries(value), ([name, inner]) => {
    const schema = properties[name];
    if (schema !== undefined) return mismatch(document, schema, inner, `${where}.${name}`);
    return additionalProperties === false ? `${where}.${name} is not documented` : undefined;
  });
}

function first<T>(items: readonly T[], check: (item: T, i: number) => string | undefined) {
  for (const [i, item] of items.entries()) {
    const found = check(item, i);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function resolve(document: OpenApi, ref: string): Schema {
  const name = ref.replace("#/components/schemas/", "");
  const schema = document.components.schemas[name];
  if (schema === undefined) throw new Error(`${ref} leads nowhere`);
  return schema;
}
