// Fused elementwise code: a register machine whose registers are tiles of elements, not elements.
//
// The index space [lanes, dims...] is walked flat, one tile after another; each operation of the code runs
// over the whole tile, so the cost of interpreting it (a few ns) is spread over hundreds of elements while
// every register stays in the first-level cache. Operands whose tile is contiguous in memory are read in
// place, others are gathered into scratch; results are computed in place in their buffer wherever nothing
// else still needs to read that memory. Elements do not depend on each other, so neither tile nor block
// boundaries show in the bits.
#include <string.h>
#include "nk_internal.h"

enum { L1_BYTES = 32 << 10, MAX_TILE_BYTES = 4096, REGISTER_PAD = 64 };

typedef enum operand_kind { IN_PLACE, SCALAR, PERIODIC, GATHERED } operand_kind;

typedef struct operand {
  operand_kind kind;
  const char *base;
  nk_axes axes;   // of the whole index space
  int64_t period; // PERIODIC: the tile is a multiple of it, so every tile has the same content
} operand;

static int64_t code_elements(const nk_ewise_code *code, int64_t lanes) {
  int64_t n = lanes;
  for (int32_t d = 0; d < code->rank; d++) n *= code->dims[d];
  return n;
}

// Elements of a tile: all registers fit the cache, a multiple of 64.
static int64_t tile_elements(const nk_ewise_code *code, int64_t size, int64_t lanes) {
  const int64_t registers = nk_max(code->register_count, 1);
  const int64_t bytes = nk_min(L1_BYTES / registers, MAX_TILE_BYTES) & ~(int64_t)255;
  return nk_min(bytes / size, (code_elements(code, lanes) + 63) & ~(int64_t)63);
}

int64_t nk_ewise_scratch(const nk_instr *instr, int64_t lanes) {
  const int64_t size = nk_dtype_bytes(instr->dtype);
  return instr->u.ewise.register_count * (tile_elements(&instr->u.ewise, size, lanes) * size + REGISTER_PAD);
}

// --- Gathering one tile
// -------------------------------------------------------------------------------------------
#define DEFINE_RUN(T, NAME, DTYPE)                                                                           \
  static void NAME(T *restrict dst, const T *restrict src, int64_t stride, int64_t n) {                      \
    if (stride == 0) {                                                                                       \
      const T value = *src;                                                                                  \
      for (int64_t i = 0; i < n; i++) dst[i] = value;                                                        \
    } else if (stride == 1) {                                                                                \
      if (n >= 32)                                                                                           \
        memcpy(dst, src, (size_t)n * sizeof(T));                                                             \
      else                                                                                                   \
        for (int64_t i = 0; i < n; i++) dst[i] = src[i];                                                     \
    } else if (n >= 32) {                                                                                    \
      nk_kernels_get(DTYPE)->pick(dst, src, (ptrdiff_t)stride, (ptrdiff_t)n);                                \
    } else {                                                                                                 \
      for (int64_t i = 0; i < n; i++) dst[i] = src[i * stride];                                              \
    }                                                                                                        \
  }
DEFINE_RUN(uint32_t, run32, NK_F32)
DEFINE_RUN(uint64_t, run64, NK_F64)
#undef DEFINE_RUN

static void copy_run(char *dst, const char *src, int64_t stride, int64_t n, int64_t size) {
  if (size == 8)
    run64((uint64_t *)dst, (const uint64_t *)src, stride, n);
  else
    run32((uint32_t *)dst, (const uint32_t *)src, stride, n);
}

// Elements [first, first + n) of the flat index space into dst: runs along the innermost axis, then the
// odometer.
static void gather(const operand *o, char *dst, int64_t first, int64_t n, int64_t size) {
  const nk_axes *axes = &o->axes;
  const int32_t inner = axes->count - 1;
  int64_t index[NK_MAX_RANK + 1], offset = 0, rest = first;
  for (int32_t d = inner; d >= 0; d--) {
    index[d] = rest % axes->extent[d];
    rest /= axes->extent[d];
    offset += index[d] * axes->stride[0][d];
  }
  const int64_t extent = axes->extent[inner], stride = axes->stride[0][inner];
  while (n > 0) {
    const int64_t run = nk_min(extent - index[inner], n);
    copy_run(dst, o->base + offset * size, stride, run, size);
    dst += run * size;
    n -= run;
    if (n == 0) return;
    offset -= index[inner] * stride;
    index[inner] = 0;
    for (int32_t d = inner - 1; d >= 0; d--) {
      offset += axes->stride[0][d];
      if (++index[d] < axes->extent[d]) break;
      offset -= axes->extent[d] * axes->stride[0][d];
      index[d] = 0;
    }
  }
}

// Fills the operand where it is, and of its axes only what there is: it is larger than the rows of small systems.
static void classify(operand *o, const nk_ewise_code *code, const nk_view *view, const nk_frame *frame,
                     int64_t lanes, int64_t size) {
  o->base = nk_frame_address(frame, view->buffer) + view->offset * size;
  o->axes.count = 0;
  nk_axes_push(&o->axes, lanes, view->lane_stride, 0);
  for (int32_t d = 0; d < code->rank; d++) nk_axes_push(&o->axes, code->dims[d], view->stride[d], 0);
  const int32_t inner = o->axes.count - 1;
  const int64_t extent = o->axes.extent[inner], stride = o->axes.stride[0][inner];
  if (inner == 0 && (stride == 0 || extent == 1))
    o->kind = SCALAR;
  else if (inner == 0 && stride == 1)
    o->kind = IN_PLACE;
  else
    o->kind = GATHERED;
  o->period = inner == 1 && o->axes.stride[0][0] == 0 ? extent : 0;
}

// --- The machine
// --------------------------------------------------------------------------------------------------
typedef struct machine {
  const nk_ewise_code *code;
  const nk_kernels *kernels;
  int64_t size, total, tile;
  operand operands[NK_VM_OPERANDS];
  char *output[NK_VM_REGISTERS];  // by output: its memory
  char *home[NK_VM_REGISTERS];    // by register: its scratch
  int8_t direct[NK_VM_REGISTERS]; // by register: the output computed in place, or -1
  char *at[NK_VM_REGISTERS];      // by register: the current tile
} machine;

static int overlaps(const char *a, int64_t a_bytes, const char *b, int64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

// A temporary is computed straight in its output's memory, unless that memory is (in place) also read: an
// operand must keep its value until its last reader, and the register may hold an intermediate first.
static void choose_direct_outputs(machine *m) {
  const nk_ewise_code *code = m->code;
  const int64_t bytes = m->total * m->size;
  memset(m->direct, -1, sizeof m->direct);
  for (int32_t i = 0; i < code->output_count; i++) {
    const uint8_t reg = code->outputs[i].reg;
    int free_to_use = reg >= code->operand_count + code->constant_count && m->direct[reg] < 0;
    for (int32_t j = 0; j < code->operand_count && free_to_use; j++)
      if (m->operands[j].kind == IN_PLACE)
        free_to_use = !overlaps(m->output[i], bytes, m->operands[j].base, bytes);
    if (free_to_use) m->direct[reg] = (int8_t)i;
  }
}

// The tile becomes a multiple of the period of the repeated rows where they fit, so that they are gathered
// once.
static void choose_periods(machine *m) {
  for (int32_t j = 0; j < m->code->operand_count; j++) {
    operand *o = &m->operands[j];
    if (o->kind == GATHERED && o->period > 0 && o->period <= m->tile) {
      m->tile -= m->tile % o->period;
      break;
    }
  }
  for (int32_t j = 0; j < m->code->operand_count; j++) {
    operand *o = &m->operands[j];
    if (o->kind == GATHERED && o->period > 0 && m->tile % o->period == 0) o->kind = PERIODIC;
  }
}

// Everything that is the same for every tile.
static void prepare(machine *m) {
  const nk_ewise_code *code = m->code;
  const int64_t n = nk_min(m->tile, m->total);
  for (int32_t j = 0; j < code->operand_count; j++) {
    const operand *o = &m->operands[j];
    m->at[j] = m->home[j];
    if (o->kind == SCALAR)
      copy_run(m->home[j], o->base, 0, n, m->size);
    else if (o->kind == PERIODIC)
      gather(o, m->home[j], 0, n, m->size);
  }
  for (int32_t j = 0; j < code->constant_count; j++) {
    const int32_t reg = code->operand_count + j;
    m->at[reg] = m->home[reg];
    m->kernels->fill(m->home[reg], code->constants[j], n);
  }
  for (int32_t reg = code->operand_count + code->constant_count; reg < code->register_count; reg++)
    m->at[reg] = m->home[reg];
}

static void run_tile(machine *m, int64_t first, int64_t n) {
  const nk_ewise_code *code = m->code;
  for (int32_t j = 0; j < code->operand_count; j++) {
    const operand *o = &m->operands[j];
    if (o->kind == IN_PLACE) {
      m->at[j] = (char *)o->base + first * m->size;
    } else if (o->kind == GATHERED) {
      // A tile inside of one contiguous row of a broadcast operand needs no copy.
      const int64_t row = o->period, at = row > 0 ? first % row : 0;
      if (row > 0 && at + n <= row && o->axes.stride[0][1] == 1)
        m->at[j] = (char *)o->base + at * m->size;
      else
        gather(o, m->at[j] = m->home[j], first, n, m->size);
    }
  }
  for (int32_t i = 0; i < code->output_count; i++) {
    const uint8_t reg = code->outputs[i].reg;
    if (m->direct[reg] == i) m->at[reg] = m->output[i] + first * m->size;
  }
  for (int32_t i = 0; i < code->op_count; i++) {
    const nk_vm_op op = code->ops[i];
    m->kernels->ewise[op.op](m->at[op.dst], m->at[op.a], m->at[op.b], m->at[op.c], (ptrdiff_t)n);
  }
  for (int32_t i = 0; i < code->output_count; i++) {
    const uint8_t reg = code->outputs[i].reg;
    char *to = m->output[i] + first * m->size;
    if (m->direct[reg] != i && to != m->at[reg]) memmove(to, m->at[reg], (size_t)(n * m->size));
  }
}

nk_status nk_ewise_execute(const nk_instr *instr, const nk_frame *frame) {
  const nk_ewise_code *code = &instr->u.ewise;
  const nk_kernels *kernels = nk_kernels_get(instr->dtype);
  if (!kernels || code->output_count < 1 || code->register_count > NK_VM_REGISTERS ||
      code->operand_count > NK_VM_OPERANDS)
    return NK_INVALID_ARGUMENT;
  machine m; // every field that is read is written below or in prepare
  const int64_t lanes = nk_frame_lanes(frame, code->outputs[0].buffer);
  m.code = code;
  m.kernels = kernels;
  m.size = nk_dtype_bytes(instr->dtype);
  m.total = code_elements(code, lanes);
  if (m.total == 0) return NK_SUCCESS;
  m.tile = tile_elements(code, m.size, lanes);
  char *scratch = frame->block + instr->scratch;
  for (int32_t r = 0; r < code->register_count; r++, scratch += m.tile * m.size + REGISTER_PAD)
    m.home[r] = scratch;
  for (int32_t j = 0; j < code->operand_count; j++)
    classify(&m.operands[j], code, &code->operands[j], frame, lanes, m.size);
  for (int32_t i = 0; i < code->output_count; i++)
    m.output[i] = nk_frame_address(frame, code->outputs[i].buffer);
  choose_direct_outputs(&m);
  choose_periods(&m);
  prepare(&m);
  for (int64_t first = 0; first < m.total; first += m.tile)
    run_tile(&m, first, nk_min(m.tile, m.total - first));
  return NK_SUCCESS;
}
