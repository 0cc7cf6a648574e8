/* For the framing decoders: a frame that lies whole in the bytes that were fed is not copied, one that came in pieces
 * is put together here; and MG_JSON_PADDING readable bytes behind its data. */
#ifndef MG_NET_PIECES_H
#define MG_NET_PIECES_H

#include "base/buf.h"

typedef struct mg_pieces {
    mg_buf pending; /* the frame so far; bounded by max */
    mg_buf padded;  /* a copy of data that has no room behind it */
    size_t max;     /* bytes of a frame */
} mg_pieces;

void mg_pieces_init(mg_pieces *p, size_t max);
void mg_pieces_finish(mg_pieces *p);
/* More of the frame that is not whole yet. False, and nothing taken, if it becomes larger than max. */
bool mg_pieces_add(mg_pieces *p, mg_str bytes);
/* The frame's last bytes: *raw is all of it, valid until mg_pieces_next or the end of `bytes`. False as above. */
bool mg_pieces_whole(mg_pieces *p, mg_str bytes, mg_str *raw);
/* The same data with padding behind it. It is part of the present frame; the memory that was fed may be read up to
 * `end`. */
mg_str mg_pieces_pad(mg_pieces *p, mg_str data, const char *end);
void mg_pieces_next(mg_pieces *p); /* the frame has been delivered */

#endif
