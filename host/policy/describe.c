/* Policies as JSON, for the admin plane. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "policy/plan.h"

static void describe_file(const mg_bundle_file *f, mg_buf *out) {
    char sum[65];
    mg_hex(f->source->sha256, 32, sum);
    mg_buf_str(out, MG_STR("{\"path\":"));
    mg_buf_json(out, f->source->path);
    mg_buf_printf(out, ",\"sha256\":\"%s\",\"phases\":[", sum);
    bool first = true;
    for (int p = 0; p < MG_PHASES; p++) {
        if (!(f->phases & 1u << p)) continue;
        mg_buf_printf(out, "%s\"%s\"", first ? "" : ",", mg_phase_name((mg_phase)p));
        first = false;
    }
    mg_buf_str(out, MG_STR("]}"));
}

/* The bundle's files; of an organization's bundle only its own, not the shared ones that it replaces. */
static void describe_bundle(const mg_bundle *b, mg_buf *out) {
    bool first = true;
    mg_buf_str(out, MG_STR("["));
    for (size_t i = 0; b && i < b->n; i++) {
        if (b->org.n && b->files[i].source->tier != MG_TIER_ORG) continue;
        if (!first) mg_buf_str(out, MG_STR(","));
        first = false;
        describe_file(&b->files[i], out);
    }
    mg_buf_str(out, MG_STR("]"));
}

static void describe_plan(const mg_plan *plan, mg_buf *out) {
    mg_buf_str(out, MG_STR("{\"org\":"));
    mg_buf_json(out, plan->org);
    mg_buf_printf(out, ",\"settings\":%s,\"files\":", plan->settings ? "true" : "false");
    describe_bundle(plan->own, out);
    mg_buf_str(out, MG_STR("}"));
}

void mg_policies_describe(const mg_policies *p, mg_buf *out) {
    char time[25];
    mg_clock_iso(mg_policies_loaded_ms(p), time);
    mg_buf_printf(out,
                  "{\"generation\":%llu,\"loaded_at\":\"%s\",\"files\":", (unsigned long long)mg_policies_generation(p),
                  time);
    describe_bundle(mg_policies_shared(p), out);
    mg_buf_str(out, MG_STR(",\"organizations\":["));
    size_t n;
    const mg_plan *plans = mg_policies_plans(p, &n);
    for (size_t i = 0; i < n; i++) {
        if (i) mg_buf_str(out, MG_STR(","));
        describe_plan(&plans[i], out);
    }
    mg_buf_str(out, MG_STR("]}"));
}
