/*
 * Link Rewards for devices: receipts, their digests and signatures, the order in which they are
 * stored, signed and sent, and what an oracle member answers. docs/receipt-protocol.md is the
 * protocol; its words are used here.
 *
 * C99. No heap, no state of its own, no key, no clock, nothing of the C library but string.h.
 * What a device has of its own (key, flash, network) comes in by the callbacks of `lr_port`.
 * One thread at a time may use a book. All integers in bytes are big-endian.
 */
#ifndef LINK_REWARDS_H
#define LINK_REWARDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sizes, in bytes ------------------------------------------------------------------------ */

#define LR_HASH_BYTES 32
/* The last 20 bytes of the keccak-256 of a public key. */
#define LR_ADDRESS_BYTES 20
/* x then y, without the 0x04 that SEC 1 puts before them. */
#define LR_PUBLIC_KEY_BYTES 64
/* r (32) then s (32); of a secp256k1 key the top bit of s is the parity of R's y (EIP-2098). */
#define LR_SIGNATURE_BYTES 64
/* egressBytes 8, storageByteSeconds 12, computeMilliseconds 8. */
#define LR_AMOUNTS_BYTES 28
/* device 20, customer 20, epoch 4, sequence 4, amounts 28. */
#define LR_RECEIPT_BYTES 76
/* receipt 76, customer's signature 64. */
#define LR_DRAFT_BYTES 140
/* receipt 76, customer's signature 64, device's signature 64. */
#define LR_SIGNED_RECEIPT_BYTES 204
/* version 4, chainId 8, registry 20. */
#define LR_PACKED_HEADER_BYTES 32
/* Header and one signed receipt: the body of a POST /v1/receipts. */
#define LR_SUBMISSION_BYTES 236
/* root 32, receipts 4, storedAt 8. */
#define LR_ACKNOWLEDGEMENT_BYTES 44
/* device 20, account 20, nonce 8, deadline 32. */
#define LR_BIND_BYTES 80
/* customer 20, epoch 4, amount 12. */
#define LR_VOUCHER_BYTES 36

/* Where the fields of a receipt begin. */
#define LR_DEVICE_AT 0
#define LR_CUSTOMER_AT 20
#define LR_EPOCH_AT 40
#define LR_SEQUENCE_AT 44
#define LR_AMOUNTS_AT 48
/* Where the signatures of a signed receipt begin. */
#define LR_CUSTOMER_SIGNATURE_AT 76
#define LR_DEVICE_SIGNATURE_AT 140

#define LR_PACKED_VERSION 1u
/* The content type of a submission. */
#define LR_PACKED_BATCH_TYPE "application/vnd.link-rewards.receipts"
/* How far past every known sequence a device goes on that lost its book. */
#define LR_SEQUENCE_JUMP 65536u
/* The longest JSON that lr_signed_receipt_to_json() writes, its closing zero included. */
#define LR_SIGNED_RECEIPT_JSON_BYTES 640
/* JSON that is nested deeper is refused: no answer of an oracle comes near, and a stack is short. */
#define LR_JSON_MAX_DEPTH 8

/* ---- Hashes --------------------------------------------------------------------------------- */

/* keccak-256 as Ethereum uses it (not SHA3-256). `out` may lie inside `in`. */
void lr_keccak256(uint8_t out[LR_HASH_BYTES], const void *in, size_t length);

/* Needed for P-256 keys alone. `out` may lie inside `in`. */
void lr_sha256(uint8_t out[LR_HASH_BYTES], const void *in, size_t length);

/* ---- What is signed (EIP-712) --------------------------------------------------------------- */

/*
 * The domain of receipts, acknowledgements and consents with the DeviceRegistry's address, of
 * vouchers with the CustomerEscrow's. Compute it once.
 */
void lr_domain_separator(uint8_t out[LR_HASH_BYTES], uint64_t chain_id,
                         const uint8_t contract[LR_ADDRESS_BYTES]);

/* Each takes its struct packed, field after field in the order given with its size above. */
void lr_receipt_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                       const uint8_t receipt[LR_RECEIPT_BYTES]);
void lr_acknowledgement_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                               const uint8_t acknowledgement[LR_ACKNOWLEDGEMENT_BYTES]);
void lr_bind_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                    const uint8_t bind[LR_BIND_BYTES]);
void lr_voucher_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                       const uint8_t voucher[LR_VOUCHER_BYTES]);

/* ---- Keys and signatures -------------------------------------------------------------------- */

/* As DeviceRegistry.KeyType numbers them. Customers and members have secp256k1 keys. */
typedef enum { LR_SECP256K1 = 1, LR_P256 = 2 } lr_key_type;

void lr_address(uint8_t out[LR_ADDRESS_BYTES], const uint8_t public_key[LR_PUBLIC_KEY_BYTES]);

/* What ECDSA is computed over: of a secp256k1 key the digest, of a P-256 key the SHA-256 of it. */
void lr_signed_hash(uint8_t out[LR_HASH_BYTES], lr_key_type type,
                    const uint8_t digest[LR_HASH_BYTES]);

/*
 * Makes r and s, as a signer gives them, the signature that the protocol takes: low s, and with a
 * secp256k1 key the parity of R's y (0 or 1; of the s that was given) in the top bit. 0 when r or
 * s is not between 1 and the curve's order: then `signature` is unchanged.
 */
int lr_compact_signature(uint8_t signature[LR_SIGNATURE_BYTES], lr_key_type type, int y_parity);

/* Whether it has the form that is taken: r and s in range, low s. Who signed is for ECDSA to say. */
int lr_is_signature(const uint8_t signature[LR_SIGNATURE_BYTES], lr_key_type type);

/* The way back, for a library that recovers public keys: r, s without the parity, and the parity. */
void lr_expand_signature(uint8_t rs[LR_SIGNATURE_BYTES], int *y_parity,
                         const uint8_t signature[LR_SIGNATURE_BYTES]);

/* ---- Packing -------------------------------------------------------------------------------- */

uint32_t lr_read_uint32(const uint8_t in[4]);
uint64_t lr_read_uint64(const uint8_t in[8]);
void lr_write_uint32(uint8_t out[4], uint32_t value);
void lr_write_uint64(uint8_t out[8], uint64_t value);

typedef struct {
  uint8_t device[LR_ADDRESS_BYTES];
  uint8_t customer[LR_ADDRESS_BYTES];
  uint32_t epoch;
  uint32_t sequence;
  uint64_t egress_bytes;
  /* A uint96: bytes × seconds. */
  struct {
    uint32_t high;
    uint64_t low;
  } storage_byte_seconds;
  uint64_t compute_milliseconds;
} lr_receipt;

void lr_pack_receipt(uint8_t out[LR_RECEIPT_BYTES], const lr_receipt *receipt);
void lr_unpack_receipt(lr_receipt *out, const uint8_t receipt[LR_RECEIPT_BYTES]);

/* What goes before the signed receipts in the body of a POST /v1/receipts. */
void lr_pack_header(uint8_t out[LR_PACKED_HEADER_BYTES], uint64_t chain_id,
                    const uint8_t registry[LR_ADDRESS_BYTES]);

/* ---- Refusals ------------------------------------------------------------------------------- */

/*
 * The oracle's words, in the order of the protocol's table, then a device's that this library says.
 * Their numbers are for memory and for the book's records: new ones go to the end.
 */
typedef enum {
  LR_NO_REFUSAL = 0,
  LR_MALFORMED,
  LR_TOO_LARGE,
  LR_WRONG_CHAIN,
  LR_STALE,
  LR_EPOCH_CLOSED,
  LR_DEVICE_UNKNOWN,
  LR_DEVICE_UNBOUND,
  LR_DEVICE_REVOKED,
  LR_CUSTOMER_UNKNOWN,
  LR_KEY_UNKNOWN,
  LR_OVER_CAP,
  LR_CUSTOMER_SIGNATURE_INVALID,
  LR_DEVICE_SIGNATURE_INVALID,
  LR_IMPLAUSIBLE,
  LR_BUSY,
  LR_NOT_A_MEMBER,
  LR_WRONG_VERSION,
  LR_SEQUENCE_UNEXPECTED,
  LR_TOTALS_SHORT
} lr_refusal;

/* As it is spelled in JSON and logs, "" for LR_NO_REFUSAL and for a number that is none. */
const char *lr_refusal_word(lr_refusal refusal);

/* ---- What comes over HTTP ------------------------------------------------------------------- */

/*
 * JSON in, bytes out. 1 when it is what it should be, 0 for everything else; then `out` has no
 * meaning. Nothing is read past `length`, whatever the bytes are. A field that is there twice is
 * refused, as is one too many in a receipt; others that are not asked for are passed over.
 */

/* {"receipt": {…}, "customerSignature": "0x…"}, as a gateway sends it. */
int lr_read_draft(uint8_t out[LR_DRAFT_BYTES], const void *json, size_t length);

/* {"receipt": {…}, "customerSignature": "0x…", "deviceSignature": "0x…"}: a head, for one. */
int lr_read_signed_receipt(uint8_t out[LR_SIGNED_RECEIPT_BYTES], const void *json, size_t length);

/* What GET /v1/epochs/open says. */
typedef struct {
  uint64_t chain_id;
  uint8_t registry[LR_ADDRESS_BYTES];
  /* The lowest and the highest open epoch: the highest runs. Both 0 when none is open. */
  uint32_t first_open;
  uint32_t last_open;
} lr_terms;

int lr_read_terms(lr_terms *out, const void *json, size_t length);

/* What POST /v1/receipts says about one receipt. */
typedef struct {
  /* LR_NO_REFUSAL: accepted or known, and `acknowledgement`, `signature` and `member` are there. */
  lr_refusal refusal;
  uint8_t acknowledgement[LR_ACKNOWLEDGEMENT_BYTES];
  uint8_t signature[LR_SIGNATURE_BYTES];
  /* Who says that it signed. */
  uint8_t member[LR_ADDRESS_BYTES];
  /* With LR_STALE, if it shows one: the receipt that counts. */
  int has_head;
  uint8_t head[LR_SIGNED_RECEIPT_BYTES];
} lr_answer;

/*
 * `status` is HTTP's. 0 for 5xx but one that says "busy", for what is nonsense, and for an answer
 * without an acknowledgement: reasons to send again. Nothing in it is verified yet.
 */
int lr_read_answer(lr_answer *out, unsigned status, const void *json, size_t length);

/*
 * What a gateway is answered: receipt and both signatures. Returns the length without the closing
 * zero, 0 when `size` is too short; LR_SIGNED_RECEIPT_JSON_BYTES always suffice.
 */
size_t lr_signed_receipt_to_json(char *out, size_t size,
                                 const uint8_t signed_receipt[LR_SIGNED_RECEIPT_BYTES]);

/*
 * How long to wait after the `failures`-th failure in a row (from 1) before the same is sent again:
 * 1 s, doubled each time up to a minute, and a random part as long again. A Retry-After comes on
 * top. `random` is any 32 random bits.
 */
uint32_t lr_backoff_milliseconds(uint32_t failures, uint32_t random);

/* ---- The book: who signs when --------------------------------------------------------------- */

/*
 * What a device remembers: for each customer in each epoch one entry. It keeps these promises,
 * wherever the power fails:
 *
 *  - A sequence is stored as used before it is signed: none is ever signed twice.
 *  - A signed receipt is stored before it leaves the device.
 *  - A receipt is sent until an acknowledgement was verified, and stored with it.
 *  - What was acknowledged stays, with the member's word, until lr_forget_before().
 *  - A book that is gone or damaged is known to be: the sequences go on past every head.
 *
 * They need what `lr_port.store` promises, one book for one key, and no copy of it put back.
 */

/* Who must have signed, when lr_port.verify is asked. */
typedef enum {
  /* A secp256k1 key of customer `who` in `epoch`: recover the address, look it up. */
  LR_BY_CUSTOMER = 1,
  /* This device's own key; `who` is its address. */
  LR_BY_DEVICE = 2,
  /* Member `who`, by its secp256k1 key, and one that this device knows. */
  LR_BY_MEMBER = 3
} lr_signer;

typedef struct {
  lr_signer signer;
  const uint8_t *who; /* LR_ADDRESS_BYTES */
  /* Of the receipt. */
  uint32_t epoch;
  /* LR_HASH_BYTES: what ECDSA is over. There is nothing left to hash. */
  const uint8_t *hash;
  /* LR_SIGNATURE_BYTES, and lr_is_signature(). */
  const uint8_t *signature;
} lr_claim;

typedef enum { LR_NO = 0, LR_YES = 1, LR_CANNOT_TELL = -1 } lr_verdict;

/* y_parity, when the signer does not say it: it is found out with two calls of `verify` at most. */
#define LR_PARITY_UNKNOWN (-1)

/* Length of the longest record; the book's own, at place 0, has 40. */
#define LR_RECORD_BYTES 588
#define LR_BOOK_RECORD_BYTES 40

/* What a device has of its own. `context` is given to each. Each may take as long as it needs. */
typedef struct {
  void *context;

  /*
   * Signs `hash` (nothing is left to hash) with the device's key: r and s, 32 bytes each, in any of
   * its two forms. With a secp256k1 key `*y_parity` becomes 0 or 1, or stays LR_PARITY_UNKNOWN.
   * 1 when it signed, 0 when it could not. What comes is verified before it is used.
   */
  int (*sign)(void *context, const uint8_t hash[LR_HASH_BYTES], uint8_t rs[LR_SIGNATURE_BYTES],
              int *y_parity);

  lr_verdict (*verify)(void *context, const lr_claim *claim);

  /*
   * Reads the record at `place` (0 … entries) as it was stored last. Returns its length, 0 if there
   * is none, -1 if it cannot be read. At most `size` bytes are written.
   */
  int (*load)(void *context, uint32_t place, uint8_t *record, size_t size);

  /*
   * Replaces the record at `place`. When it returns 1, the record outlives a power cut; if the power
   * fails before, the old one or the new one is there. With files: write a new one, fsync, rename,
   * fsync the folder. 0 when it failed: then either may be there. A record that is torn all the
   * same is noticed by its check, and costs the running epochs a jump of their sequences.
   */
  int (*store)(void *context, uint32_t place, const uint8_t *record, size_t length);

  /*
   * Hands `body`, LR_SUBMISSION_BYTES of LR_PACKED_BATCH_TYPE, to an oracle as POST /v1/receipts.
   * 1 when it is on its way; its answer goes to lr_take_answer(), at once or later.
   */
  int (*send)(void *context, const uint8_t *body, size_t length);
} lr_port;

/* What became of the signed receipt of an entry. */
typedef enum {
  LR_NOTHING_SIGNED = 0,
  LR_PENDING = 1,
  LR_ACKNOWLEDGED = 2,
  LR_REFUSED = 3
} lr_fate;

/*
 * An entry in memory. Its record, at places from 1 on, has 588 bytes: version 4 (1), device 20,
 * customer 20, epoch 4, used 4, floor 28, fate 1, refusal 1, kept 1, zero 1, signed_receipt 204,
 * kept_receipt 204, member 20, storedAt 8, signature 64, check 4: the first of the keccak-256 of
 * what stands before it. To be read by others, written by the book alone.
 */
typedef struct {
  /* Whether the place is taken. */
  int is_used;
  uint8_t customer[LR_ADDRESS_BYTES];
  uint32_t epoch;
  /* The highest sequence that is used up, signed or not; 0 for none. */
  uint32_t used;
  /* The largest of each total that this device signed here: no draft may go below it. */
  uint8_t floor[LR_AMOUNTS_BYTES];
  lr_fate fate;
  /* Why, when its fate is LR_REFUSED. */
  lr_refusal refusal;
  /* The newest receipt that both signed, unless LR_NOTHING_SIGNED. */
  uint8_t signed_receipt[LR_SIGNED_RECEIPT_BYTES];
  /* The newest one that was acknowledged, and the member's word: root is its digest, receipts 1. */
  int is_kept;
  uint8_t kept_receipt[LR_SIGNED_RECEIPT_BYTES];
  uint8_t member[LR_ADDRESS_BYTES];
  uint64_t stored_at;
  uint8_t signature[LR_SIGNATURE_BYTES];
} lr_entry;

/* In memory; written by the functions below alone. */
typedef struct {
  const lr_port *port;
  uint64_t chain_id;
  uint8_t registry[LR_ADDRESS_BYTES];
  uint8_t device[LR_ADDRESS_BYTES];
  lr_key_type type;
  uint8_t separator[LR_HASH_BYTES];
  lr_entry *entries;
  uint32_t count;
  /* Its record, at place 0: version 4 (1), device 20, since, oldest, places 4 each, check 4. */
  /* In this epoch and before, an older book may have been lost; 0 until it is known. */
  uint32_t since;
  /* Below this epoch nothing is signed, because the book has forgotten it. */
  uint32_t oldest;
  /* How many entries the stored book has room for. */
  uint32_t places;
  uint32_t first_open;
  uint32_t last_open;
} lr_book;

typedef enum {
  LR_OK = 0,
  /* Not taken, for the refusal that comes with it. */
  LR_NOT_TAKEN,
  /* Ask the oracle for its head of this epoch and customer, then lr_go_on_from_heads(). */
  LR_HEADS_NEEDED,
  /* Every place is taken: lr_forget_before() what is final, or give the book more entries. */
  LR_BOOK_FULL,
  /* Nothing is left to sign here: the last sequence is used up. */
  LR_SEQUENCES_USED_UP,
  /* A callback failed. What was to come after it has not happened; the same may be tried again. */
  LR_NOT_LOADED,
  LR_NOT_STORED,
  LR_NOT_SIGNED,
  LR_NOT_VERIFIED,
  LR_NOT_SENT,
  /* The storage holds the book of another device, or one with more entries than were given. */
  LR_OTHER_BOOK,
  /* There is no such entry, or nothing in it to send. */
  LR_NOTHING_PENDING,
  /* What came is no acknowledgement of this receipt, or a refusal that may pass: send it again. */
  LR_SEND_AGAIN
} lr_status;

/*
 * Loads the book. `port` and `entries` stay in use until the book is no more. Nothing is signed
 * before lr_set_open_epochs().
 */
lr_status lr_open_book(lr_book *book, const lr_port *port, uint64_t chain_id,
                       const uint8_t registry[LR_ADDRESS_BYTES],
                       const uint8_t device[LR_ADDRESS_BYTES], lr_key_type type, lr_entry *entries,
                       uint32_t count);

/*
 * Which epochs are open, as the oracle says it: call it whenever it was asked. LR_NOT_TAKEN, and
 * nothing is changed, when chain or registry are others.
 */
lr_status lr_set_open_epochs(lr_book *book, const lr_terms *terms);

/* The entry of this customer in this epoch, NULL if there is none. */
const lr_entry *lr_find_entry(const lr_book *book, uint32_t epoch,
                              const uint8_t customer[LR_ADDRESS_BYTES]);

/* The sequence that a draft must have; 0 when they are used up, or heads are needed to know it. */
uint32_t lr_next_sequence(const lr_book *book, uint32_t epoch,
                          const uint8_t customer[LR_ADDRESS_BYTES]);

/*
 * Section 4 of the protocol: checks the draft, stores its sequence, signs it, stores the receipt
 * and gives it out; a receipt that was given out before is given out again. `least` are the amounts
 * that the draft must reach (metered, less what may be on its way), NULL for none. On LR_NOT_TAKEN
 * `*refusal` says why. What a customer is good for (its balance, the cap of its key) is to be
 * decided before this is called.
 */
lr_status lr_countersign(lr_book *book, const uint8_t draft[LR_DRAFT_BYTES],
                         const uint8_t least[LR_AMOUNTS_BYTES],
                         uint8_t out[LR_SIGNED_RECEIPT_BYTES], lr_refusal *refusal);

/*
 * Section 6: goes on past what an earlier book of this device may have signed. `oracle_head` is
 * what GET /v1/receipts/{epoch}/{device}/{customer} shows, NULL for its 404 and for nothing else:
 * while the oracle cannot be asked, nothing is signed. `gateway_head` is the draft's, or NULL.
 * Of several oracles' heads give the highest one that is signed by this device's key. What this
 * device did not sign is passed over. LR_NOT_TAKEN for an epoch that is not open.
 */
lr_status lr_go_on_from_heads(lr_book *book, uint32_t epoch,
                              const uint8_t customer[LR_ADDRESS_BYTES],
                              const uint8_t *oracle_head, const uint8_t *gateway_head);

/* The index of the first entry from `from` on that has a receipt to send, -1 if none has. */
int32_t lr_next_pending(const lr_book *book, uint32_t from);

/* Sends the receipt of this entry. Sending again changes nothing. */
lr_status lr_submit(lr_book *book, uint32_t index);

/*
 * Takes what the oracle said to `receipt`, as it was sent (LR_PACKED_HEADER_BYTES into the body).
 * LR_OK: it is acknowledged, and that is stored. LR_NOT_TAKEN: it is refused for good, `*refusal`
 * says why, and that is stored. LR_SEND_AGAIN: it stays pending; `*refusal` says which passing
 * refusal, if it is one. LR_NOTHING_PENDING: a newer one has replaced it, or it was answered.
 * A refusal is one member's word: with several oracles send to the next one first, and hand in here
 * what more than half of them refuse for good, or a LR_STALE with a head (lr_read_answer() tells).
 */
lr_status lr_take_answer(lr_book *book, const uint8_t receipt[LR_RECEIPT_BYTES],
                         unsigned http_status, const void *json, size_t length,
                         lr_refusal *refusal);

/*
 * Lets go of all epochs before this one, with what was acknowledged in them: nothing of them is
 * signed any more. Call it for epochs that are final and were looked at. LR_NOT_TAKEN for one after
 * the first open epoch.
 */
lr_status lr_forget_before(lr_book *book, uint32_t epoch);

#ifdef __cplusplus
}
#endif

#endif
