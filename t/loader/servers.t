# Batches on another server than production: streamed over inside the promotion, from whichever of the
# pre-production databases has them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_servers');
my $s = $w->{name};
my $n = 0;
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
my @pre = ("${s}_pre1", "${s}_pre2");

# Two databases of their own, where the loader may make schemas; production's is the third.
for my $db (@pre) {
    sql(@super, "DROP DATABASE IF EXISTS $db WITH (FORCE)");
    sql(@super, "CREATE DATABASE $db OWNER " . env('PGUSER'));
    sql(@super, "GRANT CREATE ON DATABASE $db TO smarter_loader");
}
sub address { my ($db) = @_; return sprintf 'postgresql://smarter_loader:%s@%s:%s/%s', env('SMARTER_PG_LOADER_PASSWORD'), env('PGHOST'), env('PGPORT'), $db }
my $away = 'postgresql://smarter_loader@127.0.0.1:1/away';
my $ini = $w->ini('two.ini', 'migrate_source.db.nc.url = ' . join ' ', map { address($_) } @pre);
my $ini_away = $w->ini('away.ini', 'migrate_source.db.nc.url = ' . join ' ', $away, address($pre[1]));

# Move a batch that was made in production's database elsewhere, as if it had been loaded there.
sub elsewhere {
    my ($db, $guid) = @_;
    my $there = { database => $db };
    my $r = run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $guid, '--url', address($db));
    die $r->{err} if $r->{exit};
    for my $table (qw(asmt asmt_outcome registration student_reg)) {
        my ($rows) = map { $_->[0] } sql(qq(SELECT coalesce(jsonb_agg(t), '[]') FROM "$guid".$table t));
        utf8::encode($rows);
        sql($there, qq{INSERT INTO "$guid".$table SELECT * FROM jsonb_populate_recordset(NULL::"$guid".$table, } . quote($rows) . ')');
    }
    sql(qq(DROP SCHEMA "$guid" CASCADE));
    return $guid;
}
sub there { my ($db, $guid) = @_; return sql_one({ database => $db }, "SELECT count(*) FROM pg_namespace WHERE nspname = '$guid'") }
sub next_guid { return $w->guid(++$n) }

# ---- results and a registration, each on another server ----------------------------------------------
my $here = $w->batch(next_guid(), {}, { student_id => 's1' });
my $b1 = elsewhere($pre[0], $w->batch(next_guid(), { levels => '[{"level":6,"name":"Top","cut_point":2300}]' },
    { student_id => 's1', asmt_score => 1500, middle_name => "O'Neill \\ \x{c3}\x{a9}", birthdate => undef },
    { student_id => 's2' }, { student_id => 's3', op => 'W' }, { student_id => 's3', op => 'U' }));
my $b2 = elsewhere($pre[1], $w->registration(next_guid(), {}, { student_id => 'r1' }, { student_id => 'r2' }));
my $b3 = elsewhere($pre[1], $w->batch(next_guid(), {}, { student_id => 's1', op => 'W' }, { student_id => 's4' }));
my %report = map { $_->{batch} => $_ } $w->conduct(ini => $ini);
is($report{$here}{status}, 'migrate.ingested', 'a batch in the database of production') or diag $w->{last}{err};
is($report{$b1}{status}, 'migrate.failed', 'one on another server with a bad delete: failed');
is(there($pre[0], $b1), 1, 'its schema is kept over there');
is_deeply([sql("SELECT record_sid, err_code FROM ${s}_udl.err_list WHERE guid_batch = '$b1'")], [[4, 1000]], 'its line is listed');
is_deeply([@{ $report{$b2} }{qw(status inserted)}], ['migrate.ingested', 2], 'a registration on a third server');
is_deeply([@{ $report{$b3} }{qw(status inserted deleted)}], ['migrate.ingested', 1, 1], 'and results beside it');
is(there($pre[1], $b2) + there($pre[1], $b3), 0, 'their schemas are gone over there');
is(sql_one("SELECT count(*) FROM pg_namespace WHERE nspname IN ('$b1', '$b2', '$b3')"), 0, 'nothing of them was left here');
my $b4 = elsewhere($pre[0], $w->batch(next_guid(), {}, { student_id => 's5', asmt_score => 1500,
    middle_name => "O'Neill \\ \x{c3}\x{a9}", birthdate => undef, where_taken_name => '' }));
$w->conduct(ini => $ini);
is_deeply([sql("SELECT middle_name, birthdate, where_taken_name FROM $s.fact_asmt_outcome_vw JOIN $s.dim_student USING (student_rec_id)"
        . " WHERE fact_asmt_outcome_vw.batch_guid = '$b4'")], [["O'Neill \\ \x{e9}", undef, '']], 'values arrive as they are');

# ---- lines that a crash over there took away -----------------------------------------------------------
my $lost = elsewhere($pre[0], $w->batch(next_guid(), {}, { student_id => 's6' }));
sql({ database => $pre[0] }, qq(TRUNCATE "$lost".asmt_outcome));
my $before = $w->fingerprint;
my ($r) = $w->conduct(ini => $ini);
like($r->{error}, qr/0 lines, the loader stored 1/, 'emptied by a crash: noticed');
is($w->fingerprint, $before, 'production is as it was');

# A table that is not as ours are.
my $odd = elsewhere($pre[0], $w->batch(next_guid(), {}, { student_id => 's6' }));
sql({ database => $pre[0] }, qq(ALTER TABLE "$odd".asmt_outcome DROP COLUMN op));
($r) = $w->conduct(ini => $ini);
like($r->{error}, qr/bringing asmt_outcome over: .*"op"/, 'a column is missing over there: said');

# ---- a server that is away -----------------------------------------------------------------------------
allow_log(qr/SB2410\b/);
my $waits = elsewhere($pre[0], $w->batch(next_guid(), { asmt_guid => 'away' }, { student_id => 's7', asmt_score => 1 }));
my $goes = elsewhere($pre[1], $w->batch(next_guid(), {}, { student_id => 's8' }));
sql("INSERT INTO ${s}_udl.package (path, tenant, batch_guid, size, mtime, state, arrived_at) VALUES ('/a/p1', 'nc', '$waits', 1, now(), 'done', '2026-01-01 00:20+00')");
my $behind = elsewhere($pre[1], $w->batch(next_guid(), { asmt_guid => 'away' }, { student_id => 's7', asmt_score => 2 }));
sql("INSERT INTO ${s}_udl.package (path, tenant, batch_guid, size, mtime, state, arrived_at) VALUES ('/a/p2', 'nc', '$behind', 1, now(), 'done', '2026-01-01 00:21+00')");
sql("INSERT INTO ${s}_udl.batch (batch_guid, tenant, package, content_key, arrived_at) SELECT batch_guid, tenant, path, 'asmt:away', arrived_at FROM ${s}_udl.package");
is_deeply([map { $_->{batch} } $w->conduct(ini => $ini_away)], [$goes], 'one does not answer: batches of the others are promoted');
is($w->status($waits) . $w->status($behind), 'udl.ingestedudl.ingested', 'those that may be there wait, and those behind them');
like(sql_one("SELECT reason FROM ${s}_udl.batch_hold WHERE batch_guid = '$waits'"), qr/does not answer/, 'and it says why');
is_deeply([map { $_->{batch} } $w->conduct(ini => $ini)], [$waits, $behind], 'it is back: both, in order');

# ---- kill -9 while rows are streamed ---------------------------------------------------------------------
my $k = elsewhere($pre[0], $w->batch(next_guid(), { asmt_guid => 'k' }, map { { student_id => "k$_" } } 1 .. 50));
$before = $w->fingerprint;
my $held = $w->hold(qq(LOCK TABLE "$k".asmt_outcome), $pre[0]);
my $run = run_program({ background => 1 }, 'smarter-migrate-conductor', '-c', $ini, '--once');
$w->await_blocked;
is($w->status($k), 'migrate.in_process', 'a batch is being streamed');
$w->kill9($run->{pid});
$w->release($held);
wait_until(10, 'production to notice', sub {
    !sql_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smarter-migrate-conductor'") });
is($w->fingerprint, $before, 'killed in the middle: nothing of it is in production');
is(sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = '$k'"), 0, 'nor beside it');
($r) = $w->conduct(ini => $ini);
is_deeply([@$r{qw(batch status inserted)}], [$k, 'migrate.ingested', 50], 'the next run streams it again');

# The source's server goes away in the middle.
$k = elsewhere($pre[0], $w->batch(next_guid(), { asmt_guid => 'k' }, map { { student_id => "k$_" } } 1 .. 50));
$held = $w->hold(qq(LOCK TABLE "$k".asmt_outcome), $pre[0]);
$run = run_program({ background => 1 }, 'smarter-migrate-conductor', '-c', $ini, '--once');
$w->await_blocked;
sql(@super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$pre[0]' AND application_name = 'smarter-migrate-conductor'");
waitpid $run->{pid}, 0;
is($? >> 8, 75, 'the other server drops the connection: try again later');
$w->release($held);
($r) = $w->conduct(ini => $ini);
is_deeply([@$r{qw(batch status superseded)}], [$k, 'migrate.ingested', 50], 'and later it works');

sql(@super, "DROP DATABASE $_ WITH (FORCE)") for @pre;
sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
