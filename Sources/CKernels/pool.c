// The thread pool: one job at a time, its indices claimed one by one from a shared counter.
//
// A worker joins a job by counting itself into `ticket` while the job is open; the caller closes the job when
// all indices are claimed and waits for those who joined, not for all: a worker that sleeps through a short
// job costs nothing. Alternatives: a barrier over all workers (simpler, but every short loop waits for the
// slowest wake-up) or queues per worker with stealing (needed for nested parallelism only, which this library
// does not have).
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "nk_pool.h"

// ticket: generation << 16 | open << 15 | workers that joined.
enum { JOINED = (1 << 15) - 1, OPEN = 1 << 15, GENERATION = 1 << 16 };
// About 50 microseconds of pauses: longer than the gap between two passes of a solver, shorter than anyone
// minds.
enum { SPINS = 3000 };

struct nk_pool {
  int32_t threads, started;
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
  _Atomic uint64_t ticket;
  _Atomic int32_t sleepers, caller_sleeps, busy, stop;
  // The job; written while no job is open and nobody is joined.
  void (*body)(void *, int64_t, int32_t);
  void *context;
  int64_t count;
  _Atomic int64_t next;
  struct nk_worker {
    nk_pool *pool;
    pthread_t thread;
    int32_t index;
  } *workers;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void claim(nk_pool *pool, int32_t worker) {
  for (;;) {
    const int64_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (i >= pool->count) return;
    pool->body(pool->context, i, worker);
  }
}

// True when there is a job that is open and not the one seen last.
static int has_news(nk_pool *pool, uint64_t seen) {
  const uint64_t ticket = atomic_load(&pool->ticket);
  return ((ticket & OPEN) && ticket / GENERATION != seen) || atomic_load(&pool->stop);
}

static void *work(void *argument) {
  const struct nk_worker *self = argument;
  nk_pool *pool = self->pool;
  uint64_t seen = 0;
  for (;;) {
    for (int32_t i = 0; i < SPINS && !has_news(pool, seen); i++) pause_briefly();
    if (!has_news(pool, seen)) {
      pthread_mutex_lock(&pool->mutex);
      // The counter is raised before the last look, the caller looks at it after opening: one of the two
      // notices.
      atomic_fetch_add(&pool->sleepers, 1);
      while (!has_news(pool, seen)) pthread_cond_wait(&pool->wake, &pool->mutex);
      atomic_fetch_sub(&pool->sleepers, 1);
      pthread_mutex_unlock(&pool->mutex);
    }
    if (atomic_load(&pool->stop)) return NULL;
    uint64_t ticket = atomic_load(&pool->ticket);
    int joined = 0;
    while ((ticket & OPEN) && !joined)
      joined = atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1);
    if (!joined) continue;
    seen = ticket / GENERATION;
    claim(pool, self->index);
    ticket = atomic_fetch_sub(&pool->ticket, 1) - 1;
    if ((ticket & (OPEN | JOINED)) == 0 && atomic_load(&pool->caller_sleeps)) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

static void run_serially(int64_t count, void (*body)(void *, int64_t, int32_t), void *context) {
  for (int64_t i = 0; i < count; i++) body(context, i, 0);
}

void nk_pool_run(nk_pool *pool, int64_t count, void (*body)(void *context, int64_t index, int32_t worker),
                 void *context) {
  int32_t idle = 0;
  if (!pool || pool->threads < 2 || count < 2 || !atomic_compare_exchange_strong(&pool->busy, &idle, 1)) {
    run_serially(count, body, context);
    return;
  }
  pool->body = body;
  pool->context = context;
  pool->count = count;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  const uint64_t generation = atomic_load(&pool->ticket) / GENERATION + 1;
  atomic_store(&pool->ticket, generation * GENERATION | OPEN);
  if (atomic_load(&pool->sleepers)) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
  }
  claim(pool, 0);
  uint64_t left = atomic_fetch_and(&pool->ticket, ~(uint64_t)OPEN) & JOINED;
  for (int32_t i = 0; i < SPINS && left; i++) {
    pause_briefly();
    left = atomic_load(&pool->ticket) & JOINED;
  }
  if (left) {
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, 1);
    while (atomic_load(&pool->ticket) & JOINED) pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, 0);
    pthread_mutex_unlock(&pool->mutex);
  }
  atomic_store(&pool->busy, 0);
}

nk_pool *nk_pool_create(int32_t threads) {
  if (threads < 1 || threads > NK_MAX_THREADS) return NULL;
  nk_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->workers = calloc((size_t)threads, sizeof *pool->workers);
  if (!pool->workers || pthread_mutex_init(&pool->mutex, NULL)) {
    free(pool->workers);
    free(pool);
    return NULL;
  }
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  for (int32_t i = 1; i < threads; i++) {
    pool->workers[i] = (struct nk_worker){.pool = pool, .index = i};
    if (pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i])) break;
    pool->started = i;
  }
  pool->threads = pool->started + 1;
  return pool;
}

void nk_pool_destroy(nk_pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->stop, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  for (int32_t i = 1; i <= pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->done);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->workers);
  free(pool);
}

int32_t nk_pool_threads(const nk_pool *pool) {
  return pool ? pool->threads : 1;
}
