/* One attempt at a provider: what was sent, what came back, what it cost. Lives in the request's arena. */
#ifndef MG_GATEWAY_ATTEMPT_H
#define MG_GATEWAY_ATTEMPT_H

#include "gateway/request.h"
#include "net/framer.h"

enum {
    MG_ATTEMPT_HEADERS = 32,
    MG_ANSWER_MAX = 8 << 20, /* a plain answer that is held until its usage is known */
    MG_EMBEDDINGS_MAX = 64 << 20, /* embeddings answers are large */
    MG_EVENT_MAX = 4 << 20 /* one event of a stream */
};

struct mg_attempt {
    mg_request *r;
    const mg_target *target;
    mg_choice choice;
    mg_circuit_outcome health; /* what it says about the target; for the circuit */
    const mg_provider *ops;
    void *state; /* of the decoder */
    void *self; /* the provider's instance on this worker */
    char id[37];
    int no;
    mg_upstream_call *call; /* NULL: none under way */

    bool native; /* the provider speaks the client's format: bytes pass through */

    /* what is sent */
    mg_str method, path, body;
    mg_header headers[MG_ATTEMPT_HEADERS];
    size_t n_headers;
    mg_edits edits;
    mg_buf written;

    /* what came back */
    int status; /* 0: no head yet */
    mg_header *answer_headers; /* copied for failures */
    size_t n_answer_headers;
    bool event_stream; /* the answer is a stream of events */
    mg_framer *framer; /* of a stream; else NULL */
    mg_buf in; /* a plain body, or the body of a failure */
    mg_buf early; /* bytes for the client that wait until this attempt has proved itself */
    bool gate; /* it has */
    bool hold_over; /* it had its time to */
    mg_timer *hold_timer, *stall_timer;
    int64_t stall_mark; /* tokens at the last look */
    bool slow_client; /* it took its bytes slowly since the last look, so the vendor had to wait */
    bool after_space; /* it goes on behind white space that its target was not shown, and may begin with its own */
    bool not_only_text; /* the answer holds more than another target could go on from */
    mg_buf held; /* frames that wait for a reply policy's verdict */
    mg_buf window; /* their text */
    mg_buf said; /* the stream's text that has not gone to the client yet, where another target may go on from it */
    mg_str last; /* the terminating frame, sent after usage is durable */
    bool done_seen; /* the format's terminator has come */
    bool over; /* upstream has ended */
    bool given_up; /* while the vendor was at it */
    bool finish_seen; /* a finish reason has come */
    bool bad_frame; /* the stream said that it failed, or is rubbish: kind and message say how */
    bool hide_frame; /* the present frame is not for the client */
    bool watch_text; /* a reply policy wants the text: `window` collects it */
    bool hold; /* frames wait in `held` for its verdict */
    const mg_json *root; /* a plain answer, parsed */
    mg_reply *reply; /* what the answer says, where it is written anew or a policy reads it; else NULL */
    mg_buf out; /* frames of a stream that is written anew */
    mg_stream *stream; /* its writer; NULL: not needed yet */
    bool opened; /* the writer has begun */
    bool array_begun; /* native, as one JSON array: its bracket is out */
    bool replaced; /* a policy changed a text of `reply` */
    mg_timer *linger;

    mg_usage usage;
    bool usage_known;
    bool counting; /* a plain answer states no usage: its text is counted, as a stream's is while it passes */
    int64_t counted; /* output tokens by estimate, as they pass */
    mg_str upstream_id, model, request_id;
    uint64_t started_us, first_token_us;
    mg_failure failure;
    int64_t retry_after_ms;
    char kind[24]; /* of failure: "rate", "timeout_idle", … */
    char message[200];
};

/* Begins an attempt, put into *slot, and takes over the choice. MG_AGAIN: under way; MG_OK: answered at once (a provider without
 * a vendor); MG_ERROR: nothing was sent, the error says why. */
mg_status mg_attempt_start(mg_request *r, mg_choice *choice, mg_attempt **slot, mg_error *error);
/* Passes on what was held back, for an answer that ends before it has proved itself. */
void mg_answer_open(mg_attempt *a);
/* Ends what is under way without callbacks: the client has left. */
void mg_attempt_cancel(mg_attempt *a);
/* Frees what the arena does not hold. */
void mg_attempt_finish(mg_attempt *a);
/* Notes why it failed. */
void mg_attempt_fault(mg_attempt *a, const char *kind, mg_str message);
const char *mg_failure_name(mg_failure f);

/* One frame of a stream (gateway/answer.c): decoded, counted, passed on or held. False: no more frames are wanted. Never ends
 * the request: what it finds is acted upon by mg_pipeline_progress. `data` is followed by MG_JSON_PADDING readable bytes. */
bool mg_answer_frame(mg_attempt *a, mg_str raw, mg_str event, mg_str data);

/* The body of a stream without a terminator has ended as its framing says, after a finish reason: writes what ends it for the
 * client. */
void mg_answer_ended(mg_attempt *a);

/* What the attempt tells the pipeline (gateway/pipeline.c). Each may end the request: the caller touches nothing after. */
void mg_pipeline_progress(mg_attempt *a); /* frames were taken */
void mg_pipeline_answered(mg_attempt *a); /* the answer is whole, whatever its status */
bool mg_pipeline_drain(
    mg_request *r); /* the client has gone: true if an answer is under way that can be read to its end */
void mg_pipeline_failed(mg_attempt *a); /* it is not: a->kind says why */

#endif
