/* Tokens that a provider is called with instead of a key (OAuth 2.0): asked for by the host as the plugin describes, kept by each
 * worker until shortly before they end, and asked for once however many requests wait. */
#ifndef MG_GATEWAY_CREDENTIAL_H
#define MG_GATEWAY_CREDENTIAL_H

#include "gateway/request.h"

typedef struct mg_credentials mg_credentials; /* of one worker */

void mg_credentials_destroy(mg_credentials *c); /* NULL is fine. While the loop does not run */

/* The token for calls of this provider, copied into the request's arena; {NULL, 0} where the provider needs none. MG_AGAIN: it is
 * being asked for, and the request is resumed when it is there; ask again then. MG_ERROR: there is none, for the reason given. */
mg_status mg_credential_get(mg_request *r, const mg_provider_use *p, mg_str *token, mg_error *error);
/* The request ends: it waits no longer. */
void mg_credential_forget(mg_request *r);

#endif
