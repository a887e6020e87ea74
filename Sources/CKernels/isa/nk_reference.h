#ifndef NK_CONCAT
#define NK_CONCAT_(a, b, c, d) a##b##c##d
#define NK_CONCAT(a, b, c, d) NK_CONCAT_(a, b, c, d)
#endif
#undef NK_T
#undef NK_TYPE_SUFFIX
#undef NK_FN
#if NK_DOUBLE
#define NK_T double
#define NK_TYPE_SUFFIX _f64
#else
#define NK_T float
#define NK_TYPE_SUFFIX _f32
#endif
#define NK_ISA_SUFFIX _reference
#define NK_LANES 1
#define NK_FN(name) NK_CONCAT(nk_, name, NK_ISA_SUFFIX, NK_TYPE_SUFFIX)
#include "../bodies/reference_ewise.inc"
#include "../bodies/pace.inc"
#include "../bodies/columns.inc"
#include "../bodies/reference_matmul.inc"
#include "../bodies/reference_matrix.inc"
#include "../bodies/reference_conv.inc"
#include "../bodies/reference_norm_pool.inc"
#include "nk_table.h"
#undef NK_LANES
#undef NK_ISA_SUFFIX
