import { at } from "@link-rewards/core/encoding/at";
import { type Address, concatBytes } from "@link-rewards/core/encoding/bytes";
import {
  type KeyRecovery,
  publicKeysAmong,
  SIGNERS_BYTES,
  type SignedRecords,
  type SignerRecovery,
} from "@link-rewards/core/signed/signers";
import { openBatcher } from "@link-rewards/host/batcher";

export type BatchRecoveryOptions = {
  /** Calls at a time: as many as keep all threads busy. */
  readonly calls: number;
  /** In one call. */
  readonly receipts: number;
};

/**
 * Has what came in many small requests recovered in few calls: handing a single receipt to another thread takes longer
 * than what it saves. For records of one domain and size, and one rule of what decides.
 */
export function batchRecovery(
  recover: SignerRecovery,
  { calls, receipts }: BatchRecoveryOptions,
): SignerRecovery {
  const batch = openBatcher<SignedRecords, Uint8Array>({
    sizeOf: countOf,
    most: receipts,
    runs: calls,
    async run(group) {
      const signers = await recover(joined(group));
      let from = 0;
      return group.map((signed) => {
        const to = from + countOf(signed) * SIGNERS_BYTES;
        const own = signers.subarray(from, to);
        from = to;
        return own;
      });
    },
  });
  return async (signed) => (signed.records.length === 0 ? new Uint8Array() : batch.add(signed));
}

/** The same for single signatures, such as a voucher's. */
export function batchKeyRecovery(
  keysOf: (
    signed: readonly { readonly digest: Uint8Array; readonly signature: Uint8Array }[],
  ) => Promise<readonly (Address | undefined)[]>,
  { calls, receipts }: BatchRecoveryOptions,
): KeyRecovery {
  const batch = openBatcher<{ digest: Uint8Array; signature: Uint8Array }, Address | undefined>({
    sizeOf: () => 1,
    most: receipts,
    runs: calls,
    run: keysOf,
  });
  return (digest, signature) => batch.add({ digest, signature });
}

function countOf({ records, recordBytes }: SignedRecords): number {
  return records.length / recordBytes;
}

function joined(group: readonly SignedRecords[]): SignedRecords {
  const { recordBytes, domain, deviceDecides } = at(group, 0);
  const known = group.map(({ digests }) => digests).filter((digests) => digests !== undefined);
  return {
    records: concatBytes(...group.map(({ records }) => records)),
    recordBytes,
    domain,
    deviceDecides,
    publicKeys: new Map(group.flatMap((each) => [...publicKeysAmong(each)])),
    // All or none: with one missing, every later digest would stand for another's record.
    digests: known.length === group.length ? concatBytes(...known) : undefined,
  };
}
