#ifndef SB_UDL_RULES_H
#define SB_UDL_RULES_H

/**
 * From the text of one CSV field, or of one metadata value, to the typed value the warehouse keeps,
 * and what is to be said about it. Pure functions. Source: loader contract sections 9 and 10, with
 * the stricter readings where the original turned a value into another one (grade 14 into 01).
 */

#include "core/sb_status.h"

/** How a field is read. */
typedef enum {
    SB_UDL_CLEAN,     /* text: CR and LF removed, blanks around it trimmed */
    SB_UDL_UPPER,     /* the same in upper case */
    SB_UDL_SEX,       /* male, female, NS */
    SB_UDL_YES_NO,    /* boolean */
    SB_UDL_GRADE,     /* 01..13, or other text */
    SB_UDL_TYPE,      /* SUMMATIVE ... */
    SB_UDL_SUBJECT,   /* Math, ELA */
    SB_UDL_CONDITION, /* SD, NS, IN */
    SB_UDL_COMPLETE,  /* boolean */
    SB_UDL_OP,        /* C create, W delete */
    SB_UDL_DATE,      /* YYYYMMDD; other text is kept, cut, if the policy lets it */
    SB_UDL_DAY_TAKEN, /* YYYYMMDD, nothing else */
    SB_UDL_NUMBER,    /* smallint */
    SB_UDL_SR_SEX,    /* of registration: Male, Female; what else is understood is said */
    SB_UDL_SR_YES_NO, /* Yes, No */
    SB_UDL_SR_DATE    /* YYYY-MM-DD */
} sb_udl_rule_t;

/** What can be said about a value; the order is that of sb_udl_issue_info. */
typedef enum {
    SB_UDL_FINE,
    SB_UDL_MISSING,      /* a required value is empty */
    SB_UDL_OVERLONG,     /* text over 255 characters: becomes null */
    SB_UDL_CUT,          /* text cut to the column's length */
    SB_UDL_CUT_ID,       /* an identifier longer than its column */
    SB_UDL_CONTROL,      /* a control character in an identifier */
    SB_UDL_ENCODING,     /* neither UTF-8 nor Windows-1252, or a NUL */
    SB_UDL_NO_SUCH_DAY,  /* an impossible date */
    SB_UDL_NO_DATE,      /* no known form of a date */
    SB_UDL_NO_DAY_TAKEN, /* the same where a date is required */
    SB_UDL_NO_NUMBER,
    SB_UDL_NUMBER_RANGE,
    SB_UDL_NUMBER_FORM, /* 1200.0 or 1,200 */
    SB_UDL_NO_FLAG,
    SB_UDL_NO_GRADE, /* 14, 3.5 */
    SB_UDL_NO_OP,
    SB_UDL_LOOSE,   /* understood by its beginning */
    SB_UDL_UNKNOWN, /* not in the list, kept as it is */
    SB_UDL_NO_CONDITION,
    SB_UDL_OTHER_STATE, /* not the tenant's state */
    SB_UDL_OTHER_TYPE,  /* not what the metadata says */
    SB_UDL_OTHER_GUID,  /* not the metadata's assessment */
    SB_UDL_COLUMNS,     /* more or fewer fields than the header */
    SB_UDL_BLANK_LINE,
    SB_UDL_LATIN1,      /* not UTF-8, read as Windows-1252 */
    SB_UDL_DATE_FORM,   /* a date, but not as this file should write it */
    SB_UDL_HALF_SCORES, /* of score, range and level some are there and some not */
    SB_UDL_NO_LEVEL,    /* a performance level that the metadata does not have */
    SB_UDL_NO_CLAIM_LEVEL,
    SB_UDL_SCORE_RANGE, /* a score outside of the metadata's */
    SB_UDL_RANGE_ORDER, /* a minimum above its maximum */
    SB_UDL_DUPLICATE,   /* a later row has the same key */
    SB_UDL_NISSUES
} sb_udl_issue_t;

/** What is done about it. */
typedef enum {
    SB_UDL_ACCEPT,
    SB_UDL_WARN,   /* load and count */
    SB_UDL_REJECT, /* leave this row out and record why */
    SB_UDL_FAIL    /* end the batch */
} sb_udl_action_t;

typedef struct {
    int number;             /* stable: in rejected_row and in what --once prints */
    const char *code;       /* stable: in policies and in log lines */
    const char *reason;     /* for people; %d is the column's length */
    sb_udl_action_t action; /* unless the tenant's policy says otherwise */
    sb_udl_action_t least;  /* a policy may not go below this */
} sb_udl_issue_info_t;

extern const sb_udl_issue_info_t sb_udl_issue_info[SB_UDL_NISSUES];

/** The reason with max filled in. */
const char *sb_udl_issue_text(sb_udl_issue_t issue, int max, apr_pool_t *p);

typedef enum { SB_UDL_V_NULL, SB_UDL_V_TEXT, SB_UDL_V_INT, SB_UDL_V_BOOL } sb_udl_kind_t;

typedef struct {
    sb_udl_kind_t kind;
    int number;    /* INT; BOOL: 0 or 1 */
    const char *s; /* TEXT: in the input, the scratch space, or constant */
    apr_size_t len;
} sb_udl_value_t;

#define SB_UDL_SCRATCH 2080 /* bytes of scratch space one conversion may need */

/* flags */
#define SB_UDL_IS_ID 1     /* an identifier: never cut, no control characters */
#define SB_UDL_REQUIRED 2  /* null and empty are refused */
#define SB_UDL_NOT_PLAIN 4 /* the text may hold bytes outside 0x20..0x7e (a hint, costs time) */
#define SB_UDL_AS_1252 8   /* with NOT_PLAIN: the text is Windows-1252, not UTF-8 */

/**
 * Convert one field.
 * @param v       set in every case; after an issue that is only warned about it is what to store
 * @param max     characters of the target column (texts)
 * @param scratch SB_UDL_SCRATCH bytes that live as long as v; *used says how many are taken
 */
sb_udl_issue_t sb_udl_convert(sb_udl_value_t *v, sb_udl_rule_t rule, int max, int flags,
                              const char *s, apr_size_t len, char *scratch, apr_size_t *used);

/** Are all bytes in 0x20..0x7e? */
int sb_udl_is_plain(const char *s, apr_size_t len);

/** Ethnicity code from the flags: each 1, 0 or -1 for null. Contract: warehouse section 3. */
int sb_udl_ethnicity(int hispanic, int indian, int asian, int black, int pacific, int white,
                     int two_or_more);

#endif
