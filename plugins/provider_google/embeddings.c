/* Embeddings: a batch for the Gemini API, one of two methods for Vertex AI. */
#include "google.h"

/* Which of the models Vertex AI serves by embedContent, one input a request; the others take a list, by predict. */
static bool embeds_content(mg_str model) {
    return str_says(model, "maas") || (str_says(model, "gemini") && !str_says(model, "gemini-embedding-001"));
}

static void dimensions_put(const google_encoder *e, const char *before, const char *after) {
    const mg_json *dimensions = google_get(e->h, e->r->root, "dimensions");
    if (!dimensions) return;
    put(e, str_of(before));
    PUT(e, "\"outputDimensionality\":");
    put_raw(e, dimensions);
    put(e, str_of(after));
}

/* ---- the three bodies -------------------------------------------------------------------------------------------- */

static void batch_element(const google_encoder *e, mg_str text, bool first) {
    char model[GOOGLE_MODEL_MAX + 8];
    put(e, first ? STR("{\"requests\":[{\"model\":") : STR(",{\"model\":"));
    put_text(e, google_model_resource(e->target, e->r->model, model));
    PUT(e, ",\"content\":{\"parts\":[{\"text\":");
    put_text(e, text);
    PUT(e, "}]}");
    dimensions_put(e, ",", "");
    PUT(e, "}");
}

static void predict_element(const google_encoder *e, mg_str text, bool first) {
    put(e, first ? STR("{\"instances\":[{\"content\":") : STR(",{\"content\":"));
    put_text(e, text);
    PUT(e, "}");
}

static void single_put(const google_encoder *e, mg_str text) {
    PUT(e, "{\"content\":{\"parts\":[{\"text\":");
    put_text(e, text);
    PUT(e, "}]}");
    dimensions_put(e, ",\"embedContentConfig\":{", "}");
    PUT(e, "}");
}

static mg_status list_put(const google_encoder *e, const mg_json *input) {
    bool one = google_is(e->h, input, MG_JSON_STRING);
    const mg_json *v = one ? input : e->h->json_child(input);
    bool alone = one || (v && !e->h->json_next(v)), content = e->target->vertex && embeds_content(e->r->model);
    bool first = true;
    if (content && !alone) return BAD(e->error, "input: this model takes one text a request on Vertex AI");
    for (; v; v = one ? NULL : e->h->json_next(v), first = false) {
        if (!google_is(e->h, v, MG_JSON_STRING))
            return BAD(e->error, "input: Gemini embeds text; lists of tokens are another vendor's");
        if (content)
            single_put(e, e->h->json_str(v));
        else if (e->target->vertex)
            predict_element(e, e->h->json_str(v), first);
        else
            batch_element(e, e->h->json_str(v), first);
    }
    if (first) return BAD(e->error, "input has to be a text or a list of texts");
    if (content) return MG_OK;
    PUT(e, "]");
    if (e->target->vertex) dimensions_put(e, ",\"parameters\":{", "}");
    PUT(e, "}");
    return MG_OK;
}

mg_status google_embeddings(const google_encoder *e) {
    /* Whether vectors come as numbers or as base64, the host sees to. */
    static const char *const known[] = {"model", "input", "dimensions", "encoding_format", NULL};
    const char *method = !e->target->vertex            ? ":batchEmbedContents"
                         : embeds_content(e->r->model) ? ":embedContent"
                                                       : ":predict";
    mg_status status = google_model_path(e->target, e->r->model, method, e->out, e->error);
    if (status != MG_OK) return status;
    google_drop_others(e, e->r->root, known, "");
    return list_put(e, google_get(e->h, e->r->root, "input"));
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void vector_emit(const google_decoder *d, const mg_json *embedding, int64_t index) {
    mg_str values = google_source(d, google_get(d->h, embedding, "values"));
    if (values.n) google_emit(d, (mg_event){.type = MG_EVENT_EMBEDDING, .index = index, .text = values});
}

/* predict counts the tokens of each text. */
static void predictions_emit(const google_decoder *d, const mg_json *list) {
    mg_usage u = {.size = sizeof u};
    int64_t index = 0;
    for (const mg_json *p = d->h->json_child(list); p; p = d->h->json_next(p)) {
        const mg_json *embedding = google_get(d->h, p, "embeddings");
        int64_t n = d->h->json_int(google_get(d->h, google_get(d->h, embedding, "statistics"), "token_count"), 0);
        if (n > 0 && n < INT64_MAX / 2 - u.input) u.input += n;
        vector_emit(d, embedding, index++);
    }
    if (u.input) google_emit(d, (mg_event){.type = MG_EVENT_USAGE, .usage = &u});
}

void google_embeddings_decode(const google_decoder *d, const mg_json *root) {
    int64_t index = 0;
    vector_emit(d, google_get(d->h, root, "embedding"), 0);
    const mg_json *v = d->h->json_child(google_get(d->h, root, "embeddings"));
    for (; v; v = d->h->json_next(v)) vector_emit(d, v, index++);
    predictions_emit(d, google_get(d->h, root, "predictions"));
    google_usage(d, google_get(d->h, root, "usageMetadata"), false);
}
