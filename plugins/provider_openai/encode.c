/* The body that OpenAI's servers get: the canonical text, changed only where it must be. */
#include <stdio.h>

#include "encode.h"

typedef enum fate { KEPT, DROPPED, RENAMED } fate;

/* ---- which members stay ------------------------------------------------------------------------------------------ */

bool openai_dropped(const encoder *e, mg_str key) {
    for (size_t i = 0; i < e->quirks->n_drop; i++)
        if (str_eq(e->quirks->drop[i], key)) return true;
    return e->translated && openai_addition_drops(e, key);
}

static const openai_pair *renaming(const encoder *e, mg_str key) {
    for (size_t i = 0; i < e->quirks->n_rename; i++)
        if (str_eq(e->quirks->rename[i].name, key)) return &e->quirks->rename[i];
    return NULL;
}

/* A key may stand in an object once only: true if another member bears, or gets before this one, the new name. */
static bool name_taken(const encoder *e, const openai_pair *r) {
    const mg_json *holder = e->h->json_get(e->request->root, r->value);
    if (holder && !openai_dropped(e, r->value) && !renaming(e, r->value)) return true;
    for (const openai_pair *earlier = e->quirks->rename; earlier < r; earlier++)
        if (str_eq(earlier->value, r->value) && !openai_dropped(e, earlier->name) &&
            e->h->json_get(e->request->root, earlier->name))
            return true;
    return false;
}

static fate fate_of(const encoder *e, mg_str key) {
    if (openai_dropped(e, key)) return DROPPED;
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

/* Offset behind the closing quote of the key that opens at `start`. */
static size_t key_end(mg_str body, size_t start) {
    size_t i = start + 1;
    while (i < body.n && body.p[i] != '"') i += body.p[i] == '\\' ? 2 : 1;
    return i + 1;
}

void openai_remover_put(remover *r, size_t start, size_t end, bool dropped) {
    if (!dropped) {
        if (r->opening) openai_splice(r->e, r->open_start, start, STR(""));
        r->opening = false;
        r->kept++;
    } else if (r->kept) {
        openai_splice(r->e, r->previous_end, end, STR(""));
    } else if (!r->opening) {
        r->opening = true;
        r->open_start = start;
    }
    r->previous_end = end;
}

void openai_remover_end(remover *r) {
    if (r->opening) openai_splice(r->e, r->open_start, r->previous_end, STR(""));
}

/* Returns how many members stay. Those that a translation made for us are no loss: thinking has become something else. */
static size_t members_drop(const encoder *e) {
    remover r = {.e = e};
    size_t start, end;
    for (const mg_json *m = e->h->json_child(e->request->root); m; m = e->h->json_next(m)) {
        if (!e->h->json_member_span(m, &start, &end)) continue;
        mg_str key = e->h->json_key(m);
        bool dropped = fate_of(e, key) == DROPPED;
        if (dropped && !openai_addition_kept(e, key)) e->out->drop(e->out->ctx, key);
        openai_remover_put(&r, start, end, dropped);
    }
    openai_remover_end(&r);
    return r.kept;
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
        openai_splice(e, start, key_end(e->request->body, start), (mg_str){name, quote(r->value, name)});
    }
    return MG_OK;
}

static void value_replace(const encoder *e, const mg_json *v, mg_str text) {
    size_t start, end;
    if (e->h->json_span(v, &start, &end)) openai_splice(e, start, end, text);
}

/* ---- members that the request decides ---------------------------------------------------------------------------- */

void openai_addition_put(const encoder *e, addition *a, const char *key, mg_str value) {
    if (openai_dropped(e, str_of(key))) return;
    a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "%s\"%s\":%.*s", a->members++ ? "," : "", key,
                             (int)value.n, value.p);
}

static mg_status model_encode(const encoder *e, mg_str model, addition *a, mg_error *error) {
    char quoted[6 * MODEL_MAX + 2];
    const mg_json *have = openai_get(e->h, e->request->root, "model");
    if (model.n == 0 || str_eq(e->h->json_str(have), model)) return MG_OK;
    if (model.n > MODEL_MAX)
        return openai_fail(error, 400, "invalid_model", "the model's name is longer than %d bytes", MODEL_MAX);
    mg_str text = {quoted, quote(model, quoted)};
    if (!have)
        openai_addition_put(e, a, "model", text);
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
        openai_addition_put(e, a, "stream", text);
    else if (fate_of(e, STR("stream")) != DROPPED)
        value_replace(e, have, text);
}

/* A stream_options that is no object is the client's fault, which the vendor names better than we could. */
static void usage_encode(const encoder *e, addition *a) {
    size_t start, end;
    const mg_json *options = openai_get(e->h, e->request->root, "stream_options");
    const mg_json *have = openai_get(e->h, options, "include_usage");
    if (!options) {
        openai_addition_put(e, a, "stream_options", STR("{\"include_usage\":true}"));
        return;
    }
    if (fate_of(e, STR("stream_options")) == DROPPED || e->h->json_bool(have, false)) return;
    if (have) {
        value_replace(e, have, STR("true"));
    } else if (e->h->json_type(options) == MG_JSON_NULL) {
        value_replace(e, options, STR("{\"include_usage\":true}"));
    } else if (openai_is_object(e->h, options) && e->h->json_span(options, &start, &end)) {
        bool empty = !e->h->json_child(options);
        openai_splice(e, end - 1, end - 1, empty ? STR("\"include_usage\":true") : STR(",\"include_usage\":true"));
    }
}

/* Members that are our own stand only where they are looked for: in what the host has translated, and in messages in which
 * a client hands back what it got from another vendor. */
static bool holds_ours(const encoder *e) {
    const mg_json *m = e->quirks->strict ? e->h->json_child(openai_get(e->h, e->request->root, "messages")) : NULL;
    for (; m; m = e->h->json_next(m)) {
        if (openai_get(e->h, m, "thinking_blocks") || openai_get(e->h, m, "reasoning_content")) return true;
        const mg_json *call = e->h->json_child(openai_get(e->h, m, "tool_calls"));
        for (; call; call = e->h->json_next(call))
            if (openai_get(e->h, call, "vendor")) return true;
    }
    return false;
}

mg_status openai_encode_body(const mg_host *h, const openai_quirks *quirks, const mg_provider_request *request,
                             mg_str model, const mg_provider_out *out, mg_error *error) {
    encoder e = {h, quirks, request, out, .translated = openai_translated(request)};
    addition add;
    size_t start, end;
    bool canonical_chat = request->operation == MG_OP_CHAT && request->format == MG_FORMAT_OPENAI;
    if (!openai_is_object(h, request->root) || !h->json_span(request->root, &start, &end))
        return openai_fail(error, 400, "invalid_json", "the request's body has to be a JSON object");
    mg_status status = MG_OK;
    e.translated = e.translated && canonical_chat;
    if (canonical_chat && (e.translated || holds_ours(&e))) status = openai_messages_clean(&e, error);
    if (status == MG_OK && e.translated) status = openai_tools_clean(&e, error);
    if (status != MG_OK) return status;
    add.n = 0;
    add.members = members_drop(&e);
    status = members_rename(&e, error);
    if (status == MG_OK) status = model_encode(&e, model, &add, error);
    if (status != MG_OK) return status;
    if (request->operation == MG_OP_CHAT) stream_encode(&e, &add);
    if (canonical_chat && request->stream && request->want_usage) usage_encode(&e, &add);
    if (e.translated) openai_thinking_encode(&e, &add);
    if (add.n) openai_splice(&e, end - 1, end - 1, (mg_str){add.text, add.n});
    return MG_OK;
}
