/* Gemini's tools and schemas in the canonical form. */
#include "format/gemini.h"

static void raw(const mg_gemini_canon *c, mg_buf *b, const mg_json *v) {
    mg_gemini_raw(b, mg_gemini_source(c->source, v));
}

/* ---- schemas --------------------------------------------------------------------------------------------------------- */

/* A type's name in JSON Schema; "" if it has none. */
static mg_str type_name(const mg_json *v) {
    static const char *const numbered[] = {"", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"};
    static const char *const names[] = {"string", "number", "integer", "boolean", "array", "object", "null"};
    mg_str type = mg_gemini_enum(v, numbered, 8);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_str_ieq(type, mg_str_of(names[i]))) return mg_str_of(names[i]);
    return MG_STR("");
}

/* What may be null says so in its type. */
static void write_type(const mg_gemini_canon *c, mg_buf *b, const mg_json *v, bool nullable) {
    mg_str name = type_name(v);
    if (v->type == MG_JSON_ARRAY) { /* of JSON Schema already */
        mg_gemini_key(b, "type");
        raw(c, b, v);
    } else if (name.n) {
        mg_gemini_key(b, "type");
        if (nullable) mg_buf_str(b, MG_STR("["));
        mg_buf_json(b, name);
        if (nullable) mg_buf_str(b, MG_STR(",\"null\"]"));
    }
}

static void write_enum(const mg_gemini_canon *c, mg_buf *b, const mg_json *list, bool nullable) {
    mg_gemini_key(b, "enum");
    mg_buf_str(b, MG_STR("["));
    for (const mg_json *v = mg_gemini_first(list); v; v = mg_gemini_next(list, v)) {
        mg_gemini_comma(b);
        raw(c, b, v);
    }
    if (nullable) {
        mg_gemini_comma(b);
        mg_buf_str(b, MG_STR("null"));
    }
    mg_buf_str(b, MG_STR("]"));
}

static void write_schemas(const mg_gemini_canon *c, mg_buf *b, const char *name, const mg_json *list, bool nullable) {
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("["));
    for (const mg_json *v = mg_gemini_first(list); v; v = mg_gemini_next(list, v)) {
        mg_gemini_comma(b);
        mg_gemini_schema(c, b, v);
    }
    if (nullable) {
        mg_gemini_comma(b);
        mg_buf_str(b, MG_STR("{\"type\":\"null\"}"));
    }
    mg_buf_str(b, MG_STR("]"));
}

static void write_named(const mg_gemini_canon *c, mg_buf *b, const char *name, const mg_json *object) {
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("{"));
    for (const mg_json *m = object->type == MG_JSON_OBJECT ? object->child : NULL; m; m = m->next) {
        mg_gemini_comma(b);
        mg_buf_json(b, m->key);
        mg_buf_str(b, MG_STR(":"));
        mg_gemini_schema(c, b, m);
    }
    mg_buf_str(b, MG_STR("}"));
}

/* Counts stand in strings, as all 64-bit integers do. */
static bool write_count(mg_buf *b, const mg_json *m) {
    static const char *const names[] = {"minItems",  "maxItems",      "minLength",
                                        "maxLength", "minProperties", "maxProperties"};
    int64_t n = mg_gemini_int(m, -1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!mg_gemini_named(m->key, names[i])) continue;
        if (n >= 0) mg_gemini_pair_int(b, names[i], n);
        return true;
    }
    return false;
}

typedef enum nesting { SCHEMA, SCHEMAS, NAMED } nesting;

static bool write_nested(const mg_gemini_canon *c, mg_buf *b, const mg_json *m, bool nullable) {
    static const struct {
        const char *name, *as;
        nesting kind;
    } table[] = {{"properties", "properties", NAMED},
                 {"patternProperties", "patternProperties", NAMED},
                 {"items", "items", SCHEMA},
                 {"additionalProperties", "additionalProperties", SCHEMA},
                 {"not", "not", SCHEMA},
                 {"prefixItems", "prefixItems", SCHEMAS},
                 {"anyOf", "anyOf", SCHEMAS},
                 {"oneOf", "oneOf", SCHEMAS},
                 {"allOf", "allOf", SCHEMAS},
                 {"$defs", "$defs", NAMED},
                 {"defs", "$defs", NAMED},
                 {"definitions", "definitions", NAMED}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!mg_gemini_named(m->key, table[i].name)) continue;
        if (table[i].kind == NAMED) {
            write_named(c, b, table[i].as, m);
        } else if (table[i].kind == SCHEMAS) {
            bool choice = mg_str_is(mg_str_of(table[i].as), "anyOf") || mg_str_is(mg_str_of(table[i].as), "oneOf");
            write_schemas(c, b, table[i].as, m, nullable && choice);
        } else {
            mg_gemini_key(b, table[i].as);
            mg_gemini_schema(c, b, m);
        }
        return true;
    }
    return false;
}

static void write_keyword(const mg_gemini_canon *c, mg_buf *b, const mg_json *m, bool nullable) {
    if (mg_gemini_named(m->key, "nullable") || m->type == MG_JSON_NULL) return;
    if (mg_gemini_named(m->key, "type")) {
        write_type(c, b, m, nullable);
    } else if (mg_gemini_named(m->key, "enum")) {
        write_enum(c, b, m, nullable);
    } else if (mg_gemini_named(m->key, "propertyOrdering")) {
        mg_gemini_drop(c, "propertyOrdering");
    } else if (mg_gemini_named(m->key, "example")) {
        mg_gemini_key(b, "examples");
        mg_buf_str(b, MG_STR("["));
        raw(c, b, m);
        mg_buf_str(b, MG_STR("]"));
    } else if (mg_str_is(m->key, "format") && mg_str_is(mg_json_text(m), "enum")) {
        return; /* says no more than `enum` */
    } else if (mg_str_is(m->key, "ref")) {
        mg_gemini_key(b, "$ref");
        raw(c, b, m);
    } else if (!write_count(b, m) && !write_nested(c, b, m, nullable)) {
        mg_gemini_comma(b);
        mg_buf_json(b, m->key);
        mg_buf_str(b, MG_STR(":"));
        raw(c, b, m);
    }
}

/* Both spellings of a keyword, or `defs` beside `$defs`, would be written to the same name: the first counts. */
static bool written_before(const mg_json *schema, const mg_json *m) {
    for (const mg_json *other = schema->child; other != m; other = other->next) {
        size_t i = 0, k = 0;
        mg_str a = other->key, b = m->key;
        if (a.n && a.p[0] == '$') i++;
        if (b.n && b.p[0] == '$') k++;
        for (;;) {
            while (i < a.n && a.p[i] == '_') i++;
            while (k < b.n && b.p[k] == '_') k++;
            if (i == a.n || k == b.n || (a.p[i] | 0x20) != (b.p[k] | 0x20)) break;
            i++, k++;
        }
        if (i == a.n && k == b.n) return true;
    }
    return false;
}

enum { MAX_KEYWORDS = 64 }; /* of one schema; there are about 30 */

void mg_gemini_schema(const mg_gemini_canon *c, mg_buf *b, const mg_json *schema) {
    if (schema->type != MG_JSON_OBJECT) { /* true and false are schemas too */
        raw(c, b, schema);
        return;
    }
    bool nullable = mg_gemini_bool(schema, "nullable");
    size_t n = 0;
    mg_buf_str(b, MG_STR("{"));
    for (const mg_json *m = schema->child; m && n < MAX_KEYWORDS; m = m->next, n++)
        if (!written_before(schema, m)) write_keyword(c, b, m, nullable);
    mg_buf_str(b, MG_STR("}"));
}

/* ---- tools ----------------------------------------------------------------------------------------------------------- */

static void write_function(const mg_gemini_canon *c, const mg_json *f) {
    static const char *const lost[] = {"response", "responseJsonSchema", "behavior"};
    const mg_json *parameters = mg_gemini_get(f, "parameters"), *schema = mg_gemini_get(f, "parametersJsonSchema");
    mg_buf *b = c->out;
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{\"type\":\"function\",\"function\":{"));
    mg_gemini_pair(b, "name", mg_gemini_text(f, "name"));
    if (mg_gemini_text(f, "description").n) mg_gemini_pair(b, "description", mg_gemini_text(f, "description"));
    if (schema || parameters) mg_gemini_key(b, "parameters");
    if (schema)
        raw(c, b, schema);
    else if (parameters)
        mg_gemini_schema(c, b, parameters);
    mg_buf_str(b, MG_STR("}}"));
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (mg_gemini_get(f, lost[i])) mg_gemini_drop(c, "tools.functionDeclarations.%s", lost[i]);
}

/* {"google_search": {}} becomes {"googleSearch": {}}: vendors' plugins know one spelling. */
static void write_camel(mg_buf *b, mg_str key) {
    mg_buf_str(b, MG_STR("\""));
    for (size_t i = 0; i < key.n; i++) {
        char letter = key.p[i];
        bool small = i + 1 < key.n && key.p[i + 1] >= 'a' && key.p[i + 1] <= 'z';
        if (i && letter == '_' && small) letter = (char)(key.p[++i] - 32);
        if ((unsigned char)letter < 0x80)
            mg_buf_json_raw(b, mg_str_from(&letter, 1));
        else
            mg_buf_add(b, &letter, 1); /* the key is valid UTF-8 as a whole */
    }
    mg_buf_str(b, MG_STR("\""));
}

/* Returns how many were written. */
static size_t write_tool(const mg_gemini_canon *c, const mg_json *tool) {
    size_t n = 0;
    for (const mg_json *m = tool->child; m; m = m->next) {
        if (m->type == MG_JSON_NULL) continue;
        if (mg_gemini_named(m->key, "functionDeclarations")) {
            for (const mg_json *f = mg_gemini_first(m); f; f = mg_gemini_next(m, f), n++) write_function(c, f);
            continue;
        }
        mg_gemini_comma(c->out);
        mg_buf_str(c->out, MG_STR("{\"type\":\"vendor_tool\",\"vendor\":\"gemini\",\"tool\":{"));
        write_camel(c->out, m->key);
        mg_buf_str(c->out, MG_STR(":"));
        raw(c, c->out, m);
        mg_buf_str(c->out, MG_STR("}}"));
        n++;
    }
    return n;
}

/* ---- the choice among them --------------------------------------------------------------------------------------------- */

static void write_choice_of(mg_buf *b, mg_str name) {
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{\"type\":\"function\",\"function\":{"));
    mg_gemini_pair(b, "name", name);
    mg_buf_str(b, MG_STR("}}"));
}

static void write_allowed(mg_buf *b, const char *mode, const mg_json *allowed) {
    mg_buf_str(b, MG_STR("{\"type\":\"allowed_tools\",\"allowed_tools\":{"));
    mg_gemini_pair(b, "mode", mg_str_of(mode));
    mg_gemini_key(b, "tools");
    mg_buf_str(b, MG_STR("["));
    for (const mg_json *n = mg_gemini_first(allowed); n; n = mg_gemini_next(allowed, n))
        write_choice_of(b, mg_json_text(n));
    mg_buf_str(b, MG_STR("]}}"));
}

/* VALIDATED is AUTO with arguments that are sure to match their schema: a promise that others don't make. */
static void write_choice(const mg_gemini_canon *c, const mg_json *calling) {
    static const char *const modes[] = {"", "AUTO", "ANY", "NONE", "VALIDATED"};
    mg_str mode = mg_gemini_enum(mg_gemini_get(calling, "mode"), modes, 5);
    const mg_json *allowed = mg_gemini_get(calling, "allowedFunctionNames"), *first = mg_gemini_first(allowed);
    bool any = mg_str_ieq(mode, MG_STR("ANY")), none = mg_str_ieq(mode, MG_STR("NONE"));
    bool one = first && !mg_gemini_next(allowed, first);
    if (!mode.n && !first) return;
    if (mg_str_ieq(mode, MG_STR("VALIDATED"))) mg_gemini_drop(c, "toolConfig.functionCallingConfig.mode VALIDATED");
    mg_gemini_key(c->out, "tool_choice");
    if (none || !first)
        mg_buf_json(c->out, none ? MG_STR("none") : any ? MG_STR("required") : MG_STR("auto"));
    else if (any && one)
        write_choice_of(c->out, mg_json_text(first));
    else
        write_allowed(c->out, any ? "required" : "auto", allowed);
}

mg_status mg_gemini_tools(const mg_gemini_canon *c, const mg_json *request) {
    static const char *const lost[] = {"retrievalConfig", "includeServerSideToolInvocations"};
    const mg_json *tools = mg_gemini_get(request, "tools"), *config = mg_gemini_get(request, "toolConfig");
    size_t before = c->out->n, n = 0;
    mg_gemini_key(c->out, "tools");
    mg_buf_str(c->out, MG_STR("["));
    for (const mg_json *t = mg_gemini_first(tools); t; t = mg_gemini_next(tools, t)) n += write_tool(c, t);
    mg_buf_str(c->out, MG_STR("]"));
    if (!n) c->out->n = before; /* others refuse an empty list, and a choice without tools */
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (mg_gemini_get(config, lost[i])) mg_gemini_drop(c, "toolConfig.%s", lost[i]);
    if (n) write_choice(c, mg_gemini_get(config, "functionCallingConfig"));
    return MG_OK;
}
