# The loader as a service: trigger and worker of their own, from the file in arrivals to the batch
# schema. Files that are not complete, belong to nobody, come twice; servers and workers that die.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::MD5 'md5_hex';
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_service');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_stat_watch_period = 2', 'udl2_trigger.file_system_scan_delay = 1');

my $trigger = $l->start('smarter-udl-trigger');
my $worker = $l->start('smarter-worker-udl');
my @ten = map { {} } 1 .. 10;
my $ten = $l->package({}, \@ten);
wait_until(20, 'both to run', sub { (grep { /"no":"SB(?:4001|4020)"/ } $l->log_lines) >= 2 });

sub rows { my ($a) = @_; return sql_one(qq(SELECT count(*) || '/' || count(DISTINCT student_id) FROM "$a->{batch}".asmt_outcome)) }

# ---- the plain way -----------------------------------------------------------------------------
my $path = $l->drop($ten, name => 'one.tar.gz.gpg');
my $start = time;
my $a = $l->ended('one.tar.gz.gpg');
my $took = time - $start;
is_deeply([@$a{qw(state status attempts)}], ['done', 'udl.ingested', 1], 'a package that is renamed into place is loaded');
is(rows($a), '10/10', 'all of it');
note sprintf '%.2f s after its arrival', $took;
cmp_ok($took, '<', 5, 'soon') or diag 'with an idle machine this takes less than a second';
ok(!-e $path, 'it left arrivals');
is_deeply([map { s/\d{14}_[0-9a-f-]{36}/X/r } $l->files('history')], ['nc/X/one.errors.csv', 'nc/X/one.outcome.json', 'nc/X/one.tar.gz.gpg'],
    'and is kept in history, with its outcome');
is_deeply([$l->files('work')], [], 'the work zone is empty');

my $b = do { $l->drop($ten, name => 'one.tar.gz.gpg'); wait_until(30, 'the second one', sub {
    my $x = $l->arrival('one.tar.gz.gpg'); $x && $x->{batch} ne $a->{batch} && $x->{state} eq 'done' ? $x : undef }) };
is_deeply([$b->{status}, rows($b)], ['udl.ingested', '10/10'], 'the same package again is a batch of its own');
is(sql_one("SELECT count(*) FROM $stats.udl_stats WHERE load_status = 'udl.ingested'"), 2, 'both are waiting for promotion');

# ---- complete or not ---------------------------------------------------------------------------
$l->drop($ten, name => 'slow.gpg', slow => 1);
is($l->ended('slow.gpg')->{status}, 'udl.ingested', 'a file that was written in place and closed');
$l->drop($ten, name => 'deep.gpg', sub => 'user1');
is($l->ended('deep.gpg')->{status}, 'udl.ingested', 'a file in a directory that is new');

my $octets = slurp($ten);
my $half = $l->drop($ten, name => 'half.gpg.partial');
spew("$dir/arrivals/nc/half.gpg.partial", substr $octets, 0, 500);
spew("$dir/arrivals/nc/.hidden.gpg", $octets);
$l->drop($ten, name => 'readme.txt');
open my $growing, '>:raw', "$dir/arrivals/nc/growing.gpg" or die $!;
print {$growing} substr $octets, 0, 1000;
$growing->flush;
Smarter::Test::loaders("$dir/arrivals/nc/growing.gpg");
sleep 1.2;
print {$growing} substr $octets, 1000, 100;
$growing->flush;
sleep 1.2;
is(sql_one("SELECT count(*) FROM $udl.package WHERE path ~ '(partial|hidden|readme|growing)'"), 0,
    'partial, hidden, other and growing files are left alone');
print {$growing} substr $octets, 1100;
close $growing;
is($l->ended('growing.gpg')->{status}, 'udl.ingested', 'the growing one is loaded when it is closed');
rename "$dir/arrivals/nc/half.gpg.partial", "$dir/arrivals/nc/half.gpg" if spew("$dir/arrivals/nc/half.gpg.partial", $octets);
is($l->ended('half.gpg')->{status}, 'udl.ingested', 'the partial one when it has its name');

spew("$dir/arrivals/nc/sum.gpg.done", md5_hex('something else') . "  sum.gpg\n");
$l->drop($ten, name => 'sum.gpg');
sleep 2.5;
is($l->arrival('sum.gpg'), undef, 'a companion with another checksum holds a file back');
is(scalar(grep { /"no":"SB2222"/ } $l->log_lines), 1, 'which is said once');
spew("$dir/arrivals/nc/sum.gpg.done", md5_hex($octets) . "  sum.gpg\n");
Smarter::Test::loaders("$dir/arrivals/nc/sum.gpg.done");
is($l->ended('sum.gpg')->{status}, 'udl.ingested', 'the right one releases it');
ok(!-e "$dir/arrivals/nc/sum.gpg.done", 'and goes with it');

# ---- of nobody ---------------------------------------------------------------------------------
$l->drop($ten, name => 'lost.gpg', tenant => 'zz');
$l->drop($ten, name => 'root.gpg', tenant => '.');
my @gone = wait_until(10, 'quarantine', sub { my @f = grep { m{\Aquarantine/} } $l->files('history'); @f == 4 ? \@f : undef })->@*;
is_deeply([sort map { s{.*/}{}r } @gone], [qw(lost.gpg reason.txt reason.txt root.gpg)], 'packages of nobody go to quarantine');
my @reasons = sort map { slurp("$dir/history/$_") } grep { /reason/ } @gone;
is_deeply(\@reasons, ["it lies in no tenant's directory\n", "unknown tenant 'zz'\n"], 'with the reason');

# ---- a bad one ---------------------------------------------------------------------------------
spew("$dir/in/bad.gpg", 'nonsense');
$l->drop("$dir/in/bad.gpg", name => 'bad.gpg');
$a = $l->ended('bad.gpg');
is_deeply([@$a{qw(state status)}], ['failed', 'udl.failed'], 'a bad package fails');
like($a->{error}, qr/not an encrypted OpenPGP message/, 'its row says why');
my ($reason) = grep { m{nc/failed/.*$a->{batch}/reason\.txt} } $l->files('history');
ok($reason && -e "$dir/history/" . ($reason =~ s/reason\.txt/bad.gpg/r), 'it is kept, with the reason');

# ---- messages ----------------------------------------------------------------------------------
my $again = $l->stop($trigger);
is($again, 0, 'the trigger ends when told');
is($l->stop($worker), 0, 'so does the worker');
$l->drop($ten, name => 'later.gpg');
my $r = run_program('smarter-udl-trigger', '-c', $l->{ini}, '--once');
is($r->{exit}, 0, '--once does one round') or diag $r->{err};
# a file seen by the scan alone must be left alone for the stability time
is($l->arrival('later.gpg'), undef, 'which takes only what is complete');
sleep 2.1;
$r = run_program('smarter-udl-trigger', '-c', $l->{ini}, '--once');
is_deeply([@{ $l->arrival('later.gpg') }{qw(state status)}], ['queued', undef], 'later it is queued');
my $lost = $l->arrival('later.gpg')->{batch};

# Its message is lost: a worker eats it while the row looks as if it were done.
sql("UPDATE $udl.package SET state = 'done' WHERE batch_guid = '$lost'");
my $eater = $l->start('smarter-worker-udl');
sleep 2;
is($l->stop($eater), 0, 'the message is gone');
sql("UPDATE $udl.package SET state = 'queued', queued_at = now() - interval '1 hour' WHERE batch_guid = '$lost'");
$trigger = $l->start('smarter-udl-trigger');
$worker = $l->start('smarter-worker-udl');
is($l->ended('later.gpg')->{status}, 'udl.ingested', 'a lost message is sent again');

my $second = $l->start('smarter-udl-trigger');
wait_until(10, 'the second trigger to notice', sub { grep { /another trigger runs/ } $l->log_lines });
is($l->stop($second), 0, 'only one trigger runs');

finish();
