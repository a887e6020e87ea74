// Where a march has its states, slopes and captures: rows, which any program runs on, or columns.
#include <string.h>
#include "nk_lanes.h"

// --- Memory --------------------------------------------------------------------------------------------------------
// Kernels run over whole vectors of rows, from any row: that many are there beyond the last.
enum { MOST_VECTOR = 16 };

static int64_t plan(nk_march *m, const nk_solve *s, const nk_columns *columns, int64_t capacity, uintptr_t base) {
  nk_bump bump = {.base = base};
  *m = (nk_march){.solve = s, .capacity = capacity, .rule = nk_pace_rule_of(s), .columns = columns};
  m->column_rows = ((capacity + MOST_VECTOR - 1) & ~(int64_t)(MOST_VECTOR - 1)) + MOST_VECTOR;
  const int64_t column = m->column_rows * s->size;
  const int64_t array = columns ? column * s->ode->dim : capacity * s->row_bytes;
  m->slots = nk_take(&bump, capacity * (int64_t)sizeof(nk_slot));
  m->marked = nk_take(&bump, capacity * (int64_t)sizeof(int64_t));
  m->rejected = nk_take(&bump, capacity * (int64_t)sizeof(int64_t));
  m->paces = nk_paces_plan(capacity, &bump);
  const int64_t first = bump.used;
  m->t = nk_take(&bump, columns ? column : capacity * s->size);
  m->h = nk_take(&bump, columns ? column : array);
  m->y = nk_take(&bump, array);
  m->y1 = nk_take(&bump, array);
  m->input = nk_take(&bump, array);
  for (int32_t i = 0; i < s->tableau->stages; i++) m->k[i] = nk_take(&bump, array);
  if (!columns) {
    m->captures = nk_rows_plan_captures(s, capacity, &bump);
    return bump.used;
  }
  m->own = nk_take(&bump, columns->own_count * column);
  // What is beyond the active rows is computed, too, and should be ordinary numbers.
  if (base) memset((char *)base + first, 0, (size_t)(bump.used - first));
  for (int32_t i = 0; i < s->tableau->stages; i++) m->rows[i] = nk_take(&bump, s->row_bytes);
  m->rows[NK_MAX_STAGES] = nk_take(&bump, s->row_bytes);
  return bump.used;
}

// Columns that have the same number in all rows. The field's setup has run.
static void fill_shared(const nk_march *m) {
  const nk_solve *s = m->solve;
  const nk_frame frame = nk_run_frame(&s->field.run, 0, 0);
  for (int32_t i = 0; i < m->columns->source_count; i++) {
    const nk_column_source *source = &m->columns->sources[i];
    if (source->capture >= 0) continue;
    double number = source->value;
    if (source->buffer >= 0) {
      const char *at = nk_frame_address(&frame, source->buffer) + source->element * s->size;
      number = s->size == 8 ? *(const double *)at : (double)*(const float *)at;
    }
    s->kernels->fill(m->own + i * m->column_rows * s->size, number, (ptrdiff_t)m->column_rows);
  }
}

int64_t nk_march_plan(nk_march *m, const nk_solve *s, int64_t capacity, uintptr_t base) {
  if (!base) {
    const int64_t columns = s->columns ? plan(m, s, s->columns, capacity, 0) : 0;
    return nk_max(columns, plan(m, s, NULL, capacity, 0));
  }
  const int64_t bytes = plan(m, s, s->field.run.watch ? NULL : s->columns, capacity, base);
  if (m->columns) fill_shared(m);
  return bytes;
}

// --- One row -------------------------------------------------------------------------------------------------------
// Elements are moved as bits, a pitch apart, for rows are short: a call of memcpy costs more than what it copies.
typedef uint64_t word64 __attribute__((may_alias));
typedef uint32_t word32 __attribute__((may_alias));

static void move_elements(char *to, int64_t to_pitch, const char *from, int64_t from_pitch, int64_t n, int64_t size) {
  if (size == 8)
    for (int64_t j = 0; j < n; j++) *(word64 *)(to + j * to_pitch) = *(const word64 *)(from + j * from_pitch);
  else
    for (int64_t j = 0; j < n; j++) *(word32 *)(to + j * to_pitch) = *(const word32 *)(from + j * from_pitch);
}

static int64_t pitch(const nk_march *m) {
  return m->column_rows * m->solve->size;
}

void nk_march_get(const nk_march *m, char *array, int64_t row, char *to) {
  const nk_solve *s = m->solve;
  if (m->columns)
    move_elements(to, s->size, nk_march_at(m, array, row, 0), pitch(m), s->ode->dim, s->size);
  else
    memcpy(to, nk_row(s, array, row), (size_t)s->row_bytes);
}

void nk_march_put(const nk_march *m, char *array, int64_t row, const char *from) {
  const nk_solve *s = m->solve;
  if (m->columns)
    move_elements(nk_march_at(m, array, row, 0), pitch(m), from, s->size, s->ode->dim, s->size);
  else
    memcpy(nk_row(s, array, row), from, (size_t)s->row_bytes);
}

char *nk_march_row(const nk_march *m, char *array, int64_t row, int32_t room) {
  if (!m->columns) return nk_row(m->solve, array, row);
  nk_march_get(m, array, row, m->rows[room]);
  return m->rows[room];
}

void nk_march_load_captures(const nk_march *m, int64_t lane, int64_t row) {
  const nk_solve *s = m->solve;
  if (!m->columns) {
    nk_rows_load_captures(s, lane, m->captures, row);
    return;
  }
  char *to = nk_march_at(m, m->own, row, 0);
  for (int32_t i = 0; i < m->columns->source_count; i++, to += pitch(m)) {
    const nk_column_source *source = &m->columns->sources[i];
    if (source->capture < 0) continue;
    const int64_t element = lane * s->ode->capture_elements[source->capture] + source->element;
    const char *from = nk_frame_address(s->frame, s->ode->captures[source->capture]);
    move_elements(to, 0, from + element * s->size, 0, 1, s->size);
  }
}

void nk_march_move(const nk_march *m, int64_t from, int64_t to) {
  const nk_solve *s = m->solve;
  if (m->columns) {
    char *const arrays[] = {m->y, m->k[0], m->own};
    for (int i = 0; i < 3; i++)
      move_elements(nk_march_at(m, arrays[i], to, 0), pitch(m), nk_march_at(m, arrays[i], from, 0), pitch(m),
                    i < 2 ? s->ode->dim : m->columns->source_count, s->size);
    return;
  }
  memcpy(nk_row(s, m->y, to), nk_row(s, m->y, from), (size_t)s->row_bytes);
  memcpy(nk_row(s, m->k[0], to), nk_row(s, m->k[0], from), (size_t)s->row_bytes);
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!m->captures[c]) continue;
    const int64_t own = nk_capture_bytes(s, c);
    memcpy(m->captures[c] + to * own, m->captures[c] + from * own, (size_t)own);
  }
}

#define DEFINE_EXCHANGE(WORD)                                                                                 \
  static void exchange_##WORD(WORD *a, WORD *b, const int64_t *rows, int64_t count) {                       \
    for (int64_t i = 0; i < count; i++) {                                                                    \
      const WORD held = a[rows[i]];                                                                          \
      a[rows[i]] = b[rows[i]];                                                                               \
      b[rows[i]] = held;                                                                                     \
    }                                                                                                        \
  }
DEFINE_EXCHANGE(word64)
DEFINE_EXCHANGE(word32)
#undef DEFINE_EXCHANGE

void nk_march_exchange(const nk_march *m, char *a, char *b, const int64_t *rows, int64_t count) {
  const nk_solve *s = m->solve;
  if (!m->columns) {
    for (int64_t i = 0; i < count; i++) nk_exchange(nk_row(s, a, rows[i]), nk_row(s, b, rows[i]), s->row_bytes);
    return;
  }
  for (int64_t j = 0; j < s->ode->dim; j++, a += pitch(m), b += pitch(m)) {
    if (s->size == 8)
      exchange_word64((word64 *)a, (word64 *)b, rows, count);
    else
      exchange_word32((word32 *)a, (word32 *)b, rows, count);
  }
}

int nk_march_is_finite(const nk_march *m, char *array, int64_t row) {
  const nk_solve *s = m->solve;
  if (!m->columns) return s->kernels->all_finite(nk_row(s, array, row), (ptrdiff_t)s->ode->dim);
  for (int64_t j = 0; j < s->ode->dim; j++)
    if (!s->kernels->all_finite(nk_march_at(m, array, row, j), 1)) return 0;
  return 1;
}

// --- All rows ------------------------------------------------------------------------------------------------------
// Rows [first, active) and what else is in their last vector.
static ptrdiff_t whole_vectors(const nk_march *m, int64_t first) {
  const int64_t vector = m->solve->kernels->vector_elements;
  return (ptrdiff_t)nk_block_count(m->active - first, vector) * vector;
}

int nk_march_all_finite(const nk_march *m, char *array, int64_t first) {
  const nk_solve *s = m->solve;
  const int64_t rows = m->active - first, dim = s->ode->dim;
  if (!m->columns) return s->kernels->all_finite(nk_row(s, array, first), (ptrdiff_t)(rows * dim));
  for (int64_t j = 0; j < dim; j++)
    if (!s->kernels->all_finite(nk_march_at(m, array, first, j), (ptrdiff_t)rows)) return 0;
  return 1;
}

static nk_status eval_columns(nk_march *m, int64_t first, char *y, char *dy) {
  const nk_solve *s = m->solve;
  const nk_columns *columns = m->columns;
  const int64_t column = m->column_rows * s->size, from = first * s->size;
  const ptrdiff_t n = whole_vectors(m, first);
  char *const base[] = {[NK_COLUMN_TIME] = m->t + from,
                        [NK_COLUMN_STATE] = y + from,
                        [NK_COLUMN_SLOPE] = dy + from,
                        [NK_COLUMN_OWN] = m->own + from};
  for (int32_t i = 0; i < columns->op_count; i++) {
    const nk_column_op *op = &columns->ops[i];
    char *to = base[op->to.base] + op->to.index * column, *a = base[op->a.base] + op->a.index * column;
    if (op->op == NK_COLUMN_COPY)
      memcpy(to, a, (size_t)(n * s->size));
    else
      s->kernels->ewise[op->op](to, a, base[op->b.base] + op->b.index * column,
                                base[op->c.base] + op->c.index * column, n);
  }
  return NK_SUCCESS;
}

nk_status nk_march_eval(nk_march *m, int64_t first, char *y, char *dy) {
  const nk_solve *s = m->solve;
  if (m->columns) return eval_columns(m, first, y, dy);
  const nk_rows rows = {.solve = s,
                        .worker = m->worker,
                        .group = m->group,
                        .first = first,
                        .count = m->active - first,
                        .captures = m->captures};
  return nk_rows_eval(&rows, &s->field, m->t + first * s->size, nk_row(s, y, first), nk_row(s, dy, first), NULL);
}

void nk_march_combine(const nk_march *m, int64_t first, char *dst, char *base, const double *weights,
                      const void *const *vectors, int32_t terms) {
  const nk_solve *s = m->solve;
  const int64_t dim = s->ode->dim;
  const int64_t pieces = m->columns ? dim : 1;
  const ptrdiff_t n = m->columns ? whole_vectors(m, first) : (ptrdiff_t)((m->active - first) * dim);
  for (int64_t j = 0; j < pieces; j++) {
    const int64_t at = nk_march_at(m, dst, first, j) - dst;
    if (terms == 0) {
      s->kernels->axpby(dst + at, base + at, 1, 0, n);
      continue;
    }
    const void *k[NK_MAX_STAGES];
    for (int32_t i = 0; i < terms; i++) k[i] = (const char *)vectors[i] + at;
    s->kernels->combine_rows(dst + at, base + at, nk_march_step(m, first), weights, k, terms, n);
  }
}

void nk_march_subtract(const nk_march *m, int64_t first, char *dst, char *from) {
  const nk_solve *s = m->solve;
  const int64_t dim = s->ode->dim, pieces = m->columns ? dim : 1;
  const ptrdiff_t n = (ptrdiff_t)((m->active - first) * (m->columns ? 1 : dim));
  for (int64_t j = 0; j < pieces; j++)
    s->kernels->axpby(nk_march_at(m, dst, first, j), nk_march_at(m, from, first, j), -1, 1, n);
}

void nk_march_errors(const nk_march *m, int64_t first, double *out, char *y0, char *y1, const double *weights,
                     const void *const *vectors, int32_t terms) {
  const nk_solve *s = m->solve;
  const nk_controller *c = s->controller;
  const int64_t dim = s->ode->dim, some = c->error_components, counted = some > 0 && some < dim ? some : dim;
  const ptrdiff_t rows = (ptrdiff_t)(m->active - first);
  const int64_t at = nk_march_at(m, y0, first, 0) - y0;
  const void *k[NK_MAX_STAGES];
  for (int32_t i = 0; i < terms; i++) k[i] = (const char *)vectors[i] + at;
  if (m->columns)
    s->kernels->error_columns(out + first, y0 + at, y1 + at, nk_march_step(m, first), weights, k, terms, c->atol,
                              c->rtol, rows, (ptrdiff_t)dim, (ptrdiff_t)m->column_rows, (ptrdiff_t)counted);
  else
    s->kernels->error_rows(out + first, y0 + at, y1 + at, nk_march_step(m, first), weights, k, terms, c->atol, c->rtol,
                           rows, (ptrdiff_t)dim, (ptrdiff_t)counted);
}
