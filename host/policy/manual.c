#include "policy/manual.h"
#include "policy/modules.h"

enum { PARAMS_MAX = 8, WRAP = 116 };

/* What a phase function may return: made by the runtime, not by a module. */
static const mg_lua_function constructors[] = {
    {"deny", NULL, 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_SCREEN | 1 << MG_PHASE_SPEND | 1 << MG_PHASE_REPLY, false,
     "@param denial {status?: integer, code?: string, message?: string, retry_after?: number, "
     "severity?: string, rule?: string} status 403 unless given; retry_after in seconds; severity low, medium, high or "
     "critical; rule names what decided, in logs and records\n"
     "@return moongate.verdict\n---\nRefuses the request with an error in the client's format."},
    {"answer", NULL, 1 << MG_PHASE_SCREEN, false,
     "@param answer {text: string, finish_reason?: string}\n@return moongate.verdict\n---\n"
     "Answers in the model's place, with status 200: a refusal in words."},
    {"queue", NULL, 1 << MG_PHASE_ADMIT | 1 << MG_PHASE_SPEND, false,
     "@param options {max_wait?: number, priority?: integer} max_wait in seconds, 10 unless given; a higher priority "
     "goes first\n"
     "@return moongate.verdict\n---\nLets the request wait; the phase is asked again afterwards."},
    {"targets", NULL, 1 << MG_PHASE_ROUTE | 1 << MG_PHASE_SPEND, false,
     "@param targets moongate.targets_options\n@return moongate.verdict\n---\n"
     "Says where the request goes, as in `targets{ \"openai/gpt-4o\", { \"azure/gpt-4o\", timeout = 30 }, max_retries "
     "= "
     "1 }`, and how it is brought to an answer there. In `spend`: to something cheaper, once. Options that are not "
     "said "
     "stay as an earlier `targets` said them; without names the targets stay, too."},
    {NULL, NULL, 0, false, NULL},
};

static const mg_lua_module verdicts = {
    .name = "verdicts",
    .doc = "What a phase function may return. Nothing (nil) always means: go on.",
    .functions = constructors,
};

/* ---- doc blocks -------------------------------------------------------------------------------------------------- */

typedef struct param {
    mg_str name; /* of a parameter with '?' if it may be left out; of a result "" if it has none */
    mg_str type, text;
} param;

typedef struct doc {
    param params[PARAMS_MAX], results[PARAMS_MAX];
    size_t n_params, n_results;
    mg_str prose;
} doc;

/* Types may hold spaces within brackets and behind ':' or ','. */
static size_t type_bytes(mg_str s) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"') quoted = !quoted;
        if (quoted) continue;
        if (strchr("({[<", c)) depth++;
        if (strchr(")}]>", c)) depth--;
        if (c == ' ' && depth == 0 && i && s.p[i - 1] != ':' && s.p[i - 1] != ',') return i;
    }
    return s.n;
}

static bool read_line(mg_str line, doc *d) {
    bool is_param = mg_str_starts(line, MG_STR("@param ")), is_result = mg_str_starts(line, MG_STR("@return "));
    size_t *n = is_param ? &d->n_params : &d->n_results;
    if ((!is_param && !is_result) || *n == PARAMS_MAX) return false;
    param *p = is_param ? &d->params[(*n)++] : &d->results[(*n)++];
    mg_str rest = mg_str_skip(line, is_param ? 7 : 8);
    *p = (param){MG_STR(""), {NULL, 0}, MG_STR("")};
    if (is_param) {
        size_t space = mg_str_find(rest, ' ');
        p->name = mg_str_from(rest.p, space);
        rest = mg_str_skip(rest, space + 1);
    }
    size_t type = type_bytes(rest);
    p->type = mg_str_from(rest.p, type);
    p->text = mg_str_skip(rest, type + 1);
    if (is_result) { /* its first word is its name, as in LuaLS */
        size_t space = mg_str_find(p->text, ' ');
        p->name = mg_str_from(p->text.p, space);
        p->text = mg_str_skip(p->text, space + 1);
    }
    return p->type.n > 0;
}

static bool read_doc(const char *text, doc *d) {
    *d = (doc){0};
    mg_str rest = mg_str_of(text);
    while (rest.n) {
        size_t end = mg_str_find(rest, '\n');
        mg_str line = mg_str_from(rest.p, end);
        rest = mg_str_skip(rest, end + 1);
        if (mg_str_is(line, "---")) {
            d->prose = rest;
            return rest.n > 0;
        }
        if (!read_line(line, d)) return false;
    }
    return false;
}

static mg_status check_function(const mg_lua_module *m, const mg_lua_function *f, mg_error *error) {
    doc d;
    if (!f->doc) return mg_fail(error, 0, "", "%s.%s has no doc block", m->name, f->name);
    if (!read_doc(f->doc, &d))
        return mg_fail(error, 0, "", "the doc block of %s.%s is not @param and @return lines, ---, and prose", m->name,
                       f->name);
    if (f->phases == 0) return mg_fail(error, 0, "", "%s.%s may be called in no phase", m->name, f->name);
    return MG_OK;
}

static mg_status check_module(const mg_lua_module *m, mg_error *error) {
    mg_status status = MG_OK;
    if (!m->doc || !*m->doc) return mg_fail(error, 0, "", "%s has no doc", m->name);
    for (const mg_lua_function *f = m->functions; status == MG_OK && f && f->name; f++)
        status = check_function(m, f, error);
    for (const mg_lua_field *f = m->fields; status == MG_OK && f && f->name; f++)
        if (!f->type || !*f->type || !f->doc || !*f->doc)
            status = mg_fail(error, 0, "", "field %s.%s has no type or no doc", m->name, f->name);
    return status;
}

mg_status mg_manual_check(mg_error *error) {
    mg_status status = check_module(&verdicts, error);
    for (size_t i = 0; status == MG_OK && mg_lua_modules[i]; i++) status = check_module(mg_lua_modules[i], error);
    return status;
}

/* "limits.take(limits)", "req:parts([options])". */
static void write_signature(mg_buf *out, const char *owner, char separator, const char *name, const doc *d,
                            bool brackets) {
    if (owner) mg_buf_printf(out, "%s%c", owner, separator);
    mg_buf_printf(out, "%s(", name);
    for (size_t i = 0; i < d->n_params; i++) {
        mg_str p = d->params[i].name;
        bool optional = p.n && p.p[p.n - 1] == '?';
        if (optional) p.n--;
        mg_buf_printf(out, "%s%s" MG_STR_FMT "%s", i ? ", " : "", optional && brackets ? "[" : "", MG_STR_ARG(p),
                      optional && brackets ? "]" : "");
    }
    mg_buf_str(out, MG_STR(")"));
}

/* ---- Markdown ---------------------------------------------------------------------------------------------------- */

static void write_phases(mg_buf *out, unsigned phases) {
    if ((phases & MG_ANY_PHASE) == MG_ANY_PHASE) {
        mg_buf_str(out, MG_STR("any phase"));
    } else {
        const char *comma = "";
        for (int p = 0; p < MG_PHASES; p++) {
            if (!(phases & 1u << p)) continue;
            mg_buf_printf(out, "%s`%s`", comma, mg_phase_name((mg_phase)p));
            comma = ", ";
        }
    }
    if (phases & MG_AT_LOAD) mg_buf_str(out, MG_STR(", and while the file is loaded"));
}

/* '|' would end a cell. */
static void write_cell(mg_buf *out, mg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '|')
            mg_buf_str(out, MG_STR("\\|"));
        else
            mg_buf_add(out, s.p + i, 1);
    }
}

static void write_list(mg_buf *out, const char *lead, const param *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        mg_buf_printf(out, "- %s", lead);
        if (list[i].name.n) mg_buf_printf(out, "`" MG_STR_FMT "` ", MG_STR_ARG(list[i].name));
        mg_buf_printf(out, "`" MG_STR_FMT "`", MG_STR_ARG(list[i].type));
        if (list[i].text.n) mg_buf_printf(out, ": " MG_STR_FMT, MG_STR_ARG(list[i].text));
        mg_buf_str(out, MG_STR("\n"));
    }
}

static void function_markdown(mg_buf *out, const mg_lua_module *m, const mg_lua_function *f) {
    doc d;
    if (!read_doc(f->doc, &d)) return;
    mg_buf_str(out, MG_STR("**`"));
    write_signature(out, m == &verdicts ? NULL : m->name, m->class_ ? ':' : '.', f->name, &d, true);
    mg_buf_str(out, MG_STR("`** ("));
    write_phases(out, f->phases);
    mg_buf_printf(out, "%s)\n\n" MG_STR_FMT "\n\n", f->waits ? "; waits" : "", MG_STR_ARG(d.prose));
    write_list(out, "", d.params, d.n_params);
    write_list(out, "returns ", d.results, d.n_results);
    if (d.n_params + d.n_results) mg_buf_str(out, MG_STR("\n"));
}

static void module_markdown(mg_buf *out, const mg_lua_module *m) {
    mg_buf_printf(out, "### %s\n\n%s\n\n", m == &verdicts ? "Verdicts" : m->name, m->doc);
    if (m->fields) mg_buf_str(out, MG_STR("| field | type | is |\n| --- | --- | --- |\n"));
    for (const mg_lua_field *f = m->fields; f && f->name; f++) {
        mg_buf_printf(out, "| `%s` | `", f->name);
        write_cell(out, mg_str_of(f->type));
        mg_buf_str(out, MG_STR("` | "));
        write_cell(out, mg_str_of(f->doc));
        mg_buf_str(out, MG_STR(" |\n"));
    }
    if (m->fields) mg_buf_str(out, MG_STR("\n"));
    for (const mg_lua_function *f = m->functions; f && f->name; f++) function_markdown(out, m, f);
}

void mg_manual_markdown(mg_buf *out) {
    module_markdown(out, &verdicts);
    for (size_t i = 0; mg_lua_modules[i]; i++) module_markdown(out, mg_lua_modules[i]);
}

/* ---- declarations for editors ------------------------------------------------------------------------------------ */

/* Text in "---" comments, wrapped between words. */
static void write_comment(mg_buf *out, mg_str text) {
    while (text.n) {
        size_t n = text.n;
        if (n > WRAP) {
            n = WRAP;
            while (n && text.p[n] != ' ') n--;
            if (n == 0) n = mg_str_find(text, ' ');
        }
        mg_buf_printf(out, "---%.*s\n", (int)n, text.p);
        text = mg_str_skip(text, n + 1);
    }
}

static void function_stub(mg_buf *out, const mg_lua_module *m, const mg_lua_function *f) {
    doc d;
    if (!read_doc(f->doc, &d)) return;
    write_comment(out, d.prose);
    mg_str annotations = mg_str_from(f->doc, (size_t)(d.prose.p - f->doc) - 4); /* without the line "---" */
    while (annotations.n) {
        size_t end = mg_str_find(annotations, '\n');
        mg_buf_printf(out, "---%.*s\n", (int)end, annotations.p);
        annotations = mg_str_skip(annotations, end + 1);
    }
    mg_buf_str(out, MG_STR("function "));
    write_signature(out, m == &verdicts ? NULL : m->name, m->class_ ? ':' : '.', f->name, &d, false);
    mg_buf_str(out, MG_STR(" end\n\n"));
}

static void module_stub(mg_buf *out, const mg_lua_module *m) {
    write_comment(out, mg_str_of(m->doc));
    mg_buf_printf(out, "---@class moongate.%s\n", m->name);
    for (const mg_lua_field *f = m->fields; f && f->name; f++)
        mg_buf_printf(out, "---@field %s %s %s\n", f->name, f->type, f->doc);
    mg_buf_printf(out, m->class_ ? "local %s = {}\n\n" : "%s = {}\n\n", m->name);
    for (const mg_lua_function *f = m->functions; f && f->name; f++) function_stub(out, m, f);
}

static const char stub_head[] =
    "---@meta\n"
    "-- Declarations of what policies can use, for editors (lua-language-server). Generated from the bindings.\n\n"
    "---What a phase function may return.\n"
    "---@class moongate.verdict\n\n"
    "---A policy file returns one of these.\n"
    "---@class moongate.policy\n"
    "---@field settings? table<string, any> typed defaults; organizations override them in the configuration\n"
    "---@field window? integer characters of a stream that `reply` is asked about at a time\n"
    "---@field admit? fun(req: moongate.req): moongate.verdict?\n"
    "---@field prompt? fun(req: moongate.req)\n"
    "---@field screen? fun(req: moongate.req): moongate.verdict?\n"
    "---@field route? fun(req: moongate.req): moongate.verdict?\n"
    "---@field spend? fun(req: moongate.req): moongate.verdict?\n"
    "---@field reply? fun(req: moongate.req, res: moongate.res): moongate.verdict?\n"
    "---@field settle? fun(req: moongate.req, res: moongate.res)\n\n"
    "---In an organization's file: the phases of the shipped file that it replaces.\n"
    "---@type moongate.policy\n"
    "default = {}\n\n";

void mg_manual_stubs(mg_buf *out) {
    mg_buf_str(out, MG_STR(stub_head));
    for (const mg_lua_function *f = constructors; f->name; f++) function_stub(out, &verdicts, f);
    for (size_t i = 0; mg_lua_modules[i]; i++) module_stub(out, mg_lua_modules[i]);
    while (out->n > 1 && out->p[out->n - 2] == '\n') out->n--;
}
