#include <string.h>

#include "link_rewards.h"

#define BLOCK_BYTES 64
#define ROUNDS 64
/* Where the length in bits stands in the last block. */
#define LENGTH_AT 56

static const uint32_t ROUND_CONSTANTS[ROUNDS] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u,
    0xab1c5ed5u, 0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu,
    0x9bdc06a7u, 0xc19bf174u, 0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu,
    0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau, 0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u,
    0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u, 0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu,
    0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u, 0xa2bfe8a1u, 0xa81a664bu,
    0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u, 0x19a4c116u,
    0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u,
    0xc67178f2u};

static uint32_t turn(uint32_t word, unsigned by) { return (word >> by) | (word << (32 - by)); }

static void compress(uint32_t state[8], const uint8_t block[BLOCK_BYTES]) {
  uint32_t schedule[ROUNDS], s[8];
  for (int i = 0; i < 16; i++) schedule[i] = lr_read_uint32(block + 4 * i);
  for (int i = 16; i < ROUNDS; i++) {
    uint32_t a = schedule[i - 15], b = schedule[i - 2];
    schedule[i] = schedule[i - 16] + schedule[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ (a >> 3)) +
                  (turn(b, 17) ^ turn(b, 19) ^ (b >> 10));
  }
  memcpy(s, state, sizeof s);
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t first = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) +
                     ((s[4] & s[5]) ^ (~s[4] & s[6])) + ROUND_CONSTANTS[i] + schedule[i];
    uint32_t second = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += first;
    s[0] = first + second;
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

void lr_sha256(uint8_t out[LR_HASH_BYTES], const void *in, size_t length) {
  const uint8_t *bytes = in;
  uint32_t state[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                       0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  uint8_t block[BLOCK_BYTES];
  size_t left = length;
  for (; left >= BLOCK_BYTES; left -= BLOCK_BYTES, bytes += BLOCK_BYTES) compress(state, bytes);

  memset(block, 0, sizeof block);
  if (left > 0) memcpy(block, bytes, left);
  block[left] = 0x80;
  if (left >= LENGTH_AT) {
    compress(state, block);
    memset(block, 0, sizeof block);
  }
  lr_write_uint64(block + LENGTH_AT, (uint64_t)length * 8);
  compress(state, block);
  for (int i = 0; i < 8; i++) lr_write_uint32(out + 4 * i, state[i]);
}
