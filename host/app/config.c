#include "app/config.h"

#include "app/config_listen.h"
#include "app/config_models.h"
#include "app/config_organizations.h"
#include "app/config_run.h"
#include "app/config_use.h"
#include "app/settings.h"
#include "base/money.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- faults and notes -------------------------------------------------------------------------------------------- */

typedef struct fault_list {
    mg_arena *arena;
    mg_config_fault *v;
    size_t n, room;
} fault_list;

typedef struct loading {
    fault_list faults, notes;
} loading;

static void append(fault_list *l, const mg_config_fault *f) {
    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 8;
        mg_config_fault *more = mg_arena_alloc(l->arena, l->room * sizeof *more);
        if (l->n) memcpy(more, l->v, l->n * sizeof *more);
        l->v = more;
    }
    l->v[l->n++] = *f; /* its strings live in the same arena */
}

static void keep_fault(void *arg, const mg_config_fault *f) { append(&((loading *)arg)->faults, f); }
static void keep_note(void *arg, const mg_config_fault *f) { append(&((loading *)arg)->notes, f); }

/* Faults are found in the order of the checks, and told in the order of the lines (insertion sort keeps equal ones). */
static void tell(const fault_list *l, mg_config_faults fault, void *arg) {
    for (size_t i = 1; i < l->n; i++) {
        mg_config_fault f = l->v[i];
        size_t k = i;
        for (; k > 0 && mg_str_eq(l->v[k - 1].file, f.file) && l->v[k - 1].line > f.line; k--) l->v[k] = l->v[k - 1];
        l->v[k] = f;
    }
    for (size_t i = 0; i < l->n && fault; i++) fault(arg, &l->v[i]);
}

/* ---- what the table of settings leaves to this file -------------------------------------------------------------- */

static void read_log_level(const mg_json *root, mg_config *c) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    mg_str text = mg_json_text(mg_config_at(root, "log.level"));
    c->log_level = MG_LOG_INFO;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mg_str_is(text, names[i])) c->log_level = (mg_log_level)i;
}

static void read_unpriced(const mg_json *root, mg_config *c) {
    const mg_json *v = mg_config_at(root, "prices.unknown_usd_per_million");
    c->unpriced_nano_per_million = mg_json_kind(v) == MG_JSON_STRING ? -1 : mg_money_from_usd(mg_json_number(v, 75));
}

/* Of the type that the table of settings asks for: if not, it has said so already. */
static bool is_listen(const mg_json *v) { return mg_json_kind(v) == MG_JSON_STRING || mg_config_is_table(v); }

static void read_listen(const mg_json *root, mg_config *c, mg_config_report *r) {
    const mg_json *data = mg_config_at(root, "listen"), *admin = mg_config_at(root, "admin.listen");
    c->admin.address = MG_STR("127.0.0.1:8081");
    if (is_listen(admin)) mg_config_listener_read(admin, MG_STR("admin.listen"), c->arena, r, &c->admin);
    if (is_listen(data)) {
        c->listen = mg_config_listeners_read(data, MG_STR("listen"), c->arena, r, &c->n_listen);
        return;
    }
    c->listen = MG_ARENA_NEW(c->arena, mg_config_listener);
    c->listen->address = MG_STR("127.0.0.1:8080");
    c->n_listen = 1;
}

static bool is_network(mg_str text) {
    char host[INET6_ADDRSTRLEN];
    uint8_t address[16];
    int64_t bits = 0;
    size_t slash = mg_str_find(text, '/');
    bool v6 = mg_str_find(text, ':') < text.n;
    if (slash >= sizeof host) return false;
    memcpy(host, text.p, slash);
    host[slash] = 0;
    if (slash < text.n && (!mg_str_int(mg_str_skip(text, slash + 1), &bits) || bits < 0 || bits > (v6 ? 128 : 32)))
        return false;
    return inet_pton(v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

static void check_proxies(const mg_json *root, const mg_config *c, mg_config_report *r) {
    const mg_json *v = mg_config_at(root, "trusted_proxies");
    for (size_t i = 0; i < c->n_trusted_proxies; i++)
        if (!is_network(c->trusted_proxies[i]))
            mg_config_fault_at(
                r, v, "'trusted_proxies': '" MG_STR_FMT "' is neither an address nor a network such as 10.0.0.0/8",
                MG_STR_ARG(mg_str_cut(c->trusted_proxies[i], 60)));
    if (c->n_trusted_proxies) mg_config_warn_at(r, v, "'trusted_proxies' is not used yet");
}

static void check_circuit(const mg_json *root, const mg_config *c, mg_config_report *r) {
    const mg_json *most = mg_config_at(root, "circuit.open_max"), *first = mg_config_at(root, "circuit.open");
    if (c->circuit.open_max_ms < c->circuit.open_ms && (most || first))
        mg_config_fault_at(r, most ? most : first, "'circuit.open_max' must be at least 'circuit.open': %.9g seconds",
                           (double)c->circuit.open_ms / 1000);
}

static void check_rest(const mg_json *root, const mg_config *c, mg_config_report *r) {
    const mg_json *alerts = mg_config_at(root, "alerts"), *smtp = mg_config_at(root, "alerts.smtp");
    if (alerts && alerts->child && (smtp || mg_config_at(alerts, "webhook") || mg_config_at(alerts, "slack")))
        mg_config_warn_at(r, alerts, "'alerts' are not sent yet");
    if (smtp && smtp->type != MG_JSON_STRING && smtp->type != MG_JSON_OBJECT)
        mg_config_fault_at(r, smtp, "'alerts.smtp' must be a string or a table, got %s", mg_config_type(smtp));
    if (c->admin_token.n > 127)
        mg_config_fault_at(r, mg_config_at(root, "admin.token"), "'admin.token' is longer than 127 bytes");
    check_proxies(root, c, r);
    check_circuit(root, c, r);
}

/* "plugins" beside the program, or where an installation puts it; a relative path starts at the program's folder. */
static mg_str plugin_folder(mg_arena *arena, const mg_json *given) {
    static const char *const places[] = {"plugins", "../lib/moongate/plugins"};
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    mg_str self = mg_str_from(program, n > 0 ? (size_t)n : 0);
    if (given) return mg_config_beside(arena, self, given->str);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        mg_str folder = mg_config_beside(arena, self, mg_str_of(places[i]));
        if (access(folder.p, R_OK) == 0) return folder;
    }
    return mg_config_beside(arena, self, mg_str_of(places[0]));
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Organizations are read twice: here for their faults, and by the snapshot for itself. */
static void check_organizations(const mg_json *table, mg_config_report *r) {
    mg_arena *scratch = mg_arena_create(16 * 1024);
    mg_config_orgs orgs;
    mg_config_orgs_read(table, 0, 0, scratch, r, &orgs);
    mg_arena_destroy(scratch);
}

static const mg_json *object_of(const mg_json *root, const char *key, mg_arena *arena) {
    const mg_json *v = mg_config_member(root, key);
    return mg_json_kind(v) == MG_JSON_OBJECT ? v : &mg_config_node_new(arena, MG_JSON_OBJECT, NULL)->json;
}

static void read_all(const mg_json *root, mg_config *c, mg_config_report *r) {
    mg_host_settings_check(root, r);
    mg_host_settings_read(root, c);
    const mg_json *plugins = mg_config_at(root, "plugins");
    c->plugins = plugin_folder(c->arena, mg_json_kind(plugins) == MG_JSON_STRING ? plugins : NULL);
    c->policy.folder = c->policies;
    read_log_level(root, c);
    read_unpriced(root, c);
    read_listen(root, c, r);
    check_rest(root, c, r);
    mg_config_uses_read(root, c, r);
    c->models = object_of(root, "models", c->arena);
    c->organizations = object_of(root, "organizations", c->arena);
    mg_config_models_check(c->models, r);
    check_organizations(c->organizations, r);
}

static const mg_json *run_file(mg_config *c, mg_config_report *r) {
    mg_config_run run = {.arena = c->arena, .report = r};
    const mg_json *root = NULL;
    mg_config_run_file(&run, c->file, &root);
    c->files = mg_arena_alloc(c->arena, (run.n_watched + 1) * sizeof *c->files);
    memcpy(c->files, run.watched, run.n_watched * sizeof *c->files);
    c->n_files = run.n_watched;
    return root;
}

mg_config *mg_config_load(mg_str path, mg_config_faults fault, void *arg) {
    mg_arena *arena = mg_arena_create(16 * 1024);
    mg_config *c = MG_ARENA_NEW(arena, mg_config);
    loading l = {.faults.arena = arena, .notes.arena = arena};
    c->arena = arena;
    c->file = path.p ? mg_arena_dup(arena, path) : MG_STR("");
    mg_config_report r = {.fault = keep_fault, .warn = keep_note, .arg = &l, .arena = arena, .file = c->file};
    const mg_json *root = path.p ? run_file(c, &r) : NULL;
    read_all(root ? root : &mg_config_node_new(arena, MG_JSON_OBJECT, NULL)->json, c, &r);
    c->notes = l.notes.v;
    c->n_notes = l.notes.n;
    if (!r.n) return c;
    tell(&l.faults, fault, arg);
    mg_config_destroy(c);
    return NULL;
}

void mg_config_destroy(mg_config *c) {
    if (c) mg_arena_destroy(c->arena);
}

const char *mg_config_fixed_change(const mg_config *before, const mg_config *after) {
    if (!mg_config_listeners_equal(before->listen, before->n_listen, after->listen, after->n_listen)) return "listen";
    if (!mg_config_listeners_equal(&before->admin, 1, &after->admin, 1)) return "admin.listen";
    if (!mg_config_use_equal(&before->ledger, &after->ledger)) return "ledger";
    return mg_host_settings_fixed_change(before, after);
}
