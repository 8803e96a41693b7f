#ifndef SB_MQ_PRIVATE_H
#define SB_MQ_PRIVATE_H

/** What the files of sb_mq.h share: the connection, and waiting for what the broker says. */

#include <amqp.h>
#include "mq/sb_mq.h"

/* Two channels: an error on one (a queue that is not there) does not stop the other. */
#define CH_WORK 1    /* declare, publish */
#define CH_CONSUME 2 /* basic.consume and its deliveries */
#define NCHANNELS 3

/* A message on its way in or waiting for sb_mq_next(), in a pool of its own. */
typedef struct message_t message_t;
struct message_t {
    message_t *next;
    apr_pool_t *pool;
    apr_uint64_t tag;
    int redelivered;
    char *body; /* NULL: longer than BODY_MAX */
    apr_size_t len, got;
};

struct sb_mq_t {
    apr_pool_t *pool;
    amqp_connection_state_t conn;
    int is_open[NCHANNELS];
    int is_broken;  /* no further call on conn but destroy */
    int is_blocked; /* the broker is short of memory or disk and takes no messages */
    int consumer_ended;

    apr_uint64_t published;                      /* on CH_WORK since confirm.select */
    apr_uint64_t first_tag;                      /* of the messages waited for, up to published */
    unsigned char confirmed[SB_MQ_MAX_TOGETHER]; /* each of them */
    int unconfirmed;
    int refused, returned; /* any of them */

    message_t *incoming; /* between basic.deliver and its last body frame */
    message_t *first, *last;
};

/** It is of no use any more; said once. @param status of librabbitmq @return SB_EUNAVAILABLE */
apr_status_t sb_mq_broken(sb_mq_t *mq, const char *what, int status);

/** Open a channel, if it is not. @return as sb_mq_open */
apr_status_t sb_mq_need_channel(sb_mq_t *mq, amqp_channel_t ch) SB_MUST_CHECK;

/** Read one frame and act on it. @return APR_SUCCESS; APR_TIMEUP none came; anything else: the connection is lost */
apr_status_t sb_mq_pump(sb_mq_t *mq, apr_interval_time_t timeout) SB_MUST_CHECK;

#endif
