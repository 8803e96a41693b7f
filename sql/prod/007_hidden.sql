-- Which bars of a year are hidden because they are too small, or because one that is could be computed
-- from them (docs/privacy.md). Worked out from report_pack by whoever promotes; what is not worked out yet
-- the web tier works out itself. A row for each line of each page: the page's place and the child on that
-- line; '' for none. marks: ten bytes for each subject, and in the row of a school itself for each of its
-- grades: code of the subject, code of the grade (255: the place), hidden cells, hidden grades (both 32
-- bits, big-endian; which bit is which says lib/report/sb_privacy.h).
CREATE TABLE {schema}.report_hidden (
    asmt_year   smallint NOT NULL,
    state_code  varchar(2) COLLATE "C" NOT NULL,
    district_id varchar(40) COLLATE "C" NOT NULL,
    school_id   varchar(40) COLLATE "C" NOT NULL,
    child_id    varchar(40) COLLATE "C" NOT NULL,
    marks       bytea NOT NULL,
    PRIMARY KEY (asmt_year, state_code, district_id, school_id, child_id)
);

-- Years whose rows are there and true.
CREATE TABLE {schema}.report_hidden_made (
    asmt_year  smallint NOT NULL,
    state_code varchar(2) COLLATE "C" NOT NULL,
    PRIMARY KEY (asmt_year, state_code)
);

-- Packs changed: their years are to be worked out again. So they are when a state changes its smallest
-- cell or its levels. The lock is held to the end: whoever works out a year takes it first.
CREATE FUNCTION {schema}.report_hidden_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {schema}.report_hidden_made IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM {schema}.report_hidden_made WHERE asmt_year IN (SELECT asmt_year FROM changed);
    RETURN NULL;
END $$;
CREATE FUNCTION {schema}.report_hidden_all_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {schema}.report_hidden_made IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM {schema}.report_hidden_made;
    RETURN NULL;
END $$;
CREATE TRIGGER report_hidden_insert AFTER INSERT ON {schema}.report_pack
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_outdated();
CREATE TRIGGER report_hidden_delete AFTER DELETE ON {schema}.report_pack
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_outdated();
CREATE TRIGGER report_hidden_update AFTER UPDATE ON {schema}.report_pack
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_outdated();
CREATE TRIGGER report_hidden_truncate AFTER TRUNCATE ON {schema}.report_pack
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_all_outdated();
CREATE TRIGGER report_hidden_metadata AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {schema}.custom_metadata
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_all_outdated();
CREATE TRIGGER report_hidden_subject AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {schema}.subject
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_hidden_all_outdated();
