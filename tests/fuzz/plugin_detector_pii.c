/* The detector on arbitrary bytes, for any choice of types. Spans lie in the text, in order, apart from each other, and
 * are no longer than their type says. What is found of a type does not depend on what else is wanted: a scan for some
 * types covers exactly the bytes that scans for each of them cover, with spans that lie inside theirs; and patterns as
 * machine code and interpreted find the same. The first byte says which types, the rest is the text.
 *
 * The plugin's files are compiled in, because a plugin that is loaded would hide from the sanitizer where its memory
 * ends. */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/detector_pii/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LONGEST = 4096 };
typedef struct coverage {
    uint8_t type[LONGEST]; /* of each byte, from 1; 0: in no span */
    size_t n, last, spans;
    uint64_t wanted;
} coverage;

static void require(bool ok) {
    if (!ok) abort();
}

static void on_span(void *arg, const mg_span *s) {
    coverage *c = arg;
    size_t type = 0;
    while (type < mg_pii_types_n && mg_pii_types[type].name != s->type) type++;
    require(type < mg_pii_types_n && c->wanted >> type & 1);
    require(s->start >= c->last && s->start < s->end && s->end <= c->n);
    require(s->end - s->start <= mg_pii_types[type].longest);
    require(s->confidence > 0 && s->confidence <= 1);
    memset(c->type + s->start, (int)type + 1, s->end - s->start);
    c->last = s->end;
    c->spans++;
}

static coverage scan(const mg_pii_scanner *s, mg_str text, uint64_t wanted) {
    coverage c = {.n = text.n, .wanted = wanted};
    mg_error error = {0};
    require(mg_pii_scan(s, text, wanted, on_span, &c, &error) == MG_OK);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static mg_pii_scanner *compiled, *interpreted;
    mg_error error = {0};
    if (!compiled) {
        compiled = mg_pii_scanner_create(true, &error);
        interpreted = mg_pii_scanner_create(false, &error);
        require(compiled && interpreted);
    }
    if (n < 1 || n > LONGEST) return 0;
    size_t length = n - 1;
    char *copy = malloc(length ? length : 1); /* of its own, so that the sanitizer sees its end */
    memcpy(copy, data + 1, length);
    mg_str text = {copy, length};
    coverage some = scan(compiled, text, data[0]), same = scan(interpreted, text, data[0]);
    require(some.spans == same.spans && memcmp(some.type, same.type, length) == 0);
    uint8_t any[LONGEST] = {0};
    for (size_t t = 0; t < mg_pii_types_n; t++) {
        if (!(data[0] >> t & 1)) continue;
        coverage one = scan(compiled, text, UINT64_C(1) << t);
        for (size_t i = 0; i < length; i++) {
            require(some.type[i] != t + 1 || one.type[i]);
            any[i] |= one.type[i] != 0;
        }
    }
    for (size_t i = 0; i < length; i++) require(any[i] == (some.type[i] != 0));
    free(copy);
    return 0;
}
