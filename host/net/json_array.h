/* The elements of one top-level JSON array as they come, split at any byte: how Gemini streams without SSE. Only
 * where an element ends is looked at (strings, escapes, brackets); whether it is JSON inside is the business of
 * whoever reads it. */
#ifndef MG_NET_JSON_ARRAY_H
#define MG_NET_JSON_ARRAY_H

#include "net/pieces.h"

typedef struct mg_json_array {
    mg_pieces element;
    size_t data_at;      /* where in the frame the element begins */
    uint64_t offset;     /* bytes seen, for errors */
    uint64_t brackets[2]; /* a bit for each that is open: 1 is '{' */
    uint32_t depth;      /* of them */
    uint8_t state;
    uint8_t mark;        /* bytes of a byte order mark seen */
    bool in_string, escaped;
    bool broken;
    char fault[96];
} mg_json_array;

typedef struct mg_json_array_frame {
    mg_str raw;  /* the bytes as they came, with what stands before the element; borrowed during the call */
    mg_str data; /* the element; MG_JSON_PADDING readable bytes follow */
    bool has_data; /* false: the array's closing bracket: pass on, nothing to decode */
} mg_json_array_frame;

/* max_element: bytes of one frame: an element and what stands before it. */
void mg_json_array_init(mg_json_array *a, size_t max_element);
void mg_json_array_finish(mg_json_array *a); /* not from within `frame` */
/* Calls `frame` for each element that is complete now (a number or a word: once the byte behind it is there), and for
 * the closing bracket; it returns false to stop (the rest of `bytes` is dropped). MG_ERROR: this is not an array, its
 * brackets do not match, they are deeper than MG_JSON_MAX_DEPTH, or an element is too large; now or in an earlier
 * call. White space behind the array is dropped. */
mg_status mg_json_array_feed(mg_json_array *a, mg_str bytes, bool (*frame)(void *arg, const mg_json_array_frame *f),
                             void *arg, mg_error *error);
/* True once the array is closed: at the end of a stream, false means a broken one. */
bool mg_json_array_closed(const mg_json_array *a);
/* Bytes that wait for the rest of their element. */
size_t mg_json_array_waiting(const mg_json_array *a);

#endif
