/* Gemini's format. A body: checked, read, taken apart, put into the canonical form, which is JSON. Or events: what is written
 * from them, whole and as a stream, is JSON, and every event of a stream stands on one line. */
#include "format/format.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mg_json_parser *parser; /* kept over the runs */
static mg_arena *arena;
static const mg_format *const F = &mg_format_gemini;

static void require(bool ok) {
    if (!ok) abort();
}

static const mg_json *parse(mg_str text) {
    const mg_json *root = NULL;
    mg_error error;
    mg_json_parse_copy(parser, arena, text, &root, &error);
    return root;
}

/* Names that come twice are the vendor's: what it says is not judged by that. */
static void require_json(mg_str text) {
    const mg_json *root;
    mg_error error = {0};
    require(mg_json_parse_copy(parser, arena, text, &root, &error) == MG_OK || !strcmp(error.code, "duplicate_key"));
}

/* ---- requests -------------------------------------------------------------------------------------------------------- */

static void on_part(void *arg, const mg_part *p) {
    size_t *n = arg;
    require(p->role.n > 0 && (!p->text || p->text->type == MG_JSON_STRING));
    ++*n;
}

static void on_drop(void *arg, mg_str member) {
    (void)arg;
    require(member.n > 0);
}

static void change(mg_str source, const mg_json *root) {
    mg_edits edits;
    mg_error error;
    mg_edits_init(&edits, arena);
    const mg_draft d = {MG_OP_CHAT, root, source, &edits};
    mg_str null = {NULL, 0};
    F->set_param(&d, MG_STR("temperature"), MG_STR("1"), &error);
    F->set_param(&d, MG_STR("stop"), MG_STR("\"x\""), &error);
    F->set_param(&d, MG_STR("seed"), null, &error);
    F->set_param(&d, MG_STR("response_format"), MG_STR("{\"type\":\"json_object\"}"), &error);
    F->set_max_output(&d, 7, &error);
    F->add_message(&d, MG_STR("user"), MG_STR("u"), &error);
    F->add_message(&d, MG_STR("system"), MG_STR("s"), &error);
    F->add_message(&d, MG_STR("system"), MG_STR("t"), &error);
    F->add_message(&d, MG_STR("assistant"), MG_STR("a"), &error);
    F->remove_tool(&d, MG_STR("f"), &error);
    F->remove_tool(&d, MG_STR("g"), &error);
    const mg_json *again = parse(mg_edits_render(&edits, source));
    require(again && F->check(MG_OP_CHAT, again, &error) == MG_OK);
    mg_facts facts;
    F->read(MG_OP_CHAT, again, &facts);
    require(facts.max_output == 7 && F->param(again, MG_STR("temperature")));
    require(F->remove_tool(&d, MG_STR("f"), &error) == MG_DECLINED);
}

static void request(mg_operation op, mg_str body) {
    mg_error error = {0};
    mg_buf out = {0};
    mg_facts facts;
    size_t parts = 0;
    char *copy = mg_arena_zalloc(arena, body.n + MG_JSON_PADDING);
    const mg_json *root;
    memcpy(copy, body.p, body.n);
    if (mg_json_parse(parser, arena, copy, body.n, &root, &error) != MG_OK) return;
    mg_str source = mg_str_from(copy, body.n);
    if (F->check(op, root, &error) != MG_OK) {
        require(error.http == 400 && error.text[0]);
        return;
    }
    F->read(op, root, &facts);
    require(facts.choices >= 1 && facts.max_output != 0);
    F->parts(op, root, on_part, &parts);
    if (F->canonical(op, root, source, MG_STR("m"), true, &out, on_drop, NULL, &error) == MG_OK)
        require(parse(mg_buf_view(&out)) != NULL);
    else
        require(error.http == 400 && out.n == 0);
    mg_buf_finish(&out);
    if (op == MG_OP_CHAT) change(source, root);
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static mg_str take(mg_str *data, size_t n) {
    if (n > data->n) n = data->n;
    mg_str taken = mg_str_from(data->p, n);
    *data = mg_str_skip(*data, n);
    return taken;
}

static uint8_t take_byte(mg_str *data) {
    mg_str b = take(data, 1);
    return b.n ? (uint8_t)b.p[0] : 0;
}

/* Types whose text is JSON by contract get JSON. */
static bool take_event(mg_str *data, mg_event *e) {
    static const mg_event_type types[] = {MG_EVENT_TEXT,     MG_EVENT_REASONING, MG_EVENT_TOOL,     MG_EVENT_FINISH,
                                          MG_EVENT_REFUSAL,  MG_EVENT_SIGNATURE, MG_EVENT_REDACTED, MG_EVENT_CITATION,
                                          MG_EVENT_LOGPROBS, MG_EVENT_MEDIA,     MG_EVENT_OTHER,    MG_EVENT_META};
    static const mg_str names[] = {{"gemini", 6}, {"anthropic", 9}, {"f", 1}, {NULL, 0}};
    if (!data->n) return false;
    uint8_t head = take_byte(data), more = take_byte(data);
    *e = (mg_event){.size = sizeof *e, .type = types[head % 12], .index = more & 3, .choice = (more >> 2 & 3) - 1};
    e->name = names[more >> 4 & 3];
    e->text = take(data, take_byte(data) & 63);
    if (more & 64) e->id = take(data, 3);
    return true;
}

static void frames(mg_str stream) {
    while (stream.n) {
        require(mg_str_starts(stream, MG_STR("data: ")));
        stream = mg_str_skip(stream, 6);
        const char *end = memmem(stream.p, stream.n, "\r\n\r\n", 4);
        require(end && !memchr(stream.p, '\n', (size_t)(end - stream.p)));
        mg_str event = mg_str_from(stream.p, (size_t)(end - stream.p));
        require_json(event);
        stream = mg_str_skip(stream, event.n + 4);
    }
}

static void answer(mg_str data) {
    mg_reply *r = MG_ARENA_NEW(arena, mg_reply);
    mg_reply *head = MG_ARENA_NEW(arena, mg_reply);
    mg_buf events = {0}, array = {0}, plain = {0};
    mg_arena *own = mg_arena_create(1024);
    mg_event e;
    mg_reply_init(r, arena, MG_OP_CHAT, 1 << 20);
    mg_reply_init(head, arena, MG_OP_CHAT, 1 << 20);
    mg_stream s = {.reply = head, .arena = own, .out = &events, .state = mg_arena_zalloc(arena, F->stream_state)};
    mg_stream a = {.reply = head, .arena = own, .out = &array, .state = mg_arena_zalloc(arena, F->stream_state)};
    a.array = true;
    F->open(&s);
    F->open(&a);
    bool fails = take_byte(&data) & 1;
    while (take_event(&data, &e)) {
        mg_reply_event(r, &e);
        if (e.type == MG_EVENT_META) continue;
        F->event(&s, &e);
        F->event(&a, &e);
    }
    const mg_fault fault = {400, fails ? MG_STR("content_filter") : MG_STR("x\"\n"), data, data, data, 5};
    F->close(&s);
    if (fails)
        F->error_frames(&a, &fault);
    else
        F->close(&a);
    F->plain(r, &plain);
    frames(mg_buf_view(&events));
    require_json(mg_buf_view(&array));
    require_json(mg_buf_view(&plain));
    mg_buf_finish(&events);
    mg_buf_finish(&array);
    mg_buf_finish(&plain);
    mg_arena_destroy(own);
    mg_reply_finish(r);
    mg_reply_finish(head);
}

static void error(mg_str data) {
    mg_buf out = {0};
    mg_str code = take(&data, 8), param = take(&data, 4);
    const mg_fault fault = {429, code, data, param, param, 1234};
    F->error(&fault, &out);
    require(parse(mg_buf_view(&out)) != NULL);
    mg_buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const mg_operation operations[] = {MG_OP_CHAT, MG_OP_CHAT, MG_OP_EMBEDDINGS, MG_OP_COUNT_TOKENS};
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(4096);
    }
    mg_str rest = mg_str_from((const char *)data, size);
    uint8_t mode = take_byte(&rest);
    /* A body that is pasted begins with a brace: chat. */
    if (mode == '{' && size)
        request(MG_OP_CHAT, mg_str_from((const char *)data, size));
    else if (mode & 4)
        answer(rest);
    else if (mode & 8)
        error(rest);
    else
        request(operations[mode & 3], rest);
    mg_arena_reset(arena);
    return 0;
}
