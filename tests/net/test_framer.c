#include "frames.h"
#include "base/hash.h"
#include "net/framer.h"

/* ---- what came ---- */

static mg_framing framing;
static size_t max_frame = 1 << 16;

static bool on_frame(void *arg, const mg_framer_frame *f) {
    seen *s = arg;
    if (f->event.n) mg_buf_printf(&s->events, "%.*s: ", MG_STR_ARG(f->event));
    return note(s, f->raw, f->data, f->has_data);
}

static mg_status feed(void *framer, mg_str bytes, seen *out, mg_error *error) {
    return mg_framer_feed(framer, bytes, on_frame, out, error);
}

static void run(mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_framer f;
    mg_error error = {0};
    mg_framer_init(&f, framing, max_frame);
    feed_cut(feed, &f, text, cuts, n, out);
    mg_status status = mg_framer_end(&f, on_frame, out, &error);
    mg_buf_printf(&out->events, "%s\n", status == MG_OK ? "end" : error.text);
    mg_framer_finish(&f);
}

static void expect(mg_framing how, mg_str text, const char *events) {
    seen s = {0};
    framing = how;
    run(text, NULL, 0, &s);
    assert_events(&s, events);
    seen_finish(&s);
    assert_cuts(run, text, text.n < 100);
}

#define CUT "the stream ended inside a frame\n"

/* ---- framings ---- */

static void test_sse(void **state) {
    (void)state;
    expect(MG_FRAMING_SSE, MG_STR("event: a\ndata: {\"x\":1}\n\n: ping\n\ndata: 2\n\n"),
           "a: data [{\"x\":1}]\nnone []\ndata [2]\nend\n");
    expect(MG_FRAMING_SSE, MG_STR("data: 1\n\ndata: 2\n"), "data [1]\n" CUT);
    expect(MG_FRAMING_SSE, MG_STR(""), "end\n");
}

static void test_ndjson(void **state) {
    (void)state;
    expect(MG_FRAMING_NDJSON, MG_STR("{\"x\":1}\n\n{\"y\":2}\r\n"),
           "data [{\"x\":1}]\nnone []\ndata [{\"y\":2}]\nend\n");
    expect(MG_FRAMING_NDJSON, MG_STR("1\n{\"last\":2}"), "data [1]\ndata [{\"last\":2}]\nend\n");
}

static void test_json_array(void **state) {
    (void)state;
    expect(MG_FRAMING_JSON_ARRAY, MG_STR("[{\"x\":1},\n{\"y\":[2]}]\n"),
           "data [{\"x\":1}]\ndata [{\"y\":[2]}]\nnone []\nend\n");
    expect(MG_FRAMING_JSON_ARRAY, MG_STR("[{\"x\":1},"), "data [{\"x\":1}]\n" CUT);
    expect(MG_FRAMING_JSON_ARRAY, MG_STR("[{\"x\":1}"), "data [{\"x\":1}]\n" CUT);
}

/* Raw bytes are frames as they came: only what they join to does not depend on the cuts. */
static void test_raw(void **state) {
    (void)state;
    mg_str text = MG_STR("\0\1any \xff bytes");
    for (size_t at = 0; at <= text.n; at++) {
        seen s = {0};
        framing = MG_FRAMING_RAW;
        run(text, &at, 1, &s);
        assert_int_equal(s.raw.n, text.n);
        assert_memory_equal(s.raw.p, text.p, text.n);
        assert_int_equal(s.n, at == 0 || at == text.n ? 1 : 2);
        seen_finish(&s);
    }
    seen s = {0};
    max_frame = 4; /* larger ones are cut, not refused: they have no structure to keep whole */
    run(MG_STR("1234567"), NULL, 0, &s);
    assert_events(&s, "data [1234]\ndata [567]\nend\n");
    seen_finish(&s);
    max_frame = 1 << 16;
}

/* ---- AWS ---- */

static uint32_t crc(const char *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint8_t)p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void add_u32(mg_buf *out, uint32_t n) {
    const char bytes[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    mg_buf_add(out, bytes, 4);
}

static void add_header(mg_buf *out, const char *name, const char *value) {
    const char n = (char)strlen(name), head[] = {7, (char)(strlen(value) >> 8), (char)strlen(value)};
    mg_buf_add(out, &n, 1);
    mg_buf_str(out, mg_str_of(name));
    mg_buf_add(out, head, 3);
    mg_buf_str(out, mg_str_of(value));
}

/* Header names and values by turns, ended by NULL. */
static void add_message(mg_buf *out, const char *const *headers, const char *payload) {
    mg_buf h = {0};
    size_t at = out->n;
    for (; *headers; headers += 2) add_header(&h, headers[0], headers[1]);
    add_u32(out, (uint32_t)(16 + h.n + strlen(payload)));
    add_u32(out, (uint32_t)h.n);
    add_u32(out, crc(out->p + at, 8));
    mg_buf_str(out, mg_buf_view(&h));
    mg_buf_str(out, mg_str_of(payload));
    add_u32(out, crc(out->p + at, out->n - at));
    mg_buf_finish(&h);
}

#define MESSAGE(out, payload, ...) add_message(out, (const char *const[]){__VA_ARGS__, NULL}, payload)

static void test_aws(void **state) {
    (void)state;
    mg_buf text = {0};
    MESSAGE(&text, "{\"role\":\"assistant\"}", ":event-type", "messageStart", ":message-type", "event");
    MESSAGE(&text, "{\"message\":\"slow\"}", ":exception-type", "throttlingException", ":message-type", "exception");
    MESSAGE(&text, "", ":message-type", "error", ":error-code", "InternalError", ":error-message", "it \"broke\"");
    MESSAGE(&text, "{\"a\":1}", ":message-type", "error", ":error-code", "Other", ":error-message", "unused");
    MESSAGE(&text, "", ":event-type", "metadata", ":message-type", "event");
    expect(MG_FRAMING_AWS_EVENT_STREAM, mg_buf_view(&text),
           "messageStart: data [{\"role\":\"assistant\"}]\n"
           "throttlingException: data [{\"message\":\"slow\"}]\n"
           "InternalError: data [{\"message\":\"it \\\"broke\\\"\"}]\n"
           "Other: data [{\"a\":1}]\n"
           "metadata: data []\n"
           "end\n");
    expect(MG_FRAMING_AWS_EVENT_STREAM, (mg_str){text.p, 40}, CUT);
    text.p[2]++;
    expect(MG_FRAMING_AWS_EVENT_STREAM, mg_buf_view(&text),
           "error the stream is not an AWS event stream: a message's prelude does not match its checksum\n" CUT);
    mg_buf_finish(&text);
}

/* A sentence of control characters grows sixfold: within a small maximum the code has to do. */
static void test_aws_sentence_too_large(void **state) {
    (void)state;
    mg_buf text = {0};
    char sentence[201];
    memset(sentence, 1, 200);
    sentence[200] = 0;
    max_frame = 300;
    MESSAGE(&text, "", ":message-type", "error", ":error-code", "E", ":error-message", sentence);
    expect(MG_FRAMING_AWS_EVENT_STREAM, mg_buf_view(&text), "E: data [{}]\nend\n");
    max_frame = 1 << 16;
    mg_buf_finish(&text);
}

/* ---- bounds ---- */

static void test_too_large(void **state) {
    (void)state;
    max_frame = 8;
    expect(MG_FRAMING_SSE, MG_STR("data: 123456\n\n"), "error an event of the stream is larger than 8 bytes\n" CUT);
    expect(MG_FRAMING_NDJSON, MG_STR("123456789\n"), "error a line of the stream is larger than 8 bytes\n" CUT);
    max_frame = 1 << 16;
}

static void test_stop(void **state) {
    (void)state;
    static const struct {
        mg_framing framing;
        const char *text;
    } streams[] = {{MG_FRAMING_SSE, "data: 1\n\ndata: 2\n\ndata: 3\n\n"},
                   {MG_FRAMING_NDJSON, "1\n2\n3\n"},
                   {MG_FRAMING_JSON_ARRAY, "[1,2,3]"}};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        mg_framer f;
        seen s = {.stop_after = 2};
        mg_framer_init(&f, streams[i].framing, 100);
        assert_int_equal(mg_framer_feed(&f, mg_str_of(streams[i].text), on_frame, &s, NULL), MG_OK);
        assert_int_equal(s.n, 2);
        mg_framer_finish(&f);
        seen_finish(&s);
    }
}

static void test_finished_when_zeroed(void **state) {
    (void)state;
    mg_framer f = {0};
    mg_framer_finish(&f);
    mg_framer_finish(&f);
}

/* ---- content types ---- */

static void test_fits(void **state) {
    (void)state;
    assert_true(mg_framer_fits(MG_FRAMING_SSE, MG_STR("text/event-stream")));
    assert_true(mg_framer_fits(MG_FRAMING_SSE, MG_STR("Text/Event-Stream ;charset=utf-8")));
    assert_false(mg_framer_fits(MG_FRAMING_SSE, MG_STR("text/event-streams")));
    assert_false(mg_framer_fits(MG_FRAMING_SSE, MG_STR("application/json")));
    assert_false(mg_framer_fits(MG_FRAMING_SSE, (mg_str){NULL, 0}));
    assert_true(mg_framer_fits(MG_FRAMING_NDJSON, MG_STR("application/x-ndjson")));
    assert_true(mg_framer_fits(MG_FRAMING_JSON_ARRAY, MG_STR("application/json; charset=UTF-8")));
    assert_true(mg_framer_fits(MG_FRAMING_AWS_EVENT_STREAM, MG_STR("application/vnd.amazon.eventstream")));
    assert_false(mg_framer_fits(MG_FRAMING_AWS_EVENT_STREAM, MG_STR("application/json")));
    assert_true(mg_framer_fits(MG_FRAMING_RAW, MG_STR("audio/mpeg")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse),       cmocka_unit_test(test_ndjson), cmocka_unit_test(test_json_array),
        cmocka_unit_test(test_raw),       cmocka_unit_test(test_aws),    cmocka_unit_test(test_aws_sentence_too_large),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_stop),   cmocka_unit_test(test_finished_when_zeroed),
        cmocka_unit_test(test_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
