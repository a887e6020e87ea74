#define _GNU_SOURCE // clock_gettime
// Profiles: the clock, the watch that counts instructions, and the phases of solves.
#include <time.h>
#include "nk_phases.h"
#include "nk_scan.h"

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// The cheapest clock: an instruction may take fewer nanoseconds than asking the system for the time.
static int64_t ticks(void) {
#if defined(__x86_64__)
  return (int64_t)__builtin_ia32_rdtsc();
#else
  return nanoseconds();
#endif
}

static void leave_phase(nk_tally *tally, int64_t now) {
  if (tally->phases) tally->phases[tally->phase].ticks += now - tally->since;
  tally->phases = NULL;
}

// --- Instructions --------------------------------------------------------------------------------------------------
static nk_status execute(nk_watch *watch, const nk_frame *frame, const nk_region *region) {
  const nk_profile *profile = (const nk_profile *)watch;
  nk_tally *tally = &profile->tallies[frame->worker], outside = *tally;
  const nk_program *program = frame->program;
  nk_counter *own = tally->counters + program->number;
  const int64_t begin = ticks();
  int64_t now = begin;
  nk_status status = NK_SUCCESS;
  leave_phase(tally, now);
  for (int32_t i = region->first; i < region->first + region->count && status == NK_SUCCESS; i++) {
    const nk_instr *instr = &program->instrs[i];
    status = nk_instr_execute(instr, frame);
    const int64_t end = ticks();
    own[i].calls++;
    own[i].lanes += instr->once ? 1 : frame->lanes;
    own[i].ticks += end - now;
    now = end;
    if (status == NK_SUCCESS || !frame->diagnosis) continue;
    frame->diagnosis->status = status;
    frame->diagnosis->instr = i;
  }
  nk_counter *whole = own + profile->instructions;
  whole->calls++;
  whole->lanes += frame->lanes;
  whole->ticks += now - begin;
  tally->phases = outside.phases;
  tally->phase = outside.phase;
  tally->since = now;
  return status;
}

nk_profile *nk_profile_of(const nk_frame *frame) {
  return frame->watch && frame->watch->execute == execute ? (nk_profile *)frame->watch : NULL;
}

// --- Phases --------------------------------------------------------------------------------------------------------
void nk_phase_enter(const nk_solve *s, int32_t worker, nk_phase phase, int64_t lanes) {
  nk_tally *tally = &s->profile->tallies[worker];
  const int64_t now = ticks();
  leave_phase(tally, now);
  tally->phases = tally->counters + 2 * s->profile->instructions + s->number * NK_PHASE_COUNT;
  tally->phase = (int32_t)phase;
  tally->since = now;
  tally->phases[phase].calls++;
  tally->phases[phase].lanes += lanes;
}

void nk_phase_leave(const nk_solve *s, int32_t worker) {
  leave_phase(&s->profile->tallies[worker], ticks());
}

typedef struct phased {
  const nk_solve *solve;
  void (*body)(void *context, int64_t index, int32_t worker);
  void *context;
  nk_phase phase;
} phased;

static void run_phased(void *context, int64_t index, int32_t worker) {
  const phased *p = context;
  nk_tally *tally = &p->solve->profile->tallies[worker];
  nk_phase_enter(p->solve, worker, p->phase, 0);
  p->body(p->context, index, worker);
  leave_phase(tally, ticks());
}

void nk_solve_run(const nk_solve *s, int64_t count, void (*body)(void *context, int64_t index, int32_t worker),
                  void *context, nk_phase phase) {
  if (!s->profile) {
    nk_pool_run(s->frame->pool, count, body, context);
    return;
  }
  // The calling thread is in a phase of its own: it may be worker 0 of this, or wait for others.
  nk_tally *caller = &s->profile->tallies[s->frame->worker], outside = *caller;
  leave_phase(caller, ticks());
  phased p = {s, body, context, phase};
  nk_pool_run(s->frame->pool, count, run_phased, &p);
  caller->phases = outside.phases;
  caller->phase = outside.phase;
  caller->since = ticks();
}

nk_status nk_program_profile(const nk_program *program, void *const *args, void *workspace, nk_pool *pool,
                             nk_diagnosis *diagnosis, nk_profile *profile) {
  profile->watch.execute = execute;
  const nk_run run = {.program = program,
                      .args = args,
                      .workspace = workspace,
                      .layout = nk_program_layout(program, nk_pool_threads(pool)),
                      .pool = pool,
                      .diagnosis = diagnosis,
                      .watch = &profile->watch};
  const int64_t from_ns = nanoseconds(), from = ticks();
  const nk_status status = nk_run_regions(&run, 0, program->region_count);
  profile->ticks += ticks() - from;
  profile->nanoseconds += nanoseconds() - from_ns;
  return status;
}
