# Bad input: every parameter of every report and service with everything that may be wrong with it, as
# query and as body; then bodies, addresses, headers and whole requests that are broken. Expected: the
# true status, a problem document that names the parameter, never a 500, nothing in the logs.
#
# The reports and their parameters are asked of the server (OPTIONS), so that a new one is tested as
# soon as it exists: it fails here until %rows says what its parameters take.
use strict;
use warnings;
use utf8;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Wire;

*percent = \&Smarter::Test::percent;

need('httpd');

my $state = env('SMARTER_STATE');
my $schema = env('SMARTER_SCHEMA');
my ($district, $school) = @{ (sql("SELECT district_id, school_id FROM $schema.dim_inst_hier WHERE rec_status = 'C'"
            . " AND state_code = '$state' ORDER BY 1, 2 LIMIT 1"))[0] };
my ($student, $year) = @{ (sql("SELECT student_id, asmt_year FROM $schema.fact_asmt_outcome_vw WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE'"
            . " AND district_id = '$district' AND school_id = '$school' ORDER BY 1, 2 LIMIT 1"))[0] };

# ---- what parameters take --------------------------------------------------------------------------
# good: taken as it is; bad: texts that break the rule; max: bytes, one more is refused. Enumerations and
# lists of them need no max.
my @odd = ('a_b', 'a b', "a'b", '"', '../x', 'ä', '%', '1;--', '<x>', "a\nb");
my $id = sub { { good => $_[0], bad => \@odd, max => 50, @_[1 .. $#_] } };
my $yes_no_ns = { good => 'Y', bad => ['y', 'yes', 'NA', 'Y,N', ' Y', 'true', '0'] };
my $number = sub { { good => $_[0] } };
my $two_letters = { good => $state, bad => ['N', 'N1', "N'", 'NCC', ' NC', 'ÄÖ'], max => 2 };
(my $sid = run_program('smarter-public-copy', '--sid', '-t', env('SMARTER_TENANT'))->{out}) =~ s/\s//g;
my %rows = (
    stateCode => $two_letters,
    'list_of_students stateCode' => $id->($state),
    districtId => $id->($district),
    schoolId => $id->($school),
    (map { ("public.comparing_populations $_" => $id->('X1', max => 40)) } qw(districtId schoolId)),
    sid => { good => 'x' x 24, bad => ['x' x 19, 'x' x 53, 'x' x 23 . ' ', 'x' x 23 . "'", 'x' x 23 . '%', 'x' x 22 . 'ä'], max => 52 },
    studentId => $id->($student),
    assessmentGuid => $id->('00000000-0000-0000-0000-000000000000'),
    studentGroupId => $id->('g1'),
    asmtYear => $number->($year),
    academicYear => $number->($year),
    text => { good => 'Ost', bad => ['x', ' ', 'ä', " \n\t", "a "], max => 200 },
    kind => { good => 'schools', bad => ['Schools', 'school', 'teachers', '0'] },
    limit => { good => 5, bad => ['0', '-1', '51'] },
    averages => { good => 'true', bad => ['yes', 'TRUE', '1', 'true '] },
    view => { good => 'same_grade', bad => ['cohorts', 'Cohort', '0'] },
    dateTaken => $number->(20160401),
    ql_district_bound => $number->(3),
    ql_school_bound => $number->(3),
    asmtGrade => { good => '03', bad => ['k', '3.', 'KG', '-1'], max => 2 },
    asmtSubject => { good => 'Math', bad => ['Ma_th', "'", 'Mäth', '%'], max => 64 },
    asmtType => { good => 'SUMMATIVE', bad => ['summative', 'SUMMATIVE ', 'INTERIM', '0'] },
    dmgStsEcd => { good => 'Y', bad => ['NS', 'y', 'YN'] },
    (map { $_ => $yes_no_ns } qw(dmgPrgLep dmgPrgIep dmgPrg504 dmgStsMig complete)),
    ethnicity => { good => '3', bad => ['8', '-1', '03', 'white', '1,2'] },
    sex => { good => 'male', bad => ['NS', 'Male', 'm', 'x'] },
    grade => { good => '03', bad => ['3', '09', '12', 'K', '003'] },
);

add_user('everything', map { [$_, env('SMARTER_TENANT'), $state] } qw(PII SRSEXTRACTS SRCEXTRACTS));

# ---- asking ------------------------------------------------------------------------------------------
my $wire = Smarter::Wire->new(cookie => Smarter::Wire::cookie_header(sign_in('everything')));
my %of_json = ('Content-Type' => 'application/json');
my $asked = 0;
my @wrong;

sub ask_get {
    my ($path, @pairs) = @_;
    return $wire->request('GET', $path . (@pairs ? '?' . join '&', map { "$_->[0]=$_->[1]" } @pairs : ''));
}

sub ask_post {
    my ($path, $body, %headers) = @_;
    return $wire->request('POST', $path, { %of_json, %headers }, $body);
}

# Note what is not as it should be. @$want: status or statuses, pattern of the detail.
sub judge {
    my ($answer, $what, $status, $detail) = @_;
    my %want = map { $_ => 1 } ref $status ? @$status : $status;
    my $data = eval { json($answer) };
    $asked++;
    my $problem =
          !$want{ $answer->{status} } ? "status $answer->{status}, want " . join(' or ', sort keys %want)
        : $answer->{status} >= 400 && ($answer->{headers}{'content-type'} // '') ne 'application/problem+json; charset=UTF-8' ? 'no problem document'
        : $answer->{status} >= 400 && (!$data || $data->{status} != $answer->{status}) ? 'another status inside'
        : $detail && ($data->{detail} // '') !~ $detail ? "detail '$data->{detail}'"
        : undef;
    push @wrong, "$what: $problem" if $problem;
}

# One test for all that was judged since the last one.
sub verdict {
    my ($what, $least) = @_;
    my ($bad, $n) = ([splice @wrong], $asked);
    $asked = 0;
    is(scalar @$bad, 0, "$what: $n requests") or diag(join "\n", @$bad > 25 ? (@$bad[0 .. 24], '...') : @$bad);
    cmp_ok($n, '>=', $least, "$what: really asked") if $n < $least;
}

sub bytes { my ($text) = @_; utf8::encode($text); return $text }

sub shown { my ($text) = @_; return substr($text, 0, 40) =~ s/[^ -~]/?/gr }

# JSON of a text; of a number as it is.
sub literal { my ($text) = @_; return JSON::PP->new->allow_nonref->encode("$text") }

# ---- every parameter of every report ---------------------------------------------------------------
my @INTEGERS = ('x', '1.5', '1e3', '0x10', '+1', '--1', '-', '1-', '1_0', '1,0', ' 1', '1 ', '٣', '2147483648', '-2147483649', '4294967297',
    '9223372036854775808', '-9223372036854775809', '18446744073709551617', '9' x 400);
my @JSON_INTEGERS = ('1.5', '1e3', '1.0', '-0.5', '2147483648', '-2147483649', '4294967297', '9223372036854775808',
    '-9223372036854775809', '18446744073709551617', '9' x 400, '1e400', '"1"', '"x"', '""', '[1]', '[]');
my $FINE = [200, 404];    # 404: nobody has such a result

# The parameter as query; $with is what else the report needs.
sub bad_queries {
    my ($path, $name, $kind, $row, @with) = @_;
    my $named = qr/\A\Q$name\E: /;
    my $try = sub {
        my ($what, $status, @values) = @_;
        judge(ask_get($path, @with, map { [$name, $_] } @values), "GET $path $name $what", $status, $status eq '412' ? $named : undef);
    };
    my @bad = map { percent($_) } $kind eq 'integer' ? @INTEGERS : @{ $row->{bad} };
    my $good = percent($row->{good});
    $try->('as it should be', $FINE, $good);
    $try->('empty', 412, '');
    $try->(shown($_), 412, $_) for @bad;
    $try->('too long', 412, 'a' x (($row->{max} // 200) + 1)) if $kind ne 'integer';
    $try->('broken escape', 400, $_) for '%', '%4', '%zz', "$good%", '%u0041';
    $try->('NUL', 400, $_) for '%00', "$good%00", "%00$good";
    $try->('not UTF-8', 400, $_) for '%ff', '%c0%80', '%ed%a0%80', '%f4%90%80%80', '%e2%82';
    if ($kind eq 'array') {
        $try->('the second is bad', 412, $good, $bad[0]);
        $try->('the first is bad', 412, $bad[0], $good);
        $try->('the same twice', $FINE, $good, $good);
        $try->('a hundred and one', 412, ($good) x 101) if 102 * (length("&$name=$good")) < 1500;
    }
    else {
        $try->('twice, the last is bad', 412, $good, $bad[0]);
        $try->('twice, the last counts', $FINE, $bad[0], $good);
    }
    $name =~ /\A(.)(.*)\z/;
    judge(ask_get($path, @with, [sprintf('%%%02x%s', ord $1, $2), $bad[0]]), "GET $path $name with its name escaped", 412, $named);
    judge(ask_get($path, @with, ["$name%00", 'x']), "GET $path $name with a NUL in its name", 400);
}

sub bad_bodies {
    my ($path, $name, $kind, $row, @with) = @_;
    my $named = qr/\A\Q$name\E: /;
    my $others = join '', map { ',' . literal($_->[0]) . ':' . $_->[1] } @with;
    my $try = sub {
        my ($what, $status, $value, $detail) = @_;
        judge(ask_post($path, qq({"$name":$value$others})), "POST $path $name $what", $status,
            $detail // ($status eq '412' ? $named : undef));
    };
    my $good = $kind eq 'integer' ? $row->{good} : literal($row->{good});
    $try->('as it should be', $FINE, $good);
    $try->($_, 412, $_) for 'null', 'true', 'false', '{}', '{"a":1}', '[null]', '[true]', '[1,"x"]', '[[]]', '[{}]', '""', '[""]', '"\u0000"', '["\u0000"]',
        '"' . ('x' x 30_000) . '"';
    if ($kind eq 'integer') {
        $try->(shown($_), 412, $_) for @JSON_INTEGERS;
    }
    else {
        my @bad = map { literal($_) } @{ $row->{bad} };
        $try->(shown($_), 412, bytes($_)) for @bad, 1, '1.5', literal($row->{good} . "\0"), literal('a' x (($row->{max} // 200) + 1));
        $try->(shown($_), 412, bytes($_)) for $kind eq 'array' ? map { ("[$_]", "[$good,$_]") } @bad : ("[$good]", '[]');
    }
    if ($kind eq 'array') {
        $try->('a hundred and one', 412, '[' . join(',', ($good) x 101) . ']');
        $try->('ten thousand', $_, '[' . join(',', ('"Y"') x 10_000) . ']', qr/more than 2000 values/) for 400;
        $try->('an empty list', $FINE, '[]');
        $try->('a text for a list', $FINE, $good);
    }
    $try->('twice', 400, qq($good,"$name":$good), qr/\Q$name\E.*twice/);
    $try->('nested deep', 400, '[' x 10_000 . ']' x 10_000, qr/nested deeper/);
    $try->('not UTF-8', 400, qq("\xff"));
    $try->('half a surrogate pair', 400, $_) for '"\ud800"', '"\udc00"', '"\udc00\ud800"';
    $try->('broken escape', 400, $_) for '"\x41"', '"\u12"', "\"\n\"";
    $try->('no JSON', 400, $_) for 'Y', "'Y'", 'NaN', 'Infinity', '01', '+1', '.5', '1.', '-', '[1,]', '';
}

# Body before query.
sub bad_both {
    my ($path, $name, $kind, $row, @with) = @_;
    my $good = $kind eq 'integer' ? $row->{good} : literal($row->{good});
    my $query = $path . '?' . join '&', map { "$_->[0]=" . percent($_->[1] =~ s/\A"(.*)"\z/$1/r) } @with;
    judge(ask_post("$query&$name=" . percent($row->{good}), qq({"$name":{}})), "POST $path $name: a bad member replaces a good query", 412, qr/\A\Q$name\E: /);
    judge(ask_post("$query&$name=\%21", qq({"$name":$good})), "POST $path $name: a good member replaces a bad query", $FINE);
}

my @reports = @{ json($wire->request('GET', '/data')) };
cmp_ok(scalar @reports, '>=', 5, scalar(@reports) . ' reports');
my $parameters = 0;
for my $report (@reports) {
    my $path = "/data/$report";
    my $options = $wire->request('OPTIONS', $path);
    my $described = json($options);
    my $row_of = sub { $rows{"$report $_[0]"} // $rows{ $_[0] } };
    for my $name (grep { !$row_of->($_) } sort keys %$described) {
        fail("$report, $name: %rows says what it takes");
        delete $described->{$name};
    }
    my %kind = map { $_ => $described->{$_}{type} // 'enum' } keys %$described;
    my @needed = grep { $described->{$_}{required} } sort keys %$described;
    for my $name (sort keys %$described) {
        my $row = $row_of->($name);
        # A school is looked at in its district.
        my @others = grep { $_ ne $name } @needed, $name eq 'schoolId' && !$described->{districtId}{required} ? 'districtId' : ();
        my @query = map { [$_, percent($row_of->($_)->{good})] } @others;
        my @members = map { [$_, $kind{$_} eq 'integer' ? $row_of->($_)->{good} : literal($row_of->($_)->{good})] } @others;
        my $missing = [412, qr/\A\Q$name\E: is missing\z/];
        my @missing = $described->{$name}{required} ? @$missing : ($FINE);
        if ($options->{headers}{allow} =~ /\bGET\b/) {
            judge(ask_get($path, @query), "GET $path without $name", @missing);
            bad_queries($path, $name, $kind{$name}, $row, @query);
        }
        judge(ask_post($path, '{' . join(',', map { literal($_->[0]) . ':' . $_->[1] } @members) . '}'), "POST $path without $name", @missing);
        bad_bodies($path, $name, $kind{$name}, $row, @members);
        bad_both($path, $name, $kind{$name}, $row, @members) if $options->{headers}{allow} =~ /\bGET\b/;
        # (searching is limited a minute, and by POST only)
        verdict("$report, $name", $report eq 'search' ? 45 : 60);
        $parameters++;
    }

    # -- the report as a whole
    my %good = map { $_ => $kind{$_} eq 'integer' ? 0 + $row_of->($_)->{good} : $row_of->($_)->{good} } @needed;
    my $whole = JSON::PP->new->canonical;
    judge(ask_post($path, $whole->encode({ %good, $_ => 'x' })), "$path: unknown name $_", $FINE) for 'nobody', 'StateCode', 'statecode ', '';
    judge(ask_post($path, $whole->encode({ %good, nobody => { a => [1, { b => 2 }] } })), "$path: unknown name, any value", $FINE);
    if ($kind{stateCode}) {
        judge(ask_post($path, $whole->encode({ %good, stateCode => $_ })), "$path: state $_", 403) for 'CA', 'ZZ', lc $state;
    }
    judge(ask_post($path, $_), "$path: body " . shown($_), 412, qr/no JSON object/) for 'null', 'true', '0', '1e9', '"x"', '[]', '[{}]', '[{"stateCode":"NC"}]';
    judge(ask_post($path, $_), "$path: body " . shown($_), 412, qr/is missing/) for '{}', '', " {}\n";
    judge(ask_post($path, $_), "$path: body " . shown($_), 400) for ' ', "\n", '{', '}', '{}{}', '{} x', "\xef\xbb\xbf", "\0", "{}\0", '{"a"}', '{"a":1,}', '{,}',
        '{a:1}', '{"a":1 "b":2}', '// x', '{}//', '/*x*/{}', "\xff\xfe{\0}\0", 'stateCode=NC', '<x/>', '[' x 10_000, '{"a":' x 10_000,
        '[' x 10_000 . ']' x 10_000, '{"\u0000":1}', '{"a":1,"a":1}', '{"stateCode":"NC","\u0073tateCode":"CA"}',
        '{' . join(',', map { qq("a$_":0) } 1 .. 2500) . '}';
    judge(ask_post($path, '{"stateCode":"' . 'x' x 65_536 . '"}'), "$path: 64 KiB", 413, qr/65536/);
    judge(ask_post($path, $whole->encode(\%good), 'Content-Type' => $_), "$path: type " . shown($_), 415)
        for '', 'text/plain', 'text/html', 'application/x-www-form-urlencoded', 'application/jsonx', 'application/problem+json', 'json', 'multipart/form-data', 'application/json,text/html';
    judge(ask_post($path, $whole->encode(\%good), 'Content-Type' => $_), "$path: type " . shown($_), $FINE) for 'APPLICATION/JSON', 'application/json;charset=latin1', ' application/json ; x';
    verdict("$report, the whole", 50);
}
cmp_ok($parameters, '>=', 40, "$parameters parameters");

# ---- services --------------------------------------------------------------------------------------
# All that the server describes: they refuse names they do not know, before they do anything.
my $described = json($wire->request('GET', '/services/openapi.json'))->{paths};
for my $path (sort grep { m{\A/services/} } keys %$described) {
    for my $method (sort grep { /\A(?:get|post|delete)\z/ } keys %{ $described->{$path} }) {
        my $where = $path =~ s/\{\w+\}/none/gr;
        my $ask = sub { $wire->request(uc $method, "$where?$_[0]", { %of_json, 'Sec-Fetch-Site' => 'same-origin' }, $method eq 'post' ? '{}' : undef) };
        my $answer = $ask->('nobody=1');
        judge($answer, "\U$method\E $path with an unknown name", [412, 403], $answer->{status} == 412 ? qr/unknown name/ : undef);
        judge($ask->($_), "\U$method\E $path?$_", [400, 403]) for '%zz', 'x=%', '%00', 'x=%ff';
    }
}
cmp_ok($asked, '>=', 15, 'several services');
judge(ask_post('/services/userinfo', $_, 'Content-Type' => 'text/plain'), 'POST /services/userinfo ' . shown($_), 200) for '', '[', "\0", '[' x 10_000;
verdict('services', 20);

# ---- methods -----------------------------------------------------------------------------------------
my $report = '/data/comparing_populations';
for my $path ($report, '/data', '/services/userinfo', '/services/ready') {
    for my $method (qw(PUT DELETE PATCH PROPFIND MKCOL LOCK CONNECTX FOO get G), 'A' x 200) {
        judge($wire->request($method, $path), "$method $path", 405);
    }
    is($wire->request('TRACE', $path)->{status}, 405, "TRACE $path is off");    # httpd itself says so
    my $head = $wire->request('HEAD', $path . ($path eq $report ? '?stateCode=N' : ''));
    is($head->{status} . ':' . $head->{body}, ($path eq $report ? 412 : 200) . ':', "HEAD $path like GET, without a body");
}
verdict('methods', 44);

# ---- addresses -----------------------------------------------------------------------------------------
# Nothing is decoded twice, nothing is put together into another address. Not ours are pages' addresses:
# httpd answers those, with a page.
my $q = "stateCode=$state";
sub page_or_problem {
    my ($where, @status) = @_;
    my $answer = $wire->request('GET', $where);
    my %want = map { $_ => 1 } @status;
    $asked++;
    push @wrong, 'GET ' . shown($where) . ": status $answer->{status}, want @status" if !$want{ $answer->{status} };
    push @wrong, 'GET ' . shown($where) . ': shows data' if $answer->{body} =~ /"records"|root:/;
}
my $text = qr/\A(?:Report |There is nothing at this address)/;
judge(ask_get($_), 'GET ' . shown($_), 404, $text) for '/data/', '/data/' . 'x' x 1900, '/data/.', '/data/x/..', '/data/%20', '/data/comparing_populations%20', '/data/comparing_populations;x=1',
    '/data/COMPARING_POPULATIONS', '/data/comparing_populations.json', '/data/%ff%fe', '/data/%c0%ae%c0%ae', '/data/%0d%0aX-Y:%20z',
    '/data/comparing_populations/x', '/services/x', '/services/../services/x', '/data/<script>', '/data/%3cscript%3e', '/data/%252e%252e', '/services/userinfo/';
page_or_problem($_, 404) for '/data%2fcomparing_populations', '/data/comparing_populations%2f', '/data/..%2fservices%2fuserinfo', '/data/%2f', '/%64ata%2f',
    '/datax', '/DATA', '/services%2freadyx', '/assets/..%2f..%2fetc/passwd', '/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd';
page_or_problem($_, 400, 404) for "$report%00?$q", '/data/%00', '/%00', '/assets/%00', '/../../etc/passwd', '/assets/../../etc/passwd', '/assets/%2e%2e/%2e%2e/etc/passwd',
    '/data/../../etc/passwd', '/%', '/%zz', '/data/%', '/data/%4';
# httpd makes one slash of several, and resolves dots: the same address, the same rights.
judge(ask_get($_), 'GET ' . shown($_), 200) for "//data//comparing_populations?$q", "/./data/./comparing_populations?$q", "/x/../data/comparing_populations?$q",
    "/%64ata/comparing_populations?$q", "/data/comparing%5fpopulations?$q", "$report?$q&", "$report?&&$q", "$report?$q&=", "$report?=x&$q", "$report?$q&a=b=c";
judge(ask_get("$report?$q;sex=male"), 'a semicolon separates nothing', 412, qr/\AstateCode: /);
judge(ask_get('/data/' . 'x' x $_), "GET of $_ characters", 414) for 2000, 7000;
is($wire->request('GET', '/data/' . 'x' x 9000)->{status}, 414, 'and of more than httpd reads');
verdict('addresses', 45);
allow_log(qr/AH10244|AH02031/);    # httpd's own words for paths and hosts that are none

# ---- whole requests --------------------------------------------------------------------------------------
my $cookie = $wire->{cookie};
my $who = "Host: localhost\r\nCookie: $cookie\r\n";
my $post = "POST $report HTTP/1.1\r\n${who}Content-Type: application/json\r\n";
my $get = "GET $report?$q HTTP/1.1\r\n";
my $chunked = "Transfer-Encoding: chunked\r\n\r\n";
my @whole = (
    [400, 'two lengths', "${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "],
    [400, 'the same length twice', "${post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"],
    (map { [400, "a length of $_", "${post}Content-Length: $_\r\n\r\n{}"] } '-1', '+2', '0x2', '2, 2', '2 2', '99999999999999999999', 'x', ''),
    (map { [413, "a length of $_", "${post}Content-Length: $_\r\n\r\n{}"] } 65_537, 10_485_760, 9223372036854775807),
    [412, 'length and chunks: the chunks count', "${post}Content-Length: 9\r\n${chunked}2\r\n{}\r\n0\r\n\r\n"],
    (map { [400, 'chunks ' . shown($_), $post . $chunked . $_] } "xyz\r\n{}\r\n0\r\n\r\n", "-1\r\n{}\r\n0\r\n\r\n", "2\r\n{}xx0\r\n\r\n", "2 2\r\n{}\r\n", "\0\r\n"),
    [413, 'a chunk of more than there are numbers', "$post${chunked}ffffffffffffffffff\r\n"],
    [413, 'a chunk of two gigabytes', "$post${chunked}7fffffff\r\n" . 'x' x 100_000],
    (map { [400, "Transfer-Encoding: $_", "${post}Transfer-Encoding: $_\r\n\r\n0\r\n\r\n"] } 'gzip', 'chunked, gzip', 'xchunked', 'identity'),
    [412, 'a body said to be packed is read as it is', "${post}Content-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"],
    [417, 'an expectation', "${post}Expect: x\r\nContent-Length: 2\r\n\r\n{}"],
    [415, 'two types', "${post}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"],
    [412, 'the method of another header', "${post}X-HTTP-Method-Override: DELETE\r\nContent-Length: 2\r\n\r\n{}"],
    [400, 'no host', "GET $report HTTP/1.1\r\nCookie: $cookie\r\n\r\n"],
    [400, 'two hosts', "GET $report HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    [400, 'a host with a blank', "GET $report HTTP/1.1\r\nHost: a b\r\n\r\n"],
    (map { [400, 'a line of ' . shown($_), "$_\r\n$who\r\n"] } "GET $report HTTX/1.1", "$report", "GET\t$report\tHTTP/1.1", "G(T $report HTTP/1.1", " GET $report HTTP/1.1",
        "GET data HTTP/1.1", "GET * HTTP/1.1", "GET $report x HTTP/1.1", "GET /da\0ta HTTP/1.1", "CONNECT $report HTTP/1.1", "GET $report#x HTTP/1.1"),
    (map { [400, 'a header ' . shown($_), "$get$who$_\r\n\r\n"] } 'XA', 'X-A : b', "X-A: b\0c", "X-A: b\rc", ': x', "X A: b", 'X-A: ' . 'x' x 9000, join "\r\n", map { "X-$_: y" } 1 .. 100),
    [400, 'line feeds alone', ($get . $who) =~ s/\r//gr . "\n"],
    (map { [200, 'no matter: ' . shown($_), "$get$who$_\r\nConnection: close\r\n\r\n"] } "X-A: b\r\n c", "If-None-Match: \"\xff, W/, **, \"\"\"", 'If-Modified-Since: Fri, 99 Foo 9999',
        'Upgrade: h2c, websocket', "Accept: \xff;q=9,,*/*/*", 'Content-Length: 3', "X-Request-Id: \xff\xfe", 'Referer: ' . 'x' x 8000, 'Accept-Encoding: ' . 'gzip,' x 1500, 'Range: bytes=5-2,x'),
    [200, 'a GET with a body', "$get${who}Content-Length: 3\r\nConnection: close\r\n\r\n{]x"],
    (map { [401, 'a cookie ' . shown($_), "${get}Host: localhost\r\nAccept: application/json\r\nCookie: $_\r\nConnection: close\r\n\r\n"] } "$cookie; $cookie", '=', '__Host-smarter=', ';' x 4000,
        "__Host-smarter=\xff", uc $cookie, '__Host-smarter-' . ((url('/') =~ /:(\d+)/)[0]) . '=' . 'a' x 64, '__Host-smarter-' . ((url('/') =~ /:(\d+)/)[0]) . '=' . '0' x 8000),
);
for (@whole) {
    my ($status, $what, $octets) = @$_;
    $asked++;
    my $answer = $wire->octets($octets);
    push @wrong, "$what: status $answer->{status} $answer->{error}, want $status" if $answer->{status} != $status;
}
verdict('whole requests', 60);
my $large = $wire->request('POST', $report, \%of_json, '{"stateCode":"' . 'x' x (10 << 20) . '"}');
is($large->{status}, 413, 'a body of 10 MB');
$large = $wire->octets("$post$chunked" . ("10000\r\n" . 'x' x 65_536 . "\r\n") x 160 . "0\r\n\r\n");
is($large->{status}, 413, 'and in chunks');

finish();
