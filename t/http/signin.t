# Signing in and out through the real identity provider: who gets which session, what the cookies are
# like, and which ways round it are closed. Forged messages are in saml_*.t.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::SSL ();
use IO::Uncompress::RawInflate 'rawinflate';
use MIME::Base64 'decode_base64';
use Test::More;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my $PORT = (env('SMARTER_URL') =~ /:(\d+)\z/)[0];
my $SESSION = "__Host-smarter-$PORT";
my $BROWSER = "__Host-signin-$PORT";
my $HOME = '/assets/html/index.html';
my $REPORT = '/data/comparing_populations?stateCode=NC';
my %PAGE = (Accept => 'text/html', 'Sec-Fetch-Mode' => 'navigate');
my %SCRIPT = (Accept => 'application/json', 'X-Requested-With' => 'XMLHttpRequest');
my %CLICK = (%PAGE, 'Sec-Fetch-Site' => 'same-origin');

sub is_event {
    my ($text, $what) = @_;
    is(join('|', security_texts(1)), $text, "$what: one security event");
}

# Is this jar's browser signed in?
sub signed_in { return get('/services/userinfo', jar => $_[0], headers => \%SCRIPT)->{status} == 200 }

sub query_of {
    my ($url) = @_;
    my ($query) = $url =~ /\?(.*)/s;
    my %q = map { my ($n, $v) = split /=/, $_, 2; $v =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; ($n => $v) } split /&/, $query;
    return \%q;
}

sub inflated {
    my ($text) = @_;
    my $xml;
    rawinflate(\decode_base64($text) => \$xml) or die 'not deflated';
    return $xml;
}

sub set_cookie_of {
    my ($answer, $name) = @_;
    my ($line) = grep { /\A\Q$name\E=/ } @{ $answer->{cookies} };
    return $line;
}

# A jar with a cookie of our choice.
sub jar_with {
    my ($name, $value) = @_;
    my $jar = jar();
    spew($jar, join("\t", '#HttpOnly_localhost', 'FALSE', '/', 'TRUE', 0, $name, $value) . "\n");
    return $jar;
}

subtest 'nobody is signed in' => sub {
    my $answer = get($REPORT, headers => { %SCRIPT, Referer => url('/assets/html/x.html?a=b&c=d#e') });
    is($answer->{status}, 401, 'a script is told 401');
    like($answer->{headers}{'content-type'}, qr{\Aapplication/problem\+json}, 'as a problem document');
    ok($answer->{headers}{'www-authenticate'}, 'with a challenge');
    is(json($answer)->{redirect}, url('/login?target=/assets/html/x.html%3Fa%3Db%26c%3Dd'),
        'and where to sign in, to come back to the page it runs in');
    $answer = get($REPORT, headers => { %SCRIPT, Referer => 'https://evil.example/x' });
    is(json($answer)->{redirect}, url('/login'), 'not to a page of somebody else');
    is(http('POST', '/data/comparing_populations', json => { stateCode => 'NC' })->{status}, 401, 'so is a POST');
    is(get($REPORT)->{status}, 401, 'so is who says nothing about himself');

    $answer = get($REPORT, headers => \%PAGE);
    is($answer->{status}, 302, 'a person is sent');
    is($answer->{headers}{location}, url('/login?target=/data/comparing_populations%3FstateCode%3DNC'), 'to the sign-in');
    ok(!@{ $answer->{cookies} }, 'without a cookie yet');
    is(join('|', security_texts(1)), '', 'nobody did wrong');
};

subtest 'the way to the identity provider' => sub {
    my $jar = jar();
    my $answer = get('/login', jar => $jar, headers => \%PAGE);
    is($answer->{status}, 302, 'a redirect');
    my $idp = env('SMARTER_IDP_URL');
    like($answer->{headers}{location}, qr{\A\Q$idp\E/}, 'to the identity provider');
    is($answer->{headers}{'cache-control'}, 'no-store', 'not to be kept');
    my $q = query_of($answer->{headers}{location});
    is($q->{SigAlg}, 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'the request is signed with RSA-SHA256');
    like($q->{RelayState}, qr/\A[0-9a-f]{64}\z/, 'RelayState is a random key');
    my $xml = inflated($q->{SAMLRequest});
    my ($id) = $xml =~ /\bID="([^"]*)"/;
    like($id, qr/\A_[0-9a-f]{40}\z/, 'the request has a random id');
    like($xml, qr{\Q@{[url('/saml_post')]}\E}, 'and names us');
    like($xml, qr/nameid-format:transient/, 'asking for a name of one session');

    my ($signed) = $answer->{headers}{location} =~ /\?(SAMLRequest=.*)&Signature=/;
    my $dir = tmpdir();
    spew("$dir/signed", $signed);
    spew("$dir/signature", decode_base64($q->{Signature}));
    my $var = env('SMARTER_VAR');
    is(system("openssl x509 -in $var/tls/sp.pem -noout -pubkey >$dir/key && openssl dgst -sha256 -verify $dir/key"
            . " -signature $dir/signature $dir/signed >/dev/null"), 0, 'the signature is right');

    my $cookie = set_cookie_of($answer, $BROWSER);
    like($cookie, qr/\A\Q$BROWSER\E=[0-9a-f]{64};/, 'the browser gets a mark');
    for my $part ('Path=/', 'Secure', 'HttpOnly', 'SameSite=None', 'Max-Age=600') {
        like($cookie, qr/; \Q$part\E(;|\z)/, $part);
    }
    unlike($cookie, qr/Domain/i, 'no Domain');
    is(scalar @{ $answer->{cookies} }, 1, 'and no session');
    my $again = query_of(get('/login', jar => $jar)->{headers}{location});
    isnt($again->{RelayState}, $q->{RelayState}, 'another time, another key');
    unlike(inflated($again->{SAMLRequest}), qr/\Q$id\E/, 'and another id');
    is(post('/login')->{status}, 405, 'POST is not for it');
};

subtest 'each kind of user' => sub {
    my %roles = (
        state => 'GENERAL,PII,SAREXTRACTS,SRSEXTRACTS',
        district => 'GENERAL,PII,SAREXTRACTS',
        school => 'GENERAL,PII',
        general => 'GENERAL',
        super => 'GENERAL,SUPER_USER',
        consortium => 'ALLSTATES,GENERAL',
        unknown => 'GENERAL',
    );
    for my $kind (sort keys %roles) {
        my $info = json(get('/services/userinfo', jar => sign_in($kind)))->{user_info}{_User__info};
        is(join(',', sort @{ $info->{roles} }), $roles{$kind}, "$kind: roles");
        is_deeply($info->{stateCode}, ['NC'], "$kind: state");
    }
    my $info = json(get('/services/userinfo', jar => sign_in('district')))->{user_info};
    is($info->{_User__info}{name}{lastName}, "O'Brien & S\x{f6}n <x>", 'a name with special characters');
    is_deeply($info->{_User__context}{nc}{PII}, { state_code => [], district_id => ['D001'], school_id => [] },
        'the place where the role holds');
    for my $kind ('norole', 'otherstate') {
        my $jar = sign_in($kind);
        security_texts(1);
        is(get($REPORT, jar => $jar, headers => \%SCRIPT)->{status}, 403, "$kind: signed in, but may see nothing");
        like(join('|', security_texts(1)), qr/\Aforbidden: [^|]+\z/, "$kind: one security event");
        is(get('/logout', jar => $jar, headers => \%CLICK)->{status}, 302, "$kind: may sign out");
    }
    allow_log(qr/chain/);
};

subtest 'the session cookie' => sub {
    my $form = idp_answer('school');
    my $answer = deliver_answer($form);
    is($answer->{status}, 303, 'after signing in: see other');
    is($answer->{headers}{location}, url($HOME), 'the entry page');
    my $cookie = set_cookie_of($answer, $SESSION);
    like($cookie, qr/\A\Q$SESSION\E=[0-9a-f]{64};/, 'a random id and nothing else');
    for my $part ('Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax') {
        like($cookie, qr/; \Q$part\E(;|\z)/, $part);
    }
    unlike($cookie, qr/Domain|Max-Age|Expires/i, 'no Domain, gone with the browser');
    my ($info) = grep { /\Asigned in/ } reverse security_texts(0);
    my ($id) = $cookie =~ /=([0-9a-f]{64})/;
    like($info, qr/\Asigned in, session [0-9a-f]{12}\z/, 'an event');
    ok(!grep({ /\Q$id\E/ } log_since()), 'no log knows the id');
    is(get('/login', jar => $form->{jar})->{headers}{location}, url($HOME), 'signing in again leads straight home');
};

subtest 'back to where one wanted to go' => sub {
    my $deep = '/assets/html/comparingPopulations.html?stateCode=NC&districtId=D001';
    my $form = idp_answer('school', start => '/login?target=%2Fassets%2Fhtml%2FcomparingPopulations.html%3FstateCode%3DNC%26districtId%3DD001');
    is(deliver_answer($form)->{headers}{location}, url($deep), 'a page of ours');
    for my $target (
        'https%3A%2F%2Fevil.example%2F', '%2F%2Fevil.example%2F', '%2F%5Cevil.example', '%5C%5Cevil.example',
        '%2F%09%2Fevil.example', '%2F%0A%2Fevil.example', '%2Fx%0D%0ASet-Cookie%3A%20a%3Db', 'javascript%3Aalert(1)',
        '%2Flogin', '%2Flogout', '%2Fsaml_post', 'data%3Atext%2Fhtml%2Cx', '.evil.example', '%40evil.example', '',
        ) {
        my $jar = jar();
        my $answer = deliver_answer(idp_answer('school', jar => $jar, start => "/login?target=$target"));
        is($answer->{headers}{location}, url($HOME), "not to $target");
        is(get("/login?target=$target", jar => $jar)->{headers}{location}, url($HOME), 'nor when signed in already');
    }
    is(get('/login?target=%zz')->{status}, 302, 'a broken query does not matter');
};

subtest 'somebody else\'s answer' => sub {
    security_texts(1);
    my $form = idp_answer('state');
    my $other = deliver_answer({ %$form, jar => jar() });
    is($other->{status}, 403, 'in a browser that never asked');
    like($other->{body}, qr/Sign in again/, 'a page that helps');
    ok(!set_cookie_of($other, $SESSION), 'no session');
    is_event('sign-in refused: other_browser', 'no mark');
    my $jar = jar();
    get('/login', jar => $jar);
    $other = deliver_answer({ %$form, jar => $jar });
    is($other->{status}, 403, 'in a browser that asked for itself');
    ok(!signed_in($jar), 'no session');
    is_event('sign-in refused: other_browser', 'another mark');
    is(deliver_answer($form)->{status}, 303, 'its own browser still gets in');
};

subtest 'forms that are none' => sub {
    my $jar = jar();
    my $form = idp_answer('school', jar => $jar);
    my $fields = { SAMLResponse => $form->{SAMLResponse}, RelayState => $form->{RelayState} };
    my $body = 'SAMLResponse=' . ($form->{SAMLResponse} =~ s/\+/%2B/gr =~ s/=/%3D/gr) . "&RelayState=$form->{RelayState}";
    my @cases = (
        ['no RelayState', 'form', form => { SAMLResponse => $form->{SAMLResponse} }],
        ['no answer', 'form', form => { RelayState => $form->{RelayState} }],
        ['empty', 'form', form => {}],
        ['RelayState twice', 'form', body => "$body&RelayState=$form->{RelayState}", type => 'application/x-www-form-urlencoded'],
        ['answer twice', 'form', body => "$body&SAMLResponse=x", type => 'application/x-www-form-urlencoded'],
        ['broken escape', 'form', body => "$body&x=%zz", type => 'application/x-www-form-urlencoded'],
        ['a NUL', 'form', body => "$body&x=%00", type => 'application/x-www-form-urlencoded'],
        ['a raw NUL', 'form', body => "$body&x=\0", type => 'application/x-www-form-urlencoded'],
        ['JSON', 'form', json => $fields],
        ['text', 'form', body => $body, type => 'text/plain'],
        ['no type', 'form', body => $body, headers => { 'Content-Type' => '' }],
        ['too long', 'size', form => { %$fields, x => 'x' x (1536 * 1024) }],
        ['unknown RelayState', 'relay_state', form => { %$fields, RelayState => '0' x 64 }],
        ['RelayState of another form', 'relay_state', form => { %$fields, RelayState => 'https://evil.example/' }],
        ['empty RelayState', 'relay_state', form => { %$fields, RelayState => '' }],
    );
    security_texts(1);
    for my $case (@cases) {
        my ($title, $reason, %how) = @$case;
        my $answer = post('/saml_post', jar => $jar, %how);
        is($answer->{status}, 403, $title);
        ok(!set_cookie_of($answer, $SESSION), 'no session');
        is_event("sign-in refused: $reason", $title);
    }
    is(get('/saml_post')->{status}, 405, 'GET is not for it');
    is(deliver_answer($form)->{status}, 303, 'none of them used the sign-in up');
    security_texts(1);
    my $again = deliver_answer($form);
    is($again->{status}, 403, 'the same form again');
    is_event('sign-in refused: relay_state', 'sent twice');
    ok(signed_in($jar), 'the session it made lives on');
};

subtest 'two windows of one browser' => sub {
    my $jar = jar();
    my $one = idp_answer('school', jar => $jar);
    my $two = idp_answer('school', jar => $jar, start => '/login?target=/b');
    is(deliver_answer($one)->{headers}{location}, url($HOME), 'the first');
    is(deliver_answer($two)->{headers}{location}, url('/b'), 'and the second');
    ok(signed_in($jar), 'signed in');
};

subtest 'session fixation' => sub {
    my $planted = 'ab' x 32;
    my $jar = jar_with($SESSION, $planted);
    deliver_answer(idp_answer('school', jar => $jar));
    isnt(cookie($jar, $SESSION), $planted, 'a planted id is not taken over');
    ok(!signed_in(jar_with($SESSION, $planted)), 'and never becomes a session');

    my $form = idp_answer('school');
    my $mine = cookie(sign_in('district'), $SESSION);
    spew($form->{jar}, slurp($form->{jar}) . slurp(jar_with($SESSION, $mine)));
    is(deliver_answer($form)->{status}, 303, 'signing in while signed in');
    ok(!signed_in(jar_with($SESSION, $mine)), 'the session a browser had before ends');
    ok(signed_in($form->{jar}), 'with the new one');
};

subtest 'cookies that are none' => sub {
    my $id = cookie(sign_in('state'), $SESSION);
    ok(signed_in(jar_with($SESSION, $id)), 'the id is all there is');
    my $changed = $id;
    substr($changed, 40, 1) = $changed =~ /\A.{40}0/ ? '1' : '0';
    for my $bad ($changed, uc $id . 'A', "${id}0", substr($id, 0, 63), '', '"' . $id . '"', '%00', '../' x 20, 'x' x 4000) {
        is(get('/services/userinfo', headers => { %SCRIPT, Cookie => "$SESSION=$bad" })->{status}, 401,
            'tampered: ' . substr($bad, 0, 70));
    }
    is(get('/services/userinfo', headers => { %SCRIPT, Cookie => "$SESSION=$id; $SESSION=$changed" })->{status}, 401, 'twice');
    is(get('/services/userinfo', headers => { %SCRIPT, Cookie => "__Host-smarter=$id" })->{status}, 401, 'under another name');
    is(get('/services/userinfo', headers => { %SCRIPT, Cookie => "a=b; x$SESSION=1; $SESSION=$id" })->{status}, 200,
        'among others');
    is(join('|', grep { !/\Aforbidden/ } security_texts(1)), '', 'no alarm: it may as well be an old cookie');
};

# Statuses of so many requests at once, so that every process of the server gets some.
sub at_once {
    my ($jar, $n) = @_;
    my $list = spew(tmpdir() . '/requests', join '', map { sprintf qq(url = "%s"\noutput = "/dev/null"\n), url('/services/userinfo') } 1 .. $n);
    my $codes = qx(curl -s -Z --parallel-immediate --parallel-max $n --cacert '@{[env('SMARTER_CA')]}' -b '$jar' -w '%{http_code}\\n' -K '$list' 2>/dev/null);
    my %n;
    $n{$_}++ for split /\n/, $codes;
    return \%n;
}

subtest 'signed out everywhere' => sub {
    my $jar = sign_in('school');
    my $copy = jar_with($SESSION, cookie($jar, $SESSION));
    is_deeply(at_once($copy, 30), { 200 => 30 }, 'all processes know the session');
    is(get('/logout', jar => $jar, headers => \%CLICK)->{status}, 302, 'it is ended by one');
    is_deeply(at_once($copy, 30), { 401 => 30 }, 'none of them goes by it any more');
};

subtest 'signing out here' => sub {
    my $jar = jar();
    deliver_answer(idp_answer('school', jar => $jar));
    my $id = cookie($jar, $SESSION);
    security_texts(1);
    my $answer = get('/logout', jar => $jar, headers => { %PAGE, 'Sec-Fetch-Site' => 'cross-site' });
    is($answer->{status}, 403, 'another site cannot do it');
    is_event('sign-out refused: another site asked for it', 'cross-site');
    $answer = post('/logout', jar => $jar, form => {}, headers => { Origin => 'https://evil.example' });
    is($answer->{status}, 403, 'not by a form either');
    is_event('sign-out refused: another site asked for it', 'foreign Origin');
    $answer = get('/logout', jar => $jar, headers => { %PAGE, 'Sec-Fetch-Site' => 'none' });
    is($answer->{status}, 200, 'a typed address');
    my ($csrf) = $answer->{body} =~ /name="csrf" value="([0-9a-f]{32})"/;
    ok($csrf, 'asks first');
    $answer = post('/logout', jar => $jar, form => { csrf => 'ab' x 16 });
    like($answer->{body}, qr/name="csrf"/, 'a wrong token asks again');
    ok(signed_in($jar), 'still signed in');

    $answer = get('/logout', jar => $jar, headers => \%CLICK);
    is($answer->{status}, 302, 'our own button');
    my $q = query_of($answer->{headers}{location});
    like(inflated($q->{SAMLRequest}), qr/LogoutRequest.*NameID.*SessionIndex/s, 'tells the identity provider');
    ok($q->{Signature}, 'signed');
    like(set_cookie_of($answer, $SESSION), qr/=; .*Max-Age=0/, 'the cookie goes');
    ok(!signed_in(jar_with($SESSION, $id)), 'the session is over at once, before the identity provider answers');
    my $end = get($answer->{headers}{location}, jar => $jar, follow => 1);
    is($end->{url}, url('/logout_redirect'), 'its answer leads back to us');
    is($end->{status}, 200, 'and is accepted');
    like($end->{body}, qr/You are signed out/, 'says so');
    my $page = get('/login', jar => $jar, follow => 1);
    like($page->{body}, qr/name="password"/, 'the identity provider asks for the password again');
    is(join('|', security_texts(1)), '', 'nothing suspicious in it');

    deliver_answer(idp_answer('school', jar => $jar));
    $answer = get('/logout', jar => $jar, headers => { %PAGE });
    ($csrf) = $answer->{body} =~ /name="csrf" value="([0-9a-f]{32})"/;
    $answer = post('/logout', jar => $jar, form => { csrf => $csrf });
    is($answer->{status}, 200, 'with the token');
    like($answer->{headers}{refresh}, qr/\A0; url=http/, 'goes on to the identity provider');
    ok(!signed_in($jar), 'signed out');
    $answer = get('/logout', jar => $jar, headers => \%CLICK);
    is($answer->{headers}{location}, url('/login'), 'nobody is sent to sign in');
    is(get('/logout', headers => \%SCRIPT)->{status}, 401, 'or told so');
};

subtest 'signing out elsewhere' => sub {
    my $jar = jar();
    deliver_answer(idp_answer('state', jar => $jar));
    ok(signed_in($jar), 'signed in');
    my $other = sign_in('state');
    my $where = env('SMARTER_IDP_URL') . '/saml2/idp/SingleLogoutService.php?ReturnTo=' . env('SMARTER_IDP_URL') . '/';
    my $message;
    for (1 .. 5) {    # hop by hop, to see the message
        my $hop = get($where, jar => $jar, headers => \%PAGE);
        $where = $hop->{headers}{location} or last;
        next unless $where =~ m{\Q@{[url('/logout_redirect')]}\E\?SAMLRequest=};
        $message = $where;
        last;
    }
    ok($message, 'the identity provider sends a LogoutRequest') or return;
    security_texts(1);
    (my $tampered = $message) =~ s/RelayState=/RelayState=x/;
    is(get($tampered, jar => $jar)->{status}, 403, 'tampered with');
    (my $unsigned = $message) =~ s/&SigAlg=.*//;
    is(get($unsigned, jar => $jar)->{status}, 403, 'unsigned');
    is(scalar(security_texts(1)), 2, 'two security events');
    ok(signed_in($jar), 'still signed in');
    my $answer = get($message, jar => $jar, headers => \%PAGE);
    is($answer->{status}, 302, 'as it came');
    like($answer->{headers}{location}, qr/\?SAMLResponse=.*&SigAlg=.*rsa-sha256&Signature=/, 'is answered, signed');
    like(inflated(query_of($answer->{headers}{location})->{SAMLResponse}), qr/status:Success/, 'with success');
    ok(!signed_in($jar), 'the session is over');
    ok(signed_in($other), 'not that of another sign-in');
    security_texts(1);
    is(get($message, jar => $jar)->{status}, 403, 'the same message again');
    is_event('sign-out message refused: replay', 'replay');
    my $end = get($answer->{headers}{location}, jar => $jar, follow => 1);
    is($end->{status}, 200, 'the identity provider is content');
};

subtest 'answers nobody waits for' => sub {
    my $jar = jar();
    deliver_answer(idp_answer('school', jar => $jar));
    my $out = get('/logout', jar => $jar, headers => \%CLICK)->{headers}{location};
    my $answer;
    for (1 .. 5) {
        my $hop = get($out, jar => $jar);
        $out = $hop->{headers}{location} or last;
        if ($out =~ m{\Q@{[url('/logout_redirect')]}\E\?SAMLResponse=}) { $answer = $out; last }
    }
    ok($answer, 'a LogoutResponse') or return;
    security_texts(1);
    is(get($answer)->{status}, 403, 'in another browser');
    is_event('sign-out message refused: other_browser', 'other browser');
    (my $changed = $answer) =~ s/RelayState=[0-9a-f]+/'RelayState=' . '0' x 64/e;
    is(get($changed, jar => $jar)->{status}, 403, 'with another RelayState');
    is_event('sign-out message refused: relay_state', 'RelayState');
    is(get($answer, jar => $jar)->{status}, 303, 'as it came');
    is(get($answer, jar => $jar)->{status}, 403, 'again');
    is_event('sign-out message refused: relay_state', 'again');
    is(get('/logout_redirect?x=y')->{status}, 403, 'no message');
    is(scalar(security_texts(1)), 1, 'one event');
    is(get('/logout_redirect')->{status}, 200, 'the bare page');
};

subtest 'the cache forgets' => sub {
    my $jar = sign_in('school');
    my $url = env('SMARTER_URL');
    for my $port (map { ($url =~ /:(\d+)\z/)[0] - 1 + $_ } 30, 31) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2) or next;
        print {$socket} "flush_all\r\nquit\r\n";
        1 while <$socket>;
    }
    is(get($REPORT, jar => $jar, headers => \%SCRIPT)->{status}, 401, 'the session is lost');
    my $page = get('/login', jar => $jar, follow => 1);
    like($page->{body}, qr/name="SAMLResponse"/, 'the identity provider knows the person: no password is asked for');
    deliver_answer(idp_answer('school', jar => $jar));
    ok(signed_in($jar), 'signed in again');
};

subtest 'the database of used assertions is away' => sub {
    my $jar = jar();
    my $form = idp_answer('school', jar => $jar);
    my $later = idp_answer('school', jar => $jar);
    my $before = sign_in('state');
    my $leaving = sign_in('state');
    my $copy = jar_with($SESSION, cookie($leaving, $SESSION));
    stack('down', 'postgres');
    security_texts(1);
    my $answer = deliver_answer($form);
    is($answer->{status}, 503, 'nobody signs in without it');
    ok($answer->{headers}{'retry-after'}, 'try again');
    ok(!set_cookie_of($answer, $SESSION), 'no session');
    is_event('sign-in refused: replay_store', 'and it is told');
    ok(signed_in($before), 'who is signed in stays so');
    $answer = get('/logout', jar => $leaving, headers => \%CLICK);
    is($answer->{status}, 503, 'who signs out is told that it is not written down');
    like($answer->{body}, qr/Signing out is not complete/, 'and what to do');
    is(join('|', map { signed_in($_) ? 'in' : 'out' } $leaving, $copy), 'out|out', 'signed out he is');
    stack('up', 'postgres');
    is(deliver_answer($later)->{status}, 303, 'when it is back, the next sign-in works at once');
    # The loader and the promotion miss it, too.
    allow_log(qr/SB(1203|1613|3104|3106)\b/, qr/"program":"smarter-.*does not answer"/, qr/ended with status 75/);
};

# Processes from before it go on with the requests they have begun to read, beside new ones.
subtest 'a graceful restart' => sub {
    my $jar = sign_in('school');
    my $children = sub { split ' ', qx(pgrep -P @{[server_pid('httpd')]}) };
    my %old = map { $_ => 1 } $children->();
    my @begun = map {
        my $socket = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $PORT, SSL_verify_mode => 0, SSL_hostname => 'localhost') or die 'connect';
        print {$socket} "GET $_ HTTP/1.1\r\nHost: localhost:$PORT\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n";
        $socket;
    } '/services/userinfo', '/logout';
    my $finish = sub {
        my ($socket, $id) = @_;
        print {$socket} "Cookie: $SESSION=$id\r\n\r\n";
        return do { local $/; <$socket> };
    };
    sleep 1;    # until they are being read
    kill 'USR1', server_pid('httpd');
    wait_until(20, 'new processes', sub { grep { !$old{$_} } $children->() });
    wait_until(20, 'the server', sub { get('/services/ready')->{status} == 200 });
    ok(signed_in($jar), 'loses no session');
    my $new = sign_in('district');
    my $copy = jar_with($SESSION, cookie($new, $SESSION));
    is_deeply(at_once($copy, 30), { 200 => 30 }, 'and signing in still works');
    ok((grep { $old{$_} } $children->()), 'a process of before is still there');
    like($finish->($begun[0], cookie($jar, $SESSION)), qr{\AHTTP/1\.1 200 }, 'it knows the sessions of before');
    like($finish->($begun[1], cookie($new, $SESSION)), qr{\AHTTP/1\.1 302 .*SAMLRequest=}s, 'and those made since');
    is_deeply(at_once($copy, 30), { 401 => 30 }, 'what it ends is over everywhere');
};

subtest 'turning in circles' => sub {
    my $jar = jar();
    my $status;
    for (1 .. 8) {
        $status = get('/login', jar => $jar)->{status};
        last if $status != 302;
        my $form = idp_answer('school', jar => $jar);
        deliver_answer($form);
        spew($jar, join '', grep { !/\t\Q$SESSION\E\t/ } map { "$_\n" } split /\n/, slurp($jar));
    }
    is($status, 403, 'a browser that does not keep its session is stopped');
    for my $rounds ('2147483647', '-2147483648', '99999999999999999999', 'x', '') {    # who counts for himself
        my $form = idp_answer('school');
        my $mark = cookie($form->{jar}, $BROWSER) . ".$rounds.@{[time]}";
        my $answer = deliver_answer({ %$form, jar => jar_with($BROWSER, $mark) });
        is($answer->{status}, 303, "'$rounds' sign-ins before");
        like(set_cookie_of($answer, $BROWSER), qr/=[0-9a-f]{64}\.1\.\d{10};/, 'are none');
    }
    is(get('/login', headers => { Cookie => "$BROWSER=" . 'a' x 64 . '.9.-9223372036854775808' })->{status}, 302, 'at no time that there is');
};

subtest 'our metadata' => sub {
    my $answer = get('/saml_metadata');
    is($answer->{status}, 200, 'is served');
    like($answer->{headers}{'content-type'}, qr{\Aapplication/samlmetadata\+xml}, 'as such');
    like($answer->{body}, qr{entityID="\Q@{[url('/saml_post')]}\E"}, 'names us');
    like($answer->{body}, qr/AuthnRequestsSigned="true"/, 'says that we sign');
    unlike($answer->{body}, qr/PRIVATE/, 'and gives no secret away');
};

finish();
