#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"

#define NUMBER_BYTES 32
/* Of an ECDSA signature over 256 bits in DER. */
#define MAX_DER_BYTES 80

static EVP_PKEY *key;
static lr_key_type type;
static uint8_t address[LR_ADDRESS_BYTES];

static int read_public_key(uint8_t out[LR_PUBLIC_KEY_BYTES]) {
  BIGNUM *x = NULL, *y = NULL;
  int is_read = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
                BN_bn2binpad(x, out, NUMBER_BYTES) == NUMBER_BYTES &&
                BN_bn2binpad(y, out + NUMBER_BYTES, NUMBER_BYTES) == NUMBER_BYTES;
  BN_free(x);
  BN_free(y);
  return is_read;
}

int open_key(const char *pem_file) {
  uint8_t public_key[LR_PUBLIC_KEY_BYTES];
  char group[32] = "";
  FILE *file = fopen(pem_file, "r");
  if (file == NULL) {
    fprintf(stderr, "cannot open %s\n", pem_file);
    return 0;
  }
  key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  fclose(file);
  if (key != NULL) EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
  type = strcmp(group, "prime256v1") == 0 ? LR_P256 : LR_SECP256K1;
  if ((type == LR_SECP256K1 && strcmp(group, "secp256k1") != 0) || !read_public_key(public_key)) {
    fprintf(stderr, "%s is no key on P-256 or secp256k1 in a PEM file\n", pem_file);
    return 0;
  }
  lr_address(address, public_key);
  return 1;
}

void close_key(void) { EVP_PKEY_free(key); }

lr_key_type key_type(void) { return type; }

void key_address(uint8_t out[LR_ADDRESS_BYTES]) { memcpy(out, address, LR_ADDRESS_BYTES); }

int sign_hash(const uint8_t hash[LR_HASH_BYTES], uint8_t rs[LR_SIGNATURE_BYTES]) {
  uint8_t der[MAX_DER_BYTES];
  const uint8_t *at = der;
  size_t length = sizeof der;
  EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new(key, NULL);
  ECDSA_SIG *pair = NULL;
  int is_signed = signer != NULL && EVP_PKEY_sign_init(signer) == 1 &&
                  EVP_PKEY_sign(signer, der, &length, hash, LR_HASH_BYTES) == 1 &&
                  (pair = d2i_ECDSA_SIG(NULL, &at, (long)length)) != NULL &&
                  BN_bn2binpad(ECDSA_SIG_get0_r(pair), rs, NUMBER_BYTES) == NUMBER_BYTES &&
                  BN_bn2binpad(ECDSA_SIG_get0_s(pair), rs + NUMBER_BYTES, NUMBER_BYTES) ==
                      NUMBER_BYTES;
  ECDSA_SIG_free(pair);
  EVP_PKEY_CTX_free(signer);
  return is_signed;
}

static int is_signed_with_p256(const uint8_t *hash, const uint8_t *signature) {
  uint8_t *der = NULL;
  int length, is_signed;
  EVP_PKEY_CTX *verifier = EVP_PKEY_CTX_new(key, NULL);
  ECDSA_SIG *pair = ECDSA_SIG_new();
  ECDSA_SIG_set0(pair, BN_bin2bn(signature, NUMBER_BYTES, NULL),
                 BN_bin2bn(signature + NUMBER_BYTES, NUMBER_BYTES, NULL));
  length = i2d_ECDSA_SIG(pair, &der);
  is_signed = length > 0 && verifier != NULL && EVP_PKEY_verify_init(verifier) == 1 &&
              EVP_PKEY_verify(verifier, der, (size_t)length, hash, LR_HASH_BYTES) == 1;
  OPENSSL_free(der);
  ECDSA_SIG_free(pair);
  EVP_PKEY_CTX_free(verifier);
  return is_signed;
}

int is_own_signature(const uint8_t hash[LR_HASH_BYTES],
                     const uint8_t signature[LR_SIGNATURE_BYTES]) {
  uint8_t signer[LR_ADDRESS_BYTES];
  if (type == LR_P256) return is_signed_with_p256(hash, signature);
  return recover_address(signer, hash, signature) &&
         memcmp(signer, address, LR_ADDRESS_BYTES) == 0;
}

/* The public key is (s·R − hash·G) / r, where R is the point with x = r and the parity given. */
static int recover_public_key(uint8_t out[LR_PUBLIC_KEY_BYTES], const EC_GROUP *group, BN_CTX *with,
                              const uint8_t *hash, const uint8_t *rs, int y_parity) {
  const BIGNUM *order = EC_GROUP_get0_order(group);
  BIGNUM *r = BN_CTX_get(with), *s = BN_CTX_get(with), *e = BN_CTX_get(with);
  BIGNUM *x = BN_CTX_get(with), *y = BN_CTX_get(with);
  EC_POINT *point = EC_POINT_new(group), *public_key = EC_POINT_new(group);
  int is_recovered =
      y != NULL && point != NULL && public_key != NULL && BN_bin2bn(rs, NUMBER_BYTES, r) &&
      BN_bin2bn(rs + NUMBER_BYTES, NUMBER_BYTES, s) && BN_bin2bn(hash, LR_HASH_BYTES, e) &&
      EC_POINT_set_compressed_coordinates(group, point, r, y_parity, with) &&
      BN_mod_inverse(r, r, order, with) && BN_mod_mul(s, s, r, order, with) &&
      BN_mod_mul(e, e, r, order, with) && BN_sub(e, order, e) &&
      EC_POINT_mul(group, public_key, e, point, s, with) &&
      EC_POINT_get_affine_coordinates(group, public_key, x, y, with) &&
      BN_bn2binpad(x, out, NUMBER_BYTES) == NUMBER_BYTES &&
      BN_bn2binpad(y, out + NUMBER_BYTES, NUMBER_BYTES) == NUMBER_BYTES;
  EC_POINT_free(point);
  EC_POINT_free(public_key);
  return is_recovered;
}

int recover_address(uint8_t out[LR_ADDRESS_BYTES], const uint8_t hash[LR_HASH_BYTES],
                    const uint8_t signature[LR_SIGNATURE_BYTES]) {
  EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
  BN_CTX *with = BN_CTX_new();
  uint8_t rs[LR_SIGNATURE_BYTES], public_key[LR_PUBLIC_KEY_BYTES];
  int y_parity, is_recovered = 0;
  lr_expand_signature(rs, &y_parity, signature);
  if (group != NULL && with != NULL) {
    BN_CTX_start(with);
    is_recovered = recover_public_key(public_key, group, with, hash, rs, y_parity);
    BN_CTX_end(with);
  }
  if (is_recovered) lr_address(out, public_key);
  BN_CTX_free(with);
  EC_GROUP_free(group);
  return is_recovered;
}
