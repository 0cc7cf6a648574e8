/* Verbs about policies: the manual's generated part. */
#include "app/verbs.h"
#include "policy/manual.h"

int mg_verb_policy_manual(const mg_verb_context *v) {
    mg_buf b = {0};
    if (mg_verb_option(v, "--stubs")) mg_manual_stubs(&b);
    else mg_manual_markdown(&b);
    fwrite(b.p, 1, b.n, stdout);
    mg_buf_finish(&b);
    return 0;
}
