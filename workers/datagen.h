#ifndef DATAGEN_H
#define DATAGEN_H

/**
 * An invented state: districts, schools, students who grow up from grade to grade, and their results.
 * Everything is a pure function of the seed and of who is asked about, so that any row can be made
 * without the others: nothing is kept but the tables of districts and schools.
 *
 * Students are known by cohort (academic year minus grade) and their number in it. Grades 03-08 and
 * 11 are tested; year by year a student is found one grade higher.
 */

#include <stdint.h>

#include <apr_pools.h>
#include <apr_tables.h>

#include "core/sb_status.h"

#define DG_NGRADES 7
#define DG_NSUBJECTS 3
#define DG_NBLOCKS 5 /* interim blocks a subject can have */
#define DG_LEVELS_MAX 6
#define DG_NFLAGS 12 /* columns 14 to 25: seven of ethnicity, five of programs */
#define DG_NCLAIMS 4
#define DG_NACCOMMODATIONS 15
#define DG_MIN_SCORE 1200
#define DG_MAX_SCORE 2400

typedef enum { DG_MATH, DG_ELA, DG_SCIENCE } dg_subject_t;
typedef enum { DG_SUMMATIVE, DG_INTERIM, DG_BLOCKS } dg_kind_t;
typedef enum { DG_NO, DG_YES, DG_UNKNOWN } dg_flag_t;

/* Order of columns 14 to 25. */
enum {
    DG_HSP,
    DG_AMI,
    DG_ASN,
    DG_BLK,
    DG_PCF,
    DG_WHT,
    DG_2OM,
    DG_IEP,
    DG_LEP,
    DG_504,
    DG_ECD,
    DG_MIG
};

/* ---- random numbers, by hashing -------------------------------------------------------------- */

typedef struct {
    uint64_t state;
} dg_rng_t;

/** A stream of its own for each (what, a, b). */
dg_rng_t dg_rng(uint64_t seed, uint64_t what, uint64_t a, uint64_t b);
uint64_t dg_next(dg_rng_t *r);
int dg_below(dg_rng_t *r, int n); /* 0 .. n-1 */
double dg_unit(dg_rng_t *r);      /* [0, 1) */
double dg_normal(dg_rng_t *r);    /* mean 0, deviation 1, within +-4.9 */
int dg_chance(dg_rng_t *r, double p);

/* ---- the state ------------------------------------------------------------------------------- */

typedef struct {
    const char *id, *name;
    double until;           /* of the unit interval of homes */
    double effect;          /* on ability, in standard deviations */
    double poor;            /* share of economic disadvantage */
    double diverse;         /* shifts the mix of ethnicities */
    int first[3], count[3]; /* schools of grades 03-05, 06-08, 11: places in dg_world_t.roster */
} dg_district_t;

typedef struct {
    const char *id, *name;
    double effect;
} dg_school_t;

typedef struct {
    uint64_t seed;
    const char *state;
    int ndistricts, nschools, nstudents;
    int ntiny; /* districts at the end of the table with a handful of students */
    dg_district_t *districts;
    dg_school_t *schools;
    int *roster; /* indices of schools, grouped by district and level of school */
} dg_world_t;

dg_world_t *dg_world_make(uint64_t seed, const char *state, int ndistricts, int nschools,
                          int nstudents, apr_pool_t *p);

/* ---- a student ------------------------------------------------------------------------------- */

typedef struct {
    char id[32], external_id[32];
    char first[36], middle[36], last[36];
    const char *sex;
    int birth_year, birth_month, birth_day; /* year 0: not known */
    dg_flag_t flags[DG_NFLAGS];
    double ability[2]; /* Math and ELA; Science comes of both */
    double flexible;   /* need of accommodations, 0..1 */

    int grade; /* 3..8, 11 */
    const dg_district_t *district;
    const dg_school_t *school;
    int group; /* 0: in no group; else a number of the school's */
    int club;
} dg_student_t;

/** How many students are in a grade (index 0..6)? Their sum is nstudents. */
int dg_grade_size(const dg_world_t *w, int grade_index);

/** Student number k of a grade in an academic year. */
void dg_student(dg_student_t *s, const dg_world_t *w, int year, int grade_index, int k);

/* ---- all students of a year ------------------------------------------------------------------ */

/** A later delivery of the same files, as per cent of the students: some corrected, some taken back. */
typedef struct {
    int updates, deletes;
    int revision; /* which delivery, from 1; 0: the first, as nothing were corrected */
    int only;     /* leave out who is as he was */
} dg_delta_t;

typedef enum { DG_SAME, DG_CHANGED, DG_DELETED } dg_fate_t;

/** A walk through students [from, to) of 0..nstudents. */
typedef struct {
    const dg_world_t *world;
    const dg_delta_t *delta;
    int year, at, to, grade, first;
    dg_fate_t fate; /* of the student just met */
} dg_walk_t;

void dg_walk_begin(dg_walk_t *walk, const dg_world_t *w, const dg_delta_t *delta, int year,
                   int from, int to);
/** @return 1 and the next student, 0 at the end */
int dg_walk_next(dg_walk_t *walk, dg_student_t *s);

/* ---- a result -------------------------------------------------------------------------------- */

typedef struct {
    int score, min, max;
    int level; /* 1..; 0: there is no such score */
} dg_score_t;

typedef struct {
    dg_score_t overall;            /* none in interim blocks */
    dg_score_t claims[DG_NCLAIMS]; /* level 1..3; blocks have only the first */
    int year, month, day;
    int accommodations[DG_NACCOMMODATIONS];
    const char *condition; /* SD, NS, IN or empty */
    const char *complete;
} dg_result_t;

typedef struct {
    const char *name;               /* Math */
    const char *file;               /* math */
    const char *claims[DG_NCLAIMS]; /* "" none */
    int cuts[3];                    /* of four levels */
} dg_subject_info_t;

extern const dg_subject_info_t dg_subjects[DG_NSUBJECTS];

/** One test: what a metadata file describes. */
typedef struct {
    int year;
    dg_subject_t subject;
    dg_kind_t kind;
    const char *type; /* SUMMATIVE ... */
    int block;        /* blocks: which, from 0 */
    int levels;       /* 3 to 6 */
    int cuts[DG_LEVELS_MAX - 1];
    int columns;   /* 88 to 91 */
    char guid[40]; /* the same for the same state, year, subject, kind and block */
} dg_assessment_t;

#define DG_HAS_OP(columns) ((columns) == 89 || (columns) == 91)

void dg_assessment_make(dg_assessment_t *a, const dg_world_t *w, int year, dg_subject_t subject,
                        dg_kind_t kind, int block, int levels, int columns);

/** The result of the student a walk has just met. */
void dg_result(dg_result_t *res, const dg_walk_t *walk, const dg_student_t *s,
               const dg_assessment_t *a);

/* ---- files ----------------------------------------------------------------------------------- */

/** Write the rest of a walk with a header. @param pnrows how many rows that were */
apr_status_t dg_csv_write(int *pnrows, const char *path, const dg_assessment_t *a, dg_walk_t *walk,
                          apr_pool_t *p) SB_MUST_CHECK;
/** The metadata file's text. @param callback URL that hears of the batch; NULL none */
const char *dg_json_text(const dg_assessment_t *a, const char *callback, apr_pool_t *p);

/** Student registration: a snapshot of who is enrolled, from one registration system. */
typedef struct {
    const char *state, *state_name;
    int year;
    int revision;
    const char *system; /* its id: a file replaces what it sent before for the year */
    const char *callback;
} dg_registration_t;

/** The same for registration; who is deleted is not in the snapshot any more. */
apr_status_t dg_registration_write(int *pnrows, const char *path, const dg_registration_t *reg,
                                   dg_walk_t *walk, apr_pool_t *p) SB_MUST_CHECK;
const char *dg_registration_text(const dg_registration_t *reg, apr_pool_t *p);

/** What the tenant's table custom_metadata wants: smallest cell shown, colours of levels. */
const char *dg_metadata_text(const int subjects[DG_NSUBJECTS], int levels, int min_cell_size,
                             apr_pool_t *p);

typedef struct {
    const char *home;      /* key ring; NULL: gpg's own */
    const char *recipient; /* fingerprint or address */
    const char *signer;    /* NULL: the ring's default key */
    int sign;
} dg_pack_t;

/**
 * tar, gzip, sign and encrypt by a temporary name beside the target.
 * @param files paths, stored flat under their base names
 * @return NULL or the complaint
 */
const char *dg_pack(const char *target, const apr_array_header_t *files, const dg_pack_t *how,
                    apr_pool_t *p) SB_MUST_CHECK;

#endif
