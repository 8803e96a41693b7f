package Smarter::Results;

# Results put straight into the production tables of the stack, for tests that need to know every
# number: institutions, assessments, results with chosen values, in years of their own. What was put
# there goes away with the test.
#
#   use Smarter::Results;
#   my $school = school('HD1', 'Alpha District', 'HS1', 'School One');
#   results($school, year => 2041, subject => 'Math', grade => '03', level => 2, count => 14);
#   put();

use strict;
use warnings;
use Exporter 'import';
use Smarter::Test;

our @EXPORT = qw(school assessment student results registered put counted metadata elsewhere);

our ($schema, $state);
my $batch = sprintf 'test-%d-%d', $$, time;
my $next = 9_000_000_000_000 + ($$ % 100_000) * 1_000_000;
our %asmt;
my (@statements, @asmts, $put, @metadata);

sub schema { return $schema //= env('SMARTER_SCHEMA') }

sub state_code { return $state //= env('SMARTER_STATE') }

# elsewhere(schema, state, sub): what the sub asks for, put() included, goes into another tenant's schema. It does
# not go away with the test: the tenant should.
sub elsewhere {
    my ($other, $code, $do) = @_;
    local ($schema, $state) = ($other, $code);
    local %asmt = ();
    my $mine = @asmts;
    $do->();
    splice @asmts, $mine;
}

my %types = (
    SUMMATIVE => ['fact_asmt_outcome_vw', 'asmt_outcome_vw_rec_id'],
    'INTERIM COMPREHENSIVE' => ['fact_asmt_outcome_vw', 'asmt_outcome_vw_rec_id'],
    'INTERIM ASSESSMENT BLOCKS' => ['fact_block_asmt_outcome', 'asmt_outcome_rec_id'],
);

my @accommodations = map { "acc_$_" } qw(asl_video_embed braile_embed closed_captioning_embed
    text_to_speech_embed abacus_nonembed alternate_response_options_nonembed calculator_nonembed
    multiplication_table_nonembed print_on_demand_nonembed print_on_demand_items_nonembed
    read_aloud_nonembed scribe_nonembed speech_to_text_nonembed streamline_mode noise_buffer_nonembed);

# A value as SQL: undef is NULL, \1 and \0 are true and false, numbers and texts as literals.
sub literal {
    my ($v) = @_;
    return ref $v ? ($$v ? 'true' : 'false') : quote($v);
}

sub insert {
    my ($table, $row) = @_;
    my @names = sort keys %$row;
    push @statements, sprintf 'INSERT INTO %s.%s (%s) VALUES (%s)', schema(), $table, join(', ', @names),
        join(', ', map { literal($row->{$_}) } @names);
}

my @meta = (from_date => '20150101', to_date => '99991231', batch_guid => $batch);

# school(district id, name, school id, name, status = 'C'): for results().
sub school {
    my ($district, $district_name, $school, $school_name, $status) = @_;
    my $id = $next++;
    insert('dim_inst_hier', { inst_hier_rec_id => $id, state_code => state_code(),
        district_id => $district, district_name => $district_name, school_id => $school,
        school_name => $school_name, rec_status => $status // 'C', @meta });
    return { id => $id, district => $district, school => $school };
}

# assessment(type, year, subject, levels => [[name, cut point], ...], claims => [name, ...],
# claim_levels => [name, ...], and any column): for results(asmt => ...). Several of one kind differ by
# name => 'anything'.
sub assessment {
    my ($type, $year, $subject, %a) = @_;
    my $id = $next++;
    my $guid = "$batch-$id";
    my $levels = delete $a{levels} // [];
    my $claims = delete $a{claims} // [];
    my $named = delete $a{claim_levels} // [];
    insert('dim_asmt', { asmt_rec_id => $id, asmt_guid => $guid, asmt_type => $type,
        asmt_period_year => $year, asmt_version => '1', asmt_subject => $subject,
        effective_date => '20150101', asmt_score_min => 1200, asmt_score_max => 2400,
        (map { ("asmt_claim_${_}_score_min" => 1200, "asmt_claim_${_}_score_max" => 2400) } 1 .. 3),
        (map { ("asmt_claim_perf_lvl_name_$_" => $named->[$_ - 1]) } 1 .. @$named),
        rec_status => 'C', @meta, %a });
    insert('asmt_level', { asmt_rec_id => $id, level => $_, name => $levels->[$_ - 1][0], cut_point => $levels->[$_ - 1][1] })
        for 1 .. @$levels;
    insert('asmt_claim', { asmt_rec_id => $id, claim => $_, name => $claims->[$_ - 1], score_min => 1200, score_max => 2400 })
        for 1 .. @$claims;
    push @asmts, $id;
    return { id => $id, guid => $guid };
}

sub asmt {
    my ($type, $year, $subject) = @_;
    return $asmt{"$type $year $subject"} //= assessment($type, $year, $subject);
}

# student(id, any column of dim_student): for results(student => ...).
sub student {
    my ($id, %s) = @_;
    my $rec = $next++;
    insert('dim_student', { student_rec_id => $rec, student_id => $id, sex => 'male', from_date => '20150101',
        to_date => '99991231', rec_status => 'C', batch_guid => $batch, %s });
    return { rec => $rec, id => $id };
}

# results(school, year, subject, grade, level, count => 1, type => 'SUMMATIVE', status => 'C', and
# any column of the fact table): so many results, each of a student of its own; with student => and
# asmt => one result of that student in that assessment.
sub results {
    my ($school, %r) = @_;
    my $count = delete $r{count} // 1;
    my $type = delete $r{type} // 'SUMMATIVE';
    my $year = delete $r{year};
    my $subject = delete $r{subject};
    my $grade = delete $r{grade};
    my $level = delete $r{level} // 1;
    my $asmt = delete $r{asmt} // asmt($type, $year, $subject);
    my $student = delete $r{student};
    my ($table, $key) = @{ $types{$type} };
    my $first = $next;
    my $block = $type =~ /BLOCKS/;
    $next += $count;
    my %row = (asmt_rec_id => $asmt->{id}, inst_hier_rec_id => $school->{id}, asmt_guid => $asmt->{guid},
        state_code => state_code(), district_id => $school->{district},
        school_id => $school->{school}, asmt_type => $type, asmt_year => $year, asmt_subject => $subject,
        asmt_grade => $grade, enrl_grade => $grade, date_taken => "${year}0405", date_taken_day => 5,
        date_taken_month => 4, date_taken_year => $year, sex => 'male', dmg_eth_derived => 6,
        dmg_prg_iep => \0, dmg_prg_lep => \0, dmg_prg_504 => \0, dmg_sts_ecd => \0, dmg_sts_mig => \0,
        complete => \1, rec_status => delete $r{status} // 'C', (map { $_ => 0 } @accommodations), @meta,
        $block ? (asmt_claim_1_perf_lvl => $level)
        : (asmt_score => 1800, asmt_score_range_min => 1790, asmt_score_range_max => 1810, asmt_perf_lvl => $level));
    %row = (%row, %r);
    if ($student) {
        insert($table, { %row, $key => $first, student_rec_id => $student->{rec}, student_id => $student->{id} });
        return;
    }
    my @names = sort keys %row;
    my $last = $first + $count - 1;
    push @statements, sprintf 'INSERT INTO %s.dim_student (student_rec_id, student_id, sex, from_date, to_date,'
        . " rec_status, batch_guid) SELECT i, '%s-' || i, 'male', '20150101', '99991231', 'C', '%s'"
        . ' FROM generate_series(%d, %d) i', schema(), 'HT', $batch, $first, $last;
    push @statements, sprintf "INSERT INTO %s.%s (%s, student_rec_id, student_id, %s) SELECT i, i, 'HT-' || i, %s"
        . ' FROM generate_series(%d, %d) i', schema(), $table, $key, join(', ', @names),
        join(', ', map { literal($row{$_}) } @names), $first, $last;
}

# registered(year, student id, [district id, name], [school id, name], any column of student_reg)
sub registered {
    my ($year, $student, $district, $school, %r) = @_;
    insert('student_reg', { student_reg_rec_id => $next++, state_code => env('SMARTER_STATE'), state_name => 'North Carolina',
        district_id => $district->[0], district_name => $district->[1], school_id => $school->[0], school_name => $school->[1],
        student_id => $student, external_student_ssid => $student, sex => 'male', enrl_grade => '03', student_reg_guid => $batch,
        academic_year => $year, extract_date => "$year-10-01", reg_system_id => 'test', batch_guid => $batch, %r });
}

# Everything asked for so far, in one transaction, with a new data version.
sub put {
    my $s = schema();
    sql(join ";\n", 'BEGIN', @statements,
        "UPDATE $s.data_version SET version = version + 1, changed_at = now()", 'COMMIT');
    @statements = ();
    $put = 1;
}

# Have the conductor count the cohorts of what was put; the stack's own may be at it.
sub counted {
    my $s = schema();
    my $missing = "SELECT count(*) FROM (SELECT DISTINCT asmt_year FROM $s.report_pack) y WHERE EXISTS (SELECT FROM $s.report_pack b"
        . " WHERE b.asmt_year = y.asmt_year - 1) AND NOT EXISTS (SELECT FROM $s.report_cohort_made m WHERE m.asmt_year = y.asmt_year AND m.valid)";
    wait_until(60, 'cohorts to be counted', sub {
        return 1 unless sql_one($missing);
        run_program('smarter-migrate-conductor', '--once', '-c', env('SMARTER_INI'));
        return !sql_one($missing);
    });
}

# metadata(JSON text or undef): the state's row of custom_metadata; the old one comes back later.
sub metadata {
    my ($json) = @_;
    my $state = quote(env('SMARTER_STATE'));
    my $s = schema();
    @metadata = [sql_one("SELECT asmt_custom_metadata FROM $s.custom_metadata WHERE state_code = $state")]
        unless @metadata;
    set_metadata($json);
}

sub set_metadata {
    my ($json) = @_;
    my $state = quote(env('SMARTER_STATE'));
    my $s = schema();
    sql(join ";\n", 'BEGIN', "DELETE FROM $s.custom_metadata WHERE state_code = $state",
        (defined $json ? "INSERT INTO $s.custom_metadata VALUES ($state, " . quote($json) . ')' : ()),
        "UPDATE $s.data_version SET version = version + 1", 'COMMIT');
}

END {
    my $status = $?;
    if (@metadata) {
        set_metadata($metadata[0][0]);
    }
    if ($put) {
        my $s = schema();
        my $mine = 'batch_guid = ' . quote($batch);
        my $ids = join ',', @asmts, 0;
        sql(join ";\n", 'BEGIN', (map { "DELETE FROM $s.$_ WHERE asmt_rec_id IN ($ids)" } qw(asmt_level asmt_claim)),
            (map { "DELETE FROM $s.$_ WHERE $mine" } qw(fact_asmt_outcome_vw
            fact_block_asmt_outcome dim_student dim_inst_hier dim_asmt student_reg)),
            "UPDATE $s.data_version SET version = version + 1", 'COMMIT');
    }
    $? = $status;
}

1;
