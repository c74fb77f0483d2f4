#include "check.h"

/* Bytes in memory of exactly their size, so that the sanitizer sees a byte too many that is read. */
static uint8_t *exactly(const void *bytes, size_t length) {
  uint8_t *copy = malloc(length > 0 ? length : 1);
  CHECK(copy != NULL);
  if (length > 0) memcpy(copy, bytes, length);
  return copy;
}

typedef struct {
  int draft, signed_receipt, terms, answer;
} read_as;

/* All that may come over HTTP, read as everything it may be. */
static read_as read_all(const void *json, size_t length, unsigned status) {
  uint8_t draft[LR_DRAFT_BYTES], signed_receipt[LR_SIGNED_RECEIPT_BYTES];
  uint8_t *copy = exactly(json, length);
  lr_terms terms;
  lr_answer answer;
  read_as is;
  is.draft = lr_read_draft(draft, copy, length);
  is.signed_receipt = lr_read_signed_receipt(signed_receipt, copy, length);
  is.terms = lr_read_terms(&terms, copy, length);
  is.answer = lr_read_answer(&answer, status, copy, length);
  if (is.signed_receipt) {
    uint8_t again[LR_SIGNED_RECEIPT_BYTES];
    char text[LR_SIGNED_RECEIPT_JSON_BYTES];
    size_t written = lr_signed_receipt_to_json(text, sizeof text, signed_receipt);
    CHECK(written > 0 && lr_read_signed_receipt(again, text, written));
    CHECK_BYTES_EQUAL(again, signed_receipt, sizeof again);
    CHECK_BYTES_EQUAL(draft, signed_receipt, sizeof draft);
  }
  if (is.terms) CHECK(terms.first_open <= terms.last_open);
  if (is.answer) CHECK(answer.refusal <= LR_WRONG_VERSION);
  free(copy);
  return is;
}

#define DEVICE "\"0x1111111111111111111111111111111111111111\""
#define CUSTOMER "\"0x2222222222222222222222222222222222222222\""
#define HASH "\"0x" HEX32 "\""
#define SIGNATURE "\"0x" HEX32 HEX32 "\""
#define HEX32 HEX16 HEX16
#define HEX16 "00112233445566778899aAbBcCdDeEfF"

#define SIGNED(epoch, sequence, egress, storage, compute, more)                         \
  "{\"receipt\":{\"device\":" DEVICE ",\"customer\":" CUSTOMER ",\"epoch\":" epoch        \
  ",\"sequence\":" sequence ",\"egressBytes\":" egress ",\"storageByteSeconds\":" storage \
  ",\"computeMilliseconds\":" compute more                                                \
  "},\"customerSignature\":" SIGNATURE ",\"deviceSignature\":" SIGNATURE "}"
#define GOOD SIGNED("1", "2", "\"3\"", "\"4\"", "\"5\"", "")
#define TERMS(chain, epochs)                                                            \
  "{\"chainId\":" chain ",\"registry\":" DEVICE ",\"member\":" CUSTOMER ",\"now\":1700000000," \
  "\"epochs\":" epochs "}"
#define WORD(receipts, stored)                                                    \
  "{\"root\":" HASH ",\"receipts\":" receipts ",\"storedAt\":" stored                \
  ",\"signature\":" SIGNATURE ",\"member\":" CUSTOMER "}"
#define ACKNOWLEDGED                                                                       \
  "{\"results\":[{\"status\":\"accepted\",\"digest\":" HASH ",\"warnings\":[]}]," \
  "\"acknowledgement\":" WORD("1", "\"1700000000\"") "}"
#define REFUSED(refusal, more)                                                              \
  "{\"results\":[{\"status\":\"refused\",\"refusal\":\"" refusal "\",\"message\":\"so \\u00e4\"" \
  more "}]}"

static int is_receipt(const char *json) { return read_all(json, strlen(json), 200).signed_receipt; }
static int is_terms(const char *json) { return read_all(json, strlen(json), 200).terms; }
static int is_answer(unsigned status, const char *json) {
  return read_all(json, strlen(json), status).answer;
}

TEST(reads_numbers_up_to_their_limits_and_not_past_them) {
  CHECK(is_receipt(GOOD));
  CHECK(is_receipt(SIGNED("4294967295", "4294967295", "\"18446744073709551615\"",
                          "\"79228162514264337593543950335\"", "\"18446744073709551615\"", "")));
  CHECK(is_receipt(SIGNED("0", "0", "\"0\"", "\"0\"", "\"0\"", "")));
  CHECK(!is_receipt(SIGNED("4294967296", "2", "\"3\"", "\"4\"", "\"5\"", "")));
  CHECK(!is_receipt(SIGNED("1", "4294967296", "\"3\"", "\"4\"", "\"5\"", "")));
  CHECK(!is_receipt(SIGNED("1", "18446744073709551617", "\"3\"", "\"4\"", "\"5\"", "")));
  CHECK(!is_receipt(SIGNED("1", "2", "\"18446744073709551616\"", "\"4\"", "\"5\"", "")));
  CHECK(!is_receipt(SIGNED("1", "2", "\"3\"", "\"79228162514264337593543950336\"", "\"5\"", "")));
  CHECK(!is_receipt(SIGNED("1", "2", "\"3\"", "\"4\"", "\"18446744073709551616\"", "")));
  CHECK(!is_receipt(
      SIGNED("1", "2", "\"3\"", "\"4\"", "\"99999999999999999999999999999999999999999\"", "")));
}

TEST(reads_numbers_in_their_one_spelling) {
  static const char *const others[] = {
      SIGNED("01", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("-1", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("1.0", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("1e0", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("\"1\"", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("null", "2", "\"3\"", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "3", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "\"03\"", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "\"\"", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "\"+3\"", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "\" 3\"", "\"4\"", "\"5\"", ""),
      SIGNED("1", "2", "\"\\u0033\"", "\"4\"", "\"5\"", ""),
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    about = others[i];
    CHECK(!is_receipt(others[i]));
  }
}

TEST(reads_a_receipt_of_its_seven_fields_once_each) {
  CHECK(!is_receipt(SIGNED("1", "2", "\"3\"", "\"4\"", "\"5\"", ",\"more\":1")));
  CHECK(!is_receipt(SIGNED("1", "2", "\"3\"", "\"4\"", "\"5\"", ",\"epoch\":1")));
  CHECK(!is_receipt("{}"));
  CHECK(!is_receipt("[]"));
  CHECK(!is_receipt("null"));
  CHECK(!is_receipt("{\"receipt\":[],\"customerSignature\":" SIGNATURE "}"));
  CHECK(!is_receipt("{\"receipt\":{},\"customerSignature\":" SIGNATURE "}"));
  CHECK(is_receipt(" \r\n\t" GOOD " \n"));
  CHECK(!is_receipt(GOOD "x"));
  CHECK(!is_receipt(GOOD GOOD));
}

TEST(reads_no_hex_of_another_length) {
  CHECK(is_terms("{\"chainId\":1,\"registry\":" DEVICE ",\"epochs\":[]}"));
  CHECK(!is_terms("{\"chainId\":1,\"registry\":\"0x\",\"epochs\":[]}"));
  CHECK(!is_terms("{\"chainId\":1,\"registry\":\"\",\"epochs\":[]}"));
  CHECK(!is_terms("{\"chainId\":1,\"registry\":" HASH ",\"epochs\":[]}"));
  CHECK(!is_terms("{\"chainId\":1,\"registry\":\"1x1111111111111111111111111111111111111111\","
                  "\"epochs\":[]}"));
  CHECK(!is_terms("{\"chainId\":1,\"registry\":\"0x111111111111111111111111111111111111111g\","
                  "\"epochs\":[]}"));
}

TEST(reads_which_epochs_are_open) {
  static const char json[] = TERMS("31337", "[{\"epoch\":7,\"endsAt\":1},{\"epoch\":6}]");
  lr_terms terms;
  CHECK(lr_read_terms(&terms, json, sizeof json - 1));
  CHECK(terms.chain_id == 31337 && terms.first_open == 6 && terms.last_open == 7);
  CHECK(terms.registry[0] == 0x11 && terms.registry[19] == 0x11);
  CHECK(lr_read_terms(&terms, TERMS("1", "[ ]"), strlen(TERMS("1", "[ ]"))));
  CHECK(terms.first_open == 0 && terms.last_open == 0);
  CHECK(is_terms(TERMS("9007199254740991", "[{\"epoch\":4294967295}]")));
  CHECK(!is_terms(TERMS("9007199254740992", "[]")));
  CHECK(!is_terms(TERMS("1", "[{\"epoch\":0}]")));
  CHECK(!is_terms(TERMS("1", "[{\"epoch\":4294967296}]")));
  CHECK(!is_terms(TERMS("1", "[{}]")));
  CHECK(!is_terms(TERMS("1", "[1]")));
  CHECK(!is_terms(TERMS("1", "{\"epoch\":1}")));
  CHECK(!is_terms(TERMS("1,\"chainId\":1", "[]")));
  CHECK(!is_terms(TERMS("1", "[{\"epoch\":1,\"epoch\":1}]")));
}

TEST(tells_acknowledgements_refusals_and_nonsense_apart) {
  lr_answer answer;
  CHECK(is_answer(200, ACKNOWLEDGED));
  CHECK(!is_answer(500, ACKNOWLEDGED));
  CHECK(!is_answer(400, ACKNOWLEDGED));
  CHECK(!is_answer(204, ACKNOWLEDGED));
  CHECK(!is_answer(200, "{\"results\":[{\"status\":\"accepted\"}]}"));
  CHECK(!is_answer(200, "{\"results\":[],\"acknowledgement\":" WORD("1", "\"1\"") "}"));
  CHECK(!is_answer(200, "{\"results\":{},\"acknowledgement\":" WORD("1", "\"1\"") "}"));
  CHECK(is_answer(200, "{\"results\":[{\"status\":\"known\"}],\"acknowledgement\":" WORD(
                           "4294967295", "\"18446744073709551615\"") "}"));
  CHECK(!is_answer(200, "{\"results\":[{\"status\":\"known\"}],\"acknowledgement\":" WORD(
                            "4294967296", "\"1\"") "}"));
  CHECK(!is_answer(200, "{\"results\":[{\"status\":\"known\"}],\"acknowledgement\":" WORD(
                            "1", "\"18446744073709551616\"") "}"));
  CHECK(!is_answer(200, "{\"results\":[{\"status\":\"kept\"}],\"acknowledgement\":" WORD(
                            "1", "\"1\"") "}"));

  CHECK(is_answer(200, REFUSED("implausible", "")));
  CHECK(!is_answer(200, REFUSED("no-such-word", "")));
  CHECK(!is_answer(200, REFUSED("", "")));
  CHECK(!is_answer(200, REFUSED("totals-short", "")));
  CHECK(is_answer(413, "{\"refusal\":\"too-large\",\"message\":\"\"}"));
  CHECK(is_answer(503, "{\"refusal\":\"busy\",\"message\":\"\"}"));
  CHECK(!is_answer(503, "{\"refusal\":\"implausible\",\"message\":\"\"}"));
  CHECK(!is_answer(500, "{\"message\":\"a thread ended\"}"));
  CHECK(!is_answer(302, "{\"refusal\":\"implausible\"}"));
  CHECK(!is_answer(0, ""));

  CHECK(lr_read_answer(&answer, 200, REFUSED("stale", ",\"head\":" GOOD),
                       strlen(REFUSED("stale", ",\"head\":" GOOD))));
  CHECK(answer.refusal == LR_STALE && answer.has_head);
  CHECK(lr_read_uint32(answer.head + LR_SEQUENCE_AT) == 2);
  CHECK(lr_read_answer(&answer, 200, REFUSED("stale", ",\"head\":7"),
                       strlen(REFUSED("stale", ",\"head\":7"))));
  CHECK(!answer.has_head);
}

TEST(refuses_json_that_is_nested_too_deep) {
  char json[400];
  for (int deep = 1; deep < 100; deep++) {
    int length = snprintf(json, sizeof json, "{\"refusal\":\"stale\",\"open\":");
    for (int i = 1; i < deep; i++) json[length++] = '[';
    json[length++] = '0';
    for (int i = 1; i < deep; i++) json[length++] = ']';
    json[length++] = '}';
    about_number = (unsigned long long)deep;
    CHECK(read_all(json, (size_t)length, 400).answer == (deep <= LR_JSON_MAX_DEPTH));
  }
}

static const char *const SEEDS[] = {
    GOOD,
    TERMS("31337", "[{\"epoch\":7,\"endsAt\":1,\"sealTime\":-1.5e+3},{\"epoch\":6,\"x\":true}]"),
    ACKNOWLEDGED,
    REFUSED("stale", ",\"head\":" GOOD),
    REFUSED("epoch-closed", ",\"open\":[{\"epoch\":1,\"endsAt\":null}],\"x\":\"\\\"\\\\\\n\""),
    "{\"refusal\":\"busy\",\"message\":\"\"}",
};
#define SEED_COUNT (sizeof SEEDS / sizeof *SEEDS)

TEST(refuses_every_beginning_of_what_it_reads) {
  for (size_t i = 0; i < SEED_COUNT; i++) {
    size_t length = strlen(SEEDS[i]);
    about = SEEDS[i];
    for (size_t cut = 0; cut < length; cut++) {
      read_as is = read_all(SEEDS[i], cut, 200);
      about_number = cut;
      CHECK(!is.draft && !is.signed_receipt && !is.terms && !is.answer);
    }
  }
}

#define MOST_FUZZED 4096

/* Changes one thing, as it may go wrong or be made to: a bit, a byte, a part that is gone or twice. */
static size_t mutate(chance *from, uint8_t *json, size_t length) {
  static const char *const tokens[] = {"{",    "}",  "[",    "]",      "\"", ",",  ":",   "\\",
                                       "\\u0", "0x", "null", "999999", "-",  "e9", "1.", "\x7f"};
  uint32_t at = draw(from, (uint32_t)length + 1), size = 1 + draw(from, 40);
  const char *token = tokens[draw(from, 16)];
  size_t part = strlen(token);
  switch (draw(from, 5)) {
    case 0:
      if (at < length) json[at] ^= (uint8_t)(1u << draw(from, 8));
      return length;
    case 1:
      if (at < length) json[at] = (uint8_t)draw(from, 256);
      return length;
    case 2:
      if (at + size > length) return at;
      memmove(json + at, json + at + size, length - at - size);
      return length - size;
    case 3:
      if (at + size > length || length + size > MOST_FUZZED) return length;
      memmove(json + at + size, json + at, length - at);
      return length + size;
    default:
      if (length + part > MOST_FUZZED) return length;
      memmove(json + at + part, json + at, length - at);
      memcpy(json + at, token, part);
      return length + part;
  }
}

TEST(survives_whatever_comes_over_http) {
  static const unsigned statuses[] = {0, 200, 400, 500, 503, UINT32_MAX};
  uint8_t json[MOST_FUZZED];
  for (uint64_t seed = 1; seed <= 20000; seed++) {
    chance from = chance_of(seed);
    const char *start = SEEDS[draw(&from, SEED_COUNT)];
    size_t length = strlen(start);
    about = "seed";
    about_number = seed;
    memcpy(json, start, length);
    for (uint32_t changes = 1 + draw(&from, 6); changes > 0; changes--) {
      length = mutate(&from, json, length);
      read_all(json, length, statuses[draw(&from, 6)]);
    }
  }
}

TEST(survives_noise) {
  uint8_t noise[256];
  for (uint64_t seed = 1; seed <= 20000; seed++) {
    chance from = chance_of(seed);
    uint32_t length = draw(&from, sizeof noise);
    /* Of the characters that JSON is made of: other bytes end at once. */
    static const char alphabet[] = "{}[]\":,\\ 0123456789eE+-.truefalsnu\n";
    for (uint32_t i = 0; i < length; i++)
      noise[i] = (uint8_t)alphabet[draw(&from, sizeof alphabet - 1)];
    about = "seed";
    about_number = seed;
    read_all(noise, length, 200);
  }
}

TEST(waits_longer_after_each_failure_up_to_a_minute) {
  CHECK(lr_backoff_milliseconds(0, 0) == 1000);
  CHECK(lr_backoff_milliseconds(1, 0) == 1000);
  CHECK(lr_backoff_milliseconds(2, 0) == 2000);
  CHECK(lr_backoff_milliseconds(6, 0) == 32000);
  CHECK(lr_backoff_milliseconds(7, 0) == 60000);
  CHECK(lr_backoff_milliseconds(UINT32_MAX, 0) == 60000);
  CHECK(lr_backoff_milliseconds(1, 999) == 1999);
  CHECK(lr_backoff_milliseconds(1, 1000) == 1000);
  for (uint64_t seed = 1; seed <= 1000; seed++) {
    chance from = chance_of(seed);
    uint32_t wait = lr_backoff_milliseconds(draw(&from, UINT32_MAX), draw(&from, UINT32_MAX));
    CHECK(wait >= 1000 && wait < 120000);
  }
}
