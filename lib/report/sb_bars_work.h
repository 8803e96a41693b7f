#ifndef SB_BARS_WORK_H
#define SB_BARS_WORK_H

/** What sb_bars.c (reading and counting) and sb_bars_judge.c (what is hidden) share; nobody else includes it. */

#include <apr_hash.h>
#include "report/sb_bars.h"
#include "report/sb_pack.h"
#include "report/sb_suppressed.h"

typedef enum { STATE_PAGE, DISTRICT_PAGE, SCHOOL_PAGE } sb_bars_page_t;

/* Counts of one group and subject, by level and by how they stand to the filters. */
typedef struct {
    apr_uint32_t n[SB_PACK_LEVELS][SB_CLASSES];
} sb_bars_counts_t;

/* Hidden parts of a sum, under several filters. */
typedef struct {
    int count;
    apr_int64_t total, lower;
} sb_bars_below_t;

/* Where results belong. */
typedef struct {
    const char *district_id, *district_name, *school_id, *school_name;
    int current; /* the name in force */
} sb_bars_home_t;

typedef struct {
    const sb_report_ctx_t *ctx;
    const sb_metadata_t *m;
    apr_pool_t *p;
    sb_bars_t *bars;
    apr_hash_t *by_id;
    sb_bars_page_t page;
    int year;
    const char *district_id, *school_id;
    sb_pack_codes_t codes;
    sb_pack_filter_t filter;
    int codes_usable;
    int filtered;
    int several;                   /* filters are judged from below */
    const sb_suppressed_t *hidden; /* NULL: nothing is known; everything is judged from below */
    sb_pack_tally_t tally;         /* of the group being read */
    sb_pack_values_t *values;
    sb_pack_sums_t *sums;          /* likewise; NULL: nobody asked for averages */
    int subject[SB_SUBJECTS_MAX];  /* code of a subject by number; -1 none */
    sb_bars_below_t *hidden_below; /* of a subject: of the district being read */
    sb_bars_below_t *hidden_sum;   /* of the page */
} sb_bars_work_t;

/** The row of a place, made if there is none yet. */
sb_bars_row_t *sb_bars_row_of(sb_bars_work_t *k, const char *id, const char *name);

/* ---- sb_bars_judge.c --------------------------------------------------------------------------- */

/** Counts of one grade of the group being read. */
void sb_bars_grade_counts(sb_bars_counts_t *to, const sb_bars_work_t *k, int s, int grade);
int sb_bars_anybody(const sb_bars_counts_t *c);

/** Judge the school that was read, and add it to its district. */
void sb_bars_add_school(sb_bars_work_t *k, const sb_bars_home_t *home, sb_bars_counts_t *district);
/** Judge a district all schools of which were read, and add it to the state; it is empty afterwards. */
void sb_bars_end_district(sb_bars_work_t *k, const sb_bars_home_t *home, sb_bars_counts_t *district,
                          sb_bars_counts_t *state);
/** Judge the whole. */
void sb_bars_end_state(sb_bars_work_t *k, sb_bars_counts_t *state);

/** Without a filter and under one: what was decided for the state. @param grade number of it; -1 all */
void sb_bars_hide_row(const sb_bars_work_t *k, sb_bars_row_t *row, const sb_bars_home_t *home,
                      int grade);
void sb_bars_note_seen(sb_bars_row_t *row, int nsubjects);

#endif
