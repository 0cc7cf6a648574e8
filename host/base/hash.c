#include "base/hash.h"
#include "base/arena.h"
#include "base/clock.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/* ---- what is made once a process, before main: read-only afterwards ---- */

static uint64_t hash_key[2]; /* drawn per process, so that nobody can prepare keys that collide */
static uint32_t crc_table[256];
static bool crc_in_cpu;
static EVP_MD *sha256; /* fetching costs more than hashing a short text */
static pthread_key_t context_key;

static void context_free(void *ctx) { EVP_MD_CTX_free(ctx); }

__attribute__((constructor)) static void prepare(void) {
    mg_random(hash_key, sizeof hash_key);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc_table[i] = c;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    crc_in_cpu = __builtin_cpu_supports("sse4.2");
#endif
}

/* ---- SHA-256 ---- */

static void broken(const char *what) {
    fprintf(stderr, "moongate: %s failed: cannot go on without it\n", what);
    abort();
}

static void sha256_fetch(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256) broken("loading SHA-256 from OpenSSL");
    if (pthread_key_create(&context_key, context_free)) broken("pthread_key_create");
}

static EVP_MD_CTX *context(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local EVP_MD_CTX *mine; /* the key frees it at the thread's end; reading this is faster */
    if (mine) return mine;
    pthread_once(&once, sha256_fetch);
    mine = EVP_MD_CTX_new();
    if (!mine) mg_oom(sizeof mine);
    pthread_setspecific(context_key, mine);
    return mine;
}

static void digest(mg_str first, mg_str second, uint8_t out[32]) {
    EVP_MD_CTX *ctx = context();
    if (!EVP_DigestInit_ex2(ctx, sha256, NULL) || !EVP_DigestUpdate(ctx, first.p, first.n) ||
        !EVP_DigestUpdate(ctx, second.p, second.n) || !EVP_DigestFinal_ex(ctx, out, NULL))
        broken("SHA-256");
}

void mg_sha256(mg_str text, uint8_t out[32]) { digest(text, MG_STR(""), out); }

/* RFC 2104. */
void mg_hmac_sha256(mg_str key, mg_str text, uint8_t out[32]) {
    uint8_t pad[64] = {0}, inner[32];
    if (key.n > sizeof pad)
        mg_sha256(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    mg_str block = mg_str_from((const char *)pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
    digest(block, text, inner);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
    digest(block, mg_str_from((const char *)inner, sizeof inner), out);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(inner, sizeof inner);
}

/* ---- hexadecimal ---- */

void mg_hex(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

static int unhex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool mg_unhex(mg_str text, uint8_t *out, size_t n) {
    if (text.n / 2 != n || text.n % 2) return false;
    for (size_t i = 0; i < n; i++) {
        int high = unhex(text.p[2 * i]), low = unhex(text.p[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- SipHash-1-3 ---- */

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t mg_hash64(mg_str text) {
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575u, hash_key[1] ^ 0x646f72616e646f6du,
                     hash_key[0] ^ 0x6c7967656e657261u, hash_key[1] ^ 0x7465646279746573u};
    uint64_t word;
    size_t whole = text.n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, text.p + i, 8);
        sip_word(v, word);
    }
    word = 0;
    if (text.n > whole) memcpy(&word, text.p + whole, text.n - whole);
    sip_word(v, word | (uint64_t)text.n << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- CRC-32C ---- */

uint32_t mg_crc32c_portable(uint32_t seed, const void *p, size_t n) {
    const uint8_t *bytes = p;
    uint32_t crc = ~seed;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ crc_table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_cpu(uint32_t seed, const void *p, size_t n) {
    const uint8_t *bytes = p;
    uint64_t crc = ~seed, word;
    for (; n >= 8; n -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    uint32_t rest = (uint32_t)crc;
    for (; n; n--, bytes++) rest = _mm_crc32_u8(rest, *bytes);
    return ~rest;
}
#endif

uint32_t mg_crc32c(uint32_t seed, const void *p, size_t n) {
#if defined(__x86_64__)
    if (crc_in_cpu) return crc_cpu(seed, p, n);
#endif
    return mg_crc32c_portable(seed, p, n);
}

/* ---- random bytes and ids ---- */

void mg_random(void *out, size_t n) {
    char *at = out;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) broken("getrandom");
        at += got;
        n -= (size_t)got;
    }
}

static uint64_t draw(void) {
    static _Thread_local uint64_t pool[64]; /* one system call for 64 draws */
    static _Thread_local size_t left;
    if (left == 0) {
        mg_random(pool, sizeof pool);
        left = sizeof pool / sizeof pool[0];
    }
    return pool[--left];
}

/* 48 bits of time, then 74 random ones as one number (12 bits in `high`, 62 in `low`). Within a millisecond, or if the
 * clock goes back, that number grows by a random step, and its overflow advances the time. */
typedef struct id_state {
    uint64_t ms, high, low;
} id_state;

static void id_next(id_state *s) {
    const uint64_t low_mask = (UINT64_C(1) << 62) - 1;
    uint64_t ms = (uint64_t)mg_clock_unix_ms();
    if (ms > s->ms) {
        *s = (id_state){ms, draw() & 0x7ff, draw() & low_mask};
        return;
    }
    s->low += (draw() & 0xffffffff) + 1;
    s->high += s->low >> 62;
    s->low &= low_mask;
    s->ms += s->high >> 12;
    s->high &= 0xfff;
}

static void put_big_endian(uint8_t *out, uint64_t v) {
    for (int i = 7; i >= 0; i--, v >>= 8) out[i] = (uint8_t)v;
}

void mg_uuid7(char out[37]) {
    static _Thread_local id_state state; /* what makes a thread's ids ascend */
    id_next(&state);
    uint8_t bytes[16];
    put_big_endian(bytes, state.ms << 16 | UINT64_C(7) << 12 | state.high);
    put_big_endian(bytes + 8, UINT64_C(2) << 62 | state.low);
    char hex[33];
    mg_hex(bytes, sizeof bytes, hex);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
