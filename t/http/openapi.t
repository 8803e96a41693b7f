# The description of the API is true: it names exactly the addresses of the server, every operation is
# called, and every answer, good or bad, is what the description says, no member more.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Jobs;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2052;
my $answer = get('/services/openapi.json');
is($answer->{status}, 200, 'anybody may read the description');
my $doc = json($answer);
is(get('/services/openapi.json', headers => { 'If-None-Match' => $answer->{headers}{etag} })->{status}, 304, 'a client that has it keeps it');
is($doc->{openapi}, '3.1.0', 'it is OpenAPI 3.1');
add_user('registrar', map { [$_, env('SMARTER_TENANT'), $state] } qw(SRSEXTRACTS SRCEXTRACTS IIRDEXTRACTS AUDITXML));
my %jar = map { $_ => sign_in($_) } qw(state school super norole registrar general);
(my $cookie = $doc->{components}{securitySchemes}{session}{name}) =~ s/[^\w-]//g;
ok(cookie($jar{state}, $cookie), "it knows the name of the session cookie, $cookie");

# ---- addresses of the server, addresses of the description ------------------------------------------------
my @reports = @{ json(get('/data', jar => $jar{state})) };
my $source = slurp(top() . '/mod_smarter/smarter_routes.c');
my %post_only = map { $_ => 1 } grep { get("/data/$_", jar => $jar{state})->{status} == 405 } @reports;
my %routes;    # "GET /data" => permission
while ($source =~ /^\s*\{\.path = "(\/[^"]*)",\s*\.methods = ([A-Z_ |]+),(?:\s*\.perm = SB_PERM_(\w+),)?/mg) {
    my ($path, $methods, $perm) = ($1, $2, $3 // 'NONE');
    for my $method (map { s/SB_//r } split /\s*\|\s*/, $methods) {
        $method = 'GET' if $method eq 'ANY';    # the one that is described
        $routes{"$method $_"} = $perm for $path eq '/data/{}' ? map { "/data/$_" } grep { $method ne 'GET' || !$post_only{$_} } @reports
            : $path eq '/public_data/{}' ? map { /\Apublic\.(.*)/ ? "/public_data/$1" : () } @reports : $path;
    }
}
cmp_ok(scalar keys %routes, '>', 25, 'the table of addresses can be read');
my %operations;    # "GET /data" => operation
for my $path (keys %{ $doc->{paths} }) {
    my $item = $doc->{paths}{$path};
    (my $plain = $path) =~ s/\{\w+\}/{}/g;
    for my $method (grep { !/\A(?:parameters|summary|description)\z/ } keys %$item) {
        $operations{ uc($method) . " $plain" } = { %{ $item->{$method} }, path => $path, method => uc $method,
            parameters => [@{ $item->{parameters} // [] }, @{ $item->{$method}{parameters} // [] }] };
    }
}
is_deeply([sort keys %operations], [sort keys %routes], 'the description has every address and method of the server, and no other');
is_deeply([sort map { $_->{path} } grep { (($_->{responses}{200} // {})->{content} // {})->{'text/csv'} } values %operations],
    [sort map { $_, $_ } map({ "/data/$_" } qw(comparing_populations list_of_students public.comparing_populations)), '/public_data/comparing_populations'],
    'reports that are tables, too, say so');
my %by_id = map { $_->{operationId} => $_ } values %operations;
is(scalar keys %by_id, scalar keys %operations, 'each operation has a name of its own');

for my $key (sort keys %operations) {
    my $op = $operations{$key};
    my @good = grep { /\A2/ } keys %{ $op->{responses} };
    my @schemas = map { map { $_->{schema} } values %{ $_->{content} // {} } } @{ $op->{responses} }{@good};
    ok(@schemas >= @good && !grep({ !$_ } @schemas) && (@good || grep { /\A3/ } keys %{ $op->{responses} }), "$key: says what it answers");
    ok($op->{summary} && @{ $op->{tags} // [] }, "$key: says what it is");
    my %path = map { $_->{name} => 1 } grep { $_->{in} eq 'path' } @{ $op->{parameters} };
    is_deeply([sort keys %path], [sort $op->{path} =~ /\{(\w+)\}/g], "$key: parameters of its path") if $op->{path} =~ /\{/;
    is_deeply([map { $_->{name} } grep { !$_->{description} } @{ $op->{parameters} }], [], "$key: every parameter is explained");
    is(join(' ', map { keys %$_ } @{ $op->{security} // [] }),
        $routes{$key} eq 'NONE' ? '' : $key =~ m{ /(?:data|services/userinfo)\b} ? 'session bearer' : 'session', "$key: says by what one gets in");
}

# ---- results to see ------------------------------------------------------------------------------------------
my $school = school('D001', 'Described District', 'S0001', 'Described School', 'I');
my @levels = (levels => [['Minimal', undef], ['Partial', 1400], ['Good', 1800], ['Thorough', 2100]], claim_levels => ['Below', 'Near', 'Above']);
my $math = assessment('SUMMATIVE', $year, 'Math', @levels, claims => ['Concepts', 'Solving', undef, 'Data'], asmt_period => 'Spring');
my $interim = assessment('INTERIM COMPREHENSIVE', $year, 'Math');
my $block = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', claims => ['Fractions'], claim_levels => ['Below', 'Near', 'Above']);
my $one = student('OA-1', first_name => 'Ann', middle_name => 'B', last_name => 'Described', group_2_id => 'g1', group_2_text => 'Club');
my @score = (asmt_claim_1_score => 1300, asmt_claim_1_score_range_min => 1290, asmt_claim_1_score_range_max => 1310, asmt_claim_1_perf_lvl => 1);
my %row = (student => $one, year => $year, subject => 'Math', grade => '03');
results($school, %row, asmt => $math, @score, level => 3, administration_condition => 'SD', acc_abacus_nonembed => 6, complete => undef);
results($school, %row, asmt => $interim, type => 'INTERIM COMPREHENSIVE', asmt_claim_1_score => undef);
results($school, %row, asmt => $block, type => 'INTERIM ASSESSMENT BLOCKS', level => 2);
results($school, year => $year, subject => 'Math', grade => '04', level => 1 + $_ % 4, count => 9) for 1 .. 4;
# a cohort, of a district of its own
my $other = school('OD3', 'Cohort District', 'OS3', 'Cohort School');
for my $i (1 .. 12) {
    my $who = student("OC-$i");
    results($other, student => $who, year => $year - 5 + $_, subject => 'Math', grade => "0$_", level => 3 + $i % 2) for 4, 5;
}
results(school('D1', 'Interim Only', 'S1', 'Interim School'), year => $year, subject => 'Math', grade => '03', type => 'INTERIM COMPREHENSIVE');
registered($_, 'OA-1', ['D001', 'Described District'], ['S0001', 'Described School']) for $year, $year - 1;
metadata(JSON::PP->new->encode({ branding => { display => 'North', image => '/assets/nc.svg', higherEdLink => 'https://example.org/' }, min_cell_size => 5,
    subjects => { Math => { colors => [map { { bg_color => '#BB231C', text_color => '#fff', start_gradient_bg_color => '#BB231C', end_gradient_bg_color => '#BB231D' } } 1 .. 4] } } }));
put();
counted();
run_program('smarter-public-copy', '--once')->{exit} == 0 or die "no public copy\n";
my ($open_place) = sql('SELECT district_id, school_id FROM ' . env('SMARTER_PUBLIC_SCHEMA') . ".dim_inst_hier WHERE school_name = 'Described School'");

# Reference of another session of somebody.
sub spare_session {
    my ($kind) = @_;
    my ($this) = grep { $_->{this} } @{ json(get('/services/sessions', jar => sign_in($kind)))->{sessions} };
    return $this->{ref};
}

# ---- calls: what every operation answers when it is asked well ---------------------------------------------------
# name of the operation => [who, parameters, status] ...; "_post" of a report takes its calls from the report.
my %place = (stateCode => $state, asmtYear => $year);
my %in_school = (%place, districtId => 'D001', schoolId => 'S0001');
my %one = (stateCode => $state, studentId => 'OA-1', asmtYear => $year);
(my $sid = run_program('smarter-public-copy', '--sid', '-t', env('SMARTER_TENANT'))->{out}) =~ s/\s//g;
my %asked = (%place, asmtYear => "$year", asmtType => 'SUMMATIVE', asmtSubject => 'Math');
my %open = (sid => $sid, asmtYear => $year);
my @kinds = ('SUMMATIVE', 'INTERIM COMPREHENSIVE', 'INTERIM ASSESSMENT BLOCKS');
my @school = user('school');
my @mine = (a_job($school[0], expires_at => 'tomorrow', ended_at => 'today', files => [['a.zip', 17], ['b.zip']]), a_job($school[0], state => 'failed', error => 'No room', ended_at => 'today'),
    a_job($school[0], state => 'running'));
my @ends = map { a_job($school[0], state => $_) } qw(ready queued);
my %calls = (
    comparing_populations => [(map { ['state', $_] } { stateCode => $state }, \%place, { %place, districtId => 'D001' }, \%in_school,
        { %place, grade => ['03'], sex => ['male', 'female'], averages => 'true' }, { %place, districtId => 'D1' }, { %place, districtId => 'nowhere' }), ['school', \%in_school]],
    list_of_students => [(map { ['school', { %in_school, asmtType => $_ }] } @kinds), ['school', { %in_school, asmtSubject => ['ELA'] }],
        ['state', { %in_school, asmtGrade => '03', studentGroupId => ['g1'] }], ['school', { %in_school, schoolId => 'S9' }]],
    individual_student_report => [(map { ['school', { %one, asmtType => $_ }] } @kinds), ['school', { %one, asmtType => $kinds[0], asmtYear => 2000 }, 404]],
    subgroups => [map { ['state', $_] } { stateCode => $state }, \%place, \%in_school, { %place, districtId => 'nowhere' }],
    trends => [['state', { stateCode => $state, districtId => 'D001', schoolId => 'S0001' }], ['state', { stateCode => $state }], ['state', { stateCode => $state, districtId => 'D001', schoolId => 'S0001', asmtGrade => '04', asmtSubject => ['Math'] }],
        (map { ['state', { stateCode => $state, %$_, view => 'cohort' }] } {}, { asmtGrade => '05' }, { districtId => 'OD3' }, { districtId => 'OD3', schoolId => 'OS3' })],
    quick_links => [['state', { stateCode => $state }], ['school', { stateCode => $state, ql_school_bound => 3 }]],
    academic_year => [['state', { stateCode => $state }]],
    (map { $_ => [['registrar', { stateCode => $state }], ['registrar', { stateCode => $state, academicYear => $year - 1 }],
        ['registrar', { stateCode => $state, academicYear => $year, districtId => 'D001' }]] } qw(student_registration_statistics student_assessment_completion)),
    student_history => [['school', { stateCode => $state, studentId => 'OA-1' }], ['school', { stateCode => $state, studentId => 'OA-1', asmtSubject => ['ELA'] }],
        ['school', { stateCode => $state, studentId => 'OA-0' }, 404]],
    search => [['school', { stateCode => $state, text => 'Interim' }], ['school', { stateCode => $state, text => 'Described' }], ['school', { stateCode => $state, text => 'oa-1' }],
        ['school', { stateCode => $state, text => 'Describ', limit => 1, kind => ['students', 'schools'] }], ['registrar', { stateCode => $state, text => 'D1', kind => ['students'] }, 403]],
    (map { $_ => [['state', \%asked], ['state', { %asked, asmtYear => '1999' }, 404], ['state', { %asked, async => 'true' }, undef, 'ours'],
        ['state', { %asked, asmtYear => '1999', districtId => ['D1', 'D2'], schoolId => ['S1'], async => 'true' }, undef, 'ours']] } qw(extract extract_post)),
    (map { $_ => [['registrar', { %asked, asmtGrade => '03' }], ['registrar', { %asked, asmtGrade => '09' }]] } qw(raw_extract raw_extract_post)),
    (map { $_ => [['registrar', { %asked, asmtGrade => '09' }]] } qw(item_extract item_extract_post)),    # items nobody has
    (map { $_ => [['registrar', { stateCode => $state, academicYear => $year }]] } qw(registration_extract registration_extract_post completion_extract)),
    reports => [['state']], ready => [[undef]], heartbeat => [[undef]], openapi => [[undef]],
    userinfo => [['state'], ['school']], userinfo_post => [['state']],
    jobs => [['school'], ['school', { before => $mine[0] }]], job => [(map { ['school', { job_id => $_ }] } @mine), ['state', { job_id => $mine[0] }, 404]],
    job_delete => [(map { ['school', { job_id => $_ }] } @ends), ['school', { job_id => $ends[0] }, 404]],
    login => [[undef, {}, 302]], saml_post => [[undef, {}, 403]],
    logout => [['logout', {}, 200]], logout_post => [['logout']],
    session => [['school']], session_touch => [['school']], sessions => [['school']],
    sessions_end_others => [['general']],
    session_end => [['school', { ref => spare_session('school') }], ['school', { ref => '0' x 12 }, 404], ['school', { ref => 'none' }, 404]],
    administration_sessions => [['super'], ['super', { user => 'nobody' }]],
    administration_session_end => [['super', { ref => spare_session('district') }], ['super', { ref => '0' x 12 }, 404]],
    cache_flush => [['super', { cache_name => 'data' }], ['super', { cache_name => 'nothing' }, 404]], cache_flush_runbook => [['super', { cache_name => 'data' }]],
    trigger => [['super', { trigger_type => 'pdf' }, 503], ['super', { trigger_type => 'cache' }], ['super', { trigger_type => 'tea' }, 404]],
    (map { my ($id, $who) = @$_; ("$id.comparing_populations" => [(map { [$who, { %open, %$_ }] } {}, { districtId => $open_place->[0] },
            { districtId => $open_place->[0], schoolId => $open_place->[1] }), ['school', { %open, sex => ['male'] }]], "$id.public_short_url" => [[$who, { sid => $sid }]]) }
        ['public', 'state'], ['public_data', undef]),
    public_page => [[undef, { sid => $sid }, 301]], state_code => [['super', { state_code => 'nc' }]],
    logout_redirect => [[undef]], saml_metadata => [[undef]],
);
for my $report (@reports, map { /\Apublic\.(.*)/ ? "public_data.$1" : () } @reports) {
    $calls{"${report}_parameters"} //= [[$report =~ /\Apublic_data/ ? undef : 'state']];
    $calls{"${report}_post"} //= $calls{$report} if $calls{$report} && !$post_only{$report};
}
is_deeply([sort keys %calls], [sort keys %by_id], 'every operation is called here');

my @cases;    # for schemas.py, and what to say of each

# The description of an answer's status; judged later, all at once.
sub judge {
    my ($what, $op, $answer) = @_;
    my $response = $op->{responses}{ $answer->{status} } or return fail("$what: status $answer->{status} is in the description");
    $response = $doc->{components}{responses}{$1} if ($response->{'$ref'} // '') =~ m{\A#/components/responses/(\w+)\z};
    my $content = $response->{content};
    if (!$content) {
        is($answer->{status} =~ /\A3/ ? 0 : length $answer->{body}, 0, "$what: $answer->{status} without a body");
        ok(defined $answer->{headers}{ lc $_ }, "$what: header $_") for keys %{ $response->{headers} // {} };
        return;
    }
    (my $type = $answer->{headers}{'content-type'} // '') =~ s/;.*//s;
    my $media = $content->{$type} or return fail("$what: type $type is in the description of $answer->{status}");
    return pass("$what: $answer->{status}, $type") if $type !~ /json/;
    push @cases, [$what, { schema => $media->{schema}, instance => json($answer), closed => $op->{operationId} eq 'openapi' ? JSON::PP::false : JSON::PP::true }];
}

sub query_of {
    my ($params) = @_;
    return join '&', map { my $name = $_; my $v = $params->{$name}; map { "$name=" . Smarter::Test::percent($_) } ref $v ? @$v : $v } sort keys %$params;
}

sub call {
    my ($op, $who, $params, %opt) = @_;
    my %query = %{ $params // {} };
    (my $path = $op->{path}) =~ s/\{(\w+)\}/delete $query{$1}/ge;
    $jar{logout} //= sign_in('district') if ($who // '') eq 'logout';
    my @ours = $op->{'x-same-origin'} ? (Origin => env('SMARTER_URL')) : ();
    my %common = ($who ? (jar => $jar{$who}) : (), headers => { @ours, %{ $opt{headers} // {} } });
    return post_json($path, \%query, %common) if $op->{method} eq 'POST' && $op->{requestBody}{content}{'application/json'} && !$opt{query};
    my $query = $opt{query} // query_of(\%query);
    return http($op->{method}, $path . ($query eq '' ? '' : "?$query"), %common, $opt{body} // ());
}

for my $id (sort keys %calls) {
    my $op = $by_id{$id} or next;
    for my $call (@{ $calls{$id} }) {
        my ($who, $params, $status, $ours) = @$call;
        my $answer = call($op, $who, $params, $ours ? (headers => { Origin => env('SMARTER_URL') }) : ());
        my $what = "$op->{method} $op->{path} " . query_of($params // {});
        is($answer->{status}, $status // 200, "$what answers") or diag(substr $answer->{body}, 0, 300);
        judge($what, $op, $answer);
    }
}

# With top and bottom coding.
my %set = (branding => { display => 'North', image => '/assets/nc.svg', higherEdLink => 'https://example.org/' }, min_cell_size => 5);
results($school, year => $year, subject => 'Math', grade => '05', level => 4, count => 90);
metadata(JSON::PP->new->encode({ %set, top_bottom_coding => 20 }));
put();
counted();
for my $id (qw(comparing_populations subgroups trends)) {
    judge("$id with coding", $by_id{$id}, call($by_id{$id}, 'state', { ($id eq 'trends' ? (view => $_) : (asmtYear => $year)), stateCode => $state, districtId => $_ eq 'cohort' ? 'OD3' : 'D001' }))
        for $id eq 'trends' ? qw(same_grade cohort) : 1;
}

# ---- and when it is asked badly ----------------------------------------------------------------------------------
for my $id (sort keys %calls) {
    my $op = $by_id{$id} or next;
    next if grep { $_ eq 'signing in' } @{ $op->{tags} };
    my ($who, $params) = @{ $calls{$id}[0] };
    my $what = "$op->{method} $op->{path}";
    my $is = sub {
        my ($status, $why, @call) = @_;
        my $answer = call($op, @call);
        is($answer->{status}, $status, "$what: $why") or diag(substr $answer->{body}, 0, 300);
        judge("$what: $why", $op, $answer);
    };
    my $json = $op->{requestBody}{content}{'application/json'};
    if (@{ $op->{security} }) {
        $is->(401, 'without a session', undef, $params);
        $is->(403, 'without a role', 'norole', $params);
    }
    if ($op->{responses}{412}) {
        my @needed = $json ? @{ $json->{schema}{required} } : map { $_->{name} } grep { $_->{in} eq 'query' && $_->{required} } @{ $op->{parameters} };
        for my $name (@needed) {
            my %less = %$params;
            delete $less{$name};
            $is->(412, "without $name", $who, \%less);
        }
        $is->(412, 'with an unknown name', $who, $json ? { %$params, zz => 1 } : $params, $json ? () : (query => 'zz=1')) if $op->{path} =~ m{\A/services/};
    }
    $is->(412, 'parameters in the address', $who, $params, query => 'stateCode=NC') if $json && $post_only{ $id };
    $is->(400, 'a broken query', $who, $params, query => '%zz') if $op->{responses}{400} && $op->{method} ne 'OPTIONS';
    $is->(414, 'too long', $who, $params, query => 'x=' . 'x' x 2000) if $op->{responses}{414};
    if ($json) {
        my %post = ($who ? (jar => $jar{$who}) : (), headers => { 'Content-Type' => 'application/json', Origin => env('SMARTER_URL') });
        for (['400', 'no JSON', body => '{'], [413, 'too much', body => ' ' x 70_000], [415, 'another type', body => '{}', type => 'text/plain']) {
            my ($status, $why, @opt) = @$_;
            my $answer = post($op->{path}, %post, @opt);
            is($answer->{status}, $status, "$what: $why");
            judge("$what: $why", $op, $answer);
        }
    }
    elsif ($op->{method} eq 'GET') {
        my $headers = call($op, $who, $params)->{headers};
        is(defined $headers->{etag}, defined $op->{responses}{304}, "$what: has a tag if it says so, and only then");
        like($headers->{'cache-control'}, !$headers->{etag} ? qr/\Ano-store\b/ : @{ $op->{security} } ? qr/\Aprivate, no-cache\z/ : qr/\A(?:private, no-cache|public, max-age=60)\z/,
            "$what: is kept accordingly");
        $is->(304, 'what one has', $who, $params, headers => { 'If-None-Match' => $headers->{etag} }) if $headers->{etag};
    }
}

# ---- what the tables say of parameters is what the server does ------------------------------------------------------
my (@says, @asked);
for my $id (grep { $by_id{$_} && $by_id{$_}{path} =~ m{\A/data/.} && $by_id{$_}{method} eq 'GET' } sort keys %calls) {
    my $op = $by_id{$id};
    my ($who, $params) = @{ $calls{$id}[0] };
    for my $p (@{ $op->{parameters} }) {
        my $schema = $p->{schema}{items} // $p->{schema};
        my @bad = $schema->{type} eq 'integer' ? ('x', '2147483648') : $schema->{enum} ? ('zz') : ('x' x ($schema->{maxLength} + 1), $schema->{pattern} ? '_' : ());
        my $good = $schema->{enum} // [];
        for my $value (@bad, $p->{schema}{items} && @$good ? $good : @$good) {
            my $fine = ref $value || grep { $_ eq $value } @$good;
            push @says, [$fine, "$id: $p->{name}=" . substr(ref $value ? "@$value" : $value, 0, 20) . ($fine ? ' is accepted' : ' is refused') . ', as described'];
            push @asked, ['GET', "$op->{path}?" . query_of({ %$params, $p->{name} => $value }), $who ? (jar => $jar{$who}) : ()];
        }
    }
}
my @said = http_all(@asked);
ok($says[$_][0] ? $said[$_]{status} != 412 : $said[$_]{status} == 412, $says[$_][1]) or diag("$said[$_]{status} $said[$_]{error}") for 0 .. $#says;

# ---- the verdict of the validator ---------------------------------------------------------------------------------------
sub examples {
    my ($node, $path) = @_;
    return map { examples($node->[$_], "$path/$_") } 0 .. $#$node if ref $node eq 'ARRAY';
    return () unless ref $node eq 'HASH';
    my @mine = exists $node->{example} && $node->{schema} ? ["example $path", { schema => $node->{schema}, instance => $node->{example}, example => JSON::PP::true }] : ();
    return (@mine, map { examples($node->{$_}, "$path/$_") } grep { $_ ne 'example' } sort keys %$node);
}
my @examples = examples($doc->{paths}, '');
cmp_ok(scalar @examples, '>=', scalar @reports, 'every report has an example');
push @cases, @examples;
my $dir = tmpdir();
my @files = (spew("$dir/document.json", $answer->{body}), spew("$dir/cases.json", JSON::PP->new->utf8->encode([map { $_->[1] } @cases])));
my $r = Smarter::Test::run({}, '/usr/bin/python3', '-W', 'ignore', top() . '/t/lib/Smarter/schemas.py', @files);
is($r->{exit}, 0, 'the validator runs') or diag($r->{err});
my $verdict = eval { JSON::PP->new->utf8->decode($r->{out}) } // { schemas => ['no verdict'], cases => [] };
is_deeply($verdict->{schemas}, [], 'every schema is one, every reference leads somewhere');
# What no answer here has: a chain that is broken.
is_deeply([grep { $_ ne 'heartbeat/checks/problem' } @{ $verdict->{unseen} // ['no verdict'] }], [], 'nothing is described that no answer has') or diag(explain($verdict->{unseen}));
is(scalar @{ $verdict->{cases} }, scalar @cases, 'every answer is judged');
for my $i (0 .. $#cases) {
    my ($what, $case) = ($cases[$i][0], $verdict->{cases}[$i]);
    is_deeply($case->{errors}, [], "$what: as described") or diag(join "\n", @{ $case->{errors} });
    is_deeply($case->{open}, [], "$what: a member that is not described would be noticed");
}

finish();
