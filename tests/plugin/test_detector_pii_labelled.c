/* Recall and precision on labelled texts and hard negatives, where they are at hand (MOONGATE_DATA). */
#include "detector_pii.h"
#include "pii_tally.h"

static void scan_row(tally *t, mg_str text) {
    mg_error error;
    assert_int_equal(pii_ops->scan(pii_self, text, EVERY, tally_add, t, &error), MG_OK);
}

static void labelled(void **state) {
    (void)state;
    static tally t = {.scan = scan_row};
    const char *folder = getenv("MOONGATE_DATA");
    char beside[512];
    snprintf(beside, sizeof beside, "%s/../../shared/data", TEST_SOURCE_DIR);
    if (!tally_all(&t, folder ? folder : beside)) {
        print_message("SKIPPED: the labelled texts are not there (set MOONGATE_DATA to their folder)\n");
        skip();
    }
    printf("%d rows\n  %-12s %8s %8s %8s %8s %8s %8s\n", t.rows, "type", "labels", "recall", "exact", "found",
           "precis.", "F1");
    for (int i = 0; i < TALLY_TYPES; i++) {
        const tally_count *c = &t.counts[i];
        printf("  %-12s %8d %7.2f%% %7.2f%%", tally_names[i], c->labelled, 100 * tally_recall(c),
               c->labelled ? 100.0 * c->exact / c->labelled : 100);
        if (i != TALLY_PHONES) printf(" %8d %7.2f%% %8.4f", c->found, 100 * tally_precision(c), tally_f1(c));
        printf("\n");
    }
    static const struct {
        int type;
        double recall, precision;
    } least[] = {
        {TALLY_SSN, 0.99, 0.98},
        {TALLY_SIN, 0.99, 0.98},
        {TALLY_CARD, 0.99, 0.98},
        {TALLY_EMAIL, 0.99, 0.98},
        /* Of phones in the tables a few are none for their origin, as it knows one country's numbers only: see the
         * reasons above. */
        {TALLY_PHONE, 0.99, 0.96},
        {TALLY_IP, 0.99, 0.98},
        {TALLY_IBAN, 0.99, 0.98},
        {TALLY_SECRET, 0.95, 0.98},
    };
    for (size_t i = 0; i < COUNT(least); i++) {
        const tally_count *c = &t.counts[least[i].type];
        if (tally_recall(c) < least[i].recall || tally_precision(c) < least[i].precision)
            fail_msg("%s: recall %.3f, precision %.3f", tally_names[least[i].type], tally_recall(c),
                     tally_precision(c));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(labelled)};
    return cmocka_run_group_tests(tests, pii_setup, pii_teardown);
}
