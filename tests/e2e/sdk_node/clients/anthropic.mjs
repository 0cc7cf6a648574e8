// The @anthropic-ai/sdk package.
import Anthropic from "@anthropic-ai/sdk";
import { answerOf, failureOf } from "../turn.mjs";

const FINISHES = {
    end_turn: "stop",
    stop_sequence: "stop",
    max_tokens: "length",
    tool_use: "tools",
    refusal: "refusal",
};

function bodyOf(ask, messages) {
    const body = { model: ask.model, messages, max_tokens: ask.maxTokens ?? 4096 };
    if (ask.system) body.system = ask.system;
    if (ask.tools)
        body.tools = ask.tools.map((t) => ({ name: t.name, description: t.description, input_schema: t.schema }));
    if (ask.schema) body.output_config = { format: { type: "json_schema", schema: ask.schema } };
    if (ask.thinking) body.thinking = { type: "enabled", budget_tokens: 1024 };
    if (ask.malformed) body.stop_sequences = 17;
    return body;
}

function start(ask) {
    if (!ask.image) return [{ role: "user", content: ask.text }];
    const source = { type: "base64", media_type: "image/png", data: ask.image };
    return [
        {
            role: "user",
            content: [
                { type: "image", source },
                { type: "text", text: ask.text },
            ],
        },
    ];
}

async function streamed(client, body) {
    const pieces = [];
    const stream = client.messages.stream(body);
    stream.on("text", (piece) => pieces.push(piece));
    return { made: await stream.finalMessage(), pieces };
}

async function messages(client, ask, history = start(ask)) {
    const body = bodyOf(ask, history);
    const { made, pieces } = ask.stream ? await streamed(client, body) : { made: await client.messages.create(body) };
    const of = (type) => made.content.filter((block) => block.type === type);
    const calls = of("tool_use"),
        { usage } = made;
    return answerOf(ask, {
        text: of("text")
            .map((block) => block.text)
            .join(""),
        pieces,
        calls,
        finish: FINISHES[made.stop_reason],
        thought: of("thinking")
            .map((block) => block.thinking)
            .join(""),
        signed: of("thinking").every((block) => block.signature),
        usage: {
            input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
            output: usage.output_tokens,
        },
        back: (results, more) =>
            messages(client, { ...ask, ...more }, [
                ...history,
                { role: "assistant", content: made.content },
                {
                    role: "user",
                    content: calls.map((c, i) => ({ type: "tool_result", tool_use_id: c.id, content: results[i] })),
                },
            ]),
    });
}

export default [
    {
        name: "anthropic",
        ask: messages,
        shows: true,
        open: ({ url, key }) => new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0, timeout: 20000 }),
        count: async (client, model, text) =>
            (await client.messages.countTokens({ model, messages: [{ role: "user", content: text }] })).input_tokens,
        failed: (error) => failureOf(error.status, error.headers?.get?.("retry-after"), error.message),
    },
];
