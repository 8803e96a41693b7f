/**
 * Answers to items: the files of students one behind the other, under one header, in as many parts as were
 * promised.
 */

#include "extract/sb_extract_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <apr_strings.h>
#include "core/sb_file.h"

#define FILE_MAX (16 * 1024 * 1024) /* of one student; some 30 KB are usual */
#define HEADER                                                                                     \
    "key,studentId,segmentId,position,clientId,operational,isSelected,format,score,scoreStatus,"   \
    "adminDate,numberVisits,strand,contentLevel,pageNumber,pageVisits,pageTime,dropped\r\n"

typedef struct {
    sb_extract_work_t *k;
    const char *root;
    apr_int64_t total, threshold; /* bytes; 0: one part */
    apr_int64_t position;         /* in the file of this part */
    int is_open;
    apr_pool_t *p; /* of one student */
} items_t;

static const char *path_of(const items_t *t, const sb_extract_leaf_t *leaf)
{
    return apr_pstrcat(t->p, t->root, "/", leaf->dir, "/", leaf->name, ".csv", NULL);
}

static apr_status_t failed(const items_t *t, apr_status_t rv)
{
    int missing = APR_STATUS_IS_ENOENT(rv);

    t->k->result->why =
        missing ? "the items of a student are not there" : "the items of a student cannot be read";
    return missing ? SB_ECONFIG : rv;
}

static apr_status_t add_size(void *ctx, const sb_extract_leaf_t *leaf)
{
    items_t *t = ctx;
    struct stat st;

    if (stat(path_of(t, leaf), &st)) {
        return failed(t, errno);
    }
    t->total += st.st_size;
    return APR_SUCCESS;
}

/* Is the first field of some line among the items asked for? */
static int has_item(const items_t *t, const char *data)
{
    const apr_array_header_t *wanted = sb_params_list(t->k->x->params, "itemId");

    while (wanted && *data) {
        apr_size_t len = strcspn(data, ",\r\n");

        for (int i = 0; i < wanted->nelts; i++) {
            const char *item = APR_ARRAY_IDX(wanted, i, const char *);

            if (strlen(item) == len && !strncmp(item, data, len)) {
                return 1;
            }
        }
        data += strcspn(data, "\n");
        data += *data == '\n';
    }
    return !wanted;
}

/* Line ends become LF, the last one included. @return the new length */
static apr_size_t normal_lines(char *data, apr_size_t len)
{
    apr_size_t n = 0;

    for (apr_size_t i = 0; i < len; i++) {
        if (data[i] == '\r') {
            data[n++] = '\n';
            i += i + 1 < len && data[i + 1] == '\n';
        }
        else {
            data[n++] = data[i];
        }
    }
    if (n && data[n - 1] != '\n') {
        data[n++] = '\n'; /* where the NUL was */
    }
    return n;
}

/* The file of this part, or of the next one if this is full. */
static apr_status_t make_room(items_t *t, apr_int64_t size)
{
    const char *name;
    apr_status_t rv = APR_SUCCESS;

    if (t->is_open && t->k->part + 1 < t->k->result->plan.parts && t->threshold &&
        t->position + size > t->threshold) {
        rv = sb_extract_next_part(t->k);
        t->is_open = 0;
    }
    if (rv != APR_SUCCESS || t->is_open) {
        return rv;
    }
    rv = sb_extract_items_name(&name, t->k->x, t->k->part, t->k->result->plan.parts, t->p);
    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(t->k->zip, name);
    }
    sb_zip_write(t->k->zip, HEADER, sizeof(HEADER) - 1);
    t->position = sizeof(HEADER) - 1;
    t->is_open = 1;
    return rv;
}

static apr_status_t add(void *ctx, const sb_extract_leaf_t *leaf)
{
    items_t *t = ctx;
    apr_size_t len;
    char *data;
    apr_status_t rv = sb_file_read(&data, &len, path_of(t, leaf), FILE_MAX, t->p);

    if (rv != APR_SUCCESS) {
        return failed(t, rv);
    }
    if (has_item(t, data)) {
        rv = make_room(t, (apr_int64_t)len);
        if (rv == APR_SUCCESS) {
            len = normal_lines(data, len);
            sb_zip_write(t->k->zip, data, len);
            t->position += (apr_int64_t)len;
        }
    }
    return rv == APR_SUCCESS ? sb_extract_did(t->k, 1) : rv;
}

apr_status_t sb_extract_items(sb_extract_work_t *k)
{
    items_t t = {.k = k, .root = sb_conf_str(k->run->conf, "extract.item_level_base_dir")};
    int parts = k->result->plan.parts;
    apr_status_t rv = APR_SUCCESS;

    apr_pool_create(&t.p, k->p);
    if (parts > 1) {
        rv = sb_extract_each_student(k, add_size, &t, t.p);
        t.threshold = t.total / parts;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_extract_each_student(k, add, &t, t.p);
    }
    apr_pool_destroy(t.p);
    return rv;
}
