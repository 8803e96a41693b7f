# The pickup zone under faults: slow senders, a full disk, no database, and processes that are killed. Nobody is ever given
# half a file, nothing is lost, and trying again mends it.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::SSL;
use Test::More;
use Time::HiRes qw(time sleep);
use Smarter::Between;
use Smarter::Test;
use Smarter::Pickup;
use Smarter::Wire;

need('pickup');
my $depot = env('SMARTER_PICKUP_DIR');
my ($peer) = inside('') =~ m{//(.*)};
my ($uid) = user('state');
my $jar = sign_in_outside('state');
my $file = file_of(20_000_000);
my $ready = announce($uid);
deliver($ready, $file);

# A delivery of which only a part is sent: [socket, id]
sub begun {
    my ($id, $part) = @_;
    my $socket = IO::Socket::SSL->new(PeerAddr => $peer, SSL_ca_file => env('SMARTER_CA'), SSL_verifycn_name => 'localhost') or die "$IO::Socket::SSL::SSL_ERROR\n";
    print {$socket} "POST /files/$id HTTP/1.1\r\nHost: $peer\r\nFile-Name: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: "
        . (length(form('x' x 100_000))) . "\r\n\r\n", substr(form('x' x 100_000), 0, $part);
    return $socket;
}
sub form { return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n$_[0]\r\n--b--\r\n" }
sub rest { my ($socket, $from) = @_; print {$socket} substr form('x' x 100_000), $from; my $answer = <$socket>; return $answer =~ /\AHTTP\S+ (\d+)/ ? $1 : "none" }

# What this test changes of the internal face's ini is read by a reload; no restart is needed for another directory either.
my $ini_file = env('SMARTER_PICKUP_INI');
my $ini = slurp($ini_file);

sub children { return grep { /\d/ } split /\s+/, `pgrep -P @{[server_pid("pickup-$_[0]")]}` }

sub reload_with {
    my ($text) = @_;
    my %old = map { $_ => 1 } children('internal');
    spew($ini_file, $text) if slurp($ini_file) ne $text;
    kill 'USR1', server_pid('pickup-internal');
    wait_until(30, 'other processes', sub { my @now = children('internal'); @now && !grep { $old{$_} } @now });
}

END {
    my $status = $?;
    reload_with($ini) if defined $ini && slurp($ini_file) ne $ini;
    $? = $status;
}

# Many connections want one context: each reads all authorities of the system anew.
my $unverified = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0) or die "$IO::Socket::SSL::SSL_ERROR\n";

sub connected { return IO::Socket::SSL->new(PeerAddr => $_[0], SSL_reuse_ctx => $unverified, Timeout => 10) }

# ---- one person who reads slowly

# A download that is begun and not read: [socket, status]
sub unread {
    my ($id, $cookies) = @_;
    my ($host) = outside('') =~ m{//(.*)};
    my $socket = connected($host) or die "$IO::Socket::SSL::SSL_ERROR\n";
    print {$socket} "GET /file/$id HTTP/1.1\r\nHost: $host\r\nCookie: $cookies\r\n\r\n";
    my $n = sysread $socket, my $answer, 500;
    return [$socket, $n && $answer =~ /\AHTTP\S+ (\d+)/ ? $1 : 'none', $answer];
}
my $cookies = Smarter::Wire::cookie_header($jar);
my @unread = map { unread($ready, $cookies) } 1 .. 14;    # six in each of two processes
my @more = grep { $_->[1] != 200 } @unread;
cmp_ok(@unread - @more, '>=', 6, @unread - @more . ' downloads that nobody reads are begun');
cmp_ok(scalar @more, '>=', 2, @more . ' are too many for one person');
is_deeply([grep { $_->[1] != 429 || $_->[2] !~ /^Retry-After: 10\r$/m } @more], [], '... and are told so: 429, and when to come again');
my ($neighbour) = user('district');
my $theirs = announce($neighbour);
deliver($theirs, $file);
is(fetch($theirs, sign_in_outside('district'))->{status}, 200, 'somebody else has his meanwhile');
@unread = @more = ();
wait_until(20, 'his places to be free again', sub { fetch($ready, $jar)->{status} == 200 });

# ---- 200 senders that are slow, or stand still

my @slow_ids = map { announce($uid) } 1 .. 4;
my $began = time;
my @slow;
for my $i (0 .. 199) {
    my $s = connected($peer) or next;
    print {$s} "POST /files/$slow_ids[$i % 4] HTTP/1.1\r\nHost: $peer\r\nFile-Name: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b";
    push @slow, $s;
}
cmp_ok(scalar @slow, '>=', 150, scalar(@slow) . ' slow senders are connected');
my $at = time;
is(fetch($ready, $jar)->{status}, 200, 'a download meanwhile');
cmp_ok(time - $at, '<', 5, '... does not wait for them');
is(http('GET', inside('/services/ready'))->{status}, 200, 'the internal face answers others');
my ($busy, $late) = (0, 0);
$_->blocking(0) for @slow;
for (1 .. 50) {
    @slow = grep {
        my $n = sysread $_, my $answer, 1000;
        $busy++ if $n && $answer =~ /\AHTTP\S+ 503.*Retry-After/s;
        $late++ if $n && $answer =~ /\AHTTP\S+ 408/;
        !defined $n;    # nothing yet
    } @slow;
    last if $busy >= 100;
    sleep 0.1;
}
my $waiting = @slow + $late;
cmp_ok($busy, '>=', 50, "$busy were sent away with 503 and Retry-After");
cmp_ok($waiting, '>=', 1, "$waiting are served, as many as may be");
# They are judged at the end of this test, when their time is over.

# ---- crash between rename and row

my $id = announce($uid);
spew("$depot/$id", 'half of somethi');
is(fetch($id, $jar)->{status}, 404, 'a file without its row is not given out');
is(eval { json(deliver_later($id, $file))->{sha256} }, sha256_of($file), 'uploading again mends it');
ok(fetch($id, $jar)->{body} eq slurp($file), '... with what it is');
unlink "$depot/$id";
is(fetch($id, $jar)->{status}, 404, 'a row without its file: not available');
is(deliver_later($id, $file)->{status}, 200, 'the same content again mends that');
is(fetch($id, $jar)->{status}, 200, '... it is there');
allow_log(qr/SB3220/);

# While the slow ones hold the places one is tried as a worker would: until there is one.
sub deliver_later { my @args = @_; my $answer; wait_until(60, 'a place', sub { $answer = deliver(@args); $answer->{status} != 503 }); return $answer }

# The slow ones: time is up.
for my $s (@slow) {
    while (time < $began + 40) {
        my $n = sysread $s, my $answer, 1000;
        if (defined $n) { $late += $answer =~ /\AHTTP\S+ 408/ if $n; last }
        sleep 0.1;
    }
}
cmp_ok($late, '>=', 1, "$late stood still and got 408");
@slow = ();
wait_until(20, 'their files to go', sub { !grep { in_depot($_) } @slow_ids });
is(scalar grep({ stored($_)->{state} ne 'registered' } @slow_ids), 0, 'nothing of theirs is left');

# ---- a process is killed

$id = announce($uid);
my $socket = begun($id, 50_000);
wait_until(10, 'the upload to have begun', sub { in_depot($id) });
kill 'KILL', children('internal');
$socket->close(SSL_no_shutdown => 1);
is(stored($id)->{state}, 'registered', 'killed in the middle of an upload: the row still waits');
is(fetch($id, $jar)->{status}, 404, '... nothing is given out');
ok(!-e "$depot/$id", '... and no file has its name');
wait_until(20, 'another process', sub { http('GET', inside('/services/ready'))->{status} == 200 });
is(deliver($id, $file)->{status}, 200, '... uploading again does');
ok(fetch($id, $jar)->{body} eq slurp($file), '... the whole of it');

my $out = tmpdir() . '/out';
my @curl = ('curl', '-sS', '--cacert', env('SMARTER_CA'), '-H', "Cookie: $cookies", '-o', $out, outside("/file/$id"));
sub told { return scalar grep { /"callable":"download_file".*"registration_id":"$id".*"status":20[06]/ } log_since('audit') }
my $told = told();
my $pid = fork // die;
if (!$pid) { open STDERR, '>', '/dev/null'; exec @curl, '--limit-rate', '8M' }
wait_until(20, 'the download to have begun', sub { (-s $out // 0) > 100_000 });
is(told() - $told, 1, 'a download is an audit event when it begins');
kill 'KILL', children('external');
waitpid $pid, 0;
isnt($? >> 8, 0, 'killed in the middle of a download: the browser knows that it is not whole');
cmp_ok(-s $out, '<', 20_000_000, '... it is not');
wait_until(20, 'another process', sub { http('GET', outside('/services/ready'))->{status} == 200 });
system(@curl, '-C', '-') == 0 or diag('resuming failed');
is(told() - $told, 2, '... and the rest is another, told once');
ok(slurp($out) eq slurp($file), '... and can go on where it was');
allow_log(qr/AH00052: child pid \d+ exit signal Killed/);

# ---- the disk is full

SKIP: {
    chomp(my $stat = `stat -c '%u %g' '$depot'`);
    my ($user, $group) = split / /, $stat;
    $id = announce($uid);
    skip 'no tmpfs may be mounted here', 4 if $> != 0 || system("mount -t tmpfs -o size=4m,mode=2770,uid=$user,gid=$group tmpfs '$depot' 2>/dev/null") != 0;
    eval {
        reload_with($ini);
        my $full = deliver($id, $file);
        is("$full->{status} $full->{headers}{'retry-after'}", '507 60', 'a full disk: 507');
        is_deeply([in_depot($id)], [], '... and nothing is left of it');
        is(deliver($id, file_of(1_000_000))->{status}, 200, 'what fits is taken');
        unlink "$depot/$id";
        sql("DELETE FROM hpz.file_registry WHERE registration_id = '$id'");
        1;
    } or fail("full disk: $@");
    system("umount -l '$depot'") == 0 or die "umount: $?\n";
    reload_with($ini);
    is(http('GET', inside('/services/heartbeat'))->{status}, 200, 'and all is well again');
    allow_log(qr/SB3212/);
}

# ---- no database

# What was found is told for a second; then somebody looks again.
sub heartbeat_says {
    my ($status, $face, $what) = @_;
    ok(wait_until(5, $what, sub { http('GET', "$face/services/heartbeat")->{status} == $status }), $what);
}

allow_log(qr/SB(?:3010|3203|3204|3206|3215|3216|3221|3223|3205|12\d\d)/, qr/smarter-hpz-mail/);
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });
$id = announce($uid);
$socket = begun($id, 50_000);
wait_until(10, 'the upload to have begun', sub { in_depot($id) });
sql(@super, 'ALTER ROLE smarter_hpz NOLOGIN');
sql(@super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'smarter_hpz'");
is(rest($socket, 50_000), 503, 'the database went while a file came: try again');
is(http('PUT', inside('/registration'), json => { uid => 'x' })->{status}, 503, 'no database: registration');
is(deliver($id, $file)->{status}, 503, 'no database: upload');
is(fetch($ready, $jar)->{status}, 503, 'no database: download');
heartbeat_says(500, $_, 'the heartbeat says so') for inside(''), outside('');
is(http('GET', inside('/services/ready'))->{status}, 200, '... the process is none the less there');
sql(@super, 'ALTER ROLE smarter_hpz LOGIN');
wait_until(20, 'the database', sub { deliver($id, $file)->{status} == 200 });
ok(wait_until(20, 'the file', sub { fetch($id, $jar)->{body} eq slurp($file) }), 'it is back, and so is everything');
is_deeply([in_depot($id)], [$id], '... nothing was left of the attempts');

# ---- a directory that cannot be written

chmod 0500, $depot;
chown 0, 0, $depot;
heartbeat_says(500, inside(''), 'a directory that cannot be written: the heartbeat says so');
is(deliver(announce($uid), $file)->{status}, 500, '... and no upload is taken');
my ($web, $loader) = map { (getpwnam $_)[2] // 0 } 'www-data', env('SMARTER_LOADER_USER');
chown $web, (getpwnam(env('SMARTER_LOADER_USER')))[3], $depot if $> == 0;
chmod 02770, $depot;
allow_log(qr/SB3213/);
heartbeat_says(200, inside(''), '... until it can');

# ---- more than the limit, without saying so before; and a database that hangs: whoever asks for the heartbeat, and needs no right for it, holds no thread that others want

my $between = Smarter::Between->new(env('PGPORT'));
# A connection that holds no thread: it has been answered once.
sub kept_alive {
    my $socket = connected($peer) or die "$IO::Socket::SSL::SSL_ERROR\n";
    print {$socket} "GET /services/ready HTTP/1.1\r\nHost: $peer\r\n\r\n";
    my ($answer, $n) = ('');
    $answer .= $n while $answer !~ /"ready"\}/ && sysread $socket, $n, 4096;
    return $socket;
}

reload_with($ini =~ s/^(hpz\.db\.url = \S+\@[^:\n]+:)\d+/$1 . $between->port/emr . "hpz.frs.file_size_limit = 10000000\n");
$id = announce($uid);
is(deliver($id, $file, headers => { 'Transfer-Encoding' => 'chunked' })->{status}, 413, 'more than the limit, in chunks: refused when it is reached');
is_deeply([in_depot($id)], [], '... and nothing is left of it');
allow_log(qr/SB3225\b.*file_size_limit = 10000000/);
ok(scalar(grep { /SB3225\b.*$id.*hpz\.frs\.file_size_limit = 10000000/ } log_since()), '... which is said to the operator, with the key');
is(deliver($id, file_of(10_000_000), headers => { 'Transfer-Encoding' => 'chunked' })->{status}, 200, 'the limit itself is fine');
is(http('GET', inside('/services/heartbeat'))->{status}, 200, 'the database by way of our port');
my $found = time;
my @many = map { kept_alive() } 1 .. 100;    # the face has 64 threads
$between->stop;
sleep 1.1 - (time - $found) if time - $found < 1.1;    # so that somebody looks
print {$_} "GET /services/heartbeat HTTP/1.1\r\nHost: $peer\r\n\r\n" for @many;
my %said;
my $until = time + 2;    # whoever looks is told after three seconds that there is no answer
$_->blocking(0) for @many;
while (@many && time < $until && ($said{200} // 0) < 30) {
    @many = grep {
        my $n = sysread $_, my $answer, 4096;
        $said{ $answer =~ /\AHTTP\S+ (\d+)/ ? $1 : 'what?' }++ if $n;
        !defined $n;    # nothing yet; 0: closed, as idle while the others connected
    } @many;
    sleep 0.05;
}
cmp_ok($said{200} // 0, '>=', 30, 'a hundred ask for the heartbeat: they are told the last finding at once') or diag(explain(\%said));
is(http('GET', inside('/services/ready'), timeout => 10)->{status}, 200, '... and others are answered');
wait_until(15, 'the finding', sub { http('GET', inside('/services/heartbeat'))->{status} == 500 });
$between->resume;
wait_until(20, 'the heartbeat to be well again', sub { http('GET', inside('/services/heartbeat'))->{status} == 200 });
finish();
