/* Exact token counts: byte-pair encoding with the vocabularies o200k_base and cl100k_base, the same ids as tiktoken's
 * encode_ordinary (the marks of special tokens are plain text). A vocabulary is a file that the build makes (see
 * ranks/ranks.cmake), mapped when first asked for; until then, and where it is missing, it costs nothing. */
#ifndef MG_BASE_BPE_H
#define MG_BASE_BPE_H

#include "base/str.h"

typedef enum mg_bpe_encoding { MG_BPE_O200K, MG_BPE_CL100K, MG_BPE_ENCODINGS } mg_bpe_encoding;

typedef struct mg_bpe mg_bpe; /* immutable: any number of threads may use one */

const char *mg_bpe_name(mg_bpe_encoding e); /* "o200k_base" */
/* True and *e for "o200k_base" or "cl100k_base". */
bool mg_bpe_named(mg_str name, mg_bpe_encoding *e);

/* The program's vocabulary, mapped at the first call by whichever thread comes first, never unmapped. It is looked for
 * in "ranks" beside the program, one folder above it, and where an installation puts it. NULL if it isn't there or is
 * damaged: *error (which may be NULL) says so, each time. */
const mg_bpe *mg_bpe_get(mg_bpe_encoding e, mg_error *error);
/* A vocabulary of one's own, from a file. NULL and *error if it can't be used. */
mg_bpe *mg_bpe_open(const char *path, mg_error *error);
void mg_bpe_close(mg_bpe *b); /* NULL is fine */

/* Number of tokens; `ids` takes text.n of them, or is NULL. About 10 to 30 ns per byte. Bytes that are not UTF-8 count
 * as characters of no class, so every byte string has tokens. Not for long texts on an event loop: there
 * mg_bpe_encode_some. */
size_t mg_bpe_encode(const mg_bpe *b, mg_str text, uint32_t *ids);
/* The same for the first pieces of the text that come to at least `bytes` (or all of it): *used says how many bytes
 * they are, and the caller goes on behind them with the same result as in one go. Pieces are words, mostly; a text
 * without any border in it is one piece however long, up to MG_BPE_PIECE_MAX, and takes about 250 ns and 40 bytes of
 * memory per byte. */
size_t mg_bpe_encode_some(const mg_bpe *b, mg_str text, size_t bytes, uint32_t *ids, size_t *used);
enum { MG_BPE_PIECE_MAX = 16 << 20 }; /* a piece that is longer is cut there: the one case that may differ */

/* Bytes of a token, borrowed from the vocabulary; {NULL, 0} if there is no such id. */
mg_str mg_bpe_token(const mg_bpe *b, uint32_t id);
size_t mg_bpe_size(const mg_bpe *b); /* ids are below it */
/* The token that is exactly these bytes, or MG_BPE_NONE. */
uint32_t mg_bpe_find(const mg_bpe *b, mg_str bytes);
#define MG_BPE_NONE UINT32_MAX
/* Bytes of the first piece of a text that is not empty: what is merged on its own. */
size_t mg_bpe_piece(const mg_bpe *b, mg_str text);

#endif
