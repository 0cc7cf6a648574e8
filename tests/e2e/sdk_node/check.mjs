// The official OpenAI SDK for Node against a gateway: BASE_URL, KEY and SLOW_KEY come from the environment. Prints a
// line a check; exits 1 if one failed.
import assert from "node:assert/strict";
import OpenAI from "openai";

const baseURL = process.env.BASE_URL;
const open = (apiKey = process.env.KEY, more = {}) => new OpenAI({ apiKey, baseURL, maxRetries: 0, timeout: 20000, ...more });
const client = open();
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "How far is the moon?" }];
const moon = "The moon is about 384,400 km away, “on average”.";
const tools = [{ type: "function", function: { name: "get_phase", parameters: { type: "object",
    properties: { date: { type: "string" }, place: { type: "string" } } } } }];

async function collect(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
}

const checks = {
    async "chat"() {
        const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
        assert.equal(data.choices[0].message.content, moon);
        assert.equal(data.usage.total_tokens, 30);
        assert.match(response.headers.get("x-request-id"), /^[0-9a-f-]{36}$/);
    },
    async "stream"() {
        const chunks = await collect(await client.chat.completions.create({ model, messages, stream: true }));
        assert.equal(chunks.map((c) => c.choices[0].delta.content ?? "").join(""), moon);
    },
    async "stream with usage"() {
        const options = { include_usage: true };
        const chunks = await collect(await client.chat.completions.create({ model, messages, stream: true, stream_options: options }));
        assert.deepEqual(chunks.at(-1).choices, []);
        assert.equal(chunks.at(-1).usage.completion_tokens, 11);
    },
    async "stream helper"() {
        const stream = client.chat.completions.stream({ model, messages });
        assert.equal((await stream.finalChatCompletion()).choices[0].message.content, moon);
    },
    async "tools, there and back"() {
        const first = await client.chat.completions.create({ model, messages, tools });
        const call = first.choices[0].message.tool_calls[0];
        assert.deepEqual(JSON.parse(call.function.arguments), { date: "2026-01-03", place: "Montréal" });
        const back = { role: "tool", tool_call_id: call.id, content: "full" };
        const second = await client.chat.completions.create({ model, tools, messages: [...messages, first.choices[0].message, back] });
        assert.equal(second.choices[0].finish_reason, "stop");
    },
    async "tools, streamed"() {
        const chunks = await collect(await client.chat.completions.create({ model, messages, tools, stream: true }));
        const text = chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? []).map((c) => c.function.arguments).join("");
        assert.deepEqual(JSON.parse(text), { date: "2026-01-03", place: "Montréal" });
    },
    async "structured output"() {
        const schema = { type: "object", properties: { body: { type: "string" } }, required: ["body"], additionalProperties: false };
        const answer = await client.chat.completions.parse({ model, messages,
            response_format: { type: "json_schema", json_schema: { name: "visit", strict: true, schema } } });
        assert.equal(JSON.parse(answer.choices[0].message.content).distance_km, 384400);
    },
    async "logprobs"() {
        const answer = await client.chat.completions.create({ model, messages, logprobs: true, top_logprobs: 2 });
        assert.equal(answer.choices[0].logprobs.content[0].token, "Yes");
    },
    async "embeddings"() {
        const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["moon", "gate"] });
        assert.equal(answer.data[1].embedding.length, 1536);
        assert.equal(typeof answer.data[1].embedding[0], "number");
    },
    async "models"() {
        const names = (await collect(await client.models.list())).map((m) => m.id);
        assert.ok(names.includes("openai/gpt-4o-mini"));
        assert.equal((await client.models.retrieve(model)).id, model);
    },
    async "wrong key"() {
        await assert.rejects(open("mg-wrong").chat.completions.create({ model, messages }), OpenAI.AuthenticationError);
    },
    async "unknown model"() {
        await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }),
            (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
    },
    async "malformed body"() {
        await assert.rejects(client.chat.completions.create({ model, messages: "hello" }), OpenAI.BadRequestError);
        const raw = await fetch(`${baseURL}/chat/completions`, { method: "POST", body: '{"model": "gpt-4o-mini", "mess',
            headers: { authorization: `Bearer ${process.env.KEY}`, "content-type": "application/json" } });
        assert.equal(raw.status, 400);
        assert.equal((await raw.json()).error.type, "invalid_request_error");
    },
    async "rate limit, and retried as told"() {
        const slow = open(process.env.SLOW_KEY);
        await slow.chat.completions.create({ model, messages });
        await assert.rejects(slow.chat.completions.create({ model, messages }),
            (e) => e instanceof OpenAI.RateLimitError && Number(e.headers.get("retry-after")) <= 3);
        await open(process.env.SLOW_KEY, { maxRetries: 3 }).chat.completions.create({ model, messages });
    },
    async "time limit of the client"() {
        await assert.rejects(client.chat.completions.create({ model: "openai/slow:1500", messages }, { timeout: 300 }),
            OpenAI.APIConnectionTimeoutError);
    },
    async "broken stream"() {
        const broken = client.chat.completions.create({ model: "openai/reset-mid", messages, stream: true });
        await assert.rejects(broken.then(collect));
    },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
    try {
        await check();
        console.log(`ok ${name}`);
    } catch (error) {
        failed++;
        console.log(`not ok ${name}: ${error.stack}`);
    }
}
process.exit(failed ? 1 : 0);
