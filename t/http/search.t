# Search: places for every member of the tenant, students only for those who hold PII and only their own; texts
# that try something; the limit a minute; and what is written down of it.
use strict;
use warnings;
use utf8;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my ($state, $tenant, $schema) = map { env($_) } qw(SMARTER_STATE SMARTER_TENANT SMARTER_SCHEMA);
my $year = 2062;
my $search = '/data/search';
sub bytes { my ($text) = @_; utf8::encode($text); return $text }

# ---- the world ------------------------------------------------------------------------------------
my $north = school('QD1', bytes("Québec North"), 'QS1', 'Quail Hill');
my $hidden = school('QD1', bytes("Québec North"), 'QS2', "Quail O'Dell");
my $far = school('QD2', 'Quarry', 'QS3', 'East Quail');
my $old = school('QD3', 'Quondam', 'QS4', 'Quail Gone', 'I');
my %who = (
    'Q-1' => ['Xavier', 'Xu', 'Qadir', $north], 'Q-2' => ['Zoë', undef, "O'Qadir", $north], 'Q-3' => ["José", 'María', 'Qáñez de la Cruz', $north],
    'Q-4' => ['Xavier', undef, 'Qadirson', $hidden], 'Q-5' => ['Qadir', undef, 'Xenon', $far], 'Q-6' => ['Łukasz', undef, 'Qaß', $far],
    'Q-7' => ['Wei', undef, 'Qi', $north], 'Q%8_' => ['Per%cent', undef, 'Qunder_score', $north],
);
for my $id (sort keys %who) {
    my ($first, $middle, $last, $at) = @{ $who{$id} };
    my $s = student($id, map { defined $_ ? bytes($_) : undef } first_name => $first, middle_name => $middle, last_name => $last);
    results($at, student => $s, year => $year, subject => 'Math', grade => '04');
    results($at, student => $s, year => $year - 1, subject => 'ELA', grade => '03', date_taken => ($year - 1) . '0405') if $id eq 'Q-1';
}
# A block alone; moved from one school to another; nothing that may be shown; no longer current; nothing at all.
results($north, student => student('Q-block', last_name => 'Qblock', first_name => 'B'), year => $year, subject => 'Math', grade => '05', type => 'INTERIM ASSESSMENT BLOCKS');
my $moved = student('Q-moved', last_name => 'Qmoved', first_name => 'M');
results($north, student => $moved, year => $year - 1, subject => 'Math', grade => '03', date_taken => ($year - 1) . '0405');
results($far, student => $moved, year => $year, subject => 'Math', grade => '04');
results($north, student => student('Q-not', last_name => 'Qnot'), year => $year, subject => 'Math', grade => '03', administration_condition => 'XX');
results($north, student => student('Q-was', last_name => 'Qwas', rec_status => 'I', to_date => '20200101'), year => $year, subject => 'Math', grade => '03', status => 'I');
student('Q-none', last_name => 'Qnone');
# Many of one name.
for my $i (1 .. 53) {
    results($far, student => student(sprintf('Q-many-%02d', $i), last_name => 'Qmany', first_name => sprintf('F%02d', $i)), year => $year, subject => 'Math', grade => '03');
}
put();

my %chains = (whole => [['PII', $tenant, $state]], district_1 => [['PII', $tenant, $state, 'QD1']], school_1 => [['PII', $tenant, $state, 'QD1', 'QS1']],
    elsewhere => [['PII', $tenant, $state, 'QD2', 'QS1']], other_roles => [map { [$_, $tenant, $state] } qw(SAREXTRACTS SRSEXTRACTS AUDITXML SUPER_USER)]);
add_user($_, @{ $chains{$_} }) for keys %chains;
my %jar = map { $_ => sign_in($_) } keys %chains, qw(state district school multi general super consortium otherstate norole unknown);

sub request {
    my ($who, $text, %more) = @_;
    return post_json($search, { stateCode => $state, text => $text, %more }, jar => $jar{$who});
}

sub found {
    my ($who, $text, %more) = @_;
    my $answer = request($who, $text, %more);
    is($answer->{status}, 200, "$who may search") or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : {};
}

sub students {
    my ($who, $text, %more) = @_;
    return join ' ', map { $_->{params}{studentId} } @{ found($who, $text, kind => ['students'], %more)->{students} };
}

subtest 'places' => sub {
    my $data = found('general', 'quail');
    is_deeply([sort keys %$data], [qw(districts more schools)], 'for everybody; students are not named to those who may not see them');
    is_deeply([map { $_->{name} } @{ $data->{schools} }], ['Quail Hill', "Quail O'Dell", 'East Quail'], 'what begins with it comes first, then by name');
    is_deeply($data->{schools}[0], { params => { stateCode => $state, districtId => 'QD1', schoolId => 'QS1' }, name => 'Quail Hill', district_name => 'Québec North' }, 'a school');
    is_deeply($data->{districts}, [], 'no district');
    is_deeply(found('general', "QUEBEC n")->{districts}, [{ params => { stateCode => $state, districtId => 'QD1' }, name => 'Québec North' }], 'a district, once');
    is_deeply([map { $_->{name} } @{ found('general', 'o’dell')->{schools} }], ["Quail O'Dell"], 'apostrophes do not matter');
    is_deeply(found('general', 'Quondam')->{districts}, [], 'what is no longer there is not found');
    my $one = found('general', 'quail', limit => 1, kind => ['schools']);
    is_deeply([[sort keys %$one], $one->{more}, scalar @{ $one->{schools} }], [['more', 'schools'], ['schools'], 1], 'one of a kind, and that there are more');
    is_deeply(found('general', 'quail', kind => []), { more => [] }, 'nothing of no kind');
};

subtest 'a student' => sub {
    my $data = found('school_1', 'qadir', kind => ['students']);
    is_deeply($data->{students}[0], { params => { stateCode => $state, studentId => 'Q-1', asmtYear => $year, asmtType => 'SUMMATIVE' }, first_name => 'Xavier', middle_name => 'Xu',
        last_name => 'Qadir', grade => '04', date_taken => "${year}0405", district_id => 'QD1', school_id => 'QS1', district_name => 'Québec North', school_name => 'Quail Hill' },
        'where he is by his newest result');
    my $report = post_json('/data/individual_student_report', $data->{students}[0]{params}, jar => $jar{school_1});
    is($report->{status}, 200, 'and his report is there');
    my $answer = request('school_1', 'qadir');
    is($answer->{headers}{'cache-control'}, 'no-store', 'nothing of it is kept');
    is($answer->{headers}{etag}, undef, 'by no tag either');
};

# Text => who is found by the whole state, by district QD1, by school QS1.
my @texts = (
    ['qadir' => 'Q-1 Q-4 Q-5', 'Q-1 Q-4', 'Q-1'], ['QÁDIR' => 'Q-1 Q-4 Q-5', 'Q-1 Q-4', 'Q-1'], ['Xavier' => 'Q-1 Q-4', 'Q-1 Q-4', 'Q-1'],
    ['Qadir, X' => 'Q-1 Q-4', 'Q-1 Q-4', 'Q-1'], ['xavier qadirs' => 'Q-4', 'Q-4', ''], ['qadir xavier' => 'Q-1 Q-4', 'Q-1 Q-4', 'Q-1'], ['x qadir' => 'Q-1 Q-4 Q-5', 'Q-1 Q-4', 'Q-1'],
    ['xenon, qadir' => 'Q-5', '', ''], ['qadir, xenon' => '', '', ''], ["oqadir" => 'Q-2', 'Q-2', 'Q-2'], ["O ' Qadir zoe" => 'Q-2', 'Q-2', 'Q-2'], ['  zoë   o\'qadir ' => 'Q-2', 'Q-2', 'Q-2'],
    ['de la Cruz' => '', '', ''], ['Qanez de la Cruz' => 'Q-3', 'Q-3', 'Q-3'], ['jose qanez dela' => 'Q-3', 'Q-3', 'Q-3'], ['Qáñez de la Cruz José' => 'Q-3', 'Q-3', 'Q-3'],
    ['lukasz qass' => 'Q-6', '', ''], ['Qi' => 'Q-7', 'Q-7', 'Q-7'], ['Q-1' => 'Q-1', 'Q-1', 'Q-1'], ['Q-6' => 'Q-6', '', ''], ['q-1' => '', '', ''],
    ['Qblock' => 'Q-block', 'Q-block', 'Q-block'], ['Qmoved' => 'Q-moved', 'Q-moved', 'Q-moved'], ['Qno' => '', '', ''], ['Qwas' => '', '', ''],
);
subtest 'who is found' => sub {
    for (@texts) {
        my ($text, @want) = @$_;
        is(students((qw(whole district_1 school_1))[$_], $text), $want[$_], bytes("$text: ") . (qw(whole district_1 school_1))[$_]) for 0 .. 2;
    }
    is(students('elsewhere', 'qadir'), '', 'a school that is not in that district is none');
    my $moved = found('school_1', 'Qmoved')->{students}[0];
    is_deeply([@$moved{qw(school_id grade)}, $moved->{params}{asmtYear}], ['QS1', '03', $year - 1], 'who left is where one may see him');
    is(found('whole', 'Qmoved')->{students}[0]{school_id}, 'QS3', 'where others see him elsewhere');
    my $many = found('whole', 'qmany', limit => 50);
    is_deeply([map { $_->{first_name} } @{ $many->{students} }], [map { sprintf 'F%02d', $_ } 1 .. 50], 'so many, in order of names');
    is_deeply($many->{more}, ['students'], 'and more');
    is(scalar @{ found('whole', 'qmany')->{students} }, 20, 'twenty unless more are asked for');
    is(students('whole', 'F53 qmany'), 'Q-many-53', 'the last of them');
    is_deeply(found('district_1', 'qmany')->{more}, [], 'of those elsewhere not even that there are more');
};

subtest 'texts that try something' => sub {
    is(students($_, 'qunder_score'), 'Q%8_', "$_: what looks like a wildcard is found as it is") for qw(whole school_1);
    is(students($_, 'Q%8_'), 'Q%8_', "$_: in an id as well") for qw(whole school_1);
    for my $text ('%%', '__', 'Qa%', 'Q_', 'Qad_r', '%adir', 'Qadir\\', "';--", "' OR 1=1 --", '$1::text', '\\x51', 'Q*', '"Qadir"; SELECT', "\x{202e}ridaQ", "\x{1F600}\x{1F600}", "\x{1F468}\x{200D}\x{1F469}",
        "\x{10FFFF}\x{10FFFF}", "'' ''", '-- --', ', ,', ',,,,', ' , x', "\x{301}\x{301}", 'x' x 200, join(' ', ('ab') x 60), "A\x{300}" x 60) {
        for my $who (qw(whole school_1 super)) { # (each may ask sixty times a minute)
            my $answer = request($who, $text);
            is($answer->{status}, 200, bytes("$who: ") . bytes(substr $text, 0, 20)) or diag($answer->{body});
            my $data = json($answer);
            is_deeply([map { @{ $data->{$_} // [] } } qw(districts schools students)], [], 'finds nobody');
        }
    }
    is(students('whole', "qadir\x{301}"), 'Q-1 Q-4 Q-5', 'accents behind letters are accents');
    for my $bad (["q"], [" \t\n q "], [''], ['é'], ['   '], ["a\0b"], ['x' x 201], ['q' x 10_000], [12], [undef], [['qadir']], ['qadir', limit => 0], ['qadir', limit => 51], ['qadir', limit => '5'],
        ['qadir', kind => 'teachers'], ['qadir', kind => ['students', 'x']], ['qadir', stateCode => 'N']) {
        my $answer = request('whole', @$bad);
        is($answer->{status}, 412, 'refused: ' . JSON::PP->new->ascii->encode($bad) =~ s/(.{30}).*/$1/sr);
        unlike($answer->{body}, qr/qadir|qqq|xxx/, 'the text is not repeated');
    }
    is(post($search, jar => $jar{whole}, type => 'application/json', body => qq({"stateCode":"$state","text":"a\xff"}))->{status}, 400, 'text that is no UTF-8');
};

subtest 'not in an address' => sub {
    for my $method (qw(GET HEAD)) {
        my $answer = http($method, "$search?stateCode=$state&text=qadir", jar => $jar{whole});
        is($answer->{status}, 405, "$method is refused");
        is($answer->{headers}{allow}, 'POST, OPTIONS', 'with what may be done');
    }
    is(post_json("$search?text=qadir", { stateCode => $state }, jar => $jar{whole})->{status}, 412, 'nor beside a POST');
    my $options = http('OPTIONS', $search, jar => $jar{general});
    is($options->{headers}{allow}, 'POST, OPTIONS', 'OPTIONS says so');
    is_deeply(json($options)->{text}, { type => 'string', required => JSON::PP::true }, 'and what it takes');
};

subtest 'who may' => sub {
    my %may = map { $_ => 1 } qw(state district school multi whole school_1);
    for my $who (qw(state district school multi general super consortium unknown other_roles)) {
        my ($all, $of_students) = (request($who, 'quail'), request($who, 'qadir', kind => ['students', 'schools']));
        is($all->{status}, 200, "$who may search places");
        is(exists json($all)->{students} ? 1 : 0, $may{$who} ? 1 : 0, "$who: students or none") if $all->{status} == 200;
        is($of_students->{status}, $may{$who} ? 200 : 403, "$who asks for students");
        unlike($of_students->{body}, qr/Q-\d|Xavier/, "$who sees none of those") unless $who eq 'state';
    }
    is(request($_, 'quail')->{status}, 403, "$_ may not") for qw(otherstate norole);
    is(post_json($search, { stateCode => $state, text => 'quail' })->{status}, 401, 'nor who is not signed in');
    is(request('whole', 'quail', stateCode => 'ZZ')->{status}, 403, 'of another state');
    my @events = grep { /search/ } log_since('security');
    cmp_ok(scalar @events, '>=', 4, 'refusals are security events');
    unlike("@events", qr/qadir|quail/i, 'which do not say what was looked for');
};

subtest 'what is written down' => sub {
    request('school_1', 'Qanez de la Cruz', limit => 7);
    request('general', 'quail hill');
    my @lines = map { JSON::PP->new->decode($_) } grep { /"callable":"search"/ } map { s/\A[^{]*//r } log_since('audit');
    my ($of_student, $of_place) = map { $_->{msg}{params}{args} } @lines[-2, -1];
    is_deeply($of_student, { params => { stateCode => $state, text => { length => 16 }, limit => 7 }, found => 1 }, 'how long the text was, how many students were named');
    is_deeply($of_place, { params => { stateCode => $state, text => { length => 10 } } }, 'no students, no number');
    unlike(join("\n", log_since(undef)), qr/qanez|q.{1,4}ez de la|xavier|qadir/i, 'no log has a text or a name');
};

subtest 'not too often' => sub {
    add_user('hasty', @{ $chains{school_1} });
    $jar{hasty} = sign_in('hasty');
    sleep 1 while time % 60 > 45;    # the whole trial in one minute of the clock
    my @status = map { request('hasty', 'qadir')->{status} } 1 .. 60;
    is(scalar(grep { $_ == 200 } @status), 60, 'sixty times a minute');
    my $answer = request('hasty', 'qadir');
    is($answer->{status}, 429, 'not more') or return;
    like($answer->{headers}{'retry-after'}, qr/\A(?:[1-9]|[1-5]\d|60)\z/, 'and when again');
    like($answer->{headers}{'content-type'}, qr{problem\+json}, 'as a problem');
    is(request('school', 'qadir')->{status}, 200, 'others may');
};

subtest 'by the index' => sub {
    my $plan = join "\n", map { $_->[0] } sql("SET enable_seqscan = off; EXPLAIN SELECT student_id FROM $schema.dim_student s WHERE rec_status = 'C'"
        . qq( AND ($schema.search_key(s.last_name)) COLLATE "C" >= $schema.search_key('Smi') AND ($schema.search_key(s.last_name)) COLLATE "C" < $schema.search_key('Smi') || chr(1114111)));
    like($plan, qr/dim_student_last_name/, 'names are found by it');
};

finish();
