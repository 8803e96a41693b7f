package Smarter::WebLoad;

# For benchmarks of the web tier: wrk with signed-in users, and a second httpd with the stack's own
# configuration that serves one answer as a file: the limit.

use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET ();
use JSON::PP ();
use Smarter::Test;

our @EXPORT = qw(session_cookie wrk wrk_median static_server bench_program cpu_of_parts);

# "name=value" of a jar's session.
sub session_cookie {
    my ($jar) = @_;
    for (split /\n/, slurp($jar)) {
        s/\A#HttpOnly_//;
        my @f = split /\t/;
        return "$f[5]=$f[6]" if @f == 7 && $f[5] =~ /\A__Host-smarter/;
    }
    die "no session in $jar\n";
}

our $CONNECTIONS = 16;

# wrk(seconds, url, size, cookies...): answers a second on so many kept-alive connections, the cookies in turn.
# Dies if one failed, or if they were shorter than that size.
sub wrk {
    my ($seconds, $url, $size, @cookies) = @_;
    my $script = spew(tmpdir() . '/wrk.lua', <<'LUA');
local requests, turn = {}, 0
function init(cookies)
    for i = 1, #cookies do
        requests[i] = wrk.format('GET', nil, { Host = wrk.headers['Host'], Cookie = cookies[i] })
    end
end
function request()
    turn = turn % #requests + 1
    return requests[turn]
end
function done(summary, latency)
    local e = summary.errors
    print(string.format('{"requests":%d,"seconds":%.6f,"bytes":%d,"errors":%d}', summary.requests, summary.duration / 1e6, summary.bytes,
        e.connect + e.read + e.write + e.status + e.timeout))
end
LUA
    my $r = Smarter::Test::run({ timeout => $seconds + 60 }, 'wrk', '-t1', "-c$CONNECTIONS", '-d', "${seconds}s", '-s', $script, $url, '--', @cookies);
    my ($line) = $r->{out} =~ /^(\{"requests.*)$/m or die "wrk: $r->{out}$r->{err}\n";
    my $got = JSON::PP->new->decode($line);
    die "wrk: $r->{out}\n" if $got->{errors} || !$got->{requests} || $got->{bytes} < $got->{requests} * $size;
    return $got->{requests} / $got->{seconds};
}

# wrk_median(seconds, cookie, paths...): milliseconds of the median answer on one kept-alive connection, the
# paths in turn. Dies if one failed.
sub wrk_median {
    my ($seconds, $cookie, @paths) = @_;
    my $script = spew(tmpdir() . '/wrk.lua', <<'LUA');
local requests, turn = {}, 0
function init(args)
    for i = 2, #args do
        requests[i - 1] = wrk.format('GET', args[i], { Host = wrk.headers['Host'], Cookie = args[1] })
    end
end
function request()
    turn = turn % #requests + 1
    return requests[turn]
end
function done(summary, latency)
    local e = summary.errors
    print(string.format('median %.4f of %d, errors %d', latency:percentile(50) / 1000, summary.requests,
        e.connect + e.read + e.write + e.status + e.timeout))
end
LUA
    my $r = Smarter::Test::run({ timeout => $seconds + 60 }, 'wrk', '-t1', '-c1', '-d', "${seconds}s", '-s', $script, env('SMARTER_URL'),
        '--', $cookie, @paths);
    my ($ms, $n, $errors) = $r->{out} =~ /^median ([\d.]+) of (\d+), errors (\d+)$/m or die "wrk: $r->{out}$r->{err}\n";
    die "wrk: $r->{out}\n" if $errors || !$n;
    return $ms;
}

# The path of a program of t/bench, built with the product.
sub bench_program {
    my ($name) = @_;
    my $build = env('SMARTER_VAR') . '/build';
    my $r = Smarter::Test::run({ timeout => 300 }, 'make', '-C', $build, "t/bench/$name");
    die "$name cannot be built: $r->{out}$r->{err}\n" if $r->{exit};
    return "$build/t/bench/$name";
}

# Seconds of CPU that the parts of the stack have used so far.
sub cpu_of_parts {
    my (%parent, %ticks);
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my ($pid, $rest) = (<$in> // '') =~ /\A(\d+) \(.*\) (.*)/s or next;
        my @f = split ' ', $rest;
        $parent{$pid} = $f[1];
        $ticks{$pid} = $f[11] + $f[12] + $f[13] + $f[14]; # and of children that have ended
    }
    my %part = map { ((split ' ', slurp($_))[0] => $_ =~ m{/([a-z]+)\d*\.pid\z}) } grep { m{/(?:httpd|postgres|memcached\d)\.pid\z} }
        glob env('SMARTER_VAR') . '/run/*.pid';
    my %seconds;
    for my $pid (keys %ticks) {
        my $up = $pid;
        $up = $parent{$up} while $up && !$part{$up};
        $seconds{ $part{$up} } += $ticks{$pid} / 100 if $up;
    }
    return %seconds;
}

my $server;

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!\n";
    return $socket->sockport;
}

# static_server(path => answer): its address. The same program, modules, limits, TLS and log format; the
# headers that the product wrote are set on the file. It goes when the benchmark ends.
sub static_server {
    my ($path, $answer) = @_;
    my $dir = tmpdir();
    my ($http, $https) = (free_port(), free_port());
    my $var = env('SMARTER_VAR');
    my $conf = slurp("$var/httpd/httpd.conf");
    mkdir "$dir/run";
    mkdir "$dir/web";
    spew("$dir/web$path", $answer->{body});
    my %place = (DefaultRuntimeDir => 'run', PidFile => 'run/pid', ErrorLog => 'run/log');
    $conf =~ s{^$_ .*}{$_ $dir/$place{$_}}m for keys %place;
    my @ports = ($http, $https);
    $conf =~ s/^Listen .*/'Listen 127.0.0.1:' . shift @ports/gem;
    $conf =~ s{^(SSLSessionCache shmcb:)[^(]*}{$1$dir/run/tls}m;
    my %define = (SMARTER_URL => "https://localhost:$https", SMARTER_HTTP_PORT => $http, SMARTER_HTTPS_PORT => $https,
        SMARTER_WEB => "$dir/web", SMARTER_LOGDIR => "$dir/run");
    $conf =~ s/^Define $_ .*/Define $_ $define{$_}/m for keys %define;
    $conf .= join '', "<Location $path>\n", (map { qq(    Header set $_ "$answer->{headers}{lc $_}"\n) }
        grep { defined $answer->{headers}{lc $_} } qw(Cache-Control Vary X-Request-Id)), "</Location>\n";
    spew("$dir/httpd.conf", $conf);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp;
        exec '/usr/sbin/apache2', '-f', "$dir/httpd.conf", '-D', 'FOREGROUND';
    }
    $server = $pid;
    my $url = $define{SMARTER_URL};
    wait_until(20, 'the server of the limit', sub { http('GET', "$url$path")->{status} == 200 });
    my $got = http('GET', "$url$path");
    die "the limit serves something else\n" if $got->{body} ne $answer->{body};
    return $url;
}

END {
    my $status = $?;
    if ($server) {
        kill 'TERM', $server;
        waitpid $server, 0;
    }
    $? = $status;
}

1;
