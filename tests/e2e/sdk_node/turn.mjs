// What every client's adapter gives back, in one shape, so that the cases need not know the client.
import assert from "node:assert/strict";

// An answer: its text, the pieces that it was streamed in, the calls of tools, why it ended ("stop", "length", "tools"
// or "refusal"), what it cost, and `back(results)`, which hands the tools' results in and gives the next answer
// (`back(results, { model })`: of another model).
export function answerOf(ask, answer) {
    if (ask.stream) assert.equal(answer.pieces.join(""), answer.text, "the pieces are the text");
    return answer;
}

export function failureOf(status, retryAfter, message) {
    return {
        status,
        retryAfter: retryAfter === undefined || retryAfter === null ? undefined : Number(retryAfter),
        message,
    };
}
