#include "net/json_array.h"

#include "base/json.h"
#include <stdio.h>

enum state {
    OPENING, /* before '[' */
    FIRST, /* behind '[': an element, or ']' */
    NEXT, /* behind ',': an element */
    SCALAR, /* inside a number or a word */
    NESTED, /* inside a string, object or array */
    BEHIND, /* behind an element: ',' or ']' */
    CLOSED
};

static const char byte_order_mark[] = "\xEF\xBB\xBF";

void mg_json_array_init(mg_json_array *a, size_t max_element) {
    *a = (mg_json_array){.state = OPENING};
    mg_pieces_init(&a->element, max_element);
}

void mg_json_array_finish(mg_json_array *a) { mg_pieces_finish(&a->element); }
bool mg_json_array_closed(const mg_json_array *a) { return a->state == CLOSED; }
size_t mg_json_array_waiting(const mg_json_array *a) { return a->element.pending.n; }

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Where in the text, and what: kept, since every later call says the same. */
static bool wrong(mg_json_array *a, size_t at, const char *what) {
    a->broken = true;
    snprintf(a->fault, sizeof a->fault, "%s at byte %llu", what, (unsigned long long)(a->offset + at));
    return false;
}

/* ---- inside an element ------------------------------------------------------------------------------------------- */

static bool open_bracket(mg_json_array *a, char c, size_t at) {
    if (a->depth == MG_JSON_MAX_DEPTH) return wrong(a, at, "brackets nested too deeply");
    uint64_t bit = 1ull << (a->depth % 64), *word = &a->brackets[a->depth / 64];
    *word = c == '{' ? *word | bit : *word & ~bit;
    a->depth++;
    return true;
}

static bool close_bracket(mg_json_array *a, char c, size_t at) {
    a->depth--;
    bool is_brace = a->brackets[a->depth / 64] >> (a->depth % 64) & 1;
    return is_brace == (c == '}') || wrong(a, at, "a bracket that does not match");
}

/* Where the string goes on from p[i]: behind its closing quote, or n. */
static size_t skip_string(mg_json_array *a, const char *p, size_t n, size_t i) {
    for (; i < n; i++) {
        if (a->escaped) {
            a->escaped = false;
        } else if (p[i] == '\\') {
            a->escaped = true;
        } else if (p[i] == '"') {
            a->in_string = false;
            return i + 1;
        }
    }
    return n;
}

/* Reads on inside a string, object or array from p[i]; the state changes if it ends. */
static size_t skip_nested(mg_json_array *a, const char *p, size_t n, size_t i) {
    while (i < n && !a->broken) {
        if (a->in_string) {
            i = skip_string(a, p, n, i);
        } else {
            char c = p[i];
            if (c == '"')
                a->in_string = true;
            else if (c == '{' || c == '[')
                open_bracket(a, c, i);
            else if (c == '}' || c == ']')
                close_bracket(a, c, i);
            i++;
        }
        if (!a->in_string && a->depth == 0) {
            a->state = BEHIND;
            return i;
        }
    }
    return i;
}

/* ---- between elements -------------------------------------------------------------------------------------------- */

static void begin_element(mg_json_array *a, char c, size_t at) {
    a->data_at = a->element.pending.n + at;
    a->state = NESTED;
    if (c == '"')
        a->in_string = true;
    else if (c == '{' || c == '[')
        open_bracket(a, c, at);
    else
        a->state = SCALAR;
}

/* One byte outside an element. */
static void step(mg_json_array *a, char c, size_t at) {
    if (a->state == OPENING && a->mark < 3 && c == byte_order_mark[a->mark] && a->offset + at == a->mark) {
        a->mark++;
    } else if (a->mark % 3 || (a->state == OPENING && !is_space(c) && c != '[')) {
        wrong(a, at, "something else than '['");
    } else if (is_space(c)) {
        return;
    } else if (a->state == OPENING) {
        a->state = FIRST;
    } else if (a->state == CLOSED) {
        wrong(a, at, "something behind the array");
    } else if (c == ']' && a->state != NEXT) {
        a->state = CLOSED;
    } else if (a->state == BEHIND) {
        if (c != ',') wrong(a, at, "something else than ',' or ']'");
        a->state = NEXT;
    } else if (c == ']' || c == '}' || c == ',' || c == ':') {
        wrong(a, at, "no element");
    } else {
        begin_element(a, c, at);
    }
}

/* Reads to the end of an element or of the array; *complete says whether it is in p. Returns the bytes that belong to
 * the frame. */
static size_t scan(mg_json_array *a, const char *p, size_t n, bool *complete) {
    size_t i = 0;
    *complete = true;
    while (i < n && !a->broken) {
        if (a->state == NESTED) {
            i = skip_nested(a, p, n, i);
            if (a->state == BEHIND) return i;
        } else if (a->state == SCALAR) {
            while (i < n && p[i] != ',' && p[i] != ']' && !is_space(p[i])) i++;
            if (i == n) break;
            a->state = BEHIND;
            return i;
        } else {
            step(a, p[i], i);
            i++;
            if (a->state == CLOSED) return i;
        }
    }
    *complete = false;
    return i;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static bool deliver(mg_json_array *a, mg_str raw, const char *end,
                    bool (*frame)(void *arg, const mg_json_array_frame *f), void *arg) {
    mg_json_array_frame f = {.raw = raw, .data = MG_STR(""), .has_data = a->state != CLOSED};
    if (f.has_data) {
        f.data = mg_pieces_pad(&a->element, mg_str_skip(raw, a->data_at), end);
        if (a->element.pending.n) f.raw.p = f.data.p - a->data_at; /* it may have moved */
    }
    bool more = frame(arg, &f);
    mg_pieces_next(&a->element);
    return more;
}

static mg_status fail(mg_json_array *a, mg_error *error) {
    return mg_fail(error, 502, "stream_not_an_array", "the stream is not a JSON array: %s", a->fault);
}

static mg_status too_large(mg_json_array *a, mg_error *error) {
    a->broken = true;
    snprintf(a->fault, sizeof a->fault, "an element larger than %zu bytes", a->element.max);
    return fail(a, error);
}

mg_status mg_json_array_feed(mg_json_array *a, mg_str bytes, bool (*frame)(void *arg, const mg_json_array_frame *f),
                             void *arg, mg_error *error) {
    const char *end = bytes.p + bytes.n;
    while (bytes.n && !a->broken) {
        bool complete, behind = a->state == CLOSED;
        size_t n = scan(a, bytes.p, bytes.n, &complete);
        mg_str taken = {bytes.p, n}, raw;
        if (a->broken) break;
        if (!behind && !(complete ? mg_pieces_whole(&a->element, taken, &raw) : mg_pieces_add(&a->element, taken)))
            return too_large(a, error);
        if (!behind && complete && !deliver(a, raw, end, frame, arg)) break;
        a->offset += n;
        bytes = mg_str_skip(bytes, n);
    }
    return a->broken ? fail(a, error) : MG_OK;
}
