# Every address of the server, every method, every role: who may, and who may not. The table is written by hand; an
# address that the server has and the table has not is a failure.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Jobs;
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::Verifier;

need('httpd');

my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');

# Route => [who may, what to ask for it by (the route itself), by POST with this]. Who: all; view; logout; super; or one
# role, of those who may view.
my $report = "/data/comparing_populations?stateCode=$state";
(my $sid = run_program('smarter-public-copy', '--sid', '-t', $tenant)->{out}) =~ s/\s//g;
my $none = '0' x 12;    # a session that is not there: who may is told so
my %table = (
    'GET /data' => ['view'], 'OPTIONS /data/{}' => ['view', '/data/comparing_populations'],
    'GET /data/{}' => ['view', $report], 'POST /data/{}' => ['view', '/data/comparing_populations', { stateCode => $state }],
    'OPTIONS /public_data/{}' => ['all', '/public_data/comparing_populations'], 'GET /public_data/{}' => ['all', "/public_data/comparing_populations?sid=$sid"],
    'POST /public_data/{}' => ['all', '/public_data/comparing_populations', { sid => $sid }], 'ANY /public/{}' => ['all', "/public/$sid"],
    'GET /services/tool/state_code/{}' => ['super', "/services/tool/state_code/$state"],
    'GET /services/ready' => ['all'], 'GET /services/heartbeat' => ['all'], 'GET /services/openapi.json' => ['all'],
    'GET /services/userinfo' => ['view'], 'POST /services/userinfo' => ['view', undef, {}],
    'GET /login' => ['all'], 'POST /saml_post' => ['all', undef, {}], 'GET /logout_redirect' => ['all'], 'GET /saml_metadata' => ['all'],
    'GET /services/session' => ['view'], 'POST /services/session/touch' => ['view'],
    'GET /services/sessions' => ['view'], 'DELETE /services/sessions' => ['view'], 'DELETE /services/sessions/{}' => ['view', "/services/sessions/$none"],
    'GET /services/administration/sessions' => ['super'], 'DELETE /services/administration/sessions/{}' => ['super', "/services/administration/sessions/$none"],
    'DELETE /services/cache/{}' => ['super', '/services/cache/data'], 'DELETE /services/flush/{}' => ['super', '/services/flush/data'],
    'GET /services/trigger/{}' => ['super', '/services/trigger/cache'],
    'GET /services/jobs' => ['view'], 'GET /services/jobs/{}' => ['view', sub { '/services/jobs/' . a_job('t-' . $_[0] =~ tr/_/ /r) }],
    'DELETE /services/jobs/{}' => ['view', sub { '/services/jobs/' . a_job('t-' . $_[0] =~ tr/_/ /r) }],
    'GET /services/extract' => ['SAREXTRACTS', "/services/extract?stateCode=$state&asmtYear=2016&asmtType=SUMMATIVE&asmtSubject=Math&asmtGrade=03"],
    'POST /services/extract' => ['SAREXTRACTS', undef, { stateCode => $state, asmtYear => '1999', asmtType => ['SUMMATIVE'], asmtSubject => ['Math'], async => 'true' }],
    (map { my ($role, $name, $params) = @$_; my $query = join '&', map { "$_=$params->{$_}" } sort keys %$params;
        ($name eq 'student_assessment_completion' ? () : ("GET /services/extract/$name" => [$role, "/services/extract/$name?$query"])),
        "POST /services/extract/$name" => [$role, undef, $params] }
        ['IIRDEXTRACTS', 'assessment_item_level', { stateCode => $state, asmtYear => '1999', asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' }],
        ['AUDITXML', 'raw_data', { stateCode => $state, asmtYear => '1999', asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' }],
        ['SRSEXTRACTS', 'student_registration_statistics', { stateCode => $state, academicYear => 1999 }],
        ['SRCEXTRACTS', 'student_assessment_completion', { stateCode => $state, academicYear => 1999 }]),
    'GET /logout' => ['logout'], 'POST /logout' => ['logout', undef, {}],
);

my %routes;
my $source = slurp(top() . '/mod_smarter/smarter_routes.c');
while ($source =~ /^\s*\{\.path = "(\/[^"]*)",\s*\.methods = ([A-Z_ |]+),( \.open = 1,)?/mg) {
    my ($path, $methods, $open) = ($1, $2, $3);
    $routes{"$_ $path"} = $open ? 'open' : 'closed' for map { s/SB_//r } split /\s*\|\s*/, $methods;
}
cmp_ok(scalar keys %routes, '>', 12, 'the server\'s table can be read');
is_deeply(\%routes, { map { $_ => $table{$_}[0] eq 'all' ? 'open' : 'closed' } keys %table },
    'every address of the server is in the table here, and no other; open are those that all may ask for');

# Role => what it may. Every role but NONE implies GENERAL, so the loader of score batches may look, too.
my @view = qw(all view logout);
my %roles = ((map { $_ => [@view, $_] } qw(GENERAL PII SAREXTRACTS SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS ALLSTATES ASMTDATALOAD)),
    SUPER_USER => [@view, 'super'], NONE => ['all', 'logout'], nobody => ['all']);
my %jar;
for my $role (grep { $_ ne 'nobody' } sort keys %roles) {
    add_user($role, $role eq 'NONE' ? () : [$role, $tenant, $state]);
    $jar{$role} = sign_in($role);
}

my (@cells, @requests);
for my $route (sort keys %table) {
    my ($method, $address) = split / /, $route;
    for my $role (sort keys %roles) {
        my ($may, $path, $body) = @{ $table{$route} };
        push @cells, [$route, $role, scalar grep { $_ eq $may } @{ $roles{$role} }];
        $path = $path->($role) if ref $path; # something of one's own
        my @ours = $address =~ m{\A/services/} ? (headers => { Origin => env('SMARTER_URL') }) : ();    # they change something
        push @requests, [$method, $path // $address, @ours, $jar{$role} ? (jar => $jar{$role}) : (), $body ? (json => $body) : ()];
    }
}
my @answers = http_all(@requests);
my %events;
for my $i (0 .. $#cells) {
    my ($route, $role, $may) = @{ $cells[$i] };
    my $answer = $answers[$i];
    my $what = "$route: $role";
    if ($may) {
        # /saml_post refuses a form that is none, whoever sends it
        like($answer->{status}, $route eq 'POST /saml_post' ? qr/\A403\z/ : ($table{$route}[1] // '') =~ /$none/ ? qr/\A404\z/ : qr/\A(?:200|30[12])\z/, "$what may");
        next;
    }
    is($answer->{status}, $role eq 'nobody' ? 401 : 403, "$what may not") or diag(substr $answer->{body}, 0, 200);
    my $told = eval { json($answer) } // {};
    is_deeply([sort keys %$told], [sort(qw(detail error request_id status title type), $role eq 'nobody' ? 'redirect' : ())],
        'and is told nothing else');
    my $denied = $table{$route}[0] =~ /[A-Z]/ && $role ne 'NONE' ? "extract \\w+ without role $table{$route}[0]" : "\Q$route\E without permission \\w+";
    $events{$denied}++ if $role ne 'nobody';
}
my @log = log_since('security');
for my $denied (sort keys %events) {
    is(scalar(grep { /"forbidden: $denied"/ } map { s{\\/}{/}gr } @log), $events{$denied}, "$denied: each refusal is a security event");
}

# The same by bearer tokens, on a server that knows of some. Programs may where the server's table says so, by the same
# roles; elsewhere no token may do anything. One that nobody vouches for is 401 wherever it matters who asks, and says no
# more than that; that there is a cookie beside it is 400.
my $as = Smarter::Verifier->new;
my $events = tmpdir() . '/security.log';
my $server = Smarter::Sanitized->new('none', $as->ini, 'logging.security' => "file:$events", 'smarter.heartbeat.addresses' => '127.0.0.1');
my %token = ((map { $_ => $as->give($_, roles => $_ eq 'NONE' ? [] : [[$_, $tenant, $state]]) } grep { $_ ne 'nobody' } keys %roles), bad => 'bad');
my @held = map { my $cell = $_; $cells[$cell][1] eq 'nobody' ? ([$cell, 'bad'], [$cell, 'both']) : [$cell, $cells[$cell][1]] }
    grep { $cells[$_][0] !~ m{ /(?:login|saml_|logout_redirect|services/trigger)} } 0 .. $#cells;
my @by_token = http_all(map {
    my ($cell, $who) = @$_;
    my ($method, $path, %opt) = @{ $requests[$cell] };
    delete $opt{jar};
    my %headers = (Authorization => 'Bearer ' . ($token{$who} // $token{bad}), $who eq 'both' ? (Cookie => '__Host-smarter' . cookie_suffix() . '=x') : ());
    [$method, $server->url($path), %opt, headers => \%headers];
} @held);
my %programs;
while ($source =~ /^\s*\{\.path = "(\/[^"]*)",\s*\.methods = ([A-Z_ |]+),[^}]*\.programs = 1/mg) {
    my ($path, $methods) = ($1, $2);
    $programs{"$_ $path"} = 1 for map { s/SB_//r } split /\s*\|\s*/, $methods;
}
is_deeply([sort keys %programs], ['GET /data', 'GET /data/{}', 'GET /services/userinfo', 'OPTIONS /data/{}', 'POST /data/{}', 'POST /services/userinfo'],
    'what programs may ask for');
my @persons = map { /\.persons = 1/ && /\.path = "([^"]*)",\s*\.methods = SB_(\w+),/ ? "$2 $1" : () } split /(?<=\}),\n/, $source;
is_deeply([sort @persons], ['DELETE /services/sessions', 'DELETE /services/sessions/{}', 'GET /services/sessions'], 'what is for persons only: t/http/sessions.t shows that a program\'s session may not');
my %refused;
for my $i (0 .. $#held) {
    my ($cell, $who) = @{ $held[$i] };
    my ($route, undef, $role_may) = @{ $cells[$cell] };
    my $answer = $by_token[$i];
    my $open = $table{$route}[0] eq 'all';
    my $want = $open ? qr/\A(?:200|30[12])\z/ : $who eq 'bad' ? qr/\A401\z/ : $who eq 'both' ? qr/\A400\z/
        : $role_may && $programs{$route} ? qr/\A200\z/ : qr/\A403\z/;
    like($answer->{status}, $want, "$route: bearer $who") or diag(substr $answer->{body}, 0, 200);
    like($answer->{headers}{'www-authenticate'} // '', qr/\ABearer .*error="invalid_token"/, 'with a challenge') if $who eq 'bad' && !$open;
    is_deeply($answer->{cookies}, [], 'no cookie') if !$open;
    $refused{$route}++ if $answer->{status} == 403;
}
@log = split /\n/, slurp($events);
for my $route (sort keys %refused) {
    is(scalar(grep { /"forbidden: \Q$route\E (?:without permission \w+|by a bearer token)"/ } map { s{\\/}{/}gr } @log), $refused{$route}, "$route: each refused bearer is a security event");
}
cmp_ok(scalar keys %refused, '>', 8, 'there were some');
$server->stop;

# The session cookie's name carries the port of the address the installation is known by.
sub cookie_suffix { return '-' . (env('SMARTER_URL') =~ /:(\d+)\z/)[0] }

# HEAD is GET without the body: to the same people.
my @get = grep { $cells[$_][0] =~ /\AGET/ && $cells[$_][1] =~ /\A(?:nobody|NONE|GENERAL)\z/ && $cells[$_][0] !~ /logout|login|trigger|extract/ } 0 .. $#cells;
for my $i (@get) {
    my (undef, $path, %opt) = @{ $requests[$i] };
    is(http('HEAD', $path, %opt)->{status}, $answers[$i]{status}, "HEAD like $cells[$i][0]: $cells[$i][1]");
}

finish();
