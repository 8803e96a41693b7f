-- What makes lists of students quick.

-- A school's results of a year are a few hundred rows on as many pages, those of one grade a seventh of
-- them. Equal keys share one entry, so the grade makes the index no larger.
DROP INDEX {schema}.fact_asmt_outcome_vw_report;
CREATE INDEX fact_asmt_outcome_vw_report ON {schema}.fact_asmt_outcome_vw
    (asmt_year, inst_hier_rec_id, asmt_grade) WHERE rec_status = 'C';

-- The rows of a school, those of former names included: facts refer to any of them.
CREATE INDEX dim_inst_hier_place ON {schema}.dim_inst_hier (district_id, school_id);
