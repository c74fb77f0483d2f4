#include "check.h"

const char *about = "";
unsigned long long about_number = 0;

/* tests.h is written by the runner: X(name) for each TEST(name) of these files. */
#define X(name) TEST(name);
#include "tests.h"
#undef X

static const struct {
  const char *name;
  void (*run)(void);
} TESTS[] = {
#define X(name) {#name, test_##name},
#include "tests.h"
#undef X
};

chance chance_of(uint64_t seed) {
  chance from = {seed * 0x9e3779b97f4a7c15u + 1};
  for (int i = 0; i < 4; i++) draw(&from, 2);
  return from;
}

uint32_t draw(chance *from, uint32_t below) {
  from->state ^= from->state >> 12;
  from->state ^= from->state << 25;
  from->state ^= from->state >> 27;
  return (uint32_t)((from->state * 0x2545f4914f6cdd1du) >> 32) % below;
}

int main(int count, char **arguments) {
  for (size_t i = 0; count == 2 && i < sizeof TESTS / sizeof *TESTS; i++) {
    if (strcmp(TESTS[i].name, arguments[1]) != 0) continue;
    TESTS[i].run();
    return 0;
  }
  fprintf(stderr, "usage: tests <name of a test>\n");
  return 3;
}
