/* Recorded traffic: rows of JSON lines with path, query, request, status, stream and body. */
#ifndef TESTS_PLUGIN_RECORDINGS_H
#define TESTS_PLUGIN_RECORDINGS_H

#include "provider.h"

static inline const char *recordings_folder(void) {
    const char *folder = getenv("MOONGATE_DATA");
    return folder ? folder : "../shared/data";
}

/* Calls `each` for every row of the file, whose text is `line`; false if there is no such file. */
static inline bool recordings_walk(provider *p, const char *name,
                                   void (*each)(const mg_json *row, mg_str line, void *arg), void *arg) {
    char command[512], *line = NULL;
    size_t cap = 0;
    mg_error error;
    snprintf(command, sizeof command, "%s/recordings/%s", recordings_folder(), name);
    if (access(command, R_OK) != 0) return false;
    snprintf(command, sizeof command, "gzip -dcf '%s/recordings/%s'", recordings_folder(), name);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    mg_arena *arena = mg_arena_create(1 << 16);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; mg_arena_reset(arena), mg_arena_reset(p->arena)) {
        const mg_json *row;
        mg_str text = mg_str_from(line, (size_t)n);
        if (mg_json_parse_copy(p->parser, arena, text, &row, &error) != MG_OK) fail_msg("%s: %s", name, error.text);
        each(row, text, arg);
    }
    assert_int_equal(pclose(f), 0);
    mg_arena_destroy(arena);
    free(line);
    return true;
}

/* Says so and ends the test as skipped. */
static inline void recordings_skip(void) {
    print_message("SKIPPED: no recordings in %s (set MOONGATE_DATA)\n", recordings_folder());
    skip();
}

/* The data of one event of a recorded stream; false at its end. Recordings hold one data line an event. */
static inline bool recordings_frame(mg_str *body, mg_str *data) {
    while (body->n) {
        mg_str line = mg_str_from(body->p, mg_str_find(*body, '\n'));
        *body = mg_str_skip(*body, line.n + 1);
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (mg_str_starts(line, MG_STR("data:"))) {
            *data = mg_str_trim(mg_str_skip(line, 5));
            return true;
        }
    }
    return false;
}

static inline mg_str recordings_text(const mg_json *row, const char *key) {
    return mg_json_text(mg_json_get(row, mg_str_of(key)));
}

/* What an answer said, collected from its events. */
typedef struct recordings_tally {
    mg_buf text, reasoning, refusal; /* of choice 0 */
    mg_buf calls; /* of choice 0: "name(arguments)" each, without their ids; pieces of one call are put together */
    mg_str upstream_id;
    mg_usage usage;
    int64_t call; /* the one that `calls` ends with */
    int usages, errors, dones, n_calls, finishes, signatures, citations, others, media, vectors, logprobs;
    char finish[32];
} recordings_tally;

static inline void recordings_call(recordings_tally *t, const mg_event *e) {
    if (e->choice != 0) return;
    if (t->n_calls == 0 || e->index != t->call) {
        if (t->n_calls++) mg_buf_str(&t->calls, MG_STR(")"));
        mg_buf_str(&t->calls, e->name);
        mg_buf_str(&t->calls, MG_STR("("));
        t->call = e->index;
    }
    mg_buf_str(&t->calls, e->text);
}

static inline void recordings_event(void *ctx, const mg_event *e) {
    recordings_tally *t = ctx;
    assert_int_equal(e->size, sizeof *e);
    if (e->type == MG_EVENT_TEXT && e->choice == 0) mg_buf_str(&t->text, e->text);
    if (e->type == MG_EVENT_REASONING && e->choice == 0) mg_buf_str(&t->reasoning, e->text);
    if (e->type == MG_EVENT_REFUSAL && e->choice == 0) mg_buf_str(&t->refusal, e->text);
    if (e->type == MG_EVENT_TOOL) recordings_call(t, e);
    if (e->type == MG_EVENT_USAGE) t->usage = *e->usage;
    if (e->type == MG_EVENT_FINISH) snprintf(t->finish, sizeof t->finish, MG_STR_FMT, MG_STR_ARG(e->text));
    t->usages += e->type == MG_EVENT_USAGE;
    t->errors += e->type == MG_EVENT_ERROR;
    t->dones += e->type == MG_EVENT_DONE;
    t->finishes += e->type == MG_EVENT_FINISH;
    t->signatures += e->type == MG_EVENT_SIGNATURE;
    t->citations += e->type == MG_EVENT_CITATION;
    t->others += e->type == MG_EVENT_OTHER;
    t->media += e->type == MG_EVENT_MEDIA;
    t->vectors += e->type == MG_EVENT_EMBEDDING;
    t->logprobs += e->type == MG_EVENT_LOGPROBS;
}

static inline void recordings_tally_finish(recordings_tally *t) {
    mg_buf_finish(&t->text);
    mg_buf_finish(&t->reasoning);
    mg_buf_finish(&t->refusal);
    mg_buf_finish(&t->calls);
}

#endif
