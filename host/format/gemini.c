#include "format/gemini.h"

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool mg_gemini_named(mg_str key, const char *field) {
    size_t i = 0;
    for (; *field; field++) {
        if (i < key.n && key.p[i] == *field) {
            i++;
        } else if (lower(*field) != *field && i + 1 < key.n && key.p[i] == '_' && key.p[i + 1] == lower(*field)) {
            i += 2;
        } else {
            return false;
        }
    }
    return i == key.n;
}

const mg_json *mg_gemini_member(const mg_json *object, const char *field) {
    if (mg_json_kind(object) != MG_JSON_OBJECT) return NULL;
    for (const mg_json *m = object->child; m; m = m->next)
        if (mg_gemini_named(m->key, field)) return m;
    return NULL;
}

const mg_json *mg_gemini_get(const mg_json *object, const char *field) {
    const mg_json *v = mg_gemini_member(object, field);
    return mg_json_kind(v) == MG_JSON_NULL ? NULL : v;
}

mg_str mg_gemini_text(const mg_json *object, const char *field) { return mg_json_text(mg_gemini_get(object, field)); }

bool mg_gemini_bool(const mg_json *object, const char *field) {
    return mg_json_bool(mg_gemini_get(object, field), false);
}

int64_t mg_gemini_int(const mg_json *v, int64_t otherwise) {
    int64_t n;
    if (mg_json_kind(v) == MG_JSON_STRING) return mg_str_int(v->str, &n) ? n : otherwise;
    return mg_json_int(v, otherwise);
}

mg_str mg_gemini_enum(const mg_json *v, const char *const *names, size_t n) {
    if (mg_json_kind(v) == MG_JSON_STRING) return v->str;
    int64_t i = mg_json_int(v, -1);
    return i >= 0 && (uint64_t)i < n ? mg_str_of(names[i]) : MG_STR("");
}

const mg_json *mg_gemini_request(mg_operation op, const mg_json *root) {
    const mg_json *inner = op == MG_OP_COUNT_TOKENS ? mg_gemini_get(root, "generateContentRequest") : NULL;
    return inner ? inner : root;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

void mg_gemini_comma(mg_buf *b) {
    if (b->n && !strchr("[{:,", b->p[b->n - 1])) mg_buf_str(b, MG_STR(","));
}

void mg_gemini_key(mg_buf *b, const char *name) {
    mg_gemini_comma(b);
    mg_buf_json(b, mg_str_of(name));
    mg_buf_str(b, MG_STR(":"));
}

void mg_gemini_pair(mg_buf *b, const char *name, mg_str text) {
    mg_gemini_key(b, name);
    mg_buf_json(b, text);
}

void mg_gemini_pair_int(mg_buf *b, const char *name, int64_t n) {
    mg_gemini_key(b, name);
    mg_buf_printf(b, "%lld", (long long)n);
}

void mg_gemini_raw(mg_buf *b, mg_str json) {
    size_t from = b->n;
    if (!mg_buf_str(b, json)) return;
    for (; from < b->n; from++)
        if (b->p[from] == '\n' || b->p[from] == '\r') b->p[from] = ' ';
}

/* ---- models and counts ----------------------------------------------------------------------------------------------- */

/* What a model can do is not known here; its name tells embeddings apart. */
static bool embeds(mg_str id) {
    for (; id.n; id = mg_str_skip(id, 1))
        if (mg_str_starts(id, MG_STR("embed"))) return true;
    return false;
}

static void model(const mg_model_row *row, mg_buf *out) {
    mg_buf_str(out, MG_STR("{\"name\":\"models/"));
    mg_buf_json_raw(out, row->id);
    mg_buf_str(out, MG_STR("\""));
    mg_gemini_pair(out, "displayName", row->id);
    if (row->context > 0) mg_gemini_pair_int(out, "inputTokenLimit", row->context);
    if (row->max_output > 0) mg_gemini_pair_int(out, "outputTokenLimit", row->max_output);
    mg_gemini_key(out, "supportedGenerationMethods");
    mg_buf_str(out, embeds(row->id) ? MG_STR("[\"embedContent\",\"batchEmbedContents\"]}")
                                    : MG_STR("[\"generateContent\",\"streamGenerateContent\",\"countTokens\"]}"));
}

static void models(const mg_model_row *rows, size_t n, mg_buf *out) {
    mg_buf_str(out, MG_STR("{\"models\":["));
    for (size_t i = 0; i < n; i++) {
        mg_gemini_comma(out);
        model(&rows[i], out);
    }
    mg_buf_str(out, MG_STR("]}"));
}

static void count(int64_t input_tokens, mg_buf *out) {
    mg_buf_printf(out, "{\"totalTokens\":%lld}", (long long)input_tokens);
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

static void open_stream(mg_stream *s) { (void)s; /* nothing stands before the first event */ }

/* Refused content is an answer here, whose promptFeedback says so. */
static int status(int http, mg_str code) { return mg_str_is(code, "content_filter") ? 200 : http; }

const mg_format mg_format_gemini = {.id = MG_FORMAT_GEMINI,
                                    .name = "gemini",
                                    .check = mg_gemini_check,
                                    .read = mg_gemini_read,
                                    .parts = mg_gemini_parts,
                                    .set_system = mg_gemini_set_system,
                                    .set_max_output = mg_gemini_set_max_output,
                                    .set_param = mg_gemini_set_param,
                                    .param = mg_gemini_param,
                                    .add_message = mg_gemini_add_message,
                                    .remove_tool = mg_gemini_remove_tool,
                                    .canonical = mg_gemini_canonical,
                                    .plain = mg_gemini_plain,
                                    .stream_state = MG_GEMINI_STREAM_STATE,
                                    .open = open_stream,
                                    .event = mg_gemini_event,
                                    .close = mg_gemini_close,
                                    .error = mg_gemini_error,
                                    .error_frames = mg_gemini_error_frames,
                                    .status = status,
                                    .models = models,
                                    .model = model,
                                    .count = count};
