#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_rewards.h"

/* A test: its name is its sentence. The runner finds it by this word and calls it by its name. */
#define TEST(name) void test_##name(void)

/* What else there is to say of a failure: a vector's name, a seed. */
extern const char *about;
extern unsigned long long about_number;

#define CHECK(condition)                                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      fprintf(stderr, "%s:%d: %s (%s %llu)\n", __FILE__, __LINE__, #condition, about,          \
              about_number);                                                                   \
      exit(1);                                                                                 \
    }                                                                                          \
  } while (0)

#define CHECK_BYTES_EQUAL(a, b, length) CHECK(memcmp((a), (b), (length)) == 0)

/* xorshift64*: the same numbers for the same seed, on every machine. */
typedef struct {
  uint64_t state;
} chance;

chance chance_of(uint64_t seed);
uint32_t draw(chance *from, uint32_t below);

#endif
