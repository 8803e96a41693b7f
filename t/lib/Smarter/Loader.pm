package Smarter::Loader;

# For tests of the loader: CSV and JSON to spoil, packages of them, and a loader with schemas, zones and
# queue of its own beside the stack's, so that the stack's workers and conductor do not see it.
#
#   my $l = Smarter::Loader->new('t_rows');
#   my $r = $l->once($l->package({}, [{ StudentIdentifier => 's1' }, {}]));
#   is($r->{status}, 'udl.ingested');

use strict;
use warnings;
use JSON::PP ();
use Smarter::Test;
use Time::HiRes qw(sleep time);

our @header = qw(StateAbbreviation ResponsibleDistrictIdentifier OrganizationName ResponsibleSchoolIdentifier
    NameOfInstitution StudentIdentifier ExternalSSID FirstName MiddleName LastOrSurname Sex Birthdate
    GradeLevelWhenAssessed HispanicOrLatinoEthnicity AmericanIndianOrAlaskaNative Asian
    BlackOrAfricanAmerican NativeHawaiianOrOtherPacificIslander White DemographicRaceTwoOrMoreRaces
    IDEAIndicator LEPStatus Section504Status EconomicDisadvantageStatus MigrantStatus);
push @header, map { ("Group${_}Id", "Group${_}Text") } 1 .. 10;
push @header, qw(AssessmentGuid AssessmentSessionLocationId AssessmentSessionLocation
    AssessmentAdministrationFinishDate AssessmentYear AssessmentType AssessmentAcademicSubject
    AssessmentLevelForWhichDesigned AssessmentSubtestResultScoreValue AssessmentSubtestMinimumValue
    AssessmentSubtestMaximumValue AssessmentPerformanceLevelIdentifier);
push @header, map {
    ("AssessmentSubtestResultScoreClaim${_}Value", "AssessmentSubtestClaim${_}MinimumValue",
        "AssessmentSubtestClaim${_}MaximumValue", "AssessmentClaim${_}PerformanceLevelIdentifier")
} 1 .. 4;
push @header, map { "Accommodation$_" } qw(AmericanSignLanguage Braille ClosedCaptioning TextToSpeech Abacus
    AlternateResponseOptions Calculator MultiplicationTable PrintOnDemand PrintOnDemandItems ReadAloud
    Scribe SpeechToText StreamlineMode NoiseBuffer);
push @header, qw(AdministrationCondition CompleteStatus Op);

my %base = (StateAbbreviation => 'NC', ResponsibleDistrictIdentifier => 'd1', OrganizationName => 'First District',
    ResponsibleSchoolIdentifier => 'sch1', NameOfInstitution => 'First School', FirstName => 'Ada',
    LastOrSurname => 'Example', Sex => 'F', Birthdate => '20060708', GradeLevelWhenAssessed => '3',
    HispanicOrLatinoEthnicity => 'No', White => 'Yes', LEPStatus => 'No', AssessmentGuid => 'asmt-1',
    AssessmentAdministrationFinishDate => '20160403', AssessmentYear => 2016, AssessmentType => 'SUMMATIVE',
    AssessmentAcademicSubject => 'Math', AssessmentLevelForWhichDesigned => '3',
    AssessmentSubtestResultScoreValue => 1400, AssessmentSubtestMinimumValue => 1380,
    AssessmentSubtestMaximumValue => 1420, AssessmentPerformanceLevelIdentifier => 2,
    CompleteStatus => 'Complete', Op => 'C', map { $_ => 0 } grep { /^Accommodation/ } @header);

# ---- input ------------------------------------------------------------------------------------

# csv(rows): header and lines; a row is a reference to what differs from the usual, or a text as it is.
sub csv {
    my ($self, $rows, %opt) = @_;
    my @names = @{ $opt{header} // \@header };
    my $eol = $opt{eol} // "\n";
    my $n = 0;
    return join $eol, join(',', @names), map {
        my $row = $_;
        $n++;
        ref $row ? join ',', map { cell($row->{$_} // ($_ eq 'StudentIdentifier' ? "s$n" : $base{$_})) } @names : $row;
    } @$rows, ();
}

sub cell {
    my ($text) = @_;
    return '' unless defined $text;
    return $text unless $text =~ /[",\r\n]/;
    $text =~ s/"/""/g;
    return qq("$text");
}

# metadata({ path => value }): the JSON of asmt-1, changed; a value of undef removes the path.
sub metadata {
    my ($self, $change) = @_;
    my $m = { Content => 'assessment',
        Identification => { Guid => 'asmt-1', Type => 'SUMMATIVE', Year => 2016, Period => 'Spring 2016', Version => 'V1',
            Subject => 'Math', EffectiveDate => '20160401' },
        Overall => { MinScore => 1200, MaxScore => 2400 },
        PerformanceLevels => { Level1 => { Name => 'Low' }, map { ("Level$_" => { Name => "L$_", CutPoint => 1200 + 100 * $_ }) } 2 .. 5 },
        ClaimsPerformanceLevel => { map { ("Level$_" => { Name => "C$_" }) } 1 .. 3 },
        Claims => { (map { ("Claim$_" => { Name => "Claim $_", MinScore => 1200, MaxScore => 2400 }) } 1 .. 3),
            Claim4 => { Name => '', MinScore => '', MaxScore => '' } } };
    return JSON::PP->new->canonical->encode(changed($m, $change));
}

sub changed {
    my ($m, $change) = @_;
    for my $path (keys %{ $change // {} }) {
        my @parts = split /\./, $path;
        my $last = pop @parts;
        my $at = $m;
        $at = $at->{$_} //= {} for @parts;
        defined $change->{$path} ? ($at->{$last} = $change->{$path}) : delete $at->{$last};
    }
    return $m;
}

# The columns of a registration, and csv(rows) of them.
our @registered = qw(StateName StateAbbreviation ResponsibleDistrictIdentifier OrganizationName
    ResponsibleSchoolIdentifier NameOfInstitution StudentIdentifier ExternalSSID FirstName MiddleName
    LastOrSurname Sex Birthdate GradeLevelWhenAssessed HispanicOrLatinoEthnicity
    AmericanIndianOrAlaskaNative Asian BlackOrAfricanAmerican NativeHawaiianOrOtherPacificIslander
    White IDEAIndicator LEPStatus Section504Status EconomicDisadvantageStatus MigrantStatus
    DemographicRaceTwoOrMoreRaces LanguageCode EnglishLanguageProficiencLevel
    FirstEntryDateIntoUSSchool LimitedEnglishProficiencyEntryDate LEPExitDate
    TitleIIILanguageInstructionProgramType PrimaryDisabilityType);
my %registered = ((map { $_ => 'No' } @registered[14 .. 25]), StateName => 'North Carolina', ExternalSSID => 'x1',
    Sex => 'Female', Birthdate => '2006-07-08', LanguageCode => 'eng', FirstEntryDateIntoUSSchool => '2012-9-1',
    MiddleName => '', map { $_ => '' } @registered[27, 29 .. 32]);

sub students {
    my ($self, $rows, %opt) = @_;
    return $self->csv([map { ref $_ ? { %registered, %$_ } : $_ } @$rows], header => \@registered, %opt);
}

# registration({ path => value }): the JSON of a registration, changed.
sub registration {
    my ($self, $change) = @_;
    my $m = { Content => 'StudentRegistration', Identification => { Guid => 'reg-1', AcademicYear => 2016, ExtractDate => '2015-09-01' },
        Source => { TestRegSysID => 'sys-1', TestRegCallbackURL => 'https://reg.example.org/cb' } };
    return JSON::PP->new->canonical->encode(changed($m, $change));
}

# package(metadata changes, rows, options): a signed and encrypted package; its path. Options: those of
# make_package; csv and json => octets instead; json_first => 1; members => instead of all.
my $count = 0;

sub package {
    my ($self, $change, $rows, %opt) = @_;
    my $members = delete $opt{members};
    my $csv = delete $opt{csv} // $self->csv($rows // [{}]) . "\n";
    my $json = delete $opt{json} // $self->metadata($change);
    $members //= delete $opt{json_first} ? { 'a.json' => $json, 'b.csv' => $csv } : { 'a.csv' => $csv, 'b.json' => $json };
    return make_package("$self->{dir}/in/p" . ++$count . '.tar.gz.gpg', $members, %opt);
}

# ---- the loader -------------------------------------------------------------------------------

sub new {
    my ($class, $name) = @_;
    my $dir = tmpdir();
    my $self = bless { name => $name, dir => $dir, udl => "${name}_udl", stats => "${name}_stats" }, $class;
    my $ini = slurp(env('SMARTER_INI'));
    my %zone = map { $_ => "$dir/$_" } qw(arrivals work history in);
    mkdir $_ for values %zone, "$zone{arrivals}/nc";
    Smarter::Test::loaders(values %zone, "$zone{arrivals}/nc");
    $ini =~ s/^(zones\.(arrivals|work|history)\s*=).*/$1 $zone{$2}/mg;
    $ini =~ s/^(udl2_db_conn\.db_schema\s*=).*/$1 $self->{udl}/m or die "no udl2_db_conn.db_schema in the ini\n";
    $ini =~ s/^(edware_stats\.db\.schema_name\s*=).*/$1 $self->{stats}/mg;
    $ini =~ s/^(udl2\.queue\s*=).*/$1 $name/m;
    $ini =~ s/^(\[app\]\n.*?^logging\.application\s*=)[^\n]*/$1 file:$dir\/application.log/ms;
    $self->{ini_text} = $ini;
    $self->{ini} = $self->ini('smarter.ini');
    $self->schemas;
    return $self;
}

sub schemas {
    my ($self) = @_;
    my $url = sprintf 'postgresql://%s:%s@%s:%s/%s', map { env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE);
    for (['udl', $self->{udl}], ['stats', $self->{stats}]) {
        sql("DROP SCHEMA IF EXISTS $_->[1] CASCADE");
        my $r = run_program('smarter-schema', '--kind', $_->[0], '--schema', $_->[1], '--url', $url, 'create');
        die "smarter-schema: $r->{err}\n" if $r->{exit};
    }
}

# Another ini with more lines in [app], or other values of keys that are there; its path.
sub ini {
    my ($self, $file, @lines) = @_;
    my $text = $self->{ini_text};
    for (@lines) {
        my ($key) = /\A(\S+)/;
        $text =~ s/^\Q$key\E\s*=.*\n//mg;
    }
    my $more = join '', map { "$_\n" } @lines;
    $text =~ s/^(\[app\])$/$1\n$more/m;
    spew("$self->{dir}/$file", $text);
    chmod 0644, "$self->{dir}/$file";
    return "$self->{dir}/$file";
}

# once(package or directory, options): what --once printed, with exit and err added. Options: ini, dir => 1.
sub once {
    my ($self, $file, %opt) = @_;
    my $r = run_program('smarter-worker-udl', '-c', $opt{ini} // $self->{ini}, $opt{dir} ? '--once-dir' : '--once',
        $file, '--tenant', $opt{tenant} // 'nc');
    my $batch = eval { JSON::PP->new->decode($r->{out}) } // {};
    push @{ $self->{batches} }, $batch->{batch} if $batch->{batch};
    return { %$batch, exit => $r->{exit}, err => $r->{err} };
}

# once_dir(csv, json): the same for unpacked files.
sub once_dir {
    my ($self, $csv, $json, %opt) = @_;
    my $dir = tmpdir();
    spew("$dir/x.csv", $csv);
    spew("$dir/x.json", $json // $self->metadata);
    return $self->once($dir, dir => 1, %opt);
}

sub rejected {
    my ($self, $batch) = @_;
    return sql("SELECT line, column_name, code, reason, student_id FROM $self->{udl}.rejected_row WHERE batch_guid = "
        . quote($batch) . ' ORDER BY rejected_sid');
}

sub status {
    my ($self, $batch) = @_;
    return sql_one("SELECT load_status FROM $self->{stats}.udl_stats WHERE batch_guid = " . quote($batch));
}

sub schema_there {
    my ($self, $batch) = @_;
    return sql_one('SELECT count(*) FROM pg_namespace WHERE nspname = ' . quote($batch));
}

# Files below a zone, relative to it.
sub files {
    my ($self, $zone) = @_;
    my $root = "$self->{dir}/$zone";
    return map { s/\A\Q$root\E\///r } split /\n/, `find $root -type f | sort`;
}

# ---- services ---------------------------------------------------------------------------------

# start('smarter-udl-trigger', args): in the background; its pid. stop(pid) ends it and says how.
sub start {
    my ($self, $program, @args) = @_;
    my $p = run_program({ background => 1 }, $program, '-c', $self->{ini}, @args);
    $self->{running}{ $p->{pid} } = 1;
    return $p->{pid};
}

sub stop {
    my ($self, $pid, $signal) = @_;
    my $how = Smarter::Test::end_process($pid, $signal // '-TERM'); # as a supervisor does: the whole group, gpg included
    delete $self->{running}{$pid} if $how ne 'still running';
    return $how;
}

# drop(package, options): into arrivals by rename, as a careful sender does. Options: name, tenant, sub
# => directory, slow => 1: written under its own name.
sub drop {
    my ($self, $file, %opt) = @_;
    my $dir = "$self->{dir}/arrivals/" . ($opt{tenant} // 'nc');
    mkdir $dir;
    $dir .= "/$opt{sub}", mkdir $dir if $opt{sub};
    my $name = $opt{name} // (split m{/}, $file)[-1];
    my $part = $opt{slow} ? "$dir/$name" : "$dir/.$name.part";
    spew($part, slurp($file));
    Smarter::Test::loaders($dir, $part);
    rename $part, "$dir/$name" unless $opt{slow};
    return "$dir/$name";
}

# The batch of a package by its name in arrivals: { state, batch, status, attempts, error }.
sub arrival {
    my ($self, $name) = @_;
    my ($row) = sql("SELECT k.state, k.batch_guid, s.load_status, k.attempts, k.error FROM $self->{udl}.package k"
        . " LEFT JOIN $self->{stats}.udl_stats s USING (batch_guid) WHERE k.path LIKE '%/' || " . quote($name)
        . ' ORDER BY k.package_id DESC LIMIT 1');
    return undef unless $row;
    my %a;
    @a{qw(state batch status attempts error)} = @$row;
    push @{ $self->{batches} }, $a{batch};
    return \%a;
}

# Wait until a package is through; what arrival says.
sub ended {
    my ($self, $name, $seconds) = @_;
    return wait_until($seconds // 30, "$name to be loaded", sub {
        my $a = $self->arrival($name);
        return $a && $a->{state} =~ /done|failed/ ? $a : undef;
    });
}

sub log_lines {
    my ($self) = @_;
    return -e "$self->{dir}/application.log" ? split /\n/, slurp("$self->{dir}/application.log") : ();
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->stop($_, 'KILL') for keys %{ $self->{running} // {} };
    eval {
        my %seen;
        sql(qq(DROP SCHEMA IF EXISTS "$_" CASCADE)) for grep { defined && !$seen{$_}++ } @{ $self->{batches} // [] };
        sql("DROP SCHEMA IF EXISTS $_ CASCADE") for grep { defined } $self->{udl}, $self->{stats};
    };
}

1;
