-- Counts and packs are kept row by row of what changes: a promotion adds the words of its results to
-- the packs of their schools instead of reading the whole year again. And scores, for averages.

-- Of the results counted in n_valid.
ALTER TABLE {schema}.report_count
    ADD COLUMN score_sum     bigint NOT NULL DEFAULT 0,
    ADD COLUMN score_squares bigint NOT NULL DEFAULT 0;

-- A pack is a bag, in no order: what was added less what is gone. Scores are big-endian smallints, one a
-- word, in the order of the words.
ALTER TABLE {schema}.report_pack
    ADD COLUMN gone        bytea NOT NULL DEFAULT '',
    ADD COLUMN scores      bytea NOT NULL DEFAULT '',
    ADD COLUMN gone_scores bytea NOT NULL DEFAULT '';
ALTER TABLE {schema}.report_pack ALTER COLUMN gone SET STORAGE EXTERNAL;
ALTER TABLE {schema}.report_pack ALTER COLUMN scores SET STORAGE EXTERNAL;
ALTER TABLE {schema}.report_pack ALTER COLUMN gone_scores SET STORAGE EXTERNAL;

-- The word of a result; NULL: no word can hold it, or subject or grade has no code yet. One expression,
-- which the planner copies into the queries below.
CREATE FUNCTION {schema}.report_word(subject smallint, grade smallint, level smallint, sex text, ethnicity smallint,
    lep boolean, iep boolean, p504 boolean, ecd boolean, mig boolean, complete boolean, condition text)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN level BETWEEN 0 AND 15 THEN
        subject::int | (grade::int << 4) | (level::int << 9)
        | (CASE sex WHEN 'male' THEN 0 WHEN 'female' THEN 1 WHEN 'NS' THEN 2 WHEN 'not_stated' THEN 2 ELSE 3 END << 13)
        | (CASE WHEN ethnicity BETWEEN 0 AND 7 THEN ethnicity::int ELSE 15 END << 15)
        | (coalesce(lep::int, 2) << 19) | (coalesce(iep::int, 2) << 21) | (coalesce(p504::int, 2) << 23)
        | (coalesce(ecd::int, 2) << 25) | (coalesce(mig::int, 2) << 27) | (coalesce(complete::int, 2) << 29)
        | CASE WHEN condition = 'SD' OR condition IS NULL THEN 1 << 31 ELSE 0 END END
$$;

-- What arrives, in one pass over it: counts, sums, words. What has no word leaves its pack out of date.
CREATE OR REPLACE FUNCTION {schema}.report_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH d AS MATERIALIZED (
        SELECT a.asmt_year, a.asmt_type, a.inst_hier_rec_id, a.asmt_subject, a.asmt_grade, a.asmt_perf_lvl,
               count(*) AS n,
               count(*) FILTER (WHERE a.administration_condition = 'SD' OR a.administration_condition IS NULL) AS n_valid,
               count(*) FILTER (WHERE a.dmg_eth_derived = 0) AS ns_ethnicity,
               count(*) FILTER (WHERE a.sex IN ('NS', 'not_stated')) AS ns_sex,
               count(*) - count(a.dmg_prg_504) AS ns_504, count(*) - count(a.dmg_prg_iep) AS ns_iep,
               count(*) - count(a.dmg_prg_lep) AS ns_lep, count(*) - count(a.dmg_sts_mig) AS ns_mig,
               coalesce(sum(a.asmt_score) FILTER (WHERE a.administration_condition = 'SD'
                   OR a.administration_condition IS NULL), 0) AS score_sum,
               coalesce(sum(a.asmt_score::int * a.asmt_score) FILTER (WHERE a.administration_condition = 'SD'
                   OR a.administration_condition IS NULL), 0) AS score_squares,
               string_agg(int4send({schema}.report_word(s.code, g.code, a.asmt_perf_lvl, a.sex, a.dmg_eth_derived,
                   a.dmg_prg_lep, a.dmg_prg_iep, a.dmg_prg_504, a.dmg_sts_ecd, a.dmg_sts_mig, a.complete,
                   a.administration_condition)), '') AS words,
               string_agg(int2send(a.asmt_score), '') AS scores
          FROM added a
          LEFT JOIN {schema}.report_code s ON s.kind = 'subject' AND s.value = a.asmt_subject
          LEFT JOIN {schema}.report_code g ON g.kind = 'grade' AND g.value = a.asmt_grade
         WHERE a.rec_status = 'C'
         GROUP BY 1, 2, 3, 4, 5, 6),
    counted AS (
        INSERT INTO {schema}.report_count AS r (asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade,
            asmt_perf_lvl, n, n_valid, ns_ethnicity, ns_sex, ns_504, ns_iep, ns_lep, ns_mig, score_sum, score_squares)
        SELECT asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl, n, n_valid,
               ns_ethnicity, ns_sex, ns_504, ns_iep, ns_lep, ns_mig, score_sum, score_squares
          FROM d
        ON CONFLICT (asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl)
        DO UPDATE SET n = r.n + excluded.n, n_valid = r.n_valid + excluded.n_valid,
                      ns_ethnicity = r.ns_ethnicity + excluded.ns_ethnicity,
                      ns_sex = r.ns_sex + excluded.ns_sex, ns_504 = r.ns_504 + excluded.ns_504,
                      ns_iep = r.ns_iep + excluded.ns_iep, ns_lep = r.ns_lep + excluded.ns_lep,
                      ns_mig = r.ns_mig + excluded.ns_mig, score_sum = r.score_sum + excluded.score_sum,
                      score_squares = r.score_squares + excluded.score_squares),
    unpacked AS (
        INSERT INTO {schema}.report_pack_stale
        SELECT DISTINCT asmt_year, inst_hier_rec_id FROM d
         WHERE asmt_type = 'SUMMATIVE' AND coalesce(octet_length(words), 0) < 4 * n
        ON CONFLICT DO NOTHING)
    INSERT INTO {schema}.report_pack AS p (asmt_year, inst_hier_rec_id, words, scores)
    SELECT asmt_year, inst_hier_rec_id, coalesce(string_agg(words, ''), ''), string_agg(scores, '')
      FROM d WHERE asmt_type = 'SUMMATIVE'
     GROUP BY 1, 2
    ON CONFLICT (asmt_year, inst_hier_rec_id)
    DO UPDATE SET words = p.words || excluded.words, scores = p.scores || excluded.scores;
    RETURN NULL;
END $$;

-- What leaves, likewise. A pack of which more than a quarter is gone is made anew.
CREATE OR REPLACE FUNCTION {schema}.report_count_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH d AS MATERIALIZED (
        SELECT a.asmt_year, a.asmt_type, a.inst_hier_rec_id, a.asmt_subject, a.asmt_grade, a.asmt_perf_lvl,
               count(*) AS n,
               count(*) FILTER (WHERE a.administration_condition = 'SD' OR a.administration_condition IS NULL) AS n_valid,
               count(*) FILTER (WHERE a.dmg_eth_derived = 0) AS ns_ethnicity,
               count(*) FILTER (WHERE a.sex IN ('NS', 'not_stated')) AS ns_sex,
               count(*) - count(a.dmg_prg_504) AS ns_504, count(*) - count(a.dmg_prg_iep) AS ns_iep,
               count(*) - count(a.dmg_prg_lep) AS ns_lep, count(*) - count(a.dmg_sts_mig) AS ns_mig,
               coalesce(sum(a.asmt_score) FILTER (WHERE a.administration_condition = 'SD'
                   OR a.administration_condition IS NULL), 0) AS score_sum,
               coalesce(sum(a.asmt_score::int * a.asmt_score) FILTER (WHERE a.administration_condition = 'SD'
                   OR a.administration_condition IS NULL), 0) AS score_squares,
               string_agg(int4send({schema}.report_word(s.code, g.code, a.asmt_perf_lvl, a.sex, a.dmg_eth_derived,
                   a.dmg_prg_lep, a.dmg_prg_iep, a.dmg_prg_504, a.dmg_sts_ecd, a.dmg_sts_mig, a.complete,
                   a.administration_condition)), '') AS words,
               string_agg(int2send(a.asmt_score), '') AS scores
          FROM gone a
          LEFT JOIN {schema}.report_code s ON s.kind = 'subject' AND s.value = a.asmt_subject
          LEFT JOIN {schema}.report_code g ON g.kind = 'grade' AND g.value = a.asmt_grade
         WHERE a.rec_status = 'C'
         GROUP BY 1, 2, 3, 4, 5, 6),
    counted AS (
        UPDATE {schema}.report_count r
           SET n = r.n - d.n, n_valid = r.n_valid - d.n_valid, ns_ethnicity = r.ns_ethnicity - d.ns_ethnicity,
               ns_sex = r.ns_sex - d.ns_sex, ns_504 = r.ns_504 - d.ns_504, ns_iep = r.ns_iep - d.ns_iep,
               ns_lep = r.ns_lep - d.ns_lep, ns_mig = r.ns_mig - d.ns_mig, score_sum = r.score_sum - d.score_sum,
               score_squares = r.score_squares - d.score_squares
          FROM d
         WHERE (r.asmt_year, r.asmt_type, r.inst_hier_rec_id, r.asmt_subject, r.asmt_grade, r.asmt_perf_lvl)
             = (d.asmt_year, d.asmt_type, d.inst_hier_rec_id, d.asmt_subject, d.asmt_grade, d.asmt_perf_lvl)),
    packed AS (
        UPDATE {schema}.report_pack p
           SET gone = p.gone || x.words, gone_scores = p.gone_scores || x.scores
          FROM (SELECT asmt_year, inst_hier_rec_id, coalesce(string_agg(words, ''), '') AS words,
                       string_agg(scores, '') AS scores, sum(n) AS n
                  FROM d WHERE asmt_type = 'SUMMATIVE'
                 GROUP BY 1, 2) x
         WHERE p.asmt_year = x.asmt_year AND p.inst_hier_rec_id = x.inst_hier_rec_id
        RETURNING p.asmt_year, p.inst_hier_rec_id,
                  4 * octet_length(p.gone) > octet_length(p.words) OR octet_length(x.words) < 4 * x.n AS anew)
    INSERT INTO {schema}.report_pack_stale
    SELECT asmt_year, inst_hier_rec_id FROM packed WHERE anew
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- The triggers of the counts do both now.
DROP TRIGGER report_pack_insert ON {schema}.fact_asmt_outcome_vw;
DROP TRIGGER report_pack_delete ON {schema}.fact_asmt_outcome_vw;
DROP TRIGGER report_pack_update_1 ON {schema}.fact_asmt_outcome_vw;
DROP TRIGGER report_pack_update_2 ON {schema}.fact_asmt_outcome_vw;
DROP FUNCTION {schema}.report_pack_added(), {schema}.report_pack_gone();

-- Make the packs that are out of date.
CREATE OR REPLACE FUNCTION {schema}.report_pack_refresh() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM {schema}.report_pack_stale) THEN
        RETURN;
    END IF;
    ANALYZE {schema}.report_pack_stale; -- a few schools or a state: the plans differ
    INSERT INTO {schema}.report_code
    SELECT kind, value, code FROM (
        SELECT n.kind, n.value,
               row_number() OVER (PARTITION BY n.kind ORDER BY n.value) - 1
               + coalesce((SELECT max(c.code) + 1 FROM {schema}.report_code c WHERE c.kind = n.kind), 0) AS code
          FROM (SELECT DISTINCT k.kind, k.value
                  FROM {schema}.report_count r,
                       LATERAL (VALUES ('subject', r.asmt_subject::text), ('grade', r.asmt_grade::text)) k (kind, value)
                 WHERE r.asmt_type = 'SUMMATIVE' AND r.n > 0
                EXCEPT SELECT kind, value FROM {schema}.report_code) n) x
     WHERE code < CASE kind WHEN 'subject' THEN 16 ELSE 32 END;
    DELETE FROM {schema}.report_pack p USING {schema}.report_pack_stale s
     WHERE p.asmt_year = s.asmt_year AND p.inst_hier_rec_id = s.inst_hier_rec_id;
    INSERT INTO {schema}.report_pack (asmt_year, inst_hier_rec_id, words, scores)
    SELECT asmt_year, inst_hier_rec_id, words, scores FROM (
        SELECT f.asmt_year, f.inst_hier_rec_id, count(*) AS n,
               string_agg(int4send({schema}.report_word(sub.code, gra.code, f.asmt_perf_lvl, f.sex, f.dmg_eth_derived,
                   f.dmg_prg_lep, f.dmg_prg_iep, f.dmg_prg_504, f.dmg_sts_ecd, f.dmg_sts_mig, f.complete,
                   f.administration_condition)), '') AS words,
               string_agg(int2send(f.asmt_score), '') AS scores
          FROM {schema}.report_pack_stale s
          JOIN {schema}.fact_asmt_outcome_vw f USING (asmt_year, inst_hier_rec_id)
          LEFT JOIN {schema}.report_code sub ON sub.kind = 'subject' AND sub.value = f.asmt_subject
          LEFT JOIN {schema}.report_code gra ON gra.kind = 'grade' AND gra.value = f.asmt_grade
         WHERE f.rec_status = 'C' AND f.asmt_type = 'SUMMATIVE'
         GROUP BY 1, 2) x
     WHERE octet_length(words) = 4 * n;
    DELETE FROM {schema}.report_pack_stale s
     WHERE EXISTS (SELECT FROM {schema}.report_pack p
                    WHERE p.asmt_year = s.asmt_year AND p.inst_hier_rec_id = s.inst_hier_rec_id)
        OR NOT EXISTS (SELECT FROM {schema}.report_count c
                        WHERE c.asmt_year = s.asmt_year AND c.asmt_type = 'SUMMATIVE'
                          AND c.inst_hier_rec_id = s.inst_hier_rec_id AND c.n > 0);
END $$;

-- The same check as before in one pass instead of two.
CREATE OR REPLACE FUNCTION {schema}.facts_refer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing bigint; -- counted, not sought by EXISTS: that would look them up one by one
BEGIN
    SELECT sum(f.orphans + CASE WHEN a.asmt_rec_id IS NULL OR i.inst_hier_rec_id IS NULL THEN 1 ELSE 0 END)
      INTO missing
      FROM (SELECT asmt_rec_id, inst_hier_rec_id, count(*) - count(s.student_rec_id) AS orphans
              FROM added LEFT JOIN {schema}.dim_student s USING (student_rec_id)
             GROUP BY 1, 2) f
      LEFT JOIN {schema}.dim_asmt a USING (asmt_rec_id)
      LEFT JOIN {schema}.dim_inst_hier i USING (inst_hier_rec_id);
    IF missing > 0 THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('%s rows of %I refer to dimension rows that are not there', missing, TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;

-- Results that are there already.
UPDATE {schema}.report_count r SET score_sum = f.score_sum, score_squares = f.score_squares
  FROM (SELECT asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl,
               sum(asmt_score) AS score_sum, sum(asmt_score::int * asmt_score) AS score_squares
          FROM {schema}.fact_asmt_outcome_vw
         WHERE rec_status = 'C' AND (administration_condition = 'SD' OR administration_condition IS NULL)
         GROUP BY 1, 2, 3, 4, 5, 6) f
 WHERE (r.asmt_year, r.asmt_type, r.inst_hier_rec_id, r.asmt_subject, r.asmt_grade, r.asmt_perf_lvl)
     = (f.asmt_year, f.asmt_type, f.inst_hier_rec_id, f.asmt_subject, f.asmt_grade, f.asmt_perf_lvl);
INSERT INTO {schema}.report_pack_stale
SELECT DISTINCT asmt_year, inst_hier_rec_id FROM {schema}.report_count
 WHERE asmt_type = 'SUMMATIVE' AND n > 0
ON CONFLICT DO NOTHING;
SELECT {schema}.report_pack_refresh();
