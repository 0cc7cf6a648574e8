/* A detector of employee numbers such as EMP-12345: a prefix, then exactly so many digits, standing alone. */
#include <moongate/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_MAX = 32, DIGITS_MAX = 20 };

typedef struct hello {
    mg_str prefix; /* the settings outlive the handle, so nothing is copied */
    size_t digits;
} hello;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int is_word(char c) { return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

/* Where the number that begins at `at` ends, or 0 if none begins there. */
static size_t match(const hello *h, mg_str text, size_t at) {
    size_t length = h->prefix.n + h->digits, end = at + length;
    if (length > text.n - at || memcmp(text.p + at, h->prefix.p, h->prefix.n) != 0) return 0;
    for (size_t i = at + h->prefix.n; i < end; i++)
        if (!is_digit(text.p[i])) return 0;
    if ((at > 0 && is_word(text.p[at - 1])) || (end < text.n && is_word(text.p[end]))) return 0;
    return end;
}

static mg_status hello_scan(void *self, mg_str text, uint64_t wanted, void (*found)(void *arg, const mg_span *span),
                            void *arg, mg_error *error) {
    const hello *h = self;
    (void)error; /* this scan always gets through the whole text */
    if (!(wanted & 1)) return MG_OK;
    for (size_t at = 0; at < text.n; at++) {
        size_t end = match(h, text, at);
        if (!end) continue;
        mg_span span = {.type = "employee_number", .start = at, .end = end, .confidence = 0.9};
        found(arg, &span);
        at = end - 1;
    }
    return MG_OK;
}

static void *hello_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    mg_str prefix = settings->string(settings->ctx, "prefix");
    int64_t digits = settings->integer(settings->ctx, "digits");
    (void)host;
    if (prefix.n == 0 || prefix.n > PREFIX_MAX || digits < 1 || digits > DIGITS_MAX) {
        snprintf(error->text, sizeof error->text, "prefix has to have 1 to %d bytes, and digits to be 1 to %d",
                 PREFIX_MAX, DIGITS_MAX);
        return NULL;
    }
    hello *h = malloc(sizeof *h);
    if (h) *h = (hello){prefix, (size_t)digits};
    return h;
}

static void hello_close(void *shared) { free(shared); }

static const mg_detector_type types[] = {
    {"employee_number", MG_SEVERITY_MEDIUM, PREFIX_MAX + DIGITS_MAX},
};

static const mg_detector operations = {
    .size = sizeof operations,
    .types = types,
    .n_types = sizeof types / sizeof types[0],
    .scan = hello_scan,
};

static const mg_setting settings_table[] = {
    {"prefix", MG_SETTING_STRING, "EMP-", false, "what a number begins with"},
    {"digits", MG_SETTING_INTEGER, "5", false, "how many digits follow"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_plugin plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_DETECTOR,
    .size = sizeof plugin,
    .name = "hello",
    .version = "1.0.0",
    .doc = "finds employee numbers such as EMP-12345",
    .settings = settings_table,
    .ops = &operations,
    .open = hello_open,
    .close = hello_close, /* no attach: all workers share what open returned, which never changes */
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void) { return &plugin; }
