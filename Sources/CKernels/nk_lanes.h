// Private to the solvers with a step size for every lane: rows, slots, and the march of many lanes at once.
//
// A worker integrates a group of lanes. It holds up to `capacity` of them in slots 0..<active, neighbouring rows of its
// arrays whatever their number in the solve; every attempt is one evaluation of each stage on all active rows, each
// with its own t and h. A lane that ends leaves: the last row takes its place, and the next lane of the group takes the
// free one. So the cost is the sum of the lanes' steps, and hard lanes end up side by side instead of
// each holding up a block. What a row computes does not depend on its neighbours, so neither do a lane's bits.
#ifndef NK_LANES_H
#define NK_LANES_H

#include <string.h>
#include "nk_columns.h"
#include "nk_solve.h"

// Rows that a worker gives to a program.
typedef struct nk_rows {
  const nk_solve *solve;
  int32_t worker;
  int64_t group, first, count;
  char *const *captures; // per capture: its rows in the order of the slots, NULL where lanes share it
} nk_rows;
// Pointers are to row `first`.
nk_status nk_rows_eval(const nk_rows *rows, const nk_field *field, const char *t, const char *y, char *dy,
                       char *residual);
nk_status nk_rows_backward(const nk_rows *rows, const char *t, const char *y, const char *ct_dy, char *ct_y, char *ct_t,
                           char *const *ct_captures, char *residual);
// field: one of the programs with the arguments of field_vjp. ct_captures NULL: it has no outputs for them.
nk_status nk_rows_vjp(const nk_rows *rows, const nk_field *field, const char *t, const char *y, const char *ct_dy,
                      char *dy, char *ct_y, char *ct_t, char *const *ct_captures);

// What is known of a lane as it comes into a row and as it leaves. While it marches, its step sizes are in the march's
// paces, and what is named below the line is out of date here.
typedef struct nk_slot {
  int64_t lane;
  int64_t cursor;      // the next save time
  int64_t offset;      // fixed steps: the step at which accepted = 0
  int64_t task;        // whatever who loads the slot wants to remember
  int64_t evaluations; // once the lane has ended; while it is in a march, less those counted there
  int32_t status;
  // ----
  int32_t after_rejection;
  double t, t1, end, h, planned, log_before, last_error, last_h; // as in nk_paces
  int64_t accepted, rejected, until;
} nk_slot;

// The state of a lane's controller before a step: what a march needs to repeat it.
typedef struct nk_kept {
  double t, t1, log_before;
  int64_t after_rejection;
} nk_kept;

typedef struct nk_march nk_march;
struct nk_march {
  const nk_solve *solve;
  void *context;
  int32_t worker;
  int64_t group, capacity, active;
  nk_slot *slots;
  nk_paces paces;    // [capacity] each
  nk_pace_rule rule;
  // States, slopes and captures are rows or, where the field allows it, columns: then arrays are [dim, column_rows], the
  // rows after the active ones hold numbers that do not count, and `own` are the columns of nk_columns.
  const nk_columns *columns; // NULL: rows
  int64_t column_rows;
  char *own;
  char *t, *h;       // [capacity] stage times; h of every element, with columns of every row
  int64_t evaluated; // stages since the march began
  char *y, *y1, *k[NK_MAX_STAGES], *input;
  char **captures;   // as nk_rows; with columns they are in `own`
  char *rows[NK_MAX_STAGES + 1]; // columns only: room for one row of some arrays
  int64_t *marked, *rejected; // [capacity] rows of an attempt that are not simply to go on; that were rejected
  // Puts the next lane into slot `row`, its state into y; 0 when there is none. Sets what nk_slot_start does not.
  int (*load)(nk_march *march, int64_t row);
  // The step of slot `row` is accepted and not counted yet; y still holds where it began. May be NULL.
  void (*keep)(nk_march *march, int64_t row);
  // Slot `row` has ended, slot.status says how; its state is in y.
  void (*finish)(nk_march *march, int64_t row);
};

// Bytes: with base 0 as many as any layout needs, else those of the one that is laid out. With a watch that is rows, which
// are what programs run on.
int64_t nk_march_plan(nk_march *march, const nk_solve *solve, int64_t capacity, uintptr_t base);
void nk_march_run(nk_march *march);
// --- Where things are in a march (ode_march_layout.c)
static inline char *nk_march_at(const nk_march *m, char *array, int64_t row, int64_t component) {
  const nk_solve *s = m->solve;
  return array + (m->columns ? (component * m->column_rows + row) * s->size : row * s->row_bytes + component * s->size);
}
static inline char *nk_march_step(const nk_march *m, int64_t row) { // h of the row, of its first element
  return m->h + row * (m->columns ? m->solve->size : m->solve->row_bytes);
}
void nk_march_get(const nk_march *march, char *array, int64_t row, char *to);
void nk_march_put(const nk_march *march, char *array, int64_t row, const char *from);
// One row in one piece: where it lies or, with columns, a copy, the `room`th.
char *nk_march_row(const nk_march *march, char *array, int64_t row, int32_t room);
void nk_march_load_captures(const nk_march *march, int64_t lane, int64_t row);
void nk_march_move(const nk_march *march, int64_t from, int64_t to); // state, slope, captures
void nk_march_exchange(const nk_march *march, char *a, char *b, const int64_t *rows, int64_t count);
int nk_march_is_finite(const nk_march *march, char *array, int64_t row);
int nk_march_all_finite(const nk_march *march, char *array, int64_t first); // rows [first, active)
// Kernels over rows [first, active).
nk_status nk_march_eval(nk_march *march, int64_t first, char *y, char *dy);
void nk_march_combine(const nk_march *march, int64_t first, char *dst, char *base, const double *weights,
                      const void *const *vectors, int32_t terms);
void nk_march_subtract(const nk_march *march, int64_t first, char *dst, char *from); // dst -= from
void nk_march_errors(const nk_march *march, int64_t first, double *out, char *y0, char *y1, const double *weights,
                     const void *const *vectors, int32_t terms);
nk_slot nk_slot_start(const nk_solve *solve, int64_t lane);
// Arrays of step sizes; what a slot brings into a row, and what it takes along.
nk_paces nk_paces_plan(int64_t capacity, nk_bump *bump);
nk_pace_rule nk_pace_rule_of(const nk_solve *solve);
void nk_paces_enter(const nk_paces *paces, const nk_solve *solve, const nk_slot *slot, int64_t row);
void nk_paces_leave(const nk_paces *paces, nk_slot *slot, int64_t row);
void nk_paces_move(const nk_paces *paces, int64_t from, int64_t to);
void nk_paces_exchange(const nk_paces *paces, int64_t r, int64_t q);
// Rows for every capture that has lanes.
char **nk_rows_plan_captures(const nk_solve *solve, int64_t capacity, nk_bump *bump);
// Copies the lane's part of every capture that has lanes to `row` of `captures`.
void nk_rows_load_captures(const nk_solve *solve, int64_t lane, char *const *captures, int64_t row);
int64_t nk_capture_bytes(const nk_solve *solve, int32_t capture); // of a lane
static inline char *nk_row(const nk_solve *solve, char *rows, int64_t row) {
  return rows + row * solve->row_bytes;
}
static inline const double *nk_lane_times(const nk_solve *solve, int64_t lane) {
  return solve->times + lane * solve->ode->time_count;
}
static inline void nk_exchange(char *a, char *b, int64_t bytes) {
  int64_t i = 0;
  for (; i + 8 <= bytes; i += 8) { // rows are short: a call of memcpy would cost more than what it copies
    uint64_t x, y;
    memcpy(&x, a + i, 8);
    memcpy(&y, b + i, 8);
    memcpy(a + i, &y, 8);
    memcpy(b + i, &x, 8);
  }
  for (; i < bytes; i++) {
    const char held = a[i];
    a[i] = b[i];
    b[i] = held;
  }
}
// Lanes [first, end) of a group.
static inline int64_t nk_group_lane(const nk_solve *solve, int64_t group) {
  if (solve->only) return solve->only - 1 + (group > 0);
  return nk_group_first(group, solve->groups, solve->ode->lanes);
}

// What a lane keeps of its steps, one lane after the other in the tape.
typedef struct nk_lane_tape {
  int64_t *header; // steps (-1: the lane failed), stride
  nk_kept *kept;   // [capacity], of step slot * stride
  char *states;    // [capacity, dim]
} nk_lane_tape;
int64_t nk_lane_tape_bytes(const nk_ode *ode); // of one lane
int64_t nk_lane_tape_capacity(const nk_ode *ode);
int64_t nk_lane_tape_longest(const nk_ode *ode); // the largest stride
nk_lane_tape nk_lane_tape_of(const nk_solve *solve, int64_t lane);
void nk_lane_tape_record(const nk_solve *solve, const nk_slot *slot, const char *y);

int64_t nk_lanes_plan(nk_solve *solve, nk_bump *bump);
nk_status nk_lanes_forward(nk_solve *solve);
nk_status nk_lanes_exact(nk_solve *solve);
nk_status nk_lanes_backsolve(nk_solve *solve);
int64_t nk_lanes_exact_scratch(const nk_solve *solve);
int64_t nk_lanes_backsolve_scratch(const nk_solve *solve);
// Statistics of one lane, and their sums after the last.
void nk_lane_report(const nk_solve *solve, const nk_slot *slot, int64_t checkpoints, int64_t recomputed);
nk_status nk_lanes_total(const nk_solve *solve);
// Of lanes that failed the group remembers the first.
void nk_lane_failed(const nk_march *march, int64_t row, int64_t component);
// Goes through the lane of the diagnosis once more, alone, with `group`, which does that for a group of lanes.
void nk_lanes_explain(nk_solve *solve, void (*group)(void *solve, int64_t group, int32_t worker));
// One attempt of it.
void nk_lanes_remember(const nk_solve *solve, double t, double t1, double error2);

#endif
