// Strided copies: concatenation, padding, slices, permutations. Elements are moved as bits, so any dtype
// goes.
#include <string.h>
#include "nk_internal.h"

#define DEFINE_MOVES(T, S)                                                                                   \
  static void row_##S(T *restrict dst, int64_t ds, const T *restrict src, int64_t ss, int64_t n) {           \
    if (ds == 1 && ss == 1) {                                                                                \
      memcpy(dst, src, (size_t)n * sizeof(T));                                                               \
    } else if (ds == 1 && ss == 0) {                                                                         \
      const T value = *src;                                                                                  \
      for (int64_t i = 0; i < n; i++) dst[i] = value;                                                        \
    } else {                                                                                                 \
      for (int64_t i = 0; i < n; i++) dst[i * ds] = src[i * ss];                                             \
    }                                                                                                        \
  }                                                                                                          \
  /* A matrix whose contiguous axes differ (a transposition) goes in squares that fit a few cache lines. */  \
  static void plane_##S(T *restrict dst, const int64_t ds[2], const T *restrict src, const int64_t ss[2],    \
                        int64_t n0, int64_t n1) {                                                            \
    for (int64_t i0 = 0; i0 < n0; i0 += 16)                                                                  \
      for (int64_t j0 = 0; j0 < n1; j0 += 16) {                                                              \
        const int64_t i1 = nk_min(i0 + 16, n0), j1 = nk_min(j0 + 16, n1);                                    \
        for (int64_t i = i0; i < i1; i++)                                                                    \
          for (int64_t j = j0; j < j1; j++) dst[i * ds[0] + j * ds[1]] = src[i * ss[0] + j * ss[1]];         \
      }                                                                                                      \
  }
DEFINE_MOVES(uint32_t, 4)
DEFINE_MOVES(uint64_t, 8)
#undef DEFINE_MOVES

static void move_row(char *dst, int64_t ds, const char *src, int64_t ss, int64_t n, int64_t size) {
  if (size == 8)
    row_8((uint64_t *)dst, ds, (const uint64_t *)src, ss, n);
  else
    row_4((uint32_t *)dst, ds, (const uint32_t *)src, ss, n);
}

static void move_plane(char *dst, const int64_t *ds, const char *src, const int64_t *ss, int64_t n0,
                       int64_t n1, int64_t size) {
  if (size == 8)
    plane_8((uint64_t *)dst, ds, (const uint64_t *)src, ss, n0, n1);
  else
    plane_4((uint32_t *)dst, ds, (const uint32_t *)src, ss, n0, n1);
}

nk_status nk_copy_execute(const nk_instr *instr, const nk_frame *frame) {
  const nk_copy *copy = &instr->u.copy;
  const int64_t size = nk_dtype_bytes(instr->dtype), lanes = nk_frame_lanes(frame, copy->dst.buffer);
  const char *src = nk_frame_address(frame, copy->src.buffer) + copy->src.offset * size;
  char *dst = nk_frame_address(frame, copy->dst.buffer) + copy->dst.offset * size;
  nk_axes axes = {0};
  int64_t total = lanes;
  nk_axes_push(&axes, lanes, copy->src.lane_stride, copy->dst.lane_stride);
  for (int32_t d = 0; d < copy->rank; d++) {
    nk_axes_push(&axes, copy->dims[d], copy->src.stride[d], copy->dst.stride[d]);
    total *= copy->dims[d];
  }
  if (total == 0) return NK_SUCCESS;
  const int64_t *ss = axes.stride[0], *ds = axes.stride[1];
  const int32_t inner = axes.count - 1;
  const int transposed =
      inner > 0 && ds[inner] == 1 && ss[inner] != 1 && ss[inner] != 0 && ss[inner - 1] == 1;
  const int32_t outer = transposed ? inner - 1 : inner; // axes [0, outer) are walked by the odometer
  int64_t index[NK_MAX_RANK + 1] = {0};
  for (;;) {
    if (transposed)
      move_plane(dst, ds + outer, src, ss + outer, axes.extent[outer], axes.extent[inner], size);
    else
      move_row(dst, ds[inner], src, ss[inner], axes.extent[inner], size);
    int32_t d = outer - 1;
    for (; d >= 0; d--) {
      src += ss[d] * size;
      dst += ds[d] * size;
      if (++index[d] < axes.extent[d]) break;
      src -= axes.extent[d] * ss[d] * size;
      dst -= axes.extent[d] * ds[d] * size;
      index[d] = 0;
    }
    if (d < 0) return NK_SUCCESS;
  }
}
