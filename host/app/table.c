#include "app/table.h"

#include "base/money.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct cell {
    mg_str text;
    bool number, null;
} cell;

struct mg_table {
    mg_arena *arena;
    mg_str *columns;
    size_t n_columns;
    cell **rows;
    size_t n_rows, cap;
};

bool mg_table_format_parse(mg_str text, mg_table_format *out) {
    static const char *const names[] = {"table", "csv", "json"};
    for (int i = 0; i < 3; i++)
        if (mg_str_is(text, names[i])) {
            *out = (mg_table_format)i;
            return true;
        }
    return false;
}

mg_table *mg_table_create(void) {
    mg_table *t = MG_NEW(mg_table);
    t->arena = mg_arena_create(16 * 1024);
    return t;
}

void mg_table_destroy(mg_table *t) {
    if (!t) return;
    mg_arena_destroy(t->arena);
    free(t->rows);
    free(t);
}

static cell cell_of(mg_arena *arena, const mg_value *v) {
    switch (v->type) {
    case MG_VALUE_INTEGER: return (cell){mg_arena_printf(arena, "%lld", (long long)v->integer), true, false};
    case MG_VALUE_REAL: return (cell){mg_arena_printf(arena, "%.6g", v->real), true, false};
    case MG_VALUE_TEXT: return (cell){mg_arena_dup(arena, v->text), false, false};
    case MG_VALUE_NULL: break;
    }
    return (cell){{0}, false, true};
}

bool mg_table_row(void *arg, const mg_str *columns, const mg_value *values, size_t n) {
    mg_table *t = arg;
    if (!t->columns) {
        t->columns = mg_arena_alloc(t->arena, (n ? n : 1) * sizeof *t->columns);
        for (size_t i = 0; i < n; i++) t->columns[i] = mg_arena_dup(t->arena, columns[i]);
        t->n_columns = n;
    }
    if (t->n_rows == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->rows = mg_realloc(t->rows, t->cap * sizeof *t->rows);
    }
    cell *row = mg_arena_zalloc(t->arena, t->n_columns * sizeof *row);
    for (size_t i = 0; i < n && i < t->n_columns; i++) row[i] = cell_of(t->arena, &values[i]);
    t->rows[t->n_rows++] = row;
    return true;
}

size_t mg_table_rows(const mg_table *t) { return t->n_rows; }

mg_str mg_table_cell(const mg_table *t, size_t row, const char *column) {
    for (size_t i = 0; row < t->n_rows && i < t->n_columns; i++)
        if (mg_str_is(t->columns[i], column)) return t->rows[row][i].text;
    return (mg_str){0};
}

static const mg_str nano_suffix = {"_nano_usd", 9};

static bool is_money(mg_str column) {
    return column.n > nano_suffix.n && mg_str_eq(mg_str_skip(column, column.n - nano_suffix.n), nano_suffix);
}

static mg_str usd(mg_arena *arena, mg_str nano) {
    char out[32];
    int64_t n = 0;
    if (!mg_str_int(nano, &n)) return nano;
    mg_money_format(n, out);
    return mg_arena_dup(arena, mg_str_of(out));
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

static mg_str shown(const mg_table *t, size_t row, size_t column) {
    const cell *c = &t->rows[row][column];
    if (c->null) return MG_STR("-");
    return is_money(t->columns[column]) ? usd(t->arena, c->text) : c->text;
}

/* Characters, near enough to columns of a terminal: bytes that begin one. */
static size_t width_of(mg_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += (s.p[i] & 0xC0) != 0x80;
    return n;
}

static void pad(mg_buf *out, size_t n) {
    while (n--) mg_buf_str(out, MG_STR(" "));
}

static mg_str heading(const mg_table *t, size_t column) {
    mg_str c = t->columns[column];
    return is_money(c) ? mg_arena_printf(t->arena, "%.*s_usd", (int)(c.n - nano_suffix.n), c.p) : c;
}

static void write_text(const mg_table *t, mg_buf *out) {
    size_t *width = mg_arena_zalloc(t->arena, (t->n_columns + 1) * sizeof *width);
    for (size_t c = 0; c < t->n_columns; c++) {
        width[c] = width_of(heading(t, c));
        for (size_t r = 0; r < t->n_rows; r++) {
            size_t w = width_of(shown(t, r, c));
            if (w > width[c]) width[c] = w;
        }
    }
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            mg_str s = r ? shown(t, r - 1, c) : heading(t, c);
            bool right = t->n_rows && t->rows[r ? r - 1 : 0][c].number;
            size_t space = width[c] - width_of(s);
            if (c) mg_buf_str(out, MG_STR("  "));
            if (right) pad(out, space);
            mg_buf_str(out, s);
            if (!right && c + 1 < t->n_columns) pad(out, space);
        }
        mg_buf_str(out, MG_STR("\n"));
    }
}

static void write_csv_field(mg_buf *out, mg_str s) {
    bool quote = false;
    for (size_t i = 0; i < s.n; i++) quote |= s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        mg_buf_str(out, s);
        return;
    }
    mg_buf_str(out, MG_STR("\""));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') mg_buf_str(out, MG_STR("\""));
        mg_buf_add(out, s.p + i, 1);
    }
    mg_buf_str(out, MG_STR("\""));
}

static void write_csv(const mg_table *t, mg_buf *out) {
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            if (c) mg_buf_str(out, MG_STR(","));
            write_csv_field(out, r ? t->rows[r - 1][c].text : t->columns[c]);
        }
        mg_buf_str(out, MG_STR("\r\n"));
    }
}

static void write_json_member(const mg_table *t, size_t r, size_t c, mg_buf *out) {
    const cell *v = &t->rows[r][c];
    mg_buf_json(out, t->columns[c]);
    mg_buf_str(out, MG_STR(":"));
    if (v->null)
        mg_buf_str(out, MG_STR("null"));
    else if (v->number)
        mg_buf_str(out, v->text);
    else
        mg_buf_json(out, v->text);
    if (!is_money(t->columns[c]) || v->null) return;
    mg_buf_str(out, MG_STR(","));
    mg_buf_json(out, heading(t, c));
    mg_buf_str(out, MG_STR(":"));
    mg_buf_json(out, usd(t->arena, v->text));
}

static void write_json(const mg_table *t, mg_buf *out) {
    mg_buf_str(out, MG_STR("["));
    for (size_t r = 0; r < t->n_rows; r++) {
        mg_buf_str(out, r ? MG_STR(",\n{") : MG_STR("{"));
        for (size_t c = 0; c < t->n_columns; c++) {
            if (c) mg_buf_str(out, MG_STR(","));
            write_json_member(t, r, c, out);
        }
        mg_buf_str(out, MG_STR("}"));
    }
    mg_buf_str(out, MG_STR("]\n"));
}

void mg_table_write(const mg_table *t, mg_table_format format, mg_buf *out) {
    if (format == MG_TABLE_JSON)
        write_json(t, out);
    else if (format == MG_TABLE_CSV)
        write_csv(t, out);
    else if (t->n_rows)
        write_text(t, out);
    else
        mg_buf_str(out, MG_STR("no rows\n"));
}
