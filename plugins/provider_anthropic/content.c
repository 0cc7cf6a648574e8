/* Content parts: text, images and files as Anthropic's blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "encoder.h"

/* ---- data URLs --------------------------------------------------------------------------------------------------- */

typedef struct data_url {
    mg_str mime, data;
    bool base64;
} data_url;

static bool starts(mg_str s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.n >= n && strncasecmp(s.p, prefix, n) == 0;
}

static bool ends(mg_str s, const char *suffix) {
    size_t n = strlen(suffix);
    return s.n >= n && strncasecmp(s.p + s.n - n, suffix, n) == 0;
}

/* data:[MIME][;NAME=VALUE]…[;base64],DATA (RFC 2397) */
static bool data_url_read(mg_str url, data_url *out) {
    const char *comma = url.n ? memchr(url.p, ',', url.n) : NULL;
    if (!starts(url, "data:") || !comma) return false;
    mg_str head = {url.p + 5, (size_t)(comma - url.p) - 5};
    const char *parameters = head.n ? memchr(head.p, ';', head.n) : NULL;
    out->mime = (mg_str){head.p, parameters ? (size_t)(parameters - head.p) : head.n};
    out->base64 = ends(head, ";base64");
    out->data = (mg_str){comma + 1, url.n - (size_t)(comma + 1 - url.p)};
    return true;
}

/* The name that Anthropic has for it; NULL if it takes no such images. */
static const char *image_mime(mg_str mime) {
    static const char *const names[] = {"image/jpeg", "image/png", "image/gif", "image/webp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mime.n == strlen(names[i]) && starts(mime, names[i])) return names[i];
    return mime.n == 9 && starts(mime, "image/jpg") ? names[0] : NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool image_set(const anthropic_encoder *e, const data_url *d, anthropic_part *out) {
    const char *mime = image_mime(d->mime);
    if (!d->base64) return refuse(e, "%s: the data URL of an image has to be base64", e->place);
    if (!mime)
        return refuse(e, "%s: Anthropic takes images as JPEG, PNG, GIF and WebP, not as '%.*s'", e->place,
                      (int)(d->mime.n > 40 ? 40 : d->mime.n), d->mime.p);
    *out = (anthropic_part){.kind = PART_IMAGE, .source = "base64", .text = d->data, .mime = str_of(mime)};
    return true;
}

static bool image_read(const anthropic_encoder *e, const mg_json *part, anthropic_part *out) {
    data_url d;
    const mg_json *image = anthropic_get(e->h, part, "image_url");
    mg_str url = e->h->json_str(image); /* some clients leave the object out */
    if (!url.p) url = anthropic_text(e->h, image, "url");
    if (anthropic_is(e->h, image, MG_JSON_OBJECT)) {
        char place[112];
        snprintf(place, sizeof place, "%s.image_url", e->place);
        drop_others(e, image, place, "url");
    }
    if (data_url_read(url, &d)) return image_set(e, &d, out);
    if (!starts(url, "https://") && !starts(url, "http://"))
        return refuse(e, "%s: image_url.url has to be an http(s) URL or a data URL", e->place);
    *out = (anthropic_part){.kind = PART_IMAGE, .source = "url", .text = url};
    return true;
}

static bool is_text_mime(mg_str mime) {
    return starts(mime, "text/") || (mime.n == 16 && starts(mime, "application/json"));
}

static bool file_data_read(const anthropic_encoder *e, mg_str url, anthropic_part *out) {
    data_url d;
    if (!data_url_read(url, &d)) return refuse(e, "%s: file.file_data has to be a data URL", e->place);
    if (!d.base64) return refuse(e, "%s: the data URL of a file has to be base64", e->place);
    if (starts(d.mime, "image/")) return image_set(e, &d, out);
    bool pdf = d.mime.n == 15 && starts(d.mime, "application/pdf");
    if (!pdf && !is_text_mime(d.mime))
        return refuse(e, "%s: Anthropic takes files as PDF, text and images, not as '%.*s'", e->place,
                      (int)(d.mime.n > 60 ? 60 : d.mime.n), d.mime.p);
    *out = (anthropic_part){.kind = PART_DOCUMENT, .source = pdf ? "base64" : "text", .text = d.data};
    out->mime = pdf ? STR("application/pdf") : STR("text/plain");
    return true;
}

static bool file_read(const anthropic_encoder *e, const mg_json *part, anthropic_part *out) {
    const mg_json *file = anthropic_get(e->h, part, "file");
    mg_str data = anthropic_text(e->h, file, "file_data"), url = anthropic_text(e->h, file, "file_url");
    mg_str id = anthropic_text(e->h, file, "file_id");
    if (data.n) {
        if (!file_data_read(e, data, out)) return false;
    } else if (url.n) {
        if (!starts(url, "https://") && !starts(url, "http://"))
            return refuse(e, "%s: file.file_url has to be an http(s) URL", e->place);
        *out = (anthropic_part){.kind = PART_DOCUMENT, .source = "url", .text = url};
    } else if (id.n) {
        *out = (anthropic_part){.kind = PART_DOCUMENT, .source = "file", .text = id};
    } else {
        return refuse(e, "%s: a file part needs file.file_data, file.file_url or file.file_id", e->place);
    }
    if (out->kind == PART_DOCUMENT) out->title = anthropic_text(e->h, file, "filename");
    char place[112];
    snprintf(place, sizeof place, "%s.file", e->place);
    drop_others(e, file, place, out->kind == PART_DOCUMENT ? "file_data file_url file_id filename" : "file_data");
    return true;
}

/* Anthropic refuses blocks of text that show nothing; nothing is lost without them. */
static void text_read(const anthropic_encoder *e, mg_str text, anthropic_part *out) {
    *out = (anthropic_part){.kind = PART_TEXT, .text = text};
    if (!anthropic_blank(text)) return;
    out->kind = PART_SKIP;
    if (text.n) drop(e, "%s (only white space)", e->place);
}

bool part_read(const anthropic_encoder *e, const mg_json *part, bool text_only, const char *whose,
               anthropic_part *out) {
    mg_str type = anthropic_text(e->h, part, "type");
    const char *known = NULL;
    if (str_is(type, "text")) {
        text_read(e, anthropic_text(e->h, part, "text"), out);
        known = "type text cache_control vendor";
    } else if (str_is(type, "refusal")) {
        text_read(e, anthropic_text(e->h, part, "refusal"), out);
        known = "type refusal cache_control";
    } else if (text_only && (str_is(type, "image_url") || str_is(type, "file"))) {
        return refuse(e, "%s: Anthropic takes only text in messages of role %s", e->place, whose);
    } else if (str_is(type, "image_url")) {
        if (!image_read(e, part, out)) return false;
        known = "type image_url cache_control";
    } else if (str_is(type, "file")) {
        if (!file_read(e, part, out)) return false;
        known = "type file cache_control";
    } else if (str_is(type, "input_audio")) {
        return refuse(e, "%s: Anthropic's models take no audio", e->place);
    } else {
        return refuse(e, "%s: content parts of type '%.*s' can't be put into Anthropic's format", e->place,
                      (int)(type.n > 40 ? 40 : type.n), type.n ? type.p : "");
    }
    out->cache = anthropic_get(e->h, part, "cache_control");
    if (out->kind == PART_SKIP && anthropic_is(e->h, out->cache, MG_JSON_OBJECT)) drop(e, "%s.cache_control", e->place);
    drop_others(e, part, e->place, known);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

bool cache_put(const anthropic_encoder *e, const mg_json *cache) {
    if (anthropic_void(e->h, cache)) return false;
    if (!anthropic_is(e->h, cache, MG_JSON_OBJECT)) {
        drop(e, "%s.cache_control", e->place);
        return false;
    }
    put(e, ",\"cache_control\":");
    put_source(e, cache);
    return true;
}

/* The text of a file, out of its base64. */
static bool file_text_put(const anthropic_encoder *e, mg_str base64) {
    char *text = malloc(base64.n / 4 * 3 + 4);
    if (!text) return refuse(e, "%s: no memory to decode the file", e->place);
    int64_t n = anthropic_base64(base64, text);
    bool ok = n > 0 && !anthropic_blank((mg_str){text, (size_t)n});
    if (ok) put_text(e, (mg_str){text, (size_t)n});
    free(text);
    if (ok) return true;
    return refuse(e, n < 0 ? "%s: file.file_data is not base64" : "%s: the file is empty", e->place);
}

static bool source_put(const anthropic_encoder *e, const anthropic_part *part) {
    static const struct {
        const char *source, *member;
    } members[] = {{"base64", "data"}, {"text", "data"}, {"url", "url"}, {"file", "file_id"}};
    put(e, ",\"source\":{\"type\":");
    put_text(e, str_of(part->source));
    if (part->mime.n) {
        put(e, ",\"media_type\":");
        put_text(e, part->mime);
    }
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(part->source, members[i].source) == 0) {
            put(e, ",\"");
            put(e, members[i].member);
            put(e, "\":");
        }
    if (strcmp(part->source, "text") != 0)
        put_text(e, part->text);
    else if (!file_text_put(e, part->text))
        return false;
    put(e, "}");
    return true;
}

bool part_put(const anthropic_encoder *e, const anthropic_part *part) {
    if (part->kind == PART_TEXT) {
        put(e, "{\"type\":\"text\",\"text\":");
        put_text(e, part->text);
        return true;
    }
    put(e, part->kind == PART_IMAGE ? "{\"type\":\"image\"" : "{\"type\":\"document\"");
    if (!source_put(e, part)) return false;
    if (part->title.n) {
        put(e, ",\"title\":");
        put_text(e, part->title);
    }
    return true;
}
