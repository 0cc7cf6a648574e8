/* What the gateway reads out of Gemini's requests. */
#include "format/gemini.h"

void mg_gemini_read(mg_operation op, const mg_json *root, mg_facts *out) {
    const mg_json *request = mg_gemini_request(op, root), *config = mg_gemini_get(request, "generationConfig");
    const mg_json *labels = mg_gemini_get(request, "labels");
    int64_t max_output = mg_gemini_int(mg_gemini_get(config, "maxOutputTokens"), -1);
    int64_t choices = mg_gemini_int(mg_gemini_get(config, "candidateCount"), 1);
    *out = (mg_facts){.model = MG_STR(""),
                      .user = MG_STR(""),
                      .usage_asked = true,
                      .tags = mg_json_kind(labels) == MG_JSON_OBJECT ? labels : NULL,
                      .max_output = max_output > 0 ? max_output : -1,
                      .choices = choices > 0 ? choices : 1,
                      .tools = mg_gemini_get(request, "tools"),
                      .single = op == MG_OP_EMBEDDINGS && !mg_gemini_get(root, "requests")};
}

/* ---- parts ----------------------------------------------------------------------------------------------------------- */

typedef struct part_list {
    mg_part_sink *take;
    void *arg;
    mg_str role;
} part_list;

static void add_text(const part_list *l, mg_part_kind kind, mg_str role, mg_str name, const mg_json *text) {
    if (mg_json_kind(text) != MG_JSON_STRING) return;
    const mg_part p = {kind, role, name, {0}, text, text->str.n};
    l->take(l->arg, &p);
}

/* Each string inside a value. */
static void add_strings(const part_list *l, mg_part_kind kind, mg_str role, mg_str name, const mg_json *v) {
    add_text(l, kind, role, name, v);
    if (mg_json_kind(v) != MG_JSON_ARRAY && mg_json_kind(v) != MG_JSON_OBJECT) return;
    for (const mg_json *c = v->child; c; c = c->next) add_strings(l, kind, role, name, c);
}

static void add_media(const part_list *l, mg_str role, const mg_json *part) {
    const mg_json *inline_data = mg_gemini_get(part, "inlineData"), *file = mg_gemini_get(part, "fileData");
    const mg_json *holder = inline_data ? inline_data : file;
    const mg_json *payload = mg_gemini_get(holder, inline_data ? "data" : "fileUri");
    if (!holder) return;
    mg_part p = {
        .role = role, .mime = mg_gemini_text(holder, "mimeType"), .name = mg_gemini_text(holder, "displayName")};
    p.kind = mg_str_starts(p.mime, MG_STR("image/"))   ? MG_PART_IMAGE
             : mg_str_starts(p.mime, MG_STR("audio/")) ? MG_PART_AUDIO
                                                       : MG_PART_FILE;
    p.bytes = payload ? payload->src_end - payload->src : 0;
    l->take(l->arg, &p);
}

/* What a tool returned is text, as it is in OpenAI's form. */
static void add_response(const part_list *l, const mg_json *response) {
    mg_str name = mg_gemini_text(response, "name");
    add_strings(l, MG_PART_TEXT, MG_STR("tool"), name, mg_gemini_get(response, "response"));
    const mg_json *parts = mg_gemini_get(response, "parts");
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p)) add_media(l, MG_STR("tool"), p);
}

static void add_part(const part_list *l, const mg_json *part) {
    const mg_json *call = mg_gemini_get(part, "functionCall"), *response = mg_gemini_get(part, "functionResponse");
    mg_part_kind kind = mg_gemini_bool(part, "thought") ? MG_PART_OTHER : MG_PART_TEXT;
    add_text(l, kind, l->role, MG_STR(""), mg_gemini_get(part, "text"));
    add_text(l, kind, l->role, MG_STR(""), mg_gemini_get(mg_gemini_get(part, "executableCode"), "code"));
    add_text(l, kind, l->role, MG_STR(""), mg_gemini_get(mg_gemini_get(part, "codeExecutionResult"), "output"));
    if (call)
        add_strings(l, MG_PART_TOOL_ARGUMENTS, l->role, mg_gemini_text(call, "name"), mg_gemini_get(call, "args"));
    if (response) add_response(l, response);
    add_media(l, l->role, part);
}

static void add_content(part_list *l, mg_str role, const mg_json *content) {
    l->role = role;
    add_text(l, MG_PART_TEXT, role, MG_STR(""), content); /* systemInstruction may be a string */
    const mg_json *parts = mg_gemini_get(content, "parts");
    for (const mg_json *p = mg_gemini_first(parts); p; p = mg_gemini_next(parts, p)) add_part(l, p);
}

static mg_str role_of(const mg_json *content) {
    mg_str role = mg_gemini_text(content, "role");
    if (mg_str_is(role, "model")) return MG_STR("assistant");
    if (mg_str_is(role, "system")) return role;
    return mg_str_is(role, "function") || mg_str_is(role, "tool") ? MG_STR("tool") : MG_STR("user");
}

static void add_embeddings(part_list *l, const mg_json *root) {
    const mg_json *requests = mg_gemini_get(root, "requests");
    if (!requests) {
        add_content(l, MG_STR("input"), mg_gemini_get(root, "content"));
        return;
    }
    for (const mg_json *r = mg_gemini_first(requests); r; r = mg_gemini_next(requests, r))
        add_content(l, MG_STR("input"), mg_gemini_get(r, "content"));
}

void mg_gemini_parts(mg_operation op, const mg_json *root, mg_part_sink *take, void *arg) {
    part_list l = {take, arg, {0}};
    if (op == MG_OP_EMBEDDINGS) {
        add_embeddings(&l, root);
        return;
    }
    const mg_json *request = mg_gemini_request(op, root);
    const mg_json *system = mg_gemini_get(request, "systemInstruction"), *contents = mg_gemini_get(request, "contents");
    bool behind = system && contents && system->src > contents->src;
    if (system && !behind) add_content(&l, MG_STR("system"), system);
    for (const mg_json *c = mg_gemini_first(contents); c; c = mg_gemini_next(contents, c))
        add_content(&l, role_of(c), c);
    if (behind) add_content(&l, MG_STR("system"), system);
}
