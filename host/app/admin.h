/* The admin plane: health, metrics, and what operators ask of a running gateway. Runs on the main thread's loop. */
#ifndef MG_APP_ADMIN_H
#define MG_APP_ADMIN_H

#include "app/worker_thread.h"

typedef struct mg_admin mg_admin;

typedef struct mg_admin_options {
    mg_evloop *loop;
    mg_gateway *gateway;
    mg_reloader *reloader;
    mg_workers *workers;
    mg_listener *listener; /* attached as worker 0 */
    void *tls; /* SSL_CTX or NULL */
    mg_str token; /* bearer token of /admin/v1; borrowed */
    void (*reload)(
        void *arg); /* configuration and policies anew, as SIGHUP does; sets off the answer of POST …/reload */
    void *arg;
} mg_admin_options;

mg_admin *mg_admin_create(const mg_admin_options *o, mg_error *error);
void mg_admin_destroy(mg_admin *a);
/* /readyz says 503 from now on. */
void mg_admin_draining(mg_admin *a);

#endif
