// The march: many lanes at once, each with its own step size.
#include <math.h>
#include <string.h>
#include "nk_lanes.h"
#pragma STDC FP_CONTRACT OFF

int64_t nk_march_plan(nk_march *m, const nk_solve *s, int64_t capacity, uintptr_t base) {
  nk_bump bump = {.base = base};
  const int64_t rows = capacity * s->row_bytes;
  *m = (nk_march){.solve = s, .capacity = capacity};
  m->slots = nk_take(&bump, capacity * (int64_t)sizeof(nk_slot));
  m->t = nk_take(&bump, capacity * s->size);
  m->h = nk_take(&bump, rows);
  m->y = nk_take(&bump, rows);
  m->y1 = nk_take(&bump, rows);
  m->input = nk_take(&bump, rows);
  for (int32_t i = 0; i < s->tableau->stages; i++) m->k[i] = nk_take(&bump, rows);
  m->captures = nk_rows_plan_captures(s, capacity, &bump);
  m->from = nk_take(&bump, capacity * (int64_t)sizeof(double));
  m->to = nk_take(&bump, capacity * (int64_t)sizeof(double));
  m->error = nk_take(&bump, capacity * (int64_t)sizeof(double));
  m->logarithm = nk_take(&bump, capacity * (int64_t)sizeof(double));
  m->factor = nk_take(&bump, capacity * (int64_t)sizeof(double));
  return bump.used;
}

// --- Rows ------------------------------------------------------------------------------------------------------
static nk_rows rows_of(const nk_march *m, int64_t first) {
  return (nk_rows){.solve = m->solve,
                   .worker = m->worker,
                   .group = m->group,
                   .first = first,
                   .count = m->active - first,
                   .captures = m->captures};
}

static void move_row(nk_march *m, int64_t from, int64_t to) {
  const nk_solve *s = m->solve;
  const size_t bytes = (size_t)s->row_bytes;
  m->slots[to] = m->slots[from];
  memcpy(nk_row(s, m->y, to), nk_row(s, m->y, from), bytes);
  memcpy(nk_row(s, m->k[0], to), nk_row(s, m->k[0], from), bytes);
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!m->captures[c]) continue;
    const int64_t own = nk_capture_bytes(s, c);
    memcpy(m->captures[c] + to * own, m->captures[c] + from * own, (size_t)own);
  }
}

static void end(nk_march *m, int64_t row, nk_status status) {
  m->slots[row].status = (int32_t)status;
  m->slots[row].evaluations += m->evaluated;
  m->finish(m, row);
  if (row != --m->active) move_row(m, m->active, row);
}

// t of a stage: exactly the step's end for c == 1, so that the stage is the next step's first evaluation.
static void set_stage_times(nk_march *m, int64_t first, double c) {
  const double *from = m->from, *to = m->to;
  double *wide = (double *)m->t;
  float *narrow = (float *)m->t;
  const int is_end = c == 1;
  if (m->solve->size == 8)
    for (int64_t r = first; r < m->active; r++) wide[r] = is_end ? to[r] : from[r] + c * (to[r] - from[r]);
  else
    for (int64_t r = first; r < m->active; r++)
      narrow[r] = (float)(is_end ? to[r] : from[r] + c * (to[r] - from[r]));
}

// The attempts' ends and the size of every element's step.
static void set_steps(nk_march *m, int64_t first) {
  const nk_solve *s = m->solve;
  const int64_t dim = s->ode->dim;
  for (int64_t r = first; r < m->active; r++) {
    m->from[r] = m->slots[r].t;
    m->to[r] = m->slots[r].t1;
  }
  for (int64_t r = first; r < m->active; r++) {
    const double h = m->to[r] - m->from[r];
    if (dim >= 16) {
      s->kernels->fill(nk_row(s, m->h, r), h, (ptrdiff_t)dim);
    } else if (s->size == 8) {
      for (int64_t i = 0; i < dim; i++) ((double *)m->h)[r * dim + i] = h;
    } else {
      for (int64_t i = 0; i < dim; i++) ((float *)m->h)[r * dim + i] = (float)h;
    }
  }
}

static nk_status eval(nk_march *m, int64_t first, double c, const char *y, char *dy) {
  const nk_rows rows = rows_of(m, first);
  set_stage_times(m, first, c);
  const nk_solve *s = m->solve;
  return nk_rows_eval(&rows, &s->field, m->t + first * s->size, y + first * s->row_bytes, dy + first * s->row_bytes,
                      NULL);
}

// --- The first step (Hairer, Norsett, Wanner I, II.4), for slots [first, active) ---------------------------------
static double row_norm(const nk_solve *s, const char *x, const char *scale) {
  const int64_t some = s->controller->error_components, dim = s->ode->dim;
  const int64_t counted = some > 0 && some < dim ? some : dim;
  return sqrt(s->kernels->scaled_norm2(x, scale, s->controller->atol, s->controller->rtol, (ptrdiff_t)counted) /
              (double)counted);
}

static nk_status begin(nk_march *m, int64_t first) {
  const nk_solve *s = m->solve;
  const nk_controller *c = s->controller;
  const int wants_slope = s->tableau->fsal || (c->adaptive && c->first_step <= 0);
  for (int64_t r = m->active - 1; r >= first; r--)
    if (!s->kernels->all_finite(nk_row(s, m->y, r), (ptrdiff_t)s->ode->dim)) end(m, r, NK_NON_FINITE_STATE);
  if (!wants_slope || first == m->active) return NK_SUCCESS;
  for (int64_t r = first; r < m->active; r++) m->slots[r].t1 = m->slots[r].t;
  set_steps(m, first);
  nk_status status = eval(m, first, 0, m->y, m->k[0]);
  if (status != NK_SUCCESS) return status;
  for (int64_t r = m->active - 1; r >= first; r--) {
    m->slots[r].evaluations++;
    if (!s->kernels->all_finite(nk_row(s, m->k[0], r), (ptrdiff_t)s->ode->dim)) end(m, r, NK_NON_FINITE_FIELD);
  }
  int guess = 0;
  for (int64_t r = first; r < m->active; r++) guess |= !(m->slots[r].h > 0);
  if (!c->adaptive || !guess || first == m->active) return NK_SUCCESS;
  for (int64_t r = first; r < m->active; r++) {
    nk_slot *slot = &m->slots[r];
    const double d0 = row_norm(s, nk_row(s, m->y, r), nk_row(s, m->y, r));
    const double d1 = row_norm(s, nk_row(s, m->k[0], r), nk_row(s, m->y, r));
    const double h0 = nk_first_guess(d0, d1, fabs(slot->end - slot->t));
    slot->t1 = slot->t + (slot->end >= slot->t ? h0 : -h0);
    m->error[r] = d1;
  }
  set_steps(m, first);
  const double one = 1;
  const int64_t at = first * s->row_bytes;
  const ptrdiff_t n = (ptrdiff_t)((m->active - first) * s->ode->dim);
  const void *slope = m->k[0] + at;
  s->kernels->combine_rows(m->input + at, m->y + at, m->h + at, &one, &slope, 1, n);
  status = eval(m, first, 1, m->input, m->y1);
  if (status != NK_SUCCESS) return status;
  s->kernels->axpby(m->y1 + at, m->k[0] + at, -1, 1, n);
  for (int64_t r = first; r < m->active; r++) {
    nk_slot *slot = &m->slots[r];
    const double h0 = fabs(slot->t1 - slot->t);
    const double d2 = row_norm(s, nk_row(s, m->y1, r), nk_row(s, m->y, r)) / h0;
    slot->evaluations++;
    slot->h = isfinite(d2) ? nk_initial_step(m->error[r], d2, h0, s->tableau->embedded_order) : h0;
    slot->h = fmax(slot->h, c->min_step);
  }
  return NK_SUCCESS;
}

// --- One attempt of all slots ------------------------------------------------------------------------------------
static nk_status next(const nk_march *m, nk_slot *slot) {
  const nk_controller *c = m->solve->controller;
  if (c->adaptive) return nk_slot_next(m->solve, slot);
  const double *times = nk_lane_times(m->solve, slot->lane);
  const int64_t steps = nk_grid_steps(m->solve, times);
  if (c->steps_per_interval <= 0 && steps > c->max_steps) return NK_MAX_STEPS;
  slot->t1 = nk_grid_time(m->solve, times, slot->offset + slot->accepted + 1, steps);
  slot->last_h = slot->t1 - slot->t;
  return NK_SUCCESS;
}

static void combine(nk_march *m, char *dst, const double *w) {
  const nk_solve *s = m->solve;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  int32_t terms = 0;
  for (int32_t i = 0; i < s->tableau->stages; i++) {
    if (w[i] == 0) continue;
    weights[terms] = w[i];
    vectors[terms++] = m->k[i];
  }
  const ptrdiff_t n = (ptrdiff_t)(m->active * s->ode->dim);
  if (terms > 0)
    s->kernels->combine_rows(dst, m->y, m->h, weights, vectors, terms, n);
  else
    s->kernels->axpby(dst, m->y, 1, 0, n);
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
    const char *input = i == 0 ? m->y : m->input;
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

static int inside(const nk_march *m, const nk_slot *slot) {
  const double time = nk_lane_times(m->solve, slot->lane)[slot->cursor];
  return slot->end >= slot->t ? time < slot->t1 : time > slot->t1;
}

// The states at the save times that the step of the row passes or ends at.
static void save(nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  nk_slot *slot = &m->slots[row];
  if (slot->cursor >= s->ode->time_count) return;
  if (!inside(m, slot) && nk_lane_times(s, slot->lane)[slot->cursor] != slot->t1) return;
  const double *times = nk_lane_times(s, slot->lane), h = slot->t1 - slot->t;
  double weights[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
  char *k[NK_MAX_STAGES];
  for (int32_t i = 0; i < s->tableau->stages; i++) k[i] = nk_row(s, m->k[i], row);
  while (slot->cursor < s->ode->time_count && (inside(m, slot) || times[slot->cursor] == slot->t1)) {
    char *to = s->states + slot->cursor * s->state_bytes + slot->lane * s->row_bytes;
    if (times[slot->cursor] == slot->t1) {
      memcpy(to, nk_row(s, m->y1, row), (size_t)s->row_bytes);
    } else {
      nk_dense_weights(s->tableau, (times[slot->cursor] - slot->t) / h, weights, slopes);
      nk_combine(s->kernels, to, nk_row(s, m->y, row), weights, 1, h, k, s->tableau->stages, s->ode->dim);
    }
    slot->cursor++;
  }
}

static void judge_all(nk_march *m) {
  const nk_solve *s = m->solve;
  const nk_controller *c = s->controller;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  int32_t terms = 0;
  for (int32_t i = 0; c->adaptive && i < s->tableau->step_stages; i++) {
    if (s->tableau->b_error[i] == 0) continue;
    weights[terms] = s->tableau->b_error[i];
    vectors[terms++] = m->k[i];
  }
  const int64_t some = c->error_components, dim = s->ode->dim;
  s->kernels->error_rows(m->error, m->y, m->y1, m->h, weights, vectors, terms, c->atol, c->rtol, m->active, dim,
                         some > 0 && some < dim ? some : dim);
  nk_slot_factors(s, m->slots, m->error, m->logarithm, m->factor, m->active);
}

// Why a step of the fixed kind failed: a sum of finite slopes that overflowed is the state's fault.
static nk_status blame(const nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  for (int32_t i = 0; i < s->tableau->step_stages; i++)
    if ((nk_stages_needed(s->tableau, 0) >> i & 1) &&
        !s->kernels->all_finite(nk_row(s, m->k[i], row), (ptrdiff_t)s->ode->dim))
      return NK_NON_FINITE_FIELD;
  return NK_NON_FINITE_STATE;
}

static nk_status advance(nk_march *m) {
  const nk_solve *s = m->solve;
  for (int64_t r = m->active - 1; r >= 0; r--) {
    const nk_status status = next(m, &m->slots[r]);
    if (status != NK_SUCCESS) end(m, r, status);
  }
  if (m->active == 0) return NK_SUCCESS;
  int dense = 0;
  for (int64_t r = 0; r < m->active && !dense; r++)
    dense = m->slots[r].cursor < s->ode->time_count && inside(m, &m->slots[r]);
  set_steps(m, 0);
  const nk_status status = stages(m, dense);
  if (status != NK_SUCCESS) return status;
  judge_all(m);
  int64_t rejected = 0;
  for (int64_t r = 0; r < m->active; r++) {
    nk_slot *slot = &m->slots[r];
    const int accepted = s->controller->adaptive ? m->error[r] <= 1 : isfinite(m->error[r]);
    if (accepted) {
      if (m->keep) m->keep(m, r);
      save(m, r);
    }
    nk_slot_judge(s, slot, accepted, m->error[r], m->logarithm[r], m->factor[r]);
    if (accepted) slot->t = slot->t1;
    rejected += !accepted;
    m->factor[r] = accepted;
  }
  char *swap = m->y;
  m->y = m->y1;
  m->y1 = swap;
  const int32_t last = s->tableau->step_stages - 1;
  if (s->tableau->fsal) {
    swap = m->k[0];
    m->k[0] = m->k[last];
    m->k[last] = swap;
  }
  for (int64_t r = 0; rejected > 0 && r < m->active; r++) {
    if (m->factor[r] != 0) continue;
    rejected--;
    nk_exchange(nk_row(s, m->y, r), nk_row(s, m->y1, r), s->row_bytes);
    if (s->tableau->fsal) nk_exchange(nk_row(s, m->k[0], r), nk_row(s, m->k[last], r), s->row_bytes);
  }
  for (int64_t r = m->active - 1; r >= 0; r--) {
    const nk_slot *slot = &m->slots[r];
    if (!s->controller->adaptive && slot->non_finite)
      end(m, r, blame(m, r));
    else if (slot->t == slot->end || slot->accepted >= slot->until)
      end(m, r, NK_SUCCESS);
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
      while (m->active < m->capacity && (more = m->load(m, m->active)))
        m->slots[m->active++].evaluations -= m->evaluated;
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
