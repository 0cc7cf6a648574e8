#include "app/app.h"

#include "app/host.h"
#include "app/verbs.h"

#include <stdlib.h>
#include <unistd.h>

static const mg_option key_add_options[] = {
    {"--org", "ORG", "organization that the key belongs to"},
    {"--name", "NAME", "what people call it"},
    {"--team", "TEAM", "team that its spend counts for"},
    {"--user", "USER", "user that it stands for"},
    {"--acts-for", "'*'", "may name any organization per request in x-moongate-org"},
    {"--expires", "DATE", "last moment, as 2027-01-31 or 2027-01-31T12:00:00Z"},
    {NULL, NULL, NULL}};
static const mg_option key_list_options[] = {{"--org", "ORG", "only this organization's"}, {NULL, NULL, NULL}};
static const mg_option org_add_options[] = {{"--name", "NAME", "what people call it"}, {NULL, NULL, NULL}};
static const mg_option report_options[] = {
    {"--from", "DATE", "first day (UTC); default: the first of this month"},
    {"--to", "DATE", "day after the last (UTC); default: tomorrow"},
    {"--org", "ORG", "only this organization"},
    {"--by", "WHAT", "org, model, provider, key, user, team or day; default org"},
    {"--format", "FORMAT", "table, csv or json; default table"},
    {NULL, NULL, NULL}};
static const mg_option migrate_options[] = {{"--dry-run", NULL, "only says what it would do"},
                                            {"--status", NULL, "lists the migrations, applied or not"},
                                            {NULL, NULL, NULL}};
static const mg_option disable_options[] = {
    {"--for", "TIME", "how long, as 30m or 2h; default: until it is enabled, or the gateway restarts"},
    {"--model", "MODEL", "only this model of the vendor's"},
    {NULL, NULL, NULL}};
static const mg_option enable_options[] = {
    {"--model", "MODEL", "only this model; default: the provider and all its models"}, {NULL, NULL, NULL}};
static const mg_option manual_options[] = {{"--stubs", NULL, "editor stubs (LuaLS annotations) instead of the manual"},
                                           {NULL, NULL, NULL}};
static const mg_option scan_options[] = {
    {"--types", "LIST", "only these, as ssn,phone; default: all that the detectors know"}, {NULL, NULL, NULL}};
static const mg_option tokens_options[] = {
    {"--model", "MODEL", "whose tokens; exact for OpenAI's models, else an estimate"},
    {"--encoding", "NAME", "o200k_base or cl100k_base; goes before the model"},
    {"--ids", NULL, "also the tokens themselves"},
    {NULL, NULL, NULL}};
static const mg_option price_options[] = {
    {"--input", "N", "input tokens, all of them"},
    {"--cached", "N", "of these read from the vendor's cache"},
    {"--cache-write", "N", "of these written to the vendor's cache"},
    {"--audio-input", "N", "of these audio"},
    {"--output", "N", "output tokens, all of them"},
    {"--reasoning", "N", "of these reasoning: charged as output"},
    {"--audio-output", "N", "of these audio"},
    {NULL, NULL, NULL}};

static const mg_verb verbs[] = {
    {"serve", "[-c FILE]", "runs the gateway", true, mg_verb_serve, NULL},
    {"check", "[-c FILE]", "loads configuration, plugins and policies, reports faults, starts nothing", true,
     mg_verb_check, NULL},
    {"migrate", "[--dry-run] [--status]", "brings the ledger's schema up to date", true, mg_verb_migrate,
     migrate_options},
    {"org add", "ORG", "adds an organization to the ledger", true, mg_verb_org_add, org_add_options},
    {"org list", "", "lists organizations", true, mg_verb_org_list, NULL},
    {"key add", "--org ORG", "makes a virtual key and prints it once", true, mg_verb_key_add, key_add_options},
    {"key list", "[--org ORG]", "lists virtual keys", true, mg_verb_key_list, key_list_options},
    {"key revoke", "KEY_ID", "revokes a key; in force within 2 s", true, mg_verb_key_revoke, NULL},
    {"request show", "ID", "one request end to end: attempts, decisions, cost", true, mg_verb_request_show, NULL},
    {"report", "cost|models", "what was used and what it cost", true, mg_verb_report, report_options},
    {"provider list", "", "the running gateway's providers, and which are disabled", true, mg_verb_provider_list, NULL},
    {"provider status", "[NAME]", "circuit breakers, errors and times of each model", true, mg_verb_provider_status,
     NULL},
    {"provider disable", "NAME [--for 30m] [--model M]", "keeps requests away from a provider, at once", true,
     mg_verb_provider_disable, disable_options},
    {"provider enable", "NAME [--model M]", "lets requests go there again", true, mg_verb_provider_enable,
     enable_options},
    {"policy test", "[DIR]", "runs the policies' specs on the real runtime", true, mg_verb_policy_test, NULL},
    {"policy manual", "[--stubs]", "prints the policy manual's reference part", false, mg_verb_policy_manual,
     manual_options},
    {"scan", "[--types LIST]", "JSON lines {\"text\"} in, detected spans out", true, mg_verb_scan, scan_options},
    {"tokens", "--model M | --encoding E", "JSON lines {\"text\"} in, token counts out", false, mg_verb_tokens,
     tokens_options},
    {"price", "MODEL [--input N --cached N --output N]", "what the price table says, and what a call would cost", true,
     mg_verb_price, price_options},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

int mg_verb_fail(int status, const char *format, ...) {
    va_list args;
    fputs("moongate: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

const char *mg_verb_option(const mg_verb_context *v, const char *name) {
    for (size_t i = 0; v->verb->options && v->verb->options[i].name; i++)
        if (strcmp(v->verb->options[i].name, name) == 0) return v->values[i];
    return NULL;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void print_usage(FILE *out) {
    fputs("moongate " MOONGATE_VERSION " - a gateway for large language models\n\nusage: moongate VERB [ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; i < VERBS; i++) fprintf(out, "  %-16s %s\n", verbs[i].name, verbs[i].summary);
    fputs("\n'moongate VERB --help' says more about one. With -c FILE verbs use that configuration;\n"
          "without it moongate.lua in this folder, else built-in defaults.\n",
          out);
}

static void print_verb(const mg_verb *verb) {
    printf("usage: moongate %s %s\n\n%s\n\n", verb->name, verb->arguments, verb->summary);
    for (size_t i = 0; verb->options && verb->options[i].name; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", verb->options[i].name,
                 verb->options[i].value ? verb->options[i].value : "");
        printf("  %-20s %s\n", left, verb->options[i].doc);
    }
    if (verb->needs_config)
        printf("  %-20s %s\n", "-c FILE", "configuration; default moongate.lua here, else built-in defaults");
    printf("  %-20s %s\n  %-20s %s\n", "--json", "JSON instead of a table", "--help", "this text");
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

/* "key add" before "key": *used is the number of words. */
static const mg_verb *find_verb(int argc, char **argv, int *used) {
    char two[64] = "";
    if (argc > 2) snprintf(two, sizeof two, "%s %s", argv[1], argv[2]);
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, two) == 0) {
            *used = 2;
            return &verbs[i];
        }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0) {
            *used = 1;
            return &verbs[i];
        }
    return NULL;
}

static int unknown_verb(const char *word) {
    const mg_verb *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; i < VERBS; i++) {
        mg_str name = mg_str_of(verbs[i].name);
        size_t d = mg_str_distance(mg_str_of(word), mg_str_from(name.p, mg_str_find(name, ' ')));
        if (d < best) best = d, nearest = &verbs[i];
    }
    bool group = nearest && best == 0; /* "key" without "add" */
    return mg_verb_fail(2,
                        group     ? "'%s' needs a second word, as in 'moongate %s'; 'moongate --help' lists all"
                        : nearest ? "there is no verb '%s'; did you mean '%s'? 'moongate --help' lists all"
                                  : "there is no verb '%s'; 'moongate --help' lists all",
                        word, nearest ? nearest->name : "");
}

static int take_option(mg_verb_context *v, int argc, char **argv, int *i) {
    const char *word = argv[*i];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t k = 0; v->verb->options && v->verb->options[k].name; k++) {
        const mg_option *o = &v->verb->options[k];
        if (strlen(o->name) != length || strncmp(o->name, word, length) != 0) continue;
        if (!o->value)
            v->values[k] = "";
        else if (equals)
            v->values[k] = equals + 1;
        else if (*i + 1 < argc)
            v->values[k] = argv[++*i];
        else
            return mg_verb_fail(2, "%s takes a value: %s", o->name, o->value);
        return 0;
    }
    return mg_verb_fail(2, "'%s' has no option '%s'; 'moongate %s --help' lists them", v->verb->name, word,
                        v->verb->name);
}

static int parse(mg_verb_context *v, int argc, char **argv, int first) {
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
            if (i + 1 == argc) return mg_verb_fail(2, "-c takes a file");
            v->config_path = mg_str_of(argv[++i]);
        } else if (strcmp(argv[i], "--json") == 0) {
            v->json = true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            int status = take_option(v, argc, argv, &i);
            if (status) return status;
        } else if (v->n_args < sizeof v->args / sizeof v->args[0]) {
            v->args[v->n_args++] = argv[i];
        } else {
            return mg_verb_fail(2, "too many arguments");
        }
    }
    return 0;
}

static bool asks_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void print_fault(void *arg, const mg_config_fault *f) {
    size_t *n = arg;
    (*n)++;
    if (f->line)
        fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
    else
        fprintf(stderr, "%.*s%s%.*s\n", MG_STR_ARG(f->file), f->file.n ? ": " : "", MG_STR_ARG(f->message));
}

static int load(mg_verb_context *v) {
    size_t faults = 0;
    mg_error error = {0};
    if (!v->config_path.p && access("moongate.lua", R_OK) == 0) v->config_path = MG_STR("moongate.lua");
    v->config = mg_config_load(v->config_path, print_fault, &faults);
    if (!v->config) return 2;
    v->plugins = mg_registry_create(mg_plugin_host());
    int bad = mg_registry_load(v->plugins, v->config->plugins, &error);
    size_t n;
    const mg_plugin_file *files = mg_registry_files(v->plugins, &n);
    for (size_t i = 0; i < n; i++)
        if (!files[i].plugin) fprintf(stderr, "%.*s: %.*s\n", MG_STR_ARG(files[i].path), MG_STR_ARG(files[i].fault));
    if (bad < 0) return mg_verb_fail(2, "%s", error.text);
    return 0;
}

static void unload(mg_verb_context *v) {
    if (v->plugins) mg_registry_destroy(v->plugins);
    if (v->config) mg_config_destroy(v->config);
}

int mg_app_main(int argc, char **argv) {
    int used = 0;
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("moongate " MOONGATE_VERSION);
        return 0;
    }
    mg_verb_context v = {.verb = find_verb(argc, argv, &used)};
    if (!v.verb && asks_help(argc, argv)) {
        print_usage(stdout);
        return 0;
    }
    if (!v.verb) return unknown_verb(argv[1]);
    if (asks_help(argc, argv)) {
        print_verb(v.verb);
        return 0;
    }
    int status = parse(&v, argc, argv, used + 1);
    if (!status && v.verb->needs_config) status = load(&v);
    if (!status) status = v.verb->run(&v);
    unload(&v);
    return status;
}
