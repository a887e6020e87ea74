// Private to the continuous adjoint on steps that all lanes share.
#ifndef NK_BACKSOLVE_H
#define NK_BACKSOLVE_H

#include "nk_solve.h"

typedef struct nk_pass {
  nk_solve *solve;
  nk_step step;
  int commit; // the tentative sums of the attempt before are to be kept
  double h0;
  int32_t save; // of the pass over save times
} nk_pass;

// The block's fixed steps, from the last time to the first. `seeker`: of the repetition that looks for the step that failed.
nk_status nk_backsolve_fixed_block(const nk_block *block, int64_t *evaluations, nk_seeker *seeker);
// The stages of one adaptive step, and where it leads.
nk_status nk_backsolve_attempt(const nk_block *block, const nk_step *step, int64_t *evaluations);
// The slopes at the last time, for the first step.
void nk_backsolve_first_slope(void *pass, int64_t block, int32_t worker);
// Fills the diagnosis.
void nk_backsolve_explain(nk_pass *pass, nk_status status, nk_pace *pace, double reached);

#endif
