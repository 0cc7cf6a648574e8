#include "app/host.h"

#include "base/json.h"
#include "base/log.h"

#include <pthread.h>

static mg_host host; /* written once, before any plugin is loaded */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void log_line(mg_log_level level, mg_str plugin, mg_str text) {
    mg_log(level, "plugin", MG_F("plugin", plugin), MG_F("message", text));
}

static void fill(void) {
    host.size = sizeof host;
    host.log = log_line;
    mg_json_host(&host);
}

const mg_host *mg_plugin_host(void) {
    pthread_once(&once, fill);
    return &host;
}
