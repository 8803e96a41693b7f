# Jobs: chains of groups, retries, cancelling, and what happens when messages, workers or servers are lost.
# t/jobs/kill.t does so at random.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Between;
use Smarter::Test;
use Smarter::Jobs;

need('postgres', 'rabbitmq', 'workers');
my $j = Smarter::Jobs->new('t_jobs', 'jobs.relay.poll' => '200ms');
my $s = $j->{name};
sub part { return { name => 'part', args => {@_} } }
sub fails { return { name => 'fail', args => { as => 'error', @_ } } }
sub depth { my $n = $j->call('depth', $_[0] // $j->{queue})->{out}; chomp $n; return $n }

# ---- what is refused -----------------------------------------------------------------------------
is($j->try_make(steps => [])->{exit}, 1, 'a job without steps is none');
is($j->try_make(steps => [{ tasks => [] }])->{exit}, 1, 'nor with an empty one');
is($j->try_make(steps => [], final => 1)->{exit}, 1, 'nor with nothing but its end');
is($j->try_make(steps => [{ tasks => [part()] }], title => undef)->{exit}, 1, 'nor without a title');
like($j->try_make(steps => [{ tasks => [map { part() } 1 .. 5001] }])->{err}, qr/limit/, 'nor with too many tasks');
is(sql_one("SELECT count(*) FROM $s.job"), 0, 'nothing of them is there');

# ---- how many there may be -----------------------------------------------------------------------
my @limit = (uid => 'many', max_open => 2, steps => [{ tasks => [part()] }]);
my $one = $j->make(@limit);
my $json = "json_build_object('id', gen_random_uuid(), 'kind', 'test', 'tenant', 'nc', 'uid', 'many', 'title', 'Other', 'params', '{}'::json,"
    . " 'max_attempts', 1, 'retry_delay', 1, 'keep', 1, 'give_up_after', 86400000000, 'files', '[]'::json, 'steps', '[]'::json)";
my $slow = fork // die "fork: $!\n";
if (!$slow) { # asked for at the same time, by another web node
    sql("BEGIN; SELECT $s.job_create_within($json, 2, 0); SELECT pg_sleep(1); COMMIT");
    POSIX::_exit(0);
}
wait_until(10, 'the other to be at it', sub { sql_one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%job_create_within%pg_sleep(1)%' AND wait_event = 'PgSleep' AND pid <> pg_backend_pid()") });
like($j->try_make(@limit)->{err}, qr/not allowed/, 'two are open, one of them not yet committed: no third');
waitpid $slow, 0;
is(sql_one("SELECT count(*) FROM $s.job WHERE owner_uid = 'many'"), 2, 'there are two');
is($j->try_make(@limit, uid => 'other')->{exit}, 0, 'somebody else may');
is($j->try_make(@limit, kind => 'other')->{exit}, 0, 'so may he, of another kind');
sql("UPDATE $s.job SET state = 'ready', deleted_at = NULL WHERE job_id = '$one'");
sql("INSERT INTO $s.file (job_id, name, number, size) VALUES ('$one', 'x', 1, 1)");
is($j->try_make(@limit, max_open => 0, max_kept => 1)->{exit}, 1, 'what is kept has a limit, too');
sql("UPDATE $s.job SET deleted_at = now() WHERE job_id = '$one'");
is($j->try_make(@limit, max_kept => 1)->{exit}, 0, 'and what was deleted is not kept');
my ($password) = slurp($j->{ini}) =~ m{^jobs\.db\.url = postgresql://smarter_web:([^@]+)@}m;
is(sql_one({ user => 'smarter_web', password => $password }, "SELECT count($s.job_create($json))"), 1, 'a web node of before there were limits still makes jobs');
sql("DELETE FROM $s.job");

# ---- the outbox ----------------------------------------------------------------------------------
my $id = $j->make(final => 1, files => ['result'], steps => [
    { tasks => [map { part(ms => 20) } 1 .. 3] }, { tasks => [{ name => 'collect', args => { parts => 3 } }] }]);
is($j->outbox, 3, 'the first step waits to be sent, the others wait for it');
is_deeply([$j->tasks($id)], ['1.1 queued 0', '1.2 queued 0', '1.3 queued 0', '2.1 waiting 0', '3.1 waiting 0'], 'its tasks');
is($j->find($id)->{state}, 'queued', 'its owner sees it queued');
is($j->once->{exit}, 0, 'the relay sends');
is(depth(), 3, 'three messages are at the broker');
is($j->outbox, 0, 'and none in the outbox');
sql("INSERT INTO $s.outbox (task_id) SELECT task_id FROM $s.task WHERE job_id = '$id' AND step = 1");
$j->once;
is(depth(), 6, 'all of them a second time');
my $relay = $j->relay;
my $worker = $j->worker;
is($j->closed($id), 'ready', 'the job is ready');
is(slurp($j->dir($id) . '/result'), "1\n2\n3\n", 'made of the parts of the first step');
ok(-e $j->dir($id) . '/cleaned', 'the last step ran');
is_deeply([$j->tasks($id, "state || ' ' || claim")], ['1.1 done 1', '1.2 done 1', '1.3 done 1', '2.1 done 1', '3.1 done 1'],
    'messages that came twice did nothing the second time');
is(sql_one("SELECT string_agg(number::text, ' ' ORDER BY started_at) FROM $s.task WHERE job_id = '$id' AND step = 1"), '1 2 3', 'in the order they were made');
my $job = $j->find($id);
is_deeply([@$job{qw(state percent notice)}, $job->{files}[0]{size}], ['ready', 100, 'The data changed meanwhile.', 6], 'what its owner sees');
is($job->{files}[0]{pickup_id}, 'pick-me-up', 'the file told of at the start keeps its registration');

# ---- whose it is ---------------------------------------------------------------------------------
is($j->find($id, 'you'), undef, 'nobody else finds it');
is($j->find("$id' OR true"), undef, 'nor by nonsense');
is(scalar $j->list('you'), 0, 'or has it in his list');
is(scalar(() = $j->list('me')), 1, 'its owner has');
is($j->call('cancel', $id)->{exit}, 1, 'it cannot be cancelled any more');
is($j->call('delete', $id)->{exit}, 0, 'but deleted');
is($j->find($id), undef, 'then it is gone for its owner');
is($j->call('delete', $id)->{exit}, 1, 'once');

# ---- retries -------------------------------------------------------------------------------------
$id = $j->make(max_attempts => 3, retry_ms => 50, steps => [{ tasks => [fails(times => 2)] }]);
is($j->closed($id), 'ready', 'good at the third attempt');
is_deeply([$j->tasks($id)], ['1.1 done 3'], 'of three');
$id = $j->make(max_attempts => 3, retry_ms => 300, final => 1, steps => [{ tasks => [fails()] }, { tasks => [part()] }]);
my $begun = time;
is($j->closed($id), 'failed', 'never good: failed');
cmp_ok(time - $begun, '>', 0.9, 'after pauses of 0.3 and 0.6 s');
is_deeply([$j->tasks($id)], ['1.1 failed 3', '2.1 cancelled 0', '3.1 done 1'], 'after three attempts; the next step never began, the last did');
is($j->find($id)->{error}, 'Part 1 is not to be had.', 'its owner reads why');
$id = $j->make(steps => [{ tasks => [fails(as => 'input')] }]);
is($j->closed($id), 'failed', 'what cannot become good is not tried again');
is_deeply([$j->tasks($id)], ['1.1 failed 1'], 'not once');
$id = $j->make(max_attempts => 1, steps => [{ tasks => [fails(as => 'silent')] }]);
$j->closed($id);
like($j->find($id)->{error}, qr/could not be done/, 'without a reason there is a general one');
sql("UPDATE $s.task SET args = jsonb_set(args::jsonb, '{times}', '0') WHERE job_id = '$id'");
is($j->call('retry', $id)->{exit}, 0, 'the operator has it tried again');
is($j->closed($id), 'ready', 'then it is ready');
is($j->call('retry', $id)->{exit}, 1, 'and cannot be again');

# ---- groups with a failing member -----------------------------------------------------------------
$id = $j->make(max_attempts => 1, steps => [{ go_on => 1, tasks => [part(), fails(), part()] }, { tasks => [{ name => 'collect', args => { parts => 3 } }] }]);
is($j->closed($id), 'ready', 'the others go on');
is(slurp($j->dir($id) . '/result'), "1\n3\n", 'and are what there is');
is($j->find($id)->{failed_tasks}, 1, 'its owner is told that one is missing');
$id = $j->make(max_attempts => 1, steps => [{ go_on => 1, tasks => [fails(), fails()] }, { tasks => [part()] }]);
is($j->closed($id), 'failed', 'none is left: failed');
is_deeply([$j->tasks($id)], ['1.1 failed 1', '1.2 failed 1', '2.1 cancelled 0'], 'the chain ends');
$id = $j->make(max_attempts => 1, final => 1, steps => [{ tasks => [fails(), map { part() } 1 .. 3] }]);
is($j->closed($id), 'failed', 'one fails the job where it is told to');
is_deeply([$j->tasks($id)], ['1.1 failed 1', '1.2 cancelled 0', '1.3 cancelled 0', '1.4 cancelled 0', '2.1 done 1'], 'the others do not begin, the last step runs');

# ---- cancelling ----------------------------------------------------------------------------------
$id = $j->make(final => 1, steps => [{ tasks => [part(ms => 20_000), part()] }]);
wait_until(10, 'it to run', sub { $j->find($id)->{percent} > 0 });
is($j->call('delete', $id)->{exit}, 1, 'a running job cannot be deleted');
$begun = time;
is($j->call('cancel', $id)->{exit}, 0, 'but cancelled');
is($j->find($id)->{state}, 'cancelled', 'it is at once');
is($j->closed($id), 'cancelled', 'its task stops');
cmp_ok(time - $begun, '<', 6, 'soon');
is_deeply([$j->tasks($id)], ['1.1 cancelled 1', '1.2 cancelled 0', '2.1 done 1'], 'the other never began, the last step ran');
ok(!glob($j->dir($id) . '/part-*'), 'no part is left');
$j->stop($worker);
$id = $j->make(final => 1, steps => [{ tasks => [part()] }]);
is($j->call('count', 'me')->{out}, "1\n", 'one is open');
is($j->call('cancel', $id)->{exit}, 0, 'cancelled while it is queued');
is($j->call('count', 'me')->{out}, "0\n", 'none is open');
$worker = $j->worker;
is($j->closed($id), 'cancelled', 'its last step runs all the same');
is_deeply([$j->tasks($id)], ['1.1 cancelled 0', '2.1 done 1'], 'and nothing else');

# ---- workers that end, die and hang ---------------------------------------------------------------
$id = $j->make(steps => [{ tasks => [part(ms => 900)] }]);
wait_until(10, 'it to run', sub { $j->state($id) eq 'running' });
is($j->stop($worker), 0, 'a worker that is asked to end does');
is_deeply([$j->tasks($id)], ['1.1 queued 0'], 'its task goes back without having been tried');
$worker = $j->worker;
wait_until(10, 'it to run', sub { ($j->tasks($id))[0] =~ /running/ });
kill 'STOP', $worker;
my $other = $j->worker;
is($j->closed($id), 'ready', 'a worker hangs: another does its task');
is_deeply([$j->tasks($id, "state || ' ' || claim || ' ' || attempt")], ['1.1 done 3 2'], 'as a second attempt');
kill 'CONT', $worker;
wait_until(10, 'the first to notice', sub { $j->said =~ /the claim was lost/ });
is_deeply([$j->tasks($id, "state || ' ' || claim")], ['1.1 done 3'], 'the first one finds that it does not count');
$j->stop($other);

$id = $j->make(max_attempts => 2, steps => [{ tasks => [fails(as => 'die')] }]);
for (1, 2) {
    wait_until(10, 'the worker to die', sub { waitpid($worker, 1) == $worker });
    delete $j->{running}{$worker};
    is(depth(), 0, 'its message was acknowledged when the task was claimed: the broker has nothing to give again');
    sql("UPDATE $s.task SET lease_until = now() WHERE job_id = '$id' AND state = 'running'"); # that it runs out by itself is shown above
    $worker = $j->worker;
}
is($j->closed($id), 'failed', 'what kills its worker is given up');
like($j->find($id)->{error}, qr/interrupted/, 'and its owner told');

# A database that is away does not take the work away, though the task ends meanwhile.
my $database = Smarter::Between->new(env('PGPORT'));
my $direct = slurp($j->{ini});
spew($j->{ini}, $direct =~ s{^(jobs\.worker\.db\.url\s*=.*\@[^:/\s]+):\d+}{"$1:" . $database->port}mer =~ s{^jobs\.lease = \K.*$}{20}mr);
$j->stop($_) for $worker, $relay;
($worker, $relay) = ($j->worker, $j->relay);
$id = $j->make(steps => [{ tasks => [part(ms => 900)] }, { tasks => [part()] }]);
wait_until(10, 'it to run', sub { $j->state($id) eq 'running' });
$database->cut;
wait_until(10, 'the worker to have done it', sub { $j->said =~ /its end is not recorded/ });
sleep 0.5;
is_deeply([$j->tasks($id, "state || ' ' || claim")], ['1.1 running 1', '2.1 waiting 0'], 'all connections to the database break, and there are none: the end of a task waits');
$database->resume;
is($j->closed($id), 'ready', '... until the database is back: worker and relay go on');
is_deeply([$j->tasks($id, "state || ' ' || claim")], ['1.1 done 1', '2.1 done 1'], '... and nothing was done twice');
spew($j->{ini}, $direct);

# ---- something that is needed is down -------------------------------------------------------------
$id = $j->make(max_attempts => 1, steps => [{ tasks => [{ name => 'need' }] }]);
wait_until(10, 'it to have been tried', sub { sql_one("SELECT claim FROM $s.task WHERE job_id = '$id'") > 1 });
like(($j->tasks($id))[0], qr/ [01]\z/, 'waiting is no attempt');
spew($j->dir($id) . '/up', '');
is($j->closed($id), 'ready', 'when it is back the job is ready');
$j->stop($worker);
my $gate = tmpdir();
$worker = $j->worker($gate);
$id = $j->make(steps => [{ tasks => [part()] }]);
wait_until(10, 'the worker to say so', sub { $j->said =~ /takes no tasks/ });
sleep 1;
is_deeply([$j->tasks($id, "state || ' ' || claim")], ['1.1 queued 0'], 'a worker that asks first takes nothing meanwhile');
spew("$gate/up", '');
is($j->closed($id), 'ready', 'and does when it may');
$j->stop($worker);

# ---- messages that are lost, or are none -----------------------------------------------------------
$j->stop($relay);
$id = $j->make(steps => [{ tasks => [part()] }]);
sql("DELETE FROM $s.outbox");
sql("UPDATE $s.task SET published_at = now() - interval '1 minute' WHERE job_id = '$id'");
$worker = $j->worker;
$relay = $j->relay;
is($j->closed($id), 'ready', 'a message is lost: announced again');
is(depth("$j->{queue}.dead"), 0, 'no dead letters so far');
is($j->call('send', $j->{queue}, $_)->{exit}, 0, "a message with $_") for '{}', '{"task":"x"}', '{"task":-1}', '{"task":99999999}';
wait_until(10, 'the queue to be empty', sub { depth() == 0 });
is(wait_until(10, 'the dead letters', sub { depth("$j->{queue}.dead") }), 3, 'those that name no task are dead letters, one that names none of ours is nothing');
$j->stop($worker);
$id = $j->make(steps => [{ tasks => [part(), part()] }]);
sql("UPDATE $s.task SET args = '[]' WHERE job_id = '$id' AND number = 1");
$worker = $j->worker;
is($j->closed($id), 'failed', 'arguments that are none fail the task');
$id = $j->make(steps => [{ tasks => [{ name => 'unknown' }] }]);
is($j->closed($id), 'failed', 'so does a task that nobody knows');
$j->stop($_) for $relay, $worker;

# ---- time ------------------------------------------------------------------------------------------
$id = $j->make(give_up_ms => 1, steps => [{ tasks => [part()] }]);
$j->once;
is($j->state($id), 'failed', 'a job that waits for too long fails');
like($j->find($id)->{error}, qr/took too long/, 'and its owner reads why');
$id = $j->make(keep_ms => 1, steps => [{ tasks => [part()] }]);
$j->once;
$worker = $j->worker;
$j->closed($id);
$j->stop($worker);
$j->once;
is($j->find($id)->{state}, 'expired', 'a result expires');
sql("UPDATE $s.job SET closed_at = now() - interval '31 days' WHERE job_id = '$id'");
$j->once;
is(sql_one("SELECT count(*) FROM $s.job WHERE job_id = '$id'"), 0, 'and is forgotten');

sql("INSERT INTO $s.job (job_id, kind, tenant, owner_uid, title, params, state, max_attempts, retry_delay, keep, give_up_at, closed_at)"
    . " SELECT gen_random_uuid(), 'old', 'nc', 'me', 'Old', '{}', 'failed', 1, '1 s', '1 s', now(), now() - interval '31 days' FROM generate_series(1, 700)");
for my $left (200, 0) {
    $j->once;
    is(sql_one("SELECT count(*) FROM $s.job WHERE kind = 'old'"), $left, 'many are forgotten in portions');
}

# ---- without a broker -----------------------------------------------------------------------------
$id = $j->make(steps => [{ tasks => [part()] }]);
my $late = $j->make(give_up_ms => 1, steps => [{ tasks => [part()] }]);
sql("UPDATE $s.task SET state = 'running', attempt = 1, claim = 1, lease_until = now() - interval '1 minute' WHERE job_id = '$id'");
my $there = slurp($j->{ini});
spew($j->{ini}, $there =~ s{^(jobs\.broker\.url\s*=).*$}{$1 amqp://nobody:none\@localhost:1/none}mr);
is($j->once->{exit}, 75, 'no broker: come again');
is_deeply([$j->tasks($id)], ['1.1 queued 1'], 'the dead worker has lost its task all the same');
is($j->state($late), 'failed', 'and what waited for too long has failed');
sql("UPDATE $s.task SET state = 'running', claim = 2, lease_until = now() - interval '1 minute' WHERE job_id = '$id'");
$relay = $j->relay;
wait_until(20, 'the relay to see it, too', sub { ($j->tasks($id))[0] =~ /queued/ });
spew($j->{ini}, $there);
is($j->stop($relay), 0, 'it ends when it is asked to');
$j->call('cancel', $id);
sql("DELETE FROM $s.outbox");

# ---- several relays -----------------------------------------------------------------------------
my $before = depth();
$id = $j->make(steps => [{ tasks => [map { part() } 1 .. 1000] }]);
my @relays = map { run_program({ background => 1, as_me => 1 }, 'smarter-job-relay', '-c', $j->{ini}, '--once') } 1 .. 3;
my $bad = grep { waitpid $_->{pid}, 0; $? } @relays;
is($bad, 0, 'three relays at once');
is(depth() - $before, 1000, 'send every message once');
is($j->outbox, 0, 'all of them');
$j->call('cancel', $id);

# ---- the operator's tool ------------------------------------------------------------------------------
sub smarter { return run_program({ as_me => 1 }, 'smarter', 'jobs', @_, '-c', $j->{ini}) }
$id = $j->make(title => "A\e[31m title", steps => [{ tasks => [fails(as => 'input')] }]);
my $r = smarter('--json', '--state', 'queued');
my @jobs = @{ JSON::PP->new->decode($r->{out}) };
is_deeply([map { [@$_{qw(id state user percent)}] } @jobs], [[$id, 'queued', 'me', 0]], 'smarter jobs lists them');
unlike(smarter()->{out}, qr/\e/, 'a title cannot command the terminal');
like(smarter('show', $id)->{out}, qr/^ *1 +1 +fail +queued/m, 'show has the tasks');
is(smarter('cancel', $id)->{exit}, 2, 'cancel asks first');
is(smarter('cancel', $id, '--yes')->{exit}, 0, 'and does it');
is(smarter('cancel', $id, '--yes')->{exit}, 1, 'once');
is(smarter('retry', $id, '--yes')->{exit}, 1, 'what did not fail is not tried again');
is(smarter('show', '11111111-1111-4111-8111-111111111111')->{exit}, 1, 'there is no such job');
is(smarter('show', 'x')->{exit}, 1, 'nor is that an id');
$r = smarter('--state', 'good');
is($r->{exit}, 2, 'nor that a state');
like($r->{err}, qr/--state good: want queued, running/, '... and those there are are named');
is(smarter(@$_)->{exit}, 2, "usage: @$_") for ['show'], ['dance'], map { ['--limit', $_] } qw(0 -1 12x 99999999999);
my %queue = map { $_->{queue} => $_ } @{ JSON::PP->new->decode(run_program({ as_me => 1 }, 'smarter', 'queues', '--json')->{out}) };
is_deeply([sort keys %queue], [qw(celery celery.dead extract extract.dead)], 'smarter queues shows those of jobs beside the loader\'s');
is($queue{extract}{consumers}, 1, 'and who takes from them');
my $elsewhere = spew("$j->{dir}/elsewhere.ini", slurp(env('SMARTER_INI')) =~ s{^(jobs\.broker\.url\s*=).*$}{$1 amqp://nobody:none\@localhost:1/none}mr);
my $half = run_program({ as_me => 1 }, 'smarter', 'queues', '-c', $elsewhere);
is($half->{exit}, 75, 'one of the brokers is away');
like($half->{err}, qr/the broker of jobs\.broker\.url/, '... which is said');
like($half->{out}, qr/^celery +\d+ +\d+$/m, '... and the queues of the other one are shown');
ok((grep { /operator\.jobs cancel/ && /\Q$id\E/ } log_since('audit')), 'the deed is audited');

$id = $j->make(steps => [{ tasks => [part()] }]);
$j->once;
my $main = slurp($j->{ini});
my ($app) = slurp(env('SMARTER_INI')) =~ /^(\[app\]\n.*)/ms;
my $both = spew("$j->{dir}/both.ini", "$main\n$app");
sub well { return JSON::PP->new->decode(run_program({ as_me => 1 }, 'smarter', 'status', '--json', '-c', $both)->{out}) }
is(well()->{jobs}{waiting}, 1, 'smarter status counts them');
my $complains = sub { my ($about) = @_; return scalar grep { /$about/ } @{ well()->{needs_a_person} } };
is($complains->('job-relay') + $complains->("in $j->{queue}"), 0, 'all is well with them');
sql("UPDATE $s.task SET published_at = now() - interval '10 minutes' WHERE job_id = '$id'");
is($complains->("in \Q$j->{queue}\E"), 1, 'a task waits, and nobody works: somebody is told');
sql("UPDATE $s.job SET state = 'running' WHERE job_id = '$id'");
is($complains->("in \Q$j->{queue}\E"), 0, 'behind others it may wait');
sql("UPDATE $s.job SET state = 'queued' WHERE job_id = '$id'");
sql("UPDATE $s.task SET published_at = now() - interval '2 hours' WHERE job_id = '$id'");
sql("INSERT INTO $s.outbox (task_id, due_at) SELECT task_id, now() - interval '2 minutes' FROM $s.task WHERE job_id = '$id'");
is($complains->('job-relay') + $complains->("in \Q$j->{queue}\E"), 2, 'no relay, no worker: somebody is told');
$j->call('cancel', $id);

# ---- who may do what --------------------------------------------------------------------------------
my $roles = "unnest(ARRAY['smarter_web', 'smarter_loader', 'smarter_analyst', 'smarter_public']) AS role";
my %can = map { ($_->[0] => $_->[1]) } sql("SELECT concat_ws(' ', role, c.relname, privilege), has_table_privilege(role, c.oid, privilege) FROM pg_class c, $roles,"
    . " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege WHERE relnamespace = '$s'::regnamespace AND relkind = 'r'");
for my $table (qw(job step task file)) {
    is($can{"smarter_web $table SELECT"}, 't', "web reads $table");
    is($can{"smarter_web $table $_"}, 'f', "and has no $_") for qw(INSERT UPDATE DELETE TRUNCATE);
    is($can{"$_ $table SELECT"}, 'f', "$_ does not read $table") for qw(smarter_loader smarter_analyst smarter_public);
}
is($can{'smarter_web outbox INSERT'}, 'f', 'web writes no outbox');
my %may;
push @{ $may{ $_->[0] } }, $_->[1] for sql("SELECT role, CASE WHEN has_function_privilege(role, p.oid, 'EXECUTE') THEN replace(p.oid::regprocedure::text, '$s.', '') END"
    . " FROM pg_proc p, $roles WHERE pronamespace = '$s'::regnamespace AND prorettype <> 'trigger'::regtype");
my @all = @{ $may{smarter_web} };
cmp_ok(scalar @all, '>=', 13, scalar(@all) . ' functions');
is_deeply([sort grep { defined } @all], ['job_cancel(uuid)', 'job_create(json)', 'job_create_within(json,integer,integer)', 'job_delete(uuid)'],
    'web may four of them, one as nodes of before version 5 call it');
is_deeply([grep { defined } @{ $may{$_} }], [], "$_ may none") for qw(smarter_loader smarter_analyst smarter_public);
finish();
