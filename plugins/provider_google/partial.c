/* Arguments of a call that come in pieces, each with the place of its value ("$.items[0].name"): they are put
 * together as JSON text, in the order in which they come. Vertex AI sends them so to who asks for it
 * (streamFunctionCallArguments). */
#include "google.h"

/* ---- places ------------------------------------------------------------------------------------------------------ */

typedef struct segment {
    mg_str name; /* of a member, or the digits of an index */
    bool element; /* of a list */
} segment;

/* Takes a segment off the front of a path whose `$` is gone: .name, [3] or ['name']. */
static bool segment_next(mg_str *path, segment *s) {
    if (!path->n) return false;
    bool bracket = *path->p == '[';
    mg_str rest = bracket || *path->p == '.' ? str_skip(*path, 1) : *path;
    size_t n = 0;
    bool quoted = bracket && rest.n && (*rest.p == '\'' || *rest.p == '"');
    if (quoted) {
        const char *end = rest.n > 1 ? memchr(rest.p + 1, *rest.p, rest.n - 1) : NULL;
        n = end ? (size_t)(end - rest.p) - 1 : rest.n - 1;
        rest = str_skip(rest, 1);
    } else {
        while (n < rest.n && (bracket ? rest.p[n] != ']' : rest.p[n] != '.' && rest.p[n] != '[')) n++;
    }
    *s = (segment){{rest.p, n}, bracket && !quoted};
    *path = str_skip(rest, n + (quoted ? 2 : bracket ? 1 : 0));
    return true;
}

static size_t length(mg_str path) {
    segment s;
    size_t n = 0;
    while (segment_next(&path, &s)) n++;
    return n;
}

static size_t common(mg_str a, mg_str b) {
    segment x, y;
    size_t n = 0;
    while (segment_next(&a, &x) && segment_next(&b, &y) && x.element == y.element && str_eq(x.name, y.name)) n++;
    return n;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static mg_str path_of(const google_partial *p) { return (mg_str){p->path, p->path_n}; }

/* Closes the lists and objects that hold the open path's segments from number `keep` on. */
static void close_to(const google_partial *p, size_t keep, google_buf *out) {
    char closers[sizeof p->path + 1];
    segment s;
    size_t n = 0;
    for (mg_str path = path_of(p); segment_next(&path, &s);) closers[n++] = s.element ? ']' : '}';
    while (n > keep) google_buf_add(out, (mg_str){&closers[--n], 1});
}

/* Goes from the place of the value before to the next one's: closes what that is not in, and opens what it is in. */
static void move_to(google_partial *p, mg_str path, google_buf *out) {
    segment s;
    size_t had = length(path_of(p)), have = length(path), same = common(path_of(p), path), i = 0;
    if (same >= have) same = have - 1;
    if (had && same >= had) same = had - 1;
    if (had) close_to(p, same + 1, out);
    for (mg_str rest = path; segment_next(&rest, &s); i++) {
        if (i < same) continue;
        google_buf_add(out, i == same && had ? STR(",") : s.element ? STR("[") : STR("{"));
        if (s.element) continue;
        google_buf_json(out, s.name);
        google_buf_add(out, STR(":"));
    }
    memcpy(p->path, path.p, path.n);
    p->path_n = (uint16_t)path.n;
}

static void string_close(google_partial *p, google_buf *out) {
    if (p->in_string) google_buf_add(out, STR("\""));
    p->in_string = false;
}

/* The text with its quotes taken off. */
static void string_add(google_buf *out, mg_str text) {
    google_buf quoted = {0};
    google_buf_json(&quoted, text);
    if (!quoted.failed) google_buf_add(out, (mg_str){quoted.p + 1, quoted.n - 2});
    out->failed |= quoted.failed;
    google_buf_finish(&quoted);
}

static void value_add(const google_decoder *d, const mg_json *arg, google_partial *p, google_buf *out) {
    const mg_json *text = google_get(d->h, arg, "stringValue"), *v = google_get(d->h, arg, "numberValue");
    if (!v) v = google_get(d->h, arg, "boolValue");
    if (!text) {
        google_buf_add(out, v ? google_source(d, v) : STR("null"));
        return;
    }
    if (!p->in_string) google_buf_add(out, STR("\""));
    p->in_string = true;
    string_add(out, d->h->json_str(text));
    if (!d->h->json_bool(google_get(d->h, arg, "willContinue"), false)) string_close(p, out);
}

static void arg_add(const google_decoder *d, const mg_json *arg, google_partial *p, google_buf *out) {
    mg_str path = google_text(d->h, arg, "jsonPath");
    if (path.n && *path.p == '$') path = str_skip(path, 1);
    /* A value as a whole, or a place that no argument has. */
    if (path.n == 0 || path.n > sizeof p->path) return;
    bool more = p->in_string && str_eq(path, path_of(p)) && google_get(d->h, arg, "stringValue");
    if (!more) {
        string_close(p, out);
        move_to(p, path, out);
    }
    value_add(d, arg, p, out);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void pieces_emit(google_decoder *d, google_buf *text) {
    const google_partial *p = &d->state->partial;
    d->failed |= text->failed;
    if (text->n && !text->failed)
        google_emit(
            d,
            (mg_event){.type = MG_EVENT_TOOL, .index = p->index, .choice = p->choice, .text = google_buf_view(text)});
    google_buf_finish(text);
}

void google_partial_add(google_decoder *d, const mg_json *call) {
    google_buf out = {0};
    const mg_json *arg = d->h->json_child(google_get(d->h, call, "partialArgs"));
    for (; arg; arg = d->h->json_next(arg)) arg_add(d, arg, &d->state->partial, &out);
    pieces_emit(d, &out);
    if (!d->h->json_bool(google_get(d->h, call, "willContinue"), false)) google_partial_end(d);
}

void google_partial_end(google_decoder *d) {
    google_partial *p = &d->state->partial;
    google_buf out = {0};
    if (!p->open) return;
    string_close(p, &out);
    close_to(p, 0, &out);
    if (p->path_n == 0) google_buf_add(&out, STR("{}"));
    pieces_emit(d, &out);
    p->open = false;
}

void google_partial_begin(google_decoder *d, const mg_json *call, int64_t index, int64_t choice) {
    d->state->partial = (google_partial){.open = true, .index = index, .choice = choice};
    google_partial_add(d, call);
}
