#include "base/bpe.h"
#include "base/arena.h"
#include "base/bpe_image.h"
#include "base/bpe_merge.h"
#include "base/bpe_split.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AHEAD = 16 }; /* pieces */

static const char *const NAMES[MG_BPE_ENCODINGS] = {"o200k_base", "cl100k_base"};

const char *mg_bpe_name(mg_bpe_encoding e) { return NAMES[e]; }

bool mg_bpe_named(mg_str name, mg_bpe_encoding *e) {
    for (int i = 0; i < MG_BPE_ENCODINGS; i++) {
        if (!mg_str_is(name, NAMES[i])) continue;
        *e = (mg_bpe_encoding)i;
        return true;
    }
    return false;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool is_power(uint32_t n) { return n && (n & (n - 1)) == 0; }

static bool is_sound(const mg_bpe_head *h, size_t n) {
    return memcmp(h->magic, MG_BPE_MAGIC, sizeof h->magic) == 0 && h->encoding < MG_BPE_ENCODINGS && h->buckets &&
           is_power(h->n_longer) && h->n_merges[0] && h->n_merges[1] && is_power(h->n_filter[0]) &&
           is_power(h->n_filter[1]) && h->n_tokens <= MG_BPE_TOKENS_MOST && n == mg_bpe_image_size(h);
}

/* Where the parts are; false if the file does not have them. */
static bool lay_out(mg_bpe *b, const uint8_t *p, size_t n) {
    mg_bpe_head h;
    if (n < sizeof h) return false;
    memcpy(&h, p, sizeof h);
    if (!is_sound(&h, n)) return false;
    *b = (mg_bpe){.image = p, .image_size = n, .encoding = (mg_bpe_encoding)h.encoding, .n = h.n_tokens};
    b->buckets = h.buckets;
    b->longer_mask = h.n_longer - 1;
    b->longest = h.longest;
    b->slots = (const mg_bpe_slot *)(p + sizeof h);
    b->longer = (const uint64_t *)(b->slots + (size_t)h.buckets * MG_BPE_BUCKET);
    const uint64_t *merges = b->longer + h.n_longer, *filter = merges + h.n_merges[0] + h.n_merges[1];
    b->merges[0] = (mg_bpe_merges){merges, filter, h.n_merges[0], h.n_filter[0]};
    b->merges[1] = (mg_bpe_merges){merges + h.n_merges[0], filter + h.n_filter[0], h.n_merges[1], h.n_filter[1]};
    b->pairs = (const uint32_t *)(filter + h.n_filter[0] + h.n_filter[1]);
    b->singles = b->pairs + MG_BPE_PAIRS;
    b->starts = b->singles + 256;
    b->bytes = (const uint8_t *)(b->starts + h.n_tokens + 1);
    return b->starts[h.n_tokens] == h.n_bytes;
}

static mg_status no_file(mg_error *error, const char *path, const char *why) {
    return mg_fail(error, 0, "no_ranks", "the vocabulary %s: %s", path, why);
}

mg_bpe *mg_bpe_open(const char *path, mg_error *error) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        no_file(error, path, strerror(errno));
        if (fd >= 0) close(fd);
        return NULL;
    }
    size_t n = st.st_size > 0 ? (size_t)st.st_size : 0;
    void *p = n ? mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    mg_bpe *b = MG_NEW(mg_bpe);
    close(fd);
    if (p != MAP_FAILED && lay_out(b, p, n)) {
        b->classes = mg_bpe_classes_get();
        return b;
    }
    no_file(error, path, "it is damaged, or of another version; building again makes it anew");
    if (p != MAP_FAILED) munmap(p, n);
    free(b);
    return NULL;
}

void mg_bpe_close(mg_bpe *b) {
    if (!b) return;
    munmap((void *)(uintptr_t)b->image, b->image_size);
    free(b);
}

/* ---- the program's ----------------------------------------------------------------------------------------------- */

/* Opened once, then never written: what all threads share has no better owner than the process. */
typedef struct shared {
    mg_bpe *bpe;
    mg_error error; /* why there is none */
} shared;
static shared all[MG_BPE_ENCODINGS];

static void open_shared(mg_bpe_encoding e) {
    static const char *const places[] = {"ranks", "../ranks", "../lib/moongate/ranks"};
    char program[PATH_MAX], path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    mg_str folder = mg_str_from(program, n > 0 ? (size_t)n : 0);
    while (folder.n && folder.p[folder.n - 1] != '/') folder.n--;
    for (size_t i = 0; i < sizeof places / sizeof *places && !all[e].bpe; i++) {
        snprintf(path, sizeof path, MG_STR_FMT "%s/%s.bpe", MG_STR_ARG(folder), places[i], NAMES[e]);
        /* The first place is the one that an error names. */
        if (i == 0 || access(path, R_OK) == 0) all[e].bpe = mg_bpe_open(path, &all[e].error);
    }
}

static void open_o200k(void) { open_shared(MG_BPE_O200K); }
static void open_cl100k(void) { open_shared(MG_BPE_CL100K); }

const mg_bpe *mg_bpe_get(mg_bpe_encoding e, mg_error *error) {
    static pthread_once_t once[MG_BPE_ENCODINGS] = {PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT};
    pthread_once(&once[e], e == MG_BPE_O200K ? open_o200k : open_cl100k);
    if (!all[e].bpe && error) *error = all[e].error;
    return all[e].bpe;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

size_t mg_bpe_size(const mg_bpe *b) { return b->n; }

mg_str mg_bpe_token(const mg_bpe *b, uint32_t id) {
    if (id >= b->n || b->starts[id + 1] <= b->starts[id]) return (mg_str){NULL, 0};
    return mg_str_from((const char *)b->bytes + b->starts[id], b->starts[id + 1] - b->starts[id]);
}

static uint32_t find_long(const mg_bpe *b, const uint8_t *p, size_t n) {
    if (n > b->longest) return MG_BPE_NONE;
    uint64_t h = mg_bpe_hash_long(p, n);
    for (uint32_t i = (uint32_t)h & b->longer_mask; b->longer[i]; i = (i + 1) & b->longer_mask) {
        uint32_t id = (uint32_t)b->longer[i];
        if (b->longer[i] >> 32 == h >> 32 && b->starts[id + 1] - b->starts[id] == n &&
            memcmp(b->bytes + b->starts[id], p, n) == 0)
            return id;
    }
    return MG_BPE_NONE;
}

/* Of 1 to 12 bytes. What stands from p up to `end` may be read. */
static inline uint32_t bucket_of(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end, uint64_t *low,
                                 uint64_t *key) {
    uint8_t copy[16] = {0};
    if (end - p < 16) p = memcpy(copy, p, n);
    mg_bpe_key(p, n, low, key);
    return mg_bpe_bucket(mg_bpe_mix(*low, *key), b->buckets);
}

static inline uint32_t find_in(const mg_bpe *b, uint32_t bucket, uint64_t low, uint64_t key) {
    for (uint32_t i = bucket;; i = i + 1 < b->buckets ? i + 1 : 0) {
        const mg_bpe_slot *s = b->slots + (size_t)i * MG_BPE_BUCKET;
        for (unsigned k = 0; k < MG_BPE_BUCKET; k++) {
            if (s[k].low == low && (s[k].high & MG_BPE_KEY_MASK) == key)
                return (uint32_t)(s[k].high >> MG_BPE_ID_SHIFT);
            if (s[k].high == 0) return MG_BPE_NONE;
        }
    }
}

/* The token of p[0, n), n > 0, or MG_BPE_NONE. */
static uint32_t find(const mg_bpe *b, const uint8_t *p, size_t n, const uint8_t *end) {
    uint64_t low, key;
    if (n == 1) return b->singles[p[0]];
    if (n == 2) return b->pairs[p[0] << 8 | p[1]];
    if (n > MG_BPE_INLINE) return find_long(b, p, n);
    uint32_t bucket = bucket_of(b, p, n, end, &low, &key);
    return find_in(b, bucket, low, key);
}

uint32_t mg_bpe_find(const mg_bpe *b, mg_str bytes) {
    const uint8_t *p = (const uint8_t *)bytes.p;
    return bytes.n ? find(b, p, bytes.n, p + bytes.n) : MG_BPE_NONE;
}

static const uint8_t *piece_end(const mg_bpe *b, const uint8_t *p, const uint8_t *end) {
    const uint8_t *q =
        b->encoding == MG_BPE_O200K ? mg_bpe_split_o200k(b->classes, p, end) : mg_bpe_split_cl100k(b->classes, p, end);
    return q - p > MG_BPE_PIECE_MAX ? p + MG_BPE_PIECE_MAX : q;
}

size_t mg_bpe_piece(const mg_bpe *b, mg_str text) {
    const uint8_t *p = (const uint8_t *)text.p;
    return (size_t)(piece_end(b, p, p + text.n) - p);
}

/* A piece, and where its token is looked for. */
typedef struct piece {
    const uint8_t *p;
    size_t n;
    uint64_t low, key;
    uint32_t bucket;
} piece;

/* Splits the next pieces off and asks for the memory that each will need: it comes while the others are looked up. */
static size_t next_pieces(const mg_bpe *b, const uint8_t **from, const uint8_t *enough, const uint8_t *end,
                          piece pieces[AHEAD]) {
    size_t n = 0;
    for (const uint8_t *p = *from; n < AHEAD && p < enough; n++) {
        piece *x = &pieces[n];
        *x = (piece){.p = p, .n = (size_t)(piece_end(b, p, end) - p)};
        if (x->n > 2 && x->n <= MG_BPE_INLINE) {
            x->bucket = bucket_of(b, p, x->n, end, &x->low, &x->key);
            __builtin_prefetch(b->slots + (size_t)x->bucket * MG_BPE_BUCKET);
        }
        *from = p += x->n;
    }
    return n;
}

size_t mg_bpe_encode_some(const mg_bpe *b, mg_str text, size_t bytes, uint32_t *ids, size_t *used) {
    const uint8_t *start = (const uint8_t *)text.p, *p = start, *end = start + text.n;
    const uint8_t *enough = bytes < text.n ? start + bytes : end;
    piece pieces[AHEAD];
    size_t n = 0;
    for (size_t count; (count = next_pieces(b, &p, enough, end, pieces));) {
        for (const piece *x = pieces; x < pieces + count; x++) {
            bool is_short = x->n > 2 && x->n <= MG_BPE_INLINE;
            uint32_t id = is_short ? find_in(b, x->bucket, x->low, x->key) : find(b, x->p, x->n, end);
            if (id == MG_BPE_NONE)
                n += mg_bpe_merge(b, x->p, x->n, ids ? ids + n : NULL);
            else if (ids)
                ids[n++] = id;
            else
                n++;
        }
    }
    *used = (size_t)(p - start);
    return n;
}

size_t mg_bpe_encode(const mg_bpe *b, mg_str text, uint32_t *ids) {
    size_t used;
    return mg_bpe_encode_some(b, text, text.n, ids, &used);
}
