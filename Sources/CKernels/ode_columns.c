// From a field's program to operations on columns: every number of a lane that the body computes becomes a value with one
// definition; moves only rename values; values then get columns, temporaries sharing those that are free.
#include <string.h>
#include "nk_columns.h"
#include "nk_internal.h"

enum { MAX_VALUES = 224, MAX_NAMES = 320, MAX_ELEMENTS = 64 };

typedef struct value {
  nk_column at;
  int16_t last_use; // operation; -1: none yet
  int8_t is_result; // of an operation
} value;

// Element `element` of a buffer is called `value`.
typedef struct name {
  int32_t buffer;
  int64_t element;
  int16_t value;
} name;

typedef struct builder {
  const nk_ode *ode;
  const nk_program *program;
  nk_columns *columns;
  int alone; // a solve of one lane, whose rows are buffers without lanes
  int32_t value_count, name_count;
  int16_t operand[NK_COLUMN_MAX_OPS][3], result[NK_COLUMN_MAX_OPS]; // values of an operation
  value values[MAX_VALUES];
  name names[MAX_NAMES];
} builder;

// --- Values --------------------------------------------------------------------------------------------------------
static int16_t add_value(builder *b, value v) {
  if (b->value_count == MAX_VALUES) return -1;
  b->values[b->value_count] = v;
  return (int16_t)b->value_count++;
}

static int16_t input(builder *b, nk_column_base base, int64_t index) {
  for (int32_t v = 0; v < b->value_count; v++) {
    const value *known = &b->values[v];
    if (!known->is_result && known->at.base == (int16_t)base && known->at.index == index) return (int16_t)v;
  }
  return add_value(b, (value){.at = {(int16_t)base, (int16_t)index}, .last_use = -1});
}

static int16_t sourced(builder *b, nk_column_source source) {
  nk_columns *c = b->columns;
  int32_t i = 0;
  for (; i < c->source_count; i++) {
    const nk_column_source *known = &c->sources[i];
    const int is_same = known->capture == source.capture && known->buffer == source.buffer &&
                        known->element == source.element;
    if (is_same && memcmp(&known->value, &source.value, sizeof source.value) == 0) break;
  }
  if (i == NK_COLUMN_MAX_OWN) return -1;
  if (i == c->source_count) c->sources[c->source_count++] = source;
  return input(b, NK_COLUMN_OWN, i);
}

// Arguments may have several buffers: they are known by their slot.
static int32_t identity(const builder *b, int32_t buffer) {
  const nk_buffer *what = &b->program->buffers[buffer];
  return what->space == NK_SPACE_ARG ? -1 - what->slot : buffer;
}

static int64_t elements_of(const builder *b, int32_t buffer) {
  return b->program->buffers[buffer].bytes / nk_dtype_bytes(b->ode->dtype);
}

// The value of an element that the body reads; -1: it has none that columns could hold.
static int16_t read(builder *b, int32_t buffer, int64_t element, int64_t lane_stride) {
  const nk_buffer *what = &b->program->buffers[buffer];
  const int64_t elements = elements_of(b, buffer);
  if (what->dtype != b->ode->dtype || element < 0 || element >= elements) return -1;
  if (lane_stride != (what->has_lanes ? elements : 0)) return -1;
  if (what->space == NK_SPACE_ARG && what->offset != 0) return -1;
  for (int32_t i = b->name_count - 1; i >= 0; i--)
    if (b->names[i].buffer == identity(b, buffer) && b->names[i].element == element) return b->names[i].value;
  const int is_argument = what->space == NK_SPACE_ARG;
  if (!what->has_lanes && !(b->alone && is_argument && what->slot < 2)) {
    const int is_known = what->space == NK_SPACE_CONST || what->space == NK_SPACE_ARENA ||
                         (is_argument && what->slot >= 2 && what->slot < 2 + b->ode->capture_count &&
                          !b->ode->capture_has_lanes[what->slot - 2]);
    return is_known ? sourced(b, (nk_column_source){.capture = -1, .buffer = buffer, .element = element}) : -1;
  }
  if (!is_argument) return -1;
  if (what->slot == 0) {
    b->columns->reads_time = 1;
    return elements == 1 ? input(b, NK_COLUMN_TIME, 0) : -1;
  }
  if (what->slot == 1) return elements == b->ode->dim ? input(b, NK_COLUMN_STATE, element) : -1;
  const int32_t capture = what->slot - 2;
  if (capture >= b->ode->capture_count || !b->ode->capture_has_lanes[capture]) return -1;
  return sourced(b, (nk_column_source){.capture = capture, .buffer = -1, .element = element});
}

static int define(builder *b, int32_t buffer, int64_t element, int16_t v) {
  const nk_buffer *what = &b->program->buffers[buffer];
  const int is_result = what->space == NK_SPACE_ARG && what->slot == 2 + b->ode->capture_count && what->offset == 0 &&
                        elements_of(b, buffer) == b->ode->dim;
  if (v < 0 || what->dtype != b->ode->dtype || element < 0 || element >= elements_of(b, buffer)) return 0;
  const int is_kept = what->space == NK_SPACE_BLOCK || (b->alone && what->space == NK_SPACE_ARENA);
  if (!(is_result || is_kept) || b->name_count == MAX_NAMES) return 0;
  b->names[b->name_count++] = (name){identity(b, buffer), element, v};
  return 1;
}

// --- Instructions --------------------------------------------------------------------------------------------------
// Elements of a lane; more than there is room for where they are too many.
static int64_t count_of(int32_t rank, const int64_t *dims) {
  int64_t n = 1;
  for (int32_t d = 0; d < rank && n <= MAX_ELEMENTS; d++) n *= dims[d];
  return n;
}

static int64_t place(const nk_view *view, int32_t rank, const int64_t *dims, int64_t index) {
  int64_t at = view->offset;
  for (int32_t d = rank - 1; d >= 0; d--) {
    at += index % dims[d] * view->stride[d];
    index /= dims[d];
  }
  return at;
}

static int add_op(builder *b, nk_vm_op op, int16_t *registers) {
  nk_columns *c = b->columns;
  const int32_t n = c->op_count, arity = nk_ewise_arity((nk_ewise)op.op);
  const uint8_t from[3] = {op.a, op.b, op.c};
  if (n == NK_COLUMN_MAX_OPS) return 0;
  for (int32_t i = 0; i < 3; i++) {
    const int16_t v = b->operand[n][i] = registers[from[i < arity ? i : 0]];
    if (v < 0) return 0;
    b->values[v].last_use = (int16_t)n;
  }
  c->ops[n].op = op.op;
  b->result[n] = registers[op.dst] = add_value(b, (value){.last_use = -1, .is_result = 1});
  c->op_count++;
  return registers[op.dst] >= 0;
}

static int add_elementwise(builder *b, const nk_ewise_code *code) {
  const int64_t n = count_of(code->rank, code->dims);
  if (n > MAX_ELEMENTS) return 0;
  int16_t registers[NK_VM_REGISTERS];
  // Element by element, as an output that lies on an operand has the same order.
  for (int64_t e = 0; e < n; e++) {
    memset(registers, -1, sizeof registers);
    for (int32_t j = 0; j < code->operand_count; j++) {
      const nk_view *view = &code->operands[j];
      registers[j] = read(b, view->buffer, place(view, code->rank, code->dims, e), view->lane_stride);
      if (registers[j] < 0) return 0;
    }
    for (int32_t j = 0; j < code->constant_count; j++)
      registers[code->operand_count + j] =
          sourced(b, (nk_column_source){.capture = -1, .buffer = -1, .value = code->constants[j]});
    for (int32_t i = 0; i < code->op_count; i++)
      if (!add_op(b, code->ops[i], registers)) return 0;
    for (int32_t i = 0; i < code->output_count; i++) {
      if (elements_of(b, code->outputs[i].buffer) != n) return 0;
      if (!define(b, code->outputs[i].buffer, e, registers[code->outputs[i].reg])) return 0;
    }
  }
  return 1;
}

static int add_copy(builder *b, const nk_copy *copy) {
  const int64_t n = count_of(copy->rank, copy->dims);
  const nk_buffer *to = &b->program->buffers[copy->dst.buffer];
  int16_t values[MAX_ELEMENTS];
  if (n > MAX_ELEMENTS) return 0;
  if (copy->dst.lane_stride != (to->has_lanes ? elements_of(b, copy->dst.buffer) : 0)) return 0;
  for (int64_t e = 0; e < n; e++)
    values[e] = read(b, copy->src.buffer, place(&copy->src, copy->rank, copy->dims, e), copy->src.lane_stride);
  for (int64_t e = 0; e < n; e++)
    if (!define(b, copy->dst.buffer, place(&copy->dst, copy->rank, copy->dims, e), values[e])) return 0;
  return 1;
}

static int add_interleave(builder *b, const nk_instr *instr) {
  const int32_t columns = instr->u.interleave.columns;
  const int64_t count = instr->u.interleave.count;
  if (count * columns != elements_of(b, instr->out[0])) return 0;
  for (int32_t j = 0; j < columns; j++) {
    const nk_buffer *from = &b->program->buffers[instr->in[j]];
    if (!from->has_lanes || elements_of(b, instr->in[j]) != count) return 0;
    for (int64_t i = 0; i < count; i++)
      if (!define(b, instr->out[0], i * columns + j, read(b, instr->in[j], i, count))) return 0;
  }
  return 1;
}

static int add_fill(builder *b, const nk_instr *instr) {
  if (elements_of(b, instr->out[0]) != instr->u.fill.count) return 0;
  const nk_column_source number = {.capture = -1, .buffer = -1, .value = instr->u.fill.value};
  for (int64_t e = 0; e < instr->u.fill.count; e++)
    if (!define(b, instr->out[0], e, sourced(b, number))) return 0;
  return 1;
}

static int add_instruction(builder *b, const nk_instr *instr) {
  if (instr->dtype != b->ode->dtype) return 0;
  switch (instr->op) {
  case NK_OP_EWISE: return add_elementwise(b, &instr->u.ewise);
  case NK_OP_COPY: return add_copy(b, &instr->u.copy);
  case NK_OP_INTERLEAVE: return add_interleave(b, instr);
  case NK_OP_FILL: return add_fill(b, instr);
  default: return 0;
  }
}

// --- Columns -------------------------------------------------------------------------------------------------------
// The first component of the slope that is the result of this operation; -1: none.
static int16_t component_of(const int16_t *slope, int64_t dim, int16_t v) {
  for (int64_t j = 0; j < dim; j++)
    if (slope[j] == v) return (int16_t)j;
  return -1;
}

static int assign(builder *b, const int16_t *slope) {
  nk_columns *c = b->columns;
  const int64_t dim = b->ode->dim;
  int16_t unused[NK_COLUMN_MAX_OWN];
  int32_t unused_count = 0;
  const int32_t computed = c->op_count;
  c->own_count = c->source_count;
  for (int32_t i = 0; i < computed; i++) {
    nk_column_op *op = &c->ops[i];
    nk_column *const from[3] = {&op->a, &op->b, &op->c};
    for (int32_t n = 0; n < 3; n++) *from[n] = b->values[b->operand[i][n]].at;
    for (int32_t n = 0; n < 3; n++) {
      value *v = &b->values[b->operand[i][n]];
      if (!v->is_result || v->last_use != i || v->at.base != NK_COLUMN_OWN) continue;
      unused[unused_count++] = v->at.index;
      v->last_use = -1; // an operand that is read twice is left once
    }
    value *result = &b->values[b->result[i]];
    const int16_t component = component_of(slope, dim, b->result[i]);
    if (component >= 0)
      result->at = (nk_column){NK_COLUMN_SLOPE, component};
    else if (unused_count > 0)
      result->at = (nk_column){NK_COLUMN_OWN, unused[--unused_count]};
    else if (c->own_count < NK_COLUMN_MAX_OWN)
      result->at = (nk_column){NK_COLUMN_OWN, (int16_t)c->own_count++};
    else
      return 0;
    op->to = result->at;
  }
  for (int16_t j = 0; j < dim; j++) {
    const nk_column from = b->values[slope[j]].at;
    if (from.base == NK_COLUMN_SLOPE && from.index == j) continue;
    if (c->op_count == NK_COLUMN_MAX_OPS) return 0;
    c->ops[c->op_count++] = (nk_column_op){NK_COLUMN_COPY, {NK_COLUMN_SLOPE, j}, from, from, from};
  }
  return 1;
}

int nk_columns_of(nk_columns *columns, const nk_ode *ode) {
  const nk_program *program = ode->field;
  const nk_region *body = &program->regions[program->setup_regions];
  const int alone = body->kind == NK_REGION_SERIAL && ode->lanes == 1;
  if (ode->dim > NK_COLUMN_MAX_DIM || !(alone || body->kind == NK_REGION_LANES) || body->acc_count > 0) return 0;
  builder b; // some kilobytes, of which a small field needs little
  b.ode = ode;
  b.program = program;
  b.columns = columns;
  b.alone = alone;
  b.value_count = b.name_count = 0;
  columns->op_count = columns->source_count = columns->own_count = columns->reads_time = 0;
  for (int32_t i = body->first; i < body->first + body->count; i++)
    if (!add_instruction(&b, &program->instrs[i])) return 0;
  int16_t slope[NK_COLUMN_MAX_DIM];
  for (int64_t j = 0; j < ode->dim; j++) {
    slope[j] = -1;
    for (int32_t i = 0; i < b.name_count; i++)
      if (b.names[i].buffer == -1 - (2 + ode->capture_count) && b.names[i].element == j) slope[j] = b.names[i].value;
    if (slope[j] < 0) return 0;
  }
  return assign(&b, slope);
}

int nk_ode_is_columnar(const nk_ode *ode) {
  nk_columns columns;
  return ode->controller.per_lane && nk_columns_of(&columns, ode);
}
