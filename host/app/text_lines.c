#include "app/text_lines.h"
#include "app/verbs.h"
#include <errno.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

void mg_text_lines_init(mg_text_lines *l) {
    *l = (mg_text_lines){.json = mg_json_parser_create(), .arena = mg_arena_create(CHUNK)};
    l->in.max = MG_TEXT_LINE_MAX;
    l->out.max = SIZE_MAX / 2;
}

void mg_text_lines_fault(mg_text_lines *l, const char *message) {
    l->status = mg_verb_fail(1, "line %zu: %s", l->number, message);
}

static void flush(mg_text_lines *l) {
    for (size_t n = 0; n < l->out.n;) {
        ssize_t wrote = write(STDOUT_FILENO, l->out.p + n, l->out.n - n);
        if (wrote > 0) {
            n += (size_t)wrote;
        } else if (wrote < 0 && errno != EINTR) {
            l->status = mg_verb_fail(1, "standard output: %s", strerror(errno));
            l->ended = true; /* nobody takes answers any more */
            mg_buf_clear(&l->in);
            l->at = 0;
            break;
        }
    }
    mg_buf_clear(&l->out);
}

/* Reads on behind what is left of the buffer. False at the end. */
static bool refill(mg_text_lines *l) {
    flush(l);
    if (l->ended) return false;
    mg_buf_drain(&l->in, l->at);
    l->at = 0;
    if (!mg_buf_reserve(&l->in, CHUNK)) {
        l->number++;
        mg_text_lines_fault(l, "it is longer than 256 MB");
        l->in.n = 0;
        l->ended = true;
        return false;
    }
    ssize_t n;
    while ((n = read(STDIN_FILENO, l->in.p + l->in.n, l->in.cap - l->in.n)) < 0 && errno == EINTR) {}
    if (n < 0) l->status = mg_verb_fail(1, "standard input: %s", strerror(errno));
    if (n > 0) l->in.n += (size_t)n;
    l->ended = n <= 0;
    return true;
}

static bool next_line(mg_text_lines *l, mg_str *line) {
    size_t looked = 0; /* bytes of the line without an end in them */
    for (;;) {
        mg_str left = mg_str_skip(mg_buf_view(&l->in), l->at);
        size_t n = looked + mg_str_find(mg_str_skip(left, looked), '\n');
        if (n < left.n || (l->ended && left.n)) {
            *line = mg_str_from(left.p, n);
            l->at += n < left.n ? n + 1 : n;
            return true;
        }
        looked = left.n;
        if (l->ended || !refill(l)) return false;
    }
}

bool mg_text_lines_next(mg_text_lines *l, mg_str *text) {
    mg_str line;
    while (next_line(l, &line)) {
        const mg_json *root, *member;
        mg_error error;
        l->number++;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (mg_str_trim(line).n == 0) continue;
        mg_arena_reset(l->arena);
        if (mg_json_parse_copy(l->json, l->arena, line, &root, &error) != MG_OK) {
            mg_text_lines_fault(l, error.text);
        } else if (mg_json_kind(member = mg_json_get(root, MG_STR("text"))) != MG_JSON_STRING) {
            mg_text_lines_fault(l, "there is no string \"text\"");
        } else {
            *text = member->str;
            return true;
        }
    }
    flush(l);
    return false;
}

int mg_text_lines_finish(mg_text_lines *l) {
    flush(l);
    mg_json_parser_destroy(l->json);
    mg_arena_destroy(l->arena);
    mg_buf_finish(&l->in);
    mg_buf_finish(&l->out);
    return l->status;
}
