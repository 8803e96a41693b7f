# /services: readiness, heartbeat; what the module does while parts of the stack are away; graceful
# restarts; many requests at once.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Time::HiRes qw(sleep time);

need('httpd', 'postgres', 'memcached');

my $state = env('SMARTER_STATE');
my $report = "/data/comparing_populations?stateCode=$state";
my $jar = sign_in('state');

my $ready = get('/services/ready');
is_deeply([$ready->{status}, json($ready)], [200, { status => 'ready' }], 'ready');
cmp_ok($ready->{time}, '<', 1, 'in less than a second');

my $beat = json(get('/services/heartbeat'));
is($beat->{status}, 'ok', 'the heartbeat') or diag(explain($beat));
is_deeply([map { $_->{name} } grep { !$_->{ok} } @{ $beat->{checks} }], [], 'everybody answers');
is_deeply([map { $_->{name} } @{ $beat->{checks} }],
    ['database of ' . env('SMARTER_TENANT'), 'public copy of ' . env('SMARTER_TENANT'), 'statistics database', 'database of jobs', 'sign-in database', 'session cache', 'data cache', 'message broker'], 'who was asked');
unlike(get('/services/heartbeat')->{body}, qr{password|postgresql:|amqp:|127\.0\.0\.1}i, 'nothing about how');

subtest 'a database that is away' => sub {
    # The loader and the promotion miss it, too.
    allow_log(qr/SB(1201|1203|2002|3023|3030)\b/, qr/"program":"smarter-.*does not answer"/, qr/ended with status 75/);
    stack('down', 'postgres');
    sleep 1.1;
    my $answer = get($report, jar => $jar);
    is($answer->{status}, 503, 'the report is not available');
    ok($answer->{headers}{'retry-after'}, 'try again');
    unlike($answer->{body}, qr/postgres|connect|127\.0/i, 'no inside of ours');
    my $sick = get('/services/heartbeat');
    is($sick->{status}, 500, 'the heartbeat fails');
    is_deeply([map { $_->{name} } grep { !$_->{ok} } @{ json($sick)->{checks} }],
        ['database of ' . env('SMARTER_TENANT'), 'public copy of ' . env('SMARTER_TENANT'), 'statistics database', 'database of jobs', 'sign-in database'], 'and says at what');
    is(get('/services/ready')->{status}, 200, 'but the web node is ready: it must not be taken out');
    stack('up', 'postgres');
    is(wait_until(10, 'the report', sub { my $a = get($report, jar => $jar); $a->{status} == 200 && $a })->{status}, 200, 'back, without a restart');
};

subtest 'a graceful restart' => sub {
    my $before = get($report, jar => $jar)->{body};
    kill 'USR1', server_pid('httpd');
    my %seen;
    my $end = time + 3;
    while (time < $end) {
        $seen{ get('/services/userinfo', jar => $jar)->{status} }++;
    }
    is_deeply([keys %seen], [200], 'keeps every session, loses no request') or diag(explain(\%seen));
    is(get($report, jar => $jar)->{body}, $before, 'and serves the same');
};

subtest 'caches that are away' => sub {
    my $where = "$report&grade=03&sex=male";
    my $before = get($where, jar => $jar);
    is(get($where, jar => $jar)->{body}, $before->{body}, 'from the cache the same as fresh');
    my $ini = slurp(env('SMARTER_INI'));
    spew(env('SMARTER_INI'), $ini =~ s/^(cache\.data\.url) = .*/$1 = 127.0.0.1:1/mr);
    stack('restart', 'httpd');
    allow_log(qr/SB(12\d\d|3010|3030)\b/);
    my $without = get($where, jar => $jar);
    is_deeply([@$without{qw(status body)}], [200, $before->{body}], 'a dead data cache costs a query');
    is_deeply([map { $_->{name} } grep { !$_->{ok} } @{ json(get('/services/heartbeat'))->{checks} }], ['data cache'],
        'and the heartbeat tells');
    spew(env('SMARTER_INI'), $ini);
    stack('restart', 'httpd');
    is(get($where, jar => $jar)->{body}, $before->{body}, 'a restart keeps sessions');

    my $other = sign_in('school');
    stack('down', 'memcached');
    my $answer = get('/services/userinfo', jar => $other);
    is($answer->{status}, 503, 'without the session caches nobody can be known');
    unlike($answer->{body}, qr/memcached|127\.0/, 'no inside of ours');
    stack('up', 'memcached');
    sleep 6;    # every connection of every process tries again after at most 5 s
    is(get('/services/userinfo', jar => $other)->{status}, 401, 'sessions are gone with them: sign in again');
    # Processes notice a returned cache one by one; until then they look for a session in different places.
    $jar = wait_until(20, 'a session that every process finds', sub {
        my $new = eval { sign_in('state') } or return;
        return (grep { get('/services/userinfo', jar => $new)->{status} != 200 } 1 .. 12) ? undef : $new;
    });
    ok($jar, 'which works');
};

subtest 'many at once' => sub {
    my @where = map { url($_) } ($report, "$report&grade=03", "$report&sex=male", '/services/userinfo', '/data', '/data/nothing',
        "$report&asmtYear=x", '/services/heartbeat');
    my $config = join '', map { ("url = \"$where[$_ % @where]\"\n", "output = \"/dev/null\"\n") } 0 .. 799;
    my $file = spew(tmpdir() . '/urls', $config);
    my $start = time;
    my $out = qx{curl -sS -Z --parallel-max 50 --cacert @{[env('SMARTER_CA')]} -b $jar -K $file -w '%{http_code}\\n' 2>/dev/null};
    my %count;
    $count{$_}++ for split /\n/, $out;
    is_deeply(\%count, { 200 => 600, 404 => 100, 412 => 100 }, 'eight hundred requests on fifty connections, each with its own answer')
        or diag(explain(\%count));
    note sprintf '%.0f requests/s', 800 / (time - $start);
};

# The tests behind this one sign in: each connection to the caches learns by its own next use that they are back.
wait_until(60, 'sign-ins that every process goes through with', sub {
    for (1 .. 12) {
        eval { sign_in('state') } or return 0;
    }
    return 1;
});

finish();
