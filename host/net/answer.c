/* Answers: from the handler to bytes. Nothing here frees, closes or calls the handler: a connection's turn does. */
#include "net/conn.h"

#include "base/log.h"

#include <stdio.h>

static mg_exchange_state *state_of(const mg_exchange *x) { return (mg_exchange_state *)x; }

/* ---- reading the request ----------------------------------------------------------------------------------------- */

mg_str mg_exchange_header(const mg_exchange *x, mg_str name) {
    for (size_t i = 0; i < x->n_headers; i++) {
        if (mg_str_eq(x->headers[i].name, name)) return x->headers[i].value;
    }
    return (mg_str){NULL, 0};
}

size_t mg_exchange_header_count(const mg_exchange *x, mg_str name) {
    size_t n = 0;
    for (size_t i = 0; i < x->n_headers; i++) n += mg_str_eq(x->headers[i].name, name);
    return n;
}

mg_str mg_exchange_query(const mg_exchange *x, mg_str name) {
    for (mg_str rest = x->query; rest.n;) {
        mg_str pair = mg_str_from(rest.p, mg_str_find(rest, '&'));
        size_t equals = mg_str_find(pair, '=');
        if (mg_str_eq(mg_str_from(pair.p, equals), name)) return mg_str_skip(pair, equals + 1);
        rest = mg_str_skip(rest, pair.n + 1);
    }
    return (mg_str){NULL, 0};
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

static const char *reason_of(int status) {
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 529: return "Overloaded";
    default: return "Status";
    }
}

static bool is_own(mg_str name) {
    switch (name.n) {
    case 4: return mg_str_ieq(name, MG_STR("date"));
    case 10: return mg_str_ieq(name, MG_STR("connection")) || mg_str_ieq(name, MG_STR("keep-alive"));
    case 14: return mg_str_ieq(name, MG_STR("content-length"));
    case 17: return mg_str_ieq(name, MG_STR("transfer-encoding"));
    default: return false;
    }
}

/* Values can come from a vendor or a policy: one with a line break must not become a header or an answer of its own. */
static bool is_clean(const mg_header *h) {
    for (size_t i = 0; i < h->name.n; i++) {
        unsigned char c = (unsigned char)h->name.p[i];
        if (c <= ' ' || c >= 127 || c == ':') return false;
    }
    for (size_t i = 0; i < h->value.n; i++) {
        unsigned char c = (unsigned char)h->value.p[i];
        if ((c < ' ' && c != '\t') || c == 127) return false;
    }
    return h->name.n > 0;
}

static char *append(char *at, const char *p, size_t n) {
    if (n) memcpy(at, p, n);
    return at + n;
}

static char *append_decimal(char *at, uint64_t n) {
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return append(at, digits + i, sizeof digits - i);
}

static char *append_status(char *at, int status) {
    const char *reason = reason_of(status);
    at = append(at, "HTTP/1.1 ", 9);
    at = append_decimal(at, (uint64_t)status);
    *at++ = ' ';
    at = append(at, reason, strlen(reason));
    return append(at, "\r\n", 2);
}

static char *append_header(char *at, const mg_header *h) {
    if (is_own(h->name)) return at;
    if (!is_clean(h)) {
        mg_log(MG_LOG_WARN, "response_header_dropped", MG_F("name", h->name),
               MG_F("reason", MG_STR("control character in its name or value")));
        return at;
    }
    at = append(at, h->name.p, h->name.n);
    at = append(at, ": ", 2);
    at = append(at, h->value.p, h->value.n);
    return append(at, "\r\n", 2);
}

enum { FRAMING_NONE = -1, FRAMING_CHUNKED = -2 };

typedef struct head_spec {
    int status;
    const mg_header *headers;
    size_t n;
    int64_t length; /* or one of the above */
    const char *connection; /* its value, or NULL */
} head_spec;

static size_t head_bound(const head_spec *spec) {
    size_t bound = 320; /* status line, date, framing, connection, blank line */
    for (size_t i = 0; i < spec->n; i++) bound += spec->headers[i].name.n + spec->headers[i].value.n + 4;
    return bound;
}

static void put_head(mg_conn *c, const head_spec *spec) {
    char *start = mg_conn_room(c, head_bound(spec)), *at = start;
    if (!start) return;
    mg_str date = mg_server_date(c->server);
    at = append_status(at, spec->status);
    for (size_t i = 0; i < spec->n; i++) at = append_header(at, &spec->headers[i]);
    at = append(at, date.p, date.n);
    if (spec->length >= 0) {
        at = append(at, "content-length: ", 16);
        at = append_decimal(at, (uint64_t)spec->length);
        at = append(at, "\r\n", 2);
    } else if (spec->length == FRAMING_CHUNKED) {
        at = append(at, "transfer-encoding: chunked\r\n", 28);
    }
    if (spec->connection) {
        at = append(at, "connection: ", 12);
        at = append(at, spec->connection, strlen(spec->connection));
        at = append(at, "\r\n", 2);
    }
    at = append(at, "\r\n", 2);
    c->out_n += (size_t)(at - start);
}

/* ---- answers of the handler -------------------------------------------------------------------------------------- */

static bool asks_for_close(const mg_header *headers, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (mg_str_ieq(headers[i].name, MG_STR("connection")) && mg_str_ieq(headers[i].value, MG_STR("close")))
            return true;
    }
    return false;
}

/* Decides how the answer is framed and writes its head. length < 0: not known. */
static void start(mg_exchange_state *x, int status, const mg_header *headers, size_t n, int64_t length) {
    mg_conn *c = x->conn;
    bool empty = status == 204 || status == 304;
    x->started = true;
    x->status = status = status >= 200 && status <= 999 ? status : 500;
    x->bodiless = empty || mg_str_is(x->x.method, "HEAD");
    if (c->server->draining || asks_for_close(headers, n)) x->close = true;
    if (x->x.has_body && x->stage != MG_STAGE_HANDLER) x->close = true; /* its body stays unread */
    if (empty) {
        length = FRAMING_NONE;
    } else if (length < 0 && x->head.minor == 0) {
        length = FRAMING_NONE;
        x->until_close = x->close = true;
    } else if (length < 0) {
        length = FRAMING_CHUNKED;
        x->chunking = true;
    }
    const char *connection = x->close ? "close" : x->head.minor == 0 ? "keep-alive" : NULL;
    put_head(c, &(head_spec){status, headers, n, length, connection});
    mg_conn_later(c);
}

void mg_exchange_reply(mg_exchange *ex, int status, const mg_header *headers, size_t n, mg_str body) {
    mg_exchange_state *x = state_of(ex);
    if (x->started || x->ended) return;
    start(x, status, headers, n, (int64_t)body.n);
    if (!x->bodiless) mg_conn_put(x->conn, body);
    x->ended = true;
}

void mg_exchange_start(mg_exchange *ex, int status, const mg_header *headers, size_t n) {
    mg_exchange_state *x = state_of(ex);
    if (!x->started && !x->ended) start(x, status, headers, n, -1);
}

static void put_chunk(mg_conn *c, mg_str bytes) {
    static const char hex[] = "0123456789abcdef";
    char *room = mg_conn_room(c, bytes.n + 24), *at = room;
    if (!room) return;
    int shift = 0;
    while (bytes.n >> shift >> 4) shift += 4;
    for (; shift >= 0; shift -= 4) *at++ = hex[bytes.n >> shift & 15];
    at = append(at, "\r\n", 2);
    at = append(at, bytes.p, bytes.n);
    at = append(at, "\r\n", 2);
    c->out_n += (size_t)(at - room);
}

bool mg_exchange_write(mg_exchange *ex, mg_str bytes) {
    mg_exchange_state *x = state_of(ex);
    mg_conn *c = x->conn;
    if (x->ended || !x->started || x->bodiless) return true;
    if (bytes.n && x->chunking) put_chunk(c, bytes);
    if (bytes.n && !x->chunking) mg_conn_put(c, bytes);
    mg_conn_later(c);
    if (mg_conn_backlog(c) <= MG_HIGH_WATER) return true;
    mg_conn_flush(c);
    x->wants_drained = mg_conn_backlog(c) > MG_HIGH_WATER;
    return !x->wants_drained;
}

void mg_exchange_end(mg_exchange *ex) {
    mg_exchange_state *x = state_of(ex);
    if (x->ended) return;
    if (!x->started) { /* the handler has nothing to say: a client that waits for ever would be worse */
        mg_exchange_reply(ex, 500, NULL, 0, MG_STR(""));
        return;
    }
    if (x->chunking && !x->bodiless) mg_conn_put(x->conn, MG_STR("0\r\n\r\n"));
    x->ended = true;
    mg_conn_later(x->conn);
}

void mg_exchange_abort(mg_exchange *ex) {
    mg_exchange_state *x = state_of(ex);
    if (x->ended) return;
    x->ended = x->aborted = x->close = true;
    mg_conn_later(x->conn);
}

size_t mg_exchange_backlog(const mg_exchange *x) {
    const mg_exchange_state *s = state_of(x);
    return s->kept ? 0 : mg_conn_backlog(s->conn);
}

/* ---- answers of the server --------------------------------------------------------------------------------------- */

static void default_error(mg_str sentence, mg_buf *body) {
    mg_buf_str(body, MG_STR("{\"error\":{\"message\":"));
    mg_buf_json(body, sentence);
    mg_buf_str(body, MG_STR(",\"type\":\"invalid_request_error\"}}"));
}

static void count_error(mg_server *s, int status) {
    char digits[12];
    if (!s->metrics) return;
    snprintf(digits, sizeof digits, "%d", status);
    mg_header label = {MG_STR("status"), mg_str_of(digits)};
    mg_series_add(mg_metrics_series(s->metrics, "moongate_http_errors_total", MG_COUNTER,
                                    "Requests that the HTTP server refused itself", NULL, 0, &label, 1),
                  1);
}

void mg_answer_error(mg_conn *c, int status, mg_str sentence, bool bodiless) {
    mg_server *s = c->server;
    mg_buf body = {.max = 16 * 1024};
    if (s->handler.refuse) {
        s->handler.refuse(s->handler.ctx, status, sentence, &body);
    } else {
        default_error(sentence, &body);
    }
    mg_header headers[] = {{MG_STR("content-type"), MG_STR("application/json")}, {MG_STR("retry-after"), MG_STR("1")}};
    put_head(c, &(head_spec){status, headers, status == 503 ? 2 : 1, (int64_t)body.n, "close"});
    if (!bodiless) mg_conn_put(c, mg_buf_view(&body));
    mg_buf_finish(&body);
    count_error(s, status);
}
