import { printable } from "@link-rewards/host/printable";
import { formatEther } from "ethers";
import type { CustomerStatus, DeviceStatus } from "./status.ts";

const BYTES = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** What a person reads of a device's status. */
export function linesOf({
  device,
  epoch,
  account,
  worth,
  gateways,
  customers,
  receipts,
  leftOut,
}: DeviceStatus): readonly string[] {
  const connected = gateways.filter(({ state }) => state === "connected");
  const waiting = gateways.filter(({ state }) => state !== "connected");
  const lines = [
    `device ${device}, epoch ${epoch}`,
    ...(account === undefined ? [] : [account ? `earns for ${account}` : "earns for nobody"]),
    ...(worth === undefined ? [] : [`signed in this epoch: worth ${formatEther(worth)} LTK`]),
    "",
    `connected to ${connected.length} gateways`,
    ...connected.map(
      ({ customer, url, roundTrip }) =>
        `  ${url} of ${customer}${roundTrip === undefined ? "" : `, ${Math.round(roundTrip)} ms`}`,
    ),
    ...(waiting.length === 0 ? [] : ["", `not connected to ${waiting.length}`]),
    ...waiting.map(
      ({ customer, url, reason }) => `  ${url} of ${customer}: ${reason ?? "being dialled"}`,
    ),
    ...(customers.length === 0 ? [] : ["", "customers"]),
    ...customers.flatMap(customerLines),
    ...(receipts.length === 0 ? [] : ["", "receipts"]),
    ...receipts.map(
      (each) =>
        `  epoch ${each.epoch}, ${each.customer}: ${BYTES.format(BigInt(each.egressBytes))}B sent, ` +
        `${BYTES.format(BigInt(each.storageByteSeconds))}B·s kept, ${each.computeMilliseconds} ms computed; ` +
        `${each.fate}${each.member ? ` by ${each.member}` : ""}${each.refusal ? `: ${each.refusal}: ${each.message}` : ""}`,
    ),
    ...(leftOut.length === 0 ? [] : ["", "left out of final reports, though acknowledged"]),
    ...leftOut.map((each) => `  epoch ${each.epoch}, ${each.customer}, by ${each.member}`),
  ];
  return lines.map(printable);
}

function customerLines({
  customer,
  exposed,
  allowed,
  epochs,
  paid,
  refusal,
  message,
}: CustomerStatus): readonly string[] {
  const each = epochs.filter(({ worth }) => worth !== "0");
  const uncounted = each.filter(({ state }) => state !== "open");
  return [
    `  ${customer}: ${formatEther(exposed)} of ${formatEther(allowed)} LTK that it may owe`,
    ...each.map(
      ({ epoch, worth, state }) =>
        `    epoch ${epoch}: ${formatEther(worth)} LTK ${state === "open" ? "not final" : "not paid"}`,
    ),
    ...(paid === undefined
      ? []
      : [
          `    epoch ${paid.epoch}, the last final one: it paid ${formatEther(paid.paid)} LTK, ` +
            `${paid.isWhole ? "for all" : "not for all"} that it was served${paid.by === "oracles" ? ", as most oracles say" : ""}`,
        ]),
    ...(refusal === undefined ? [] : [`    not served: ${refusal}: ${message}`]),
    ...(uncounted.length === 0 ? [] : ["    link-node forgive lets go of what was not paid"]),
  ];
}
