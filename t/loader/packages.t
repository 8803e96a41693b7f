# Packages, good and bad: each bad one fails its batch with a message that names the reason, and leaves
# nothing behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres');
my $l = Smarter::Loader->new('t_packages');
my $udl = $l->{udl};

# ---- good ones ---------------------------------------------------------------------------------
my @three = ({}, { Sex => 'm', Asian => 'Y', White => 'N' }, { HispanicOrLatinoEthnicity => '1' });
my $r = $l->once($l->package({}, \@three));
is($r->{exit}, 0, 'a good package loads') or diag explain $r;
is_deeply([@$r{qw(tenant status read loaded rejected deduplicated errors warnings)}],
    ['nc', 'udl.ingested', 3, 3, 0, 0, [], []], 'its report');
like($r->{batch}, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}\z/, 'its batch guid');
my $batch = $r->{batch};
is_deeply([sql(qq(SELECT file_line, op, student_id, sex, dmg_eth_derived, enrl_grade, date_taken, date_taken_day,
    date_taken_month, date_taken_year, asmt_score, complete, administration_condition FROM "$batch".asmt_outcome ORDER BY 1))],
    [[2, 'C', 's1', 'female', 6, '03', '20160403', 3, 4, 2016, 1400, 't', undef],
     [3, 'C', 's2', 'male', 2, '03', '20160403', 3, 4, 2016, 1400, 't', undef],
     [4, 'C', 's3', 'female', 3, '03', '20160403', 3, 4, 2016, 1400, 't', undef]], 'typed rows in the batch schema');
is_deeply([sql(qq(SELECT asmt_guid, asmt_type, asmt_subject, asmt_period_year, effective_date, asmt_cut_point_1,
    asmt_claim_4_name, asmt_claim_4_score_min FROM "$batch".asmt))],
    [['asmt-1', 'SUMMATIVE', 'Math', 2016, '20160401', 1400, undef, undef]], 'the assessment');
is(sql_one(qq(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = '$batch'
    AND relkind = 'r' AND relpersistence <> 'u')), 0, 'nothing there is logged');
is_deeply([sql("SELECT load_type, load_status, record_loaded_count, load_end >= file_arrived FROM $l->{stats}.udl_stats"
    . " WHERE batch_guid = '$batch'")], [['assessment', 'udl.ingested', 3, 't']], 'the state of the batch');
my @steps = sql("SELECT udl_phase, udl_phase_step_status, tenant, size_records FROM $udl.udl_batch WHERE guid_batch = '$batch' ORDER BY batch_sid");
is($steps[0][0], 'udl2.W_file_arrived.task', 'the batch log begins with the arrival');
is($steps[-1][0], 'UDL_COMPLETE', 'and ends with the whole');
is_deeply([map { $_->[1] } grep { $_->[1] ne 'SUCCESS' || $_->[2] ne 'nc' } @steps], [], 'each step a success, of this tenant');
is((grep { $_->[0] =~ /load_to_integration_table/ } @steps)[0][3], 3, 'with the number of rows');
is(sql_one("SELECT load_type FROM $udl.udl_batch WHERE guid_batch = '$batch' AND udl_phase = 'UDL_COMPLETE'"), 'assessment',
    'and the load type');
is_deeply([$l->files('work')], [], 'the work zone is empty again');

$r = $l->once($l->package({}, \@three, json_first => 1));
is_deeply([@$r{qw(exit loaded)}], [0, 3], 'the metadata may stand before the rows');
$r = $l->once($l->package({ 'Identification.Type' => 'INTERIM COMPREHENSIVE' },
    [map { { AssessmentType => 'Interim Comprehensive' } } 1 .. 2]));
is_deeply([@$r{qw(exit loaded warnings)}], [0, 2, []], 'interim comprehensive loads too');
$r = $l->once($l->package({}, [], members => { 'dir/x.csv' => $l->csv(\@three), './y.json' => $l->metadata }));
is_deeply([@$r{qw(exit loaded)}], [0, 3], 'directories inside the archive do not matter');
my $json = $l->metadata;
$json =~ s/"(\w+)":/'"' . lc($1) . '":'/ge;
$r = $l->once($l->package({}, \@three, json => $json));
is_deeply([@$r{qw(exit loaded)}], [0, 3], 'nor the case of names in the metadata');
$r = $l->once($l->package({}, \@three, members => { 'x.csv' => $l->csv(\@three), 'y.json' => $l->metadata,
    'z.err' => '{"content":"error","tsb_error":[{"err_code":12,"err_source":1}]}' }));
is_deeply([@$r{qw(exit loaded)}], [0, 3], 'an .err file may come along');
like(sql_one("SELECT notification FROM $l->{stats}.udl_stats WHERE batch_guid = '$r->{batch}'"),
    qr/"tsb_error":\[\{"err_code":12,"err_source":1\}\]/, 'and goes on into the notification');

# ---- bad ones ----------------------------------------------------------------------------------
my $good = $l->package({}, [map { {} } 1 .. 2000]);
my $octets = slurp($good);
my $bad = "$l->{dir}/in/bad.tar.gz.gpg";

sub fails {
    my ($what, $file, $pattern, %opt) = @_;
    my $r = $l->once($file, %opt);
    my $batch = $r->{batch} // 'none';
    is_deeply([@$r{qw(exit status loaded)}], [1, 'udl.failed', 0], "$what: the batch fails") or diag explain $r;
    like($r->{errors}[0]{reason} // '', $pattern, "$what: the reason");
    my ($record) = sql("SELECT load_status, notification, (SELECT count(*) FROM $udl.udl_batch WHERE udl_phase_step_status = 'FAILURE'"
        . " AND error_desc <> '' AND guid_batch = batch_guid), (SELECT count(*) FROM pg_namespace WHERE nspname = batch_guid)"
        . " FROM $l->{stats}.udl_stats WHERE batch_guid = " . quote($batch));
    is($record->[0], 'udl.failed', "$what: is on record");
    like($record->[1] // '', qr/"udl_phase_step_status":"FAILURE","error_desc":"./, "$what: the sender will hear it");
    is($record->[2], 2, "$what: its step and the whole failed");
    is($record->[3], 0, "$what: no schema stays");
    is_deeply([$l->files('work')], [], "$what: no file stays");
    ok(-e $file, "$what: the package stays where it was");
    return $r;
}

sub fails_with { # octets of the package
    my ($what, $text, $pattern) = @_;
    spew($bad, $text);
    chmod 0644, $bad;
    return fails($what, $bad, $pattern);
}

fails_with('no gpg', "this is no package\n", qr/Decryption Failed: not an encrypted OpenPGP message/);
fails_with('an empty file', '', qr/Decryption Failed: not an encrypted OpenPGP message/);
fails_with('a truncated package', substr($octets, 0, length($octets) - 300), qr/Decryption Failed: .*truncated or damaged/);
my $flipped = $octets;
substr($flipped, length($octets) / 2, 1) ^= "\x01";
fails_with('a flipped bit', $flipped, qr/Decryption Failed: .*truncated or damaged/);
my $r2 = $l->once("$l->{dir}/in/nowhere.gpg");
is_deeply([@$r2{qw(exit status)}], [1, 'udl.failed'], 'no such file');
like($r2->{errors}[0]{reason}, qr/Invalid source file -- .*nowhere\.gpg/, 'named');

fails('not signed', $l->package({}, \@three, sign => 0), qr/Decryption Failed: the package is not signed/);
my $lax = $l->ini('lax.ini', 'tenant.nc.require_signature = false');
is($l->once($l->package({}, \@three, sign => 0), ini => $lax)->{exit}, 0, 'which a tenant may allow');

# A stranger, whose key the loader knows, and one it does not know.
my $ring = tmpdir();
chmod 0700, $ring;
my @gpg = ('gpg', '--homedir', $ring, '--batch', '--quiet', '--no-tty');
ok(Smarter::Test::run({}, @gpg, '--passphrase', '', '--quick-gen-key', 'stranger@smarter.invalid', 'future-default', 'default', 'never')->{exit} == 0,
    'a key of a stranger');
my $public = Smarter::Test::run({}, 'gpg', '--homedir', env('SMARTER_GPG_SENDER_HOME'), '--batch', '--armor', '--export',
    env('SMARTER_GPG_RECIPIENT'))->{out};
spew("$ring/loader.asc", $public);
Smarter::Test::run({}, @gpg, '--import', "$ring/loader.asc");
my $foreign = $l->package({}, \@three, home => $ring);
fails('signed by an unknown key', $foreign, qr/Decryption Failed: signed by a key we do not have: [0-9A-F]{16}/);
fails('encrypted to another key', $l->package({}, \@three, home => $ring, recipient => 'stranger@smarter.invalid'),
    qr/Decryption Failed: not encrypted to the loader's key/);
my $nobody = $l->ini('nobody.ini', 'tenant.nc.senders = 0123456789ABCDEF0123456789ABCDEF01234567');
fails('signed by no sender of the tenant', $good, qr/Decryption Failed: signed by a key that is no sender of this tenant/, ini => $nobody);
Smarter::Test::run({}, 'gpgconf', '--homedir', $ring, '--kill', 'all');

# Archives.
fails('a zip bomb', $l->package({}, [], members => { 'a.csv' => "\0" x 40_000_000, 'a.json' => '{}' }),
    qr/unpacks to more than 250 times its size|field 1 is longer than|\(code 3006\)|\(code 3009\)/);
fails('a name that climbs', $l->package({}, [], members => { '../x.csv' => $l->csv(\@three), 'a.json' => $l->metadata }), qr/climbs/);
fails('an absolute name', $l->package({}, [], members => { '/tmp/x.csv' => $l->csv(\@three), 'a.json' => $l->metadata }), qr/absolute/);
fails('two CSVs', $l->package({}, [], members => { 'a.csv' => $l->csv(\@three), 'b.csv' => $l->csv(\@three), 'c.json' => $l->metadata }),
    qr/Expected files not found in the tar archive: more than one \.csv/);
fails('two JSONs', $l->package({}, [], members => { 'a.csv' => $l->csv(\@three), 'b.json' => $l->metadata, 'c.json' => $l->metadata }),
    qr/Expected files not found in the tar archive: more than one \.json/);
fails('no JSON', $l->package({}, [], members => { 'a.csv' => $l->csv(\@three) }), qr/Expected files .*: no \.json/);
fails('no CSV', $l->package({}, [], members => { 'a.json' => $l->metadata }), qr/Expected files .*: no \.csv/);
fails('only JSON and .err', $l->package({}, [], members => { 'a.json' => $l->metadata, 'a.err' => '{"content":"error","tsb_error":[]}' }),
    qr/tsb error/);
fails('another file', $l->package({}, [], members => { 'a.csv' => $l->csv(\@three), 'b.json' => $l->metadata, 'c.txt' => 'x' }),
    qr/c\.txt is neither/);
fails('an extension in capitals', $l->package({}, [], members => { 'a.CSV' => $l->csv(\@three), 'b.json' => $l->metadata }), qr/a\.CSV.*\(code 3010\)/);
my $plain = tmpdir();
spew("$plain/a.csv", $l->csv(\@three));
for (['a plain tar', 'tar -C %1$s -cf %1$s/p a.csv', qr/not compressed by gzip/], ['bzip2', 'tar -C %1$s -cjf %1$s/p a.csv', qr/not (?:a gzipped tar|compressed by gzip)/],
    ['only gzip', 'gzip -c %1$s/a.csv >%1$s/p', qr/not a gzipped tar/], ['a link', 'ln -s /etc/passwd %1$s/b.csv; tar -C %1$s -czf %1$s/p b.csv', qr/no regular file/],
    ['a directory', 'mkdir %1$s/d.csv; tar -C %1$s -czf %1$s/p d.csv', qr/no regular file/],
    ['a cut archive', 'tar -C %1$s -cz a.csv | head -c 200 >%1$s/p', qr/truncated or damaged/]) {
    my ($what, $command, $pattern) = @$_;
    system(sprintf $command, $plain) == 0 or die "$command\n";
    Smarter::Test::encrypt("$plain/p", $bad);
    fails($what, $bad, $pattern);
}

# Content.
fails('an empty CSV', $l->package({}, [], csv => ''), qr/the CSV file is empty \(code 3003\)/);
fails('a header only', $l->package({}, []), qr/the CSV file has a header but no data \(code 3003\)/);
fails('data without a header', $l->package({}, [], csv => join("\n", (split /\n/, $l->csv(\@three))[1, 2])), qr/line 1: .*not a header \(code 3009\)/);
fails('a column missing', $l->package({}, [], csv => $l->csv(\@three, header => [grep { $_ ne 'Sex' } @Smarter::Loader::header])),
    qr/line 1: columns missing in the header: Sex \(code 3006\)\z/);
fails('a column too many', $l->package({}, [], csv => $l->csv(\@three, header => [@Smarter::Loader::header, 'Gender'])),
    qr/line 1: columns of no known name: Gender \(code 3006\)\z/);
fails('a column twice', $l->package({}, [], csv => $l->csv(\@three, header => [@Smarter::Loader::header, 'SEX'])), qr/columns named twice: SEX \(code 3011\)/);
fails('semicolons', $l->package({}, [], csv => $l->csv(\@three) =~ tr/,/;/r), qr/the fields are not separated by commas \(code 3005\)/);
fails('a quote left open', $l->package({}, [], csv => $l->csv(\@three) . "\n\"NC,d1"), qr/line 5: the quote opened here is never closed/);
fails('an endless field', $l->package({}, [], csv => $l->csv(\@three) . "\n" . 'x' x 140_000), qr/line 5: field 1 is longer than 131072 bytes/);
my $error = fails('all rows bad', $l->package({}, [map { { Sex => '' } } 1 .. 20]), qr/failed to load all data: each of the 20 rows was rejected/);
is_deeply([@$error{qw(read rejected)}, $error->{errors}[1]], [20, 20, { line => 2, column => 'Sex', code => 3101, reason => 'a required value is empty' }],
    'and each is named');
is(scalar $l->rejected($error->{batch}), 20, 'on record too');
for my $first (0, 1) {
    my $where = $first ? 'metadata first' : 'metadata last';
    fails("another assessment, $where", $l->package({ 'Identification.Guid' => 'asmt-2' }, \@three, json_first => $first),
        qr/line 2, AssessmentGuid: not the assessment of the metadata \(code 3014\)/);
    fails("two assessments, $where", $l->package({}, [@three, { AssessmentGuid => 'asmt-2' }], json_first => $first),
        qr/line 5, AssessmentGuid: .*3014/);
    fails("no JSON inside, $where", $l->package({}, \@three, json => '{"Content":', json_first => $first), qr/the metadata is no JSON.*\(code 3012\)/);
}
fails('an unknown content', $l->package({ Content => 'weather' }, \@three), qr/No valid load type specified in json file -- Content/);
fails('an unknown type', $l->package({ 'Identification.Type' => 'Summative' }, \@three), qr/No valid load type specified in json file -- Identification\.Type/);
fails('metadata with a gap', $l->package({ 'Overall.MinScore' => undef, 'Claims.Claim4' => undef }, \@three),
    qr/in the metadata: Overall\.MinScore is missing; Claims\.Claim4\.MaxScore is missing; Claims\.Claim4\.MinScore is missing; Claims\.Claim4\.Name is missing \(code 3013\)/);
fails('metadata with a wrong number', $l->package({ 'Overall.MaxScore' => 'many' }, \@three), qr/in the metadata: Overall\.MaxScore: no whole number \(code 3013\)/);
fails('metadata with an impossible date', $l->package({ 'Identification.EffectiveDate' => '20160231' }, \@three), qr/in the metadata: Identification\.EffectiveDate: no day/);
fails('metadata that is too large', $l->package({ 'Identification.Comment' => 'x' x 1_100_000 }, \@three), qr/the metadata is larger.*\(code 3012\)/);

my $limited = $l->ini('limited.ini', 'udl2.max_unpacked_bytes = 1024', 'udl2.max_package_bytes = 1G');
fails('more bytes than allowed', $good, qr/unpacks to more than 1024 bytes/, ini => $limited);
$limited = $l->ini('limited.ini', 'udl2.max_package_bytes = 1024');
fails('a larger package than allowed', $good, qr/the decrypted package is larger than 1024 bytes/, ini => $limited);

# ---- the schema of a failed batch may be kept --------------------------------------------------
my $keep = $l->ini('keep.ini', 'udl2.failed_schema_keep = 1h');
$r = $l->once($l->package({}, [@three, { AssessmentGuid => 'asmt-2' }]), ini => $keep);
is($r->{status}, 'udl.failed', 'a batch fails on its last line');
is_deeply([sql(qq(SELECT count(*) FROM "$r->{batch}".asmt_outcome))], [[4]], 'what was copied by then is kept, if so wanted');

# ---- use ---------------------------------------------------------------------------------------
my $u = run_program('smarter-worker-udl', '-c', $l->{ini}, '--once', $good);
is($u->{exit}, 2, '--once wants a tenant');
$u = run_program('smarter-worker-udl', '-c', $l->{ini}, '--once', $good, '--tenant', 'zz');
is($u->{exit}, 1, 'and one it knows');
like($u->{err}, qr/unknown tenant 'zz'/, 'and says so');
$u = run_program('smarter-worker-udl', '-c', $l->ini('down.ini', 'udl2_db_conn.url = postgresql://x@127.0.0.1:1/x'), '--once', $good, '--tenant', 'nc');
is($u->{exit}, 75, 'without a database: try again later');
$u = run_program('smarter-worker-udl', '-c', $l->ini('down.ini', 'target_db_conn.nc.url = postgresql://x@127.0.0.1:1/x'), '--once', $good, '--tenant', 'nc');
is($u->{exit}, 75, 'without the target database too');
my ($target) = slurp(env('SMARTER_INI')) =~ /^target_db_conn\.nc\.url = (\S+)$/m;
$u = run_program('smarter-worker-udl', '-c', $l->ini('second.ini', "target_db_conn.nc.url = postgresql://x\@127.0.0.1:1/x $target"),
    '--once', $good, '--tenant', 'nc');
is($u->{exit}, 0, 'of several target databases the first that answers is taken') or diag $u->{err};
is_deeply([$l->files('work')], [], 'nothing stays of such an attempt');
is(sql_one("SELECT count(*) FROM $l->{stats}.udl_stats WHERE load_status = 'udl.received'"), 1, 'its batch is not judged');

finish();
