#include "policy/bundle.h"
#include "base/hash.h"

#include <stdlib.h>

static void take_fingerprint(mg_bundle *b, mg_str settings_text) {
    mg_buf all = {0};
    mg_buf_printf(&all, MG_STR_FMT "\n", MG_STR_ARG(b->org));
    for (size_t i = 0; i < b->n; i++) {
        mg_buf_printf(&all, MG_STR_FMT " %d ", MG_STR_ARG(b->files[i].source->path), b->files[i].replaces);
        mg_buf_add(&all, b->files[i].source->sha256, 32);
    }
    mg_buf_str(&all, settings_text);
    mg_sha256(mg_buf_view(&all), b->fingerprint);
    mg_buf_finish(&all);
    if (!settings_text.n) return;
    memcpy(&b->settings_id, b->fingerprint, sizeof b->settings_id);
    b->settings_id |= 1;
}

mg_bundle *mg_bundle_create(mg_str org, mg_source *const *sources, const int *replaces, size_t n,
                            mg_str settings_text) {
    mg_bundle *b = MG_NEW(mg_bundle);
    b->refs = 1;
    b->arena = mg_arena_create(1024);
    b->org = mg_arena_dup(b->arena, org);
    b->files = mg_arena_zalloc(b->arena, (n ? n : 1) * sizeof *b->files);
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->files[i].source = mg_source_ref(sources[i]);
        b->files[i].replaces = replaces ? replaces[i] : -1;
    }
    if (settings_text.n) {
        mg_json_parser *parser = mg_json_parser_create();
        mg_json_parse_copy(parser, b->arena, settings_text, &b->settings, NULL);
        mg_json_parser_destroy(parser);
    }
    take_fingerprint(b, settings_text);
    return b;
}

mg_bundle *mg_bundle_ref(mg_bundle *b) {
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void mg_bundle_unref(mg_bundle *b) {
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < b->n; i++) mg_source_unref(b->files[i].source);
    mg_arena_destroy(b->arena);
    free(b);
}
