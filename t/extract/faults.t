# A worker that is killed, a pickup zone that is gone, a work zone without room, what a crash left: nothing is lost
# or doubled, and the requester gets his file.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Fcntl ':flock';
use File::Path ();
use Smarter::Test;
use Smarter::Results;
use Smarter::Extracts;
use Smarter::Pickup;
use Smarter::Wire;

need('httpd', 'pickup', 'workers');

my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my $year = 2075;
my $base = env('SMARTER_VAR') . "/extraction/$tenant";
my $school = school('FD1', 'Fault District', 'FS1', 'Fault School');
results($school, year => $year, subject => 'Math', grade => sprintf('%02d', $_), level => 1, count => 6000) for 3 .. 8;
# So many files of results, a year later, that they are two parts of raw data; of the last two there are files.
results($school, year => $year + 1, subject => 'Math', grade => '03', level => 1, count => 148);
my %raw = (year => $year + 1, subject => 'Math', grade => '03');
results($school, %raw, student => student($_)) for 'ZZ-1', 'ZZ-2';
# And two districts with a student each, two years later.
my %few = (year => $year + 2, subject => 'Math', grade => '03');
results($school, %few, student => student('ZZ-3'));
results(school('FD2', 'Other District', 'FS2', 'Other School'), %few, student => student('ZZ-4'));
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

sub ask_raw_once {
    my ($when) = (@_, $year + 1);
    return post_json('/services/extract/raw_data', { stateCode => $state, asmtYear => "$when", asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' },
        jar => $jar, headers => { Origin => env('SMARTER_URL') });
}

sub ask_raw {
    my $r = ask_raw_once(@_);
    is($r->{status}, 200, 'asked for raw data') or die "$r->{body}\n";
    return json($r);
}
my $raw = env('SMARTER_VAR') . "/raw_data/$state";
my $leaf = 'SUMMATIVE/20150101/MATH/03';
END { my $status = $?; File::Path::remove_tree($raw) if $raw; $? = $status }
sub xml_of {
    my ($when, $district, @students) = @_;
    my $dir = "$raw/$when/$leaf/$district";
    File::Path::make_path($dir);
    spew("$dir/$_.xml", "<r>$_</r>") for @students;
    Smarter::Test::loaders(split /\n/, qx(find '$raw'));
    return $dir;
}
xml_of($year + 1, 'FD1', 'ZZ-1', 'ZZ-2');
sub job_of { my ($said, $what) = @_; return sql_one("SELECT $what FROM jobs.job j JOIN jobs.file USING (job_id) JOIN jobs.task t USING (job_id)"
    . ' WHERE pickup_id = ' . quote(pickup_id($said, 0)) . " AND t.name = 'extract.make'") }

# It died behind the first of two parts, with its work zone: what is made again is the same, to the byte.
kill 'STOP', worker_pid('worker-extract');
$said = ask_raw();
my $again = spew(tmpdir() . '/again.json', job_of($said, "t.args->'request'"));
my $made = tmpdir();
chmod 0777, $made;
is(run_program('smarter-worker-extract', '-c', env('SMARTER_INI'), '--once', $again, '-o', "$made/x.zip")->{exit}, 0, 'made by hand');
is(deliver(pickup_id($said, 0), "$made/x_part0.zip")->{status}, 200, 'one of two parts was delivered');
sleep 1; # what has the time of its making in it would differ
kill 'CONT', worker_pid('worker-extract');
wait_until(60, 'the job to end', sub { job_of($said, 'j.state') =~ /ready|failed/ });
is(job_of($said, 'j.state'), 'ready', '... and the rest comes after it');
is_deeply([map { my $got = fetch(pickup_id($said, $_), $outside); keys %{ unzip(spew(tmpdir() . '/x.zip', $got->{body})) } } 0, 1], ['ZZ-1.xml', 'ZZ-2.xml'], '... and it fits');

kill 'STOP', worker_pid('worker-extract');
$said = ask_raw();
is(scalar @{ $said->{files} }, 2, 'two parts');
$one = pickup_id($said, 0);
is(deliver($one, $other)->{status}, 200, 'an earlier attempt delivered one of them');
kill 'CONT', worker_pid('worker-extract');
wait_until(60, 'the job to end', sub { sql_one("SELECT state FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'") =~ /ready|failed/ });
is(sql_one("SELECT state || ': ' || error FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'"),
    'failed: An earlier attempt delivered other data. Please ask again.', '... which is not mixed with ours');

# ---- larger than the pickup zone takes -----------------------------------------------------------------
# Nothing is sent that it does not take: its limit is judged by the announced length.

my $zone_ini = env('SMARTER_PICKUP_INI');
my $zone_before = slurp($zone_ini);
sub zone_with {
    my ($text) = @_;
    my $zone = server_pid('pickup-internal');
    my %old = map { $_ => 1 } split ' ', qx(pgrep -P $zone);
    spew($zone_ini, $text);
    kill 'USR1', $zone;
    wait_until(30, 'a pickup zone that has read it', sub { my @now = split ' ', qx(pgrep -P $zone); @now && !grep { $old{$_} } @now });
}
END { my $status = $?; zone_with($zone_before) if defined $zone_before && slurp($zone_ini) ne $zone_before; $? = $status }
zone_with($zone_before =~ s/^(\[app:main\]\n)/$1hpz.frs.file_size_limit = 100000\n/mr);
($said, $id) = ask();
$one = pickup_id($said, 0);
wait_until(60, 'the job to end', sub { sql_one("SELECT state FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'") =~ /ready|failed/ });
like(sql_one("SELECT state || ': ' || error FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'"),
    qr/\Afailed: The file has \d+ MiB, more than can be kept for download\. Please ask for less/, 'larger than the pickup zone takes: its owner is told, and what he can do');
ok(scalar(grep { /SB2307.*hpz\.frs\.file_size_limit.*at most 100000 bytes/ } log_since()), '... the operator, where the limit stands');
ok(!-e env('SMARTER_PICKUP_DIR') . "/$one", '... and nothing is kept');
zone_with($zone_before);
allow_log(qr/SB3225\b/);

# ---- a file of the tree that somebody holds ------------------------------------------------------------

xml_of($year + 2, 'FD1', 'ZZ-3');
my $there = xml_of($year + 2, 'FD2', 'ZZ-4');
spew("$there/.metadata", '');
open my $index, '<', "$there/.metadata" or die $!;
flock $index, LOCK_EX or die "flock: $!\n";
$said = ask_raw($year + 2);
wait_until(20, 'it to be on its way', sub { job_of($said, 't.progress > 0.4') eq 't' });
like(json(get('/services/jobs', jar => $jar))->{jobs}[0]{percent}, qr/\A4[45]\z/, 'how far it is: one student of two, not delivered');
wait_until(20, 'the worker to give it back', sub { job_of($said, "t.state = 'queued'") eq 't' });
is(job_of($said, 't.attempt <= 1'), 't', 'an index that is locked for long: the task waits, and the worker for nobody');
close $index;
wait_until(60, 'the job to end', sub { job_of($said, 'j.state') =~ /ready|failed/ });
is_deeply([sort keys %{ unzip(spew(tmpdir() . '/x.zip', file_of_it($said)->{body})) }], ['ZZ-3.xml', 'ZZ-4.xml'], '... and goes on when it is free');

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

# ---- while the database is busy -----------------------------------------------------------------------
# Without this table there is no row: as when it sorts for minutes.

my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
sub waiting_for_rows { return sql_one(@super, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%' AND usename <> 'postgres'") }
sub keep_busy {
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        eval { sql(sprintf 'BEGIN; LOCK TABLE %s.dim_student IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)', env('SMARTER_SCHEMA')) };
        POSIX::_exit(0);
    }
    wait_until(10, 'the database to be busy', sub { sql_one(@super, "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'dim_student' AND l.mode = 'AccessExclusiveLock' AND l.granted") });
    return $pid;
}
sub let_go {
    my ($pid) = @_;
    sql(@super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
    waitpid $pid, 0;
}
my $busy = keep_busy();
($said, $id) = ask();
wait_until(20, 'the worker to wait for rows', \&waiting_for_rows);
my $told = time;
sql("SELECT jobs.job_cancel(job_id) FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '" . pickup_id($said, 0) . "'");
wait_until(20, 'it to stop', sub { !waiting_for_rows() });
cmp_ok(time - $told, '<', 4, 'cancelled before the first row: heard soon, and the database works for nobody');
wait_until(20, 'the end of the job', sub { !-e "$base/$id" });
my %sync = (stateCode => [$state], asmtYear => ["$year"], asmtType => ['SUMMATIVE'], asmtSubject => ['Math']);
is(post_json('/services/extract', \%sync, jar => $jar, timeout => 1)->{status}, 0, 'who asked at once hangs up');
wait_until(5, 'it to stop', sub { !waiting_for_rows() });
pass('then, too, the database stops');
my ($broken, $its) = ask();
wait_until(20, 'the worker to wait for rows', \&waiting_for_rows);
sql(@super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%' AND usename <> 'postgres'");
wait_until(10, 'it to notice', sub { noted($its, 'FAILED') });
is(sql_one("SELECT state IN ('queued', 'running') AND attempt <= 1 FROM jobs.task WHERE name = 'extract.make' AND args::text LIKE '%$its%'"), 't',
    'the database goes away: the task waits, which is no attempt');
let_go($busy);
whole($broken, $its, 'the database back');

# ---- sent at once to who hangs up ----------------------------------------------------------------------

sub told { return grep { /"callable":"post_extract_service"/ && /"asmtYear":\["$year"\]/ && !/"async"/ } log_since('audit') }
my $told_before = told();
my ($peer) = env('SMARTER_URL') =~ m{//(.*)};
my $wire = Smarter::Wire->new(peer => $peer);
my $asked_for = JSON::PP::encode_json(\%sync);
my $slow = $wire->connected;
print {$slow} "POST /services/extract HTTP/1.1\r\nHost: $peer\r\nCookie: @{[Smarter::Wire::cookie_header($jar)]}\r\nContent-Type: application/json\r\nContent-Length: "
    . length($asked_for) . "\r\n\r\n$asked_for";
sysread $slow, my $head, 500;
like($head, qr/\AHTTP\S+ 200/, 'an extract comes at once');
is(told() - $told_before, 1, '... and is in the audit stream while it is sent');
like((told())[-1], qr/"status":200\b/, '... as what was answered');
$wire->close;

# ---- many at the same time, and a pickup zone that stands still ----------------------------------------

my $INI = env('SMARTER_INI');
my $ini = slurp($INI);
END {
    my $status = $?;
    kill 'CONT', @zone, grep { $_ } worker_pid('worker-extract') if @zone;
    if (defined $ini && slurp($INI) ne $ini) { spew($INI, $ini); kill 'USR1', server_pid('httpd') }
    $? = $status;
}
sub web_with {
    my ($text) = @_;
    my @old = split ' ', qx(pgrep -P @{[server_pid('httpd')]});
    spew($INI, $text);
    kill 'USR1', server_pid('httpd');
    wait_until(20, 'processes that have read it', sub { my %now = map { $_ => 1 } split ' ', qx(pgrep -P @{[server_pid('httpd')]}); %now && !grep { $now{$_} } @old });
}
my %change = ('jobs.db.pool_size' => 1, 'extract.max_open' => 2, 'extract.request_timeout' => 5, 'extract.sync.max' => 1, 'extract.per_minute' => 0);
(my $changed = $ini) =~ s/^\[app:main\]\n/"[app:main]\n" . join '', map { "$_ = $change{$_}\n" } sort keys %change/me;
web_with($changed);
my $uid = sql_one("SELECT owner_uid FROM jobs.job JOIN jobs.file USING (job_id) WHERE pickup_id = '$one'");
sub open_jobs { return sql_one('SELECT count(*) FROM jobs.job WHERE state IN (\'queued\', \'running\') AND owner_uid = ' . quote($uid)) }
wait_until(20, 'all of before to be over', sub { !open_jobs() });
kill 'STOP', worker_pid('worker-extract');
kill 'STOP', @zone;
my $answers = tmpdir() . '/answers';
my $asking = fork // die "fork: $!\n";
if (!$asking) {
    my @many = Smarter::Test::http_all(map { ['POST', '/services/extract/raw_data', jar => $jar, headers => { Origin => env('SMARTER_URL') },
        json => { stateCode => $state, asmtYear => $year + 1 . '', asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' }] } 1 .. 6);
    spew($answers, join ' ', sort map { $_->{status} } @many);
    POSIX::_exit(0);
}
select undef, undef, undef, 1.5; # until they have got to the pickup zone
my @quick = map { get('/services/jobs', jar => $jar) } 1 .. 4;
is(join(' ', map { $_->{status} } @quick), '200 200 200 200', 'while six requests wait for the pickup zone, others have their connections');
cmp_ok((sort { $b <=> $a } map { $_->{time} } @quick)[0], '<', 1.5, '... at once');
kill 'CONT', @zone;
waitpid $asking, 0;
is(slurp($answers), '200 200 429 429 429 429', 'as many as there may be, however many are asked for at the same time');
is(open_jobs(), 2, '... and no job more');
is(sql_one('SELECT count(*) FROM hpz.file_registry r WHERE r.request_id IS NOT NULL AND user_id = ' . quote($uid) . ' AND NOT EXISTS (SELECT FROM jobs.job j WHERE j.job_id = r.request_id)'), 0,
    '... and nothing is announced that nobody will deliver');
is_deeply([sql("SELECT string_agg(part::text, ' ' ORDER BY part), j.job_id = r.request_id FROM hpz.file_registry r JOIN jobs.file ON pickup_id = registration_id"
    . ' JOIN jobs.job j USING (job_id) WHERE j.state = \'queued\' AND owner_uid = ' . quote($uid) . ' GROUP BY 2, j.job_id')], [['1 2', 't'], ['1 2', 't']],
    'the parts of a job are one request to the pickup zone');
sql('SELECT jobs.job_cancel(job_id) FROM jobs.job WHERE state = \'queued\' AND owner_uid = ' . quote($uid));
kill 'STOP', @zone;
my $late = ask_raw_once();
kill 'CONT', @zone;
is($late->{status}, 503, 'it stands still: come again');
cmp_ok($late->{time}, '<', 8, '... when the time of the whole request is up');

# ---- a web server that is killed in the middle of it -----------------------------------------------------

# The status of what is asked meanwhile stands in a file, when it is answered.
sub meanwhile {
    my ($do) = @_;
    my $file = tmpdir() . '/status';
    my $pid = fork // die "fork: $!\n";
    return ($pid, $file) if $pid;
    spew($file, $do->()->{status});
    POSIX::_exit(0);
}
kill 'STOP', @zone;
my ($asks, $answer) = meanwhile(\&ask_raw_once);
select undef, undef, undef, 1; # until it has got to the pickup zone
kill 'KILL', split ' ', qx(pgrep -P @{[server_pid('httpd')]});
waitpid $asks, 0;
kill 'CONT', @zone;
is(slurp($answer), 0, 'killed, the web server: there is no answer');
allow_log(qr/AH00052: child pid \d+ exit signal Killed/);
wait_until(20, 'other processes of it', sub { get('/services/ready')->{status} == 200 });
is(open_jobs(), 0, '... and no job');
is(ask_raw_once()->{status}, 200, '... who asks again is answered');
is(open_jobs(), 1, '... and there is one');
sql('SELECT jobs.job_cancel(job_id) FROM jobs.job WHERE state = \'queued\' AND owner_uid = ' . quote($uid));

# ---- as many at once as there may be ---------------------------------------------------------------------

add_user('f-other', ['SAREXTRACTS', $tenant, $state]);
my $other_jar = sign_in('f-other');
$busy = keep_busy();
($asks, $answer) = meanwhile(sub { return post_json('/services/extract', \%sync, jar => $jar) });
wait_until(20, 'it to wait for rows', \&waiting_for_rows);
my %told;
wait_until(20, 'the process that makes it to be asked again, by himself and by somebody else', sub {
    $told{ $_->{status} } = $_ for map { post_json('/services/extract', \%sync, jar => $_, timeout => 1) } $jar, $other_jar;
    return $told{429} && $told{503};
});
like(json($told{429})->{detail}, qr/\AAnother extract of yours/, 'one at a time of one user');
like(json($told{503})->{detail}, qr/\AToo many extracts are being made/, 'extract.sync.max of all in a process');
is($told{$_}{headers}{'retry-after'}, 10, '... come again') for 429, 503;
let_go($busy);
waitpid $asks, 0;
is(slurp($answer), 200, 'the first gets his');
kill 'CONT', worker_pid('worker-extract');
web_with($ini);
allow_log(qr/SB(?:3062|3063|4555)/);
kill 'TERM', worker_pid('job-relay'); # it would leave the pickup zone alone for a minute

# ---- no room in the work zone --------------------------------------------------------------------------

my $small;
END { my $status = $?; system('umount', '-l', $base) if $small; $? = $status }
SKIP: {
    my (undef, undef, $user, $group) = getpwnam(env('SMARTER_LOADER_USER'));
    $small = $> == 0 && system("mount -t tmpfs -o size=64k,mode=0700,uid=$user,gid=$group tmpfs '$base' 2>/dev/null") == 0;
    skip 'no tmpfs may be mounted here', 5 if !$small;
    ($said, $id) = ask();
    wait_until(30, 'the disk to be full', sub { noted($id, 'FAILED') });
    is(sql_one("SELECT state IN ('queued', 'running') AND attempt <= 1 FROM jobs.task WHERE name = 'extract.make' AND args::text LIKE '%$id%'"), 't', 'no room: the task waits');
    system('mount', '-o', 'remount,size=64m', $base);
    whole($said, $id, 'room again');
    system('umount', '-l', $base);
    undef $small;
}

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

# A worker that has nothing to do looks as well: here each second.
my $own = tmpdir() . '/zone';
sub leave {
    my ($dir) = ("$own/$tenant/$_[0]");
    File::Path::make_path($dir);
    utime time - 3 * 3600, time - 3 * 3600, $dir;
    Smarter::Test::loaders($own, "$own/$tenant", $dir);
    return $dir;
}
my $first = leave('11111111-2222-4333-8444-777777777777');
my $idle = run_program({ background => 1 }, 'smarter-worker-extract', '-c',
    ini_with('extract.work_zone_base_dir' => $own, 'extract.job.queue.async' => 't_extract_idle', 'jobs.give_up_after' => 1));
wait_until(20, 'it to have begun', sub { !-e $first });
my $second = leave('11111111-2222-4333-8444-888888888888');
ok(wait_until(10, 'it to look again', sub { !-e $second }), 'a worker without tasks sweeps now and then');
kill 'TERM', $idle->{pid};
waitpid $idle->{pid}, 0;

finish();
