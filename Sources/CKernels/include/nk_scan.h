// A loop over the rows of leading axes with a carry, as one instruction of a SERIAL region.
//
// The body's arguments are: the carry, one row of every sequence, the captures; then the next carry and one row of every
// output. Step i reads row i of the sequences and writes row i of the outputs (counted from the end when reversed). Rows of
// `history` receive the carry as each step found it.
#ifndef NK_SCAN_H
#define NK_SCAN_H

#include "nk_program.h"

struct nk_scan {
  const nk_program *body;
  int64_t steps;
  int32_t reversed;
  int32_t carry_count, sequence_count, capture_count, output_count;
  // Buffers of the operands (first, sequences, captures) and of the results (last, outputs, history; -1: not wanted).
  const int32_t *first, *sequences, *captures;
  const int32_t *last, *outputs, *history;
  // Bytes of one row.
  const int64_t *carry_bytes, *sequence_bytes, *output_bytes;
};

int64_t nk_scan_workspace_bytes(const nk_scan *scan, int32_t threads);
nk_status nk_scan_execute(const nk_scan *scan, const nk_frame *frame, char *workspace);

#endif
