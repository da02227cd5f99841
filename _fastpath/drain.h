/* Reaching the librdkafka that lives inside confluent_kafka: its functions, its client handles, its messages.
 *
 * Who enters: drain.pxi, and librdkafka itself through conf_init and the two interceptors.
 * What never happens here: Python. The interceptors may run on any thread, with or without the GIL.
 *
 * We do not link librdkafka: the wheel carries its own, under a name of its own. The few types and functions we
 * need are declared here (librdkafka's ABI has kept them since 1.0) and looked up in the library that
 * confluent_kafka has already loaded.
 */
#ifndef RINGMAIN_DRAIN_H
#define RINGMAIN_DRAIN_H

#include <dlfcn.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;

typedef struct rd_kafka_message_s {
    int err;
    void *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *_private;
} rd_kafka_message_t;

typedef struct rd_kafka_topic_partition_s {
    char *topic;
    int32_t partition;
    int64_t offset;
    void *metadata;
    size_t metadata_size;
    void *opaque;
    int err;
    void *_private;
} rd_kafka_topic_partition_t;

typedef struct rd_kafka_topic_partition_list_s {
    int cnt;
    int size;
    rd_kafka_topic_partition_t *elems;
} rd_kafka_topic_partition_list_t;

typedef int (*drain_on_new_t)(rd_kafka_t *, const rd_kafka_conf_t *, void *, char *, size_t);
typedef int (*drain_on_destroy_t)(rd_kafka_t *, void *);
typedef int (*drain_on_ack_t)(rd_kafka_t *, rd_kafka_message_t *, void *);

/* ---- the functions ------------------------------------------------------------------------------------------- */

static struct {
    int bound;
    void *(*opaque)(const rd_kafka_t *);
    rd_kafka_queue_t *(*queue_get_partition)(rd_kafka_t *, const char *, int32_t);
    rd_kafka_queue_t *(*queue_get_consumer)(rd_kafka_t *);
    void (*queue_forward)(rd_kafka_queue_t *, rd_kafka_queue_t *);
    void (*queue_io_event_enable)(rd_kafka_queue_t *, int, const void *, size_t);
    void (*queue_destroy)(rd_kafka_queue_t *);
    ssize_t (*consume_batch_queue)(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t);
    void (*message_destroy)(rd_kafka_message_t *);
    int64_t (*message_timestamp)(const rd_kafka_message_t *, int *);
    int (*message_headers)(const rd_kafka_message_t *, rd_kafka_headers_t **);
    int (*header_get_all)(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *);
    int32_t (*message_leader_epoch)(const rd_kafka_message_t *);
    rd_kafka_topic_partition_list_t *(*topic_partition_list_new)(int);
    rd_kafka_topic_partition_t *(*topic_partition_list_add)(rd_kafka_topic_partition_list_t *, const char *, int32_t);
    void (*topic_partition_list_destroy)(rd_kafka_topic_partition_list_t *);
    int (*offsets_for_times)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    int (*conf_interceptor_add_on_new)(rd_kafka_conf_t *, const char *, drain_on_new_t, void *);
    int (*interceptor_add_on_destroy)(rd_kafka_t *, const char *, drain_on_destroy_t, void *);
    int (*interceptor_add_on_acknowledgement)(rd_kafka_t *, const char *, drain_on_ack_t, void *);
    int (*type)(const rd_kafka_t *);
    rd_kafka_topic_t *(*topic_new)(rd_kafka_t *, const char *, void *);
    void (*topic_destroy)(rd_kafka_topic_t *);
    int (*produce)(rd_kafka_topic_t *, int32_t, int, void *, size_t, const void *, size_t, void *);
} drain_rk;

/* The name of the first symbol that is missing, "" when all are there, NULL when the library is not loaded. */
static const char *drain_bind_functions(const char *path) {
    void *library;
    if (drain_rk.bound)
        return "";
    /* NOLOAD: only the copy that confluent_kafka itself runs on is of use. */
    if (!(library = dlopen(path, RTLD_NOW | RTLD_NOLOAD)))
        return NULL;
#define DRAIN_BIND(field, symbol)                                                                                  \
    if (!(*(void **)&drain_rk.field = dlsym(library, symbol)))                                                     \
        return symbol
    DRAIN_BIND(opaque, "rd_kafka_opaque");
    DRAIN_BIND(queue_get_partition, "rd_kafka_queue_get_partition");
    DRAIN_BIND(queue_get_consumer, "rd_kafka_queue_get_consumer");
    DRAIN_BIND(queue_forward, "rd_kafka_queue_forward");
    DRAIN_BIND(queue_io_event_enable, "rd_kafka_queue_io_event_enable");
    DRAIN_BIND(queue_destroy, "rd_kafka_queue_destroy");
    DRAIN_BIND(consume_batch_queue, "rd_kafka_consume_batch_queue");
    DRAIN_BIND(message_destroy, "rd_kafka_message_destroy");
    DRAIN_BIND(message_timestamp, "rd_kafka_message_timestamp");
    DRAIN_BIND(message_headers, "rd_kafka_message_headers");
    DRAIN_BIND(header_get_all, "rd_kafka_header_get_all");
    DRAIN_BIND(message_leader_epoch, "rd_kafka_message_leader_epoch");
    DRAIN_BIND(topic_partition_list_new, "rd_kafka_topic_partition_list_new");
    DRAIN_BIND(topic_partition_list_add, "rd_kafka_topic_partition_list_add");
    DRAIN_BIND(topic_partition_list_destroy, "rd_kafka_topic_partition_list_destroy");
    DRAIN_BIND(offsets_for_times, "rd_kafka_offsets_for_times");
    DRAIN_BIND(conf_interceptor_add_on_new, "rd_kafka_conf_interceptor_add_on_new");
    DRAIN_BIND(interceptor_add_on_destroy, "rd_kafka_interceptor_add_on_destroy");
    DRAIN_BIND(interceptor_add_on_acknowledgement, "rd_kafka_interceptor_add_on_acknowledgement");
    DRAIN_BIND(type, "rd_kafka_type");
    DRAIN_BIND(topic_new, "rd_kafka_topic_new");
    DRAIN_BIND(topic_destroy, "rd_kafka_topic_destroy");
    DRAIN_BIND(produce, "rd_kafka_produce");
#undef DRAIN_BIND
    drain_rk.bound = 1;
    return "";
}

/* PERF: librdkafka takes a fetch's buffer from malloc and gives it back a millisecond later; by default glibc
 * returns it to the kernel each time and faults it in again. What is kept is bounded by the prefetch. */
static void drain_keep_freed_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    mallopt(M_TOP_PAD, 4 << 20);
}

/* ---- the clients --------------------------------------------------------------------------------------------- */

#define DRAIN_CLIENTS 64

/* A living client's handle; NULL = free. Written by on_new and on_destroy, read by captures and by every fetch. */
static _Atomic(rd_kafka_t *) drain_clients[DRAIN_CLIENTS];

static int drain_on_destroy(rd_kafka_t *rk, void *opaque) {
    /* ORDER: release: a reader that still sees the handle sees it before the client's memory goes. */
    atomic_compare_exchange_strong_explicit((_Atomic(rd_kafka_t *) *)opaque, &rk, NULL, memory_order_release,
                                            memory_order_relaxed);
    return 0;
}

static int letter_on_ack(rd_kafka_t *, rd_kafka_message_t *, void *); /* letters.h */

static int drain_on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *errstr, size_t size) {
    enum { PRODUCER };
    (void)conf, (void)opaque, (void)errstr, (void)size;
    for (int place = 0; place < DRAIN_CLIENTS; place++) {
        rd_kafka_t *none = NULL;
        if (!atomic_compare_exchange_strong(&drain_clients[place], &none, rk))
            continue;
        if (drain_rk.interceptor_add_on_destroy(rk, "ringmain", drain_on_destroy, &drain_clients[place])
            || (drain_rk.type(rk) == PRODUCER
                && drain_rk.interceptor_add_on_acknowledgement(rk, "ringmain", letter_on_ack, NULL)))
            /* Unwatched, it could be used after its end, or would never tell what became of a message: better not
             * known at all (the caller falls back). */
            atomic_store(&drain_clients[place], NULL);
        return 0;
    }
    return 0;
}

/* librdkafka's plugin entry point: it opens this extension by its path and looks up exactly this name. */
__attribute__((visibility("default"))) int conf_init(rd_kafka_conf_t *conf, void **plugin_opaque, char *errstr,
                                                     size_t size) {
    (void)plugin_opaque;
    if (!drain_rk.bound) {
        snprintf(errstr, size, "ringmain's extension was not bound to this librdkafka");
        return -186; /* RD_KAFKA_RESP_ERR__INVALID_ARG */
    }
    return drain_rk.conf_interceptor_add_on_new(conf, "ringmain", drain_on_new, NULL);
}

/* The place of the client whose opaque is this object, or -1. confluent_kafka sets the opaque to the object. */
static int drain_find_client(const void *owner) {
    for (int place = 0; place < DRAIN_CLIENTS; place++) {
        rd_kafka_t *rk = atomic_load_explicit(&drain_clients[place], memory_order_acquire);
        if (rk && drain_rk.opaque(rk) == owner)
            return place;
    }
    return -1;
}

static inline rd_kafka_t *drain_client(int place) {
    return atomic_load_explicit(&drain_clients[place], memory_order_acquire);
}

/* A client's end is known here before its memory goes; a place may have a new client by now. */
static inline int drain_alive(int place, const rd_kafka_t *client) {
    return client && drain_client(place) == client;
}

/* ---- queues -------------------------------------------------------------------------------------------------- */

static inline void drain_ring_bell_for(rd_kafka_queue_t *queue, int fd) {
    static const uint64_t one = 1;
    drain_rk.queue_io_event_enable(queue, fd, &one, fd < 0 ? 0 : sizeof one);
}

static inline void drain_forget_queue(rd_kafka_queue_t *queue) {
    drain_ring_bell_for(queue, -1);
    drain_rk.queue_destroy(queue);
}

static inline int drain_make_bell(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

static inline void drain_hush_bell(int fd) {
    uint64_t rung;
    ssize_t ignored = read(fd, &rung, sizeof rung);
    (void)ignored;
}

/* ---- messages: librdkafka's own, and ours made from a consume() ------------------------------------------------ */

/* One allocation: the struct that readers know, then key, value and headers blob. */
typedef struct drain_message_s {
    rd_kafka_message_t head;
    struct drain_message_s *next;
    int64_t timestamp_ms;
    size_t headers_len;
    char *headers;
    char bytes[];
} drain_message_t;

/* Its address in `rkt` tells our messages from librdkafka's, which carry a topic there. */
static const char drain_ours = 0;

static inline int drain_is_ours(const rd_kafka_message_t *message) {
    return message->rkt == (const void *)&drain_ours;
}

/* NULL stays NULL and empty stays empty: a tombstone is not an empty value. */
static inline char *drain_put(char **at, const char *bytes, size_t size) {
    char *put = *at;
    if (!bytes)
        return NULL;
    memcpy(put, bytes, size);
    *at += size;
    return put;
}

static drain_message_t *drain_make_message(const char *key, size_t key_len, const char *value, size_t len,
                                           const char *headers, size_t headers_len) {
    drain_message_t *made = calloc(1, sizeof *made + key_len + len + headers_len + 1);
    char *at;
    if (!made)
        return NULL;
    at = made->bytes;
    made->head.rkt = (void *)&drain_ours;
    made->head.key = drain_put(&at, key, key_len);
    made->head.key_len = key_len;
    made->head.payload = drain_put(&at, value, len);
    made->head.len = len;
    made->headers = drain_put(&at, headers, headers_len);
    made->headers_len = headers_len;
    return made;
}

static inline void message_destroy(rd_kafka_message_t *message) {
    if (drain_is_ours(message))
        free(message);
    else
        drain_rk.message_destroy(message);
}

/* Milliseconds since the epoch, -1 = the message has none. */
static inline int64_t message_timestamp(const rd_kafka_message_t *message) {
    int type;
    if (drain_is_ours(message))
        return ((const drain_message_t *)message)->timestamp_ms;
    return drain_rk.message_timestamp(message, &type);
}

/* PERF: asking librdkafka for headers allocates a buffer and a list to find that there are none: 70 ns a message.
 * In Kafka's record format v2 the count of headers is the varint right behind the value, and the value is read
 * in place, so its next byte says 0 = none. Only v2 batches carry a leader epoch; older formats have no headers,
 * and for them librdkafka is asked, as for a message without a value or with an empty one, whose pointer is not
 * into the batch but to a constant "". */
static inline int has_no_headers(const rd_kafka_message_t *message) {
    return message->payload && message->len && drain_rk.message_leader_epoch(message) >= 0
        && ((const char *)message->payload)[message->len] == 0;
}

/* The size of the headers' blob, 0 = no headers, -1 = they cannot be parsed. */
static inline ssize_t headers_size(const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t value_len, index;
    ssize_t size = 4;
    int err;
    if (drain_is_ours(message))
        return (ssize_t)((const drain_message_t *)message)->headers_len;
    if (has_no_headers(message))
        return 0;
    if ((err = drain_rk.message_headers(message, &headers)))
        return err == -156 ? 0 : -1; /* RD_KAFKA_RESP_ERR__NOENT */
    for (index = 0; !drain_rk.header_get_all(headers, index, &name, &value, &value_len); index++)
        size += (ssize_t)(8 + strlen(name) + (value ? value_len : 0));
    return index ? size : 0;
}

/* u32 count, then for each: u32 name's length, i32 value's length (-1 = None), name, value; this machine's order.
 * Call it only after headers_size() > 0, with that much room. */
static inline void write_headers(const rd_kafka_message_t *message, char *into) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t value_len;
    uint32_t count = 0;
    char *at = into + 4;
    if (drain_is_ours(message)) {
        memcpy(into, ((const drain_message_t *)message)->headers, ((const drain_message_t *)message)->headers_len);
        return;
    }
    if (drain_rk.message_headers(message, &headers))
        return;
    for (; !drain_rk.header_get_all(headers, count, &name, &value, &value_len); count++) {
        uint32_t name_len = (uint32_t)strlen(name);
        int32_t signed_len = value ? (int32_t)value_len : -1;
        memcpy(at, &name_len, 4);
        memcpy(at + 4, &signed_len, 4);
        memcpy(at + 8, name, name_len);
        if (value)
            memcpy(at + 8 + name_len, value, value_len);
        at += 8 + name_len + (value ? value_len : 0);
    }
    memcpy(into, &count, 4);
}

#endif
