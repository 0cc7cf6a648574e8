/* Where an answer's statements come from: searches (groundingMetadata), texts that it repeats (citationMetadata),
 * and addresses that the model read (urlContextMetadata). Sources with an address become OpenAI's url_citation,
 * others Gemini's own. */
#include "google.h"

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* The character of choice 0's text that begins at a byte; -1: not known. */
static int64_t character_at(const google_state *s, int64_t byte) {
    int64_t inside = 0;
    if (byte < 0 || byte > (int64_t)GOOGLE_MAP_BYTES * 8) return -1;
    if ((uint64_t)byte > s->text) byte = (int64_t)s->text;
    for (int64_t i = 0; i < byte / 8; i++) inside += __builtin_popcount(s->map[i]);
    for (int64_t i = byte / 8 * 8; i < byte; i++) inside += s->map[i / 8] >> i % 8 & 1;
    return byte - inside;
}

/* Where part number `index` begins in the text of a plain answer, which holds all parts; 0 in a stream, whose places
 * count from its beginning. */
static int64_t part_start(const google_decoder *d, const mg_json *candidate, int64_t index) {
    int64_t start = 0;
    if (d->frame->stream) return 0;
    const mg_json *p = d->h->json_child(google_get(d->h, google_get(d->h, candidate, "content"), "parts"));
    for (; p && index > 0; p = d->h->json_next(p), index--)
        if (!d->h->json_bool(google_get(d->h, p, "thought"), false)) start += (int64_t)google_text(d->h, p, "text").n;
    return start;
}

typedef struct range {
    int64_t start, end; /* characters; start -1: not known */
} range;

/* `segment` gives bytes, from the start of its part. */
static range range_of(const google_decoder *d, const mg_json *candidate, const mg_json *segment, int64_t choice) {
    int64_t from = part_start(d, candidate, d->h->json_int(google_get(d->h, segment, "partIndex"), 0));
    int64_t start = d->h->json_int(google_get(d->h, segment, "startIndex"), 0);
    int64_t end = d->h->json_int(google_get(d->h, segment, "endIndex"), 0);
    if (choice != 0 || start < 0 || end < start || end > INT32_MAX) return (range){-1, -1};
    range r = {character_at(d->state, from + start), character_at(d->state, from + end)};
    return r.end < 0 ? (range){-1, -1} : r;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void citation_emit(google_decoder *d, google_buf *b, int64_t choice) {
    d->failed |= b->failed;
    if (!b->failed) google_emit(d, (mg_event){.type = MG_EVENT_CITATION, .choice = choice, .text = google_buf_view(b)});
    google_buf_finish(b);
}

static void url_emit(google_decoder *d, mg_str url, mg_str title, range r, int64_t choice) {
    google_buf b = {0};
    google_buf_add(&b, STR("{\"type\":\"url_citation\",\"url_citation\":{\"url\":"));
    google_buf_json(&b, url);
    google_buf_add(&b, STR(",\"title\":"));
    google_buf_json(&b, title);
    google_buf_number(&b, ",\"start_index\":", r.start);
    google_buf_number(&b, ",\"end_index\":", r.end);
    google_buf_add(&b, STR("}}"));
    citation_emit(d, &b, choice);
}

/* `segment` stands beside the source where its place could not be told in characters; may be NULL. */
static void vendor_emit(google_decoder *d, const mg_json *source, const mg_json *segment, int64_t choice) {
    google_buf b = {0};
    google_buf_add(&b, STR("{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":"));
    if (segment) {
        google_buf_add(&b, STR("{\"segment\":"));
        google_buf_add(&b, google_source(d, segment));
        google_buf_add(&b, STR(",\"source\":"));
    }
    google_buf_add(&b, google_source(d, source));
    google_buf_add(&b, segment ? STR("}}") : STR("}"));
    citation_emit(d, &b, choice);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

/* A chunk is one of {"web"}, {"maps"}, {"image"}, {"retrievedContext"}. */
static void chunk_emit(google_decoder *d, const mg_json *chunk, const mg_json *segment, range r, int64_t choice) {
    const mg_json *source = d->h->json_child(chunk);
    mg_str url = google_text(d->h, source, "uri"), title = google_text(d->h, source, "title");
    if (url.n && r.start >= 0)
        url_emit(d, url, title, r, choice);
    else
        vendor_emit(d, chunk, segment, choice);
}

static const mg_json *element(const google_decoder *d, const mg_json *list, int64_t index) {
    const mg_json *v = d->h->json_child(list);
    while (v && index-- > 0) v = d->h->json_next(v);
    return v;
}

enum { INDICES_MAX = 4096 }; /* of an answer: each looks its chunk up in the list */

static void supports_emit(google_decoder *d, const mg_json *candidate, const mg_json *grounding, int64_t choice) {
    const mg_json *chunks = google_get(d->h, grounding, "groundingChunks");
    const mg_json *s = d->h->json_child(google_get(d->h, grounding, "groundingSupports"));
    int left = INDICES_MAX;
    for (; s && left > 0; s = d->h->json_next(s)) {
        const mg_json *segment = google_get(d->h, s, "segment");
        range r = range_of(d, candidate, segment, choice);
        const mg_json *i = d->h->json_child(google_get(d->h, s, "groundingChunkIndices"));
        for (; i && left-- > 0; i = d->h->json_next(i)) {
            int64_t index = d->h->json_int(i, -1);
            const mg_json *chunk = index < 0 || index > INDICES_MAX ? NULL : element(d, chunks, index);
            if (chunk) chunk_emit(d, chunk, segment, r, choice);
        }
    }
}

/* Sources that no support binds to a passage are those of the whole text. */
static void grounding_emit(google_decoder *d, const mg_json *candidate, int64_t choice) {
    const mg_json *grounding = google_get(d->h, candidate, "groundingMetadata");
    if (d->h->json_child(google_get(d->h, grounding, "groundingSupports"))) {
        supports_emit(d, candidate, grounding, choice);
        return;
    }
    range all = {0, choice == 0 ? character_at(d->state, (int64_t)d->state->text) : -1};
    if (all.end < 0) all.start = -1;
    const mg_json *chunk = d->h->json_child(google_get(d->h, grounding, "groundingChunks"));
    for (; chunk; chunk = d->h->json_next(chunk)) chunk_emit(d, chunk, NULL, all, choice);
}

/* The list is `citationSources` in the Gemini API and `citations` on Vertex AI. */
static void repeated_emit(google_decoder *d, const mg_json *candidate, int64_t choice) {
    const mg_json *metadata = google_get(d->h, candidate, "citationMetadata");
    const mg_json *list = google_get(d->h, metadata, "citationSources");
    if (!list) list = google_get(d->h, metadata, "citations");
    for (const mg_json *c = d->h->json_child(list); c; c = d->h->json_next(c)) {
        mg_str url = google_text(d->h, c, "uri");
        range r = range_of(d, candidate, c, choice);
        if (url.n && r.start >= 0)
            url_emit(d, url, google_text(d->h, c, "title"), r, choice);
        else
            vendor_emit(d, c, NULL, choice);
    }
}

void google_citations(google_decoder *d, const mg_json *candidate, int64_t choice) {
    grounding_emit(d, candidate, choice);
    repeated_emit(d, candidate, choice);
    const mg_json *read = google_get(d->h, google_get(d->h, candidate, "urlContextMetadata"), "urlMetadata");
    for (const mg_json *u = d->h->json_child(read); u; u = d->h->json_next(u)) vendor_emit(d, u, NULL, choice);
}
