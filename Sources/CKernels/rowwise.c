// Operations along the last axis that a fused elementwise pass or a reduction cannot express: running sums, sorting,
// and elements by index within their row. Rows do not talk to each other.
#include <string.h>
#include "nk_internal.h"

// --- Running sums: in double whatever the type, rounded element by element.
#define DEFINE_RUNNING_SUM(T, NAME)                                                                          \
  static void NAME(const T *x, T *out, int64_t n, int backward) {                                            \
    double sum = 0;                                                                                          \
    if (backward)                                                                                            \
      for (int64_t i = n - 1; i >= 0; i--) out[i] = (T)(sum += (double)x[i]);                                \
    else                                                                                                     \
      for (int64_t i = 0; i < n; i++) out[i] = (T)(sum += (double)x[i]);                                     \
  }
DEFINE_RUNNING_SUM(float, running_sum32)
DEFINE_RUNNING_SUM(double, running_sum64)
#undef DEFINE_RUNNING_SUM

// --- Sorting: a stable merge sort of indices, runs of a few elements by insertion. NaN is larger than every number.
enum { RUN = 8 };
#define DEFINE_ARGSORT(T, NAME)                                                                              \
  static inline int NAME##_before(T a, T b) { return a < b || (b != b && a == a); }                          \
  static void NAME(const T *x, int32_t *index, int32_t *spare, int64_t n, int descending) {                  \
    for (int64_t first = 0; first < n; first += RUN) {                                                       \
      const int64_t end = nk_min(first + RUN, n);                                                            \
      for (int64_t i = first; i < end; i++) {                                                                \
        int64_t at = i;                                                                                      \
        for (; at > first; at--) {                                                                           \
          const T left = x[index[at - 1]];                                                                   \
          if (!(descending ? NAME##_before(left, x[i]) : NAME##_before(x[i], left))) break;                  \
          index[at] = index[at - 1];                                                                         \
        }                                                                                                    \
        index[at] = (int32_t)i;                                                                              \
      }                                                                                                      \
    }                                                                                                        \
    int32_t *from = index, *to = spare;                                                                      \
    for (int64_t width = RUN; width < n; width *= 2) {                                                       \
      for (int64_t first = 0; first < n; first += 2 * width) {                                               \
        const int64_t middle = nk_min(first + width, n), end = nk_min(first + 2 * width, n);                 \
        int64_t i = first, j = middle;                                                                       \
        for (int64_t k = first; k < end; k++) {                                                              \
          const int right = j < end && (i == middle || (descending ? NAME##_before(x[from[i]], x[from[j]])   \
                                                                   : NAME##_before(x[from[j]], x[from[i]]))); \
          to[k] = from[right ? j++ : i++];                                                                   \
        }                                                                                                    \
      }                                                                                                      \
      int32_t *const swap = from;                                                                            \
      from = to;                                                                                             \
      to = swap;                                                                                             \
    }                                                                                                        \
    if (from != index) memcpy(index, from, (size_t)n * sizeof *index);                                       \
  }
DEFINE_ARGSORT(float, argsort32)
DEFINE_ARGSORT(double, argsort64)
#undef DEFINE_ARGSORT

int64_t nk_rowwise_scratch(const nk_instr *instr) {
  return instr->op == NK_OP_ARGSORT ? instr->u.rowwise.n * (int64_t)sizeof(int32_t) : 0;
}

// --- Elements by index within their row. Answers how many indices were good before the first bad one: n, if all are.
static int64_t take_along(const char *x, const int32_t *index, char *out, int64_t n, int64_t entries,
                          int64_t size) {
  for (int64_t i = 0; i < n; i++) {
    if (index[i] < 0 || index[i] >= entries) return i;
    memcpy(out + i * size, x + index[i] * size, (size_t)size);
  }
  return n;
}

// In order, so that repeated indices have fixed bits.
#define DEFINE_ADD_ALONG(T, NAME)                                                                            \
  static int64_t NAME(const T *x, const int32_t *index, T *out, int64_t n, int64_t entries) {                \
    for (int64_t i = 0; i < entries; i++) out[i] = 0;                                                        \
    for (int64_t i = 0; i < n; i++) {                                                                        \
      if (index[i] < 0 || index[i] >= entries) return i;                                                     \
      out[index[i]] += x[i];                                                                                 \
    }                                                                                                        \
    return n;                                                                                                \
  }
DEFINE_ADD_ALONG(float, add_along32)
DEFINE_ADD_ALONG(double, add_along64)
#undef DEFINE_ADD_ALONG

nk_status nk_rowwise_execute(const nk_instr *instr, const nk_frame *frame) {
  const int64_t n = instr->u.rowwise.n, entries = instr->u.rowwise.entries;
  const int64_t rows = nk_frame_lanes(frame, instr->out[0]) * instr->u.rowwise.rows_per_lane;
  const int backward = instr->u.rowwise.backward, wide = instr->dtype == NK_F64;
  const int64_t size = nk_dtype_bytes(instr->dtype);
  const char *x = nk_frame_address(frame, instr->in[0]);
  const int32_t *index = instr->in[1] < 0 ? NULL : (const int32_t *)nk_frame_address(frame, instr->in[1]);
  char *out = nk_frame_address(frame, instr->out[0]);
  int32_t *scratch = (int32_t *)(frame->block + instr->scratch);
  for (int64_t row = 0; row < rows; row++) {
    int64_t good = n;
    switch (instr->op) {
    case NK_OP_CUMULATIVE_SUM:
      if (wide)
        running_sum64((const double *)x, (double *)out, n, backward);
      else
        running_sum32((const float *)x, (float *)out, n, backward);
      x += n * size;
      out += n * size;
      break;
    case NK_OP_ARGSORT:
      if (wide)
        argsort64((const double *)x, (int32_t *)out, scratch, n, backward);
      else
        argsort32((const float *)x, (int32_t *)out, scratch, n, backward);
      x += n * size;
      out += n * (int64_t)sizeof(int32_t);
      break;
    case NK_OP_TAKE_ALONG:
      good = take_along(x, index, out, n, entries, size);
      if (good < n) return nk_bad_index(instr, frame, row * n + good, index[good]);
      x += entries * size;
      index += n;
      out += n * size;
      break;
    case NK_OP_ADD_ALONG:
      good = wide ? add_along64((const double *)x, index, (double *)out, n, entries)
                  : add_along32((const float *)x, index, (float *)out, n, entries);
      if (good < n) return nk_bad_index(instr, frame, row * n + good, index[good]);
      x += n * size;
      index += n;
      out += entries * size;
      break;
    default:
      return NK_INVALID_ARGUMENT;
    }
  }
  return NK_SUCCESS;
}
