/* The policies that ship, compiled into the program by embed.cmake. */
#ifndef MG_POLICY_EMBEDDED_H
#define MG_POLICY_EMBEDDED_H

#include <stddef.h>

typedef struct mg_embedded {
    const char *name; /* "rate"; NULL at the end */
    const unsigned char *text;
    size_t n;
} mg_embedded;

extern const mg_embedded mg_embedded_policies[];

#endif
