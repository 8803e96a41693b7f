-- Which bars are hidden, as it was worked out in production: from other ids it might be others.
CREATE TABLE {schema}.report_hidden (
    asmt_year   smallint NOT NULL,
    state_code  varchar(2) COLLATE "C" NOT NULL,
    district_id varchar(40) COLLATE "C" NOT NULL,
    school_id   varchar(40) COLLATE "C" NOT NULL,
    child_id    varchar(40) COLLATE "C" NOT NULL,
    marks       bytea NOT NULL
);
CREATE INDEX report_hidden_place ON {schema}.report_hidden (asmt_year, state_code, district_id, school_id);
CREATE TABLE {schema}.report_hidden_made (
    asmt_year  smallint NOT NULL,
    state_code varchar(2) COLLATE "C" NOT NULL
);
