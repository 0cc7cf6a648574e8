/* Gemini's answers: whole ones, streams, errors, lists of models; and that streams say what whole answers say. */
#include "gemini_fixture.h"

#define S(literal) MG_STR_INIT(literal)
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* `wanted` stands before the model and the id. */
static void plain_is(const mg_event *events, size_t n, const char *wanted) {
    mg_str text = plain_of(events, n);
    parse(text, NULL);
    expect(text, mg_arena_printf(arena,
                                 "{%s,\"modelVersion\":\"gpt-4o\",\"responseId\":\"0123456789abcdef0123456789abcdef\"}",
                                 json(wanted).p));
}

/* ---- whole answers --------------------------------------------------------------------------------------------------- */

static void writes_text_and_usage(void **state) {
    (void)state;
    const mg_usage usage = {
        .size = sizeof usage, .input = 10, .output = 7, .cached = 4, .reasoning = 5, .audio_input = 3};
    const mg_event events[] = {{.type = MG_EVENT_REASONING, .text = S("hm")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("sig"), .name = S("anthropic")},
                               {.type = MG_EVENT_TEXT, .text = S("He")},
                               {.type = MG_EVENT_TEXT, .text = S("\"llo")},
                               {.type = MG_EVENT_SIGNATURE, .text = S("R0VN"), .name = S("gemini")},
                               {.type = MG_EVENT_FINISH, .text = S("stop"), .name = S("end_turn")},
                               {.type = MG_EVENT_USAGE, .usage = &usage}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':["
             "{'text':'hm','thought':true,'thoughtSignature':'bW9vbmdhdGU6YW50aHJvcGljOnNpZw=='},"
             "{'text':'He\\'llo','thoughtSignature':'R0VN'}],'role':'model'},'finishReason':'STOP','index':0}],"
             "'usageMetadata':{'promptTokenCount':10,'candidatesTokenCount':2,'totalTokenCount':17,"
             "'cachedContentTokenCount':4,'thoughtsTokenCount':5,'promptTokensDetails':[{'modality':'TEXT',"
             "'tokenCount':7},{'modality':'AUDIO','tokenCount':3}]}");
}

static void writes_blocks(void **state) {
    (void)state;
    const mg_event events[] = {
        {.type = MG_EVENT_REDACTED, .text = S("x?"), .name = S("openai")},
        {.type = MG_EVENT_OTHER, .text = S(" {\"executableCode\":{\"code\":\"1\"}}\n"), .name = S("gemini")},
        {.type = MG_EVENT_OTHER, .text = S("{\"type\":\"server_tool_use\"}"), .name = S("anthropic")},
        {.type = MG_EVENT_MEDIA, .text = S("AAAA"), .name = S("audio/wav"), .id = S("said")},
        {.type = MG_EVENT_TOOL, .name = S("f"), .id = S("call_9"), .text = S("{\"a\":")},
        {.type = MG_EVENT_TOOL, .text = S("\n1}")},
        {.type = MG_EVENT_TOOL, .index = 1, .name = S("g")},
        {.type = MG_EVENT_SIGNATURE, .text = S("R0VN"), .name = S("gemini")},
        {.type = MG_EVENT_FINISH, .text = S("tool_calls")}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':["
             "{'text':'','thought':true,'thoughtSignature':'bW9vbmdhdGUtcmVkYWN0ZWQ6b3BlbmFpOng/'},"
             "{'executableCode':{'code':'1'}},{'inlineData':{'mimeType':'audio/wav','data':'AAAA'}},{'text':'said'},"
             "{'functionCall':{'id':'call_9','name':'f','args':{'a': 1}}},"
             "{'functionCall':{'name':'g','args':{}},'thoughtSignature':'R0VN'}],'role':'model'},"
             "'finishReason':'STOP','index':0}]");
}

static void ends_as(const char *reason, const char *vendor_reason, const char *wanted) {
    const mg_event events[] = {{.type = MG_EVENT_TEXT, .text = S("x")},
                               {.type = MG_EVENT_FINISH, .text = mg_str_of(reason), .name = mg_str_of(vendor_reason)}};
    mg_str text = plain_of(events, 2);
    const mg_json *root = parse(text, NULL);
    expect(mg_json_text(mg_json_path(root, "candidates.0.finishReason")), mg_str_of(wanted));
}

static void writes_finish_reasons(void **state) {
    (void)state;
    ends_as("stop", "end_turn", "STOP");
    ends_as("tool_calls", "STOP", "STOP");
    ends_as("length", "max_tokens", "MAX_TOKENS");
    ends_as("content_filter", "refusal", "SAFETY");
    ends_as("content_filter", "RECITATION", "RECITATION");
    ends_as("", "", "STOP");
    ends_as("unheard", "of", "OTHER");
}

static void never_shows_half_a_call(void **state) {
    (void)state;
    mg_event events[] = {{.type = MG_EVENT_TEXT, .text = S("x")},
                         {.type = MG_EVENT_TOOL, .name = S("f"), .text = S("{\"a\":")},
                         {.type = MG_EVENT_FINISH, .text = S("tool_calls")}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':[{'text':'x'}],'role':'model'},'finishReason':"
             "'MALFORMED_FUNCTION_CALL','finishMessage':'Malformed function call: f {\\'a\\':','index':0}]");
    events[2].text = MG_STR("length");
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':[{'text':'x'}],'role':'model'},'finishReason':"
             "'MAX_TOKENS','finishMessage':'Malformed function call: f {\\'a\\':','index':0}]");
}

static void writes_refusals_of_the_prompt(void **state) {
    (void)state;
    mg_event events[] = {{.type = MG_EVENT_FINISH, .text = S("content_filter"), .name = S("PROHIBITED_CONTENT")}};
    plain_is(events, 1, "'promptFeedback':{'blockReason':'PROHIBITED_CONTENT'}");
    events[0].name = MG_STR("content_filter");
    plain_is(events, 1, "'promptFeedback':{'blockReason':'SAFETY'}");
    events[0].text = MG_STR("stop");
    plain_is(events, 1,
             "'candidates':[{'content':{'parts':[{'text':''}],'role':'model'},'finishReason':'STOP','index':0}]");
}

static void writes_sources(void **state) {
    (void)state;
    const mg_event events[] = {
        {.type = MG_EVENT_TEXT, .text = S("Größe: 1 m. Ok")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"title\":\"t\",\"start_index\":0,"
                   "\"end_index\":5}}")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"title\":\"t\",\"start_index\":5,"
                   "\"end_index\":11}}")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"vendor_citation\",\"vendor\":\"anthropic\",\"citation\":{\"type\":\"char_location\","
                   "\"document_title\":\"d\",\"cited_text\":\"c\"}}")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":{\"segment\":{\"endIndex\":3},"
                   "\"source\":{\"maps\":{\"uri\":\"m\"}}}}")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":{\"license\":\"MIT\"}}")},
        {.type = MG_EVENT_CITATION,
         .text = S("{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":{\"retrievedUrl\":\"r\"}}")},
        {.type = MG_EVENT_FINISH, .text = S("stop")}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':[{'text':'Größe: 1 m. Ok'}],'role':'model'},'finishReason':'STOP',"
             "'index':0,'groundingMetadata':{'groundingChunks':[{'web':{'uri':'u','title':'t'}},"
             "{'retrievedContext':{'title':'d','text':'c'}},{'maps':{'uri':'m'}}],'groundingSupports':["
             "{'segment':{'endIndex':7},'groundingChunkIndices':[0]},"
             "{'segment':{'startIndex':7,'endIndex':13},'groundingChunkIndices':[0]},"
             "{'segment':{'endIndex':3},'groundingChunkIndices':[2]}]},"
             "'citationMetadata':{'citationSources':[{'license':'MIT'}]},"
             "'urlContextMetadata':{'urlMetadata':[{'retrievedUrl':'r'}]}}]");
}

static void writes_logprobs(void **state) {
    (void)state;
    const mg_event events[] = {
        {.type = MG_EVENT_TEXT, .text = S("ab")},
        {.type = MG_EVENT_LOGPROBS,
         .text = S("[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[{\"token\":\"a\",\"logprob\":-"
                   "0.5}]}]")},
        {.type = MG_EVENT_LOGPROBS, .text = S("[{\"token\":\"b\",\"logprob\":-1.5,\"top_logprobs\":[]}]")},
        {.type = MG_EVENT_FINISH, .text = S("stop")}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':[{'text':'ab'}],'role':'model'},'finishReason':'STOP','index':0,"
             "'logprobsResult':{'chosenCandidates':[{'token':'a','logProbability':-0.5},"
             "{'token':'b','logProbability':-1.5}],'topCandidates':[{'candidates':[{'token':'a',"
             "'logProbability':-0.5}]},{'candidates':[]}]},'avgLogprobs':-1}]");
}

static void writes_several_candidates(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_TEXT, .text = S("a")},
                               {.type = MG_EVENT_TEXT, .text = S("b"), .choice = 1},
                               {.type = MG_EVENT_FINISH, .text = S("stop")},
                               {.type = MG_EVENT_FINISH, .text = S("length"), .choice = 1}};
    plain_is(events, COUNT(events),
             "'candidates':[{'content':{'parts':[{'text':'a'}],'role':'model'},'finishReason':'STOP','index':0},"
             "{'content':{'parts':[{'text':'b'}],'role':'model'},'finishReason':'MAX_TOKENS','index':1}]");
}

static mg_str embeddings(const mg_event *events, size_t n, bool single) {
    mg_reply *r = new_reply(MG_OP_EMBEDDINGS);
    mg_buf out = {0};
    r->single = single;
    for (size_t i = 0; i < n; i++) mg_reply_event(r, &events[i]);
    F->plain(r, &out);
    mg_reply_finish(r);
    mg_str text = mg_arena_dup(arena, mg_buf_view(&out));
    mg_buf_finish(&out);
    return text;
}

static void writes_embeddings(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_EMBEDDING, .index = 1, .text = S("[1,-2.5]")},
                               {.type = MG_EVENT_EMBEDDING, .index = 0, .text = S("AACAPwAAIMA=")}};
    expect(embeddings(events, 2, false), json("{'embeddings':[{'values':[1,-2.5]},{'values':[1,-2.5]}]}"));
    expect(embeddings(events, 1, true), json("{'embedding':{'values':[1,-2.5]}}"));
    expect(embeddings(events, 0, true), json("{'embedding':{'values':[]}}"));
}

/* ---- streams ------------------------------------------------------------------------------------------------------------ */

static void frames_chunks(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_TEXT, .text = S("a")},
                               {.type = MG_EVENT_TOOL, .name = S("f"), .text = S("{\n")},
                               {.type = MG_EVENT_TOOL, .text = S("}")},
                               {.type = MG_EVENT_FINISH, .text = S("stop")}};
    const char tail[] = "'modelVersion':'gpt-4o','responseId':'0123456789abcdef0123456789abcdef'}";
    mg_str first = json("{'candidates':[{'content':{'parts':[{'text':'a'}],'role':'model'},'index':0}],");
    mg_str last = json("{'candidates':[{'content':{'parts':[{'functionCall':{'name':'f','args':{ }}}],'role':'model'},"
                       "'finishReason':'STOP','index':0}],");
    const char *t = json(tail).p;
    expect(stream_of(events, 4, false, true, NULL),
           mg_arena_printf(arena, "data: %s%s\r\n\r\ndata: %s%s\r\n\r\n", first.p, t, last.p, t));
    expect(stream_of(events, 4, true, true, NULL), mg_arena_printf(arena, "[%s%s,\r\n%s%s]", first.p, t, last.p, t));
    expect(stream_of(events, 2, false, false, NULL), mg_arena_printf(arena, "data: %s%s\r\n\r\n", first.p, t));
}

static void ends_streams_with_errors(void **state) {
    (void)state;
    const mg_event events[] = {{.type = MG_EVENT_TEXT, .text = S("a")}};
    const mg_fault broken = {502, S("upstream_broke"), S("It broke."), S(""), S("req_1"), -1};
    const mg_fault refused = {400, S("content_filter"), S("Not this."), S(""), S(""), -1};
    mg_str text = stream_of(events, 1, false, false, &broken);
    const char *error = memmem(text.p, text.n, "data: {\"error\":{\"code\":502,", 26);
    assert_non_null(error);
    assert_null(memmem(text.p, text.n, "finishReason", 12));
    const char *rest = memmem(error, (size_t)(text.p + text.n - error), "\r\n\r\n", 4);
    assert_non_null(rest);
    expect(mg_str_from(rest, (size_t)(text.p + text.n - rest)), /* who passes over the error sees no clean end */
           MG_STR("\r\n\r\n: the answer breaks off"));
    text = stream_of(events, 1, true, false, &broken);
    assert_true(text.p[text.n - 1] == '}'); /* the array stays open */
    text = stream_of(events, 0, true, false, &broken);
    assert_true(mg_str_starts(text, MG_STR("[{\"error\"")));
    text = stream_of(events, 0, false, false, &refused);
    expect(text,
           mg_arena_printf(arena, "data: %s\r\n\r\n",
                           json("{'promptFeedback':{'blockReason':'SAFETY','blockReasonMessage':'Not this.'}}").p));
    told t = {0};
    text = stream_of(events, 1, true, false, &refused);
    told_array(&t, text);
    expect(told_end(&t), json("0\ntext <a> []\nfinishReason 'SAFETY'\nfinishMessage 'Not this.'\n"));
}

/* ---- a stream says what the whole answer says ------------------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t random_below(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static mg_str any_of(const char *const *texts, uint32_t n) { return mg_str_of(texts[random_below(n)]); }

typedef struct generator {
    mg_event events[64];
    size_t n;
    int64_t calls;
    bool signed_last[3]; /* of two signatures of one block the second counts, and no vendor sends two */
} generator;

static mg_event *add_event(generator *g, mg_event_type type, int64_t choice) {
    g->events[g->n] = (mg_event){.size = sizeof(mg_event), .type = type, .choice = choice};
    if (type != MG_EVENT_LOGPROBS && type != MG_EVENT_CITATION) g->signed_last[choice] = false;
    return &g->events[g->n++];
}

static void add_call(generator *g, int64_t choice) {
    static const char *const heads[] = {"{", "{\"a\":1", "", "{\"x\":\"y\\n\"", "[", "{\"a\":"};
    static const char *const tails[] = {"}", "}", "}", "}", "", "]"};
    int64_t index = g->calls++;
    mg_event *e = add_event(g, MG_EVENT_TOOL, choice);
    e->index = index;
    e->name = MG_STR("f");
    e->id = random_below(2) ? MG_STR("id") : MG_STR("");
    e->text = any_of(heads, COUNT(heads));
    if (random_below(2)) {
        e = add_event(g, MG_EVENT_TOOL, choice);
        e->index = g->calls++; /* another one in between */
        e->name = MG_STR("g");
    }
    e = add_event(g, MG_EVENT_TOOL, choice);
    e->index = index;
    e->text = any_of(tails, COUNT(tails));
}

static void add_any(generator *g) {
    static const char *const texts[] = {"a", "Grüße ", "", "\"q\"\n", "日本", "😀"};
    static const char *const notes[] = {
        "{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"title\":\"t\",\"start_index\":1,\"end_index\":3}"
        "}",
        "{\"type\":\"vendor_citation\",\"vendor\":\"gemini\",\"citation\":{\"uri\":\"u\"}}", "no json"};
    static const char *const vendors[] = {"gemini", "anthropic", "openai"};
    static const char *const lists[] = {"[{\"token\":\"a\",\"logprob\":-1}]", "[]",
                                        "[{\"token\":\"b\",\"logprob\":-0.25,\"top_logprobs\":[{\"token\":\"c\"}]}]"};
    int64_t c = random_below(3) ? 0 : random_below(3);
    static const mg_event_type kinds[] = {MG_EVENT_TEXT, MG_EVENT_TEXT, MG_EVENT_REASONING, MG_EVENT_REFUSAL};
    mg_event *e;
    switch (random_below(9)) {
    case 0: add_call(g, c); break;
    case 1:
        if (g->signed_last[c]) return;
        e = add_event(g, MG_EVENT_SIGNATURE, c);
        e->text = MG_STR("c2ln");
        e->name = any_of(vendors, COUNT(vendors));
        g->signed_last[c] = true;
        break;
    case 2:
        e = add_event(g, MG_EVENT_REDACTED, c);
        e->text = MG_STR("secret");
        e->name = MG_STR("anthropic");
        break;
    case 3:
        e = add_event(g, MG_EVENT_MEDIA, c);
        e->text = MG_STR("AAAA");
        e->name = MG_STR("image/png");
        break;
    case 4:
        e = add_event(g, MG_EVENT_CITATION, c);
        e->text = any_of(notes, COUNT(notes));
        break;
    case 5:
        e = add_event(g, MG_EVENT_LOGPROBS, c);
        e->text = any_of(lists, COUNT(lists));
        break;
    default: e = add_event(g, kinds[random_below(4)], c); e->text = any_of(texts, COUNT(texts));
    }
}

static void generate(generator *g) {
    static const char *const reasons[] = {"stop", "length", "tool_calls", "content_filter", ""};
    static const mg_usage usage = {.size = sizeof usage, .input = 3, .output = 5, .reasoning = 2};
    *g = (generator){0};
    for (uint32_t n = random_below(16); n > 0 && g->n < 48; n--) add_any(g);
    for (int64_t c = 0; c < 3; c++)
        if (random_below(2)) add_event(g, MG_EVENT_FINISH, c)->text = any_of(reasons, COUNT(reasons));
    if (random_below(2)) add_event(g, MG_EVENT_USAGE, 0)->usage = &usage;
}

static void streams_say_the_same(void **state) {
    (void)state;
    for (uint64_t round = 1; round <= 6000; round++) {
        generator g;
        seed = round;
        generate(&g);
        told whole = {0}, events = {0}, array = {0};
        told_chunk(&whole, plain_of(g.events, g.n));
        told_events(&events, stream_of(g.events, g.n, false, true, NULL));
        told_array(&array, stream_of(g.events, g.n, true, true, NULL));
        mg_str wanted = told_end(&whole), got = told_end(&events), other = told_end(&array);
        if (!mg_str_eq(got, wanted))
            fail_msg("seed %d: the stream says\n" MG_STR_FMT "\nand the whole answer\n" MG_STR_FMT, (int)round,
                     MG_STR_ARG(got), MG_STR_ARG(wanted));
        expect(other, wanted);
        mg_arena_reset(arena);
    }
}

/* ---- errors, models, counts --------------------------------------------------------------------------------------------------- */

static void error_is(const mg_fault *f, const char *wanted) {
    mg_buf out = {0};
    F->error(f, &out);
    parse(mg_buf_view(&out), NULL);
    expect(mg_buf_view(&out), json(wanted));
    mg_buf_finish(&out);
}

static void writes_errors(void **state) {
    (void)state;
    const mg_fault rate = {429, S("rate_limit_exceeded"), S("Slow down."), S(""), S("r1"), 1500};
    const mg_fault bad = {400, S("invalid-type"), S("'a' is 'b'."), S("a"), S(""), -1};
    const mg_fault refused = {400, S("content_filter"), S("No."), S(""), S("r2"), -1};
    const mg_fault odd = {418, S(""), S("T"), S(""), S(""), -1};
    error_is(&rate, "{'error':{'code':429,'message':'Slow down.','status':'RESOURCE_EXHAUSTED','details':["
                    "{'@type':'type.googleapis.com/google.rpc.ErrorInfo','reason':'RATE_LIMIT_EXCEEDED','domain':"
                    "'moongate'},{'@type':'type.googleapis.com/google.rpc.RetryInfo','retryDelay':'1.500s'},"
                    "{'@type':'type.googleapis.com/google.rpc.RequestInfo','requestId':'r1'}]}}");
    mg_buf out = {0};
    F->error(&bad, &out);
    const mg_json *root = parse(mg_buf_view(&out), NULL);
    expect(mg_json_text(mg_json_path(root, "error.details.0.reason")), MG_STR("INVALID_TYPE"));
    expect(mg_json_text(mg_json_path(root, "error.details.1.fieldViolations.0.field")), MG_STR("a"));
    mg_buf_finish(&out);
    error_is(&refused, "{'promptFeedback':{'blockReason':'SAFETY','blockReasonMessage':'No.'},'responseId':'r2'}");
    error_is(&odd, "{'error':{'code':418,'message':'T','status':'INVALID_ARGUMENT','details':[]}}");
    assert_int_equal(F->status(400, MG_STR("content_filter")), 200);
    assert_int_equal(F->status(429, MG_STR("rate_limit_exceeded")), 429);
}

static void writes_status_names(void **state) {
    (void)state;
    static const struct {
        int http;
        const char *name;
    } table[] = {{401, "UNAUTHENTICATED"},   {403, "PERMISSION_DENIED"}, {404, "NOT_FOUND"},
                 {408, "DEADLINE_EXCEEDED"}, {413, "INVALID_ARGUMENT"},  {500, "INTERNAL"},
                 {502, "UNAVAILABLE"},       {503, "UNAVAILABLE"},       {504, "DEADLINE_EXCEEDED"}};
    for (size_t i = 0; i < COUNT(table); i++) {
        const mg_fault f = {table[i].http, S(""), S("x"), S(""), S(""), -1};
        mg_buf out = {0};
        F->error(&f, &out);
        expect(mg_json_text(mg_json_path(parse(mg_buf_view(&out), NULL), "error.status")), mg_str_of(table[i].name));
        mg_buf_finish(&out);
    }
}

static void writes_models_and_counts(void **state) {
    (void)state;
    const mg_model_row rows[] = {{S("openai/gpt-4o"), S("openai"), 128000, 16384},
                                 {S("text-embedding-3"), S("openai"), 0, 0}};
    mg_buf out = {0};
    F->models(rows, 2, &out);
    expect(mg_buf_view(&out),
           json("{'models':[{'name':'models/openai/gpt-4o','displayName':'openai/gpt-4o','inputTokenLimit':128000,"
                "'outputTokenLimit':16384,'supportedGenerationMethods':['generateContent','streamGenerateContent',"
                "'countTokens']},{'name':'models/text-embedding-3','displayName':'text-embedding-3',"
                "'supportedGenerationMethods':['embedContent','batchEmbedContents']}]}"));
    mg_buf_clear(&out);
    F->count(12, &out);
    expect(mg_buf_view(&out), json("{'totalTokens':12}"));
    mg_buf_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_text_and_usage),
        cmocka_unit_test(writes_blocks),
        cmocka_unit_test(writes_finish_reasons),
        cmocka_unit_test(never_shows_half_a_call),
        cmocka_unit_test(writes_refusals_of_the_prompt),
        cmocka_unit_test(writes_sources),
        cmocka_unit_test(writes_logprobs),
        cmocka_unit_test(writes_several_candidates),
        cmocka_unit_test(writes_embeddings),
        cmocka_unit_test(frames_chunks),
        cmocka_unit_test(ends_streams_with_errors),
        cmocka_unit_test(streams_say_the_same),
        cmocka_unit_test(writes_errors),
        cmocka_unit_test(writes_status_names),
        cmocka_unit_test(writes_models_and_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
