import type { ProvenLeaf } from "@link-rewards/client/leaf";
import type { Hex } from "@link-rewards/core/encoding/bytes";
import { getAddress } from "ethers";
import { localTime, shortHex, tokens } from "../format.ts";
import { useText } from "../language.ts";
import { Notice, useChainNow } from "../parts/pieces.tsx";
import type { WalletState } from "../parts/use-wallet.ts";
import type { Chain } from "../sources/chain.ts";
import { INTERFACES } from "../sources/contracts.ts";
import {
  addToken,
  type Call,
  type Connection,
  isRejection,
  switchChain,
} from "../sources/wallet.ts";
import type { Past, Position } from "./position.ts";
import { SendingNotice } from "./sending-notice.tsx";
import { useSending } from "./use-sending.ts";

export type ActionProps = {
  readonly chain: Chain;
  readonly wallet: WalletState;
  readonly position: Position;
  readonly past: Past | undefined;
  readonly refresh: () => Promise<void>;
};

/** The one button that claims all epochs, and everything that can be in its place. */
export function ClaimAction({ chain, wallet, position, past, refresh }: ActionProps) {
  const { account } = position;
  const isClaimed = (cumulative: bigint) => async () =>
    (await chain.read<bigint>("RewardDistributor", "claimed", account)) >= cumulative;
  const { sending, busy, start, stop } = useSending(
    chain,
    refresh,
    `link-rewards.claim.${account}`,
    (kept) => (kept.cumulative === undefined ? undefined : isClaimed(BigInt(kept.cumulative))),
  );
  const claim = (connection: Connection, leaf: ProvenLeaf) =>
    start(connection, {
      call: claimCall(chain, position.epoch, leaf),
      isDone: isClaimed(leaf.cumulative),
      resume: { cumulative: String(leaf.cumulative) },
    });
  return (
    <>
      {(sending.state !== "done" || position.claimable > 0n) && (
        <NextStep
          chain={chain}
          wallet={wallet}
          position={position}
          past={past}
          busy={busy}
          claim={claim}
        />
      )}
      <SendingNotice sending={sending} config={chain.config} doneKey="send.done" stop={stop} />
      {sending.state === "done" && <AddToken chain={chain} wallet={wallet} />}
    </>
  );
}

function claimCall(chain: Chain, epoch: number, leaf: ProvenLeaf): Call {
  const claims = [{ epoch, ...leaf }];
  return {
    to: chain.config.deployment.contracts.RewardDistributor.address,
    data: INTERFACES.RewardDistributor.encodeFunctionData("claim", [claims]) as Hex,
  };
}

/** What the person can do now, or why there is nothing to do. */
function NextStep(props: {
  chain: Chain;
  wallet: WalletState;
  position: Position;
  past: Past | undefined;
  busy: boolean;
  claim: (connection: Connection, leaf: ProvenLeaf) => void;
}) {
  const { t, locale } = useText();
  const { chain, wallet, position, past, busy, claim } = props;
  const { claimable, leaf, pausedUntil, payee } = position;
  const { connection } = wallet;
  const now = useChainNow(position.head);
  if (claimable === 0n || leaf === undefined) {
    return busy ? null : <NothingNotice position={position} past={past} />;
  }
  if (pausedUntil > now) {
    return (
      <Notice tone="warning" state="paused">
        {t("state.paused", { time: localTime(pausedUntil, locale) })}
      </Notice>
    );
  }
  if (connection === undefined) {
    return (
      <Notice tone="quiet" state="claimable">
        {t("state.connect")}
      </Notice>
    );
  }
  if (connection.chainId !== chain.config.deployment.chainId) {
    return <WrongChain chain={chain} wallet={wallet} />;
  }
  const forOther = connection.account !== position.account;
  return (
    <>
      <button
        type="button"
        class="primary"
        data-state="claimable"
        disabled={busy}
        onClick={() => claim(connection, leaf)}
      >
        {busy && <span class="spinner" aria-hidden="true" />}
        {forOther ? t("claim.actionFor") : t("claim.action", { amount: tokens(claimable, locale) })}
      </button>
      {!busy && (
        <p class="quiet-text">
          {t(forOther ? "state.forOther" : "hero.paidTo", { payee: shortHex(getAddress(payee)) })}
        </p>
      )}
    </>
  );
}

function AddToken({ chain, wallet }: { chain: Chain; wallet: WalletState }) {
  const { t, symbol } = useText();
  const { connection } = wallet;
  if (connection === undefined) return null;
  const { address } = chain.config.deployment.contracts.LinkToken;
  return (
    <button
      type="button"
      class="plain"
      onClick={() => addToken(connection.wallet, address, symbol).catch(ignoreRejection)}
    >
      {t("send.addToken")}
    </button>
  );
}

function NothingNotice({ position, past }: Pick<ActionProps, "position" | "past">) {
  const { t, locale } = useText();
  const { nothing } = position;
  const pending = past?.pending;
  if (pending !== undefined && nothing !== undefined) {
    return (
      <Notice tone="quiet" state="pending">
        {t("state.pending", { time: localTime(pending.opensAt, locale) })}
      </Notice>
    );
  }
  if (nothing !== undefined) {
    return (
      <Notice tone="quiet" state={nothing}>
        {t(`state.${nothing}`)}
      </Notice>
    );
  }
  return (
    <Notice tone="good" state="claimed">
      {t("state.all-claimed")}
    </Notice>
  );
}

const CHAIN_NAMES: Readonly<Record<number, string>> = {
  1: "Ethereum",
  10: "OP Mainnet",
  137: "Polygon",
  8453: "Base",
  42161: "Arbitrum One",
  11155111: "Sepolia",
};

function WrongChain({ chain, wallet }: { chain: Chain; wallet: WalletState }) {
  const { t } = useText();
  const { connection } = wallet;
  if (connection === undefined) return null;
  const { config } = chain;
  const from = CHAIN_NAMES[connection.chainId] ?? `chain ${connection.chainId}`;
  return (
    <Notice tone="warning" state="wrong-chain">
      <p>{t("state.wrong-chain", { from, to: config.chain.name })}</p>
      <button
        type="button"
        class="plain"
        onClick={() => switchChain(connection.wallet, config).catch(ignoreRejection)}
      >
        {t("state.switch", { to: config.chain.name })}
      </button>
    </Notice>
  );
}

function ignoreRejection(error: unknown) {
  if (!isRejection(error)) throw error;
}
