# smarter-udl-notify: callbacks over real HTTPS and mail over real SMTP; whom it does not call.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 ();
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres');
my $l = Smarter::Loader->new('t_notify');
my ($udl, $stats, $dir) = @$l{qw(udl stats dir)};
my $tls = env('SMARTER_VAR') . '/tls';
my @started;

END {
    local $?;
    kill 'KILL', -$_ for @started;
    waitpid $_, 0 for @started;
}

# ---- the receiver, the mail server ---------------------------------------------------------------
sub start {
    my @command = @_;
    my $p = Smarter::Test::run({ background => 1 }, @command);
    push @started, $p->{pid};
}

sub receiver {
    my ($name, $cert, $key) = @_;
    start($^X, "$FindBin::Bin/receiver.pl", "$dir/$name.port", "$dir/$name.log", $cert, $key);
    wait_until(10, "the receiver $name", sub { -e "$dir/$name.port" });
    return slurp("$dir/$name.port");
}

my $port = receiver('good', "$tls/server.pem", "$tls/server.key");
my $made = Smarter::Test::run({}, 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext',
    'subjectAltName=DNS:localhost', '-keyout', "$dir/self.key", '-out', "$dir/self.pem");
die "openssl: $made->{err}\n" if $made->{exit};
my $wrong = receiver('wrong', "$dir/self.pem", "$dir/self.key");
my $mail_port = env('SMARTER_PORT_BASE') + 50;
mkdir "$dir/mail";
start('/usr/bin/python3', "$FindBin::Bin/smtp_sink.py", $mail_port, "$dir/mail", "$tls/server.pem", "$tls/server.key");
wait_until(20, 'the mail server', sub { -e "$dir/mail/ready" });

sub requests {
    my ($path, $name) = @_;
    my $log = "$dir/" . ($name // 'good') . '.log';
    return () unless -e $log;
    my @all = map { JSON::PP->new->decode($_) } split /\n/, slurp($log);
    return grep { defined $path ? ($_->{path} // '') eq $path : 1 } @all;
}

sub mails {
    return map { JSON::PP->new->decode(slurp($_)) } sort glob("$dir/mail/*.json");
}

# ---- batches that have ended -----------------------------------------------------------------------
my $n = 0;

# batch({ callback_url => ... }, options): as the loader and promotion leave it; its guid
sub batch {
    my ($noted, %opt) = @_;
    my $guid = sprintf 'aaaaaaaa-0000-4000-8000-%012d', ++$n;
    my $status = $opt{status} // 'migrate.ingested';
    my $stage = $status eq 'udl.failed' ? 'failed' : 'loaded';
    my $json = JSON::PP->new->canonical->encode({ notification_max_attempts => 3, notification_retry_interval => 20, notification_timeout_interval => 8,
        total_rows_loaded => 7, %$noted });
    sql("INSERT INTO $udl.batch (batch_guid, tenant, package, stage, rows_read, rows_loaded, rows_rejected, rows_deduplicated, arrived_at)"
        . " VALUES ('$guid', 'nc', 'x.tar.gz.gpg', '$stage', 9, 7, 2, 1, now());"
        . "INSERT INTO $udl.rejected_row (batch_guid, line, column_name, code, reason, student_id) VALUES ('$guid', 4, 'Sex', 3113, 'neither yes nor no', 'STUDENT-17');"
        . "INSERT INTO $stats.udl_stats (tenant, load_type, file_arrived, load_status, batch_guid, notification)"
        . ' VALUES (' . join(', ', map { quote($_) } 'nc', $opt{type} // 'assessment', '2016-05-03 10:00:00', $status, $guid, $json) . ')');
    return $guid;
}

my @allowed = ("notification.hosts = localhost:$port, localhost:$wrong", 'notification.allow_addresses = 127.0.0.1',
    'notification.ca_file = ' . env('SMARTER_CA'), "migrate.notification.mail_server = localhost:$mail_port",
    'migrate.notification.mail_sender = loader@smarter.invalid', 'mail.ca_file = ' . env('SMARTER_CA'), 'mail.tls = starttls');
my $ini = $l->ini('notify.ini', @allowed);

sub notify {
    my ($file) = @_;
    my $r = run_program('smarter-udl-notify', '-c', $file // $ini, '--once');
    is($r->{exit}, 0, 'smarter-udl-notify ends well') or diag $r->{err};
    return $r;
}

sub told {
    my ($guid) = @_;
    my $text = sql_one("SELECT notification_status FROM $stats.udl_stats WHERE batch_guid = '$guid'");
    return defined $text && $text ne '' ? JSON::PP->new->decode($text) : {};
}

# Everything that waits is due now.
sub hurry { sql("UPDATE $stats.notification SET next_at = now() - interval '1 s' WHERE state = 'pending'") }

# ---- what is said ---------------------------------------------------------------------------------
my $here = "https://localhost:$port";
my $good = batch({ callback_url => "$here/ok/1?token=SECRET", tsb_error => [{ code => 'x' }] });
my $registration = batch({ callback_url => "$here/ok/2", student_reg_guid => 'reg-1', reg_system_id => 'sys-1' }, type => 'studentregistration');
my $failed = batch({ callback_url => "$here/ok/3", error_desc => 'line 4: bad' }, status => 'udl.failed');
my $silent = batch({});
my $waiting = batch({ callback_url => "$here/ok/4" }, status => 'udl.ingested');
my $withdrawn = batch({ callback_url => "$here/ok/5" }, status => 'migrate.withdrawn');
my $out = notify();
is_deeply(JSON::PP->new->decode($out->{out}), { sent => 3, failed => 0, waiting => 0 }, 'three senders are told');
my ($request) = requests('/ok/1?token=SECRET');
is_deeply(JSON::PP->new->decode($request->{body}), { status => 'Success', message => ['Job completed successfully'], rowCount => 7,
    tsb_error => [{ code => 'x' }], batch => $good, counts => { read => 9, loaded => 7, rejected => 2, deduplicated => 1 },
    errors => [{ line => 4, column => 'Sex', code => 3113, reason => 'neither yes nor no' }] }, 'what is posted') or diag explain $request;
is_deeply([map { $request->{headers}{$_} } 'content-type', 'accept', 'idempotency-key'], ['application/json', 'text/plain', $good], 'and how');
is($request->{method}, 'POST', 'it is a POST');
my $body = JSON::PP->new->decode((requests('/ok/2'))[0]{body});
is_deeply([@$body{qw(status id testRegistrationId)}], ['Success', 'reg-1', 'sys-1'], 'of a registration');
$body = JSON::PP->new->decode((requests('/ok/3'))[0]{body});
is_deeply([@$body{qw(status message)}, exists $body->{rowCount}], ['Failed', ['line 4: bad'], ''], 'of a failure');
unlike(join('', map { $_->{body} // "" } requests()), qr/STUDENT-17/, 'no student id leaves');
my $told = told($good);
like($told->{call_back}{timestamp}, qr/\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\z/, 'notification_status has the time');
is_deeply([$told->{call_back}{status}, $told->{call_back}{error}, $told->{email}{timestamp}, $told->{email}{status}], ['SUCCESS', '', '', undef], 'as old readers know it');
is_deeply([map { told($silent)->{$_}{status} } qw(call_back email)], [undef, undef], 'who wants nothing gets nothing, once');
is_deeply([told($waiting), told($withdrawn)], [{}, {}], 'a batch that waits for promotion, or was taken back, is not told about');
notify();
is(scalar(requests('/ok/1?token=SECRET')), 1, 'nobody is told twice');
unlike(join('', $l->log_lines), qr/SECRET|STUDENT/, 'the log has neither the query of an address nor a student');

# ---- answers ----------------------------------------------------------------------------------------
my %b = map { $_->[0] => batch({ callback_url => $_->[1], $_->[0] =~ /silent|slow/ ? (notification_timeout_interval => 2) : () }) } ['flaky', "$here/flaky/1"], ['refused', "$here/status/404"], ['later', "$here/status/408"],
    ['redirect', "$here/redirect"], ['huge', "$here/huge"], ['silent', "$here/silent"], ['wrong', "https://localhost:$wrong/ok"],
    ['gone', "https://localhost:$port/x" =~ s/:$port/:1/r], ['slowfirst', "$here/slow/20"];
my $began = time;
notify();
cmp_ok(time - $began, '<', 20, 'a silent receiver is not waited for longer than its time');
my %expected = (flaky => ['PENDING', 'HTTP status 500'], refused => ['FAILURE', 'HTTP status 404'], later => ['PENDING', 'HTTP status 408'],
    redirect => ['FAILURE', 'HTTP status 302: redirects are not followed'], huge => ['SUCCESS', ''], silent => ['PENDING', 'Timeout was reached'],
    slowfirst => ['PENDING', 'Timeout was reached']);
is_deeply([@{ told($b{$_})->{call_back} }{qw(status error)}], $expected{$_}, "$_: " . join ' ', @{ $expected{$_} }) for sort keys %expected;
is(told($b{gone})->{call_back}{error}, 'not called: its host and port are not in notification.hosts', 'another port of a listed host is not called');
is(told($b{wrong})->{call_back}{status}, 'PENDING', 'a wrong certificate: tried again');
like(told($b{wrong})->{call_back}{error}, qr/certificate/, 'and said so');
is(scalar(grep { $_->{path} } requests(undef, 'wrong')), 0, 'nothing was posted to it');
is(scalar(requests('/ok/redirected')), 0, 'the redirect was not followed');
is(scalar(requests('/flaky/1')), 1, 'one attempt so far');
my ($times) = sql("SELECT attempts, next_at - at FROM $stats.notification WHERE batch_guid = '$b{flaky}'");
is_deeply($times, [1, '00:00:20'], 'the next one comes after notification_retry_interval');
hurry();
notify();
is(told($b{flaky})->{call_back}{status}, 'SUCCESS', 'the second attempt succeeds');
is_deeply([map { $_->{headers}{'idempotency-key'} } requests('/flaky/1')], [$b{flaky}, $b{flaky}], 'both have the same key');
is(told($b{slowfirst})->{call_back}{status}, 'SUCCESS', 'who was slow once is called again');
cmp_ok(sql_one("SELECT extract(epoch FROM next_at - at) FROM $stats.notification WHERE batch_guid = '$b{later}'"), '==', 40, 'the pause doubles');
hurry();
notify();
is_deeply([@{ told($b{later})->{call_back} }{qw(status error)}], ['FAILURE', 'HTTP status 408; given up after 3 attempts'], 'after the last attempt it is a failure');
is(scalar(requests('/status/408')), 3, 'there were three');
like(told($b{wrong})->{call_back}{error}, qr/certificate.*given up after 3/, 'likewise for a certificate that stays wrong');
hurry();
notify();
is(scalar(requests('/status/408')), 3, 'and no more');

# ---- whom it does not call -------------------------------------------------------------------------
my %closed = (
    'a name of 127.0.0.1' => "$here/ssrf", 'an address' => "https://127.0.0.1:$port/ssrf", 'decimal' => "https://2130706433:$port/ssrf",
    'hexadecimal' => "https://0x7f000001:$port/ssrf", 'short' => "https://127.1:$port/ssrf", 'octal' => "https://0177.0.0.1:$port/ssrf",
    'cloud metadata' => 'http://169.254.169.254/latest/', 'any' => "https://0.0.0.0:$port/ssrf",
    'private' => 'http://10.0.0.1/');
my $listed = join ', ', map { m{//([^/]+)} ? $1 : () } values %closed;
my $closed_ini = $l->ini('closed.ini', "notification.hosts = $listed, 127.0.0.1:$port", 'notification.http = True');
my $connected = () = requests();
my %guid = map { $_ => batch({ callback_url => $closed{$_} }) } sort keys %closed;
{
    local $ENV{https_proxy} = "http://127.0.0.1:$port/";
    local $ENV{http_proxy} = "http://127.0.0.1:$port/";
    notify($closed_ini);
}
for (sort keys %guid) {
    my ($status, $error) = @{ told($guid{$_})->{call_back} }{qw(status error)};
    is("$status: $error", 'FAILURE: not called: its address is not public, and not in notification.allow_addresses', "$_: $closed{$_}");
}
is(scalar(requests()), $connected, 'not one of them was connected to, nor a proxy of the environment');
my %malformed = ('user and password' => "https://a:b\@localhost:$port/ssrf", 'another host' => "https://localhost:$port\@evil.invalid/", 'no web' => 'file:///etc/passwd',
    'not https' => "http://localhost:$port/ssrf", 'IPv6' => "https://[::1]:$port/ssrf", 'mapped' => "https://[::ffff:127.0.0.1]:$port/ssrf", 'mapped in hex' => "https://[::ffff:7f00:1]:$port/ssrf",
    'line break' => "$here/ssrf\r\nX: y", 'another suffix' => "https://localhost.evil.invalid:$port/");
%guid = map { $_ => batch({ callback_url => $malformed{$_} }) } sort keys %malformed;
my $none = batch({ callback_url => "$here/ssrf" });
sql("UPDATE $stats.udl_stats SET load_status = 'udl.ingested' WHERE batch_guid = '$none'");
notify();
like(told($guid{$_})->{call_back}{error}, qr/\Anot called: /, "$_ is not called") for sort keys %malformed;
sql("UPDATE $stats.udl_stats SET load_status = 'migrate.ingested' WHERE batch_guid = '$none'");
notify($l->ini('nobody.ini', 'notification.allow_addresses = 127.0.0.0/8'));
is(told($none)->{call_back}{error}, 'not called: notification.hosts names no host', 'without configured hosts nobody is called');
is(scalar(grep { ($_->{path} // '') =~ /ssrf/ } requests()), 0, 'none of it arrived');

# ---- mail ------------------------------------------------------------------------------------------
my $mailed = batch({ email_notification => 'state@sender.invalid', callback_url => "$here/ok/mail" });
my %mail = map { $_ => batch({ email_notification => $_ }) } "a\@sender.invalid\r\nBcc: b\@sender.invalid", 'a@sender.invalid,b@sender.invalid',
    "later\@sender.invalid", "never\@sender.invalid";
notify();
my ($mail) = mails();
is_deeply([@$mail{qw(from to)}, @{ $mail->{headers} }{qw(from to subject)}], ['loader@smarter.invalid', ['state@sender.invalid'], 'loader@smarter.invalid',
    'state@sender.invalid', "Data Load - Success - Batch $mailed"], 'a mail goes to the sender') or diag explain $mail;
is(JSON::PP->new->decode(MIME::Base64::decode($mail->{parts}[0]{content}))->{batch}, $mailed, 'its text is the same JSON');
ok($mail->{tls}, 'it went over TLS');
is_deeply([map { told($mailed)->{$_}{status} } qw(call_back email)], ['SUCCESS', 'SUCCESS'], 'both channels are noted');
is(told($mail{$_})->{email}{error}, 'not sent: it is no single mailbox', 'no mail to ' . s/\r\n/\\r\\n/r) for grep { /[\r,]/ } sort keys %mail;
is_deeply([map { @{ told($mail{$_})->{email} }{qw(status error)} } "later\@sender.invalid", "never\@sender.invalid"],
    ['PENDING', 'SMTP reply 451', 'FAILURE', 'SMTP reply 550'], 'not now, and never');
is(scalar(mails()), 1, 'nobody else got any');
sql("UPDATE $stats.notification SET state = 'failure' WHERE state = 'pending'");
my $far = batch({ email_notification => 'a@far.invalid' });
my $near = batch({ email_notification => 'a@x.near.invalid', error_desc => 'broken' }, status => 'migrate.failed');
notify($l->ini('domains.ini', @allowed, 'notification.mail_domains = .near.invalid', 'mail.udl_fail.enabled = True', 'mail.udl_fail.to = ops@smarter.invalid',
    'mail.udl_fail.from = loader@smarter.invalid', "mail.server_port = $mail_port"));
is(told($far)->{email}{error}, 'not sent: its domain is not in notification.mail_domains', 'mail stays inside the configured domains');
is(told($near)->{email}{status}, 'SUCCESS', 'and goes there');
my ($alert) = grep { $_->{to}[0] eq 'ops@smarter.invalid' } mails();
is($alert->{headers}{subject}, 'UDL Task Failure', 'operators are told of failures');
like(MIME::Base64::decode($alert->{parts}[0]{content}), qr/batch: $near.*phase: promotion.*reason: broken/s, 'and what failed');

# ---- a mail server without TLS ---------------------------------------------------------------------
{
    my $plain = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "no port: $!";
    my $server = fork // die "fork: $!";
    if (!$server) {    # it takes any password, and writes down what it hears
        while (my $client = $plain->accept) {
            print {$client} "220 here\r\n";
            while (my $line = <$client>) {
                open my $heard, '>>', "$dir/heard";
                print {$heard} $line;
                close $heard;
                print {$client} $line =~ /\AEHLO/ ? "250-here\r\n250 AUTH PLAIN LOGIN\r\n" : "250 fine\r\n";
            }
        }
        POSIX::_exit(0);
    }
    my $secret = batch({ email_notification => 'c@sender.invalid' });
    notify($l->ini('secret.ini', (grep { !/^mail\.tls|mail_server / } @allowed), 'migrate.notification.mail_server = localhost:' . $plain->sockport,
        'mail.smtp_username = loader', 'mail.smtp_password = SESAME'));
    kill 'KILL', $server;
    waitpid $server, 0;
    is(told($secret)->{email}{status}, 'PENDING', 'a mail that needs a password waits for a server with TLS');
    like(slurp("$dir/heard"), qr/\AEHLO /, 'it was asked what it can');
    unlike(slurp("$dir/heard"), qr/AUTH|SESAME|@/i, 'and heard no password and no address');
    sql("UPDATE $stats.notification SET state = 'failure' WHERE state = 'pending'");
}

# ---- killed, started twice, and slow -----------------------------------------------------------------
my $slow = batch({ callback_url => "$here/slow/19", notification_timeout_interval => 60 });
my $pid = run_program({ background => 1 }, 'smarter-udl-notify', '-c', $ini, '--once')->{pid};
wait_until(10, 'the slow receiver to be called', sub { scalar requests('/slow/19') });
kill 'KILL', $pid;
waitpid $pid, 0;
is(told($slow)->{call_back}{status}, 'PENDING', 'killed between call and answer: nothing is lost');
notify();
is(scalar(requests('/slow/19')), 1, 'nor called again before its time');
hurry();
notify();
is(told($slow)->{call_back}{status}, 'SUCCESS', 'the next one goes on');
is_deeply([map { $_->{headers}{'idempotency-key'} } requests('/slow/19')], [$slow, $slow], 'with the same key');
is(sql_one("SELECT attempts FROM $stats.notification WHERE batch_guid = '$slow'"), 2, 'the attempt that was killed counts');

my @many = map { batch({ callback_url => "$here/ok/many$_" }) } 1 .. 20;
my $snail = batch({ callback_url => "$here/silent/2", notification_timeout_interval => 3 });
my @pids = map { run_program({ background => 1 }, 'smarter-udl-notify', '-c', $ini, '--once')->{pid} } 1 .. 2;
waitpid $_, 0 for @pids;
is(scalar(map { requests("/ok/many$_") } 1 .. 20), 20, 'two at once: each receiver is called once');
is(scalar(grep { (told($_)->{call_back}{status} // '') eq 'SUCCESS' } @many), 20, 'and all are noted');
my ($at) = map { $_->{at} } requests('/silent/2');
cmp_ok((sort { $b <=> $a } map { $_->{at} } map { requests("/ok/many$_") } 1 .. 20)[0] - $at, '<', 2, 'a silent receiver delays nobody');

# ---- a batch that an operator loads once more ----------------------------------------------------------
sql("UPDATE $stats.udl_stats SET load_status = 'migrate.ingested', notification_status = NULL WHERE batch_guid = '$failed'");
notify();
is_deeply([map { $_->{headers}{'idempotency-key'} } requests('/ok/3')], [$failed, "$failed-2"], 'is told about once more, as another message');

my $usage = run_program('smarter-udl-notify', '-c', $ini);
is($usage->{exit}, 2, 'it wants to know how often');
finish();
