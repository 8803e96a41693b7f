# The kinds of files: interim assessment blocks, student registration, .err files, metadata of more
# levels and claims. And that the order in the archive changes nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres');
my $l = Smarter::Loader->new('t_formats');

sub table {
    my ($r, $columns, $table) = @_;
    return [sql(qq(SELECT $columns FROM "$r->{batch}".$table ORDER BY 1))];
}

sub stats {
    my ($r) = @_;
    my ($row) = sql("SELECT load_type, batch_operation, snapshot_criteria, notification FROM $l->{stats}.udl_stats WHERE batch_guid = '$r->{batch}'");
    return (@$row[0 .. 2], decode_json($row->[3]));
}

sub outcome { # all that a sender can see, for comparing
    my ($r) = @_;
    return { map { $_ => $r->{$_} } qw(status read loaded rejected deduplicated errors warnings) };
}

# both(what, csv, json, options): the package with the metadata behind the rows and before them; the first.
sub both {
    my ($what, $csv, $json, %opt) = @_;
    my @r = map { $l->once($l->package({}, [], csv => $csv, json => $json, json_first => $_), %opt) } 0, 1;
    is_deeply(outcome($r[1]), outcome($r[0]), "$what: the order in the archive changes nothing") or diag explain [map { outcome($_) } @r];
    return $r[0];
}

# ---- interim assessment blocks -----------------------------------------------------------------
my %blocks = ('Identification.Type' => 'INTERIM ASSESSMENT BLOCKS');
my @overall = qw(AssessmentSubtestResultScoreValue AssessmentSubtestMinimumValue AssessmentSubtestMaximumValue AssessmentPerformanceLevelIdentifier);
my %claim1 = (AssessmentType => 'Interim Assessment Blocks', AssessmentSubtestResultScoreClaim1Value => 1500, AssessmentSubtestClaim1MinimumValue => 1450,
    AssessmentSubtestClaim1MaximumValue => 1550, AssessmentClaim1PerformanceLevelIdentifier => 2, map { $_ => '' } @overall);
my $r = both('blocks', $l->csv([{%claim1}, { %claim1, AssessmentClaim1PerformanceLevelIdentifier => 3 },
    { %claim1, AssessmentSubtestResultScoreClaim2Value => 1, AssessmentSubtestClaim2MinimumValue => 1, AssessmentSubtestClaim2MaximumValue => 1, AssessmentClaim2PerformanceLevelIdentifier => 9 }]),
    $l->metadata(\%blocks));
is_deeply([@$r{qw(status loaded rejected warnings)}], ['udl.ingested', 3, 0, []], 'blocks need no overall scores, and claims beyond the first do not matter');
is_deeply(table($r, 'file_line, asmt_type, asmt_score, asmt_perf_lvl, asmt_claim_1_score, asmt_claim_1_perf_lvl', 'asmt_outcome')->[1],
    [3, 'INTERIM ASSESSMENT BLOCKS', undef, undef, 1500, 3], 'what is stored');
is_deeply(table($r, 'asmt_type', 'asmt'), [['INTERIM ASSESSMENT BLOCKS']], 'of such an assessment');
$r = both('summative without scores', $l->csv([{}, { map { $_ => '' } @overall }, {}]), $l->metadata);
is_deeply([@$r{qw(loaded rejected)}, map { [@$_{qw(line column code)}] } @{ $r->{errors} }], [2, 1, map { [3, $_, 3101] } @overall],
    'other assessments need them');
is(scalar @{ table($r, 'file_line', 'asmt_outcome') }, 2, 'the row is not there');
is_deeply([map { $_->[4] } $l->rejected($r->{batch})], [('s2') x 4], 'its student is named');

# ---- scores that do not fit --------------------------------------------------------------------
my %claim2 = (AssessmentSubtestResultScoreClaim2Value => 1500, AssessmentSubtestClaim2MinimumValue => 1450,
    AssessmentSubtestClaim2MaximumValue => 1550, AssessmentClaim2PerformanceLevelIdentifier => 2);
my @odd = ({ %claim2 }, { %claim2, AssessmentSubtestResultScoreClaim2Value => '' }, { %claim2, AssessmentSubtestClaim2MinimumValue => 1560 },
    { %claim2, AssessmentClaim2PerformanceLevelIdentifier => 4 }, { AssessmentSubtestResultScoreValue => 3000 }, { %claim2, AssessmentSubtestResultScoreClaim2Value => 3000 },
    { AssessmentPerformanceLevelIdentifier => 6 }, { AssessmentPerformanceLevelIdentifier => 0, AssessmentType => 'INTERIM COMPREHENSIVE' },
    { AssessmentType => 'INTERIM COMPREHENSIVE', AssessmentAcademicSubject => 'ELA' }, { Op => 'D', AssessmentPerformanceLevelIdentifier => 7 },
    { Sex => '', AssessmentPerformanceLevelIdentifier => 8 });
$r = both('odd scores', $l->csv(\@odd), $l->metadata);
is_deeply([@$r{qw(read loaded rejected)}], [11, 8, 3], 'what loads of them');
is_deeply([map { [@$_{qw(line column code)}] } @{ $r->{errors} }],
    [[8, 'AssessmentPerformanceLevelIdentifier', 3124], [9, 'AssessmentPerformanceLevelIdentifier', 3124], [12, 'Sex', 3101]], 'levels that no report can show reject the row');
is_deeply([map { [@$_{qw(line column code count)}] } @{ $r->{warnings} }],
    [[9, 'AssessmentType', 3120, 2], [10, 'AssessmentAcademicSubject', 3120, 1], [6, 'AssessmentSubtestResultScoreValue', 3126, 1],
     [3, 'AssessmentSubtestResultScoreClaim2Value', 3123, 1], [7, 'AssessmentSubtestResultScoreClaim2Value', 3126, 1],
     [4, 'AssessmentSubtestClaim2MinimumValue', 3127, 1], [5, 'AssessmentClaim2PerformanceLevelIdentifier', 3125, 1]], 'the rest is said');
my $strict = $l->ini('strict.ini', 'tenant.nc.policy = other-type=reject, score-range=reject, no-level=accept');
$r = both('a stricter policy', $l->csv(\@odd), $l->metadata, ini => $strict);
is_deeply([@$r{qw(loaded rejected)}, map { "$_->{line}/$_->{code}" } @{ $r->{errors} }],
    [6, 5, '6/3126', '7/3126', '9/3120', '10/3120', '10/3120', '12/3101'], 'holds for what is judged at the end too');
for my $first (0, 1) {
    $r = $l->once($l->package({}, [], csv => $l->csv(\@odd), json_first => $first), ini => $l->ini('fail.ini', 'tenant.nc.policy = score-range=fail, no-level=accept'));
    is_deeply([$r->{status}, $r->{errors}[0]{reason}], ['udl.failed', 'line 6, AssessmentSubtestResultScoreValue: a score outside of what the metadata says (code 3126)'],
        'a policy that fails the batch names the row');
}
$r = both('the same twice', $l->csv([{ StudentIdentifier => 'a', AssessmentPerformanceLevelIdentifier => 9 }, { StudentIdentifier => 'a' }, { StudentIdentifier => 'b' }]), $l->metadata);
is_deeply([@$r{qw(loaded rejected deduplicated)}], [2, 1, 0], 'a row that is rejected is no duplicate');
$r = $l->once_dir($l->csv([map { { StudentIdentifier => 's' . $_ % 1500 } } 1 .. 4500]));
is_deeply([@$r{qw(loaded deduplicated)}, $r->{warnings}[0]{count}, $r->{warnings}[0]{line}], [4500, 3000, 3000, 1502], 'duplicates are counted exactly, however many');
$r = $l->once_dir($l->csv([{ StudentIdentifier => 'a' }, {}, { StudentIdentifier => 'a' }]), undef, ini => $l->ini('dup.ini', 'tenant.nc.policy = duplicate=fail'));
is($r->{errors}[0]{reason}, 'line 4: the same student, assessment and day as line 2, which does not count (code 3128)', 'a tenant may refuse files with duplicates');

# ---- levels and claims -------------------------------------------------------------------------
$r = both('six levels', $l->csv([{ AssessmentPerformanceLevelIdentifier => 6 }, { AssessmentPerformanceLevelIdentifier => 7 }]),
    $l->metadata({ 'PerformanceLevels.Level6' => { Name => 'Top', CutPoint => 1900 }, 'Claims.Claim5' => { Name => 'Five', MinScore => 1, MaxScore => '' } }));
is_deeply([@$r{qw(loaded rejected)}], [1, 1], 'a seventh is none of them');
is_deeply([map { [decode_json($_->[0]), decode_json($_->[1])] } @{ table($r, 'levels, claims', 'asmt') }],
    [[[{ level => 6, name => 'Top', cut_point => 1900 }], [{ claim => 5, name => 'Five', score_min => 1, score_max => undef }]]], 'they are stored');
$r = both('three levels', $l->csv([{ AssessmentPerformanceLevelIdentifier => 3, AssessmentAcademicSubject => 'Science' }, { AssessmentPerformanceLevelIdentifier => 4, AssessmentAcademicSubject => 'Science' }]),
    $l->metadata({ 'Identification.Subject' => 'Science', map { ("PerformanceLevels.Level$_" => { Name => '', CutPoint => '' }) } 4, 5 }));
is_deeply([@$r{qw(loaded rejected)}], [1, 1], 'of another subject');
is_deeply(table($r, 'asmt_subject', 'asmt'), [['Science']], 'stored as it is');
$r = $l->once_dir($l->csv([{}]), $l->metadata({ 'PerformanceLevels.Level1.Name' => 'x' x 30 }));
is_deeply($r->{warnings}, [{ line => 0, column => 'PerformanceLevels.Level1.Name', code => 3103, count => 1, reason => 'longer than 25 characters, cut' }],
    'a name that is cut is said');

# ---- student registration ----------------------------------------------------------------------
$r = both('registration', $l->students([{ DemographicRaceTwoOrMoreRaces => 'Yes', Section504Status => '' },
    { Sex => 'M', Birthdate => '03-15-2006', White => 'y' }, { Birthdate => '20060315', GradeLevelWhenAssessed => 'UG' }]), $l->registration);
is_deeply([@$r{qw(status read loaded rejected deduplicated)}], ['udl.ingested', 3, 3, 0, 0], 'loads') or diag explain $r;
is_deeply([map { [@$_{qw(line column code)}] } @{ $r->{warnings} }], [[3, 'Sex', 3116], [3, 'Birthdate', 3129], [4, 'GradeLevelWhenAssessed', 3117]], 'with warnings');
is_deeply(table($r, 'file_line, student_id, sex, birthdate, enrl_grade, dmg_multi_race, dmg_prg_504, dmg_eth_wht, us_school_entry_date, state_name', 'student_reg'),
    [[2, 's1', 'female', '20060708', '03', 't', undef, 'f', '20120901', 'North Carolina'], [3, 's2', 'male', '20060315', '03', 'f', 'f', 't', '20120901', 'North Carolina'],
     [4, 's3', 'female', '20060315', 'UG', 'f', 'f', 'f', '20120901', 'North Carolina']], 'as typed rows');
is_deeply(table($r, 'student_reg_guid, academic_year, extract_date, reg_system_id', 'registration'), [['reg-1', 2016, '2015-09-01', 'sys-1']], 'with its metadata');
my ($type, $operation, $criteria, $notification) = stats($r);
is_deeply([$type, $operation, decode_json($criteria)], ['studentregistration', 's', { reg_system_id => 'sys-1', academic_year => 2016 }], 'a snapshot');
is_deeply([@$notification{qw(student_reg_guid reg_system_id academic_year callback_url total_rows_loaded)}],
    ['reg-1', 'sys-1', 2016, 'https://reg.example.org/cb', 3], 'whose sender will hear of it');
is(sql_one("SELECT content_key FROM $l->{udl}.batch WHERE batch_guid = '$r->{batch}'"), 'reg:2016:sys-1', 'in the order of such snapshots');

$r = both('bad registrations', $l->students([{ ExternalSSID => '' }, { Asian => '' }, { Asian => 'Never' }, { Birthdate => '4/3/99' }, { LEPExitDate => '2014-02-30' },
    { StateAbbreviation => 'CA' }, { StateName => '' }, { Sex => '' }, { GradeLevelWhenAssessed => 14 }, 'NC', {}]), $l->registration);
is_deeply([@$r{qw(loaded rejected)}, map { [@$_{qw(line column code)}] } @{ $r->{errors} }], [1, 10, [2, 'ExternalSSID', 3101], [3, 'Asian', 3101],
    [4, 'Asian', 3113], [5, 'Birthdate', 3108], [6, 'LEPExitDate', 3107], [7, 'StateAbbreviation', 3119], [8, 'StateName', 3101], [9, 'Sex', 3101],
    [10, 'GradeLevelWhenAssessed', 3114], [11, undef, 3008]], 'each is named');
is(($l->rejected($r->{batch}))[1][4], 's2', 'with its student');
$r = $l->once_dir($l->students([{ StudentIdentifier => 'a' }, { StudentIdentifier => 'a', FirstName => 'Later' }, { StudentIdentifier => 'a', ResponsibleSchoolIdentifier => 'sch2' }]), $l->registration);
is_deeply([@$r{qw(loaded deduplicated)}, $r->{warnings}[0]{reason}], [3, 1, 'the same student and school as line 2, which does not count'], 'a student is once at a school');
is((stats($r))[3]{total_rows_loaded}, 2, 'and counted so');
$r = both('a 34th column', $l->students([{}], header => [@Smarter::Loader::registered, 'ConfirmationCode']), $l->registration);
is($r->{errors}[0]{reason}, 'header on line 1: columns of no known name: ConfirmationCode (code 3006)', 'is refused');
is($r->{errors}[0]{code}, 3006, 'with its code');
$r = $l->once_dir($l->students([{}]), $l->registration({ 'Source.TestRegSysID' => '', 'Identification.Guid' => undef }));
is($r->{errors}[0]{reason}, 'in the metadata: Identification.Guid is missing; Source.TestRegSysID: a required value is empty (code 3013)', 'metadata with gaps');
for my $first (0, 1) {
    my $r = $l->once($l->package({}, [], csv => $l->students([{}]), json => $l->metadata, json_first => $first));
    like($r->{errors}[0]{reason}, qr/the columns are those of student registration, the metadata says results of an assessment.*\(code 3006\)/, 'students with the metadata of results');
    $r = $l->once($l->package({}, [], csv => $l->csv([{}]), json => $l->registration, json_first => $first));
    like($r->{errors}[0]{reason}, qr/the columns are those of results of an assessment, the metadata says student registration.*\(code 3006\)/, 'and the other way round');
}

# ---- .err files --------------------------------------------------------------------------------
my $err = '{"content":"error","tsb_error":[{"err_code":12,"err_code_text":"X","err_source":1,"err_source_text":null,"err_input":"y"}]}';
my $with = sub { my ($err, %more) = @_; return $l->once($l->package({}, [], members => { 'b.json' => $l->metadata({ 'Source.CallbackURL' => 'https://a.example/cb' }), 'c.err' => $err, %more })) };
$r = $with->($err, 'a.csv' => $l->csv([{}]));
($type, $operation, $criteria, $notification) = stats($r);
is_deeply([$r->{status}, $notification->{error_desc}, $notification->{tsb_error}[0]{err_code}, $notification->{udl_phase_step_status}],
    ['udl.ingested', 'tsb error', 12, 'SUCCESS'], 'an .err file travels on with what was loaded');
$r = $with->($err);
$notification = (stats($r))[3];
is_deeply([$r->{status}, $notification->{error_desc}, $notification->{tsb_error}[0]{err_input}, $notification->{callback_url}],
    ['udl.failed', 'tsb error', 'y', 'https://a.example/cb'], 'and alone, as a failure');
is_deeply([$l->files('work')], [], 'of which nothing stays');
$r = $with->('{"content":"fine"}', 'a.csv' => $l->csv([{}]));
is_deeply([$r->{status}, (stats($r))[3]{tsb_error}], ['udl.ingested', undef], 'without an error it says nothing');
like($with->('{"content":"fine"}')->{errors}[0]{reason}, qr/no \.csv/, 'and needs a CSV');
for (['{', qr/the \.err file is no JSON.*3012/], ['{}', qr/content is missing.*3013/], ['{"content":"error"}', qr/tsb_error: want a list/],
    ['{"content":"error","tsb_error":[1]}', qr/tsb_error\[0\] is no object/],
    ['{"content":"error","tsb_error":[{"err_code":1},{"err_code":"1"}]}', qr/tsb_error\[1\]\.err_code: want a number/]) {
    my $r = $with->($_->[0], 'a.csv' => $l->csv([{}]));
    like($r->{errors}[0]{reason} // '', $_->[1], "an .err file $_->[0]");
}

# ---- a package at fault: the metadata behind the CSV still says whom to tell --------------------
for (['a header', $l->csv([{}]) =~ s/Sex/Gender/r, qr/header on line 1/], ['a row', $l->csv([{}, { AssessmentGuid => 'other' }]) , qr/line 3/],
    ['a quote left open', $l->csv([{}]) . "\n\"x", qr/never closed/], ['nothing', '', qr/is empty/]) {
    my ($what, $csv, $reason) = @$_;
    my $r = $l->once($l->package({ 'Source.CallbackURL' => 'https://a.example/cb' }, [], csv => $csv));
    like($r->{errors}[0]{reason}, $reason, "$what at fault");
    is((stats($r))[3]{callback_url}, 'https://a.example/cb', 'its sender is known');
}
my %fault = ('b.csv' => "x,y\n1,2\n", 'c.err' => $err);
for (['before', 'a.json', 'b.csv', 'c.err'], ['behind', 'd.json', 'b.csv', 'c.err'], ['between', 'bb.json', 'b.csv', 'c.err'], ['last', 'b.json', 'a.csv', 'a.err']) {
    my ($where, $json, $csv, $errs) = @$_;
    my $r = $l->once($l->package({}, [], members => { $json => $l->metadata({ 'Source.CallbackURL' => 'https://a.example/cb' }), $csv => $fault{'b.csv'}, $errs => $err }));
    is_deeply([$r->{status}, @{ (stats($r))[3] }{qw(callback_url)}, (stats($r))[3]{tsb_error}[0]{err_code}], ['udl.failed', 'https://a.example/cb', 12],
        "the .err file of a bad CSV goes on, the metadata being $where");
}
for my $first ('other', 'asmt-1') {
    my @rows = map { { AssessmentGuid => $_ } } $first, $first eq 'other' ? 'asmt-1' : 'other';
    my @r = map { $l->once($l->package({}, \@rows, json_first => $_)) } 0, 1;
    is($r[0]{errors}[0]{reason}, $r[1]{errors}[0]{reason}, "of two assessments the other one is blamed, wherever the metadata is ($first first)");
}
$r = $l->once($l->package({ 'Overall.MinScore' => undef }, [], csv => $l->csv([{}]) =~ s/Sex/Gender/r));
like($r->{errors}[0]{reason}, qr/\Aheader on line 1: .*; in the metadata: Overall\.MinScore is missing \(code 3013\)\z/, 'both at fault: both are named');

finish();
