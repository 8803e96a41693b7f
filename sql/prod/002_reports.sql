-- What makes reports over a whole state quick.

-- Populations under any filter: an index-only scan of one year. The key is short numbers, since a
-- promotion compares it 100,000 times; ask by place through inst_hier_rec_id, not by district_id or
-- school_id of the fact. Also serves the list of students of a school or grade.
CREATE INDEX fact_asmt_outcome_vw_report ON {schema}.fact_asmt_outcome_vw
    (asmt_year, inst_hier_rec_id)
    INCLUDE (state_code, asmt_type, asmt_subject, asmt_grade, asmt_perf_lvl, administration_condition,
             sex, dmg_eth_derived, dmg_prg_iep, dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig,
             complete, student_rec_id)
    WHERE rec_status = 'C';

CREATE INDEX fact_block_asmt_outcome_report ON {schema}.fact_block_asmt_outcome
    (asmt_year, asmt_type, district_id, school_id, asmt_grade, asmt_subject)
    INCLUDE (state_code, inst_hier_rec_id)
    WHERE rec_status = 'C';

-- Populations without a filter, counts of "not stated", who has interim results: the current rows
-- of fact_asmt_outcome_vw, counted. Kept by the triggers below, so it holds for whoever writes the
-- facts. Join dim_inst_hier by inst_hier_rec_id (any rec_status) for district and school. Rows with
-- n = 0 may stay behind: ask for n > 0.
--   n          current rows
--   n_valid    of them with administration_condition SD or null: what comparing populations counts
--   ns_*       of n: where the value is not stated
CREATE TABLE {schema}.report_count (
    asmt_year        smallint NOT NULL,
    asmt_type        varchar(32) COLLATE "C" NOT NULL,
    inst_hier_rec_id bigint NOT NULL,
    asmt_subject     varchar(64) COLLATE "C" NOT NULL,
    asmt_grade       varchar(10) COLLATE "C" NOT NULL,
    asmt_perf_lvl    smallint NOT NULL,
    n                integer NOT NULL CHECK (n >= 0),
    n_valid          integer NOT NULL CHECK (n_valid >= 0),
    ns_ethnicity     integer NOT NULL,
    ns_sex           integer NOT NULL,
    ns_504           integer NOT NULL,
    ns_iep           integer NOT NULL,
    ns_lep           integer NOT NULL,
    ns_mig           integer NOT NULL,
    PRIMARY KEY (asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl)
) WITH (fillfactor = 70); -- room to update in place

CREATE FUNCTION {schema}.report_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.report_count AS r
    SELECT asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl, count(*),
           count(*) FILTER (WHERE administration_condition = 'SD' OR administration_condition IS NULL),
           count(*) FILTER (WHERE dmg_eth_derived = 0),
           count(*) FILTER (WHERE sex IN ('NS', 'not_stated')),
           count(*) FILTER (WHERE dmg_prg_504 IS NULL),
           count(*) FILTER (WHERE dmg_prg_iep IS NULL),
           count(*) FILTER (WHERE dmg_prg_lep IS NULL),
           count(*) FILTER (WHERE dmg_sts_mig IS NULL)
      FROM added
     WHERE rec_status = 'C'
     GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl)
    DO UPDATE SET n = r.n + excluded.n, n_valid = r.n_valid + excluded.n_valid,
                  ns_ethnicity = r.ns_ethnicity + excluded.ns_ethnicity,
                  ns_sex = r.ns_sex + excluded.ns_sex, ns_504 = r.ns_504 + excluded.ns_504,
                  ns_iep = r.ns_iep + excluded.ns_iep, ns_lep = r.ns_lep + excluded.ns_lep,
                  ns_mig = r.ns_mig + excluded.ns_mig;
    RETURN NULL;
END $$;

CREATE FUNCTION {schema}.report_count_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE {schema}.report_count r
       SET n = r.n - g.n, n_valid = r.n_valid - g.n_valid,
           ns_ethnicity = r.ns_ethnicity - g.ns_ethnicity, ns_sex = r.ns_sex - g.ns_sex,
           ns_504 = r.ns_504 - g.ns_504, ns_iep = r.ns_iep - g.ns_iep, ns_lep = r.ns_lep - g.ns_lep,
           ns_mig = r.ns_mig - g.ns_mig
      FROM (SELECT asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl,
                   count(*) AS n,
                   count(*) FILTER (WHERE administration_condition = 'SD'
                                       OR administration_condition IS NULL) AS n_valid,
                   count(*) FILTER (WHERE dmg_eth_derived = 0) AS ns_ethnicity,
                   count(*) FILTER (WHERE sex IN ('NS', 'not_stated')) AS ns_sex,
                   count(*) FILTER (WHERE dmg_prg_504 IS NULL) AS ns_504,
                   count(*) FILTER (WHERE dmg_prg_iep IS NULL) AS ns_iep,
                   count(*) FILTER (WHERE dmg_prg_lep IS NULL) AS ns_lep,
                   count(*) FILTER (WHERE dmg_sts_mig IS NULL) AS ns_mig
              FROM gone
             WHERE rec_status = 'C'
             GROUP BY 1, 2, 3, 4, 5, 6) g
     WHERE (r.asmt_year, r.asmt_type, r.inst_hier_rec_id, r.asmt_subject, r.asmt_grade, r.asmt_perf_lvl)
         = (g.asmt_year, g.asmt_type, g.inst_hier_rec_id, g.asmt_subject, g.asmt_grade, g.asmt_perf_lvl);
    RETURN NULL;
END $$;

CREATE TRIGGER report_count_insert AFTER INSERT ON {schema}.fact_asmt_outcome_vw
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_count_added();
CREATE TRIGGER report_count_delete AFTER DELETE ON {schema}.fact_asmt_outcome_vw
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_count_gone();
CREATE TRIGGER report_count_update_1 AFTER UPDATE ON {schema}.fact_asmt_outcome_vw
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_count_gone();
CREATE TRIGGER report_count_update_2 AFTER UPDATE ON {schema}.fact_asmt_outcome_vw
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_count_added();

CREATE FUNCTION {schema}.report_count_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM {schema}.report_count;
    RETURN NULL;
END $$;
CREATE TRIGGER report_count_truncate AFTER TRUNCATE ON {schema}.fact_asmt_outcome_vw
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_count_truncated();

-- The table and its indexes change in bulk, then rest: let the housekeeping come soon after a batch,
-- index-only scans need it. (The loader role may not vacuum.)
ALTER TABLE {schema}.fact_asmt_outcome_vw SET (autovacuum_vacuum_insert_scale_factor = 0.01,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE {schema}.dim_student SET (autovacuum_vacuum_insert_scale_factor = 0.01,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE {schema}.report_count SET (autovacuum_vacuum_scale_factor = 0.05);

-- Statistics right after a promotion, before autovacuum wakes: only an owner may ANALYZE.
CREATE FUNCTION {schema}.analyze_promoted() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    ANALYZE {schema}.fact_asmt_outcome_vw (student_id, asmt_guid, asmt_year, asmt_type, district_id,
        school_id, asmt_grade, asmt_subject, inst_hier_rec_id, student_rec_id, asmt_perf_lvl, rec_status);
    ANALYZE {schema}.fact_block_asmt_outcome (student_id, asmt_guid, asmt_year, asmt_type, district_id,
        school_id, asmt_grade, asmt_subject, inst_hier_rec_id, student_rec_id, rec_status);
    ANALYZE {schema}.dim_student (student_id, student_rec_id, rec_status);
    ANALYZE {schema}.dim_inst_hier;
    ANALYZE {schema}.dim_asmt;
    ANALYZE {schema}.report_count;
END $$;
REVOKE ALL ON FUNCTION {schema}.analyze_promoted() FROM PUBLIC;
