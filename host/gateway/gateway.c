/* What all workers share: the newest snapshot. */
#include "gateway/worker.h"

#include <pthread.h>

mg_snapshot *mg_gateway_snapshot(mg_gateway *g) {
    pthread_mutex_lock(&g->lock);
    mg_snapshot *s = g->snapshot ? mg_snapshot_ref(g->snapshot) : NULL;
    pthread_mutex_unlock(&g->lock);
    return s;
}

void mg_gateway_publish(mg_gateway *g, mg_snapshot *s) {
    pthread_mutex_lock(&g->lock);
    mg_snapshot *old = g->snapshot;
    __atomic_store_n(&g->snapshot, s, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&g->lock);
    mg_snapshot_unref(old);
}

mg_snapshot *mg_worker_snapshot(mg_worker *w) {
    /* Our own reference keeps the address from being used again, so equal pointers are the same snapshot. */
    if (__atomic_load_n(&w->gateway->snapshot, __ATOMIC_ACQUIRE) != w->snapshot) {
        mg_snapshot *newest = mg_gateway_snapshot(w->gateway);
        mg_snapshot_unref(w->snapshot);
        w->snapshot = newest;
    }
    return w->snapshot;
}
