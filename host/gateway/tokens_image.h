/* Tokens of pictures by the vendors' published formulas. */
#ifndef MG_GATEWAY_TOKENS_IMAGE_H
#define MG_GATEWAY_TOKENS_IMAGE_H

#include "base/str.h"

typedef struct mg_image_size {
    int64_t width, height; /* pixels; 0: not known */
} mg_image_size;

/* Size of a PNG, JPEG, GIF or WebP from its bytes in base64, of which only the start is read; also of a "data:" URL. */
mg_image_size mg_image_size_read(mg_str base64);
/* Tokens of a picture for a model (a bare name, "gpt-4o-mini", "claude-…", "gemini-…"; any other counts as gpt-4o
 * does). `low`: with OpenAI's detail "low". A size that is not known counts as 1024 × 1536. */
int64_t mg_image_tokens(mg_image_size size, bool low, mg_str model);

#endif
