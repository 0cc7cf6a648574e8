// Vercel's AI SDK with its packages for OpenAI (responses and chat completions), Anthropic and Google.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateObject, generateText, jsonSchema, streamObject, streamText, tool } from "ai";
import { answerOf, failureOf } from "../turn.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const FINISHES = { stop: "stop", length: "length", "tool-calls": "tools", "content-filter": "refusal" };
const THINKING = {
    openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true, store: false },
    anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
    google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
};

function optionsOf(client, ask, messages) {
    const options = { model: client.model(ask.model), messages, maxRetries: 0 };
    if (ask.system) options.system = ask.system;
    if (ask.tools)
        options.tools = Object.fromEntries(
            ask.tools.map((t) => [t.name, tool({ description: t.description, inputSchema: jsonSchema(t.schema) })]),
        );
    if (ask.maxTokens) options.maxOutputTokens = ask.maxTokens;
    if (ask.thinking) options.providerOptions = THINKING;
    return options;
}

function start(ask) {
    const image = ask.image ? [{ type: "image", image: ask.image, mediaType: "image/png" }] : [];
    return [{ role: "user", content: [{ type: "text", text: ask.text }, ...image] }];
}

async function object(options, ask) {
    const schema = jsonSchema(ask.schema);
    if (!ask.stream) {
        const made = await generateObject({ ...options, schema });
        return { text: JSON.stringify(made.object), finishReason: made.finishReason, usage: made.usage };
    }
    let failure;
    const made = streamObject({ ...options, schema, onError: ({ error }) => (failure = error) });
    const pieces = [];
    for await (const piece of made.textStream) pieces.push(piece);
    if (failure) throw failure;
    await made.object;
    return { text: pieces.join(""), pieces, finishReason: await made.finishReason, usage: await made.usage };
}

async function text(options, ask) {
    if (!ask.stream) return await generateText(options);
    const made = streamText({ ...options, onError: () => {} }),
        pieces = [];
    for await (const part of made.fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type === "text-delta") pieces.push(part.text);
    }
    const [whole, toolCalls, finishReason, usage, reasoningText, response] = await Promise.all([
        made.text,
        made.toolCalls,
        made.finishReason,
        made.usage,
        made.reasoningText,
        made.response,
    ]);
    return { text: whole, pieces, toolCalls, finishReason, usage, reasoningText, response };
}

async function generate(client, ask, messages = start(ask)) {
    const options = optionsOf(client, ask, messages);
    const made = await (ask.schema ? object : text)(options, ask);
    const calls = (made.toolCalls ?? []).map((c) => ({ id: c.toolCallId, name: c.toolName, input: c.input }));
    return answerOf(ask, {
        text: made.text,
        pieces: made.pieces,
        calls,
        finish: FINISHES[made.finishReason] ?? made.finishReason,
        thought: made.reasoningText ?? "",
        usage: { input: made.usage.inputTokens, output: made.usage.outputTokens },
        back: (results, more) =>
            generate(client, { ...ask, ...more }, [
                ...messages,
                ...made.response.messages,
                {
                    role: "tool",
                    content: calls.map((c, i) => ({
                        type: "tool-result",
                        toolCallId: c.id,
                        toolName: c.name,
                        output: { type: "text", value: results[i] },
                    })),
                },
            ]),
    });
}

async function embed(client, model, values) {
    return (await embedMany({ model: client.embedding(model), values, maxRetries: 0 })).embeddings;
}

const failed = (error) =>
    failureOf(error.statusCode ?? error.cause?.statusCode, error.responseHeaders?.["retry-after"], error.message);
const shared = { ask: generate, failed, noMalformed: true };
const openai = ({ url, key }) => createOpenAI({ apiKey: key, baseURL: `${url}/v1` });

export default [
    {
        ...shared,
        name: "ai openai responses",
        embed,
        hidesRefusals: true,
        responses: true,
        open: (at) => ({
            model: (name) => openai(at).responses(name),
            embedding: (name) => openai(at).textEmbeddingModel(name),
        }),
    },
    { ...shared, name: "ai openai chat", open: (at) => ({ model: (name) => openai(at).chat(name) }) },
    {
        ...shared,
        name: "ai anthropic",
        shows: true,
        open: ({ url, key }) => ({ model: createAnthropic({ apiKey: key, baseURL: `${url}/v1` }) }),
    },
    {
        ...shared,
        name: "ai google",
        embed,
        shows: true,
        wraps: (name, content) => ({ name, content }),
        open: ({ url, key }) => {
            const google = createGoogleGenerativeAI({ apiKey: key, baseURL: `${url}/v1beta` });
            return { model: google, embedding: (name) => google.textEmbeddingModel(name) };
        },
    },
];
