/* Load on an OpenAI-compatible gateway: one thread, epoll, no library. Keeps a rate whatever the answers take (arrivals
 * that find no free connection are counted as late), or sends as fast as its connections allow.
 *
 * A kind of request is SHAPE:MODEL=WEIGHT. Shapes: plain; stream; abort (a stream, left after a few events); leave
 * (plain, left before the answer); badjson, badkey, badhttp. Prints cumulative counts as a line of JSON each --every
 * seconds and at the end. --ids writes a line "ID STATUS SHAPE:MODEL END" for each answer that must have its row in the
 * ledger; END is whole, broken (the answer ended early) or left.
 *
 * build: gcc -O2 -o load load.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
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

enum { KINDS_MAX = 64, BUFFER = 16384, BODY_MAX = 8192, STATUSES = 600, BUCKETS = 1024, ID_MAX = 64 };

typedef enum shape { PLAIN, STREAM, ABORT, LEAVE, BADJSON, BADKEY, BADHTTP, N_SHAPES } shape;
static const char *const shape_names[] = {"plain", "stream", "abort", "leave", "badjson", "badkey", "badhttp"};

typedef struct kind {
    char name[64];
    const char *model;
    shape shape;
    int weight;
    uint64_t sent, whole, broken, left, lost, statuses[STATUSES];
    uint64_t us[BUCKETS]; /* times to the end of whole answers, see bucket_of */
} kind;

typedef enum state { CLOSED, IDLE, SENDING, HEAD, BODY } state;

typedef struct conn {
    int fd;
    state state;
    bool done_one;
    struct conn *next; /* in the list of free ones */
    kind *kind;
    char *out; /* while sending */
    size_t n_out, sent;
    char *in; /* BUFFER bytes while an answer is read */
    size_t n_in;
    uint64_t started_us;
    int64_t leave_ms; /* LEAVE: when; 0: not */
    int status, events, events_wanted;
    bool chunked, close, done_seen;
    int64_t left; /* bytes of the body, or of the chunk; -1: a chunk's size follows */
    int match; /* of "data: [DONE]" */
    char last; /* byte of the stream, to count events */
    bool final_chunk;
    char id[ID_MAX];
} conn;

static struct {
    struct sockaddr_in to;
    int connections, seconds, every;
    double rate;
    bool hold;
    char **keys;
    size_t n_keys;
    FILE *ids;
} o = {.connections = 64, .seconds = 10, .every = 0};

static kind kinds[KINDS_MAX];
static int n_kinds, total_weight, ep;
static conn *all, *first_free, *last_free;
static int64_t open_now, streams_now;
static uint64_t sent, answered, late, events_seen, bytes_seen;
static uint64_t seed = 88172645463325252ull, n_sent;
static volatile sig_atomic_t stopping;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t rnd(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* 32 buckets for each doubling: 3 % wide. */
static int bucket_of(uint64_t us) {
    if (us < 32) return (int)us;
    int top = 63 - __builtin_clzll(us);
    int b = (top - 4) * 32 + (int)(us >> (top - 5) & 31);
    return b < BUCKETS ? b : BUCKETS - 1;
}

static uint64_t bucket_us(int b) {
    if (b < 32) return (uint64_t)b;
    return (uint64_t)(32 + b % 32) << (b / 32 - 1);
}

static uint64_t percentile(const uint64_t *us, double part) {
    uint64_t n = 0, sum = 0;
    for (int i = 0; i < BUCKETS; i++) n += us[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((sum += us[i]) > 0 && (double)sum >= part * (double)n) return bucket_us(i);
    return 0;
}

static void print_kind(const kind *k) {
    printf("\"%s\":{\"sent\":%llu,\"whole\":%llu,\"broken\":%llu,\"left\":%llu,\"lost\":%llu,\"p50_us\":%llu,\"p99_"
           "us\":%llu,"
           "\"statuses\":{",
           k->name, (unsigned long long)k->sent, (unsigned long long)k->whole, (unsigned long long)k->broken,
           (unsigned long long)k->left, (unsigned long long)k->lost, (unsigned long long)percentile(k->us, 0.5),
           (unsigned long long)percentile(k->us, 0.99));
    for (int s = 0, n = 0; s < STATUSES; s++)
        if (k->statuses[s]) printf("%s\"%d\":%llu", n++ ? "," : "", s, (unsigned long long)k->statuses[s]);
    printf("}}");
}

static void print_figures(double seconds) {
    printf("{\"seconds\":%.2f,\"sent\":%llu,\"answered\":%llu,\"late\":%llu,\"open\":%lld,\"streams\":%lld,\"events\":%"
           "llu,"
           "\"bytes\":%llu,\"kinds\":{",
           seconds, (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)late,
           (long long)open_now, (long long)streams_now, (unsigned long long)events_seen,
           (unsigned long long)bytes_seen);
    for (int i = 0; i < n_kinds; i++) {
        if (i) putchar(',');
        print_kind(&kinds[i]);
    }
    printf("}}\n");
    fflush(stdout);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static size_t add(char *p, size_t n, size_t max, const char *format, ...) {
    va_list v;
    va_start(v, format);
    int k = vsnprintf(p + n, max - n, format, v);
    va_end(v);
    return k > 0 && (size_t)k < max - n ? n + (size_t)k : n;
}

/* Text of many lengths; now and then something for a scanner to find. */
static size_t add_text(char *p, size_t n, size_t max) {
    static const char *const words[] = {"the",     "quarterly", "report", "shows",      "that",    "support",
                                        "tickets", "fell",      "while",  "customers",  "asked",   "for",
                                        "longer",  "context",   "and",    "cheaper",    "models",  "please",
                                        "on",      "4,812",     "17.5%",  "2026-11-22", "v2.14.0", "$1,290.00"};
    size_t wanted = n + 100 + rnd(rnd(10) ? 1500 : 6000);
    if (rnd(8) == 0) n = add(p, n, max, "card 4111 1111 1111 1111 of sam%d@example.org ", (int)rnd(1000));
    while (n < wanted && n + 16 < max) n = add(p, n, max, "%s ", words[rnd(sizeof words / sizeof words[0])]);
    return n;
}

static void build_request(conn *c) {
    static char body[BODY_MAX], request[BODY_MAX + 1024];
    const kind *k = c->kind;
    bool stream = k->shape == STREAM || k->shape == ABORT;
    const char *key = k->shape == BADKEY ? "mg-nobody-has-this-one" : o.keys[n_sent % o.n_keys];
    size_t n = add(body, 0, sizeof body,
                   "{\"model\":\"%s\",\"max_tokens\":512,\"user\":\"u-%d\",%s\"messages\":[{\"role\":\"system\","
                   "\"content\":\"You are a careful analyst.\"},{\"role\":\"user\",\"content\":\"",
                   k->model, (int)rnd(200), stream ? "\"stream\":true," : "");
    n = add_text(body, n, sizeof body - 8);
    n = add(body, n, sizeof body, k->shape == BADJSON ? "\"}]" : "\"}]}");
    size_t r = add(request, 0, sizeof request,
                   "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %s\r\n"
                   "content-type: application/json\r\n%scontent-length: %zu\r\n\r\n",
                   key, k->shape == BADHTTP ? "transfer-encoding: chunked\r\n" : "", n);
    c->n_out = r + n;
    c->out = malloc(c->n_out);
    memcpy(c->out, request, r);
    memcpy(c->out + r, body, n);
}

static kind *pick_kind(void) {
    int at = (int)rnd((uint64_t)total_weight);
    kind *k = kinds;
    while ((at -= k->weight) >= 0) k++;
    return k;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void free_conn(conn *c) {
    c->next = NULL;
    if (first_free)
        last_free->next = c;
    else
        first_free = c;
    last_free = c;
}

static void watch(conn *c, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

static void disconnect(conn *c) {
    if (c->state == CLOSED) return;
    close(c->fd);
    open_now--;
    c->state = CLOSED;
    c->fd = -1;
}

static bool connect_conn(conn *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&o.to, sizeof o.to) != 0 && errno != EINPROGRESS) {
        close(c->fd);
        return false;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    open_now++;
    c->state = IDLE;
    return true;
}

/* ---- the end of an answer ---------------------------------------------------------------------------------------- */

static void write_id(const conn *c, const char *end) {
    shape s = c->kind->shape;
    if (o.ids && *c->id && s != BADJSON && s != BADKEY && s != BADHTTP)
        fprintf(o.ids, "%s %d %s %s\n", c->id, c->status, c->kind->name, end);
}

static void finish(conn *c, uint64_t *count, const char *end, bool keep) {
    (*count)++;
    if (c->status > 0) answered++;
    if (c->status > 0 && c->status < STATUSES) c->kind->statuses[c->status]++;
    if (end) write_id(c, end);
    if (c->kind->shape == STREAM || c->kind->shape == ABORT) streams_now--;
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->n_in = c->n_out = c->sent = 0;
    c->leave_ms = 0;
    c->done_one = true;
    c->state = IDLE;
    if (!keep) disconnect(c);
    if (!o.hold) free_conn(c);
}

static void end_whole(conn *c) {
    kind *k = c->kind;
    bool stream = c->chunked && c->status == 200;
    if (stream && !c->done_seen) { /* an error event came instead of the end */
        finish(c, &k->broken, "broken", !c->close);
        return;
    }
    k->us[bucket_of(now_us() - c->started_us)]++;
    finish(c, &k->whole, "whole", !c->close);
}

/* The gateway closed the connection. */
static void end_closed(conn *c) {
    kind *k = c->kind;
    if (c->state == IDLE)
        disconnect(c);
    else if (c->state == BODY)
        finish(c, &k->broken, "broken", false);
    else
        finish(c, &k->lost, NULL, false);
}

/* ---- reading answers --------------------------------------------------------------------------------------------- */

static void count_events(conn *c, const char *p, size_t n) {
    static const char done[] = "data: [DONE]";
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && c->last == '\n') c->events++, events_seen++;
        c->last = p[i];
        c->match = p[i] == done[c->match] ? c->match + 1 : p[i] == 'd';
        if (c->match == sizeof done - 1) c->done_seen = true, c->match = 0;
    }
}

/* Bytes taken of the buffer, 0: more are needed. Sets final_chunk at the end. */
static size_t take_chunk_size(conn *c, const char *p, size_t n) {
    const char *line = memmem(p, n, "\r\n", 2);
    if (!line) return 0;
    if (line == p) return 2; /* after the chunk before */
    c->left = strtol(p, NULL, 16);
    if (c->left == 0) c->final_chunk = true;
    return (size_t)(line + 2 - p);
}

/* True: the answer is whole. */
static bool take_body(conn *c) {
    size_t at = 0;
    while (at < c->n_in) {
        size_t n = c->n_in - at;
        if (c->chunked && c->left <= 0) {
            n = take_chunk_size(c, c->in + at, n);
            if (!n) break;
            at += n;
            if (c->final_chunk) {
                c->n_in = 0;
                return true;
            }
            continue;
        }
        if ((int64_t)n > c->left) n = (size_t)c->left;
        if (c->chunked) count_events(c, c->in + at, n);
        c->left -= (int64_t)n;
        at += n;
        if (!c->chunked && c->left == 0) break;
    }
    memmove(c->in, c->in + at, c->n_in - at);
    c->n_in -= at;
    return !c->chunked && c->left == 0;
}

static void take_header(conn *c, const char *line, size_t n) {
    if (n > 16 && strncasecmp(line, "content-length: ", 16) == 0)
        c->left = strtol(line + 16, NULL, 10);
    else if (n > 18 && strncasecmp(line, "transfer-encoding:", 18) == 0)
        c->chunked = true;
    else if (n >= 17 && strncasecmp(line, "connection: close", 17) == 0)
        c->close = true;
    else if (n > 14 && strncasecmp(line, "x-request-id: ", 14) == 0)
        snprintf(c->id, ID_MAX, "%.*s", (int)(n - 14), line + 14);
}

/* False: the head is not whole yet, or is none. */
static bool take_head(conn *c) {
    char *end = memmem(c->in, c->n_in, "\r\n\r\n", 4);
    if (!end) return false;
    c->status = c->n_in > 12 ? atoi(c->in + 9) : 0;
    for (char *line = memchr(c->in, '\n', c->n_in); line && line < end;) {
        char *start = line + 1, *stop = memchr(start, '\r', (size_t)(end + 1 - start));
        if (!stop) break; /* the empty line */
        take_header(c, start, (size_t)(stop - start));
        line = stop + 1;
    }
    size_t n = (size_t)(end + 4 - c->in);
    memmove(c->in, c->in + n, c->n_in - n);
    c->n_in -= n;
    c->state = BODY;
    return true;
}

static void on_readable(conn *c) {
    char none[256];
    bool idle = c->state == IDLE;
    if (!idle && !c->in) c->in = malloc(BUFFER);
    ssize_t n = idle ? recv(c->fd, none, sizeof none, 0) : recv(c->fd, c->in + c->n_in, BUFFER - c->n_in, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || idle) {
        end_closed(c);
        return;
    }
    bytes_seen += (uint64_t)n;
    c->n_in += (size_t)n;
    if (c->state != BODY && !take_head(c)) {
        if (c->n_in == BUFFER) end_closed(c); /* that is no head */
        return;
    }
    if (take_body(c) || (c->left == 0 && !c->chunked))
        end_whole(c);
    else if (c->kind->shape == ABORT && c->events >= c->events_wanted)
        finish(c, &c->kind->left, "left", false);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void on_writable(conn *c) {
    ssize_t n = send(c->fd, c->out + c->sent, c->n_out - c->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
        watch(c, EPOLLIN | EPOLLOUT);
        return;
    }
    if (n < 0) { /* it may have said why, and closed */
        on_readable(c);
        if (c->state == SENDING) end_closed(c);
        return;
    }
    c->sent += (size_t)n;
    if (c->sent < c->n_out) return;
    free(c->out);
    c->out = NULL;
    if (c->state == SENDING) c->state = HEAD;
    watch(c, EPOLLIN);
}

static void begin(conn *c) {
    kind *k = pick_kind();
    if (c->state == CLOSED && !connect_conn(c)) {
        k->lost++;
        free_conn(c);
        return;
    }
    c->kind = k;
    c->status = 0;
    c->chunked = c->close = c->done_seen = c->final_chunk = false;
    c->left = c->match = 0;
    c->events = 0;
    c->events_wanted = 2 + (int)rnd(10);
    c->id[0] = c->last = 0;
    c->n_in = c->sent = 0;
    c->started_us = now_us();
    c->leave_ms = k->shape == LEAVE ? (int64_t)(c->started_us / 1000 + 20 + rnd(200)) : 0;
    build_request(c);
    c->state = SENDING;
    k->sent++;
    sent++;
    n_sent++;
    if (k->shape == STREAM || k->shape == ABORT) streams_now++;
    on_writable(c);
}

static bool begin_next(void) {
    conn *c = first_free;
    if (!c) return false;
    first_free = c->next;
    begin(c);
    return true;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void on_event(const struct epoll_event *e) {
    conn *c = e->data.ptr;
    if (c->state == CLOSED) return;
    if (e->events & EPOLLOUT && c->state == SENDING) on_writable(c);
    if (c->state != CLOSED && e->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
}

static void leave_those_due(void) {
    int64_t now = (int64_t)(now_us() / 1000);
    for (int i = 0; i < o.connections; i++)
        if (all[i].leave_ms && now >= all[i].leave_ms) finish(&all[i], &all[i].kind->left, NULL, false);
}

static void arrive(uint64_t begun_us, uint64_t *arrivals) {
    if (o.rate <= 0) {
        for (int i = 0; i < 256 && begin_next(); i++) continue;
        return;
    }
    uint64_t due = (uint64_t)((double)(now_us() - begun_us) * o.rate / 1e6);
    for (int i = 0; *arrivals < due && i < 1000; i++, (*arrivals)++)
        if (!begin_next()) late++;
}

static bool busy(void) {
    for (int i = 0; i < o.connections; i++)
        if (all[i].state > IDLE) return true;
    return false;
}

/* What is under way at the end may finish, for five seconds. */
static void run(void) {
    struct epoll_event events[512];
    uint64_t begun = now_us(), next_print = o.every, arrivals = 0, stop_us = 0;
    for (;;) {
        uint64_t now = now_us(), end = begun + (uint64_t)o.seconds * 1000000;
        if (!stop_us && (stopping || (o.seconds && now >= end))) stop_us = now;
        if (!stop_us)
            arrive(begun, &arrivals);
        else if (o.hold || !busy() || now > stop_us + 5000000)
            break;
        int n = epoll_wait(ep, events, 512, 1);
        for (int i = 0; i < n; i++) on_event(&events[i]);
        leave_those_due();
        if (o.every && (now - begun) / 1000000 >= next_print) {
            print_figures((double)(now - begun) / 1e6);
            if (o.ids) fflush(o.ids);
            next_print += (uint64_t)o.every;
        }
    }
    print_figures((double)(now_us() - begun) / 1e6);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int usage(void) {
    fprintf(stderr,
            "usage: load --to HOST:PORT --keys FILE --mix SHAPE:MODEL=WEIGHT,… [--connections N] [--rate PER_SECOND] "
            "[--seconds S] [--every S] [--ids FILE] [--hold]\n"
            "--rate 0: as fast as the connections allow; --seconds 0: until SIGTERM; --hold: one request a connection, "
            "which then stays open\n");
    return 2;
}

static bool add_kinds(char *text) {
    for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
        char *colon = strchr(part, ':'), *equals = strchr(part, '=');
        if (!colon || !equals || equals < colon || n_kinds == KINDS_MAX) return false;
        kind *k = &kinds[n_kinds++];
        *equals = 0;
        snprintf(k->name, sizeof k->name, "%s", part);
        k->model = k->name + (colon - part) + 1;
        total_weight += k->weight = atoi(equals + 1);
        while (k->shape < N_SHAPES && strncmp(part, shape_names[k->shape], (size_t)(colon - part))) k->shape++;
        if (k->shape == N_SHAPES || k->weight < 1) return false;
    }
    return n_kinds > 0;
}

static bool read_keys(const char *path) {
    char line[256];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        o.keys = realloc(o.keys, (o.n_keys + 1) * sizeof *o.keys);
        if (*line) o.keys[o.n_keys++] = strdup(line);
    }
    if (f) fclose(f);
    return o.n_keys > 0;
}

static bool set_address(char *text) {
    char *colon = strrchr(text, ':');
    if (!colon) return false;
    *colon = 0;
    o.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    return inet_pton(AF_INET, text, &o.to.sin_addr) == 1;
}

static bool take_option(const char *name, char *value) {
    if (strcmp(name, "--to") == 0) return set_address(value);
    if (strcmp(name, "--keys") == 0) return read_keys(value);
    if (strcmp(name, "--mix") == 0) return add_kinds(value);
    if (strcmp(name, "--connections") == 0) return (o.connections = atoi(value)) > 0;
    if (strcmp(name, "--rate") == 0) return (o.rate = atof(value)) >= 0;
    if (strcmp(name, "--seconds") == 0) return (o.seconds = atoi(value)) >= 0;
    if (strcmp(name, "--every") == 0) return (o.every = atoi(value)) > 0;
    if (strcmp(name, "--ids") == 0) return (o.ids = fopen(value, "w")) != NULL;
    return false;
}

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--hold") == 0)
            o.hold = true;
        else if (i + 1 >= argc || !take_option(argv[i], argv[i + 1]))
            return usage();
        else
            i++;
    }
    if (!n_kinds || !o.n_keys || !o.to.sin_port) return usage();
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    ep = epoll_create1(EPOLL_CLOEXEC);
    all = calloc((size_t)o.connections, sizeof *all);
    for (int i = 0; i < o.connections; i++) free_conn(&all[i]);
    run();
    return 0;
}
