# A process of the web server does not grow: after GROWTH_WARM requests (default 5000) of all kinds, GROWTH_MORE
# more (default 20000) may not take it far beyond. By name only: smarterctl test t/soak/growth.t
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Sanitized;
use Smarter::Test;

use constant LIMIT_KIB => 6 * 1024;    # a process; what one leaks in every request would be more: 300 bytes each

need('httpd', 'postgres', 'memcached');
my ($warm, $more) = ($ENV{GROWTH_WARM} // 5_000, $ENV{GROWTH_MORE} // 20_000);
my $server = Smarter::Sanitized->new('none');

sub sizes {
    return map { my ($kib) = slurp("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m; ($_ => $kib) } $server->children;
}

sub ask_until {
    my ($n) = @_;
    $server->start_load(4);
    wait_until(600, "$n answers", sub { $server->answered >= $n });
    my %answers = $server->stop_load;
    diag(join ', ', map { "$answers{$_} x $_" } sort keys %answers);
    return \%answers;
}

ask_until($warm);
my %before = sizes();
my $answers = ask_until($warm + $more);
my %after = sizes();
cmp_ok($answers->{200}, '>', $more / 3, 'most are answers, not refusals');
for my $pid (sort keys %before) {
    ok(exists $after{$pid}, "process $pid is still there") or next;
    cmp_ok($after{$pid}, '<', $before{$pid} + LIMIT_KIB, "$before{$pid} KiB before, $after{$pid} KiB after $more requests");
}
my @ended = $server->stop;
is("@ended", '', 'no process ended');
allow_log(qr/SB3030\b/);
finish();
