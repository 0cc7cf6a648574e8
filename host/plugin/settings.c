#include "plugin/settings.h"

#include <stdlib.h>

#include "plugin/setting_text.h"

typedef struct element {
    mg_str name; /* {NULL, 0} in a STRINGS */
    mg_str value;
} element;

typedef struct value {
    bool present;
    bool given; /* by the configuration, not by the default */
    mg_str text;
    int64_t number;
    element *elements;
    size_t n;
} value;

struct mg_setting_values {
    const mg_setting *table;
    size_t n;
    value *values; /* one for each row of the table */
    mg_settings view;
};

static bool is_list(mg_setting_type t) { return t == MG_SETTING_STRINGS || t == MG_SETTING_MAP; }

static size_t table_size(const mg_setting *table) {
    size_t n = 0;
    while (table && table[n].key) n++;
    return n;
}

static mg_str copy(mg_str s) { return mg_str_from(mg_strndup(s.p ? s.p : "", s.n), s.n); }

/* Any string may turn out to be a secret that stands in the wrong place. */
static void wipe(mg_str *s) {
    if (s->p) explicit_bzero((char *)s->p, s->n);
    free((char *)s->p);
    *s = (mg_str){NULL, 0};
}

static void value_finish(value *v) {
    wipe(&v->text);
    for (size_t i = 0; i < v->n; i++) {
        wipe(&v->elements[i].name);
        wipe(&v->elements[i].value);
    }
    free(v->elements);
    *v = (value){0};
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

const mg_setting *mg_setting_find(const mg_setting *table, mg_str key) {
    for (size_t i = 0; i < table_size(table); i++)
        if (mg_str_is(key, table[i].key)) return &table[i];
    return NULL;
}

mg_status mg_setting_unknown(const mg_setting *table, mg_str key, mg_error *error) {
    const char *nearest = NULL;
    size_t best = 4; /* three changes away is still a slip of the fingers; more is another word */
    for (size_t i = 0; i < table_size(table); i++) {
        size_t distance = mg_str_distance(key, mg_str_of(table[i].key));
        if (distance < best && distance < strlen(table[i].key)) {
            best = distance;
            nearest = table[i].key;
        }
    }
    mg_str shown = mg_str_cut(key, 60);
    if (nearest)
        return mg_fail(error, 0, "unknown_setting", "unknown setting '" MG_STR_FMT "'; did you mean '%s'?",
                       MG_STR_ARG(shown), nearest);
    return mg_fail(error, 0, "unknown_setting", "unknown setting '" MG_STR_FMT "'", MG_STR_ARG(shown));
}

static bool key_valid(const char *key) {
    if (*key < 'a' || *key > 'z') return false;
    while (*key && ((*key >= 'a' && *key <= 'z') || (*key >= '0' && *key <= '9') || *key == '_')) key++;
    return *key == 0;
}

static mg_status fallback_set(mg_setting_values *v, size_t row, mg_error *error);

mg_status mg_setting_table_check(const mg_setting *table, mg_error *error) {
    mg_setting_values *v = mg_setting_values_create(NULL, (mg_str){NULL, 0});
    mg_status status = MG_OK;
    v->table = table;
    v->n = table_size(table);
    v->values = mg_calloc(v->n + 1, sizeof *v->values);
    for (size_t i = 0; status == MG_OK && i < v->n; i++) {
        const mg_setting *s = &table[i];
        if (!key_valid(s->key))
            status = mg_fail(error, 0, "bad_table", "setting '%s' has a name other than [a-z][a-z0-9_]*", s->key);
        else if (mg_setting_find(table, mg_str_of(s->key)) != s)
            status = mg_fail(error, 0, "bad_table", "setting '%s' stands in its table twice", s->key);
        else if ((unsigned)s->type > MG_SETTING_MAP)
            status = mg_fail(error, 0, "bad_table", "setting '%s' has the unknown type %u", s->key, (unsigned)s->type);
        else
            status = fallback_set(v, i, error);
    }
    mg_setting_values_destroy(v);
    return status;
}

/* ---- setting ----------------------------------------------------------------------------------------------------- */

static mg_status scalar_set(mg_setting_values *v, size_t row, mg_str text, mg_error *error) {
    const mg_setting *s = &v->table[row];
    int64_t number;
    mg_str kept;
    if (is_list(s->type))
        return mg_fail(error, 0, "bad_setting", "setting '%s' has to be a %s", s->key,
                       s->type == MG_SETTING_MAP ? "table of names and strings" : "list of strings");
    mg_status status = mg_setting_text_read(s->key, s->type, text, &number, &kept, error);
    if (status != MG_OK) return status;
    mg_str own = copy(kept);
    value_finish(&v->values[row]);
    v->values[row] = (value){.present = true, .text = own, .number = number};
    return MG_OK;
}

/* Where `name` stands or belongs in a map in order of names. */
static size_t map_place(const value *v, mg_str name, bool *found) {
    size_t i = 0;
    *found = false;
    for (; i < v->n; i++) {
        mg_str have = v->elements[i].name;
        size_t shorter = have.n < name.n ? have.n : name.n;
        int order = shorter ? memcmp(have.p, name.p, shorter) : 0;
        if (order > 0 || (order == 0 && have.n > name.n)) break;
        if (order == 0 && have.n == name.n) {
            *found = true;
            break;
        }
    }
    return i;
}

static mg_status element_add(mg_setting_values *v, size_t row, mg_str name, mg_str text, mg_error *error) {
    const mg_setting *s = &v->table[row];
    value *list = &v->values[row];
    bool is_map = s->type == MG_SETTING_MAP, found = false;
    if (!is_list(s->type))
        return mg_fail(error, 0, "bad_setting", "setting '%s' has to be a single value, not a list", s->key);
    if (is_map != (name.n > 0))
        return mg_fail(error, 0, "bad_setting", "setting '%s' has to be a %s", s->key,
                       is_map ? "table of names and strings" : "list of strings without names");
    size_t place = is_map ? map_place(list, name, &found) : list->n;
    mg_str shown = mg_str_cut(name, 60);
    if (found)
        return mg_fail(error, 0, "bad_setting", "setting '%s' holds '" MG_STR_FMT "' twice", s->key, MG_STR_ARG(shown));
    list->elements = mg_realloc(list->elements, (list->n + 1) * sizeof *list->elements);
    memmove(list->elements + place + 1, list->elements + place, (list->n - place) * sizeof *list->elements);
    list->elements[place] = (element){is_map ? copy(name) : (mg_str){NULL, 0}, copy(text)};
    list->n++;
    list->present = true;
    return MG_OK;
}

/* "a, b" or "key=value, key=value". */
static mg_status fallback_list(mg_setting_values *v, size_t row, mg_error *error) {
    mg_str rest = mg_str_of(v->table[row].fallback);
    while (rest.n) {
        mg_str item = mg_str_from(rest.p, mg_str_find(rest, ','));
        rest = mg_str_skip(rest, item.n + 1);
        mg_str name = {NULL, 0};
        if (v->table[row].type == MG_SETTING_MAP) {
            name = mg_str_from(item.p, mg_str_find(item, '='));
            item = mg_str_skip(item, name.n + 1);
            name = mg_str_trim(name);
        }
        mg_status status = element_add(v, row, name, mg_str_trim(item), error);
        if (status != MG_OK) return status;
    }
    v->values[row].present = true;
    return MG_OK;
}

static mg_status fallback_set(mg_setting_values *v, size_t row, mg_error *error) {
    const mg_setting *s = &v->table[row];
    if (!s->fallback) return MG_OK;
    return is_list(s->type) ? fallback_list(v, row, error) : scalar_set(v, row, mg_str_of(s->fallback), error);
}

mg_status mg_setting_set(mg_setting_values *v, mg_str key, mg_str text, mg_error *error) {
    const mg_setting *s = mg_setting_find(v->table, key);
    if (!s) return mg_setting_unknown(v->table, key, error);
    size_t row = (size_t)(s - v->table);
    mg_status status = scalar_set(v, row, text, error);
    if (status == MG_OK) v->values[row].given = true;
    return status;
}

mg_status mg_setting_add(mg_setting_values *v, mg_str key, mg_str name, mg_str text, mg_error *error) {
    const mg_setting *s = mg_setting_find(v->table, key);
    if (!s) return mg_setting_unknown(v->table, key, error);
    size_t row = (size_t)(s - v->table);
    if (is_list(s->type) && !v->values[row].given) {
        value_finish(&v->values[row]);
        v->values[row].given = true;
    }
    return element_add(v, row, name, text, error);
}

mg_status mg_setting_check(const mg_setting_values *v, mg_error *error) {
    for (size_t i = 0; i < v->n; i++) {
        const value *have = &v->values[i];
        bool filled = have->present && (is_list(v->table[i].type) ? have->n > 0 : have->text.n > 0);
        if (v->table[i].required && !filled)
            return mg_fail(error, 0, "missing_setting", "setting '%s' is missing: %s", v->table[i].key,
                           v->table[i].doc ? v->table[i].doc : "it is required");
    }
    return MG_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const value *value_find(const void *ctx, const char *key) {
    const mg_setting_values *v = ctx;
    const mg_setting *s = mg_setting_find(v->table, mg_str_of(key));
    return s ? &v->values[s - v->table] : NULL;
}

static mg_str view_string(void *ctx, const char *key) {
    const mg_setting_values *v = ctx;
    const value *have = value_find(ctx, key);
    if (!have || !have->present) return (mg_str){NULL, 0};
    mg_setting_type t = v->table[have - v->values].type;
    bool string = t == MG_SETTING_STRING || t == MG_SETTING_SECRET || t == MG_SETTING_URL;
    return string ? have->text : (mg_str){NULL, 0};
}

static int64_t view_integer(void *ctx, const char *key) {
    const value *have = value_find(ctx, key);
    return have ? have->number : 0;
}

static bool view_element(void *ctx, const char *key, size_t i, mg_str *name, mg_str *text) {
    const value *have = value_find(ctx, key);
    if (!have || i >= have->n) return false;
    *name = have->elements[i].name;
    *text = have->elements[i].value;
    return true;
}

const mg_settings *mg_setting_view(const mg_setting_values *v) { return &v->view; }

const char *mg_setting_type_name(mg_setting_type t) {
    static const char *const names[] = {
        [MG_SETTING_STRING] = "string", [MG_SETTING_SECRET] = "secret",   [MG_SETTING_URL] = "url",
        [MG_SETTING_BOOL] = "bool",     [MG_SETTING_INTEGER] = "integer", [MG_SETTING_SECONDS] = "seconds",
        [MG_SETTING_BYTES] = "bytes",   [MG_SETTING_STRINGS] = "strings", [MG_SETTING_MAP] = "map",
    };
    return (unsigned)t < sizeof names / sizeof names[0] ? names[t] : "unknown";
}

static bool value_equal(const value *a, const value *b) {
    if (a->present != b->present || a->number != b->number || a->n != b->n || !mg_str_eq(a->text, b->text))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!mg_str_eq(a->elements[i].name, b->elements[i].name) ||
            !mg_str_eq(a->elements[i].value, b->elements[i].value))
            return false;
    return true;
}

bool mg_setting_values_equal(const mg_setting_values *a, const mg_setting_values *b) {
    if (a->table != b->table || !mg_str_eq(a->view.data_dir, b->view.data_dir)) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!value_equal(&a->values[i], &b->values[i])) return false;
    return true;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

mg_setting_values *mg_setting_values_create(const mg_setting *table, mg_str data_dir) {
    mg_setting_values *v = MG_NEW(mg_setting_values);
    v->table = table;
    v->n = table_size(table);
    v->values = v->n ? mg_calloc(v->n, sizeof *v->values) : NULL;
    v->view = (mg_settings){.size = sizeof(mg_settings),
                            .ctx = v,
                            .string = view_string,
                            .integer = view_integer,
                            .element = view_element,
                            .data_dir = copy(data_dir)};
    for (size_t i = 0; i < v->n; i++) {
        mg_error ignored;
        if (fallback_set(v, i, &ignored) != MG_OK) value_finish(&v->values[i]);
    }
    return v;
}

void mg_setting_values_destroy(mg_setting_values *v) {
    if (!v) return;
    for (size_t i = 0; i < v->n; i++) value_finish(&v->values[i]);
    free(v->values);
    wipe(&v->view.data_dir);
    free(v);
}
