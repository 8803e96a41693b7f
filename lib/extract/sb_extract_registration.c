/**
 * The two registration reports as CSV. What a cell is and how it is written is said by sb_registration.
 */

#include "extract/sb_extract_private.h"

#include "report/sb_registration.h"

static void write_place(sb_csv_out_t *out, sb_reg_kind_t kind, const sb_reg_place_t *place)
{
    sb_reg_cell_t cells[SB_REG_COLUMNS];
    char buf[SB_REG_TEXT_SIZE];

    for (int line = 0; line < SB_REG_LINES; line++) {
        sb_csv_out_field(out, place->state_name);
        sb_csv_out_field(out, place->district_id ? place->district_name : "ALL");
        sb_csv_out_field(out, place->school_id ? place->school_name : "ALL");
        sb_csv_out_field(out, sb_reg_category(line));
        sb_csv_out_field(out, sb_reg_value(line));
        sb_reg_cells(cells, kind, place->counts, line);
        for (int c = 0; c < sb_reg_columns(kind); c++) {
            sb_csv_out_field(out, sb_reg_text(buf, &cells[c]));
        }
        sb_csv_out_line(out);
    }
}

static void write_all(sb_csv_out_t *out, sb_reg_kind_t kind, int year,
                      const apr_array_header_t *places, apr_pool_t *p)
{
    static const char *const heads[] = {"State", "District", "School", "Category", "Value"};

    for (apr_size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        sb_csv_out_field(out, heads[i]);
    }
    for (int c = 0; c < sb_reg_columns(kind); c++) {
        sb_csv_out_field(out, sb_reg_title(kind, year, c, p));
    }
    sb_csv_out_line(out);
    for (int i = 0; i < places->nelts; i++) {
        write_place(out, kind, &APR_ARRAY_IDX(places, i, sb_reg_place_t));
    }
    sb_csv_out_flush(out);
}

apr_status_t sb_extract_registration(sb_extract_work_t *k)
{
    sb_reg_kind_t kind =
        k->x->kind == SB_EXTRACT_STATISTICS ? SB_REG_STATISTICS : SB_REG_COMPLETION;
    int year = (int)sb_params_int(k->x->params, "academicYear", 0);
    const apr_array_header_t *places;
    const char *name;
    apr_status_t rv = sb_extract_registration_name(&name, k->x, k->p);

    if (rv == APR_SUCCESS) {
        rv = sb_reg_find(&places, kind, year, NULL, k->run->db, k->x->schema, k->x->scope, k->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(k->zip, name);
    }
    if (rv == APR_SUCCESS) {
        write_all(sb_csv_out_make(k->zip, k->p), kind, year, places, k->p);
        rv = sb_extract_did(k, (apr_int64_t)places->nelts * SB_REG_LINES);
    }
    return rv;
}
