# A job of 200 tasks while workers and relay are killed with -9 at random and the broker is restarted: it
# ends complete, each output exactly once. t/soak/jobs.t does so for longer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Test;
use Smarter::Jobs;

need('postgres', 'rabbitmq');
my $seed = $ENV{SMARTER_SOAK_SEED} // 20160403;
srand $seed;
diag "seed $seed";
my $parts = $ENV{SMARTER_SOAK_PARTS} // 200;
my $j = Smarter::Jobs->new('t_jobs_kill', 'jobs.lease' => '2', 'jobs.relay.poll' => '500ms');

my %pid = (relay => $j->relay, map { ("worker$_" => $j->worker) } 1 .. 4);
my $id = $j->make(max_attempts => 90, retry_ms => 100, final => 1, files => ['result'], steps => [
    { go_on => 1, tasks => [map { { name => 'part', args => { ms => 40 } } } 1 .. $parts] },
    { tasks => [{ name => 'collect', args => { parts => $parts, ms => 300 } }] }]);

# Somebody dies every now and then, and comes back a little later, as under a supervisor.
my %killed;
my $broker;
my $percent = 0;
my $backwards = 0;
my $turn = 0;
my $end = time + 90 + $parts;
while ($j->state($id) =~ /queued|running/ && time < $end) {
    # Each third time the relay: on a quick machine there are not many turns.
    my @workers = sort grep { $_ ne 'relay' } keys %pid;
    my $victim = $turn++ % 3 == 1 ? 'relay' : $workers[rand @workers];
    $killed{ $victim =~ s/\d//r }++ if $j->stop($pid{$victim}, 'KILL') eq 'signal 9';
    sleep 0.05 + rand 0.15;
    $pid{$victim} = $victim eq 'relay' ? $j->relay : $j->worker;
    my $done = sql_one("SELECT count(*) FROM $j->{name}.task WHERE job_id = '$id' AND state = 'done'");
    if (!$broker && $done > 40) { # in the middle, and the killing goes on meanwhile
        Smarter::Test::disturb();
        $broker = Smarter::Test::run({ background => 1 }, Smarter::Test::top() . '/smarterctl', 'restart', 'rabbitmq');
    }
    my $now = $j->find($id);
    $backwards++ if $now && $now->{percent} < $percent - 10; # a few tasks begin anew, no more
    $percent = $now->{percent} if $now;
    sleep 0.2 + rand 0.3;
}
if ($broker) {
    waitpid $broker->{pid}, 0;
    is($?, 0, 'the broker was restarted in between');
}
is($j->closed($id, 60), 'ready', 'the job is ready') or diag $j->said;
is(join(' ', split /\n/, slurp($j->dir($id) . '/result')), join(' ', 1 .. $parts), 'each output exactly once, in its place');
ok(!glob($j->dir($id) . '/part-*'), 'the final step cleared up');
is(sql_one("SELECT count(*) FROM $j->{name}.task WHERE job_id = '$id' AND state = 'done'"), $parts + 2, 'every task is done');
is(sql_one("SELECT count(*) FROM $j->{name}.step WHERE job_id = '$id' AND unfinished = 0 AND done = tasks"), 3, 'every member was counted once');
cmp_ok(sql_one("SELECT sum(claim) FROM $j->{name}.task WHERE job_id = '$id'"), '>', $parts + 2, 'some were begun by a worker that died');
is(sql_one("SELECT count(*) FROM $j->{name}.task t, $j->{name}.task c WHERE c.name = 'collect' AND t.name = 'part' AND t.ended_at > c.started_at"), 0,
    'the second step began when all of the first was done');
my $info = $j->find($id);
is_deeply([@$info{qw(percent failed_tasks)}, $info->{files}[0]{name}, $info->{files}[0]{size} > 0], [100, 0, 'result', 1], 'its owner sees the file');
cmp_ok($killed{$_} // 0, '>=', 2, "$_ was killed " . ($killed{$_} // 0) . ' times') for qw(worker relay);
is($backwards, 0, 'progress did not fall back far');
is($j->outbox, 0, 'nothing is left to be sent') if wait_until(10, 'the outbox to be empty', sub { !$j->outbox });
finish();
