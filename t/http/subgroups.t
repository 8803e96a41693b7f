# Subgroups of a place: every row is what comparing populations says of the place under that filter, and the numbers
# are those that were put there.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2055;
my $report = '/data/subgroups';

# ---- the results --------------------------------------------------------------------------------
my $one = school('GD1', 'Group District', 'GS1', 'One');
my $two = school('GD1', 'Group District', 'GS2', 'Two');
my $three = school('GD2', 'Other District', 'GS3', 'Three');
my @score = (1300, 1500, 1700, 2000);

sub summative {
    my ($school, $subject, $grade, $counts, %more) = @_;
    for my $level (1 .. @$counts) {
        next unless $counts->[$level - 1];
        results($school, year => $year, subject => $subject, grade => $grade, level => $level, asmt_score => $score[$level - 1],
            count => $counts->[$level - 1], %more);
    }
}

summative($one, 'Math', '03', [6, 8, 10, 12]);
summative($one, 'Math', '04', [5, 9, 11, 7], sex => 'female', dmg_prg_lep => \1, dmg_eth_derived => 3);
summative($one, 'Math', '04', [9, 9, 9, 9], sex => 'not_stated', dmg_prg_iep => undef, dmg_eth_derived => 0, complete => undef);
summative($one, 'Math', '05', [0, 1, 2, 0], sex => 'female', dmg_sts_mig => \1, dmg_eth_derived => 2);    # three migrants
summative($one, 'ELA', '03', [4, 4, 4, 4], sex => 'NS', dmg_prg_504 => \1);
summative($one, 'Math', '03', [0, 0, 0, 30], administration_condition => 'IN');
summative($two, 'Math', '03', [12, 12, 12, 12], dmg_sts_mig => \1);
summative($two, 'Math', '04', [20, 0, 0, 0], sex => 'female');    # all in the lower half
summative($three, 'Math', '06', [7, 8, 9, 10], sex => 'female', dmg_sts_ecd => \1);
summative($three, 'Math', '06', [11, 12, 13, 14]);
summative($three, 'ELA', '06', [9, 9, 9, 9]);
metadata(undef);
put();
allow_log(qr/SB2041/);    # so few places cannot hide each other

my $jar = sign_in('state');

sub ask {
    my ($path, %params) = @_;
    my $answer = post_json($path, { stateCode => $state, asmtYear => $year, %params }, jar => $jar);
    is($answer->{status}, 200, "$path answers") or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : {};
}

sub row {
    my ($data, $filter, $value) = @_;
    my ($row) = grep { ($_->{filter} // '') eq ($filter // '') && ($_->{value} // '') eq ($value // '') } @{ $data->{records} };
    return $row->{results};
}

my @places = (['the state'], ['a district', districtId => 'GD1'], ['another district', districtId => 'GD2'],
    ['a school', districtId => 'GD1', schoolId => 'GS1'], ['another school', districtId => 'GD1', schoolId => 'GS2'],
    ['a place without results', districtId => 'GD1', schoolId => 'GS3']);
my %seen;
for my $place (@places) {
    my ($name, %place) = @$place;
    subtest "$name, row by row" => sub {
        my $data = ask($report, %place);
        is_deeply([sort keys %$data], [qw(asmt_period_year asmt_year context metadata records subjects user_info)], 'its members');
        cmp_ok(scalar @{ $data->{records} }, '>=', 32, 'a row for every value');
        for my $row (@{ $data->{records} }) {
            my $what = $row->{filter} ? "$row->{filter}=$row->{value}" : 'everybody';
            my $same = ask('/data/comparing_populations', %place, averages => 'true', $row->{filter} ? ($row->{filter} => [$row->{value}]) : ());
            my $want = $same->{summary}[0]{results};
            delete @{$_}{qw(unfilteredTotal hasInterim)} for values %$want;
            is_deeply($row->{results}, $want, "$what: as comparing populations has it");
            $seen{ $_->{total} < 0 ? 'hidden' : $_->{total} ? 'shown' : 'empty' }++ for values %{ $row->{results} };
        }
    };
}
cmp_ok($seen{$_} // 0, '>', 5, "some of them are $_") for qw(hidden shown empty);

subtest 'the numbers' => sub {
    my $math = row(ask($report, districtId => 'GD2'))->{subject1};
    is_deeply([map { $_->{count} } @{ $math->{intervals} }], [18, 20, 22, 24], 'everybody in the district');
    is_deeply($math->{at_or_above}, { count => 46, percentage => 55 }, 'at or above');
    # (18 * 1300 + 20 * 1500 + 22 * 1700 + 24 * 2000) / 84, and the root of 68,067 by 84
    is_deeply([@$math{qw(average standard_error)}], [1652.4, 28.5], 'the average and its error');
};

subtest 'who may, and how' => sub {
    is(http('GET', "$report?stateCode=$state")->{status}, 401, 'nobody without a session');
    is(get("$report?stateCode=$state&asmtYear=$year", jar => sign_in('school'))->{status}, 200, 'every member of the tenant');
    is(get("$report?stateCode=ZZ", jar => $jar)->{status}, 403, 'no other state');
    is(get("$report?stateCode=$state&schoolId=GS1", jar => $jar)->{status}, 412, 'a school needs its district');
};

finish();
