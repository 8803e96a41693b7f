# Results of students as CSV, byte by byte against rows known here; their descriptions; names of files; which rows.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;
use Smarter::Extracts;

need('postgres');
$ENV{TZ} = 'UTC';

my $state = env('SMARTER_STATE');
my $year = 2071;
my $one = school('XD1', 'Alpha, District', 'XS1', "School \"One\"");
my $two = school('XD2', 'Beta District', 'XS2', 'School Two');
my $math = assessment('SUMMATIVE', $year, 'Math', asmt_period => 'Spring "71', asmt_perf_lvl_name_1 => 'Low',
    asmt_perf_lvl_name_2 => "H\x{f6}her", asmt_perf_lvl_name_4 => "\x{1F600}", asmt_cut_point_1 => 1300, asmt_cut_point_2 => 1400,
    asmt_claim_1_name => "Back\\slash", asmt_claim_perf_lvl_name_3 => 'Above');
my $interim = assessment('INTERIM COMPREHENSIVE', $year, 'ELA');
my $block = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', asmt_claim_1_name => 'claim / name and more', effective_date => '20711130');
my $odd = assessment('SUMMATIVE', $year, 'ELA');

my %flags = (dmg_eth_hsp => \1, dmg_eth_ami => \0, dmg_eth_asn => undef, dmg_eth_blk => \0, dmg_eth_pcf => \0, dmg_eth_wht => \1, dmg_eth_2om => \1);
my @people = (    # id, last, first, more of the student, more of the result
    ['X-3', 'Zeta', 'Ann'],
    ['X-1', 'alpha', "Co,mma", { middle_name => "Quo\"te", group_1_id => "\\N", group_1_text => "tab\there", group_2_text => "back\\slash",
        group_3_text => "line\nfeed", group_4_text => "re\rturn", group_10_id => '=1+1', birthdate => '20600102', external_student_id => '' },
        { %flags, complete => undef, administration_condition => 'IN', acc_scribe_nonembed => 12, where_taken_id => 'W1', where_taken_name => 'Gym',
          asmt_claim_1_score => 1500, asmt_claim_1_perf_lvl => 2, asmt_claim_1_score_range_min => 1490, asmt_claim_1_score_range_max => 1510,
          asmt_claim_4_score => 1700, asmt_claim_4_perf_lvl => 3, asmt_claim_4_score_range_min => 1690, asmt_claim_4_score_range_max => 1710 }],
    ['X-2', 'Zeta', 'Ann', { middle_name => 't' }, { complete => \0 }],
    ["X-4", "\x{c9}mile", 'f', { sex => 'NS' }],
    ['X-5', undef, undef],
);
for my $person (@people) {
    my ($id, $last, $first, $student, $result) = @$person;
    my $s = student($id, last_name => $last, first_name => $first, %{ $student // {} });
    results($one, student => $s, asmt => $math, year => $year, subject => 'Math', grade => '03', level => 3, %{ $result // {} });
}
# Not in that file: another grade, another school, superseded, another year.
my $other = student('X-9', last_name => 'Elsewhere', first_name => 'Bob');
results($one, student => student('X-6', last_name => 'Grade'), asmt => $math, year => $year, subject => 'Math', grade => '04');
results($two, student => $other, asmt => $math, year => $year, subject => 'Math', grade => '03', dmg_prg_iep => \1);
results($one, student => student('X-7', last_name => 'Old'), asmt => $math, year => $year, subject => 'Math', grade => '03', status => 'I');
results($two, student => $other, asmt => $interim, type => 'INTERIM COMPREHENSIVE', year => $year, subject => 'ELA', grade => '11');
results($two, student => $other, asmt => $block, type => 'INTERIM ASSESSMENT BLOCKS', year => $year, subject => 'Math', grade => '03',
    asmt_claim_1_score => 1234, asmt_claim_1_score_range_min => 1200, asmt_claim_1_score_range_max => 1300, level => 2);
put();

my $when = 3_200_000_000_000_000;    # 2071-05-28 00:53:20 UTC
my $ts = '05-28-2071_00-53-20';
my %asked = (stateCode => $state, asmtYear => "$year", asmtType => ['SUMMATIVE'], asmtSubject => ['Math']);
my @opt = (when => $when, env => { TZ => 'UTC' });

sub octets { my ($t) = @_; utf8::encode($t) if defined $t; return $t }

# ---- the bytes ---------------------------------------------------------------------------------------

my %common = (AssessmentGuid => $math->{guid}, AssessmentLevelForWhichDesigned => '03', StateAbbreviation => $state,
    ResponsibleDistrictIdentifier => 'XD1', OrganizationName => 'Alpha, District', ResponsibleSchoolIdentifier => 'XS1',
    NameOfInstitution => 'School "One"', Sex => 'male', GradeLevelWhenAssessed => '03', AssessmentAdministrationFinishDate => "${year}0405",
    AssessmentSubtestResultScoreValue => 1800, AssessmentSubtestMinimumValue => 1790, AssessmentSubtestMaximumValue => 1810,
    AssessmentPerformanceLevelIdentifier => 3, (map { $_ => 'False' } qw(IDEAIndicator LEPStatus Section504Status EconomicDisadvantageStatus
    MigrantStatus)), AssessmentType => 'SUMMATIVE', AssessmentYear => $year, AssessmentAcademicSubject => 'Math',
    (map { $_ => 0 } grep { /^Accommodation/ } columns()), CompleteStatus => 'Complete');
my %line = (
    'X-1' => csv_line(%common, StudentIdentifier => 'X-1', LastOrSurname => 'alpha', FirstName => 'Co,mma', MiddleName => 'Quo"te',
        Group1Id => '\\N', Group1Text => "tab\there", Group2Text => 'back\\slash', Group3Text => "line\nfeed", Group4Text => "re\rturn", Group10Id => '=1+1',
        Birthdate => '20600102', HispanicOrLatinoEthnicity => 'True', AmericanIndianOrAlaskaNative => 'False', Asian => '',
        BlackOrAfricanAmerican => 'False', NativeHawaiianOrOtherPacificIslander => 'False', White => 'True',
        DemographicRaceTwoOrMoreRaces => 'True', CompleteStatus => '', AdministrationCondition => 'IN', AccommodationScribe => 12,
        AssessmentSessionLocationId => 'W1', AssessmentSessionLocation => 'Gym', AssessmentSubtestResultScoreClaim1Value => 1500,
        AssessmentClaim1PerformanceLevelIdentifier => 2, AssessmentSubtestClaim1MinimumValue => 1490, AssessmentSubtestClaim1MaximumValue => 1510,
        AssessmentSubtestResultScoreClaim4Value => 1700, AssessmentClaim4PerformanceLevelIdentifier => 3,
        AssessmentSubtestClaim4MinimumValue => 1690, AssessmentSubtestClaim4MaximumValue => 1710),
    'X-2' => csv_line(%common, StudentIdentifier => 'X-2', LastOrSurname => 'Zeta', FirstName => 'Ann', MiddleName => 't', CompleteStatus => 'Partial'),
    'X-3' => csv_line(%common, StudentIdentifier => 'X-3', LastOrSurname => 'Zeta', FirstName => 'Ann'),
    'X-4' => csv_line(%common, StudentIdentifier => 'X-4', LastOrSurname => octets("\x{c9}mile"), FirstName => 'f', Sex => 'NS'),
    'X-5' => csv_line(%common, StudentIdentifier => 'X-5'),
    'X-9' => csv_line(%common, StudentIdentifier => 'X-9', LastOrSurname => 'Elsewhere', FirstName => 'Bob', ResponsibleDistrictIdentifier => 'XD2',
        OrganizationName => 'Beta District', ResponsibleSchoolIdentifier => 'XS2', NameOfInstitution => 'School Two', AssessmentPerformanceLevelIdentifier => 1,
        IDEAIndicator => 'True'),
);
my $r = extract(studentAssessment => { %asked, schoolId => ['XS1'] }, @opt);
is($r->{exit}, 0, 'one school: done') or diag $r->{err};
my $third = "ASMT_${year}_GRADE_03_MATH_SUMMATIVE_${ts}_$math->{guid}.csv";
my $fourth = "ASMT_${year}_GRADE_04_MATH_SUMMATIVE_${ts}_$math->{guid}.csv";
my $about = "METADATA_ASMT_${year}_${state}_GRADE_03_MATH_SUMMATIVE_$math->{guid}.json";
is_deeply([names_of($r)], [sort $third, $fourth, $about, $about =~ s/_03_/_04_/r], 'a CSV and a description for each grade');
my @order = sql("SELECT student_id FROM " . env('SMARTER_SCHEMA') . ".dim_student WHERE student_id IN ('X-1','X-2','X-3','X-4','X-5')"
    . ' AND from_date = \'20150101\' ORDER BY last_name, first_name, student_id');
my @ids = map { $_->[0] } @order;
is($r->{files}{$third}, header() . join('', @line{@ids}), 'the bytes of the CSV');
is($ids[-1], 'X-5', 'who has no name comes last');
cmp_ok((grep { $ids[$_] eq 'X-2' } 0 .. 4)[0], '<', (grep { $ids[$_] eq 'X-3' } 0 .. 4)[0], 'equal names: by id');
is($r->{rows}, 6, 'rows of both files');
like($r->{data_version}, qr/\A\d+\z/, 'of which version');

# ---- the description ---------------------------------------------------------------------------------

is($r->{files}{$about}, <<"JSON" =~ s/\n\z//r, 'the bytes of the description');
{
    "content": "assessment",
    "Identification": {
        "Guid": "$math->{guid}",
        "Type": "SUMMATIVE",
        "Year": "$year",
        "Period": "Spring \\"71",
        "Version": "1",
        "Subject": "Math",
        "EffectiveDate": "20150101"
    },
    "Overall": {
        "MinScore": "1200",
        "MaxScore": "2400"
    },
    "PerformanceLevels": {
        "Level1": {
            "Name": "Low"
        },
        "Level2": {
            "Name": "H\\u00f6her",
            "CutPoint": "1300"
        },
        "Level3": {
            "Name": "",
            "CutPoint": "1400"
        },
        "Level4": {
            "Name": "\\ud83d\\ude00",
            "CutPoint": ""
        },
        "Level5": {
            "Name": "",
            "CutPoint": ""
        }
    },
    "Claims": {
        "Claim1": {
            "Name": "Back\\\\slash",
            "MinScore": "1200",
            "MaxScore": "2400"
        },
        "Claim2": {
            "Name": "",
            "MinScore": "1200",
            "MaxScore": "2400"
        },
        "Claim3": {
            "Name": "",
            "MinScore": "1200",
            "MaxScore": "2400"
        },
        "Claim4": {
            "Name": "",
            "MinScore": "",
            "MaxScore": ""
        }
    },
    "ClaimsPerformanceLevel": {
        "Level1": {
            "Name": ""
        },
        "Level2": {
            "Name": ""
        },
        "Level3": {
            "Name": "Above"
        }
    }
}
JSON
my $check = Smarter::Test::run({}, 'python3', '-c', 'import json,sys; t=open(sys.argv[1]).read(); assert json.dumps(json.loads(t), indent=4) == t',
    spew(tmpdir() . '/m.json', $r->{files}{$about}));
is($check->{exit}, 0, 'as Python writes it');
sql("INSERT INTO " . env('SMARTER_SCHEMA') . ".dim_asmt SELECT (jsonb_populate_record(a, jsonb_build_object('asmt_rec_id', asmt_rec_id + 500000, 'rec_status', 'I'))).*"
    . ' FROM ' . env('SMARTER_SCHEMA') . ".dim_asmt a WHERE asmt_rec_id = $math->{id}");
is(extract(studentAssessment => { %asked, schoolId => ['XS1'] }, @opt)->{files}{$about}, $r->{files}{$about}, 'a superseded description does not matter');

# ---- places and files --------------------------------------------------------------------------------

$r = extract(studentAssessment => { %asked, districtId => ['XD1', 'XD2', 'XD7'], asmtGrade => ['03'] }, @opt);
is_deeply([names_of($r)], [sort $third, $about], 'two districts that meet in one assessment: one file');
is_deeply([sort split /(?<=\r\n)(?=$math->{guid})/, substr $r->{files}{$third}, length header()], [sort values %line], 'with the rows of both');
is(scalar(grep { index($r->{files}{$third}, $_) < 0 } values %line), 0, 'whole lines');
$r = extract(studentAssessment => { %asked, asmtType => ['INTERIM COMPREHENSIVE', 'INTERIM ASSESSMENT BLOCKS', 'SUMMATIVE'], asmtSubject => ['ELA', 'Math'],
        districtId => ['XD2'] }, @opt);
my $iab = "_GRADE_03_MATH_IAB_claimnamea_EFF11-30-2071";
my ($block_csv, $interim_csv) = ("ASMT_${year}${iab}_TS${ts}_$block->{guid}.csv", "ASMT_${year}_GRADE_11_ELA_INTERIM COMPREHENSIVE_${ts}_$interim->{guid}.csv");
is_deeply([names_of($r)], [sort $third, $about, $interim_csv, $block_csv, "METADATA_ASMT_${year}_${state}${iab}_$block->{guid}.json",
    "METADATA_ASMT_${year}_${state}_GRADE_11_ELA_INTERIM COMPREHENSIVE_$interim->{guid}.json"], 'of all kinds');
my %empty = map { $_ => '' } (columns())[39, 40, 42, 43, 46 .. 57];
is($r->{files}{$block_csv}, header() . csv_line(%common, StudentIdentifier => 'X-9', LastOrSurname => 'Elsewhere', FirstName => 'Bob',
    ResponsibleDistrictIdentifier => 'XD2', OrganizationName => 'Beta District', ResponsibleSchoolIdentifier => 'XS2', NameOfInstitution => 'School Two',
    AssessmentGuid => $block->{guid}, AssessmentType => 'INTERIM ASSESSMENT BLOCKS', AssessmentSubtestResultScoreValue => 1234,
    AssessmentPerformanceLevelIdentifier => 2, AssessmentSubtestClaim1MinimumValue => 1200, AssessmentSubtestClaim1MaximumValue => 1300, %empty), 'a block');
like($r->{files}{$interim_csv}, qr/\A[^\r]+\r\n\Q$interim->{guid}\E,[^\r\n]*,INTERIM COMPREHENSIVE,$year,ELA,[^\r\n]*\r\n\z/, 'an interim comprehensive one');
is((keys %{ extract(studentAssessment => { %asked, schoolId => ['XS1'], async => 'true' }, @opt)->{files} })[0] =~ /^(?:METADATA_)?ASMT_${year}_${state}_GRADE/, 1,
    'for later: names tell the state');

# ---- each column from where it belongs -----------------------------------------------------------------
# A value of its own in each; of flags, which have only two, a pattern of its own over four students.

my %in_student = (FirstName => 'first_name', MiddleName => 'middle_name', LastOrSurname => 'last_name', ExternalSSID => 'external_student_id',
    map { ("Group${_}Id" => "group_${_}_id", "Group${_}Text" => "group_${_}_text") } 1 .. 10);
my %in_fact = (AccommodationAmericanSignLanguage => 'acc_asl_video_embed', AccommodationNoiseBuffer => 'acc_noise_buffer_nonembed',
    AccommodationPrintOnDemandItems => 'acc_print_on_demand_items_nonembed', AccommodationBraille => 'acc_braile_embed',
    AccommodationClosedCaptioning => 'acc_closed_captioning_embed', AccommodationTextToSpeech => 'acc_text_to_speech_embed',
    AccommodationAbacus => 'acc_abacus_nonembed', AccommodationAlternateResponseOptions => 'acc_alternate_response_options_nonembed',
    AccommodationCalculator => 'acc_calculator_nonembed', AccommodationMultiplicationTable => 'acc_multiplication_table_nonembed',
    AccommodationPrintOnDemand => 'acc_print_on_demand_nonembed', AccommodationReadAloud => 'acc_read_aloud_nonembed',
    AccommodationScribe => 'acc_scribe_nonembed', AccommodationSpeechToText => 'acc_speech_to_text_nonembed', AccommodationStreamlineMode => 'acc_streamline_mode');
my %in_whole = (%in_fact, AssessmentSubtestResultScoreValue => 'asmt_score', AssessmentSubtestMinimumValue => 'asmt_score_range_min',
    AssessmentSubtestMaximumValue => 'asmt_score_range_max', AssessmentPerformanceLevelIdentifier => 'asmt_perf_lvl',
    map { ("AssessmentSubtestResultScoreClaim${_}Value" => "asmt_claim_${_}_score", "AssessmentClaim${_}PerformanceLevelIdentifier" => "asmt_claim_${_}_perf_lvl",
        "AssessmentSubtestClaim${_}MinimumValue" => "asmt_claim_${_}_score_range_min", "AssessmentSubtestClaim${_}MaximumValue" => "asmt_claim_${_}_score_range_max") } 1 .. 4);
my %in_block = (%in_fact, AssessmentSubtestResultScoreValue => 'asmt_claim_1_score', AssessmentPerformanceLevelIdentifier => 'asmt_claim_1_perf_lvl',
    AssessmentSubtestClaim1MinimumValue => 'asmt_claim_1_score_range_min', AssessmentSubtestClaim1MaximumValue => 'asmt_claim_1_score_range_max');
my @flags = ([HispanicOrLatinoEthnicity => 'dmg_eth_hsp'], [AmericanIndianOrAlaskaNative => 'dmg_eth_ami'], [Asian => 'dmg_eth_asn'],
    [BlackOrAfricanAmerican => 'dmg_eth_blk'], [NativeHawaiianOrOtherPacificIslander => 'dmg_eth_pcf'], [White => 'dmg_eth_wht'],
    [DemographicRaceTwoOrMoreRaces => 'dmg_eth_2om'], [IDEAIndicator => 'dmg_prg_iep'], [LEPStatus => 'dmg_prg_lep'], [Section504Status => 'dmg_prg_504'],
    [EconomicDisadvantageStatus => 'dmg_sts_ecd'], [MigrantStatus => 'dmg_sts_mig']);
my $number = 300;
my %number = map { $_ => $number++ } sort values %in_whole;
$number{asmt_perf_lvl} = 4;
for my $i (0 .. 3) {
    my %row = (student => student("C-$i", sex => 'female', birthdate => '20610203', map { $in_student{$_} => "of $_" } keys %in_student), year => $year, subject => 'Math',
        grade => '05', where_taken_id => 'taken-id', where_taken_name => 'taken', enrl_grade => 'enrolled', administration_condition => 'SD',
        map { $flags[$_][1] => ($_ + 1) >> $i & 1 ? \1 : \0 } 0 .. $#flags);
    results($one, %row, asmt => $math, map { $_ => $number{$_} } values %in_whole);
    results($one, %row, asmt => $block, type => 'INTERIM ASSESSMENT BLOCKS', map { $_ => $number{$_} } values %in_block);
}
put();
sub distinct {
    my ($in, %more) = @_;
    return map { my $i = $_; csv_line(%common, AssessmentLevelForWhichDesigned => '05', StudentIdentifier => "C-$i", Sex => 'female', Birthdate => '20610203',
        (map { $_ => "of $_" } keys %in_student), AssessmentSessionLocationId => 'taken-id', AssessmentSessionLocation => 'taken', GradeLevelWhenAssessed => 'enrolled',
        AdministrationCondition => 'SD', (map { $flags[$_][0] => ($_ + 1) >> $i & 1 ? 'True' : 'False' } 0 .. $#flags), (map { $_ => $number{ $in->{$_} } } keys %$in), %more) } 0 .. 3;
}
my %fifth = (%asked, asmtType => ['SUMMATIVE', 'INTERIM ASSESSMENT BLOCKS'], asmtGrade => ['05']);
my ($whole_csv, $blocks_csv) = ("ASMT_${year}_GRADE_05_MATH_SUMMATIVE_${ts}_$math->{guid}.csv", "ASMT_${year}@{[$iab =~ s/_03_/_05_/r]}_TS${ts}_$block->{guid}.csv");
my $before = extract(studentAssessment => \%fifth, @opt);
is($before->{files}{$whole_csv}, header() . join('', distinct(\%in_whole)), 'each column of a whole assessment');
is($before->{files}{$blocks_csv}, header() . join('', distinct(\%in_block, %empty, AssessmentGuid => $block->{guid}, AssessmentType => 'INTERIM ASSESSMENT BLOCKS')), 'and of a block');

# ---- one snapshot --------------------------------------------------------------------------------------
# While the first rows are waited for, who commits takes one of them away.

my $s = env('SMARTER_SCHEMA');
my $other_hand = fork // die "fork: $!\n";
if (!$other_hand) {
    eval { sql("BEGIN; LOCK TABLE $s.dim_student IN ACCESS EXCLUSIVE MODE;"
        . "DO \$\$ BEGIN FOR i IN 1 .. 500 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = '$s.dim_student'::regclass AND NOT granted);"
        . " PERFORM pg_sleep(0.02); END LOOP; END \$\$;"
        . "UPDATE $s.fact_asmt_outcome_vw SET rec_status = 'I' WHERE student_id = 'C-3' AND asmt_rec_id = $math->{id};"
        . "UPDATE $s.data_version SET version = version + 1; COMMIT") };
    POSIX::_exit($@ ? 1 : 0);
}
wait_until(10, 'the table to be locked', sub { sql_one("SELECT count(*) FROM pg_locks WHERE relation = '$s.dim_student'::regclass AND mode = 'AccessExclusiveLock' AND granted") });
$r = extract(studentAssessment => \%fifth, @opt);
waitpid $other_hand, 0;
is($?, 0, 'somebody commits meanwhile');
is_deeply([@$r{qw(data_version rows)}, $r->{files}{$whole_csv}], [@$before{qw(data_version rows)}, $before->{files}{$whole_csv}], '... and the extract is of the data as it was');
is(extract(studentAssessment => \%fifth, @opt)->{rows}, $before->{rows} - 1, '... and the next one as it is');

# ---- an assessment without a description -----------------------------------------------------------------

sql("UPDATE $s.dim_asmt SET rec_status = 'I' WHERE asmt_rec_id = $interim->{id}");
$r = extract(studentAssessment => { %asked, asmtType => ['INTERIM COMPREHENSIVE'], asmtSubject => ['ELA'] }, @opt);
is_deeply([$r->{exit}, $r->{rows}, map { length $r->{files}{$_} } grep { /METADATA/ } names_of($r)], [0, 1, 0], 'its file is empty, its results are there');

# ---- students and filters ----------------------------------------------------------------------------

my $of = sub {
    my $e = extract(studentAssessment => { %asked, @_ }, @opt);
    return join ' ', sort map { /,(X-\d),/g } grep { defined } $e->{files}{$third};
};
is($of->(studentId => ['X-2', 'X-9', 'nobody']), 'X-2 X-9', 'students by id');
is($of->(dmgPrgIep => ['Y']), 'X-9', 'a filter');
is($of->(complete => ['NS']), 'X-1', 'of what is not stated');
is($of->(complete => ['N', 'NS']), 'X-1 X-2', 'of either');
is($of->(sex => ['not_stated']), '', 'the sex of the result counts');
is($of->(studentGroupId => ['g-9']), '', 'a group nobody is in');
$r = extract(studentAssessment => { %asked, districtId => ['XD7'] }, @opt);
is($r->{status}, 'no_data', 'nothing there');
is($r->{exit}, 1, 'says the status too');
ok(!-e "$r->{dir}/out.zip", 'no archive');

# ---- who ---------------------------------------------------------------------------------------------

sub whose { return { uid => 'u', guid => 'g', grants => [map { [@$_[0 .. 4]] } @_] } }
my $t = env('SMARTER_TENANT');
my $by = sub {
    my ($user, %more) = @_;
    my $e = extract(studentAssessment => { %asked, %more }, @opt, user => $user);
    return $e->{status} // "refused $e->{exit}" if !keys %{ $e->{files} };
    return join ' ', sort map { /,(X-\d),/g } grep { defined } values %{ $e->{files} };
};
is($by->(whose(['SAREXTRACTS', $t, $state, 'XD2', 'XS2'])), 'X-9', 'a school sees its own');
is($by->(whose(['SAREXTRACTS', $t, $state, 'XD2', 'XS1'])), 'no_data', "not another district's school of the same id");
is($by->(whose(['SAREXTRACTS', $t, $state, 'XD1', undef]), districtId => ['XD2']), 'no_data', 'nor what he only names');
is($by->(whose(['SAREXTRACTS', $t, $state, 'XD1', 'XS1'], ['SAREXTRACTS', $t, $state, 'XD2', 'XS2']), asmtGrade => ['03']), 'X-1 X-2 X-3 X-4 X-5 X-9', 'two places together');
is($by->(whose(['SAREXTRACTS', $t, undef, undef, undef]), asmtGrade => ['04']), 'X-6', 'the tenant as a whole');
is($by->(whose(['PII', $t, $state, undef, undef])), 'refused 1', 'another role is none');
is($by->(whose(['SAREXTRACTS', $t, 'ZZ', undef, undef])), 'refused 1', 'nor is the role elsewhere');

finish();
