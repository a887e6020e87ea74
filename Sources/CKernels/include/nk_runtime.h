// What answers on this machine: for reports. Nothing here changes a setting.
#ifndef NK_RUNTIME_H
#define NK_RUNTIME_H

#include "nk_base.h"

// The core type whose kernels OpenBLAS runs ("Zen", "Haswell", ...): an environment variable or an unknown processor
// can make it a slow one.
const char *nk_blas_core(void);
int32_t nk_blas_threads(void);
// Processors that this process may run on: at least 1.
int32_t nk_processors(void);

// Memory that starts at a cache line; NULL where there is not so much.
void *nk_memory_new(int64_t bytes);
void nk_memory_free(void *memory);

// For locks that the thread sanitizer cannot see: a tag per lock, acquired after locking and released before unlocking.
// NULL, and nothing done, outside of a build under that sanitizer.
void *nk_tsan_tag(void);
void nk_tsan_free(void *tag);
void nk_tsan_acquire(void *tag);
void nk_tsan_release(void *tag);

#endif
