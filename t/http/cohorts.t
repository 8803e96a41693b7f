# Matched cohorts, as the running server tells them: two years of a state of known students, every page of trends, and
# somebody who solves the system of all sums. (Many more states, and bounds: t/unit/cohort.c.)
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Sums;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my ($then, $now) = (2055, 2056);
my $min = 10;
srand(20562);

# ---- the state ----------------------------------------------------------------------------------
# A bar is "kind district/school grade": kinds then and now (everybody), cohort, moved (part of no child's), gone and
# came (not in the cohort, in the year before and in this one). Grade '' is all of them.
my (%truth, %lower);    # of cohort and moved: lower{bar}[0] then, [1] now
my (%school, @places);

for my $d (1 .. 3) {
    push @places, "CD$d", map { "CD$d/CS$d$_" } 1 .. 3;
    $school{"CD$d/CS$d$_"} = school("CD$d", "C District $d", "CS$d$_", "C School $d$_") for 1 .. 3;
}
my @schools = sort keys %school;
my @all = ('', @places);
sub above { my ($place) = @_; return $place =~ m{\A(.*)/} ? ($place, $1, '') : $place ne '' ? ($place, '') : '' }

sub add {
    my ($kind, $place, $grade, $n, $lower_then, $lower_now) = @_;
    for my $bar ("$kind $place $grade", "$kind $place ") {
        $truth{$bar} += $n;
        $lower{$bar}[0] += $lower_then ? $n : 0;
        $lower{$bar}[1] += $lower_now ? $n : 0;
    }
}

# So many students who went one way. Their score says which group of students they are.
my $group = 1200;
sub students {
    my ($n, $from, $grade, $to, $next) = @_;
    $group++;
    my @level = map { 1 + int rand 4 } 1, 2;
    my @low = map { $_ <= 2 } @level;
    results($school{$from}, year => $then, subject => 'Math', grade => $grade, level => $level[0], count => $n, asmt_score => $group) if $from;
    results($school{$to}, year => $now, subject => 'Math', grade => $next, level => $level[1], count => $n, asmt_score => $group) if $to;
    if ($from) {
        add('then', $_, $grade, $n, $low[0], $low[0]) for above($from);
    }
    if ($to) {
        add('now', $_, $next, $n, $low[1], $low[1]) for above($to);
    }
    if ($from && $to && $next == $grade + 1) {
        my ($place) = grep { my $p = $_; grep { $_ eq $p } above($from) } above($to);    # the smallest he was in both years
        add('cohort', $_, $next, $n, @low) for above($place);
        add('moved', $place, $next, $n, @low) if $place ne $to;
    }
    put() if $group % 15 == 0;    # a statement has its limits
}

for my $from (@schools) {
    for my $grade ('03', '04', '05') {
        my $next = sprintf '%02d', $grade + 1;
        my $size = rand() < 0.2 ? 4 : 20;
        students(2 + int rand $size, $from, $grade, $from, $next) for 1 .. 2;
        students(1 + int rand 9, $from, $grade, $schools[rand @schools], $next) if rand() < 0.7;
        students(1 + int rand 9, $from, $grade, $from, $grade) if rand() < 0.1;              # once more
        students(1 + int rand 14, $from, $grade, undef, undef) for 1 .. int rand 3;             # left
        students(1 + int rand 14, undef, undef, $from, $next) for 1 .. int rand 3;              # came
        students(5 + int rand 30, undef, undef, $from, $grade) if $grade eq '03';
    }
}
metadata(undef);
put();
my $schema = env('SMARTER_SCHEMA');
sql("UPDATE $schema.fact_asmt_outcome_vw f SET student_id = 'CO-' || f.asmt_score || '-' || x.i
    FROM (SELECT asmt_outcome_vw_rec_id, row_number() OVER (PARTITION BY asmt_year, asmt_score ORDER BY asmt_outcome_vw_rec_id) AS i
    FROM $schema.fact_asmt_outcome_vw WHERE asmt_year IN ($then, $now)) x WHERE x.asmt_outcome_vw_rec_id = f.asmt_outcome_vw_rec_id");
put();
counted();

my @grades = ('03', '04', '05', '06');
my %before = ('04' => '03', '05' => '04', '06' => '05');
for my $place (@all) {
    for my $grade (sort keys %before) {
        my $cohort = "cohort $place $grade";
        for (['gone', "then $place $before{$grade}", 0], ['came', "now $place $grade", 1]) {
            my ($kind, $whole, $side) = @$_;
            $truth{"$kind $place $grade"} = ($truth{$whole} // 0) - ($truth{$cohort} // 0);
            my $low = ($lower{$whole}[$side] // 0) - ($lower{$cohort}[$side] // 0);
            $lower{"$kind $place $grade"} = [$low, $low];
        }
    }
}
sub too_small {
    my ($n, @low) = @_;
    return $n && ($n <= $min || grep { $_ == $n } @low);
}
sub is_small { my ($bar) = @_; return too_small($truth{$bar} // 0, map { $_ // 0 } @{ $lower{$bar} // [] }) }

# ---- every page ---------------------------------------------------------------------------------
my $jar = sign_in('general');
my %shown;    # -1 hidden

for my $place (@all) {
    for my $grade ('', @grades) {
        my ($d, $s) = split m{/}, $place;
        my $page = sub {
            my ($view) = @_;
            my $answer = post_json('/data/trends', { stateCode => $state, asmtSubject => ['Math'], view => $view, ($d ? (districtId => $d) : ()),
                ($s ? (schoolId => $s) : ()), ($grade ? (asmtGrade => $grade) : ()) }, jar => $jar);
            $answer->{status} == 200 or die "$place $grade: $answer->{status} $answer->{body}\n";
            return json($answer);
        };
        my %years = map { $_->{asmt_year} => $_->{results}{subject1}{total} } @{ $page->('same_grade')->{years} };
        $shown{"then $place $grade"} = $years{$then} // 0;
        $shown{"now $place $grade"} = $years{$now} // 0;
        my ($cohort) = grep { $_->{asmt_year} == $now } @{ $page->('cohort')->{cohorts} };
        my $bars = $cohort->{results}{subject1} // { previous => { total => 0 }, current => { total => 0 } };
        $shown{"cohort $place $grade"} = $bars->{current}{total};
        is($bars->{previous}{total}, $bars->{current}{total}, "'$place' $grade: as many then as now") if $bars->{previous}{total} != $bars->{current}{total};
    }
}
is_deeply([grep { $shown{$_} >= 0 && $shown{$_} != ($truth{$_} // 0) } sort keys %shown], [], 'what is told is true');
is_deeply([grep { $shown{$_} >= 0 && is_small($_) } sort keys %shown], [], 'what is too small is not told');
my @told = grep { /\Acohort/ && $shown{$_} > 0 } sort keys %shown;
my @kept = grep { /\Acohort/ && $shown{$_} < 0 } sort keys %shown;
cmp_ok(scalar @told, '>', 10, scalar(@told) . ' cohorts are told');
cmp_ok(scalar @kept, '>', 10, scalar(@kept) . ' are hidden');
for my $level (0 .. 2) {
    ok((grep { tr{/}{} + /D/ == $level } @told), 'some of ' . (qw(state districts schools))[$level]);
}
is_deeply([grep { my $bar = $_; s/\Acohort/gone/ for my $gone = $bar; s/\Acohort/came/ for my $came = $bar; is_small($gone) || is_small($came) }
    grep { /\d\d\z/ } @told], [], 'no cohort of a grade tells of those who are not in it');

# ---- the adversary ------------------------------------------------------------------------------
my @sums;    # [[parts], result]
for my $place (@all) {
    my @children = grep { $place eq '' ? m{\A[^/]+\z} : m{\A\Q$place\E/} } @places;
    for my $kind (qw(then now cohort)) {
        push @sums, [[map { "$kind $place $_" } @grades], "$kind $place "];
        next unless @children;
        for my $grade ('', @grades) {
            push @sums, [[(map { "$kind $_ $grade" } @children), $kind eq 'cohort' ? "moved $place $grade" : ()], "$kind $place $grade"];
        }
    }
    push @sums, [[map { "moved $place $_" } @grades], "moved $place "] if @children;
    for my $grade (sort keys %before) {
        push @sums, [["cohort $place $grade", "gone $place $grade"], "then $place $before{$grade}"];
        push @sums, [["cohort $place $grade", "came $place $grade"], "now $place $grade"];
    }
}
# Nobody tells what is not in %shown.
sub hidden { my ($bar) = @_; return ($shown{$bar} // -1) < 0 }

my ($solved, $independent) = solved(\@sums, \&hidden);
cmp_ok($independent, '>', 50, "$independent independent sums");
is_deeply([grep { is_small($_) } @$solved], [], 'the system of all sums tells nothing that is too small');

my @remainders;
for my $sum (grep { $_->[1] =~ /\Acohort/ && !hidden($_->[1]) } @sums) {
    my @parts = grep { hidden($_) } @{ $sum->[0] };
    my ($n, @low) = (0, 0, 0);
    for my $bar (@parts) {
        $n += $truth{$bar} // 0;
        $low[$_] += $lower{$bar}[$_] // 0 for 0, 1;
    }
    push @remainders, "$sum->[1]: @parts" if too_small($n, @low);
}
is_deeply(\@remainders, [], 'no sum of cohorts leaves a remainder that is too small');

my @rests;
for my $place (grep { !hidden("cohort $_ ") } @all) {
    for my $kind (qw(gone came)) {
        my ($n, $low) = (0, 0);
        for my $grade (grep { hidden("cohort $place $_") } sort keys %before) {
            $n += $truth{"$kind $place $grade"};
            $low += $lower{"$kind $place $grade"}[0];
        }
        push @rests, "$kind '$place'" if too_small($n, $low);
    }
}
is_deeply(\@rests, [], 'nor do those in the grades of which no cohort is told');

finish();
