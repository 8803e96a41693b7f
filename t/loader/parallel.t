# Several workers at once: packages of several tenants are loaded in parallel, each once, and keep the
# order in which they came.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_parallel');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
my ($target) = $l->{ini_text} =~ /^target_db_conn\.nc\.url\s*=\s*(\S+)/m or die 'no target in the ini';
my ($sender) = $l->{ini_text} =~ /^tenant\.nc\.senders\s*=\s*(\S+)/m or die 'no sender in the ini';
my @tenants = qw(nc t1 t2);
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2_trigger.max_queued = 3',
    map { ("target_db_conn.$_.url = $target", "tenant.$_.senders = $sender") } 't1', 't2');

# ---- each once, side by side -------------------------------------------------------------------
my ($header, $text) = split /\n/, $l->csv([{ StudentIdentifier => 'STUDENT' }]);
my $rows = 4000;
my %package = map {
    my $tenant = $_;
    ($tenant => $l->package({}, [], csv => "$header\n" . join '', map { $text =~ s/STUDENT/$tenant-$_/r . "\n" } 1 .. $rows))
} @tenants;
my @names = map { sprintf 'p%02d.gpg', $_ } 1 .. 40;
# names that sort the other way round: the order is that of arrival
my @dropped = reverse @names;
$l->drop($package{ $tenants[$_ % 3] }, name => $dropped[$_], tenant => $tenants[$_ % 3]) for 0 .. 4;
my $trigger = $l->start('smarter-udl-trigger');
wait_until(20, 'the first ones', sub { sql_one("SELECT count(*) = 5 FROM $udl.package") eq 't' });
$l->drop($package{ $tenants[$_ % 3] }, name => $dropped[$_], tenant => $tenants[$_ % 3]) for 5 .. 39;
wait_until(20, 'all of them', sub { sql_one("SELECT count(*) = 40 FROM $udl.package") eq 't' });
is(sql_one("SELECT count(*) FROM $udl.package WHERE state = 'queued'"), 3, 'no more are announced than the queue should hold');
is_deeply([map { $_->[0] } sql("SELECT regexp_replace(path, '.*/', '') FROM $udl.package ORDER BY arrived_at")], \@dropped,
    'they are recorded as they came, whatever they are called');

my @workers = map { $l->start('smarter-worker-udl') } 1 .. 4;
wait_until(120, 'all to be loaded', sub { sql_one("SELECT count(*) = 40 FROM $udl.package WHERE state = 'done'") eq 't' });
is(sql_one("SELECT count(*) || '/' || sum(record_loaded_count) FROM $stats.udl_stats WHERE load_status = 'udl.ingested'"),
    '40/' . 40 * $rows, 'all are loaded');
my @batches = map { $_->[0] } sql("SELECT batch_guid FROM $udl.package ORDER BY arrived_at");
push @{ $l->{batches} }, @batches;
my $counts = sql_one('SELECT sum(n) || \'/\' || sum(d) FROM (' . join(' UNION ALL ',
    map { qq(SELECT count(*) AS n, count(DISTINCT student_id) AS d FROM "$_".asmt_outcome) } @batches) . ') x');
is($counts, join('/', (40 * $rows) x 2), 'every row once');
is(sql_one("SELECT count(DISTINCT k.attempts) || ' ' || max(k.attempts) || ' ' || max(k.claims) FROM $udl.package k"), '1 1 1', 'at the first attempt');
is(sql_one("SELECT count(DISTINCT worker) FROM $udl.batch"), 4, 'all four workers had some');
my $side = sql_one("SELECT max(n) FROM (SELECT count(*) AS n FROM $udl.batch a JOIN $udl.batch b"
    . ' ON b.started_at <= a.started_at AND b.finished_at > a.started_at GROUP BY a.batch_guid) x');
cmp_ok($side, '>=', 3, "$side were being loaded at the same time");
is(sql_one("SELECT count(*) FROM $stats.udl_stats s JOIN $udl.package k USING (batch_guid) WHERE s.file_arrived <> k.arrived_at AT TIME ZONE 'UTC'"), 0,
    'promotion sees the same order');
is_deeply([$l->files('work'), $l->files('arrivals')], [], 'no file is left behind');

# ---- order, whatever the clock does ------------------------------------------------------------
$l->stop($_) for @workers;
sql("UPDATE $udl.package SET arrived_at = now() + interval '1 hour' WHERE path LIKE '%/$dropped[-1]'");
$l->drop($package{nc}, name => "late$_.gpg") for 1, 2;
wait_until(20, 'two more', sub { sql_one("SELECT count(*) = 42 FROM $udl.package") eq 't' });
is(sql_one("SELECT string_agg(right(path, 9), ' ' ORDER BY arrived_at) FROM $udl.package WHERE arrived_at > now()"), "c/$dropped[-1] late1.gpg late2.gpg",
    'a clock that was set back does not turn the order round');
is(sql_one("SELECT count(DISTINCT arrived_at) FROM $udl.package"), 42, 'no two arrive at the same time');

# ---- two messages for one package --------------------------------------------------------------
# Both workers get one; only one may have the package.
sql("UPDATE $udl.package SET state = 'new' WHERE path LIKE '%/late1.gpg'");
wait_until(20, 'the second message', sub { sql_one("SELECT count(*) = 2 FROM $udl.package WHERE state = 'queued'") eq 't' });
@workers = map { $l->start('smarter-worker-udl') } 1 .. 2;
$l->ended("late$_.gpg", 60) for 1, 2;
is(sql_one("SELECT string_agg(attempts || ':' || claims, ' ') FROM $udl.package WHERE path LIKE '%/late%'"), '1:1 1:1', 'a second message does nothing');
push @{ $l->{batches} }, map { $_->[0] } sql("SELECT batch_guid FROM $udl.package");

finish();
