# What httpd -t says of the pickup zone's configuration: what is missing is named, and each face wants what it needs.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use Smarter::Test;
use Smarter::Pickup;

need('pickup');
my $dir = tmpdir();
my $ini = slurp(env('SMARTER_PICKUP_INI'));
my $n = 0;

# httpd -t with a face, lines of the ini replaced (undef: gone), and lines of httpd's: [exit status, what it says]
sub judged {
    my ($face, $ini_change, $conf_change) = @_;
    my $text = $ini;
    for my $key (keys %{ $ini_change // {} }) {
        $text =~ s/^\Q$key\E = .*\n//m;
        $text .= "$key = $ini_change->{$key}\n" if defined $ini_change->{$key};
    }
    my $conf = slurp(env('SMARTER_VAR') . "/pickup-$face/httpd.conf");
    $n++;
    $conf =~ s/^Define HPZ_INI .*/Define HPZ_INI $dir\/$n.ini/m;
    $conf_change->($conf) if $conf_change;
    spew("$dir/$n.ini", $text);
    my $said = `/usr/sbin/apache2 -t @{[$ENV{MORE} // '']} -f @{[spew("$dir/$n.conf", $conf)]} 2>&1`;
    return [$? >> 8, $said];
}
sub refused { my ($what, $want, @how) = @_; my $r = judged(@how); isnt($r->[0], 0, "refused: $what"); like($r->[1], $want, '... and says so') }

is(judged($_)->[0], 0, "the stack's own is good: $_") or diag judged($_)->[1] for 'internal', 'external';
for my $face ('internal', 'external') {
    refused("$face without database", qr/hpz\.db\.url is not set/, $face, { 'hpz.db.url' => undef });
    refused("$face without its address", qr/hpz\.frs\.download_base_url is not set/, $face, { 'hpz.frs.download_base_url' => undef });
    refused("$face with a limit that is none", qr/hpz\.frs\.file_size_limit = lots: accepted is/, $face, { 'hpz.frs.file_size_limit' => 'lots' });
}
refused('people come and cannot sign in', qr/auth\.session\.secret is not set/, 'external', { 'auth.session.secret' => undef });
is(judged('internal', { map { $_ => undef } $ini =~ /^((?:auth|security|cache)\.\S+)/mg })->[0], 0, 'nobody signs in at the internal face: it needs none of that');
refused('a face that is none', qr/'both' is neither internal nor external/, 'internal', {}, sub { $_[0] .= "<VirtualHost *:1>\nHpzFace both\n</VirtualHost>\n" });
refused('a face for all hosts', qr/want it inside a <VirtualHost>/, 'internal', {}, sub { $_[0] .= "HpzFace external\n" });
refused('an ini for one host', qr/HpzIni .*not allowed|cannot occur within/, 'internal', {}, sub { $_[0] .= "<VirtualHost *:1>\nHpzIni $dir/1.ini\n</VirtualHost>\n" });
refused('no face at all', qr/define HPZ_INTERNAL \(uploads\) or HPZ_EXTERNAL/, 'internal', {}, sub { $_[0] =~ s/^Define HPZ_INTERNAL\n//m });
{
    local $ENV{MORE} = '-D DUMP_CONFIG';
    my $r = judged('internal', {}, sub { # mod_info tells what is made of the file
        $_[0] =~ s/^Define HPZ_(?:NETWORKS|CLIENT_CA) .*\n//mg;
        $_[0] =~ s{^LoadModule ssl_module (.*)/mod_ssl\.so$}{$&\nLoadModule info_module $1/mod_info.so}m;
    });
    is($r->[0], 0, 'without a word about who may come');
    is_deeply([$r->[1] =~ /^\s*(Require (?:ip|ssl|host|local|all granted).*)/mg], ['Require ip 127.0.0.1 ::1'], '... it is this machine, and nobody by a certificate');
}
is(judged('internal', {}, sub { $_[0] =~ s/^Define HPZ_INTERNAL$/Define HPZ_INTERNAL\nDefine HPZ_EXTERNAL/m })->[0], 0, 'both in one httpd');

# The way to https, where somebody comes without: this face once more, on other ports.
my ($http, $https) = map { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport } 1, 2;
is(judged('external', {}, sub {
    my %set = (Listen => "127.0.0.1:$https\nListen 127.0.0.1:$http", PidFile => "$dir/httpd.pid", DefaultRuntimeDir => $dir, ErrorLog => "$dir/error.log",
        SSLSessionCache => "shmcb:$dir/tls_cache(512000)",
        ThreadsPerChild => 8, MaxRequestWorkers => 16, 'Define HPZ_EXTERNAL_PORT' => "$https\nDefine HPZ_HTTP_PORT $http", 'Define HPZ_LOGDIR' => $dir);
    $_[0] =~ s/^$_ .*/$_ $set{$_}/m for keys %set;
})->[0], 0, 'a port without TLS');
my $server = Smarter::Test::run({ background => 1 }, '/usr/sbin/apache2', '-f', "$dir/$n.conf", '-D', 'FOREGROUND');
END { my $status = $?; Smarter::Test::end_process($server->{pid}, 'TERM') if $server; $? = $status }
my $plain = "http://127.0.0.1:$http";
wait_until(20, 'it to answer', sub { get("$plain/")->{status} });
like(slurp("$dir/error.log"), qr/SB3226\b.*hpz\.frs\.$_ = 24: 6 are taken for it, of a process's 8 threads/, "$_: not all threads") for 'max_uploads', 'max_downloads';
for (['/', '/'], ['/download/x?sl=1', '/download/x?sl=1']) {
    my $led = get("$plain$_->[0]", headers => { Host => 'evil.example' });
    is("$led->{status} $led->{headers}{location}", '301 ' . outside($_->[1]), "$_->[0] leads to the external face, whatever host was asked for");
}
is(get("$plain$_")->{status}, 403, "$_ is for nobody") for '/file/x', '/files/x', '/validate/x', '/registration', '/services/heartbeat', '/saml_post';
finish();
