/* Items into messages: what the assistant said, thought and called up to the next item of somebody else is one
 * message.
 *
 * `id` and `status` of items are bookkeeping, and not reported as left out. What OpenAI's own tools did in earlier
 * turns is a trace whose result stands in the answers that followed: left out and reported. Items that wait for a
 * result which the canonical form can't hold (computer, shell, patches, approvals) are refused. */
#include "format/responses.h"

typedef enum last_kind { LAST_NONE, LAST_PART, LAST_CALL } last_kind;

typedef struct writer {
    const mg_canon *c;
    size_t item; /* which one, for messages */
    size_t messages; /* written */
    bool open; /* an assistant's message is being put together */
    mg_buf parts, calls;
    size_t n_parts;
    mg_str only; /* the string, when it is all the content */
    last_kind last; /* what a signature that comes now belongs to */
} writer;

static const mg_json *get(const mg_json *object, const char *name) { return mg_json_get(object, mg_str_of(name)); }
static mg_str text_of(const mg_json *object, const char *name) { return mg_json_text(get(object, name)); }
static bool given(const mg_json *v) {
    return mg_json_kind(v) != MG_JSON_NULL && !(v->type >= MG_JSON_ARRAY && !v->count);
}

static void put(mg_buf *o, const char *text) { mg_buf_str(o, mg_str_of(text)); }
static void put_raw(const writer *w, mg_buf *o, const mg_json *v) { mg_buf_str(o, mg_responses_raw(w->c->source, v)); }
static void put_member(const writer *w, mg_buf *o, const char *name, const mg_json *v) {
    if (mg_json_kind(v) == MG_JSON_NULL) return;
    mg_buf_printf(o, ",\"%s\":", name);
    put_raw(w, o, v);
}

static void message_begin(writer *w) {
    if (w->messages++) put(w->c->out, ",");
}

/* ---- content parts ----------------------------------------------------------------------------------------------- */

/* Base64 without its type gets one from the file's name. */
static void write_file_data(mg_buf *o, const mg_json *data, mg_str filename) {
    static const char *const types[][2] = {
        {"*.txt", "text/plain"}, {"*.md", "text/markdown"}, {"*.csv", "text/csv"},   {"*.json", "application/json"},
        {"*.html", "text/html"}, {"*.png", "image/png"},    {"*.jpg", "image/jpeg"}, {"*.jpeg", "image/jpeg"},
        {"*.gif", "image/gif"},  {"*.webp", "image/webp"},
    };
    const char *type = "application/pdf";
    put(o, ",\"file_data\":");
    if (mg_str_starts(data->str, MG_STR("data:"))) {
        mg_buf_json(o, data->str);
        return;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (mg_str_glob(mg_str_of(types[i][0]), filename)) type = types[i][1];
    mg_buf_printf(o, "\"data:%s;base64,", type);
    mg_buf_json_raw(o, data->str);
    put(o, "\"");
}

static void write_file(const writer *w, mg_buf *o, const mg_json *part) {
    const mg_json *data = get(part, "file_data");
    put(o, "{\"type\":\"file\",\"file\":{");
    size_t inside = o->n;
    put_member(w, o, "filename", get(part, "filename"));
    if (mg_json_kind(data) == MG_JSON_STRING) write_file_data(o, data, text_of(part, "filename"));
    put_member(w, o, "file_url", get(part, "file_url"));
    put_member(w, o, "file_id", get(part, "file_id"));
    if (o->n > inside && !o->over) { /* each put a comma before itself */
        memmove(o->p + inside, o->p + inside + 1, o->n - inside - 1);
        o->n--;
    }
    put(o, "}");
}

static void write_image(const writer *w, mg_buf *o, const mg_json *part) {
    const mg_json *url = get(part, "image_url");
    if (mg_json_kind(url) != MG_JSON_STRING) {
        put(o, "{\"type\":\"file\",\"file\":{\"file_id\":");
        put_raw(w, o, get(part, "file_id"));
        put(o, "}");
        return;
    }
    put(o, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
    put_raw(w, o, url);
    put_member(w, o, "detail", get(part, "detail"));
    put(o, "}");
}

static void write_text(const writer *w, mg_buf *o, const mg_json *part, const char *type, const char *name) {
    mg_buf_printf(o, "{\"type\":\"%s\",\"%s\":", type, name);
    put_raw(w, o, get(part, name));
}

static mg_status bad_part(const writer *w, const char *list, size_t i, const char *what) {
    return mg_fail(w->c->error, 400, "invalid_value", "'input[%zu].%s[%zu]' %s.", w->item, list, i, what);
}

static bool is_string(const mg_json *v) { return mg_json_kind(v) == MG_JSON_STRING; }

/* Without the closing brace. */
static mg_status write_part_body(const writer *w, mg_buf *o, const mg_json *part, const char *list, size_t i) {
    mg_str type = text_of(part, "type");
    if (mg_str_is(type, "input_text") || mg_str_is(type, "output_text")) {
        if (!is_string(get(part, "text"))) return bad_part(w, list, i, "must have a 'text'");
        write_text(w, o, part, "text", "text");
    } else if (mg_str_is(type, "refusal")) {
        if (!is_string(get(part, "refusal"))) return bad_part(w, list, i, "must have a 'refusal'");
        write_text(w, o, part, "refusal", "refusal");
    } else if (mg_str_is(type, "input_image")) {
        if (!is_string(get(part, "image_url")) && !is_string(get(part, "file_id")))
            return bad_part(w, list, i, "must have an 'image_url' or a 'file_id'");
        write_image(w, o, part);
    } else if (mg_str_is(type, "input_file")) {
        if (!is_string(get(part, "file_data")) && !is_string(get(part, "file_url")) && !is_string(get(part, "file_id")))
            return bad_part(w, list, i, "must have 'file_data', a 'file_url' or a 'file_id'");
        write_file(w, o, part);
    } else if (mg_str_is(type, "input_audio")) {
        if (mg_json_kind(get(part, "input_audio")) != MG_JSON_OBJECT)
            return bad_part(w, list, i, "must have 'input_audio'");
        put(o, "{\"type\":\"input_audio\"");
        put_member(w, o, "input_audio", get(part, "input_audio"));
    } else {
        return bad_part(w, list, i, "is of a type that can't be translated for this model");
    }
    return MG_OK;
}

static mg_status write_part(const writer *w, mg_buf *o, const mg_json *part, const char *list, size_t i) {
    mg_status st = write_part_body(w, o, part, list, i);
    if (st != MG_OK) return st;
    if (given(get(part, "cache_control")))
        put_member(w, o, "cache_control", get(part, "cache_control"));
    else if (given(get(part, "prompt_cache_breakpoint")))
        put(o, ",\"cache_control\":{\"type\":\"ephemeral\"}");
    put(o, "}");
    if (given(get(part, "annotations"))) mg_responses_drop(w->c, "input[%zu].%s[%zu].annotations", w->item, list, i);
    if (given(get(part, "logprobs"))) mg_responses_drop(w->c, "input[%zu].%s[%zu].logprobs", w->item, list, i);
    return MG_OK;
}

/* A string, or a list of parts. */
static mg_status write_content(const writer *w, mg_buf *o, const mg_json *content, const char *list) {
    size_t i = 0;
    if (mg_json_kind(content) == MG_JSON_STRING) {
        put_raw(w, o, content);
        return MG_OK;
    }
    put(o, "[");
    for (const mg_json *p = mg_responses_first(content); p; p = p->next, i++) {
        if (i) put(o, ",");
        if (write_part(w, o, p, list, i) != MG_OK) return MG_ERROR;
    }
    put(o, "]");
    return MG_OK;
}

/* ---- the assistant's message ------------------------------------------------------------------------------------- */

static void assistant_end(writer *w) {
    mg_buf *o = w->c->out;
    if (w->open && (w->n_parts || w->calls.n)) {
        message_begin(w);
        put(o, "{\"role\":\"assistant\",\"content\":");
        if (w->only.p) {
            mg_buf_str(o, w->only);
        } else if (w->n_parts) {
            put(o, "[");
            mg_buf_str(o, mg_buf_view(&w->parts));
            put(o, "]");
        } else {
            put(o, "null");
        }
        if (w->calls.n) {
            put(o, ",\"tool_calls\":[");
            mg_buf_str(o, mg_buf_view(&w->calls));
            put(o, "]");
        }
        put(o, "}");
    }
    o->over |= w->parts.over || w->calls.over;
    mg_buf_clear(&w->parts);
    mg_buf_clear(&w->calls);
    w->open = false;
    w->n_parts = 0;
    w->only = (mg_str){0};
    w->last = LAST_NONE;
}

static mg_buf *part_begin(writer *w) {
    w->open = true;
    w->only = (mg_str){0};
    if (w->n_parts++) put(&w->parts, ",");
    w->last = LAST_PART;
    return &w->parts;
}

static mg_status on_assistant(writer *w, const mg_json *item) {
    const mg_json *content = get(item, "content");
    size_t i = 0;
    w->open = true;
    if (given(get(item, "phase"))) mg_responses_drop(w->c, "input[%zu].phase", w->item);
    if (mg_json_kind(content) == MG_JSON_STRING) {
        bool first = !w->n_parts;
        mg_buf *o = part_begin(w);
        put(o, "{\"type\":\"text\",\"text\":");
        put_raw(w, o, content);
        put(o, "}");
        if (first) w->only = mg_responses_raw(w->c->source, content);
        return MG_OK;
    }
    for (const mg_json *p = mg_responses_first(content); p; p = p->next, i++)
        if (write_part(w, part_begin(w), p, "content", i) != MG_OK) return MG_ERROR;
    return MG_OK;
}

static mg_status on_call(writer *w, const mg_json *item, bool custom) {
    mg_buf *o = &w->calls;
    w->open = true;
    w->last = LAST_CALL;
    if (o->n) put(o, ",");
    put(o, "{\"id\":");
    put_raw(w, o, get(item, "call_id"));
    put(o, custom ? ",\"type\":\"custom\",\"custom\":{\"name\":" : ",\"type\":\"function\",\"function\":{\"name\":");
    put_raw(w, o, get(item, "name"));
    put_member(w, o, custom ? "input" : "arguments", get(item, custom ? "input" : "arguments"));
    put(o, "}}");
    if (given(get(item, "namespace"))) mg_responses_drop(w->c, "input[%zu].namespace", w->item);
    return MG_OK;
}

/* The texts of a list as one JSON string: one alone comes back byte for byte. */
static void write_texts(mg_buf *o, const mg_json *list) {
    bool any = false;
    put(o, "\"");
    for (const mg_json *p = mg_responses_first(list); p; p = p->next) {
        mg_str text = text_of(p, "text");
        if (!text.n) continue;
        if (any) put(o, "\\n\\n");
        mg_buf_json_raw(o, text);
        any = true;
    }
    put(o, "\"");
}

static void put_vendor(mg_buf *o, mg_str vendor) {
    put(o, ",\"vendor\":");
    mg_buf_json(o, vendor);
    put(o, "}");
}

/* A signature goes into the part or call before it. */
static void on_signature(writer *w, const mg_mark *m) {
    mg_buf *o = w->last == LAST_CALL ? &w->calls : &w->parts;
    if (w->last == LAST_NONE || !o->n || o->over) {
        mg_responses_drop(w->c, "input[%zu].encrypted_content", w->item);
        return;
    }
    o->n--;
    put(o, ",\"signature\":");
    mg_buf_json(o, m->data);
    put_vendor(o, m->vendor);
    if (w->last == LAST_PART) w->only = (mg_str){0};
    w->last = LAST_NONE;
}

static mg_status on_reasoning(writer *w, const mg_json *item) {
    mg_mark m;
    const mg_json *texts = get(item, "summary"), *sealed = get(item, "encrypted_content");
    if (!given(texts)) texts = get(item, "content");
    if (!mg_responses_mark_read(mg_json_text(sealed), &m))
        return mg_fail(w->c->error, 400, "invalid_value",
                       "'input[%zu].encrypted_content' is not as this gateway wrote it: send it back unchanged.",
                       w->item);
    if (m.kind == MG_MARK_BEFORE) {
        on_signature(w, &m);
        return MG_OK;
    }
    if (!given(texts) && !m.data.n) {
        mg_responses_drop(w->c, "input[%zu]", w->item);
        return MG_OK;
    }
    mg_buf *o = part_begin(w);
    if (m.kind == MG_MARK_REDACTED) {
        put(o, "{\"type\":\"redacted_thinking\",\"data\":");
        mg_buf_json(o, m.data);
    } else {
        put(o, "{\"type\":\"thinking\",\"thinking\":");
        write_texts(o, texts);
        if (m.data.n) put(o, ",\"signature\":");
        if (m.data.n) mg_buf_json(o, m.data);
    }
    put_vendor(o, m.vendor);
    w->last = LAST_NONE;
    return MG_OK;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static mg_status on_message(writer *w, const mg_json *item) {
    mg_buf *o = w->c->out;
    mg_str role = text_of(item, "role");
    if (mg_str_is(role, "assistant")) return on_assistant(w, item);
    assistant_end(w);
    message_begin(w);
    put(o, "{\"role\":");
    mg_buf_json(o, role);
    put(o, ",\"content\":");
    if (write_content(w, o, get(item, "content"), "content") != MG_OK) return MG_ERROR;
    put_member(w, o, "cache_control", get(item, "cache_control"));
    put(o, "}");
    return MG_OK;
}

static mg_status on_output(writer *w, const mg_json *item) {
    mg_buf *o = w->c->out;
    if (!is_string(get(item, "call_id")))
        return mg_fail(w->c->error, 400, "missing_required_parameter",
                       "'input[%zu].call_id' must say which call this is the output of.", w->item);
    assistant_end(w);
    message_begin(w);
    put(o, "{\"role\":\"tool\",\"tool_call_id\":");
    put_raw(w, o, get(item, "call_id"));
    put(o, ",\"content\":");
    if (write_content(w, o, get(item, "output"), "output") != MG_OK) return MG_ERROR;
    put(o, "}");
    return MG_OK;
}

static mg_status on_other(writer *w, mg_str type) {
    static const char *const traces[] = {"web_search_call",       "file_search_call", "code_interpreter_call",
                                         "image_generation_call", "mcp_list_tools",   "mcp_call"};
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++)
        if (mg_str_is(type, traces[i])) {
            mg_responses_drop(w->c, "input[%zu]", w->item);
            w->last = LAST_NONE;
            return MG_OK;
        }
    if (!type.n || mg_str_is(type, "item_reference"))
        return mg_fail(w->c->error, 400, "unsupported_value",
                       "'input[%zu]' refers to an item that OpenAI keeps, and this model is not served by OpenAI's "
                       "responses: send the item itself.",
                       w->item);
    return mg_fail(
        w->c->error, 400, "unsupported_value",
        "'input[%zu]' is of type '%.*s', which only OpenAI's responses know: leave it out, or use a model of "
        "OpenAI's.",
        w->item, (int)(type.n < 60 ? type.n : 60), type.p);
}

static mg_status on_item(writer *w, const mg_json *item) {
    mg_str type = text_of(item, "type");
    if (mg_str_is(type, "message") || (!type.n && text_of(item, "role").n)) return on_message(w, item);
    if (mg_str_is(type, "function_call")) return on_call(w, item, false);
    if (mg_str_is(type, "custom_tool_call")) return on_call(w, item, true);
    if (mg_str_is(type, "function_call_output") || mg_str_is(type, "custom_tool_call_output"))
        return on_output(w, item);
    if (mg_str_is(type, "reasoning")) return on_reasoning(w, item);
    return on_other(w, type);
}

static void write_simple(writer *w, const char *role, const mg_json *text) {
    if (!is_string(text)) return;
    message_begin(w);
    mg_buf_printf(w->c->out, "{\"role\":\"%s\",\"content\":", role);
    put_raw(w, w->c->out, text);
    put(w->c->out, "}");
}

mg_status mg_responses_messages(const mg_canon *c, const mg_json *root) {
    writer w = {.c = c};
    mg_status st = MG_OK;
    put(c->out, "\"messages\":[");
    write_simple(&w, "system", get(root, "instructions"));
    write_simple(&w, "user", get(root, "input"));
    for (const mg_json *i = mg_responses_first(get(root, "input")); i && st == MG_OK; i = i->next, w.item++)
        st = on_item(&w, i);
    if (st == MG_OK) assistant_end(&w);
    put(c->out, "]");
    mg_buf_finish(&w.parts);
    mg_buf_finish(&w.calls);
    if (st == MG_OK && !w.messages)
        return mg_fail(c->error, 400, "missing_required_parameter",
                       "'input' holds nothing that this model could answer: it must be a text or a list of items.");
    return st;
}
