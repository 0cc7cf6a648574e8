/* Counts the tokens of texts again and again on one thread: tokens FILE.bpe TEXTS SECONDS. TEXTS holds, for each
 * text, its bytes as 32 bits in native order and then itself. Prints bytes a second, and the tokens of one pass. */
#include "base/arena.h"
#include "base/bpe.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static mg_str read_all(const char *path) {
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) exit(1);
    size_t n = (size_t)ftell(in);
    char *p = mg_malloc(n + 1);
    rewind(in);
    if (fread(p, 1, n, in) != n) exit(1);
    fclose(in);
    return mg_str_from(p, n);
}

/* Seconds of the CPU, so that what else the machine does counts less. */
static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    mg_error error;
    if (argc != 4) return 2;
    mg_bpe *b = mg_bpe_open(argv[1], &error);
    if (!b) return fprintf(stderr, "%s\n", error.text), 1;
    mg_str all = read_all(argv[2]);
    uint32_t *ids = mg_malloc((all.n + 1) * sizeof *ids);
    size_t tokens = 0, bytes = 0;
    double began = cpu_seconds(), limit = atof(argv[3]), took;
    do {
        tokens = 0;
        for (mg_str left = all; left.n;) {
            uint32_t n;
            memcpy(&n, left.p, sizeof n);
            tokens += mg_bpe_encode(b, mg_str_from(left.p + sizeof n, n), ids);
            bytes += n;
            left = mg_str_skip(left, sizeof n + n);
        }
    } while ((took = cpu_seconds() - began) < limit);
    printf("%.0f %zu\n", (double)bytes / took, tokens);
    return 0;
}
