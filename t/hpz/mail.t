# Owners are told by mail that their file is ready: with the upload's row, by a program of its own, over TLS.
use strict;
use warnings;
use lib 't/lib';
use FindBin;
use IO::Socket::INET;
use Test::More;
use MIME::Base64 ();
use Smarter::Test;
use Smarter::Jobs;
use Smarter::Pickup;

need('pickup', 'workers');
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

sql('UPDATE jobs.job SET tell_at = NULL WHERE tell_at IS NOT NULL'); # of other tests
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

# ---- files that were asked for together ----
sub finish_request { my ($id, $outcome) = @_; return http('POST', inside('/registration'), json => { request_id => $id, outcome => $outcome })->{status} }
sub parts { # registrations of a new request: its id, theirs; the first $n are delivered
    my ($count, $n, @email) = @_;
    my $request = sql_one('SELECT gen_random_uuid()');
    my @part = map { announce('state1', email => 'parts@smarter.invalid', request_id => $request, part => $_) } 1 .. $count;
    deliver($_, $file, name => 'Jane_Doe.zip') for @part[0 .. $n - 1];
    return ($request, @part);
}
my $mails = mails();
sub told { # the mail that comes next
    $mails++;
    wait_until(20, "mail $mails", sub { send_due(); mails() >= $mails });
    my $last = (mails())[-1];
    return ($last->{headers}, MIME::Base64::decode_base64($last->{parts}[0]{content}) =~ s/\r//gr);
}
my ($request, @part) = parts(3, 3);
is(scalar(grep { state_of($_) } @part), 0, 'a part that came is not told of by itself');
is(finish_request($request, 'ready'), 200, 'the request is over') for 1, 2;
my ($header, $told) = told();
is($header->{subject}, "Ihre Dateien sind d\x{e4}", 'one mail for all of it');
like($told, qr{^    1 of 3: \Q${\outside("/download/$part[0]")}\E\n    2 of 3: \Q${\outside("/download/$part[1]")}\E\n    3 of 3: \Q${\outside("/download/$part[2]")}\E$}m, 'with a link to each part');
unlike($told, qr/Jane|Doe/, '... and nothing of what is in them');
is(finish_request($request, 'ready'), 200, 'said again');
deliver($_, $file) for @part;
send_due();
is(scalar(mails()), $mails, '... is not told again, nor is what is delivered again');
my $same = $header->{'message-id'};
sql("UPDATE hpz.ready_mail SET state = 'pending', next_at = now() WHERE state = 'sent' AND registration_id = '$part[0]'");
($header) = told();
is($header->{'message-id'}, $same, 'one that was sent, but not noted by who was killed, is the same mail once more');
by_hand('--resend', $part[0]);
($header) = told();
isnt($header->{'message-id'}, $same, 'one that an operator sends again is not');

($request, @part) = parts(2, 1);
finish_request($request, 'failed');
($header, $told) = told();
is($header->{subject}, 'Your file could not be made', 'a request that failed');
like($told, qr{^Not all of the 2 files .*:\n\n    1 of 2: \Q${\outside("/download/$part[0]")}\E\n    2 of 2: failed\n}m, 'says what there is, and what is not');
deliver($part[1], $file);
finish_request($request, 'ready');
($header, $told) = told();
like($told, qr/^The 2 files .* are ready/m, 'an operator has it tried again: that it is ready now is told');
($request, @part) = parts(2, 0);
finish_request($request, 'failed');
($header, $told) = told();
like($told, qr/^None of the 2 files/, 'one of which nothing could be made');
unlike($told, qr{download/|kept}, '... has no link');
($request, @part) = parts(1, 1);
finish_request($request, 'ready');
($header, $told) = told();
like($told, qr{ is ready:\n\n    \Q${\outside("/download/$part[0]")}\E\n}, 'one file is spoken of as one');
($request, @part) = parts(2, 1);
is(finish_request($request, 'void'), 200, 'a request of which nothing will come');
is_deeply([map { stored($_) ? 'there' : 'gone' } @part], [qw(there gone)], '... is forgotten, but for what was delivered');
is(state_of($part[0]), undef, '... and nobody is told');
is(finish_request(sql_one('SELECT gen_random_uuid()'), 'ready'), 200, 'a request nobody knows: nobody to be told');
is(http('POST', inside('/registration'), json => $_)->{status}, 412, 'no end of a request') for {}, { request_id => 'x', outcome => 'ready' }, { request_id => $request, outcome => 'done' };
is(http('PUT', inside('/registration'), json => { uid => 'state1', %$_ })->{status}, 412, 'no part of one') for { request_id => 'x' }, { request_id => $request, part => 0 };
is(http('POST', outside('/registration'), json => { request_id => $request, outcome => 'ready' })->{status}, 403, 'nor from outside');

# Of a job the relay says so.
my $job = a_job('state1', ended_at => 'now', closed_at => 'now', files => [['a.zip', 1000]]);
($part[0]) = announce('state1', email => 'parts@smarter.invalid', request_id => $job, part => 1);
deliver($part[0], $file);
sql("UPDATE jobs.job SET tell_at = now() WHERE job_id = '$job'");
($header, $told) = told();
like($told, qr/\Q$part[0]\E/, 'a job that is over: its owner is told');
is(sql_one("SELECT tell_at FROM jobs.job WHERE job_id = '$job'"), undef, '... and the relay says it once');

sql('DELETE FROM hpz.ready_mail');
configure('');
allow_log(qr/SB3245/, qr/AH01630/);
finish();
