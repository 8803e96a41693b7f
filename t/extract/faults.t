# A worker that is killed, a pickup zone that is gone, a work zone without room, what a crash left: nothing is lost
# or doubled, and the requester gets his file.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Path ();
use Smarter::Test;
use Smarter::Results;
use Smarter::Extracts;
use Smarter::Pickup;

need('httpd', 'pickup', 'workers');

my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my $year = 2075;
my $base = env('SMARTER_VAR') . "/extraction/$tenant";
my $school = school('FD1', 'Fault District', 'FS1', 'Fault School');
results($school, year => $year, subject => 'Math', grade => sprintf('%02d', $_), level => 1, count => 6000) for 3 .. 8;
# So many files of results, a year later, that they are two parts of raw data; no file is there, which is nobody's fault.
results($school, year => $year + 1, subject => 'Math', grade => '03', level => 1, count => 150);
put();
add_user('f-state', map { [$_, $tenant, $state] } qw(SAREXTRACTS AUDITXML));
my $jar = sign_in('f-state');
my $outside = sign_in_outside('f-state');
# The worker says when something it needs is gone.
allow_log(qr/SB23\d\d|ended with status 137/);

# Ask for all of it, for later: what was answered, and the request's id.
sub ask {
    my $r = post_json('/services/extract', { stateCode => [$state], asmtYear => ["$year"], asmtType => ['SUMMATIVE'], asmtSubject => ['Math'], async => 'true' },
        jar => $jar, headers => { Origin => env('SMARTER_URL') });
    is($r->{status}, 200, 'asked') or die "$r->{body}\n";
    return (json($r), json($r)->{tasks}[0]{requestId});
}

sub noted { my ($id, $status) = @_; return sql_one("SELECT count(*) FROM edware_stats.extract_stats WHERE request_guid = '$id' AND status = '$status'") }

# The lease of a dead worker would run a minute; here it is over at once.
sub end_lease { my ($id) = @_; sql("UPDATE jobs.task SET lease_until = now() WHERE state = 'running' AND args::text LIKE '%$id%'") }

sub file_of_it { my ($said) = @_; return fetch($said->{files}[0]{web_download_url} =~ m{([-0-9a-f]{36})\z}, $outside) }

sub whole {
    my ($said, $id, $what) = @_;
    my $got;
    wait_until(60, "$what: the file", sub { $got = file_of_it($said); $got->{status} == 200 });
    my $files = unzip(spew(tmpdir() . '/x.zip', $got->{body}));
    my %rows;
    $rows{$_}++ for join('', values %$files) =~ /,(HT-\d+),/g;
    is(scalar(keys %rows), 36_000, "$what: every row is there");
    is(scalar(grep { $_ > 1 } values %rows), 0, "$what: once");
    wait_until(30, "$what: the end of the job", sub { !-e "$base/$id" });
    pass("$what: nothing is left in the work zone");
}

# ---- killed while it works ---------------------------------------------------------------------------

my ($said, $id) = ask();
wait_until(30, 'the work to begin', sub { glob "$base/$id/*" });
kill_worker('worker-extract');
is(file_of_it($said)->{status}, 404, 'killed: nobody gets a part of it');
end_lease($id);
whole($said, $id, 'killed');
is(sql_one("SELECT count(*) FROM jobs.task WHERE name = 'extract.make' AND args::text LIKE '%$id%'"), 1, 'killed: it was one task');

# ---- the pickup zone is gone -------------------------------------------------------------------------

kill 'STOP', worker_pid('worker-extract');
($said, $id) = ask();
stack('down', 'pickup');
sql(sprintf 'UPDATE %s.data_version SET version = version + 1', env('SMARTER_SCHEMA'));
kill 'CONT', worker_pid('worker-extract');
wait_until(30, 'the file to be made', sub { -e "$base/$id/made" });
wait_until(30, 'a delivery to fail', sub { noted($id, 'FAILED') });
is(sql_one("SELECT state IN ('queued', 'running') FROM jobs.task WHERE name = 'extract.make' AND args::text LIKE '%$id%'"), 't', 'gone: the task waits');
stack('up', 'pickup');
whole($said, $id, 'gone');
like(sql_one("SELECT j.notice FROM jobs.job j JOIN jobs.task t USING (job_id) WHERE t.name = 'extract.make' AND t.args::text LIKE '%$id%'"),
    qr/\AThe data changed/, 'gone: that the data changed before is told by the attempt that only delivered');

# ---- an earlier attempt delivered --------------------------------------------------------------------

sub pickup_id { my ($said, $part) = @_; return $said->{files}[$part]{web_download_url} =~ s{.*/}{}r }
my $other = file_of(12_345);
kill 'STOP', worker_pid('worker-extract');
($said, $id) = ask();
my ($one) = pickup_id($said, 0);
is(deliver($one, $other)->{status}, 200, 'an earlier attempt delivered all there is');
kill 'CONT', worker_pid('worker-extract');
wait_until(60, 'the job', sub { sql_one("SELECT state FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'") eq 'ready' });
is(sql_one("SELECT size || ' ' || sha256 FROM jobs.file WHERE pickup_id = '$one'"), '12345 ' . sha256_of($other), '... which is good enough, and known for what it is');

sub ask_raw {
    my $r = post_json('/services/extract/raw_data', { stateCode => $state, asmtYear => $year + 1 . '', asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' },
        jar => $jar, headers => { Origin => env('SMARTER_URL') });
    is($r->{status}, 200, 'asked for raw data') or die "$r->{body}\n";
    return json($r);
}
File::Path::make_path(env('SMARTER_VAR') . '/raw_data');
kill 'STOP', worker_pid('worker-extract');
$said = ask_raw();
is(scalar @{ $said->{files} }, 2, 'two parts');
$one = pickup_id($said, 0);
is(deliver($one, $other)->{status}, 200, 'an earlier attempt delivered one of them');
kill 'CONT', worker_pid('worker-extract');
wait_until(60, 'the job to end', sub { sql_one("SELECT state FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'") =~ /ready|failed/ });
is(sql_one("SELECT state || ': ' || error FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'"),
    'failed: An earlier attempt delivered other data. Please ask again.', '... which is not mixed with ours');

# ---- cancelled while it is delivered -----------------------------------------------------------------

my ($parent) = slurp(env('SMARTER_VAR') . '/pickup-internal/httpd.pid') =~ /(\d+)/;
my @zone = ($parent, split ' ', qx(pgrep -P $parent));
kill 'STOP', worker_pid('worker-extract');
($said, $id) = ask();
$one = pickup_id($said, 0);
kill 'STOP', @zone;
kill 'CONT', worker_pid('worker-extract');
wait_until(60, 'the delivery', sub { noted($id, 'COPYING') });
sql("SELECT jobs.job_cancel(job_id) FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'");
my $heard = eval { wait_until(15, 'the worker to hear of it', sub { !-e "$base/$id" }) };
kill 'CONT', @zone;
ok($heard, 'a job that is cancelled is not delivered to the end');

# ---- what was left -----------------------------------------------------------------------------------

my ($left, $young) = map { "$base/11111111-2222-4333-8444-$_" } '555555555555', '666666666666';
File::Path::make_path($left, $young);
spew("$left/0.zip.x.partial", 'left');
utime time - 3 * 86400, time - 3 * 86400, $left;
Smarter::Test::loaders($left, $young, "$left/0.zip.x.partial");
kill_worker('worker-extract');
wait_until(30, 'the sweep', sub { !-e $left });
pass('what a crash left is swept when a worker starts');
ok(-d $young, 'what may be in use is not');
File::Path::remove_tree($young);

finish();
