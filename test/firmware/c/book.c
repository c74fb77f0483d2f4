#include "world.h"

/* ---- Wherever the power fails --------------------------------------------------------------- */

static long play_with(mishaps with) {
  about = "cut at";
  about_number = (unsigned long long)with.first_cut;
  return play(&with);
}

TEST(gets_every_receipt_acknowledged_when_nothing_goes_wrong) {
  mishaps none = {1, LR_SECP256K1, 0, 0, 0, 0, 0, 0};
  CHECK(play(&none) > 100);
  none.type = LR_P256;
  CHECK(play(&none) > 100);
}

TEST(keeps_its_promises_when_the_power_fails_at_any_callback) {
  mishaps with = {1, LR_SECP256K1, 0, 0, 0, 0, 0, 0};
  long all = play_with(with);
  for (with.first_cut = 1; with.first_cut <= all; with.first_cut++) play_with(with);
}

TEST(keeps_its_promises_when_the_power_fails_twice) {
  mishaps with = {1, LR_SECP256K1, 0, 0, 0, 0, 0, 0};
  uint32_t all = (uint32_t)play_with(with);
  for (uint64_t seed = 1; seed <= 500; seed++) {
    chance from = chance_of(seed);
    with.first_cut = 1 + draw(&from, all);
    /* Most of them while it is still getting over the first. */
    with.second_cut = 1 + draw(&from, 40);
    play_with(with);
  }
}

TEST(signs_no_sequence_twice_when_a_record_is_torn) {
  mishaps with = {1, LR_P256, 0, 0, 1, 0, 0, 0};
  long all = play_with(with);
  for (with.first_cut = 1; with.first_cut <= all; with.first_cut++) play_with(with);
}

TEST(signs_no_sequence_twice_when_the_whole_flash_is_lost) {
  mishaps with = {1, LR_SECP256K1, 0, 0, 0, 0, 0, 0};
  long all = play_with(with);
  for (with.lost_at = 1; with.lost_at <= all; with.lost_at++) play_with(with);
}

TEST(keeps_its_promises_when_callbacks_fail_and_the_oracle_lies) {
  for (uint64_t seed = 1; seed <= 150; seed++) {
    mishaps with = {seed, seed % 2 ? LR_SECP256K1 : LR_P256, 0, 0, 0, 0, 0, 0};
    chance from = chance_of(seed);
    with.failing = draw(&from, 150);
    with.lying = draw(&from, 600);
    with.first_cut = draw(&from, 2) ? 1 + draw(&from, 400) : 0;
    with.second_cut = draw(&from, 400);
    about = "seed";
    about_number = seed;
    play(&with);
  }
}

/* ---- One call after the other --------------------------------------------------------------- */

static uint8_t draft[LR_DRAFT_BYTES], out[LR_SIGNED_RECEIPT_BYTES], again[LR_SIGNED_RECEIPT_BYTES];
static lr_refusal refusal;

static lr_status sign_draft(int customer, uint32_t epoch, uint32_t sequence, uint64_t total) {
  make_draft(draft, customer, epoch, sequence, total);
  return lr_countersign(&book, draft, NULL, out, &refusal);
}

static int is_refused(lr_refusal why) {
  return lr_countersign(&book, draft, NULL, out, &refusal) == LR_NOT_TAKEN && refusal == why;
}

/* A book that knows all since epoch 1, in epoch 2. */
static void begin_knowing(lr_key_type type, uint32_t count) {
  begin(type, count);
  CHECK(open_epochs(1, 1) == LR_OK);
  CHECK(open_epochs(1, 2) == LR_OK);
}

static lr_status take(unsigned status, const char *json) {
  return lr_take_answer(&book, out, status, json, strlen(json), &refusal);
}

TEST(signs_nothing_before_it_knows_which_epochs_are_open) {
  begin(LR_SECP256K1, 4);
  make_draft(draft, 0, 1, 1, 10);
  CHECK(is_refused(LR_EPOCH_CLOSED));
  CHECK(open_epochs(0, 0) == LR_OK);
  CHECK(is_refused(LR_EPOCH_CLOSED));
  CHECK(signs == 0 && stores == 0);
}

TEST(takes_open_epochs_of_its_own_chain_and_registry_alone) {
  lr_terms terms;
  begin(LR_SECP256K1, 4);
  memset(&terms, 0, sizeof terms);
  terms.chain_id = WORLD_CHAIN + 1;
  memcpy(terms.registry, registry, LR_ADDRESS_BYTES);
  terms.first_open = terms.last_open = 1;
  CHECK(lr_set_open_epochs(&book, &terms) == LR_NOT_TAKEN);
  terms.chain_id = WORLD_CHAIN;
  terms.registry[19] ^= 1;
  CHECK(lr_set_open_epochs(&book, &terms) == LR_NOT_TAKEN);
  CHECK(stores == 0 && book.last_open == 0);
}

TEST(begins_its_first_epoch_as_after_a_loss_and_the_next_at_1) {
  begin(LR_SECP256K1, 4);
  CHECK(open_epochs(1, 1) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == 0);
  CHECK(sign_draft(0, 1, 1, 10) == LR_HEADS_NEEDED);
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], NULL, NULL) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == LR_SEQUENCE_JUMP);
  CHECK(sign_draft(0, 1, LR_SEQUENCE_JUMP, 10) == LR_OK);
  CHECK(open_epochs(1, 2) == LR_OK);
  CHECK(lr_next_sequence(&book, 2, customers[0]) == 1);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(sign_draft(1, 1, 1, 10) == LR_HEADS_NEEDED);
}

TEST(gives_the_same_receipt_again_and_signs_it_once) {
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  memcpy(again, out, sizeof out);
  CHECK(signs == 1);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(reopen(4) == LR_OK && open_epochs(1, 2) == LR_OK);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(signs == 1);
  CHECK_BYTES_EQUAL(again, out, sizeof out);
}

TEST(signs_the_next_sequence_and_no_other) {
  begin_knowing(LR_SECP256K1, 4);
  make_draft(draft, 0, 2, 2, 10);
  CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
  make_draft(draft, 0, 2, 0, 10);
  CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
  CHECK(stores == 1 && lr_find_entry(&book, 2, customers[0]) == NULL);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(lr_next_sequence(&book, 2, customers[0]) == 2);
  make_draft(draft, 0, 2, 1, 20);
  CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
  make_draft(draft, 0, 2, 3, 20);
  CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
  CHECK(sign_draft(0, 2, 2, 20) == LR_OK);
}

TEST(signs_no_totals_that_fell_or_are_below_what_was_metered) {
  uint8_t least[LR_AMOUNTS_BYTES];
  begin_knowing(LR_SECP256K1, 4);
  make_draft(draft, 0, 2, 1, 20);
  for (size_t last = 7; last < LR_AMOUNTS_BYTES; last += last == 7 ? 12 : 8) {
    memcpy(least, draft + LR_AMOUNTS_AT, sizeof least);
    least[last]++;
    CHECK(lr_countersign(&book, draft, least, out, &refusal) == LR_NOT_TAKEN);
    CHECK(refusal == LR_TOTALS_SHORT);
  }
  memcpy(least, draft + LR_AMOUNTS_AT, sizeof least);
  CHECK(lr_countersign(&book, draft, least, out, &refusal) == LR_OK);
  make_draft(draft, 0, 2, 2, 10);
  CHECK(is_refused(LR_TOTALS_SHORT));
  CHECK(sign_draft(0, 2, 2, 20) == LR_OK);
}

TEST(signs_for_its_own_device_and_a_customers_key_alone) {
  begin_knowing(LR_SECP256K1, 4);
  make_draft(draft, 0, 2, 1, 10);
  draft[LR_DEVICE_AT] ^= 1;
  CHECK(is_refused(LR_MALFORMED));
  make_draft(draft, 0, 2, 1, 10);
  draft[LR_CUSTOMER_SIGNATURE_AT + 3] ^= 1;
  CHECK(is_refused(LR_KEY_UNKNOWN));
  make_draft(draft, 0, 2, 1, 10);
  draft[LR_AMOUNTS_AT] ^= 1;
  CHECK(is_refused(LR_KEY_UNKNOWN));
  make_draft(draft, 0, 2, 1, 10);
  memset(draft + LR_CUSTOMER_SIGNATURE_AT + 32, 0xff, 32);
  CHECK(is_refused(LR_CUSTOMER_SIGNATURE_INVALID));
  memset(draft + LR_CUSTOMER_SIGNATURE_AT, 0, LR_SIGNATURE_BYTES);
  CHECK(is_refused(LR_CUSTOMER_SIGNATURE_INVALID));
  make_draft(draft, 0, 3, 1, 10);
  CHECK(is_refused(LR_EPOCH_CLOSED));
  CHECK(open_epochs(2, 2) == LR_OK);
  make_draft(draft, 0, 1, 1, 10);
  CHECK(is_refused(LR_EPOCH_CLOSED));
  CHECK(signs == 0);
}

TEST(wastes_a_sequence_that_it_could_not_sign) {
  static const orders failures[] = {FAIL, MISSIGN};
  for (int i = 0; i < 2; i++) {
    begin_knowing(LR_SECP256K1, 4);
    on_sign = failures[i];
    CHECK(sign_draft(0, 2, 1, 10) == LR_NOT_SIGNED);
    CHECK(lr_next_pending(&book, 0) == -1);
    make_draft(draft, 0, 2, 1, 20);
    CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
    CHECK(reopen(4) == LR_OK && open_epochs(1, 2) == LR_OK);
    CHECK(is_refused(LR_SEQUENCE_UNEXPECTED));
    CHECK(sign_draft(0, 2, 2, 10) == LR_OK);
  }
}

TEST(finds_the_parity_that_its_signer_does_not_say) {
  for (uint32_t sequence = 1; sequence <= 4; sequence++) {
    uint8_t expected[LR_SIGNED_RECEIPT_BYTES];
    if (sequence == 1) begin_knowing(LR_SECP256K1, 4);
    on_sign = FORGET_PARITY;
    CHECK(sign_draft(0, 2, sequence, 10) == LR_OK);
    make_signed(expected, 0, 2, sequence, 10);
    CHECK_BYTES_EQUAL(out, expected, sizeof out);
  }
}

TEST(gives_out_nothing_that_it_could_not_store) {
  begin_knowing(LR_SECP256K1, 4);
  on_store = FAIL;
  CHECK(sign_draft(0, 2, 1, 10) == LR_NOT_STORED);
  CHECK(signs == 0);
  on_store = STORE_AND_FAIL;
  CHECK(sign_draft(0, 2, 1, 10) == LR_NOT_STORED);
  CHECK(signs == 0 && lr_next_pending(&book, 0) == -1);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);

  on_verify = NOT_SURE;
  CHECK(sign_draft(0, 2, 2, 20) == LR_NOT_VERIFIED);
  CHECK(lr_next_sequence(&book, 2, customers[0]) == 2);
  on_send = FAIL;
  CHECK(lr_submit(&book, 0) == LR_NOT_SENT);
  CHECK(lr_submit(&book, 0) == LR_OK);
  CHECK(lr_submit(&book, 4) == LR_NOTHING_PENDING);
  CHECK(lr_submit(&book, UINT32_MAX) == LR_NOTHING_PENDING);
}

TEST(uses_up_the_last_sequence_and_none_after_it) {
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
  begin(LR_SECP256K1, 4);
  CHECK(open_epochs(1, 1) == LR_OK);
  make_signed(head, 0, 1, UINT32_MAX - LR_SEQUENCE_JUMP, 10);
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], head, NULL) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == UINT32_MAX);
  CHECK(sign_draft(0, 1, UINT32_MAX, 10) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == 0);
  CHECK(sign_draft(0, 1, 0, 10) == LR_SEQUENCES_USED_UP);
  CHECK(sign_draft(0, 1, UINT32_MAX, 20) == LR_SEQUENCES_USED_UP);
  CHECK(sign_draft(0, 1, UINT32_MAX, 10) == LR_OK);

  make_signed(head, 1, 1, UINT32_MAX - LR_SEQUENCE_JUMP + 1, 10);
  CHECK(lr_go_on_from_heads(&book, 1, customers[1], NULL, head) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[1]) == 0);
  CHECK(sign_draft(1, 1, 1, 10) == LR_SEQUENCES_USED_UP);
}

TEST(goes_on_past_the_highest_head_that_it_signed) {
  uint8_t low[LR_SIGNED_RECEIPT_BYTES], high[LR_SIGNED_RECEIPT_BYTES];
  begin(LR_SECP256K1, 4);
  CHECK(open_epochs(1, 1) == LR_OK);
  make_signed(low, 0, 1, 3, 20);
  make_signed(high, 0, 1, 9, 10);
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], low, high) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == 9 + LR_SEQUENCE_JUMP);
  make_draft(draft, 0, 1, 9 + LR_SEQUENCE_JUMP, 19);
  CHECK(is_refused(LR_TOTALS_SHORT));
  /* Once is enough: heads of later do not move it. */
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], high, low) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == 9 + LR_SEQUENCE_JUMP);

  high[LR_SEQUENCE_AT + 1] ^= 1;
  make_signed(low, 0, 1, 7, 10);
  CHECK(lr_go_on_from_heads(&book, 1, customers[1], high, low) == LR_OK);
  CHECK(lr_next_sequence(&book, 1, customers[1]) == LR_SEQUENCE_JUMP);
  CHECK(lr_go_on_from_heads(&book, 2, customers[1], NULL, NULL) == LR_NOT_TAKEN);

  CHECK(open_epochs(1, 2) == LR_OK);
  make_signed(high, 0, 1, 9, 10);
  CHECK(lr_go_on_from_heads(&book, 2, customers[0], high, high) == LR_OK);
  CHECK(lr_next_sequence(&book, 2, customers[0]) == LR_SEQUENCE_JUMP);
}

TEST(does_not_go_on_while_it_cannot_check_or_store) {
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
  begin(LR_SECP256K1, 4);
  CHECK(open_epochs(1, 1) == LR_OK);
  make_signed(head, 0, 1, 5, 10);
  on_verify = NOT_SURE;
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], head, NULL) == LR_NOT_VERIFIED);
  CHECK(lr_find_entry(&book, 1, customers[0]) == NULL);
  on_store = FAIL;
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], head, NULL) == LR_NOT_STORED);
  CHECK(lr_next_sequence(&book, 1, customers[0]) == 5 + LR_SEQUENCE_JUMP);
}

TEST(drops_a_receipt_for_a_members_word_alone) {
  uint8_t stranger[LR_ADDRESS_BYTES] = {0xf0}, other[LR_SIGNED_RECEIPT_BYTES];
  const lr_entry *entry;
  begin_knowing(LR_P256, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(lr_submit(&book, 0) == LR_OK);
  make_signed(other, 0, 2, 2, 10);
  CHECK(take(200, acknowledge(out, stranger)) == LR_SEND_AGAIN);
  CHECK(take(200, acknowledge(other, member)) == LR_SEND_AGAIN);
  CHECK(take(200, acknowledge_many(out, member, 0)) == LR_SEND_AGAIN);
  CHECK(take(200, acknowledge_many(out, member, 2)) == LR_SEND_AGAIN);
  CHECK(take(503, acknowledge(out, member)) == LR_SEND_AGAIN);
  CHECK(take(200, "garbage") == LR_SEND_AGAIN);
  CHECK(take(200, "") == LR_SEND_AGAIN);
  on_verify = NOT_SURE;
  CHECK(take(200, acknowledge(out, member)) == LR_NOT_VERIFIED);
  on_store = FAIL;
  CHECK(take(200, acknowledge(out, member)) == LR_NOT_STORED);
  CHECK(lr_next_pending(&book, 0) == 0);
  CHECK(lr_take_answer(&book, other, 200, "", 0, &refusal) == LR_NOTHING_PENDING);
  CHECK(take(200, acknowledge(out, member)) == LR_OK);
  CHECK(lr_next_pending(&book, 0) == -1);
  CHECK(take(200, acknowledge(out, member)) == LR_NOTHING_PENDING);

  /* The word stays while a newer receipt is on its way, and after a power cut. */
  memcpy(again, out, sizeof out);
  CHECK(sign_draft(0, 2, 2, 20) == LR_OK);
  CHECK(reopen(4) == LR_OK);
  entry = lr_find_entry(&book, 2, customers[0]);
  CHECK(entry != NULL && entry->fate == LR_PENDING && entry->is_kept);
  CHECK_BYTES_EQUAL(entry->kept_receipt, again, sizeof again);
  CHECK_BYTES_EQUAL(entry->member, member, LR_ADDRESS_BYTES);
}

TEST(sends_again_after_a_refusal_that_may_pass_and_not_after_another) {
  static const char *const passing[] = {"busy", "device-unknown", "device-unbound",
                                        "customer-unknown", "key-unknown"};
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  for (size_t i = 0; i < 5; i++) {
    CHECK(take(200, refuse_with(passing[i], NULL)) == LR_SEND_AGAIN);
    CHECK(strcmp(lr_refusal_word(refusal), passing[i]) == 0);
    CHECK(lr_next_pending(&book, 0) == 0);
  }
  on_store = FAIL;
  CHECK(take(200, refuse_with("implausible", NULL)) == LR_NOT_STORED);
  CHECK(take(200, refuse_with("implausible", NULL)) == LR_NOT_TAKEN && refusal == LR_IMPLAUSIBLE);
  CHECK(lr_next_pending(&book, 0) == -1);
  CHECK(reopen(4) == LR_OK && lr_next_pending(&book, 0) == -1);
  CHECK(lr_find_entry(&book, 2, customers[0])->refusal == LR_IMPLAUSIBLE);
  /* The next one is sent all the same. */
  CHECK(open_epochs(1, 2) == LR_OK && sign_draft(0, 2, 2, 10) == LR_OK);
  CHECK(lr_next_pending(&book, 0) == 0);
}

TEST(jumps_past_a_head_of_its_own_that_it_does_not_know) {
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  make_signed(head, 0, 2, 50, 30);
  on_verify = NOT_SURE;
  CHECK(take(200, refuse_with("stale", head)) == LR_NOT_VERIFIED);
  CHECK(take(200, refuse_with("stale", head)) == LR_NOT_TAKEN && refusal == LR_STALE);
  CHECK(lr_next_sequence(&book, 2, customers[0]) == 50 + LR_SEQUENCE_JUMP);
  make_draft(draft, 0, 2, 50 + LR_SEQUENCE_JUMP, 20);
  CHECK(is_refused(LR_TOTALS_SHORT));

  CHECK(sign_draft(1, 2, 1, 10) == LR_OK);
  make_signed(head, 1, 2, 50, 30);
  head[LR_DEVICE_SIGNATURE_AT] ^= 1;
  CHECK(take(200, refuse_with("stale", head)) == LR_NOT_TAKEN);
  CHECK(lr_next_sequence(&book, 2, customers[1]) == 2);
}

TEST(fills_its_places_and_frees_those_of_epochs_that_are_let_go_of) {
  begin(LR_SECP256K1, 2);
  CHECK(open_epochs(1, 1) == LR_OK && open_epochs(1, 3) == LR_OK);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(sign_draft(1, 2, 1, 10) == LR_OK);
  CHECK(sign_draft(0, 3, 1, 10) == LR_BOOK_FULL);
  CHECK(lr_go_on_from_heads(&book, 1, customers[0], NULL, NULL) == LR_BOOK_FULL);
  CHECK(lr_forget_before(&book, 3) == LR_NOT_TAKEN);
  CHECK(open_epochs(3, 3) == LR_OK);
  on_store = FAIL;
  CHECK(lr_forget_before(&book, 3) == LR_NOT_STORED);
  CHECK(lr_find_entry(&book, 2, customers[0]) != NULL);
  CHECK(lr_forget_before(&book, 3) == LR_OK);
  CHECK(lr_forget_before(&book, 2) == LR_OK);
  CHECK(sign_draft(0, 3, 1, 10) == LR_OK);
  CHECK(reopen(2) == LR_OK && open_epochs(2, 3) == LR_OK);
  CHECK(lr_find_entry(&book, 2, customers[1]) == NULL);
  make_draft(draft, 1, 2, 1, 10);
  CHECK(is_refused(LR_EPOCH_CLOSED));
}

TEST(asks_for_heads_after_any_record_was_damaged) {
  for (uint32_t place = 0; place <= 1; place++) {
    begin_knowing(LR_SECP256K1, 4);
    CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
    damage(place);
    CHECK(reopen(4) == LR_OK && open_epochs(1, 2) == LR_OK);
    about_number = place;
    CHECK((lr_find_entry(&book, 2, customers[0]) != NULL) == (place == 0));
    if (place == 1) CHECK(sign_draft(0, 2, 1, 20) == LR_HEADS_NEEDED);
    CHECK(sign_draft(1, 2, 1, 10) == LR_HEADS_NEEDED);
  }
}

TEST(takes_records_of_another_version_for_damaged) {
  uint8_t record[LR_RECORD_BYTES], hash[LR_HASH_BYTES];
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  memcpy(record, record_at(1), sizeof record);
  lr_write_uint32(record, 2);
  lr_keccak256(hash, record, sizeof record - 4);
  memcpy(record + sizeof record - 4, hash, 4);
  put_record(1, record, sizeof record);
  CHECK(reopen(4) == LR_OK && open_epochs(1, 2) == LR_OK);
  CHECK(sign_draft(0, 2, 1, 20) == LR_HEADS_NEEDED);
}

TEST(opens_no_book_of_another_device_or_with_more_entries) {
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  CHECK(reopen(3) == LR_OTHER_BOOK);
  CHECK(reopen(6) == LR_OK && open_epochs(1, 2) == LR_OK);
  CHECK(reopen(4) == LR_OTHER_BOOK);
  device[19] ^= 1;
  CHECK(reopen(6) == LR_OTHER_BOOK);
  device[19] ^= 1;
  on_load = FAIL;
  CHECK(reopen(6) == LR_NOT_LOADED);
  CHECK(reopen(6) == LR_OK);
}

TEST(opens_whatever_a_flash_holds) {
  for (uint64_t seed = 1; seed <= 1000; seed++) {
    chance from = chance_of(seed);
    about = "seed";
    about_number = seed;
    if (seed % 50 == 1) {
      begin_knowing(LR_SECP256K1, 4);
      CHECK(sign_draft(0, 2, 1, 10) == LR_OK && sign_draft(1, 2, 1, 10) == LR_OK);
    }
    for (uint32_t i = 1 + draw(&from, 3); i > 0; i--) {
      uint8_t record[LR_RECORD_BYTES];
      uint32_t place = draw(&from, 5), length = 1 + draw(&from, LR_RECORD_BYTES);
      const uint8_t *old = record_at(place);
      if (old != NULL) memcpy(record, old, sizeof record);
      else memset(record, 0, sizeof record);
      record[draw(&from, LR_RECORD_BYTES)] = (uint8_t)draw(&from, 256);
      if (draw(&from, 2)) length = place == 0 ? LR_BOOK_RECORD_BYTES : LR_RECORD_BYTES;
      put_record(place, record, length);
    }
    if (reopen(4) != LR_OK) continue;
    CHECK(open_epochs(1, 2) == LR_OK);
    sign_draft(0, 2, 1, 10);
    lr_next_pending(&book, 0);
  }
}

TEST(believes_neither_of_two_entries_for_one_customer) {
  begin_knowing(LR_SECP256K1, 4);
  CHECK(sign_draft(0, 2, 1, 10) == LR_OK);
  put_record(3, record_at(1), LR_RECORD_BYTES);
  CHECK(reopen(4) == LR_OK && open_epochs(1, 2) == LR_OK);
  CHECK(sign_draft(0, 2, 1, 20) == LR_HEADS_NEEDED);
}
