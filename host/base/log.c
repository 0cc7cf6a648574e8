#include "base/log.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    RING = 1 << 20, /* bytes that may wait for the writer; a power of two */
    LONGEST_LINE = 16384,
    LINE_END = 64, /* of it, for what `emit` adds */
    LONGEST_TEXT = 1000, /* bytes of a field */
    GATHER_MS = 20, /* what the writer waits for more, so that it writes many lines at once */
    PATIENCE_MS = 1000 /* what is allowed a reader that has stopped reading, before lines are given up */
};

/* One a process, as standard error is: every layer logs, also before and after anything that could carry a context. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int fd;
    bool running; /* a writer thread takes the lines */
    bool stopping;
    bool idle; /* the writer waits for a first line */
    bool urgent; /* an error waits, or the ring is half full: do not gather */
    char *ring;
    uint64_t head; /* bytes ever put in */
    uint64_t tail; /* bytes ever written */
    uint64_t unsaid; /* lines dropped since a line last said so */
    _Atomic uint64_t dropped;
    _Atomic int least;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .least = MG_LOG_INFO};

void mg_log_level_set(mg_log_level least) { atomic_store_explicit(&g.least, (int)least, memory_order_relaxed); }

bool mg_log_on(mg_log_level level) { return (int)level >= atomic_load_explicit(&g.least, memory_order_relaxed); }

uint64_t mg_log_dropped(void) { return atomic_load_explicit(&g.dropped, memory_order_relaxed); }

/* ---- output ---- */

/* Writes all of it, also to a descriptor that does not block; false if that failed or the reader has stopped. */
static bool write_all(int fd, const char *p, size_t n) {
    int waited = 0;
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put > 0) {
            p += put;
            n -= (size_t)put;
            waited = 0;
        } else if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd ready = {fd, POLLOUT, 0};
            if (waited++ * 100 >= PATIENCE_MS) return false;
            poll(&ready, 1, 100);
        } else if (put == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static size_t lines_in(const char *p, size_t n) {
    size_t lines = 0;
    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    return lines;
}

static void count_dropped(uint64_t lines) {
    g.unsaid += lines;
    atomic_fetch_add_explicit(&g.dropped, lines, memory_order_relaxed);
}

/* ---- the writer thread ---- */

/* With the lock held: writes what is queued, letting go of the lock meanwhile. Producers never touch [tail, head). */
static void write_queued(void) {
    uint64_t from = g.tail, n = g.head - from;
    g.urgent = false;
    size_t at = from % RING, first = n < RING - at ? n : RING - at;
    int fd = g.fd;
    pthread_mutex_unlock(&g.lock);
    bool ok = write_all(fd, g.ring + at, first) && write_all(fd, g.ring, n - first);
    size_t lost = ok ? 0 : lines_in(g.ring + at, first) + lines_in(g.ring, n - first);
    pthread_mutex_lock(&g.lock);
    g.tail = from + n;
    count_dropped(lost);
}

static void gather(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!g.urgent && !g.stopping)
        if (pthread_cond_timedwait(&g.wake, &g.lock, &until) == ETIMEDOUT) return;
}

static void *writer(void *unused) {
    (void)unused;
    pthread_mutex_lock(&g.lock);
    while (!g.stopping || g.head != g.tail) {
        if (g.head == g.tail) {
            g.idle = true;
            pthread_cond_wait(&g.wake, &g.lock);
            continue;
        }
        g.idle = false;
        gather();
        write_queued();
    }
    pthread_mutex_unlock(&g.lock);
    return NULL;
}

/* The thread takes no signals: they are for the main thread, and a closed pipe must be an error here. */
static bool thread_start(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&g.thread, NULL, writer, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

void mg_log_start(int fd, mg_log_level least) {
    mg_log_level_set(least);
    pthread_mutex_lock(&g.lock);
    g.fd = fd;
    if (!g.running) {
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&g.wake, &attributes);
        pthread_condattr_destroy(&attributes);
        g.ring = mg_malloc(RING);
        g.head = g.tail = 0;
        g.stopping = g.idle = g.urgent = false;
        g.running = thread_start();
        if (!g.running) free(g.ring);
    }
    pthread_mutex_unlock(&g.lock);
}

void mg_log_stop(void) {
    pthread_mutex_lock(&g.lock);
    if (!g.running || g.stopping) {
        pthread_mutex_unlock(&g.lock);
        return;
    }
    g.stopping = true;
    pthread_cond_signal(&g.wake);
    pthread_mutex_unlock(&g.lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2 * PATIENCE_MS / 1000;
    /* A reader that has stopped, on a descriptor that blocks: the process is to end all the same, so thread and ring
     * are left as they are. */
    if (pthread_timedjoin_np(g.thread, NULL, &until)) return;
    pthread_mutex_lock(&g.lock);
    g.running = false;
    pthread_cond_destroy(&g.wake);
    free(g.ring);
    g.ring = NULL;
    pthread_mutex_unlock(&g.lock);
}

/* ---- lines ---- */

static void ring_put(const char *p, size_t n) {
    size_t at = g.head % RING, first = n < RING - at ? n : RING - at;
    memcpy(g.ring + at, p, first);
    memcpy(g.ring, p + first, n - first);
    g.head += n;
}

/* With the lock held. Wakes the writer only if it sleeps without a time limit or should not gather any longer. */
static void enqueue(mg_log_level level, mg_str line) {
    if (line.n > RING - (g.head - g.tail)) {
        count_dropped(1);
        return;
    }
    ring_put(line.p, line.n);
    bool hurry = !g.urgent && (level >= MG_LOG_ERROR || g.head - g.tail > RING / 2);
    g.urgent |= hurry;
    if (g.idle || hurry) pthread_cond_signal(&g.wake);
    g.idle = false;
}

/* Ends the line and hands it on. */
static void emit(mg_log_level level, mg_buf *line) {
    line->max = line->cap;
    if (line->over) mg_buf_str(line, MG_STR(",\"truncated\":true"));
    pthread_mutex_lock(&g.lock);
    uint64_t said = g.unsaid;
    if (said) mg_buf_printf(line, ",\"dropped\":%" PRIu64, said);
    mg_buf_add(line, "}\n", 2);
    g.unsaid = 0;
    uint64_t before = mg_log_dropped();
    if (g.running)
        enqueue(level, mg_buf_view(line));
    else if (!write_all(g.fd, line->p, line->n))
        count_dropped(1);
    if (mg_log_dropped() != before) g.unsaid += said; /* the line that would have said so is lost too */
    pthread_mutex_unlock(&g.lock);
}

/* "2026-11-22T16:45:00.123Z", with the part that changes once a second remembered. */
static void put_time(mg_buf *line) {
    static _Thread_local char text[25];
    static _Thread_local int64_t second = -1;
    int64_t now = mg_clock_unix_ms();
    int ms = (int)(now % 1000);
    if (now / 1000 != second) {
        second = now / 1000;
        mg_clock_iso(now, text);
    }
    text[20] = (char)('0' + ms / 100);
    text[21] = (char)('0' + ms / 10 % 10);
    text[22] = (char)('0' + ms % 10);
    mg_buf_add(line, text, 24);
}

static bool put_number(mg_buf *line, int64_t number) {
    char digits[20], *at = digits + sizeof digits;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do *--at = (char)('0' + size % 10);
    while (size /= 10);
    return (number >= 0 || mg_buf_add(line, "-", 1)) && mg_buf_add(line, at, (size_t)(digits + sizeof digits - at));
}

static bool put_text(mg_buf *line, mg_str text) {
    mg_str shown = mg_str_cut(text, LONGEST_TEXT);
    return mg_buf_add(line, "\"", 1) && mg_buf_json_raw(line, shown) &&
           (shown.n == text.n || mg_buf_str(line, MG_STR("…"))) && mg_buf_add(line, "\"", 1);
}

/* A field that does not fit is left out whole. */
static void put_field(mg_buf *line, const mg_field *f) {
    size_t before = line->n;
    bool ok = mg_buf_add(line, ",", 1) && mg_buf_json(line, mg_str_of(f->name)) && mg_buf_add(line, ":", 1) &&
              (f->text.p ? put_text(line, f->text) : put_number(line, f->number));
    if (!ok) line->n = before;
}

void mg_log_fields(mg_log_level level, const char *event, const mg_field *fields, size_t n) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (!mg_log_on(level)) return;
    char memory[LONGEST_LINE];
    mg_buf line = {.p = memory, .cap = sizeof memory, .max = sizeof memory - LINE_END};
    mg_buf_str(&line, MG_STR("{\"time\":\""));
    put_time(&line);
    mg_buf_str(&line, MG_STR("\",\"level\":\""));
    mg_buf_str(&line, mg_str_of(levels[level <= MG_LOG_ERROR ? level : MG_LOG_ERROR]));
    mg_buf_str(&line, MG_STR("\",\"event\":"));
    put_text(&line, mg_str_of(event));
    for (size_t i = 0; i < n; i++) put_field(&line, &fields[i]);
    emit(level, &line);
}
