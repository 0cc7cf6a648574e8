/* Chunked transfer coding (RFC 9112, 7.1), decoded in place as bytes come. Extensions and trailers are bounded, checked
 * and dropped. */
#ifndef MG_NET_HTTP_CHUNKED_H
#define MG_NET_HTTP_CHUNKED_H

#include "base/str.h"

enum {
    MG_CHUNK_LINE_MAX = 256, /* bytes of one size line, extensions included */
    MG_CHUNK_EXTENSIONS_MAX = 16384, /* bytes of all extensions of a body */
    MG_CHUNK_TRAILERS_MAX = 8192 /* bytes of all trailers */
};

typedef struct mg_http_chunked {
    int state; /* opaque; a zeroed struct is ready for a new body */
    uint32_t line, extensions, trailers;
    uint64_t left;
    const char *error; /* MG_ERROR: a constant sentence */
} mg_http_chunked;

/* Takes the next run of body bytes off the front of *in.
 * MG_OK: *data is a run, not empty, and points into *in's bytes. MG_AGAIN: *in is used up.
 * MG_DECLINED: the body has ended; *in is what follows it. MG_ERROR: not chunked coding, d->error says why. */
mg_status mg_http_chunked_next(mg_http_chunked *d, mg_str *in, mg_str *data);

#endif
