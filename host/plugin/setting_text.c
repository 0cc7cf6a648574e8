#include "plugin/setting_text.h"

#include "base/clock.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool read_bytes(mg_str text, int64_t *out) {
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0}, {"B", 0}, {"KB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
    size_t digits = 0;
    while (digits < text.n && is_digit(text.p[digits])) digits++;
    int64_t count;
    if (!digits || !mg_str_int(mg_str_from(text.p, digits), &count)) return false;
    mg_str unit = mg_str_trim(mg_str_skip(text, digits));
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (mg_str_ieq(unit, mg_str_of(units[i].name))) {
            if (count > INT64_MAX >> units[i].shift) return false;
            *out = count << units[i].shift;
            return true;
        }
    return false;
}

static bool is_host_byte(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

/* What follows the host: nothing, or a colon and a port. */
static bool port_valid(mg_str text) {
    if (text.n == 0) return true;
    int64_t port;
    return text.p[0] == ':' && text.n <= 6 && text.n > 1 && is_digit(text.p[1]) &&
           mg_str_int(mg_str_skip(text, 1), &port) && port >= 1 && port <= 65535;
}

static bool host_valid(mg_str authority) {
    size_t end = 0;
    if (authority.n && authority.p[0] == '[') {
        end = mg_str_find(authority, ']');
        if (end == authority.n || end < 3) return false;
        for (size_t i = 1; i < end; i++)
            if (!strchr("0123456789abcdefABCDEF:.", authority.p[i]) || authority.p[i] == 0) return false;
        end++;
    } else {
        while (end < authority.n && is_host_byte(authority.p[end])) end++;
    }
    return end > 0 && port_valid(mg_str_skip(authority, end));
}

/* NULL if the URL is good, or what is wrong with it. No message quotes the URL: it may hold a password. */
static const char *url_fault(mg_str url) {
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f) return "holds a space or a control character";
    size_t scheme = mg_str_starts(url, MG_STR("https://")) ? 8 : mg_str_starts(url, MG_STR("http://")) ? 7 : 0;
    if (!scheme) return "has to begin with http:// or https://";
    mg_str rest = mg_str_skip(url, scheme);
    size_t end = 0;
    while (end < rest.n && !strchr("/?#", rest.p[end])) end++;
    mg_str authority = mg_str_from(rest.p, end);
    if (mg_str_find(authority, '@') < authority.n)
        return "holds a user name or password: keep those in a setting of their own";
    if (!host_valid(authority)) return "has no valid host, or a port outside 1 to 65535";
    if (mg_str_find(rest, '?') < rest.n) return "holds a query: leave out everything from the '?' on";
    if (mg_str_find(rest, '#') < rest.n) return "holds a fragment: leave out everything from the '#' on";
    return NULL;
}

static mg_str without_closing_slashes(mg_str url) {
    while (url.n && url.p[url.n - 1] == '/') url.n--;
    return url;
}

mg_status mg_setting_text_read(const char *key, mg_setting_type type, mg_str text, int64_t *number, mg_str *kept,
                               mg_error *error) {
    uint64_t ms;
    const char *fault;
    const char *want;
    *number = 0;
    *kept = text;
    switch (type) {
    case MG_SETTING_STRING:
    case MG_SETTING_SECRET: return MG_OK;
    case MG_SETTING_URL:
        if (!(fault = url_fault(text))) {
            *kept = without_closing_slashes(text);
            return MG_OK;
        }
        return mg_fail(error, 0, "bad_setting", "setting '%s': the URL %s", key, fault);
    case MG_SETTING_BOOL:
        *number = mg_str_is(text, "true");
        if (*number || mg_str_is(text, "false")) return MG_OK;
        want = "true or false";
        break;
    case MG_SETTING_INTEGER:
        if (mg_str_int(text, number)) return MG_OK;
        want = "an integer";
        break;
    case MG_SETTING_SECONDS:
        if (mg_duration_parse(text, &ms) && ms <= INT64_MAX) {
            *number = (int64_t)ms;
            return MG_OK;
        }
        want = "a number of seconds, such as 30 or 1.5";
        break;
    case MG_SETTING_BYTES:
        if (read_bytes(text, number)) return MG_OK;
        want = "a number of bytes, such as 65536 or \"256MB\"";
        break;
    default: want = "a list or a table"; break;
    }
    mg_str shown = mg_str_cut(text, 60);
    return mg_fail(error, 0, "bad_setting", "setting '%s' has to be %s, and is \"" MG_STR_FMT "\"", key, want,
                   MG_STR_ARG(shown));
}
