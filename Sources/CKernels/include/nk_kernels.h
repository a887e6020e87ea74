// One table of kernels per instruction set and element type (NK_F32, NK_F64).
//
// Pointers are to the table's element type. Nothing here allocates: scratch is the caller's. A row's result
// depends on that row's input and on the inner extents only, never on how many rows the call has or on the
// path that handles a remainder; a kernel's result bits depend on its arguments only.
#ifndef NK_KERNELS_H
#define NK_KERNELS_H

#include "nk_base.h"

// Rows that the register tiles of every table divide.
#define NK_TILE_ROWS 12

// Convolution geometry. Images are NHWC, filters HWIO [kh, kw, cin, cout]. No dilation, no groups.
typedef struct nk_conv {
  int32_t h, w, cin;    // input image
  int32_t kh, kw, stride;
  int32_t pad_top, pad_left;
  int32_t oh, ow, cout; // output image
} nk_conv;

// Pooling geometry (no padding). max: 1 for max pooling, 0 for average.
typedef struct nk_pool2d {
  int32_t h, w, channels, kh, kw, stride, oh, ow, max;
} nk_pool2d;

// Many small products: C[i] [m, n] = op(A[i]) * op(B[i]); strides from one to the next in elements (0: the
// same).
typedef struct nk_each_product {
  int64_t m, k, n;
  int32_t transpose_a, transpose_b; // A given as [k, m], B as [n, k]
  int64_t a_stride, b_stride, c_stride;
} nk_each_product;

// Dense linear algebra, row-major; every matrix of a batch by itself, so that its result does not depend on
// the others. LU: A P = L U with L lower, U unit upper, both in one matrix; P exchanges column i with
// column pivots[i] >= i, for i ascending. CHOLESKY and SYMMETRIC_EIGEN read the symmetric part (A + A^T)/2.
// QR: the diagonal of R is not negative. Eigenvalues ascend; eigenvectors are columns, their component of
// largest magnitude positive. Numerical failure is a value of that matrix alone: a matrix that is not
// (numerically) positive definite has an L of NaN; a solve with an exact zero on the diagonal gives numbers
// that are not finite; eigenvalues of what is not finite, or did not converge, are NaN.
typedef struct nk_matrix {
  int64_t matrices_per_lane, m, n, k;
  int32_t lower, transposed, unit;   // the triangle; LU_SOLVE and TRIANGULAR_SOLVE: of the transposed system
  int32_t shares_left, shares_right; // one factored matrix, one B, for the whole batch
} nk_matrix;
#define NK_SMALL_MATRIX 8 // up to here own code, above it LAPACK
#define NK_SMALL_ROWS 32  // and for QR so many rows
#define NK_JACOBI_SWEEPS 40

// Layouts of a packed right-hand operand; the same panels (nr columns, all of k) serve matmul and
// convolution.
typedef enum NK_CLOSED_ENUM nk_pack_kind {
  NK_PACK_MATRIX,            // B is [k, n] row-major
  NK_PACK_MATRIX_TRANSPOSED, // B is given as [n, k] row-major, used as [k, n]
  NK_PACK_CONV,              // filter [kh, kw, cin, cout], k = (kh, kw, cin)
  NK_PACK_CONV_TRANSPOSED    // the same filter for the input gradient: k = (kh, kw, cout), n = cin
} nk_pack_kind;

// Step sizes of rows that march together, an array a number: the loops over them are vector loops. Times and sizes are
// double whatever the dtype of the states.
typedef struct nk_paces {
  double *t, *t1;                // of the attempt
  double *end, *save;            // where the row ends; its next save time, NaN where there is none
  double *h, *proposed, *last_h; // size of the next step, > 0; what it was before the attempt; the attempt, signed
  double *planned;               // where the next attempt ends; NaN: wherever the controller says
  double *error, *last_error;    // squared scaled error of the attempt; of the last one that was rejected
  double *log_before;            // logarithm of the last accepted step's error
  double *logarithm, *factor;    // of the attempt's squared error; what the next step becomes
  int64_t *accepted, *rejected;
  int64_t *until;                // accepted steps to take
  int64_t *after_rejection, *non_finite; // 0 or 1
  int64_t *verdict;              // pace_next: an nk_status; pace_judge: bits NK_PACE_REJECTED to NK_PACE_ENDS
} nk_paces;
enum { NK_PACE_ARRAYS = sizeof(nk_paces) / sizeof(double *) };
enum { // what pace_judge found, bits
  NK_PACE_REJECTED = 1,
  NK_PACE_SAVES = 2, // the accepted step passes the next save time, or ends there
  NK_PACE_ENDS = 4   // at its end, or (fixed steps) not finite
};
enum { NK_PACE_FAILS = 1, NK_PACE_INSIDE = 2 };
typedef struct nk_pace_rule {
  int64_t adaptive, max_steps;
  double min_step, max_step; // max_step: infinite where there is none
  double min_factor, max_factor;
  // The factor is exp(safety + gain * log(error^2) + gain_before * log_before), after a rejection without the last term.
  double safety, gain, gain_before;
} nk_pace_rule;
// The factor after a rejection is at most this, or the least factor of all where that is larger: a step that is hardly
// smaller would be rejected again.
#define NK_LARGEST_RETRY 0.9

// What a matrix product does to its rows while they are in the first-level cache: act(C + bias) * factor(times). A dense
// layer is one such product; its Jacobian-vector and vector-Jacobian products are products times the activation's
// derivative (NK_DTANH of the layer's result, for instance), so one kernel each, too.
typedef struct nk_epilogue {
  const void *bias;  // [n], or NULL
  const void *times; // [rows, n], contiguous, or NULL
  int32_t act;       // a nk_ewise of one argument, or -1 for the value itself
  int32_t factor;    // the same, of `times`
} nk_epilogue;

// A^T * B of one pair, of which a sum of outer products has several: a weight's gradient where the weight is
// used twice.
typedef struct nk_outer_term {
  const void *a, *b;
} nk_outer_term;
#define NK_OUTER_TERMS 2

typedef struct nk_kernels {
  nk_isa isa;
  nk_dtype dtype;
  int32_t vector_elements; // elements in one vector
  int32_t mr, nr;          // register tile of the matmul: mr rows by nr columns

  // dst[i] = op(a[i], b[i], c[i]), i < n. dst may be any of the operands. Unused operands may be NULL.
  void (*ewise[NK_EWISE_COUNT])(void *dst, const void *a, const void *b, const void *c, ptrdiff_t n);
  void (*fill)(void *dst, double value, ptrdiff_t n);
  // dst[i] = a*x[i] + b*dst[i]; with b == 0 dst is not read.
  void (*axpby)(void *dst, const void *x, double a, double b, ptrdiff_t n);
  // Columns of short rows, moved as bits: dst[i] = src[i*stride]; dst[i, j] = src[j][i] for `columns` of them.
  void (*pick)(void *dst, const void *src, ptrdiff_t stride, ptrdiff_t n);
  void (*interleave)(void *dst, const void *const *src, int32_t columns, ptrdiff_t n);

  // x is [outer, count, inner] contiguous; out is [outer, inner]. Fixed tree over `count`.
  // The tree depends on the extents only: the same bits on every instruction set but the reference.
  // accumulate: out += scale * sum (NK_REDUCE_SUM only); else out = scale * result (scale is 1 for max).
  void (*reduce)(nk_reduction kind, const void *x, void *out, ptrdiff_t outer, ptrdiff_t count,
                 ptrdiff_t inner, double scale, int32_t accumulate);

  // Bytes of a packed [k, n] operand, and the packing. Panels are zero-padded to nr columns.
  int64_t (*packed_bytes)(int64_t k, int64_t n);
  void (*pack)(nk_pack_kind kind, const void *b, void *packed, int64_t k, int64_t n, const nk_conv *conv);

  // C[rows, n] = A[rows, k] * B and what `end` says (NULL: nothing); when accumulate C += scale*A*B, and no end.
  // lda, ldc in elements.
  void (*matmul)(const void *a, int64_t lda, const void *packed, const nk_epilogue *end, void *c, int64_t ldc,
                 int64_t rows, int64_t k, int64_t n, double scale, int32_t accumulate);
  // C[k, n] = scale * sum over at most NK_OUTER_TERMS terms of A[rows, k]^T * B[rows, n] (+ C when accumulate), added in
  // one fixed order. scratch: at least matmul_outer_scratch(count * rows, k, n) bytes.
  int64_t (*matmul_outer_scratch)(int64_t rows, int64_t k, int64_t n);
  void (*matmul_outer)(const nk_outer_term *terms, int32_t count, int64_t lda, int64_t ldb, void *c,
                       int64_t ldc, int64_t rows, int64_t k, int64_t n, double scale, int32_t accumulate,
                       void *scratch);

  // `count` products of matrices that fit in a first-level cache. scratch: k * n elements where B is
  // transposed.
  void (*matmul_each)(const nk_each_product *g, const void *a, const void *b, void *c, int64_t count,
                      void *scratch);

  // Small matrices (n <= NK_SMALL_MATRIX), `count` of them one after the other; see nk_matrix. Results may
  // not overlap operands. small_solve: of LU factors, or (pivots NULL) of triangles.
  void (*small_lu)(int64_t n, const void *a, void *factors, int32_t *pivots, int64_t count);
  void (*small_solve)(const nk_matrix *g, const void *factors, const int32_t *pivots, const void *b, void *x,
                      int64_t count);
  void (*small_cholesky)(int64_t n, const void *a, void *l, int64_t count);
  // m <= NK_SMALL_ROWS.
  void (*small_qr)(int64_t m, int64_t n, const void *a, void *q, void *r, int64_t count);
  // Eigenvalues in any order, and an eigenvector in each row of `vectors`, of either sign.
  void (*small_eigen)(int64_t n, const void *a, void *values, void *vectors, int64_t count);

  // Bytes of scratch that the three convolutions need for `images` images.
  int64_t (*conv_scratch)(const nk_conv *g, int64_t images);
  // y[images, oh, ow, cout] = act(conv(x, filter) + bias); filter packed NK_PACK_CONV. bias may be NULL.
  void (*conv)(const nk_conv *g, const void *x, const void *packed, const void *bias, void *y, int64_t images,
               int32_t act, void *scratch);
  // dx[images, h, w, cin] = transpose of conv applied to dy; filter packed NK_PACK_CONV_TRANSPOSED.
  void (*conv_input_gradient)(const nk_conv *g, const void *dy, const void *packed, void *dx, int64_t images,
                              void *scratch);
  // dw[kh, kw, cin, cout] = scale * sum over images and positions (+ dw when accumulate).
  void (*conv_filter_gradient)(const nk_conv *g, const void *x, const void *dy, void *dw, int64_t images,
                               double scale, int32_t accumulate, void *scratch);

  void (*pool)(const nk_pool2d *g, const void *x, void *y, int64_t images);
  // dx from x (max pooling only; may be NULL for average) and dy. Ties go to the first maximum in row-major
  // order.
  void (*pool_gradient)(const nk_pool2d *g, const void *x, const void *dy, void *dx, int64_t images);

  // Group normalisation without affine part. x is [images, positions, channels]; y = (x - mean) * rstd with
  // mean and biased variance over a group's channels and all positions; rstd = 1/sqrt(var + eps).
  // rstd_out (may be NULL): [images, groups].
  void (*group_norm)(const void *x, void *y, void *rstd_out, int64_t images, int64_t positions,
                     int64_t channels, int64_t groups, double eps);
  // dx = rstd * (dy - mean(dy) - y * mean(dy * y)), means over the group; y and rstd are the forward's.
  void (*group_norm_gradient)(const void *y, const void *rstd, const void *dy, void *dx, int64_t images,
                              int64_t positions, int64_t channels, int64_t groups);

  // loss[row] = logsumexp(x[row, :]) - x[row, label[row]];  dx = dy[row] * (softmax(x[row, :]) -
  // onehot(label)). A label outside [0, classes) gives NaN in that row.
  void (*softmax_cross_entropy)(const void *x, const int32_t *label, void *loss, int64_t rows, int64_t classes);
  void (*softmax_cross_entropy_gradient)(const void *x, const int32_t *label, const void *dy, void *dx,
                                         int64_t rows, int64_t classes);

  // --- Solver kernels; each is one pass over memory. terms <= 32; zero weights are skipped by the caller.
  // --- Norms and dot have the same bits on every instruction set but the reference; combine uses fma where
  // there is one. dst = base + sum_i w[i] * k[i] (base may be NULL: taken as zero; dst may be base).
  void (*combine)(void *dst, const void *base, const double *w, const void *const *k, int32_t terms, ptrdiff_t n);
  // Sum over i of ((sum_j w[j]*k[j][i]) / (atol + rtol*max(|y0[i]|, |y1[i]|)))^2, accumulated in double,
  // fixed tree.
  double (*error_norm2)(const void *y0, const void *y1, const double *w, const void *const *k, int32_t terms,
                        double atol, double rtol, ptrdiff_t n);
  // The same for rows with a step size each, h being given for every element: dst = base + h * sum_j w[j] * k[j], and for
  // every row out[row] = the mean over its first `counted` elements of the squared scaled errors h * sum_j w[j] * k[j],
  // NaN where any element of the row of y1 is not finite.
  void (*combine_rows)(void *dst, const void *base, const void *h, const double *w, const void *const *k,
                       int32_t terms, ptrdiff_t n);
  void (*error_rows)(double *out, const void *y0, const void *y1, const void *h, const double *w,
                     const void *const *k, int32_t terms, double atol, double rtol, ptrdiff_t rows, ptrdiff_t dim,
                     ptrdiff_t counted);
  // error_rows of rows that are stored as columns: component c of row r at c * stride + r, h for every row. Memory of
  // operands, not of `out`, reaches to a multiple of eight rows.
  void (*error_columns)(double *out, const void *y0, const void *y1, const void *h, const double *w,
                        const void *const *k, int32_t terms, double atol, double rtol, ptrdiff_t rows,
                        ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t counted);
  // Times of a stage: from + c * (to - from), exactly `to` for c == 1. Every element's step: h[r, :] = to[r] - from[r].
  void (*stage_times)(void *t, const double *from, const double *to, double c, ptrdiff_t rows);
  void (*spread_steps)(void *h, const double *from, const double *to, ptrdiff_t rows, ptrdiff_t dim);
  // Where the next attempts end (adaptive steps); returns NK_PACE_FAILS when some verdict is not NK_SUCCESS, and
  // NK_PACE_INSIDE when a save time lies strictly inside of an attempt.
  int32_t (*pace_next)(const nk_pace_rule *rule, const nk_paces *paces, ptrdiff_t rows);
  // What becomes of the attempts, t excepted; returns all bits that are set in some verdict. In the f64 tables only.
  int32_t (*pace_judge)(const nk_pace_rule *rule, const nk_paces *paces, ptrdiff_t rows);
  // After a verdict of pace_judge: t of rows that were not rejected becomes t1.
  void (*pace_advance)(const nk_paces *paces, ptrdiff_t rows);
  // Sum of (x[i] / (atol + rtol*|scale[i]|))^2: the norm of Hairer's initial step.
  double (*scaled_norm2)(const void *x, const void *scale, double atol, double rtol, ptrdiff_t n);
  double (*dot)(const void *a, const void *b, ptrdiff_t n); // in double, fixed tree
  int32_t (*all_finite)(const void *x, ptrdiff_t n);        // 1 when every element is finite
} nk_kernels;

// The table in force for this dtype (the best the machine has, or the forced one).
const nk_kernels *nk_kernels_get(nk_dtype dtype);
// The table of one instruction set, or NULL where this machine cannot run it.
const nk_kernels *nk_kernels_for(nk_isa isa, nk_dtype dtype);
nk_isa nk_isa_best(void);
nk_isa nk_isa_current(void);
// Forces an instruction set for the whole process: for tests and benchmarks, before any program is compiled.
// NK_INVALID_ARGUMENT where the machine cannot run it.
nk_status nk_isa_force(nk_isa isa);

// Counter-based random bits, Philox4x32-10 (Salmon et al., SC11): word i of the stream `key`.
// Element i of every fill below depends on (key, i) only; `first` is the index of out[0].
// The same bits on every machine and with every instruction set, normals included.
void nk_random_bits(const uint32_t key[2], uint64_t first, uint32_t *out, int64_t n);
// Uniform on [0, 1) with 24 (f32) or 53 (f64) random bits; standard normals in pairs 2j, 2j + 1 by
// Box-Muller.
void nk_random_uniform(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n);
void nk_random_normal(nk_dtype dtype, const uint32_t key[2], uint64_t first, void *out, int64_t n);
// One block of the generator: streams use counters {block, block >> 32, 0, 0}, the others are free for
// deriving keys.
void nk_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

#endif
