/* Tokens of a whole request: what OpenAI's chat format adds to its texts, tool definitions, images, and the bound. */
#include "gateway/tokens.h"
#include "gateway/tokens_image.h"
#include "gateway/tokens_tools.h"

enum {
    MESSAGE_TOKENS = 3, /* per message, beside its role and content */
    ROLE_TOKENS = 1,
    PRIMING_TOKENS = 3, /* the start of the answer; one less for models that think */
    NAME_TOKENS = 1,
    CALL_TOKENS = 6, /* what encloses a call of a function */
    TOOL_TOKENS = 8, /* what encloses a tool's definition, outside of OpenAI */
    FUNCTIONS_TOKENS = 9, /* what encloses all functions; less where a system message is there anyway */
    FUNCTIONS_SHARED = 4,
    CLAUDE_TOOLS = 346, /* published: what Anthropic puts before tool definitions */
    /* The bound holds for every vendor: gpt-4o-mini counts 2,833 and 5,667 a tile, and there are at most eight (2048 ×
     * 768). */
    IMAGE_LOW_MOST = 2833,
    IMAGE_HIGH_MOST = 2833 + 8 * 5667,
    AUDIO_BYTES = 1600, /* a token, in MP3 at 128 kbit/s: ten tokens a second */
    FILE_BYTES = 6, /* a token of a document */
    TOOLS_PROMPT_MOST = 1024, /* what vendors put before tool definitions */
    OVERHEAD_MOST = 64,
    WINDOW_MOST = 2097152 /* the largest context window there is: what content elsewhere can come to */
};

static mg_str text_at(const mg_json *object, const char *key) {
    return mg_json_text(mg_json_get(object, mg_str_of(key)));
}

static bool is_one_of(mg_str s, const mg_str *names) {
    for (; names->n; names++)
        if (mg_str_eq(s, *names)) return true;
    return false;
}

static const mg_str IMAGES[] = {MG_STR_INIT("image_url"), MG_STR_INIT("input_image"), MG_STR_INIT("image"), {0}};
static const mg_str FILES[] = {MG_STR_INIT("file"), MG_STR_INIT("input_file"), MG_STR_INIT("document"), {0}};

static bool is_low(const mg_json *part) {
    mg_str detail = text_at(part, "detail");
    if (detail.n == 0) detail = text_at(mg_json_get(part, MG_STR("image_url")), "detail");
    return mg_str_is(detail, "low");
}

/* ---- estimate ---------------------------------------------------------------------------------------------------- */

/* How a model counts. */
typedef struct counter {
    mg_str model; /* bare name */
    const mg_bpe *vocabulary; /* NULL: texts are estimated */
    bool claude, gemini, thinking;
    int64_t message, priming;
} counter;

static counter counter_for(mg_str model, const mg_bpe *vocabulary) {
    counter k = {.model = mg_tokens_family(model), .vocabulary = vocabulary};
    k.claude = mg_str_starts(k.model, MG_STR("claude"));
    k.gemini = mg_str_starts(k.model, MG_STR("gemini"));
    k.thinking = mg_str_starts(k.model, MG_STR("gpt-5")) ||
                 (k.model.n > 1 && k.model.p[0] == 'o' && k.model.p[1] >= '1' && k.model.p[1] <= '9');
    k.message = k.gemini ? 0 : MESSAGE_TOKENS + ROLE_TOKENS;
    k.priming = k.gemini ? 0 : k.thinking ? PRIMING_TOKENS - 1 : PRIMING_TOKENS;
    return k;
}

static int64_t text_tokens(mg_str text, const counter *k) {
    return k->vocabulary ? (int64_t)mg_bpe_encode(k->vocabulary, text, NULL) : mg_tokens_estimate(text, k->model);
}

/* Names, strings and numbers of a schema; quotes, colons and braces at about one token for each value. */
static int64_t schema_tokens(const mg_json *v, const counter *k) {
    int64_t n = text_tokens(v->key, k);
    if (v->type == MG_JSON_STRING || v->type == MG_JSON_NUMBER)
        n += text_tokens(v->str, k) + 1;
    else
        n += 1;
    for (const mg_json *c = v->child; c; c = c->next) n += schema_tokens(c, k);
    return n;
}

static int64_t base64_bytes(mg_str text) { return (int64_t)(text.n / 4 * 3); }

static int64_t content_tokens(const mg_json *content, const counter *k);

static int64_t file_tokens(const mg_json *part) {
    mg_str data = text_at(part, "file_data");
    if (data.n == 0) data = text_at(mg_json_get(part, MG_STR("file")), "file_data");
    if (data.n == 0) data = text_at(mg_json_get(part, MG_STR("source")), "data"); /* Anthropic's */
    return 1 + base64_bytes(data) / FILE_BYTES;
}

/* Texts, and what calls of tools and their results hold in any format's parts. */
static int64_t members_tokens(const mg_json *part, const counter *k) {
    static const char *const texts[] = {"text", "refusal", "thinking", "name", "arguments"};
    int64_t n = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) n += text_tokens(text_at(part, texts[i]), k);
    const mg_json *input = mg_json_get(part, MG_STR("input"));
    if (input) n += schema_tokens(input, k);
    return n + content_tokens(mg_json_get(part, MG_STR("content")), k) +
           content_tokens(mg_json_get(part, MG_STR("output")), k);
}

/* Where each format has a picture; one that is only named elsewhere has no size. */
static mg_image_size size_of(const mg_json *part) {
    const mg_json *url = mg_json_get(part, MG_STR("image_url")), *source = mg_json_get(part, MG_STR("source"));
    if (source) return mg_image_size_read(text_at(source, "data"));
    return mg_image_size_read(mg_json_kind(url) == MG_JSON_STRING ? url->str : text_at(url, "url"));
}

static int64_t part_tokens(const mg_json *part, const counter *k) {
    if (part->type == MG_JSON_STRING) return text_tokens(part->str, k);
    mg_str type = text_at(part, "type");
    if (is_one_of(type, IMAGES)) return mg_image_tokens(size_of(part), is_low(part), k->model);
    if (mg_str_is(type, "input_audio"))
        return 1 + base64_bytes(text_at(mg_json_get(part, MG_STR("input_audio")), "data")) / AUDIO_BYTES;
    return is_one_of(type, FILES) ? file_tokens(part) : members_tokens(part, k);
}

static int64_t content_tokens(const mg_json *content, const counter *k) {
    if (mg_json_kind(content) != MG_JSON_ARRAY) return content ? part_tokens(content, k) : 0;
    int64_t n = 0;
    for (const mg_json *part = content->child; part; part = part->next) n += part_tokens(part, k);
    return n;
}

static int64_t message_tokens(const mg_json *message, const counter *k) {
    int64_t n = k->message + content_tokens(mg_json_get(message, MG_STR("content")), k);
    mg_str name = text_at(message, "name");
    if (name.n) n += NAME_TOKENS + text_tokens(name, k);
    const mg_json *calls = mg_json_get(message, MG_STR("tool_calls"));
    for (const mg_json *call = calls ? calls->child : NULL; call; call = call->next) {
        const mg_json *function = mg_json_get(call, MG_STR("function"));
        n += CALL_TOKENS + text_tokens(text_at(function, "name"), k) + text_tokens(text_at(function, "arguments"), k);
    }
    return n;
}

/* `input` of embeddings, moderations or responses: a text, a list of texts, token numbers (counted exactly),
 * messages. */
static int64_t input_tokens(const mg_json *input, const counter *k) {
    if (mg_json_kind(input) == MG_JSON_STRING) return text_tokens(input->str, k);
    if (mg_json_kind(input) != MG_JSON_ARRAY) return 0;
    int64_t n = 0;
    for (const mg_json *x = input->child; x; x = x->next) {
        if (x->type == MG_JSON_NUMBER)
            n++;
        else if (x->type == MG_JSON_ARRAY)
            n += input_tokens(x, k);
        else
            n += mg_json_get(x, MG_STR("role")) ? message_tokens(x, k) : part_tokens(x, k);
    }
    return n;
}

/* Gemini's parts have no type: their members tell. */
static int64_t gemini_part_tokens(const mg_json *part, const counter *k) {
    int64_t n = 0;
    for (const mg_json *m = part->child; m; m = m->next) {
        mg_str mime = text_at(m, "mimeType"), data = text_at(m, "data");
        if (mime.n == 0) mime = text_at(m, "mime_type");
        if (m->type == MG_JSON_STRING)
            n += mg_str_is(m->key, "text") ? text_tokens(m->str, k) : 0;
        else if (mg_str_starts(mime, MG_STR("image/")))
            n += mg_image_tokens(mg_image_size_read(data), false, k->model);
        else if (mime.n)
            n += 1 + base64_bytes(data) / (mg_str_starts(mime, MG_STR("audio/")) ? AUDIO_BYTES : FILE_BYTES);
        else if (m->type == MG_JSON_OBJECT)
            n += k->message + schema_tokens(m, k); /* a call, or its result */
    }
    return n;
}

static int64_t gemini_content_tokens(const mg_json *content, const counter *k) {
    if (!content) return 0;
    if (content->type == MG_JSON_STRING) return text_tokens(content->str, k);
    const mg_json *parts = mg_json_get(content, MG_STR("parts"));
    int64_t n = k->message;
    if (mg_json_kind(parts) == MG_JSON_OBJECT) return n + gemini_part_tokens(parts, k); /* the API takes one, too */
    for (const mg_json *p = parts ? parts->child : NULL; p; p = p->next) n += gemini_part_tokens(p, k);
    return n;
}

static int64_t request_tokens(const mg_json *root, const counter *k);

static int64_t gemini_tokens(const mg_json *root, const counter *k) {
    static const char *const single[] = {"systemInstruction", "system_instruction", "content"};
    static const char *const inner[] = {"generateContentRequest", "generate_content_request"};
    const mg_json *contents = mg_json_get(root, MG_STR("contents")), *requests = mg_json_get(root, MG_STR("requests"));
    int64_t n = 0;
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        n += gemini_content_tokens(mg_json_get(root, mg_str_of(single[i])), k);
    if (mg_json_kind(contents) == MG_JSON_OBJECT)
        n += gemini_content_tokens(contents, k);
    else
        for (const mg_json *c = contents ? contents->child : NULL; c; c = c->next) n += gemini_content_tokens(c, k);
    for (const mg_json *r = requests ? requests->child : NULL; r; r = r->next)
        n += gemini_content_tokens(mg_json_get(r, MG_STR("content")), k);
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        const mg_json *r = mg_json_get(root, mg_str_of(inner[i]));
        if (mg_json_kind(r) == MG_JSON_OBJECT) n += request_tokens(r, k);
    }
    return n;
}

/* Texts of embeddings come bare; those of responses are a user's message, or stand among messages. */
static int64_t responses_overhead(const mg_json *root, const counter *k) {
    const mg_json *input = mg_json_get(root, MG_STR("input"));
    mg_bpe_encoding e;
    if (mg_json_kind(input) == MG_JSON_ARRAY) return mg_json_get(input->child, MG_STR("role")) ? k->priming : 0;
    bool chat = mg_tokens_encoding(k->model, &e) && !mg_str_starts(k->model, MG_STR("text-embedding"));
    return mg_json_kind(input) == MG_JSON_STRING && chat ? k->message + k->priming : 0;
}

static bool has_system(const mg_json *root) {
    const mg_json *messages = mg_json_get(root, MG_STR("messages"));
    return (messages && mg_str_is(text_at(messages->child, "role"), "system")) ||
           mg_json_get(root, MG_STR("instructions"));
}

static int64_t tools_tokens(const mg_json *root, const mg_json *tools, const counter *k) {
    mg_buf text = {0};
    int64_t n = 0;
    bool openai = !k->claude && !k->gemini;
    if (openai && mg_tokens_tools_write(tools, &text))
        n = FUNCTIONS_TOKENS - (has_system(root) ? FUNCTIONS_SHARED : 0) + text_tokens(mg_buf_view(&text), k);
    mg_buf_finish(&text);
    for (const mg_json *tool = tools ? tools->child : NULL; tool; tool = tool->next)
        if (!openai || !mg_tokens_tools_function(tool)) n += TOOL_TOKENS + schema_tokens(tool, k);
    return tools && tools->child && k->claude ? n + CLAUDE_TOOLS : n;
}

static int64_t request_tokens(const mg_json *root, const counter *k) {
    int64_t n = gemini_tokens(root, k);
    const mg_json *messages = mg_json_get(root, MG_STR("messages")), *system = mg_json_get(root, MG_STR("system"));
    mg_str instructions = text_at(root, "instructions");
    for (const mg_json *m = messages ? messages->child : NULL; m; m = m->next) n += message_tokens(m, k);
    if (messages) n += k->priming;
    n += input_tokens(mg_json_get(root, MG_STR("input")), k) + input_tokens(mg_json_get(root, MG_STR("prompt")), k);
    n += responses_overhead(root, k);
    n += content_tokens(system, k);
    if (instructions.n) n += k->message + text_tokens(instructions, k);
    n += tools_tokens(root, mg_json_get(root, MG_STR("tools")), k);
    n += tools_tokens(root, mg_json_get(root, MG_STR("functions")), k);
    const mg_json *format = mg_json_get(root, MG_STR("response_format"));
    const mg_json *schema = mg_json_get(format, MG_STR("json_schema"));
    return schema ? n + schema_tokens(schema, k) : n;
}

int64_t mg_tokens_request(const mg_json *root, mg_str model) {
    const counter k = counter_for(model, NULL);
    return request_tokens(root, &k);
}

int64_t mg_tokens_request_exact(const mg_json *root, mg_str model, bool *exact) {
    const counter k = counter_for(model, mg_tokens_vocabulary(model));
    *exact = k.vocabulary != NULL;
    return request_tokens(root, &k);
}

/* ---- bound ------------------------------------------------------------------------------------------------------- */

/* Gemini's parts have no type: their members tell. */
static int64_t of_gemini(const mg_json *v) {
    static const mg_str inside[] = {MG_STR_INIT("inlineData"), MG_STR_INIT("inline_data"), {0}};
    static const mg_str elsewhere[] = {MG_STR_INIT("fileData"), MG_STR_INIT("file_data"), {0}};
    for (const mg_json *m = v->child; m; m = m->next) {
        if (is_one_of(m->key, inside))
            return mg_str_starts(text_at(m, "mimeType"), MG_STR("image/")) ? IMAGE_HIGH_MOST : WINDOW_MOST;
        if (m->type == MG_JSON_OBJECT && is_one_of(m->key, elsewhere)) return WINDOW_MOST;
    }
    return 0;
}

/* What parts can come to beyond their bytes in the body. */
static int64_t beyond_bytes(const mg_json *v) {
    int64_t n = 0;
    if (v->type == MG_JSON_OBJECT) {
        mg_str type = text_at(v, "type");
        if (!type.n)
            n += of_gemini(v);
        else if (is_one_of(type, IMAGES))
            n += is_low(v) ? IMAGE_LOW_MOST : IMAGE_HIGH_MOST;
        else if (is_one_of(type, FILES))
            n += WINDOW_MOST;
    }
    for (const mg_json *c = v->child; c; c = c->next) n += beyond_bytes(c);
    return n;
}

int64_t mg_tokens_bound(const mg_json *root, size_t body_bytes) {
    int64_t n = (int64_t)body_bytes + OVERHEAD_MOST;
    if (mg_json_get(root, MG_STR("tools"))) n += TOOLS_PROMPT_MOST;
    return root ? n + beyond_bytes(root) : n;
}
