-- Populations under filters: the current summative results of an institution and year, one 32-bit word
-- each, all words in one value. A state of 2 million students is 16 MB of words, which the web tier reads
-- and counts in a few milliseconds under any combination of filters; rows of the fact table would be a
-- hundred times that. Bits of a word, from the lowest:
--    0- 3 subject   code of report_code
--    4- 8 grade     of the assessment, code of report_code
--    9-12 level
--   13-14 sex       0 male, 1 female, 2 not stated, 3 anything else
--   15-18 ethnicity dmg_eth_derived; 15 anything but 0..7
--   19-28 lep, iep, 504, ecd, mig: two bits each, 0 no, 1 yes, 2 not stated
--   29-30 complete  likewise
--   31    valid     administration condition SD or none: what comparing populations counts
CREATE TABLE {schema}.report_pack (
    asmt_year        smallint NOT NULL,
    inst_hier_rec_id bigint NOT NULL,
    words            bytea NOT NULL, -- big-endian
    PRIMARY KEY (asmt_year, inst_hier_rec_id)
) WITH (toast_tuple_target = 8160); -- whole schools in a page, not behind a pointer
ALTER TABLE {schema}.report_pack ALTER COLUMN words SET STORAGE EXTERNAL; -- it hardly compresses

-- Texts that words name by number; numbers are never given anew.
CREATE TABLE {schema}.report_code (
    kind  text COLLATE "C" NOT NULL CHECK (kind IN ('subject', 'grade')),
    value text COLLATE "C" NOT NULL,
    code  smallint NOT NULL CHECK (code >= 0 AND code < CASE kind WHEN 'subject' THEN 16 ELSE 32 END),
    PRIMARY KEY (kind, value),
    UNIQUE (kind, code)
);

-- What changed since its pack was made. Whoever finds a row here that concerns him counts facts
-- instead. Rows stay only for what no word can hold: a seventeenth subject, a level over 15.
CREATE TABLE {schema}.report_pack_stale (
    asmt_year        smallint NOT NULL,
    inst_hier_rec_id bigint NOT NULL,
    PRIMARY KEY (asmt_year, inst_hier_rec_id)
);

CREATE FUNCTION {schema}.report_pack_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.report_pack_stale
    SELECT DISTINCT asmt_year, inst_hier_rec_id FROM added
     WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION {schema}.report_pack_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.report_pack_stale
    SELECT DISTINCT asmt_year, inst_hier_rec_id FROM gone
     WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER report_pack_insert AFTER INSERT ON {schema}.fact_asmt_outcome_vw
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_added();
CREATE TRIGGER report_pack_delete AFTER DELETE ON {schema}.fact_asmt_outcome_vw
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_gone();
CREATE TRIGGER report_pack_update_1 AFTER UPDATE ON {schema}.fact_asmt_outcome_vw
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_gone();
CREATE TRIGGER report_pack_update_2 AFTER UPDATE ON {schema}.fact_asmt_outcome_vw
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_added();
CREATE FUNCTION {schema}.report_pack_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM {schema}.report_pack;
    DELETE FROM {schema}.report_pack_stale;
    RETURN NULL;
END $$;
CREATE TRIGGER report_pack_truncate AFTER TRUNCATE ON {schema}.fact_asmt_outcome_vw
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_truncated();

-- Make the packs of what changed.
CREATE FUNCTION {schema}.report_pack_refresh() RETURNS void
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
    INSERT INTO {schema}.report_pack
    SELECT f.asmt_year, f.inst_hier_rec_id, string_agg(int4send(w.word), '')
      FROM {schema}.report_pack_stale s
      JOIN {schema}.fact_asmt_outcome_vw f USING (asmt_year, inst_hier_rec_id)
      LEFT JOIN {schema}.report_code sub ON sub.kind = 'subject' AND sub.value = f.asmt_subject
      LEFT JOIN {schema}.report_code gra ON gra.kind = 'grade' AND gra.value = f.asmt_grade,
      LATERAL (SELECT CASE WHEN f.asmt_perf_lvl BETWEEN 0 AND 15 THEN
                  sub.code::int | (gra.code::int << 4) | (f.asmt_perf_lvl::int << 9)
                  | (CASE f.sex WHEN 'male' THEN 0 WHEN 'female' THEN 1
                                WHEN 'NS' THEN 2 WHEN 'not_stated' THEN 2 ELSE 3 END << 13)
                  | (CASE WHEN f.dmg_eth_derived BETWEEN 0 AND 7 THEN f.dmg_eth_derived::int ELSE 15 END << 15)
                  | (coalesce(f.dmg_prg_lep::int, 2) << 19) | (coalesce(f.dmg_prg_iep::int, 2) << 21)
                  | (coalesce(f.dmg_prg_504::int, 2) << 23) | (coalesce(f.dmg_sts_ecd::int, 2) << 25)
                  | (coalesce(f.dmg_sts_mig::int, 2) << 27) | (coalesce(f.complete::int, 2) << 29)
                  | CASE WHEN f.administration_condition = 'SD' OR f.administration_condition IS NULL
                         THEN 1 << 31 ELSE 0 END END AS word) w
     WHERE f.rec_status = 'C' AND f.asmt_type = 'SUMMATIVE'
     GROUP BY 1, 2
    HAVING bool_and(w.word IS NOT NULL);
    DELETE FROM {schema}.report_pack_stale s
     WHERE EXISTS (SELECT FROM {schema}.report_pack p
                    WHERE p.asmt_year = s.asmt_year AND p.inst_hier_rec_id = s.inst_hier_rec_id)
        OR NOT EXISTS (SELECT FROM {schema}.report_count c
                        WHERE c.asmt_year = s.asmt_year AND c.asmt_type = 'SUMMATIVE'
                          AND c.inst_hier_rec_id = s.inst_hier_rec_id AND c.n > 0);
END $$;
REVOKE ALL ON FUNCTION {schema}.report_pack_refresh() FROM PUBLIC;

-- Every transaction that changes what reports see raises the data version, last of all.
CREATE FUNCTION {schema}.report_pack_before_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.report_pack_refresh();
    RETURN NULL;
END $$;
CREATE TRIGGER report_pack_refresh BEFORE UPDATE ON {schema}.data_version
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_pack_before_version();

ALTER TABLE {schema}.report_pack SET (autovacuum_vacuum_scale_factor = 0.05);

-- Results that are there already.
INSERT INTO {schema}.report_pack_stale
SELECT DISTINCT asmt_year, inst_hier_rec_id FROM {schema}.report_count
 WHERE asmt_type = 'SUMMATIVE' AND n > 0;
SELECT {schema}.report_pack_refresh();

-- The filters have the packs now; for lists of students an index of the two keys is enough, and
-- promotion has half as much to insert.
DROP INDEX {schema}.fact_asmt_outcome_vw_report;
CREATE INDEX fact_asmt_outcome_vw_report ON {schema}.fact_asmt_outcome_vw
    (asmt_year, inst_hier_rec_id) WHERE rec_status = 'C';
