# `httpd -t` judges the application's ini: what is wrong, in which file, at which key.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('httpd');

my $good = slurp(env('SMARTER_INI'));
my $conf = slurp(env('SMARTER_VAR') . '/httpd/httpd.conf');
my $dir = tmpdir();
my $tenant = env('SMARTER_TENANT');

# Run httpd -t with such an ini; (accepted?, what it said)
sub judge {
    my ($ini) = @_;
    spew("$dir/test.ini", $ini) if defined $ini;
    unlink "$dir/test.ini" unless defined $ini;
    (my $text = $conf) =~ s/^Define SMARTER_INI .*/Define SMARTER_INI $dir\/test.ini/m or die 'no SMARTER_INI in httpd.conf';
    spew("$dir/httpd.conf", $text);
    my $r = Smarter::Test::run({ timeout => 30 }, '/usr/sbin/apache2', '-t', '-f', "$dir/httpd.conf");
    return ($r->{exit} == 0, $r->{out} . $r->{err});
}

# The ini with one key of [app:main] set, or removed (undef).
sub with {
    my ($key, $value) = @_;
    my $ini = $good;
    $ini =~ s/^\Q$key\E *=.*\n//mg;
    $ini =~ s/^\[app:main\]\n/[app:main]\n$key = $value\n/m if defined $value;
    return $ini;
}

my ($ok, $said) = judge($good);
ok($ok, 'the ini of the stack is fine') or diag $said;
unlike($said, qr/unknown key/, 'it has no unknown key') or diag $said;

my @bad = (
    ['no such file', undef, qr/test\.ini/],
    ['a number that is none', with("edware.db.$tenant.pool_size", 'many'), qr/test\.ini:\d+: .*pool_size.*many/],
    ['no tenant', join('', grep { !/^edware\.db\./ } split /^/, $good), qr/edware\.db\.<tenant>\.url/],
    ['a tenant without a schema', with("edware.db.$tenant.schema_name", undef), qr/tenant $tenant: .*schema_name/],
    ['a tenant without a state', with("edware.db.$tenant.state_code", undef), qr/tenant $tenant: .*state_code/],
    ['a state that is no code', with("edware.db.$tenant.state_code", 'nc'), qr/two capital letters/],
    ['two tenants of one state', with('edware.db.zz.url', 'postgresql://u:sesame\@h/d') . '', qr/zz/],
    ['a dangerous switch', with('disable.context.security', 'True'), qr/disable\.context\.security/],
    ['signatures not verified', with('auth.skip.verify', 'True'), qr/auth\.skip\.verify/],
    ['no secret', with('auth.session.secret', undef), qr/auth\.session\.secret is not set/],
    ['a short secret', with('auth.session.secret', 'sesame'), qr/auth\.session\.secret.*16 characters/],
    ['a short previous secret', with('auth.session.secret.previous', 'sesame'), qr/secret\.previous.*16 characters/],
    ['home at somebody else\'s', with('auth.home', '//evil.example/'), qr/auth\.home/],
    ['home that signs out', with('auth.home', '/logout'), qr/auth\.home/],
    ['nowhere to remember used assertions', with('security.db.url', undef), qr/security\.db\.url is not set/],
    ['an address without TLS', with('auth.saml.acs_url', 'http://localhost/saml_post'), qr/auth\.saml\.acs_url.*https/],
    ['an identity parser that is none', with('auth.saml.identity_parser', 'SbacIdentityParser'), qr/auth\.saml\.identity_parser.*want sbac, sbac-live or basic/],
    ['tokens of anybody, unsaid', with('auth.oauth2.idp_server_verify_url', 'https://sso.example.org/tokeninfo'), qr/auth\.oauth2\.audience, auth\.oauth2\.clients: want one/],
    ['no metadata of the identity provider', with('auth.idp.metadata', '/nowhere.xml'), qr{auth\.idp\.metadata.*/nowhere\.xml}],
    ['a log target that is none', with('logging.audit', '/var/log/audit'), qr/logging\.audit/],
    ['a log that cannot be opened', with('logging.security', 'file:/nowhere/security.log'), qr{logging\.security.*/nowhere}],
);
for my $case (@bad) {
    my ($what, $ini, $want) = @$case;
    ($ok, $said) = judge($ini);
    ok(!$ok, "$what: refused");
    like($said, $want, 'and told');
    unlike($said, qr{://[^:/@ ]+:[^@ ]+@|sesame}, 'without a password');
}
is(get('/services/ready')->{status}, 200, 'the running server does not care');

finish();
