/* Verbs that read JSON lines {"text": …} on standard input: scan, tokens; and price. */
#include "app/verbs.h"
#include "base/buf.h"
#include "base/money.h"
#include "gateway/detect.h"
#include "gateway/tokens.h"
#include "gateway/worker.h"

#include <stdlib.h>

typedef struct lines {
    mg_json_parser *json;
    mg_arena *arena;
    char *line;
    size_t cap, number;
} lines;

/* The next line's text; false at the end. *status is set to 1 when a line is not as it should be. */
static bool next_text(lines *l, mg_str *text, int *status) {
    ssize_t n;
    while ((n = getline(&l->line, &l->cap, stdin)) > 0) {
        const mg_json *root;
        mg_error error;
        l->number++;
        while (n && (l->line[n - 1] == '\n' || l->line[n - 1] == '\r')) n--;
        if (!n) continue;
        mg_arena_reset(l->arena);
        if (mg_json_parse_copy(l->json, l->arena, mg_str_from(l->line, (size_t)n), &root, &error) != MG_OK) {
            *status = mg_verb_fail(1, "line %zu: %s", l->number, error.text);
        } else if (mg_json_kind(mg_json_get(root, MG_STR("text"))) != MG_JSON_STRING) {
            *status = mg_verb_fail(1, "line %zu: there is no string \"text\"", l->number);
        } else {
            *text = mg_json_text(mg_json_get(root, MG_STR("text")));
            return true;
        }
    }
    return false;
}

static void lines_init(lines *l) { *l = (lines){mg_json_parser_create(), mg_arena_create(64 * 1024), NULL, 0, 0}; }

static void lines_finish(lines *l) {
    mg_json_parser_destroy(l->json);
    mg_arena_destroy(l->arena);
    free(l->line);
}

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
}

static void print_spans(const mg_found *f, size_t n) {
    fputs("{\"spans\":[", stdout);
    for (size_t i = 0; i < n; i++)
        printf("%s{\"type\":\"%s\",\"start\":%zu,\"end\":%zu,\"confidence\":%.2f}", i ? "," : "", f[i].type, f[i].start,
               f[i].end, f[i].confidence);
    puts("]}");
}

int mg_verb_scan(const mg_verb_context *v) {
    mg_snapshot *s = mg_config_snapshot(v->config, v->plugins, NULL, 1, NULL, NULL, print_fault, print_fault, NULL);
    if (!s) return 2;
    mg_worker w = {.loop = mg_evloop_create()};
    int status = 0;
    lines l;
    mg_str text;
    lines_init(&l);
    while (next_text(&l, &text, &status)) {
        const mg_found *found;
        size_t n;
        mg_error error;
        if (mg_detect(&w, s, l.arena, text, NULL, 0, &found, &n, &error) == MG_OK)
            print_spans(found, n);
        else
            status = mg_verb_fail(1, "line %zu: %s", l.number, error.text);
    }
    lines_finish(&l);
    for (size_t i = 0; i < s->n_detectors; i++) mg_use_detach(s->detectors[i], 0);
    mg_snapshot_unref(s);
    mg_evloop_destroy(w.loop);
    return status;
}

int mg_verb_tokens(const mg_verb_context *v) {
    const char *model = mg_verb_option(v, "--model");
    int status = 0;
    lines l;
    mg_str text;
    if (!model) return mg_verb_fail(2, "--model is missing: whose tokens?");
    lines_init(&l);
    while (next_text(&l, &text, &status))
        printf("{\"tokens\":%lld,\"method\":\"estimate\"}\n", (long long)mg_tokens_estimate(text, mg_str_of(model)));
    lines_finish(&l);
    return status;
}

/* ---- price ------------------------------------------------------------------------------------------------------- */

static bool count_option(const mg_verb_context *v, const char *name, int64_t *out) {
    const char *s = mg_verb_option(v, name);
    *out = 0;
    return !s || (mg_str_int(mg_str_of(s), out) && *out >= 0);
}

static void print_class(const char *name, int64_t nano_per_million) {
    char usd[32];
    if (nano_per_million < 0) return;
    mg_money_format(nano_per_million, usd);
    printf("  %-14s $%s per million tokens\n", name, usd);
}

static void print_price(const mg_price *p) {
    printf("%.*s/%.*s (%.*s)\n", MG_STR_ARG(p->provider), MG_STR_ARG(p->model), MG_STR_ARG(p->mode));
    print_class("input", p->input);
    print_class("output", p->output);
    print_class("cached input", p->cached);
    print_class("cache write", p->cache_write);
    print_class("audio input", p->audio_input);
    print_class("audio output", p->audio_output);
}

int mg_verb_price(const mg_verb_context *v) {
    mg_usage u = {.size = sizeof u};
    char usd[32];
    if (v->n_args != 1) return mg_verb_fail(2, "usage: moongate price MODEL [--input N --cached N --output N]");
    if (!count_option(v, "--input", &u.input) || !count_option(v, "--cached", &u.cached) ||
        !count_option(v, "--output", &u.output))
        return mg_verb_fail(2, "--input, --cached and --output take a number of tokens");
    if (u.cached > u.input) return mg_verb_fail(2, "--cached is part of --input, so it can't be larger");
    mg_str name = mg_str_of(v->args[0]), vendor = {0};
    const mg_prices *table = mg_prices_builtin();
    const mg_price *p = mg_prices_find(table, vendor, name);
    size_t slash = mg_str_find(name, '/');
    if (!p && slash < name.n) p = mg_prices_find(table, mg_str_from(name.p, slash), mg_str_skip(name, slash + 1));
    if (!p)
        return mg_verb_fail(1, "the price table of %.*s does not know '%s'", MG_STR_ARG(mg_prices_date(table)),
                            v->args[0]);
    int64_t cost = mg_price_cost(p, &u);
    mg_money_format(cost, usd);
    if (v->json) {
        printf("{\"provider\":\"%.*s\",\"model\":\"%.*s\",\"cost_usd\":\"%s\",\"cost_nano_usd\":%lld,\"input_nano_usd_"
               "per_million\":%lld,\"output_nano_usd_per_million\":%lld}\n",
               MG_STR_ARG(p->provider), MG_STR_ARG(p->model), usd, (long long)cost, (long long)p->input,
               (long long)p->output);
        return 0;
    }
    print_price(p);
    if (u.input || u.output) printf("  this call      $%s\n", usd);
    return 0;
}
