/**
 * Subjects and their aliases.
 */

#include "report/sb_subjects.h"

#include <string.h>
#include "core/sb_log.h"
#include "report/sb_population.h"

const char *const sb_subject_aliases[SB_SUBJECTS_MAX] = {
    "subject1",  "subject2",  "subject3",  "subject4",  "subject5",  "subject6",
    "subject7",  "subject8",  "subject9",  "subject10", "subject11", "subject12",
    "subject13", "subject14", "subject15", "subject16"};

apr_status_t sb_subjects_find(sb_subjects_t *s, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "report_subjects", 0,
        "SELECT coalesce(s.asmt_subject, d.asmt_subject), s.levels"
        "  FROM {schema}.subject s"
        "  FULL JOIN (SELECT DISTINCT asmt_subject FROM {schema}.dim_asmt WHERE rec_status = 'C') d"
        "       USING (asmt_subject)"
        " ORDER BY s.position, 1"};
    sb_rows_t *rows;
    apr_status_t rv;

    memset(s, 0, sizeof(*s));
    rv = sb_db_query(&rows, ctx->db, &st, NULL, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_count(rows) > SB_SUBJECTS_MAX) {
        sb_log(SB_LOG_WARN, SBLOGNO(2003), SB_NO_STATUS, "%d subjects, of which %d are shown",
               sb_rows_count(rows), SB_SUBJECTS_MAX);
    }
    for (; s->n < sb_rows_count(rows) && s->n < SB_SUBJECTS_MAX; s->n++) {
        s->name[s->n] = sb_rows_text(rows, s->n, 0);
        s->levels[s->n] = (int)sb_rows_int(rows, s->n, 1, SB_LEVELS_DEFAULT);
    }
    return APR_SUCCESS;
}

static int has_name(const apr_array_header_t *names, const char *name)
{
    for (int i = 0; i < names->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(names, i, const char *), name)) {
            return 1;
        }
    }
    return 0;
}

void sb_subjects_pick(sb_subjects_t *s, const sb_subjects_t *all, const apr_array_header_t *names)
{
    if (!names || names->nelts == 0) {
        *s = *all;
        return;
    }
    memset(s, 0, sizeof(*s));
    for (int i = 0; i < all->n; i++) {
        if (has_name(names, all->name[i])) {
            s->name[s->n] = all->name[i];
            s->levels[s->n++] = all->levels[i];
        }
    }
}

int sb_subjects_index(const sb_subjects_t *s, const char *name)
{
    for (int i = 0; i < s->n; i++) {
        if (!strcmp(s->name[i], name)) {
            return i;
        }
    }
    return -1;
}

void sb_subjects_json(sb_jw_t *w, const char *key, const sb_subjects_t *s)
{
    sb_jw_object(w, key);
    for (int i = 0; i < s->n; i++) {
        sb_jw_str(w, sb_subject_aliases[i], s->name[i]);
    }
    sb_jw_end(w);
}
