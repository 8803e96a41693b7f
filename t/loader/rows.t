# Rows: what loads, what does not, what is said about it, on which line; policies; memory.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes 'sleep';

need('postgres');
my $l = Smarter::Loader->new('t_rows');
binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output);

sub load {
    my ($rows, %opt) = @_;
    my $csv = $l->csv($rows, %opt);
    utf8::encode($csv) if utf8::is_utf8($csv);
    return $l->once_dir($csv . "\n", $opt{json}, %opt);
}

sub column {
    my ($r, $name) = @_;
    return [map { $_->[0] } sql(qq(SELECT $name FROM "$r->{batch}".asmt_outcome ORDER BY file_line))];
}

sub errors { return [map { [@$_{qw(line column code)}] } @{ $_[0]{errors} }] }

# ---- one bad row in ten thousand ---------------------------------------------------------------
my @rows = map { {} } 1 .. 10_000;
$rows[4321] = { AssessmentSubtestResultScoreValue => 'n/a' };
my $r = load(\@rows);
is_deeply([@$r{qw(exit read loaded rejected)}], [0, 10_000, 9_999, 1], 'one bad row in 10,000: the rest loads');
is_deeply($r->{errors}, [{ line => 4323, column => 'AssessmentSubtestResultScoreValue', code => 3110, reason => 'no whole number' }],
    'line, column and reason are named');
is_deeply([$l->rejected($r->{batch})], [[4323, 'AssessmentSubtestResultScoreValue', 3110, 'no whole number', 's4322']],
    'and recorded, with the student');
is(sql_one(qq(SELECT count(*) FROM "$r->{batch}".asmt_outcome WHERE file_line = 4323)), 0, 'the row is not there');

# ---- each kind of refusal ----------------------------------------------------------------------
$r = load([{}, { Sex => '' }, { StudentIdentifier => ' ' }, { GradeLevelWhenAssessed => 14 }, { Birthdate => '20140230' },
    { AssessmentAdministrationFinishDate => 'soon' }, { Asian => 'x' }, { AssessmentYear => 99999 }, { Op => 'U' },
    { AdministrationCondition => 'VALID' }, { StudentIdentifier => "a\tb" }, { StudentIdentifier => 'x' x 41 },
    { StateAbbreviation => 'CA' }, { StateAbbreviation => 'North Carolina' }, { Sex => '', Asian => 'x', Op => 'x' },
    'NC,d1', { FirstName => "\0" }, { CompleteStatus => 'maybe' }, { Birthdate => '4/3/99' },
    { AssessmentSubtestResultScoreValue => '', AssessmentPerformanceLevelIdentifier => '' },
    { AssessmentPerformanceLevelIdentifier => 6 }, {}]);
is_deeply([@$r{qw(exit read loaded rejected)}], [0, 22, 2, 20], 'bad rows of each kind');
is_deeply(errors($r), [[3, 'Sex', 3101], [4, 'StudentIdentifier', 3101], [5, 'GradeLevelWhenAssessed', 3114], [6, 'Birthdate', 3107],
    [7, 'AssessmentAdministrationFinishDate', 3109], [8, 'Asian', 3113], [9, 'AssessmentYear', 3111], [10, 'Op', 3115],
    [11, 'AdministrationCondition', 3118], [12, 'StudentIdentifier', 3105], [13, 'StudentIdentifier', 3104],
    [14, 'StateAbbreviation', 3119], [15, 'StateAbbreviation', 3104], [16, 'Sex', 3101], [16, 'Asian', 3113], [16, 'Op', 3115],
    [17, undef, 3008], [18, 'FirstName', 3106], [19, 'CompleteStatus', 3113], [20, 'Birthdate', 3108],
    [21, 'AssessmentSubtestResultScoreValue', 3101], [21, 'AssessmentPerformanceLevelIdentifier', 3101],
    [22, 'AssessmentPerformanceLevelIdentifier', 3124]], 'each named, all faults of a row too');
is_deeply(column($r, 'student_id'), ['s1', 's22'], 'the good ones are there');
is(scalar(grep { /x{41}|North Carolina|maybe/ } map { $_->[3] } $l->rejected($r->{batch})), 0, 'no reason quotes the input');

# ---- what loads with a warning -----------------------------------------------------------------
$r = load([{ Sex => 'Femme', FirstName => 'x' x 40, MiddleName => 'y' x 300, AssessmentAcademicSubject => 'MaTh',
    AssessmentSubtestResultScoreValue => '1,400.0', AssessmentType => 'practice' }, {}]);
is_deeply([@$r{qw(exit loaded rejected)}], [0, 2, 0], 'odd values load as they always did');
is_deeply([map { [@$_{qw(line column code count)}] } @{ $r->{warnings} }],
    [[2, 'FirstName', 3103, 1], [2, 'MiddleName', 3102, 1], [2, 'Sex', 3116, 1],
     [2, 'AssessmentType', 3117, 1], [2, 'AssessmentType', 3120, 1], [2, 'AssessmentAcademicSubject', 3117, 1],
     [2, 'AssessmentAcademicSubject', 3120, 1], [2, 'AssessmentSubtestResultScoreValue', 3112, 1]],
    'with a warning each');
is_deeply([sql(qq(SELECT first_name, middle_name, sex, asmt_subject, asmt_score, asmt_type FROM "$r->{batch}".asmt_outcome WHERE file_line = 2))],
    [['x' x 35, undef, 'female', 'MaTh', 1400, 'PRACTICE']], 'and are stored so');

# ---- the same text in every dress --------------------------------------------------------------
my @same = ({ FirstName => 'Zoë', LastOrSurname => "O'Neil, Jr.", NameOfInstitution => 'The "Best" School' }, { FirstName => "Anna\nMaria" });
my $names = sub { return [sql(qq(SELECT file_line, first_name, last_name, school_name, student_hash FROM "$_[0]{batch}".asmt_outcome ORDER BY 1))] };
my $reference = $names->(load(\@same));
is_deeply([map { [@$_[0 .. 3]] } @$reference], [[2, 'Zoë', "O'Neil, Jr.", 'The "Best" School'], [3, 'AnnaMaria', 'Example', 'First School']],
    'quotes, commas, accents, a line break inside quotes');
for my $eol ("\r\n", "\r") {
    is_deeply($names->(load(\@same, eol => $eol)), $reference, 'the same with ' . ($eol eq "\r" ? 'CR' : 'CRLF'));
}
my @mixed = sort { lc $b cmp lc $a } map { lc } @Smarter::Loader::header;
my %canonical = map { lc($_) => $_ } @Smarter::Loader::header;
my $shuffled = $l->csv(\@same, header => [map { $canonical{$_} } @mixed]);
my ($first, $rest) = split /\n/, $shuffled, 2;
utf8::encode($rest);
$r = $l->once_dir("\xEF\xBB\xBF" . join(',', @mixed) . "\n$rest\n");
is_deeply($names->($r), $reference, 'the same with a byte-order mark, in another order, names in lower case');
$r = load([$same[0], '', '   ', $same[1]]);
is_deeply([@$r{qw(read loaded)}, $r->{warnings}[0]{line}, $r->{warnings}[0]{count}], [2, 2, 3, 2], 'blank lines are skipped with a warning');
is_deeply([map { $_->[0] } @{ $names->($r) }], [2, 5], 'and count as lines');
$r = $l->once_dir($l->csv([{}, { FirstName => "M\xFCller" }, {}]));
is_deeply([@$r{qw(loaded rejected)}, map { [@$_{qw(line column code count)}] } @{ $r->{warnings} }], [3, 0, [3, 'FirstName', 3122, 1]],
    'Latin-1 is read, with a warning');
for my $without ('Op', 'CompleteStatus', 'AdministrationCondition') {
    $r = load([{}], header => [grep { $_ ne $without } @Smarter::Loader::header]);
    is_deeply([@$r{qw(exit loaded)}], [0, 1], "$without is optional on its own");
}

# ---- lines with breaks inside quotes -----------------------------------------------------------
$r = load([{ FirstName => "a\nb\r\nc" }, { Sex => '' }, { Sex => '' }]);
is_deeply(errors($r), [[5, 'Sex', 3101], [6, 'Sex', 3101]], 'line numbers are those of the file');

# ---- keys --------------------------------------------------------------------------------------
$r = load([{ StudentIdentifier => 'a' }, { StudentIdentifier => 'b' }, { StudentIdentifier => 'a', AssessmentSubtestResultScoreValue => 1401 },
    { StudentIdentifier => 'a', Op => 'D' }]);
is_deeply([@$r{qw(loaded deduplicated)}], [4, 1], 'a row with the key of another one is counted');
is_deeply($r->{warnings}, [{ line => 4, column => undef, code => 3128, count => 1,
    reason => 'the same student, assessment and day as line 2, which does not count' }], 'and named, with the other one');
is_deeply(column($r, 'op'), ['C', 'C', 'C', 'W'], 'promotion decides which stays');

# student_hash as sql/batch defines it, computed here once more
sub fnv {
    use bigint;
    no warnings 'portable';
    my $h = 0xcbf29ce484222325;
    for my $v (@_) {
        for my $byte (defined $v ? (1, unpack('C*', Encode::encode('UTF-8', $v)), 0) : (0)) {
            $h = (($h ^ $byte) * 0x100000001b3) & 0xffffffffffffffff;
        }
    }
    $h ^= $h >> 33;
    $h = ($h * 0xff51afd7ed558ccd) & 0xffffffffffffffff;
    $h ^= $h >> 33;
    return $h >= 0x8000000000000000 ? "" . ($h - 0x10000000000000000) : "$h";
}
require Encode;
my @columns = (qw(student_id external_student_id first_name middle_name last_name birthdate sex),
    (map { ("group_${_}_id", "group_${_}_text") } 1 .. 10), qw(dmg_eth_derived dmg_eth_hsp dmg_eth_ami dmg_eth_asn
    dmg_eth_blk dmg_eth_pcf dmg_eth_wht dmg_eth_2om dmg_prg_iep dmg_prg_lep dmg_prg_504 dmg_sts_ecd dmg_sts_mig));
$r = load([{ FirstName => 'Zoë', Group3Id => 'g3', MigrantStatus => 'Y' }]);
my ($row) = sql('SELECT ' . join(', ', @columns) . qq( FROM "$r->{batch}".asmt_outcome));
is(fnv(@$row), column($r, 'student_hash')->[0], 'the digest of the student is the one that promotion expects');

# ---- policies ----------------------------------------------------------------------------------
my $strict = $l->ini('strict.ini', 'tenant.nc.policy = cut=reject, Sex/loose=reject, number-form=accept');
$r = load([{ FirstName => 'x' x 40 }, { Sex => 'Femme' }, { GradeLevelWhenAssessed => '3rd' }, { AssessmentYear => '2016.0' }], ini => $strict);
is_deeply([@$r{qw(loaded rejected)}, errors($r)], [2, 2, [[2, 'FirstName', 3103], [3, 'Sex', 3116]]], 'a tenant may be stricter');
is_deeply([map { $_->{column} } @{ $r->{warnings} }], ['GradeLevelWhenAssessed'], 'and more silent');
$r = load([{}, { Sex => '' }], ini => $l->ini('fail.ini', 'tenant.nc.policy = missing=fail'));
is_deeply([@$r{qw(exit status)}], [1, 'udl.failed'], 'or fail the whole batch');
like($r->{errors}[0]{reason}, qr/line 3, Sex: a required value is empty \(code 3101\)/, 'naming the row');
$r = load([{}], ini => $l->ini('lax.ini', 'tenant.nc.policy = no-number=warn'));
is($r->{exit}, 1, 'values that cannot be stored stay refused');
like($r->{err}, qr/tenant\.nc\.policy: 'no-number=warn': such values are never loaded/, 'and the ini is');
$r = load([{ StateAbbreviation => 'CA' }, {}], ini => $l->ini('any.ini', 'tenant.nc.policy = other-state=warn'));
is_deeply([@$r{qw(loaded rejected)}], [2, 0], 'a tenant of several states says so');

# ---- many refusals -----------------------------------------------------------------------------
$r = load([map { { Sex => $_ > 3000 ? 'F' : '' } } 1 .. 3010], ini => $l->ini('few.ini', 'udl2.max_rejected_rows = 50'));
is_deeply([@$r{qw(exit read loaded rejected)}, scalar @{ $r->{errors} }], [0, 3010, 10, 3000, 50], 'all are counted, the first are named');
is(sql_one("SELECT count(*) FROM $l->{udl}.rejected_row WHERE batch_guid = '$r->{batch}'"), 50, 'and recorded');

# ---- memory does not grow with the package -----------------------------------------------------
sub peak {
    my ($n) = @_;
    my $line = $l->csv([{ StudentIdentifier => 'STUDENT' }]);
    my ($header, $text) = split /\n/, $line;
    my $csv = "$header\n" . join '', map { $text =~ s/STUDENT/s$_/r . "\n" } 1 .. $n;
    my $file = $l->package({}, [], csv => $csv);
    my $p = run_program({ background => 1 }, 'smarter-worker-udl', '-c', $l->{ini}, '--once', $file, '--tenant', 'nc');
    my $peak = 0;
    while (waitpid($p->{pid}, 1) == 0) {
        open my $in, '<', "/proc/$p->{pid}/status" or next;
        my $status = join '', <$in>;
        next unless $status =~ /^Name:\s+smarter-worker/m; # not this test, before it became the worker
        $peak = $1 if $status =~ /^VmHWM:\s+(\d+) kB/m && $1 > $peak;
        sleep 0.01;
    }
    is($?, 0, "$n rows load");
    push @{ $l->{batches} }, JSON::PP->new->decode(slurp("$p->{files}[0]"))->{batch};
    return $peak / 1024;
}
my ($small, $large) = (peak(20), peak(200_000));
note sprintf 'memory at its peak: %.1f MiB for 20 rows, %.1f MiB for 200,000', $small, $large;
cmp_ok($large - $small, '<', 32, 'memory does not grow with the package');
cmp_ok($large, '<', 64, 'and stays under 64 MiB');

finish();
