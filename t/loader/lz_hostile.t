# The landing zone against senders who mean harm, and against kill -9: what is released is complete, is theirs, comes
# once; nothing else of the machine gets out through it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::MD5 'md5_hex';
use File::Path qw(make_path);
use IO::Handle ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Test;
use Smarter::LandingZone;

Smarter::LandingZone::needed();
my $z = Smarter::LandingZone->new('hostile', 'sftp.quarantine_after = 1', 'sftp.max_file_bytes = 1M', 'sftp.user_max_files = 20000');
my $h = $z->sender('h');
my ($drop, $staged) = ($z->drop($h), $z->staged($h));
sub names { return Smarter::LandingZone::names(@_) }
sub ends { my ($p) = @_; kill 'KILL', -$p; waitpid $p, 0 }

# ---- something else behind the name ---------------------------------------------------------------
# A secret of root's that lies within reach of links, if the kernel lets him.
my $secret = spew("$z->{dir}/secret", "the secret of root\n");
chmod 0600, $secret;
$z->as($h, sub {
    chdir $drop or die;
    symlink $secret, 'link.gpg' or die $!;
    symlink $z->{staging}, 'dirlink' or die $!;
    link $secret, 'hard.gpg'; # fs.protected_hardlinks may say no
    spew('mine', "mine\n");
    link 'mine', 'hard2.gpg' or die $!;
    POSIX::mkfifo('fifo.gpg', 0666) or die $!;
    mkdir 'dir.gpg' or die $!;
    spew('big.gpg', 'x' x 1_100_000);
    spew("line\nfeed.gpg", 'x');
    spew("bell\a.gpg", 'x');
    spew("latin\xe9.gpg", 'x');
    spew(('n' x 220) . '.gpg', 'x');
    spew("sch\xc3\xb6n.gpg", "fine\n");
    spew('ok.gpg', "fine\n");
    spew('done.gpg', 'x');
    symlink $secret, 'done.gpg.done' or die $!;
});
my $pass = $z->watch;
is($pass->{released}, 2, 'of all that, two files are released') or diag($z->log_text);
is_deeply([names($staged)], [sort map { ($_, "$_.done") } 'ok.gpg', "sch\xc3\xb6n.gpg"], 'the good ones');
sleep 1.1;
my $away = $z->watch->{quarantined};
sleep 1.1; # what lost its second name changed by that
$away += $z->watch->{quarantined};
cmp_ok($away, '>=', 12, 'the others go to quarantine');
is_deeply([grep { $_ ne 'dir.gpg' } names($drop)], [], 'all of them');
is(slurp($secret), "the secret of root\n", 'the secret is untouched');
is(system('grep', '-rqs', 'the secret', $z->{staging}) >> 8, 1, 'and stays one');
my $log = $z->log_text;
is((() = $log =~ /\n/g), (() = $log =~ /^\{.*\}$/mg), 'names of his break no line of the log');

# ---- the name turns while it is looked at ----------------------------------------------------------
my $racer = $z->as($h, sub {
    setpgrp;
    chdir $drop or die;
    spew('a', "a file of his\n");
    while (1) {
        unlink 'race.gpg.l';
        symlink $secret, 'race.gpg.l';
        rename 'race.gpg.l', 'race.gpg';
        sleep 0.0005;
        spew('race.gpg.f', "a file of his\n");
        rename 'race.gpg.f', 'race.gpg';
        sleep 0.002;
        link 'a', 'race.gpg.h';
        rename 'race.gpg.h', 'race.gpg';
        mkdir 'race2.gpg';
        rmdir 'race2.gpg';
        rename 'race2.gpg', 'race3.gpg';
    }
}, background => 1);
my ($got, $bad) = (0, 0);
my $end = time + 20;
my $passes = 0;
while (time < $end && ($passes++ < 20 || !$got)) {
    $z->watch;
    for my $file (grep { /\Arace.*gpg\z/ } names($staged)) {
        $got++;
        my $text = slurp("$staged/$file");
        $bad++ if $text ne "a file of his\n" && $text ne '' || !-f "$staged/$file" || -l "$staged/$file";
        unlink "$staged/$file", "$staged/$file.done";
    }
}
ends($racer);
cmp_ok($got, '>', 0, 'in a race of links and files, files are released');
is($bad, 0, 'and nothing else');
is(system('grep', '-rqs', 'the secret', $z->{staging}, "$z->{base}/.taken") >> 8, 1, 'the secret is still one');

# ---- a file that is written to after it was released -------------------------------------------------
$z->as($h, sub { unlink glob "$drop/*"; unlink "$drop/$_" for names($drop) });
pipe my $in, my $go or die;
my $writer = $z->as($h, sub {
    setpgrp;
    open my $out, '+>', "$drop/held.gpg" or die;
    syswrite $out, "before\n";
    sysread $in, my $x, 1;
    sysseek $out, 0, 0;
    syswrite $out, "AFTER!\nmuch more";
    IO::Handle::sync($out);
    sleep 60;
}, background => 1);
wait_until(10, 'the file', sub { -s "$drop/held.gpg" });
is($z->watch->{released}, 1, 'a file is released that its sender holds open');
syswrite $go, 'x';
sleep 0.3;
is(slurp("$staged/held.gpg"), "before\n", 'what he writes then goes nowhere');
is(slurp("$staged/held.gpg.done"), md5_hex("before\n") . " held.gpg\n", 'the checksum is that of what is there');
my @st = stat "$staged/held.gpg";
is($st[4], 0, 'it is no longer his');
is($st[2] & 0777, 0640, 'nor everybody\'s');
ends($writer);

# A growing file waits; one that was replaced within the window begins anew.
my $slow = $z->ini('slow.ini', 'sftp.file_stat_watch_period = 2', 'sftp.quarantine_after = 1h');
$z->as($h, sub { spew("$drop/grow.gpg", 'x') });
for (1 .. 4) {
    is($z->watch(ini => $slow)->{released}, 0, 'still growing') if $_ > 1;
    sleep 0.7;
    $z->as($h, sub { open my $out, '>>', "$drop/grow.gpg" or die; print {$out} 'x' });
}
$z->as($h, sub { spew("$drop/new", 'replaced'); rename "$drop/new", "$drop/grow.gpg"; utime 1, 1, "$drop/grow.gpg" });
is($z->watch(ini => $slow)->{released}, 0, 'an old time of modification deceives nobody');
sleep 2.1;
is($z->watch(ini => $slow)->{released}, 1, 'in the end it is released');
is(slurp("$staged/grow.gpg"), 'replaced', 'as it was last');

# ---- many small files; another user does not wait for ever -----------------------------------------
my $other = $z->sender('o');
my $n = 3000;
$z->as($h, sub { for my $i (1 .. $n) { spew("$drop/many$i.gpg", "$i\n") } });
$z->as($other, sub { spew($z->drop($other) . '/o.gpg', 'x') });
my $began = time;
$pass = $z->watch;
note sprintf '%d files in %.1f s', $pass->{released}, time - $began;
is($pass->{released}, $n + 1, "$n files and one of another user, in one pass");
is(scalar(grep { /\Amany\d+\.gpg\z/ } names($staged)), $n, 'all there');
system('rm', '-rf', "$z->{staging}/nc");

# ---- killed again and again, the whole way: each file comes once --------------------------------------
# Sender -> watcher -> (ssh) grabber -> arrivals -> somebody who takes what is complete. Both programs are killed at
# random moments; a file that came twice would be taken twice.
my $arrivals = tmpdir();
my (undef, undef, $loader) = getpwnam(env('SMARTER_LOADER_USER'));
system('chown', env('SMARTER_LZ_FETCHER'), $z->{staging});
my $grab_ini = spew(tmpdir() . '/grab.ini', join "\n", '[app]', "zones.arrivals = $arrivals", "logging.application = file:$arrivals/.log",
    'file-grabber.t.enable = True', 'file-grabber.t.args.remote_host = localhost', 'file-grabber.t.args.remote_port = ' . env('SMARTER_SFTP_PORT'),
    'file-grabber.t.args.remote_user = ' . env('SMARTER_LZ_FETCHER'), "file-grabber.t.args.remote_dir = $z->{staging}",
    'file-grabber.t.args.private_key = ' . env('SMARTER_VAR') . '/keys/lz/fetcher', 'file-grabber.t.args.known_hosts = ' . env('SMARTER_SFTP_KNOWN_HOSTS'), '');
chmod 0644, $grab_ini;
# One name comes four times, with another content each time.
my %want = map { ("content $_\n" => 1) } 1 .. 120, map { "again $_" } 1 .. 4;
my (%taken, @torn, $loose);
sub consume {
    for my $file (grep { /\.gpg\z/ && !/\A\./ } names("$arrivals/nc/$h")) {
        my $at = "$arrivals/nc/$h/$file";
        my $text = slurp($at);
        $loose++ if !-e "$at.done";
        push @torn, $file if -e "$at.done" && slurp("$at.done") !~ md5_hex($text);
        $taken{$text}++;
        unlink $at, "$at.done";
    }
}
srand 20;
my $again = 1;
my $i = 1;
my $kills = 0;
my $deadline = time + 120;
my $busy_ini = $z->ini('busy.ini', 'sftp.quarantine_after = 1h');
while ($kills < 30 && time < $deadline) {
    for (1 .. 3) {
        last if $i > 120;
        my $k = $i++;
        $z->as($h, sub { spew("$drop/k$k.gpg", "content $k\n"); $k % 2 or spew("$drop/k$k.gpg.done", md5_hex("content $k\n")) });
    }
    if ($again <= 4 && !-e "$drop/again.gpg") {
        my $k = $again++;
        $z->as($h, sub { spew("$drop/.a", "content again $k\n"); rename "$drop/.a", "$drop/again.gpg" });
    }
    my $w = run_program({ as_me => 1, background => 1 }, 'smarter-lz', '-c', $busy_ini, 'watch', '--once', '--log', "file:$z->{dir}/application.log");
    my $g = run_program({ background => 1 }, 'smarter-file-grabber', '-c', $grab_ini, '--once', '--log', "file:$arrivals/.log");
    sleep 0.005 + rand(0.05);
    ends($w->{pid});
    sleep rand(0.5);
    ends($g->{pid});
    $kills += 2;
    consume() if $kills % 6 == 0;
}
for (1 .. 40) {
    $z->watch(ini => $busy_ini);
    run_program('smarter-file-grabber', '-c', $grab_ini, '--once', '--log', "file:$arrivals/.log");
    consume();
    last if keys %taken == keys %want && !names($drop);
    if ($again <= 4 && !-e "$drop/again.gpg") {
        my $k = $again++;
        $z->as($h, sub { spew("$drop/.a", "content again $k\n"); rename "$drop/.a", "$drop/again.gpg" });
    }
    for (; $i <= 120; $i++) {
        $z->as($h, sub { spew("$drop/k$i.gpg", "content $i\n") });
    }
    sleep 0.2;
}
cmp_ok($kills, ">=", 20, "$kills times killed");
is_deeply([sort grep { !$taken{$_} } keys %want], [], 'no file was lost');
is_deeply([sort grep { $taken{$_} != 1 || !$want{$_} } keys %taken], [], 'none came twice, or broken');
is_deeply(\@torn, [], 'each with its own checksum');
is($loose // 0, 0, 'which was always there first');
is_deeply([grep { -f "$z->{base}/.taken/nc/$h/$_" } names("$z->{base}/.taken/nc/$h")], [], 'nothing stays on the way');
is_deeply([names($staged)], [], 'nor in staging');
is(`find $arrivals/.spool -type f -name '*.gpg*' | wc -l` + 0, 0, 'nor in the spool');
is(`find $arrivals/nc -name '*.done' | wc -l` + 0, 0, 'nor beside what was taken');

# ---- one at a time -----------------------------------------------------------------------------------
my $w = run_program({ as_me => 1, background => 1 }, 'smarter-lz', '-c', $z->{ini}, 'watch');
wait_until(10, 'the watcher', sub { $z->log_text =~ /SB4400"/ });
my $second = $z->watch;
is($second->{exit}, 75, 'a second watcher ends');
like($second->{err}, qr/another watcher is at work/, 'and says why');
$z->as($h, sub { spew("$drop/live.gpg", "live\n") });
ok(wait_until(10, 'the service to release it', sub { -e "$staged/live.gpg" }), 'the service sees what comes');
$z->ini('smarter.ini', 'sftp.file_patterns_to_watch = *.zip');
kill 'HUP', $w->{pid};
sleep 0.3;
$z->as($h, sub { spew("$drop/live.zip", "live\n") });
ok(wait_until(10, 'the new ini', sub { -e "$staged/live.zip" }), 'SIGHUP makes it read the ini again');
kill 'TERM', $w->{pid};
waitpid $w->{pid}, 0;
is($?, 0, 'it ends when it is asked to');

# ---- the grabber's own troubles ------------------------------------------------------------------------
my $grab = sub { return run_program('smarter-file-grabber', '-c', $_[0], '--once', '--log', "file:$arrivals/.log") };
my $changed = sub {
    my ($key, $value) = @_;
    my $text = slurp($grab_ini) =~ s/^(\Q$key\E = ).*/$1$value/mr;
    my $path = spew(tmpdir() . '/grab.ini', $text);
    chmod 0644, $path;
    return $path;
};
is($grab->($changed->('file-grabber.t.args.known_hosts', '/dev/null'))->{exit}, 75, 'a host nobody knows is not trusted');
like(slurp("$arrivals/.log"), qr/Host key verification failed/, 'and it is said');
is($grab->($changed->('file-grabber.t.args.remote_port', 1))->{exit}, 75, 'a host that is down');
is($grab->($changed->('file-grabber.t.args.remote_host', '-oProxyCommand=x'))->{exit}, 1, 'a host that is an option of ssh');
isnt($grab->($changed->('file-grabber.t.args.remote_dir', '/nowhere/$(touch /tmp/x)'))->{exit}, 0, 'a directory that is not there');
ok(-e "$staged/live.gpg", 'nothing was removed there by all that');
is($grab->($grab_ini)->{exit}, 0, 'then it works');
ok(-e "$arrivals/nc/$h/live.gpg", 'and delivers');

finish();
