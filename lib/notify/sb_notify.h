#ifndef SB_NOTIFY_H
#define SB_NOTIFY_H

/**
 * Tell senders what became of their batches: once a batch is in production or has failed for good, call
 * back the address of its metadata and mail the one of its metadata; tell operators of failures.
 *
 * What is to be sent, how often it was tried and when it is tried again lies in the table notification,
 * each attempt noted before it begins: whoever is killed is followed by somebody who goes on. So a
 * receiver may be called twice about one batch; Idempotency-Key tells him. One process works at a time
 * (an advisory lock); promotion never waits for any of it. Source: sql/stats/002, loader contract 14.
 */

#include "core/sb_conf.h"
#include "notify/sb_transfer.h"

typedef struct {
    const sb_conf_t *loader;    /* section app */
    const sb_conf_t *migration; /* section app:main: migrate.notification.*; NULL: none */
    const char *app;            /* application_name */
    int (*stopping)(void);
    int stop_fd; /* readable once stopping; -1: none */
} sb_notify_opts_t;

typedef struct {
    int sent, failed, waiting; /* attempts that ended in this run; waiting: to be tried again */
} sb_notify_result_t;

/**
 * Tell about everything that is due now, and wait for the answers.
 * @param perror the complaint about the run; NULL on success
 * @return APR_SUCCESS, also when receivers refused; SB_EBUSY another one is at it; SB_ECONFIG;
 *         SB_EUNAVAILABLE a database went away; others as sb_db_exec
 */
apr_status_t sb_notify_run(sb_notify_result_t *result, const char **perror,
                           const sb_notify_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

/**
 * The mail server of the configuration.
 * @param named "host" or "host:port" to use instead of mail.server_host and mail.server_port; NULL: none
 */
void sb_notify_mail_server(sb_mail_server_t *server, const sb_conf_t *conf, const char *named,
                           apr_pool_t *p);

#endif
