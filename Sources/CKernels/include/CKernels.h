// The public face of the kernels: include this.
#ifndef CKERNELS_H
#define CKERNELS_H
#include "nk_base.h"
#include "nk_kernels.h"
#include "nk_pool.h"
#include "nk_program.h"
#include "nk_failure.h"
#include "nk_profile.h"
#include "nk_ode.h"
#include "nk_scan.h"
#include "nk_runtime.h"
#endif
