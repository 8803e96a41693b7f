# The landing zone through the real sshd: who gets in and what he sees there, the way of a package from sftp to
# production, accounts and keys, and files pushed to another host.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Path qw(make_path);
use Test::More;
use Time::HiRes qw(sleep);
use Smarter::Test;
use Smarter::LandingZone;

Smarter::LandingZone::needed('postgres', 'rabbitmq', 'workers');
my ($user, $key) = (env('SMARTER_SFTP_USER'), env('SMARTER_SFTP_KEY'));
sub sftp { return Smarter::LandingZone::sftp(@_) }

# ---- a package, all the way -----------------------------------------------------------------------
my $dir = datagen(qw(--state NC --districts 1 --schools 1 --students 5 --years 2015 --subjects Math --seed 4711 --pack));
my ($package) = glob "$dir/*.gpg";
ok($package, 'there is a package to send');
my $r = sftp($user, $key, "put $package file_drop/sent.tar.gz.gpg.partial", 'rename file_drop/sent.tar.gz.gpg.partial file_drop/sent.tar.gz.gpg');
is($r->{exit}, 0, 'a sender puts it') or diag($r->{err});
my $status = wait_until(90, 'the package to get through', sub { my $s = batch_status('sent.tar.gz.gpg') // ''; $s =~ /\Amigrate\.ingested|failed/ ? $s : undef });
is($status, 'migrate.ingested', 'released, fetched over ssh, loaded, promoted');
my ($path) = sql("SELECT path FROM udl2.package WHERE path LIKE '%/sent.tar.gz.gpg'");
like($path->[0], qr{/arrivals/nc/\Q$user\E/sent}, 'by way of tenant and user');
is_deeply([Smarter::LandingZone::names(env('SMARTER_LZ') . "/home/arrivals/nc/$user/file_drop")], [], 'nothing is left with the sender');
is_deeply([Smarter::LandingZone::names(env('SMARTER_LZ') . "/staging/nc/$user")], [], 'nor in staging');
is_deeply([grep { /sent/ } Smarter::LandingZone::names(env('SMARTER_ARRIVALS') . "/nc/$user")], [], 'nor in arrivals');

# ---- the jail -------------------------------------------------------------------------------------
$r = sftp($user, $key, 'ls -1a /');
is_deeply([sort grep { !/\Asftp>/ && !m{\A/?\.\.?\z} } map { s{\A/}{}r } split /\n/, $r->{out}], ['file_drop'], 'he sees file_drop and nothing else');
my $file = spew(tmpdir() . '/f.gpg', 'x');
for my $case (
    ['writes to the root of the jail', "put $file /f.gpg"], ['makes a directory there', 'mkdir /d'],
    ['reads above it', 'get ../../../../../etc/passwd ' . tmpdir() . '/p'], ['leaves it', 'cd ../../..', 'ls departures'],
    ['makes a symbolic link', "put $file file_drop/t.tmp", 'ln -s /etc/shadow file_drop/s.gpg'],
    ['makes a hard link', "put $file file_drop/t.tmp", 'ln file_drop/t.tmp file_drop/h.gpg'],
    ['opens the jail to others', 'chmod 777 /'], ['renames file_drop', 'rename file_drop other'],
) {
    my ($what, @commands) = @$case;
    isnt(sftp($user, $key, @commands)->{exit}, 0, "nobody $what");
}
is(sftp($user, $key, 'rm file_drop/t.tmp', 'mkdir file_drop/own', 'rmdir file_drop/own')->{exit}, 0, 'what is his own he may remove');
for my $command ('id', '/bin/sh', '') {
    my $s = Smarter::LandingZone::ssh($user, $key, "$user\@localhost", $command || ());
    unlike($s->{out}, qr/uid=/, "no command runs: '$command'");
    like($s->{out} . $s->{err}, qr/sftp connections only/, 'sftp only');
}
$r = Smarter::LandingZone::ssh($user, $key, '-W', 'localhost:' . env('PGPORT'), "$user\@localhost");
like($r->{err}, qr/prohibited|forwarding failed/, 'no forwarding');
$r = Smarter::LandingZone::ssh($user, $key, '-o', 'ExitOnForwardFailure=yes', '-N', '-R', '0:localhost:' . env('PGPORT'), "$user\@localhost");
like($r->{err}, qr/remote port forwarding failed|prohibited/, 'nor the other way');
$r = Smarter::LandingZone::ssh($user, $key, '-tt', "$user\@localhost");
unlike($r->{out}, qr/[\$#] \z/, 'no terminal');

# ---- accounts -------------------------------------------------------------------------------------
# A second zone in the same place as the stack's, so that the stack's sshd lets its users in.
my $z = bless { dir => tmpdir(), ini => env('SMARTER_INI'), gone => 1 }, 'Smarter::LandingZone';
my $lz = sub { return run_program({ as_me => 1 }, 'smarter-lz', @_) };
my $other = $z->account('other');
my $keys = tmpdir();
for (qw(a b)) { system('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', "$keys/$_") == 0 or die }
is($lz->('-s', '-t', 'zz')->{exit}, 0, 'a tenant, by the old flags');
is($lz->('-a', '-u', $other, '-t', 'zz', '-r', 'sftparrivals', '--ssh-key', slurp("$keys/a.pub") =~ s/\n//r)->{exit}, 0, 'a user, likewise');
is(sftp($other, "$keys/a", "put $file file_drop/other.tmp")->{exit}, 0, 'he gets in');
isnt(sftp($other, "$keys/b", 'ls')->{exit}, 0, 'not by another key');
isnt(sftp($other, $key, 'ls')->{exit}, 0, "nor by another user's");
isnt(sftp($user, "$keys/a", 'ls')->{exit}, 0, "nor he as another user");
$r = sftp($other, "$keys/a", "ls -1 /file_drop", "-ls -1 ..", "-ls -1 ../../nc", "-ls -1 /home");
unlike(join("\n", grep { !/\Asftp>/ } split /\n/, $r->{out}), qr/\bnc\b|\Q$user\E/, "other tenants cannot be seen");
is($lz->('user-add', '--user', $other, '--tenant', 'zz', '--ssh-key-file', "$keys/b.pub")->{exit}, 0, 'a second key');
is(sftp($other, "$keys/b", 'ls')->{exit}, 0, 'and it fits');
is(sftp($other, "$keys/a", 'ls')->{exit}, 0, 'like the first');
my $list = $lz->('list')->{out};
like($list, qr/^zz\s+\Q$other\E\s+sftparrivals\s+2\s+1\s+0$/m, 'both are listed, and what waits');
for my $case (
    [1, qr/Tenant does not exist!/, '-a', '-u', $z->account('x'), '-t', 'yy', '-r', 'sftparrivals'],
    [1, qr/User already exists!/, '-a', '-u', 'root', '-t', 'zz', '-r', 'sftparrivals'],
    [1, qr/User already exists!/, 'user-add', '-u', $other, '-t', 'nc'],
    [1, qr/no name for a user/, 'user-add', '-u', 'x;reboot', '-t', 'zz'],
    [1, qr/no name for a tenant/, 'user-add', '-u', 'x', '-t', '../zz'],
    [1, qr/no name for a tenant/, 'tenant-add', '..'],
    [1, qr/no role/, 'user-add', '-u', 'x', '-t', 'zz', '-r', 'admin'],
    [1, qr/options are not/, 'user-add', '-u', $other, '-t', 'zz', '--ssh-key', 'command="/bin/sh" ' . slurp("$keys/a.pub")],
    [1, qr/not empty: remove the tenant's users first/, '--remove-tenant', '-t', 'zz'],
    [1, qr/holds 1 files/, '--remove-user', '-u', $other],
    [1, qr/no account of the landing zone/, 'user-remove', 'daemon'],
    [1, qr/there are users still/, 'cleanup', '--force'],
    [2, qr/one action a call/, '--init', '--cleanup'],
    [2, qr/no action/], [2, qr/unknown action 'x'/, 'x'], [2, qr/unexpected argument/, 'init', 'x'],
) {
    my ($exit, $says, @args) = @$case;
    my $answer = $lz->(@args);
    is($answer->{exit}, $exit, "smarter-lz @args: refused") or diag($answer->{out});
    like($answer->{err}, $says, 'with the reason');
}
isnt(sftp($other, "$keys/a", 'ls')->{exit}, 0, 'who is about to be removed gets in no more');
is($lz->('--remove-user', '-u', $other, '--force')->{exit}, 0, 'removed with his file');
ok(!getpwnam($other) && !-e env('SMARTER_LZ') . "/home/arrivals/zz/$other" && !-e env('SMARTER_LZ') . "/keys/$other", 'nothing of him stays');
is($lz->('--remove-user', '-u', $other)->{exit}, 0, 'once more is no fault');
is($lz->('tenant-remove', 'zz')->{exit}, 0, 'then the tenant');
is($lz->('tenant-remove', 'zz')->{exit}, 0, 'and once more');
$r = run_program('smarter-lz', 'init');
like($r->{err}, qr/needs root/, 'nobody but root does that');

# Killed at any moment and called again: as if nothing had been.
my $add = ['user-add', '--user', $other, '--tenant', 'nc', '--ssh-key-file', "$keys/a.pub"];
for my $round (1 .. 6) {
    for my $args ($add, ['user-remove', $other]) {
        my $p = run_program({ as_me => 1, background => 1 }, 'smarter-lz', @$args);
        sleep 0.008 * $round;
        kill 'KILL', -$p->{pid};
        waitpid $p->{pid}, 0;
        my $again = $lz->(@$args);
        is($again->{exit}, 0, "killed after " . 8 * $round . " ms, again: $args->[0]") or diag($again->{err});
    }
}
is($lz->(@$add)->{exit}, 0, 'at last');
is(sftp($other, "$keys/a", "put $file file_drop/x.tmp", 'rm file_drop/x.tmp')->{exit}, 0, 'the user is whole');
is(slurp(env('SMARTER_LZ') . "/keys/$other") =~ tr/\n//, 1, 'with his one key');
is($lz->('user-remove', $other)->{exit}, 0, 'and goes');

# ---- pushed to another host --------------------------------------------------------------------------
my $remote = Smarter::LandingZone->new('push');
my $there = "$remote->{dir}/there";
make_path($there);
system('chown', env('SMARTER_LZ_FETCHER'), $there);
my @push = ('sftp.file_move_type = sftp', 'sftp.remote.landing_zone_hostname = localhost', 'sftp.remote.port = ' . env('SMARTER_SFTP_PORT'),
    'sftp.remote.sftp_user = ' . env('SMARTER_LZ_FETCHER'), 'sftp.remote.private_key_file = ' . env('SMARTER_VAR') . '/keys/lz/fetcher',
    'sftp.remote.known_hosts = ' . env('SMARTER_SFTP_KNOWN_HOSTS'), "sftp.remote.arrivals_path = $there");
chmod 0600, env('SMARTER_VAR') . '/keys/lz/fetcher';
my $pushing = $remote->ini('push.ini', @push);
my $sender = $remote->sender('push');
my $put = sub { my ($name, $text) = @_; $remote->as($sender, sub { spew($remote->drop($sender) . "/$name", $text) }) };
my $odd = q{a "quoted" [1]* \ name.gpg};
$put->($odd, "first\n");
my $pass = $remote->watch(ini => $pushing);
is($pass->{released}, 1, 'pushed') or diag($remote->log_text);
is(slurp("$there/nc/$sender/$odd"), "first\n", 'it is there, whatever its name');
like(slurp("$there/nc/$sender/$odd.done"), qr/\A[0-9a-f]{32} /, 'with its companion');
is(sprintf('%o', (stat "$there/nc/$sender/$odd")[2] & 07777), '600', 'closed to others');
$put->($odd, "second\n");
$pass = $remote->watch(ini => $pushing);
is($pass->{failed}, 1, 'not over a file that is still there');
is(slurp("$there/nc/$sender/$odd"), "first\n", 'which stays');
unlink "$there/nc/$sender/$odd";
is($remote->watch(ini => $pushing)->{released}, 1, 'after it');
is(slurp("$there/nc/$sender/$odd"), "second\n", 'the second one');
$put->('b.gpg', "b\n");
my $nowhere = $remote->ini('nowhere.ini', @push, 'sftp.remote.port = 1');
is($remote->watch(ini => $nowhere)->{failed}, 1, 'the host cannot be reached');
my $stranger = $remote->ini('stranger.ini', @push, 'sftp.remote.known_hosts = /dev/null');
is($remote->watch(ini => $stranger)->{failed}, 1, 'or is another one');
is($remote->watch(ini => $pushing)->{released}, 1, 'the file waited');
is(slurp("$there/nc/$sender/b.gpg"), "b\n", 'and is there');

finish();
