#include "app/keep.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct reading {
    mg_config_rows *rows;
    size_t cap;
} reading;

static mg_str text_of(mg_arena *arena, const mg_str *columns, const mg_value *values, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (mg_str_is(columns[i], name) && values[i].type == MG_VALUE_TEXT) return mg_arena_dup(arena, values[i].text);
    return (mg_str){0};
}

static int64_t integer_of(const mg_str *columns, const mg_value *values, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (mg_str_is(columns[i], name) && values[i].type == MG_VALUE_INTEGER) return values[i].integer;
    return 0;
}

static void *grow(mg_arena *arena, void *old, size_t n, size_t *cap, size_t size) {
    if (n < *cap) return old;
    *cap = *cap ? *cap * 2 : 32;
    void *v = mg_arena_alloc(arena, *cap * size);
    if (n) memcpy(v, old, n * size);
    return v;
}

static bool org_row(void *arg, const mg_str *c, const mg_value *v, size_t n) {
    reading *r = arg;
    mg_config_rows *rows = r->rows;
    rows->orgs = grow(rows->arena, rows->orgs, rows->n_orgs, &r->cap, sizeof *rows->orgs);
    rows->orgs[rows->n_orgs++] =
        (struct mg_config_org_row){text_of(rows->arena, c, v, n, "id"), text_of(rows->arena, c, v, n, "name"),
                                   text_of(rows->arena, c, v, n, "settings")};
    return true;
}

static bool key_row(void *arg, const mg_str *c, const mg_value *v, size_t n) {
    reading *r = arg;
    mg_config_rows *rows = r->rows;
    mg_arena *a = rows->arena;
    rows->keys = grow(a, rows->keys, rows->n_keys, &r->cap, sizeof *rows->keys);
    mg_str org = text_of(a, c, v, n, "org_ref");
    rows->keys[rows->n_keys++] = (struct mg_config_key_row){.id = text_of(a, c, v, n, "id"),
                                                            .org = org.n ? org : text_of(a, c, v, n, "org"),
                                                            .sha256_hex = text_of(a, c, v, n, "sha256"),
                                                            .name = text_of(a, c, v, n, "name"),
                                                            .team = text_of(a, c, v, n, "team"),
                                                            .user = text_of(a, c, v, n, "user_ref"),
                                                            .tags = text_of(a, c, v, n, "tags"),
                                                            .models = text_of(a, c, v, n, "models"),
                                                            .acts_for = text_of(a, c, v, n, "acts_for"),
                                                            .expires_ms = integer_of(c, v, n, "expires_ms"),
                                                            .revoked_ms = integer_of(c, v, n, "revoked_ms")};
    return true;
}

mg_status mg_keep_rows(const mg_ledger *ops, void *self, mg_config_rows *out, mg_error *error) {
    *out = (mg_config_rows){.arena = mg_arena_create(4096)};
    reading orgs = {out, 0}, keys = {out, 0};
    mg_param any = {"org", {.type = MG_VALUE_NULL}};
    mg_status st = ops->run(self, MG_STR("org.list"), NULL, 0, org_row, &orgs, error);
    if (st == MG_OK) st = ops->run(self, MG_STR("key.list"), &any, 1, key_row, &keys, error);
    if (st != MG_OK) mg_keep_rows_finish(out);
    return st;
}

void mg_keep_rows_finish(mg_config_rows *rows) {
    if (rows->arena) mg_arena_destroy(rows->arena);
    *rows = (mg_config_rows){0};
}

/* ---- keys and organizations -------------------------------------------------------------------------------------- */

static bool no_row(void *arg, const mg_str *c, const mg_value *v, size_t n) {
    (void)arg, (void)c, (void)v, (void)n;
    return true;
}

static mg_value text_value(mg_str s) {
    return s.n ? (mg_value){.type = MG_VALUE_TEXT, .text = s} : (mg_value){.type = MG_VALUE_NULL};
}

static mg_value int_value(int64_t n) { return (mg_value){.type = MG_VALUE_INTEGER, .integer = n}; }

bool mg_keep_org_id_ok(mg_str id) {
    if (!id.n || id.n > 64) return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

mg_status mg_keep_org_add(const mg_ledger *ops, void *self, mg_str id, mg_str name, mg_error *error) {
    if (!mg_keep_org_id_ok(id))
        return mg_fail(error, 0, "org_id",
                       "an organization's id has 1 to 64 letters, digits, '.', '_' or '-', not '%.*s'", MG_STR_ARG(id));
    const mg_param p[] = {
        {"id", text_value(id)}, {"name", text_value(name.n ? name : id)}, {"settings", {.type = MG_VALUE_NULL}}};
    return ops->run(self, MG_STR("org.put"), p, 3, no_row, NULL, error);
}

/* base64url without padding (RFC 4648, section 5): 43 characters for 32 bytes. */
static void base64url(const uint8_t in[32], char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < 32; i++) {
        bits = bits << 8 | in[i];
        have += 8;
        while (have >= 6) out[n++] = digits[bits >> (have -= 6) & 63];
    }
    out[n++] = digits[bits << (6 - have) & 63];
    out[n] = 0;
}

static void random_text(char *out) {
    uint8_t bytes[32];
    mg_random(bytes, sizeof bytes);
    base64url(bytes, out);
}

mg_status mg_keep_key_add(const mg_ledger *ops, void *self, const mg_keep_key *k, char text[MG_KEY_TEXT], char id[21],
                          mg_error *error) {
    uint8_t sha[32];
    char hex[65];
    memcpy(text, "mg-", 3);
    random_text(text + 3);
    mg_sha256(mg_str_of(text), sha);
    mg_hex(sha, 32, hex);
    snprintf(id, 21, "key_%.16s", hex);
    const mg_param p[] = {{"id", text_value(mg_str_of(id))},
                          {"org", text_value(k->org)},
                          {"sha256", text_value(mg_str_of(hex))},
                          {"name", text_value(k->name)},
                          {"team", text_value(k->team)},
                          {"user", text_value(k->user)},
                          {"prefix", text_value(mg_str_from(text, 8))},
                          {"tags", {.type = MG_VALUE_NULL}},
                          {"models", {.type = MG_VALUE_NULL}},
                          {"acts_for", text_value(k->acts_for)},
                          {"created_ms", int_value(mg_clock_unix_ms())},
                          {"expires_ms", k->expires_ms ? int_value(k->expires_ms) : (mg_value){.type = MG_VALUE_NULL}}};
    return ops->run(self, MG_STR("key.put"), p, sizeof p / sizeof p[0], no_row, NULL, error);
}

/* ---- files of data_dir ------------------------------------------------------------------------------------------- */

mg_status mg_keep_dir(mg_str data_dir, mg_error *error) {
    char path[4096];
    if (!data_dir.n || data_dir.n >= sizeof path) return mg_fail(error, 0, "data_dir", "data_dir is empty or too long");
    memcpy(path, data_dir.p, data_dir.n);
    path[data_dir.n] = 0;
    for (char *s = path + 1; *s; s++) {
        if (*s != '/') continue;
        *s = 0;
        mkdir(path, 0755);
        *s = '/';
    }
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return MG_OK;
    return mg_fail(error, 0, "data_dir", "can't make the folder %s: %s. Set data_dir to one that can be written.", path,
                   strerror(errno));
}

static bool join(char out[4096], mg_str dir, const char *name, const char *suffix) {
    int n = snprintf(out, 4096, "%.*s/%s%s", MG_STR_ARG(dir), name, suffix);
    return n > 0 && n < 4096;
}

mg_status mg_keep_write(mg_str data_dir, const char *name, mg_str text, mg_error *error) {
    char path[4096], temporary[4096];
    if (!join(path, data_dir, name, "") || !join(temporary, data_dir, name, ".new"))
        return mg_fail(error, 0, "data_dir", "data_dir is too long");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0) close(fd);
    if (ok && rename(temporary, path) == 0) return MG_OK;
    return mg_fail(error, 0, "data_dir", "can't write %s: %s", path, strerror(ok ? errno : saved));
}

mg_status mg_keep_secret(mg_str data_dir, const char *name, char out[128], mg_error *error) {
    char path[4096];
    if (!join(path, data_dir, name, "")) return mg_fail(error, 0, "data_dir", "data_dir is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, out, 127);
        close(fd);
        while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' ')) n--;
        if (n < 16)
            return mg_fail(error, 0, "secret", "%s is empty or too short: remove it, and a new one is made", path);
        out[n] = 0;
        return MG_OK;
    }
    if (errno != ENOENT) return mg_fail(error, 0, "secret", "can't read %s: %s", path, strerror(errno));
    random_text(out);
    return mg_keep_write(data_dir, name, mg_str_of(out), error);
}
