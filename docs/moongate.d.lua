---@meta
-- Declarations of what policies can use, for editors (lua-language-server). Generated from the bindings.

---What a phase function may return.
---@class moongate.verdict

---A policy file returns one of these.
---@class moongate.policy
---@field settings? table<string, any> typed defaults; organizations override them in the configuration
---@field window? integer characters of a stream that `reply` is asked about at a time
---@field admit? fun(req: moongate.req): moongate.verdict?
---@field prompt? fun(req: moongate.req)
---@field screen? fun(req: moongate.req): moongate.verdict?
---@field route? fun(req: moongate.req): moongate.verdict?
---@field spend? fun(req: moongate.req): moongate.verdict?
---@field reply? fun(req: moongate.req, res: moongate.res): moongate.verdict?
---@field settle? fun(req: moongate.req, res: moongate.res)

---In an organization's file: the phases of the shipped file that it replaces.
---@type moongate.policy
default = {}

---Refuses the request with an error in the client's format.
---@param denial {status?: integer, code?: string, message?: string, retry_after?: number, severity?: string, rule?: string} status 403 unless given; retry_after in seconds; severity low, medium, high or critical; rule names what decided, in logs and records
---@return moongate.verdict
function deny(denial) end

---Answers in the model's place, with status 200: a refusal in words.
---@param answer {text: string, finish_reason?: string}
---@return moongate.verdict
function answer(answer) end

---Lets the request wait; the phase is asked again afterwards.
---@param options {max_wait?: number, priority?: integer} max_wait in seconds, 10 unless given; a higher priority goes first
---@return moongate.verdict
function queue(options) end

---Says where the request goes, as in `targets{ "openai/gpt-4o", { "azure/gpt-4o", timeout = 30 }, max_retries = 1 }`,
---and how it is brought to an answer there. In `spend`: to something cheaper, once. Options that are not said stay as
---an earlier `targets` said them; without names the targets stay, too.
---@param targets moongate.targets_options
---@return moongate.verdict
function targets(targets) end

---What `targets` takes: names in order, and how to go about them. Times are seconds.
---@class moongate.targets_options
---@field [integer] string|moongate.target_options "openai/gpt-4o" or any other name of a model, or a table of names; at most 32.
---@field strategy "order"|"weighted"|"latency"|"cost"|nil Which comes first: as listed (unless given), drawn by weight, the quickest to its first token, the cheapest.
---@field max_retries integer? Further attempts at the same target before the next one is tried, 0 to 10; else 0.
---@field retry_on (integer|string)[]? What another attempt may mend: 402, 408, 429, 500, 502, 503, 504, 529, "timeout", "reset", "overloaded", "rate", "quota", "server".
---@field backoff {base?: number, cap?: number, jitter?: "full"|"equal"|"decorrelated"|"none"}? Waits between retries, in seconds: base 0.25, cap 8 and jitter full unless given. A vendor's retry-after is obeyed.
---@field first_byte number? Seconds of silence before an attempt's answer; the provider's unless given.
---@field total number? Seconds for all attempts and the waits between them; no limit unless given.
---@field hedge_after number|boolean|nil Seconds after which a second request goes out beside one that has not answered, and the first answer wins; true: after the p95 of the target's time to first token.
---@field hedge_share number? The most of all requests that may be hedged, 0 to 1; 0.05 unless given.
---@field hold {tokens?: integer, seconds?: number}? Nothing of a stream goes to the client until it has brought so many tokens, or so many seconds (1 unless given) have passed since it began: until then the next target can take over.
---@field min_tokens_per_second number? A stream that is slower over 10 s is given up; 0: none is.
---@field continue_stream boolean? A stream that breaks goes on with the next target that can take over an assistant's text.
---@field on_disconnect "cancel"|"drain"|nil When the client has gone: cancel the answer (unless given), or read it to its end for the exact usage.
local targets_options = {}

---A table in a list of targets: `{ "azure/gpt-4o", weight = 2, timeout = 30 }`, or a group `{ "openai/gpt-4o",
---"azure/gpt-4o", strategy = "latency" }`.
---@class moongate.target_options
---@field [integer] string|moongate.target_options Names; in a group also tables of names.
---@field weight number? Of each name, for the strategy weighted; as configured unless given.
---@field timeout number? Seconds that an attempt may take in all; the provider's unless given.
---@field strategy "order"|"weighted"|"latency"|"cost"|nil Makes the table a group: its targets are put in order among themselves, where the table stands in the list.
local target_options = {}

---The request that a phase function is asked about. Its fields are read when they are used; it is changed by its
---methods, which raise when they can't.
---@class moongate.req
---@field id string The request's id, as in `x-request-id`.
---@field org string Id of the organization.
---@field user string Who asks, as the client says (`x-moongate-user`, `user`, …), or "". Not trusted.
---@field session string The client's session, or "". Not trusted.
---@field key moongate.key? The virtual key.
---@field client_tags table<string, string> Tags that the client sent. Not trusted: bind limits to the key's.
---@field model string The model that was asked for, or that `set_model` put there.
---@field targets string[] Where the request would go, in order: `{"openai/gpt-4o", …}`.
---@field operation string `chat`, `embeddings`, `moderations`, `models` or `count_tokens`.
---@field stream boolean True if the answer is wanted as a stream.
---@field tokens integer Tokens of the input, as far as known; an estimate until the vendor counts.
---@field max_tokens integer? The most tokens that the answer may have; nil: not limited yet.
---@field cost_max number? The most that the request can cost, in dollars; known from `spend` on.
---@field text string All text of the user's messages, joined by newlines.
---@field system string All text of system and developer messages.
---@field headers moongate.headers The client's headers.
---@field params moongate.params Other members of the body.
---@field tools string[] Names of the tools that the model may call.
local req = {}

---Asks for another model: its targets are resolved anew. Raises when the organization or the key may not use it.
---@param name string a public model name or "provider/model"
function req:set_model(name) end

---Replaces the system message, or adds one.
---@param text string
function req:set_system(text) end

---Limits the answer's tokens.
---@param n integer
function req:set_max_tokens(n) end

---Sets a member of the body other than the model, the conversation and `stream`.
---@param key string
---@param value any what JSON can hold; nil removes the member
function req:set_param(key, value) end

---Adds a header to the request that goes to the vendor. Names that frame the message or hold credentials are refused.
---@param name string
---@param value string
function req:set_header(name, value) end

---Adds a trusted tag to the usage record, for cost allocation.
---@param key string
---@param value string
function req:tag(key, value) end

---Adds a message at the end of the conversation.
---@param role "system"|"developer"|"user"|"assistant"
---@param text string
function req:add_message(role, text) end

---Takes a tool away from the model.
---@param name string
---@return boolean removed false: there was no such tool
function req:remove_tool(name) end

---True if one of the targets, or the model that was asked for, matches.
---@param glob string `*` stands for anything, slashes included
---@return boolean
function req:targets_match(glob) end

---Replaces personal data in all texts of the request: `[REDACTED_EMAIL]`, or with `hash` a keyed hash that is the same
---for the same text. Raises when a detector fails, so that nothing goes out unread.
---@param options? {types?: string[], mode?: "mask"|"hash"} all types, and "mask", unless given
---@return integer count how many spans were replaced
function req:redact(options) end

---Iterates over the parts of the conversation in order: `for p in req:parts{ kind = "text" } do … end`.
---@param options? {kind?: "text"|"tool_arguments"|"image"|"audio"|"file"|"other"}
---@return fun(): moongate.part?
function req:parts(options) end

---The virtual key that the caller used. What it says comes from the operator and can be trusted.
---@class moongate.key
---@field id string Names the key without giving it away.
---@field name string What the operator called it, or "".
---@field team string The team that it belongs to, or "".
---@field tags table<string, string> The operator's tags, for cost allocation.
---@field models string[] Globs of the models that it may use; empty: all that the organization may.
local key = {}

---The client's headers by name, in any case: `req.headers["user-agent"]`. Absent ones, and all that hold credentials,
---read as nil.
---@class moongate.headers
local headers = {}

---The body's members besides the conversation: `req.params.temperature`. Absent ones read as nil, JSON's null as
---json.null; objects and lists are copies.
---@class moongate.params
local params = {}

---One piece of the conversation, from `req:parts()`. Valid during the call.
---@class moongate.part
---@field kind string `text`, `tool_arguments`, `image`, `audio`, `file` or `other`.
---@field role string `system`, `developer`, `user`, `assistant`, `tool`; `input` for embeddings.
---@field name string Name of the file or function, or "".
---@field mime string `image/png`, …, or "".
---@field bytes integer Size of the payload as it stands in the body.
local part = {}

---The part's text.
---@return string? text nil where it can't be read: an image, say
function part:text() end

---Puts another text in its place. Raises where the part has no text.
---@param text string
function part:replace(text) end

---The answer, for `reply` and `settle`.
---@class moongate.res
---@field provider string? The provider that answered; nil: none did.
---@field model string? The model that answered, as the vendor names it.
---@field status integer HTTP status that the client sees, or will see.
---@field text string The answer's text: on streams this window of it, until `final`.
---@field final boolean True if no more text follows.
---@field usage moongate.usage? Tokens; nil while they are not known.
---@field cost number What the request cost, in dollars.
---@field outcome string `none` (under way), `ok`, `denied`, `error`, `cancelled` or `timeout`.
---@field latency_ms number Milliseconds from the request's first byte until its end, or until now.
---@field ttft_ms number? Milliseconds until the answer's first token; nil before it.
---@field cached boolean True if the answer came from a cache, and not from a provider.
---@field attempts integer How many times a provider was asked.
local res = {}

---Replaces personal data in the text that `res.text` shows. Raises when a detector fails, so that nothing goes out
---unread.
---@param options? {types?: string[], mode?: "mask"|"hash"} all types, and "mask", unless given
---@return integer count how many spans were replaced
function res:redact(options) end

---Sends another text in place of the one that `res.text` shows. Raises on streams, part of which has gone out.
---@param text string
function res:replace(text) end

---Tokens of an answer.
---@class moongate.usage
---@field input integer All input tokens, cached ones included.
---@field output integer All output tokens, reasoning included.
---@field cached integer Of input: read from the vendor's cache.
---@field cache_write integer Of input: written to the vendor's cache.
---@field reasoning integer Of output: reasoning.
---@field audio_input integer Of input: audio.
---@field audio_output integer Of output: audio.
local usage = {}

---Rate limits, counted over sliding windows and shared by all workers.
---@class moongate.limits
limits = {}

---Declares limits for this request. Requests are taken now, all or none; tokens and cost are reserved before the
---request is sent and settled by what it used. A limit is taken once a request, however often it is asked for; of
---equal scope and period the strictest holds, the configuration's included. `scope` is `org` unless given; `name`
---tells limits apart that are otherwise alike.
---@param limits {requests?: string, tokens?: string, cost?: string, scope?: "org"|"team"|"user"|"key"|"model"|"provider", name?: string} rates like "60/minute", "50/2s", "100000/hour", "50 usd/day"
---@return boolean? ok true: it fits; false: over the limit; nil: the counters can't be reached
---@return number|string|nil wait false: seconds until it would fit (math.huge: never); nil: what went wrong
function limits.take(limits) end

---How full a limit is for this request's scope, without taking anything.
---@param limit {requests?: string, tokens?: string, cost?: string, scope?: "org"|"team"|"user"|"key"|"model"|"provider", name?: string} one rate, as for `limits.take`
---@return number? limit requests, tokens or dollars; nil: the counters can't be reached
---@return number|string used or what went wrong
---@return number? reset seconds until the window is empty
function limits.status(limit) end

---Money over billing periods, which begin at midnight UTC.
---@class moongate.budget
budget = {}

---How the budget of the present period stands. What is reserved for requests under way counts as used.
---@param options? {scope?: "org"|"team"|"user"|"key", period?: "day"|"week"|"month"|"year"} the organization's, and the configured period, unless given
---@return moongate.budget_status? status nil: there is no such budget
---@return string? error why it can't be known
function budget.status(options) end

---What `budget.status` returns.
---@class moongate.budget_status
---@field limit number Dollars for the period.
---@field spent number Dollars that ended requests cost.
---@field reserved number Dollars held for requests under way.
---@field left number Dollars that can still be reserved.
---@field used number `spent + reserved`.
---@field hard boolean True: the host refuses what does not fit. False: it only warns.
---@field resets_at number Unix time at which the next period begins.
local budget_status = {}

---Personal data, found by the configured detectors.
---@class moongate.pii
pii = {}

---Finds personal data. To replace it in the request use `req:redact`, which reads every part.
---@param text string
---@param types? string[] `credit_card`, `email`, … as the detectors name them; all unless given
---@return moongate.span[]? spans in order, without overlaps; nil: a detector failed or a type is not known
---@return string? error
function pii.find(text, types) end

---What `pii.find` finds.
---@class moongate.span
---@field type string `email`, …
---@field severity "low"|"medium"|"high"|"critical" How bad it is to let it out.
---@field confidence number From 0 to 1.
---@field start integer Its first byte, counted from 1: `text:sub(span.start, span.stop)` is the span.
---@field stop integer Its last byte.
local span = {}

---Requests to servers of your own: a moderation service, a directory.
---@class moongate.http
http = {}

---Asks another server and waits for its answer, while other requests go on. Only hosts that the configuration lists,
---never private addresses unless it says so; redirects are not followed; answers of up to 1 MB.
---@param request {url: string, method?: "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE", headers?: table<string, string>, body?: string, timeout?: number} POST with a body, else GET; timeout in seconds, at most 5
---@return moongate.http_answer? answer nil: there was none
---@return string? error
function http.request(request) end

---What `http.request` returns.
---@class moongate.http_answer
---@field status integer HTTP status. Errors such as 500 are answers, too.
---@field headers table<string, string> By name in lower case.
---@field body string The whole body.
local http_answer = {}

---JSON.
---@class moongate.json
---@field null lightuserdata JSON's null: tables of Lua can't hold nil.
json = {}

---Writes a value as JSON. What JSON can't hold (functions, cycles, tables that are both), more than 32 levels and more
---than 1 MB are errors.
---@param value any a table with keys 1 to n is a list, one with strings as keys an object
---@return string? text
---@return string? error
function json.encode(value) end

---Reads JSON. Its null becomes json.null; duplicate keys, invalid UTF-8 and trailing text are errors.
---@param text string at most 1 MB
---@return any? value
---@return string? error
function json.decode(text) end

---Regular expressions as in Perl (PCRE2), without regard to UTF-8 unless the pattern begins with `(*UTF)`; `(?i)`
---ignores case. A pattern that takes too many steps gives nil and a sentence, never "no match". `\G` is not supported.
---@class moongate.re
re = {}

---Finds the first match and returns what its groups took. A wrong pattern raises.
---@param text string
---@param pattern string
---@param init? integer where to begin, from 1
---@return table|false|nil captures `{[0] = whole, first, …, name = …}`, groups that took no part are false; false: no match; nil: not known, because the pattern ran into its limits
---@return string? error
function re.match(text, pattern, init) end

---Finds the first match and says where it stands.
---@param text string
---@param pattern string
---@param init? integer where to begin, from 1
---@return integer|false|nil start its first byte, from 1; false: no match; nil: not known
---@return integer|string|nil stop its last byte, or what went wrong
---@return table? captures as of `re.match`
function re.find(text, pattern, init) end

---Replaces the matches.
---@param text string
---@param pattern string
---@param replacement string|table<string, string> `$0` to `$9`, `${name}` and `$$` in a string; a table is asked for the whole match, and leaves alone what it lacks
---@param max? integer how many at most
---@return string? text nil: not known, because the pattern ran into its limits
---@return integer|string count or what went wrong
function re.gsub(text, pattern, replacement, max) end

---Digests and encodings.
---@class moongate.hash
hash = {}

---SHA-256.
---@param text string
---@return string digest 64 hexadecimal digits
function hash.sha256(text) end

---HMAC-SHA-256: tells equal texts without giving them away.
---@param key string
---@param text string
---@return string digest 64 hexadecimal digits
function hash.hmac(key, text) end

---Two lower-case hexadecimal digits a byte.
---@param bytes string
---@return string
function hash.hex(bytes) end

---Base64 with padding, as in `Authorization: Basic`.
---@param bytes string
---@return string
function hash.base64(bytes) end

---Time.
---@class moongate.clock
clock = {}

---Unix time with fractions of a second.
---@return number seconds
function clock.now() end

---A clock that never jumps, for measuring; its zero means nothing.
---@return number seconds
function clock.monotonic() end

---Date and time of day in a time zone, with its daylight saving time.
---@param zone? string "Europe/Berlin"; UTC unless given
---@param time? number Unix time; now unless given
---@return moongate.date? date nil: there is no such zone
---@return string? error
function clock.at(zone, time) end

---What `clock.at` returns.
---@class moongate.date
---@field year integer 2026.
---@field month integer 1 to 12.
---@field day integer 1 to 31.
---@field hour integer 0 to 23.
---@field min integer 0 to 59.
---@field sec integer 0 to 59.
---@field wday integer 1 (Monday) to 7 (Sunday).
---@field yday integer 1 to 366.
---@field offset integer Seconds that the zone is ahead of UTC.
local date = {}

---Lines in the gateway's log, with the policy, the organization and the request. Never log what users write. Long
---texts are cut; beyond 50 lines a second, lines are dropped and counted.
---@class moongate.log
log = {}

---Writes a line at level debug.
---@param text string
---@param fields? table<string, string|number|boolean> at most 8
function log.debug(text, fields) end

---Writes a line at level info.
---@param text string
---@param fields? table<string, string|number|boolean> at most 8
function log.info(text, fields) end

---Writes a line at level warn.
---@param text string
---@param fields? table<string, string|number|boolean> at most 8
function log.warn(text, fields) end

---Writes a line at level error; does not raise.
---@param text string
---@param fields? table<string, string|number|boolean> at most 8
function log.error(text, fields) end

---Counters and gauges of your own in `/metrics`, labelled with `org` and `policy` besides what you give. Label values
---must be few: never ids of users or requests.
---@class moongate.metrics
metrics = {}

---Adds to the counter `moongate_policy_NAME`.
---@param name string
---@param labels? table<string, string> at most 4
---@param n? integer 1 unless given
function metrics.count(name, labels, n) end

---Sets the gauge `moongate_policy_NAME`.
---@param name string
---@param value integer
---@param labels? table<string, string> at most 4
function metrics.gauge(name, value, labels) end

---Token counts.
---@class moongate.tokens
tokens = {}

---About how many tokens the text has. An estimate: see `req.tokens` for the whole request.
---@param text string
---@param model? string whose tokenizer; OpenAI's o200k_base unless given
---@return integer
function tokens.count(text, model) end

---What models cost.
---@class moongate.prices
prices = {}

---What so many tokens would cost.
---@param target string "provider/model"
---@param usage {input?: integer, output?: integer, cached?: integer, cache_write?: integer, reasoning?: integer, audio_input?: integer, audio_output?: integer} tokens; `cached`, `cache_write` and `audio_input` are parts of `input`, `reasoning` and `audio_output` of `output`
---@return number? dollars nil: the price is not known, which never means free
---@return string? error
function prices.cost(target, usage) end

---What models can do.
---@class moongate.models
models = {}

---What is known about a model.
---@param target string "provider/model"
---@return moongate.model_info? info nil: the model is not known
---@return string? error
function models.info(target) end

---What `models.info` returns.
---@class moongate.model_info
---@field context integer? Tokens of its context window.
---@field max_output integer? The most tokens that it answers with.
---@field tools boolean True if it can call tools.
---@field vision boolean True if it reads images.
---@field price moongate.model_price Its prices.
local model_info = {}

---Dollars per million tokens. A class without a price of its own is nil.
---@class moongate.model_price
---@field input number? For input tokens.
---@field output number? For output tokens.
---@field cached number? For input tokens read from the vendor's cache; nil: as input.
---@field cache_write number? For input tokens written to the vendor's cache; nil: as input.
local model_price = {}

---Circuit breakers and statistics of targets; `docs/failover.md` has their rules.
---@class moongate.circuit
circuit = {}

---Whether calls go out to a target: `closed` they do, `open` they don't, `half_open` a few do to try it.
---@param target string "provider/model", or any name of a model; of several targets the first is meant
---@return "closed"|"open"|"half_open"|nil state nil: there is no such target
---@return string? error
function circuit.state(target) end

---How a target has been doing, over all organizations and workers of this process.
---@param target string as above
---@return moongate.circuit_stats? stats nil: there is no such target
---@return string? error
function circuit.stats(target) end

---What `circuit.stats` returns.
---@class moongate.circuit_stats
---@field state "closed"|"open"|"half_open" As `circuit.state`.
---@field wait number Seconds until a call may be tried: the circuit is open, or the vendor said when to come back; 0: now; math.huge: switched off.
---@field ttft_p50 number? Median time to first token, in seconds; nil: not known.
---@field ttft_p95 number? Its 95th percentile.
---@field error_rate number Failed calls of the last minute, from 0 to 1.
---@field in_flight integer Calls that are under way.
---@field calls integer Calls of the last minute.
---@field tokens_per_second number? Of one stream; nil: not known.
local circuit_stats = {}
