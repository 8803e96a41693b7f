#ifndef SB_VIEW_WORK_H
#define SB_VIEW_WORK_H

/** What the files sb_view*.c share; nobody else includes it. */

#include <apr_hash.h>
#include "report/sb_sheet.h"
#include "report/sb_view_csv.h"

typedef struct {
    const sb_json_t *answer;
    const sb_params_t *params;
    const sb_view_t *view;
    const char *title;  /* of the page */
    const char *types;  /* kinds of assessments */
    const char *order;  /* what the rows are ordered by */
    int chosen;         /* some rows were left out */
    sb_sheet_t *rows;   /* a line each */
    int nrows;          /* without the whole above them */
    apr_hash_t *levels; /* of a subject, by its alias -> int * */
    apr_pool_t *p;
} sb_view_work_t;

/** Text or number of a member; NULL: it has none. */
const char *sb_view_text(const sb_json_t *o, const char *name);

/** First member of the object or list of that name; NULL: there is none. */
const sb_json_t *sb_view_first(const sb_json_t *o, const char *name);

/** The year asked for, or the newest. */
int sb_view_year(const sb_view_work_t *k);

/** Item of the breadcrumb. @param type NULL: the last one. @return NULL: there is none */
const sb_json_t *sb_view_place(const sb_view_work_t *k, const char *type);

/** As pages say it: "Mathematics", "ELA/Literacy"; others have their own name. */
const char *sb_view_subject(const sb_json_t *subject);

/** "Grade 03"; "Kindergarten" */
const char *sb_view_grade(const char *grade, apr_pool_t *p);

/** Name the columns and write the rows. */
void sb_view_students(sb_view_work_t *k, sb_sheet_t *columns);

#endif
