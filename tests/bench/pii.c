/* Throughput of the detector of personal data, and how well it finds, beside the patterns of the roadmap that the
 * gateway began from. Built and run by tests/bench/pii. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "../../plugins/detector_pii/scan.h"
#include "../plugin/pii_tally.h"

#include <pcre2.h>
#include <time.h>

enum { EMAIL, CREDIT_CARD, SSN, CA_SIN, PHONE, IP_ADDRESS, IBAN, SECRET, TYPES };
enum { EVERY = (1 << TYPES) - 1, SEED_TYPES = (1 << IBAN) - 1, SEED = 6 };

/* ---- the roadmap's patterns ----------------------------------------------------------------------------------------- */

static bool passes_luhn(mg_str s) {
    char digits[64];
    size_t n = mg_pii_digits(s, 0, s.n, digits, sizeof digits);
    return n && mg_pii_luhn(digits, n);
}

static bool passes_ip(mg_str s) {
    unsigned part = 0;
    for (size_t i = 0; i < s.n; i++) {
        part = s.p[i] == '.' ? 0 : part * 10 + (unsigned)(s.p[i] - '0');
        if (part > 255) return false;
    }
    return true;
}

static bool passes(mg_str s) {
    (void)s;
    return true;
}

static const struct {
    const char *type, *pattern;
    bool (*valid)(mg_str);
    double confidence;
} seed[SEED] = {
    {"ca_sin", "\\b\\d{3}[-\\s]?\\d{3}[-\\s]?\\d{3}\\b", passes_luhn, 0.95},
    {"ssn", "\\b\\d{3}[-]?\\d{2}[-]?\\d{4}\\b", passes, 0.90},
    {"credit_card", "\\b\\d{4}[-\\s]?\\d{4}[-\\s]?\\d{4}[-\\s]?\\d{4,7}\\b", passes_luhn, 0.98},
    {"email", "\\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Z|a-z]{2,}\\b", passes, 0.99},
    {"phone", "\\b(?:\\+?1[-.\\s]?)?\\(?([0-9]{3})\\)?[-.\\s]?([0-9]{3})[-.\\s]?([0-9]{4})\\b", passes, 0.85},
    {"ip_address", "\\b(?:[0-9]{1,3}\\.){3}[0-9]{1,3}\\b", passes_ip, 0.80},
};
static pcre2_code *seed_code[2][SEED]; /* without and with machine code */

static void seed_compile(void) {
    for (int jit = 0; jit < 2; jit++)
        for (int i = 0; i < SEED; i++) {
            int code;
            PCRE2_SIZE at;
            seed_code[jit][i] = pcre2_compile((PCRE2_SPTR)seed[i].pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
            if (jit) pcre2_jit_compile(seed_code[jit][i], PCRE2_JIT_COMPLETE);
        }
}

static void seed_scan(int jit, mg_str text, void (*found)(void *, const mg_span *), void *arg) {
    pcre2_match_data *match = pcre2_match_data_create(8, NULL);
    for (int i = 0; i < SEED; i++)
        for (size_t at = 0; at < text.n;) {
            if (pcre2_match(seed_code[jit][i], (PCRE2_SPTR)text.p, text.n, at, 0, match, NULL) < 1) break;
            const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
            mg_span span = {seed[i].type, ends[0], ends[1], seed[i].confidence};
            if (seed[i].valid(mg_str_from(text.p + ends[0], ends[1] - ends[0]))) found(arg, &span);
            at = ends[1];
        }
    pcre2_match_data_free(match);
}

/* ---- how well ------------------------------------------------------------------------------------------------------- */

static mg_pii_scanner *scanners[2]; /* without and with machine code */

static void ours_row(tally *t, mg_str text) {
    mg_error error = {0};
    if (mg_pii_scan(scanners[1], text, EVERY, tally_add, t, &error) != MG_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
}

static void seed_row(tally *t, mg_str text) { seed_scan(1, text, tally_add, t); }

static void print_quality(const char *folder) {
    static tally ours = {.scan = ours_row}, before = {.scan = seed_row, .quiet = true};
    if (!tally_all(&ours, folder) || !tally_all(&before, folder)) {
        printf("SKIPPED: the labelled texts are not in %s (set MOONGATE_DATA)\n", folder);
        return;
    }
    printf("\n%d rows %26s | %s\n%-12s %6s %8s %8s %7s | %8s %8s %7s\n", ours.rows, "this detector",
           "the roadmap's patterns", "type", "labels", "recall", "precis.", "F1", "recall", "precis.", "F1");
    for (int i = 0; i < TALLY_TYPES; i++) {
        const tally_count *a = &ours.counts[i], *b = &before.counts[i];
        bool found = i != TALLY_PHONES;
        printf("%-12s %6d %7.2f%%", tally_names[i], a->labelled, 100 * tally_recall(a));
        if (found) printf(" %7.2f%% %7.4f", 100 * tally_precision(a), tally_f1(a));
        if (i == TALLY_IBAN || i == TALLY_SECRET)
            printf(" | %8s", "-");
        else
            printf(" %*s| %7.2f%%", found ? 0 : 17, "", 100 * tally_recall(b));
        if (i < TALLY_IBAN) printf(" %7.2f%% %7.4f", 100 * tally_precision(b), tally_f1(b));
        printf("\n");
    }
}

/* ---- how fast ------------------------------------------------------------------------------------------------------- */

static const char prose[] =
    "On Tuesday 14 the committee met at 10:30 to talk about the grievance that 27 members had filed in 2023. The "
    "chair asked whether article 12.4 covers overtime on weekends; nobody could say. Ask @marta or write to the "
    "office, which answers within 3 to 5 days. The rent rose by 4.5 % to 1,250 dollars and will rise again in "
    "March, so the stewards want a letter before then. It should name the clause, the date and the amount. ";
static const char data[] =
    "My number is (415) 555-0132, mail ann@example.com, ssn 078-05-1123, card 4111 1111 1111 1111, "
    "host 10.0.0.1, IBAN DE89370400440532013000, SIN 130-692-544. ";
static const char json[] =
    "{\"id\":\"0b51c5c4-7a3e-4d09-93f6-2b9be2a3a1f0\",\"at\":\"2026-08-19T14:39:21Z\",\"total\":1234567.89,\"items\":["
    "{\"sku\":\"A-10023-X\",\"count\":12,\"price\":19.99,\"url\":\"https://example.com/items/10023?ref=a1b2c3\"}],"
    "\"checksum\":\"6b14f26af1c8076379a098cad921e505\",\"version\":\"4.16.4.1\"},\n";

static char *make(const char *kind, size_t n) {
    char *text = malloc(n);
    const char *unit = kind[0] == 'j' ? json : prose;
    size_t length = strlen(unit), every = strlen(data) + 1024;
    for (size_t i = 0; i < n; i++) text[i] = unit[i % length];
    for (size_t at = 512; kind[0] == 'd' && at + strlen(data) < n; at += every) memcpy(text + at, data, strlen(data));
    return text;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t spans;
static void count(void *arg, const mg_span *span) {
    (void)arg;
    (void)span;
    spans++;
}

typedef struct way {
    const char *name;
    int jit;
    unsigned wanted; /* 0: the roadmap's */
    bool apart; /* a pass for each type */
} way;

static void run(const way *w, mg_str text) {
    mg_error error;
    if (!w->wanted) {
        seed_scan(w->jit, text, count, NULL);
        return;
    }
    for (unsigned bit = 0; bit < TYPES; bit++) {
        if (w->apart && !(w->wanted >> bit & 1)) continue;
        mg_pii_scan(scanners[w->jit], text, w->apart ? 1u << bit : w->wanted, count, NULL, &error);
        if (!w->apart) return;
    }
}

/* The best of some rounds: others on the machine only ever add. */
static double best_seconds(const way *w, mg_str text) {
    double best = 1e9, spent = 0;
    size_t times = text.n < 100000 ? 200000 / text.n : 1;
    for (int round = 0; round < 400 && (round < 5 || spent < 0.4); round++) {
        double start = now();
        for (size_t i = 0; i < times; i++) run(w, text);
        double took = now() - start;
        spent += took;
        if (took / (double)times < best) best = took / (double)times;
    }
    return best;
}

static void print_speed(void) {
    static const size_t sizes[] = {2048, 20480, 2 << 20};
    static const char *const kinds[] = {"prose with numbers", "data in prose, 1 KB apart", "json"};
    static const way ways[] = {
        {"e-mail and cards, one pass", 1, 1 << EMAIL | 1 << CREDIT_CARD, false},
        {"the roadmap's six types, one pass", 1, SEED_TYPES, false},
        {"the roadmap's six types, six passes", 1, SEED_TYPES, true},
        {"all types, one pass", 1, EVERY, false},
        {"all types, one pass, no machine code", 0, EVERY, false},
        {"the roadmap's patterns", 1, 0, false},
        {"the roadmap's patterns, no machine code", 0, 0, false},
    };
    for (size_t k = 0; k < 3; k++) {
        printf("\n%-42s %9s %9s %9s   MB/s\n", kinds[k], "2 KB", "20 KB", "2 MB");
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            printf("%-42s", ways[i].name);
            for (size_t s = 0; s < 3; s++) {
                char *text = make(kinds[k], sizes[s]);
                printf(" %9.0f", (double)sizes[s] / best_seconds(&ways[i], mg_str_from(text, sizes[s])) / 1e6);
                fflush(stdout);
                free(text);
            }
            printf("\n");
        }
    }
}

int main(int argc, char **argv) {
    mg_error error = {0};
    for (int jit = 0; jit < 2; jit++) scanners[jit] = mg_pii_scanner_create(jit, &error);
    seed_compile();
    print_quality(argc > 1 ? argv[1] : "../shared/data");
    print_speed();
    return 0;
}
