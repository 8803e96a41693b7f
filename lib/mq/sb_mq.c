/* RabbitMQ by librabbitmq. Every frame that arrives goes through one function, sb_mq_pump(), whatever
 * we happen to be waiting for: a delivery may come while we wait for a confirm, a close at any time.
 * Publishing is in sb_mq_publish.c. */

#include "mq/sb_mq_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <apr_strings.h>

#include "core/sb_log.h"

#define CONSUMER "worker" /* one a channel, so we may name it: no need to ask the broker */
#define CONNECT_TIMEOUT apr_time_from_sec(3)
#define RPC_TIMEOUT apr_time_from_sec(10)
#define CLOSE_TIMEOUT apr_time_from_sec(1)
#define SILENCE_MS (30 * 1000) /* unanswered data for so long: the peer is gone */
#define FRAME_MAX (128 * 1024)
#define BODY_MAX (16 * 1024 * 1024)
#define DEAD_SUFFIX ".dead"
#define QUEUE_NAME_MAX 255 /* AMQP 0-9-1 shortstr */

/* ---- errors ---------------------------------------------------------------------------------- */

static struct timeval to_timeval(apr_interval_time_t t)
{
    struct timeval tv;

    tv.tv_sec = (time_t)apr_time_sec(t > 0 ? t : 0);
    tv.tv_usec = (suseconds_t)apr_time_usec(t > 0 ? t : 0);
    return tv;
}

apr_status_t sb_mq_broken(sb_mq_t *mq, const char *what, int status)
{
    if (!mq->is_broken) {
        mq->is_broken = 1;
        sb_log(SB_LOG_WARN, SBLOGNO(1400), SB_EUNAVAILABLE, "message broker: %s: %s", what,
               amqp_error_string2(status));
    }
    return SB_EUNAVAILABLE;
}

static apr_status_t closed_by_broker(sb_mq_t *mq, const char *what, int code, amqp_bytes_t text)
{
    sb_log(SB_LOG_WARN, SBLOGNO(1401), SB_NO_STATUS, "message broker closed the %s: %d %.*s", what,
           code, (int)text.len, (const char *)text.bytes);
    switch (code) {
    case AMQP_ACCESS_REFUSED:
    case AMQP_NOT_ALLOWED:
        return SB_EDENIED;
    case AMQP_NOT_FOUND:
        return APR_NOTFOUND;
    case AMQP_PRECONDITION_FAILED:
        return SB_ECONFIG;
    default:
        mq->is_broken = 1;
        return SB_EUNAVAILABLE;
    }
}

static apr_status_t on_connection_close(sb_mq_t *mq, const amqp_connection_close_t *m)
{
    amqp_connection_close_ok_t reply = {0};
    apr_status_t rv = closed_by_broker(mq, "connection", m->reply_code, m->reply_text);

    (void)amqp_send_method(mq->conn, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &reply);
    mq->is_broken = 1;
    return rv;
}

static apr_status_t on_channel_close(sb_mq_t *mq, amqp_channel_t ch, const amqp_channel_close_t *m)
{
    amqp_channel_close_ok_t reply = {0};
    apr_status_t rv = closed_by_broker(mq, "channel", m->reply_code, m->reply_text);

    (void)amqp_send_method(mq->conn, ch, AMQP_CHANNEL_CLOSE_OK_METHOD, &reply);
    mq->is_open[ch] = 0;
    if (ch == CH_CONSUME) {
        mq->consumer_ended = 1; /* what is in hand comes again on another channel */
        mq->incoming = mq->first = mq->last = NULL;
    }
    return rv;
}

/* What a call that waits for its answer came to. */
static apr_status_t judge(sb_mq_t *mq, amqp_channel_t ch, amqp_rpc_reply_t reply, const char *what)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return APR_SUCCESS;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
            return on_channel_close(mq, ch, reply.reply.decoded);
        }
        if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
            return on_connection_close(mq, reply.reply.decoded);
        }
        return sb_mq_broken(mq, what, AMQP_STATUS_WRONG_METHOD);
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        return sb_mq_broken(mq, what, reply.library_error);
    case AMQP_RESPONSE_NONE:
        break;
    }
    return sb_mq_broken(mq, what, AMQP_STATUS_CONNECTION_CLOSED);
}

/* ---- opening --------------------------------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    sb_mq_t *mq = data;
    struct timeval tv = to_timeval(CLOSE_TIMEOUT);

    if (mq->conn) {
        if (!mq->is_broken && mq->is_open[0]) {
            (void)amqp_set_rpc_timeout(mq->conn, &tv);
            (void)amqp_connection_close(mq->conn, AMQP_REPLY_SUCCESS);
        }
        (void)amqp_destroy_connection(mq->conn);
        mq->conn = NULL;
    }
    return APR_SUCCESS;
}

void sb_mq_close(sb_mq_t *mq)
{
    apr_pool_destroy(mq->pool);
}

static amqp_socket_t *make_socket(sb_mq_t *mq, const struct amqp_connection_info *url,
                                  const sb_mq_opts_t *opts)
{
    amqp_socket_t *s;

    if (!url->ssl) {
        return amqp_tcp_socket_new(mq->conn);
    }
    s = amqp_ssl_socket_new(mq->conn);
    if (s) {
        amqp_ssl_socket_set_verify_peer(s, 1);
        amqp_ssl_socket_set_verify_hostname(s, 1);
        if (amqp_ssl_socket_set_ssl_versions(s, AMQP_TLSv1_2, AMQP_TLSvLATEST) != AMQP_STATUS_OK ||
            (opts && opts->ca_file &&
             amqp_ssl_socket_set_cacert(s, opts->ca_file) != AMQP_STATUS_OK)) {
            return NULL;
        }
    }
    return s;
}

/* A peer that vanished without a word must not hold a call for ever, heartbeats or not. */
static void watch_silence(int fd)
{
    int on = 1, idle = 20, ms = SILENCE_MS;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static amqp_table_entry_t switch_on(const char *key)
{
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes(key)};

    entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    entry.value.value.boolean = 1;
    return entry;
}

/* We want to hear of a blocked connection and of a consumer that the broker ended. */
static amqp_rpc_reply_t login(sb_mq_t *mq, const struct amqp_connection_info *url, int heartbeat)
{
    amqp_table_entry_t can[2], entry;
    amqp_table_t properties = {1, &entry};

    can[0] = switch_on("connection.blocked");
    can[1] = switch_on("consumer_cancel_notify");
    entry.key = amqp_cstring_bytes("capabilities");
    entry.value.kind = AMQP_FIELD_KIND_TABLE;
    entry.value.value.table.num_entries = 2;
    entry.value.value.table.entries = can;
    return amqp_login_with_properties(mq->conn, url->vhost, 0, FRAME_MAX, heartbeat, &properties,
                                      AMQP_SASL_METHOD_PLAIN, url->user, url->password);
}

apr_status_t sb_mq_open(sb_mq_t **pmq, const char *url, const sb_mq_opts_t *opts, apr_pool_t *p)
{
    struct amqp_connection_info to;
    struct timeval tv =
        to_timeval(opts && opts->connect_timeout ? opts->connect_timeout : CONNECT_TIMEOUT);
    struct timeval rpc = to_timeval(RPC_TIMEOUT);
    apr_pool_t *pool;
    amqp_socket_t *sock;
    sb_mq_t *mq;
    apr_status_t rv;
    int status;

    *pmq = NULL;
    if (!url || amqp_parse_url(apr_pstrdup(p, url), &to) != AMQP_STATUS_OK) {
        return SB_ECONFIG;
    }
    apr_pool_create(&pool, p);
    mq = apr_pcalloc(pool, sizeof(*mq));
    mq->pool = pool;
    mq->conn = amqp_new_connection();
    if (!mq->conn) {
        apr_pool_destroy(pool);
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(pool, mq, destroy, apr_pool_cleanup_null);
    sock = make_socket(mq, &to, opts);
    if (!sock) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1402), SB_ECONFIG,
               "message broker: cannot set up TLS with the certificates of %s",
               opts && opts->ca_file ? opts->ca_file : "(none)");
        rv = SB_ECONFIG;
        goto failed;
    }
    status = amqp_socket_open_noblock(sock, to.host, to.port, &tv);
    if (status != AMQP_STATUS_OK) {
        rv = sb_mq_broken(mq, apr_psprintf(pool, "connecting to %s:%d", to.host, to.port), status);
        goto failed;
    }
    watch_silence(amqp_get_sockfd(mq->conn));
    (void)amqp_set_handshake_timeout(mq->conn, &tv);
    (void)amqp_set_rpc_timeout(mq->conn, &rpc);
    rv = judge(mq, 0, login(mq, &to, opts ? opts->heartbeat_secs : 0), "signing in");
    if (rv != APR_SUCCESS) {
        goto failed;
    }
    mq->is_open[0] = 1;
    *pmq = mq;
    return APR_SUCCESS;

failed:
    apr_pool_destroy(pool);
    return rv;
}

apr_status_t sb_mq_need_channel(sb_mq_t *mq, amqp_channel_t ch)
{
    apr_status_t rv;

    if (mq->is_broken || !mq->conn) {
        return SB_EUNAVAILABLE;
    }
    if (mq->is_open[ch]) {
        return APR_SUCCESS;
    }
    amqp_channel_open(mq->conn, ch);
    rv = judge(mq, ch, amqp_get_rpc_reply(mq->conn), "opening a channel");
    if (rv == APR_SUCCESS && ch == CH_WORK) {
        amqp_confirm_select(mq->conn, ch);
        rv = judge(mq, ch, amqp_get_rpc_reply(mq->conn), "asking for confirms");
        mq->published = 0;
        mq->first_tag = 1;
        mq->unconfirmed = 0;
    }
    mq->is_open[ch] = rv == APR_SUCCESS;
    return rv;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Of an older message, one that timed out, nobody wants to know. */
static void on_confirm(sb_mq_t *mq, apr_uint64_t tag, int multiple, int good)
{
    apr_uint64_t t = multiple && tag >= mq->first_tag ? mq->first_tag : tag;

    for (; t >= mq->first_tag && t <= tag && t <= mq->published; t++) {
        if (!mq->confirmed[t - mq->first_tag]) {
            mq->confirmed[t - mq->first_tag] = 1;
            mq->unconfirmed--;
            mq->refused |= !good;
        }
    }
}

static void on_ack(sb_mq_t *mq, const amqp_basic_ack_t *m)
{
    on_confirm(mq, m->delivery_tag, m->multiple, 1);
}

static void on_nack(sb_mq_t *mq, const amqp_basic_nack_t *m)
{
    on_confirm(mq, m->delivery_tag, m->multiple, 0);
}

static void on_deliver(sb_mq_t *mq, const amqp_basic_deliver_t *m)
{
    apr_pool_t *p;

    apr_pool_create(&p, mq->pool);
    mq->incoming = apr_pcalloc(p, sizeof(*mq->incoming));
    mq->incoming->pool = p;
    mq->incoming->tag = m->delivery_tag;
    mq->incoming->redelivered = m->redelivered;
}

static void complete(sb_mq_t *mq)
{
    message_t *m = mq->incoming;

    mq->incoming = NULL;
    if (mq->last) {
        mq->last->next = m;
    }
    else {
        mq->first = m;
    }
    mq->last = m;
}

/* Content on CH_WORK belongs to a returned message: ours already. */
static void on_header(sb_mq_t *mq, const amqp_frame_t *f)
{
    message_t *m = mq->incoming;

    if (f->channel != CH_CONSUME || !m) {
        return;
    }
    m->len = (apr_size_t)f->payload.properties.body_size;
    if (m->len <= BODY_MAX) {
        m->body = apr_palloc(m->pool, m->len + 1);
        m->body[m->len] = '\0';
    }
    if (!m->len) {
        complete(mq);
    }
}

static void on_body(sb_mq_t *mq, const amqp_frame_t *f)
{
    amqp_bytes_t part = f->payload.body_fragment;
    message_t *m = mq->incoming;

    if (f->channel != CH_CONSUME || !m || part.len > m->len - m->got) {
        return;
    }
    if (m->body) {
        memcpy(m->body + m->got, part.bytes, part.len);
    }
    m->got += part.len;
    if (m->got == m->len) {
        complete(mq);
    }
}

static apr_status_t on_method(sb_mq_t *mq, amqp_channel_t ch, const amqp_method_t *m)
{
    switch (m->id) {
    case AMQP_BASIC_DELIVER_METHOD:
        on_deliver(mq, m->decoded);
        break;
    case AMQP_BASIC_ACK_METHOD:
        on_ack(mq, m->decoded);
        break;
    case AMQP_BASIC_NACK_METHOD:
        on_nack(mq, m->decoded);
        break;
    case AMQP_BASIC_RETURN_METHOD: /* its content follows, then the confirm */
        mq->returned = 1;
        break;
    case AMQP_BASIC_CANCEL_METHOD: /* the queue was deleted or lost its leader */
        sb_log(SB_LOG_WARN, SBLOGNO(1403), SB_NO_STATUS, "message broker ended our consumer");
        mq->consumer_ended = 1;
        break;
    case AMQP_CONNECTION_BLOCKED_METHOD:
        if (!mq->is_blocked) {
            sb_log(SB_LOG_WARN, SBLOGNO(1404), SB_NO_STATUS,
                   "message broker takes no messages for now: it is short of memory or disk");
        }
        mq->is_blocked = 1;
        break;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        mq->is_blocked = 0;
        break;
    case AMQP_CHANNEL_CLOSE_METHOD:
        if (ch < NCHANNELS) {
            (void)on_channel_close(mq, ch, m->decoded);
        }
        break;
    case AMQP_CONNECTION_CLOSE_METHOD:
        return on_connection_close(mq, m->decoded);
    default:
        break;
    }
    return APR_SUCCESS;
}

apr_status_t sb_mq_pump(sb_mq_t *mq, apr_interval_time_t timeout)
{
    struct timeval tv = to_timeval(timeout);
    apr_status_t rv = APR_SUCCESS;
    amqp_frame_t frame;
    int status;

    if (mq->is_broken || !mq->conn) {
        return SB_EUNAVAILABLE;
    }
    status = amqp_simple_wait_frame_noblock(mq->conn, &frame, &tv);
    if (status == AMQP_STATUS_TIMEOUT) {
        return APR_TIMEUP;
    }
    if (status != AMQP_STATUS_OK) {
        return sb_mq_broken(mq, "reading", status);
    }
    switch (frame.frame_type) {
    case AMQP_FRAME_METHOD:
        rv = on_method(mq, frame.channel, &frame.payload.method);
        break;
    case AMQP_FRAME_HEADER:
        on_header(mq, &frame);
        break;
    case AMQP_FRAME_BODY:
        on_body(mq, &frame);
        break;
    default:
        break;
    }
    amqp_maybe_release_buffers(mq->conn);
    return rv;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static amqp_table_entry_t text_argument(const char *key, const char *value)
{
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes(key)};

    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(value);
    return entry;
}

static apr_status_t declare(sb_mq_t *mq, const char *queue, const char *dead)
{
    amqp_table_entry_t args[3];
    amqp_table_t table = {1, args};

    /* No x-delivery-limit: a worker that comes and goes while a database is down must not turn good
     * messages into dead letters. */
    args[0] = text_argument("x-queue-type", "quorum");
    if (dead) {
        args[1] = text_argument("x-dead-letter-exchange", "");
        args[2] = text_argument("x-dead-letter-routing-key", dead);
        table.num_entries = 3;
    }
    amqp_queue_declare(mq->conn, CH_WORK, amqp_cstring_bytes(queue), 0, 1, 0, 0, table);
    return judge(mq, CH_WORK, amqp_get_rpc_reply(mq->conn), "declaring a queue");
}

static int is_queue_name(const char *queue)
{
    return queue && *queue && strlen(queue) <= QUEUE_NAME_MAX - strlen(DEAD_SUFFIX);
}

apr_status_t sb_mq_declare(sb_mq_t *mq, const char *queue)
{
    char dead[QUEUE_NAME_MAX + 1];
    apr_status_t rv;

    if (!is_queue_name(queue)) {
        return SB_ECONFIG;
    }
    apr_snprintf(dead, sizeof(dead), "%s" DEAD_SUFFIX, queue);
    rv = sb_mq_need_channel(mq, CH_WORK);
    if (rv == APR_SUCCESS) {
        rv = declare(mq, dead, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = declare(mq, queue, dead);
    }
    return rv;
}

apr_status_t sb_mq_depth(apr_int64_t *pdepth, int *pconsumers, sb_mq_t *mq, const char *queue)
{
    amqp_queue_declare_ok_t *answer;
    apr_status_t rv = sb_mq_need_channel(mq, CH_WORK);

    *pdepth = 0;
    if (pconsumers) {
        *pconsumers = 0;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    answer = amqp_queue_declare(mq->conn, CH_WORK, amqp_cstring_bytes(queue), 1, 1, 0, 0,
                                amqp_empty_table);
    rv = judge(mq, CH_WORK, amqp_get_rpc_reply(mq->conn), "asking for a queue");
    if (rv == APR_SUCCESS && answer) {
        *pdepth = answer->message_count;
        if (pconsumers) {
            *pconsumers = (int)answer->consumer_count;
        }
    }
    return rv;
}

/* ---- consuming ------------------------------------------------------------------------------- */

apr_status_t sb_mq_consume(sb_mq_t *mq, const char *queue, int prefetch)
{
    apr_status_t rv = sb_mq_need_channel(mq, CH_CONSUME);

    if (rv == APR_SUCCESS) {
        amqp_basic_qos(mq->conn, CH_CONSUME, 0, (uint16_t)prefetch, 0);
        rv = judge(mq, CH_CONSUME, amqp_get_rpc_reply(mq->conn), "setting the prefetch");
    }
    if (rv == APR_SUCCESS) {
        mq->consumer_ended = 0;
        amqp_basic_consume(mq->conn, CH_CONSUME, amqp_cstring_bytes(queue),
                           amqp_cstring_bytes(CONSUMER), 0, 0, 0, amqp_empty_table);
        rv = judge(mq, CH_CONSUME, amqp_get_rpc_reply(mq->conn), "starting to consume");
    }
    return rv;
}

apr_status_t sb_mq_pause(sb_mq_t *mq)
{
    apr_status_t rv = sb_mq_need_channel(mq, CH_CONSUME);

    if (rv == APR_SUCCESS) {
        amqp_basic_cancel(mq->conn, CH_CONSUME, amqp_cstring_bytes(CONSUMER));
        rv = judge(mq, CH_CONSUME, amqp_get_rpc_reply(mq->conn), "pausing");
    }
    return rv;
}

static void hand_out(sb_delivery_t *d, sb_mq_t *mq, apr_pool_t *p)
{
    message_t *m = mq->first;

    mq->first = m->next;
    if (!mq->first) {
        mq->last = NULL;
    }
    d->tag = m->tag;
    d->redelivered = m->redelivered;
    if (m->body) {
        d->problem = sb_envelope_read(&d->env, m->body, m->len, p);
    }
    else {
        d->problem =
            apr_psprintf(p, "%" APR_SIZE_T_FMT " bytes, at most %d are read", m->len, BODY_MAX);
    }
    apr_pool_destroy(m->pool);
}

apr_status_t sb_mq_next(sb_delivery_t *d, sb_mq_t *mq, apr_interval_time_t timeout, apr_pool_t *p)
{
    apr_time_t end = apr_time_now() + timeout;
    apr_status_t rv;

    memset(d, 0, sizeof(*d));
    while (!mq->first) {
        if (mq->consumer_ended) {
            return SB_EUNAVAILABLE;
        }
        rv = sb_mq_pump(mq, end - apr_time_now());
        if (rv != APR_SUCCESS) {
            return rv == APR_TIMEUP ? rv : SB_EUNAVAILABLE;
        }
    }
    if (mq->is_broken) {
        return SB_EUNAVAILABLE; /* what is in hand could not be acknowledged */
    }
    hand_out(d, mq, p);
    return APR_SUCCESS;
}

static apr_status_t settled(sb_mq_t *mq, int status)
{
    return status == AMQP_STATUS_OK ? APR_SUCCESS : sb_mq_broken(mq, "acknowledging", status);
}

apr_status_t sb_mq_ack(sb_mq_t *mq, apr_uint64_t tag)
{
    if (mq->is_broken || !mq->is_open[CH_CONSUME]) {
        return SB_EUNAVAILABLE;
    }
    return settled(mq, amqp_basic_ack(mq->conn, CH_CONSUME, tag, 0));
}

apr_status_t sb_mq_reject(sb_mq_t *mq, apr_uint64_t tag, int requeue)
{
    if (mq->is_broken || !mq->is_open[CH_CONSUME]) {
        return SB_EUNAVAILABLE;
    }
    return settled(mq, amqp_basic_reject(mq->conn, CH_CONSUME, tag, requeue != 0));
}
