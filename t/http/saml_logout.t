# Sign-out messages of a hostile or careless identity provider, or of somebody who pretends to be it:
# nobody is signed out by them, each is answered with 403 and leaves one security event.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Forge;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my $VAR = env('SMARTER_VAR');
my ($IDP_ID) = slurp("$VAR/etc/idp_metadata.xml") =~ /entityID="([^"]*)"/;
my $IDP = Forge->new(key => "$VAR/tls/idp.key", cert => "$VAR/tls/idp.pem", issuer => $IDP_ID,
    sp => url('/saml_post'), acs => url('/saml_post'), slo => url('/logout_redirect'));
my ($STRANGER) = Forge::stranger();
my $IDP_URL = env('SMARTER_IDP_URL');

sub message_of { return Forge::inflate(decode_base64(query_value(@_))) }

# Sign somebody in by a forged answer: { jar, name_id, session_index }
sub person {
    my (%o) = @_;
    my %p = (jar => jar(), name_id => Forge::new_id(), session_index => Forge::new_id(), %o);
    my $to = get('/login', jar => $p{jar}, headers => { Accept => 'text/html' })->{headers}{location};
    my ($id) = message_of($to, 'SAMLRequest') =~ /\bID="([^"]*)"/;
    my $xml = $IDP->response(request => $id, name_id => $p{name_id}, session_index => $p{session_index});
    my $answer = post('/saml_post', jar => $p{jar}, headers => { Origin => $IDP_URL, 'Sec-Fetch-Site' => 'cross-site' },
        form => { SAMLResponse => Forge::post_form($xml), RelayState => query_value($to, 'RelayState') });
    die "sign-in failed: $answer->{status}" if $answer->{status} != 303;
    return \%p;
}

sub signed_in { return get('/services/userinfo', jar => $_[0]{jar})->{status} == 200 }

# The identity provider redirects some browser to us.
sub arrive {
    my ($query, $jar) = @_;
    return get("/logout_redirect?$query", jar => $jar // jar(),
        headers => { Accept => 'text/html', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate' });
}

my $refusals = 0;

sub is_refused {
    my ($what, $reason, $answer) = @_;
    my @bad;
    push @bad, "status $answer->{status}" if $answer->{status} != 403;
    push @bad, 'no page' if ($answer->{headers}{'content-type'} // '') !~ m{\Atext/html};
    my @told = security_texts(1);
    push @bad, 'events: ' . join ' | ', @told if @told != 1 || $told[0] !~ /\Asign-out message refused: $reason\z/;
    is(join('; ', @bad), '', "$what: refused");
    $refusals++;
}

# ---- requests -----------------------------------------------------------------------------------

my $victim = person();

sub request {
    my (%o) = @_;
    return $IDP->logout_request(name_id => $victim->{name_id}, session_index => $victim->{session_index}, %o);
}

sub request_query {
    my ($message, %o) = @_;
    return $IDP->query('SAMLRequest', request(%$message), relay => 'r1', %o);
}

sub refused_request {
    my ($what, $reason, $query) = @_;
    security_texts(1);
    is_refused($what, $reason, arrive($query));
}

subtest 'requests that are refused' => sub {
    refused_request('unsigned', 'unsigned', request_query({}, key => 0));
    refused_request('signed by a stranger', 'signature', request_query({}, key => $STRANGER));
    refused_request('RSA-SHA1', 'algorithm', request_query({}, alg => 'sha1'));
    refused_request('other relay state than signed', 'signature', request_query({}) =~ s/RelayState=r1/RelayState=r2/r);
    refused_request('relay state taken away', 'signature', request_query({}) =~ s/&RelayState=r1//r);
    my $other = Forge::percent(encode_base64(Forge::deflate(request(name_id => 'x')), ''));
    refused_request('other message than signed', 'signature', request_query({}) =~ s/SAMLRequest=[^&]*/SAMLRequest=$other/r);
    refused_request('the message twice', 'query_twice', "SAMLRequest=$other&" . request_query({}));
    refused_request('the relay state twice', 'query_twice', request_query({}) . '&RelayState=x');
    refused_request('something more', 'query_unknown', request_query({}) . '&x=y');
    refused_request('a name in disguise', 'query_unknown', 'SAMLReques%74=' . "$other&" . request_query({}));
    refused_request('semicolons', 'query', request_query({}) =~ tr/&/;/r);
    refused_request('signature of nothing', '(unsigned|signature)', request_query({}) =~ s/&Signature=.*/&Signature=AAAA/r);
    refused_request('another destination', 'destination', request_query({ destination => 'https://other.invalid/' }));
    refused_request('no destination', 'destination', request_query({ destination => undef }));
    refused_request('another issuer', 'issuer', request_query({ issuer => 'https://evil.invalid/' }));
    refused_request('expired', 'expired', request_query({ end => Forge::stamp(-61) }));
    refused_request('issued long ago, without an end', 'expired', request_query({ issued => Forge::stamp(-400), end => undef }));
    refused_request('issued long ago, valid for years', 'expired', request_query({ issued => Forge::stamp(-400), end => Forge::stamp(9e7) }));
    refused_request('issued in the future', 'not_yet_valid', request_query({ issued => Forge::stamp(120) }));
    refused_request('nonsense time', 'time', request_query({ end => 'never' }));
    refused_request('no name', 'element', request_query({ name_id => undef }));
    refused_request('a response as request', 'root', $IDP->query('SAMLRequest', $IDP->logout_response(request => '_x')));
    refused_request('a DTD', 'xml: a document type declaration', $IDP->query('SAMLRequest', '<!DOCTYPE x>' . request()));
    refused_request('a comment in the name', 'xml: a comment',
        $IDP->query('SAMLRequest', request() =~ s/(<saml:NameID[^>]*>..)/$1<!-- -->/r));
    refused_request('CDATA in the name', 'xml: a CDATA section',
        $IDP->query('SAMLRequest', request() =~ s/(<saml:NameID[^>]*>)(..)/$1<![CDATA[$2]]>/r));
    refused_request('not deflated', 'inflate', 'SAMLRequest=' . Forge::percent(encode_base64(request(), ''))
            . request_query({}) =~ s/.*?(?=&RelayState)//r);
    refused_request('two names', 'element', request_query({ more => '<saml:NameID>x</saml:NameID>' }));
    refused_request('an encrypted name', 'element', request_query({ name_id => undef, more => '<saml:EncryptedID/>' }));
    refused_request('the name not in its place', 'element', $IDP->query('SAMLRequest', request() =~ s{(<saml:Issuer>.*?</saml:Issuer>)(<saml:NameID.*?</saml:NameID>)}{$2$1}r));
    refused_request('the name in the issuer', 'element', $IDP->query('SAMLRequest', request() =~ s{</saml:Issuer>(<saml:NameID.*?</saml:NameID>)}{$1</saml:Issuer>}r));
    refused_request('unsigned and without a name', '(unsigned|element)', request_query({ name_id => undef }, key => 0));
    refused_request('by a stranger and without a name', 'element', request_query({ name_id => undef }, key => $STRANGER));
    refused_request('a bomb', 'size', $IDP->query('SAMLRequest', request(more => ' ' x 2_000_000)));
    unlike(join("\n", log_since('httpd')), qr/exit signal/, 'no server process ended');
    ok(signed_in($victim), 'all the while the person stays signed in');
};

subtest 'requests that are followed' => sub {
    my $query = request_query({ session_index => '_another_session' });
    my $answer = arrive($query);
    is($answer->{status}, 302, 'for another session of the same name');
    ok(signed_in($victim), 'which does not end this one');
    security_texts(1);
    is_refused('again', 'replay', arrive($query));

    my $someone = person(name_id => $victim->{name_id});
    my $bystander = person();
    security_texts(0);
    $answer = arrive(request_query({}));
    is($answer->{status}, 302, 'for this session');
    like($answer->{headers}{location}, qr/\A\Q$IDP_URL\E.*[?&]SAMLResponse=/, 'is answered to the identity provider');
    is(query_value($answer->{headers}{location}, 'RelayState'), 'r1', 'with its relay state');
    is(query_value($answer->{headers}{location}, 'SigAlg'), 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'signed');
    like(message_of($answer->{headers}{location}, 'SAMLResponse'), qr/\Q$Forge::SUCCESS\E/, 'as done');
    ok(!signed_in($victim), 'the person is signed out, though the message came by another browser');
    ok(signed_in($someone), 'another session of the name goes on');

    $answer = arrive(request_query({ session_index => undef, name_id => $victim->{name_id} }));
    is($answer->{status}, 302, 'for all sessions of a name');
    ok(!signed_in($someone), 'ends them');
    ok(signed_in($bystander), 'and nobody else');
    $answer = arrive(request_query({ session_index => undef }));
    is($answer->{status}, 302, 'for somebody who has no session');
    my $xml = message_of($answer->{headers}{location}, 'SAMLResponse');
    like($xml, qr/\Q$Forge::SUCCESS\E/, 'is as good as done');
    unlike($xml, qr/RequestDenied|UnknownPrincipal|Responder/, 'without a doubt');
};

# ---- what is lost or refused must not make us say that somebody is signed out who is not -----------------

sub followed { my ($who) = @_; my $answer = arrive($IDP->query('SAMLRequest', $IDP->logout_request(map { $_ => $who->{$_} } 'name_id', 'session_index')));
    return $answer->{status} == 302 && message_of($answer->{headers}{location}, 'SAMLResponse') =~ /\Q$Forge::SUCCESS\E/ }

subtest 'the book cannot be written' => sub {
    my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
    my $p = person();
    my $query = $IDP->query('SAMLRequest', $IDP->logout_request(map { $_ => $p->{$_} } 'name_id', 'session_index'));
    allow_log(qr/SB(?:1745|3107)\b/);
    sql(@super, 'REVOKE UPDATE (ended_at, ended_by) ON signin.session FROM smarter_web');
    security_texts(1);
    my $answer = eval { arrive($query) };
    sql(@super, 'GRANT UPDATE (ended_at, ended_by) ON signin.session TO smarter_web');
    is($answer->{status}, 503, 'try again');
    is(join('|', security_texts(1)), 'sign-out message refused: replay_store', 'one security event');
    ok(signed_in($p), 'the person is still signed in');
    is(arrive($query)->{status}, 302, 'the same message, tried again, is followed');
    ok(!signed_in($p), 'now it is over');
    is(arrive($query)->{status}, 403, 'and the message is used up');
};

subtest 'a node of the cache is lost' => sub {
    my @persons = map { person() } 1 .. 16;    # on one node only: once in 32,000 runs
    my $pid = server_pid('memcached2');
    allow_log(qr/SB1260\b/);
    kill 'TERM', $pid;
    wait_until(10, 'it to end', sub { !-d "/proc/$pid" || slurp("/proc/$pid/stat") =~ /\) [ZX] / });
    my @left = grep { signed_in($_) } @persons;
    cmp_ok(scalar @left, '>=', 1, 'some are signed in all the same');
    is(scalar(grep { followed($_) } @left), scalar @left, 'the identity provider signs them out and is told: success');
    is(scalar(grep { signed_in($_) } @left), 0, 'and so it is');
    stack('up', 'memcached');
    stack('restart', 'httpd'); # processes that thought it lost would put things elsewhere for some seconds
};

# ---- responses ----------------------------------------------------------------------------------

# Somebody signs out here: { jar, relay, request }
sub leaving {
    my $p = person();
    my $to = get('/logout', jar => $p->{jar}, headers => { Accept => 'text/html', 'Sec-Fetch-Site' => 'same-origin' })->{headers}{location};
    my ($id) = message_of($to, 'SAMLRequest') =~ /\bID="([^"]*)"/;
    return { jar => $p->{jar}, relay => query_value($to, 'RelayState'), request => $id, xml => message_of($to, 'SAMLRequest'), person => $p, to => $to };
}

sub refused_response {
    my ($what, $reason, %o) = @_;
    my $b = leaving();
    security_texts(1);
    my $query = $IDP->query('SAMLResponse', $IDP->logout_response(request => $b->{request}, %{ $o{message} // {} }),
        relay => $b->{relay}, %{ $o{query} // {} });
    $query = $o{edit}->($query) if $o{edit};
    is_refused($what, $reason, arrive($query, $b->{jar}));
}

subtest 'our request' => sub {
    my $b = leaving();
    like($b->{xml}, qr/>\Q$b->{person}{name_id}\E</, 'names the person as the identity provider does');
    like($b->{xml}, qr/>\Q$b->{person}{session_index}\E</, 'and the session');
    like($b->{request}, qr/\A_[0-9a-f]{40}\z/, 'has a random id');
    is(query_value($b->{to}, 'SigAlg'), 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'is signed');
    ok(!signed_in($b), 'the session ended before it was sent');
    my $answer = arrive($IDP->query('SAMLResponse', $IDP->logout_response(request => $b->{request}), relay => $b->{relay}), $b->{jar});
    is($answer->{status}, 303, 'a sound answer is fine');
};

subtest 'responses that are refused' => sub {
    refused_response('unsigned', '(unsigned|relay_state)', query => { key => 0 });
    refused_response('signed by a stranger', 'signature', query => { key => $STRANGER });
    refused_response('RSA-SHA1', '(algorithm|relay_state)', query => { alg => 'sha1' });
    refused_response('answer to another request', 'in_response_to', message => { request => '_other' });
    refused_response('answer to no request', 'in_response_to', message => { request => undef });
    refused_response('another destination', 'destination', message => { destination => 'https://other.invalid/' });
    refused_response('another issuer', 'issuer', message => { issuer => 'https://evil.invalid/' });
    refused_response('changed', 'signature', edit => sub { my $x = Forge::percent(encode_base64(Forge::deflate(
            $IDP->logout_response(request => '_y')), '')); $_[0] =~ s/SAMLResponse=[^&]*/SAMLResponse=$x/r });
    refused_response('no success', 'status', message => { status => 'urn:oasis:names:tc:SAML:2.0:status:Responder' });
};

cmp_ok($refusals, '>=', 35, "$refusals messages were refused");
finish();
