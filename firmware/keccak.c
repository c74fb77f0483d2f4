#include <string.h>

#include "link_rewards.h"

#define LANES 25
#define ROUNDS 24
/* 1,600 bits of state less twice 256. */
#define RATE_BYTES 136

static const uint64_t ROUND_CONSTANTS[ROUNDS] = {
    0x0000000000000001u, 0x0000000000008082u, 0x800000000000808au, 0x8000000080008000u,
    0x000000000000808bu, 0x0000000080000001u, 0x8000000080008081u, 0x8000000000008009u,
    0x000000000000008au, 0x0000000000000088u, 0x0000000080008009u, 0x000000008000000au,
    0x000000008000808bu, 0x800000000000008bu, 0x8000000000008089u, 0x8000000000008003u,
    0x8000000000008002u, 0x8000000000000080u, 0x000000000000800au, 0x800000008000000au,
    0x8000000080008081u, 0x8000000000008080u, 0x0000000080000001u, 0x8000000080008008u};

/* Of rho and pi together: where the lane goes, and by how much it is turned. */
static const uint8_t DESTINATIONS[LANES - 1] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                                15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
static const uint8_t TURNS[LANES - 1] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                         27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};

static uint64_t turn(uint64_t lane, unsigned by) { return (lane << by) | (lane >> (64 - by)); }

static void permute(uint64_t lanes[LANES]) {
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t columns[5];
    for (int x = 0; x < 5; x++)
      columns[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
    for (int x = 0; x < 5; x++) {
      uint64_t both = columns[(x + 4) % 5] ^ turn(columns[(x + 1) % 5], 1);
      for (int y = 0; y < LANES; y += 5) lanes[y + x] ^= both;
    }

    uint64_t moving = lanes[1];
    for (int i = 0; i < LANES - 1; i++) {
      uint64_t replaced = lanes[DESTINATIONS[i]];
      lanes[DESTINATIONS[i]] = turn(moving, TURNS[i]);
      moving = replaced;
    }

    for (int y = 0; y < LANES; y += 5) {
      uint64_t row[5];
      memcpy(row, lanes + y, sizeof row);
      for (int x = 0; x < 5; x++) lanes[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
    lanes[0] ^= ROUND_CONSTANTS[round];
  }
}

/* Byte by byte, so that the machine's own order of bytes does not matter. */
static void absorb(uint64_t lanes[LANES], size_t at, uint8_t byte) {
  lanes[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void lr_keccak256(uint8_t out[LR_HASH_BYTES], const void *in, size_t length) {
  const uint8_t *bytes = in;
  uint64_t lanes[LANES] = {0};
  size_t at = 0;
  for (size_t i = 0; i < length; i++) {
    absorb(lanes, at++, bytes[i]);
    if (at < RATE_BYTES) continue;
    permute(lanes);
    at = 0;
  }
  absorb(lanes, at, 0x01);
  absorb(lanes, RATE_BYTES - 1, 0x80);
  permute(lanes);
  for (size_t i = 0; i < LR_HASH_BYTES; i++) out[i] = (uint8_t)(lanes[i / 8] >> (8 * (i % 8)));
}
