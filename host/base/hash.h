/* Hashes, checksums and ids. */
#ifndef MG_BASE_HASH_H
#define MG_BASE_HASH_H

#include "base/str.h"

void mg_sha256(mg_str text, uint8_t out[32]);
void mg_hmac_sha256(mg_str key, mg_str text, uint8_t out[32]);
void mg_hex(const uint8_t *bytes, size_t n, char *out); /* out takes 2n + 1 bytes */
bool mg_unhex(mg_str text, uint8_t *out, size_t n);     /* exactly n bytes; either case */
uint64_t mg_hash64(mg_str text);                        /* fast, keyed per process (hash tables); not for storage */
uint32_t mg_crc32c(uint32_t seed, const void *p, size_t n); /* Castagnoli, RFC 3720 B.4; seed 0 to start */
uint32_t mg_crc32c_portable(uint32_t seed, const void *p, size_t n); /* the same without the CPU's instruction */
void mg_random(void *out, size_t n);                    /* from the kernel; ends the process if that fails */

/* UUID version 7 (RFC 9562): Unix milliseconds, then random bits; ids made by one thread ascend. out takes 37 bytes.
 * Not for secrets: an id tells much about the next one. */
void mg_uuid7(char out[37]);

#endif
