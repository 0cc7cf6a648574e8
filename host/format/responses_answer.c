/* The response object and its items, written from blocks. What a block becomes, and under which id, follows from the
 * reply alone, so that a stream's last event and a plain answer are the same. */
#include "format/responses.h"

#include <stdio.h>

static void put(mg_buf *o, const char *text) { mg_buf_str(o, mg_str_of(text)); }

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static bool is_custom(const mg_json *request, mg_str name) {
    for (const mg_json *t = mg_responses_first(mg_json_get(request, MG_STR("tools"))); t; t = t->next)
        if (mg_str_is(mg_json_text(mg_json_get(t, MG_STR("type"))), "custom") &&
            mg_str_eq(mg_json_text(mg_json_get(t, MG_STR("name"))), name))
            return true;
    return false;
}

/* Items that OpenAI's own tools leave behind; messages, calls and reasoning have events. */
static bool is_vendor_item(const mg_reply *r, const mg_block *b) {
    static const char *const types[] = {
        "web_search_call",  "file_search_call", "code_interpreter_call", "image_generation_call",
        "mcp_call",         "mcp_list_tools",   "mcp_approval_request",  "computer_call",
        "local_shell_call", "shell_call",       "shell_call_output",     "apply_patch_call",
        "compaction",       "tool_search_call", "tool_search_output"};
    if (!mg_str_is(b->name, "openai")) return false;
    const mg_json *item = mg_responses_parse(r, mg_buf_view(&b->text));
    mg_str type = mg_json_text(mg_json_get(item, MG_STR("type")));
    if (!mg_json_text(mg_json_get(item, MG_STR("id"))).n) return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (mg_str_is(type, types[i])) return true;
    return false;
}

static mg_item_kind kind_of_media(const mg_block *b) {
    if (mg_str_starts(b->name, MG_STR("image/"))) return b->text.n ? MG_ITEM_IMAGE : MG_ITEM_NONE;
    return b->id.n ? MG_ITEM_TEXT : MG_ITEM_NONE; /* responses have no audio: what it says is left */
}

mg_item_kind mg_responses_item_kind(const mg_reply *r, const mg_block *b) {
    bool empty = !b->text.n && !b->signature.n && !b->citations;
    if (b->choice != 0) return MG_ITEM_NONE;
    switch (b->type) {
    case MG_EVENT_TEXT: return empty ? MG_ITEM_NONE : MG_ITEM_TEXT;
    case MG_EVENT_REFUSAL: return empty ? MG_ITEM_NONE : MG_ITEM_REFUSAL;
    case MG_EVENT_REASONING: return empty ? MG_ITEM_NONE : MG_ITEM_REASONING;
    case MG_EVENT_REDACTED: return b->text.n ? MG_ITEM_REASONING : MG_ITEM_NONE;
    case MG_EVENT_TOOL: return is_custom(r->request, b->name) ? MG_ITEM_CUSTOM : MG_ITEM_FUNCTION;
    case MG_EVENT_MEDIA: return kind_of_media(b);
    case MG_EVENT_OTHER: return is_vendor_item(r, b) ? MG_ITEM_VENDOR : MG_ITEM_NONE;
    default: return MG_ITEM_NONE;
    }
}

mg_str mg_responses_text(const mg_block *b) { return b->type == MG_EVENT_MEDIA ? b->id : mg_buf_view(&b->text); }

mg_str mg_responses_arguments(const mg_block *b, mg_item_kind kind) {
    return b->text.n || kind == MG_ITEM_CUSTOM ? mg_buf_view(&b->text) : MG_STR("{}");
}

bool mg_responses_has_mark(const mg_block *b, mg_item_kind kind) {
    return b->signature.n && kind != MG_ITEM_NONE && kind != MG_ITEM_REASONING;
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

static bool is_first_text(const mg_reply *r, const mg_block *b) {
    for (const mg_block *i = r->blocks; i && i != b; i = i->next)
        if (i->choice == 0 && i->type == MG_EVENT_TEXT) return false;
    return b->type == MG_EVENT_TEXT;
}

void mg_responses_text_logprobs(const mg_reply *r, const mg_block *b, mg_buf *o) {
    const mg_buf *elements = &r->finishes[0].logprobs;
    if (!elements->n || !is_first_text(r, b)) {
        put(o, "[]");
        return;
    }
    const mg_str list[] = {MG_STR("["), mg_buf_view(elements), MG_STR("]")};
    mg_responses_logprobs(r, mg_arena_join(r->arena, list, 3), o);
}

static void write_annotations(const mg_reply *r, const mg_block *b, mg_buf *o) {
    bool any = false;
    for (const mg_note *n = b->citations; n; n = n->next) {
        size_t before = o->n;
        if (any) put(o, ",");
        if (mg_responses_annotation(r, n->json, o))
            any = true;
        else
            o->n = before;
    }
}

void mg_responses_content(const mg_reply *r, const mg_block *b, mg_item_phase phase, mg_buf *o) {
    bool added = phase == MG_ITEM_ADDED, refusal = b->type == MG_EVENT_REFUSAL;
    if (refusal) {
        put(o, "{\"type\":\"refusal\",\"refusal\":");
        mg_buf_json(o, added ? MG_STR("") : mg_responses_text(b));
        put(o, "}");
        return;
    }
    put(o, "{\"type\":\"output_text\",\"annotations\":[");
    if (!added) write_annotations(r, b, o);
    put(o, "],\"logprobs\":");
    if (added)
        put(o, "[]");
    else
        mg_responses_text_logprobs(r, b, o);
    put(o, ",\"text\":");
    mg_buf_json(o, added ? MG_STR("") : mg_responses_text(b));
    put(o, "}");
}

/* ---- items ------------------------------------------------------------------------------------------------------- */

void mg_responses_item_id(const mg_reply *r, mg_item_kind kind, int64_t index, mg_buf *o) {
    static const char *const prefixes[] = {
        [MG_ITEM_TEXT] = "msg",   [MG_ITEM_REFUSAL] = "msg", [MG_ITEM_REASONING] = "rs", [MG_ITEM_FUNCTION] = "fc",
        [MG_ITEM_CUSTOM] = "ctc", [MG_ITEM_IMAGE] = "ig",    [MG_ITEM_VENDOR] = "item",  [MG_ITEM_NONE] = "item"};
    mg_buf_printf(o, "\"%s_%s%04llx\"", prefixes[kind], r->id, (unsigned long long)index);
}

static const char *status_of(mg_item_phase phase) {
    static const char *const names[] = {"in_progress", "completed", "incomplete"};
    return names[phase];
}

static void write_message(const mg_reply *r, const mg_block *b, mg_item_phase phase, mg_buf *o) {
    mg_buf_printf(o, ",\"type\":\"message\",\"status\":\"%s\",\"content\":[", status_of(phase));
    if (phase != MG_ITEM_ADDED) mg_responses_content(r, b, phase, o);
    put(o, "],\"role\":\"assistant\"}");
}

static void write_sealed(mg_mark_kind kind, mg_str vendor, mg_str data, mg_buf *o) {
    const mg_mark m = {kind, vendor, data};
    put(o, ",\"encrypted_content\":");
    mg_responses_mark_write(&m, o);
}

static void write_reasoning(const mg_block *b, mg_item_phase phase, mg_buf *o) {
    bool redacted = b->type == MG_EVENT_REDACTED;
    put(o, ",\"type\":\"reasoning\",\"summary\":[");
    if (phase != MG_ITEM_ADDED && !redacted && b->text.n) {
        put(o, "{\"type\":\"summary_text\",\"text\":");
        mg_buf_json(o, mg_buf_view(&b->text));
        put(o, "}");
    }
    put(o, "]");
    if (phase != MG_ITEM_ADDED && redacted)
        write_sealed(MG_MARK_REDACTED, b->name, mg_buf_view(&b->text), o);
    else if (phase != MG_ITEM_ADDED && b->signature.n)
        write_sealed(MG_MARK_SIGNATURE, b->vendor, b->signature, o);
    put(o, "}");
}

mg_str mg_responses_call_id(const mg_reply *r, int64_t index) {
    return mg_arena_printf(r->arena, "call_%s%04llx", r->id, (unsigned long long)index);
}

static void write_call(const mg_reply *r, const mg_block *b, mg_item_kind kind, int64_t index, mg_item_phase phase,
                       mg_buf *o) {
    bool custom = kind == MG_ITEM_CUSTOM;
    mg_buf_printf(o, ",\"type\":\"%s\",\"status\":\"%s\",\"%s\":", custom ? "custom_tool_call" : "function_call",
                  status_of(phase), custom ? "input" : "arguments");
    mg_buf_json(o, phase == MG_ITEM_ADDED ? MG_STR("") : mg_responses_arguments(b, kind));
    put(o, ",\"call_id\":");
    mg_buf_json(o, b->id.n ? b->id : mg_responses_call_id(r, index));
    put(o, ",\"name\":");
    mg_buf_json(o, b->name);
    put(o, "}");
}

static void write_image(const mg_block *b, mg_item_phase phase, mg_buf *o) {
    if (phase == MG_ITEM_ADDED) {
        put(o, ",\"type\":\"image_generation_call\",\"status\":\"in_progress\",\"result\":null}");
        return;
    }
    put(o, ",\"type\":\"image_generation_call\",\"status\":\"completed\",\"result\":");
    mg_buf_json(o, mg_buf_view(&b->text));
    put(o, "}");
}

void mg_responses_item(const mg_reply *r, const mg_block *b, int64_t index, mg_item_phase phase, mg_buf *o) {
    mg_item_kind kind = mg_responses_item_kind(r, b);
    if (kind == MG_ITEM_VENDOR) {
        mg_responses_tree(mg_responses_parse(r, mg_buf_view(&b->text)), o);
        return;
    }
    put(o, "{\"id\":");
    mg_responses_item_id(r, kind, index, o);
    switch (kind) {
    case MG_ITEM_REASONING: write_reasoning(b, phase, o); break;
    case MG_ITEM_FUNCTION:
    case MG_ITEM_CUSTOM: write_call(r, b, kind, index, phase, o); break;
    case MG_ITEM_IMAGE: write_image(b, phase, o); break;
    default: write_message(r, b, phase, o); break;
    }
}

void mg_responses_mark_item(const mg_reply *r, const mg_block *b, int64_t index, mg_buf *o) {
    put(o, "{\"id\":");
    mg_responses_item_id(r, MG_ITEM_REASONING, index, o);
    put(o, ",\"type\":\"reasoning\",\"summary\":[]");
    write_sealed(MG_MARK_BEFORE, b->vendor, b->signature, o);
    put(o, "}");
}

/* ---- the response ------------------------------------------------------------------------------------------------ */

const char *mg_responses_cut(const mg_reply *r) {
    mg_str reason = r->finishes[0].reason;
    if (r->over || mg_str_is(reason, "length")) return "max_output_tokens";
    return mg_str_is(reason, "content_filter") ? "content_filter" : NULL;
}

mg_item_phase mg_responses_phase(const mg_block *b, bool cut) {
    for (const mg_block *i = b->next; i; i = i->next)
        if (i->choice == 0) return MG_ITEM_COMPLETED;
    return cut && !b->signature.n ? MG_ITEM_INCOMPLETE : MG_ITEM_COMPLETED;
}

static void write_output(const mg_reply *r, bool cut, mg_buf *o) {
    int64_t index = 0;
    for (const mg_block *b = r->blocks; b; b = b->next) {
        mg_item_kind kind = mg_responses_item_kind(r, b);
        if (kind == MG_ITEM_NONE) continue;
        if (index) put(o, ",");
        mg_responses_item(r, b, index++, mg_responses_phase(b, cut), o);
        if (!mg_responses_has_mark(b, kind)) continue;
        put(o, ",");
        mg_responses_mark_item(r, b, index++, o);
    }
}

static void write_usage(const mg_usage *u, mg_buf *o) {
    mg_buf_printf(o,
                  ",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld,"
                  "\"cache_write_tokens\":%lld},\"output_tokens\":%lld,\"output_tokens_details\":{"
                  "\"reasoning_tokens\":%lld},\"total_tokens\":%lld}",
                  (long long)u->input, (long long)u->cached, (long long)u->cache_write, (long long)u->output,
                  (long long)u->reasoning, (long long)(u->input + u->output));
}

/* The API's own codes for a response that failed are few. */
static void write_error(const mg_fault *f, mg_buf *o) {
    static const char *const codes[] = {"server_error", "rate_limit_exceeded", "invalid_prompt"};
    const char *code = f->status == 429 ? codes[1] : f->status >= 500 ? codes[0] : codes[2];
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (mg_str_is(f->code, codes[i])) code = codes[i];
    mg_buf_printf(o, ",\"error\":{\"code\":\"%s\",\"message\":", code);
    mg_buf_json(o, f->message);
    put(o, "}");
}

void mg_responses_write(const mg_reply *r, mg_response_status status, const mg_fault *fault, mg_buf *o) {
    const char *cut = status == MG_RESPONSE_ENDED ? mg_responses_cut(r) : NULL;
    const char *name = status == MG_RESPONSE_IN_PROGRESS ? "in_progress"
                       : status == MG_RESPONSE_FAILED    ? "failed"
                       : cut                             ? "incomplete"
                                                         : "completed";
    mg_buf_printf(o, "{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\"", r->id,
                  (long long)r->created_s, name);
    put(o, ",\"background\":false");
    if (fault)
        write_error(fault, o);
    else
        put(o, ",\"error\":null");
    if (cut)
        mg_buf_printf(o, ",\"incomplete_details\":{\"reason\":\"%s\"}", cut);
    else
        put(o, ",\"incomplete_details\":null");
    put(o, ",\"model\":");
    mg_buf_json(o, r->model);
    put(o, ",\"output\":[");
    if (status != MG_RESPONSE_IN_PROGRESS) write_output(r, cut || status == MG_RESPONSE_FAILED, o);
    put(o, "],\"previous_response_id\":null,\"store\":false");
    mg_responses_echo(r->request, o);
    if (status == MG_RESPONSE_ENDED || (status == MG_RESPONSE_FAILED && r->usage_known)) write_usage(&r->usage, o);
    put(o, "}");
}

void mg_responses_plain(const mg_reply *r, mg_buf *out) { mg_responses_write(r, MG_RESPONSE_ENDED, NULL, out); }
