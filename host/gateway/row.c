/* A usage row as bytes: a version, then fields, each a tag and its value. Tags are never used twice, so that a field
 * can be added or dropped and an older or newer gateway still reads the spool: what it does not know it skips. */
#include "gateway/spool.h"

enum {
    ROW_VERSION = 1,
    ROW_MAX = 1 << 20, /* bytes of an encoded row */
    VARINT_MAX = 10,
    WIRE_NUMBER = 0, /* low bit of a tag: a zigzag varint follows */
    WIRE_BYTES = 1 /* a varint length and that many bytes follow */
};

typedef enum field_kind { FIELD_ID, FIELD_STR, FIELD_INT, FIELD_I64, FIELD_U64, FIELD_BOOL } field_kind;

typedef struct field {
    uint8_t tag; /* 1 to 63: one byte with the wire's bit */
    uint8_t kind;
    uint16_t offset;
} field;

#define F(tag, kind, member)                                                                                           \
    { (tag), (kind), offsetof(mg_usage_row, member) }

/* In order of their tags, without gaps: find_field counts on it. */
static const field FIELDS[] = {
    F(1, FIELD_ID, attempt_id),
    F(2, FIELD_ID, request_id),
    F(3, FIELD_INT, attempt),
    F(4, FIELD_BOOL, final),
    F(5, FIELD_STR, outcome),
    F(6, FIELD_STR, precision),
    F(7, FIELD_STR, org),
    F(8, FIELD_STR, key_id),
    F(9, FIELD_STR, user),
    F(10, FIELD_STR, session),
    F(11, FIELD_STR, team),
    F(12, FIELD_STR, provider),
    F(13, FIELD_STR, model),
    F(14, FIELD_STR, model_asked),
    F(15, FIELD_STR, operation),
    F(16, FIELD_STR, upstream_id),
    F(17, FIELD_STR, client_request_id),
    F(18, FIELD_STR, error),
    F(19, FIELD_INT, http_status),
    F(20, FIELD_I64, usage.input),
    F(21, FIELD_I64, usage.output),
    F(22, FIELD_I64, usage.cached),
    F(23, FIELD_I64, usage.cache_write),
    F(24, FIELD_I64, usage.reasoning),
    F(25, FIELD_I64, usage.audio_input),
    F(26, FIELD_I64, usage.audio_output),
    F(27, FIELD_I64, cost_nano_usd),
    F(28, FIELD_I64, created_ms),
    F(29, FIELD_I64, latency_ms),
    F(30, FIELD_I64, ttft_ms),
    F(31, FIELD_BOOL, stream),
    F(32, FIELD_STR, metadata),
    F(33, FIELD_STR, decisions),
    F(34, FIELD_U64, generation),
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0], ID_SIZE = sizeof((mg_usage_row *)0)->attempt_id };

static const field *find_field(uint64_t tag) { return tag >= 1 && tag <= N_FIELDS ? &FIELDS[tag - 1] : NULL; }

static bool is_bytes(const field *f) { return f->kind == FIELD_ID || f->kind == FIELD_STR; }

static mg_str bytes_of(const mg_usage_row *row, const field *f) {
    const char *at = (const char *)row + f->offset;
    if (f->kind == FIELD_ID) return (mg_str){at, strnlen(at, ID_SIZE - 1)};
    return *(const mg_str *)at;
}

static int64_t number_of(const mg_usage_row *row, const field *f) {
    const void *at = (const char *)row + f->offset;
    switch (f->kind) {
    case FIELD_INT: return *(const int *)at;
    case FIELD_BOOL: return *(const bool *)at;
    case FIELD_U64: return (int64_t) * (const uint64_t *)at;
    default: return *(const int64_t *)at;
    }
}

static char *put_varint(char *p, uint64_t v) {
    for (; v >= 0x80; v >>= 7) *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

/* Bytes that the row can take at most, or 0 if that is more than ROW_MAX. */
static size_t most_bytes(const mg_usage_row *row) {
    size_t n = 1;
    for (size_t i = 0; i < N_FIELDS; i++) {
        size_t payload = is_bytes(&FIELDS[i]) ? bytes_of(row, &FIELDS[i]).n : 0;
        if (payload > ROW_MAX) return 0;
        n += 1 + VARINT_MAX + payload;
    }
    return n <= ROW_MAX ? n : 0;
}

bool mg_usage_row_encode(const mg_usage_row *row, mg_buf *out) {
    size_t most = most_bytes(row);
    if (most == 0 || !mg_buf_reserve(out, most)) return false;
    char *p = out->p + out->n;
    *p++ = ROW_VERSION;
    for (const field *f = FIELDS; f < FIELDS + N_FIELDS; f++) {
        if (is_bytes(f)) {
            mg_str s = bytes_of(row, f);
            if (s.n == 0) continue;
            *p++ = (char)(f->tag << 1 | WIRE_BYTES);
            p = put_varint(p, s.n);
            memcpy(p, s.p, s.n);
            p += s.n;
        } else {
            int64_t v = number_of(row, f);
            if (v == 0) continue;
            *p++ = (char)(f->tag << 1 | WIRE_NUMBER);
            p = put_varint(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
        }
    }
    out->n = (size_t)(p - out->p);
    return true;
}

static bool take_varint(mg_str *in, uint64_t *v) {
    *v = 0;
    for (unsigned shift = 0; in->n && shift < 64; shift += 7) {
        uint8_t c = (uint8_t)in->p[0];
        *in = mg_str_skip(*in, 1);
        if (shift == 63 && c > 1) return false;
        *v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) return true;
    }
    return false;
}

static bool set_bytes(mg_usage_row *row, const field *f, mg_str s) {
    char *at = (char *)row + f->offset;
    if (f->kind == FIELD_STR) {
        *(mg_str *)at = s;
        return true;
    }
    if (s.n >= ID_SIZE) return false;
    memset(at, 0, ID_SIZE);
    memcpy(at, s.p, s.n);
    return true;
}

static bool set_number(mg_usage_row *row, const field *f, int64_t v) {
    void *at = (char *)row + f->offset;
    switch (f->kind) {
    case FIELD_INT:
        if (v < INT32_MIN || v > INT32_MAX) return false;
        *(int *)at = (int)v;
        return true;
    case FIELD_BOOL: *(bool *)at = v != 0; return v == 0 || v == 1;
    case FIELD_U64: *(uint64_t *)at = (uint64_t)v; return true;
    default: *(int64_t *)at = v; return true;
    }
}

static bool take_field(mg_str *in, mg_usage_row *row) {
    uint64_t tag, v;
    if (!take_varint(in, &tag) || !take_varint(in, &v)) return false;
    const field *f = find_field(tag >> 1);
    if ((tag & 1) == WIRE_BYTES) {
        if (v > in->n) return false;
        mg_str s = {in->p, (size_t)v};
        *in = mg_str_skip(*in, s.n);
        return !f || (is_bytes(f) && set_bytes(row, f, s));
    }
    int64_t number = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return !f || (!is_bytes(f) && set_number(row, f, number));
}

bool mg_usage_row_decode(mg_str bytes, mg_usage_row *row) {
    *row = (mg_usage_row){.size = sizeof *row, .usage.size = sizeof row->usage};
    if (bytes.n == 0 || bytes.n > ROW_MAX || bytes.p[0] != ROW_VERSION) return false;
    bytes = mg_str_skip(bytes, 1);
    while (bytes.n)
        if (!take_field(&bytes, row)) return false;
    return true;
}
