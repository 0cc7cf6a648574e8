/* One interface to all framings of streams: bytes as they come, frames as a provider decodes them.
 *
 * What ends a stream's body says nothing about the answer in it; mg_framer_end tells only whether the body ended between
 * two frames. */
#ifndef MG_NET_FRAMER_H
#define MG_NET_FRAMER_H

#include "net/event_stream.h"
#include "net/json_array.h"
#include "net/ndjson.h"
#include "net/sse.h"

typedef struct mg_framer {
    mg_framing framing;
    size_t max;
    union {
        mg_sse sse;
        mg_ndjson ndjson;
        mg_json_array array;
        mg_event_stream events;
    } decoder;
    mg_buf data; /* a payload that does not stand in the bytes as the frame has it */
} mg_framer;

/* All borrowed during the call. */
typedef struct mg_framer_frame {
    mg_str raw; /* the bytes as they came */
    mg_str event; /* SSE: the event's name; AWS: :event-type, :exception-type or :error-code; else "" */
    mg_str data; /* the payload; MG_JSON_PADDING readable bytes follow if there is one */
    bool has_data; /* false: a ping, a blank line, a closing bracket: pass on, nothing to decode */
} mg_framer_frame;

/* Returns false to stop: the rest of the bytes is dropped. */
typedef bool (*mg_framer_take)(void *arg, const mg_framer_frame *frame);

/* Whether a body of this content type ("text/event-stream; charset=utf-8") is framed so. */
bool mg_framer_fits(mg_framing framing, mg_str content_type);

/* max_frame: bytes of one frame as it comes. Zeroed memory is a framer that was finished. */
void mg_framer_init(mg_framer *f, mg_framing framing, size_t max_frame);
void mg_framer_finish(mg_framer *f); /* not from within `take` */

/* Calls `take` for each frame that is complete now. MG_ERROR (502): a frame is too large, or the bytes are not framed
 * so, now or in an earlier call.
 *
 * AWS event streams: an error message (:message-type error) tells its sentence in a header; its frame has the payload
 * that an exception would have, {"message": …}. */
mg_status mg_framer_feed(mg_framer *f, mg_str bytes, mg_framer_take take, void *arg, mg_error *error);

/* The body has ended: delivers a last line without an end (NDJSON). MG_ERROR (502): it ended inside a frame. */
mg_status mg_framer_end(mg_framer *f, mg_framer_take take, void *arg, mg_error *error);

#endif
