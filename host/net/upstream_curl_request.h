/* A request in libcurl's options. Only host/net/upstream_curl*.c include this. */
#ifndef MG_NET_UPSTREAM_CURL_REQUEST_H
#define MG_NET_UPSTREAM_CURL_REQUEST_H

#include "net/upstream_call.h"
#include <curl/curl.h>

/* What an easy handle points to; a zeroed struct is ready. Lives until the handle was cleaned up. */
typedef struct mg_curl_request {
    struct curl_slist *headers, *resolve;
    mg_buf url;
} mg_curl_request;

/* Sets all options that differ from call to call, whatever the handle did before. The body comes by its read function. */
void mg_curl_request_set(mg_curl_request *q, CURL *easy, const mg_upstream_call *c, const mg_addresses *addresses);
void mg_curl_request_finish(mg_curl_request *q);

#endif
