/* The body that OpenAI's servers get: the canonical text, changed only where it must be. */
#include <stdio.h>

#include "openai.h"

enum { MODEL_MAX = 512 }; /* bytes; a Bedrock ARN, the longest in use, has about 150 */

typedef enum fate { KEPT, DROPPED, RENAMED } fate;

typedef struct encoder {
    const mg_host *h;
    const openai_quirks *quirks;
    const mg_provider_request *request;
    const mg_provider_out *out;
} encoder;

/* ---- which members stay ------------------------------------------------------------------------------------------ */

static bool is_dropped(const encoder *e, mg_str key) {
    for (size_t i = 0; i < e->quirks->n_drop; i++)
        if (str_eq(e->quirks->drop[i], key)) return true;
    return false;
}

static const openai_pair *renaming(const encoder *e, mg_str key) {
    for (size_t i = 0; i < e->quirks->n_rename; i++)
        if (str_eq(e->quirks->rename[i].name, key)) return &e->quirks->rename[i];
    return NULL;
}

/* A key may stand in an object once only: true if another member bears, or gets before this one, the new name. */
static bool name_taken(const encoder *e, const openai_pair *r) {
    const mg_json *holder = e->h->json_get(e->request->root, r->value);
    if (holder && !is_dropped(e, r->value) && !renaming(e, r->value)) return true;
    for (const openai_pair *earlier = e->quirks->rename; earlier < r; earlier++)
        if (str_eq(earlier->value, r->value) && !is_dropped(e, earlier->name) &&
            e->h->json_get(e->request->root, earlier->name))
            return true;
    return false;
}

static fate fate_of(const encoder *e, mg_str key) {
    if (is_dropped(e, key)) return DROPPED;
    const openai_pair *r = renaming(e, key);
    if (!r) return KEPT;
    return name_taken(e, r) ? DROPPED : RENAMED;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Text as a JSON string into out, which takes 6 bytes for each of text and 2 more; returns the length. */
static size_t quote(mg_str text, char *out) {
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20) {
            n += (size_t)sprintf(out + n, "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\') out[n++] = '\\';
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    return n;
}

static void splice(const encoder *e, size_t start, size_t end, mg_str replacement) {
    e->out->splice(e->out->ctx, start, end, replacement);
}

/* Offset behind the closing quote of the key that opens at `start`. */
static size_t key_end(mg_str body, size_t start) {
    size_t i = start + 1;
    while (i < body.n && body.p[i] != '"') i += body.p[i] == '\\' ? 2 : 1;
    return i + 1;
}

/* Takes every dropped member out together with one comma; returns how many stay. A member goes with the comma before
 * it; those that open the object have none, and go up to where the first that stays begins. */
static size_t members_drop(const encoder *e) {
    size_t kept = 0, open_start = 0, previous_end = 0, start, end;
    bool opening = false;
    for (const mg_json *m = e->h->json_child(e->request->root); m; m = e->h->json_next(m)) {
        if (!e->h->json_member_span(m, &start, &end)) continue;
        bool dropped = fate_of(e, e->h->json_key(m)) == DROPPED;
        if (!dropped) {
            if (opening) splice(e, open_start, start, STR(""));
            opening = false;
            kept++;
        } else if (kept) {
            splice(e, previous_end, end, STR(""));
        } else if (!opening) {
            opening = true;
            open_start = start;
        }
        previous_end = end;
    }
    if (opening) splice(e, open_start, previous_end, STR(""));
    return kept;
}

static mg_status members_rename(const encoder *e, mg_error *error) {
    char name[6 * MODEL_MAX + 2];
    size_t start, end;
    for (size_t i = 0; i < e->quirks->n_rename; i++) {
        const openai_pair *r = &e->quirks->rename[i];
        const mg_json *m = e->h->json_get(e->request->root, r->name);
        if (!m || fate_of(e, r->name) != RENAMED || !e->h->json_member_span(m, &start, &end)) continue;
        if (r->value.n > MODEL_MAX)
            return openai_fail(error, 500, "bad_setting", "the setting rename holds a name of over %d bytes",
                               MODEL_MAX);
        splice(e, start, key_end(e->request->body, start), (mg_str){name, quote(r->value, name)});
    }
    return MG_OK;
}

static void value_replace(const encoder *e, const mg_json *v, mg_str text) {
    size_t start, end;
    if (e->h->json_span(v, &start, &end)) splice(e, start, end, text);
}

/* ---- members that the request decides ---------------------------------------------------------------------------- */

/* Members to append, gathered so that one splice before the closing brace holds them all. */
typedef struct addition {
    char text[6 * MODEL_MAX + 256];
    size_t n;
    size_t members; /* of the object before */
} addition;

static void addition_put(const encoder *e, addition *a, const char *key, mg_str value) {
    if (is_dropped(e, str_of(key))) return;
    a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "%s\"%s\":%.*s", a->members++ ? "," : "", key,
                             (int)value.n, value.p);
}

static mg_status model_encode(const encoder *e, addition *a, mg_error *error) {
    char quoted[6 * MODEL_MAX + 2];
    const mg_json *have = openai_get(e->h, e->request->root, "model");
    mg_str model = e->request->model;
    if (model.n == 0 || str_eq(e->h->json_str(have), model)) return MG_OK;
    if (model.n > MODEL_MAX)
        return openai_fail(error, 400, "invalid_model", "the model's name is longer than %d bytes", MODEL_MAX);
    mg_str text = {quoted, quote(model, quoted)};
    if (!have)
        addition_put(e, a, "model", text);
    else if (fate_of(e, STR("model")) != DROPPED)
        value_replace(e, have, text);
    return MG_OK;
}

static void stream_encode(const encoder *e, addition *a) {
    const mg_json *have = openai_get(e->h, e->request->root, "stream");
    bool says = e->h->json_bool(have, false);
    if (says == e->request->stream) return;
    mg_str text = e->request->stream ? STR("true") : STR("false");
    if (!have)
        addition_put(e, a, "stream", text);
    else if (fate_of(e, STR("stream")) != DROPPED)
        value_replace(e, have, text);
}

/* A stream_options that is no object is the client's fault, which the vendor names better than we could. */
static void usage_encode(const encoder *e, addition *a) {
    size_t start, end;
    const mg_json *options = openai_get(e->h, e->request->root, "stream_options");
    const mg_json *have = openai_get(e->h, options, "include_usage");
    if (!options) {
        addition_put(e, a, "stream_options", STR("{\"include_usage\":true}"));
        return;
    }
    if (fate_of(e, STR("stream_options")) == DROPPED || e->h->json_bool(have, false)) return;
    if (have) {
        value_replace(e, have, STR("true"));
    } else if (e->h->json_type(options) == MG_JSON_NULL) {
        value_replace(e, options, STR("{\"include_usage\":true}"));
    } else if (openai_is_object(e->h, options) && e->h->json_span(options, &start, &end)) {
        bool empty = !e->h->json_child(options);
        splice(e, end - 1, end - 1, empty ? STR("\"include_usage\":true") : STR(",\"include_usage\":true"));
    }
}

mg_status openai_encode_body(const mg_host *h, const openai_quirks *quirks, const mg_provider_request *request,
                             const mg_provider_out *out, mg_error *error) {
    encoder e = {h, quirks, request, out};
    addition add;
    size_t start, end;
    if (!openai_is_object(h, request->root) || !h->json_span(request->root, &start, &end))
        return openai_fail(error, 400, "invalid_json", "the request's body has to be a JSON object");
    add.n = 0;
    add.members = members_drop(&e);
    mg_status status = members_rename(&e, error);
    if (status == MG_OK) status = model_encode(&e, &add, error);
    if (status != MG_OK) return status;
    if (request->operation == MG_OP_CHAT) {
        stream_encode(&e, &add);
        if (request->stream && request->want_usage) usage_encode(&e, &add);
    }
    if (add.n) splice(&e, end - 1, end - 1, (mg_str){add.text, add.n});
    return MG_OK;
}
