// What each client has to get from each provider. A case throws if it is not so.
import assert from "node:assert/strict";

const CHAT = {
    openai: "gpt-4o-mini",
    compatible: "gpt-4o-mini",
    azure: "gpt-4o-mini",
    anthropic: "claude-haiku-4-5",
    google: "gemini-2.5-flash",
};
const THINKING = {
    openai: "gpt-5-mini",
    compatible: "gpt-5-mini",
    azure: "gpt-5-mini",
    anthropic: "claude-sonnet-4-5",
    google: "gemini-3-pro-preview",
};
const EMBEDDING = { openai: "text-embedding-3-small", azure: "text-embedding-3-small", google: "text-embedding-004" };
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const IMAGE = `I see image/png of ${Buffer.from(PNG, "base64").length} bytes.`;
const object = (properties) => ({
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
});
const TOOLS = [
    {
        name: "phase",
        description: "Phase of the moon",
        schema: object({ place: { type: "string" }, days: { type: "integer" } }),
    },
    { name: "tide", description: "Height of the tide", schema: object({ harbor: { type: "string" } }) },
];
const PHASE = { place: "moon “ü”", days: 7 };
const TIDE = { harbor: "moon “ü”" };
const SCHEMA = object({
    body: { type: "string" },
    distance: { type: "integer" },
    visited: { type: "boolean" },
    names: { type: "array", items: { type: "string" } },
});
const OBJECT = { body: "moon “ü”", distance: 7, visited: true, names: ["moon “ü”"] };

let models = 0;

// One client at one provider.
export class Place {
    constructor(kind, provider, at) {
        Object.assign(this, { kind, provider, at, client: kind.open(at) });
        this.model = `${provider}/${CHAT[provider]}`;
        this.thinker = `${provider}/${THINKING[provider]}`;
        this.embedder = EMBEDDING[provider] && kind.embed && `${provider}/${EMBEDDING[provider]}`;
    }
    ask(text, more = {}) {
        return this.kind.ask(this.client, { model: this.model, text, ...more });
    }
    // A model of its own: the gateway keeps requests away from one whose vendor has refused or failed.
    fresh() {
        return `${this.model}-${++models}`;
    }
    // Does the client show thoughts of this provider? OpenAI's come only by its responses.
    shows() {
        return (
            this.kind.shows &&
            (["anthropic", "google"].includes(this.provider) || (this.kind.responses && this.provider !== "compatible"))
        );
    }
    // What a tool's results look like to the model.
    told(...results) {
        const wrap = this.kind.wraps;
        return results.map(([name, result]) => (wrap ? JSON.stringify(wrap(name, result)) : result)).join("; ");
    }
    said(answer, ...results) {
        const plain = (text) => text.replaceAll(/("[:,]) /g, "$1"); // JSON may have spaces
        assert.equal(plain(answer.text), `The tool said: ${this.told(...results)}`);
    }
    async costs(answer, stream) {
        const cost = await this.cost();
        if (!stream || !this.kind.roughUsage) return assert.deepEqual(answer.usage, cost);
        assert.ok(answer.usage.input > 0 && answer.usage.output >= cost.output, JSON.stringify([answer.usage, cost]));
    }
    async refused(made) {
        try {
            await made;
        } catch (error) {
            return this.kind.failed(error);
        }
        throw new Error("it was answered");
    }
    // What the vendor said that the last request cost.
    async cost() {
        const rows = await (await fetch(`${this.at.vendor}/control/log`)).json();
        const { usage, status } = rows.at(-1);
        assert.equal(status, 200);
        return { input: usage.input, output: usage.output };
    }
}

async function plain(place, stream) {
    const text = "hello “Mond” – 月 🌙",
        answer = await place.ask(text, { stream });
    assert.equal(answer.text, `You said: ${text}`);
    assert.equal(answer.finish, "stop");
    assert.deepEqual(answer.calls, []);
    await place.costs(answer, stream);
    if (stream) assert.ok(answer.pieces.length > 3, `it comes in ${answer.pieces.length} pieces`);
}

async function system(place, stream) {
    const answer = await place.ask("hello", { stream, system: "Be brief." });
    assert.equal(answer.text, "You said: hello (system: Be brief.)");
}

async function tools(place, stream) {
    const first = await place.ask("please call phase", { stream, tools: TOOLS });
    assert.deepEqual(
        first.calls.map((c) => [c.name, c.input]),
        [["phase", PHASE]],
    );
    assert.equal(first.finish, "tools");
    await place.costs(first, stream);
    const second = await first.back(["full"]);
    place.said(second, ["phase", "full"]);
    assert.equal(second.finish, "stop");
}

async function severalTools(place, stream) {
    const first = await place.ask("please call tide and phase", { stream, tools: TOOLS });
    assert.deepEqual(
        first.calls.map((c) => [c.name, c.input]),
        [
            ["tide", TIDE],
            ["phase", PHASE],
        ],
    );
    place.said(await first.back(["high", "new “moon”"]), ["tide", "high"], ["phase", "new “moon”"]);
}

async function image(place, stream) {
    assert.equal((await place.ask("What is this?", { stream, image: PNG })).text, IMAGE);
}

async function structured(place, stream) {
    const answer = await place.ask("hello", { stream, schema: SCHEMA });
    assert.deepEqual(JSON.parse(answer.text), OBJECT);
}

async function length(place, stream) {
    const story = "a story of the moon and the tide ";
    const whole = await place.ask(story, { stream, maxTokens: 16 });
    assert.equal(whole.text, `You said: ${story}`);
    assert.equal(whole.finish, "stop");
    const cut = await place.ask(story.repeat(4), { stream, maxTokens: 16 });
    assert.equal(cut.text, `You said: ${story.repeat(4)}`.slice(0, 64)); // a token is 4 letters
    assert.equal(cut.finish, "length");
}

async function refusal(place, stream) {
    let answer;
    try {
        answer = await place.ask("refuse", { stream });
    } catch (error) {
        assert.ok(place.kind.refusalThrows && error.message.includes(place.kind.refusalThrows), error.stack);
        return;
    }
    assert.equal(answer.text, "");
    assert.equal(answer.finish, "refusal");
}

async function thinking(place, stream) {
    const more = { stream, thinking: true, tools: TOOLS, model: place.thinker };
    const first = await place.ask("please call phase", more);
    const thought = "Let me think about it: please call phase";
    if (place.shows()) {
        assert.equal(first.thought, thought);
        if (first.signed !== undefined) assert.ok(first.signed, "the thought, or the call, is signed");
    }
    assert.deepEqual(
        first.calls.map((c) => [c.name, c.input]),
        [["phase", PHASE]],
    );
    const second = await first.back(["full"]);
    place.said(second, ["phase", "full"]);
}

// What one vendor thought, signed and called is taken up by each other one.
async function switched(place, stream) {
    const more = { stream, thinking: !place.kind.noThinking, tools: TOOLS, model: place.thinker };
    const first = await place.ask("please call tide", more);
    for (const [provider, model] of Object.entries(THINKING)) {
        if (provider === place.provider || (provider === "google" && place.kind.signsForeign)) continue;
        place.said(await first.back(["high"], { model: `${provider}/${model}` }), ["tide", "high"]);
    }
}

async function embeddings(place) {
    const rows = await place.kind.embed(place.client, place.embedder, ["moon", "gate and tide"]);
    assert.deepEqual(
        rows.map((row) => row.length),
        place.provider === "google" ? [3072, 3072] : [1536, 1536],
    );
    const seed = [..."gate and tide"].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    rows[1]
        .slice(0, 9)
        .forEach((value, i) => assert.ok(Math.abs(value - (((seed * 31 + i * 17) % 2000) - 1000) / 1000) < 1e-6));
}

async function count(place) {
    assert.ok((await place.kind.count(place.client, place.model, "How far is the moon?")) > 4);
}

async function refused(place, made, status, check = () => {}) {
    const failure = await place.refused(made);
    assert.ok([status].flat().includes(failure.status), `status ${failure.status}, ${failure.message}`);
    assert.doesNotMatch(
        failure.message,
        new RegExp(`${place.at.key}|:${new URL(place.at.vendor).port}|-e2e`),
        "no secret, no address",
    );
    check(failure);
}

async function wrongKey(place) {
    const client = place.kind.open({ ...place.at, key: "mg-wrong" });
    await refused(place, place.kind.ask(client, { model: place.model, text: "hello" }), [401]);
    await refused(place, place.kind.ask(client, { model: place.model, text: "hello", stream: true }), [401]);
}

async function unknownModel(place) {
    await refused(place, place.ask("hello", { model: "no-such-model" }), 404);
    await refused(place, place.ask("hello", { model: `${place.provider}/no-such-model` }), 404);
    await refused(place, place.ask("hello", { model: `${place.provider}/no-such-model`, stream: true }), 404);
}

async function failing(place, text, status, check) {
    await refused(place, place.ask(text, { model: place.fresh() }), status, check);
    await refused(place, place.ask(text, { model: place.fresh(), stream: true }), status, check);
}

async function broken(place) {
    await place.refused(place.ask("break stream", { model: place.fresh(), stream: true }));
    await refused(place, place.ask("break stream", { model: place.fresh() }), [500, 502, 503]);
}

const BOTH = {
    plain,
    system,
    tools,
    "several tools": severalTools,
    image,
    structured,
    length,
    refusal,
    thinking,
    switched,
};
const LACKS = { thinking: "noThinking", refusal: "hidesRefusals", malformed: "noMalformed" }; // flags of clients

const ALONE = {
    embeddings: (place) => embeddings(place),
    count: (place) => count(place),
    "wrong key": wrongKey,
    "unknown model": unknownModel,
    malformed: (place) => refused(place, place.ask("hello", { malformed: true }), 400),
    "rate limit": (place) =>
        failing(place, "fail 429", 429, ({ retryAfter }) => retryAfter !== undefined && assert.equal(retryAfter, 7)),
    overloaded: (place) => failing(place, "fail overloaded", [503, 529]),
    "server error": (place) => failing(place, "fail 500", [500, 502, 503]),
    "too long": (place) => failing(place, "too long", [400, 413]),
    "broken stream": broken,
    "error in stream": (place) => place.refused(place.ask("error in stream", { model: place.fresh(), stream: true })),
};

// By name, functions of a place.
export const CASES = {};
for (const [name, take] of Object.entries(BOTH)) {
    CASES[name] = (place) => take(place, false);
    CASES[`${name}, streamed`] = (place) => take(place, true);
}
Object.assign(CASES, ALONE);

export function has(place, name) {
    if (name === "embeddings") return Boolean(place.embedder);
    if (name === "count") return Boolean(place.kind.count);
    if (place.kind.structuredIsPlain && name === "structured, streamed") return false;
    if (name.startsWith("several tools") && place.kind.splitsResults && place.provider === "google") return false;
    return !place.kind[LACKS[name.replace(", streamed", "")]];
}
