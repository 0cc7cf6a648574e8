/* How likely each token was, as OpenAI lists it. */
#include "google.h"

/* token, logprob and bytes: the token as it stands in the answer, quotes included. */
static void token_add(const google_decoder *d, const mg_json *token, google_buf *out) {
    const mg_json *name = google_get(d->h, token, "token");
    mg_str text = d->h->json_str(name), value = google_source(d, google_get(d->h, token, "logProbability"));
    google_buf_add(out, STR("{\"token\":"));
    google_buf_add(out, google_is(d->h, name, MG_JSON_STRING) ? google_source(d, name) : STR("\"\""));
    google_buf_add(out, STR(",\"logprob\":"));
    google_buf_add(out, value.n ? value : STR("0"));
    google_buf_add(out, STR(",\"bytes\":["));
    for (size_t i = 0; i < text.n; i++) google_buf_number(out, i ? "," : "", (unsigned char)text.p[i]);
    google_buf_add(out, STR("]"));
}

static void others_add(const google_decoder *d, const mg_json *top, google_buf *out) {
    bool first = true;
    google_buf_add(out, STR(",\"top_logprobs\":["));
    for (const mg_json *t = d->h->json_child(google_get(d->h, top, "candidates")); t; t = d->h->json_next(t)) {
        if (!first) google_buf_add(out, STR(","));
        token_add(d, t, out);
        google_buf_add(out, STR("}"));
        first = false;
    }
    google_buf_add(out, STR("]}"));
}

void google_logprobs(google_decoder *d, const mg_json *result, int64_t choice) {
    google_buf b = {0};
    const mg_json *chosen = d->h->json_child(google_get(d->h, result, "chosenCandidates"));
    const mg_json *top = d->h->json_child(google_get(d->h, result, "topCandidates"));
    if (!chosen) return;
    for (; chosen; chosen = d->h->json_next(chosen)) {
        google_buf_add(&b, b.n ? STR(",") : STR("["));
        token_add(d, chosen, &b);
        others_add(d, top, &b);
        top = top ? d->h->json_next(top) : NULL;
    }
    google_buf_add(&b, STR("]"));
    d->failed |= b.failed;
    if (!b.failed) google_emit(d, (mg_event){.type = MG_EVENT_LOGPROBS, .choice = choice, .text = google_buf_view(&b)});
    google_buf_finish(&b);
}
