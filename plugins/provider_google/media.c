/* Images, sound and files: bytes go into the request, addresses go as they are. Both hosts fetch https; gs:// is for
 * Vertex AI (and for what was registered with the Gemini API). */
#include <stdio.h>
#include <strings.h>

#include "google.h"

/* ---- types ------------------------------------------------------------------------------------------------------- */

/* What the vendor lists as taken, by the extension of the last segment of a path. */
static mg_str type_by_extension(mg_str path) {
    static const struct {
        const char *extension, *type;
    } types[] = {
        {"png", "image/png"},    {"jpg", "image/jpeg"},      {"jpeg", "image/jpeg"},       {"webp", "image/webp"},
        {"gif", "image/gif"},    {"heic", "image/heic"},     {"heif", "image/heif"},       {"avif", "image/avif"},
        {"bmp", "image/bmp"},    {"pdf", "application/pdf"}, {"txt", "text/plain"},        {"md", "text/markdown"},
        {"html", "text/html"},   {"htm", "text/html"},       {"csv", "text/csv"},          {"css", "text/css"},
        {"xml", "text/xml"},     {"rtf", "text/rtf"},        {"json", "application/json"}, {"js", "text/javascript"},
        {"py", "text/x-python"}, {"wav", "audio/wav"},       {"mp3", "audio/mp3"},         {"aiff", "audio/aiff"},
        {"aac", "audio/aac"},    {"ogg", "audio/ogg"},       {"flac", "audio/flac"},       {"m4a", "audio/m4a"},
        {"opus", "audio/opus"},  {"mp4", "video/mp4"},       {"mpeg", "video/mpeg"},       {"mpg", "video/mpg"},
        {"mov", "video/mov"},    {"avi", "video/avi"},       {"flv", "video/x-flv"},       {"webm", "video/webm"},
        {"wmv", "video/wmv"},    {"3gp", "video/3gpp"},
    };
    const char *dot = path.n ? memrchr(path.p, '.', path.n) : NULL;
    mg_str extension = dot ? str_skip(path, (size_t)(dot - path.p) + 1) : STR("");
    for (size_t i = 0; i < COUNT(types); i++)
        if (extension.n == strlen(types[i].extension) && strncasecmp(extension.p, types[i].extension, extension.n) == 0)
            return str_of(types[i].type);
    return STR("");
}

/* The path of an address: without its query and fragment. */
static mg_str address_path(mg_str url) {
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] == '?' || url.p[i] == '#') return (mg_str){url.p, i};
    return url;
}

/* YouTube's videos have no extension; Gemini takes their addresses as video. */
static mg_str type_of_address(mg_str url) {
    mg_str type = type_by_extension(address_path(url));
    bool video =
        str_says(url, "://www.youtube.com/") || str_says(url, "://youtube.com/") || str_says(url, "://youtu.be/");
    return type.n || !video ? type : STR("video/mp4");
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void inline_put(const google_encoder *e, mg_str type, mg_str base64) {
    PUT(e, "{\"inlineData\":{\"mimeType\":");
    put_text(e, type);
    PUT(e, ",\"data\":");
    put_text(e, base64);
    PUT(e, "}}");
}

static void address_put(const google_encoder *e, mg_str type, mg_str url) {
    PUT(e, "{\"fileData\":{");
    if (type.n) {
        PUT(e, "\"mimeType\":");
        put_text(e, type);
        PUT(e, ",");
    }
    PUT(e, "\"fileUri\":");
    put_text(e, url);
    PUT(e, "}}");
}

/* data:TYPE[;…];base64,DATA (RFC 2397). `otherwise` is the type where the address says none. */
static mg_status data_put(const google_encoder *e, mg_str url, mg_str otherwise, const char *where) {
    mg_str rest = str_skip(url, strlen("data:"));
    const char *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
    mg_str head = {rest.p, comma ? (size_t)(comma - rest.p) : 0};
    static const char base64[] = ";base64";
    size_t n = sizeof base64 - 1;
    if (!comma || head.n < n || strncasecmp(head.p + head.n - n, base64, n) != 0)
        return BAD(e->error, "%s: a data URL has to be of the form data:TYPE;base64,DATA", where);
    const char *semicolon = memchr(head.p, ';', head.n);
    mg_str type = {head.p, (size_t)(semicolon - head.p)};
    if (!type.n) type = otherwise;
    if (!type.n) return BAD(e->error, "%s: the data URL does not say its type, such as image/png", where);
    inline_put(e, type, str_skip(rest, head.n + 1));
    return MG_OK;
}

static mg_status url_put(const google_encoder *e, mg_str url, mg_str type, const char *where) {
    if (str_starts(url, "data:")) return data_put(e, url, type, where);
    if (!str_starts(url, "https://") && !str_starts(url, "http://") && !str_starts(url, "gs://"))
        return BAD(e->error, "%s: the address has to be a data:, https: or gs: URL", where);
    address_put(e, type.n ? type : type_of_address(url), url);
    return MG_OK;
}

/* ---- kinds of parts ---------------------------------------------------------------------------------------------- */

/* {"url", "detail"}, or the address itself. How closely to look, Gemini says for a whole request only. */
static mg_status image_put(const google_encoder *e, const mg_json *image, const char *where) {
    mg_str url = e->h->json_str(image), detail = google_text(e->h, image, "detail");
    if (!url.n) url = google_text(e->h, image, "url");
    if (detail.n && !str_is(detail, "auto")) google_drop(e, "%s.image_url.detail", where);
    return url_put(e, url, STR(""), where);
}

static mg_status audio_put(const google_encoder *e, const mg_json *audio, const char *where) {
    mg_str data = google_text(e->h, audio, "data"), format = google_text(e->h, audio, "format");
    char type[32] = "audio/";
    if (!data.n || !format.n || format.n > 16)
        return BAD(e->error, "%s.input_audio wants 'data' and a 'format', such as wav", where);
    memcpy(type + strlen("audio/"), format.p, format.n);
    inline_put(e, (mg_str){type, strlen("audio/") + format.n}, data);
    return MG_OK;
}

/* Gemini's own files: files/ID, or their addresses. */
static mg_status file_id_put(const google_encoder *e, mg_str id, mg_str type, const char *where) {
    char url[256];
    if (str_starts(id, "https://") || str_starts(id, "gs://")) return url_put(e, id, type, where);
    if (!str_starts(id, "files/") || id.n > 128)
        return BAD(e->error, "%s: Gemini takes no file_id but its own files/ID; send the file's bytes as file_data",
                   where);
    int n = snprintf(url, sizeof url, "https://generativelanguage.googleapis.com/v1beta/%.*s", (int)id.n, id.p);
    address_put(e, type, (mg_str){url, (size_t)n});
    return MG_OK;
}

static mg_status file_put(const google_encoder *e, const mg_json *file, const char *where) {
    /* A name tells the type of a file that says none; to the model Gemini shows no names. */
    static const char *const known[] = {"file_data", "file_url", "file_id", "format", NULL};
    mg_str data = google_text(e->h, file, "file_data"), url = google_text(e->h, file, "file_url");
    mg_str id = google_text(e->h, file, "file_id"), type = google_text(e->h, file, "format");
    if (!type.n) type = type_by_extension(google_text(e->h, file, "filename"));
    google_drop_others(e, file, known, where);
    if (str_starts(data, "data:")) return url_put(e, data, type, where);
    if (data.n && !type.n) return BAD(e->error, "%s.file: its type is not known; send file_data as a data URL", where);
    if (data.n) {
        inline_put(e, type, data);
        return MG_OK;
    }
    if (url.n) return url_put(e, url, type, where);
    if (id.n) return file_id_put(e, id, type, where);
    return BAD(e->error, "%s.file wants one of file_data, file_url and file_id", where);
}

mg_status google_media(const google_encoder *e, const mg_json *part, const char *where) {
    mg_str type = google_text(e->h, part, "type");
    if (str_is(type, "image_url")) return image_put(e, google_get(e->h, part, "image_url"), where);
    if (str_is(type, "input_audio")) return audio_put(e, google_get(e->h, part, "input_audio"), where);
    if (str_is(type, "file")) return file_put(e, google_get(e->h, part, "file"), where);
    return BAD(e->error, "%s: Gemini takes no part of type '%.*s'", where, (int)(type.n > 40 ? 40 : type.n), type.p);
}
