/* Publishing with confirms: messages are sent one behind the other, then all confirms awaited. */

#include "mq/sb_mq_private.h"

#include <string.h>

#include <amqp_framing.h>
#include <apr_strings.h>

#include "core/sb_log.h"

/* What has arrived already: above all that the broker blocks or closes. */
static apr_status_t drain(sb_mq_t *mq)
{
    apr_status_t rv;

    do {
        rv = sb_mq_pump(mq, 0);
    } while (rv == APR_SUCCESS);
    return rv == APR_TIMEUP ? APR_SUCCESS : rv;
}

static apr_status_t put(sb_mq_t *mq, const char *queue, const sb_envelope_t *env)
{
    amqp_basic_properties_t props = {0};
    apr_pool_t *p;
    int status;

    apr_pool_create(&p, mq->pool);
    props._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                   AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_TIMESTAMP_FLAG;
    props.content_type = amqp_cstring_bytes("application/json");
    props.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    props.message_id = amqp_cstring_bytes(env->id);
    props.type = amqp_cstring_bytes(env->task);
    props.timestamp = (uint64_t)apr_time_sec(apr_time_now());
    mq->published++;
    mq->unconfirmed++;
    status = amqp_basic_publish(mq->conn, CH_WORK, amqp_empty_bytes, amqp_cstring_bytes(queue), 1,
                                0, &props, amqp_cstring_bytes(sb_envelope_write(env, p)));
    apr_pool_destroy(p);
    return status == AMQP_STATUS_OK ? APR_SUCCESS : sb_mq_broken(mq, "publishing", status);
}

/* Ready to publish: nothing is waited for any more, and the broker takes messages. */
static apr_status_t begin_publishing(sb_mq_t *mq)
{
    apr_status_t rv = sb_mq_need_channel(mq, CH_WORK);

    if (rv == APR_SUCCESS) {
        rv = drain(mq);
    }
    if (rv == APR_SUCCESS && mq->is_blocked) {
        rv = SB_EUNAVAILABLE;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_need_channel(mq, CH_WORK); /* drain may have found it closed */
    }
    mq->first_tag = mq->published + 1;
    mq->unconfirmed = mq->refused = mq->returned = 0;
    memset(mq->confirmed, 0, sizeof(mq->confirmed));
    return rv;
}

apr_status_t sb_mq_publish_all(sb_mq_t *mq, const sb_mq_message_t *messages, int n,
                               apr_interval_time_t timeout)
{
    apr_time_t end = apr_time_now() + timeout;
    apr_status_t rv = n > SB_MQ_MAX_TOGETHER ? SB_ETOOBIG : begin_publishing(mq);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = put(mq, messages[i].queue, messages[i].env);
    }
    while (rv == APR_SUCCESS && mq->unconfirmed > 0) {
        rv = sb_mq_pump(mq, end - apr_time_now());
        if (rv == APR_SUCCESS && (mq->is_blocked || !mq->is_open[CH_WORK])) {
            rv = SB_EUNAVAILABLE;
        }
    }
    if (rv == APR_TIMEUP) {
        sb_log(SB_LOG_WARN, SBLOGNO(1405), SB_NO_STATUS,
               "message broker: no confirm from queue %s within %" APR_TIME_T_FMT " ms",
               messages[0].queue, apr_time_as_msec(timeout));
        return SB_EUNAVAILABLE;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return mq->returned ? APR_NOTFOUND : mq->refused ? SB_EUNAVAILABLE : APR_SUCCESS;
}

apr_status_t sb_mq_publish(sb_mq_t *mq, const char *queue, const sb_envelope_t *env,
                           apr_interval_time_t timeout)
{
    const sb_mq_message_t message = {queue, env};

    return sb_mq_publish_all(mq, &message, 1, timeout);
}
