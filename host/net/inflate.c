#include "net/inflate.h"

#include "base/arena.h"
#include <stdlib.h>
#include <zlib.h>

enum {
    GZIP_WINDOW = 15 + 16, /* as inflateInit2 wants it: the largest window, and what stands around it */
    ZLIB_WINDOW = 15,
    BARE_WINDOW = -15
};

struct mg_inflate {
    z_stream z;
    size_t max, decoded;
    uint64_t coded;
    bool gzip;
    bool begun; /* the form of the coding is known */
    bool between; /* a member has ended, and nothing of another one has come */
    bool bomb, damaged;
    unsigned char piece[MG_INFLATE_PIECE];
};

mg_inflate *mg_inflate_create(mg_str coding, size_t max) {
    bool gzip = mg_str_ieq(coding, MG_STR("gzip")) || mg_str_ieq(coding, MG_STR("x-gzip"));
    if (!gzip && !mg_str_ieq(coding, MG_STR("deflate"))) return NULL;
    mg_inflate *i = MG_NEW(mg_inflate);
    i->gzip = gzip;
    i->max = max && max < MG_INFLATE_MAX ? max : MG_INFLATE_MAX;
    return i;
}

void mg_inflate_destroy(mg_inflate *i) {
    if (i && i->begun) inflateEnd(&i->z);
    free(i);
}

bool mg_inflate_too_large(const mg_inflate *i) { return i->bomb; }
bool mg_inflate_whole(const mg_inflate *i) { return !i->begun || (i->between && !i->bomb && !i->damaged); }

/* Method 8, and a window that zlib knows: no block of bare deflate begins so, unless with padding that no encoder
 * sets. */
static bool is_zlib(char first) { return ((uint8_t)first & 15) == 8 && (uint8_t)first >> 4 <= 7; }

static void begin(mg_inflate *i, char first) {
    int window = i->gzip ? GZIP_WINDOW : is_zlib(first) ? ZLIB_WINDOW : BARE_WINDOW;
    if (inflateInit2(&i->z, window) != Z_OK) mg_oom(sizeof i->z);
    i->begun = true;
}

static mg_status fail(mg_inflate *i, mg_error *error) {
    if (i->bomb)
        return mg_fail(error, 502, "answer_too_large",
                       "the compressed answer becomes larger than %zu bytes or %d times its size", i->max,
                       MG_INFLATE_RATIO);
    i->damaged = true;
    return mg_fail(error, 502, "answer_damaged", "the compressed answer is damaged");
}

/* Takes note of what a step used and made; false beyond a bound. */
static bool count(mg_inflate *i, size_t used, size_t made) {
    i->coded += used;
    i->decoded += made;
    bool large = i->decoded > i->max, steep = i->decoded > MG_INFLATE_ALLOWANCE + i->coded * MG_INFLATE_RATIO;
    i->bomb = large || steep;
    return !i->bomb;
}

/* One step: fills the piece as far as *in reaches. */
static mg_status step(mg_inflate *i, mg_str *in, mg_str *piece) {
    uInt given = in->n < 1u << 30 ? (uInt)in->n : 1u << 30;
    i->z.next_in = (Bytef *)in->p; /* zlib only reads it */
    i->z.avail_in = given;
    i->z.next_out = i->piece;
    i->z.avail_out = sizeof i->piece;
    int rc = inflate(&i->z, Z_SYNC_FLUSH);
    size_t used = given - i->z.avail_in, made = sizeof i->piece - i->z.avail_out;
    *in = mg_str_skip(*in, used);
    *piece = (mg_str){(char *)i->piece, made};
    if (rc == Z_MEM_ERROR) mg_oom(sizeof i->z);
    if (!count(i, used, made) || (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)) return MG_ERROR;
    i->between = rc == Z_STREAM_END;
    return made ? MG_OK : MG_AGAIN;
}

mg_status mg_inflate_next(mg_inflate *i, mg_str *in, mg_str *piece, mg_error *error) {
    if (i->bomb || i->damaged) return fail(i, error);
    if (!i->begun && in->n) begin(i, in->p[0]);
    *piece = MG_STR("");
    while (i->begun) {
        if (i->between && in->n == 0) break;
        /* Members of gzip may follow each other; nothing may follow deflate. */
        if (i->between && (!i->gzip || inflateReset(&i->z) != Z_OK)) return fail(i, error);
        size_t before = in->n;
        mg_status status = step(i, in, piece);
        if (status == MG_OK) return MG_OK;
        if (status == MG_ERROR) return fail(i, error);
        if (in->n == 0 || (in->n == before && !i->between)) break;
    }
    return in->n ? fail(i, error) : MG_AGAIN;
}
