/* Sources: OpenAI, "Images and vision", calculating costs; Anthropic, "Vision", image costs; Google, "Image
 * understanding", token calculation. As of 2026-08. */
#include "gateway/tokens_image.h"

/* ---- size -------------------------------------------------------------------------------------------------------- */

enum { READ_MOST = 64 * 1024 }; /* bytes of a picture in which its size must stand */

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* A picture whose bytes are taken out of base64 as they are asked for. */
typedef struct picture {
    mg_str base64;
} picture;

/* Byte i, or -1 behind the end. */
static int byte_at(const picture *p, size_t i) {
    size_t quad = i / 3 * 4, k = i % 3;
    if (i >= READ_MOST || quad + k + 1 >= p->base64.n) return -1;
    int a = digit_of(p->base64.p[quad + k]), b = digit_of(p->base64.p[quad + k + 1]);
    if (a < 0 || b < 0) return -1;
    return (a << (2 + 2 * (int)k) | b >> (4 - 2 * (int)k)) & 255;
}

static bool has(const picture *p, size_t at, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (byte_at(p, at + i) != (uint8_t)bytes[i]) return false;
    return true;
}

static int64_t big(const picture *p, size_t at, size_t n) {
    int64_t x = 0;
    for (size_t i = 0; i < n; i++) x = x << 8 | (byte_at(p, at + i) & 255);
    return x;
}

static int64_t little(const picture *p, size_t at, size_t n) {
    int64_t x = 0;
    for (size_t i = n; i-- > 0;) x = x << 8 | (byte_at(p, at + i) & 255);
    return x;
}

/* From marker to marker until the one of a frame. */
static mg_image_size jpeg_size(const picture *p) {
    for (size_t at = 2; byte_at(p, at) == 0xff;) {
        int marker = byte_at(p, at + 1);
        bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame && byte_at(p, at + 8) >= 0) return (mg_image_size){big(p, at + 7, 2), big(p, at + 5, 2)};
        if (marker == 0xff)
            at++;
        else
            at += 2 + (size_t)big(p, at + 2, 2);
    }
    return (mg_image_size){0, 0};
}

static mg_image_size webp_size(const picture *p) {
    if (has(p, 12, "VP8X", 4)) return (mg_image_size){1 + little(p, 24, 3), 1 + little(p, 27, 3)};
    if (has(p, 12, "VP8L", 4)) {
        int64_t bits = little(p, 21, 4);
        return (mg_image_size){1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)};
    }
    return (mg_image_size){little(p, 26, 2) & 0x3fff, little(p, 28, 2) & 0x3fff};
}

mg_image_size mg_image_size_read(mg_str base64) {
    if (mg_str_starts(base64, MG_STR("data:"))) base64 = mg_str_skip(base64, mg_str_find(base64, ',') + 1);
    const picture p = {base64};
    if (byte_at(&p, 29) < 0) return (mg_image_size){0, 0}; /* no picture is so small */
    if (has(&p, 0, "\x89PNG", 4)) return (mg_image_size){big(&p, 16, 4), big(&p, 20, 4)};
    if (has(&p, 0, "GIF8", 4)) return (mg_image_size){little(&p, 6, 2), little(&p, 8, 2)};
    if (has(&p, 0, "RIFF", 4) && has(&p, 8, "WEBP", 4)) return webp_size(&p);
    return has(&p, 0, "\xff\xd8", 2) ? jpeg_size(&p) : (mg_image_size){0, 0};
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

enum {
    TILE = 512,
    TILED_LONGEST = 2048,
    TILED_SHORTEST = 768,
    PATCH = 32,
    PATCHES_MOST = 1536,
    CLAUDE_LONGEST = 1568,
    CLAUDE_MOST = 1600,
    CLAUDE_PIXELS = 750, /* a token */
    GEMINI_TILE = 768,
    GEMINI_SMALL = 384,
    GEMINI_LONGEST = 3072,
    GEMINI_TOKENS = 258, /* a tile */
    LARGEST = 1 << 20, /* of a side: no product overflows */
    USUAL_WIDTH = 1024,
    USUAL_HEIGHT = 1536
};

/* The first that a model's name begins with. */
static const struct {
    const char *model;
    int base, tile; /* tiles of 512 × 512 */
    int patch_percent; /* or patches of 32 × 32, tokens of a hundred */
} RULES[] = {
    {"gpt-4o-mini", 2833, 5667, 0},
    {"gpt-4.1-mini", 0, 0, 162},
    {"gpt-4.1-nano", 0, 0, 246},
    {"gpt-5-mini", 0, 0, 162},
    {"gpt-5-nano", 0, 0, 246},
    {"o4-mini", 0, 0, 172},
    {"gpt-5", 70, 140, 0},
    {"o1", 75, 150, 0},
    {"o3", 75, 150, 0},
    {"computer-use", 65, 129, 0},
    {"", 85, 170, 0},
};

static int64_t parts(int64_t length, int64_t of) { return length > 0 ? (length + of - 1) / of : 1; }

static void fit_longest(mg_image_size *s, int64_t most) {
    int64_t longest = s->width > s->height ? s->width : s->height;
    if (longest <= most) return;
    s->width = s->width * most / longest;
    s->height = s->height * most / longest;
}

static void fit_shortest(mg_image_size *s, int64_t most) {
    int64_t shortest = s->width < s->height ? s->width : s->height;
    if (shortest <= most) return;
    s->width = s->width * most / shortest;
    s->height = s->height * most / shortest;
}

static int64_t tile_tokens(mg_image_size s, int base, int tile) {
    fit_longest(&s, TILED_LONGEST);
    fit_shortest(&s, TILED_SHORTEST);
    return base + tile * parts(s.width, TILE) * parts(s.height, TILE);
}

static int64_t patch_tokens(mg_image_size s, int percent) {
    int64_t n = parts(s.width, PATCH) * parts(s.height, PATCH);
    return (n < PATCHES_MOST ? n : PATCHES_MOST) * percent / 100;
}

static int64_t claude_tokens(mg_image_size s) {
    fit_longest(&s, CLAUDE_LONGEST);
    int64_t n = parts(s.width * s.height, CLAUDE_PIXELS);
    return n < CLAUDE_MOST ? n : CLAUDE_MOST;
}

static int64_t gemini_tokens(mg_image_size s) {
    fit_longest(&s, GEMINI_LONGEST);
    if (s.width <= GEMINI_SMALL && s.height <= GEMINI_SMALL) return GEMINI_TOKENS;
    return GEMINI_TOKENS * parts(s.width, GEMINI_TILE) * parts(s.height, GEMINI_TILE);
}

int64_t mg_image_tokens(mg_image_size s, bool low, mg_str model) {
    if (s.width <= 0 || s.height <= 0) s = (mg_image_size){USUAL_WIDTH, USUAL_HEIGHT};
    if (s.width > LARGEST) s.width = LARGEST;
    if (s.height > LARGEST) s.height = LARGEST;
    if (mg_str_starts(model, MG_STR("claude"))) return claude_tokens(s);
    if (mg_str_starts(model, MG_STR("gemini"))) return gemini_tokens(s);
    size_t i = 0;
    while (!mg_str_starts(model, mg_str_of(RULES[i].model))) i++;
    if (RULES[i].patch_percent) return patch_tokens(s, RULES[i].patch_percent);
    return low ? RULES[i].base : tile_tokens(s, RULES[i].base, RULES[i].tile);
}
