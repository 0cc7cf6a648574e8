/* Log: JSON lines on standard error, written by a thread of its own from a bounded ring, so that no worker waits for a
 * terminal or a pipe. When the ring is full lines are dropped and counted, and the next line says how many. */
#ifndef MG_BASE_LOG_H
#define MG_BASE_LOG_H

#include "base/str.h"

/* Starts the writer thread; before it, and after mg_log_stop, lines are written at once. */
void mg_log_start(int fd, mg_log_level least);
void mg_log_level_set(mg_log_level least);
bool mg_log_on(mg_log_level level);
void mg_log_stop(void); /* writes what is queued, ends the thread */
uint64_t mg_log_dropped(void);

/* A field of a line: a string, or a number when text.p is NULL. Strings are escaped, and cut at 1,000 bytes. */
typedef struct mg_field {
    const char *name;
    mg_str text;
    int64_t number;
} mg_field;
#define MG_F(name_, str_) ((mg_field){(name_), (str_), 0})
#define MG_FN(name_, num_) ((mg_field){(name_), {NULL, 0}, (int64_t)(num_)})

/* {"time":"…","level":"info","event":"…", fields…}; event is a short constant name such as "request" or "reload". */
void mg_log_fields(mg_log_level level, const char *event, const mg_field *fields, size_t n);
#define mg_log(level, event, ...)                                                                                      \
    do {                                                                                                               \
        if (mg_log_on(level)) {                                                                                        \
            const mg_field mg_fields_[] = {__VA_ARGS__};                                                               \
            mg_log_fields((level), (event), mg_fields_, sizeof mg_fields_ / sizeof mg_fields_[0]);                     \
        }                                                                                                              \
    } while (0)

#endif
