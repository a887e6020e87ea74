// The continuous adjoint where every lane has its own steps (the equations are those of ode_backsolve.c).
//
// Steps are chosen with y and lambda alone. What captures receive is integrated in a second pass over the rows whose
// step was accepted, with the step's own weights folded into the cotangents it starts from: a rejected row then adds
// nothing, whatever its stages were.
#include <math.h>
#include <string.h>
#include "nk_back.h"
#include "nk_phases.h"
#pragma STDC FP_CONTRACT OFF

// --- Stages ------------------------------------------------------------------------------------------------------
static void set_times(const nk_back *b, int64_t first, int64_t end, double c) {
  b->s->kernels->stage_times(b->t + first * b->s->size, b->paces.t + first, b->paces.t1 + first, c,
                             (ptrdiff_t)(end - first));
}

static void set_steps(const nk_back *b, int64_t first) {
  b->s->kernels->spread_steps(nk_row(b->s, b->h, first), b->paces.t + first, b->paces.t1 + first,
                              (ptrdiff_t)(b->active - first), (ptrdiff_t)b->s->ode->dim);
}

// dst = base + sign * h * sum of weights times stages (`which` 0: of y, 1: of lambda), rows [0, count).
static void combine(const nk_back *b, char *dst, const char *base, int which, const double *w, int32_t terms, int64_t count) {
  const nk_solve *s = b->s;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  char *const *k = &b->rows[which ? NK_BACK_SLOPE(0) : NK_BACK_K(0)];
  const int32_t used = nk_terms(w, 1, which ? -1 : 1, k, NK_BACK_K(1) - NK_BACK_K(0), terms, weights, vectors);
  const ptrdiff_t n = (ptrdiff_t)count * (ptrdiff_t)b->s->ode->dim;
  if (used > 0)
    s->kernels->combine_rows(dst, base, b->h, weights, vectors, used, n);
  else
    s->kernels->axpby(dst, base, 1, 0, n);
}

static nk_status stages(nk_back *b) {
  const nk_solve *s = b->s;
  const nk_tableau *m = s->tableau;
  const uint32_t mask = s->controller->adaptive ? (1u << m->step_stages) - 1 : nk_stages_needed(m, 0);
  const nk_rows rows = {s, b->worker, b->group, 0, b->active, b->captures};
  for (int32_t i = 0; i < m->step_stages; i++) {
    if (!(mask >> i & 1)) continue;
    combine(b, b->input, b->rows[NK_BACK_Y], 0, m->a + i * m->stages, i, b->active);
    combine(b, b->input2, b->rows[NK_BACK_LAMBDA], 1, m->a + i * m->stages, i, b->active);
    set_times(b, 0, b->active, m->c[i]);
    const nk_status status =
        nk_rows_vjp(&rows, &s->adjoint, b->t, b->input, b->input2, b->rows[NK_BACK_K(i)], b->rows[NK_BACK_SLOPE(i)], b->ct_t, NULL);
    if (status != NK_SUCCESS) return status;
    for (int64_t r = 0; r < b->active; r++) b->slots[r].evaluations++;
  }
  combine(b, b->rows[NK_BACK_Y1], b->rows[NK_BACK_Y], 0, m->b, m->step_stages, b->active);
  combine(b, b->rows[NK_BACK_LAMBDA1], b->rows[NK_BACK_LAMBDA], 1, m->b, m->step_stages, b->active);
  return NK_SUCCESS;
}

// What captures receive of the step of rows [0, count).
static nk_status quadrature(nk_back *b, int64_t count) {
  const nk_solve *s = b->s;
  const nk_tableau *m = s->tableau;
  int wanted = 0;
  for (int32_t c = 0; c < s->ode->capture_count; c++) wanted |= s->ode->ct_captures[c] >= 0;
  if (!wanted || count == 0) return NK_SUCCESS;
  const nk_rows rows = {s, b->worker, b->group, 0, count, b->captures};
  for (int32_t i = 0; i < m->step_stages; i++) {
    if (m->b[i] == 0) continue;
    combine(b, b->input, b->rows[NK_BACK_Y], 0, m->a + i * m->stages, i, count);
    combine(b, b->input2, b->rows[NK_BACK_LAMBDA], 1, m->a + i * m->stages, i, count);
    for (int64_t r = 0; r < count; r++)
      s->kernels->axpby(nk_row(b->s, b->seed, r), nk_row(b->s, b->input2, r), -m->b[i] * (b->paces.t1[r] - b->paces.t[r]), 0, (ptrdiff_t)b->s->ode->dim);
    set_times(b, 0, count, m->c[i]);
    const nk_status status =
        nk_rows_vjp(&rows, &s->vjp, b->t, b->input, b->seed, NULL, NULL, NULL, b->ct_captures);
    if (status != NK_SUCCESS) return status;
    for (int32_t c = 0; c < s->ode->capture_count; c++) {
      if (!b->sums[c] || s->ode->ct_captures[c] < 0) continue;
      const nk_dtype dtype = s->frame->program->buffers[s->ode->captures[c]].dtype;
      if (dtype != NK_I32)
        nk_kernels_get(dtype)->axpby(b->sums[c], b->ct_captures[c], 1, 1,
                                     (ptrdiff_t)(count * s->ode->capture_elements[c]));
    }
  }
  return NK_SUCCESS;
}

// --- Step sizes --------------------------------------------------------------------------------------------------
static int64_t counted(const nk_solve *s) {
  const int64_t some = s->controller->error_components;
  return some > 0 && some < s->ode->dim ? some : s->ode->dim;
}

// Where the attempts end. Rows that cannot go on leave.
static void next(nk_back *b) {
  const nk_solve *s = b->s;
  const nk_paces *p = &b->paces;
  if (b->rule.adaptive) {
    const int32_t found = nk_kernels_get(NK_F64)->pace_next(&b->rule, p, (ptrdiff_t)b->active);
    for (int64_t r = b->active - 1; (found & NK_PACE_FAILS) && r >= 0; r--)
      if (p->verdict[r] != NK_SUCCESS) nk_back_leave(b, r, (nk_status)p->verdict[r]);
    return;
  }
  for (int64_t r = 0; r < b->active; r++) {
    const nk_slot *slot = &b->slots[r];
    const double *times = nk_lane_times(s, slot->lane);
    const int64_t steps = nk_grid_interval_steps(s, times, slot->cursor);
    const double from = times[slot->cursor + 1], to = p->end[r];
    p->t1[r] = slot->offset + 1 == steps ? to : from + (to - from) * ((double)(slot->offset + 1) / (double)steps);
    p->last_h[r] = p->t1[r] - p->t[r];
  }
}

static void errors(nk_back *b) {
  const nk_solve *s = b->s;
  const nk_controller *c = s->controller;
  double weights[NK_MAX_STAGES];
  const void *of_y[NK_MAX_STAGES], *of_lambda[NK_MAX_STAGES];
  const int32_t stages = c->adaptive ? s->tableau->step_stages : 0, step = NK_BACK_K(1) - NK_BACK_K(0);
  const double *w = s->tableau->b_error;
  const int32_t terms = nk_terms(w, 1, 1, &b->rows[NK_BACK_K(0)], step, stages, weights, of_y);
  nk_terms(w, 1, 1, &b->rows[NK_BACK_SLOPE(0)], step, stages, weights, of_lambda);
  const int64_t some = counted(s);
  s->kernels->error_rows(b->paces.error, b->rows[NK_BACK_Y], b->rows[NK_BACK_Y1], b->h, weights, of_y, terms, c->atol, c->rtol, b->active,
                         (ptrdiff_t)b->s->ode->dim, (ptrdiff_t)some);
  s->kernels->error_rows(b->error2, b->rows[NK_BACK_LAMBDA], b->rows[NK_BACK_LAMBDA1], b->h, weights, of_lambda, terms, c->atol,
                         c->rtol, b->active, (ptrdiff_t)b->s->ode->dim, (ptrdiff_t)b->s->ode->dim);
  const double share = (double)some / (double)(some + s->ode->dim);
  for (int64_t r = 0; r < b->active; r++) b->paces.error[r] = share * b->paces.error[r] + (1 - share) * b->error2[r];
}

static nk_status advance(nk_back *b) {
  const nk_solve *s = b->s;
  const nk_paces *p = &b->paces;
  next(b);
  if (b->active == 0) return NK_SUCCESS;
  nk_phase_mark(s, b->worker, NK_PHASE_STAGES, b->active);
  set_steps(b, 0);
  nk_status status = stages(b);
  if (status != NK_SUCCESS) return status;
  nk_phase_mark(s, b->worker, NK_PHASE_ERROR, b->active);
  errors(b);
  if (s->failure) nk_lanes_remember(s, p->t[0], p->t1[0], p->error[0]);
  nk_kernels_get(NK_F64)->pace_judge(&b->rule, p, (ptrdiff_t)b->active);
  int64_t accepted = b->active;
  for (int64_t r = b->active - 1; r >= 0; r--)
    if (p->verdict[r] & NK_PACE_REJECTED) nk_back_exchange_rows(b, r, --accepted);
  nk_phase_mark(s, b->worker, NK_PHASE_CAPTURES, accepted);
  status = quadrature(b, accepted);
  nk_phase_mark(s, b->worker, NK_PHASE_CONTROL, accepted);
  if (status != NK_SUCCESS) return status;
  memcpy(b->rows[NK_BACK_Y], b->rows[NK_BACK_Y1], (size_t)(accepted * s->row_bytes));
  memcpy(b->rows[NK_BACK_LAMBDA], b->rows[NK_BACK_LAMBDA1], (size_t)(accepted * s->row_bytes));
  for (int64_t r = b->active - 1; r >= 0; r--) {
    nk_slot *slot = &b->slots[r];
    if (r >= accepted) {
      if (!s->controller->adaptive) nk_back_leave(b, r, NK_NON_FINITE_FIELD);
      continue;
    }
    p->t[r] = p->t1[r];
    slot->offset++;
    if (p->t[r] != p->end[r]) continue;
    // A step shortened to end at a save time says nothing against the longer one.
    p->h[r] = fmax(p->h[r], p->proposed[r]);
    if (slot->cursor > 0)
      nk_back_enter(b, r, slot->cursor);
    else
      nk_back_leave(b, r, NK_SUCCESS);
  }
  return NK_SUCCESS;
}

// dL/dt_i = <ct_i, f(t_i, y_i)>, dL/dt_0 = -<lambda(t_0), f(t_0, y_0)>, for the lanes of a group.
static nk_status time_cotangents(nk_back *b) {
  const nk_solve *s = b->s;
  const int64_t first = nk_group_lane(s, b->group), end = nk_group_lane(s, b->group + 1);
  for (int64_t lane = first; lane < end; lane += b->capacity) {
    const int64_t count = nk_min(b->capacity, end - lane);
    const nk_rows rows = {s, b->worker, b->group, 0, count, b->captures};
    for (int64_t r = 0; r < count; r++) nk_rows_load_captures(s, lane + r, b->captures, r);
    for (int64_t save = 0; save < s->ode->time_count; save++) {
      const int64_t at = save * s->state_bytes + lane * s->row_bytes;
      const char *with = save == 0 ? s->lambda + lane * s->row_bytes : s->ct_states + at;
      for (int64_t r = 0; r < count; r++)
        b->paces.t[r] = b->paces.t1[r] = nk_lane_times(s, lane + r)[save];
      set_times(b, 0, count, 0);
      memcpy(b->input, save == 0 ? s->y0 + lane * s->row_bytes : s->states + at, (size_t)(count * s->row_bytes));
      const nk_status status = nk_rows_eval(&rows, &s->field, b->t, b->input, b->rows[NK_BACK_K(0)], NULL);
      if (status != NK_SUCCESS) return status;
      for (int64_t r = 0; r < count; r++) {
        const double value = s->kernels->dot(with + r * s->row_bytes, nk_row(b->s, b->rows[NK_BACK_K(0)], r), (ptrdiff_t)b->s->ode->dim);
        s->ct_times[(lane + r) * s->ode->time_count + save] =
            !nk_is_whole(s, lane + r) ? 0 : save == 0 ? -value : value;
      }
    }
  }
  return NK_SUCCESS;
}

static void back_group(void *context, int64_t group, int32_t worker) {
  const nk_solve *s = context;
  nk_back b;
  nk_back_plan(&b, s, (uintptr_t)(s->scratch + worker * s->scratch_stride));
  b.worker = worker;
  b.group = group;
  b.next = nk_group_lane(s, group);
  b.end = nk_group_lane(s, group + 1);
  memset(nk_field_acc(&s->vjp, group), 0, (size_t)s->vjp.body->acc_bytes);
  nk_note *note = &s->notes[group];
  *note = (nk_note){0};
  nk_status status = NK_SUCCESS;
  while (status == NK_SUCCESS) {
    if (4 * b.active <= 3 * b.capacity) nk_back_refill(&b);
    if (b.active == 0) break;
    status = advance(&b);
  }
  if (status == NK_SUCCESS && note->status == NK_SUCCESS && s->ct_times) status = time_cotangents(&b);
  if (status != NK_SUCCESS) *note = (nk_note){.status = (int32_t)status, .step = b.slots[0].lane, .evaluations = -1};
}

nk_status nk_lanes_backsolve(nk_solve *s) {
  nk_status status = nk_field_prepare(s, &s->field);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->vjp);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->adjoint);
  if (status != NK_SUCCESS) return status;
  nk_captures_clear(s);
  nk_solve_run(s, s->groups, back_group, s, NK_PHASE_CONTROL);
  status = nk_lanes_total(s);
  if (status != NK_SUCCESS) nk_lanes_explain(s, back_group);
  if (status != NK_SUCCESS) return status;
  if (s->ct_y0) {
    const size_t row = (size_t)s->row_bytes;
    for (int64_t lane = 0; lane < s->ode->lanes; lane++) {
      char *to = s->ct_y0 + lane * s->row_bytes;
      memcpy(to, s->lambda + lane * s->row_bytes, row);
      if (nk_is_whole(s, lane))
        s->kernels->axpby(to, s->ct_states + lane * s->row_bytes, 1, 1, (ptrdiff_t)s->ode->dim);
    }
  }
  nk_captures_sum(s, &s->vjp);
  return NK_SUCCESS;
}
