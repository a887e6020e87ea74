// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3,
// SC11). Word i of the stream of a key is word i mod 4 of block i div 4, so that any part of a stream can be made alone.
#include <math.h>
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF

static void philox(const uint32_t key[2], uint64_t block, uint32_t out[4]) {
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0, k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void nk_random_bits(const uint32_t key[2], uint64_t first, uint32_t *out, int64_t n) {
  uint32_t words[4];
  for (int64_t i = 0; i < n;) {
    const uint64_t word = first + (uint64_t)i;
    philox(key, word / 4, words);
    for (uint64_t j = word % 4; j < 4 && i < n; j++) out[i++] = words[j];
  }
}

// Uniform i of f32 is word i; of f64 words 2i and 2i+1.
static double uniform53(uint32_t high, uint32_t low) {
  return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

void nk_random_uniform(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n) {
  uint32_t words[256];
  const int64_t per = dtype == NK_F64 ? 2 : 1, chunk = 256 / per;
  for (int64_t i0 = 0; i0 < n; i0 += chunk) {
    const int64_t m = n - i0 < chunk ? n - i0 : chunk;
    nk_random_bits(key, (first + (uint64_t)i0) * (uint64_t)per, words, m * per);
    for (int64_t i = 0; i < m; i++) {
      if (dtype == NK_F64) ((double *)out)[i0 + i] = uniform53(words[2 * i], words[2 * i + 1]);
      else ((float *)out)[i0 + i] = (float)(words[i] >> 8) * 0x1p-24f;
    }
  }
}

// Normal i takes a block of its own: the words give the radius and the angle of Box and Muller (1958). One of the pair
// is thrown away, so that element i does not depend on whether i is even.
void nk_random_normal(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n) {
  uint32_t words[4];
  for (int64_t i = 0; i < n; i++) {
    philox(key, first + (uint64_t)i, words);
    const double u = 1.0 - uniform53(words[0], words[1]), angle = 6.283185307179586476925 * uniform53(words[2], words[3]);
    const double value = sqrt(-2.0 * log(u)) * cos(angle);
    if (dtype == NK_F64) ((double *)out)[i] = value;
    else ((float *)out)[i] = (float)value;
  }
}
