/* OpenAI puts functions into the prompt as declarations in TypeScript: found by comparing counts, and right to the
 * token for most requests of one function (docs/tokens.md has figures). */
#include "gateway/tokens_tools.h"

enum { DEEPEST = 16, DESCRIBED_DEPTH = 2 /* descriptions further inside are left out */ };

static void write_type(const mg_json *schema, int depth, mg_buf *out);

static mg_str text_at(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

static void indent(int depth, mg_buf *out) {
    for (int i = 0; i < depth; i++) mg_buf_str(out, MG_STR("  "));
}

static void write_comment(const mg_json *schema, int depth, mg_buf *out) {
    mg_str text = text_at(schema, "description");
    if (text.n == 0) return;
    indent(depth, out);
    mg_buf_str(out, MG_STR("// "));
    mg_buf_str(out, text);
    mg_buf_str(out, MG_STR("\n"));
}

static bool is_required(const mg_json *schema, mg_str name) {
    const mg_json *list = mg_json_get(schema, MG_STR("required"));
    for (const mg_json *x = list ? list->child : NULL; x; x = x->next)
        if (mg_str_eq(mg_json_text(x), name)) return true;
    return false;
}

static void write_members(const mg_json *schema, int depth, mg_buf *out) {
    const mg_json *members = mg_json_get(schema, MG_STR("properties"));
    for (const mg_json *m = members ? members->child : NULL; m; m = m->next) {
        if (depth < DESCRIBED_DEPTH) write_comment(m, depth, out);
        indent(depth, out);
        mg_buf_str(out, m->key);
        mg_buf_str(out, is_required(schema, m->key) ? MG_STR(": ") : MG_STR("?: "));
        write_type(m, depth, out);
        mg_buf_str(out, MG_STR(",\n"));
    }
}

/* What a list holds, with " | " between. */
static void write_choice(const mg_json *list, int depth, mg_buf *out) {
    for (const mg_json *x = list->child; x; x = x->next) {
        if (x != list->child) mg_buf_str(out, MG_STR(" | "));
        if (x->type == MG_JSON_STRING)
            mg_buf_json(out, x->str);
        else if (x->type == MG_JSON_OBJECT)
            write_type(x, depth, out);
        else
            mg_buf_str(out, x->type == MG_JSON_NUMBER ? x->str : MG_STR("null"));
    }
}

static void write_named(mg_str type, const mg_json *schema, int depth, mg_buf *out) {
    const mg_json *items = mg_json_get(schema, MG_STR("items"));
    if (mg_str_is(type, "integer")) {
        mg_buf_str(out, MG_STR("number"));
    } else if (mg_str_is(type, "array")) {
        if (items)
            write_type(items, depth, out);
        else
            mg_buf_str(out, MG_STR("any"));
        mg_buf_str(out, MG_STR("[]"));
    } else if (mg_str_is(type, "object")) {
        mg_buf_str(out, MG_STR("{\n"));
        write_members(schema, depth + 1, out);
        mg_buf_str(out, MG_STR("}"));
    } else {
        mg_buf_str(out, type.n ? type : MG_STR("any"));
    }
}

static void write_type(const mg_json *schema, int depth, mg_buf *out) {
    const mg_json *any = mg_json_get(schema, MG_STR("anyOf")), *type = mg_json_get(schema, MG_STR("type"));
    const mg_json *values = mg_json_get(schema, MG_STR("enum"));
    if (depth > DEEPEST) return;
    if (mg_json_kind(any) == MG_JSON_ARRAY) {
        write_choice(any, depth, out);
    } else if (mg_json_kind(values) == MG_JSON_ARRAY) {
        write_choice(values, depth, out);
    } else if (mg_json_kind(type) == MG_JSON_ARRAY) {
        for (const mg_json *x = type->child; x; x = x->next) {
            if (x != type->child) mg_buf_str(out, MG_STR(" | "));
            write_named(mg_json_text(x), schema, depth, out);
        }
    } else {
        write_named(mg_json_text(type), schema, depth, out);
    }
}

const mg_json *mg_tokens_tools_function(const mg_json *tool) {
    const mg_json *f = mg_json_get(tool, MG_STR("function"));
    mg_str type = text_at(tool, "type");
    if (mg_json_kind(f) != MG_JSON_OBJECT && (type.n == 0 || mg_str_is(type, "function"))) f = tool;
    return mg_json_kind(mg_json_get(f, MG_STR("name"))) == MG_JSON_STRING ? f : NULL;
}

static void write_function(const mg_json *f, mg_buf *out) {
    const mg_json *parameters = mg_json_get(f, MG_STR("parameters"));
    const mg_json *members = mg_json_get(parameters, MG_STR("properties"));
    write_comment(f, 0, out);
    mg_buf_str(out, MG_STR("type "));
    mg_buf_str(out, text_at(f, "name"));
    if (members && members->child) {
        mg_buf_str(out, MG_STR(" = (_: {\n"));
        write_members(parameters, 0, out);
        mg_buf_str(out, MG_STR("}) => any;\n\n"));
    } else {
        mg_buf_str(out, MG_STR(" = () => any;\n\n"));
    }
}

size_t mg_tokens_tools_write(const mg_json *tools, mg_buf *out) {
    size_t n = 0;
    for (const mg_json *tool = tools ? tools->child : NULL; tool; tool = tool->next) {
        const mg_json *f = mg_tokens_tools_function(tool);
        if (!f) continue;
        if (n++ == 0) mg_buf_str(out, MG_STR("namespace functions {\n\n"));
        write_function(f, out);
    }
    if (n) mg_buf_str(out, MG_STR("} // namespace functions"));
    return n;
}
