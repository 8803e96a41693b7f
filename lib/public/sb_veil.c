/* Ids of the public copy. See sb_veil.h. */

#include "public/sb_veil.h"

#include <string.h>
#include <openssl/crypto.h>
#include "core/sb_crypto.h"

#define KEY_SIZE 32
#define RECORD_SIZE 8
#define ID_BYTES 20 /* 160 bits: 40 digits */
#define LAST_MAX 64 /* longer values are not remembered */

struct sb_veil_t {
    sb_hmac_t *hmac;
};

/* One column, and what it had in the row before: rows of a school follow one another. */
typedef struct {
    const char *domain; /* values of one domain become equal if they are */
    sb_veil_kind_t kind;
    apr_size_t last_len; /* 0: none */
    char last[LAST_MAX];
    apr_size_t out_len;
    char out[2 * ID_BYTES];
} column_t;

struct sb_veil_row_t {
    sb_veil_t *veil;
    column_t *columns;
};

static const struct {
    const char *column, *domain;
} ids[] = {{"student_id", "student"},
           {"asmt_guid", "assessment"},
           {"district_id", "place"},
           {"school_id", "place"},
           {"child_id", "place"}};

/* NULL: it is no id. */
static const char *domain_of(const char *column)
{
    for (apr_size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (!strcmp(column, ids[i].column)) {
            return ids[i].domain;
        }
    }
    return NULL;
}

sb_veil_kind_t sb_veil_kind(const char *column)
{
    apr_size_t len = strlen(column);

    return len > 7 && !strcmp(column + len - 7, "_rec_id") ? SB_VEIL_RECORD
           : domain_of(column)                             ? SB_VEIL_ID
           : !strcmp(column, "batch_guid")                 ? SB_VEIL_EMPTY
                                                           : SB_VEIL_OPEN;
}

apr_status_t sb_veil_make(sb_veil_t **pveil, apr_pool_t *p)
{
    unsigned char key[KEY_SIZE];
    sb_veil_t *veil = apr_palloc(p, sizeof(*veil));
    apr_status_t rv = sb_random(key, sizeof(key));

    *pveil = NULL;
    if (rv == APR_SUCCESS) {
        rv = sb_hmac_make(&veil->hmac, key, sizeof(key), p);
    }
    OPENSSL_cleanse(key, sizeof(key));
    if (rv == APR_SUCCESS) {
        *pveil = veil;
    }
    return rv;
}

sb_veil_row_t *sb_veil_row(sb_veil_t *veil, int ncols, const char *const *columns, apr_pool_t *p)
{
    sb_veil_row_t *row = apr_palloc(p, sizeof(*row));

    row->veil = veil;
    row->columns = apr_pcalloc(p, (apr_size_t)ncols * sizeof(column_t));
    for (int i = 0; i < ncols; i++) {
        const char *domain = domain_of(columns[i]);

        row->columns[i].domain = domain ? domain : columns[i];
        row->columns[i].kind = sb_veil_kind(columns[i]);
    }
    return row;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void to_record(column_t *c, const unsigned char *mac)
{
    memcpy(c->out, mac, RECORD_SIZE);
    c->out[0] = (char)(c->out[0] & 0x7f);
    c->out_len = RECORD_SIZE;
}

static void to_id(column_t *c, const unsigned char *mac)
{
    static const char hex[] = "0123456789abcdef";

    for (apr_size_t i = 0; i < ID_BYTES; i++) {
        c->out[2 * i] = hex[mac[i] >> 4];
        c->out[2 * i + 1] = hex[mac[i] & 15];
    }
    c->out_len = 2 * (apr_size_t)ID_BYTES;
}

/* The domain is part of what is hashed: the same text as a student and as a school becomes two. */
static apr_status_t replace(column_t *c, sb_hmac_t *hmac, const sb_cell_t *cell)
{
    unsigned char mac[SB_HMAC_SIZE];
    apr_status_t rv;

    if (c->last_len && c->last_len == cell->len && !memcmp(c->last, cell->data, cell->len)) {
        return APR_SUCCESS;
    }
    rv = sb_hmac(mac, hmac, (const void *)c->domain, strlen(c->domain) + 1, cell->data, cell->len,
                 NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (c->kind == SB_VEIL_RECORD) {
        to_record(c, mac);
    }
    else {
        to_id(c, mac);
    }
    c->last_len = cell->len <= LAST_MAX ? cell->len : 0;
    memcpy(c->last, cell->data, c->last_len);
    return APR_SUCCESS;
}

apr_status_t sb_veil_cell(void *ctx, int col, sb_cell_t *cell)
{
    sb_veil_row_t *row = ctx;
    column_t *c = &row->columns[col];
    apr_status_t rv;

    if (c->kind == SB_VEIL_OPEN || !cell->data || (c->kind == SB_VEIL_ID && cell->len == 0)) {
        return APR_SUCCESS;
    }
    if (c->kind == SB_VEIL_EMPTY) {
        *cell = (sb_cell_t){"", 0};
        return APR_SUCCESS;
    }
    if (c->kind == SB_VEIL_RECORD && cell->len != RECORD_SIZE) {
        return SB_EDB;
    }
    rv = replace(c, row->veil->hmac, cell);
    if (rv == APR_SUCCESS) {
        *cell = (sb_cell_t){c->out, c->out_len};
    }
    return rv;
}
