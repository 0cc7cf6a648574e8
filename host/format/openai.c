#include "format/openai.h"

#include <openssl/evp.h>
#include <stdlib.h>

mg_str mg_format_quoted(mg_arena *arena, mg_str text) {
    mg_buf b = {0};
    mg_buf_json(&b, text);
    mg_str out = mg_arena_dup(arena, mg_buf_view(&b));
    mg_buf_finish(&b);
    return out;
}

/* ---- vectors ----------------------------------------------------------------------------------------------------- */

enum { GROUP = 192 }; /* floats encoded at a time: a multiple of three, so that no padding falls inside */

static void put_base64(const float *v, size_t n, mg_buf *out) {
    unsigned char text[GROUP * sizeof(float) / 3 * 4 + 4]; /* little-endian, as this processor has them */
    int length = EVP_EncodeBlock(text, (const unsigned char *)v, (int)(n * sizeof *v));
    mg_buf_add(out, text, (size_t)length);
}

static bool list_to_base64(mg_str list, mg_buf *out) {
    float group[GROUP];
    size_t n = 0;
    const char *p = list.p + 1, *end = list.p + list.n - 1;
    while (p < end) {
        char number[40], *stop;
        size_t length = 0;
        while (p < end && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
        while (p < end && *p != ',' && (unsigned char)*p > ' ' && length < sizeof number - 1) number[length++] = *p++;
        if (!length) break;
        number[length] = 0;
        group[n++] = strtof(number, &stop);
        if (*stop) return false;
        if (n < GROUP) continue;
        put_base64(group, n, out);
        n = 0;
    }
    if (n) put_base64(group, n, out);
    return p >= end;
}

static bool base64_to_list(mg_str text, mg_buf *out) {
    float group[GROUP];
    unsigned char bytes[GROUP * sizeof(float) + 4];
    size_t step = GROUP * sizeof(float) / 3 * 4;
    bool first = true;
    if (text.n % 4) return false;
    mg_buf_str(out, MG_STR("["));
    while (text.n) {
        size_t take = text.n < step ? text.n : step;
        int length = EVP_DecodeBlock(bytes, (const unsigned char *)text.p, (int)take);
        if (length < 0) return false;
        for (size_t i = take; i > take - 2 && text.p[i - 1] == '='; i--) length--;
        if (length % 4) return false;
        memcpy(group, bytes, (size_t)length);
        for (int i = 0; i < length / 4; i++, first = false)
            mg_buf_printf(out, "%s%.9g", first ? "" : ",", (double)group[i]);
        text = mg_str_skip(text, take);
    }
    return mg_buf_str(out, MG_STR("]"));
}

bool mg_format_vector(mg_str vector, bool base64, mg_buf *out) {
    size_t before = out->n;
    bool list = vector.n >= 2 && vector.p[0] == '[' && vector.p[vector.n - 1] == ']';
    if (list == !base64) return mg_buf_str(out, vector);
    if (list ? list_to_base64(vector, out) : base64_to_list(vector, out)) return true;
    out->n = before;
    return false;
}

const mg_format mg_format_openai = {.id = MG_FORMAT_OPENAI,
                                    .name = "openai",
                                    .check = mg_openai_check,
                                    .read = mg_openai_read,
                                    .parts = mg_openai_parts,
                                    .set_system = mg_openai_set_system,
                                    .set_max_output = mg_openai_set_max_output,
                                    .set_param = mg_openai_set_param,
                                    .param = mg_openai_param,
                                    .add_message = mg_openai_add_message,
                                    .remove_tool = mg_openai_remove_tool,
                                    .plain = mg_openai_plain,
                                    .stream_state = MG_OPENAI_STREAM_STATE,
                                    .open = mg_openai_open,
                                    .event = mg_openai_event,
                                    .close = mg_openai_close,
                                    .error = mg_openai_error,
                                    .error_frames = mg_openai_error_frames,
                                    .models = mg_openai_models,
                                    .model = mg_openai_model};
