# Promotion: versions of facts and dimensions, deletes, failures, and dying at the worst moments.
use strict;
use warnings;
use FindBin;
use POSIX 'strftime';
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_promotion');
my $s = $w->{name};
my $n = 0;
sub next_guid { return $w->guid(++$n) }

# What the server says to a statement it should refuse.
sub complaint {
    my ($sql) = @_;
    return eval { sql("BEGIN; $sql; ROLLBACK"); 1 } ? 'accepted' : $@;
}

sub facts {
    my ($where) = @_;
    return join ' ', map { join ':', map { $_ // '' } @$_ } sql(
        "SELECT rec_status, asmt_score, batch_guid::text FROM $s.fact_asmt_outcome_vw WHERE $where ORDER BY asmt_outcome_vw_rec_id");
}

my $today = strftime('%Y%m%d', localtime);

# ---- a first batch ---------------------------------------------------------------------------
my $b1 = $w->batch(next_guid(), {}, { student_id => 's1' }, { student_id => 's2', asmt_score => 1500 },
    { student_id => 's3', school_id => 'sch2', school_name => 'Second School', sex => 'NS', dmg_eth_derived => 0 });
my ($r) = $w->conduct;
is($w->{last}{exit}, 0, 'the conductor is done') or diag $w->{last}{err};
is($r->{status}, 'migrate.ingested', 'the batch is in production');
is_deeply([@$r{qw(batch tenant inserted superseded deleted deduplicated data_version)}],
    [$b1, 'nc', 3, 0, 0, 0, 2], 'its report');
is_deeply($r->{dims}, { asmt => { inserted => 1, superseded => 0, shadowed => 0 },
    inst_hier => { inserted => 2, superseded => 0, shadowed => 0 },
    student => { inserted => 3, superseded => 0, shadowed => 0 } }, 'its dimensions');
is($w->status($b1), 'migrate.ingested', 'its status');
is($w->schema_there($b1), 0, 'its schema is gone');
is(sql_one("SELECT data_version FROM $s.batch_applied WHERE batch_guid = '$b1'"), 2, 'it left its mark');
is(facts('true'), "C:1400:$b1 C:1500:$b1 C:1400:$b1", 'its facts');
is(sql_one("SELECT count(*) FROM $s.fact_asmt_outcome f JOIN $s.dim_student d USING (student_rec_id)"
    . " JOIN $s.dim_inst_hier i USING (inst_hier_rec_id) JOIN $s.dim_asmt a USING (asmt_rec_id)"
    . ' WHERE d.student_id = f.student_id AND i.school_id = f.school_id AND a.asmt_guid = f.asmt_guid'),
    3, 'every fact points at its own dimensions');
is(sql_one("SELECT string_agg(level || name || coalesce(cut_point::text, ''), ' ' ORDER BY level) FROM $s.asmt_level"),
    '1Low 2High1800', 'levels in their own table');
is(sql_one("SELECT name || score_min || score_max FROM $s.asmt_claim"), 'Claim one12002400', 'claims too');
is(sql_one("SELECT count(DISTINCT from_date || to_date) FROM $s.dim_student WHERE from_date = '$today' AND to_date = '99991231'"),
    1, 'valid from today, without end');
ok($w->counts_agree, 'the counts for reports agree');
is(sql_one("SELECT n_valid || '/' || ns_ethnicity || '/' || ns_sex FROM $s.report_count c JOIN $s.dim_inst_hier USING (inst_hier_rec_id)"
    . " WHERE school_id = 'sch2'"), '1/1/1', 'and count what is not stated');

# ---- what the tables refuse --------------------------------------------------------------------
for my $column (qw(asmt_rec_id student_rec_id inst_hier_rec_id)) {
    my $dim = "dim_" . $column =~ s/_rec_id//r;
    my $copy = "CREATE TEMP TABLE x AS SELECT * FROM $s.fact_asmt_outcome_vw LIMIT 1;"
        . " UPDATE x SET asmt_outcome_vw_rec_id = 987654, rec_status = 'I', $column = 987654; INSERT INTO $s.fact_asmt_outcome_vw SELECT * FROM x";
    like(complaint($copy), qr/1 rows of fact_asmt_outcome_vw refer to dimension rows that are not there/, "no fact without its $dim");
    like(complaint("DELETE FROM $s.$dim"), qr/still refer/, "no $dim goes while a fact refers to it");
    like(complaint("UPDATE $s.$dim SET $column = $column + 1000"), qr/may not change/, "no $dim changes its key");
    like(complaint("UPDATE $s.fact_asmt_outcome_vw SET $column = $column + 1"), qr/may not change/, "no fact changes its $dim");
}

is_deeply([$w->conduct], [], 'nothing waits: nothing happens');
is($w->{last}{exit}, 0, 'which is fine');

# ---- the same package again --------------------------------------------------------------------
my @same = ({ student_id => 's1' }, { student_id => 's2', asmt_score => 1500 },
    { student_id => 's3', school_id => 'sch2', school_name => 'Second School', sex => 'NS', dmg_eth_derived => 0 });
my $b2 = $w->batch(next_guid(), { effective_date => '20160402' }, @same);
($r) = $w->conduct;
is_deeply([@$r{qw(status inserted superseded)}], ['migrate.ingested', 3, 3], 'the same package again: all facts anew');
is_deeply($r->{dims}, { asmt => { inserted => 0, superseded => 0, shadowed => 1 },
    inst_hier => { inserted => 0, superseded => 0, shadowed => 2 },
    student => { inserted => 0, superseded => 0, shadowed => 3 } }, 'no dimension row is stored twice');
is(facts("student_id = 's1'"), "I:1400:$b1 C:1400:$b2", 'the older fact is inactive');
is(sql_one("SELECT string_agg(DISTINCT to_date, ' ') FROM $s.fact_asmt_outcome_vw WHERE rec_status = 'I'"),
    $today, 'since today');
is(sql_one("SELECT count(DISTINCT student_rec_id) FROM $s.fact_asmt_outcome_vw"), 3, 'both point at the same students');
ok($w->counts_agree, 'the counts agree');

# ---- changed dimensions ------------------------------------------------------------------------
my $old = sql_one("SELECT student_rec_id FROM $s.dim_student WHERE student_id = 's1'");
my $b3 = $w->batch(next_guid(), { asmt_version => 'V2', levels => '[{"level":6,"name":"Top","cut_point":2300}]',
        claims => '[{"claim":5,"name":"Fifth","score_min":1,"score_max":9}]' },
    { student_id => 's1', last_name => 'Renamed' },
    { student_id => 's4', school_id => 'sch2', school_name => 'Second School, renamed' });
($r) = $w->conduct;
is_deeply($r->{dims}, { asmt => { inserted => 1, superseded => 1, shadowed => 0 },
    inst_hier => { inserted => 1, superseded => 1, shadowed => 1 },
    student => { inserted => 2, superseded => 1, shadowed => 0 } }, 'changed rows are versions');
is_deeply([sql("SELECT rec_status, last_name, to_date FROM $s.dim_student WHERE student_id = 's1' ORDER BY student_rec_id")],
    [['I', 'Example', $today], ['C', 'Renamed', '99991231']], 'the old name stays as it was');
is(sql_one("SELECT string_agg(f.rec_status || (f.student_rec_id = $old), ' ' ORDER BY asmt_outcome_vw_rec_id)"
    . " FROM $s.fact_asmt_outcome_vw f WHERE student_id = 's1'"), 'Itrue Itrue Cfalse', 'old facts keep the old row');
is(sql_one("SELECT string_agg(level::text, ' ' ORDER BY level) FROM $s.asmt_level JOIN $s.dim_asmt USING (asmt_rec_id) WHERE rec_status = 'C'"),
    '1 2 6', 'a sixth level');
is(sql_one("SELECT string_agg(claim::text, ' ' ORDER BY claim) FROM $s.asmt_claim JOIN $s.dim_asmt USING (asmt_rec_id) WHERE rec_status = 'C'"),
    '1 5', 'a fifth claim');
is(sql_one("SELECT count(*) FROM $s.dim_inst_hier WHERE school_id = 'sch2'"), 2, 'the renamed school has two rows');
ok($w->counts_agree, 'the counts agree');

# ---- the digest of students --------------------------------------------------------------------
$w->batch(next_guid(), { asmt_guid => 'asmt-h' }, { student_id => 'h1', student_hash => 11 }, { student_id => 'h2', student_hash => 12 },
    { student_id => 'h3' }, { student_id => 'h4' });
$w->batch(next_guid(), { asmt_guid => 'asmt-h' }, { student_id => 'h1', student_hash => 11 }, { student_id => 'h2', student_hash => 99, first_name => 'Eva' },
    { student_id => 'h3', student_hash => 13 }, { student_id => 'h4', first_name => 'Eva' });
(undef, $r) = $w->conduct;
is_deeply($r->{dims}{student}, { inserted => 2, superseded => 2, shadowed => 2 },
    'equal digests or equal columns: the same student');

# ---- two lines of one key, two students' rows ---------------------------------------------------
my $b4 = $w->batch(next_guid(), { asmt_guid => 'asmt-2' },
    { student_id => 's5', asmt_score => 1301 }, { student_id => 's5', asmt_score => 1302, first_name => 'Later' },
    { student_id => 's5', asmt_score => 1303, date_taken => '20160404', date_taken_day => 4, first_name => 'Latest' },
    { student_id => 's6' });
($r) = $w->conduct;
is_deeply([@$r{qw(inserted superseded deduplicated)}], [3, 0, 1], 'the last line of a key wins, and it is told');
is(facts("student_id = 's5'"), "C:1302:$b4 C:1303:$b4", 'other dates are other results');
is(sql_one("SELECT string_agg(first_name, ' ') FROM $s.dim_student WHERE student_id = 's5'"), 'Latest',
    'one row of the student, as the last line has it');

# ---- deletes -----------------------------------------------------------------------------------
my $b5 = $w->batch(next_guid(), { asmt_guid => 'asmt-2' },
    { student_id => 's6', op => 'C', asmt_score => 1666 }, { student_id => 's6', op => 'W' },
    { student_id => 's5', op => 'W' }, { student_id => 'nobody', op => 'U' });
($r) = $w->conduct;
is_deeply([@$r{qw(status inserted superseded deleted ignored)}], ['migrate.ingested', 1, 0, 2, 1], 'deletes and an update');
is(facts("student_id = 's6'"), "D:1400:$b4 C:1666:$b5", 'a D and a C line of one key: an update');
is(facts("student_id = 's5'"), "D:1302:$b4 C:1303:$b4", 'a D line: deleted');
is(sql_one("SELECT to_date FROM $s.fact_asmt_outcome_vw WHERE student_id = 's5' AND rec_status = 'D'"), '99991231',
    'with its to_date unchanged');
is(sql_one("SELECT count(*) FROM $s.dim_student WHERE student_id = 'nobody'"), 0, 'other letters do nothing');
ok($w->counts_agree, 'the counts agree');

# ---- batches that fail -------------------------------------------------------------------------
my $before = $w->fingerprint;
my %bad = (
    'nothing to delete' => [{ asmt_guid => 'asmt-2' }, qr/1 line deletes a result that is not there; the first is line 3/,
        { student_id => 's7' }, { student_id => 's5', op => 'W' }],
    'deleted twice' => [{ asmt_guid => 'asmt-2' }, qr/2 lines delete a result that another line deletes too; the first is line 2/,
        { student_id => 's6', op => 'W' }, { student_id => 's6', op => 'W' }],
    'a score is missing' => [{}, qr/inserting results/, { student_id => 's8' }, { student_id => 's9', asmt_score => undef }],
);
my %guid;
for my $what (sort keys %bad) {
    my ($asmt, undef, @rows) = @{ $bad{$what} };
    $guid{$what} = $w->batch(next_guid(), $asmt, @rows);
}
my @reports = $w->conduct;
is($w->{last}{exit}, 1, 'failed batches fail the run');
is(scalar @reports, 3, 'each is reported');
my %report = map { $_->{batch} => $_ } @reports;
for my $what (sort keys %bad) {
    my $g = $guid{$what};
    is($report{$g}{status}, 'migrate.failed', "$what: failed");
    like($report{$g}{error}, $bad{$what}[1], '... and why');
    unlike($report{$g}{error}, qr/s[5-9]|Ada/, '... without anybody\'s data');
    is($w->status($g), 'migrate.failed', '... its status');
    is($w->schema_there($g), 1, '... its schema is kept');
    like(sql_one("SELECT notification FROM ${s}_stats.udl_stats WHERE batch_guid = '$g'"),
        qr/"error_desc": ".*"callback_url"|"callback_url".*"error_desc": "/, '... and the sender can be told');
}
is($w->fingerprint, $before, 'production is as it was, bit for bit');
is_deeply([sql("SELECT record_sid, err_code, err_source, err_input FROM ${s}_udl.err_list ORDER BY err_code, record_sid")],
    [[3, 1000, 1, 'student_id:s5, asmt_guid:asmt-2'], [2, 1001, 2, 'student_id:s6, asmt_guid:asmt-2'],
        [3, 1001, 2, 'student_id:s6, asmt_guid:asmt-2']], 'err_list has the lines');

my $lost = $w->batch(next_guid(), {}, { student_id => 's10' });
sql(qq(SET ROLE smarter_loader; TRUNCATE "$lost".asmt_outcome));
my $torn = $w->batch(next_guid(), {}, { student_id => 's10' });
sql(qq(SET ROLE smarter_loader; TRUNCATE "$torn".asmt));
my $gone = $w->batch(next_guid(), {}, { student_id => 's10' });
sql(qq(DROP SCHEMA "$gone" CASCADE));
my $fine = $w->batch(next_guid(), { asmt_guid => 'asmt-2' }, { student_id => 's10' });
%report = map { $_->{batch} => $_ } $w->conduct;
like($report{$lost}{error}, qr/0 lines, the loader stored 1/, 'a server crash emptied it: noticed');
like($report{$torn}{error}, qr/0 assessments/, 'without its assessment: noticed');
like($report{$gone}{error}, qr/schema/, 'without its schema: noticed');
is($report{$fine}{status}, 'migrate.ingested', 'and the batch behind them is in production');

$w->conduct(ini => $w->ini('keep0.ini', 'migrate.failed.keep = 0'));
is($w->schema_there($guid{'deleted twice'}), 1, 'a kept schema stays its time');
my $short = $w->batch(next_guid(), { asmt_guid => 'asmt-2' }, { student_id => 's5', op => 'W' });
$w->conduct(ini => $w->ini('keep0.ini', 'migrate.failed.keep = 0'));
$w->conduct;
is($w->schema_there($short), 0, 'when it is over the schema goes');

# ---- a second batch deletes what the first deleted ----------------------------------------------
my $d1 = $w->batch(next_guid(), { asmt_guid => 'asmt-2' }, { student_id => 's10', op => 'W' });
my $d2 = $w->batch(next_guid(), { asmt_guid => 'asmt-2' }, { student_id => 's10', op => 'W' });
is(join(' ', map { $_->{status} } $w->conduct), 'migrate.ingested migrate.failed', 'deleted by two batches: first in, second failed');

# ---- two waiting batches of one key, in order of arrival ----------------------------------------
my $o1 = $w->batch(next_guid(), { asmt_guid => 'asmt-3' }, { student_id => 'o1', asmt_score => 1 });
my $o2 = $w->batch(next_guid(), { asmt_guid => 'asmt-3' }, { student_id => 'o1', asmt_score => 2 });
is(join(' ', map { $_->{batch} } $w->conduct), "$o1 $o2", 'batches go in the order of arrival');
is(facts("student_id = 'o1'"), "I:1:$o1 C:2:$o2", 'so the later one is current');

# ---- interim blocks ----------------------------------------------------------------------------
my $i1 = $w->batch(next_guid(), { asmt_guid => 'blk', asmt_type => 'INTERIM ASSESSMENT BLOCKS' },
    { student_id => 's1', last_name => 'Renamed', asmt_score => undef, asmt_perf_lvl => undef, asmt_claim_1_score => 1300 });
($r) = $w->conduct;
is_deeply([@$r{qw(status inserted)}], ['migrate.ingested', 1], 'interim blocks');
is(sql_one("SELECT asmt_claim_1_score FROM $s.fact_block_asmt_outcome WHERE rec_status = 'C'"), 1300, 'in their own table');

# ---- dying -------------------------------------------------------------------------------------
# After the commit, before the status.
my $k1 = $w->batch(next_guid(), { asmt_guid => 'asmt-k' }, { student_id => 'k1' }, { student_id => 'k2' });
my $table = $w->hold("LOCK TABLE $s.dim_asmt");
my $pid = $w->start;
wait_until(10, 'the batch to be in process', sub { $w->status($k1) eq 'migrate.in_process' });
my $row = $w->hold("SELECT 1 FROM ${s}_stats.udl_stats WHERE batch_guid = '$k1' FOR UPDATE");
$w->release($table);
wait_until(10, 'the commit', sub { sql_one("SELECT count(*) FROM $s.batch_applied WHERE batch_guid = '$k1'") });
$w->await_blocked;
$w->kill9($pid);
# The server would still run the statement it has: it must not.
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smarter-migrate-conductor'"
    . " AND query LIKE '%${s}_stats%'");
$w->release($row);
is($w->status($k1), 'migrate.in_process', 'killed between commit and status');
is($w->schema_there($k1), 1, 'its schema is still there');
$before = $w->fingerprint;
($r) = $w->conduct;
is_deeply([@$r{qw(batch status inserted recovered)}], [$k1, 'migrate.ingested', 2, JSON::PP::true], 'the next run finishes it');
is($w->fingerprint, $before, 'every row is in production exactly once');
is($w->status($k1) . $w->schema_there($k1), 'migrate.ingested0', 'status and schema are as they should be');

# Inside the transaction, with its backend still at work.
my $k2 = $w->batch(next_guid(), { asmt_guid => 'asmt-k' }, { student_id => 'k3' });
$table = $w->hold("LOCK TABLE $s.dim_student");
$pid = $w->start;
$w->await_blocked;

my $second = run_program('smarter-migrate-conductor', '-c', $w->{ini}, '--once');
is($second->{exit}, 0, 'a second conductor is fine');
like($second->{err}, qr/another one is running/, 'and says that another one runs');

$w->kill9($pid);
my $again = $w->start;
wait_until(10, 'the next run to wait for the dead one\'s transaction', sub {
    sql_one(q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smarter-migrate-conductor')
        . q( AND wait_event_type = 'Lock' AND query LIKE '%pg_advisory_xact_lock%'));
});
is($w->status($k2), 'migrate.in_process', 'killed inside the transaction');
$w->release($table);
waitpid $again, 0;
is($? >> 8, 0, 'the next run takes it over');
is(facts("student_id = 'k3'"), "C:1400:$k2", 'exactly once');
is($w->status($k2), 'migrate.ingested', 'with the right status');

# A batch that was in process when everything died, and whose schema is gone.
my $k3 = $w->batch(next_guid(), { asmt_guid => 'asmt-k' }, { student_id => 'k4' });
sql(qq(DROP SCHEMA "$k3" CASCADE; UPDATE ${s}_stats.udl_stats SET load_status = 'migrate.in_process' WHERE batch_guid = '$k3'));
$w->conduct;
is($w->status($k3), 'migrate.failed', 'left half way without mark and schema: failed');

# A schema that was left behind by a batch that is through.
my $k4 = $w->batch(next_guid(), { asmt_guid => 'asmt-k' }, { student_id => 'k5' });
$w->conduct;
run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $k4);
$w->conduct;
is($w->schema_there($k4), 0, 'a schema left behind is swept away');

# ---- who may what ------------------------------------------------------------------------------
my $down = run_program('smarter-migrate-conductor', '-c',
    $w->ini('down.ini', 'migrate_stats.db.url = postgresql://smarter_loader@127.0.0.1:1/smarter'), '--once');
is($down->{exit}, 0 + 75, 'the database is down: try again later') or diag $down->{err};
is(run_program('smarter-migrate-conductor', '-c', $w->{ini})->{exit}, 2, 'say what to do');
is(run_program('smarter-migrate-conductor', '-c', $w->{ini}, '--every', 'x')->{exit}, 2, 'and how often');

ok($w->counts_agree, 'after all that the counts agree');
is(sql_one("SELECT count(*) FROM (SELECT 1 FROM $s.fact_asmt_outcome_vw WHERE rec_status = 'C'"
    . ' GROUP BY student_id, asmt_guid, date_taken HAVING count(*) > 1) x'), 0, 'no key is current twice');
sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
