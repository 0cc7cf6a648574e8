// The @google/genai package.
import { GoogleGenAI } from "@google/genai";
import { answerOf, failureOf } from "../turn.mjs";

const REFUSED = ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"];
// Refused requests have no candidates, but say in promptFeedback why.
const reasonOf = (chunk) => chunk.candidates?.[0]?.finishReason ?? (chunk.promptFeedback?.blockReason && "SAFETY");
const finishOf = (reason, calls) =>
    reason === "MAX_TOKENS"
        ? "length"
        : REFUSED.includes(reason)
          ? "refusal"
          : reason === "STOP"
            ? calls.length
                ? "tools"
                : "stop"
            : reason;

function configOf(ask) {
    const config = {};
    if (ask.system) config.systemInstruction = ask.system;
    if (ask.tools)
        config.tools = [
            {
                functionDeclarations: ask.tools.map((t) => ({
                    name: t.name,
                    description: t.description,
                    parametersJsonSchema: t.schema,
                })),
            },
        ];
    if (ask.schema) Object.assign(config, { responseMimeType: "application/json", responseJsonSchema: ask.schema });
    if (ask.maxTokens) config.maxOutputTokens = ask.maxTokens;
    if (ask.thinking) config.thinkingConfig = { includeThoughts: true, thinkingBudget: 1024 };
    if (ask.malformed) config.stopSequences = 17;
    return config;
}

function start(ask) {
    const image = ask.image ? [{ inlineData: { mimeType: "image/png", data: ask.image } }] : [];
    return [{ role: "user", parts: [...image, { text: ask.text }] }];
}

// All parts of all chunks, as an application that keeps them for the next turn gathers them.
async function streamed(stream) {
    const parts = [];
    let reason, usage;
    for await (const chunk of stream) {
        parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
        reason = reasonOf(chunk) ?? reason;
        usage = chunk.usageMetadata ?? usage;
    }
    return { parts, reason, usage };
}

async function generate(client, ask, contents = start(ask)) {
    const body = { model: ask.model, contents, config: configOf(ask) };
    let made;
    if (ask.stream) {
        made = await streamed(await client.models.generateContentStream(body));
    } else {
        const whole = await client.models.generateContent(body);
        made = {
            parts: whole.candidates?.[0]?.content?.parts ?? [],
            reason: reasonOf(whole),
            usage: whole.usageMetadata,
        };
    }
    const { parts, reason, usage } = made;
    const said = parts.filter((part) => part.text && !part.thought).map((part) => part.text);
    const called = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
    const calls = called.map((call) => ({ id: call.id, name: call.name, input: call.args }));
    return answerOf(ask, {
        text: said.join(""),
        pieces: said,
        calls,
        finish: finishOf(reason, calls),
        thought: parts
            .filter((part) => part.thought)
            .map((part) => part.text)
            .join(""),
        signed: parts.some((part) => part.thoughtSignature),
        usage: {
            input: usage.promptTokenCount,
            output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        },
        back: (results, more) =>
            generate(client, { ...ask, ...more }, [
                ...contents,
                { role: "model", parts },
                {
                    role: "user",
                    parts: called.map((c, i) => ({
                        functionResponse: {
                            ...(c.id ? { id: c.id } : {}),
                            name: c.name,
                            response: { output: results[i] },
                        },
                    })),
                },
            ]),
    });
}

export default [
    {
        name: "google-genai",
        ask: generate,
        shows: true,
        open: ({ url, key }) => new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, timeout: 20000 } }),
        embed: async (client, model, contents) =>
            (await client.models.embedContent({ model, contents })).embeddings.map((row) => row.values),
        count: async (client, model, contents) => (await client.models.countTokens({ model, contents })).totalTokens,
        failed: (error) => failureOf(error.status, undefined, error.message),
    },
];
