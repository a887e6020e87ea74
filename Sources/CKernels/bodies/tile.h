// What a register tile does with the sums it has formed, for all instruction sets and element types.
#ifndef NK_TILE_H
#define NK_TILE_H
typedef enum nk_tile_mode {
  NK_TILE_ASSIGN,   // c = sum
  NK_TILE_CONTINUE, // c = c + sum, as one chain that an earlier block began
  NK_TILE_ADD       // c += scale * sum
} nk_tile_mode;
// Elements of k in one block: a panel's slice of 256 rows is 16 KB with 32-byte vectors, half of a
// first-level cache.
#define NK_K_BLOCK 256
// Rows that go through all panels before the next ones; a multiple of every table's tile height.
#define NK_ROW_BLOCK 48
// Columns of the left operand that a sum of outer products copies at once; likewise a multiple of every
// height.
#define NK_STRIP_COLUMNS 48
// Source positions of which the filter gradient copies a strip at once: about a first-level cache.
#define NK_SOURCE_BLOCK 1280
// What certainly stays in a first-level cache.
#define NK_SMALL_BYTES 16384
#endif
