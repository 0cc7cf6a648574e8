/* Verb scan: JSON lines {"text": …} in, what the detectors find out. */
#include "app/text_lines.h"
#include "app/verbs.h"
#include "gateway/detect.h"
#include "gateway/worker.h"

static void print_fault(void *arg, const mg_config_fault *f) {
    (void)arg;
    fprintf(stderr, "%.*s:%d: %.*s\n", MG_STR_ARG(f->file), f->line, MG_STR_ARG(f->message));
}

static void print_spans(mg_buf *out, const mg_found *f, size_t n) {
    mg_buf_str(out, MG_STR("{\"spans\":["));
    for (size_t i = 0; i < n; i++)
        mg_buf_printf(out, "%s{\"type\":\"%s\",\"start\":%zu,\"end\":%zu,\"confidence\":%.2f}", i ? "," : "", f[i].type,
                      f[i].start, f[i].end, f[i].confidence);
    mg_buf_str(out, MG_STR("]}\n"));
}

int mg_verb_scan(const mg_verb_context *v) {
    mg_snapshot *s = mg_config_snapshot(v->config, v->plugins, NULL, 1, NULL, NULL, print_fault, print_fault, NULL);
    if (!s) return 2;
    mg_worker w = {.loop = mg_evloop_create()};
    mg_text_lines l;
    mg_str text;
    mg_text_lines_init(&l);
    while (mg_text_lines_next(&l, &text)) {
        const mg_found *found;
        size_t n;
        mg_error error;
        if (mg_detect(&w, s, l.arena, text, NULL, 0, &found, &n, &error) == MG_OK)
            print_spans(&l.out, found, n);
        else
            mg_text_lines_fault(&l, error.text);
    }
    int status = mg_text_lines_finish(&l);
    for (size_t i = 0; i < s->n_detectors; i++) mg_use_detach(s->detectors[i], 0);
    mg_snapshot_unref(s);
    mg_evloop_destroy(w.loop);
    return status;
}
