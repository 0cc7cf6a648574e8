/* One message of a chat completion, or a piece of it. */
#include "decode.h"

/* What a message may hold, by the length of the names. Found in one walk, for a chunk has one or two of them. */
typedef enum member {
    AUDIO,
    IMAGES, /* OpenRouter */
    CONTENT,
    REFUSAL,
    REASONING, /* vLLM, Groq, OpenRouter */
    TOOL_CALLS,
    ANNOTATIONS,
    FUNCTION_CALL,
    EXTRA_CONTENT, /* Gemini's OpenAI routes */
    REASONING_CONTENT, /* DeepSeek and most others */
    REASONING_DETAILS, /* OpenRouter, with signatures */
    N_MEMBERS
} member;

static void members_find(const decoder *d, const mg_json *message, const mg_json *found[N_MEMBERS]) {
    static const mg_str names[N_MEMBERS] = {
#define NAME(literal) {literal, sizeof(literal) - 1}
        [AUDIO] = NAME("audio"),
        [IMAGES] = NAME("images"),
        [CONTENT] = NAME("content"),
        [REFUSAL] = NAME("refusal"),
        [REASONING] = NAME("reasoning"),
        [TOOL_CALLS] = NAME("tool_calls"),
        [ANNOTATIONS] = NAME("annotations"),
        [FUNCTION_CALL] = NAME("function_call"),
        [EXTRA_CONTENT] = NAME("extra_content"),
        [REASONING_CONTENT] = NAME("reasoning_content"),
        [REASONING_DETAILS] = NAME("reasoning_details"),
#undef NAME
    };
    for (const mg_json *m = d->h->json_child(message); m; m = d->h->json_next(m)) {
        mg_str key = d->h->json_key(m);
        for (size_t i = 0; i < N_MEMBERS && names[i].n <= key.n; i++)
            if (str_eq(key, names[i])) {
                found[i] = m;
                break;
            }
    }
}

static void signature_emit(const decoder *d, int64_t choice, mg_event_type type, mg_str vendor, mg_str bytes) {
    if (bytes.n) emit(d, (mg_event){.type = type, .choice = choice, .text = bytes, .name = vendor});
}

/* ---- reasoning --------------------------------------------------------------------------------------------------- */

/* Whose reasoning it is, by the `format` of OpenRouter's details. */
static mg_str details_vendor(mg_str format) {
    static const char *const vendors[][2] = {{"anthropic", "anthropic"}, {"google", "gemini"}, {"openai", "openai"}};
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        size_t n = strlen(vendors[i][0]);
        if (format.n >= n && memcmp(format.p, vendors[i][0], n) == 0) return str_of(vendors[i][1]);
    }
    return STR("openrouter");
}

/* Encrypted details are redacted reasoning to Anthropic, and the signature of it to all others. */
static void details_emit(const decoder *d, const mg_json *details, int64_t choice, bool text_said) {
    for (const mg_json *part = d->h->json_child(details); part; part = d->h->json_next(part)) {
        mg_str vendor = details_vendor(openai_text(d->h, part, "format"));
        if (!text_said) {
            emit_text(d, MG_EVENT_REASONING, choice, openai_text(d->h, part, "text"));
            emit_text(d, MG_EVENT_REASONING, choice, openai_text(d->h, part, "summary"));
        }
        signature_emit(d, choice, MG_EVENT_SIGNATURE, vendor, openai_text(d->h, part, "signature"));
        bool redacted = str_eq(vendor, STR("anthropic"));
        mg_str data = openai_text(d->h, part, "data");
        if (data.n && !redacted && !text_said) emit(d, (mg_event){.type = MG_EVENT_REASONING, .choice = choice});
        signature_emit(d, choice, redacted ? MG_EVENT_REDACTED : MG_EVENT_SIGNATURE, vendor, data);
    }
}

static void reasoning_emit(const decoder *d, const mg_json *const found[], int64_t choice) {
    mg_str text = d->h->json_str(found[REASONING_CONTENT]);
    if (!text.n) text = d->h->json_str(found[REASONING]);
    emit_text(d, MG_EVENT_REASONING, choice, text);
    if (found[REASONING_DETAILS]) details_emit(d, found[REASONING_DETAILS], choice, text.n > 0);
}

/* ---- media ------------------------------------------------------------------------------------------------------- */

/* data:image/png;base64,AAAA. An address is the client's to follow: passed on as it is. */
static void image_emit(const decoder *d, const mg_json *part, int64_t choice) {
    const mg_json *image = openai_get(d->h, part, "image_url");
    mg_str url = d->h->json_str(image);
    if (!url.n) url = openai_text(d->h, image, "url");
    const char *comma = url.n > 5 && memcmp(url.p, "data:", 5) == 0 ? memchr(url.p, ',', url.n) : NULL;
    if (!comma) {
        emit(d, (mg_event){
                    .type = MG_EVENT_OTHER, .choice = choice, .name = STR("openai"), .text = openai_source(d, part)});
        return;
    }
    mg_str type = {url.p + 5, (size_t)(comma - url.p) - 5};
    const char *end = memchr(type.p, ';', type.n);
    if (end) type.n = (size_t)(end - type.p);
    mg_str data = {comma + 1, url.n - (size_t)(comma + 1 - url.p)};
    if (data.n) emit(d, (mg_event){.type = MG_EVENT_MEDIA, .choice = choice, .name = type, .text = data});
}

static void audio_emit(const decoder *d, const mg_json *audio, int64_t choice) {
    mg_str data = openai_text(d->h, audio, "data"), transcript = openai_text(d->h, audio, "transcript");
    if (!data.n && !transcript.n) return;
    emit(
        d,
        (mg_event){
            .type = MG_EVENT_MEDIA, .choice = choice, .name = openai_audio_type(data), .text = data, .id = transcript});
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

/* Mistral's content may be a list of parts, the reasoning among them as a list again. */
static void part_emit(const decoder *d, const mg_json *part, int64_t choice) {
    const mg_json *thinking = openai_get(d->h, part, "thinking");
    mg_str type = openai_text(d->h, part, "type");
    emit_text(d, MG_EVENT_TEXT, choice, openai_text(d->h, part, "text"));
    emit_text(d, MG_EVENT_REFUSAL, choice, openai_text(d->h, part, "refusal"));
    emit_text(d, MG_EVENT_REASONING, choice, d->h->json_str(thinking));
    for (const mg_json *t = d->h->json_child(thinking); t; t = d->h->json_next(t))
        emit_text(d, MG_EVENT_REASONING, choice, openai_text(d->h, t, "text"));
    if (thinking) signature_emit(d, choice, MG_EVENT_SIGNATURE, STR("mistral"), openai_text(d->h, part, "signature"));
    if (str_eq(type, STR("image_url"))) image_emit(d, part, choice);
    if (str_eq(type, STR("reference"))) openai_citation_emit(d, choice, STR("mistral"), openai_source(d, part));
}

static void content_emit(const decoder *d, const mg_json *content, int64_t choice) {
    if (d->h->json_type(content) == MG_JSON_ARRAY)
        for (const mg_json *p = d->h->json_child(content); p; p = d->h->json_next(p)) part_emit(d, p, choice);
    else
        emit_text(d, MG_EVENT_TEXT, choice, d->h->json_str(content));
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* Arguments are a string; servers that put the object itself there get its source text reported. */
static mg_str arguments(const decoder *d, const mg_json *v) {
    return openai_is_object(d->h, v) ? openai_source(d, v) : d->h->json_str(v);
}

static void call_emit(const decoder *d, const mg_json *function, const char *input, mg_event event) {
    event.type = MG_EVENT_TOOL;
    event.name = openai_text(d->h, function, "name");
    event.text = arguments(d, openai_get(d->h, function, input));
    if (event.name.n || event.text.n || event.id.n) emit(d, event);
}

/* Gemini's signature of a thought, where its OpenAI routes put it. */
static void thought_emit(const decoder *d, const mg_json *extra, int64_t choice) {
    signature_emit(d, choice, MG_EVENT_SIGNATURE, STR("gemini"),
                   openai_text(d->h, openai_get(d->h, extra, "google"), "thought_signature"));
}

static void tools_emit(const decoder *d, const mg_json *calls, int64_t choice) {
    int64_t place = 0;
    for (const mg_json *call = d->h->json_child(calls); call; call = d->h->json_next(call), place++) {
        mg_event event = {.choice = choice, .id = openai_text(d->h, call, "id")};
        event.index = d->h->json_int(openai_get(d->h, call, "index"), place);
        const mg_json *function = openai_get(d->h, call, "function");
        if (openai_is_object(d->h, function))
            call_emit(d, function, "arguments", event);
        else
            call_emit(d, openai_get(d->h, call, "custom"), "input", event);
        thought_emit(d, openai_get(d->h, call, "extra_content"), choice);
    }
}

void openai_message_emit(const decoder *d, const mg_json *message, int64_t choice) {
    const mg_json *found[N_MEMBERS] = {NULL};
    members_find(d, message, found);
    if (found[REASONING] || found[REASONING_CONTENT] || found[REASONING_DETAILS]) reasoning_emit(d, found, choice);
    if (found[CONTENT]) content_emit(d, found[CONTENT], choice);
    if (found[EXTRA_CONTENT]) thought_emit(d, found[EXTRA_CONTENT], choice);
    if (found[REFUSAL]) emit_text(d, MG_EVENT_REFUSAL, choice, d->h->json_str(found[REFUSAL]));
    for (const mg_json *a = d->h->json_child(found[ANNOTATIONS]); a; a = d->h->json_next(a))
        emit_text(d, MG_EVENT_CITATION, choice, openai_source(d, a));
    for (const mg_json *i = d->h->json_child(found[IMAGES]); i; i = d->h->json_next(i)) image_emit(d, i, choice);
    if (found[AUDIO]) audio_emit(d, found[AUDIO], choice);
    if (found[TOOL_CALLS]) tools_emit(d, found[TOOL_CALLS], choice);
    if (openai_is_object(d->h, found[FUNCTION_CALL]))
        call_emit(d, found[FUNCTION_CALL], "arguments", (mg_event){.choice = choice});
}
