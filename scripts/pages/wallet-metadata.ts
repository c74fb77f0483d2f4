import { DOMAIN_NAME, DOMAIN_VERSION } from "@link-rewards/core/encoding/typed";
import { BIND } from "@link-rewards/core/signed/bind";
import { getAddress } from "ethers";
import type { PageConfig } from "../../web/sources/config.ts";

/** What wallets show instead of bytes: ERC-7730 descriptors and a token list, for one deployment. */

type DeploymentFile = PageConfig["deployment"];
type Described = "RewardDistributor" | "DeviceRegistry";
type Field = {
  readonly path: string;
  readonly label: string;
  readonly format: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly visible?: "never";
};
type Formats = Readonly<
  Record<string, { readonly intent: string; readonly fields: readonly Field[] }>
>;

const SCHEMA = "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json";
const OWNER = "Link Rewards";
const TOKEN_DECIMALS = 18;
const SET_PAYEE_TYPE = "SetPayee(address account,address payee,uint256 nonce,uint256 deadline)";

/** For what owners send, `calldata-…`, and what they and their devices sign, `eip712-…`: a file each. */
export function clearSigning(deployment: DeploymentFile): Readonly<Record<string, unknown>> {
  const calls = (name: Described, formats: Formats) =>
    descriptor(name, { contract: { deployments: deploymentsOf(name, deployment) } }, formats);
  const messages = (name: Described, formats: Formats) => {
    const domain = { name: DOMAIN_NAME, version: DOMAIN_VERSION };
    const deployments = deploymentsOf(name, deployment);
    return descriptor(name, { eip712: { domain, deployments } }, formats);
  };
  return {
    "calldata-RewardDistributor.json": calls("RewardDistributor", {
      "claim((uint32 epoch,uint32 index,address account,uint96 cumulative,uint96 prefix,bytes32[] proof)[] claims)":
        {
          intent: "Claim rewards",
          fields: [
            who("claims.[].account", "For account"),
            {
              path: "claims.[].cumulative",
              label: "Earned in all",
              format: "tokenAmount",
              params: { token: getAddress(deployment.contracts.LinkToken.address) },
            },
            { path: "claims.[].epoch", label: "Up to epoch", format: "raw" },
            hidden("claims.[].index", "Index"),
            hidden("claims.[].prefix", "Prefix"),
            hidden("claims.[].proof.[]", "Proof"),
          ],
        },
      "setPayee(address payee)": {
        intent: "Send my rewards to",
        fields: [who("payee", "New payee")],
      },
    }),
    "calldata-DeviceRegistry.json": calls("DeviceRegistry", {
      "bind((address device,address account,uint64 nonce,uint256 deadline)[] consents,(bytes32 r,bytes32 vs,bytes publicKey)[] signatures)":
        {
          intent: "Bind devices",
          fields: [
            who("consents.[].device", "Device"),
            who("consents.[].account", "Earns for"),
            until("consents.[].deadline"),
            hidden("consents.[].nonce", "Nonce"),
            hidden("signatures.[].r", "Device's signature, r"),
            hidden("signatures.[].vs", "Device's signature, vs"),
            hidden("signatures.[].publicKey", "Device's P-256 key"),
          ],
        },
    }),
    "eip712-RewardDistributor.json": messages("RewardDistributor", {
      [SET_PAYEE_TYPE]: {
        intent: "Send my rewards to",
        fields: [
          who("payee", "New payee"),
          who("account", "What this account earns"),
          until("deadline"),
          hidden("nonce", "Nonce"),
        ],
      },
    }),
    "eip712-DeviceRegistry.json": messages("DeviceRegistry", {
      [BIND.typeString]: {
        intent: "Bind a device",
        fields: [
          who("device", "Device"),
          who("account", "Earns for"),
          until("deadline"),
          hidden("nonce", "Nonce"),
        ],
      },
    }),
  };
}

function who(path: string, label: string): Field {
  const params = { types: ["eoa", "wallet", "contract"], sources: ["local", "ens"] };
  return { path, label, format: "addressName", params };
}

function until(path: string): Field {
  return { path, label: "Valid until", format: "date", params: { encoding: "timestamp" } };
}

/** Means nothing to a person. */
function hidden(path: string, label: string): Field {
  return { path, label, format: "raw", visible: "never" };
}

function deploymentsOf(name: Described, { chainId, contracts }: DeploymentFile) {
  return [{ chainId, address: getAddress(contracts[name].address) }];
}

function descriptor(contractName: Described, context: object, formats: Formats) {
  return {
    $schema: SCHEMA,
    context: { $id: `${OWNER} ${contractName}`, ...context },
    metadata: { owner: OWNER, contractName },
    display: { formats },
  };
}

/** In the form of https://tokenlists.org. `logoURI` is relative: the list stands beside the pages' logo. */
export function tokenList(
  { chainId, contracts }: DeploymentFile,
  logoURI: string,
  timestamp: string,
) {
  const address = getAddress(contracts.LinkToken.address);
  const [name, symbol] = contracts.LinkToken.arguments;
  return {
    name: OWNER,
    timestamp,
    version: { major: 1, minor: 0, patch: 0 },
    logoURI,
    tokens: [{ chainId, address, name, symbol, decimals: TOKEN_DECIMALS, logoURI }],
  };
}
