/* smarter-datagen: fields and rows of CSV. */

#include "workers/datagen_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

apr_status_t dg_out_open(dg_out_t **po, const char *path, apr_pool_t *p)
{
    dg_out_t *o = *po = apr_palloc(p, sizeof(*o));

    o->len = 0;
    o->failed = APR_SUCCESS;
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return o->fd < 0 ? errno : APR_SUCCESS;
}

static void flush(dg_out_t *o)
{
    apr_size_t done = 0;
    ssize_t n;

    while (done < o->len && o->failed == APR_SUCCESS) {
        n = write(o->fd, o->buf + done, o->len - done);
        if (n < 0 && errno != EINTR) {
            o->failed = errno;
        }
        else if (n > 0) {
            done += (apr_size_t)n;
        }
    }
    o->len = 0;
}

static void field_end(dg_out_t *o)
{
    o->buf[o->len++] = ',';
}

/* A field; quoted if it has to be. */
void dg_out_text(dg_out_t *o, const char *s)
{
    apr_size_t n = strcspn(s, ",\"\r\n");

    if (!s[n]) {
        memcpy(o->buf + o->len, s, n);
        o->len += n;
    }
    else {
        o->buf[o->len++] = '"';
        for (; *s; s++) {
            if (*s == '"') {
                o->buf[o->len++] = '"';
            }
            o->buf[o->len++] = *s;
        }
        o->buf[o->len++] = '"';
    }
    field_end(o);
}

static void digits(dg_out_t *o, int n, int width)
{
    char tmp[12];
    int i = 0;

    do {
        tmp[i++] = (char)('0' + n % 10);
        n /= 10;
    } while (n || i < width);
    while (i) {
        o->buf[o->len++] = tmp[--i];
    }
}

void dg_out_number(dg_out_t *o, int n, int width)
{
    digits(o, n, width);
    field_end(o);
}

void dg_out_date(dg_out_t *o, int year, int month, int day)
{
    if (year) {
        digits(o, year, 4);
        digits(o, month, 2);
        digits(o, day, 2);
    }
    field_end(o);
}

void dg_out_dashed(dg_out_t *o, int year, int month, int day)
{
    if (year) {
        digits(o, year, 4);
        o->buf[o->len++] = '-';
        digits(o, month, 2);
        o->buf[o->len++] = '-';
        digits(o, day, 2);
    }
    field_end(o);
}

void dg_out_empty(dg_out_t *o, int n)
{
    memset(o->buf + o->len, ',', (size_t)n);
    o->len += (apr_size_t)n;
}

void dg_out_row(dg_out_t *o)
{
    o->buf[o->len - 1] = '\n';
    if (o->len > DG_BUF_SIZE - DG_ROW_MAX) {
        flush(o);
    }
}

apr_status_t dg_out_close(dg_out_t *o)
{
    flush(o);
    if (close(o->fd) && o->failed == APR_SUCCESS) {
        o->failed = errno;
    }
    return o->failed;
}
