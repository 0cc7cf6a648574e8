#include "base/edits.h"
#include "base/buf.h"
#include <stdlib.h>

/* ---- collecting -------------------------------------------------------------------------------------------------- */

/* True if [start, end) holds the edit. What is inserted at a border stands outside. */
static bool covers(size_t start, size_t end, const mg_edit *x) {
    if (x->start == x->end) return start < x->start && x->end < end;
    return start <= x->start && x->end <= end;
}

static bool overlaps(const mg_edit *a, const mg_edit *b) { return a->start < b->end && b->start < a->end; }

static bool goes_before(const mg_edit *a, const mg_edit *b) {
    if (a->start != b->start) return a->start < b->start;
    return a->start == a->end && b->start != b->end; /* an insertion before a replacement */
}

/* Takes out what `x` covers. False: the edits there are decide, `x` is dropped. */
static bool make_room(mg_edits *e, const mg_edit *x) {
    for (const mg_edit *y = e->first; y; y = y->next) {
        bool over = covers(x->start, x->end, y);
        if (!over && (covers(y->start, y->end, x) || overlaps(x, y))) return false;
    }
    mg_edit **at = &e->first;
    e->last = NULL;
    while (*at) {
        if (covers(x->start, x->end, *at)) {
            *at = (*at)->next;
            e->n--;
        } else {
            e->last = *at;
            at = &(*at)->next;
        }
    }
    return true;
}

static void add(mg_edits *e, mg_edit edit) {
    bool behind = !e->last || (e->last->end <= edit.start && !goes_before(&edit, e->last));
    if (!behind && !make_room(e, &edit)) return;
    mg_edit *x = MG_ARENA_NEW(e->arena, mg_edit);
    *x = edit;
    mg_edit **at = behind && e->last ? &e->last->next : &e->first;
    while (*at && !goes_before(x, *at)) at = &(*at)->next;
    x->next = *at;
    *at = x;
    if (!x->next) e->last = x;
    e->n++;
}

void mg_edits_copy(mg_edits *e, const mg_edits *other) {
    *e = (mg_edits){.arena = other->arena, .n = other->n};
    mg_edit **at = &e->first;
    for (const mg_edit *x = other->first; x; x = x->next) {
        mg_edit *copy = MG_ARENA_NEW(e->arena, mg_edit);
        *copy = *x;
        copy->next = NULL;
        *at = e->last = copy;
        at = &copy->next;
    }
}

void mg_edits_replace(mg_edits *e, size_t start, size_t end, mg_str text) {
    add(e, (mg_edit){.start = start, .end = end, .text = text});
}

static size_t start_of(const mg_json *parent, const mg_json *child) {
    return parent->type == MG_JSON_OBJECT ? child->key_src : child->src;
}

void mg_edits_remove(mg_edits *e, const mg_json *parent, const mg_json *child, mg_str source) {
    (void)source; /* the tree knows where everything stands */
    add(e, (mg_edit){.start = start_of(parent, child),
                     .end = child->src_end,
                     .kind = MG_EDIT_REMOVE,
                     .parent = parent,
                     .child = child});
}

static const mg_json *last_child(const mg_json *parent) {
    const mg_json *last = parent->child;
    while (last && last->next) last = last->next;
    return last;
}

static void insert(mg_edits *e, const mg_json *parent, mg_str key, mg_str text, bool front) {
    size_t at = parent->src + 1;
    if (parent->child) at = front ? start_of(parent, parent->child) : last_child(parent)->src_end;
    add(e, (mg_edit){.start = at,
                     .end = at,
                     .text = text,
                     .kind = front ? MG_EDIT_PREPEND : MG_EDIT_APPEND,
                     .parent = parent,
                     .key = key});
}

void mg_edits_append(mg_edits *e, const mg_json *array, mg_str json, bool front) {
    insert(e, array, (mg_str){NULL, 0}, json, front);
}

static mg_str member_text(mg_arena *arena, mg_str key, mg_str json) {
    mg_buf b = {0};
    mg_buf_json(&b, key);
    mg_buf_str(&b, MG_STR(":"));
    mg_buf_str(&b, json);
    mg_str text = mg_arena_dup(arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return text;
}

static void drop_removal(mg_edits *e, const mg_json *child) {
    mg_edit **at = &e->first;
    mg_edit *before = NULL;
    while (*at && !((*at)->kind == MG_EDIT_REMOVE && (*at)->child == child)) {
        before = *at;
        at = &(*at)->next;
    }
    if (!*at) return;
    if (e->last == *at) e->last = before;
    *at = (*at)->next;
    e->n--;
}

void mg_edits_set(mg_edits *e, const mg_json *object, mg_str key, mg_str json) {
    const mg_json *member = mg_json_get(object, key);
    if (member) {
        drop_removal(e, member);
        mg_edits_replace(e, member->src, member->src_end, json);
        return;
    }
    mg_str text = member_text(e->arena, key, json);
    for (mg_edit *x = e->first; x; x = x->next) {
        if (x->kind != MG_EDIT_APPEND || x->parent != object || !mg_str_eq(x->key, key)) continue;
        x->text = text;
        return;
    }
    insert(e, object, mg_arena_dup(e->arena, key), text, false);
}

/* ---- rendering --------------------------------------------------------------------------------------------------- */

typedef struct splice {
    size_t start, end, order;
    mg_str before, text, after; /* commas around the text */
} splice;

typedef struct splices {
    splice *at;
    size_t n;
} splices;

static const mg_str COMMA = {",", 1}, NOTHING = {NULL, 0};

static void put(splices *o, size_t start, size_t end, mg_str before, mg_str text, mg_str after) {
    o->at[o->n] = (splice){start, end, o->n, before, text, after};
    o->n++;
}

/* The parent's removals and insertions in its list, in order of their places. */
typedef struct changes {
    const mg_edit **removed, **front, **back;
    size_t n_removed, n_front, n_back;
} changes;

static changes changes_of(const mg_edit *from, const mg_json *parent, const mg_edit **room, size_t n) {
    changes c = {.removed = room, .front = room + n, .back = room + 2 * n};
    for (const mg_edit *x = from; x; x = x->next) {
        if (x->parent != parent) continue;
        if (x->kind == MG_EDIT_REMOVE) c.removed[c.n_removed++] = x;
        if (x->kind == MG_EDIT_PREPEND) c.front[c.n_front++] = x;
        if (x->kind == MG_EDIT_APPEND) c.back[c.n_back++] = x;
    }
    return c;
}

/* Before the first child that stays a removed one goes with the comma behind it, later ones with the comma before them.
 * Returns whether any child stays. */
static bool put_removals(splices *o, const mg_json *parent, const changes *c) {
    size_t next = 0;
    const mg_json *before = NULL, *first_kept = NULL;
    for (const mg_json *child = parent->child; child; before = child, child = child->next) {
        bool removed = next < c->n_removed && c->removed[next]->child == child;
        next += removed;
        if (!removed && !first_kept) {
            first_kept = child;
            if (before) put(o, start_of(parent, parent->child), start_of(parent, child), NOTHING, NOTHING, NOTHING);
        } else if (removed && first_kept) {
            put(o, before->src_end, child->src_end, NOTHING, NOTHING, NOTHING);
        }
    }
    if (!first_kept && parent->child)
        put(o, start_of(parent, parent->child), before->src_end, NOTHING, NOTHING, NOTHING);
    return first_kept != NULL;
}

static void put_parent(splices *o, const mg_json *parent, const changes *c) {
    for (size_t i = c->n_front; i > 0; i--) { /* the last one comes first */
        const mg_edit *x = c->front[i - 1];
        bool more = i > 1 || c->n_back || c->n_removed < parent->count;
        put(o, x->start, x->end, NOTHING, x->text, more ? COMMA : NOTHING);
    }
    bool kept = put_removals(o, parent, c);
    for (size_t i = 0; i < c->n_back; i++) {
        const mg_edit *x = c->back[i];
        put(o, x->start, x->end, kept || i ? COMMA : NOTHING, x->text, NOTHING);
    }
}

static bool seen_before(const mg_edits *e, const mg_edit *x) {
    for (const mg_edit *y = e->first; y != x; y = y->next)
        if (y->parent == x->parent) return true;
    return false;
}

static int by_place(const void *a, const void *b) {
    const splice *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    bool x_inserts = x->start == x->end, y_inserts = y->start == y->end;
    if (x_inserts != y_inserts) return x_inserts ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static splices all_splices(const mg_edits *e) {
    /* A parent has at most one splice for each edit, and one for the children before the first that stays. */
    splices o = {.at = mg_arena_alloc(e->arena, (2 * e->n + 1) * sizeof *o.at)};
    const mg_edit **room = mg_arena_alloc(e->arena, 3 * (e->n + 1) * sizeof *room);
    for (const mg_edit *x = e->first; x; x = x->next) {
        if (x->kind == MG_EDIT_REPLACE) {
            put(&o, x->start, x->end, NOTHING, x->text, NOTHING);
        } else if (!seen_before(e, x)) {
            changes c = changes_of(x, x->parent, room, e->n);
            put_parent(&o, x->parent, &c);
        }
    }
    qsort(o.at, o.n, sizeof *o.at, by_place);
    return o;
}

static char *copy(char *p, mg_str s) {
    if (s.n) memcpy(p, s.p, s.n);
    return p + s.n;
}

mg_str mg_edits_render(const mg_edits *e, mg_str source) {
    splices o = all_splices(e);
    size_t most = source.n;
    for (size_t i = 0; i < o.n; i++) most += o.at[i].before.n + o.at[i].text.n + o.at[i].after.n;
    char *text = mg_arena_alloc(e->arena, most + MG_JSON_PADDING), *p = text;
    size_t at = 0;
    for (size_t i = 0; i < o.n; i++) {
        const splice *x = &o.at[i];
        if (x->start < at || x->end > source.n) continue; /* inside of what a removal took along */
        p = copy(p, mg_str_from(source.p + at, x->start - at));
        p = copy(copy(copy(p, x->before), x->text), x->after);
        at = x->end;
    }
    p = copy(p, mg_str_skip(source, at));
    memset(p, 0, MG_JSON_PADDING);
    return mg_str_from(text, (size_t)(p - text));
}
