# What a sender gets: errors.csv and outcome.json beside the package, after loading and after promotion.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA ();
use JSON::PP ();
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres', 'rabbitmq', 'workers');
my $l = Smarter::Loader->new('t_outcome');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
mkdir "$dir/reports";
chmod 02775, "$dir/reports";
Smarter::Test::loaders("$dir/reports");
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', "tenant.nc.reports_dir = $dir/reports", 'udl2.max_rejected_rows = 5');

sub kept { return sql_one("SELECT kept_in FROM $udl.batch WHERE batch_guid = " . quote($_[0])) }

# Lines of a CSV without line breaks inside, each a list of fields.
sub csv_lines {
    my ($text) = @_;
    return map {
        my @f;
        push @f, defined $1 ? $1 =~ s/""/"/gr : $2 while /\G(?:"((?:[^"]|"")*)"|([^,]*))(?:,|\z)/gc && @f < 6;
        \@f
    } split /\r\n/, $text;
}

# ---- loaded, with faults -------------------------------------------------------------------------
my $trigger = $l->start('smarter-udl-trigger');
my $worker = $l->start('smarter-worker-udl');
my @rows = ({}, { GradeLevelWhenAssessed => '14', StudentIdentifier => '=cmd()' }, { Sex => 'other' }, { Birthdate => '20060231', StudentIdentifier => 's,"4' },
    { GradeLevelWhenAssessed => '77', Birthdate => '20060231' });
my $package = $l->package({}, \@rows);
my $sha = Digest::SHA::sha256_hex(slurp($package));
$l->drop($package, name => 'first.tar.gz.gpg');
my $a = $l->ended('first.tar.gz.gpg');
my $kept = kept($a->{batch});
wait_until(10, 'the outcome files', sub { -e "$kept/first.outcome.json" });
my $csv = slurp("$kept/first.errors.csv");
my @lines = csv_lines($csv);
is_deeply($lines[0], [qw(line column severity code reason student_id)], 'errors.csv has a header');
is_deeply([map { [@$_[0 .. 3]] } @lines[1 .. $#lines]], [[3, 'GradeLevelWhenAssessed', 'error', 3114], [5, 'Birthdate', 'error', 3107],
    [6, 'Birthdate', 'error', 3107], [6, 'GradeLevelWhenAssessed', 'error', 3114], [4, 'Sex', 'warning', 3117]], 'every fault of every rejected row, then warnings')
    or diag $csv;
is($lines[1][5], "'=cmd()", 'a spreadsheet does not take an id for a formula');
is($lines[2][5], 's,"4', 'an id with comma and quote is quoted');
unlike($csv, qr/20060231/, 'no value of a row is in it');
like($csv, qr/\A(?:[^\r\n]*\r\n)+\z/, 'lines end with CRLF');
my $json = JSON::PP->new->decode(slurp("$kept/first.outcome.json"));
is_deeply([@$json{qw(batch tenant package status final load_type sha256 problem errors_file)}],
    [$a->{batch}, 'nc', 'first.tar.gz.gpg', 'udl.ingested', JSON::PP::false, 'assessment', $sha, undef, 'first.errors.csv'], 'outcome.json says what became of it')
    or diag explain $json;
is_deeply($json->{counts}, { read => 5, loaded => 2, rejected => 3, deduplicated => 0 }, 'its counts');
is_deeply([map { [@$_{qw(column code count first_line)}] } @{ $json->{warnings} }], [['Sex', 3117, 1, 4]], 'its warnings');
is((stat "$kept/first.errors.csv")[2] & 07777, 0640, 'not for everybody');
my ($label) = $kept =~ m{([^/]+)\z};
is_deeply([map { s{.*/}{}r } sort glob("$dir/reports/*")], ["${label}_first.errors.csv", "${label}_first.outcome.json"], 'copies are in the reports directory');
is(slurp("$dir/reports/${label}_first.errors.csv"), $csv, 'the same');

# ---- more than is recorded ------------------------------------------------------------------------
$l->drop($l->package({}, [{}, map { { GradeLevelWhenAssessed => '14' } } 1 .. 9]), name => 'many.gpg');
$a = $l->ended('many.gpg');
wait_until(10, 'the outcome files', sub { -e kept($a->{batch}) . '/many.outcome.json' });
@lines = csv_lines(slurp(kept($a->{batch}) . '/many.errors.csv'));
is(scalar(grep { $_->[0] } @lines[1 .. $#lines]), 5, 'as many rows as are recorded');
is_deeply([@{ $lines[-1] }[0, 2, 4]], ['', 'error', '4 more rejected rows are counted, but not listed here'], 'and how many more there are');

# ---- whose row it is, and a name that leaves no room for endings -----------------------------------
my $long = 'L' x 149 . "\xc3\xa9" . 'L' x 80 . '.tar.gz.gpg';
$l->drop($l->package({}, [{}, { StateAbbreviation => 'XX', StudentIdentifier => 'of-another' }]), name => $long);
$a = $l->ended($long);
my ($outcome) = wait_until(10, 'the outcome files', sub { glob(kept($a->{batch}) . '/*.outcome.json') });
is($outcome, kept($a->{batch}) . '/' . 'L' x 149 . '.outcome.json', 'a long name is cut, between characters');
@lines = csv_lines(slurp($outcome =~ s/outcome\.json/errors.csv/r));
is_deeply([@{ $lines[1] }[0, 1, 5]], [3, 'StateAbbreviation', 'of-another'], 'a fault in a column before the student has his id, too');
is(scalar(() = glob("$dir/reports/*_" . 'L' x 149 . '.*')), 2, 'copied as well');

# ---- a batch that fails --------------------------------------------------------------------------
$l->drop($l->package({ 'Identification.Guid' => 'another' }), name => 'bad.tar.gz.gpg');
$a = $l->ended('bad.tar.gz.gpg');
wait_until(10, 'the outcome files', sub { -e kept($a->{batch}) . '/bad.outcome.json' });
$json = JSON::PP->new->decode(slurp(kept($a->{batch}) . '/bad.outcome.json'));
@lines = csv_lines(slurp(kept($a->{batch}) . '/bad.errors.csv'));
is_deeply([@$json{qw(status final)}, $json->{problem}], ['udl.failed', JSON::PP::true, $lines[1][4]], 'a failed batch says why');
is_deeply([@{ $lines[1] }[0, 3]], [0, 3014], 'as line 0, with its code');
like(kept($a->{batch}), qr{/failed/}, 'beside the package');

# ---- killed between its end and its files ----------------------------------------------------------
$l->stop($_) for $trigger, $worker;
$kept = kept($a->{batch});
unlink glob("$kept/*.json"), glob("$kept/*.csv");
my $copy = "$dir/reports/" . ($kept =~ m{([^/]+)\z})[0] . '_bad.outcome.json';
unlink $copy;
symlink "$dir/victim", $copy; # the sender may write there too
sql("UPDATE $udl.package SET state = 'new', queued_at = NULL WHERE batch_guid = '$a->{batch}'");
($trigger, $worker) = map { $l->start($_) } qw(smarter-udl-trigger smarter-worker-udl);
wait_until(20, 'the outcome files', sub { -e "$kept/bad.outcome.json" });
is(JSON::PP->new->decode(slurp("$kept/bad.outcome.json"))->{status}, 'udl.failed', 'the next attempt writes the files that are missing');
wait_until(10, 'the copies', sub { !-l $copy });
ok(-f $copy && !-e "$dir/victim", 'and follows no link of the sender');
$l->stop($_) for $trigger, $worker;

# ---- zones on two file systems, and the longest name there is ----------------------------------------
my $work = "/dev/shm/smarter-$$";
mkdir $work;
Smarter::Test::loaders($work);
isnt((stat $work)[0], (stat $dir)[0], 'two file systems');
$l->{ini} = $l->ini('two.ini', 'udl2_trigger.file_system_scan_delay = 1', "zones.work = $work");
($trigger, $worker) = map { $l->start($_) } qw(smarter-udl-trigger smarter-worker-udl);
my $longest = 'N' x 251 . '.gpg';
rename $l->drop($l->package({}, [{}]), name => 'short.part'), "$dir/arrivals/nc/$longest";
$a = $l->ended($longest);
ok(-f kept($a->{batch}) . "/$longest", 'the package gets to history') or diag explain $a;
is_deeply([grep { /\.partial/ } $l->files('history'), $l->files('arrivals')], [], 'and leaves nothing half');
$l->stop($_) for $trigger, $worker;
system 'rm', '-rf', $work;

# ---- promotion refuses it: the stack's own loader, conductor and notifier ----------------------------
my $guid = "outcome-$$";
my $csv_text = $l->csv([{ AssessmentGuid => $guid, StudentIdentifier => 'nobody-1', Op => 'D' }, { AssessmentGuid => $guid, StudentIdentifier => 'nobody-2', Op => 'D' }]) . "\n";
my $delete = make_package(tmpdir() . "/delete-$$.tar.gz.gpg", { 'a.csv' => $csv_text, 'a.json' => $l->metadata({ 'Identification.Guid' => $guid }) });
my $name = drop_package($delete);
wait_until(90, 'promotion to refuse it', sub { (batch_status($name) // '') eq 'migrate.failed' });
my ($row) = wait_until(30, 'the notifier', sub {
    my ($r) = sql("SELECT b.kept_in, s.notification_status FROM udl2.batch b JOIN edware_stats.udl_stats s USING (batch_guid)"
        . " WHERE b.package = " . quote($name =~ s{.*/}{}r) . " AND s.notification_status <> '' ORDER BY b.arrived_at DESC LIMIT 1");
    return $r;
});
my ($file) = glob("$row->[0]/*.outcome.json");
$json = JSON::PP->new->decode(slurp($file));
is_deeply([@$json{qw(status final)}], ['migrate.failed', JSON::PP::true], 'outcome.json says that promotion refused it') or diag explain $json;
@lines = csv_lines(slurp($file =~ s/outcome\.json/errors.csv/r));
is_deeply([map { [@$_[0 .. 5]] } @lines[2 .. 3]], [[2, 'Op', 'error', 1000, 'to be deleted, but there is no such result', 'nobody-1'],
    [3, 'Op', 'error', 1000, 'to be deleted, but there is no such result', 'nobody-2']], 'errors.csv names the lines') or diag explain \@lines;
allow_log(qr/"no":"SB(?:2203|24\d\d)"/, qr/smarter-migrate-conductor ended with status 1/);
finish();
