# Encrypted assertions, of three who encrypt: SimpleSAMLphp for real, Lasso, and one who encrypts anything.
# What is inside is judged as if it had come plain; what cannot be opened looks alike, whatever is wrong.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Forge;
use Smarter::Idp;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my $VAR = env('SMARTER_VAR');
my $US = url('/saml_post');
my $OUR_CERT = "$VAR/tls/sp.pem";

# ---- for real ---------------------------------------------------------------------------------------

# With more lines in what SimpleSAMLphp knows of us, for as long as the sub takes.
sub with_idp_setting {
    my ($lines, $do) = @_;
    my $file = "$VAR/idp/metadata/saml20-sp-remote.php";
    my $before = slurp($file);
    spew($file, "$before\n$lines\n");
    my $ok = eval { $do->(); 1 };
    my $why = $@;
    spew($file, $before);
    die $why if !$ok;
}

subtest 'SimpleSAMLphp' => sub {
    for my $how (['as it does by itself', ''], ['by AES-GCM', qq{\$metadata['$US']['sharedkey_algorithm'] = 'http://www.w3.org/2009/xmlenc11#aes128-gcm';}]) {
        my ($what, $more) = @$how;
        with_idp_setting(qq{\$metadata['$US']['assertion.encryption'] = true;} . $more, sub {
            my $form = idp_answer('district');
            my $xml = decode_base64($form->{SAMLResponse});
            ok($xml =~ /EncryptedAssertion/, "$what: it encrypts");
            ok($xml !~ /district1|Brien/, "$what: and nobody reads who it is");
            my $answer = deliver_answer($form);
            is($answer->{status}, 303, "$what: accepted");
            is(json(get('/services/userinfo', jar => $form->{jar}))->{user_info}{_User__info}{name}{lastName}, "O'Brien & S\x{f6}n <x>", "$what: and read");
        });
    }
    like(get('/saml_metadata')->{body}, qr{use="encryption".*xmlenc11#aes256-gcm.*rsa-oaep-mgf1p}s, 'our metadata says what we open');
};

# ---- anything ---------------------------------------------------------------------------------------

my $idp = Smarter::Idp->new;
my $forge = Forge->new(key => $idp->{key}, cert => $idp->{cert}, issuer => $Smarter::Idp::ID,
    sp => url('/saml_post'), acs => url('/saml_post'), slo => url('/logout_redirect'));
my ($STRANGER, $STRANGER_CERT) = Forge::stranger();

sub request_of { my ($b) = @_; return (Forge::inflate(decode_base64(query_value("?$b->{query}", 'SAMLRequest'))) =~ /\bID="([^"]*)"/)[0] }

# ( status, page, event ) of what is made for a fresh request
sub outcome {
    my ($make) = @_;
    my $b = $idp->begin;
    $idp->events;
    my $answer = $idp->deliver($b, $make->($b));
    my $in = $idp->signed_in($b->{jar});
    return { status => $answer->{status}, page => $answer->{body}, in => $in, event => join('|', $idp->events), jar => $b->{jar} };
}

# A forged response, sealed by those knobs.
sub sealed {
    my ($knobs, %o) = @_;
    return sub {
        my ($b) = @_;
        Forge::post_form($forge->response(request => request_of($b), encrypt => sub { $idp->seal($_[0], cert => $OUR_CERT, %$knobs) }, %o));
    };
}

sub accepted {
    my ($what, $make) = @_;
    my $o = outcome($make);
    is("$o->{status} $o->{event}", '303 ', "$what: accepted");
    ok($o->{in}, "$what: signed in");
    return $o;
}

my @pages;

sub refused {
    my ($what, $reason, $make) = @_;
    my $o = outcome($make);
    is("$o->{status} $o->{event}", "403 sign-in refused: $reason", "$what: refused");
    ok(!$o->{in} && $o->{page} !~ /forged1/, "$what: nobody is signed in");
    push @pages, $o->{page} =~ s{mention [^<]*}{}r if $reason eq 'encrypted';
}

subtest 'Lasso' => sub {
    accepted('AES-128 and OAEP', sub { $idp->answer($_[0], encrypt => 'aes128', transport => 'oaep') });
    accepted('AES-256 and OAEP', sub { $idp->answer($_[0], encrypt => 'aes256', transport => 'oaep') });
    refused('PKCS#1 padding', 'encrypted', sub { $idp->answer($_[0], encrypt => 'aes128', transport => 'pkcs1') });
    refused('Triple DES', 'encrypted', sub { $idp->answer($_[0], encrypt => '3des', transport => 'oaep') });
    refused('AES-CBC in an unsigned response', 'encrypted', sub { $idp->answer($_[0], encrypt => 'aes256', transport => 'oaep', sign => 'none') });
    refused('for somebody else', 'audience', sub { $idp->answer($_[0], encrypt => 'aes128', transport => 'oaep', audience => 'https://other.invalid/') });
    refused('to another request', 'in_response_to', sub { $idp->answer($_[0], encrypt => 'aes128', transport => 'oaep', request => '_other') });
};

subtest 'what is inside' => sub {
    my $o = accepted('everything signed', sealed({}));
    is(json(get($idp->url('/services/userinfo'), jar => $o->{jar}))->{user_info}{_User__info}{uid}, 'forged1', 'and it is he');
    accepted('only the assertion inside is signed', sealed({}, sign_response => 0));
    accepted('the key beside the data, SHA-256', sealed({ peer => 1, transport => 'oaep11', digest => 'sha256' }));
    refused('unsigned', 'signature', sealed({}, sign_assertion => 0, sign_response => 0));
    refused('unsigned in a signed response', 'signature', sealed({}, sign_assertion => 0));
    refused('signed by a stranger', 'signature', sealed({}, sign_assertion => { key => $STRANGER }));
    refused('in a response signed by a stranger', 'signature', sealed({}, sign_response => { key => $STRANGER }));
    refused('signed by RSA-SHA1', 'encrypted', sealed({}, sign_assertion => { alg => 'sha1' }));
    refused('changed before it was encrypted', 'signature', sealed({}, sign_response => 0, encrypt_edit => sub { $_[0] =~ s/\|GENERAL\|/|PII|/r }));
    refused('changed in a signed response', 'signature', sub { encode_base64(decode_base64(sealed({})->($_[0])) =~ s/status:Success"/status:Success" x="y"/r, '') });
    refused('a comment in the name', 'encrypted', sealed({}, encrypt_edit => sub { $_[0] =~ s/>forged1</>forged<!-- -->1</r }));
    refused('CDATA', 'encrypted', sealed({}, encrypt_edit => sub { $_[0] =~ s/>forged1</><![CDATA[forged1]]></r }));
    refused('a DTD', 'encrypted', sealed({}, encrypt_edit => sub { qq{<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>$_[0]} }));
    refused('no assertion', 'encrypted', sealed({}, encrypt_edit => sub { '<x/>' }));
    refused("an element that ends Lasso's process", 'encrypted',
        sealed({}, sign_response => { key => $idp->{key} }, encrypt_edit => sub { $_[0] =~ s{>forged1<}{><samlp:LogoutRequest xmlns:samlp="$Forge::NS{p}"/><}r }));
    refused('two assertions', 'encrypted', sealed({}, encrypt_edit => sub { $_[0] . $_[0] }));
    refused('an encrypted one', 'encrypted', sealed({}, encrypt_edit => sub { $idp->seal($_[0], cert => $OUR_CERT) }));
    refused('a bomb', 'encrypted', sealed({}, sign_response => 0, encrypt_edit => sub { $_[0] =~ s/>forged1</'>' . '<x>' x 100 . '<'/er }));
    refused('a plain one beside it', 'assertion_count', sealed({}, edit => sub {
        my ($doc) = @_;
        my $two = Forge::parse($forge->assertion(request => 'x'))->documentElement;
        $doc->adoptNode($two);
        $doc->documentElement->appendChild($two);
    }));
};

# One answer and one event for all of them, signed or not: nothing to learn from trying.
subtest 'no oracle' => sub {
    for my $signed (1, 0) {
        my %o = $signed ? () : (sign_response => 0);
        refused("a foreign key, $signed", 'encrypted', sealed({ cert => $STRANGER_CERT }, %o));
        refused("a bit of the key, $signed", 'encrypted', sealed({ bend_key => 1 }, %o));
        refused("a bit of the content, $signed", 'encrypted', sealed({ bend_content => 1 }, %o));
        refused("a bit of AES-CBC's content, $signed", 'encrypted', sealed({ content => 'aes256-cbc', bend_content => 1 }, %o));
        refused("AES-CBC cut by a block, $signed", 'encrypted', sealed({ content => 'aes256-cbc', cut => 16 }, %o));
        refused("cut, $signed", 'encrypted', sealed({ cut => 5 }, %o));
        refused("PKCS#1 padding, $signed", 'encrypted', sealed({ transport => 'pkcs1' }, %o));
        refused("PKCS#1 padding for a foreign key, $signed", 'encrypted', sealed({ transport => 'pkcs1', cert => $STRANGER_CERT }, %o));
    }
    refused('AES-CBC, which nobody vouches for', 'encrypted', sealed({ content => 'aes256-cbc' }, sign_response => 0));
    accepted('the same in a signed response', sealed({ content => 'aes256-cbc' }));
    my %different = map { $_ => 1 } @pages;
    cmp_ok(scalar @pages, '>', 20, scalar(@pages) . ' were not opened');
    is(scalar keys %different, 1, 'and were told the same');
};

# ---- as configured --------------------------------------------------------------------------------------

subtest 'required and refused' => sub {
    $idp->configure('auth.saml.encryption' => 'required');
    accepted('required: encrypted', sealed({}));
    refused('required: plain', 'not_encrypted', sub { Forge::post_form($forge->response(request => request_of($_[0]))) });
    $idp->configure('auth.saml.encryption' => 'accepted', 'auth.saml.require_signed_response' => 'True');
    accepted('a signed response is required', sealed({}));
    refused('a signed response is required, and is not', 'signature', sealed({}, sign_response => 0));
    $idp->configure('auth.saml.encryption' => 'refused', 'auth.saml.require_signed_response' => undef);
    refused('refused: encrypted', 'encrypted', sealed({}));
    accepted('refused: plain', sub { Forge::post_form($forge->response(request => request_of($_[0]))) });
    unlike(get($idp->url('/saml_metadata'))->{body}, qr/use="encryption"/, 'and our metadata does not ask for it');
};

is(join("\n", $idp->stop), '', 'no process ended');
finish();
