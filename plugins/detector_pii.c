/* The detector of personal data and secrets. Its handle is read-only after `open`, so all workers share it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <moongate/plugin.h>

#include "detector_pii/scan.h"
#include <pcre2.h>

enum { EMAIL, CREDIT_CARD, SSN, CA_SIN, PHONE, IP_ADDRESS, IBAN, SECRET, TYPES };

const mg_detector_type mg_pii_types[TYPES] = {
    [EMAIL] = {"email", MG_SEVERITY_MEDIUM, 320}, /* RFC 5321 4.5.3.1: 64 + 1 + 255 */
    [CREDIT_CARD] = {"credit_card", MG_SEVERITY_HIGH, 73}, /* 19 digits, a separator of three bytes between any two */
    [SSN] = {"ssn", MG_SEVERITY_HIGH, 27}, /* nine digits, two dashes with spaces around, all of three bytes */
    [CA_SIN] = {"ca_sin", MG_SEVERITY_HIGH, 15},
    [PHONE] = {"phone", MG_SEVERITY_MEDIUM, 160}, /* 15 digits, three separators between any two, an extension */
    [IP_ADDRESS] = {"ip_address", MG_SEVERITY_LOW, 66}, /* 45, "%" and a zone, "/128" */
    [IBAN] = {"iban", MG_SEVERITY_HIGH, 58}, /* 34 in groups of four */
    [SECRET] = {"secret", MG_SEVERITY_CRITICAL, 4096}, /* longer keys are reported in pieces */
};
const size_t mg_pii_types_n = TYPES;

const mg_pii_rule mg_pii_rules[] = {
    {EMAIL, mg_pii_email_gate, mg_pii_email_pattern, PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_EXTENDED,
     true, mg_pii_email_valid},
    {CREDIT_CARD, mg_pii_card_gate, mg_pii_card_pattern, PCRE2_EXTENDED, false, mg_pii_card_valid},
    {SSN, mg_pii_number_gate, mg_pii_ssn_pattern, PCRE2_EXTENDED, false, mg_pii_ssn_valid},
    {CA_SIN, mg_pii_number_gate, mg_pii_sin_pattern, PCRE2_EXTENDED, false, mg_pii_sin_valid},
    {PHONE, mg_pii_number_gate, mg_pii_phone_pattern, PCRE2_EXTENDED, false, mg_pii_phone_valid},
    {IP_ADDRESS, mg_pii_ip4_gate, NULL, 0, false, mg_pii_ip4_valid},
    {IP_ADDRESS, mg_pii_ip6_gate, NULL, 0, false, mg_pii_ip6_valid},
    {IBAN, mg_pii_iban_gate, NULL, 0, false, mg_pii_iban_valid},
    {SECRET, mg_pii_secret_gate, NULL, 0, false, mg_pii_secret_valid},
    {SECRET, mg_pii_pem_gate, NULL, 0, false, mg_pii_pem_valid},
};
const size_t mg_pii_rules_n = sizeof mg_pii_rules / sizeof mg_pii_rules[0];

static const mg_setting pii_settings[] = {
    {"jit", MG_SETTING_BOOL, "true", false,
     "compile patterns to machine code; false where the system forbids memory that is made executable"},
    {NULL, MG_SETTING_STRING, NULL, false, NULL}};

static void *pii_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)host;
    return mg_pii_scanner_create(settings->integer(settings->ctx, "jit"), error);
}

static void pii_close(void *shared) { mg_pii_scanner_destroy(shared); }

static mg_status pii_scan(void *self, mg_str text, uint64_t wanted, void (*found)(void *arg, const mg_span *span),
                          void *arg, mg_error *error) {
    return mg_pii_scan(self, text, wanted, found, arg, error);
}

static const mg_detector pii_ops = {
    .size = sizeof(mg_detector),
    .types = mg_pii_types,
    .n_types = TYPES,
    .scan = pii_scan,
};

static const mg_plugin pii_plugin = {
    .abi = MG_PLUGIN_ABI,
    .kind = MG_KIND_DETECTOR,
    .size = sizeof(mg_plugin),
    .name = "pii",
    .version = MOONGATE_VERSION,
    .doc = "Finds personal data and secrets in text: e-mail addresses, payment cards, US and Canadian social numbers, "
           "phone numbers, IP addresses, IBANs, keys and tokens.",
    .settings = pii_settings,
    .ops = &pii_ops,
    .open = pii_open,
    .close = pii_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
const mg_plugin *moongate_plugin(void) { return &pii_plugin; }
