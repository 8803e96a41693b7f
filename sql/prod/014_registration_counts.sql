-- What registration reports count, a row a school: counted by the conductor when it has promoted what there was.
-- What report_registration_made does not call valid the reports count for themselves.
--   kind 0  registrations of a year
--        1  of them those of students who were registered the year before; key: 1 in the same district, 2 in the
--           same school (of any district), 3 both
--        2  registrations by how the student was assessed; key: a bit each
-- names are NULL where they do not matter; counts: a number for each line of the reports (lib/report/sb_registration.c)
CREATE TABLE {schema}.report_registration (
    kind          smallint NOT NULL,
    academic_year smallint NOT NULL,
    key           integer NOT NULL,
    state_code    varchar(2) COLLATE "C" NOT NULL,
    state_name    varchar(50),
    district_id   varchar(40) COLLATE "C" NOT NULL,
    district_name varchar(60),
    school_id     varchar(40) COLLATE "C" NOT NULL,
    school_name   varchar(60),
    counts        bigint[] NOT NULL
);
CREATE INDEX report_registration_place ON {schema}.report_registration (kind, academic_year, district_id);
ALTER TABLE {schema}.report_registration SET (autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE {schema}.report_registration_made (
    kind          smallint NOT NULL,
    academic_year smallint NOT NULL,
    valid         boolean NOT NULL,
    PRIMARY KEY (kind, academic_year)
);

-- Whoever counts locks report_registration_made first: what changes meanwhile outdates it afterwards. A new
-- snapshot outdates all years: to look which rows changed would keep a second copy of millions of them.
CREATE FUNCTION {schema}.report_registration_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE {schema}.report_registration_made SET valid = false WHERE valid;
    RETURN NULL;
END $$;
CREATE TRIGGER report_registration_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {schema}.student_reg
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_registration_outdated();

-- Results are counted with every change of them (002_reports.sql): so these counts say which years changed.
CREATE FUNCTION {schema}.report_registration_assessed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE {schema}.report_registration_made SET valid = false
     WHERE valid AND kind = 2 AND academic_year IN (SELECT asmt_year FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER report_registration_insert AFTER INSERT ON {schema}.report_count
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_registration_assessed();
CREATE TRIGGER report_registration_delete AFTER DELETE ON {schema}.report_count
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_registration_assessed();
CREATE TRIGGER report_registration_update AFTER UPDATE ON {schema}.report_count
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.report_registration_assessed();
