/* Many streams at a time, each of which is checked: one thread, epoll, no library. As a vendor it answers every POST with
 * a stream whose tokens say which stream they are of, their place in it, and when they were sent. As a client it opens
 * streams at a rate, each on a connection of its own, and prints as a line of JSON what came of them.
 *
 * usage: streams vendor [--chunks N] [--gap MS]                     prints {"port":N}
 *        streams client --to HOST:PORT --key KEY --model M [--streams N] [--rate PER_SECOND] [--chunks N]
 * build: gcc -O2 -o streams streams.c */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 4096, LINE_MAX_BYTES = 1024, WAIT_S = 60 };

typedef struct conn {
    int fd;
    long number; /* of the stream */
    struct conn *next; /* vendor: whose next token is due after this one's */
    uint64_t due_us, sent_us;
    int token; /* the next one */
    char in[IN_MAX]; /* vendor: the request; client: the answer's head */
    size_t n_in;
    /* client */
    bool headed, done, over, final;
    long left; /* of the chunk; -1: its size follows; -2: the line end behind it */
    char line[LINE_MAX_BYTES];
    size_t n_line;
} conn;

static int chunks = 40, gap_ms = 500, streams = 5000, rate = 1000, ep;
static const char *key = "", *model = "";
static struct sockaddr_in to;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void watch(int fd, void *p, uint32_t events, int how) {
    struct epoll_event e = {.events = events, .data.ptr = p};
    epoll_ctl(ep, how, fd, &e);
}

/* ---- the vendor -------------------------------------------------------------------------------------------------- */

static conn *first, *last;

static void queue(conn *c, uint64_t now) {
    c->due_us = now + (uint64_t)gap_ms * 1000;
    c->next = NULL;
    if (first)
        last->next = c;
    else
        first = c;
    last = c;
}

/* A socket's buffer holds more than a stream ever has under way here: what does not fit breaks the stream, and is seen. */
static bool put(conn *c, const char *p, size_t n) { return send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n; }

static bool put_event(conn *c, const char *choices, const char *more) {
    char event[512], piece[600];
    int n = snprintf(event, sizeof event,
                     "data: {\"id\":\"chatcmpl-%ld\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
                     "\"model\":\"gpt-4o-mini\",\"choices\":[%s]%s}\n\n",
                     c->number, choices, more);
    n = snprintf(piece, sizeof piece, "%x\r\n%s\r\n", n, event);
    return put(c, piece, (size_t)n);
}

static bool put_token(conn *c, uint64_t now) {
    char choice[200], more[100];
    if (c->token < chunks) {
        snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{\"content\":\"@%ld %d %llu\"},\"finish_reason\":null}",
                 c->number, c->token++, (unsigned long long)now);
        return put_event(c, choice, "");
    }
    snprintf(more, sizeof more, ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%d,\"total_tokens\":%d}", chunks,
             chunks + 9);
    put_event(c, "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
    put_event(c, "", more);
    put(c, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", 24);
    return false;
}

static void begin(conn *c) {
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    const char *question = strstr(c->in, "stream ");
    uint64_t now = now_us();
    c->number = question ? atol(question + 7) : -1;
    c->token = 0;
    c->n_in = 0;
    put(c, head, sizeof head - 1);
    if (put_token(c, now)) queue(c, now);
}

static void take(conn *c) {
    ssize_t n = recv(c->fd, c->in + c->n_in, sizeof c->in - 1 - c->n_in, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        close(c->fd);
        c->fd = -1; /* stays in the queue, if it is there; never freed: the program is short-lived */
        return;
    }
    c->n_in += (size_t)n;
    c->in[c->n_in] = 0;
    const char *body = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "content-length:");
    if (body && length && c->n_in >= (size_t)(body + 4 - c->in) + (size_t)atol(length + 15)) begin(c);
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conn *c = calloc(1, sizeof *c);
        c->fd = fd;
        watch(fd, c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void send_due(void) {
    uint64_t now = now_us();
    while (first && first->due_us <= now) {
        conn *c = first;
        first = c->next;
        if (c->fd >= 0 && put_token(c, now_us())) queue(c, now);
    }
}

static int vendor(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    struct epoll_event events[512];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, size) || listen(fd, 8192) || getsockname(fd, (struct sockaddr *)&a, &size))
        return perror("streams"), 1;
    printf("{\"port\":%d}\n", ntohs(a.sin_port));
    fflush(stdout);
    watch(fd, NULL, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int n = epoll_wait(ep, events, 512, first ? 1 : -1);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (!c)
                accept_all(fd);
            else if (c->fd >= 0)
                take(c);
        }
        send_due();
    }
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static struct {
    long opened, whole, wrong, broken, refused, now, most, tokens;
    uint64_t *first_us, *delay_us;
    size_t n_first, n_delay;
} seen;

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t percentile(uint64_t *v, size_t n, double part) {
    qsort(v, n, sizeof *v, compare);
    return n ? v[(size_t)(part * (double)(n - 1))] : 0;
}

static void end(conn *c, long *count) {
    if (c->over) return;
    c->over = true;
    (*count)++;
    seen.now--;
    close(c->fd);
}

/* A line of a stream, without its end. False: it is not what has to come now. */
static bool take_line(conn *c) {
    const char *at = strchr(c->line, '@');
    long number;
    int token;
    unsigned long long sent;
    if (strcmp(c->line, "data: [DONE]") == 0) {
        c->done = true;
        return c->token == chunks;
    }
    if (!at) return strstr(c->line, "\"error\"") == NULL;
    if (sscanf(at, "@%ld %d %llu", &number, &token, &sent) != 3 || number != c->number || token != c->token) return false;
    uint64_t now = now_us();
    if (c->token++ == 0) seen.first_us[seen.n_first++] = now - c->sent_us;
    seen.delay_us[seen.n_delay++] = now > sent ? now - sent : 0;
    seen.tokens++;
    return true;
}

static bool take_text(conn *c, char b) {
    if (b != '\n') {
        if (c->n_line < sizeof c->line - 1) c->line[c->n_line++] = b;
        return true;
    }
    c->line[c->n_line] = 0;
    c->n_line = 0;
    return take_line(c);
}

/* A byte of a chunked body. */
static bool take_byte(conn *c, char b) {
    if (c->left > 0) {
        c->left--;
        if (!c->left) c->left = -2;
        return take_text(c, b);
    }
    if (c->left == -2) {
        if (b == '\n') c->left = -1;
        return true;
    }
    if (b == '\n') {
        c->in[c->n_in] = 0;
        c->left = strtol(c->in, NULL, 16);
        c->n_in = 0;
        if (!c->left) c->final = true;
    } else if (c->n_in < 16) {
        c->in[c->n_in++] = b;
    }
    return true;
}

static void on_answer(conn *c) {
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        end(c, c->headed ? &seen.broken : &seen.refused);
        return;
    }
    for (ssize_t i = 0; i < n && !c->over; i++) {
        if (!c->headed) {
            if (c->n_in < sizeof c->in - 1) c->in[c->n_in++] = bytes[i];
            c->in[c->n_in] = 0;
            if (c->n_in < 4 || memcmp(c->in + c->n_in - 4, "\r\n\r\n", 4) != 0) continue;
            c->headed = true;
            c->n_in = 0;
            c->left = -1;
            if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) end(c, &seen.refused);
        } else if (!take_byte(c, bytes[i])) {
            end(c, &seen.wrong);
        } else if (c->final) {
            end(c, c->done ? &seen.whole : &seen.broken);
        }
    }
}

static void send_request(conn *c) {
    char body[300], request[800];
    int n = snprintf(body, sizeof body,
                     "{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"stream %ld\"}]}",
                     model, c->number);
    n = snprintf(request, sizeof request,
                 "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n"
                 "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                 key, n, body);
    c->sent_us = now_us();
    if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n) end(c, &seen.refused);
    watch(c->fd, c, EPOLLIN, EPOLL_CTL_MOD);
}

static void open_one(void) {
    int one = 1;
    conn *c = calloc(1, sizeof *c);
    c->number = seen.opened++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (++seen.now > seen.most) seen.most = seen.now;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS))
        end(c, &seen.refused);
    else
        watch(c->fd, c, EPOLLOUT, EPOLL_CTL_ADD);
}

static void report(double seconds) {
    printf("{\"streams\":%ld,\"at_a_time\":%ld,\"whole\":%ld,\"wrong\":%ld,\"broken\":%ld,\"refused\":%ld,"
           "\"unfinished\":%ld,\"tokens\":%ld,\"seconds\":%.2f,\"first_p50_us\":%llu,\"first_p99_us\":%llu,"
           "\"delay_p50_us\":%llu,\"delay_p99_us\":%llu}\n",
           seen.opened, seen.most, seen.whole, seen.wrong, seen.broken, seen.refused, seen.now, seen.tokens, seconds,
           (unsigned long long)percentile(seen.first_us, seen.n_first, 0.5),
           (unsigned long long)percentile(seen.first_us, seen.n_first, 0.99),
           (unsigned long long)percentile(seen.delay_us, seen.n_delay, 0.5),
           (unsigned long long)percentile(seen.delay_us, seen.n_delay, 0.99));
}

static int client(void) {
    struct epoll_event events[512];
    uint64_t begun = now_us(), progress = begun;
    long tokens = 0;
    seen.first_us = calloc((size_t)streams, sizeof(uint64_t));
    seen.delay_us = calloc((size_t)streams * (size_t)chunks, sizeof(uint64_t));
    while (seen.opened < streams || seen.now > 0) {
        uint64_t now = now_us();
        while (seen.opened < streams && (double)seen.opened < (double)(now - begun) * rate / 1e6) open_one();
        int n = epoll_wait(ep, events, 512, 1);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (c->over) continue;
            if (!c->sent_us && events[i].events & EPOLLOUT)
                send_request(c);
            else
                on_answer(c);
        }
        if (seen.tokens != tokens) progress = now;
        tokens = seen.tokens;
        if (now - progress > WAIT_S * 1000000ull) break;
    }
    report((double)(now_us() - begun) / 1e6);
    return 0;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool take_option(const char *name, char *value) {
    if (strcmp(name, "--chunks") == 0) return (chunks = atoi(value)) > 0;
    if (strcmp(name, "--gap") == 0) return (gap_ms = atoi(value)) >= 0;
    if (strcmp(name, "--streams") == 0) return (streams = atoi(value)) > 0;
    if (strcmp(name, "--rate") == 0) return (rate = atoi(value)) > 0;
    if (strcmp(name, "--key") == 0) return (key = value) != NULL;
    if (strcmp(name, "--model") == 0) return (model = value) != NULL;
    char *colon = strcmp(name, "--to") == 0 ? strrchr(value, ':') : NULL;
    if (!colon) return false;
    *colon = 0;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    return inet_pton(AF_INET, value, &to.sin_addr) == 1;
}

int main(int argc, char **argv) {
    bool ok = argc > 1 && argc % 2 == 0;
    for (int i = 2; ok && i < argc; i += 2) ok = take_option(argv[i], argv[i + 1]);
    bool serves = ok && strcmp(argv[1], "vendor") == 0;
    if (!serves && !(ok && strcmp(argv[1], "client") == 0 && to.sin_port)) {
        fprintf(stderr, "usage: streams vendor|client … (see the top of streams.c)\n");
        return 2;
    }
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    ep = epoll_create1(EPOLL_CLOEXEC);
    return serves ? vendor() : client();
}
