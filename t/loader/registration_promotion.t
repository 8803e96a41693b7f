# Registrations into production: a snapshot of a system and year is replaced as a whole.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_promote_reg');
my $s = $w->{name};
my $n = 0;
sub next_guid { return $w->guid(++$n) }

sub registered {
    my ($table) = @_;
    $table //= 'student_reg';
    return join ' ', map { $_->[0] } sql("SELECT concat_ws(':', reg_system_id, academic_year, student_id, first_name, right(batch_guid, 0))"
        . " FROM $s.$table ORDER BY reg_system_id, academic_year, student_id, school_id, student_reg_rec_id");
}

# ---- one snapshot --------------------------------------------------------------------------------
my $b1 = $w->registration(next_guid(), {}, { student_id => 'a' }, { student_id => 'b' },
    { student_id => 'b', school_id => 'sch2', school_name => 'Second School' }, { student_id => 'a' });
my ($r) = $w->conduct;
is($w->{last}{exit}, 0, 'the conductor is done') or diag $w->{last}{err};
is_deeply([@$r{qw(batch tenant load_type status inserted superseded deleted deduplicated data_version)}],
    [$b1, 'nc', 'studentregistration', 'migrate.ingested', 3, 0, 0, 1, 2], 'its report');
ok(!exists $r->{dims}, 'which does not speak of dimensions');
is($w->status($b1) . $w->schema_there($b1), 'migrate.ingested0', 'its status, and no schema left');
is(registered(), 'sys1:2016:a:Ada: sys1:2016:b:Ada: sys1:2016:b:Ada:',
    'equal lines are one row, a student of two schools is two');
is_deeply([sql("SELECT student_reg_guid, extract_date, batch_guid, state_name, external_student_ssid, birthdate, dmg_prg_lep, dmg_eth_ami,"
        . " language_code, confirm_code FROM $s.student_reg WHERE student_id = 'a'")],
    [["reg-$b1", '2015-09-30', $b1, 'North Carolina', 'x1', '2006-07-08', 't', undef, 'eng', undef]], 'every column is in its place');
is(sql_one("SELECT count(*) FROM information_schema.columns b WHERE table_schema = '$s' AND table_name = 'student_reg'"
    . " AND column_name NOT IN ('student_reg_rec_id', 'confirm_code') AND NOT EXISTS (SELECT FROM $s.student_reg r"
    . " WHERE to_jsonb(r) ? column_name)"), 0, 'none is left out');
is(sql_one("SELECT content_key FROM $s.batch_applied WHERE batch_guid = '$b1'"), 'reg:2016:sys1', 'the mark says what it delivers');

# ---- other systems and years, and the next one of this ---------------------------------------------
$w->registration(next_guid(), { reg_system_id => 'sys2' }, { student_id => 'x' });
$w->registration(next_guid(), { academic_year => 2017 }, { student_id => 'y' });
my $b2 = $w->registration(next_guid(), {}, { student_id => 'b', first_name => 'Eva' });
my @reports = $w->conduct;
is_deeply([map { "$_->{inserted}/$_->{superseded}" } @reports], ['1/0', '1/0', '1/3'], 'only its own snapshot is replaced');
is(registered(), 'sys1:2016:b:Eva: sys1:2017:y:Ada: sys2:2016:x:Ada:', 'as a whole');
is(sql_one("SELECT count(*) FROM $s.student_reg_replaced WHERE batch_guid = '$b1'"), 3, 'the one before it is kept aside');
$w->registration(next_guid(), {}, { student_id => 'c' });
$w->conduct;
is(registered('student_reg_replaced'), 'sys1:2016:b:Eva:', 'only that one');
is(sql_one("SELECT version FROM $s.data_version"), 6, 'each raised the version');

# ---- failures -----------------------------------------------------------------------------------
my $before = $w->fingerprint;
my %bad;
$bad{'no students'} = [$w->registration(next_guid(), {}), qr/would remove the whole snapshot/];
$bad{'lines missing'} = [$w->registration(next_guid(), {}, { student_id => 'd' }, { student_id => 'e' }), qr/1 lines, the loader stored 2/];
sql(qq(DELETE FROM "$bad{'lines missing'}[0]".student_reg WHERE student_id = 'e'));
$bad{'no metadata'} = [$w->registration(next_guid(), {}, { student_id => 'd' }), qr/0 registrations, not one/];
sql(qq(DELETE FROM "$bad{'no metadata'}[0]".registration));
$bad{'results called a registration'} = [$w->batch(next_guid(), {}, { student_id => 'd' }), qr/0 registrations, not one/];
sql("UPDATE ${s}_stats.udl_stats SET load_type = 'studentregistration' WHERE batch_guid = '$bad{'results called a registration'}[0]'");
$bad{'a registration called results'} = [$w->registration(next_guid(), {}, { student_id => 'd' }), qr/0 assessments, not one/];
sql("UPDATE ${s}_stats.udl_stats SET load_type = 'assessment' WHERE batch_guid = '$bad{'a registration called results'}[0]'");
my %report = map { $_->{batch} => $_ } $w->conduct;
for my $what (sort keys %bad) {
    my ($guid, $why) = @{ $bad{$what} };
    is($w->status($guid), 'migrate.failed', "$what: failed");
    like($report{$guid}{error}, $why, '... and why');
}
is($w->fingerprint, $before, 'the snapshots are as they were');
my $unknown = $w->registration(next_guid(), {}, { student_id => 'd' });
sql("UPDATE ${s}_stats.udl_stats SET load_type = 'Unknown' WHERE batch_guid = '$unknown'");
allow_log(qr/SB2409\b/);
$w->conduct;
is($w->status($unknown), 'udl.ingested', 'what nobody knows waits');
sql("DELETE FROM ${s}_stats.udl_stats WHERE batch_guid = '$unknown'");

# ---- dying --------------------------------------------------------------------------------------
for my $table ('student_reg_replaced', 'student_reg', 'batch_applied') {
    my $k = $w->registration(next_guid(), {}, { student_id => "k-$table" });
    my $was = registered();
    my $held = $w->hold("LOCK TABLE $s.$table IN SHARE MODE");
    my $pid = $w->start;
    $w->await_blocked;
    $w->kill9($pid);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smarter-migrate-conductor'"
        . " AND wait_event_type = 'Lock'");
    $w->release($held);
    is(registered() . $w->status($k), "${was}migrate.in_process", "killed before $table: the snapshot is whole");
    ($r) = $w->conduct;
    is_deeply([@$r{qw(batch status inserted)}], [$k, 'migrate.ingested', 1], '... and the next run replaces it');
    like(registered(), qr/sys1:2016:k-$table:Ada: sys1:2017/, '... once');
}

sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
