# The public report: for anybody, of the public copy; ids of states; the short address; what it does not
# tell, and what it cannot reach.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64 qw(encode_base64url);
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');
my $public = env('SMARTER_PUBLIC_SCHEMA');
my $private = env('SMARTER_SCHEMA');
my $report = '/public_data/comparing_populations';
my $year = 2053;

sub copy {
    my $r = run_program('smarter-public-copy', '--once', '-t', $tenant, @_);
    is($r->{exit}, 0, 'production is copied') or diag($r->{err});
}

# ---- results --------------------------------------------------------------------------------------
my $one = school('PH1', 'Open District', 'PH11', 'Open School One');
my $two = school('PH1', 'Open District', 'PH12', 'Open School Two');
my $three = school('PH2', 'Wide District', 'PH21', 'Wide School');
my $four = school('PH3', 'Young District', 'PH31', 'Young School');
for my $level (1 .. 4) {
    results($one, year => $year, subject => 'Math', grade => '03', level => $level, count => 20 + $level);
    results($two, year => $year, subject => 'Math', grade => '04', level => $level, count => 30 + $level, sex => 'not_stated');
    results($three, year => $year, subject => 'Math', grade => '05', level => $level, count => 40 + $level, dmg_prg_iep => undef);
}
results($four, year => $year, subject => 'Math', grade => '06', level => 2, count => 7, type => 'INTERIM COMPREHENSIVE');
metadata(undef);
put();
copy();

my ($super, $user) = (sign_in('super'), sign_in('state'));
my $sid = json(get("/services/tool/state_code/\L$state", jar => $super))->{sid};

sub ask {
    my ($where, %params) = @_;
    my $jar = delete $params{jar};
    return post_json($where, \%params, $jar ? (jar => $jar) : ());
}

# ---- ids of states -----------------------------------------------------------------------------------
subtest 'making ids' => sub {
    my $answer = get("/services/tool/state_code/\L$state", jar => $super);
    is($answer->{status}, 200, 'for who administers');
    my $data = json($answer);
    is_deeply([sort keys %$data], ['sid', 'state_code'], 'its members');
    is($data->{state_code}, $state, 'the code in capitals');
    like($data->{sid}, qr/\A[A-Za-z0-9_=-]{20,52}\z/, 'an id');
    isnt($data->{sid}, $sid, 'another one each time');
    is(get("/services/tool/state_code/$state", jar => $_->[0])->{status}, $_->[1], $_->[2])
        for [$user, 403, 'nobody else'], [jar(), 401, 'nobody who is not signed in'];
    is(get('/services/tool/state_code/' . ('N' x 17), jar => $super)->{status}, 412, 'no such long code');
    is(get('/services/tool/state_code/N%2FC', jar => $super)->{status}, 404, 'no path in it');
    my $r = run_program('smarter-public-copy', '--sid', '-t', $tenant);
    is(get("$report?sid=" . ($r->{out} =~ s/\s//gr))->{status}, 200, 'one from the shell leads there too');
};

subtest 'the short address' => sub {
    for my $method (qw(GET HEAD POST PUT DELETE OPTIONS)) {
        my $answer = http($method, "/public/$sid");
        is($answer->{status}, 301, $method);
        is($answer->{headers}{location}, url("/assets/html/comparingPopulations.html?isPublic=true&sid=$sid"), 'leads to the page');
        is($answer->{headers}{'cache-control'}, 'no-store, no-cache, must-revalidate', 'is not kept');
        is($answer->{headers}{expires}, 'Thu, 01 Jan 1970 00:00:00 GMT', 'in no way');
    }
    is(get("/public/$_")->{status}, 404, "/public/$_") for 'short', 'x' x 53, 'x' x 19, 'a%2Fb' . 'x' x 20, 'a.b' . 'x' x 20, '', "$sid/x";
    my $addresses = json(get("/public_data/public_short_url?sid=$sid"));
    is_deeply($addresses, { sid => $sid, short_url => url("/public/$sid"),
        url => url("/assets/html/comparingPopulations.html?isPublic=true&sid=$sid") }, 'both addresses as a report');
};

# ---- the report ------------------------------------------------------------------------------------------
my ($open, $closed);

sub rows { return [map { { %$_, params => undef, id => undef, rowId => undef } } @{ $_[0]{records} }] }

subtest 'the state, for anybody' => sub {
    my $answer = ask($report, sid => $sid, asmtYear => $year);
    is($answer->{status}, 200, 'nobody is signed in');
    is($answer->{headers}{'cache-control'}, 'public, max-age=60', 'may be kept a moment');
    is($answer->{headers}{vary} =~ /Cookie/, 1, 'but not for who is signed in');
    $open = json($answer);
    $closed = json(ask('/data/comparing_populations', stateCode => $state, asmtYear => $year, jar => $user));
    is_deeply(rows($open), rows($closed), 'the same numbers as inside');
    is($open->{records}[0]{results}{subject1}{total}, 220, 'not few');
    is_deeply([@$open{qw(summary subjects metadata asmt_period_year not_stated)}],
        [@$closed{qw(summary subjects metadata asmt_period_year not_stated)}], 'the rest as well');
    is_deeply([map { $_->{name} } @{ $open->{records} }], ['Open District', 'Wide District', 'Young District'], 'also who has interim results only');
    for my $row (@{ $open->{records} }) {
        like($row->{id}, qr/\A[0-9a-f]{40}\z/, "$row->{name}: an id of the copy");
        is_deeply($row->{params}, { sid => $sid, id => $row->{id}, isPublic => JSON::PP::true }, 'its address stays public');
    }
    is_deeply($open->{context}{items}, [{ type => 'home', name => 'Home' }, { type => 'state', name => 'North Carolina', id => $sid }], 'the way here');
    is_deeply($open->{context}{permissions}, { pii => { all => JSON::PP::true },
        map { $_ => JSON::PP::false } qw(sar_extracts srs_extracts src_extracts audit_xml_extracts item_extracts) }, 'nothing is offered');
    ok(!exists $open->{user_info}, 'nobody is named');
    unlike($answer->{body}, qr/stateCode|PH1|PH2/, 'no code of the state, no id of production');
    my $same = get("$report?sid=$sid&asmtYear=$year");
    is($same->{body}, $answer->{body}, 'GET says the same');
    is(get("$report?sid=$sid&asmtYear=$year", headers => { 'If-None-Match' => $same->{headers}{etag} })->{status}, 304, 'who has it keeps it');
    is(sql_one("SELECT copied_at IS NOT NULL FROM $public.public_copy"), 't', 'the copy knows its age');
};

subtest 'below' => sub {
    my ($district) = map { $_->{id} } grep { $_->{name} eq 'Open District' } @{ $open->{records} };
    my $data = json(ask($report, sid => $sid, asmtYear => $year, districtId => $district));
    is_deeply(rows($data), rows(json(ask('/data/comparing_populations', stateCode => $state, asmtYear => $year, districtId => 'PH1', jar => $user))),
        'schools of a district');
    my ($school) = map { $_->{id} } grep { $_->{name} eq 'Open School Two' } @{ $data->{records} };
    is_deeply($data->{records}[0]{params}, { sid => $sid, id => $data->{records}[0]{id}, districtId => $district, isPublic => JSON::PP::true }, 'their addresses');
    $data = json(ask($report, sid => $sid, asmtYear => $year, districtId => $district, schoolId => $school));
    is_deeply([map { $_->{id} } @{ $data->{records} }], ['04'], 'grades of a school');
    is_deeply([map { $_->{name} } @{ $data->{context}{items} }], ['Home', 'North Carolina', 'Open District', 'Open School Two'], 'the way there');
    is_deeply($data->{context}{permissions}{pii}, { all => JSON::PP::false }, 'its grades lead nowhere');
    is_deeply(json(ask($report, sid => $sid, asmtYear => $year, districtId => 'PH1'))->{records}, [], 'by an id of production nothing is found');
    is(ask($report, sid => $sid, schoolId => $school)->{status}, 412, 'a school without its district');
    my $filtered = json(ask($report, sid => $sid, asmtYear => $year, sex => ['not_stated']));
    is_deeply([map { [$_->{name}, $_->{results}{subject1}{unfilteredTotal}] } @{ $filtered->{records} }], [['Open District', 220]], 'filters');
};

subtest 'who is signed in' => sub {
    my $answer = ask($report, sid => $sid, asmtYear => $year, jar => $user);
    my $data = json($answer);
    ok($data->{user_info}{_User__info}{guid}, 'is named to himself');
    is($answer->{headers}{'cache-control'}, 'private, no-cache', 'and to nobody else');
    is($data->{context}{permissions}{sar_extracts}{all}, JSON::PP::true, 'is told what he may do');
    is_deeply($data->{records}, $open->{records}, 'sees what anybody sees');
    is_deeply(json(ask('/data/public.comparing_populations', sid => $sid, asmtYear => $year, jar => $user)), $data, 'also at the other address');
    is(ask('/data/public.comparing_populations', sid => $sid)->{status}, 401, 'which asks for a sign-in');
    is_deeply([grep { /^public\./ } sort @{ json(get('/data', jar => $user)) }], ['public.comparing_populations', 'public.public_short_url'], 'both are listed');
    is_deeply(json(http('OPTIONS', '/data/public.comparing_populations', jar => $user))->{sid}, { type => 'string', required => JSON::PP::true }, 'described');
    is_deeply(json(http('OPTIONS', $report))->{districtId}, { type => 'string', required => JSON::PP::false }, 'to anybody');
};

# ---- bad ids ------------------------------------------------------------------------------------------------
subtest 'ids that lead nowhere' => sub {
    my @no = ('A' x 24, 'x' x 52, substr($sid, 0, 40), encode_base64url(join '', map { chr } 0 .. 36), ($sid =~ s/.(?==*\z)/_/r),
        json(get('/services/tool/state_code/GA', jar => $super))->{sid}, json(get('/services/tool/state_code/XX', jar => $super))->{sid});
    my %answers;
    for my $bad (@no) {
        my $answer = ask($report, sid => $bad);
        is($answer->{status}, 404, "404: $bad");
        my $body = json($answer);
        delete $body->{request_id};
        $answers{ JSON::PP->new->canonical->encode([$body, @{ $answer->{headers} }{qw(content-type cache-control)}]) }++;
    }
    is(scalar keys %answers, 1, 'the answer does not tell why');
    is(ask($report, sid => $_)->{status}, 412, "412: '$_'") for '', 'short', 'y' x 53, 'has space' . 'y' x 20, "\x{e9}" x 20;
    is(ask($report)->{status}, 412, 'none');
    is(ask($report, sid => $sid, districtId => 'x' x 41)->{status}, 412, 'ids of places have at most 40 characters');
    is(json(ask($report, sid => $sid, stateCode => 'GA', asmtYear => $year))->{context}{items}[1]{id}, $sid, 'a state code changes nothing');
    is(json(ask('/public_data/list_of_students', sid => $sid))->{error}, 'Report public.list_of_students is not found', 'no other report is public');
    is(get("/public_data/comparing_populations?sid=$sid", headers => { Cookie => '__Host-smarter=nonsense' })->{status}, 200, 'a cookie that is none');
};

subtest 'the audit stream' => sub {
    my $lines = slurp(env('SMARTER_VAR') . '/log/audit.log');
    my ($line) = reverse grep { /get_public_comparing_populations_report/ } split /\n/, $lines;
    my $data = json({ body => $line });
    is($data->{msg}{session_id}, 'Unknown guid', 'who is not known is called so');
    is($data->{msg}{params}{args}{params}{sid}, $sid, 'with what was asked');
};

# ---- what is kept ----------------------------------------------------------------------------------------------
subtest 'answers nobody else wants push nothing out of the cache' => sub {
    my $made = sub { scalar grep { /"SB2004"/ } log_since('application') };
    my $twice = sub {
        my %params = (sid => $sid, asmtYear => $year, @_);
        ask($report, %params);
        my $before = $made->();
        is(ask($report, %params)->{status}, 200, 'asked again');
        return $made->() - $before;
    };
    is($twice->(), 0, 'a page as it begins is kept');
    is($twice->(sex => ['male']), 1, 'under a filter it is not');
    is($twice->(districtId => 'made-up'), 1, 'a place that is made up');
    is($twice->(asmtYear => 1901), 1, 'a year that never was');
};

# ---- a new copy ------------------------------------------------------------------------------------------------
subtest 'the next copy' => sub {
    my $before = $open->{records}[0]{id};
    copy('--force');
    my $data = wait_until(5, 'the new copy', sub {
        my $d = json(get("$report?sid=$sid&asmtYear=$year&x=" . rand));
        $d->{records}[0]{id} ne $before ? $d : undef;
    });
    is_deeply(rows($data), rows($open), 'same numbers');
    is_deeply($data->{not_stated}, $closed->{not_stated}, 'also of what is not stated');
};

finish();
