#define _GNU_SOURCE // sched_getaffinity, CPU_COUNT
#include <cblas.h>
#include <sched.h>
#include <unistd.h>
#include "nk_runtime.h"

const char *nk_blas_core(void) { return openblas_get_corename(); }

int32_t nk_blas_threads(void) { return openblas_get_num_threads(); }

int32_t nk_processors(void) {
#if defined(__linux__)
  // A container's or taskset's share, not the machine's. A set too small for the machine fails: then ask the other way.
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int32_t)online : 1;
}
