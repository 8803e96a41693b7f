# The history of a student: every value of every year and kind, what is left out, and who may not see it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my ($state, $tenant) = map { env($_) } qw(SMARTER_STATE SMARTER_TENANT);
my $history = '/data/student_history';
my ($first, $second, $third) = (2057, 2058, 2059);

# ---- the results ------------------------------------------------------------------------------------
# He moved; the school he left has another name by now.
my $left = school('HD1', 'Old District', 'HS1', 'Old School', 'I');
school('HD1', 'Renamed District', 'HS1', 'Renamed School');
my $came = school('HD2', 'New District', 'HS2', 'New School');
sub levels { my (@cuts) = @_; return levels => [['Minimal', undef], ['Partial', $cuts[0]], ['Good', $cuts[1]], ['Thorough', $cuts[2]]] }
my @claims = (claims => ['Concepts', 'Solving'], claim_levels => ['Below', 'Near', 'Above']);
my %asmt = (
    1 => assessment('SUMMATIVE', $first, 'Math', levels(1400, 1800, 2100), @claims, asmt_period => "Spring $first"),
    2 => assessment('SUMMATIVE', $second, 'Math', levels(1450, 1850, 2150), @claims),
    3 => assessment('INTERIM COMPREHENSIVE', $second, 'Math', levels(1450, 1850, 2150)),
    4 => assessment('SUMMATIVE', $third, 'Math', levels => [map { ["L$_", $_ == 1 ? undef : 1200 + 200 * $_] } 1 .. 5]),
    5 => assessment('SUMMATIVE', $third, 'ELA', levels(1400, 1800, 2100)),
    6 => assessment('INTERIM ASSESSMENT BLOCKS', $third, 'Math', claims => ['Fractions'], claim_levels => ['Below', 'Near', 'Above']),
);
my $ann = student('H-ANN', first_name => 'Ann', middle_name => 'B', last_name => 'Early', rec_status => 'I', to_date => '20200101');
my $now = student('H-ANN', first_name => 'Ann', middle_name => 'B', last_name => 'Later');
sub score { my ($s, $level) = @_; return (asmt_score => $s, asmt_score_range_min => $s - 30, asmt_score_range_max => $s + 40, asmt_perf_lvl => $level) }
my %of_math = (subject => 'Math');
results($left, student => $ann, asmt => $asmt{1}, year => $first, %of_math, grade => '03', score(1500, 2), asmt_claim_1_score => 1510, asmt_claim_1_score_range_min => 1490,
    asmt_claim_1_score_range_max => 1530, asmt_claim_1_perf_lvl => 3, administration_condition => 'SD', enrl_grade => '04');
results($left, student => $ann, asmt => $asmt{2}, year => $second, %of_math, grade => '04', score(1860, 3), administration_condition => 'IN', complete => undef);
results($left, student => $ann, asmt => $asmt{3}, year => $second, %of_math, grade => '04', score(1700, 2), type => 'INTERIM COMPREHENSIVE', date_taken => "${second}0110", complete => \0);
results($came, student => $now, asmt => $asmt{4}, year => $third, %of_math, grade => '05', score(2150, 4));
results($came, student => $now, asmt => $asmt{5}, year => $third, subject => 'ELA', grade => '05', score(1300, 1), date_taken => "${third}0501");
results($came, student => $now, asmt => $asmt{6}, year => $third, %of_math, grade => '05', type => 'INTERIM ASSESSMENT BLOCKS', level => 2, date_taken => "${third}0201");
# What nobody sees: superseded, deleted, an invalid block; and another student.
results($came, student => $now, asmt => $asmt{5}, year => $third, subject => 'ELA', grade => '05', status => 'I');
results($came, student => $now, asmt => $asmt{5}, year => $third, subject => 'ELA', grade => '05', status => 'D', date_taken => "${third}0601");
results($came, student => $now, asmt => $asmt{6}, year => $third, %of_math, grade => '05', type => 'INTERIM ASSESSMENT BLOCKS', level => 1, date_taken => "${third}0301", administration_condition => 'IN');
results($came, student => student('H-BOB', first_name => 'Bob', last_name => 'Other'), asmt => $asmt{4}, year => $third, %of_math, grade => '05');
my @colours = map { { bg_color => "#00000$_", text_color => '#fff' } } 1 .. 4;
metadata(JSON::PP->new->encode({ branding => { display => 'North' }, subjects => { Math => { colors => \@colours } } }));
put();

my %chains = (whole => [['PII', $tenant, $state]], old => [['PII', $tenant, $state, 'HD1']], new => [['PII', $tenant, $state, 'HD2', 'HS2']], none => [['PII', $tenant, $state, 'HD3']],
    wrong => [['PII', $tenant, $state, 'HD2', 'HS1']], both => [['PII', $tenant, $state, 'HD1', 'HS1'], ['PII', $tenant, $state, 'HD2']], extracts => [['SAREXTRACTS', $tenant, $state]]);
add_user($_, @{ $chains{$_} }) for sort keys %chains;
my %jar = map { $_ => sign_in($_) } keys %chains, qw(state district school district2 multi general super consortium otherstate norole);

sub request { my ($who, %more) = @_; return post_json($history, { stateCode => $state, studentId => 'H-ANN', %more }, jar => $jar{$who}) }

sub history_of {
    my ($who, %more) = @_;
    my $answer = request($who, %more);
    is($answer->{status}, 200, "$who may see it") or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : { results => [], series => {} };
}

# A score as results and series have it.
sub scored {
    my ($year, $type, $grade, $date, $s, $level, $name) = @_;
    return (asmt_period_year => $year, asmt_type => $type, asmt_grade => $grade, date_taken => "$year$date", asmt_perf_lvl_name => $name,
        defined $s ? score($s, $level) : map { $_ => undef } qw(asmt_score asmt_score_range_min asmt_score_range_max asmt_perf_lvl));
}

sub dates { return [map { "$_->{date_taken} $_->{asmt_subject}" } @{ $_[0]{results} }] }
my @new_ones = ("${third}0501 ELA", "${third}0405 Math", "${third}0201 Math");
my @old_ones = ("${second}0405 Math", "${second}0110 Math", "${first}0405 Math");

subtest 'all of it' => sub {
    my $data = history_of('whole');
    is_deeply([sort keys %$data], [qw(context metadata results series student subjects user_info)], 'members');
    is_deeply($data->{student}, { student_id => 'H-ANN', first_name => 'Ann', middle_name => 'B', last_name => 'Later', student_full_name => 'Ann B. Later' }, 'called as by now');
    is_deeply(dates($data), [@new_ones, @old_ones], 'all years and kinds, the newest first');
    my %none = (complete => JSON::PP::true, administration_condition => undef, claims => [], asmt_period => undef);
    my %new = (district_id => 'HD2', district_name => 'New District', school_id => 'HS2', school_name => 'New School');
    my %old = (district_id => 'HD1', district_name => 'Old District', school_id => 'HS1', school_name => 'Old School');
    my $unknown = sub { { name => $_[0], perf_lvl => 'None', perf_lvl_name => 'None', map { $_ => undef } qw(score range_min_score range_max_score confidence) } };
    my @want = (
        { scored($third, 'Summative', '05', '0501', 1300, 1, 'Minimal'), %none, %new, asmt_subject => 'ELA', enrollment_grade => '05', asmt_guid => $asmt{5}{guid} },
        { scored($third, 'Summative', '05', '0405', 2150, 4, 'L4'), %none, %new, asmt_subject => 'Math', enrollment_grade => '05', asmt_guid => $asmt{4}{guid} },
        { scored($third, 'Interim Assessment Blocks', '05', '0201', undef, undef, undef), %none, %new, asmt_subject => 'Math', enrollment_grade => '05', asmt_guid => $asmt{6}{guid},
            claims => [{ %{ $unknown->('Fractions') }, perf_lvl => '2', perf_lvl_name => 'Near' }] },
        { scored($second, 'Summative', '04', '0405', 1860, 3, 'Good'), %none, %old, asmt_subject => 'Math', enrollment_grade => '04', asmt_guid => $asmt{2}{guid},
            administration_condition => 'IN', claims => [map { $unknown->($_) } 'Concepts', 'Solving'] },
        { scored($second, 'Interim Comprehensive', '04', '0110', 1700, 2, 'Partial'), %none, %old, asmt_subject => 'Math', enrollment_grade => '04', asmt_guid => $asmt{3}{guid}, complete => JSON::PP::false },
        { scored($first, 'Summative', '03', '0405', 1500, 2, 'Partial'), %none, %old, asmt_subject => 'Math', enrollment_grade => '04', asmt_guid => $asmt{1}{guid}, asmt_period => "Spring $first",
            administration_condition => 'SD', claims => [{ name => 'Concepts', perf_lvl => '3', perf_lvl_name => 'Above', score => '1510', range_min_score => '1490', range_max_score => '1530',
                confidence => '20' }, $unknown->('Solving')] },
    );
    is_deeply($data->{results}[$_], $want[$_], "every value of result $_") for 0 .. $#want;
    is_deeply([map { $_->{type} } @{ $data->{context}{items} }], [qw(home state district school grade student)], 'the way to the newest');
    is_deeply($data->{metadata}, { branding => { display => 'North' } }, 'branding');
};

subtest 'series' => sub {
    my $data = history_of('whole');
    is_deeply($data->{subjects}, { subject1 => 'Math', subject2 => 'ELA' }, 'subjects by alias');
    is_deeply([map { scalar @{ $data->{series}{$_} } } qw(subject1 subject2)], [4, 1], 'scores of each; blocks have none');
    my $intervals = sub { my ($names, $ends) = @_; [map { { name => $names->[$_], interval => $ends->[$_], $_ < 4 && @$names == 4 ? %{ $colours[$_] } : () } } 0 .. $#$names] };
    my @names = ('Minimal', 'Partial', 'Good', 'Thorough');
    my %range = (asmt_score_min => 1200, asmt_score_max => 2400);
    is_deeply($data->{series}{subject1}[0], { scored($first, 'Summative', '03', '0405', 1500, 2, 'Partial'), %range,
        cut_point_intervals => $intervals->(\@names, ['1400', '1800', '2100', '2400']) }, 'the oldest first, with the levels of its year');
    is_deeply($data->{series}{subject1}[1], { scored($second, 'Interim Comprehensive', '04', '0110', 1700, 2, 'Partial'), %range,
        cut_point_intervals => $intervals->(\@names, ['1450', '1850', '2150', '2400']) }, 'another year, other levels');
    is_deeply([map { "$_->{name} $_->{interval}" } @{ $data->{series}{subject1}[3]{cut_point_intervals} }], ['L1 1600', 'L2 1800', 'L3 2000', 'L4 2200', 'L5 2400'], 'five of them');
};

subtest 'what is asked for' => sub {
    my $ela = history_of('whole', asmtSubject => ['ELA']);
    is_deeply([dates($ela), [keys %{ $ela->{series} }]], [[$new_ones[0]], ['subject2']], 'one subject, by the alias it always has');
    is_deeply(dates(history_of('whole', asmtSubject => ['ELA', 'Math'])), [@new_ones, @old_ones], 'both');
    is_deeply(dates(history_of('whole', asmtSubject => [])), [@new_ones, @old_ones], 'no list is all');
    my $none = history_of('whole', asmtSubject => ['Latin']);
    is_deeply([@$none{qw(results series)}], [[], {}], 'nothing of a subject he never took');
    my $answer = get("$history?stateCode=$state&studentId=H-ANN", jar => $jar{whole});
    is_deeply(dates(json($answer)), [@new_ones, @old_ones], 'by GET');
    is($answer->{headers}{'cache-control'}, 'no-store', 'nothing of it is kept');
    is(request('whole', @$_)->{status}, 412, "refused: $_->[0]") for [studentId => "H'"], [studentId => 'x' x 51], [studentId => ''], [asmtSubject => ['a_b']], [stateCode => 'N'];
};

subtest 'who sees what' => sub {
    is_deeply(dates(history_of('old')), \@old_ones, 'where he was: what he took there');
    is(history_of('old')->{student}{last_name}, 'Early', 'under the name he had');
    is_deeply(dates(history_of('new')), \@new_ones, 'where he is: what he takes there');
    unlike(request('new')->{body}, qr/Old|Early|Renamed|$first|HS1/, 'and no word of where he was');
    is_deeply(dates(history_of('both')), [@new_ones, @old_ones], 'both places');
    my $missing = request('whole', studentId => 'H-NOBODY');
    is($missing->{status}, 404, 'a student who does not exist');
    my $plain = sub { $_[0]{body} =~ s/"request_id":"[^"]*"//r };
    for my $who (qw(none wrong district school district2 multi)) {
        my $answer = request($who);
        is($answer->{status}, 404, "$who: beyond his places");
        is($plain->($answer), $plain->($missing), "$who: as if he did not exist");
    }
    for my $who (qw(extracts general super consortium otherstate norole)) {
        my $answer = request($who);
        is($answer->{status}, 403, "$who may not");
        unlike($answer->{body}, qr/Ann|District/, "$who learns nothing");
    }
    is(post_json($history, { stateCode => $state, studentId => 'H-ANN' })->{status}, 401, 'nor who is not signed in');
    is(request('whole', stateCode => 'ZZ')->{status}, 403, 'of another state');
    my @lines = grep { /get_student_history/ && /H-ANN/ } log_since('audit');
    cmp_ok(scalar @lines, '>=', 10, 'each is audited');
    unlike("@lines", qr/Early|Later|1860/, 'without names or scores');
};

finish();
