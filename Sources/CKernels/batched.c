// Batched matrix products of lanes: one packed product where the right operand is shared, else one per
// matrix, by plain loops where packing would cost more than the product.
#include <string.h>
#include "nk_internal.h"
#pragma STDC FP_CONTRACT OFF

enum { TINY = 2048 }; // multiplications below which packing does not pay

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

#define DEFINE_TINY(T, NAME)                                                                                 \
  static void NAME(const nk_batched *g, const T *a, const T *b, T *c) {                                      \
    const int64_t ai = g->transpose_a ? 1 : g->k, ap = g->transpose_a ? g->m : 1;                            \
    for (int64_t i = 0; i < g->m; i++, c += g->n) {                                                          \
      if (g->transpose_b) {                                                                                  \
        for (int64_t j = 0; j < g->n; j++) {                                                                 \
          T sum = 0;                                                                                         \
          for (int64_t p = 0; p < g->k; p++) sum += a[i * ai + p * ap] * b[j * g->k + p];                    \
          c[j] = sum;                                                                                        \
        }                                                                                                    \
      } else {                                                                                               \
        for (int64_t j = 0; j < g->n; j++) c[j] = 0;                                                         \
        for (int64_t p = 0; p < g->k; p++) {                                                                 \
          const T x = a[i * ai + p * ap];                                                                    \
          for (int64_t j = 0; j < g->n; j++) c[j] += x * b[p * g->n + j];                                    \
        }                                                                                                    \
      }                                                                                                      \
    }                                                                                                        \
  }
DEFINE_TINY(float, tiny_f32)
DEFINE_TINY(double, tiny_f64)
#undef DEFINE_TINY

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
    k->matmul_outer(a, g->m, b, g->n, c, g->n, g->k, g->m, g->n, 1, 0, scratch + p->outer);
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
  k->matmul(a, g->k, scratch + p->packed, NULL, c, g->n, g->m, g->k, g->n, -1, 1, 0);
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
    k->matmul(a, g->k, scratch + p.packed, NULL, c, g->n, lanes * g->batch * g->m, g->k, g->n, -1, 1, 0);
    return NK_SUCCESS;
  }
  const int tiny = g->m * g->k * g->n <= TINY;
  const char *packed =
      NULL; // whose packing is in scratch; lanes are the inner loop, so shared matrices are packed once
  for (int64_t i = 0; i < g->batch; i++)
    for (int64_t lane = 0; lane < lanes; lane++) {
      const char *ai = a + (i * g->a_batch + lane * g->a_lane) * size;
      const char *bi = b + (i * g->b_batch + lane * g->b_lane) * size;
      char *ci = c + (lane * g->batch + i) * g->m * g->n * size;
      if (tiny && instr->dtype == NK_F64)
        tiny_f64(g, (const double *)ai, (const double *)bi, (double *)ci);
      else if (tiny)
        tiny_f32(g, (const float *)ai, (const float *)bi, (float *)ci);
      else
        one(g, k, &p, instr->dtype, ai, bi, ci, scratch, bi != packed);
      packed = bi;
    }
  return NK_SUCCESS;
}
