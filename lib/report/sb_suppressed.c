/**
 * Hidden bars: asking what was kept, working out what was not, keeping it.
 */

#include "report/sb_suppressed.h"

#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "report/sb_filter.h"
#include "report/sb_suppressed_refresh.h"

#define RECORD 10 /* bytes: sql/prod, table report_hidden */
#define THE_PLACE 255

typedef struct {
    int subject, grade; /* grade -1: the place itself */
    apr_uint32_t cells, grades;
} mark_t;

struct sb_suppressed_t {
    apr_pool_t *p;
    apr_hash_t *places; /* "district\nschool" -> array of mark_t */
};

/* ---- marks ----------------------------------------------------------------------------------- */

static const char *place_key(const char *district_id, const char *school_id, apr_pool_t *p)
{
    return apr_pstrcat(p, district_id ? district_id : "", "\n", school_id ? school_id : "", NULL);
}

static void add_mark(sb_suppressed_t *h, const char *key, const mark_t *mark)
{
    apr_array_header_t *marks = apr_hash_get(h->places, key, APR_HASH_KEY_STRING);

    if (!marks) {
        marks = apr_array_make(h->p, 4, sizeof(mark_t));
        apr_hash_set(h->places, key, APR_HASH_KEY_STRING, marks);
    }
    APR_ARRAY_PUSH(marks, mark_t) = *mark;
}

static const mark_t *mark_of(const sb_suppressed_t *h, const char *district_id,
                             const char *school_id, int grade, int subject)
{
    char buf[128];
    const apr_array_header_t *marks;

    apr_snprintf(buf, sizeof(buf), "%s\n%s", district_id ? district_id : "",
                 school_id ? school_id : "");
    marks = apr_hash_get(h->places, buf, APR_HASH_KEY_STRING);
    for (int i = 0; marks && i < marks->nelts; i++) {
        const mark_t *m = &APR_ARRAY_IDX(marks, i, mark_t);

        if (m->subject == subject && m->grade == grade) {
            return m;
        }
    }
    return NULL;
}

apr_uint32_t sb_suppressed_cells(const sb_suppressed_t *h, const char *district_id,
                                 const char *school_id, int grade, int subject)
{
    const mark_t *m = mark_of(h, district_id, school_id, grade, subject);

    return m ? m->cells : 0;
}

apr_uint32_t sb_suppressed_grades(const sb_suppressed_t *h, const char *district_id,
                                  const char *school_id, int subject)
{
    const mark_t *m = mark_of(h, district_id, school_id, -1, subject);

    return m ? m->grades : 0;
}

int sb_suppressed_bar(const sb_suppressed_t *h, const char *district_id, const char *school_id,
                      int grade, int subject, const sb_pack_filter_t *f)
{
    const mark_t *m = mark_of(h, district_id, school_id, grade, subject);

    /* Several values of a filter together are shown if each of them is: then they tell nothing new. */
    return m && (m->cells & (f->cells | 1U << SB_CELL_ALL) ||
                 (grade < 0 && f->by_grade && m->grades & f->grades));
}

void sb_suppressed_not_stated(sb_not_stated_t *n, const sb_suppressed_t *h,
                              const sb_pack_codes_t *codes, const char *district_id,
                              const char *school_id)
{
    apr_uint32_t cells = 0;
    struct {
        apr_int64_t *count;
        int cell;
    } all[] = {{&n->total, SB_CELL_ALL},           {&n->dmg_prg_lep, SB_CELL_LEP + 2},
               {&n->dmg_prg_iep, SB_CELL_IEP + 2}, {&n->dmg_prg_504, SB_CELL_504 + 2},
               {&n->dmg_sts_mig, SB_CELL_MIG + 2}, {&n->sex, SB_CELL_SEX + 2},
               {&n->ethnicity, SB_CELL_ETHNICITY}};

    for (int s = 0; s < SB_PACK_SUBJECTS; s++) { /* subjects together: each of them counts */
        cells |= codes->subject[s] ? sb_suppressed_cells(h, district_id, school_id, -1, s) : 0;
    }
    for (apr_size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (*all[i].count && (cells & (1U << all[i].cell | 1U << SB_CELL_ALL))) {
            *all[i].count = -1;
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static apr_uint32_t number_at(const unsigned char *bytes)
{
    return (apr_uint32_t)bytes[0] << 24 | (apr_uint32_t)bytes[1] << 16 |
           (apr_uint32_t)bytes[2] << 8 | bytes[3];
}

static void read_marks(sb_suppressed_t *h, const char *key, const unsigned char *bytes,
                       apr_size_t len)
{
    for (; len >= RECORD; bytes += RECORD, len -= RECORD) {
        mark_t m = {.subject = bytes[0],
                    .grade = bytes[1] == THE_PLACE ? -1 : bytes[1],
                    .cells = number_at(bytes + 2),
                    .grades = number_at(bytes + 6)};

        add_mark(h, key, &m);
    }
}

/* A place is marked on its own page and on that of its parent: once is enough. */
static void read_row(sb_suppressed_t *h, const sb_rows_t *rows, int i)
{
    const char *district = sb_rows_text(rows, i, 0), *school = sb_rows_text(rows, i, 1);
    const char *child = sb_rows_text(rows, i, 2), *key;
    apr_size_t len;
    const unsigned char *bytes = sb_rows_bytes(rows, i, 3, &len);

    if (*child && *district) {
        school = child;
    }
    else if (*child) {
        district = child;
    }
    key = place_key(district, school, h->p);
    if (!*child) { /* its own page says more of a school */
        apr_hash_set(h->places, key, APR_HASH_KEY_STRING, NULL);
    }
    else if (apr_hash_get(h->places, key, APR_HASH_KEY_STRING)) {
        return;
    }
    read_marks(h, key, bytes, len);
}

static apr_status_t read_kept(int *pmade, sb_suppressed_t *h, const sb_report_ctx_t *ctx, int year,
                              const char *district_id, const char *school_id,
                              sb_suppressed_depth_t depth)
{
    const char *args[] = {apr_itoa(h->p, year), sb_scope_state(ctx->scope),
                          district_id ? district_id : "", school_id ? school_id : ""};
    const char *where = depth == SB_SUPPRESSED_PAGE || school_id
                            ? "district_id = $3 AND school_id = $4"
                        : district_id ? "district_id = $3 AND $4::text IS NOT NULL"
                                      : "$3::text IS NOT NULL AND $4::text IS NOT NULL";
    const char *sql = apr_psprintf(
        h->p,
        "SELECT NULL::text, NULL::text, NULL::text, NULL::bytea FROM {schema}.report_hidden_made"
        " WHERE asmt_year = $1::smallint AND state_code = $2"
        " UNION ALL SELECT district_id, school_id, child_id, marks FROM {schema}.report_hidden"
        " WHERE asmt_year = $1::smallint AND state_code = $2 AND %s",
        where);
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query_binary(
        &rows, ctx->db, sb_sql(h->p, sql, "schema", ctx->schema, NULL), 4, args, h->p);

    *pmade = 0;
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        if (sb_rows_text(rows, i, 0)) {
            read_row(h, rows, i);
        }
        else {
            *pmade = 1;
        }
    }
    return rv;
}

/* ---- working out ----------------------------------------------------------------------------- */

/* One place of the tree, for every subject the same. */
typedef struct {
    const char *district_id, *school_id;
    int number; /* in the trees */
    int parent; /* in the list */
} place_t;

typedef struct {
    apr_pool_t *p;
    const sb_metadata_t *m;
    const sb_pack_codes_t *codes;
    sb_rows_t *rows;            /* district, school, words, gone; by place */
    apr_array_header_t *places; /* place_t; the state first */
    int *place_of;              /* of a row */
} work_t;

static apr_status_t find_packs(work_t *k, const sb_report_ctx_t *ctx, int year)
{
    const char *args[] = {apr_itoa(k->p, year), sb_scope_state(ctx->scope)};

    return sb_db_query_binary(&k->rows, ctx->db,
                              sb_sql(k->p,
                                     "SELECT h.district_id, h.school_id, p.words, p.gone"
                                     "  FROM {schema}.report_pack p"
                                     "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                                     " WHERE p.asmt_year = $1::smallint AND h.state_code = $2"
                                     " ORDER BY 1, 2, p.inst_hier_rec_id",
                                     "schema", ctx->schema, NULL),
                              2, args, k->p);
}

static void add_place(work_t *k, const char *district_id, const char *school_id, int parent)
{
    place_t *place = apr_array_push(k->places);

    place->district_id = district_id;
    place->school_id = school_id;
    place->number = k->places->nelts - 1; /* trees are filled in the order of the list */
    place->parent = parent;
}

static void list_places(work_t *k)
{
    const char *district = NULL, *school = NULL;
    int at = 0;

    k->places = apr_array_make(k->p, 64, sizeof(place_t));
    k->place_of = apr_palloc(k->p, ((apr_size_t)sb_rows_count(k->rows) + 1) * sizeof(int));
    add_place(k, NULL, NULL, -1);
    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        const char *d = sb_rows_text(k->rows, i, 0), *s = sb_rows_text(k->rows, i, 1);

        if (!district || strcmp(district, d)) {
            add_place(k, d, NULL, SB_PRIVACY_STATE);
            at = k->places->nelts - 1;
            district = d;
            school = NULL;
        }
        if (!school || strcmp(school, s)) {
            add_place(k, d, s, at);
            school = s;
        }
        k->place_of[i] = k->places->nelts - 1;
    }
}

static apr_uint32_t askable_grades(const sb_pack_codes_t *codes)
{
    apr_uint32_t bits = 0;

    for (int i = 0; sb_filter_grade[i]; i++) {
        int code = sb_pack_grade(codes, sb_filter_grade[i]);

        bits |= code >= 0 ? 1U << code : 0;
    }
    return bits;
}

static sb_privacy_t *make_tree(const work_t *k, int subject, int levels, apr_pool_t *p)
{
    sb_privacy_t *t = sb_privacy_make(k->m->min_cell, askable_grades(k->codes), p);
    apr_uint32_t lower = (2U << levels / 2) - 1; /* levels up to that one */

    for (int i = 1; i < k->places->nelts; i++) {
        const place_t *place = &APR_ARRAY_IDX(k->places, i, place_t);

        (void)(place->school_id ? sb_privacy_school(t, place->parent) : sb_privacy_district(t));
    }
    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        apr_size_t len, gone_len;
        const void *words = sb_rows_bytes(k->rows, i, 2, &len);
        const void *gone = sb_rows_bytes(k->rows, i, 3, &gone_len);

        sb_pack_cells(t, k->place_of[i], subject, lower, words, len, 1);
        sb_pack_cells(t, k->place_of[i], subject, lower, gone, gone_len, -1);
    }
    return t;
}

static void note(sb_suppressed_t *h, const work_t *k, const sb_privacy_t *t, int subject)
{
    for (int i = 0; i < k->places->nelts; i++) {
        const place_t *place = &APR_ARRAY_IDX(k->places, i, place_t);
        const char *key = place_key(place->district_id, place->school_id, h->p);
        mark_t m = {.subject = subject,
                    .grade = -1,
                    .cells = sb_privacy_hidden(t, i),
                    .grades = sb_privacy_hidden_grades(t, i)};

        if (m.cells || m.grades) {
            add_mark(h, key, &m);
        }
        for (int g = 0; g < SB_PRIVACY_GRADES && place->school_id; g++) {
            m.grade = g;
            m.grades = 0;
            m.cells = sb_privacy_hidden_grade(t, i, g);
            if (m.cells) {
                add_mark(h, key, &m);
            }
        }
    }
}

static apr_status_t work_out(sb_suppressed_t *h, work_t *k, const sb_report_ctx_t *ctx, int year)
{
    double start = sb_time_monotonic();
    apr_status_t rv = find_packs(k, ctx, year);
    apr_pool_t *p;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    list_places(k);
    apr_pool_create(&p, k->p);
    for (int s = 0; s < k->m->subjects.n; s++) {
        int subject = sb_pack_subject(k->codes, k->m->subjects.name[s]);

        if (subject >= 0) {
            sb_privacy_t *t = make_tree(k, subject, k->m->subjects.levels[s], p);

            sb_privacy_solve(t);
            note(h, k, t, subject);
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    sb_log(SB_LOG_INFO, SBLOGNO(2040), SB_NO_STATUS,
           "hidden bars of %s in %d: %d places in %.0f ms", sb_scope_state(ctx->scope), year,
           k->places->nelts, 1000 * (sb_time_monotonic() - start));
    return APR_SUCCESS;
}

static sb_suppressed_t *make_hidden(apr_pool_t *p)
{
    sb_suppressed_t *h = apr_pcalloc(p, sizeof(*h));

    h->p = p;
    h->places = apr_hash_make(p);
    return h;
}

apr_status_t sb_suppressed_find(const sb_suppressed_t **ph, const sb_report_ctx_t *ctx,
                                const sb_metadata_t *m, const sb_pack_codes_t *codes, int year,
                                const char *district_id, const char *school_id,
                                sb_suppressed_depth_t depth, apr_pool_t *p)
{
    sb_suppressed_t *h = make_hidden(p);
    work_t k = {.p = p, .m = m, .codes = codes};
    int made;
    apr_status_t rv = read_kept(&made, h, ctx, year, district_id, school_id, depth);

    if (rv == APR_SUCCESS && !made) {
        h = make_hidden(p); /* what is there is of old results */
        rv = work_out(h, &k, ctx, year);
    }
    *ph = h;
    return rv;
}

/* ---- keeping --------------------------------------------------------------------------------- */

static void put_number(unsigned char *bytes, apr_uint32_t n)
{
    bytes[0] = (unsigned char)(n >> 24);
    bytes[1] = (unsigned char)(n >> 16);
    bytes[2] = (unsigned char)(n >> 8);
    bytes[3] = (unsigned char)n;
}

/* @param all of a school its grades too */
static void put_row(sb_copy_t *c, const char *state, int year, const char *const page[3],
                    const apr_array_header_t *marks, int all, apr_pool_t *p)
{
    unsigned char *bytes = apr_palloc(p, (apr_size_t)marks->nelts * RECORD);
    apr_size_t len = 0;

    for (int i = 0; i < marks->nelts; i++) {
        const mark_t *m = &APR_ARRAY_IDX(marks, i, mark_t);

        if (m->grade >= 0 && !all) {
            continue;
        }
        bytes[len] = (unsigned char)m->subject;
        bytes[len + 1] = (unsigned char)(m->grade < 0 ? THE_PLACE : m->grade);
        put_number(bytes + len + 2, m->cells);
        put_number(bytes + len + 6, m->grades);
        len += RECORD;
    }
    if (len && sb_copy_row(c) == APR_SUCCESS) {
        sb_copy_int2(c, year);
        sb_copy_text(c, state, strlen(state));
        for (int i = 0; i < 3; i++) {
            sb_copy_text(c, page[i] ? page[i] : "", page[i] ? strlen(page[i]) : 0);
        }
        sb_copy_text(c, (const char *)bytes, len);
    }
}

static void put_place(sb_copy_t *c, const char *state, int year, const place_t *place,
                      const apr_array_header_t *marks, apr_pool_t *p)
{
    const char *own[] = {place->district_id, place->school_id, NULL};
    const char *above[] = {place->school_id ? place->district_id : NULL, NULL,
                           place->school_id ? place->school_id : place->district_id};

    put_row(c, state, year, own, marks, 1, p);
    if (place->district_id) {
        put_row(c, state, year, above, marks, 0, p);
    }
}

static apr_status_t keep(const sb_suppressed_t *h, const work_t *k, const sb_report_ctx_t *ctx,
                         int year)
{
    const char *args[] = {apr_itoa(k->p, year), sb_scope_state(ctx->scope)};
    const char *gone = sb_sql(k->p,
                              "DELETE FROM {schema}.report_hidden"
                              " WHERE asmt_year = $1::smallint AND state_code = $2",
                              "schema", ctx->schema, NULL);
    const char *made = sb_sql(k->p,
                              "INSERT INTO {schema}.report_hidden_made VALUES ($1::smallint, $2)"
                              " ON CONFLICT DO NOTHING",
                              "schema", ctx->schema, NULL);
    const char *copy = sb_sql(k->p,
                              "COPY {schema}.report_hidden (asmt_year, state_code, district_id,"
                              " school_id, child_id, marks) FROM STDIN (FORMAT binary)",
                              "schema", ctx->schema, NULL);
    sb_copy_t *c;
    apr_status_t rv = sb_db_exec_text(NULL, ctx->db, gone, 2, args);

    if (rv == APR_SUCCESS) {
        rv = sb_copy_begin(&c, ctx->db, copy, 6, k->p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0; i < k->places->nelts; i++) {
        const place_t *place = &APR_ARRAY_IDX(k->places, i, place_t);
        const apr_array_header_t *marks = apr_hash_get(
            h->places, place_key(place->district_id, place->school_id, k->p), APR_HASH_KEY_STRING);

        if (marks) {
            put_place(c, args[1], year, place, marks, k->p);
        }
    }
    rv = sb_copy_finish(c, NULL);
    return rv == APR_SUCCESS ? sb_db_exec_text(NULL, ctx->db, made, 2, args) : rv;
}

/* One year, inside a transaction with the lock. */
static apr_status_t refresh(sb_db_t *db, const char *tenant, const char *schema, const char *state,
                            int year, apr_pool_t *p)
{
    const sb_scope_t *scope = sb_scope_system(tenant, state, "hiding small groups", p);
    sb_report_ctx_t ctx = {.scope = scope, .aggregates = scope, .schema = schema, .db = db};
    sb_suppressed_t *h = make_hidden(p);
    sb_pack_codes_t codes;
    sb_metadata_t m;
    work_t k = {.p = p, .m = &m, .codes = &codes};
    int usable = 0;
    apr_status_t rv = sb_pack_open(&codes, &usable, &ctx, year, p);

    if (rv == APR_SUCCESS) {
        rv = sb_metadata_find(&m, &ctx, p);
    }
    if (rv == APR_SUCCESS && usable) {
        rv = work_out(h, &k, &ctx, year);
        rv = rv == APR_SUCCESS ? keep(h, &k, &ctx, year) : rv;
    }
    return rv;
}

apr_status_t sb_suppressed_refresh(int *pyears, sb_db_t *db, const char *tenant, const char *schema,
                                   apr_pool_t *parent)
{
    static const char missing[] =
        "SELECT DISTINCT y.asmt_year, h.state_code"
        "  FROM (SELECT DISTINCT asmt_year FROM {schema}.report_pack) y"
        " CROSS JOIN (SELECT DISTINCT state_code FROM {schema}.dim_inst_hier) h"
        " WHERE NOT EXISTS (SELECT FROM {schema}.report_hidden_made m"
        "       WHERE m.asmt_year = y.asmt_year AND m.state_code = h.state_code)"
        "   AND NOT EXISTS (SELECT FROM {schema}.report_pack_stale s WHERE s.asmt_year = "
        "y.asmt_year)"
        " ORDER BY 1 DESC, 2";
    apr_pool_t *p, *pyear;
    sb_rows_t *rows;
    apr_status_t rv;
    int n = 0;

    apr_pool_create(&p, parent);
    apr_pool_create(&pyear, p);
    rv = sb_db_query_text(&rows, db, sb_sql(p, missing, "schema", schema, NULL), 0, NULL, p);
    while (rv == APR_SUCCESS && n < sb_rows_count(rows)) {
        apr_pool_clear(pyear);
        rv = sb_db_begin(db, SB_TX_WRITE);
        if (rv == APR_SUCCESS) {
            /* whoever outdates a year takes this lock too: nobody marks as true what has just changed */
            rv = sb_db_exec_text(NULL, db,
                                 sb_sql(pyear,
                                        "LOCK TABLE {schema}.report_hidden_made IN SHARE ROW"
                                        " EXCLUSIVE MODE",
                                        "schema", schema, NULL),
                                 0, NULL);
        }
        if (rv == APR_SUCCESS) {
            rv = refresh(db, tenant, schema, sb_rows_text(rows, n, 1),
                         (int)sb_rows_int(rows, n, 0, 0), pyear);
        }
        rv = sb_db_end(db, rv);
        n += rv == APR_SUCCESS;
    }
    if (pyears) {
        *pyears = n;
    }
    apr_pool_destroy(p);
    return rv;
}
