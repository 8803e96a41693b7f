# Attacks on the sign-in that need a provider of ours: it is on Lasso, reads and verifies our requests, and
# answers them with everything sound but for one thing. Each is refused with a page that helps, leaves one
# security event with its reason and no session, and no process ends. docs/security.md has the whole list.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Forge;
use Smarter::Idp;
use Smarter::Test;

need('httpd', 'memcached', 'postgres', 'idp');

my $idp = Smarter::Idp->new;
my $EVIL = '||SUPER_USER||||||nc|NC|||||||||';
my $refusals = 0;

# Nobody came in, one event says why, and the person is told what to do.
sub is_refused {
    my ($what, $reason, $b, $answer) = @_;
    my @bad;
    push @bad, "status $answer->{status}" if $answer->{status} != 403;
    push @bad, 'a session' if grep { /\A__Host-smarter[^;]*=[^;]/ } @{ $answer->{cookies} };
    push @bad, 'signed in' if $idp->signed_in($b->{jar});
    push @bad, 'no page that helps' if $answer->{body} !~ m{href="/login"[^>]*>Sign in again<};
    push @bad, 'the page tells what it was given' if $answer->{body} =~ /lasso1|SUPER_USER|EVIL/;
    my @told = grep { !/\Atold to sign in/ } $idp->events;
    push @bad, 'events: ' . join ' | ', @told if @told != 1 || $told[0] !~ /\Asign-in refused: $reason\z/;
    is(join('; ', @bad), '', "$what: refused");
    $refusals++;
}

# What is made of a sound answer's XML is refused, for that reason.
sub refused {
    my ($what, $reason, $make, @knobs) = @_;
    my $b = $idp->begin;
    $idp->events;
    is_refused($what, $reason, $b, $idp->deliver($b, encode_base64($make->($idp->answer_xml($b, @knobs), $b), '')));
}

# An answer bent by the provider itself.
sub bent { my ($what, $reason, @knobs) = @_; refused($what, $reason, sub { $_[0] }, @knobs) }

# A sound answer, changed as text.
sub changed {
    my ($what, $reason, $edit) = @_;
    refused($what, $reason, sub { my $new = $edit->($_[0]); die "$what changes nothing" if $new eq $_[0]; $new });
}

subtest 'sound' => sub {
    my $b = $idp->begin;
    my $answer = $idp->deliver($b, $idp->answer($b));
    is($answer->{status}, 303, 'an answer of the second provider signs in');
    my $user = json(get($idp->url('/services/userinfo'), jar => $b->{jar}))->{user_info}{_User__info};
    is($user->{uid}, 'lasso1', 'whom it names');
    is_deeply($user->{roles}, ['GENERAL'], 'with the role it gives');
    for my $alg (qw(sha384 sha512)) {
        $b = $idp->begin;
        is($idp->deliver($b, $idp->answer($b, sign => $alg))->{status}, 303, "signed with RSA and $alg");
    }
    is(join('|', $idp->events), '', 'without a warning');
    $b = $idp->begin;
    (my $query = $b->{query}) =~ s/(SAMLRequest=..)./$1A/;
    ok(!eval { $idp->ask(answer => $query) }, 'and the provider takes no request of ours that was changed: it reads them');
};

subtest 'bent by the provider itself' => sub {
    bent('for another audience', 'audience', audience => 'https://other.invalid/');
    bent('without conditions', 'conditions', conditions => 'none');
    bent('holder of key', 'confirmation', method => 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key');
    bent('to another request', 'in_response_to', request => '_other');
    bent('sent elsewhere', 'destination', acs => 'https://other.invalid/saml_post');
    bent('expired', 'expired', shift => -400);
    bent('from the future', 'not_yet_valid', shift => 300);
    bent('a session that is over', 'session_expired', session_end => -1);
    bent('of another issuer', 'issuer', issuer => 'https://evil.invalid/');
    changed('unsigned', 'signature', sub { $_[0] =~ s{<Signature .*?</Signature>}{}gsr });
    bent('a response without a signature around a signed assertion of another', 'audience', sign => 'none', audience => 'https://other.invalid/');
    bent('RSA-SHA1', 'algorithm', sign => 'sha1');
    bent('no success', 'status', status => 'urn:oasis:names:tc:SAML:2.0:status:Responder');
};

# ---- XML signature wrapping: the eight variants of Somorovsky et al., "On Breaking SAML" ---------------
# The signed original is somewhere in the message, evil stands where it would be read.

sub evil {
    my ($element) = @_;
    Forge::find($element, ".//a:Attribute[\@Name='memberOf']/a:AttributeValue/text()")->setData($EVIL);
    Forge::find($element, './/a:NameID/text()')->setData('EVIL');
    $element->setAttribute(ID => '_evil');
    return $element;
}

sub bare {
    my ($element) = @_;
    my $copy = $element->cloneNode(1);
    $copy->removeChild($_) for Forge::find($copy, 'd:Signature');
    return $copy;
}

sub holder {
    my ($doc, $prefix, $ns, $name, $child) = @_;
    my $holder = $doc->createElementNS($Forge::NS{$ns}, "$prefix:$name");
    $holder->appendChild($child);
    return $holder;
}

# $edit->($doc, $root, $assertion, $evil, $its_signature); evil is a changed copy with another ID.
my @wrapping = (
    ['XSW1: signed response inside the signature of an evil one', 1, sub {
        my ($doc, $root, $signature) = @_;
        my $original = bare($root);
        evil($root);
        $signature->appendChild($original);
    }],
    ['XSW2: signed response before the signature of an evil one', 1, sub {
        my ($doc, $root, $signature) = @_;
        my $original = bare($root);
        evil($root);
        $root->insertBefore($original, $signature);
    }],
    ['XSW3: evil assertion before the signed one', 0, sub { $_[1]->insertBefore(bare($_[3]), $_[2]) }],
    ['XSW4: evil assertion around the signed one', 0, sub {
        my ($doc, $root, $assertion, $evil) = @_;
        $root->replaceChild(my $outer = bare($evil), $assertion);
        $outer->appendChild($assertion);
    }],
    ['XSW5: evil assertion with the signature, the original after it', 0, sub {
        my ($doc, $root, $assertion, $evil) = @_;
        $root->replaceChild($evil, $assertion);
        $root->appendChild(bare($assertion));
    }],
    ['XSW6: evil assertion with the signature, the original inside it', 0, sub {
        my ($doc, $root, $assertion, $evil, $signature) = @_;
        $root->replaceChild($evil, $assertion);
        $signature->appendChild(bare($assertion));
    }],
    ['XSW7: evil assertion in extensions', 0, sub {
        my ($doc, $root, $assertion, $evil) = @_;
        $root->insertBefore(holder($doc, samlp => 'p', Extensions => bare($evil)), $assertion);
    }],
    ['XSW8: evil assertion with the signature, the original in an object of it', 0, sub {
        my ($doc, $root, $assertion, $evil, $signature) = @_;
        $root->replaceChild($evil, $assertion);
        $signature->appendChild(holder($doc, ds => 'd', Object => bare($assertion)));
    }],
);

subtest 'signature wrapping' => sub {
    for my $case (@wrapping) {
        my ($what, $of_response, $edit) = @$case;
        refused($what, '(element|assertion_count|signature_reference|duplicate_id)', sub {
            my $doc = Forge::parse($_[0]);
            my $root = $doc->documentElement;
            my $assertion = Forge::find($root, 'a:Assertion');
            my $signature = Forge::find($root, 'd:Signature');
            if ($of_response) {
                $edit->($doc, $root, $signature);
            }
            else {
                $root->removeChild($signature) if $signature;
                my $evil = evil($assertion->cloneNode(1));
                $edit->($doc, $root, $assertion, $evil, Forge::find($evil, 'd:Signature'));
            }
            return $root->toString;
        });
    }
};

# ---- signatures -----------------------------------------------------------------------------------------

sub algorithm { my ($element, $uri) = @_; return sub { $_[0] =~ s{(<(?:\w+:)?$element Algorithm=")[^"]*}{$1$uri}gr } }

subtest 'signatures' => sub {
    my $other = $idp->begin;
    my ($theirs) = Forge::find(Forge::parse($idp->answer_xml($other)), '//a:Assertion/d:Signature');
    refused("another document's signature", 'signature_reference', sub {
        my $doc = Forge::parse($_[0]);
        my $mine = Forge::find($doc, '//a:Assertion/d:Signature');
        $doc->adoptNode($theirs);
        $mine->replaceNode($theirs);
        return $doc->documentElement->toString;
    });
    refused("another document's signature, made to refer to this one", 'signature', sub {
        my $doc = Forge::parse($_[0]);
        my $values = Forge::find(Forge::parse($idp->answer_xml($other)), '//a:Assertion/d:Signature/d:SignatureValue/text()');
        Forge::find($doc, '//a:Assertion/d:Signature/d:SignatureValue/text()')->setData($values->data);
        return $doc->documentElement->toString;
    });
    changed('RSA-MD5', 'algorithm', algorithm(SignatureMethod => 'http://www.w3.org/2001/04/xmldsig-more#rsa-md5'));
    changed('an MD5 digest', 'digest', algorithm(DigestMethod => 'http://www.w3.org/2001/04/xmldsig-more#md5'));
    changed('no algorithm by name', 'algorithm', algorithm(SignatureMethod => 'none'));
    changed('no algorithm at all', 'algorithm', algorithm(SignatureMethod => ''));
    changed('no digest by name', 'digest', algorithm(DigestMethod => 'none'));
    changed('a transform to nothing', 'transform', algorithm(Transform => 'none'));
    changed('a transform of XSLT', 'transform', algorithm(Transform => 'http://www.w3.org/TR/1999/REC-xslt-19991116'));
    changed('a transform by XPath', 'transform', algorithm(Transform => 'http://www.w3.org/TR/1999/REC-xpath-19991116'));
    changed('a filter by XPath', 'transform', algorithm(Transform => 'http://www.w3.org/2002/06/xmldsig-filter2'));
    changed('decoding as transform', 'transform', algorithm(Transform => 'http://www.w3.org/2000/09/xmldsig#base64'));
    changed('a signature without value', 'signature', sub { $_[0] =~ s{(<(?:\w+:)?SignatureValue>)[^<]*}{$1}gr });
    changed('one ID for response and assertion', 'duplicate_id', sub {
        my ($id) = $_[0] =~ /\bID="([^"]*)"/;
        return $_[0] =~ s{(<saml:Assertion[^>]* ID=")[^"]*}{$1$id}r;
    });
};

# ---- size and number ----------------------------------------------------------------------------------

subtest 'much' => sub {
    bent('10,000 attributes', '(size|xml: too many elements)', many => 10_000);
    bent('6,000 attributes', 'attributes', many => 6000);
    bent('an attribute of 1 MB', '(size|xml: too long)', long => 1024 * 1024);
    my $b = $idp->begin;
    is($idp->deliver($b, $idp->answer($b, 'uid@' => 'lasso1', 'memberOf@' => '||GENERAL||||||nc|NC|||||||||', long => 300_000))->{status}, 303,
        'one of 300 kB does not matter');
};

# ---- base64 and compression ------------------------------------------------------------------------------

subtest 'packing' => sub {
    my $b = $idp->begin;
    my $value = $idp->answer($b);
    for my $case (
        ['cut short' => substr($value, 0, 1001)], ['padding inside' => substr($value, 0, 10) . '==' . substr($value, 10)],
        ['the alphabet of addresses' => $value =~ tr{+/}{-_}r . '-_'], ['a control character' => substr($value, 0, 100) . "\x01" . substr($value, 100)],
        ['percent signs' => $value . '%3D']
        ) {
        my $fresh = $idp->begin;
        $idp->events;
        is_refused("base64: $case->[0]", 'base64', $fresh, $idp->deliver($fresh, $case->[1]));
    }
    my $fresh = $idp->begin;
    $idp->events;
    is_refused('deflated, as if it came by redirect', 'xml: .*', $fresh,
        $idp->deliver($fresh, encode_base64(Forge::deflate(decode_base64($value)), '')));
};

# ---- unasked ---------------------------------------------------------------------------------------------

subtest 'nobody asked' => sub {
    my (undef, undef, $value) = $idp->ask(unsolicited => '', 'uid@' => 'lasso1');
    my $b = { jar => jar(), relay => undef };
    $idp->events;
    is_refused('an answer of the provider alone', 'form', $b, $idp->deliver($b, $value));
    $b = { jar => jar(), relay => '' };
    is_refused('with an empty relay state', 'relay_state', $b, $idp->deliver($b, $value));
    $b = { jar => jar(), relay => 'https://evil.invalid/' };
    is_refused('with an address for relay state', 'relay_state', $b, $idp->deliver($b, $value));
    $b = $idp->begin;
    is_refused('with the relay state of a request', 'in_response_to', $b, $idp->deliver($b, $value));
    my $victim = $idp->begin;
    $b = $idp->begin;
    is_refused("an answer to somebody else's request", 'in_response_to', $b, $idp->deliver($b, $idp->answer($victim)));
};

# ---- sign-out of others -------------------------------------------------------------------------------

sub logout_query { my ($url) = @_; my ($query) = $url =~ /\?(.*)/; return $query }

sub arrive { return get($idp->url("/logout_redirect?$_[0]"), jar => $_[1] // jar(), headers => { Accept => 'text/html', 'Sec-Fetch-Site' => 'cross-site' }) }

subtest "somebody else's name" => sub {
    my $b = $idp->begin;
    is($idp->deliver($b, $idp->answer($b, name_id => '_mine', index => '_s1'))->{status}, 303, 'somebody signs in');
    my $query = logout_query($idp->ask(leave => '_others', index => '_s1'));
    $idp->events(0);
    is(arrive($query, $b->{jar})->{status}, 302, 'a LogoutRequest for a name we do not know is answered');
    is(join('|', $idp->events(0)), 'signed out by the identity provider, sessions ended: 0', 'and ends nothing');
    ok($idp->signed_in($b->{jar}), 'not even the session of the browser that brought it');
    $query = logout_query($idp->ask(leave => '_mine', index => '_s1'));
    my $forged = logout_query($idp->ask(leave => '_others', index => '_s1'));
    my ($message) = $forged =~ /(SAMLRequest=[^&]*)/;
    (my $spliced = $query) =~ s/SAMLRequest=[^&]*/$message/;
    $idp->events;
    is(arrive($spliced)->{status}, 403, 'one name put into the message of another');
    is(join('|', $idp->events), 'sign-out message refused: signature', 'is one event');
    is(arrive(logout_query($idp->ask(leave => '_mine', index => '_s1', issuer => 'https://evil.invalid/')))->{status}, 403, 'of another issuer');
    like(join('|', $idp->events), qr/\Asign-out message refused: (?:issuer|signature|lasso -?\d+)\z/, 'is one event');
    ok($idp->signed_in($b->{jar}), 'still signed in');
    is(arrive($query)->{status}, 302, "the provider's own message");
    ok(!$idp->signed_in($b->{jar}), 'ends the session');
    $b = $idp->begin;
    $idp->deliver($b, $idp->answer($b));
    my $out = get($idp->url('/logout'), jar => $b->{jar}, headers => { Accept => 'text/html', 'Sec-Fetch-Site' => 'same-origin' });
    my ($back) = $idp->ask(logout => logout_query($out->{headers}{location}));
    is(arrive(logout_query($back), $b->{jar})->{status}, 303, 'signing out here, the provider reads our request and we its answer') or diag(join '|', $idp->events);
};

# ---- cookies of others ---------------------------------------------------------------------------------

subtest "another tenant's cookie" => sub {
    my $b = $idp->begin;
    is($idp->deliver($b, $idp->answer($b, 'uid@' => 'g1', 'memberOf@' => '||GENERAL||||||ga|GA|||||||||'))->{status}, 303,
        'somebody of a tenant that is not here signs in');
    $idp->events;
    my $answer = post_json($idp->url('/data/comparing_populations'), { stateCode => 'NC' }, jar => $b->{jar});
    is($answer->{status}, 403, 'and sees nothing of this one');
    like(join('|', $idp->events), qr/\Aforbidden: [^|]+\z/, 'which is one event');

    # Another installation that shares our caches has other secrets.
    my $stranger = Smarter::Idp->new('auth.session.secret' => 'another secret of another place');
    $b = $stranger->begin;
    is($stranger->deliver($b, $stranger->answer($b))->{status}, 303, 'somebody signs in at another installation');
    ok($stranger->signed_in($b->{jar}), 'where his cookie is good');
    ok(!$idp->signed_in($b->{jar}), 'and here it is nobody');
    $b = $stranger->begin;
    $idp->events;
    is_refused('its question, answered here', 'relay_state', $b, $idp->deliver($b, $stranger->answer($b)));
    is(join("\n", $stranger->stop), '', 'no process of it ended');
};

cmp_ok($refusals, '>=', 50, "$refusals messages were refused");
is(join("\n", $idp->stop), '', 'no process ended');
finish();
