/* docs/configuration.md, made from the table of settings. */
#include "app/settings.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Made from the program's table of settings: `MOONGATE_WRITE_MANUAL=1 ctest -R app/test_settings` writes it "
    "anew. -->\n"
    "\n"
    "Moongate reads one file, `moongate.lua` in the working directory or what `-c FILE` names. Without one, and for "
    "every\n"
    "setting that it leaves out, the defaults below hold. `moongate check` reads the file, the plugins and the "
    "policies and\n"
    "reports each fault as `file:line: message`; [examples/moongate.lua](../examples/moongate.lua) shows all parts.\n"
    "\n"
    "The file is Lua: what it assigns to global names are the settings, so locals and loops are at hand. It has three\n"
    "functions and nothing else of Lua's library, and it is bounded in time and memory.\n"
    "\n"
    "| function | is |\n"
    "| --- | --- |\n"
    "| `env(NAME [, default])` | a variable of the environment; unset without a default: the setting counts as absent "
    "|\n"
    "| `file(PATH)` | a secret: the file's text without one closing newline; must not be missing or empty; a change of "
    "the file reloads |\n"
    "| `include(PATH)` | runs another file, whose globals are settings too, and returns what that file returns |\n"
    "\n"
    "Paths of files (`file`, `include`, `cert`, `key`, `ca_file`) start at the folder of the file that names them, "
    "`data_dir`\n"
    "and `policies` at the working directory, `plugins` at the program's own folder.\n"
    "\n"
    "A rate is `COUNT/PERIOD`: `60/minute`, `50/2s`, `100000/hour`, `50 usd/day`. Waits are seconds, as a number or as "
    "text\n"
    "(`\"1.5m\"`). Sizes are bytes, as a number or as text (`\"256MB\"`; powers of 1,024). An empty secret is a "
    "fault.\n"
    "\n"
    "SIGHUP, or a change of a file, builds everything anew beside what runs. With a fault the old configuration stays "
    "in\n"
    "force; requests under way end with what they began with. A changed setting that says `restart` is reported and "
    "keeps its\n"
    "value until then.\n"
    "\n"
    "A plugin takes the settings of its own table besides those below; `moongate check` names the nearest one when a "
    "key is\n"
    "not known.\n";

static const struct {
    const char *prefix, *title;
} sections[] = {
    {"listen|admin|trusted_proxies|workers|data_dir|policies|plugins|upstream|drain_seconds|log", "The process"},
    {"ledger|store", "Ledger and store"},
    {"providers", "Providers"},
    {"models", "Models"},
    {"circuit", "Circuit breakers"},
    {"organizations", "Organizations"},
    {"limits", "Limits of the HTTP server"},
    {"policy|http", "Policies"},
    {"detectors|prices|alerts", "Detectors, prices, alerts"},
};

static bool in_section(const char *prefixes, const char *key) {
    mg_str rest = mg_str_of(prefixes), first = mg_str_from(key, strcspn(key, "."));
    while (rest.n) {
        mg_str one = mg_str_from(rest.p, mg_str_find(rest, '|'));
        if (mg_str_eq(one, first)) return true;
        rest = mg_str_skip(rest, one.n + 1);
    }
    return false;
}

/* A '|' would end the table's cell. */
static void write_cell(mg_buf *out, const char *text) {
    for (; *text; text++) mg_buf_printf(out, *text == '|' ? "\\|" : "%c", *text);
}

/* "*" as the name that it stands for. */
static void write_key(mg_buf *out, const char *key) {
    const char *name = strncmp(key, "organizations", 13) == 0 ? "ORG"
                       : strncmp(key, "models", 6) == 0       ? "MODEL"
                                                              : "NAME";
    for (; *key; key++) {
        if (*key == '*')
            mg_buf_str(out, mg_str_of(name));
        else
            mg_buf_add(out, key, 1);
    }
}

static void write_row(mg_buf *out, const mg_host_setting *s) {
    mg_buf_str(out, MG_STR("| `"));
    write_key(out, s->key);
    mg_buf_printf(out, "` | %s | ", mg_host_type_name(s->type));
    if (s->fallback) mg_buf_printf(out, "`%s`", s->fallback);
    mg_buf_printf(out, " | %s | ", s->fixed ? "restart" : "reload");
    write_cell(out, s->doc);
    mg_buf_str(out, MG_STR(" |\n"));
}

void mg_config_manual(mg_buf *out) {
    mg_buf_str(out, mg_str_of(introduction));
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        mg_buf_printf(out,
                      "\n## %s\n\n| setting | type | default | change | meaning |\n| --- | --- | --- | --- | --- |\n",
                      sections[i].title);
        for (const mg_host_setting *s = mg_host_settings(); s->key; s++)
            if (in_section(sections[i].prefix, s->key)) write_row(out, s);
    }
}
