/* The sources of an answer, in Gemini's form: groundingMetadata, and citationMetadata for what the model recited. */
#include "format/gemini.h"

enum { MAX_RUNS = 1 << 16 }; /* beyond, sources are listed without their places */

/* ---- where characters stand ---------------------------------------------------------------------------------------- */

static unsigned width_of(unsigned char c) { return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4; }

static bool room(mg_gemini_grounding *g) {
    if (g->n_runs < g->cap_runs) return true;
    if (g->cap_runs >= MAX_RUNS) return false;
    size_t cap = g->cap_runs ? 2 * g->cap_runs : 8;
    mg_gemini_run *runs = mg_arena_alloc(g->arena, cap * sizeof *runs);
    if (g->n_runs) memcpy(runs, g->runs, g->n_runs * sizeof *runs);
    g->runs = runs;
    g->cap_runs = cap;
    return true;
}

void mg_gemini_grounding_text(mg_gemini_grounding *g, mg_str text) {
    for (size_t i = 0; i < text.n; i++, g->bytes++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c & 0xc0) == 0x80) continue; /* inside a character */
        unsigned width = width_of(c);
        if ((!g->n_runs || g->runs[g->n_runs - 1].width != width) && room(g))
            g->runs[g->n_runs++] = (mg_gemini_run){g->characters, g->bytes, width};
        g->characters++;
    }
}

/* The byte at which a character of the text begins, or -1. */
static int64_t byte_of(const mg_gemini_grounding *g, int64_t character) {
    if (character < 0 || (uint64_t)character > g->characters || g->n_runs == MAX_RUNS) return -1;
    if ((uint64_t)character == g->characters) return (int64_t)g->bytes;
    size_t low = 0, high = g->n_runs;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (g->runs[middle].character <= (uint64_t)character)
            low = middle;
        else
            high = middle;
    }
    const mg_gemini_run *r = &g->runs[low];
    return (int64_t)(r->byte + ((size_t)character - r->character) * r->width);
}

/* ---- collecting ------------------------------------------------------------------------------------------------------ */

static void add_note(mg_gemini_grounding *g, mg_note **first, mg_note ***tail, mg_buf *b) {
    mg_note *n = MG_ARENA_NEW(g->arena, mg_note);
    n->json = mg_arena_dup(g->arena, mg_buf_view(b));
    mg_buf_finish(b);
    if (!*first) *tail = first;
    **tail = n;
    *tail = &n->next;
}

/* The place of a source among the chunks: the one it has, or a new one. */
static size_t add_chunk(mg_gemini_grounding *g, mg_str url, mg_str title, mg_str text) {
    size_t known = sizeof g->urls / sizeof g->urls[0];
    for (size_t i = 0; url.n && i < g->n_chunks && i < known; i++)
        if (mg_str_eq(g->urls[i], url)) return i;
    mg_buf b = {0};
    mg_buf_str(&b, text.n ? MG_STR("{\"retrievedContext\":{") : MG_STR("{\"web\":{"));
    if (url.n) mg_gemini_pair(&b, "uri", url);
    if (title.n) mg_gemini_pair(&b, "title", title);
    if (text.n) mg_gemini_pair(&b, "text", text);
    mg_buf_str(&b, MG_STR("}}"));
    if (g->n_chunks < known) g->urls[g->n_chunks] = mg_arena_dup(g->arena, url);
    add_note(g, &g->chunks, &g->chunks_tail, &b);
    return g->n_chunks++;
}

static void add_support(mg_gemini_grounding *g, size_t chunk, int64_t start, int64_t end) {
    start = byte_of(g, start);
    end = byte_of(g, end);
    if (start < 0 || end <= start) return;
    mg_buf b = {0};
    mg_buf_str(&b, MG_STR("{\"segment\":{"));
    if (start) mg_gemini_pair_int(&b, "startIndex", start);
    mg_gemini_pair_int(&b, "endIndex", end);
    mg_buf_printf(&b, "},\"groundingChunkIndices\":[%zu]}", chunk);
    add_note(g, &g->supports, &g->supports_tail, &b);
}

static mg_str first_text(const mg_json *object, const char *const *names) {
    for (; *names; names++) {
        mg_str text = mg_gemini_text(object, *names);
        if (text.n) return text;
    }
    return MG_STR("");
}

/* Another vendor's source: where it is from, and what it says. */
static void add_foreign(mg_gemini_grounding *g, const mg_json *c) {
    static const char *const urls[] = {"url", "uri", "source", NULL};
    static const char *const titles[] = {"title", "documentTitle", "filename", NULL};
    static const char *const texts[] = {"citedText", "text", "quote", NULL};
    mg_str url = first_text(c, urls), title = first_text(c, titles), text = first_text(c, texts);
    if (url.n || title.n || text.n) add_chunk(g, url, title, text);
}

static bool is_whole(const mg_json *c) {
    static const char *const names[] = {"groundingChunks", "groundingSupports", "webSearchQueries", "searchEntryPoint"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_gemini_get(c, names[i])) return true;
    return false;
}

static bool is_chunk(const mg_json *c) {
    static const char *const names[] = {"web", "retrievedContext", "maps", "image"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_gemini_get(c, names[i])) return true;
    return false;
}

static void add_own_chunk(mg_gemini_grounding *g, mg_str chunk, mg_str segment) {
    mg_buf b = {0}, support = {0};
    mg_gemini_raw(&b, chunk);
    add_note(g, &g->chunks, &g->chunks_tail, &b);
    if (segment.n) {
        mg_buf_str(&support, MG_STR("{\"segment\":"));
        mg_gemini_raw(&support, segment);
        mg_buf_printf(&support, ",\"groundingChunkIndices\":[%zu]}", g->n_chunks);
        add_note(g, &g->supports, &g->supports_tail, &support);
    }
    g->n_chunks++;
}

/* Gemini's own come back as they were: the whole metadata, a chunk of it, alone or as the source of a segment, an address that
 * the model read, or a citation source. */
static void add_own(mg_gemini_grounding *g, const mg_json *c, mg_str source) {
    const mg_json *segment = mg_gemini_get(c, "segment"), *inner = mg_gemini_get(c, "source");
    mg_str text = mg_gemini_source(source, c);
    mg_buf b = {0};
    if (is_whole(c)) {
        g->whole = text;
    } else if (is_chunk(c)) {
        add_own_chunk(g, text, MG_STR(""));
    } else if (segment && is_chunk(inner)) {
        add_own_chunk(g, mg_gemini_source(source, inner), mg_gemini_source(source, segment));
    } else {
        bool read = mg_gemini_get(c, "retrievedUrl") != NULL;
        mg_gemini_raw(&b, text);
        add_note(g, read ? &g->read : &g->sources, read ? &g->read_tail : &g->sources_tail, &b);
    }
}

void mg_gemini_grounding_add(mg_gemini_grounding *g, mg_str citation) {
    const mg_json *root = NULL;
    mg_str text = mg_arena_dup(g->arena, citation);
    mg_json_parser *parser = mg_json_parser_create();
    mg_json_parse_copy(parser, g->arena, text, &root, NULL);
    mg_json_parser_destroy(parser);
    const mg_json *url = mg_json_get(root, MG_STR("url_citation")), *c = mg_json_get(root, MG_STR("citation"));
    if (url) {
        size_t chunk = add_chunk(g, mg_gemini_text(url, "url"), mg_gemini_text(url, "title"), MG_STR(""));
        add_support(g, chunk, mg_json_int(mg_gemini_get(url, "startIndex"), -1),
                    mg_json_int(mg_gemini_get(url, "endIndex"), -1));
    } else if (mg_json_kind(c) == MG_JSON_OBJECT) {
        if (mg_str_is(mg_json_text(mg_json_get(root, MG_STR("vendor"))), "gemini"))
            add_own(g, c, text);
        else
            add_foreign(g, c);
    } else if (mg_json_kind(root) == MG_JSON_OBJECT) {
        add_foreign(g, root); /* file_citation and the like */
    }
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void write_list(mg_buf *b, const char *name, const mg_note *n) {
    if (!n) return;
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("["));
    for (; n; n = n->next) {
        mg_gemini_comma(b);
        mg_buf_str(b, n->json);
    }
    mg_buf_str(b, MG_STR("]"));
}

static void write_wrapped(mg_buf *b, const char *name, const char *list, const mg_note *n) {
    if (!n) return;
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("{"));
    write_list(b, list, n);
    mg_buf_str(b, MG_STR("}"));
}

void mg_gemini_grounding_write(const mg_gemini_grounding *g, mg_buf *b) {
    if (g->whole.n) {
        mg_gemini_key(b, "groundingMetadata");
        mg_gemini_raw(b, g->whole);
    } else if (g->chunks) {
        mg_gemini_key(b, "groundingMetadata");
        mg_buf_str(b, MG_STR("{"));
        write_list(b, "groundingChunks", g->chunks);
        write_list(b, "groundingSupports", g->supports);
        mg_buf_str(b, MG_STR("}"));
    }
    write_wrapped(b, "citationMetadata", "citationSources", g->sources);
    write_wrapped(b, "urlContextMetadata", "urlMetadata", g->read);
}
