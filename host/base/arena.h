/* Region allocator: everything that belongs to one request dies with it. */
#ifndef MG_BASE_ARENA_H
#define MG_BASE_ARENA_H

#include "base/str.h"

typedef struct mg_arena mg_arena;

/* An arena whose first block takes `first` bytes. Never NULL: running out of memory ends the process (mg_oom). */
mg_arena *mg_arena_create(size_t first);
void mg_arena_destroy(mg_arena *a); /* NULL is fine; runs the cleanups, newest first */
/* Runs the cleanups and frees all but the first block: the arena is as new. */
void mg_arena_reset(mg_arena *a);
/* 16-byte aligned, not zeroed; lives until reset or destroy. */
void *mg_arena_alloc(mg_arena *a, size_t n);
void *mg_arena_zalloc(mg_arena *a, size_t n);
mg_str mg_arena_dup(mg_arena *a, mg_str s); /* a copy with a 0 behind it */
/* The parts one after another, and a whole number: for the hot path, where printf is dear. */
mg_str mg_arena_join(mg_arena *a, const mg_str *parts, size_t n);
mg_str mg_arena_int(mg_arena *a, int64_t n);
mg_str mg_arena_printf(mg_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Calls run(arg) at reset or destroy. */
void mg_arena_cleanup(mg_arena *a, void (*run)(void *arg), void *arg);
/* Bytes held from the system, for limits and tests. */
size_t mg_arena_size(const mg_arena *a);

/* Ends the process with a message; n is the number of bytes that could not be had. */
void mg_oom(size_t n) __attribute__((noreturn));

/* malloc and friends that end the process with a message instead of returning NULL. */
void *mg_malloc(size_t n);
void *mg_calloc(size_t n, size_t size);
void *mg_realloc(void *p, size_t n);
char *mg_strndup(const char *p, size_t n);

#define MG_NEW(type) ((type *)mg_calloc(1, sizeof(type)))
#define MG_ARENA_NEW(a, type) ((type *)mg_arena_zalloc((a), sizeof(type)))

#endif
