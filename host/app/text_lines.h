/* JSON lines {"text": …} on standard input: what the verbs scan and tokens read. */
#ifndef MG_APP_TEXT_LINES_H
#define MG_APP_TEXT_LINES_H

#include "base/buf.h"
#include "base/json.h"

typedef struct mg_text_lines {
    mg_json_parser *json;
    mg_arena *arena; /* of the line that was read last; also for the caller's own */
    mg_buf in; /* what was read and is not a whole line yet */
    size_t at; /* what of it is used up */
    size_t number; /* of the line that was read last, from 1 */
    bool ended;
    int status; /* 1 after a line that was not as it should be, or when input or output failed */
    mg_buf out; /* the caller's answers: written when no whole line is left, so that who waits for one gets it */
} mg_text_lines;

enum { MG_TEXT_LINE_MAX = 256 << 20 }; /* bytes of a line */

void mg_text_lines_init(mg_text_lines *l);
/* The next line's text, valid until the next call; false at the end. Lines that are not as they should be are passed
 * over with a message that names their number; empty ones without. */
bool mg_text_lines_next(mg_text_lines *l, mg_str *text);
/* Prints "moongate: line N: …" to standard error and sets the status. */
void mg_text_lines_fault(mg_text_lines *l, const char *message);
/* Writes what is left and frees; returns the status. */
int mg_text_lines_finish(mg_text_lines *l);

#endif
