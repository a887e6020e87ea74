// General batched matrix products: each product packs its own right operand.
#include <string.h>
#include "nk_internal.h"

static int64_t packed_bytes(const nk_instr *instr) {
  return nk_align(nk_kernels_get(instr->dtype)->packed_bytes(instr->u.batched.k, instr->u.batched.n));
}

int64_t nk_batched_scratch_bytes(const nk_instr *instr) {
  const nk_batched *b = &instr->u.batched;
  const int64_t transposed = b->transpose_a ? nk_align(b->m * b->k * nk_dtype_bytes(instr->dtype)) : 0;
  return packed_bytes(instr) + transposed;
}

#define TRANSPOSE(NAME, TYPE)                                                                                     \
  static void NAME(const TYPE *a, TYPE *out, int64_t k, int64_t m) {                                              \
    for (int64_t i = 0; i < k; i++)                                                                               \
      for (int64_t j = 0; j < m; j++) out[j * k + i] = a[i * m + j];                                              \
  }
TRANSPOSE(transpose32, uint32_t)
TRANSPOSE(transpose64, uint64_t)
#undef TRANSPOSE

void nk_batched_execute(const nk_frame *frame, const nk_instr *instr) {
  const nk_batched *p = &instr->u.batched;
  const nk_kernels *kernels = nk_kernels_get(instr->dtype);
  const int64_t size = nk_dtype_bytes(instr->dtype);
  char *packed = frame->block + instr->scratch, *transposed = packed + packed_bytes(instr);
  const char *a = nk_frame_address(frame, instr->in[0]), *b = nk_frame_address(frame, instr->in[1]);
  char *c = nk_frame_address(frame, instr->out[0]);
  const char *packed_of = NULL;
  for (int64_t lane = 0; lane < frame->lanes; lane++) {
    for (int64_t i = 0; i < p->batch; i++) {
      const char *left = a + (lane * p->a_lane + i * p->a_batch) * size;
      const char *right = b + (lane * p->b_lane + i * p->b_batch) * size;
      if (right != packed_of) {
        kernels->pack(p->transpose_b ? NK_PACK_MATRIX_TRANSPOSED : NK_PACK_MATRIX, right, packed, p->k, p->n, NULL);
        packed_of = right;
      }
      if (p->transpose_a) {
        if (size == 4) transpose32((const uint32_t *)left, (uint32_t *)transposed, p->k, p->m);
        else transpose64((const uint64_t *)left, (uint64_t *)transposed, p->k, p->m);
        left = transposed;
      }
      kernels->matmul(left, p->k, packed, NULL, c + (lane * p->batch + i) * p->m * p->n * size, p->n, p->m, p->k,
                      p->n, -1, 1, 0);
    }
  }
}
