/* Answers in the format of OpenAI's responses: whole ones, and the events of a stream. */
#include "decode.h"

/* ---- what ends an answer ----------------------------------------------------------------------------------------- */

static void responses_usage(const decoder *d, const mg_json *usage) {
    if (!openai_is_object(d->h, usage)) return;
    const mg_json *in = openai_get(d->h, usage, "input_tokens_details");
    const mg_json *out = openai_get(d->h, usage, "output_tokens_details");
    mg_usage u = {.size = sizeof u};
    u.input = openai_count(d, usage, "input_tokens");
    u.output = openai_count(d, usage, "output_tokens");
    u.cached = least(openai_count(d, in, "cached_tokens"), u.input);
    u.cache_write = least(openai_count(d, in, "cache_write_tokens"), u.input - u.cached);
    u.reasoning = least(openai_count(d, out, "reasoning_tokens"), u.output);
    u.audio_input = least(openai_count(d, in, "audio_tokens"), u.input);
    u.audio_output = least(openai_count(d, out, "audio_tokens"), u.output);
    emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

static bool is_failure(const decoder *d, const mg_json *response) {
    mg_str status = openai_text(d->h, response, "status");
    const mg_json *error = openai_get(d->h, response, "error");
    if (error && d->h->json_type(error) != MG_JSON_NULL)
        openai_error_emit(d, error);
    else if (str_eq(status, STR("failed")) || str_eq(status, STR("cancelled")))
        emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = STR("the provider broke the answer off"), .name = status});
    else
        return false;
    return true;
}

/* An answer that is made in the background has not finished. */
static void responses_finish(const decoder *d, const openai_state *state, const mg_json *response) {
    mg_str status = openai_text(d->h, response, "status"), text = state->calls ? STR("tool_calls") : STR("stop");
    if (str_eq(status, STR("queued")) || str_eq(status, STR("in_progress"))) return;
    mg_str reason = openai_text(d->h, openai_get(d->h, response, "incomplete_details"), "reason");
    if (str_eq(reason, STR("max_output_tokens"))) text = STR("length");
    if (str_eq(reason, STR("content_filter"))) text = STR("content_filter");
    emit(d, (mg_event){.type = MG_EVENT_FINISH, .text = text, .name = reason.n ? reason : status});
}

/* What the end of a stream repeats is known by its id, else by its place. Items of a long output that have left the state
 * again were whole when they did. */
static void response_emit(const decoder *d, openai_state *state, const mg_json *response) {
    int64_t place = 0;
    const mg_json *item = d->h->json_child(openai_get(d->h, response, "output"));
    for (; item; item = d->h->json_next(item), place++) {
        openai_item *it = d->frame->stream ? openai_item_known(d, state, item) : NULL;
        bool there = place >= state->highest || place + OPENAI_ITEMS >= state->highest;
        if (!it && there) it = openai_item_of(state, place);
        if (it) openai_item_emit(d, state, it, item);
    }
    responses_usage(d, openai_get(d->h, response, "usage"));
    if (!is_failure(d, response)) responses_finish(d, state, response);
}

static void response_meta(const decoder *d, const mg_json *response) {
    mg_str id = openai_text(d->h, response, "id"), model = openai_text(d->h, response, "model");
    if (id.n || model.n) emit(d, (mg_event){.type = MG_EVENT_META, .text = id, .name = model});
}

/* ---- events of a stream ------------------------------------------------------------------------------------------ */

/* Where the event belongs. */
static int64_t place_of(const decoder *d, const char *index) {
    return d->h->json_int(openai_get(d->h, d->frame->json, index), 0);
}

static mg_str delta_of(const decoder *d) { return openai_text(d->h, d->frame->json, "delta"); }

static void on_created(const decoder *d, openai_state *state) {
    (void)state;
    response_meta(d, openai_get(d->h, d->frame->json, "response"));
}

static void on_text(const decoder *d, openai_state *state) {
    openai_item_of(state, place_of(d, "output_index"))->content |= openai_part_bit(place_of(d, "content_index"));
    emit_text(d, MG_EVENT_TEXT, 0, delta_of(d));
    const mg_json *logprobs = openai_get(d->h, d->frame->json, "logprobs");
    if (logprobs) openai_logprobs_emit(d, 0, logprobs);
}

static void on_refusal(const decoder *d, openai_state *state) {
    openai_item_of(state, place_of(d, "output_index"))->content |= openai_part_bit(place_of(d, "content_index"));
    emit_text(d, MG_EVENT_REFUSAL, 0, delta_of(d));
}

static void on_summary(const decoder *d, openai_state *state) {
    openai_item *it = openai_item_of(state, place_of(d, "output_index"));
    it->summary |= openai_part_bit(place_of(d, "summary_index"));
    it->flags |= OPENAI_SAID;
    emit_text(d, MG_EVENT_REASONING, 0, delta_of(d));
}

static void on_reasoning(const decoder *d, openai_state *state) {
    openai_item *it = openai_item_of(state, place_of(d, "output_index"));
    it->content |= openai_part_bit(place_of(d, "content_index"));
    it->flags |= OPENAI_SAID;
    emit_text(d, MG_EVENT_REASONING, 0, delta_of(d));
}

static void on_arguments(const decoder *d, openai_state *state) {
    openai_call_emit(d, state, openai_item_of(state, place_of(d, "output_index")), NULL, delta_of(d));
}

static void on_annotation(const decoder *d, openai_state *state) {
    openai_item *it = openai_item_of(state, place_of(d, "output_index"));
    openai_annotation_emit(d, openai_get(d->h, d->frame->json, "annotation"));
    if (it->cited < UINT16_MAX) it->cited++;
}

/* Only a call says something before its first piece: its name. */
static void on_item(const decoder *d, openai_state *state) {
    const mg_json *item = openai_get(d->h, d->frame->json, "item");
    openai_item *it = openai_item_of(state, place_of(d, "output_index"));
    mg_str type = openai_text(d->h, item, "type");
    openai_item_name(d, it, item);
    if (str_eq(type, STR("function_call")) || str_eq(type, STR("custom_tool_call")))
        openai_call_emit(d, state, it, item, (mg_str){NULL, 0});
}

static void on_item_done(const decoder *d, openai_state *state) {
    const mg_json *item = openai_get(d->h, d->frame->json, "item");
    openai_item *it = openai_item_of(state, place_of(d, "output_index"));
    openai_item_name(d, it, item);
    openai_item_emit(d, state, it, item);
}

static void on_audio(const decoder *d, openai_state *state) {
    (void)state;
    mg_str data = delta_of(d);
    if (data.n) emit(d, (mg_event){.type = MG_EVENT_MEDIA, .name = openai_audio_type(data), .text = data});
}

static void on_transcript(const decoder *d, openai_state *state) {
    (void)state;
    mg_str text = delta_of(d);
    if (text.n) emit(d, (mg_event){.type = MG_EVENT_MEDIA, .name = STR("audio/pcm"), .id = text});
}

static void on_end(const decoder *d, openai_state *state) {
    const mg_json *response = openai_get(d->h, d->frame->json, "response");
    if (state->done) return;
    state->done = true;
    response_meta(d, response);
    response_emit(d, state, response);
    emit(d, (mg_event){.type = MG_EVENT_DONE});
}

/* What it cost until then is known all the same. */
static void on_failed(const decoder *d, openai_state *state) {
    const mg_json *response = openai_get(d->h, d->frame->json, "response");
    (void)state;
    responses_usage(d, openai_get(d->h, response, "usage"));
    if (!is_failure(d, response)) openai_error_emit(d, response);
}

static void on_error(const decoder *d, openai_state *state) {
    const mg_json *inner = openai_get(d->h, d->frame->json, "error");
    (void)state;
    openai_error_emit(d, inner && d->h->json_type(inner) != MG_JSON_NULL ? inner : d->frame->json);
}

typedef void event_handler(const decoder *d, openai_state *state);

/* Those that are most frequent first. Events that are not here say nothing that another one does not. */
static event_handler *handler_of(mg_str type) {
#define EVENT(name, handler)                                                                                           \
    { {name, sizeof(name) - 1}, handler }
    static const struct {
        mg_str type;
        event_handler *handler;
    } events[] = {
        EVENT("response.output_text.delta", on_text),
        EVENT("response.function_call_arguments.delta", on_arguments),
        EVENT("response.reasoning_summary_text.delta", on_summary),
        EVENT("response.reasoning_text.delta", on_reasoning),
        EVENT("response.custom_tool_call_input.delta", on_arguments),
        EVENT("response.output_item.added", on_item),
        EVENT("response.output_item.done", on_item_done),
        EVENT("response.output_text.annotation.added", on_annotation),
        EVENT("response.refusal.delta", on_refusal),
        EVENT("response.created", on_created),
        EVENT("response.completed", on_end),
        EVENT("response.incomplete", on_end),
        EVENT("response.failed", on_failed),
        EVENT("response.cancelled", on_failed),
        EVENT("response.audio.delta", on_audio),
        EVENT("response.audio.transcript.delta", on_transcript),
        EVENT("error", on_error),
    };
#undef EVENT
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (str_eq(type, events[i].type)) return events[i].handler;
    return NULL;
}

static void event_emit(const decoder *d, openai_state *state) {
    mg_str type = openai_text(d->h, d->frame->json, "type");
    event_handler *handler = handler_of(type.n ? type : d->frame->event);
    if (handler)
        handler(d, state);
    else if (!type.n && openai_get(d->h, d->frame->json, "error")) /* of a server in between, in its own form */
        on_error(d, state);
}

void openai_responses_emit(const decoder *d) {
    openai_state once = {0}; /* a plain answer is one frame */
    openai_state *state = d->frame->stream && d->frame->state ? d->frame->state : &once;
    if (d->frame->stream) {
        event_emit(d, state);
    } else {
        response_meta(d, d->frame->json);
        response_emit(d, state, d->frame->json);
    }
}
