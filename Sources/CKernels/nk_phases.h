// Private: marks in the solvers, for profiles. Without a profile each is one test of a pointer.
#ifndef NK_PHASES_H
#define NK_PHASES_H

#include "nk_profile.h"
#include "nk_solve.h"

// The profile that a frame runs under, or NULL.
nk_profile *nk_profile_of(const nk_frame *frame);
void nk_phase_enter(const nk_solve *solve, int32_t worker, nk_phase phase, int64_t lanes);
void nk_phase_leave(const nk_solve *solve, int32_t worker);
// What the worker does from here on belongs to the phase, but for evaluations of the field.
static inline void nk_phase_mark(const nk_solve *solve, int32_t worker, nk_phase phase, int64_t lanes) {
  if (solve->profile) nk_phase_enter(solve, worker, phase, lanes);
}
// nk_pool_run of a part of a solve; under a profile its workers begin in `phase` and end in none.
void nk_solve_run(const nk_solve *solve, int64_t count, void (*body)(void *context, int64_t index, int32_t worker),
                  void *context, nk_phase phase);

#endif
