/* One item of the output of a Responses answer. In a stream its pieces come first and the whole item again at the end: what
 * was said is kept in the item's state, and the whole item adds what is missing. A plain answer is the case where nothing
 * was said. */
#include "decode.h"

openai_item *openai_item_of(openai_state *state, int64_t place) {
    uint32_t key = place >= 0 && place < UINT32_MAX ? (uint32_t)place + 1 : 1;
    openai_item *it = &state->items[key % OPENAI_ITEMS];
    if (it->key != key) *it = (openai_item){.key = key};
    if (key > state->highest) state->highest = key;
    return it;
}

static uint32_t id_hash(const decoder *d, const mg_json *item) {
    mg_str id = openai_text(d->h, item, "id");
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < id.n; i++) hash = (hash ^ (unsigned char)id.p[i]) * 16777619u;
    return id.n ? hash | 1 : 0;
}

void openai_item_name(const decoder *d, openai_item *it, const mg_json *item) { it->id = id_hash(d, item); }

openai_item *openai_item_known(const decoder *d, openai_state *state, const mg_json *item) {
    uint32_t id = id_hash(d, item);
    for (size_t i = 0; id && i < OPENAI_ITEMS; i++)
        if (state->items[i].id == id) return &state->items[i];
    return NULL;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* Chat completions keep what a citation of a page says one level deeper; other citations are OpenAI's own. */
void openai_annotation_emit(const decoder *d, const mg_json *annotation) {
    bool url = str_eq(openai_text(d->h, annotation, "type"), STR("url_citation"));
    openai_citation_emit(d, 0, url ? (mg_str){NULL, 0} : STR("openai"), openai_source(d, annotation));
}

static void annotations_emit(const decoder *d, openai_item *it, const mg_json *part, uint32_t *seen) {
    const mg_json *a = d->h->json_child(openai_get(d->h, part, "annotations"));
    for (; a; a = d->h->json_next(a)) {
        if ((*seen)++ < it->cited) continue;
        openai_annotation_emit(d, a);
        if (it->cited < UINT16_MAX) it->cited++;
    }
}

static void item_message_emit(const decoder *d, openai_item *it, const mg_json *item) {
    uint32_t seen = 0;
    int64_t place = 0;
    const mg_json *part = d->h->json_child(openai_get(d->h, item, "content"));
    for (; part; part = d->h->json_next(part), place++) {
        uint32_t bit = openai_part_bit(place);
        if (!(it->content & bit)) {
            emit_text(d, MG_EVENT_TEXT, 0, openai_text(d->h, part, "text"));
            emit_text(d, MG_EVENT_REFUSAL, 0, openai_text(d->h, part, "refusal"));
            openai_logprobs_emit(d, 0, openai_get(d->h, part, "logprobs"));
            if (place < 31) it->content |= bit;
        }
        annotations_emit(d, it, part, &seen);
    }
}

/* ---- reasoning --------------------------------------------------------------------------------------------------- */

static void texts_emit(const decoder *d, openai_item *it, const mg_json *parts, uint32_t *said) {
    int64_t place = 0;
    for (const mg_json *part = d->h->json_child(parts); part; part = d->h->json_next(part), place++) {
        mg_str text = openai_text(d->h, part, "text");
        uint32_t bit = openai_part_bit(place);
        if (*said & bit || !text.n) continue;
        emit_text(d, MG_EVENT_REASONING, 0, text);
        it->flags |= OPENAI_SAID;
        if (place < 31) *said |= bit;
    }
}

/* A signature belongs to the block before it, so that reasoning without a text gets an empty one. */
static void item_reasoning_emit(const decoder *d, openai_item *it, const mg_json *item) {
    mg_str encrypted = openai_text(d->h, item, "encrypted_content");
    texts_emit(d, it, openai_get(d->h, item, "summary"), &it->summary);
    texts_emit(d, it, openai_get(d->h, item, "content"), &it->content);
    if (!encrypted.n) return;
    if (!(it->flags & OPENAI_SAID)) emit(d, (mg_event){.type = MG_EVENT_REASONING});
    emit(d, (mg_event){.type = MG_EVENT_SIGNATURE, .text = encrypted, .name = STR("openai")});
}

/* ---- calls and the rest ------------------------------------------------------------------------------------------ */

void openai_call_emit(const decoder *d, openai_state *state, openai_item *it, const mg_json *call, mg_str text) {
    mg_event event = {.type = MG_EVENT_TOOL, .text = text};
    if (!(it->flags & OPENAI_NUMBERED)) {
        it->call = state->calls;
        if (state->calls < UINT16_MAX) state->calls++;
        it->flags |= OPENAI_NUMBERED;
    }
    if (call && !(it->flags & OPENAI_NAMED)) {
        event.id = openai_text(d->h, call, "call_id");
        event.name = openai_text(d->h, call, "name");
        it->flags |= OPENAI_NAMED;
    }
    event.index = it->call;
    if (event.text.n) it->flags |= OPENAI_ARGUED;
    if (event.text.n || event.id.n || event.name.n) emit(d, event);
}

static void call_whole(const decoder *d, openai_state *state, openai_item *it, const mg_json *item, const char *input) {
    mg_str text = {NULL, 0};
    if (!(it->flags & OPENAI_ARGUED)) text = openai_text(d->h, item, input);
    openai_call_emit(d, state, it, item, text);
}

static void other_emit(const decoder *d, const mg_json *item) {
    emit(d, (mg_event){.type = MG_EVENT_OTHER, .text = openai_source(d, item), .name = STR("openai")});
}

static void item_image_emit(const decoder *d, const mg_json *item) {
    mg_str data = openai_text(d->h, item, "result"), format = openai_text(d->h, item, "output_format");
    mg_event event = {.type = MG_EVENT_MEDIA, .text = data, .name = STR("image/png")};
    if (str_eq(format, STR("jpeg"))) event.name = STR("image/jpeg");
    if (str_eq(format, STR("webp"))) event.name = STR("image/webp");
    if (data.n)
        emit(d, event);
    else
        other_emit(d, item);
}

void openai_item_emit(const decoder *d, openai_state *state, openai_item *it, const mg_json *item) {
    mg_str type = openai_text(d->h, item, "type");
    if (it->flags & OPENAI_WHOLE || !openai_is_object(d->h, item)) return;
    it->flags |= OPENAI_WHOLE;
    if (str_eq(type, STR("message")))
        item_message_emit(d, it, item);
    else if (str_eq(type, STR("reasoning")))
        item_reasoning_emit(d, it, item);
    else if (str_eq(type, STR("function_call")))
        call_whole(d, state, it, item, "arguments");
    else if (str_eq(type, STR("custom_tool_call")))
        call_whole(d, state, it, item, "input");
    else if (str_eq(type, STR("image_generation_call")))
        item_image_emit(d, item);
    else
        other_emit(d, item);
}
