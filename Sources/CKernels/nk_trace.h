// Private: the search for the operation that made a value which is not finite.
#ifndef NK_TRACE_H
#define NK_TRACE_H

#include "nk_failure.h"
#include "nk_internal.h"

// Memory of a buffer in the hands of a frame: of one of its rows, or of all of them (row < 0, or no lanes).
typedef struct nk_span {
  char *from;
  int64_t bytes;
  nk_dtype dtype;
} nk_span;
nk_span nk_span_of(const nk_frame *frame, int32_t buffer, int64_t row);
const char *nk_span_first_bad(nk_span span); // element that is not finite, or NULL

// The origin of a value that the body of a solver's program has just computed, or was given. Runs the body again.
nk_origin nk_trace(const nk_frame *frame, const nk_region *body, int32_t capture_count, const char *address);
// The first element of the body's arguments that it wrote and that is not finite (row < 0: of any row), and its row.
const char *nk_first_bad_result(const nk_frame *frame, const nk_region *body, int64_t row, int64_t *at);

#endif
