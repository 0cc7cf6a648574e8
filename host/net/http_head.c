#include "net/http_head.h"

enum { METHOD_MAX = 32, LENGTH_DIGITS_MAX = 18 };

/* Token characters (RFC 9110, 5.6.2), each with its lower-case form; 0 for all others. */
static const unsigned char token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|',   ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',   ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',   ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',   ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',   ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',   ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z'};

static inline unsigned char lower_of(char c) { return token_lower[(unsigned char)c]; }

/* What a field value may hold: tab, visible ASCII, space, and bytes above 127. */
static bool is_value(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 127) return false;
    }
    return true;
}

static bool is_token(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!lower_of(s.p[i])) return false;
    }
    return s.n > 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static mg_status fail(mg_http_head *h, int status, const char *sentence) {
    h->error_status = h->kind == MG_HTTP_REQUEST ? status : 502;
    h->error = sentence;
    return MG_ERROR;
}

static mg_status too_large(mg_http_head *h) {
    if (h->kind == MG_HTTP_REQUEST && !h->first_line_done) return fail(h, 414, "the request line is too long");
    return fail(h, 431, "the headers are too large");
}

/* ---- first lines ------------------------------------------------------------------------------------------------- */

static mg_status take_version(mg_http_head *h, mg_str v) {
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || !is_digit(v.p[5]) || v.p[6] != '.' || !is_digit(v.p[7])) {
        return fail(h, 400, "the first line does not name its HTTP version");
    }
    if (v.p[5] != '1' || v.p[7] > '1') return fail(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    h->minor = v.p[7] - '0';
    return MG_OK;
}

static bool is_absolute(mg_str target) {
    mg_str rest = target.n > 8 && strncasecmp(target.p, "https://", 8) == 0  ? mg_str_skip(target, 8)
                  : target.n > 7 && strncasecmp(target.p, "http://", 7) == 0 ? mg_str_skip(target, 7)
                                                                             : (mg_str){NULL, 0};
    return rest.n > 0 && rest.p[0] != '/' && rest.p[0] != '?';
}

static mg_status take_target(mg_http_head *h, mg_str target) {
    for (size_t i = 0; i < target.n; i++) {
        unsigned char c = (unsigned char)target.p[i];
        if (c <= ' ' || c >= 127 || c == '#')
            return fail(h, 400, "the request target holds a character that must be escaped");
    }
    if (mg_str_is(h->method, "CONNECT")) return fail(h, 405, "CONNECT is not supported: this is not a proxy");
    if (target.n == 1 && target.p[0] == '*') {
        if (!mg_str_is(h->method, "OPTIONS")) return fail(h, 400, "the target * goes with OPTIONS only");
    } else if (target.n == 0 || (target.p[0] != '/' && !is_absolute(target))) {
        return fail(h, 400, "the request target must begin with / or be an http URL");
    }
    h->target = target;
    return MG_OK;
}

static mg_status take_request_line(mg_http_head *h, mg_str line) {
    size_t first = mg_str_find(line, ' ');
    const char *last = line.n ? memrchr(line.p, ' ', line.n) : NULL;
    h->method = mg_str_from(line.p, first);
    if (!is_token(h->method) || first > METHOD_MAX)
        return fail(h, 400, "the request line does not begin with a method");
    if (!last || last == line.p + first) return fail(h, 400, "the request line must be: method, target, HTTP version");
    size_t version_at = (size_t)(last - line.p) + 1;
    if (take_version(h, mg_str_skip(line, version_at)) != MG_OK) return MG_ERROR;
    return take_target(h, mg_str_from(line.p + first + 1, version_at - first - 2));
}

static mg_status take_status_line(mg_http_head *h, mg_str line) {
    if (line.n < 12 || line.p[8] != ' ') return fail(h, 502, "the first line of the answer is not a status line");
    if (take_version(h, mg_str_from(line.p, 8)) != MG_OK) return MG_ERROR;
    const char *d = line.p + 9;
    if (!is_digit(d[0]) || d[0] == '0' || !is_digit(d[1]) || !is_digit(d[2]) || (line.n > 12 && line.p[12] != ' ')) {
        return fail(h, 502, "the status of the answer is not three digits");
    }
    if (!is_value(mg_str_skip(line, 12))) return fail(h, 502, "the status line holds a control character");
    h->status = (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
    return MG_OK;
}

/* ---- headers that decide about framing --------------------------------------------------------------------------- */

static mg_status take_content_length(mg_http_head *h, mg_str v) {
    if (h->content_length >= 0) return fail(h, 400, "content-length is given twice");
    if (v.n == 0 || v.n > LENGTH_DIGITS_MAX) return fail(h, 400, "content-length is not a decimal number in range");
    int64_t length = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!is_digit(v.p[i])) return fail(h, 400, "content-length is not a decimal number in range");
        length = length * 10 + (v.p[i] - '0');
    }
    h->content_length = length;
    return MG_OK;
}

static mg_status take_transfer_encoding(mg_http_head *h, mg_str v) {
    if (h->has_transfer_encoding) return fail(h, 400, "transfer-encoding is given twice");
    h->has_transfer_encoding = true;
    if (h->minor == 0) return fail(h, 400, "transfer-encoding does not exist in HTTP/1.0");
    if (!mg_str_ieq(v, MG_STR("chunked"))) return fail(h, 501, "the only transfer-encoding understood is: chunked");
    h->chunked = true;
    return MG_OK;
}

static mg_status take_connection(mg_http_head *h, mg_str v) {
    while (v.n) {
        size_t comma = mg_str_find(v, ',');
        mg_str option = mg_str_trim(mg_str_from(v.p, comma));
        if (mg_str_ieq(option, MG_STR("close"))) h->has_close = true;
        if (mg_str_ieq(option, MG_STR("keep-alive"))) h->has_keep_alive = true;
        v = mg_str_skip(v, comma + 1);
    }
    return MG_OK;
}

static mg_status take_host(mg_http_head *h, mg_str v) {
    if (h->kind == MG_HTTP_RESPONSE) return MG_OK;
    if (h->has_host) return fail(h, 400, "host is given twice");
    h->has_host = true;
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c <= ' ' || c >= 127 || strchr("/?#@\\\"<>^`{|}", c))
            return fail(h, 400, "host is not a host name and port");
    }
    return MG_OK;
}

static mg_status take_expect(mg_http_head *h, mg_str v) {
    if (h->kind == MG_HTTP_RESPONSE || h->minor == 0) return MG_OK;
    if (!mg_str_ieq(v, MG_STR("100-continue"))) return fail(h, 417, "the only expectation understood is: 100-continue");
    h->expect_continue = true;
    return MG_OK;
}

static mg_status digest(mg_http_head *h, mg_str name, mg_str value) {
    switch (name.n) {
    case 4: return memcmp(name.p, "host", 4) == 0 ? take_host(h, value) : MG_OK;
    case 6: return memcmp(name.p, "expect", 6) == 0 ? take_expect(h, value) : MG_OK;
    case 10: return memcmp(name.p, "connection", 10) == 0 ? take_connection(h, value) : MG_OK;
    case 14: return memcmp(name.p, "content-length", 14) == 0 ? take_content_length(h, value) : MG_OK;
    case 16:
        if (memcmp(name.p, "content-encoding", 16) == 0 && value.n) h->coded |= !mg_str_ieq(value, MG_STR("identity"));
        return MG_OK;
    case 17: return memcmp(name.p, "transfer-encoding", 17) == 0 ? take_transfer_encoding(h, value) : MG_OK;
    default: return MG_OK;
    }
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static mg_status take_header(mg_http_head *h, char *line, size_t n) {
    if (line[0] == ' ' || line[0] == '\t') return fail(h, 400, "a header is folded over two lines");
    size_t colon = 0;
    for (unsigned char c; colon < n && (c = lower_of(line[colon])) != 0; colon++) line[colon] = (char)c;
    if (colon == n || line[colon] != ':') {
        bool space = colon < n && (line[colon] == ' ' || line[colon] == '\t');
        return fail(h, 400, space ? "there is a space in or behind a header's name" : "a header's name is malformed");
    }
    if (colon == 0) return fail(h, 400, "a header has no name");
    mg_str value = mg_str_trim(mg_str_from(line + colon + 1, n - colon - 1));
    if (!is_value(value)) return fail(h, 400, "a header's value holds a control character");
    if (h->n_headers == h->max_headers) return fail(h, 431, "there are too many headers");
    mg_str name = mg_str_from(line, colon);
    h->headers[h->n_headers++] = (mg_header){name, value};
    return digest(h, name, value);
}

static mg_status finish(mg_http_head *h) {
    if (h->has_transfer_encoding && h->content_length >= 0) {
        return fail(h, 400, "content-length and transfer-encoding must not be given together");
    }
    if (h->kind == MG_HTTP_REQUEST && h->minor == 1 && !h->has_host) return fail(h, 400, "the host header is missing");
    h->keep_alive = !h->has_close && (h->minor == 1 || h->has_keep_alive);
    h->size = h->line;
    return MG_OK;
}

/* MG_AGAIN: go on with the next line. */
static mg_status take_line(mg_http_head *h, char *line, size_t n) {
    if (h->first_line_done) {
        if (n == 0) return finish(h);
        return take_header(h, line, n) == MG_OK ? MG_AGAIN : MG_ERROR;
    }
    if (n == 0 && h->kind == MG_HTTP_REQUEST && !h->blank_skipped) { /* RFC 9112, 2.2 */
        h->blank_skipped = true;
        return MG_AGAIN;
    }
    mg_str all = mg_str_from(line, n);
    mg_status s = h->kind == MG_HTTP_REQUEST ? take_request_line(h, all) : take_status_line(h, all);
    if (s != MG_OK) return s;
    h->first_line_done = true;
    return MG_AGAIN;
}

/* No whole line is there. What can't become a request is refused now, not when the time limit strikes. */
static mg_status incomplete(mg_http_head *h, const char *p, size_t n) {
    h->scanned = n;
    if (n >= h->max_bytes) return too_large(h);
    if (h->kind == MG_HTTP_REQUEST && !h->first_line_done && n > h->line) {
        char c = p[h->line];
        if (c == 0x16) return fail(h, 400, "this port speaks plain HTTP, not TLS");
        if (!lower_of(c) && c != '\r') return fail(h, 400, "the request line does not begin with a method");
    }
    return MG_AGAIN;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

void mg_http_head_init(mg_http_head *h, mg_http_kind kind, mg_header *headers, size_t max_headers, size_t max_bytes) {
    *h = (mg_http_head){
        .kind = kind, .headers = headers, .max_headers = max_headers, .max_bytes = max_bytes, .content_length = -1};
}

mg_status mg_http_head_parse(mg_http_head *h, char *p, size_t n) {
    if (p != h->base) mg_http_head_move(h, p);
    for (;;) {
        char *lf = n > h->scanned ? memchr(p + h->scanned, '\n', n - h->scanned) : NULL;
        if (!lf) return incomplete(h, p, n);
        size_t end = (size_t)(lf - p), start = h->line;
        if (end >= h->max_bytes) return too_large(h);
        if (end == start || p[end - 1] != '\r') return fail(h, 400, "a line does not end with CR LF");
        h->line = h->scanned = end + 1;
        mg_status s = take_line(h, p + start, end - 1 - start);
        if (s != MG_AGAIN) return s;
    }
}

static void shift(mg_str *s, uintptr_t from, char *to) {
    if (s->p) s->p = to + ((uintptr_t)s->p - from);
}

void mg_http_head_move(mg_http_head *h, char *to) {
    uintptr_t from = (uintptr_t)h->base; /* a number: what was there may be freed already */
    shift(&h->method, from, to);
    shift(&h->target, from, to);
    for (size_t i = 0; i < h->n_headers; i++) {
        shift(&h->headers[i].name, from, to);
        shift(&h->headers[i].value, from, to);
    }
    h->base = to;
}

mg_str mg_http_head_get(const mg_http_head *h, mg_str name) {
    for (size_t i = 0; i < h->n_headers; i++) {
        if (mg_str_eq(h->headers[i].name, name)) return h->headers[i].value;
    }
    return (mg_str){NULL, 0};
}

void mg_http_target_split(mg_str target, mg_str *path, mg_str *query) {
    if (target.n && target.p[0] != '/' && target.p[0] != '*') { /* absolute: skip scheme and authority */
        target = mg_str_skip(target, (size_t)((const char *)memchr(target.p, ':', target.n) - target.p) + 3);
        size_t at = 0;
        while (at < target.n && target.p[at] != '/' && target.p[at] != '?') at++;
        target = mg_str_skip(target, at);
    }
    size_t mark = mg_str_find(target, '?');
    *path = mark ? mg_str_from(target.p, mark) : MG_STR("/");
    *query = mark < target.n ? mg_str_skip(target, mark + 1) : MG_STR("");
}
