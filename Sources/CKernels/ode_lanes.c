// The march: many lanes at once, each with its own step size.
#include <math.h>
#include <string.h>
#include "nk_lanes.h"
#include "nk_phases.h"
#pragma STDC FP_CONTRACT OFF

static void end(nk_march *m, int64_t row, nk_status status) {
  nk_slot *slot = &m->slots[row];
  // A step shortened to end at the last time says nothing against the longer one.
  if (status == NK_SUCCESS) m->paces.h[row] = fmax(m->paces.h[row], m->paces.proposed[row]);
  nk_paces_leave(&m->paces, slot, row);
  slot->status = (int32_t)status;
  slot->evaluations += m->evaluated;
  m->finish(m, row);
  if (row == --m->active) return;
  m->slots[row] = m->slots[m->active];
  nk_paces_move(&m->paces, m->active, row);
  nk_march_move(m, m->active, row);
}

// The size of every element's step: t1 - t.
static void set_steps(const nk_march *m, int64_t first) {
  const nk_solve *s = m->solve;
  s->kernels->spread_steps(nk_march_step(m, first), m->paces.t + first, m->paces.t1 + first,
                           (ptrdiff_t)(m->active - first), (ptrdiff_t)(m->columns ? 1 : s->ode->dim));
}

static nk_status eval(nk_march *m, int64_t first, double c, char *y, char *dy) {
  const nk_solve *s = m->solve;
  if (m->columns && !m->columns->reads_time) return nk_march_eval(m, first, y, dy);
  // Exactly the step's end for c == 1, so that the stage is the next step's first evaluation.
  s->kernels->stage_times(m->t + first * s->size, m->paces.t + first, m->paces.t1 + first, c,
                          (ptrdiff_t)(m->active - first));
  return nk_march_eval(m, first, y, dy);
}

// --- The first step, for slots [first, active) -------------------------------------------------------------------
// Squared norms of rows of x on the scale of the states.
static void row_norms(const nk_march *m, int64_t first, char *x, double *norms) {
  const nk_solve *s = m->solve;
  const double one = 1;
  const void *vector = x;
  // The step sizes that the kernel multiplies with.
  s->kernels->fill(nk_march_step(m, first), 1, (ptrdiff_t)((m->active - first) * (m->columns ? 1 : s->ode->dim)));
  nk_march_errors(m, first, norms, m->y, m->y, &one, &vector, 1);
}

// Rows of x that are not finite leave.
static void leave_unless_finite(nk_march *m, int64_t first, char *x, nk_status status) {
  if (nk_march_all_finite(m, x, first)) return;
  for (int64_t r = m->active - 1; r >= first; r--)
    if (!nk_march_is_finite(m, x, r)) end(m, r, status);
}

static nk_status begin(nk_march *m, int64_t first) {
  const nk_solve *s = m->solve;
  const nk_controller *c = s->controller;
  const int wants_slope = s->tableau->fsal || (c->adaptive && c->first_step <= 0);
  leave_unless_finite(m, first, m->y, NK_NON_FINITE_STATE);
  if (!wants_slope || first == m->active) return NK_SUCCESS;
  const nk_paces *p = &m->paces;
  memcpy(p->t1 + first, p->t + first, (size_t)(m->active - first) * sizeof(double));
  set_steps(m, first);
  nk_status status = eval(m, first, 0, m->y, m->k[0]);
  if (status != NK_SUCCESS) return status;
  for (int64_t r = first; r < m->active; r++) m->slots[r].evaluations++;
  leave_unless_finite(m, first, m->k[0], NK_NON_FINITE_FIELD);
  int guess = 0;
  for (int64_t r = first; r < m->active; r++) guess |= !(p->h[r] > 0);
  if (!c->adaptive || !guess || first == m->active) return NK_SUCCESS;
  row_norms(m, first, m->y, p->factor);
  row_norms(m, first, m->k[0], p->error);
  for (int64_t r = first; r < m->active; r++) {
    p->error[r] = sqrt(p->error[r]);
    p->logarithm[r] = sqrt(p->factor[r]);
    const double h0 = nk_first_guess(p->logarithm[r], p->error[r], p->t[r], p->end[r]);
    p->t1[r] = p->t[r] + (p->end[r] >= p->t[r] ? h0 : -h0);
  }
  set_steps(m, first);
  const double one = 1;
  const void *slope = m->k[0];
  nk_march_combine(m, first, m->input, m->y, &one, &slope, 1);
  status = eval(m, first, 1, m->input, m->y1);
  if (status != NK_SUCCESS) return status;
  nk_march_subtract(m, first, m->y1, m->k[0]);
  row_norms(m, first, m->y1, p->factor);
  for (int64_t r = first; r < m->active; r++) {
    const double h0 = fabs(p->t1[r] - p->t[r]);
    const double d2 = sqrt(p->factor[r]) / h0;
    m->slots[r].evaluations++;
    p->h[r] = nk_initial_step(p->logarithm[r], p->error[r], d2, h0, s->tableau->embedded_order);
    p->h[r] = fmax(fmax(p->h[r], nk_least_first_step(p->t[r], p->end[r])), c->min_step);
  }
  return NK_SUCCESS;
}

// --- One attempt of all slots ------------------------------------------------------------------------------------
// Where the attempts end; 1 when a save time lies strictly inside of one. Rows that cannot go on leave.
static int next(nk_march *m) {
  const nk_solve *s = m->solve;
  const nk_paces *p = &m->paces;
  if (m->rule.adaptive) {
    const int32_t found = nk_kernels_get(NK_F64)->pace_next(&m->rule, p, (ptrdiff_t)m->active);
    for (int64_t r = m->active - 1; (found & NK_PACE_FAILS) && r >= 0; r--)
      if (p->verdict[r] != NK_SUCCESS) end(m, r, (nk_status)p->verdict[r]);
    return (found & NK_PACE_INSIDE) != 0;
  }
  int inside = 0;
  for (int64_t r = m->active - 1; r >= 0; r--) {
    const nk_slot *slot = &m->slots[r];
    const double *times = nk_lane_times(s, slot->lane);
    const int64_t steps = nk_grid_steps(s, times);
    if (s->controller->steps_per_interval <= 0 && steps > s->controller->max_steps) {
      end(m, r, NK_MAX_STEPS);
      continue;
    }
    p->t1[r] = nk_grid_time(s, times, slot->offset + p->accepted[r] + 1, steps);
    p->last_h[r] = p->t1[r] - p->t[r];
    inside |= p->end[r] >= p->t[r] ? p->save[r] < p->t1[r] : p->save[r] > p->t1[r];
  }
  return inside;
}

static void combine(nk_march *m, char *dst, const double *w) {
  const nk_solve *s = m->solve;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const int32_t terms = nk_terms(w, 1, 1, m->k, 1, s->tableau->stages, weights, vectors);
  nk_march_combine(m, 0, dst, m->y, weights, vectors, terms);
}

// Stages and y1. `dense`: the stages that only dense output needs, too.
static nk_status stages(nk_march *m, int dense) {
  const nk_solve *s = m->solve;
  const nk_tableau *tableau = s->tableau;
  const int32_t last = tableau->step_stages - 1;
  const uint32_t wanted = (s->controller->adaptive ? (1u << tableau->step_stages) - 1 : nk_stages_needed(tableau, 0)) |
                          (tableau->fsal ? 1u << last : 0) | (dense ? nk_stages_needed(tableau, 1) : 0);
  const uint32_t mask = tableau->fsal ? wanted & ~1u : wanted;
  int have_y1 = 0;
  for (int32_t i = 0; i < tableau->stages; i++) {
    if (!have_y1 && i == (tableau->fsal ? last : last + 1)) {
      combine(m, m->y1, tableau->b);
      have_y1 = 1;
    }
    if (!(mask >> i & 1)) continue;
    char *input = i == 0 ? m->y : m->input;
    if (i == last && tableau->fsal)
      input = m->y1;
    else if (i > 0)
      combine(m, m->input, tableau->a + i * tableau->stages);
    const nk_status status = eval(m, 0, tableau->c[i], input, m->k[i]);
    if (status != NK_SUCCESS) return status;
    m->evaluated++;
  }
  if (!have_y1) combine(m, m->y1, tableau->b);
  return NK_SUCCESS;
}

// The states at the save times that the accepted step of the row passes or ends at.
static void save(nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  const nk_paces *p = &m->paces;
  nk_slot *slot = &m->slots[row];
  const double *times = nk_lane_times(s, slot->lane), t = p->t[row], t1 = p->t1[row];
  double weights[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
  char *k[NK_MAX_STAGES];
  for (; slot->cursor < s->ode->time_count; slot->cursor++) {
    const double time = times[slot->cursor];
    if (p->end[row] >= t ? time > t1 : time < t1) break;
    char *to = s->states + slot->cursor * s->state_bytes + slot->lane * s->row_bytes;
    if (time == t1) {
      nk_march_get(m, m->y1, row, to);
    } else {
      for (int32_t i = 0; i < s->tableau->stages; i++) k[i] = nk_march_row(m, m->k[i], row, i);
      nk_dense_weights(s->tableau, (time - t) / (t1 - t), weights, slopes);
      nk_combine(s->kernels, to, nk_march_row(m, m->y, row, NK_MAX_STAGES), weights, 1, t1 - t, k, s->tableau->stages,
                 s->ode->dim);
    }
  }
  p->save[row] = slot->cursor < s->ode->time_count ? times[slot->cursor] : (double)NAN;
}

static void set_errors(nk_march *m) {
  const nk_solve *s = m->solve;
  const nk_controller *c = s->controller;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const int32_t terms =
      nk_terms(s->tableau->b_error, 1, 1, m->k, 1, c->adaptive ? s->tableau->step_stages : 0, weights, vectors);
  nk_march_errors(m, 0, m->paces.error, m->y, m->y1, weights, vectors, terms);
}

// Why a step of the fixed kind failed: a sum of finite slopes that overflowed is the state's fault.
static nk_status blame(const nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  for (int32_t i = 0; i < s->tableau->step_stages; i++)
    if ((nk_stages_needed(s->tableau, 0) >> i & 1) && !nk_march_is_finite(m, m->k[i], row))
      return NK_NON_FINITE_FIELD;
  return NK_NON_FINITE_STATE;
}

// The rows that have a verdict. Which those are nobody can predict: no branch asks for it.
static int64_t mark(const nk_march *m) {
  const int64_t *verdict = m->paces.verdict, active = m->active;
  int64_t *marked = m->marked, count = 0;
  for (int64_t r = 0; r < active; r++) {
    marked[count] = r;
    count += verdict[r] != 0;
  }
  return count;
}

// Those of them whose attempt was rejected.
static int64_t mark_rejected(const nk_march *m, int64_t count) {
  const int64_t *verdict = m->paces.verdict, *marked = m->marked;
  int64_t *rejected = m->rejected, n = 0;
  for (int64_t i = 0; i < count; i++) {
    rejected[n] = marked[i];
    n += verdict[marked[i]] & NK_PACE_REJECTED;
  }
  return n;
}

static nk_status advance(nk_march *m) {
  const nk_solve *s = m->solve;
  const nk_paces *p = &m->paces;
  nk_phase_mark(s, m->worker, NK_PHASE_CONTROL, m->active);
  const int dense = next(m);
  if (m->active == 0) return NK_SUCCESS;
  nk_phase_mark(s, m->worker, NK_PHASE_STAGES, m->active);
  set_steps(m, 0);
  const nk_status status = stages(m, dense);
  if (status != NK_SUCCESS) return status;
  nk_phase_mark(s, m->worker, NK_PHASE_ERROR, m->active);
  set_errors(m);
  if (s->failure) nk_lanes_remember(s, p->t[0], p->t1[0], p->error[0]);
  nk_phase_mark(s, m->worker, NK_PHASE_SAVE, m->active);
  for (int64_t r = 0; m->keep && r < m->active; r++) {
    if (!(m->rule.adaptive ? p->error[r] <= 1 : isfinite(p->error[r]))) continue;
    nk_paces_leave(p, &m->slots[r], r);
    m->keep(m, r);
  }
  const nk_kernels *paces = nk_kernels_get(NK_F64);
  const int32_t events = paces->pace_judge(&m->rule, p, (ptrdiff_t)m->active);
  const int64_t count = events != 0 ? mark(m) : 0;
  for (int64_t i = 0; (events & NK_PACE_SAVES) && i < count; i++)
    if (p->verdict[m->marked[i]] & NK_PACE_SAVES) save(m, m->marked[i]);
  nk_phase_mark(s, m->worker, NK_PHASE_CONTROL, m->active);
  char *swap = m->y;
  m->y = m->y1;
  m->y1 = swap;
  const int32_t last = s->tableau->step_stages - 1;
  if (s->tableau->fsal) {
    swap = m->k[0];
    m->k[0] = m->k[last];
    m->k[last] = swap;
  }
  paces->pace_advance(p, (ptrdiff_t)m->active);
  if (events & NK_PACE_REJECTED) {
    const int64_t rejected = mark_rejected(m, count);
    nk_march_exchange(m, m->y, m->y1, m->rejected, rejected);
    if (s->tableau->fsal) nk_march_exchange(m, m->k[0], m->k[last], m->rejected, rejected);
  }
  for (int64_t i = count - 1; (events & NK_PACE_ENDS) && i >= 0; i--) {
    const int64_t r = m->marked[i];
    if (p->verdict[r] & NK_PACE_ENDS) end(m, r, p->verdict[r] & NK_PACE_REJECTED ? blame(m, r) : NK_SUCCESS);
  }
  return NK_SUCCESS;
}

void nk_march_run(nk_march *m) {
  int more = 1;
  m->evaluated = 0;
  for (;;) {
    // New lanes come in groups: what their first step takes is then done for many at once.
    if (more && 4 * m->active <= 3 * m->capacity) {
      const int64_t first = m->active;
      while (m->active < m->capacity && (more = m->load(m, m->active))) {
        m->slots[m->active].evaluations -= m->evaluated;
        nk_paces_enter(&m->paces, m->solve, &m->slots[m->active], m->active);
        m->active++;
      }
      const nk_status status = begin(m, first);
      if (status != NK_SUCCESS)
        while (m->active > 0) end(m, m->active - 1, status);
    }
    if (m->active == 0) {
      if (more) continue;
      return;
    }
    const nk_status status = advance(m);
    if (status != NK_SUCCESS)
      while (m->active > 0) end(m, m->active - 1, status);
  }
}
