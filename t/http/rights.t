# Who sees what: every role at every place asks for every report of every level. What must come out stands in
# tables here, written from docs/security.md, "Roles and places"; and nothing that comes out may name, or count,
# anything beyond what the cell allows.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd', 'workers');

my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');
my $year = 2053;

# ---- a second tenant, with institutions and students of the same ids -----------------------------------------------
my $owner = sprintf 'postgresql://%s@%s:%s/%s', map { env($_) } qw(PGUSER PGHOST PGPORT PGDATABASE);
sub tenant { return run_program({ as_me => 1, env => { PGPASSWORD => env('PGPASSWORD') } }, 'smarter', 'tenant', @_, 'ga', '--owner-url', $owner, '--reload') }
my $added = tenant('add', '--state', 'GA', '--sender', env('SMARTER_VAR') . '/keys/sender-nc.asc');
is($added->{exit}, 0, 'a second tenant') or BAIL_OUT($added->{err});
END {
    my $status = $?;
    tenant('remove', '--drop-data', 'ga') if $added && !$added->{exit};
    $? = $status;
}

# ---- the world: [district, name, school, name, student's id, first and last name, results by level] -----------------
# RA and RB both have a school SX: an id means nothing without its parents. Georgia has all ids again.
my @world = (
    [qw(RA Alder_District SA1 Alder_One RS-1 Alma Alderone), [11, 23, 29, 40]],
    [qw(RA Alder_District SA2 Alder_Two RS-2 Abel Aldertwo), [13, 17, 37, 40]],
    [qw(RA Alder_District SX Alder_Shared RS-3 Anna Aldershare), [19, 20, 31, 39]],
    [qw(RB Birch_District SB1 Birch_One RS-4 Bert Birchone), [21, 22, 33, 37]],
    [qw(RB Birch_District SX Birch_Shared RS-5 Bess Birchshare), [24, 26, 36, 41]],
);
my @georgia = ([qw(RA Peach_District SA1 Peach_One RS-1 Pia Peachone), [30, 31, 32, 38]], [qw(RB Pecan_District SX Pecan_Shared RS-5 Paul Pecanshare), [34, 35, 42, 46]]);

sub fill {
    my @schools = @_;
    for (@schools) {
        my ($district, $district_name, $school, $school_name, $id, $first, $last, $levels) = @$_;
        my $at = school($district, $district_name, $school, $school_name);
        my $asmt = $Smarter::Results::asmt{"SUMMATIVE $year Math"} //= assessment('SUMMATIVE', $year, 'Math', claims => ['Concepts']);
        my %row = (year => $year, subject => 'Math', grade => '03', asmt => $asmt);
        results($at, %row, student => student($id, first_name => $first, last_name => $last), level => 1);
        results($at, %row, level => $_, count => $levels->[$_ - 1] - ($_ == 1)) for 1 .. 4;
        registered($year, $id, [$district, $district_name], [$school, $school_name]);
    }
    put();
}
fill(@world);
elsewhere('prod_ga', 'GA', sub { fill(@georgia) });

# What an answer could give away, and where it belongs: [place, pattern], places like "NC/RA/SA1", students behind '#'.
my @secrets;
my %total;
for (map([$state, $_], @world), map(['GA', $_], @georgia)) {
    my ($st, $row) = @$_;
    my ($district, $district_name, $school, $school_name, $id, $first, $last, $levels) = @$row;
    my $n = eval join '+', @$levels;
    $total{$_} += $n for $st, "$st/$district", "$st/$district/$school";
    push @secrets, ["$st/$district", qr/\Q$district_name\E/], ["$st/$district/$school", qr/\Q$school_name\E/],
        ["$st/$district/$school#", qr/\b(?:$first|$last)\b/], ["#$id", qr/"$id"/];    # the id is of both states
}
push @secrets, map { my $n = $total{$_}; [$_, qr/[\[:,]\s*$n\b/] } sort keys %total;

# What of it an answer holds. Who asks is told his own places: user_info and permissions do not count.
sub given_away {
    my ($answer) = @_;
    my $data = eval { json($answer) };
    if (ref $data eq 'HASH') {
        delete $data->{user_info};
        delete $data->{context}{permissions} if $data->{context};
        return seen_in(JSON::PP->new->canonical->encode($data));
    }
    return seen_in($answer->{body});
}
sub seen_in { my ($text) = @_; my %seen; $seen{ $_->[0] } ||= $text =~ $_->[1] for @secrets; return { map { $_ => 1 } grep { $seen{$_} } keys %seen } }

# ---- who asks -------------------------------------------------------------------------------------------------------
my @roles = qw(GENERAL PII SAREXTRACTS SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS ALLSTATES SUPER_USER ASMTDATALOAD);
my @places = (    # of a person: tenant, state, district, school
    [consortium => undef], [tenant => $tenant], [state => $tenant, $state], [district => $tenant, $state, 'RA'],
    [school => $tenant, $state, 'RA', 'SA1'], [other_district => $tenant, $state, 'RB'], [other_school => $tenant, $state, 'RA', 'SA2'],
    [other_state => 'ga', 'GA'],
);
my (@people, %jar);
for my $role (@roles) {
    for my $place (@places) {
        my ($name, @ids) = @$place;
        my $kind = "$role-$name";
        add_user($kind, [$role, @ids]);
        push @people, { kind => $kind, role => $role, place => $name, ids => \@ids };
    }
}
for my $kind (map { $_->{kind} } @people) {
    $jar{$kind} = sign_in($kind);
}

# ---- what they ask for -----------------------------------------------------------------------------------------------
# [report, level, parameters, rule]: the rule says who gets what. Places an answer may hold, by level.
my %params = (state => {}, district => { districtId => 'RA' }, school => { districtId => 'RA', schoolId => 'SA1' },
    grade => { districtId => 'RA', schoolId => 'SA1', asmtGrade => '03' }, student => { studentId => 'RS-1', asmtType => 'SUMMATIVE' });
my %shows = (
    state => [$state, map { "$state/$_" } qw(RA RB)],
    district => ["$state/RA", map { "$state/RA/$_" } qw(SA1 SA2 SX)],
    school => ["$state/RA", "$state/RA/SA1"],
);
$shows{grade} = $shows{school};
$shows{student} = ["$state/RA", "$state/RA/SA1"];
$shows{all} = [$state, map { ("$state/$_->[0]", "$state/$_->[0]/$_->[2]") } @world];
$params{all} = { academicYear => $year };
$shows{search} = ["$state/RA", map { "$state/RA/$_" } qw(SA1 SA2 SX)];
$params{search} = { text => 'alder' };
my @asked = (
    ['comparing_populations', 'state', 'aggregates'], ['comparing_populations', 'district', 'aggregates'], ['comparing_populations', 'school', 'aggregates'],
    ['list_of_students', 'school', 'students'], ['list_of_students', 'grade', 'students'],
    ['individual_student_report', 'student', 'student'], ['student_history', 'student', 'student'],
    ['quick_links', 'state', 'links'], ['academic_year', 'state', 'years'],
    ['search', 'search', 'search'],
    (map { my $report = $_; map { [$report, $_, 'aggregates'] } qw(state district school) } qw(subgroups trends)),
    ['student_registration_statistics', 'all', 'registered'], ['student_assessment_completion', 'all', 'assessed'],
);
my %reports = map { $_->[0] => 1 } @asked;
# (public reports are anybody's, of a copy with other ids: t/http/public.t)
is_deeply([sort keys %reports], [sort grep { !/\Apublic\./ } @{ json(get('/data', jar => $jar{'GENERAL-state'})) }], 'every report is asked for here');

# ---- what they get ---------------------------------------------------------------------------------------------------
# By rule, role ('*': every other) and place: a status, "rows" (200 with students), "none" (200 without any).
my @of_tenant = qw(consortium tenant state district school other_district other_school);
my %member = ((map { $_ => 200 } @of_tenant), other_state => 403);
my %nobody = (map { $_ => 403 } @of_tenant, 'other_state');
my %of_states = (%nobody, map { $_ => 200 } qw(consortium tenant state));    # held for less it is void
my %expected = (
    aggregates => { '*' => \%member },
    years => { '*' => \%member },
    search => { '*' => \%member },
    links => { '*' => \%member },
    students => { '*' => \%nobody, PII => { (map { $_ => 'rows' } qw(consortium tenant state district school)), other_district => 'none', other_school => 'none', other_state => 403 } },
    registered => { '*' => \%nobody, SRSEXTRACTS => \%of_states },
    assessed => { '*' => \%nobody, SRCEXTRACTS => \%of_states },
    student => { '*' => \%nobody, PII => { (map { $_ => 'rows' } qw(consortium tenant state district school)), other_district => 404, other_school => 404, other_state => 403 } },
);
# Students that a search finds, by place; with role PII.
my %found = ((map { $_ => [qw(SA1 SA2 SX)] } qw(consortium tenant state district)), school => ['SA1'], other_school => ['SA2']);
my %student_of = (SA1 => 'RS-1', SA2 => 'RS-2', SX => 'RS-3');
# Short cuts: districts and schools given by name.
my %links = (district => ['RA'], school => ['RA', 'RA/SA1'], other_district => ['RB'], other_school => ['RA', 'RA/SA2']);
# context.permissions of a role, at the levels state, district (RA), school (SA1): all, or the ids one level down.
my %chain = (
    consortium => [1, 1, 1], tenant => [1, 1, 1], state => [1, 1, 1], district => [['RA'], 1, 1], school => [['RA'], ['SA1'], 1],
    other_district => [['RB'], [], []], other_school => [['RA'], ['SA2'], []],
);
my %level_number = (all => 0, state => 0, district => 1, school => 2, grade => 2, student => 0);
my %member_of = (sar_extracts => 'SAREXTRACTS', srs_extracts => 'SRSEXTRACTS', src_extracts => 'SRCEXTRACTS', audit_xml_extracts => 'AUDITXML', item_extracts => 'IIRDEXTRACTS');
my %for_states = map { $_ => 1 } qw(SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS);    # held for less they are void

sub permissions {
    my ($person, $level) = @_;
    my $n = $level_number{$level};
    my $reach = sub {
        my ($role) = @_;
        my $have = $role eq $person->{role} && !($for_states{$role} && $person->{place} =~ /district|school/) ? $chain{ $person->{place} }[$n] : [];
        return ref $have ? { all => JSON::PP::false, guid => $have } : { all => JSON::PP::true, guid => [] };
    };
    return { (map { $_ => $reach->($member_of{$_}) } keys %member_of), pii => $n == 2 ? $reach->('PII') : { all => JSON::PP::true } };
}

my (@cells, @requests);
for my $person (@people) {
    for (@asked) {
        my ($report, $level, $rule) = @$_;
        my $want = ($expected{$rule}{ $person->{role} } // $expected{$rule}{'*'})->{ $person->{place} };
        push @cells, { person => $person, report => $report, level => $level, rule => $rule, want => $want };
        push @requests, ['POST', "/data/$report", jar => $jar{ $person->{kind} }, json => { stateCode => $state, %{ $params{$level} }, asmtYear => $year }];
    }
}
my @answers = http_all(@requests);
my %checked;
for my $i (0 .. $#cells) {
    my ($cell, $answer) = ($cells[$i], $answers[$i]);
    my ($person, $want) = @$cell{qw(person want)};
    my $what = "$person->{role} of $person->{place}: $cell->{report}, $cell->{level}";
    my $status = $want =~ /\d/ ? $want : 200;
    $checked{$want}++;
    if ($answer->{status} != $status) {
        fail("$what: $want");
        diag("$answer->{status} $answer->{error} " . substr $answer->{body}, 0, 300);
        next;
    }
    my %may = map { $_ => 1 } $status != 200 || $cell->{rule} =~ /links|years/ ? () : @{ $shows{ $cell->{level} } };
    @may{"$state/RA/SA1#", '#RS-1'} = (1, 1) if $want eq 'rows';
    my @found = $cell->{rule} eq 'search' && $person->{role} eq 'PII' ? @{ $found{ $person->{place} } // [] } : ();
    @may{map { ("$state/RA/$_#", "#$student_of{$_}") } @found} = (1) x (2 * @found);
    $may{"$state/" . $_} = 1 for $cell->{rule} eq 'links' ? @{ $links{ $person->{place} } // [] } : ();
    my $seen = given_away($answer);
    is_deeply([grep { !$may{$_} } sort keys %$seen], [], "$what: $want, and nothing of anywhere else");
    next if $status != 200;
    my $data = json($answer);
    is_deeply($data->{context}{permissions}, permissions($person, $cell->{level}), "$what: permissions") if $data->{context};
    if ($cell->{rule} =~ /\A(?:aggregates|registered|assessed)\z/) {
        # registrations are counted, too, but few: their numbers tell nothing apart
        my @names = $cell->{level} eq 'all' ? grep { $_ ne $state } @{ $shows{all} } : @{ $shows{ $cell->{level} } };
        # these are about one place, and do not name what is below
        @names = $names[0] if $cell->{report} =~ /\A(?:subgroups|trends)\z/ && $cell->{level} =~ /state|district/;
        is_deeply([grep { !$seen->{$_} } @names], [], "$what: all of the place");
    }
    elsif ($cell->{rule} eq 'search') {
        is_deeply([grep { !$seen->{$_} } sort keys %may], [], "$what: all places of that name, and his students") if $status == 200;
    }
    elsif ($want eq 'rows') {
        ok($seen->{"$state/RA/SA1#"}, "$what: the student");
    }
    elsif ($want eq 'none') {
        is_deeply($data->{assessments}, {}, "$what: nobody");
    }
    elsif ($cell->{rule} eq 'links') {
        my @got = map { join '/', grep { defined } @{ $_->{params} }{qw(districtId schoolId)} } map { @{ $data->{quick_links}{$_} } } qw(districts schools);
        is_deeply([sort @got], $links{ $person->{place} } // [], "$what: those he was given");
    }
}
cmp_ok($checked{$_} // 0, '>=', 2, "some cells want $_") for 200, 403, 404, 'rows', 'none';

# ---- who they are ----------------------------------------------------------------------------------------------------
my @infos = http_all(map { ['GET', '/services/userinfo', jar => $jar{ $_->{kind} }] } @people);
for my $i (0 .. $#people) {
    my $person = $people[$i];
    my $info = json($infos[$i])->{user_info};
    my ($in, $st, $district, $school) = @{ $person->{ids} };
    my %roles = (GENERAL => 1, $person->{role} => 1);
    my @tenants = $in ? $in : ('ga', $tenant);
    my $sets = { state_code => $st && !$district ? [$st] : [], district_id => $district && !$school ? [$district] : [], school_id => $school ? [$school] : [] };
    is_deeply([[sort @{ $info->{_User__info}{roles} }], [sort @{ $info->{_User__info}{tenant} }], $info->{_User__info}{displayHome} ? 1 : 0, $info->{_User__context}],
        [[sort keys %roles], \@tenants, $person->{role} eq 'ALLSTATES' ? 1 : 0, { map { $_ => { map { $_ => $sets } keys %roles } } @tenants }],
        "$person->{kind}: who he is, and where");
}

# ---- several states, several grants, ids without parents ---------------------------------------------------------------
subtest 'the other state' => sub {
    my %ga = (stateCode => 'GA', asmtYear => $year);
    for my $who (qw(PII-consortium PII-other_state GENERAL-consortium PII-tenant PII-state PII-school)) {
        my $may = $who =~ /consortium|other_state/;
        my ($compare, $list, $one) = http_all(map { ['POST', "/data/$_->[0]", jar => $jar{$who}, json => { %ga, %{ $_->[1] } }] } ['comparing_populations', {}],
            ['list_of_students', $params{school}], ['individual_student_report', $params{student}]);
        is($compare->{status}, $may ? 200 : 403, "$who: its aggregates");
        is_deeply([grep { !/^(?:GA|#)/ } keys %{ given_away($_) }], [], "$who: nothing of $state") for $compare, $list, $one;
        my $students = $may && $who =~ /^PII/;
        is($_->{status}, $students ? 200 : 403, "$who: its students") for $list, $one;
        is_deeply([grep { /#$/ } keys %{ given_away($_) }], $students ? ['GA/RA/SA1#'] : [], "$who: those of the school, of that state") for $list, $one;
    }
};

subtest 'grants together' => sub {
    my @mixed = (
        ['a district and a school of another', [['PII', $tenant, $state, 'RB'], ['PII', $tenant, $state, 'RA', 'SX']], ['RA/SX', 'RB/SB1', 'RB/SX']],
        ['the whole tenant, and a school', [['PII', $tenant], ['PII', $tenant, $state, 'RA', 'SA1']], [map { "$_->[0]/$_->[2]" } @world]],
        ['everywhere, and a school', [['PII'], ['PII', $tenant, $state, 'RA', 'SA1']], [map { "$_->[0]/$_->[2]" } @world]],
        ['a school whose id another district has, too', [['PII', $tenant, $state, 'RB', 'SX']], ['RB/SX']],
        ['a school that does not lie there', [['PII', $tenant, $state, 'RB', 'SA1']], []],
        ['the same ids in another state', [['PII', 'ga', 'GA', 'RA', 'SA1'], ['GENERAL', $tenant, $state]], undef],
        ['students in one place, extracts in all', [['PII', $tenant, $state, 'RA', 'SA2'], ['SAREXTRACTS', $tenant, $state]], ['RA/SA2']],
        ['a state without its tenant, beside a school', [['PII', undef, $state], ['PII', $tenant, $state, 'RA', 'SA2']], ['RA/SA2']],
        ['an unknown tenant, beside a school', [['PII', 'zz', 'ZZ'], ['PII', $tenant, $state, 'RA', 'SA2']], ['RA/SA2']],
    );
    for my $i (0 .. $#mixed) {
        my ($what, $chains, $reach) = @{ $mixed[$i] };
        add_user("mixed$i", @$chains);
        my $who = sign_in("mixed$i");
        my @lists = http_all(map { ['POST', '/data/list_of_students', jar => $who, json => { stateCode => $state, districtId => $_->[0], schoolId => $_->[2], asmtYear => $year }] } @world);
        if (!$reach) {
            is_deeply([map { $_->{status} } @lists], [(403) x @world], "$what: no students here");
            next;
        }
        my @got = grep { s{^\Q$state\E/(.*)#$}{$1} } map { keys %{ given_away($_) } } @lists;
        is_deeply([sort @got], [sort @$reach], "$what: exactly those") or diag(explain([map { substr $_->{body}, 0, 200 } @lists]));
    }
    # Chains that are dropped are written down, without their text.
    my @dropped = grep { /SB\d+.*(?:not configured here|without the one it lies in)/ } log_since('httpd');
    cmp_ok(scalar @dropped, '>=', 2, 'what was dropped is in the log');
    unlike("@dropped", qr/\|PII\|/, 'but not the chain itself');
};

finish();
