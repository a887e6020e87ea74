// The avx512 tables: the common bodies, compiled for avx512f,avx512dq,avx512bw,avx512vl,fma,avx2.
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2"))), \
                             apply_to = function)
#define NK_ISA_ID NK_ISA_AVX512
#define NK_ISA_SUFFIX _avx512
#define NK_VECTOR_BYTES 64
#define NK_HAS_FMA 1
#define NK_DOUBLE 0
#include "isa/nk_bodies.h"
#undef NK_DOUBLE
#define NK_DOUBLE 1
#include "isa/nk_bodies.h"
#pragma clang attribute pop
#endif
