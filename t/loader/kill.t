# kill -9 of trigger, worker, conductor and PostgreSQL, each at every point where it may hurt: every row is
# in production exactly once afterwards, and nothing else stays behind. t/soak/kill.t does so at random.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Kill;

need('postgres', 'rabbitmq');
allow_log(qr/"no":"SB(?:12\d\d|24\d\d|4002|4022|4005|4028|4029)"/, qr/ended with status 75/); # the stack's own programs notice the crashes
# a package may be the one that is being loaded at the next point too
my $k = Smarter::Kill->new('t_kill', ini => ['udl2.max_attempts = 30']);
my @points = (
    [trigger => 'package:new', 'about to record the package'],
    [trigger => 'package:queued', 'published, not noted'],
    [worker => 'package:running', 'claiming'],
    [worker => 'stats:udl.received', 'received'],
    [worker => 'batch:decrypting', 'about to decrypt'],
    [worker => 'batch:loading', 'about to copy'],
    [worker => 'batch:finishing', 'about to commit the rows'],
    [worker => 'batch:loaded', 'rows committed, nothing written down'],
    [worker => 'stats:udl.ingested', 'about to write down the end'],
    [worker => 'package:done', 'the package is in history, its row is not done'],
    [conductor => 'stats:migrate.in_process', 'about to promote'],
    [conductor => 'prod:applied', 'in the promotion'],
    [conductor => 'stats:migrate.ingested', 'promoted, not written down'],
    [postgres => 'batch:finishing', 'rows not committed'],
    [postgres => 'stats:udl.ingested', 'rows committed, unlogged'],
    [postgres => 'prod:applied', 'in the promotion'],
);
my $n = 0;
for (@points) {
    my ($victim, $point, $what) = @$_;
    my $name = 'p' . ++$n;
    $k->start_all;
    my $backend = eval { $k->held_at($point, sub { $k->drop_one($name) }) };
    ok($backend, "$victim, $what: held there") or diag $@, join "\n", ($k->log_lines)[-20 .. -1];
    $victim eq 'postgres' ? $k->crash($backend) : is($k->murder($victim), 'signal 9', "$victim, $what: killed");
    $k->go_on;
}

sub all_settled {
    my ($what) = @_;
    $k->start_all;
    my @wrong = $k->settle(60);
    is_deeply(\@wrong, [], "$what: everything is in production exactly once, and nothing is left") or diag join "\n", @wrong, ($k->log_lines)[-30 .. -1];
}
all_settled('after all that');

is(sql_one("SELECT count(*) FROM $k->{prod}.batch_applied"), $n, 'each batch was applied once');

# ---- packages that kill their worker, and others beside them ---------------------------------------
$k->murder($_, 'TERM') for qw(conductor worker);
$k->{ini} = $k->ini('poison.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2.max_attempts = 3');
$k->drop_one($_) for qw(poison1 poison2);
my %dead;
while ((grep { ($dead{"$_.gpg"} // 0) >= 3 } qw(poison1 poison2)) < 2) {
    $k->start_all;
    $k->held_at('batch:loading', sub { });
    my ($row) = sql("SELECT regexp_replace(path, '.*/', '') FROM $k->{udl}.package WHERE path LIKE '%/poison%' AND state = 'running' AND worker LIKE '%:$k->{pid}{worker}'");
    $dead{ $row->[0] }++;
    $k->murder('worker', 'SEGV');
    $k->go_on;
}
$k->start_all;
$k->drop_one('harmless');
like($k->ended('harmless.gpg')->{status}, qr/\A(?:udl\.ingested|migrate\.\w+)\z/, 'a package behind them is loaded');    # the conductor is at work, too
for (qw(poison1 poison2)) {
    my $x = $k->ended("$_.gpg", 30);
    is_deeply([@$x{qw(state status error)}], ['failed', 'udl.failed', 'given up: its worker died 3 times'], "$_: given up after three workers");
    is(sql_one("SELECT stage || ' ' || problem FROM $k->{udl}.batch WHERE batch_guid = '$x->{batch}'"), 'failed given up: its worker died 3 times', "$_: its row says so");
}
is_deeply([$k->entries('work'), $k->files('arrivals')], [], 'nothing of them is left at work');

finish();
