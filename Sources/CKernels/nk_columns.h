// Private to the march of many lanes: fields that are elementwise code on numbers of one lane, as operations on columns.
//
// With rows of two or three numbers, taking columns out of rows and putting them back costs several times what the
// arithmetic does. Where a field's body is nothing but elementwise code and moves, a march keeps its states, slopes
// and captures as columns, one contiguous array for each component, and each operation is one pass over columns. The
// operations and their order for a lane are those of the program, so the bits are, too.
#ifndef NK_COLUMNS_H
#define NK_COLUMNS_H

#include "nk_ode.h"

typedef enum nk_column_base {
  NK_COLUMN_TIME,  // of the rows
  NK_COLUMN_STATE, // that the field is evaluated at
  NK_COLUMN_SLOPE, // its result
  NK_COLUMN_OWN    // captures, constants, temporaries: columns of the march
} nk_column_base;
typedef struct nk_column {
  int16_t base, index;
} nk_column;

enum { NK_COLUMN_COPY = NK_EWISE_COUNT };
typedef struct nk_column_op {
  int16_t op; // nk_ewise, or NK_COLUMN_COPY of a
  nk_column to, a, b, c;
} nk_column_op;

// What fills an own column: a component of a capture that has lanes, or the same number for all rows.
typedef struct nk_column_source {
  int32_t capture; // -1: none
  int32_t buffer;  // of the field's program; -1: `value`
  int64_t element;
  double value;
} nk_column_source;

enum { NK_COLUMN_MAX_OPS = 96, NK_COLUMN_MAX_OWN = 96, NK_COLUMN_MAX_DIM = 16 };
typedef struct nk_columns {
  int32_t op_count, source_count, own_count; // own columns with a source come first
  int32_t reads_time;
  nk_column_op ops[NK_COLUMN_MAX_OPS];
  nk_column_source sources[NK_COLUMN_MAX_OWN];
} nk_columns;

// Whether the field is of this kind; if so, its code.
int nk_columns_of(nk_columns *columns, const nk_ode *ode);

#endif
