// The continuous adjoint in constant memory: y and lambda are integrated together from the last time to the
// first,
//
//   lambda' = -(df/dy)^T lambda,   lambda jumps by ct_i at save time i,   dL/dp = integral of (df/dp)^T
//   lambda dt.
//
// y is put back on its saved state at every save time. The parameter integral is the step's own quadrature,
// with the weights -h b_i (h runs backward); parameters are outside of the error norm (Kidger, Chen, Lyons:
// "Hey, that's not an ODE", ICML 2021). Adaptive steps accumulate into tentative sums that count only once
// their step is accepted.
#include <math.h>
#include <string.h>
#include "nk_backsolve.h"
#include "nk_phases.h"
#pragma STDC FP_CONTRACT OFF

// Stages of y (k) and of lambda (slope: (df/dy)^T lambda, so lambda' is its negative).
static nk_status stages(const nk_block *b, const nk_step *step, const char *y, const char *lambda,
                        uint32_t mask, char *tentative, int64_t *evaluations) {
  const nk_solve *s = b->solve;
  const nk_tableau *m = s->tableau;
  const nk_scratch *scratch = &b->scratch;
  nk_phase_mark(s, b->worker, NK_PHASE_STAGES, b->lanes);
  for (int32_t i = 0; i < m->stages; i++) {
    if (!(mask >> i & 1)) continue;
    const double *a = m->a + i * m->stages;
    nk_combine(s->kernels, scratch->input, y, a, 1, step->h, scratch->k, i, b->elements);
    nk_combine(s->kernels, scratch->input2, lambda, a, 1, -step->h, scratch->slope, i, b->elements);
    const double weight = -step->h * m->b[i];
    const nk_status status = nk_field_vjp(b, nk_stage_time(step, m->c[i]), scratch->input, scratch->input2,
                                          scratch->k[i], scratch->slope[i], weight);
    if (status != NK_SUCCESS) return status;
    if (weight != 0) nk_lane_captures_add(b, weight, tentative);
    ++*evaluations;
  }
  return NK_SUCCESS;
}

static void advance(const nk_block *b, const nk_step *step, const char *y, const char *lambda, char *y1,
                    char *lambda1) {
  const nk_solve *s = b->solve;
  const int32_t terms = s->tableau->step_stages;
  nk_combine(s->kernels, y1, y, s->tableau->b, 1, step->h, b->scratch.k, terms, b->elements);
  nk_combine(s->kernels, lambda1, lambda, s->tableau->b, 1, -step->h, b->scratch.slope, terms, b->elements);
}

static nk_step backward_step(double t, double t1) {
  return (nk_step){.t = t, .t1 = t1, .h = t1 - t, .hit = -1};
}

// --- Fixed steps: blocks do not meet
// -------------------------------------------------------------------------------
// `seeker`: of the repetition that looks for the step that failed.
nk_status nk_backsolve_fixed_block(const nk_block *b, int64_t *evaluations, nk_seeker *seeker) {
  const nk_solve *s = b->solve;
  const size_t bytes = (size_t)(b->lanes * s->row_bytes);
  const int32_t last = s->ode->time_count - 1;
  const uint32_t mask = nk_stages_needed(s->tableau, 0);
  char *y = b->scratch.y[0], *y1 = b->scratch.y[1], *lambda = b->scratch.lambda[0],
       *lambda1 = b->scratch.lambda[1];
  s->kernels->fill(lambda, 0, (ptrdiff_t)b->elements);
  for (int32_t i = last; i > 0; i--) {
    memcpy(y, s->states + i * s->state_bytes + b->offset, bytes);
    s->kernels->axpby(lambda, s->ct_states + i * s->state_bytes + b->offset, 1, 1, (ptrdiff_t)b->elements);
    const int64_t steps = nk_grid_interval_steps(s, s->times, i - 1);
    const double from = s->times[i], to = s->times[i - 1];
    double t = from;
    for (int64_t n = 0; n < steps; n++) {
      const double t1 = n + 1 == steps ? to : from + (to - from) * ((double)(n + 1) / (double)steps);
      const nk_step step = backward_step(t, t1);
      const nk_status status = stages(b, &step, y, lambda, mask, NULL, evaluations);
      if (status != NK_SUCCESS) return status;
      advance(b, &step, y, lambda, y1, lambda1);
      if (seeker && nk_seek_step(seeker, &step)) return NK_NON_FINITE_FIELD;
      char *swap = y;
      y = y1;
      y1 = swap;
      swap = lambda;
      lambda = lambda1;
      lambda1 = swap;
      t = t1;
    }
  }
  memcpy(s->lambda + b->offset, lambda, bytes);
  return s->kernels->all_finite(lambda, (ptrdiff_t)b->elements) ? NK_SUCCESS : NK_NON_FINITE_FIELD;
}

static void fixed_group(void *context, int64_t group, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  memset(nk_field_acc(&s->vjp, group), 0, (size_t)s->vjp.body->acc_bytes);
  const int64_t end = nk_group_first(group + 1, s->groups, s->blocks);
  for (int64_t i = nk_group_first(group, s->groups, s->blocks); i < end; i++) {
    nk_block b = nk_solve_block(s, i, worker);
    b.group = group;
    s->notes[i] = (nk_note){0};
    s->notes[i].status = nk_backsolve_fixed_block(&b, &s->notes[i].evaluations, NULL);
  }
}

// --- Adaptive steps: one pass over the groups per attempt
// ----------------------------------------------------------
static void commit_group(const nk_solve *s, int64_t group, int32_t worker) {
  const nk_region *body = s->vjp.body;
  const char *acc = nk_field_acc(&s->vjp, group);
  char *committed = s->committed + group * s->vjp.run.layout.acc_stride;
  for (int32_t i = 0; i < body->acc_count; i++) {
    const nk_accumulator *piece = &body->acc[i];
    if (piece->count > 0)
      nk_kernels_get(piece->dtype)
          ->axpby(committed + piece->offset, acc + piece->offset, 1, 1, (ptrdiff_t)piece->count);
  }
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
  int32_t terms = 0;
  for (int32_t i = 0; i < s->tableau->step_stages; i++) {
    if (s->tableau->b_error[i] == 0) continue;
    weights[terms] = -step->h * s->tableau->b_error[i];
    vectors[terms++] = b->scratch.slope[i];
  }
  return s->kernels->error_norm2(lambda, lambda1, weights, vectors, terms, s->controller->atol,
                                 s->controller->rtol, (ptrdiff_t)b->elements);
}

nk_status nk_backsolve_attempt(const nk_block *b, const nk_step *step, int64_t *evaluations) {
  const nk_solve *s = b->solve;
  const uint32_t mask = (1u << s->tableau->step_stages) - 1;
  const char *y = s->y + b->offset, *lambda = s->lambda + b->offset;
  const nk_status status = stages(b, step, y, lambda, mask, s->lane_tentative, evaluations);
  advance(b, step, y, lambda, s->y1 + b->offset, s->lambda1 + b->offset);
  return status;
}

static void attempt_group(void *context, int64_t group, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  if (p->commit) commit_group(s, group, worker);
  memset(nk_field_acc(&s->vjp, group), 0, (size_t)s->vjp.body->acc_bytes);
  const int64_t end = nk_group_first(group + 1, s->groups, s->blocks);
  for (int64_t i = nk_group_first(group, s->groups, s->blocks); i < end; i++) {
    nk_block b = nk_solve_block(s, i, worker);
    b.group = group;
    nk_note *note = &s->notes[i];
    *note = (nk_note){0};
    nk_phase_mark(s, worker, NK_PHASE_CAPTURES, b.lanes);
    nk_lane_captures_reset(&b, s->lane_tentative);
    const char *y = s->y + b.offset, *lambda = s->lambda + b.offset;
    char *y1 = s->y1 + b.offset, *lambda1 = s->lambda1 + b.offset;
    note->status = nk_backsolve_attempt(&b, &p->step, &note->evaluations);
    nk_phase_mark(s, worker, NK_PHASE_ERROR, b.lanes);
    note->sum[0] = nk_block_error2(&b, &p->step, y, y1, b.scratch.k);
    note->sum[1] = lambda_error2(&b, &p->step, lambda, lambda1);
    note->finite = s->kernels->all_finite(y1, (ptrdiff_t)b.elements) &&
                   s->kernels->all_finite(lambda1, (ptrdiff_t)b.elements);
  }
}

// Hairer's rule for y and lambda together. Accumulators see the weight 0.
void nk_backsolve_first_slope(void *context, int64_t index, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  const char *y = s->y + b.offset, *lambda = s->lambda + b.offset;
  b.group = index * s->groups / s->blocks;
  char *ky = s->k0 + b.offset, *kl = s->k_last + b.offset;
  note->status = nk_field_vjp(&b, s->times[s->ode->time_count - 1], y, lambda, ky, kl, 0);
  note->sum[0] = nk_block_norm2(&b, y, y);
  note->sum[1] = nk_block_norm2(&b, ky, y);
  const double atol = s->controller->atol, rtol = s->controller->rtol;
  note->sum[0] += s->kernels->scaled_norm2(lambda, lambda, atol, rtol, (ptrdiff_t)b.elements);
  note->sum[1] += s->kernels->scaled_norm2(kl, lambda, atol, rtol, (ptrdiff_t)b.elements);
}

static void probe(void *context, int64_t index, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  const nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  const nk_scratch *x = &b.scratch;
  const double one = 1, difference[2] = {-1, 1};
  char *ky[2] = {s->k0 + b.offset, x->k[0]}, *kl[2] = {s->k_last + b.offset, x->slope[0]};
  nk_combine(s->kernels, x->input, s->y + b.offset, &one, 1, p->h0, ky, 1, b.elements);
  nk_combine(s->kernels, x->input2, s->lambda + b.offset, &one, 1, -p->h0, kl, 1, b.elements);
  note->status =
      nk_field_vjp(&b, s->times[s->ode->time_count - 1] + p->h0, x->input, x->input2, ky[1], kl[1], 0);
  nk_combine(s->kernels, x->y[0], NULL, difference, 1, 1, ky, 2, b.elements);
  nk_combine(s->kernels, x->y[1], NULL, difference, 1, 1, kl, 2, b.elements);
  note->sum[0] = nk_block_norm2(&b, x->y[0], s->y + b.offset);
  note->sum[0] += s->kernels->scaled_norm2(x->y[1], s->lambda + b.offset, s->controller->atol,
                                           s->controller->rtol, (ptrdiff_t)b.elements);
}

typedef struct verdict {
  double sum, sum1;
  nk_status status;
  int finite;
} verdict;
static verdict gather_notes(const nk_solve *s) {
  verdict v = {.status = NK_SUCCESS, .finite = 1};
  for (int64_t i = 0; i < s->blocks; i++) {
    v.sum += s->notes[i].sum[0];
    v.sum1 += s->notes[i].sum[1];
    v.finite &= s->notes[i].finite;
    if (v.status == NK_SUCCESS) v.status = (nk_status)s->notes[i].status;
  }
  return v;
}

static double components(const nk_solve *s) {
  return nk_counted_components(s) + (double)s->ode->lanes * (double)s->ode->dim;
}

// Runs `body` over blocks on one thread: the groups' accumulators and the workers' scratch are then free to
// use.
static nk_status choose_first_step(nk_pass *p, nk_pace *pace) {
  nk_solve *s = p->solve;
  const double span = fabs(s->times[s->ode->time_count - 1] - s->times[0]);
  for (int64_t i = 0; i < s->blocks; i++) nk_backsolve_first_slope(p, i, 0);
  verdict v = gather_notes(s);
  const double d0 = sqrt(v.sum / components(s)), d1 = sqrt(v.sum1 / components(s));
  const double h0 = nk_first_guess(d0, d1, span);
  pace->evaluations += 2;
  if (v.status != NK_SUCCESS) return v.status;
  if (!isfinite(d1)) return NK_NON_FINITE_FIELD;
  p->h0 = pace->direction * h0;
  for (int64_t i = 0; i < s->blocks; i++) probe(p, i, 0);
  v = gather_notes(s);
  const double d2 = sqrt(v.sum / components(s)) / h0;
  pace->h = isfinite(d2) ? nk_initial_step(d1, d2, h0, s->tableau->embedded_order) : h0;
  pace->h = fmax(pace->h, s->controller->min_step);
  return v.status;
}

static nk_status adaptive(nk_pass *p, nk_pace *pace, double *reached) {
  nk_solve *s = p->solve;
  const int32_t last = s->ode->time_count - 1;
  const ptrdiff_t n = (ptrdiff_t)(s->ode->lanes * s->ode->dim);
  memset(s->committed, 0, (size_t)(s->groups * s->vjp.run.layout.acc_stride));
  s->kernels->fill(s->lambda, 0, n);
  for (int32_t i = last; i > 0; i--) {
    memcpy(s->y, s->states + i * s->state_bytes, (size_t)s->state_bytes);
    s->kernels->axpby(s->lambda, s->ct_states + i * s->state_bytes, 1, 1, n);
    nk_status status = NK_SUCCESS;
    if (i == last && pace->h <= 0) status = choose_first_step(p, pace);
    double t = s->times[i];
    while (status == NK_SUCCESS && t != s->times[i - 1]) {
      *reached = t;
      double t1;
      const double proposed = pace->h;
      status = nk_pace_next(pace, s, t, s->times[i - 1], &t1);
      if (status != NK_SUCCESS) break;
      p->step = backward_step(t, t1);
      nk_solve_run(s, s->groups, attempt_group, p, NK_PHASE_CONTROL);
      const verdict v = gather_notes(s);
      status = v.status;
      pace->evaluations += s->notes[0].evaluations;
      const double error = v.finite ? sqrt((v.sum + v.sum1) / components(s)) : (double)NAN;
      p->commit = status == NK_SUCCESS && nk_pace_judge(pace, s, error, p->step.h);
      if (!p->commit) continue;
      // A step shortened to end at a save time says nothing against the longer one.
      if (t1 == s->times[i - 1]) pace->h = fmax(pace->h, proposed);
      t = t1;
      char *swap = s->y;
      s->y = s->y1;
      s->y1 = swap;
      swap = s->lambda;
      s->lambda = s->lambda1;
      s->lambda1 = swap;
    }
    if (status != NK_SUCCESS) return status;
  }
  *reached = s->times[0];
  if (p->commit) nk_solve_run(s, s->groups, commit_only, p, NK_PHASE_CONTROL);
  return NK_SUCCESS;
}

// --- Cotangents of the times
// ---------------------------------------------------------------------------------------- dL/dt_i = <ct_i,
// f(t_i, y_i)>, dL/dt_0 = -<lambda(t_0), f(t_0, y_0)>.
static void time_block(void *context, int64_t index, int32_t worker) {
  const nk_pass *p = context;
  const nk_solve *s = p->solve;
  const nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  const int64_t at = p->save * s->state_bytes + b.offset;
  const char *y = p->save == 0 ? s->y0 + b.offset : s->states + at;
  const char *with = p->save == 0 ? s->lambda + b.offset : s->ct_states + at;
  note->status = nk_field_eval(&b, &s->field, s->times[p->save], y, b.scratch.k[0], NULL);
  const double value = s->kernels->dot(with, b.scratch.k[0], (ptrdiff_t)b.elements);
  note->sum[0] = p->save == 0 ? -value : value;
}

static nk_status time_cotangents(nk_pass *p, nk_pace *pace) {
  nk_solve *s = p->solve;
  for (p->save = 0; p->save < s->ode->time_count; p->save++) {
    nk_solve_run(s, s->blocks, time_block, p, NK_PHASE_CONTROL);
    pace->evaluations++;
    const verdict v = gather_notes(s);
    if (v.status != NK_SUCCESS) return v.status;
    s->ct_times[p->save] = v.sum;
  }
  return NK_SUCCESS;
}

nk_status nk_backsolve_gradient(nk_solve *s) {
  const int32_t last = s->ode->time_count - 1;
  const ptrdiff_t n = (ptrdiff_t)(s->ode->lanes * s->ode->dim);
  nk_pass p = {.solve = s};
  nk_pace pace;
  nk_pace_start(&pace, s, s->times[last], s->times[0]);
  nk_status status = nk_field_prepare(s, &s->field);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->vjp);
  if (status != NK_SUCCESS) return status;
  nk_captures_clear(s);
  double reached = s->times[0];
  char *acc = nk_field_acc(&s->vjp, 0);
  if (last == 0) {
    s->kernels->fill(s->lambda, 0, n);
    if (s->ct_times) s->ct_times[0] = 0;
  } else {
    if (s->controller->adaptive) {
      status = adaptive(&p, &pace, &reached);
      acc = s->committed;
    } else {
      nk_solve_run(s, s->groups, fixed_group, &p, NK_PHASE_CONTROL);
      status = gather_notes(s).status;
      pace.evaluations = s->notes[0].evaluations;
      for (int32_t i = 0; i < last; i++) pace.accepted += nk_grid_interval_steps(s, s->times, i);
    }
    if (status == NK_SUCCESS) {
      nk_accumulators_combine(s->vjp.body, acc, s->vjp.run.layout.acc_stride, s->groups, s->frame->pool);
      nk_captures_store(s, &s->vjp, acc);
      if (s->ct_times) status = time_cotangents(&p, &pace);
    }
  }
  if (s->ct_y0) {
    memcpy(s->ct_y0, s->lambda, (size_t)s->state_bytes);
    s->kernels->axpby(s->ct_y0, s->ct_states, 1, 1, n);
  }
  nk_report(s, status, &pace, reached, 0, 0);
  if (status != NK_SUCCESS) nk_backsolve_explain(&p, status, &pace, reached);
  return status;
}
