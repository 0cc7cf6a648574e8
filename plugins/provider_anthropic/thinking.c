/* How a request thinks, and how many tokens it may take.
 *
 * thinking and reasoning_effort become, on models with adaptive thinking, {"type": "adaptive"} and
 * output_config.effort (minimal and low: low; medium; high; xhigh: xhigh, or max where there is none); on models
 * before, {"type": "enabled"} with a budget: minimal 1,024 tokens, low 4,096, medium 8,192, high 16,384, xhigh
 * 24,576. The budget has to be below max_tokens: if the request states that, a larger budget becomes half of it,
 * and thinking is left out where 1,024 tokens don't fit; if it states none, the budget is added to the default. */
#include "encoder.h"

enum { BUDGET_MIN = 1024 };

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

typedef struct effort {
    const char *name;
    int64_t budget;
    const char *adaptive;
} effort;

static const effort efforts[] = {
    {"minimal", 1024, "low"}, {"low", 4096, "low"},      {"medium", 8192, "medium"},
    {"high", 16384, "high"},  {"xhigh", 24576, "xhigh"}, {"max", 24576, "max"},
};
enum { N_EFFORTS = sizeof efforts / sizeof efforts[0], EFFORT_MEDIUM = 2 };

typedef struct wish {
    bool said, off;
    bool adaptive; /* asked for by this name */
    int64_t budget; /* -1: none stated */
    const effort *effort; /* or NULL */
} wish;

static bool effort_read(const anthropic_encoder *e, wish *w) {
    const mg_json *v = anthropic_get(e->h, e->request->root, "reasoning_effort");
    mg_str name = e->h->json_str(v);
    if (anthropic_void(e->h, v)) return true;
    w->said = true;
    if (str_is(name, "none")) {
        w->off = true;
        return true;
    }
    for (size_t i = 0; i < N_EFFORTS && !w->effort; i++)
        if (str_is(name, efforts[i].name)) w->effort = &efforts[i];
    return w->effort || refuse(e, "reasoning_effort has to be one of none, minimal, low, medium, high, xhigh");
}

/* `thinking` is the more exact of the two. */
static bool wish_read(const anthropic_encoder *e, wish *w) {
    const mg_json *v = anthropic_get(e->h, e->request->root, "thinking");
    *w = (wish){.budget = -1};
    if (!effort_read(e, w)) return false;
    if (anthropic_void(e->h, v)) return true;
    mg_str type = anthropic_text(e->h, v, "type");
    w->budget = e->h->json_int(anthropic_get(e->h, v, "budget_tokens"), -1);
    if (w->budget < 0) w->budget = -1; /* as the model sees fit */
    if (!type.n && w->budget < 0) return true; /* only how it is shown */
    w->said = true;
    w->adaptive = str_is(type, "adaptive");
    w->off = str_is(type, "disabled") || (w->budget == 0 && !w->adaptive);
    if (w->adaptive || w->off || str_is(type, "enabled") || w->budget > 0) return true;
    return refuse(e, "thinking.type has to be one of enabled, disabled, adaptive");
}

static void thinking_drop(anthropic_encoder *e, const char *why) {
    bool has = !anthropic_void(e->h, anthropic_get(e->h, e->request->root, "thinking"));
    drop(e, "%s (%s)", has ? "thinking" : "reasoning_effort", why);
}

/* ---- max_tokens -------------------------------------------------------------------------------------------------- */

static bool max_tokens_read(const anthropic_encoder *e, int64_t *stated) {
    static const char *const names[] = {"max_completion_tokens", "max_tokens"};
    *stated = -1;
    for (size_t i = 0; i < 2 && *stated < 0; i++) {
        const mg_json *v = anthropic_get(e->h, e->request->root, names[i]);
        if (anthropic_void(e->h, v)) continue;
        *stated = e->h->json_int(v, -1);
        if (*stated < 0) return refuse(e, "%s has to be a whole number that is not negative", names[i]);
    }
    return true;
}

/* ---- budgets ----------------------------------------------------------------------------------------------------- */

/* With a budget, an assistant's turn that goes on must begin with a thought. True if the one at the end has none:
 * clients of other formats don't keep them. */
static bool thought_missing(const anthropic_encoder *e) {
    const mg_json *turn = NULL, *m = e->h->json_child(anthropic_get(e->h, e->request->root, "messages"));
    for (; m; m = e->h->json_next(m)) {
        mg_str role = anthropic_text(e->h, m, "role");
        if (str_is(role, "user")) turn = NULL;
        if (str_is(role, "assistant") && !turn) turn = m;
    }
    if (!turn) return false;
    const mg_json *first = e->h->json_child(anthropic_get(e->h, turn, "thinking_blocks"));
    if (!first) first = e->h->json_child(anthropic_get(e->h, turn, "content"));
    return !thinking_usable(e, first);
}

/* The budget below max_tokens; 0 if it can't be. */
static int64_t budget_fit(anthropic_encoder *e, int64_t budget, bool exact, int64_t stated) {
    if (budget < BUDGET_MIN) {
        drop(e, "thinking.budget_tokens (raised to 1024, the least)");
        budget = BUDGET_MIN;
    }
    if (e->request->operation == MG_OP_COUNT_TOKENS) return budget;
    if (stated < 0) {
        e->plan.max_tokens = budget > INT64_MAX - e->plan.max_tokens ? INT64_MAX : budget + e->plan.max_tokens;
        return budget;
    }
    if (budget < stated) return budget;
    if (stated <= BUDGET_MIN) return 0;
    if (exact) drop(e, "thinking.budget_tokens (lowered: it has to be below max_tokens)");
    return stated / 2 > BUDGET_MIN ? stated / 2 : BUDGET_MIN;
}

static void plan_budget(anthropic_encoder *e, const wish *w, int64_t stated) {
    if (tools_forced(e)) {
        thinking_drop(e, "not together with a tool_choice that forces a call");
        return;
    }
    if (thought_missing(e)) {
        thinking_drop(e, "the turn that goes on lacks its own thinking");
        return;
    }
    int64_t wanted = w->budget > 0 ? w->budget : w->effort ? w->effort->budget : efforts[EFFORT_MEDIUM].budget;
    int64_t budget = budget_fit(e, wanted, w->budget > 0, stated);
    if (!budget) {
        thinking_drop(e, "max_tokens leaves no room for it");
        return;
    }
    e->plan.type = "enabled";
    e->plan.budget = budget;
    e->plan.thinking = true;
}

/* ---- adaptive ---------------------------------------------------------------------------------------------------- */

/* The first effort whose budget is not below. */
static const effort *effort_of_budget(int64_t budget) {
    size_t i = 1;
    while (i + 2 < N_EFFORTS && efforts[i].budget < budget) i++;
    return &efforts[i];
}

static void plan_adaptive(anthropic_encoder *e, const wish *w) {
    const effort *found = w->effort;
    e->plan.type = "adaptive";
    e->plan.thinking = true;
    if (w->budget > 0) {
        drop(e, "thinking.budget_tokens (this model takes no budget)");
        if (!found) found = effort_of_budget(w->budget);
    }
    if (!found) return;
    e->plan.effort = found->adaptive;
    if (!e->model.adaptive_only && strcmp(found->adaptive, "xhigh") == 0) e->plan.effort = "max";
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static void plan_off(anthropic_encoder *e, const wish *w) {
    if (w->effort) drop(e, "reasoning_effort (thinking is disabled)");
    if (e->model.thinks_always) {
        thinking_drop(e, "this model always thinks; sent as the least effort");
        e->plan.effort = "low";
        e->plan.thinking = true;
    } else if (e->model.between_tools) {
        e->plan.type = "between_tools";
    } else if (e->model.thinks) {
        e->plan.type = "disabled";
    }
}

static void plan_display(anthropic_encoder *e) {
    const mg_json *include = anthropic_get(e->h, anthropic_get(e->h, e->request->root, "thinking"), "include");
    if (anthropic_void(e->h, include)) return;
    bool shown = e->h->json_bool(include, true);
    if (!e->plan.thinking || !e->plan.type) return;
    if (e->model.adaptive)
        e->plan.display = shown ? "summarized" : "omitted";
    else if (!shown)
        drop(e, "thinking.include (this model always shows its thinking)");
}

/* Models that think by themselves only have to be told how to show it. */
static void plan_unsaid(anthropic_encoder *e) {
    const mg_json *thinking = anthropic_get(e->h, e->request->root, "thinking");
    if (!e->model.thinks_unasked || anthropic_void(e->h, anthropic_get(e->h, thinking, "include"))) return;
    e->plan.type = "adaptive";
    e->plan.thinking = true;
}

bool plan_make(anthropic_encoder *e) {
    wish w;
    int64_t stated;
    if (!max_tokens_read(e, &stated) || !wish_read(e, &w)) return false;
    e->plan = (anthropic_plan){.max_tokens = stated >= 0 ? stated : e->quirks->max_tokens};
    if (!w.said)
        plan_unsaid(e);
    else if (w.off)
        plan_off(e, &w);
    else if (!e->model.thinks)
        thinking_drop(e, "this model does not think");
    else if (e->model.adaptive && (e->model.adaptive_only || w.adaptive || w.budget < 0))
        plan_adaptive(e, &w);
    else
        plan_budget(e, &w, stated);
    plan_display(e);
    return true;
}
