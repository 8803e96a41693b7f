# Registration statistics and assessment completion: every value, computed here a second time from the same
# rows; and who may not see them.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;
use Smarter::Promotion;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2061;    # later than all others: the newest
my ($last, $none) = ($year - 1, $year - 7);
my ($statistics, $completion) = ('/data/student_registration_statistics', '/data/student_assessment_completion');

# ---- the rows -----------------------------------------------------------------------------------
# Order of names is that of code points: "Zeta" before "alpha" before "Ätna".
my %district = (zeta => ['RD1', 'Zeta District'], alpha => ['RD3', 'alpha District'], aetna => ['RD2', "\xc3\x84tna District"]);
my %school = (one => ['RS1', 'One'], uno => ['RS1', 'Uno'], twin => ['RS2', 'Twin'], other_twin => ['RS5', 'Twin'], far => ['RS3', 'Far'],
    new => ['RS4', 'New'], shared => ['RS1', 'Same Id']);
my @flags = qw(dmg_eth_hsp dmg_eth_ami dmg_eth_asn dmg_eth_blk dmg_eth_pcf dmg_eth_wht dmg_multi_race dmg_prg_iep dmg_prg_lep dmg_prg_504
    dmg_sts_ecd dmg_sts_mig);
my ($yes, $no) = (\1, \0);
my @rows = (    # year, student, district, school, columns
    [$last, 'R-stays', 'zeta', 'one', sex => 'male', enrl_grade => '03', dmg_eth_hsp => $yes, dmg_prg_iep => $yes, dmg_sts_ecd => $no],
    [$year, 'R-stays', 'zeta', 'uno', sex => 'male', enrl_grade => '04', dmg_eth_hsp => $yes, dmg_prg_iep => $no, dmg_sts_ecd => $yes],
    [$last, 'R-repeats', 'zeta', 'one', sex => 'female', enrl_grade => '12', dmg_multi_race => $yes, dmg_prg_504 => $yes],
    [$year, 'R-repeats', 'zeta', 'one', sex => 'female', enrl_grade => '12', dmg_multi_race => $yes, dmg_prg_504 => $yes],
    [$last, 'R-school', 'zeta', 'twin', sex => 'female', enrl_grade => 'KG', dmg_eth_asn => $yes, dmg_eth_wht => $yes],
    [$year, 'R-school', 'zeta', 'other_twin', sex => 'female', enrl_grade => 'KG', dmg_eth_asn => $yes, dmg_eth_wht => undef],
    [$last, 'R-district', 'aetna', 'far', sex => 'male', enrl_grade => '10', dmg_eth_blk => $yes, dmg_sts_mig => $yes],
    [$year, 'R-district', 'zeta', 'one', sex => 'male', enrl_grade => '10', dmg_eth_blk => $yes, dmg_sts_mig => $yes],
    [$last, 'R-same-id', 'alpha', 'shared', sex => 'NS', enrl_grade => '07', dmg_eth_ami => $yes],    # another district's school of that id
    [$year, 'R-same-id', 'zeta', 'one', sex => 'NS', enrl_grade => '07', dmg_eth_ami => $yes],
    [$last, 'R-gone', 'aetna', 'far', sex => 'female', enrl_grade => '11', dmg_eth_pcf => $yes],
    [$year, 'R-comes', 'alpha', 'new', sex => 'male', enrl_grade => 'kG', dmg_prg_lep => $yes],
    [$last, 'R-twice', 'zeta', 'one', sex => 'male', enrl_grade => '05', dmg_prg_lep => undef],
    [$year, 'R-twice', 'zeta', 'one', sex => 'male', enrl_grade => '05', dmg_prg_lep => undef],
    [$year, 'R-twice', 'zeta', 'twin', sex => 'male', enrl_grade => '05', dmg_prg_lep => undef],
    [$year, 'R-odd', 'zeta', 'one', sex => 'not_stated', enrl_grade => 'PK'],
    [$last - 1, 'R-old', 'zeta', 'one', sex => 'male', enrl_grade => '05'],
    (map { [$last, "R-many-$_", 'zeta', 'twin', sex => $_ % 3 ? 'male' : 'female', enrl_grade => '06', dmg_sts_ecd => $_ % 2 ? $yes : $no] } 1 .. 7),
);
my @all;    # the same as hashes
for my $r (@rows) {
    my ($y, $student, $d, $s, %more) = @$r;
    registered($y, $student, $district{$d}, $school{$s}, %more);
    push @all, { year => $y, student => $student, district => $district{$d}[0], district_name => $district{$d}[1], school => $school{$s}[0],
        school_name => $school{$s}[1], %more };
}
# Assessed: who, in which of the four; a result that was superseded, of another year, or of a block does not count.
my $at = school('RDX', 'Anywhere', 'RSX', 'Anywhere');
my %taken;
my $result = sub {
    my ($student, $type, $subject, %more) = @_;
    my $s = student($student);
    results($at, student => $s, type => $type, year => $year, subject => $subject, grade => '03', %more);
    $taken{$student}{"$type $subject"} = 1 unless %more;
};
my $again = assessment('SUMMATIVE', $year, 'Math', asmt_version => '2');
$result->('R-stays', 'SUMMATIVE', 'Math');
$result->('R-repeats', 'SUMMATIVE', 'Math');
$result->('R-twice', 'SUMMATIVE', 'ELA');
$result->('R-same-id', 'INTERIM COMPREHENSIVE', 'Math');
$result->('R-comes', 'INTERIM COMPREHENSIVE', 'ELA');
$result->('R-odd', 'SUMMATIVE', 'Math', status => 'I');
$result->('R-district', 'INTERIM ASSESSMENT BLOCKS', 'Math', level => 1);
$result->('R-school', 'SUMMATIVE', 'Science', date_taken => "${year}0501");
my $never = student('R-unregistered');
results($at, student => $never, year => $year, subject => 'Math', grade => '03');
# No conductor counts before we want it.
my $held = Smarter::Promotion->hold("SELECT pg_advisory_lock(hashtextextended('smarter-migrate-conductor edware_stats', 0))");
put();
# The same student twice in one subject is assessed once.
my $twice = student('R-stays-2');
results($at, student => { %$twice, id => 'R-stays' }, asmt => $again, year => $year, subject => 'Math', grade => '03', date_taken => "${year}0601");
put();

# ---- the same, computed here ----------------------------------------------------------------------
my @lines = (['Total', 'Total', sub { 1 }], (map { my $sex = $_; ['Sex', ucfirst $sex, sub { $_[0]{sex} eq $sex }, 'sex'] } qw(male female)),
    ['Ethnicity', 'HispanicOrLatinoEthnicity', 'dmg_eth_hsp'], ['Race', 'AmericanIndianOrAlaskaNative', 'dmg_eth_ami'],
    ['Race', 'Asian', 'dmg_eth_asn'], ['Race', 'BlackOrAfricanAmerican', 'dmg_eth_blk'],
    ['Race', 'NativeHawaiianOrOtherPacificIslander', 'dmg_eth_pcf'], ['Race', 'White', 'dmg_eth_wht'],
    ['Race', 'DemographicRaceTwoOrMoreRaces', 'dmg_multi_race'], ['Program', 'IDEAIndicator', 'dmg_prg_iep'],
    ['Program', 'LEPStatus', 'dmg_prg_lep'], ['Program', '504Status', 'dmg_prg_504'], ['Program', 'EconomicDisadvantageStatus', 'dmg_sts_ecd'],
    ['Program', 'MigrantStatus', 'dmg_sts_mig'],
    map { my $g = $_; ["Grade $g", 'Total', sub { uc $_[0]{enrl_grade} eq $g }, 'enrl_grade'] } 'KG', map { sprintf '%02d', $_ } 1 .. 12);
for my $line (@lines) {
    my $flag = $line->[2];
    @$line[2, 3] = (sub { ref $_[0]{$flag} && ${ $_[0]{$flag} } }, $flag) unless ref $flag;
}

sub same { my ($x, $y) = map { ref $_ ? $$_ : $_ } @_; return defined $x ? defined $y && $x eq $y : !defined $y }

sub shown { my ($v) = @_; return $v unless defined $v && $v =~ /[.]|e/; $v = sprintf '%.2f', $v; $v =~ s/0+\z//; $v =~ s/\.\z//; return $v }

# Nonblank percentages as texts with a point, which tells them from counts.
sub percent_of { my ($part, $whole) = @_; return defined $part && $whole ? sprintf '%.17f', $part / $whole * 100 : undef }

sub in_place {
    my ($place, @of) = @_;
    return grep { !(defined $place->{districtId} && $_->{district} ne $place->{districtId}) && !(defined $place->{schoolId} && $_->{school} ne $place->{schoolId}) } @of;
}

sub statistics_of {
    my ($place, $line) = @_;
    my ($then, $now) = map { my $y = $_; [in_place($place, grep { $_->{year} == $y } @all)] } $last, $year;
    my ($was, $is) = (scalar @$then, scalar @$now);
    my $previous = $was ? grep({ $line->[2]->($_) } @$then) : undef;
    my $current = $is ? grep({ $line->[2]->($_) } @$now) : undef;
    my $matched;
    if ($was && $is) {
        $matched = 0;
        for my $c (in_place($place, grep { $_->{year} == $year } @all)) {
            for my $p (grep { $_->{year} == $last && $_->{student} eq $c->{student} } @all) {
                next if defined $place->{schoolId} ? $p->{school} ne $c->{school} : defined $place->{districtId} && $p->{district} ne $c->{district};
                $matched++ if $line->[2]->($c) && (!$line->[3] || same($p->{ $line->[3] }, $c->{ $line->[3] }));
            }
        }
    }
    my $change = $was && $is ? $current - $previous : undef;
    my ($share_then, $share_now) = (percent_of($previous, $was), percent_of($current, $is));
    return map { shown($_) } $previous, $share_then, $current, $share_now, $change, percent_of($change, $previous),
        ($was && $is ? sprintf '%.17f', $current / $is * 100 - $previous / $was * 100 : undef), $matched, percent_of($matched, $previous);
}

sub completion_of {
    my ($place, $line) = @_;
    my @registered = grep { $line->[2]->($_) } in_place($place, grep { $_->{year} == $year } @all);
    return (scalar @registered, map {
        my $what = $_;
        my $n = grep { $taken{ $_->{student} }{$what} } @registered;
        ($n, shown(percent_of($n, scalar @registered)));
    } 'SUMMATIVE Math', 'SUMMATIVE ELA', 'INTERIM COMPREHENSIVE Math', 'INTERIM COMPREHENSIVE ELA');
}

# [district, school] names in the order of the answer; undef above.
my @state_places = ([undef, undef], (map { [$_, undef] } 'Zeta District', 'alpha District', "\xc4tna District"));
my @school_places = (['Zeta District', 'One'], ['Zeta District', 'Twin'], ['Zeta District', 'Twin'], ['Zeta District', 'Uno'],
    ['alpha District', 'New'], ['alpha District', 'Same Id'], ["\xc4tna District", 'Far']);

sub names { my ($data) = @_; return [map { [@$_{qw(district school)}] } @{ $data->{rows} }] }

sub plain { return [map { [map { defined $_ ? "$_" : undef } @$_] } @{ $_[0] }] }

my @both = qw(SRSEXTRACTS SRCEXTRACTS);
add_user('registrar', map { [$_, env('SMARTER_TENANT'), $state] } @both);
add_user('clerk', map { ([$_, env('SMARTER_TENANT'), $state, 'RD1'], [$_, env('SMARTER_TENANT'), $state, 'RD1', 'RS1']) } @both);
my %jar = map { $_ => sign_in($_) } qw(registrar clerk state multi district school general super consortium otherstate norole);

sub ask {
    my ($path, $who, %params) = @_;
    my $answer = post_json($path, { stateCode => $state, %params }, jar => $jar{$who});
    is($answer->{status}, 200, "$path of $who") or diag($answer->{body});
    return $answer->{status} == 200 ? json($answer) : { rows => [] };
}

# ---- what is kept ----------------------------------------------------------------------------------
my $s = env('SMARTER_SCHEMA');
sub outdate { sql("UPDATE $s.data_version SET version = version + 1") }
sub missing { return 3 - sql_one("SELECT count(*) FROM $s.report_registration_made WHERE valid AND academic_year = $year") }

for my $how ('counted when asked for', 'counted before') {
    if ($how eq 'counted when asked for') {
        is(missing(), 3, 'nothing is kept');
    }
    else {
        Smarter::Promotion->release($held);
        wait_until(60, 'registrations to be counted', sub {
            return 1 unless missing();
            run_program('smarter-migrate-conductor', '--once', '-c', env('SMARTER_INI'));
            return !missing();
        });
        outdate();
    }

    subtest "statistics, $how" => sub {
        my $data = ask($statistics, 'registrar');
        is_deeply([sort keys %$data], [qw(academicYear academic_years columns context lines rows user_info)], 'members');
        is($data->{academicYear}, $year, 'the newest year unless another is asked for');
        is_deeply([@{ $data->{academic_years} }[0 .. 2]], [$year, $last, $last - 1], 'years with registrations');
        is_deeply($data->{columns}, ["AY$last Count", "AY$last Percent of Total", "AY$year Count", "AY$year Percent of Total", 'Change in Count',
            'Percent Difference in Count', 'Change in Percent of Total', "AY$year Matched IDs to AY$last Count", "AY$year Matched IDs Percent of AY$last Count"], 'columns');
        is_deeply($data->{lines}, [map { { category => $_->[0], value => $_->[1] } } @lines], 'lines');
        is_deeply(names($data), [@state_places, @school_places], 'state, districts, schools, each by name');
        is_deeply([@{ $data->{rows}[0] }{qw(state stateCode districtId schoolId)}], ['North Carolina', $state, undef, undef], 'the state');
        is_deeply([map { $_->{schoolId} } grep { ($_->{school} // '') eq 'Twin' } @{ $data->{rows} }], ['RS2', 'RS5'], 'two schools of one name are two');
        for my $row (@{ $data->{rows} }) {
            my $what = join ' ', map { $_ // 'ALL' } @$row{qw(districtId schoolId)};
            is_deeply(plain($row->{values}), [map { [statistics_of($row, $_)] } @lines], "every value of $what");
        }
        my %by = map { ($_->{school} // $_->{district} // 'state') => plain($_->{values}) } @{ $data->{rows} };
        is_deeply($by{state}[0], [14, 100, 9, 100, -5, '-35.71', 0, 7, 50], 'the state by hand');
        is_deeply($by{state}[15], [1, '7.14', 2, '22.22', 1, 100, '15.08', 1, 100], 'grade KG in any case');
        is_deeply($by{One}, $by{Uno}, 'two names of one school share its counts');
        is_deeply([map { $_->[7] } @{ $by{One} }[0, 4, 18]], [4, 1, 0], 'matched by the school\'s id, whatever its district');
        is_deeply($by{Far}[0], [2, 100, undef, undef, undef, undef, undef, undef, undef], 'a place that is gone');
        is_deeply($by{New}[0], [undef, undef, 1, 100, undef, undef, undef, undef, undef], 'a place that is new');
        is_deeply([map { $_->{type} } @{ $data->{context}{items} }], [qw(home state)], 'the way here');
        ok($data->{context}{permissions}{srs_extracts}{all}, 'his rights');
    };

    subtest "completion, $how" => sub {
        my $data = ask($completion, 'registrar', academicYear => $year);
        is($data->{columns}[8], "AY$year Percent of Registered Students Assessed by Interim Comprehensive ELA", 'columns');
        is_deeply(names($data), [@state_places[0 .. 2], @school_places[0 .. 4]], 'places of this year only');
        for my $row (@{ $data->{rows} }) {
            my $what = join ' ', map { $_ // 'ALL' } @$row{qw(districtId schoolId)};
            is_deeply(plain($row->{values}), [map { [completion_of($row, $_)] } @lines], "every value of $what");
        }
        is_deeply(plain($data->{rows}[0]{values})->[0], [9, 2, '22.22', 2, '22.22', 1, '11.11', 1, '11.11'], 'the state by hand: registered twice counts twice');
        is_deeply(plain($data->{rows}[0]{values})->[4], [1, 0, 0, 0, 0, 1, 100, 0, 0], 'a line');
    };

    subtest "narrower, $how" => sub {
        my $data = ask($statistics, 'registrar', districtId => 'RD1');
        is_deeply(names($data), [$state_places[1], @school_places[0 .. 3]], 'a district and its schools');
        is_deeply(plain($_->{values}), [map { [statistics_of($data->{rows}[0], $_)] } @lines], 'with the same values') for $data->{rows}[0];
        is_deeply(plain($data->{rows}[1]{values})->[0][7], 4, 'who came from another district\'s school of that id too');
        is_deeply(names(ask($completion, 'registrar', districtId => 'RD3')), [$state_places[2], $school_places[4]], 'completion of a district');
        is_deeply(ask($statistics, 'registrar', districtId => 'RD9')->{rows}, [], 'of a district nobody knows');
        my $next = ask($statistics, 'registrar', academicYear => $year + 1);
        is_deeply(plain($next->{rows}[0]{values})->[0], [9, 100, (undef) x 7], 'of a year before which only there were registrations');
        for my $y ($none, 0, -5, 99_999, 2147483647) {
            is_deeply(ask($_, 'registrar', academicYear => $y)->{rows}, [], "nobody is registered in $y: $_") for $statistics, $completion;
        }
        my $answer = get("$statistics?stateCode=$state&academicYear=$year&districtId=RD1", jar => $jar{registrar});
        is_deeply(json($answer)->{rows}, $data->{rows}, 'by GET');
        is($answer->{headers}{'cache-control'}, 'private, no-cache', 'kept, but asked for each time');
        is(get("$statistics?stateCode=$state&academicYear=$year&districtId=RD1", jar => $jar{registrar}, headers => { 'If-None-Match' => $answer->{headers}{etag} })
            ->{status}, 304, 'and not sent twice');
        for my $bad ([academicYear => "$year"], [academicYear => 2016.5], [districtId => "RD1'"], [districtId => ''], [stateCode => 'N']) {
            is(post_json($statistics, { stateCode => $state, @$bad }, jar => $jar{registrar})->{status}, 412, "$bad->[0]=$bad->[1] is refused");
        }
    };

}

subtest 'what is kept is what is read' => sub {
    sql("UPDATE $s.report_registration SET counts[1] = counts[1] + 100 WHERE academic_year = $year AND school_id = 'RS4' AND kind <> 1");
    outdate();
    is(ask($statistics, 'registrar')->{rows}[0]{values}[0][2], 109, 'a number that is wrong there');
    is(ask($completion, 'registrar')->{rows}[0]{values}[0][0], 109, 'in both');
    sql("DELETE FROM $s.fact_asmt_outcome_vw WHERE asmt_year = $year AND student_id = 'R-unregistered'");
    outdate();
    is(ask($statistics, 'registrar')->{rows}[0]{values}[0][2], 109, 'results do not change what is registered');
    is(ask($completion, 'registrar')->{rows}[0]{values}[0][0], 9, 'but who is assessed');
};

subtest 'a change is seen at once' => sub {
    registered($year, 'R-late', $district{alpha}, $school{new}, sex => 'female');
    put();
    is(ask($statistics, 'registrar')->{rows}[0]{values}[0][2], 10, 'one more');
    is(ask($completion, 'registrar')->{rows}[0]{values}[0][0], 10, 'in both');
};

subtest 'who may' => sub {
    my %may = (registrar => [200, 200], state => [200, 403], multi => [200, 403]);
    for my $who (sort keys %jar) {
        my $want = $may{$who} // [403, 403];
        my @have = map { post_json($_, { stateCode => $state }, jar => $jar{$who}) } $statistics, $completion;
        is_deeply([map { $_->{status} } @have], $want, "$who: @$want");
        unlike($_->{body}, qr/District|"values"|rows/, "$who learns nothing") for grep { $_->{status} == 403 } @have;
    }
    is(post_json($_, { stateCode => $state })->{status}, 401, "$_ without signing in") for $statistics, $completion;
    is(post_json($_, { stateCode => 'ZZ' }, jar => $jar{registrar})->{status}, 403, "$_ of another state") for $statistics, $completion;
    is(post_json($_, { stateCode => lc $state }, jar => $jar{registrar})->{status}, 403, "$_: no state is called that") for $statistics, $completion;
};

finish();
