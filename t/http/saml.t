# Messages of a hostile or careless identity provider, or of somebody who pretends to be it: each is
# sound but for one thing, is answered with 403, leaves one security event and no session.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Forge;
use Smarter::Sanitized;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my $VAR = env('SMARTER_VAR');
my ($IDP_ID) = slurp("$VAR/etc/idp_metadata.xml") =~ /entityID="([^"]*)"/;
my $IDP = Forge->new(key => "$VAR/tls/idp.key", cert => "$VAR/tls/idp.pem", issuer => $IDP_ID,
    sp => url('/saml_post'), acs => url('/saml_post'), slo => url('/logout_redirect'));
my ($STRANGER, $STRANGER_CERT) = Forge::stranger();
my $EVIL = '||SUPER_USER||||||nc|NC|||||||||';

# ---- one sign-in --------------------------------------------------------------------------------

# A browser sent to the identity provider: { jar, relay, request }
sub begin {
    my ($jar) = @_;
    $jar //= jar();
    my $to = get('/login', jar => $jar, headers => { Accept => 'text/html' })->{headers}{location};
    my ($id) = Forge::inflate(decode_base64(query_value($to, 'SAMLRequest'))) =~ /\bID="([^"]*)"/;
    return { jar => $jar, relay => query_value($to, 'RelayState'), request => $id };
}

sub deliver {
    my ($b, $value, $node) = @_;
    return post(($node // '') . '/saml_post', jar => $b->{jar}, form => { SAMLResponse => $value, RelayState => $b->{relay} },
        headers => { Origin => env('SMARTER_IDP_URL'), 'Sec-Fetch-Site' => 'cross-site' });
}

sub signed_in { return defined cookie($_[0]{jar}, qr/\A__Host-smarter/) }

my $refusals = 0;

# The message made by this for a fresh request is refused, for that reason.
sub refused {
    my ($what, $reason, $make) = @_;
    my $b = begin();
    security_texts(1);
    judge($what, $reason, $b, deliver($b, $make->($b->{request})));
}

sub judge {
    my ($what, $reason, $b, $answer) = @_;
    my @bad;
    push @bad, "status $answer->{status}" if $answer->{status} != 403;
    push @bad, 'a session' if signed_in($b) || grep { /\A__Host-smarter[^;]*=[^;]/ } @{ $answer->{cookies} };
    push @bad, 'no page that helps' if ($answer->{headers}{'content-type'} // '') !~ m{\Atext/html} || $answer->{body} !~ m{href="/login">Sign in again<};
    push @bad, 'the page tells what it was given' if $answer->{body} =~ /forged1|SUPER_USER|EVIL/;
    my @told = security_texts(1);
    push @bad, 'events: ' . join ' | ', @told if @told != 1 || $told[0] !~ /\Asign-in refused: $reason\z/;
    is(join('; ', @bad), '', "$what: refused");
    $refusals++;
}

sub accepted {
    my ($what, $make) = @_;
    my $b = begin();
    security_texts(1);
    my $answer = deliver($b, $make->($b->{request}));
    is(join(' ', $answer->{status}, signed_in($b) ? 'session' : 'nobody', security_texts(1)), '303 session', "$what: accepted");
    return $b;
}

# Shorthand: a response with options, as form value.
sub response {
    my (%o) = @_;
    return sub { Forge::post_form($IDP->response(request => $_[0], %o)) };
}

# A sound response, changed as text after it was signed.
sub changed {
    my ($edit, %o) = @_;
    return sub {
        my $xml = $IDP->response(request => $_[0], %o);
        my $new = $edit->($xml);
        die 'the change changes nothing' if $new eq $xml;
        return Forge::post_form($new);
    };
}

# ---- sound ones, lest everything be refused for some other reason -----------------------------

subtest 'sound' => sub {
    my $b = accepted('forged by the right key', response());
    my $user = json(get('/services/userinfo', jar => $b->{jar}))->{user_info};
    is($user->{_User__info}{uid}, 'forged1', 'and it is he');
    accepted('only the assertion is signed', response(sign_response => 0));
    accepted('only the response is signed', response(sign_assertion => 0));
    accepted('RSA-SHA512', response(sign_assertion => { alg => 'sha512' }, sign_response => { alg => 'sha512' }));
    accepted('blanks in front', changed(sub { " \n$_[0]" }));
    accepted('base64 in lines', sub { encode_base64($IDP->response(request => $_[0])) });
    accepted('several audiences, one is us', response(restrictions =>
            '<saml:AudienceRestriction><saml:Audience>https://other.invalid/</saml:Audience><saml:Audience>'
            . url('/saml_post') . '</saml:Audience></saml:AudienceRestriction>'));
    accepted('no SessionIndex', response(session_index => undef, session_end => undef));
    accepted('issued half a minute ahead of us', response(issued => Forge::stamp(30), response_issued => Forge::stamp(30),
            start => Forge::stamp(30)));
    $b = accepted('a chain that means nothing', response(attributes => { uid => ['x1'], guid => ['g1'],
            memberOf => ['rubbish', '||PII||||||zz|ZZ|||||||||', '||GENERAL||||||nc|NC|||||||||'] }));
    is_deeply(json(get('/services/userinfo', jar => $b->{jar}))->{user_info}{_User__info}{roles}, ['GENERAL'],
        'is skipped, the others count');
};

# The identity provider may end a session earlier than we would.
subtest 'expired session' => sub {
    my $b = accepted('with a session of three seconds', response(session_end => Forge::stamp(3)));
    is(get('/services/userinfo', jar => $b->{jar})->{status}, 200, 'which counts');
    my $answer;
    wait_until(6, 'it to be over', sub { $answer = get('/services/userinfo', jar => $b->{jar}); $answer->{status} != 200 });
    is($answer->{status}, 401, 'and is over when it is over');
    like($answer->{body}, qr{"redirect":\s*"[^"]*/login}, 'with the way to a new one');
    unlike($answer->{body}, qr/forged1/, 'and nothing of the person');
};

# ---- signatures ---------------------------------------------------------------------------------

subtest 'signatures' => sub {
    my %foreign = (key => $STRANGER, cert => $STRANGER_CERT);
    refused('unsigned', 'signature', response(sign_assertion => 0, sign_response => 0));
    refused('signed by a stranger', 'signature', response(sign_assertion => {%foreign}, sign_response => {%foreign}));
    refused('response signed by a stranger', 'signature', response(sign_response => {%foreign}));
    refused('assertion signed by a stranger, response unsigned', 'signature', response(sign_assertion => {%foreign}, sign_response => 0));
    refused('assertion signed by a stranger, response by the right one', 'signature', response(sign_assertion => {%foreign}));
    refused("a stranger's signature with the right certificate", 'signature',
        response(sign_assertion => { key => $STRANGER }, sign_response => { key => $STRANGER }));
    refused('RSA-SHA1', 'algorithm', response(sign_assertion => { alg => 'sha1' }, sign_response => { alg => 'sha1' }));
    refused('RSA-SHA1 of the response', 'algorithm', response(sign_response => { alg => 'sha1' }));
    refused('SHA-1 digest', 'digest', response(sign_assertion => { digest => 'sha1' }));
    refused('HMAC with the public key', 'algorithm',
        response(sign_response => { method => 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256' }));
    refused('XSLT', 'transform', response(sign_response => { transforms =>
                '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>' }));
    refused('canonical form with comments', 'canonicalization',
        response(sign_response => { c14n => 'http://www.w3.org/2001/10/xml-exc-c14n#WithComments' }));
    refused('signature of nothing named', 'signature_reference', response(sign_assertion => { uri => '' }, sign_response => 0));
    refused('ds:Object', 'element', response(sign_response => { more => '<ds:Object/>' }));
    refused('changed value', 'signature', changed(sub { $_[0] =~ s/\|GENERAL\|/|PII|/r }));
    refused('changed value, response unsigned', 'signature', changed(sub { $_[0] =~ s/\|GENERAL\|/|PII|/r }, sign_response => 0));
    refused('changed name', 'signature', changed(sub { $_[0] =~ s/(<saml:NameID[^>]*>)/$1x/r }));
    refused('signature of the response taken away, assertion changed', 'signature', sub {
        my $doc = Forge::parse($IDP->response(request => $_[0]));
        $_->parentNode->removeChild($_) for Forge::find($doc, '/p:Response/d:Signature');
        Forge::find($doc, "//a:Attribute[\@Name='memberOf']/a:AttributeValue/text()")->setData($EVIL);
        return Forge::post_form($doc->documentElement->toString);
    });
    refused('signature of the assertion taken away', 'signature', sub {
        my $doc = Forge::parse($IDP->response(request => $_[0]));
        $_->parentNode->removeChild($_) for Forge::find($doc, '//a:Assertion/d:Signature');
        return Forge::post_form($doc->documentElement->toString);
    });
};

# ---- wrapping: the signed original somewhere, evil where it is read ----------------------------

sub evil {
    my ($assertion) = @_;
    Forge::find($assertion, ".//a:Attribute[\@Name='memberOf']/a:AttributeValue/text()")->setData($EVIL);
    Forge::find($assertion, './/a:NameID/text()')->setData('EVIL');
    return $assertion;
}

sub without_signature {
    my ($element) = @_;
    $element->removeChild($_) for Forge::find($element, 'd:Signature');
    return $element;
}

sub within {
    my ($name, $ns, $child) = @_;
    my $prefix = { p => 'samlp', a => 'saml', d => 'ds' }->{$ns};
    my $holder = Forge::parse(qq{<$prefix:$name xmlns:$prefix="$Forge::NS{$ns}"/>})->documentElement;
    $child->ownerDocument->adoptNode($holder);
    $holder->appendChild($child);
    return $holder;
}

# The whole response wrapped in an evil one that carries its signature.
sub wrapped_response {
    my ($way, $new_id) = @_;
    return sub {
        my $doc = Forge::parse($IDP->response(request => $_[0], sign_assertion => 0));
        my $evil = $doc->documentElement;
        my $original = without_signature($evil->cloneNode(1));
        evil(Forge::find($evil, 'a:Assertion'));
        $evil->setAttribute(ID => '_evil') if $new_id;
        my $sig = Forge::find($evil, 'd:Signature');
        $sig->appendChild(within('Object', d => $original)) if $way eq 'object';
        $evil->insertAfter(within('Extensions', p => $original), $sig) if $way eq 'extensions';
        $evil->insertBefore(within('Extensions', p => $original), $evil->firstChild) if $way eq 'before';
        return Forge::post_form($evil->toString);
    };
}

# The assertion wrapped; the response is unsigned.
sub wrapped_assertion {
    my ($way, $new_id) = @_;
    return sub {
        my $doc = Forge::parse($IDP->response(request => $_[0], sign_response => 0));
        my $root = $doc->documentElement;
        my $good = Forge::find($root, 'a:Assertion');
        my $evil = evil($good->cloneNode(1));
        $evil->setAttribute(ID => '_evil') if $new_id;
        my $sig = Forge::find($evil, 'd:Signature');
        my $bare = without_signature($good->cloneNode(1));
        if ($way eq 'first') { $root->insertBefore(without_signature($evil), $good) }
        if ($way eq 'last') { $root->appendChild(without_signature($evil)) }
        if ($way eq 'object') { $root->removeChild($good); $sig->appendChild(within('Object', d => $bare)); $root->appendChild($evil) }
        if ($way eq 'around') { $root->removeChild($good); without_signature($evil)->appendChild($good); $root->appendChild($evil) }
        if ($way eq 'advice') {
            $root->removeChild($good);
            $evil->insertAfter(within('Advice', a => $bare), Forge::find($evil, 'a:Conditions'));
            $root->appendChild($evil);
        }
        if ($way eq 'extensions') {
            $root->removeChild($good);
            $root->insertAfter(within('Extensions', p => $bare), $root->firstChild);
            $root->appendChild($evil);
        }
        if ($way eq 'signed extensions') {
            $root->removeChild($good);
            $root->insertAfter(within('Extensions', p => $good), $root->firstChild);
            $root->appendChild(without_signature($evil));
        }
        return Forge::post_form($root->toString);
    };
}

subtest 'wrapping' => sub {
    for my $new_id (0, 1) {
        my $id = $new_id ? 'a new ID' : 'the same ID';
        for my $way (qw(object extensions before)) {
            refused("response, original in $way, $id", '\w+', wrapped_response($way, $new_id));
        }
        for my $way ('first', 'last', 'object', 'around', 'advice', 'extensions', 'signed extensions') {
            refused("assertion, $way, $id", '\w+', wrapped_assertion($way, $new_id));
        }
    }
    refused('two assertions, both signed', 'assertion_count', response(sign_response => 0, edit => sub {
        my ($doc) = @_;
        my $two = Forge::parse($IDP->assertion(request => 'x'))->documentElement;
        $doc->adoptNode($two);
        $doc->documentElement->appendChild($two);
        Forge::sign($two, key => $IDP->{key});
    }));
    refused('the same assertion twice', '\w+', response(sign_response => 0, edit => sub {
        my $root = $_[0]->documentElement;
        $root->appendChild(Forge::find($root, 'a:Assertion')->cloneNode(1));
    }));
};

# ---- text that two readers read differently -----------------------------------------------------

subtest 'ways of writing' => sub {
    my %only = (sign_response => 0);
    for my $o ([{}, 'all signed'], [{%only}, 'assertion signed']) {
        my ($how, $name) = @$o;
        refused("CDATA splits a value, $name", 'xml: a CDATA section', changed(sub { $_[0] =~ s/>forged1</>for<![CDATA[ged1]]></r }, %$how));
        refused("a value is CDATA, $name", 'xml: a CDATA section', changed(sub { $_[0] =~ s/>forged1</><![CDATA[forged1]]></r }, %$how));
        refused("CDATA in the name, $name", 'xml: a CDATA section', changed(sub { $_[0] =~ s/(<saml:NameID[^>]*>)(.)/$1<![CDATA[$2]]>/r }, %$how));
        refused("comment in a value, $name", 'xml: a comment', changed(sub { $_[0] =~ s/>forged1</>forged<!-- -->1</r }, %$how));
        refused("comment in the name, $name", 'xml: a comment', changed(sub { $_[0] =~ s/(<saml:NameID[^>]*>..)/$1<!-- -->/r }, %$how));
        refused("processing instruction, $name", 'xml: a processing instruction', changed(sub { $_[0] =~ s/>forged1</>for<?x y?>ged1</r }, %$how));
    }
    refused('DTD', 'xml: a document type declaration', changed(sub { "<!DOCTYPE r>$_[0]" }));
    refused('DTD that makes IDs', 'xml: a document type declaration',
        changed(sub { "<!DOCTYPE Response [<!ATTLIST samlp:Response ID ID #IMPLIED>]>$_[0]" }));
    refused('external entity', 'xml: a document type declaration',
        changed(sub { qq{<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>} . $_[0] =~ s/>forged1</>&e;</r }));
    refused('entity bomb', 'xml: a document type declaration',
        changed(sub { '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' . join('', map { my $n = chr(ord('a') + $_); my $m = chr(ord('a') + $_ - 1);
                "<!ENTITY $n \"" . "&$m;" x 10 . '">' } 1 .. 9) . "]>" . $_[0] =~ s/>forged1</>&j;</r }));
    refused('another document after', 'xml: not well-formed', changed(sub { "$_[0]<x/>" }));
    refused('NUL', 'xml: a NUL', changed(sub { $_[0] =~ s/>forged1</>forged1\0</r }));
    refused('UTF-16', 'xml: .*', changed(sub { "\xff\xfe" . join '', map { "$_\0" } split //, $_[0] }));
    refused('another encoding', 'xml: .*', changed(sub { qq{<?xml version="1.0" encoding="ISO-8859-1"?>$_[0]} }));
    refused('not XML', 'xml: .*', sub { encode_base64('hello', '') });
    refused('not base64', 'base64', sub { '<xml>' });
    refused('nothing', '(base64|form)', sub { '' });
    refused('base64 with a tail', 'base64', sub { Forge::post_form($IDP->response(request => $_[0])) . '!' });
    refused('deep', 'xml: nested too deep', response(attributes => { uid => ['forged1'] }, edit => sub {
        my ($doc) = @_;
        my $at = $doc->documentElement;
        $at = $at->appendChild($doc->createElement('x')) for 1 .. 200;
    }));
    refused('wide', 'xml: too many elements', response(sign_response => 0, edit => sub {
        my ($doc) = @_;
        $doc->documentElement->appendChild($doc->createElement('x')) for 1 .. 21_000;
    }));
    refused('large', '(size|xml: too long)', response(attributes => { uid => ['x' x 1_100_000] }));
};

# ---- meant for somebody else, some other time, some other question ------------------------------

subtest 'not for us' => sub {
    refused('other audience', 'audience', response(audience => 'https://other.invalid/'));
    refused('no audience', 'audience', response(audience => undef));
    refused('two audience restrictions, one not us', 'audience', response(restrictions =>
            join '', map { "<saml:AudienceRestriction><saml:Audience>$_</saml:Audience></saml:AudienceRestriction>" }
            url('/saml_post'), 'https://other.invalid/'));
    refused('several audiences, none is us', 'audience', response(restrictions =>
            '<saml:AudienceRestriction><saml:Audience>https://a.invalid/</saml:Audience>'
            . '<saml:Audience>https://b.invalid/</saml:Audience></saml:AudienceRestriction>'));
    refused('other recipient', 'recipient', response(recipient => 'https://other.invalid/saml_post'));
    refused('no recipient', 'recipient', response(recipient => undef));
    refused('other destination', 'destination', response(destination => 'https://other.invalid/saml_post'));
    refused('no destination', 'destination', response(destination => undef));
    refused('destination is the Host header of the request', 'destination', response(destination => url('/saml_post') . '/'));
    refused('other issuer', 'issuer', response(issuer => 'https://evil.invalid/', response_issuer => 'https://evil.invalid/'));
    refused('other issuer of the assertion', '(issuer|lasso -?\d+)', response(issuer => 'https://evil.invalid/'));
    refused('no issuer', '(issuer|lasso -427)', response(issuer => undef, response_issuer => undef));
    refused('no conditions', 'conditions', response(conditions => ''));
    refused('a condition we do not know', 'element', response(restrictions =>
            '<saml:AudienceRestriction><saml:Audience>' . url('/saml_post') . '</saml:Audience></saml:AudienceRestriction>'
            . '<saml:Condition xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x"/>'));
    refused('no confirmation', '(confirmation|lasso -?\d+)', response(confirmation => ''));
    refused('holder of key', '(confirmation|lasso -?\d+)', response(method => 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key'));
    refused('sender vouches', '(confirmation|lasso -?\d+)', response(method => 'urn:oasis:names:tc:SAML:2.0:cm:sender-vouches'));
    refused('no name', '(subject|lasso -?\d+)', response(name_id => undef));
    refused('empty name', '(subject|lasso -?\d+)', response(name_id => ''));
    refused('no AuthnStatement', '(authn_statement|lasso -?\d+)', response(authn => ''));
    refused('the identity provider says no', 'no_assertion', response(body => ' ', status =>
            'urn:oasis:names:tc:SAML:2.0:status:Responder'));
    refused('no, but with an assertion', 'status', response(status => 'urn:oasis:names:tc:SAML:2.0:status:Requester'));
};

subtest 'not now' => sub {
    refused('expired', 'expired', response(confirm_end => Forge::stamp(-61), end => Forge::stamp(-61)));
    refused('conditions expired', 'expired', response(end => Forge::stamp(-61)));
    refused('confirmation expired', 'expired', response(confirm_end => Forge::stamp(-61)));
    refused('confirmation never expires', 'confirmation', response(confirm_end => undef));
    refused('confirmation with a beginning', 'confirmation', response(confirm_start => Forge::stamp(-100)));
    refused('not yet valid', 'not_yet_valid', response(start => Forge::stamp(120)));
    refused('issued in the future', 'not_yet_valid', response(issued => Forge::stamp(120)));
    refused('session already over', 'session_expired', response(session_end => Forge::stamp(-1)));
    refused('local time', 'time', response(confirm_end => substr(Forge::stamp(300), 0, 19)));
    refused('time with an offset', 'time', response(end => substr(Forge::stamp(300), 0, 19) . '+00:00'));
    refused('no time at all', 'time', response(end => 'tomorrow'));
    refused('a day that is not', 'time', response(end => '2099-02-30T00:00:00Z'));
};

subtest 'not asked' => sub {
    refused('unsolicited', 'in_response_to', response(in_response_to => undef, confirm_in_response_to => undef));
    refused('answer to another question', 'in_response_to', response(in_response_to => '_other', confirm_in_response_to => '_other'));
    refused('response to ours, confirmation to another', 'in_response_to', response(confirm_in_response_to => '_other'));
    refused('confirmation to ours, response to another', 'in_response_to', response(in_response_to => '_other'));

    my $other = begin();
    refused("answer to another browser's question", 'in_response_to',
        sub { Forge::post_form($IDP->response(request => $other->{request})) });
    my $mine = begin();
    security_texts(1);
    judge("another browser's relay state", 'other_browser', $mine,
        deliver({ %$mine, relay => $other->{relay} }, Forge::post_form($IDP->response(request => $other->{request}))));
    judge('a relay state nobody made', 'relay_state', $mine,
        deliver({ %$mine, relay => '0' x 64 }, Forge::post_form($IDP->response(request => $mine->{request}))));
    judge('a relay state that is an address', 'relay_state', $mine,
        deliver({ %$mine, relay => 'https://evil.invalid/' }, Forge::post_form($IDP->response(request => $mine->{request}))));
};

# ---- what would end Lasso's process before it looks at a signature --------------------------------

subtest 'elements out of place' => sub {
    my %unsigned = (sign_assertion => 0, sign_response => 0);
    my $xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
    refused('a LogoutRequest in a value', 'element', changed(sub { $_[0] =~ s{>forged1<}{><samlp:LogoutRequest/><}r }, %unsigned));
    refused('a value said to be a LogoutRequest', 'type',
        changed(sub { $_[0] =~ s{<saml:AttributeValue>forged1}{<saml:AttributeValue $xsi xsi:type="samlp:LogoutRequest">forged1}r }, %unsigned));
    refused('extensions', 'element', changed(sub { $_[0] =~ s{(<samlp:Status>)}{<samlp:Extensions/>$1}r }, %unsigned));
    refused('an unknown element', 'element', changed(sub { $_[0] =~ s{(<saml:Subject>)}{<x xmlns="urn:x"/>$1}r }, %unsigned));
    refused('an encrypted name', 'element', changed(sub { $_[0] =~ s{<saml:NameID.*</saml:NameID>}{<saml:EncryptedID/>}r }, %unsigned));
    accepted('a value of type xs:string', response(sign_assertion => 0, edit => sub {
        my $value = Forge::find($_[0], "//a:Attribute[\@Name='uid']/a:AttributeValue");
        $value->setNamespace('http://www.w3.org/2001/XMLSchema', 'xs', 0);
        $value->setAttributeNS('http://www.w3.org/2001/XMLSchema-instance', 'xsi:type', 'xs:string');
    }));
    unlike(join("\n", log_since('httpd')), qr/exit signal/, 'no server process ended');
};

# ---- twice --------------------------------------------------------------------------------------

subtest 'replay' => sub {
    my $b = begin();
    my $value = Forge::post_form($IDP->response(request => $b->{request}));
    is(deliver($b, $value)->{status}, 303, 'the first time it is good');
    my $again = { %$b, jar => jar() };
    security_texts(1);
    judge('the same answer from another browser', '(relay_state|other_browser)', $again, deliver($again, $value));

    my $id = Forge::new_id();
    accepted('an assertion', response(assertion_id => $id));
    refused('its id again, in answer to another question', 'replay', response(assertion_id => $id));
    my $node = Smarter::Sanitized->new('none');
    my ($there, $used) = (begin(), begin());
    is(deliver($there, response()->($there->{request}), $node->url(''))->{status}, 303, 'another web node takes answers to our questions');
    is(deliver($used, response(assertion_id => $id)->($used->{request}), $node->url(''))->{status}, 403, 'but none that was used here');
    ok(!signed_in($used), 'nobody is signed in');
    is_deeply([$node->stop], [], 'and it ends in peace');
    is(sql_one('SELECT count(*) FROM signin.used_assertion WHERE assertion_id = ' . quote($id)), 1, 'it stands in the table');
    is(sql_one('SELECT count(*) FROM signin.used_request WHERE request_id = ' . quote($b->{request})), 1, 'so does our question');
    $b = begin();
    sql('INSERT INTO signin.used_request (request_id, not_after) VALUES (' . quote($b->{request}) . ', now())');
    security_texts(1);
    judge('a question that was answered', 'replay', $b, deliver($b, Forge::post_form($IDP->response(request => $b->{request}))));
};

subtest 'the table of used assertions is away' => sub {
    allow_log(qr/used assertion/, qr/SB0?(1612|1613|3104)/, qr/judging an answer/);
    sql('REVOKE INSERT ON signin.used_assertion FROM smarter_web');
    my $b = begin();
    security_texts(1);
    my $answer = deliver($b, Forge::post_form($IDP->response(request => $b->{request})));
    sql('GRANT INSERT ON signin.used_assertion TO smarter_web');
    is($answer->{status}, 503, 'try again later');
    ok(!signed_in($b), 'nobody is signed in');
    is(join('|', security_texts(1)), 'sign-in refused: replay_store', 'one security event');
    accepted('when it is back', response());
};

# ---- who is who ---------------------------------------------------------------------------------

subtest 'what values become' => sub {
    my $b = accepted('nested and empty values', response(edit => sub {
        my ($doc) = @_; # the response's signature covers this
        Forge::find($doc, "//a:Attribute[\@Name='mail']/a:AttributeValue/text()")->setData('');
        my $value = Forge::find($doc, "//a:Attribute[\@Name='fullName']/a:AttributeValue");
        $value->removeChildNodes;
        $value->appendChild($doc->createElementNS($Forge::NS{a}, 'saml:NameID'))->appendText('Bold');
    }, sign_assertion => 0));
    my $info = json(get('/services/userinfo', jar => $b->{jar}))->{user_info}{_User__info};
    is($info->{name}{fullName}, undef, 'a value with elements is none');
    is($info->{name}{lastName}, 'Forged', 'the others are there');

    $b = accepted('a person without guid', response(attributes => { uid => ['x1'], memberOf => ['||GENERAL||||||nc|NC|||||||||'] }));
    $info = json(get('/services/userinfo', jar => $b->{jar}))->{user_info}{_User__info};
    is_deeply([@$info{qw(guid uid)}], ['x1', 'x1'], 'is known by his uid');
    refused('roles, but nobody who has them', 'no_user', response(attributes => { memberOf => ['||PII||||||nc|NC|||||||||'] }));
    refused('no attribute at all', 'no_user', response(attributes => {}));
};

cmp_ok($refusals, '>=', 111, "$refusals messages were refused");
finish();
