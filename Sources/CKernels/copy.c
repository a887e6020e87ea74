// Strided copies: slices, permutations, concatenation, padding, materialised broadcasts.
#include <string.h>
#include "nk_internal.h"

#define COPY(NAME, TYPE)                                                                                          \
  static void NAME(const nk_copy *c, int64_t lanes, const TYPE *src, TYPE *dst) {                                 \
    const int32_t rank = c->rank;                                                                                 \
    const int64_t inner = rank > 0 ? c->dims[rank - 1] : 1;                                                       \
    const int64_t s = rank > 0 ? c->src.stride[rank - 1] : 0, d = rank > 0 ? c->dst.stride[rank - 1] : 0;         \
    int64_t rows = 1;                                                                                             \
    for (int32_t axis = 0; axis + 1 < rank; axis++) rows *= c->dims[axis];                                        \
    for (int64_t lane = 0; lane < lanes; lane++) {                                                                \
      const TYPE *from = src + lane * c->src.lane_stride;                                                         \
      TYPE *to = dst + lane * c->dst.lane_stride;                                                                 \
      int64_t index[NK_MAX_RANK] = {0};                                                                           \
      for (int64_t row = 0; row < rows; row++) {                                                                  \
        if (s == 1 && d == 1) {                                                                                   \
          memcpy(to, from, (size_t)inner * sizeof(TYPE));                                                         \
        } else {                                                                                                  \
          for (int64_t i = 0; i < inner; i++) to[i * d] = from[i * s];                                            \
        }                                                                                                         \
        for (int32_t axis = rank - 2; axis >= 0; axis--) {                                                        \
          from += c->src.stride[axis];                                                                            \
          to += c->dst.stride[axis];                                                                              \
          if (++index[axis] < c->dims[axis]) break;                                                               \
          from -= index[axis] * c->src.stride[axis];                                                              \
          to -= index[axis] * c->dst.stride[axis];                                                                \
          index[axis] = 0;                                                                                        \
        }                                                                                                         \
      }                                                                                                           \
    }                                                                                                             \
  }
COPY(copy32, uint32_t)
COPY(copy64, uint64_t)
#undef COPY

void nk_copy_execute(const nk_frame *frame, const nk_instr *instr) {
  const nk_copy *c = &instr->u.copy;
  const int64_t size = nk_dtype_bytes(instr->dtype);
  for (int32_t axis = 0; axis < c->rank; axis++)
    if (c->dims[axis] == 0) return;
  const char *src = nk_frame_address(frame, c->src.buffer) + c->src.offset * size;
  char *dst = nk_frame_address(frame, c->dst.buffer) + c->dst.offset * size;
  if (size == 4) copy32(c, frame->lanes, (const uint32_t *)src, (uint32_t *)dst);
  else copy64(c, frame->lanes, (const uint64_t *)src, (uint64_t *)dst);
}
