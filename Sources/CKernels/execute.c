// The executor: regions, blocks of lanes, groups of accumulators.
#include <stdatomic.h>
#include <string.h>
#include "nk_internal.h"
#include "nk_ode.h"
#include "nk_scan.h"

nk_layout nk_program_layout(const nk_program *program, int32_t threads) {
  int64_t groups = 1, nested = 0;
  for (int32_t r = 0; r < program->region_count; r++) groups = nk_max(groups, program->regions[r].groups);
  for (int32_t i = 0; i < program->instr_count; i++) {
    const nk_instr *instr = &program->instrs[i];
    if (instr->op == NK_OP_ODE || instr->op == NK_OP_ODE_GRADIENT)
      nested = nk_max(nested, nk_ode_workspace_bytes(instr->u.ode, instr->op, threads));
    if (instr->op == NK_OP_SCAN) nested = nk_max(nested, nk_scan_workspace_bytes(instr->u.scan, threads));
  }
  nk_layout layout = {.acc_stride = nk_align(program->acc_bytes),
                      .block_stride = nk_align(program->block_bytes),
                      .residual_stride = nk_align(program->residual_bytes)};
  layout.acc = layout.arena + nk_align(program->arena_bytes);
  layout.block = layout.acc + groups * layout.acc_stride;
  layout.residual = layout.block + threads * layout.block_stride;
  layout.nested = layout.residual + threads * layout.residual_stride;
  layout.total = layout.nested + nk_align(nested);
  return layout;
}

int64_t nk_program_workspace_bytes(const nk_program *program, int32_t threads) {
  return nk_program_layout(program, threads).total;
}

nk_frame nk_run_frame(const nk_run *run, int32_t worker, int64_t group) {
  const nk_layout *layout = &run->layout;
  return (nk_frame){.program = run->program,
                    .args = run->args,
                    .arena = run->workspace + layout->arena,
                    .block = run->workspace + layout->block + worker * layout->block_stride,
                    .acc = run->workspace + layout->acc + group * layout->acc_stride,
                    .residual = run->workspace + layout->residual + worker * layout->residual_stride,
                    .nested = run->workspace + layout->nested,
                    .lanes = 1,
                    .acc_scale = 1,
                    .watch = run->watch,
                    .worker = worker};
}

static inline nk_status dispatch(const nk_instr *instr, const nk_frame *frame) {
  switch (instr->op) {
  case NK_OP_EWISE:
    return nk_ewise_execute(instr, frame);
  case NK_OP_COPY:
    return nk_copy_execute(instr, frame);
  case NK_OP_MATMUL_BATCHED:
    return nk_batched_execute(instr, frame);
  case NK_OP_LU:
  case NK_OP_LU_SOLVE:
  case NK_OP_LU_DETERMINANT:
  case NK_OP_CHOLESKY:
  case NK_OP_TRIANGULAR_SOLVE:
  case NK_OP_QR:
  case NK_OP_SYMMETRIC_EIGEN:
    return nk_matrix_execute(instr, frame);
  case NK_OP_SCAN:
    return nk_scan_execute(instr->u.scan, frame, frame->nested);
  case NK_OP_ODE:
  case NK_OP_ODE_GRADIENT:
    return nk_ode_execute(instr, frame, frame->nested);
  default:
    return nk_op_execute(instr, frame);
  }
}

nk_status nk_instr_execute(const nk_instr *instr, const nk_frame *frame) {
  return dispatch(instr, frame);
}

nk_status nk_frame_execute(const nk_frame *frame, const nk_region *region) {
  if (frame->watch) return frame->watch->execute(frame->watch, frame, region);
  const nk_instr *instr = frame->program->instrs + region->first;
  for (int32_t i = 0; i < region->count; i++, instr++) {
    const nk_status status = dispatch(instr, frame);
    if (status != NK_SUCCESS) {
      if (frame->diagnosis) {
        frame->diagnosis->status = status;
        frame->diagnosis->instr = region->first + i;
      }
      return status;
    }
  }
  return NK_SUCCESS;
}

// --- Accumulators
// -------------------------------------------------------------------------------------------------
// What a thread takes at once, in elements; and in bytes what all groups of a piece may have, so that it stays
// in the first-level cache between the levels of the tree and until it is stored.
enum { COMBINE_CHUNK = 2048, COMBINE_BYTES = 16 << 10 };

typedef struct combine_job {
  const nk_region *region;
  char *acc;
  int64_t stride, groups;
  const nk_frame *frame; // where the sums are stored, or NULL
} combine_job;

static void combine_piece(const combine_job *job, const nk_accumulator *piece, int64_t first, int64_t n) {
  const nk_kernels *k = nk_kernels_get(piece->dtype);
  const int64_t size = nk_dtype_bytes(piece->dtype);
  char *base = job->acc + piece->offset + first * size;
  for (int64_t step = 1; step < job->groups; step *= 2)
    for (int64_t g = 0; g + step < job->groups; g += 2 * step)
      k->axpby(base + g * job->stride, base + (g + step) * job->stride, 1, 1, n);
  if (!job->frame) return;
  memcpy(nk_frame_address(job->frame, piece->buffer) + first * size, base, (size_t)(n * size));
}

// The tree is over groups only, so elements can be cut into chunks at will.
static void combine_chunk(void *context, int64_t index, int32_t worker) {
  const combine_job *job = context;
  (void)worker;
  for (int32_t p = 0; p < job->region->acc_count; p++) {
    const nk_accumulator *piece = &job->region->acc[p];
    const int64_t chunks = nk_block_count(piece->count, COMBINE_CHUNK);
    if (index >= chunks) {
      index -= chunks;
      continue;
    }
    const int64_t together = nk_max(64, COMBINE_BYTES / (job->groups * nk_dtype_bytes(piece->dtype)));
    const int64_t end = nk_min((index + 1) * COMBINE_CHUNK, piece->count);
    for (int64_t first = index * COMBINE_CHUNK; first < end; first += together)
      combine_piece(job, piece, first, nk_min(together, end - first));
    return;
  }
}

void nk_accumulators_combine(const nk_region *region, char *acc, int64_t stride, int64_t groups,
                             const nk_frame *frame, nk_pool *pool) {
  combine_job job = {.region = region, .acc = acc, .stride = stride, .groups = groups, .frame = frame};
  if (groups == 1 && !frame) return;
  int64_t chunks = 0;
  for (int32_t p = 0; p < region->acc_count; p++)
    chunks += nk_block_count(region->acc[p].count, COMBINE_CHUNK);
  nk_pool_run(pool, chunks, combine_chunk, &job);
}

// --- LANES regions
// ------------------------------------------------------------------------------------------------
typedef struct lanes_job {
  const nk_run *run;
  const nk_region *region;
  int64_t lanes, blocks, groups;
  atomic_flag busy; // whoever sets it may touch what follows
  int64_t failed;   // the first block in order that failed; `blocks`: none
  nk_diagnosis what;
} lanes_job;

static int run_block(lanes_job *job, nk_frame *frame, int64_t block) {
  frame->lane0 = nk_block_first(block, job->lanes, job->region->block_lanes);
  frame->lanes = nk_block_first(block + 1, job->lanes, job->region->block_lanes) - frame->lane0;
  nk_diagnosis what = {.lane = -1, .component = -1};
  frame->diagnosis = &what;
  if (nk_frame_execute(frame, job->region) == NK_SUCCESS) return 1;
  while (atomic_flag_test_and_set(&job->busy)) {
  }
  if (block < job->failed) {
    job->failed = block;
    job->what = what;
  }
  atomic_flag_clear(&job->busy);
  return 0;
}

static void run_one_block(void *context, int64_t index, int32_t worker) {
  lanes_job *job = context;
  nk_frame frame = nk_run_frame(job->run, worker, 0);
  run_block(job, &frame, index);
}

static void run_one_group(void *context, int64_t index, int32_t worker) {
  lanes_job *job = context;
  nk_frame frame = nk_run_frame(job->run, worker, index);
  const int64_t first = nk_group_first(index, job->groups, job->blocks);
  const int64_t end = nk_group_first(index + 1, job->groups, job->blocks);
  // Zeroing them and reading zeros is a share of a small network's training step that can be seen.
  frame.acc_fresh = job->region->acc_overwritten && first < end;
  if (!frame.acc_fresh) memset(frame.acc, 0, (size_t)job->region->acc_bytes);
  for (int64_t b = first; b < end; b++) {
    if (!run_block(job, &frame, b)) return;
    frame.acc_fresh = 0;
  }
}

static nk_status run_lanes(const nk_run *run, const nk_region *region) {
  lanes_job job = {.run = run,
                   .region = region,
                   .lanes = run->lanes > 0 ? run->lanes : region->lanes,
                   .busy = ATOMIC_FLAG_INIT};
  job.blocks = nk_block_count(job.lanes, region->block_lanes);
  job.groups = nk_max(1, nk_min(region->groups, job.blocks));
  job.failed = job.blocks;
  if (region->acc_count > 0)
    nk_pool_run(run->pool, job.groups, run_one_group, &job);
  else
    nk_pool_run(run->pool, job.blocks, run_one_block, &job);
  if (job.failed < job.blocks) {
    if (run->diagnosis) *run->diagnosis = job.what;
    return job.what.status;
  }
  if (region->acc_count == 0) return NK_SUCCESS;
  const nk_frame frame = nk_run_frame(run, 0, 0);
  nk_accumulators_combine(region, frame.acc, run->layout.acc_stride, job.groups, &frame, run->pool);
  return NK_SUCCESS;
}

nk_status nk_run_regions(const nk_run *run, int32_t first, int32_t count) {
  for (int32_t r = first; r < first + count; r++) {
    const nk_region *region = &run->program->regions[r];
    nk_status status;
    if (region->kind == NK_REGION_LANES) {
      status = run_lanes(run, region);
    } else {
      nk_frame frame = nk_run_frame(run, 0, 0);
      frame.pool = run->pool;
      frame.diagnosis = run->diagnosis;
      status = nk_frame_execute(&frame, region);
    }
    if (status != NK_SUCCESS) return status;
  }
  return NK_SUCCESS;
}

nk_status nk_program_run(const nk_program *program, void *const *args, void *workspace, nk_pool *pool,
                         nk_diagnosis *diagnosis) {
  const nk_run run = {.program = program,
                      .args = args,
                      .workspace = workspace,
                      .layout = nk_program_layout(program, nk_pool_threads(pool)),
                      .pool = pool,
                      .diagnosis = diagnosis};
  return nk_run_regions(&run, 0, program->region_count);
}
