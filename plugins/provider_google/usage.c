/* What an answer cost, in tokens. */
#include "google.h"

/* Beyond any real count; keeps sums from overflowing. */
static const int64_t COUNT_MAX = (int64_t)1 << 48;

static int64_t bounded(int64_t n) { return n < 0 ? 0 : n > COUNT_MAX ? COUNT_MAX : n; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t count(const google_decoder *d, const mg_json *usage, const char *key) {
    return bounded(d->h->json_int(google_get(d->h, usage, key), 0));
}

/* Modalities are words, or numbers where the client asked Vertex AI for those: 4 is sound. */
static int64_t audio(const google_decoder *d, const mg_json *usage, const char *key) {
    int64_t sum = 0;
    for (const mg_json *m = d->h->json_child(google_get(d->h, usage, key)); m; m = d->h->json_next(m)) {
        const mg_json *modality = google_get(d->h, m, "modality");
        if (str_is(d->h->json_str(modality), "AUDIO") || d->h->json_int(modality, 0) == 4)
            sum = bounded(sum + count(d, m, "tokenCount"));
    }
    return sum;
}

/* Early frames of Vertex AI's streams hold no counts: nothing is reported of them. */
void google_usage(const google_decoder *d, const mg_json *usage, bool alone) {
    static const char *const counts[] = {"promptTokenCount", "candidatesTokenCount", "totalTokenCount"};
    bool any = false;
    for (size_t i = 0; i < COUNT(counts); i++) any |= google_get(d->h, usage, counts[i]) != NULL;
    if (!any) return;
    mg_usage u = {.size = sizeof u};
    u.input = count(d, usage, "promptTokenCount") + count(d, usage, "toolUsePromptTokenCount");
    u.reasoning = count(d, usage, "thoughtsTokenCount");
    u.output = count(d, usage, "candidatesTokenCount") + u.reasoning;
    u.cached = least(count(d, usage, "cachedContentTokenCount"), u.input);
    u.audio_input = least(audio(d, usage, "promptTokensDetails"), u.input);
    u.audio_output = least(audio(d, usage, "candidatesTokensDetails"), u.output);
    google_emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u, .alone = alone});
}
