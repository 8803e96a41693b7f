-- What it takes to withdraw a batch that was promoted.

-- Which batch ended a row (I or D): the first id of its block, batch_applied.first_id. A number, since a
-- promotion writes it 100,000 times; NULL in rows that are current, or ended before this was kept.
ALTER TABLE {schema}.dim_asmt ADD COLUMN ended_by bigint;
ALTER TABLE {schema}.dim_inst_hier ADD COLUMN ended_by bigint;
ALTER TABLE {schema}.dim_student ADD COLUMN ended_by bigint;
ALTER TABLE {schema}.fact_asmt_outcome_vw ADD COLUMN ended_by bigint;
ALTER TABLE {schema}.fact_block_asmt_outcome ADD COLUMN ended_by bigint;

-- Ids of a batch are one block of global_rec_seq, first_id .. last_id; the blocks are in the order of
-- promotion. Facts stay in the block of their batch; a dimension row may pass to a later batch.
-- content_key: as in the loader's table batch.
ALTER TABLE {schema}.batch_applied
    ADD COLUMN first_id          bigint UNIQUE, -- NULL: promoted before this was kept
    ADD COLUMN last_id           bigint,
    ADD COLUMN content_key       text COLLATE "C",
    ADD COLUMN withdrawn_at      timestamptz,
    ADD COLUMN withdrawn_version bigint;        -- data_version of the withdrawal

-- The registration snapshot that the current one of its system and year replaced: one, for withdrawing.
CREATE TABLE {schema}.student_reg_replaced (LIKE {schema}.student_reg);
CREATE INDEX student_reg_replaced_year_system_idx ON {schema}.student_reg_replaced
    (academic_year, reg_system_id);

CREATE OR REPLACE FUNCTION {schema}.analyze_promoted() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    ANALYZE {schema}.fact_asmt_outcome_vw (student_id, asmt_guid, date_taken, asmt_rec_id, student_rec_id,
        inst_hier_rec_id, state_code, asmt_year, asmt_type, district_id, school_id, asmt_grade,
        asmt_subject, asmt_perf_lvl, administration_condition, sex, dmg_eth_derived, dmg_prg_iep,
        dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig, complete, rec_status);
    ANALYZE {schema}.fact_block_asmt_outcome (student_id, asmt_guid, date_taken, asmt_rec_id, student_rec_id,
        inst_hier_rec_id, state_code, asmt_year, asmt_type, district_id, school_id, asmt_grade,
        asmt_subject, rec_status);
    ANALYZE {schema}.dim_student (student_id, student_rec_id, rec_status);
    ANALYZE {schema}.dim_inst_hier;
    ANALYZE {schema}.dim_asmt;
    ANALYZE {schema}.report_count;
    ANALYZE {schema}.student_reg (student_id, academic_year, reg_system_id, district_id, school_id);
END $$;

-- A withdrawal removes a hundred thousand dimension rows at a time. Counted, not sought by EXISTS: that
-- would look at every fact for each of them.
CREATE OR REPLACE FUNCTION {schema}.dimension_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    used bigint;
BEGIN
    EXECUTE format('SELECT (SELECT count(*) FROM {schema}.fact_asmt_outcome_vw f JOIN gone USING (%1$I))'
                   ' + (SELECT count(*) FROM {schema}.fact_block_asmt_outcome f JOIN gone USING (%1$I))',
                   TG_ARGV[0]) INTO used;
    IF used > 0 THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('a row of %I is still referred to by facts', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;
