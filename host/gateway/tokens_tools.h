/* Definitions of functions in the words that OpenAI's models read. */
#ifndef MG_GATEWAY_TOKENS_TOOLS_H
#define MG_GATEWAY_TOKENS_TOOLS_H

#include "base/buf.h"
#include "base/json.h"

/* Adds the functions of a list of tools (or of the older member `functions`) to `out` as the declarations in TypeScript
 * that stand in the model's prompt. Returns how many there are; tools that are no functions are passed over. */
size_t mg_tokens_tools_write(const mg_json *tools, mg_buf *out);
/* The function that a tool defines, in any format; NULL: it is none. */
const mg_json *mg_tokens_tools_function(const mg_json *tool);

#endif
