/* The demo provider's vectors. They are hashes of the text and carry no meaning: equal texts have equal vectors, and
 * any two others are about at right angles, however close what they say. */
#include <math.h>

#include "../provider_openai/openai.h"
#include "demo.h"

enum { DIMENSIONS = 256, INPUTS_MAX = 2048 };

static uint64_t fnv1a(const void *p, size_t n) {
    const unsigned char *c = p;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ c[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void vector_make(uint64_t seed, float *v, size_t dimensions) {
    double length = 0;
    for (size_t i = 0; i < dimensions; i++) {
        v[i] = (float)((double)(splitmix64(&seed) >> 11) / (double)(1ull << 52) - 1.0);
        length += (double)v[i] * v[i];
    }
    length = sqrt(length);
    if (length == 0) v[0] = 1, length = 1;
    for (size_t i = 0; i < dimensions; i++) v[i] = (float)(v[i] / length);
}

/* Eight decimal places without printf, whose decimal point follows the locale. */
static void number_write(demo_text *out, float f) {
    long scaled = lround(fabs((double)f) * 1e8);
    demo_printf(out, "%s%ld.%08ld", f < 0 ? "-" : "", scaled / 100000000, scaled % 100000000);
}

/* Little-endian 32-bit floats in base64, which the official clients ask for. */
static void base64_write(demo_text *out, const float *v, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[DIMENSIONS * 4 + 2] = {0};
    char group[4];
    size_t size = n * 4;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        for (size_t k = 0; k < 4; k++) bytes[i * 4 + k] = (unsigned char)(bits >> (8 * k));
    }
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (size_t k = 0; k < 4; k++) group[k] = digits[three >> (18 - 6 * k) & 63];
        if (i + 2 >= size) group[3] = '=';
        if (i + 1 >= size) group[2] = '=';
        demo_add(out, group, 4);
    }
}

typedef struct embedding {
    const mg_host *h;
    demo_text *out;
    size_t dimensions;
    bool base64;
    int64_t tokens;
    size_t n;
} embedding;

static void embedding_write(embedding *e, uint64_t seed, int64_t tokens) {
    float v[DIMENSIONS];
    vector_make(seed, v, e->dimensions);
    demo_printf(e->out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", e->n ? "," : "", e->n);
    if (e->base64) {
        demo_add(e->out, "\"", 1);
        base64_write(e->out, v, e->dimensions);
        demo_add(e->out, "\"", 1);
    } else {
        for (size_t i = 0; i < e->dimensions; i++) {
            demo_add(e->out, i ? "," : "[", 1);
            number_write(e->out, v[i]);
        }
        demo_add(e->out, "]", 1);
    }
    demo_add(e->out, "}", 1);
    e->tokens += tokens;
    e->n++;
}

/* A list of token numbers; false if it holds anything else. */
static bool tokens_write(embedding *e, const mg_json *list) {
    uint64_t seed = fnv1a("tokens", 6);
    int64_t n = 0;
    for (const mg_json *t = e->h->json_child(list); t; t = e->h->json_next(t), n++) {
        int64_t token = e->h->json_int(t, -1);
        if (token < 0) return false;
        seed = (seed ^ (uint64_t)token) * 0x100000001b3u;
    }
    if (n == 0) return false;
    embedding_write(e, seed, n);
    return true;
}

static bool input_write(embedding *e, const mg_json *input) {
    mg_str text = e->h->json_str(input);
    if (e->h->json_type(input) == MG_JSON_ARRAY) return tokens_write(e, input);
    if (text.n == 0) return false;
    embedding_write(e, fnv1a(text.p, text.n), demo_tokens(text.n));
    return true;
}

static bool inputs_write(embedding *e, const mg_json *input) {
    const mg_json *first = e->h->json_child(input);
    if (!input) return false;
    if (!first || e->h->json_type(first) == MG_JSON_NUMBER) return input_write(e, input);
    for (const mg_json *i = first; i; i = e->h->json_next(i))
        if (e->n == INPUTS_MAX || !input_write(e, i)) return false;
    return true;
}

mg_status demo_embeddings(const mg_host *h, const mg_provider_request *r, demo_text *out, mg_error *error) {
    embedding e = {.h = h, .out = out};
    const mg_json *dimensions = openai_get(h, r->root, "dimensions");
    mg_str encoding = openai_text(h, r->root, "encoding_format");
    int64_t wanted = dimensions ? h->json_int(dimensions, 0) : DIMENSIONS;
    if (wanted < 1 || wanted > DIMENSIONS)
        return openai_fail(error, 400, "invalid_dimensions", "the demo provider has 1 to %d dimensions", DIMENSIONS);
    e.dimensions = (size_t)wanted;
    e.base64 = str_eq(encoding, STR("base64"));
    if (encoding.n && !e.base64 && !str_eq(encoding, STR("float")))
        return openai_fail(error, 400, "invalid_encoding_format", "encoding_format has to be float or base64");
    demo_printf(out, "{\"object\":\"list\",\"data\":[");
    if (!inputs_write(&e, openai_get(h, r->root, "input")))
        return openai_fail(error, 400, "invalid_input",
                           "input has to be a text, a list of tokens, or a list of up to %d of either, none empty",
                           INPUTS_MAX);
    demo_printf(out, "],\"model\":\"demo\",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                (long long)e.tokens, (long long)e.tokens);
    return MG_OK;
}
