-- The public copy of one tenant's production: what smarter-public-copy fills. Nobody is named here.
-- {schema} is the copy's name, or what it is called while it is being made.
--
-- These tables say what is copied: each is filled from the table of that name in production, column by
-- column. Columns that are not here stay private: names, birth dates, the state's own identifiers,
-- where an assessment was taken, student groups (they are named after teachers). By name of the column:
--   *_rec_id     another number, the same one throughout a copy
--   student_id, asmt_guid, district_id, school_id, child_id
--                a keyed hash of it, 40 hexadecimal digits
--   batch_guid   empty
-- The next copy has other ones: its key is thrown away.
--
-- Where there is a rec_status only current rows are copied, except in dim_inst_hier and dim_asmt: current
-- results may refer to a place or an assessment as it was called then. Rows are read by whole years and
-- states: there are no keys but those that reports look by.

-- How old it is. Exactly one row.
CREATE TABLE {schema}.public_copy (
    copied_at  timestamptz NOT NULL, -- of which moment it is
    checked_at timestamptz NOT NULL, -- when production was last found unchanged since
    one        boolean PRIMARY KEY DEFAULT true CHECK (one)
);
-- Of production when it was copied.
CREATE TABLE {schema}.data_version (
    version    bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    one        boolean PRIMARY KEY DEFAULT true CHECK (one)
);

CREATE TABLE {schema}.dim_inst_hier (
    inst_hier_rec_id bigint NOT NULL,
    state_code       varchar(2) COLLATE "C" NOT NULL,
    district_id      varchar(40) COLLATE "C" NOT NULL,
    district_name    varchar(60) NOT NULL,
    school_id        varchar(40) COLLATE "C" NOT NULL,
    school_name      varchar(60) NOT NULL,
    from_date        varchar(8) NOT NULL,
    to_date          varchar(8),
    rec_status       varchar(1) COLLATE "C" NOT NULL,
    batch_guid       varchar(36) COLLATE "C" NOT NULL
);
CREATE INDEX dim_inst_hier_rec ON {schema}.dim_inst_hier (inst_hier_rec_id);

CREATE TABLE {schema}.dim_student (
    student_rec_id      bigint NOT NULL,
    student_id          varchar(40) COLLATE "C" NOT NULL,
    sex                 varchar(10) COLLATE "C" NOT NULL,
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
    batch_guid          varchar(36) COLLATE "C" NOT NULL
);

CREATE TABLE {schema}.dim_asmt (
    asmt_rec_id                bigint NOT NULL,
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
    batch_guid                 varchar(36) COLLATE "C" NOT NULL
);

CREATE TABLE {schema}.asmt_level (
    asmt_rec_id bigint NOT NULL,
    level       smallint NOT NULL CHECK (level BETWEEN 1 AND 9),
    name        varchar(128),
    cut_point   smallint
);
CREATE TABLE {schema}.asmt_claim (
    asmt_rec_id bigint NOT NULL,
    claim       smallint NOT NULL CHECK (claim BETWEEN 1 AND 99),
    name        varchar(128),
    score_min   smallint,
    score_max   smallint
);

CREATE TABLE {schema}.subject (
    asmt_subject varchar(64) COLLATE "C" NOT NULL,
    position     smallint NOT NULL ,
    levels       smallint NOT NULL
);

CREATE TABLE {schema}.custom_metadata (
    state_code           varchar(2) COLLATE "C" NOT NULL,
    asmt_custom_metadata text
);

CREATE TABLE {schema}.fact_asmt_outcome_vw (
    asmt_outcome_vw_rec_id                  bigint NOT NULL,
    asmt_rec_id                             bigint NOT NULL,
    student_rec_id                          bigint NOT NULL,
    inst_hier_rec_id                        bigint NOT NULL,
    asmt_guid                               varchar(255) COLLATE "C" NOT NULL,
    student_id                              varchar(40) COLLATE "C" NOT NULL,
    state_code                              varchar(2) COLLATE "C" NOT NULL,
    district_id                             varchar(40) COLLATE "C" NOT NULL,
    school_id                               varchar(40) COLLATE "C" NOT NULL,
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
    administration_condition                varchar(2) COLLATE "C"
);
CREATE INDEX fact_asmt_outcome_vw_report ON {schema}.fact_asmt_outcome_vw
    (asmt_year, inst_hier_rec_id);

CREATE VIEW {schema}.fact_asmt_outcome AS
SELECT
    asmt_outcome_vw_rec_id AS asmt_outcome_rec_id, asmt_rec_id, student_rec_id, inst_hier_rec_id,
    asmt_guid, student_id, state_code, district_id, school_id,
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

CREATE TABLE {schema}.fact_block_asmt_outcome (
    asmt_outcome_rec_id                     bigint NOT NULL,
    asmt_rec_id                             bigint NOT NULL,
    student_rec_id                          bigint NOT NULL,
    inst_hier_rec_id                        bigint NOT NULL,
    asmt_guid                               varchar(255) COLLATE "C" NOT NULL,
    student_id                              varchar(40) COLLATE "C" NOT NULL,
    state_code                              varchar(2) COLLATE "C" NOT NULL,
    district_id                             varchar(40) COLLATE "C" NOT NULL,
    school_id                               varchar(40) COLLATE "C" NOT NULL,
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
    administration_condition                varchar(2) COLLATE "C"
);
CREATE INDEX fact_block_asmt_outcome_report ON {schema}.fact_block_asmt_outcome
    (asmt_year, asmt_type, district_id, school_id, asmt_grade, asmt_subject) INCLUDE (inst_hier_rec_id);

-- Populations, counted and packed as in production.
CREATE TABLE {schema}.report_count (
    asmt_year        smallint NOT NULL,
    asmt_type        varchar(32) COLLATE "C" NOT NULL,
    inst_hier_rec_id bigint NOT NULL,
    asmt_subject     varchar(64) COLLATE "C" NOT NULL,
    asmt_grade       varchar(10) COLLATE "C" NOT NULL,
    asmt_perf_lvl    smallint NOT NULL,
    n                integer NOT NULL,
    n_valid          integer NOT NULL,
    ns_ethnicity     integer NOT NULL,
    ns_sex           integer NOT NULL,
    ns_504           integer NOT NULL,
    ns_iep           integer NOT NULL,
    ns_lep           integer NOT NULL,
    ns_mig           integer NOT NULL
);
CREATE INDEX report_count_place ON {schema}.report_count (asmt_year, asmt_type, inst_hier_rec_id);

CREATE TABLE {schema}.report_pack (
    asmt_year        smallint NOT NULL,
    inst_hier_rec_id bigint NOT NULL,
    words            bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE {schema}.report_pack ALTER COLUMN words SET STORAGE EXTERNAL;
CREATE INDEX report_pack_place ON {schema}.report_pack (asmt_year, inst_hier_rec_id);
CREATE TABLE {schema}.report_code (
    kind  text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    code  smallint NOT NULL
);
CREATE TABLE {schema}.report_pack_stale (
    asmt_year        smallint NOT NULL,
    inst_hier_rec_id bigint NOT NULL
);
