// The vector vocabulary: one instruction set and one element type at a time.
//
// A table file defines NK_ISA_SUFFIX, NK_VECTOR_BYTES and NK_HAS_FMA, opens the target attribute, and for
// each element type defines NK_DOUBLE (0 or 1) and includes isa/nk_bodies.h, which includes this file and
// then every body of bodies/. Bodies are static functions named NK_FN(name), `name` being the field of
// nk_kernels, and must leave no macro of their own defined, but for NK_MATMUL_MR and NK_MATMUL_NR, which the
// table reads. Elementary functions on vectors (NK_FN(vexp), NK_FN(vtanh), ...) are always_inline, so that
// any body can fuse them.
//
// Multiply-add is fused where the instruction set has it and two roundings where it has not: results differ
// between instruction sets within the stated bounds, never between the paths of one of them. A remainder runs
// the same vector code: on the last whole vector, or where there is none on a padded copy.
//
// V is NK_GROUP registers: one in the bodies, several where elementary functions run over long rows
// (ewise_groups.inc). Those are chains of some 60 cycles, and a core that works ahead holds only a few of them:
// each operation done for all registers of a group before the next one keeps the ports busy. The bits are the
// same. With NK_GROUP 0 it is half a register, for the last columns of a product.
//
// Comparisons of vectors give masks (IV, all ones where true) and are false for NaN, except != which is true.
#ifndef NK_VEC_COMMON_H
#define NK_VEC_COMMON_H
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#define NK_CONCAT_(a, b, c, d) a##b##c##d
#define NK_CONCAT(a, b, c, d) NK_CONCAT_(a, b, c, d)
#define NK_INLINE static inline __attribute__((always_inline))
// Vectors above the registers are passed among inlined functions only.
#pragma clang diagnostic ignored "-Wpsabi"
#endif

#undef NK_WIDTH
#if NK_GROUP == 0
#define NK_WIDTH (NK_VECTOR_BYTES / 2)
#else
#define NK_WIDTH (NK_GROUP * NK_VECTOR_BYTES)
#endif
#undef NK_T
#undef NK_I
#undef NK_U
#undef NK_TYPE_SUFFIX
#undef NK_LANES
#undef NK_MANTISSA_BITS
#undef NK_EXPONENT_BIAS
#undef NK_ROUND_MAGIC
#if NK_DOUBLE
#define NK_T double
#define NK_I int64_t
#define NK_U uint64_t
#define NK_TYPE_SUFFIX _f64
#define NK_LANES (NK_WIDTH / 8)
#define NK_MANTISSA_BITS 52
#define NK_EXPONENT_BIAS 1023
#define NK_ROUND_MAGIC 0x1.8p52
#else
#define NK_T float
#define NK_I int32_t
#define NK_U uint32_t
#define NK_TYPE_SUFFIX _f32
#define NK_LANES (NK_WIDTH / 4)
#define NK_MANTISSA_BITS 23
#define NK_EXPONENT_BIAS 127
#define NK_ROUND_MAGIC 0x1.8p23f
#endif
#undef NK_FN
#define NK_ONE(name) NK_CONCAT(nk_, name, NK_ISA_SUFFIX, NK_TYPE_SUFFIX)
#define NK_MANY(name) NK_CONCAT(nk_group_, name, NK_ISA_SUFFIX, NK_TYPE_SUFFIX)
#define NK_HALF(name) NK_CONCAT(nk_half_, name, NK_ISA_SUFFIX, NK_TYPE_SUFFIX)
#if NK_GROUP == 0
#define NK_FN NK_HALF
#elif NK_GROUP == 1
#define NK_FN NK_ONE
#else
#define NK_FN NK_MANY
#endif

typedef NK_T NK_FN(v) __attribute__((vector_size(NK_LANES * sizeof(NK_T))));
typedef NK_I NK_FN(iv) __attribute__((vector_size(NK_LANES * sizeof(NK_T))));
typedef NK_U NK_FN(uv) __attribute__((vector_size(NK_LANES * sizeof(NK_T))));
typedef NK_T NK_FN(vu) __attribute__((vector_size(NK_LANES * sizeof(NK_T)), aligned(1), may_alias));
#undef V
#undef IV
#undef UV
#undef VU
#define V NK_FN(v)
#define IV NK_FN(iv)
#define UV NK_FN(uv)
#define VU NK_FN(vu)

NK_INLINE V NK_FN(load)(const NK_T *p) { return *(const VU *)p; }
NK_INLINE void NK_FN(store)(NK_T *p, V x) { *(VU *)p = x; }
NK_INLINE V NK_FN(splat)(NK_T x) { return x - (V){0}; }
#undef S
#define S(x) NK_FN(splat)((NK_T)(x))
NK_INLINE V NK_FN(fmadd)(V a, V b, V c) {
#if NK_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}
// Bits of a where the mask is all ones, else of b.
NK_INLINE V NK_FN(select)(IV mask, V a, V b) { return (V)((mask & (IV)a) | (~mask & (IV)b)); }
// x limited to [low, high]; NaN stays NaN.
NK_INLINE V NK_FN(clamp)(V x, NK_T low, NK_T high) {
  const V l = NK_FN(splat)(low), h = NK_FN(splat)(high);
  const V y = NK_FN(select)(l > x, l, x);
  return NK_FN(select)(h < y, h, y);
}
NK_INLINE V NK_FN(vabs)(V x) { return (V)((IV)x & ~(IV)NK_FN(splat)((NK_T)-0.0)); }
NK_INLINE V NK_FN(copysign)(V magnitude, V sign) {
  const IV bit = (IV)NK_FN(splat)((NK_T)-0.0);
  return (V)(((IV)magnitude & ~bit) | ((IV)sign & bit));
}
// Minimum and maximum: NaN where either is NaN; of equal operands the first (so max(-0, 0) is -0).
NK_INLINE V NK_FN(vmin)(V a, V b) { return NK_FN(select)((b < a) | (b != b), b, a); }
NK_INLINE V NK_FN(vmax)(V a, V b) { return NK_FN(select)((b > a) | (b != b), b, a); }
// Nearest integer, ties to even, for |x| < 2^22 (float) or 2^51 (double).
NK_INLINE V NK_FN(round_small)(V x) {
  const V magic = NK_FN(splat)(NK_ROUND_MAGIC);
  return (x + magic) - magic;
}
// Any integer n with |n| < 2^22 (2^51) sits in the low bits of n + NK_ROUND_MAGIC, without a conversion
// instruction (AVX2 has none between double and int64). The magic's own bits are zero where exponent shifts
// keep anything.
NK_INLINE UV NK_FN(integer_bits)(V n_plus_magic) { return (UV)n_plus_magic; }
// 2^n, n in the range of normal exponents, from bits whose low end is n.
NK_INLINE V NK_FN(exp2_bits)(UV n) { return (V)((n + NK_EXPONENT_BIAS) << NK_MANTISSA_BITS); }
NK_INLINE V NK_FN(vfloor)(V x) {
#if NK_HAS_FMA
  return __builtin_elementwise_floor(x);
#else
  // SSE2 has no rounding instruction: beyond 2^23 (2^52) every number is an integer; NaN stays.
  const V big = NK_FN(splat)(NK_DOUBLE ? (NK_T)0x1p52 : (NK_T)0x1p23), a = NK_FN(vabs)(x);
  const V rounded = NK_FN(copysign)((a + big) - big, x);
  const V down = rounded - (V)((IV)(rounded > x) & (IV)NK_FN(splat)(1));
  return NK_FN(select)(a < big, NK_FN(copysign)(down, x), x);
#endif
}
// True where any element of the mask is set.
NK_INLINE int NK_FN(any)(IV mask) {
  NK_I lanes[NK_LANES], all = 0;
  memcpy(lanes, &mask, sizeof lanes);
  for (int i = 0; i < NK_LANES; i++) all |= lanes[i];
  return all != 0;
}
// Polynomial of n coefficients, highest first, even and odd parts apart: half of Horner's latency.
NK_INLINE V NK_FN(polynomial)(const NK_T *c, int n, V x) {
  const V x2 = x * x;
  V p = NK_FN(splat)(c[0]), q = NK_FN(splat)(n > 1 ? c[1] : 0);
  int i = 2;
  for (; i + 1 < n; i += 2) {
    p = NK_FN(fmadd)(p, x2, NK_FN(splat)(c[i]));
    q = NK_FN(fmadd)(q, x2, NK_FN(splat)(c[i + 1]));
  }
  if (n == 1) return p;
  if (i < n) return NK_FN(fmadd)(q, x, NK_FN(fmadd)(p, x2, NK_FN(splat)(c[i])));
  return NK_FN(fmadd)(p, x, q);
}
// Loads or stores the first n elements; the rest of the vector is `fill`.
NK_INLINE V NK_FN(load_part)(const NK_T *p, ptrdiff_t n, NK_T fill) {
  NK_T part[NK_LANES];
  for (int i = 0; i < NK_LANES; i++) part[i] = fill;
  memcpy(part, p, (size_t)n * sizeof(NK_T));
  return NK_FN(load)(part);
}
// The last NK_LANES of n elements, or all of them and ones.
NK_INLINE V NK_FN(load_end)(const NK_T *p, ptrdiff_t n) {
  return n < NK_LANES ? NK_FN(load_part)(p, n, 1) : NK_FN(load)(p + n - NK_LANES);
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
