# The security stream: every event there is, once, and what its line says: who, from where, of which request, and
# nothing that opens anything. An event that the sources write and the table here or docs/security.md has not is a
# failure.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use Forge;
use JSON::PP ();
use MIME::Base64 'decode_base64';
use Test::More;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my ($PORT) = env('SMARTER_URL') =~ /:(\d+)\z/;
my $SESSION = "__Host-smarter-$PORT";
my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');
my %OURS = (Origin => env('SMARTER_URL'));
my %PAGE = (Accept => 'text/html', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document');
my %FROM = (args => ['--interface', '127.0.9.3']);
chomp(my $host = qx(hostname));

# What must be in no line, whatever happens.
my @secrets = ('MARKED-VALUE');

sub remember {
    my ($jar) = @_;
    push @secrets, cookie($jar, $SESSION);
    return $jar;
}

my %walked;

# happens(pattern, type, who, sub): the sub's answer leaves exactly one event like that. Who: a guid, or undef.
sub happens {
    my ($pattern, $type, $who, $do) = @_;
    security_events();
    my $answer = $do->();
    my @events = security_events();
    my ($e) = @events;
    my @bad;
    push @bad, scalar(@events) . ' events: ' . join '|', map { $_->{msg}{msg} } @events if @events != 1;
    if ($e) {
        my $m = $e->{msg};
        push @bad, "'$m->{msg}'" if $m->{msg} !~ /\A$pattern\z/;
        push @bad, 'members ' . join ' ', sort keys %$e if join(' ', sort keys %$e) ne 'asctime client msg request_id time';
        push @bad, 'members of msg ' . join ' ', sort keys %$m if join(' ', sort keys %$m) ne 'host msg type user';
        push @bad, "time $e->{asctime}" if $e->{asctime} !~ /\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\z/;
        push @bad, "UTC $e->{time}" if $e->{time} !~ /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\z/;
        push @bad, "type $m->{type}" if $m->{type} != $type;
        push @bad, "host $m->{host}" if $m->{host} ne $host;
        push @bad, "client $e->{client}" if $e->{client} !~ /\A127\.0\.(?:0\.1|9\.3)\z/;
        push @bad, "request $e->{request_id}" if $e->{request_id} ne ($answer->{headers}{'x-request-id'} // '');
        push @bad, 'user ' . JSON::PP->new->encode($m->{user})
            if $who ? ($m->{user}{guid} // '') ne $who || !@{ $m->{user}{roles} // [] } || keys %{ $m->{user} } != 2 : %{ $m->{user} };
        $walked{ $m->{msg} } = 1;
    }
    is(join('; ', @bad), '', "$pattern (type $type)");
    return $answer;
}

sub guid_of { return json(get('/services/userinfo', jar => $_[0]))->{user_info}{_User__info}{guid} }

# ---- nobody yet -------------------------------------------------------------------------------------------------

my $report = "/data/comparing_populations?stateCode=$state&studentGroupId=MARKED-VALUE";
happens('told to sign in', 0, undef, sub { get($report, %FROM) });
happens('sent to the sign-in', 0, undef, sub { get($report, headers => \%PAGE) });
my $jar = jar();
happens('sent to the identity provider', 0, undef, sub { get('/login?target=/x%3Fa=MARKED-VALUE', jar => $jar) });
happens('sign-in refused: form', 1, undef, sub { post('/saml_post', form => { SAMLResponse => 'MARKED-VALUE' }) });
happens('sign-in refused: relay_state', 1, undef, sub { post('/saml_post', form => { SAMLResponse => 'MARKED-VALUE', RelayState => 'a' x 64 }) });
my $form = idp_answer('school', jar => $jar);
push @secrets, $form->{RelayState}, substr($form->{SAMLResponse}, 100, 60);
happens('sign-in refused: other_browser', 1, undef, sub { deliver_answer({ %$form, jar => jar() }) });
my $broken = idp_answer('school', jar => jar());
happens('sign-in refused: base64', 1, undef, sub { deliver_answer({ %$broken, SAMLResponse => "*$broken->{SAMLResponse}" }) });

# What the provider says of somebody, in answer to a fresh question: $deliver->(options of the answer)
my $forge = Forge->new(key => env('SMARTER_VAR') . '/tls/idp.key', cert => env('SMARTER_VAR') . '/tls/idp.pem',
    issuer => (slurp(env('SMARTER_VAR') . '/etc/idp_metadata.xml') =~ /entityID="([^"]*)"/)[0], sp => url('/saml_post'), acs => url('/saml_post'), slo => url('/logout_redirect'));
my $deliver = sub {
    my $browser = jar();
    my %q = get('/login', jar => $browser)->{headers}{location} =~ /[?&](SAMLRequest|RelayState)=([^&]*)/g;
    $q{SAMLRequest} =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    my ($request) = Forge::inflate(decode_base64($q{SAMLRequest})) =~ /\bID="([^"]*)"/;
    security_events();
    return post('/saml_post', jar => $browser, form => { SAMLResponse => Forge::post_form($forge->response(request => $request, @_)), RelayState => $q{RelayState} });
};
{
    my @once = (assertion_id => Forge::new_id());
    is($deliver->(@once)->{status}, 303, 'an assertion');
    happens('sign-in refused: replay', 1, undef, sub { $deliver->(@once) });
}

# ---- signed in -----------------------------------------------------------------------------------------------------

my $guid = 'guid-' . (user('school'))[0];
happens('signed in, session [0-9a-f]{12}', 0, $guid, sub { deliver_answer($form) });
remember($jar);
is(guid_of($jar), $guid, 'which is whom the provider named');
my $token = get('/services/userinfo', jar => $jar)->{headers}{'x-csrf-token'};
push @secrets, $token, (user('school'))[1];
happens('forbidden: GET /services/tool/state_code/\{\} without permission super_admin_rights', 1, $guid,
    sub { get("/services/tool/state_code/$state", jar => $jar) });
happens('forbidden: DELETE /services/cache/\{\} without permission super_admin_rights', 1, $guid,
    sub { http('DELETE', '/services/cache/data', jar => $jar, headers => \%OURS) });
happens('forbidden: GET /data/\{\} asked for by a page from elsewhere', 1, $guid, sub { get($report, jar => $jar, headers => { 'Sec-Fetch-Site' => 'same-site' }) });
happens("forbidden: report comparing_populations of a state that is not the user's", 1, $guid,
    sub { get('/data/comparing_populations?stateCode=ZZ', jar => $jar) });
my $super = remember(sign_in('super'));
my $super_guid = guid_of($super);
happens('forbidden: DELETE /services/cache/\{\} asked for from elsewhere', 1, $super_guid, sub { http('DELETE', '/services/cache/data', jar => $super) });
happens('sign-out refused: another site asked for it', 1, $guid, sub { get('/logout', jar => $jar, headers => { Origin => 'https://evil.example' }) });

{
    my $spare = sign_in('super');
    my ($ref) = map { $_->{ref} } grep { $_->{this} } @{ json(get('/services/sessions', jar => $spare))->{sessions} };
    happens("ended session $ref of $super_guid", 0, $super_guid, sub { http('DELETE', "/services/sessions/$ref", jar => $super, headers => \%OURS) });
    my $long_ago = '<saml:AuthnStatement AuthnInstant="' . Forge::stamp(-7200) . '"><saml:AuthnContext/></saml:AuthnStatement>';
    happens("sent back to prove anew who he is: $super_guid", 0, undef, sub { $deliver->(attributes => { guid => [$super_guid] }, authn => $long_ago) });
}

# ---- out again ------------------------------------------------------------------------------------------------------

happens('sign-out message refused: \w+', 1, undef, sub { get('/logout_redirect?SAMLRequest=MARKED-VALUE') });
happens('signed out, session [0-9a-f]{12}', 0, $guid, sub { get('/logout', jar => $jar, headers => { %PAGE, 'Sec-Fetch-Site' => 'same-origin' }) });
{
    my $other = remember(sign_in('state'));
    my $where = env('SMARTER_IDP_URL') . '/saml2/idp/SingleLogoutService.php?ReturnTo=' . env('SMARTER_IDP_URL') . '/';
    my $message;
    for (1 .. 5) {
        my $hop = get($where, jar => $other, headers => \%PAGE);
        $where = $hop->{headers}{location} or last;
        $message = $where, last if $where =~ m{\Q@{[url('/logout_redirect')]}\E\?SAMLRequest=};
    }
    ok($message, 'the identity provider wants somebody signed out') or $message = '/logout_redirect';
    happens('signed out by the identity provider, sessions ended: 1', 0, undef, sub { get($message, jar => $other) });
    happens('sign-out message refused: replay', 1, undef, sub { get($message, jar => $other) });
}
{
    my $circle = jar();
    for (1 .. 5) {
        my $again = idp_answer('school', jar => $circle);
        deliver_answer($again);
        spew($circle, join '', grep { !/\t\Q$SESSION\E\t/ } map { "$_\n" } split /\n/, slurp($circle));
    }
    happens('sign-in stopped: turning in circles', 0, undef, sub { get('/login', jar => $circle) });
}
happens('everybody is signed out: the sessions were emptied', 0, $super_guid, sub { http('DELETE', '/services/cache/session', jar => $super, headers => \%OURS) });

# Elsewhere, because it takes a server that is set up otherwise: text => test.
my %elsewhere = ('rate limited: ' => 't/http/guard.t', 'operator ' => 't/http/sessions.t', map { $_ => 't/http/bearer.t' } 'bearer token ',
    'bearer tokens cannot be verified: nobody is let in by one', 'bearer tokens can be verified again', "request refused: it has both a session's cookie and a bearer token");
# Lasso 2.8 refuses such an answer before we read it ("sign-out message refused: status", t/http/saml_logout.t).
my %unseen = ('the identity provider could not sign out everywhere' => 1);

# ---- all of them, and nothing secret -----------------------------------------------------------------------------------

my @log = log_since('security');
for my $secret (grep { defined && length } @secrets) {
    is(scalar(grep { index($_, $secret) >= 0 } @log), 0, 'in no line: ' . substr($secret, 0, 8) . '…');
}
is(scalar(grep { /evil\.example|stateCode|studentGroupId/ } @log), 0, 'nor what was asked for, nor what strangers say');

my %written;
for my $file (glob(top() . '/lib/web/*.c'), glob(top() . '/mod_*/*.c'), glob(top() . '/workers/*.c'), glob(top() . '/lib/auth/*.c')) {
    my $source = slurp($file);
    (my $name = $file) =~ s{.*/}{};
    $written{$1} = $name while $source =~ /(?:sb_signin_event|sb_req_event|sb_security_write)\([^;"]*"([^"]+)"/g;
}
cmp_ok(scalar keys %written, '>=', 12, 'the events of the sources can be read');
my $docs = slurp(top() . '/docs/security.md') =~ s/.*^## Events$//msr;
for my $text (sort keys %written) {
    my $prefix = $text =~ s/%.*//sr =~ s/(?<=: )\w+\z//r;    # reasons are in other tables
    ok((grep { index($_, $prefix) == 0 } keys %walked) || $elsewhere{$prefix} || $unseen{$text}, "$written{$text}: '$text' was seen here, or where the table says");
    ok(index($docs, "`$prefix") >= 0, "and docs/security.md has it");
}
for my $text (sort keys %elsewhere) {
    ok(index(slurp(top() . "/$elsewhere{$text}"), $text) >= 0, "$elsewhere{$text} shows '$text'");
}

finish();
