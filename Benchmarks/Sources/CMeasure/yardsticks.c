#include <string.h>
#include "CMeasure.h"

// Twelve chains: two units of latency four or five need eight to ten, and sixteen registers hold twelve with operands.
#define CHAINS 12

#define DEFINE_ROUNDS(name, attribute, element, width)                                                                 \
  typedef element name##_vector __attribute__((vector_size(width)));                                                   \
  attribute static void name(int64_t rounds) {                                                                         \
    name##_vector x[CHAINS], a, b;                                                                                     \
    for (int i = 0; i < (int)(width / sizeof(element)); i++) {                                                         \
      a[i] = (element)0.999;                                                                                           \
      b[i] = (element)1e-3;                                                                                            \
    }                                                                                                                  \
    for (int c = 0; c < CHAINS; c++) x[c] = b;                                                                         \
    for (int64_t r = 0; r < rounds; r++) {                                                                             \
      _Pragma("clang loop unroll(full)") for (int c = 0; c < CHAINS; c++)                                              \
        x[c] = __builtin_elementwise_fma(x[c], a, b);                                                                  \
    }                                                                                                                  \
    for (int c = 0; c < CHAINS; c++) __asm__ volatile("" : : "m"(x[c]));                                               \
  }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
DEFINE_ROUNDS(f32_256, AVX2, float, 32)
DEFINE_ROUNDS(f64_256, AVX2, double, 32)
DEFINE_ROUNDS(f32_512, AVX512, float, 64)
DEFINE_ROUNDS(f64_512, AVX512, double, 64)
// Without fused multiply-adds in hardware the builtin would be a call: a product and a sum instead.
#define __builtin_elementwise_fma(x, a, b) ((x) * (a) + (b))
DEFINE_ROUNDS(f32_128, , float, 16)
DEFINE_ROUNDS(f64_128, , double, 16)
#undef __builtin_elementwise_fma
#else
DEFINE_ROUNDS(f32_128, , float, 16)
DEFINE_ROUNDS(f64_128, , double, 16)
#define f32_256 f32_128
#define f64_256 f64_128
#define f32_512 f32_128
#define f64_512 f64_128
#endif

void nde_fma_rounds_f32(int32_t bits, int64_t rounds) {
  bits == 512 ? f32_512(rounds) : bits == 256 ? f32_256(rounds) : f32_128(rounds);
}

void nde_fma_rounds_f64(int32_t bits, int64_t rounds) {
  bits == 512 ? f64_512(rounds) : bits == 256 ? f64_256(rounds) : f64_128(rounds);
}

int64_t nde_fma_flops_per_round(int32_t bits, int32_t element_bytes) {
#if !defined(__x86_64__)
  bits = 128;
#endif
  return 2 * CHAINS * (bits / 8 / element_bytes);
}

void nde_copy(void *to, const void *from, int64_t bytes) {
  memcpy(to, from, (size_t)bytes);
  __asm__ volatile("" : : "r"(to) : "memory");
}
