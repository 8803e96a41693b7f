# Extracts under sanitizers: a web server and workers built with them make what several users ask for, at once and for
# later, while some of it is cancelled, a worker is told to read its configuration again and the database loses its
# connections. No error and no race of ours, and every job ends as it should. A few seconds of it; t/soak/extracts.t
# goes on for longer.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Extracts;
use Smarter::Results;
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::Wire;

need('httpd', 'pickup', 'workers');

my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my $seconds = $ENV{SANITIZED_SECONDS} // 4;
my $year = 2077;
my $queue = "t_extract_sanitized.$$";
my $school = school('QD1', 'Sanitized District', 'QS1', 'Sanitized School');
results($school, year => $year, subject => 'Math', grade => $_, level => 1, count => 1500) for '03', '04';
put();
my @users = map { "q-$_-$$" } 1 .. 3;
add_user($_, map { [$_, $tenant, $state] } qw(SAREXTRACTS IIRDEXTRACTS AUDITXML SRSEXTRACTS SRCEXTRACTS)) for @users;
my @jars = map { sign_in($_) } @users;
my %results = (stateCode => [$state], asmtYear => ["$year"], asmtType => ['SUMMATIVE'], asmtSubject => ['Math']);
my %leaves = (stateCode => $state, asmtYear => "$year", asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03');
# Workers of the stack would take them as well: these have a queue of their own.
my @ini = ('extract.job.queue.async' => $queue, 'extract.per_minute' => 0, 'extract.max_open' => 1000, 'extract.max_kept' => 0, 'jobs.retry_delay' => '200ms');
allow_log(qr/SB(?:12\d\d|14\d\d|23\d\d|43\d\d)\b/);    # the stack's own programs lose their connections, too

my $server = Smarter::Sanitized->new('thread', @ini);
my $ini = ini_with(@ini, 'logging.application' => "file:" . tmpdir() . '/application.log');
my %worker = map { $_ => Smarter::Sanitized->program($_, 'smarter-worker-extract', '-c', $ini) } split ' ', $ENV{SANITIZERS} // 'thread address';

# One user's browser: what each of its requests came to, until it is told to stop.
sub busy {
    my ($n) = @_;
    my ($end, %count) = (0);
    local $SIG{TERM} = sub { $end = 1 };
    my $wire = Smarter::Wire->new(peer => $server->url('') =~ m{//(.*)}, cookie => Smarter::Wire::cookie_header($jars[$n]), timeout => 60);
    my $ask = sub {
        my ($method, $path, $data) = @_;
        my $answer = eval { $wire->request($method, $path, { 'Sec-Fetch-Site' => 'same-origin', $data ? ('Content-Type' => 'application/json') : () },
            $data ? JSON::PP->new->encode($data) : undef) } // { status => 0 };
        $count{"$answer->{status}" . ($answer->{status} == 500 ? " $path" : '')}++;
        sleep 0.05 if !$answer->{status};
        return $answer;
    };
    until ($end) {
        $ask->('POST', '/services/extract', { %results, async => 'true' });
        $ask->('POST', '/services/extract', \%results);
        $ask->('POST', '/services/extract/raw_data', \%leaves);
        $ask->('POST', "/services/extract/student_registration_statistics", { stateCode => $state, academicYear => $year });
        my $listed = $ask->('GET', '/services/jobs');
        my @jobs = $listed->{status} == 200 ? @{ json($listed)->{jobs} } : ();
        my ($open) = grep { $_->{state} =~ /queued|running/ } @jobs;
        $ask->('DELETE', "/services/jobs/$open->{id}") if $open;
        # No more than workers that are watched can make.
        until ($end || (grep { $_->{state} =~ /queued|running/ } @jobs) < 3) {
            sleep 0.2;
            $listed = $ask->('GET', '/services/jobs');
            @jobs = $listed->{status} == 200 ? @{ json($listed)->{jobs} } : ();
        }
    }
    return map { "$count{$_} $_\n" } sort keys %count;
}

my @pids;
for my $n (0 .. $#users) {
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my @lines = eval { busy($n) };
        spew("$server->{dir}/busy$n", join '', @lines, $@ ? "1 500 it died: $@" : ());
        POSIX::_exit(0);
    }
    push @pids, $pid;
}
my @disturbances = (
    sub { kill 'HUP', map { $_->pid } values %worker },
    sub { sql({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') }, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            . " WHERE application_name ~ '^(smarter-worker-extract|smarter-job-beat|mod_smarter)'") },
    sub { $server->graceful },
);
my ($end, $n) = (time + $seconds, 0);
while (time < $end) {
    sleep 1;
    $disturbances[$n++ % @disturbances]->();
}
kill 'TERM', @pids;
waitpid $_, 0 for @pids;

my %count;
for my $file (glob "$server->{dir}/busy*") {
    my $text = slurp($file);
    $count{$2} += $1 while $text =~ /^(\d+) (.*)$/mg;
}
my $owners = join ', ', map { quote("t-$_") } @users;
eval { wait_until(60, 'the jobs to end', sub { !sql_one("SELECT count(*) FROM jobs.job WHERE owner_uid IN ($owners) AND closed_at IS NULL") }) } or diag($@);
my %ended = map { @$_ } sql("SELECT state, count(*) FROM jobs.job WHERE owner_uid IN ($owners) GROUP BY 1");
is(join(' ', grep { !/^(?:ready|cancelled)$/ } sort keys %ended), '', 'jobs end as they should: ' . join ', ', map { "$ended{$_} $_" } sort keys %ended)
    or diag(join "\n", map { $_->[0] } sql("SELECT DISTINCT coalesce(error, '') FROM jobs.job WHERE owner_uid IN ($owners) AND state = 'failed'"));
cmp_ok($ended{ready} // 0, '>=', 3, 'some are ready');
is_deeply([grep { /\A500/ } sort keys %count], [], 'no request failed: ' . join ', ', map { "$count{$_} x $_" } sort keys %count);
for my $kind (sort keys %worker) {
    my @findings = $worker{$kind}->stop;
    is(scalar @findings, 0, "the worker, $kind: nothing is found") or diag(map { substr($_, 0, 6000) . "\n" } @findings);
    is($worker{$kind}{status}, 0, '... and it ended in peace') or diag(substr $worker{$kind}->said, -3000);
}
my @findings = $server->stop;
is(scalar @findings, 0, 'the web server: nothing is found') or diag(map { substr($_, 0, 6000) . "\n" } @findings[0 .. ($#findings > 2 ? 2 : $#findings)]);
sql("DELETE FROM jobs.job WHERE owner_uid IN ($owners)");
finish();
