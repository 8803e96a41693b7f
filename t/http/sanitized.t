# The module and its library under sanitizers, while several users ask for everything, sign in and out,
# databases and caches lose their connections or hang, and the server begins anew: no error and no race of
# ours. A few seconds of it; t/soak/threads.t goes on for longer, and starts those servers again as well.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Sanitized;
use Smarter::Test;

need('httpd', 'postgres', 'memcached', 'idp');
my $seconds = $ENV{SANITIZED_SECONDS} // 6;
my ($user, $password) = slurp(env('SMARTER_INI')) =~ m{^edware\.db\.\w+\.url = postgresql://([^:]+):([^@]+)@}m or die 'no database in the ini';

# The stack's own server and programs lose their connections, too.
allow_log(qr/SB(?:12\d\d|161[23]|2002|3010|3023|3030|3102|3104)\b/, qr/ended with status 75/);

my @disturbances = (
    sub { sql({ user => $user, password => $password }, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'mod_smarter%' AND usename = current_user") },
    sub {
        my $node = server_pid('memcached' . (1 + int rand 2));
        kill 'STOP', $node;
        sleep 0.5;
        kill 'CONT', $node;
    },
    sub { $_[0]->graceful },
    $ENV{SANITIZED_RESTARTS}
    ? (sub { stack('restart', 'memcached'); $_[0]->sign_in_again }, sub { stack('restart', 'postgres') })
    : (),
);

for my $kind (split ' ', $ENV{SANITIZERS} // 'address thread') {
    my $server = Smarter::Sanitized->new($kind, 'smarter.search.per_minute' => 0);    # its users search in the next test, too
    $server->start_load(5);
    my $end = time + $seconds;
    my (@signed, $n);
    while (time < $end || $n < @disturbances) {
        push @signed, eval { $server->come_and_go('district2') } // 'not now';
        eval { $disturbances[$n++ % @disturbances]->($server); 1 } or diag($@);
        sleep 0.5;
    }
    my %answers = $server->stop_load;
    my @findings = $server->stop;
    is(scalar @findings, 0, "$kind: nothing is found") or diag(map { substr($_, 0, 6000) . "\n" } @findings[0 .. ($#findings > 2 ? 2 : $#findings)]);
    cmp_ok($answers{200} // 0, '>', 20 * $seconds, "$kind: " . join ', ', map { "$answers{$_} x $_" } sort keys %answers);
    is_deeply([grep { /\A500 / } sort keys %answers], [], "$kind: nothing says 500 but the heartbeat");
    ok((grep { /\A30\d [23]0\d\z/ } @signed) > 0, "$kind: somebody signed in and out") or diag("@signed");
}

finish();
