# What a request that is not right is told: the true status, as a problem document.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('httpd');

my $state = env('SMARTER_STATE');
my $report = '/data/comparing_populations';
my $jar = sign_in('state');
my $json = { 'Content-Type' => 'application/json' };

# A problem document with this status.
sub problem {
    my ($answer, $status, $what, $detail) = @_;
    subtest "$what: $status" => sub {
        is($answer->{status}, $status, 'the status') or diag($answer->{body});
        is($answer->{headers}{'content-type'}, 'application/problem+json; charset=UTF-8', 'a problem document');
        is($answer->{headers}{'cache-control'}, 'no-store', 'that nobody keeps');
        my $data = eval { json($answer) } // {};
        is($data->{status}, $status, 'the status inside');
        ok($data->{title} && $data->{error}, 'a title, and the member error');
        is($data->{request_id}, $answer->{headers}{'x-request-id'}, 'the id of the request');
        like($data->{detail}, $detail, 'what is wrong') if $detail;
    };
}

# ---- parameters --------------------------------------------------------------------------------
my @bad = (
    ['', qr/stateCode: is missing/],
    ['stateCode=', qr/stateCode/],
    ['stateCode=N', qr/stateCode/],
    ['stateCode=N1', qr/stateCode/],
    ["stateCode=NC%27--", qr/stateCode/],
    ['stateCode=NC&schoolId=S1', qr/schoolId: needs districtId/],
    ['stateCode=NC&districtId=a_b', qr/districtId/],
    ['stateCode=NC&districtId=' . 'x' x 51, qr/districtId/],
    ['stateCode=NC&asmtYear=now', qr/asmtYear: want an integer/],
    ['stateCode=NC&asmtYear=99999999999', qr/asmtYear/],
    ['stateCode=NC&grade=3', qr/grade/],
    ['stateCode=NC&sex=NS', qr/sex/],
    ['stateCode=NC&dmgStsEcd=NS', qr/dmgStsEcd/],
    ['stateCode=NC&ethnicity=8', qr/ethnicity/],
    ['stateCode=NC&studentGroupId=g_1', qr/studentGroupId/],
);
problem(get("$report?$_->[0]", jar => $jar), 412, "GET ?" . substr($_->[0], 0, 40), $_->[1]) for @bad;

my @bad_bodies = (
    ['{}', qr/stateCode: is missing/], ['', qr/stateCode/], ['null', qr/no JSON object/], ['[]', qr/no JSON object/], ['7', qr/no JSON object/],
    ['{"stateCode":null}', qr/stateCode/], ['{"stateCode":["NC"]}', qr/stateCode/],
    ['{"stateCode":"NC","asmtYear":"2016"}', qr/asmtYear/], ['{"stateCode":"NC","asmtYear":2016.5}', qr/asmtYear/],
    ['{"stateCode":"NC","grade":[3]}', qr/grade/], ['{"stateCode":"NC","grade":null}', qr/grade/],
    ['{"stateCode":"NC","districtId":"a\u0000b"}', qr/districtId/],
);
problem(post($report, jar => $jar, headers => $json, body => $_->[0]), 412, "POST $_->[0]", $_->[1]) for @bad_bodies;

# ---- what cannot be read at all -------------------------------------------------------------------
my @broken = ('{', '{"stateCode":"NC"} x', '{"stateCode":"NC","stateCode":"CA"}', "{'stateCode':'NC'}", "\xff", 'stateCode=NC',
    '[' x 1000, '{"a":' x 20 . '1' . '}' x 20);
problem(post($report, jar => $jar, headers => $json, body => $_), 400, 'POST ' . substr($_, 0, 30) =~ s/[^ -~]/?/gr) for @broken;
problem(get("$report?stateCode=%zz", jar => $jar), 400, 'a broken escape');
problem(get("$report?stateCode=N%00", jar => $jar), 400, 'a NUL');
problem(get("$report?stateCode=%ff%fe", jar => $jar), 400, 'not UTF-8');

# ---- size ------------------------------------------------------------------------------------------
my $big = '{"stateCode":"NC","x":"' . 'x' x 70_000 . '"}';
problem(post($report, jar => $jar, headers => $json, body => $big), 413, 'a body of 70 kB');
problem(post($report, jar => $jar, headers => { %$json, 'Transfer-Encoding' => 'chunked' }, body => $big), 413, 'the same in chunks');
my $crumbs = spew(tmpdir() . '/crumbs', join "\r\n", 'POST /saml_post HTTP/1.1', 'Host: localhost', 'Connection: close',
    'Content-Type: application/x-www-form-urlencoded', 'Transfer-Encoding: chunked', '', "1\r\na\r\n" x 50_000 . "0\r\n\r\n");
my ($peer) = url('/') =~ m{//([^/]+)};
my $begun = time;
like(Smarter::Test::run({ stdin => $crumbs }, 'openssl', 's_client', '-quiet', '-connect', $peer)->{out}, qr{\AHTTP/1\.1 403 },
    'fifty thousand chunks of one byte are read');
cmp_ok(time - $begun, '<', 8, 'and each costs no more than the one before');
problem(get("$report?stateCode=$state&x=" . 'x' x 2000, jar => $jar), 414, 'an address of more than 2000 characters',
    qr/Request URI too long - maximum size supported is 2000 characters/);
is(get("$report?stateCode=$state&x=" . 'x' x 10_000, jar => $jar)->{status}, 414, 'and of more than httpd reads');
{
    my $room = 2000 - length(url("$report?stateCode=$state&x="));
    is(get("$report?stateCode=$state&x=" . 'x' x $room, jar => $jar)->{status}, 200, 'exactly 2000 characters are fine');
    problem(get("$report?stateCode=$state&x=" . 'x' x ($room + 1), jar => $jar), 414, '2001 are not');
}

# ---- types, methods, addresses --------------------------------------------------------------------
problem(post($report, jar => $jar, type => $_, body => qq({"stateCode":"$state"})), 415, "POST of $_")
    for 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'multipart/form-data; boundary=x';
is(post($report, jar => $jar, type => 'Application/JSON; charset=utf-8', body => qq({"stateCode":"$state"}))->{status}, 200,
    'case and character set of the type do not matter');
is(get("$report?stateCode=$state", jar => $jar, headers => { 'Content-Type' => 'text/plain' })->{status}, 200,
    'GET needs no type and ignores one');
is(post("$report?content-type=application/json", jar => $jar, type => 'text/plain', body => qq({"stateCode":"$state"}))->{status}, 200,
    'a type in the query wins over the header');
problem(post("$report?content-type=text/html", jar => $jar, headers => $json, body => qq({"stateCode":"$state"})), 415, 'also when it is another');
is(get("$report?stateCode=$state&content-type=text/html&sl=1", jar => $jar)->{status}, 200, 'GET ignores it, and names that no report knows');
is(get("$_?content-type=application/json", jar => $jar)->{status}, 200, "$_ takes a type in the query") for '/services/userinfo', '/services/ready';
problem(get("$_?x=1", jar => $jar), 412, "an unknown name: $_", qr/unknown name/) for '/services/userinfo', '/services/ready', '/services/heartbeat';
problem(post('/services/userinfo?sl=1', jar => $jar), 412, 'and of POST', qr/unknown name/);
problem(get('/services/userinfo?%zz', jar => $jar), 400, 'a broken escape to a service');
my %allow = ($report => 'GET, HEAD, POST, OPTIONS', '/data' => 'GET, HEAD', '/services/userinfo' => 'GET, HEAD, POST',
    '/services/ready' => 'GET, HEAD', '/services/heartbeat' => 'GET, HEAD');
for my $path (sort keys %allow) {
    for my $method ('PUT', 'DELETE', 'PATCH', 'FOO', $allow{$path} =~ /POST/ ? () : 'POST') {
        my $answer = http($method, $path, jar => $jar);
        problem($answer, 405, "$method $path");
        is($answer->{headers}{allow}, $allow{$path}, 'with what is allowed');
    }
}
is(http('TRACE', $report, jar => $jar)->{status}, 405, 'TRACE is off');
problem(get($_, jar => $jar), 404, "GET $_")
    for '/data/', '/data/x/y', '/data/comparing_populations/', '/services', '/services/', '/services/nothing', '/data/../services/x';
problem(get('/data/no_such_report', jar => $jar), 404, 'an unknown report', qr/\AReport no_such_report is not found\z/);
problem(http('OPTIONS', '/data/no_such_report', jar => $jar), 404, 'its description', qr/Report no_such_report is not found/);
problem(get('/data/<script>', jar => $jar), 404, 'a name with markup');

# ---- the good forms, for contrast ------------------------------------------------------------------
my $head = http('HEAD', "$report?stateCode=$state", jar => $jar);
is_deeply([@$head{qw(status body)}], [200, ''], 'HEAD is GET without the body') if $head->{body} eq '';
is($head->{status}, 200, 'HEAD like GET');
is($head->{headers}{'content-length'}, length get("$report?stateCode=$state", jar => $jar)->{body}, 'with its length');
my %listed = map { $_ => 1 } @{ json(get('/data', jar => $jar)) };
is_deeply([grep { !$listed{$_} } qw(academic_year comparing_populations individual_student_report list_of_students quick_links public.comparing_populations)], [],
    'the list of reports');
my $options = http('OPTIONS', $report, jar => $jar);
is($options->{headers}{allow}, 'GET, HEAD, POST, OPTIONS', 'OPTIONS says the methods');
my $described = json($options);
is_deeply($described->{stateCode}, { type => 'string', required => JSON::PP::true }, 'and describes the parameters');
is_deeply([map { $described->{$_}{type} } qw(asmtYear grade)], ['integer', 'array'], 'with their types');
is_deeply(json(http('OPTIONS', '/data/academic_year', jar => $jar)),
    { stateCode => { type => 'string', required => JSON::PP::true } }, 'of another report');

# ---- request ids -----------------------------------------------------------------------------------
for my $given ('0B0f9a3c-8a35-1f6e-1d6f-8d4d6f1f7a10', '0b0f9a3c8a351f6e1d6f8d4d6f1f7a10') {
    is(get('/services/ready', headers => { 'X-Request-Id' => $given })->{headers}{'x-request-id'}, $given, "$given is kept");
}
for my $id ('short', 'call-555-0100-for-support', '0b0f9a3c-8a35-1f6e-1d6f-8d4d6f1f7a1', '0b0f9a3c-8a35-1f6e-1d6f-8d4d6f1f7a100', '0b0f9a3c-8a351f6e-1d6f-8d4d-6f1f7a10', '0b0f9a3c8a351f6e1d6f8d4d6f1f7a1g', '0' x 31, '0' x 33, 'x' x 65, 'with blank in it', '"quoted-value"', 'a=b;c=defgh') {
    like(get('/services/ready', headers => { 'X-Request-Id' => $id })->{headers}{'x-request-id'},
        qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/, "'" . substr($id, 0, 20) . "' is replaced");
}

finish();
