/* Module hash. */
#include "policy/modules.h"
#include "base/hash.h"
#include "policy/scratch.h"

enum { BYTES_A_UNIT = 8 };

static int push_hex(lua_State *L, const uint8_t digest[32]) {
    char hex[65];
    mg_hex(digest, 32, hex);
    lua_pushlstring(L, hex, 64);
    return 1;
}

static int hash_sha256(lua_State *L) {
    mg_str text = mg_lua_check_str(L, 1);
    uint8_t digest[32];
    mg_lua_charge(L, text.n / BYTES_A_UNIT);
    mg_sha256(text, digest);
    return push_hex(L, digest);
}

static int hash_hmac(lua_State *L) {
    mg_str key = mg_lua_check_str(L, 1), text = mg_lua_check_str(L, 2);
    uint8_t digest[32];
    mg_lua_charge(L, (key.n + text.n) / BYTES_A_UNIT);
    mg_hmac_sha256(key, text, digest);
    return push_hex(L, digest);
}

static int push_buf(lua_State *L, const mg_buf *b, const char *who) {
    if (b->over) return luaL_error(L, "%s: the text is too long", who);
    mg_lua_push_str(L, mg_buf_view(b));
    return 1;
}

static int hash_hex(lua_State *L) {
    mg_str bytes = mg_lua_check_str(L, 1);
    mg_lua_charge(L, bytes.n / BYTES_A_UNIT);
    mg_buf *b = mg_scratch_buf(L);
    for (size_t i = 0; i < bytes.n && !b->over; i++) {
        char two[3];
        mg_hex((const uint8_t *)bytes.p + i, 1, two);
        mg_buf_add(b, two, 2);
    }
    return push_buf(L, b, "hash.hex");
}

/* Up to three bytes as four characters (RFC 4648, section 4). */
static void encode_group(const uint8_t *p, size_t n, char out[4]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    for (size_t i = 0; i < 4; i++) out[i] = i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=';
}

static int hash_base64(lua_State *L) {
    mg_str bytes = mg_lua_check_str(L, 1);
    mg_lua_charge(L, bytes.n / BYTES_A_UNIT);
    mg_buf *b = mg_scratch_buf(L);
    for (size_t i = 0; i < bytes.n && !b->over; i += 3) {
        char four[4];
        encode_group((const uint8_t *)bytes.p + i, bytes.n - i < 3 ? bytes.n - i : 3, four);
        mg_buf_add(b, four, 4);
    }
    return push_buf(L, b, "hash.base64");
}

static const mg_lua_function functions[] = {
    {"sha256", hash_sha256, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param text string\n@return string digest 64 hexadecimal digits\n---\nSHA-256."},
    {"hmac", hash_hmac, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param key string\n@param text string\n@return string digest 64 hexadecimal digits\n---\n"
     "HMAC-SHA-256: tells equal texts without giving them away."},
    {"hex", hash_hex, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param bytes string\n@return string\n---\nTwo lower-case hexadecimal digits a byte."},
    {"base64", hash_base64, MG_ANY_PHASE | MG_AT_LOAD, false,
     "@param bytes string\n@return string\n---\nBase64 with padding, as in `Authorization: Basic`."},
    {NULL, NULL, 0, false, NULL},
};

const mg_lua_module mg_lua_hash = {
    .name = "hash",
    .doc = "Digests and encodings.",
    .functions = functions,
};
