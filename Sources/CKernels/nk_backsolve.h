// Private to the continuous adjoint on steps that all lanes share.
#ifndef NK_BACKSOLVE_H
#define NK_BACKSOLVE_H

#include "nk_solve.h"

typedef struct nk_pass {
  nk_solve *solve;
  nk_step step;
  int commit; // the lane captures' increments of the attempt before are to be kept
  int first_known;   // what the first stage is and adds is known: from the attempt that was rejected, or the step before
  int last_is_first; // the last stage of the attempt is the next step's first one, if it is accepted
  int32_t save; // of the pass over save times
} nk_pass;

// Stage i of y (k) and of lambda (slope: (df/dy)^T lambda, so lambda' is its negative). Counts in the integral with
// `weight`: in the sums at `acc` and `tentative` (NULL: the group's accumulators, the outputs).
nk_status nk_backsolve_stage(const nk_block *block, const nk_step *step, int32_t i, const char *y, const char *lambda,
                             double weight, char *acc, char *tentative);
void nk_backsolve_advance(const nk_block *block, const nk_step *step, const char *y, const char *lambda, char *y1,
                          char *lambda1);
nk_step nk_backsolve_step(double t, double t1);
// What the blocks' notes come to.
typedef struct nk_gathered {
  double sum, sum1;
  nk_status status;
  int finite;
} nk_gathered;
nk_gathered nk_backsolve_gather(const nk_solve *solve);
nk_status nk_backsolve_adaptive(nk_pass *pass, nk_pace *pace, double *reached);

// The block's fixed steps, from the last time to the first. `seeker`: of the repetition that looks for the step that failed.
nk_status nk_backsolve_fixed_block(const nk_block *block, int64_t *evaluations, nk_seeker *seeker);
// The stages of one adaptive step, and where it leads.
nk_status nk_backsolve_attempt(const nk_pass *pass, nk_block *block, int64_t *evaluations);
// The first stage at the last time.
void nk_backsolve_first_slope(const nk_pass *pass, const nk_block *block);
// Fills the diagnosis.
void nk_backsolve_explain(nk_pass *pass, nk_status status, nk_pace *pace, double reached);

#endif
