/* moongate check: everything that serve would load, and its faults, without starting anything. */
#include "app/verbs.h"

#include <stdlib.h>

typedef struct faults {
    bool json;
    size_t n, warnings;
} faults;

static void print(faults *f, const char *severity, mg_str file, int line, mg_str message) {
    if (f->json) {
        mg_buf b = {0};
        mg_buf_printf(&b, "{\"severity\":\"%s\",\"file\":", severity);
        mg_buf_json(&b, file);
        mg_buf_printf(&b, ",\"line\":%d,\"message\":", line);
        mg_buf_json(&b, message);
        mg_buf_str(&b, MG_STR("}\n"));
        fwrite(b.p, 1, b.n, stdout);
        mg_buf_finish(&b);
        return;
    }
    const char *mark = strcmp(severity, "warning") == 0 ? "warning: " : "";
    if (line)
        printf("%.*s:%d: %s%.*s\n", MG_STR_ARG(file), line, mark, MG_STR_ARG(message));
    else
        printf("%.*s%s%s%.*s\n", MG_STR_ARG(file), file.n ? ": " : "", mark, MG_STR_ARG(message));
}

static void on_fault(void *arg, const mg_config_fault *c) {
    faults *f = arg;
    f->n++;
    print(f, "fault", c->file, c->line, c->message);
}

static void on_warning(void *arg, const mg_config_fault *c) {
    faults *f = arg;
    f->warnings++;
    print(f, "warning", c->file, c->line, c->message);
}

typedef struct policy_faults {
    faults *all;
    mg_str folder;
} policy_faults;

static void on_policy_fault(void *arg, const mg_policy_fault *p) {
    policy_faults *pf = arg;
    mg_arena *arena = mg_arena_create(512);
    pf->all->n++;
    print(pf->all, "fault", mg_arena_printf(arena, "%.*s/%.*s", MG_STR_ARG(pf->folder), MG_STR_ARG(p->file)), p->line,
          p->message);
    mg_arena_destroy(arena);
}

int mg_verb_check(const mg_verb_context *v) {
    faults f = {.json = v->json};
    size_t n;
    const mg_plugin_file *files = mg_registry_files(v->plugins, &n);
    for (size_t i = 0; i < n; i++)
        if (!files[i].plugin) f.n++, print(&f, "fault", files[i].path, 0, files[i].fault);
    mg_snapshot *s = mg_config_snapshot(v->config, v->plugins, NULL, 1, NULL, NULL, on_fault, on_warning, &f);
    mg_policies *p = NULL;
    if (s) {
        policy_faults pf = {&f, v->config->policy.folder};
        p = mg_policies_build(&v->config->policy, s, NULL, on_policy_fault, &pf);
    }
    if (!f.json && !f.n)
        printf("%.*s is fine: %zu provider%s, %zu model%s, %zu organization%s, %zu plugin%s\n",
               v->config->file.n ? (int)v->config->file.n : 21,
               v->config->file.n ? v->config->file.p : "the built-in defaults", s->n_providers,
               s->n_providers == 1 ? "" : "s", s->n_models, s->n_models == 1 ? "" : "s", s->n_orgs,
               s->n_orgs == 1 ? "" : "s", n, n == 1 ? "" : "s");
    if (p) mg_policies_unref(p);
    mg_snapshot_unref(s);
    return f.n ? 2 : 0;
}
