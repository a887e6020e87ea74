// The thread pool. Workers wait for a new generation: they spin for some microseconds (a solver asks again within that
// time), then sleep on a condition.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "nk_pool.h"

struct nk_pool {
  int32_t threads;
  _Atomic int32_t busy;        // 1 while a loop runs
  _Atomic uint64_t generation; // grows by one per loop
  _Atomic int64_t next;        // the next index to hand out
  _Atomic int32_t pending;     // workers that have not left the loop
  _Atomic int32_t sleepers;
  _Atomic int32_t stop;
  int64_t count;
  void (*body)(void *context, int64_t index, int32_t worker);
  void *context;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct worker {
    nk_pool *pool;
    int32_t index;
    pthread_t thread;
  } workers[];
};

static void pause_briefly(int32_t spin) {
  if (spin > 256) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void work(nk_pool *pool, int32_t worker) {
  for (;;) {
    const int64_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (index >= pool->count) return;
    pool->body(pool->context, index, worker);
  }
}

static void *worker_main(void *argument) {
  struct worker *self = argument;
  nk_pool *pool = self->pool;
  uint64_t seen = 0;
  for (;;) {
    for (int32_t spin = 0; spin < 20000; spin++) {
      if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen) break;
      if (atomic_load_explicit(&pool->stop, memory_order_relaxed)) break;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    if (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) {
      pthread_mutex_lock(&pool->mutex);
      atomic_fetch_add(&pool->sleepers, 1);
      while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->mutex);
      atomic_fetch_sub(&pool->sleepers, 1);
      pthread_mutex_unlock(&pool->mutex);
    }
    if (atomic_load(&pool->stop)) return NULL;
    seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
    work(pool, self->index);
    atomic_fetch_sub_explicit(&pool->pending, 1, memory_order_release);
  }
}

nk_pool *nk_pool_create(int32_t threads) {
  if (threads < 1) return NULL;
  nk_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof(struct worker));
  if (!pool) return NULL;
  pool->threads = 1;
  if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
    free(pool);
    return NULL;
  }
  pthread_cond_init(&pool->wake, NULL);
  for (int32_t i = 1; i < threads; i++) {
    pool->workers[i].pool = pool;
    pool->workers[i].index = i;
    if (pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]) != 0) {
      nk_pool_destroy(pool);
      return NULL;
    }
    pool->threads = i + 1;
  }
  return pool;
}

void nk_pool_destroy(nk_pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->stop, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  for (int32_t i = 1; i < pool->threads; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

int32_t nk_pool_threads(const nk_pool *pool) { return pool ? pool->threads : 1; }

void nk_pool_run(nk_pool *pool, int64_t count, void (*body)(void *context, int64_t index, int32_t worker),
                 void *context) {
  int32_t idle = 0;
  if (!pool || pool->threads == 1 || count <= 1 || !atomic_compare_exchange_strong(&pool->busy, &idle, 1)) {
    for (int64_t i = 0; i < count; i++) body(context, i, 0);
    return;
  }
  pool->count = count;
  pool->body = body;
  pool->context = context;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->pending, pool->threads - 1, memory_order_relaxed);
  atomic_fetch_add(&pool->generation, 1);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
  }
  work(pool, 0);
  for (int32_t spin = 0; atomic_load_explicit(&pool->pending, memory_order_acquire) > 0; spin++) pause_briefly(spin);
  atomic_store_explicit(&pool->busy, 0, memory_order_release);
}
