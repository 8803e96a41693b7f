-- Matched cohorts (docs/reporting.md, "Trends"): students with a result in two years in a row in a place, who
-- went from one grade to the next, counted in both years. Counted and judged (docs/privacy.md) by the conductor
-- when it has promoted what there was; until then report_cohort_made says that a year's rows are not valid. The state
-- and its districts have rows of their own: those who moved within them are in no school's.
--
-- What is hidden is not here: a hidden cohort is one row of level -1 and no numbers.
CREATE TABLE {schema}.report_cohort (
    asmt_year            smallint NOT NULL, -- the later one
    state_code           varchar(2) COLLATE "C" NOT NULL,
    district_id          varchar(40) COLLATE "C" NOT NULL, -- '' the state
    school_id            varchar(40) COLLATE "C" NOT NULL, -- '' the district
    asmt_grade           varchar(10) COLLATE "C" NOT NULL, -- in the later year; '' all grades
    asmt_subject         varchar(64) COLLATE "C" NOT NULL,
    asmt_perf_lvl        smallint NOT NULL,
    n_before             integer NOT NULL, -- who had the level in the year before
    score_sum_before     bigint NOT NULL,
    score_squares_before bigint NOT NULL,
    n                    integer NOT NULL, -- who has it in the later one
    score_sum            bigint NOT NULL,
    score_squares        bigint NOT NULL,
    PRIMARY KEY (state_code, district_id, school_id, asmt_grade, asmt_year, asmt_subject, asmt_perf_lvl)
);
ALTER TABLE {schema}.report_cohort SET (autovacuum_vacuum_scale_factor = 0.05);

-- Later years of which there are rows, and whether they are true.
CREATE TABLE {schema}.report_cohort_made (
    asmt_year  smallint NOT NULL,
    state_code varchar(2) COLLATE "C" NOT NULL,
    valid      boolean NOT NULL,
    PRIMARY KEY (asmt_year, state_code)
);

-- What outdates the hidden bars of a year outdates its cohorts, with the year before and with the next. The
-- lock is that of hidden bars, for both.
CREATE OR REPLACE FUNCTION {schema}.report_hidden_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {schema}.report_hidden_made IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM {schema}.report_hidden_made WHERE asmt_year IN (SELECT asmt_year FROM changed);
    UPDATE {schema}.report_cohort_made SET valid = false
     WHERE valid AND asmt_year IN (SELECT asmt_year FROM changed UNION SELECT asmt_year + 1 FROM changed);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION {schema}.report_hidden_all_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {schema}.report_hidden_made IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM {schema}.report_hidden_made;
    UPDATE {schema}.report_cohort_made SET valid = false WHERE valid;
    RETURN NULL;
END $$;
