#include "plugin/descriptor.h"

#include "plugin/registry.h"
#include "plugin/settings.h"

enum { NAME_MAX_BYTES = 64 };

/* An operation that a kind can't do without: where its function pointer stands in the struct of operations. */
typedef struct operation {
    const char *name;
    size_t offset;
} operation;

typedef struct kind {
    const char *name;
    size_t size; /* of the operations' first published version */
    const operation *operations;
} kind;

#define OPERATION(type, field)                                                                                         \
    { #field, offsetof(type, field) }

static const operation provider_operations[] = {
    OPERATION(mg_provider, encode), OPERATION(mg_provider, decode), OPERATION(mg_provider, classify), {NULL, 0}};
static const operation store_operations[] = {
    OPERATION(mg_store, get),    OPERATION(mg_store, put),  OPERATION(mg_store, erase),  OPERATION(mg_store, take),
    OPERATION(mg_store, adjust), OPERATION(mg_store, read), OPERATION(mg_store, cancel), {NULL, 0}};
static const operation ledger_operations[] = {OPERATION(mg_ledger, migrate),
                                              OPERATION(mg_ledger, write),
                                              OPERATION(mg_ledger, run),
                                              OPERATION(mg_ledger, version),
                                              {NULL, 0}};
static const operation detector_operations[] = {OPERATION(mg_detector, scan), {NULL, 0}};
static const operation embedder_operations[] = {
    OPERATION(mg_embedder, embed), OPERATION(mg_embedder, cancel), {NULL, 0}};

#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

static const kind kinds[] = {
    [MG_KIND_PROVIDER] = {"provider", END_OF(mg_provider, answer), provider_operations},
    [MG_KIND_STORE] = {"store", END_OF(mg_store, cancel), store_operations},
    [MG_KIND_LEDGER] = {"ledger", END_OF(mg_ledger, version), ledger_operations},
    [MG_KIND_DETECTOR] = {"detector", END_OF(mg_detector, scan), detector_operations},
    [MG_KIND_EMBEDDER] = {"embedder", END_OF(mg_embedder, cancel), embedder_operations},
};

const char *mg_plugin_kind_name(uint32_t k) {
    return k > 0 && k < sizeof kinds / sizeof kinds[0] ? kinds[k].name : "unknown";
}

static bool name_valid(const char *name) {
    size_t n = strnlen(name, NAME_MAX_BYTES + 1);
    if (n == 0 || n > NAME_MAX_BYTES || name[0] < 'a' || name[0] > 'z') return false;
    for (size_t i = 1; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_')) return false;
    return true;
}

static mg_status identity_check(const mg_plugin *p, mg_error *error) {
    if (!p->name) return mg_fail(error, 0, "bad_plugin", "its descriptor has no name: set mg_plugin.name");
    if (!name_valid(p->name))
        return mg_fail(error, 0, "bad_plugin", "its name is not [a-z][a-z0-9_]* of at most %d bytes", NAME_MAX_BYTES);
    if (p->kind < MG_KIND_PROVIDER || p->kind > MG_KIND_EMBEDDER)
        return mg_fail(error, 0, "bad_plugin", "'%s' is of the unknown kind %u: set mg_plugin.kind", p->name, p->kind);
    if (!p->version || !p->doc)
        return mg_fail(error, 0, "bad_plugin", "%s '%s' has no version or no doc: set both in mg_plugin",
                       kinds[p->kind].name, p->name);
    return MG_OK;
}

static mg_status operations_check(const mg_plugin *p, mg_error *error) {
    const kind *k = &kinds[p->kind];
    size_t size;
    if (!p->ops)
        return mg_fail(error, 0, "bad_plugin", "%s '%s' has no operations: set mg_plugin.ops", k->name, p->name);
    memcpy(&size, p->ops, sizeof size);
    if (size < k->size)
        return mg_fail(error, 0, "bad_plugin",
                       "the operations of %s '%s' are %zu bytes long and need %zu: set their size to sizeof(mg_%s)",
                       k->name, p->name, size, k->size, k->name);
    for (const operation *o = k->operations; o->name; o++) {
        void (*function)(void);
        memcpy(&function, (const char *)p->ops + o->offset, sizeof function);
        if (!function)
            return mg_fail(error, 0, "bad_plugin", "%s '%s' lacks the operation '%s'", k->name, p->name, o->name);
    }
    return MG_OK;
}

static mg_status life_check(const mg_plugin *p, mg_error *error) {
    const char *name = kinds[p->kind].name;
    if (!p->open || !p->close)
        return mg_fail(error, 0, "bad_plugin", "%s '%s' lacks %s", name, p->name, p->open ? "close" : "open");
    if (!p->attach != !p->detach)
        return mg_fail(error, 0, "bad_plugin", "%s '%s' has only one of attach and detach", name, p->name);
    return MG_OK;
}

static mg_status detector_check(const mg_plugin *p, mg_error *error) {
    const mg_detector *d = p->ops;
    if (!d->types || d->n_types == 0 || d->n_types > 64)
        return mg_fail(error, 0, "bad_plugin", "detector '%s' has to have 1 to 64 types", p->name);
    for (size_t i = 0; i < d->n_types; i++)
        if (!d->types[i].name || !name_valid(d->types[i].name) || d->types[i].longest == 0 ||
            (unsigned)d->types[i].severity > MG_SEVERITY_CRITICAL)
            return mg_fail(error, 0, "bad_plugin",
                           "type %zu of detector '%s' has no valid name, severity or longest span", i, p->name);
    return MG_OK;
}

/* What a kind's fields have to hold beside functions. */
static mg_status fields_check(const mg_plugin *p, mg_error *error) {
    if (p->kind == MG_KIND_DETECTOR) return detector_check(p, error);
    if (p->kind == MG_KIND_PROVIDER && (unsigned)((const mg_provider *)p->ops)->framing > MG_FRAMING_RAW)
        return mg_fail(error, 0, "bad_plugin", "provider '%s' has an unknown framing", p->name);
    if (p->kind == MG_KIND_EMBEDDER && ((const mg_embedder *)p->ops)->dimensions == 0)
        return mg_fail(error, 0, "bad_plugin", "embedder '%s' has no dimensions", p->name);
    return MG_OK;
}

mg_status mg_descriptor_check(const mg_plugin *p, mg_error *error) {
    mg_error inner;
    mg_status status;
    if (!p) return mg_fail(error, 0, "bad_plugin", "its function " MG_PLUGIN_SYMBOL " returned no descriptor");
    if (p->abi != MG_PLUGIN_ABI)
        return mg_fail(error, 0, "bad_plugin",
                       "it speaks plugin ABI %u and this host %u: build it with this host's header", p->abi,
                       MG_PLUGIN_ABI);
    if (!MG_COVERS(p, mg_plugin, detach))
        return mg_fail(error, 0, "bad_plugin",
                       "its descriptor is %zu bytes long and needs %zu: set mg_plugin.size to sizeof(mg_plugin)",
                       p->size, END_OF(mg_plugin, detach));
    if ((status = identity_check(p, error)) != MG_OK) return status;
    if ((status = operations_check(p, error)) != MG_OK) return status;
    if ((status = life_check(p, error)) != MG_OK) return status;
    if ((status = fields_check(p, error)) != MG_OK) return status;
    if (mg_setting_table_check(p->settings, &inner) != MG_OK)
        return mg_fail(error, 0, "bad_plugin", "the settings table of %s '%s' is at fault: %s", kinds[p->kind].name,
                       p->name, inner.text);
    return MG_OK;
}
