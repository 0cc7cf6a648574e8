#include "net/upstream_curl_request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void set_url(mg_curl_request *q, CURL *easy, const mg_upstream_call *c) {
    const char *open = c->url.v6 ? "[" : "", *close = c->url.v6 ? "]" : "";
    mg_buf_clear(&q->url);
    mg_buf_printf(&q->url, "%s://%s" MG_STR_FMT "%s", c->url.tls ? "https" : "http", open, MG_STR_ARG(c->url.host),
                  close);
    if (c->url.port != (c->url.tls ? 443 : 80)) mg_buf_printf(&q->url, ":%u", c->url.port);
    mg_upstream_call_target(c, &q->url);
    mg_buf_add(&q->url, "", 1);
    curl_easy_setopt(easy, CURLOPT_URL, q->url.p);
}

/* Hands over the addresses, so that curl asks nobody: "host:port:address,address". */
static void set_addresses(mg_curl_request *q, CURL *easy, const mg_upstream_call *c, const mg_addresses *addresses) {
    char text[MG_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) + 300];
    int n = snprintf(text, sizeof text, MG_STR_FMT ":%u:", MG_STR_ARG(c->url.host), c->url.port);
    for (size_t i = 0; i < addresses->n; i++) {
        const mg_address *a = &addresses->at[i];
        bool v6 = a->any.sa_family == AF_INET6;
        char one[INET6_ADDRSTRLEN];
        inet_ntop(a->any.sa_family, v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, one,
                  sizeof one);
        n += snprintf(text + n, sizeof text - (size_t)n, v6 ? "%s[%s]" : "%s%s", i ? "," : "", one);
    }
    curl_slist_free_all(q->resolve);
    q->resolve = c->url.v6 ? NULL : curl_slist_append(NULL, text);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, q->resolve);
}

/* curl adds these by itself unless they are given; a name with a colon and nothing behind it suppresses one. */
static struct curl_slist *suppress(struct curl_slist *list, const mg_upstream_request *r) {
    static const char *const own[] = {"accept:", "user-agent:", "content-type:", "expect:"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        bool given = false;
        for (size_t j = 0; j < r->n_headers && !given; j++) {
            given = mg_str_ieq(r->headers[j].name, (mg_str){own[i], strlen(own[i]) - 1});
        }
        if (!given || mg_str_is(mg_str_of(own[i]), "expect:")) list = curl_slist_append(list, own[i]);
    }
    return list;
}

static void set_headers(mg_curl_request *q, CURL *easy, const mg_upstream_request *r) {
    struct curl_slist *list = suppress(NULL, r);
    mg_buf line = {0};
    for (size_t i = 0; i < r->n_headers; i++) {
        const mg_header *h = &r->headers[i];
        if (mg_upstream_owns_header(h->name)) continue;
        mg_buf_clear(&line);
        mg_buf_str(&line, h->name);
        mg_buf_str(&line, h->value.n ? MG_STR(": ") : MG_STR(";")); /* curl's way of writing an empty one */
        mg_buf_str(&line, h->value);
        mg_buf_add(&line, "", 1);
        list = curl_slist_append(list, line.p);
    }
    mg_buf_finish(&line);
    curl_slist_free_all(q->headers);
    q->headers = list;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

static void set_method(CURL *easy, const mg_upstream_call *c) {
    char method[33]; /* checked when the call was opened */
    snprintf(method, sizeof method, MG_STR_FMT, MG_STR_ARG(c->request.method));
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* forgets the last request's */
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (mg_upstream_wants_length(&c->request)) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL); /* the read function gives the body */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->request.body.n);
    }
    if (c->is_head)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_ca(CURL *easy, const mg_upstream_call *c) {
    if (!c->url.tls) return;
    mg_str file = c->request.ca_file;
    char *path = file.n ? mg_strndup(file.p, file.n) : NULL; /* NULL: the TLS function lends the system's store */
    curl_easy_setopt(easy, CURLOPT_CAINFO, path);
    free(path);
}

void mg_curl_request_set(mg_curl_request *q, CURL *easy, const mg_upstream_call *c, const mg_addresses *addresses) {
    set_url(q, easy, c);
    set_addresses(q, easy, c, addresses);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, c->request.public_only ? 1L : 0L);
    set_headers(q, easy, &c->request);
    set_method(easy, c);
    set_ca(easy, c);
}

void mg_curl_request_finish(mg_curl_request *q) {
    curl_slist_free_all(q->headers);
    curl_slist_free_all(q->resolve);
    mg_buf_finish(&q->url);
}
