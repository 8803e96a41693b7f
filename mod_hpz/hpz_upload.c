/**
 * The internal face: a worker announces a file, and delivers it, or takes it back.
 */

#include "hpz.h"

#include <errno.h>
#include <string.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "pickup/sb_multipart.h"

#define ANNOUNCEMENT_MAX (256 * 1024) /* bytes: a thousand schools */
#define PIECE (64 * 1024)             /* bytes read at once */
/* What may come beside the file: boundaries, headers, other fields. */
#define BESIDE (2 * SB_MULTIPART_SKIPPED_MAX)

/* ---- announcing -------------------------------------------------------------------------------- */

/* The JSON of the body. @return OK; DONE the answer is written */
static int read_said(sb_json_t **psaid, sb_req_t *q)
{
    static const sb_json_limits_t limits = {
        .max_bytes = ANNOUNCEMENT_MAX, .max_depth = 4, .max_nodes = 4000};
    request_rec *r = q->r;
    const char *why = NULL;
    apr_status_t rv;
    apr_size_t len;
    char *text;

    rv = sb_web_body(&text, &len, r, ANNOUNCEMENT_MAX);
    if (rv != APR_SUCCESS) {
        sb_web_fail(r, rv, SBLOGNO(3210), "reading a registration");
        return DONE;
    }
    if (sb_json_parse(psaid, &why, text, len, &limits, r->pool) != APR_SUCCESS) {
        sb_web_problem(r, HTTP_BAD_REQUEST,
                       apr_psprintf(r->pool, "the body: %s", why ? why : "not JSON"));
        return DONE;
    }
    return OK;
}

int hpz_register(sb_req_t *q)
{
    const hpz_child_t *child = hpz_child(q);
    request_rec *r = q->r;
    sb_jw_t *w = sb_jw_make(r->pool);
    sb_pickup_owner_t owner;
    apr_size_t len;
    const char *id, *json, *why;
    sb_json_t *said;
    apr_status_t rv;
    sb_db_t *db;

    if (read_said(&said, q) != OK) {
        return OK;
    }
    why = sb_deposit_read(&owner, said, r->pool);
    if (why) {
        return sb_web_problem(r, HTTP_PRECONDITION_FAILED, why);
    }
    if (hpz_db(&db, q) != OK) {
        return OK;
    }
    rv = sb_deposit_add(&id, db, &owner, r->pool);
    if (rv != APR_SUCCESS) {
        return sb_web_fail(r, rv, SBLOGNO(3211), "making a registration");
    }
    hpz_audit_id(q, id);
    sb_jw_object(w, NULL);
    sb_jw_fmt(w, "url", "%s/files/%s", child->base, id);
    sb_jw_fmt(w, "web_url", "%s/download/%s", child->base, id);
    sb_jw_str(w, "registration_id", id);
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(r, json, len);
}

/* All files of a request are there that will ever be. */
int hpz_finish(sb_req_t *q)
{
    const char *request, *outcome, *why;
    sb_json_t *said;
    apr_status_t rv;
    sb_db_t *db;

    if (read_said(&said, q) != OK) {
        return OK;
    }
    why = sb_deposit_read_finish(&request, &outcome, said);
    if (why) {
        return sb_web_problem(q->r, HTTP_PRECONDITION_FAILED, why);
    }
    if (hpz_db(&db, q) != OK) {
        return OK;
    }
    rv = sb_deposit_finish(db, request, outcome, hpz_child(q)->with_mail);
    return rv == APR_SUCCESS ? sb_web_json(q->r, "{}", 2)
                             : sb_web_fail(q->r, rv, SBLOGNO(3219), "ending a request");
}

/* ---- delivering -------------------------------------------------------------------------------- */

/* An upload under way. */
typedef struct {
    sb_req_t *q;
    apr_pool_t *pool; /* of the arrival */
    sb_arrival_t *arrival;
    sb_multipart_t *parts;
    apr_int64_t max_size;
    apr_status_t disk; /* what the disk said */
} upload_t;

/* The rest of the body is not worth waiting for: answer, then hang up. */
static int refuse(sb_req_t *q, int status, const char *detail)
{
    q->r->connection->keepalive = AP_CONN_CLOSE;
    return sb_web_problem(q->r, status, detail);
}

static apr_status_t take(void *ctx, const void *data, apr_size_t len)
{
    upload_t *u = ctx;

    if ((apr_int64_t)len > u->max_size - sb_arrival_size(u->arrival)) {
        return SB_ETOOBIG;
    }
    u->disk = sb_arrival_write(u->arrival, data, len);
    return u->disk;
}

static int is_full(apr_status_t rv)
{
    return APR_STATUS_IS_ENOSPC(rv) || rv == EDQUOT || rv == EFBIG;
}

static int disk_failed(const upload_t *u, apr_status_t rv)
{
    if (is_full(rv)) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3212), rv,
               "the pickup zone's disk is full: an upload was refused");
        apr_table_setn(u->q->r->err_headers_out, "Retry-After", "60");
        return refuse(u->q, HTTP_INSUFFICIENT_STORAGE, "the disk is full");
    }
    sb_log(SB_LOG_ERROR, SBLOGNO(3213), rv, "writing an upload");
    return refuse(u->q, HTTP_INTERNAL_SERVER_ERROR, NULL);
}

static int too_big(const upload_t *u)
{
    const char *id = sb_uuid_is_valid(u->q->rest) ? u->q->rest : "?";

    sb_log(SB_LOG_WARN, SBLOGNO(3225), SB_NO_STATUS,
           "%s: a file larger than hpz.frs.file_size_limit = %" APR_INT64_T_FMT " was refused", id,
           u->max_size);
    return refuse(u->q, HTTP_REQUEST_ENTITY_TOO_LARGE,
                  apr_psprintf(u->q->r->pool, "want a file of at most %" APR_INT64_T_FMT " bytes",
                               u->max_size));
}

/* What the parser or take() made of the body. */
static int body_refused(const upload_t *u, apr_status_t rv)
{
    if (u->disk != APR_SUCCESS) {
        return disk_failed(u, u->disk);
    }
    if (rv == SB_ETOOBIG && !*sb_multipart_error(u->parts)) {
        return too_big(u);
    }
    return refuse(u->q,
                  rv == SB_ETOOBIG  ? HTTP_REQUEST_ENTITY_TOO_LARGE
                  : rv == SB_EINPUT ? HTTP_BAD_REQUEST
                                    : HTTP_PRECONDITION_FAILED,
                  apr_pstrcat(u->q->r->pool, "part file: ", sb_multipart_error(u->parts), NULL));
}

static apr_status_t feed(upload_t *u, apr_bucket_brigade *some, int *pended)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(some)) {
        apr_bucket *b = APR_BRIGADE_FIRST(some);
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(b)) {
            *pended = 1;
        }
        else if (!APR_BUCKET_IS_METADATA(b)) {
            rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
            rv = rv == APR_SUCCESS ? sb_multipart_feed(u->parts, data, len) : SB_EINPUT;
        }
        apr_bucket_delete(b); /* at once: memory must not grow with the file */
    }
    return rv;
}

/* @return OK the file is here, whole and on disk; DONE the answer is written */
static int receive_body(upload_t *u)
{
    request_rec *r = u->q->r;
    apr_bucket_brigade *some = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_status_t rv = APR_SUCCESS;
    int ended = 0;

    while (!ended) {
        rv = ap_get_brigade(r->input_filters, some, AP_MODE_READBYTES, APR_BLOCK_READ, PIECE);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(3214), rv, "an upload broke off");
            refuse(u->q, APR_STATUS_IS_TIMEUP(rv) ? HTTP_REQUEST_TIME_OUT : HTTP_BAD_REQUEST,
                   "the body did not come");
            return DONE;
        }
        rv = feed(u, some, &ended);
        apr_brigade_cleanup(some);
        if (rv != APR_SUCCESS) {
            body_refused(u, rv);
            return DONE;
        }
    }
    rv = sb_multipart_end(u->parts);
    if (rv != APR_SUCCESS) {
        body_refused(u, rv);
        return DONE;
    }
    rv = sb_arrival_end(u->arrival);
    if (rv != APR_SUCCESS) {
        disk_failed(u, rv);
        return DONE;
    }
    return OK;
}

/* Is there such a registration? Asked on a connection that goes back at once. @return OK; DONE */
static int find_registration(sb_req_t *q)
{
    sb_deposit_t *d;
    apr_status_t rv;
    apr_pool_t *p;
    sb_db_t *db;

    apr_pool_create(&p, q->r->pool);
    rv = sb_dbpool_get(&db, hpz_child(q)->db, p);
    if (rv == APR_SUCCESS) {
        rv = sb_deposit_find(&d, db, q->rest, NULL, p);
    }
    apr_pool_destroy(p);
    if (rv == APR_NOTFOUND) {
        refuse(q, HTTP_NOT_FOUND, "no such registration");
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        q->r->connection->keepalive = AP_CONN_CLOSE;
        sb_web_fail(q->r, rv, SBLOGNO(3215), "finding a registration");
        return DONE;
    }
    return OK;
}

/* What can be said before a byte of the body is read. @return OK; DONE the answer is written */
static int begin(upload_t *u, const char **pname)
{
    sb_req_t *q = u->q;
    const apr_table_t *headers = q->r->headers_in;
    const char *offered = apr_table_get(headers, "File-Name");
    const char *length = apr_table_get(headers, "Content-Length");
    const char *complaint;
    apr_off_t announced = 0;
    apr_status_t rv;

    *pname = offered ? sb_deposit_name(offered, q->r->pool) : NULL;
    if (!*pname) {
        refuse(q, HTTP_PRECONDITION_FAILED,
               "want a header File-Name with a name of 1 to 200 bytes, UTF-8");
        return DONE;
    }
    complaint = sb_multipart_make(&u->parts, apr_table_get(headers, "Content-Type"), "file", take,
                                  u, q->r->pool);
    if (complaint) {
        refuse(q, HTTP_PRECONDITION_FAILED, complaint);
        return DONE;
    }
    if (length && apr_strtoff(&announced, length, NULL, 10) == APR_SUCCESS &&
        announced - BESIDE > u->max_size) {
        too_big(u);
        return DONE;
    }
    if (find_registration(q) != OK) {
        return DONE;
    }
    rv = sb_arrival_begin(&u->arrival, hpz_child(q)->depot, q->rest, u->pool);
    if (rv != APR_SUCCESS) {
        disk_failed(u, rv);
        return DONE;
    }
    return OK;
}

static int send_receipt(sb_req_t *q, const sb_arrival_t *a)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    apr_size_t len;
    const char *json;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "registration_id", q->rest);
    sb_jw_int(w, "size", sb_arrival_size(a));
    sb_jw_str(w, "sha256", sb_arrival_sha256(a));
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(q->r, json, len);
}

static void tell_what_is_there(sb_jw_t *w, const void *ctx)
{
    const sb_deposit_t *d = ctx;

    sb_jw_int(w, "size", d->size);
    sb_jw_str(w, "sha256", d->sha256);
}

/* 409, with what is there: whoever delivers may find it good enough. */
static int refuse_another(sb_req_t *q, sb_db_t *db)
{
    static const char detail[] = "another content was delivered already";
    sb_deposit_t *d;

    return sb_deposit_find(&d, db, q->rest, NULL, q->r->pool) == APR_SUCCESS && d->sha256
               ? sb_web_problem_with(q->r, HTTP_CONFLICT, detail, tell_what_is_there, d)
               : sb_web_problem(q->r, HTTP_CONFLICT, detail);
}

static int upload(upload_t *u)
{
    sb_req_t *q = u->q;
    hpz_child_t *child = hpz_child(q);
    const char *name;
    apr_status_t rv;
    sb_db_t *db;

    hpz_audit_id(q, q->rest);
    if (sb_places_take(child->uploads, NULL, q->r->pool) != SB_PLACE_TAKEN) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(3202), SB_NO_STATUS,
               "as many uploads as may be: one was sent away");
        apr_table_setn(q->r->err_headers_out, "Retry-After", HPZ_BUSY_SECS);
        return refuse(q, HTTP_SERVICE_UNAVAILABLE,
                      "Too many at a time; try again in a few seconds");
    }
    if (begin(u, &name) != OK || receive_body(u) != OK || hpz_db(&db, q) != OK) {
        return OK;
    }
    rv = sb_deposit_receive(db, q->rest, name, u->arrival, child->depot, child->with_mail,
                            q->r->pool);
    if (rv == SB_ECONFLICT) {
        return refuse_another(q, db);
    }
    if (is_full(rv)) {
        return disk_failed(u, rv);
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3216), "recording an upload");
    }
    sb_log(SB_LOG_INFO, SBLOGNO(3217), SB_NO_STATUS, "%s: %" APR_INT64_T_FMT " bytes", q->rest,
           sb_arrival_size(u->arrival));
    return send_receipt(q, u->arrival);
}

/* The arrival has a pool of its own: what is not kept is gone, and its place free, before the answer goes out. */
int hpz_upload(sb_req_t *q)
{
    upload_t u = {.q = q, .max_size = hpz_child(q)->max_size};
    int answer;

    apr_pool_create(&u.pool, q->r->pool);
    answer = upload(&u);
    apr_pool_destroy(u.pool);
    return answer;
}

/* ---- taking back ------------------------------------------------------------------------------- */

int hpz_remove(sb_req_t *q)
{
    apr_status_t rv;
    sb_db_t *db;

    hpz_audit_id(q, q->rest);
    if (hpz_db(&db, q) != OK) {
        return OK;
    }
    rv = sb_deposit_remove(db, q->rest, hpz_child(q)->depot, q->r->pool);
    if (rv == APR_NOTFOUND) {
        return sb_web_problem(q->r, HTTP_NOT_FOUND, "no such registration");
    }
    return rv == APR_SUCCESS ? sb_web_json(q->r, "{}", 2)
                             : sb_web_fail(q->r, rv, SBLOGNO(3218), "removing a file");
}
