/* Whatever the bytes: the parser answers with a tree whose values lie inside the text and inside one another, or with
 * an error that says where; and a tree's text, cut out value by value, parses again. */
#include "base/json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void check(const mg_json *v, const char *text, size_t from, size_t to) {
    static const char first[][13] = {"n", "tf", "-0123456789", "\"", "[", "{"};
    require(v->src >= from && v->src < v->src_end && v->src_end <= to);
    require(v->type <= MG_JSON_OBJECT && strchr(first[v->type], text[v->src]));
    size_t at = v->src, children = 0;
    for (const mg_json *c = v->child; c; c = c->next, children++) {
        if (v->type == MG_JSON_OBJECT) {
            require(c->key_src > at && c->key_src < c->src && text[c->key_src] == '"');
            require(mg_json_get(v, c->key) == c);
        }
        check(c, text, at + 1, v->src_end - 1);
        at = c->src_end;
    }
    require(children == v->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mg_json_parser *parser; /* kept over the runs: reuse is part of what is tested */
    static mg_arena *arena;
    if (!parser) {
        parser = mg_json_parser_create();
        arena = mg_arena_create(4096);
    }
    const mg_json *root, *again;
    mg_error error = {0};
    char *text = mg_malloc(size + MG_JSON_PADDING);
    if (size) memcpy(text, data, size);
    memset(text + size, 0xff, MG_JSON_PADDING);
    if (mg_json_parse(parser, arena, text, size, &root, &error) == MG_OK) {
        check(root, text, 0, size);
        mg_str whole = mg_str_from(text + root->src, root->src_end - root->src);
        require(mg_json_parse_copy(parser, arena, whole, &again, &error) == MG_OK);
        require(again->count == root->count && again->type == root->type);
        mg_json_int(root, 0);
        mg_json_number(root, 0);
    } else {
        require(!root && error.http == 400 && (strstr(error.text, "at byte ") || strstr(error.text, "is empty")));
    }
    mg_arena_reset(arena);
    free(text);
    return 0;
}
