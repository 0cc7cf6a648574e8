/* The verbs of the command line. Each lives in verb_NAME.c and gets a parsed command line, and the configuration and plugins
 * if it asks for them. */
#ifndef MG_APP_VERBS_H
#define MG_APP_VERBS_H

#include "app/config.h"

#include <stdio.h>

typedef struct mg_verb mg_verb;

typedef struct mg_option {
    const char *name; /* "--org" */
    const char *value; /* what it takes, for --help ("ORG"); NULL: a switch */
    const char *doc;
} mg_option;

typedef struct mg_verb_context {
    const mg_verb *verb;
    mg_str config_path; /* {NULL,0}: the defaults */
    mg_config *config; /* NULL unless the verb needs it */
    mg_registry *plugins;
    bool json;
    const char *args[16]; /* without options; args[0] is the first after the verb */
    size_t n_args;
    const char *values[24]; /* of the verb's options, in the order of its table; NULL: not given; "" for a switch */
} mg_verb_context;

struct mg_verb {
    const char *name; /* "serve", "key add" */
    const char *arguments; /* "[-c FILE]" */
    const char *summary;
    bool needs_config;
    int (*run)(const mg_verb_context *v); /* exit status */
    const mg_option *options; /* besides -c, --json, --help; ends with a NULL name; may be NULL */
};

/* Value of an option, or NULL. */
const char *mg_verb_option(const mg_verb_context *v, const char *name);
/* Prints "moongate: …" to standard error; returns the status, so that `return mg_verb_fail(1, …)` reads well. */
int mg_verb_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens the configured ledger with its schema up to date; NULL after printing why not. The caller mg_use_unrefs it. */
mg_use *mg_verb_ledger(const mg_verb_context *v);

int mg_verb_serve(const mg_verb_context *v);
int mg_verb_check(const mg_verb_context *v);
int mg_verb_report(const mg_verb_context *v);
int mg_verb_key_add(const mg_verb_context *v);
int mg_verb_key_list(const mg_verb_context *v);
int mg_verb_key_revoke(const mg_verb_context *v);
int mg_verb_org_add(const mg_verb_context *v);
int mg_verb_org_list(const mg_verb_context *v);
int mg_verb_request_show(const mg_verb_context *v);
int mg_verb_provider_list(const mg_verb_context *v);
int mg_verb_provider_status(const mg_verb_context *v);
int mg_verb_provider_disable(const mg_verb_context *v);
int mg_verb_provider_enable(const mg_verb_context *v);
int mg_verb_migrate(const mg_verb_context *v);
int mg_verb_policy_test(const mg_verb_context *v);
int mg_verb_policy_manual(const mg_verb_context *v);
int mg_verb_scan(const mg_verb_context *v);
int mg_verb_tokens(const mg_verb_context *v);
int mg_verb_price(const mg_verb_context *v);

#endif
