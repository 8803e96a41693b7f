# A worker that is cut off from the loader's database, or stands still, while another one takes its batch
# over: it must not be able to write anything any more.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_fence');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1');
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
my $trigger = $l->start('smarter-udl-trigger');
my $n = 60_000;
my ($header, $text) = split /\n/, $l->csv([{ StudentIdentifier => 'STUDENT' }]);
my $package = $l->package({}, [], csv => "$header\n" . join '', map { $text =~ s/STUDENT/s$_/r . "\n" } 1 .. $n);

# A batch stands still at a stage: the row of batch is locked by us, so the worker waits in its next
# write there, having done all that comes before.
sub hold_at {
    my ($stage, $do) = @_;
    sql("CREATE OR REPLACE FUNCTION $udl.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN"
        . " IF NEW.stage = '$stage' AND OLD.stage <> '$stage' THEN PERFORM pg_advisory_lock(77, 24000); PERFORM pg_advisory_unlock(77, 24000); END IF; RETURN NEW; END \$\$");
    sql("DROP TRIGGER IF EXISTS hold ON $udl.batch; CREATE TRIGGER hold BEFORE UPDATE ON $udl.batch FOR EACH ROW EXECUTE FUNCTION $udl.hold()");
}

# Drop the package, and stop the worker when it writes that it is at this stage; its row.
sub stop_at {
    my ($stage, $name, $worker) = @_;
    my $locks = "FROM pg_locks WHERE locktype = 'advisory' AND classid = 77 AND objid = 24000";
    hold_at($stage);
    my $lock = Smarter::Test::run({ background => 1, env => { map { $_ => env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE) } },
        'psql', '-Xqc', 'SELECT pg_advisory_lock(77, 24000), pg_sleep(600)');
    wait_until(10, 'the lock', sub { sql_one(@super, "SELECT count(*) $locks AND granted") });
    $l->drop($package, name => $name);
    my $row = wait_until(30, "the worker to be $stage", sub { my $y = $l->arrival($name); $y && sql_one(@super, "SELECT count(*) $locks AND NOT granted") && $y });
    kill 'STOP', $worker;
    kill 'KILL', $lock->{pid};
    waitpid $lock->{pid}, 0;
    sql(@super, "SELECT pg_terminate_backend(pid) $locks AND granted");
    wait_until(10, 'the write to go through', sub { !sql_one(@super, "SELECT count(*) $locks") });
    sql("DROP TRIGGER hold ON $udl.batch");
    return $row;
}

# The backend that holds the claim of a batch.
sub claimer {
    my ($batch) = @_;
    return sql_one(@super, "SELECT l.pid FROM pg_locks l JOIN $udl.package k ON l.objid = k.package_id WHERE l.locktype = 'advisory'"
        . " AND l.classid = '$udl.package'::regclass::oid AND l.objsubid = 2 AND k.batch_guid = '$batch'");
}

sub whole {
    my ($what, $name, $claims) = @_;
    my $x = $l->ended($name, 60);
    is_deeply([@$x{qw(state status attempts)}], ['done', 'udl.ingested', 1], "$what: it is loaded, and no attempt was burned") or diag explain $x;
    is(sql_one("SELECT claims FROM $udl.package WHERE batch_guid = '$x->{batch}'"), $claims, "$what: claimed $claims times");
    is_deeply([sql(qq(SELECT count(*), count(DISTINCT student_id) FROM "$x->{batch}".asmt_outcome))], [[$n, $n]], "$what: every row once");
    is(sql_one(qq(SELECT count(*) FROM "$x->{batch}".asmt)), 1, "$what: so is the assessment");
    is(sql_one("SELECT count(*) FROM $udl.udl_batch WHERE guid_batch = '$x->{batch}' AND udl_phase = 'UDL_COMPLETE'"), 1, "$what: its log is of one attempt");
    is_deeply([$l->files('work'), $l->files('arrivals')], [], "$what: no file is left behind");
    return $x;
}

# ---- the connection that holds the claim dies -----------------------------------------------------
# While the worker stands still before the rows: the first write of progress finds out.
allow_log(qr/"no":"SB(?:1201|4002|4005|2240)"/);
my $worker = $l->start('smarter-worker-udl');
my $x = stop_at('loading', 'cut.gpg', $worker);
my $backend = claimer($x->{batch});
sql(@super, "SELECT pg_terminate_backend($backend)");
wait_until(10, 'the claim to vanish', sub { !claimer($x->{batch}) });
kill 'CONT', $worker;
whole('claim lost, alone', 'cut.gpg', 2);

# ---- and another worker takes over while the first one stands still -------------------------------
for my $stage ('loading', 'finishing') {
    my $name = "$stage.gpg";
    my $stopped = $worker;
    # finishing: all rows are copied, the transaction is open: one step before the commit
    $x = stop_at($stage, $name, $stopped);
    sleep 0.2;
    my $claim = claimer($x->{batch});
    sql(@super, "SELECT pg_terminate_backend($claim)") if $claim;
    $worker = $l->start('smarter-worker-udl');
    my $y = eval { $l->ended($name, 20) } // do { diag join "\n", $@, $l->log_lines; diag explain [sql("SELECT * FROM $udl.package WHERE path LIKE '%/$name'"), sql(@super, "SELECT pid, application_name, state, wait_event, left(query, 150) FROM pg_stat_activity WHERE application_name LIKE 'smarter-udl%'"), claimer($x->{batch})]; die };
    is($y->{status}, 'udl.ingested', "$stage: the second worker loads it");
    my $when = sql_one("SELECT load_end FROM $stats.udl_stats WHERE batch_guid = '$x->{batch}'");
    kill 'CONT', $stopped;
    wait_until(20, 'the first one to notice', sub { grep { /"no":"SB(?:4005|4002)".*"pid":$stopped\b|"pid":$stopped,.*/ && /SB400[25]/ } $l->log_lines });
    wait_until(20, 'its debt to be settled', sub { sql_one("SELECT attempts FROM $udl.package WHERE batch_guid = '$x->{batch}'") == 1 });
    whole("$stage, taken over", $name, 2);
    is(sql_one("SELECT load_end FROM $stats.udl_stats WHERE batch_guid = '$x->{batch}'"), $when, "$stage: the first one wrote nothing more");
    is(scalar(grep { /"no":"SB2240".*$x->{batch}/ } $l->log_lines), 1, "$stage: its transaction was cut off");
    $l->stop($stopped);
}

# ---- only stopped for a while ----------------------------------------------------------------------
$x = stop_at('loading', 'nap.gpg', $worker);
my $second = $l->start('smarter-worker-udl');
sleep 2.5;
is($l->arrival('nap.gpg')->{state}, 'running', 'a worker that only sleeps keeps its batch');
kill 'CONT', $worker;
whole('after a nap', 'nap.gpg', 1);

# ---- a package that a cut-off worker took out of arrivals ------------------------------------------
# It belongs to another batch: the sweep gives it back.
my ($kept) = grep { m{/nap\.gpg\z} } $l->files('history');
my ($label) = $kept =~ m{nc/([^/]+)/};
mkdir "$dir/work/nc/arrived/$label";
mkdir "$dir/work/nc/decrypted/$label";
spew("$dir/work/nc/decrypted/$label/rest", 'x');
$l->drop($package, name => 'again.gpg.part');
rename "$dir/arrivals/nc/again.gpg.part", "$dir/work/nc/arrived/$label/nap.gpg";
Smarter::Test::loaders("$dir/work/nc/arrived/$label", "$dir/work/nc/arrived/$label/nap.gpg", "$dir/work/nc/decrypted/$label");
utime time - 100, time - 100, "$dir/work/nc/arrived/$label";
$l->stop($trigger);
$trigger = $l->start('smarter-udl-trigger'); # sweeps at once
my $given = wait_until(30, 'it to be loaded as what it is', sub { my $y = $l->arrival('nap.gpg'); $y && $y->{batch} ne $x->{batch} && $y->{state} eq 'done' && $y });
is($given->{status}, 'udl.ingested', 'a package taken by mistake is loaded after all');
is_deeply([$l->files('work'), $l->files('arrivals')], [], 'nothing is left at work');

finish();
