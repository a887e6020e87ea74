// Counts allocations by interposing malloc and its relatives. One addition each: nothing beside an allocation.
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include "CMeasure.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif

#if defined(__GLIBC__) && !defined(SANITIZED)
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// initial-exec: thread-local storage that itself needs no allocation.
static _Thread_local int64_t count __attribute__((tls_model("initial-exec")));
static void add(void) { count++; }

int64_t nde_allocation_count(void) { return count; }

void *malloc(size_t size) {
  add();
  return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  add();
  return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  add();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  add();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  add();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  add();
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}
#else
int64_t nde_allocation_count(void) { return -1; }
#endif
