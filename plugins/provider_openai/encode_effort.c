/* How hard a model is to think. Other vendors count tokens, OpenAI's reasoning models take a word; which words, differs from
 * model to model, and models that do not reason take none. */
#include <stdio.h>

#include "encode.h"

typedef enum effort { NONE, MINIMAL, LOW, MEDIUM, HIGH, XHIGH, MAX, N_EFFORTS } effort;

static const char *const effort_names[N_EFFORTS] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};

#define BIT(effort) (1u << (effort))
static const unsigned CLASSIC = BIT(LOW) | BIT(MEDIUM) | BIT(HIGH);

static bool starts(mg_str s, const char *with) {
    size_t n = strlen(with);
    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static bool holds(mg_str s, const char *part) { return memmem(s.p, s.n, part, strlen(part)) != NULL; }

/* The name without what routers put before it: "openai/gpt-5". */
static mg_str bare(mg_str model) {
    for (size_t i = model.n; i > 0; i--)
        if (model.p[i - 1] == '/') return (mg_str){model.p + i, model.n - i};
    return model;
}

/* The efforts that OpenAI documents for gpt-5 and its successors ("gpt-5.2-codex": minor version 2). */
static unsigned gpt5_efforts(mg_str model) {
    int minor = model.n > 6 && model.p[5] == '.' && model.p[6] >= '0' && model.p[6] <= '9' ? model.p[6] - '0' : 0;
    if (holds(model, "-chat")) return 0;
    if (holds(model, "-pro")) return minor < 2 ? BIT(HIGH) : BIT(MEDIUM) | BIT(HIGH) | BIT(XHIGH);
    if (holds(model, "-codex-max")) return CLASSIC | BIT(XHIGH);
    if (holds(model, "-codex")) return minor < 2 ? CLASSIC : CLASSIC | BIT(XHIGH);
    if (minor == 0) return CLASSIC | BIT(MINIMAL);
    return minor == 1 ? CLASSIC | BIT(NONE) : CLASSIC | BIT(NONE) | BIT(XHIGH);
}

/* A bit for each effort that the model takes; 0: it does not reason, or nobody knows. */
static unsigned efforts_of(mg_str model) {
    model = bare(model);
    if (starts(model, "gpt-5")) return gpt5_efforts(model);
    if (starts(model, "o1-mini") || starts(model, "o1-preview")) return 0;
    if (starts(model, "o1") || starts(model, "o3") || starts(model, "o4") || starts(model, "gpt-oss")) return CLASSIC;
    return 0;
}

/* OpenAI's models that refuse an effort; of models that nobody knows their servers decide. */
static bool never_reasons(mg_str model) {
    model = bare(model);
    if (starts(model, "gpt-5") || starts(model, "o1")) return efforts_of(model) == 0;
    return starts(model, "gpt-4") || starts(model, "gpt-3") || starts(model, "chatgpt-");
}

/* The nearest that the model takes, rather less than more. */
static effort fitting(unsigned taken, effort wanted) {
    for (int i = (int)wanted; i >= 0; i--)
        if (taken & BIT(i)) return (effort)i;
    for (int i = (int)wanted; i < N_EFFORTS; i++)
        if (taken & BIT(i)) return (effort)i;
    return wanted;
}

static effort effort_named(mg_str name) {
    for (int i = 0; i < N_EFFORTS; i++)
        if (str_eq(name, str_of(effort_names[i]))) return (effort)i;
    return N_EFFORTS;
}

/* A budget of thinking tokens as an effort: below 2,048 low, below 16,384 medium, above that high. Without a number, or with
 * one below 0 (Gemini's "as you like"), the model decides. */
static effort effort_of(const encoder *e, const mg_json *thinking) {
    int64_t budget = e->h->json_int(openai_get(e->h, thinking, "budget_tokens"), -1);
    if (str_eq(openai_text(e->h, thinking, "type"), STR("disabled")) || budget == 0) return NONE;
    if (budget < 0) return N_EFFORTS;
    return budget < 2048 ? LOW : budget < 16384 ? MEDIUM : HIGH;
}

static unsigned efforts_of_request(const encoder *e) { return efforts_of(e->request->model); }

/* Whether `thinking` becomes an effort; nothing is lost then. It also has none to become when it leaves the choice to the
 * model. */
bool openai_addition_kept(const encoder *e, mg_str key) {
    if (!e->translated || !str_eq(key, STR("thinking"))) return false;
    const mg_json *thinking = openai_get(e->h, e->request->root, "thinking");
    return efforts_of_request(e) != 0 || effort_of(e, thinking) == N_EFFORTS;
}

/* Models that always reason take no sampling but their own. */
static bool samples(const encoder *e) {
    unsigned efforts = efforts_of_request(e);
    return efforts == 0 || efforts & BIT(NONE) || starts(bare(e->request->model), "gpt-oss");
}

bool openai_addition_drops(const encoder *e, mg_str key) {
    static const char *const ours[] = {"thinking", "top_k", "safety_settings", "cache_control"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (str_eq(key, str_of(ours[i]))) return true;
    if (str_eq(key, STR("reasoning_effort"))) return never_reasons(e->request->model);
    return (str_eq(key, STR("temperature")) || str_eq(key, STR("top_p"))) && !samples(e);
}

/* An effort that was asked for by its name holds, fitted to the model; a name that nobody knows is the vendor's to judge. */
void openai_thinking_encode(const encoder *e, addition *a) {
    char text[16];
    size_t start, end;
    const mg_json *have = openai_get(e->h, e->request->root, "reasoning_effort");
    unsigned taken = efforts_of_request(e);
    bool named = e->h->json_str(have).n > 0;
    const mg_json *thinking = openai_get(e->h, e->request->root, "thinking");
    effort wanted = named ? effort_named(e->h->json_str(have)) : N_EFFORTS;
    if (!named && openai_is_object(e->h, thinking)) wanted = effort_of(e, thinking);
    if (!taken || wanted == N_EFFORTS) return;
    effort fit = fitting(taken, wanted);
    mg_str value = {text, (size_t)snprintf(text, sizeof text, "\"%s\"", effort_names[fit])};
    if (!have)
        openai_addition_put(e, a, "reasoning_effort", value);
    else if ((!named || fit != wanted) && !openai_dropped(e, STR("reasoning_effort")) &&
             e->h->json_span(have, &start, &end))
        openai_splice(e, start, end, value);
}
