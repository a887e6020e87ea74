// Placeholder so that the executor links until the drivers land (they replace this file).
#include "nk_internal.h"
int64_t nk_ode_tape_bytes(const nk_ode *ode) { return (void)ode, 0; }
int64_t nk_ode_workspace_bytes(const nk_ode *ode, nk_opcode op, int32_t threads) { return (void)ode, (void)op, (void)threads, 0; }
nk_status nk_ode_execute(const nk_instr *instr, const nk_frame *frame, char *workspace) {
  return (void)instr, (void)frame, (void)workspace, NK_INVALID_ARGUMENT;
}
