/* Verb price: what the price table says of a model, and what a call would cost. */
#include "app/verbs.h"
#include "base/buf.h"
#include "gateway/prices.h"

static bool count_option(const mg_verb_context *v, const char *name, int64_t *out) {
    const char *s = mg_verb_option(v, name);
    *out = 0;
    return !s || (mg_str_int(mg_str_of(s), out) && *out >= 0);
}

/* 0, or an exit status after a message. */
static int usage_read(const mg_verb_context *v, mg_usage *u) {
    const struct {
        const char *option, *whole_option;
        int64_t *count, *whole;
    } counts[] = {
        {"--input", NULL, &u->input, NULL},
        {"--output", NULL, &u->output, NULL},
        {"--cached", "--input", &u->cached, &u->input},
        {"--cache-write", "--input", &u->cache_write, &u->input},
        {"--audio-input", "--input", &u->audio_input, &u->input},
        {"--reasoning", "--output", &u->reasoning, &u->output},
        {"--audio-output", "--output", &u->audio_output, &u->output},
    };
    *u = (mg_usage){.size = sizeof *u};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (!count_option(v, counts[i].option, counts[i].count))
            return mg_verb_fail(2, "%s takes a number of tokens, not '%s'", counts[i].option,
                                mg_verb_option(v, counts[i].option));
        if (counts[i].whole && *counts[i].count > *counts[i].whole)
            return mg_verb_fail(2, "%s is part of %s, so it can't be larger", counts[i].option, counts[i].whole_option);
    }
    if (u->cached > u->input - u->cache_write || u->audio_input > u->input - u->cache_write - u->cached)
        return mg_verb_fail(
            2, "--cached, --cache-write and --audio-input are parts of --input, so their sum can't be larger");
    return 0;
}

/* "provider/model", a bare model, or a model whose name has a slash in it. */
static const mg_price *find(const mg_prices *table, mg_str name) {
    const mg_price *p = mg_prices_find(table, (mg_str){0}, name);
    size_t slash = mg_str_find(name, '/');
    if (p || slash == name.n) return p;
    return mg_prices_find(table, mg_str_from(name.p, slash), mg_str_skip(name, slash + 1));
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

typedef struct class_price {
    const char *text, *json;
    int64_t nano; /* per million tokens; -1: none of its own */
} class_price;

enum { CLASSES = 10 };

static void classes_of(const mg_price *p, class_price out[CLASSES]) {
    const class_price all[CLASSES] = {
        {"input", "input", p->input},
        {"output", "output", p->output},
        {"cached input", "cached", p->cached},
        {"cache write", "cache_write", p->cache_write},
        {"audio input", "audio_input", p->audio_input},
        {"audio output", "audio_output", p->audio_output},
        {"input", "long_input", p->long_above ? p->long_input : -1},
        {"output", "long_output", p->long_above ? p->long_output : -1},
        {"cached input", "long_cached", p->long_above ? p->long_cached : -1},
        {"cache write", "long_cache_write", p->long_above ? p->long_cache_write : -1},
    };
    memcpy(out, all, sizeof all);
}

static void print_text(const mg_price *p, mg_str date, const mg_usage *u, const char *cost) {
    class_price classes[CLASSES];
    char usd[32];
    classes_of(p, classes);
    printf("%.*s/%.*s (%.*s), list prices of %.*s\n", MG_STR_ARG(p->provider), MG_STR_ARG(p->model),
           MG_STR_ARG(p->mode), MG_STR_ARG(date));
    for (size_t i = 0; i < CLASSES; i++) {
        if (i == 6 && p->long_above)
            printf("  requests with more than %lld input tokens, as a whole:\n", (long long)p->long_above);
        if (classes[i].nano < 0) continue;
        mg_money_format(classes[i].nano, usd);
        printf("  %-14s $%s per million tokens\n", classes[i].text, usd);
    }
    if (p->context) printf("  %-14s %lld tokens\n", "context", (long long)p->context);
    if (p->max_output) printf("  %-14s %lld tokens\n", "longest answer", (long long)p->max_output);
    if (u->input || u->output) printf("  %-14s $%s\n", "this call", cost);
}

static void print_json(const mg_price *p, mg_str date, const mg_usage *u, int64_t nano, const char *cost) {
    class_price classes[CLASSES];
    mg_buf b = {0};
    classes_of(p, classes);
    mg_buf_str(&b, MG_STR("{\"provider\":"));
    mg_buf_json(&b, p->provider);
    mg_buf_str(&b, MG_STR(",\"model\":"));
    mg_buf_json(&b, p->model);
    mg_buf_str(&b, MG_STR(",\"mode\":"));
    mg_buf_json(&b, p->mode);
    mg_buf_str(&b, MG_STR(",\"date\":"));
    mg_buf_json(&b, date);
    mg_buf_printf(&b, ",\"input\":%lld,\"cached\":%lld,\"output\":%lld,\"cost_usd\":\"%s\",\"cost_nano_usd\":%lld",
                  (long long)u->input, (long long)u->cached, (long long)u->output, cost, (long long)nano);
    for (size_t i = 0; i < CLASSES; i++)
        if (classes[i].nano >= 0)
            mg_buf_printf(&b, ",\"%s_nano_usd_per_million\":%lld", classes[i].json, (long long)classes[i].nano);
    if (p->long_above) mg_buf_printf(&b, ",\"long_above\":%lld", (long long)p->long_above);
    mg_buf_printf(&b, ",\"context\":%lld,\"max_output\":%lld}\n", (long long)p->context, (long long)p->max_output);
    fwrite(b.p, 1, b.n, stdout);
    mg_buf_finish(&b);
}

int mg_verb_price(const mg_verb_context *v) {
    mg_usage u;
    char cost[32];
    if (v->n_args != 1)
        return mg_verb_fail(2, "usage: moongate price MODEL [--input N --cached N --output N]; a model is 'gpt-4o' or "
                               "'azure/gpt-4o'");
    int status = usage_read(v, &u);
    if (status) return status;
    const mg_prices *table = mg_prices_builtin();
    const mg_price *p = find(table, mg_str_of(v->args[0]));
    if (!p)
        return mg_verb_fail(1, "the price table of %.*s does not know '%s'", MG_STR_ARG(mg_prices_date(table)),
                            v->args[0]);
    int64_t nano = mg_price_cost(p, &u);
    mg_money_format(nano, cost);
    if (v->json)
        print_json(p, mg_prices_date(table), &u, nano, cost);
    else
        print_text(p, mg_prices_date(table), &u, cost);
    return 0;
}
