#include "base/money.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static bool digit(char c) { return c >= '0' && c <= '9'; }

static int64_t saturate(__int128 v) { return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v; }

bool mg_money_parse(mg_str text, int64_t *nano) {
    bool negative = text.n && text.p[0] == '-';
    if (text.n && (text.p[0] == '-' || text.p[0] == '+')) text = mg_str_skip(text, 1);
    size_t point = mg_str_find(text, '.'), places = 0;
    if (text.n == 0 || point == 0 || point + 1 == text.n) return false;
    __int128 value = 0;
    bool rest = false; /* something other than 0 beyond the ninth place */
    for (size_t i = 0; i < text.n; i++) {
        if (i == point) continue;
        if (!digit(text.p[i])) return false;
        if (i > point && places == 9) {
            rest |= text.p[i] != '0';
            continue;
        }
        value = value * 10 + (text.p[i] - '0');
        places += i > point;
        if (value > (__int128)INT64_MAX + 1) return false;
    }
    for (; places < 9; places++) value *= 10;
    value = negative ? -value : value + rest; /* up is towards +infinity */
    if (value > INT64_MAX || value < INT64_MIN) return false;
    *nano = (int64_t)value;
    return true;
}

int64_t mg_money_from_usd(double usd) {
    if (isnan(usd)) return 0;
    long double nano = (long double)usd * MG_NANO_PER_USD, near = roundl(nano);
    /* A price such as 0.0000375 is not exact in binary: what lies within a double's precision of a whole number of
     * nano-dollars is that number, and not one more. */
    if (fabsl(nano - near) > fabsl(nano) * 0x1p-52L) near = ceill(nano);
    if (near >= 0x1p63L) return INT64_MAX;
    if (near < -0x1p63L) return INT64_MIN;
    return (int64_t)near;
}

double mg_money_to_usd(int64_t nano) { return (double)((long double)nano / MG_NANO_PER_USD); }

void mg_money_format(int64_t nano, char out[32]) {
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    uint64_t whole = size / MG_NANO_PER_USD, part = size % MG_NANO_PER_USD;
    int n = snprintf(out, 32, "%s%" PRIu64 ".%09" PRIu64, nano < 0 ? "-" : "", whole, part);
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    out[n] = 0;
}

int64_t mg_money_add(int64_t a, int64_t b) { return saturate((__int128)a + b); }
int64_t mg_money_mul(int64_t a, int64_t b) { return saturate((__int128)a * b); }
