# The stack's processes: up starts only what is missing, a second stack runs beside the first, down
# leaves nothing, and a port in other hands is reported.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use Time::HiRes 'time';
use Smarter::Test;

# A second, smaller stack with the programs of the first one.
my $var = tmpdir() . '/second';
my $base = env('SMARTER_PORT_BASE') + 100;
my %second = (SMARTER_VAR => $var, SMARTER_PORT_BASE => $base, SMARTER_INST => env('SMARTER_INST'));

sub second {
    my ($code, $out) = ctl(\%second, @_);
    return ($out, $code);
}

sub ctl {
    my ($env, @words) = @_;
    my $r = Smarter::Test::run({ env => $env, timeout => 300 }, top() . '/smarterctl', @words);
    return ($r->{exit}, $r->{out} . $r->{err});
}

# Every living process that mentions the stack's directory in its words or its environment, but for
# those who are just looking.
sub processes {
    my @found;
    for my $dir (glob '/proc/[0-9]*') {
        my ($pid) = $dir =~ /(\d+)/;
        next if $pid == $$;
        my $stat = eval { slurp("$dir/stat") } // next;
        next if $stat =~ /\) [ZX] /;
        my $words = eval { slurp("$dir/cmdline") } // '';
        my $environ = eval { slurp("$dir/environ") } // '';
        push @found, "$pid $words" if "$words\0$environ" =~ /\Q$var\E/;
    }
    return @found;
}

my @first = map { server_pid($_) } qw(postgres memcached1 idp);
my ($out, $code) = second('up', 'postgres', 'memcached', 'idp');
is($code, 0, 'a second stack starts beside the first') or do { diag($out); BAIL_OUT('no second stack') };
is_deeply([map { server_pid($_) } qw(postgres memcached1 idp)], \@first, 'and the first one is untouched');
cmp_ok(scalar(processes()), '>=', 4, 'its processes bear its mark');

($out, $code) = second('status');
like($out, qr/^postgres\s+running .*:@{[$base + 10]}/m, 'status names the address');
like($out, qr/^rabbitmq\s+stopped/m, 'and what does not run');
is($code, 3, 'and says by its exit status that a part is missing');

my $pid = slurp("$var/run/postgres.pid");
my $start = time;
($out, $code) = second('up', 'postgres', 'memcached', 'idp');
is($code, 0, 'up again');
cmp_ok(time - $start, '<', 5, 'takes a moment only');
is(slurp("$var/run/postgres.pid"), $pid, 'and starts nothing anew');

my ($node) = slurp("$var/run/memcached2.pid") =~ /\A(\d+)/;
kill 'KILL', $node;
wait_until(5, 'memcached to be gone', sub { (second('status'))[0] =~ /memcached\s+PARTLY/ });
($out, $code) = second('up', 'memcached', 'postgres');
is($code, 0, 'up after a crash');
like($out, qr/Starting memcached/, 'starts the part that died');
unlike($out, qr/Starting postgres/, 'and no other');

# Logs of a part are those of its processes.
spew("$var/log/worker-udl1.log", "a worker ended\n");
spew("$var/log/security.log", "who came\n");
($out, $code) = second('logs', 'workers');
is($code, 0, 'logs of a part');
like($out, qr/a worker ended/, '... are those of its processes');
unlike($out, qr/who came|postgres\.log/, '... and no others');
like((second('logs', 'secur'))[0], qr/who came/, 'others are named by how they begin');
like((second('logs'))[0], qr/postgres\.log.*who came.*a worker ended/s, 'without a name: all');
($out, $code) = second('logs', 'nonsense');
is($code, 1, 'logs of nothing');
like($out, qr/no log of 'nonsense'/, '... are none');

# PostgreSQL, killed at once, recovers.
kill 'KILL', $pid =~ /\A(\d+)/;
wait_until(10, 'postgres to be gone', sub { (second('status'))[0] =~ /postgres\s+stopped/ });
($out, $code) = second('up', 'postgres');
is($code, 0, 'PostgreSQL comes back after kill -9') or diag $out;

# php -S has children; killed itself, it leaves them with the port.
kill 'KILL', slurp("$var/run/idp.pid") =~ /\A(\d+)/;
wait_until(5, 'the identity provider to be gone', sub { (second('status'))[0] =~ /idp\s+stopped/ });
($out, $code) = second('up', 'idp');
is($code, 0, 'up ends what a killed server left behind') or diag $out;

# What a killed smarterctl began (make, initdb) may still be at work.
open(my $busy, '-|', 'flock', "$var/.lock", 'sh', '-c', 'echo; sleep 2') or BAIL_OUT("flock: $!");
<$busy>;
($out, $code) = second('up', 'memcached');
is($code, 0, 'what an interrupted call began is waited for');
like($out, qr/^Waiting: /m, 'and that is said');
close $busy;

# A server nobody recorded (its start was cut off) is found by its mark.
unlink "$var/run/memcached1.pid";
my @agents = Smarter::Test::run({}, 'gpg', '--homedir', "$var/keys/sender-nc", '--batch', '--list-secret-keys');
($out, $code) = second('down');
is($code, 0, 'down');
is_deeply([processes()], [], 'leaves no process');
($out, $code) = second('down');
is($code, 0, 'down again has nothing to do');
($out, $code) = second('reload');
is($code, 1, 'nor has reload, but it is asked for something');
like($out, qr/nothing of the stack in \Q$var\E runs/, '... and says so');

sub listener {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) // BAIL_OUT("listen: $!");
}
my $other = listener($base + 10);
($out, $code) = second('up', 'postgres');
isnt($code, 0, 'a port in other hands: refused');
like($out, qr/port @{[$base + 10]}, wanted for PostgreSQL, is taken/, 'naming port and part');
like($out, qr/SMARTER_PORT_BASE=/, 'and the way out');
like($out, qr/pid $$ /, 'and who has it');
close $other;
$other = listener($base + 1);
($out, $code) = second('up', 'httpd');
isnt($code, 0, 'a port of the last part that is to be started');
like($out, qr/port @{[$base + 1]}, wanted for httpd/, 'is missed');
unlike($out, qr/Starting|Building/, 'before anything is built or started');
close $other;
my $of_tests = listener($base + 1010);
($out, $code) = second('test', 't/http');
isnt($code, 0, 'a port of the tests in other hands');
like($out, qr/port @{[$base + 1010]}, wanted for PostgreSQL, is taken by pid $$ .*kill $$;/, 'is missed, too');
unlike($out, qr/Starting|Building/, 'and at once');
close $of_tests;
ok(!-e "$var/test/tests.pid", 'that run left no record');

# Tests of a run that is still there are not swept away by the next one.
my ($start_time) = (split / /, slurp('/proc/self/stat') =~ s/.*\) //sr)[19];
spew("$var/test/tests.pid", "$$ $start_time\n");
($out, $code) = second('test', 't/unit');
isnt($code, 0, 'a second run of tests beside one');
like($out, qr/pid $$ runs tests/, 'is refused');
unlink "$var/test/tests.pid";

# Wrong words are found before anything starts, and asked-for help is given.
for (['bench', 'nonsense'], ['bench', '--frob'], ['test', '--frob'], ['test', 't/none.t']) {
    ($out, $code) = second(@$_);
    isnt($code, 0, "@$_ is refused");
    unlike($out, qr/Starting|Building|Installing/, 'at once');
    like($out, qr/^  pickup +MB/m, 'with the names there are') if $_->[0] eq 'bench';
}
is((second($_, 'workers'))[1], 1, "$_ does not guess what a word after it means") for 'clean', 'reload', 'status';
for my $word ('bench', 'test', 'clean', 'down') {
    ($out, $code) = second($word, '--help');
    is($code, 0, "$word --help");
    like($out, qr/^usage: /, 'helps');
}

($out, $code) = second('up', 'nonsense');
isnt($code, 0, 'an unknown part is refused');
like($out, qr/the parts are: .*postgres/, 'with the list of parts');
($out, $code) = second('frobnicate');
isnt($code, 0, 'an unknown command is refused');

# Whose directory is it? A checkout that is still there keeps it, one that is gone does not.
my $neighbour = tmpdir() . '/neighbour';
mkdir $neighbour;
spew("$neighbour/smarterctl", '');
chmod 0755, "$neighbour/smarterctl";
spew("$var/.checkout", "$neighbour\n");
spew("$var/log/left-behind", '');
($out, $code) = second('up', 'memcached');
isnt($code, 0, 'the directory of another checkout is not touched');
like($out, qr/belongs to the checkout \Q$neighbour\E/, 'and it is said whose it is');
unlink "$neighbour/smarterctl";
($out, $code) = second('up', 'memcached');
is($code, 0, 'unless that checkout is gone');
like($out, qr/\Q$neighbour\E, which is gone/, 'and that is said');
ok(!-e "$var/log/left-behind", 'nothing of it stays');

# A run of tests that was killed leaves its stack, and the tests, which go on.
($code, $out) = ctl({ %second, SMARTER_VAR => "$var/test", SMARTER_PORT_BASE => $base + 50 }, 'up', 'memcached');
is($code, 0, "the tests' stack runs") or diag $out;
my $test = fork // BAIL_OUT("fork: $!");
if (!$test) {
    close STDOUT;
    exec 'env', "SMARTER_TESTS=$var/test", 'sleep', '300' or exit 1;
}
wait_until(5, 'a test to run', sub { slurp("/proc/$test/comm") eq "sleep\n" });
($out, $code) = second('clean');
is($code, 0, 'clean') or diag $out;
ok(!-e "$var/pg" && !-e "$var/test", 'removes the directory');
is(waitpid($test, 0), $test, 'and ends the tests');
is_deeply([processes()], [], 'and their servers');

for my $word ('restart', 'reload') {
    ($out, $code) = second($word);
    is($code, 1, "$word where there is no stack");
    like($out, qr/there is no stack in \Q$var\E; /, '... says so');
    unlike($out, qr/Starting|Building/, '... and begins nothing');
}

($code, $out) = ctl({ %second, SMARTER_PORT_BASE => 'x' }, 'status');
isnt($code, 0, 'a port base that is none is refused');
($code, $out) = ctl({ %second, SMARTER_VAR => "/tmp/" . 'long' x 30 }, 'env');
unlike($out, qr/^SMARTER_VAR=.{65}/m, 'a path too long for sockets is not used');

finish();
