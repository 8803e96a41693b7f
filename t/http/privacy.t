# Hidden bars, as the running server answers: a state of known results, every page of it without a filter and under
# each value of each filter, and somebody who solves the system of all sums.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Sums;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2036;
my $min = 10;
srand(20361);

my %values = (
    dmgPrgLep => [qw(N Y NS)], dmgPrgIep => [qw(N Y NS)], dmgPrg504 => [qw(N Y NS)], dmgStsEcd => [qw(N Y)],
    dmgStsMig => [qw(N Y NS)], complete => [qw(N Y NS)], sex => [qw(male female not_stated)], ethnicity => [0 .. 7],
    grade => [qw(03 04)],
);
my @filters = sort keys %values;

# ---- the state ----------------------------------------------------------------------------------
# A bar is "district/school/grade filter=value", with what is not given left out.
my (%truth, %lower, %children, %schools);

sub key { my ($place, $filter) = @_; return defined $filter ? "$place $filter" : $place }

sub flag { my ($v) = @_; return $v eq 'NS' ? undef : $v eq 'Y' ? \1 : \0 }

for my $d (1 .. 3) {
    for my $n (1 .. 2) {
        my $school = school("PD$d", "P District $d", "PS$d$n", "P School $d$n");
        for my $grade (qw(03 04)) {
            my $place = "PD$d/PS$d$n/$grade";
            for (1 .. 2 + int rand 5) {
                # so many students who are alike
                my %s = map { my $all = $values{$_}; $_ => rand() < 0.85 ? $all->[0] : $all->[rand @$all] } @filters;
                my ($count, $level) = (1 + int rand(rand() < 0.4 ? 60 : 8), 1 + int rand 4);
                $s{grade} = $grade;
                results($school, year => $year, subject => 'Math', grade => $grade, level => $level, count => $count,
                    dmg_prg_lep => flag($s{dmgPrgLep}), dmg_prg_iep => flag($s{dmgPrgIep}), dmg_prg_504 => flag($s{dmgPrg504}),
                    dmg_sts_ecd => flag($s{dmgStsEcd}), dmg_sts_mig => flag($s{dmgStsMig}), complete => flag($s{complete}),
                    sex => $s{sex}, dmg_eth_derived => $s{ethnicity});
                my @above = ('', "PD$d", "PD$d/PS$d$n", $place);
                for my $bar (map { my $p = $_; (key($p), map { key($p, "$_=$s{$_}") } @filters) } @above) {
                    $truth{$bar} += $count;
                    $lower{$bar} += $level <= 2 ? $count : 0;
                }
                $children{''}{"PD$d"} = $children{"PD$d"}{"PD$d/PS$d$n"} = $children{"PD$d/PS$d$n"}{$place} = 1;
            }
        }
    }
}
# Thirty who share a student group, one of them a girl; and others like them.
my $pupils = school('PG', 'P Groups', 'PGS', 'P Groups School');
for my $level (1 .. 4) {
    my %of = (year => 2037, subject => 'Math', grade => '03', level => $level);
    results($pupils, %of, count => $level == 4 ? 8 : 7, asmt_score => 1803);
    results($pupils, %of, count => 5, sex => $_) for qw(male female);
}
results($pupils, year => 2037, subject => 'Math', grade => '03', level => 4, asmt_score => 1803, sex => 'female');
metadata(undef);
put();
sql(sprintf "UPDATE %1\$s.dim_student SET group_3_id = 'pg-club' WHERE student_rec_id IN (SELECT student_rec_id"
    . ' FROM %1$s.fact_asmt_outcome_vw WHERE asmt_year = 2037 AND asmt_score = 1803)', env('SMARTER_SCHEMA'));

sub too_small { my ($bar) = @_; my $n = $truth{$bar} // 0; return $n && ($n <= $min || $n == $lower{$bar}) }

# ---- every page ---------------------------------------------------------------------------------
my $jar = sign_in('general');
my (%shown, @differ, @not_stated);

sub page {
    my ($place, @filter) = @_;
    my ($d, $s) = split m{/}, $place;
    my $answer = post_json('/data/comparing_populations', { stateCode => $state, asmtYear => $year,
        ($d ? (districtId => $d) : ()), ($s ? (schoolId => $s) : ()), @filter }, jar => $jar);
    $answer->{status} == 200 or die "$place @filter: $answer->{status} $answer->{body}\n";
    return json($answer);
}

sub note_bar {
    my ($bar, $total) = @_;
    push @differ, "$bar: $shown{$bar} and $total" if exists $shown{$bar} && $shown{$bar} != $total;
    $shown{$bar} = $total;
}

my @pages = ('', grep { tr{/}{} < 2 } sort map { keys %$_ } values %children);
for my $place (@pages) {
    for my $filter (undef, map { my $f = $_; map { [$f, $_] } @{ $values{$f} } } @filters) {
        my $data = page($place, $filter ? ($filter->[0] => ["$filter->[1]"]) : ());
        my $of = $filter ? "$filter->[0]=$filter->[1]" : undef;
        my %rows = map { $_->{id} => $_->{results}{subject1}{total} } @{ $data->{records} };
        note_bar(key($place, $of), $data->{summary}[0]{results}{subject1}{total});
        for my $child (sort keys %{ $children{$place} }) {
            my ($id) = $child =~ m{([^/]+)\z};
            # the row of a grade under the filter of that grade is the grade; under another nobody
            note_bar(key($child, $of), $rows{$id} // 0);
        }
        push @not_stated, grep { $_ > 0 && $_ <= $min } values %{ $data->{not_stated} } unless $filter;
    }
}
is_deeply(\@differ, [], 'a bar is the same on every page');
is_deeply(\@not_stated, [], 'what is not stated of few is not told');
my @wrong = grep { $shown{$_} >= 0 && $shown{$_} != ($truth{$_} // 0) } sort keys %shown;
is_deeply(\@wrong, [], 'what is shown is true');
my @small = grep { too_small($_) && $shown{$_} >= 0 } sort keys %shown;
is_deeply(\@small, [], 'what is too small is not shown');
my $hidden = grep { $_ < 0 } values %shown;
my $visible = grep { $_ > 0 } values %shown;
cmp_ok($hidden, '>', 50, "$hidden bars are hidden");
cmp_ok($visible, '>', 50, "$visible are shown");

# ---- the adversary ------------------------------------------------------------------------------
# A sum: [[parts], result]. What no filter can ask for is a part that is never shown.
my @sums;
for my $place (sort keys %children) {
    for my $of (undef, map { my $f = $_; map { "$f=$_" } @{ $values{$f} } } @filters) {
        push @sums, [[map { key($_, $of) } sort keys %{ $children{$place} }], key($place, $of)];
    }
}
for my $place (keys %children, map { keys %$_ } values %children) {
    push @sums, [[(map { key($place, "$filters[0]=$_") } ()), map { key($place, $_->[0]) } map { [$_] } @$_], key($place)]
        for map { my $f = $_; [map({ "$f=$_" } @{ $values{$f} }), ($f eq 'dmgStsEcd' ? 'never' : ())] } @filters;
}

my ($solved, $independent) = solved(\@sums, sub { ($shown{ $_[0] } // -1) < 0 });
cmp_ok($independent, '>', 50, "$independent independent sums");
is_deeply([grep { too_small($_) } @$solved], [], 'the system of all sums tells no bar that is too small');

my @remainders;
for my $sum (@sums) {
    next if $shown{ $sum->[1] } < 0;
    my @parts = grep { ($shown{$_} // -1) < 0 } @{ $sum->[0] };
    my ($n, $low) = (0, 0);
    $n += $truth{$_} // 0, $low += $lower{$_} // 0 for @parts;
    push @remainders, "$sum->[1]: @parts" if $n && ($n <= $min || $n == $low);
}
is_deeply(\@remainders, [], 'no sum leaves a remainder that is too small');

# ---- several filters at once --------------------------------------------------------------------
subtest 'several filters at once' => sub {
    my (@unlike, @tell, $some);
    for (1 .. 14) {
        my ($f, $g) = @filters[rand @filters, rand @filters];
        next if $f eq $g;
        my @asked = ($f => ["$values{$f}[0]"], $g => ["$values{$g}[rand @{ $values{$g} }]"]);
        my %of;
        for my $place (@pages) {
            my $data = page($place, @asked);
            my $sum = $data->{summary}[0]{results}{subject1}{total};
            my @rows = map { $_->{results}{subject1}{total} } @{ $data->{records} };
            my @gone = grep { $_ < 0 } @rows;
            my $left = $sum;
            $left -= $_ for grep { $_ > 0 } @rows;
            push @tell, "@asked of '$place'" if $sum >= 0 && $left && (@gone < 2 || $left <= $min);
            push @unlike, "@asked of '$place'" if exists $of{$place} && $of{$place} != $sum;
            $of{ ($place ? "$place/" : '') . $_->{id} } = $_->{results}{subject1}{total} for @{ $data->{records} };
            $some += grep { $_ > 0 } @rows;
        }
    }
    is_deeply(\@unlike, [], 'a place is the same as a row and as the sum of its own page');
    is_deeply(\@tell, [], 'no page gives away what it hides');
    cmp_ok($some, '>', 5, "$some bars are shown");
};

subtest 'student groups and filters' => sub {
    my $total = sub { page('PG', asmtYear => 2037, @_)->{summary}[0]{results}{subject1}{total} };
    is($total->(sex => ['male']), 49, 'the boys of all');
    is($total->(studentGroupId => ['pg-club']), 30, 'a group');
    is($total->(studentGroupId => ['pg-club'], dmgPrgIep => ['N']), 30, 'all of it');
    is($total->(studentGroupId => ['pg-club'], sex => ['male']), -1, 'its boys would tell of its only girl');
    is($total->(studentGroupId => ['pg-club'], sex => ['female']), -1, 'who is hidden');
    is_deeply(page('', asmtYear => 2037, studentGroupId => ['pg-club'])->{not_stated}, page('', asmtYear => 2037)->{not_stated},
        'what is not stated is of the state, with groups and without');
};

finish();
