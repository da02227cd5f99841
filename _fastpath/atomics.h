/* Atomic access to shared memory: acquire, release and compare-and-swap, nothing else.
 *
 * Only words that two processes really share go through here; everything else is a plain access.
 * The names say the order, so that a reader of the .pxi files never has to guess it.
 */
#ifndef RINGMAIN_ATOMICS_H
#define RINGMAIN_ATOMICS_H

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef RINGMAIN_DEBUG
/* A debug build can be told to kill -9 itself right before its nth shared store: the test that a crash at any
 * instant loses nothing walks through all of them. */
static int64_t stores_left;
static inline void before_store(void) { if (stores_left && --stores_left == 0) kill(getpid(), SIGKILL); }
static inline int64_t crash_before(int64_t n) { int64_t left = stores_left; stores_left = n; return left; }
#else
static inline void before_store(void) {}
static inline int64_t crash_before(int64_t n) { (void)n; return -1; }
#endif

static inline uint64_t load_acquire_64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline uint64_t load_relaxed_64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline void store_release_64(uint64_t *at, uint64_t value) { before_store(); __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline void store_relaxed_64(uint64_t *at, uint64_t value) { before_store(); __atomic_store_n(at, value, __ATOMIC_RELAXED); }
static inline int swap_if_64(uint64_t *at, uint64_t expected, uint64_t desired) {
    before_store();
    return __atomic_compare_exchange_n(at, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline uint64_t fetch_or_64(uint64_t *at, uint64_t bits) { before_store(); return __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST); }
static inline uint64_t fetch_and_64(uint64_t *at, uint64_t bits) { before_store(); return __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST); }

static inline uint32_t load_acquire_32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline uint32_t load_relaxed_32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
static inline void store_release_32(uint32_t *at, uint32_t value) { before_store(); __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static inline void store_relaxed_32(uint32_t *at, uint32_t value) { before_store(); __atomic_store_n(at, value, __ATOMIC_RELAXED); }
static inline uint32_t exchange_32(uint32_t *at, uint32_t value) { before_store(); return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); }
static inline uint32_t fetch_or_32(uint32_t *at, uint32_t bits) { before_store(); return __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST); }
static inline uint32_t fetch_and_32(uint32_t *at, uint32_t bits) { before_store(); return __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST); }
static inline uint32_t fetch_add_32(uint32_t *at, uint32_t value) { before_store(); return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); }
static inline int swap_if_32(uint32_t *at, uint32_t expected, uint32_t desired) {
    before_store();
    return __atomic_compare_exchange_n(at, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline void full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A fraction of the price, some milliseconds behind. */
static inline int64_t about_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void prefetch_write(const void *at) { __builtin_prefetch(at, 1, 3); }
static inline void prefetch_read(const void *at) { __builtin_prefetch(at, 0, 3); }

static inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
static inline int highest_bit(uint64_t word) { return 63 - __builtin_clzll(word); }

/* The hash behind a key's chain: 64-bit FNV-1a over 8-byte steps with a final mix (splitmix64). Two keys
 * that collide are only serialised with each other, so it has to be fast and spread, not secure. */
static inline uint64_t key_hash(const char *bytes, size_t length, uint64_t seed) {
    uint64_t h = 0xcbf29ce484222325ULL ^ (seed * 0x9e3779b97f4a7c15ULL), w;
    while (length >= 8) {
        memcpy(&w, bytes, 8);
        h = (h ^ w) * 0x100000001b3ULL; h ^= h >> 29;
        bytes += 8; length -= 8;
    }
    w = length;
    while (length--) w = (w << 8) | (unsigned char)bytes[length];
    h = (h ^ w) * 0x100000001b3ULL;
    h ^= h >> 30; h *= 0xbf58476d1ce4e5b9ULL; h ^= h >> 27; h *= 0x94d049bb133111ebULL; h ^= h >> 31;
    return h ? h : 1;
}
#endif
