/* Answers: a GenerateContentResponse, whole or as one of a stream's, or a list of them. */
#include <stdio.h>

#include "google.h"

mg_str google_source(const google_decoder *d, const mg_json *v) {
    size_t start, end;
    if (!d->h->json_span(v, &start, &end) || end > d->frame->data.n) return (mg_str){NULL, 0};
    return (mg_str){d->frame->data.p + start, end - start};
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* Remembers which bytes of the text begin a character: sources are given in bytes, and wanted in characters. */
static void text_map(google_state *s, mg_str text) {
    for (size_t i = 0; i < text.n; i++, s->text++)
        if (((unsigned char)text.p[i] & 0xc0) == 0x80 && s->text / 8 < GOOGLE_MAP_BYTES)
            s->map[s->text / 8] |= (uint8_t)(1u << s->text % 8);
}

static void block_emit(const google_decoder *d, mg_event event) {
    d->state->last = (uint8_t)event.type;
    d->state->content = true;
    google_emit(d, event);
}

static void text_emit(const google_decoder *d, mg_event_type type, mg_str text, int64_t choice) {
    if (type == MG_EVENT_TEXT && choice == 0) text_map(d->state, text);
    block_emit(d, (mg_event){.type = type, .text = text, .choice = choice});
}

/* FNV-1a */
static uint64_t hash(mg_str s) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return h;
}

/* Most calls have no id: ours is made from the answer's own and the call's place in it, so that no other call of the
 * conversation has the same. */
static void call_begin(const google_decoder *d, const mg_json *call, int64_t choice, mg_str args) {
    char made[48];
    google_state *s = d->state;
    mg_str id = google_text(d->h, call, "id"), name = google_text(d->h, call, "name");
    if (!id.n) {
        int n = snprintf(made, sizeof made, "call_%016llx_%lld", (unsigned long long)s->seed, (long long)s->calls);
        id = (mg_str){made, (size_t)n};
    }
    block_emit(
        d,
        (mg_event){.type = MG_EVENT_TOOL, .index = s->calls++, .choice = choice, .name = name, .id = id, .text = args});
    if (choice < 64) s->with_calls |= (uint64_t)1 << choice;
}

/* A call comes whole in one part, unless its client asked for pieces. */
static bool call_emit(google_decoder *d, const mg_json *call, int64_t choice) {
    const mg_json *args = google_get(d->h, call, "args");
    bool more = d->h->json_bool(google_get(d->h, call, "willContinue"), false);
    bool pieces = more || google_get(d->h, call, "partialArgs");
    if (!call) return false;
    if (!google_text(d->h, call, "name").n) {
        if (!d->state->partial.open) return false;
        google_partial_add(d, call);
        return true;
    }
    google_partial_end(d);
    if (pieces && !args) {
        call_begin(d, call, choice, STR(""));
        google_partial_begin(d, call, d->state->calls - 1, choice);
    } else {
        call_begin(d, call, choice, google_is(d->h, args, MG_JSON_OBJECT) ? google_source(d, args) : STR("{}"));
    }
    return true;
}

static bool media_emit(const google_decoder *d, const mg_json *data, int64_t choice) {
    mg_str type = google_text(d->h, data, "mimeType"), bytes = google_text(d->h, data, "data");
    if (!bytes.n) return false;
    block_emit(d, (mg_event){.type = MG_EVENT_MEDIA, .choice = choice, .name = type, .text = bytes});
    return true;
}

/* What has no event of its own: code that was run, calls of Gemini's own tools, thoughts that are images, … */
static void other_emit(const google_decoder *d, const mg_json *part, int64_t choice) {
    static const char *const plain[] = {"thought", "thoughtSignature", "partMetadata"};
    bool more = false;
    for (const mg_json *m = d->h->json_child(part); m; m = d->h->json_next(m)) {
        size_t i = 0;
        while (i < COUNT(plain) && !str_is(d->h->json_key(m), plain[i])) i++;
        more |= i == COUNT(plain);
    }
    if (!more) return;
    block_emit(
        d, (mg_event){.type = MG_EVENT_OTHER, .choice = choice, .name = STR("gemini"), .text = google_source(d, part)});
}

/* A signature without text gets an empty block of its own, unless the one before it is of its kind. */
static void part_emit(google_decoder *d, const mg_json *part, int64_t choice) {
    const mg_json *text = google_get(d->h, part, "text");
    bool thought = d->h->json_bool(google_get(d->h, part, "thought"), false);
    mg_str signature = google_text(d->h, part, "thoughtSignature");
    mg_event_type type = thought ? MG_EVENT_REASONING : MG_EVENT_TEXT;
    if (!google_get(d->h, part, "functionCall") && d->h->json_str(text).n) google_partial_end(d);
    if (google_is(d->h, text, MG_JSON_STRING)) {
        mg_str s = d->h->json_str(text);
        if (s.n || (signature.n && d->state->last != (uint8_t)type)) text_emit(d, type, s, choice);
    } else if (!call_emit(d, google_get(d->h, part, "functionCall"), choice) &&
               (thought || !media_emit(d, google_get(d->h, part, "inlineData"), choice))) {
        other_emit(d, part, choice);
    }
    if (signature.n)
        google_emit(d,
                    (mg_event){.type = MG_EVENT_SIGNATURE, .choice = choice, .text = signature, .name = STR("gemini")});
}

/* ---- how it ended ------------------------------------------------------------------------------------------------ */

typedef struct ending {
    const char *theirs;
    int number; /* where the client asked Vertex AI for numbers; 0: none that is the same in both APIs */
    const char *ours;
    bool broken; /* the model's call came to nothing: an answer without any content is none */
} ending;

/* OTHER and its like are no natural end, so they are no "stop"; what is not here is one. A broken call's answer may
 * still hold text, which then has to do: "stop". */
static const ending endings[] = {
    {"STOP", 1, "stop", false},
    {"MAX_TOKENS", 2, "length", false},
    {"CONTINUATION", 0, "length", false},
    {"SAFETY", 3, "content_filter", false},
    {"RECITATION", 4, "content_filter", false},
    {"OTHER", 5, "content_filter", false},
    {"LANGUAGE", 0, "content_filter", false},
    {"BLOCKLIST", 0, "content_filter", false},
    {"PROHIBITED_CONTENT", 0, "content_filter", false},
    {"SPII", 0, "content_filter", false},
    {"MODEL_ARMOR", 0, "content_filter", false},
    {"JAILBREAK", 0, "content_filter", false},
    {"IMAGE_SAFETY", 0, "content_filter", false},
    {"IMAGE_PROHIBITED_CONTENT", 0, "content_filter", false},
    {"IMAGE_RECITATION", 0, "content_filter", false},
    {"IMAGE_OTHER", 0, "content_filter", false},
    {"NO_IMAGE", 0, "stop", false},
    {"MALFORMED_FUNCTION_CALL", 0, "stop", true},
    {"UNEXPECTED_TOOL_CALL", 0, "stop", true},
    {"TOO_MANY_TOOL_CALLS", 0, "stop", true},
    {"MISSING_THOUGHT_SIGNATURE", 0, "stop", true},
};

static ending ending_of(const google_decoder *d, const mg_json *reason) {
    int64_t number = d->h->json_int(reason, 0);
    for (size_t i = 0; i < COUNT(endings); i++)
        if (str_is(d->h->json_str(reason), endings[i].theirs) || (number && number == endings[i].number))
            return endings[i];
    return (ending){NULL, 0, "stop", false};
}

static void finish_emit(google_decoder *d, const mg_json *candidate, int64_t choice) {
    const mg_json *reason = google_get(d->h, candidate, "finishReason");
    if (!reason) return;
    google_partial_end(d);
    ending e = ending_of(d, reason);
    mg_str name = d->h->json_str(reason), ours = str_of(e.ours);
    if (!name.n) name = e.theirs ? str_of(e.theirs) : google_source(d, reason);
    /* A client of Gemini's own format gets the answer as it is, and so no error in its place. */
    if (e.broken && !d->state->content && d->frame->format != MG_FORMAT_GEMINI) {
        mg_str message = google_text(d->h, candidate, "finishMessage");
        google_emit(d, (mg_event){.type = MG_EVENT_ERROR,
                                  .text = message.n ? message : STR("the model's call of a function came to nothing"),
                                  .name = name});
        return;
    }
    bool calls = choice < 64 && d->state->with_calls >> choice & 1;
    if (calls && str_is(ours, "stop")) ours = STR("tool_calls");
    google_emit(d, (mg_event){.type = MG_EVENT_FINISH, .choice = choice, .text = ours, .name = name});
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* The first one makes the seed of this answer's call ids, of the answer's id, or of all of the frame where it has
 * none. */
static void meta_emit(const google_decoder *d, const mg_json *root) {
    mg_str id = google_text(d->h, root, "responseId"), model = google_text(d->h, root, "modelVersion");
    if (d->state->met) return;
    d->state->met = true;
    d->state->seed = hash(id.n ? id : d->frame->data);
    if (id.n || model.n) google_emit(d, (mg_event){.type = MG_EVENT_META, .text = id, .name = model});
}

static void candidate_emit(google_decoder *d, const mg_json *candidate, int64_t place) {
    int64_t choice = d->h->json_int(google_get(d->h, candidate, "index"), place);
    if (choice < 0) choice = place;
    const mg_json *p = d->h->json_child(google_get(d->h, google_get(d->h, candidate, "content"), "parts"));
    for (; p; p = d->h->json_next(p))
        if (google_is(d->h, p, MG_JSON_OBJECT)) part_emit(d, p, choice);
    google_citations(d, candidate, choice);
    google_logprobs(d, google_get(d->h, candidate, "logprobsResult"), choice);
    finish_emit(d, candidate, choice);
}

static void chat_emit(google_decoder *d, const mg_json *root) {
    int64_t place = 0;
    meta_emit(d, root);
    const mg_json *first = d->h->json_child(google_get(d->h, root, "candidates"));
    for (const mg_json *c = first; c; c = d->h->json_next(c)) candidate_emit(d, c, place++);
    const mg_json *blocked = google_get(d->h, google_get(d->h, root, "promptFeedback"), "blockReason");
    mg_str reason = d->h->json_str(blocked);
    if (blocked && !reason.n) reason = google_source(d, blocked);
    if (blocked) google_emit(d, (mg_event){.type = MG_EVENT_FINISH, .text = STR("content_filter"), .name = reason});
    google_usage(d, google_get(d->h, root, "usageMetadata"), d->frame->stream && !first && !blocked);
}

static void count_emit(const google_decoder *d, const mg_json *root) {
    mg_usage u = {.size = sizeof u};
    u.input = d->h->json_int(google_get(d->h, root, "totalTokens"), 0);
    if (u.input < 0) u.input = 0;
    u.cached = d->h->json_int(google_get(d->h, root, "cachedContentTokenCount"), 0);
    if (u.cached < 0 || u.cached > u.input) u.cached = 0;
    google_emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

static bool error_emit(const google_decoder *d, const mg_json *root) {
    const mg_json *error = google_get(d->h, root, "error");
    if (!error) return false;
    mg_str text = google_text(d->h, error, "message"), name = google_text(d->h, error, "status");
    if (!text.n) text = STR("the provider reported an error without a message");
    google_emit(d, (mg_event){.type = MG_EVENT_ERROR, .text = text, .name = name});
    return true;
}

static bool root_emit(google_decoder *d, const mg_json *root) {
    if (!google_is(d->h, root, MG_JSON_OBJECT)) return false;
    if (error_emit(d, root)) return true;
    switch (d->frame->operation) {
    case MG_OP_CHAT: chat_emit(d, root); break;
    case MG_OP_EMBEDDINGS: google_embeddings_decode(d, root); break;
    case MG_OP_COUNT_TOKENS: count_emit(d, root); break;
    default: break;
    }
    return !d->failed;
}

static bool is_blank(mg_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n') return false;
    return true;
}

mg_status google_decode(const mg_host *h, const mg_frame *frame, const mg_sink *sink, mg_error *error) {
    google_decoder d = {h, frame, sink, frame->state, false};
    bool list = google_is(h, frame->json, MG_JSON_ARRAY), fine = frame->json != NULL;
    if (frame->stream && !frame->json && is_blank(frame->data)) return MG_OK;
    if (list) /* a stream that was not asked for as events, or an error's wrapping */
        for (const mg_json *r = h->json_child(frame->json); r; r = h->json_next(r)) fine = fine && root_emit(&d, r);
    else
        fine = root_emit(&d, frame->json);
    if (fine) return MG_OK;
    return google_fail(error, 502, "bad_answer",
                       d.failed ? "the provider's answer is too large" : "the provider's answer is not a JSON object");
}
