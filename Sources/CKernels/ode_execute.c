// The solver instructions of a program: operands, workspace, statistics, diagnosis.
#include <string.h>
#include "nk_lanes.h"
#include "nk_phases.h"

// The scratch of one worker; with base 0 only its size is of use.
nk_scratch nk_solve_scratch(const nk_solve *s, int32_t worker, uintptr_t base, int64_t *bytes) {
  nk_bump bump = {.base = base + (uintptr_t)(worker * s->scratch_stride)};
  nk_scratch scratch = {0};
  const int64_t block = s->block_lanes * s->row_bytes;
  const int gradient = s->op == NK_OP_ODE_GRADIENT;
  const int exact = gradient && s->ode->sensitivity == NK_SENSITIVITY_EXACT;
  for (int32_t i = 0; i < s->tableau->stages; i++) {
    scratch.k[i] = nk_take(&bump, block);
    if (gradient) scratch.slope[i] = nk_take(&bump, block);
  }
  scratch.input = nk_take(&bump, block);
  for (int i = 0; i < 2; i++) {
    scratch.y[i] = nk_take(&bump, block);
    if (gradient) scratch.lambda[i] = nk_take(&bump, block);
  }
  if (gradient) {
    scratch.input2 = nk_take(&bump, block);
    scratch.kbar = nk_take(&bump, block);
    scratch.lane_ct = nk_take(&bump, s->lane_ct_bytes);
  }
  if (exact) {
    scratch.base = nk_take(&bump, s->base_states * block);
    scratch.levels = nk_take(&bump, s->level_states * block);
    scratch.residual = nk_take(&bump, s->tableau->stages * s->residual_stride);
  }
  *bytes = bump.used;
  return scratch;
}

// Cotangents of the lane captures: of one block, and of all lanes.
static int64_t lane_capture_bytes(const nk_ode *ode, int64_t lanes) {
  int64_t bytes = 0;
  for (int32_t c = 0; c < ode->capture_count; c++) // eight bytes: the dtype is not known before the run
    if (ode->capture_has_lanes[c]) bytes += nk_align(lanes * ode->capture_elements[c] * 8);
  return bytes;
}

static int64_t field_groups(const nk_solve *s, const nk_field *field) {
  return nk_max(1, nk_min(field->body->groups, s->blocks));
}

int64_t nk_solve_plan(nk_solve *s, const nk_ode *ode, nk_opcode op, int32_t threads, char *base) {
  nk_bump bump = {.base = (uintptr_t)base};
  const int gradient = op == NK_OP_ODE_GRADIENT, exact = ode->sensitivity == NK_SENSITIVITY_EXACT;
  const int adaptive = ode->controller.adaptive;
  *s = (nk_solve){.ode = ode,
                  .tableau = ode->tableau,
                  .controller = &ode->controller,
                  .kernels = nk_kernels_get(ode->dtype),
                  .op = op,
                  .threads = threads,
                  .size = nk_dtype_bytes(ode->dtype)};
  s->row_bytes = ode->dim * s->size;
  s->state_bytes = ode->lanes * s->row_bytes;
  if (ode->controller.per_lane) return nk_lanes_plan(s, &bump);
  s->block_lanes = nk_field_plan(&s->field, ode->field, ode->lanes, threads, &bump);
  nk_tape_plan(&s->tape, ode, NULL);
  if (!gradient && s->tape.kept_capacity > 0)
    s->block_lanes =
        nk_min(s->block_lanes, nk_field_plan(&s->forward, ode->field_forward, ode->lanes, threads, &bump));
  if (gradient && exact) {
    s->block_lanes =
        nk_min(s->block_lanes, nk_field_plan(&s->forward, ode->field_forward, ode->lanes, threads, &bump));
    s->block_lanes =
        nk_min(s->block_lanes, nk_field_plan(&s->backward, ode->field_backward, ode->lanes, threads, &bump));
  } else if (gradient) {
    s->block_lanes =
        nk_min(s->block_lanes, nk_field_plan(&s->vjp, ode->field_vjp, ode->lanes, threads, &bump));
    s->block_lanes =
        nk_min(s->block_lanes, nk_field_plan(&s->adjoint, ode->field_adjoint, ode->lanes, threads, &bump));
  }
  s->block_lanes = nk_max(1, nk_min(s->block_lanes, ode->lanes));
  s->blocks = nk_block_count(ode->lanes, s->block_lanes);
  s->groups = gradient ? field_groups(s, exact ? &s->backward : &s->vjp) : s->blocks;
  if (gradient && exact) {
    const int64_t segment = nk_tape_longest_segment(&s->tape);
    s->base_states = segment > 1 ? nk_max(1, nk_min(nk_min(s->tape.capacity, 16), segment - 1)) : 0;
    for (int64_t n = segment; n > s->base_states + 1; n = (n + 1) / 2) s->level_states++;
    s->residual_stride = s->forward.run.layout.residual_stride;
    s->time_partials = nk_take(&bump, s->groups * ode->time_count * (int64_t)sizeof(double));
  }
  s->lane_ct_bytes = gradient ? lane_capture_bytes(ode, s->block_lanes) : 0;
  nk_solve_scratch(s, 0, 0, &s->scratch_stride);
  s->scratch = nk_take(&bump, threads * s->scratch_stride);
  s->notes = nk_take(&bump, nk_max(s->blocks, s->groups) * (int64_t)sizeof(nk_note));
  // y1 is also where a failed block of fixed steps leaves what it could not reach.
  if (!gradient || (adaptive && !exact)) s->y1 = nk_take(&bump, s->state_bytes);
  if (adaptive && (!gradient || !exact)) {
    s->y = nk_take(&bump, s->state_bytes);
    s->k0 = nk_take(&bump, s->state_bytes);
    s->k_last = nk_take(&bump, s->state_bytes);
  }
  if (gradient && !exact) {
    s->lambda = nk_take(&bump, s->state_bytes);
    s->lambda1 = nk_take(&bump, s->state_bytes);
  }
  if (gradient && !exact && adaptive) {
    const int64_t acc = s->groups * s->vjp.run.layout.acc_stride, lane = lane_capture_bytes(ode, ode->lanes);
    char **const sums[] = {&s->committed, &s->first_acc, &s->last_acc};
    for (int i = 0; i < 3; i++) *sums[i] = nk_take(&bump, acc);
    char **const lanes[] = {&s->lane_tentative, &s->lane_first, &s->lane_last};
    for (int i = 0; i < 3; i++) *lanes[i] = nk_take(&bump, lane);
    s->l0 = nk_take(&bump, s->state_bytes);
    s->l_last = nk_take(&bump, s->state_bytes);
  }
  return bump.used;
}

int64_t nk_ode_workspace_bytes(const nk_ode *ode, nk_opcode op, int32_t threads) {
  nk_solve solve;
  return nk_solve_plan(&solve, ode, op, threads, NULL);
}

nk_block nk_solve_block(const nk_solve *s, int64_t index, int32_t worker) {
  int64_t bytes;
  const int64_t lane0 = nk_block_first(index, s->ode->lanes, s->block_lanes);
  const int64_t lanes = nk_block_first(index + 1, s->ode->lanes, s->block_lanes) - lane0;
  return (nk_block){.solve = s,
                    .scratch = nk_solve_scratch(s, worker, (uintptr_t)s->scratch, &bytes),
                    .worker = worker,
                    .index = index,
                    .lane0 = lane0,
                    .lanes = lanes,
                    .elements = lanes * s->ode->dim,
                    .offset = lane0 * s->row_bytes};
}

void nk_report(const nk_solve *s, nk_status status, const nk_pace *pace, double reached, int64_t checkpoints,
               int64_t recomputed) {
  double *row = s->statistics;
  if (!row) return;
  row[NK_STAT_STATUS] = status;
  row[NK_STAT_EVALUATIONS] = (double)pace->evaluations;
  row[NK_STAT_ACCEPTED] = (double)pace->accepted;
  row[NK_STAT_REJECTED] = (double)pace->rejected;
  row[NK_STAT_LAST_STEP] = pace->last_h;
  row[NK_STAT_CHECKPOINTS] = (double)checkpoints;
  row[NK_STAT_RECOMPUTED] = (double)recomputed;
  row[NK_STAT_REACHED] = reached;
}

void nk_diagnose(const nk_solve *s, nk_status status, const nk_pace *pace, double t, int64_t lane,
                 int64_t component) {
  nk_diagnosis *d = s->frame->diagnosis;
  if (!d) return;
  d->status = status;
  d->lane = lane;
  d->component = component;
  d->t = t;
  d->h = pace->last_h;
  d->steps = pace->accepted + pace->rejected; // tried, as its readers print it
  d->rejected = pace->rejected;
  d->error_ratio = pace->last_error;
}

static void *operand(const nk_frame *frame, int32_t buffer) {
  return buffer < 0 ? NULL : nk_frame_address(frame, buffer);
}

static int valid(const nk_ode *ode, nk_opcode op) {
  const nk_tableau *m = ode->tableau;
  const nk_controller *c = &ode->controller;
  if (m->stages < 1 || m->stages > NK_MAX_STAGES || m->step_stages < 1 || m->step_stages > m->stages)
    return 0;
  if (m->dense_degree < 1 || m->dense_degree > NK_MAX_DENSE_DEGREE || ode->time_count < 1 || !ode->field)
    return 0;
  if (c->adaptive && m->embedded_order < 1) return 0;
  if (!c->adaptive && c->steps_per_interval <= 0 && !(c->step > 0)) return 0;
  if (op == NK_OP_ODE) return 1;
  return ode->sensitivity == NK_SENSITIVITY_EXACT
             ? ode->field_forward && ode->field_backward && ode->tape >= 0
             : ode->field_vjp && ode->field_adjoint && (ode->tape >= 0 || !c->adaptive);
}

// Strictly monotone and finite.
static int ordered(const double *times, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    if (times[i] - times[i] != 0) return 0;
    if (i > 0 && !(times[count - 1] > times[0] ? times[i] > times[i - 1] : times[i] < times[i - 1])) return 0;
  }
  return 1;
}

// Of one row of times for all lanes, or of a row for every lane: which time is the first that does not go on from
// those before it, if any.
static nk_status check_times(const nk_solve *s) {
  const int32_t count = s->ode->time_count;
  const int64_t rows = s->controller->per_lane ? s->ode->lanes : 1;
  for (int64_t row = 0; row < rows; row++) {
    const double *times = s->times + row * count;
    if (ordered(times, count)) continue;
    int32_t at = 0;
    while (at + 1 < count && ordered(times, at + 1)) at++;
    nk_diagnosis *d = s->frame->diagnosis;
    if (d) {
      d->component = at;
      d->t = times[at];
      if (s->controller->per_lane) d->lane = row;
    }
    return NK_TIMES_NOT_MONOTONE;
  }
  return NK_SUCCESS;
}

static nk_status run_kind(nk_solve *s) {
  const nk_ode *ode = s->ode;
  const int exact = ode->sensitivity == NK_SENSITIVITY_EXACT;
  if (ode->controller.per_lane) {
    if (s->op == NK_OP_ODE) return nk_lanes_forward(s);
    return exact ? nk_lanes_exact(s) : nk_lanes_backsolve(s);
  }
  if (s->op == NK_OP_ODE) return nk_forward_solve(s);
  return exact ? nk_exact_gradient(s) : nk_backsolve_gradient(s);
}

static nk_status run(nk_solve *s) {
  nk_phase_mark(s, s->frame->worker, NK_PHASE_CONTROL, 0);
  const nk_status status = run_kind(s);
  if (s->profile) nk_phase_leave(s, s->frame->worker);
  return status;
}

nk_status nk_ode_execute(const nk_instr *instr, const nk_frame *frame, char *workspace) {
  const nk_ode *ode = instr->u.ode;
  const int gradient = instr->op == NK_OP_ODE_GRADIENT;
  if (!valid(ode, instr->op)) return NK_INVALID_ARGUMENT;
  nk_solve s;
  nk_solve_plan(&s, ode, instr->op, nk_pool_threads(frame->pool), workspace);
  s.frame = frame;
  s.profile = nk_profile_of(frame);
  s.number = frame->program->number + (instr - frame->program->instrs);
  s.y0 = operand(frame, ode->y0);
  s.times = operand(frame, ode->times);
  s.states = operand(frame, ode->states);
  s.statistics = operand(frame, gradient ? ode->gradient_statistics : ode->statistics);
  const int has_tape = ode->tape >= 0 && ode->sensitivity == NK_SENSITIVITY_EXACT;
  s.lane_tape = has_tape && ode->controller.per_lane ? operand(frame, ode->tape) : NULL;
  if (has_tape && !ode->controller.per_lane)
    nk_tape_plan(&s.tape, ode, operand(frame, ode->tape));
  else
    s.tape = (nk_tape){0};
  const int has_next = ode->sensitivity == NK_SENSITIVITY_BACKSOLVE && ode->controller.adaptive;
  s.next_steps = has_next ? operand(frame, ode->tape) : NULL;
  const nk_status status = check_times(&s);
  if (status != NK_SUCCESS) return status;
  if (gradient) {
    s.ct_states = operand(frame, ode->ct_states);
    s.ct_y0 = operand(frame, ode->ct_y0);
    s.ct_times = operand(frame, ode->ct_times);
  }
  return run(&s);
}
