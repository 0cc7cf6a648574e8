/* Tools and the choice among them.
 *
 * Converse can't forbid calls, and wants the tools declared of any conversation that holds calls. So where a request forbids
 * them, or brings no tools, those that were called before are declared as gone; a conversation without calls gets none. */
#include <stdio.h>

#include "encoder.h"

enum { ALLOWED_MAX = 128, CALLED_MAX = 64 }; /* names */

#define GONE "Not available any more: must not be called. Earlier calls of it stand in the conversation."

bool is_name(mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain) return false;
    }
    return s.n > 0 && s.n <= 64;
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */

/* The part of {"type": "allowed_tools"} that says what is allowed; NULL for other choices. */
static const mg_json *allowed_of(const bedrock_encoder *e) {
    const mg_json *choice = top(e, "tool_choice");
    return str_is(get_text(e, choice, "type"), "allowed_tools") ? get(e, choice, "allowed_tools") : NULL;
}

bool tools_forced(const bedrock_encoder *e) {
    const mg_json *choice = top(e, "tool_choice"), *allowed = allowed_of(e);
    if (allowed) return str_is(get_text(e, allowed, "mode"), "required");
    return is(e, choice, MG_JSON_OBJECT) || str_is(e->h->json_str(choice), "required");
}

static bool choice_put(const bedrock_encoder *e) {
    const mg_json *choice = top(e, "tool_choice");
    mg_str word = e->h->json_str(choice), name = get_text(e, get(e, choice, "function"), "name");
    bool allowed = allowed_of(e) != NULL;
    if (!choice || (allowed && !tools_forced(e))) return true;
    if (str_is(word, "auto")) {
        put(e, ",\"toolChoice\":{\"auto\":{}}");
    } else if (allowed || str_is(word, "required")) {
        put(e, ",\"toolChoice\":{\"any\":{}}");
    } else if (str_is(get_text(e, choice, "type"), "function") && name.n) {
        put(e, ",\"toolChoice\":{\"tool\":{\"name\":");
        put_text(e, name);
        put(e, "}}");
    } else {
        return refuse(e,
                      "tool_choice: Bedrock takes 'auto', 'none', 'required', allowed tools or a function by its name");
    }
    return true;
}

/* ---- tools that are there ---------------------------------------------------------------------------------------- */

/* Bedrock wants "type": "object" said. */
static void schema_put(const bedrock_encoder *e, const mg_json *schema) {
    mg_str source = source_of(e, schema);
    bool empty = !is(e, schema, MG_JSON_OBJECT) || !e->h->json_child(schema);
    if (empty) {
        put(e, "{\"type\":\"object\",\"properties\":{}}");
    } else if (get(e, schema, "type") || source.n < 2) {
        put_str(e, source);
    } else {
        put(e, "{\"type\":\"object\",");
        put_str(e, (mg_str){source.p + 1, source.n - 1});
    }
}

static void spec_begin(const bedrock_encoder *e, mg_str name, mg_str description) {
    put(e, "{\"toolSpec\":{\"name\":");
    put_text(e, name);
    if (!anthropic_blank(description)) {
        put(e, ",\"description\":");
        put_text(e, description);
    }
    put(e, ",\"inputSchema\":{\"json\":");
}

static bool function_put(const bedrock_encoder *e, const mg_json *tool) {
    char place[sizeof e->place + 16];
    const mg_json *function = get(e, tool, "function");
    mg_str name = get_text(e, function, "name");
    bool strict = e->h->json_bool(get(e, function, "strict"), false);
    bool takes = e->model.maker == MAKER_CLAUDE && e->model.claude.structured;
    if (!is_name(name))
        return refuse(e, "%s.function.name has to be of letters, digits, _ and -, at most 64", e->place);
    spec_begin(e, name, get_text(e, function, "description"));
    schema_put(e, get(e, function, "parameters"));
    put(e, strict && takes ? "},\"strict\":true}}" : "}}}");
    if (strict && !takes) drop(e, "%s.function.strict", e->place);
    cache_point_put(e, get(e, tool, "cache_control"), e->model.cache_tools);
    drop_others(e, tool, e->place, "type function cache_control");
    snprintf(place, sizeof place, "%s.function", e->place);
    drop_others(e, function, place, "name description parameters strict");
    return true;
}

/* An element of Converse's own list, such as {"systemTool": {"name": "nova_grounding"}}. */
static bool vendor_tool_put(const bedrock_encoder *e, const mg_json *tool) {
    mg_str vendor = get_text(e, tool, "vendor");
    if (!str_is(vendor, "bedrock"))
        return refuse(e, "%s: only '%.*s' runs this tool itself, Bedrock does not", e->place, SHOWN(vendor));
    if (!is(e, get(e, tool, "tool"), MG_JSON_OBJECT)) return refuse(e, "%s.tool has to be an object", e->place);
    put_source(e, get(e, tool, "tool"));
    cache_point_put(e, get(e, tool, "cache_control"), e->model.cache_tools);
    return true;
}

static bool tool_put(const bedrock_encoder *e, const mg_json *tool) {
    mg_str type = get_text(e, tool, "type");
    if (str_is(type, "vendor_tool")) return vendor_tool_put(e, tool);
    if (str_is(type, "function")) return function_put(e, tool);
    return refuse(e, "%s: Bedrock has no tools of type '%.*s'; describe it as a function", e->place, SHOWN(type));
}

/* Whether a tool may be called. Bedrock can't be told so: the others are not sent. */
static bool is_allowed(const bedrock_encoder *e, const mg_json *tool) {
    const mg_json *allowed = allowed_of(e), *a = e->h->json_child(get(e, allowed, "tools"));
    mg_str name = get_text(e, get(e, tool, "function"), "name");
    if (!allowed) return true;
    for (size_t i = 0; a && i < ALLOWED_MAX; a = e->h->json_next(a), i++)
        if (name.n && str_eq(name, get_text(e, get(e, a, "function"), "name"))) return true;
    drop(e, "%s (not among the allowed tools)", e->place);
    return false;
}

static bool list_begin(bedrock_encoder *e, size_t n) {
    if (n) {
        put(e, ",");
        return true;
    }
    if (!put_member(e, "toolConfig")) return false;
    put(e, "{\"tools\":[");
    return true;
}

/* ---- tools that are gone ----------------------------------------------------------------------------------------- */

/* The names that calls in the conversation have, each once; returns how many. */
static size_t called_names(const bedrock_encoder *e, mg_str names[CALLED_MAX]) {
    size_t n = 0;
    for (const mg_json *m = e->h->json_child(top(e, "messages")); m; m = e->h->json_next(m))
        for (const mg_json *c = e->h->json_child(get(e, m, "tool_calls")); c && n < CALLED_MAX;
             c = e->h->json_next(c)) {
            mg_str name = get_text(e, get(e, c, "function"), "name");
            size_t i = 0;
            while (i < n && !str_eq(names[i], name)) i++;
            if (i == n && is_name(name)) names[n++] = name;
        }
    return n;
}

static void gone_put(bedrock_encoder *e, bool forbidden) {
    mg_str names[CALLED_MAX];
    size_t n = called_names(e, names), written = 0;
    if (forbidden)
        drop(e, n ? "tool_choice (none: asked for in the tools' descriptions)" : "tools (none may be called)");
    for (size_t i = 0; i < n; i++) {
        if (!list_begin(e, written)) return;
        spec_begin(e, names[i], STR(GONE));
        put(e, "{\"type\":\"object\"}}}}");
        written++;
    }
    if (written) put(e, "]}");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool tools_put(bedrock_encoder *e) {
    const mg_json *tools = top(e, "tools"), *tool = e->h->json_child(tools);
    bool forbidden = str_is(e->h->json_str(top(e, "tool_choice")), "none");
    size_t i = 0, n = 0;
    if (tools && !is(e, tools, MG_JSON_ARRAY)) return refuse(e, "tools has to be a list");
    for (; tool && !forbidden; tool = e->h->json_next(tool), i++) {
        snprintf(e->place, sizeof e->place, "tools[%zu]", i);
        if (!is_allowed(e, tool)) continue;
        if (!list_begin(e, n)) break;
        if (!tool_put(e, tool)) return false;
        n++;
    }
    e->place[0] = 0;
    if (n) {
        put(e, "]");
        if (!choice_put(e)) return false;
        put(e, "}");
        return true;
    }
    if (tools_forced(e) && !tool) return refuse(e, "tool_choice asks for a tool, but tools has none that it may be");
    if (!tool || forbidden) gone_put(e, forbidden && tool);
    return true;
}
