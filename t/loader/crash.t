# Dying at the worst moments: whatever is killed, every row of a package is loaded exactly once and
# nothing else stays behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $n = 60_000;
my $l = Smarter::Loader->new('t_crash');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2.max_attempts = 20');
my $trigger = $l->start('smarter-udl-trigger');
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });

my $line = $l->csv([{ StudentIdentifier => 'STUDENT' }]);
my ($header, $text) = split /\n/, $line;
my $package = $l->package({}, [], csv => "$header\n" . join '', map { $text =~ s/STUDENT/s$_/r . "\n" } 1 .. $n);

# The backend that copies rows of our batches, once there is one. The COPY takes well under a second.
sub copying {
    my ($name) = @_;
    my $end = time + 30;
    while (time < $end) {
        my $pid = sql_one(@super, "SELECT a.pid FROM pg_stat_activity a JOIN $udl.package k ON a.query LIKE 'COPY \"' || k.batch_guid"
            . " || '\".asmt_outcome%' WHERE a.state = 'active' AND k.path LIKE '%/$name'");
        return $pid if $pid;
        sleep 0.01;
    }
    diag explain $l->arrival($name), [$l->log_lines];
    die "$name was never seen being copied\n";
}

sub whole {
    my ($what, $name) = @_;
    my $a = eval { $l->ended($name, 60) } // do {
        diag $@, explain $l->arrival($name), join "\n", $l->log_lines;
        die $@;
    };
    is_deeply([@$a{qw(state status)}], ['done', 'udl.ingested'], "$what: the package is loaded") or diag explain $a;
    my ($row) = sql(qq(SELECT count(*), count(DISTINCT student_id) FROM "$a->{batch}".asmt_outcome));
    is_deeply($row, [$n, $n], "$what: every row exactly once");
    is(sql_one(qq(SELECT count(*) FROM "$a->{batch}".asmt)), 1, "$what: the assessment too");
    is(sql_one("SELECT count(*) || '/' || max(record_loaded_count) FROM $stats.udl_stats WHERE batch_guid = '$a->{batch}'"), "1/$n",
        "$what: the batch is on record once");
    is(sql_one("SELECT count(*) FROM $udl.udl_batch WHERE guid_batch = '$a->{batch}' AND udl_phase = 'UDL_COMPLETE'"), 1,
        "$what: its log is of one attempt");
    is_deeply([$l->files('work'), $l->files('arrivals')], [], "$what: no file is left behind");
    is(scalar(grep { m{/\Q$name\E\z} } $l->files('history')), 1, "$what: the package is in history");
    return $a;
}

# ---- the worker, by SIGKILL in its COPY --------------------------------------------------------
my $worker = $l->start('smarter-worker-udl');
$l->drop($package, name => 'kill.gpg');
copying('kill.gpg');
is($l->stop($worker, 'KILL'), 'signal 9', 'the worker is killed in its COPY');
my $killed = $l->arrival('kill.gpg');
is_deeply([@$killed{qw(state status)}], ['running', 'udl.received'], 'its batch is neither loaded nor failed');
wait_until(10, 'the server to give up', sub { !sql_one(@super, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY \"$killed->{batch}%'") });
is(sql_one(qq(SELECT count(*) FROM "$killed->{batch}".asmt_outcome)), 0, 'nothing of it stays in the database');
$worker = $l->start('smarter-worker-udl');
my $a = whole('killed in COPY', 'kill.gpg');
is($a->{attempts}, 2, 'at the second attempt');

# ---- at any other moment -----------------------------------------------------------------------
$l->drop($package, name => 'often.gpg');
wait_until(20, 'the claim', sub { ($l->arrival('often.gpg') // {})->{attempts} });
for my $delay (0.01, 0.1, 0.2, 0.35, 0.6) {
    my $before = $l->arrival('often.gpg');
    last if $before->{state} eq 'done';
    wait_until(20, 'the next attempt', sub {
        my $x = $l->arrival('often.gpg');
        $x->{state} eq 'done' || sql_one("SELECT worker LIKE '%:$worker' FROM $udl.package WHERE batch_guid = '$x->{batch}'") eq 't' });
    sleep $delay;
    $l->stop($worker, 'KILL');
    $worker = $l->start('smarter-worker-udl');
}
whole('killed again and again', 'often.gpg');

# ---- told to stop ------------------------------------------------------------------------------
$l->drop($package, name => 'term.gpg');
copying('term.gpg');
my $start = time;
is($l->stop($worker), 0, 'SIGTERM in the middle: the worker ends');
cmp_ok(time - $start, '<', 5, 'soon');
$a = $l->arrival('term.gpg');
ok($a->{state} =~ /new|queued/ && $a->{attempts} == 0 || $a->{state} eq 'done', 'and gave the package back') or diag explain $a;
$worker = $l->start('smarter-worker-udl');
whole('stopped', 'term.gpg');

# ---- the database drops the connection ---------------------------------------------------------
$l->drop($package, name => 'cut.gpg');
sql(@super, 'SELECT pg_terminate_backend(' . copying('cut.gpg') . ')');
whole('cut off', 'cut.gpg');

# ---- between state and package row -------------------------------------------------------------
my ($kept) = grep { m{/cut\.gpg\z} } $l->files('history');
my ($label) = $kept =~ m{nc/([^/]+)/};
$l->stop($worker);
mkdir "$dir/work/nc/arrived/$label";
Smarter::Test::loaders("$dir/work/nc/arrived/$label");
rename "$dir/history/$kept", "$dir/work/nc/arrived/$label/cut.gpg";
sql("UPDATE $udl.package SET state = 'running', queued_at = NULL WHERE path LIKE '%/cut.gpg'");
$worker = $l->start('smarter-worker-udl');
whole('killed before the package was put away', 'cut.gpg');

# ---- the trigger, between the row and the message ----------------------------------------------
$l->stop($trigger, 'KILL');
$l->drop($package, name => 'row.gpg');
sql("INSERT INTO $udl.package (path, tenant, batch_guid, size, mtime) VALUES ('$dir/arrivals/nc/row.gpg', 'nc', gen_random_uuid()::text, 1, now())");
$trigger = $l->start('smarter-udl-trigger');
whole('recorded but not announced', 'row.gpg');
is(sql_one("SELECT count(*) FROM $udl.package WHERE path LIKE '%/row.gpg'"), 1, 'and not recorded twice');

# ---- a package that kills its workers ----------------------------------------------------------
$l->stop($worker);
$l->drop($package, name => 'poison.gpg');
wait_until(20, 'its row', sub { $l->arrival('poison.gpg') });
sql("UPDATE $udl.package SET attempts = 20 WHERE path LIKE '%/poison.gpg'");
$worker = $l->start('smarter-worker-udl');
$a = $l->ended('poison.gpg');
is_deeply([@$a{qw(state status error)}], ['failed', 'udl.failed', 'given up: its worker died 20 times'], 'a package that kills its workers is given up');
is(scalar(grep { m{nc/failed/.*/poison\.gpg\z} } $l->files('history')), 1, 'and kept');

# ---- the broker goes away ----------------------------------------------------------------------
allow_log(qr/"no":"SB(?:140[01]|4002|4022|4340)"/); # the stack's own workers notice too
stack('down', 'rabbitmq');
$l->drop($package, name => 'broker.gpg');
sleep 1;
stack('up', 'rabbitmq');
whole('no broker for a while', 'broker.gpg');

# ---- the database server crashes: unlogged tables come back empty -------------------------------
allow_log(qr/"no":"SB(?:1201|2403|2404|2406|2408|2409|4005)"/);
$a = $l->arrival('broker.gpg');
allow_log(qr{smarter-[\w-]+ ended with status 75});
sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for grep { $_ ne $a->{batch} } @{ $l->{batches} };
my ($backend) = sql(@super, "SELECT pid FROM pg_stat_activity WHERE application_name = 'smarter-udl' LIMIT 1");
Smarter::Test::disturb();
kill 'KILL', $backend->[0];
wait_until(60, 'the server to be back', sub { eval { sql_one('SELECT 1') } });
wait_until(60, 'the batch to be loaded again', sub { grep { /"no":"SB2230".*$a->{batch}/ } $l->log_lines });
whole('the server crashed', 'broker.gpg');

# ---- through to production ---------------------------------------------------------------------
SKIP: {
    skip 'the workers of the stack are not running', 4 unless eval { worker_pid('worker-udl1') };
    my $guid = sprintf 'crash-%d-%d', time, $$;
    my $csv = "$header\n" . join '', map { ($text =~ s/STUDENT/crash$_/r) =~ s/asmt-1/$guid/r . "\n" } 1 .. $n;
    my $file = $l->package({ 'Identification.Guid' => $guid }, [], csv => $csv);
    my $name = drop_package($file, name => "$guid.gpg");
    my $pid = wait_until(60, 'a worker to copy it', sub {
        my ($row) = sql("SELECT batch_guid, substring(worker from ':(\\d+)\$') FROM udl2.package WHERE path LIKE '%/$name' AND state = 'running'");
        $row && sql_one(@super, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY \"$row->[0]\".asmt_outcome%' AND state = 'active'") ? $row->[1] : undef });
    ok(kill('KILL', $pid), 'a worker of the stack is killed in its COPY');
    is(wait_until(120, 'the package to be promoted', sub { my $s = batch_status($name) // ''; $s =~ /migrate\.(ingested|failed)/ ? $s : undef }),
        'migrate.ingested', 'the package reaches production');
    my ($row) = sql("SELECT count(*), count(DISTINCT student_id), min(rec_status) || max(rec_status) FROM "
        . env('SMARTER_SCHEMA') . ".fact_asmt_outcome_vw WHERE asmt_guid = '$guid'");
    is_deeply($row, [$n, $n, 'CC'], 'every row exactly once');
    is(sql_one("SELECT attempts FROM udl2.package WHERE path LIKE '%/$name'"), 2, 'at the second attempt');
    allow_log(qr{smarter-worker-udl ended with status 137});
}

finish();
