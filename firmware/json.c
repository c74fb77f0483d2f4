#include "json.h"

#include <string.h>

#include "link_rewards.h"

/* Each of these takes where it begins and returns where it ends, NULL when it is not what it should be. */

static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end, unsigned depth);

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static int hex_digit(uint8_t byte) {
  if (is_digit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

static const uint8_t *skip_space(const uint8_t *at, const uint8_t *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

static const uint8_t *skip_word(const uint8_t *at, const uint8_t *end, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(end - at) < length || memcmp(at, word, length) != 0) return NULL;
  return at + length;
}

static const uint8_t *skip_escape(const uint8_t *at, const uint8_t *end) {
  if (at == end) return NULL;
  if (*at != 'u') return memchr("\"\\/bfnrt", *at, 8) ? at + 1 : NULL;
  at++;
  for (int i = 0; i < 4; i++, at++) {
    if (at == end || hex_digit(*at) < 0) return NULL;
  }
  return at;
}

static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end) {
  if (at == end || *at != '"') return NULL;
  at++;
  while (at != NULL && at < end) {
    if (*at == '"') return at + 1;
    if (*at < 0x20) return NULL;
    at = *at == '\\' ? skip_escape(at + 1, end) : at + 1;
  }
  return NULL;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end) {
  if (at == end || !is_digit(*at)) return NULL;
  while (at < end && is_digit(*at)) at++;
  return at;
}

static const uint8_t *skip_number(const uint8_t *at, const uint8_t *end) {
  if (at < end && *at == '-') at++;
  if (at < end && *at == '0') at++;
  else at = skip_digits(at, end);
  if (at != NULL && at < end && *at == '.') at = skip_digits(at + 1, end);
  if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    at = skip_digits(at, end);
  }
  return at;
}

/* The name of a field and the colon after it. */
static const uint8_t *skip_name(const uint8_t *at, const uint8_t *end) {
  at = skip_string(at, end);
  if (at == NULL) return NULL;
  at = skip_space(at, end);
  if (at == end || *at != ':') return NULL;
  return skip_space(at + 1, end);
}

/* A list or an object, from its bracket on. */
static const uint8_t *skip_items(const uint8_t *at, const uint8_t *end, unsigned depth) {
  int is_object = *at == '{';
  uint8_t closing = is_object ? '}' : ']';
  if (depth == LR_JSON_MAX_DEPTH) return NULL;
  at = skip_space(at + 1, end);
  if (at < end && *at == closing) return at + 1;
  for (;;) {
    if (is_object) at = skip_name(at, end);
    if (at != NULL) at = skip_value(at, end, depth + 1);
    if (at == NULL) return NULL;
    at = skip_space(at, end);
    if (at == end) return NULL;
    if (*at == closing) return at + 1;
    if (*at != ',') return NULL;
    at = skip_space(at + 1, end);
  }
}

static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end, unsigned depth) {
  if (at == end) return NULL;
  switch (*at) {
    case '{':
    case '[': return skip_items(at, end, depth);
    case '"': return skip_string(at, end);
    case 't': return skip_word(at, end, "true");
    case 'f': return skip_word(at, end, "false");
    case 'n': return skip_word(at, end, "null");
    default: return skip_number(at, end);
  }
}

int json_parse(json_value *out, const void *text, size_t length) {
  const uint8_t *at = text, *end, *after;
  if (length == 0) return 0;
  end = at + length;
  at = skip_space(at, end);
  after = skip_value(at, end, 0);
  if (after == NULL || skip_space(after, end) != end) return 0;
  out->at = at;
  out->length = (size_t)(after - at);
  return 1;
}

/*
 * Steps through what is known to be a list or an object: `*at` is behind its bracket at first.
 * `name` is NULL for a list.
 */
static int next_item(const uint8_t **at, const uint8_t *end, json_value *name, json_value *value) {
  const uint8_t *start = skip_space(*at, end);
  if (start == end) return 0;
  if (*start == ',') start = skip_space(start + 1, end);
  if (*start == '}' || *start == ']') return 0;
  if (name != NULL) {
    name->at = start;
    name->length = (size_t)(skip_string(start, end) - start);
    start = skip_name(start, end);
  }
  *at = skip_value(start, end, 0);
  if (*at == NULL) return 0;
  value->at = start;
  value->length = (size_t)(*at - start);
  return 1;
}

int json_is(json_value value, const char *text) {
  size_t length = strlen(text);
  return value.length == length + 2 && *value.at == '"' && memcmp(value.at + 1, text, length) == 0;
}

int json_get(json_value *out, json_value object, const char *name) {
  const uint8_t *at = object.at + 1, *end = object.at + object.length;
  json_value key, value;
  int found = 0;
  if (*object.at != '{') return 0;
  while (next_item(&at, end, &key, &value)) {
    if (!json_is(key, name)) continue;
    *out = value;
    found++;
  }
  return found == 1;
}

size_t json_count_fields(json_value object) {
  const uint8_t *at = object.at + 1, *end = object.at + object.length;
  json_value key, value;
  size_t count = 0;
  if (*object.at != '{') return 0;
  while (next_item(&at, end, &key, &value)) count++;
  return count;
}

int json_next(json_value *out, json_value list, const uint8_t **cursor) {
  if (*list.at != '[') return 0;
  if (*cursor == NULL) *cursor = list.at + 1;
  return next_item(cursor, list.at + list.length, NULL, out);
}

/* No sign, no fraction, no exponent, and no zero before another digit. */
static int is_whole(const uint8_t *digits, size_t length) {
  if (length == 0 || (length > 1 && *digits == '0')) return 0;
  for (size_t i = 0; i < length; i++) {
    if (!is_digit(digits[i])) return 0;
  }
  return 1;
}

int json_uint(uint64_t *out, json_value value, uint64_t max) {
  uint64_t number = 0;
  if (!is_whole(value.at, value.length)) return 0;
  for (size_t i = 0; i < value.length; i++) {
    uint64_t digit = (uint64_t)(value.at[i] - '0');
    if (digit > max || number > (max - digit) / 10) return 0;
    number = 10 * number + digit;
  }
  *out = number;
  return 1;
}

int json_decimal(uint8_t *out, size_t width, json_value value) {
  const uint8_t *digits = value.at + 1;
  if (*value.at != '"' || !is_whole(digits, value.length - 2)) return 0;
  memset(out, 0, width);
  for (size_t i = 0; i < value.length - 2; i++) {
    unsigned carry = (unsigned)(digits[i] - '0');
    for (size_t j = width; j-- > 0; carry >>= 8) {
      carry += 10u * out[j];
      out[j] = (uint8_t)carry;
    }
    if (carry != 0) return 0;
  }
  return 1;
}

int json_hex(uint8_t *out, size_t bytes, json_value value) {
  const uint8_t *at = value.at;
  if (value.length != 2 * bytes + 4 || memcmp(at, "\"0x", 3) != 0) return 0;
  at += 3;
  for (size_t i = 0; i < bytes; i++, at += 2) {
    int high = hex_digit(at[0]), low = hex_digit(at[1]);
    if (high < 0 || low < 0) return 0;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return 1;
}
