// The baseline tables: the common bodies, compiled for whatever every machine of this architecture has.
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF
#define NK_ISA_ID NK_ISA_BASELINE
#define NK_ISA_SUFFIX _baseline
#define NK_VECTOR_BYTES 16
#if defined(__aarch64__)
#define NK_HAS_FMA 1
#else
#define NK_HAS_FMA 0
#endif
#define NK_DOUBLE 0
#include "isa/nk_bodies.h"
#undef NK_DOUBLE
#define NK_DOUBLE 1
#include "isa/nk_bodies.h"
