// Counts the calls of malloc and its relatives by interposing them (glibc only, and not under a sanitizer, which does the
// same): for tests that claim that something allocates nothing.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H
#include <stdint.h>

// Allocations of the calling thread so far; -1 where they are not counted.
int64_t allocation_count(void);

#endif
