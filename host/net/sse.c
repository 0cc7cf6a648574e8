#include "net/sse.h"

#include "base/json.h"

enum {
    WINDOW = 512 /* bytes searched for LF before CR: keeps a stream without LF from being searched again and again */
};

enum state {
    START, /* at the start of a line */
    LINE, /* inside a line */
    LINE_CR, /* a line has ended in CR; an LF may follow */
    BLANK_CR, /* a blank line has begun with CR; an LF belongs to it */
    AFTER_CR /* an event has ended in a bare CR; an LF says nothing */
};

void mg_sse_init(mg_sse *s, size_t max_event) {
    *s = (mg_sse){.max_event = max_event, .state = START};
    s->pending.max = s->data.max = max_event + MG_JSON_PADDING;
}

void mg_sse_finish(mg_sse *s) {
    mg_buf_finish(&s->pending);
    mg_buf_finish(&s->data);
}

size_t mg_sse_waiting(const mg_sse *s) {
    /* At the start of a line a lone LF is the second half of a CR that has ended an event already. */
    bool swallowed = s->state == START && s->pending.n == 1 && s->pending.p[0] == '\n';
    return swallowed ? 0 : s->pending.n;
}

/* Offset of the first CR or LF, or n. */
static size_t line_length(const char *p, size_t n) {
    for (size_t at = 0; at < n; at += WINDOW) {
        size_t window = n - at < WINDOW ? n - at : WINDOW;
        const char *lf = memchr(p + at, '\n', window);
        const char *cr = memchr(p + at, '\r', lf ? (size_t)(lf - p) - at : window);
        if (cr) return (size_t)(cr - p);
        if (lf) return (size_t)(lf - p);
    }
    return n;
}

static void line_ended(mg_sse *s, bool bare_cr) {
    s->state = START;
    s->bare_cr = bare_cr;
}

/* At the start of a line with byte c: true if the event ends with this byte. */
static bool starts_line(mg_sse *s, char c) {
    if (c == '\n') {
        line_ended(s, false);
        return true;
    }
    if (c != '\r') {
        s->state = LINE;
        return false;
    }
    s->state = s->bare_cr ? AFTER_CR : BLANK_CR;
    return s->bare_cr;
}

/* Reads on to the end of the event; *complete says whether it is in p. Returns the bytes that belong to it. */
static size_t scan(mg_sse *s, const char *p, size_t n, bool *complete) {
    *complete = true;
    for (size_t i = 0; i < n;) {
        switch ((enum state)s->state) {
        case LINE:
            i += line_length(p + i, n - i);
            if (i == n) break;
            if (p[i++] == '\n')
                line_ended(s, false);
            else
                s->state = LINE_CR;
            break;
        case LINE_CR:
            line_ended(s, p[i] != '\n');
            if (!s->bare_cr) i++;
            break;
        case BLANK_CR: line_ended(s, p[i] != '\n'); return s->bare_cr ? i : i + 1;
        case AFTER_CR:
            s->state = START;
            if (p[i] == '\n') i++;
            break;
        case START:
            if (starts_line(s, p[i++])) return i;
            break;
        }
    }
    *complete = false;
    return n;
}

/* Appends a data line to those before it. The buffer takes max_event bytes, which the lines of one event never exceed. */
static void join(mg_sse *s, mg_sse_event *e, mg_str line) {
    if (!e->has_data) {
        e->data = line;
        return;
    }
    if (e->data.p != s->data.p) {
        mg_buf_clear(&s->data);
        mg_buf_str(&s->data, e->data);
    }
    mg_buf_add(&s->data, "\n", 1);
    mg_buf_str(&s->data, line);
    e->data = mg_buf_view(&s->data);
}

static void read_field(mg_sse *s, mg_sse_event *e, mg_str line) {
    size_t colon = mg_str_find(line, ':');
    mg_str name = {line.p, colon}, value = mg_str_skip(line, colon + 1);
    if (value.n && value.p[0] == ' ') value = mg_str_skip(value, 1);
    if (mg_str_is(name, "data")) {
        join(s, e, value);
        e->has_data = true;
    } else if (mg_str_is(name, "event")) {
        e->event = value;
    } else if (mg_str_is(name, "id") && !(value.n && memchr(value.p, 0, value.n))) {
        e->id = value;
    }
}

static void read_event(mg_sse *s, mg_str raw, mg_sse_event *e) {
    *e = (mg_sse_event){.raw = raw, .event = MG_STR(""), .data = MG_STR(""), .id = MG_STR("")};
    mg_str rest = raw;
    if (!s->bom_done && mg_str_starts(rest, MG_STR("\xEF\xBB\xBF"))) rest = mg_str_skip(rest, 3);
    s->bom_done = true;
    while (rest.n) {
        mg_str line = {rest.p, line_length(rest.p, rest.n)};
        if (line.n && line.p[0] != ':') read_field(s, e, line);
        rest = mg_str_skip(rest, line.n + 1);
    }
}

/* Sees to it that MG_JSON_PADDING bytes behind the data may be read; `end` is where the readable memory ends. */
static void pad(mg_sse *s, mg_sse_event *e, const char *end) {
    bool joined = e->data.p == s->data.p && s->data.p;
    if (!joined && e->data.n && (size_t)(end - (e->data.p + e->data.n)) >= MG_JSON_PADDING) return;
    if (!joined) {
        mg_buf_clear(&s->data);
        mg_buf_str(&s->data, e->data);
    }
    mg_buf_reserve(&s->data, MG_JSON_PADDING);
    e->data = mg_buf_view(&s->data);
}

static bool deliver(mg_sse *s, mg_str raw, const char *end, bool (*event)(void *arg, const mg_sse_event *e),
                    void *arg) {
    mg_sse_event e;
    read_event(s, raw, &e);
    if (e.has_data) pad(s, &e, end);
    return event(arg, &e);
}

static mg_status too_large(mg_sse *s, mg_error *error) {
    s->broken = true;
    return mg_fail(error, 502, "stream_event_too_large", "an event of the stream is larger than %zu bytes",
                   s->max_event);
}

/* The event that began in an earlier call: takes its bytes, and delivers it from `pending` once it is complete. */
static bool deliver_pending(mg_sse *s, bool (*event)(void *arg, const mg_sse_event *e), void *arg) {
    mg_buf_reserve(&s->pending, MG_JSON_PADDING);
    bool more = deliver(s, mg_buf_view(&s->pending), s->pending.p + s->pending.cap, event, arg);
    mg_buf_clear(&s->pending);
    return more;
}

mg_status mg_sse_feed(mg_sse *s, mg_str bytes, bool (*event)(void *arg, const mg_sse_event *e), void *arg,
                      mg_error *error) {
    if (s->broken) return too_large(s, error);
    const char *end = bytes.p + bytes.n;
    while (bytes.n) {
        bool complete;
        size_t n = scan(s, bytes.p, bytes.n, &complete);
        if (n + s->pending.n > s->max_event) return too_large(s, error);
        if (s->pending.n || !complete) mg_buf_add(&s->pending, bytes.p, n);
        if (!complete) break;
        bool more = s->pending.n ? deliver_pending(s, event, arg) : deliver(s, (mg_str){bytes.p, n}, end, event, arg);
        if (!more) break;
        bytes = mg_str_skip(bytes, n);
    }
    return MG_OK;
}
