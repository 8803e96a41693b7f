# Batches of one tenant that deliver the same content are promoted in the order of arrival, whoever was
# loaded first.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $w = Smarter::Promotion->new('t_order');
my $s = $w->{name};
my ($udl, $stats) = ("${s}_udl", "${s}_stats");
my $n = 0;

# A package that arrived in that minute; state as in udl2.package, key as in udl2.batch ('' not known).
sub arrived {
    my ($state, $key, %o) = @_;
    my $guid = $o{guid} // $w->guid(++$n);
    my $minute = $o{minute} // $w->{minute}++;
    my $tenant = $o{tenant} // 'nc';
    sql(sprintf "INSERT INTO $udl.package (path, tenant, batch_guid, size, mtime, state, arrived_at) VALUES"
        . " ('/arrivals/$tenant/p$n.gpg', '$tenant', '$guid', 1, now(), '$state', '2026-01-01 00:%02d+00')", $minute);
    sql(sprintf "INSERT INTO $udl.batch (batch_guid, tenant, package, content_key, stage, arrived_at) VALUES"
        . " ('$guid', '$tenant', 'p$n.gpg', %s, 'loading', '2026-01-01 00:%02d+00')", $key ? "'$key'" : 'NULL', $minute)
        unless $o{fresh};
    return $guid;
}

# One that is loaded and waits.
sub loaded {
    my ($asmt, $score, %o) = @_;
    my $minute = $w->{minute};
    my $guid = $w->batch($o{guid} // $w->guid(++$n), { asmt_guid => $asmt }, { student_id => 's1', asmt_score => $score });
    arrived($o{state} // 'done', "asmt:$asmt", guid => $guid, minute => $minute) if !$o{guid};
    return $guid;
}

sub state_is {
    my ($guid, $state) = @_;
    sql("UPDATE $udl.package SET state = '$state' WHERE batch_guid = '$guid'");
    return;
}

# What the conductor promotes now, and what it says on the log about the rest.
sub promoted { return join ' ', map { $_->{batch} } $w->conduct(args => ['--verbose']) }
sub said { return scalar grep { /SB2411/ } split /\n/, $w->{last}{err} }

sub held {
    my ($row) = sql("SELECT behind, reason FROM $udl.batch_hold WHERE batch_guid = '$_[0]'");
    return $row;
}

# ---- the later one is loaded first ---------------------------------------------------------------
my $first = arrived('running', 'asmt:m1');
my $second = loaded('m1', 2);
my $other = loaded('m2', 3);
is(promoted(), $other, 'while the first of a content is being loaded the second waits, others do not');
is($w->status($second), 'udl.ingested', 'the status of the one that waits');
is(said(), 1, 'the log says so') or diag $w->{last}{err};
is_deeply(held($second), [$first, "p1.gpg, batch $first arrived before it and delivers the same content"], 'so does the table');
is(held($other), undef, 'of this one only');
is(promoted() . said(), '0', 'the next run says nothing more');

# The worker of the first one dies, another one begins again.
for my $state ('new', 'queued', 'running') {
    state_is($first, $state);
    is(promoted(), '', "the first one is $state again: the second still waits");
}
# It gets loaded. Its package counts as running for a moment more.
$w->{minute} = 0;
loaded('m1', 1, guid => $first);
$w->{minute} = 10;
is(promoted(), "$first $second", 'the first is loaded: both, in order');
is(held($second), undef, 'nobody waits any more');
is(sql_one("SELECT asmt_score FROM $s.fact_asmt_outcome_vw WHERE rec_status = 'C' AND asmt_guid = 'm1'"), 2, 'the later delivery is current');
state_is($first, 'done');

# ---- what holds nobody back -----------------------------------------------------------------------
my $fails = arrived('running', 'asmt:m1');
my $third = loaded('m1', 4);
is(promoted(), '', 'it waits');
state_is($fails, 'failed');
is(promoted(), $third, 'the earlier one failed: it goes');
my $later_one = loaded('m1', 5);
arrived('running', 'asmt:m1');
is(promoted(), $later_one, 'packages that arrived after it do not count');
sql("UPDATE $udl.package SET state = 'failed' WHERE state = 'running'");
my $foreign = arrived('running', '', tenant => 'ca');
my $mine = loaded('m1', 6);
is(promoted(), $mine, 'nor those of other tenants');
state_is($foreign, 'failed');

# ---- content nobody knows yet ----------------------------------------------------------------------
my $unknown = arrived('new', '', fresh => 1);
my $any = loaded('m3', 7);
my $reg = $w->registration($w->guid(++$n), {}, { student_id => 'r' });
arrived('done', 'reg:2016:sys1', guid => $reg, minute => $w->{minute} - 1);
is(promoted(), '', 'an earlier package of unknown content holds back everything');
like(held($any)->[1], qr/may deliver the same content/, 'and says why');
sql("INSERT INTO $udl.batch (batch_guid, tenant, package, content_key, arrived_at) VALUES ('$unknown', 'nc', 'x', 'reg:2016:sys1', now())");
is(promoted(), $any, 'now it is known: only the same content waits');
is(held($reg)->[1], "p" . ($n - 2) . ".gpg, batch $unknown arrived before it and delivers the same content", 'for what is known now');
is(said(), 1, 'which is news');
state_is($unknown, 'done');
is(promoted(), $reg, 'until it is through');

# ---- held back behind one that is held back ---------------------------------------------------------
$unknown = arrived('running', '');
my @chain = map { loaded('m4', $_) } 1 .. 3;
is(promoted(), '', 'three in a row wait');
is_deeply([map { held($_)->[0] } @chain], [($unknown) x 3], 'for the same');
state_is($unknown, 'done');
is(promoted(), "@chain", 'and go in order');

# One that fails in promotion does not hold the next one back.
my $bad = loaded('m4', 9);
sql(qq(DELETE FROM "$bad".asmt_outcome));
my $next = loaded('m4', 10);
is(join(' ', map { $_->{status} } $w->conduct), 'migrate.failed migrate.ingested', 'a batch that fails in promotion lets the next one pass');

# ---- emptied by a crash ----------------------------------------------------------------------------
my $emptied = loaded('m5', 1);
sql(qq(SET ROLE smarter_loader; TRUNCATE "$emptied".asmt, "$emptied".asmt_outcome));
my $after = loaded('m5', 2);
is(promoted(), '', 'a batch that a crash emptied waits until it is loaded again, and those behind it');
like(held($emptied)->[1], qr/tables are empty/, 'it says why');
is($w->status($emptied), 'udl.ingested', 'and it did not fail');
sql("UPDATE $stats.udl_stats SET load_status = 'udl.received' WHERE batch_guid = '$emptied'; UPDATE $udl.package SET state = 'new' WHERE batch_guid = '$emptied'");
is(promoted(), '', 'while it is loaded again the next one waits');
run_program('smarter-schema', 'drop', '--yes', '--kind', 'stage', '--schema', $emptied);
sql("DELETE FROM $stats.udl_stats WHERE batch_guid = '$emptied'");
my $minute = $w->{minute};
$w->{minute} = sql_one("SELECT extract(minute FROM arrived_at AT TIME ZONE 'UTC')::int FROM $udl.package WHERE batch_guid = '$emptied'");
loaded('m5', 1, guid => $emptied);
$w->{minute} = $minute;
state_is($emptied, 'done');
is(promoted(), "$emptied $after", 'then both go in order');

# ---- without the loader's database -------------------------------------------------------------------
loaded('m6', 1);
my $down = $w->ini('noudl.ini', 'migrate_errors.db.url = postgresql://smarter_loader@127.0.0.1:1/smarter');
is_deeply([$w->conduct(ini => $down)], [], 'the order cannot be told: nothing is promoted');
is($w->{last}{exit}, 75, 'try again later');

sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for map { $w->guid($_) } 1 .. $n;
$w->drop;
finish();
