/* The first byte chooses. A request: what passes the check can be read, split, changed and translated, and every
 * result is JSON. An answer: events out of the bytes; each frame and the plain answer are JSON, and the last frame
 * holds the latter. */
#include "format/format.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define F mg_format_responses

static mg_json_parser *parser; /* kept over the runs */
static mg_arena *arena;

static void require(bool ok) {
    if (!ok) abort();
}

static const mg_json *parse(mg_str text) {
    const mg_json *root;
    mg_error error;
    return mg_json_parse_copy(parser, arena, text, &root, &error) == MG_OK ? root : NULL;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void take_part(void *arg, const mg_part *p) {
    mg_str body = *(mg_str *)arg;
    require(!p->text || (p->text->type == MG_JSON_STRING && p->text->src_end <= body.n));
}

static void take_drop(void *arg, mg_str member) {
    (void)arg;
    require(member.n > 0);
}

static void change(int which, mg_str body, const mg_json *root) {
    mg_edits edits;
    mg_error error;
    mg_edits_init(&edits, arena);
    const mg_draft d = {MG_OP_CHAT, root, body, &edits};
    mg_str json = MG_STR("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{}}}");
    switch (which) {
    case 0: F.set_system(&d, MG_STR("be\""), &error); break;
    case 1: F.add_message(&d, MG_STR("user"), MG_STR("hi"), &error); break;
    case 2: F.set_max_output(&d, 9, &error); break;
    case 3: F.set_param(&d, MG_STR("response_format"), json, &error); break;
    case 4: F.set_param(&d, MG_STR("reasoning_effort"), (mg_str){0}, &error); break;
    default: F.remove_tool(&d, MG_STR("f"), &error); break;
    }
    require(parse(mg_edits_render(&edits, body)) != NULL);
}

static void try_request(mg_str body) {
    const mg_json *root = parse(body);
    mg_error error = {0};
    mg_facts facts;
    mg_buf out = {0};
    if (!root || root->type != MG_JSON_OBJECT || F.check(MG_OP_CHAT, root, &error) != MG_OK) return;
    F.read(MG_OP_CHAT, root, &facts);
    F.parts(MG_OP_CHAT, root, take_part, &body);
    F.param(root, MG_STR("verbosity"));
    if (F.canonical(MG_OP_CHAT, root, body, MG_STR("m"), facts.stream, &out, take_drop, NULL, &error) == MG_OK) {
        const mg_json *canonical = parse(mg_buf_view(&out));
        require(canonical && mg_format_openai.check(MG_OP_CHAT, canonical, &error) == MG_OK);
    } else {
        require(error.http == 400 && error.text[0]);
    }
    for (int i = 0; i < 6; i++) change(i, body, root);
    mg_buf_finish(&out);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

enum { MAX_EVENTS = 64 };

typedef struct script {
    mg_event events[MAX_EVENTS];
    size_t n;
    bool regular; /* no signature for a block that has one, and no call whose id comes late */
} script;

/* A byte says which event, the next how long its text is. */
static void read_script(mg_str bytes, script *s) {
    static const mg_event_type types[] = {MG_EVENT_TEXT,      MG_EVENT_REASONING, MG_EVENT_REFUSAL,  MG_EVENT_TOOL,
                                          MG_EVENT_SIGNATURE, MG_EVENT_REDACTED,  MG_EVENT_CITATION, MG_EVENT_LOGPROBS,
                                          MG_EVENT_MEDIA,     MG_EVENT_OTHER,     MG_EVENT_FINISH,   MG_EVENT_TEXT};
    static const mg_str names[] = {MG_STR_INIT("openai"), MG_STR_INIT("gemini"), MG_STR_INIT("image/png"),
                                   MG_STR_INIT("")};
    bool sealed = false;
    uint8_t begun = 0, named = 0; /* a bit for each call */
    *s = (script){.regular = true};
    while (bytes.n >= 2 && s->n < MAX_EVENTS) {
        uint8_t kind = (uint8_t)bytes.p[0], length = (uint8_t)bytes.p[1];
        bytes = mg_str_skip(bytes, 2);
        mg_event *e = &s->events[s->n++];
        *e = (mg_event){.size = sizeof *e, .type = types[kind % 12], .index = kind / 64, .name = names[kind / 16 % 4]};
        e->text = mg_str_from(bytes.p, length < bytes.n ? length : bytes.n);
        e->id = e->type == MG_EVENT_TOOL || e->type == MG_EVENT_MEDIA ? names[kind / 32 % 4] : (mg_str){0};
        bytes = mg_str_skip(bytes, e->text.n);
        if (e->type == MG_EVENT_TOOL) {
            uint8_t call = (uint8_t)(1u << e->index);
            if (e->id.n && begun & call && !(named & call)) s->regular = false;
            begun |= call;
            if (e->id.n) named |= call;
        }
        if (e->type == MG_EVENT_SIGNATURE && !e->text.n) e->text = MG_STR("s");
        if (e->type == MG_EVENT_SIGNATURE && sealed) s->regular = false;
        if (e->type == MG_EVENT_SIGNATURE) sealed = true;
        if (e->type == MG_EVENT_TEXT || e->type == MG_EVENT_REASONING || e->type == MG_EVENT_REFUSAL) sealed = false;
    }
}

static void head(mg_reply *r, const mg_json *request) {
    memcpy(r->id, "0123456789abcdef0123456789abcdef", 33);
    r->model = MG_STR("m");
    r->request = request;
}

static void write_plain(const script *s, const mg_json *request, size_t limit, mg_buf *out) {
    mg_reply r;
    mg_reply_init(&r, arena, MG_OP_CHAT, limit);
    for (size_t i = 0; i < s->n; i++) mg_reply_event(&r, &s->events[i]);
    head(&r, request);
    F.plain(&r, out);
    mg_reply_finish(&r);
    require(parse(mg_buf_view(out)) != NULL);
}

static void write_stream(const script *s, const mg_json *request, size_t limit, bool fails, mg_buf *out) {
    mg_reply r;
    mg_reply_init(&r, arena, MG_OP_CHAT, limit);
    head(&r, request);
    mg_stream stream = {.reply = &r, .arena = arena, .out = out};
    const mg_fault fault = {.status = 500, .message = MG_STR("broken \"off\""), .retry_after_ms = -1};
    stream.state = mg_arena_zalloc(arena, F.stream_state);
    F.open(&stream);
    for (size_t i = 0; i < s->n; i++) F.event(&stream, &s->events[i]);
    if (fails)
        F.error_frames(&stream, &fault);
    else
        F.close(&stream);
}

/* Returns the last frame's data. */
static mg_str check_frames(mg_str frames) {
    mg_str data = {0};
    int64_t n = 0;
    while (frames.n) {
        const char *end = memmem(frames.p, frames.n, "\n\n", 2);
        require(end && mg_str_starts(frames, MG_STR("event: ")));
        size_t name = mg_str_find(frames, '\n');
        data = mg_str_from(frames.p + name + 7, (size_t)(end - frames.p) - name - 7);
        const mg_json *root = parse(data);
        require(root && mg_json_int(mg_json_get(root, MG_STR("sequence_number")), -1) == n++);
        frames = mg_str_skip(frames, (size_t)(end - frames.p) + 2);
    }
    return data;
}

static void try_answer(mg_str bytes, uint8_t mode) {
    script s;
    mg_buf plain = {0}, frames = {0};
    const mg_json *request = parse(MG_STR("{\"tools\":[{\"type\":\"custom\",\"name\":\"gemini\"}],\"text\":{}}"));
    size_t limit = mode & 4 ? 64 : 1 << 20;
    read_script(bytes, &s);
    write_plain(&s, request, limit, &plain);
    write_stream(&s, request, limit, mode & 2, &frames);
    mg_str last = check_frames(mg_buf_view(&frames));
    if (s.regular && limit > 64 && !(mode & 2)) {
        const mg_json *response = mg_json_get(parse(last), MG_STR("response"));
        mg_str whole = mg_str_from(last.p + response->src, response->src_end - response->src);
        require(mg_str_eq(whole, mg_buf_view(&plain)));
    }
    mg_buf_finish(&plain);
    mg_buf_finish(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(1 << 16);
    }
    if (!size) return 0;
    mg_str rest = {(const char *)data + 1, size - 1};
    if (data[0] & 1)
        try_answer(rest, data[0]);
    else
        try_request(rest);
    mg_arena_reset(arena);
    return 0;
}
