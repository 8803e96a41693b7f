# Every kind of package through the stack itself: arrivals, worker, conductor, production.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres', 'workers');
my $prod = env('SMARTER_SCHEMA');
my $dir = tmpdir();
my $l = bless { dir => $dir }, 'Smarter::Loader'; # for its texts only
mkdir "$dir/in";
my $mark = sprintf 'p%x', time;
my @guids = map { "$mark-$_" } qw(blocks levels ops);

sub send_package {
    my ($name, $json, $csv) = @_;
    drop_package(make_package("$dir/in/$mark-$name.tar.gz.gpg", { 'a.csv' => "$csv\n", 'b.json' => $json }));
}

sub promoted {
    my ($name, $what) = @_;
    my $file = "$mark-$name.tar.gz.gpg";
    is(wait_until(90, "$file to be promoted or refused", sub { my $s = batch_status($file) // ''; $s =~ /failed|migrate\.ingested/ ? $s : undef }), 'migrate.ingested', $what);
}

sub rows { return [sql("SELECT $_[0]")] }

# ---- what is sent: two of them once their predecessors are there ---------------------------------
my %no_overall = map { $_ => '' } qw(AssessmentSubtestResultScoreValue AssessmentSubtestMinimumValue AssessmentSubtestMaximumValue AssessmentPerformanceLevelIdentifier);
send_package('blocks', $l->metadata({ 'Identification.Guid' => $guids[0], 'Identification.Type' => 'INTERIM ASSESSMENT BLOCKS' }),
    $l->csv([{ %no_overall, StudentIdentifier => "$mark-1", AssessmentGuid => $guids[0], AssessmentType => 'Interim Assessment Blocks', AssessmentSubtestResultScoreClaim1Value => 1500,
        AssessmentSubtestClaim1MinimumValue => 1450, AssessmentSubtestClaim1MaximumValue => 1550, AssessmentClaim1PerformanceLevelIdentifier => 2 }]));
send_package('levels', $l->metadata({ 'Identification.Guid' => $guids[1], 'Identification.Subject' => 'Science', 'PerformanceLevels.Level6' => { Name => 'Top', CutPoint => 1900 },
        'Claims.Claim5' => { Name => 'Five', MinScore => 1, MaxScore => 9 } }),
    $l->csv([{ StudentIdentifier => "$mark-1", AssessmentGuid => $guids[1], AssessmentAcademicSubject => 'Science', AssessmentPerformanceLevelIdentifier => 6 }]));
my $json = $l->metadata({ 'Identification.Guid' => $guids[2] });
my $result = sub { return { AssessmentGuid => $guids[2], StudentIdentifier => "$mark-$_[0]", Op => $_[1], AssessmentSubtestResultScoreValue => $_[2] } };
send_package('creates', $json, $l->csv([$result->(1, 'C', 1400), $result->(2, 'C', 1400), $result->(3, 'C', 1399), $result->(3, 'C', 1400)]));
my $registration = sub { return $l->registration({ 'Source.TestRegSysID' => $mark, 'Identification.Guid' => "$mark-$_[0]" }) };
send_package('reg1', $registration->(1), $l->students([{}, {}, { StudentIdentifier => 's1', FirstName => 'Later' }]));

# ---- what becomes of it --------------------------------------------------------------------------
promoted('creates', 'creates');
promoted('reg1', 'a registration');
is_deeply(rows("student_id, first_name, birthdate, student_reg_guid FROM $prod.student_reg WHERE reg_system_id = '$mark' AND academic_year = 2016 ORDER BY 1"),
    [['s1', 'Later', '20060708', "$mark-1"], ['s2', 'Ada', '20060708', "$mark-1"]], 'is a snapshot, where the later row counts');
send_package('ops', $json, $l->csv([$result->(1, 'D', 1400), $result->(2, 'D', 1400), $result->(2, 'C', 1500), $result->(4, 'I', 1600)]));
send_package('reg2', $registration->(2), $l->students([{ StudentIdentifier => 's9' }]));
promoted('blocks', 'blocks');
is_deeply(rows("student_id, asmt_claim_1_score, asmt_claim_1_perf_lvl, rec_status FROM $prod.fact_block_asmt_outcome WHERE asmt_guid = '$guids[0]'"), [["$mark-1", 1500, 2, 'C']],
    'are in their table');
is(sql_one("SELECT count(*) FROM $prod.fact_asmt_outcome_vw WHERE asmt_guid = '$guids[0]'"), 0, 'and in no other');
promoted('levels', 'six levels, five claims, another subject');
is_deeply(rows("level, name, cut_point FROM $prod.asmt_level JOIN $prod.dim_asmt USING (asmt_rec_id) WHERE asmt_guid = '$guids[1]' AND level > 4 ORDER BY 1"),
    [[5, 'L5', 1700], [6, 'Top', 1900]], 'are all there');
is_deeply(rows("claim, name, score_min, score_max FROM $prod.asmt_claim JOIN $prod.dim_asmt USING (asmt_rec_id) WHERE asmt_guid = '$guids[1]' AND claim > 4"), [[5, 'Five', 1, 9]], 'the claim too');
is_deeply(rows("asmt_subject, asmt_perf_lvl FROM $prod.fact_asmt_outcome_vw WHERE asmt_guid = '$guids[1]'"), [['Science', 6]], 'and the result');
promoted('ops', 'a delete, an update, a create');
is_deeply(rows("student_id, asmt_score, rec_status FROM $prod.fact_asmt_outcome_vw WHERE asmt_guid = '$guids[2]' ORDER BY 1, 2"),
    [["$mark-1", 1400, 'D'], ["$mark-2", 1400, 'D'], ["$mark-2", 1500, 'C'], ["$mark-3", 1400, 'C'], ["$mark-4", 1600, 'C']], 'did what they say');
promoted('reg2', 'the next registration');
is_deeply(rows("student_id, student_reg_guid FROM $prod.student_reg WHERE reg_system_id = '$mark'"), [['s9', "$mark-2"]], 'replaces the first');

finish();
