// The continuous adjoint in constant memory: y and lambda are integrated together from the last time to the
// first,
//
//   lambda' = -(df/dy)^T lambda,   lambda jumps by ct_i at save time i,   dL/dp = integral of (df/dp)^T
//   lambda dt.
//
// y is put back on its saved state at every save time. The parameter integral is the step's own quadrature,
// with the weights -h b_i (h runs backward); parameters are outside of the error norm (Kidger, Chen, Lyons:
// "Hey, that's not an ODE", ICML 2021).
#include <math.h>
#include <string.h>
#include "nk_backsolve.h"
#include "nk_phases.h"
#pragma STDC FP_CONTRACT OFF

nk_status nk_backsolve_stage(const nk_block *b, const nk_step *step, int32_t i, const char *y, const char *lambda,
                             double weight, char *acc, char *tentative) {
  const nk_solve *s = b->solve;
  const nk_tableau *m = s->tableau;
  const nk_scratch *x = &b->scratch;
  const double *a = m->a + i * m->stages, t = nk_stage_time(step, m->c[i]);
  nk_combine(s->kernels, x->input, y, a, 1, step->h, x->k, i, b->elements);
  nk_combine(s->kernels, x->input2, lambda, a, 1, -step->h, x->slope, i, b->elements);
  if (weight == 0) return nk_field_adjoint(b, t, x->input, x->input2, x->k[i], x->slope[i]);
  const nk_status status = nk_field_vjp(b, t, x->input, x->input2, x->k[i], x->slope[i], weight, acc);
  if (status == NK_SUCCESS) nk_lane_captures_add(b, weight, tentative);
  return status;
}

void nk_backsolve_advance(const nk_block *b, const nk_step *step, const char *y, const char *lambda, char *y1,
                          char *lambda1) {
  const nk_solve *s = b->solve;
  const int32_t terms = s->tableau->step_stages;
  nk_combine(s->kernels, y1, y, s->tableau->b, 1, step->h, b->scratch.k, terms, b->elements);
  nk_combine(s->kernels, lambda1, lambda, s->tableau->b, 1, -step->h, b->scratch.slope, terms, b->elements);
}

nk_step nk_backsolve_step(double t, double t1) {
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
      const nk_step step = nk_backsolve_step(t, t1);
      nk_phase_mark(s, b->worker, NK_PHASE_STAGES, b->lanes);
      for (int32_t j = 0; j < s->tableau->stages; j++) {
        if (!(mask >> j & 1)) continue;
        const nk_status status = nk_backsolve_stage(b, &step, j, y, lambda, -step.h * s->tableau->b[j], NULL, NULL);
        if (status != NK_SUCCESS) return status;
        ++*evaluations;
      }
      nk_backsolve_advance(b, &step, y, lambda, y1, lambda1);
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

nk_gathered nk_backsolve_gather(const nk_solve *s) {
  nk_gathered v = {.status = NK_SUCCESS, .finite = 1};
  for (int64_t i = 0; i < s->blocks; i++) {
    v.sum += s->notes[i].sum[0];
    v.sum1 += s->notes[i].sum[1];
    v.finite &= s->notes[i].finite;
    if (v.status == NK_SUCCESS) v.status = (nk_status)s->notes[i].status;
  }
  return v;
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
    const nk_gathered v = nk_backsolve_gather(s);
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
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->adjoint);
  if (status != NK_SUCCESS) return status;
  nk_captures_clear(s);
  double reached = s->times[0];
  char *acc = nk_field_acc(&s->vjp, 0);
  if (last == 0) {
    s->kernels->fill(s->lambda, 0, n);
    if (s->ct_times) s->ct_times[0] = 0;
  } else {
    if (s->controller->adaptive) {
      status = nk_backsolve_adaptive(&p, &pace, &reached);
      acc = s->committed;
    } else {
      nk_solve_run(s, s->groups, fixed_group, &p, NK_PHASE_CONTROL);
      status = nk_backsolve_gather(s).status;
      pace.evaluations = s->notes[0].evaluations;
      for (int32_t i = 0; i < last; i++) pace.accepted += nk_grid_interval_steps(s, s->times, i);
    }
    if (status == NK_SUCCESS) {
      nk_accumulators_combine(s->vjp.body, acc, s->vjp.run.layout.acc_stride, s->groups, NULL, s->frame->pool);
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
