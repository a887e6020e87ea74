// Explicit Runge-Kutta solves and their gradients, as instructions of a program.
//
// The state is `lanes` rows of `dim` elements. Either all lanes share one step-size controller (its error norm is the
// root mean square over all lanes and components), or, with controller.per_lane, every lane has its own steps, times, status
// and statistics. With fixed or own steps lanes do not meet at all: a block of lanes is integrated from the first time to the
// last in cache. Time is double. Times are times[0..<time_count] (per_lane: a row of so many for every lane), strictly
// monotone in either direction; the state at every one of them is saved, by dense output where a step passes over it; the
// last one is hit exactly.
#ifndef NK_ODE_H
#define NK_ODE_H

#include "nk_program.h"

#define NK_MAX_STAGES 16
#define NK_MAX_DENSE_DEGREE 8

// Explicit method. Stage i: k[i] = f(t + c[i] h, y + h sum_j a[i*stages + j] k[j]).  y1 = y + h sum b[i] k[i].
// Dense output at t + x h: y + h sum_i (sum_{d=1..degree} dense[i*degree + d-1] x^d) k[i]. A method without an
// interpolant of its own has dense stages: stages in [step_stages, stages) are evaluated only where a save time lies
// inside of the step (cubic Hermite needs f(t+h, y1)); for an FSAL method the last step stage is f(t+h, y1) itself.
typedef struct nk_tableau {
  int32_t stages, step_stages, order, embedded_order; // embedded_order 0: no error estimate
  int32_t fsal;                                       // k[step_stages-1] of a step is k[0] of the next
  int32_t dense_degree;
  double a[NK_MAX_STAGES * NK_MAX_STAGES], b[NK_MAX_STAGES], c[NK_MAX_STAGES];
  double b_error[NK_MAX_STAGES];                      // b - b_hat
  double dense[NK_MAX_STAGES * NK_MAX_DENSE_DEGREE];
} nk_tableau;

// h_new = h * clip(safety * err^(-(i+p)/k) * err_prev^(p/k), min_factor, max_factor), k = embedded_order + 1; err_prev is
// that of the last accepted step. p = 0: the I controller. On a rejection err_prev is left out and the factor is at most
// NK_LARGEST_RETRY or min_factor, whichever is larger; for the first step after one it is at most 1. err == 0 gives
// max_factor; an error or a state that is not finite rejects the step with min_factor.
// err = sqrt(sum of squared scaled errors / (lanes * components)), scale = atol + rtol * max(|y_n|, |y_n+1|).
typedef struct nk_controller {
  int32_t adaptive;
  int32_t per_lane;       // 1: every lane has its own steps, its error the root mean square over its own components
  int32_t tolerant;       // per_lane, 1: a lane that fails leaves its status in the statistics, and the run succeeds
  double rtol, atol;
  double i, p, safety, min_factor, max_factor;
  double first_step;      // of the way forward; <= 0: chosen (nk_initial_step; two evaluations, one of them k[0])
  double min_step, max_step; // max_step <= 0: none
  int64_t max_steps;      // accepted and rejected together; not for steps_per_interval
  // Fixed steps: either step > 0 (last one shortened to end at times' end), or steps_per_interval > 0 equal steps
  // between neighbouring save times.
  double step;
  int64_t steps_per_interval;
  int64_t error_components; // the first so many components of a lane enter the error norm (and the initial step); 0: all
} nk_controller;

typedef enum NK_CLOSED_ENUM nk_sensitivity { NK_SENSITIVITY_EXACT, NK_SENSITIVITY_BACKSOLVE } nk_sensitivity;

// Statistics, doubles, one row; per_lane: [1 + lanes] rows, the first of which has the sums over the lanes (its status: that
// of the first lane that failed; its last step and time reached: those of lane 0 or of that lane), then each lane's own.
#define NK_ODE_STATISTICS 8
enum {
  NK_STAT_STATUS,
  NK_STAT_EVALUATIONS,     // of the field, as a solver's user counts them: once for all lanes
  NK_STAT_ACCEPTED,
  NK_STAT_REJECTED,
  NK_STAT_LAST_STEP,
  NK_STAT_CHECKPOINTS,     // states kept in the tape
  NK_STAT_RECOMPUTED,      // forward evaluations repeated for the gradient
  NK_STAT_REACHED          // the last time reached
};

// The programs a solve calls. Arguments in order:
//   field          in: t, y, captures...                  out: dy
//   field_forward  in: t, y, captures...                  out: dy   (and NK_SPACE_RESIDUAL)
//   field_backward in: t, y, captures..., ct_dy           out: ct_y, ct of the lane captures in order (reads RESIDUAL)
//   field_vjp      in: t, y, captures..., ct_dy           out: dy, ct_y, ct of the lane captures in order
//                  (per_lane: its outputs dy, ct_y and ct_t exist, but are not written)
//   field_adjoint  in: t, y, captures..., ct_dy           out: dy, ct_y (per_lane: and ct_t): field_vjp for stages whose
//                  weight in the integral over the captures is zero
// t is one scalar of the state's dtype; y, dy, ct_y have lanes. field_backward and field_vjp leave the cotangents of t
// and of the captures without lanes in the accumulators of their body region; acc pieces are in the order t, then
// those captures in order. (Their nk_accumulator.buffer is unused.) A capture without cotangent (integers) has a piece of
// count 0, or an output that is written to scratch, all the same. Setup regions run once per solve, for all lanes; in the
// body t is the same for all lanes. A field of one lane may have a SERIAL body. field is always set: gradients integrate
// again and find the slopes of save times with it.
// per_lane: t is a row of one element for every lane, its cotangent an output of field_backward and field_vjp after ct_y,
// and its piece of the accumulators is empty.
struct nk_ode {
  const nk_tableau *tableau;
  nk_controller controller;
  nk_sensitivity sensitivity;
  nk_dtype dtype;
  int64_t lanes, dim;
  int32_t time_count;
  int32_t capture_count;
  const int32_t *capture_has_lanes;   // per capture
  const int64_t *capture_elements;    // per capture; per lane where it has lanes
  const nk_program *field, *field_forward, *field_backward, *field_vjp, *field_adjoint; // only what is needed is set
  // .exact: the tape holds up to `checkpoints` states y_n; when a solve takes more steps, every second one is
  // dropped and the stride doubles, and the gradient integrates again between them (recursively where needed).
  // .backsolve: the tape holds the step size that the way forward would have tried next (per_lane: one for every lane),
  // with which the adaptive adjoint begins.
  int64_t checkpoints;
  // .exact on steps that all lanes share, with field_forward: the first steps leave their stages and residuals in the tape,
  // as many as take so many bytes, and the gradient does not evaluate them again. The way forward and the gradient must
  // have the same field_forward; a gradient whose blocks are others evaluates again. Where fewer than residual_least
  // steps would fit, nothing is kept; more than residual_most are not.
  int64_t residual_budget, residual_least, residual_most;
  // Operands, buffer ids of the program that holds the instruction (the instruction's in/out are unused):
  //   NK_OP_ODE:          y0, times (f64), captures -> states [time_count, lanes, dim], statistics, tape (or -1)
  //   NK_OP_ODE_GRADIENT: the same y0, times, captures, states, tape (fixed steps, .backsolve: or -1), ct_states
  //                       -> ct_y0, ct_times (f64 [time_count]), ct_captures (-1: not wanted), gradient_statistics
  int32_t y0, times, states, statistics, tape;
  int32_t ct_states, ct_y0, ct_times, gradient_statistics;
  const int32_t *captures, *ct_captures;
};

// Whether a solve with a step size for every lane has its rows as columns: 1 where the field's body is nothing but
// elementwise code and moves within a lane, of few numbers. Neither steps nor bits depend on it. Under a watch (a profile, the
// search for a failure) the field runs on rows, instruction by instruction.
int nk_ode_is_columnar(const nk_ode *ode);

// Bytes of the opaque tape buffer.
int64_t nk_ode_tape_bytes(const nk_ode *ode);
// Workspace of the instruction (solver scratch, the field programs' arenas, blocks and accumulators).
int64_t nk_ode_workspace_bytes(const nk_ode *ode, nk_opcode op, int32_t threads);
nk_status nk_ode_execute(const nk_instr *instr, const nk_frame *frame, char *workspace);

// Meaning of time gradients (.exact): the accepted steps are frozen as fractions of [times.first, times.last] (with
// steps_per_interval: of the interval between save times that they divide), so t_n = t0 + s_n (t1 - t0), which steps of a
// fixed size are not when the solve runs again;
// save times inside of a step move the point where the dense output is read, those between
// the first and the last that are the end of a step move their state along f(t_i, y_i). (.backsolve): dL/dt_i = <ct_i, f(t_i,
// y_i)>, dL/dt_0 = -<lambda(t_0), f(t_0, y_0)>; fixed steps take as many steps between save times as forward ones, adaptive
// ones are chosen for y and lambda with the same tolerances.
//
// A failed solve returns its status, fills the diagnosis and the statistics, and leaves in the states it did not reach the
// last state that was (fixed steps: each block of lanes its own; per_lane: each lane its own, and lanes that did not fail go
// on to their end). The gradient of a tolerated failure is zero: a failed lane says nothing.

#endif
