// Why a continuous adjoint failed: what failed is repeated, block by block.
#include "nk_backsolve.h"

static void explain_fixed(nk_solve *s, nk_seeker *seeker) {
  for (int64_t i = 0; i < s->blocks && !seeker->found; i++) {
    if (s->notes[i].status == NK_SUCCESS) continue;
    const nk_block b = nk_solve_block(s, i, 0);
    int64_t evaluations = 0;
    nk_backsolve_fixed_block(&b, &evaluations, seeker);
    if (seeker->found && seeker->origin->row >= 0) seeker->row = b.lane0 + seeker->origin->row;
  }
}

// The largest share of the error, of y or of lambda, of any component of the block.
static void largest_share(const nk_block *b, const nk_step *step, double *largest, int64_t *lane, int64_t *component) {
  const nk_solve *s = b->solve;
  const nk_controller *c = s->controller;
  const char *from[2] = {s->y + b->offset, s->lambda + b->offset};
  const char *to[2] = {s->y1 + b->offset, s->lambda1 + b->offset};
  double weights[2][NK_MAX_STAGES];
  for (int32_t i = 0; i < s->tableau->step_stages; i++)
    weights[1][i] = -(weights[0][i] = step->h * s->tableau->b_error[i]);
  for (int64_t j = 0; j < 2 * b->elements; j++) {
    const int which = (int)(j / b->elements);
    const int64_t at = j % b->elements * s->size;
    const void *k[NK_MAX_STAGES];
    for (int32_t i = 0; i < s->tableau->step_stages; i++) k[i] = (which ? b->scratch.slope : b->scratch.k)[i] + at;
    const double share = s->kernels->error_norm2(from[which] + at, to[which] + at, weights[which], k,
                                                 s->tableau->step_stages, c->atol, c->rtol, 1);
    if (!(share > *largest)) continue;
    *largest = share;
    *lane = b->lane0 + j % b->elements / s->ode->dim;
    *component = j % b->elements % s->ode->dim;
  }
}

static void explain_adaptive(nk_pass *p, nk_seeker *seeker, int64_t *lane, int64_t *component) {
  nk_solve *s = p->solve;
  double largest = -1;
  p->first_known = 0; // what is known may be what failed
  for (int64_t i = 0; i < s->blocks && !seeker->found; i++) {
    nk_block b = nk_solve_block(s, i, 0);
    int64_t evaluations = 0;
    if (p->step.h == 0) {
      nk_backsolve_first_slope(p, &b);
    } else if (nk_backsolve_attempt(p, &b, &evaluations) == NK_SUCCESS) {
      largest_share(&b, &p->step, &largest, lane, component);
    }
    if (!seeker->found) continue;
    *lane = seeker->origin->row < 0 ? -1 : b.lane0 + seeker->origin->row;
    *component = -1;
  }
}

void nk_backsolve_explain(nk_pass *p, nk_status status, nk_pace *pace, double reached) {
  nk_solve *s = p->solve;
  nk_seeker seeker;
  int64_t lane = -1, component = -1;
  const int adaptive = s->controller->adaptive;
  const int repeats = pace->after_rejection || (status != NK_MAX_STEPS && status != NK_STEP_UNDERFLOW);
  if (repeats && nk_seek_begin(&seeker, s, -1)) {
    if (adaptive) {
      explain_adaptive(p, &seeker, &lane, &component);
    } else {
      explain_fixed(s, &seeker);
      lane = seeker.row;
      if (seeker.found) {
        reached = seeker.t;
        pace->last_h = seeker.h;
        pace->accepted = s->frame->diagnosis->failure->attempts - 1;
      }
    }
    nk_seek_end(&seeker);
  }
  nk_diagnose(s, status, pace, reached, lane, component);
}
