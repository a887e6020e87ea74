// Loops with a carry. The carry alternates between the result's own memory and a spare copy, so that the last step writes
// the result and no step reads what it writes.
#include <string.h>
#include "nk_internal.h"
#include "nk_scan.h"

static int64_t argument_count(const nk_scan *scan) {
  return 2 * (int64_t)scan->carry_count + scan->sequence_count + scan->capture_count + scan->output_count;
}

static int64_t spare_bytes(const nk_scan *scan) {
  int64_t bytes = 0;
  for (int32_t i = 0; i < scan->carry_count; i++) bytes += nk_align(scan->carry_bytes[i]);
  return bytes;
}

int64_t nk_scan_workspace_bytes(const nk_scan *scan, int32_t threads) {
  return nk_align(argument_count(scan) * (int64_t)sizeof(void *)) + spare_bytes(scan) +
         nk_program_workspace_bytes(scan->body, threads);
}

nk_status nk_scan_execute(const nk_scan *scan, const nk_frame *frame, char *workspace) {
  const int32_t carries = scan->carry_count, sequences = scan->sequence_count, captures = scan->capture_count;
  void **args = (void **)workspace;
  void **in = args, **row = in + carries, **out = row + sequences + captures, **made = out + carries;
  char *const spare = workspace + nk_align(argument_count(scan) * (int64_t)sizeof(void *));
  const nk_run run = {.program = scan->body,
                      .args = args,
                      .workspace = spare + spare_bytes(scan),
                      .layout = nk_program_layout(scan->body, nk_pool_threads(frame->pool)),
                      .pool = frame->pool,
                      .diagnosis = frame->diagnosis,
                      .watch = frame->watch};
  for (int32_t i = 0; i < captures; i++) row[sequences + i] = nk_frame_address(frame, scan->captures[i]);
  for (int32_t i = 0; i < carries; i++) {
    in[i] = nk_frame_address(frame, scan->first[i]);
    if (scan->steps == 0) memcpy(nk_frame_address(frame, scan->last[i]), in[i], (size_t)scan->carry_bytes[i]);
  }
  for (int64_t step = 0; step < scan->steps; step++) {
    const int64_t at = scan->reversed ? scan->steps - 1 - step : step;
    char *copy = spare;
    for (int32_t i = 0; i < carries; i++) {
      const int64_t bytes = scan->carry_bytes[i];
      if (step > 0) in[i] = out[i];
      out[i] = (scan->steps - 1 - step) % 2 == 0 ? nk_frame_address(frame, scan->last[i]) : copy;
      if (scan->history[i] >= 0)
        memcpy(nk_frame_address(frame, scan->history[i]) + at * bytes, in[i], (size_t)bytes);
      copy += nk_align(bytes);
    }
    for (int32_t i = 0; i < sequences; i++)
      row[i] = nk_frame_address(frame, scan->sequences[i]) + at * scan->sequence_bytes[i];
    for (int32_t i = 0; i < scan->output_count; i++)
      made[i] = nk_frame_address(frame, scan->outputs[i]) + at * scan->output_bytes[i];
    const nk_status status = nk_run_regions(&run, 0, scan->body->region_count);
    if (status != NK_SUCCESS) return status;
  }
  return NK_SUCCESS;
}
