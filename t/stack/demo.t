# The demonstration, interrupted twice, on a stack and a state of its own: each call goes on where
# the last one ended, nothing is loaded twice, and a call that finds all done returns at once.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes 'time';
use Smarter::Test;

need('httpd', 'workers');

my $var = tmpdir() . '/demo';
my $base = env('SMARTER_PORT_BASE') + 200;
my $students = 60;
my %env = (SMARTER_VAR => $var, SMARTER_PORT_BASE => $base, SMARTER_INST => env('SMARTER_INST'),
    SMARTER_UDL_WORKERS => 1, SMARTER_DEMO_SIZE => "2 4 $students");

# demo(pattern): runs the demo and interrupts it as soon as its output matches.
sub demo {
    my ($until) = @_;
    my $run = Smarter::Test::run({ env => \%env, background => 1 }, top() . '/smarterctl', 'demo');
    my $cut = 0;
    wait_until(180, 'the demo to end', sub {
        my $out = join '', map { slurp("$_") } @{ $run->{files} };
        if ($until && !$cut && $out =~ $until) {
            kill 'TERM', -$run->{pid};
            $cut = 1;
        }
        return waitpid($run->{pid}, POSIX::WNOHANG()) == $run->{pid};
    });
    return ($?, join '', map { slurp("$_") } @{ $run->{files} });
}

sub second {
    return Smarter::Test::run({ env => \%env, timeout => 120 }, top() . '/smarterctl', @_);
}

my ($status, $out) = demo(qr/Starting memcached/);
isnt($status, 0, 'interrupted while starting servers');
($status, $out) = demo(qr/Loading the sample state/);
isnt($status, 0, 'interrupted while loading');
($status, $out) = demo();
is($status, 0, 'the third call finishes') or BAIL_OUT($out);
like($out, qr{https://localhost:@{[$base + 1]}/}, 'and prints the address');
like($out, qr/$_\d+ +\S+-pw/, "and a sign-in for a $_") for qw(state district school);

my $start = time;
($status, $out) = demo();
is($status, 0, 'a fourth call');
cmp_ok(time - $start, '<', 10, 'takes seconds');
unlike($out, qr/Starting|Loading/, 'and does nothing');

my %second = map { /^(PG\w+)=(.*)$/ ? ($1, $2) : () } split /\n/, second('env')->{out};
my $r = Smarter::Test::run({ env => \%second }, 'psql', '-XqAt', '-c',
    "SELECT count(DISTINCT student_id) FILTER (WHERE asmt_year = 2016) = $students, (SELECT count(*) > 0 FROM prod_nc.student_reg), count(*) = count(DISTINCT (student_id, asmt_subject, asmt_year, asmt_type))"
        . " FROM prod_nc.fact_asmt_outcome_vw WHERE rec_status = 'C'");
is($r->{out}, "t|t|t\n", 'every student is there, registered, and every result once') or diag $r->{err};

is(second('clean')->{exit}, 0, 'clean');
finish();
