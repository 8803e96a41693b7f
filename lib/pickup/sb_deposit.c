/* The rows of the pickup zone: see sb_deposit.h. */

#include "pickup/sb_deposit.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"
#include "core/sb_uuid.h"
#include "notify/sb_target.h"

#define UID_MAX 256
#define WORD_MAX 100 /* bytes of a role, tenant or id of a place */
#define PLACES_MAX 1000
#define PARTS_MAX 10000 /* of a request */

/* ---- what a client says ------------------------------------------------------------------------- */

static int is_text(const char *text, apr_size_t len, apr_size_t max)
{
    if (len == 0 || len > max || strlen(text) != len || !sb_utf8_is_valid(text, len)) {
        return 0;
    }
    for (; *text; text++) {
        if (apr_iscntrl(*text)) {
            return 0;
        }
    }
    return 1;
}

/* @param ptext NULL: it is not there, or null. @return 0 it is, but no good */
static int read_text(const char **ptext, const sb_json_t *object, const char *name, apr_size_t max)
{
    const sb_json_t *member = sb_json_get(object, name);

    *ptext = NULL;
    if (!member || member->type == SB_JSON_NULL) {
        return 1;
    }
    *ptext = sb_json_str(member, NULL);
    return *ptext && is_text(*ptext, member->len, max);
}

/* @param list NULL: none */
static const char *read_places(const apr_array_header_t **pplaces, const sb_json_t *list,
                               apr_pool_t *p)
{
    static const char wanted[] = "places: want a list of objects with district_id and school_id";
    apr_array_header_t *places = apr_array_make(p, 4, sizeof(sb_pickup_place_t));

    *pplaces = NULL;
    if (!list || list->type == SB_JSON_NULL) {
        return NULL;
    }
    if (list->type != SB_JSON_ARRAY || list->nchild > PLACES_MAX) {
        return wanted;
    }
    for (const sb_json_t *one = list->child; one; one = one->next) {
        sb_pickup_place_t place;

        if (one->type != SB_JSON_OBJECT ||
            !read_text(&place.district_id, one, "district_id", WORD_MAX) || !place.district_id ||
            !read_text(&place.school_id, one, "school_id", WORD_MAX)) {
            return wanted;
        }
        APR_ARRAY_PUSH(places, sb_pickup_place_t) = place;
    }
    *pplaces = places->nelts ? places : NULL;
    return NULL;
}

/* @return NULL, or what is wrong */
static const char *read_request(sb_pickup_owner_t *owner, const sb_json_t *said)
{
    apr_int64_t part = 1;

    if (!read_text(&owner->request, said, "request_id", SB_UUID_SIZE) ||
        (owner->request && !sb_uuid_is_valid(owner->request))) {
        return "request_id: want a UUID, or null";
    }
    if (sb_json_get(said, "part") &&
        (sb_json_int(&part, sb_json_get(said, "part")) != APR_SUCCESS || part < 1 ||
         part > PARTS_MAX)) {
        return "part: want a number from 1 on";
    }
    owner->part = (int)part;
    return NULL;
}

const char *sb_deposit_read_finish(const char **prequest, const char **poutcome,
                                   const sb_json_t *said)
{
    sb_pickup_owner_t owner;

    *poutcome = said->type == SB_JSON_OBJECT ? sb_json_str(sb_json_get(said, "outcome"), "") : "";
    *prequest = NULL;
    if (said->type != SB_JSON_OBJECT || read_request(&owner, said) || !owner.request) {
        return "request_id: want a UUID";
    }
    *prequest = owner.request;
    return strcmp(*poutcome, "ready") && strcmp(*poutcome, "failed") && strcmp(*poutcome, "void")
               ? "outcome: want ready, failed or void"
               : NULL;
}

const char *sb_deposit_read(sb_pickup_owner_t *owner, const sb_json_t *said, apr_pool_t *p)
{
    const char *why;

    memset(owner, 0, sizeof(*owner));
    if (said->type != SB_JSON_OBJECT) {
        return "want a JSON object";
    }
    if (!read_text(&owner->uid, said, "uid", UID_MAX) || !owner->uid) {
        return "uid: want a text of 1 to 256 bytes";
    }
    if (!read_text(&owner->email, said, "email", UID_MAX)) {
        return "email: want a text of 1 to 256 bytes, or null";
    }
    if (owner->email && sb_target_mailbox(owner->email, NULL)) {
        owner->email = NULL; /* no reason to refuse a file: the owner is just not told by mail */
    }
    if (!read_text(&owner->role, said, "role", WORD_MAX) ||
        !read_text(&owner->tenant, said, "tenant", WORD_MAX) ||
        !read_text(&owner->state_code, said, "state_code", WORD_MAX)) {
        return "role, tenant, state_code: want texts of 1 to 100 bytes";
    }
    if (owner->role && (!owner->tenant || !owner->state_code)) {
        return "a role needs a tenant and a state_code";
    }
    why = read_request(owner, said);
    return why ? why : read_places(&owner->places, sb_json_get(said, "places"), p);
}

/* ---- rows --------------------------------------------------------------------------------------- */

static const sb_stmt_t add_row = {
    .name = "hpz_add",
    .nargs = 9,
    .sql = "INSERT INTO {schema}.file_registry"
           " (registration_id, user_id, email, role, tenant, state_code, places, request_id, part)"
           " VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::uuid, $9::int)"};
/* The places may be many: they are read for the owner alone, or others could tell a foreign id from an unknown one
 * by the time it takes. */
static const sb_stmt_t find_row = {
    .name = "hpz_find",
    .nargs = 2,
    .sql =
        "SELECT user_id, email, role, tenant, state_code, CASE WHEN user_id = $2 THEN places END,"
        " file_name, sha256, size, extract(epoch FROM now() - create_dt)::bigint"
        " FROM {schema}.file_registry WHERE registration_id = $1"};
static const sb_stmt_t lock_row = {.name = "hpz_lock",
                                   .nargs = 1,
                                   .sql = "SELECT sha256, size,"
                                          " CASE WHEN request_id IS NULL THEN email END"
                                          " FROM {schema}.file_registry "
                                          "WHERE registration_id = $1 FOR UPDATE"};
static const sb_stmt_t fill_row = {.name = "hpz_fill",
                                   .nargs = 5,
                                   .sql = "UPDATE {schema}.file_registry SET file_path = $2, "
                                          "file_name = $3, size = $4::bigint, sha256 = $5,"
                                          " create_dt = now() WHERE registration_id = $1"};
static const sb_stmt_t remove_row = {
    .name = "hpz_remove",
    .nargs = 1,
    .sql = "DELETE FROM {schema}.file_registry WHERE registration_id = $1"};
static const sb_stmt_t add_mail = {
    .name = "hpz_mail",
    .nargs = 1,
    .sql = "INSERT INTO {schema}.ready_mail (registration_id) VALUES ($1) ON CONFLICT DO NOTHING"};

/* Another outcome is told, the same one is not told again. */
static const sb_stmt_t add_outcome = {
    .name = "hpz_outcome",
    .nargs = 2,
    .sql = "INSERT INTO {schema}.ready_mail AS m (registration_id, outcome)"
           " SELECT registration_id, $2 FROM {schema}.file_registry"
           " WHERE request_id = $1::uuid AND email IS NOT NULL ORDER BY part LIMIT 1"
           " ON CONFLICT (registration_id) DO UPDATE SET outcome = EXCLUDED.outcome,"
           " turn = m.turn + 1, state = 'pending', attempts = 0, error = NULL, at = now(), next_at "
           "= now()"
           " WHERE m.outcome <> EXCLUDED.outcome"};

static const sb_stmt_t forget_announced = {
    .name = "hpz_forget_announced",
    .nargs = 1,
    .sql = "DELETE FROM {schema}.file_registry WHERE request_id = $1::uuid AND file_path IS NULL"};

static const char *places_json(const apr_array_header_t *places, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    if (!places) {
        return NULL;
    }
    sb_jw_array(w, NULL);
    for (int i = 0; i < places->nelts; i++) {
        const sb_pickup_place_t *place = &APR_ARRAY_IDX(places, i, sb_pickup_place_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "district_id", place->district_id);
        sb_jw_str(w, "school_id", place->school_id);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

apr_status_t sb_deposit_add(const char **pid, sb_db_t *db, const sb_pickup_owner_t *owner,
                            apr_pool_t *p)
{
    char *id = apr_palloc(p, SB_UUID_SIZE);
    const char *args[] = {id,
                          owner->uid,
                          owner->email,
                          owner->role,
                          owner->tenant,
                          owner->state_code,
                          places_json(owner->places, p),
                          owner->request,
                          apr_itoa(p, owner->part)};

    *pid = NULL;
    if (!sb_uuid_make(id)) {
        return APR_EGENERAL;
    }
    *pid = id;
    return sb_db_exec(NULL, db, &add_row, args);
}

/* @return SB_EDB what was written by sb_deposit_add() cannot be read */
static apr_status_t places_from_row(const apr_array_header_t **pplaces, const char *text,
                                    apr_pool_t *p)
{
    sb_json_t *list;

    *pplaces = NULL;
    if (!text) {
        return APR_SUCCESS;
    }
    if (sb_json_parse(&list, NULL, text, strlen(text), NULL, p) != APR_SUCCESS ||
        read_places(pplaces, list, p)) {
        return SB_EDB;
    }
    return APR_SUCCESS;
}

apr_status_t sb_deposit_find(sb_deposit_t **pd, sb_db_t *db, const char *id, const char *uid,
                             apr_pool_t *p)
{
    const char *args[] = {id, uid};
    sb_deposit_t *d;
    sb_rows_t *rows;
    apr_status_t rv;

    *pd = NULL;
    if (!sb_uuid_is_valid(id)) {
        return APR_NOTFOUND;
    }
    rv = sb_db_query(&rows, db, &find_row, args, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_count(rows) == 0) {
        return APR_NOTFOUND;
    }
    d = apr_pcalloc(p, sizeof(*d));
    d->id = id;
    d->owner.uid = sb_rows_text(rows, 0, 0);
    d->owner.email = sb_rows_text(rows, 0, 1);
    d->owner.role = sb_rows_text(rows, 0, 2);
    d->owner.tenant = sb_rows_text(rows, 0, 3);
    d->owner.state_code = sb_rows_text(rows, 0, 4);
    d->name = sb_rows_text(rows, 0, 6);
    d->sha256 = sb_rows_text(rows, 0, 7);
    d->size = sb_rows_int(rows, 0, 8, 0);
    d->age = sb_rows_int(rows, 0, 9, 0);
    rv = places_from_row(&d->owner.places, sb_rows_text(rows, 0, 5), p);
    if (rv == APR_SUCCESS) {
        *pd = d;
    }
    return rv;
}

/* The file first: a row without one is no harm, and goes by itself. */
static apr_status_t remove_locked(sb_db_t *db, const char *id, const sb_depot_t *depot,
                                  apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, db, &lock_row, &id, p);

    if (rv == APR_SUCCESS && sb_rows_count(rows) == 0) {
        return APR_NOTFOUND;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_depot_remove(depot, id);
    }
    return rv == APR_SUCCESS ? sb_db_exec(NULL, db, &remove_row, &id) : rv;
}

apr_status_t sb_deposit_remove(sb_db_t *db, const char *id, const sb_depot_t *depot, apr_pool_t *p)
{
    apr_status_t rv;

    if (!sb_uuid_is_valid(id)) {
        return APR_NOTFOUND;
    }
    rv = sb_db_begin(db, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = remove_locked(db, id, depot, p);
    }
    return sb_db_end(db, rv);
}

/* ---- who may have it ---------------------------------------------------------------------------- */

/* Does a grant reach the whole of a place? A NULL place of a grant means all below. */
static int reaches(const sb_grant_t *g, const sb_pickup_owner_t *o, const sb_pickup_place_t *place)
{
    if (strcmp(g->role, o->role) || (g->tenant && strcmp(g->tenant, o->tenant)) ||
        (g->state_code && strcmp(g->state_code, o->state_code))) {
        return 0;
    }
    if (!place) {
        return !g->district_id && !g->school_id;
    }
    if (g->district_id && strcmp(g->district_id, place->district_id)) {
        return 0;
    }
    return !g->school_id || (place->school_id && !strcmp(g->school_id, place->school_id));
}

static int holds(const sb_identity_t *id, const sb_pickup_owner_t *o,
                 const sb_pickup_place_t *place)
{
    for (int i = 0; i < id->grants->nelts; i++) {
        if (reaches(&APR_ARRAY_IDX(id->grants, i, sb_grant_t), o, place)) {
            return 1;
        }
    }
    return 0;
}

int sb_deposit_is_for(const char **pwhy, const sb_deposit_t *d, const sb_identity_t *id)
{
    const sb_pickup_owner_t *o = &d->owner;
    const char *why = NULL;

    if (!id->uid || strcmp(id->uid, o->uid)) {
        why = "which is somebody else's";
    }
    else if (o->role && !o->places && !holds(id, o, NULL)) {
        why = "without the right it was made under";
    }
    else if (o->role && o->places) {
        for (int i = 0; !why && i < o->places->nelts; i++) {
            if (!holds(id, o, &APR_ARRAY_IDX(o->places, i, sb_pickup_place_t))) {
                why = "without the right it was made under";
            }
        }
    }
    if (pwhy) {
        *pwhy = why;
    }
    return !why;
}

/* ---- a file has arrived ------------------------------------------------------------------------- */

/* Inside a transaction that holds the row. The file gets its name before the row says so: should we die in
 * between, the next upload replaces it. */
static apr_status_t fill(sb_db_t *db, const char *id, const char *name, sb_arrival_t *a,
                         const sb_depot_t *depot, int with_mail, apr_pool_t *p)
{
    const char *args[] = {id, apr_pstrcat(p, sb_depot_path(depot), "/", id, NULL), name,
                          apr_psprintf(p, "%" APR_INT64_T_FMT, sb_arrival_size(a)),
                          sb_arrival_sha256(a)};
    apr_status_t rv = sb_arrival_keep(a);

    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, db, &fill_row, args);
    }
    if (rv == APR_SUCCESS && with_mail) {
        rv = sb_db_exec(NULL, db, &add_mail, &id);
    }
    return rv;
}

apr_status_t sb_deposit_receive(sb_db_t *db, const char *id, const char *name, sb_arrival_t *a,
                                const sb_depot_t *depot, int with_mail, apr_pool_t *p)
{
    apr_file_t *there;
    const char *sha256;
    sb_rows_t *rows;
    apr_status_t rv = sb_db_begin(db, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, db, &lock_row, &id, p);
    }
    if (rv == APR_SUCCESS && sb_rows_count(rows) == 0) {
        rv = APR_NOTFOUND;
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(db);
        return rv;
    }
    sha256 = sb_rows_text(rows, 0, 0);
    if (sha256 && strcmp(sha256, sb_arrival_sha256(a))) {
        rv = SB_ECONFLICT;
    }
    else if (!sha256 || sb_depot_fetch(&there, depot, id, sb_arrival_size(a), p) != APR_SUCCESS) {
        rv = fill(db, id, name, a, depot, with_mail && sb_rows_text(rows, 0, 2), p);
    }
    return sb_db_end(db, rv);
}

apr_status_t sb_deposit_finish(sb_db_t *db, const char *request, const char *outcome, int with_mail)
{
    const char *args[] = {request, outcome};

    if (!strcmp(outcome, "void")) {
        return sb_db_exec(NULL, db, &forget_announced, args);
    }
    return with_mail ? sb_db_exec(NULL, db, &add_outcome, args) : APR_SUCCESS;
}
