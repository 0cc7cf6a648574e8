/* HTTP/1.1 message heads (RFC 9112), requests and responses: strict, so that no other parser on the way can read the
 * framing differently. Takes bytes as they come; each line is looked at once. */
#ifndef MG_NET_HTTP_HEAD_H
#define MG_NET_HTTP_HEAD_H

#include "base/str.h"

typedef enum mg_http_kind { MG_HTTP_REQUEST, MG_HTTP_RESPONSE } mg_http_kind;

/* All slices point into the bytes that were handed to the last mg_http_head_parse (or mg_http_head_move). */
typedef struct mg_http_head {
    mg_http_kind kind;
    mg_str method, target; /* request; target as sent */
    int status; /* response: 100 to 999 */
    int minor; /* HTTP/1.minor: 0 or 1 */
    mg_header *headers; /* the caller's array; names lower case, values trimmed */
    size_t n_headers;
    int64_t content_length; /* -1: none */
    bool chunked; /* transfer-encoding: chunked */
    bool keep_alive; /* by version and `connection` */
    bool expect_continue;
    bool coded; /* a content-encoding other than identity */
    size_t size; /* complete: bytes of the head, its empty line included; what follows is body */

    int error_status; /* MG_ERROR: what a server answers; 502 for responses */
    const char *error; /* MG_ERROR: a constant sentence */

    /* The parser's own. */
    size_t max_bytes, max_headers, line, scanned;
    char *base;
    bool first_line_done, blank_skipped, has_host, has_transfer_encoding, has_close, has_keep_alive;
} mg_http_head;

/* headers has room for max_headers and outlives h. max_bytes bounds the whole head. */
void mg_http_head_init(mg_http_head *h, mg_http_kind kind, mg_header *headers, size_t max_headers, size_t max_bytes);

/* p[0, n) is everything of the message so far: call again with more until it is no longer MG_AGAIN. The bytes may have
 * moved since the last call, but must be what it left there: it lower-cases names in place. MG_OK: complete. MG_ERROR:
 * error_status and error say why; 400 malformed, 405 CONNECT, 414, 417, 431, 501 transfer coding, 505 version. */
mg_status mg_http_head_parse(mg_http_head *h, char *p, size_t n);

/* The caller copied the head's bytes to `to`: makes all slices point there. */
void mg_http_head_move(mg_http_head *h, char *to);

/* Splits the target of a request that was accepted. path: as sent, "/" if an absolute target has none; query: without
 * '?', "" if there is none. Scheme and authority of an absolute target are dropped. */
void mg_http_target_split(mg_str target, mg_str *path, mg_str *query);

/* Value of the first header of that (lower-case) name, or {NULL,0}. */
mg_str mg_http_head_get(const mg_http_head *h, mg_str name);

#endif
