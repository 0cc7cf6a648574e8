/* AWS Signature Version 4, for services other than S3. */
#ifndef MG_PLUGINS_BEDROCK_SIGV4_H
#define MG_PLUGINS_BEDROCK_SIGV4_H

#include <moongate/plugin.h>

enum { SIGV4_HEADERS = 40 };

typedef struct sigv4_keys {
    mg_str access_key_id, secret_access_key;
    mg_str session_token; /* "" if there is none */
    mg_str region, service;
} sigv4_keys;

/* The headers to add; x-amz-security-token is the keys' own session_token. */
typedef struct sigv4_signature {
    char date[17]; /* x-amz-date */
    char authorization[2048]; /* authorization */
} sigv4_signature;

/* Signs a request with the headers it holds, its host, date and session token. The path is signed as it goes on the wire,
 * its escapes escaped once more; dots in it are not resolved. False: more than SIGV4_HEADERS headers, names or keys that are
 * too long, or no memory. Touches nothing but `out`. */
bool sigv4_sign(const sigv4_keys *keys, const mg_signing *request, sigv4_signature *out);

#endif
