#include "sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { DIGEST = 32, SCOPE_MAX = 160 };

typedef struct hash {
    EVP_MD_CTX *context;
    bool failed;
} hash;

static mg_str text(const char *z) { return (mg_str){z, strlen(z)}; }

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

static void hash_begin(hash *h) {
    h->context = EVP_MD_CTX_new();
    h->failed = !h->context || !EVP_DigestInit_ex(h->context, EVP_sha256(), NULL);
}

static void hash_add(hash *h, mg_str bytes) {
    if (bytes.n && !h->failed) h->failed = !EVP_DigestUpdate(h->context, bytes.p, bytes.n);
}

static void hex(const unsigned char *bytes, char out[2 * DIGEST + 1]) {
    for (int i = 0; i < DIGEST; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static bool hash_end(hash *h, char out[2 * DIGEST + 1]) {
    unsigned char digest[DIGEST] = {0};
    bool ok = !h->failed && EVP_DigestFinal_ex(h->context, digest, NULL);
    EVP_MD_CTX_free(h->context);
    hex(digest, out);
    return ok;
}

static bool mac(const void *key, size_t n, mg_str data, unsigned char out[DIGEST]) {
    return HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)data.p, data.n, out, NULL) != NULL;
}

/* ---- the canonical request --------------------------------------------------------------------------------------- */

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

/* "%3A" becomes "%253A": whoever verifies escapes the path that it got. */
static void path_add(hash *h, mg_str path) {
    char escaped[4];
    if (!path.n) hash_add(h, text("/"));
    for (size_t i = 0; i < path.n; i++) {
        bool plain = is_unreserved(path.p[i]) || path.p[i] == '/';
        snprintf(escaped, sizeof escaped, "%%%02X", (unsigned char)path.p[i]);
        hash_add(h, plain ? (mg_str){path.p + i, 1} : text(escaped));
    }
}

static int bytes_compare(mg_str a, mg_str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Parameters in their order by name, then by value; they are escaped already. */
static int parameter_compare(const void *a, const void *b) {
    const mg_header *x = a, *y = b;
    int order = bytes_compare(x->name, y->name);
    return order ? order : bytes_compare(x->value, y->value);
}

static bool query_add(hash *h, mg_str query) {
    mg_header parameters[SIGV4_HEADERS];
    size_t n = 0;
    while (query.n) {
        const char *end = memchr(query.p, '&', query.n);
        mg_str one = {query.p, end ? (size_t)(end - query.p) : query.n};
        const char *equals = one.n ? memchr(one.p, '=', one.n) : NULL;
        size_t name = equals ? (size_t)(equals - one.p) : one.n, skip = one.n + (end != NULL);
        if (n == SIGV4_HEADERS) return false;
        parameters[n++] =
            (mg_header){{one.p, name}, {one.p + name + (equals != NULL), one.n - name - (equals != NULL)}};
        query = (mg_str){query.p + skip, query.n - skip};
    }
    qsort(parameters, n, sizeof *parameters, parameter_compare);
    for (size_t i = 0; i < n; i++) {
        if (i) hash_add(h, text("&"));
        hash_add(h, parameters[i].name);
        hash_add(h, text("="));
        hash_add(h, parameters[i].value);
    }
    return true;
}

/* Without white space around it, and one space for several. */
static void value_add(hash *h, mg_str v) {
    while (v.n && (*v.p == ' ' || *v.p == '\t')) v = (mg_str){v.p + 1, v.n - 1};
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t')) v.n--;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != ' ' || v.p[i - 1] != ' ') hash_add(h, (mg_str){v.p + i, 1});
}

/* Sorted by name; values of one name stay in their order. */
typedef struct header_list {
    mg_header all[SIGV4_HEADERS];
    size_t n;
} header_list;

static bool header_put(header_list *list, const char *name, mg_str value) {
    if (list->n == SIGV4_HEADERS) return false;
    list->all[list->n++] = (mg_header){text(name), value};
    return true;
}

static bool headers_gather(const sigv4_keys *keys, const mg_signing *r, const char *date, header_list *list) {
    bool ok = header_put(list, "host", r->host) && header_put(list, "x-amz-date", text(date));
    if (keys->session_token.n) ok = ok && header_put(list, "x-amz-security-token", keys->session_token);
    for (size_t i = 0; i < r->n_headers && ok; i++) {
        ok = list->n < SIGV4_HEADERS;
        if (ok) list->all[list->n++] = r->headers[i];
    }
    for (size_t i = 1; i < list->n; i++)
        for (size_t k = i; k > 0 && bytes_compare(list->all[k - 1].name, list->all[k].name) > 0; k--) {
            mg_header swap = list->all[k];
            list->all[k] = list->all[k - 1];
            list->all[k - 1] = swap;
        }
    return ok;
}

static bool is_repeated(const header_list *list, size_t i) {
    return i > 0 && bytes_compare(list->all[i - 1].name, list->all[i].name) == 0;
}

static void headers_add(hash *h, const header_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        bool more = is_repeated(list, i);
        if (i) hash_add(h, text(more ? "," : "\n"));
        if (!more) hash_add(h, list->all[i].name);
        if (!more) hash_add(h, text(":"));
        value_add(h, list->all[i].value);
    }
    hash_add(h, text("\n\n"));
}

/* "content-type;host;x-amz-date" */
static bool names_join(const header_list *list, char *out, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        mg_str name = list->all[i].name;
        if (is_repeated(list, i)) continue;
        if (n + name.n + 2 > max) return false;
        if (n) out[n++] = ';';
        memcpy(out + n, name.p, name.n);
        n += name.n;
    }
    out[n] = 0;
    return true;
}

static bool request_hash(const mg_signing *r, const header_list *list, const char *names, char out[2 * DIGEST + 1]) {
    char body[2 * DIGEST + 1];
    const char *mark = r->path.n ? memchr(r->path.p, '?', r->path.n) : NULL;
    size_t path = mark ? (size_t)(mark - r->path.p) : r->path.n;
    mg_str query = mark ? (mg_str){mark + 1, r->path.n - path - 1} : (mg_str){NULL, 0};
    hash b, h;
    hash_begin(&b);
    hash_add(&b, r->body);
    bool ok = hash_end(&b, body);
    hash_begin(&h);
    hash_add(&h, r->method);
    hash_add(&h, text("\n"));
    path_add(&h, (mg_str){r->path.p, path});
    hash_add(&h, text("\n"));
    ok = query_add(&h, query) && ok;
    hash_add(&h, text("\n"));
    headers_add(&h, list);
    hash_add(&h, text(names));
    hash_add(&h, text("\n"));
    hash_add(&h, text(body));
    return hash_end(&h, out) && ok;
}

/* ---- the signature ----------------------------------------------------------------------------------------------- */

/* The secret never signs itself: a key is derived from it for one day, region and service. */
static bool key_derive(const sigv4_keys *keys, const char *date, unsigned char key[DIGEST]) {
    char secret[4 + 256] = "AWS4";
    bool ok = keys->secret_access_key.n <= sizeof secret - 4;
    if (!ok) return false;
    memcpy(secret + 4, keys->secret_access_key.p, keys->secret_access_key.n);
    ok = mac(secret, 4 + keys->secret_access_key.n, (mg_str){date, 8}, key) && mac(key, DIGEST, keys->region, key) &&
         mac(key, DIGEST, keys->service, key) && mac(key, DIGEST, text("aws4_request"), key);
    explicit_bzero(secret, sizeof secret);
    return ok;
}

static bool date_write(int64_t now_s, char out[17]) {
    time_t now = (time_t)now_s;
    struct tm t;
    return gmtime_r(&now, &t) && strftime(out, 17, "%Y%m%dT%H%M%SZ", &t) == 16;
}

bool sigv4_sign(const sigv4_keys *keys, const mg_signing *r, sigv4_signature *out) {
    char names[1024], digest[2 * DIGEST + 1], scope[SCOPE_MAX], to_sign[SCOPE_MAX + 128];
    unsigned char key[DIGEST], signature[DIGEST];
    header_list list = {.n = 0};
    if (!date_write(r->now_s, out->date) || !headers_gather(keys, r, out->date, &list) ||
        !names_join(&list, names, sizeof names) || !request_hash(r, &list, names, digest))
        return false;
    int n = snprintf(scope, sizeof scope, "%.8s/%.*s/%.*s/aws4_request", out->date, (int)keys->region.n, keys->region.p,
                     (int)keys->service.n, keys->service.p);
    if (n < 0 || (size_t)n >= sizeof scope || !key_derive(keys, out->date, key)) return false;
    snprintf(to_sign, sizeof to_sign, ALGORITHM "\n%s\n%s\n%s", out->date, scope, digest);
    bool ok = mac(key, DIGEST, text(to_sign), signature);
    explicit_bzero(key, sizeof key);
    hex(signature, digest);
    n = snprintf(out->authorization, sizeof out->authorization,
                 ALGORITHM " Credential=%.*s/%s, SignedHeaders=%s, Signature=%s", (int)keys->access_key_id.n,
                 keys->access_key_id.p, scope, names, digest);
    return ok && n > 0 && (size_t)n < sizeof out->authorization;
}
