/* The endpoints of the data plane: which format and operation a path and method stand for. */
#ifndef MG_GATEWAY_ENDPOINT_H
#define MG_GATEWAY_ENDPOINT_H

#include "format/format.h"
#include "net/server.h"

typedef struct mg_endpoint {
    const mg_format *format;
    mg_operation operation;
    bool known; /* there is such a route */
    bool get; /* it takes GET (and HEAD); else POST */
    bool one; /* a single embedding (Gemini's embedContent) */
    bool stream; /* the path asks for a stream */
    bool array; /* … as one JSON array */
    mg_str model; /* named by the path, still percent-encoded; or "" */
} mg_endpoint;

/* Of any request: `format` is set even where there is no such route, so that the error has the client's shape. */
mg_endpoint mg_endpoint_of(const mg_exchange *x);
/* Percent-decoding; a broken escape stays as it is. */
mg_str mg_endpoint_unescape(mg_arena *arena, mg_str s);

#endif
