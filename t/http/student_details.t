# Lists and reports of students where the rules have corners: a student who moved and changed the name, levels from
# three to six, more claims than facts have scores of, orders, conditions; and that what a process remembers
# (settings, names of levels) is never older than the data.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $schema = env('SMARTER_SCHEMA');
my $year = 2047;
my ($list, $report) = ('/data/list_of_students', '/data/individual_student_report');

my $near = school('D001', 'Near District', 'S0001', 'Near School', 'I');    # the sample state has it
my $next = school('D001', 'Near District', 'S0778', 'Next School');
my @levels = ('One', 'Two', 'Three', 'Four', 'Five', 'Six');
my $six = assessment('SUMMATIVE', $year, 'Math', levels => [map { [$levels[$_], $_ ? 1200 + 200 * $_ : undef] } 0 .. 5],
    claims => ['A', 'B', 'C', 'D', 'E'], claim_levels => ['Below', 'Near', 'Above']);
my $three = assessment('SUMMATIVE', $year, 'ELA', levels => [map { [$levels[$_], $_ ? 1200 + 400 * $_ : undef] } 0 .. 2]);
my $interim = assessment('INTERIM COMPREHENSIVE', $year, 'ELA', levels => [map { ["L$_", undef] } 1 .. 4]);
my $early = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', claims => ['Fractions'], claim_levels => ['Below', 'Near', 'Above']);
my $before = assessment('SUMMATIVE', $year - 1, 'Math', levels => [map { [$levels[$_], $_ ? 1500 + 100 * $_ : undef] } 0 .. 3]);

my $old = student('SD-MOVE', first_name => 'Mona', last_name => 'Before', rec_status => 'I', group_1_id => 'g7', group_1_text => 'Seven');
my $new = student('SD-MOVE', first_name => 'Mona', last_name => 'After', group_2_id => 'g8', group_2_text => 'Eight',
    group_4_id => 'g8', group_4_text => 'Eight');
my %who = map { $_->[0] => student("SD-$_->[0]", first_name => $_->[1], middle_name => $_->[2], last_name => $_->[3]) }
    ['N1', undef, 'quincy', 'Adams'], ['N2', 'Bea', '', 'Adams'], ['N3', 'Abe', undef, 'Adams'], ['N4', 'Zed', "\xc3\x9cm", undef];

sub put_result {
    my ($school, $student, $asmt, $type, $subject, %more) = @_;
    results($school, student => $student, asmt => $asmt, type => $type, year => $year, subject => $subject, grade => '05', %more);
}
put_result($near, $old, $three, 'SUMMATIVE', 'ELA', date_taken => "${year}0501");
put_result($next, $new, $six, 'SUMMATIVE', 'Math', date_taken => "${year}0201", asmt_perf_lvl => 6,
    asmt_claim_1_score => 1900, asmt_claim_1_score_range_min => 1880, asmt_claim_1_score_range_max => 1920, asmt_claim_1_perf_lvl => 3,
    asmt_claim_2_score => 1790, asmt_claim_2_perf_lvl => 1, acc_read_aloud_nonembed => 4, acc_scribe_nonembed => 4);
put_result($near, $old, $before, 'SUMMATIVE', 'Math', year => $year - 1, date_taken => ($year - 1) . '0505');
put_result($near, $who{$_}, $three, 'SUMMATIVE', 'ELA') for sort keys %who;
put_result($near, $who{N1}, $six, 'SUMMATIVE', 'Math', administration_condition => 'XX');
put_result($near, $who{N1}, $interim, 'INTERIM COMPREHENSIVE', 'ELA', administration_condition => 'IN', date_taken => "${year}0103");
put_result($near, $who{N1}, $interim, 'INTERIM COMPREHENSIVE', 'ELA', administration_condition => 'NS', date_taken => "${year}0102");
put_result($near, $old, $early, 'INTERIM ASSESSMENT BLOCKS', 'Math', grade => '04', date_taken => "${year}0310", administration_condition => 'NS');
put_result($near, $new, $early, 'INTERIM ASSESSMENT BLOCKS', 'Math', grade => '05', date_taken => "${year}0210", complete => \0);
put_result($near, $new, $early, 'INTERIM ASSESSMENT BLOCKS', 'Math', grade => '04', date_taken => "${year}0311", administration_condition => 'SD');
metadata(JSON::PP->new->encode({ branding => { display => 'First' } }));
put();

my %jar = map { $_ => sign_in($_) } qw(state school);
my %near = (stateCode => $state, districtId => 'D001', schoolId => 'S0001', asmtYear => $year);
my %move = (stateCode => $state, studentId => 'SD-MOVE', asmtYear => $year, asmtType => 'SUMMATIVE');

sub ask {
    my ($path, $who, %params) = @_;
    my $answer = post_json($path, \%params, jar => $jar{$who});
    return { %$answer, data => $answer->{status} == 200 ? json($answer) : undef };
}
sub data {
    my $answer = ask(@_);
    is($answer->{status}, 200, "$_[0] of the $_[1]") or diag($answer->{body});
    return $answer->{data} // {};
}
sub crumbs { [map { $_->{name} } @{ $_[0]{context}{items} }] }

subtest 'a student who moved, with another name' => sub {
    my $all = data($report, 'state', %move);
    is_deeply([map { "$_->{asmt_subject} $_->{school_id} $_->{student_full_name}" } @{ $all->{all_results} }],
        ['Math S0778 Mona After', 'ELA S0001 Mona Before'], 'results of both schools, each with the name of its time');
    is_deeply([@{ crumbs($all) }[2 .. 5]], ['Near District', 'Next School', '05', 'Mona After'], 'the way to the first result that is shown');
    my $some = data($report, 'school', %move);
    is_deeply([map { $_->{school_id} } @{ $some->{all_results} }], ['S0001'], 'one school sees its own');
    is($some->{context}{items}[-1]{name}, 'Mona Before', 'and the name it knew');
    unlike(ask($report, 'school', %move)->{body}, qr/After|Next School/, 'nothing of the other');
    is_deeply($some->{asmt_administration}, $all->{asmt_administration}, 'what was administered is the same for both');
    is_deeply([map { "$_->{asmt_period_year} $_->{asmt_type} " . ($_->{date_taken} // '-') } @{ $all->{asmt_administration} }],
        ["$year SUMMATIVE ${year}0501", "$year SUMMATIVE ${year}0201", $year - 1 . ' SUMMATIVE ' . ($year - 1) . '0505',
        "$year INTERIM ASSESSMENT BLOCKS -"], 'of all years and kinds');
    is_deeply([keys %{ data($list, 'state', %near)->{assessments}{Summative}{'SD-MOVE'}[0] }], ["${year}0501"], 'listed where the result is');
    my $there = data($list, 'state', %near, schoolId => 'S0778')->{assessments}{Summative};
    is_deeply([keys %$there], ['SD-MOVE'], 'and there');
    is($there->{'SD-MOVE'}[0]{"${year}0201"}{student_last_name}, 'After', 'by the other name');
    my $past = data($report, 'state', %move, asmtYear => $year - 1);
    is_deeply([map { "$_->{asmt_period_year} $_->{asmt_subject}" } @{ $past->{all_results} }], [$year - 1 . ' Math'], 'another year');
    is(ask($report, 'state', %move, asmtYear => 0)->{status}, 404, 'no year');
    is(ask($report, 'state', %move, dateTaken => "${year}0201" + 0)->{data}{all_results}[0]{asmt_subject}, 'Math', 'a day');
    is(ask($report, 'state', %move, dateTaken => "${year}0201" + 0, assessmentGuid => $three->{guid})->{status}, 404, 'a day and another assessment');
};

subtest 'levels and claims' => sub {
    my ($math, $ela) = @{ data($report, 'state', %move)->{all_results} };
    is_deeply([map { "$_->{name} $_->{interval}" } @{ $math->{cut_point_intervals} }],
        ['One 1400', 'Two 1600', 'Three 1800', 'Four 2000', 'Five 2200', 'Six 2400'], 'six levels');
    is_deeply([map { "$_->{name} $_->{interval}" } @{ $ela->{cut_point_intervals} }], ['One 1600', 'Two 2000', 'Three 2400'], 'three');
    is($math->{asmt_perf_lvl}, 6, 'the sixth was reached');
    is_deeply([map { "$_->{indexer} $_->{name} $_->{name2}" } @{ $math->{claims} }],
        ['1 A {{labels.claim}} 1', '2 B {{labels.claims}} 2 & 4', '3 C {{labels.claim}} 3', '4 D {{labels.claim}} 4', '5 E {{labels.claim}} 5'],
        'every claim that has a name');
    is_deeply([map { $_->{score} } @{ $math->{claims} }], ['1900', '1790', undef, undef, undef], 'scores as far as there are');
    is_deeply([map { $_->{confidence} } @{ $math->{claims} }], ['20', undef, undef, undef, undef], 'a score without a range');
    is_deeply([map { $_->{claim_score_relative_difference} } @{ $math->{claims} }], [100, -10, 0, 0, 0], 'against the whole');
    is_deeply([map { $_->{perf_lvl_name} } @{ $math->{claims} }], ['Above', 'Below', 'None', 'None', 'None'], 'their levels');
    is_deeply($ela->{claims}, [], 'no claims');
    is_deeply([sort @{ $math->{accommodations}{4} }], ['acc_read_aloud_nonembed', 'acc_scribe_nonembed'], 'accommodations used alike');
    my $cut = data($list, 'state', %near, schoolId => 'S0778')->{metadata};
    is(scalar @{ $cut->{cutpoints}{subject1}{cut_point_intervals} }, 6, 'the same levels in a list');
    is_deeply([map { $_->{name} } @{ $cut->{claims}{subject1} }], ['A' .. 'E'], 'and claims');
    ok(!exists $cut->{cutpoints}{subject2}, 'nothing of a subject without results');
};

subtest 'names, orders, conditions' => sub {
    my $answer = ask($list, 'state', %near);
    my @order = $answer->{body} =~ /"(SD-\w+)":\[/g;
    is_deeply([@order[0 .. 4]], ['SD-N3', 'SD-N2', 'SD-N1', 'SD-MOVE', 'SD-N4'], 'by last name, then first; who has none comes last');
    is_deeply([grep { $_->{asmt_type} !~ /BLOCKS/ } @{ $answer->{data}{asmt_administration} }],
        [map { { asmt_period_year => $year, asmt_type => $_, asmt_grade => '05' } } 'SUMMATIVE', 'INTERIM COMPREHENSIVE'], 'kinds and grades');
    ok(!(grep { $_->{subject1} } map { values %$_ } @{ $answer->{data}{assessments}{Summative}{'SD-N1'} }),
        'a summative result of another condition is not listed');
    is_deeply([map { keys %$_ } @{ $answer->{data}{assessments}{'Interim Comprehensive'}{'SD-N1'} }], ["${year}0103", "${year}0102"],
        'interim ones of any are, the newest first');
    my %name = (N1 => 'q. Adams', N2 => 'Bea Adams', N3 => 'Abe Adams', N4 => "Zed \xdc.");
    for my $who (sort keys %name) {
        my $one = data($report, 'state', %move, studentId => "SD-$who");
        is($one->{all_results}[0]{student_full_name}, $name{$who}, "the name of $who");
        is($one->{context}{items}[-1]{name}, $name{$who}, 'in the way here');
    }
    is_deeply([map { $_->{administration_condition} } @{ data($report, 'state', %move, studentId => 'SD-N1', asmtType => 'INTERIM COMPREHENSIVE')->{all_results} }],
        ['IN', 'NS'], 'interim results of a student');
    is(scalar @{ data($report, 'state', %move, studentId => 'SD-N1')->{all_results} }, 1, 'and summative ones');
};

subtest 'blocks' => sub {
    my %blocks = (asmtType => 'INTERIM ASSESSMENT BLOCKS');
    my $data = data($list, 'state', %near, %blocks);
    my $one = $data->{assessments}{'INTERIM ASSESSMENT BLOCKS'}{'SD-MOVE'};
    is_deeply([map { $_->{date_taken} } @{ $one->{subject1}{Fractions} }], ["${year}0311", "${year}0210", "${year}0310"],
        'by the name of the time, then the newest');
    is($one->{student_last_name}, 'After', 'whose is the name of the first');
    is_deeply([sort @{ $one->{group} }], ['g7', 'g8'], 'groups of all rows, each once');
    is_deeply([map { $_->{complete} } @{ $one->{subject1}{Fractions} }], [JSON::PP::true, JSON::PP::false, JSON::PP::true], 'complete or not');
    is_deeply($data->{interim_assessment_blocks}{subject1}{Fractions}, [map { "$year$_" } '0311', '0310', '0210'], 'dates of a block, the newest first');
    my $none = data($list, 'state', %near, %blocks, asmtGrade => '11');
    is_deeply([@$none{qw(assessments interim_assessment_blocks groups)}], [{ 'INTERIM ASSESSMENT BLOCKS' => {} }, {}, []], 'none');
    my $all = data($report, 'state', %move, %blocks, dateTaken => 19000101)->{all_results};
    is_deeply([map { "$_->{grade} $_->{date_taken}" } @{ $all->{subject1} }], ["05 ${year}0210", "04 ${year}0311", "04 ${year}0310"],
        'of a student: by grade, then date; a day asked for does not count');
    is_deeply([@$all{qw(student_full_name asmt_grade last_name)}], ['Mona After', '05', 'After'], 'whose they are: as in the first');
    is_deeply([map { $_->{claims}[0]{administration_condition} } @{ $all->{subject1} }], ['None', 'SD', 'NS'], 'conditions');
};

subtest 'nothing old is shown' => sub {
    my $seen = sub {
        my %seen;
        for (1 .. 12) {    # several processes remember, each for itself
            my $data = ask($list, 'state', %near, schoolId => 'S0778')->{data};
            $seen{ $data->{metadata}{branding}{display} . ' ' . $data->{metadata}{cutpoints}{subject1}{cut_point_intervals}[0]{name} }++;
            my $one = ask($report, 'state', %move)->{data};
            $seen{ $one->{metadata}{branding}{display} . ' ' . $one->{all_results}[0]{cut_point_intervals}[0]{name} }++;
        }
        return [sort keys %seen];
    };
    is_deeply($seen->(), ['First One'], 'settings and names of levels');
    metadata(JSON::PP->new->encode({ branding => { display => 'Second' } }));
    is_deeply($seen->(), ['Second One'], 'other settings');
    sql("BEGIN; UPDATE $schema.asmt_level SET name = 'Uno' WHERE asmt_rec_id = $six->{id} AND level = 1;
        UPDATE $schema.data_version SET version = version + 1; COMMIT");
    is_deeply($seen->(), ['Second Uno'], 'another name of a level');
    my $later = assessment('SUMMATIVE', $year + 1, 'Math', levels => [map { [$levels[$_], $_ ? 1200 + 200 * $_ : undef] } 0 .. 3]);
    put_result($near, $new, $later, 'SUMMATIVE', 'Math', year => $year + 1, date_taken => ($year + 1) . '0405');
    put();
    my @years = map { ask($list, 'state', map { $_ => $near{$_} } qw(stateCode districtId schoolId))->{data}{asmt_period_year}[0] } 1 .. 12;
    is_deeply(\@years, [($year + 1) x 12], 'a new year, by default the one that is shown');
    is(data($report, 'state', %move, asmtYear => $year + 1)->{all_results}[0]{cut_point_intervals}[0]{name}, 'One', 'with an assessment nobody knew');
};

finish();
