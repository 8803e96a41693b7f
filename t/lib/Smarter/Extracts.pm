package Smarter::Extracts;

# What the tests of extracts share: requests made by hand, archives opened by a program that is not ours, and the
# columns of a results CSV as receivers know them.
#
#   my $r = extract(studentAssessment => { stateCode => 'NC', ... });
#   is($r->{files}{$name}, ...);

use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Smarter::Test;

our @EXPORT = qw(extract unzip names_of columns header csv_line ini_with);

# The 90 headers, and which of them are empty for blocks.
my @columns = qw(AssessmentGuid AssessmentSessionLocationId AssessmentSessionLocation AssessmentLevelForWhichDesigned
    StateAbbreviation ResponsibleDistrictIdentifier OrganizationName ResponsibleSchoolIdentifier NameOfInstitution
    StudentIdentifier FirstName MiddleName LastOrSurname Sex Birthdate ExternalSSID GradeLevelWhenAssessed
    Group1Id Group1Text Group2Id Group2Text Group3Id Group3Text Group4Id Group4Text Group5Id Group5Text Group6Id Group6Text
    Group7Id Group7Text Group8Id Group8Text Group9Id Group9Text Group10Id Group10Text AssessmentAdministrationFinishDate
    AssessmentSubtestResultScoreValue AssessmentSubtestMinimumValue AssessmentSubtestMaximumValue
    AssessmentPerformanceLevelIdentifier AssessmentSubtestResultScoreClaim1Value AssessmentClaim1PerformanceLevelIdentifier
    AssessmentSubtestClaim1MinimumValue AssessmentSubtestClaim1MaximumValue AssessmentSubtestResultScoreClaim2Value
    AssessmentClaim2PerformanceLevelIdentifier AssessmentSubtestClaim2MinimumValue AssessmentSubtestClaim2MaximumValue
    AssessmentSubtestResultScoreClaim3Value AssessmentClaim3PerformanceLevelIdentifier AssessmentSubtestClaim3MinimumValue
    AssessmentSubtestClaim3MaximumValue AssessmentSubtestResultScoreClaim4Value AssessmentClaim4PerformanceLevelIdentifier
    AssessmentSubtestClaim4MinimumValue AssessmentSubtestClaim4MaximumValue HispanicOrLatinoEthnicity
    AmericanIndianOrAlaskaNative Asian BlackOrAfricanAmerican NativeHawaiianOrOtherPacificIslander White
    DemographicRaceTwoOrMoreRaces IDEAIndicator LEPStatus Section504Status EconomicDisadvantageStatus MigrantStatus
    AssessmentType AssessmentYear AssessmentAcademicSubject AccommodationAmericanSignLanguage AccommodationNoiseBuffer
    AccommodationPrintOnDemandItems AccommodationBraille AccommodationClosedCaptioning AccommodationTextToSpeech
    AccommodationAbacus AccommodationAlternateResponseOptions AccommodationCalculator AccommodationMultiplicationTable
    AccommodationPrintOnDemand AccommodationReadAloud AccommodationScribe AccommodationSpeechToText
    AccommodationStreamlineMode AdministrationCondition CompleteStatus);

sub columns { return @columns }

sub header { return join(',', @columns) . "\r\n" }

# A line of a CSV from values by header; what is not named is empty. Values are octets.
sub csv_line {
    my (%value) = @_;
    my @line = map { delete $value{$_} // '' } @columns;
    die 'no such columns: ' . join(', ', keys %value) . "\n" if %value;
    return join(',', map { /[,"\r\n]/ ? '"' . s/"/""/gr . '"' : $_ } @line) . "\r\n";
}

# An archive's members by name, read and checked by Python.
sub unzip {
    my ($path) = @_;
    my $dir = tmpdir();
    my $r = Smarter::Test::run({}, 'python3', '-c', <<'PY', $path, $dir);
import sys, zipfile, json
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
names = [i.filename for i in z.infolist()]
assert len(set(names)) == len(names), 'a name twice'
assert all('/' not in n and n not in ('.', '..') for n in names)
z.extractall(sys.argv[2])
print(json.dumps(names))
PY
    die "python3 cannot read $path: $r->{err}" if $r->{exit};
    my $names = JSON::PP->new->utf8->decode($r->{out});
    return { map { my $octets = $_; utf8::encode($octets); $octets => slurp("$dir/$octets") } @$names };
}

# extract(kind => { parameters }, user => {...}, ini => path, parts => n): by smarter-worker-extract --once. What it
# printed, its exit status, and files: members of all archives by name; parts: the same, one an archive.
sub extract {
    my ($kind, $params, %opt) = @_;
    my $dir = tmpdir();
    my %request = (extract => $kind, params => $params, map { $_ => $opt{$_} } grep { exists $opt{$_} } qw(user id when parts version));
    my $file = spew("$dir/request.json", JSON::PP->new->utf8->canonical->encode(\%request));
    my $r = run_program({ env => $opt{env} // {} }, 'smarter-worker-extract', '-c', $opt{ini} // env('SMARTER_INI'), '--once', $file, '-o', "$dir/out.zip");
    my $said = eval { JSON::PP->new->utf8->decode($r->{out}) } // {};
    my @parts = map { unzip($_->{path}) } @{ $said->{archives} // [] };
    return { exit => $r->{exit}, err => $r->{err}, %$said, parts => \@parts, files => { map { %$_ } @parts }, dir => $dir };
}

sub names_of { return sort keys %{ $_[0]{files} } }

# A copy of the stack's ini with other values: ini_with('key' => 'value').
sub ini_with {
    my (%value) = @_;
    my $ini = slurp(env('SMARTER_INI'));
    my $more = '';
    for my $key (sort keys %value) {
        $ini =~ s/^\Q$key\E\s*=.*\n//mg;
        $more .= "$key = $value{$key}\n";
    }
    $ini =~ s/^\[app:main\]\n/[app:main]\n$more/m or die "no [app:main] in the ini\n";
    return spew(tmpdir() . '/smarter.ini', $ini);
}

1;
