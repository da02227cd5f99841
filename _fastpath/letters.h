/* Messages out through librdkafka without a Python object each: sent, and told of by an interceptor.
 *
 * Who enters: letters.pxi, and librdkafka's own threads through letter_on_ack.
 * What never happens here: Python. The interceptor may run on any thread, with or without the GIL.
 *
 * confluent_kafka has its own delivery report for all messages of a client and tells whose they are by their opaque:
 * ours have none, it returns at once. What became of them is told by an on_acknowledgement interceptor, which
 * librdkafka calls with the same error right before it makes that report. An interceptor has no opaque of ours to go
 * by either: the message is known by its payload, which librdkafka does not copy and which lies in our letter.
 */
#ifndef RINGMAIN_LETTERS_H
#define RINGMAIN_LETTERS_H

#include "drain.h"
#include <stddef.h>

typedef struct letter_s {
    struct letter_s *next;
    struct letter_box_s *box; /* where it comes back to */
    void *outlet;             /* Python's, ours to give back: who sent it, ... */
    void *outbox;             /* ... on whose account (may be NULL), ... */
    void *topic;              /* ... and where to */
    void *delivery;           /* Python's, not ours: who holds it may let go of it first */
    int64_t offset;
    int32_t partition;
    int err;
    size_t len;
    char bytes[];
} letter_t;

/* Letters that have come back, last one first. */
typedef struct letter_box_s {
    _Atomic(letter_t *) back;
} letter_box_t;

/* What this thread is just sending: of a message that is refused, librdkafka tells the interceptor as well. */
static __thread letter_t *letter_at_hand;

static int letter_on_ack(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    letter_t *letter, *last;
    (void)rk, (void)opaque;
    if (message->_private || !message->payload)
        return 0; /* confluent_kafka's own */
    letter = (letter_t *)((char *)message->payload - offsetof(letter_t, bytes));
    if (letter == letter_at_hand)
        return 0;
    letter->err = message->err;
    letter->partition = message->partition;
    letter->offset = message->offset;
    last = atomic_load_explicit(&letter->box->back, memory_order_relaxed);
    do
        letter->next = last;
    /* ORDER: release: who takes the letter out sees what became of it. */
    while (!atomic_compare_exchange_weak_explicit(&letter->box->back, &last, letter, memory_order_release,
                                                  memory_order_relaxed));
    return 0;
}

/* All that have come back, the first one first. */
static letter_t *letters_take(letter_box_t *box) {
    letter_t *letter, *first = NULL;
    if (!atomic_load_explicit(&box->back, memory_order_relaxed))
        return NULL;
    letter = atomic_exchange_explicit(&box->back, NULL, memory_order_acquire);
    while (letter) {
        letter_t *next = letter->next;
        letter->next = first;
        first = letter;
        letter = next;
    }
    return first;
}

static letter_t *letter_make(letter_box_t *box, const char *value, size_t len) {
    letter_t *letter = malloc(sizeof *letter + len);
    if (!letter)
        return NULL;
    letter->box = box;
    letter->delivery = NULL;
    letter->len = len;
    memcpy(letter->bytes, value, len);
    return letter;
}

/* NULL: librdkafka takes no such name. To be given back before the client ends. */
static rd_kafka_topic_t *letter_topic(rd_kafka_t *rk, const char *name) { return drain_rk.topic_new(rk, name, NULL); }

static void letter_topic_done(rd_kafka_topic_t *topic) { drain_rk.topic_destroy(topic); }

/* 0, or -1 where it is refused: then the letter is the caller's again, and was never sent. */
static int letter_send(rd_kafka_topic_t *topic, letter_t *letter, const char *key, size_t key_len) {
    enum { ANY_PARTITION = -1, NOT_COPIED = 0 };
    int refused;
    letter_at_hand = letter;
    refused = drain_rk.produce(topic, ANY_PARTITION, NOT_COPIED, letter->bytes, letter->len, key, key_len, NULL);
    letter_at_hand = NULL;
    return refused;
}

#endif
