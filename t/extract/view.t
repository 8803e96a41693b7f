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
my @claims = (claims => ['Number', 'Data'], claim_levels => ['Low', 'Mid', 'High']);
my ($math, $ela) = map { assessment('SUMMATIVE', $year, $_, asmt_version => '2', @claims) } 'Math', 'ELA';
my $block = assessment('INTERIM ASSESSMENT BLOCKS', $year, 'Math', claims => ['Frac,tions'], claim_levels => ['Below', 'Near', 'Above'], asmt_claim_1_name => 'Frac,tions');
my @of = ($schools[0], student => student('V-1', first_name => '+Ann', last_name => '-Quo"te', middle_name => 'Marie'), year => $year, grade => '03');
results(@of, asmt => $math, subject => 'Math', level => 3, complete => \0, administration_condition => 'IN', asmt_claim_1_perf_lvl => 1, asmt_claim_2_perf_lvl => 3);
results(@of, asmt => $ela, subject => 'ELA', level => 4, asmt_score => 2300, asmt_score_range_min => 2290, asmt_score_range_max => 2310);
results(@of, type => 'INTERIM COMPREHENSIVE', subject => 'Math', @$_)
    for [level => 1, date_taken => "${year}0102"], [level => 2, date_taken => "${year}0203", administration_condition => 'SD'];
results(@of, type => 'INTERIM ASSESSMENT BLOCKS', asmt => $block, subject => 'Math', @$_) for [level => 1, date_taken => "${year}0101"], [level => 3, complete => \0];
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
my $json = json(post_json('/data/comparing_populations', \%asked, jar => $jar));
my $state_name = (grep { $_->{type} eq 'state' } @{ $json->{context}{items} })[0]{name};
is_deeply([map { $_->[0] // '' } @lines[0 .. 9]], ['Report Name', 'Date', 'Report Info', 'Sort By', 'Compare', 'Assessment Type', 'Total Count', 'Academic year', '', ''], 'ten lines of what it is');
is_deeply([map { $_->[1] } @lines[0, 2 .. 7]], ['Schools in View District', "$state_name,View District", 'School Name', 'Off', 'Summative', scalar @{ $json->{records} }, ($year - 1) . " - $year"],
    'what, where, in which order, of what, how many, when');
like($lines[1][1], qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\z/, 'and when it was made');
is_deeply($lines[10], ['School Name', map { my $s = $_; (map { ("$s Level $_ Count", "$s Level $_ Percentage") } 1 .. 4), "$s Total Assessed" } 'Mathematics', 'ELA/Literacy'], 'names of columns');
my @told;
my $overall = { name => 'View District Overall', results => $json->{summary}[0]{results} };
for my $row ($overall, @{ $json->{records} }) {
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

@lines = csv(post_json('/data/comparing_populations', { stateCode => $state, asmtYear => $year }, @csv)->{body});
is_deeply([$lines[0][1], $lines[3][1], $lines[10][0], $lines[11][0]], ["Districts in $state_name", 'District Name', 'District Name', "$state State Overall"], 'a state');
@lines = csv(post_json('/data/comparing_populations', { %asked, schoolId => 'VS2' }, @csv)->{body});
is_deeply([$lines[0][1], $lines[3][1], map { $_->[0] } @lines[10 .. 12]], ['Grades in Plain, School', 'Grade', 'Grade', 'Plain, School Overall', 'Grade 03'], 'a school');
@lines = csv(post_json('/data/comparing_populations', { %asked, schoolId => 'VS4' }, @csv)->{body});
is_deeply([map { $_->[1] } @lines[11, 12]], [('Interim results only') x 2], 'the whole of what is interim only');

@lines = csv(post_json('/data/comparing_populations', { %asked, sex => ['male'], dmgPrgIep => ['NS', 'N'], grade => ['08', '03'] }, @csv)->{body});
is_deeply($lines[3], ['Filtered by', 'Grade: 3,8', 'Gender: Male', 'IEP: No,Not Stated'], 'filters are named as on the page');
is($lines[9][0], undef, 'the block stays ten lines long');
is_deeply([@{ $lines[10] }[9, 10]], ['Mathematics Filtered Student Count', 'Mathematics Total Assessed'], 'with filters there are two counts');

# ---- what the screen has made of it ------------------------------------------------------------------

sub viewed { return csv(post_json('/data/comparing_populations', { %asked, view => $_[0] }, @csv)->{body}) }

@lines = viewed({ sort => 'subject1.total', order => 'desc', rows => ['VS2', 'VS1', 'VS1', 'GONE', 'VS4', 'VS3'] });
is_deeply([map { $_->[1] } @lines[3, 4, 6]], ['Mathematics Total Assessed (descending)', 'Off', 4], 'what it is ordered by');
is_deeply([map { $_->[0] } @lines[11 .. $#lines]], ['View District Overall', 'Plain, School', "'=cmd|\"x\"", 'Interim', 'Small'], 'rows as on the screen, each once, and none that is gone');
@lines = viewed({ sort => 'subject2.upper', order => 'asc', rows => ['VS3'] });
is_deeply([map { $_->[1] } @lines[3, 4, 6]], ['ELA/Literacy (achievement: least to most)', 'On', 1], 'that rows were chosen');
is_deeply([map { $_->[0] } @lines[11 .. $#lines]], ['View District Overall', 'Small'], 'which');
@lines = viewed({ sort => 'name', order => 'desc', rows => [] });
is_deeply([map { $_->[1] } @lines[3, 4, 6]], ['School Name (descending)', 'On', 0], 'that none is left');
for my $bad ([], 'x', { rows => 'VS1' }, { rows => [1] }, { rows => ['a b'] }, { sort => 'subject.upper', rows => [] }, { sort => 'subject1.lower', rows => [] }, { sort => 3, rows => [] },
    { order => 'up', rows => [] }, { sort => 'subject1.upper' }, { order => 'desc' }) {
    is(post_json('/data/comparing_populations', { %asked, view => $bad }, @csv)->{status}, 412, 'no view: ' . JSON::PP->new->canonical->allow_nonref->encode($bad));
}
is(post_json('/data/comparing_populations', { %asked, view => 'x' }, jar => $jar)->{status}, 200, 'of no interest to the JSON');

# ---- students ----------------------------------------------------------------------------------------

my @whole = ('Overall', 'Error Band', 'Performance Level', 'Performance Level Number');
my %school = (stateCode => $state, asmtYear => $year, districtId => 'VD1', schoolId => 'VS1');
sub students { return csv(post_json('/data/list_of_students', { %school, @_ }, @csv)->{body}) }

$r = post_json('/data/list_of_students', { %school, asmtType => 'SUMMATIVE' }, @csv);
like($r->{headers}{'content-disposition'}, qr/"list_of_students_\d{8}T\d{6}\.csv"/, 'list of students');
@lines = csv($r->{body});
is_deeply([map { $_->[1] } @lines[0, 3 .. 7]], ['Assessment Results for =cmd|"x"', 'Students', 'Off', ($year - 1) . " - $year \xc2\xb7 Summative", @lines - 11, ($year - 1) . " - $year"], 'what it is');
is((students(asmtGrade => '03'))[0][1], 'Assessment Results for Grade 03', 'of a grade');
is_deeply($lines[10], ['Students', map { my $s = $_; (map { "$s $_" } @whole), 'Status' } 'Mathematics', 'ELA/Literacy'], 'columns of all subjects');
my ($line) = grep { ($_->[0] // '') =~ /Quo/ } @lines;
is_deeply($line, ["'-Quo\"te, +Ann M.", 1800, '1790-1810', 'Level 3', 3, 'Invalid,Partial', 2300, '2290-2310', 'Level 4', 4, ''], 'a student: one line, the newest result of each subject');
@lines = students(asmtType => 'SUMMATIVE', asmtSubject => ['Math']);
is_deeply($lines[10], ['Students', (map { "Mathematics $_" } @whole), 'Status', map { ("Mathematics - $_ - Performance Level Number", "Mathematics - $_ - Performance Level") } 'Number', 'Data'], 'of one subject, claims');
($line) = grep { ($_->[0] // '') =~ /Quo/ } @lines;
is_deeply([@$line[6 .. 9]], [1, 'Low', 3, 'High'], 'and their levels');
@lines = students(asmtType => 'INTERIM COMPREHENSIVE');
is_deeply($lines[10], ['Students', map { my $s = $_; ("Most Recent $s", (map { "$s $_" } @whole), 'Status') } 'Mathematics', 'ELA/Literacy'], 'interim comprehensive: the day');
($line) = grep { ($_->[0] // '') =~ /Quo/ } @lines;
is_deeply([@$line[0 .. 5], @$line[7 .. 11]], ["'-Quo\"te, +Ann M.", "$year.02.03", 1800, '1790-1810', 'Level 2', 2, ('') x 5], 'the newest, and of the other subject nothing');
@lines = students(asmtType => 'INTERIM COMPREHENSIVE', asmtSubject => ['Math']);
is_deeply([map { [@$_[1, 4, 6]] } grep { ($_->[0] // '') =~ /Quo/ } @lines], [["$year.02.03", 'Level 2', 'Standardized'], ["$year.01.02", 'Level 1', '']], 'of one subject, each result');
@lines = students(asmtType => 'INTERIM ASSESSMENT BLOCKS');
is_deeply($lines[10], ['Students', map { "Mathematics - Frac,tions - Latest result - $_" } 'Performance Level Number', 'Performance Level', 'Status'], 'blocks are columns');
is_deeply([@lines[11 .. $#lines]], [["'-Quo\"te, +Ann M.", 3, 'Above', 'Partial']], 'with the newest result of each');

# ---- who ---------------------------------------------------------------------------------------------

is(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' }, jar => sign_in('general'))->{status}, 403, 'not without the role');
is(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' })->{status}, 401, 'nor by nobody');
@lines = csv(post_json('/data/list_of_students', \%school, headers => { Accept => 'text/csv' }, jar => sign_in('school'))->{body});
is(scalar @lines, 11, 'who does not reach the school gets no students');
like(post_json('/data/quick_links', { stateCode => $state }, @csv)->{headers}{'content-type'}, qr/json/, 'other reports have no such view');

finish();
