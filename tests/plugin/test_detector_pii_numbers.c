/* Numbers that people are known by: US and Canadian social numbers, and phones. */
#include "detector_pii.h"

static void ssn_found(void **state) {
    (void)state;
    static const char *const alone[] = {"078-05-1123", "078 05 1123", "899-99-9999",
                                        "001-01-0001", "078-051121",  "078051123"};
    pii_expect_all(SSN, alone, COUNT(alone), true);
    pii_expect(1 << SSN, "SSN: 123-45-6789;DOB:1990-01-01", "[123-45-6789]");
    pii_expect(1 << SSN, "{\"user\":{\"ssn\":\"222334444\"}}", "[222334444]");
    pii_expect(1 << SSN, "his social security number is 222 33 4444.", "[222 33 4444]");
    pii_expect(1 << SSN, "customerSSN=222.33.4444, SSN222-33-4444", "[222.33.4444][222-33-4444]");
    pii_expect(1 << SSN, "john@acme.com222-33-4444 and 222 - 33 - 4444", "[222-33-4444][222 - 33 - 4444]");
    pii_expect(1 << SSN, "abc 078 05 1123 abc", "[078 05 1123]");
}

static void ssn_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "000-12-3456 666-12-3456 900-12-3456 999-99-9999", /* areas */
        "123-00-4567 123-45-0000", /* group, serial */
        "123-45-67890 1123-45-6789 123-45-6789-1 1-123-45-6789", /* longer numbers */
        "x123-45-6789 123-45-6789x 123-45.6789 123 454 6789",
        "order 222334444, see 222334444", /* nine digits without a word */
        "Suspicious token 123 45 6789 appears.",
        "Suite 680 36 4022 Oakridge Lane",
        "Zipcode 07805-1121 and 90213-1544",
        "Population: 222 33 4444 5555",
        "phone 222334444",
    };
    pii_expect_all(SSN, texts, COUNT(texts), false);
}

static void ssn_confidence(void **state) {
    (void)state;
    double said = pii_confidence(SSN, "my ssn is 222-33-4444"), bare = pii_confidence(SSN, "it is 222-33-4444"),
           against = pii_confidence(SSN, "part 222-33-4444"), spaced = pii_confidence(SSN, "it is 222 33 4444");
    assert_true(said > bare && bare > against && against > 0);
    assert_true(bare > spaced && spaced > 0);
}

static void sin_found(void **state) {
    (void)state;
    static const char *const alone[] = {"130 692 544", "130-692-544", "550090112", "948 584 792"};
    pii_expect_all(CA_SIN, alone, COUNT(alone), true);
    pii_expect(1 << CA_SIN, "my SIN is 130692544", "[130692544]");
    pii_expect(1 << CA_SIN, "Social Insurance Number: 130 692 544.", "[130 692 544]");
    pii_expect(1 << CA_SIN, "numéro d'assurance sociale 130 692 544", "[130 692 544]");
    pii_expect(1 << CA_SIN, "{\"sin\": \"130692544\"}", "[130692544]");
}

static void sin_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "130 692 545",
        "046 454 286",
        "830 692 547",
        "130-692 544",
        "13069254",
        "1306925440", /* Luhn, first digit, form */
        "130-692-544-1",
        "a130692544",
        "id 130692544 in a text",
        "call 130 692 544",
        "130 692 544 people live there",
    };
    pii_expect_all(CA_SIN, texts, COUNT(texts), false);
}

static void phones_american(void **state) {
    (void)state;
    static const char *const alone[] = {
        "(415) 555-0132",   "(415)555-0132",  "415-555-0132",      "415.555.0132",    "415 555 0132",
        "1-415-555-0132",   "1 415 555 0132", "+1 (415) 555-0132", "+14155550132",    "+1-415-555-0132",
        "001-415-555-0132", "415/555-0132",   "( 415 ) 555-0132",  "415-555-0132x12", "(415)555-0132x0135",
    };
    pii_expect_all(PHONE, alone, COUNT(alone), true);
    pii_expect(1 << PHONE, "Call me at 4155550132 or 418 8764312.", "[4155550132][418 8764312]");
    pii_expect(1 << PHONE, "{\"phone\":\"4155550132\",\"homePhone\":\"14155550133\"}", "[4155550132][14155550133]");
    pii_expect(1 << PHONE, "Fax: (898)666-3621x0135", "[(898)666-3621x0135]"); /* no area, but called a fax */
    pii_expect(1 << PHONE, "Desk: 5551234567 ext 9", "[5551234567]");
    pii_expect(1 << PHONE, "2024-01-15 415-555-0132, 2 cards", "[415-555-0132]");
    pii_expect(1 << PHONE, "7,415-555-0132,415-555-0133,8", "[415-555-0132][415-555-0133]");
    pii_expect(1 << PHONE, "085 175 7641-Office\\,3660170548-Fax", "[085 175 7641][3660170548]");
    pii_expect(1 << PHONE, "930.167.3943 fax\n+447700677662 mobile", "[930.167.3943][+447700677662]");
    pii_expect(1 << PHONE, "the phone (415) 555-0132) and tel:+1-415-555-0132", "[(415) 555-0132][+1-415-555-0132]");
}

static void phones_abroad(void **state) {
    (void)state;
    static const char *const alone[] = {
        "+44 (20) 7123 4567", "+46 (0)157 548 89", "+447700 921 916",     "+55 11 98456 5666", "+49 30 1234567",
        "+30 21 0 1234567",   "+34983453999",      "+41 (0)85 806 98 67", "+86 138 1234 5678", "+971 50 123 4567",
    };
    pii_expect_all(PHONE, alone, COUNT(alone), true);
    pii_expect(1 << PHONE, "Phone: 0490 75 40 81", "[0490 75 40 81]");
    pii_expect(1 << PHONE, "How can we reach you? You can call 01.41.28.69.59", "[01.41.28.69.59]");
    pii_expect(1 << PHONE, "Mobile: 723 813 266\nDesk: (03) 5327 5996", "[723 813 266][(03) 5327 5996]");
    pii_expect(1 << PHONE, "电话：010 6552 9988", "[010 6552 9988]");
    pii_expect(1 << PHONE, "Téléphone (mobile) : 06 12 34 56 78", "[06 12 34 56 78]");
    pii_expect(1 << PHONE, "My CN number is 13812345678", "[13812345678]");
}

static void phones_not_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        "123-456-7890 415-155-0132 911-555-0132 415-911-1234 290-555-0132 see", /* the NANP's rules */
        "4155550132 14155550132 1415555013", /* no word */
        "3.14159265358979 0.4155550132 415-555-01322 2415-555-0132 $4155550132 415-555-0132%",
        "x415-555-0132 415-555-0132a 415-555-0132-1 2024-01-15 10:30:45",
        "ISBN 978-3-16-148410-0 or 978-0-306-40615-7",
        "x-ratelimit-remaining-tokens: 39999826\nx-ratelimit-reset: 1",
        "order 415 555 0132, account 4155550132",
        "550e8400-e29b-41d4-a716-446655440000",
        "+1000000 +20240115 +999 555 1234 +1 415 555",
        "call option: 2024-01-15 12/01/1981 15.01.2024",
        "reach 1 000 000 users",
        "ZIP 94105 is not a phone",
        "Sequence 1234 5678 90 is not a card",
        "The numbers are 9454354311 and 2074234567",
    };
    pii_expect_all(PHONE, texts, COUNT(texts), false);
}

static void phone_confidence(void **state) {
    (void)state;
    double said = pii_confidence(PHONE, "my phone is 415-555-0132"), bare = pii_confidence(PHONE, "it is 415-555-0132"),
           against = pii_confidence(PHONE, "order 415-555-0132"), loose = pii_confidence(PHONE, "it is 415 555 0132");
    assert_true(said > bare && bare > loose && loose > against && against > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ssn_found),     cmocka_unit_test(ssn_not_found),    cmocka_unit_test(ssn_confidence),
        cmocka_unit_test(sin_found),     cmocka_unit_test(sin_not_found),    cmocka_unit_test(phones_american),
        cmocka_unit_test(phones_abroad), cmocka_unit_test(phones_not_found), cmocka_unit_test(phone_confidence),
    };
    return cmocka_run_group_tests(tests, pii_setup, pii_teardown);
}
