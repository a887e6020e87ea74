// The rows of a backward sweep: lanes in and out, and the windows of their steps.
#include <math.h>
#include <string.h>
#include "nk_sweep.h"
#pragma STDC FP_CONTRACT OFF

// A window's states take this much of a worker's memory, unless two steps do already.
enum { WINDOW_BYTES = 1 << 20 };

int64_t nk_sweep_plan(nk_sweep *w, const nk_solve *s, uintptr_t base) {
  nk_bump bump = {.base = base};
  const int64_t capacity = s->block_lanes, rows = capacity * s->row_bytes;
  const int64_t longest = nk_lane_tape_longest(s->ode);
  *w = (nk_sweep){.s = s, .capacity = capacity};
  w->window = longest == 1 ? 1 : nk_max(2, nk_min(longest, nk_max(16, WINDOW_BYTES / rows)));
  w->slots = nk_take(&bump, capacity * (int64_t)sizeof(nk_sweep_slot));
  w->t = nk_take(&bump, capacity * s->size);
  w->ct_t = nk_take(&bump, capacity * s->size);
  char **const arrays[] = {&w->h, &w->y, &w->lambda, &w->kbar, &w->input};
  for (int i = 0; i < (int)(sizeof arrays / sizeof *arrays); i++) *arrays[i] = nk_take(&bump, rows);
  for (int32_t i = 0; i < s->tableau->stages; i++) {
    w->k[i] = nk_take(&bump, rows);
    w->slope[i] = nk_take(&bump, rows);
  }
  w->captures = nk_rows_plan_captures(s, capacity, &bump);
  w->ct_captures = nk_rows_plan_captures(s, capacity, &bump);
  w->sums = nk_rows_plan_captures(s, capacity, &bump);
  w->residual = nk_take(&bump, s->tableau->stages * s->forward.run.layout.residual_stride);
  w->base = nk_take(&bump, longest == 1 ? 0 : w->window * rows);
  w->base_t = nk_take(&bump, longest == 1 ? 0 : w->window * capacity * (int64_t)sizeof(double));
  w->moved = nk_take(&bump, capacity * (int64_t)sizeof(double));
  w->core = nk_stages_needed(s->tableau, 0);
  w->dense = nk_stages_needed(s->tableau, 1);
  if (longest > 1) bump.used += nk_align(nk_march_plan(&w->march, s, capacity, base ? base + (uintptr_t)bump.used : 0));
  return bump.used;
}

int64_t nk_lanes_exact_scratch(const nk_solve *s) {
  nk_sweep w;
  return nk_sweep_plan(&w, s, 0);
}

// --- Lanes in and out --------------------------------------------------------------------------------------------
static void report(const nk_solve *s, const nk_sweep_slot *slot) {
  const double *times = nk_lane_times(s, slot->lane);
  const nk_lane_tape tape = nk_lane_tape_of(s, slot->lane);
  const int64_t kept = slot->steps > 0 ? nk_block_count(slot->steps, tape.header[NK_TAPE_STRIDE]) : 0;
  const nk_slot done = {.lane = slot->lane,
                        .t = times[0],
                        .accepted = nk_max(slot->steps, 0),
                        .evaluations = slot->evaluations,
                        .last_h = slot->steps > 0 ? slot->t1 - slot->t : 0};
  nk_lane_report(s, &done, kept, slot->recomputed);
}

void nk_sweep_refill(nk_sweep *w) {
  const nk_solve *s = w->s;
  while (w->count < w->capacity && w->next < w->end) {
    const int64_t lane = w->next++, last = s->ode->time_count - 1;
    nk_sweep_slot slot = {.lane = lane, .steps = nk_lane_tape_of(s, lane).header[NK_TAPE_STEPS], .save = last};
    if (s->ct_times) memset(s->ct_times + lane * s->ode->time_count, 0, (size_t)s->ode->time_count * sizeof(double));
    if (slot.steps < 0) {
      if (s->ct_y0) memset(s->ct_y0 + lane * s->row_bytes, 0, (size_t)s->row_bytes);
      report(s, &slot);
      continue;
    }
    slot.n = slot.steps - 1;
    slot.after = nk_lane_times(s, lane)[last];
    const int64_t row = w->count++;
    w->slots[row] = slot;
    memset(nk_row(s, w->lambda, row), 0, (size_t)s->row_bytes);
    nk_rows_load_captures(s, lane, w->captures, row);
    for (int32_t c = 0; c < s->ode->capture_count; c++) {
      const int64_t bytes = nk_capture_bytes(s, c);
      if (w->sums[c]) memset(w->sums[c] + row * bytes, 0, (size_t)bytes);
    }
  }
}

void nk_sweep_exchange_rows(nk_sweep *w, int64_t a, int64_t b) {
  const nk_solve *s = w->s;
  if (a == b) return;
  const nk_sweep_slot slot = w->slots[a];
  w->slots[a] = w->slots[b];
  w->slots[b] = slot;
  nk_exchange(nk_row(s, w->lambda, a), nk_row(s, w->lambda, b), s->row_bytes);
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!w->captures[c]) continue;
    const int64_t bytes = nk_capture_bytes(s, c);
    nk_exchange(w->captures[c] + a * bytes, w->captures[c] + b * bytes, bytes);
    nk_exchange(w->sums[c] + a * bytes, w->sums[c] + b * bytes, bytes);
  }
}

void nk_sweep_retire(nk_sweep *w) {
  const nk_solve *s = w->s;
  for (int64_t r = w->count - 1; r >= 0; r--) {
    const nk_sweep_slot *slot = &w->slots[r];
    if (slot->n >= 0) continue;
    char *lambda = nk_row(s, w->lambda, r);
    s->kernels->axpby(lambda, nk_sweep_cotangent(w, slot, 0), 1, 1, (ptrdiff_t)s->ode->dim);
    if (s->ct_y0) memcpy(s->ct_y0 + slot->lane * s->row_bytes, lambda, (size_t)s->row_bytes);
    for (int32_t c = 0; c < s->ode->capture_count; c++) {
      const int32_t target = s->ode->ct_captures[c];
      if (!w->sums[c] || target < 0) continue;
      const int64_t bytes = nk_capture_bytes(s, c);
      memcpy(nk_frame_address(s->frame, target) + slot->lane * bytes, w->sums[c] + r * bytes, (size_t)bytes);
    }
    report(s, slot);
    nk_sweep_exchange_rows(w, r, --w->count);
  }
}

// --- Windows -----------------------------------------------------------------------------------------------------
static void store(nk_sweep *w, int64_t row, int64_t n, double t, const char *y) {
  const nk_sweep_slot *slot = &w->slots[row];
  if (n < slot->window || n > slot->n) return;
  const int64_t at = (n - slot->window) * w->capacity + slot->column;
  w->base_t[at] = t;
  memcpy(nk_row(w->s, w->base, at), y, (size_t)w->s->row_bytes);
}

static int64_t segment(const nk_sweep *w, const nk_sweep_slot *slot) {
  const int64_t stride = nk_lane_tape_of(w->s, slot->lane).header[NK_TAPE_STRIDE];
  return slot->n / stride * stride;
}

// The march over rows whose windows hold states that the tape does not: slot.task counts through them.
static int repeat_load(nk_march *m, int64_t row) {
  nk_sweep *w = m->context;
  const nk_solve *s = w->s;
  for (; w->live < w->count; w->live++) { // borrowed as a counter: the sweep of this round has not begun
    const nk_sweep_slot *slot = &w->slots[w->live];
    const nk_lane_tape tape = nk_lane_tape_of(s, slot->lane);
    const int64_t stride = tape.header[NK_TAPE_STRIDE], from = segment(w, slot), until = slot->n - from;
    if (stride == 1) continue;
    const nk_kept *kept = &tape.kept[from / stride];
    const char *y = tape.states + from / stride * s->row_bytes;
    if (until == 0) {
      store(w, w->live, from, kept->t, y);
      continue;
    }
    nk_slot start = nk_slot_start(s, slot->lane);
    start.t = kept->t;
    start.planned = kept->t1;
    start.h = fabs(kept->t1 - kept->t);
    start.log_before = kept->log_before;
    start.after_rejection = (int32_t)kept->after_rejection;
    start.until = until;
    start.offset = s->controller->adaptive ? 0 : from;
    start.cursor = s->ode->time_count;
    start.task = w->live++;
    m->slots[row] = start;
    nk_march_put(m, m->y, row, y);
    nk_march_load_captures(m, slot->lane, row);
    return 1;
  }
  return 0;
}

static void repeat_keep(nk_march *m, int64_t row) {
  nk_sweep *w = m->context;
  const nk_slot *slot = &m->slots[row];
  store(w, slot->task, segment(w, &w->slots[slot->task]) + slot->accepted, slot->t, nk_march_row(m, m->y, row, 0));
}

static void repeat_finish(nk_march *m, int64_t row) {
  nk_sweep *w = m->context;
  repeat_keep(m, row);
  w->slots[m->slots[row].task].recomputed += m->slots[row].evaluations;
}

void nk_sweep_open_windows(nk_sweep *w) {
  int needed = 0;
  for (int64_t r = 0; r < w->count; r++) {
    nk_sweep_slot *slot = &w->slots[r];
    const int64_t stride = nk_lane_tape_of(w->s, slot->lane).header[NK_TAPE_STRIDE];
    const int64_t lowest = stride == 1 ? 0 : slot->n / stride * stride;
    slot->window = nk_max(lowest, slot->n + 1 - w->window);
    slot->column = r;
    needed |= stride > 1;
  }
  if (needed) {
    w->live = 0;
    w->march.active = 0;
    w->march.context = w;
    w->march.load = repeat_load;
    w->march.keep = repeat_keep;
    w->march.finish = repeat_finish;
    nk_march_run(&w->march);
  }
  w->live = w->count;
}
