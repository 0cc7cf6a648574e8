/* A whole answer out of events. */
#include "format/format.h"

void mg_reply_init(mg_reply *r, mg_arena *arena, mg_operation operation, size_t limit) {
    *r = (mg_reply){.arena = arena, .operation = operation, .limit = limit};
    r->tail = &r->blocks;
    r->usage.size = sizeof r->usage;
    r->room = 1;
    r->finishes = MG_ARENA_NEW(arena, mg_finish);
}

/* Room for a choice that has not been seen before. */
static void add_choices(mg_reply *r, size_t n) {
    r->n_choices = n;
    if (n <= r->room) return;
    mg_finish *finishes = mg_arena_zalloc(r->arena, MG_REPLY_CHOICES * sizeof *finishes);
    memcpy(finishes, r->finishes, r->room * sizeof *finishes);
    r->finishes = finishes;
    r->room = MG_REPLY_CHOICES;
}

/* The block of the same choice that came last. */
static mg_block *last_of(const mg_reply *r, int64_t choice) {
    if (r->last && r->last->choice == choice) return r->last;
    mg_block *found = NULL;
    for (mg_block *b = r->blocks; b; b = b->next)
        if (b->choice == choice) found = b;
    return found;
}

static mg_block *find_tool(const mg_reply *r, int64_t choice, int64_t index) {
    for (mg_block *b = r->blocks; b; b = b->next)
        if (b->type == MG_EVENT_TOOL && b->choice == choice && b->index == index) return b;
    return NULL;
}

static mg_block *add_block(mg_reply *r, const mg_event *e, mg_event_type type) {
    mg_block *b = MG_ARENA_NEW(r->arena, mg_block);
    b->type = type;
    b->choice = e->choice;
    b->index = e->index;
    b->citations_tail = &b->citations;
    *r->tail = r->last = b;
    r->tail = &b->next;
    return b;
}

static void put(mg_reply *r, mg_buf *b, mg_str text) {
    if (r->over || text.n > r->limit - r->bytes) {
        r->over = true;
        return;
    }
    r->bytes += text.n;
    if (!b->max) b->max = r->limit ? r->limit : 1;
    if (!mg_buf_str(b, text)) r->over = true;
}

/* More of a block of running text. */
static void on_text(mg_reply *r, const mg_event *e) {
    mg_block *b = last_of(r, e->choice);
    if (!b || b->type != e->type || b->signature.n) b = add_block(r, e, e->type);
    put(r, &b->text, e->text);
}

static void on_tool(mg_reply *r, const mg_event *e) {
    mg_block *b = find_tool(r, e->choice, e->index);
    if (!b) b = add_block(r, e, MG_EVENT_TOOL);
    if (e->name.n && !b->name.n) b->name = mg_arena_dup(r->arena, e->name);
    if (e->id.n && !b->id.n) b->id = mg_arena_dup(r->arena, e->id);
    put(r, &b->text, e->text);
}

static void on_signature(mg_reply *r, const mg_event *e) {
    mg_block *b = last_of(r, e->choice);
    if (!b) b = add_block(r, e, MG_EVENT_REASONING);
    b->signature = mg_arena_dup(r->arena, e->text);
    b->vendor = mg_arena_dup(r->arena, e->name);
    r->bytes += e->text.n;
    r->over |= r->bytes > r->limit;
}

static void on_whole(mg_reply *r, const mg_event *e) {
    mg_block *b = add_block(r, e, e->type);
    b->name = mg_arena_dup(r->arena, e->name);
    b->id = mg_arena_dup(r->arena, e->id);
    put(r, &b->text, e->text);
}

static void on_citation(mg_reply *r, const mg_event *e) {
    mg_block *b = last_of(r, e->choice);
    if (!b || b->type != MG_EVENT_TEXT) {
        const mg_event empty = {.type = MG_EVENT_TEXT, .choice = e->choice};
        b = add_block(r, &empty, MG_EVENT_TEXT);
    }
    mg_note *n = MG_ARENA_NEW(r->arena, mg_note);
    n->json = mg_arena_dup(r->arena, e->text);
    *b->citations_tail = n;
    b->citations_tail = &n->next;
    r->bytes += e->text.n;
    r->over |= r->bytes > r->limit;
}

/* [a,b] and then [c] become a,b,c. */
static void on_logprobs(mg_reply *r, mg_finish *f, mg_str list) {
    list = mg_str_trim(list);
    if (list.n < 2) return;
    mg_str inner = mg_str_trim(mg_str_from(list.p + 1, list.n - 2));
    if (!inner.n) return;
    if (f->logprobs.n) put(r, &f->logprobs, MG_STR(","));
    put(r, &f->logprobs, inner);
}

static void on_finish(mg_reply *r, mg_finish *f, const mg_event *e) {
    f->reason = mg_arena_dup(r->arena, e->text);
    f->vendor_reason = mg_arena_dup(r->arena, e->name);
    f->stop_sequence = mg_arena_dup(r->arena, e->id);
}

void mg_reply_event(mg_reply *r, const mg_event *e) {
    if (e->type == MG_EVENT_META) {
        if (!r->upstream_id.n) r->upstream_id = mg_arena_dup(r->arena, e->text);
        if (!r->model.n) r->model = mg_arena_dup(r->arena, e->name);
        return;
    }
    if (e->type == MG_EVENT_USAGE) {
        if (e->usage) r->usage = *e->usage;
        r->usage_known = e->usage != NULL;
        return;
    }
    if (e->type == MG_EVENT_ERROR || e->type == MG_EVENT_DONE) return;
    if (e->choice < 0 || e->choice >= MG_REPLY_CHOICES) {
        r->over = true;
        return;
    }
    if ((size_t)e->choice >= r->n_choices) add_choices(r, (size_t)e->choice + 1);
    switch (e->type) {
    case MG_EVENT_TEXT:
    case MG_EVENT_REASONING:
    case MG_EVENT_REFUSAL: on_text(r, e); break;
    case MG_EVENT_TOOL: on_tool(r, e); break;
    case MG_EVENT_SIGNATURE: on_signature(r, e); break;
    case MG_EVENT_CITATION: on_citation(r, e); break;
    case MG_EVENT_LOGPROBS: on_logprobs(r, &r->finishes[e->choice], e->text); break;
    case MG_EVENT_FINISH: on_finish(r, &r->finishes[e->choice], e); break;
    default: on_whole(r, e); break;
    }
}

void mg_reply_finish(mg_reply *r) {
    for (mg_block *b = r->blocks; b; b = b->next) mg_buf_finish(&b->text);
    for (size_t i = 0; i < r->n_choices; i++) mg_buf_finish(&r->finishes[i].logprobs);
}
