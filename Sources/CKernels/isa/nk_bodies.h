// Everything of one instruction set and one element type, and its table.
#define NK_GROUP 4
#include "nk_vec.h"
#include "../bodies/elementary.inc"
#include "../bodies/trigonometry.inc"
#include "../bodies/ewise_groups.inc"
#include "../bodies/tile_block.inc"
#undef NK_COUNT
#undef NK_GROUP
#if NK_VECTOR_BYTES == 64
#define NK_GROUP 0
#include "nk_vec.h"
#include "../bodies/register_tiles.inc"
#undef NK_GROUP
#endif
#define NK_GROUP 1
#include "nk_vec.h"
#include "../bodies/elementary.inc"
#include "../bodies/trigonometry.inc"
#include "../bodies/erf.inc"
#include "../bodies/power.inc"
#include "../bodies/ewise.inc"
#include "../bodies/reduce.inc"
#include "../bodies/solver.inc"
#include "../bodies/pace.inc"
#include "../bodies/columns.inc"
#include "../bodies/register_tiles.inc"
#include "../bodies/matmul.inc"
#include "../bodies/small_matrix.inc"
#include "../bodies/small_orthogonal.inc"
#include "../bodies/conv.inc"
#include "../bodies/norm_pool.inc"
#include "nk_table.h"
#undef NK_COUNT
#undef NK_GROUP
