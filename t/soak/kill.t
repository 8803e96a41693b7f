# kill -9 at random: trigger, two workers' turns, conductor, server processes of PostgreSQL and PostgreSQL as a
# whole, while packages keep coming. By name only: ./smarterctl test t/soak/kill.t; SMARTER_SOAK_SECONDS
# (300) is how long, SMARTER_SOAK_SEED repeats a run.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Kill;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
allow_log(qr/"no":"SB(?:12\d\d|14\d\d|22\d\d|24\d\d|40\d\d|43\d\d)"/, qr/ended with status 75/);
my $seed = $ENV{SMARTER_SOAK_SEED} // time % 100_000;
srand $seed;
note "seed $seed";
my $k = Smarter::Kill->new('t_soak', rows => 3000, ini => ['udl2.max_attempts = 100']);
my $end = time + ($ENV{SMARTER_SOAK_SECONDS} // 300);
my ($n, %killed) = (0);
while (time < $end) {
    $k->start_all;
    my $open = eval { sql_one("SELECT count(*) FROM $k->{stats}.udl_stats WHERE load_status <> 'migrate.ingested'") } // 9;
    $k->drop_one('r' . ++$n) if $open < 4;
    sleep 0.2 + rand 1.5;
    $k->look;
    my $victim = qw(trigger worker worker worker conductor conductor backend postgres)[rand 8];
    if ($victim eq 'backend') {
        my $pid = eval { sql_one($k->{super}, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'smarter-%' ORDER BY random() LIMIT 1") };
        $k->crash($pid) if $pid;
    }
    elsif ($victim eq 'postgres') {
        next if rand() > 0.3; # a restart takes a while
        kill 'QUIT', server_pid('postgres'); # immediate: as a power cut
        sleep 1;
        stack('up', 'postgres');
    }
    else {
        $k->murder($victim);
    }
    $killed{$victim}++;
}
note join ', ', map { "$_ $killed{$_} times" } sort keys %killed;
$k->start_all;
my @wrong = $k->settle(300);
is_deeply(\@wrong, [], "$n packages: everything is in production exactly once, and nothing is left") or diag join "\n", @wrong;

finish();
