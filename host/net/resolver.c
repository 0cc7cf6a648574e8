#include "net/resolver.h"

#include "base/clock.h"
#include "base/hash.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 256, HOST_MAX = 253, FRESH_MS = 30000, STALE_MS = 300000, FAILED_MS = 2000, NAMES = 1024 };

typedef struct entry {
    struct entry *next; /* in its bucket */
    struct entry *queued; /* in the thread's queue */
    bool waiting; /* in the queue, or being asked for: must not be freed */
    bool failed; /* the last query failed; `error` says why */
    uint64_t asked_ms; /* end of the last query */
    uint64_t good_ms; /* end of the last query that succeeded */
    mg_addresses addresses; /* of that one; n is 0 if there was none */
    mg_error error;
    mg_lookup *lookups;
    char host[HOST_MAX + 1];
} entry;

struct mg_lookup {
    mg_lookup *next;
    mg_resolver *resolver;
    mg_evloop *loop;
    entry *entry; /* NULL: the answer is on its way to the loop. Guarded by the resolver's lock */
    mg_resolved done; /* NULL: cancelled */
    void *arg;
    mg_addresses addresses;
    mg_error error;
};

struct mg_resolver {
    mg_resolver_settings settings;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool ending;
    entry *first, **last; /* queue of the thread */
    entry *buckets[BUCKETS];
    size_t names;
};

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void put_v4(mg_addresses *out, in_addr_t address) {
    out->at[out->n++] = (mg_address){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = address}};
}

static void put_v6(mg_addresses *out, const struct in6_addr *address) {
    out->at[out->n++] = (mg_address){.v6 = {.sin6_family = AF_INET6, .sin6_addr = *address}};
}

static bool is_literal(const char *host, mg_addresses *out) {
    struct in6_addr v6;
    struct in_addr v4;
    out->n = 0;
    if (inet_pton(AF_INET, host, &v4) == 1)
        put_v4(out, v4.s_addr);
    else if (inet_pton(AF_INET6, host, &v6) == 1)
        put_v6(out, &v6);
    else if (strcmp(host, "localhost") == 0) {
        put_v4(out, htonl(INADDR_LOOPBACK));
        put_v6(out, &in6addr_loopback);
    }
    return out->n > 0;
}

static const struct addrinfo *next_of(const struct addrinfo *a, int family) {
    while (a && a->ai_family != family) a = a->ai_next;
    return a;
}

/* Takes the families in turn, beginning with the one that the system prefers (RFC 8305, section 4). */
static void interleave(const struct addrinfo *list, mg_addresses *out) {
    int family = list->ai_family == AF_INET6 ? AF_INET6 : AF_INET;
    const struct addrinfo *mine = next_of(list, family),
                          *others = next_of(list, family == AF_INET6 ? AF_INET : AF_INET6);
    out->n = 0;
    while ((mine || others) && out->n < MG_ADDRESSES_MAX) {
        if (mine) {
            mg_address *a = &out->at[out->n++];
            *a = (mg_address){0};
            memcpy(a, mine->ai_addr, mine->ai_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4);
            mine = next_of(mine->ai_next, mine->ai_family);
        }
        const struct addrinfo *swap = mine;
        mine = others;
        others = swap;
    }
}

static mg_status ask_system(void *arg, const char *host, mg_addresses *out, mg_error *error) {
    (void)arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc != 0) return mg_fail(error, 502, "upstream_resolve", "the host name does not resolve: %s", gai_strerror(rc));
    interleave(list, out);
    freeaddrinfo(list);
    if (out->n == 0) return mg_fail(error, 502, "upstream_resolve", "the host name has no address");
    return MG_OK;
}

/* ---- cache; all under the lock ----------------------------------------------------------------------------------- */

static entry **bucket_of(mg_resolver *r, const char *host) { return &r->buckets[mg_hash64(mg_str_of(host)) % BUCKETS]; }

/* Frees the entry that was asked for longest ago, if any is idle. */
static void evict(mg_resolver *r) {
    entry **oldest = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (entry **e = &r->buckets[i]; *e; e = &(*e)->next) {
            if (!(*e)->waiting && (!oldest || (*e)->asked_ms < (*oldest)->asked_ms)) oldest = e;
        }
    }
    if (!oldest) return;
    entry *gone = *oldest;
    *oldest = gone->next;
    free(gone);
    r->names--;
}

/* The name's entry, a new one if need be; NULL if all are being asked for. */
static entry *find(mg_resolver *r, const char *host) {
    entry **bucket = bucket_of(r, host);
    for (entry *e = *bucket; e; e = e->next) {
        if (strcmp(e->host, host) == 0) return e;
    }
    if (r->names >= r->settings.names) evict(r);
    if (r->names >= r->settings.names) return NULL;
    bucket = bucket_of(r, host);
    entry *e = MG_NEW(entry);
    strcpy(e->host, host);
    e->next = *bucket;
    *bucket = e;
    r->names++;
    return e;
}

static void enqueue(mg_resolver *r, entry *e) {
    if (e->waiting) return;
    e->waiting = true;
    e->queued = NULL;
    *r->last = e;
    r->last = &e->queued;
    pthread_cond_signal(&r->work);
}

static bool is_fresh(const mg_resolver *r, const entry *e, uint64_t now) {
    uint64_t lasts = e->failed ? r->settings.failed_ms : r->settings.fresh_ms;
    return e->asked_ms && now - e->asked_ms < lasts;
}

static bool is_usable(const mg_resolver *r, const entry *e, uint64_t now) {
    return e->addresses.n && now - e->good_ms < r->settings.fresh_ms + r->settings.stale_ms;
}

static mg_lookup *wait_for(mg_resolver *r, entry *e, mg_evloop *loop, mg_resolved done, void *arg) {
    mg_lookup *l = MG_NEW(mg_lookup);
    *l = (mg_lookup){.next = e->lookups, .resolver = r, .loop = loop, .entry = e, .done = done, .arg = arg};
    e->lookups = l;
    return l;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* On the asking loop. */
static void deliver(void *arg) {
    mg_lookup *l = arg;
    if (l->done) l->done(l->arg, l->addresses.n ? &l->addresses : NULL, l->addresses.n ? NULL : &l->error);
    free(l);
}

/* Posts under the lock: a lookup not cancelled by then proves that its loop is alive. */
static void answer(const mg_resolver *r, entry *e, uint64_t now) {
    while (e->lookups) {
        mg_lookup *l = e->lookups;
        e->lookups = l->next;
        l->entry = NULL;
        if (is_usable(r, e, now))
            l->addresses = e->addresses;
        else
            l->error = e->error;
        if (!mg_evloop_post(l->loop, deliver, l)) l->done = NULL; /* the loop has ended: mg_lookup_cancel frees it */
    }
}

static void ask(mg_resolver *r, entry *e) {
    mg_addresses addresses = {0};
    mg_error error = {0};
    pthread_mutex_unlock(&r->lock);
    mg_status status = r->settings.query(r->settings.arg, e->host, &addresses, &error);
    uint64_t now = mg_clock_mono_ms();
    pthread_mutex_lock(&r->lock);
    e->waiting = false;
    e->asked_ms = now;
    e->failed = status != MG_OK || addresses.n == 0;
    if (e->failed) {
        e->error = error;
    } else {
        e->addresses = addresses;
        e->good_ms = now;
    }
    answer(r, e, now);
}

static void free_all(mg_resolver *r) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (r->buckets[i]) {
            entry *e = r->buckets[i];
            r->buckets[i] = e->next;
            free(e);
        }
    }
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void *work(void *arg) {
    mg_resolver *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->ending) {
        entry *e = r->first;
        if (!e) {
            pthread_cond_wait(&r->work, &r->lock);
            continue;
        }
        r->first = e->queued;
        if (!r->first) r->last = &r->first;
        ask(r, e);
    }
    pthread_mutex_unlock(&r->lock);
    free_all(r);
    return NULL;
}

mg_resolver *mg_resolver_create(const mg_resolver_settings *settings, mg_error *error) {
    mg_resolver *r = MG_NEW(mg_resolver);
    if (settings) r->settings = *settings;
    if (!r->settings.query) r->settings.query = ask_system;
    if (!r->settings.fresh_ms) r->settings.fresh_ms = FRESH_MS;
    if (!r->settings.stale_ms) r->settings.stale_ms = STALE_MS;
    if (!r->settings.failed_ms) r->settings.failed_ms = FAILED_MS;
    if (!r->settings.names) r->settings.names = NAMES;
    r->last = &r->first;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, work, r);
    if (rc != 0) {
        free_all(r);
        mg_fail(error, 500, "", "the resolver's thread can't be started: %s", strerror(rc));
        return NULL;
    }
    pthread_detach(thread);
    return r;
}

void mg_resolver_destroy(mg_resolver *r) {
    if (!r) return;
    /* The thread frees what it works on, when its query is over: getaddrinfo can't be interrupted. */
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

/* The one resolver of the process. A global, since workers and tools hold it without knowing of each other. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static mg_resolver *shared;
static size_t shared_holders;

mg_resolver *mg_resolver_hold(mg_error *error) {
    pthread_mutex_lock(&shared_lock);
    if (!shared) shared = mg_resolver_create(NULL, error);
    mg_resolver *r = shared;
    if (r) shared_holders++;
    pthread_mutex_unlock(&shared_lock);
    return r;
}

void mg_resolver_release(mg_resolver *r) {
    if (!r) return;
    pthread_mutex_lock(&shared_lock);
    if (--shared_holders == 0) {
        mg_resolver_destroy(shared);
        shared = NULL;
    }
    pthread_mutex_unlock(&shared_lock);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* The host without brackets, in lower case, terminated; false if it is too long or holds what no host name does. */
static bool host_name(mg_str host, char out[HOST_MAX + 1]) {
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') host = (mg_str){host.p + 1, host.n - 2};
    if (host.n == 0 || host.n > HOST_MAX) return false;
    for (size_t i = 0; i < host.n; i++) {
        if ((unsigned char)host.p[i] <= ' ' || host.p[i] == 0x7f) return false;
    }
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    out[host.n] = 0;
    return true;
}

mg_status mg_resolver_lookup(mg_resolver *r, mg_evloop *loop, mg_str host, mg_addresses *out, mg_resolved done,
                             void *arg, mg_lookup **lookup, mg_error *error) {
    char name[HOST_MAX + 1];
    *lookup = NULL;
    if (!host_name(host, name)) return mg_fail(error, 502, "upstream_resolve", "the URL's host is not a host name");
    if (is_literal(name, out)) return MG_OK;
    uint64_t now = mg_clock_mono_ms();
    pthread_mutex_lock(&r->lock);
    mg_status status = MG_AGAIN;
    entry *e = find(r, name);
    if (!e) {
        status = mg_fail(error, 503, "upstream_resolve", "too many host names wait for DNS");
    } else {
        if (!is_fresh(r, e, now)) enqueue(r, e);
        if (is_usable(r, e, now)) {
            *out = e->addresses;
            status = MG_OK;
        } else if (is_fresh(r, e, now)) {
            if (error) *error = e->error;
            status = MG_ERROR;
        } else {
            *lookup = wait_for(r, e, loop, done, arg);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

static bool unlink_waiting(mg_lookup *l) {
    if (!l->entry) return false;
    mg_lookup **at = &l->entry->lookups;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
    return true;
}

void mg_lookup_cancel(mg_lookup *l) {
    if (!l) return;
    mg_resolver *r = l->resolver;
    pthread_mutex_lock(&r->lock);
    bool mine = unlink_waiting(l) || !l->done;
    l->done = NULL; /* if it is on its way, `deliver` frees it */
    pthread_mutex_unlock(&r->lock);
    if (mine) free(l);
}
