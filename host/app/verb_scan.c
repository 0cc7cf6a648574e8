/* Verb scan: JSON lines {"text": …} in, what the detectors find out. */
#include "app/text_lines.h"
#include "app/verbs.h"
#include "gateway/detect.h"
#include "gateway/worker.h"

enum { MOST_TYPES = 64 };

typedef struct scan {
    mg_worker worker;
    mg_snapshot *snapshot;
    mg_str types[MOST_TYPES];
    size_t n_types; /* 0: all */
} scan;

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
}

static mg_status detect(scan *s, mg_arena *arena, mg_str text, const mg_found **found, size_t *n, mg_error *error) {
    return mg_detect(&s->worker, s->snapshot, arena, text, s->n_types ? s->types : NULL, s->n_types, found, n, error);
}

/* "ssn,phone" */
static int read_types(scan *s, const char *list) {
    mg_str rest = mg_str_of(list);
    if (!mg_str_trim(rest).n) return mg_verb_fail(2, "--types is empty: leave it out for all types");
    for (;;) {
        size_t n = mg_str_find(rest, ',');
        mg_str type = mg_str_trim(mg_str_from(rest.p, n));
        if (!type.n) return mg_verb_fail(2, "--types has an empty name in '%s'; write them as ssn,phone", list);
        if (s->n_types == MOST_TYPES) return mg_verb_fail(2, "--types has more than %d names", MOST_TYPES);
        s->types[s->n_types++] = type;
        if (n == rest.n) return 0;
        rest = mg_str_skip(rest, n + 1);
    }
}

/* Asks the detectors once, before any line is read, whether they know the types. */
static int check_types(scan *s) {
    const mg_found *found;
    size_t n;
    mg_error error = {0};
    mg_arena *arena = mg_arena_create(512);
    mg_status status = detect(s, arena, MG_STR(""), &found, &n, &error);
    mg_arena_destroy(arena);
    return status == MG_OK ? 0 : mg_verb_fail(2, "%s", error.text);
}

static void write_spans(mg_buf *out, const mg_found *f, size_t n) {
    mg_buf_str(out, MG_STR("{\"spans\":["));
    for (size_t i = 0; i < n; i++)
        mg_buf_printf(out, "%s{\"type\":\"%s\",\"start\":%zu,\"end\":%zu,\"confidence\":%.2f}", i ? "," : "", f[i].type,
                      f[i].start, f[i].end, f[i].confidence);
    mg_buf_str(out, MG_STR("]}\n"));
}

static int scan_lines(scan *s) {
    mg_text_lines l;
    mg_str text;
    mg_text_lines_init(&l);
    while (mg_text_lines_next(&l, &text)) {
        const mg_found *found;
        size_t n;
        mg_error error = {0};
        if (detect(s, l.arena, text, &found, &n, &error) == MG_OK)
            write_spans(&l.out, found, n);
        else
            mg_text_lines_fault(&l, error.text);
    }
    return mg_text_lines_finish(&l);
}

int mg_verb_scan(const mg_verb_context *v) {
    scan s = {0};
    const char *types = mg_verb_option(v, "--types");
    if (v->n_args) return mg_verb_fail(2, "what is '%s'? Texts come as JSON lines on standard input", v->args[0]);
    int status = types ? read_types(&s, types) : 0;
    if (status) return status;
    s.snapshot = mg_config_snapshot(v->config, v->plugins, NULL, 1, NULL, NULL, print_fault, print_fault, NULL);
    if (!s.snapshot) return 2;
    s.worker.loop = mg_evloop_create();
    status = check_types(&s);
    if (!status) status = scan_lines(&s);
    for (size_t i = 0; i < s.snapshot->n_detectors; i++) mg_use_detach(s.snapshot->detectors[i], 0);
    mg_snapshot_unref(s.snapshot);
    mg_evloop_destroy(s.worker.loop);
    return status;
}
