import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import { EMITTER_OF, type LawEvent } from "@link-rewards/core/law/events";
import type { Law } from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import type { BaseContract } from "ethers";
import { EPOCH_SECONDS, GENESIS, GRACE_SECONDS, type World } from "../../worlds/contracts.ts";
import { CHAIN_ID } from "./signing.ts";

/** What the contracts have said so far, as an outsider reads it. */
export async function lawOf(world: World): Promise<Law> {
  const contracts = await contractsOf(world);
  const logs = await world.connection.ethers.provider.getLogs({
    address: EMITTERS.map((emitter) => contracts[emitter]),
    fromBlock: 0,
  });
  const events = logs.map(({ topics, data, blockNumber, index }) =>
    decodeLog({ topics, data, blockNumber, logIndex: index }),
  );
  return replay(events.filter((event) => event !== undefined).map(taken));
}

const EMITTERS = [...new Set(Object.values(EMITTER_OF))];

function taken(event: LawEvent | Refused): LawEvent {
  if (isRefused(event)) throw new Error(event.message);
  return event;
}

export async function deploymentOf(world: World): Promise<Deployment> {
  return {
    chainId: CHAIN_ID,
    contracts: await contractsOf(world),
    genesis: GENESIS,
    epochSeconds: EPOCH_SECONDS,
    graceSeconds: GRACE_SECONDS,
  };
}

async function contractsOf(world: World): Promise<Deployment["contracts"]> {
  const addressOf = async (contract: BaseContract) => lowercaseHex(await contract.getAddress());
  return {
    linkToken: await addressOf(world.token),
    deviceRegistry: await addressOf(world.registry),
    rewardProgramme: await addressOf(world.programme),
    customerEscrow: await addressOf(world.escrow),
    oracleQuorum: await addressOf(world.quorum),
    judge: await addressOf(world.judge),
    demands: await addressOf(world.demands),
    epochLedger: await addressOf(world.ledger),
    rewardDistributor: await addressOf(world.distributor),
  };
}
