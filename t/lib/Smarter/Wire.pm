package Smarter::Wire;

# HTTP by hand: octets are sent as they are written, over one TLS connection that is kept while the
# server keeps it. For requests that no client library would send, and for thousands of small ones.
#
#   my $wire = Smarter::Wire->new(cookie => cookie_header($jar));    # peer => 'host:port' for another server
#   my $answer = $wire->request('GET', '/data?x=%zz', { 'X-Y' => 'z' }, $body);   # as Smarter::Test::http
#   my $answer = $wire->octets("GET / HTTP/1.1\r\n...");   # anything; the connection is closed after it
#
# An answer: { status, headers => { lower-case name => value }, cookies => [Set-Cookie values], body, error }.
# Status 0: none came.

use strict;
use warnings;
use IO::Socket::SSL;
use Smarter::Test;

sub new {
    my ($class, %opt) = @_;
    my ($peer) = url('/') =~ m{//([^/]+)};
    return bless { peer => $opt{peer} // $peer, cookie => $opt{cookie}, timeout => $opt{timeout} // 20 }, $class;
}

# The cookies of a jar as a header.
sub cookie_header {
    my ($jar) = @_;
    return join '; ', map { /\A(?:#HttpOnly_)?[^#\t]+(?:\t[^\t]*){4}\t([^\t]+)\t(.*)\z/ ? "$1=$2" : () }
        map { s/\s+\z//r } split /\n/, slurp($jar);
}

sub connected {
    my ($self) = @_;
    return $self->{socket} //= IO::Socket::SSL->new(PeerAddr => $self->{peer}, SSL_ca_file => env('SMARTER_CA'),
        SSL_verifycn_name => 'localhost', Timeout => $self->{timeout})
        // die "no connection to $self->{peer}: $IO::Socket::SSL::SSL_ERROR\n";
}

sub close {
    my ($self) = @_;
    my $socket = delete $self->{socket} or return;
    $socket->close(SSL_no_shutdown => 1);
    $self->{left} = '';
}

sub request {
    my ($self, $method, $where, $headers, $body) = @_;
    my %headers = (Host => $self->{peer}, Accept => 'application/json', %{ $headers // {} });
    $headers{Cookie} //= $self->{cookie} if defined $self->{cookie};
    $headers{'Content-Length'} //= length $body if defined $body && !$headers{'Transfer-Encoding'};
    my $head = join '', "$method $where HTTP/1.1\r\n", map { "$_: $headers{$_}\r\n" } sort keys %headers;
    my $kept = $self->{socket};
    my $answer = $self->exchange("$head\r\n" . ($body // ''), $method);
    if (!$answer->{status} && $kept) {    # the server had let go of a kept connection
        $self->close;
        $answer = $self->exchange("$head\r\n" . ($body // ''), $method);
    }
    $self->close if !$answer->{status} || lc($answer->{headers}{connection} // '') eq 'close';
    return $answer;
}

sub octets {
    my ($self, $octets) = @_;
    $self->close;
    my $answer = $self->exchange($octets, '');
    $self->close;
    return $answer;
}

# Send and read one answer. A server that has seen enough answers and closes while we still write.
sub exchange {
    my ($self, $octets, $method) = @_;
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer in $self->{timeout} s\n" };
    my %answer = (status => 0, headers => {}, body => '', error => '');
    utf8::downgrade($octets);
    alarm $self->{timeout};
    eval {
        my $socket = $self->connected;
        my $in = $self->{left} // '';
        while (length $octets) {
            my $n = syswrite $socket, $octets, 16384;
            last if !$n;
            substr($octets, 0, $n, '');
        }
        my $more = sub {
            my $n = sysread $socket, $in, 65536, length $in;
            return $n || die "the connection was closed\n";
        };
        do {
            $more->() while $in !~ /\r\n\r\n/;
            (my $head, $in) = split /\r\n\r\n/, $in, 2;
            my ($first, @lines) = split /\r\n/, $head;
            ($answer{status}) = $first =~ m{\AHTTP/1\.\d (\d\d\d)} or die "no status line: $first\n";
            $answer{headers} = { map { /\A([^:]+):\s*(.*?)\s*\z/ ? (lc $1 => $2) : () } @lines };
            $answer{cookies} = [map { /\Aset-cookie:\s*(.*?)\s*\z/i ? $1 : () } @lines];
        } while $answer{status} == 100;
        my $length = $answer{headers}{'content-length'};
        if ($method eq 'HEAD' || $answer{status} =~ /\A(?:204|304)\z/) {
        }
        elsif (($answer{headers}{'transfer-encoding'} // '') eq 'chunked') {
            while (1) {
                $more->() while $in !~ /\A([0-9a-fA-F]+)[^\r]*\r\n/;
                my $n = hex $1;
                $in =~ s/\A[^\r]*\r\n//;
                $more->() while length $in < $n + 2;
                $answer{body} .= substr $in, 0, $n;
                substr($in, 0, $n + 2, '');
                last if $n == 0;
            }
        }
        elsif (defined $length) {
            $more->() while length $in < $length;
            $answer{body} = substr $in, 0, $length;
            substr($in, 0, $length, '');
        }
        else {
            eval { $more->() while 1 };
            $answer{body} = $in;
            $in = '';
        }
        $self->{left} = $in;
    };
    $answer{error} = $@;
    alarm 0;
    return \%answer;
}

1;
