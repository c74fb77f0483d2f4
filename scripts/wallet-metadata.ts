import { getAddress } from "ethers";
import type { PageConfig } from "../web/sources/config.ts";

/** What wallets show instead of bytes: ERC-7730 descriptors and a token list, for one deployment. */

type DeploymentFile = PageConfig["deployment"];
type Fields = readonly {
  readonly path: string;
  readonly label: string;
  readonly format: string;
  readonly params?: Readonly<Record<string, unknown>>;
}[];

const SCHEMA = "https://eips.ethereum.org/assets/eip-7730/erc7730-v1.schema.json";
const METADATA = {
  owner: "Link Rewards",
  token: { name: "LinkToken", ticker: "LTK", decimals: 18 },
} as const;

const who = (path: string, label: string): Fields[number] => ({
  path,
  label,
  format: "addressName",
  params: { types: ["eoa", "wallet", "contract"], sources: ["local", "ens"] },
});
const until = (path: string): Fields[number] => ({
  path,
  label: "Valid until",
  format: "date",
  params: { encoding: "timestamp" },
});

/** For each contract that owners send to: claim and setPayee, and bind. */
export function clearSigning(deployment: DeploymentFile): Readonly<Record<string, unknown>> {
  const { LinkToken, RewardDistributor, DeviceRegistry } = deployment.contracts;
  const earned: Fields[number] = {
    path: "claims.[].cumulative",
    label: "Earned in all",
    format: "tokenAmount",
    params: { token: getAddress(LinkToken.address) },
  };
  return {
    "calldata-RewardDistributor.json": descriptor(
      "RewardDistributor",
      deployment,
      RewardDistributor.address,
      {
        "claim((uint32 epoch,uint32 index,address account,uint96 cumulative,uint96 prefix,bytes32[] proof)[] claims)":
          {
            intent: "Claim rewards",
            fields: [
              who("claims.[].account", "For account"),
              earned,
              { path: "claims.[].epoch", label: "Up to epoch", format: "raw" },
            ],
            excluded: ["claims.[].index", "claims.[].prefix", "claims.[].proof.[]"],
          },
        "setPayee(address payee)": {
          intent: "Send my rewards to",
          fields: [who("payee", "New payee")],
        },
      },
    ),
    "calldata-DeviceRegistry.json": descriptor(
      "DeviceRegistry",
      deployment,
      DeviceRegistry.address,
      {
        "bind(address device,address account,uint256 deadline,(bytes32 r,bytes32 vs) deviceSignature)":
          {
            intent: "Bind a device",
            fields: [who("device", "Device"), who("account", "Earns for"), until("deadline")],
            excluded: ["deviceSignature.r", "deviceSignature.vs"],
          },
      },
    ),
  };
}

function descriptor(
  name: string,
  { chainId }: DeploymentFile,
  address: string,
  formats: Readonly<Record<string, unknown>>,
) {
  return {
    $schema: SCHEMA,
    context: {
      $id: `Link Rewards ${name}`,
      contract: { deployments: [{ chainId, address: getAddress(address) }] },
    },
    metadata: METADATA,
    display: { formats },
  };
}

/** In the form of https://tokenlists.org. `logoURI` is relative: the list stands beside the pages' logo. */
export function tokenList(
  { chainId, contracts }: DeploymentFile,
  logoURI: string,
  timestamp: string,
) {
  const { name, ticker: symbol, decimals } = METADATA.token;
  const address = getAddress(contracts.LinkToken.address);
  return {
    name: METADATA.owner,
    timestamp,
    version: { major: 1, minor: 0, patch: 0 },
    logoURI,
    tokens: [{ chainId, address, name, symbol, decimals, logoURI }],
  };
}
