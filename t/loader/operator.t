# The operator's tool: what it shows of batches in every state, what it does to them and when it refuses,
# two operators at once, and one who is killed half way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Smarter::Promotion;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_operator');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};

# A production of our own, and the conductor's half of the ini.
my $prod = 't_operator';
my $owner = Smarter::Promotion::owner_url();
for my $action (['drop', '--yes'], ['create']) {
    my $r = run_program('smarter-schema', @$action, '--kind', 'prod', '--schema', $prod, '--url', $owner);
    die $r->{err} if $r->{exit};
}
$l->{ini_text} =~ s/^(migrate_dest\.db\.nc\.schema_name\s*=).*/$1 $prod/m or die;
$l->{ini_text} =~ s/^(prod_db_conn\.nc\.db_schema\s*=).*/$1 $prod/m or die;
$l->{ini_text} =~ s{^(logging\.audit\s*=).*}{$1 file:$dir/audit.log}m or die;
$l->{ini_text} =~ s/^(\[app:main\])$/$1\nmigrate_errors.db.schema_name = $udl/m or die;
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2_trigger.file_stat_watch_period = 1');
my $loose = $l->ini('loose.ini', 'udl2_trigger.file_system_scan_delay = 1', 'tenant.nc.require_signature = false');

# smarter(words): { exit, out, err }.
sub smarter { return run_program({ env => { LC_ALL => 'C', COLUMNS => '' } }, 'smarter', $_[0], '-c', $l->{ini}, @_[1 .. $#_]) }

sub as_json {
    my (@words) = @_;
    my $r = smarter(@words, '--json');
    my $data = eval { JSON::PP->new->utf8->decode($r->{out}) };
    die "smarter @words: no JSON ($r->{exit}): $r->{out}$r->{err}\n" unless $data;
    return $data;
}

sub state_of {
    my ($guid) = @_;
    my ($b) = grep { $_->{batch} eq $guid } @{ as_json('batches') };
    return $b ? "$b->{state}/$b->{stage}" : undef;
}

sub actions { return join ' ', map { "$_->[0]:$_->[1]" } sql("SELECT action, operator FROM $udl.operator_action WHERE batch_guid = '$_[0]' ORDER BY 1") }
my $me = env('SMARTER_LOADER_USER');

sub refused {
    my ($what, $why, @words) = @_;
    my $r = smarter(@words);
    is($r->{exit}, 1, "$what: refused") or diag $r->{out}, $r->{err};
    like($r->{err}, $why, "$what: with the reason");
}

sub done {
    my ($what, $says, @words) = @_;
    my $r = smarter(@words);
    is($r->{exit}, 0, $what) or diag $r->{out}, $r->{err};
    like($r->{out}, $says, "$what: says so");
    return $r->{out};
}

# ---- usage -------------------------------------------------------------------------------------
my $r = run_program('smarter');
is($r->{exit}, 2, 'no command is a usage error');
$r = run_program('smarter', 'help');
is($r->{exit}, 0, 'help');
for my $command (qw(status batches batch retry discard withdraw queues jobs)) {
    like($r->{out}, qr/^  $command /m, "help knows $command");
    my $help = run_program('smarter', 'help', $command);
    like($help->{out}, qr/\AUsage: smarter $command\b/, "and says what $command understands");
}
for (['bla'], ['-c', 'x', 'batches'], ['batches', 'x'], ['batches', '--since', 'yesterday'], ['batches', '--state', 'good'], ['batches', '--limit', '-1'],
    ['batches', '--watch', '0'], ['batch'], ['batch', 'xyz'], ['batch', 'abc'], ['retry'], ['discard', '%%%%'], ['batch', '0000', '--errors', 'x']) {
    my ($command, @rest) = @$_;
    is(run_program('smarter', $command, $command =~ /^-/ ? () : ('-c', $l->{ini}), @rest)->{exit}, 2, "usage error: @$_");
}
is(smarter('batch', '0000')->{exit}, 1, 'no such batch');
is(smarter('batches', '--tenant', 'zz')->{exit}, 1, 'no such tenant');
is_deeply(as_json('batches'), [], 'no batch');

# ---- waiting for a worker ----------------------------------------------------------------------
my $trigger = $l->start('smarter-udl-trigger');
my $good = $l->package({}, [map { {} } 1 .. 5]);
my $evil = "evil\e[31m\x07\xe2\x80\xae\xc2\x9bx.gpg";
$l->drop($good, name => 'first.gpg');
my $first = wait_until(20, 'the first one', sub { $l->arrival('first.gpg') })->{batch};
$l->drop($good, name => $evil);
wait_until(20, 'the second one', sub { @{ as_json('batches') } == 2 });
my ($one, $two) = @{ as_json('batches') };
is_deeply([map { [@$_{qw(state stage place tenant)}] } $one, $two], [['waiting', 'queued', 1, 'nc'], ['waiting', 'queued', 2, 'nc']],
    'packages that wait for a worker are shown, with their place');
is_deeply([sort keys %$one], [sort qw(batch tenant package kind state stage load_status content_key place percent rows_per_second read loaded rejected
        deduplicated warnings package_bytes bytes_total bytes_done attempts worker stalled waits_for held_because problem kept_in retried_as
        retry_of arrived started progress finished discarded)], 'the members of a batch in JSON');
is($one->{package}, 'first.gpg', 'the newest comes last');
utf8::decode(my $evil_text = $evil);
is($two->{package}, $evil_text, 'JSON has the true name');

for my $out (smarter('batches')->{out}, smarter('batches', '--json')->{out}, smarter('batch', $two->{batch})->{out},
    run_program({ env => { LC_ALL => 'C.UTF-8' } }, 'smarter', 'batches', '-c', $l->{ini})->{out}) {
    unlike($out, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae/, 'a name of a file cannot command the terminal');
    like($out, qr/evil\\(?:x1b|u001b)\[31m/i, 'but can be read');
}
for my $columns (80, 120, 200) {
    my @lines = split /\n/, run_program({ env => { LC_ALL => 'C', COLUMNS => $columns } }, 'smarter', 'batches', '-c', $l->{ini})->{out};
    is(scalar(@lines), 3, "a title and a line for each at $columns columns");
    cmp_ok(length, '<=', $columns, "which fits: $_") for @lines;
    like($lines[0], qr/BATCH .*TENANT .*PACKAGE .*STAGE/, 'the titles');
    like($lines[1], qr/\A\Q@{[substr $first, 0, 8]}\E /, 'a short id');
}
is(@{ as_json('batches', '--state', 'running') }, 0, 'filtered by state');
is(@{ as_json('batches', '--limit', 1) }, 1, 'limited');
is(as_json('batches', '--limit', 1)->[0]{package}, $evil_text, 'to the newest');
is(@{ as_json('batches', '--since', '0s') }, 2, 'what is under way is never too old');

$r = smarter('discard', $first);
is($r->{exit}, 2, 'nobody to ask, and no --yes');
is(state_of($first), 'waiting/queued', 'so nothing is done');
sql("UPDATE $udl.package SET state = 'queued', queued_at = now() WHERE batch_guid = '$first'");
$l->stop($trigger);
done('a queued package is announced again', qr/^Queued once more/m, 'retry', substr($first, 0, 8), '--yes');
is(sql_one("SELECT state FROM $udl.package WHERE batch_guid = '$first'"), 'new', 'by the trigger');
is(actions($first), "retry:$me", 'which is recorded');
sub waits { return [!!as_json('batch', $first)->{stalled}, as_json('status')->{packages}{oldest_seconds} >= 600 ? 1 : 0] }
sql("UPDATE $udl.package SET arrived_at = arrived_at - interval '10 min' WHERE batch_guid = '$first'");
is_deeply(waits(), ['', 0], 'what arrived long ago and was retried just now has not waited long');
sql("DELETE FROM $udl.operator_action WHERE batch_guid = '$first'");
is_deeply(waits(), [1, 1], 'what was not, has');
sql("UPDATE $udl.package SET arrived_at = arrived_at + interval '10 min' WHERE batch_guid = '$first'");
refused('withdraw what is queued', qr/not in production/, 'withdraw', $first, '--yes');

my $out = done('a queued package is given up', qr/^Discarded now/m, 'discard', uc $two->{batch}, '--yes', '--reason', 'sent by mistake');
like($out, qr/its sender will be told/, 'having said what will happen');
is(state_of($two->{batch}), 'done/discarded', 'it is discarded');
my $kept = as_json('batch', $two->{batch});
like($kept->{kept_in}, qr{\A$dir/history/nc/discarded/\d{14}_$two->{batch}\z}, 'its files are kept');
ok(-e "$kept->{kept_in}/$evil", 'the package too');
is($kept->{problem}, "discarded by operator $me: sent by mistake", 'it says who and why');
is($l->status($two->{batch}), 'udl.failed', 'for the sender it failed');
is(sql_one("SELECT state FROM $udl.package WHERE batch_guid = '$two->{batch}'"), 'failed', 'no worker will take it');
done('again', qr/^Discarded before/m, 'discard', $two->{batch}, '--yes');
is(actions($two->{batch}), "discard:$me", 'it is recorded once');
is_deeply($kept->{operators}[0]{detail}, 'sent by mistake', 'with the reason');
my @audit = grep { /$two->{batch}/ } split /\n/, slurp("$dir/audit.log");
is(@audit, 1, 'and once in the audit stream');
is_deeply([@{ JSON::PP->new->decode($audit[0])->{msg} }{qw(callable principals)}], ['operator.discard', ["operator:$me"]], 'in its form');

# ---- watching ----------------------------------------------------------------------------------
my $watch = run_program({ background => 1, env => { LC_ALL => 'C' } }, 'smarter', 'batches', '-c', $l->{ini}, '--watch', 1);
wait_until(10, 'the first lines', sub { slurp("$watch->{files}[0]") =~ /first\.gpg/ });

# ---- loaded, failed ----------------------------------------------------------------------------
$trigger = $l->start('smarter-udl-trigger');
my $worker = $l->start('smarter-worker-udl');
is($l->ended('first.gpg')->{status}, 'udl.ingested', 'the retried one is loaded');
is(state_of($first), 'waiting/loaded', 'and waits for promotion');
sleep 2.2;
is($l->stop($watch->{pid}), 0, 'watching ends when told');
my @seen = grep { /\A\Q@{[substr $first, 0, 8]}\E / } split /\n/, slurp("$watch->{files}[0]");
like($seen[-1], qr/ loaded +100% .* 5 +5 +0 /, 'having seen it loaded');
is(@seen, keys %{ { map { $_ => 1 } map { s/\d+[smh]( |$)/$1/r } @seen } }, 'into a pipe only what changed is written') or diag @seen;
refused('retry what is loaded', qr/waits for promotion/, 'retry', $first, '--yes');

my $rejects = $l->package({}, [{ StudentIdentifier => 'secret-1', GradeLevelWhenAssessed => '14' }, { Sex => 'other' }, {}]);
$l->drop($rejects, name => 'some.gpg');
my $some = $l->ended('some.gpg')->{batch};
$out = smarter('batch', $some)->{out};
like($out, qr/^ +2 +3114 +GradeLevelWhenAssessed +no grade|^ +2 +3114 +GradeLevelWhenAssessed/m, 'batch shows rejected rows');
like($out, qr/^ +1 +3 +3117 +Sex/m, 'and warnings');
like($out, qr/udl2\.W_file_decrypter\.task/, 'and steps');
unlike($out, qr/secret-1/, 'but no student');
like(smarter('batch', $some, '--ids')->{out}, qr/secret-1/, 'unless asked for');
my $detail = as_json('batch', $some);
is_deeply([@$detail{qw(read loaded rejected possible)}, $detail->{rejected_rows}[0]{line}, exists $detail->{rejected_rows}[0]{student_id}],
    [3, 2, 1, ['discard'], 2, ''], 'in JSON too') or diag explain $detail;
is(@{ as_json('batch', $some, '--errors', 0)->{rejected_rows} }, 0, 'as many as asked for');

$l->drop($l->package({}, [{}], sign => 0), name => 'unsigned.gpg');
my $unsigned = $l->ended('unsigned.gpg')->{batch};
is(state_of($unsigned), 'failed/failed', 'a failed one');
like(smarter('batches', '--state', 'failed')->{out}, qr/^\Q@{[substr $unsigned, 0, 8]}\E .* Decryption Failed/m, 'is listed with the reason');
$r = smarter('status');
is($r->{exit}, 1, 'status says that somebody has to look');
like($r->{out}, qr/Needs a person:\n(?:  .*\n)*  batch \Q@{[substr $unsigned, 0, 8]}\E of nc failed: Decryption/, 'at what');
like($r->{out}, qr/^queue +0 messages, 1 workers$/m, 'who works');
is_deeply(as_json('status')->{well}, JSON::PP::false(), 'in JSON too');
is_deeply([map { [@$_{qw(queue messages consumers)}] } grep { $_->{queue} =~ /operator/ } @{ as_json('queues') }], [['t_operator', 0, 1], ['t_operator.dead', 0, 0]], 'the queues');

# Retry, with the cause mended.
is($l->stop($worker), 0, 'the worker ends');
$worker = run_program({ background => 1 }, 'smarter-worker-udl', '-c', $loose)->{pid};
$l->{running}{$worker} = 1;
$out = done('a failed batch is sent through again', qr/^Sent through again now, as batch ([0-9a-f-]{36})$/m, 'retry', $unsigned, '--yes');
my ($again) = $out =~ /as batch (\S+)/;
wait_until(20, 'the new attempt', sub { ($l->status($again) // '') eq 'udl.ingested' });
push @{ $l->{batches} }, $again;
is(state_of($unsigned), 'done/retried', 'the old one needs nobody any more');
is_deeply([as_json('batch', $again)->{retry_of}, as_json('batch', $unsigned)->{retried_as}], [$unsigned, $again], 'each names the other');
is($l->status($unsigned), 'udl.failed', 'and the record of the old one is as it was');
is(sql_one("SELECT count(DISTINCT arrived_at) FROM $udl.batch WHERE batch_guid IN ('$unsigned', '$again')"), 1, 'it keeps its place of arrival');
ok(-e as_json('batch', $_)->{kept_in} . '/unsigned.gpg', 'both have their package') for $unsigned, $again;
done('once more', qr/^Sent through again before, as batch $again$/m, 'retry', $unsigned, '--yes');
is(actions($unsigned), "retry:$me", 'there is one new attempt');
refused('discard what was retried', qr/went through the loader again as $again/, 'discard', $unsigned, '--yes');

# ---- being loaded ------------------------------------------------------------------------------
sql("CREATE FUNCTION $udl.stop_here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
    . " 'BEGIN IF NEW.stage = ''finishing'' THEN PERFORM pg_advisory_xact_lock(7170); END IF; RETURN NEW; END'");
sql("CREATE TRIGGER stop_here BEFORE UPDATE ON $udl.batch FOR EACH ROW EXECUTE FUNCTION $udl.stop_here()");
my $stop = Smarter::Promotion->hold('SELECT pg_advisory_lock(7170)');
$l->drop($good, name => 'running.gpg');
my $running = wait_until(20, 'a running one', sub { my $a = $l->arrival('running.gpg');
    $a && sql_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7170 AND NOT granted") ? $a->{batch} : undef });
is(state_of($running), 'running/loading', 'a running one');
refused('retry what is running', qr/worker \S+:\d+ has it/, 'retry', $running, '--yes');
refused('discard what is running', qr/worker \S+:\d+ has it/, 'discard', $running, '--yes');
is($l->stop($trigger), 0, 'without a trigger');
$l->stop($worker, '-KILL');
Smarter::Promotion->release($stop);
wait_until(20, 'the claim to vanish', sub { !sql_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = '$udl.package'::regclass::oid") });
like(state_of($running), qr{\Arunning/}, 'a dead worker leaves it so');
sql("UPDATE $udl.batch SET progress_at = now() - interval '5 min', started_at = now() - interval '5 min' WHERE batch_guid = '$running'");
like(as_json('batch', $running)->{stalled}, qr/worker is gone for 30\d s .*smarter-udl-trigger/, 'which is noticed');
done('it can be queued again', qr/^Queued once more/m, 'retry', $running, '--yes');
is(state_of($running), 'waiting/queued', 'it waits');
sql("DROP TRIGGER stop_here ON $udl.batch");
$worker = $l->start('smarter-worker-udl');
$trigger = $l->start('smarter-udl-trigger');
is($l->ended('running.gpg')->{status}, 'udl.ingested', 'and is loaded');
is(sql_one(qq(SELECT count(*) FROM "$running".asmt_outcome)), 5, 'once');

# ---- loaded: held, discarded, two at once, killed -----------------------------------------------
sql("INSERT INTO $udl.batch_hold (batch_guid, tenant, behind, reason) VALUES ('$some', 'nc', '$first', 'it delivers the same assessment')");
is(state_of($some), 'held/held', 'a batch that is held back');
like(smarter('batches')->{out}, qr/^\Q@{[substr $some, 0, 8]}\E .* waits for \Q@{[substr $first, 0, 8]}\E: it delivers/m, 'says for whom it waits');

my $lock = Smarter::Promotion->hold("SELECT pg_advisory_lock(hashtextextended('smarter-migrate-conductor $stats', 0))");
my @both = map { run_program({ background => 1 }, 'smarter', 'discard', '-c', $l->{ini}, $some, '--yes') } 1 .. 2;
sleep 1;
is($l->status($some), 'udl.ingested', 'discarding waits for a promotion');
Smarter::Promotion->release($lock);
my @exits = map { waitpid $_->{pid}, 0; $? >> 8 } @both;
ok((grep { $_ == 0 } @exits) && !(grep { $_ != 0 && $_ != 75 } @exits), 'two operators at once: one does it, the other at worst has to look again')
    or diag explain \@exits, map { slurp("$_->{files}[1]") } @both;
is_deeply([state_of($some), $l->status($some), $l->schema_there($some), actions($some)], ['done/discarded', 'migrate.failed', 0, "discard:$me"], 'done once');
is(sql_one("SELECT count(*) FROM $udl.batch_hold"), 0, 'it is not held any more');
is(sql_one("SELECT notification::json ->> 'error_desc' FROM $stats.udl_stats WHERE batch_guid = '$some'"), "discarded by operator $me", 'the sender will hear of it');

sub killed {
    my (@words) = @_;
    my $stop = Smarter::Promotion->hold("LOCK TABLE $udl.operator_action IN EXCLUSIVE MODE");
    my $p = run_program({ background => 1 }, 'smarter', $words[0], '-c', $l->{ini}, @words[1 .. $#words], '--yes');
    wait_until(20, 'it to be half way', sub { sql_one("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '$udl.operator_action'::regclass") });
    kill 'KILL', $p->{pid};
    waitpid $p->{pid}, 0;
    Smarter::Promotion->release($stop);
    wait_until(20, 'its session to end', sub { !sql_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smarter $words[0]'") });
}
killed('discard', $running);
is_deeply([state_of($running), $l->schema_there($running)], ['failed/promotion failed', 1], 'an operator who is killed leaves a failed batch');
done('the same again', qr/^Discarded now/m, 'discard', $running, '--yes');
is_deeply([state_of($running), $l->schema_there($running), actions($running)], ['done/discarded', 0, "discard:$me retry:$me"], 'finishes it');

spew("$dir/in/bad.gpg", 'nonsense');
$l->drop("$dir/in/bad.gpg", name => 'bad.gpg');
my $bad = $l->ended('bad.gpg')->{batch};
killed('retry', $bad);
my $name = sql_one("SELECT retried_as FROM $udl.batch WHERE batch_guid = '$bad'");
is(sql_one("SELECT count(*) FROM $udl.package WHERE batch_guid = '$name'"), 0, 'an operator who is killed has queued nothing');
done('the same again', qr/^Sent through again now, as batch $name$/m, 'retry', $bad, '--yes');
wait_until(20, 'the attempt to fail', sub { (state_of($name) // '') eq 'failed/failed' });
done('a failed one is given up', qr/^Discarded now\./m, 'discard', $name, '--yes');
done('and sent through again after all', qr/^Sent through again now/m, 'retry', $name, '--yes');

# ---- promoted, withdrawn -----------------------------------------------------------------------
sub conduct { my $c = run_program('smarter-migrate-conductor', '-c', $l->{ini}, '--once'); is($c->{exit}, 0, 'the conductor runs') or diag $c->{out}, $c->{err} }
conduct();
is(state_of($first), 'done/promoted', 'a batch in production');
refused('discard what is in production', qr/withdraw takes it back/, 'discard', $first, '--yes');
refused('retry what is in production', qr/in production already/, 'retry', $first, '--yes');
$l->drop($l->package({}, [map { { AssessmentSubtestResultScoreValue => 1500 } } 1 .. 3]), name => 'later.gpg');
my $later = $l->ended('later.gpg')->{batch};
conduct();
my $plan = as_json('withdraw', $later, '--dry-run');
is_deeply([@$plan{qw(done leaving current returning)}], [JSON::PP::false(), 3, 3, 3], 'withdraw says what it would do') or diag explain $plan;
is(state_of($later), 'done/promoted', 'and does not do it');
is(smarter('withdraw', $later)->{exit}, 2, 'nor without --yes when nobody can be asked');

# Who does it is known before it happens: were it the other way round, a kill in between would lose it.
sql("CREATE FUNCTION $udl.t_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not now''; END'");
sql("CREATE TRIGGER t_refuse BEFORE INSERT ON $udl.operator_action FOR EACH ROW EXECUTE FUNCTION $udl.t_refuse()");
isnt(smarter('withdraw', $later, '--yes')->{exit}, 0, 'what cannot be recorded');
is(state_of($later), 'done/promoted', '... is not done');
sql("DROP FUNCTION $udl.t_refuse CASCADE");

# What the sender is still to be told.
sql("INSERT INTO $stats.notification (batch_guid, channel, attempts, error, next_at) VALUES"
    . " ('$later', 'call_back', 2, 'HTTP status 503', '2030-01-02 03:04:05+00')");
like(smarter('batch', $later)->{out}, qr/^notified +sender's call-back: failed so far, 2 attempts, the next 2030-01-02 03:04:05 UTC: HTTP status 503$/m,
    'how often the sender was called in vain, and when he will be called again');
is_deeply([map { [@$_{qw(channel state attempts next)}] } @{ as_json('batch', $later)->{notices} }],
    [['call_back', 'pending', 2, '2030-01-02T03:04:05.000Z']], '... as JSON');
$out = done('it is withdrawn', qr/^Withdrawn:\n +results +3 removed/m, 'withdraw', $later, '--yes', '--reason', 'wrong year');
is_deeply([state_of($later), actions($later)], ['done/withdrawn', "withdraw:$me withdraw begun:$me"], 'which is recorded');
done('again', qr/^Withdrawn before/m, 'withdraw', $later, '--yes');
is(scalar(grep { /operator\.withdraw"/ && /$later/ } split /\n/, slurp("$dir/audit.log")), 1, 'audited once');
refused('discard what was withdrawn', qr/taken out of production/, 'discard', $later, '--yes');

$out = done('but it can be sent through again', qr/^Sent through again now/m, 'retry', $later, '--yes');
my ($back) = $out =~ /as batch (\S+)/;
wait_until(20, 'it to be loaded', sub { ($l->status($back) // '') eq 'udl.ingested' });
push @{ $l->{batches} }, $back;
conduct();
is_deeply([state_of($back), as_json('batch', $later)->{retried_as}], ['done/promoted', $back], 'and is in production once more');

# An older delivery must not replace a newer one.
$l->drop($l->package({}, [{ GradeLevelWhenAssessed => '14' }]), name => 'older.gpg');
my $older = $l->ended('older.gpg')->{batch};
is(state_of($older), 'failed/failed', 'a failed delivery');
$l->drop($good, name => 'newer.gpg');
my $newer = $l->ended('newer.gpg')->{batch};
conduct();
refused('retry an older delivery', qr/batch $newer came later, has the same content .asmt:asmt-1./, 'retry', $older, '--yes');
is(as_json('batch', $older)->{retried_as}, undef, 'nothing has begun');
done('unless it is wanted', qr/^Sent through again now/m, 'retry', $older, '--yes', '--anyway');

# ---- ids ---------------------------------------------------------------------------------------
sql("INSERT INTO $udl.batch (batch_guid, tenant, package, arrived_at, stage, finished_at) SELECT 'abcdabcd-0000-4000-8000-00000000000' || n, 'nc', 'x.gpg', now() - interval '9 d', 'failed', now()"
    . ' FROM generate_series(1, 2) n');
$r = smarter('batch', 'abcdabcd');
is($r->{exit}, 1, 'an ambiguous id');
is(scalar(() = $r->{err} =~ /^  abcdabcd-0000-4000-8000-00000000000[12]  nc  x\.gpg  failed$/mg), 2, 'the candidates are listed') or diag $r->{err};
is(smarter('batch', 'abcdabcd-0000-4000-8000-000000000001')->{exit}, 0, 'the whole guid will do');
like(smarter('batches', '--since', '2w')->{out}, qr/^abcdabcd-0000-4000-8000-000000000001 .*\n(?:.*\n)?abcdabcd-0000-4000-8000-000000000002 /m, 'the list shows as much of ids as tells them apart');
refused('retry without a package', qr/not in the history zone/, 'retry', 'abcdabcd-0000-4000-8000-000000000001', '--yes');

# ---- a terminal --------------------------------------------------------------------------------
sub terminal {
    my ($input, $env, @words) = @_;
    my $stdin = spew("$dir/typed", $input);
    return Smarter::Test::run({ stdin => $stdin, env => { SMARTER_INI => $l->{ini}, COLUMNS => 100, LC_ALL => 'C.UTF-8', NO_COLOR => '', %$env } }, 'script', '-qec',
        join(' ', env('SMARTER_SBIN') . '/smarter', @words), '/dev/null');
}
my $x = 'abcdabcd-0000-4000-8000-000000000001';
$r = terminal("n\n", {}, 'discard', $x);
like($r->{out}, qr/Go on\? \[y\/N\].*Nothing is done/s, 'on a terminal it asks');
is_deeply([$r->{exit}, actions($x)], [1, ''], 'and believes a no');
$r = terminal("y\n", { SUDO_USER => 'mallory' }, 'discard', $x);
like($r->{out}, qr/Discarded now/, 'and a yes') or diag $r->{out};
is(actions($x), $> == 0 ? 'discard:mallory' : "discard:$me", 'the operator is who called sudo');
like(terminal('', {}, 'batches')->{out}, qr/\e\[2m\Q@{[substr $first, 0, 8]}\E /, 'colours on a terminal');
unlike(terminal('', { NO_COLOR => 1 }, 'batches')->{out}, qr/\e/, 'unless NO_COLOR is set');

$r = Smarter::Test::run({ env => { SMARTER_INI => $l->{ini}, COLUMNS => 100, LC_ALL => 'C.UTF-8' } }, 'script', '-qec',
    'timeout -s INT 2 ' . env('SMARTER_SBIN') . '/smarter batches --watch=1', '/dev/null');
cmp_ok(scalar(() = $r->{out} =~ /\e\[H/g), '>=', 2, 'watching redraws a terminal in place');

# ---- smarterctl --------------------------------------------------------------------------------
my ($text, $exit) = Smarter::Test::stack_output('batches', '--since', '1s', '--json');
is($exit, 0, 'smarterctl hands unknown words on') or diag $text;
is(ref(eval { JSON::PP->new->decode($text) }), 'ARRAY', 'with the ini of its stack');
($text, $exit) = Smarter::Test::stack_output('batches', '--bla');
is($exit, 2, 'and hands the exit status back');

END { eval { sql("DROP SCHEMA IF EXISTS $prod CASCADE") } if $prod }
finish();
