/* Whose model an id names, and what of it is the maker's own. Facts from Amazon's user guide (prompt caching, model
 * parameters) and the user guides of Nova. */
#include "bedrock.h"

#include <strings.h>

bool bedrock_says(mg_str text, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.p + i, part, n) == 0) return true;
    return false;
}

bedrock_model bedrock_model_of(mg_str id) {
    static const struct {
        const char *part;
        bedrock_maker maker;
    } makers[] = {
        {"anthropic.claude", MAKER_CLAUDE}, {"amazon.nova-2", MAKER_NOVA_2}, {"amazon.nova", MAKER_NOVA},
        {"openai.", MAKER_OPENAI},          {"mistral.", MAKER_MISTRAL},     {"cohere.", MAKER_COHERE},
    };
    bedrock_model m = {.maker = MAKER_OTHER};
    for (size_t i = 0; i < COUNT(makers) && m.maker == MAKER_OTHER; i++)
        if (bedrock_says(id, makers[i].part)) m.maker = makers[i].maker;
    bool claude = m.maker == MAKER_CLAUDE;
    bool first = bedrock_says(id, "claude-v") || bedrock_says(id, "claude-instant") ||
                 bedrock_says(id, "claude-3-haiku") || bedrock_says(id, "claude-3-sonnet") ||
                 bedrock_says(id, "claude-3-opus");
    if (claude) m.claude = anthropic_model_of(id);
    m.cache_points = (claude && !first) || m.maker == MAKER_NOVA || m.maker == MAKER_NOVA_2;
    m.cache_tools = claude && !first;
    m.cache_ttl = claude && m.claude.structured; /* from 4.5 on */
    return m;
}
