// Every client against every provider behind a gateway: GATEWAY, VENDOR (its simulator) and KEY come from the
// environment; the arguments choose by parts of "client | provider | case". Prints a line a check that failed, and a
// table; exits 1 if one failed.
import { CASES, has, Place } from "./cases.mjs";

const at = { url: process.env.GATEWAY, vendor: process.env.VENDOR, key: process.env.KEY };
// "compatible" has OpenAI's models, but no responses.
const providersOf = (kind) => ["openai", ...(kind.responses ? ["compatible"] : []), "azure", "anthropic", "google"];
const words = process.argv.slice(2);
const wanted = (name) => words.every((word) => name.includes(word));
const names = Object.keys(CASES);
const rows = [];
const count = { ok: 0, failed: 0 };

// LangChain's client for Gemini leaves a promise of each stream alone, which fails when the stream does.
process.on("unhandledRejection", (error) => {
    if (String(error?.stack).includes("@google/generative-ai")) return;
    count.failed++;
    console.log(`not ok unhandled: ${error?.stack ?? error}`);
});

async function check(place, name) {
    const title = `${place.kind.name} | ${place.provider} | ${name}`;
    if (!has(place, name) || !wanted(title)) return " ";
    try {
        await fetch(`${at.vendor}/control/clear`, { method: "POST" });
        await CASES[name](place);
        count.ok++;
        return ".";
    } catch (error) {
        count.failed++;
        const lines = (error.stack ?? String(error.message ?? error))
            .split("\n")
            .filter((line) => line.trim() && !line.includes("node_modules"));
        console.log(`not ok ${title}: ${lines.slice(0, 12).join("\n    ")}`);
        return "F";
    }
}

for (const file of ["openai", "anthropic", "google", "ai", "langchain"]) {
    for (const kind of (await import(`./clients/${file}.mjs`)).default) {
        for (const provider of providersOf(kind)) {
            const place = new Place(kind, provider, at),
                marks = [];
            for (const name of names) marks.push(await check(place, name));
            if (marks.join("").trim()) rows.push([`${kind.name} | ${provider}`, marks]);
        }
    }
}

const width = Math.max(...rows.map(([title]) => title.length));
names.forEach((name, i) =>
    console.log(
        " ".repeat(width + 1) +
            names
                .slice(0, i)
                .map(() => "|")
                .join("") +
            "+ " +
            name,
    ),
);
for (const [title, marks] of rows) console.log(`${title.padEnd(width)} ${marks.join("")}`);
console.log(`${count.ok} ok, ${count.failed} failed`);
process.exit(count.failed ? 1 : 0);
