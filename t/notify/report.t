# smarter-udl-report: which results of a day's packages are current, as a file and by mail.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use MIME::Base64 ();
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres');
my $l = Smarter::Loader->new('t_report');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
my $prod = env('SMARTER_SCHEMA');

# Batches of the stack's own production: what is current there is what the report must say.
my @batches = map { $_->[0] } sql("SELECT batch_guid FROM $prod.fact_asmt_outcome WHERE rec_status = 'C' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3");
is(scalar @batches, 3, 'production has three batches');

sub arrived {
    my ($guid, $when, $path, $status) = @_;
    sql("INSERT INTO $udl.batch (batch_guid, tenant, package, stage, arrived_at) VALUES ('$guid', 'nc', 'x.tar.gz.gpg', 'loaded', now());"
        . "INSERT INTO $udl.udl_batch (guid_batch, input_file, udl_phase) VALUES ('$guid', " . quote($path) . ", 'udl2.W_file_arrived.task');"
        . "INSERT INTO $stats.udl_stats (tenant, load_type, file_arrived, load_status, batch_guid) VALUES ('nc', 'assessment', '$when', '" . ($status // 'migrate.ingested') . "', '$guid')");
}
arrived($batches[0], '2016-05-03 01:00:00', '/arrivals/nc/results-2016-05-02.tar.gz.gpg');
arrived($batches[1], '2016-05-04 00:59:59', '/arrivals/nc/results.tar.gz.gpg');
arrived($batches[2], '2016-05-04 01:00:00', '/arrivals/nc/late-2016-05-02.tar.gz.gpg');
arrived('aaaaaaaa-0000-4000-8000-000000000001', '2016-05-03 12:00:00', '/arrivals/nc/waiting-2016-05-01.tar.gz.gpg', 'udl.ingested');

sub current {
    my ($guid) = @_;
    return join '', "student_id,asmt_guid,date_taken\r\n", map { join(',', @$_) . "\r\n" }
        sql("SELECT student_id, asmt_guid, date_taken FROM $prod.fact_asmt_outcome WHERE batch_guid = '$guid' AND rec_status = 'C'"
        . ' ORDER BY (student_id || asmt_guid || date_taken) COLLATE "C"');
}

sub members {
    my ($zip) = @_;
    my $r = Smarter::Test::run({}, '/usr/bin/python3', '-c', 'import json,sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(json.dumps({n: z.read(n).decode() for n in z.namelist()}))', $zip);
    return JSON::PP->new->decode($r->{out});
}

my $r = run_program('smarter-udl-report', '-c', $l->{ini}, '--once', '--date', '2016-05-04', '--out', $dir);
is($r->{exit}, 0, 'the report is made') or diag $r->{err};
my $zip = "$dir/report_2016-05-04.zip";
is((stat $zip)[2] & 07777, 0640, 'not for everybody');
my $members = members($zip);
is_deeply([sort keys %$members], ['report_2016-05-02.csv', 'report_UNKNOWN_DATE.csv'], 'one file a date');
ok($members->{'report_2016-05-02.csv'} eq current($batches[0]), 'every current result of the batch, sorted');
ok($members->{'report_UNKNOWN_DATE.csv'} eq current($batches[1]), 'a package without a date in its name');
my $count = () = $members->{'report_2016-05-02.csv'} =~ /\n/g;
like($r->{out}, qr/^2016-05-02: ${\($count - 1)}$/m, 'it says how many');
is_deeply([glob("$dir/*.partial")], [], 'nothing is left over');
$r = run_program('smarter-udl-report', '-c', $l->{ini}, '--once', '--date', '2016-05-05', '--out', $dir, '--report-hour', 1);
is_deeply([keys %{ members("$dir/report_2016-05-05.zip") }], ['report_2016-05-02.csv'], 'the day ends before its hour');
$r = run_program('smarter-udl-report', '-c', $l->{ini}, '--once', '--date', '2016-07-04', '--out', $dir);
is_deeply([$r->{exit}, -e "$dir/report_2016-07-04.zip"], [0, undef], 'a day without packages');
like($r->{out}, qr/\Anothing to report: none of the packages that arrived in the 24 hours before 2016-07-04/, 'says which day');
for my $bad (['--date', '2016-02-30'], ['--date', '20160504'], ['--report-hour', '24']) {
    is(run_program('smarter-udl-report', '-c', $l->{ini}, '--once', '--out', $dir, @$bad)->{exit}, 2, "@$bad is refused");
}
is(run_program('smarter-udl-report', '-c', $l->{ini}, '--once')->{exit}, 1, 'without mail it wants --out');

# ---- by mail -----------------------------------------------------------------------------------
my $tls = env('SMARTER_VAR') . '/tls';
my $port = env('SMARTER_PORT_BASE') + 51;
mkdir "$dir/mail";
my $sink = Smarter::Test::run({ background => 1 }, '/usr/bin/python3', "$FindBin::Bin/smtp_sink.py", $port, "$dir/mail", "$tls/server.pem", "$tls/server.key");
wait_until(20, 'the mail server', sub { -e "$dir/mail/ready" });
my $ini = $l->ini('mail.ini', 'mail.udl_report.enabled = True', 'mail.udl_report.to = a@smarter.invalid, b@smarter.invalid', 'mail.udl_report.from = loader@smarter.invalid',
    "mail.server_port = $port", 'mail.ca_file = ' . env('SMARTER_CA'));
$r = run_program('smarter-udl-report', '-c', $ini, '--once', '--date', '2016-05-04');
is($r->{exit}, 0, 'the report is mailed') or diag $r->{err};
$r = run_program('smarter-udl-report', '-c', $ini, '--once', '--date', '2016-07-04');
is($r->{exit}, 0, 'so is an empty one') or diag $r->{err};
my ($mail, $empty) = map { JSON::PP->new->decode(slurp($_)) } sort glob("$dir/mail/*.json");
is_deeply([$mail->{to}, $mail->{headers}{subject}, map { $_->{name} } @{ $mail->{parts} }], [['a@smarter.invalid', 'b@smarter.invalid'], 'UDL Report', undef, 'report_2016-05-04.zip'],
    'to all of them, with the file') or diag explain $mail;
spew("$dir/mailed.zip", MIME::Base64::decode($mail->{parts}[1]{content}));
ok(members("$dir/mailed.zip")->{'report_2016-05-02.csv'} eq current($batches[0]), 'which can be read');
like(MIME::Base64::decode($mail->{parts}[0]{content}), qr/^2016-05-02: ${\($count - 1)}\r?$/m, 'the text has the counts');
is(scalar @{ $empty->{parts} }, 1, 'without results there is no attachment');
is_deeply([glob("$dir/work/.report/*")], [], 'nothing of it stays in the work zone');
$r = run_program('smarter-udl-report', '-c', $l->ini('plain.ini', 'mail.udl_report.enabled = True', 'mail.udl_report.to = never@smarter.invalid', 'mail.udl_report.from = loader@smarter.invalid',
    "mail.server_port = $port", 'mail.ca_file = ' . env('SMARTER_CA')), '--once', '--date', '2016-05-04');
is($r->{exit}, 1, 'a mail server that refuses fails it');
kill 'TERM', -$sink->{pid};
waitpid $sink->{pid}, 0;
allow_log(qr/"no":"SB4361"/);
finish();
