/* Every recorded chat request of every vendor, put into the canonical form and from there into the form of each of the four
 * vendors: JSON that holds every text of the original, or a refusal that says why. */
#include "translate.h"

typedef struct totals {
    mg_buf table, reasons, dropped;
    int requests, encoded, refused, lost, unsound;
} totals;

typedef struct request {
    totals *sum;
    const char *vendor;
    char id[32];
    const mg_format *format;
    const mg_json *root; /* as the client sent it */
    bool stream;
    mg_str canonical;
    const char *target;
    const mg_json *result;
    mg_arena *arena;
    provider *p;
    bool dropped; /* something was, and it was said */
    const char *dropped_list; /* by the plugin */
    bool dropped_in_reading;
    int lost;
} request;

/* ---- what has to be there ---------------------------------------------------------------------------------------- */

static bool holds(const request *r, const mg_json *v, mg_str text);

static bool member_holds(const request *r, const mg_json *v, mg_str text) {
    for (const mg_json *c = v->child; c; c = c->next)
        if (holds(r, c, text)) return true;
    return false;
}

/* NULL if the text is no JSON object or list. */
static const mg_json *inner_json(const request *r, mg_str text) {
    text = mg_str_trim(text);
    const mg_json *inner = NULL;
    mg_error error;
    if (!text.n || (text.p[0] != '{' && text.p[0] != '[')) return NULL;
    return mg_json_parse_copy(r->p->parser, r->arena, text, &inner, &error) == MG_OK ? inner : NULL;
}

/* True if a string of the tree holds the text: as it is, or inside JSON that is a string itself. */
static bool holds(const request *r, const mg_json *v, mg_str text) {
    if (v->type != MG_JSON_STRING) return member_holds(r, v, text);
    if (memmem(v->str.p, v->str.n, text.p, text.n)) return true;
    const mg_json *inner = inner_json(r, v->str);
    return inner && member_holds(r, inner, text);
}

/* A text that is JSON itself may have become a value: then its own strings count. */
static bool strings_held(const request *r, const mg_json *v) {
    if (v->type == MG_JSON_STRING) return !v->str.n || holds(r, r->result, v->str);
    for (const mg_json *c = v->child; c; c = c->next)
        if (!strings_held(r, c)) return false;
    return true;
}

/* True if the text stands in a thought: other vendors get none, and this one only what it has signed. */
static bool is_thought(const mg_json *v, mg_str text, bool inside) {
    if (v->type == MG_JSON_STRING) return inside && mg_str_eq(v->str, text);
    mg_str type = recordings_text(v, "type");
    inside |= mg_str_is(type, "thinking") || mg_str_is(type, "reasoning") ||
              mg_json_bool(mg_json_get(v, MG_STR("thought")), false);
    for (const mg_json *c = v->child; c; c = c->next)
        if (is_thought(c, text, inside)) return true;
    return false;
}

/* Text files travel as base64, in data URLs or by themselves. */
static bool held_as_file(const request *r, mg_str text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char head[4 * 20 + 1];
    size_t n = 0;
    for (size_t i = 0; i + 2 < text.n && n < sizeof head - 1; i += 3) {
        const unsigned char *b = (const unsigned char *)text.p + i;
        uint32_t v = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        for (int shift = 18; shift >= 0; shift -= 6) head[n++] = digits[v >> shift & 63];
    }
    return n >= 8 && holds(r, r->result, mg_str_from(head, n));
}

static void part_kept(void *arg, const mg_part *p) {
    request *r = arg;
    mg_str text = mg_json_text(p->text);
    if (!text.n || holds(r, r->result, text) || held_as_file(r, text)) return;
    const mg_json *inner = inner_json(r, text);
    if (inner && strings_held(r, inner)) return;
    if (r->dropped && mg_str_is(p->role, "assistant") && is_thought(r->root, text, false)) return;
    if (mg_str_find(text, '.') + 4 == text.n && strstr(r->dropped_list, ".filename")) return; /* a.pdf */
    print_message("%s %s to %s: lost (" MG_STR_FMT ") %.*s\n", r->vendor, r->id, r->target, MG_STR_ARG(p->role),
                  (int)(text.n < 80 ? text.n : 80), text.p);
    r->lost++;
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

/* Numbers would make a line of their own each. */
static void general(mg_str text, char out[300]) {
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < 299; i++) {
        char c = text.p[i] >= '0' && text.p[i] <= '9' ? '#' : text.p[i];
        if (c != '#' || !n || out[n - 1] != '#') out[n++] = c;
    }
    out[n] = 0;
}

static void on_canonical_drop(void *arg, mg_str member) {
    request *r = arg;
    char line[300];
    r->dropped_in_reading = true;
    general(member, line);
    table_count(&r->sum->dropped, "%-10s reading: %s", r->format->name, line);
}

static void count_dropped(request *r, const char *list) {
    for (mg_str rest = mg_str_of(list); rest.n; rest = mg_str_skip(rest, mg_str_find(rest, '\n') + 1)) {
        char line[300];
        general(mg_str_from(rest.p, mg_str_find(rest, '\n')), line);
        table_count(&r->sum->dropped, "to %-10s: %s", r->target, line);
    }
}

static void refused(request *r, const char *where, const mg_error *error) {
    char line[300];
    general(mg_str_of(error->text), line);
    assert_int_equal(error->http, 400);
    assert_true(strlen(error->text) > 20);
    r->sum->refused++;
    table_count(&r->sum->reasons, "%s%-10s: %s", where, r->target, line);
}

static void encode(request *r, int vendor) {
    static const char *const models[VENDORS] = {"gpt-5", "gpt-5", "claude-sonnet-4-5", "gemini-2.5-flash"};
    mg_provider_request q = {.operation = MG_OP_CHAT,
                             .format = MG_FORMAT_OPENAI,
                             .model = mg_str_of(models[vendor]),
                             .stream = r->stream,
                             .want_usage = r->stream,
                             .body = r->canonical,
                             .translated = r->format->canonical != NULL};
    mg_error error = {0};
    mg_buf out = {0};
    static sent s; /* large */
    r->p = &vendors[vendor];
    r->target = vendor_names[vendor];
    r->lost = 0;
    if (provider_encode(r->p, &q, &s, &out, &error) == MG_OK) {
        r->sum->encoded++;
        r->result = provider_json(r->p, mg_buf_view(&out));
        r->dropped = r->dropped_in_reading || s.dropped[0];
        r->dropped_list = s.dropped;
        r->format->parts(MG_OP_CHAT, r->root, part_kept, r);
        r->sum->lost += r->lost;
        count_dropped(r, s.dropped);
        table_count(&r->sum->table, "%-10s from %-10s to %-10s %s%s", r->vendor, r->format->name, r->target,
                    s.dropped[0] ? "without hints" : "whole", r->lost ? ", texts lost" : "");
    } else {
        refused(r, "to ", &error);
        table_count(&r->sum->table, "%-10s from %-10s to %-10s refused", r->vendor, r->format->name, r->target);
    }
    mg_buf_finish(&out);
    mg_arena_reset(r->p->arena);
}

static mg_status to_canonical(request *r, mg_str source, mg_error *error) {
    mg_buf out = {0};
    if (!r->format->canonical) {
        r->canonical = source;
        return MG_OK;
    }
    mg_status st =
        r->format->canonical(MG_OP_CHAT, r->root, source, MG_STR("m"), r->stream, &out, on_canonical_drop, r, error);
    if (st == MG_OK) r->canonical = mg_arena_dup(r->arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    return st;
}

static void translate(request *r, mg_str source, bool answered) {
    mg_error error = {0};
    r->sum->requests++;
    r->target = "";
    if (r->format->check(MG_OP_CHAT, r->root, &error) != MG_OK) {
        if (answered && mg_json_get(r->root, MG_STR("model"))) fail_msg("%s: %s", r->id, error.text);
        refused(r, r->format->name, &error);
        r->sum->unsound++;
        table_count(&r->sum->table, "%-10s from %-10s malformed", r->vendor, r->format->name);
    } else if (to_canonical(r, source, &error) != MG_OK) {
        refused(r, r->format->name, &error);
        table_count(&r->sum->table, "%-10s from %-10s refused when read", r->vendor, r->format->name);
    } else {
        for (int i = 0; i < VENDORS; i++) encode(r, i);
    }
}

static void check_row(const mg_json *row, mg_str line, void *arg) {
    mg_format_id format;
    mg_error error;
    const mg_json *body = mg_json_get(row, MG_STR("request"));
    if (!translate_route(recordings_text(row, "path"), &format) || mg_json_kind(body) != MG_JSON_OBJECT) return;
    request r = {.sum = arg, .format = formats[format], .arena = mg_arena_create(1 << 16), .p = &vendors[0]};
    snprintf(r.id, sizeof r.id, MG_STR_FMT, MG_STR_ARG(recordings_text(row, "id")));
    mg_str vendor = recordings_text(row, "provider");
    r.vendor = mg_arena_join(r.arena, (const mg_str[]){vendor, {"", 1}}, 2).p;
    r.stream = mg_json_bool(mg_json_get(row, MG_STR("stream")), false);
    mg_str source = mg_arena_dup(r.arena, mg_str_from(line.p + body->src, body->src_end - body->src));
    if (mg_json_parse_copy(r.p->parser, r.arena, source, &r.root, &error) != MG_OK) fail_msg("%s", error.text);
    translate(&r, source, mg_json_int(mg_json_get(row, MG_STR("status")), 0) == 200);
    mg_arena_destroy(r.arena);
}

static void translates_recorded_requests(void **state) {
    (void)state;
    totals sum = {0};
    provider walker = {.parser = mg_json_parser_create(), .arena = mg_arena_create(1 << 16)};
    bool any = false;
    for (int i = 0; i < VENDORS; i++) any |= recordings_walk(&walker, vendor_files[i], check_row, &sum);
    mg_json_parser_destroy(walker.parser);
    mg_arena_destroy(walker.arena);
    if (!any) recordings_skip();
    table_print(&sum.table, "requests, by vendor, format and target");
    table_print(&sum.reasons, "refused");
    table_print(&sum.dropped, "left out");
    print_message("%d requests (%d malformed): %d times encoded, %d times refused\n", sum.requests, sum.unsound,
                  sum.encoded, sum.refused);
    assert_int_equal(sum.lost, 0);
    assert_true(sum.encoded > 1000 && sum.encoded > 10 * sum.refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates_recorded_requests),
    };
    return cmocka_run_group_tests(tests, translate_setup, translate_teardown);
}
