#include "app/admin_client.h"

#include "app/config_run.h"
#include "net/http_head.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SILENCE_S = 10, ANSWER_MAX = 64 << 20, HEAD_MAX = 16 << 10, HEADERS_MAX = 64 };

typedef struct channel {
    int fd;
    SSL_CTX *context;
    SSL *tls; /* NULL: plain */
} channel;

/* ---- where ------------------------------------------------------------------------------------------------------- */

/* The text of a file in data_dir without a newline at its end; "" if it can't be read. */
static mg_str small_file(const mg_config *c, const char *name, mg_arena *arena) {
    mg_str text = {0};
    const char *fault;
    mg_str path = mg_arena_printf(arena, MG_STR_FMT "/%s", MG_STR_ARG(c->data_dir), name);
    if (!mg_config_read(arena, path, 4096, &text, &fault)) return MG_STR("");
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' ')) text.n--;
    return text;
}

static int dial_unix(mg_str path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = path.n < sizeof a.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0) return -1;
    memcpy(a.sun_path, path.p, path.n);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

/* "host:port" and "[v6]:port"; a gateway that listens everywhere is here, too. */
static bool split_address(mg_str address, char host[128], char port[8]) {
    const char *colon = address.n ? memrchr(address.p, ':', address.n) : NULL;
    if (!colon) return false;
    mg_str h = mg_str_from(address.p, (size_t)(colon - address.p)), p = mg_str_skip(address, h.n + 1);
    if (h.n >= 2 && h.p[0] == '[') h = mg_str_from(h.p + 1, h.n - 2);
    if (!h.n || mg_str_is(h, "0.0.0.0")) h = MG_STR("127.0.0.1");
    if (mg_str_is(h, "::")) h = MG_STR("::1");
    return snprintf(host, 128, MG_STR_FMT, MG_STR_ARG(h)) < 128 && snprintf(port, 8, MG_STR_FMT, MG_STR_ARG(p)) < 8;
}

static int dial_tcp(mg_str address) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char host[128], port[8];
    int fd = -1;
    if (!split_address(address, host, port) || getaddrinfo(host, port, &hints, &list) != 0) return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

/* The certificate is the configuration's own, whoever issued it and for whatever name: so it is compared, not
 * verified. */
static bool is_certificate(X509 *peer, mg_str file) {
    char path[4096];
    if (!peer || snprintf(path, sizeof path, MG_STR_FMT, MG_STR_ARG(file)) >= (int)sizeof path) return false;
    FILE *f = fopen(path, "re");
    X509 *own = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    bool same = own && X509_cmp(own, peer) == 0;
    X509_free(own);
    if (f) fclose(f);
    return same;
}

static mg_status start_tls(const mg_config_listener *l, channel *ch, mg_error *error) {
    ch->context = SSL_CTX_new(TLS_client_method());
    ch->tls = ch->context ? SSL_new(ch->context) : NULL;
    if (!ch->tls || SSL_set_fd(ch->tls, ch->fd) != 1 || SSL_connect(ch->tls) != 1)
        return mg_fail(error, 0, "tls", "the admin plane did not complete the TLS handshake");
    X509 *peer = SSL_get1_peer_certificate(ch->tls);
    bool same = false;
    for (size_t i = 0; i < l->n_tls && !same; i++) same = is_certificate(peer, l->tls[i].cert);
    X509_free(peer);
    if (same) return MG_OK;
    return mg_fail(error, 0, "tls",
                   "what listens on the admin address has another certificate than admin.listen names: is it this "
                   "configuration's gateway? The token was not sent");
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void hang_up(channel *ch) {
    SSL_free(ch->tls);
    SSL_CTX_free(ch->context);
    if (ch->fd >= 0) close(ch->fd);
}

static bool send_all(channel *ch, mg_str s) {
    while (s.n) {
        ssize_t n =
            ch->tls ? SSL_write(ch->tls, s.p, s.n > 65536 ? 65536 : (int)s.n) : send(ch->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && !ch->tls && errno == EINTR) continue;
        if (n <= 0) return false;
        s = mg_str_skip(s, (size_t)n);
    }
    return true;
}

static void receive_all(channel *ch, mg_buf *in) {
    char chunk[16384];
    for (;;) {
        ssize_t n = ch->tls ? SSL_read(ch->tls, chunk, sizeof chunk) : recv(ch->fd, chunk, sizeof chunk, 0);
        if (n < 0 && !ch->tls && errno == EINTR) continue;
        if (n <= 0 || !mg_buf_add(in, chunk, (size_t)n)) return;
    }
}

static mg_status read_answer(mg_buf *in, int *status, mg_buf *answer, mg_error *error) {
    mg_header headers[HEADERS_MAX];
    mg_http_head h;
    mg_http_head_init(&h, MG_HTTP_RESPONSE, headers, HEADERS_MAX, HEAD_MAX);
    if (mg_http_head_parse(&h, in->p, in->n) != MG_OK || h.content_length < 0 ||
        in->n - h.size != (size_t)h.content_length)
        return mg_fail(error, 0, "admin", "the admin plane's answer broke off");
    *status = h.status;
    mg_buf_add(answer, in->p + h.size, in->n - h.size);
    return MG_OK;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static mg_status dial(const mg_config *c, mg_str address, channel *ch, mg_error *error) {
    const struct timeval silence = {.tv_sec = SILENCE_S};
    bool local = mg_str_starts(address, MG_STR("unix:"));
    ch->fd = local ? dial_unix(mg_str_skip(address, 5)) : dial_tcp(address);
    if (ch->fd < 0)
        return mg_fail(error, 0, "admin",
                       "no gateway answers on " MG_STR_FMT
                       ", the admin plane's address: is it running, and is this its "
                       "configuration (-c FILE)?",
                       MG_STR_ARG(mg_str_cut(address, 160)));
    setsockopt(ch->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    setsockopt(ch->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
    return c->admin.n_tls ? start_tls(&c->admin, ch, error) : MG_OK;
}

static mg_status ask(channel *ch, mg_str request, int *status, mg_buf *answer, mg_error *error) {
    mg_buf in = {.max = ANSWER_MAX};
    mg_status st = MG_ERROR;
    if (send_all(ch, request)) {
        receive_all(ch, &in);
        st = read_answer(&in, status, answer, error);
    } else {
        mg_fail(error, 0, "admin", "the admin plane closed the connection");
    }
    mg_buf_finish(&in);
    return st;
}

mg_status mg_admin_ask(const mg_config *c, const char *method, const char *path, mg_str body, int *status,
                       mg_buf *answer, mg_error *error) {
    mg_arena *arena = mg_arena_create(1024);
    mg_buf request = {0};
    channel ch = {.fd = -1};
    mg_str token = c->admin_token.n ? c->admin_token : small_file(c, "admin-token", arena);
    mg_str address = small_file(c, MG_ADMIN_ADDRESS_FILE, arena);
    if (!address.n) address = c->admin.address;
    mg_buf_printf(&request,
                  "%s %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer " MG_STR_FMT
                  "\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                  method, path, MG_STR_ARG(token), body.n);
    mg_buf_str(&request, body);
    mg_status st = dial(c, address, &ch, error);
    if (st == MG_OK) st = ask(&ch, mg_buf_view(&request), status, answer, error);
    hang_up(&ch);
    mg_buf_finish(&request);
    mg_arena_destroy(arena);
    return st;
}
