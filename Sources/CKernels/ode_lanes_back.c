// The rows of the continuous adjoint: lanes in and out.
#include <math.h>
#include <string.h>
#include "nk_back.h"
#pragma STDC FP_CONTRACT OFF

int64_t nk_back_plan(nk_back *b, const nk_solve *s, uintptr_t base) {
  nk_bump bump = {.base = base};
  const int64_t capacity = s->block_lanes, rows = capacity * s->row_bytes;
  *b = (nk_back){.s = s, .capacity = capacity, .row_arrays = NK_BACK_STAGES + 2 * s->tableau->stages};
  b->slots = nk_take(&bump, capacity * (int64_t)sizeof(nk_slot));
  b->t = nk_take(&bump, capacity * s->size);
  b->ct_t = nk_take(&bump, capacity * s->size);
  b->h = nk_take(&bump, rows);
  b->input = nk_take(&bump, rows);
  b->input2 = nk_take(&bump, rows);
  b->seed = nk_take(&bump, rows);
  for (int32_t i = 0; i < b->row_arrays; i++) b->rows[i] = nk_take(&bump, rows);
  b->captures = nk_rows_plan_captures(s, capacity, &bump);
  b->ct_captures = nk_rows_plan_captures(s, capacity, &bump);
  b->sums = nk_rows_plan_captures(s, capacity, &bump);
  b->paces = nk_paces_plan(capacity, &bump);
  b->rule = nk_pace_rule_of(s);
  b->error2 = nk_take(&bump, capacity * (int64_t)sizeof(double));
  return bump.used;
}

int64_t nk_lanes_backsolve_scratch(const nk_solve *s) {
  nk_back b;
  return nk_back_plan(&b, s, 0);
}

// --- Lanes in and out --------------------------------------------------------------------------------------------
void nk_back_enter(nk_back *b, int64_t r, int64_t save) {
  const nk_solve *s = b->s;
  nk_slot *slot = &b->slots[r];
  const int64_t at = save * s->state_bytes + slot->lane * s->row_bytes;
  const double *times = nk_lane_times(s, slot->lane);
  memcpy(nk_row(b->s, b->rows[NK_BACK_Y], r), s->states + at, (size_t)s->row_bytes);
  s->kernels->axpby(nk_row(b->s, b->rows[NK_BACK_LAMBDA], r), s->ct_states + at, 1, 1, (ptrdiff_t)b->s->ode->dim);
  b->paces.t[r] = times[save];
  b->paces.end[r] = times[save - 1];
  slot->cursor = save - 1;
  slot->offset = 0;
}

int nk_is_whole(const nk_solve *s, int64_t lane) {
  const char *last = s->states + (s->ode->time_count - 1) * s->state_bytes + lane * s->row_bytes;
  return s->kernels->all_finite(last, (ptrdiff_t)s->ode->dim);
}

void nk_back_refill(nk_back *b) {
  const nk_solve *s = b->s;
  while (b->active < b->capacity && b->next < b->end) {
    const int64_t lane = b->next++;
    if (!nk_is_whole(s, lane)) {
      memset(s->lambda + lane * s->row_bytes, 0, (size_t)s->row_bytes);
      const nk_slot none = nk_slot_start(s, lane);
      nk_lane_report(s, &none, 0, 0);
      continue;
    }
    const int64_t r = b->active++;
    b->slots[r] = nk_slot_start(s, lane);
    if (s->next_steps) b->slots[r].h = fmax(s->next_steps[lane], s->controller->min_step);
    nk_paces_enter(&b->paces, s, &b->slots[r], r);
    b->paces.save[r] = (double)NAN; // every save time is the end of a stretch of its own
    memset(nk_row(b->s, b->rows[NK_BACK_LAMBDA], r), 0, (size_t)s->row_bytes);
    nk_rows_load_captures(s, lane, b->captures, r);
    for (int32_t c = 0; c < s->ode->capture_count; c++) {
      const int64_t bytes = nk_capture_bytes(s, c);
      if (b->sums[c]) memset(b->sums[c] + r * bytes, 0, (size_t)bytes);
    }
    nk_back_enter(b, r, s->ode->time_count - 1);
  }
}

void nk_back_exchange_rows(nk_back *b, int64_t r, int64_t q) {
  const nk_solve *s = b->s;
  if (r == q) return;
  const nk_slot slot = b->slots[r];
  b->slots[r] = b->slots[q];
  b->slots[q] = slot;
  nk_paces_exchange(&b->paces, r, q);
  nk_exchange(nk_row(b->s, b->h, r), nk_row(b->s, b->h, q), s->row_bytes);
  for (int32_t i = 0; i < b->row_arrays; i++) nk_exchange(nk_row(b->s, b->rows[i], r), nk_row(b->s, b->rows[i], q), s->row_bytes);
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!b->captures[c]) continue;
    const int64_t bytes = nk_capture_bytes(s, c);
    nk_exchange(b->captures[c] + r * bytes, b->captures[c] + q * bytes, bytes);
    nk_exchange(b->sums[c] + r * bytes, b->sums[c] + q * bytes, bytes);
  }
}

void nk_back_leave(nk_back *b, int64_t r, nk_status status) {
  const nk_solve *s = b->s;
  nk_slot *slot = &b->slots[r];
  nk_paces_leave(&b->paces, slot, r);
  slot->status = (int32_t)status;
  memcpy(s->lambda + slot->lane * s->row_bytes, nk_row(b->s, b->rows[NK_BACK_LAMBDA], r), (size_t)s->row_bytes);
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!b->sums[c] || s->ode->ct_captures[c] < 0) continue;
    const int64_t bytes = nk_capture_bytes(s, c);
    memcpy(nk_frame_address(s->frame, s->ode->ct_captures[c]) + slot->lane * bytes, b->sums[c] + r * bytes,
           (size_t)bytes);
  }
  nk_lane_report(s, slot, 0, 0);
  if (status != NK_SUCCESS) {
    const nk_march place = {.solve = s, .group = b->group, .slots = b->slots};
    nk_lane_failed(&place, r, -1);
  }
  nk_back_exchange_rows(b, r, --b->active);
}
