/* Models: what their names say, and where their methods are. */
#include <stdio.h>

#include "google.h"

static mg_str without(mg_str s, const char *prefix) { return str_starts(s, prefix) ? str_skip(s, strlen(prefix)) : s; }

mg_str google_model_bare(const google_target *t, mg_str model) {
    model = without(model, "models/");
    return t->vertex ? without(without(model, "publishers/google/models/"), "google/") : model;
}

mg_str google_model_resource(const google_target *t, mg_str model, char *out) {
    bool tuned = str_starts(model, "tunedModels/");
    model = google_model_bare(t, model);
    int n = snprintf(out, GOOGLE_MODEL_MAX + 8, "%s%.*s", tuned ? "" : "models/", (int)model.n, model.p);
    return (mg_str){out, (size_t)n};
}

/* The number behind "gemini-", times 10: 25 for gemini-2.5-pro; 0 where there is none (gemini-flash-latest). */
static int generation(mg_str rest) {
    int value = 0;
    size_t i = 0;
    while (i < rest.n && i < 3 && rest.p[i] >= '0' && rest.p[i] <= '9') value = value * 10 + (rest.p[i++] - '0');
    value *= 10;
    if (i && i + 1 < rest.n && rest.p[i] == '.' && rest.p[i + 1] >= '0' && rest.p[i + 1] <= '9')
        value += rest.p[i + 1] - '0';
    return value;
}

google_thinking google_model_thinking(mg_str model) {
    const char *slash = model.n ? memrchr(model.p, '/', model.n) : NULL;
    if (slash) model = str_skip(model, (size_t)(slash - model.p) + 1);
    if (!str_starts(model, "gemini-") || str_says(model, "embedding") || str_says(model, "-tts"))
        return GOOGLE_THINKS_NOT;
    int g = generation(without(model, "gemini-"));
    if (g == 0) return GOOGLE_THINKS_LEVEL; /* names without a number follow the newest generation */
    if (g < 25 || (g < 30 && str_says(model, "-image"))) return GOOGLE_THINKS_NOT;
    return g < 30 ? GOOGLE_THINKS_BUDGET : GOOGLE_THINKS_LEVEL;
}

bool google_model_is_pro(mg_str model) { return str_says(model, "-pro"); }

/* Everything but unreserved characters (RFC 3986, 2.3) as %XX; out takes three bytes for each. */
static size_t escape(mg_str s, char *out) {
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("-._~", c));
        if (plain) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return n;
}

mg_status google_model_path(const google_target *t, mg_str model, const char *method, const mg_provider_out *out,
                            mg_error *error) {
    char path[3 * GOOGLE_MODEL_MAX + 64];
    bool tuned = !t->vertex && str_starts(model, "tunedModels/");
    mg_str bare = tuned ? without(model, "tunedModels/") : google_model_bare(t, model);
    if (bare.n == 0 || model.n > GOOGLE_MODEL_MAX)
        return google_fail(error, 400, "invalid_model", "the model's name is %s",
                           bare.n ? "longer than 512 bytes" : "missing");
    size_t n = (size_t)snprintf(path, sizeof path, "/%s/", tuned ? "tunedModels" : "models");
    n += escape(bare, path + n);
    n += (size_t)snprintf(path + n, sizeof path - n, "%s", method);
    out->path(out->ctx, (mg_str){path, n});
    return MG_OK;
}
