/* A growing byte buffer with a stated maximum. Zeroed it is ready for use. It may also begin as fixed memory of the
 * caller's, {.p = memory, .cap = size, .max = size}: then it never grows and must not be finished. */
#ifndef MG_BASE_BUF_H
#define MG_BASE_BUF_H

#include "base/str.h"

typedef struct mg_buf {
    char *p;
    size_t n;   /* bytes used */
    size_t cap; /* bytes allocated */
    size_t max; /* n never exceeds it; 0 means 64 MB */
    bool over;  /* something did not fit: sticky until mg_buf_clear */
} mg_buf;

void mg_buf_finish(mg_buf *b);        /* frees; the struct may be used again */
void mg_buf_clear(mg_buf *b);         /* n = 0, keeps the memory */
bool mg_buf_reserve(mg_buf *b, size_t more); /* room for `more` bytes behind n; false beyond max */
/* False (and `over`) beyond max: nothing added. The same for all below. */
bool mg_buf_add(mg_buf *b, const void *p, size_t n);
bool mg_buf_str(mg_buf *b, mg_str s);
bool mg_buf_printf(mg_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mg_buf_drain(mg_buf *b, size_t n); /* drops the first n bytes */
/* JSON output: text quoted and escaped (invalid UTF-8 becomes U+FFFD); a number; separators are the caller's. */
bool mg_buf_json(mg_buf *b, mg_str text);
/* The same without the quotes. */
bool mg_buf_json_raw(mg_buf *b, mg_str text);
static inline mg_str mg_buf_view(const mg_buf *b) { return (mg_str){b->p, b->n}; }

#endif
