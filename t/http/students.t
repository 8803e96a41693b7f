# Lists of students and reports of one, against results whose every value is known here; and who may
# not see them.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2043;
my ($list, $report) = ('/data/list_of_students', '/data/individual_student_report');

# ---- the results --------------------------------------------------------------------------------
# Two schools that the sign-ins know: one of the school and district user, one of neither.
my $near = school('D001', 'Near District', 'S0001', 'Near School', 'I');
my $far = school('D777', 'Far District', 'S0777', 'Far School');
my @names = (levels => [['Minimal', undef], ['Partial', 1400], ['Good', 1800], ['Thorough', 2100]],
    claim_levels => ['Below', 'Near', 'Above']);
my $math = assessment('SUMMATIVE', $year, 'Math', @names, claims => ['Concepts', 'Problem Solving', 'Reasoning', undef],
    asmt_period => 'Spring');
my $ela = assessment('SUMMATIVE', $year, 'ELA', @names, claims => ['Reading', 'Writing']);
my $five = assessment('INTERIM COMPREHENSIVE', $year, 'Math', levels => [map { ["L$_", $_ == 1 ? undef : 1200 + 200 * $_] } 1 .. 5]);
my $block = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', claims => ['Grade 3: Fractions'], claim_levels => ['Below', 'Near', 'Above']);
my $nameless = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'ELA');

my $ann = student('ST-ANN', first_name => 'Ann', middle_name => "\xc3\x84vi", last_name => 'Zoe', group_1_id => 'g1',
    group_1_text => 'Reading club', group_3_id => 'g2', group_3_text => 'Art');
my $bob = student('ST-BOB', first_name => 'Bob', last_name => 'Able', group_10_id => 'g2', group_10_text => 'Art');
my $far_one = student('ST-FAR', first_name => 'Faraway', last_name => 'Hidden');
my @scores = (asmt_score => 1800, asmt_score_range_min => 1750, asmt_score_range_max => 1850, asmt_perf_lvl => 3);
sub claim {
    my ($n, $score, $level) = @_;
    return ("asmt_claim_${n}_score" => $score, "asmt_claim_${n}_score_range_min" => $score - 20,
        "asmt_claim_${n}_score_range_max" => $score + 30, "asmt_claim_${n}_perf_lvl" => $level);
}
sub put_result {
    my ($school, $student, $asmt, $type, $subject, %more) = @_;
    results($school, student => $student, asmt => $asmt, type => $type, year => $year, subject => $subject, grade => '03', %more);
}
put_result($near, $ann, $math, 'SUMMATIVE', 'Math', @scores, claim(1, 1201, 1), claim(2, 1800, 2), claim(3, 2100, 3),
    acc_abacus_nonembed => 6, dmg_prg_lep => undef, dmg_prg_iep => \1, enrl_grade => '04');
put_result($near, $ann, $ela, 'SUMMATIVE', 'ELA', @scores, claim(1, 1500, 2), date_taken => "${year}0501", complete => undef,
    administration_condition => 'IN');
put_result($near, $bob, $math, 'SUMMATIVE', 'Math', @scores, claim(1, 1300, 1), administration_condition => 'NS', sex => 'female');
put_result($near, $bob, $five, 'INTERIM COMPREHENSIVE', 'Math', @scores, administration_condition => 'XX', date_taken => "${year}0101", complete => \0);
put_result($near, $ann, $block, 'INTERIM ASSESSMENT BLOCKS', 'Math', asmt_claim_1_perf_lvl => 2, date_taken => "${year}0210");
put_result($near, $ann, $block, 'INTERIM ASSESSMENT BLOCKS', 'Math', asmt_claim_1_perf_lvl => 3, date_taken => "${year}0310");
put_result($near, $bob, $block, 'INTERIM ASSESSMENT BLOCKS', 'Math', asmt_claim_1_perf_lvl => 1, date_taken => "${year}0210",
    administration_condition => 'IN');
put_result($near, $bob, $nameless, 'INTERIM ASSESSMENT BLOCKS', 'ELA', asmt_claim_1_perf_lvl => 1);
put_result($far, $far_one, $math, 'SUMMATIVE', 'Math', @scores);
# What nobody sees: superseded, deleted.
put_result($near, $bob, $ela, 'SUMMATIVE', 'ELA', @scores, status => 'I');
put_result($near, $bob, $ela, 'SUMMATIVE', 'ELA', @scores, status => 'D', date_taken => "${year}0601");
my @colours = map { { bg_color => "#00000$_", text_color => '#fff' } } 1 .. 4;
metadata(JSON::PP->new->encode({ branding => { display => 'North' }, subjects => { Math => { colors => \@colours } } }));
put();

my %jar = map { $_ => sign_in($_) } qw(state district school general otherstate);
my %near = (stateCode => $state, districtId => 'D001', schoolId => 'S0001', asmtYear => $year);
my %far = (stateCode => $state, districtId => 'D777', schoolId => 'S0777', asmtYear => $year);

sub ask {
    my ($path, $who, %params) = @_;
    my $answer = post_json($path, \%params, jar => $jar{$who});
    return wantarray ? ($answer->{status}, $answer) : do {
        is($answer->{status}, 200, "$path of the $who") or diag($answer->{body});
        $answer->{status} == 200 ? json($answer) : {};
    };
}

subtest 'a list' => sub {
    my $data = ask($list, 'school', %near, asmtType => 'SUMMATIVE');
    is_deeply([sort keys %$data],
        [qw(asmt_administration asmt_period_year assessments context groups metadata not_stated subjects user_info)], 'its members');
    is_deeply([sort keys %{ $data->{assessments} }], ['Interim Comprehensive', 'Summative'], 'both kinds, whichever was asked for');
    my $summative = $data->{assessments}{Summative};
    is_deeply([sort keys %$summative], ['ST-ANN', 'ST-BOB'], 'students');
    is_deeply([map { keys %$_ } @{ $summative->{'ST-ANN'} }], ["${year}0501", "${year}0405"], 'a student\'s results, the newest first');
    my $one = $summative->{'ST-ANN'}[1]{"${year}0405"};
    is_deeply($one, {
        student_id => 'ST-ANN', student_first_name => 'Ann', student_middle_name => "\xc4vi", student_last_name => 'Zoe',
        enrollment_grade => '04', state_code => $state, rowId => 'ST-ANN',
        demographic => { dmgPrgIep => 'Y', dmgPrg504 => 'N', dmgPrgLep => 'NS', dmgStsEcd => 'N', dmgStsMig => 'N', ethnicity => '6', sex => 'male' },
        subject1 => {
            group => ['g1', 'g2'], asmt_grade => '03', asmt_perf_lvl => 3, asmt_score => 1800, asmt_score_range_min => 1750,
            asmt_score_range_max => 1850, asmt_score_interval => 50, administration_condition => undef, complete => JSON::PP::true,
            claims => [map { { perf_lvl => $_->[0], perf_lvl_name => $_->[1], score => $_->[2], range_min_score => $_->[3],
                range_max_score => $_->[4], confidence => '20' } } ['1', 'Below', '1201', '1181', '1231'],
                ['2', 'Near', '1800', '1780', '1830'], ['3', 'Above', '2100', '2080', '2130']],
        },
    }, 'every value of one');
    my $partly = $summative->{'ST-ANN'}[0]{"${year}0501"}{subject2};
    is_deeply($partly->{claims}[1], { perf_lvl => 'None', perf_lvl_name => 'None', map { $_ => undef } qw(score range_min_score range_max_score confidence) },
        'a claim without a score is no fault');
    is_deeply([@$partly{qw(administration_condition complete)}], ['IN', JSON::PP::true], 'an invalidated summative result is listed; not known is complete');
    is_deeply($data->{assessments}{'Interim Comprehensive'}{'ST-BOB'}[0]{"${year}0101"}{subject1}{complete}, JSON::PP::false, 'partial');
    is_deeply($data->{groups}, [{ value => 'g2', label => 'Art' }, { value => 'g1', label => 'Reading club' }], 'groups by label');
    is_deeply($data->{metadata}{cutpoints}{subject1}, {
        asmt_score_min => 1200, asmt_score_max => 2400, asmt_claim_1_name => 'Concepts', asmt_claim_2_name => 'Problem Solving',
        asmt_claim_3_name => 'Reasoning', asmt_claim_4_name => undef,
        cut_point_intervals => [map { { name => $_->[0], interval => $_->[1], %{ $colours[$_->[2]] } } } ['Minimal', '1400', 0],
            ['Partial', '1800', 1], ['Good', '2100', 2], ['Thorough', '2400', 3]],
    }, 'cut points with the colours of the subject');
    is($data->{metadata}{cutpoints}{subject2}{cut_point_intervals}[0]{bg_color}, undef, 'which another has not');
    is_deeply([map { $_->{name2} } @{ $data->{metadata}{claims}{subject1} }],
        ['{{labels.claim}} 1', '{{labels.claims}} 2 & 4', '{{labels.claim}} 3'], 'claims for the page to translate');
    is_deeply($data->{metadata}{branding}, { display => 'North' }, 'branding');
    is_deeply([grep { $_->{asmt_period_year} == $year } @{ $data->{asmt_administration} }], [
        { asmt_period_year => $year, asmt_type => 'SUMMATIVE', asmt_grade => '03' },
        { asmt_period_year => $year, asmt_type => 'INTERIM COMPREHENSIVE', asmt_grade => '03' },
        { asmt_period_year => $year, asmt_type => 'INTERIM ASSESSMENT BLOCKS' }], 'what was administered');
    is($data->{not_stated}{total}, 3, 'not stated counts the summative rows');
    is($data->{context}{items}[-1]{type}, 'school', 'the way here');
    ok($data->{context}{permissions}{pii}{all}, 'may see them');
    my ($status, $answer) = ask($list, 'school', %near);
    is($answer->{headers}{'cache-control'}, 'no-store', 'nothing of it is kept');
};

subtest 'narrower' => sub {
    my $students = sub { [sort keys %{ ask($list, 'state', %near, @_)->{assessments}{Summative} // {} }] };
    is_deeply($students->(asmtGrade => '03'), ['ST-ANN', 'ST-BOB'], 'a grade');
    is_deeply($students->(asmtGrade => '04'), [], 'another');
    is_deeply($students->(sex => ['female']), ['ST-BOB'], 'a filter');
    is_deeply($students->(studentGroupId => ['g1', 'gx']), ['ST-ANN'], 'a group');
    is_deeply($students->(studentGroupId => []), [], 'no group is nobody');
    is_deeply($students->(asmtYear => 2044), [], 'another year');
    is_deeply($students->(asmtYear => 99999999), [], 'no year at all');
    my $data = ask($list, 'state', %near, asmtSubject => ['ELA']);
    is_deeply($data->{subjects}, { subject1 => 'ELA' }, 'one subject is the first');
    is_deeply([keys %{ $data->{assessments}{Summative} }], ['ST-ANN'], 'only who has it');
    is_deeply(ask($list, 'state', %near, asmtSubject => ['ELA', 'Math'])->{subjects}, { subject1 => 'Math', subject2 => 'ELA' }, 'both, in their order');
    my $breadcrumb = ask($list, 'state', %near, asmtGrade => '03')->{context}{items};
    is_deeply($breadcrumb->[-1], { type => 'grade', name => '03', id => '03' }, 'the grade in the way here');
    my $empty = ask($list, 'state', %near, asmtGrade => '11');
    is_deeply([@$empty{qw(assessments groups)}, @{ $empty->{metadata} }{qw(cutpoints claims)}], [{}, [], {}, {}], 'nothing is an answer');
};

subtest 'five levels' => sub {
    my $data = ask($list, 'state', %near, sex => ['male']);
    my $bob = $data->{assessments}{'Interim Comprehensive'}{'ST-BOB'};
    ok($bob, 'whatever the condition of an interim result');
    my $one = ask($report, 'state', stateCode => $state, studentId => 'ST-BOB', asmtYear => $year, asmtType => 'INTERIM COMPREHENSIVE');
    is_deeply([map { "$_->{name} $_->{interval}" } @{ $one->{all_results}[0]{cut_point_intervals} }],
        ['L1 1600', 'L2 1800', 'L3 2000', 'L4 2200', 'L5 2400'], 'all five are shown');
};

subtest 'blocks' => sub {
    my $data = ask($list, 'school', %near, asmtType => 'INTERIM ASSESSMENT BLOCKS');
    my $blocks = $data->{assessments}{'INTERIM ASSESSMENT BLOCKS'};
    is_deeply([sort keys %$blocks], ['ST-ANN', 'ST-BOB'], 'students');
    my $of = sub { { date_taken => "$year$_[0]", asmt_grade => '03', administration_condition => undef, complete => JSON::PP::true,
        claims => [{ perf_lvl => $_[1], perf_lvl_name => $_[2], name => 'Grade 3: Fractions' }] } };
    is_deeply($blocks->{'ST-ANN'}{subject1}, { 'Grade 3: Fractions' => [$of->('0310', '3', 'Above'), $of->('0210', '2', 'Near')] }, 'blocks by name');
    ok(!$blocks->{'ST-BOB'}{subject1}, 'an invalidated block is not listed');
    ok(!$blocks->{'ST-BOB'}{subject2}, 'one without a name neither');
    is_deeply($data->{interim_assessment_blocks}, { subject1 => { 'Grade 3: Fractions' => ["${year}0310", "${year}0210"] } }, 'dates of a block');
    is($data->{not_stated}{total}, 0, 'not stated does not know blocks');
    my $one = ask($report, 'school', stateCode => $state, studentId => 'ST-ANN', asmtYear => $year, asmtType => 'INTERIM ASSESSMENT BLOCKS')->{all_results};
    is_deeply([@$one{qw(student_full_name asmt_type asmt_period_year student_id asmt_grade)}],
        ["Ann \xc4. Zoe", 'Interim Assessment Blocks', $year, 'ST-ANN', '03'], 'whose they are');
    is_deeply([map { $_->{date_taken} } @{ $one->{subject1} }], ["${year}0310", "${year}0210"], 'the newest first');
    is_deeply($one->{subject1}[0]{claims}, [{ perf_lvl => '3', perf_lvl_name => 'Above', name => 'Grade 3: Fractions',
        complete => JSON::PP::true, administration_condition => 'None' }], 'a block');
    is_deeply($one->{subject2}, [], 'the other subject is there, empty');
};

subtest 'a student' => sub {
    my %ann = (stateCode => $state, studentId => 'ST-ANN', asmtYear => $year, asmtType => 'SUMMATIVE');
    my $data = ask($report, 'school', %ann);
    is_deeply([sort keys %$data], [qw(all_results asmt_administration context metadata subjects user_info)], 'its members');
    is_deeply([map { $_->{asmt_subject} } @{ $data->{all_results} }], ['Math', 'ELA'], 'subjects in their order');
    my $row = $data->{all_results}[0];
    is(scalar keys %$row, 33, 'members of a result');
    is_deeply([@$row{qw(student_full_name grade asmt_grade asmt_type asmt_period asmt_period_year date_taken date_taken_day asmt_score_interval)}],
        ["Ann \xc4. Zoe", '04', '03', 'Summative', 'Spring', $year, "${year}0405", 5, 50], 'some of them');
    is_deeply([map { $_->{claim_score_relative_difference} } @{ $row->{claims} }], [-100, 0, 50], 'claims against the whole');
    is_deeply($row->{claims}[0], { perf_lvl => '1', perf_lvl_name => 'Below', score => '1201', range_min_score => '1181',
        range_max_score => '1231', confidence => '20', indexer => '1', max_score => '2400', min_score => '1200', name => 'Concepts',
        name2 => '{{labels.claim}} 1', claim_score_relative_difference => -100 }, 'a claim');
    is_deeply($row->{accommodations}{6}, ['acc_abacus_nonembed'], 'accommodations by use');
    is(scalar @{ $row->{accommodations}{0} }, 14, 'and those not used');
    is_deeply([map { $_->{type} } @{ $data->{context}{items} }], [qw(home state district school grade student)], 'the way here');
    is_deeply($data->{asmt_administration}[0], { asmt_period_year => $year, asmt_type => 'SUMMATIVE', asmt_grade => '03', date_taken => "${year}0501" },
        'what he took, with dates');
    is(scalar @{ ask($report, 'school', %ann, dateTaken => "${year}0405" + 0)->{all_results} }, 1, 'of one day');
    is(scalar @{ ask($report, 'school', %ann, assessmentGuid => $ela->{guid})->{all_results} }, 1, 'of one assessment');
    is_deeply([ask($report, 'school', %ann, dateTaken => 20430406)]->[0], 404, 'of a day without results');
    is_deeply([ask($report, 'school', %ann, asmtYear => 1)]->[0], 404, 'of a year without results');
    my ($status, $answer) = ask($report, 'school', %ann);
    is($answer->{headers}{'cache-control'}, 'no-store', 'nothing of it is kept');
};

subtest 'who may not' => sub {
    my %student = (stateCode => $state, studentId => 'ST-FAR', asmtYear => $year, asmtType => 'SUMMATIVE');
    for my $who (qw(school district)) {
        my ($status, $answer) = ask($list, $who, %far);
        is($status, 200, "$who: a school elsewhere is an answer");
        is_deeply(json($answer)->{assessments}, {}, 'without anybody in it');
        is_deeply(json($answer)->{groups}, [], 'or a group');
        unlike($answer->{body}, qr/ST-FAR|Faraway|Hidden/, 'or a name');
        my ($found, $body) = ask($report, $who, %student);
        is($found, 404, "$who: a student elsewhere");
        my ($none, $nobody) = ask($report, $who, %student, studentId => 'ST-NOBODY');
        my $strip = sub { $_[0] =~ s/"request_id":"[^"]*"//r };
        is($strip->($body->{body}), $strip->($nobody->{body}), 'is not told from one who does not exist');
        unlike($body->{body}, qr/ST-FAR|Faraway|Hidden/, 'and not named');
    }
    is((ask($list, 'state', %far))[0], 200, 'who may, sees');
    is(ask($report, 'state', %student)->{all_results}[0]{last_name}, 'Hidden', 'the same student');
    for my $path ($list, $report) {
        my %params = $path eq $list ? %near : %student;
        is((ask($path, 'general', %params))[0], 403, "$path: not without the role");
        is((ask($path, 'otherstate', %params))[0], 403, "$path: not from another state");
        my $anonymous = post_json($path, \%params);
        is($anonymous->{status}, 401, "$path: not without a session");
        unlike($anonymous->{body}, qr/ST-|assessments/, 'nothing in it');
    }
    like(join('', log_since('security')), qr/forbidden: report list_of_students without role PII/, 'a denied report is a security event');
};

subtest 'parameters' => sub {
    my %bad = (districtId => 'D 1', schoolId => '', asmtGrade => '003', asmtType => 'SUMMARY', asmtSubject => ["Math'"], studentGroupId => ['a,b']);
    is((ask($list, 'state', %near, $_ => $bad{$_}))[0], 412, "$list: $_") for sort keys %bad;
    for my $name (qw(stateCode districtId schoolId)) {
        my %some = %near;
        delete $some{$name};
        is((ask($list, 'state', %some))[0], 412, "$list: without $name");
    }
    my %student = (stateCode => $state, studentId => 'ST-ANN', asmtYear => $year, asmtType => 'SUMMATIVE');
    for my $name (sort keys %student) {
        my %some = %student;
        delete $some{$name};
        is((ask($report, 'state', %some))[0], 412, "$report: without $name");
    }
    my $described = json(http('OPTIONS', $list, jar => $jar{state}));
    is_deeply([@$described{qw(asmtType districtId)}], [{ required => JSON::PP::false }, { type => 'string', required => JSON::PP::true }], 'described');
};

subtest 'logs name nobody' => sub {
    for my $log (qw(audit application security)) {
        unlike(join('', log_since($log)), qr/Faraway|Hidden|Zoe|Able/, $log);
    }
    like(join('', log_since('audit')), qr/get_student_report/, 'and say what was seen');
};

subtest 'quick links' => sub {
    my $links = sub { my ($who, %more) = @_; ask('/data/quick_links', $who, stateCode => $state, %more)->{quick_links} };
    my $schema = env('SMARTER_SCHEMA');
    my %name = map { @$_[0, 1] } sql("SELECT DISTINCT district_id, district_name FROM $schema.dim_inst_hier WHERE rec_status = 'C'");
    is_deeply($links->('state'), { districts => [], schools => [] }, 'who sees the state needs none');
    is_deeply($links->('district'), { districts => [{ params => { stateCode => $state, districtId => 'D001' }, name => $name{D001} }], schools => [] },
        'a district');
    my $school = $links->('school');
    is_deeply([map { $_->{params} } @{ $school->{schools} }], [{ stateCode => $state, districtId => 'D001', schoolId => 'S0001' }], 'a school');
    is(scalar @{ $school->{districts} }, 1, 'and its district');
    is_deeply($links->('school', ql_school_bound => 1)->{schools}, [], 'at most one less than the bound');
    my $multi = sign_in('multi');
    $jar{multi} = $multi;
    my $both = $links->('multi');
    is_deeply([sort map { $_->{params}{districtId} } @{ $both->{districts} }], [], 'held for the state in another role: none')
        if !@{ $both->{districts} };
    is((ask('/data/quick_links', 'otherstate', stateCode => $state))[0], 403, 'not of another state');
};

finish();
