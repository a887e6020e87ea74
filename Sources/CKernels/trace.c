// Where a value that is not finite came from: back from its address through the operands, to the first operation whose
// operands are finite.
//
// Memory is planned, so an address holds one value after the other. The writer of a value is the last instruction before
// its reader that writes there; to see the operands as a writer found them, everything before it is run again. Elementwise
// code and copies are followed element by element, other instructions lane by lane.
#include <string.h>
#include "nk_trace.h"

typedef struct trail {
  nk_frame frame;
  const nk_region *body;
  const char *address; // of the value in question
  int32_t end;         // its reader, or the end of the body
} trail;

static const nk_instr *instr_at(const trail *w, int32_t i) {
  return &w->frame.program->instrs[i];
}

static int32_t outputs_of(const nk_instr *instr, int32_t *ids) {
  int32_t count = 0;
  if (instr->op == NK_OP_EWISE) {
    for (; count < instr->u.ewise.output_count && count < NK_VM_REGISTERS; count++)
      ids[count] = instr->u.ewise.outputs[count].buffer;
    return count;
  }
  if (instr->op == NK_OP_COPY) ids[count++] = instr->u.copy.dst.buffer;
  for (int32_t i = 0; instr->op != NK_OP_COPY && i < NK_MAX_OUT; i++)
    if (instr->out[i] >= 0) ids[count++] = instr->out[i];
  return count;
}

nk_span nk_span_of(const nk_frame *frame, int32_t buffer, int64_t row) {
  const nk_buffer *b = &frame->program->buffers[buffer];
  if (b->space == NK_SPACE_ARG && !frame->args[b->slot]) return (nk_span){.dtype = b->dtype}; // not wanted
  nk_span span = {.from = nk_frame_address(frame, buffer), .bytes = b->bytes, .dtype = b->dtype};
  if (!b->has_lanes) return span;
  if (row >= 0)
    span.from += row * b->bytes;
  else
    span.bytes *= frame->lanes;
  return span;
}

const char *nk_span_first_bad(nk_span span) {
  if (span.dtype == NK_I32 || span.bytes == 0) return NULL;
  const nk_kernels *k = nk_kernels_get(span.dtype);
  const int64_t size = nk_dtype_bytes(span.dtype), n = span.bytes / size;
  if (k->all_finite(span.from, (ptrdiff_t)n)) return NULL;
  for (int64_t i = 0; i < n; i++)
    if (!k->all_finite(span.from + i * size, 1)) return span.from + i * size;
  return NULL;
}

static int contains(nk_span span, const char *address) {
  return address >= span.from && address < span.from + span.bytes;
}

// The element that a view reaches at the flat index of [lanes, dims].
static const char *element(const nk_frame *frame, const nk_view *view, const int64_t *dims, int32_t rank, int64_t index,
                           int64_t size) {
  int64_t offset = view->offset;
  for (int32_t d = rank - 1; d >= 0; d--) {
    offset += index % dims[d] * view->stride[d];
    index /= dims[d];
  }
  return nk_frame_address(frame, view->buffer) + (offset + index * view->lane_stride) * size;
}

static int64_t per_lane(const int64_t *dims, int32_t rank) {
  int64_t n = 1;
  for (int32_t d = 0; d < rank; d++) n *= dims[d];
  return n;
}

// Which element of a copy lands at the address; -1: none.
static int64_t copied_element(const nk_instr *instr, const nk_frame *frame, const char *address) {
  const nk_copy *copy = &instr->u.copy;
  const int64_t total = nk_frame_lanes(frame, copy->dst.buffer) * per_lane(copy->dims, copy->rank);
  const int64_t size = nk_dtype_bytes(instr->dtype);
  if (!contains(nk_span_of(frame, copy->dst.buffer, -1), address)) return -1;
  for (int64_t i = 0; i < total; i++)
    if (element(frame, &copy->dst, copy->dims, copy->rank, i, size) == address) return i;
  return -1;
}

static int writes(const trail *w, const nk_instr *instr) {
  int32_t ids[NK_VM_REGISTERS];
  if (instr->op == NK_OP_COPY) return copied_element(instr, &w->frame, w->address) >= 0;
  const int32_t count = outputs_of(instr, ids);
  for (int32_t i = 0; i < count; i++)
    if (contains(nk_span_of(&w->frame, ids[i], -1), w->address)) return 1;
  return 0;
}

// --- Elementwise code, one element of it ------------------------------------------------------------------------
enum { MOST_OPS = 128, SLOT = 64 };

// The operand that the element's value came from, or NULL and in *op the operation that made it.
static const char *through_ewise(const trail *w, const nk_instr *instr, int32_t *op) {
  const nk_ewise_code *code = &instr->u.ewise;
  const nk_kernels *k = nk_kernels_get(instr->dtype);
  const int64_t size = nk_dtype_bytes(instr->dtype);
  int32_t output = 0;
  while (output < code->output_count && !contains(nk_span_of(&w->frame, code->outputs[output].buffer, -1), w->address))
    output++;
  *op = -1;
  if (!k || output == code->output_count || code->op_count > MOST_OPS) return NULL;
  const int64_t at = (w->address - nk_frame_address(&w->frame, code->outputs[output].buffer)) / size;
  char value[NK_VM_REGISTERS][SLOT] __attribute__((aligned(64)));
  const char *from[NK_VM_OPERANDS];
  int16_t maker[NK_VM_REGISTERS], source[MOST_OPS][3]; // by register: the operation that wrote it last, or -1 - register
  int8_t bad_operand[NK_VM_OPERANDS], bad[MOST_OPS];
  for (int32_t r = 0; r < code->register_count; r++) maker[r] = (int16_t)(-1 - r);
  for (int32_t j = 0; j < code->operand_count; j++) {
    from[j] = element(&w->frame, &code->operands[j], code->dims, code->rank, at, size);
    memcpy(value[j], from[j], (size_t)size);
    bad_operand[j] = (int8_t)!k->all_finite(from[j], 1);
  }
  for (int32_t j = 0; j < code->constant_count; j++) k->fill(value[code->operand_count + j], code->constants[j], 1);
  for (int32_t i = 0; i < code->op_count; i++) {
    const nk_vm_op step = code->ops[i];
    const uint8_t registers[3] = {step.a, step.b, step.c};
    const int32_t arity = nk_ewise_arity((nk_ewise)step.op);
    // SELECT looks at one of two: the other one may be anything.
    const int is_select = step.op == NK_SELECT;
    const double chosen = instr->dtype == NK_F64 ? *(double *)value[step.a] : (double)*(float *)value[step.a];
    for (int32_t n = 0; n < 3; n++) {
      const int counts = n < arity && !(is_select && n == (chosen != 0 ? 2 : 1));
      source[i][n] = counts ? maker[registers[n]] : INT16_MIN;
    }
    k->ewise[step.op](value[step.dst], value[step.a], value[step.b], value[step.c], 1);
    bad[i] = (int8_t)!k->all_finite(value[step.dst], 1);
    maker[step.dst] = (int16_t)i;
  }
  int32_t now = maker[code->outputs[output].reg];
  for (;;) {
    if (now < 0) return -1 - now < code->operand_count ? from[-1 - now] : NULL;
    int32_t next = INT16_MIN;
    for (int32_t n = 0; n < 3 && next == INT16_MIN; n++) {
      const int32_t s = source[now][n];
      if (s == INT16_MIN || (s < 0 && -1 - s >= code->operand_count)) continue;
      if (s >= 0 ? bad[s] : bad_operand[-1 - s]) next = s;
    }
    if (next == INT16_MIN) break;
    now = next;
  }
  *op = now;
  return NULL;
}

// --- Other instructions -----------------------------------------------------------------------------------------
static const char *through_others(const trail *w, const nk_instr *instr) {
  int64_t row = -1;
  for (int32_t i = 0; i < NK_MAX_OUT; i++) {
    if (instr->out[i] < 0 || !w->frame.program->buffers[instr->out[i]].has_lanes) continue;
    const nk_span span = nk_span_of(&w->frame, instr->out[i], -1);
    if (contains(span, w->address)) row = (w->address - span.from) / w->frame.program->buffers[instr->out[i]].bytes;
  }
  for (int32_t i = 0; i < NK_MAX_IN; i++) {
    if (instr->in[i] < 0) continue;
    const char *bad = nk_span_first_bad(nk_span_of(&w->frame, instr->in[i], row));
    if (bad) return bad;
  }
  return NULL;
}

// What nobody in the body wrote: arguments, or what was computed of captures alone.
static nk_birth outside(const trail *w, int32_t capture_count) {
  const nk_program *program = w->frame.program;
  for (int32_t id = 0; id < program->buffer_count; id++) {
    const nk_buffer *b = &program->buffers[id];
    if (!contains(nk_span_of(&w->frame, id, -1), w->address)) continue;
    if (b->space == NK_SPACE_RESIDUAL) return NK_BIRTH_UNKNOWN;
    if (b->space != NK_SPACE_ARG) continue;
    if (b->slot < 2) return NK_BIRTH_STATE;
    return b->slot < 2 + capture_count ? NK_BIRTH_CAPTURE : NK_BIRTH_COTANGENT;
  }
  return NK_BIRTH_CAPTURE;
}

nk_origin nk_trace(const nk_frame *frame, const nk_region *body, int32_t capture_count, const char *address) {
  trail w = {.frame = *frame, .body = body, .address = address, .end = body->first + body->count};
  w.frame.watch = NULL;
  w.frame.diagnosis = NULL;
  for (;;) {
    int32_t writer = w.end - 1;
    while (writer >= body->first && !writes(&w, instr_at(&w, writer))) writer--;
    if (writer < body->first) return (nk_origin){.birth = outside(&w, capture_count), .op = -1};
    nk_region before = *body;
    before.count = writer - body->first;
    if (nk_frame_execute(&w.frame, &before) != NK_SUCCESS) return (nk_origin){.op = -1};
    const nk_instr *instr = instr_at(&w, writer);
    int32_t op = -1;
    const char *next = NULL;
    if (instr->op == NK_OP_EWISE) {
      next = through_ewise(&w, instr, &op);
    } else if (instr->op == NK_OP_COPY) {
      next = element(&w.frame, &instr->u.copy.src, instr->u.copy.dims, instr->u.copy.rank,
                     copied_element(instr, &w.frame, w.address), nk_dtype_bytes(instr->dtype));
    } else {
      next = through_others(&w, instr);
    }
    if (!next)
      return (nk_origin){.birth = NK_BIRTH_OPERATION, .instr = w.frame.program->number + writer, .op = op};
    w.address = next;
    w.end = writer;
  }
}

const char *nk_first_bad_result(const nk_frame *frame, const nk_region *body, int64_t row, int64_t *at) {
  for (int32_t i = body->first; i < body->first + body->count; i++) {
    int32_t ids[NK_VM_REGISTERS];
    const int32_t count = outputs_of(&frame->program->instrs[i], ids);
    for (int32_t n = 0; n < count; n++) {
      const nk_buffer *b = &frame->program->buffers[ids[n]];
      if (b->space != NK_SPACE_ARG) continue;
      const nk_span span = nk_span_of(frame, ids[n], b->has_lanes ? row : -1);
      const char *bad = nk_span_first_bad(span);
      if (!bad) continue;
      *at = b->has_lanes ? row >= 0 ? row : (bad - span.from) / b->bytes : 0;
      return bad;
    }
  }
  return NULL;
}
