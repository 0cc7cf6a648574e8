/* From the tree of a configuration to the fields of mg_config, by the table of settings. */
#include "app/settings.h"

#include "base/clock.h"
#include "plugin/setting_text.h"

#include <stdlib.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int64_t measured(mg_setting_type type, mg_str text) {
    int64_t number = 0;
    mg_str kept;
    if (mg_setting_text_read("", type, text, &number, &kept, NULL) != MG_OK) return 0;
    return number;
}

/* A share as percent; what is more than nothing is at least one. */
static int64_t percent(mg_str text) {
    char z[32];
    memcpy(z, text.p, text.n < sizeof z ? text.n : sizeof z - 1);
    z[text.n < sizeof z ? text.n : sizeof z - 1] = 0;
    double share = strtod(z, NULL);
    return share > 0 && share < 0.01 ? 1 : (int64_t)(share * 100 + 0.5);
}

/* The value as text, or the default. */
static mg_str text_of(const mg_host_setting *row, const mg_json *v) {
    if (mg_json_kind(v) == MG_JSON_STRING || mg_json_kind(v) == MG_JSON_NUMBER) return v->str;
    if (mg_json_kind(v) == MG_JSON_BOOL) return v->truth ? MG_STR("true") : MG_STR("false");
    return mg_str_of(row->fallback);
}

static mg_str *read_strings(mg_arena *arena, const mg_json *v, size_t *n) {
    *n = 0;
    if (!mg_config_is_list(v)) return NULL;
    mg_str *out = mg_arena_alloc(arena, (v->count + 1) * sizeof *out);
    for (const mg_json *e = v->child; e; e = e->next)
        if (e->type == MG_JSON_STRING) out[(*n)++] = e->str;
    return out;
}

static void read_row(const mg_host_setting *row, const mg_json *v, mg_config *c) {
    void *field = (char *)c + row->offset;
    mg_str text = text_of(row, v);
    switch (row->type) {
    case MG_HOST_BOOL: *(bool *)field = mg_str_is(text, "true"); break;
    case MG_HOST_INTEGER: *(int64_t *)field = measured(MG_SETTING_INTEGER, text); break;
    case MG_HOST_SECONDS: *(int64_t *)field = measured(MG_SETTING_SECONDS, text); break;
    case MG_HOST_BYTES: *(int64_t *)field = measured(MG_SETTING_BYTES, text); break;
    case MG_HOST_SHARE: *(int64_t *)field = percent(text); break;
    case MG_HOST_STRINGS: *(mg_str **)field = read_strings(c->arena, v, (size_t *)((char *)c + row->count)); break;
    default: *(mg_str *)field = text; break;
    }
}

void mg_host_settings_read(const mg_json *root, mg_config *c) {
    for (const mg_host_setting *row = mg_host_settings(); row->key; row++)
        if (row->size) read_row(row, mg_config_at(root, row->key), c);
}

uint64_t mg_host_setting_ms(const mg_json *v, const char *key) {
    for (const mg_host_setting *row = mg_host_settings(); row->key; row++)
        if (strcmp(row->key, key) == 0) return (uint64_t)measured(MG_SETTING_SECONDS, text_of(row, v));
    return 0;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static bool field_equal(const mg_host_setting *row, const mg_config *a, const mg_config *b) {
    const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
    switch (row->type) {
    case MG_HOST_STRING:
    case MG_HOST_SECRET:
    case MG_HOST_CHOICE: return mg_str_eq(*(const mg_str *)x, *(const mg_str *)y);
    default: return memcmp(x, y, row->size) == 0;
    }
}

const char *mg_host_settings_fixed_change(const mg_config *before, const mg_config *after) {
    for (const mg_host_setting *row = mg_host_settings(); row->key; row++)
        if (row->fixed && row->size && row->type != MG_HOST_STRINGS && !field_equal(row, before, after))
            return row->key;
    return NULL;
}
