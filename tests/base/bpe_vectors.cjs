// Writes bpe_vectors.h, what npm's tiktoken makes of these texts: in a folder with `npm install tiktoken@1.0.22`,
//     node bpe_vectors.cjs >bpe_vectors.h
const { Tiktoken } = require(require.resolve("tiktoken", { paths: [process.cwd()] }));
const load = (name) => {
  const d = require(require.resolve("tiktoken/encoders/" + name + ".json", { paths: [process.cwd()] }));
  return new Tiktoken(d.bpe_ranks, d.special_tokens, d.pat_str);
};
const encodings = [load("o200k_base"), load("cl100k_base")];

const texts = [
  "", "a", " ", "\n", "The gate opens at dusk, and the moon isn't far behind.",
  "I'LL we've THEY'RE o'clock 'tis it'\u017f John's dogs' 'Sup I'd'VE",
  "HTTPServer parseURLFast iPhone eBay McDonald\u2019s camelCaseAndALLCAPSWords",
  "for (int i = 0; i < n; i++) {\n\tif (a[i] != b[i]) return i;\n}\n",
  "{\"id\": 12345678, \"name\":\"\u00e9toile\", \"on\":true,\"list\":[1,2.50,-3e10]}\r\n\r\n",
  "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
  "https://example.test/a//b/?q=1&r=%20#top\n/etc//hosts/\n/x",
  "1 12 123 1234 12345 \u0663\u0664\u0665\u0666 \u2167\u00bd\u00b2 3.14159 1,000,000",
  "    four spaces\n        eight\t\ttabs \t mixed \n \n\n   \n", "trailing   ", "\r\n \r\n\t \r",
  "a\u00a0b\u3000c\u2028d\u0085e\u200bf",
  "Привет, мир! МОСКВА и Луна",
  "\u4eca\u5929\u7684\u6708\u4eae\u5f88\u5706\u3002\u95e8\u5f00\u7740\uff0c\u98ce\u5f88\u51c9\u3002",
  "月がきれいですね。ゲ\u30fcトウェイ 달이 밝습니다",
  "القمر والبوابة، ירח ושער שָׁלוֹם",
  "चाँद और दरवाज़ा พระจันทร์กับประตู நிலா",
  "\u{1f319}\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u{1f44d}\u{1f3fd}\u2764\ufe0f \u{1f1e9}\u{1f1ea}\u2603",
  "e\u0301a\u0308 \u0301x !\u0301A \u0301AB \u00aaAB\u02b0C \u01c5ungla \u0130\u0131\u00df\u1e9e \ufb01",
  "<|endoftext|><|im_start|>user<|im_sep|>hi<|endofprompt|>", "\u0000\u0001\u001c\u007f\ufeff\ufffd\u{10ffff}\ue000",
  "!!!???...;;;--- *** ==>> /* c */ // d\n", "a".repeat(300), "ab".repeat(100) + "AB".repeat(100),
  " ".repeat(130) + "x",
  "=".repeat(200), "\n".repeat(40), "\u00e9".repeat(90), "0".repeat(100), "\u{1f600}".repeat(40),
  "aGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0Lg== 9f86d081884c7d659a2feaa0c55ad015 0x7ffe mg-7Jq2",
];

const alphabet = ["a", "b", "z", "A", "B", "Z",
  " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", " \n", "/", "//", "/\n",
  "'", "'s",
  "'S", "'t", "'re", "'VE", "'ll", "'m", "'D", "'\u017f", "\u2019s", "!", ".", ",", "\"", "-", "_", "(", ")",
  "=", "{", "0", "1", "99",
  "2026", "\u0663", "\u00b2", "\u2167", "the", "The", "THE", " of", "ing", "tion", "iPhone", "x9", "http://",
  "e\u0301", "\u0301",
  "\u0308", "\u200d", "\ufe0f", "\u00e9", "\u00df", "\u1e9e", "\u0130", "\u0131", "\u01c5", "\u02b0", "\u00aa",
  "\u4e2d", "\u65e5\u672c",
  "\u0416", "\u0436", "\u05d0", "\u0627", "\u0905\u093e", "\u0e01\u0e31", "\uac00", "\u{1f600}",
  "\u{1f468}\u200d\u{1f469}", "\u00a0",
  "\u3000", "\u2028", "\u0085", "\u180e", "\u200b", "\ufeff", "\u0000", "\u007f", "\ue000", "\u{10fffd}",
  "\u{1d400}", "\u{20000}"];

let seed = 1;
const random = (n) => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 16) % n;
const RANDOM_TEXTS = 20000;
function randomText() {
  let text = "";
  for (let left = 1 + random(24); left; left--) {
    const part = alphabet[random(alphabet.length)];
    text += random(16) ? part : part.repeat(1 + random(80));
  }
  return text;
}
const ofCode = (c) => {
  const k = String.fromCodePoint(c);
  return "a" + k + "A " + k + k + "1\n" + k + "AB" + k + " " + k;
};

const sums = encodings.map(() => [2166136261, 2166136261]);
const add = (e, which, ids) => {
  let h = sums[e][which];
  for (const id of ids) h = Math.imul(h ^ id, 16777619);
  sums[e][which] = Math.imul(h ^ 0xffffffff, 16777619);
};
for (let i = 0; i < RANDOM_TEXTS; i++) {
  const text = randomText();
  encodings.forEach((t, e) => add(e, 0, t.encode_ordinary(text)));
}
for (let c = 0; c < 0x110000; c++)
  if (c < 0xd800 || c > 0xdfff) encodings.forEach((t, e) => add(e, 1, t.encode_ordinary(ofCode(c))));

const plain = (b) => b >= 32 && b < 127 && !'"\\?'.includes(String.fromCharCode(b));
const quoted = (text) => {
  const bytes = [...Buffer.from(text)];
  return `"${bytes.map((b) => (plain(b) ? String.fromCharCode(b) : "\\" + b.toString(8).padStart(3, "0"))).join("")}"`;
};
const wrapped = (words, indent) => {
  const lines = [indent];
  for (const w of words) {
    if (lines[lines.length - 1].length + w.length + 1 > 118) lines.push(indent);
    lines[lines.length - 1] += w;
  }
  return lines.map((line) => line.trimEnd()).join("\n");
};
const folded = (text, indent) => {
  const parts = [""];
  for (const c of text) {
    if (quoted(parts[parts.length - 1]).length > 90) parts.push("");
    parts[parts.length - 1] += c;
  }
  return wrapped(parts.map((p, i) => quoted(p) + (i + 1 < parts.length ? " " : "")), indent);
};
const ids = (list) => wrapped(Array.from(list, (id) => id + ", ").concat(["-1"]), "      ");

console.log(`/* Made by bpe_vectors.cjs: what tiktoken makes of texts. */
enum { BPE_RANDOM_TEXTS = ${RANDOM_TEXTS}, BPE_IDS_MOST = 400 };
static const char *const bpe_alphabet[] = {
${wrapped(alphabet.map((a) => (a == "\u0000" ? "NULL, " : quoted(a) + ", ")), "    ")}
};
/* By encoding: FNV-1a (32 bits) over all ids of all texts, each text ended by 0xffffffff. */
static const uint32_t bpe_random_sum[] = {${sums.map((s) => (s[0] >>> 0) + "u").join(", ")}};
static const uint32_t bpe_code_sum[] = {${sums.map((s) => (s[1] >>> 0) + "u").join(", ")}};
static const struct {
    const char *text;
    size_t n; /* bytes */
    int32_t o200k[BPE_IDS_MOST], cl100k[BPE_IDS_MOST]; /* -1 ends them */
} bpe_vectors[] = {`);
for (const text of texts) {
  console.log("    {\n" + folded(text, "     ") + ",\n     " + Buffer.byteLength(text) + ",");
  for (const e of encodings) console.log("     {\n" + ids(e.encode_ordinary(text)) + "},");
  console.log("    },");
}
console.log("};");
