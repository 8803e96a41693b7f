# Keys that are replaced, theirs and ours, without anybody noticing, by a graceful restart each; and what else
# may be configured of requests: signed or not, the password each time, sign-ins that begin elsewhere.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use File::Copy ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Forge;
use Smarter::Idp;
use Smarter::Test;

need('httpd', 'memcached', 'postgres');

my $idp = Smarter::Idp->new;
my $DIR = $idp->{dir};
my $HOME = '/assets/html/index.html';

sub forge {
    my ($key, $cert) = @_;
    return Forge->new(key => $key, cert => $cert, issuer => $Smarter::Idp::ID, sp => url('/saml_post'), acs => url('/saml_post'));
}

sub xml_of { my ($b) = @_; return Forge::inflate(decode_base64(query_value("?$b->{query}", 'SAMLRequest'))) }

sub request_of { my ($b) = @_; return (xml_of($b) =~ /\bID="([^"]*)"/)[0] }

# "303 " or "403 sign-in refused: ..." of what is made for a fresh request
sub outcome {
    my ($make) = @_;
    my $b = $idp->begin;
    $idp->events;
    my $answer = $idp->deliver($b, $make->($b));
    return join ' ', $answer->{status}, map { s/\Asign-in refused: //r } $idp->events;
}

sub by { my ($forge, %o) = @_; return sub { Forge::post_form($forge->response(request => request_of($_[0]), %o)) } }

sub sealed_for {
    my ($cert) = @_;
    return by(forge($idp->{key}, $idp->{cert}), encrypt => sub { $idp->seal($_[0], cert => $cert) });
}

# ---- the identity provider's ------------------------------------------------------------------------

my ($new_key, $new_cert) = Smarter::Idp::make_pair($DIR, 'new');

subtest "the identity provider's key" => sub {
    my $old = forge($idp->{key}, $idp->{cert});
    my $new = forge($new_key, $new_cert);
    is(outcome(by($old)), '303', 'signed by its key');
    is(outcome(by($new)), '403 signature', 'not by one that its metadata does not have');
    spew("$DIR/idp.xml", Smarter::Idp::metadata($idp->{cert}, $new_cert));
    is(outcome(by($new)), '403 signature', 'nor by one that is in the file, while nobody has read it');
    $idp->configure;
    is(outcome(by($old)), '303', 'after a graceful restart: signed by the old one');
    is(outcome(by($new)), '303', 'and by the new one');
    is(outcome(by($new, sign_assertion => { key => $idp->{key}, cert => $idp->{cert} })), '303', 'and by both');
    spew("$DIR/idp.xml", Smarter::Idp::metadata($new_cert));
    $idp->configure;
    is(outcome(by($old)), '403 signature', 'when the old one has gone: not by it');
    is(outcome(by($new)), '303', 'by the new one');
    File::Copy::copy("$DIR/new.key", "$DIR/idp.key") or die $!;
    $idp->{cert} = $new_cert;
    is(outcome(sub { $idp->answer($_[0]) }), '303', 'also when it signs itself');
};

# ---- ours -------------------------------------------------------------------------------------------------

my ($our_key, $our_cert) = map { env('SMARTER_VAR') . "/tls/sp.$_" } 'key', 'pem';
my ($next_key, $next_cert) = Smarter::Idp::make_pair($DIR, 'next');

sub base64_of {
    my ($der) = slurp($_[0]) =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    $der =~ s/\s//g;
    return $der;
}

my %name = (base64_of($our_cert) => 'old', base64_of($next_cert) => 'new');

# "signing old, encryption old": the keys of our metadata
sub announced {
    my $xml = get($idp->url('/saml_metadata'))->{body};
    unlike($xml, qr/PRIVATE/, 'no secret in our metadata');
    return join ', ', map { my ($use, $der) = @$_; "$use " . ($name{$der} // 'unknown') }
        map { [/use="(\w+)".*<ds:X509Certificate>([^<]*)</s] } $xml =~ m{(<md:KeyDescriptor.*?</md:KeyDescriptor>)}gs;
}

# Who signed the request of a fresh sign-in?
sub signer {
    my $b = $idp->begin;
    my ($signed, $signature) = $b->{query} =~ /(.*)&Signature=(.*)/ or return 'nobody';
    spew("$DIR/signed", $signed);
    spew("$DIR/signature", decode_base64(query_value("?Signature=$signature", 'Signature')));
    for my $case ([old => $our_cert], [new => $next_cert]) {
        system("openssl x509 -in $case->[1] -noout -pubkey >$DIR/public");
        return $case->[0] if system("openssl dgst -sha256 -verify $DIR/public -signature $DIR/signature $DIR/signed >/dev/null 2>&1") == 0;
    }
    return 'somebody';
}

subtest 'our key' => sub {
    is(announced(), 'signing old, encryption old', 'before');
    is(outcome(sealed_for($our_cert)), '303', 'opened with our key');
    is(outcome(sealed_for($next_cert)), '403 encrypted', 'not with one that we do not have');

    $idp->configure('auth.saml.sp_key.next' => $next_key, 'auth.saml.sp_cert.next' => $next_cert);
    is(announced(), 'signing old, signing new, encryption old, encryption new', 'the next one is announced');
    is(signer(), 'old', 'but does not sign');
    is(outcome(sealed_for($our_cert)), '303', 'opened with ours');
    is(outcome(sealed_for($next_cert)), '303', 'and with the next one');
    my $announced = slurp("$DIR/sp.xml");

    $idp->configure('auth.saml.sp_key' => $next_key, 'auth.saml.sp_cert' => $next_cert, 'auth.saml.sp_key.next' => undef,
        'auth.saml.sp_cert.next' => undef, 'auth.saml.sp_key.previous' => $our_key, 'auth.saml.sp_cert.previous' => $our_cert);
    is(announced(), 'signing new, signing old, encryption new', 'the old one goes: nobody should begin to encrypt for it');
    is(signer(), 'new', 'the new one signs');
    spew("$DIR/sp.xml", $announced);
    is(outcome(sub { $idp->answer($_[0]) }), '303', 'the provider accepts it by the metadata it got before');
    is(outcome(sealed_for($our_cert)), '303', 'what is on its way for the old one is opened');
    is(outcome(sealed_for($next_cert)), '303', 'and what is for the new one');

    $idp->configure('auth.saml.sp_key.previous' => undef, 'auth.saml.sp_cert.previous' => undef);
    is(announced(), 'signing new, encryption new', 'afterwards');
    is(outcome(sealed_for($our_cert)), '403 encrypted', 'the old one is forgotten');
};

# ---- requests -------------------------------------------------------------------------------------------

my $mine = forge($new_key, $new_cert);

# An AuthnStatement of so many seconds ago.
sub authn {
    my ($ago) = @_;
    return '<saml:AuthnStatement AuthnInstant="' . Forge::stamp(-$ago) . '" SessionIndex="_s"><saml:AuthnContext><saml:AuthnContextClassRef>'
        . 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>';
}

sub unsolicited { return $mine->response(request => undef, @_); }

sub deliver_unasked {
    my ($xml, %o) = @_;
    my $b = { jar => jar(), relay => $o{relay} };
    $idp->events;
    my $answer = $idp->deliver($b, Forge::post_form($xml));
    return (join(' ', $answer->{status}, map { s/\Asign-in refused: //r } $idp->events), $answer, $b);
}

subtest 'as they are' => sub {
    my $acs = url('/saml_post');
    my $xml = xml_of($idp->begin);
    like($xml, qr/ AssertionConsumerServiceURL="\Q$acs\E"/, 'a request says where the answer goes');
    unlike($xml, qr/AssertionConsumerServiceIndex|ForceAuthn="(?:true|1)"/, 'not by a number, and the password need not be asked for');
    my $b = $idp->begin;
    is($idp->deliver($b, by($mine, authn => authn(7200), attributes => { guid => ["keys$$"], memberOf => ['||GENERAL||||||nc|NC|||||||||'] })->($b))->{headers}{location}, url($HOME),
        'who signed in there two hours ago comes in');
    is((deliver_unasked(unsolicited()))[0], '403 form', 'who begins there does not');
    is((deliver_unasked(unsolicited(), relay => 'x'))[0], '403 relay_state', 'nor with a relay state');
};

subtest 'as configured' => sub {
    is(outcome(by($mine, end => Forge::stamp(-20))), '303', 'clocks may differ by a minute');
    spew("$DIR/idp.xml", Smarter::Idp::metadata({ unsigned => 1 }, $new_cert));
    $idp->configure('auth.clock_skew' => '0s', map { ("auth.saml.$_->[0]" => $_->[1]) } [sign_requests => 'False'], [force_authn => 'True'], [idp_initiated => 'True'], [acs_index => 7]);
    my $b = $idp->begin;
    my $xml = xml_of($b);
    is(signer(), 'nobody', 'requests are not signed');
    like($xml, qr/ ForceAuthn="true"/, 'ask for the password');
    like($xml, qr/ AssertionConsumerServiceIndex="7"/, 'and say by a number where the answer goes');
    unlike($xml, qr/AssertionConsumerServiceURL|ProtocolBinding/, 'and not twice');
    my $metadata = get($idp->url('/saml_metadata'))->{body};
    like($metadata, qr/AuthnRequestsSigned="false".* index="7"/s, 'our metadata says both');
    is(outcome(sub { $idp->answer($_[0]) }), '303', 'the provider finds the way');
    is(outcome(by($mine, end => Forge::stamp(-20))), '403 expired', 'clocks agree');
    is(outcome(by($mine, authn => authn(60))), '303', 'who has just proved who he is comes in');
    is(outcome(by($mine, authn => authn(720))), '403 authn_instant', 'who did long ago does not');

    my ($said, $answer, $who) = deliver_unasked(unsolicited());
    is($said, '303', 'who begins there comes in');
    is($answer->{headers}{location}, url($HOME), 'to the start page');
    ok($idp->signed_in($who->{jar}), 'and is signed in');
    ($said, $answer, $who) = deliver_unasked(unsolicited(), relay => 'https://evil.invalid/');
    is("$said $answer->{headers}{location}", '303 ' . url($HOME), 'whatever its relay state');
    my ($unasked) = ($idp->ask(unsolicited => 'elsewhere', 'uid@' => 'lasso1', 'memberOf@' => '||GENERAL||||||nc|NC|||||||||'))[2];
    is((deliver_unasked(decode_base64($unasked), relay => 'elsewhere'))[0], '303', "the provider's own");
    my $once = unsolicited();
    deliver_unasked($once);
    is((deliver_unasked($once))[0], '403 replay', 'but only once');
    is((deliver_unasked($mine->response(request => '_some')))[0], '403 in_response_to', 'not with the answer to some request');
    is((deliver_unasked(unsolicited(sign_assertion => 0, sign_response => 0)))[0], '403 signature', 'not unsigned');
    my ($stranger) = Forge::stranger();
    is((deliver_unasked(unsolicited(sign_assertion => { key => $stranger }, sign_response => { key => $stranger })))[0], '403 signature', 'nor signed by a stranger');
    is((deliver_unasked(unsolicited(audience => 'https://other.invalid/')))[0], '403 audience', 'nor for somebody else');
    is((deliver_unasked(unsolicited(end => Forge::stamp(-61))))[0], '403 expired', 'nor too late');
    $b = $idp->begin;
    $idp->events;
    is($idp->deliver($b, Forge::post_form(unsolicited()))->{status}, 403, 'and not in answer to a request that was made');
    is(join('|', $idp->events), 'sign-in refused: in_response_to', 'which is one event');

    my $out = get($idp->url('/logout'), jar => $who->{jar}, headers => { Accept => 'text/html', 'Sec-Fetch-Site' => 'same-origin' });
    like($out->{headers}{location}, qr/SAMLRequest=.*&Signature=/, 'sign-out is signed all the same');
};

is(join("\n", $idp->stop), '', 'no process ended');
finish();
