# A receiver of callbacks over HTTPS, one process a connection. Its path says how it behaves:
#   /ok /status/404 /flaky/N (500 N times, then 200) /slow/SECONDS (once, then 200) /redirect /huge /silent
# receiver.pl PORTFILE LOGFILE CERT KEY: says its port in PORTFILE, each request as JSON in LOGFILE.
use strict;
use warnings;
use Fcntl qw(:flock);
use IO::Socket::INET;
use IO::Socket::SSL;
use JSON::PP ();
use Time::HiRes qw(sleep time);

my ($port_file, $log_file, $cert, $key) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64, ReuseAddr => 1) or die "listen: $!\n";
open my $out, '>', "$port_file.new" or die "$port_file: $!\n";
print {$out} $listen->sockport;
close $out;
rename "$port_file.new", $port_file;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
while (1) {
    my $plain = $listen->accept or next;
    my $pid = fork // die "fork: $!\n";
    next if $pid;
    alarm 60;
    note({ connected => 1 });
    my $s = IO::Socket::SSL->start_SSL($plain, SSL_server => 1, SSL_cert_file => $cert, SSL_key_file => $key) or exit 0;
    answer($s);
    exit 0;
}

# One line of the log; how often this path was asked for before.
sub note {
    my ($entry) = @_;
    open my $log, '+>>', $log_file or die "$log_file: $!\n";
    flock $log, LOCK_EX;
    seek $log, 0, 0;
    my $before = grep { defined $entry->{path} && index($_, "\"path\":\"$entry->{path}\"") >= 0 } <$log>;
    print {$log} JSON::PP->new->canonical->encode({ %$entry, at => time }), "\n";
    close $log;
    return $before;
}

sub answer {
    my ($s) = @_;
    my ($head, $body) = ('', '');
    while ($head !~ /\r\n\r\n/) {
        sysread $s, $head, 4096, length $head or return;
    }
    ($head, $body) = split /\r\n\r\n/, $head, 2;
    my ($method, $path) = $head =~ m{\A(\S+) (\S+) HTTP};
    my %headers = map { /\A([^:]+): ?(.*)\z/ ? (lc $1 => $2) : () } split /\r\n/, $head;
    while (length $body < ($headers{'content-length'} // 0)) {
        sysread $s, $body, 65536, length $body or return;
    }
    my $before = note({ method => $method, path => $path, headers => \%headers, body => $body });
    my $status = 200;
    if ($path =~ m{\A/status/(\d+)}) { $status = $1 }
    if ($path =~ m{\A/flaky/(\d+)}) { $status = $before < $1 ? 500 : 200 }
    if ($path =~ m{\A/slow/(\d+)} && !$before) { sleep $1 }
    if ($path =~ m{\A/silent}) { sleep 30 }
    my $more = $path =~ m{\A/redirect} ? "Location: /ok/redirected\r\n" : '';
    $status = 302 if $more;
    if ($path =~ m{\A/huge}) {
        print {$s} "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        for (1 .. 20000) {
            print {$s} 'x' x 50000 or last;
        }
        return;
    }
    print {$s} "HTTP/1.1 $status Whatever\r\n${more}Content-Length: 2\r\nConnection: close\r\n\r\nok";
    $s->close;
}
