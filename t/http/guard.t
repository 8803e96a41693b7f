# What stands before the application: who may ask from where, whose word about addresses is taken, how much, how
# slowly and how often one may send, and what every answer says to browsers and caches, whoever made it.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::SSL ();
use JSON::PP ();
use Test::More;
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::Wire;
use Time::HiRes qw(sleep time);

need('httpd', 'idp', 'memcached', 'postgres');

my ($PORT) = env('SMARTER_URL') =~ /:(\d+)\z/;
my $SESSION = "__Host-smarter-$PORT";
my $state = env('SMARTER_STATE');
my $REPORT = "/data/comparing_populations?stateCode=$state";
my %PROXY = (args => ['--interface', '127.0.9.1']);     # believed: t/harness/httpd.sh
my %STRANGER = (args => ['--interface', '127.0.9.3']);

sub texts { return map { $_->{msg}{msg} } @_ }

# ---- slow senders: begun now, judged at the end ------------------------------------------------------------

# The same server once more, for the stack's is restarted before these are over.
my $installed = Smarter::Sanitized->new('none');
my $begun = time;

sub slow {
    my ($octets) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $installed->{port}) or die "connect: $!";
    if ($octets =~ /HTTP/) {
        $socket = IO::Socket::SSL->start_SSL($socket, SSL_verify_mode => 0, SSL_hostname => 'localhost') or die 'no TLS';
    }
    print {$socket} $octets;
    return $socket;
}

my %slow = (
    'a handshake that never ends' => [slow("\x16\x03\x01"), 14],
    'a header that never ends' => [slow("GET / HTTP/1.1\r\nHost: localhost:$PORT\r\nX: "), 26],
    'a body that never comes' => [slow("POST /saml_post HTTP/1.1\r\nHost: localhost:$PORT\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nSAML"), 27],
    'an idle connection' => [slow("GET /services/ready HTTP/1.1\r\nHost: localhost:$PORT\r\n\r\n"), 12],
);

# When each of them was cut off.
my $cut = tmpdir() . '/cut';
my $watch = fork // die "fork: $!";
if (!$watch) {
    my %left = %slow;
    my %at;
    $_->[0]->blocking(0) for values %left;
    while (%left && time - $begun < 40) {
        sleep 0.1;
        for my $what (keys %left) {
            my $n = sysread $left{$what}[0], my $in, 4096;
            next if $n || !defined $n && $!{EAGAIN};
            $at{$what} = time - $begun;
            delete $left{$what};
        }
    }
    spew($cut, JSON::PP->new->utf8->encode(\%at));
    POSIX::_exit(0);
}
my $drip = fork // die "fork: $!";
if (!$drip) {    # a byte each half second: never silent, never done
    my $socket = slow("GET / HTTP/1.1\r\nHost: localhost:$PORT\r\nX: ");
    local $SIG{PIPE} = 'IGNORE';
    for (1 .. 80) {
        sleep 0.5;
        $socket->blocking(0);
        last if !defined syswrite $socket, 'x';
        my $n = sysread $socket, my $in, 1000;
        last if defined $n;
    }
    POSIX::_exit(time - $begun < 32 ? 0 : 1);
}

# ---- what every answer says ----------------------------------------------------------------------------------

my $jar = sign_in('super');
my $wire = Smarter::Wire->new;
my %jar = (jar => $jar);
my $etag = get($REPORT, %jar)->{headers}{etag};
my $tls = "Host: localhost:$PORT\r\n";

subtest 'security headers on every kind of answer' => sub {
    my %kinds = (
        'a page of ours' => [get('/login?target=x', headers => { Accept => 'text/html' }), 302],
        'an error page' => [post('/saml_post', form => {}), 403],
        'JSON' => [get($REPORT, %jar), 200],
        '304' => [get($REPORT, %jar, headers => { 'If-None-Match' => $etag }), 304],
        'HEAD' => [http('HEAD', $REPORT, %jar), 200],
        'OPTIONS' => [http('OPTIONS', '/data/academic_year', %jar), 200],
        'a problem document' => [get('/data/nothing', %jar), 404],
        '401' => [get($REPORT), 401],
        '405' => [http('PUT', $REPORT, %jar), 405],
        'a redirect of httpd' => [get('/'), 302],
        'a page' => [get('/assets/public/error.html'), 200],
        'a page nobody has' => [get('/nowhere'), 404],
        'the metadata' => [get('/saml_metadata'), 200],
        '400 of httpd' => [$wire->octets("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400],
        'no method of HTTP' => [$wire->octets("G\@T / HTTP/1.1\r\n$tls\r\n"), 400],
        '414 of httpd' => [get('/services/ready?' . 'x' x 9000), 414],
        '413 of httpd' => [post('/assets/x', body => 'x' x 2_200_000), 413],
        'TRACE' => [http('TRACE', '/services/ready'), 405],
        'TRACE of a page' => [http('TRACE', '/assets/public/error.html'), 405],
        'a header that is too long' => [get('/services/ready', headers => { 'X-Long' => 'x' x 9000 }), 400],
        'too many headers' => [get('/services/ready', headers => { map { ("X-$_" => 'x') } 1 .. 70 }), 400],
    );
    for my $kind (sort keys %kinds) {
        my ($answer, $status) = @{ $kinds{$kind} };
        my $h = $answer->{headers};
        my @missing = grep { ($h->{ $_->[0] } // '') !~ $_->[1] } (
            ['content-security-policy', qr/default-src 'none'.*frame-ancestors 'none'/], ['x-content-type-options', qr/\Anosniff\z/],
            ['x-frame-options', qr/\ADENY\z/], ['referrer-policy', qr/\Asame-origin\z/], ['cross-origin-opener-policy', qr/\Asame-origin\z/],
            ['cross-origin-resource-policy', qr/\Asame-origin\z/], ['permissions-policy', qr/camera=\(\)/], ['server', qr/\AApache\z/]);
        is($answer->{status}, $status, "$kind: $status") or diag($answer->{error} // '');
        is(join(' ', map { $_->[0] } @missing), '', 'has them all');
        like($h->{'cache-control'} // '', qr/no-store|no-cache/, 'and is not kept unasked');
        is(join(' ', grep { /\Aaccess-control-/ } keys %$h), '', 'no other site may read it');
    }
};
is(get('/logout_redirect')->{headers}{'clear-site-data'}, '"cache"', 'who has signed out leaves nothing in the browser');
allow_log(qr/AH00135|AH0156\d|AH0158\d|AH00566|AH00126|AH00127|AH024\d\d|Requested content-length|Invalid method in request|Request header/);

# The stack's server leaves it out: a browser would keep it for all ports of the machine.
subtest 'an installed server' => sub {
    is(get($installed->url($_))->{headers}{'strict-transport-security'}, 'max-age=31536000; includeSubDomains', "$_ is for https only, says it") for '/services/ready', '/nowhere';
};

subtest 'kept by nobody' => sub {
    my $guid = json(get('/services/userinfo', %jar))->{user_info}{_User__info}{guid};
    my %want = (
        '/services/userinfo' => qr/\Ano-store\z/, $REPORT => qr/\Aprivate, no-cache\z/, '/login' => qr/\Ano-store\z/,
        '/services/heartbeat' => qr/\Ano-store\z/, '/data' => qr/no-store|private/,
    );
    for my $path (sort keys %want) {
        my $answer = get($path, %jar);
        like($answer->{headers}{'cache-control'}, $want{$path}, $path);
        like($answer->{headers}{vary} // '', qr/Cookie/, 'differs by cookie') if $answer->{headers}{etag};
    }
    like(get('/assets/html/index.html')->{headers}{vary} // '', qr/Accept-Encoding/, 'what is packed differs by what is taken');
    my $other = get($REPORT, jar => sign_in('otherstate'), headers => { 'If-None-Match' => $etag });
    is($other->{status}, 403, 'an ETag of somebody else opens nothing');
};

subtest 'no other site is let in' => sub {
    for my $method (qw(OPTIONS GET)) {
        my $answer = http($method, $REPORT, %jar, headers => { Origin => 'https://evil.example', 'Access-Control-Request-Method' => 'GET' });
        is(join(' ', grep { /\Aaccess-control-/ } keys %{ $answer->{headers} }), '', "$method with another origin: no Access-Control");
    }
    security_events();
    my @foreign = (
        [403, 'Sec-Fetch-Site' => 'same-site', 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'script'],
        [403, 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'],
        [403, 'Sec-Fetch-Site' => 'same-site', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'iframe'],
        [403, 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'object'],
        [403, 'Sec-Fetch-Site' => 'same-site'],
        [200, 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document'],
        [200, 'Sec-Fetch-Site' => 'same-origin', 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'],
        [200, 'Sec-Fetch-Site' => 'none', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document'],
    );
    for my $case (@foreign) {
        my ($status, %headers) = @$case;
        is(get($REPORT, %jar, headers => \%headers)->{status}, $status, join(' ', %headers));
    }
    is(join('|', texts(security_events())), join('|', ('forbidden: GET /data/{} asked for by a page from elsewhere') x 5), 'each refusal an event');
    is(http('POST', '/data/comparing_populations', %jar, json => { stateCode => $state }, headers => { 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate' })->{status},
        403, 'nor a form of another site');
};

# ---- what changes something wants our own pages -----------------------------------------------------------------

subtest 'forged requests' => sub {
    my $source = slurp(top() . '/mod_smarter/smarter_routes.c');
    my (@changing, @unmarked);
    while ($source =~ /\{\.path = "([^"]+)", \.methods = ([A-Z_ |]+),([^{}]*(?:\{\}[^{}]*)?)\}/g) {
        my ($path, $methods, $rest) = ($1, $2, $3);
        if ($rest =~ /\.changes = 1/) {
            push @changing, map { [s/SB_//r, $path] } split / \| /, $methods;
        }
        elsif ($methods =~ /DELETE|PUT/ || ($methods =~ /POST/ && $path !~ m{\A/(?:data/\{\}|public_data/\{\}|services/userinfo|services/extract|saml_post|logout)\z})) {
            push @unmarked, "$methods $path";
        }
    }
    cmp_ok(scalar @changing, '>=', 3, 'the table of addresses can be read');
    is(join(', ', @unmarked), '', 'whatever is not a question is marked as changing something');
    add_user('all', map { [$_, env('SMARTER_TENANT'), $state] } qw(SUPER_USER PII SAREXTRACTS SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS ASMTDATALOAD));
    my $mine = sign_in('all');
    my $token = get('/services/userinfo', jar => $mine)->{headers}{'x-csrf-token'};
    (my $wrong = $token) =~ s/\A./$token =~ m{\A0} ? '1' : '0'/e;
    my @forged = ({}, { Origin => 'https://evil.example' }, { Origin => 'null' }, { Origin => env('SMARTER_URL') . '.evil.example' },
        { 'Sec-Fetch-Site' => 'cross-site' }, { 'Sec-Fetch-Site' => 'same-site' }, { 'Sec-Fetch-Site' => 'none' }, { 'X-CSRF-Token' => $wrong },
        { Origin => env('SMARTER_URL'), 'Sec-Fetch-Site' => 'same-site' }, { Referer => env('SMARTER_URL') . '/' });
    for my $route (@changing) {
        my ($method, $path) = @$route;
        (my $where = $path) =~ s/\{\}/data/;
        security_events();
        my @status = map { http($method, $where, jar => $mine, headers => $_)->{status} } @forged;
        is("@status", join(' ', (403) x @forged), "$method $path from elsewhere");
        my @events = texts(security_events());
        is(scalar(grep { /\Aforbidden: \Q$method $path\E asked for (?:from elsewhere|by a page from elsewhere)\z/ } @events), scalar @forged, 'each an event');
        isnt(http('HEAD', $where, jar => $mine, headers => { Origin => env('SMARTER_URL') })->{status}, 200, 'HEAD does nothing') if $method eq 'GET';
    }
    my $head = http('HEAD', '/logout', jar => $mine, headers => { Origin => env('SMARTER_URL') });
    is_deeply([$head->{status}, $head->{headers}{allow}], [405, 'GET, POST'], 'HEAD /logout is no wish to leave');
    is(get('/services/userinfo', jar => $mine)->{status}, 200, 'nobody is signed out');
    is(http('DELETE', '/services/cache/data', jar => $mine, headers => { 'X-CSRF-Token' => $token })->{status}, 200, 'with the session\'s token');
    is(http('DELETE', '/services/cache/data', jar => $mine, headers => { Origin => env('SMARTER_URL') })->{status}, 200, 'from our pages');
    is(http('DELETE', '/services/cache/data', jar => $jar, headers => { 'X-CSRF-Token' => $token })->{status}, 403, 'not with the token of another session');
};

# ---- http ------------------------------------------------------------------------------------------------------

subtest 'the way over http' => sub {
    my $id = cookie($jar, $SESSION);
    for my $path ('/services/userinfo', '/login', '/saml_post', $REPORT, '/services/heartbeat', '/assets/public/error.html') {
        for my $method ('GET', 'POST') {
            my $answer = http($method, env('SMARTER_HTTP_URL') . $path, headers => { Cookie => "$SESSION=$id", 'X-Forwarded-Proto' => 'https' }, $method eq 'POST' ? (body => 'x') : ());
            my @want = $path =~ m{^/(?:data|services|saml_post)} ? (403, undef) : (301, url($path));
            is_deeply([$answer->{status}, $answer->{headers}{location}, scalar @{ $answer->{cookies} // [] }], [@want, 0], "$method $path: " . ($want[1] ? 'to https' : 'nothing for scripts') . ', no cookie');
            unlike($answer->{body}, qr/\Q$id\E|user_info/, 'and tells nothing');
            is_deeply([@{ $answer->{headers} }{qw(content-security-policy x-content-type-options referrer-policy)}],
                ["default-src 'none'; frame-ancestors 'none'", 'nosniff', 'same-origin'], 'with the headers that matter there');
        }
    }
    my $plain = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $PORT) or die;
    print {$plain} "GET /services/userinfo HTTP/1.1\r\nHost: localhost\r\nCookie: $SESSION=$id\r\n\r\n";
    my $in = do { local $/; <$plain> };
    like($in, qr{\AHTTP/1\.1 400 }, 'http to the port of https is refused');
    unlike($in, qr/Set-Cookie|user_info/i, 'with nothing in it');
    allow_log(qr/AH01996|speaking HTTP to an SSL|http request/);
};

# ---- whose word is taken -----------------------------------------------------------------------------------------

# The client of the one event of a request that is told to sign in.
sub client_of {
    my (%opt) = @_;
    security_events();
    my $answer = get($REPORT, %opt);
    my ($event) = security_events();
    return ($event->{client}, $answer);
}

subtest 'X-Forwarded headers' => sub {
    my %said = ('X-Forwarded-For' => '198.51.100.7', 'X-Forwarded-Proto' => 'http', 'X-Forwarded-Host' => 'evil.example', 'X-Forwarded-Port' => '1',
        Forwarded => 'for=198.51.100.7;host=evil.example;proto=http', 'X-Real-IP' => '198.51.100.7', 'X-Original-URL' => '/services/userinfo', 'X-Rewrite-URL' => '/services/userinfo',
        'X-HTTP-Method-Override' => 'DELETE', 'X-Forwarded-Prefix' => '/evil', 'X-Client-IP' => '198.51.100.7', 'True-Client-IP' => '198.51.100.7');
    my ($client, $answer) = client_of(%STRANGER, headers => \%said);
    is($client, '127.0.9.3', 'of a stranger: the event names his own address');
    is($answer->{status}, 401, 'nothing else is answered');
    is(json($answer)->{redirect}, url('/login'), 'redirects lead to us');
    unlike(JSON::PP->new->encode($answer->{headers}) . $answer->{body}, qr/evil|198\.51/, 'nothing of it comes back');
    like((log_of_access())[-1], qr/\A127\.0\.9\.3 /, 'nor into the access log');
    $answer = get('/login', %STRANGER, headers => \%said);
    like($answer->{cookies}[0], qr/\A__Host-signin-$PORT=[0-9a-f]{64}; Path=\/; Secure; HttpOnly/, 'cookies stay what they are');

    ($client) = client_of(%PROXY, headers => { 'X-Forwarded-For' => '198.51.100.7' });
    is($client, '198.51.100.7', 'of our proxy: the browser\'s');
    like((log_of_access())[-1], qr/\A198\.51\.100\.7 /, 'in the access log, too');
    ($client) = client_of(%PROXY, headers => { 'X-Forwarded-For' => '10.1.2.3, 198.51.100.8' });
    is($client, '198.51.100.8', 'what the browser wrote before the proxy did is not believed');
    ($client) = client_of(%PROXY, headers => { 'X-Forwarded-For' => '198.51.100.9, 127.0.9.2' });
    is($client, '198.51.100.9', 'two proxies of ours');
    ($client) = client_of(%PROXY, headers => { 'X-Forwarded-For' => '2001:db8:1:2:3::7' });
    is($client, '2001:db8:1:2:3::7', 'IPv6');
    ($client, $answer) = client_of(%PROXY, headers => { 'X-Forwarded-For' => '"><script>, x' });
    is($client, '127.0.9.1', 'no address is none');
    ($client, $answer) = client_of(%PROXY, headers => { %said, 'X-Forwarded-For' => '198.51.100.7' });
    is(json($answer)->{redirect}, url('/login'), 'neither host nor scheme is taken from a proxy either');

    # who may hear everything is decided by the address, too
    ok(json(get('/services/heartbeat'))->{checks}, 'a monitor hears from the heartbeat what was asked');
    is_deeply([sort keys %{ json(get('/services/heartbeat', %STRANGER)) }], ['status', 'time'], 'a stranger that all is well');
    is_deeply([sort keys %{ json(get('/services/heartbeat', %STRANGER, headers => { 'X-Forwarded-For' => '127.0.0.1' })) }], ['status', 'time'], 'also if he says he is one');
    is_deeply([sort keys %{ json(get('/services/heartbeat', %STRANGER, jar => sign_in('state'))) }], ['status', 'time'], 'who is signed in no more');
    ok(json(get('/services/heartbeat', %STRANGER, %jar))->{checks}, 'a super user all');
};

sub log_of_access {
    open my $in, '<', env('SMARTER_VAR') . '/log/access.log' or die "access.log: $!";
    return <$in>;
}

# ---- two requests in one -----------------------------------------------------------------------------------------

subtest 'smuggling' => sub {
    my $id = cookie($jar, $SESSION);
    my $inner = "GET /services/userinfo HTTP/1.1\r\n${tls}Cookie: $SESSION=$id\r\n\r\n";
    my $type = "Content-Type: application/x-www-form-urlencoded\r\n";
    my %cases = (
        'length and chunks' => "Content-Length: @{[5 + length $inner]}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$inner",
        'two lengths' => "Content-Length: 0\r\nContent-Length: @{[length $inner]}\r\n\r\n$inner",
        'lengths in a list' => "Content-Length: 0, @{[length $inner]}\r\n\r\n$inner",
        'a length with a sign' => "Content-Length: +0\r\n\r\n$inner",
        'a coding nobody knows' => "Transfer-Encoding: x\r\n\r\n$inner",
        'chunked, but not last' => "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n$inner",
        'a coding with a blank before the colon' => "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n$inner",
        'a size of a chunk that is none' => "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n$inner",
        'a line that ends by LF' => "Transfer-Encoding: chunked\nContent-Length: 0\r\n\r\n$inner",
        'a bare CR' => "X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n$inner",
        'a NUL' => "X: a\0b\r\nContent-Length: 0\r\n\r\n$inner",
    );
    for my $case (sort keys %cases) {
        my $socket = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $PORT, SSL_verify_mode => 0, SSL_hostname => 'localhost', Timeout => 5) or die;
        print {$socket} "POST /saml_post HTTP/1.1\r\n$tls$type$cases{$case}";
        local $SIG{ALRM} = sub { die "open\n" };
        alarm 12;
        my $in = eval { local $/; <$socket> } // '';
        alarm 0;
        my @answers = $in =~ m{^HTTP/1\.1 (\d+) }mg;
        like("@answers", qr/\A4\d\d\z/, "$case: one answer, no more, and the connection ends");
        unlike($in, qr/user_info/, 'what is inside is no request');
    }
    allow_log(qr/AH00(?:560|561|562)|AH02429|AH0[12]\d\d\d|Unknown Transfer-Encoding|Content-Length/);
    my $host = $wire->octets("GET https://evil.example/ HTTP/1.1\r\n$tls\r\n");
    is($host->{headers}{location}, url('/assets/public/landing.html'), 'an absolute address names no other host');
    is($wire->octets("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")->{status}, 400, 'two hosts');
    is($wire->octets("GET / HTTP/1.1\r\n\r\n")->{status}, 400, 'no host');
    like($wire->octets("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")->{status}, qr/\A[34]/, 'nothing is tunnelled');
    is($wire->octets("OPTIONS * HTTP/1.1\r\n$tls\r\n")->{headers}{'access-control-allow-origin'}, undef, 'OPTIONS * allows nobody');
};

# ---- how often -----------------------------------------------------------------------------------------------------

# Let a fresh minute begin, if this one is nearly over: limits count by the clock.
sub fresh_minute { sleep 61 - time % 60 if time % 60 > 45 }

my $victim = idp_answer('school', jar => jar());
my $searcher = sign_in('state', jar => jar());
my $second = sign_in('state', jar => jar());
my $leaver = sign_in('state', jar => jar());
my $leave = env('SMARTER_IDP_URL') . '/saml2/idp/SingleLogoutService.php?ReturnTo=' . env('SMARTER_IDP_URL') . '/';
for (1 .. 5) {    # hop by hop, to the provider's message that he has left
    last if $leave =~ m{/logout_redirect\?SAMLRequest=};
    $leave = get($leave, jar => $leaver, headers => { Accept => 'text/html' })->{headers}{location} // last;
}
my @forms = map { idp_answer('school', jar => jar()) } 1 .. 12;
my $ini = slurp(env('SMARTER_INI'));
spew(env('SMARTER_INI'), $ini =~ s/^(auth\.signin\.per_minute) = .*/$1 = 6/mr =~ s/^(auth\.signin\.strays_per_minute) = .*/$1 = 4\nauth.signin.at_once = 2\nsmarter.search.per_minute = 3\nextract.per_minute = 3\nauth.session.per_minute = 3/mr);
stack('restart', 'httpd');

# How a form that is only announced is answered.
sub first_line {
    my ($from, $cookie) = @_;
    my $socket = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', LocalAddr => $from, PeerPort => $PORT, SSL_verify_mode => 0, SSL_hostname => 'localhost', Timeout => 5) or die "connect: $!";
    print {$socket} "POST /saml_post HTTP/1.1\r\n${tls}${cookie}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n";
    local $SIG{ALRM} = sub { die "open\n" };
    alarm 8;
    my $line = eval { <$socket> } // 'nothing';
    alarm 0;
    return $line =~ s/\s+\z//r;
}

subtest 'not too often' => sub {
    my %flood = (args => ['--interface', '127.0.9.4']);
    fresh_minute();
    security_events();
    my @login = map { get('/login', %flood) } 1 .. 9;
    is(join(' ', map { $_->{status} } @login), '302 302 302 302 302 302 429 429 429', 'sign-ins begun from one address');
    like($login[8]{headers}{'retry-after'}, qr/\A(?:[1-9]|[1-5]\d|60)\z/, 'with the time to wait');
    like($login[8]{body}, qr/Please wait a minute/, 'on a page that helps');
    is(scalar @{ $login[8]{cookies} }, 0, 'and no cookie');
    my @pictures = map { get('/login', args => ['--interface', '127.0.9.5'], headers => { 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => $_->[0], 'Sec-Fetch-Dest' => $_->[1] })->{status} }
        (['no-cors', 'image']) x 6, ['navigate', 'iframe'], ['navigate', 'document'];
    is("@pictures", '403 403 403 403 403 403 403 302', 'pictures and frames of other sites begin none, and use none up');
    is(join('|', grep { !/\Asent to/ } texts(security_events())), 'rate limited: sign-ins begun from one address', 'one event, not three');
    is(get('/login')->{status}, 302, 'other addresses are not held up');
    is(get('/login', %flood, headers => { 'X-Forwarded-For' => '198.51.100.77' })->{status}, 429, 'saying to be another does not help');
    my @v6 = map { get('/login', %PROXY, headers => { 'X-Forwarded-For' => "2001:db8:0:5::$_" })->{status} } 1 .. 7;
    is("@v6", '302 302 302 302 302 302 429', 'of IPv6 a whole network is one');
    is(get('/login', %PROXY, headers => { 'X-Forwarded-For' => '2001:db8:0:6::1' })->{status}, 302, 'its neighbour is another');

    security_events();
    my @stray = map { post('/saml_post', %flood, form => { SAMLResponse => 'x', RelayState => sprintf '%064x', $_ }) } 1 .. 7;
    is(join(' ', map { $_->{status} } @stray), '403 403 403 403 429 429 429', 'forms that belong to nothing');
    is(join('|', texts(security_events())), join('|', ('sign-in refused: relay_state') x 4, 'rate limited: messages from one address that belong to no sign-in'), 'refused four times, limited once');
    is(get('/logout_redirect?SAMLRequest=x', %flood)->{status}, 429, 'nor sign-out messages');
    like($leave, qr/SAMLRequest=.*&Signature=/, 'one that is good');
    is(get($leave, %flood, jar => $leaver)->{status}, 429, 'is not read either');
    is(get('/services/userinfo', jar => $leaver)->{status}, 200, 'and ends nothing');
    is(get($leave, jar => $leaver)->{status}, 302, 'from elsewhere it is');
    is(first_line('127.0.9.4', ''), 'HTTP/1.1 429 Too Many Requests', 'a form of a browser that began nothing is not waited for');
    is(first_line('127.0.9.4', "Cookie: __Host-signin-$PORT=" . ('0' x 64) . "\r\n"), 'HTTP/1.1 100 Continue', 'that of another one is');
    is(deliver_answer($victim, %flood)->{status}, 303, 'who began his sign-in gets in, whatever others of his address send');
    ok(get('/services/userinfo', jar => $victim->{jar}, %flood)->{status} == 200, 'and is not held up');

    security_events();
    my @search = map { post('/data/search', jar => $searcher, json => { stateCode => $state, text => "School $_" })->{status} } 1 .. 5;
    is("@search", '200 200 200 429 429', 'searches');
    is(join('|', texts(security_events())), 'rate limited: search', 'one event');

    my @extract = ((map { get("/services/extract?stateCode=$state&asmtYear=1999&asmtType=SUMMATIVE&asmtSubject=Math", jar => $searcher) } 1 .. 4),
        post_json('/services/extract', { stateCode => $state, asmtYear => '1999', asmtType => 'SUMMATIVE', asmtSubject => 'Math', async => 'true' }, jar => $searcher, headers => { Origin => env('SMARTER_URL') }));
    is(join(' ', map { $_->{status} } @extract), '404 404 404 429 429', 'extracts, at once and for later');
    like($extract[4]{headers}{'retry-after'}, qr/\A(?:[1-9]|[1-5]\d|60)\z/, 'with the time to wait');
    is(join('|', texts(security_events())), 'rate limited: extract', 'one event');

    my @of = map { my ($method, $path) = @$_; http($method, $path, jar => $searcher, headers => { Origin => env('SMARTER_URL') })->{status} }
        ['GET', '/services/sessions'], ['DELETE', '/services/sessions/000000000000'], (['GET', '/services/sessions']) x 2, ['DELETE', '/services/sessions'];
    is("@of", '200 404 200 429 429', 'sessions listed and ended');
    is(join('|', texts(security_events())), 'rate limited: sessions listed or ended', 'one event');
    is(get('/services/sessions', jar => $second)->{status}, 200, 'another session of the same person is not held up');
};

subtest 'not too many at once' => sub {
    my $psql = fork // die "fork: $!";
    if (!$psql) {    # whoever uses an assertion up waits here
        sql('BEGIN; LOCK TABLE signin.used_assertion IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT');
        POSIX::_exit(0);
    }
    wait_until(5, 'the lock', sub { sql_one("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'used_assertion' AND l.mode = 'AccessExclusiveLock' AND l.granted") });
    my $dir = tmpdir();
    my @pids;
    for my $i (0 .. $#forms) {    # at most four processes of two each
        push @pids, my $pid = fork // die "fork: $!";
        next if $pid;
        my $mine = Smarter::Wire->new(cookie => Smarter::Wire::cookie_header($forms[$i]{jar}));
        my $answer = $mine->request('POST', '/saml_post', { 'Content-Type' => 'application/x-www-form-urlencoded' },
            join '&', map { "$_=" . Smarter::Test::percent($forms[$i]{$_}) } qw(SAMLResponse RelayState));
        spew("$dir/$i", join ' ', $answer->{status}, $answer->{headers}{'retry-after'} // ());
        POSIX::_exit(0);
    }
    sleep 0.7;
    my @leaving = map { get('/logout_redirect?SAMLRequest=x', args => ['--interface', "127.0.10.$_"])->{status} } 1 .. 12;
    waitpid $_, 0 for @pids, $psql;
    cmp_ok(scalar(grep { $_ == 503 } @leaving), '>=', 1, 'messages of signing out have no places of their own') or diag("@leaving");
    my @told = map { slurp("$dir/$_") } 0 .. $#forms;
    cmp_ok(scalar(grep { $_ eq '503 2' } @told), '>=', 4, 'who comes while as many are judged as may is asked to come again') or diag("@told");
    cmp_ok(scalar(grep { $_ eq '303' } @told), '>=', 2, 'the others sign in') or diag("@told");
    is(scalar(grep { $_ ne '303' && $_ ne '503 2' } @told), 0, 'nobody is told anything else');
    my ($again) = grep { $told[$_] eq '503 2' } 0 .. $#forms;
    is(deliver_answer($forms[$again])->{status}, 303, 'and so does who sends his form again');
};

spew(env('SMARTER_INI'), $ini);
stack('restart', 'httpd');

# ---- slow senders, now ------------------------------------------------------------------------------------------------

for my $file ('smarter.conf', 'hpz.conf') {    # but for workers, who deliver files
    my @endless = grep { /=\d+,/ && !/HPZ_BODY_SECONDS/ } map { split ' ' } slurp(top() . "/conf.d/$file") =~ /^\s*RequestReadTimeout (.*)/mg;
    is("@endless", '', "$file: no limit of time grows with what is sent but to an end");
}
waitpid $watch, 0;
my $at = JSON::PP->new->utf8->decode(slurp($cut));
cmp_ok($at->{$_} // 99, '<', $slow{$_}[1], "$_ is cut off") for sort keys %slow;
waitpid $drip, 0;
is($? >> 8, 0, 'so is one that comes in drips');
is_deeply([$installed->stop], [], 'no process ended by it');

finish();
