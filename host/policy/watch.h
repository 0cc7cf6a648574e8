/* Notices changes of the policy folders: by inotify on every folder, and by comparing what stat says, for file systems that
 * send no events (network, some container layers). */
#ifndef MG_POLICY_WATCH_H
#define MG_POLICY_WATCH_H

#include "policy/source.h"

typedef struct mg_watcher mg_watcher; /* of one thread; the folder may come and go */

mg_watcher *mg_watcher_create(mg_str folder); /* never NULL: without inotify only the comparison is left */
void mg_watcher_destroy(mg_watcher *w);
int mg_watcher_fd(const mg_watcher *w); /* readable when something happened; -1: no inotify */
/* Reads what is to be read; true if anything was. */
bool mg_watcher_drain(mg_watcher *w);
/* A number made of every folder's and file's name, size, inode and time of change. Watches folders that are new. */
uint64_t mg_watcher_stamp(mg_watcher *w);

#endif
