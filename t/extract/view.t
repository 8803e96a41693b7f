# The current view of a page as CSV: the numbers of the same report as JSON, what it hides hidden, no formulas.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');

my $state = env('SMARTER_STATE');
my $year = 2074;
my @schools = (school('VD1', 'View District', 'VS1', '=cmd|"x"'), school('VD1', 'View District', 'VS2', 'Plain, School'), school('VD1', 'View District', 'VS3', 'Small'),
    school('VD1', 'View District', 'VS4', 'Interim'));
for my $i (0, 1) {
    results($schools[$i], year => $year, subject => 'Math', grade => '03', level => $_, count => 10 * $_ + $i, sex => $_ % 2 ? 'male' : 'female') for 1 .. 4;
}
results($schools[2], year => $year, subject => 'Math', grade => '03', level => 2, count => 2);
results($schools[3], year => $year, subject => 'Math', grade => '03', type => 'INTERIM COMPREHENSIVE');
my $math = assessment('SUMMATIVE', $year, 'Math', asmt_version => '2');
my $block = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', claims => ['Frac,tions'], claim_levels => ['Below', 'Near', 'Above'], asmt_claim_1_name => 'Frac,tions');
my $who = student('V-1', first_name => '+Ann', last_name => '-Quo"te', middle_name => 'M');
results($schools[0], asmt => $math, student => $who, year => $year, subject => 'Math', grade => '03', level => 3, complete => \0, administration_condition => 'IN');
results($schools[0], asmt => $block, student => $who, type => 'INTERIM ASSESSMENT BLOCKS', year => $year, subject => 'Math', grade => '03', level => 1);
metadata('{"min_cell_size": 5}');
put();

# Lines of fields; every field is quoted, every line ends with CR LF.
sub csv {
    my ($text) = @_;
    my @lines = split /\r\n/, $text, -1;
    is(pop @lines, '', 'the last line ends, too');
    my @bad = grep { !/\A(?:"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*)?\z/ } @lines;
    is_deeply(\@bad, [], 'every field is quoted');
    return map { my $l = $_; [map { s/""/"/gr } $l =~ /"((?:[^"]|"")*)"/g] } @lines;
}

my $jar = sign_in('state');
my @csv = (headers => { Accept => 'text/csv' }, jar => $jar);
my %asked = (stateCode => $state, asmtYear => $year, districtId => 'VD1');
my $r = post_json('/data/comparing_populations', \%asked, @csv);
is($r->{status}, 200, 'comparing populations');
like($r->{headers}{'content-type'}, qr{\Atext/csv\b}, 'is CSV');
like($r->{headers}{'content-disposition'}, qr/\Aattachment; filename="comparing_populations_\d{8}T\d{6}\.csv"\z/, 'a file with a name');
is($r->{headers}{'cache-control'}, 'no-store', 'not kept');
like($r->{headers}{vary}, qr/\bAccept\b/, 'caches know of the two forms');
my @lines = csv($r->{body});
is_deeply([map { $_->[0] // '' } @lines[0 .. 9]], ['Report Name', 'Date', 'Report Info', 'Sort By', 'Compare', 'Assessment Type', 'Total Count', 'Academic year', '', ''], 'ten lines of what it is');
is($lines[2][1], join(',', map { $_->{name} } grep { $_->{type} ne 'home' } @{ json(post_json('/data/comparing_populations', \%asked, jar => $jar))->{context}{items} }), 'of where');
is($lines[7][1], ($year - 1) . " - $year", 'of when');
my $json = json(post_json('/data/comparing_populations', \%asked, jar => $jar));
is($lines[6][1], scalar @{ $json->{records} }, 'how many rows');
is_deeply([@{ $lines[10] }[0 .. 9]], ['School Name', (map { ("Math Level $_ Count", "Math Level $_ Percentage") } 1 .. 4), 'Math Total Assessed'], 'names of columns');
my @told;
for my $row ({ name => 'Overall', results => $json->{summary}[0]{results} }, @{ $json->{records} }) {
    my $m = $row->{results}{subject1};
    my $no = $m->{total} > 0 && !grep({ $_->{percentage} < 0 } @{ $m->{intervals} }) ? undef
        : $m->{hasInterim} ? 'Interim results only' : $m->{total} < 0 ? 'Hidden to protect student privacy' : 'No data available';
    my $name = $row->{name} =~ /\A[=+\-@]/ ? "'$row->{name}" : $row->{name};
    push @told, [$name, $no ? ($no) x 9 : ((map { ($_->{count} // '', "$_->{percentage}%") } @{ $m->{intervals} }), $m->{total})];
}
is_deeply([map { [@$_[0 .. 9]] } @lines[11 .. $#lines]], \@told, 'every number is that of the report');
my %of = map { $_->[0] => $_->[1] } @told;
is($of{Small}, 'Hidden to protect student privacy', 'what is hidden there is hidden here');
is($of{Interim}, 'Interim results only', 'interim only');
ok(exists $of{"'=cmd|\"x\""}, 'a name that looks like a formula is a text');

@lines = csv(post_json('/data/comparing_populations', { %asked, sex => ['male'], dmgPrgIep => ['N'] }, @csv)->{body});
is_deeply($lines[3], ['Filtered by', 'dmgPrgIep: N', 'sex: male'], 'filters are named');
is_deeply([@{ $lines[10] }[9, 10]], ['Math Filtered Student Count', 'Math Total Assessed'], 'with filters there are two counts');

# ---- students ----------------------------------------------------------------------------------------

my %school = (stateCode => $state, asmtYear => $year, districtId => 'VD1', schoolId => 'VS1');
$r = post_json('/data/list_of_students', { %school, asmtType => 'SUMMATIVE' }, @csv);
like($r->{headers}{'content-disposition'}, qr/"list_of_students_\d{8}T\d{6}\.csv"/, 'list of students');
@lines = csv($r->{body});
my ($line) = grep { ($_->[1] // '') eq 'V-1' } @lines;
is_deeply([@$line[0 .. 8]], ["'-Quo\"te, +Ann M", 'V-1', 'Summative', "${year}0405", 1800, '1790-1810', 'Level 3', 3, 'Invalid,Partial'], 'a student');
is($lines[6][1], @lines - 11, 'how many');
@lines = csv(post_json('/data/list_of_students', { %school, asmtType => 'INTERIM ASSESSMENT BLOCKS' }, @csv)->{body});
is_deeply($lines[10], ['Students', 'Student Id', 'Date taken', 'Subject', 'Block', 'Performance Level Number', 'Performance Level', 'Status'], 'blocks');
is_deeply([@{ $lines[11] }[0 .. 5]], ["'-Quo\"te, +Ann M", 'V-1', "${year}0405", 'Math', 'Frac,tions', 1], 'a block');

# ---- who ---------------------------------------------------------------------------------------------

is(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' }, jar => sign_in('general'))->{status}, 403, 'not without the role');
is(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' })->{status}, 401, 'nor by nobody');
@lines = csv(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' }, jar => sign_in('school'))->{body});
is(scalar @lines, 11, 'who does not reach the school gets no students');
like(post_json('/data/quick_links', { stateCode => $state }, @csv)->{headers}{'content-type'}, qr/json/, 'other reports have no such view');

finish();
