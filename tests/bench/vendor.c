/* A vendor that misbehaves on request, for load tests: one thread, epoll, no library. The first segment of the path says
 * how it behaves (see `behaviors`), so that a provider of the gateway's configuration stands for each. Bodies need a
 * content-length. Prints {"port":N}; ends with the process that started it.
 *
 * usage: vendor [--chunks N] [--gap MS]     deltas of a stream, and the time between two of them
 * build: gcc -O2 -o vendor vendor.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 4 << 20, OUT_MAX = 1 << 20, SOME_CHUNKS = 3 };

typedef enum part { WHOLE, SOME, NOTHING } part;
typedef enum ending { KEEP, CLOSE, RESET, SILENCE } ending;

typedef struct behavior {
    const char *name;
    int status;
    int delay_ms; /* before the head */
    part sends; /* of the answer */
    ending ends; /* and then */
} behavior;

static const behavior behaviors[] = {
    {"v1", 200, 0, WHOLE, KEEP},     {"slow", 200, 300, WHOLE, KEEP},   {"closing", 200, 0, WHOLE, CLOSE},
    {"e500", 500, 0, WHOLE, KEEP},   {"e503", 503, 0, WHOLE, KEEP},     {"e429", 429, 0, WHOLE, KEEP},
    {"e400", 400, 0, WHOLE, KEEP},   {"reset", 200, 0, NOTHING, RESET}, {"stall", 200, 0, NOTHING, SILENCE},
    {"half", 200, 0, SOME, CLOSE},   {"cut", 200, 0, SOME, RESET},      {"idle", 200, 0, SOME, SILENCE},
    {"rubbish", 0, 0, WHOLE, CLOSE},
};

/* Found by its descriptor, reused for the next connection of that number. */
typedef struct conn {
    int fd; /* -1: closed */
    unsigned gen;
    char *in, *out;
    size_t n_in, n_out, sent;
    size_t request; /* bytes of the request being answered; 0: none */
    const behavior *does;
    bool stream, headed;
    int chunks_left;
} conn;

typedef struct timer {
    int64_t at; /* ms */
    int fd;
    unsigned gen;
} timer;

static int chunks = 40, gap_ms;
static int ep;
static conn **conns;
static int n_conns;
static timer *heap;
static size_t n_heap, cap_heap;
static char plain[2048], delta[512], tail[512];
static size_t n_plain, n_delta, n_tail;

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void timer_add(conn *c, int ms) {
    if (n_heap == cap_heap) {
        cap_heap = cap_heap ? cap_heap * 2 : 1024;
        heap = realloc(heap, cap_heap * sizeof *heap);
    }
    timer t = {now_ms() + ms, c->fd, c->gen};
    size_t i = n_heap++;
    for (; i && heap[(i - 1) / 2].at > t.at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = t;
}

static timer timer_pop(void) {
    timer first = heap[0], last = heap[--n_heap];
    size_t i = 0, k;
    for (; (k = 2 * i + 1) < n_heap; i = k) {
        if (k + 1 < n_heap && heap[k + 1].at < heap[k].at) k++;
        if (heap[k].at >= last.at) break;
        heap[i] = heap[k];
    }
    heap[i] = last;
    return first;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void conn_close(conn *c, bool reset) {
    struct linger now = {1, 0};
    if (reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    c->fd = -1;
    c->gen++;
}

static conn *conn_open(int fd) {
    if (fd >= n_conns) {
        int n = fd * 2 + 64;
        conns = realloc(conns, (size_t)n * sizeof *conns);
        memset(conns + n_conns, 0, (size_t)(n - n_conns) * sizeof *conns);
        n_conns = n;
    }
    conn *c = conns[fd];
    if (!c) c = conns[fd] = calloc(1, sizeof *c);
    *c = (conn){.fd = fd, .gen = c->gen + 1};
    return c;
}

static void watch(conn *c, bool write) {
    struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

/* False: the connection is closed. */
static bool flush(conn *c) {
    while (c->sent < c->n_out) {
        ssize_t n = send(c->fd, c->out + c->sent, c->n_out - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, true);
            return true;
        }
        if (n <= 0) {
            conn_close(c, false);
            return false;
        }
        c->sent += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->n_out = c->sent = 0;
    return true;
}

static void put(conn *c, const char *p, size_t n) {
    if (c->n_out + n > OUT_MAX) return; /* a reader that far behind: its stream lacks something, and it will say so */
    c->out = realloc(c->out, c->n_out + n);
    memcpy(c->out + c->n_out, p, n);
    c->n_out += n;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void put_head(conn *c, const char *type, size_t length) {
    char head[512];
    int status = c->does->status;
    int n =
        snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\nx-request-id: req_0123456789\r\n%s%s",
                 status, status == 200 ? "OK" : "Not", type, status == 429 || status == 503 ? "retry-after: 1\r\n" : "",
                 c->does->ends == CLOSE && c->does->sends == WHOLE ? "connection: close\r\n" : "");
    put(c, head, (size_t)n);
    n = c->stream && status == 200 ? snprintf(head, sizeof head, "transfer-encoding: chunked\r\n\r\n")
                                   : snprintf(head, sizeof head, "content-length: %zu\r\n\r\n", length);
    put(c, head, (size_t)n);
}

static void put_plain(conn *c) {
    static const char error[] =
        "{\"error\":{\"message\":\"This went wrong on purpose.\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":null}}";
    if (c->does->status != 200) {
        put_head(c, "application/json", sizeof error - 1);
        put(c, error, sizeof error - 1);
        return;
    }
    put_head(c, "application/json", n_plain);
    put(c, plain, c->does->sends == WHOLE ? n_plain : n_plain / 2);
}

static void take_request(conn *c);

static void answer_end(conn *c) {
    if (!flush(c)) return;
    if (c->does->ends == CLOSE || c->does->ends == RESET) {
        conn_close(c, c->does->ends == RESET);
        return;
    }
    if (c->does->ends == SILENCE) return;
    memmove(c->in, c->in + c->request, c->n_in - c->request);
    c->n_in -= c->request;
    c->request = 0;
    if (!c->n_in) {
        free(c->in);
        c->in = NULL;
        return;
    }
    take_request(c);
}

static void stream_on(conn *c) {
    do {
        if (c->chunks_left-- <= 0) {
            if (c->does->sends == WHOLE) put(c, tail, n_tail);
            answer_end(c);
            return;
        }
        put(c, delta, n_delta);
    } while (!gap_ms);
    if (flush(c)) timer_add(c, gap_ms);
}

static void answer(conn *c) {
    if (c->does->sends == NOTHING) {
        answer_end(c);
    } else if (!c->does->status) {
        put(c, "220 this is no HTTP\r\n", 21);
        answer_end(c);
    } else if (c->stream && c->does->status == 200) {
        put_head(c, "text/event-stream; charset=utf-8", 0);
        c->headed = true;
        c->chunks_left = c->does->sends == WHOLE ? chunks : SOME_CHUNKS;
        stream_on(c);
    } else {
        put_plain(c);
        answer_end(c);
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static const behavior *behavior_of(const char *path) {
    size_t n = strcspn(path, "/ ");
    for (size_t i = 0; i < sizeof behaviors / sizeof behaviors[0]; i++)
        if (strlen(behaviors[i].name) == n && memcmp(behaviors[i].name, path, n) == 0) return &behaviors[i];
    return &behaviors[0];
}

/* Bytes of the first request if all of it is here, else 0. */
static size_t request_bytes(const conn *c) {
    const char *end = memmem(c->in, c->n_in, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end + 4 - c->in), body = 0;
    for (const char *line = c->in; line && line < end; line = memchr(line, '\n', (size_t)(end - line))) {
        if (*line == '\n') line++;
        if (strncasecmp(line, "content-length:", 15) == 0) body = strtoul(line + 15, NULL, 10);
    }
    return c->n_in >= head + body ? head + body : 0;
}

static void take_request(conn *c) {
    if (c->request || !c->n_in || !(c->request = request_bytes(c))) return;
    const char *slash = memchr(c->in, '/', c->request);
    c->does = behavior_of(slash ? slash + 1 : "");
    c->stream = memmem(c->in, c->request, "\"stream\":true", 13) != NULL;
    c->headed = false;
    if (c->does->delay_ms)
        timer_add(c, c->does->delay_ms);
    else
        answer(c);
}

static void on_readable(conn *c) {
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || c->n_in + (size_t)n > IN_MAX) {
        conn_close(c, false);
        return;
    }
    c->in = realloc(c->in, c->n_in + (size_t)n + 1);
    memcpy(c->in + c->n_in, bytes, (size_t)n);
    c->n_in += (size_t)n;
    c->in[c->n_in] = 0;
    take_request(c);
}

static void on_event(int fd, uint32_t what) {
    conn *c = conns[fd];
    if (c->fd < 0) return;
    if (what & EPOLLOUT && flush(c)) watch(c, c->n_out > 0);
    if (c->fd >= 0 && what & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
}

static void on_listener(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd < n_conns && conns[fd]) { /* buffers of the connection before */
            free(conns[fd]->in);
            free(conns[fd]->out);
        }
        conn_open(fd);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}

static void run_timers(void) {
    int64_t now = now_ms();
    while (n_heap && heap[0].at <= now) {
        timer t = timer_pop();
        conn *c = conns[t.fd];
        if (c->fd < 0 || c->gen != t.gen) continue;
        if (c->headed)
            stream_on(c);
        else
            answer(c);
    }
}

/* ---- texts and start --------------------------------------------------------------------------------------------- */

static void build_texts(void) {
    static const char start[] =
        "data: {\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\","
        "\"created\":1741569952,\"model\":\"gpt-4o-mini\",";
    char text[1024];
    n_plain = (size_t)snprintf(
        plain, sizeof plain,
        "{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion\",\"created\":1741569952,"
        "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":"
        "\"The numbers look steady: revenue rose slightly while tickets fell by a tenth. Ask pat@example.com for the "
        "rest of "
        "the report, or wait until "
        "Friday.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
        "\"prompt_tokens\":319,\"completion_tokens\":41,\"total_tokens\":360,\"prompt_tokens_details\":{\"cached_"
        "tokens\":0}}}");
    int n = snprintf(text, sizeof text,
                     "%s\"choices\":[{\"index\":0,\"delta\":{\"content\":\" steady\"},\"logprobs\":null,"
                     "\"finish_reason\":null}]}\n\n",
                     start);
    n_delta = (size_t)snprintf(delta, sizeof delta, "%x\r\n%s\r\n", (unsigned)n, text);
    n = snprintf(text, sizeof text,
                 "%s\"choices\":[],\"usage\":{\"prompt_tokens\":319,\"completion_tokens\":%d,\"total_tokens\":%d}}"
                 "\n\ndata: [DONE]\n\n",
                 start, chunks, 319 + chunks);
    n_tail = (size_t)snprintf(tail, sizeof tail, "%x\r\n%s\r\n0\r\n\r\n", (unsigned)n, text);
}

static int listen_somewhere(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, size) || listen(fd, 4096) || getsockname(fd, (struct sockaddr *)&a, &size)) {
        perror("vendor: listen");
        exit(1);
    }
    printf("{\"port\":%d}\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--chunks") == 0)
            chunks = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--gap") == 0)
            gap_ms = atoi(argv[i + 1]);
        else
            return fprintf(stderr, "usage: vendor [--chunks N] [--gap MS]\n"), 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    build_texts();
    ep = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_somewhere();
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int64_t wait = n_heap ? heap[0].at - now_ms() : -1;
        int n = epoll_wait(ep, events, 256, n_heap && wait < 0 ? 0 : (int)wait);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                on_listener(listener);
            else
                on_event(events[i].data.fd, events[i].events);
        }
        run_timers();
    }
}
