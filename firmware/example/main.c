/*
 * A device on a machine that has files, sockets and libcrypto: it countersigns the drafts that come
 * on standard input, one line of JSON each, as a gateway sends them; answers each on standard
 * output; and hands the receipts in until they are acknowledged.
 *
 * Exit codes: 0 everything is signed and acknowledged, 1 something was refused, 2 something failed
 * and may be tried again, 3 misuse.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parts.h"

#define DONE 0
#define REFUSED 1
#define FAILED 2
#define MISUSE 3
#define ENTRIES 16
#define MAX_LINE 4096
/* To hand a receipt in, in one run; the next run goes on. */
#define DEFAULT_ATTEMPTS "5"

static const char USAGE[] =
    "usage: device --key <pem> --state <folder> --oracle <http://host:port>\n"
    "              --chain-id <n> --registry <address>\n"
    "              --customer <address> --gateway-key <address> --member <address>\n"
    "              [--attempts <n>]\n"
    "\n"
    "--gateway-key is the address of the key with which the customer's gateway signs, --member\n"
    "whose acknowledgements count. A device in the field reads both from the chain.\n";

typedef struct {
  const char *key, *state, *oracle, *chain_id, *registry, *customer, *gateway_key, *member,
      *attempts;
} arguments;

typedef struct {
  const char *state, *oracle;
  uint32_t attempts;
  uint8_t customer[LR_ADDRESS_BYTES], gateway_key[LR_ADDRESS_BYTES], member[LR_ADDRESS_BYTES];
  http_answer answer;
} device;

/* ---- The port ------------------------------------------------------------------------------- */

static int port_sign(void *context, const uint8_t hash[LR_HASH_BYTES],
                     uint8_t rs[LR_SIGNATURE_BYTES], int *y_parity) {
  (void)context;
  (void)y_parity;
  return sign_hash(hash, rs);
}

static int is_by(const lr_claim *claim, const uint8_t *who) {
  uint8_t signer[LR_ADDRESS_BYTES];
  return recover_address(signer, claim->hash, claim->signature) &&
         memcmp(signer, who, LR_ADDRESS_BYTES) == 0;
}

static int is_same(const uint8_t *a, const uint8_t *b) { return !memcmp(a, b, LR_ADDRESS_BYTES); }

static lr_verdict port_verify(void *context, const lr_claim *claim) {
  const device *own = context;
  int is_signed = 0;
  switch (claim->signer) {
    case LR_BY_DEVICE: is_signed = is_own_signature(claim->hash, claim->signature); break;
    case LR_BY_CUSTOMER:
      is_signed = is_same(claim->who, own->customer) && is_by(claim, own->gateway_key);
      break;
    case LR_BY_MEMBER:
      is_signed = is_same(claim->who, own->member) && is_by(claim, own->member);
      break;
  }
  return is_signed ? LR_YES : LR_NO;
}

static int port_load(void *context, uint32_t place, uint8_t *record, size_t size) {
  return load_file(((const device *)context)->state, place, record, size);
}

static int port_store(void *context, uint32_t place, const uint8_t *record, size_t length) {
  return store_file(((const device *)context)->state, place, record, length);
}

/* This one waits for the answer; whatever it is, lr_take_answer() judges it. */
static int port_send(void *context, const uint8_t *body, size_t length) {
  device *own = context;
  ask(&own->answer, own->oracle, "/v1/receipts", body, length);
  return own->answer.status != 0;
}

/* ---- Epochs and heads, as the oracle says them ---------------------------------------------- */

static int learn_open_epochs(lr_book *book, device *own) {
  lr_terms terms;
  ask(&own->answer, own->oracle, "/v1/epochs/open", NULL, 0);
  if (own->answer.status != 200 ||
      !lr_read_terms(&terms, own->answer.body, own->answer.length)) {
    fprintf(stderr, "%s does not say which epochs are open\n", own->oracle);
    return 0;
  }
  switch (lr_set_open_epochs(book, &terms)) {
    case LR_OK: return 1;
    case LR_NOT_TAKEN:
      fprintf(stderr, "%s serves another chain or registry\n", own->oracle);
      return 0;
    default: fprintf(stderr, "cannot store into %s\n", own->state); return 0;
  }
}

static void write_hex(char *out, const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) sprintf(out + 2 * i, "%02x", bytes[i]);
}

static lr_status go_on_from_oracles_head(lr_book *book, device *own, const uint8_t *draft) {
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
  uint32_t epoch = lr_read_uint32(draft + LR_EPOCH_AT);
  const uint8_t *customer = draft + LR_CUSTOMER_AT;
  char path[128], device_hex[41], customer_hex[41];
  write_hex(device_hex, book->device, LR_ADDRESS_BYTES);
  write_hex(customer_hex, customer, LR_ADDRESS_BYTES);
  snprintf(path, sizeof path, "/v1/receipts/%lu/0x%s/0x%s", (unsigned long)epoch, device_hex,
           customer_hex);
  ask(&own->answer, own->oracle, path, NULL, 0);
  if (own->answer.status == 404) return lr_go_on_from_heads(book, epoch, customer, NULL, NULL);
  if (own->answer.status != 200 ||
      !lr_read_signed_receipt(head, own->answer.body, own->answer.length))
    return LR_HEADS_NEEDED;
  return lr_go_on_from_heads(book, epoch, customer, head, NULL);
}

/* ---- Drafts --------------------------------------------------------------------------------- */

static int answer_draft(lr_book *book, device *own, const char *line) {
  uint8_t draft[LR_DRAFT_BYTES], signed_receipt[LR_SIGNED_RECEIPT_BYTES];
  char json[LR_SIGNED_RECEIPT_JSON_BYTES];
  lr_refusal refusal = LR_MALFORMED;
  lr_status status = LR_NOT_TAKEN;
  if (lr_read_draft(draft, line, strlen(line))) {
    status = lr_countersign(book, draft, NULL, signed_receipt, &refusal);
    if (status == LR_HEADS_NEEDED) {
      status = go_on_from_oracles_head(book, own, draft);
      if (status == LR_OK)
        status = lr_countersign(book, draft, NULL, signed_receipt, &refusal);
    }
  }
  if (status == LR_OK) {
    lr_signed_receipt_to_json(json, sizeof json, signed_receipt);
    printf("%s\n", json);
    return DONE;
  }
  if (status != LR_NOT_TAKEN) {
    fprintf(stderr, "cannot sign: status %d\n", (int)status);
    return FAILED;
  }
  if (refusal == LR_SEQUENCE_UNEXPECTED) {
    uint32_t next = lr_next_sequence(book, lr_read_uint32(draft + LR_EPOCH_AT),
                                     draft + LR_CUSTOMER_AT);
    printf("{\"refusal\":\"%s\",\"next\":%lu}\n", lr_refusal_word(refusal), (unsigned long)next);
  } else {
    printf("{\"refusal\":\"%s\"}\n", lr_refusal_word(refusal));
  }
  return REFUSED;
}

static int answer_drafts(lr_book *book, device *own) {
  char line[MAX_LINE];
  int worst = DONE;
  while (fgets(line, sizeof line, stdin) != NULL) {
    int code = answer_draft(book, own, line);
    if (code > worst) worst = code;
    fflush(stdout);
  }
  return worst;
}

/* ---- Handing in ----------------------------------------------------------------------------- */

static void wait_before_attempt(uint32_t failures) {
  uint32_t milliseconds = lr_backoff_milliseconds(failures, (uint32_t)rand());
  struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  nanosleep(&time, NULL);
}

static void tell_acknowledgement(const lr_entry *entry) {
  char member[41];
  write_hex(member, entry->member, LR_ADDRESS_BYTES);
  fprintf(stderr, "acknowledged: epoch %lu, sequence %lu, by 0x%s at %llu\n",
          (unsigned long)entry->epoch,
          (unsigned long)lr_read_uint32(entry->kept_receipt + LR_SEQUENCE_AT), member,
          (unsigned long long)entry->stored_at);
}

static int hand_in_entry(lr_book *book, device *own, uint32_t index) {
  uint8_t receipt[LR_RECEIPT_BYTES];
  lr_refusal refusal = LR_NO_REFUSAL;
  memcpy(receipt, book->entries[index].signed_receipt, sizeof receipt);
  for (uint32_t failures = 0; failures < own->attempts; failures++) {
    lr_status status;
    if (failures > 0) wait_before_attempt(failures);
    status = lr_submit(book, index);
    if (status == LR_OK) {
      status = lr_take_answer(book, receipt, own->answer.status, own->answer.body,
                              own->answer.length, &refusal);
    }
    if (status == LR_OK) {
      tell_acknowledgement(book->entries + index);
      return DONE;
    }
    if (status == LR_NOT_TAKEN) {
      fprintf(stderr, "refused: %s\n", lr_refusal_word(refusal));
      return REFUSED;
    }
    fprintf(stderr, "not acknowledged: HTTP %u %s\n", own->answer.status,
            lr_refusal_word(refusal));
  }
  return FAILED;
}

static int hand_in(lr_book *book, device *own) {
  int worst = DONE;
  int32_t at = lr_next_pending(book, 0);
  for (; at >= 0; at = lr_next_pending(book, (uint32_t)at + 1)) {
    int code = hand_in_entry(book, own, (uint32_t)at);
    if (code > worst) worst = code;
  }
  return worst;
}

/* ---- Starting ------------------------------------------------------------------------------- */

static int read_address(uint8_t out[LR_ADDRESS_BYTES], const char *text) {
  unsigned byte;
  if (strlen(text) != 42 || strncmp(text, "0x", 2) != 0 ||
      strspn(text + 2, "0123456789abcdefABCDEF") != 40)
    return 0;
  for (size_t i = 0; i < LR_ADDRESS_BYTES; i++) {
    if (sscanf(text + 2 + 2 * i, "%2x", &byte) != 1) return 0;
    out[i] = (uint8_t)byte;
  }
  return 1;
}

static int read_arguments(arguments *out, int count, char **words) {
  const struct {
    const char *name;
    const char **value;
  } options[] = {{"--key", &out->key},
                 {"--state", &out->state},
                 {"--oracle", &out->oracle},
                 {"--chain-id", &out->chain_id},
                 {"--registry", &out->registry},
                 {"--customer", &out->customer},
                 {"--gateway-key", &out->gateway_key},
                 {"--member", &out->member},
                 {"--attempts", &out->attempts}};
  const size_t known = sizeof options / sizeof *options;
  size_t given = 0;
  for (int i = 1; i + 1 < count; i += 2) {
    for (size_t j = 0; j < known; j++) {
      if (strcmp(words[i], options[j].name) != 0 || *options[j].value != NULL) continue;
      *options[j].value = words[i + 1];
      given++;
    }
  }
  /* All but the last must be there, and nothing else. */
  if ((size_t)count != 1 + 2 * given || given + (out->attempts == NULL) != known) return 0;
  if (out->attempts == NULL) out->attempts = DEFAULT_ATTEMPTS;
  return 1;
}

static int read_number(uint64_t *out, const char *text) {
  char *end;
  *out = strtoull(text, &end, 10);
  return strspn(text, "0123456789") > 0 && *end == '\0';
}

static int run(device *own, uint64_t chain_id, const uint8_t *registry) {
  lr_port port = {NULL, port_sign, port_verify, port_load, port_store, port_send};
  static lr_entry entries[ENTRIES];
  uint8_t address[LR_ADDRESS_BYTES];
  lr_book book;
  lr_status status;
  int signed_code, handed_in_code;
  port.context = own;
  key_address(address);
  status = lr_open_book(&book, &port, chain_id, registry, address, key_type(), entries, ENTRIES);
  if (status != LR_OK) {
    fprintf(stderr, "%s\n",
            status == LR_OTHER_BOOK ? "the state is of another device" : "cannot read the state");
    return status == LR_OTHER_BOOK ? MISUSE : FAILED;
  }
  if (!learn_open_epochs(&book, own)) return FAILED;
  signed_code = answer_drafts(&book, own);
  handed_in_code = hand_in(&book, own);
  return signed_code > handed_in_code ? signed_code : handed_in_code;
}

int main(int count, char **words) {
  arguments given;
  static device own;
  uint8_t registry[LR_ADDRESS_BYTES];
  uint64_t chain_id, attempts;
  int code;
  memset(&given, 0, sizeof given);
  if (!read_arguments(&given, count, words)) {
    fputs(USAGE, stderr);
    return MISUSE;
  }
  if (!read_number(&chain_id, given.chain_id) || !read_number(&attempts, given.attempts) ||
      !read_address(registry, given.registry) || !read_address(own.customer, given.customer) ||
      !read_address(own.gateway_key, given.gateway_key) ||
      !read_address(own.member, given.member)) {
    fputs("--chain-id and --attempts are numbers; addresses are 0x and 40 hex digits\n", stderr);
    return MISUSE;
  }
  own.state = given.state;
  own.oracle = given.oracle;
  own.attempts = attempts < UINT32_MAX ? (uint32_t)attempts : UINT32_MAX;
  srand((unsigned)time(NULL));
  if (!open_key(given.key)) return MISUSE;
  code = run(&own, chain_id, registry);
  close_key();
  return code;
}
