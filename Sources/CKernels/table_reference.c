// The reference tables: plain scalar code, the oracle of the kernel tests. Elementary functions are libm's in
// double, rounded once; sums are accumulated in double.
#include <math.h>
#include <string.h>
#include "nk_kernels.h"
#pragma STDC FP_CONTRACT OFF
#define NK_ISA_ID NK_ISA_REFERENCE
#define NK_DOUBLE 0
#include "isa/nk_reference.h"
#undef NK_DOUBLE
#define NK_DOUBLE 1
#include "isa/nk_reference.h"
