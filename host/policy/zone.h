/* Time zones from the system's database (TZif, RFC 8536). No function here touches the process's own zone. */
#ifndef MG_POLICY_ZONE_H
#define MG_POLICY_ZONE_H

#include "base/str.h"

enum { MG_ZONE_CHANGES = 512, MG_ZONE_FILE_MAX = 32 << 10 };

/* When daylight saving time begins or ends, as the last line of a TZif file says. */
typedef struct mg_zone_day {
    enum {
        MG_ZONE_JULIAN,
        MG_ZONE_ORDINAL,
        MG_ZONE_WEEKDAY
    } kind; /* Jn: 1 to 365, never 29 February; n: from 0; Mm.w.d */
    int month, week, day;
    int32_t time; /* seconds of local time from midnight */
} mg_zone_day;

typedef struct mg_zone {
    size_t n;
    struct {
        int64_t at; /* Unix seconds */
        int32_t offset; /* seconds east of UTC from then on */
    } changes[MG_ZONE_CHANGES];
    int32_t first; /* offset before the first change */
    bool rule; /* after the last change, the following hold; else its offset stays */
    bool daylight;
    int32_t standard_offset, daylight_offset;
    mg_zone_day start, end;
} mg_zone;

/* Letters, digits, '_', '+', '-' and single '/': nothing that could leave the database's folder. */
bool mg_zone_name_ok(mg_str name);
/* Reads a file's bytes; false if they are not a zone that fits. */
bool mg_zone_parse(mg_str bytes, mg_zone *out);
/* Reads the zone of that name. MG_DECLINED: there is none. */
mg_status mg_zone_load(mg_str name, mg_zone *out, mg_error *error);
int32_t mg_zone_offset(const mg_zone *z, int64_t unix_s);

#endif
