#include "base/metrics.h"
#include "base/arena.h"
#include "base/hash.h"
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_METRICS = 1000, MAX_SERIES = 2000, MAX_LABELS = 16, MAX_BUCKETS = 60, LONGEST_VALUE = 200 };

typedef struct metric metric;

struct mg_series {
    mg_series *next; /* of the metric, in order of creation */
    mg_series *next_same; /* in the hash table's slot */
    const metric *of;
    mg_str labels; /* as written between the braces; "" for none */
    _Atomic int64_t value; /* counter, gauge; histogram: observations */
    _Atomic uint64_t sum; /* histogram: the bits of a double */
    _Atomic uint64_t buckets[]; /* histogram: not cumulated; the last one is +Inf */
};

struct metric {
    metric *next;
    char *name, *help;
    mg_metric_type type;
    double *bounds;
    size_t n_bounds;
    mg_series *first, *last, *other;
    size_t n_series;
};

struct mg_metrics {
    pthread_mutex_t lock; /* for everything but the numbers */
    mg_arena *arena;
    metric *first, *last;
    size_t n_metrics;
    mg_series **slots; /* hash table over metric and labels; a power of two */
    size_t n_slots, n_series;
};

/* ---- names and labels ---- */

static bool valid_name(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
    }
    return s.n > 0;
}

/* Backslash, line feed and, in values, quotes are escaped; what is not UTF-8 becomes U+FFFD. */
static void put_escaped(mg_buf *out, mg_str s, bool value) {
    while (s.n) {
        size_t n = mg_str_utf8(s);
        if (n == 0)
            mg_buf_str(out, MG_STR("\xef\xbf\xbd"));
        else if (s.p[0] == '\n')
            mg_buf_str(out, MG_STR("\\n"));
        else if (s.p[0] == '\\' || (value && s.p[0] == '"'))
            mg_buf_add(out, (char[]){'\\', s.p[0]}, 2);
        else
            mg_buf_add(out, s.p, n);
        s = mg_str_skip(s, n ? n : 1);
    }
}

static int compare(mg_str a, mg_str b) {
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Sorts the labels by name, so that their order does not matter. False if one is not allowed or comes twice. */
static bool sort_labels(const mg_header *labels, size_t n, mg_metric_type type, mg_header *sorted) {
    if (n > MAX_LABELS) return false;
    for (size_t i = 0; i < n; i++) {
        if (!valid_name(labels[i].name) || (type == MG_HISTOGRAM && mg_str_is(labels[i].name, "le"))) return false;
        size_t at = i;
        for (; at > 0 && compare(sorted[at - 1].name, labels[i].name) >= 0; at--) {
            if (mg_str_eq(sorted[at - 1].name, labels[i].name)) return false;
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = labels[i];
    }
    return true;
}

static void put_labels(mg_buf *out, const mg_header *labels, size_t n, bool other) {
    for (size_t i = 0; i < n; i++) {
        if (i) mg_buf_add(out, ",", 1);
        mg_buf_str(out, labels[i].name);
        mg_buf_str(out, MG_STR("=\""));
        put_escaped(out, other ? MG_STR("other") : mg_str_cut(labels[i].value, LONGEST_VALUE), true);
        mg_buf_add(out, "\"", 1);
    }
}

/* ---- metrics ---- */

mg_metrics *mg_metrics_create(void) {
    mg_metrics *m = MG_NEW(mg_metrics);
    pthread_mutex_init(&m->lock, NULL);
    m->arena = mg_arena_create(16384);
    m->n_slots = 256;
    m->slots = mg_calloc(m->n_slots, sizeof *m->slots);
    return m;
}

void mg_metrics_destroy(mg_metrics *m) {
    if (!m) return;
    mg_arena_destroy(m->arena);
    free(m->slots);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static metric *find_metric(const mg_metrics *m, const char *name) {
    metric *x = m->first;
    while (x && strcmp(x->name, name) != 0) x = x->next;
    return x;
}

static bool valid_bounds(const double *bounds, size_t n) {
    if (n > MAX_BUCKETS) return false;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) return false;
    return true;
}

static metric *add_metric(mg_metrics *m, const char *name, mg_metric_type type, const char *help, const double *bounds,
                          size_t n_bounds) {
    if (type != MG_HISTOGRAM) n_bounds = 0;
    if (m->n_metrics == MAX_METRICS || !valid_name(mg_str_of(name)) || !valid_bounds(bounds, n_bounds)) return NULL;
    metric *x = MG_ARENA_NEW(m->arena, metric);
    x->name = (char *)mg_arena_dup(m->arena, mg_str_of(name)).p;
    x->help = (char *)mg_arena_dup(m->arena, mg_str_of(help)).p;
    x->type = type;
    x->bounds = mg_arena_alloc(m->arena, n_bounds * sizeof *bounds);
    if (n_bounds) memcpy(x->bounds, bounds, n_bounds * sizeof *bounds);
    x->n_bounds = n_bounds;
    *(m->last ? &m->last->next : &m->first) = x;
    m->last = x;
    m->n_metrics++;
    return x;
}

/* ---- series ---- */

static mg_series **slot(const mg_metrics *m, const metric *of, mg_str labels) {
    uint64_t h = mg_hash64(labels) ^ (uint64_t)(uintptr_t)of * 0x9e3779b97f4a7c15u;
    return &m->slots[(h ^ h >> 32) & (m->n_slots - 1)];
}

static mg_series *find_series(const mg_metrics *m, const metric *of, mg_str labels) {
    mg_series *s = *slot(m, of, labels);
    while (s && (s->of != of || !mg_str_eq(s->labels, labels))) s = s->next_same;
    return s;
}

static void hang_in(mg_metrics *m, mg_series *s) {
    mg_series **at = slot(m, s->of, s->labels);
    s->next_same = *at;
    *at = s;
}

static void grow(mg_metrics *m) {
    free(m->slots);
    m->n_slots *= 2;
    m->slots = mg_calloc(m->n_slots, sizeof *m->slots);
    for (metric *x = m->first; x; x = x->next)
        for (mg_series *s = x->first; s; s = s->next) hang_in(m, s);
}

static mg_series *add_series(mg_metrics *m, metric *of, mg_str labels) {
    size_t buckets = of->type == MG_HISTOGRAM ? of->n_bounds + 1 : 0, line = 64;
    /* Cache lines of its own: series of different workers must not slow each other down. */
    size_t size = (sizeof(mg_series) + buckets * sizeof(uint64_t) + line - 1) / line * line;
    char *memory = mg_arena_zalloc(m->arena, size + line);
    mg_series *s = (mg_series *)(memory + (line - (uintptr_t)memory % line) % line);
    s->of = of;
    s->labels = mg_arena_dup(m->arena, labels);
    *(of->last ? &of->last->next : &of->first) = s;
    of->last = s;
    of->n_series++;
    if (++m->n_series > m->n_slots)
        grow(m);
    else
        hang_in(m, s);
    return s;
}

/* The series of sorted labels; the metric's "other" series once it has as many as it may. */
static mg_series *series_of(mg_metrics *m, metric *of, const mg_header *labels, size_t n) {
    mg_buf text = {0};
    put_labels(&text, labels, n, false);
    mg_series *s = find_series(m, of, mg_buf_view(&text));
    if (!s && of->n_series < MAX_SERIES - 1) {
        s = add_series(m, of, mg_buf_view(&text));
    } else if (!s) {
        mg_buf_clear(&text);
        put_labels(&text, labels, n, true);
        if (!of->other) of->other = find_series(m, of, mg_buf_view(&text));
        if (!of->other) of->other = add_series(m, of, mg_buf_view(&text));
        s = of->other;
    }
    mg_buf_finish(&text);
    return s;
}

mg_series *mg_metrics_series(mg_metrics *m, const char *name, mg_metric_type type, const char *help,
                             const double *buckets, size_t n_buckets, const mg_header *labels, size_t n_labels) {
    mg_header sorted[MAX_LABELS];
    if (!sort_labels(labels, n_labels, type, sorted)) return NULL;
    mg_series *s = NULL;
    pthread_mutex_lock(&m->lock);
    metric *of = find_metric(m, name);
    if (!of) of = add_metric(m, name, type, help, buckets, n_buckets);
    if (of && of->type == type) s = series_of(m, of, sorted, n_labels);
    pthread_mutex_unlock(&m->lock);
    return s;
}

void mg_series_add(mg_series *s, int64_t n) {
    if (s && s->of->type != MG_HISTOGRAM) atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

void mg_series_set(mg_series *s, int64_t n) {
    if (s && s->of->type == MG_GAUGE) atomic_store_explicit(&s->value, n, memory_order_relaxed);
}

static double as_double(uint64_t bits) {
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void add_to_sum(_Atomic uint64_t *sum, double v) {
    uint64_t before = atomic_load_explicit(sum, memory_order_relaxed), after;
    do {
        double total = as_double(before) + v;
        memcpy(&after, &total, sizeof after);
    } while (!atomic_compare_exchange_weak_explicit(sum, &before, after, memory_order_relaxed, memory_order_relaxed));
}

void mg_series_observe(mg_series *s, double v) {
    if (!s || s->of->type != MG_HISTOGRAM || isnan(v)) return;
    size_t i = 0;
    while (i < s->of->n_bounds && v > s->of->bounds[i]) i++;
    atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->value, 1, memory_order_relaxed);
    add_to_sum(&s->sum, v);
}

int64_t mg_series_value(const mg_series *s) { return s ? atomic_load_explicit(&s->value, memory_order_relaxed) : 0; }

/* ---- output ---- */

static void put_double(mg_buf *out, double v) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    mg_buf_str(out, mg_str_of(isinf(v) ? (v > 0 ? "+Inf" : "-Inf") : text));
}

/* name_suffix{labels,le="bound"} and a space. */
static void put_sample(mg_buf *out, const mg_series *s, const char *suffix, const double *bound) {
    mg_buf_str(out, mg_str_of(s->of->name));
    mg_buf_str(out, mg_str_of(suffix));
    if (s->labels.n || bound) {
        mg_buf_add(out, "{", 1);
        mg_buf_str(out, s->labels);
        if (bound) {
            mg_buf_str(out, s->labels.n ? MG_STR(",le=\"") : MG_STR("le=\""));
            put_double(out, *bound);
            mg_buf_add(out, "\"", 1);
        }
        mg_buf_add(out, "}", 1);
    }
    mg_buf_add(out, " ", 1);
}

/* The count is the sum of the buckets as they are read here: two reads of a moving histogram would not agree. */
static void put_histogram(mg_buf *out, const mg_series *s) {
    uint64_t total = 0;
    for (size_t i = 0; i <= s->of->n_bounds; i++) {
        double bound = i < s->of->n_bounds ? s->of->bounds[i] : (double)INFINITY;
        total += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        put_sample(out, s, "_bucket", &bound);
        mg_buf_printf(out, "%" PRIu64 "\n", total);
    }
    put_sample(out, s, "_sum", NULL);
    put_double(out, as_double(atomic_load_explicit(&s->sum, memory_order_relaxed)));
    mg_buf_add(out, "\n", 1);
    put_sample(out, s, "_count", NULL);
    mg_buf_printf(out, "%" PRIu64 "\n", total);
}

static void put_metric(mg_buf *out, const metric *x) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    mg_buf_printf(out, "# HELP %s ", x->name);
    put_escaped(out, mg_str_of(x->help), false);
    mg_buf_printf(out, "\n# TYPE %s %s\n", x->name, types[x->type]);
    for (const mg_series *s = x->first; s; s = s->next) {
        if (x->type == MG_HISTOGRAM) {
            put_histogram(out, s);
        } else {
            put_sample(out, s, "", NULL);
            mg_buf_printf(out, "%" PRId64 "\n", mg_series_value(s));
        }
    }
}

void mg_metrics_write(mg_metrics *m, mg_buf *out) {
    pthread_mutex_lock(&m->lock);
    for (const metric *x = m->first; x; x = x->next) put_metric(out, x);
    pthread_mutex_unlock(&m->lock);
}
