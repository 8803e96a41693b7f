# Owners are told by mail that their file is ready: with the upload's row, by a program of its own, over TLS.
use strict;
use warnings;
use lib 't/lib';
use FindBin;
use IO::Socket::INET;
use Test::More;
use MIME::Base64 ();
use Smarter::Test;
use Smarter::Pickup;

need('pickup');
my $ini = env('SMARTER_PICKUP_INI');
my $tls = env('SMARTER_VAR') . '/tls';
my $dir = tmpdir();
mkdir "$dir/mail";
my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
my $file = file_of(1000);
my $before = slurp($ini);

sub configure { # lines to add to the ini; the servers read it again
    my ($lines) = @_;
    (my $text = $before) =~ s/^\[app:main\]\n/[app:main]\n$lines/m;
    open my $out, '>', $ini or die $!;    # the same file: owner and mode stay
    print {$out} $text;
    close $out;
    stack('reload');
}
my $sink;
sub sink {
    $sink = fork // die;
    exec '/usr/bin/python3', "$FindBin::Bin/../notify/smtp_sink.py", $port, "$dir/mail", "$tls/server.pem", "$tls/server.key" if !$sink;
    wait_until(20, 'the mail server', sub { -e "$dir/mail/ready" });
}
END { my $status = $?; kill 'TERM', $sink if $sink; spew($ini, $before) if defined $before && slurp($ini) ne $before; $? = $status }
sub mails { return map { JSON::PP::decode_json(slurp($_)) } sort glob "$dir/mail/*.json" }
sub state_of { my ($row) = sql("SELECT state, attempts, error FROM hpz.ready_mail WHERE registration_id = '$_[0]'"); return $row }

# What the stack's own would do within seconds.
sub send_due { return run_program('smarter-hpz-mail', '-c', $ini, '--once')->{out} =~ s/\s+\z//r }

sub delivered { my ($email) = @_; my $id = announce('state1', email => $email); deliver($id, $file, name => 'Jane_Doe.zip'); return $id }

my $first = delivered('before@smarter.invalid');
is(state_of($first), undef, 'mail is switched off: nothing is noted');
my $lines = "hpz.mail.server = localhost\nhpz.mail.port = $port\nhpz.mail.ca_file = " . env('SMARTER_CA')
    . "\nhpz.mail.sender = pickup\@smarter.invalid\nhpz.mail.return_path = bounces\@smarter.invalid\nhpz.mail.subject = Ihre Dateien sind dä\n";

# A login that is refused: an operator's mistake must not cost people their mail.
sink();
sql("INSERT INTO hpz.ready_mail (registration_id) VALUES ('$first')");
spew("$dir/ini", $before =~ s/^(\[app:main\]\n)/$1${lines}hpz.mail.smtp_username = us\nhpz.mail.smtp_password = not-this-one\n/mr);
is(run_program('smarter-hpz-mail', '-c', "$dir/ini", '--once')->{out}, qq({"sent":0,"failed":0,"waiting":1}\n), 'our login is refused: the mail waits');
is("@{ state_of($first) }", 'pending 1 SMTP reply 535', '... and it is said why');
sql('DELETE FROM hpz.ready_mail');
kill 'TERM', $sink;
waitpid $sink, 0;
undef $sink;
unlink "$dir/mail/ready";
configure($lines);
my $good = wait_until(10, 'the servers to have read it', sub { my $id = delivered('owner@smarter.invalid'); state_of($id) ? $id : undef });
is(state_of(delivered(undef)), undef, 'no address: no mail');
wait_until(15, 'a first attempt, in vain', sub { send_due(); state_of($good)->[1] > 0 });
is(state_of($good)->[0], 'pending', 'no mail server answers: it waits');
is(deliver(announce('state1', email => 'x@smarter.invalid'), $file)->{status}, 200, '... uploads do not');
sink();
sql('DELETE FROM hpz.ready_mail WHERE registration_id <> ' . quote($good));
sql('UPDATE hpz.ready_mail SET next_at = now()');
my ($later, $never) = (delivered('later@smarter.invalid'), delivered('never@smarter.invalid'));
wait_until(30, 'mail to come', sub { send_due(); state_of($good)->[0] eq 'sent' && state_of($later)->[1] && state_of($never)->[0] eq 'failed' });
my ($mail, @more) = mails();
is(scalar @more, 0, 'one mail, once');
is("$mail->{from} @{$mail->{to}} " . ($mail->{tls} ? 'tls' : 'plain'), 'bounces@smarter.invalid owner@smarter.invalid tls', 'to the owner, over TLS; what comes back goes elsewhere');
is("$mail->{headers}{from} $mail->{headers}{subject}", "pickup\@smarter.invalid Ihre Dateien sind d\x{e4}", 'its header');
my $text = MIME::Base64::decode_base64($mail->{parts}[0]{content});
like($text, qr{^\s+\Q${\outside("/download/$good")}\E$}m, 'the link');
like($text, qr/7 days/, 'how long it is kept');
unlike($text, qr/Jane|Doe/, 'nothing of what is in the file');
is(state_of($later)->[0], 'pending', 'a server that says "not now" is asked again later');
is(state_of($never)->[0], 'failed', 'one that says "never" is not');
unlike(join('', map { $_ // '' } @{ state_of($never) }), qr/\@/, '... what is noted names no address');
is(scalar grep({ /owner\@smarter|never\@smarter/ } log_since()), 0, '... nor does a log');

# What an operator sees of it, and can do.
sub by_hand { return run_program('smarter-hpz-mail', '-c', $ini, @_) }
my %unsent = map { my $m = JSON::PP::decode_json($_); ($m->{registration_id} => $m) } split /\n/, by_hand('--list')->{out};
is("$unsent{$later}{state} $unsent{$never}{state}", 'pending failed', '--list has what is not sent');
ok(!$unsent{$good}, '... and not what is');
like($unsent{$never}{error}, qr/550/, '... with what the server said');
unlike(by_hand('--list')->{out}, qr/\@/, '... and no address');
my $attempts = state_of($later)->[1];
is(by_hand('--resend', 'failed')->{out}, "{\"due\":1}\n", '--resend failed: that one');
wait_until(20, 'it to be refused again', sub { send_due(); my $s = state_of($never); $s->[0] eq 'failed' && $s->[1] == 1 });
is(state_of($later)->[1], $attempts, '... the other one keeps its pace');
sql("UPDATE hpz.file_registry SET create_dt = create_dt - interval '5 days 2 hours', email = 'other\@smarter.invalid' WHERE registration_id = '$good'");
is(by_hand('--resend', $good)->{out}, "{\"due\":1}\n", '--resend ID: also of one that was sent');
wait_until(20, 'a second mail', sub { send_due(); mails() == 2 });
like(MIME::Base64::decode_base64((mails())[1]{parts}[0]{content}), qr/kept for one more day\./, '... which tells how long the file is there still');
sql("UPDATE hpz.file_registry SET create_dt = create_dt - interval '2 days' WHERE registration_id = '$good'");
by_hand('--resend', $good);
send_due() for 1, 2;
is(state_of($good)->[1], 0, 'a file whose time is up is not announced any more');
sql("UPDATE hpz.file_registry SET create_dt = now() WHERE registration_id = '$good'");
sql("UPDATE hpz.ready_mail SET state = 'sent' WHERE registration_id = '$good'");
is(by_hand('--resend', '00000000-0000-4000-8000-000000000000')->{exit}, 1, '--resend of no registration');
is(by_hand(@$_)->{exit}, 2, "@$_: usage") for ['--list', '--once'], ['--list', '--resend', 'failed'], ['--resend'], [];
my $sent = mails();

deliver($good, $file);
like(send_due(), qr/\A(?:\{"sent":0,"failed":0,"waiting":0\})?\z/, 'nothing is due (or the stack\'s own looks, too)');
is(scalar(mails()), $sent, 'the same upload again is not told again');
sql('DELETE FROM hpz.ready_mail');
configure('');
allow_log(qr/SB3245/);
finish();
