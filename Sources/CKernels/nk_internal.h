// What the translation units of the executor share.
#ifndef NK_INTERNAL_H
#define NK_INTERNAL_H

#include "CKernels.h"

static inline int64_t nk_align(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

int64_t nk_ewise_scratch_bytes(const nk_ewise_code *code);
void nk_ewise_execute(const nk_frame *frame, const nk_instr *instr);
void nk_copy_execute(const nk_frame *frame, const nk_instr *instr);
int64_t nk_batched_scratch_bytes(const nk_instr *instr);
void nk_batched_execute(const nk_frame *frame, const nk_instr *instr);

// Zeroes a group's accumulators; adds groups pairwise (fixed tree) into group 0. Groups are `stride` bytes apart.
void nk_accumulators_clear(char *acc, int64_t bytes);
void nk_accumulators_combine(const nk_region *region, char *acc, int64_t stride, int32_t groups);

#endif
