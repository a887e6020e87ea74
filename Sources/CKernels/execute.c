// Runs regions: one instruction after another on a block of lanes, and blocks on threads.
#include <stdatomic.h>
#include <string.h>
#include "nk_internal.h"

static const nk_buffer *buffer(const nk_frame *f, int32_t id) { return &f->program->buffers[id]; }

// Where an instruction that may accumulate adds to; the scale is 1 outside of accumulators.
static int32_t accumulates(const nk_frame *f, int32_t id) { return buffer(f, id)->space == NK_SPACE_ACC; }
static double scale_of(const nk_frame *f, int32_t id) { return accumulates(f, id) ? f->acc_scale : 1; }

static void reduce(const nk_frame *f, const nk_instr *i, const nk_kernels *k) {
  const int acc = accumulates(f, i->out[0]);
  const double scale = i->u.reduce.scale * scale_of(f, i->out[0]);
  const char *x = nk_frame_address(f, i->in[0]);
  char *out = nk_frame_address(f, i->out[0]);
  if (i->op == NK_OP_REDUCE)
    k->reduce(i->u.reduce.kind, x, out, f->lanes * i->u.reduce.outer, i->u.reduce.count, i->u.reduce.inner, scale, 0);
  else
    k->reduce(i->u.reduce.kind, x, out, 1, f->lanes * i->u.reduce.outer * i->u.reduce.count, i->u.reduce.inner, scale, acc);
}

static void convert(const void *from, nk_dtype a, void *to, nk_dtype b, int64_t n) {
  if (a == b) {
    memcpy(to, from, (size_t)(n * nk_dtype_bytes(a)));
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    const double x = a == NK_F32   ? (double)((const float *)from)[i]
                     : a == NK_F64 ? ((const double *)from)[i]
                                   : (double)((const int32_t *)from)[i];
    if (b == NK_F32) ((float *)to)[i] = (float)x;
    else if (b == NK_F64) ((double *)to)[i] = x;
    else ((int32_t *)to)[i] = x != x ? 0 : x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : (int32_t)x;
  }
}

// Indices outside of the table read zeros and write nowhere: data cannot make a run touch foreign memory.
static void gather(const nk_frame *f, const nk_instr *i) {
  const int64_t rows = f->lanes * i->u.gather.rows_per_lane, bytes = i->u.gather.width * nk_dtype_bytes(i->dtype);
  const char *table = nk_frame_address(f, i->in[0]);
  const int32_t *index = (const int32_t *)nk_frame_address(f, i->in[1]);
  char *out = nk_frame_address(f, i->out[0]);
  for (int64_t r = 0; r < rows; r++) {
    if (index[r] >= 0 && index[r] < i->u.gather.entries) memcpy(out + r * bytes, table + index[r] * bytes, (size_t)bytes);
    else memset(out + r * bytes, 0, (size_t)bytes);
  }
}

static void scatter_add(const nk_frame *f, const nk_instr *i, const nk_kernels *k) {
  const int64_t rows = f->lanes * i->u.gather.rows_per_lane, width = i->u.gather.width;
  const int64_t bytes = width * nk_dtype_bytes(i->dtype);
  const char *x = nk_frame_address(f, i->in[0]);
  const int32_t *index = (const int32_t *)nk_frame_address(f, i->in[1]);
  char *out = nk_frame_address(f, i->out[0]);
  const double scale = scale_of(f, i->out[0]);
  if (!accumulates(f, i->out[0])) memset(out, 0, (size_t)(i->u.gather.entries * bytes));
  for (int64_t r = 0; r < rows; r++)
    if (index[r] >= 0 && index[r] < i->u.gather.entries)
      k->axpby(out + index[r] * bytes, x + r * bytes, scale, 1, width);
}

static void matmul_outer(const nk_frame *f, const nk_instr *i, const nk_kernels *k) {
  const int64_t rows = f->lanes * i->u.matmul.rows_per_lane, kk = i->u.matmul.k, n = i->u.matmul.n;
  k->matmul_outer(nk_frame_address(f, i->in[0]), kk, nk_frame_address(f, i->in[1]), n, nk_frame_address(f, i->out[0]), n,
                  rows, kk, n, scale_of(f, i->out[0]), accumulates(f, i->out[0]), f->block + i->scratch);
}

int64_t nk_instr_scratch_bytes(const nk_instr *i, int64_t lanes) {
  switch (i->op) {
  case NK_OP_EWISE: return nk_ewise_scratch_bytes(&i->u.ewise);
  case NK_OP_MATMUL_OUTER:
    return nk_kernels_get(i->dtype)->matmul_outer_scratch(lanes * i->u.matmul.rows_per_lane, i->u.matmul.k, i->u.matmul.n);
  case NK_OP_MATMUL_BATCHED: return nk_batched_scratch_bytes(i);
  case NK_OP_CONV:
  case NK_OP_CONV_INPUT_GRADIENT:
  case NK_OP_CONV_FILTER_GRADIENT:
    return nk_kernels_get(i->dtype)->conv_scratch(&i->u.conv.geometry, lanes * i->u.conv.images_per_lane);
  default: return 0;
  }
}

static nk_status execute(const nk_frame *f, const nk_instr *i) {
  const nk_kernels *k = nk_kernels_get(i->dtype == NK_I32 ? NK_F32 : i->dtype);
  char *scratch = f->block + i->scratch;
#define IN(n) (i->in[n] < 0 ? NULL : (const void *)nk_frame_address(f, i->in[n]))
#define OUT(n) (i->out[n] < 0 ? NULL : (void *)nk_frame_address(f, i->out[n]))
  switch (i->op) {
  case NK_OP_EWISE: nk_ewise_execute(f, i); break;
  case NK_OP_COPY: nk_copy_execute(f, i); break;
  case NK_OP_FILL:
    if (i->dtype == NK_I32) {
      int32_t *out = OUT(0);
      for (int64_t j = 0; j < f->lanes * i->u.fill.count; j++) out[j] = (int32_t)i->u.fill.value;
    } else {
      k->fill(OUT(0), i->u.fill.value, f->lanes * i->u.fill.count);
    }
    break;
  case NK_OP_REDUCE:
  case NK_OP_REDUCE_LANES: reduce(f, i, k); break;
  case NK_OP_PACK:
    k->pack(i->u.pack.kind, IN(0), OUT(0), i->u.pack.k, i->u.pack.n, &i->u.pack.conv);
    break;
  case NK_OP_MATMUL:
    k->matmul(IN(0), i->u.matmul.k, IN(1), IN(2), OUT(0), i->u.matmul.n, f->lanes * i->u.matmul.rows_per_lane,
              i->u.matmul.k, i->u.matmul.n, i->u.matmul.act, 1, 0);
    break;
  case NK_OP_MATMUL_OUTER: matmul_outer(f, i, k); break;
  case NK_OP_MATMUL_BATCHED: nk_batched_execute(f, i); break;
  case NK_OP_CONV:
    k->conv(&i->u.conv.geometry, IN(0), IN(1), IN(2), OUT(0), f->lanes * i->u.conv.images_per_lane, i->u.conv.act, scratch);
    break;
  case NK_OP_CONV_INPUT_GRADIENT:
    k->conv_input_gradient(&i->u.conv.geometry, IN(0), IN(1), OUT(0), f->lanes * i->u.conv.images_per_lane, scratch);
    break;
  case NK_OP_CONV_FILTER_GRADIENT:
    k->conv_filter_gradient(&i->u.conv.geometry, IN(0), IN(1), OUT(0), f->lanes * i->u.conv.images_per_lane,
                            scale_of(f, i->out[0]), accumulates(f, i->out[0]), scratch);
    break;
  case NK_OP_POOL: k->pool(&i->u.pool.geometry, IN(0), OUT(0), f->lanes * i->u.pool.images_per_lane); break;
  case NK_OP_POOL_GRADIENT:
    k->pool_gradient(&i->u.pool.geometry, IN(0), IN(1), OUT(0), f->lanes * i->u.pool.images_per_lane);
    break;
  case NK_OP_GROUP_NORM:
    k->group_norm(IN(0), OUT(0), OUT(1), f->lanes * i->u.norm.images_per_lane, i->u.norm.positions,
                  i->u.norm.channels, i->u.norm.groups, i->u.norm.eps);
    break;
  case NK_OP_GROUP_NORM_GRADIENT:
    k->group_norm_gradient(IN(0), IN(1), IN(2), OUT(0), f->lanes * i->u.norm.images_per_lane, i->u.norm.positions,
                           i->u.norm.channels, i->u.norm.groups);
    break;
  case NK_OP_SOFTMAX_XENT:
    k->softmax_cross_entropy(IN(0), IN(1), OUT(0), f->lanes * i->u.softmax.rows_per_lane, i->u.softmax.classes);
    break;
  case NK_OP_SOFTMAX_XENT_GRADIENT:
    k->softmax_cross_entropy_gradient(IN(0), IN(1), IN(2), OUT(0), f->lanes * i->u.softmax.rows_per_lane,
                                      i->u.softmax.classes);
    break;
  case NK_OP_GATHER: gather(f, i); break;
  case NK_OP_SCATTER_ADD: scatter_add(f, i, k); break;
  case NK_OP_RANDOM: {
    uint32_t key[2];
    memcpy(key, IN(0), sizeof key);
    const int64_t n = f->lanes * i->u.random.count;
    const uint64_t first = (uint64_t)(f->lane0 * i->u.random.count);
    if (i->u.random.normal) nk_random_normal(i->dtype, key, first, OUT(0), n);
    else nk_random_uniform(i->dtype, key, first, OUT(0), n);
    break;
  }
  case NK_OP_CONVERT:
    convert(IN(0), buffer(f, i->in[0])->dtype, OUT(0), buffer(f, i->out[0])->dtype, f->lanes * i->u.convert.count);
    break;
  case NK_OP_ODE:
  case NK_OP_ODE_GRADIENT: return nk_ode_execute(i, f, f->nested);
  }
#undef IN
#undef OUT
  return NK_SUCCESS;
}

nk_status nk_frame_execute(const nk_frame *frame, const nk_region *region) {
  for (int32_t n = 0; n < region->count; n++) {
    const nk_instr *instr = &frame->program->instrs[region->first + n];
    nk_status status;
    if (instr->once) {
      nk_frame whole = *frame;
      whole.lanes = 1;
      whole.lane0 = 0;
      status = execute(&whole, instr);
    } else {
      status = execute(frame, instr);
    }
    if (status != NK_SUCCESS) {
      if (frame->diagnosis) {
        frame->diagnosis->status = status;
        frame->diagnosis->instr = region->first + n;
      }
      return status;
    }
  }
  return NK_SUCCESS;
}

void nk_accumulators_clear(char *acc, int64_t bytes) { memset(acc, 0, (size_t)bytes); }

void nk_accumulators_combine(const nk_region *region, char *acc, int64_t stride, int32_t groups) {
  for (int32_t step = 1; step < groups; step *= 2)
    for (int32_t g = 0; g + step < groups; g += 2 * step)
      for (int32_t a = 0; a < region->acc_count; a++) {
        const nk_accumulator *piece = &region->acc[a];
        nk_kernels_get(piece->dtype)
            ->axpby(acc + g * stride + piece->offset, acc + (g + step) * stride + piece->offset, 1, 1, piece->count);
      }
}

// --- A whole run ------------------------------------------------------------------------------------------------

// The one place that knows how a run's workspace is laid out.
struct layout {
  int64_t arena, acc, acc_stride, block, block_stride, residual, residual_stride, nested, total;
};

static struct layout layout_of(const nk_program *p, int32_t threads) {
  struct layout l = {0};
  int64_t groups = 1, nested = 0;
  for (int32_t r = 0; r < p->region_count; r++) {
    if (p->regions[r].groups > groups) groups = p->regions[r].groups;
    if (p->regions[r].kind != NK_REGION_SERIAL) continue;
    for (int32_t n = 0; n < p->regions[r].count; n++) {
      const nk_instr *i = &p->instrs[p->regions[r].first + n];
      if (i->op != NK_OP_ODE && i->op != NK_OP_ODE_GRADIENT) continue;
      const int64_t bytes = nk_ode_workspace_bytes(i->u.ode, i->op, threads);
      if (bytes > nested) nested = bytes;
    }
  }
  l.acc_stride = nk_align(p->acc_bytes);
  l.block_stride = nk_align(p->block_bytes);
  l.residual_stride = nk_align(p->residual_bytes);
  l.acc = nk_align(p->arena_bytes);
  l.block = l.acc + groups * l.acc_stride;
  l.residual = l.block + threads * l.block_stride;
  l.nested = l.residual + threads * l.residual_stride;
  l.total = l.nested + nk_align(nested);
  return l;
}

int64_t nk_program_workspace_bytes(const nk_program *program, int32_t threads) { return layout_of(program, threads).total; }

struct region_run {
  const nk_frame *frame;
  const nk_region *region;
  const struct layout *layout;
  int64_t blocks;
};

static void run_block(const struct region_run *run, int64_t block, int32_t group, int32_t worker) {
  nk_frame frame = *run->frame;
  const nk_region *region = run->region;
  frame.block += worker * run->layout->block_stride;
  frame.residual += worker * run->layout->residual_stride;
  frame.acc += group * run->layout->acc_stride;
  frame.pool = NULL;
  frame.lane0 = block * region->block_lanes;
  frame.lanes = region->lanes - frame.lane0 < region->block_lanes ? region->lanes - frame.lane0 : region->block_lanes;
  // Instructions of a block cannot fail: solves stand in SERIAL regions.
  (void)nk_frame_execute(&frame, region);
}

static void run_one_block(void *context, int64_t index, int32_t worker) { run_block(context, index, 0, worker); }

static void run_one_group(void *context, int64_t index, int32_t worker) {
  const struct region_run *run = context;
  const nk_region *region = run->region;
  nk_accumulators_clear(run->frame->acc + index * run->layout->acc_stride, region->acc_bytes);
  const int64_t first = run->blocks * index / region->groups, last = run->blocks * (index + 1) / region->groups;
  for (int64_t block = first; block < last; block++) run_block(run, block, (int32_t)index, worker);
}

static void run_lanes(const nk_frame *frame, const nk_region *region, const struct layout *layout) {
  struct region_run run = {frame, region, layout, (region->lanes + region->block_lanes - 1) / region->block_lanes};
  if (region->acc_count == 0) {
    nk_pool_run(frame->pool, run.blocks, run_one_block, &run);
    return;
  }
  nk_pool_run(frame->pool, region->groups, run_one_group, &run);
  nk_accumulators_combine(region, frame->acc, layout->acc_stride, region->groups);
  for (int32_t a = 0; a < region->acc_count; a++) {
    const nk_accumulator *piece = &region->acc[a];
    memcpy(nk_frame_address(frame, piece->buffer), frame->acc + piece->offset,
           (size_t)(piece->count * nk_dtype_bytes(piece->dtype)));
  }
}

nk_status nk_program_run(const nk_program *program, void *const *args, void *workspace, nk_pool *pool,
                         nk_diagnosis *diagnosis) {
  const struct layout layout = layout_of(program, nk_pool_threads(pool));
  char *base = workspace;
  nk_frame frame = {.program = program,
                    .args = args,
                    .arena = base,
                    .acc = base + layout.acc,
                    .block = base + layout.block,
                    .residual = base + layout.residual,
                    .nested = base + layout.nested,
                    .lane0 = 0,
                    .lanes = 1,
                    .acc_scale = 1,
                    .pool = pool,
                    .diagnosis = diagnosis};
  for (int32_t r = 0; r < program->region_count; r++) {
    const nk_region *region = &program->regions[r];
    if (region->kind == NK_REGION_LANES) {
      run_lanes(&frame, region, &layout);
    } else {
      const nk_status status = nk_frame_execute(&frame, region);
      if (status != NK_SUCCESS) return status;
    }
  }
  return NK_SUCCESS;
}
