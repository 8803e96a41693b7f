#!/usr/bin/perl
# Counts and packs are what counting the facts would give, whatever is done to the facts: a hundred random
# statements that insert, change, end and remove, and batches promoted and withdrawn.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

my $seed = $ENV{SMARTER_SEED} // time;
srand $seed;
note "SMARTER_SEED=$seed";
my $w = Smarter::Promotion->new('t_packs');
my $s = $w->{name};

sub one_of { return $_[rand @_] }
sub bumped { return "UPDATE $s.data_version SET version = version + 1;" }

# ---- statements ----------------------------------------------------------------------------------
# One promoted result is what the others are copied from.
$w->batch($w->guid(1), {}, {});
$w->conduct;
is($w->status($w->guid(1)), 'migrate.ingested', 'a batch is promoted');
sql("INSERT INTO $s.dim_inst_hier SELECT n, state_code, district_id, district_name, 'other' || n, school_name, from_date, to_date, rec_status, batch_guid"
    . " FROM $s.dim_inst_hier, generate_series(-3, -1) n WHERE school_id = 'sch1'");
my @columns = map { $_->[0] } sql("SELECT attname FROM pg_attribute WHERE attrelid = '$s.fact_asmt_outcome_vw'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
my %random = (
    asmt_outcome_vw_rec_id => sub { "-n - $_[0] * 1000" },
    student_id => sub { "'$_[0]-' || n" },
    inst_hier_rec_id => sub { '-1 - (random() * 100)::int % 3' },
    asmt_year => sub { '(ARRAY[2015, 2016])[1 + (random() * 100)::int % 2]' },
    asmt_type => sub { "(ARRAY['SUMMATIVE', 'SUMMATIVE', 'INTERIM COMPREHENSIVE'])[1 + (random() * 100)::int % 3]" },
    map({ my $values = $_->[1]; ($_->[0] => sub { "(ARRAY[$values])[1 + (random() * 1000)::int % cardinality(ARRAY[$values])]" }) }
        [asmt_subject => "'Math', 'ELA', 'Science'"], [asmt_grade => "'03', '04', '11'"], [asmt_perf_lvl => '1, 2, 3, 4'],
        [asmt_score => '0, 1200, 2400, 32767'], [sex => "'male', 'female', 'NS', 'not_stated', 'other'"], [dmg_eth_derived => '0, 3, 7, 8, NULL'],
        [administration_condition => "'SD', 'IN', NULL"], [rec_status => "'C', 'C', 'C', 'I'"]),
    map({ ($_ => sub { '(ARRAY[true, false, NULL])[1 + (random() * 100)::int % 3]' }) }
        qw(dmg_prg_iep dmg_prg_lep dmg_prg_504 dmg_sts_ecd dmg_sts_mig complete)),
);
my @change = grep { !/\A(?:asmt_outcome_vw_rec_id|student_id|inst_hier_rec_id)\z/ } sort keys %random;

sub insert {
    my ($i) = @_;
    my $values = join ', ', map { $random{$_} ? $random{$_}->($i) : $_ } @columns;
    return "INSERT INTO $s.fact_asmt_outcome_vw SELECT $values FROM $s.fact_asmt_outcome_vw, generate_series(1, " . (1 + int rand 60)
        . ') n WHERE asmt_outcome_vw_rec_id > 0';
}
sub some { return 'asmt_outcome_vw_rec_id < 0 AND random() < ' . one_of(0.02, 0.2, 0.6) }
sub change {
    my @set = grep { rand() < 0.3 } @change;
    @set = ('rec_status') unless @set;
    return "UPDATE $s.fact_asmt_outcome_vw SET " . join(', ', map { "$_ = " . $random{$_}->(0) } @set) . ' WHERE ' . some();
}
sub end { return "UPDATE $s.fact_asmt_outcome_vw SET rec_status = " . one_of("'I'", "'D'", "'C'") . ' WHERE ' . some() }
sub remove { return "DELETE FROM $s.fact_asmt_outcome_vw WHERE " . some() }

my ($wrong, $appended) = (0, 0);
for my $i (1 .. 25) {
    my @statements = map { one_of(sub { insert($i * 10 + $_[0]) }, sub { insert($i * 10 + $_[0]) }, \&change, \&end, \&remove)->($_) } 1 .. 4;
    sql("BEGIN; SELECT setseed(0." . (($seed + $i) % 1000) . "); " . join('; ', @statements) . '; ' . (rand() < 0.8 ? bumped() : '') . ' COMMIT');
    $appended += sql_one("SELECT count(*) FROM $s.report_pack p WHERE gone <> ''");
    next if $w->counts_agree;
    $wrong++;
    diag join "\n", "seed $seed, step $i:", @statements;
    last;
}
is($wrong, 0, 'after each of many transactions counts and packs agree with the facts');
cmp_ok($appended, '>', 5, 'most packs were added to, not made anew');
sql(bumped());
is(sql_one("SELECT count(*) FROM $s.report_pack_stale"), 0, 'in the end nothing is out of date');
ok($w->counts_agree, 'counts and packs agree');
sql("DELETE FROM $s.fact_asmt_outcome_vw WHERE asmt_outcome_vw_rec_id < 0; " . bumped());
is(sql_one("SELECT count(*) FROM $s.report_pack WHERE inst_hier_rec_id < 0"), 0, 'nothing is left when everything is gone');
ok($w->counts_agree, 'nor of the counts');

# ---- batches ---------------------------------------------------------------------------------------
my (@done, %live);
for my $i (2 .. 9) {
    my $year = 2016;
    my @rows = map {
        my $n = $_;
        +{ student_id => "s$n", school_id => 'sch' . ($n % 3), asmt_score => 1200 + int rand 1200, asmt_perf_lvl => 1 + int rand 4,
            asmt_grade => one_of('03', '04'), sex => one_of('male', 'female', 'NS'), administration_condition => one_of('SD', 'IN'),
            $live{$n} && rand() < 0.3 ? (op => 'W') : () }
    } grep { rand() < 0.5 } 1 .. 60;
    $w->batch($w->guid($i), {}, @rows);
    my ($report) = $w->conduct;
    is($w->status($w->guid($i)), 'migrate.ingested', "batch $i is promoted");
    $live{ substr $_->{student_id}, 1 } = !$_->{op} for @rows;
    ok($w->counts_agree, 'and the packs agree');
    push @done, $w->guid($i);
    if (@done > 2 && rand() < 0.4) {
        my $gone = splice @done, rand @done, 1;
        my $told = $w->withdraw($gone);
        ok(!$told->{error}, 'a batch is withdrawn') or diag $told->{error};
        ok($w->counts_agree, 'and the packs agree');
        %live = map { $_ => 1 } map { $_->[0] =~ /(\d+)/ } sql("SELECT student_id FROM $s.fact_asmt_outcome_vw WHERE rec_status = 'C'");
    }
}
is(sql_one("SELECT count(*) FROM $s.report_pack_stale"), 0, 'nothing is out of date');

$w->drop;
done_testing;
