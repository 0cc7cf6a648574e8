/* Verb tokens: JSON lines {"text": …} in, counts of tokens out. */
#include "app/text_lines.h"
#include "app/verbs.h"
#include "gateway/tokens.h"
#include <stdlib.h>

/* How the options say that tokens are counted. */
typedef struct counter {
    mg_str model; /* for estimates: one of the family */
    const mg_bpe *vocabulary; /* NULL: counts are estimates */
    uint32_t *ids; /* room for them, if they are asked for */
    size_t room;
    bool with_ids;
} counter;

/* 0, or an exit status after a message. */
static int counter_init(counter *c, const mg_verb_context *v) {
    const char *model = mg_verb_option(v, "--model"), *name = mg_verb_option(v, "--encoding");
    mg_bpe_encoding e = MG_BPE_O200K;
    mg_error error = {0};
    *c = (counter){.model = mg_str_of(model), .with_ids = mg_verb_option(v, "--ids") != NULL};
    if (v->n_args) return mg_verb_fail(2, "what is '%s'? Texts come as JSON lines on standard input", v->args[0]);
    if (!model && !name)
        return mg_verb_fail(2, "whose tokens? Give --model MODEL or --encoding o200k_base|cl100k_base");
    if (name && !mg_bpe_named(mg_str_of(name), &e))
        return mg_verb_fail(2, "--encoding knows o200k_base and cl100k_base, not '%s'", name);
    if (name) c->model = e == MG_BPE_CL100K ? MG_STR("gpt-4") : MG_STR("gpt-4o");
    bool known = mg_tokens_encoding(c->model, &e);
    c->vocabulary = known ? mg_bpe_get(e, &error) : NULL;
    if (known && !c->vocabulary) fprintf(stderr, "moongate: counts are estimates: %s\n", error.text);
    if (c->with_ids && !c->vocabulary)
        return mg_verb_fail(1, "--ids needs a vocabulary, and there is none for '%s'", model ? model : name);
    return 0;
}

static void write_ids(mg_buf *out, const uint32_t *ids, size_t n) {
    mg_buf_str(out, MG_STR(",\"ids\":["));
    for (size_t i = 0; i < n; i++) {
        char digits[12], *p = digits + sizeof digits;
        uint32_t id = ids[i];
        do *--p = (char)('0' + id % 10);
        while (id /= 10);
        if (i) *--p = ',';
        mg_buf_add(out, p, (size_t)(digits + sizeof digits - p));
    }
    mg_buf_str(out, MG_STR("]"));
}

static void count_line(counter *c, mg_str text, mg_buf *out) {
    if (c->with_ids && text.n > c->room) {
        free(c->ids);
        c->room = text.n;
        c->ids = mg_malloc(c->room * sizeof *c->ids);
    }
    int64_t n =
        c->vocabulary ? (int64_t)mg_bpe_encode(c->vocabulary, text, c->ids) : mg_tokens_estimate(text, c->model);
    mg_buf_printf(out, "{\"tokens\":%lld,\"method\":\"%s\"", (long long)n, c->vocabulary ? "exact" : "estimate");
    if (c->with_ids) write_ids(out, c->ids, (size_t)n);
    mg_buf_str(out, MG_STR("}\n"));
}

int mg_verb_tokens(const mg_verb_context *v) {
    counter c;
    mg_text_lines l;
    mg_str text;
    int status = counter_init(&c, v);
    if (status) return status;
    mg_text_lines_init(&l);
    while (mg_text_lines_next(&l, &text)) count_line(&c, text, &l.out);
    free(c.ids);
    return mg_text_lines_finish(&l);
}
