/* Answers to chat completions, plain and in chunks: choices and usage, with the dialects of OpenAI's relatives. */
#include "decode.h"

/* ---- usage ------------------------------------------------------------------------------------------------------- */

/* The first of two names that holds a number above 0. */
static int64_t count_either(const decoder *d, const mg_json *a, const char *key_a, const mg_json *b,
                            const char *key_b) {
    int64_t n = openai_count(d, a, key_a);
    return n ? n : openai_count(d, b, key_b);
}

/* xAI and Gemini's OpenAI routes leave the reasoning out of completion_tokens, but not out of the total. */
static void output_complete(const decoder *d, const mg_json *usage, mg_usage *u) {
    int64_t total = openai_count(d, usage, "total_tokens");
    if (total > u->input && total - u->input > u->output) u->output = total - u->input;
}

static void usage_emit(const decoder *d, const mg_json *usage, bool alone) {
    if (!openai_is_object(d->h, usage)) return;
    const mg_json *in = openai_get(d->h, usage, "prompt_tokens_details");
    const mg_json *out = openai_get(d->h, usage, "completion_tokens_details");
    mg_usage u = {.size = sizeof u};
    u.input = openai_count(d, usage, "prompt_tokens");
    u.output = openai_count(d, usage, "completion_tokens");
    output_complete(d, usage, &u);
    /* DeepSeek and Moonshot have names of their own. */
    u.cached = count_either(d, in, "cached_tokens", usage, "prompt_cache_hit_tokens");
    if (!u.cached) u.cached = openai_count(d, usage, "cached_tokens");
    /* Grok on Azure counts the cached tokens of its own hidden preamble here, which are in no other number. */
    u.cached = least(u.cached, u.input);
    u.cache_write = least(openai_count(d, in, "cache_write_tokens"), u.input - u.cached);
    u.reasoning = least(count_either(d, out, "reasoning_tokens", usage, "reasoning_tokens"), u.output);
    u.audio_input = least(openai_count(d, in, "audio_tokens"), u.input);
    u.audio_output = least(openai_count(d, out, "audio_tokens"), u.output);
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u, .alone = alone});
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

static void finish_emit(const decoder *d, mg_str reason, int64_t choice) {
    static const struct {
        const char *theirs, *ours;
    } reasons[] = {{"stop", "stop"},
                   {"length", "length"},
                   {"tool_calls", "tool_calls"},
                   {"content_filter", "content_filter"},
                   {"function_call", "tool_calls"},
                   {"max_tokens", "length"},
                   {"model_length", "length"},
                   {"tool_use", "tool_calls"}};
    if (!reason.n) return;
    /* OpenRouter and DeepSeek say here that the answer broke off. */
    if (str_eq(reason, STR("error")) || str_eq(reason, STR("insufficient_system_resource"))) {
        emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = STR("the provider broke the answer off"), .name = reason});
        return;
    }
    mg_str canonical = STR("stop");
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (str_eq(reason, str_of(reasons[i].theirs))) canonical = str_of(reasons[i].ours);
    emit(d, (mg_event){.type = MG_EVENT_FINISH, .choice = choice, .text = canonical, .name = reason});
}

/* Early models with vision say it in finish_details. */
static mg_str finish_reason(const decoder *d, const mg_json *choice) {
    mg_str reason = openai_text(d->h, choice, "finish_reason");
    if (reason.n || d->frame->stream) return reason;
    return openai_text(d->h, openai_get(d->h, choice, "finish_details"), "type");
}

static void choice_emit(const decoder *d, const mg_json *choice, int64_t place) {
    int64_t index = d->h->json_int(openai_get(d->h, choice, "index"), place);
    const mg_json *message = openai_get(d->h, choice, "delta");
    if (!openai_is_object(d->h, message)) message = openai_get(d->h, choice, "message");
    openai_message_emit(d, message, index);
    const mg_json *logprobs = openai_get(d->h, choice, "logprobs");
    if (logprobs) openai_logprobs_emit(d, index, openai_get(d->h, logprobs, "content"));
    finish_emit(d, finish_reason(d, choice), index);
    usage_emit(d, openai_get(d->h, choice, "usage"), false);
}

void openai_chat_emit(const decoder *d) {
    int64_t place = 0;
    const mg_json *root = d->frame->json, *first = d->h->json_child(openai_get(d->h, root, "choices"));
    for (const mg_json *c = first; c; c = d->h->json_next(c)) choice_emit(d, c, place++);
    const mg_json *usage = openai_get(d->h, root, "usage");
    if (!openai_is_object(d->h, usage)) /* Groq's place for it */
        usage = openai_get(d->h, openai_get(d->h, root, "x_groq"), "usage");
    if (!usage) return;
    /* Azure's verdict on the prompt comes without choices too, and is for the client. */
    usage_emit(d, usage, d->frame->stream && !first && !openai_get(d->h, root, "prompt_filter_results"));
}
