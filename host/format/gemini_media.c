/* Images, recordings and files of Gemini's requests as content parts. */
#include "format/gemini.h"

/* Bytes come in either alphabet of base64, and with or without padding; data URLs take the first one with. */
static void write_base64(mg_buf *b, mg_str data) {
    while (data.n && data.p[data.n - 1] == '=') data.n--;
    size_t from = b->n;
    if (!mg_buf_json_raw(b, data)) return;
    for (; from < b->n; from++) {
        if (b->p[from] == '-') b->p[from] = '+';
        if (b->p[from] == '_') b->p[from] = '/';
    }
    if (data.n % 4 > 1) mg_buf_add(b, "==", 4 - data.n % 4);
}

static void write_data_url(mg_buf *b, const char *name, mg_str mime, mg_str data) {
    mg_gemini_key(b, name);
    mg_buf_str(b, MG_STR("\"data:"));
    mg_buf_json_raw(b, mime);
    mg_buf_str(b, MG_STR(";base64,"));
    write_base64(b, data);
    mg_buf_str(b, MG_STR("\""));
}

/* The name that OpenAI has for a kind of audio, if it takes it. */
static const char *audio_format(mg_str mime) {
    static const char *const table[][2] = {{"audio/wav", "wav"},
                                           {"audio/x-wav", "wav"},
                                           {"audio/wave", "wav"},
                                           {"audio/mpeg", "mp3"},
                                           {"audio/mp3", "mp3"}};
    mime.n = mg_str_find(mime, ';');
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (mg_str_ieq(mime, mg_str_of(table[i][0]))) return table[i][1];
    return NULL;
}

static void write_inline(mg_buf *b, const mg_json *blob) {
    mg_str mime = mg_gemini_text(blob, "mimeType"), data = mg_gemini_text(blob, "data");
    mg_str name = mg_gemini_text(blob, "displayName");
    const char *audio = audio_format(mime);
    if (mg_str_starts(mime, MG_STR("image/"))) {
        mg_buf_str(b, MG_STR("{\"type\":\"image_url\",\"image_url\":{"));
        write_data_url(b, "url", mime, data);
    } else if (audio) {
        mg_buf_str(b, MG_STR("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""));
        write_base64(b, data);
        mg_buf_str(b, MG_STR("\""));
        mg_gemini_pair(b, "format", mg_str_of(audio));
    } else {
        bool pdf = mg_str_is(mime, "application/pdf");
        mg_buf_str(b, MG_STR("{\"type\":\"file\",\"file\":{"));
        mg_gemini_pair(b, "filename", name.n ? name : pdf ? MG_STR("file.pdf") : MG_STR("file"));
        write_data_url(b, "file_data", mime, data);
    }
    mg_buf_str(b, MG_STR("}}"));
}

static void write_file(mg_buf *b, const mg_json *file) {
    mg_str name = mg_gemini_text(file, "displayName"), url = mg_gemini_text(file, "fileUri");
    bool image = mg_str_starts(mg_gemini_text(file, "mimeType"), MG_STR("image/"));
    mg_buf_str(b, image ? MG_STR("{\"type\":\"image_url\",\"image_url\":{") : MG_STR("{\"type\":\"file\",\"file\":{"));
    if (!image && name.n) mg_gemini_pair(b, "filename", name);
    mg_gemini_pair(b, image ? "url" : "file_url", url);
    mg_buf_str(b, MG_STR("}}"));
}

bool mg_gemini_media(const mg_gemini_canon *c, mg_buf *b, const mg_json *part) {
    static const char *const lost[] = {"videoMetadata", "mediaResolution", "thoughtSignature"};
    const mg_json *blob = mg_gemini_get(part, "inlineData"), *file = mg_gemini_get(part, "fileData");
    if (!blob && !file) return false;
    mg_gemini_comma(b);
    if (blob)
        write_inline(b, blob);
    else
        write_file(b, file);
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (mg_gemini_get(part, lost[i])) mg_gemini_drop(c, "contents.parts.%s", lost[i]);
    return true;
}
