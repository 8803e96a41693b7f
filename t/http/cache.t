# What is kept of reports: the same for everybody, made once however many ask, gone with the data it was
# made from.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $schema = env('SMARTER_SCHEMA');
my $report = '/data/comparing_populations';
my %jar = map { $_ => sign_in($_) } qw(state district);

sub forget { sql("UPDATE $schema.data_version SET version = version + 1") }

# How often the report was made since the test began.
sub made { return scalar grep { /SB2004\b/ } log_since('application') }

sub body {
    my ($who, %params) = @_;
    my $answer = post_json($report, { stateCode => $state, %params }, jar => $jar{$who});
    is($answer->{status}, 200, "the report, for the $who");
    return json($answer);
}

subtest 'made once for all' => sub {
    forget();
    my $before = made();
    my $first = body('state');
    my $second = body('district');
    body('state', asmtGrade => '03');    # a name the report does not know is not part of the question
    is(made() - $before, 1, 'once for two users and three requests');
    isnt($first->{user_info}{_User__info}{guid}, $second->{user_info}{_User__info}{guid}, 'each is told who he is');
    ok(!$second->{context}{permissions}{srs_extracts}{all}, 'and what he may');
    ok($first->{context}{permissions}{srs_extracts}{all}, 'which differs');
    delete @$_{qw(user_info context)} for $first, $second;
    is_deeply($first, $second, 'the rest is the same');
};

allow_log(qr{AH00286});    # more connections at once than this server has threads
subtest 'a stampede' => sub {
    forget();
    select undef, undef, undef, 0.1;    # so that all processes know: until then one may make it for the version before
    my $before = made();
    my $dir = tmpdir();
    my $list = spew("$dir/requests", join '', map { sprintf qq(url = "%s"\noutput = "$dir/%d"\n), url("$report?stateCode=$state&sex=female"), $_ } 1 .. 100);
    my $codes = qx(curl -s -Z --parallel-immediate --parallel-max 100 --cacert '@{[env('SMARTER_CA')]}' -b '$jar{state}' -w '%{http_code}\\n' -K '$list' 2>/dev/null);
    is_deeply({ map { $_ => 1 } split /\n/, $codes }, { 200 => 1 }, 'a hundred at once are answered');
    my %bodies = map { (slurp("$dir/$_") => 1) } 1 .. 100;
    is(scalar keys %bodies, 1, 'with one answer');
    is(made() - $before, 1, 'made once, by whichever process');
};

# While others ask all the time, a process goes by what it was told a moment ago: not for long.
subtest 'new data under load' => sub {
    my $year = 2045;
    my $school = school('HC2', 'Busy District', 'HCS2', 'Busy School');
    results($school, year => $year, subject => 'Math', grade => '03', level => 3, count => 20);
    put();
    my $list = spew(tmpdir() . '/requests', join '', map { sprintf qq(url = "%s"\noutput = "/dev/null"\n), url("$report?stateCode=$state&asmtYear=$year") } 1 .. 20_000);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        exec 'curl', '-s', '--no-progress-meter', '-Z', '--parallel-max', 4, '--cacert', env('SMARTER_CA'), '-b', $jar{district}, '-K', $list;
    }
    my @totals;
    for my $round (1 .. 4) {
        results($school, year => $year, subject => 'Math', grade => '03', level => 3, count => 1);
        put();
        select undef, undef, undef, 0.05;
        push @totals, map { body('state', asmtYear => $year)->{summary}[0]{results}{subject1}{total} } 1 .. 3;
    }
    is(kill(0, $pid), 1, 'they asked all the time');
    kill 'KILL', $pid;
    waitpid $pid, 0;
    is("@totals", join(' ', map { ($_) x 3 } 21 .. 24), 'seen 50 ms later, by whichever process');
};

subtest 'the data it was made from' => sub {
    my $year = 2044;
    my $school = school('HC1', 'Cache District', 'HCS1', 'Cache School');
    results($school, year => $year, subject => 'Math', grade => '03', level => 3, count => 20);
    put();
    my $total = sub { body('state', asmtYear => $year)->{summary}[0]{results}{subject1}{total} };
    is($total->(), 20, 'twenty');
    results($school, year => $year, subject => 'Math', grade => '03', level => 3, count => 5);
    put();
    is($total->(), 25, 'twenty-five as soon as they are there');
    metadata('{"min_cell_size": 100}');
    is($total->(), -1, 'a setting of the state counts as soon as it is made');
};

finish();
