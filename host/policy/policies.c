/* A generation of policies: read, checked, and laid out as plans. */
#include "base/clock.h"
#include "base/hash.h"
#include "policy/nearest.h"
#include "policy/plan.h"
#include "policy/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { CPU_US = 2000, INSTRUCTIONS = 1000000, MEMORY = 8 << 20, WALL_MS = 6000, IDLE_MS = 60000, SUSPEND_MS = 30000 };

struct mg_policies {
    int refs; /* atomic */
    uint64_t generation;
    int64_t loaded_ms;
    mg_policy_options options;
    mg_arena *arena;
    mg_sources sources;
    mg_bundle *shared;
    mg_plan everybody; /* organizations without files and settings of their own */
    mg_plan *plans; /* the others, by id */
    size_t n_plans;
    uint8_t fingerprint[32];
};

typedef struct build {
    mg_policies *p;
    const mg_policies *previous;
    const mg_snapshot *snapshot;
    mg_fault_fn fault;
    void *arg;
    bool failed;
} build;

static void on_fault(void *arg, const mg_policy_fault *f) {
    build *b = arg;
    b->failed = true;
    if (b->fault) b->fault(b->arg, f);
}

static void fail(build *b, mg_str file, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fail(build *b, mg_str file, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mg_policy_fault f = {file, 0, mg_str_from(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1)};
    on_fault(b, &f);
}

/* ---- bundles ----------------------------------------------------------------------------------------------------- */

static mg_state_limits limits_of(const mg_policy_options *o) {
    return (mg_state_limits){o->memory, o->instructions, o->cpu_us};
}

/* The previous generation's bundle if it is the same, else this one after a check in a state of its own, which is thrown away. */
static mg_bundle *settle_bundle(build *b, mg_bundle *fresh, mg_bundle *old) {
    if (old && memcmp(old->fingerprint, fresh->fingerprint, sizeof old->fingerprint) == 0) {
        mg_bundle_unref(fresh);
        return mg_bundle_ref(old);
    }
    mg_state_limits limits = limits_of(&b->p->options);
    mg_state_destroy(mg_state_create(fresh, &limits, true, on_fault, b));
    return fresh;
}

static void build_shared(build *b) {
    size_t n = 0;
    while (n < b->p->sources.n && b->p->sources.items[n]->tier != MG_TIER_ORG) n++;
    mg_bundle *fresh = mg_bundle_create(MG_STR(""), b->p->sources.items, NULL, n, MG_STR(""));
    b->p->shared = settle_bundle(b, fresh, b->previous ? b->previous->shared : NULL);
}

static int compare_plan(const void *org, const void *plan) {
    const mg_str *a = org;
    const mg_plan *b = plan;
    size_t n = a->n < b->org.n ? a->n : b->org.n;
    int c = n ? memcmp(a->p, b->org.p, n) : 0;
    return c ? c : (a->n > b->org.n) - (a->n < b->org.n);
}

static mg_plan *find_plan(const mg_policies *p, mg_str org) {
    return p->n_plans ? bsearch(&org, p->plans, p->n_plans, sizeof *p->plans, compare_plan) : NULL;
}

/* The index of the shared file with that name in tier SHARED, or -1. */
static int find_shared(const mg_policies *p, mg_str name) {
    for (size_t i = 0; i < p->shared->n; i++)
        if (p->shared->files[i].source->tier == MG_TIER_SHARED && mg_str_eq(p->shared->files[i].source->name, name))
            return (int)i;
    return -1;
}

/* An organization's files: [first, first + n) of the sources. The shared files that they replace phases of come first. */
static void build_own(build *b, mg_plan *plan, size_t first, size_t n, mg_str settings_text) {
    mg_policies *p = b->p;
    mg_source **sources = mg_malloc(2 * n * sizeof *sources);
    int *replaces = mg_malloc(2 * n * sizeof *replaces);
    size_t count = 0, own;
    for (size_t i = 0; i < n; i++) {
        int shared = find_shared(p, p->sources.items[first + i]->name);
        if (shared < 0) continue;
        replaces[count] = -1;
        sources[count++] = p->shared->files[shared].source;
    }
    own = count;
    for (size_t i = 0, replaced = 0; i < n; i++, own++) {
        sources[own] = p->sources.items[first + i];
        bool replacing = replaced < count && mg_str_eq(sources[replaced]->name, sources[own]->name);
        replaces[own] = replacing ? (int)replaced++ : -1;
    }
    mg_bundle *fresh = mg_bundle_create(plan->org, sources, replaces, own, settings_text);
    const mg_plan *old = b->previous ? find_plan(b->previous, plan->org) : NULL;
    plan->own = settle_bundle(b, fresh, old ? old->own : NULL);
    free(sources);
    free(replaces);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static const mg_json *settings_of(const mg_org *o) {
    return mg_json_kind(o->settings) == MG_JSON_OBJECT && o->settings->count ? o->settings : NULL;
}

static void take_settings(mg_policies *p, mg_plan *plan, mg_str text) {
    if (!text.n) return;
    mg_json_parser *parser = mg_json_parser_create();
    mg_json_parse_copy(parser, p->arena, text, &plan->settings, NULL);
    mg_json_parser_destroy(parser);
    uint8_t sum[32];
    mg_str keyed = mg_arena_printf(p->arena, MG_STR_FMT "\n" MG_STR_FMT, MG_STR_ARG(plan->org), MG_STR_ARG(text));
    mg_sha256(keyed, sum);
    memcpy(&plan->settings_id, sum, sizeof plan->settings_id);
    plan->settings_id |= 1;
}

/* What a setting is called and may be, over all files of a policy's name that the organization runs. */
typedef struct names {
    const mg_bundle *bundles[2];
    mg_str policy;
} names;

static const mg_bundle_file *next_file(const names *n, size_t *at) {
    for (;;) {
        size_t i = (*at)++;
        const mg_bundle *b = n->bundles[0];
        if (i >= b->n) {
            i -= b->n;
            b = n->bundles[1];
        }
        if (!b || i >= b->n) return NULL;
        if (mg_str_eq(b->files[i].source->name, n->policy)) return &b->files[i];
    }
}

static void check_setting(build *b, const mg_plan *plan, const names *n, const mg_json *given) {
    mg_nearest nearest = mg_nearest_of(given->key);
    mg_str path = {NULL, 0};
    size_t at = 0;
    for (const mg_bundle_file *f; (f = next_file(n, &at));) {
        path = f->source->path;
        const mg_policy_setting *s = mg_policy_settings_find(&f->settings, given->key);
        if (s && mg_policy_setting_fits(s, given)) return;
        if (s) {
            fail(b, path,
                 "organization " MG_STR_FMT ": settings." MG_STR_FMT "." MG_STR_FMT
                 " must be %s, as its default is, not a JSON %s",
                 MG_STR_ARG(plan->org), MG_STR_ARG(n->policy), MG_STR_ARG(given->key),
                 mg_policy_setting_kind_name(s->kind), mg_json_type_name(mg_json_kind(given)));
            return;
        }
        for (size_t i = 0; i < f->settings.n; i++) mg_nearest_try(&nearest, f->settings.items[i].key);
    }
    fail(b, path, "organization " MG_STR_FMT ": settings." MG_STR_FMT " has no '" MG_STR_FMT "'" MG_NEAREST_FMT,
         MG_STR_ARG(plan->org), MG_STR_ARG(n->policy), MG_STR_ARG(mg_str_cut(given->key, 60)), MG_NEAREST_ARG(nearest));
}

static void fail_policy_name(build *b, const mg_plan *plan, mg_str name) {
    const mg_bundle *bundles[] = {b->p->shared, plan->own};
    mg_nearest nearest = mg_nearest_of(name);
    for (int i = 0; i < 2; i++)
        for (size_t f = 0; bundles[i] && f < bundles[i]->n; f++)
            mg_nearest_try(&nearest, bundles[i]->files[f].source->name);
    fail(b, MG_STR(""),
         "organization " MG_STR_FMT ": settings name the policy '" MG_STR_FMT "', which does not exist" MG_NEAREST_FMT,
         MG_STR_ARG(plan->org), MG_STR_ARG(mg_str_cut(name, 60)), MG_NEAREST_ARG(nearest));
}

static void check_settings(build *b, const mg_plan *plan) {
    for (const mg_json *policy = plan->settings ? plan->settings->child : NULL; policy; policy = policy->next) {
        names n = {{b->p->shared, plan->own}, policy->key};
        size_t at = 0;
        if (!next_file(&n, &at))
            fail_policy_name(b, plan, policy->key);
        else if (mg_json_kind(policy) != MG_JSON_OBJECT)
            fail(b, MG_STR(""), "organization " MG_STR_FMT ": settings." MG_STR_FMT " must be a table of settings",
                 MG_STR_ARG(plan->org), MG_STR_ARG(policy->key));
        else
            for (const mg_json *given = policy->child; given; given = given->next) check_setting(b, plan, &n, given);
    }
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static mg_step make_step(mg_policies *p, const mg_bundle *bundle, bool own, size_t file, mg_phase phase) {
    const mg_bundle_file *f = &bundle->files[file];
    const mg_source *s = f->source;
    mg_str before = s->tier == MG_TIER_PLATFORM ? MG_STR("platform/") : MG_STR("");
    mg_str rule = mg_arena_printf(p->arena, MG_STR_FMT MG_STR_FMT "%s" MG_STR_FMT ".%s", MG_STR_ARG(before),
                                  MG_STR_ARG(s->org), s->org.n ? "/" : "", MG_STR_ARG(s->name), mg_phase_name(phase));
    return (mg_step){own, file, rule, f->window};
}

/* Where the own bundle has the shared file of this name, and the organization's file that replaces phases of it; or false. */
static bool find_replacing(const mg_bundle *own, mg_str name, size_t *replaced, size_t *replacing) {
    for (size_t i = 0; own && i < own->n; i++) {
        if (own->files[i].replaces < 0 || !mg_str_eq(own->files[i].source->name, name)) continue;
        *replaced = (size_t)own->files[i].replaces;
        *replacing = i;
        return true;
    }
    return false;
}

/* Shared files in order, with replaced phases in their places, then the organization's further files. */
static void plan_phase(mg_policies *p, mg_plan *plan, mg_phase phase) {
    const mg_bundle *own = plan->own;
    size_t most = p->shared->n + (own ? own->n : 0), n = 0;
    mg_step *steps = mg_arena_alloc(p->arena, (most ? most : 1) * sizeof *steps);
    for (size_t i = 0; i < p->shared->n; i++) {
        const mg_bundle_file *f = &p->shared->files[i];
        size_t replaced, replacing;
        if (f->source->tier == MG_TIER_SHARED && find_replacing(own, f->source->name, &replaced, &replacing)) {
            size_t file = own->files[replacing].phases & 1u << phase ? replacing : replaced;
            if (own->files[file].phases & 1u << phase) steps[n++] = make_step(p, own, true, file, phase);
        } else if (f->phases & 1u << phase) {
            steps[n++] = make_step(p, p->shared, false, i, phase);
        }
    }
    for (size_t i = 0; own && i < own->n; i++)
        if (own->files[i].source->tier == MG_TIER_ORG && own->files[i].replaces < 0 &&
            own->files[i].phases & 1u << phase)
            steps[n++] = make_step(p, own, true, i, phase);
    plan->steps[phase] = steps;
    plan->n_steps[phase] = n;
}

static void plan_steps(mg_policies *p, mg_plan *plan) {
    for (int phase = 0; phase < MG_PHASES; phase++) plan_phase(p, plan, (mg_phase)phase);
    for (size_t i = 0; i < plan->n_steps[MG_PHASE_REPLY]; i++) {
        size_t window = plan->steps[MG_PHASE_REPLY][i].window;
        if (window && (!plan->window || window < plan->window)) plan->window = window;
    }
}

static int compare_str(const void *a, const void *b) {
    mg_plan key = {.org = *(const mg_str *)b};
    return compare_plan(a, &key);
}

/* Ids of organizations that have files or settings, in order, each once. */
static mg_str *list_orgs(const build *b, size_t *n) {
    const mg_sources *s = &b->p->sources;
    size_t most = s->n + (b->snapshot ? b->snapshot->n_orgs : 0), count = 0, unique = 0;
    mg_str *ids = mg_arena_alloc(b->p->arena, (most ? most : 1) * sizeof *ids);
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i]->tier == MG_TIER_ORG && (i == 0 || !mg_str_eq(s->items[i]->org, s->items[i - 1]->org)))
            ids[count++] = s->items[i]->org;
    for (size_t i = 0; b->snapshot && i < b->snapshot->n_orgs; i++)
        if (settings_of(&b->snapshot->orgs[i])) ids[count++] = b->snapshot->orgs[i].id;
    if (count) qsort(ids, count, sizeof *ids, compare_str);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !mg_str_eq(ids[i], ids[i - 1])) ids[unique++] = ids[i];
    *n = unique;
    return ids;
}

static void build_plan(build *b, mg_plan *plan, mg_str org) {
    mg_policies *p = b->p;
    plan->org = mg_arena_dup(p->arena, org);
    const mg_org *o = b->snapshot ? mg_snapshot_org(b->snapshot, org) : NULL;
    mg_buf text = {0};
    if (o && settings_of(o)) mg_policy_settings_text(o->settings, &text);
    take_settings(p, plan, mg_buf_view(&text));
    size_t first = 0, n = 0;
    while (first < p->sources.n &&
           !(p->sources.items[first]->tier == MG_TIER_ORG && mg_str_eq(p->sources.items[first]->org, org)))
        first++;
    while (first + n < p->sources.n && mg_str_eq(p->sources.items[first + n]->org, org)) n++;
    if (n) build_own(b, plan, first, n, mg_buf_view(&text));
    mg_buf_finish(&text);
    if (b->failed) return; /* what a file's settings are is not known if it did not load */
    check_settings(b, plan);
    plan_steps(p, plan);
}

static void take_fingerprint(mg_policies *p) {
    mg_buf all = {0};
    mg_buf_add(&all, p->shared->fingerprint, 32);
    for (size_t i = 0; i < p->n_plans; i++) {
        mg_buf_str(&all, p->plans[i].org);
        mg_buf_add(&all, &p->plans[i].settings_id, sizeof p->plans[i].settings_id);
        if (p->plans[i].own) mg_buf_add(&all, p->plans[i].own->fingerprint, 32);
    }
    mg_sha256(mg_buf_view(&all), p->fingerprint);
    mg_buf_finish(&all);
}

/* ---- the generation ---------------------------------------------------------------------------------------------- */

static mg_policy_options with_defaults(const mg_policy_options *o) {
    mg_policy_options out = *o;
    if (!out.cpu_us) out.cpu_us = CPU_US;
    if (!out.instructions) out.instructions = INSTRUCTIONS;
    if (!out.memory) out.memory = MEMORY;
    if (!out.wall_ms) out.wall_ms = WALL_MS;
    if (!out.idle_ms) out.idle_ms = IDLE_MS;
    if (!out.suspend_ms) out.suspend_ms = SUSPEND_MS;
    return out;
}

static void build_plans(build *b) {
    mg_policies *p = b->p;
    plan_steps(p, &p->everybody);
    size_t n;
    mg_str *ids = list_orgs(b, &n);
    p->plans = mg_arena_zalloc(p->arena, (n ? n : 1) * sizeof *p->plans);
    for (size_t i = 0; i < n; i++) {
        p->n_plans++; /* counted before it is built, so that its bundle is freed whatever happens */
        build_plan(b, &p->plans[i], ids[i]);
    }
}

mg_policies *mg_policies_build(const mg_policy_options *o, const mg_snapshot *s, const mg_policies *previous,
                               mg_fault_fn fault, void *arg) {
    mg_policies *p = MG_NEW(mg_policies);
    p->refs = 1;
    p->generation = previous ? previous->generation + 1 : 1;
    p->loaded_ms = mg_clock_unix_ms();
    p->arena = mg_arena_create(8192);
    p->options = with_defaults(o);
    p->options.folder = mg_arena_dup(p->arena, o->folder);
    build b = {.p = p, .previous = previous, .snapshot = s, .fault = fault, .arg = arg};
    if (!mg_sources_read(o->folder, previous ? &previous->sources : NULL, &p->sources, on_fault, &b)) b.failed = true;
    build_shared(&b);
    build_plans(&b);
    if (b.failed) {
        mg_policies_unref(p);
        return NULL;
    }
    take_fingerprint(p);
    return p;
}

mg_policies *mg_policies_ref(mg_policies *p) {
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void mg_policies_unref(mg_policies *p) {
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < p->n_plans; i++) mg_bundle_unref(p->plans[i].own);
    mg_bundle_unref(p->shared);
    mg_sources_finish(&p->sources);
    mg_arena_destroy(p->arena);
    free(p);
}

uint64_t mg_policies_generation(const mg_policies *p) { return p->generation; }
int64_t mg_policies_loaded_ms(const mg_policies *p) { return p->loaded_ms; }
mg_bundle *mg_policies_shared(const mg_policies *p) { return p->shared; }
const mg_policy_options *mg_policies_options(const mg_policies *p) { return &p->options; }

const mg_plan *mg_policies_plan(const mg_policies *p, mg_str org) {
    const mg_plan *plan = find_plan(p, org);
    return plan ? plan : &p->everybody;
}

const mg_plan *mg_policies_plans(const mg_policies *p, size_t *n) {
    *n = p->n_plans;
    return p->plans;
}

bool mg_policies_same(const mg_policies *a, const mg_policies *b) {
    return memcmp(a->fingerprint, b->fingerprint, sizeof a->fingerprint) == 0;
}
