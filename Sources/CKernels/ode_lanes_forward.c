// Solves with a step size for every lane: memory, tape, statistics, and the way forward.
#include <math.h>
#include <string.h>
#include "nk_lanes.h"
#include "nk_phases.h"

// --- Memory ------------------------------------------------------------------------------------------------------
int64_t nk_lanes_plan(nk_solve *s, nk_bump *bump) {
  const nk_ode *ode = s->ode;
  const int gradient = s->op == NK_OP_ODE_GRADIENT, exact = ode->sensitivity == NK_SENSITIVITY_EXACT;
  int64_t blocks = nk_field_plan(&s->field, ode->field, ode->lanes, s->threads, bump);
  if (gradient && exact) {
    blocks = nk_min(blocks, nk_field_plan(&s->forward, ode->field_forward, ode->lanes, s->threads, bump));
    blocks = nk_min(blocks, nk_field_plan(&s->backward, ode->field_backward, ode->lanes, s->threads, bump));
  } else if (gradient) {
    blocks = nk_min(blocks, nk_field_plan(&s->vjp, ode->field_vjp, ode->lanes, s->threads, bump));
    blocks = nk_min(blocks, nk_field_plan(&s->adjoint, ode->field_adjoint, ode->lanes, s->threads, bump));
  }
  // Enough groups for any number of threads, and enough rows in each for the kernels; both follow from the number
  // of lanes alone, for sums over lanes are made group by group.
  // Stages, states and slots of the rows should stay in the first-level cache where rows are short: 256 of them are
  // enough to pay for the calls.
  const int64_t in_cache = nk_max(256, (64 << 10) / nk_max(1, s->row_bytes * (ode->tableau->stages + 5)));
  blocks = nk_min(nk_min(blocks, ode->lanes), in_cache);
  s->block_lanes = nk_max(1, nk_min(blocks, nk_max(32, nk_block_count(ode->lanes, 16))));
  s->blocks = nk_block_count(ode->lanes, s->block_lanes);
  s->groups = nk_min(s->blocks, 64);
  if (gradient) s->groups = nk_max(1, nk_min(s->blocks, (exact ? &s->backward : &s->vjp)->body->groups));
  nk_columns columns;
  nk_columns *const kept = nk_take(bump, (int64_t)sizeof columns);
  s->columns = nk_columns_of(&columns, ode) ? &columns : NULL;
  nk_march march;
  s->scratch_stride = !gradient ? nk_march_plan(&march, s, s->block_lanes, 0)
                      : exact   ? nk_lanes_exact_scratch(s)
                                : nk_lanes_backsolve_scratch(s);
  if (s->columns) s->columns = bump->base ? memcpy(kept, &columns, sizeof columns) : NULL;
  s->scratch = nk_take(bump, s->threads * s->scratch_stride);
  s->notes = nk_take(bump, s->groups * (int64_t)sizeof(nk_note));
  if (gradient && !exact) s->lambda = nk_take(bump, s->state_bytes);
  return bump->used;
}

// --- Tape --------------------------------------------------------------------------------------------------------
int64_t nk_lane_tape_capacity(const nk_ode *ode) {
  return nk_max(1, nk_min(ode->checkpoints, nk_most_steps(ode)));
}

int64_t nk_lane_tape_longest(const nk_ode *ode) {
  const int64_t capacity = nk_lane_tape_capacity(ode), steps = nk_most_steps(ode);
  const int64_t least = steps / capacity + (steps % capacity != 0);
  int64_t stride = 1;
  while (stride < least) stride *= 2;
  return stride;
}

int64_t nk_lane_tape_bytes(const nk_ode *ode) {
  const int64_t capacity = nk_lane_tape_capacity(ode);
  const int64_t states = nk_size_product(capacity, ode->dim * nk_dtype_bytes(ode->dtype));
  const int64_t kept = nk_size_product(capacity, sizeof(nk_kept));
  return 2 * (int64_t)sizeof(int64_t) + kept + ((states + 7) & ~(int64_t)7);
}

nk_lane_tape nk_lane_tape_of(const nk_solve *s, int64_t lane) {
  nk_lane_tape tape;
  char *base = s->lane_tape + lane * nk_lane_tape_bytes(s->ode);
  tape.header = (int64_t *)base;
  tape.kept = (nk_kept *)(base + 2 * sizeof(int64_t));
  tape.states = (char *)(tape.kept + nk_lane_tape_capacity(s->ode));
  return tape;
}

void nk_lane_tape_record(const nk_solve *s, const nk_slot *slot, const char *y) {
  nk_lane_tape tape = nk_lane_tape_of(s, slot->lane);
  const int64_t n = slot->accepted, capacity = nk_lane_tape_capacity(s->ode);
  if (n == 0) tape.header[NK_TAPE_STRIDE] = 1;
  int64_t stride = tape.header[NK_TAPE_STRIDE];
  tape.header[NK_TAPE_STEPS] = n + 1;
  if (n % stride != 0) return;
  if (n / stride >= capacity) {
    for (int64_t j = 1; 2 * j < capacity; j++) {
      tape.kept[j] = tape.kept[2 * j];
      memcpy(tape.states + j * s->row_bytes, tape.states + 2 * j * s->row_bytes, (size_t)s->row_bytes);
    }
    tape.header[NK_TAPE_STRIDE] = stride *= 2;
    if (n % stride != 0 || n / stride >= capacity) return;
  }
  tape.kept[n / stride] = (nk_kept){slot->t, slot->t1, slot->log_before, slot->after_rejection};
  memcpy(tape.states + n / stride * s->row_bytes, y, (size_t)s->row_bytes);
}

// --- Statistics --------------------------------------------------------------------------------------------------
void nk_lane_report(const nk_solve *s, const nk_slot *slot, int64_t checkpoints, int64_t recomputed) {
  if (!s->statistics) return;
  double *row = s->statistics + (1 + slot->lane) * NK_ODE_STATISTICS;
  row[NK_STAT_STATUS] = slot->status;
  row[NK_STAT_EVALUATIONS] = (double)slot->evaluations;
  row[NK_STAT_ACCEPTED] = (double)slot->accepted;
  row[NK_STAT_REJECTED] = (double)slot->rejected;
  row[NK_STAT_LAST_STEP] = slot->last_h;
  row[NK_STAT_CHECKPOINTS] = (double)checkpoints;
  row[NK_STAT_RECOMPUTED] = (double)recomputed;
  row[NK_STAT_REACHED] = slot->t;
}

void nk_lane_failed(const nk_march *m, int64_t row, int64_t component) {
  const nk_slot *slot = &m->slots[row];
  nk_note *note = &m->solve->notes[m->group];
  if (note->status != NK_SUCCESS && note->step <= slot->lane) return;
  *note = (nk_note){.status = slot->status, .step = slot->lane, .evaluations = component};
  note->sum[0] = slot->t;
  note->sum[1] = slot->last_h;
  note->sum[2] = (double)(slot->accepted + slot->rejected);
  note->sum[3] = (double)slot->rejected;
  note->error = sqrt(slot->last_error);
}

// Sums, and the first lane that failed: its status, and the diagnosis.
nk_status nk_lanes_total(const nk_solve *s) {
  nk_status status = NK_SUCCESS;
  int64_t lane = 0;
  for (int64_t g = s->groups - 1; g >= 0; g--) {
    const nk_note *note = &s->notes[g];
    if (note->status == NK_SUCCESS || (status != NK_SUCCESS && note->step > lane)) continue;
    status = (nk_status)note->status;
    lane = note->step;
    const nk_pace pace = {.accepted = (int64_t)(note->sum[2] - note->sum[3]),
                          .rejected = (int64_t)note->sum[3],
                          .last_h = note->sum[1],
                          .last_error = note->error};
    if (!s->controller->tolerant || s->op != NK_OP_ODE)
      nk_diagnose(s, status, &pace, note->sum[0], lane, note->evaluations);
  }
  double *rows = s->statistics;
  if (rows) {
    memcpy(rows, rows + (1 + lane) * NK_ODE_STATISTICS, NK_ODE_STATISTICS * sizeof(double));
    static const int summed[] = {NK_STAT_EVALUATIONS, NK_STAT_ACCEPTED, NK_STAT_REJECTED, NK_STAT_CHECKPOINTS,
                                 NK_STAT_RECOMPUTED};
    for (int i = 0; i < (int)(sizeof summed / sizeof *summed); i++) {
      double total = 0;
      for (int64_t l = 0; l < s->ode->lanes; l++) total += rows[(1 + l) * NK_ODE_STATISTICS + summed[i]];
      rows[summed[i]] = total;
    }
    rows[NK_STAT_STATUS] = status;
  }
  return s->controller->tolerant && s->op == NK_OP_ODE ? NK_SUCCESS : status;
}

// --- Forward -----------------------------------------------------------------------------------------------------
typedef struct source {
  int64_t next, end;
} source;

static int load(nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  source *from = m->context;
  if (from->next == from->end) return 0;
  const int64_t lane = from->next++;
  const size_t bytes = (size_t)s->row_bytes;
  const char *y0 = s->y0 + lane * s->row_bytes;
  m->slots[row] = nk_slot_start(s, lane);
  nk_march_put(m, m->y, row, y0);
  memcpy(s->states + lane * s->row_bytes, y0, bytes);
  nk_march_load_captures(m, lane, row);
  if (s->lane_tape) {
    int64_t *header = nk_lane_tape_of(s, lane).header;
    header[NK_TAPE_STEPS] = 0;
    header[NK_TAPE_STRIDE] = 1;
  }
  return 1;
}

static void keep(nk_march *m, int64_t row) {
  nk_lane_tape_record(m->solve, &m->slots[row], nk_march_row(m, m->y, row, 0));
}

// The component that is not finite, or that has the largest share of the last attempt's error.
static int64_t worst_component(const nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  const nk_slot *slot = &m->slots[row];
  const int tried = slot->accepted + slot->rejected > 0;
  double largest = -1, weights[NK_MAX_STAGES];
  int64_t worst = -1;
  for (int32_t i = 0; i < s->tableau->step_stages; i++) weights[i] = slot->last_h * s->tableau->b_error[i];
  for (int64_t j = 0; j < s->ode->dim; j++) {
    const char *y = nk_march_at(m, m->y, row, j), *y1 = nk_march_at(m, m->y1, row, j);
    if (!tried || slot->rejected == 0) {
      const char *x = tried ? y1 : slot->status == NK_NON_FINITE_FIELD ? nk_march_at(m, m->k[0], row, j) : y;
      if (!s->kernels->all_finite(x, 1)) return j;
      continue;
    }
    const void *k[NK_MAX_STAGES];
    for (int32_t i = 0; i < s->tableau->step_stages; i++) k[i] = nk_march_at(m, m->k[i], row, j);
    const double share = s->kernels->error_norm2(y, y1, weights, k, s->tableau->step_stages,
                                                 s->controller->atol, s->controller->rtol, 1);
    if (!isfinite(share) || !s->kernels->all_finite(y1, 1)) return j;
    if (share > largest) {
      largest = share;
      worst = j;
    }
  }
  return worst;
}

static void finish(nk_march *m, int64_t row) {
  const nk_solve *s = m->solve;
  nk_slot *slot = &m->slots[row];
  int64_t kept = 0;
  if (s->lane_tape) {
    const nk_lane_tape tape = nk_lane_tape_of(s, slot->lane);
    kept = nk_block_count(tape.header[NK_TAPE_STEPS], tape.header[NK_TAPE_STRIDE]);
    if (slot->status != NK_SUCCESS) tape.header[NK_TAPE_STEPS] = -1;
  }
  nk_lane_report(s, slot, kept, 0);
  if (s->next_steps) s->next_steps[slot->lane] = slot->h;
  if (slot->status == NK_SUCCESS) return;
  for (; slot->cursor < s->ode->time_count; slot->cursor++) {
    char *to = s->states + slot->cursor * s->state_bytes + slot->lane * s->row_bytes;
    if (s->controller->tolerant) // nobody may take it for a result
      s->kernels->fill(to, (double)NAN, (ptrdiff_t)s->ode->dim);
    else
      nk_march_get(m, m->y, row, to);
  }
  nk_lane_failed(m, row, worst_component(m, row));
}

static void forward_group(void *context, int64_t group, int32_t worker) {
  const nk_solve *s = context;
  nk_march march;
  nk_march_plan(&march, s, s->block_lanes, (uintptr_t)(s->scratch + worker * s->scratch_stride));
  source from = {nk_group_lane(s, group), nk_group_lane(s, group + 1)};
  march.context = &from;
  march.worker = worker;
  march.group = group;
  march.load = load;
  march.keep = s->lane_tape ? keep : NULL;
  march.finish = finish;
  s->notes[group] = (nk_note){0};
  nk_march_run(&march);
}

nk_status nk_lanes_forward(nk_solve *s) {
  const nk_status status = nk_field_prepare(s, &s->field);
  if (status != NK_SUCCESS) return status;
  if (s->ode->time_count == 1) {
    memcpy(s->states, s->y0, (size_t)s->state_bytes);
    for (int64_t lane = 0; lane < s->ode->lanes; lane++) {
      const nk_slot slot = nk_slot_start(s, lane);
      nk_lane_report(s, &slot, 0, 0);
      if (s->lane_tape) nk_lane_tape_of(s, lane).header[NK_TAPE_STEPS] = 0;
    }
    for (int64_t g = 0; g < s->groups; g++) s->notes[g] = (nk_note){0};
    return nk_lanes_total(s);
  }
  nk_solve_run(s, s->groups, forward_group, s, NK_PHASE_CONTROL);
  const nk_status end = nk_lanes_total(s);
  if (end != NK_SUCCESS) nk_lanes_explain(s, forward_group);
  return end;
}
