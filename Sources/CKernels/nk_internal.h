// Private to the executor and the solvers: how a run's memory is laid out and how regions are run.
#ifndef NK_INTERNAL_H
#define NK_INTERNAL_H

#include "nk_program.h"

static inline int64_t nk_align(int64_t bytes) {
  return (bytes + 63) & ~(int64_t)63;
}
static inline int64_t nk_min(int64_t a, int64_t b) {
  return a < b ? a : b;
}
static inline int64_t nk_max(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Where the pieces of a run's workspace are, in bytes from its start:
// [arena][groups x accumulators][threads x block scratch][threads x residuals][workspace of nested solves]
typedef struct nk_layout {
  int64_t arena, acc, block, residual, nested, total;
  int64_t acc_stride, block_stride, residual_stride;
} nk_layout;
nk_layout nk_program_layout(const nk_program *program, int32_t threads);

// One run of a program. `lanes` > 0 takes the place of the LANES regions' own count.
typedef struct nk_run {
  const nk_program *program;
  void *const *args;
  char *workspace;
  nk_layout layout; // of the workspace, for as many threads as the pool has
  nk_pool *pool;
  int64_t lanes;
  nk_diagnosis *diagnosis;
  nk_watch *watch;
} nk_run;
nk_status nk_run_regions(const nk_run *run, int32_t first, int32_t count);
// The frame of one worker and one group of accumulators, without lanes.
nk_frame nk_run_frame(const nk_run *run, int32_t worker, int64_t group);

// Adds accumulator sets 1..<groups (each `stride` bytes after the other) to set 0 by a fixed pairwise tree;
// then stores set 0 to the region's buffers where there is a frame to find them.
void nk_accumulators_combine(const nk_region *region, char *acc, int64_t stride, int64_t groups,
                             const nk_frame *frame, nk_pool *pool);

// Block and group arithmetic: group g of a loop over `blocks` walks [nk_group_first(g), nk_group_first(g +
// 1)).
static inline int64_t nk_block_count(int64_t lanes, int64_t block_lanes) {
  return (lanes + block_lanes - 1) / block_lanes;
}
// The first lane of a block; `block` may be their number. Blocks of whole tiles have about as many lanes
// each: a last one of a few rows would walk through the weights for next to nothing, and leave a thread without
// work. Others (of elements) are as large as they may be.
static inline int64_t nk_block_first(int64_t block, int64_t lanes, int64_t block_lanes) {
  if (block_lanes % NK_TILE_ROWS != 0) return nk_min(block * block_lanes, lanes);
  const int64_t tiles = nk_block_count(lanes, NK_TILE_ROWS), blocks = nk_block_count(lanes, block_lanes);
  return nk_min(tiles * block / blocks * NK_TILE_ROWS, lanes);
}
static inline int64_t nk_group_first(int64_t group, int64_t groups, int64_t blocks) {
  return group * blocks / groups;
}

// Lanes that an instruction sees through a buffer: the block's, or 1 where the buffer is shared by all lanes.
static inline int64_t nk_frame_lanes(const nk_frame *frame, int32_t buffer) {
  return frame->program->buffers[buffer].has_lanes ? frame->lanes : 1;
}

nk_status nk_instr_execute(const nk_instr *instr, const nk_frame *frame); // for watches
nk_status nk_ewise_execute(const nk_instr *instr, const nk_frame *frame);
int64_t nk_ewise_scratch(const nk_instr *instr, int64_t lanes);
nk_status nk_copy_execute(const nk_instr *instr, const nk_frame *frame);
nk_status nk_batched_execute(const nk_instr *instr, const nk_frame *frame);
int64_t nk_batched_scratch(const nk_instr *instr);
nk_status nk_matrix_execute(const nk_instr *instr, const nk_frame *frame);
int64_t nk_matrix_scratch(const nk_instr *instr);
nk_status nk_rowwise_execute(const nk_instr *instr, const nk_frame *frame);
int64_t nk_rowwise_scratch(const nk_instr *instr);
// Indices of one lane, of an instruction that has some.
static inline int64_t nk_indices_per_lane(const nk_instr *instr) {
  switch (instr->op) {
  case NK_OP_GATHER:
  case NK_OP_SCATTER_ADD:
    return instr->u.gather.rows_per_lane;
  case NK_OP_TAKE_ALONG:
  case NK_OP_ADD_ALONG:
    return instr->u.rowwise.rows_per_lane * instr->u.rowwise.n;
  default:
    return 0;
  }
}
// Says which index is bad, where there is somebody to tell: the one at `position` of the block's indices.
nk_status nk_bad_index(const nk_instr *instr, const nk_frame *frame, int64_t position, int32_t index);
nk_status nk_op_execute(const nk_instr *instr, const nk_frame *frame);

// Axes of a walk over one or two strided operands: extent-1 axes dropped, neighbours merged where every
// operand sees them as one. At least one axis after the last push.
typedef struct nk_axes {
  int32_t count;
  int64_t extent[NK_MAX_RANK + 1];
  int64_t stride[2][NK_MAX_RANK + 1];
} nk_axes;
// Pushes the next inner axis.
static inline void nk_axes_push(nk_axes *axes, int64_t extent, int64_t stride0, int64_t stride1) {
  const int32_t last = axes->count - 1;
  if (extent == 1 && axes->count > 0) return;
  if (axes->count > 0 && axes->extent[last] == 1)
    axes->count = last; // the placeholder of an extent-1 first axis
  const int32_t i = axes->count;
  if (i > 0 && axes->stride[0][i - 1] == extent * stride0 && axes->stride[1][i - 1] == extent * stride1) {
    axes->extent[i - 1] *= extent;
    axes->stride[0][i - 1] = stride0;
    axes->stride[1][i - 1] = stride1;
    return;
  }
  axes->extent[i] = extent;
  axes->stride[0][i] = stride0;
  axes->stride[1][i] = stride1;
  axes->count = i + 1;
}

#endif
