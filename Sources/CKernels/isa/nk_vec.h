// The vector vocabulary: one instruction set and one element type at a time.
//
// A table file defines NK_ISA_SUFFIX and NK_VECTOR_BYTES (and NK_HAS_FMA), opens the target attribute, and for each
// element type defines NK_DOUBLE (0 or 1) and includes isa/nk_bodies.h. Bodies are static functions named
// NK_FN(name), `name` being the field of nk_kernels.
//
// Multiply-add is fused where the instruction set has it and two roundings where it has not: results differ between
// instruction sets within the stated bounds, never between the paths of one of them.
#ifndef NK_VEC_COMMON_H
#define NK_VEC_COMMON_H
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#define NK_CONCAT_(a, b, c, d) a##b##c##d
#define NK_CONCAT(a, b, c, d) NK_CONCAT_(a, b, c, d)
#define NK_INLINE static inline __attribute__((always_inline))
#endif

#undef NK_T
#undef NK_I
#undef NK_U
#undef NK_TYPE_SUFFIX
#undef NK_LANES
#if NK_DOUBLE
#define NK_T double
#define NK_I int64_t
#define NK_U uint64_t
#define NK_TYPE_SUFFIX _f64
#define NK_LANES (NK_VECTOR_BYTES / 8)
#else
#define NK_T float
#define NK_I int32_t
#define NK_U uint32_t
#define NK_TYPE_SUFFIX _f32
#define NK_LANES (NK_VECTOR_BYTES / 4)
#endif
#undef NK_FN
#define NK_FN(name) NK_CONCAT(nk_, name, NK_ISA_SUFFIX, NK_TYPE_SUFFIX)

typedef NK_T NK_FN(v) __attribute__((vector_size(NK_VECTOR_BYTES)));
typedef NK_I NK_FN(iv) __attribute__((vector_size(NK_VECTOR_BYTES)));
typedef NK_T NK_FN(vu) __attribute__((vector_size(NK_VECTOR_BYTES), aligned(1), may_alias));
#undef V
#undef IV
#undef VU
#define V NK_FN(v)
#define IV NK_FN(iv)
#define VU NK_FN(vu)

NK_INLINE V NK_FN(load)(const NK_T *p) { return *(const VU *)p; }
NK_INLINE void NK_FN(store)(NK_T *p, V x) { *(VU *)p = x; }
NK_INLINE V NK_FN(splat)(NK_T x) { return x - (V){0}; }
NK_INLINE V NK_FN(fmadd)(V a, V b, V c) {
#if NK_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}
// Bits of a where the mask is all ones, else of b.
NK_INLINE V NK_FN(select)(IV mask, V a, V b) { return (V)((mask & (IV)a) | (~mask & (IV)b)); }
NK_INLINE V NK_FN(vabs)(V x) { return (V)((IV)x & ~(IV)NK_FN(splat)((NK_T)-0.0)); }
NK_INLINE V NK_FN(copysign)(V magnitude, V sign) {
  const IV bit = (IV)NK_FN(splat)((NK_T)-0.0);
  return (V)(((IV)magnitude & ~bit) | ((IV)sign & bit));
}
// Round to the nearest integer, ties to even, for |x| < 2^22 (float) or 2^51 (double).
NK_INLINE V NK_FN(round_small)(V x) {
  const V magic = NK_FN(splat)(NK_DOUBLE ? (NK_T)0x1.8p52 : (NK_T)0x1.8p23);
  return (x + magic) - magic;
}
NK_INLINE IV NK_FN(to_int)(V x) { return __builtin_convertvector(x, IV); }
// 2^n for integers n in the range of normal exponents.
NK_INLINE V NK_FN(exp2i)(IV n) {
#if NK_DOUBLE
  return (V)((n + 1023) << 52);
#else
  return (V)((n + 127) << 23);
#endif
}
// Loads or stores the first n elements; the rest of the vector is `fill`.
NK_INLINE V NK_FN(load_part)(const NK_T *p, ptrdiff_t n, NK_T fill) {
  NK_T part[NK_LANES];
  for (int i = 0; i < NK_LANES; i++) part[i] = fill;
  memcpy(part, p, (size_t)n * sizeof(NK_T));
  return NK_FN(load)(part);
}
NK_INLINE void NK_FN(store_part)(NK_T *p, V x, ptrdiff_t n) {
  NK_T part[NK_LANES];
  NK_FN(store)(part, x);
  memcpy(p, part, (size_t)n * sizeof(NK_T));
}
// Sum of the elements by a fixed tree.
NK_INLINE NK_T NK_FN(hsum)(V x) {
  NK_T part[NK_LANES];
  NK_FN(store)(part, x);
  for (int width = NK_LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) part[i] += part[i + width];
  return part[0];
}
