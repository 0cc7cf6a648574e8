/* What the tests of translations share: recorded exchanges of the four vendors, their plugins, and tables of counts. */
#ifndef TESTS_GATEWAY_TRANSLATE_H
#define TESTS_GATEWAY_TRANSLATE_H

#include "../plugin/recordings.h"

#include "format/format.h"

enum { VENDORS = 4, FORMATS = 4 };

static const char *const vendor_names[VENDORS] = {"openai", "azure", "anthropic", "google"};
static const char *const vendor_files[VENDORS] = {"openai.jsonl.gz", "azure.jsonl", "anthropic.jsonl.gz",
                                                  "gemini.jsonl.gz"};

static const mg_format *const formats[FORMATS] = {&mg_format_openai, &mg_format_responses, &mg_format_anthropic,
                                                  &mg_format_gemini};

static provider vendors[VENDORS];

static inline void azure_set(mg_setting_values *v) {
    mg_error error;
    mg_setting_set(v, MG_STR("endpoint"), MG_STR("https://resource.openai.azure.com"), &error);
}

static inline int translate_setup(void **state) {
    (void)state;
    for (int i = 0; i < VENDORS; i++) provider_open(&vendors[i], vendor_names[i], i == 1 ? azure_set : NULL);
    return 0;
}

static inline int translate_teardown(void **state) {
    (void)state;
    for (int i = 0; i < VENDORS; i++) provider_close(&vendors[i]);
    return 0;
}

/* The plugin that speaks a format natively. */
static inline provider *vendor_of_format(mg_format_id format) {
    return &vendors[format == MG_FORMAT_ANTHROPIC ? 2 : format == MG_FORMAT_GEMINI ? 3 : 0];
}

/* What a recorded path stands for; false: nothing that is translated. */
static inline bool translate_route(mg_str path, mg_format_id *format) {
    if (mg_str_glob(MG_STR("*/chat/completions"), path))
        *format = MG_FORMAT_OPENAI;
    else if (mg_str_glob(MG_STR("*/responses"), path))
        *format = MG_FORMAT_RESPONSES;
    else if (mg_str_glob(MG_STR("*/messages"), path))
        *format = MG_FORMAT_ANTHROPIC;
    else if (mg_str_glob(MG_STR("*enerateContent"), path))
        *format = MG_FORMAT_GEMINI;
    else
        return false;
    return true;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* Adds a line to a table, or one to its count, which is written in 5 places before it. */
static inline void table_count(mg_buf *table, const char *format, ...) {
    char line[400], number[8];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (size_t at = 0; at < table->n;) {
        mg_str rest = mg_str_from(table->p + at, table->n - at);
        size_t n = mg_str_find(rest, '\n');
        if (mg_str_is(mg_str_skip(mg_str_from(rest.p, n), 6), line)) {
            snprintf(number, sizeof number, "%5d", (atoi(table->p + at) + 1) % 100000);
            memcpy(table->p + at, number, 5);
            return;
        }
        at += n + 1;
    }
    mg_buf_printf(table, "    1 %s\n", line);
}

static inline int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a + 6, *(char *const *)b + 6); }

/* Prints it in order, and frees it. */
static inline void table_print(mg_buf *table, const char *title) {
    char *lines[1024];
    size_t n = 0;
    print_message("%s\n", title);
    mg_buf_add(table, "", 1);
    for (char *line = strtok(table->p, "\n"); line && n < 1024; line = strtok(NULL, "\n")) lines[n++] = line;
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) print_message("%s\n", lines[i]);
    mg_buf_finish(table);
}

#endif
