/* Any text: the outline ends, its lines are those of the text, and its strings are bytes of it. */
#include "app/config_outline.h"

#include <stdlib.h>

static void check(const mg_outline_entry *e, int lines) {
    for (; e; e = e->next) {
        if (e->line < 1 || e->line > lines || e->value.line < e->line || e->value.line > lines) abort();
        if (e->key.n && !memchr(e->key.p, e->key.p[e->key.n - 1], e->key.n)) abort();
        check(e->value.entries, lines);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mg_arena *arena = mg_arena_create(4096);
    char *text = malloc(n + 1); /* its own block, so that a byte too far is seen */
    int lines = 1;
    if (n) memcpy(text, data, n);
    char *exact = realloc(text, n ? n : 1);
    for (size_t i = 0; i < n; i++) lines += exact[i] == '\n';
    const mg_outline *o = mg_outline_scan(arena, mg_str_from(exact, n));
    check(o->statements, lines);
    const mg_outline_entry *models = mg_outline_statement(o, MG_STR("models"), lines);
    if (models) mg_outline_find(&models->value, MG_STR("a"), 0);
    mg_arena_destroy(arena);
    free(exact);
    return 0;
}
