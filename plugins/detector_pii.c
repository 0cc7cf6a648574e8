/* The detector of personal data. Its handle is read-only after `open`, so all workers share it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <moongate/plugin.h>

#include "detector_pii/scan.h"
#include <pcre2.h>

const mg_detector_type mg_pii_types[] = {
    {"email", MG_SEVERITY_MEDIUM, 320}, /* RFC 5321 4.5.3.1: 64 + 1 + 255 */
    {"credit_card", MG_SEVERITY_HIGH, 37}, /* 19 digits, a separator between any two */
};
enum { TYPES = sizeof mg_pii_types / sizeof mg_pii_types[0] };
const size_t mg_pii_types_n = TYPES;

const mg_pii_rule mg_pii_rules[] = {
    {
        .pattern = mg_pii_email_pattern,
        .options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_EXTENDED,
        .once = true,
        .gate = mg_pii_email_gate,
        .valid = mg_pii_email_valid,
    },
    {
        .pattern = mg_pii_card_pattern,
        .options = PCRE2_EXTENDED,
        .gate = mg_pii_card_gate,
        .valid = mg_pii_card_valid,
    },
};
_Static_assert(sizeof mg_pii_rules / sizeof mg_pii_rules[0] == TYPES, "each type has its rule");

static void *pii_open(const mg_host *host, const mg_settings *settings, mg_error *error) {
    (void)host;
    (void)settings;
    return mg_pii_scanner_create(error);
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
    .doc = "Finds personal data in text: e-mail addresses and payment card numbers.",
    .ops = &pii_ops,
    .open = pii_open,
    .close = pii_close,
};

MG_PLUGIN_EXPORT const mg_plugin *moongate_plugin(void);
const mg_plugin *moongate_plugin(void) { return &pii_plugin; }
