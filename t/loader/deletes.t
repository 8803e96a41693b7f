# Creates and deletes (op C and W) of one result: what is in production before and after, for results and
# for interim blocks. The table is that of the warehouse's contract; where ours differs, a note says so.
use strict;
use warnings;
use FindBin;
use POSIX 'strftime';
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_deletes');
my $s = $w->{name};
my $n = 0;
my $today = strftime('%Y%m%d', localtime);

# before: batches that make what production holds; file: the batch in question, as ops in the order of
# its lines. What is there afterwards: status/batch/ended today, oldest first; b, f: made before, by the file.
my @cases = (
    { name => 'create', before => [], file => 'C', after => 'C/f' },
    { name => 'create over a current one', before => ['C'], file => 'C', after => 'I/b/today C/f' },
    { name => 'delete', before => ['C'], file => 'W', after => 'D/b' },
    { name => 'update: delete and create', before => ['C'], file => 'WC', after => 'D/b C/f' },
    { name => 'update, the other way round', before => ['C'], file => 'CW', after => 'D/b C/f' },
    { name => 'delete what was never there', before => [], file => 'W', code => 1000, lines => [2], after => '' },
    { name => 'delete what is deleted', before => ['C', 'W'], file => 'W', code => 1000, lines => [2], after => 'D/b' },
    { name => 'delete what is superseded and deleted', before => ['C', 'C', 'W'], file => 'W', code => 1000, lines => [2], after => 'I/b/today D/b' },
    { name => 'delete twice', before => ['C'], file => 'WW', code => 1001, lines => [2, 3], after => 'C/b' },
    { name => 'delete twice what is not there', before => [], file => 'WW', code => 1000, lines => [2, 3], after => '' },
    { name => 'delete three times and create', before => ['C'], file => 'WWCW', code => 1001, lines => [2, 3, 5], after => 'C/b' },
    { name => 'update of nothing', before => [], file => 'WC', code => 1000, lines => [2], after => '' },
    # the original stored both
    { name => 'create twice in one file', before => [], file => 'CC', after => 'C/f', deduplicated => 1 },
    { name => 'create twice over a current one', before => ['C'], file => 'CC', after => 'I/b/today C/f', deduplicated => 1 },
    { name => 'create again what is deleted', before => ['C', 'W'], file => 'C', after => 'D/b C/f' },
    { name => 'an unknown operation', before => ['C'], file => 'X', after => 'C/b', ignored => 1 },
);
my %fact = (SUMMATIVE => ['fact_asmt_outcome_vw', 'asmt_outcome_vw_rec_id'],
    'INTERIM ASSESSMENT BLOCKS' => ['fact_block_asmt_outcome', 'asmt_outcome_rec_id']);

sub lines {
    my ($type, $student, $ops) = @_;
    return map { { student_id => $student, op => $_,
        $type eq 'SUMMATIVE' ? () : (asmt_score => undef, asmt_perf_lvl => undef, asmt_claim_1_score => 1300) } } split //, $ops;
}

for my $type (sort keys %fact) {
    my ($table, $id) = @{ $fact{$type} };
    my $asmt = { asmt_guid => $type, asmt_type => $type };
    my (%before, %file);
    for my $step (0 .. 2) {    # of all cases in one batch
        my @rows = map { lines($type, "s$_", $cases[$_]{before}[$step] // '') } 0 .. $#cases;
        $before{ $w->batch($w->guid(++$n), $asmt, @rows) } = 1;
    }
    $file{$_} = $w->batch($w->guid(++$n), $asmt, lines($type, "s$_", $cases[$_]{file})) for 0 .. $#cases;
    my %report = map { $_->{batch} => $_ } $w->conduct;
    is(scalar(grep { $report{$_}{status} ne 'migrate.ingested' } keys %before), 0, "$type: production is as it has to be");
    my %case = map { $file{$_} => $_ } keys %file;
    my (%after, %listed);
    for (sql("SELECT student_id, rec_status, batch_guid, to_date FROM $s.$table WHERE asmt_guid = '$type' ORDER BY $id")) {
        my ($student, $status, $guid, $to) = @$_;
        push @{ $after{$student} }, $status . ($guid eq $file{ $student =~ s/s//r } ? '/f' : '/b')
            . ($to eq '99991231' ? '' : $to eq $today ? '/today' : "/$to");
    }
    push @{ $listed{ $case{ shift @$_ } } }, $_ for sql('SELECT guid_batch, record_sid, err_code, err_source, err_code_text,'
        . " err_source_text, err_input FROM ${s}_udl.err_list WHERE guid_batch IN (" . join(',', map { "'$_'" } values %file)
        . ') ORDER BY record_sid');
    for my $i (0 .. $#cases) {
        my $c = $cases[$i];
        my $r = $report{ $file{$i} };
        is(join(' ', @{ $after{"s$i"} // [] }), $c->{after}, "$type: $c->{name}");
        is($r->{status}, $c->{code} ? 'migrate.failed' : 'migrate.ingested', '... its status');
        is_deeply([@$r{qw(deduplicated ignored)}], [$c->{deduplicated} // 0, $c->{ignored} // 0], '... what is left out') if !$c->{code};
        is_deeply($listed{$i} // [], [map { [$_, $c->{code}, $c->{code} == 1000
                ? (1, 'DELETE_RECORD_NOT_FOUND', 'MISMATCHED_FACT_ASMT_OUTCOME_RECORD')
                : (2, 'DATA_INTEGRITY_ERROR', 'DELETE_FACT_ASMT_OUTCOME_RECORD_MORE_THAN_ONCE'),
                "student_id:s$i, asmt_guid:$type"] } @{ $c->{lines} // [] }], '... and its rows of err_list');
    }
}

# ---- two batches that wait, and delete the same -----------------------------------------------------
for my $type (sort keys %fact) {
    my ($table) = @{ $fact{$type} };
    my $asmt = { asmt_guid => "$type two", asmt_type => $type };
    my @b = map { $w->batch($w->guid(++$n), $asmt, lines($type, 's', $_)) } 'C', 'W', 'W', 'C';
    is(join(' ', map { $_->{status} =~ s/migrate.//r } $w->conduct), 'ingested ingested failed ingested',
        "$type: two batches delete the same: the first does, the second fails, the next one goes on");
    is(sql_one("SELECT string_agg(rec_status || ended_by::text, ' ') FROM $s.$table WHERE asmt_guid = '$type two' AND rec_status = 'D'"),
        'D' . sql_one("SELECT first_id FROM $s.batch_applied WHERE batch_guid = '$b[1]'"), 'deleted by the first');
}

# ---- one delete among many lines is not there: nothing of the batch is --------------------------------
$w->batch($w->guid(++$n), { asmt_guid => 'many' }, map { { student_id => "m$_" } } 1 .. 30);
$w->conduct;
my $before = $w->fingerprint;
my $b = $w->batch($w->guid(++$n), { asmt_guid => 'many' }, (map { { student_id => "m$_", op => 'W' } } 1 .. 20), { student_id => 'nobody', op => 'W' },
    map { { student_id => "new$_" } } 1 .. 20);
my ($r) = $w->conduct;
like($r->{error}, qr/^1 line deletes a result that is not there; the first is line 22$/, 'one of many deletes is not there');
is($w->fingerprint, $before, 'production is untouched');
is(sql_one("SELECT count(*) FROM ${s}_udl.err_list WHERE guid_batch = '$b'"), 1, 'and one line is listed');

# ---- more than are listed ----------------------------------------------------------------------------
$b = $w->batch($w->guid(++$n), { asmt_guid => 'many' }, { student_id => 'nobody', op => 'W' });
sql(qq(INSERT INTO "$b".asmt_outcome SELECT (jsonb_populate_record(o, jsonb_build_object('file_line', 2 + i, 'student_id', 'nobody' || i))).*)
    . qq( FROM "$b".asmt_outcome o, generate_series(1, 1002) i; UPDATE ${s}_stats.udl_stats SET record_loaded_count = 1003 WHERE batch_guid = '$b'));
($r) = $w->conduct;
like($r->{error}, qr/^1003 lines delete a result that is not there; the first is line 2$/, 'all are counted');
is(sql_one("SELECT count(*) FROM ${s}_udl.err_list WHERE guid_batch = '$b'"), 1000, 'the first thousand are listed');

ok($w->counts_agree, 'the counts agree');
sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
