#include "world.h"

#define PLACES 9
#define MOST_DRAFTS 4096
#define ROUNDS 3
#define MOST_STEPS 20000

lr_book book;
lr_entry entries[8];
uint8_t device[LR_ADDRESS_BYTES] = {0xde, 1}, registry[LR_ADDRESS_BYTES] = {0x4e, 2};
uint8_t member[LR_ADDRESS_BYTES] = {0x3e, 3};
uint8_t customers[CUSTOMERS][LR_ADDRESS_BYTES] = {{0xc0, 4}, {0xc1, 5}};
orders on_sign, on_store, on_verify, on_send, on_load;
long signs, stores, sends;
uint8_t last_body[LR_SUBMISSION_BYTES];

static uint8_t flash[PLACES][LR_RECORD_BYTES];
static size_t flash_length[PLACES];
static lr_key_type key_type;
static mishaps happens;
static chance dice;
static jmp_buf power;
static long calls, next_cut, cuts;

/* ---- Signatures ----------------------------------------------------------------------------- */

/* Nobody here has a secret: the form is ECDSA's, the content a hash of who and what. */
static void sign_as(uint8_t out[LR_SIGNATURE_BYTES], lr_key_type type, const uint8_t *who,
                    const uint8_t *hash) {
  uint8_t text[LR_ADDRESS_BYTES + LR_HASH_BYTES + 1];
  memcpy(text, who, LR_ADDRESS_BYTES);
  memcpy(text + LR_ADDRESS_BYTES, hash, LR_HASH_BYTES);
  text[sizeof text - 1] = 0;
  lr_keccak256(out, text, sizeof text);
  text[sizeof text - 1] = 1;
  lr_keccak256(out + 32, text, sizeof text);
  out[0] &= 0x7f;
  out[32] &= 0x3f;
  if (type == LR_SECP256K1 && (out[1] & 1)) out[32] |= 0x80;
}

static void sign_digest_as(uint8_t *out, lr_key_type type, const uint8_t *who,
                           const uint8_t *digest) {
  uint8_t hash[LR_HASH_BYTES];
  lr_signed_hash(hash, type, digest);
  sign_as(out, type, who, hash);
}

void make_draft(uint8_t draft[LR_DRAFT_BYTES], int customer, uint32_t epoch, uint32_t sequence,
                uint64_t total) {
  uint8_t separator[LR_HASH_BYTES], digest[LR_HASH_BYTES];
  lr_receipt receipt;
  memset(&receipt, 0, sizeof receipt);
  memcpy(receipt.device, device, LR_ADDRESS_BYTES);
  memcpy(receipt.customer, customers[customer], LR_ADDRESS_BYTES);
  receipt.epoch = epoch;
  receipt.sequence = sequence;
  receipt.egress_bytes = receipt.compute_milliseconds = total;
  receipt.storage_byte_seconds.low = total;
  lr_pack_receipt(draft, &receipt);
  lr_domain_separator(separator, WORLD_CHAIN, registry);
  lr_receipt_digest(digest, separator, draft);
  sign_digest_as(draft + LR_CUSTOMER_SIGNATURE_AT, LR_SECP256K1, customers[customer], digest);
}

void make_signed(uint8_t out[LR_SIGNED_RECEIPT_BYTES], int customer, uint32_t epoch,
                 uint32_t sequence, uint64_t total) {
  uint8_t separator[LR_HASH_BYTES], digest[LR_HASH_BYTES];
  make_draft(out, customer, epoch, sequence, total);
  lr_domain_separator(separator, WORLD_CHAIN, registry);
  lr_receipt_digest(digest, separator, out);
  sign_digest_as(out + LR_DEVICE_SIGNATURE_AT, key_type, device, digest);
}

/* ---- The oracle's words --------------------------------------------------------------------- */

static char answer[3000];

static const char *hex(const uint8_t *bytes, size_t length) {
  static char texts[4][2 * LR_SIGNATURE_BYTES + 1];
  static int turn = 0;
  char *text = texts[turn = (turn + 1) % 4];
  for (size_t i = 0; i < length; i++) sprintf(text + 2 * i, "%02x", bytes[i]);
  return text;
}

const char *acknowledge(const uint8_t *receipt, const uint8_t *by) {
  return acknowledge_many(receipt, by, 1);
}

const char *acknowledge_many(const uint8_t *receipt, const uint8_t *by, uint32_t receipts) {
  uint8_t word[LR_ACKNOWLEDGEMENT_BYTES], separator[LR_HASH_BYTES], digest[LR_HASH_BYTES];
  uint8_t signature[LR_SIGNATURE_BYTES];
  lr_domain_separator(separator, WORLD_CHAIN, registry);
  lr_receipt_digest(word, separator, receipt);
  lr_write_uint32(word + 32, receipts);
  lr_write_uint64(word + 36, 1700000000u);
  lr_acknowledgement_digest(digest, separator, word);
  sign_digest_as(signature, LR_SECP256K1, by, digest);
  snprintf(answer, sizeof answer,
           "{\"results\":[{\"status\":\"accepted\",\"digest\":\"0x%s\",\"warnings\":[]}],"
           "\"acknowledgement\":{\"root\":\"0x%s\",\"receipts\":%lu,\"storedAt\":\"1700000000\","
           "\"signature\":\"0x%s\",\"member\":\"0x%s\"}}",
           hex(word, 32), hex(word, 32), (unsigned long)receipts,
           hex(signature, sizeof signature), hex(by, LR_ADDRESS_BYTES));
  return answer;
}

const char *refuse_with(const char *refusal, const uint8_t *head) {
  char shown[LR_SIGNED_RECEIPT_JSON_BYTES];
  if (head != NULL) CHECK(lr_signed_receipt_to_json(shown, sizeof shown, head) > 0);
  snprintf(answer, sizeof answer,
           "{\"results\":[{\"status\":\"refused\",\"refusal\":\"%s\",\"message\":\"\"%s%s}]}",
           refusal, head != NULL ? ",\"head\":" : "", head != NULL ? shown : "");
  return answer;
}

/* ---- What the world remembers, whatever the device forgets ---------------------------------- */

/* Every draft that was ever made, so that a hash tells what is signed. */
static struct {
  uint8_t hash[LR_HASH_BYTES];
  uint8_t receipt[LR_RECEIPT_BYTES];
  int was_signed;
} drafts[MOST_DRAFTS];
static int draft_count;

typedef struct {
  /* What the gateway holds: the draft it is at, and the last receipt that both signed. */
  uint8_t draft[LR_DRAFT_BYTES];
  int has_draft;
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
  int has_head;
  int rounds;
  /* What the oracle holds. */
  uint8_t stored[LR_SIGNED_RECEIPT_BYTES];
  int is_stored;
  /* The sequence of the newest receipt of which the device knows that it is acknowledged. */
  uint32_t acknowledged;
} account;
static account accounts[EPOCHS + 1][CUSTOMERS];

static uint32_t sequence_in(const uint8_t *receipt) {
  return lr_read_uint32(receipt + LR_SEQUENCE_AT);
}

static int customer_in(const uint8_t *receipt) {
  for (int i = 0; i < CUSTOMERS; i++) {
    if (memcmp(receipt + LR_CUSTOMER_AT, customers[i], LR_ADDRESS_BYTES) == 0) return i;
  }
  return -1;
}

/* As link_rewards.h documents it, and not by the book's own code. */
#define RECORD_CUSTOMER_AT 24
#define RECORD_EPOCH_AT 44
#define RECORD_USED_AT 48
#define RECORD_FATE_AT 80
#define RECORD_KEPT_AT 82
#define RECORD_SIGNED_AT 84
#define RECORD_KEPT_RECEIPT_AT 288

static const uint8_t *stored_entry(const uint8_t *receipt) {
  for (int i = 1; i < PLACES; i++) {
    const uint8_t *record = flash[i];
    if (flash_length[i] == LR_RECORD_BYTES &&
        memcmp(record + RECORD_CUSTOMER_AT, receipt + LR_CUSTOMER_AT, LR_ADDRESS_BYTES) == 0 &&
        memcmp(record + RECORD_EPOCH_AT, receipt + LR_EPOCH_AT, 4) == 0)
      return record;
  }
  return NULL;
}

/* A sequence that is signed is on the flash as used, and was never signed for other content. */
static void watch_signing(const uint8_t *hash) {
  int at = 0;
  const uint8_t *record;
  while (at < draft_count && memcmp(drafts[at].hash, hash, LR_HASH_BYTES) != 0) at++;
  CHECK(at < draft_count);
  record = stored_entry(drafts[at].receipt);
  CHECK(record != NULL);
  CHECK(lr_read_uint32(record + RECORD_USED_AT) == sequence_in(drafts[at].receipt));
  for (int i = 0; i < draft_count; i++) {
    if (!drafts[i].was_signed || i == at) continue;
    if (memcmp(drafts[i].receipt + LR_CUSTOMER_AT, drafts[at].receipt + LR_CUSTOMER_AT, 24) != 0)
      continue;
    /* Same customer and epoch: sequences only grow. */
    CHECK(sequence_in(drafts[i].receipt) < sequence_in(drafts[at].receipt));
  }
  drafts[at].was_signed = 1;
}

/* What leaves the device is on its flash. */
static void watch_leaving(const uint8_t *signed_receipt) {
  const uint8_t *record = stored_entry(signed_receipt);
  CHECK(record != NULL);
  CHECK(record[RECORD_FATE_AT] != LR_NOTHING_SIGNED);
  /* Or a newer one, which a failed call of `store` has written all the same. */
  if (sequence_in(record + RECORD_SIGNED_AT) > sequence_in(signed_receipt))
    CHECK(happens.failing != 0);
  else CHECK_BYTES_EQUAL(record + RECORD_SIGNED_AT, signed_receipt, LR_SIGNED_RECEIPT_BYTES);
}

/* What was acknowledged is on the flash, until its epoch is let go of. */
static void watch_keeping(void) {
  if (happens.is_torn || happens.lost_at != 0) return;
  for (uint32_t epoch = book.oldest; epoch <= EPOCHS; epoch++) {
    for (int i = 0; i < CUSTOMERS; i++) {
      const account *of = &accounts[epoch][i];
      const uint8_t *record;
      if (epoch == 0 || of->acknowledged == 0) continue;
      record = stored_entry(of->stored);
      CHECK(record != NULL && record[RECORD_KEPT_AT] == 1);
      CHECK(sequence_in(record + RECORD_KEPT_RECEIPT_AT) >= of->acknowledged);
    }
  }
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

/* Each is called twice a callback: before it does anything, and when it has done it. */
static void tick(void) {
  calls++;
  if (happens.lost_at != 0 && calls == happens.lost_at) {
    memset(flash_length, 0, sizeof flash_length);
    cuts++;
    longjmp(power, 1);
  }
  if (next_cut == 0 || calls != next_cut) return;
  next_cut = cuts == 0 && happens.second_cut != 0 ? calls + happens.second_cut : 0;
  cuts++;
  longjmp(power, 1);
}

static int fails(orders *order, orders how) {
  if (*order == how) {
    *order = WORK;
    return 1;
  }
  return happens.failing != 0 && draw(&dice, 1000) < happens.failing;
}

static int sign_hash(void *context, const uint8_t hash[LR_HASH_BYTES],
                     uint8_t rs[LR_SIGNATURE_BYTES], int *y_parity) {
  int parity = 0;
  (void)context;
  tick();
  if (fails(&on_sign, FAIL)) return 0;
  signs++;
  watch_signing(hash);
  sign_as(rs, key_type, device, hash);
  if (key_type == LR_SECP256K1) lr_expand_signature(rs, &parity, rs);
  if (!fails(&on_sign, FORGET_PARITY)) *y_parity = parity;
  if (fails(&on_sign, MISSIGN)) rs[5] ^= 1;
  tick();
  return 1;
}

static lr_verdict verify_claim(void *context, const lr_claim *claim) {
  lr_key_type type = claim->signer == LR_BY_DEVICE ? key_type : LR_SECP256K1;
  uint8_t expected[LR_SIGNATURE_BYTES];
  lr_verdict verdict;
  (void)context;
  tick();
  if (fails(&on_verify, NOT_SURE)) return LR_CANNOT_TELL;
  CHECK(lr_is_signature(claim->signature, type));
  sign_as(expected, type, claim->who, claim->hash);
  verdict = memcmp(expected, claim->signature, sizeof expected) == 0 ? LR_YES : LR_NO;
  if (claim->signer == LR_BY_MEMBER && memcmp(claim->who, member, LR_ADDRESS_BYTES) != 0)
    verdict = LR_NO;
  tick();
  return verdict;
}

static int load_record(void *context, uint32_t place, uint8_t *record, size_t size) {
  (void)context;
  tick();
  if (fails(&on_load, FAIL)) return -1;
  CHECK(place < PLACES);
  if (flash_length[place] > size) return (int)flash_length[place];
  if (flash_length[place] > 0) memcpy(record, flash[place], flash_length[place]);
  tick();
  return (int)flash_length[place];
}

static int store_record(void *context, uint32_t place, const uint8_t *record, size_t length) {
  (void)context;
  CHECK(place < PLACES && length <= LR_RECORD_BYTES);
  tick();
  stores++;
  if (fails(&on_store, FAIL)) return 0;
  if (happens.is_torn) {
    memcpy(flash[place], record, length / 2);
    flash_length[place] = length;
    tick();
  }
  put_record(place, record, length);
  if (fails(&on_store, STORE_AND_FAIL)) return 0;
  tick();
  return 1;
}

static int send_body(void *context, const uint8_t *body, size_t length) {
  (void)context;
  tick();
  CHECK(length == sizeof last_body);
  watch_leaving(body + LR_PACKED_HEADER_BYTES);
  if (fails(&on_send, FAIL)) return 0;
  sends++;
  memcpy(last_body, body, length);
  tick();
  return 1;
}

static const lr_port PORT = {NULL, sign_hash, verify_claim, load_record, store_record, send_body};

/* ---- Single calls --------------------------------------------------------------------------- */

void put_record(uint32_t place, const uint8_t *record, size_t length) {
  memcpy(flash[place], record, length);
  flash_length[place] = length;
}

const uint8_t *record_at(uint32_t place) { return flash_length[place] > 0 ? flash[place] : NULL; }

void damage(uint32_t place) { flash[place][flash_length[place] / 2] ^= 0x10; }

lr_status reopen(uint32_t count) {
  memset(&book, 0xa5, sizeof book);
  memset(entries, 0xa5, sizeof entries);
  return lr_open_book(&book, &PORT, WORLD_CHAIN, registry, device, key_type, entries, count);
}

lr_status open_epochs(uint32_t first, uint32_t last) {
  lr_terms terms;
  terms.chain_id = WORLD_CHAIN;
  memcpy(terms.registry, registry, LR_ADDRESS_BYTES);
  terms.first_open = first;
  terms.last_open = last;
  return lr_set_open_epochs(&book, &terms);
}

static void remember_draft(const uint8_t *draft) {
  uint8_t separator[LR_HASH_BYTES], digest[LR_HASH_BYTES];
  CHECK(draft_count < MOST_DRAFTS);
  lr_domain_separator(separator, WORLD_CHAIN, registry);
  lr_receipt_digest(digest, separator, draft);
  lr_signed_hash(drafts[draft_count].hash, key_type, digest);
  memcpy(drafts[draft_count].receipt, draft, LR_RECEIPT_BYTES);
  drafts[draft_count++].was_signed = 0;
}

static void begin_world(lr_key_type type) {
  memset(flash, 0xff, sizeof flash);
  memset(flash_length, 0, sizeof flash_length);
  memset(accounts, 0, sizeof accounts);
  draft_count = 0;
  calls = cuts = signs = stores = sends = 0;
  on_sign = on_store = on_verify = on_send = on_load = WORK;
  key_type = type;
}

void begin(lr_key_type type, uint32_t count) {
  static const mishaps none;
  happens = none;
  next_cut = 0;
  begin_world(type);
  /* Drafts of single calls are not the world's: it knows all that a test may sign. */
  for (int customer = 0; customer < CUSTOMERS; customer++) {
    for (uint32_t epoch = 1; epoch <= EPOCHS; epoch++) {
      for (uint32_t sequence = 1; sequence <= 4; sequence++) {
        uint8_t draft[LR_DRAFT_BYTES];
        for (uint64_t total = 0; total <= 30; total += 10) {
          make_draft(draft, customer, epoch, sequence, total);
          remember_draft(draft);
          make_draft(draft, customer, epoch, sequence - 1 + LR_SEQUENCE_JUMP, total);
          remember_draft(draft);
        }
        make_draft(draft, customer, epoch, UINT32_MAX - sequence + 1, 10);
        remember_draft(draft);
      }
    }
  }
  CHECK(reopen(count) == LR_OK);
}

/* ---- The whole ------------------------------------------------------------------------------ */

static int happens_to_lie(void) { return happens.lying != 0 && draw(&dice, 1000) < happens.lying; }

/* The gateway's next draft: more of everything each time, the same until it is signed. */
static void draft_for(account *of, int customer, uint32_t epoch, uint32_t sequence) {
  uint64_t total = 10u * (uint64_t)(of->rounds + 1);
  make_draft(of->draft, customer, epoch, sequence, total);
  of->has_draft = 1;
  for (int i = 0; i < draft_count; i++) {
    if (memcmp(drafts[i].receipt, of->draft, LR_RECEIPT_BYTES) == 0) return;
  }
  remember_draft(of->draft);
}

/* One draft to the device, and what a gateway does with its answer. */
static void exchange(account *of, int customer, uint32_t epoch) {
  uint8_t out[LR_SIGNED_RECEIPT_BYTES];
  const uint8_t *shown = of->is_stored ? of->stored : NULL;
  lr_refusal refusal;
  if (!of->has_draft) draft_for(of, customer, epoch, of->has_head ? sequence_in(of->head) + 1 : 1);
  switch (lr_countersign(&book, of->draft, NULL, out, &refusal)) {
    case LR_OK:
      watch_leaving(out);
      CHECK_BYTES_EQUAL(out, of->draft, LR_RECEIPT_BYTES);
      /* The answer may be lost on its way. */
      if (happens_to_lie()) return;
      memcpy(of->head, out, sizeof out);
      of->has_head = 1;
      of->has_draft = 0;
      of->rounds++;
      return;
    case LR_NOT_TAKEN:
      CHECK(refusal == LR_SEQUENCE_UNEXPECTED);
      draft_for(of, customer, epoch, lr_next_sequence(&book, epoch, customers[customer]));
      return;
    case LR_HEADS_NEEDED:
      lr_go_on_from_heads(&book, epoch, customers[customer], shown,
                          of->has_head ? of->head : NULL);
      return;
    case LR_NOT_STORED:
    case LR_NOT_SIGNED:
    case LR_NOT_VERIFIED: CHECK(happens.failing != 0); return;
    default: CHECK(!"a status that cannot be");
  }
}

/* What the oracle makes of what was sent; its honest answer, or one that is worth nothing. */
static const char *hear(account *of, const uint8_t *sent) {
  uint8_t forged[LR_ADDRESS_BYTES] = {0xf0};
  if (of->is_stored && sequence_in(of->stored) == sequence_in(sent))
    CHECK_BYTES_EQUAL(of->stored, sent, LR_RECEIPT_BYTES);
  if (of->is_stored && sequence_in(of->stored) > sequence_in(sent))
    return refuse_with("stale", of->stored);
  memcpy(of->stored, sent, LR_SIGNED_RECEIPT_BYTES);
  of->is_stored = 1;
  if (!happens_to_lie()) return acknowledge(sent, member);
  switch (draw(&dice, 6)) {
    case 0: return "";
    case 1: return "{\"results\":[]}";
    case 2: return acknowledge(sent, forged);
    case 3: return refuse_with("busy", NULL);
    case 4: {
      /* Of another receipt. */
      uint8_t other[LR_SIGNED_RECEIPT_BYTES];
      memcpy(other, sent, sizeof other);
      other[LR_AMOUNTS_AT] ^= 1;
      return acknowledge(other, member);
    }
    default: {
      char *text = answer;
      acknowledge(sent, member);
      text[draw(&dice, (uint32_t)strlen(text))] ^= (char)(1 << draw(&dice, 7));
      return text;
    }
  }
}

static void hand_in(void) {
  for (int32_t i = lr_next_pending(&book, 0); i >= 0; i = lr_next_pending(&book, (uint32_t)i + 1)) {
    uint8_t sent[LR_SIGNED_RECEIPT_BYTES];
    const char *said;
    lr_refusal refusal;
    lr_status status;
    account *of;
    if (lr_submit(&book, (uint32_t)i) != LR_OK) continue;
    memcpy(sent, last_body + LR_PACKED_HEADER_BYTES, sizeof sent);
    of = &accounts[lr_read_uint32(sent + LR_EPOCH_AT)][customer_in(sent)];
    said = hear(of, sent);
    status = lr_take_answer(&book, sent, 200, said, strlen(said), &refusal);
    CHECK(status == LR_OK || status == LR_SEND_AGAIN || status == LR_NOT_TAKEN ||
          happens.failing != 0);
    if (status == LR_OK) of->acknowledged = sequence_in(sent);
    watch_keeping();
  }
}

static int is_done(uint32_t epoch, int customer) {
  const account *of = &accounts[epoch][customer];
  return of->rounds >= ROUNDS && of->acknowledged != 0 &&
         of->acknowledged == sequence_in(of->head);
}

/* Everything that is left to do; begun anew after each power cut. */
static void run(void) {
  while (reopen(2 * CUSTOMERS) != LR_OK) CHECK(happens.failing != 0);
  watch_keeping();
  for (uint32_t epoch = 1; epoch <= EPOCHS; epoch++) {
    uint32_t first = epoch > 1 ? epoch - 1 : 1;
    for (int customer = 0; customer < CUSTOMERS; customer++) {
      for (int step = 0; !is_done(epoch, customer); step++) {
        account *of = &accounts[epoch][customer];
        CHECK(step < MOST_STEPS);
        if (open_epochs(first, epoch) != LR_OK) continue;
        /* Of the epoch before, the last words are kept; what is older is let go of. */
        if (lr_forget_before(&book, first) != LR_OK) continue;
        if (of->rounds < ROUNDS) exchange(of, customer, epoch);
        hand_in();
        /* A cut, or a refusal, may have taken the last receipt out of what is sent: a next covers it. */
        if (of->rounds == ROUNDS && lr_next_pending(&book, 0) < 0 && !is_done(epoch, customer)) {
          CHECK(cuts > 0 || happens.failing != 0 || happens.lying != 0);
          of->rounds--;
        }
      }
    }
  }
}

long play(const mishaps *given) {
  happens = *given;
  dice = chance_of(happens.seed);
  begin_world(happens.type);
  next_cut = happens.first_cut;
  /* Back here after each power cut, with nothing left but the flash and the world outside. */
  (void)setjmp(power);
  run();
  for (uint32_t epoch = 1; epoch <= EPOCHS; epoch++) {
    for (int i = 0; i < CUSTOMERS; i++) CHECK(is_done(epoch, i));
  }
  return calls;
}
