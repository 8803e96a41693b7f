package Smarter::Idp;

# The second identity provider, on Lasso (t/saml/idp.c), and a httpd that trusts it: another implementation
# than SimpleSAMLphp and than Forge, which reads our requests, verifies them and bends its answers by knobs.
#
#   my $idp = Smarter::Idp->new('auth.saml.force_authn' => 'True');   # what else stands in that server's ini
#   my $b = $idp->begin;                                        # a browser that was sent to it
#   my $answer = $idp->deliver($b, $idp->answer($b, audience => 'https://other.invalid/'));
#   my @texts = $idp->events;                                   # security warnings since the last call
#
# Databases and caches are the stack's; keys, metadata and logs its own.

use strict;
use warnings;
use IPC::Open2 ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Smarter::Sanitized;
use Smarter::Test qw(:DEFAULT !url);

our $ID = 'https://idp.invalid/metadata';
our $SSO = 'https://idp.invalid/sso';
our $SLO = 'https://idp.invalid/slo';
my %PERSON = (uid => 'lasso1', guid => 'guid-lasso1', mail => 'lasso1@nc.example.org', fullName => 'Lee Lasso',
    memberOf => '||GENERAL||||||nc|NC|||||||||');

# Files of a new key pair: (key, certificate)
sub make_pair {
    my ($dir, $name) = @_;
    system("umask 077; openssl req -x509 -newkey rsa:2048 -nodes -sha256 -subj /CN=$name -days 2 -keyout $dir/$name.key -out $dir/$name.pem 2>/dev/null") == 0
        or die "openssl req failed\n";
    return ("$dir/$name.key", "$dir/$name.pem");
}

sub key_descriptor {
    my ($cert, $use) = @_;
    my ($der) = slurp($cert) =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    return qq{<KeyDescriptor use="$use"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>}
        . "<ds:X509Certificate>$der</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>";
}

# Change the server's ini and have it begin anew: the old processes finish what they do, the new ones know.
sub configure {
    my ($self, %ini) = @_;
    my $server = $self->{server};
    %{ $server->{ini} } = (%{ $server->{ini} }, %ini);
    $server->write_ini;
    my @old = $server->children;
    $server->graceful;
    wait_until(30, 'the new processes', sub { my %now = map { $_ => 1 } $server->children; !grep { $now{$_} } @old });
    wait_until(30, 'the server to answer', sub { get($self->url('/services/ready'))->{status} == 200 });
    $self->greet;
}

# Its metadata, with these certificates for signing; { unsigned => 1 } first: it takes unsigned requests.
sub metadata {
    my $opt = ref $_[0] ? shift : {};
    my (@certs) = @_;
    my $want = $opt->{unsigned} ? 'false' : 'true';
    my $redirect = 'Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"';
    return qq{<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="$ID">}
        . qq{<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" WantAuthnRequestsSigned="$want">}
        . join('', map { key_descriptor($_, 'signing') } @certs)
        . qq{<SingleLogoutService $redirect Location="$SLO"/><SingleSignOnService $redirect Location="$SSO"/>}
        . "</IDPSSODescriptor></EntityDescriptor>\n";
}

sub new {
    my ($class, %ini) = @_;
    my $dir = tmpdir();
    my $self = bless { dir => $dir, seen => 0 }, $class;
    @{$self}{qw(key cert)} = make_pair($dir, 'idp');
    spew("$dir/idp.xml", metadata($self->{cert}));
    $self->{server} = Smarter::Sanitized->new('none', 'auth.idp.metadata' => "$dir/idp.xml", 'logging.security' => "file:$dir/security.log", %ini);
    $self->greet;
    return $self;
}

# Give it our metadata as it is served.
sub greet {
    my ($self) = @_;
    spew("$self->{dir}/sp.xml", get($self->url('/saml_metadata'))->{body});
    return if $self->{pid};
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    $self->{pid} = IPC::Open2::open2($self->{out}, $self->{in}, "$ENV{SMARTER_BUILD}/t/saml/idp", $self->{dir});
}

sub server { return $_[0]{server} }

sub url { return $_[0]{server}->url($_[1]) }

# A command of t/saml/idp.c, which says what they are: what it answers. Dies with its complaint.
sub ask {
    my ($self, $verb, $subject, @knobs) = @_;
    my @words;
    while (my ($name, $value) = splice @knobs, 0, 2) { push @words, "$name=$value" }
    print { $self->{in} } join("\t", $verb, $subject, @words), "\n";
    $self->{in}->flush;
    defined(my $line = readline $self->{out}) or die "the identity provider ended at: $verb @words\n";
    chomp $line;
    my ($how, @parts) = split /\t/, $line;
    die "the identity provider: @parts\n" if $how ne 'ok';
    return @parts;
}

# A browser sent to it: { jar, query, relay }
sub begin {
    my ($self, $jar) = @_;
    $jar //= jar();
    my $answer = get($self->url('/login'), jar => $jar, headers => { Accept => 'text/html' });
    my ($query) = ($answer->{headers}{location} // '') =~ /\A\Q$SSO\E\?(.*)/ or die "not sent to the identity provider: $answer->{status}\n";
    return { jar => $jar, query => $query, relay => query_value("?$query", 'RelayState') };
}

# What it answers to that browser's request, base64. Knobs of the program; NAME@ => value for attributes.
sub answer {
    my ($self, $b, @knobs) = @_;
    push @knobs, map { ("$_@" => $PERSON{$_}) } sort keys %PERSON unless grep { defined && /\@\z/ } @knobs;
    my (undef, $relay, $value) = $self->ask(answer => $b->{query}, @knobs);
    die "it lost the relay state\n" if $relay ne $b->{relay};
    return $value;
}

# The same as XML.
sub answer_xml { return decode_base64(answer(@_)) }

# A text, encrypted by the knobs of "seal": an EncryptedAssertion.
sub seal { my ($self, $text, %knobs) = @_; return ($self->ask(seal => encode_base64($text, ''), %knobs))[0] }

sub deliver {
    my ($self, $b, $value, %more) = @_;
    return post($self->url('/saml_post'), jar => $b->{jar}, headers => { Origin => 'https://idp.invalid', 'Sec-Fetch-Site' => 'cross-site' },
        form => { SAMLResponse => $value, defined $b->{relay} ? (RelayState => $b->{relay}) : (), %more });
}

sub signed_in { return get($_[0]->url('/services/userinfo'), jar => $_[1])->{status} == 200 }

# Texts of the security events of a type (1: warnings) since the last call.
sub events {
    my ($self, $type) = @_;
    my $file = "$self->{dir}/security.log";
    my @all = map { JSON::PP->new->utf8->decode($_)->{msg} } -e $file ? split /\n/, slurp($file) : ();
    my @new = @all[$self->{seen} .. $#all];
    $self->{seen} = @all;
    return map { $_->{msg} } grep { $_->{type} == ($type // 1) } @new;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    close $self->{in};
    waitpid $pid, 0;
    return $self->{server}->stop;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    $self->stop;
}

1;
