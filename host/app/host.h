/* What the host offers to plugins. */
#ifndef MG_APP_HOST_H
#define MG_APP_HOST_H

#include <moongate/plugin.h>

const mg_host *mg_plugin_host(void);

#endif
