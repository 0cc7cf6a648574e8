/* Opaque bytes of other vendors on their way through an Anthropic client (anthropic.h says how). */
#include "format/anthropic.h"

static mg_str upto_colon(mg_str *rest) {
    mg_str word = mg_str_from(rest->p, mg_str_find(*rest, ':'));
    *rest = mg_str_skip(*rest, word.n + 1);
    return word;
}

static const struct {
    mg_str prefix;
    mg_anthropic_mark_kind kind;
} prefixes[] = {
    {MG_STR_INIT("moongate:"), MG_ANTHROPIC_MARK_BLOCK},
    {MG_STR_INIT("moongate-text:"), MG_ANTHROPIC_MARK_TEXT},
    {MG_STR_INIT("moongate-tool:"), MG_ANTHROPIC_MARK_TOOL},
};

mg_anthropic_mark mg_anthropic_mark_read(mg_str data) {
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (!mg_str_starts(data, prefixes[i].prefix)) continue;
        mg_anthropic_mark m = {.kind = prefixes[i].kind};
        mg_str rest = mg_str_skip(data, prefixes[i].prefix.n);
        m.vendor = upto_colon(&rest);
        if (m.kind == MG_ANTHROPIC_MARK_TOOL) m.id = upto_colon(&rest);
        m.bytes = rest;
        return m;
    }
    return (mg_anthropic_mark){.kind = MG_ANTHROPIC_MARK_NONE, .vendor = MG_STR("anthropic"), .bytes = data};
}

void mg_anthropic_mark_write(mg_buf *out, const mg_anthropic_mark *m) {
    mg_buf_str(out, MG_STR("\""));
    if (m->kind != MG_ANTHROPIC_MARK_NONE) {
        mg_buf_str(out, prefixes[m->kind - MG_ANTHROPIC_MARK_BLOCK].prefix);
        mg_buf_json_raw(out, m->vendor);
        mg_buf_str(out, MG_STR(":"));
    }
    if (m->kind == MG_ANTHROPIC_MARK_TOOL) {
        mg_buf_json_raw(out, m->id);
        mg_buf_str(out, MG_STR(":"));
    }
    mg_buf_json_raw(out, m->bytes);
    mg_buf_str(out, MG_STR("\""));
}
