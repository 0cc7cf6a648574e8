/* Tools and the choice among them. */
#include <stdio.h>

#include "encoder.h"

static const char *const NO_TYPE = "{\"type\":\"object\",\"properties\":{}}";

/* Anthropic wants "type": "object" said. */
static void schema_put(const anthropic_encoder *e, const mg_json *schema) {
    mg_str source = source_of(e, schema);
    if (!anthropic_is(e->h, schema, MG_JSON_OBJECT) || !e->h->json_child(schema)) {
        put(e, NO_TYPE);
    } else if (anthropic_get(e->h, schema, "type") || source.n < 2) {
        put_str(e, source);
    } else {
        put(e, "{\"type\":\"object\",");
        put_str(e, (mg_str){source.p + 1, source.n - 1});
    }
}

static bool function_put(const anthropic_encoder *e, const mg_json *tool) {
    char place[112];
    const mg_json *function = anthropic_get(e->h, tool, "function");
    mg_str name = anthropic_text(e->h, function, "name"), description = anthropic_text(e->h, function, "description");
    if (!name.n) return refuse(e, "%s.function needs a name", e->place);
    put(e, "{\"name\":");
    put_text(e, name);
    if (description.n) {
        put(e, ",\"description\":");
        put_text(e, description);
    }
    put(e, ",\"input_schema\":");
    schema_put(e, anthropic_get(e->h, function, "parameters"));
    if (e->h->json_bool(anthropic_get(e->h, function, "strict"), false)) {
        if (e->model.structured)
            put(e, ",\"strict\":true");
        else
            drop(e, "%s.function.strict", e->place);
    }
    cache_put(e, anthropic_get(e->h, tool, "cache_control"));
    put(e, "}");
    drop_others(e, tool, e->place, "type function cache_control");
    snprintf(place, sizeof place, "%s.function", e->place);
    drop_others(e, function, place, "name description parameters strict");
    return true;
}

static bool vendor_tool_put(const anthropic_encoder *e, const mg_json *tool) {
    mg_str vendor = anthropic_text(e->h, tool, "vendor");
    const mg_json *theirs = anthropic_get(e->h, tool, "tool");
    if (!str_is(vendor, "anthropic"))
        return refuse(e, "%s: only '%.*s' runs this tool itself, Anthropic does not", e->place,
                      (int)(vendor.n > 40 ? 40 : vendor.n), vendor.n ? vendor.p : "");
    if (!anthropic_is(e->h, theirs, MG_JSON_OBJECT)) return refuse(e, "%s.tool has to be an object", e->place);
    put_source(e, theirs);
    if (!anthropic_void(e->h, anthropic_get(e->h, tool, "cache_control"))) drop(e, "%s.cache_control", e->place);
    return true;
}

static bool tool_put(const anthropic_encoder *e, const mg_json *tool) {
    mg_str type = anthropic_text(e->h, tool, "type");
    if (str_is(type, "vendor_tool")) return vendor_tool_put(e, tool);
    if (str_is(type, "function")) return function_put(e, tool);
    return refuse(e, "%s: Anthropic has no tools of type '%.*s'; describe it as a function", e->place,
                  (int)(type.n > 40 ? 40 : type.n), type.n ? type.p : "");
}

/* ---- tool_choice ------------------------------------------------------------------------------------------------- */

enum { ALLOWED_MAX = 128 }; /* names; as many tools as OpenAI takes */

static const mg_json *choice_of(const anthropic_encoder *e) {
    return anthropic_get(e->h, e->request->root, "tool_choice");
}

/* The part of {"type": "allowed_tools"} that says what is allowed; NULL for other choices. */
static const mg_json *allowed_of(const anthropic_encoder *e) {
    const mg_json *choice = choice_of(e);
    if (!str_is(anthropic_text(e->h, choice, "type"), "allowed_tools")) return NULL;
    return anthropic_get(e->h, choice, "allowed_tools");
}

bool tools_forced(const anthropic_encoder *e) {
    const mg_json *choice = choice_of(e), *allowed = allowed_of(e);
    if (allowed) return str_is(anthropic_text(e->h, allowed, "mode"), "required");
    return anthropic_is(e->h, choice, MG_JSON_OBJECT) || str_is(e->h->json_str(choice), "required");
}

/* Whether a tool may be called. Anthropic can't be told so: the others are not sent. */
static bool is_allowed(const anthropic_encoder *e, const mg_json *tool) {
    const mg_json *allowed = allowed_of(e);
    mg_str name = anthropic_text(e->h, anthropic_get(e->h, tool, "function"), "name");
    if (!allowed) return true;
    const mg_json *a = e->h->json_child(anthropic_get(e->h, allowed, "tools"));
    for (size_t i = 0; a && i < ALLOWED_MAX; a = e->h->json_next(a), i++)
        if (name.n && str_eq(name, anthropic_text(e->h, anthropic_get(e->h, a, "function"), "name"))) return true;
    drop(e, "%s (not among the allowed tools)", e->place);
    return false;
}

/* Writes {"type":…,"name":… with its brace open. */
static bool choice_type_put(const anthropic_encoder *e, const mg_json *choice) {
    mg_str word = e->h->json_str(choice), type = anthropic_text(e->h, choice, "type");
    mg_str name = anthropic_text(e->h, anthropic_get(e->h, choice, "function"), "name");
    bool allowed = allowed_of(e) != NULL;
    if (allowed ? !tools_forced(e) : anthropic_void(e->h, choice) || str_is(word, "auto")) {
        put(e, "{\"type\":\"auto\"");
    } else if (allowed || str_is(word, "required")) {
        put(e, "{\"type\":\"any\"");
    } else if (str_is(word, "none")) {
        put(e, "{\"type\":\"none\"");
    } else if (str_is(type, "function") && name.n) {
        put(e, "{\"type\":\"tool\",\"name\":");
        put_text(e, name);
    } else {
        return refuse(
            e, "tool_choice: Anthropic takes 'auto', 'none', 'required', allowed tools or a function by its name");
    }
    return true;
}

static bool choice_put(anthropic_encoder *e, bool tools) {
    const mg_json *choice = choice_of(e);
    const mg_json *parallel = anthropic_get(e->h, e->request->root, "parallel_tool_calls");
    bool one = !e->h->json_bool(parallel, true), none = str_is(e->h->json_str(choice), "none");
    if (!tools) return !tools_forced(e) || refuse(e, "tool_choice asks for a tool, but tools has none that it may be");
    if (anthropic_void(e->h, choice) && !one) return true;
    if (!put_member(e, "tool_choice")) return true;
    if (!choice_type_put(e, choice)) return false;
    put(e, one && !none ? ",\"disable_parallel_tool_use\":true}" : "}");
    return true;
}

bool tools_put(anthropic_encoder *e) {
    const mg_json *tools = anthropic_get(e->h, e->request->root, "tools");
    const mg_json *tool = e->h->json_child(tools);
    size_t i = 0, n = 0;
    if (!anthropic_void(e->h, tools) && !anthropic_is(e->h, tools, MG_JSON_ARRAY))
        return refuse(e, "tools has to be a list");
    for (; tool; tool = e->h->json_next(tool), i++) {
        snprintf(e->place, sizeof e->place, "tools[%zu]", i);
        if (!is_allowed(e, tool)) continue;
        if (n == 0 && !put_member(e, "tools")) break;
        put(e, n++ ? "," : "[");
        if (!tool_put(e, tool)) return false;
    }
    if (n) put(e, "]");
    e->place[0] = 0;
    return choice_put(e, n > 0);
}
