// Fused elementwise code: a register machine whose registers are tiles of the iteration space, small enough that all
// of them stay in the first-level cache. One kernel call per operation and tile; contiguous operands and outputs are
// used where they are, the others pass through a tile of scratch.
#include <string.h>
#include "nk_internal.h"

#define TILE_BYTES 2048

int64_t nk_ewise_scratch_bytes(const nk_ewise_code *code) { return (int64_t)code->register_count * TILE_BYTES; }

// How an operand is read.
enum access { CONTIGUOUS, UNIFORM, GATHERED };

static enum access classify(const nk_ewise_code *code, const nk_view *view, int64_t lanes) {
  int64_t expected = 1;
  int contiguous = 1, uniform = 1;
  for (int32_t axis = code->rank - 1; axis >= 0; axis--) {
    if (code->dims[axis] == 1) continue;
    if (view->stride[axis] != expected) contiguous = 0;
    if (view->stride[axis] != 0) uniform = 0;
    expected *= code->dims[axis];
  }
  if (lanes > 1) {
    if (view->lane_stride != expected) contiguous = 0;
    if (view->lane_stride != 0) uniform = 0;
  }
  return contiguous ? CONTIGUOUS : uniform ? UNIFORM : GATHERED;
}

// Copies elements [first, first + n) of the iteration space of a strided operand into a tile.
#define GATHER(NAME, TYPE)                                                                                        \
  static void NAME(const nk_ewise_code *code, const nk_view *view, const TYPE *base, int64_t per_lane,            \
                   int64_t first, int64_t n, TYPE *out) {                                                         \
    const int32_t rank = code->rank;                                                                              \
    const int64_t inner = rank > 0 ? code->dims[rank - 1] : 1, step = rank > 0 ? view->stride[rank - 1] : 0;      \
    int64_t index[NK_MAX_RANK], lane = first / per_lane, rest = first % per_lane;                                 \
    for (int32_t axis = rank - 1; axis >= 0; axis--) {                                                            \
      index[axis] = rest % code->dims[axis];                                                                      \
      rest /= code->dims[axis];                                                                                   \
    }                                                                                                             \
    int64_t offset = lane * view->lane_stride;                                                                    \
    for (int32_t axis = 0; axis + 1 < rank; axis++) offset += index[axis] * view->stride[axis];                   \
    int64_t at = rank > 0 ? index[rank - 1] : 0;                                                                  \
    for (int64_t done = 0; done < n;) {                                                                           \
      const int64_t run = inner - at < n - done ? inner - at : n - done;                                          \
      const TYPE *from = base + offset + at * step;                                                               \
      TYPE *to = out + done;                                                                                      \
      if (step == 1) {                                                                                            \
        for (int64_t i = 0; i < run; i++) to[i] = from[i];                                                        \
      } else if (step == 0) {                                                                                     \
        const TYPE value = *from;                                                                                 \
        for (int64_t i = 0; i < run; i++) to[i] = value;                                                          \
      } else {                                                                                                    \
        for (int64_t i = 0; i < run; i++) to[i] = from[i * step];                                                 \
      }                                                                                                           \
      done += run;                                                                                                \
      at = 0;                                                                                                     \
      int32_t axis = rank - 2;                                                                                    \
      for (; axis >= 0; axis--) { /* the next row of the innermost axis */                                        \
        offset += view->stride[axis];                                                                             \
        if (++index[axis] < code->dims[axis]) break;                                                              \
        offset -= index[axis] * view->stride[axis];                                                               \
        index[axis] = 0;                                                                                          \
      }                                                                                                           \
      if (axis < 0) offset += view->lane_stride;                                                                  \
    }                                                                                                             \
  }
GATHER(gather32, uint32_t)
GATHER(gather64, uint64_t)
#undef GATHER

void nk_ewise_execute(const nk_frame *frame, const nk_instr *instr) {
  const nk_ewise_code *code = &instr->u.ewise;
  const nk_kernels *kernels = nk_kernels_get(instr->dtype);
  const int64_t size = nk_dtype_bytes(instr->dtype), tile = TILE_BYTES / size;
  int64_t per_lane = 1;
  for (int32_t axis = 0; axis < code->rank; axis++) per_lane *= code->dims[axis];
  const int64_t total = per_lane * frame->lanes;
  if (total == 0) return;

  char *scratch = frame->block + instr->scratch;
  void *registers[NK_VM_REGISTERS];
  const char *bases[NK_VM_OPERANDS];
  enum access access[NK_VM_OPERANDS];
  char *outputs[NK_VM_REGISTERS];
  const int64_t filled = total < tile ? total : tile;

  for (int32_t r = 0; r < code->register_count; r++) registers[r] = scratch + (int64_t)r * TILE_BYTES;
  for (int32_t i = 0; i < code->operand_count; i++) {
    const nk_view *view = &code->operands[i];
    bases[i] = nk_frame_address(frame, view->buffer) + view->offset * size;
    access[i] = classify(code, view, frame->lanes);
    if (access[i] == UNIFORM) {
      const double value = instr->dtype == NK_F64 ? *(const double *)bases[i] : (double)*(const float *)bases[i];
      kernels->fill(registers[i], value, filled);
    }
  }
  for (int32_t i = 0; i < code->constant_count; i++)
    kernels->fill(registers[code->operand_count + i], code->constants[i], filled);
  const int32_t first_temporary = code->operand_count + code->constant_count;
  for (int32_t i = 0; i < code->output_count; i++) outputs[i] = nk_frame_address(frame, code->outputs[i].buffer);

  for (int64_t first = 0; first < total; first += tile) {
    const int64_t n = total - first < tile ? total - first : tile;
    for (int32_t i = 0; i < code->operand_count; i++) {
      if (access[i] == CONTIGUOUS) {
        registers[i] = (void *)(bases[i] + first * size);
      } else if (access[i] == GATHERED) {
        if (size == 4) gather32(code, &code->operands[i], (const uint32_t *)bases[i], per_lane, first, n, registers[i]);
        else gather64(code, &code->operands[i], (const uint64_t *)bases[i], per_lane, first, n, registers[i]);
      }
    }
    // A temporary that is an output is computed in place.
    for (int32_t i = 0; i < code->output_count; i++)
      if (code->outputs[i].reg >= first_temporary) registers[code->outputs[i].reg] = outputs[i] + first * size;
    for (int32_t i = 0; i < code->op_count; i++) {
      const nk_vm_op *op = &code->ops[i];
      kernels->ewise[op->op](registers[op->dst], registers[op->a], registers[op->b], registers[op->c], n);
    }
    for (int32_t i = 0; i < code->output_count; i++) {
      char *to = outputs[i] + first * size;
      if (registers[code->outputs[i].reg] != to) memcpy(to, registers[code->outputs[i].reg], (size_t)(n * size));
    }
  }
}
