/* Building the tree goes over simdjson's structural indexes: the positions of brackets, colons, commas, opening quotes
 * and first bytes of scalars, in order, ended by the text's length. The decoded strings lie in the same order in the
 * document's string buffer, each behind a 32-bit length. So one pass over both is enough, and since simdjson has
 * checked the grammar, the pass need not. */
#include <algorithm>
#include <cstring>
#include <cstdlib>
#include <new>
#include <simdjson.h>

extern "C" {
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_fault.h"
}

namespace {

constexpr size_t KEEP = 4 << 20; /* a parser that has grown for a longer text is made anew */
constexpr size_t FEW_MEMBERS = 12; /* up to here comparing all pairs is faster than hashing */
constexpr size_t LARGEST_CHUNK = 512; /* values allocated at once */
constexpr size_t LONGEST_TEXT = 1u << 31;

struct frame {
    mg_json *container;
    mg_json *last; /* child */
};

struct builder {
    mg_arena *arena;
    mg_error *error;
    const char *text;
    const uint32_t *structural; /* the next one */
    const uint8_t *strings; /* the next decoded string */
    mg_json *chunk;
    size_t chunk_left, chunk_next;
    size_t values;
    const mg_json **slots; /* scratch of the duplicate check */
    size_t n_slots;
    frame stack[MG_JSON_MAX_DEPTH];
};

struct decoded {
    mg_str text;
    uint32_t end; /* behind the closing quote */
};

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Where the scalar before structural `s` ends. */
uint32_t scalar_end(const builder *b, const uint32_t *s) {
    uint32_t at = *s;
    while (blank(b->text[at - 1])) at--;
    return at;
}

/* The string whose opening quote is at `quote`; `following` is the structural behind it. The decoded text is as long as
 * the source only if there is no escape; then a quote that no backslash precedes stands right behind as many bytes. */
decoded take_string(builder *b, uint32_t quote, const uint32_t *following) {
    uint32_t n;
    memcpy(&n, b->strings, sizeof n);
    const char *bytes = reinterpret_cast<const char *>(b->strings) + sizeof n;
    b->strings += sizeof n + n + 1;
    const char *source = b->text + quote + 1;
    if (source[n] == '"' && (n == 0 || source[n - 1] != '\\')) return {{source, n}, quote + n + 2};
    return {mg_arena_dup(b->arena, mg_str{bytes, n}), scalar_end(b, following)};
}

mg_json *new_value(builder *b) {
    if (b->chunk_left == 0) {
        b->chunk = static_cast<mg_json *>(mg_arena_alloc(b->arena, b->chunk_next * sizeof(mg_json)));
        b->chunk_left = b->chunk_next;
        b->chunk_next = LARGEST_CHUNK;
    }
    b->chunk_left--;
    b->values++;
    return new (b->chunk++) mg_json();
}

void refuse_duplicate(const builder *b, const mg_json *member) {
    char memory[400];
    mg_buf shown = {memory, 0, sizeof memory, sizeof memory, false};
    mg_str key = mg_str_cut(member->key, 60);
    mg_buf_json_raw(&shown, key);
    mg_fail(b->error, 400, "duplicate_key",
            "the key \"" MG_STR_FMT "%s\" at byte %u occurs twice in its object: send it once",
            MG_STR_ARG(mg_buf_view(&shown)), key.n < member->key.n ? "…" : "", member->key_src);
}

/* The later of two members with the same key, or NULL. */
const mg_json *duplicate_of_few(const mg_json *object) {
    for (const mg_json *m = object->child; m; m = m->next)
        for (const mg_json *other = object->child; other != m; other = other->next)
            if (mg_str_eq(m->key, other->key)) return m;
    return nullptr;
}

/* The same with a hash set; mg_hash64 is keyed, so that a client cannot choose keys that collide. */
const mg_json *duplicate_of_many(builder *b, const mg_json *object) {
    size_t size = 64;
    while (size < static_cast<size_t>(object->count) * 2) size *= 2;
    if (size > b->n_slots) {
        b->slots = static_cast<const mg_json **>(mg_realloc(b->slots, size * sizeof *b->slots));
        b->n_slots = size;
    }
    memset(b->slots, 0, size * sizeof *b->slots);
    for (const mg_json *m = object->child; m; m = m->next) {
        size_t at = mg_hash64(m->key) & (size - 1);
        for (; b->slots[at]; at = (at + 1) & (size - 1))
            if (mg_str_eq(b->slots[at]->key, m->key)) return m;
        b->slots[at] = m;
    }
    return nullptr;
}

bool keys_differ(builder *b, const mg_json *object) {
    const mg_json *twice = object->count <= FEW_MEMBERS ? duplicate_of_few(object) : duplicate_of_many(b, object);
    if (twice) refuse_duplicate(b, twice);
    return !twice;
}

/* Fills in the scalar that begins at v->src; b->structural is behind it. */
void take_scalar(builder *b, mg_json *v) {
    const char *at = b->text + v->src;
    switch (*at) {
    case '"': {
        decoded d = take_string(b, v->src, b->structural);
        v->type = MG_JSON_STRING;
        v->str = d.text;
        v->src_end = d.end;
        break;
    }
    case 't':
    case 'f':
        v->type = MG_JSON_BOOL;
        v->truth = *at == 't';
        v->src_end = v->src + (v->truth ? 4 : 5);
        break;
    case 'n':
        v->type = MG_JSON_NULL;
        v->src_end = v->src + 4;
        break;
    default:
        v->type = MG_JSON_NUMBER;
        v->src_end = scalar_end(b, b->structural);
        v->str = {at, v->src_end - v->src};
    }
}

void append(frame *f, mg_json *v) {
    if (f->last)
        f->last->next = v;
    else
        f->container->child = v;
    f->last = v;
    f->container->count++;
}

/* A new value as the next child of `f` (NULL: the root), its key taken, its first byte known. */
mg_json *next_value(builder *b, frame *f) {
    mg_json *v = new_value(b);
    if (f && f->container->type == MG_JSON_OBJECT) {
        v->key_src = *b->structural++;
        v->key = take_string(b, v->key_src, b->structural).text;
        b->structural++; /* the colon */
    }
    v->src = *b->structural++;
    if (f) append(f, v);
    return v;
}

bool too_much(const builder *b, const mg_json *v, size_t depth) {
    if (depth == MG_JSON_MAX_DEPTH)
        return mg_fail(b->error, 400, "invalid_json", "invalid JSON at byte %u: nested more than %d levels deep",
                       v->src, MG_JSON_MAX_DEPTH) == MG_ERROR;
    if (b->values > MG_JSON_MAX_VALUES)
        return mg_fail(b->error, 400, "invalid_json", "invalid JSON at byte %u: more than %d values", v->src,
                       MG_JSON_MAX_VALUES) == MG_ERROR;
    return false;
}

/* Closes the innermost container, whose bracket is the next structural. */
bool close_container(builder *b, const frame *f) {
    f->container->src_end = *b->structural++ + 1;
    return f->container->type == MG_JSON_ARRAY || keys_differ(b, f->container);
}

const mg_json *build(builder *b) {
    const mg_json *root = nullptr;
    size_t depth = 0;
    do {
        frame *top = depth ? &b->stack[depth - 1] : nullptr;
        char c = b->text[*b->structural];
        if (c == ']' || c == '}') {
            if (!close_container(b, top)) return nullptr;
            depth--;
        } else if (c == ',') {
            b->structural++;
        } else {
            mg_json *v = next_value(b, top);
            if (!root) root = v;
            c = b->text[v->src];
            bool container = c == '[' || c == '{';
            if (too_much(b, v, container ? depth : 0)) return nullptr;
            if (container) {
                v->type = c == '[' ? MG_JSON_ARRAY : MG_JSON_OBJECT;
                b->stack[depth++] = {v, nullptr};
            } else {
                take_scalar(b, v);
            }
        }
    } while (depth);
    return root;
}

} // namespace

struct mg_json_parser {
    simdjson::dom::parser *simd;
    const mg_json **slots;
    size_t n_slots;
};

extern "C" {

static simdjson::dom::parser *simd_create(void) {
    auto *p = new (std::nothrow) simdjson::dom::parser();
    if (!p) mg_oom(sizeof *p);
    return p;
}

mg_json_parser *mg_json_parser_create(void) {
    mg_json_parser *p = MG_NEW(mg_json_parser);
    p->simd = simd_create();
    return p;
}

void mg_json_parser_destroy(mg_json_parser *p) {
    if (!p) return;
    delete p->simd;
    free(p->slots);
    free(p);
}

/* Room for n bytes, in powers of two so that texts of growing length do not allocate each time. One level more than
 * allowed, because simdjson does not count all levels alike; the builder does. */
static void make_room(mg_json_parser *p, size_t n) {
    size_t capacity = 16384;
    while (capacity < n) capacity *= 2;
    if (p->simd->capacity() >= n) return;
    if (p->simd->allocate(capacity, MG_JSON_MAX_DEPTH + 2) != simdjson::SUCCESS) mg_oom(capacity);
}

static void shrink(mg_json_parser *p) {
    if (p->simd->capacity() > KEEP) {
        delete p->simd;
        p->simd = simd_create();
    }
    if (p->n_slots > KEEP / sizeof *p->slots) {
        free(p->slots);
        p->slots = nullptr;
        p->n_slots = 0;
    }
}

static mg_status explain(const char *text, size_t n, simdjson::error_code code, mg_error *error) {
    if (code == simdjson::MEMALLOC) mg_oom(n);
    if (mg_json_fault(mg_str{text, n}, MG_JSON_MAX_DEPTH, error) == MG_ERROR) return MG_ERROR;
    return mg_fail(error, 400, "invalid_json", "invalid JSON: %s", simdjson::error_message(code));
}

static mg_status read_text(mg_json_parser *p, mg_arena *arena, const char *text, size_t n, const mg_json **root,
                           mg_error *error) {
    make_room(p, n);
    simdjson::error_code code = p->simd->parse(text, n, false).error();
    if (code != simdjson::SUCCESS) return explain(text, n, code, error);
    const auto &found = *p->simd->implementation;
    builder b;
    b.arena = arena;
    b.error = error;
    b.text = text;
    b.structural = found.structural_indexes.get();
    b.strings = p->simd->doc.string_buf.get();
    b.chunk_left = 0;
    b.chunk_next = std::min<size_t>(found.n_structural_indexes / 3 + 1, LARGEST_CHUNK);
    b.values = 0;
    b.slots = p->slots;
    b.n_slots = p->n_slots;
    *root = build(&b);
    p->slots = b.slots;
    p->n_slots = b.n_slots;
    return *root ? MG_OK : MG_ERROR;
}

mg_status mg_json_parse(mg_json_parser *p, mg_arena *arena, const char *text, size_t n, const mg_json **root,
                        mg_error *error) {
    *root = nullptr;
    if (n == 0) return mg_json_fault(mg_str{text, 0}, MG_JSON_MAX_DEPTH, error);
    if (n > LONGEST_TEXT)
        return mg_fail(error, 400, "invalid_json", "invalid JSON at byte %zu: a text may have 2 GB at most",
                       LONGEST_TEXT);
    mg_status status = read_text(p, arena, text, n, root, error);
    shrink(p);
    return status;
}

mg_status mg_json_parse_copy(mg_json_parser *p, mg_arena *arena, mg_str text, const mg_json **root, mg_error *error) {
    char *copy = static_cast<char *>(mg_arena_alloc(arena, text.n + MG_JSON_PADDING));
    if (text.n) memcpy(copy, text.p, text.n);
    memset(copy + text.n, 0, MG_JSON_PADDING);
    return mg_json_parse(p, arena, copy, text.n, root, error);
}

bool mg_str_utf8_valid(mg_str s) { return s.n == 0 || simdjson::validate_utf8(s.p, s.n); }

} // extern "C"
