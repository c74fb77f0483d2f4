import { addressOf } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { keyOf } from "../world.ts";

/** Whom devices and gateway of the bench belong to. */
export const CUSTOMER = addressOf(keyOf("customer"));
export const DOMAIN = domainSeparator(31_337, addressOf(keyOf("registry")));
export const EPOCH = 1;
