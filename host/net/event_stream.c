#include "net/event_stream.h"

#include <stdio.h>
#include <zlib.h>

enum {
    PRELUDE = 12, /* two lengths and their checksum */
    LEAST = PRELUDE + 4, /* a message without headers and payload */
    UUID = 16
};

void mg_event_stream_init(mg_event_stream *s, size_t max_message) {
    *s = (mg_event_stream){0};
    if (max_message > MG_EVENT_STREAM_MAX) max_message = MG_EVENT_STREAM_MAX;
    mg_pieces_init(&s->message, max_message > LEAST ? max_message : LEAST);
}

void mg_event_stream_finish(mg_event_stream *s) { mg_pieces_finish(&s->message); }
size_t mg_event_stream_waiting(const mg_event_stream *s) { return s->message.pending.n; }

static uint64_t number(const char *p, size_t bytes) {
    uint64_t n = 0;
    for (size_t i = 0; i < bytes; i++) n = n << 8 | (uint8_t)p[i];
    return n;
}

static uint32_t checksum(const char *p, size_t n) { return (uint32_t)crc32(0, (const Bytef *)p, (uInt)n); }

static bool wrong(mg_event_stream *s, const char *what) {
    s->broken = true;
    snprintf(s->fault, sizeof s->fault, "%s", what);
    return false;
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

/* The first n bytes of *rest; false if there are fewer. */
static bool take(mg_str *rest, size_t n, mg_str *out) {
    if (rest->n < n) return false;
    *out = (mg_str){rest->p, n};
    *rest = mg_str_skip(*rest, n);
    return true;
}

static bool take_number(mg_str *rest, size_t bytes, int64_t *out) {
    mg_str text;
    if (!take(rest, bytes, &text)) return false;
    uint64_t n = number(text.p, bytes), sign = 1ull << (bytes * 8 - 1);
    *out = (int64_t)((n ^ sign) - sign); /* two's complement of that many bytes */
    return true;
}

static bool take_counted(mg_str *rest, mg_str *out) {
    mg_str length;
    return take(rest, 2, &length) && take(rest, (size_t)number(length.p, 2), out);
}

static bool take_value(mg_str *rest, mg_event_stream_header *h) {
    switch (h->type) {
    case MG_EVENT_STREAM_TRUE: h->number = 1; return true;
    case MG_EVENT_STREAM_FALSE: return true;
    case MG_EVENT_STREAM_BYTE: return take_number(rest, 1, &h->number);
    case MG_EVENT_STREAM_SHORT: return take_number(rest, 2, &h->number);
    case MG_EVENT_STREAM_INTEGER: return take_number(rest, 4, &h->number);
    case MG_EVENT_STREAM_LONG:
    case MG_EVENT_STREAM_TIMESTAMP: return take_number(rest, 8, &h->number);
    case MG_EVENT_STREAM_BYTES:
    case MG_EVENT_STREAM_STRING: return take_counted(rest, &h->bytes);
    case MG_EVENT_STREAM_UUID: return take(rest, UUID, &h->bytes);
    }
    return false;
}

mg_status mg_event_stream_header_next(mg_str *headers, mg_event_stream_header *out) {
    mg_str one;
    *out = (mg_event_stream_header){0};
    if (headers->n == 0) return MG_DECLINED;
    take(headers, 1, &one);
    size_t n = (uint8_t)one.p[0];
    if (n == 0 || !take(headers, n, &out->name) || !take(headers, 1, &one)) return MG_ERROR;
    out->type = (mg_event_stream_type)(uint8_t)one.p[0];
    return take_value(headers, out) ? MG_OK : MG_ERROR;
}

/* What the headers that every service uses say; the first of a name counts. */
typedef struct known_headers {
    mg_str kind, event, exception, code;
} known_headers;

static void note_header(const mg_event_stream_header *h, known_headers *k, mg_event_stream_message *m) {
    const struct {
        const char *name;
        mg_str *to;
    } known[] = {
        {":message-type", &k->kind}, {":event-type", &k->event},   {":exception-type", &k->exception},
        {":error-code", &k->code},   {":error-message", &m->text}, {":content-type", &m->content_type},
    };
    if (h->type != MG_EVENT_STREAM_STRING || h->name.p[0] != ':') return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].to->p == NULL && mg_str_is(h->name, known[i].name)) *known[i].to = h->bytes;
    }
}

static mg_str or_empty(mg_str s) { return s.p ? s : MG_STR(""); }

static bool read_headers(mg_event_stream *s, mg_event_stream_message *m) {
    known_headers known = {0};
    mg_event_stream_header h;
    mg_str rest = m->headers;
    mg_status status;
    while ((status = mg_event_stream_header_next(&rest, &h)) == MG_OK) note_header(&h, &known, m);
    if (status == MG_ERROR) return wrong(s, "a message's headers are damaged");
    m->kind = mg_str_is(known.kind, "exception") ? MG_EVENT_STREAM_EXCEPTION
              : mg_str_is(known.kind, "error")   ? MG_EVENT_STREAM_ERROR
                                                 : MG_EVENT_STREAM_EVENT;
    m->name = or_empty(m->kind == MG_EVENT_STREAM_EXCEPTION ? known.exception
                       : m->kind == MG_EVENT_STREAM_ERROR   ? known.code
                                                            : known.event);
    m->text = or_empty(m->text);
    m->content_type = or_empty(m->content_type);
    return true;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* Reads how long the message is. False if its prelude does not add up. */
static bool read_prelude(mg_event_stream *s, const char *p) {
    uint64_t total = number(p, 4), headers = number(p + 4, 4);
    if (number(p + 8, 4) != checksum(p, 8)) return wrong(s, "a message's prelude does not match its checksum");
    if (total < LEAST || headers > total - LEAST) return wrong(s, "a message's lengths contradict each other");
    if (headers > MG_EVENT_STREAM_HEADERS_MAX) return wrong(s, "a message's headers are larger than 128 KB");
    if (total > s->message.max) {
        s->broken = true;
        snprintf(s->fault, sizeof s->fault, "a message is larger than %zu bytes", s->message.max);
        return false;
    }
    s->total = (size_t)total;
    return true;
}

/* Sees to it that s->total is known. MG_AGAIN: too few bytes so far, and all of them are taken. */
static mg_status begin(mg_event_stream *s, mg_str *bytes) {
    mg_buf *pending = &s->message.pending;
    if (s->total) return MG_OK;
    if (pending->n == 0 && bytes->n >= PRELUDE) return read_prelude(s, bytes->p) ? MG_OK : MG_ERROR;
    size_t n = PRELUDE - pending->n;
    mg_str part = {bytes->p, bytes->n < n ? bytes->n : n};
    mg_pieces_add(&s->message, part); /* fits: no maximum is below LEAST */
    *bytes = mg_str_skip(*bytes, part.n);
    if (pending->n < PRELUDE) return MG_AGAIN;
    return read_prelude(s, pending->p) ? MG_OK : MG_ERROR;
}

/* False: the message is damaged, or the callback wants no more. */
static bool deliver(mg_event_stream *s, mg_str raw, const char *end,
                    bool (*message)(void *arg, const mg_event_stream_message *m), void *arg) {
    size_t body = raw.n - 4, n_headers = (size_t)number(raw.p + 4, 4), at = PRELUDE + n_headers;
    if (number(raw.p + body, 4) != checksum(raw.p, body)) return wrong(s, "a message does not match its checksum");
    mg_event_stream_message m = {0};
    m.data = mg_pieces_pad(&s->message, (mg_str){raw.p + at, body - at}, end);
    m.raw = s->message.pending.n ? mg_buf_view(&s->message.pending) : raw; /* it may have moved */
    m.headers = (mg_str){m.raw.p + PRELUDE, n_headers};
    bool more = read_headers(s, &m) && message(arg, &m);
    mg_pieces_next(&s->message);
    s->total = 0;
    return more;
}

static mg_status fail(const mg_event_stream *s, mg_error *error) {
    return mg_fail(error, 502, "stream_damaged", "the stream is not an AWS event stream: %s", s->fault);
}

mg_status mg_event_stream_feed(mg_event_stream *s, mg_str bytes,
                               bool (*message)(void *arg, const mg_event_stream_message *m), void *arg,
                               mg_error *error) {
    const char *end = bytes.p + bytes.n;
    while (bytes.n && !s->broken) {
        mg_status status = begin(s, &bytes);
        if (status == MG_AGAIN) return MG_OK;
        if (status == MG_ERROR) break;
        size_t missing = s->total - s->message.pending.n;
        mg_str part = {bytes.p, bytes.n < missing ? bytes.n : missing}, raw;
        bytes = mg_str_skip(bytes, part.n);
        if (part.n < missing) {
            mg_pieces_add(&s->message, part);
        } else if (mg_pieces_whole(&s->message, part, &raw) && !deliver(s, raw, end, message, arg)) {
            break;
        }
    }
    return s->broken ? fail(s, error) : MG_OK;
}
