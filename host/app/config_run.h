/* Runs a configuration file: Lua that can do nothing but compute values, with env, file and include. */
#ifndef MG_APP_CONFIG_RUN_H
#define MG_APP_CONFIG_RUN_H

#include "app/config_outline.h"
#include "app/config_tree.h"

#include <lua.h>

enum {
    MG_CONFIG_FILES_MAX = 64,
    MG_CONFIG_FILE_MAX = 4 << 20, /* bytes of a Lua file */
    MG_CONFIG_SECRET_MAX = 64 << 10, /* bytes of a file() */
    MG_CONFIG_SECRETS_MAX = 1000,
    MG_CONFIG_TREE_MAX = 128 << 20, /* bytes of everything that is kept of a configuration */
    MG_CONFIG_MEMORY = 64 << 20, /* bytes that the Lua state may hold */
    MG_CONFIG_CPU_MS = 2000,
    MG_CONFIG_INSTRUCTIONS = 20 * 1000 * 1000,
    MG_CONFIG_DEPTH_MAX = 32 /* of tables in tables */
};

/* A Lua file that was read. Its number is the chunk's name, so that errors lead back to it whatever its path holds. */
typedef struct mg_config_chunk {
    mg_str path;
    const mg_outline *outline;
    size_t from; /* index of the file that includes it */
    mg_str literal; /* as it is written there */
} mg_config_chunk;

/* A setting that was assigned; its value stands in the table of settings. */
typedef struct mg_config_assignment {
    mg_str key;
    size_t chunk;
    int line; /* that Lua says: where the statement ends */
    struct mg_config_assignment *next;
} mg_config_assignment;

typedef struct mg_config_run {
    mg_arena *arena;
    mg_config_report *report;
    lua_State *L;
    size_t memory;
    bool out_of_memory;
    uint64_t instructions, cpu_us; /* so far, and when it began */
    mg_config_chunk chunks[MG_CONFIG_FILES_MAX];
    size_t n_chunks;
    mg_config_assignment *assignments;
    mg_str watched[4 * MG_CONFIG_FILES_MAX]; /* Lua files and files of file() */
    size_t n_watched;
    size_t secrets; /* calls of file() */
    bool too_large;
} mg_config_run;

/* Runs the file and leaves its settings as an object in *root (NULL if there is none); faults go to the report. The tree
 * and `watched` live in the arena, the rest of `run` is of no use afterwards. */
void mg_config_run_file(mg_config_run *run, mg_str path, const mg_json **root);
/* The whole file, at most `max` bytes, into the arena. False and a sentence (without the path) if it can't be read. */
bool mg_config_read(mg_arena *arena, mg_str path, size_t max, mg_str *text, const char **fault);
/* `path` as seen from the folder of the file `from`. */
mg_str mg_config_beside(mg_arena *arena, mg_str from, mg_str path);

/* The table of settings at the stack's `index` as a tree (config_value.c); NULL if it is too large. Raises Lua errors for
 * want of memory only. */
const mg_json *mg_config_value_root(mg_config_run *run, int index);

#endif
