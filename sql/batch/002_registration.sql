-- Student registration between loader and promotion, beside the tables of results.

-- The metadata: exactly one row if the batch is a registration, none otherwise.
CREATE UNLOGGED TABLE {schema}.registration (
    student_reg_guid varchar(50) COLLATE "C" NOT NULL,
    academic_year    smallint NOT NULL,
    extract_date     varchar(10) NOT NULL,
    reg_system_id    varchar(40) COLLATE "C" NOT NULL
);

-- One row for each accepted row of the CSV. file_line: line of the file where the row starts.
CREATE UNLOGGED TABLE {schema}.student_reg (
    file_line             bigint NOT NULL,
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
    language_code         varchar(3),
    eng_prof_lvl          varchar(20),
    us_school_entry_date  varchar(10),
    lep_entry_date        varchar(10),
    lep_exit_date         varchar(10),
    t3_program_type       varchar(27),
    prim_disability_type  varchar(3)
);
