// The programs of a solve: memory, captured values, calls on one block of lanes.
#include <string.h>
#include "nk_lanes.h"

int64_t nk_field_block_lanes(const nk_program *program, int64_t lanes) {
  const nk_region *body = &program->regions[program->setup_regions];
  return body->kind == NK_REGION_LANES ? body->block_lanes : lanes;
}

int64_t nk_field_plan(nk_field *field, const nk_program *program, int64_t lanes, int32_t threads,
                      nk_bump *bump) {
  if (!program) return INT64_MAX;
  field->run = (nk_run){.program = program, .layout = nk_program_layout(program, threads), .lanes = lanes};
  field->body = &program->regions[program->setup_regions];
  field->run.workspace = nk_take(bump, field->run.layout.total);
  field->arguments_stride =
      nk_align(64 + program->arg_count * (int64_t)sizeof(void *)); // t, then the pointers
  field->arguments = nk_take(bump, threads * field->arguments_stride);
  return nk_field_block_lanes(program, lanes);
}

static void **arguments_of(const nk_field *field, int32_t worker) {
  return (void **)(field->arguments + worker * field->arguments_stride + 64);
}

nk_status nk_field_prepare(nk_solve *solve, nk_field *field) {
  if (!field->run.program) return NK_SUCCESS;
  for (int32_t w = 0; w < solve->threads; w++) {
    void **arguments = arguments_of(field, w);
    arguments[0] = (char *)arguments - 64;
    for (int32_t c = 0; c < solve->ode->capture_count; c++)
      arguments[2 + c] = nk_frame_address(solve->frame, solve->ode->captures[c]);
  }
  field->run.args = arguments_of(field, 0);
  field->run.pool = solve->frame->pool;
  field->run.diagnosis = solve->frame->diagnosis;
  field->run.watch = solve->frame->watch;
  return nk_run_regions(&field->run, 0, field->run.program->setup_regions);
}

// A program addresses lanes from lane 0; the block's arrays start at the block's own first lane.
static void *from_lane0(const nk_block *b, const char *local, int64_t lane_bytes) {
  return (void *)((uintptr_t)local - (uintptr_t)(b->lane0 * lane_bytes));
}

static nk_frame frame_of(const nk_block *b, const nk_field *field, double t, const char *y,
                         void ***arguments) {
  nk_frame frame = nk_run_frame(&field->run, b->worker, b->group);
  *arguments = arguments_of(field, b->worker);
  if (b->solve->ode->dtype == NK_F64)
    *(double *)(*arguments)[0] = t;
  else
    *(float *)(*arguments)[0] = (float)t;
  (*arguments)[1] = from_lane0(b, y, b->solve->row_bytes);
  frame.args = *arguments;
  frame.lane0 = field->body->kind == NK_REGION_LANES ? b->lane0 : 0;
  frame.lanes = field->body->kind == NK_REGION_LANES ? b->lanes : 1;
  return frame;
}

nk_status nk_field_eval(const nk_block *b, const nk_field *field, double t, const char *y, char *dy,
                        char *residual) {
  void **arguments;
  nk_frame frame = frame_of(b, field, t, y, &arguments);
  if (residual) frame.residual = residual;
  arguments[2 + b->solve->ode->capture_count] = from_lane0(b, dy, b->solve->row_bytes);
  return nk_frame_execute(&frame, field->body);
}

static int64_t lane_capture_bytes(const nk_solve *solve, int32_t capture) {
  const nk_dtype dtype = solve->frame->program->buffers[solve->ode->captures[capture]].dtype;
  return solve->ode->capture_elements[capture] * nk_dtype_bytes(dtype);
}

// Where the lane captures' cotangents of this block go, one piece after another.
static void bind_lane_captures(const nk_block *b, void **arguments) {
  const nk_solve *s = b->solve;
  char *piece = b->scratch.lane_ct;
  for (int32_t c = 0; c < s->ode->capture_count; c++) {
    if (!s->ode->capture_has_lanes[c]) continue;
    const int64_t bytes = lane_capture_bytes(s, c);
    *arguments++ = from_lane0(b, piece, bytes);
    piece += nk_align(bytes * s->block_lanes);
  }
}

nk_status nk_field_backward(const nk_block *b, double t, const char *y, const char *ct_dy, char *ct_y,
                            char *residual) {
  const nk_solve *s = b->solve;
  void **arguments;
  nk_frame frame = frame_of(b, &s->backward, t, y, &arguments);
  frame.residual = residual;
  void **rest = arguments + 2 + s->ode->capture_count;
  rest[0] = from_lane0(b, ct_dy, s->row_bytes);
  rest[1] = from_lane0(b, ct_y, s->row_bytes);
  bind_lane_captures(b, rest + 2);
  return nk_frame_execute(&frame, s->backward.body);
}

nk_status nk_field_vjp(const nk_block *b, double t, const char *y, const char *ct_dy, char *dy, char *ct_y,
                       double acc_scale, char *acc) {
  const nk_solve *s = b->solve;
  void **arguments;
  nk_frame frame = frame_of(b, &s->vjp, t, y, &arguments);
  frame.acc_scale = acc_scale;
  if (acc) frame.acc = acc;
  void **rest = arguments + 2 + s->ode->capture_count;
  rest[0] = from_lane0(b, ct_dy, s->row_bytes);
  rest[1] = from_lane0(b, dy, s->row_bytes);
  rest[2] = from_lane0(b, ct_y, s->row_bytes);
  bind_lane_captures(b, rest + 3);
  return nk_frame_execute(&frame, s->vjp.body);
}

nk_status nk_field_adjoint(const nk_block *b, double t, const char *y, const char *ct_dy, char *dy, char *ct_y) {
  const nk_solve *s = b->solve;
  void **arguments;
  nk_frame frame = frame_of(b, &s->adjoint, t, y, &arguments);
  void **rest = arguments + 2 + s->ode->capture_count;
  rest[0] = from_lane0(b, ct_dy, s->row_bytes);
  rest[1] = from_lane0(b, dy, s->row_bytes);
  rest[2] = from_lane0(b, ct_y, s->row_bytes);
  return nk_frame_execute(&frame, s->adjoint.body);
}

// --- Rows in the order of a worker's slots --------------------------------------------------------------------
static nk_frame rows_frame(const nk_rows *r, const nk_field *field, const char *t, const char *y, void ***arguments) {
  const nk_solve *s = r->solve;
  nk_frame frame = nk_run_frame(&field->run, r->worker, r->group);
  void **a = arguments_of(field, r->worker);
  a[0] = (void *)(uintptr_t)t;
  a[1] = (void *)(uintptr_t)y;
  for (int32_t c = 0; c < s->ode->capture_count; c++)
    if (r->captures[c]) a[2 + c] = r->captures[c] + r->first * nk_capture_bytes(s, c);
  frame.args = *arguments = a;
  frame.lane0 = 0;
  frame.lanes = r->count;
  return frame;
}

nk_status nk_rows_eval(const nk_rows *r, const nk_field *field, const char *t, const char *y, char *dy,
                       char *residual) {
  void **arguments;
  nk_frame frame = rows_frame(r, field, t, y, &arguments);
  if (residual) frame.residual = residual;
  arguments[2 + r->solve->ode->capture_count] = dy;
  return nk_frame_execute(&frame, field->body);
}

static void bind_row_cotangents(const nk_rows *r, void **arguments, char *const *ct_captures) {
  for (int32_t c = 0; ct_captures && c < r->solve->ode->capture_count; c++)
    if (ct_captures[c]) *arguments++ = ct_captures[c] + r->first * nk_capture_bytes(r->solve, c);
}

nk_status nk_rows_backward(const nk_rows *r, const char *t, const char *y, const char *ct_dy, char *ct_y, char *ct_t,
                           char *const *ct_captures, char *residual) {
  const nk_field *field = &r->solve->backward;
  void **arguments;
  nk_frame frame = rows_frame(r, field, t, y, &arguments);
  frame.residual = residual;
  void **rest = arguments + 2 + r->solve->ode->capture_count;
  rest[0] = (void *)(uintptr_t)ct_dy;
  rest[1] = ct_y;
  rest[2] = ct_t;
  bind_row_cotangents(r, rest + 3, ct_captures);
  return nk_frame_execute(&frame, field->body);
}

nk_status nk_rows_vjp(const nk_rows *r, const nk_field *field, const char *t, const char *y, const char *ct_dy,
                      char *dy, char *ct_y, char *ct_t, char *const *ct_captures) {
  void **arguments;
  nk_frame frame = rows_frame(r, field, t, y, &arguments);
  void **rest = arguments + 2 + r->solve->ode->capture_count;
  rest[0] = (void *)(uintptr_t)ct_dy;
  rest[1] = dy;
  rest[2] = ct_y;
  rest[3] = ct_t;
  bind_row_cotangents(r, rest + 4, ct_captures);
  return nk_frame_execute(&frame, field->body);
}

char *nk_field_acc(const nk_field *field, int64_t group) {
  return nk_run_frame(&field->run, 0, group).acc;
}

// One lane capture after another: where its cotangent is in scratch, in `tentative`, and in the outputs.
typedef struct lane_capture {
  int32_t capture;
  nk_dtype dtype;
  int64_t bytes; // of a lane
  char *piece, *tentative, *output;
} lane_capture;

static int next_lane_capture(const nk_block *b, char *tentative, lane_capture *at) {
  const nk_solve *s = b->solve;
  const nk_ode *ode = s->ode;
  if (at->capture < 0) {
    at->piece = b->scratch.lane_ct;
    at->tentative = tentative;
  } else {
    at->piece += nk_align(at->bytes * s->block_lanes);
    if (tentative) at->tentative += nk_align(at->bytes * ode->lanes);
  }
  for (at->capture++; at->capture < ode->capture_count; at->capture++) {
    if (!ode->capture_has_lanes[at->capture]) continue;
    const int32_t target = ode->ct_captures[at->capture];
    at->dtype = s->frame->program->buffers[ode->captures[at->capture]].dtype;
    at->bytes = lane_capture_bytes(s, at->capture);
    at->output = target >= 0 && at->dtype != NK_I32 ? nk_frame_address(s->frame, target) : NULL;
    return 1;
  }
  return 0;
}

void nk_lane_captures_add(const nk_block *b, double scale, char *tentative) {
  lane_capture at = {.capture = -1};
  while (next_lane_capture(b, tentative, &at)) {
    char *to = tentative ? at.tentative : at.output;
    if (!to || at.dtype == NK_I32) continue;
    const int64_t n = b->lanes * b->solve->ode->capture_elements[at.capture];
    nk_kernels_get(at.dtype)->axpby(to + b->lane0 * at.bytes, at.piece, scale, 1, (ptrdiff_t)n);
  }
}

void nk_lane_captures_reset(const nk_block *b, char *tentative) {
  lane_capture at = {.capture = -1};
  while (next_lane_capture(b, tentative, &at))
    memset(at.tentative + b->lane0 * at.bytes, 0, (size_t)(b->lanes * at.bytes));
}

void nk_lane_captures_commit(const nk_block *b, char *tentative) {
  lane_capture at = {.capture = -1};
  while (next_lane_capture(b, tentative, &at)) {
    const int64_t n = b->lanes * b->solve->ode->capture_elements[at.capture], offset = b->lane0 * at.bytes;
    if (at.output)
      nk_kernels_get(at.dtype)->axpby(at.output + offset, at.tentative + offset, 1, 1, (ptrdiff_t)n);
  }
}

void nk_lane_captures_move(const nk_block *b, double scale, char *to, char *from) {
  lane_capture at = {.capture = -1};
  while (next_lane_capture(b, from, &at)) {
    const int64_t n = b->lanes * b->solve->ode->capture_elements[at.capture], offset = b->lane0 * at.bytes;
    if (at.dtype != NK_I32)
      nk_kernels_get(at.dtype)->axpby(to + (at.tentative - from) + offset, at.tentative + offset, scale, 1, (ptrdiff_t)n);
  }
}

void nk_captures_clear(const nk_solve *s) {
  const nk_ode *ode = s->ode;
  for (int32_t c = 0; c < ode->capture_count; c++) {
    if (ode->ct_captures[c] < 0) continue;
    const nk_dtype dtype = s->frame->program->buffers[ode->ct_captures[c]].dtype;
    const int64_t elements = ode->capture_elements[c] * (ode->capture_has_lanes[c] ? ode->lanes : 1);
    memset(nk_frame_address(s->frame, ode->ct_captures[c]), 0, (size_t)(elements * nk_dtype_bytes(dtype)));
  }
}

void nk_captures_store(const nk_solve *solve, const nk_field *field, const char *acc) {
  const nk_ode *ode = solve->ode;
  int32_t piece = 1; // 0 is t
  for (int32_t c = 0; c < ode->capture_count; c++) {
    if (ode->capture_has_lanes[c]) continue;
    const nk_accumulator *a = piece < field->body->acc_count ? &field->body->acc[piece] : NULL;
    piece++;
    if (a && a->count > 0 && ode->ct_captures[c] >= 0)
      memcpy(nk_frame_address(solve->frame, ode->ct_captures[c]), acc + a->offset,
             (size_t)(a->count * nk_dtype_bytes(a->dtype)));
  }
}

void nk_captures_sum(const nk_solve *s, const nk_field *field) {
  char *acc = nk_field_acc(field, 0);
  nk_accumulators_combine(field->body, acc, field->run.layout.acc_stride, s->groups, NULL, s->frame->pool);
  nk_captures_store(s, field, acc);
}
