#ifndef SB_SESSION_BOOK_H
#define SB_SESSION_BOOK_H

/**
 * The book of sessions, in PostgreSQL (sql/signin): who is signed in since when, and which
 * sessions were ended before their time. memcached may be cut off when a session is ended and come back with it;
 * what the book says is over stays over.
 *
 * A request costs no query: each process keeps the ended ones in memory, and one of its threads asks for those
 * added at most once a second. While the database is away the last that was read counts: then nobody can end
 * one either.
 *
 * Safe for threads.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "store/sb_db.h"

#define SB_SESSION_BOOK_FRESH apr_time_from_sec(1)
#define SB_SESSION_BOOK_MANY 500 /* entries a list has at most */

typedef struct sb_session_book_t sb_session_book_t;

typedef struct {
    const char *hash;       /* SHA-256 of the id, 64 hex digits; 12 of them are the reference */
    const char *guid, *uid; /* NULL: not known */
    const apr_array_header_t *tenants;  /* const char * */
    const char *browser;                /* in words */
    const char *service;                /* where one signed in, a word of ours; "" not known */
    const char *name_hash, *index_hash; /* SHA-256 of name id and session index; NULL none */
    int batch;                          /* made by an operator for a program */
    apr_time_t created, not_after;
    apr_time_t proved; /* to sb_session_book_add only: as in sb_session_t */
} sb_session_entry_t;

/**
 * Connects on first use; no call waits longer than seconds.
 * @param url, schema where sign-in keeps what may be used once, as the web role
 */
apr_status_t sb_session_book_make(sb_session_book_t **pbook, const char *url, const char *schema,
                                  int prepare, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @return APR_SUCCESS; SB_EDENIED sb_session_book_end_all() ended a session of this person since he proved who he is;
 *         SB_EUNAVAILABLE; SB_EDB
 */
apr_status_t sb_session_book_add(sb_session_book_t *book,
                                 const sb_session_entry_t *entry) SB_MUST_CHECK;

/** It is over, durably. One that is not in the book, or over already, is success. @return as above */
apr_status_t sb_session_book_end(sb_session_book_t *book, const char *hash) SB_MUST_CHECK;

/** A LogoutRequest: who is to be signed out, and what makes sure that it is followed once. */
typedef struct {
    const char *issuer, *message_id;
    apr_time_t message_end; /* past it the message itself is too old */
    const char *name_hash;
    const char *index_hash; /* NULL: all sessions of the name. Those without an index end, too */
} sb_session_order_t;

/**
 * Use up the message and end its sessions: both or none, so that the sender may try again.
 * @param phashes const char *: those it ended
 * @return APR_SUCCESS; SB_EDENIED the message was used before; SB_EUNAVAILABLE, SB_EDB, SB_ECONFLICT nothing is done
 */
apr_status_t sb_session_book_end_named(const apr_array_header_t **phashes, sb_session_book_t *book,
                                       const sb_session_order_t *order,
                                       apr_pool_t *p) SB_MUST_CHECK;

/**
 * Was it ended, as far as this process knows?
 * @return APR_SUCCESS; SB_EUNAVAILABLE the book was never read and cannot be now
 */
apr_status_t sb_session_book_ended(int *pended, sb_session_book_t *book,
                                   const char *hash) SB_MUST_CHECK;

/** Which sessions a list is to have: those that are not over, and for which all that is given holds. */
typedef struct {
    const char *user;        /* his guid; NULL any */
    const char *guid_or_uid; /* as an operator knows somebody: either of them; NULL any */
    const char *ref;         /* the hash begins so; NULL any */
    const char *but;         /* the hash begins otherwise; NULL any */
    const apr_array_header_t
        *tenants; /* const char *: all of the user's are among these, and he has one; NULL any */
    const char *tenant; /* is one of his; NULL any */
    int batch;          /* 1, 0, or -1 both */
} sb_session_query_t;

/**
 * Sessions that may be alive: whether memcached still has them is another question.
 * @param pentries sb_session_entry_t, the newest first, at most SB_SESSION_BOOK_MANY and one
 */
apr_status_t sb_session_book_list(const apr_array_header_t **pentries, sb_session_book_t *book,
                                  const sb_session_query_t *query, apr_pool_t *p) SB_MUST_CHECK;

/**
 * End those for which all that is given holds, durably and by one statement: also such as memcached does not know
 * just now, and however many there are. From then on their persons have to prove anew who they are: what the identity
 * provider remembers of a browser lets nobody in again. So has query->user, without ref, if there is none.
 * @param query    says whose, by user, guid_or_uid, ref or tenant
 * @param pentries sb_session_entry_t: those it ended
 * @return APR_SUCCESS, also if there is none; APR_EINVAL the query says nobody's; SB_EUNAVAILABLE, SB_EDB,
 *         SB_ECONFLICT nothing is ended
 */
apr_status_t sb_session_book_end_all(const apr_array_header_t **pentries, sb_session_book_t *book,
                                     const sb_session_query_t *query, apr_pool_t *p) SB_MUST_CHECK;

/** How many there are. @param pbatch how many of them are batch sessions */
apr_status_t sb_session_book_count(apr_int64_t *pall, apr_int64_t *pbatch,
                                   sb_session_book_t *book) SB_MUST_CHECK;

#endif
