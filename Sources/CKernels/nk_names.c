#include "CKernels.h"

// Names and help texts, each expanded from its list.
static const char *const status_help[] = {
#define NK_X(name, help) [name] = help,
    NK_STATUS_LIST(NK_X)
#undef NK_X
};
static const char *const isa_names[] = {
#define NK_X(name, text) [name] = text,
    NK_ISA_LIST(NK_X)
#undef NK_X
};
static const char *const ewise_names[] = {
#define NK_X(name, text, arity, flops, ulp) [name] = text,
    NK_EWISE_LIST(NK_X)
#undef NK_X
};
static const int32_t ewise_arities[] = {
#define NK_X(name, text, arity, flops, ulp) [name] = arity,
    NK_EWISE_LIST(NK_X)
#undef NK_X
};
static const int32_t ewise_flop_counts[] = {
#define NK_X(name, text, arity, flops, ulp) [name] = flops,
    NK_EWISE_LIST(NK_X)
#undef NK_X
};
static const double ewise_ulp_bounds[] = {
#define NK_X(name, text, arity, flops, ulp) [name] = ulp,
    NK_EWISE_LIST(NK_X)
#undef NK_X
};
static const char *const opcode_names[] = {
#define NK_X(name, text) [name] = text,
    NK_OPCODE_LIST(NK_X)
#undef NK_X
};
static const char *const phase_names[] = {
#define NK_X(name, text) [name] = text,
    NK_PHASE_LIST(NK_X)
#undef NK_X
};

const char *nk_status_help(nk_status status) { return status_help[status]; }
const char *nk_isa_name(nk_isa isa) { return isa_names[isa]; }
const char *nk_ewise_name(nk_ewise op) { return ewise_names[op]; }
int32_t nk_ewise_arity(nk_ewise op) { return ewise_arities[op]; }
int32_t nk_ewise_flops(nk_ewise op) { return ewise_flop_counts[op]; }
double nk_ewise_ulp_bound(nk_ewise op) { return ewise_ulp_bounds[op]; }
const char *nk_phase_name(nk_phase phase) { return phase_names[phase]; }
const char *nk_opcode_name(nk_opcode op) { return opcode_names[op]; }
