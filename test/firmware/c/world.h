#ifndef WORLD_H
#define WORLD_H

#include "check.h"

/*
 * A device on a table: its book on a flash whose power fails when it is told to, a gateway for each
 * customer, an oracle, and signatures that everybody in this world can make and check. Whatever
 * happens, the world itself watches that the book keeps its promises.
 */

#define WORLD_CHAIN 31337u
#define CUSTOMERS 2
#define EPOCHS 3

typedef struct {
  uint64_t seed;
  lr_key_type type;
  /* The power fails at this call of a callback, and again so many calls later; 0 for never. */
  long first_cut, second_cut;
  /* What is being written when it fails is half written: no flash should do that. */
  int is_torn;
  /* In so many of 1,000 calls, each callback fails; and the oracle's answer is not what it should be. */
  uint32_t failing, lying;
  /* All of the flash is lost, at this call of a callback. */
  long lost_at;
} mishaps;

/*
 * Lets each customer have its receipts signed, epoch after epoch, until the newest of each is
 * acknowledged. Returns how often a callback was called.
 */
long play(const mishaps *mishaps);

/* ---- Parts of it, for tests of single calls ------------------------------------------------- */

extern lr_book book;
extern lr_entry entries[8];
extern uint8_t device[LR_ADDRESS_BYTES], customers[CUSTOMERS][LR_ADDRESS_BYTES];
extern uint8_t registry[LR_ADDRESS_BYTES], member[LR_ADDRESS_BYTES];

/* What the next call of a callback is to do. */
typedef enum { WORK, FAIL, STORE_AND_FAIL, MISSIGN, FORGET_PARITY, NOT_SURE } orders;
extern orders on_sign, on_store, on_verify, on_send, on_load;
extern long signs, stores, sends;
extern uint8_t last_body[LR_SUBMISSION_BYTES];

/* An empty flash, everything working, a book that is open with `count` entries. */
void begin(lr_key_type type, uint32_t count);
/* Opens the book anew from the flash, as after a power cut. */
lr_status reopen(uint32_t count);
lr_status open_epochs(uint32_t first, uint32_t last);
/* As a gateway makes it: the sequence, and each total the same. */
void make_draft(uint8_t draft[LR_DRAFT_BYTES], int customer, uint32_t epoch, uint32_t sequence,
                uint64_t total);
/* The same, signed by both. */
void make_signed(uint8_t out[LR_SIGNED_RECEIPT_BYTES], int customer, uint32_t epoch,
                 uint32_t sequence, uint64_t total);
/* The oracle's JSON: its word for this receipt, or its refusal with a head if one is given. */
const char *acknowledge(const uint8_t *receipt, const uint8_t *by);
/* A word that is signed, and says that it is about so many. */
const char *acknowledge_many(const uint8_t *receipt, const uint8_t *by, uint32_t receipts);
const char *refuse_with(const char *refusal, const uint8_t *head);
/* A byte of the record at `place` is another from now on. */
void damage(uint32_t place);
/* Writes what another device would have stored. */
void put_record(uint32_t place, const uint8_t *record, size_t length);
const uint8_t *record_at(uint32_t place);

#endif
