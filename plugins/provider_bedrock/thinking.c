/* How a request thinks, and how many tokens it may take.
 *
 * On Claude, thinking and reasoning_effort become {"type": "adaptive"} and outputConfig.effort where the model has that; on
 * models before, {"type": "enabled"} with a budget (minimal 1,024 tokens, low 4,096, medium 8,192, high 16,384, xhigh
 * 24,576), halved below the max_tokens that the request states. Nova 2 has three efforts, and so have OpenAI's models. */
#include "encoder.h"

enum { BUDGET_MIN = 1024 };

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

typedef struct effort {
    const char *name;
    int64_t budget;
    const char *adaptive; /* Claude's */
    const char *of_three; /* Nova 2's and OpenAI's */
} effort;

static const effort efforts[] = {
    {"minimal", 1024, "low", "low"}, {"low", 4096, "low", "low"},       {"medium", 8192, "medium", "medium"},
    {"high", 16384, "high", "high"}, {"xhigh", 24576, "xhigh", "high"}, {"max", 32768, "max", "high"},
};
enum { EFFORT_MEDIUM = 2, EFFORT_XHIGH = 4 };

typedef struct wish {
    bool said, off;
    bool adaptive; /* asked for by this name */
    int64_t budget; /* -1: none stated */
    const effort *effort; /* or NULL */
} wish;

static bool effort_read(const bedrock_encoder *e, wish *w) {
    mg_str name = e->h->json_str(top(e, "reasoning_effort"));
    if (!top(e, "reasoning_effort")) return true;
    w->said = true;
    w->off = str_is(name, "none");
    for (size_t i = 0; i < COUNT(efforts) && !w->effort; i++)
        if (str_is(name, efforts[i].name)) w->effort = &efforts[i];
    return w->off || w->effort ||
           refuse(e, "reasoning_effort has to be one of none, minimal, low, medium, high, xhigh");
}

/* `thinking` is the more exact of the two. */
static bool wish_read(const bedrock_encoder *e, wish *w) {
    const mg_json *v = top(e, "thinking");
    mg_str type = get_text(e, v, "type");
    *w = (wish){.budget = -1};
    if (!effort_read(e, w)) return false;
    if (!v) return true;
    w->said = true;
    w->adaptive = str_is(type, "adaptive");
    w->budget = e->h->json_int(get(e, v, "budget_tokens"), -1);
    w->off = str_is(type, "disabled") || (w->budget == 0 && !w->adaptive);
    return w->adaptive || w->off || str_is(type, "enabled") || w->budget > 0 ||
           refuse(e, "thinking.type has to be one of enabled, disabled, adaptive");
}

static void thinking_drop(const bedrock_encoder *e, const char *why) {
    drop(e, "%s (%s)", top(e, "thinking") ? "thinking" : "reasoning_effort", why);
}

/* The first effort whose budget is not below. */
static const effort *effort_of(const wish *w) {
    size_t i = 1;
    if (w->effort) return w->effort;
    if (w->budget <= 0) return NULL;
    while (i < EFFORT_XHIGH && efforts[i].budget < w->budget) i++;
    return &efforts[i];
}

/* ---- Claude: budgets --------------------------------------------------------------------------------------------- */

/* With a budget, an assistant's turn that goes on must begin with a thought. True if the one at the end has none: clients of
 * other formats don't keep them. */
static bool thought_missing(const bedrock_encoder *e) {
    const mg_json *turn = NULL, *m = e->h->json_child(top(e, "messages"));
    for (; m; m = e->h->json_next(m)) {
        mg_str role = get_text(e, m, "role");
        if (str_is(role, "user")) turn = NULL;
        if (str_is(role, "assistant") && !turn) turn = m;
    }
    if (!turn) return false;
    const mg_json *first = e->h->json_child(get(e, turn, "thinking_blocks"));
    if (!first) first = e->h->json_child(get(e, turn, "content"));
    return !thinking_usable(e, first);
}

/* The budget below max_tokens; 0 if it can't be. */
static int64_t budget_fit(const bedrock_encoder *e, int64_t budget, bool exact) {
    int64_t most = e->plan.max_tokens;
    if (budget < BUDGET_MIN) {
        drop(e, "thinking.budget_tokens (raised to 1024, the least)");
        budget = BUDGET_MIN;
    }
    if (most < 0 || budget < most || e->request->operation == MG_OP_COUNT_TOKENS) return budget;
    if (most <= BUDGET_MIN) return 0;
    if (exact) drop(e, "thinking.budget_tokens (lowered: it has to be below max_tokens)");
    return most / 2 > BUDGET_MIN ? most / 2 : BUDGET_MIN;
}

static void claude_budget(bedrock_encoder *e, const wish *w) {
    int64_t wanted = w->budget > 0 ? w->budget : w->effort ? w->effort->budget : efforts[EFFORT_MEDIUM].budget;
    int64_t budget = 0;
    if (tools_forced(e))
        thinking_drop(e, "not together with a tool_choice that forces a call");
    else if (thought_missing(e))
        thinking_drop(e, "the turn that goes on lacks its own thinking");
    else if (!(budget = budget_fit(e, wanted, w->budget > 0)))
        thinking_drop(e, "max_tokens leaves no room for it");
    if (!budget) return;
    e->plan.type = "enabled";
    e->plan.budget = budget;
    e->plan.thinking = true;
}

/* ---- Claude ------------------------------------------------------------------------------------------------------ */

static void claude_adaptive(bedrock_encoder *e, const wish *w) {
    const effort *found = effort_of(w);
    e->plan.type = "adaptive";
    e->plan.thinking = true;
    if (w->budget > 0) drop(e, "thinking.budget_tokens (this model takes no budget)");
    if (!found) return;
    e->plan.effort = found->adaptive;
    if (!e->model.claude.adaptive_only && found == &efforts[EFFORT_XHIGH]) e->plan.effort = "max";
}

/* Models that don't think unless they are asked need not be told. */
static void claude_off(bedrock_encoder *e, const wish *w) {
    const anthropic_model *m = &e->model.claude;
    if (w->effort) drop(e, "reasoning_effort (thinking is disabled)");
    if (m->thinks_always) {
        thinking_drop(e, "this model always thinks; sent as the least effort");
        e->plan.effort = "low";
        e->plan.thinking = true;
    } else if (m->thinks_unasked) {
        e->plan.type = m->between_tools ? "between_tools" : "disabled";
    }
}

static void claude_display(bedrock_encoder *e) {
    const mg_json *include = get(e, top(e, "thinking"), "include");
    bool shown = e->h->json_bool(include, true);
    if (!include || !e->plan.type || !e->plan.thinking) return;
    if (e->model.claude.adaptive)
        e->plan.display = shown ? "summarized" : "omitted";
    else if (!shown)
        drop(e, "thinking.include (this model always shows its thinking)");
}

static void claude_plan(bedrock_encoder *e, const wish *w) {
    const anthropic_model *m = &e->model.claude;
    e->plan.thinking = m->thinks_unasked;
    if (!w->said) return;
    e->plan.thinking = false;
    if (w->off)
        claude_off(e, w);
    else if (!m->thinks)
        thinking_drop(e, "this model does not think");
    else if (m->adaptive && (m->adaptive_only || w->adaptive || w->budget < 0))
        claude_adaptive(e, w);
    else
        claude_budget(e, w);
    claude_display(e);
}

/* ---- others ------------------------------------------------------------------------------------------------------ */

static void nova_plan(bedrock_encoder *e, const wish *w) {
    if (w->off) return; /* which it is unless asked */
    const effort *found = effort_of(w);
    e->plan.type = "enabled";
    e->plan.effort = found ? found->of_three : "medium";
    e->plan.bare = strcmp(e->plan.effort, "high") == 0;
    if (w->budget > 0) drop(e, "thinking.budget_tokens (this model takes no budget)");
}

static void openai_plan(bedrock_encoder *e, const wish *w) {
    const effort *found = w->off ? &efforts[0] : effort_of(w);
    if (w->off) thinking_drop(e, "this model always thinks; sent as the least effort");
    if (w->budget > 0) drop(e, "thinking.budget_tokens (this model takes no budget)");
    if (found) e->plan.effort = found->of_three;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static bool max_tokens_read(const bedrock_encoder *e, int64_t *stated) {
    const char *name = top(e, "max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
    const mg_json *v = top(e, name);
    *stated = e->h->json_int(v, -1);
    return !v || *stated > 0 || refuse(e, "%s has to be a whole number above 0", name);
}

bool plan_make(bedrock_encoder *e) {
    wish w;
    e->plan = (bedrock_plan){.max_tokens = -1};
    if (!max_tokens_read(e, &e->plan.max_tokens) || !wish_read(e, &w)) return false;
    if (e->model.maker == MAKER_CLAUDE)
        claude_plan(e, &w);
    else if (w.said && e->model.maker == MAKER_NOVA_2)
        nova_plan(e, &w);
    else if (w.said && e->model.maker == MAKER_OPENAI)
        openai_plan(e, &w);
    else if (w.said && !w.off)
        thinking_drop(e, "this model takes none, or its name does not say whose it is");
    return true;
}
