/* The CSV push parser. Plain text is scanned 64 bytes at a time for the four characters that matter;
 * quoted fields, which are rare, go byte by byte and are unescaped in place. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/sb_csv.h"

#define BLOCK 64 /* bytes judged at once */
#define BUFFER_FIRST 262144
#define RECORD_MAX_DEFAULT 4194304
#define FIELDS_DEFAULT 256

typedef enum {
    PLAIN,      /* at the start of a field or inside an unquoted one */
    QUOTED,     /* between quotes */
    QUOTE_SEEN, /* behind a quote inside quotes: the first of a pair, or the closing one */
    TAIL        /* behind the closing quote */
} state_t;

struct sb_csv_t {
    sb_csv_opts_t opts;
    sb_csv_record_fn *fn;
    void *ctx;

    char *buf; /* unparsed text; BLOCK bytes of slack follow cap */
    apr_size_t cap;
    char *end;            /* of the text in buf */
    char *pos;            /* parsed up to here */
    char *record;         /* start of the current record's text */
    char *start;          /* of the current field's content */
    char *write;          /* where the next content byte of a quoted field goes */
    const char *after_cr; /* a LF exactly here belongs to the CR before it */
    state_t state;
    int begun; /* the byte-order mark has been looked for */

    sb_csv_field_t *fields;
    int n;

    apr_int64_t line;  /* of the current record's start */
    apr_int64_t extra; /* line breaks inside its quotes */
    apr_int64_t quote_line;
    apr_status_t failed;
    char error[160];
};

static apr_status_t free_buffer(void *data)
{
    sb_csv_t *csv = data;

    free(csv->buf);
    csv->buf = NULL;
    return APR_SUCCESS;
}

apr_status_t sb_csv_make(sb_csv_t **pcsv, const sb_csv_opts_t *opts, sb_csv_record_fn *fn,
                         void *ctx, apr_pool_t *p)
{
    sb_csv_t *csv = apr_pcalloc(p, sizeof *csv);

    *pcsv = NULL;
    if (opts) {
        csv->opts = *opts;
    }
    csv->opts.separator = csv->opts.separator ? csv->opts.separator : ',';
    csv->opts.max_fields = csv->opts.max_fields ? csv->opts.max_fields : FIELDS_DEFAULT;
    csv->opts.max_field = csv->opts.max_field ? csv->opts.max_field : SB_CSV_FIELD_MAX;
    csv->opts.max_record = csv->opts.max_record ? csv->opts.max_record : RECORD_MAX_DEFAULT;
    csv->fn = fn;
    csv->ctx = ctx;
    csv->line = 1;
    csv->cap = BUFFER_FIRST;
    csv->fields = apr_palloc(p, sizeof(sb_csv_field_t) * (apr_size_t)csv->opts.max_fields);
    csv->buf = calloc(1, csv->cap + BLOCK);
    if (!csv->buf) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, csv, free_buffer, apr_pool_cleanup_null);
    csv->end = csv->pos = csv->record = csv->start = csv->buf;
    *pcsv = csv;
    return APR_SUCCESS;
}

const char *sb_csv_error(const sb_csv_t *csv)
{
    return csv->error;
}

/* ---- fields and records ---------------------------------------------------------------------- */

static apr_status_t field_too_long(sb_csv_t *csv)
{
    snprintf(csv->error, sizeof csv->error, "line %lld: field %d is longer than %lu bytes",
             (long long)csv->line, csv->n + 1, (unsigned long)csv->opts.max_field);
    return SB_ETOOBIG;
}

static apr_status_t record_too_long(sb_csv_t *csv)
{
    snprintf(csv->error, sizeof csv->error, "line %lld: the record is longer than %lu bytes",
             (long long)csv->line, (unsigned long)csv->opts.max_record);
    return SB_ETOOBIG;
}

static inline apr_status_t end_field(sb_csv_t *csv, const char *end)
{
    apr_size_t len = (apr_size_t)(end - csv->start);

    if (len > csv->opts.max_field) {
        return field_too_long(csv);
    }
    if (csv->n < csv->opts.max_fields) {
        csv->fields[csv->n].s = csv->start;
        csv->fields[csv->n].len = len;
    }
    csv->n++;
    return APR_SUCCESS;
}

/* The record's last field ends before end; its line end is at eol. */
static apr_status_t end_record(sb_csv_t *csv, const char *end, char *eol)
{
    apr_int64_t line = csv->line;
    apr_status_t rv;
    int n;

    if ((apr_size_t)(eol - csv->record) > csv->opts.max_record) {
        return record_too_long(csv); /* also if it came in one piece */
    }
    if (csv->n == 0 && eol == csv->record) {
        n = 0; /* a blank line */
    }
    else {
        rv = end_field(csv, end);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        n = csv->n;
    }
    csv->after_cr = *eol == '\r' ? eol + 1 : NULL;
    csv->record = csv->start = eol + 1;
    csv->line += 1 + csv->extra;
    csv->extra = 0;
    csv->n = 0;
    return csv->fn(csv->ctx, line, csv->fields, n);
}

/* ---- scanning -------------------------------------------------------------------------------- */

/* One bit for each of the BLOCK bytes at s: is it a separator, quote, CR or LF? */
static inline uint64_t specials(const char *s, char separator)
{
    uint64_t mask = 0;
    int i;
#if defined(__SSE2__)
    const __m128i sep = _mm_set1_epi8(separator), quote = _mm_set1_epi8('"');
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

    for (i = 0; i < BLOCK / 16; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + 16 * i));
        __m128i a = _mm_or_si128(_mm_cmpeq_epi8(v, sep), _mm_cmpeq_epi8(v, quote));
        __m128i b = _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf));

        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(a, b)) << (16 * i);
    }
#else
    for (i = 0; i < BLOCK; i++) {
        char c = s[i];

        mask |= (uint64_t)(c == separator || c == '"' || c == '\r' || c == '\n') << i;
    }
#endif
    return mask;
}

/* Scan unquoted text from pos to end, or to the opening quote of a field. */
static apr_status_t scan_plain(sb_csv_t *csv)
{
    const char separator = csv->opts.separator;
    apr_status_t rv = APR_SUCCESS;

    while (csv->pos < csv->end) {
        char *block = csv->pos;
        apr_size_t left = (apr_size_t)(csv->end - block);
        uint64_t mask = specials(block, separator);

        if (left < BLOCK) {
            mask &= ((uint64_t)1 << left) - 1;
        }
        csv->pos = left < BLOCK ? csv->end : block + BLOCK;
        for (; mask; mask &= mask - 1) {
            char *at = block + __builtin_ctzll(mask);

            if (*at == separator) {
                rv = end_field(csv, at);
                csv->start = at + 1;
            }
            else if (*at == '"') {
                if (at == csv->start) {
                    csv->state = QUOTED;
                    csv->quote_line = csv->line + csv->extra;
                    csv->start = csv->write = csv->pos = at + 1;
                    return APR_SUCCESS;
                }
            }
            else if (*at == '\n' && at == csv->after_cr) {
                csv->after_cr = NULL;
                csv->record = csv->start = at + 1;
            }
            else {
                rv = end_record(csv, at, at);
            }
            if (rv != APR_SUCCESS) {
                return rv;
            }
        }
    }
    return APR_SUCCESS;
}

/* One byte between quotes. */
static void quoted_byte(sb_csv_t *csv, char *at)
{
    if (*at == '"') {
        csv->state = QUOTE_SEEN;
    }
    else if (*at == '\n' && at == csv->after_cr) {
        csv->after_cr = NULL; /* the CR before it was this line end */
    }
    else if (*at == '\r' || *at == '\n') {
        csv->after_cr = *at == '\r' ? at + 1 : NULL;
        csv->extra++;
        *csv->write++ = '\n';
    }
    else {
        *csv->write++ = *at;
    }
}

/* One byte behind a closing quote, or behind what may be one. */
static apr_status_t tail_byte(sb_csv_t *csv, char *at)
{
    apr_status_t rv;

    if (*at == '"' && csv->state == QUOTE_SEEN) {
        *csv->write++ = '"';
        csv->state = QUOTED;
        return APR_SUCCESS;
    }
    if (*at == csv->opts.separator) {
        csv->state = PLAIN;
        rv = end_field(csv, csv->write);
        csv->start = at + 1;
        return rv;
    }
    if (*at == '\r' || *at == '\n') {
        csv->state = PLAIN;
        return end_record(csv, csv->write, at);
    }
    csv->state = TAIL;
    *csv->write++ = *at;
    return APR_SUCCESS;
}

static apr_status_t scan(sb_csv_t *csv)
{
    apr_status_t rv = APR_SUCCESS;

    while (csv->pos < csv->end && rv == APR_SUCCESS) {
        if (csv->state == PLAIN) {
            rv = scan_plain(csv);
        }
        else if (csv->state == QUOTED) {
            while (csv->pos < csv->end && csv->state == QUOTED) {
                quoted_byte(csv, csv->pos++);
            }
        }
        else {
            rv = tail_byte(csv, csv->pos);
            csv->pos++;
        }
    }
    return rv;
}

/* ---- the buffer ------------------------------------------------------------------------------ */

/* Everything that points into the text moves by the same distance. */
static void rebase(sb_csv_t *csv, char *to)
{
    char *from = csv->record;
    int i, stored = csv->n < csv->opts.max_fields ? csv->n : csv->opts.max_fields;

    for (i = 0; i < stored; i++) {
        csv->fields[i].s = to + (csv->fields[i].s - from);
    }
    csv->end = to + (csv->end - from);
    csv->pos = to + (csv->pos - from);
    csv->start = to + (csv->start - from);
    if (csv->write) {
        csv->write = to + (csv->write - from);
    }
    if (csv->after_cr) {
        csv->after_cr = to + (csv->after_cr - from);
    }
    csv->record = to;
}

/* Free the front of the buffer; let it grow when one record fills it. */
static apr_status_t make_room(sb_csv_t *csv)
{
    apr_size_t kept = (apr_size_t)(csv->end - csv->record);
    char *bigger;

    if (csv->state == PLAIN) {
        csv->write = NULL;
    }
    if (kept > csv->opts.max_record) {
        return record_too_long(csv);
    }
    if (csv->state == PLAIN && (apr_size_t)(csv->end - csv->start) > csv->opts.max_field) {
        return field_too_long(csv);
    }
    if (csv->state != PLAIN && (apr_size_t)(csv->write - csv->start) > csv->opts.max_field) {
        return field_too_long(csv);
    }
    if (kept < csv->cap / 2) {
        memmove(csv->buf, csv->record, kept);
        rebase(csv, csv->buf);
        return APR_SUCCESS;
    }
    bigger = calloc(1, 2 * csv->cap + BLOCK);
    if (!bigger) {
        return APR_ENOMEM;
    }
    memcpy(bigger, csv->record, kept);
    rebase(csv, bigger);
    free(csv->buf);
    csv->buf = bigger;
    csv->cap *= 2;
    return APR_SUCCESS;
}

/* Skip a byte-order mark once it can be told. @return is the text ready to be scanned? */
static int begin(sb_csv_t *csv, int last)
{
    apr_size_t have = (apr_size_t)(csv->end - csv->buf);

    if (have < 3 && !last && !memcmp(csv->buf, "\xEF\xBB\xBF", have)) {
        return 0;
    }
    if (have >= 3 && !memcmp(csv->buf, "\xEF\xBB\xBF", 3)) {
        csv->pos = csv->record = csv->start = csv->buf + 3;
    }
    csv->begun = 1;
    return 1;
}

apr_status_t sb_csv_feed(sb_csv_t *csv, const char *data, apr_size_t len)
{
    while (len > 0 && csv->failed == APR_SUCCESS) {
        apr_size_t room = csv->cap - (apr_size_t)(csv->end - csv->buf);
        apr_size_t take = len < room ? len : room;

        memcpy(csv->end, data, take);
        csv->end += take;
        data += take;
        len -= take;
        if (csv->begun || begin(csv, 0)) {
            csv->failed = scan(csv);
            if (csv->failed == APR_SUCCESS) {
                csv->failed = make_room(csv);
            }
        }
    }
    return csv->failed;
}

apr_status_t sb_csv_finish(sb_csv_t *csv)
{
    if (csv->failed == APR_SUCCESS && !csv->begun) {
        begin(csv, 1);
        csv->failed = scan(csv);
    }
    if (csv->failed != APR_SUCCESS) {
        return csv->failed;
    }
    if (csv->state == QUOTED) {
        snprintf(csv->error, sizeof csv->error, "line %lld: the quote opened here is never closed",
                 (long long)csv->quote_line);
        csv->failed = SB_EINPUT;
    }
    else if (csv->end > csv->record) {
        *csv->end = '\n'; /* BLOCK bytes of slack follow */
        csv->failed = end_record(csv, csv->state == PLAIN ? csv->end : csv->write, csv->end);
    }
    return csv->failed;
}
