// Solves forward: fixed steps block by block from end to end, adaptive steps with one pass over the blocks
// per attempt.
#include <math.h>
#include <string.h>
#include "nk_phases.h"
#include "nk_solve.h"

typedef struct attempt {
  nk_solve *solve;
  nk_step step;
  int k0_valid;
  double h0; // of the initial step's probe
  int64_t n; // number of the step that is attempted
} attempt;

// Step n as the tape knows it, if it keeps the step's stages, else -1.
static int64_t kept_step(const nk_solve *s, int64_t n) {
  return n < s->tape.kept_capacity ? n : -1;
}

static uint32_t all_stages(int32_t count) {
  return (1u << count) - 1;
}

// --- Fixed steps
// --------------------------------------------------------------------------------------------------
static void fixed_block(void *context, int64_t index, int32_t worker) {
  const nk_solve *s = context;
  const nk_block b = nk_solve_block(s, index, worker);
  const nk_tableau *tableau = s->tableau;
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  const int64_t steps = nk_grid_steps(s, s->times), bytes = b.lanes * s->row_bytes;
  char *k[NK_MAX_STAGES], *y = b.scratch.y[0], *y1 = b.scratch.y[1];
  memcpy(k, b.scratch.k, sizeof k);
  memcpy(y, s->y0 + b.offset, (size_t)bytes);
  memcpy(s->states + b.offset, y, (size_t)bytes);
  const uint32_t needed = nk_stages_needed(tableau, 0), dense = nk_stages_needed(tableau, 1);
  const int64_t stride = s->tape.header ? s->tape.header[NK_TAPE_STRIDE] : 0;
  int64_t cursor = 1;
  int k0_valid = 0;
  double t = s->times[0];
  for (int64_t n = 0; n < steps; n++) {
    const nk_step step = nk_step_make(s, t, nk_grid_time(s, s->times, n + 1, steps), &cursor);
    if (stride && n % stride == 0)
      memcpy(s->tape.states + n / stride * s->state_bytes + b.offset, y, (size_t)bytes);
    uint32_t mask = step.save_end > step.save_first ? dense : needed;
    // The stage after an FSAL method's last is worth its evaluation only if there is a next step.
    if (tableau->fsal && n + 1 < steps) mask |= 1u << (tableau->step_stages - 1);
    const int reusable = mask >> (tableau->step_stages - 1) & 1;
    if (k0_valid) mask &= ~1u;
    nk_phase_mark(s, worker, NK_PHASE_STAGES, b.lanes);
    nk_status status = nk_step_stages(&b, &step, y, y1, k, mask, kept_step(s, n), &note->evaluations);
    if (status == NK_SUCCESS && !s->kernels->all_finite(y1, (ptrdiff_t)b.elements)) {
      // A sum of finite slopes that overflowed is the state's fault.
      status = NK_NON_FINITE_STATE;
      for (int32_t i = 0; i < tableau->step_stages; i++)
        if ((needed >> i & 1) && !s->kernels->all_finite(k[i], (ptrdiff_t)b.elements))
          status = NK_NON_FINITE_FIELD;
    }
    if (status != NK_SUCCESS) {
      note->status = status;
      note->step = n;
      for (int64_t i = step.save_first; i < s->ode->time_count; i++)
        memcpy(s->states + i * s->state_bytes + b.offset, y, (size_t)bytes);
      // What the diagnosis reads: the state that could not be reached.
      memcpy(s->y1 + b.offset, y1, (size_t)bytes);
      return;
    }
    nk_phase_mark(s, worker, NK_PHASE_SAVE, b.lanes);
    nk_step_save(&b, &step, y, y1, k);
    nk_phase_mark(s, worker, NK_PHASE_CONTROL, b.lanes);
    char *swap = y;
    y = y1;
    y1 = swap;
    if (tableau->fsal) {
      char *first = k[0];
      k[0] = k[tableau->step_stages - 1];
      k[tableau->step_stages - 1] = first;
      k0_valid = reusable;
    }
    t = step.t1;
  }
}

// First element that is not finite, or (-1, -1).
static void locate_non_finite(const nk_solve *s, const char *x, int64_t *lane, int64_t *component) {
  *lane = *component = -1;
  for (int64_t i = 0; i < s->ode->lanes; i++) {
    const char *row = x + i * s->row_bytes;
    if (s->kernels->all_finite(row, (ptrdiff_t)s->ode->dim)) continue;
    *lane = i;
    for (int64_t j = 0; j < s->ode->dim && *component < 0; j++)
      if (!s->kernels->all_finite(row + j * s->size, 1)) *component = j;
    return;
  }
}

static nk_status fixed_solve(nk_solve *s) {
  const int64_t steps = nk_grid_steps(s, s->times);
  nk_pace pace;
  nk_pace_start(&pace, s, s->times[0], s->times[s->ode->time_count - 1]);
  if (s->controller->steps_per_interval <= 0 && steps > s->controller->max_steps) {
    for (int64_t i = 0; i < s->ode->time_count; i++)
      memcpy(s->states + i * s->state_bytes, s->y0, (size_t)s->state_bytes);
    nk_report(s, NK_MAX_STEPS, &pace, s->times[0], 0, 0);
    pace.last_h = pace.direction * s->controller->step;
    nk_diagnose(s, NK_MAX_STEPS, &pace, s->times[0], -1, -1);
    if (s->frame->diagnosis) s->frame->diagnosis->steps_needed = steps;
    return NK_MAX_STEPS;
  }
  int64_t kept = 0;
  if (s->tape.header) {
    nk_tape_start(&s->tape, steps);
    for (int64_t n = 0; n <= steps; n++) s->tape.t[n] = nk_grid_time(s, s->times, n, steps);
    kept = nk_block_count(steps, s->tape.header[NK_TAPE_STRIDE]);
  }
  nk_solve_run(s, s->blocks, fixed_block, s, NK_PHASE_CONTROL);
  int64_t first = -1;
  for (int64_t i = 0; i < s->blocks; i++)
    if (s->notes[i].status != NK_SUCCESS && (first < 0 || s->notes[i].step < s->notes[first].step)) first = i;
  const nk_status status = first < 0 ? NK_SUCCESS : (nk_status)s->notes[first].status;
  const int64_t done = first < 0 ? steps : s->notes[first].step;
  pace.accepted = done;
  pace.rejected = first < 0 ? 0 : 1;
  pace.evaluations = s->blocks > 0 ? s->notes[nk_max(first, 0)].evaluations : 0;
  const double t = nk_grid_time(s, s->times, done, steps);
  pace.last_h = first < 0 ? t - nk_grid_time(s, s->times, done - 1, steps) : nk_grid_time(s, s->times, done + 1, steps) - t;
  nk_report(s, status, &pace, t, kept, 0);
  if (first >= 0) {
    // Other blocks may not have written theirs: look at the failed block alone.
    const nk_block b = nk_solve_block(s, first, 0);
    int64_t lane = b.lane0, component = -1;
    for (int64_t i = b.lane0; i < b.lane0 + b.lanes && component < 0; i++)
      for (int64_t j = 0; j < s->ode->dim && component < 0; j++)
        if (!s->kernels->all_finite(s->y1 + i * s->row_bytes + j * s->size, 1)) lane = i, component = j;
    nk_diagnose(s, status, &pace, t, lane, component);
    nk_failure_grid(s, done, steps);
    nk_seeker seeker;
    if (nk_seek_begin(&seeker, s, component < 0 ? -1 : lane - b.lane0)) {
      fixed_block(s, first, 0);
      nk_seek_end(&seeker);
    }
  }
  return status;
}

// --- Adaptive steps
// -----------------------------------------------------------------------------------------------
static void bind_stages(const nk_solve *s, const nk_block *b, char **k) {
  memcpy(k, b->scratch.k, sizeof b->scratch.k);
  k[0] = s->k0 + b->offset;
  if (s->tableau->fsal) k[s->tableau->step_stages - 1] = s->k_last + b->offset;
}

static void attempt_block(void *context, int64_t index, int32_t worker) {
  const attempt *a = context;
  const nk_solve *s = a->solve;
  const nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  char *k[NK_MAX_STAGES];
  bind_stages(s, &b, k);
  const int inside = a->step.save_end > a->step.save_first;
  uint32_t mask = all_stages(s->tableau->step_stages);
  if (inside) mask |= nk_stages_needed(s->tableau, 1);
  if (a->k0_valid) mask &= ~1u;
  const char *y = s->y + b.offset;
  char *y1 = s->y1 + b.offset;
  nk_phase_mark(s, worker, NK_PHASE_STAGES, b.lanes);
  note->status = nk_step_stages(&b, &a->step, y, y1, k, mask, kept_step(s, a->n), &note->evaluations);
  nk_phase_mark(s, worker, NK_PHASE_ERROR, b.lanes);
  note->sum[0] = nk_block_error2(&b, &a->step, y, y1, k);
  note->finite = s->kernels->all_finite(y1, (ptrdiff_t)b.elements);
  nk_phase_mark(s, worker, NK_PHASE_SAVE, b.lanes);
  nk_step_save(&b, &a->step, y, y1, k); // overwritten if the step is rejected
}

// f(t0, y0) and the norms of Hairer's rule.
static void first_slope_block(void *context, int64_t index, int32_t worker) {
  const attempt *a = context;
  const nk_solve *s = a->solve;
  const nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  const char *y = s->y + b.offset;
  char *k0 = s->k0 + b.offset;
  const int keep = kept_step(s, 0) == 0;
  note->status = nk_field_eval(&b, keep ? &s->forward : &s->field, s->times[0], y, k0,
                               keep ? nk_tape_residual(&s->tape, s->tableau, 0, 0, index) : NULL);
  note->sum[0] = nk_block_norm2(&b, y, y);
  note->sum[1] = nk_block_norm2(&b, k0, y);
  note->finite = s->kernels->all_finite(k0, (ptrdiff_t)b.elements);
}

static void probe_block(void *context, int64_t index, int32_t worker) {
  const attempt *a = context;
  const nk_solve *s = a->solve;
  const nk_block b = nk_solve_block(s, index, worker);
  nk_note *note = &s->notes[index];
  *note = (nk_note){0};
  char *pair[2] = {s->k0 + b.offset, b.scratch.y[1]};
  const double one = 1, difference[2] = {-1, 1};
  nk_combine(s->kernels, b.scratch.input, s->y + b.offset, &one, 1, a->h0, pair, 1, b.elements);
  note->status = nk_field_eval(&b, &s->field, s->times[0] + a->h0, b.scratch.input, pair[1], NULL);
  nk_combine(s->kernels, b.scratch.y[0], NULL, difference, 1, 1, pair, 2, b.elements);
  note->sum[0] = nk_block_norm2(&b, b.scratch.y[0], s->y + b.offset);
  note->finite = 1;
}

typedef struct verdict {
  double sum[2];
  nk_status status;
  int finite;
} verdict;
static verdict gather_notes(const nk_solve *s) {
  verdict v = {.status = NK_SUCCESS, .finite = 1};
  for (int64_t i = 0; i < s->blocks; i++) {
    v.sum[0] += s->notes[i].sum[0];
    v.sum[1] += s->notes[i].sum[1];
    v.finite &= s->notes[i].finite;
    if (v.status == NK_SUCCESS) v.status = (nk_status)s->notes[i].status;
  }
  return v;
}

// Evaluates f(t0, y0) into k0 and chooses the first step.
static nk_status begin(attempt *a, nk_pace *pace) {
  nk_solve *s = a->solve;
  if (!s->kernels->all_finite(s->y0, (ptrdiff_t)(s->ode->lanes * s->ode->dim))) return NK_NON_FINITE_STATE;
  nk_solve_run(s, s->blocks, first_slope_block, a, NK_PHASE_CONTROL);
  pace->evaluations++;
  verdict v = gather_notes(s);
  if (v.status != NK_SUCCESS) return v.status;
  if (!v.finite) return NK_NON_FINITE_FIELD;
  if (pace->h > 0) return NK_SUCCESS;
  const double count = nk_counted_components(s), from = s->times[0], to = s->times[s->ode->time_count - 1];
  const double d0 = sqrt(v.sum[0] / count), d1 = sqrt(v.sum[1] / count);
  const double h0 = nk_first_guess(d0, d1, from, to);
  a->h0 = pace->direction * h0;
  nk_solve_run(s, s->blocks, probe_block, a, NK_PHASE_CONTROL);
  pace->evaluations++;
  v = gather_notes(s);
  if (v.status != NK_SUCCESS) return v.status;
  const double d2 = sqrt(v.sum[0] / count) / h0;
  pace->h = nk_initial_step(d0, d1, d2, h0, s->tableau->embedded_order);
  pace->h = fmax(fmax(pace->h, nk_least_first_step(from, to)), s->controller->min_step);
  return NK_SUCCESS;
}

// Lane and component of the largest share of the last attempt's error, or of the first that is not finite.
// The attempt is run again, one block after the other: failures may cost something.
static void locate_error(attempt *a, int64_t *lane, int64_t *component) {
  nk_solve *s = a->solve;
  double largest = -1;
  for (int64_t i = 0; i < s->blocks; i++) {
    attempt_block(a, i, 0);
    const nk_block b = nk_solve_block(s, i, 0);
    char *k[NK_MAX_STAGES];
    bind_stages(s, &b, k);
    for (int64_t j = 0; j < b.elements; j++) {
      const int64_t at = j * s->size;
      const void *ks[NK_MAX_STAGES];
      double weights[NK_MAX_STAGES];
      for (int32_t n = 0; n < s->tableau->step_stages; n++) {
        ks[n] = k[n] + at;
        weights[n] = a->step.h * s->tableau->b_error[n];
      }
      const char *y = s->y + b.offset + at, *y1 = s->y1 + b.offset + at;
      const double share = s->kernels->error_norm2(y, y1, weights, ks, s->tableau->step_stages,
                                                   s->controller->atol, s->controller->rtol, 1);
      const int broken = !isfinite(share) || !s->kernels->all_finite(y1, 1);
      if (!broken && share <= largest) continue;
      largest = share;
      *lane = b.lane0 + j / s->ode->dim;
      *component = j % s->ode->dim;
      if (broken) return;
    }
  }
}

// Repeats what failed, to see where it failed: the evaluation at the first time, or the last attempt.
static void explain(attempt *a, const nk_pace *pace, int64_t *lane) {
  nk_solve *s = a->solve;
  nk_seeker seeker;
  const int64_t lanes = s->ode->lanes;
  int64_t known = -1;
  while (*lane >= 0 && nk_block_first(known + 1, lanes, s->block_lanes) <= *lane) known++;
  const int tried = pace->accepted + pace->rejected > 0 || a->step.h != 0;
  if (!nk_seek_begin(&seeker, s, known < 0 ? -1 : *lane - nk_block_first(known, lanes, s->block_lanes))) return;
  for (int64_t i = nk_max(known, 0); i <= (known < 0 ? s->blocks - 1 : known) && !seeker.found; i++) {
    (tried ? attempt_block : first_slope_block)(a, i, 0);
    if (seeker.found && *lane < 0 && seeker.origin->row >= 0)
      *lane = nk_block_first(i, lanes, s->block_lanes) + seeker.origin->row;
  }
  nk_seek_end(&seeker);
}

static nk_status adaptive_solve(nk_solve *s) {
  attempt a = {.solve = s, .k0_valid = 1};
  const int32_t last = s->ode->time_count - 1;
  const double end = s->times[last];
  nk_pace pace;
  nk_pace_start(&pace, s, s->times[0], end);
  memcpy(s->y, s->y0, (size_t)s->state_bytes);
  memcpy(s->states, s->y0, (size_t)s->state_bytes);
  if (s->tape.header) nk_tape_start(&s->tape, 0);
  double t = s->times[0];
  int64_t cursor = 1, lane = -1, component = -1;
  nk_status status = begin(&a, &pace);
  if (status == NK_NON_FINITE_STATE) locate_non_finite(s, s->y, &lane, &component);
  if (status == NK_NON_FINITE_FIELD) locate_non_finite(s, s->k0, &lane, &component);
  while (status == NK_SUCCESS && t != end) {
    double t1;
    const double proposed = pace.h;
    status = nk_pace_next(&pace, s, t, end, &t1);
    if (status != NK_SUCCESS) {
      if (a.step.h != 0 && pace.after_rejection) locate_error(&a, &lane, &component);
      break;
    }
    int64_t ahead = cursor;
    a.step = nk_step_make(s, t, t1, &ahead);
    a.n = pace.accepted;
    nk_solve_run(s, s->blocks, attempt_block, &a, NK_PHASE_CONTROL);
    const verdict v = gather_notes(s);
    status = v.status;
    pace.evaluations += s->notes[0].evaluations;
    a.k0_valid = 1;
    const double error = v.finite ? sqrt(v.sum[0] / nk_counted_components(s)) : (double)NAN;
    if (status != NK_SUCCESS || !nk_pace_judge(&pace, s, error, a.step.h)) continue;
    if (s->tape.header) nk_tape_record(&s->tape, pace.accepted - 1, t, s->y, s->state_bytes);
    // A step shortened to end at the last time says nothing against the longer one.
    if (t1 == end) pace.h = fmax(pace.h, proposed);
    t = t1;
    cursor = ahead;
    char *swap = s->y;
    s->y = s->y1;
    s->y1 = swap;
    if (s->tableau->fsal) {
      swap = s->k0;
      s->k0 = s->k_last;
      s->k_last = swap;
    } else {
      a.k0_valid = 0;
    }
  }
  int64_t kept = 0;
  if (s->tape.header) {
    s->tape.t[s->tape.header[NK_TAPE_STEPS]] = t;
    kept = nk_block_count(s->tape.header[NK_TAPE_STEPS], s->tape.header[NK_TAPE_STRIDE]);
  }
  nk_report(s, status, &pace, t, kept, 0);
  if (s->next_steps) s->next_steps[0] = pace.h;
  if (status == NK_SUCCESS) return status;
  const int broken = status != NK_MAX_STEPS && status != NK_STEP_UNDERFLOW && status != NK_NON_FINITE_STATE;
  if (status == NK_NON_FINITE_FIELD && pace.bad_h != 0 && !pace.after_rejection) {
    // Steps shrank before what is not finite until the last of them was accepted: it is one such step ahead.
    int64_t ahead = cursor;
    a.step = nk_step_make(s, t, t + pace.bad_h, &ahead);
  }
  if (broken || (pace.after_rejection && pace.non_finite)) explain(&a, &pace, &lane);
  for (int64_t i = cursor; i <= last; i++)
    memcpy(s->states + i * s->state_bytes, s->y, (size_t)s->state_bytes);
  nk_diagnose(s, status, &pace, t, lane, component);
  return status;
}

nk_status nk_forward_solve(nk_solve *s) {
  nk_status status = nk_field_prepare(s, &s->field);
  if (status == NK_SUCCESS) status = nk_field_prepare(s, &s->forward);
  if (status != NK_SUCCESS) return status;
  if (s->ode->time_count == 1) {
    nk_pace pace;
    nk_pace_start(&pace, s, s->times[0], s->times[0]);
    memcpy(s->states, s->y0, (size_t)s->state_bytes);
    if (s->tape.header) nk_tape_start(&s->tape, 0);
    nk_report(s, NK_SUCCESS, &pace, s->times[0], 0, 0);
    return NK_SUCCESS;
  }
  if (s->controller->adaptive) return adaptive_solve(s);
  if (!s->kernels->all_finite(s->y0, (ptrdiff_t)(s->ode->lanes * s->ode->dim))) {
    nk_pace pace;
    nk_pace_start(&pace, s, s->times[0], s->times[0]);
    int64_t lane, component;
    for (int64_t i = 0; i < s->ode->time_count; i++)
      memcpy(s->states + i * s->state_bytes, s->y0, (size_t)s->state_bytes);
    if (s->tape.header) nk_tape_start(&s->tape, 0);
    locate_non_finite(s, s->y0, &lane, &component);
    nk_report(s, NK_NON_FINITE_STATE, &pace, s->times[0], 0, 0);
    nk_diagnose(s, NK_NON_FINITE_STATE, &pace, s->times[0], lane, component);
    return NK_NON_FINITE_STATE;
  }
  return fixed_solve(s);
}
