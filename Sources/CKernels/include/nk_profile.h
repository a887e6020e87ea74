// A profile of a run: how often each instruction ran, on how many lanes, for how long; the same of the parts of solves that
// are not the field. Every worker counts for itself; who reads adds.
#ifndef NK_PROFILE_H
#define NK_PROFILE_H

#include "nk_program.h"

// What a solver does beside evaluating its field.
#define NK_PHASE_LIST(X)                                                                                               \
  X(NK_PHASE_CONTROL, "step control")     /* step sizes, lanes in and out, copies: whatever is nothing else */         \
  X(NK_PHASE_STAGES, "stage sums")        /* y + h sum a k, and the same of cotangents                      */         \
  X(NK_PHASE_ERROR, "error norms")                                                                                     \
  X(NK_PHASE_SAVE, "saved states")        /* dense output and the tape                                      */         \
  X(NK_PHASE_CAPTURES, "captures' sums")  /* cotangents of captures                                         */

typedef enum NK_CLOSED_ENUM nk_phase {
#define NK_X(name, text) name,
  NK_PHASE_LIST(NK_X)
#undef NK_X
} nk_phase;
enum {
  NK_PHASE_COUNT = 0
#define NK_X(name, text) +1
  NK_PHASE_LIST(NK_X)
#undef NK_X
};
const char *nk_phase_name(nk_phase phase);

typedef struct nk_counter {
  int64_t calls, lanes, ticks;
} nk_counter;

// One worker's counters: [instructions] of the instructions by number, [instructions] of the programs by their first, then
// [instructions, NK_PHASE_COUNT] of the solves by their instruction.
typedef struct nk_tally {
  nk_counter *counters;
  nk_counter *phases; // of the solve that the worker is in; NULL: none, or in its field
  int32_t phase;
  int64_t since;
} nk_tally;

typedef struct nk_profile {
  nk_watch watch; // nk_program_profile sets it
  int64_t instructions; // of the program and all programs inside
  int32_t threads;
  nk_tally *tallies; // [threads]; counters zeroed by the caller
  int64_t ticks, nanoseconds; // of the run, by both clocks
} nk_profile;

static inline int64_t nk_profile_counters(int64_t instructions) {
  return instructions * (2 + NK_PHASE_COUNT);
}

// As nk_program_run, adding to the profile.
nk_status nk_program_profile(const nk_program *program, void *const *args, void *workspace, nk_pool *pool,
                             nk_diagnosis *diagnosis, nk_profile *profile);
// Floating-point operations that so many rounds of fused multiply-adds in registers are; they are done when it returns.
int64_t nk_peak_rounds(nk_isa isa, nk_dtype dtype, int64_t rounds);

#endif
