#define _GNU_SOURCE // clock_gettime
#include <stdlib.h>
#include <time.h>
#include "CMeasure.h"
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#include <stdio.h>
#endif

// The barrier after the call keeps it from becoming a jump: callgrind sees the function left when the body is done.
__attribute__((noinline)) void nde_counted(void (*body)(void *), void *context) {
  body(context);
  __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void nde_counted_mark(void) { __asm__ volatile("" ::: "memory"); }

void nde_allocate_once(void) {
  void *volatile block = malloc(64);
  free(block);
}

double nde_thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *nde_toolchain(void) {
#if defined(__GLIBC__)
  static char text[256];
  snprintf(text, sizeof text, "clang %s, glibc %s", __clang_version__, gnu_get_libc_version());
  return text;
#else
  return "clang " __clang_version__;
#endif
}
