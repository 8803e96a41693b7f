package Smarter::Verifier;

# An OAuth 2 server that tells about bearer tokens (verifier.pl), and the lines of an ini by which ours asks it.
#
#   my $as = Smarter::Verifier->new;
#   my $server = Smarter::Sanitized->new('none', $as->ini, 'auth.oauth2.cache' => '5s');
#   my $token = $as->give('PII', roles => [['PII', 'nc', 'NC']], exp => time + 60);
#   get($server->url('/data'), headers => bearer($token));
#   $as->asked($token);           # how often; without a token: all questions
#   $as->mode('silent');          # see verifier.pl

use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Smarter::Test qw(:DEFAULT !url);

our @EXPORT = qw(bearer);
my $json = JSON::PP->new->canonical->utf8;
my @started;

# Options: cert, key => files; the stack's server's without.
sub new {
    my ($class, %opt) = @_;
    my $dir = tmpdir();
    my $tls = env('SMARTER_VAR') . '/tls';
    my $self = bless { dir => $dir, tokens => {}, n => 0 }, $class;
    $self->mode('ok');
    my $r = Smarter::Test::run({ background => 1 }, $^X, top() . '/t/lib/Smarter/verifier.pl', $dir,
        $opt{cert} // "$tls/server.pem", $opt{key} // "$tls/server.key");
    push @started, $r->{pid};
    $self->{pid} = $r->{pid};
    wait_until(10, 'the verifier to listen', sub { -e "$dir/port" });
    $self->{port} = slurp("$dir/port");
    return $self;
}

END {
    local $?;
    kill 'KILL', -$_ for @started;
    waitpid $_, 0 for @started;
}

sub url { return "https://localhost:$_[0]{port}$_[1]" }

sub ini {
    my ($self) = @_;
    return ('auth.oauth2.introspection_url' => $self->url('/introspect'), 'auth.oauth2.client_id' => 'smarter',
        'auth.oauth2.client_secret' => 'verifier-sesame', 'auth.oauth2.ca_file' => env('SMARTER_CA'),
        'auth.oauth2.audience' => '*', 'auth.oauth2.refused_per_minute' => 0);
}

sub mode { spew("$_[0]{dir}/mode", $_[1]) }

# give(name, more of the answer): a new token. roles => [[role, tenant, state, district, school], ...] become chains; raw
# => text is the whole answer instead; status => ...; prefix => how verifier.pl is to behave.
sub give {
    my ($self, $name, %answer) = @_;
    my ($raw, $status, $prefix) = delete @answer{qw(raw status prefix)};
    my $token = ($prefix // '') . "$name-" . $self->{n}++ . '-SECRET.~+/' . sprintf('%x', rand 1e9) . '==';
    my $chains = join ',', map { my ($role, $tenant, $state, $district, $school) = map { $_ // '' } @{$_}[0 .. 4];
        "||$role||||||$tenant|$state|||$district|Name, of it|||$school|Other|" } @{ delete $answer{roles} // [] };
    my %all = (active => JSON::PP::true, sbacUUID => "guid-$name", client_id => 'client-1', $chains ? (sbacTenancyChain => $chains) : (), %answer);
    delete @all{ grep { !defined $all{$_} } keys %all };
    $self->set($token, $status // 200, $raw // $json->encode(\%all));
    return $token;
}

# What it says of a token from now on.
sub set {
    my ($self, $token, $status, $text) = @_;
    $self->{tokens}{$token} = [$status, $text];
    spew("$self->{dir}/tokens.new", $json->encode($self->{tokens}));
    rename "$self->{dir}/tokens.new", "$self->{dir}/tokens";
}

sub asked {
    my ($self, $token) = @_;
    return () unless -e "$self->{dir}/log";
    return grep { !defined $token || $_->{token} eq $token } map { $json->decode($_) } split /\n/, slurp("$self->{dir}/log");
}

sub bearer { return { Authorization => "Bearer $_[0]" } }

1;
