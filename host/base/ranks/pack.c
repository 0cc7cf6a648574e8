/* Makes the file of a vocabulary (base/bpe_image.h) from what packages hold: pack ENCODING INPUT OUTPUT. INPUT is
 *
 *   JSON, as npm's tiktoken has it: "bpe_ranks" with lines `! FIRST base64 base64 …`, or
 *   binary, as PyPI's quicktok-v1 has it: the number of tokens, then bytes in a token (16 bits), them, its id; little
 *   endian.
 *
 * What comes of it must be what tiktoken's authors published: the SHA-256 of lines `base64 rank` is compared. */
#include "base/bpe_image.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>

enum { BYTES_MOST = 16 << 20, TOKENS_MOST = MG_BPE_TOKENS_MOST };

typedef struct vocabulary {
    mg_str token[TOKENS_MOST]; /* by id */
    uint32_t n;
    mg_buf bytes; /* never grows: tokens point into it */
} vocabulary;

static const char *const PUBLISHED[MG_BPE_ENCODINGS] = {
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
};

static __attribute__((noreturn)) void fail(const char *why) {
    fprintf(stderr, "pack: %s\n", why);
    exit(1);
}

static void add(vocabulary *v, uint32_t id, const void *p, size_t n) {
    if (id >= TOKENS_MOST || v->token[id].n || n == 0 || n > MG_BPE_LONGEST) fail("a token is not as it should be");
    v->token[id] = mg_str_from(v->bytes.p + v->bytes.n, n);
    if (v->bytes.n + n > v->bytes.cap) fail("there are too many tokens");
    mg_buf_add(&v->bytes, p, n);
    if (id >= v->n) v->n = id + 1;
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static size_t base64_read(mg_str text, uint8_t out[MG_BPE_LONGEST]) {
    uint32_t bits = 0;
    size_t n = 0, held = 0;
    if (text.n % 4 || text.n / 4 * 3 > MG_BPE_LONGEST) fail("a token is not in base64");
    while (text.n && text.p[text.n - 1] == '=') text.n--;
    for (size_t i = 0; i < text.n; i++) {
        int digit = digit_of(text.p[i]);
        if (digit < 0) fail("a token is not in base64");
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[n++] = (uint8_t)(bits >> held);
    }
    return n;
}

static mg_str cut(mg_str *text, char c) {
    mg_str part = {text->p, mg_str_find(*text, c)};
    *text = mg_str_skip(*text, part.n + 1);
    return part;
}

static void read_json(vocabulary *v, mg_str file) {
    mg_json_parser *parser = mg_json_parser_create();
    mg_arena *arena = mg_arena_create(1 << 20);
    const mg_json *root;
    mg_error e;
    if (mg_json_parse_copy(parser, arena, file, &root, &e) != MG_OK) fail(e.text);
    mg_str ranks = mg_json_text(mg_json_get(root, MG_STR("bpe_ranks")));
    while (ranks.n) {
        mg_str line = cut(&ranks, '\n');
        int64_t id;
        if (!mg_str_is(cut(&line, ' '), "!") || !mg_str_int(cut(&line, ' '), &id)) fail("a line has no first rank");
        for (; line.n; id++) {
            uint8_t token[MG_BPE_LONGEST];
            size_t n = base64_read(cut(&line, ' '), token);
            add(v, (uint32_t)id, token, n);
        }
    }
    mg_arena_destroy(arena);
    mg_json_parser_destroy(parser);
}

static uint32_t number(mg_str *file, size_t bytes) {
    uint32_t x = 0;
    if (file->n < bytes) fail("the file ends too early");
    for (size_t i = 0; i < bytes; i++) x |= (uint32_t)(uint8_t)file->p[i] << (8 * i);
    *file = mg_str_skip(*file, bytes);
    return x;
}

static void read_binary(vocabulary *v, mg_str file) {
    for (uint32_t left = number(&file, 4); left; left--) {
        uint32_t n = number(&file, 2);
        mg_str token = mg_str_from(file.p, n);
        if (file.n < n) fail("the file ends too early");
        file = mg_str_skip(file, n);
        add(v, number(&file, 4), token.p, n);
    }
}

static mg_str read_file(const char *path) {
    static char text[BYTES_MOST];
    FILE *in = fopen(path, "rb");
    if (!in) fail("the input can't be opened");
    size_t n = fread(text, 1, sizeof text, in);
    if (ferror(in) || n == sizeof text) fail("the input can't be read, or is too large");
    fclose(in);
    return mg_str_from(text, n);
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

static void base64_write(mg_buf *out, mg_str s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (i + k < s.n ? (uint8_t)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++) mg_buf_add(out, i + k > s.n ? "=" : &digits[bits >> (18 - 6 * k) & 63], 1);
    }
}

static void check(const vocabulary *v, mg_bpe_encoding encoding) {
    mg_buf lines = {0};
    uint8_t sum[32];
    char hex[65];
    for (uint32_t id = 0; id < v->n; id++) {
        if (!v->token[id].n) continue;
        base64_write(&lines, v->token[id]);
        mg_buf_printf(&lines, " %u\n", id);
    }
    mg_sha256(mg_buf_view(&lines), sum);
    mg_hex(sum, sizeof sum, hex);
    if (strcmp(hex, PUBLISHED[encoding]) != 0) fail("the checksum is not the published one");
    mg_buf_finish(&lines);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

typedef struct image {
    mg_bpe_head head;
    mg_bpe_slot *slots;
    uint64_t *longer, *merges[2], *filter[2]; /* as in the file */
    uint32_t pairs[MG_BPE_PAIRS], singles[256], *starts;
} image;

static void place_short(image *m, mg_str token, uint32_t id) {
    uint8_t padded[16] = {0};
    uint64_t low, key;
    memcpy(padded, token.p, token.n);
    mg_bpe_key(padded, token.n, &low, &key);
    size_t slots = (size_t)m->head.buckets * MG_BPE_BUCKET;
    uint64_t h = mg_bpe_mix(low, key);
    size_t i = (size_t)mg_bpe_bucket(h, m->head.buckets) * MG_BPE_BUCKET;
    while (m->slots[i].high) i = i + 1 < slots ? i + 1 : 0;
    m->slots[i] = (mg_bpe_slot){low, key | (uint64_t)id << MG_BPE_ID_SHIFT};
}

static void place_long(image *m, mg_str token, uint32_t id) {
    uint64_t h = mg_bpe_hash_long((const uint8_t *)token.p, token.n);
    uint32_t mask = m->head.n_longer - 1, i = (uint32_t)h & mask;
    while (m->longer[i]) i = (i + 1) & mask;
    m->longer[i] = (h >> 32 << 32) | id;
    if (!m->longer[i]) fail("a long token can't have the id 0");
}

static void place(image *m, mg_str token, uint32_t id) {
    const uint8_t *p = (const uint8_t *)token.p;
    if (token.n == 1) m->singles[p[0]] = id;
    if (token.n == 2) m->pairs[p[0] << 8 | p[1]] = id;
    if (token.n > m->head.longest) m->head.longest = (uint32_t)token.n;
    if (token.n > MG_BPE_INLINE)
        place_long(m, token, id);
    else
        place_short(m, token, id);
}

/* ---- merges ------------------------------------------------------------------------------------------------------ */

/* The token of some bytes while the file is made, as bpe.c finds it. */
static uint32_t find(const image *m, const vocabulary *v, const char *p, size_t n) {
    if (n == 1) return m->singles[(uint8_t)p[0]];
    if (n == 2) return m->pairs[(uint8_t)p[0] << 8 | (uint8_t)p[1]];
    if (n > MG_BPE_INLINE) {
        uint32_t mask = m->head.n_longer - 1, i = (uint32_t)mg_bpe_hash_long((const uint8_t *)p, n) & mask;
        for (; m->longer[i]; i = (i + 1) & mask)
            if (mg_str_eq(v->token[(uint32_t)m->longer[i]], mg_str_from(p, n))) return (uint32_t)m->longer[i];
        return MG_BPE_NONE;
    }
    uint8_t padded[16] = {0};
    uint64_t low, key;
    size_t slots = (size_t)m->head.buckets * MG_BPE_BUCKET;
    memcpy(padded, p, n);
    mg_bpe_key(padded, n, &low, &key);
    size_t i = (size_t)mg_bpe_bucket(mg_bpe_mix(low, key), m->head.buckets) * MG_BPE_BUCKET;
    for (; m->slots[i].high; i = i + 1 < slots ? i + 1 : 0)
        if (m->slots[i].low == low && (m->slots[i].high & MG_BPE_KEY_MASK) == key)
            return (uint32_t)(m->slots[i].high >> MG_BPE_ID_SHIFT);
    return MG_BPE_NONE;
}

static void place_merge(image *m, uint32_t left, uint32_t right, uint32_t id) {
    size_t k = id < MG_BPE_FREQUENT ? 0 : 1;
    uint64_t h = mg_bpe_merge_hash(left, right);
    uint32_t i = mg_bpe_merge_at(h, m->head.n_merges[k]);
    while (m->merges[k][i]) i = i + 1 < m->head.n_merges[k] ? i + 1 : 0;
    m->merges[k][i] = mg_bpe_merge_key(left, right) | id;
    m->filter[k][mg_bpe_filter_at(h, m->head.n_filter[k])] |= mg_bpe_filter_bits(h);
}

/* Half full, as the filters, too, have eight to sixteen bits for a merge. */
static void size_merges(image *m, uint32_t tokens) {
    uint32_t frequent = tokens < MG_BPE_FREQUENT ? tokens : MG_BPE_FREQUENT;
    for (size_t k = 0; k < 2; k++) {
        uint32_t n = (k ? tokens - frequent : frequent) + 1;
        m->head.n_merges[k] = 2 * n;
        for (m->head.n_filter[k] = 8; m->head.n_filter[k] * 8 < n;) m->head.n_filter[k] *= 2;
        m->merges[k] = mg_calloc(m->head.n_merges[k], sizeof *m->merges[k]);
        m->filter[k] = mg_calloc(m->head.n_filter[k], sizeof *m->filter[k]);
    }
}

/* Merges a token's own bytes by the rule, with every token there is, until two parts are left or none can be merged. */
static void find_merge(image *m, const vocabulary *v, uint32_t token) {
    mg_str s = v->token[token];
    size_t at[MG_BPE_LONGEST + 1], n = s.n;
    for (size_t i = 0; i <= n; i++) at[i] = i;
    while (n > 2) {
        uint32_t lowest = MG_BPE_NONE;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t id = find(m, v, s.p + at[i], at[i + 2] - at[i]);
            if (id < lowest) lowest = id, best = i;
        }
        if (lowest == MG_BPE_NONE) return;
        memmove(at + best + 1, at + best + 2, (n - best - 1) * sizeof *at);
        n--;
    }
    if (n == 2) place_merge(m, find(m, v, s.p, at[1]), find(m, v, s.p + at[1], s.n - at[1]), token);
}

static void fill(image *m, const vocabulary *v, mg_bpe_encoding encoding) {
    uint32_t at = 0;
    memcpy(m->head.magic, MG_BPE_MAGIC, sizeof m->head.magic);
    m->head.encoding = encoding;
    m->head.n_tokens = v->n;
    m->head.n_bytes = (uint32_t)v->bytes.n;
    m->head.buckets = v->n * 2 / MG_BPE_BUCKET + 1; /* about half full: most look-ups end in one cache line */
    for (m->head.n_longer = 16; m->head.n_longer < v->n / 4;) m->head.n_longer *= 2;
    size_merges(m, v->n);
    m->slots = mg_calloc((size_t)m->head.buckets * MG_BPE_BUCKET, sizeof *m->slots);
    m->longer = mg_calloc(m->head.n_longer, sizeof *m->longer);
    m->starts = mg_calloc((size_t)v->n + 1, sizeof *m->starts);
    memset(m->pairs, 0xff, sizeof m->pairs);
    memset(m->singles, 0xff, sizeof m->singles);
    for (uint32_t id = 0; id < v->n; id++) {
        m->starts[id] = at;
        at += (uint32_t)v->token[id].n;
        if (v->token[id].n) place(m, v->token[id], id);
    }
    m->starts[v->n] = at;
    for (size_t i = 0; i < 256; i++)
        if (m->singles[i] == MG_BPE_NONE) fail("a byte has no token");
    for (uint32_t id = 0; id < v->n; id++)
        if (v->token[id].n) find_merge(m, v, id);
}

static bool put(FILE *out, const void *p, size_t size, size_t n) { return fwrite(p, size, n, out) == n; }

static bool write_image(const image *m, const vocabulary *v, FILE *out) {
    const mg_bpe_head *h = &m->head;
    bool good = put(out, h, sizeof *h, 1) && put(out, m->slots, sizeof *m->slots * MG_BPE_BUCKET, h->buckets) &&
                put(out, m->longer, 8, h->n_longer) && put(out, m->merges[0], 8, h->n_merges[0]) &&
                put(out, m->merges[1], 8, h->n_merges[1]) && put(out, m->filter[0], 8, h->n_filter[0]) &&
                put(out, m->filter[1], 8, h->n_filter[1]) && put(out, m->pairs, sizeof m->pairs, 1) &&
                put(out, m->singles, sizeof m->singles, 1) && put(out, m->starts, sizeof *m->starts, (size_t)v->n + 1);
    for (uint32_t id = 0; good && id < v->n; id++)
        good = v->token[id].n == 0 || put(out, v->token[id].p, v->token[id].n, 1);
    return good;
}

int main(int argc, char **argv) {
    static vocabulary v;
    static image m;
    mg_bpe_encoding encoding;
    if (argc != 4 || !mg_bpe_named(mg_str_of(argv[1]), &encoding)) fail("usage: pack ENCODING INPUT OUTPUT");
    v.bytes = (mg_buf){.p = mg_malloc(BYTES_MOST), .cap = BYTES_MOST, .max = BYTES_MOST};
    mg_str file = read_file(argv[2]);
    if (file.n && file.p[0] == '{')
        read_json(&v, file);
    else
        read_binary(&v, file);
    check(&v, encoding);
    fill(&m, &v, encoding);
    FILE *out = fopen(argv[3], "wb");
    if (!out || !write_image(&m, &v, out) || fclose(out) != 0) fail("the output can't be written");
    return 0;
}
