#include <string.h>

#include "link_rewards.h"

uint32_t lr_read_uint32(const uint8_t in[4]) {
  return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t lr_read_uint64(const uint8_t in[8]) {
  return (uint64_t)lr_read_uint32(in) << 32 | lr_read_uint32(in + 4);
}

void lr_write_uint32(uint8_t out[4], uint32_t value) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void lr_write_uint64(uint8_t out[8], uint64_t value) {
  lr_write_uint32(out, (uint32_t)(value >> 32));
  lr_write_uint32(out + 4, (uint32_t)value);
}

void lr_pack_receipt(uint8_t out[LR_RECEIPT_BYTES], const lr_receipt *receipt) {
  uint8_t *amounts = out + LR_AMOUNTS_AT;
  memcpy(out + LR_DEVICE_AT, receipt->device, LR_ADDRESS_BYTES);
  memcpy(out + LR_CUSTOMER_AT, receipt->customer, LR_ADDRESS_BYTES);
  lr_write_uint32(out + LR_EPOCH_AT, receipt->epoch);
  lr_write_uint32(out + LR_SEQUENCE_AT, receipt->sequence);
  lr_write_uint64(amounts, receipt->egress_bytes);
  lr_write_uint32(amounts + 8, receipt->storage_byte_seconds.high);
  lr_write_uint64(amounts + 12, receipt->storage_byte_seconds.low);
  lr_write_uint64(amounts + 20, receipt->compute_milliseconds);
}

void lr_unpack_receipt(lr_receipt *out, const uint8_t receipt[LR_RECEIPT_BYTES]) {
  const uint8_t *amounts = receipt + LR_AMOUNTS_AT;
  memcpy(out->device, receipt + LR_DEVICE_AT, LR_ADDRESS_BYTES);
  memcpy(out->customer, receipt + LR_CUSTOMER_AT, LR_ADDRESS_BYTES);
  out->epoch = lr_read_uint32(receipt + LR_EPOCH_AT);
  out->sequence = lr_read_uint32(receipt + LR_SEQUENCE_AT);
  out->egress_bytes = lr_read_uint64(amounts);
  out->storage_byte_seconds.high = lr_read_uint32(amounts + 8);
  out->storage_byte_seconds.low = lr_read_uint64(amounts + 12);
  out->compute_milliseconds = lr_read_uint64(amounts + 20);
}

void lr_pack_header(uint8_t out[LR_PACKED_HEADER_BYTES], uint64_t chain_id,
                    const uint8_t registry[LR_ADDRESS_BYTES]) {
  lr_write_uint32(out, LR_PACKED_VERSION);
  lr_write_uint64(out + 4, chain_id);
  memcpy(out + 12, registry, LR_ADDRESS_BYTES);
}
