/* application/vnd.amazon.eventstream: the binary framing of Amazon's streams (Bedrock's ConverseStream), split at any
 * byte.
 *
 * A message, numbers big-endian: total length u32, headers' length u32, CRC-32 of these 8 bytes, headers, payload,
 * CRC-32 of all before it. A header: length of its name u8, name, type u8, value. Both checksums are verified; a
 * message that does not add up ends the stream, since what follows it can't be found. */
#ifndef MG_NET_EVENT_STREAM_H
#define MG_NET_EVENT_STREAM_H

#include "net/pieces.h"

enum {
    MG_EVENT_STREAM_MAX = 16 << 20,         /* bytes of a message, whatever mg_event_stream_init is told */
    MG_EVENT_STREAM_HEADERS_MAX = 128 << 10 /* bytes of its headers */
};

typedef struct mg_event_stream {
    mg_pieces message;
    size_t total; /* of the message under way; 0: its length has not come */
    bool broken;
    char fault[96];
} mg_event_stream;

typedef enum mg_event_stream_kind { /* :message-type */
    MG_EVENT_STREAM_EVENT,     /* also where the header is missing */
    MG_EVENT_STREAM_EXCEPTION, /* one of the service's model: name is its type, data says what */
    MG_EVENT_STREAM_ERROR      /* any other: name is a code, text a sentence */
} mg_event_stream_kind;

typedef struct mg_event_stream_message {
    mg_str raw; /* the message as it came; borrowed during the call, like the rest */
    mg_event_stream_kind kind;
    mg_str name;    /* :event-type, :exception-type or :error-code; "" if there is none */
    mg_str text;    /* :error-message, or "" */
    mg_str content_type; /* :content-type, or "" */
    mg_str headers; /* all of them, for mg_event_stream_header_next; checked */
    mg_str data;    /* the payload; MG_JSON_PADDING readable bytes follow */
} mg_event_stream_message;

typedef enum mg_event_stream_type { /* as on the wire */
    MG_EVENT_STREAM_TRUE,
    MG_EVENT_STREAM_FALSE,
    MG_EVENT_STREAM_BYTE,
    MG_EVENT_STREAM_SHORT,
    MG_EVENT_STREAM_INTEGER,
    MG_EVENT_STREAM_LONG,
    MG_EVENT_STREAM_BYTES,
    MG_EVENT_STREAM_STRING,
    MG_EVENT_STREAM_TIMESTAMP,
    MG_EVENT_STREAM_UUID
} mg_event_stream_type;

typedef struct mg_event_stream_header {
    mg_str name;
    mg_event_stream_type type;
    int64_t number; /* TRUE (1), FALSE (0), BYTE to LONG; TIMESTAMP: Unix ms */
    mg_str bytes;   /* BYTES, STRING, UUID (16 bytes) */
} mg_event_stream_header;

void mg_event_stream_init(mg_event_stream *s, size_t max_message);
void mg_event_stream_finish(mg_event_stream *s); /* not from within `message` */
/* Calls `message` for each one that is complete now; it returns false to stop (the rest of `bytes` is dropped).
 * MG_ERROR: one is larger than the maximum or does not add up, now or in an earlier call. */
mg_status mg_event_stream_feed(mg_event_stream *s, mg_str bytes,
                               bool (*message)(void *arg, const mg_event_stream_message *m), void *arg,
                               mg_error *error);
/* Bytes that wait for the rest of their message: at the end of a stream, > 0 means a broken one. */
size_t mg_event_stream_waiting(const mg_event_stream *s);

/* Takes a header off the front of *headers. MG_DECLINED: no more; MG_ERROR: not a header. */
mg_status mg_event_stream_header_next(mg_str *headers, mg_event_stream_header *out);

#endif
