/* Gemini's contents as messages of the canonical form. */
#include "format/gemini.h"

/* ---- calls and their results -------------------------------------------------------------------------------------------------- */

typedef struct call {
    struct call *next;
    mg_str id, name;
    bool answered;
} call;

enum { MOST_STEPS = 20000000 }; /* of comparing names: a request that needs more is no conversation */

typedef struct conversation {
    const mg_gemini_canon *canon;
    call *calls, **tail, *unanswered; /* from `unanswered` on some call may have no result yet */
    int64_t n_calls, steps;
} conversation;

static mg_str add_call(conversation *v, const mg_json *function) {
    call *k = MG_ARENA_NEW(v->canon->arena, call);
    mg_str id = mg_gemini_text(function, "id");
    v->n_calls++;
    k->id = id.n ? id : mg_arena_printf(v->canon->arena, "call_%lld", (long long)v->n_calls);
    k->name = mg_gemini_text(function, "name");
    *v->tail = k;
    v->tail = &k->next;
    if (!v->unanswered) v->unanswered = k;
    return k->id;
}

static call *find_call(conversation *v, call *from, mg_str id, mg_str name, bool open) {
    for (call *k = from; k && v->steps < MOST_STEPS; k = k->next, v->steps++) {
        if (open && k->answered) continue;
        if (id.n ? mg_str_eq(k->id, id) : mg_str_eq(k->name, name)) return k;
    }
    return NULL;
}

/* The call that a result is for: by its id, else the first of that name without a result, else the latest of it. */
static call *call_of(conversation *v, const mg_json *response) {
    const mg_str none = {NULL, 0};
    mg_str id = mg_gemini_text(response, "id"), name = mg_gemini_text(response, "name");
    while (v->unanswered && v->unanswered->answered) v->unanswered = v->unanswered->next;
    call *k = id.n ? find_call(v, v->unanswered, id, none, false) : NULL;
    if (!k && id.n) k = find_call(v, v->calls, id, none, false);
    if (!k) k = find_call(v, v->unanswered, none, name, true);
    if (!k) k = find_call(v, v->calls, none, name, false);
    if (k) k->answered = true;
    return k;
}

/* {"result": X}, {"output": X} and {"error": X} say X; everything else is told as it is. */
static const mg_json *result_of(const mg_json *response, bool *failed) {
    const mg_json *only = mg_json_kind(response) == MG_JSON_OBJECT && response->count == 1 ? response->child : NULL;
    *failed = only && mg_str_is(only->key, "error");
    bool named = only && (mg_str_is(only->key, "result") || mg_str_is(only->key, "output") || *failed);
    return named ? only : response;
}

static void write_result(const mg_gemini_canon *c, mg_buf *b, const mg_json *result) {
    if (mg_json_kind(result) == MG_JSON_STRING)
        mg_buf_json(b, result->str);
    else
        mg_buf_json(b, result ? mg_gemini_source(c->source, result) : MG_STR("{}"));
}

static void write_result_content(const mg_gemini_canon *c, mg_buf *b, const mg_json *response, const mg_json *result) {
    const mg_json *parts = mg_gemini_get(response, "parts");
    mg_gemini_key(b, "content");
    if (!mg_gemini_first(parts)) {
        write_result(c, b, result);
        return;
    }
    mg_buf_str(b, MG_STR("[{\"type\":\"text\",\"text\":"));
    write_result(c, b, result);
    mg_buf_str(b, MG_STR("}"));
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p)) mg_gemini_media(c, b, p);
    mg_buf_str(b, MG_STR("]"));
}

static mg_status tool_message(conversation *v, const mg_json *response) {
    static const char *const lost[] = {"willContinue", "scheduling"};
    const mg_gemini_canon *c = v->canon;
    call *k = call_of(v, response);
    bool failed;
    const mg_json *result = result_of(mg_gemini_get(response, "response"), &failed);
    mg_str name = mg_gemini_text(response, "name");
    if (!k)
        return mg_fail(c->error, 400, "invalid_value",
                       "'contents' has a functionResponse for '%.*s' without a functionCall before it.",
                       (int)(name.n < 100 ? name.n : 100), name.p);
    mg_gemini_comma(c->out);
    mg_buf_str(c->out, MG_STR("{\"role\":\"tool\""));
    mg_gemini_pair(c->out, "tool_call_id", k->id);
    write_result_content(c, c->out, response, result);
    if (failed) mg_buf_str(c->out, MG_STR(",\"is_error\":true"));
    mg_buf_str(c->out, MG_STR("}"));
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (mg_gemini_get(response, lost[i])) mg_gemini_drop(c, "functionResponse.%s", lost[i]);
    return MG_OK;
}

/* ---- content ---------------------------------------------------------------------------------------------------------------- */

/* A message's content while it is put together: a string if all that it has is one text. */
typedef struct content {
    mg_buf list;
    mg_buf run; /* text whose part is not complete yet */
    bool run_thought, run_open;
    size_t n;
    mg_str only; /* the text of the first element; {NULL, 0} if there is more to it */
} content;

static void content_finish(content *m) {
    mg_buf_finish(&m->list);
    mg_buf_finish(&m->run);
}

static void write_signature(mg_buf *b, const mg_gemini_signature *s, bool thought) {
    if (s->text.n) mg_gemini_pair(b, "signature", s->text);
    if (s->text.n || thought) mg_gemini_pair(b, "vendor", s->text.n ? s->vendor : MG_STR("gemini"));
}

static void add_text(const mg_gemini_canon *c, content *m, mg_str text, bool thought, const mg_gemini_signature *s) {
    mg_gemini_comma(&m->list);
    mg_buf_str(&m->list, thought ? MG_STR("{\"type\":\"thinking\"") : MG_STR("{\"type\":\"text\""));
    mg_gemini_pair(&m->list, thought ? "thinking" : "text", text);
    write_signature(&m->list, s, thought);
    mg_buf_str(&m->list, MG_STR("}"));
    m->only = !m->n && !thought && !s->text.n ? mg_arena_dup(c->arena, text) : (mg_str){NULL, 0};
    m->n++;
}

/* Ends the text that is being collected. */
static void end_run(const mg_gemini_canon *c, content *m, const mg_gemini_signature *s) {
    if (m->run_open) add_text(c, m, mg_buf_view(&m->run), m->run_thought, s);
    m->run_open = false;
    mg_buf_clear(&m->run);
}

static const mg_gemini_signature UNSIGNED;

static void add_redacted(content *m, const mg_gemini_signature *s) {
    mg_gemini_comma(&m->list);
    mg_buf_str(&m->list, MG_STR("{\"type\":\"redacted_thinking\""));
    mg_gemini_pair(&m->list, "data", s->text);
    mg_gemini_pair(&m->list, "vendor", s->vendor);
    mg_buf_str(&m->list, MG_STR("}"));
    m->only = (mg_str){NULL, 0};
    m->n++;
}

/* A model's text may come back in the pieces in which it was streamed, the signature in the last, which is empty. Gemini's own
 * signed parts stay apart, as its documentation wants it. */
static void add_model_text(const mg_gemini_canon *c, content *m, const mg_json *part) {
    mg_str text = mg_gemini_text(part, "text");
    bool thought = mg_gemini_bool(part, "thought");
    mg_gemini_signature s = mg_gemini_signature_read(c->arena, mg_gemini_text(part, "thoughtSignature"));
    bool own = mg_str_is(s.vendor, "gemini");
    if (m->run_open && (m->run_thought != thought || own || s.redacted)) end_run(c, m, &UNSIGNED);
    if (s.redacted) {
        add_redacted(m, &s);
    } else if (own) {
        add_text(c, m, text, thought, &s);
    } else if (text.n || s.text.n) {
        m->run_open = true;
        m->run_thought = thought;
        mg_buf_str(&m->run, text);
        if (s.text.n) end_run(c, m, &s);
    }
}

/* Code that Gemini ran, and what came of it, told in words: no other vendor's model has a part for it. */
static bool add_code(const mg_gemini_canon *c, content *m, const mg_json *part) {
    const mg_json *code = mg_gemini_get(part, "executableCode"), *result = mg_gemini_get(part, "codeExecutionResult");
    if (!code && !result) return false;
    mg_str text = code ? mg_gemini_text(code, "code") : mg_gemini_text(result, "output");
    mg_buf b = {0};
    mg_buf_str(&b, code ? MG_STR("```python\n") : MG_STR("```\n"));
    mg_buf_str(&b, text);
    mg_buf_str(&b, text.n && text.p[text.n - 1] == '\n' ? MG_STR("```") : MG_STR("\n```"));
    add_text(c, m, mg_buf_view(&b), false, &UNSIGNED);
    mg_buf_finish(&b);
    return true;
}

static void add_media(const mg_gemini_canon *c, content *m, const mg_json *part) {
    if (!mg_gemini_media(c, &m->list, part)) return;
    m->only = (mg_str){NULL, 0};
    m->n++;
}

/* What a part holds that has no place elsewhere. */
static void drop_unknown(const mg_gemini_canon *c, const mg_json *part) {
    static const char *const known[] = {"text",
                                        "inlineData",
                                        "fileData",
                                        "functionCall",
                                        "thought",
                                        "functionResponse",
                                        "executableCode",
                                        "codeExecutionResult",
                                        "thoughtSignature",
                                        "videoMetadata",
                                        "mediaResolution"};
    for (const mg_json *m = part->child; m; m = m->next) {
        bool found = m->type == MG_JSON_NULL;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) found = found || mg_gemini_named(m->key, known[i]);
        if (!found) mg_gemini_drop(c, "contents.parts.%.*s", (int)(m->key.n < 100 ? m->key.n : 100), m->key.p);
    }
}

static void write_content(mg_buf *b, const content *m) {
    mg_gemini_key(b, "content");
    if (m->n == 1 && m->only.p) {
        mg_buf_json(b, m->only);
    } else {
        mg_buf_str(b, MG_STR("["));
        mg_buf_str(b, mg_buf_view(&m->list));
        mg_buf_str(b, MG_STR("]"));
    }
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------- */

static void write_message(mg_buf *b, const char *role, const content *m) {
    if (!m->n) return;
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{"));
    mg_gemini_pair(b, "role", mg_str_of(role));
    write_content(b, m);
    mg_buf_str(b, MG_STR("}"));
}

static mg_status system_message(const mg_gemini_canon *c, const mg_json *system) {
    content m = {0};
    mg_status st = MG_OK;
    const mg_json *parts = mg_gemini_get(system, "parts");
    if (mg_json_kind(system) == MG_JSON_STRING) add_text(c, &m, system->str, false, &UNSIGNED);
    for (const mg_json *p = mg_gemini_first(parts); p && st == MG_OK; p = mg_gemini_next(parts, p)) {
        const mg_json *text = mg_gemini_get(p, "text");
        if (text)
            add_text(c, &m, mg_json_text(text), false, &UNSIGNED);
        else
            st = mg_fail(c->error, 400, "unsupported_parameter",
                         "'systemInstruction.parts' holds something else than text, which only Gemini's models take.");
    }
    if (st == MG_OK) write_message(c->out, "system", &m);
    content_finish(&m);
    return st;
}

/* Results of tools come first: they have to follow their calls. */
static mg_status user_message(conversation *v, const mg_json *content_value) {
    const mg_gemini_canon *c = v->canon;
    const mg_json *parts = mg_gemini_get(content_value, "parts");
    content m = {0};
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p)) {
        const mg_json *response = mg_gemini_get(p, "functionResponse");
        if (response && tool_message(v, response) != MG_OK) return MG_ERROR;
    }
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p)) {
        const mg_json *text = mg_gemini_get(p, "text");
        drop_unknown(c, p);
        if (text)
            add_text(c, &m, mg_json_text(text), false, &UNSIGNED);
        else if (!add_code(c, &m, p))
            add_media(c, &m, p);
    }
    write_message(c->out, mg_str_is(mg_gemini_text(content_value, "role"), "system") ? "system" : "user", &m);
    content_finish(&m);
    return MG_OK;
}

static void add_tool_call(conversation *v, mg_buf *calls, const mg_json *part, const mg_json *function) {
    const mg_json *args = mg_gemini_get(function, "args");
    mg_gemini_signature s = mg_gemini_signature_read(v->canon->arena, mg_gemini_text(part, "thoughtSignature"));
    mg_gemini_comma(calls);
    mg_buf_str(calls, MG_STR("{"));
    mg_gemini_pair(calls, "id", add_call(v, function));
    mg_gemini_pair(calls, "type", MG_STR("function"));
    mg_gemini_key(calls, "function");
    mg_buf_str(calls, MG_STR("{"));
    mg_gemini_pair(calls, "name", mg_gemini_text(function, "name"));
    mg_gemini_pair(calls, "arguments", args ? mg_gemini_source(v->canon->source, args) : MG_STR("{}"));
    mg_buf_str(calls, MG_STR("}"));
    if (!s.redacted) write_signature(calls, &s, false);
    mg_buf_str(calls, MG_STR("}"));
}

/* Some parts have nothing but a signature. */
static bool is_text(const mg_json *part) {
    static const char *const data[] = {"functionCall", "functionResponse", "inlineData",     "fileData",
                                       "toolCall",     "toolResponse",     "executableCode", "codeExecutionResult"};
    if (mg_gemini_get(part, "text")) return true;
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++)
        if (mg_gemini_get(part, data[i])) return false;
    return mg_gemini_get(part, "thoughtSignature") != NULL;
}

static void add_model_part(conversation *v, content *m, mg_buf *calls, const mg_json *part) {
    const mg_gemini_canon *c = v->canon;
    const mg_json *function = mg_gemini_get(part, "functionCall");
    drop_unknown(c, part);
    if (mg_gemini_get(part, "functionResponse")) mg_gemini_drop(c, "contents.parts.functionResponse of a model");
    if (is_text(part)) {
        add_model_text(c, m, part);
        return;
    }
    end_run(c, m, &UNSIGNED);
    if (function)
        add_tool_call(v, calls, part, function);
    else if (!add_code(c, m, part))
        add_media(c, m, part);
}

static bool is_model(const mg_json *content_value) { return mg_str_is(mg_gemini_text(content_value, "role"), "model"); }

/* A model's turn may be spread over contents, one for each chunk of the stream that it came in. Moves *at past them. */
static void model_message(conversation *v, const mg_json *contents, const mg_json **at) {
    content m = {0};
    mg_buf calls = {0}, *b = v->canon->out;
    for (; *at && is_model(*at); *at = mg_gemini_next(contents, *at)) {
        const mg_json *parts = mg_gemini_get(*at, "parts");
        for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p))
            add_model_part(v, &m, &calls, p);
    }
    end_run(v->canon, &m, &UNSIGNED);
    if (m.n || calls.n) {
        mg_gemini_comma(b);
        mg_buf_str(b, MG_STR("{\"role\":\"assistant\""));
        if (m.n)
            write_content(b, &m);
        else
            mg_buf_str(b, MG_STR(",\"content\":null"));
        if (calls.n) {
            mg_gemini_key(b, "tool_calls");
            mg_buf_str(b, MG_STR("["));
            mg_buf_str(b, mg_buf_view(&calls));
            mg_buf_str(b, MG_STR("]"));
        }
        mg_buf_str(b, MG_STR("}"));
    }
    mg_buf_finish(&calls);
    content_finish(&m);
}

mg_status mg_gemini_messages(const mg_gemini_canon *c, const mg_json *request) {
    conversation v = {.canon = c, .tail = &v.calls};
    const mg_json *contents = mg_gemini_get(request, "contents"), *system = mg_gemini_get(request, "systemInstruction");
    mg_gemini_key(c->out, "messages");
    mg_buf_str(c->out, MG_STR("["));
    if (system && system_message(c, system) != MG_OK) return MG_ERROR;
    for (const mg_json *at = mg_gemini_first(contents); at;) {
        if (is_model(at)) {
            model_message(&v, contents, &at);
            continue;
        }
        if (user_message(&v, at) != MG_OK) return MG_ERROR;
        at = mg_gemini_next(contents, at);
    }
    mg_buf_str(c->out, MG_STR("]"));
    return MG_OK;
}
