# Comparing populations at its three levels, against results whose every number is known here. What is hidden is
# judged in privacy.t: here the smallest group that is shown is two.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2041;
my $report = '/data/comparing_populations';

# ---- the results --------------------------------------------------------------------------------
my $one = school('HD1', 'Alpha District', 'HS1', 'School One');
my $two = school('HD1', 'Alpha District', 'HS2', 'School Two');
my $three = school('HD2', 'Beta District', 'HS3', 'School Three');
my $four = school('HD3', 'Gamma District', 'HS4', 'School Four');
my $five = school('HD4', 'Delta District', 'HS5', 'School Five');

sub summative {
    my ($school, $subject, $grade, $counts, %more) = @_;
    for my $level (1 .. @$counts) {
        next unless $counts->[$level - 1];
        results($school, year => $year, subject => $subject, grade => $grade, level => $level,
            count => $counts->[$level - 1], %more);
    }
}

summative($one, 'Math', '03', [8, 10, 0, 4]);
summative($one, 'Math', '03', [0, 0, 18, 9], sex => 'female', administration_condition => 'SD', complete => \0);
summative($two, 'Math', '04', [5, 12, 14, 0], sex => 'NS', dmg_prg_iep => undef, dmg_eth_derived => 0);
summative($two, 'Math', '04', [0, 0, 0, 4], sex => 'not_stated', dmg_prg_iep => \1, dmg_eth_derived => 3);
summative($one, 'ELA', '03', [0, 0, 10, 0]);
summative($three, 'Math', '05', [20, 25, 0, 5]);
summative($three, 'ELA', '05', [1, 1, 1, 8]);
summative($five, 'Math', '06', [3, 3, 3, 3], complete => undef);
# What must not count: invalid, non-standard, superseded, deleted, interim.
summative($one, 'Math', '03', [0, 0, 0, 5], administration_condition => 'IN');
summative($one, 'Math', '03', [0, 0, 0, 5], administration_condition => 'NS');
summative($one, 'Math', '03', [0, 0, 0, 5], status => 'I');
summative($one, 'Math', '03', [0, 0, 0, 5], status => 'D');
summative($one, 'Math', '03', [0, 0, 0, 5], type => 'INTERIM COMPREHENSIVE');
# Interim only: Gamma in Math; Delta has summative Math and blocks in ELA; School Two grade 08 blocks.
summative($four, 'Math', '07', [0, 6, 0, 0], type => 'INTERIM COMPREHENSIVE');
summative($five, 'ELA', '06', [7, 0, 0, 0], type => 'INTERIM ASSESSMENT BLOCKS');
summative($two, 'ELA', '08', [7, 0, 0, 0], type => 'INTERIM ASSESSMENT BLOCKS');
# Another year.
results($one, year => 2040, subject => 'Math', grade => '03', level => 4, count => 12);
metadata('{"min_cell_size": 1}');
put();

my $jar = sign_in('state');

sub ask {
    my (%params) = @_;
    my $answer = post_json($report, { stateCode => $state, asmtYear => $year, %params }, jar => $jar);
    is($answer->{status}, 200, 'the report ' . join ' ', map { "$_=" . (ref $params{$_} ? "@{$params{$_}}" : $params{$_}) } sort keys %params)
        or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : {};
}

# "13/16 22/26 32/38 17/20 = 84" of a visible bar, "0 0 0 0 = 0" of an empty one
sub bar {
    my ($r) = @_;
    return 'none' unless $r;
    my $text = join ' ', map { exists $_->{count} ? "$_->{count}/$_->{percentage}" : $_->{percentage} } @{ $r->{intervals} };
    $text .= " = $r->{total}";
    $text .= " of $r->{unfilteredTotal}" if exists $r->{unfilteredTotal};
    $text .= $r->{hasInterim} ? ' interim' : ' no interim' if exists $r->{hasInterim};
    return $text;
}

# All rows as [name, Math, ELA]
sub rows {
    my ($data) = @_;
    return [map { [$_->{name}, map { bar($_) } @{ $_->{results} }{qw(subject1 subject2)}] } @{ $data->{records} }];
}

sub summary {
    my ($data) = @_;
    return [map { bar($_) } @{ $data->{summary}[0]{results} }{qw(subject1 subject2)}];
}

my $hidden = '-1 -1 -1 -1 = -1';
my $empty = '0 0 0 0 = 0';

subtest 'the state' => sub {
    my $data = ask();
    is_deeply([sort keys %$data],
        [qw(asmt_period_year context metadata not_stated records subjects summary user_info)], 'its members');
    is_deeply($data->{subjects}, { subject1 => 'Math', subject2 => 'ELA' }, 'subjects');
    is_deeply($data->{metadata},
        { branding => undef, map { $_ => { colors => undef, min_cell_size => 1 } } qw(subject1 subject2) }, 'metadata');
    is_deeply(rows($data), [
        ['Alpha District', '13/16 22/26 32/38 17/20 = 84', '0/0 0/0 10/100 0/0 = 10'],
        ['Beta District', '20/40 25/50 0/0 5/10 = 50', '1/9 1/9 1/9 8/73 = 11'],
        ['Delta District', '3/25 3/25 3/25 3/25 = 12', "$empty interim"],
        ['Gamma District', '-1/-1 -1/-1 -1/-1 -1/-1 = -1 interim', '-1/-1 -1/-1 -1/-1 -1/-1 = 0 no interim'],
    ], 'districts in the order of names: shown, empty, interim only');
    is_deeply(summary($data), ['36/25 50/34 35/24 25/17 = 146', '1/5 1/5 11/52 8/38 = 21'], 'their sum');
    is($data->{summary}[0]{results}{subject1}{asmt_subject}, 'Math', 'a subject by name');
    is_deeply($data->{records}[0]{params}, { stateCode => $state, id => 'HD1' }, 'parameters of a row');
    is_deeply([@{ $data->{records}[0] }{qw(id rowId)}], [qw(HD1 HD1)], 'its id');
    is_deeply($data->{context}{items},
        [{ type => 'home', name => 'Home' }, { type => 'state', name => 'North Carolina', stateCode => $state, id => $state }],
        'the way here');
    is_deeply([sort keys %{ $data->{context}{permissions} }],
        [qw(audit_xml_extracts item_extracts pii sar_extracts src_extracts srs_extracts)], 'permissions');
    is_deeply([@{ $data->{asmt_period_year} }[0, 1]], [2041, 2040], 'years, the newest first');
    cmp_ok(scalar @{ $data->{asmt_period_year} }, '<=', 5, 'not more than the state offers');
    is_deeply($data->{not_stated}, { total => 177, ethnicity => 31, sex => 35, dmgPrg504 => 0, dmgPrgIep => 31,
        dmgPrgLep => 0, dmgStsMig => 0 }, 'what is not stated, invalid results included');
    ok($data->{user_info}{_User__info}{guid}, 'who asked');
};

subtest 'a district' => sub {
    my $data = ask(districtId => 'HD1');
    is_deeply(rows($data), [
        ['School One', '8/16 10/20 18/37 13/27 = 49', '0/0 0/0 10/100 0/0 = 10'],
        ['School Two', '5/14 12/34 14/40 4/12 = 35', "$empty interim"],
    ], 'its schools');
    is_deeply(summary($data), ['13/16 22/26 32/38 17/20 = 84', '0/0 0/0 10/100 0/0 = 10'], 'their sum');
    is_deeply($data->{records}[1]{params}, { stateCode => $state, id => 'HS2', districtId => 'HD1' }, 'parameters of a row');
    is_deeply($data->{context}{items}[2], { type => 'district', name => 'Alpha District', id => 'HD1' }, 'the way here');
    is($data->{not_stated}{total}, 104, 'what is not stated, in this district');
};

subtest 'a school' => sub {
    my $data = ask(districtId => 'HD1', schoolId => 'HS2');
    is_deeply(rows($data), [
        ['04', '5/14 12/34 14/40 4/12 = 35', $empty],
        ['08', '-1/-1 -1/-1 -1/-1 -1/-1 = 0 no interim', '-1/-1 -1/-1 -1/-1 -1/-1 = -1 interim'],
    ], 'its grades');
    is_deeply($data->{records}[0]{params},
        { stateCode => $state, id => '04', districtId => 'HD1', schoolId => 'HS2' }, 'parameters of a row');
    is_deeply($data->{context}{items}[3], { type => 'school', name => 'School Two', id => 'HS2' }, 'the way here');
    is_deeply($data->{not_stated}, { total => 35, ethnicity => 31, sex => 35, dmgPrg504 => 0, dmgPrgIep => 31,
        dmgPrgLep => 0, dmgStsMig => 0 }, 'what is not stated, in this school');
    is_deeply(rows(ask(districtId => 'HD2', schoolId => 'HS2')), [], 'a school in another district is not found');
};

subtest 'filters' => sub {
    my $data = ask(sex => ['female']);
    is_deeply(rows($data), [['Alpha District', '0/0 0/0 18/67 9/33 = 27 of 84', "$empty of 10"]],
        'only who is left, with the number of all');
    is_deeply(summary($data), ['0/0 0/0 18/67 9/33 = 27 of 146', "$empty of 21"], 'and their sum');
    is($data->{not_stated}{total}, 177, 'filters do not touch what is not stated');
    is_deeply(rows(ask(sex => ['not_stated'])), [['Alpha District', '5/14 12/34 14/40 4/12 = 35 of 84', "$empty of 10"]],
        'not stated, however it is stored');
    is_deeply(rows(ask(dmgPrgIep => ['Y'])), [['Alpha District', '0/0 0/0 0/0 4/100 = 4 of 84', "$empty of 10"]], 'IEP');
    is_deeply(rows(ask(dmgPrgIep => ['NS'])), [['Alpha District', '5/16 12/39 14/45 0/0 = 31 of 84', "$empty of 10"]], 'IEP not stated');
    is_deeply(rows(ask(dmgPrgIep => ['Y', 'NS'])), [['Alpha District', '5/14 12/34 14/40 4/12 = 35 of 84', "$empty of 10"]], 'either');
    is_deeply(rows(ask(dmgPrgIep => ['NS'], ethnicity => ['3'])), [], 'both of two filters');
    is_deeply(rows(ask(ethnicity => ['0', '3'], grade => ['04'])),
        [['Alpha District', '5/14 12/34 14/40 4/12 = 35 of 84', "$empty of 10"]], 'ethnicity and grade');
    is_deeply(rows(ask(complete => ['N'])), [['Alpha District', '0/0 0/0 18/67 9/33 = 27 of 84', "$empty of 10"]], 'incomplete');
    is_deeply(rows(ask(complete => ['NS'])), [['Delta District', '3/25 3/25 3/25 3/25 = 12 of 12', "$empty of 0"]],
        'completeness unknown; no interim rows under a filter');
    is_deeply(rows(ask(districtId => 'HD1', sex => ['female'])), [['School One', '0/0 0/0 18/67 9/33 = 27 of 49', "$empty of 10"]],
        'in a district');
    is_deeply(rows(ask(districtId => 'HD1', schoolId => 'HS1', sex => ['female'])), [['03', '0/0 0/0 18/67 9/33 = 27 of 49', "$empty of 10"]],
        'in a school');
    is_deeply(rows(ask(sex => [])), [], 'an empty list of sexes matches nobody');
    is_deeply([map { $_->[0] } @{ rows(ask(grade => [])) }], ['Alpha District', 'Beta District', 'Delta District'],
        'an empty list of grades is no condition, but the filtered form');
    my $query = get("$report?stateCode=$state&asmtYear=$year&dmgPrgIep=Y&dmgPrgIep=NS", jar => $jar);
    is_deeply(rows(json($query)), [['Alpha District', '5/14 12/34 14/40 4/12 = 35 of 84', "$empty of 10"]],
        'the same by GET, a name repeated');
};

subtest 'every filter against SQL' => sub {
    my %sql = (
        'dmgPrgLep N' => 'NOT dmg_prg_lep', 'dmgPrg504 N' => 'NOT dmg_prg_504', 'dmgStsEcd N' => 'NOT dmg_sts_ecd',
        'dmgStsMig N' => 'NOT dmg_sts_mig', 'dmgPrgIep N' => 'NOT dmg_prg_iep', 'dmgStsEcd Y' => 'dmg_sts_ecd',
        'sex male' => "sex = 'male'", 'ethnicity 6' => 'dmg_eth_derived = 6', 'grade 03' => "asmt_grade = '03'",
        'complete Y' => 'complete',
    );
    for my $filter (sort keys %sql) {
        my ($name, $value) = split / /, $filter;
        my $want = sql_one('SELECT count(*) FROM ' . env('SMARTER_SCHEMA') . '.fact_asmt_outcome_vw WHERE asmt_year = '
            . "$year AND asmt_type = 'SUMMATIVE' AND rec_status = 'C' AND asmt_subject = 'Math' AND $sql{$filter}"
            . " AND (administration_condition = 'SD' OR administration_condition IS NULL)");
        my $total = ask($name => [$value])->{summary}[0]{results}{subject1}{total};
        is($total, $want, "$filter: $want");
    }
};

subtest 'packed results and facts say the same' => sub {
    my $schema = env('SMARTER_SCHEMA');
    my @filters = ({ sex => ['female'] }, { dmgPrgIep => ['NS'] }, { ethnicity => ['0', '6'], complete => ['Y'] }, { grade => ['03', '05'] });
    my @places = ({}, { districtId => 'HD1' }, { districtId => 'HD1', schoolId => 'HS1' });
    my $all = sub { [map { my $place = $_; map { my $data = ask(%$place, %$_); delete $_->{unfilteredTotal} for map { values %{ $_->{results} } } map { @$_ } @$data{qw(summary records)}; [@$data{qw(summary records)}] } @filters } @places] };
    is(sql_one("SELECT count(*) FROM $schema.report_pack_stale"), 0, 'nothing is out of date');
    cmp_ok(sql_one("SELECT count(*) FROM $schema.report_pack WHERE asmt_year = $year"), '>', 3, 'results are packed');
    my $packed = $all->();
    results($four, year => $year, subject => 'Math', grade => '07', level => 16); # no word can hold that
    put();
    is(sql_one("SELECT count(*) FROM $schema.report_pack_stale"), 1, 'what cannot be packed stays out of date');
    is_deeply($all->(), $packed, 'then facts are counted, to the same answers');
    is_deeply(ask()->{not_stated}, { total => -1, ethnicity => -1, sex => -1, dmgPrg504 => 0, dmgPrgIep => -1, dmgPrgLep => 0,
        dmgStsMig => 0 }, 'and not told what is not stated');
    sql("DELETE FROM $schema.fact_asmt_outcome_vw WHERE asmt_perf_lvl = 16;"
        . " UPDATE $schema.data_version SET version = version + 1");
    is(sql_one("SELECT count(*) FROM $schema.report_pack_stale"), 0, 'gone with it');
};

subtest 'what the state has set' => sub {
    my @colours = map { +{ bg_color => "#00000$_", text_color => '#fff', start_gradient_bg_color => '#000', end_gradient_bg_color => '#000' } } 1 .. 5;
    my $json = JSON::PP->new->utf8->canonical;
    metadata($json->encode({ min_cell_size => 11, branding => { display => 'North "C" <b>' },
        subjects => { ELA => { colors => \@colours } } }));
    my $data = ask();
    is_deeply($data->{metadata}, { branding => { display => 'North "C" <b>' }, subject1 => { colors => undef, min_cell_size => 11 },
        subject2 => { colors => \@colours, min_cell_size => 11 } }, 'is told to the page');
    is_deeply([map { $_->[2] } @{ rows($data) }[0, 1]], [('-1 -1 -1 -1 -1 = -1') x 2], 'its limit hides them; five colours are five levels');
    is_deeply([map { $_->[1] } @{ rows($data) }[0, 2]], ['13/16 22/26 32/38 17/20 = 84', '3/25 3/25 3/25 3/25 = 12'], 'the other subject has four');
    metadata('{"min_cell_size": ');
    allow_log(qr/SB2001/);
    is_deeply(rows(ask())->[1], ['Beta District', '20/40 25/50 0/0 5/10 = 50', $hidden],
        'settings that are no JSON are the defaults; the other of two that would give each other away');
    metadata('{"min_cell_size": 1}');
};

subtest 'years' => sub {
    my $data = json(post_json($report, { stateCode => $state }, jar => $jar));
    is($data->{records}[0]{name}, 'Alpha District', 'without a year, the newest');
    is_deeply(rows(ask(asmtYear => 2040)), [['Alpha District', '0/0 0/0 0/0 12/100 = 12', $empty]], 'another year');
    my $none = ask(asmtYear => 2039);
    is_deeply([rows($none), summary($none)], [[], [$empty, $empty]], 'a year without results');
    is_deeply(rows(ask(asmtYear => 70000)), [], 'a year beyond the column');
    my $years = get("/data/academic_year?stateCode=$state", jar => $jar);
    is_deeply([@{ json($years)->{asmt_period_year} }[0, 1]], [2041, 2040], 'the list of years');
    is(ref json($years)->{studentRegAcademicYear}, 'ARRAY', 'and of registrations');
};

subtest 'a district that was renamed' => sub {
    my @names = (['I', 'Zebra District'], ['C', 'Yak District'], ['I', 'Xenon District']);
    for my $n (0 .. $#names) {
        my $school = school('HD9', $names[$n][1], "HS9$n", 'School Nine', $names[$n][0]);
        results($school, year => 2038, subject => 'Math', grade => '03', level => $n + 1, count => 7);
    }
    put();
    is_deeply(rows(ask(asmtYear => 2038)), [['Yak District', '7/33 7/33 7/34 0/0 = 21', $empty]], 'is one row, under its present name');
    is_deeply(rows(ask(asmtYear => 2038, sex => ['male'])), [['Yak District', '7/33 7/33 7/34 0/0 = 21 of 21', "$empty of 0"]],
        'with a filter, too');
};

subtest 'an unchanged answer is not sent again' => sub {
    my $where = "$report?stateCode=$state&asmtYear=$year";
    my $first = get($where, jar => $jar);
    my $etag = $first->{headers}{etag};
    like($first->{headers}{'cache-control'}, qr/\Aprivate, no-cache\z/, 'aggregates may be kept by the browser, but asked for');
    my $again = get($where, jar => $jar, headers => { 'If-None-Match' => $etag });
    is_deeply([@$again{qw(status body)}], [304, ''], 'the same: 304');
    results($five, year => $year, subject => 'Math', grade => '06', level => 4, count => 1);
    put();
    my $changed = get($where, jar => $jar, headers => { 'If-None-Match' => $etag });
    is($changed->{status}, 200, 'new data: all of it');
    is(rows(json($changed))->[2][1], '3/23 3/23 3/23 4/31 = 13', 'at once');
};

finish();
