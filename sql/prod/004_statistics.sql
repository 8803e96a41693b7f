-- Statistics of the columns that report filters ask for, too: without them the planner takes a filtered
-- state for a handful of rows.
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
END $$;
