// Dense linear algebra on batches of matrices: own code where matrices are small, LAPACK above. Own
// code is in the tables of kernels, one matrix in each element of a vector.
//
// LAPACK is called through the _work functions in column-major order, and BLAS in row-major order where it
// is asked to solve triangular systems: neither looks for NaN, transposes into memory of its own, or
// prints. They work on copies at aligned addresses: some of their kernels add in an order that depends on the
// address, and a matrix has the same bits wherever it stands in its batch.
#include <math.h>
#include <string.h>
#include <cblas.h>
#include <lapacke.h>
#include "nk_internal.h"
#pragma STDC FP_CONTRACT OFF

_Static_assert(sizeof(lapack_int) == sizeof(int32_t), "pivots and integer scratch are int32");

enum { LAPACK_BLOCK = 32 };

// Offsets in bytes of copies of the matrix and of the right side (or the eigenvalues), and of what LAPACK works in.
typedef struct nk_matrix_scratch_plan {
  int64_t matrix, right, work, integers, total;
  int64_t work_count, integer_count;
} scratch_plan;

static int is_small(const nk_instr *instr) {
  const nk_matrix *g = &instr->u.matrix;
  return g->n <= NK_SMALL_MATRIX && (instr->op != NK_OP_QR || g->m <= NK_SMALL_ROWS);
}

static scratch_plan plan(const nk_instr *instr) {
  const nk_matrix *g = &instr->u.matrix;
  const int64_t n = g->n, size = nk_dtype_bytes(instr->dtype);
  scratch_plan p = {0};
  if (is_small(instr) || instr->op == NK_OP_LU_DETERMINANT) return p;
  int64_t rows = n, right = 0;
  if (instr->op == NK_OP_QR) {
    rows = g->m;
    p.work_count = n * (1 + LAPACK_BLOCK); // the scalar factors come first
  } else if (instr->op == NK_OP_SYMMETRIC_EIGEN) {
    // What ?syevd asks for with eigenvectors.
    right = n;
    p.work_count = 1 + 6 * n + 2 * n * n;
    p.integer_count = 3 + 5 * n;
  } else if (instr->op == NK_OP_LU_SOLVE || instr->op == NK_OP_TRIANGULAR_SOLVE) {
    right = n * g->k;
  }
  p.right = p.matrix + nk_align(rows * n * size);
  p.work = p.right + nk_align(right * size);
  p.integers = p.work + nk_align(p.work_count * size);
  p.total = p.integers + nk_align(p.integer_count * (int64_t)sizeof(lapack_int));
  return p;
}

int64_t nk_matrix_scratch(const nk_instr *instr) { return plan(instr).total; }

#define T float
#define FN(name) name##_f32
#define FABS fabsf
#define BLAS(name) cblas_s##name
#define LAPACK(name) LAPACKE_s##name##_work
#define ORGQR LAPACKE_sorgqr_work
#include "matrix_lapack.inc"
#undef T
#undef FN
#undef FABS
#undef BLAS
#undef LAPACK
#undef ORGQR
#define T double
#define FN(name) name##_f64
#define FABS fabs
#define BLAS(name) cblas_d##name
#define LAPACK(name) LAPACKE_d##name##_work
#define ORGQR LAPACKE_dorgqr_work
#include "matrix_lapack.inc"

// What the tables of kernels do for a whole batch; 0 where the matrices are not small or the operation is
// another one.
static int run_small(const nk_instr *instr, void *const *in, void *const *out, int64_t count) {
  const nk_kernels *k = nk_kernels_get(instr->dtype);
  const nk_matrix *g = &instr->u.matrix;
  if (!k || !is_small(instr)) return 0;
  switch (instr->op) {
  case NK_OP_LU:
    k->small_lu(g->n, in[0], out[0], out[1], count);
    return 1;
  case NK_OP_LU_SOLVE:
    k->small_solve(g, in[0], in[1], in[2], out[0], count);
    return 1;
  case NK_OP_TRIANGULAR_SOLVE:
    k->small_solve(g, in[0], NULL, in[1], out[0], count);
    return 1;
  case NK_OP_CHOLESKY:
    k->small_cholesky(g->n, in[0], out[0], count);
    return 1;
  case NK_OP_QR:
    k->small_qr(g->m, g->n, in[0], out[0], out[1], count);
    return 1;
  case NK_OP_SYMMETRIC_EIGEN:
    k->small_eigen(g->n, in[0], out[0], out[1], count);
    if (instr->dtype == NK_F64)
      arrange_all_f64(g->n, out[0], out[1], count);
    else
      arrange_all_f32(g->n, out[0], out[1], count);
    return 1;
  default:
    return 0;
  }
}

nk_status nk_matrix_execute(const nk_instr *instr, const nk_frame *frame) {
  void *in[3] = {0}, *out[3] = {0};
  for (int i = 0; i < 3; i++) {
    if (instr->in[i] >= 0) in[i] = nk_frame_address(frame, instr->in[i]);
    if (instr->out[i] >= 0) out[i] = nk_frame_address(frame, instr->out[i]);
  }
  const int64_t count = nk_frame_lanes(frame, instr->out[0]) * instr->u.matrix.matrices_per_lane;
  char *scratch = frame->block + instr->scratch;
  if (run_small(instr, in, out, count)) return NK_SUCCESS;
  switch (instr->dtype) {
  case NK_F32:
    run_f32(instr, in, out, count, scratch);
    return NK_SUCCESS;
  case NK_F64:
    run_f64(instr, in, out, count, scratch);
    return NK_SUCCESS;
  case NK_I32:
    break;
  }
  return NK_INVALID_ARGUMENT;
}
