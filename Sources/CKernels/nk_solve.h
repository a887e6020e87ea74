// Private to the solvers: the parts of a solve, its memory, and what its files offer each other.
#ifndef NK_SOLVE_H
#define NK_SOLVE_H

#include "nk_failure.h"
#include "nk_internal.h"
#include "nk_ode.h"

// Hands out 64-byte aligned pieces. With a zero base it only counts, so one description gives size and
// addresses.
typedef struct nk_bump {
  uintptr_t base;
  int64_t used;
} nk_bump;
static inline void *nk_take(nk_bump *bump, int64_t bytes) {
  void *piece = (void *)(bump->base + (uintptr_t)bump->used);
  bump->used += nk_align(bytes);
  return piece;
}

// A program that the solver calls, with its memory and the captures bound.
typedef struct nk_field {
  nk_run run; // program NULL: absent
  const nk_region *body;
  char *arguments; // per worker: the argument array
  int64_t arguments_stride;
} nk_field;

// What a block reports to the thread that drives the solve.
typedef struct nk_note {
  double sum[4], error;
  int64_t step, evaluations;
  int32_t status, finite;
} nk_note;

// Accepted steps and the states kept of them: y_n for n = slot * stride. Of the first steps also the stages and what the
// field's pullback needs of their evaluations.
typedef struct nk_tape {
  int64_t *header; // see below
  double *t;       // [steps + 1]
  char *states;    // [capacity, lanes, dim]
  char *stages;    // [kept_capacity, stages]: slopes [lanes, dim], then residuals [blocks]
  int64_t capacity, steps_capacity, kept_capacity;
  int64_t block_lanes, slope_bytes, residual_stride, stage_stride;
} nk_tape;
// KEPT: steps whose stages are kept, in blocks of BLOCK_LANES.
enum { NK_TAPE_STEPS, NK_TAPE_STRIDE, NK_TAPE_KEPT, NK_TAPE_BLOCK_LANES, NK_TAPE_HEADER };
int64_t nk_most_steps(const nk_ode *ode); // that a solve can take
int64_t nk_tape_plan(nk_tape *tape, const nk_ode *ode, void *base); // bytes
void nk_tape_start(nk_tape *tape, int64_t steps);                   // steps: known before, or 0
// Appends t_n; keeps y_n where n is a multiple of the stride, doubling the stride when there is no room.
void nk_tape_record(nk_tape *tape, int64_t n, double t, const char *y, int64_t state_bytes);
int64_t nk_tape_longest_segment(const nk_tape *tape);
// Where stage i of step n is kept: its slope, of all lanes, and its residual of a block. With an FSAL method the residual of
// a first stage is that of the last stage of the step before.
static inline char *nk_tape_slope(const nk_tape *tape, const nk_tableau *m, int64_t n, int32_t i) {
  return tape->stages + (n * m->stages + i) * tape->stage_stride;
}
static inline char *nk_tape_residual(const nk_tape *tape, const nk_tableau *m, int64_t n, int32_t i, int64_t block) {
  if (m->fsal && i == 0 && n > 0) {
    i = m->step_stages - 1;
    n--;
  }
  return nk_tape_slope(tape, m, n, i) + tape->slope_bytes + block * tape->residual_stride;
}

// More than fit into an address space: sums of a few sizes made of it do not overflow, the allocation fails.
#define NK_UNAFFORDABLE ((int64_t)1 << 50)
// The product of counts and bytes, or NK_UNAFFORDABLE where it is above.
static inline int64_t nk_size_product(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) || product > NK_UNAFFORDABLE ? NK_UNAFFORDABLE : product;
}

// One worker's scratch, blocks of lanes: [block_lanes, dim] each.
typedef struct nk_scratch {
  char *k[NK_MAX_STAGES], *slope[NK_MAX_STAGES]; // stages of the state and (gradients) of the adjoint
  char *input, *input2, *y[2], *lambda[2], *kbar;
  char *base, *levels; // states between checkpoints
  char *lane_ct;       // cotangents of the lane captures, in order
  char *residual;      // [stages] residuals
} nk_scratch;

typedef struct nk_solve {
  const nk_ode *ode;
  const nk_tableau *tableau;
  const nk_controller *controller;
  const nk_kernels *kernels;
  const nk_frame *frame;
  nk_opcode op;
  int32_t threads;
  int64_t size, row_bytes, state_bytes; // of an element, a lane, all lanes
  int64_t block_lanes, blocks, groups;
  nk_field field, forward, backward, vjp, adjoint;
  nk_tape tape;
  const double *times;
  const char *y0, *ct_states;
  char *states, *ct_y0;
  double *statistics, *ct_times;
  nk_note *notes; // [max(blocks, groups)]
  char *scratch;
  int64_t scratch_stride, base_states, level_states, residual_stride, lane_ct_bytes;
  char *y, *y1, *k0, *k_last, *lambda, *lambda1; // [lanes, dim], adaptive steps
  double *time_partials;                         // exact: [groups, time_count]
  char *lane_tape;                               // steps of their own: one tape after the other
  // Backsolve, adaptive: the tape, [1] or [lanes]. The adjoint moves through the same places as the way forward, so it begins
  // with the step that would have come next there. NULL: nobody asks.
  double *next_steps;
  const struct nk_columns *columns;              // steps of their own: the field as columns; NULL: it is none
  // Backsolve, adaptive: the accumulators of accepted steps, and those with the attempt's; the lane captures' increments;
  // lambda's first and last stage, and what those two stages add to the sums for a weight of one.
  char *committed, *tentative, *lane_tentative;
  char *l0, *l_last, *first_acc, *last_acc, *lane_first, *lane_last;
  struct nk_profile *profile; // NULL: none
  int64_t number;             // of the instruction, see nk_program
  // Of a repetition that looks for the reason of a failure:
  nk_failure *failure;        // remembers the attempts of a lane with steps of its own
  struct nk_seeker *seeker;
  int64_t only;               // the only lane to go through, plus one; 0: all
} nk_solve;

int64_t nk_solve_plan(nk_solve *solve, const nk_ode *ode, nk_opcode op, int32_t threads, char *base);
nk_scratch nk_solve_scratch(const nk_solve *solve, int32_t worker, uintptr_t base, int64_t *bytes);

// A block of lanes in the hands of a worker.
typedef struct nk_block {
  const nk_solve *solve;
  nk_scratch scratch;
  int32_t worker;
  int64_t index, group, lane0, lanes, elements, offset; // offset: bytes from lane 0 in arrays of all lanes
} nk_block;
nk_block nk_solve_block(const nk_solve *solve, int64_t index, int32_t worker);

// --- Calling the programs (all pointers are of the block's own lanes)
// ---------------------------------------------
// Lanes that a call of the program takes at most.
int64_t nk_field_block_lanes(const nk_program *program, int64_t lanes);
int64_t nk_field_plan(nk_field *field, const nk_program *program, int64_t lanes, int32_t threads,
                      nk_bump *bump);
nk_status nk_field_prepare(nk_solve *solve, nk_field *field);
nk_status nk_field_eval(const nk_block *b, const nk_field *field, double t, const char *y, char *dy,
                        char *residual);
nk_status nk_field_backward(const nk_block *b, double t, const char *y, const char *ct_dy, char *ct_y,
                            char *residual);
// Adds acc_scale times the captures' cotangents to `acc` (NULL: the group's accumulators).
nk_status nk_field_vjp(const nk_block *b, double t, const char *y, const char *ct_dy, char *dy, char *ct_y,
                       double acc_scale, char *acc);
// The same without captures.
nk_status nk_field_adjoint(const nk_block *b, double t, const char *y, const char *ct_dy, char *dy, char *ct_y);
// Base of a group's accumulators of a program.
char *nk_field_acc(const nk_field *field, int64_t group);
// Adds the lane captures' cotangents in scratch, times scale, to the outputs, or to `tentative` (arrays of
// all lanes).
void nk_lane_captures_add(const nk_block *b, double scale, char *tentative);
// The block's part of `tentative`: zeroed, or added to the outputs.
void nk_lane_captures_reset(const nk_block *b, char *tentative);
void nk_lane_captures_commit(const nk_block *b, char *tentative);
// The same of two such arrays: to += scale * from.
void nk_lane_captures_move(const nk_block *b, double scale, char *to, char *from);
// Zeroes the outputs of all captures' cotangents.
void nk_captures_clear(const nk_solve *solve);
// Stores the combined accumulators of the captures without lanes to their outputs.
void nk_captures_store(const nk_solve *solve, const nk_field *field, const char *acc);
// Combines the groups' accumulators first.
void nk_captures_sum(const nk_solve *solve, const nk_field *field);

// --- Stages (ode_step.c)
// -------------------------------------------------------------------------------------------
typedef struct nk_step {
  double t, t1, h;              // h == t1 - t
  int64_t save_first, save_end; // save times strictly inside of the step
  int64_t hit;                  // the save time at t1, or -1
} nk_step;
nk_step nk_step_make(const nk_solve *solve, double t, double t1, int64_t *cursor);
// Bit i: stage i counts for y1 (or, with dense, for the states inside of the step).
uint32_t nk_stages_needed(const nk_tableau *tableau, int dense);
double nk_stage_time(const nk_step *step, double c);
// The vectors k[i*step] whose weight w[i*stride] is not zero, and their weights times `scale`; returns how many.
static inline int32_t nk_terms(const double *w, int32_t stride, double scale, char *const *k, int32_t step, int32_t count,
                               double *weights, const void **vectors) {
  int32_t terms = 0;
  for (int32_t i = 0; i < count; i++) {
    if (w[i * stride] == 0) continue;
    weights[terms] = scale * w[i * stride];
    vectors[terms++] = k[i * step];
  }
  return terms;
}
// dst = base + scale * sum_i w[i*stride] k[i].
void nk_combine(const nk_kernels *kernels, char *dst, const char *base, const double *w, int32_t stride,
                double scale, char *const *k, int32_t terms, int64_t n);
// Weights b_i(x) of the dense output and their derivatives.
void nk_dense_weights(const nk_tableau *tableau, double x, double *weights, double *slopes);
// Evaluates the stages in `mask` in order and y1 (NULL: not wanted) as soon as its stages are there. `keep`: the number of
// the step in the tape that keeps them, -1 where it does not.
nk_status nk_step_stages(const nk_block *b, const nk_step *step, const char *y, char *y1, char *const *k,
                         uint32_t mask, int64_t keep, int64_t *evaluations);
void nk_step_save(const nk_block *b, const nk_step *step, const char *y, const char *y1, char *const *k);
// Sums of squared scaled errors of the components that count.
double nk_block_error2(const nk_block *b, const nk_step *step, const char *y, const char *y1, char *const *k);
double nk_block_norm2(const nk_block *b, const char *x, const char *scale);
double nk_counted_components(const nk_solve *solve); // lanes * components in the norm

// --- Step sizes (ode_controller.c)
// ---------------------------------------------------------------------------------
typedef struct nk_pace {
  double direction, h, error_before; // h > 0
  int after_rejection, non_finite; // the attempt before was rejected; the last rejected one was not finite
  int64_t accepted, rejected, evaluations;
  double last_error, last_h; // of the last rejected step; of the last attempt
  double bad_h;              // signed, of the last attempt that was not finite
  double t;                  // where the attempt began
  nk_failure *failure;       // remembers the last attempts; NULL: nobody asks
} nk_pace;
void nk_pace_start(nk_pace *pace, const nk_solve *solve, double from, double to);
// The end of the next attempt towards `to`; a status other than success ends the solve.
nk_status nk_pace_next(nk_pace *pace, const nk_solve *solve, double t, double to, double *t1);
int nk_pace_judge(nk_pace *pace, const nk_solve *solve, double error, double h); // 1: accepted
// The first step, from norms of y, y' and y'' on the scale of the tolerance: h0, which y'' is found with, and the step.
double nk_first_guess(double d0, double d1, double from, double to);
double nk_initial_step(double d0, double d1, double d2, double h0, int32_t order);
// A shorter one would hardly move t.
double nk_least_first_step(double from, double to);
// Fixed steps between `times`: of the way forward, and in one interval of the way back.
int64_t nk_grid_steps(const nk_solve *solve, const double *times);
double nk_grid_time(const nk_solve *solve, const double *times, int64_t n, int64_t steps);
int64_t nk_grid_interval_steps(const nk_solve *solve, const double *times, int64_t interval);
// The save time before the ones that step n moves with, times[i] and times[*to]: the neighbours between which equal
// steps were taken, else the ends.
static inline int64_t nk_moves_with(const nk_solve *s, int64_t n, int64_t *to) {
  const int64_t steps = s->controller->adaptive ? 0 : s->controller->steps_per_interval;
  *to = steps > 0 ? n / steps + 1 : s->ode->time_count - 1;
  return steps > 0 ? n / steps : 0;
}

// --- After a failure (ode_failure.c)
// ---------------------------------------------------------------------------------------
// Where the story of a failure goes, emptied; NULL: nobody asks.
nk_failure *nk_failure_of(const nk_solve *solve);
// Between begin and end evaluations of the solve's programs look for a result that is not finite; from the first one
// they find out where it came from. `row` of the rows that a program runs on; -1: any.
typedef struct nk_seeker {
  nk_watch watch;
  nk_solve *solve;
  nk_origin *origin;
  int64_t row;
  int found;
  double t, h; // of the last step that was told
} nk_seeker;
int nk_seek_begin(nk_seeker *seeker, nk_solve *solve, int64_t row); // 0: nobody asks
void nk_seek_end(nk_seeker *seeker);
int nk_seek_step(nk_seeker *seeker, const nk_step *step); // tells a fixed step; whether it is the one that failed
// The last fixed steps of the way forward, of which number `failed` failed.
void nk_failure_grid(const nk_solve *solve, int64_t failed, int64_t steps);

// --- Drivers
// -------------------------------------------------------------------------------------------------------
nk_status nk_forward_solve(nk_solve *solve);
nk_status nk_exact_gradient(nk_solve *solve);
nk_status nk_backsolve_gradient(nk_solve *solve);
void nk_report(const nk_solve *solve, nk_status status, const nk_pace *pace, double reached,
               int64_t checkpoints, int64_t recomputed);
void nk_diagnose(const nk_solve *solve, nk_status status, const nk_pace *pace, double t, int64_t lane,
                 int64_t component);

#endif
