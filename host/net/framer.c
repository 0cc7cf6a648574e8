#include "net/framer.h"

#include "base/json.h"

#include <strings.h>

/* What the decoders call: hands their frames on in one form. */
typedef struct passage {
    mg_framer *framer;
    mg_framer_take take;
    void *arg;
} passage;

static bool hand_on(const passage *p, mg_str raw, mg_str event, mg_str data, bool has_data) {
    const mg_framer_frame frame = {raw, event, has_data ? data : MG_STR(""), has_data};
    return p->take(p->arg, &frame);
}

/* ---- content types ----------------------------------------------------------------------------------------------- */

bool mg_framer_fits(mg_framing framing, mg_str content_type) {
    static const struct {
        mg_framing framing;
        mg_str type;
    } types[] = {
        {MG_FRAMING_SSE, MG_STR_INIT("text/event-stream")},
        {MG_FRAMING_NDJSON, MG_STR_INIT("application/x-ndjson")},
        {MG_FRAMING_NDJSON, MG_STR_INIT("application/ndjson")},
        {MG_FRAMING_NDJSON, MG_STR_INIT("application/jsonl")},
        {MG_FRAMING_JSON_ARRAY, MG_STR_INIT("application/json")},
        {MG_FRAMING_AWS_EVENT_STREAM, MG_STR_INIT("application/vnd.amazon.eventstream")},
    };
    size_t n = mg_str_find(content_type, ';');
    while (n && content_type.p[n - 1] == ' ') n--;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].framing == framing && mg_str_ieq(types[i].type, mg_str_from(content_type.p, n))) return true;
    return framing == MG_FRAMING_RAW;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void mg_framer_init(mg_framer *f, mg_framing framing, size_t max_frame) {
    *f = (mg_framer){.framing = framing, .max = max_frame};
    f->data.max = 2 * max_frame + 64 + MG_JSON_PADDING;
    switch (framing) {
    case MG_FRAMING_SSE: mg_sse_init(&f->decoder.sse, max_frame); break;
    case MG_FRAMING_NDJSON: mg_ndjson_init(&f->decoder.ndjson, max_frame); break;
    case MG_FRAMING_JSON_ARRAY: mg_json_array_init(&f->decoder.array, max_frame); break;
    case MG_FRAMING_AWS_EVENT_STREAM: mg_event_stream_init(&f->decoder.events, max_frame); break;
    case MG_FRAMING_RAW: break;
    }
}

void mg_framer_finish(mg_framer *f) {
    switch (f->framing) {
    case MG_FRAMING_SSE: mg_sse_finish(&f->decoder.sse); break;
    case MG_FRAMING_NDJSON: mg_ndjson_finish(&f->decoder.ndjson); break;
    case MG_FRAMING_JSON_ARRAY: mg_json_array_finish(&f->decoder.array); break;
    case MG_FRAMING_AWS_EVENT_STREAM: mg_event_stream_finish(&f->decoder.events); break;
    case MG_FRAMING_RAW: break;
    }
    mg_buf_finish(&f->data);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static bool on_sse(void *arg, const mg_sse_event *e) { return hand_on(arg, e->raw, e->event, e->data, e->has_data); }

static bool on_line(void *arg, const mg_ndjson_frame *n) {
    return hand_on(arg, n->raw, MG_STR(""), n->data, n->has_data);
}

static bool on_element(void *arg, const mg_json_array_frame *a) {
    return hand_on(arg, a->raw, MG_STR(""), a->data, a->has_data);
}

/* Twice the sentence's size is not always enough for its escapes: then the provider gets no payload, only the code. */
static mg_str error_payload(mg_framer *f, mg_str sentence) {
    mg_buf_clear(&f->data);
    bool fits = mg_buf_str(&f->data, MG_STR("{\"message\":")) && mg_buf_json(&f->data, sentence) &&
                mg_buf_str(&f->data, MG_STR("}")) && mg_buf_reserve(&f->data, MG_JSON_PADDING);
    if (fits) return mg_buf_view(&f->data);
    mg_buf_clear(&f->data);
    mg_buf_str(&f->data, MG_STR("{}"));
    mg_buf_reserve(&f->data, MG_JSON_PADDING);
    return mg_buf_view(&f->data);
}

static bool on_message(void *arg, const mg_event_stream_message *m) {
    const passage *p = arg;
    bool silent = m->kind == MG_EVENT_STREAM_ERROR && m->data.n == 0;
    return hand_on(p, m->raw, m->name, silent ? error_payload(p->framer, m->text) : m->data, true);
}

static mg_status feed_raw(const passage *p, mg_str bytes, mg_error *error) {
    mg_framer *f = p->framer;
    for (bool more = true; more && bytes.n;) {
        mg_str piece = {bytes.p, bytes.n < f->max ? bytes.n : f->max};
        mg_buf_clear(&f->data);
        if (!piece.n || !mg_buf_str(&f->data, piece) || !mg_buf_reserve(&f->data, MG_JSON_PADDING))
            return mg_fail(error, 502, "stream_event_too_large", "no room for a piece of the stream");
        more = hand_on(p, piece, MG_STR(""), mg_buf_view(&f->data), true);
        bytes = mg_str_skip(bytes, piece.n);
    }
    return MG_OK;
}

mg_status mg_framer_feed(mg_framer *f, mg_str bytes, mg_framer_take take, void *arg, mg_error *error) {
    passage p = {f, take, arg};
    switch (f->framing) {
    case MG_FRAMING_SSE: return mg_sse_feed(&f->decoder.sse, bytes, on_sse, &p, error);
    case MG_FRAMING_NDJSON: return mg_ndjson_feed(&f->decoder.ndjson, bytes, on_line, &p, error);
    case MG_FRAMING_JSON_ARRAY: return mg_json_array_feed(&f->decoder.array, bytes, on_element, &p, error);
    case MG_FRAMING_AWS_EVENT_STREAM: return mg_event_stream_feed(&f->decoder.events, bytes, on_message, &p, error);
    case MG_FRAMING_RAW: return feed_raw(&p, bytes, error);
    }
    return mg_fail(error, 502, "stream_damaged", "the stream's framing is not known");
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* True if the bytes so far end between two frames. */
static bool is_between(const mg_framer *f) {
    switch (f->framing) {
    case MG_FRAMING_SSE: return !f->decoder.sse.broken && mg_sse_waiting(&f->decoder.sse) == 0;
    case MG_FRAMING_NDJSON: return !f->decoder.ndjson.broken;
    case MG_FRAMING_JSON_ARRAY: return !f->decoder.array.broken && mg_json_array_closed(&f->decoder.array);
    case MG_FRAMING_AWS_EVENT_STREAM:
        return !f->decoder.events.broken && mg_event_stream_waiting(&f->decoder.events) == 0;
    case MG_FRAMING_RAW: return true;
    }
    return false;
}

mg_status mg_framer_end(mg_framer *f, mg_framer_take take, void *arg, mg_error *error) {
    passage p = {f, take, arg};
    if (!is_between(f)) return mg_fail(error, 502, "stream_truncated", "the stream ended inside a frame");
    if (f->framing == MG_FRAMING_NDJSON) mg_ndjson_end(&f->decoder.ndjson, on_line, &p);
    return MG_OK;
}
