// Basic vocabulary of the kernels: status codes, element types, instruction sets, the elementwise operations.
//
// Every list here is an X-macro and every enum is closed: Swift imports it as an exhaustive enum, so a rule
// that is missing on the Swift side does not compile.
#ifndef NK_BASE_H
#define NK_BASE_H

#include <stddef.h>
#include <stdint.h>

#define NK_CLOSED_ENUM __attribute__((enum_extensibility(closed)))
// Names that Swift sees: an X-macro line is then the only place an operation is spelled.
#define NK_SWIFT_NAME(text) __attribute__((swift_name(text)))
#define NK_MAX_RANK 8

// X(enumerator, help text): what a function of this library can answer. Success is zero.
#define NK_STATUS_LIST(X)                                                                                      \
  X(NK_SUCCESS, "success")                                                                                     \
  X(NK_MAX_STEPS, "the solver used up its step budget; raise maxSteps or loosen the tolerances")               \
  X(NK_STEP_UNDERFLOW, "the step size became too small for t to advance; the problem may be stiff or singular")\
  X(NK_NON_FINITE_FIELD, "the vector field returned a value that is not finite")                               \
  X(NK_NON_FINITE_STATE, "the state stopped being finite")                                                     \
  X(NK_OUT_OF_MEMORY, "memory could not be obtained")                                                          \
  X(NK_INVALID_ARGUMENT, "an argument is outside of its domain")                                               \
  X(NK_INDEX_OUT_OF_RANGE, "an index is outside of the table")                                                 \
  X(NK_TIMES_NOT_MONOTONE, "times must be finite and strictly increasing or strictly decreasing")

typedef enum NK_CLOSED_ENUM nk_status {
#define NK_X(name, help) name,
  NK_STATUS_LIST(NK_X)
#undef NK_X
} nk_status;

typedef enum NK_CLOSED_ENUM nk_dtype { NK_F32, NK_F64, NK_I32 } nk_dtype;

// Instruction sets in ascending order. REFERENCE is plain scalar code and the oracle of the tests.
#define NK_ISA_LIST(X)                                                                                         \
  X(NK_ISA_REFERENCE, "reference")                                                                             \
  X(NK_ISA_BASELINE, "baseline")                                                                               \
  X(NK_ISA_AVX2, "avx2")                                                                                       \
  X(NK_ISA_AVX512, "avx512")

typedef enum NK_CLOSED_ENUM nk_isa {
#define NK_X(name, text) name,
  NK_ISA_LIST(NK_X)
#undef NK_X
} nk_isa;
#define NK_ISA_COUNT 4

// X(enumerator, printed name, arity, flops charged per element, bound of the error in ulp for both types).
// DTANH and DSIGMOID: in ulp of the larger of result and 1 (they cancel by nature).
// Comparisons give 1 or 0 in the operands' own type. SELECT(m, a, b) is a where m != 0, else b.
// STEP is 1 where x > 0, else 0. SIGN(0) is 0. FMA(a, b, c) = a*b + c, rounded once.
// MIN and MAX propagate NaN. MAX's tie goes to the first argument.
// DTANH(y) = 1 - y*y and DSIGMOID(y) = y*(1-y) take the activation's *output*.
#define NK_EWISE_LIST(X)                                                                                       \
  X(NK_NEG, "neg", 1, 1, 0.5)                                                                                       \
  X(NK_ABS, "abs", 1, 1, 0.5)                                                                                       \
  X(NK_SIGN, "sign", 1, 1, 0.5)                                                                                     \
  X(NK_STEP, "step", 1, 1, 0.5)                                                                                     \
  X(NK_RECIPROCAL, "reciprocal", 1, 1, 0.5)                                                                         \
  X(NK_SQUARE, "square", 1, 1, 0.5)                                                                                 \
  X(NK_SQRT, "sqrt", 1, 1, 0.5)                                                                                     \
  X(NK_RSQRT, "rsqrt", 1, 2, 1.6)                                                                                   \
  X(NK_EXP, "exp", 1, 10, 1.5)                                                                                      \
  X(NK_EXPM1, "expm1", 1, 12, 2)                                                                                  \
  X(NK_LOG, "log", 1, 10, 1)                                                                                      \
  X(NK_LOG1P, "log1p", 1, 12, 1.5)                                                                                  \
  X(NK_TANH, "tanh", 1, 14, 3)                                                                                    \
  X(NK_SIGMOID, "sigmoid", 1, 12, 2.2)                                                                              \
  X(NK_SOFTPLUS, "softplus", 1, 20, 2)                                                                            \
  X(NK_SIN, "sin", 1, 14, 2)                                                                                      \
  X(NK_COS, "cos", 1, 14, 2)                                                                                      \
  X(NK_ATAN, "atan", 1, 20, 1.7)                                                                                    \
  X(NK_ERF, "erf", 1, 32, 1.8)                                                                                      \
  X(NK_RELU, "relu", 1, 1, 0.5)                                                                                     \
  X(NK_FLOOR, "floor", 1, 1, 0.5)                                                                                   \
  X(NK_DTANH, "dtanh", 1, 2, 1)                                                                                   \
  X(NK_DSIGMOID, "dsigmoid", 1, 2, 1.5)                                                                           \
  X(NK_ADD, "add", 2, 1, 0.5)                                                                                       \
  X(NK_SUB, "subtract", 2, 1, 0.5)                                                                                  \
  X(NK_MUL, "multiply", 2, 1, 0.5)                                                                                  \
  X(NK_DIV, "divide", 2, 1, 0.5)                                                                                    \
  X(NK_POW, "pow", 2, 25, 1)                                                                                      \
  X(NK_MIN, "minimum", 2, 1, 0.5)                                                                                   \
  X(NK_MAX, "maximum", 2, 1, 0.5)                                                                                   \
  X(NK_GT, "greater", 2, 1, 0.5)                                                                                    \
  X(NK_GE, "greaterOrEqual", 2, 1, 0.5)                                                                             \
  X(NK_EQ, "equal", 2, 1, 0.5)                                                                                      \
  X(NK_SELECT, "select", 3, 1, 0.5)                                                                                 \
  X(NK_FMA, "fma", 3, 2, 0.5)

typedef enum NK_CLOSED_ENUM NK_SWIFT_NAME("Elementwise") nk_ewise {
#define NK_X(name, text, arity, flops, ulp) name NK_SWIFT_NAME(text),
  NK_EWISE_LIST(NK_X)
#undef NK_X
} nk_ewise;

enum {
  NK_EWISE_COUNT = 0
#define NK_X(name, text, arity, flops, ulp) +1
  NK_EWISE_LIST(NK_X)
#undef NK_X
};

typedef enum NK_CLOSED_ENUM NK_SWIFT_NAME("Reduction") nk_reduction {
  NK_REDUCE_SUM NK_SWIFT_NAME("sum"),
  NK_REDUCE_MAX NK_SWIFT_NAME("max")
} nk_reduction;

const char *nk_status_help(nk_status status);
const char *nk_isa_name(nk_isa isa);
const char *nk_ewise_name(nk_ewise op);
int32_t nk_ewise_arity(nk_ewise op);
int32_t nk_ewise_flops(nk_ewise op);
double nk_ewise_ulp_bound(nk_ewise op);

static inline int64_t nk_dtype_bytes(nk_dtype dtype) { return dtype == NK_F64 ? 8 : 4; }

#endif
