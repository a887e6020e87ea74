// Step sizes: the controller, the first step, and the grids of fixed steps.
#include <float.h>
#include <math.h>
#include "nk_solve.h"
#pragma STDC FP_CONTRACT OFF

void nk_pace_start(nk_pace *pace, const nk_solve *solve, double from, double to) {
  *pace = (nk_pace){.direction = to >= from ? 1 : -1, .h = solve->controller->first_step, .error_before = 1};
  pace->failure = nk_failure_of(solve);
}

nk_status nk_pace_next(nk_pace *pace, const nk_solve *solve, double t, double to, double *t1) {
  const nk_controller *c = solve->controller;
  const double left = fabs(to - t);
  if (pace->accepted + pace->rejected >= c->max_steps) return NK_MAX_STEPS;
  double h = pace->h;
  if (c->max_step > 0 && h > c->max_step) h = c->max_step;
  // As DOPRI5 does: a last step is stretched by up to 1 % rather than followed by one of next to nothing.
  const int last = 1.01 * h >= left && !(c->max_step > 0 && left > c->max_step);
  *t1 = last ? to : t + pace->direction * h;
  // A few ulp of t above the smallest step, a smaller h may round to the step that was just rejected.
  const double rejected_h = fabs(pace->last_h);
  const int stuck =
      pace->after_rejection && fabs(*t1 - t) >= rejected_h && rejected_h < 1e-13 * fmax(fabs(t), fabs(*t1));
  pace->last_h = *t1 - t;
  pace->t = t;
  // The last step may be as short as the end requires, unless it was shortened by errors.
  const int too_short = h < c->min_step && (!last || pace->after_rejection);
  if (*t1 == t || too_short || stuck || !(h > 0))
    return pace->non_finite ? NK_NON_FINITE_FIELD : NK_STEP_UNDERFLOW;
  return NK_SUCCESS;
}

int nk_pace_judge(nk_pace *pace, const nk_solve *solve, double error, double h) {
  const nk_controller *c = solve->controller;
  const double order = solve->tableau->embedded_order + 1;
  const int finite = isfinite(error);
  const int accepted = finite && error <= 1;
  double factor = c->min_factor;
  if (finite && error == 0)
    factor = c->max_factor;
  else if (finite)
    factor = c->safety * pow(error, -(c->i + c->p) / order);
  // Of a rejected step the error before says nothing, and with a negative gain it would keep the step as it is.
  if (accepted && error != 0) factor *= pow(pace->error_before, c->p / order);
  factor = fmin(fmax(factor, c->min_factor), c->max_factor);
  if (accepted && pace->after_rejection) factor = fmin(factor, 1);
  if (!accepted) factor = fmin(factor, fmax(c->min_factor, NK_LARGEST_RETRY));
  pace->h = fabs(h) * factor;
  pace->after_rejection = !accepted;
  if (!accepted) pace->non_finite = !finite; // why steps are as small as they are
  if (!finite) pace->bad_h = h;
  if (accepted) {
    pace->accepted++;
    pace->error_before = fmax(error, 1e-4); // one lucky step must not make the next one timid
  } else {
    pace->rejected++;
    pace->last_error = error;
  }
  nk_failure_attempt(pace->failure, pace->t, h, error, accepted);
  return accepted;
}

// Hairer, Norsett, Wanner I, II.4, "starting step size", steps a to f, in the solution's own units: a step that changes the
// state by a hundredth shows its second derivative, and how fast derivatives grow from one to the next tells the one
// that makes the error. Theirs is the larger of y' and y'', which is right where time is measured in units of the
// solution's own; these steps are the same in any unit, and no first one is wasted: a network's solve at 1e-5 may take two
// steps instead of three.
double nk_first_guess(double d0, double d1, double from, double to) {
  const double span = fabs(to - from);
  // Where state or slope are nothing to the tolerance, or the tolerance is nothing to the slope (a component at 0, without
  // an absolute tolerance), the span is the only time there is.
  const int blind = d0 < 1e-5 || d1 * span < 1e-5 || !isfinite(d1);
  return fmax(blind ? 1e-6 * span : fmin(0.01 * (d0 / d1), span), nk_least_first_step(from, to));
}

double nk_least_first_step(double from, double to) {
  return fmin(fabs(to - from), fmax(16 * DBL_EPSILON * fabs(from), DBL_TRUE_MIN));
}

double nk_initial_step(double d0, double d1, double d2, double h0, int32_t order) {
  if (!isfinite(d2)) return h0;
  if (d2 == 0) return 100 * h0;
  // A slope that passes through zero says nothing about a rate: y'' / y is its square.
  const double rate = fmin(d2 / d1, sqrt(d2 / fmax(d0, 1)));
  const double h1 = pow(0.01 / (d2 * pow(rate, order - 1)), 1.0 / (order + 1));
  return fmin(100 * h0, h1 > 0 ? h1 : h0);
}

int64_t nk_grid_steps(const nk_solve *solve, const double *times) {
  const nk_controller *c = solve->controller;
  const int32_t last = solve->ode->time_count - 1;
  if (c->steps_per_interval > 0) return c->steps_per_interval * last;
  // A span that is a whole number of steps but for rounding gets no sliver at its end.
  const double steps = ceil(fabs(times[last] - times[0]) / c->step * (1 - 1e-12));
  return steps < 1 ? 1 : steps > 9e15 ? INT64_MAX : (int64_t)steps;
}

double nk_grid_time(const nk_solve *solve, const double *times, int64_t n, int64_t steps) {
  const nk_controller *c = solve->controller;
  const int32_t last = solve->ode->time_count - 1;
  if (n >= steps) return times[last];
  if (c->steps_per_interval > 0) {
    const int64_t i = n / c->steps_per_interval, j = n % c->steps_per_interval;
    return j == 0 ? times[i]
                  : times[i] + (times[i + 1] - times[i]) * ((double)j / (double)c->steps_per_interval);
  }
  return times[0] + (times[last] >= times[0] ? c->step : -c->step) * (double)n;
}

int64_t nk_grid_interval_steps(const nk_solve *solve, const double *times, int64_t interval) {
  const nk_controller *c = solve->controller;
  if (c->steps_per_interval > 0) return c->steps_per_interval;
  const double steps =
      ceil(fabs(times[interval + 1] - times[interval]) / c->step * (1 - 1e-12));
  return steps < 1 ? 1 : (int64_t)steps;
}
