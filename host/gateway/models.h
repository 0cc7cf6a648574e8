/* The list of models that a key may use. */
#ifndef MG_GATEWAY_MODELS_H
#define MG_GATEWAY_MODELS_H

#include "gateway/request.h"

/* Answers GET …/models, or …/models/ID when the path named one (in r->model_asked). Ends the request. */
void mg_models_serve(mg_request *r);

#endif
