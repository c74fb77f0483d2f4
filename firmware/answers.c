#include <string.h>

#include "json.h"
#include "link_rewards.h"

#define MAX_UINT53 0x1fffffffffffffu
#define RECEIPT_FIELDS 7
#define OK 200
#define CLIENT_ERRORS_FROM 400
#define SERVER_ERRORS_FROM 500
/* Of a uint96. */
#define MAX_DIGITS 29
#define FIRST_BACKOFF_MILLISECONDS 1000u
#define LONGEST_BACKOFF_MILLISECONDS 60000u

static const char *const WORDS[] = {"",
                                    "malformed",
                                    "too-large",
                                    "wrong-chain",
                                    "stale",
                                    "epoch-closed",
                                    "device-unknown",
                                    "device-unbound",
                                    "device-revoked",
                                    "customer-unknown",
                                    "key-unknown",
                                    "over-cap",
                                    "customer-signature-invalid",
                                    "device-signature-invalid",
                                    "implausible",
                                    "busy",
                                    "not-a-member",
                                    "wrong-version",
                                    "sequence-unexpected",
                                    "totals-short"};

const char *lr_refusal_word(lr_refusal refusal) {
  size_t number = (size_t)refusal;
  return number < sizeof WORDS / sizeof *WORDS ? WORDS[number] : "";
}

static int get_hex(uint8_t *out, size_t bytes, json_value object, const char *name) {
  json_value value;
  return json_get(&value, object, name) && json_hex(out, bytes, value);
}

static int get_decimal(uint8_t *out, size_t width, json_value object, const char *name) {
  json_value value;
  return json_get(&value, object, name) && json_decimal(out, width, value);
}

static int get_uint(uint64_t *out, json_value object, const char *name, uint64_t max) {
  json_value value;
  return json_get(&value, object, name) && json_uint(out, value, max);
}

static int get_uint32(uint8_t out[4], json_value object, const char *name) {
  uint64_t number;
  if (!get_uint(&number, object, name, UINT32_MAX)) return 0;
  lr_write_uint32(out, (uint32_t)number);
  return 1;
}

/* The oracle's words alone: a device's own are no answer of an oracle. */
static int get_refusal(lr_refusal *out, json_value object) {
  json_value word;
  if (!json_get(&word, object, "refusal")) return 0;
  for (int i = LR_MALFORMED; i <= LR_WRONG_VERSION; i++) {
    if (!json_is(word, WORDS[i])) continue;
    *out = (lr_refusal)i;
    return 1;
  }
  return 0;
}

static int get_draft(uint8_t out[LR_DRAFT_BYTES], json_value draft) {
  json_value receipt;
  uint8_t *amounts = out + LR_AMOUNTS_AT;
  return json_get(&receipt, draft, "receipt") && json_count_fields(receipt) == RECEIPT_FIELDS &&
         get_hex(out + LR_DEVICE_AT, LR_ADDRESS_BYTES, receipt, "device") &&
         get_hex(out + LR_CUSTOMER_AT, LR_ADDRESS_BYTES, receipt, "customer") &&
         get_uint32(out + LR_EPOCH_AT, receipt, "epoch") &&
         get_uint32(out + LR_SEQUENCE_AT, receipt, "sequence") &&
         get_decimal(amounts, 8, receipt, "egressBytes") &&
         get_decimal(amounts + 8, 12, receipt, "storageByteSeconds") &&
         get_decimal(amounts + 20, 8, receipt, "computeMilliseconds") &&
         get_hex(out + LR_CUSTOMER_SIGNATURE_AT, LR_SIGNATURE_BYTES, draft, "customerSignature");
}

static int get_signed_receipt(uint8_t out[LR_SIGNED_RECEIPT_BYTES], json_value signed_receipt) {
  return get_draft(out, signed_receipt) && get_hex(out + LR_DEVICE_SIGNATURE_AT, LR_SIGNATURE_BYTES,
                                                   signed_receipt, "deviceSignature");
}

int lr_read_draft(uint8_t out[LR_DRAFT_BYTES], const void *json, size_t length) {
  json_value draft;
  return json_parse(&draft, json, length) && get_draft(out, draft);
}

int lr_read_signed_receipt(uint8_t out[LR_SIGNED_RECEIPT_BYTES], const void *json, size_t length) {
  json_value signed_receipt;
  return json_parse(&signed_receipt, json, length) && get_signed_receipt(out, signed_receipt);
}

int lr_read_terms(lr_terms *out, const void *json, size_t length) {
  json_value terms, epochs, open;
  const uint8_t *cursor = NULL;
  if (!json_parse(&terms, json, length) ||
      !get_uint(&out->chain_id, terms, "chainId", MAX_UINT53) ||
      !get_hex(out->registry, LR_ADDRESS_BYTES, terms, "registry") ||
      !json_get(&epochs, terms, "epochs") || *epochs.at != '[')
    return 0;
  out->first_open = 0;
  out->last_open = 0;
  while (json_next(&open, epochs, &cursor)) {
    uint64_t number;
    uint32_t epoch;
    if (!get_uint(&number, open, "epoch", UINT32_MAX) || number == 0) return 0;
    epoch = (uint32_t)number;
    if (out->first_open == 0 || epoch < out->first_open) out->first_open = epoch;
    if (epoch > out->last_open) out->last_open = epoch;
  }
  return 1;
}

static int get_acknowledgement(lr_answer *out, json_value results) {
  json_value word;
  return json_get(&word, results, "acknowledgement") &&
         get_hex(out->acknowledgement, LR_HASH_BYTES, word, "root") &&
         get_uint32(out->acknowledgement + 32, word, "receipts") &&
         get_decimal(out->acknowledgement + 36, 8, word, "storedAt") &&
         get_hex(out->signature, LR_SIGNATURE_BYTES, word, "signature") &&
         get_hex(out->member, LR_ADDRESS_BYTES, word, "member");
}

static int get_result(lr_answer *out, json_value answer) {
  json_value results, result, another, status, head;
  const uint8_t *cursor = NULL;
  if (!json_get(&results, answer, "results") || !json_next(&result, results, &cursor) ||
      json_next(&another, results, &cursor) || !json_get(&status, result, "status"))
    return 0;
  if (json_is(status, "accepted") || json_is(status, "known"))
    return get_acknowledgement(out, answer);
  if (!json_is(status, "refused") || !get_refusal(&out->refusal, result)) return 0;
  out->has_head = out->refusal == LR_STALE && json_get(&head, result, "head") &&
                  get_signed_receipt(out->head, head);
  return 1;
}

int lr_read_answer(lr_answer *out, unsigned status, const void *json, size_t length) {
  json_value answer;
  memset(out, 0, sizeof *out);
  if (!json_parse(&answer, json, length)) return 0;
  if (status == OK) return get_result(out, answer);
  if (status < CLIENT_ERRORS_FROM || !get_refusal(&out->refusal, answer)) return 0;
  return status < SERVER_ERRORS_FROM || out->refusal == LR_BUSY;
}

uint32_t lr_backoff_milliseconds(uint32_t failures, uint32_t random) {
  uint32_t wait = FIRST_BACKOFF_MILLISECONDS;
  while (failures-- > 1 && wait < LONGEST_BACKOFF_MILLISECONDS) wait *= 2;
  if (wait > LONGEST_BACKOFF_MILLISECONDS) wait = LONGEST_BACKOFF_MILLISECONDS;
  return wait + random % wait;
}

/* What is written, as far as there is room; `length` goes on, so that it tells whether there was. */
typedef struct {
  char *out;
  size_t size;
  size_t length;
} writer;

static void put(writer *to, char character) {
  if (to->length < to->size) to->out[to->length] = character;
  to->length++;
}

static void put_text(writer *to, const char *text) {
  while (*text != '\0') put(to, *text++);
}

static void put_hex(writer *to, const uint8_t *bytes, size_t length) {
  static const char digits[] = "0123456789abcdef";
  put_text(to, "\"0x");
  for (size_t i = 0; i < length; i++) {
    put(to, digits[bytes[i] >> 4]);
    put(to, digits[bytes[i] & 15]);
  }
  put(to, '"');
}

static void put_decimal(writer *to, const uint8_t *bytes, size_t width) {
  uint8_t left[12];
  char digits[MAX_DIGITS];
  size_t count = 0;
  unsigned rest, more;
  memcpy(left, bytes, width);
  do {
    rest = more = 0;
    for (size_t i = 0; i < width; i++) {
      unsigned part = rest << 8 | left[i];
      left[i] = (uint8_t)(part / 10);
      rest = part % 10;
      more |= left[i];
    }
    digits[count++] = (char)('0' + rest);
  } while (more != 0);
  while (count > 0) put(to, digits[--count]);
}

size_t lr_signed_receipt_to_json(char *out, size_t size,
                                 const uint8_t signed_receipt[LR_SIGNED_RECEIPT_BYTES]) {
  const uint8_t *amounts = signed_receipt + LR_AMOUNTS_AT;
  writer to = {out, size, 0};
  put_text(&to, "{\"receipt\":{\"device\":");
  put_hex(&to, signed_receipt + LR_DEVICE_AT, LR_ADDRESS_BYTES);
  put_text(&to, ",\"customer\":");
  put_hex(&to, signed_receipt + LR_CUSTOMER_AT, LR_ADDRESS_BYTES);
  put_text(&to, ",\"epoch\":");
  put_decimal(&to, signed_receipt + LR_EPOCH_AT, 4);
  put_text(&to, ",\"sequence\":");
  put_decimal(&to, signed_receipt + LR_SEQUENCE_AT, 4);
  put_text(&to, ",\"egressBytes\":\"");
  put_decimal(&to, amounts, 8);
  put_text(&to, "\",\"storageByteSeconds\":\"");
  put_decimal(&to, amounts + 8, 12);
  put_text(&to, "\",\"computeMilliseconds\":\"");
  put_decimal(&to, amounts + 20, 8);
  put_text(&to, "\"},\"customerSignature\":");
  put_hex(&to, signed_receipt + LR_CUSTOMER_SIGNATURE_AT, LR_SIGNATURE_BYTES);
  put_text(&to, ",\"deviceSignature\":");
  put_hex(&to, signed_receipt + LR_DEVICE_SIGNATURE_AT, LR_SIGNATURE_BYTES);
  put_text(&to, "}");
  put(&to, '\0');
  return to.length <= size ? to.length - 1 : 0;
}
