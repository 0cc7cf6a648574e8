#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define MG_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MG_ARENA_ASAN 1
#endif
#endif
#ifdef MG_ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 }; /* unreadable bytes between allocations, so that an overrun is caught */
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = 16, LEAST_BLOCK = 512, LARGEST_STEP = 256 * 1024 };

typedef struct block {
    struct block *older;
    size_t size; /* bytes of data */
    _Alignas(ALIGN) char data[];
} block;

typedef struct cleanup {
    struct cleanup *older;
    void (*run)(void *arg);
    void *arg;
} cleanup;

struct mg_arena {
    block *newest; /* the chain of blocks, which ends with `first` */
    char *at, *end; /* the rest of the block that small allocations come from */
    cleanup *cleanups;
    size_t held;
    size_t step; /* size of the next block */
    block *first;
};

void mg_oom(size_t n) {
    char line[128];
    int length = snprintf(line, sizeof line, "moongate: out of memory: the system refused %zu bytes\n", n);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) abort();
    abort();
}

void *mg_malloc(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) mg_oom(n);
    return p;
}

void *mg_calloc(size_t n, size_t size) {
    if (n == 0 || size == 0) n = size = 1;
    void *p = calloc(n, size);
    if (!p) mg_oom(n * size);
    return p;
}

void *mg_realloc(void *p, size_t n) {
    void *q = realloc(p, n ? n : 1);
    if (!q) mg_oom(n);
    return q;
}

char *mg_strndup(const char *p, size_t n) {
    char *q = mg_malloc(n + 1);
    if (n) memcpy(q, p, n);
    q[n] = 0;
    return q;
}

static block *block_create(size_t size) {
    if (size > SIZE_MAX - sizeof(block)) mg_oom(size);
    block *b = mg_malloc(sizeof(block) + size);
    b->size = size;
    b->older = NULL;
    ASAN_POISON_MEMORY_REGION(b->data, size);
    return b;
}

static void block_destroy(block *b) {
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    free(b);
}

static void start_over(mg_arena *a) {
    a->newest = a->first;
    a->at = a->first->data;
    a->end = a->at + a->first->size;
    a->held = sizeof(mg_arena) + sizeof(block) + a->first->size;
    a->step = a->first->size;
    ASAN_POISON_MEMORY_REGION(a->first->data, a->first->size);
}

mg_arena *mg_arena_create(size_t first) {
    mg_arena *a = MG_NEW(mg_arena);
    size_t size = first < LEAST_BLOCK ? LEAST_BLOCK : first;
    if (size > SIZE_MAX - ALIGN) mg_oom(size);
    a->first = block_create((size + ALIGN - 1) / ALIGN * ALIGN);
    start_over(a);
    return a;
}

static void run_cleanups(mg_arena *a) {
    while (a->cleanups) {
        cleanup *c = a->cleanups;
        a->cleanups = c->older; /* first: run() may register another one */
        c->run(c->arg);
    }
}

static void free_all_but_first(mg_arena *a) {
    for (block *b = a->newest; b != a->first;) {
        block *older = b->older;
        block_destroy(b);
        b = older;
    }
}

void mg_arena_reset(mg_arena *a) {
    run_cleanups(a);
    free_all_but_first(a);
    start_over(a);
}

void mg_arena_destroy(mg_arena *a) {
    if (!a) return;
    run_cleanups(a);
    free_all_but_first(a);
    block_destroy(a->first);
    free(a);
}

static void *take(mg_arena *a, size_t n, size_t step) {
    char *p = a->at;
    a->at += step;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    return p;
}

/* `n` rounded up is `step`. What is large gets a block to itself, and small allocations go on where they were. */
static void *alloc_slow(mg_arena *a, size_t n, size_t step) {
    if (a->step < LARGEST_STEP) a->step *= 2;
    if (step > a->step / 4) {
        block *b = block_create(step);
        block **behind = a->newest == a->first ? &a->newest : &a->newest->older;
        b->older = *behind;
        *behind = b;
        a->held += sizeof(block) + step;
        ASAN_UNPOISON_MEMORY_REGION(b->data, n);
        return b->data;
    }
    block *b = block_create(a->step);
    b->older = a->newest;
    a->newest = b;
    a->held += sizeof(block) + b->size;
    a->at = b->data;
    a->end = b->data + b->size;
    return take(a, n, step);
}

void *mg_arena_alloc(mg_arena *a, size_t n) {
    if (n > SIZE_MAX / 2) mg_oom(n);
    size_t step = (n + ALIGN - 1) / ALIGN * ALIGN + RED_ZONE;
    if (step == 0) step = ALIGN; /* two allocations never share an address */
    if (step > (size_t)(a->end - a->at)) return alloc_slow(a, n, step);
    return take(a, n, step);
}

void *mg_arena_zalloc(mg_arena *a, size_t n) { return memset(mg_arena_alloc(a, n), 0, n); }

mg_str mg_arena_dup(mg_arena *a, mg_str s) {
    char *p = mg_arena_alloc(a, s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (mg_str){p, s.n};
}

mg_str mg_arena_printf(mg_arena *a, const char *format, ...) {
    char small[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    mg_str out = {"", 0};
    if (n >= 0 && (size_t)n < sizeof small) {
        out = mg_arena_dup(a, mg_str_from(small, (size_t)n));
    } else if (n >= 0) {
        char *p = mg_arena_alloc(a, (size_t)n + 1);
        vsnprintf(p, (size_t)n + 1, format, again);
        out = (mg_str){p, (size_t)n};
    }
    va_end(again);
    return out;
}

void mg_arena_cleanup(mg_arena *a, void (*run)(void *arg), void *arg) {
    cleanup *c = mg_arena_alloc(a, sizeof *c);
    *c = (cleanup){a->cleanups, run, arg};
    a->cleanups = c;
}

size_t mg_arena_size(const mg_arena *a) { return a->held; }

mg_str mg_arena_join(mg_arena *a, const mg_str *parts, size_t n) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += parts[i].n;
    char *out = mg_arena_alloc(a, total + 1), *at = out;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n) memcpy(at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    *at = 0;
    return (mg_str){out, total};
}

mg_str mg_arena_int(mg_arena *a, int64_t n) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (n < 0) *--at = '-';
    return mg_arena_dup(a, (mg_str){at, (size_t)(digits + sizeof digits - at)});
}
