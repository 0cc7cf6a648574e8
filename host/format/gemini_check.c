/* The structure of Gemini's requests, as tables of messages and their fields. Unknown fields are let through: the vendor
 * knows them. A field in both of its spellings is refused, since readers differ on which one counts. */
#include "format/gemini.h"
#include <stdio.h>

enum {
    STRING = 1 << MG_JSON_STRING,
    NUMBER = 1 << MG_JSON_NUMBER,
    BOOL = 1 << MG_JSON_BOOL,
    OBJECT = 1 << MG_JSON_OBJECT,
    LIST = 1 << 8, /* of values of the other types, or one of them */
    INTEGER = 1 << 9, /* a number, or a string that holds one */
    POSITIVE = 1 << 10, /* with INTEGER: 1 to 2^31 - 1 */
    REQUIRED = 1 << 11, /* and a list not empty */
    DATA = 1 << 12, /* of these a part has one at most */
    ROLE = 1 << 13,
    ENUM = STRING | NUMBER,
    TYPES = (1 << 8) - 1
};

typedef struct field {
    const char *name;
    unsigned types;
    const struct field *of; /* OBJECT: its fields, or NULL */
} field;

static const field blob[] = {{"mimeType", STRING | REQUIRED, NULL}, {"data", STRING | REQUIRED, NULL}, {0}};
static const field file[] = {{"mimeType", STRING, NULL}, {"fileUri", STRING | REQUIRED, NULL}, {0}};
static const field call[] = {{"id", STRING, NULL}, {"name", STRING | REQUIRED, NULL}, {"args", OBJECT, NULL}, {0}};
static const field response_part[] = {{"inlineData", OBJECT | DATA, blob}, {"fileData", OBJECT | DATA, file}, {0}};
static const field response[] = {{"id", STRING, NULL},
                                 {"name", STRING | REQUIRED, NULL},
                                 {"response", OBJECT, NULL},
                                 {"parts", LIST | OBJECT, response_part},
                                 {0}};
static const field code[] = {{"language", ENUM, NULL}, {"code", STRING, NULL}, {0}};
static const field code_result[] = {{"outcome", ENUM, NULL}, {"output", STRING, NULL}, {0}};
static const field part[] = {{"text", STRING | DATA, NULL},
                             {"inlineData", OBJECT | DATA, blob},
                             {"fileData", OBJECT | DATA, file},
                             {"functionCall", OBJECT | DATA, call},
                             {"functionResponse", OBJECT | DATA, response},
                             {"executableCode", OBJECT | DATA, code},
                             {"codeExecutionResult", OBJECT | DATA, code_result},
                             {"toolCall", OBJECT | DATA, NULL},
                             {"toolResponse", OBJECT | DATA, NULL},
                             {"thought", BOOL, NULL},
                             {"thoughtSignature", STRING, NULL},
                             {0}};
static const field content[] = {{"role", STRING | ROLE, NULL}, {"parts", LIST | OBJECT, part}, {0}};
static const field declaration[] = {{"name", STRING | REQUIRED, NULL},
                                    {"description", STRING, NULL},
                                    {"parameters", OBJECT, NULL},
                                    {"parametersJsonSchema", OBJECT | BOOL, NULL},
                                    {0}};
static const field tool[] = {{"functionDeclarations", LIST | OBJECT, declaration}, {0}};
static const field calling[] = {{"mode", ENUM, NULL}, {"allowedFunctionNames", LIST | STRING, NULL}, {0}};
static const field tool_config[] = {{"functionCallingConfig", OBJECT, calling}, {0}};
static const field thinking[] = {
    {"includeThoughts", BOOL, NULL}, {"thinkingBudget", INTEGER, NULL}, {"thinkingLevel", ENUM, NULL}, {0}};
static const field config[] = {{"candidateCount", INTEGER | POSITIVE, NULL},
                               {"stopSequences", LIST | STRING, NULL},
                               {"maxOutputTokens", INTEGER | POSITIVE, NULL},
                               {"temperature", NUMBER, NULL},
                               {"topP", NUMBER, NULL},
                               {"topK", NUMBER, NULL},
                               {"seed", INTEGER, NULL},
                               {"responseMimeType", STRING, NULL},
                               {"responseSchema", OBJECT, NULL},
                               {"responseJsonSchema", OBJECT | BOOL, NULL},
                               {"presencePenalty", NUMBER, NULL},
                               {"frequencyPenalty", NUMBER, NULL},
                               {"responseLogprobs", BOOL, NULL},
                               {"logprobs", INTEGER, NULL},
                               {"responseModalities", LIST | ENUM, NULL},
                               {"thinkingConfig", OBJECT, thinking},
                               {0}};
static const field generate[] = {{"model", STRING, NULL},
                                 {"contents", LIST | OBJECT | REQUIRED, content},
                                 {"systemInstruction", OBJECT | STRING, content},
                                 {"tools", LIST | OBJECT, tool},
                                 {"toolConfig", OBJECT, tool_config},
                                 {"safetySettings", LIST | OBJECT, NULL},
                                 {"generationConfig", OBJECT, config},
                                 {"cachedContent", STRING, NULL},
                                 {"labels", OBJECT, NULL},
                                 {0}};
static const field count_wrapped[] = {{"generateContentRequest", OBJECT | REQUIRED, generate}, {0}};
static const field embed[] = {{"model", STRING, NULL},
                              {"content", OBJECT | REQUIRED, content},
                              {"taskType", ENUM, NULL},
                              {"title", STRING, NULL},
                              {"outputDimensionality", INTEGER | POSITIVE, NULL},
                              {0}};
static const field batch[] = {{"requests", LIST | OBJECT | REQUIRED, embed}, {0}};

/* Where a value stands, for messages. */
typedef struct place {
    const struct place *up;
    const char *name;
    int64_t index; /* in a list, or -1 */
} place;

static void path_write(const place *p, mg_buf *b) {
    if (p->up) {
        path_write(p->up, b);
        mg_buf_str(b, MG_STR("."));
    }
    mg_buf_str(b, mg_str_of(p->name));
    if (p->index >= 0) mg_buf_printf(b, "[%lld]", (long long)p->index);
}

static mg_status refuse(const place *p, const char *code_name, const char *why, mg_error *error) {
    char path[200];
    mg_buf b = {.p = path, .cap = sizeof path, .max = sizeof path};
    path_write(p, &b);
    return mg_fail(error, 400, code_name, "'%.*s' %s.", (int)b.n, path, why);
}

static mg_status check_object(const mg_json *object, const field *fields, const place *up, mg_error *error);

static mg_status check_type(const mg_json *v, const field *f, const place *at, mg_error *error) {
    unsigned types = (f->types & TYPES) | (f->types & INTEGER ? NUMBER | STRING : 0);
    if (types & 1u << v->type) return MG_OK;
    char why[120];
    const char *wanted = types & OBJECT   ? "an object"
                         : types & STRING ? "a string"
                         : types & BOOL   ? "a boolean"
                                          : "a number";
    snprintf(why, sizeof why, "must be %s%s, not %s", f->types & INTEGER ? "an integer" : wanted,
             f->types & LIST ? " (in a list)" : "", mg_json_type_name((mg_json_type)v->type));
    return refuse(at, "invalid_type", why, error);
}

static mg_status check_value(const mg_json *v, const field *f, const place *at, mg_error *error) {
    static const char *const roles[] = {"user", "model", "function", "tool", "system", ""};
    if (check_type(v, f, at, error) != MG_OK) return MG_ERROR;
    int64_t n = f->types & INTEGER ? mg_gemini_int(v, INT64_MIN) : 0;
    if (n == INT64_MIN) return refuse(at, "invalid_value", "must be an integer", error);
    if (f->types & POSITIVE && (n < 1 || n > INT32_MAX))
        return refuse(at, "invalid_value", "must be an integer from 1 to 2147483647", error);
    if (f->types & ROLE) {
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
            if (mg_str_is(v->str, roles[i])) return MG_OK;
        return refuse(at, "invalid_value", "must be user or model", error);
    }
    return v->type == MG_JSON_OBJECT && f->of ? check_object(v, f->of, at, error) : MG_OK;
}

static mg_status check_field(const mg_json *v, const field *f, const place *up, mg_error *error) {
    place at = {up, f->name, -1};
    if (!(f->types & LIST) && v->type == MG_JSON_ARRAY) return check_type(v, f, &at, error);
    if (v->type != MG_JSON_ARRAY) return check_value(v, f, &at, error);
    if (f->types & REQUIRED && !v->count) return refuse(&at, "invalid_value", "must not be empty", error);
    for (const mg_json *i = v->child; i; i = i->next) {
        at.index++;
        if (check_value(i, f, &at, error) != MG_OK) return MG_ERROR;
    }
    return MG_OK;
}

static const field *find_field(const field *fields, mg_str key) {
    for (; fields->name; fields++)
        if (mg_gemini_named(key, fields->name)) return fields;
    return NULL;
}

static mg_status check_members(const mg_json *object, const field *fields, const place *up, uint64_t *present,
                               mg_error *error) {
    uint64_t seen = 0;
    const field *data = NULL;
    for (const mg_json *m = object->child; m; m = m->next) {
        const field *f = find_field(fields, m->key);
        if (!f) continue;
        const place at = {up, f->name, -1};
        uint64_t bit = UINT64_C(1) << (f - fields);
        if (seen & bit) return refuse(&at, "duplicate_key", "is given twice, in both of its spellings", error);
        seen |= bit;
        if (m->type == MG_JSON_NULL) continue;
        *present |= bit;
        if (check_field(m, f, up, error) != MG_OK) return MG_ERROR;
        if (!(f->types & DATA)) continue;
        if (data) {
            char why[120];
            snprintf(why, sizeof why, "stands beside %s: a part holds one of them", data->name);
            return refuse(&at, "invalid_value", why, error);
        }
        data = f;
    }
    return MG_OK;
}

static mg_status check_object(const mg_json *object, const field *fields, const place *up, mg_error *error) {
    uint64_t present = 0;
    if (check_members(object, fields, up, &present, error) != MG_OK) return MG_ERROR;
    for (const field *f = fields; f->name; f++) {
        const place at = {up, f->name, -1};
        if (f->types & REQUIRED && !(present >> (f - fields) & 1))
            return refuse(&at, "missing_required_parameter", "is missing", error);
    }
    return MG_OK;
}

mg_status mg_gemini_check(mg_operation op, const mg_json *root, mg_error *error) {
    if (mg_json_kind(root) != MG_JSON_OBJECT)
        return mg_fail(error, 400, "invalid_type", "The body must be an object, not %s.",
                       mg_json_type_name(mg_json_kind(root)));
    if (op == MG_OP_CHAT) return check_object(root, generate, NULL, error);
    if (op == MG_OP_EMBEDDINGS) return check_object(root, mg_gemini_get(root, "requests") ? batch : embed, NULL, error);
    if (op == MG_OP_COUNT_TOKENS)
        return check_object(root, mg_gemini_get(root, "generateContentRequest") ? count_wrapped : generate, NULL,
                            error);
    return mg_fail(error, 404, "not_found", "This format has no such operation.");
}
