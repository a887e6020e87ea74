// The continuous adjoint with adaptive steps (the equations are those of ode_backsolve.c): one pass over the groups of
// blocks per attempt. It goes on from the sums over captures of the accepted steps in other memory, which takes
// their place once the step is accepted. What a first stage adds to them is kept for a weight of one, so that another attempt
// of the step, or the next step of an FSAL method, needs no evaluation to count it with a weight of its own.
#include <math.h>
#include <string.h>
#include "nk_backsolve.h"
#include "nk_phases.h"
#pragma STDC FP_CONTRACT OFF

static char *sums_of(const nk_solve *s, char *all, int64_t group) {
  return all + group * s->vjp.run.layout.acc_stride;
}

// to = base + scale * first, of the accumulators of a group.
static void add_first(const nk_solve *s, int64_t group, char *to, const char *base, double scale) {
  const nk_region *body = s->vjp.body;
  to = sums_of(s, to, group);
  base += group * s->vjp.run.layout.acc_stride;
  const char *first = sums_of(s, s->first_acc, group);
  for (int32_t i = 0; i < body->acc_count; i++) {
    const nk_accumulator *piece = &body->acc[i];
    const void *x = first + piece->offset;
    if (piece->count > 0)
      nk_kernels_get(piece->dtype)
          ->combine(to + piece->offset, base + piece->offset, &scale, &x, 1, (ptrdiff_t)piece->count);
  }
}

static void commit_group(const nk_solve *s, int64_t group, int32_t worker) {
  const int64_t end = nk_group_first(group + 1, s->groups, s->blocks);
  for (int64_t i = nk_group_first(group, s->groups, s->blocks); i < end; i++) {
    const nk_block b = nk_solve_block(s, i, worker);
    nk_lane_captures_commit(&b, s->lane_tentative);
  }
}

static void commit_only(void *context, int64_t group, int32_t worker) {
  const nk_pass *p = context;
  commit_group(p->solve, group, worker);
}

static double lambda_error2(const nk_block *b, const nk_step *step, const char *lambda, const char *lambda1) {
  const nk_solve *s = b->solve;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const nk_tableau *m = s->tableau;
  const int32_t terms = nk_terms(m->b_error, 1, -step->h, b->scratch.slope, 1, m->step_stages, weights, vectors);
  return s->kernels->error_norm2(lambda, lambda1, weights, vectors, terms, s->controller->atol,
                                 s->controller->rtol, (ptrdiff_t)b->elements);
}

// The stages that outlive the attempt are kept for all lanes.
static void bind_stages(const nk_solve *s, nk_block *b) {
  b->scratch.k[0] = s->k0 + b->offset;
  b->scratch.slope[0] = s->l0 + b->offset;
  if (!s->tableau->fsal) return;
  b->scratch.k[s->tableau->step_stages - 1] = s->k_last + b->offset;
  b->scratch.slope[s->tableau->step_stages - 1] = s->l_last + b->offset;
}

nk_status nk_backsolve_attempt(const nk_pass *p, nk_block *b, int64_t *evaluations) {
  const nk_solve *s = p->solve;
  const nk_tableau *m = s->tableau;
  const nk_step *step = &p->step;
  const char *y = s->y + b->offset, *lambda = s->lambda + b->offset;
  const double one = m->b[0] != 0;
  bind_stages(s, b);
  nk_phase_mark(s, b->worker, NK_PHASE_STAGES, b->lanes);
  for (int32_t i = p->first_known; i < m->step_stages; i++) {
    nk_status status;
    if (i == 0)
      status = nk_backsolve_stage(b, step, i, y, lambda, one, sums_of(s, s->first_acc, b->group), s->lane_first);
    else if (i == m->step_stages - 1 && p->last_is_first)
      status = nk_backsolve_stage(b, step, i, y, lambda, one, sums_of(s, s->last_acc, b->group), s->lane_last);
    else
      status = nk_backsolve_stage(b, step, i, y, lambda, -step->h * m->b[i], sums_of(s, s->tentative, b->group),
                                  s->lane_tentative);
    if (status != NK_SUCCESS) return status;
    ++*evaluations;
  }
  nk_backsolve_advance(b, step, y, lambda, s->y1 + b->offset, s->lambda1 + b->offset);
  return NK_SUCCESS;
}

static void attempt_group(void *context, int64_t group, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  const size_t acc_bytes = (size_t)s->vjp.body->acc_bytes;
  const double first_weight = -p->step.h * s->tableau->b[0];
  if (p->commit) commit_group(s, group, worker);
  if (p->first_known) {
    add_first(s, group, s->tentative, s->committed, first_weight);
  } else {
    memcpy(sums_of(s, s->tentative, group), sums_of(s, s->committed, group), acc_bytes);
    memset(sums_of(s, s->first_acc, group), 0, acc_bytes);
  }
  if (p->last_is_first) memset(sums_of(s, s->last_acc, group), 0, acc_bytes);
  const int64_t end = nk_group_first(group + 1, s->groups, s->blocks);
  for (int64_t i = nk_group_first(group, s->groups, s->blocks); i < end; i++) {
    nk_block b = nk_solve_block(s, i, worker);
    b.group = group;
    nk_note *note = &s->notes[i];
    *note = (nk_note){0};
    nk_phase_mark(s, worker, NK_PHASE_CAPTURES, b.lanes);
    nk_lane_captures_reset(&b, s->lane_tentative);
    if (!p->first_known) nk_lane_captures_reset(&b, s->lane_first);
    if (p->last_is_first) nk_lane_captures_reset(&b, s->lane_last);
    const char *y = s->y + b.offset, *lambda = s->lambda + b.offset;
    char *y1 = s->y1 + b.offset, *lambda1 = s->lambda1 + b.offset;
    note->status = nk_backsolve_attempt(p, &b, &note->evaluations);
    nk_phase_mark(s, worker, NK_PHASE_CAPTURES, b.lanes);
    nk_lane_captures_move(&b, first_weight, s->lane_tentative, s->lane_first);
    nk_phase_mark(s, worker, NK_PHASE_ERROR, b.lanes);
    note->sum[0] = nk_block_error2(&b, &p->step, y, y1, b.scratch.k);
    note->sum[1] = lambda_error2(&b, &p->step, lambda, lambda1);
    note->finite = s->kernels->all_finite(y1, (ptrdiff_t)b.elements) &&
                   s->kernels->all_finite(lambda1, (ptrdiff_t)b.elements);
  }
  nk_phase_mark(s, worker, NK_PHASE_CAPTURES, 0);
  if (!p->first_known) add_first(s, group, s->tentative, s->tentative, first_weight);
}

void nk_backsolve_first_slope(const nk_pass *p, const nk_block *b) {
  const nk_solve *s = p->solve;
  nk_note *note = &s->notes[b->index];
  *note = (nk_note){0};
  const nk_step nowhere = {.t = s->times[s->ode->time_count - 1]};
  const char *y = s->y + b->offset, *lambda = s->lambda + b->offset;
  nk_block bound = *b;
  bind_stages(s, &bound);
  note->status = nk_backsolve_stage(&bound, &nowhere, 0, y, lambda, s->tableau->b[0] != 0,
                                    sums_of(s, s->first_acc, b->group), s->lane_first);
  note->finite = s->kernels->all_finite(s->k0 + b->offset, (ptrdiff_t)b->elements) &&
                 s->kernels->all_finite(s->l0 + b->offset, (ptrdiff_t)b->elements);
}

static void first_slope_group(void *context, int64_t group, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  memset(sums_of(s, s->first_acc, group), 0, (size_t)s->vjp.body->acc_bytes);
  const int64_t end = nk_group_first(group + 1, s->groups, s->blocks);
  for (int64_t i = nk_group_first(group, s->groups, s->blocks); i < end; i++) {
    nk_block b = nk_solve_block(s, i, worker);
    b.group = group;
    nk_lane_captures_reset(&b, s->lane_first);
    nk_backsolve_first_slope(p, &b);
  }
}

static double components(const nk_solve *s) {
  return nk_counted_components(s) + (double)s->ode->lanes * (double)s->ode->dim;
}

// The first stage apart: where it is not finite no step would help.
static nk_status begin(nk_pass *p, nk_pace *pace) {
  nk_solve *s = p->solve;
  nk_solve_run(s, s->groups, first_slope_group, p, NK_PHASE_CONTROL);
  const nk_gathered v = nk_backsolve_gather(s);
  pace->evaluations++;
  pace->h = fmax(s->next_steps[0], s->controller->min_step);
  p->first_known = 1;
  return v.status != NK_SUCCESS ? v.status : v.finite ? NK_SUCCESS : NK_NON_FINITE_FIELD;
}

static void exchange(char **a, char **b) {
  char *held = *a;
  *a = *b;
  *b = held;
}

nk_status nk_backsolve_adaptive(nk_pass *p, nk_pace *pace, double *reached) {
  nk_solve *s = p->solve;
  const int32_t last = s->ode->time_count - 1;
  const ptrdiff_t n = (ptrdiff_t)(s->ode->lanes * s->ode->dim);
  s->tentative = nk_field_acc(&s->vjp, 0);
  memset(s->committed, 0, (size_t)(s->groups * s->vjp.run.layout.acc_stride));
  s->kernels->fill(s->lambda, 0, n);
  for (int32_t i = last; i > 0; i--) {
    memcpy(s->y, s->states + i * s->state_bytes, (size_t)s->state_bytes);
    s->kernels->axpby(s->lambda, s->ct_states + i * s->state_bytes, 1, 1, n);
    nk_status status = NK_SUCCESS;
    p->first_known = 0;
    *reached = s->times[i];
    if (i == last) status = begin(p, pace);
    double t = s->times[i];
    while (status == NK_SUCCESS && t != s->times[i - 1]) {
      *reached = t;
      double t1;
      const double proposed = pace->h;
      status = nk_pace_next(pace, s, t, s->times[i - 1], &t1);
      if (status != NK_SUCCESS) break;
      p->step = nk_backsolve_step(t, t1);
      p->last_is_first = s->tableau->fsal && t1 != s->times[i - 1];
      nk_solve_run(s, s->groups, attempt_group, p, NK_PHASE_CONTROL);
      const nk_gathered v = nk_backsolve_gather(s);
      status = v.status;
      pace->evaluations += s->notes[0].evaluations;
      const double error = v.finite ? sqrt((v.sum + v.sum1) / components(s)) : (double)NAN;
      p->commit = status == NK_SUCCESS && nk_pace_judge(pace, s, error, p->step.h);
      p->first_known = !p->commit || p->last_is_first;
      if (!p->commit) continue;
      // A step shortened to end at a save time says nothing against the longer one.
      if (t1 == s->times[i - 1]) pace->h = fmax(pace->h, proposed);
      t = t1;
      exchange(&s->y, &s->y1);
      exchange(&s->lambda, &s->lambda1);
      exchange(&s->committed, &s->tentative);
      if (!p->last_is_first) continue;
      exchange(&s->k0, &s->k_last);
      exchange(&s->l0, &s->l_last);
      exchange(&s->first_acc, &s->last_acc);
      exchange(&s->lane_first, &s->lane_last);
    }
    if (status != NK_SUCCESS) return status;
  }
  *reached = s->times[0];
  if (p->commit) nk_solve_run(s, s->groups, commit_only, p, NK_PHASE_CONTROL);
  return NK_SUCCESS;
}
