# What others see of a batch while it is loaded, and afterwards: the tables batch and batch_warning.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_progress');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1');

sub batch {
    my ($guid, @columns) = @_;
    my ($row) = sql('SELECT ' . join(', ', @columns) . " FROM $udl.batch WHERE batch_guid = " . quote($guid));
    return $row;
}

# ---- how it ended ------------------------------------------------------------------------------
my $r = $l->once($l->package({}, [{}, {}, { Sex => 'other' }, { Sex => 'else' }, { GradeLevelWhenAssessed => '14' }, { StudentIdentifier => 's1' }]));
is($r->{status}, 'udl.ingested', 'a package is loaded by hand') or diag explain $r;
is_deeply(batch($r->{batch}, qw(tenant load_type asmt_type content_key stage attempts rows_read rows_loaded rows_rejected rows_deduplicated warnings problem kept_in)),
    ['nc', 'assessment', 'SUMMATIVE', 'asmt:asmt-1', 'loaded', 1, 6, 5, 1, 1, 3, undef, undef], 'its row says what it is and how it ended')
    or diag explain $r;
is_deeply(batch($r->{batch}, q(package ~ '\.tar\.gz\.gpg$'), q(worker ~ '^.+:\d+$'), 'package_bytes > 500', 'bytes_total > 100 AND bytes_done = bytes_total',
    'started_at <= finished_at AND arrived_at <= started_at'), ['t', 't', 't', 't', 't'], 'and when, where, how large');
is_deeply([sql("SELECT column_name, code, count, first_line FROM $udl.batch_warning WHERE batch_guid = '$r->{batch}'")],
    [['Sex', 3117, 2, 4], [undef, 3128, 1, 7]], 'its warnings are kept');
is(sql_one("SELECT count(*) FROM $udl.udl_batch WHERE guid_batch = '$r->{batch}' AND udl_phase_step_status = 'SUCCESS' AND duration >= '0'"), 12,
    'so are its steps');

$r = $l->once($l->package({ 'Identification.Guid' => 'another' }));
is_deeply(batch($r->{batch}, qw(stage rows_loaded content_key), 'problem'), ['failed', 0, 'asmt:asmt-1', $r->{errors}[0]{reason}], 'a failed one says why') or diag explain $r;

# ---- through the arrivals zone -----------------------------------------------------------------
my $trigger = $l->start('smarter-udl-trigger');
my $worker = $l->start('smarter-worker-udl');
spew("$dir/in/bad.gpg", 'nonsense');
$l->drop("$dir/in/bad.gpg", name => 'bad.gpg');
my $x = $l->ended('bad.gpg');
my ($kept) = @{ batch($x->{batch}, 'kept_in') };
ok(-e "$kept/bad.gpg", 'kept_in names the directory in history');
is_deeply(batch($x->{batch}, 'stage', 'content_key', 'package'), ['failed', undef, 'bad.gpg'], 'of a package that was never opened the rest is not known');
is(sql_one("SELECT b.arrived_at = k.arrived_at FROM $udl.batch b JOIN $udl.package k USING (batch_guid) WHERE batch_guid = '$x->{batch}'"), 't',
    'it arrived when the trigger saw it');

# ---- meanwhile ---------------------------------------------------------------------------------
# Every state of the rows, whoever looks or not.
sql("CREATE TABLE $udl.seen (n bigserial, at timestamptz DEFAULT clock_timestamp(), b $udl.batch)");
sql("CREATE FUNCTION $udl.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO $udl.seen (b) VALUES (NEW); RETURN NEW; END'");
sql("CREATE TRIGGER note AFTER INSERT OR UPDATE ON $udl.batch FOR EACH ROW EXECUTE FUNCTION $udl.note()");
my ($header, $text) = split /\n/, $l->csv([{ StudentIdentifier => 'STUDENT' }]);
for my $n (3, 400_000) {
    my $csv = "$header\n" . join '', map { $text =~ s/STUDENT/s$_/r . "\n" } 1 .. $n;
    for my $json_first ($n > 3 ? 0 : (0, 1)) {
        my $name = "n$n-$json_first.gpg";
        my $first = $json_first ? 'metadata first' : 'rows first';
        $l->drop($l->package({}, [], csv => $csv, json_first => $json_first), name => $name);
        $x = $l->ended($name, 60);
        my @seen = sql("SELECT (b).stage, (b).content_key, (b).bytes_done, (b).bytes_total, (b).rows_read, extract(epoch FROM at) FROM $udl.seen"
            . " WHERE (b).batch_guid = '$x->{batch}' ORDER BY n");
        my %once;
        is_deeply([grep { !$once{$_}++ } map { $_->[0] } @seen], [qw(received decrypting loading finishing loaded)], "$n rows, $first: the stages in order");
        my @loading = grep { $_->[0] eq 'loading' } @seen;
        is($loading[$json_first ? 0 : 1][1], 'asmt:asmt-1', "$n rows, $first: the key is known "
                . ($json_first ? 'before the rows' : 'with the first of them'));
        cmp_ok(scalar @seen, '<=', 6 + $seen[-1][5] - $seen[0][5], "$n rows, $first: written no more often than once a second");
        next if $n == 3;
        my @some = grep { $_->[4] > 0 && $_->[4] < $n && $_->[2] > 0 && $_->[2] < $_->[3] } @loading;
        ok(@some, "$n rows: progress is seen while they are copied") or diag explain \@seen;
        is_deeply([map { $_->[4] } @seen], [sort { $a <=> $b } map { $_->[4] } @seen], 'and never goes back');
    }
}

finish();
