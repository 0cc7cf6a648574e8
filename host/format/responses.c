#include "format/responses.h"

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static const mg_str mark_prefix = MG_STR_INIT("moongate:");
static const mg_str mark_kinds[] = {MG_STR_INIT("signature"), MG_STR_INIT("redacted"), MG_STR_INIT("before")};

void mg_responses_mark_write(const mg_mark *m, mg_buf *out) {
    mg_buf_str(out, MG_STR("\""));
    if (m->kind == MG_MARK_BEFORE || !mg_str_is(m->vendor, "openai")) {
        mg_buf_str(out, mark_prefix);
        mg_buf_json_raw(out, m->vendor);
        mg_buf_str(out, MG_STR(":"));
        mg_buf_str(out, mark_kinds[m->kind]);
        mg_buf_str(out, MG_STR(":"));
    }
    mg_buf_json_raw(out, m->data);
    mg_buf_str(out, MG_STR("\""));
}

bool mg_responses_mark_read(mg_str text, mg_mark *out) {
    *out = (mg_mark){MG_MARK_SIGNATURE, MG_STR("openai"), text};
    if (!mg_str_starts(text, mark_prefix)) return true;
    text = mg_str_skip(text, mark_prefix.n);
    out->vendor = mg_str_from(text.p, mg_str_find(text, ':'));
    text = mg_str_skip(text, out->vendor.n + 1);
    mg_str kind = mg_str_from(text.p, mg_str_find(text, ':'));
    out->data = mg_str_skip(text, kind.n + 1);
    for (size_t i = 0; i < sizeof mark_kinds / sizeof mark_kinds[0]; i++)
        if (mg_str_eq(kind, mark_kinds[i])) {
            out->kind = (mg_mark_kind)i;
            return out->vendor.n && out->data.n;
        }
    return false;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void count(int64_t input_tokens, mg_buf *out) {
    mg_buf_printf(out, "{\"object\":\"response.input_tokens\",\"input_tokens\":%lld}", (long long)input_tokens);
}

const mg_format mg_format_responses = {.id = MG_FORMAT_RESPONSES,
                                       .name = "responses",
                                       .check = mg_responses_check,
                                       .read = mg_responses_read,
                                       .parts = mg_responses_parts,
                                       .set_system = mg_responses_set_system,
                                       .set_max_output = mg_responses_set_max_output,
                                       .set_param = mg_responses_set_param,
                                       .param = mg_responses_param,
                                       .add_message = mg_responses_add_message,
                                       .remove_tool = mg_responses_remove_tool,
                                       .canonical = mg_responses_canonical,
                                       .plain = mg_responses_plain,
                                       .stream_state = MG_RESPONSES_STREAM_STATE,
                                       .open = mg_responses_open,
                                       .event = mg_responses_event,
                                       .close = mg_responses_close,
                                       .error = mg_openai_error,
                                       .error_frames = mg_responses_error_frames,
                                       .models = mg_openai_models,
                                       .model = mg_openai_model,
                                       .count = count};
