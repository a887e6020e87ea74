// A small thread pool: parallel loops over independent blocks. Workers spin briefly, then sleep.
//
// The calling thread is worker 0 and takes part. Which worker runs which index is not fixed, so the body may
// use `worker` only to find its scratch memory, never to decide what is computed.
#ifndef NK_POOL_H
#define NK_POOL_H

#include "nk_base.h"

typedef struct nk_pool nk_pool;

// Most threads of a pool.
#define NK_MAX_THREADS 1024

// 1 <= threads <= NK_MAX_THREADS, the caller included; fewer where the system does not give so many. NULL on failure.
nk_pool *nk_pool_create(int32_t threads);
void nk_pool_destroy(nk_pool *pool);
int32_t nk_pool_threads(const nk_pool *pool); // 1 for NULL
// Runs body(context, index, worker) for index in [0, count). pool == NULL runs serially. Not re-entrant: a body
// that calls it with the same pool, or a second thread that calls it meanwhile, is run serially.
void nk_pool_run(nk_pool *pool, int64_t count, void (*body)(void *context, int64_t index, int32_t worker),
                 void *context);

#endif
