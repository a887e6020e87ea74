// The avx2 tables: the common bodies, compiled for avx2,fma.
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NK_ISA_ID NK_ISA_AVX2
#define NK_ISA_SUFFIX _avx2
#define NK_VECTOR_BYTES 32
#define NK_HAS_FMA 1
#define NK_DOUBLE 0
#include "isa/nk_bodies.h"
#undef NK_DOUBLE
#define NK_DOUBLE 1
#include "isa/nk_bodies.h"
#pragma clang attribute pop
#endif
