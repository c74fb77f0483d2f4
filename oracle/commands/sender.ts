import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Chain } from "@link-rewards/host/chain/chain";
import { openJournal } from "@link-rewards/host/journal";
import { type KeyFiles, openSigner, type Signer } from "@link-rewards/host/keys";
import type { Log } from "@link-rewards/host/log";
import { feeCeilingOption, journalOption, keyOptions } from "@link-rewards/host/options";
import {
  createSender,
  type Sender,
  type TransactionJournal,
} from "@link-rewards/host/transactions";
import type { Oracle } from "../member/oracle.ts";

/** The options of an outsider's command that sends. */
export type SenderOptions = KeyFiles & {
  readonly journal?: string | undefined;
  readonly maxFee: bigint;
};

export type OpenSender = {
  readonly address: Address;
  connect(chain: Chain): Sender;
};

/** In the order of the help. */
export function senderOptions() {
  const { keystore, passwordFile, keyFile } = keyOptions();
  return {
    keystore,
    passwordFile,
    keyFile,
    journal: journalOption(),
    maxFee: feeCeilingOption(),
  };
}

/** The key and the journal are opened before the chain is asked for anything. */
export async function openSender(options: SenderOptions): Promise<OpenSender> {
  const signer = await openSigner(options);
  const journal = await journalOf(options);
  return {
    address: signer.address,
    connect: ({ provider, finalized }) =>
      createSender({
        ...{ provider, wallet: signer.wallet(provider), journal, finalized },
        feeCeiling: options.maxFee,
        onEvent: (event, { purpose, ...details }) => {
          if (event !== "transaction sent")
            process.stderr.write(`${purpose}: ${event} ${JSON.stringify(details)}\n`);
        },
      }),
  };
}

/** For commands that only show what they would send when no key is given. */
export async function openSenderIfKey(options: SenderOptions): Promise<OpenSender | undefined> {
  const hasKey = options.keyFile !== undefined || options.keystore !== undefined;
  return hasKey ? openSender(options) : undefined;
}

async function journalOf({
  journal,
  keyFile,
  keystore,
}: SenderOptions): Promise<TransactionJournal> {
  const file = journal ?? `${keyFile ?? keystore}.journal`;
  try {
    return await openJournal(file);
  } catch (cause) {
    throw new Error(
      `what is sent cannot be kept in ${file}: ${(cause as Error).message}; name another file with --journal`,
      { cause },
    );
  }
}

/** A member's: what it sends is kept in its store. `signer` pays. */
export function memberSender(
  { chain: { provider, finalized }, store }: Oracle,
  signer: Signer,
  { log, maxFee }: { readonly log: Log; readonly maxFee: bigint },
): Sender {
  return createSender({
    ...{ provider, finalized, wallet: signer.wallet(provider), journal: store },
    feeCeiling: maxFee,
    onEvent: (event, details) => log.info(details, event),
  });
}
