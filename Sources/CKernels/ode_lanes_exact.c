// The gradient of the discrete map where every lane has its own steps: the formulas of ode_exact.c, on rows that are each
// at another step of another lane.
//
// Lanes come in rounds. A round gives every row a window of its lane's steps, at most as many as there is room for states:
// from the tape where it kept them, else by a march from the last kept state that repeats what the controller decided
// (its state is on the tape, too; times of all steps are not). Then all rows are swept backward through their windows, those
// with shorter ones leaving first. A lane's sums over captures without lanes are those of its group, in an order
// that follows from the lanes of the group alone.
#include <math.h>
#include <string.h>
#include "nk_phases.h"
#include "nk_sweep.h"
#pragma STDC FP_CONTRACT OFF

// --- One step of every live row ----------------------------------------------------------------------------------
static void set_step(nk_sweep *w, int64_t row) {
  const nk_solve *s = w->s;
  nk_sweep_slot *slot = &w->slots[row];
  const nk_lane_tape tape = nk_lane_tape_of(s, slot->lane);
  const double *times = nk_lane_times(s, slot->lane);
  const char *y;
  if (tape.header[NK_TAPE_STRIDE] == 1) {
    slot->t = tape.kept[slot->n].t;
    y = tape.states + slot->n * s->row_bytes;
  } else {
    const int64_t at = (slot->n - slot->window) * w->capacity + slot->column;
    slot->t = w->base_t[at];
    y = nk_row(s, w->base, at);
  }
  slot->t1 = slot->after;
  memcpy(nk_row(s, w->y, row), y, (size_t)s->row_bytes);
  if (times[slot->save] == slot->t1) {
    s->kernels->axpby(nk_row(s, w->lambda, row), nk_sweep_cotangent(w, slot, slot->save), 1, 1, (ptrdiff_t)s->ode->dim);
    slot->save--;
  }
  slot->inside = slot->inside_end = slot->save + 1;
  const double direction = slot->t1 >= slot->t ? 1 : -1;
  while (slot->inside > 0 && (times[slot->inside - 1] - slot->t) * direction > 0) slot->inside--;
  slot->save = slot->inside - 1;
  const double h = slot->t1 - slot->t;
  s->kernels->fill(nk_row(s, w->h, row), h, (ptrdiff_t)s->ode->dim);
}

static void set_stage_times(const nk_sweep *w, double c) {
  for (int64_t r = 0; r < w->live; r++) {
    const nk_sweep_slot *slot = &w->slots[r];
    const double t = c == 1 ? slot->t1 : slot->t + c * (slot->t1 - slot->t);
    if (w->s->size == 8)
      ((double *)w->t)[r] = t;
    else
      ((float *)w->t)[r] = (float)t;
  }
}

static ptrdiff_t elements(const nk_sweep *w) {
  return (ptrdiff_t)(w->live * w->s->ode->dim);
}

static const char *stage_input(const nk_sweep *w, int32_t i) {
  const nk_tableau *m = w->s->tableau;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const int32_t terms = nk_terms(m->a + i * m->stages, 1, 1, w->k, 1, i, weights, vectors);
  if (terms == 0) return w->y;
  w->s->kernels->combine_rows(w->input, w->y, w->h, weights, vectors, terms, elements(w));
  return w->input;
}

static void stage_cotangent(const nk_sweep *w, int32_t i, uint32_t mask) {
  const nk_solve *s = w->s;
  const nk_tableau *m = s->tableau;
  double weights[NK_MAX_STAGES + 1];
  const void *vectors[NK_MAX_STAGES + 1];
  int32_t terms = 0;
  if (m->b[i] != 0) {
    weights[terms] = m->b[i];
    vectors[terms++] = w->lambda;
  }
  for (int32_t j = i + 1; j < m->stages; j++) {
    if (!(mask >> j & 1) || m->a[j * m->stages + i] == 0) continue;
    weights[terms] = m->a[j * m->stages + i];
    vectors[terms++] = w->slope[j];
  }
  if (terms > 0)
    s->kernels->combine_rows(w->kbar, NULL, w->h, weights, vectors, terms, elements(w));
  else
    s->kernels->fill(w->kbar, 0, elements(w));
  for (int64_t r = 0; r < w->live; r++) {
    const nk_sweep_slot *slot = &w->slots[r];
    const double h = slot->t1 - slot->t;
    for (int64_t save = slot->inside; save < slot->inside_end; save++) {
      double dense[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
      nk_dense_weights(m, (nk_lane_times(s, slot->lane)[save] - slot->t) / h, dense, slopes);
      if (dense[i] != 0)
        s->kernels->axpby(nk_row(s, w->kbar, r), nk_sweep_cotangent(w, slot, save), h * dense[i], 1, (ptrdiff_t)s->ode->dim);
    }
  }
}

// The cotangent of a time in the row's step, spread over the two that it moves with.
static void add_time(const nk_sweep *w, const nk_sweep_slot *slot, double t, double value) {
  const double *times = nk_lane_times(w->s, slot->lane);
  double *ct = w->s->ct_times + slot->lane * w->s->ode->time_count;
  int64_t to;
  const int64_t from = nk_moves_with(w->s, slot->n, &to);
  const double share = (t - times[from]) / (times[to] - times[from]);
  ct[from] += (1 - share) * value;
  ct[to] += share * value;
}

// As save_time_cotangents of ode_exact.c, for one row.
static void save_times(const nk_sweep *w, int64_t row) {
  const nk_solve *s = w->s;
  const nk_sweep_slot *slot = &w->slots[row];
  const double *times = nk_lane_times(s, slot->lane), h = slot->t1 - slot->t;
  char *k[NK_MAX_STAGES];
  for (int32_t i = 0; i < s->tableau->stages; i++) k[i] = nk_row(s, w->k[i], row);
  for (int64_t i = slot->inside - 1; i < slot->inside_end; i++) {
    double value;
    if (i < slot->inside) {
      if (i < 1 || times[i] != slot->t) continue;
      value = s->kernels->dot(nk_sweep_cotangent(w, slot, i), k[0], (ptrdiff_t)s->ode->dim);
    } else {
      double weights[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
      nk_dense_weights(s->tableau, (times[i] - slot->t) / h, weights, slopes);
      nk_combine(s->kernels, w->input, NULL, slopes, 1, 1, k, s->tableau->stages, s->ode->dim);
      value = s->kernels->dot(nk_sweep_cotangent(w, slot, i), w->input, (ptrdiff_t)s->ode->dim);
    }
    s->ct_times[slot->lane * s->ode->time_count + i] += value;
    add_time(w, slot, times[i], -value);
  }
}

static void stage_time_cotangents(const nk_sweep *w, int32_t i) {
  const nk_solve *s = w->s;
  for (int64_t r = 0; r < w->live; r++) {
    const nk_sweep_slot *slot = &w->slots[r];
    const double c = s->tableau->c[i], t = c == 1 ? slot->t1 : slot->t + c * (slot->t1 - slot->t);
    add_time(w, slot, t, s->size == 8 ? ((double *)w->ct_t)[r] : (double)((float *)w->ct_t)[r]);
    w->moved[r] += s->kernels->dot(nk_row(s, w->k[i], r), nk_row(s, w->kbar, r), (ptrdiff_t)s->ode->dim);
  }
}

static nk_status reverse(nk_sweep *w) {
  const nk_solve *s = w->s;
  const nk_tableau *m = s->tableau;
  const int64_t stride = s->forward.run.layout.residual_stride;
  int dense = 0;
  for (int64_t r = 0; r < w->live; r++) {
    set_step(w, r);
    dense |= w->slots[r].inside < w->slots[r].inside_end;
  }
  const uint32_t mask = dense ? w->dense : w->core;
  nk_phase_mark(s, w->worker, NK_PHASE_STAGES, w->live);
  const nk_rows rows = {s, w->worker, w->group, 0, w->live, w->captures};
  nk_status status = NK_SUCCESS;
  for (int32_t i = 0; i < m->stages && status == NK_SUCCESS; i++) {
    if (!(mask >> i & 1)) continue;
    const char *input = stage_input(w, i);
    set_stage_times(w, m->c[i]);
    status = nk_rows_eval(&rows, &s->forward, w->t, input, w->k[i], w->residual + i * stride);
    for (int64_t r = 0; r < w->live; r++) w->slots[r].recomputed++;
  }
  if (status != NK_SUCCESS) return status;
  for (int64_t r = 0; s->ct_times && r < w->live; r++) {
    save_times(w, r);
    w->moved[r] = 0;
  }
  for (int32_t i = m->stages - 1; i >= 0 && status == NK_SUCCESS; i--) {
    if (!(mask >> i & 1)) continue;
    stage_cotangent(w, i, mask);
    const char *input = stage_input(w, i);
    set_stage_times(w, m->c[i]);
    memset(w->ct_t, 0, (size_t)(w->live * s->size)); // a field without t has no such output
    status = nk_rows_backward(&rows, w->t, input, w->kbar, w->slope[i], w->ct_t, w->ct_captures,
                              w->residual + i * stride);
    for (int32_t c = 0; c < s->ode->capture_count; c++) {
      if (!w->sums[c] || s->ode->ct_captures[c] < 0) continue;
      const nk_dtype dtype = s->frame->program->buffers[s->ode->captures[c]].dtype;
      if (dtype != NK_I32)
        nk_kernels_get(dtype)->axpby(w->sums[c], w->ct_captures[c], 1, 1,
                                     (ptrdiff_t)(w->live * s->ode->capture_elements[c]));
    }
    for (int64_t r = 0; r < w->live; r++) w->slots[r].evaluations++;
    if (s->ct_times) stage_time_cotangents(w, i);
  }
  for (int32_t i = m->stages - 1; i >= 0; i--)
    if (mask >> i & 1) s->kernels->axpby(w->lambda, w->slope[i], 1, 1, elements(w));
  for (int64_t r = 0; r < w->live; r++) {
    nk_sweep_slot *slot = &w->slots[r];
    for (int64_t save = slot->inside; save < slot->inside_end; save++)
      s->kernels->axpby(nk_row(s, w->lambda, r), nk_sweep_cotangent(w, slot, save), 1, 1, (ptrdiff_t)s->ode->dim);
    if (s->ct_times) {
      int64_t to;
      const int64_t from = nk_moves_with(s, slot->n, &to);
      const double *times = nk_lane_times(s, slot->lane);
      double *ct = s->ct_times + slot->lane * s->ode->time_count;
      ct[from] -= w->moved[r] / (times[to] - times[from]);
      ct[to] += w->moved[r] / (times[to] - times[from]);
    }
    slot->after = slot->t;
    slot->n--;
  }
  for (int64_t r = w->live - 1; r >= 0; r--)
    if (w->slots[r].n < w->slots[r].window) nk_sweep_exchange_rows(w, r, --w->live);
  return status;
}

static void sweep_group(void *context, int64_t group, int32_t worker) {
  const nk_solve *s = context;
  nk_sweep w;
  nk_sweep_plan(&w, s, (uintptr_t)(s->scratch + worker * s->scratch_stride));
  w.worker = w.march.worker = worker;
  w.group = w.march.group = group;
  w.next = nk_group_lane(s, group);
  w.end = nk_group_lane(s, group + 1);
  memset(nk_field_acc(&s->backward, group), 0, (size_t)s->backward.body->acc_bytes);
  nk_note *note = &s->notes[group];
  *note = (nk_note){0};
  for (;;) {
    nk_sweep_refill(&w);
    nk_sweep_retire(&w); // lanes without a step
    if (w.count == 0 && w.next == w.end) return;
    nk_sweep_open_windows(&w);
    while (w.live > 0) {
      const nk_status status = reverse(&w);
      if (status == NK_SUCCESS) continue;
      *note = (nk_note){.status = (int32_t)status, .step = w.slots[0].lane, .evaluations = -1};
      return;
    }
    nk_sweep_retire(&w);
  }
}

nk_status nk_lanes_exact(nk_solve *s) {
  nk_status status = nk_field_prepare(s, &s->field);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->forward);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->backward);
  if (status != NK_SUCCESS) return status;
  nk_captures_clear(s);
  nk_solve_run(s, s->groups, sweep_group, s, NK_PHASE_CONTROL);
  status = nk_lanes_total(s);
  if (status != NK_SUCCESS) return status;
  nk_captures_sum(s, &s->backward);
  return NK_SUCCESS;
}
