#include <string.h>

#include "link_rewards.h"

/* EIP-712 for flat structs of static types: all this project signs. */

#define WORD 32
#define MAX_FIELDS 7

typedef struct {
  const char *type;
  size_t type_length;
  uint8_t fields;
  uint8_t widths[MAX_FIELDS];
} typed_struct;

#define TYPE(text) (text), sizeof(text) - 1

static const typed_struct RECEIPT = {
    TYPE("Receipt(address device,address customer,uint32 epoch,uint32 sequence,uint64 egressBytes,"
         "uint96 storageByteSeconds,uint64 computeMilliseconds)"),
    7,
    {20, 20, 4, 4, 8, 12, 8}};
static const typed_struct ACKNOWLEDGEMENT = {
    TYPE("Acknowledgement(bytes32 root,uint32 receipts,uint64 storedAt)"), 3, {32, 4, 8}};
static const typed_struct BIND = {
    TYPE("Bind(address device,address account,uint64 nonce,uint256 deadline)"), 4, {20, 20, 8, 32}};
static const typed_struct VOUCHER = {
    TYPE("Voucher(address customer,uint32 epoch,uint96 amount)"), 3, {20, 4, 12}};

void lr_domain_separator(uint8_t out[LR_HASH_BYTES], uint64_t chain_id,
                         const uint8_t contract[LR_ADDRESS_BYTES]) {
  static const char type[] =
      "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
  uint8_t words[5 * WORD] = {0};
  lr_keccak256(words, type, sizeof type - 1);
  lr_keccak256(words + WORD, "LinkRewards", 11);
  lr_keccak256(words + 2 * WORD, "1", 1);
  lr_write_uint64(words + 4 * WORD - 8, chain_id);
  memcpy(words + 5 * WORD - LR_ADDRESS_BYTES, contract, LR_ADDRESS_BYTES);
  lr_keccak256(out, words, sizeof words);
}

/* A packed field is the tail of its word, so no value is ever taken apart. */
static void typed_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                         const typed_struct *of, const uint8_t *packed) {
  uint8_t words[(1 + MAX_FIELDS) * WORD] = {0}, text[2 + 2 * WORD] = {0x19, 0x01};
  size_t end = WORD;
  lr_keccak256(words, of->type, of->type_length);
  for (size_t i = 0; i < of->fields; i++) {
    size_t width = of->widths[i];
    end += WORD;
    memcpy(words + end - width, packed, width);
    packed += width;
  }
  memcpy(text + 2, separator, LR_HASH_BYTES);
  lr_keccak256(text + 2 + WORD, words, end);
  lr_keccak256(out, text, sizeof text);
}

void lr_receipt_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                       const uint8_t receipt[LR_RECEIPT_BYTES]) {
  typed_digest(out, separator, &RECEIPT, receipt);
}

void lr_acknowledgement_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                               const uint8_t acknowledgement[LR_ACKNOWLEDGEMENT_BYTES]) {
  typed_digest(out, separator, &ACKNOWLEDGEMENT, acknowledgement);
}

void lr_bind_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                    const uint8_t bind[LR_BIND_BYTES]) {
  typed_digest(out, separator, &BIND, bind);
}

void lr_voucher_digest(uint8_t out[LR_HASH_BYTES], const uint8_t separator[LR_HASH_BYTES],
                       const uint8_t voucher[LR_VOUCHER_BYTES]) {
  typed_digest(out, separator, &VOUCHER, voucher);
}
