# The other kinds: items and raw XML out of trees that score batches write, in parts; registration reports.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Fcntl ':flock';
use File::Path ();
use POSIX ();
use Smarter::Test;
use Smarter::Results;
use Smarter::Extracts;

need('postgres');

my $state = env('SMARTER_STATE');
my $year = 2072;
my $one = school('YD1', 'Alpha District', 'YS1', 'School One');
my $two = school('YD2', 'Beta District', 'YS2', 'School Two');
my $math = assessment('INTERIM COMPREHENSIVE', $year, 'Math', effective_date => '20720401');
for my $id (qw(I-1 I-2 I-3)) {
    results($id eq 'I-3' ? $two : $one, student => student($id), asmt => $math, type => 'INTERIM COMPREHENSIVE', year => $year, subject => 'Math', grade => '05',
        dmg_prg_lep => $id eq 'I-2' ? \1 : \0);
}
put();

my $root = tmpdir();
my ($items, $raw) = ("$root/items", "$root/raw");
my $leaf = "$state/$year/INTERIM_COMPREHENSIVE/20720401/MATH/05";
File::Path::make_path("$_/$leaf/YD1", "$_/$leaf/YD2") for $items, $raw;
my $header = 'key,studentId,segmentId,position,clientId,operational,isSelected,format,score,scoreStatus,adminDate,numberVisits,strand,'
    . "contentLevel,pageNumber,pageVisits,pageTime,dropped\r\n";
# Three rows of 40 bytes each; line ends as they come.
my %item = map { my $s = $_; my $e = $s eq 'I-2' ? "\r\n" : "\n"; $s => join '', map { my $row = "key-$s-$_,$s,"; $row . 'x' x (39 - length $row) . $e } 1 .. 3 } qw(I-1 I-2 I-3);
my %clean = map { $_ => $item{$_} =~ s/\r//gr } keys %item;
chop $item{'I-1'};    # the last line has no end
spew("$items/$leaf/YD1/I-1.csv", $item{'I-1'});
spew("$items/$leaf/YD1/I-2.csv", $item{'I-2'});
spew("$items/$leaf/YD2/I-3.csv", $item{'I-3'});

my $when = 3_231_536_000_000_000;
my $name = sub { my ($part) = @_; qr/\AITEMS_${state}_${year}_INTERIM COMPREHENSIVE_MATH_GRADE_05_[-\d]{10}_[-\d]{8}$part\.csv\z/ };
my %asked = (stateCode => $state, asmtYear => "$year", asmtType => 'INTERIM COMPREHENSIVE', asmtSubject => 'Math', asmtGrade => '05');
my $ini = sub { return ini_with('extract.item_level_base_dir' => $items, 'extract.raw_data_base_dir' => $raw, @_) };
my $plain = $ini->();

# ---- items -------------------------------------------------------------------------------------------

my $r = extract(itemLevel => \%asked, ini => $plain);
is($r->{exit}, 0, 'items') or diag $r->{err};
is(scalar(keys %{ $r->{files} }), 1, 'one file');
like((names_of($r))[0], $name->(''), 'its name');
is((values %{ $r->{files} })[0], $header . join('', @clean{qw(I-1 I-2 I-3)}), 'header, and files of students in the order of places');
$r = extract(itemLevel => { %asked, itemId => ['key-I-2-3', 'key-I-3'] }, ini => $plain);
is((values %{ $r->{files} })[0], $header . $clean{'I-2'}, 'an item asked for: whole files of those who have it');
$r = extract(itemLevel => { %asked, dmgPrgLep => ['Y'] }, ini => $plain);
is((values %{ $r->{files} })[0], $header . $clean{'I-2'}, 'a filter');
$r = extract(itemLevel => { %asked, studentGroupId => ['nobody'] }, ini => $plain);
is($r->{status}, 'no_data', 'a group nobody is in');
my @parts = ('extract.partial_file.size.average.csv' => 100, 'extract.partial_file.size.soft_limit' => 150);
$r = extract(itemLevel => \%asked, ini => $ini->(@parts));
is(scalar @{ $r->{parts} }, 2, 'two parts');
like(join(' ', map { keys %$_ } @{ $r->{parts} }), qr/_part0\.csv .*_part1\.csv\z/, 'named by number');
is_deeply([map { values %$_ } @{ $r->{parts} }], [$header . $clean{'I-1'}, $header . $clean{'I-2'} . $clean{'I-3'}], 'one file in the first, two in the second');
$r = extract(itemLevel => { %asked, itemId => ['none'] }, ini => $ini->(@parts));
is_deeply($r->{parts}, [{}, {}], 'nobody has the item: empty archives, as many as promised');
unlink "$items/$leaf/YD1/I-2.csv";
$r = extract(itemLevel => \%asked, ini => $plain);
is($r->{exit}, 1, 'a file that is missing fails the extract');
like($r->{err}, qr/the items of a student are not there/, 'and says so');
unlike($r->{err}, qr/I-2/, 'but not whose');
ok(!-e "$r->{dir}/out.zip", 'no archive is left');

# ---- raw data ----------------------------------------------------------------------------------------

my %xml = ('I-1.1.xml' => '<a>' . 'y' x 97, 'I-1.2.xml' => '<b>' . 'z' x 97, 'I-3.xml' => '<c>' . 'w' x 97);
spew("$raw/$leaf/YD1/$_", $xml{$_}) for qw(I-1.1.xml I-1.2.xml);
spew("$raw/$leaf/YD1/I-1.xml", 'not in the index');
spew("$raw/$leaf/YD1/I-10.1.xml", 'of another student');
spew("$raw/$leaf/YD1/.metadata", "f:I-1.2.xml:100:1\nf:I-10.1.xml:18:1\nf:I-1.1.xml:100:1\nf:../../I-1.9.xml:1:1\nnonsense\n");
spew("$raw/$leaf/YD2/I-3.xml", $xml{'I-3.xml'});
$r = extract(rawData => \%asked, ini => $plain);
is($r->{exit}, 0, 'raw data') or diag $r->{err};
is_deeply($r->{files}, \%xml, 'what the index says, else the one file; a student without is passed over');
# What is retried after a crash must be the same to the byte: the pickup zone compares.
my ($time, $date) = unpack 'x10 v v', slurp(extract(rawData => \%asked, ini => $plain, when => 1_460_000_000_000_000, env => { TZ => 'UTC' })->{dir} . '/out.zip');
is_deeply([$date >> 9, $date >> 5 & 15, $date & 31, $time >> 11, $time >> 5 & 63, $time & 31], [2016 - 1980, 4, 7, 3, 33, 10], 'its members are as old as the request');
$r = extract(rawData => \%asked, ini => $ini->('extract.partial_file.size.average.xml' => 100, 'extract.partial_file.size.soft_limit' => 150));
is_deeply([map { join ' ', sort keys %$_ } @{ $r->{parts} }], ['I-1.1.xml', 'I-1.2.xml I-3.xml'], 'in two parts');
$r = extract(rawData => \%asked, ini => $ini->('extract.raw_data_base_dir' => "$root/nowhere"));
is($r->{exit}, 1, 'no such tree');
File::Path::make_path("$raw/$leaf/YD2/x");
spew("$raw/$leaf/YD2/I-3.xml", 'changed');
$r = extract(rawData => { %asked, dmgPrgLep => ['N'] }, ini => $plain);
is($r->{files}{'I-3.xml'}, 'changed', 'as it is now');
unlink "$raw/$leaf/YD2/I-3.xml";
POSIX::mkfifo("$raw/$leaf/YD2/I-3.xml", 0666) or die "mkfifo: $!\n";
$r = extract(rawData => \%asked, ini => $plain);
is($r->{exit}, 1, 'what is no file is not waited for');
like($r->{err}, qr/what should be a student's file is none/, '... and said to be none');
unlink "$raw/$leaf/YD2/I-3.xml";

# In a tree of its own somebody stands still while he writes an index. What becomes of it is seen further down.
File::Path::make_path("$root/held/$leaf/YD1");
open my $index, '>', "$root/held/$leaf/YD1/.metadata" or die $!;
flock $index, LOCK_EX or die "flock: $!\n";
my $held = tmpdir();
chmod 0777, $held;
my $waits = run_program({ background => 1 }, 'smarter-worker-extract', '-c', $ini->('extract.raw_data_base_dir' => "$root/held"), '-o', "$held/out.zip",
    '--once', spew(tmpdir() . '/r.json', JSON::PP->new->encode({ extract => 'rawData', params => \%asked })));

# ---- a hostile id ------------------------------------------------------------------------------------

spew("$root/secret.xml", 'secret');
results($one, student => student('../../../../../../../secret'), asmt => $math, type => 'INTERIM COMPREHENSIVE', year => $year, subject => 'Math', grade => '07');
put();
for my $kind (qw(itemLevel rawData)) {
    $r = extract($kind => { %asked, asmtGrade => '07' }, ini => $plain);
    is_deeply([$r->{exit}, $r->{files}], [1, {}], "$kind: an id that leads elsewhere");
}

# ---- by whom -----------------------------------------------------------------------------------------

my $t = env('SMARTER_TENANT');
sub whose { return { uid => 'u', guid => 'g', grants => [map { [@$_[0 .. 4]] } @_] } }
my %role = (itemLevel => 'IIRDEXTRACTS', rawData => 'AUDITXML', studentRegistrationStatistics => 'SRSEXTRACTS', studentAssessmentCompletion => 'SRCEXTRACTS');
spew("$items/$leaf/YD1/I-2.csv", $item{'I-2'});
for my $kind (sort keys %role) {
    my %p = $kind =~ /student/ ? (stateCode => $state, academicYear => $year) : %asked;
    is(extract($kind => \%p, ini => $plain, user => whose([$role{$kind}, $t, $state]))->{exit}, 0, "$kind: who holds the role of the state");
    is(extract($kind => \%p, ini => $plain, user => whose([$role{$kind}, $t, $state, 'YD1']))->{exit}, 1, "$kind: not below it");
    is(extract($kind => \%p, ini => $plain, user => whose(['SAREXTRACTS', $t, $state], ['PII', $t, $state]))->{exit}, 1, "$kind: not by another role");
}

# ---- registration ------------------------------------------------------------------------------------

my $last = $year - 1;
registered($_->[0], $_->[1], ['YD1', 'Alpha, District'], ['YS1', 'One'], sex => $_->[2], enrl_grade => $_->[3], dmg_eth_hsp => \1)
    for [$last, 'I-1', 'male', '03'], [$last, 'I-8', 'male', '03'], [$last, 'I-9', 'female', '03'], [$year, 'I-1', 'male', '04'], [$year, 'I-2', 'female', 'KG'];
put();
$r = extract(studentRegistrationStatistics => { stateCode => $state, academicYear => $year });
is($r->{exit}, 0, 'statistics');
like((names_of($r))[0], qr/\A${state}_${year}_studentRegistrationStatistics_[-\d]{10}_[-\d]{8}\.csv\z/, 'the name');
my @lines = split /\r\n/, (values %{ $r->{files} })[0];
is(scalar @lines, 1 + 3 * 28, 'header, and 28 lines each of state, district and school');
is($lines[0], "State,District,School,Category,Value,AY$last Count,AY$last Percent of Total,AY$year Count,AY$year Percent of Total,Change in Count,"
    . "Percent Difference in Count,Change in Percent of Total,AY$year Matched IDs to AY$last Count,AY$year Matched IDs Percent of AY$last Count", 'the header');
is($lines[1], 'North Carolina,ALL,ALL,Total,Total,3,100,2,100,-1,-33.33,0,1,33.33', 'a line of the state');
is($lines[30], 'North Carolina,"Alpha, District",ALL,Sex,Male,2,66.67,1,50,-1,-50,-16.67,1,50', 'of a district, quoted');
is($lines[57 + 15], 'North Carolina,"Alpha, District",One,Grade KG,Total,0,0,1,50,1,,50,0,', 'of a school, with cells that are not defined');
$r = extract(studentAssessmentCompletion => { stateCode => $state, academicYear => $year });
@lines = split /\r\n/, (values %{ $r->{files} })[0];
is($lines[0], "State,District,School,Category,Value,AY$year Count of Registered Students" . join('', map { ",AY$year Count of Students Assessed by $_,"
    . "AY$year Percent of Registered Students Assessed by $_" } 'Summative Math', 'Summative ELA', 'Interim Comprehensive Math', 'Interim Comprehensive ELA'), 'completion: the header');
is($lines[1], 'North Carolina,ALL,ALL,Total,Total,2,0,0,0,0,2,100,0,0', 'a line');
$r = extract(studentAssessmentCompletion => { stateCode => $state, academicYear => 1999 });
is(scalar(() = (values %{ $r->{files} })[0] =~ /\r\n/g), 1, 'a year without registrations: the header only');

# ---- requests that are none --------------------------------------------------------------------------

for my $bad (['other', {}], ['studentAssessment', { stateCode => $state }], ['itemLevel', { %asked, asmtGrade => '123' }], ['itemLevel', { %asked, asmtType => 'INTERIM ASSESSMENT BLOCKS' }],
    ['rawData', { %asked, itemId => ['x'] }], ['rawData', { %asked, asmtYear => '20x5' }], ['studentRegistrationStatistics', { stateCode => $state }],
    ['studentRegistrationStatistics', { stateCode => 'ZZ', academicYear => 2015 }], ['itemLevel', { %asked, itemId => ['../x'] }]) {
    my $e = extract(@$bad);
    is($e->{exit}, 1, "refused: $bad->[0] " . join ' ', map { "$_=$bad->[1]{$_}" } sort keys %{ $bad->[1] });
    is_deeply($e->{files}, {}, 'nothing made');
}
is(extract(studentRegistrationStatistics => { stateCode => $state, academicYear => 2015 }, id => '../../x')->{exit}, 1, 'an id that is none');

# ---- an index that is locked ---------------------------------------------------------------------------

waitpid $waits->{pid}, 0;
is($? >> 8, 75, 'whoever writes an index and stands still: try again later');
like(slurp("$waits->{files}[1]"), qr/the index of a directory is being written/, '... as is said');
is(join(' ', glob "$held/*"), '', '... and nothing is left');
close $index;

# ---- no room -----------------------------------------------------------------------------------------

SKIP: {
    skip 'a small file system needs root', 2 if $> != 0;
    my $small = tmpdir();
    skip 'no tmpfs here', 2 if system('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', $small);
    chmod 0777, $small;
    open my $random, '<', '/dev/urandom' or die;
    read $random, my $noise, 400_000;
    spew("$raw/$leaf/YD2/I-3.xml", $noise);
    my $file = spew(tmpdir() . '/r.json', JSON::PP->new->encode({ extract => 'rawData', params => \%asked }));
    my $e = run_program('smarter-worker-extract', '-c', $plain, '--once', $file, '-o', "$small/out.zip");
    is($e->{exit}, 75, 'a full disk: try again later');
    is(join(' ', glob "$small/* $small/.*z*"), '', 'nothing is left on it');
    system('umount', $small);
}

finish();
