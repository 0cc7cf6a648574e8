/* Reading a parsed value. */
#include <cstring>
#include <charconv>

extern "C" {
#include "base/json.h"
}

extern "C" {

const mg_json *mg_json_get(const mg_json *object, mg_str key) {
    if (mg_json_kind(object) != MG_JSON_OBJECT) return nullptr;
    for (const mg_json *m = object->child; m; m = m->next)
        if (mg_str_eq(m->key, key)) return m;
    return nullptr;
}

static const mg_json *element(const mg_json *array, mg_str index) {
    int64_t i;
    if (!mg_str_int(index, &i) || i < 0 || i >= array->count) return nullptr;
    const mg_json *v = array->child;
    while (i--) v = v->next;
    return v;
}

const mg_json *mg_json_path(const mg_json *v, const char *dotted) {
    mg_str rest = mg_str_of(dotted);
    while (v && rest.n) {
        mg_str step = mg_str_from(rest.p, mg_str_find(rest, '.'));
        rest = mg_str_skip(rest, step.n + 1);
        v = mg_json_kind(v) == MG_JSON_ARRAY ? element(v, step) : mg_json_get(v, step);
    }
    return v;
}

mg_str mg_json_text(const mg_json *v) { return mg_json_kind(v) == MG_JSON_STRING ? v->str : mg_str{nullptr, 0}; }

/* A number taken apart: digits without leading and trailing zeros, times ten to the power of `exponent`. */
struct parts {
    bool negative;
    uint64_t digits;
    int64_t exponent;
    bool fits; /* the digits have not overflowed */
};

/* Zeros are only multiplied in once another digit follows them, so that 1.000… of any length stays 1. */
static void add_digit(parts *d, int digit, uint64_t *zeros) {
    if (digit == 0) {
        ++*zeros;
        return;
    }
    for (; d->digits && *zeros; --*zeros) d->fits = d->fits && !__builtin_mul_overflow(d->digits, 10, &d->digits);
    *zeros = 0;
    d->fits = d->fits && !__builtin_mul_overflow(d->digits, 10, &d->digits) &&
              !__builtin_add_overflow(d->digits, static_cast<uint64_t>(digit), &d->digits);
}

static parts take_apart(mg_str s) {
    parts d = {s.p[0] == '-', 0, 0, true};
    const int64_t far = INT64_C(1) << 40;
    uint64_t zeros = 0;
    bool point = false;
    size_t i = d.negative;
    for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E' && d.fits; i++) {
        if (s.p[i] == '.') {
            point = true;
            continue;
        }
        add_digit(&d, s.p[i] - '0', &zeros);
        d.exponent -= point;
    }
    d.exponent += static_cast<int64_t>(zeros);
    int64_t power = 0;
    bool down = ++i < s.n && s.p[i] == '-';
    for (; i < s.n; i++)
        if (s.p[i] >= '0' && s.p[i] <= '9' && power < far) power = power * 10 + (s.p[i] - '0');
    d.exponent += down ? -power : power;
    return d;
}

int64_t mg_json_int(const mg_json *v, int64_t otherwise) {
    int64_t n;
    if (mg_json_kind(v) != MG_JSON_NUMBER) return otherwise;
    if (mg_str_int(v->str, &n)) return n;
    parts d = take_apart(v->str);
    if (!d.fits || (d.digits && d.exponent < 0)) return otherwise;
    if (d.digits == 0) return 0;
    for (; d.exponent; d.exponent--)
        if (__builtin_mul_overflow(d.digits, 10, &d.digits)) return otherwise;
    if (d.negative) return d.digits > UINT64_C(1) << 63 ? otherwise : static_cast<int64_t>(0 - d.digits);
    return d.digits > INT64_MAX ? otherwise : static_cast<int64_t>(d.digits);
}

double mg_json_number(const mg_json *v, double otherwise) {
    if (mg_json_kind(v) != MG_JSON_NUMBER) return otherwise;
    double n = 0; /* what is too small for a double stays 0; what is too large has been refused by the parser */
    std::from_chars(v->str.p, v->str.p + v->str.n, n);
    return n;
}

bool mg_json_bool(const mg_json *v, bool otherwise) { return mg_json_kind(v) == MG_JSON_BOOL ? v->truth : otherwise; }

const char *mg_json_type_name(mg_json_type t) {
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    return t <= MG_JSON_OBJECT ? names[t] : "unknown";
}

static const mg_json *host_child(const mg_json *v) { return v ? v->child : nullptr; }
static const mg_json *host_next(const mg_json *v) { return v ? v->next : nullptr; }
static mg_str host_key(const mg_json *v) { return v ? v->key : mg_str{nullptr, 0}; }

static bool span(const mg_json *v, size_t from, size_t *start, size_t *end) {
    if (!v) return false;
    *start = from;
    *end = v->src_end;
    return true;
}

static bool host_span(const mg_json *v, size_t *start, size_t *end) { return span(v, v ? v->src : 0, start, end); }

static bool host_member_span(const mg_json *v, size_t *start, size_t *end) {
    return span(v, !v ? 0 : v->key.p ? v->key_src : v->src, start, end);
}

void mg_json_host(mg_host *host) {
    host->json_type = mg_json_kind;
    host->json_get = mg_json_get;
    host->json_child = host_child;
    host->json_next = host_next;
    host->json_key = host_key;
    host->json_str = mg_json_text;
    host->json_int = mg_json_int;
    host->json_bool = mg_json_bool;
    host->json_span = host_span;
    host->json_member_span = host_member_span;
}

} // extern "C"
