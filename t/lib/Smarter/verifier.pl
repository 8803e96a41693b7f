# An OAuth 2 server that tells about bearer tokens over HTTPS, a process a connection, which it keeps. Its answers stand
# in DIR/tokens (JSON: token => [status, body, more headers]); a token it does not know is none. The file DIR/mode says
# how all of it behaves (ok, 500, reset, silent, sleep N); a token that begins so, how it does about that one:
#   slow-SECONDS- redirect- huge- trickle- half- reset-
# verifier.pl DIR CERT KEY: says its port in DIR/port, each question as JSON in DIR/log.
use strict;
use warnings;
use Fcntl qw(:flock);
use IO::Socket::INET;
use IO::Socket::SSL;
use JSON::PP ();
use Time::HiRes qw(sleep time);

my ($dir, $cert, $key) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 256, ReuseAddr => 1) or die "listen: $!\n";
open my $out, '>', "$dir/port.new" or die "$dir/port: $!\n";
print {$out} $listen->sockport;
close $out;
rename "$dir/port.new", "$dir/port";
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
while (1) {
    my $plain = $listen->accept or next;
    my $pid = fork // die "fork: $!\n";
    next if $pid;
    close $listen;
    alarm 90;
    exit 0 if text('mode') eq 'reset';
    my $s = IO::Socket::SSL->start_SSL($plain, SSL_server => 1, SSL_cert_file => $cert, SSL_key_file => $key) or exit 0;
    1 while answer($s);
    exit 0;
}

sub text {
    my ($name) = @_;
    open my $in, '<', "$dir/$name" or return '';
    local $/;
    return scalar <$in>;
}

sub note {
    my ($entry) = @_;
    open my $log, '>>', "$dir/log" or die "$dir/log: $!\n";
    flock $log, LOCK_EX;
    print {$log} JSON::PP->new->canonical->encode({ %$entry, at => time, connection => $$ }), "\n";
    close $log;
}

# @return may another question come?
sub answer {
    my ($s) = @_;
    my ($head, $body) = ('', '');
    while ($head !~ /\r\n\r\n/) {
        sysread $s, $head, 65536, length $head or return 0;
    }
    ($head, $body) = split /\r\n\r\n/, $head, 2;
    my ($method, $path) = $head =~ m{\A(\S+) (\S+) HTTP};
    my %headers = map { /\A([^:]+): ?(.*)\z/ ? (lc $1 => $2) : () } split /\r\n/, $head;
    while (length $body < ($headers{'content-length'} // 0)) {
        sysread $s, $body, 65536, length $body or return 0;
    }
    my ($token) = ($method eq 'POST' ? $body : $path) =~ /(?:\A|[?&])(?:access_)?token=([^&]*)/;
    ($token //= '') =~ s/%(..)/chr hex $1/ge;
    note({ method => $method, path => $path, headers => \%headers, body => $body, token => $token });
    my $mode = text('mode');
    sleep $1 if $mode =~ /\Asleep ([\d.]+)/ || $token =~ /\Aslow-([\d.]+)-/;
    sleep 80 if $mode eq 'silent';
    return 0 if $mode eq 'reset' || $token =~ /\Areset-/;
    my $known = JSON::PP->new->decode(text('tokens') || '{}')->{$token};
    my ($status, $text, $more) = @{ $known // [200, '{"active":false}', ''] };
    ($status, $text) = (500, 'oops') if $mode eq '500';
    $more //= '';
    if ($token =~ /\Aredirect-/) { ($status, $more) = (302, "Location: /elsewhere?token=$token\r\n") }
    if ($token =~ /\Ahuge-/) {
        print {$s} "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{\"active\":true,\"x\":\"";
        for (1 .. 20000) {
            print {$s} 'x' x 50000 or last;
        }
        return 0;
    }
    if ($token =~ /\Atrickle-/) {
        print {$s} "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        for (1 .. 100) {
            print {$s} ' ' or last;
            sleep 0.3;
        }
        return 0;
    }
    $text = substr $text, 0, length($text) / 2 if $token =~ /\Ahalf-/;
    print {$s} "HTTP/1.1 $status Whatever\r\n${more}Content-Type: application/json\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    return 1;
}
