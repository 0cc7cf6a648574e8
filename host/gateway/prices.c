#include "gateway/prices.h"
#include "base/arena.h"
#include "base/hash.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern const char mg_prices_tsv[]; /* prices.tsv, by embed.cmake */
extern const size_t mg_prices_tsv_size;

enum { COLUMNS = 18, TOKENS_A_PRICE = 1000000 };

struct mg_prices {
    mg_str date;
    mg_price *rows;
    size_t n, cap;
    uint32_t *slots; /* by model: index of the row + 1, 0: free. Rows of one model are met in their order */
    size_t mask;
};

/* ---- reading the table ------------------------------------------------------------------------------------------- */

static mg_str cut_at(mg_str *text, char c) {
    mg_str part = {text->p, mg_str_find(*text, c)};
    *text = mg_str_skip(*text, part.n + 1);
    return part;
}

static bool price_of(mg_str text, int64_t *out) {
    *out = -1;
    return mg_str_is(text, "-") || (mg_money_parse(text, out) && *out >= 0);
}

static bool flag_of(mg_str text, bool *out) {
    *out = mg_str_is(text, "yes");
    return *out || mg_str_is(text, "no");
}

static bool count_of(mg_str text, int64_t *out) { return mg_str_int(text, out) && *out >= 0; }

static bool parse_row(mg_str line, mg_price *r) {
    mg_str c[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) c[i] = cut_at(&line, '\t');
    r->provider = c[0];
    r->model = c[1];
    r->mode = c[2];
    return line.n == 0 && r->provider.n && r->model.n && r->mode.n && price_of(c[3], &r->input) &&
           price_of(c[4], &r->output) && price_of(c[5], &r->cached) && price_of(c[6], &r->cache_write) &&
           price_of(c[7], &r->audio_input) && price_of(c[8], &r->audio_output) && count_of(c[9], &r->context) &&
           count_of(c[10], &r->max_output) && flag_of(c[11], &r->tools) && flag_of(c[12], &r->vision) &&
           count_of(c[13], &r->long_above) && price_of(c[14], &r->long_input) && price_of(c[15], &r->long_output) &&
           price_of(c[16], &r->long_cached) && price_of(c[17], &r->long_cache_write);
}

static void add_row(mg_prices *p, mg_price row) {
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 512;
        p->rows = mg_realloc(p->rows, p->cap * sizeof *p->rows);
    }
    p->rows[p->n++] = row;
}

static const mg_price *listed(const mg_prices *p, mg_str vendor, mg_str model) {
    for (size_t i = mg_hash64(model) & p->mask; p->slots[i]; i = (i + 1) & p->mask) {
        const mg_price *row = &p->rows[p->slots[i] - 1];
        if (mg_str_eq(row->model, model) && (vendor.n == 0 || mg_str_eq(row->provider, vendor))) return row;
    }
    return NULL;
}

static mg_status index_rows(mg_prices *p, mg_error *error) {
    size_t cap = 16;
    while (cap < 2 * p->n) cap *= 2;
    p->mask = cap - 1;
    p->slots = mg_calloc(cap, sizeof *p->slots);
    for (size_t k = 0; k < p->n; k++) {
        const mg_price *row = &p->rows[k];
        if (listed(p, row->provider, row->model))
            return mg_fail(error, 0, "bad_prices", "the price table lists " MG_STR_FMT " of " MG_STR_FMT " twice",
                           MG_STR_ARG(row->model), MG_STR_ARG(row->provider));
        size_t i = mg_hash64(row->model) & p->mask;
        while (p->slots[i]) i = (i + 1) & p->mask;
        p->slots[i] = (uint32_t)k + 1;
    }
    return MG_OK;
}

mg_prices *mg_prices_parse(mg_str text, mg_error *error) {
    mg_prices *p = MG_NEW(mg_prices);
    mg_status status = MG_OK;
    for (size_t number = 1; status == MG_OK && text.n; number++) {
        mg_str line = cut_at(&text, '\n');
        mg_price row = {0};
        if (mg_str_starts(line, MG_STR("# date: "))) p->date = mg_str_trim(mg_str_skip(line, strlen("# date: ")));
        if (line.n == 0 || line.p[0] == '#') continue;
        if (parse_row(line, &row))
            add_row(p, row);
        else
            status =
                mg_fail(error, 0, "bad_prices",
                        "line %zu of the price table: it takes %d columns with tabs between them, prices as decimal "
                        "numbers or \"-\", counts as integers, \"yes\" or \"no\"",
                        number, COLUMNS);
    }
    if (status == MG_OK) status = index_rows(p, error);
    if (status == MG_OK) return p;
    mg_prices_destroy(p);
    return NULL;
}

void mg_prices_destroy(mg_prices *p) {
    if (!p) return;
    free(p->rows);
    free(p->slots);
    free(p);
}

/* Read once, then never written: a table that the program carries has no better owner. */
static mg_prices *builtin;
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;

static void read_builtin(void) {
    mg_error e = {0};
    builtin = mg_prices_parse(mg_str_from(mg_prices_tsv, mg_prices_tsv_size), &e);
    if (builtin) return;
    fprintf(stderr, "moongate: %s\n", e.text); /* a fault of the build, not of the installation */
    abort();
}

const mg_prices *mg_prices_builtin(void) {
    pthread_once(&builtin_once, read_builtin);
    return builtin;
}

mg_str mg_prices_date(const mg_prices *p) { return p->date; }
size_t mg_prices_count(const mg_prices *p) { return p->n; }
const mg_price *mg_prices_at(const mg_prices *p, size_t i) { return i < p->n ? &p->rows[i] : NULL; }

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* True if s ends in the pattern, where 0 stands for any digit. */
static bool ends_like(mg_str s, const char *pattern) {
    size_t n = strlen(pattern);
    if (s.n <= n) return false;
    const char *p = s.p + s.n - n;
    for (size_t i = 0; i < n; i++) {
        bool digit = p[i] >= '0' && p[i] <= '9';
        if (pattern[i] == '0' ? !digit : p[i] != pattern[i]) return false;
    }
    return true;
}

/* The next more general name, or {NULL, 0}. */
static mg_str more_general(mg_str model) {
    static const char *const ENDINGS[] = {"-latest", "-0000-00-00", "-00000000", "@00000000", "-000"};
    if (mg_str_starts(model, MG_STR("ft:"))) {
        size_t base = 3 + mg_str_find(mg_str_skip(model, 3), ':');
        if (base < model.n) return mg_str_from(model.p, base);
    }
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++)
        if (ends_like(model, ENDINGS[i])) return mg_str_from(model.p, model.n - strlen(ENDINGS[i]));
    return (mg_str){NULL, 0};
}

const mg_price *mg_prices_find(const mg_prices *p, mg_str vendor, mg_str model) {
    if (mg_str_is(vendor, "gemini")) vendor = MG_STR("google");
    if (mg_str_starts(model, MG_STR("models/"))) model = mg_str_skip(model, strlen("models/"));
    const mg_price *found = NULL;
    for (; model.n && !found; model = more_general(model)) found = listed(p, vendor, model);
    return found;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

static int64_t or_else(int64_t price, int64_t otherwise) { return price >= 0 ? price : otherwise; }

static int64_t at_least_0(int64_t n) { return n > 0 ? n : 0; }

/* In millionths of a nano-dollar, at most what saturates the result: so no sum of these leaves 128 bits. */
static __int128 charge(int64_t tokens, int64_t price) {
    const __int128 most = (__int128)INT64_MAX * TOKENS_A_PRICE;
    __int128 sum = (__int128)at_least_0(tokens) * at_least_0(price);
    return sum < most ? sum : most;
}

int64_t mg_price_cost(const mg_price *price, const mg_usage *u) {
    bool is_long = price->long_above > 0 && u->input > price->long_above;
    int64_t input = is_long ? or_else(price->long_input, price->input) : price->input;
    int64_t output = is_long ? or_else(price->long_output, price->output) : price->output;
    int64_t cached = or_else(is_long ? price->long_cached : price->cached, input);
    int64_t cache_write = or_else(is_long ? price->long_cache_write : price->cache_write, input);
    __int128 plain_input = (__int128)at_least_0(u->input) - at_least_0(u->cached) - at_least_0(u->cache_write) -
                           at_least_0(u->audio_input);
    __int128 plain_output = (__int128)at_least_0(u->output) - at_least_0(u->audio_output);
    __int128 sum = charge((int64_t)(plain_input > 0 ? plain_input : 0), input) + charge(u->cached, cached) +
                   charge(u->cache_write, cache_write) + charge(u->audio_input, or_else(price->audio_input, input)) +
                   charge((int64_t)(plain_output > 0 ? plain_output : 0), output) +
                   charge(u->audio_output, or_else(price->audio_output, output));
    __int128 nano = (sum + TOKENS_A_PRICE - 1) / TOKENS_A_PRICE;
    return nano > INT64_MAX ? INT64_MAX : (int64_t)nano;
}
