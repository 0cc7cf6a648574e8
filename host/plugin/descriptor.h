/* What a descriptor has to look like before anything in it is called. */
#ifndef MG_PLUGIN_DESCRIPTOR_H
#define MG_PLUGIN_DESCRIPTOR_H

#include "base/str.h"

/* Checks ABI, sizes, names, the settings table and that no operation is missing; a struct that is longer than ours is
 * fine. The error's text goes on after "FILE: ". */
mg_status mg_descriptor_check(const mg_plugin *plugin, mg_error *error);

#endif
