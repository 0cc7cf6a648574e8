/* Loading plugins: every .so of a folder, its descriptor checked before any operation is called, found by kind and
 * name. A registry has no lock: its owner loads from one thread at a time, with no reader meanwhile. */
#ifndef MG_PLUGIN_REGISTRY_H
#define MG_PLUGIN_REGISTRY_H

#include "base/arena.h"
#include "net/loop.h"

typedef struct mg_registry mg_registry;

typedef struct mg_plugin_file {
    mg_str path;
    const mg_plugin *plugin; /* NULL: refused, and `fault` says why */
    mg_str fault;
} mg_plugin_file;

/* `host` is borrowed and outlives the registry. */
mg_registry *mg_registry_create(const mg_host *host);
/* Unloads nothing: code of a plugin stays mapped until the process ends. NULL is fine. */
void mg_registry_destroy(mg_registry *r);
/* Loads every *.so of the folder in order of name; files known already are skipped, refused ones unless they changed
 * since. Returns the number of files that were refused by this call (missing symbol, wrong ABI, short struct, missing
 * operation, duplicate name, …), or -1 if the folder can't be read. Faults are sentences that name the file and the
 * mend. A struct longer than this host knows is no fault. */
int mg_registry_load(mg_registry *r, mg_str folder, mg_error *error);
/* All files seen, in order; borrowed until the next load. */
const mg_plugin_file *mg_registry_files(const mg_registry *r, size_t *n);
const mg_plugin *mg_registry_find(const mg_registry *r, mg_plugin_kind kind, mg_str name);
/* The known name nearest to `name` (for "did you mean"), or {NULL,0}. */
mg_str mg_registry_nearest(const mg_registry *r, mg_plugin_kind kind, mg_str name);
const char *mg_plugin_kind_name(uint32_t kind); /* "provider", … */
const mg_host *mg_registry_host(const mg_registry *r);

/* One use of a plugin in the configuration: its shared handle and one instance a worker. Refcounted: snapshots share
 * it. */
typedef struct mg_use mg_use;
struct mg_setting_values; /* plugin/settings.h */

/* Opens the plugin with these settings (owned from here on, also on failure). NULL and an error, never without a text,
 * when it refuses. */
mg_use *mg_use_open(const mg_host *host, const mg_plugin *plugin, struct mg_setting_values *values, size_t workers,
                    mg_error *error);
mg_use *mg_use_ref(mg_use *u);
/* With the last reference instances are detached on their workers, then the plugin's handle is closed. Their loops must not
 * have been destroyed; once they are stopped, instances must have been detached. */
void mg_use_unref(mg_use *u);
const mg_plugin *mg_use_plugin(const mg_use *u);
const void *mg_use_ops(const mg_use *u);
/* The settings that it was opened with, to compare with others; live as long as the use. */
const struct mg_setting_values *mg_use_values(const mg_use *u);
/* The worker's instance, attached when first asked for, on that worker's thread. NULL and an error if attach
 * refuses. */
void *mg_use_self(mg_use *u, size_t worker, mg_evloop *loop, mg_error *error);
void *mg_use_shared(mg_use *u); /* ledgers */
/* Detaches worker's instance, on its thread, before its loop ends; nothing if it was never attached. */
void mg_use_detach(mg_use *u, size_t worker);
/* True if `size` of a struct that a plugin wrote covers the field. */
#define MG_COVERS(ptr, type, field) ((ptr)->size >= offsetof(type, field) + sizeof(((type *)0)->field))

#endif
