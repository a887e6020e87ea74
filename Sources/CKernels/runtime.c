#define _GNU_SOURCE // sched_getaffinity, CPU_COUNT
#include <stdlib.h>
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

void *nk_memory_new(int64_t bytes) {
  void *memory = NULL;
  return bytes >= 0 && posix_memalign(&memory, 64, bytes > 64 ? (size_t)bytes : 64) == 0 ? memory : NULL;
}

void nk_memory_free(void *memory) { free(memory); }

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NK_UNDER_TSAN 1
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#endif
#endif

#ifdef NK_UNDER_TSAN
void *nk_tsan_tag(void) { return malloc(1); }
void nk_tsan_free(void *tag) { free(tag); }
void nk_tsan_acquire(void *tag) { __tsan_acquire(tag); }
void nk_tsan_release(void *tag) { __tsan_release(tag); }
#else
void *nk_tsan_tag(void) { return NULL; }
void nk_tsan_free(void *tag) { (void)tag; }
void nk_tsan_acquire(void *tag) { (void)tag; }
void nk_tsan_release(void *tag) { (void)tag; }
#endif
