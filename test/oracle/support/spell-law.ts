import { accountBoundAt, deviceAddress, publicKeyAt } from "@link-rewards/core/law/devices";
import { accountAt, accountCount, type Law } from "@link-rewards/core/law/law";

/** All that a law says, without the room that its columns have and the chance that is in it. */
export function spellLaw({ devices, accounts, ...rest }: Law): unknown {
  const law = { devices, accounts, ...rest };
  const epochs = [0, 1, 2, 3, 4, 5, 1_000];
  return {
    ...rest,
    devices: Array.from({ length: devices.addresses.count }, (_, device) => ({
      address: deviceAddress(devices, device),
      class: devices.classes[device],
      publicKey: publicKeyAt(devices, device),
      accounts: epochs.map((epoch) => accountBoundAt(devices, device, epoch)),
      revoked: devices.revoked.get(device),
    })),
    accounts: Array.from({ length: accountCount(law) }, (_, index) => [
      accountAt(law, index),
      accounts.fromEpochs[index],
    ]),
  };
}
