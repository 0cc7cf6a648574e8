#include "frames.h"
#include "base/hash.h"
#include "net/event_stream.h"

/* ---- what came ---- */

static bool on_message(void *arg, const mg_event_stream_message *m) {
    static const char *const kinds[] = {"event", "exception", "error"};
    seen *s = arg;
    mg_buf_printf(&s->events, "%s %.*s (%.*s) %.*s: ", kinds[m->kind], MG_STR_ARG(m->name), MG_STR_ARG(m->text),
                  MG_STR_ARG(m->content_type));
    mg_event_stream_header h;
    for (mg_str rest = m->headers; mg_event_stream_header_next(&rest, &h) == MG_OK;) {
        mg_buf_printf(&s->events, "%.*s %d %lld [", MG_STR_ARG(h.name), (int)h.type, (long long)h.number);
        mg_buf_str(&s->events, h.bytes);
        mg_buf_add(&s->events, "] ", 2);
    }
    return note(s, m->raw, m->data, true);
}

static mg_status feed(void *decoder, mg_str bytes, seen *out, mg_error *error) {
    return mg_event_stream_feed(decoder, bytes, on_message, out, error);
}

static size_t max_message = MG_EVENT_STREAM_MAX;

static void run(mg_str text, const size_t *cuts, size_t n, seen *out) {
    mg_event_stream d;
    mg_event_stream_init(&d, max_message);
    mg_status status = feed_cut(feed, &d, text, cuts, n, out);
    if (status == MG_OK) mg_buf_printf(&out->events, "waiting %zu\n", mg_event_stream_waiting(&d));
    mg_event_stream_finish(&d);
}

static void expect(mg_str text, const char *events) {
    seen s = {0};
    run(text, NULL, 0, &s);
    assert_events(&s, events);
    seen_finish(&s);
    assert_cuts(run, text, text.n < 120);
}

/* ---- messages ---- */

/* CRC-32 (ISO 3309) bit by bit: not the library that the decoder uses. */
static uint32_t crc(const char *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint8_t)p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void add_u32(mg_buf *out, uint32_t n) {
    char bytes[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    mg_buf_add(out, bytes, 4);
}

static void add_message(mg_buf *out, mg_str headers, mg_str payload) {
    size_t at = out->n;
    add_u32(out, (uint32_t)(16 + headers.n + payload.n));
    add_u32(out, (uint32_t)headers.n);
    add_u32(out, crc(out->p + at, 8));
    mg_buf_str(out, headers);
    mg_buf_str(out, payload);
    add_u32(out, crc(out->p + at, out->n - at));
}

static void add_string(mg_buf *out, const char *name, const char *value) {
    size_t n = strlen(value);
    mg_buf_printf(out, "%c%s\7%c%c%s", (int)strlen(name), name, 1, (int)n, value);
    out->p[out->n - n - 2] = 0; /* printf can't write it through a string */
}

static void add_event(mg_buf *out, const char *kind, const char *key, const char *name, const char *payload) {
    mg_buf headers = {0};
    add_string(&headers, key, name);
    add_string(&headers, ":content-type", "application/json");
    add_string(&headers, ":message-type", kind);
    add_message(out, mg_buf_view(&headers), mg_str_of(payload));
    mg_buf_finish(&headers);
}

/* Three vectors that Amazon publishes with its own decoders. */
static void test_vectors(void **state) {
    (void)state;
    static const struct {
        const char *hex, *events;
    } vectors[] = {
        {"000000100000000005c248eb7d98c8ff", "event  () : data []\nwaiting 0\n"},
        {"0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", "event  () : data [{'foo':'bar'}]\nwaiting 0\n"},
        {"0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0",
         "event  () : event-type 4 40972 [] data [{'foo':'bar'}]\nwaiting 0\n"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t bytes[64];
        size_t n = strlen(vectors[i].hex) / 2;
        assert_true(mg_unhex(mg_str_of(vectors[i].hex), bytes, n));
        expect((mg_str){(char *)bytes, n}, vectors[i].events);
    }
}

static void test_stream(void **state) {
    (void)state;
    mg_buf text = {0};
    add_event(&text, "event", ":event-type", "messageStart", "{\"role\":\"assistant\"}");
    add_event(&text, "event", ":event-type", "contentBlockDelta", "{\"delta\":{\"text\":\"Hello\"}}");
    add_event(&text, "exception", ":exception-type", "throttlingException", "{\"message\":\"slow down\"}");
    add_event(&text, "error", ":error-code", "InternalError", "");
#define HEADERS(key, name, kind)                                                                                       \
    key " 7 0 [" name "] :content-type 7 0 [application/json] :message-type 7 0 [" kind "] "
    expect(mg_buf_view(&text),
           "event messageStart () application/json: " HEADERS(
               ":event-type", "messageStart",
               "event") "data [{\"role\":\"assistant\"}]\n"
                        "event contentBlockDelta () application/json: " HEADERS(
                            ":event-type", "contentBlockDelta",
                            "event") "data [{\"delta\":{\"text\":\"Hello\"}}]\n"
                                     "exception throttlingException () application/json: " HEADERS(
                                         ":exception-type", "throttlingException",
                                         "exception") "data [{\"message\":\"slow down\"}]\n"
                                                      "error InternalError () application/json: " HEADERS(
                                                          ":error-code", "InternalError", "error") "data []\n"
                                                                                                   "waiting 0\n");
    mg_buf_finish(&text);
}

static void test_error_message(void **state) {
    (void)state;
    mg_buf headers = {0}, text = {0};
    add_string(&headers, ":message-type", "error");
    add_string(&headers, ":error-code", "E");
    add_string(&headers, ":error-message", "it broke");
    add_string(&headers, ":error-code", "F"); /* the first counts */
    add_message(&text, mg_buf_view(&headers), MG_STR("x"));
    seen s = {0};
    run(mg_buf_view(&text), NULL, 0, &s);
    assert_int_equal(s.n, 1);
    assert_non_null(memmem(s.events.p, s.events.n, "error E (it broke) : ", 21));
    seen_finish(&s);
    mg_buf_finish(&headers);
    mg_buf_finish(&text);
}

static void test_all_types(void **state) {
    (void)state;
    mg_str headers = MG_STR("\1a\0"
                            "\1b\1"
                            "\1c\2\xff"
                            "\1d\3\x80\x00"
                            "\1e\4\x7f\xff\xff\xff"
                            "\1f\5\xff\xff\xff\xff\xff\xff\xff\xfe"
                            "\1g\6\0\3\0\1\2"
                            "\1h\7\0\2hi"
                            "\1i\x08\0\0\1\x8b\xcf\xe5\x68\0"
                            "\1j\x09"
                            "0123456789abcdef"
                            "\1k\7\0\0");
    mg_buf text = {0};
    add_message(&text, headers, MG_STR("p"));
    seen s = {0};
    run(mg_buf_view(&text), NULL, 0, &s);
    mg_str wanted = MG_STR("event  () : a 0 1 [] b 1 0 [] c 2 -1 [] d 3 -32768 [] e 4 2147483647 [] f 5 -2 [] "
                           "g 6 0 [\0\1\2] h 7 0 [hi] i 8 1700000000000 [] j 9 0 [0123456789abcdef] k 7 0 [] "
                           "data [p]\nwaiting 0\n");
    assert_int_equal(s.events.n, wanted.n);
    assert_memory_equal(s.events.p, wanted.p, wanted.n);
    seen_finish(&s);
    assert_cuts(run, mg_buf_view(&text), false);
    mg_buf_finish(&text);
}

/* Headers cut anywhere, or of no known type: never read beyond, and the stream ends. */
static void test_damaged_headers(void **state) {
    (void)state;
    mg_str good = MG_STR("\1c\2\xff\1g\6\0\3\0\1\2\1j\x09"
                         "0123456789abcdef");
    for (size_t n = 1; n < good.n; n++) {
        mg_buf text = {0};
        add_message(&text, (mg_str){good.p, n}, MG_STR("{}"));
        seen s = {0};
        run(mg_buf_view(&text), NULL, 0, &s);
        assert_int_equal(s.n, n == 4 || n == 12);
        seen_finish(&s);
        mg_buf_finish(&text);
    }
    static const mg_str bad[] = {MG_STR_INIT("\0\7\0\1x"), MG_STR_INIT("\1a\x0a"), MG_STR_INIT("\1a\xff"),
                                 MG_STR_INIT("\1a\7\xff\xffx")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mg_buf text = {0};
        add_message(&text, bad[i], MG_STR("{}"));
        expect(mg_buf_view(&text), "error the stream is not an AWS event stream: a message's headers are damaged\n");
        mg_buf_finish(&text);
    }
}

/* Every flipped bit is noticed, and nothing of that message is delivered. */
static void test_flipped_bits(void **state) {
    (void)state;
    mg_buf text = {0};
    add_event(&text, "event", ":event-type", "a", "{\"x\":1}");
    size_t first = text.n;
    add_event(&text, "event", ":event-type", "b", "{\"y\":2}");
    for (size_t bit = first * 8; bit < text.n * 8; bit++) {
        text.p[bit / 8] ^= (char)(1 << bit % 8);
        seen s = {0};
        run(mg_buf_view(&text), NULL, 0, &s);
        assert_int_equal(s.n, 1);
        assert_non_null(memmem(s.events.p, s.events.n, "checksum", 8));
        seen_finish(&s);
        text.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    mg_buf_finish(&text);
}

static void expect_prelude(uint32_t total, uint32_t headers, const char *what) {
    mg_buf text = {0};
    add_u32(&text, total);
    add_u32(&text, headers);
    add_u32(&text, crc(text.p, 8));
    char wanted[200];
    snprintf(wanted, sizeof wanted, "error the stream is not an AWS event stream: %s\n", what);
    expect(mg_buf_view(&text), wanted);
    mg_buf_finish(&text);
}

static void test_lengths(void **state) {
    (void)state;
    expect_prelude(15, 0, "a message's lengths contradict each other");
    expect_prelude(0, 0, "a message's lengths contradict each other");
    expect_prelude(100, 85, "a message's lengths contradict each other");
    expect_prelude(100, UINT32_MAX, "a message's lengths contradict each other");
    expect_prelude(1 << 20, (128 << 10) + 1, "a message's headers are larger than 128 KB");
    expect_prelude((16 << 20) + 1, 0, "a message is larger than 16777216 bytes");
    expect_prelude(UINT32_MAX, 0, "a message is larger than 16777216 bytes");
    max_message = 40;
    expect_prelude(41, 0, "a message is larger than 40 bytes");
    mg_buf text = {0};
    add_message(&text, MG_STR("\1b\1"), MG_STR("123456789012345678901"));
    expect(mg_buf_view(&text), "event  () : b 1 0 [] data [123456789012345678901]\nwaiting 0\n");
    expect((mg_str){text.p, 39}, "waiting 39\n");
    expect((mg_str){text.p, 7}, "waiting 7\n");
    max_message = 4;
    expect(mg_buf_view(&text), "error the stream is not an AWS event stream: a message is larger than 16 bytes\n");
    max_message = MG_EVENT_STREAM_MAX;
    mg_buf_finish(&text);
}

/* 16 MB in pieces; what a length promises is not taken from the system before it comes. */
static void test_large_message(void **state) {
    (void)state;
    mg_buf payload = {0}, text = {0};
    mg_buf_reserve(&payload, (16 << 20) - 16);
    payload.n = (16 << 20) - 16;
    memset(payload.p, 'x', payload.n);
    add_message(&text, MG_STR(""), mg_buf_view(&payload));
    mg_event_stream d;
    seen s = {0};
    mg_event_stream_init(&d, SIZE_MAX);
    assert_int_equal(feed(&d, (mg_str){text.p, 20}, &s, NULL), MG_OK);
    assert_true(d.message.pending.cap < 65536);
    for (size_t at = 20; at < text.n; at += 1000000) {
        size_t n = text.n - at < 1000000 ? text.n - at : 1000000;
        assert_int_equal(feed(&d, (mg_str){text.p + at, n}, &s, NULL), MG_OK);
    }
    assert_int_equal(s.n, 1);
    assert_int_equal(s.raw.n, 16 << 20);
    mg_event_stream_finish(&d);
    seen_finish(&s);
    mg_buf_finish(&payload);
    mg_buf_finish(&text);
}

static void test_stop_and_after(void **state) {
    (void)state;
    mg_buf text = {0};
    for (int i = 0; i < 3; i++) add_event(&text, "event", ":event-type", "a", "{}");
    mg_event_stream d;
    seen s = {.stop_after = 2};
    mg_event_stream_init(&d, 1000);
    assert_int_equal(feed(&d, mg_buf_view(&text), &s, NULL), MG_OK);
    assert_int_equal(s.n, 2);
    mg_event_stream_finish(&d);
    mg_event_stream_init(&d, 1000);
    assert_int_equal(feed(&d, MG_STR("not an event stream"), &s, NULL), MG_ERROR);
    assert_int_equal(feed(&d, mg_buf_view(&text), &s, NULL), MG_ERROR); /* it stays broken */
    assert_int_equal(s.n, 2);
    mg_event_stream_finish(&d);
    seen_finish(&s);
    mg_buf_finish(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_stream),          cmocka_unit_test(test_error_message),
        cmocka_unit_test(test_all_types), cmocka_unit_test(test_damaged_headers), cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_lengths),   cmocka_unit_test(test_large_message),   cmocka_unit_test(test_stop_and_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
