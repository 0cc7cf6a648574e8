/* Whole answers of Gemini's, and the pieces that its streams are made of too. */
#include "format/gemini.h"
#include "base/json_fault.h"
#include "format/openai.h"

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

void mg_gemini_text_part(mg_buf *b, mg_str text, bool thought, const mg_gemini_signature *signature) {
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{"));
    mg_gemini_pair(b, "text", text);
    if (thought) {
        mg_gemini_key(b, "thought");
        mg_buf_str(b, MG_STR("true"));
    }
    mg_gemini_signature_write(b, signature);
    mg_buf_str(b, MG_STR("}"));
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static mg_str trimmed(mg_str json) {
    while (json.n && blank(json.p[0])) json = mg_str_skip(json, 1);
    while (json.n && blank(json.p[json.n - 1])) json.n--;
    return json;
}

static bool is_object(mg_str json) {
    mg_error error;
    return json.n && json.p[0] == '{' && mg_json_fault(json, MG_JSON_MAX_DEPTH / 2, &error) == MG_OK;
}

static bool call_part(mg_buf *b, const mg_block *block, const mg_gemini_signature *signature) {
    mg_str args = trimmed(mg_buf_view(&block->text));
    if (!args.n) args = MG_STR("{}");
    if (!block->name.n || block->text.over || !is_object(args)) return false;
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{\"functionCall\":{"));
    if (block->id.n) mg_gemini_pair(b, "id", block->id);
    mg_gemini_pair(b, "name", block->name);
    mg_gemini_key(b, "args");
    mg_gemini_raw(b, args);
    mg_buf_str(b, MG_STR("}"));
    mg_gemini_signature_write(b, signature);
    mg_buf_str(b, MG_STR("}"));
    return true;
}

static void media_part(mg_buf *b, const mg_block *block, const mg_gemini_signature *signature) {
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{\"inlineData\":{"));
    mg_gemini_pair(b, "mimeType", block->name);
    mg_gemini_pair(b, "data", mg_buf_view(&block->text));
    mg_buf_str(b, MG_STR("}"));
    mg_gemini_signature_write(b, signature);
    mg_buf_str(b, MG_STR("}"));
    const mg_gemini_signature none = {0};
    if (block->id.n) mg_gemini_text_part(b, block->id, false, &none); /* what is said in it */
}

/* Blocks of Gemini's own are parts as they stand; no part could hold another vendor's. */
static void other_part(mg_buf *b, const mg_block *block, const mg_gemini_signature *signature) {
    mg_str json = trimmed(mg_buf_view(&block->text));
    if (!mg_str_is(block->name, "gemini") || !is_object(json)) return;
    bool empty = trimmed(mg_str_from(json.p + 1, json.n - 2)).n == 0;
    if (empty) return;
    mg_gemini_comma(b);
    mg_gemini_raw(b, mg_str_from(json.p, json.n - (signature->text.n > 0)));
    if (!signature->text.n) return;
    mg_gemini_signature_write(b, signature);
    mg_buf_str(b, MG_STR("}"));
}

bool mg_gemini_block(mg_buf *b, const mg_block *block) {
    const mg_gemini_signature s = {block->vendor, block->signature, false};
    const mg_gemini_signature redacted = {block->name, mg_buf_view(&block->text), true};
    mg_str text = mg_buf_view(&block->text);
    switch (block->type) {
    case MG_EVENT_TEXT:
    case MG_EVENT_REFUSAL:
    case MG_EVENT_REASONING:
        if (text.n || s.text.n) mg_gemini_text_part(b, text, block->type == MG_EVENT_REASONING, &s);
        return true;
    case MG_EVENT_TOOL: return call_part(b, block, &s);
    case MG_EVENT_REDACTED: mg_gemini_text_part(b, MG_STR(""), true, &redacted); return true;
    case MG_EVENT_MEDIA: media_part(b, block, &s); return true;
    default: other_part(b, block, &s); return true;
    }
}

/* ---- the rest of a candidate -------------------------------------------------------------------------------------------- */

/* What Gemini itself says when an answer ends. */
static bool own_reason(mg_str reason) {
    static const char *const names[] = {"STOP",
                                        "MAX_TOKENS",
                                        "SAFETY",
                                        "RECITATION",
                                        "LANGUAGE",
                                        "OTHER",
                                        "BLOCKLIST",
                                        "PROHIBITED_CONTENT",
                                        "SPII",
                                        "MALFORMED_FUNCTION_CALL",
                                        "IMAGE_SAFETY",
                                        "IMAGE_PROHIBITED_CONTENT",
                                        "IMAGE_OTHER",
                                        "NO_IMAGE",
                                        "MODEL_ARMOR",
                                        "IMAGE_RECITATION",
                                        "CONTINUATION",
                                        "UNEXPECTED_TOOL_CALL",
                                        "MALFORMED_RESPONSE",
                                        "TOO_MANY_TOOL_CALLS",
                                        "MISSING_THOUGHT_SIGNATURE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_str_is(reason, names[i])) return true;
    return false;
}

void mg_gemini_finish(mg_buf *b, const mg_gemini_ending *e) {
    mg_str name = MG_STR("OTHER");
    bool whole = !e->reason.n || mg_str_is(e->reason, "stop") || mg_str_is(e->reason, "tool_calls");
    if (own_reason(e->vendor_reason))
        name = e->vendor_reason;
    else if (whole)
        name = MG_STR("STOP");
    else if (mg_str_is(e->reason, "length"))
        name = MG_STR("MAX_TOKENS");
    else if (mg_str_is(e->reason, "content_filter"))
        name = MG_STR("SAFETY");
    if (!e->malformed) {
        mg_gemini_pair(b, "finishReason", name);
        return;
    }
    mg_gemini_pair(b, "finishReason", mg_str_is(name, "STOP") ? MG_STR("MALFORMED_FUNCTION_CALL") : name);
    mg_gemini_key(b, "finishMessage");
    mg_buf_str(b, MG_STR("\"Malformed function call: "));
    mg_buf_json_raw(b, e->malformed->name);
    mg_buf_str(b, MG_STR(" "));
    mg_buf_json_raw(b, mg_buf_view(&e->malformed->text));
    mg_buf_str(b, MG_STR("\""));
}

static void logprob(mg_buf *b, const mg_json *element) {
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{"));
    mg_gemini_pair(b, "token", mg_gemini_text(element, "token"));
    const mg_json *value = mg_json_get(element, MG_STR("logprob"));
    if (mg_json_kind(value) == MG_JSON_NUMBER) {
        mg_gemini_key(b, "logProbability");
        mg_buf_str(b, value->str);
    }
    mg_buf_str(b, MG_STR("}"));
}

static void alternatives(mg_buf *b, const mg_json *element) {
    const mg_json *top = mg_json_get(element, MG_STR("top_logprobs"));
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{\"candidates\":["));
    for (const mg_json *t = mg_json_kind(top) == MG_JSON_ARRAY ? top->child : NULL; t; t = t->next) logprob(b, t);
    mg_buf_str(b, MG_STR("]}"));
}

void mg_gemini_logprobs_write(mg_buf *b, mg_str elements, mg_gemini_logprobs *sum) {
    mg_buf list = {0};
    const mg_json *root = NULL;
    mg_arena *arena = mg_arena_create(4096);
    mg_json_parser *parser = mg_json_parser_create();
    mg_buf_str(&list, MG_STR("["));
    mg_buf_str(&list, elements);
    mg_buf_str(&list, MG_STR("]"));
    mg_json_parse_copy(parser, arena, mg_buf_view(&list), &root, NULL);
    if (root && root->child) {
        mg_gemini_key(b, "logprobsResult");
        mg_buf_str(b, MG_STR("{\"chosenCandidates\":["));
        for (const mg_json *e = root->child; e; e = e->next) {
            logprob(b, e);
            sum->sum += mg_json_number(mg_json_get(e, MG_STR("logprob")), 0);
            sum->n++;
        }
        mg_buf_str(b, MG_STR("],\"topCandidates\":["));
        for (const mg_json *e = root->child; e; e = e->next) alternatives(b, e);
        mg_buf_str(b, MG_STR("]}"));
    }
    mg_json_parser_destroy(parser);
    mg_arena_destroy(arena);
    mg_buf_finish(&list);
}

void mg_gemini_average(mg_buf *b, const mg_gemini_logprobs *sum) {
    if (!sum->n) return;
    mg_gemini_key(b, "avgLogprobs");
    mg_buf_printf(b, "%.17g", sum->sum / (double)sum->n);
}

/* ---- the rest of an answer ---------------------------------------------------------------------------------------------- */

static void audio_details(mg_buf *b, const char *name, int64_t all, int64_t audio) {
    if (audio <= 0 || audio > all) return;
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("["));
    if (all > audio) mg_buf_printf(b, "{\"modality\":\"TEXT\",\"tokenCount\":%lld},", (long long)(all - audio));
    mg_buf_printf(b, "{\"modality\":\"AUDIO\",\"tokenCount\":%lld}]", (long long)audio);
}

void mg_gemini_usage(mg_buf *b, const mg_reply *r) {
    if (!r->usage_known) return;
    const mg_usage *u = &r->usage;
    int64_t reasoning = u->reasoning > u->output ? u->output : u->reasoning, shown = u->output - reasoning;
    mg_gemini_key(b, "usageMetadata");
    mg_buf_str(b, MG_STR("{"));
    mg_gemini_pair_int(b, "promptTokenCount", u->input);
    mg_gemini_pair_int(b, "candidatesTokenCount", shown);
    mg_gemini_pair_int(b, "totalTokenCount", u->input + u->output);
    if (u->cached > 0) mg_gemini_pair_int(b, "cachedContentTokenCount", u->cached);
    if (reasoning > 0) mg_gemini_pair_int(b, "thoughtsTokenCount", reasoning);
    audio_details(b, "promptTokensDetails", u->input, u->audio_input);
    audio_details(b, "candidatesTokensDetails", shown, u->audio_output);
    mg_buf_str(b, MG_STR("}"));
}

void mg_gemini_origin(mg_buf *b, const mg_reply *r) {
    if (r->model.n) mg_gemini_pair(b, "modelVersion", r->model);
    mg_gemini_pair(b, "responseId", mg_str_of(r->id));
}

/* ---- plain answers -------------------------------------------------------------------------------------------------------- */

typedef struct candidate {
    const mg_reply *reply;
    int64_t choice;
    mg_arena *arena;
} candidate;

static void write_parts(mg_buf *b, const candidate *c, const mg_finish *f, mg_gemini_grounding *sources,
                        mg_gemini_ending *ending) {
    mg_buf parts = {0};
    for (const mg_block *block = c->reply->blocks; block; block = block->next) {
        if (block->choice != c->choice) continue;
        if (!mg_gemini_block(&parts, block) && !ending->malformed) ending->malformed = block;
        if (block->type == MG_EVENT_TEXT) mg_gemini_grounding_text(sources, mg_buf_view(&block->text));
    }
    for (const mg_block *block = c->reply->blocks; block; block = block->next)
        for (const mg_note *n = block->choice == c->choice ? block->citations : NULL; n; n = n->next)
            mg_gemini_grounding_add(sources, n->json);
    bool blocked = mg_str_is(f->reason, "content_filter");
    if (!parts.n && !blocked) mg_buf_str(&parts, MG_STR("{\"text\":\"\"}")); /* clients expect a part */
    if (parts.n) {
        mg_gemini_key(b, "content");
        mg_buf_str(b, MG_STR("{\"parts\":["));
        mg_buf_str(b, mg_buf_view(&parts));
        mg_buf_str(b, MG_STR("],\"role\":\"model\"}"));
    }
    mg_buf_finish(&parts);
}

static void write_candidate(mg_buf *b, const candidate *c) {
    const mg_finish *f = &c->reply->finishes[c->choice];
    mg_gemini_grounding sources = {.arena = c->arena};
    mg_gemini_ending ending = {f->reason, f->vendor_reason, NULL};
    mg_gemini_logprobs sum = {0};
    mg_gemini_comma(b);
    mg_buf_str(b, MG_STR("{"));
    write_parts(b, c, f, &sources, &ending);
    mg_gemini_finish(b, &ending);
    mg_gemini_pair_int(b, "index", c->choice);
    mg_gemini_grounding_write(&sources, b);
    if (f->logprobs.n) mg_gemini_logprobs_write(b, mg_buf_view(&f->logprobs), &sum);
    mg_gemini_average(b, &sum);
    mg_buf_str(b, MG_STR("}"));
}

/* Nothing was said, and the reason is a filter's. */
static const mg_finish *blocked_whole(const mg_reply *r) {
    for (size_t i = 0; i < r->n_choices; i++)
        if (!mg_str_is(r->finishes[i].reason, "content_filter")) return NULL;
    return r->blocks || !r->n_choices ? NULL : &r->finishes[0];
}

static bool said_anything(const mg_reply *r, size_t choice) {
    if (r->finishes[choice].reason.n || r->finishes[choice].logprobs.n) return true;
    for (const mg_block *b = r->blocks; b; b = b->next)
        if (b->choice == (int64_t)choice) return true;
    return false;
}

static void write_chat(const mg_reply *r, mg_buf *out) {
    const mg_finish *blocked = blocked_whole(r);
    mg_buf_str(out, MG_STR("{"));
    if (blocked) {
        mg_gemini_blocked(out, blocked->vendor_reason, MG_STR(""));
    } else {
        mg_buf_str(out, MG_STR("\"candidates\":["));
        for (size_t i = 0; i < r->n_choices || i == 0; i++) {
            const candidate c = {r, (int64_t)i, r->arena};
            if (i == 0 || said_anything(r, i)) write_candidate(out, &c);
        }
        mg_buf_str(out, MG_STR("]"));
    }
    mg_gemini_usage(out, r);
    mg_gemini_origin(out, r);
    mg_buf_str(out, MG_STR("}"));
}

static void write_vector(mg_buf *out, const mg_block *block) {
    mg_buf_str(out, MG_STR("{\"values\":"));
    if (!block || !mg_format_vector(mg_buf_view(&block->text), false, out)) mg_buf_str(out, MG_STR("[]"));
    mg_buf_str(out, MG_STR("}"));
}

static const mg_block *next_vector(const mg_block *b) {
    while (b && b->type != MG_EVENT_EMBEDDING) b = b->next;
    return b;
}

/* The vector of an input: mostly the next one; vendors may answer in another order. */
static const mg_block *vector_of(const mg_reply *r, const mg_block *hint, int64_t index) {
    if (hint && hint->index == index) return hint;
    for (const mg_block *b = next_vector(r->blocks); b; b = next_vector(b->next))
        if (b->index == index) return b;
    return NULL;
}

static void write_embeddings(const mg_reply *r, mg_buf *out) {
    const mg_block *first = next_vector(r->blocks), *hint = first;
    if (r->single) {
        mg_buf_str(out, MG_STR("{\"embedding\":"));
        write_vector(out, first);
        mg_buf_str(out, MG_STR("}"));
        return;
    }
    int64_t n = 0;
    for (const mg_block *b = first; b; b = next_vector(b->next)) n++;
    mg_buf_str(out, MG_STR("{\"embeddings\":["));
    for (int64_t i = 0; i < n; i++) {
        const mg_block *v = vector_of(r, hint, i);
        mg_gemini_comma(out);
        write_vector(out, v);
        hint = next_vector(v ? v->next : NULL);
    }
    mg_buf_str(out, MG_STR("]}"));
}

void mg_gemini_plain(const mg_reply *r, mg_buf *out) {
    if (r->operation == MG_OP_EMBEDDINGS)
        write_embeddings(r, out);
    else
        write_chat(r, out);
}
