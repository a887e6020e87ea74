// After a solve has failed: what it did last, and where the first value that is not finite came from. Nothing here runs
// before that, but for the few stores of nk_failure_attempt.
#include <math.h>
#include "nk_lanes.h"
#include "nk_trace.h"

nk_failure *nk_failure_of(const nk_solve *s) {
  nk_failure *failure = s->frame && s->frame->diagnosis ? s->frame->diagnosis->failure : NULL;
  if (failure) *failure = (nk_failure){.origin = {.op = -1}};
  return failure;
}

// --- Watching evaluations of the field ---------------------------------------------------------------------------
static double time_of(const nk_seeker *seeker, const nk_frame *frame, int64_t row) {
  const int per_lane = seeker->solve->controller->per_lane;
  const char *t = frame->args[0];
  const int64_t at = per_lane ? frame->lane0 + row : 0;
  return seeker->solve->size == 8 ? ((const double *)t)[at] : (double)((const float *)t)[at];
}

// The row whose index was bad; -1 where the rows share their indices, or another operation failed.
static int64_t row_of_index(const nk_frame *frame, const nk_diagnosis *what) {
  const nk_instr *instr = &frame->program->instrs[what->instr];
  if (what->indexed == NK_INDEXED_NOTHING) return -1;
  if (!frame->program->buffers[instr->in[1]].has_lanes) return -1;
  return what->position / nk_max(1, nk_indices_per_lane(instr)) - frame->lane0;
}

static nk_status seek(nk_watch *watch, const nk_frame *frame, const nk_region *region) {
  nk_seeker *seeker = (nk_seeker *)watch;
  nk_origin *origin = seeker->origin;
  nk_diagnosis what = {.lane = -1, .component = -1};
  nk_frame plain = *frame;
  plain.watch = NULL;
  plain.diagnosis = &what;
  const nk_status status = nk_frame_execute(&plain, region);
  if (seeker->found || region != &frame->program->regions[frame->program->setup_regions]) return status;
  int64_t row = nk_max(seeker->row, 0);
  if (status != NK_SUCCESS) { // an operation that cannot go on, a bad index
    *origin = (nk_origin){.birth = NK_BIRTH_OPERATION, .instr = frame->program->number + what.instr, .op = -1};
    nk_diagnosis *d = seeker->solve->frame->diagnosis;
    row = row_of_index(&plain, &what);
    if (!seeker->solve->controller->per_lane) { // there rows are not lanes
      d->position = what.position;
      d->index = what.index;
      d->entries = what.entries;
      d->indexed = what.indexed;
    }
  } else {
    const char *bad = nk_first_bad_result(&plain, region, seeker->row, &row);
    if (!bad) return status;
    *origin = nk_trace(&plain, region, seeker->solve->ode->capture_count, bad);
  }
  seeker->found = 1;
  origin->row = row;
  origin->t = time_of(seeker, frame, nk_max(0, nk_min(row, frame->lanes - 1)));
  return status;
}

static void set_watch(nk_solve *s, nk_watch *watch) {
  nk_field *const fields[] = {&s->field, &s->forward, &s->backward, &s->vjp, &s->adjoint};
  for (int i = 0; i < (int)(sizeof fields / sizeof *fields); i++) fields[i]->run.watch = watch;
}

int nk_seek_begin(nk_seeker *seeker, nk_solve *s, int64_t row) {
  nk_failure *failure = s->frame->diagnosis ? s->frame->diagnosis->failure : NULL;
  if (!failure) return 0;
  *seeker = (nk_seeker){.watch = {.execute = seek}, .solve = s, .origin = &failure->origin, .row = row};
  failure->origin = (nk_origin){.op = -1};
  set_watch(s, &seeker->watch);
  return 1;
}

void nk_seek_end(nk_seeker *seeker) {
  set_watch(seeker->solve, seeker->solve->frame->watch);
}

int nk_seek_step(nk_seeker *seeker, const nk_step *step) {
  seeker->t = step->t;
  seeker->h = step->h;
  nk_failure_attempt(seeker->solve->frame->diagnosis->failure, step->t, step->h, (double)NAN, !seeker->found);
  return seeker->found;
}

// --- Fixed steps -------------------------------------------------------------------------------------------------
void nk_failure_grid(const nk_solve *s, int64_t failed, int64_t steps) {
  nk_failure *failure = nk_failure_of(s);
  const int64_t first = nk_max(0, failed + 1 - NK_HISTORY);
  if (failure) failure->attempts = first;
  for (int64_t n = first; n <= failed; n++) {
    const double t = nk_grid_time(s, s->times, n, steps);
    nk_failure_attempt(failure, t, nk_grid_time(s, s->times, n + 1, steps) - t, (double)NAN, n < failed);
  }
}

// --- Lanes with steps of their own -------------------------------------------------------------------------------
void nk_lanes_explain(nk_solve *s, void (*group)(void *context, int64_t group, int32_t worker)) {
  nk_diagnosis *d = s->frame->diagnosis;
  nk_seeker seeker;
  if (!d || !d->failure || d->lane < 0 || !nk_seek_begin(&seeker, s, 0)) return;
  const nk_origin none = {.op = -1};
  s->failure = d->failure;
  s->seeker = &seeker;
  // A bad index ends all the lanes that were evaluated with it: the first of them that fails alone is the one.
  nk_note *note = &s->notes[0];
  for (int64_t lane = d->lane; lane < nk_min(d->lane + s->block_lanes, s->ode->lanes); lane++) {
    *d->failure = (nk_failure){.origin = none};
    seeker.found = 0;
    s->only = lane + 1;
    group(s, 0, 0);
    if (note->status == NK_SUCCESS) continue;
    d->lane = lane;
    // Out of steps: what an earlier attempt met is not why.
    nk_failure *failure = d->failure;
    const int64_t last = (failure->attempts - 1) % NK_HISTORY;
    if (note->status == NK_MAX_STEPS && failure->attempts > 0 && failure->last[last].verdict == NK_ACCEPTED)
      failure->origin = none;
    if (note->sum[0] == 0 && d->failure->origin.birth != NK_BIRTH_UNKNOWN) d->t = d->failure->origin.t;
    break;
  }
  s->only = 0;
  s->failure = NULL;
  s->seeker = NULL;
  nk_seek_end(&seeker);
}

void nk_lanes_remember(const nk_solve *s, double t, double t1, double error2) {
  const int finite = isfinite(error2);
  const int accepted = s->controller->adaptive ? error2 <= 1 : finite;
  nk_failure_attempt(s->failure, t, t1 - t, s->controller->adaptive ? sqrt(error2) : (double)NAN, accepted);
  // The origin is the last rejected attempt's: what was not finite in an accepted one, or in one whose error could be
  // told, did not matter.
  const int found = s->seeker->found;
  s->seeker->found = 0;
  if (finite && (found || !accepted)) *s->seeker->origin = (nk_origin){.op = -1};
}
