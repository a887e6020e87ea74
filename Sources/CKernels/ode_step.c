// One Runge-Kutta step of one block of lanes: stages, solution, error, dense output.
#include <math.h>
#include <string.h>
#include "nk_solve.h"
#pragma STDC FP_CONTRACT OFF

nk_step nk_step_make(const nk_solve *solve, double t, double t1, int64_t *cursor) {
  const double direction = t1 >= t ? 1 : -1;
  const double *times = solve->times;
  const int64_t count = solve->ode->time_count;
  nk_step step = {.t = t, .t1 = t1, .h = t1 - t, .save_first = *cursor, .hit = -1};
  int64_t i = *cursor;
  while (i < count && (times[i] - t1) * direction < 0) i++;
  step.save_end = i;
  if (i < count && times[i] == t1) step.hit = i++;
  *cursor = i;
  return step;
}

uint32_t nk_stages_needed(const nk_tableau *tableau, int dense) {
  uint32_t mask = 0;
  for (int32_t i = tableau->stages - 1; i >= 0; i--) {
    int needed = tableau->b[i] != 0;
    for (int32_t d = 0; dense && d < tableau->dense_degree; d++)
      needed |= tableau->dense[i * tableau->dense_degree + d] != 0;
    for (int32_t j = i + 1; j < tableau->stages; j++)
      needed |= (mask >> j & 1) && tableau->a[j * tableau->stages + i] != 0;
    mask |= (uint32_t)needed << i;
  }
  return mask;
}

// Exactly the step's end for c == 1: the stage is then the same evaluation as the next step's first one.
double nk_stage_time(const nk_step *step, double c) {
  return c == 1 ? step->t1 : step->t + c * step->h;
}

void nk_combine(const nk_kernels *kernels, char *dst, const char *base, const double *w, int32_t stride,
                double scale, char *const *k, int32_t terms, int64_t n) {
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const int32_t count = nk_terms(w, stride, scale, k, 1, terms, weights, vectors);
  if (count > 0)
    kernels->combine(dst, base, weights, vectors, count, (ptrdiff_t)n);
  else if (!base)
    kernels->fill(dst, 0, (ptrdiff_t)n);
  else if (dst != base)
    kernels->axpby(dst, base, 1, 0, (ptrdiff_t)n);
}

void nk_dense_weights(const nk_tableau *tableau, double x, double *weights, double *slopes) {
  const int32_t degree = tableau->dense_degree;
  for (int32_t i = 0; i < tableau->stages; i++) {
    const double *c = tableau->dense + i * degree;
    double value = 0, slope = 0; // Horner of sum c_d x^(d-1) and of sum d c_d x^(d-1)
    for (int32_t d = degree; d > 0; d--) {
      value = value * x + c[d - 1];
      slope = slope * x + d * c[d - 1];
    }
    weights[i] = value * x;
    slopes[i] = slope;
  }
}

nk_status nk_step_stages(const nk_block *b, const nk_step *step, const char *y, char *y1, char *const *k,
                         uint32_t mask, int64_t keep, int64_t *evaluations) {
  const nk_solve *s = b->solve;
  const nk_tableau *tableau = s->tableau;
  const nk_field *field = keep < 0 ? &s->field : &s->forward;
  const int32_t last = tableau->step_stages - 1;
  int have_y1 = y1 == NULL;
  for (int32_t i = 0; i < tableau->stages; i++) {
    if (!have_y1 && i == (tableau->fsal ? last : last + 1)) {
      nk_combine(s->kernels, y1, y, tableau->b, 1, step->h, k, i, b->elements);
      have_y1 = 1;
    }
    if (!(mask >> i & 1)) continue;
    const char *input = y;
    if (i == last && tableau->fsal && y1) {
      input = y1;
    } else if (i > 0) {
      nk_combine(s->kernels, b->scratch.input, y, tableau->a + i * tableau->stages, 1, step->h, k, i,
                 b->elements);
      input = b->scratch.input;
    }
    char *residual = keep < 0 ? NULL : nk_tape_residual(&s->tape, tableau, keep, i, b->index);
    const nk_status status = nk_field_eval(b, field, nk_stage_time(step, tableau->c[i]), input, k[i], residual);
    if (status != NK_SUCCESS) return status;
    ++*evaluations;
  }
  for (int32_t i = 0; keep >= 0 && i < tableau->stages; i++)
    if (i == 0 || (mask >> i & 1))
      memcpy(nk_tape_slope(&s->tape, tableau, keep, i) + b->offset, k[i], (size_t)(b->lanes * s->row_bytes));
  if (!have_y1) nk_combine(s->kernels, y1, y, tableau->b, 1, step->h, k, last + 1, b->elements);
  return NK_SUCCESS;
}

void nk_step_save(const nk_block *b, const nk_step *step, const char *y, const char *y1, char *const *k) {
  const nk_solve *s = b->solve;
  double weights[NK_MAX_STAGES], slopes[NK_MAX_STAGES];
  for (int64_t i = step->save_first; i < step->save_end; i++) {
    nk_dense_weights(s->tableau, (s->times[i] - step->t) / step->h, weights, slopes);
    nk_combine(s->kernels, s->states + i * s->state_bytes + b->offset, y, weights, 1, step->h, k,
               s->tableau->stages, b->elements);
  }
  if (step->hit >= 0)
    memcpy(s->states + step->hit * s->state_bytes + b->offset, y1, (size_t)(b->lanes * s->row_bytes));
}

static int64_t counted(const nk_solve *solve) {
  const int64_t some = solve->controller->error_components;
  return some > 0 && some < solve->ode->dim ? some : solve->ode->dim;
}
double nk_counted_components(const nk_solve *solve) {
  return (double)solve->ode->lanes * (double)counted(solve);
}

double nk_block_error2(const nk_block *b, const nk_step *step, const char *y, const char *y1,
                       char *const *k) {
  const nk_solve *s = b->solve;
  double weights[NK_MAX_STAGES];
  const void *vectors[NK_MAX_STAGES];
  const nk_tableau *m = s->tableau;
  const int32_t terms = nk_terms(m->b_error, 1, step->h, k, 1, m->step_stages, weights, vectors);
  const double atol = s->controller->atol, rtol = s->controller->rtol;
  const int64_t some = counted(s);
  if (some == s->ode->dim)
    return s->kernels->error_norm2(y, y1, weights, vectors, terms, atol, rtol, (ptrdiff_t)b->elements);
  double total = 0;
  for (int64_t lane = 0; lane < b->lanes; lane++) {
    total += s->kernels->error_norm2(y, y1, weights, vectors, terms, atol, rtol, (ptrdiff_t)some);
    y += s->row_bytes;
    y1 += s->row_bytes;
    for (int32_t i = 0; i < terms; i++) vectors[i] = (const char *)vectors[i] + s->row_bytes;
  }
  return total;
}

double nk_block_norm2(const nk_block *b, const char *x, const char *scale) {
  const nk_solve *s = b->solve;
  const double atol = s->controller->atol, rtol = s->controller->rtol;
  const int64_t some = counted(s);
  if (some == s->ode->dim) return s->kernels->scaled_norm2(x, scale, atol, rtol, (ptrdiff_t)b->elements);
  double total = 0;
  for (int64_t lane = 0; lane < b->lanes; lane++, x += s->row_bytes, scale += s->row_bytes)
    total += s->kernels->scaled_norm2(x, scale, atol, rtol, (ptrdiff_t)some);
  return total;
}
