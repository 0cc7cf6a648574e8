// The openai package: chat completions, responses, and both through AzureOpenAI's paths for chat completions.
import assert from "node:assert/strict";
import OpenAI, { AzureOpenAI } from "openai";
import { answerOf, failureOf } from "../turn.mjs";

const FINISHES = { stop: "stop", length: "length", tool_calls: "tools", content_filter: "refusal" };
const parsed = (calls) => calls.map((call) => ({ ...call, input: JSON.parse(call.input) }));

// ---- chat completions --------------------------------------------------------------------------------------------

function chatBody(ask, messages) {
    const body = { model: ask.model, messages };
    if (ask.tools)
        body.tools = ask.tools.map((t) => ({
            type: "function",
            function: { name: t.name, description: t.description, parameters: t.schema },
        }));
    if (ask.schema)
        body.response_format = {
            type: "json_schema",
            json_schema: { name: "visit", strict: true, schema: ask.schema },
        };
    if (ask.maxTokens) body.max_completion_tokens = ask.maxTokens;
    if (ask.thinking) body.reasoning_effort = "low";
    if (ask.malformed) body.stop = 17;
    if (ask.stream) Object.assign(body, { stream: true, stream_options: { include_usage: true } });
    return body;
}

function chatStart(ask) {
    const content = ask.image
        ? [
              { type: "text", text: ask.text },
              { type: "image_url", image_url: { url: `data:image/png;base64,${ask.image}` } },
          ]
        : ask.text;
    return [...(ask.system ? [{ role: "system", content: ask.system }] : []), { role: "user", content }];
}

async function chatStreamed(stream) {
    const message = { role: "assistant", content: null, tool_calls: [] },
        pieces = [];
    let finish, usage;
    for await (const chunk of stream) {
        usage = chunk.usage ?? usage;
        const choice = chunk.choices[0];
        if (!choice) continue;
        finish = choice.finish_reason ?? finish;
        if (choice.delta.content) pieces.push(choice.delta.content);
        for (const { index, ...call } of choice.delta.tool_calls ?? []) {
            if (call.id) message.tool_calls[index] = structuredClone(call);
            else message.tool_calls[index].function.arguments += call.function.arguments;
        }
    }
    if (pieces.length) message.content = pieces.join("");
    if (!message.tool_calls.length) delete message.tool_calls;
    return { message, finish, usage, pieces };
}

async function chat(client, ask, messages = chatStart(ask)) {
    const made = await client.chat.completions.create(chatBody(ask, messages));
    const { message, finish, usage, pieces } = ask.stream
        ? await chatStreamed(made)
        : { message: made.choices[0].message, finish: made.choices[0].finish_reason, usage: made.usage };
    const calls = parsed(
        (message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, input: c.function.arguments })),
    );
    return answerOf(ask, {
        text: message.content ?? "",
        pieces,
        calls,
        finish: FINISHES[finish],
        usage: { input: usage.prompt_tokens, output: usage.completion_tokens },
        back: (results, more) =>
            chat(client, { ...ask, ...more }, [
                ...messages,
                message,
                ...calls.map((c, i) => ({ role: "tool", tool_call_id: c.id, content: results[i] })),
            ]),
    });
}

// ---- responses ---------------------------------------------------------------------------------------------------

function responsesBody(ask, input) {
    const body = { model: ask.model, input, store: false };
    if (ask.system) body.instructions = ask.system;
    if (ask.tools)
        body.tools = ask.tools.map((t) => ({
            type: "function",
            name: t.name,
            description: t.description,
            parameters: t.schema,
            strict: false,
        }));
    if (ask.schema) body.text = { format: { type: "json_schema", name: "visit", strict: true, schema: ask.schema } };
    if (ask.maxTokens) body.max_output_tokens = ask.maxTokens;
    if (ask.thinking)
        Object.assign(body, {
            reasoning: { effort: "low", summary: "auto" },
            include: ["reasoning.encrypted_content"],
        });
    if (ask.malformed) body.tools = 17;
    if (ask.stream) body.stream = true;
    return body;
}

function responsesStart(ask) {
    if (!ask.image) return ask.text;
    const image = { type: "input_image", image_url: `data:image/png;base64,${ask.image}`, detail: "auto" };
    return [{ role: "user", content: [{ type: "input_text", text: ask.text }, image] }];
}

async function responsesStreamed(stream) {
    const pieces = [],
        kinds = new Set(),
        given = {};
    let made;
    for await (const event of stream) {
        kinds.add(event.type);
        if (event.type === "error" || event.type === "response.failed") throw new Error(JSON.stringify(event));
        if (event.type === "response.output_text.delta") pieces.push(event.delta);
        if (event.type === "response.function_call_arguments.delta")
            given[event.output_index] = (given[event.output_index] ?? "") + event.delta;
        if (event.type === "response.output_item.done" && event.item.type === "function_call")
            assert.deepEqual(JSON.parse(event.item.arguments), JSON.parse(given[event.output_index]));
        if (event.type === "response.completed" || event.type === "response.incomplete") made = event.response;
    }
    if (!made) throw new Error(`the stream ended without the response; it had ${[...kinds]}`);
    made.output_text = made.output
        .flatMap((i) => i.content ?? [])
        .filter((p) => p.type === "output_text")
        .map((p) => p.text)
        .join("");
    return { made, pieces };
}

function responsesFinish(made, calls) {
    if (made.incomplete_details)
        return { max_output_tokens: "length", content_filter: "refusal" }[made.incomplete_details.reason];
    return calls.length ? "tools" : "stop";
}

async function responses(client, ask, input = responsesStart(ask)) {
    const first = await client.responses.create(responsesBody(ask, input));
    const { made, pieces } = ask.stream ? await responsesStreamed(first) : { made: first };
    const calls = parsed(
        made.output
            .filter((i) => i.type === "function_call")
            .map((i) => ({ id: i.call_id, name: i.name, input: i.arguments })),
    );
    const history = typeof input === "string" ? [{ role: "user", content: input }] : input;
    return answerOf(ask, {
        text: made.output_text,
        pieces,
        calls,
        finish: responsesFinish(made, calls),
        thought: made.output
            .filter((i) => i.type === "reasoning")
            .flatMap((i) => i.summary)
            .map((s) => s.text)
            .join(""),
        usage: { input: made.usage.input_tokens, output: made.usage.output_tokens },
        back: (results, more) =>
            responses(client, { ...ask, ...more }, [
                ...history,
                ...made.output,
                ...calls.map((c, i) => ({ type: "function_call_output", call_id: c.id, output: results[i] })),
            ]),
    });
}

// ---- clients -----------------------------------------------------------------------------------------------------

async function embed(client, model, input) {
    const made = await client.embeddings.create({ model, input });
    return made.data.map((row) => Array.from(row.embedding));
}

const open = ({ url, key }) => new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 20000 });
const failed = (error) => failureOf(error.status, error.headers?.get?.("retry-after"), error.message);

export default [
    { name: "openai chat", open, ask: chat, embed, failed },
    { name: "openai responses", open, ask: responses, failed, hidesRefusals: true, shows: true, responses: true },
    {
        name: "AzureOpenAI",
        ask: chat,
        embed,
        failed,
        open: ({ url, key }) =>
            new AzureOpenAI({ apiKey: key, endpoint: url, apiVersion: "2024-10-21", maxRetries: 0, timeout: 20000 }),
    },
];
