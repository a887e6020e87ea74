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
// As nk_pace_next, for one lane.
nk_status nk_slot_next(const nk_solve *s, nk_slot *slot) {
  const nk_controller *c = s->controller;
  if (slot->accepted + slot->rejected >= c->max_steps) return NK_MAX_STEPS;
  slot->proposed = slot->h;
  if (slot->planned == slot->planned) { // the first step of a repetition is known
    slot->t1 = slot->planned;
    slot->planned = (double)NAN;
    return NK_SUCCESS;
  }
  const double left = fabs(slot->end - slot->t);
  double h = slot->h;
  if (c->max_step > 0 && h > c->max_step) h = c->max_step;
  const int last = 1.01 * h >= left && !(c->max_step > 0 && left > c->max_step);
  slot->t1 = last ? slot->end : slot->end >= slot->t ? slot->t + h : slot->t - h;
  const double step = slot->t1 - slot->t, before = fabs(slot->last_h);
  const int stuck =
      slot->after_rejection && fabs(step) >= before && before < 1e-13 * fmax(fabs(slot->t), fabs(slot->t1));
  slot->last_h = step;
  const int too_short = h < c->min_step && (!last || slot->after_rejection);
  if (step == 0 || too_short || stuck || !(h > 0))
    return slot->non_finite ? NK_NON_FINITE_FIELD : NK_STEP_UNDERFLOW;
  return NK_SUCCESS;
}

// Powers by logarithms, a vector at a time: one call of pow costs as much as a step of a small lane.
void nk_slot_factors(const nk_solve *s, const nk_slot *slots, const double *error2, double *logarithm, double *factor,
                     int64_t count) {
  const nk_controller *c = s->controller;
  if (!c->adaptive) return;
  const nk_kernels *wide = nk_kernels_get(NK_F64);
  wide->ewise[NK_LOG](logarithm, error2, NULL, NULL, (ptrdiff_t)count);
  const double order = s->tableau->embedded_order + 1, gain = -0.5 * (c->i + c->p) / order, before = c->p / order;
  const double safety = log(c->safety);
  for (int64_t r = 0; r < count; r++) factor[r] = safety + gain * logarithm[r] + before * slots[r].log_before;
  wide->ewise[NK_EXP](factor, factor, NULL, NULL, (ptrdiff_t)count);
}

// As nk_pace_judge, for one lane.
void nk_slot_judge(const nk_solve *s, nk_slot *slot, int accepted, double error2, double logarithm, double factor) {
  const nk_controller *c = s->controller;
  slot->non_finite = !isfinite(error2);
  if (c->adaptive) {
    factor = slot->non_finite ? c->min_factor : fmin(fmax(factor, c->min_factor), c->max_factor);
    if (!accepted || slot->after_rejection) factor = fmin(factor, 1);
    slot->h = fabs(slot->t1 - slot->t) * factor;
    if (!accepted) slot->last_error = error2;
    slot->after_rejection = !accepted;
    // One lucky step must not make the next one timid: errors count as 1e-4 at least.
    if (accepted) slot->log_before = fmax(0.5 * logarithm, -9.210340371976182);
  }
  slot->accepted += accepted;
  slot->rejected += !accepted;
}
