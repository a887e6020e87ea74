// Batched matrix products of lanes: one packed product where the right operand is shared, else one per
// matrix, without packing where they are small.
#include <string.h>
#include "nk_internal.h"
#pragma STDC FP_CONTRACT OFF

// Right operands of up to this size stay in a first-level cache, and are read where they lie.
enum { SMALL_BYTES = 16384 };
static int is_small(const nk_batched *g, nk_dtype dtype) {
  return g->k * g->n * nk_dtype_bytes(dtype) <= SMALL_BYTES;
}

// One right operand for all rows of a dense left one: the batch merges into rows. Decided by the instruction
// alone: the path, and so the bits, of a lane do not depend on how many lanes there are.
static int shares_right(const nk_batched *g, int has_lanes) {
  return g->b_lane == 0 && g->b_batch == 0 && !g->transpose_a &&
         (g->batch == 1 || g->a_batch == g->m * g->k) && (!has_lanes || g->a_lane == g->batch * g->m * g->k);
}

typedef struct scratch_plan {
  int64_t packed, left, outer, total;
} scratch_plan;
static scratch_plan plan(const nk_batched *g, const nk_kernels *k, nk_dtype dtype) {
  scratch_plan p = {0};
  p.left = p.packed + nk_align(k->packed_bytes(g->k, g->n));
  p.outer = p.left + (g->transpose_a && g->transpose_b ? nk_align(g->m * g->k * nk_dtype_bytes(dtype)) : 0);
  p.total =
      p.outer + (g->transpose_a && !g->transpose_b ? nk_align(k->matmul_outer_scratch(g->k, g->m, g->n)) : 0);
  return p;
}

int64_t nk_batched_scratch(const nk_instr *instr) {
  return plan(&instr->u.batched, nk_kernels_get(instr->dtype), instr->dtype).total;
}

#define DEFINE_TRANSPOSE(T, NAME)                                                                            \
  static void NAME(T *dst, const T *src, int64_t m, int64_t k) { /* src [k, m] -> dst [m, k] */              \
    for (int64_t p = 0; p < k; p++)                                                                          \
      for (int64_t i = 0; i < m; i++) dst[i * k + p] = src[p * m + i];                                       \
  }
DEFINE_TRANSPOSE(float, transpose_f32)
DEFINE_TRANSPOSE(double, transpose_f64)
#undef DEFINE_TRANSPOSE

// One matrix. `packed` already holds b where fresh is 0.
static void one(const nk_batched *g, const nk_kernels *k, const scratch_plan *p, nk_dtype dtype,
                const char *a, const char *b, char *c, char *scratch, int fresh) {
  if (g->transpose_a && !g->transpose_b) {
    const nk_outer_term term = {a, b};
    k->matmul_outer(&term, 1, g->m, g->n, c, g->n, g->k, g->m, g->n, 1, 0, scratch + p->outer);
    return;
  }
  if (fresh)
    k->pack(g->transpose_b ? NK_PACK_MATRIX_TRANSPOSED : NK_PACK_MATRIX, b, scratch + p->packed, g->k, g->n,
            NULL);
  if (g->transpose_a) {
    char *left = scratch + p->left;
    if (dtype == NK_F64)
      transpose_f64((double *)left, (const double *)a, g->m, g->k);
    else
      transpose_f32((float *)left, (const float *)a, g->m, g->k);
    a = left;
  }
  k->matmul(a, g->k, scratch + p->packed, NULL, c, g->n, g->m, g->k, g->n, 1, 0);
}

nk_status nk_batched_execute(const nk_instr *instr, const nk_frame *frame) {
  const nk_batched *g = &instr->u.batched;
  const nk_kernels *k = nk_kernels_get(instr->dtype);
  if (!k) return NK_INVALID_ARGUMENT;
  const int64_t size = nk_dtype_bytes(instr->dtype), lanes = nk_frame_lanes(frame, instr->out[0]);
  const char *a = nk_frame_address(frame, instr->in[0]), *b = nk_frame_address(frame, instr->in[1]);
  char *c = nk_frame_address(frame, instr->out[0]), *scratch = frame->block + instr->scratch;
  const scratch_plan p = plan(g, k, instr->dtype);
  if (shares_right(g, frame->program->buffers[instr->out[0]].has_lanes)) {
    k->pack(g->transpose_b ? NK_PACK_MATRIX_TRANSPOSED : NK_PACK_MATRIX, b, scratch + p.packed, g->k, g->n,
            NULL);
    k->matmul(a, g->k, scratch + p.packed, NULL, c, g->n, lanes * g->batch * g->m, g->k, g->n, 1, 0);
    return NK_SUCCESS;
  }
  if (is_small(g, instr->dtype)) {
    // The longer of the two loops goes to the kernel. With one right operand for all lanes it is transposed
    // once.
    const int over_lanes = lanes >= g->batch || g->b_lane == 0;
    const nk_each_product each = {.m = g->m,
                                  .k = g->k,
                                  .n = g->n,
                                  .transpose_a = g->transpose_a,
                                  .transpose_b = g->transpose_b,
                                  .a_stride = over_lanes ? g->a_lane : g->a_batch,
                                  .b_stride = over_lanes ? g->b_lane : g->b_batch,
                                  .c_stride = (over_lanes ? g->batch : 1) * g->m * g->n};
    const int64_t outer = over_lanes ? g->batch : lanes, inner = over_lanes ? lanes : g->batch;
    const int64_t ao = over_lanes ? g->a_batch : g->a_lane, bo = over_lanes ? g->b_batch : g->b_lane;
    const int64_t co = (over_lanes ? 1 : g->batch) * g->m * g->n;
    for (int64_t i = 0; i < outer; i++)
      k->matmul_each(&each, a + i * ao * size, b + i * bo * size, c + i * co * size, inner,
                     scratch + p.packed);
    return NK_SUCCESS;
  }
  const char *packed =
      NULL; // whose packing is in scratch; lanes are the inner loop, so shared matrices are packed once
  for (int64_t i = 0; i < g->batch; i++)
    for (int64_t lane = 0; lane < lanes; lane++) {
      const char *ai = a + (i * g->a_batch + lane * g->a_lane) * size;
      const char *bi = b + (i * g->b_batch + lane * g->b_lane) * size;
      char *ci = c + (lane * g->batch + i) * g->m * g->n * size;
      one(g, k, &p, instr->dtype, ai, bi, ci, scratch, bi != packed);
      packed = bi;
    }
  return NK_SUCCESS;
}
