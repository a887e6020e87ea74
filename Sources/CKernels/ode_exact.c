// The gradient of the discrete map: the accepted steps in reverse, each with its stages recomputed (or from the tape, if it
// kept them) and then swept backward. Steps are frozen, so blocks of lanes do not meet: each is swept from the last time to the
// first alone.
//
//   kbar_i = h b_i lambda + h sum_{j>i} a_ji ybar_j + h sum_saves b_i(x_s) ct_s,   ybar_i = (df/dy)^T kbar_i,
//   lambda_n = lambda_{n+1} + sum_i ybar_i + sum_saves ct_s.
//
// With t_n = t0 + s_n (t1 - t0) (also where steps have a fixed size: see TangentSolve.swift) a step's stage times move
// with the ends (of the solve; of the interval between save times that a number of steps divides), and its h by the
// relative amount (dt1 - dt0) / (t1 - t0), for which h b_i lambda + ... = kbar_i gives the cotangent sum_i <k_i, kbar_i>.
#include <string.h>
#include "nk_phases.h"
#include "nk_solve.h"

typedef struct sweep {
  nk_block b;
  nk_tape tape;
  char *lambda;
  double *ct_times;     // the group's share
  uint32_t core, dense; // stages needed without and with saves inside of the step
  char *acc_t;          // the group's accumulator of the cotangent of t
  nk_dtype acc_t_dtype;
  int64_t evaluations, recomputed;
  nk_status status;
  int64_t from, to;     // the times that the step moves with
  int64_t kept;         // the tape has the stages of so many steps
  char *k[NK_MAX_STAGES], *residual[NK_MAX_STAGES]; // of the step that is swept
} sweep;

static nk_step step_of(const sweep *w, int64_t n) {
  const nk_solve *s = w->b.solve;
  const double t = w->tape.t[n], t1 = w->tape.t[n + 1], direction = t1 >= t ? 1 : -1;
  int64_t low = 0, high = s->ode->time_count; // first save time after t
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if ((s->times[middle] - t) * direction > 0)
      high = middle;
    else
      low = middle + 1;
  }
  return nk_step_make(s, t, t1, &low);
}

static const char *cotangent(const sweep *w, int64_t save) {
  const nk_solve *s = w->b.solve;
  return s->ct_states + save * s->state_bytes + w->b.offset;
}

static void add(const sweep *w, char *to, const char *x) {
  w->b.solve->kernels->axpby(to, x, 1, 1, (ptrdiff_t)w->b.elements);
}

static double dot(const sweep *w, const char *x, const char *y) {
  return w->b.solve->kernels->dot(x, y, (ptrdiff_t)w->b.elements);
}

// The cotangent of a time in the step, spread over the two that it moves with.
static void add_time(sweep *w, double t, double value) {
  const double *times = w->b.solve->times;
  const double share = (t - times[w->from]) / (times[w->to] - times[w->from]);
  w->ct_times[w->from] += (1 - share) * value;
  w->ct_times[w->to] += share * value;
}

static void stage_input(const sweep *w, const nk_step *step, int32_t i, const char *y) {
  const nk_solve *s = w->b.solve;
  nk_combine(s->kernels, w->b.scratch.input, y, s->tableau->a + i * s->tableau->stages, 1, step->h, w->k, i,
             w->b.elements);
}

static void find_stages(sweep *w, int64_t n) {
  const nk_solve *s = w->b.solve;
  for (int32_t i = 0; i < s->tableau->stages; i++) {
    w->k[i] = n < w->kept ? nk_tape_slope(&w->tape, s->tableau, n, i) + w->b.offset : w->b.scratch.k[i];
    w->residual[i] = n < w->kept ? nk_tape_residual(&w->tape, s->tableau, n, i, w->b.index)
                                 : w->b.scratch.residual + i * s->residual_stride;
  }
}

static nk_status recompute_stages(sweep *w, const nk_step *step, uint32_t mask, const char *y) {
  const nk_solve *s = w->b.solve;
  for (int32_t i = 0; i < s->tableau->stages; i++) {
    if (!(mask >> i & 1)) continue;
    stage_input(w, step, i, y);
    const nk_status status = nk_field_eval(&w->b, &s->forward, nk_stage_time(step, s->tableau->c[i]),
                                           w->b.scratch.input, w->k[i], w->residual[i]);
    if (status != NK_SUCCESS) return status;
    w->recomputed++;
  }
  return NK_SUCCESS;
}

// What moving the save times does: the saved state moves along the slope of what it was read from, relative
// to the motion of the frozen step.
static void save_time_cotangents(sweep *w, const nk_step *step) {
  const nk_solve *s = w->b.solve;
  char *const *k = w->k;
  double weights[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
  for (int64_t i = step->save_first - 1; i < step->save_end; i++) {
    double value;
    if (i < step->save_first) { // the save time before those inside: at the start of the step, or not in it
      if (i < 1 || s->times[i] != step->t) continue;
      value = dot(w, cotangent(w, i), k[0]);
    } else {
      nk_dense_weights(s->tableau, (s->times[i] - step->t) / step->h, weights, slopes);
      nk_combine(s->kernels, w->b.scratch.input, NULL, slopes, 1, 1, k, s->tableau->stages, w->b.elements);
      value = dot(w, cotangent(w, i), w->b.scratch.input);
    }
    w->ct_times[i] += value;
    add_time(w, s->times[i], -value);
  }
}

static void stage_cotangent(const sweep *w, const nk_step *step, int32_t i, uint32_t mask) {
  const nk_solve *s = w->b.solve;
  const nk_tableau *m = s->tableau;
  double weights[NK_MAX_STAGES + 1];
  const void *vectors[NK_MAX_STAGES + 1];
  int32_t terms = 0;
  if (m->b[i] != 0) {
    weights[terms] = step->h * m->b[i];
    vectors[terms++] = w->lambda;
  }
  for (int32_t j = i + 1; j < m->stages; j++)
    if ((mask >> j & 1) && m->a[j * m->stages + i] != 0) {
      weights[terms] = step->h * m->a[j * m->stages + i];
      vectors[terms++] = w->b.scratch.slope[j];
    }
  char *kbar = w->b.scratch.kbar;
  if (terms > 0)
    s->kernels->combine(kbar, NULL, weights, vectors, terms, (ptrdiff_t)w->b.elements);
  else
    s->kernels->fill(kbar, 0, (ptrdiff_t)w->b.elements);
  for (int64_t save = step->save_first; save < step->save_end; save++) {
    double dense[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
    nk_dense_weights(m, (s->times[save] - step->t) / step->h, dense, slopes);
    const void *ct = cotangent(w, save);
    const double weight = step->h * dense[i];
    if (weight != 0) s->kernels->combine(kbar, kbar, &weight, &ct, 1, (ptrdiff_t)w->b.elements);
  }
}

static void clear_time(const sweep *w) {
  if (w->acc_t) memset(w->acc_t, 0, (size_t)nk_dtype_bytes(w->acc_t_dtype));
}
static double read_time(const sweep *w) {
  if (!w->acc_t) return 0;
  return w->acc_t_dtype == NK_F64 ? *(const double *)w->acc_t : (double)*(const float *)w->acc_t;
}

static nk_status reverse_step(sweep *w, int64_t n, const char *y) {
  const nk_solve *s = w->b.solve;
  const nk_tableau *m = s->tableau;
  const nk_scratch *scratch = &w->b.scratch;
  nk_phase_mark(s, w->b.worker, NK_PHASE_STAGES, w->b.lanes);
  const nk_step step = step_of(w, n);
  const uint32_t mask = step.save_end > step.save_first ? w->dense : w->core;
  const int want_times = s->ct_times != NULL;
  if (step.hit >= 0) add(w, w->lambda, cotangent(w, step.hit));
  find_stages(w, n);
  w->from = nk_moves_with(s, n, &w->to);
  nk_status status = n < w->kept ? NK_SUCCESS : recompute_stages(w, &step, mask, y);
  if (status != NK_SUCCESS) return status;
  if (want_times) save_time_cotangents(w, &step);
  double moved = 0;
  for (int32_t i = m->stages - 1; i >= 0; i--) {
    if (!(mask >> i & 1)) continue;
    stage_cotangent(w, &step, i, mask);
    stage_input(w, &step, i, y);
    const double t = nk_stage_time(&step, m->c[i]);
    clear_time(w);
    status = nk_field_backward(&w->b, t, scratch->input, scratch->kbar, scratch->slope[i], w->residual[i]);
    if (status != NK_SUCCESS) return status;
    w->evaluations++;
    nk_lane_captures_add(&w->b, 1, NULL);
    if (!want_times) continue;
    add_time(w, t, read_time(w));
    moved += dot(w, w->k[i], scratch->kbar);
  }
  for (int32_t i = m->stages - 1; i >= 0; i--)
    if (mask >> i & 1) add(w, w->lambda, scratch->slope[i]);
  for (int64_t save = step.save_first; save < step.save_end; save++) add(w, w->lambda, cotangent(w, save));
  if (want_times) {
    moved /= s->times[w->to] - s->times[w->from];
    w->ct_times[w->from] -= moved;
    w->ct_times[w->to] += moved;
  }
  return NK_SUCCESS;
}

static nk_status advance(sweep *w, int64_t n, const char *y, char *y1) {
  nk_phase_mark(w->b.solve, w->b.worker, NK_PHASE_STAGES, w->b.lanes);
  const nk_step step = step_of(w, n);
  return nk_step_stages(&w->b, &step, y, y1, w->b.scratch.k, w->core, -1, &w->recomputed);
}

// Reverses steps [first, last) given y at `first`. Short segments keep all their states; of a longer one the
// middle state is found by integrating to it, the second half is reversed, then the first.
static nk_status reverse_segment(sweep *w, int64_t first, int64_t last, const char *y, int32_t level) {
  const nk_solve *s = w->b.solve;
  const int64_t block = s->block_lanes * s->row_bytes;
  nk_status status = NK_SUCCESS;
  if (last - first <= s->base_states + 1) {
    char *base = w->b.scratch.base;
    for (int64_t n = first; n + 1 < last && status == NK_SUCCESS; n++)
      status = advance(w, n, n == first ? y : base + (n - first - 1) * block, base + (n - first) * block);
    for (int64_t n = last - 1; n >= first && status == NK_SUCCESS; n--)
      status = reverse_step(w, n, n == first ? y : base + (n - first - 1) * block);
    return status;
  }
  const int64_t middle = first + (last - first) / 2;
  char *state = w->b.scratch.levels + level * block, *next = w->b.scratch.y[0];
  memcpy(state, y, (size_t)(w->b.lanes * s->row_bytes));
  for (int64_t n = first; n < middle && status == NK_SUCCESS; n++) {
    status = advance(w, n, state, next);
    memcpy(state, next, (size_t)(w->b.lanes * s->row_bytes));
  }
  if (status == NK_SUCCESS) status = reverse_segment(w, middle, last, state, level + 1);
  if (status == NK_SUCCESS) status = reverse_segment(w, first, middle, y, level);
  return status;
}

static void sweep_block(sweep *w) {
  const nk_solve *s = w->b.solve;
  const int64_t steps = w->tape.header[NK_TAPE_STEPS], stride = w->tape.header[NK_TAPE_STRIDE];
  w->lambda = w->b.scratch.lambda[0];
  s->kernels->fill(w->lambda, 0, (ptrdiff_t)w->b.elements);
  for (int64_t slot = nk_block_count(steps, stride) - 1; slot >= 0 && w->status == NK_SUCCESS; slot--) {
    const char *y = w->tape.states + slot * s->state_bytes + w->b.offset;
    w->status = reverse_segment(w, slot * stride, nk_min((slot + 1) * stride, steps), y, 0);
  }
  add(w, w->lambda, cotangent(w, 0));
  if (s->ct_y0) memcpy(s->ct_y0 + w->b.offset, w->lambda, (size_t)(w->b.lanes * s->row_bytes));
}

static void sweep_group(void *context, int64_t group, int32_t worker) {
  const nk_solve *s = context;
  const nk_region *body = s->backward.body;
  sweep w = {.tape = s->tape, .ct_times = s->time_partials + group * s->ode->time_count};
  char *acc = nk_field_acc(&s->backward, group);
  memset(acc, 0, (size_t)body->acc_bytes);
  memset(w.ct_times, 0, (size_t)s->ode->time_count * sizeof(double));
  if (body->acc_count > 0 && body->acc[0].count > 0) {
    w.acc_t = acc + body->acc[0].offset;
    w.acc_t_dtype = body->acc[0].dtype;
  }
  w.core = nk_stages_needed(s->tableau, 0);
  w.dense = nk_stages_needed(s->tableau, 1);
  if (w.tape.header[NK_TAPE_BLOCK_LANES] == s->block_lanes && w.tape.kept_capacity > 0) w.kept = w.tape.header[NK_TAPE_KEPT];
  const int64_t first = nk_group_first(group, s->groups, s->blocks);
  for (int64_t i = first; i < nk_group_first(group + 1, s->groups, s->blocks) && w.status == NK_SUCCESS;
       i++) {
    w.evaluations = w.recomputed = 0; // of one block: all blocks do the same
    w.b = nk_solve_block(s, i, worker);
    w.b.group = group;
    sweep_block(&w);
  }
  s->notes[group] =
      (nk_note){.status = (int32_t)w.status, .evaluations = w.evaluations, .step = w.recomputed};
}

nk_status nk_exact_gradient(nk_solve *s) {
  nk_status status = nk_field_prepare(s, &s->field);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->forward);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->backward);
  if (status != NK_SUCCESS) return status;
  nk_captures_clear(s);
  nk_solve_run(s, s->groups, sweep_group, s, NK_PHASE_CONTROL);
  for (int64_t g = 0; g < s->groups && status == NK_SUCCESS; g++) status = (nk_status)s->notes[g].status;
  if (status != NK_SUCCESS) return status;
  nk_captures_sum(s, &s->backward);
  const int32_t count = s->ode->time_count;
  for (int32_t i = 0; s->ct_times && i < count; i++) {
    s->ct_times[i] = 0;
    for (int64_t g = 0; g < s->groups; g++) s->ct_times[i] += s->time_partials[g * count + i];
  }
  const int64_t steps = s->tape.header[NK_TAPE_STEPS];
  const nk_pace pace = {.evaluations = s->notes[0].evaluations,
                        .accepted = steps,
                        .last_h = steps > 0 ? s->tape.t[1] - s->tape.t[0] : 0};
  nk_report(s, NK_SUCCESS, &pace, s->times[0], nk_block_count(steps, s->tape.header[NK_TAPE_STRIDE]),
            s->notes[0].step);
  return NK_SUCCESS;
}
