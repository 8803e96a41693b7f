#ifndef SB_MQ_H
#define SB_MQ_H

/**
 * RabbitMQ: durable quorum queues, publisher confirms, one dead-letter queue a queue. A message is a
 * small JSON envelope that only wakes a worker: the truth about the work is in PostgreSQL.
 * A connection serves one thread. librabbitmq answers heartbeats only inside its own calls, so the
 * work behind a message must not depend on the connection staying open (acknowledge before long work
 * whose claim is recorded in the database).
 */

#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_mq_t sb_mq_t;

/** The envelope. Source: docs/architecture.md, "Messages". */
typedef struct {
    const char *id;         /* UUID of the message */
    const char *task;       /* name, e.g. "udl.package" */
    const char *args;       /* a JSON object as text, "{}" when none */
    const char *job;        /* batch guid or job id; NULL none */
    const char *request_id; /* ties log lines of web tier and worker together; NULL none */
    int attempt;            /* 0 first */
} sb_envelope_t;

typedef struct {
    const char *ca_file;                 /* PEM; for amqps */
    apr_interval_time_t connect_timeout; /* 0: 3 s */
    int heartbeat_secs;                  /* 0: none */
} sb_mq_opts_t;

/**
 * @param url amqp://user:password@host:port/vhost or amqps://
 * @return APR_SUCCESS; SB_EUNAVAILABLE no answer; SB_EDENIED bad user, password or vhost;
 *         SB_ECONFIG the url is none
 */
apr_status_t sb_mq_open(sb_mq_t **pmq, const char *url, const sb_mq_opts_t *opts,
                        apr_pool_t *p) SB_MUST_CHECK;
void sb_mq_close(sb_mq_t *mq); /* also when its pool is cleared */

/**
 * Declare queue and "<queue>.dead" as durable quorum queues; declaring again is fine.
 * @return SB_ECONFIG it exists with other properties
 */
apr_status_t sb_mq_declare(sb_mq_t *mq, const char *queue) SB_MUST_CHECK;

/** Messages waiting in a queue. @param pconsumers who takes from it; may be NULL
 *  @return APR_NOTFOUND no such queue */
apr_status_t sb_mq_depth(apr_int64_t *pdepth, int *pconsumers, sb_mq_t *mq,
                         const char *queue) SB_MUST_CHECK;

/**
 * Publish persistently and wait for the broker's confirm.
 * @return APR_SUCCESS durable at the broker; APR_NOTFOUND there is no such queue: declare it;
 *         SB_EUNAVAILABLE no confirm within timeout, blocked, or connection lost (it may or may not be
 *         there: consumers tolerate doubles)
 */
apr_status_t sb_mq_publish(sb_mq_t *mq, const char *queue, const sb_envelope_t *env,
                           apr_interval_time_t timeout) SB_MUST_CHECK;

typedef struct {
    const char *queue;
    const sb_envelope_t *env;
} sb_mq_message_t;

#define SB_MQ_MAX_TOGETHER 256

/**
 * The same for several, in this order: all are sent, then all confirms awaited, within one timeout.
 * @param n at most SB_MQ_MAX_TOGETHER
 * @return as sb_mq_publish; on anything but success any of them may be there or not
 */
apr_status_t sb_mq_publish_all(sb_mq_t *mq, const sb_mq_message_t *messages, int n,
                               apr_interval_time_t timeout) SB_MUST_CHECK;

/** Start consuming with prefetch. */
apr_status_t sb_mq_consume(sb_mq_t *mq, const char *queue, int prefetch) SB_MUST_CHECK;

/**
 * Consume no more, until sb_mq_consume. To be called before the acknowledgement of a message whose work
 * takes long: else the broker sends the next one at once, and it waits here while others are idle.
 */
apr_status_t sb_mq_pause(sb_mq_t *mq) SB_MUST_CHECK;

typedef struct {
    sb_envelope_t env; /* allocated in the pool given to sb_mq_next */
    apr_uint64_t tag;  /* for sb_mq_ack and sb_mq_reject */
    int redelivered;
    const char *problem; /* NULL, or why the body is no envelope: then reject to dead letters */
} sb_delivery_t;

/** @return APR_SUCCESS; APR_TIMEUP nothing came; SB_EUNAVAILABLE connection lost: open again */
apr_status_t sb_mq_next(sb_delivery_t *d, sb_mq_t *mq, apr_interval_time_t timeout,
                        apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_mq_ack(sb_mq_t *mq, apr_uint64_t tag) SB_MUST_CHECK;
apr_status_t sb_mq_reject(sb_mq_t *mq, apr_uint64_t tag,
                          int requeue) SB_MUST_CHECK; /* 0: dead letters */

/** Pure functions, for tests and for other transports. */
const char *sb_envelope_write(const sb_envelope_t *env, apr_pool_t *p);
const char *sb_envelope_read(sb_envelope_t *env, const char *text, apr_size_t len,
                             apr_pool_t *p) SB_MUST_CHECK; /* NULL or the complaint */

#endif
