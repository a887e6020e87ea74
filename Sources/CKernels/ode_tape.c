// The tape of a solve: when its steps began, and some of the states they began from.
#include <string.h>
#include "nk_lanes.h"

int64_t nk_most_steps(const nk_ode *ode) {
  const nk_controller *c = &ode->controller;
  if (!c->adaptive && c->steps_per_interval > 0)
    return nk_size_product(c->steps_per_interval, nk_max(ode->time_count - 1, 1));
  return nk_min(nk_max(c->max_steps, 1), NK_UNAFFORDABLE);
}

// How many steps' stages there is room for.
static void plan_stages(nk_tape *tape, const nk_ode *ode) {
  tape->kept_capacity = 0;
  if (!ode->field_forward || ode->residual_budget <= 0) return;
  const int64_t block = nk_min(nk_field_block_lanes(ode->field, ode->lanes),
                               nk_field_block_lanes(ode->field_forward, ode->lanes));
  tape->block_lanes = nk_max(1, nk_min(block, ode->lanes));
  tape->slope_bytes = nk_align(ode->lanes * ode->dim * nk_dtype_bytes(ode->dtype));
  tape->residual_stride = nk_align(ode->field_forward->residual_bytes);
  tape->stage_stride = tape->slope_bytes + nk_block_count(ode->lanes, tape->block_lanes) * tape->residual_stride;
  const int64_t affordable = ode->residual_budget / (ode->tableau->stages * tape->stage_stride);
  tape->kept_capacity = nk_min(nk_min(tape->steps_capacity, ode->residual_most), affordable);
  if (tape->kept_capacity < ode->residual_least) tape->kept_capacity = 0;
}

int64_t nk_tape_plan(nk_tape *tape, const nk_ode *ode, void *base) {
  nk_bump bump = {.base = (uintptr_t)base};
  *tape = (nk_tape){0};
  tape->steps_capacity = nk_most_steps(ode);
  tape->capacity = nk_max(1, nk_min(ode->checkpoints, tape->steps_capacity));
  tape->header = nk_take(&bump, NK_TAPE_HEADER * (int64_t)sizeof(int64_t));
  tape->t = nk_take(&bump, (tape->steps_capacity + 1) * (int64_t)sizeof(double));
  tape->states = nk_take(&bump, nk_size_product(tape->capacity, ode->lanes * ode->dim * nk_dtype_bytes(ode->dtype)));
  plan_stages(tape, ode);
  tape->stages = nk_take(&bump, nk_size_product(tape->kept_capacity, ode->tableau->stages * tape->stage_stride));
  return bump.used;
}

int64_t nk_ode_tape_bytes(const nk_ode *ode) {
  if (ode->sensitivity == NK_SENSITIVITY_BACKSOLVE)
    return nk_size_product(ode->controller.per_lane ? ode->lanes : 1, sizeof(double));
  if (ode->controller.per_lane) return nk_size_product(ode->lanes, nk_lane_tape_bytes(ode));
  nk_tape tape;
  return nk_tape_plan(&tape, ode, NULL);
}

static int64_t stride_for(const nk_tape *tape, int64_t steps) {
  int64_t stride = 1;
  const int64_t least = steps / tape->capacity + (steps % tape->capacity != 0);
  while (stride < least) stride *= 2;
  return stride;
}

int64_t nk_tape_longest_segment(const nk_tape *tape) {
  return stride_for(tape, tape->steps_capacity);
}

void nk_tape_start(nk_tape *tape, int64_t steps) {
  tape->header[NK_TAPE_STEPS] = steps;
  tape->header[NK_TAPE_STRIDE] = stride_for(tape, steps);
  tape->header[NK_TAPE_KEPT] = nk_min(steps, tape->kept_capacity);
  tape->header[NK_TAPE_BLOCK_LANES] = tape->block_lanes;
}

void nk_tape_record(nk_tape *tape, int64_t n, double t, const char *y, int64_t state_bytes) {
  int64_t stride = tape->header[NK_TAPE_STRIDE];
  tape->header[NK_TAPE_STEPS] = n + 1;
  tape->header[NK_TAPE_KEPT] = nk_min(n + 1, tape->kept_capacity);
  tape->t[n] = t;
  if (n % stride != 0) return;
  if (n / stride >= tape->capacity) {
    for (int64_t j = 1; 2 * j < tape->capacity; j++)
      memcpy(tape->states + j * state_bytes, tape->states + 2 * j * state_bytes, (size_t)state_bytes);
    tape->header[NK_TAPE_STRIDE] = stride *= 2;
    if (n % stride != 0 || n / stride >= tape->capacity) return;
  }
  memcpy(tape->states + n / stride * state_bytes, y, (size_t)state_bytes);
}
