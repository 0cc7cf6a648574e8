/* Policy files as they are read from a folder: refcounted and immutable, so that generations share what did not change. */
#ifndef MG_POLICY_SOURCE_H
#define MG_POLICY_SOURCE_H

#include "base/arena.h"
#include "policy/policy.h"

enum { MG_SOURCE_MAX = 256 << 10, MG_SOURCES_MAX = 20000 }; /* bytes of a file; files of a folder */

typedef enum mg_tier { MG_TIER_PLATFORM, MG_TIER_SHARED, MG_TIER_ORG } mg_tier;

typedef struct mg_source {
    int refs; /* atomic */
    mg_tier tier;
    mg_str path; /* relative to the folder: "orgs/acme/rate.lua" */
    mg_str name; /* "rate" */
    mg_str org; /* "acme", or "" */
    mg_str text;
    uint8_t sha256[32];
} mg_source;

/* In order of tier, organization and name. */
typedef struct mg_sources {
    mg_source **items;
    size_t n, cap;
} mg_sources;

typedef void (*mg_fault_fn)(void *arg, const mg_policy_fault *f);

/* The fault as one sentence: "orgs/acme/rate.lua:12: message". Returns MG_ERROR. */
mg_status mg_policy_fault_fail(const mg_policy_fault *f, mg_error *error);

/* A new source with one reference; copies everything. */
mg_source *mg_source_create(mg_tier tier, mg_str org, mg_str name, mg_str text);
mg_source *mg_source_ref(mg_source *s);
void mg_source_unref(mg_source *s);

/* Reads every policy of the folder, taking from `previous` (may be NULL) the sources whose bytes are the same. "" or a folder
 * that does not exist: the files built into the program. False after calling `fault` for each file that can't be read. */
bool mg_sources_read(mg_str folder, const mg_sources *previous, mg_sources *out, mg_fault_fn fault, void *arg);
void mg_sources_finish(mg_sources *s);

/* ---- the folder itself ------------------------------------------------------------------------------------------- */

typedef struct mg_folder_visitor {
    /* A folder that may hold policies, before its files; `path` ends with a 0. */
    void (*folder)(void *arg, const char *path);
    /* A policy file; `path` as above, `relative` to the folder that was walked. */
    void (*file)(void *arg, mg_tier tier, mg_str org, mg_str name, const char *path, const char *relative);
    mg_fault_fn fault; /* a name that can't be used, a folder that can't be read */
    void *arg;
} mg_folder_visitor;

/* Walks platform/, the folder, and orgs/ORG/. Functions may be NULL. False if the folder does not exist. */
bool mg_folder_walk(mg_str folder, const mg_folder_visitor *v);

#endif
