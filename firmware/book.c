#include <string.h>

#include "link_rewards.h"

#define RECORD_VERSION 1u
#define BOOK_PLACE 0u
#define CHECK_BYTES 4

/* ---- Records -------------------------------------------------------------------------------- */

/* A place in a record, from which fields are written or read one after the other. */
static void put(uint8_t **at, const void *bytes, size_t length) {
  memcpy(*at, bytes, length);
  *at += length;
}

static void put_uint32(uint8_t **at, uint32_t value) {
  lr_write_uint32(*at, value);
  *at += 4;
}

static void take(const uint8_t **at, void *bytes, size_t length) {
  memcpy(bytes, *at, length);
  *at += length;
}

static uint32_t take_uint32(const uint8_t **at) {
  *at += 4;
  return lr_read_uint32(*at - 4);
}

static void write_check(uint8_t *record, size_t length) {
  uint8_t hash[LR_HASH_BYTES];
  lr_keccak256(hash, record, length - CHECK_BYTES);
  memcpy(record + length - CHECK_BYTES, hash, CHECK_BYTES);
}

static int is_whole(const uint8_t *record, size_t length) {
  uint8_t hash[LR_HASH_BYTES];
  lr_keccak256(hash, record, length - CHECK_BYTES);
  return lr_read_uint32(record) == RECORD_VERSION &&
         memcmp(record + length - CHECK_BYTES, hash, CHECK_BYTES) == 0;
}

static lr_status store(const lr_book *book, uint32_t place, uint8_t *record, size_t length) {
  write_check(record, length);
  return book->port->store(book->port->context, place, record, length) ? LR_OK : LR_NOT_STORED;
}

static lr_status store_book(const lr_book *book, uint32_t since, uint32_t oldest) {
  uint8_t record[LR_BOOK_RECORD_BYTES], *at = record;
  put_uint32(&at, RECORD_VERSION);
  put(&at, book->device, LR_ADDRESS_BYTES);
  put_uint32(&at, since);
  put_uint32(&at, oldest);
  put_uint32(&at, book->count);
  return store(book, BOOK_PLACE, record, sizeof record);
}

static lr_status store_entry(const lr_book *book, const lr_entry *place, const lr_entry *entry) {
  uint8_t record[LR_RECORD_BYTES], *at = record, stored_at[8];
  uint8_t flags[4] = {(uint8_t)entry->fate, (uint8_t)entry->refusal, entry->is_kept != 0, 0};
  lr_write_uint64(stored_at, entry->stored_at);
  put_uint32(&at, RECORD_VERSION);
  put(&at, book->device, LR_ADDRESS_BYTES);
  put(&at, entry->customer, LR_ADDRESS_BYTES);
  put_uint32(&at, entry->epoch);
  put_uint32(&at, entry->used);
  put(&at, entry->floor, LR_AMOUNTS_BYTES);
  put(&at, flags, sizeof flags);
  put(&at, entry->signed_receipt, LR_SIGNED_RECEIPT_BYTES);
  put(&at, entry->kept_receipt, LR_SIGNED_RECEIPT_BYTES);
  put(&at, entry->member, LR_ADDRESS_BYTES);
  put(&at, stored_at, sizeof stored_at);
  put(&at, entry->signature, LR_SIGNATURE_BYTES);
  return store(book, 1 + (uint32_t)(place - book->entries), record, sizeof record);
}

/* What counts is what is stored: memory follows it. */
static lr_status replace_entry(lr_book *book, lr_entry *entry, const lr_entry *changed) {
  lr_status status = store_entry(book, entry, changed);
  if (status == LR_OK) *entry = *changed;
  return status;
}

static void read_entry(lr_entry *entry, const uint8_t *record) {
  const uint8_t *at = record + 4 + LR_ADDRESS_BYTES;
  uint8_t flags[4], stored_at[8];
  take(&at, entry->customer, LR_ADDRESS_BYTES);
  entry->epoch = take_uint32(&at);
  entry->used = take_uint32(&at);
  take(&at, entry->floor, LR_AMOUNTS_BYTES);
  take(&at, flags, sizeof flags);
  take(&at, entry->signed_receipt, LR_SIGNED_RECEIPT_BYTES);
  take(&at, entry->kept_receipt, LR_SIGNED_RECEIPT_BYTES);
  take(&at, entry->member, LR_ADDRESS_BYTES);
  take(&at, stored_at, sizeof stored_at);
  take(&at, entry->signature, LR_SIGNATURE_BYTES);
  entry->is_used = 1;
  entry->fate = (lr_fate)flags[0];
  entry->refusal = (lr_refusal)flags[1];
  entry->is_kept = flags[2];
  entry->stored_at = lr_read_uint64(stored_at);
}

/* ---- Opening -------------------------------------------------------------------------------- */

typedef enum { NONE, WHOLE, DAMAGED, UNREADABLE, ANOTHERS } loaded;

static loaded load(const lr_book *book, uint32_t place, uint8_t *record, size_t length) {
  int read = book->port->load(book->port->context, place, record, length);
  if (read < 0) return UNREADABLE;
  if (read == 0) return NONE;
  if ((size_t)read != length || !is_whole(record, length)) return DAMAGED;
  return memcmp(record + 4, book->device, LR_ADDRESS_BYTES) == 0 ? WHOLE : ANOTHERS;
}

static lr_status load_book(lr_book *book) {
  uint8_t record[LR_BOOK_RECORD_BYTES];
  const uint8_t *at = record + 4 + LR_ADDRESS_BYTES;
  switch (load(book, BOOK_PLACE, record, sizeof record)) {
    case UNREADABLE: return LR_NOT_LOADED;
    case ANOTHERS: return LR_OTHER_BOOK;
    case NONE:
    case DAMAGED: return LR_OK;
    case WHOLE: break;
  }
  book->since = take_uint32(&at);
  book->oldest = take_uint32(&at);
  book->places = take_uint32(&at);
  return book->places <= book->count ? LR_OK : LR_OTHER_BOOK;
}

static lr_entry *find(const lr_book *book, uint32_t epoch, const uint8_t *customer) {
  for (uint32_t i = 0; i < book->count; i++) {
    lr_entry *entry = book->entries + i;
    if (entry->is_used && entry->epoch == epoch &&
        memcmp(entry->customer, customer, LR_ADDRESS_BYTES) == 0)
      return entry;
  }
  return NULL;
}

/* What is lost may be anything up to now: `since` is set anew, to the epoch that runs. */
static lr_status load_entry(lr_book *book, uint32_t index, int *is_damaged) {
  uint8_t record[LR_RECORD_BYTES];
  lr_entry *entry = book->entries + index, *twin;
  switch (load(book, 1 + index, record, sizeof record)) {
    case UNREADABLE: return LR_NOT_LOADED;
    case ANOTHERS: return LR_OTHER_BOOK;
    case DAMAGED: *is_damaged = 1; return LR_OK;
    case NONE: return LR_OK;
    case WHOLE: break;
  }
  read_entry(entry, record);
  if (entry->epoch < book->oldest) entry->is_used = 0;
  /* No book writes two; of two that are there all the same, none can be believed. */
  twin = find(book, entry->epoch, entry->customer);
  if (entry->is_used && twin != entry) {
    *is_damaged = 1;
    twin->is_used = entry->is_used = 0;
  }
  return LR_OK;
}

lr_status lr_open_book(lr_book *book, const lr_port *port, uint64_t chain_id,
                       const uint8_t registry[LR_ADDRESS_BYTES],
                       const uint8_t device[LR_ADDRESS_BYTES], lr_key_type type, lr_entry *entries,
                       uint32_t count) {
  lr_status status;
  int is_damaged = 0;
  memset(book, 0, sizeof *book);
  memset(entries, 0, count * sizeof *entries);
  book->port = port;
  book->chain_id = chain_id;
  memcpy(book->registry, registry, LR_ADDRESS_BYTES);
  memcpy(book->device, device, LR_ADDRESS_BYTES);
  book->type = type;
  lr_domain_separator(book->separator, chain_id, registry);
  book->entries = entries;
  book->count = count;

  status = load_book(book);
  for (uint32_t i = 0; status == LR_OK && i < count; i++)
    status = load_entry(book, i, &is_damaged);
  if (is_damaged) book->since = 0;
  return status;
}

lr_status lr_set_open_epochs(lr_book *book, const lr_terms *terms) {
  uint32_t since = book->since;
  if (terms->chain_id != book->chain_id ||
      memcmp(terms->registry, book->registry, LR_ADDRESS_BYTES) != 0)
    return LR_NOT_TAKEN;
  if (since == 0) since = terms->last_open;
  if (since != 0 && (since != book->since || book->places != book->count)) {
    lr_status status = store_book(book, since, book->oldest);
    if (status != LR_OK) return status;
    book->since = since;
    book->places = book->count;
  }
  book->first_open = terms->first_open;
  book->last_open = terms->last_open;
  return LR_OK;
}

lr_status lr_forget_before(lr_book *book, uint32_t epoch) {
  lr_status status;
  if (epoch > book->first_open) return LR_NOT_TAKEN;
  if (epoch <= book->oldest) return LR_OK;
  status = store_book(book, book->since, epoch);
  if (status != LR_OK) return status;
  book->oldest = epoch;
  for (uint32_t i = 0; i < book->count; i++) {
    if (book->entries[i].epoch < epoch) book->entries[i].is_used = 0;
  }
  return LR_OK;
}

/* ---- Signatures ----------------------------------------------------------------------------- */

static lr_verdict is_signed_by(const lr_book *book, lr_signer signer, const uint8_t *who,
                               uint32_t epoch, const uint8_t *digest, const uint8_t *signature) {
  lr_key_type type = signer == LR_BY_DEVICE ? book->type : LR_SECP256K1;
  uint8_t hash[LR_HASH_BYTES];
  lr_claim claim;
  if (!lr_is_signature(signature, type)) return LR_NO;
  lr_signed_hash(hash, type, digest);
  claim.signer = signer;
  claim.who = who;
  claim.epoch = epoch;
  claim.hash = hash;
  claim.signature = signature;
  return book->port->verify(book->port->context, &claim);
}

/* A signature that was disturbed on its way can betray the key: none leaves that was not verified. */
static lr_status sign(const lr_book *book, uint32_t epoch, const uint8_t *digest, uint8_t *out) {
  uint8_t hash[LR_HASH_BYTES], rs[LR_SIGNATURE_BYTES] = {0};
  int y_parity = LR_PARITY_UNKNOWN, tries = book->type == LR_SECP256K1 ? 2 : 1;
  lr_signed_hash(hash, book->type, digest);
  if (!book->port->sign(book->port->context, hash, rs, &y_parity)) return LR_NOT_SIGNED;
  if (y_parity == LR_PARITY_UNKNOWN) y_parity = 0;
  for (; tries > 0; tries--, y_parity = !y_parity) {
    lr_verdict verdict;
    memcpy(out, rs, LR_SIGNATURE_BYTES);
    if (!lr_compact_signature(out, book->type, y_parity)) return LR_NOT_SIGNED;
    verdict = is_signed_by(book, LR_BY_DEVICE, book->device, epoch, digest, out);
    if (verdict == LR_YES) return LR_OK;
    if (verdict != LR_NO) return LR_NOT_VERIFIED;
  }
  return LR_NOT_SIGNED;
}

/* ---- Entries -------------------------------------------------------------------------------- */

static const uint8_t AMOUNT_WIDTHS[] = {8, 12, 8};
#define AMOUNTS 3

static int is_short_of(const uint8_t *amounts, const uint8_t *least) {
  for (size_t i = 0; i < AMOUNTS; i++) {
    size_t width = AMOUNT_WIDTHS[i];
    if (memcmp(amounts, least, width) < 0) return 1;
    amounts += width;
    least += width;
  }
  return 0;
}

static void raise(uint8_t *floor, const uint8_t *amounts) {
  for (size_t i = 0; i < AMOUNTS; i++) {
    size_t width = AMOUNT_WIDTHS[i];
    if (memcmp(floor, amounts, width) < 0) memcpy(floor, amounts, width);
    floor += width;
    amounts += width;
  }
}

/* The next sequence is then the head's and LR_SEQUENCE_JUMP, or there is none any more. */
static void jump_beyond(lr_entry *entry, uint32_t sequence) {
  uint32_t used =
      sequence <= UINT32_MAX - LR_SEQUENCE_JUMP ? sequence + LR_SEQUENCE_JUMP - 1 : UINT32_MAX;
  if (used > entry->used) entry->used = used;
}

static int is_open(const lr_book *book, uint32_t epoch) {
  return epoch != 0 && epoch >= book->oldest && epoch >= book->first_open &&
         epoch <= book->last_open;
}

static lr_entry *take_place(const lr_book *book, uint32_t epoch, const uint8_t *customer) {
  for (uint32_t i = 0; i < book->count; i++) {
    lr_entry *entry = book->entries + i;
    if (entry->is_used) continue;
    memset(entry, 0, sizeof *entry);
    entry->is_used = 1;
    entry->epoch = epoch;
    memcpy(entry->customer, customer, LR_ADDRESS_BYTES);
    return entry;
  }
  return NULL;
}

const lr_entry *lr_find_entry(const lr_book *book, uint32_t epoch,
                              const uint8_t customer[LR_ADDRESS_BYTES]) {
  return find(book, epoch, customer);
}

uint32_t lr_next_sequence(const lr_book *book, uint32_t epoch,
                          const uint8_t customer[LR_ADDRESS_BYTES]) {
  const lr_entry *entry = find(book, epoch, customer);
  if (entry == NULL) return book->since != 0 && epoch > book->since;
  return entry->used == UINT32_MAX ? 0 : entry->used + 1;
}

/* LR_YES for a head of this device, epoch and customer that this device signed. */
static lr_verdict is_own_head(const lr_book *book, uint32_t epoch, const uint8_t *customer,
                              const uint8_t *head) {
  uint8_t digest[LR_HASH_BYTES];
  if (memcmp(head + LR_DEVICE_AT, book->device, LR_ADDRESS_BYTES) != 0 ||
      memcmp(head + LR_CUSTOMER_AT, customer, LR_ADDRESS_BYTES) != 0 ||
      lr_read_uint32(head + LR_EPOCH_AT) != epoch)
    return LR_NO;
  lr_receipt_digest(digest, book->separator, head);
  return is_signed_by(book, LR_BY_DEVICE, book->device, epoch, digest,
                      head + LR_DEVICE_SIGNATURE_AT);
}

static void go_on_from(lr_entry *entry, const uint8_t *head) {
  jump_beyond(entry, lr_read_uint32(head + LR_SEQUENCE_AT));
  raise(entry->floor, head + LR_AMOUNTS_AT);
}

lr_status lr_go_on_from_heads(lr_book *book, uint32_t epoch,
                              const uint8_t customer[LR_ADDRESS_BYTES],
                              const uint8_t *oracle_head, const uint8_t *gateway_head) {
  const uint8_t *heads[2];
  lr_verdict verdicts[2] = {LR_NO, LR_NO};
  lr_entry *entry;
  heads[0] = oracle_head;
  heads[1] = gateway_head;
  if (!is_open(book, epoch)) return LR_NOT_TAKEN;
  if (find(book, epoch, customer) != NULL) return LR_OK;
  for (int i = 0; i < 2; i++) {
    if (heads[i] != NULL) verdicts[i] = is_own_head(book, epoch, customer, heads[i]);
    if (verdicts[i] == LR_CANNOT_TELL) return LR_NOT_VERIFIED;
  }
  entry = take_place(book, epoch, customer);
  if (entry == NULL) return LR_BOOK_FULL;
  jump_beyond(entry, 0);
  for (int i = 0; i < 2; i++) {
    if (verdicts[i] == LR_YES) go_on_from(entry, heads[i]);
  }
  return store_entry(book, entry, entry);
}

/* ---- Signing -------------------------------------------------------------------------------- */

static lr_status refuse(lr_refusal *refusal, lr_refusal why) {
  *refusal = why;
  return LR_NOT_TAKEN;
}

/* Whose draft it is, before anything is remembered of it. */
static lr_status check_signer(const lr_book *book, const uint8_t *draft, const uint8_t *digest,
                              lr_refusal *refusal) {
  const uint8_t *signature = draft + LR_CUSTOMER_SIGNATURE_AT;
  uint32_t epoch = lr_read_uint32(draft + LR_EPOCH_AT);
  if (memcmp(draft + LR_DEVICE_AT, book->device, LR_ADDRESS_BYTES) != 0)
    return refuse(refusal, LR_MALFORMED);
  if (!is_open(book, epoch)) return refuse(refusal, LR_EPOCH_CLOSED);
  if (!lr_is_signature(signature, LR_SECP256K1))
    return refuse(refusal, LR_CUSTOMER_SIGNATURE_INVALID);
  switch (is_signed_by(book, LR_BY_CUSTOMER, draft + LR_CUSTOMER_AT, epoch, digest, signature)) {
    case LR_YES: return LR_OK;
    case LR_NO: return refuse(refusal, LR_KEY_UNKNOWN);
    default: return LR_NOT_VERIFIED;
  }
}

/* The draft's sequence is on the disk as used before the signature exists, and the receipt before it leaves. */
static lr_status store_and_sign(lr_book *book, lr_entry *entry, const uint8_t *draft,
                                const uint8_t *digest) {
  lr_entry changed = *entry;
  lr_status status;
  changed.used = lr_read_uint32(draft + LR_SEQUENCE_AT);
  status = replace_entry(book, entry, &changed);
  if (status != LR_OK) return status;

  memcpy(changed.signed_receipt, draft, LR_DRAFT_BYTES);
  status = sign(book, changed.epoch, digest, changed.signed_receipt + LR_DEVICE_SIGNATURE_AT);
  if (status != LR_OK) return status;
  raise(changed.floor, draft + LR_AMOUNTS_AT);
  changed.fate = LR_PENDING;
  changed.refusal = LR_NO_REFUSAL;
  return replace_entry(book, entry, &changed);
}

lr_status lr_countersign(lr_book *book, const uint8_t draft[LR_DRAFT_BYTES],
                         const uint8_t least[LR_AMOUNTS_BYTES],
                         uint8_t out[LR_SIGNED_RECEIPT_BYTES], lr_refusal *refusal) {
  const uint8_t *customer = draft + LR_CUSTOMER_AT, *amounts = draft + LR_AMOUNTS_AT;
  uint32_t epoch = lr_read_uint32(draft + LR_EPOCH_AT), next;
  uint8_t digest[LR_HASH_BYTES];
  lr_entry *entry;
  lr_status status;
  *refusal = LR_NO_REFUSAL;
  lr_receipt_digest(digest, book->separator, draft);
  status = check_signer(book, draft, digest, refusal);
  if (status != LR_OK) return status;

  entry = find(book, epoch, customer);
  if (entry == NULL && epoch <= book->since) return LR_HEADS_NEEDED;
  if (entry == NULL || entry->fate == LR_NOTHING_SIGNED ||
      memcmp(entry->signed_receipt, draft, LR_RECEIPT_BYTES) != 0) {
    next = lr_next_sequence(book, epoch, customer);
    if (next == 0) return LR_SEQUENCES_USED_UP;
    if (lr_read_uint32(draft + LR_SEQUENCE_AT) != next)
      return refuse(refusal, LR_SEQUENCE_UNEXPECTED);
    if ((least != NULL && is_short_of(amounts, least)) ||
        (entry != NULL && is_short_of(amounts, entry->floor)))
      return refuse(refusal, LR_TOTALS_SHORT);
    if (entry == NULL) entry = take_place(book, epoch, customer);
    if (entry == NULL) return LR_BOOK_FULL;
    status = store_and_sign(book, entry, draft, digest);
    if (status != LR_OK) return status;
  }
  memcpy(out, entry->signed_receipt, LR_SIGNED_RECEIPT_BYTES);
  return LR_OK;
}

/* ---- Handing in ----------------------------------------------------------------------------- */

int32_t lr_next_pending(const lr_book *book, uint32_t from) {
  for (uint32_t i = from; i < book->count; i++) {
    if (book->entries[i].is_used && book->entries[i].fate == LR_PENDING) return (int32_t)i;
  }
  return -1;
}

lr_status lr_submit(lr_book *book, uint32_t index) {
  uint8_t body[LR_SUBMISSION_BYTES];
  if (index >= book->count || !book->entries[index].is_used ||
      book->entries[index].fate != LR_PENDING)
    return LR_NOTHING_PENDING;
  lr_pack_header(body, book->chain_id, book->registry);
  memcpy(body + LR_PACKED_HEADER_BYTES, book->entries[index].signed_receipt,
         LR_SIGNED_RECEIPT_BYTES);
  return book->port->send(book->port->context, body, sizeof body) ? LR_OK : LR_NOT_SENT;
}

/* It goes alone, so the root must be its digest. */
static lr_status take_word(lr_book *book, lr_entry *entry, const lr_answer *answer) {
  const uint8_t *word = answer->acknowledgement;
  uint8_t digest[LR_HASH_BYTES];
  lr_entry changed = *entry;
  lr_receipt_digest(digest, book->separator, entry->signed_receipt);
  if (memcmp(word, digest, LR_HASH_BYTES) != 0 || lr_read_uint32(word + LR_HASH_BYTES) != 1)
    return LR_SEND_AGAIN;
  lr_acknowledgement_digest(digest, book->separator, word);
  switch (is_signed_by(book, LR_BY_MEMBER, answer->member, entry->epoch, digest,
                       answer->signature)) {
    case LR_YES: break;
    case LR_NO: return LR_SEND_AGAIN;
    default: return LR_NOT_VERIFIED;
  }
  changed.fate = LR_ACKNOWLEDGED;
  changed.is_kept = 1;
  memcpy(changed.kept_receipt, entry->signed_receipt, LR_SIGNED_RECEIPT_BYTES);
  memcpy(changed.member, answer->member, LR_ADDRESS_BYTES);
  changed.stored_at = lr_read_uint64(word + LR_HASH_BYTES + 4);
  memcpy(changed.signature, answer->signature, LR_SIGNATURE_BYTES);
  return replace_entry(book, entry, &changed);
}

/* The oracle reads the chain with a delay: these may be true no more in a moment. */
static int is_passing(lr_refusal refusal) {
  return refusal == LR_BUSY || refusal == LR_DEVICE_UNKNOWN || refusal == LR_DEVICE_UNBOUND ||
         refusal == LR_CUSTOMER_UNKNOWN || refusal == LR_KEY_UNKNOWN;
}

static lr_status take_refusal(lr_book *book, lr_entry *entry, const lr_answer *answer) {
  lr_entry changed = *entry;
  lr_status status;
  if (is_passing(answer->refusal)) return LR_SEND_AGAIN;
  if (answer->has_head) {
    lr_verdict verdict = is_own_head(book, entry->epoch, entry->customer, answer->head);
    if (verdict == LR_CANNOT_TELL) return LR_NOT_VERIFIED;
    /* Something signed on with this key: an older book was put back, or the key was copied. */
    if (verdict == LR_YES) go_on_from(&changed, answer->head);
  }
  changed.fate = LR_REFUSED;
  changed.refusal = answer->refusal;
  status = replace_entry(book, entry, &changed);
  return status == LR_OK ? LR_NOT_TAKEN : status;
}

lr_status lr_take_answer(lr_book *book, const uint8_t receipt[LR_RECEIPT_BYTES],
                         unsigned http_status, const void *json, size_t length,
                         lr_refusal *refusal) {
  lr_entry *entry =
      find(book, lr_read_uint32(receipt + LR_EPOCH_AT), receipt + LR_CUSTOMER_AT);
  lr_answer answer;
  *refusal = LR_NO_REFUSAL;
  if (entry == NULL || entry->fate != LR_PENDING ||
      memcmp(entry->signed_receipt, receipt, LR_RECEIPT_BYTES) != 0)
    return LR_NOTHING_PENDING;
  if (!lr_read_answer(&answer, http_status, json, length)) return LR_SEND_AGAIN;
  *refusal = answer.refusal;
  if (answer.refusal == LR_NO_REFUSAL) return take_word(book, entry, &answer);
  return take_refusal(book, entry, &answer);
}
