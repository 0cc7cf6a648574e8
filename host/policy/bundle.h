/* Policy files that are loaded into one Lua state: the shared ones, or those of one organization with the shared files that
 * they replace phases of. Refcounted; immutable once its generation is published. */
#ifndef MG_POLICY_BUNDLE_H
#define MG_POLICY_BUNDLE_H

#include "gateway/phase.h"
#include "policy/settings.h"
#include "policy/source.h"

typedef struct mg_bundle_file {
    mg_source *source;
    int replaces; /* index of the file that it sees as `default`, or -1 */
    /* Learned when the bundle was checked: */
    unsigned phases; /* 1 << mg_phase */
    size_t window; /* characters, for `reply` on streams; 0: only the whole */
    mg_policy_settings settings;
} mg_bundle_file;

typedef struct mg_bundle {
    int refs; /* atomic */
    mg_arena *arena;
    mg_str org; /* "" for the shared one */
    const mg_json *settings; /* the organization's, by policy name; NULL: none, and always in the shared one */
    uint64_t settings_id; /* 0: none */
    uint8_t fingerprint[32]; /* of paths, bytes and settings: equal means that a live state may go on */
    mg_bundle_file *files;
    size_t n;
} mg_bundle;

/* Sources are referenced; `settings` is copied by way of its text (may be empty). */
mg_bundle *mg_bundle_create(mg_str org, mg_source *const *sources, const int *replaces, size_t n, mg_str settings_text);
mg_bundle *mg_bundle_ref(mg_bundle *b);
void mg_bundle_unref(mg_bundle *b);

#endif
