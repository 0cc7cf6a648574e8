/* Metrics in Prometheus' text format. Series are found once and then counted without a lock. */
#ifndef MG_BASE_METRICS_H
#define MG_BASE_METRICS_H

#include "base/buf.h"

typedef struct mg_metrics mg_metrics; /* one a process; all functions from any thread */
typedef struct mg_series mg_series;   /* lives as long as its mg_metrics */

typedef enum mg_metric_type { MG_COUNTER, MG_GAUGE, MG_HISTOGRAM } mg_metric_type;

mg_metrics *mg_metrics_create(void);
void mg_metrics_destroy(mg_metrics *m);
/* Declares a metric; buckets (upper bounds, ascending) for histograms only. Name and help are copied. Declaring the
 * same name again is fine if type is the same; NULL if it differs, or if the name is not [a-zA-Z_][a-zA-Z0-9_]*.
 * Finds or makes the series of these labels, in whatever order they come; a value is cut at 200 bytes. NULL also if a
 * label's name is not as above, comes twice or is "le" on a histogram, if there are more than 16 labels or 60 buckets,
 * or 1,000 metrics already. */
mg_series *mg_metrics_series(mg_metrics *m, const char *name, mg_metric_type type, const char *help,
                             const double *buckets, size_t n_buckets,
                             const mg_header *labels, size_t n_labels);
/* A metric may have at most 2,000 series (labels can come from policies); beyond that this returns the series whose
 * label values are all "other". */
void mg_series_add(mg_series *s, int64_t n);   /* counter, gauge; NULL is fine */
void mg_series_set(mg_series *s, int64_t n);   /* gauge */
void mg_series_observe(mg_series *s, double v); /* histogram */
int64_t mg_series_value(const mg_series *s);    /* histogram: how many were observed */
/* Writes everything as text/plain; version=0.0.4. */
void mg_metrics_write(mg_metrics *m, mg_buf *out);

#endif
