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
put();
add_user('f-state', ['SAREXTRACTS', $tenant, $state]);
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
kill 'CONT', worker_pid('worker-extract');
wait_until(30, 'the file to be made', sub { -e "$base/$id/made" });
wait_until(30, 'a delivery to fail', sub { noted($id, 'FAILED') });
is(sql_one("SELECT state IN ('queued', 'running') FROM jobs.task WHERE name = 'extract.make' AND args::text LIKE '%$id%'"), 't', 'gone: the task waits');
stack('up', 'pickup');
whole($said, $id, 'gone');

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
