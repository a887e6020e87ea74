// The instructions that are one kernel call: addresses, rows and scratch, then the table's entry.
#include <string.h>
#include "nk_internal.h"

static int is_accumulator(const nk_frame *frame, int32_t buffer) {
  return frame->program->buffers[buffer].space == NK_SPACE_ACC;
}
static int adds(const nk_frame *frame, int32_t buffer) {
  return is_accumulator(frame, buffer) && !frame->acc_fresh;
}
// What an "acc" instruction multiplies its result with.
static double result_scale(const nk_frame *frame, int32_t buffer) {
  return is_accumulator(frame, buffer) ? frame->acc_scale : 1;
}
static char *address_or_null(const nk_frame *frame, int32_t buffer) {
  return buffer < 0 ? NULL : nk_frame_address(frame, buffer);
}

static int32_t outer_terms(const nk_instr *instr) {
  return instr->in[2] < 0 ? 1 : NK_OUTER_TERMS;
}

int64_t nk_instr_scratch_bytes(const nk_instr *instr, int64_t block_lanes) {
  const nk_kernels *k = nk_kernels_get(instr->dtype);
  switch (instr->op) {
  case NK_OP_EWISE:
    return nk_ewise_scratch(instr, block_lanes);
  case NK_OP_MATMUL_OUTER:
    return k->matmul_outer_scratch(outer_terms(instr) * block_lanes * instr->u.matmul.rows_per_lane,
                                   instr->u.matmul.k, instr->u.matmul.n);
  case NK_OP_MATMUL_BATCHED:
    return nk_batched_scratch(instr);
  case NK_OP_LU:
  case NK_OP_LU_SOLVE:
  case NK_OP_CHOLESKY:
  case NK_OP_TRIANGULAR_SOLVE:
  case NK_OP_QR:
  case NK_OP_SYMMETRIC_EIGEN:
    return nk_matrix_scratch(instr);
  case NK_OP_ARGSORT:
    return nk_rowwise_scratch(instr);
  case NK_OP_CONV:
  case NK_OP_CONV_INPUT_GRADIENT:
  case NK_OP_CONV_FILTER_GRADIENT:
    return k->conv_scratch(&instr->u.conv.geometry, block_lanes * instr->u.conv.images_per_lane);
  default:
    return 0;
  }
}

// --- Gather and scatter
// -------------------------------------------------------------------------------------------
nk_status nk_bad_index(const nk_instr *instr, const nk_frame *frame, int64_t position, int32_t index) {
  nk_diagnosis *d = frame->diagnosis;
  if (d) {
    const int is_table = instr->op == NK_OP_GATHER || instr->op == NK_OP_SCATTER_ADD;
    const int per_lane = frame->program->buffers[instr->in[1]].has_lanes;
    d->position = (per_lane ? frame->lane0 * nk_indices_per_lane(instr) : 0) + position;
    d->index = index;
    d->entries = is_table ? instr->u.gather.entries : instr->u.rowwise.entries;
    d->indexed = is_table ? NK_INDEXED_TABLE : NK_INDEXED_AXIS;
  }
  return NK_INDEX_OUT_OF_RANGE;
}

// Rows of a table by index. Table and indices may be shared by the lanes or belong to each.
static nk_status gather(const nk_instr *instr, const nk_frame *frame) {
  const nk_buffer *buffers = frame->program->buffers;
  const int64_t lanes = nk_frame_lanes(frame, instr->out[0]), rows = instr->u.gather.rows_per_lane;
  const int64_t bytes = instr->u.gather.width * nk_dtype_bytes(instr->dtype);
  const int64_t table_lane = buffers[instr->in[0]].has_lanes ? instr->u.gather.entries * bytes : 0;
  const int64_t index_lane = buffers[instr->in[1]].has_lanes ? rows : 0;
  const char *table = nk_frame_address(frame, instr->in[0]);
  const int32_t *index = (const int32_t *)nk_frame_address(frame, instr->in[1]);
  char *out = nk_frame_address(frame, instr->out[0]);
  for (int64_t lane = 0; lane < lanes; lane++, table += table_lane, index += index_lane)
    for (int64_t r = 0; r < rows; r++, out += bytes) {
      if (index[r] < 0 || index[r] >= instr->u.gather.entries)
        return nk_bad_index(instr, frame, (index_lane ? lane * rows : 0) + r, index[r]);
      memcpy(out, table + index[r] * bytes, (size_t)bytes);
    }
  return NK_SUCCESS;
}

// The transpose of gather. Rows are added in order, so repeated indices have fixed bits.
static nk_status scatter_add(const nk_instr *instr, const nk_frame *frame, const nk_kernels *k) {
  const nk_buffer *buffers = frame->program->buffers;
  const int64_t lanes = nk_frame_lanes(frame, instr->in[0]), rows = instr->u.gather.rows_per_lane;
  const int64_t width = instr->u.gather.width, bytes = width * nk_dtype_bytes(instr->dtype);
  const int64_t table_bytes = instr->u.gather.entries * bytes;
  const int64_t index_lane = buffers[instr->in[1]].has_lanes ? rows : 0;
  const int per_lane = buffers[instr->out[0]].has_lanes;
  const double scale = result_scale(frame, instr->out[0]);
  const char *row = nk_frame_address(frame, instr->in[0]);
  const int32_t *index = (const int32_t *)nk_frame_address(frame, instr->in[1]);
  char *table = nk_frame_address(frame, instr->out[0]);
  if (!adds(frame, instr->out[0])) memset(table, 0, (size_t)(table_bytes * (per_lane ? lanes : 1)));
  for (int64_t lane = 0; lane < lanes; lane++, index += index_lane, table += per_lane ? table_bytes : 0)
    for (int64_t r = 0; r < rows; r++, row += bytes) {
      if (index[r] < 0 || index[r] >= instr->u.gather.entries)
        return nk_bad_index(instr, frame, (index_lane ? lane * rows : 0) + r, index[r]);
      k->axpby(table + index[r] * bytes, row, scale, 1, (ptrdiff_t)width);
    }
  return NK_SUCCESS;
}

// --- Conversions
// --------------------------------------------------------------------------------------------------
#define CONVERT(FROM, TO)                                                                                    \
  do {                                                                                                       \
    const FROM *x = from;                                                                                    \
    TO *y = to;                                                                                              \
    for (int64_t i = 0; i < n; i++) y[i] = (TO)x[i];                                                         \
  } while (0)
// A value that no int32 holds (NaN included) would be undefined behaviour in C: it saturates, NaN gives 0.
static int32_t to_int(double x) {
  if (x != x) return 0;
  return x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : (int32_t)x;
}
static void convert(nk_dtype from_type, const void *from, nk_dtype to_type, void *to, int64_t n) {
  if (from_type == to_type) {
    memcpy(to, from, (size_t)(n * nk_dtype_bytes(to_type)));
  } else if (to_type == NK_I32) {
    for (int64_t i = 0; i < n; i++)
      ((int32_t *)to)[i] = to_int(from_type == NK_F64 ? ((const double *)from)[i] : ((const float *)from)[i]);
  } else if (from_type == NK_I32) {
    if (to_type == NK_F64)
      CONVERT(int32_t, double);
    else
      CONVERT(int32_t, float);
  } else if (to_type == NK_F64) {
    CONVERT(float, double);
  } else {
    CONVERT(double, float);
  }
}
#undef CONVERT

static void fill(const nk_instr *instr, const nk_frame *frame) {
  const int64_t n = nk_frame_lanes(frame, instr->out[0]) * instr->u.fill.count;
  void *out = nk_frame_address(frame, instr->out[0]);
  if (instr->dtype != NK_I32) {
    nk_kernels_get(instr->dtype)->fill(out, instr->u.fill.value, (ptrdiff_t)n);
    return;
  }
  for (int64_t i = 0; i < n; i++) ((int32_t *)out)[i] = to_int(instr->u.fill.value);
}

static void random_fill(const nk_instr *instr, const nk_frame *frame) {
  const int per_lane = frame->program->buffers[instr->out[0]].has_lanes;
  const int64_t count = instr->u.random.count, n = nk_frame_lanes(frame, instr->out[0]) * count;
  const uint64_t first = (uint64_t)((per_lane ? frame->lane0 : 0) * count);
  const uint32_t *key = (const uint32_t *)nk_frame_address(frame, instr->in[0]);
  void *out = nk_frame_address(frame, instr->out[0]);
  if (instr->u.random.normal)
    nk_random_normal(instr->dtype, key, first, out, n);
  else
    nk_random_uniform(instr->dtype, key, first, out, n);
}

nk_status nk_op_execute(const nk_instr *instr, const nk_frame *frame) {
  const nk_kernels *k = nk_kernels_get(instr->dtype);
  char *in[NK_MAX_IN], *out[NK_MAX_OUT];
  for (int i = 0; i < NK_MAX_IN; i++) in[i] = address_or_null(frame, instr->in[i]);
  for (int i = 0; i < NK_MAX_OUT; i++) out[i] = address_or_null(frame, instr->out[i]);
  const int32_t target = instr->out[0];
  const int64_t lanes = nk_frame_lanes(frame, target); // of a result per lane
  const int64_t in_lanes =
      nk_frame_lanes(frame, instr->in[0] < 0 ? target : instr->in[0]); // of a sum over lanes
  const int add = adds(frame, target);
  char *scratch = frame->block + instr->scratch;
  switch (instr->op) {
  case NK_OP_FILL:
    fill(instr, frame);
    return NK_SUCCESS;
  case NK_OP_RANDOM:
    random_fill(instr, frame);
    return NK_SUCCESS;
  case NK_OP_GATHER:
    return gather(instr, frame);
  case NK_OP_CUMULATIVE_SUM:
  case NK_OP_ARGSORT:
  case NK_OP_TAKE_ALONG:
  case NK_OP_ADD_ALONG:
    return nk_rowwise_execute(instr, frame);
  case NK_OP_CONVERT: {
    const nk_buffer *buffers = frame->program->buffers;
    convert(buffers[instr->in[0]].dtype, in[0], buffers[target].dtype, out[0],
            lanes * instr->u.convert.count);
    return NK_SUCCESS;
  }
  case NK_OP_INTERLEAVE: { // as bits: the kernel is that of any dtype with elements of this size
    const void *const columns[NK_MAX_IN] = {in[0], in[1], in[2], in[3]};
    nk_kernels_get(nk_dtype_bytes(instr->dtype) == 8 ? NK_F64 : NK_F32)
        ->interleave(out[0], columns, instr->u.interleave.columns, (ptrdiff_t)(lanes * instr->u.interleave.count));
    return NK_SUCCESS;
  }
  default:
    break;
  }
  if (!k) return NK_INVALID_ARGUMENT;
  switch (instr->op) {
  case NK_OP_REDUCE:
    k->reduce(instr->u.reduce.kind, in[0], out[0], lanes * instr->u.reduce.outer, instr->u.reduce.count,
              instr->u.reduce.inner, instr->u.reduce.scale, 0);
    return NK_SUCCESS;
  case NK_OP_REDUCE_LANES:
    k->reduce(instr->u.reduce.kind, in[0], out[0], 1,
              in_lanes * instr->u.reduce.outer * instr->u.reduce.count, instr->u.reduce.inner,
              instr->u.reduce.scale * result_scale(frame, target), add);
    return NK_SUCCESS;
  case NK_OP_PACK:
    k->pack(instr->u.pack.kind, in[0], out[0], instr->u.pack.k, instr->u.pack.n, &instr->u.pack.conv);
    return NK_SUCCESS;
  case NK_OP_MATMUL: {
    const nk_epilogue end = {in[2], in[3], instr->u.matmul.act, instr->u.matmul.factor};
    k->matmul(in[0], instr->u.matmul.k, in[1], &end, out[0], instr->u.matmul.n,
              lanes * instr->u.matmul.rows_per_lane, instr->u.matmul.k, instr->u.matmul.n, 1, 0);
    return NK_SUCCESS;
  }
  case NK_OP_MATMUL_OUTER: {
    const nk_outer_term terms[NK_OUTER_TERMS] = {{in[0], in[1]}, {in[2], in[3]}};
    k->matmul_outer(terms, outer_terms(instr), instr->u.matmul.k, instr->u.matmul.n, out[0], instr->u.matmul.n,
                    in_lanes * instr->u.matmul.rows_per_lane, instr->u.matmul.k, instr->u.matmul.n,
                    result_scale(frame, target), add, scratch);
    return NK_SUCCESS;
  }
  case NK_OP_CONV:
    k->conv(&instr->u.conv.geometry, in[0], in[1], in[2], out[0], lanes * instr->u.conv.images_per_lane,
            instr->u.conv.act, scratch);
    return NK_SUCCESS;
  case NK_OP_CONV_INPUT_GRADIENT:
    k->conv_input_gradient(&instr->u.conv.geometry, in[0], in[1], out[0],
                           lanes * instr->u.conv.images_per_lane, scratch);
    return NK_SUCCESS;
  case NK_OP_CONV_FILTER_GRADIENT:
    k->conv_filter_gradient(&instr->u.conv.geometry, in[0], in[1], out[0],
                            in_lanes * instr->u.conv.images_per_lane, result_scale(frame, target), add,
                            scratch);
    return NK_SUCCESS;
  case NK_OP_POOL:
    k->pool(&instr->u.pool.geometry, in[0], out[0], lanes * instr->u.pool.images_per_lane);
    return NK_SUCCESS;
  case NK_OP_POOL_GRADIENT:
    k->pool_gradient(&instr->u.pool.geometry, in[0], in[1], out[0], lanes * instr->u.pool.images_per_lane);
    return NK_SUCCESS;
  case NK_OP_GROUP_NORM:
    k->group_norm(in[0], out[0], out[1], lanes * instr->u.norm.images_per_lane, instr->u.norm.positions,
                  instr->u.norm.channels, instr->u.norm.groups, instr->u.norm.eps);
    return NK_SUCCESS;
  case NK_OP_GROUP_NORM_GRADIENT:
    k->group_norm_gradient(in[0], in[1], in[2], out[0], lanes * instr->u.norm.images_per_lane,
                           instr->u.norm.positions, instr->u.norm.channels, instr->u.norm.groups);
    return NK_SUCCESS;
  case NK_OP_SOFTMAX_XENT:
    k->softmax_cross_entropy(in[0], (const int32_t *)in[1], out[0], lanes * instr->u.softmax.rows_per_lane,
                             instr->u.softmax.classes);
    return NK_SUCCESS;
  case NK_OP_SOFTMAX_XENT_GRADIENT:
    k->softmax_cross_entropy_gradient(in[0], (const int32_t *)in[1], in[2], out[0],
                                      lanes * instr->u.softmax.rows_per_lane, instr->u.softmax.classes);
    return NK_SUCCESS;
  case NK_OP_SCATTER_ADD:
    return scatter_add(instr, frame, k);
  default:
    return NK_INVALID_ARGUMENT;
  }
}
