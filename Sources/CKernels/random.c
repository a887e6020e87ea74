// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
// as 1, 2, 3, SC11). Word i of the stream of a key is word i mod 4 of block i div 4, so that any part of a
// stream can be made alone.
//
// The vector bodies are compiled once, for 16-byte vectors and without fused multiply-add: a stream has the
// same bits on every machine, normals included, whichever instruction set the kernels use.
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF

typedef uint32_t lanes32 __attribute__((vector_size(16)));
typedef uint64_t lanes64 __attribute__((vector_size(32)));
enum { BLOCKS = 4, WORDS = 4 * BLOCKS };

// High and low halves of the products of four words with one multiplier.
#define MULTIPLY(word, multiplier, high, low)                                                                \
  do {                                                                                                       \
    const lanes64 product = __builtin_convertvector(word, lanes64) * (uint64_t)(multiplier);                 \
    high = __builtin_convertvector(product >> 32, lanes32);                                                  \
    low = __builtin_convertvector(product, lanes32);                                                         \
  } while (0)

// Four blocks side by side: c[j] holds word j of each.
static void philox4(const uint32_t key[2], lanes32 c[4]) {
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    lanes32 high0, low0, high1, low1;
    MULTIPLY(c[0], 0xD2511F53u, high0, low0);
    MULTIPLY(c[2], 0xCD9E8D57u, high1, low1);
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

void nk_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
  lanes32 c[4];
  for (int j = 0; j < 4; j++) c[j] = (lanes32){counter[j]};
  philox4(key, c);
  for (int j = 0; j < 4; j++) out[j] = c[j][0];
}

// Words of blocks `block` to `block` + 3, in order.
static void sixteen_words(const uint32_t key[2], uint64_t block, uint32_t out[WORDS]) {
  lanes32 c[4] = {{0}, {0}, {0}, {0}};
  for (int b = 0; b < BLOCKS; b++) {
    c[0][b] = (uint32_t)(block + (uint64_t)b);
    c[1][b] = (uint32_t)((block + (uint64_t)b) >> 32);
  }
  philox4(key, c);
  for (int b = 0; b < BLOCKS; b++)
    for (int j = 0; j < 4; j++) out[4 * b + j] = c[j][b];
}

void nk_random_bits(const uint32_t key[2], uint64_t first, uint32_t *out, int64_t n) {
  uint32_t words[WORDS];
  for (int64_t i = 0; i < n;) {
    const uint64_t word = first + (uint64_t)i;
    sixteen_words(key, word / 4, words);
    for (uint64_t j = word % 4; j < WORDS && i < n; j++) out[i++] = words[j];
  }
}

// Uniform i of f32 is word i; of f64 words 2i and 2i + 1, the first being the more significant.
static double uniform53(uint32_t high, uint32_t low) {
  // The shifted word has 53 bits: as a signed integer it converts exactly, and in one instruction.
  return (double)(int64_t)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

void nk_random_uniform(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n) {
  uint32_t words[256];
  const int64_t per = dtype == NK_F64 ? 2 : 1, chunk = 256 / per;
  for (int64_t i0 = 0; i0 < n; i0 += chunk) {
    const int64_t m = n - i0 < chunk ? n - i0 : chunk;
    nk_random_bits(key, (first + (uint64_t)i0) * (uint64_t)per, words, m * per);
    if (dtype == NK_F64) {
      for (int64_t i = 0; i < m; i++) ((double *)out)[i0 + i] = uniform53(words[2 * i], words[2 * i + 1]);
    } else {
      for (int64_t i = 0; i < m; i++) ((float *)out)[i0 + i] = (float)(int32_t)(words[i] >> 8) * 0x1p-24f;
    }
  }
}

#define NK_ISA_SUFFIX _portable
#define NK_VECTOR_BYTES 16
#define NK_HAS_FMA 0
#define NK_GROUP 1
#define NK_DOUBLE 0
#include "isa/nk_vec.h"
#include "bodies/elementary.inc"
#include "bodies/trigonometry.inc"
#include "bodies/normal.inc"
#undef NK_COUNT
#undef NK_DOUBLE
#define NK_DOUBLE 1
#include "isa/nk_vec.h"
#include "bodies/elementary.inc"
#include "bodies/trigonometry.inc"
#include "bodies/normal.inc"

// Normals 2j and 2j + 1 are the pair of Box and Muller (1958) made of two uniforms: of f32 words 2j and 2j +
// 1, of f64 the words of block j.
void nk_random_normal(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n) {
  uint32_t words[WORDS];
  double normals64[WORDS / 2];
  float normals32[WORDS];
  const uint64_t per = dtype == NK_F64 ? WORDS / 2 : WORDS, per_block = per / BLOCKS;
  for (int64_t i = 0; i < n;) {
    const uint64_t at = first + (uint64_t)i, skip = at % per_block;
    sixteen_words(key, at / per_block, words);
    const int64_t m = (int64_t)(per - skip) < n - i ? (int64_t)(per - skip) : n - i;
    if (dtype == NK_F64) {
      double u[WORDS / 2];
      for (int j = 0; j < WORDS / 2; j++) u[j] = uniform53(words[2 * j], words[2 * j + 1]);
      nk_box_muller_portable_f64(u, normals64, WORDS / 2);
      memcpy((double *)out + i, normals64 + skip, (size_t)m * sizeof(double));
    } else {
      float u[WORDS];
      // 32 bits, so that the tail of the distribution is as long as they allow; rounding may give 1.
      for (int j = 0; j < WORDS; j++) u[j] = (float)((double)words[j] * 0x1p-32);
      nk_box_muller_portable_f32(u, normals32, WORDS);
      memcpy((float *)out + i, normals32 + skip, (size_t)m * sizeof(float));
    }
    i += m;
  }
}
