# Trends of a place over the years: each year as it was, and the same students in two years in a row, against
# results whose every number is known here. Whether anybody can work out more: t/http/cohorts.t.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;
use Smarter::Promotion;

need('httpd');

my $state = env('SMARTER_STATE');
my $report = '/data/trends';
my ($y0, $y1, $y2) = (2051, 2052, 2053);

# ---- the results --------------------------------------------------------------------------------
my %school = (one => school('TD1', 'Trend District', 'TS1', 'One'), two => school('TD1', 'Trend District', 'TS2', 'Two'),
    three => school('TD2', 'Other District', 'TS3', 'Three'));
my @put;    # [school, year, subject, grade, level, score, student or undef]

sub result {
    my ($school, $year, $subject, $grade, $level, $score, $who, %more) = @_;
    results($school{$school}, year => $year, subject => $subject, grade => $grade, level => $level, asmt_score => $score,
        ($who ? (student => $who) : ()), %more);
    push @put, [$school, $year, $subject, $grade, $level, $score, $who ? $who->{id} : ''] unless %more;
}

# So many students, each with a result in both years: a level up, and 30 points more. From one school and grade to another.
my $students = 0;
sub both_years {
    my ($from, $grade, $to, $next, $n, %now) = @_;
    for my $i (1 .. $n) {
        my $who = student('T-' . ++$students);
        result($from, $y1, 'Math', $grade, 1 + $i % 3, 1500 + 10 * $i, $who);
        result($to, $y2, 'Math', $next, 2 + $i % 3, 1530 + 10 * $i, $who, %now);
    }
    put();
}
sub others {
    my ($school, $year, $n, $grade) = @_;
    result($school, $year, 'Math', $grade, 1 + $_ % 4, 1400 + 7 * $_) for 1 .. $n;
    put();
}

both_years('one', '03', 'one', '04', 16);
others('one', $y1, 12, '03');
others('one', $y2, 13, '04');
others('one', $y2, 14, '05');
both_years('two', '03', 'two', '04', 16);
others('two', $y1, 15, '03');
others('two', $y2, 3, '04');      # all but three are in the cohort
both_years('two', '03', 'one', '04', 12);      # of the district only
both_years('one', '03', 'three', '04', 12);    # of the state only
both_years('three', '05', 'three', '06', 14);    # and here all
both_years('one', '03', 'one', '03', 12);        # once more the same grade
both_years('one', '03', 'one', '05', 13);        # skipped one
both_years('two', '03', 'two', '04', 5, administration_condition => 'IN');    # not valid in both years
both_years('two', '03', 'two', '04', 4, status => 'I');
others('one', $y0, 20, '03');
others('one', $y0, 4, '04');
result('one', $y2, 'ELA', '04', 3, 1700 + $_) for 1 .. 11;
# What must not count.
result('one', $y1, 'Math', '03', 4, 2400, undef, administration_condition => 'IN', count => 7);
result('one', $y1, 'Math', '03', 4, 2400, undef, status => 'I', count => 7);
result('one', $y1, 'Math', '03', 4, 2400, undef, type => 'INTERIM COMPREHENSIVE', count => 7);
metadata(undef);
put();
counted();

my $jar = sign_in('state');

sub ask {
    my (%params) = @_;
    my $answer = post_json($report, { stateCode => $state, %params }, jar => $jar);
    is($answer->{status}, 200, 'trends ' . join ' ', map { "$_=" . (ref $params{$_} ? "@{$params{$_}}" : $params{$_}) } sort keys %params)
        or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : {};
}

# What a bar says, from results put above: total, per level, at or above, average, standard error.
sub want {
    my (@rows) = @_;
    my @level = (0) x 4;
    my ($sum, $squares) = (0, 0);
    for (@rows) {
        $level[$_->[4] - 1]++;
        $sum += $_->[5];
        $squares += $_->[5] ** 2;
    }
    my $n = @rows;
    return sprintf '%s = %d, %d above, %.1f, %.1f', join(' ', @level), $n, $level[2] + $level[3], $sum / $n,
        sqrt(($squares - $sum * $sum / $n) / ($n - 1) / $n);
}
sub have {
    my ($bar) = @_;
    return 'none' unless $bar;
    return "hidden" . (grep({ exists $bar->{$_} } qw(at_or_above average standard_error)) ? ' but told' : '') if $bar->{total} == -1;
    return sprintf '%s = %d, %d above, %.1f, %.1f', join(' ', map { $_->{count} } @{ $bar->{intervals} }), $bar->{total},
        $bar->{at_or_above}{count}, $bar->{average}, $bar->{standard_error};
}
sub of { my ($year, $subject, @more) = @_; return grep { my $row = $_; $row->[1] == $year && $row->[2] eq $subject && !grep { !$_->($row) } @more } @put }
sub in { my (@schools) = @_; return sub { my ($row) = @_; return grep { $_ eq $row->[0] } @schools } }
sub grade { my ($grade) = @_; return sub { $_[0][3] eq $grade } }
# The rows of one year of those who went from one grade to the next among these schools; into one grade, or any.
sub matched {
    my ($year, $schools, $grade) = @_;
    my %in = map { $_ => 1 } @$schools;
    my (%row, @found);
    $row{ $_->[6] }{ $_->[1] } = $_ for grep { $_->[6] ne '' } @put;
    for my $who (sort keys %row) {
        my ($then, $now) = @{ $row{$who} }{ $y1, $y2 };
        push @found, $row{$who}{$year} if $then && $now && $in{ $then->[0] } && $in{ $now->[0] } && $now->[3] == $then->[3] + 1 && (!$grade || $now->[3] eq $grade);
    }
    return @found;
}
sub bars { my ($data) = @_; return $data->{cohorts}[0]{results}{subject1} }
sub is_cohort {
    my ($bars, $schools, $grade, $what) = @_;
    is(have($bars->{previous}), want(matched($y1, $schools, $grade)), "$what: then");
    is(have($bars->{current}), want(matched($y2, $schools, $grade)), "$what: now");
    is($bars->{change}, 30, "$what: the change of the average");
}
sub is_hidden {
    my ($bars, $what) = @_;
    is_deeply([have($bars->{previous}), have($bars->{current}), $bars->{change}], ['hidden', 'hidden', undef], "$what: hidden in both years");
}

my %one = (districtId => 'TD1', schoolId => 'TS1');

subtest 'a school, year by year' => sub {
    my $data = ask(%one);
    is_deeply([sort keys %$data], [qw(context metadata subjects user_info view years)], 'its members');
    is($data->{view}, 'same_grade', 'the usual view');
    is_deeply([map { $_->{asmt_year} } @{ $data->{years} }], [$y2, $y1, $y0], 'years with results, the newest first');
    is(have($data->{years}[$_]{results}{subject1}), want(of([$y2, $y1, $y0]->[$_], 'Math', in('one'))), "year $_") for 0 .. 2;
    is(have($data->{years}[0]{results}{subject2}), want(of($y2, 'ELA')), 'a subject that was new that year');
    ok(!exists $data->{years}[1]{results}{subject2}, 'is absent before');
    is($data->{context}{items}[3]{name}, 'One', 'the way here');
};

subtest 'a grade' => sub {
    my $data = ask(%one, asmtGrade => '04', asmtSubject => ['Math']);
    is_deeply([map { $_->{asmt_year} } @{ $data->{years} }], [$y2, $y0], 'years with that grade');
    is(have($data->{years}[0]{results}{subject1}), want(of($y2, 'Math', in('one'), grade('04'))), 'the newest');
    is(have($data->{years}[1]{results}{subject1}), 'hidden', 'four students are hidden, and nothing is said of them');
    is_deeply($data->{subjects}, { subject1 => 'Math' }, 'the subject asked for');
};

subtest 'a district and the state' => sub {
    is(have(ask(districtId => 'TD1')->{years}[1]{results}{subject1}), want(of($y1, 'Math', in('one', 'two'))), 'the district');
    is(have(ask()->{years}[0]{results}{subject1}), want(of($y2, 'Math')), 'the state');
    is_deeply(ask(districtId => 'TD1', schoolId => 'TS3')->{years}, [], 'a school of another district has none');
    is_deeply(ask(districtId => 'nowhere')->{years}, [], 'nor has an unknown one');
};

subtest 'the same students' => sub {
    my $data = ask(%one, view => 'cohort');
    is_deeply([sort keys %$data], [qw(cohorts context metadata pending subjects user_info view)], 'its members');
    is_deeply([map { [@$_{qw(previous_year asmt_year)}] } @{ $data->{cohorts} }], [[$y1, $y2]], 'two years in a row');
    is_deeply($data->{pending}, [], 'all of them are counted');
    is_cohort(bars($data), ['one'], undef, 'a school');
    ok(!exists $data->{cohorts}[0]{results}{subject2}, 'no subject without such students');
    is_cohort(bars(ask(%one, asmtGrade => '04', view => 'cohort')), ['one'], '04', 'its grade');
    is_deeply(ask(%one, asmtGrade => $_, view => 'cohort')->{cohorts}, [], "nobody of grade $_ came from the one before") for '03', '05', '06';
    is_cohort(bars(ask(districtId => 'TD1', view => 'cohort')), ['one', 'two'], undef, 'a district, with those who changed school');
    is_cohort(bars(ask(districtId => 'TD1', asmtGrade => '04', view => 'cohort')), ['one', 'two'], '04', 'its grade');
    is_cohort(bars(ask(view => 'cohort')), ['one', 'two', 'three'], undef, 'the state, with those who changed district');
    is_cohort(bars(ask(asmtGrade => '04', view => 'cohort')), ['one', 'two', 'three'], '04', 'its grade');
    is_cohort(bars(ask(districtId => 'TD2', asmtGrade => '06', view => 'cohort')), ['three'], '06', 'without a rest there is nothing to tell');
    is_deeply(ask(districtId => 'TD2', asmtGrade => '04', view => 'cohort')->{cohorts}, [], 'who came from another district is in no cohort of this one');
    is(scalar matched($y2, ['one', 'two', 'three']), 16 + 16 + 12 + 12 + 14, '(who repeats a grade, skips one or has no valid result in one of the years is in none)');
    is_deeply(ask(districtId => 'nowhere', view => 'cohort')->{cohorts}, [], 'an unknown district has none');
    is_deeply(ask(districtId => 'TD1', schoolId => 'TS3', view => 'cohort')->{cohorts}, [], 'nor has a school of another one');
    is_deeply(ask(%one, asmtSubject => ['ELA'], view => 'cohort')->{cohorts}, [], 'nor a subject without two years');
};

subtest 'a cohort that would tell of the rest' => sub {
    my %two = (districtId => 'TD1', schoolId => 'TS2');
    is_hidden(bars(ask(%two, view => 'cohort')), 'three are not in it');
    is_hidden(bars(ask(%two, asmtGrade => '04', view => 'cohort')), 'nor in that of the grade');
    my $schema = env('SMARTER_SCHEMA');
    is(sql_one("SELECT string_agg(DISTINCT asmt_perf_lvl || ':' || n_before || ':' || n || ':' || score_sum, ' ') FROM $schema.report_cohort
        WHERE asmt_year = $y2 AND school_id = 'TS2'"), '-1:0:0:0', 'what is hidden is not even in the table');
};

subtest 'the limit of the state' => sub {
    my %three = (districtId => 'TD2', schoolId => 'TS3');
    metadata('{"min_cell_size": 15}');
    counted();
    is_hidden(bars(ask(%three, view => 'cohort')), 'fourteen are too few now');
    is(have(ask(%three)->{years}[1]{results}{subject1}), 'hidden', 'and in the year before');
    metadata(undef);
    counted();
    is_cohort(bars(ask(%three, view => 'cohort')), ['three'], undef, 'they were enough before');
};

subtest 'not counted yet' => sub {
    my $held = Smarter::Promotion->hold('LOCK TABLE ' . env('SMARTER_SCHEMA') . '.report_cohort IN SHARE MODE');    # nobody can write it
    results($school{one}, year => $y2, subject => 'Math', grade => '04', level => 4, asmt_score => 2000);
    put();
    my $data = ask(%one, view => 'cohort');
    is_deeply([$data->{cohorts}, $data->{pending}], [[], [$y2]], 'the old numbers are not told, the year is');
    Smarter::Promotion->release($held);
    counted();
    $data = ask(%one, view => 'cohort');
    is_deeply($data->{pending}, [], 'and in a moment, with the same data version, it is counted');
    is_cohort(bars($data), ['one'], undef, 'a result of somebody else');
};

subtest 'of several results the latest' => sub {
    my $asmt = assessment('SUMMATIVE', $y2, 'Math');
    # in the lists above: the retake is of the rest now
    my ($first) = matched($y2, ['one']);
    results($school{one}, year => $y2, subject => 'Math', grade => '04', level => 4, asmt_score => 2000, asmt => $asmt,
        student => { rec => sql_one("SELECT student_rec_id FROM " . env('SMARTER_SCHEMA') . ".dim_student WHERE student_id = '$first->[6]'"), id => $first->[6] },
        date_taken => "${y2}0601", date_taken_day => 1, date_taken_month => 6);
    put();
    counted();
    my $bars = bars(ask(%one, view => 'cohort'));
    my @now = matched($y2, ['one']);
    is(have($bars->{current}), want(@now[1 .. $#now], ['one', $y2, 'Math', '04', 4, 2000]), 'counts once, as it is now');
    is($bars->{change}, sprintf('%.1f', 30 + (2000 - $first->[5]) / @now), 'in the change as well');
};

subtest 'who may, and how' => sub {
    is(http('GET', "$report?stateCode=$state")->{status}, 401, 'nobody without a session');
    is(get("$report?stateCode=$state", jar => sign_in('school'))->{status}, 200, 'every member of the tenant');
    is(get("$report?stateCode=ZZ", jar => $jar)->{status}, 403, 'no other state');
    is(get("$report?stateCode=$state&schoolId=TS1", jar => $jar)->{status}, 412, 'a school needs its district');
    is(get("$report?stateCode=$state&view=both", jar => $jar)->{status}, 412, 'a view that is none');
    my $first = get("$report?stateCode=$state&districtId=TD1", jar => $jar);
    my $again = get("$report?stateCode=$state&districtId=TD1", jar => $jar, headers => { 'If-None-Match' => $first->{headers}{etag} });
    is($again->{status}, 304, 'an unchanged answer is not sent again');
};

finish();
