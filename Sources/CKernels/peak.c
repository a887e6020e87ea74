// What the processor can do at most: fused multiply-adds in registers, nothing else.
#include "nk_profile.h"

// Twelve chains: two units of latency four or five need eight to ten, and sixteen registers hold twelve with operands.
enum { CHAINS = 12 };

#define DEFINE_ROUNDS(NAME, ATTRIBUTE, T, BYTES, STEP)                                                                 \
  typedef T NAME##_v __attribute__((vector_size(BYTES)));                                                              \
  ATTRIBUTE static int64_t NAME(int64_t rounds) {                                                                      \
    NAME##_v x[CHAINS], a = {0}, b = {0};                                                                              \
    a += (T)0.999;                                                                                                     \
    b += (T)1e-3;                                                                                                      \
    for (int c = 0; c < CHAINS; c++) x[c] = b;                                                                         \
    for (int64_t r = 0; r < rounds; r++) {                                                                             \
      _Pragma("clang loop unroll(full)") for (int c = 0; c < CHAINS; c++) x[c] = STEP(x[c], a, b);                     \
    }                                                                                                                  \
    for (int c = 0; c < CHAINS; c++) __asm__ volatile("" : : "m"(x[c]));                                               \
    return 2 * CHAINS * rounds * (int64_t)(BYTES / sizeof(T));                                                         \
  }
#define FUSED(x, a, b) __builtin_elementwise_fma(x, a, b)
// Without fused multiply-adds in hardware the builtin would be a call: a product and a sum instead.
#define APART(x, a, b) ((x) * (a) + (b))

#if defined(__x86_64__)
DEFINE_ROUNDS(rounds_avx2_f32, __attribute__((target("avx2,fma"))), float, 32, FUSED)
DEFINE_ROUNDS(rounds_avx2_f64, __attribute__((target("avx2,fma"))), double, 32, FUSED)
DEFINE_ROUNDS(rounds_avx512_f32, __attribute__((target("avx512f"))), float, 64, FUSED)
DEFINE_ROUNDS(rounds_avx512_f64, __attribute__((target("avx512f"))), double, 64, FUSED)
DEFINE_ROUNDS(rounds_128_f32, , float, 16, APART)
DEFINE_ROUNDS(rounds_128_f64, , double, 16, APART)
#else
DEFINE_ROUNDS(rounds_128_f32, , float, 16, FUSED)
DEFINE_ROUNDS(rounds_128_f64, , double, 16, FUSED)
#endif

int64_t nk_peak_rounds(nk_isa isa, nk_dtype dtype, int64_t rounds) {
  const int wide = dtype == NK_F64;
#if defined(__x86_64__)
  if (isa == NK_ISA_AVX512) return wide ? rounds_avx512_f64(rounds) : rounds_avx512_f32(rounds);
  if (isa == NK_ISA_AVX2) return wide ? rounds_avx2_f64(rounds) : rounds_avx2_f32(rounds);
#endif
  (void)isa; // the reference kernels are measured by what the baseline could do
  return wide ? rounds_128_f64(rounds) : rounds_128_f32(rounds);
}
