// The flat program that the Swift compiler emits and the executor runs.
//
// A program is buffers + instructions + regions. It is immutable after construction and may be run by many
// threads at once; each run brings its own workspace. Nothing is allocated during a run.
//
// Regions run in order. A SERIAL region executes its instructions once, on whole tensors (lanes = 1, lane0 = 0).
// A LANES region is a loop over blocks of at most `block_lanes` lanes (cut evenly where that is a multiple of
// NK_TILE_ROWS): every block runs all the instructions of the region while its intermediates (NK_SPACE_BLOCK) are in
// cache; blocks go to threads without a barrier. Blocks are divided into `groups` contiguous runs, a number fixed
// at compile time, and each group has its own accumulators (NK_SPACE_ACC), visited block after block in order;
// groups are added in a fixed tree at the region's end. So bits depend on the program and its inputs, never on the
// number of threads.
#ifndef NK_PROGRAM_H
#define NK_PROGRAM_H

#include "nk_kernels.h"
#include "nk_pool.h"

typedef enum NK_CLOSED_ENUM nk_space {
  NK_SPACE_ARG,      // args[slot] of the caller; `offset` bytes into it
  NK_SPACE_CONST,    // the program's read-only constants
  NK_SPACE_ARENA,    // the run's arena
  NK_SPACE_BLOCK,    // the worker's scratch, valid within one block of one region
  NK_SPACE_RESIDUAL, // like BLOCK, but at a base that the solver chooses: values a forward field keeps for its gradient
  NK_SPACE_ACC       // the group's accumulators: zero or overwritten in the first block, then only added to
} nk_space;

typedef struct nk_buffer {
  nk_space space;
  nk_dtype dtype;
  int32_t slot;        // NK_SPACE_ARG: index into args
  int32_t has_lanes;   // 1: leading axis is the region's lane axis
  int64_t offset;      // bytes from the start of the space (or of the argument)
  int64_t bytes;       // has_lanes: bytes of one lane (lanes are adjacent), else of the whole buffer
} nk_buffer;
// Address for a block that starts at lane0, in bytes:
//   ARG, ARENA:       base + offset + (has_lanes ? lane0 * bytes : 0)
//   BLOCK, RESIDUAL:  base + offset   (the compiler reserved bytes * block_lanes for buffers with lanes)
//   CONST, ACC:       base + offset

// How an operand is walked: element offset + sum over axes of index*stride + lane*lane_stride (0: not per lane).
typedef struct nk_view {
  int32_t buffer;
  int64_t offset, lane_stride;
  int64_t stride[NK_MAX_RANK];
} nk_view;

// --- Fused elementwise code: a register machine over cache-sized tiles -------------------------------------------
// Registers 0..<operands are the operands, then the constants, then temporaries. An output may lie exactly on an operand
// that is contiguous over the same [lanes,] dims (in place), and on no other. Outputs without lanes in a LANES region are
// computed as one lane.
typedef struct nk_vm_op { uint8_t op, dst, a, b, c; } nk_vm_op; // op: nk_ewise
typedef struct nk_vm_output { int32_t buffer; uint8_t reg; } nk_vm_output; // contiguous, shape [lanes,] dims
typedef struct nk_ewise_code {
  int32_t rank;                 // of one lane; adjacent axes already merged where all operands allow
  int64_t dims[NK_MAX_RANK];
  int32_t operand_count; const nk_view *operands;
  int32_t constant_count; const double *constants;
  int32_t op_count; const nk_vm_op *ops;
  int32_t output_count; const nk_vm_output *outputs;
  int32_t register_count;       // at most NK_VM_REGISTERS
} nk_ewise_code;
#define NK_VM_REGISTERS 48
#define NK_VM_OPERANDS 16

// --- Instructions ------------------------------------------------------------------------------------------------
// `in` and `out` hold buffer ids (-1: absent). Where an output's buffer is in NK_SPACE_ACC the instruction adds
// acc_scale times its result (acc_scale is 1 but for the solvers' weighted sums); opcodes that may do so say "acc". In the
// first block of a group it writes, where the region says acc_overwritten.
// In a LANES region a buffer with lanes carries the block's lanes on its leading axis; "rows" = lanes * rows_per_lane.
#define NK_OPCODE_LIST(X)                                                                                              \
  X(NK_OP_EWISE, "elementwise")            /* u.ewise; operands and outputs are named there                         */ \
  X(NK_OP_COPY, "copy")                    /* u.copy: strided to strided                                            */ \
  X(NK_OP_FILL, "fill")                    /* out0 = u.fill.value                                                   */ \
  X(NK_OP_REDUCE, "reduce")                /* u.reduce: in0 [lanes *] outer, count, inner -> out0                   */ \
  X(NK_OP_REDUCE_LANES, "reduceLanes")     /* u.reduce: out0 [inner] (acc) = sum over lanes*outer*count             */ \
  X(NK_OP_PACK, "pack")                    /* u.pack: in0 -> out0 (packed panels)                                   */ \
  X(NK_OP_MATMUL, "matmul")                /* u.matmul: in0 A [rows, k], in1 packed B, in2 bias or -1, in3 times or -1 -> out0 */ \
  X(NK_OP_MATMUL_OUTER, "matmulOuter")     /* u.matmul: in0 A [rows, k], in1 B [rows, n], (in2, in3 more) -> out0 [k, n] (acc) */ \
  X(NK_OP_MATMUL_BATCHED, "matmulBatched") /* u.batched: general, in0, in1 -> out0                                  */ \
  X(NK_OP_CONV, "conv")                    /* u.conv: in0 x, in1 packed filter, in2 bias or -1 -> out0              */ \
  X(NK_OP_CONV_INPUT_GRADIENT, "convInputGradient")   /* u.conv: in0 dy, in1 packed transposed filter -> out0       */ \
  X(NK_OP_CONV_FILTER_GRADIENT, "convFilterGradient") /* u.conv: in0 x, in1 dy -> out0 (acc)                        */ \
  X(NK_OP_POOL, "pool")                    /* u.pool: in0 -> out0                                                   */ \
  X(NK_OP_POOL_GRADIENT, "poolGradient")   /* u.pool: in0 x (max) or -1, in1 dy -> out0                             */ \
  X(NK_OP_GROUP_NORM, "groupNorm")         /* u.norm: in0 x -> out0 y, out1 rstd                                    */ \
  X(NK_OP_GROUP_NORM_GRADIENT, "groupNormGradient") /* u.norm: in0 y, in1 rstd, in2 dy -> out0 dx                   */ \
  X(NK_OP_SOFTMAX_XENT, "softmaxCrossEntropy")      /* u.softmax: in0 x, in1 labels (i32) -> out0 loss per row      */ \
  X(NK_OP_SOFTMAX_XENT_GRADIENT, "softmaxCrossEntropyGradient") /* in0 x, in1 labels, in2 dy -> out0                */ \
  /* An index outside of [0, entries) ends the run with NK_INDEX_OUT_OF_RANGE; table and indices may have lanes or not. */ \
  X(NK_OP_GATHER, "gather")                /* u.gather: in0 table [entries, width], in1 i32 indices -> out0         */ \
  X(NK_OP_SCATTER_ADD, "scatterAdd")       /* u.gather: in0 rows [n, width], in1 i32 indices -> out0 [entries, width] (acc) */ \
  /* Along the last axis; an index outside of its row ends the run with NK_INDEX_OUT_OF_RANGE. */ \
  X(NK_OP_CUMULATIVE_SUM, "cumulativeSum") /* u.rowwise: in0 [rows, n] -> out0                                      */ \
  X(NK_OP_ARGSORT, "argsort")              /* u.rowwise: in0 [rows, n] -> out0 i32 [rows, n]                        */ \
  X(NK_OP_TAKE_ALONG, "takeAlong")         /* u.rowwise: in0 [rows, entries], in1 i32 [rows, n] -> out0 [rows, n]   */ \
  X(NK_OP_ADD_ALONG, "addAlong")           /* u.rowwise: in0 [rows, n], in1 i32 [rows, n] -> out0 [rows, entries]   */ \
  X(NK_OP_RANDOM, "random")                /* u.random: in0 key (two i32) -> out0                                   */ \
  X(NK_OP_CONVERT, "convert")              /* in0 -> out0, between dtypes, contiguous; u.convert.count per lane     */ \
  X(NK_OP_INTERLEAVE, "interleave")        /* u.interleave: in0... columns [count] each -> out0 [count, columns]     */ \
  /* Dense linear algebra on every matrix of a batch: u.matrix; see nk_matrix in nk_kernels.h.                      */ \
  X(NK_OP_LU, "luFactors")                 /* in0 A -> out0 factors [n, n], out1 pivots (i32) [n]                   */ \
  X(NK_OP_LU_SOLVE, "luSolve")             /* in0 factors, in1 pivots, in2 B [n, k] -> out0 X [n, k]                */ \
  X(NK_OP_LU_DETERMINANT, "luDeterminant") /* in0 factors, in1 pivots -> out0 det, out1 log|det|, out2 sign         */ \
  X(NK_OP_CHOLESKY, "cholesky")            /* in0 A -> out0 L [n, n]                                                */ \
  X(NK_OP_TRIANGULAR_SOLVE, "triangularSolve") /* in0 T [n, n], in1 B [n, k] -> out0 X [n, k]                       */ \
  X(NK_OP_QR, "qr")                        /* in0 A [m, n], m >= n -> out0 Q [m, n], out1 R [n, n]                  */ \
  X(NK_OP_SYMMETRIC_EIGEN, "symmetricEigen") /* in0 A -> out0 eigenvalues [n], out1 eigenvectors [n, n]             */ \
  X(NK_OP_SCAN, "scan")                    /* u.scan: see nk_scan.h                                                 */ \
  X(NK_OP_ODE, "odeint")                   /* u.ode: see nk_ode.h                                                   */ \
  X(NK_OP_ODE_GRADIENT, "odeintGradient")  /* u.ode: see nk_ode.h                                                   */

typedef enum NK_CLOSED_ENUM nk_opcode {
#define NK_X(name, text) name,
  NK_OPCODE_LIST(NK_X)
#undef NK_X
} nk_opcode;

#define NK_MAX_IN 4
#define NK_MAX_OUT 4

typedef struct nk_copy {
  int32_t rank;
  int64_t dims[NK_MAX_RANK]; // of one lane
  nk_view src, dst;          // dst may be strided (concatenation, padding)
} nk_copy;

typedef struct nk_batched {
  int64_t batch, m, k, n;    // per lane: C[b] [m, n] = op(A[b]) * op(B[b])
  int32_t transpose_a, transpose_b; // A stored [k, m], B stored [n, k]
  int64_t a_lane, a_batch, b_lane, b_batch; // element strides; 0 repeats the same matrix
} nk_batched;

typedef struct nk_ode nk_ode;
typedef struct nk_scan nk_scan;

typedef struct nk_instr {
  nk_opcode op;
  nk_dtype dtype;            // of the arithmetic
  int32_t in[NK_MAX_IN];
  int32_t out[NK_MAX_OUT];
  int64_t scratch;           // byte offset in the worker's block scratch of this instruction's own scratch
  int64_t scratch_bytes;     // as nk_instr_scratch_bytes answers for the region's block_lanes
  int32_t origin;            // index into the compiler's table of source operations, for reports
  int32_t once;              // 1: inside of a LANES region, run once per block on buffers without lanes (lanes = 1,
                             // lane0 = 0): what depends on t alone, and what follows a block's partial sums
  union {
    nk_ewise_code ewise;
    nk_copy copy;
    struct { double value; int64_t count; } fill;                        // count per lane
    struct { nk_reduction kind; int64_t outer, count, inner; double scale; } reduce;
    struct { nk_pack_kind kind; int64_t k, n; nk_conv conv; } pack;
    struct { int64_t rows_per_lane, k, n; int32_t act, factor; } matmul; // see nk_epilogue
    nk_batched batched;
    nk_matrix matrix;
    struct { nk_conv geometry; int64_t images_per_lane; int32_t act; } conv;
    struct { nk_pool2d geometry; int64_t images_per_lane; } pool;
    struct { int64_t images_per_lane, positions, channels, groups; double eps; } norm;
    struct { int64_t rows_per_lane, classes; } softmax;
    struct { int64_t rows_per_lane, width, entries; } gather;
    struct { int64_t rows_per_lane, n, entries; int32_t backward; } rowwise; // backward: from the end, or descending
    struct { int32_t normal; int64_t count; } random;                    // count per lane; index = lane*count + i
    struct { int64_t count; } convert;                                   // per lane
    struct { int32_t columns; int64_t count; } interleave;               // columns: 2 to NK_MAX_IN; count per lane
    const nk_scan *scan;
    const nk_ode *ode;
  } u;
} nk_instr;

typedef enum NK_CLOSED_ENUM nk_region_kind { NK_REGION_SERIAL, NK_REGION_LANES } nk_region_kind;

typedef struct nk_region {
  nk_region_kind kind;
  int32_t first, count;      // instructions
  int64_t lanes;             // LANES: total lanes (programs run by a solver get theirs from the solver)
  int64_t block_lanes;
  int32_t groups;            // 1 <= groups <= number of blocks
  // Accumulators of this region, [0, acc_bytes) of NK_SPACE_ACC, in pieces that are stored (not added) to a
  // buffer when the region ends.
  int64_t acc_bytes;
  int32_t acc_overwritten;   // every piece has one writer, and is written whole: no need to start from zero
  int32_t acc_count;
  const struct nk_accumulator *acc;
} nk_region;

typedef struct nk_accumulator {
  int64_t offset, count;     // bytes into ACC; elements
  nk_dtype dtype;
  int32_t buffer;            // destination, without lanes
} nk_accumulator;

typedef struct nk_program {
  int32_t buffer_count; const nk_buffer *buffers;
  int32_t instr_count;  const nk_instr *instrs;
  int32_t region_count; const nk_region *regions;
  int32_t setup_regions;     // programs run by a solver: the first regions, which depend on captures only, run once
                             // per solve; exactly one region (the body) follows
  int32_t arg_count;
  int32_t number;            // of its first instruction among those of all programs of an image, its caller's first
  const void *constants; int64_t constant_bytes;
  int64_t arena_bytes;       // NK_SPACE_ARENA
  int64_t block_bytes;       // one worker's NK_SPACE_BLOCK, instruction scratch included
  int64_t residual_bytes;    // one block's NK_SPACE_RESIDUAL
  int64_t acc_bytes;         // one group's NK_SPACE_ACC: the largest region's
} nk_program;

// What a bad index is of: nothing (there was none), rows of a table, elements of the last axis.
typedef enum NK_CLOSED_ENUM nk_indexed { NK_INDEXED_NOTHING, NK_INDEXED_TABLE, NK_INDEXED_AXIS } nk_indexed;

struct nk_failure;
// What went wrong, and where. Zeroed by the caller.
typedef struct nk_diagnosis {
  nk_status status;
  int32_t instr;             // index of the instruction of the outermost program
  int64_t lane, component;   // first offending element, -1 where unknown
  double t, h;               // solver time and last step tried
  int64_t steps, rejected;
  double error_ratio;        // of the last rejected step
  int64_t steps_needed;      // NK_MAX_STEPS of fixed steps: how many there would have been
  int64_t position, index, entries; // NK_INDEX_OUT_OF_RANGE: where among the indices, which, of how many
  nk_indexed indexed;        // NK_INDEXED_NOTHING: the three above say nothing
  struct nk_failure *failure; // zeroed by the caller: what led to it, see nk_failure.h; NULL: nobody asks
} nk_diagnosis;

// Memory of one run with `threads` workers, nested solves included; 64-byte aligned by the caller.
int64_t nk_program_workspace_bytes(const nk_program *program, int32_t threads);
// Scratch one instruction needs when its region runs blocks of `block_lanes` lanes (1 for a SERIAL region).
int64_t nk_instr_scratch_bytes(const nk_instr *instr, int64_t block_lanes);
// Runs the whole program. `diagnosis` may be NULL.
nk_status nk_program_run(const nk_program *program, void *const *args, void *workspace, nk_pool *pool,
                         nk_diagnosis *diagnosis);

const char *nk_opcode_name(nk_opcode op);

// --- Used by the solvers: where one block of one program finds its memory ---------------------------------------
// Stands between a frame and its instructions, instead of running them straight: a profile, or the search for where a
// failure began. All other runs have none.
typedef struct nk_watch nk_watch;
struct nk_frame;
struct nk_watch {
  nk_status (*execute)(nk_watch *watch, const struct nk_frame *frame, const nk_region *region);
};

typedef struct nk_frame {
  const nk_program *program;
  void *const *args;
  char *arena, *block, *acc, *residual;
  int64_t lane0, lanes;
  double acc_scale;
  int32_t acc_fresh; // accumulators hold nothing yet: what adds to one writes it
  nk_pool *pool;             // for nested solves in SERIAL regions; NULL inside of a block
  nk_diagnosis *diagnosis;
  char *nested;              // workspace of nested solves (SERIAL regions)
  nk_watch *watch;
  int32_t worker;
} nk_frame;
nk_status nk_frame_execute(const nk_frame *frame, const nk_region *region); // one block, or one SERIAL region
static inline char *nk_frame_address(const nk_frame *f, int32_t id) {
  const nk_buffer *b = &f->program->buffers[id];
  const int64_t lane = b->has_lanes ? f->lane0 * b->bytes : 0;
  switch (b->space) {
  case NK_SPACE_ARG: return (char *)f->args[b->slot] + b->offset + lane;
  case NK_SPACE_CONST: return (char *)f->program->constants + b->offset;
  case NK_SPACE_ARENA: return f->arena + b->offset + lane;
  case NK_SPACE_BLOCK: return f->block + b->offset;
  case NK_SPACE_RESIDUAL: return f->residual + b->offset;
  case NK_SPACE_ACC: return f->acc + b->offset;
  }
  return NULL;
}

#endif
