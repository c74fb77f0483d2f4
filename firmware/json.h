/* For the files of this library: reading JSON without memory. */
#ifndef LINK_REWARDS_JSON_H
#define LINK_REWARDS_JSON_H

#include <stddef.h>
#include <stdint.h>

/* A value as it stands in the text, from its first character to its last. Known to be JSON. */
typedef struct {
  const uint8_t *at;
  size_t length;
} json_value;

/* Whether the text is one JSON value, at most LR_JSON_MAX_DEPTH deep, with white space around it. */
int json_parse(json_value *out, const void *text, size_t length);

/* The field of that name. 0 also if `object` is none, or has it twice. */
int json_get(json_value *out, json_value object, const char *name);

/* How many fields it has; 0 also if it is no object. */
size_t json_count_fields(json_value object);

/* The item after `*cursor`, which is NULL before the first; 0 at the end, and if `list` is none. */
int json_next(json_value *out, json_value list, const uint8_t **cursor);

/* Whether it is this string, without an escape. */
int json_is(json_value value, const char *text);

/* A whole number in its one spelling, at most `max`. */
int json_uint(uint64_t *out, json_value value, uint64_t max);

/* A decimal string in its one spelling, into `width` bytes, big-endian. */
int json_decimal(uint8_t *out, size_t width, json_value value);

/* A string of 0x and exactly these bytes in hex. */
int json_hex(uint8_t *out, size_t bytes, json_value value);

#endif
