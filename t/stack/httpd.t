# What conf.d/smarter.conf promises: https only, security headers on every answer, caching by kind,
# limits on what anybody may send.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::SSL ();
use Test::More;
use Time::HiRes 'time';
use Smarter::Test;

need('httpd');

# A slow sender does not keep a thread: begun now, judged at the end.
my $slow = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => env('SMARTER_PORT_BASE')) or die "connect: $!";
print {$slow} "GET / HTTP/1.1\r\nHost: ";
my $start = time;

my $r = get(env('SMARTER_HTTP_URL') . '/assets/html/index.html?x=1');
is($r->{status}, 301, 'http is redirected');
is($r->{headers}{location}, url('/assets/html/index.html?x=1'), 'to https');
$r = get(env('SMARTER_HTTP_URL') . '/x', headers => { Host => 'evil.example' });
is($r->{headers}{location}, url('/x'), 'and never to where the Host header says');
$r = get('/', headers => { Host => 'evil.example' });
is($r->{headers}{location}, url('/assets/public/landing.html'), 'the same for the entry page');

for my $path ('/services/ready', '/data/nothing', '/nowhere', '/assets/nothing.js') {
    my $h = get($path)->{headers};
    like($h->{'content-security-policy'}, qr/default-src 'none'.*frame-ancestors 'none'/, "$path: content security policy");
    unlike($h->{'content-security-policy'}, qr/unsafe|\*|https?:/, "$path: without exceptions");
    is($h->{'x-content-type-options'}, 'nosniff', "$path: types are not guessed");
    is($h->{'referrer-policy'}, 'same-origin', "$path: no address leaves");
    is($h->{server}, 'Apache', "$path: no version");
    like($h->{'cache-control'}, qr/no-store|no-cache/, "$path: not to be kept");
}

# Files of this test in the pages' directory: by kind of name.
my $web = env('SMARTER_INST') . '/share/smarter-reporting/web/assets';
SKIP: {
    skip 'the pages are not built', 8 unless -d "$web/immutable";
    my ($hashed) = map { m{/([^/]+)\z} } glob "$web/immutable/*.js";
    $r = get("/assets/immutable/$hashed");
    is($r->{status}, 200, 'a script is served');
    is($r->{headers}{'cache-control'}, 'public, max-age=31536000, immutable', 'to be kept for ever');
    like($r->{headers}{'content-type'}, qr{^text/javascript}, 'as JavaScript');
    is(get("/assets/immutable/$hashed", args => ['--compressed'])->{headers}{'content-encoding'}, 'gzip', 'packed');
    is(get('/assets/immutable/nothing-00000000.js')->{headers}{'cache-control'}, 'no-cache', 'but a missing one is not');
    $r = get('/assets/public/landing.html');
    is($r->{status}, 200, 'the landing page needs no sign-in');
    is($r->{headers}{'cache-control'}, 'no-cache', 'and is asked for each time');
    is(get('/assets/public/landing.html', headers => { 'If-Modified-Since' => $r->{headers}{'last-modified'} })->{status},
        304, 'which costs little');
}
is(get('/assets/')->{status} =~ /\A40[34]\z/ ? 1 : 0, 1, 'directories are not listed');
is(get('/assets/../../../sbin/smarter-config')->{status} =~ /\A40[034]\z/ ? 1 : 0, 1, 'nothing outside is served');
allow_log(qr/AH10244: invalid URI path/);
is(get('/assets/%2e%2e/%2e%2e/x')->{status} =~ /\A40[034]\z/ ? 1 : 0, 1, 'not by encoding either');

is(http('TRACE', '/services/ready')->{status}, 405, 'no TRACE');
is(get('/services/ready?' . 'x' x 9000)->{status}, 414, 'an over-long address is refused');
is(get('/services/ready', headers => { 'X-Long' => 'x' x 9000 })->{status}, 400, 'so is an over-long header');
is(get('/services/ready', headers => { map { ("X-$_" => 'x') } 1 .. 70 })->{status}, 400, 'so are too many');
is(post('/saml_post', body => 'x' x 2_200_000, type => 'application/x-www-form-urlencoded')->{status}, 413, 'so is a large body');
allow_log(qr/AH00135|AH01587|AH01588|Requested content-length|Invalid method in request/);

for my $version ('1.0', '1.1') {
    my $t = http('GET', '/services/ready', args => ['--tlsv' . $version, '--tls-max', $version, '--ciphers', 'DEFAULT@SECLEVEL=0']);
    is($t->{status}, 0, "TLS $version is refused");
}
allow_log(qr/\[ssl:/);
is(http('GET', '/services/ready', args => ['--tls-max', '1.2'])->{status}, 200, 'TLS 1.2 is good');
for my $cipher (['ECDHE-ECDSA-AES128-GCM-SHA256', 200], ['ECDHE-ECDSA-AES128-SHA256', 0], ['ECDHE-ECDSA-AES256-SHA', 0]) {
    is(http('GET', '/services/ready', args => ['--tls-max', '1.2', '--ciphers', $cipher->[0]])->{status}, $cipher->[1], "with ciphers that authenticate only: $cipher->[0]");
}
allow_log(qr/\[ssl:/);

# A browser that comes back: its ticket spares both sides the certificate and its signature.
sub connection {
    my (@args) = @_;
    my ($host, $port) = url('/') =~ m{//([^:/]+):(\d+)};
    my $request = "GET /services/ready HTTP/1.1\\r\\nHost: $host:$port\\r\\nConnection: close\\r\\n\\r\\n";
    my $ca = env('SMARTER_CA');
    return scalar qx((printf '$request'; sleep 0.5) | openssl s_client -connect 127.0.0.1:$port -servername $host -CAfile $ca @args 2>/dev/null);
}
for my $version ('tls1_2', 'tls1_3') {
    my $ticket = tmpdir() . '/ticket';
    like(connection("-$version", '-sess_out', $ticket), qr/^New, /m, "$version: a first connection");
    like(connection("-$version", '-sess_in', $ticket), qr/^Reused, /m, "$version: is taken up again, by whichever process");
}

# The stack has 64 threads: if idle connections held one each, the later ones would wait.
my @idle;
while (@idle < 100) {
    my $socket = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => (url('/') =~ /:(\d+)/)[0], Timeout => 3, SSL_verify_mode => 0,
        SSL_hostname => 'localhost') or last;
    print {$socket} "GET /services/ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
    last unless (<$socket> // '') =~ / 200 /;
    push @idle, $socket;
}
is(scalar @idle, 100, 'a hundred browsers are served and stay connected');
is(http('GET', '/services/ready', timeout => 3)->{status}, 200, 'another one is served, too');
undef @idle;

# The slow sender.
$slow->blocking(1);
my $answer = do { local $/; local $SIG{ALRM} = sub { die "no end\n" }; alarm 40; my $a = <$slow>; alarm 0; $a };
cmp_ok(time - $start, '<', 35, 'a header that never ends is cut off');
like($answer, qr/\A(HTTP\S* 408|\z)/, 'with 408');

finish();
