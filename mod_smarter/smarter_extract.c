/**
 * /services/extract and what is below it. What is asked for at once is made into a file without a name and sent
 * when it is complete: nobody gets half an archive, or 200 for one that failed. The rest becomes a job.
 */

#include "smarter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <util_filter.h>
#include "core/sb_log.h"
#include "core/sb_places.h"
#include "core/sb_time.h"
#include "extract/sb_extract_job.h"

#define BUSY_RETRY_SECS "10"

struct smarter_extracts_t {
    const sb_pickup_client_t *pickup; /* NULL: not configured */
    sb_places_t *places;              /* of those that are made at once */
};

void smarter_extract_child_init(smarter_child_t *child)
{
    const sb_conf_t *conf = child->conf;
    const char *complaint;
    smarter_extracts_t *e = apr_pcalloc(child->pool, sizeof(*e));

    if (sb_places_make(&e->places, (int)sb_conf_int(conf, "extract.sync.max"),
                       (int)sb_conf_int(conf, "extract.sync.max_per_user"),
                       child->pool) != APR_SUCCESS) {
        return;
    }
    child->extracts = e;
    if (!child->jobs || !sb_conf_str(conf, "hpz.file_registration_url")) {
        return;
    }
    complaint = sb_pickup_client_make(&e->pickup, conf, child->pool);
    if (complaint) {
        sb_log(SB_LOG_WARN, SBLOGNO(3080), SB_NO_STATUS, "no extracts for later: %s", complaint);
    }
}

/* ---- what is asked for ----------------------------------------------------------------------------- */

static int refuse(sb_req_t *q, const sb_extract_t *x, const char *why)
{
    q->denial = apr_psprintf(q->r->pool, "extract %s %s", sb_extract_about(x->kind)->name, why);
    sb_web_problem(q->r, HTTP_FORBIDDEN, "Forbidden Access");
    return DONE;
}

/* @return OK; DONE the answer is written */
static int judge(sb_extract_t *x, sb_req_t *q, sb_extract_kind_t kind)
{
    sb_extract_env_t env = {smarter_child(q)->conf, smarter_child(q)->tenants};
    const char *complaint;
    sb_json_t *body;
    apr_status_t rv;

    if (sb_req_query(q) != OK || sb_req_body(&body, q) != OK) {
        return DONE;
    }
    rv = sb_extract_request(x, &complaint, kind, q->query, body, q->user, &env, q->r->pool);
    q->params = x->params;
    if (rv == SB_EINPUT) {
        sb_web_problem(q->r, HTTP_PRECONDITION_FAILED, complaint);
        return DONE;
    }
    if (rv == SB_EDENIED) {
        return refuse(q, x,
                      apr_pstrcat(q->r->pool, "without role ", sb_extract_about(kind)->role, NULL));
    }
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3081), "reading the request of an extract");
        return DONE;
    }
    if (x->async && q->r->header_only) { /* asks what GET would say, not for a job */
        apr_table_setn(q->r->err_headers_out, "Allow", "GET, POST");
        sb_web_problem(q->r, HTTP_METHOD_NOT_ALLOWED, "want GET or POST with async");
        return DONE;
    }
    if (x->async && !sb_signin_may_change(q)) { /* of the same address as what changes nothing */
        return refuse(q, x, "asked for from elsewhere");
    }
    return OK;
}

/* @return OK; DONE the answer is written */
static int take_turn(sb_req_t *q)
{
    return sb_req_limit(q, "extract", smarter_child(q)->data_cache,
                        sb_conf_int(smarter_child(q)->conf, "extract.per_minute"));
}

/* ---- patience -------------------------------------------------------------------------------------- */

typedef struct {
    const request_rec *r;
    double until; /* on the monotonic clock */
} patience_t;

/* A second more, so that a server that works is told to stop, and only one that is silent given up. */
#define GRACE 1.0

static patience_t patience(const sb_req_t *q, const char *key)
{
    return (patience_t){q->r, sb_time_monotonic() +
                                  (double)sb_conf_interval(smarter_child(q)->conf, key) /
                                      APR_USEC_PER_SEC};
}

/* Is it in time, and anybody there to send it to? httpd notices that the client hung up when it writes, and
 * nothing is written before all is known. */
static apr_status_t is_wanted(void *ctx)
{
    const patience_t *w = ctx;
    apr_socket_t *sock = ap_get_conn_socket(w->r->connection);
    struct pollfd pfd = {.events = POLLRDHUP};
    apr_os_sock_t fd;

    if (sb_time_monotonic() > w->until) {
        return APR_TIMEUP;
    }
    if (!w->r->connection->aborted && sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS) {
        pfd.fd = fd;
        w->r->connection->aborted = poll(&pfd, 1, 0) > 0;
    }
    return w->r->connection->aborted ? APR_ECONNABORTED : APR_SUCCESS;
}

/* A connection for as long as the patience lasts. @param p gives it back */
static apr_status_t borrow(sb_db_t **pdb, sb_dbpool_t *pool, patience_t *w, apr_pool_t *p)
{
    double left = w->until - sb_time_monotonic() + GRACE;
    apr_status_t rv = sb_dbpool_get(pdb, pool, p);

    if (rv == APR_SUCCESS) {
        sb_db_limit(*pdb, (apr_interval_time_t)((left > GRACE ? left : GRACE) * APR_USEC_PER_SEC));
        sb_db_watch(*pdb, is_wanted, w);
    }
    return rv;
}

static sb_dbpool_t *data_of(const sb_req_t *q, const sb_extract_t *x)
{
    return apr_hash_get(smarter_child(q)->pools, sb_scope_tenant(x->scope), APR_HASH_KEY_STRING);
}

/* What became of a statement that failed. @return of the answer, which is written */
static int failed(sb_req_t *q, apr_status_t rv, int number, const char *what)
{
    if (rv == APR_ECONNABORTED) { /* for the audit line */
        sb_log(SB_LOG_INFO, SBLOGNO(3094), SB_NO_STATUS, "%s: the client hung up", what);
        return sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE, "Nobody waits for it any more");
    }
    return sb_web_fail(q->r, sb_is_transient(rv) ? SB_EUNAVAILABLE : APR_EGENERAL, number, what);
}

/* ---- at once --------------------------------------------------------------------------------------- */

/* One of the places for requests that are answered at once, until the request ends.
 * @return OK; DONE the answer is written */
static int take_place(sb_req_t *q)
{
    sb_place_t got = sb_places_take(smarter_child(q)->extracts->places, q->user->guid, q->r->pool);

    if (got == SB_PLACE_TAKEN) {
        return OK;
    }
    apr_table_setn(q->r->headers_out, "Retry-After", BUSY_RETRY_SECS);
    sb_web_problem(q->r, got == SB_PLACE_ENOUGH ? HTTP_TOO_MANY_REQUESTS : HTTP_SERVICE_UNAVAILABLE,
                   got == SB_PLACE_ENOUGH
                       ? "Another extract of yours is being made"
                       : "Too many extracts are being made: ask again, or with async");
    return DONE;
}

typedef struct {
    patience_t patience;
    sb_req_t *q;
    int fd;
} at_once_t;

static apr_status_t open_zip(sb_zip_t **pz, void *ctx, int part)
{
    const at_once_t *a = ctx;
    sb_zip_opts_t opts = {
        .fd = a->fd,
        .level = (int)sb_conf_int(smarter_child(a->q)->conf, "extract.compression_level"),
        .ahead = 1};

    (void)part; /* there is one */
    return sb_zip_open(pz, &opts, a->q->r->pool);
}

static apr_status_t still_wanted(void *ctx, apr_int64_t done, apr_int64_t all)
{
    at_once_t *a = ctx;

    (void)done;
    (void)all;
    return is_wanted(&a->patience);
}

static apr_status_t close_file(void *data)
{
    close((int)(intptr_t)data);
    return APR_SUCCESS;
}

static apr_status_t make_at_once(int *pfd, sb_req_t *q, const sb_extract_t *x)
{
    const sb_conf_t *conf = smarter_child(q)->conf;
    at_once_t a = {.patience = patience(q, "extract.celery_timeout"), .q = q};
    sb_extract_run_t run = {.conf = conf, .open = open_zip, .progress = still_wanted, .ctx = &a};
    sb_extract_result_t result = {.rows = 0};
    apr_pool_t *p;
    apr_status_t rv;

    a.fd = open(sb_conf_str(conf, "extract.sync.dir"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    *pfd = a.fd;
    if (a.fd < 0) {
        rv = errno;
        sb_log(SB_LOG_ERROR, SBLOGNO(3082), rv, "extract.sync.dir");
        return rv;
    }
    apr_pool_cleanup_register(q->r->pool, (void *)(intptr_t)a.fd, close_file,
                              apr_pool_cleanup_null);
    apr_pool_create(&p, q->r->pool);
    rv = borrow(&run.db, data_of(q, x), &a.patience, p);
    if (rv == APR_SUCCESS) {
        rv = sb_extract_make(&result, x, &run, p);
        if (rv != APR_SUCCESS && rv != APR_NOTFOUND && rv != APR_ECONNABORTED) {
            sb_log(SB_LOG_ERROR, SBLOGNO(3083), rv, "extract %s: %s", x->id,
                   result.why ? result.why : sb_db_error(run.db));
        }
    }
    apr_pool_destroy(p);
    return rv;
}

static int send_zip(sb_req_t *q, const sb_extract_t *x, int fd)
{
    request_rec *r = q->r;
    apr_off_t size = lseek(fd, 0, SEEK_END);
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_file_t *file;

    if (size < 0 || apr_os_file_put(&file, &fd, APR_FOPEN_READ, r->pool) != APR_SUCCESS) {
        return sb_web_fail(r, APR_EGENERAL, SBLOGNO(3084), "sending an extract");
    }
    ap_set_content_type(r, "application/octet-stream");
    ap_set_content_length(r, size);
    apr_table_setn(r->headers_out, "Content-Disposition",
                   apr_pstrcat(r->pool, "attachment; filename=\"", sb_extract_zip_name(x, r->pool),
                               "\"", NULL));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (r->header_only) {
        return OK;
    }
    apr_brigade_insert_file(bb, file, 0, size, r->pool);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(r->connection->bucket_alloc));
    sb_req_audit(q, HTTP_OK); /* before the first byte: sending may last, or end in the midst */
    ap_pass_brigade(r->output_filters, bb); /* a client that is gone is its own business */
    return OK;
}

static int answer_at_once(sb_req_t *q, const sb_extract_t *x)
{
    apr_status_t rv;
    int fd;

    if (take_place(q) != OK) {
        return OK;
    }
    rv = make_at_once(&fd, q, x);
    if (rv == APR_NOTFOUND) {
        return sb_web_problem(q->r, HTTP_NOT_FOUND, "There are no results for this request");
    }
    if (rv != APR_SUCCESS) {
        return failed(q, rv, SBLOGNO(3085), "making an extract");
    }
    return send_zip(q, x, fd);
}

/* ---- for later ------------------------------------------------------------------------------------- */

static void write_status(sb_jw_t *w, int has_data)
{
    sb_jw_str(w, "status", has_data ? "ok" : "no_data");
    if (!has_data) {
        sb_jw_str(w, "message", "Data is not available");
    }
}

static void write_combination(sb_jw_t *w, const sb_extract_t *x, const sb_extract_combination_t *c)
{
    sb_jw_str(w, "stateCode", sb_scope_state(x->scope));
    sb_jw_str(w, "districtId", c->district_id);
    sb_jw_str(w, "schoolId", c->school_id);
    sb_jw_str(w, "extractType", sb_extract_about(x->kind)->name);
    sb_jw_str(w, "asmtSubject", c->subject);
    sb_jw_str(w, "asmtType", c->type);
    sb_jw_str(w, "asmtYear", APR_ARRAY_IDX(sb_params_list(x->params, "asmtYear"), 0, const char *));
    sb_jw_str(w, "requestId", x->id);
    write_status(w, c->has_data);
}

static void write_tasks(sb_jw_t *w, const sb_extract_t *x, const sb_extract_plan_t *plan)
{
    for (int i = 0; i < plan->asked->nelts; i++) {
        sb_jw_object(w, NULL);
        write_combination(w, x, &APR_ARRAY_IDX(plan->asked, i, sb_extract_combination_t));
        sb_jw_end(w);
    }
    if (x->kind == SB_EXTRACT_ASSESSMENT) {
        return;
    }
    sb_jw_object(w, NULL);
    if (x->kind == SB_EXTRACT_STATISTICS || x->kind == SB_EXTRACT_COMPLETION) {
        sb_jw_str(w, "state_code", sb_scope_state(x->scope));
        sb_jw_int(w, "academicYear", sb_params_int(x->params, "academicYear", 0));
        sb_jw_str(w, "extractType", sb_extract_about(x->kind)->name);
        sb_jw_str(w, "requestId", x->id);
    }
    write_status(w, plan->parts > 0);
    sb_jw_end(w);
}

static int send_tasks(sb_req_t *q, const sb_extract_t *x, const sb_extract_plan_t *plan,
                      const apr_array_header_t *files)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const char *json;
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_array(w, "tasks");
    write_tasks(w, x, plan);
    sb_jw_end(w);
    if (files && files->nelts) {
        sb_jw_array(w, "files");
        for (int i = 0; i < files->nelts; i++) {
            const sb_job_file_t *f = &APR_ARRAY_IDX(files, i, sb_job_file_t);

            sb_jw_object(w, NULL);
            sb_jw_str(w, "fileName", f->name);
            sb_jw_str(w, "download_url", f->url);
            sb_jw_str(w, "web_download_url", f->web_url);
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, HTTP_OK, "application/json; charset=UTF-8", json, len);
}

/* What there is, without keeping the connection. */
static apr_status_t look(sb_extract_plan_t *plan, sb_req_t *q, const sb_extract_t *x, patience_t *w)
{
    apr_pool_t *p;
    apr_status_t rv;
    sb_db_t *db;

    apr_pool_create(&p, q->r->pool);
    rv = borrow(&db, data_of(q, x), w, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_begin(db, SB_TX_SNAPSHOT);
        if (rv == APR_SUCCESS) {
            rv = sb_extract_plan(plan, x, smarter_child(q)->conf, db, q->r->pool);
        }
        if (rv == APR_SUCCESS) {
            rv = sb_db_commit(db);
        }
        if (rv != APR_SUCCESS && rv != APR_ECONNABORTED) {
            sb_log(SB_LOG_ERROR, SBLOGNO(3086), rv, "extract %s: %s", x->id, sb_db_error(db));
        }
    }
    apr_pool_destroy(p);
    return rv;
}

#define NOTE_PATIENCE apr_time_from_sec(2) /* for a row that nothing waits for */

static void note_queued(sb_req_t *q, const sb_extract_t *x)
{
    sb_db_t *stats;

    if (smarter_child(q)->stats &&
        sb_dbpool_get(&stats, smarter_child(q)->stats, q->r->pool) == APR_SUCCESS) {
        sb_db_limit(stats, NOTE_PATIENCE);
        sb_extract_note_queued(stats, x, q->r->pool);
    }
}

static int has_too_many(sb_req_t *q, const char *why)
{
    apr_table_setn(q->r->headers_out, "Retry-After", BUSY_RETRY_SECS);
    sb_web_problem(q->r, HTTP_TOO_MANY_REQUESTS, why);
    return DONE;
}

/* How many he has, by a connection that is borrowed for no longer. */
static apr_status_t count_extracts(int *popen, int *pkept, sb_req_t *q, const sb_extract_t *x,
                                   patience_t *w)
{
    const char *tenant = sb_scope_tenant(x->scope), *uid = q->user->uid;
    apr_pool_t *p;
    apr_status_t rv;
    sb_db_t *db;

    *popen = *pkept = 0;
    apr_pool_create(&p, q->r->pool);
    rv = borrow(&db, smarter_child(q)->jobs, w, p);
    if (rv == APR_SUCCESS) {
        rv = sb_job_count_open(popen, db, tenant, uid, SB_EXTRACT_JOB, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_job_count_kept(pkept, db, tenant, uid, SB_EXTRACT_JOB, p);
    }
    apr_pool_destroy(p);
    return rv;
}

/* @return OK; DONE the answer is written */
static int may_have_more(sb_req_t *q, const sb_extract_t *x, patience_t *w)
{
    const sb_conf_t *conf = smarter_child(q)->conf;
    apr_int64_t max_kept = sb_conf_int(conf, "extract.max_kept");
    int open, kept;
    apr_status_t rv = count_extracts(&open, &kept, q, x, w);

    if (rv != APR_SUCCESS) {
        failed(q, rv, SBLOGNO(3087), "counting extracts");
        return DONE;
    }
    if (open >= sb_conf_int(conf, "extract.max_open")) {
        return has_too_many(q, "Too many extracts of yours are not made yet");
    }
    if (max_kept && kept >= max_kept) {
        return has_too_many(q, "Too many extracts of yours are kept: delete some in My downloads");
    }
    return OK;
}

/* Whoever asked for too many at the same time was let through before, and is counted once more when the job is
 * made. @return OK; DONE the answer is written */
static int submit(const apr_array_header_t **pfiles, sb_req_t *q, const sb_extract_t *x,
                  double until)
{
    sb_extract_desk_t desk = {.conf = smarter_child(q)->conf,
                              .pickup = smarter_child(q)->extracts->pickup,
                              .jobs = smarter_child(q)->jobs,
                              .request_id = q->request_id,
                              .until = until};
    const char *error;
    apr_status_t rv = sb_extract_submit(pfiles, &error, x, &desk, q->r->pool);

    if (rv == SB_EDENIED) {
        return has_too_many(q, "Too many extracts of yours were asked for at the same time");
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3062), rv, "extract %s: %s", x->id, error ? error : "");
        sb_web_fail(q->r, rv == SB_EUNAVAILABLE ? rv : APR_EGENERAL, SBLOGNO(3063),
                    "announcing an extract");
        return DONE;
    }
    note_queued(q, x);
    return OK;
}

/* No connection is kept while the pickup zone is asked: it may take its time. */
static int answer_later(sb_req_t *q, sb_extract_t *x)
{
    patience_t w = patience(q, "extract.request_timeout");
    const apr_array_header_t *files = NULL;
    sb_extract_plan_t plan;
    apr_status_t rv;

    if (!smarter_child(q)->extracts->pickup) {
        return sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE,
                              "Extracts for later are not set up here");
    }
    if (may_have_more(q, x, &w) != OK) {
        return OK;
    }
    rv = look(&plan, q, x, &w);
    if (rv != APR_SUCCESS) {
        return failed(q, rv, SBLOGNO(3089), "planning an extract");
    }
    if (plan.parts > 0) {
        x->parts = plan.parts;
        x->version = plan.version;
        if (submit(&files, q, x, w.until) != OK) {
            return OK;
        }
    }
    return send_tasks(q, x, &plan, files);
}

/* ---- the addresses --------------------------------------------------------------------------------- */

static int answer(sb_req_t *q, sb_extract_kind_t kind)
{
    sb_extract_t x;

    if (judge(&x, q, kind) != OK || take_turn(q) != OK) {
        return OK;
    }
    if (!smarter_child(q)->extracts) {
        return sb_web_fail(q->r, SB_EUNAVAILABLE, SBLOGNO(3064), "extracts");
    }
    return x.async ? answer_later(q, &x) : answer_at_once(q, &x);
}

int smarter_extract_results(sb_req_t *q)
{
    return answer(q, SB_EXTRACT_ASSESSMENT);
}

int smarter_extract_items(sb_req_t *q)
{
    return answer(q, SB_EXTRACT_ITEMS);
}

int smarter_extract_raw(sb_req_t *q)
{
    return answer(q, SB_EXTRACT_RAW);
}

int smarter_extract_statistics(sb_req_t *q)
{
    return answer(q, SB_EXTRACT_STATISTICS);
}

int smarter_extract_completion(sb_req_t *q)
{
    return answer(q, SB_EXTRACT_COMPLETION);
}
