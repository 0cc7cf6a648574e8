/* All configured detectors over one text. */
#ifndef MG_GATEWAY_DETECT_H
#define MG_GATEWAY_DETECT_H

#include "gateway/snapshot.h"

typedef struct mg_worker mg_worker;

typedef struct mg_found {
    const char *type;
    mg_severity severity;
    size_t start, end; /* bytes of the text */
    double confidence;
} mg_found;

/* Spans in order of start, overlaps resolved (higher confidence, then longer wins), in the arena. types NULL: all. MG_ERROR:
 * a detector failed or a type is unknown (the sentence names the known ones): never read as "nothing found". */
mg_status mg_detect(mg_worker *w, const mg_snapshot *s, mg_arena *arena, mg_str text, const mg_str *types,
                    size_t n_types, const mg_found **found, size_t *n, mg_error *error);

#endif
