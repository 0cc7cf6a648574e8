/* Unknown keys and wrong types, by the table of settings. */
#include "app/settings.h"

#include "base/clock.h"
#include "plugin/setting_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATTERN_MAX = 128 };

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static const mg_host_setting *find_row(const char *pattern) {
    for (const mg_host_setting *s = mg_host_settings(); s->key; s++)
        if (strcmp(s->key, pattern) == 0) return s;
    return NULL;
}

static bool has_rows_below(const char *pattern) {
    size_t n = strlen(pattern);
    for (const mg_host_setting *s = mg_host_settings(); s->key; s++)
        if (strncmp(s->key, pattern, n) == 0 && s->key[n] == '.') return true;
    return false;
}

/* "a.b" of "a" and "b"; false if that can't be the pattern of a row. */
static bool join(char out[PATTERN_MAX], const char *pattern, mg_str key) {
    int n = snprintf(out, PATTERN_MAX, "%s%s" MG_STR_FMT, pattern, *pattern ? "." : "", MG_STR_ARG(key));
    return n > 0 && n < PATTERN_MAX && !memchr(key.p, '.', key.n) && !memchr(key.p, '*', key.n) &&
           (find_row(out) || has_rows_below(out));
}

bool mg_host_setting_known(mg_str key) {
    char pattern[PATTERN_MAX];
    return key.n && join(pattern, "", key);
}

/* ---- values of one type ------------------------------------------------------------------------------------------ */

static bool wrong_type(const char *want, const mg_json *v, mg_str shown, mg_config_report *r) {
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be %s, got %s", MG_STR_ARG(shown), want, mg_config_type(v));
    return false;
}

static bool check_string(bool secret, const mg_json *v, mg_str shown, mg_config_report *r) {
    if (v->type != MG_JSON_STRING) return wrong_type("a string", v, shown, r);
    if (v->str.n && !memchr(v->str.p, 0, v->str.n)) return true;
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' %s", MG_STR_ARG(shown),
                       v->str.n ? "must not hold a NUL"
                       : secret ? "is empty: give it a value, or leave it out"
                                : "must not be empty");
    return false;
}

static bool check_integer(const mg_host_setting *row, const mg_json *v, mg_str shown, mg_config_report *r) {
    int64_t n;
    if (v->type != MG_JSON_NUMBER) return wrong_type("an integer", v, shown, r);
    if (!mg_str_int(v->str, &n)) {
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be an integer, got " MG_STR_FMT, MG_STR_ARG(shown),
                           MG_STR_ARG(v->str));
        return false;
    }
    if (!row->max || (n >= row->min && n <= row->max)) return true;
    if (row->max == INT64_MAX)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be at least %lld, got %lld", MG_STR_ARG(shown),
                           (long long)row->min, (long long)n);
    else
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be between %lld and %lld, got %lld", MG_STR_ARG(shown),
                           (long long)row->min, (long long)row->max, (long long)n);
    return false;
}

static bool check_number(const mg_json *v, mg_str shown, mg_config_report *r) {
    if (v->type != MG_JSON_NUMBER) return wrong_type("a number", v, shown, r);
    if (mg_json_number(v, -1) > 0) return true;
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be more than 0, got " MG_STR_FMT, MG_STR_ARG(shown),
                       MG_STR_ARG(v->str));
    return false;
}

static bool check_measured(const mg_host_setting *row, const mg_json *v, mg_str shown, mg_config_report *r) {
    bool seconds = row->type == MG_HOST_SECONDS;
    const char *want =
        seconds ? "a number of seconds, such as 30, 1.5 or \"5m\"" : "a number of bytes, such as 65536 or \"256MB\"";
    int64_t number;
    mg_str kept;
    if (v->type != MG_JSON_NUMBER && v->type != MG_JSON_STRING) return wrong_type(want, v, shown, r);
    if (mg_setting_text_read("", seconds ? MG_SETTING_SECONDS : MG_SETTING_BYTES, v->str, &number, &kept, NULL) !=
        MG_OK) {
        mg_str text = mg_str_cut(v->str, 60);
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be %s, got '" MG_STR_FMT "'", MG_STR_ARG(shown), want,
                           MG_STR_ARG(text));
        return false;
    }
    if (!row->max || (number >= row->min && number <= row->max)) return true;
    if (seconds)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be between %.9g and %.9g seconds, got %.9g", MG_STR_ARG(shown),
                           (double)row->min / 1000, (double)row->max / 1000, (double)number / 1000);
    else
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be between %lld and %lld bytes, got %lld", MG_STR_ARG(shown),
                           (long long)row->min, (long long)row->max, (long long)number);
    return false;
}

static bool check_share(const mg_json *v, mg_str shown, mg_config_report *r) {
    if (v->type != MG_JSON_NUMBER) return wrong_type("a share from 0 to 1", v, shown, r);
    double share = mg_json_number(v, -1);
    if (share >= 0 && share <= 1) return true;
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be a share from 0 to 1, got " MG_STR_FMT, MG_STR_ARG(shown),
                       MG_STR_ARG(v->str));
    return false;
}

static bool check_strings(const mg_json *v, mg_str shown, mg_config_report *r) {
    bool fine = true;
    if (!mg_config_is_list(v)) return wrong_type("a list of strings", v, shown, r);
    for (const mg_json *e = v->child; e; e = e->next) {
        mg_str element =
            mg_arena_printf(r->arena, MG_STR_FMT "[" MG_STR_FMT "]", MG_STR_ARG(shown), MG_STR_ARG(e->key));
        if (e->type != MG_JSON_NULL && !check_string(false, e, element, r)) fine = false;
    }
    return fine;
}

static bool check_choice(const mg_host_setting *row, const mg_json *v, mg_str shown, mg_config_report *r) {
    mg_buf list = {0};
    mg_str rest = mg_str_of(row->choices);
    bool found = false;
    if (v->type != MG_JSON_STRING) return wrong_type("a string", v, shown, r);
    while (rest.n) {
        mg_str one = mg_str_from(rest.p, mg_str_find(rest, '|'));
        rest = mg_str_skip(rest, one.n + 1);
        if (mg_str_eq(one, v->str)) found = true;
        mg_buf_printf(&list, "%s\"" MG_STR_FMT "\"", !list.n ? "" : rest.n ? ", " : " or ", MG_STR_ARG(one));
    }
    mg_str text = mg_str_cut(v->str, 60);
    if (!found)
        mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be " MG_STR_FMT ", got \"" MG_STR_FMT "\"", MG_STR_ARG(shown),
                           MG_STR_ARG(mg_buf_view(&list)), MG_STR_ARG(text));
    mg_buf_finish(&list);
    return found;
}

static bool check_money(const mg_json *v, mg_str shown, mg_config_report *r) {
    if (v->type == MG_JSON_STRING && mg_str_is(v->str, "refuse")) return true;
    if (v->type == MG_JSON_NUMBER && mg_json_number(v, -1) >= 0) return true;
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' must be a number of dollars or \"refuse\"", MG_STR_ARG(shown));
    return false;
}

bool mg_host_value_check(const mg_host_setting *row, const mg_json *v, mg_str shown, mg_config_report *r) {
    switch (row->type) {
    case MG_HOST_STRING: return check_string(false, v, shown, r);
    case MG_HOST_SECRET: return check_string(true, v, shown, r);
    case MG_HOST_BOOL: return v->type == MG_JSON_BOOL || wrong_type("true or false", v, shown, r);
    case MG_HOST_INTEGER: return check_integer(row, v, shown, r);
    case MG_HOST_NUMBER: return check_number(v, shown, r);
    case MG_HOST_SECONDS:
    case MG_HOST_BYTES: return check_measured(row, v, shown, r);
    case MG_HOST_SHARE: return check_share(v, shown, r);
    case MG_HOST_STRINGS: return check_strings(v, shown, r);
    case MG_HOST_CHOICE: return check_choice(row, v, shown, r);
    case MG_HOST_MONEY: return check_money(v, shown, r);
    case MG_HOST_LISTEN:
    case MG_HOST_PLUGIN:
    case MG_HOST_MODEL:
        return v->type == MG_JSON_STRING || mg_config_is_table(v) || wrong_type("a string or a table", v, shown, r);
    case MG_HOST_KEYS:
    case MG_HOST_LIMITS: return mg_config_is_table(v) || wrong_type("a table", v, shown, r);
    case MG_HOST_ANY: return true;
    }
    return true;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void unknown(const mg_json *v, mg_str shown, const mg_config_nearest *nearest, mg_config_report *r) {
    mg_str key = mg_str_cut(v->key, 60);
    mg_str prefix = shown.n ? mg_arena_printf(r->arena, MG_STR_FMT ".", MG_STR_ARG(shown)) : MG_STR("");
    mg_config_fault_at(r, v, "unknown setting '" MG_STR_FMT MG_STR_FMT "'" MG_STR_FMT, MG_STR_ARG(prefix),
                       MG_STR_ARG(key), MG_STR_ARG(mg_config_nearest_text(nearest, r->arena, prefix.p)));
}

static void unknown_of_pattern(const char *pattern, const mg_json *v, mg_str shown, mg_config_report *r) {
    mg_config_nearest nearest = {.word = v->key};
    size_t n = strlen(pattern);
    for (const mg_host_setting *s = mg_host_settings(); s->key; s++) {
        if (n && (strncmp(s->key, pattern, n) != 0 || s->key[n] != '.')) continue;
        const char *segment = s->key + n + (n > 0);
        mg_config_nearest_offer(&nearest, mg_str_from(segment, strcspn(segment, ".")));
    }
    unknown(v, shown, &nearest, r);
}

static void unexpected_element(const mg_json *v, mg_str shown, mg_config_report *r) {
    mg_config_fault_at(r, v, "'" MG_STR_FMT "' takes named settings only: the element " MG_STR_FMT " has no name",
                       MG_STR_ARG(shown), MG_STR_ARG(v->key));
}

void mg_host_members_check(const mg_json *v, const char *const *names, bool elements, mg_str shown,
                           mg_config_report *r) {
    for (const mg_json *e = mg_config_is_table(v) ? v->child : NULL; e; e = e->next) {
        mg_config_nearest nearest = {.word = e->key};
        bool known = false;
        if (mg_config_node_of(e)->positional) {
            if (!elements) unexpected_element(e, shown, r);
            continue;
        }
        for (size_t i = 0; names[i]; i++) {
            mg_config_nearest_offer(&nearest, mg_str_of(names[i]));
            known = known || mg_str_is(e->key, names[i]);
        }
        if (!known) unknown(e, shown, &nearest, r);
    }
}

static void check_table(const char *pattern, bool open, const mg_json *v, mg_str shown, mg_config_report *r);

static void check_member(const char *pattern, bool open, const mg_json *e, mg_str outer, mg_config_report *r) {
    char inner[PATTERN_MAX];
    mg_str key = mg_str_cut(e->key, 60);
    mg_str shown =
        mg_arena_printf(r->arena, MG_STR_FMT "%s" MG_STR_FMT, MG_STR_ARG(outer), outer.n ? "." : "", MG_STR_ARG(key));
    if (!join(inner, pattern, e->key)) {
        snprintf(inner, sizeof inner, "%s%s*", pattern, *pattern ? "." : "");
        if (!find_row(inner) && !has_rows_below(inner)) {
            if (!open) unknown_of_pattern(pattern, e, outer, r);
            return;
        }
    }
    const mg_host_setting *row = find_row(inner);
    if (e->type == MG_JSON_NULL) return; /* unset */
    if (row && !mg_host_value_check(row, e, shown, r)) return;
    if (!has_rows_below(inner)) return;
    if (mg_config_is_table(e))
        check_table(inner, row && row->open, e, shown, r);
    else if (!row)
        wrong_type("a table", e, shown, r);
}

static void check_table(const char *pattern, bool open, const mg_json *v, mg_str shown, mg_config_report *r) {
    for (const mg_json *e = v->child; e; e = e->next) {
        if (!mg_config_node_of(e)->positional)
            check_member(pattern, open, e, shown, r);
        else if (!open)
            unexpected_element(e, shown, r);
    }
}

void mg_host_settings_check(const mg_json *root, mg_config_report *r) { check_table("", false, root, (mg_str){0}, r); }
