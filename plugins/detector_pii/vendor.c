/* Keys that vendors made to be recognized: a prefix, then so many characters of an alphabet, as they document them. */
#include "secret.h"
#include "text.h"

#include <string.h>
#include <strings.h>

enum { STRICT = 100 };

const mg_pii_vendor mg_pii_vendors[] = {
    {"ABIA", MG_PII_UPPER, 16, 16},
    {"ABSK", MG_PII_BASE64, 100, 300},
    {"ACCA", MG_PII_UPPER, 16, 16},
    {"AGE-SECRET-KEY-1", MG_PII_UPPER, 58, 58},
    {"AIza", MG_PII_URL, 35, 35},
    {"AKIA", MG_PII_UPPER, 16, 16},
    {"AKID", MG_PII_ALNUM, 32, 36},
    {"ASIA", MG_PII_UPPER, 16, 16},
    {"ATATT3", MG_PII_BASE64, 50, 300},
    {"ATBB", MG_PII_ALNUM, 32, 32},
    {"ATCTT3", MG_PII_BASE64, 50, 300},
    {"CFPAT-", MG_PII_URL, 43, 43},
    {"EAAA", MG_PII_URL, 56, 300},
    {"EAACEdEose0cBA", MG_PII_ALNUM, 20, 300},
    {"EAA", MG_PII_ALNUM, 80, 400},
    {"EZAK", MG_PII_ALNUM, 54, 54},
    {"EZTK", MG_PII_ALNUM, 54, 54},
    {"FLWSECK-", MG_PII_HEX, 32, 40},
    {"FLWSECK_TEST-", MG_PII_HEX, 12, 40},
    {"GOCSPX-", MG_PII_URL, 28, 28},
    {"GR1348941", MG_PII_URL, 20, 20},
    {"HRKU-", MG_PII_URL, 36, 70},
    {"LTAI", MG_PII_ALNUM, 16, 26},
    {"NRAA-", MG_PII_HEX, 27, 27},
    {"NRAK-", MG_PII_UPPER, 27, 27},
    {"NRII-", MG_PII_URL, 32, 32},
    {"NRJS-", MG_PII_HEX, 19, 19},
    {"PMAK-", MG_PII_URL, 50, 70},
    {"PMAT-", MG_PII_UPPER, 26, 26},
    {"PRIVATE-TOKEN-", MG_PII_URL, 20, 60},
    {"SG.", MG_PII_DOTTED, 40, 80},
    {"SK", MG_PII_HEX, 32, 32},
    {"SWMTKN-1-", MG_PII_URL, 70, 80},
    {"akab-", MG_PII_URL, 30, 60},
    {"amzn.mws.", MG_PII_URL, 36, 40},
    {"api_org_", MG_PII_ALNUM, 34, 34},
    {"bedrock-api-key-", MG_PII_BASE64, 60, 2000},
    {"cfat_", MG_PII_ALNUM, 40, 60},
    {"cfk_", MG_PII_ALNUM, 40, 60},
    {"cfut_", MG_PII_ALNUM, 40, 60},
    {"csk-", MG_PII_ALNUM, 40, 60},
    {"dapi", MG_PII_HEX, 32, 34},
    {"dckr_oat_", MG_PII_URL, 20, 100},
    {"dckr_pat_", MG_PII_URL, 20, 100},
    {"discord.com/api/webhooks/", MG_PII_PATH, 60, 200},
    {"discordapp.com/api/webhooks/", MG_PII_PATH, 60, 200},
    {"doo_v1_", MG_PII_HEX, 64, 64},
    {"dop_v1_", MG_PII_HEX, 64, 64},
    {"dor_v1_", MG_PII_HEX, 64, 64},
    {"dose", MG_PII_HEX, 32, 34},
    {"dp.audit.", MG_PII_ALNUM, 40, 44},
    {"dp.ct.", MG_PII_ALNUM, 40, 44},
    {"dp.pt.", MG_PII_ALNUM, 40, 44},
    {"dp.sa.", MG_PII_ALNUM, 40, 44},
    {"dp.scim.", MG_PII_ALNUM, 40, 44},
    {"dp.st.", MG_PII_DOTTED, 40, 80},
    {"dt0c01.", MG_PII_DOTTED, 80, 100},
    {"duffel_live_", MG_PII_URL, 43, 43},
    {"duffel_test_", MG_PII_URL, 43, 43},
    {"eyJrIjoi", MG_PII_BASE64, 50, 400},
    {"figd_", MG_PII_URL, 40, 60},
    {"fio-u-", MG_PII_URL, 64, 64},
    {"fm1r_", MG_PII_BASE64, 60, 1000},
    {"fm2_", MG_PII_BASE64, 60, 1000},
    {"fo1_", MG_PII_URL, 43, 43},
    {"fw_", MG_PII_ALNUM, 22, 40},
    {"gho_", MG_PII_ALNUM, 36, 255},
    {"ghp_", MG_PII_ALNUM, 36, 255},
    {"ghr_", MG_PII_ALNUM, 36, 255},
    {"ghs_", MG_PII_DOTTED, 36, 2000},
    {"ghu_", MG_PII_ALNUM, 36, 255},
    {"github_pat_", MG_PII_URL, 40, 255},
    {"glagent-", MG_PII_URL, 20, 300},
    {"glc_", MG_PII_BASE64, 32, 400},
    {"glcbt-", MG_PII_URL, 20, 300},
    {"gldt-", MG_PII_URL, 20, 300},
    {"glffct-", MG_PII_URL, 20, 300},
    {"glft-", MG_PII_URL, 20, 300},
    {"glimt-", MG_PII_URL, 20, 300},
    {"gloas-", MG_PII_URL, 20, 300},
    {"glpat-", MG_PII_DOTTED, 20, 300},
    {"glptt-", MG_PII_URL, 20, 300},
    {"glrt-", MG_PII_DOTTED, 20, 300},
    {"glrtr-", MG_PII_DOTTED, 20, 300},
    {"glsa_", MG_PII_URL, 41, 41},
    {"glsoat-", MG_PII_URL, 20, 300},
    {"glwt-", MG_PII_URL, 20, 300},
    {"gsk_", MG_PII_ALNUM, 40, 64},
    {"hf_", MG_PII_ALNUM, 30, 40},
    {"hooks.slack.com/services/", MG_PII_PATH, 30, 200},
    {"hvb.", MG_PII_URL, 100, 300},
    {"hvr.", MG_PII_URL, 24, 300},
    {"hvs.", MG_PII_URL, 24, 300},
    {"jina_", MG_PII_ALNUM, 60, 64},
    {"key-", MG_PII_HEX, 32, 32},
    {"lin_api_", MG_PII_ALNUM, 40, 40},
    {"lin_oauth_", MG_PII_HEX, 64, 64},
    {"llx-", MG_PII_URL, 40, 60},
    {"lsv2_pt_", MG_PII_URL, 40, 60},
    {"lsv2_sk_", MG_PII_URL, 40, 60},
    {"mg-", MG_PII_URL, 43, 43},
    {"nfp_", MG_PII_ALNUM, 36, 40},
    {"npm_", MG_PII_ALNUM, 36, 36},
    {"ntn_", MG_PII_ALNUM, 40, 60},
    {"nvapi-", MG_PII_URL, 60, 70},
    {"ops_eyJ", MG_PII_BASE64, 200, 1500},
    {"oy2", MG_PII_ALNUM, 43, 43},
    {"pa-", MG_PII_URL, 43, 43},
    {"pcsk_", MG_PII_URL, 50, 90},
    {"phc_", MG_PII_ALNUM, 40, 60},
    {"phx_", MG_PII_ALNUM, 40, 60},
    {"pk_live_", MG_PII_ALNUM, 16, 255},
    {"pk_test_", MG_PII_ALNUM, 16, 255},
    {"pnu_", MG_PII_ALNUM, 36, 36},
    {"pplx-", MG_PII_ALNUM, 40, 64},
    {"pscale_oauth_", MG_PII_DOTTED, 32, 64},
    {"pscale_pw_", MG_PII_DOTTED, 32, 64},
    {"pscale_tkn_", MG_PII_DOTTED, 32, 64},
    {"pul-", MG_PII_HEX, 40, 40},
    {"pypi-AgEIcHlwaS5vcmc", MG_PII_URL, 30, 400},
    {"pypi-AgENdGVzdC5weXBpLm9yZw", MG_PII_URL, 30, 400},
    {"r8_", MG_PII_ALNUM, 37, 37},
    {"rdme_", MG_PII_ALNUM, 70, 70},
    {"rk_live_", MG_PII_ALNUM, 16, 255},
    {"rk_test_", MG_PII_ALNUM, 16, 255},
    {"rubygems_", MG_PII_HEX, 48, 48},
    {"sb_secret_", MG_PII_URL, 20, 60},
    {"sbp_", MG_PII_HEX, 40, 44},
    {"secret_", MG_PII_ALNUM, 43, 43},
    {"sgp_", MG_PII_HEX, 40, 57},
    {"shippo_live_", MG_PII_HEX, 40, 40},
    {"shippo_test_", MG_PII_HEX, 40, 40},
    {"shpat_", MG_PII_HEX, 32, 64},
    {"shpca_", MG_PII_HEX, 32, 64},
    {"shppa_", MG_PII_HEX, 32, 64},
    {"shpss_", MG_PII_HEX, 32, 64},
    {"shptka_", MG_PII_HEX, 32, 64},
    {"sk-None-", MG_PII_URL, 20, 300},
    {"sk-admin-", MG_PII_URL, 20, 300},
    {"sk-ant-", MG_PII_URL, 20, 300},
    {"sk-lf-", MG_PII_URL, 36, 36},
    {"sk-or-v1-", MG_PII_HEX, 64, 64},
    {"sk-proj-", MG_PII_URL, 20, 300},
    {"sk-svcacct-", MG_PII_URL, 20, 300},
    {"sk-", MG_PII_ALNUM, 32, 64},
    {"sk_live_", MG_PII_ALNUM, 16, 255},
    {"sk_test_", MG_PII_ALNUM, 16, 255},
    {"sl.", MG_PII_URL, 100, 300},
    {"sntrys_", MG_PII_BASE64, 60, 400},
    {"sntryu_", MG_PII_HEX, 64, 64},
    {"sq0atp-", MG_PII_URL, 22, 22},
    {"sq0csp-", MG_PII_URL, 43, 43},
    {"sqa_", MG_PII_HEX, 40, 40},
    {"sqp_", MG_PII_HEX, 40, 40},
    {"squ_", MG_PII_HEX, 40, 40},
    {"sub_sk_", MG_PII_URL, 30, 60},
    {"tfp_", MG_PII_DOTTED, 40, 60},
    {"tgp_v1_", MG_PII_URL, 40, 60},
    {"tk-us-", MG_PII_URL, 48, 48},
    {"tvly-", MG_PII_URL, 28, 60},
    {"v1.0-", MG_PII_URL, 100, 300},
    {"vcp_", MG_PII_ALNUM, 50, 64},
    {"voyage-", MG_PII_URL, 43, 43},
    {"whsec_", MG_PII_BASE64, 24, 100},
    {"xai-", MG_PII_ALNUM, 60, 100},
    {"xapp-", MG_PII_URL, 20, 300},
    {"xkeysib-", MG_PII_URL, 80, 90},
    {"xoxa-", MG_PII_DOTTED, 20, 300},
    {"xoxb-", MG_PII_DOTTED, 20, 300},
    {"xoxc-", MG_PII_DOTTED, 20, 300},
    {"xoxd-", MG_PII_BASE64, 20, 600},
    {"xoxe-", MG_PII_DOTTED, 20, 400},
    {"xoxe.xoxb-", MG_PII_URL, 20, 400},
    {"xoxe.xoxp-", MG_PII_URL, 20, 400},
    {"xoxp-", MG_PII_DOTTED, 20, 300},
    {"xoxr-", MG_PII_DOTTED, 20, 300},
    {"xoxs-", MG_PII_DOTTED, 20, 300},
    {"xsmtpsib-", MG_PII_URL, 80, 90},
    {"ya29.", MG_PII_DOTTED, 30, 2048},
};
const size_t mg_pii_vendors_n = sizeof mg_pii_vendors / sizeof mg_pii_vendors[0];

bool mg_pii_in_alphabet(char c, mg_pii_alphabet a) {
    switch (a) {
    case MG_PII_DIGITS: return mg_pii_is_digit(c);
    case MG_PII_HEX: return mg_pii_is_hex(c);
    case MG_PII_UPPER: return mg_pii_is_digit(c) || mg_pii_is_upper(c);
    case MG_PII_ALNUM: return mg_pii_is_alnum(c);
    case MG_PII_URL: return mg_pii_is_word(c) || c == '-';
    case MG_PII_DOTTED: return mg_pii_is_word(c) || c == '-' || c == '.';
    case MG_PII_BASE64: return mg_pii_is_word(c) || c == '-' || c == '+' || c == '/' || c == '=';
    case MG_PII_VALUE: return mg_pii_is_word(c) || c == '-' || c == '+' || c == '/';
    case MG_PII_PATH: return mg_pii_is_word(c) || c == '-' || c == '/';
    }
    return false;
}

/* "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx" stands for a key, and is none. */
static bool is_uniform(const char *p, size_t n) {
    uint64_t seen[2] = {0};
    int distinct = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)p[i] & 127;
        distinct += !(seen[c >> 6] >> (c & 63) & 1);
        seen[c >> 6] |= UINT64_C(1) << (c & 63);
    }
    return distinct < 6;
}

/* Neither does "sk-proj-your-key-goes-here-please" hold one. */
static bool has_digit(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (mg_pii_is_digit(p[i])) return true;
    return false;
}

static size_t run_end(mg_str text, size_t i, size_t most, mg_pii_alphabet alphabet) {
    size_t stop = text.n - i > most ? i + most : text.n;
    while (i < stop && mg_pii_in_alphabet(text.p[i], alphabet)) i++;
    return i;
}

/* "\\=" and "%3D", as programs and URLs write the '=' inside of some. */
static size_t escaped_end(mg_str text, size_t i) {
    if (text.n - i > 2 && strncasecmp(text.p + i, "%3d", 3) == 0) return i + 3;
    return text.n - i > 1 && memcmp(text.p + i, "\\=", 2) == 0 ? i + 2 : i;
}

/* The first STRICT bytes decide, so that little is looked at in vain: a prefix may come again and again. */
static size_t tail_end(mg_str text, size_t at, const mg_pii_vendor *v) {
    bool digits = v->alphabet != MG_PII_UPPER && v->alphabet != MG_PII_BASE64;
    size_t first = at + strlen(v->prefix), i = run_end(text, first, STRICT + 1, v->alphabet);
    if (i - first < (v->least < STRICT ? v->least : STRICT) || is_uniform(text.p + first, i - first)) return 0;
    if ((v->most <= STRICT && i - first > v->most) || (digits && !has_digit(text.p + first, i - first))) return 0;
    for (size_t from = first; i > from && v->most > STRICT;) {
        from = run_end(text, i, text.n, v->alphabet);
        i = v->alphabet == MG_PII_BASE64 ? escaped_end(text, from) : from;
    }
    while (v->alphabet == MG_PII_DOTTED && text.p[i - 1] == '.') i--;
    return i - first < v->least || mg_pii_is_alnum(mg_pii_behind(text, i, 1)) ? 0 : i;
}

size_t mg_pii_vendor_end(mg_str text, size_t at) {
    size_t low = 0, high = mg_pii_vendors_n;
    unsigned char c = (unsigned char)text.p[at];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((unsigned char)mg_pii_vendors[middle].prefix[0] < c)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < mg_pii_vendors_n && (unsigned char)mg_pii_vendors[low].prefix[0] == c; low++) {
        const mg_pii_vendor *v = &mg_pii_vendors[low];
        if (at + 1 < text.n && v->prefix[1] != text.p[at + 1]) continue;
        size_t n = strlen(v->prefix);
        if (text.n - at < n + v->least || memcmp(text.p + at, v->prefix, n) != 0) continue;
        size_t end = tail_end(text, at, v);
        if (end) return end;
    }
    return 0;
}
