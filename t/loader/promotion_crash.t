# The database server dies in the middle of a registration's promotion and of a withdrawal: afterwards
# production is as before, and the same again does it once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_promotion_crash');
my $s = $w->{name};
my $n = 0;
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
# The stack's own programs notice too.
allow_log(qr/"no":"SB(?:1201|240[346789]|2410|4005|4022|4300|4340|45\d\d)"/, qr/ended with status 75/);

# Kill the server process that works for a program and waits for a lock, which makes the whole server start again.
sub crash {
    my ($app) = @_;
    my $pid = wait_until(20, "$app to wait for a lock", sub {
        sql_one("SELECT pid FROM pg_stat_activity WHERE application_name = '$app' AND wait_event_type = 'Lock' AND query NOT LIKE '%pg_advisory%'") });
    Smarter::Test::disturb();
    kill 'KILL', $pid or die "killing $pid: $!\n";
    wait_until(60, 'the server to be back', sub { eval { !sql_one("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") } });
    return;
}

sub withdrawal {
    my ($guid) = @_;
    return Smarter::Test::run({ background => 1 }, env('SMARTER_BUILD') . '/t/loader/withdraw', $w->{ini}, 'do', $guid)->{pid};
}

$w->registration($w->guid(++$n), {}, { student_id => 'r1' }, { student_id => 'r2' });
my $b1 = $w->batch($w->guid(++$n), {}, { student_id => 's1' }, { student_id => 's2' });
my $b2 = $w->batch($w->guid(++$n), {}, { student_id => 's1', asmt_score => 1500, first_name => 'Eva' }, { student_id => 's2', op => 'W' });
$w->conduct;
my $before = $w->fingerprint;

# ---- a registration ------------------------------------------------------------------------------
my $r = $w->registration($w->guid(++$n), {}, { student_id => 'r3' });
sql("INSERT INTO ${s}_udl.package (path, tenant, batch_guid, size, mtime, state) VALUES ('/a/r', 'nc', '$r', 1, now(), 'done')");
my $held = $w->hold("LOCK TABLE $s.student_reg IN SHARE MODE");
my $pid = $w->start;
crash('smarter-migrate-conductor');
waitpid $pid, 0;
is($? >> 8, 75, 'the server crashes in the middle of a registration: try again later');
is($w->fingerprint, $before, 'the old snapshot is whole');
$w->conduct;
is($w->status($r), 'udl.ingested', 'the crash emptied the batch: it waits');
sql(qq(INSERT INTO "$r".registration VALUES ('again', 2016, '2015-09-30', 'sys1')));
sql(qq{INSERT INTO "$r".student_reg (file_line, state_code, state_name, district_id, district_name, school_id, school_name, student_id,}
    . q{ external_student_ssid, sex, enrl_grade) VALUES (2, 'NC', 'x', 'd', 'd', 's', 's', 'r3', '', 'male', '03')});
$w->conduct;
is($w->status($r), 'migrate.ingested', 'loaded again it is promoted');
is(sql_one("SELECT string_agg(student_id, ' ') FROM $s.student_reg"), 'r3', 'once');

# ---- a withdrawal ----------------------------------------------------------------------------------
$before = $w->fingerprint;
$held = $w->hold("LOCK TABLE $s.dim_student IN SHARE MODE");
$pid = withdrawal($b2);
crash('withdraw-test');
waitpid $pid, 0;
isnt($?, 0, 'the server crashes in the middle of a withdrawal: it fails');
is($w->fingerprint . $w->status($b2), $before . 'migrate.ingested', 'and nothing happened');

# Between the commit and the status.
my $row = $w->hold("SELECT 1 FROM ${s}_stats.udl_stats WHERE batch_guid = '$b2' FOR UPDATE");
$pid = withdrawal($b2);
crash('withdraw-test');
waitpid $pid, 0;
is($w->status($b2), 'migrate.ingested', 'it crashes between the commit and the status');
is(sql_one("SELECT string_agg(student_id || rec_status || asmt_score, ' ' ORDER BY student_id) FROM $s.fact_asmt_outcome_vw"),
    's1C1400 s2C1400', 'the batch is withdrawn');
my $again = $w->withdraw($b2);
is_deeply([$again->{already}, $w->status($b2)], [JSON::PP::true, 'migrate.withdrawn'], 'and the next call says so and sets it');
ok($w->counts_agree, 'the counts agree');

sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
