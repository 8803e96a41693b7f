#ifndef SB_PICKUP_MAIL_H
#define SB_PICKUP_MAIL_H

/**
 * Tell owners that their files are ready. What is to be sent lies in the table ready_mail, written with the
 * upload's row, or for files of one request when that is over; each attempt is noted before it begins, so
 * that whoever is killed is followed by somebody who goes on (who was told before is sent a mail of the same
 * Message-ID, which mail systems show once). One program at a time (an advisory lock). A mail says that a
 * file is there, its link, and how long: nothing of what is in it. Source: sql/hpz/001_files.sql.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "core/sb_status.h"

/** Are owners told by mail at all (hpz.mail.server)? */
int sb_pickup_mail_is_on(const sb_conf_t *conf);

/** "https://host:port" of the external face, by hpz.frs.download_base_url. @return NULL it is not set */
const char *sb_pickup_origin(const sb_conf_t *conf, apr_pool_t *p);

typedef struct {
    const sb_conf_t *conf; /* section app:main of hpz.ini */
    const char *app;       /* application_name */
    int (*stopping)(void);
    int stop_fd; /* readable once stopping; -1: none */
} sb_pickup_mail_opts_t;

typedef struct {
    int sent, failed, waiting; /* attempts that ended in this run; waiting: to be tried again */
} sb_pickup_mailed_t;

/**
 * Send everything that is due now, and wait for the answers.
 * @param perror the complaint about the run; NULL on success
 * @return APR_SUCCESS, also when mail servers refused, or mail is switched off; SB_EBUSY another one is at
 *         it; SB_ECONFIG; SB_EUNAVAILABLE the database went away; others as sb_db_exec
 */
apr_status_t sb_pickup_mail(sb_pickup_mailed_t *mailed, const char **perror,
                            const sb_pickup_mail_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

/* ---- by hand ------------------------------------------------------------------------------------- */

/** A mail that no server has taken. */
typedef struct {
    const char *id;    /* of the registration */
    const char *state; /* "pending": it is tried again by itself; "failed" */
    int attempts;
    const char *error; /* of the last attempt, without the address; NULL: there was none */
    const char *at;    /* when that was, or the upload: RFC 3339, UTC */
} sb_pickup_unsent_t;

/**
 * All of them, the oldest first. Of opts only conf and app are read, as below.
 * @param plist of sb_pickup_unsent_t. @return as sb_pickup_mail
 */
apr_status_t sb_pickup_mail_list(apr_array_header_t **plist, const char **perror,
                                 const sb_pickup_mail_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Let it be sent once more, beginning with its first attempt: due at once, for the next sb_pickup_mail().
 * @param id of a registration, whatever became of its mail; NULL: all that failed for good
 * @param pn how many
 * @return APR_SUCCESS; APR_NOTFOUND no mail is noted for this id; others as sb_pickup_mail
 */
apr_status_t sb_pickup_mail_again(apr_int64_t *pn, const char **perror,
                                  const sb_pickup_mail_opts_t *opts, const char *id,
                                  apr_pool_t *p) SB_MUST_CHECK;

#endif
