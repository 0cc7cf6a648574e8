/* Whatever the bytes. As a body: what passes the check can be read, walked and changed, and put into the canonical form as JSON
 * or refused with a sentence. As events: a plain answer is one JSON text, and each frame of a stream is one, the events in the
 * order that the API promises. */
#include "format/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mg_json_parser *parser;
static mg_arena *arena;
static const mg_format *const F = &mg_format_anthropic;

static void require(bool ok) {
    if (!ok) abort();
}

static const mg_json *parse(mg_str text, mg_str *source, mg_error *error) {
    const mg_json *root;
    char *copy = mg_arena_zalloc(arena, text.n + MG_JSON_PADDING);
    if (text.n) memcpy(copy, text.p, text.n);
    *source = mg_str_from(copy, text.n);
    return mg_json_parse(parser, arena, copy, text.n, &root, error) == MG_OK ? root : NULL;
}

/* Nesting of ours around nesting of theirs may pass the parser's bound; nothing else may be wrong. */
static const mg_json *parse_ours(mg_str text) {
    mg_str source;
    mg_error error = {0};
    const mg_json *root = parse(text, &source, &error);
    require(root || strstr(error.text, "nest") || strstr(error.text, "deep"));
    return root;
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static void on_part(void *arg, const mg_part *p) {
    const mg_str *source = arg;
    require(p->kind <= MG_PART_OTHER && p->bytes <= source->n);
    if (p->text) require(p->text->type == MG_JSON_STRING && p->text->src_end <= source->n);
}

static void on_drop(void *arg, mg_str member) {
    (void)arg;
    require(member.n > 0);
}

static void convert(mg_operation op, const mg_json *root, mg_str source) {
    mg_buf out = {.max = 1 << 24};
    mg_error error = {0};
    if (F->canonical(op, root, source, MG_STR("m"), true, &out, on_drop, NULL, &error) != MG_OK) {
        require(error.http >= 400 && error.text[0]);
    } else {
        const mg_json *canonical = parse_ours(mg_buf_view(&out));
        require(!canonical || mg_json_get(canonical, MG_STR("messages")));
    }
    mg_buf_finish(&out);
}

static void change(const mg_json *root, mg_str source, int which) {
    mg_edits edits;
    mg_error error = {0};
    mg_edits_init(&edits, arena);
    const mg_draft d = {MG_OP_CHAT, root, source, &edits};
    switch (which) {
    case 0: F->set_system(&d, MG_STR("s"), &error); break;
    case 1: F->set_max_output(&d, 100, &error); break;
    case 2: F->add_message(&d, MG_STR("system"), MG_STR("t"), &error); break;
    case 3: F->add_message(&d, MG_STR("user"), MG_STR("t"), &error); break;
    case 4: F->remove_tool(&d, MG_STR("f"), &error); break;
    case 5: F->set_param(&d, MG_STR("user"), MG_STR("\"u\""), &error); break;
    case 6: F->set_param(&d, MG_STR("parallel_tool_calls"), MG_STR("false"), &error); break;
    case 7: F->set_param(&d, MG_STR("reasoning_effort"), MG_STR("\"none\""), &error); break;
    default: F->set_param(&d, MG_STR("stop"), (mg_str){NULL, 0}, &error); break;
    }
    parse_ours(mg_edits_render(&edits, source));
}

static void as_body(mg_str text) {
    mg_error error = {0};
    mg_str source;
    mg_facts facts;
    const mg_json *root = parse(text, &source, &error);
    if (!root) return;
    for (int i = 0; i < 2; i++) {
        mg_operation op = i ? MG_OP_COUNT_TOKENS : MG_OP_CHAT;
        error = (mg_error){0};
        if (F->check(op, root, &error) != MG_OK) {
            require(error.http == 400 && error.text[0] && error.code[0]);
            continue;
        }
        F->read(op, root, &facts);
        require(facts.model.n > 0);
        F->parts(op, root, on_part, &source);
        convert(op, root, source);
        for (int which = 0; which < 9 && op == MG_OP_CHAT; which++) change(root, source, which);
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

typedef struct bytes {
    const uint8_t *p;
    size_t n;
} bytes;

static uint8_t take(bytes *b) {
    if (!b->n) return 0;
    b->n--;
    return *b->p++;
}

static mg_str take_text(bytes *b) {
    size_t n = take(b);
    if (n > b->n) n = b->n;
    mg_str s = mg_str_from((const char *)b->p, n);
    b->p += n;
    b->n -= n;
    return s;
}

static mg_event take_event(bytes *b) {
    static const mg_event_type types[] = {MG_EVENT_TEXT,     MG_EVENT_REASONING, MG_EVENT_TOOL,      MG_EVENT_TOOL,
                                          MG_EVENT_FINISH,   MG_EVENT_REFUSAL,   MG_EVENT_SIGNATURE, MG_EVENT_REDACTED,
                                          MG_EVENT_CITATION, MG_EVENT_MEDIA,     MG_EVENT_OTHER,     MG_EVENT_LOGPROBS};
    uint8_t kind = take(b), flags = take(b);
    mg_event e = {.size = sizeof e, .type = types[kind % (sizeof types / sizeof types[0])], .index = flags & 3};
    e.choice = flags >> 6 == 3;
    if (flags & 4) e.name = flags & 8 ? MG_STR("anthropic") : take_text(b);
    if (flags & 16) e.id = take_text(b);
    e.text = take_text(b);
    return e;
}

/* Every frame is two lines and an empty one; blocks open and close in turn. */
static void check_frames(mg_str frames) {
    int64_t n = 0;
    bool open = false, stopped = false;
    while (frames.n) {
        require(!stopped && mg_str_starts(frames, MG_STR("event: ")));
        mg_str event = mg_str_skip(mg_str_from(frames.p, mg_str_find(frames, '\n')), 7);
        frames = mg_str_skip(frames, event.n + 8);
        require(mg_str_starts(frames, MG_STR("data: ")));
        mg_str data = mg_str_skip(mg_str_from(frames.p, mg_str_find(frames, '\n')), 6);
        frames = mg_str_skip(frames, data.n + 7);
        require(mg_str_starts(frames, MG_STR("\n")));
        frames = mg_str_skip(frames, 1);
        const mg_json *root = parse_ours(data), *index = mg_json_get(root, MG_STR("index"));
        require(!root || mg_str_eq(mg_json_text(mg_json_get(root, MG_STR("type"))), event));
        require(!index || mg_json_int(index, -1) == n);
        require(open == (mg_str_is(event, "content_block_delta") || mg_str_is(event, "content_block_stop")));
        if (mg_str_is(event, "content_block_start")) open = true;
        if (mg_str_is(event, "content_block_stop")) open = false;
        n += mg_str_is(event, "content_block_stop");
        stopped = mg_str_is(event, "message_stop");
    }
    require(stopped);
}

static void as_events(bytes b) {
    mg_reply reply, head;
    mg_buf frames = {0}, plain = {0};
    mg_reply_init(&reply, arena, MG_OP_CHAT, 1 << 20);
    reply.model = take_text(&b);
    head = reply;
    mg_stream s = {.reply = &head, .arena = arena, .out = &frames, .state = mg_arena_zalloc(arena, F->stream_state)};
    F->open(&s);
    while (b.n) {
        mg_event e = take_event(&b);
        mg_reply_event(&reply, &e);
        F->event(&s, &e);
    }
    F->close(&s);
    F->plain(&reply, &plain);
    check_frames(mg_buf_view(&frames));
    parse_ours(mg_buf_view(&plain));
    mg_reply_finish(&reply);
    mg_buf_finish(&frames);
    mg_buf_finish(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!parser) { /* kept over the runs: reuse is part of what is tested */
        parser = mg_json_parser_create();
        arena = mg_arena_create(1 << 16);
    }
    if (!size) return 0;
    if (data[0] == '{')
        as_body(mg_str_from((const char *)data, size));
    else
        as_events((bytes){data + 1, size - 1});
    mg_arena_reset(arena);
    return 0;
}
