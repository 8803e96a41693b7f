#!/usr/bin/perl
# smarter-datagen: the same seed gives the same bytes, the header is the contract's, values are in
# range and students grow up. Needs no server; the package part needs gpg. SMARTER_BUILD is where the program is.
use strict;
use warnings;
use Digest::SHA;
use Encode ();
use File::Temp;
use JSON::PP;
use Test::More;

my $program = ($ENV{SMARTER_BUILD} // '.') . '/smarter-datagen';
my $top = File::Temp->newdir;
my @common = qw(--state NC --districts 8 --schools 24 --students 2100 --seed 7);

sub run {
    my (@args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec $program, @args or exit 127;
    }
    local $/;
    my $text = <$out>;
    close $out;
    return ($? >> 8, $text);
}

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or return undef;
    local $/;
    return scalar <$in>;
}

# A line of the CSV as fields; the program never breaks a line inside quotes.
sub fields {
    my ($line) = @_;
    my @f;
    while ($line =~ /\G(?:"((?:[^"]|"")*)"|([^,"]*))(,|\z)/gc) {
        my ($quoted, $plain, $end) = ($1, $2, $3);
        push @f, defined $quoted ? $quoted =~ s/""/"/gr : $plain;
        last if $end eq '';
    }
    return @f;
}

sub rows {
    my ($file) = @_;
    my ($head, @lines) = split /\n/, slurp($file);
    my @names = fields($head);
    my @rows;
    for my $line (@lines) {
        my @f = fields($line);
        my %r;
        @r{@names} = @f;
        $r{nfields} = @f;
        push @rows, \%r;
    }
    return \@rows;
}

sub bad { my ($what, $rows, $good) = @_; my @bad = grep { !$good->($_) } @$rows;
    is(scalar @bad, 0, $what) or diag(substr join(' ', map { "$_=" . ($bad[0]{$_} // '') } sort keys %{ $bad[0] }), 0, 2000); }

# ---- the same seed, the same bytes ------------------------------------------------------------

my ($rc, $said) = run(@common, '--years', '2015,2016', '--kinds', 'summative,interim', '--out', "$top/a");
is($rc, 0, 'runs') or diag($said);
is(() = $said =~ /\t2100$/mg, 8, 'two years, two subjects, two kinds');
run(@common, '--years', '2016', '--years', '2015', '--kinds', 'interim,summative', '--out', "$top/b");
run(qw(--state NC --districts 8 --schools 24 --students 2100 --seed 8), '--years', '2015', '--out', "$top/c");
my $name = 'NC-2015-math-summative';
my $csv = slurp("$top/a/$name/$name.csv");
ok(defined $csv && length $csv > 500_000, 'a file of the expected name');
for my $n (map { ("$name/$name.csv", "$name/$name.json", s/2015/2016/r . '/' . s/2015/2016/r . '.csv') } $name) {
    ok(slurp("$top/a/$n") eq (slurp("$top/b/$n") // ''), "$n does not depend on what else is made");
}
ok($csv ne slurp("$top/c/$name/$name.csv"), 'another seed, another state');
is(slurp("$top/a/$name/$name.json"), slurp("$top/c/$name/$name.json"), 'but the same assessment');

# ---- header -----------------------------------------------------------------------------------

my @header = fields((split /\n/, $csv)[0]);
is(scalar @header, 91, '91 columns');
is(Digest::SHA::sha256_hex(join ',', @header), 'fcef0affdd5a152992d3b5cb1f714ee493024e82c00efc01683c3ddf46b0da3e', 'the header of the contract, in its order');
for my $n (88 .. 90) {
    run(@common, '--years', '2015', '--columns', $n, '--subjects', 'Math', '--out', "$top/n$n");
    my $text = slurp("$top/n$n/$name/$name.csv");
    my @h = fields((split /\n/, $text)[0]);
    my $want = join ',', @header[0 .. 87], ($n == 90 ? @header[88, 89] : ()), ($n == 89 ? 'Op' : ());
    is(join(',', @h), $want, "$n columns");
    bad("$n fields in every row", rows("$top/n$n/$name/$name.csv"), sub { $_[0]{nfields} == $n });
}

# ---- values -----------------------------------------------------------------------------------

ok(eval { Encode::decode('UTF-8', $csv, Encode::FB_CROAK | Encode::LEAVE_SRC); 1 }, 'UTF-8');
ok($csv =~ /[\xc3]/, 'with accents');
ok($csv !~ /[\r\x00-\x09\x0b-\x1f]/, 'no control characters');
my %rows = map { ($_ => rows("$top/a/$_/$_.csv")) } map { my $s = $_;
    map { my $k = $_; map { "NC-$_-$s-$k" } 2015, 2016 } qw(summative interim) } qw(math ela);
my $math = $rows{$name};
is(scalar @$math, 2100, 'one row a student');
my %seen;
$seen{ $_->{StudentIdentifier} }++ for @$math;
is(scalar keys %seen, 2100, 'each once');
for my $file (sort keys %rows) {
    my ($year, $subject, $kind) = $file =~ /NC-(\d+)-(\w+)-(\w+)/;
    my $meta = decode_json(slurp("$top/a/$file/$file.json"));
    my @cuts = map { $meta->{PerformanceLevels}{"Level$_"}{CutPoint} } 2 .. 4;
    my $r = $rows{$file};
    bad("$file: 91 fields", $r, sub { $_[0]{nfields} == 91 });
    bad("$file: score and its band", $r, sub {
        my ($s, $lo, $hi) = @{ $_[0] }{ map { "AssessmentSubtest${_}Value" } qw(ResultScore Minimum Maximum) };
        1200 <= $lo && $lo <= $s && $s <= $hi && $hi <= 2400 });
    bad("$file: level as the cut points say", $r, sub {
        my $l = 1;
        $l += $_[0]{AssessmentSubtestResultScoreValue} >= $_ for @cuts;
        $l == $_[0]{AssessmentPerformanceLevelIdentifier} });
    bad("$file: claims", $r, sub { my $row = shift;
        !grep { my $c = $_; $meta->{Claims}{"Claim$c"}{Name} eq ''
            ? $row->{"AssessmentSubtestResultScoreClaim${c}Value"} ne ''
            : $row->{"AssessmentClaim${c}PerformanceLevelIdentifier"} !~ /^[123]$/ } 1 .. 4 });
    bad("$file: assessment", $r, sub { $_[0]{AssessmentGuid} eq $meta->{Identification}{Guid}
        && $_[0]{AssessmentYear} == $year && $_[0]{AssessmentType} eq $meta->{Identification}{Type}
        && lc $_[0]{AssessmentAcademicSubject} eq $subject });
    bad("$file: dates", $r, sub { $_[0]{AssessmentAdministrationFinishDate} =~
        ($kind eq 'summative' ? qr/^$year(03|04|05)\d\d$/ : qr/^(@{[ $year - 1 ]}1[12]|${year}0[12])\d\d$/) });
    bad("$file: grades", $r, sub { $_[0]{GradeLevelWhenAssessed} =~ /^(0[3-8]|11)$/ });
    bad("$file: accommodations are codes", $r, sub { my $row = shift;
        !grep { $row->{$_} !~ /^\d\d?$/ } grep { /^Accommodation/ } keys %$row });
}
bad('ids and names', $math, sub { my $r = shift; $r->{ResponsibleDistrictIdentifier} =~ /^D(\d{3})$/
    && $r->{ResponsibleSchoolIdentifier} =~ /^S(\d{4})$/ && $r->{FirstName} && $r->{LastOrSurname} && $r->{OrganizationName}
    && $r->{NameOfInstitution} && $r->{Sex} =~ /^(Female|Male|NS)$/ && $r->{Birthdate} =~ /^(\d{8})?$/ });
bad('school i lies in district ((i-1) mod districts)+1', $math, sub { my $r = shift;
    my ($d) = $r->{ResponsibleDistrictIdentifier} =~ /(\d+)/;
    my ($s) = $r->{ResponsibleSchoolIdentifier} =~ /(\d+)/;
    $d == ($s - 1) % 8 + 1 });

# ---- the state --------------------------------------------------------------------------------

my (%district, %level, %flag);
for (@$math) {
    $district{ $_->{ResponsibleDistrictIdentifier} }++;
    $level{ $_->{AssessmentPerformanceLevelIdentifier} }++;
    $flag{ $_->{EconomicDisadvantageStatus} }++;
}
is(scalar keys %district, 8, 'every district has students');
is($district{D008}, 7, 'one too few to show');
is($district{D007}, 28, 'and one too few to show by grade');
ok(!(grep { ($level{$_} // 0) < 100 } 1 .. 4), 'all levels occur: ' . join ' ', map { "$_:$level{$_}" } sort keys %level);
ok($flag{''} && $flag{Yes} && $flag{No}, 'yes, no, and not known');
my %before = map { ($_->{StudentIdentifier} => $_) } @$math;
my @again = grep { $before{ $_->{StudentIdentifier} } } @{ $rows{'NC-2016-math-summative'} };
is(scalar @again, 1500, 'all but the last grade and the eighth are there a year later');
bad('one grade higher, the same person', \@again, sub { my $r = shift; my $b = $before{ $r->{StudentIdentifier} };
    $r->{GradeLevelWhenAssessed} == $b->{GradeLevelWhenAssessed} + 1
    && !grep { $r->{$_} ne $b->{$_} } qw(FirstName LastOrSurname Birthdate Sex Asian LEPStatus) });
my ($up, $n) = (0, 0);
for my $r (@{ $rows{'NC-2015-ela-summative'} }) {
    my $b = $before{ $r->{StudentIdentifier} };
    $n++;
    $up += ($r->{AssessmentPerformanceLevelIdentifier} > 2) == ($b->{AssessmentPerformanceLevelIdentifier} > 2);
}
ok($up > 0.7 * $n, "who is good at one subject is mostly good at the other ($up of $n)");

# ---- interim blocks ---------------------------------------------------------------------------

($rc, $said) = run(@common, qw(--years 2016 --kinds blocks --blocks 2 --subjects), 'Math,Science', '--out', "$top/blocks");
is_deeply([map { m{/([^/\t]+)\t(\d+)$} ? "$1 $2" : $_ } split /\n/, $said],
    [map { my $s = $_; map { "NC-2016-$s-blocks-$_ 2100" } 1, 2 } qw(math science)], 'a package of each block');
my %guid;
for my $file (map { my $s = $_; map { "NC-2016-$s-blocks-$_" } 1, 2 } qw(math science)) {
    my $m = decode_json(slurp("$top/blocks/$file/$file.json"));
    my $r = rows("$top/blocks/$file/$file.csv");
    $guid{ $m->{Identification}{Guid} }++;
    is($m->{Identification}{Type}, 'INTERIM ASSESSMENT BLOCKS', "$file: type");
    ok($m->{Claims}{Claim1}{Name} && $m->{Claims}{Claim2}{Name} eq '', "$file: the block's name");
    bad("$file: one score, in claim 1", $r, sub { my $row = shift;
        my ($s, $lo, $hi) = @$row{qw(AssessmentSubtestResultScoreClaim1Value AssessmentSubtestClaim1MinimumValue AssessmentSubtestClaim1MaximumValue)};
        $row->{nfields} == 91 && 1200 <= $lo && $lo <= $s && $s <= $hi && $hi <= 2400
            && $row->{AssessmentClaim1PerformanceLevelIdentifier} =~ /^[123]$/
            && !grep { $row->{$_} ne '' } 'AssessmentSubtestResultScoreValue', 'AssessmentPerformanceLevelIdentifier',
            map { "AssessmentSubtestResultScoreClaim${_}Value" } 2 .. 4 });
    bad("$file: of this assessment, in the school year", $r, sub { $_[0]{AssessmentGuid} eq $m->{Identification}{Guid}
        && $_[0]{AssessmentType} eq 'INTERIM ASSESSMENT BLOCKS' && $_[0]{AssessmentAdministrationFinishDate} =~ /^(20151[0-2]|20160[1-4])\d\d$/ });
}
is(scalar keys %guid, 4, 'each is an assessment of its own');

# ---- levels -----------------------------------------------------------------------------------

for my $n (3, 5, 6) {
    run(@common, '--years', 2015, '--subjects', 'ELA', '--levels', $n, '--out', "$top/l$n");
    my $m = decode_json(slurp("$top/l$n/NC-2015-ela-summative/NC-2015-ela-summative.json"))->{PerformanceLevels};
    my @cuts = map { $m->{"Level$_"}{CutPoint} } 2 .. $n;
    is(scalar(grep { $_->{Name} ne '' } values %$m), $n, "$n levels have names");
    my %seen;
    bad("$n levels, as their cut points say", rows("$top/l$n/NC-2015-ela-summative/NC-2015-ela-summative.csv"), sub { my $row = shift;
        my $l = 1 + grep { $row->{AssessmentSubtestResultScoreValue} >= $_ } @cuts;
        $seen{$l}++;
        $l == $row->{AssessmentPerformanceLevelIdentifier} });
    is(scalar keys %seen, $n, "all $n occur");
}

# ---- registration -----------------------------------------------------------------------------

run(@common, qw(--years 2015 --kinds registration --state-name), 'North Carolina', '--out', "$top/reg");
my $reg = rows("$top/reg/NC-2015-registration/NC-2015-registration.csv");
my $about = decode_json(slurp("$top/reg/NC-2015-registration/NC-2015-registration.json"));
is((split /\n/, slurp("$top/reg/NC-2015-registration/NC-2015-registration.csv"))[0], 'StateName,StateAbbreviation,'
    . 'ResponsibleDistrictIdentifier,OrganizationName,ResponsibleSchoolIdentifier,NameOfInstitution,StudentIdentifier,ExternalSSID,'
    . 'FirstName,MiddleName,LastOrSurname,Sex,Birthdate,GradeLevelWhenAssessed,HispanicOrLatinoEthnicity,AmericanIndianOrAlaskaNative,'
    . 'Asian,BlackOrAfricanAmerican,NativeHawaiianOrOtherPacificIslander,White,IDEAIndicator,LEPStatus,Section504Status,'
    . 'EconomicDisadvantageStatus,MigrantStatus,DemographicRaceTwoOrMoreRaces,LanguageCode,EnglishLanguageProficiencLevel,'
    . 'FirstEntryDateIntoUSSchool,LimitedEnglishProficiencyEntryDate,LEPExitDate,TitleIIILanguageInstructionProgramType,'
    . 'PrimaryDisabilityType', 'registration: the header of the contract, in its order');
is_deeply([$about->{Content}, @{ $about->{Identification} }{qw(AcademicYear ExtractDate)}, $about->{Source}{TestRegSysID}],
    ['StudentRegistration', '2015', '2014-10-01', 'NC-REG'], 'its metadata');
bad('registration: values', $reg, sub { my $r = shift;
    $r->{nfields} == 33 && $r->{StateName} eq 'North Carolina' && $r->{Sex} =~ /^(Fem|M)ale$/ && $r->{ExternalSSID}
    && !(grep { $r->{$_} !~ /^(\d{4}-\d\d-\d\d)?$/ } qw(Birthdate FirstEntryDateIntoUSSchool LimitedEnglishProficiencyEntryDate LEPExitDate))
    && !(grep { $r->{$_} !~ /^(Yes|No)$/ } qw(HispanicOrLatinoEthnicity Asian White IDEAIndicator LEPStatus EconomicDisadvantageStatus))
    && length $r->{TitleIIILanguageInstructionProgramType} <= 27 && length $r->{PrimaryDisabilityType} <= 3 });
is_deeply([map { join ' ', @$_{qw(StudentIdentifier FirstName LastOrSurname)} } @$reg],
    [map { join ' ', @$_{qw(StudentIdentifier FirstName LastOrSurname)} } @$math], 'the students who are tested');
ok((grep { $_->{LimitedEnglishProficiencyEntryDate} } @$reg), 'some learn English');

# ---- a later delivery -------------------------------------------------------------------------

my @later = (@common, qw(--years 2015 --updates 20 --deletes 5 --kinds), 'summative,registration');
($rc, $said) = run(@later, '--out', "$top/d");
is($rc, 0, 'a later delivery') or diag($said);
my $changed = rows("$top/d/$name-r1/$name-r1.csv");
is_deeply([map { $_->{StudentIdentifier} } @$changed], [map { $_->{StudentIdentifier} } @$math], 'of the same students');
my (%fate, %person);
for my $i (0 .. $#$math) {
    my ($was, $is) = ($math->[$i], $changed->[$i]);
    my @other = grep { $was->{$_} ne $is->{$_} } sort keys %$was;
    my $what = $is->{Op} eq 'D' ? 'D' : @other ? 'U' : 'S';
    $fate{$what}++;
    is("@other", 'Op', 'taken back as it was') if $what eq 'D' && "@other" ne 'Op';
    $person{$_}++ for grep { /LastOrSurname|LEPStatus|EconomicDisadvantageStatus/ } @other;
    fail("$was->{StudentIdentifier}: another $_") for grep { /Guid|FinishDate|Year|Identifier\b|Birthdate/ && !/Level|Claim/ } @other;
}
ok(abs($fate{U} - 420) < 60 && abs($fate{D} - 105) < 40, "about 20 % corrected, 5 % taken back: $fate{U}, $fate{D}");
is(scalar keys %person, 3, 'people are corrected too: ' . join ' ', map { "$_:$person{$_}" } sort keys %person);
my @kept = @{ rows("$top/d/NC-2015-registration-r1/NC-2015-registration-r1.csv") };
is(scalar @kept, 2100 - $fate{D}, 'the snapshot of registration lacks who was taken back');
my %gone = map { ($_->{StudentIdentifier} => 1) } grep { $_->{Op} eq 'D' } @$changed;
is((grep { $gone{ $_->{StudentIdentifier} } } @kept) + 0, 0, 'the same students');
run(@later, '--only-changes', '--out', "$top/e");
my $only = slurp("$top/e/$name-r1/$name-r1.csv");
is(join('', map { "$_\n" } grep { /\n/ || length } split /\n/, $only),
    join('', map { "$_\n" } (split /\n/, slurp("$top/d/$name-r1/$name-r1.csv"))[0, map { $_ + 1 } grep {
        my ($was, $is) = ($math->[$_], $changed->[$_]);
        grep { $was->{$_} ne $is->{$_} } keys %$was } 0 .. $#$math]), '--only-changes: just these');
run(@later, '--revision', 2, '--out', "$top/f");
my $second = rows("$top/f/$name-r2/$name-r2.csv");
ok((grep { $second->[$_]{Op} ne $changed->[$_]{Op} } 0 .. $#$second) > 50, 'another revision, other students');

# ---- splitting, usage, metadata ---------------------------------------------------------------

($rc, $said) = run(@common, '--years', '2015', '--subjects', 'Math', '--rows-per-package', 1000, '--out', "$top/split");
my @parts = map { slurp("$top/split/$name-00$_/$name-00$_.csv") } 1 .. 3;
is(join('', map { s/^[^\n]*\n//r } @parts), $csv =~ s/^[^\n]*\n//r, 'parts are the whole');
my $meta = decode_json((run('--metadata', '--min-cell-size', 12))[1]);
is($meta->{min_cell_size}, 12, 'metadata: smallest cell');
is_deeply({ map { ($_ => scalar @{ $meta->{subjects}{$_}{colors} }) } keys %{ $meta->{subjects} } }, { Math => 4, ELA => 4 }, 'metadata: colours');
$meta = decode_json((run('--metadata', '--subjects', 'Science', '--levels', 6))[1]);
is_deeply({ map { ($_ => scalar @{ $meta->{subjects}{$_}{colors} }) } keys %{ $meta->{subjects} } }, { Science => 6 }, 'metadata: of other subjects and levels');
for ([qw(--years 2015)], [qw(--state nc --years 2015)], [qw(--state NC --years 15)], [qw(--state NC)],
    [qw(--state NC --years 2015 --schools 3 --districts 4)], [qw(--state NC --years 2015 --subjects Art)],
    [qw(--state NC --years 2015 --students 0)], [qw(--state NC --years 2015 --columns 92)], [qw(--state NC --years 2015 --kinds none)],
    [qw(--state NC --years 2015 --levels 7)], [qw(--state NC --years 2015 --blocks 0)], [qw(--state NC --years 2015 --only-changes)],
    [qw(--state NC --years 2015 --updates 60 --deletes 41)], [qw(--state NC --years 2015 --deletes 1 --columns 90)]) {
    ($rc, $said) = run(@$_, '--out', "$top/none");
    is($rc, 2, "usage: @$_: " . (split /\n/, $said)[0]);
}
ok(!-e "$top/none", 'and nothing is made');

# ---- packages ---------------------------------------------------------------------------------

SKIP: {
    my $home = File::Temp->newdir(TEMPLATE => 'sbgpgXXXX', TMPDIR => 1); # short: a socket lies in it
    chmod 0700, $home;
    my $gpg = "gpg --homedir $home --batch --quiet --no-tty --passphrase ''";
    system("$gpg --quick-gen-key sender\@test.invalid default default never >/dev/null 2>&1") == 0
        or skip 'gpg makes no key', 6;
    local $ENV{SMARTER_GPG_SENDER_HOME} = $home;
    local $ENV{SMARTER_GPG_RECIPIENT}; # a stack's environment has one
    ($rc, $said) = run(@common, '--years', '2015', '--subjects', 'Math', '--pack', '--done', '--out', "$top/p");
    is($rc, 2, '--pack needs a recipient');
    $ENV{SMARTER_GPG_RECIPIENT} = 'sender@test.invalid';
    ($rc, $said) = run(@common, '--years', '2015', '--subjects', 'Math', '--pack', '--done', '--out', "$top/p");
    is($rc, 0, 'packed') or diag($said);
    opendir my $dir, "$top/p";
    is(join(' ', sort grep { !/^\.\.?$/ } readdir $dir), "$name.tar.gz.gpg $name.tar.gz.gpg.done", 'nothing else is left');
    my $status = `$gpg --status-fd 1 -o $top/p.tar.gz --decrypt $top/p/$name.tar.gz.gpg 2>/dev/null`;
    like($status, qr/VALIDSIG/, 'signed');
    is(`tar -tzf $top/p.tar.gz`, "$name.csv\n$name.json\n", 'two members');
    ok(`tar -xOzf $top/p.tar.gz $name.csv` eq $csv, 'the CSV inside is the same');
    my ($md5) = split ' ', `md5sum $top/p/$name.tar.gz.gpg`;
    is(slurp("$top/p/$name.tar.gz.gpg.done"), "$md5 $name.tar.gz.gpg\n", 'the companion');
    ($rc, $said) = run(@common, '--years', '2015', '--pack', '--recipient', 'nobody@test.invalid', '--out', "$top/q");
    is($rc, 1, 'unknown recipient: ' . $said);
    opendir $dir, "$top/q";
    is(join(' ', sort grep { !/^\.\.?$/ } readdir $dir), '', 'leaves nothing');
    system("gpgconf --homedir $home --kill all");
}
done_testing();
