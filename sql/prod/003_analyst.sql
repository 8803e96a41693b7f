-- What an analyst sees: results without names, birth dates, and the state's identifiers of students.
-- student_rec_id ties the rows of one student together; it means nothing outside.
CREATE VIEW {schema}.analyst_result AS
SELECT f.asmt_outcome_vw_rec_id, f.student_rec_id, f.state_code, f.district_id, i.district_name,
       f.school_id, i.school_name, f.asmt_guid, f.asmt_type, f.asmt_year, f.asmt_subject, f.asmt_grade,
       f.enrl_grade, f.date_taken, f.asmt_score, f.asmt_score_range_min, f.asmt_score_range_max,
       f.asmt_perf_lvl, f.asmt_claim_1_score, f.asmt_claim_1_perf_lvl, f.asmt_claim_2_score,
       f.asmt_claim_2_perf_lvl, f.asmt_claim_3_score, f.asmt_claim_3_perf_lvl, f.asmt_claim_4_score,
       f.asmt_claim_4_perf_lvl, f.sex, f.dmg_eth_derived, f.dmg_prg_iep, f.dmg_prg_lep, f.dmg_prg_504,
       f.dmg_sts_ecd, f.dmg_sts_mig, f.complete, f.administration_condition
  FROM {schema}.fact_asmt_outcome_vw f
  JOIN {schema}.dim_inst_hier i USING (inst_hier_rec_id)
 WHERE f.rec_status = 'C';

CREATE VIEW {schema}.analyst_block_result AS
SELECT f.asmt_outcome_rec_id, f.student_rec_id, f.state_code, f.district_id, i.district_name,
       f.school_id, i.school_name, f.asmt_guid, f.asmt_type, f.asmt_year, f.asmt_subject, f.asmt_grade,
       f.enrl_grade, f.date_taken, f.asmt_claim_1_score, f.asmt_claim_1_perf_lvl, f.sex,
       f.dmg_eth_derived, f.dmg_prg_iep, f.dmg_prg_lep, f.dmg_prg_504, f.dmg_sts_ecd, f.dmg_sts_mig,
       f.complete, f.administration_condition
  FROM {schema}.fact_block_asmt_outcome f
  JOIN {schema}.dim_inst_hier i USING (inst_hier_rec_id)
 WHERE f.rec_status = 'C';
