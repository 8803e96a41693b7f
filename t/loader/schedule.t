# --if-due: cron calls a program every minute on every machine; it works when its schedule says so, on
# one of them, once. SIGHUP: programs read the ini again, and keep what they have when it is wrong.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_schedule');
my $run = 't_schedule_stats.schedule_run';

# Everything that was taken, counted by the database itself.
sql("CREATE TABLE t_schedule_stats.takes (due_at timestamptz);
    CREATE FUNCTION t_schedule_stats.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO t_schedule_stats.takes VALUES (NEW.due_at); RETURN NULL; END';
    CREATE TRIGGER note AFTER INSERT OR UPDATE OF started_at ON $run FOR EACH ROW WHEN (NEW.taken)
        EXECUTE FUNCTION t_schedule_stats.note()");

sub due {
    my (@fields) = @_;
    my $ini = $w->ini('due.ini', 'migrate.conductor.enable = True',
        map { "migrate.conductor.schedule.cron.$_" } @fields);
    return sub { run_program({ @_ }, 'smarter-migrate-conductor', '-c', $ini, '--if-due') };
}

sub silent {
    my ($r, $what) = @_;
    is_deeply([@$r{qw(exit out err)}], [0, '', ''], "$what: status 0, not a word");
}

# The next tests must lie in one minute of the clock.
sub within_a_minute { my $left = 59 - time % 60; sleep $left + 2 if $left < $_[0] }

sub takes { return sql_one('SELECT count(*) FROM t_schedule_stats.takes') }

# ---- off ----------------------------------------------------------------------------------------
for (['no key at all'], ['not enabled', 'migrate.conductor.enable = False', 'migrate.conductor.schedule.cron.minute = */1'],
    ['no field', 'migrate.conductor.enable = True']) {
    my ($what, @lines) = @$_;
    silent(run_program('smarter-migrate-conductor', '-c', $w->ini('off.ini', @lines), '--if-due'), $what);
}
is(sql_one("SELECT count(*) FROM $run"), 0, 'nothing is noted of them');
my $r = run_program('smarter-migrate-conductor', '-c', $w->ini('bad.ini', 'migrate.conductor.schedule.cron.minute = 61'), '--if-due');
is($r->{exit}, 1, 'a field that cannot be is refused');
like($r->{err}, qr/bad\.ini:\d+: migrate\.conductor\.schedule\.cron\.minute = 61: accepted is minutes/, 'by file, line and key');
is(run_program('smarter-worker-udl', '--if-due')->{exit}, 2, 'a program without a schedule has no such option');

# ---- every minute ---------------------------------------------------------------------------------
my $minutely = due('minute = */1');
within_a_minute(20);
silent($minutely->(), 'due');
is_deeply([sql("SELECT name, schedule, taken, status, ended_at >= started_at, due_at <= now() AND due_at > now() - interval '1 min', host ~ ':[0-9]+\$' FROM $run")],
    [['migrate.conductor', 'minute=*/1', 't', 0, 't', 't', 't']], 'a schedule starts with the minute it is in, and its run is noted');
silent($minutely->(), 'again in the same minute');
is(takes(), 1, 'is not due');

# Eight machines ask at once, after five minutes in which nobody did.
sql("UPDATE $run SET due_at = due_at - interval '5 min'");
my @pids = map { run_program({ background => 1 }, 'smarter-migrate-conductor', '-c', "$w->{dir}/due.ini", '--if-due')->{pid} } 1 .. 8;
my @status = map { waitpid $_, 0; $? } @pids;
is_deeply(\@status, [(0) x 8], 'eight at once, after five missed minutes');
is(takes(), 2, 'one of them runs, once');

# Work is really done, and seen by the exit status in the row.
sql("UPDATE $run SET due_at = due_at - interval '1 min'");
$w->batch($w->guid(1), {}, { student_id => 's1' });
$r = $minutely->();
like($r->{out}, qr/"status":"migrate\.ingested"/, 'what waited is promoted');
is($w->status($w->guid(1)), 'migrate.ingested', 'and says so');

# While the last run lasts there is no other; it is made up afterwards.
my $held = $w->hold("SELECT pg_advisory_lock(hashtextextended('smarter schedule migrate.conductor', 0))");
sql("UPDATE $run SET due_at = due_at - interval '3 min'");
my $before = takes();
silent($minutely->(), 'due while the last run lasts');
is(takes(), $before, 'it does not run beside it');
$w->release($held);
wait_until(10, 'the session to end', sub { !sql_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$held->{name}'") });
silent($minutely->(), 'afterwards');
is(takes(), $before + 1, 'it is made up, once');

# A clock that was wrong once does not stop it for years.
sql("UPDATE $run SET due_at = now() + interval '3 years'");
$minutely->();
ok(sql_one("SELECT due_at < now() FROM $run"), 'a moment of the future is forgotten');

# ---- once a day ------------------------------------------------------------------------------------
# The hour is chosen by the time zone of the process, which is what a schedule is in.
my ($minute, $hour) = (gmtime)[1, 2];
my $past = ($hour + 23) % 24;
my $daily = due("hour = $past");
$before = takes();
silent($daily->(env => { TZ => 'UTC' }), 'a daily schedule that was changed to an hour gone by');
is(takes(), $before, 'is not made up today');
sql("UPDATE $run SET due_at = due_at - interval '1 day'");
silent($daily->(env => { TZ => 'UTC' }), 'after a night without power');
is(takes(), $before + 1, 'is made up');
silent($daily->(env => { TZ => 'XXX-1' }), 'an hour further east');
is(takes(), $before + 1, 'it was due an hour before, in local time');
silent($daily->(env => { TZ => 'UTC' }), 'and again');
is(takes(), $before + 1, 'once a day');

# ---- no database --------------------------------------------------------------------------------------
my $ini = $w->ini('down.ini', 'migrate.conductor.enable = True', 'migrate.conductor.schedule.cron.minute = */1',
    'migrate_stats.db.url = postgresql://nobody@127.0.0.1:9/none', 'logging.application = stderr');
$r = run_program('smarter-migrate-conductor', '-c', $ini, '--if-due');
is($r->{exit}, 75, 'no answer from the database: try again');
like($r->{err}, qr/SB4504 migrate\.conductor: asking whether it is due/, 'and the log says so');

# ---- SIGHUP -----------------------------------------------------------------------------------------
my $log = "$w->{dir}/hup.log";
$ini = $w->ini('hup.ini', "logging.application = file:$log");
chmod 0777, $w->{dir};
my $pid = run_program({ background => 1 }, 'smarter-migrate-conductor', '-c', $ini, '--every', '1')->{pid};
wait_until(20, 'the conductor to open its log', sub { -e $log });
my $guid = $w->guid(2);
sub told { my ($no) = @_; return -e $log ? scalar(() = slurp($log) =~ /"no":"$no"/g) : 0 }
wait_until(20, 'the program to read it again', sub { kill 'HUP', $pid; told('SB4500') });
ok(1, 'SIGHUP: the ini is read again');
spew($ini, slurp($ini) . "\nno line of an ini\n");
my $read = told('SB4500');
wait_until(20, 'the complaint', sub { kill 'HUP', $pid; told('SB4501') });
ok(told('SB4501'), 'a broken one is complained of');
rename $log, "$log.1";
$w->batch($guid, {}, { student_id => 's2' });
wait_until(20, 'the batch to be promoted', sub { $w->status($guid) eq 'migrate.ingested' });
ok(1, 'and the program works on with what it has');
$ini = $w->ini('hup.ini', "logging.application = file:$log");
wait_until(20, 'the log to be opened anew', sub { kill 'HUP', $pid; told('SB4500') });
ok(1, 'mended, it is read, and the log opened anew');
kill 'TERM', $pid;
waitpid $pid, 0;
is($?, 0, 'ends on SIGTERM');

$w->drop;
finish();
