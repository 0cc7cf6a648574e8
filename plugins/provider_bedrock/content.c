/* Content parts: text, images, documents, videos and sound as Converse's blocks. */
#include <stdio.h>
#include <strings.h>

#include "encoder.h"

/* ---- kinds of media ---------------------------------------------------------------------------------------------- */

typedef struct kind {
    const char *block, *format, *mime;
} kind;

#define OFFICE "application/vnd.openxmlformats-officedocument."

/* The first of a format is also the one whose file name ends so. */
static const kind kinds[] = {
    {"image", "png", "image/png"},           {"image", "jpeg", "image/jpeg"},
    {"image", "jpeg", "image/jpg"},          {"image", "gif", "image/gif"},
    {"image", "webp", "image/webp"},         {"document", "pdf", "application/pdf"},
    {"document", "csv", "text/csv"},         {"document", "doc", "application/msword"},
    {"document", "html", "text/html"},       {"document", "docx", OFFICE "wordprocessingml.document"},
    {"document", "txt", "text/plain"},       {"document", "xls", "application/vnd.ms-excel"},
    {"document", "md", "text/markdown"},     {"document", "xlsx", OFFICE "spreadsheetml.sheet"},
    {"document", "txt", "application/json"}, {"video", "mp4", "video/mp4"},
    {"video", "mov", "video/quicktime"},     {"video", "mkv", "video/x-matroska"},
    {"video", "webm", "video/webm"},         {"video", "flv", "video/x-flv"},
    {"video", "mpeg", "video/mpeg"},         {"video", "mpg", "video/mpg"},
    {"video", "wmv", "video/x-ms-wmv"},      {"video", "three_gp", "video/3gpp"},
    {"audio", "wav", "audio/wav"},           {"audio", "wav", "audio/x-wav"},
    {"audio", "mp3", "audio/mpeg"},          {"audio", "mp3", "audio/mp3"},
    {"audio", "flac", "audio/flac"},         {"audio", "aac", "audio/aac"},
    {"audio", "opus", "audio/opus"},         {"audio", "ogg", "audio/ogg"},
    {"audio", "m4a", "audio/m4a"},           {"audio", "mp4", "audio/mp4"},
    {"audio", "webm", "audio/webm"},         {"audio", "mka", "audio/x-matroska"},
    {"audio", "pcm", "audio/pcm"},
};

static bool same(mg_str a, const char *b) { return a.n == strlen(b) && strncasecmp(a.p ? a.p : "", b, a.n) == 0; }

static bool starts(mg_str s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.n >= n && strncasecmp(s.p, prefix, n) == 0;
}

static const kind *kind_of_mime(mg_str mime) {
    static const kind text = {"document", "txt", NULL};
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (same(mime, kinds[i].mime)) return &kinds[i];
    return starts(mime, "text/") ? &text : NULL;
}

/* Of "s3://bucket/notes.PDF" or "notes.PDF". */
static const kind *kind_of_name(mg_str name) {
    static const struct {
        const char *end, *format;
    } others[] = {{"jpg", "jpeg"}, {"htm", "html"}, {"markdown", "md"}, {"json", "txt"}, {"3gp", "three_gp"}};
    size_t at = name.n;
    while (at && name.p[at - 1] != '.') at--;
    if (at == 0) return NULL;
    mg_str end = {name.p + at, name.n - at};
    for (size_t i = 0; i < COUNT(others); i++)
        if (same(end, others[i].end)) end = str_of(others[i].format);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (same(end, kinds[i].format)) return &kinds[i];
    return NULL;
}

/* ---- data URLs --------------------------------------------------------------------------------------------------- */

typedef struct data_url {
    mg_str mime, data;
} data_url;

/* data:[MIME][;NAME=VALUE]…;base64,DATA (RFC 2397) */
static bool data_url_read(mg_str url, data_url *out) {
    static const char mark[] = ";base64";
    const char *comma = url.n ? memchr(url.p, ',', url.n) : NULL;
    if (!starts(url, "data:") || !comma) return false;
    mg_str head = {url.p + 5, (size_t)(comma - url.p) - 5};
    size_t tail = sizeof mark - 1;
    if (head.n < tail || strncasecmp(head.p + head.n - tail, mark, tail) != 0) return false;
    const char *parameters = memchr(head.p, ';', head.n);
    out->mime = (mg_str){head.p, (size_t)(parameters - head.p)};
    out->data = (mg_str){comma + 1, url.n - (size_t)(comma + 1 - url.p)};
    return true;
}

/* Base64 without white space (RFC 4648, 4); its padding may be missing. */
static bool is_base64(mg_str s) {
    while (s.n && s.p[s.n - 1] == '=') s.n--;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!plain) return false;
    }
    return s.n > 0 && s.n % 4 != 1;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool media_set(const bedrock_encoder *e, const kind *k, mg_str data, bedrock_part *out) {
    if (!is_base64(data)) return refuse(e, "%s: what should be base64 is not", e->place);
    *out = (bedrock_part){.kind = PART_MEDIA, .block = k->block, .format = k->format, .data = data};
    return true;
}

static bool s3_set(const bedrock_encoder *e, const kind *k, mg_str url, bedrock_part *out) {
    if (!k)
        return refuse(e, "%s: the name of the object in Amazon S3 has to end in its format, such as .png", e->place);
    *out = (bedrock_part){.kind = PART_MEDIA, .block = k->block, .format = k->format, .s3 = url};
    return true;
}

static void others_drop(const bedrock_encoder *e, const mg_json *object, const char *name, const char *known) {
    char place[sizeof e->place + 16];
    snprintf(place, sizeof place, "%s.%s", e->place, name);
    drop_others(e, object, place, known);
}

static bool image_read(const bedrock_encoder *e, const mg_json *part, bedrock_part *out) {
    data_url d;
    const mg_json *image = get(e, part, "image_url");
    mg_str url = e->h->json_str(image); /* some clients leave the object out */
    if (!url.p) url = get_text(e, image, "url");
    others_drop(e, image, "image_url", "url");
    if (starts(url, "s3://")) return s3_set(e, kind_of_name(url), url, out);
    if (starts(url, "http://") || starts(url, "https://"))
        return refuse(e, "%s: Bedrock fetches no URLs; send the image as a data URL or as s3://…", e->place);
    if (!data_url_read(url, &d)) return refuse(e, "%s: image_url.url has to be a base64 data URL or s3://…", e->place);
    const kind *k = kind_of_mime(d.mime);
    if (!k || strcmp(k->block, "image") != 0)
        return refuse(e, "%s: Bedrock takes images as JPEG, PNG, GIF and WebP, not as '%.*s'", e->place, SHOWN(d.mime));
    return media_set(e, k, d.data, out);
}

static bool file_read(const bedrock_encoder *e, const mg_json *part, bedrock_part *out) {
    data_url d;
    const mg_json *file = get(e, part, "file");
    mg_str data = get_text(e, file, "file_data"), url = get_text(e, file, "file_url");
    mg_str name = get_text(e, file, "filename");
    if (data.n) {
        if (!data_url_read(data, &d)) return refuse(e, "%s: file.file_data has to be a base64 data URL", e->place);
        const kind *k = kind_of_mime(d.mime);
        if (!k) k = kind_of_name(name);
        if (!k) return refuse(e, "%s: Bedrock takes no files of type '%.*s'", e->place, SHOWN(d.mime));
        if (!media_set(e, k, d.data, out)) return false;
    } else if (starts(url, "s3://")) {
        if (!s3_set(e, kind_of_name(url), url, out)) return false;
    } else if (url.n) {
        return refuse(e, "%s: Bedrock fetches no URLs; send the file as file_data or as s3://…", e->place);
    } else {
        return refuse(e, "%s: Bedrock keeps no files; send file.file_data, or a file.file_url of s3://…", e->place);
    }
    out->name = name;
    others_drop(e, file, "file", "file_data file_url filename");
    return true;
}

static bool audio_read(const bedrock_encoder *e, const mg_json *part, bedrock_part *out) {
    const mg_json *audio = get(e, part, "input_audio");
    mg_str format = get_text(e, audio, "format");
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].block, "audio") == 0 && same(format, kinds[i].format))
            return media_set(e, &kinds[i], get_text(e, audio, "data"), out);
    return refuse(e, "%s: Bedrock takes no sound as '%.*s'", e->place, SHOWN(format));
}

/* Bedrock refuses blocks of text that show nothing; nothing is lost without them. */
static void text_read(const bedrock_encoder *e, mg_str text, bedrock_part *out) {
    *out = (bedrock_part){.kind = PART_TEXT, .text = text};
    if (!anthropic_blank(text)) return;
    out->kind = PART_SKIP;
    if (text.n) drop(e, "%s (only white space)", e->place);
}

bool part_read(const bedrock_encoder *e, const mg_json *part, bool text_only, const char *role, bedrock_part *out) {
    mg_str type = get_text(e, part, "type");
    const char *known = "type text refusal cache_control";
    bool image = str_is(type, "image_url"), file = str_is(type, "file"), audio = str_is(type, "input_audio");
    if (str_is(type, "text") || str_is(type, "refusal"))
        text_read(e, get_text(e, part, str_is(type, "text") ? "text" : "refusal"), out);
    else if (text_only && (image || file || audio))
        return refuse(e, "%s: Bedrock takes only text in messages of role %s", e->place, role);
    else if (!image && !file && !audio)
        return refuse(e, "%s: content parts of type '%.*s' can't be put into Bedrock's format", e->place, SHOWN(type));
    else if (image ? !image_read(e, part, out) : file ? !file_read(e, part, out) : !audio_read(e, part, out))
        return false;
    if (image || file || audio) known = "type image_url file input_audio cache_control";
    out->cache = get(e, part, "cache_control");
    if (out->kind == PART_SKIP && out->cache) drop(e, "%s.cache_control", e->place);
    drop_others(e, part, e->place, known);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void cache_point_put(const bedrock_encoder *e, const mg_json *cache, bool allowed) {
    mg_str ttl = get_text(e, cache, "ttl");
    if (!cache) return;
    if (!allowed || !is(e, cache, MG_JSON_OBJECT)) {
        drop(e, "%s.cache_control", e->place);
        return;
    }
    put(e, ",{\"cachePoint\":{\"type\":\"default\"");
    if (str_is(ttl, "1h") && e->model.cache_ttl)
        put(e, ",\"ttl\":\"1h\"");
    else if (ttl.n && !str_is(ttl, "5m"))
        drop(e, "%s.cache_control.ttl", e->place);
    put(e, "}}");
}

/* A name that Bedrock takes: letters, digits, hyphens and brackets, no two spaces in a row. Its number keeps names apart,
 * as a conversation must. */
static void document_name_put(bedrock_encoder *e, mg_str name) {
    char text[128];
    size_t n = 0, stop = name.n;
    for (size_t i = name.n; i > 0 && stop == name.n; i--)
        if (name.p[i - 1] == '.') stop = i - 1;
    for (size_t i = 0; i < stop && n < 80; i++) {
        char c = name.p[i];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-()[]", c));
        if (plain)
            text[n++] = c;
        else if (n && text[n - 1] != ' ')
            text[n++] = ' ';
    }
    while (n && text[n - 1] == ' ') n--;
    if (n == 0) n = (size_t)snprintf(text, sizeof text, "document");
    n += (size_t)snprintf(text + n, sizeof text - n, " %zu", ++e->documents);
    put_text(e, (mg_str){text, n});
}

void part_put(bedrock_encoder *e, const bedrock_part *part) {
    if (part->kind == PART_TEXT) {
        put(e, "{\"text\":");
        put_text(e, part->text);
        put(e, "}");
        return;
    }
    put(e, "{\"");
    put(e, part->block);
    put(e, "\":{\"format\":");
    put_text(e, str_of(part->format));
    if (strcmp(part->block, "document") == 0) {
        put(e, ",\"name\":");
        document_name_put(e, part->name);
    }
    if (part->s3.n) {
        put(e, ",\"source\":{\"s3Location\":{\"uri\":");
        put_text(e, part->s3);
        put(e, "}}}}");
        return;
    }
    mg_str data = part->data;
    while (data.n && data.p[data.n - 1] == '=') data.n--;
    put(e, ",\"source\":{\"bytes\":\"");
    put_str(e, data);
    put(e, data.n % 4 == 2 ? "==" : data.n % 4 == 3 ? "=" : "");
    put(e, "\"}}}");
}
