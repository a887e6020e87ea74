// Which tables this machine can run, and which are in force.
#include <stdatomic.h>
#include "nk_kernels.h"

extern const nk_kernels nk_table_reference_f32, nk_table_reference_f64;
extern const nk_kernels nk_table_baseline_f32, nk_table_baseline_f64;
#if defined(__x86_64__)
extern const nk_kernels nk_table_avx2_f32, nk_table_avx2_f64, nk_table_avx512_f32, nk_table_avx512_f64;
#endif

// The process's choice: -1 until it is first asked for. The only mutable state of the kernels.
static _Atomic int current = -1;

static int runs_here(nk_isa isa) {
  switch (isa) {
  case NK_ISA_REFERENCE:
  case NK_ISA_BASELINE: return 1;
#if defined(__x86_64__)
  // The compiler's runtime also checks that the operating system saves the registers.
  case NK_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  case NK_ISA_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
  case NK_ISA_AVX2:
  case NK_ISA_AVX512: return 0;
#endif
  }
  return 0;
}

nk_isa nk_isa_best(void) {
  int best = NK_ISA_BASELINE;
  for (int isa = best; isa < NK_ISA_COUNT; isa++)
    if (runs_here((nk_isa)isa)) best = isa;
  return (nk_isa)best;
}

nk_isa nk_isa_current(void) {
  int isa = atomic_load_explicit(&current, memory_order_relaxed);
  if (isa < 0) {
    int none = -1;
    isa = (int)nk_isa_best();
    if (!atomic_compare_exchange_strong(&current, &none, isa)) isa = none;
  }
  return (nk_isa)isa;
}

nk_status nk_isa_force(nk_isa isa) {
  if ((int)isa < 0 || (int)isa >= NK_ISA_COUNT || !runs_here(isa)) return NK_INVALID_ARGUMENT;
  atomic_store(&current, (int)isa);
  return NK_SUCCESS;
}

const nk_kernels *nk_kernels_for(nk_isa isa, nk_dtype dtype) {
  if (dtype == NK_I32 || (int)isa < 0 || (int)isa >= NK_ISA_COUNT || !runs_here(isa)) return NULL;
  const int wide = dtype == NK_F64;
  switch (isa) {
  case NK_ISA_REFERENCE: return wide ? &nk_table_reference_f64 : &nk_table_reference_f32;
  case NK_ISA_BASELINE: return wide ? &nk_table_baseline_f64 : &nk_table_baseline_f32;
#if defined(__x86_64__)
  case NK_ISA_AVX2: return wide ? &nk_table_avx2_f64 : &nk_table_avx2_f32;
  case NK_ISA_AVX512: return wide ? &nk_table_avx512_f64 : &nk_table_avx512_f32;
#else
  case NK_ISA_AVX2:
  case NK_ISA_AVX512: return NULL;
#endif
  }
  return NULL;
}

const nk_kernels *nk_kernels_get(nk_dtype dtype) { return nk_kernels_for(nk_isa_current(), dtype); }
