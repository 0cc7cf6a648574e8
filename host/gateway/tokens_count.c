/* Which vocabulary a model has, and counts by it. */
#include "gateway/tokens.h"

/* As tiktoken maps them: a name, and all that go on with a '-' or '.'. The first that fits. */
static const struct {
    const char *family;
    mg_bpe_encoding encoding;
} FAMILIES[] = {
    {"gpt-4o", MG_BPE_O200K},
    {"chatgpt-4o", MG_BPE_O200K},
    {"gpt-4.1", MG_BPE_O200K},
    {"gpt-4.5", MG_BPE_O200K},
    {"gpt-5", MG_BPE_O200K},
    {"gpt-oss", MG_BPE_O200K},
    {"o1", MG_BPE_O200K},
    {"o3", MG_BPE_O200K},
    {"o4", MG_BPE_O200K},
    {"gpt-4", MG_BPE_CL100K},
    {"gpt-3.5", MG_BPE_CL100K},
    {"gpt-35", MG_BPE_CL100K},
    {"text-embedding-ada-002", MG_BPE_CL100K},
    {"text-embedding-3", MG_BPE_CL100K},
    {"davinci-002", MG_BPE_CL100K},
    {"babbage-002", MG_BPE_CL100K},
};

mg_str mg_tokens_family(mg_str model) {
    for (size_t i = mg_str_find(model, '/'); i < model.n; i = mg_str_find(model, '/'))
        model = mg_str_skip(model, i + 1);
    if (mg_str_starts(model, MG_STR("ft:"))) model = mg_str_skip(model, 3);
    return mg_str_from(model.p, mg_str_find(model, ':'));
}

bool mg_tokens_encoding(mg_str model, mg_bpe_encoding *e) {
    mg_str name = mg_tokens_family(model);
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
        mg_str family = mg_str_of(FAMILIES[i].family);
        if (!mg_str_starts(name, family)) continue;
        if (name.n > family.n && name.p[family.n] != '-' && name.p[family.n] != '.') continue;
        *e = FAMILIES[i].encoding;
        return true;
    }
    return false;
}

const mg_bpe *mg_tokens_vocabulary(mg_str model) {
    mg_bpe_encoding e;
    return mg_tokens_encoding(model, &e) ? mg_bpe_get(e, NULL) : NULL;
}

int64_t mg_tokens_count(mg_str text, mg_str model, bool *exact) {
    const mg_bpe *b = mg_tokens_vocabulary(model);
    *exact = b != NULL;
    return b ? (int64_t)mg_bpe_encode(b, text, NULL) : mg_tokens_estimate(text, model);
}
