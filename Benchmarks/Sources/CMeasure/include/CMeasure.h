// What a measurement needs that Swift cannot say: counted allocations, regions that callgrind can find by name, and
// the yardsticks that times are divided by.
#ifndef C_MEASURE_H
#define C_MEASURE_H
#include <stdint.h>

// Calls of malloc and its relatives so far, by this thread; -1 where they are not counted (not glibc, or a sanitizer).
int64_t nde_allocation_count(void);
// One allocation that the compiler keeps, and its release.
void nde_allocate_once(void);

// Runs `body(context)`. Callgrind collects inside of it by name (--toggle-collect).
void nde_counted(void (*body)(void *), void *context);
// Does nothing. Callgrind writes what it collected so far and starts again (--dump-before; it would lose the counts of
// a function that it is told to collect in and to dump at).
void nde_counted_mark(void);

// Independent chains of fused multiply-adds in registers, as many as hide the latency: `rounds` times what
// nde_fma_flops_per_round says. `bits`: width of the vectors, 128, 256 or 512; the caller knows that the machine has it.
void nde_fma_rounds_f32(int32_t bits, int64_t rounds);
void nde_fma_rounds_f64(int32_t bits, int64_t rounds);
int64_t nde_fma_flops_per_round(int32_t bits, int32_t element_bytes);

// A copy that the compiler keeps.
void nde_copy(void *to, const void *from, int64_t bytes);

// Seconds of processor time of this thread: other processes on the machine hardly move it.
double nde_thread_seconds(void);

// Wall-clock seconds of a process from its start to its end, its output thrown away; negative where it could not be
// started or did not end with 0. `arguments` ends with NULL; the first is the program's name.
double nde_process_seconds(const char *path, char *const arguments[]);

// Compiler and C library that this was built with and runs on: instruction counts hold for one pair of them.
const char *nde_toolchain(void);
#endif
