// LangChain's packages for OpenAI (chat completions and responses), Azure, Anthropic and Google.
import { ChatAnthropic } from "@langchain/anthropic";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings } from "@langchain/google-genai";
import { AzureChatOpenAI, ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { answerOf, failureOf } from "../turn.mjs";

const FINISHES = {
    stop: "stop",
    length: "length",
    tool_calls: "tools",
    content_filter: "refusal",
    end_turn: "stop",
    max_tokens: "length",
    tool_use: "tools",
    refusal: "refusal",
    STOP: "stop",
    MAX_TOKENS: "length",
    SAFETY: "refusal",
};

function start(ask) {
    const image = ask.image ? [{ type: "image_url", image_url: { url: `data:image/png;base64,${ask.image}` } }] : [];
    const human = new HumanMessage(ask.image ? { content: [{ type: "text", text: ask.text }, ...image] } : ask.text);
    return [...(ask.system ? [new SystemMessage(ask.system)] : []), human];
}

const textOf = (message) =>
    typeof message.content === "string"
        ? message.content
        : message.content
              .filter((part) => part.type === "text")
              .map((part) => part.text)
              .join("");
const thoughtOf = (message) =>
    typeof message.content === "string"
        ? ""
        : message.content
              .filter((part) => part.type === "thinking")
              .map((part) => part.thinking)
              .join("");

async function streamed(model, messages) {
    let whole;
    const pieces = [];
    for await (const chunk of await model.stream(messages)) {
        if (textOf(chunk)) pieces.push(textOf(chunk));
        whole = whole === undefined ? chunk : whole.concat(chunk);
    }
    if (!whole) throw new Error("Block reason unknown: nothing came"); // LangChain passes over Gemini's promptFeedback
    return { message: whole, pieces };
}

async function structured(model, ask, messages) {
    const made = await model
        .withStructuredOutput(ask.schema, { name: "visit", method: "jsonSchema", includeRaw: true })
        .invoke(messages);
    return { message: made.raw, text: JSON.stringify(made.parsed) };
}

function finishOf(message, calls) {
    const meta = message.response_metadata;
    const reason =
        meta.incomplete_details?.reason === "max_output_tokens"
            ? "length"
            : (meta.finish_reason ??
              meta.stop_reason ??
              meta.finishReason ??
              message.additional_kwargs.stop_reason ??
              message.additional_kwargs.finishReason ??
              (meta.status === "completed" ? "stop" : meta.status));
    const finish = FINISHES[reason] ?? reason;
    return finish === "stop" && calls.length ? "tools" : finish;
}

async function invoke(client, ask, messages = start(ask)) {
    let model = client.model(ask);
    if (ask.tools)
        model = model.bindTools(ask.tools.map((t) => ({ name: t.name, description: t.description, schema: t.schema })));
    const made = ask.schema
        ? await structured(model, ask, messages)
        : ask.stream
          ? await streamed(model, messages)
          : { message: await model.invoke(messages) };
    const { message } = made;
    const calls = (message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.name, input: c.args }));
    const usage = message.usage_metadata ?? {};
    return answerOf(
        { ...ask, stream: ask.stream && !ask.schema },
        {
            text: made.text ?? textOf(message),
            pieces: made.pieces,
            calls,
            finish: finishOf(message, calls),
            thought: thoughtOf(message),
            usage: { input: usage.input_tokens, output: usage.output_tokens },
            back: (results, more) =>
                invoke(client, { ...ask, ...more }, [
                    ...messages,
                    message,
                    ...calls.map((c, i) => new ToolMessage({ tool_call_id: c.id, name: c.name, content: results[i] })),
                ]),
        },
    );
}

// What LangChain makes of a context that is too long has its status only in the text.
const statusOf = (error) => error.status ?? error.cause?.status ?? Number(/^\d{3}\b/.exec(error.message)?.[0]);
const failed = (error) => failureOf(statusOf(error), error.headers?.get?.("retry-after"), error.message);
// The client takes images only to models whose names begin like Gemini's; the gateway has such names for all.
const geminiName = (ask) => (ask.image ? `gemini-2-${ask.model.split("/")[0]}` : ask.model);
const shared = { ask: invoke, failed, noMalformed: true, structuredIsPlain: true };
const common = { maxRetries: 0 };
const openaiOptions = (ask) => ({
    ...common,
    model: ask.model,
    streamUsage: true,
    ...(ask.maxTokens ? { maxTokens: ask.maxTokens } : {}),
});
const embeddings = (make) => (client, model, texts) => make(client.at, model).embedDocuments(texts);

export default [
    {
        ...shared,
        name: "langchain openai",
        noThinking: true,
        open: (at) => ({
            at,
            model: (ask) =>
                new ChatOpenAI({ ...openaiOptions(ask), apiKey: at.key, configuration: { baseURL: `${at.url}/v1` } }),
        }),
        embed: embeddings(
            (at, model) =>
                new OpenAIEmbeddings({ ...common, model, apiKey: at.key, configuration: { baseURL: `${at.url}/v1` } }),
        ),
    },
    {
        ...shared,
        name: "langchain responses",
        noThinking: true,
        hidesRefusals: true,
        responses: true,
        open: (at) => ({
            model: (ask) =>
                new ChatOpenAI({
                    ...openaiOptions(ask),
                    useResponsesApi: true,
                    apiKey: at.key,
                    configuration: { baseURL: `${at.url}/v1` },
                }),
        }),
    },
    {
        ...shared,
        name: "langchain azure",
        noThinking: true,
        open: (at) => ({
            model: (ask) =>
                new AzureChatOpenAI({
                    ...openaiOptions(ask),
                    azureOpenAIApiKey: at.key,
                    azureOpenAIEndpoint: at.url,
                    azureOpenAIApiDeploymentName: ask.model,
                    azureOpenAIApiVersion: "2024-10-21",
                }),
        }),
    },
    {
        ...shared,
        name: "langchain anthropic",
        shows: true,
        roughUsage: true, // it takes input from the start of a stream, and adds output
        open: (at) => ({
            model: (ask) =>
                new ChatAnthropic({
                    ...common,
                    model: ask.model,
                    anthropicApiKey: at.key,
                    anthropicApiUrl: at.url,
                    maxTokens: ask.maxTokens ?? 4096,
                    ...(ask.thinking ? { thinking: { type: "enabled", budget_tokens: 1024 } } : {}),
                }),
        }),
    },
    {
        ...shared,
        name: "langchain google",
        refusalThrows: "Block reason",
        signsForeign: true, // calls of other vendors, with a signature of Google's that no simulator knows
        splitsResults: true, // of parallel calls into several turns, which Gemini itself does not take
        open: (at) => ({
            at,
            model: (ask) =>
                new ChatGoogleGenerativeAI({
                    ...common,
                    model: geminiName(ask),
                    apiKey: at.key,
                    baseUrl: at.url,
                    ...(ask.maxTokens ? { maxOutputTokens: ask.maxTokens } : {}),
                    ...(ask.thinking ? { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } : {}),
                }),
        }),
        embed: embeddings(
            (at, model) => new GoogleGenerativeAIEmbeddings({ ...common, model, apiKey: at.key, baseUrl: at.url }),
        ),
    },
];
