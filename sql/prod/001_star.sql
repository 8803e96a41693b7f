-- The star schema of one tenant: three versioned dimensions, the facts, the registration snapshot.
-- {schema} is the production schema's name. Dates are text YYYYMMDD. rec_status of a row: C current,
-- I superseded by a later batch (to_date says when), D deleted on request. Reports read C only.
--
-- A natural key has at most one current row; the partial unique indexes say so. Ids and codes
-- compare by bytes (COLLATE "C"), names by the database's rules.

CREATE SEQUENCE {schema}.global_rec_seq START 1;

CREATE TABLE {schema}.dim_inst_hier (
    inst_hier_rec_id bigint PRIMARY KEY,
    state_code       varchar(2) COLLATE "C" NOT NULL,
    district_id      varchar(40) COLLATE "C" NOT NULL,
    district_name    varchar(60) NOT NULL,
    school_id        varchar(40) COLLATE "C" NOT NULL,
    school_name      varchar(60) NOT NULL,
    from_date        varchar(8) NOT NULL,
    to_date          varchar(8),
    rec_status       varchar(1) COLLATE "C" NOT NULL,
    batch_guid       varchar(36) COLLATE "C" NOT NULL,
    CHECK (rec_status IN ('C', 'I', 'D'))
);
CREATE UNIQUE INDEX dim_inst_hier_current ON {schema}.dim_inst_hier
    (state_code, district_id, school_id) WHERE rec_status = 'C';

CREATE TABLE {schema}.dim_student (
    student_rec_id      bigint PRIMARY KEY,
    student_id          varchar(40) COLLATE "C" NOT NULL,
    external_student_id varchar(40) COLLATE "C",
    first_name          varchar(35),
    middle_name         varchar(35),
    last_name           varchar(35),
    birthdate           varchar(8) COLLATE "C",
    sex                 varchar(10) COLLATE "C" NOT NULL,
    group_1_id          varchar(40),
    group_1_text        varchar(60),
    group_2_id          varchar(40),
    group_2_text        varchar(60),
    group_3_id          varchar(40),
    group_3_text        varchar(60),
    group_4_id          varchar(40),
    group_4_text        varchar(60),
    group_5_id          varchar(40),
    group_5_text        varchar(60),
    group_6_id          varchar(40),
    group_6_text        varchar(60),
    group_7_id          varchar(40),
    group_7_text        varchar(60),
    group_8_id          varchar(40),
    group_8_text        varchar(60),
    group_9_id          varchar(40),
    group_9_text        varchar(60),
    group_10_id         varchar(40),
    group_10_text       varchar(60),
    dmg_eth_derived     smallint,
    dmg_eth_hsp         boolean,
    dmg_eth_ami         boolean,
    dmg_eth_asn         boolean,
    dmg_eth_blk         boolean,
    dmg_eth_pcf         boolean,
    dmg_eth_wht         boolean,
    dmg_eth_2om         boolean,
    dmg_prg_iep         boolean,
    dmg_prg_lep         boolean,
    dmg_prg_504         boolean,
    dmg_sts_ecd         boolean,
    dmg_sts_mig         boolean,
    from_date           varchar(8) NOT NULL,
    to_date             varchar(8),
    rec_status          varchar(1) COLLATE "C" NOT NULL,
    batch_guid          varchar(36) COLLATE "C" NOT NULL,
    student_hash        bigint, -- as in the batch schema; NULL: not known
    CHECK (rec_status IN ('C', 'I', 'D'))
);
CREATE UNIQUE INDEX dim_student_current ON {schema}.dim_student
    (student_id) INCLUDE (student_rec_id, student_hash) WHERE rec_status = 'C';

CREATE TABLE {schema}.dim_asmt (
    asmt_rec_id                bigint PRIMARY KEY,
    asmt_guid                  varchar(255) COLLATE "C" NOT NULL,
    asmt_type                  varchar(32) COLLATE "C" NOT NULL,
    asmt_period                varchar(32),
    asmt_period_year           smallint NOT NULL,
    asmt_version               varchar(40) NOT NULL,
    asmt_subject               varchar(64) COLLATE "C" NOT NULL,
    effective_date             varchar(8) COLLATE "C" NOT NULL,
    asmt_claim_1_name          varchar(128),
    asmt_claim_2_name          varchar(128),
    asmt_claim_3_name          varchar(128),
    asmt_claim_4_name          varchar(128),
    asmt_perf_lvl_name_1       varchar(25),
    asmt_perf_lvl_name_2       varchar(25),
    asmt_perf_lvl_name_3       varchar(25),
    asmt_perf_lvl_name_4       varchar(25),
    asmt_perf_lvl_name_5       varchar(25),
    asmt_claim_perf_lvl_name_1 varchar(128),
    asmt_claim_perf_lvl_name_2 varchar(128),
    asmt_claim_perf_lvl_name_3 varchar(128),
    asmt_score_min             smallint NOT NULL,
    asmt_score_max             smallint NOT NULL,
    asmt_claim_1_score_min     smallint NOT NULL,
    asmt_claim_1_score_max     smallint NOT NULL,
    asmt_claim_2_score_min     smallint NOT NULL,
    asmt_claim_2_score_max     smallint NOT NULL,
    asmt_claim_3_score_min     smallint NOT NULL,
    asmt_claim_3_score_max     smallint NOT NULL,
    asmt_claim_4_score_min     smallint,
    asmt_claim_4_score_max     smallint,
    asmt_cut_point_1           smallint,
    asmt_cut_point_2           smallint,
    asmt_cut_point_3           smallint,
    asmt_cut_point_4           smallint,
    from_date                  varchar(8) NOT NULL,
    to_date                    varchar(8),
    rec_status                 varchar(1) COLLATE "C" NOT NULL,
    batch_guid                 varchar(36) COLLATE "C" NOT NULL,
    CHECK (rec_status IN ('C', 'I', 'D'))
);
CREATE UNIQUE INDEX dim_asmt_current ON {schema}.dim_asmt (asmt_guid) WHERE rec_status = 'C';

-- What the wide columns of dim_asmt cannot hold. Both tables are complete: they repeat the wide
-- columns, so a reader needs only one place. cut_point is the score where the level begins; level 1
-- has none.
CREATE TABLE {schema}.asmt_level (
    asmt_rec_id bigint NOT NULL REFERENCES {schema}.dim_asmt,
    level       smallint NOT NULL CHECK (level BETWEEN 1 AND 9),
    name        varchar(128),
    cut_point   smallint,
    PRIMARY KEY (asmt_rec_id, level)
);
CREATE TABLE {schema}.asmt_claim (
    asmt_rec_id bigint NOT NULL REFERENCES {schema}.dim_asmt,
    claim       smallint NOT NULL CHECK (claim BETWEEN 1 AND 99),
    name        varchar(128),
    score_min   smallint,
    score_max   smallint,
    PRIMARY KEY (asmt_rec_id, claim)
);

-- Subjects in the order in which reports show them. One that is not listed comes last, by name.
CREATE TABLE {schema}.subject (
    asmt_subject varchar(64) COLLATE "C" PRIMARY KEY,
    position     smallint NOT NULL UNIQUE,
    levels       smallint NOT NULL DEFAULT 4 CHECK (levels BETWEEN 3 AND 6)
);
INSERT INTO {schema}.subject (asmt_subject, position) VALUES ('Math', 1), ('ELA', 2);

-- Summative and interim comprehensive results, each stored once. The columns up to
-- administration_condition are the contract; more may follow.
CREATE TABLE {schema}.fact_asmt_outcome_vw (
    asmt_outcome_vw_rec_id                  bigint PRIMARY KEY,
    asmt_rec_id                             bigint NOT NULL,
    student_rec_id                          bigint NOT NULL,
    inst_hier_rec_id                        bigint NOT NULL,
    asmt_guid                               varchar(255) COLLATE "C" NOT NULL,
    student_id                              varchar(40) COLLATE "C" NOT NULL,
    state_code                              varchar(2) COLLATE "C" NOT NULL,
    district_id                             varchar(40) COLLATE "C" NOT NULL,
    school_id                               varchar(40) COLLATE "C" NOT NULL,
    where_taken_id                          varchar(40) COLLATE "C",
    where_taken_name                        varchar(60),
    asmt_type                               varchar(32) COLLATE "C" NOT NULL,
    asmt_year                               smallint NOT NULL,
    asmt_subject                            varchar(64) COLLATE "C" NOT NULL,
    asmt_grade                              varchar(10) COLLATE "C" NOT NULL,
    enrl_grade                              varchar(10) COLLATE "C" NOT NULL,
    date_taken                              varchar(8) COLLATE "C" NOT NULL,
    date_taken_day                          smallint NOT NULL,
    date_taken_month                        smallint NOT NULL,
    date_taken_year                         smallint NOT NULL,
    asmt_score                              smallint NOT NULL,
    asmt_score_range_min                    smallint NOT NULL,
    asmt_score_range_max                    smallint NOT NULL,
    asmt_perf_lvl                           smallint NOT NULL,
    asmt_claim_1_score                      smallint,
    asmt_claim_1_score_range_min            smallint,
    asmt_claim_1_score_range_max            smallint,
    asmt_claim_1_perf_lvl                   smallint,
    asmt_claim_2_score                      smallint,
    asmt_claim_2_score_range_min            smallint,
    asmt_claim_2_score_range_max            smallint,
    asmt_claim_2_perf_lvl                   smallint,
    asmt_claim_3_score                      smallint,
    asmt_claim_3_score_range_min            smallint,
    asmt_claim_3_score_range_max            smallint,
    asmt_claim_3_perf_lvl                   smallint,
    asmt_claim_4_score                      smallint,
    asmt_claim_4_score_range_min            smallint,
    asmt_claim_4_score_range_max            smallint,
    asmt_claim_4_perf_lvl                   smallint,
    sex                                     varchar(10) COLLATE "C" NOT NULL,
    dmg_eth_derived                         smallint,
    dmg_eth_hsp                             boolean,
    dmg_eth_ami                             boolean,
    dmg_eth_asn                             boolean,
    dmg_eth_blk                             boolean,
    dmg_eth_pcf                             boolean,
    dmg_eth_wht                             boolean,
    dmg_eth_2om                             boolean,
    dmg_prg_iep                             boolean,
    dmg_prg_lep                             boolean,
    dmg_prg_504                             boolean,
    dmg_sts_ecd                             boolean,
    dmg_sts_mig                             boolean,
    acc_asl_video_embed                     smallint NOT NULL,
    acc_braile_embed                        smallint NOT NULL,
    acc_closed_captioning_embed             smallint NOT NULL,
    acc_text_to_speech_embed                smallint NOT NULL,
    acc_abacus_nonembed                     smallint NOT NULL,
    acc_alternate_response_options_nonembed smallint NOT NULL,
    acc_calculator_nonembed                 smallint NOT NULL,
    acc_multiplication_table_nonembed       smallint NOT NULL,
    acc_print_on_demand_nonembed            smallint NOT NULL,
    acc_print_on_demand_items_nonembed      smallint NOT NULL,
    acc_read_aloud_nonembed                 smallint NOT NULL,
    acc_scribe_nonembed                     smallint NOT NULL,
    acc_speech_to_text_nonembed             smallint NOT NULL,
    acc_streamline_mode                     smallint NOT NULL,
    acc_noise_buffer_nonembed               smallint NOT NULL,
    complete                                boolean,
    from_date                               varchar(8) NOT NULL,
    to_date                                 varchar(8),
    rec_status                              varchar(1) COLLATE "C" NOT NULL,
    batch_guid                              varchar(36) COLLATE "C" NOT NULL,
    administration_condition                varchar(2) COLLATE "C",
    CHECK (rec_status IN ('C', 'I', 'D')),
    CHECK (date_taken_month BETWEEN 1 AND 12 AND date_taken_day BETWEEN 1 AND 31)
);
CREATE UNIQUE INDEX fact_asmt_outcome_vw_current ON {schema}.fact_asmt_outcome_vw
    (student_id, asmt_guid, date_taken) WHERE rec_status = 'C';
-- What is there of an assessment, for a later delivery of it. All alike, hence small.
CREATE INDEX fact_asmt_outcome_vw_asmt ON {schema}.fact_asmt_outcome_vw
    (asmt_rec_id) WHERE rec_status = 'C';

-- The original's lean twin of it.
CREATE VIEW {schema}.fact_asmt_outcome AS
SELECT
    asmt_outcome_vw_rec_id AS asmt_outcome_rec_id, asmt_rec_id, student_rec_id, inst_hier_rec_id,
    asmt_guid, student_id, state_code, district_id, school_id, where_taken_id, where_taken_name,
    asmt_grade, enrl_grade, date_taken, date_taken_day, date_taken_month, date_taken_year,
    asmt_score, asmt_score_range_min, asmt_score_range_max, asmt_perf_lvl, asmt_claim_1_score,
    asmt_claim_1_score_range_min, asmt_claim_1_score_range_max, asmt_claim_1_perf_lvl,
    asmt_claim_2_score, asmt_claim_2_score_range_min, asmt_claim_2_score_range_max,
    asmt_claim_2_perf_lvl, asmt_claim_3_score, asmt_claim_3_score_range_min,
    asmt_claim_3_score_range_max, asmt_claim_3_perf_lvl, asmt_claim_4_score,
    asmt_claim_4_score_range_min, asmt_claim_4_score_range_max, asmt_claim_4_perf_lvl,
    acc_asl_video_embed, acc_braile_embed, acc_closed_captioning_embed, acc_text_to_speech_embed,
    acc_abacus_nonembed, acc_alternate_response_options_nonembed, acc_calculator_nonembed,
    acc_multiplication_table_nonembed, acc_print_on_demand_nonembed,
    acc_print_on_demand_items_nonembed, acc_read_aloud_nonembed, acc_scribe_nonembed,
    acc_speech_to_text_nonembed, acc_streamline_mode, acc_noise_buffer_nonembed, complete,
    from_date, to_date, rec_status, batch_guid, administration_condition
FROM {schema}.fact_asmt_outcome_vw;

-- Interim assessment blocks.
CREATE TABLE {schema}.fact_block_asmt_outcome (
    asmt_outcome_rec_id                     bigint PRIMARY KEY,
    asmt_rec_id                             bigint NOT NULL,
    student_rec_id                          bigint NOT NULL,
    inst_hier_rec_id                        bigint NOT NULL,
    asmt_guid                               varchar(255) COLLATE "C" NOT NULL,
    student_id                              varchar(40) COLLATE "C" NOT NULL,
    state_code                              varchar(2) COLLATE "C" NOT NULL,
    district_id                             varchar(40) COLLATE "C" NOT NULL,
    school_id                               varchar(40) COLLATE "C" NOT NULL,
    where_taken_id                          varchar(40) COLLATE "C",
    where_taken_name                        varchar(60),
    asmt_type                               varchar(32) COLLATE "C" NOT NULL,
    asmt_year                               smallint NOT NULL,
    asmt_subject                            varchar(64) COLLATE "C" NOT NULL,
    asmt_grade                              varchar(10) COLLATE "C" NOT NULL,
    enrl_grade                              varchar(10) COLLATE "C" NOT NULL,
    date_taken                              varchar(8) COLLATE "C" NOT NULL,
    date_taken_day                          smallint NOT NULL,
    date_taken_month                        smallint NOT NULL,
    date_taken_year                         smallint NOT NULL,
    asmt_claim_1_score                      smallint,
    asmt_claim_1_score_range_min            smallint,
    asmt_claim_1_score_range_max            smallint,
    asmt_claim_1_perf_lvl                   smallint,
    sex                                     varchar(10) COLLATE "C" NOT NULL,
    dmg_eth_derived                         smallint,
    dmg_eth_hsp                             boolean,
    dmg_eth_ami                             boolean,
    dmg_eth_asn                             boolean,
    dmg_eth_blk                             boolean,
    dmg_eth_pcf                             boolean,
    dmg_eth_wht                             boolean,
    dmg_eth_2om                             boolean,
    dmg_prg_iep                             boolean,
    dmg_prg_lep                             boolean,
    dmg_prg_504                             boolean,
    dmg_sts_ecd                             boolean,
    dmg_sts_mig                             boolean,
    acc_asl_video_embed                     smallint NOT NULL,
    acc_braile_embed                        smallint NOT NULL,
    acc_closed_captioning_embed             smallint NOT NULL,
    acc_text_to_speech_embed                smallint NOT NULL,
    acc_abacus_nonembed                     smallint NOT NULL,
    acc_alternate_response_options_nonembed smallint NOT NULL,
    acc_calculator_nonembed                 smallint NOT NULL,
    acc_multiplication_table_nonembed       smallint NOT NULL,
    acc_print_on_demand_nonembed            smallint NOT NULL,
    acc_print_on_demand_items_nonembed      smallint NOT NULL,
    acc_read_aloud_nonembed                 smallint NOT NULL,
    acc_scribe_nonembed                     smallint NOT NULL,
    acc_speech_to_text_nonembed             smallint NOT NULL,
    acc_streamline_mode                     smallint NOT NULL,
    acc_noise_buffer_nonembed               smallint NOT NULL,
    complete                                boolean,
    from_date                               varchar(8) NOT NULL,
    to_date                                 varchar(8),
    rec_status                              varchar(1) COLLATE "C" NOT NULL,
    batch_guid                              varchar(36) COLLATE "C" NOT NULL,
    administration_condition                varchar(2) COLLATE "C",
    CHECK (rec_status IN ('C', 'I', 'D')),
    CHECK (date_taken_month BETWEEN 1 AND 12 AND date_taken_day BETWEEN 1 AND 31)
);
CREATE UNIQUE INDEX fact_block_asmt_outcome_current ON {schema}.fact_block_asmt_outcome
    (student_id, asmt_guid, date_taken) WHERE rec_status = 'C';
CREATE INDEX fact_block_asmt_outcome_asmt ON {schema}.fact_block_asmt_outcome
    (asmt_rec_id) WHERE rec_status = 'C';

-- Every fact refers to a row of each dimension. These are foreign keys, checked once a statement
-- instead of once a row: a promotion inserts 100,000 rows at a time, and a declared key costs it half
-- as much again. What that leaves open, two transactions at once, does not happen: promotions take
-- turns, and nobody else writes here.
CREATE FUNCTION {schema}.facts_refer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    orphans bigint; -- counted, not sought by EXISTS: that would look them up one by one
BEGIN
    SELECT count(*) FILTER (WHERE s.student_rec_id IS NULL) INTO orphans
      FROM added LEFT JOIN {schema}.dim_student s USING (student_rec_id);
    SELECT orphans + count(*) INTO orphans
      FROM (SELECT DISTINCT asmt_rec_id, inst_hier_rec_id FROM added) f
      LEFT JOIN {schema}.dim_asmt a USING (asmt_rec_id)
      LEFT JOIN {schema}.dim_inst_hier i USING (inst_hier_rec_id)
     WHERE a.asmt_rec_id IS NULL OR i.inst_hier_rec_id IS NULL;
    IF orphans > 0 THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('%s rows of %I refer to dimension rows that are not there', orphans, TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION {schema}.dimension_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    used boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM {schema}.fact_asmt_outcome_vw f JOIN gone USING (%1$I))'
                   ' OR EXISTS (SELECT FROM {schema}.fact_block_asmt_outcome f JOIN gone USING (%1$I))',
                   TG_ARGV[0]) INTO used;
    IF used THEN
        RAISE foreign_key_violation
            USING MESSAGE = format('a row of %I is still referred to by facts', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;

-- The key of a dimension row never changes, nor which rows a fact refers to.
CREATE FUNCTION {schema}.keys_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = format('the keys of a row of %I may not change', TG_TABLE_NAME);
END $$;

CREATE TRIGGER facts_refer AFTER INSERT ON {schema}.fact_asmt_outcome_vw
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.facts_refer();
CREATE TRIGGER facts_refer AFTER INSERT ON {schema}.fact_block_asmt_outcome
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.facts_refer();
CREATE TRIGGER dimension_is_free AFTER DELETE ON {schema}.dim_asmt REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.dimension_is_free('asmt_rec_id');
CREATE TRIGGER dimension_is_free AFTER DELETE ON {schema}.dim_student REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.dimension_is_free('student_rec_id');
CREATE TRIGGER dimension_is_free AFTER DELETE ON {schema}.dim_inst_hier REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.dimension_is_free('inst_hier_rec_id');
CREATE TRIGGER keys_stay BEFORE UPDATE OF asmt_rec_id ON {schema}.dim_asmt FOR EACH ROW
    WHEN (OLD.asmt_rec_id <> NEW.asmt_rec_id) EXECUTE FUNCTION {schema}.keys_stay();
CREATE TRIGGER keys_stay BEFORE UPDATE OF student_rec_id ON {schema}.dim_student FOR EACH ROW
    WHEN (OLD.student_rec_id <> NEW.student_rec_id) EXECUTE FUNCTION {schema}.keys_stay();
CREATE TRIGGER keys_stay BEFORE UPDATE OF inst_hier_rec_id ON {schema}.dim_inst_hier FOR EACH ROW
    WHEN (OLD.inst_hier_rec_id <> NEW.inst_hier_rec_id) EXECUTE FUNCTION {schema}.keys_stay();
CREATE TRIGGER keys_stay BEFORE UPDATE OF asmt_rec_id, student_rec_id, inst_hier_rec_id
    ON {schema}.fact_asmt_outcome_vw FOR EACH ROW
    WHEN ((OLD.asmt_rec_id, OLD.student_rec_id, OLD.inst_hier_rec_id)
          <> (NEW.asmt_rec_id, NEW.student_rec_id, NEW.inst_hier_rec_id))
    EXECUTE FUNCTION {schema}.keys_stay();
CREATE TRIGGER keys_stay BEFORE UPDATE OF asmt_rec_id, student_rec_id, inst_hier_rec_id
    ON {schema}.fact_block_asmt_outcome FOR EACH ROW
    WHEN ((OLD.asmt_rec_id, OLD.student_rec_id, OLD.inst_hier_rec_id)
          <> (NEW.asmt_rec_id, NEW.student_rec_id, NEW.inst_hier_rec_id))
    EXECUTE FUNCTION {schema}.keys_stay();

-- One registration snapshot per (reg_system_id, academic_year), replaced as a whole.
CREATE TABLE {schema}.student_reg (
    student_reg_rec_id    bigint PRIMARY KEY,
    state_code            varchar(2) COLLATE "C" NOT NULL,
    state_name            varchar(50) NOT NULL,
    district_id           varchar(40) COLLATE "C" NOT NULL,
    district_name         varchar(60) NOT NULL,
    school_id             varchar(40) COLLATE "C" NOT NULL,
    school_name           varchar(60) NOT NULL,
    student_id            varchar(40) COLLATE "C" NOT NULL,
    external_student_ssid varchar(40) COLLATE "C" NOT NULL,
    first_name            varchar(35),
    middle_name           varchar(35),
    last_name             varchar(35),
    birthdate             varchar(10),
    sex                   varchar(10) COLLATE "C" NOT NULL,
    enrl_grade            varchar(10) COLLATE "C" NOT NULL,
    dmg_eth_hsp           boolean,
    dmg_eth_ami           boolean,
    dmg_eth_asn           boolean,
    dmg_eth_blk           boolean,
    dmg_eth_pcf           boolean,
    dmg_eth_wht           boolean,
    dmg_multi_race        boolean,
    dmg_prg_iep           boolean,
    dmg_prg_lep           boolean,
    dmg_prg_504           boolean,
    dmg_sts_ecd           boolean,
    dmg_sts_mig           boolean,
    confirm_code          varchar(50),
    language_code         varchar(3),
    eng_prof_lvl          varchar(20),
    us_school_entry_date  varchar(10),
    lep_entry_date        varchar(10),
    lep_exit_date         varchar(10),
    t3_program_type       varchar(27),
    prim_disability_type  varchar(3),
    student_reg_guid      varchar(50) COLLATE "C" NOT NULL,
    academic_year         smallint NOT NULL,
    extract_date          varchar(10) NOT NULL,
    reg_system_id         varchar(40) COLLATE "C" NOT NULL,
    batch_guid            varchar(36) COLLATE "C" NOT NULL
);
CREATE INDEX student_reg_year_system_idx ON {schema}.student_reg (academic_year, reg_system_id);
CREATE INDEX student_reg_student_idx ON {schema}.student_reg (student_id);

-- Branding, subject colours and minimum cell size as JSON text, one row a state.
CREATE TABLE {schema}.custom_metadata (
    state_code           varchar(2) COLLATE "C" PRIMARY KEY,
    asmt_custom_metadata text
);

-- Every batch that was promoted, written in the promotion's own transaction: whoever finds a batch
-- half way asks here whether its rows are in.
CREATE TABLE {schema}.batch_applied (
    batch_guid   varchar(36) COLLATE "C" PRIMARY KEY,
    applied_at   timestamptz NOT NULL DEFAULT now(),
    data_version bigint NOT NULL,
    inserted     bigint NOT NULL DEFAULT 0,
    superseded   bigint NOT NULL DEFAULT 0,
    deleted      bigint NOT NULL DEFAULT 0,
    deduplicated bigint NOT NULL DEFAULT 0
);

-- Raised in every transaction that changes what reports see. Exactly one row.
CREATE TABLE {schema}.data_version (
    version    bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    one        boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO {schema}.data_version (version) VALUES (1);
