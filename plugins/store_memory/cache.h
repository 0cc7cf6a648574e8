/* The cache: bytes by key with a time to live, bounded in bytes, least recently used out first. Sharded by the key's
 * hash; each shard has its share of the bytes, a mutex and a list of its own, so "least recently used" holds within
 * a shard. */
#ifndef STORE_MEMORY_CACHE_H
#define STORE_MEMORY_CACHE_H

#include <moongate/plugin.h>

typedef struct mg_cache mg_cache;
typedef struct mg_cache_value mg_cache_value; /* refcounted: a reader keeps it while it is replaced or evicted */

/* max_bytes covers keys, values and what each entry costs besides. NULL: out of memory. */
mg_cache *mg_cache_create(size_t max_bytes);
void mg_cache_destroy(mg_cache *c);
/* The value, or NULL if there is none. *ttl_ms: what is left, or -1 if it never ends. Release it afterwards. */
mg_cache_value *mg_cache_get(mg_cache *c, mg_str key, int64_t *ttl_ms);
mg_str mg_cache_text(const mg_cache_value *v);
void mg_cache_release(mg_cache_value *v);
/* Replaces what the key had. ttl_ms 0: until evicted. False: larger than a shard's share, or no memory; the key is then
 * gone, since an old value must not outlive a newer one. */
bool mg_cache_put(mg_cache *c, mg_str key, mg_str value, uint64_t ttl_ms);
bool mg_cache_erase(mg_cache *c, mg_str key); /* false: there was none */
size_t mg_cache_bytes(mg_cache *c); /* held now */

#endif
