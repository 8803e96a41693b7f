package Forge;

# Makes SAML messages of every kind, sound and hostile: an identity provider whose each part can be
# bent. Signs and encrypts by openssl, so that nothing here shares code with what is tested.
#
#   my $idp = Forge->new(key => ..., cert => ..., issuer => ..., sp => ..., acs => ...);
#   my $xml = $idp->response(request => $id);                      # sound
#   my $xml = $idp->response(request => $id, audience => 'x');     # for somebody else
#   Forge::post_form($xml);                                        # its SAMLResponse

use strict;
use warnings;
use Compress::Raw::Zlib qw(MAX_WBITS Z_OK Z_STREAM_END);
use Digest::SHA ();
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX 'strftime';
use XML::LibXML;

our %NS = (
    p => 'urn:oasis:names:tc:SAML:2.0:protocol',
    a => 'urn:oasis:names:tc:SAML:2.0:assertion',
    d => 'http://www.w3.org/2000/09/xmldsig#',
    e => 'http://www.w3.org/2001/04/xmlenc#',
);
our $BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
our $SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
my $C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';
my %SIGNATURE = (
    sha1 => "$NS{d}rsa-sha1",
    sha256 => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    sha512 => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
);
my %DIGEST = (sha1 => "$NS{d}sha1", sha256 => "$NS{e}sha256", sha512 => "$NS{e}sha512");

my $scratch = File::Temp::tempdir(CLEANUP => 1);
my $serial = 0;

sub new {
    my ($class, %self) = @_;
    return bless {%self}, $class;
}

# A key pair of nobody: files (key, certificate).
sub stranger {
    my $key = "$scratch/stranger.key";
    my $cert = "$scratch/stranger.pem";
    system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=stranger -days 2 -keyout $key -out $cert 2>/dev/null") == 0
        or die "openssl req failed\n";
    return ($key, $cert);
}

# UTC, so many seconds from now.
sub stamp { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + ($_[0] // 0))) }

sub new_id { return sprintf '_f%d%06d%06d', $$, ++$serial, rand 1e6 }

sub escape {
    my ($text) = @_;
    my %name = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    $text =~ s/([&<>"])/$name{$1}/g;
    return $text;
}

# attribute text ' Name="value"', or nothing for undef
sub att { return defined $_[1] ? " $_[0]=\"" . escape($_[1]) . '"' : '' }

# ---- openssl ------------------------------------------------------------------------------------

sub openssl {
    my ($input, @args) = @_;
    my $file = "$scratch/input$$";    # several processes may sign
    open my $out, '>:raw', $file or die $!;
    print {$out} $input;
    close $out;
    open my $in, '-|', 'openssl', @args, $file or die $!;
    binmode $in;
    local $/;
    my $result = <$in>;
    close $in or die "openssl @args failed\n";
    return $result;
}

sub random {
    my ($count) = @_;
    open my $in, '<:raw', '/dev/urandom' or die $!;
    read($in, my $octets, $count) == $count or die $!;
    return $octets;
}

sub signature_of {
    my ($octets, $key, $hash) = @_;
    return encode_base64(openssl($octets, 'dgst', "-$hash", '-sign', $key), '');
}

# ---- XML signatures -----------------------------------------------------------------------------

sub parse { return XML::LibXML->load_xml(string => $_[0], no_network => 1) }

sub find {
    my ($node, $path) = @_;
    my $xpc = XML::LibXML::XPathContext->new($node);
    $xpc->registerNs($_, $NS{$_}) for keys %NS;
    my @found = $xpc->findnodes($path);
    return wantarray ? @found : $found[0];
}

# Sign an element that has an ID, by an enveloped signature behind its Issuer.
# Options: key, cert, alg, digest, uri, c14n, transforms (text), more (text inside Signature)
sub sign {
    my ($element, %o) = @_;
    my $alg = $o{alg} // 'sha256';
    my $hash = $o{digest} // $alg;
    my $value = encode_base64(Digest::SHA->new($hash)->add($element->toStringEC14N(0))->digest, '');
    my $uri = $o{uri} // '#' . $element->getAttribute('ID');
    my $transforms = $o{transforms}
        // qq{<ds:Transform Algorithm="$NS{d}enveloped-signature"/><ds:Transform Algorithm="$C14N"/>};
    my $c14n = $o{c14n} // $C14N;
    my $x509 = '';
    if ($o{cert}) {
        open my $in, '<', $o{cert} or die $!;
        local $/;
        ($x509) = <$in> =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
        $x509 =~ s/\s//g;
        $x509 = "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>$x509</ds:X509Certificate></ds:X509Data></ds:KeyInfo>";
    }
    my $sig = parse(qq{<ds:Signature xmlns:ds="$NS{d}"><ds:SignedInfo>}
            . qq{<ds:CanonicalizationMethod Algorithm="$c14n"/>}
            . qq{<ds:SignatureMethod Algorithm="@{[$o{method} // $SIGNATURE{$alg}]}"/>}
            . qq{<ds:Reference URI="$uri"><ds:Transforms>$transforms</ds:Transforms>}
            . qq{<ds:DigestMethod Algorithm="$DIGEST{$hash}"/><ds:DigestValue>$value</ds:DigestValue>}
            . qq{</ds:Reference></ds:SignedInfo><ds:SignatureValue>SIGNATURE</ds:SignatureValue>$x509}
            . ($o{more} // '') . '</ds:Signature>')->documentElement;
    $element->ownerDocument->adoptNode($sig);
    my $issuer = find($element, 'a:Issuer');
    $issuer ? $element->insertAfter($sig, $issuer) : $element->insertBefore($sig, $element->firstChild);
    my $info = find($sig, 'd:SignedInfo');
    my $text = find($sig, 'd:SignatureValue/text()');
    $text->setData(signature_of($info->toStringEC14N(0), $o{key}, $alg));
    return $sig;
}

# ---- responses ----------------------------------------------------------------------------------

# The assertion's text. Any part can be replaced: a text, or undef to leave it out.
sub assertion {
    my ($self, %o) = @_;
    my %v = (
        assertion_id => new_id(), version => '2.0', issued => stamp(), issuer => $self->{issuer},
        name_id => '_n' . new_id(), method => $BEARER, recipient => $self->{acs},
        confirm_in_response_to => $o{request}, confirm_end => stamp(300), confirm_start => undef,
        start => stamp(-30), end => stamp(300), audience => $self->{sp},
        session_index => '_s' . new_id(), session_end => stamp(8 * 3600),
        attributes => {
            uid => ['forged1'], guid => ['5d7ee2b4-0000-4000-8000-000000000001'], mail => ['forged1@nc.example.org'],
            fullName => ['Fay Forged'], firstName => ['Fay'], lastName => ['Forged'],
            memberOf => ['||GENERAL||||||nc|NC|||||||||'],
        },
        %o,
    );
    my $attributes = join '', map {
        my $name = $_;
        qq{<saml:Attribute Name="$name">}
            . join('', map { '<saml:AttributeValue>' . escape($_) . '</saml:AttributeValue>' } @{ $v{attributes}{$name} })
            . '</saml:Attribute>'
    } sort keys %{ $v{attributes} };
    my $audience = exists $v{restrictions} ? $v{restrictions} : defined $v{audience}
        ? '<saml:AudienceRestriction><saml:Audience>' . escape($v{audience}) . '</saml:Audience></saml:AudienceRestriction>' : '';
    my $conditions = exists $v{conditions} ? $v{conditions}
        : '<saml:Conditions' . att('NotBefore', $v{start}) . att('NotOnOrAfter', $v{end}) . ">$audience</saml:Conditions>";
    my $confirmation = exists $v{confirmation} ? $v{confirmation}
        : '<saml:SubjectConfirmation' . att('Method', $v{method}) . '><saml:SubjectConfirmationData'
        . att('NotBefore', $v{confirm_start}) . att('NotOnOrAfter', $v{confirm_end}) . att('Recipient', $v{recipient})
        . att('InResponseTo', $v{confirm_in_response_to}) . '/></saml:SubjectConfirmation>';
    my $authn = exists $v{authn} ? $v{authn}
        : '<saml:AuthnStatement' . att('AuthnInstant', stamp()) . att('SessionIndex', $v{session_index})
        . att('SessionNotOnOrAfter', $v{session_end})
        . '><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password'
        . '</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>';
    return qq{<saml:Assertion xmlns:saml="$NS{a}"} . att('ID', $v{assertion_id}) . att('Version', $v{version})
        . att('IssueInstant', $v{issued}) . '>'
        . (defined $v{issuer} ? '<saml:Issuer>' . escape($v{issuer}) . '</saml:Issuer>' : '')
        . '<saml:Subject>' . (defined $v{name_id}
            ? qq{<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">} . escape($v{name_id}) . '</saml:NameID>' : '')
        . "$confirmation</saml:Subject>$conditions$authn<saml:AttributeStatement>$attributes</saml:AttributeStatement>"
        . '</saml:Assertion>';
}

# A whole response as octets. More options: response_id, destination, in_response_to, response_issuer,
# response_issued, status, body (text instead of the assertion);
# sign_assertion, sign_response: hash of options for sign(), 0 for unsigned;
# edit => sub(document): a change after the assertion is signed and before the response is;
# encrypt => sub(text): the EncryptedAssertion of it; encrypt_edit => sub(text): a change of what is encrypted.
sub response {
    my ($self, %o) = @_;
    my %v = (
        response_id => new_id(), response_version => '2.0', response_issued => stamp(), destination => $self->{acs},
        in_response_to => $o{request}, response_issuer => $self->{issuer}, status => $SUCCESS, %o,
    );
    my $doc = parse(qq{<samlp:Response xmlns:samlp="$NS{p}" xmlns:saml="$NS{a}"} . att('ID', $v{response_id})
            . att('Version', $v{response_version}) . att('IssueInstant', $v{response_issued})
            . att('Destination', $v{destination}) . att('InResponseTo', $v{in_response_to}) . '>'
            . (defined $v{response_issuer} ? '<saml:Issuer>' . escape($v{response_issuer}) . '</saml:Issuer>' : '')
            . qq{<samlp:Status><samlp:StatusCode Value="$v{status}"/></samlp:Status>}
            . ($v{body} // $self->assertion(%o)) . '</samlp:Response>');
    my %key = (key => $self->{key}, cert => $self->{cert});
    for my $assertion (find($doc, '/p:Response/a:Assertion')) {
        sign($assertion, %key, %{ $o{sign_assertion} || {} }) unless defined $o{sign_assertion} && !$o{sign_assertion};
        encrypt($doc, $assertion, %o) if $o{encrypt};
    }
    $o{edit}->($doc) if $o{edit};
    sign($doc->documentElement, %key, %{ $o{sign_response} || {} }) unless defined $o{sign_response} && !$o{sign_response};
    return $doc->documentElement->toString;
}

# Replace an assertion by its encrypted form.
sub encrypt {
    my ($doc, $assertion, %o) = @_;
    my $text = $assertion->toString;
    $text = $o{encrypt_edit}->($text) if $o{encrypt_edit};
    my $new = parse($o{encrypt}->($text))->documentElement;
    $doc->adoptNode($new);
    $assertion->parentNode->replaceChild($new, $assertion);
}

# Octets as the form value SAMLResponse.
sub post_form { return encode_base64($_[0], '') }

# ---- redirect binding ---------------------------------------------------------------------------

sub deflate {
    my ($octets) = @_;
    my ($z, $st) = Compress::Raw::Zlib::Deflate->new(-WindowBits => -MAX_WBITS(), -AppendOutput => 1);
    my $out = '';
    $st == Z_OK && $z->deflate($octets, $out) == Z_OK && $z->flush($out) == Z_OK or die 'deflate';
    return $out;
}

sub inflate {
    my ($octets) = @_;
    my ($z, $st) = Compress::Raw::Zlib::Inflate->new(-WindowBits => -MAX_WBITS());
    my $out = '';
    $st == Z_OK && $z->inflate($octets, $out) == Z_STREAM_END or die 'inflate';
    return $out;
}

sub percent {
    my ($text) = @_;
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

# The raw query of a message: query('SAMLRequest', $xml, relay => ..., key => ..., alg => ...);
# key => 0 leaves it unsigned.
sub query {
    my ($self, $name, $xml, %o) = @_;
    my $alg = $o{alg} // 'sha256';
    my $query = "$name=" . percent(encode_base64(deflate($xml), ''));
    $query .= '&RelayState=' . percent($o{relay}) if defined $o{relay};
    return $query if defined $o{key} && !$o{key};
    $query .= '&SigAlg=' . percent($SIGNATURE{$alg});
    return "$query&Signature=" . percent(signature_of($query, $o{key} // $self->{key}, $alg));
}

# A LogoutRequest's text: name_id, session_index, destination, issuer, issued, end, id.
sub logout_request {
    my ($self, %o) = @_;
    my %v = (id => new_id(), issued => stamp(), end => stamp(300), destination => $self->{slo},
        issuer => $self->{issuer}, %o);
    return qq{<samlp:LogoutRequest xmlns:samlp="$NS{p}" xmlns:saml="$NS{a}"} . att('ID', $v{id}) . ' Version="2.0"'
        . att('IssueInstant', $v{issued}) . att('NotOnOrAfter', $v{end}) . att('Destination', $v{destination}) . '>'
        . '<saml:Issuer>' . escape($v{issuer}) . '</saml:Issuer>'
        . (defined $v{name_id}
            ? qq{<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">} . escape($v{name_id}) . '</saml:NameID>' : '')
        . (defined $v{session_index} ? '<samlp:SessionIndex>' . escape($v{session_index}) . '</samlp:SessionIndex>' : '')
        . ($v{more} // '') . '</samlp:LogoutRequest>';
}

# A LogoutResponse's text: request, destination, issuer, status.
sub logout_response {
    my ($self, %o) = @_;
    my %v = (id => new_id(), issued => stamp(), destination => $self->{slo}, issuer => $self->{issuer},
        status => $SUCCESS, %o);
    return qq{<samlp:LogoutResponse xmlns:samlp="$NS{p}" xmlns:saml="$NS{a}"} . att('ID', $v{id}) . ' Version="2.0"'
        . att('IssueInstant', $v{issued}) . att('Destination', $v{destination}) . att('InResponseTo', $v{request}) . '>'
        . '<saml:Issuer>' . escape($v{issuer}) . '</saml:Issuer>'
        . qq{<samlp:Status><samlp:StatusCode Value="$v{status}"/></samlp:Status></samlp:LogoutResponse>};
}

1;
