/* What a response repeats of its request, and what it takes out of a vendor's JSON. */
#include "format/responses.h"

static const mg_json *get(const mg_json *object, const char *name) { return mg_json_get(object, mg_str_of(name)); }
static bool given(const mg_json *v) { return mg_json_kind(v) != MG_JSON_NULL; }
static void put(mg_buf *o, const char *text) { mg_buf_str(o, mg_str_of(text)); }

/* ---- trees ------------------------------------------------------------------------------------------------------- */

const mg_json *mg_responses_parse(const mg_reply *r, mg_str json) {
    const mg_json *root = NULL;
    mg_error ignored;
    mg_json_parser *parser = mg_json_parser_create();
    mg_status st = mg_json_parse_copy(parser, r->arena, json, &root, &ignored);
    mg_json_parser_destroy(parser);
    return st == MG_OK ? root : NULL;
}

void mg_responses_tree(const mg_json *v, mg_buf *o) {
    switch (mg_json_kind(v)) {
    case MG_JSON_NULL: put(o, "null"); return;
    case MG_JSON_BOOL: put(o, v->truth ? "true" : "false"); return;
    case MG_JSON_NUMBER: mg_buf_str(o, v->str); return;
    case MG_JSON_STRING: mg_buf_json(o, v->str); return;
    default: break;
    }
    bool object = v->type == MG_JSON_OBJECT;
    put(o, object ? "{" : "[");
    for (const mg_json *c = v->child; c; c = c->next) {
        if (object) mg_buf_json(o, c->key);
        if (object) put(o, ":");
        mg_responses_tree(c, o);
        if (c->next) put(o, ",");
    }
    put(o, object ? "}" : "]");
}

/* ---- log probabilities ------------------------------------------------------------------------------------------- */

/* Chat's bytes may be null, these may not. */
static void write_token(const mg_json *t, mg_buf *o) {
    const mg_json *p = get(t, "logprob");
    put(o, "{\"token\":");
    mg_buf_json(o, mg_json_text(get(t, "token")));
    put(o, ",\"logprob\":");
    if (mg_json_kind(p) == MG_JSON_NUMBER)
        mg_responses_tree(p, o);
    else
        put(o, "0");
    put(o, ",\"bytes\":");
    if (mg_json_kind(get(t, "bytes")) == MG_JSON_ARRAY)
        mg_responses_tree(get(t, "bytes"), o);
    else
        put(o, "[]");
}

void mg_responses_logprobs(const mg_reply *r, mg_str list, mg_buf *o) {
    put(o, "[");
    for (const mg_json *t = mg_responses_first(mg_responses_parse(r, list)); t; t = t->next) {
        write_token(t, o);
        put(o, ",\"top_logprobs\":[");
        for (const mg_json *a = mg_responses_first(get(t, "top_logprobs")); a; a = a->next) {
            write_token(a, o);
            put(o, a->next ? "}," : "}");
        }
        put(o, t->next ? "]}," : "]}");
    }
    put(o, "]");
}

/* ---- annotations ------------------------------------------------------------------------------------------------- */

static void put_text(mg_buf *o, const char *name, const mg_json *v) {
    mg_buf_printf(o, ",\"%s\":", name);
    mg_buf_json(o, mg_json_text(v));
}

static void put_int(mg_buf *o, const char *name, const mg_json *v) {
    mg_buf_printf(o, ",\"%s\":%lld", name, (long long)mg_json_int(v, 0));
}

static void write_url(const mg_json *a, mg_buf *o) {
    put(o, "{\"type\":\"url_citation\"");
    put_text(o, "url", get(a, "url"));
    put_int(o, "start_index", get(a, "start_index"));
    put_int(o, "end_index", get(a, "end_index"));
    put_text(o, "title", get(a, "title"));
    put(o, "}");
}

/* A document of the request's, by its title and place. */
static void write_document(const mg_json *a, mg_buf *o) {
    const mg_json *name = get(a, "filename"), *index = get(a, "index");
    put(o, "{\"type\":\"file_citation\"");
    put_text(o, "file_id", get(a, "file_id"));
    put_int(o, "index", index ? index : get(a, "document_index"));
    put_text(o, "filename", given(name) ? name : get(a, "document_title"));
    put(o, "}");
}

/* Another vendor's citation by what it names: a page, or one of the request's documents. */
static bool write_foreign(const mg_json *citation, mg_buf *o) {
    bool url = mg_json_text(get(citation, "url")).n;
    if (!url && !mg_json_text(get(citation, "document_title")).n && !get(citation, "document_index")) return false;
    (url ? write_url : write_document)(citation, o);
    return true;
}

bool mg_responses_annotation(const mg_reply *r, mg_str json, mg_buf *o) {
    const mg_json *a = mg_responses_parse(r, json);
    bool foreign = mg_str_is(mg_json_text(get(a, "type")), "vendor_citation");
    if (foreign && !mg_str_is(mg_json_text(get(a, "vendor")), "openai")) return write_foreign(get(a, "citation"), o);
    if (foreign) a = get(a, "citation");
    const mg_json *inner = get(a, "url_citation");
    mg_str type = mg_json_text(get(a, "type"));
    if (mg_str_is(type, "url_citation")) {
        write_url(inner ? inner : a, o);
    } else if (mg_str_is(type, "file_citation")) {
        write_document(get(a, "file_citation") ? get(a, "file_citation") : a, o);
    } else if (mg_str_is(type, "file_path") || mg_str_is(type, "container_file_citation")) {
        mg_responses_tree(a, o);
    } else {
        return false;
    }
    return true;
}

/* ---- the request's settings -------------------------------------------------------------------------------------- */

/* What a tool was given to log in with stays out of answers. */
static bool is_secret(mg_str key) { return mg_str_is(key, "authorization") || mg_str_is(key, "headers"); }

static void write_tool(const mg_json *tool, mg_buf *o) {
    bool first = true, function = mg_str_is(mg_json_text(get(tool, "type")), "function");
    put(o, "{");
    for (const mg_json *m = tool->child; m; m = m->next) {
        if (is_secret(m->key)) continue;
        if (!first) put(o, ",");
        first = false;
        mg_buf_json(o, m->key);
        put(o, ":");
        mg_responses_tree(m, o);
    }
    if (function && !get(tool, "parameters")) put(o, ",\"parameters\":null");
    if (function && !get(tool, "strict")) put(o, ",\"strict\":null");
    put(o, "}");
}

static void write_tools(const mg_json *request, mg_buf *o) {
    put(o, ",\"tools\":[");
    for (const mg_json *t = mg_responses_first(get(request, "tools")); t; t = t->next) {
        write_tool(t, o);
        if (t->next) put(o, ",");
    }
    put(o, "]");
}

static void write_text(const mg_json *text, mg_buf *o) {
    const mg_json *format = get(text, "format"), *verbosity = get(text, "verbosity");
    put(o, ",\"text\":{\"format\":");
    if (given(format))
        mg_responses_tree(format, o);
    else
        put(o, "{\"type\":\"text\"}");
    if (given(verbosity)) {
        put(o, ",\"verbosity\":");
        mg_responses_tree(verbosity, o);
    }
    put(o, "}");
}

typedef struct echo {
    const char *name;
    const char *otherwise; /* what stands there if the request does not say; NULL: nothing */
} echo;

static const echo echoes[] = {{"instructions", "null"},
                              {"max_output_tokens", "null"},
                              {"max_tool_calls", "null"},
                              {"metadata", "{}"},
                              {"parallel_tool_calls", "true"},
                              {"prompt_cache_key", NULL},
                              {"reasoning", "{\"effort\":null,\"summary\":null}"},
                              {"safety_identifier", NULL},
                              {"temperature", "1"},
                              {"tool_choice", "\"auto\""},
                              {"top_logprobs", "0"},
                              {"top_p", "1"},
                              {"truncation", "\"disabled\""},
                              {"user", NULL}};

void mg_responses_echo(const mg_json *request, mg_buf *o) {
    for (size_t i = 0; i < sizeof echoes / sizeof echoes[0]; i++) {
        const mg_json *v = get(request, echoes[i].name);
        if (!given(v) && !echoes[i].otherwise) continue;
        mg_buf_printf(o, ",\"%s\":", echoes[i].name);
        if (given(v))
            mg_responses_tree(v, o);
        else
            put(o, echoes[i].otherwise);
    }
    mg_str tier = mg_json_text(get(request, "service_tier"));
    put(o, ",\"service_tier\":");
    mg_buf_json(o, tier.n && !mg_str_is(tier, "auto") ? tier : MG_STR("default"));
    write_text(get(request, "text"), o);
    write_tools(request, o);
}
