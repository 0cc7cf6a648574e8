/* What operators see of circuit breakers: a line in the log for each change, and metrics. */
#ifndef MG_APP_CIRCUIT_REPORT_H
#define MG_APP_CIRCUIT_REPORT_H

#include "gateway/worker.h"

/* For mg_circuits_create: logs the change and counts it; `metrics` is an mg_metrics. Any thread. */
void mg_circuit_report(void *metrics, const mg_circuit_change *change);
/* Appends gauges of all circuits and key rings in Prometheus' text format: at most 2,000 targets. */
void mg_circuit_metrics(mg_gateway *g, mg_buf *out);

#endif
