// Private to the exact gradient of solves with a step size for every lane: the rows that are swept backward.
#ifndef NK_SWEEP_H
#define NK_SWEEP_H

#include "nk_lanes.h"

typedef struct nk_sweep_slot {
  int64_t lane, steps, n;   // n: the next step to reverse
  int64_t window, column;   // first step of the window; where its states are
  int64_t save;             // save times after this one are done
  int64_t inside, inside_end; // save times strictly inside of the step
  int64_t evaluations, recomputed;
  double t, t1, after;      // of the step; where step n ends
} nk_sweep_slot;

typedef struct nk_sweep {
  const nk_solve *s;
  int32_t worker;
  int64_t group, capacity, count, live; // rows in use, and those of them that still have steps in their window
  int64_t window;                       // steps of a window, at most
  int64_t next, end;                    // lanes of the group
  nk_sweep_slot *slots;
  char *t, *ct_t;                       // [capacity]
  char *h, *y, *lambda, *kbar, *input, *k[NK_MAX_STAGES], *slope[NK_MAX_STAGES]; // [capacity, dim]
  char **captures, **ct_captures, **sums; // rows of the lane captures: values, a stage's cotangents, their sums
  char *residual, *base;                // [stages] residuals; [window, capacity, dim] states
  double *base_t, *moved;               // [window, capacity]; [capacity]
  uint32_t core, dense;
  nk_march march;
} nk_sweep;

int64_t nk_sweep_plan(nk_sweep *w, const nk_solve *s, uintptr_t base); // bytes
// Fills rows from the lanes of the group; a lane that failed on the way forward has no gradient.
void nk_sweep_refill(nk_sweep *w);
// Rows whose lanes are done leave.
void nk_sweep_retire(nk_sweep *w);
// Gives every row a window of steps whose states are at hand; all rows are live then.
void nk_sweep_open_windows(nk_sweep *w);
void nk_sweep_exchange_rows(nk_sweep *w, int64_t a, int64_t b);
static inline const char *nk_sweep_cotangent(const nk_sweep *w, const nk_sweep_slot *slot, int64_t save) {
  return w->s->ct_states + save * w->s->state_bytes + slot->lane * w->s->row_bytes;
}

#endif
