/* What the plugin layer's tests share: a folder of their own, and plugins compiled into it. */
#ifndef TESTS_PLUGIN_FIXTURE_H
#define TESTS_PLUGIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"

/* Makes a new folder and returns its path, to be removed with fixture_folder_remove. */
static inline char *fixture_folder(void) {
    char path[] = "/tmp/moongate-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    return mg_strndup(path, strlen(path));
}

static inline void fixture_folder_remove(char *folder) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(folder);
}

/* Compiles a source (from the repository's root) to FOLDER/name with more flags. */
static inline void fixture_compile(const char *folder, const char *name, const char *source, const char *flags) {
    char command[1024];
    snprintf(
        command, sizeof command,
        "${CC:-cc} -std=gnu11 -Wall -Wextra -Wno-unused -shared -fPIC -fvisibility=hidden -I'%s/../host/include' %s -o "
        "'%s/%s' '%s/../%s' -pthread",
        TEST_SOURCE_DIR, flags, folder, name, TEST_SOURCE_DIR, source);
    if (system(command) != 0) fail_msg("can't compile %s", source);
}

static inline void fixture_write(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static inline void fixture_log(mg_log_level level, mg_str plugin, mg_str text) {
    fprintf(stderr, "%d " MG_STR_FMT ": " MG_STR_FMT "\n", (int)level, MG_STR_ARG(plugin), MG_STR_ARG(text));
}

static inline mg_host fixture_host(void) {
    mg_host host = {.size = sizeof host, .log = fixture_log};
    mg_json_host(&host);
    return host;
}

#endif
