/**
 * What version 2 of ERC-7730 asks of the parts that our descriptors use, as a JSON schema. Written after the text of the
 * standard, and tighter than its own schema: what we do not use is not allowed at all.
 */
const ADDRESS = { type: "string", pattern: "^0x[0-9a-fA-F]{40}$" } as const;
const WORDS = { type: "string", minLength: 1 } as const;
const NAME = "[A-Za-z_][A-Za-z0-9_]*";
const ATOM = "(?:address|u?int[0-9]+|bytes[0-9]*|bool|string)(?:\\[[0-9]*\\])*";
const PARAMETER = `(?:${ATOM}|\\(${ATOM} ${NAME}(?:,${ATOM} ${NAME})*\\)(?:\\[[0-9]*\\])*) ${NAME}`;

const deployments = {
  type: "array",
  minItems: 1,
  items: closed({ chainId: { type: "integer", minimum: 1 }, address: ADDRESS }),
} as const;

/** Where each format's parameters are what the standard says. */
const PARAMS: Readonly<Record<string, object>> = {
  addressName: closed({
    types: {
      type: "array",
      items: { enum: ["wallet", "eoa", "contract", "token", "collection"] },
    },
    sources: { type: "array", items: WORDS },
  }),
  tokenAmount: closed({ token: ADDRESS }),
  date: closed({ encoding: { enum: ["timestamp", "blockheight"] } }),
};

export const CLEAR_SIGNING_RULES = closed({
  $schema: { const: "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json" },
  context: {
    oneOf: [
      closed({ $id: WORDS, contract: closed({ deployments }) }),
      closed({
        $id: WORDS,
        eip712: closed({ domain: closed({ name: WORDS, version: WORDS }), deployments }),
      }),
    ],
  },
  metadata: closed({ owner: WORDS, contractName: WORDS }),
  display: closed({
    formats: {
      type: "object",
      minProperties: 1,
      // Canonical types, one space before each name, none after a comma.
      propertyNames: { pattern: `^${NAME}\\(${PARAMETER}(?:,${PARAMETER})*\\)$` },
      additionalProperties: closed({
        intent: WORDS,
        fields: {
          type: "array",
          minItems: 1,
          items: {
            oneOf: [
              ...Object.entries(PARAMS).map(([format, params]) =>
                closed({ path: WORDS, label: WORDS, format: { const: format }, params }),
              ),
              closed({ path: WORDS, label: WORDS, format: { const: "raw" } }),
              closed({
                ...{ path: WORDS, label: WORDS, format: { const: "raw" } },
                visible: { const: "never" },
              }),
            ],
          },
        },
      }),
    },
  }),
});

/** An object with all of these and nothing else. */
function closed(properties: Readonly<Record<string, object>>) {
  return {
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  } as const;
}
