/**
 * What an assessment is, as a JSON file beside its results: every value a text, four blanks of indentation,
 * ASCII only. Programs of receivers compare it byte by byte, so it is written here and not by sb_jw.
 */

#include "extract/sb_extract_private.h"

#include <string.h>
#include <apr_strings.h>

#define LEVELS 5
#define CLAIMS 4
#define CLAIM_LEVELS 3

static const char columns[] =
    "asmt_guid, asmt_type, asmt_period_year, asmt_period, asmt_version, asmt_subject,"
    " effective_date, asmt_score_min, asmt_score_max,"
    " asmt_perf_lvl_name_1, asmt_perf_lvl_name_2, asmt_perf_lvl_name_3, asmt_perf_lvl_name_4,"
    " asmt_perf_lvl_name_5, asmt_cut_point_1, asmt_cut_point_2, asmt_cut_point_3, asmt_cut_point_4,"
    " asmt_claim_1_name, asmt_claim_1_score_min, asmt_claim_1_score_max,"
    " asmt_claim_2_name, asmt_claim_2_score_min, asmt_claim_2_score_max,"
    " asmt_claim_3_name, asmt_claim_3_score_min, asmt_claim_3_score_max,"
    " asmt_claim_4_name, asmt_claim_4_score_min, asmt_claim_4_score_max,"
    " asmt_claim_perf_lvl_name_1, asmt_claim_perf_lvl_name_2, asmt_claim_perf_lvl_name_3";
enum {
    GUID,
    TYPE,
    YEAR,
    PERIOD,
    VERSION,
    SUBJECT,
    EFFECTIVE,
    SCORE_MIN,
    SCORE_MAX,
    LEVEL_NAME,
    CUT_POINT = LEVEL_NAME + LEVELS,
    CLAIM = CUT_POINT + LEVELS - 1,
    CLAIM_LEVEL = CLAIM + 3 * CLAIMS
};

/* ---- JSON ------------------------------------------------------------------------------------------ */

typedef struct {
    sb_zip_t *zip;
    const sb_rows_t *rows;
    int depth, first;
    apr_pool_t *p;
} json_t;

static void put(const json_t *j, const char *text)
{
    sb_zip_write(j->zip, text, strlen(text));
}

/* One character of UTF-8; what is none is taken byte by byte. @return how many bytes */
static int code_point(unsigned *pcode, const unsigned char *c)
{
    int more = c[0] >= 0xf0 ? 3 : c[0] >= 0xe0 ? 2 : c[0] >= 0xc0 ? 1 : 0;

    *pcode = more == 3 ? c[0] & 7u : more == 2 ? c[0] & 15u : more == 1 ? c[0] & 31u : c[0];
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            *pcode = c[0];
            return 1;
        }
        *pcode = *pcode << 6 | (c[i] & 63u);
    }
    return more + 1;
}

static char short_escape(unsigned code)
{
    switch (code) {
    case '"':
    case '\\':
        return (char)code;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

static const char *escaped(const char *text, apr_pool_t *p)
{
    const unsigned char *c = (const unsigned char *)text;
    char *out = apr_palloc(p, 12 * strlen(text) + 1), *to = out;
    unsigned code;

    while (*c) {
        c += code_point(&code, c);
        if (short_escape(code)) {
            *to++ = '\\';
            *to++ = short_escape(code);
        }
        else if (code < 32 || (code > 127 && code < 0x10000)) {
            to += apr_snprintf(to, 7, "\\u%04x", code);
        }
        else if (code >= 0x10000) {
            to += apr_snprintf(to, 13, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                               0xdc00 + ((code - 0x10000) & 0x3ff));
        }
        else {
            *to++ = (char)code;
        }
    }
    *to = '\0';
    return out;
}

static void new_line(json_t *j)
{
    put(j, "\n");
    for (int i = 0; i < j->depth; i++) {
        put(j, "    ");
    }
}

static void key(json_t *j, const char *name)
{
    put(j, j->first ? "" : ",");
    new_line(j);
    put(j, apr_pstrcat(j->p, "\"", name, "\": ", NULL));
    j->first = 0;
}

static void begin(json_t *j, const char *name)
{
    if (name) {
        key(j, name);
    }
    put(j, "{");
    j->depth++;
    j->first = 1;
}

static void end(json_t *j)
{
    j->depth--;
    new_line(j);
    put(j, "}");
    j->first = 0;
}

static void member(json_t *j, const char *name, int column)
{
    const char *text = sb_rows_text(j->rows, 0, column);

    key(j, name);
    put(j, apr_pstrcat(j->p, "\"", escaped(text ? text : "", j->p), "\"", NULL));
}

/* ---- the file -------------------------------------------------------------------------------------- */

static void numbered(json_t *j, const char *what, int n)
{
    begin(j, apr_psprintf(j->p, "%s%d", what, n));
}

static void write_all(json_t *j)
{
    begin(j, NULL);
    key(j, "content");
    put(j, "\"assessment\"");
    begin(j, "Identification");
    member(j, "Guid", GUID);
    member(j, "Type", TYPE);
    member(j, "Year", YEAR);
    member(j, "Period", PERIOD);
    member(j, "Version", VERSION);
    member(j, "Subject", SUBJECT);
    member(j, "EffectiveDate", EFFECTIVE);
    end(j);
    begin(j, "Overall");
    member(j, "MinScore", SCORE_MIN);
    member(j, "MaxScore", SCORE_MAX);
    end(j);
    begin(j, "PerformanceLevels");
    for (int i = 0; i < LEVELS; i++) {
        numbered(j, "Level", i + 1);
        member(j, "Name", LEVEL_NAME + i);
        if (i > 0) {
            member(j, "CutPoint", CUT_POINT + i - 1);
        }
        end(j);
    }
    end(j);
    begin(j, "Claims");
    for (int i = 0; i < CLAIMS; i++) {
        numbered(j, "Claim", i + 1);
        member(j, "Name", CLAIM + 3 * i);
        member(j, "MinScore", CLAIM + 3 * i + 1);
        member(j, "MaxScore", CLAIM + 3 * i + 2);
        end(j);
    }
    end(j);
    begin(j, "ClaimsPerformanceLevel");
    for (int i = 0; i < CLAIM_LEVELS; i++) {
        numbered(j, "Level", i + 1);
        member(j, "Name", CLAIM_LEVEL + i);
        end(j);
    }
    end(j);
    end(j);
}

/* Without exactly one current description the file stays empty: the results are worth having without. */
apr_status_t sb_extract_metadata(sb_extract_work_t *k, const sb_extract_file_t *f)
{
    json_t j = {.zip = k->zip, .p = NULL};
    const char *args[] = {f->guid}, *name, *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    apr_pool_create(&j.p, k->p);
    sql = apr_pstrcat(j.p, "SELECT ", columns,
                      sb_sql(j.p, " FROM {s}.dim_asmt WHERE rec_status = 'C' AND asmt_guid = $1",
                             "s", k->x->schema, NULL),
                      NULL);
    rv = sb_extract_json_name(&name, k->x, f, j.p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, k->run->db, sql, 1, args, j.p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(k->zip, name);
    }
    if (rv == APR_SUCCESS && sb_rows_count(rows) == 1) {
        j.rows = rows;
        write_all(&j);
    }
    apr_pool_destroy(j.p);
    return rv;
}
