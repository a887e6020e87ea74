// Private to the continuous adjoint of solves with a step size for every lane: the rows that go back together.
#ifndef NK_BACK_H
#define NK_BACK_H

#include "nk_lanes.h"

typedef struct nk_back {
  const nk_solve *s;
  int32_t worker;
  int64_t group, capacity, active, next, end;
  nk_slot *slots;              // cursor: the save time a row goes to; offset: steps taken since the one it came from
  char *t, *ct_t;              // [capacity]
  char *h, *input, *input2, *seed, *rows[2 + 2 + 2 * NK_MAX_STAGES]; // [capacity, dim]; rows: what moves with a row
  int32_t row_arrays;
  char **captures, **ct_captures, **sums;
  nk_paces paces;
  nk_pace_rule rule;
  double *error2; // of lambda
} nk_back;
enum { NK_BACK_Y, NK_BACK_LAMBDA, NK_BACK_Y1, NK_BACK_LAMBDA1, NK_BACK_STAGES };
#define NK_BACK_K(i) (NK_BACK_STAGES + 2 * (i))
#define NK_BACK_SLOPE(i) (NK_BACK_STAGES + 2 * (i) + 1)

int64_t nk_back_plan(nk_back *b, const nk_solve *s, uintptr_t base); // bytes
void nk_back_refill(nk_back *b);
// Puts the row on the state saved at `save`, on its way to the one before.
void nk_back_enter(nk_back *b, int64_t r, int64_t save);
void nk_back_leave(nk_back *b, int64_t r, nk_status status);
void nk_back_exchange_rows(nk_back *b, int64_t r, int64_t q);
// Whether the way forward got to the end: what it did not reach is not finite.
int nk_is_whole(const nk_solve *s, int64_t lane);

#endif
