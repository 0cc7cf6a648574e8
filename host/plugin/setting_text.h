/* The text of one scalar setting, checked and read by its type. */
#ifndef MG_PLUGIN_SETTING_TEXT_H
#define MG_PLUGIN_SETTING_TEXT_H

#include "base/arena.h"

/* Reads `text` as `type`; STRINGS and MAP are errors. *number gets what mg_settings.integer answers (0 for strings),
 * *kept the part of `text` to keep (a URL loses its closing slashes). The error begins with "setting 'key'" and holds
 * no value of a SECRET or of a URL. */
mg_status mg_setting_text_read(const char *key, mg_setting_type type, mg_str text, int64_t *number, mg_str *kept,
                               mg_error *error);

#endif
