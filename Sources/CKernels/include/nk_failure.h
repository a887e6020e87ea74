// What led to the failure of a solve: its last attempts, why they were rejected, and the operation that the first value
// that is not finite came from.
//
// The attempts of steps that all lanes share are written down as they are made, a few stores each. Everything else is
// found once a solve has failed, by repeating what failed: a block's fixed steps, the last attempt, the steps of one lane.
#ifndef NK_FAILURE_H
#define NK_FAILURE_H

#include "nk_program.h"

typedef enum NK_CLOSED_ENUM nk_verdict { NK_ACCEPTED, NK_INACCURATE, NK_NOT_FINITE } nk_verdict;

typedef struct nk_attempt {
  double t, h;
  double error; // over the tolerated one; NaN where there was no estimate, or it was not finite
  nk_verdict verdict;
} nk_attempt;

typedef enum NK_CLOSED_ENUM nk_birth {
  NK_BIRTH_UNKNOWN,
  NK_BIRTH_OPERATION, // an operation made it of operands that are finite
  NK_BIRTH_STATE,     // the field was asked at a state that is not finite: a sum of slopes overflowed
  NK_BIRTH_CAPTURE,   // it came with a tensor that the field captures
  NK_BIRTH_COTANGENT  // of a way back: the loss's derivative was not finite, or a sum of its slopes overflowed
} nk_birth;

typedef struct nk_origin {
  nk_birth birth;
  int32_t instr;   // NK_BIRTH_OPERATION: nk_program.number of its program + its index there
  int32_t op;      // which operation of elementwise code, -1 elsewhere
  int64_t row;     // of the rows that the program ran on
  double t;        // of the evaluation
} nk_origin;

#define NK_HISTORY 8
typedef struct nk_failure {
  int64_t attempts;                // made; the last NK_HISTORY of them are kept, number n in last[n % NK_HISTORY]
  int64_t inaccurate, not_finite;  // rejected
  nk_attempt last[NK_HISTORY];
  nk_origin origin;
} nk_failure;

static inline void nk_failure_attempt(nk_failure *failure, double t, double h, double error, int accepted) {
  if (!failure) return;
  nk_attempt *attempt = &failure->last[failure->attempts++ % NK_HISTORY];
  attempt->t = t;
  attempt->h = h;
  attempt->error = error;
  const int finite = error - error == 0;
  attempt->verdict = accepted ? NK_ACCEPTED : finite ? NK_INACCURATE : NK_NOT_FINITE;
  failure->inaccurate += !accepted && finite;
  failure->not_finite += !accepted && !finite;
}

#endif
