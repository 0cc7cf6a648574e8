/* Whether a body is a Messages request. What only the vendor can know (which block goes where, ranges that depend on the
 * model) is left to the vendor; kinds of blocks and tools that are not known here pass. */
#include "format/anthropic.h"

#include <stdio.h>

static size_t place_add(const mg_anthropic_place *p, char *out, size_t n) {
    size_t at = p->up ? place_add(p->up, out, n) : 0;
    if (at >= n) return n;
    int wrote = p->name ? snprintf(out + at, n - at, "%s%s", at ? "." : "", p->name)
                        : snprintf(out + at, n - at, "[%zu]", p->i);
    return at + (size_t)wrote;
}

const char *mg_anthropic_place_text(const mg_anthropic_place *place, char out[MG_ANTHROPIC_PLACE_MAX]) {
    out[0] = 0;
    place_add(place, out, MG_ANTHROPIC_PLACE_MAX);
    return out;
}

/* ---- types of members --------------------------------------------------------------------------------------------- */

enum {
    T_NULL = 1 << MG_JSON_NULL,
    T_BOOL = 1 << MG_JSON_BOOL,
    T_NUMBER = 1 << MG_JSON_NUMBER,
    T_STRING = 1 << MG_JSON_STRING,
    T_ARRAY = 1 << MG_JSON_ARRAY,
    T_OBJECT = 1 << MG_JSON_OBJECT,
    T_ABSENT = 1 << 8 /* the member may be missing; null counts as missing then */
};

typedef struct member {
    const char *name;
    unsigned types;
} member;

static void type_words(unsigned types, char *out, size_t n) {
    static const char *const words[] = {"null", "a boolean", "a number", "a string", "a list", "an object"};
    size_t at = 0;
    out[0] = 0;
    for (unsigned t = MG_JSON_BOOL; t <= MG_JSON_OBJECT; t++)
        if (types & 1u << t) {
            int wrote = snprintf(out + at, n - at, "%s%s", at ? " or " : "", words[t]);
            at += (size_t)wrote;
            if (at >= n) return;
        }
}

static mg_status check_type(const mg_anthropic_place *place, const mg_json *v, unsigned types, mg_error *error) {
    char where[MG_ANTHROPIC_PLACE_MAX], words[64];
    if (types & T_ABSENT && mg_json_kind(v) == MG_JSON_NULL) return MG_OK;
    if (v && types & 1u << v->type) return MG_OK;
    mg_anthropic_place_text(place, where);
    type_words(types, words, sizeof words);
    if (!v) return mg_fail(error, 400, "missing_required_parameter", "'%s' is missing: it must be %s.", where, words);
    return mg_fail(error, 400, "invalid_type", "'%s' must be %s, not %s.", where, words,
                   mg_json_type_name(mg_json_kind(v)));
}

static mg_status check_members(const mg_anthropic_place *up, const mg_json *object, const member *members,
                               mg_error *error) {
    mg_status st = MG_OK;
    for (const member *m = members; st == MG_OK && m->name; m++) {
        const mg_anthropic_place place = {up, m->name, 0};
        st = check_type(&place, mg_json_get(object, mg_str_of(m->name)), m->types, error);
    }
    return st;
}

static mg_status fail_value(const mg_anthropic_place *up, const char *name, mg_error *error, const char *must) {
    char where[MG_ANTHROPIC_PLACE_MAX];
    const mg_anthropic_place place = {up, name, 0};
    return mg_fail(error, 400, "invalid_value", "'%s' must be %s.", mg_anthropic_place_text(&place, where), must);
}

static mg_status check_elements(const mg_anthropic_place *up, const mg_json *list, unsigned types, mg_error *error) {
    mg_status st = MG_OK;
    size_t i = 0;
    for (const mg_json *e = mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL; e && st == MG_OK; e = e->next) {
        const mg_anthropic_place place = {up, NULL, i++};
        st = check_type(&place, e, types, error);
    }
    return st;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

typedef struct shape {
    const char *type;
    member members[4];
} shape;

/* A thinking block's signature may be missing here: only Anthropic needs it, and says so itself. */
static const shape blocks[] = {
    {"text", {{"text", T_STRING}}},
    {"image", {{"source", T_OBJECT}}},
    {"document", {{"source", T_OBJECT}, {"title", T_STRING | T_ABSENT}, {"context", T_STRING | T_ABSENT}}},
    {"search_result", {{"source", T_STRING}, {"title", T_STRING}, {"content", T_ARRAY}}},
    {"tool_use", {{"id", T_STRING}, {"name", T_STRING}, {"input", T_OBJECT}}},
    {"tool_result",
     {{"tool_use_id", T_STRING}, {"content", T_STRING | T_ARRAY | T_ABSENT}, {"is_error", T_BOOL | T_ABSENT}}},
    {"thinking", {{"thinking", T_STRING}, {"signature", T_STRING | T_ABSENT}}},
    {"redacted_thinking", {{"data", T_STRING}}},
    {"tool_reference", {{"tool_name", T_STRING}}},
};

static const shape sources[] = {
    {"base64", {{"media_type", T_STRING}, {"data", T_STRING}}},
    {"text", {{"data", T_STRING}}},
    {"url", {{"url", T_STRING}}},
    {"file", {{"file_id", T_STRING}}},
    {"content", {{"content", T_STRING | T_ARRAY}}},
};

static const shape *shape_of(const shape *shapes, size_t n, mg_str type) {
    for (size_t i = 0; i < n; i++)
        if (mg_str_is(type, shapes[i].type)) return &shapes[i];
    return NULL;
}

static mg_status check_blocks(const mg_anthropic_place *place, const mg_json *list, mg_error *error);

static mg_status check_source(const mg_anthropic_place *up, const mg_json *source, mg_error *error) {
    static const member typed[] = {{"type", T_STRING}, {NULL, 0}};
    const mg_anthropic_place place = {up, "source", 0}, content = {&place, "content", 0};
    mg_status st = check_members(&place, source, typed, error);
    if (st != MG_OK) return st;
    const shape *s =
        shape_of(sources, sizeof sources / sizeof sources[0], mg_json_text(mg_json_get(source, MG_STR("type"))));
    if (s) st = check_members(&place, source, s->members, error);
    return st == MG_OK ? check_blocks(&content, mg_json_get(source, MG_STR("content")), error) : st;
}

static mg_status check_block(const mg_anthropic_place *place, const mg_json *block, mg_error *error) {
    static const member typed[] = {{"type", T_STRING}, {NULL, 0}};
    mg_status st = check_type(place, block, T_OBJECT, error);
    if (st == MG_OK) st = check_members(place, block, typed, error);
    if (st != MG_OK) return st;
    const shape *s =
        shape_of(blocks, sizeof blocks / sizeof blocks[0], mg_json_text(mg_json_get(block, MG_STR("type"))));
    if (!s) return MG_OK;
    const mg_anthropic_place content = {place, "content", 0};
    st = check_members(place, block, s->members, error);
    if (st == MG_OK) st = check_blocks(&content, mg_json_get(block, MG_STR("content")), error);
    if (st == MG_OK && s->members[0].types == T_OBJECT)
        st = check_source(place, mg_json_get(block, MG_STR("source")), error);
    return st;
}

/* What is not a list has been checked before. */
static mg_status check_blocks(const mg_anthropic_place *up, const mg_json *list, mg_error *error) {
    mg_status st = MG_OK;
    size_t i = 0;
    for (const mg_json *b = mg_json_kind(list) == MG_JSON_ARRAY ? list->child : NULL; b && st == MG_OK; b = b->next) {
        const mg_anthropic_place place = {up, NULL, i++};
        st = check_block(&place, b, error);
    }
    return st;
}

/* ---- messages ----------------------------------------------------------------------------------------------------- */

static mg_status check_message(const mg_anthropic_place *place, const mg_json *m, mg_error *error) {
    static const member members[] = {{"role", T_STRING}, {"content", T_STRING | T_ARRAY}, {NULL, 0}};
    mg_status st = check_type(place, m, T_OBJECT, error);
    if (st == MG_OK) st = check_members(place, m, members, error);
    if (st != MG_OK) return st;
    mg_str role = mg_json_text(mg_json_get(m, MG_STR("role")));
    if (!mg_str_is(role, "user") && !mg_str_is(role, "assistant") && !mg_str_is(role, "system"))
        return fail_value(place, "role", error, "'user' or 'assistant'; instructions go into the top-level 'system'");
    const mg_anthropic_place content = {place, "content", 0};
    return check_blocks(&content, mg_json_get(m, MG_STR("content")), error);
}

static mg_status check_messages(const mg_json *messages, mg_error *error) {
    const mg_anthropic_place list = {NULL, "messages", 0};
    mg_status st = MG_OK;
    size_t i = 0;
    if (!messages->count) return fail_value(NULL, "messages", error, "a list of at least one message");
    for (const mg_json *m = messages->child; m && st == MG_OK; m = m->next) {
        const mg_anthropic_place place = {&list, NULL, i++};
        st = check_message(&place, m, error);
    }
    return st;
}

/* A system prompt as a list holds text blocks only. */
static mg_status check_system(const mg_json *system, mg_error *error) {
    const mg_anthropic_place list = {NULL, "system", 0};
    mg_status st = check_blocks(&list, system, error);
    size_t i = 0;
    for (const mg_json *b = mg_json_kind(system) == MG_JSON_ARRAY ? system->child : NULL; b && st == MG_OK;
         b = b->next) {
        const mg_anthropic_place place = {&list, NULL, i++};
        if (!mg_str_is(mg_json_text(mg_json_get(b, MG_STR("type"))), "text"))
            st = fail_value(&place, "type", error, "'text'");
    }
    return st;
}

/* ---- tools -------------------------------------------------------------------------------------------------------- */

static mg_status check_tool(const mg_anthropic_place *place, const mg_json *tool, mg_error *error) {
    static const member any[] = {{"type", T_STRING | T_ABSENT}, {NULL, 0}};
    static const member custom[] = {
        {"name", T_STRING}, {"input_schema", T_OBJECT}, {"description", T_STRING | T_ABSENT}, {NULL, 0}};
    mg_status st = check_type(place, tool, T_OBJECT, error);
    if (st == MG_OK) st = check_members(place, tool, any, error);
    if (st != MG_OK) return st;
    mg_str type = mg_json_text(mg_json_get(tool, MG_STR("type")));
    return !type.n || mg_str_is(type, "custom") ? check_members(place, tool, custom, error) : MG_OK;
}

static mg_status check_tools(const mg_json *tools, mg_error *error) {
    const mg_anthropic_place list = {NULL, "tools", 0};
    mg_status st = MG_OK;
    size_t i = 0;
    for (const mg_json *t = mg_json_kind(tools) == MG_JSON_ARRAY ? tools->child : NULL; t && st == MG_OK; t = t->next) {
        const mg_anthropic_place place = {&list, NULL, i++};
        st = check_tool(&place, t, error);
    }
    return st;
}

static mg_status check_tool_choice(const mg_json *choice, mg_error *error) {
    static const member typed[] = {{"type", T_STRING}, {"disable_parallel_tool_use", T_BOOL | T_ABSENT}, {NULL, 0}};
    static const member named[] = {{"name", T_STRING}, {NULL, 0}};
    static const char *const types[] = {"auto", "any", "tool", "none"};
    const mg_anthropic_place place = {NULL, "tool_choice", 0};
    if (mg_json_kind(choice) != MG_JSON_OBJECT) return MG_OK;
    mg_status st = check_members(&place, choice, typed, error);
    if (st != MG_OK) return st;
    mg_str type = mg_json_text(mg_json_get(choice, MG_STR("type")));
    if (mg_str_is(type, "tool")) return check_members(&place, choice, named, error);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (mg_str_is(type, types[i])) return MG_OK;
    return fail_value(&place, "type", error, "'auto', 'any', 'tool' or 'none'");
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static const member top[] = {
    {"model", T_STRING},
    {"messages", T_ARRAY},
    {"system", T_STRING | T_ARRAY | T_ABSENT},
    {"stream", T_BOOL | T_ABSENT},
    {"stop_sequences", T_ARRAY | T_ABSENT},
    {"temperature", T_NUMBER | T_ABSENT},
    {"top_p", T_NUMBER | T_ABSENT},
    {"top_k", T_NUMBER | T_ABSENT},
    {"metadata", T_OBJECT | T_ABSENT},
    {"service_tier", T_STRING | T_ABSENT},
    {"thinking", T_OBJECT | T_ABSENT},
    {"output_config", T_OBJECT | T_ABSENT},
    {"output_format", T_OBJECT | T_ABSENT},
    {"tools", T_ARRAY | T_ABSENT},
    {"tool_choice", T_OBJECT | T_ABSENT},
    {"mcp_servers", T_ARRAY | T_ABSENT},
    {NULL, 0},
};

static mg_status check_unit(const mg_json *root, const char *name, mg_error *error) {
    const mg_json *v = mg_json_get(root, mg_str_of(name));
    double n = mg_json_number(v, 0);
    return n >= 0 && n <= 1 ? MG_OK : fail_value(NULL, name, error, "a number from 0 to 1");
}

static mg_status check_count(const mg_json *root, const char *name, const char *words, mg_error *error) {
    const mg_json *v = mg_json_get(root, mg_str_of(name));
    if (mg_json_kind(v) == MG_JSON_NULL) return MG_OK;
    int64_t n = mg_json_int(v, -1);
    return n >= 0 && n <= INT32_MAX ? MG_OK : fail_value(NULL, name, error, words);
}

static mg_status check_objects(const mg_json *root, mg_error *error) {
    static const member metadata[] = {{"user_id", T_STRING | T_ABSENT}, {NULL, 0}};
    static const member thinking[] = {{"type", T_STRING}, {"budget_tokens", T_NUMBER | T_ABSENT}, {NULL, 0}};
    static const member config[] = {{"effort", T_STRING | T_ABSENT}, {"format", T_OBJECT | T_ABSENT}, {NULL, 0}};
    static const struct {
        const char *name;
        const member *members;
    } objects[] = {{"metadata", metadata}, {"thinking", thinking}, {"output_config", config}};
    mg_status st = MG_OK;
    for (size_t i = 0; i < sizeof objects / sizeof objects[0] && st == MG_OK; i++) {
        const mg_anthropic_place place = {NULL, objects[i].name, 0};
        const mg_json *v = mg_json_get(root, mg_str_of(objects[i].name));
        if (mg_json_kind(v) == MG_JSON_OBJECT) st = check_members(&place, v, objects[i].members, error);
    }
    return st;
}

static mg_status check_numbers(mg_operation op, const mg_json *root, mg_error *error) {
    static const member required[] = {{"max_tokens", T_NUMBER}, {NULL, 0}};
    mg_status st = op == MG_OP_CHAT ? check_members(NULL, root, required, error) : MG_OK;
    if (st == MG_OK) st = check_count(root, "max_tokens", "an integer from 0 to 2147483647", error);
    if (st == MG_OK) st = check_count(root, "top_k", "an integer of 0 or more", error);
    if (st == MG_OK) st = check_unit(root, "temperature", error);
    if (st == MG_OK) st = check_unit(root, "top_p", error);
    return st;
}

mg_status mg_anthropic_check(mg_operation op, const mg_json *root, mg_error *error) {
    if (op != MG_OP_CHAT && op != MG_OP_COUNT_TOKENS)
        return mg_fail(error, 400, "unsupported", "Anthropic's format has no such operation.");
    if (mg_json_kind(root) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "invalid_type", "The body must be a JSON object, not %s.",
                       mg_json_type_name(mg_json_kind(root)));
    const mg_anthropic_place stops = {NULL, "stop_sequences", 0};
    mg_status st = check_members(NULL, root, top, error);
    if (st == MG_OK && !mg_json_text(mg_json_get(root, MG_STR("model"))).n)
        st = fail_value(NULL, "model", error, "the name of a model");
    if (st == MG_OK) st = check_numbers(op, root, error);
    if (st == MG_OK) st = check_messages(mg_json_get(root, MG_STR("messages")), error);
    if (st == MG_OK) st = check_system(mg_json_get(root, MG_STR("system")), error);
    if (st == MG_OK) st = check_elements(&stops, mg_json_get(root, MG_STR("stop_sequences")), T_STRING, error);
    if (st == MG_OK) st = check_tools(mg_json_get(root, MG_STR("tools")), error);
    if (st == MG_OK) st = check_tool_choice(mg_json_get(root, MG_STR("tool_choice")), error);
    return st == MG_OK ? check_objects(root, error) : st;
}
