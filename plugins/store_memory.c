/* The memory store: cache and counters inside the process, shared by all workers. Every operation completes inside its
 * call, so there is never anything to cancel. */
#include <moongate/plugin.h>

#include "store_memory/cache.h"
#include "store_memory/counters.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct shared_store {
    mg_cache *cache;
    mg_counters *counters;
} shared_store;

/* One worker's instance. */
typedef struct store {
    shared_store *shared;
    const mg_loop *loop;
} store;

static void complete(const store *s, mg_token token, mg_store_result result) {
    result.size = sizeof result;
    s->loop->store_complete(s->loop->ctx, token, &result);
}

static void store_get(void *self, mg_str key, mg_token token) {
    store *s = self;
    int64_t ttl_ms = -1;
    mg_cache_value *v = mg_cache_get(s->shared->cache, key, &ttl_ms);
    if (v)
        complete(s, token, (mg_store_result){.status = MG_OK, .value = mg_cache_text(v), .ttl_ms = ttl_ms});
    else
        complete(s, token, (mg_store_result){.status = MG_DECLINED, .ttl_ms = -1});
    mg_cache_release(v);
}

static void store_put(void *self, mg_str key, mg_str value, uint64_t ttl_ms, mg_token token) {
    store *s = self;
    bool kept = mg_cache_put(s->shared->cache, key, value, ttl_ms);
    complete(s, token, (mg_store_result){.status = kept ? MG_OK : MG_DECLINED});
}

static void store_erase(void *self, mg_str key, mg_token token) {
    store *s = self;
    bool found = mg_cache_erase(s->shared->cache, key);
    complete(s, token, (mg_store_result){.status = found ? MG_OK : MG_DECLINED});
}

static void store_take(void *self, const mg_counter *counters, size_t n, mg_token token) {
    store *s = self;
    mg_counter_state states[MG_COUNTERS_A_CALL];
    mg_error error = {0};
    size_t refused = 0;
    mg_status status = mg_counters_take(s->shared->counters, counters, n, states, &refused, &error);
    complete(s, token,
             (mg_store_result){.status = status,
                               .states = status == MG_ERROR ? NULL : states,
                               .n_states = status == MG_ERROR ? 0 : n,
                               .refused = refused,
                               .error = status == MG_ERROR ? &error : NULL});
}

static void store_adjust(void *self, const mg_counter *counters, const uint64_t *buckets, size_t n, mg_token token) {
    store *s = self;
    mg_error error = {0};
    mg_status status = mg_counters_adjust(s->shared->counters, counters, buckets, n, &error);
    complete(s, token, (mg_store_result){.status = status, .error = status == MG_ERROR ? &error : NULL});
}

static void store_read(void *self, const mg_counter *counters, size_t n, mg_token token) {
    store *s = self;
    mg_counter_state states[MG_COUNTERS_A_CALL];
    mg_error error = {0};
    mg_status status = mg_counters_read(s->shared->counters, counters, n, states, &error);
    complete(s, token,
             (mg_store_result){.status = status,
                               .states = status == MG_OK ? states : NULL,
                               .n_states = status == MG_OK ? n : 0,
                               .error = status == MG_OK ? NULL : &error});
}

static void store_cancel(void *self, mg_token token) {
    (void)self;
    (void)token;
}

static void store_close(void *handle) {
    shared_store *s = handle;
    if (!s) return;
    mg_cache_destroy(s->cache);
    mg_counters_destroy(s->counters);
    free(s);
}

static void *refuse(mg_error *error, const char *text) {
    snprintf(error->text, sizeof error->text, "%s", text);
    return NULL;
}

static void *store_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)host;
    int64_t bytes = settings->integer(settings->ctx, "max_bytes");
    int64_t counters = settings->integer(settings->ctx, "max_counters");
    if (bytes < 1 << 16) return refuse(error, "max_bytes must be at least 64KB");
    if (counters < 1 || counters > 1 << 30) return refuse(error, "max_counters must be between 1 and 1073741824");
    shared_store *s = calloc(1, sizeof *s);
    if (!s) return refuse(error, "no memory for the store");
    s->cache = mg_cache_create((size_t)bytes);
    s->counters = mg_counters_create((size_t)counters);
    if (s->cache && s->counters) return s;
    store_close(s);
    return refuse(error, "no memory for the store");
}

static void *store_attach(void *shared, const mg_loop *loop, mg_error *error) {
    store *s = calloc(1, sizeof *s);
    if (!s) return refuse(error, "no memory for a worker's store");
    *s = (store){.shared = shared, .loop = loop};
    return s;
}

static void store_detach(void *self) { free(self); }

static const mg_setting store_settings[] = {
    {"max_bytes", MG_SETTING_BYTES, "256MB", false, "memory for cached values; the least recently used go first"},
    {"max_counters", MG_SETTING_INTEGER, "262144", false,
     "counters held at most, about 1.2 KB each; idle ones are freed by themselves"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL},
};

static const mg_store store_ops = {
    .size = sizeof(mg_store),
    .get = store_get,
    .put = store_put,
    .erase = store_erase,
    .take = store_take,
    .adjust = store_adjust,
    .read = store_read,
    .cancel = store_cancel,
};

static const mg_plugin store_plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_STORE,
    .size = sizeof(mg_plugin),
    .name = "memory",
    .version = MOONGATE_VERSION,
    .doc = "Cache and counters in this process's memory, shared by its workers.",
    .settings = store_settings,
    .ops = &store_ops,
    .open = store_open,
    .close = store_close,
    .attach = store_attach,
    .detach = store_detach,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
const mg_plugin *moongate_plugin(void) { return &store_plugin; }
