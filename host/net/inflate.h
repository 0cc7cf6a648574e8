/* Decodes bodies with a content-encoding of gzip (RFC 1952, also several members) or deflate (RFC 9110: zlib's, or
 * bare as some send it) piece by piece, within bounds: a small answer must not become a large one. */
#ifndef MG_NET_INFLATE_H
#define MG_NET_INFLATE_H

#include "base/str.h"

typedef struct mg_inflate mg_inflate;

enum {
    MG_INFLATE_MAX = 64 << 20,     /* decoded bytes in all */
    MG_INFLATE_RATIO = 100,        /* decoded bytes for each coded one, … */
    MG_INFLATE_ALLOWANCE = 65536,  /* … beyond these */
    MG_INFLATE_PIECE = 32768       /* decoded bytes at a time */
};

/* coding: the header's value, any case: "gzip", "x-gzip", "deflate". NULL: another one. max: decoded bytes in all, at
 * most MG_INFLATE_MAX, which 0 stands for. Takes about 75 KB. */
mg_inflate *mg_inflate_create(mg_str coding, size_t max);
void mg_inflate_destroy(mg_inflate *i); /* NULL is fine */

/* Takes bytes off the front of *in as it needs them. MG_OK: *piece is decoded, valid until the next call; call again,
 * even if *in is empty now. MG_AGAIN: *in is used up and nothing more comes of it. MG_ERROR: damaged or too large,
 * see below; it stays so. */
mg_status mg_inflate_next(mg_inflate *i, mg_str *in, mg_str *piece, mg_error *error);
/* After MG_ERROR: whether a bound was the reason. */
bool mg_inflate_too_large(const mg_inflate *i);
/* At the end of the body: false if it is cut. Nothing at all counts as whole. */
bool mg_inflate_whole(const mg_inflate *i);

#endif
