#include <string.h>

#include "link_rewards.h"

#define NUMBER_BYTES 32
#define PARITY_BIT 0x80

typedef struct {
  uint8_t order[NUMBER_BYTES];
  /* Rounded down: the highest s that is low. */
  uint8_t half[NUMBER_BYTES];
} curve;

static const curve SECP256K1 = {
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
     0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41},
    {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0}};
static const curve P256 = {
    {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51},
    {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8}};

static const curve *curve_of(lr_key_type type) { return type == LR_P256 ? &P256 : &SECP256K1; }

/* Signatures are public: nothing here has to take the same time for each. */
static int is_between_zero_and(const uint8_t *number, const uint8_t *bound) {
  static const uint8_t zero[NUMBER_BYTES] = {0};
  return memcmp(number, zero, NUMBER_BYTES) > 0 && memcmp(number, bound, NUMBER_BYTES) < 0;
}

static void negate(uint8_t *s, const uint8_t *order) {
  int borrow = 0;
  for (int i = NUMBER_BYTES - 1; i >= 0; i--) {
    int digit = order[i] - s[i] - borrow;
    borrow = digit < 0;
    s[i] = (uint8_t)(digit + 256 * borrow);
  }
}

int lr_compact_signature(uint8_t signature[LR_SIGNATURE_BYTES], lr_key_type type, int y_parity) {
  const curve *on = curve_of(type);
  uint8_t *s = signature + NUMBER_BYTES;
  if (!is_between_zero_and(signature, on->order) || !is_between_zero_and(s, on->order)) return 0;
  if (memcmp(s, on->half, NUMBER_BYTES) > 0) {
    negate(s, on->order);
    y_parity = !y_parity;
  }
  if (type == LR_SECP256K1 && y_parity) s[0] |= PARITY_BIT;
  return 1;
}

int lr_is_signature(const uint8_t signature[LR_SIGNATURE_BYTES], lr_key_type type) {
  const curve *on = curve_of(type);
  uint8_t rs[LR_SIGNATURE_BYTES];
  int y_parity;
  memcpy(rs, signature, sizeof rs);
  if (type == LR_SECP256K1) lr_expand_signature(rs, &y_parity, signature);
  return is_between_zero_and(rs, on->order) &&
         is_between_zero_and(rs + NUMBER_BYTES, on->order) &&
         memcmp(rs + NUMBER_BYTES, on->half, NUMBER_BYTES) <= 0;
}

void lr_expand_signature(uint8_t rs[LR_SIGNATURE_BYTES], int *y_parity,
                         const uint8_t signature[LR_SIGNATURE_BYTES]) {
  memmove(rs, signature, LR_SIGNATURE_BYTES);
  *y_parity = (rs[NUMBER_BYTES] & PARITY_BIT) != 0;
  rs[NUMBER_BYTES] &= (uint8_t)~PARITY_BIT;
}

void lr_signed_hash(uint8_t out[LR_HASH_BYTES], lr_key_type type,
                    const uint8_t digest[LR_HASH_BYTES]) {
  if (type == LR_P256) lr_sha256(out, digest, LR_HASH_BYTES);
  else memmove(out, digest, LR_HASH_BYTES);
}

void lr_address(uint8_t out[LR_ADDRESS_BYTES], const uint8_t public_key[LR_PUBLIC_KEY_BYTES]) {
  uint8_t hash[LR_HASH_BYTES];
  lr_keccak256(hash, public_key, LR_PUBLIC_KEY_BYTES);
  memcpy(out, hash + LR_HASH_BYTES - LR_ADDRESS_BYTES, LR_ADDRESS_BYTES);
}
