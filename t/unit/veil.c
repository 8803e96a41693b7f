/* Ids of the public copy. */
#include "tap.h"
#include "core/sb_crypto.h"
#include "public/sb_veil.h"

static const char *const columns[] = {"student_id",       "district_id", "child_id", "asmt_guid",
                                      "inst_hier_rec_id", "batch_guid",  "sex"};
enum { STUDENT, DISTRICT, CHILD, GUID, REC, BATCH, SEX, NCOLS };

static const char *veiled(sb_veil_row_t *row, int col, const char *text, apr_pool_t *p)
{
    sb_cell_t cell = {text, strlen(text)};

    return sb_veil_cell(row, col, &cell) == APR_SUCCESS ? apr_pstrmemdup(p, cell.data, cell.len)
                                                        : NULL;
}

static apr_int64_t number(sb_veil_row_t *row, apr_int64_t n)
{
    unsigned char bytes[8];
    sb_cell_t cell = {bytes, sizeof(bytes)};
    apr_int64_t out = 0;

    for (int i = 7; i >= 0; i--, n >>= 8) {
        bytes[i] = (unsigned char)n;
    }
    if (sb_veil_cell(row, REC, &cell) != APR_SUCCESS || cell.len != 8) {
        return -1;
    }
    for (int i = 0; i < 8; i++) {
        out = out << 8 | ((const unsigned char *)cell.data)[i];
    }
    return out;
}

int main(void)
{
    static const char *const open_ones[] = {"state_code", "asmt_year", "school_name", "group_1_id",
                                            "rec_id",     "sex",       "asmt_rec_ids"};
    static const unsigned char key[20] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
                                          0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
                                          0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b};
    unsigned char mac[SB_HMAC_SIZE], again[SB_HMAC_SIZE];
    apr_pool_t *p = tap_pool();
    sb_veil_t *veil, *other;
    sb_veil_row_t *row, *second, *stranger;
    sb_cell_t null = {NULL, 0}, odd = {"1234", 4};
    const char *text;
    sb_hmac_t *h;
    apr_size_t i;

    /* RFC 4231, test case 1 */
    ok(sb_hmac_make(&h, key, sizeof(key), p) == APR_SUCCESS &&
           sb_hmac(mac, h, "Hi There", (apr_size_t)8, NULL) == APR_SUCCESS &&
           !memcmp(mac, "\xb0\x34\x4c\x61\xd8\xdb\x38\x53", 8) &&
           !memcmp(mac + 28, "\x2e\x32\xcf\xf7", 4),
       "HMAC-SHA-256");
    ok(sb_hmac(again, h, "Hi", (apr_size_t)2, " There", (apr_size_t)6, NULL) == APR_SUCCESS &&
           !memcmp(mac, again, sizeof(mac)),
       "again, in two pieces");

    ok(sb_veil_make(&veil, p) == APR_SUCCESS && sb_veil_make(&other, p) == APR_SUCCESS,
       "two veils");
    row = sb_veil_row(veil, NCOLS, columns, p);
    second = sb_veil_row(veil, NCOLS, columns, p);
    stranger = sb_veil_row(other, NCOLS, columns, p);

    text = veiled(row, STUDENT, "a5ddfe12", p);
    ok(text && strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40,
       "an id of 40 digits");
    is_str(veiled(row, STUDENT, "a5ddfe12", p), text, "the same again");
    ok(strcmp(veiled(row, STUDENT, "a5ddfe13", p), text), "another one becomes another");
    is_str(veiled(row, STUDENT, "a5ddfe12", p), text, "the first again");
    is_str(veiled(second, STUDENT, "a5ddfe12", p), text, "the same in another table");
    ok(strcmp(veiled(stranger, STUDENT, "a5ddfe12", p), text), "another one in another copy");
    ok(strcmp(veiled(row, DISTRICT, "a5ddfe12", p), text),
       "a district of that name is another one");
    is_str(veiled(row, CHILD, "a5ddfe12", p), veiled(row, DISTRICT, "a5ddfe12", p),
           "of a page's children the same");
    is_str(veiled(row, CHILD, "", p), "", "nowhere stays nowhere");
    ok(strlen(veiled(row, GUID,
                     "an assessment's name that is longer than what the veil remembers, by far",
                     p)) == 40,
       "a long one");
    is_str(veiled(row, BATCH, "6f0d...", p), "", "of a batch nothing is left");
    is_str(veiled(row, SEX, "female", p), "female", "what is no id passes");

    ok(number(row, 7) >= 0 && number(row, 7) != 7 && number(row, 7) == number(second, 7),
       "a number");
    ok(number(row, 8) != number(row, 7) && number(stranger, 7) != number(row, 7), "and others");
    for (i = 0; i < 1000 && number(row, (apr_int64_t)i) >= 0; i++) {
    }
    is_int((long long)i, 1000, "none is negative");

    ok(sb_veil_cell(row, STUDENT, &null) == APR_SUCCESS && !null.data, "NULL stays NULL");
    is_int(sb_veil_cell(row, REC, &odd), SB_EDB, "a number of another size is refused");
    for (i = 0; i < sizeof(open_ones) / sizeof(open_ones[0]); i++) {
        is_int(sb_veil_kind(open_ones[i]), SB_VEIL_OPEN, open_ones[i]);
    }
    return done();
}
