/* A plugin as it was built, loaded without the registry: for tests of what plugins do. */
#ifndef TESTS_PLUGIN_PLUGIN_FILE_H
#define TESTS_PLUGIN_PLUGIN_FILE_H

#include "fixture.h"
#include "plugin/settings.h"
#include <dlfcn.h>
#include <time.h>

static inline const mg_plugin *plugin_file_load(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/plugins/%s.so", TEST_BINARY_DIR, name);
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!file) fail_msg("%s (is the plugin built?)", dlerror());
    const mg_plugin *(*describe)(void) = NULL;
    *(void **)&describe = dlsym(file, MG_PLUGIN_SYMBOL);
    assert_non_null(describe);
    const mg_plugin *plugin = describe();
    assert_int_equal(plugin->abi, MG_PLUGIN_ABI);
    assert_int_equal(plugin->size, sizeof(mg_plugin));
    return plugin;
}

static inline uint64_t plugin_file_now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void plugin_file_sleep_ms(uint64_t ms) {
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

#endif
