#include "vectors.h"

#include "check.h"

/* vectors.h is written by the runner out of test/vectors. */

#define EACH(vector, list) \
  for (size_t i_ = 0; i_ < sizeof list / sizeof *list && ((vector) = list + i_) != NULL; i_++)

TEST(hashes_what_every_length_takes) {
  uint8_t bytes[MOST_HASHED + HASH_BYTES], keccak[HASH_BYTES], sha[HASH_BYTES];
  uint8_t keccaks[2 * HASH_BYTES] = {0}, shas[2 * HASH_BYTES] = {0};
  for (size_t i = 0; i < MOST_HASHED; i++) bytes[i] = (uint8_t)(i * 7 + 1);
  for (size_t length = 0; length <= MOST_HASHED; length++) {
    lr_keccak256(keccaks + HASH_BYTES, bytes, length);
    lr_keccak256(keccaks, keccaks, sizeof keccaks);
    lr_sha256(shas + HASH_BYTES, bytes, length);
    lr_sha256(shas, shas, sizeof shas);
  }
  CHECK_BYTES_EQUAL(keccaks, KECCAK_OF_ALL, HASH_BYTES);
  CHECK_BYTES_EQUAL(shas, SHA256_OF_ALL, HASH_BYTES);
  lr_keccak256(keccak, NULL, 0);
  CHECK_BYTES_EQUAL(keccak, KECCAK_OF_NOTHING, HASH_BYTES);
  lr_sha256(sha, NULL, 0);
  CHECK_BYTES_EQUAL(sha, SHA256_OF_NOTHING, HASH_BYTES);
}

TEST(packs_and_unpacks_every_golden_receipt) {
  const receipt_vector *vector;
  EACH(vector, RECEIPTS) {
    uint8_t packed[LR_RECEIPT_BYTES];
    lr_receipt receipt;
    about = vector->name;
    lr_pack_receipt(packed, &vector->receipt);
    CHECK_BYTES_EQUAL(packed, vector->signed_packed, sizeof packed);
    lr_unpack_receipt(&receipt, packed);
    lr_pack_receipt(packed, &receipt);
    CHECK_BYTES_EQUAL(packed, vector->signed_packed, sizeof packed);
  }
}

TEST(reads_and_writes_every_golden_receipt_in_json) {
  const receipt_vector *vector;
  EACH(vector, RECEIPTS) {
    uint8_t packed[LR_SIGNED_RECEIPT_BYTES];
    char json[LR_SIGNED_RECEIPT_JSON_BYTES];
    size_t length;
    about = vector->name;
    CHECK(lr_read_signed_receipt(packed, vector->json.bytes, vector->json.length));
    CHECK_BYTES_EQUAL(packed, vector->signed_packed, sizeof packed);
    memset(packed, 0, sizeof packed);
    CHECK(lr_read_draft(packed, vector->json.bytes, vector->json.length));
    CHECK_BYTES_EQUAL(packed, vector->signed_packed, LR_DRAFT_BYTES);

    length = lr_signed_receipt_to_json(json, sizeof json, vector->signed_packed);
    CHECK(length == vector->json.length);
    CHECK_BYTES_EQUAL(json, vector->json.bytes, length + 1);
    CHECK(lr_signed_receipt_to_json(json, length + 1, vector->signed_packed) == length);
  }
}

TEST(writes_no_json_that_does_not_fit) {
  const receipt_vector *vector;
  EACH(vector, RECEIPTS) {
    for (size_t size = 0; size <= vector->json.length; size++) {
      /* Of exactly this size, so that the sanitizer sees a byte too many. */
      char *json = malloc(size > 0 ? size : 1);
      about_number = size;
      CHECK(lr_signed_receipt_to_json(json, size, vector->signed_packed) == 0);
      free(json);
    }
  }
}

TEST(computes_every_golden_digest) {
  const receipt_vector *vector;
  const digest_vector *message;
  EACH(vector, RECEIPTS) {
    uint8_t separator[HASH_BYTES], digest[HASH_BYTES], hash[HASH_BYTES];
    about = vector->name;
    lr_domain_separator(separator, CHAIN_ID, REGISTRY);
    CHECK_BYTES_EQUAL(separator, SEPARATOR, HASH_BYTES);
    lr_receipt_digest(digest, separator, vector->signed_packed);
    CHECK_BYTES_EQUAL(digest, vector->digest, HASH_BYTES);
    lr_signed_hash(hash, vector->type, digest);
    CHECK_BYTES_EQUAL(hash, vector->hash, HASH_BYTES);
  }
  EACH(message, MESSAGES) {
    uint8_t separator[HASH_BYTES], digest[HASH_BYTES];
    about = message->name;
    lr_domain_separator(separator, message->chain_id, message->contract);
    message->digest_of(digest, separator, message->packed);
    CHECK_BYTES_EQUAL(digest, message->digest, HASH_BYTES);
  }
}

TEST(packs_the_golden_submission) {
  uint8_t body[LR_PACKED_HEADER_BYTES + 2 * LR_SIGNED_RECEIPT_BYTES], *at = body;
  CHECK(sizeof PACKED_BODY == sizeof body);
  lr_pack_header(at, CHAIN_ID, REGISTRY);
  at += LR_PACKED_HEADER_BYTES;
  for (size_t i = 0; i < 2; i++, at += LR_SIGNED_RECEIPT_BYTES) {
    CHECK(lr_read_signed_receipt(at, PACKED_RECEIPTS[i].bytes, PACKED_RECEIPTS[i].length));
  }
  CHECK_BYTES_EQUAL(body, PACKED_BODY, sizeof body);
}

TEST(gives_every_signature_its_one_form) {
  const signature_vector *vector;
  EACH(vector, SIGNATURES) {
    uint8_t signature[LR_SIGNATURE_BYTES];
    int y_parity = 0;
    about_number = (unsigned long long)(vector - SIGNATURES);
    memcpy(signature, vector->high, sizeof signature);
    CHECK(vector->type != LR_P256 || !lr_is_signature(signature, vector->type));
    CHECK(lr_compact_signature(signature, vector->type, vector->high_parity));
    CHECK_BYTES_EQUAL(signature, vector->golden, sizeof signature);
    CHECK(lr_is_signature(signature, vector->type));

    if (vector->type == LR_SECP256K1) lr_expand_signature(signature, &y_parity, vector->golden);
    CHECK(vector->type == LR_P256 || y_parity == !vector->high_parity);
    CHECK(lr_compact_signature(signature, vector->type, y_parity));
    CHECK_BYTES_EQUAL(signature, vector->golden, sizeof signature);
  }
}

TEST(takes_no_number_that_is_out_of_range_for_a_signature) {
  const edge_vector *edge;
  EACH(edge, EDGES) {
    uint8_t signature[LR_SIGNATURE_BYTES];
    about = edge->name;
    about_number = edge->type;
    memcpy(signature, edge->given, sizeof signature);
    CHECK(lr_is_signature(signature, edge->type) == edge->is_signature);
    CHECK(lr_compact_signature(signature, edge->type, 0) == edge->is_compactable);
    CHECK_BYTES_EQUAL(signature, edge->compacted, sizeof signature);
  }
}

TEST(knows_the_addresses_of_public_keys) {
  uint8_t address[LR_ADDRESS_BYTES];
  lr_address(address, P256_PUBLIC_KEY);
  CHECK_BYTES_EQUAL(address, P256_DEVICE, sizeof address);
}

TEST(spells_the_oracles_refusals) {
  size_t count = sizeof REFUSALS / sizeof *REFUSALS;
  for (size_t i = 0; i < count; i++) {
    CHECK(strcmp(lr_refusal_word((lr_refusal)(i + 1)), REFUSALS[i]) == 0);
  }
  CHECK(count == LR_WRONG_VERSION);
  CHECK(strcmp(lr_refusal_word(LR_NO_REFUSAL), "") == 0);
  CHECK(strcmp(lr_refusal_word(LR_SEQUENCE_UNEXPECTED), "sequence-unexpected") == 0);
  CHECK(strcmp(lr_refusal_word(LR_TOTALS_SHORT), "totals-short") == 0);
  CHECK(strcmp(lr_refusal_word((lr_refusal)(LR_TOTALS_SHORT + 1)), "") == 0);
}

/* ---- A book whose signatures are the golden ones -------------------------------------------- */

static uint8_t flash[4][LR_RECORD_BYTES];
static int flash_length[4];

static int load_record(void *context, uint32_t place, uint8_t *record, size_t size) {
  (void)context;
  CHECK((size_t)flash_length[place] <= size);
  memcpy(record, flash[place], (size_t)flash_length[place]);
  return flash_length[place];
}

static int store_record(void *context, uint32_t place, const uint8_t *record, size_t length) {
  (void)context;
  memcpy(flash[place], record, length);
  flash_length[place] = (int)length;
  return 1;
}

/* As the runner worked it out with other code: who signed which hash, in which form. */
static lr_verdict was_signed(void *context, const lr_claim *claim) {
  const signer_vector *signer;
  (void)context;
  EACH(signer, SIGNERS) {
    if (memcmp(signer->hash, claim->hash, HASH_BYTES) != 0) continue;
    if (memcmp(signer->signature, claim->signature, LR_SIGNATURE_BYTES) != 0) continue;
    if (memcmp(signer->who, claim->who, LR_ADDRESS_BYTES) == 0) return LR_YES;
    if (claim->signer == LR_BY_CUSTOMER && memcmp(signer->who, GATEWAY, LR_ADDRESS_BYTES) == 0)
      return LR_YES;
  }
  return LR_NO;
}

/* The device's signature as its vector has it, in the form that a signer gives. */
static int sign_golden(void *context, const uint8_t hash[LR_HASH_BYTES],
                       uint8_t rs[LR_SIGNATURE_BYTES], int *y_parity) {
  const receipt_vector *vector;
  EACH(vector, RECEIPTS) {
    if (memcmp(vector->hash, hash, HASH_BYTES) != 0) continue;
    memcpy(rs, vector->signed_packed + LR_DEVICE_SIGNATURE_AT, LR_SIGNATURE_BYTES);
    if (vector->type == LR_SECP256K1) {
      int parity;
      lr_expand_signature(rs, &parity, rs);
      *y_parity = *(int *)context ? parity : LR_PARITY_UNKNOWN;
    }
    return 1;
  }
  return 0;
}

static int sent = 0;
static int count_sent(void *context, const uint8_t *body, size_t length) {
  (void)context;
  CHECK(length == LR_SUBMISSION_BYTES);
  CHECK(lr_read_uint32(body) == LR_PACKED_VERSION);
  return ++sent;
}

static int says_parity = 1;
static const lr_port PORT = {&says_parity, sign_golden, was_signed,
                             load_record,  store_record, count_sent};
static lr_entry entries[3];

static lr_book new_book(const receipt_vector *of, uint32_t first_open, uint32_t last_open) {
  lr_book book;
  lr_terms terms = {CHAIN_ID, {0}, 0, 0};
  memset(flash_length, 0, sizeof flash_length);
  memcpy(terms.registry, REGISTRY, LR_ADDRESS_BYTES);
  CHECK(lr_open_book(&book, &PORT, CHAIN_ID, REGISTRY, of->signed_packed, of->type, entries, 3) ==
        LR_OK);
  /* It knows all that it signed since an epoch before the vectors'. */
  terms.first_open = terms.last_open = first_open - 1;
  if (terms.last_open > 0) CHECK(lr_set_open_epochs(&book, &terms) == LR_OK);
  terms.first_open = first_open;
  terms.last_open = last_open;
  CHECK(lr_set_open_epochs(&book, &terms) == LR_OK);
  return book;
}

TEST(signs_golden_drafts_as_the_vectors_are_signed) {
  const receipt_vector *vector;
  EACH(vector, RECEIPTS) {
    const uint8_t *customer = vector->signed_packed + LR_CUSTOMER_AT;
    uint32_t epoch = vector->receipt.epoch;
    uint8_t out[LR_SIGNED_RECEIPT_BYTES];
    lr_refusal refusal;
    lr_entry *entry;
    lr_book book;
    about = vector->name;
    if (vector->receipt.sequence == 0) continue;
    for (says_parity = 0; says_parity < 2; says_parity++) {
      book = new_book(vector, epoch, epoch);
      if (epoch == 1) {
        CHECK(lr_countersign(&book, vector->signed_packed, NULL, out, &refusal) ==
              LR_HEADS_NEEDED);
      }
      CHECK(lr_go_on_from_heads(&book, epoch, customer, NULL, NULL) == LR_OK);
      entry = entries;
      entry->used = vector->receipt.sequence - 1;
      CHECK(lr_countersign(&book, vector->signed_packed, NULL, out, &refusal) == LR_OK);
      CHECK_BYTES_EQUAL(out, vector->signed_packed, sizeof out);
    }
  }
}

TEST(goes_on_from_golden_heads_and_from_no_refused_one) {
  const receipt_vector *vector;
  const refused_vector *refused;
  EACH(vector, RECEIPTS) {
    const uint8_t *customer = vector->signed_packed + LR_CUSTOMER_AT;
    uint32_t epoch = vector->receipt.epoch, sequence = vector->receipt.sequence;
    lr_book book = new_book(vector, epoch, epoch);
    about = vector->name;
    CHECK(lr_go_on_from_heads(&book, epoch, customer, vector->signed_packed, NULL) == LR_OK);
    CHECK(lr_next_sequence(&book, epoch, customer) ==
          (sequence > UINT32_MAX - LR_SEQUENCE_JUMP ? 0 : sequence + LR_SEQUENCE_JUMP));
    CHECK_BYTES_EQUAL(entries[0].floor, vector->signed_packed + LR_AMOUNTS_AT, LR_AMOUNTS_BYTES);
  }
  EACH(refused, REFUSED) {
    const receipt_vector *device = refused->type == LR_P256 ? P256_RECEIPT : RECEIPTS;
    uint8_t head[LR_SIGNED_RECEIPT_BYTES], out[LR_SIGNED_RECEIPT_BYTES];
    int is_read = lr_read_signed_receipt(head, refused->json.bytes, refused->json.length);
    lr_refusal refusal;
    lr_status status;
    lr_book book;
    about = refused->name;
    CHECK(is_read == (strcmp(refused->refusal, "malformed") != 0));
    if (!is_read) continue;

    book = new_book(device, 1, 1);
    status = lr_countersign(&book, head, NULL, out, &refusal);
    if (strcmp(refused->refusal, "customer-signature-invalid") == 0) {
      CHECK(status == LR_NOT_TAKEN && refusal == LR_CUSTOMER_SIGNATURE_INVALID);
      continue;
    }
    CHECK(status == LR_HEADS_NEEDED || (status == LR_NOT_TAKEN && refusal == LR_KEY_UNKNOWN));
    CHECK(lr_go_on_from_heads(&book, 1, head + LR_CUSTOMER_AT, head, head) == LR_OK);
    CHECK(lr_next_sequence(&book, 1, head + LR_CUSTOMER_AT) == LR_SEQUENCE_JUMP);
  }
}

TEST(takes_the_golden_acknowledgement_for_its_receipt_alone) {
  const receipt_vector *vector = RECEIPTS;
  const uint8_t *customer = vector->signed_packed + LR_CUSTOMER_AT;
  lr_book book = new_book(vector, 1, 1);
  lr_book reopened;
  lr_refusal refusal;
  uint8_t out[LR_SIGNED_RECEIPT_BYTES];
  CHECK(lr_go_on_from_heads(&book, 1, customer, NULL, NULL) == LR_OK);
  entries[0].used = 0;
  CHECK(lr_countersign(&book, vector->signed_packed, NULL, out, &refusal) == LR_OK);
  CHECK(lr_next_pending(&book, 0) == 0);
  CHECK(lr_submit(&book, 0) == LR_OK);
  for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
    about = ANSWERS[i].name;
    CHECK(lr_take_answer(&book, out, 200, ANSWERS[i].json.bytes, ANSWERS[i].json.length,
                         &refusal) == (ANSWERS[i].is_good ? LR_OK : LR_SEND_AGAIN));
    CHECK(entries[0].fate == (ANSWERS[i].is_good ? LR_ACKNOWLEDGED : LR_PENDING));
  }
  CHECK(lr_next_pending(&book, 0) == -1);
  CHECK(lr_submit(&book, 0) == LR_NOTHING_PENDING);

  CHECK(lr_open_book(&reopened, &PORT, CHAIN_ID, REGISTRY, vector->signed_packed, vector->type,
                     entries, 3) == LR_OK);
  CHECK(entries[0].fate == LR_ACKNOWLEDGED && entries[0].is_kept);
  CHECK_BYTES_EQUAL(entries[0].kept_receipt, vector->signed_packed, LR_SIGNED_RECEIPT_BYTES);
  CHECK_BYTES_EQUAL(entries[0].member, MEMBER, LR_ADDRESS_BYTES);
  CHECK_BYTES_EQUAL(entries[0].signature, ACKNOWLEDGEMENT_SIGNATURE, LR_SIGNATURE_BYTES);
  CHECK(entries[0].stored_at == ACKNOWLEDGEMENT_STORED_AT);
}
