/* Rows for people and programs: a table, CSV (RFC 4180) or JSON. */
#ifndef MG_APP_TABLE_H
#define MG_APP_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct mg_table mg_table;

typedef enum mg_table_format { MG_TABLE_TEXT, MG_TABLE_CSV, MG_TABLE_JSON } mg_table_format;
bool mg_table_format_parse(mg_str text, mg_table_format *out);

mg_table *mg_table_create(void);
void mg_table_destroy(mg_table *t);
/* A row callback for ledger statements: `arg` is the table. The first row names the columns. */
bool mg_table_row(void *arg, const mg_str *columns, const mg_value *values, size_t n);
size_t mg_table_rows(const mg_table *t);
/* Value of a cell as text, or {NULL,0}. */
mg_str mg_table_cell(const mg_table *t, size_t row, const char *column);
/* Writes it. Text: columns that end in "_nano_usd" are shown in dollars, numbers to the right; JSON: an array of objects with
 * the exact integers, and beside each *_nano_usd the decimal string *_usd. */
void mg_table_write(const mg_table *t, mg_table_format format, mg_buf *out);

#endif
