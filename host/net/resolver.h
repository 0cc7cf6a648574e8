/* Host names to addresses: getaddrinfo on a thread of its own, so that no worker waits for DNS, with a bounded cache.
 *
 * A name is fresh for 30 s. After that its old addresses are still given, while the thread asks again, for up to 5 minutes
 * more: a slow or failing DNS server delays no request to a name that was known. A failure counts for 2 s. */
#ifndef MG_NET_RESOLVER_H
#define MG_NET_RESOLVER_H

#include "net/loop.h"
#include <netinet/in.h>
#include <sys/socket.h>

enum { MG_ADDRESSES_MAX = 8 };

typedef union mg_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} mg_address;

typedef struct mg_addresses {
    size_t n;
    mg_address at[MG_ADDRESSES_MAX]; /* in the order to try: IPv6 and IPv4 take turns; ports are 0 */
} mg_addresses;

static inline socklen_t mg_address_size(const mg_address *a) {
    return a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
}

typedef struct mg_resolver mg_resolver;
typedef struct mg_lookup mg_lookup; /* a question that waits; gone after `done` or cancel */

typedef struct mg_resolver_settings {
    /* Blocking; on the resolver's thread. MG_ERROR: no addresses, `error` says why. NULL: getaddrinfo. */
    mg_status (*query)(void *arg, const char *host, mg_addresses *out, mg_error *error);
    void *arg; /* outlives the resolver's last query, which mg_resolver_destroy does not wait for */
    uint64_t fresh_ms, stale_ms, failed_ms; /* 0: 30 s, 5 minutes, 2 s */
    size_t names;                           /* in the cache; 0: 1,024 */
} mg_resolver_settings;

/* Starts the thread. settings may be NULL. NULL and an error if no thread can be had. */
mg_resolver *mg_resolver_create(const mg_resolver_settings *settings, mg_error *error);
/* Only after all its lookups are done or cancelled. Does not wait for a query under way. NULL is fine. */
void mg_resolver_destroy(mg_resolver *r);

/* The process's resolver: started by the first mg_resolver_hold, ended by the last mg_resolver_release. Any thread. */
mg_resolver *mg_resolver_hold(mg_error *error);
void mg_resolver_release(mg_resolver *r); /* NULL is fine */

/* Called on the asking loop. addresses is NULL if there are none, and then error says why; both borrowed. */
typedef void (*mg_resolved)(void *arg, const mg_addresses *addresses, const mg_error *error);

/* MG_OK: *out is the answer (a literal address, with or without brackets, "localhost", or from the cache). MG_ERROR: the
 * name is known to fail, or is no host name. MG_AGAIN: *lookup waits, and done(arg, …) follows on the loop's thread, never
 * before this returns. Loop thread only; `host` is borrowed during the call. */
mg_status mg_resolver_lookup(mg_resolver *r, mg_evloop *loop, mg_str host, mg_addresses *out, mg_resolved done, void *arg,
                             mg_lookup **lookup, mg_error *error);
/* `done` does not follow. The asking loop's thread; before the loop is destroyed. NULL is fine. */
void mg_lookup_cancel(mg_lookup *l);

#endif
