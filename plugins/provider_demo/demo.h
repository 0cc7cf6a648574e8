/* What the files of the demo provider share. */
#ifndef MG_PLUGINS_DEMO_H
#define MG_PLUGINS_DEMO_H

#include <moongate/plugin.h>

/* A text that grows; once memory runs out or 16 MB are reached it stays as it is and `failed` is set. */
typedef struct demo_text {
    char *p;
    size_t n, cap;
    bool failed;
} demo_text;

void demo_add(demo_text *t, const char *p, size_t n);
void demo_printf(demo_text *t, const char *format, ...) __attribute__((format(printf, 2, 3))); /* at most 1,023 bytes */
void demo_quote(demo_text *t, mg_str s); /* as a JSON string; s is valid UTF-8 */

/* The demo's tokens: four bytes each, begun ones counted. */
static inline int64_t demo_tokens(size_t bytes) { return (int64_t)((bytes + 3) / 4); }

/* Writes the whole answer to a request for embeddings. */
mg_status demo_embeddings(const mg_host *h, const mg_provider_request *r, demo_text *out, mg_error *error);

#endif
