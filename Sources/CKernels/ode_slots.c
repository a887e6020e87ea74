// What a lane with its own steps is made of: its captures' rows, its controller.
#include <math.h>
#include <string.h>
#include "nk_lanes.h"
#pragma STDC FP_CONTRACT OFF

int64_t nk_capture_bytes(const nk_solve *s, int32_t capture) {
  // Eight bytes where the dtype is not known yet: while the workspace is planned.
  if (!s->frame) return s->ode->capture_elements[capture] * 8;
  return s->ode->capture_elements[capture] *
         nk_dtype_bytes(s->frame->program->buffers[s->ode->captures[capture]].dtype);
}

void nk_rows_load_captures(const nk_solve *s, int64_t lane, char *const *captures, int64_t row) {
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!captures[c]) continue;
    const int64_t bytes = nk_capture_bytes(s, c);
    memcpy(captures[c] + row * bytes, nk_frame_address(s->frame, s->ode->captures[c]) + lane * bytes, (size_t)bytes);
  }
}

char **nk_rows_plan_captures(const nk_solve *s, int64_t capacity, nk_bump *bump) {
  char **captures = nk_take(bump, nk_max(1, s->ode->capture_count) * (int64_t)sizeof(char *));
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    const int has_lanes = s->ode->capture_has_lanes[c];
    char *rows = has_lanes ? nk_take(bump, capacity * s->ode->capture_elements[c] * 8) : NULL;
    if (bump->base) captures[c] = rows;
  }
  return captures;
}

nk_slot nk_slot_start(const nk_solve *s, int64_t lane) {
  const double *times = nk_lane_times(s, lane);
  return (nk_slot){.lane = lane,
                   .t = times[0],
                   .t1 = times[0],
                   .h = s->controller->first_step,
                   .end = times[s->ode->time_count - 1],
                   .until = INT64_MAX,
                   .planned = (double)NAN,
                   .cursor = 1};
}

// --- Step sizes --------------------------------------------------------------------------------------------------
nk_paces nk_paces_plan(int64_t capacity, nk_bump *bump) {
  nk_paces paces;
  for (int i = 0; i < NK_PACE_ARRAYS; i++) {
    void *const array = nk_take(bump, capacity * (int64_t)sizeof(double));
    memcpy((char *)&paces + (size_t)i * sizeof array, &array, sizeof array);
  }
  return paces;
}

nk_pace_rule nk_pace_rule_of(const nk_solve *s) {
  const nk_controller *c = s->controller;
  const double order = s->tableau->embedded_order + 1;
  return (nk_pace_rule){.adaptive = c->adaptive,
                        .max_steps = c->max_steps,
                        .min_step = c->min_step,
                        .max_step = c->max_step > 0 ? c->max_step : (double)INFINITY,
                        .min_factor = c->min_factor,
                        .max_factor = c->max_factor,
                        .safety = c->adaptive ? log(c->safety) : 0,
                        .gain = -0.5 * (c->i + c->p) / order,
                        .gain_before = c->p / order};
}

void nk_paces_enter(const nk_paces *p, const nk_solve *s, const nk_slot *slot, int64_t row) {
  p->t[row] = slot->t;
  p->t1[row] = slot->t1;
  p->end[row] = slot->end;
  p->save[row] = slot->cursor < s->ode->time_count ? nk_lane_times(s, slot->lane)[slot->cursor] : (double)NAN;
  p->h[row] = slot->h;
  p->proposed[row] = slot->h;
  p->last_h[row] = slot->last_h;
  p->planned[row] = slot->planned;
  p->error[row] = p->logarithm[row] = p->factor[row] = 0;
  p->last_error[row] = slot->last_error;
  p->log_before[row] = slot->log_before;
  p->accepted[row] = slot->accepted;
  p->rejected[row] = slot->rejected;
  p->until[row] = slot->until;
  p->after_rejection[row] = slot->after_rejection;
  p->non_finite[row] = 0;
  p->verdict[row] = 0;
}

void nk_paces_leave(const nk_paces *p, nk_slot *slot, int64_t row) {
  slot->t = p->t[row];
  slot->t1 = p->t1[row];
  slot->h = p->h[row];
  slot->last_h = p->last_h[row];
  slot->last_error = p->last_error[row];
  slot->log_before = p->log_before[row];
  slot->accepted = p->accepted[row];
  slot->rejected = p->rejected[row];
  slot->after_rejection = (int32_t)p->after_rejection[row];
}

// The arrays as one list; all are of eight-byte numbers.
static char *array_of(const nk_paces *p, int i) {
  char *array;
  memcpy(&array, (const char *)p + (size_t)i * sizeof array, sizeof array);
  return array;
}

void nk_paces_move(const nk_paces *p, int64_t from, int64_t to) {
  for (int i = 0; i < NK_PACE_ARRAYS; i++) {
    char *array = array_of(p, i);
    memcpy(array + to * 8, array + from * 8, 8);
  }
}

void nk_paces_exchange(const nk_paces *p, int64_t r, int64_t q) {
  for (int i = 0; i < NK_PACE_ARRAYS; i++) {
    char *array = array_of(p, i);
    nk_exchange(array + r * 8, array + q * 8, 8);
  }
}
