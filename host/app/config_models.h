/* The model table: public names and the targets behind them. */
#ifndef MG_APP_CONFIG_MODELS_H
#define MG_APP_CONFIG_MODELS_H

#include "app/config_tree.h"

/* Checks the forms of the table, without asking which providers there are. */
void mg_config_models_check(const mg_json *table, mg_config_report *r);
/* Fills s->models: every target gets its provider of s->providers. */
void mg_config_models_build(const mg_config *c, mg_snapshot *s, mg_config_report *r);

#endif
