# The pickup zone under sanitizers, while workers deliver, people fetch, both break off, the database loses its
# connections and the server begins anew: no error and no race of ours, and what was acknowledged is there, whole. A few
# seconds of it; t/soak/pickup.t goes on for longer, and under valgrind.
use strict;
use warnings;
use lib 't/lib';
use Digest::SHA 'sha256_hex';
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Pickup;
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::Wire;

need('pickup');
my %left = map { $_ => 1 } glob env('SMARTER_PICKUP_DIR') . '/.upload-*';    # by the tests before
my $seconds = $ENV{SANITIZED_SECONDS} // 5;
my @kinds = split ' ', $ENV{SANITIZERS} // 'address thread';
my ($uid) = user('state');
my ($owner, $stranger) = map { Smarter::Wire::cookie_header(sign_in_outside($_)) } qw(state district);
my $unknown = '00000000-0000-4000-8000-000000000000';
my $noise = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 16384;
my @sizes = (0, 100, 70_000, 1_500_000);
# Several deliver to these at the same time.
my %common = map { $_ => [map { announce($uid) } 1 .. 3] } @kinds;
my @made;

# Another one each time, of that size.
my $serial = 0;
sub content { my ($size) = @_; return substr sprintf('%-30s', "$$." . $serial++) . $noise x ($size / length($noise) + 1), 0, $size }
sub form { return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n$_[0]\r\n--b--\r\n" }
my %POST = ('File-Name' => 'x.zip', 'Content-Type' => 'multipart/form-data; boundary=b');

# ---- what a worker or a browser does; each is a process that does all of them in turn ---------------------------------

# in(METHOD, path, headers, body), out(...): the last answer's status at either face.
my ($in, $out, $got, @wire, $odd);

# The status is one of these, or the server had too much to do (429: what broke off has its place still), no database, or is going.
sub expect {
    my ($what, $status, @want) = @_;
    push @$odd, "$what: $status" if !grep { $status == $_ } @want, 503, 429, 0;
    return grep { $status == $_ } @want;
}

sub registration {
    return $in->('PUT', '/registration', { 'Content-Type' => 'application/json' }, qq({"uid":"$uid"})) == 200 ? json($got)->{registration_id} : undef;
}

sub chunked { my $n = length $_[0]; return join '', map { my $piece = substr $_[0], $_ * 5000, 5000; sprintf("%x\r\n", length $piece) . "$piece\r\n" } 0 .. int(($n - 1) / 5000) }

my @deeds = (
    sub {
        my $id = registration() or return;
        my $file = content($sizes[rand @sizes]);
        my $sha = sha256_hex($file);
        expect('upload', $in->('POST', "/files/$id", \%POST, form($file)), 200) or return;
        push @made, "$id $sha";
        push @$odd, 'another digest' if json($got)->{sha256} ne $sha;
        expect('the same again', $in->('POST', "/files/$id", \%POST, form($file)), 200);
        expect('another one', $in->('POST', "/files/$id", \%POST, form("$file.")), 409);
        expect('download', $out->('GET', "/file/$id", { Cookie => $owner }), 200) && sha256_hex($got->{body}) ne $sha && push @$odd, 'another file';
        expect('part', $out->('GET', "/file/$id", { Cookie => $owner, Range => 'bytes=10-19' }), length $file > 10 ? 206 : (200, 416));
        expect("somebody else's", $out->('GET', "/file/$id", { Cookie => $stranger }), 404);
        expect('page', $out->('GET', "/download/$id", { Cookie => $owner }), 200);
        expect('check', $out->('GET', "/validate/$id", { Cookie => $owner }), 200);
    },
    sub {    # without a length
        my $id = registration() or return;
        my $file = content(200_000);
        expect('chunked', $in->('POST', "/files/$id", { %POST, 'Transfer-Encoding' => 'chunked' }, chunked(form($file)) . "0\r\n\r\n"), 200) or return;
        expect('taken back', $in->('DELETE', "/files/$id"), 200, 404);    # 404: done, but its answer was lost with a connection, and it was asked again
    },
    sub {    # who breaks off
        my $id = registration() or return;
        half($wire[0], "POST /files/$id HTTP/1.1\r\nHost: localhost\r\nFile-Name: x\r\nContent-Type: $POST{'Content-Type'}\r\nContent-Length: 900000\r\n\r\n"
            . substr form($noise x 10), 0, 300_000);
        my ($last) = @made ? split ' ', $made[-1] : $unknown;
        half($wire[1], "GET /file/$last HTTP/1.1\r\nHost: localhost\r\nCookie: $owner\r\n\r\n", 1000);
    },
    sub {    # several at once, of which one is first
        my ($id) = $_[0][rand @{ $_[0] }];
        expect('common', $in->('POST', "/files/$id", \%POST, form(content(50_000))), 200, 409);
        expect('common', $out->('GET', "/file/$id", { Cookie => $owner }), 200, 404);
    },
    sub {
        my $id = registration() or return;
        expect('no form', $in->('POST', "/files/$id", { 'File-Name' => 'x' }, 'x'), 412);
        expect('half a form', $in->('POST', "/files/$id", \%POST, substr form('x' x 1000), 0, 900), 400);
        expect('too much beside it', $in->('POST', "/files/$id", \%POST, "--b\r\nX: " . 'x' x 9000), 400, 412, 413);
        expect('nobody registered it', $in->('POST', "/files/$unknown", \%POST, form('x')), 404);
        expect('nothing there', $out->('GET', "/file/$unknown", { Cookie => $owner }), 404);
        expect('not signed in', $out->('GET', "/file/$id"), 401);
    },
    sub {
        $in->('GET', '/services/heartbeat');
        $out->('GET', '/services/heartbeat');
        expect('ready', $in->('GET', '/services/ready'), 200);
    },
);

# Send some of it, read some of it, and go.
sub half {
    my ($wire, $octets, $read) = @_;
    $wire->close;
    eval {
        local $SIG{PIPE} = 'IGNORE';
        my $socket = $wire->connected;
        print {$socket} $octets;
        sysread $socket, my $some, $read if $read;
    };
    $wire->close;
}

sub busy {
    my ($server, $turn, $common) = @_;
    my $end = 0;
    local $SIG{TERM} = sub { $end = 1 };
    srand $$;
    my %count;
    @wire = map { Smarter::Wire->new(peer => m{//(.*)}, timeout => 60) } $server->inside(''), $server->url('');
    my ($inner, $outer) = map { my $wire = $_; sub {
            my ($method, $path, $headers, $body) = @_;
            $got = eval { $wire->request($method, $path, $headers, $body) } // { status => 0 };
            $count{ $got->{status} }++;
            sleep 0.05 if !$got->{status};
            return $got->{status};
    } } @wire;
    ($in, $out, $odd) = ($inner, $outer, []);
    $deeds[$turn++ % @deeds]->($common) until $end;
    return (join(' ', %count), (map { "made $_" } @made), map { "odd $_" } @$odd);
}

# ---- servers at once ----------------------------------------------------------------------------------------------

allow_log(qr/SB(?:12\d\d|32\d\d)\b/);
my %zone;

# A server that begins anew all the time answers nobody: its processes take a second to begin, under valgrind many.
sub begin_anew {
    for (grep { time > ($_->{not_before} // 0) } @zone{@_}) {
        $_->graceful;
        $_->{not_before} = time + ($_->{valgrind} ? 40 : 8);
    }
}

my @disturbances = (
    sub { sql({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') }, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'mod_hpz%'") },
    \&begin_anew,
);

# These kinds side by side, each with three who are busy.
sub disturbed {
    my (@together) = @_;
    $zone{$_} = Smarter::Sanitized->pickup($_) for @together;
    my @pids;
    for my $kind (@together) {
        for my $n (1 .. 3) {
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                my @lines = eval { busy($zone{$kind}, 2 * $n, $common{$kind}) };
                spew("$zone{$kind}{dir}/busy$n", join '', map { "$_\n" } @lines, $@ ? "odd it died: $@" : ());
                POSIX::_exit(0);
            }
            push @pids, $pid;
        }
    }
    my ($end, $n) = (time + $seconds, 0);
    while (time < $end) {
        sleep($seconds > 60 ? 3 : 0.8);
        $disturbances[$n++ % @disturbances]->(@together) if time < $end - $seconds / 5;    # and some time in peace
    }
    kill 'TERM', @pids;
    waitpid $_, 0 for @pids;
}

# Valgrind is so slow that it wants the machine for itself.
disturbed(@$_) for grep { @$_ } [grep { $_ ne 'memory' } @kinds], [grep { $_ eq 'memory' } @kinds];

for my $kind (@kinds) {
    my (%count, %sha, @odd);
    my $load = sub { join ', ', map { "$count{$_} x $_" } sort keys %count };
    for my $file (glob "$zone{$kind}{dir}/busy*") {
        my ($counted, @lines) = split /\n/, slurp($file);
        my %more = split ' ', $counted;
        $count{$_} += $more{$_} for keys %more;
        /\Amade (\S+) (\S+)/ ? $sha{$1} = $2 : push @odd, $_ for @lines;
    }
    my @findings = $zone{$kind}->stop;
    is(scalar @findings, 0, "$kind: nothing is found") or diag(map { substr($_, 0, 6000) . "\n" } @findings[0 .. ($#findings > 2 ? 2 : $#findings)]);
    is(scalar @odd, 0, "$kind: all is answered as it should: " . $load->()) or diag(map { "$_\n" } @odd[0 .. ($#odd > 9 ? 9 : $#odd)]);
    diag("$kind: " . $load->()) if $seconds > 60;
    cmp_ok($count{200} // 0, '>', ($zone{$kind}{valgrind} ? 1 : 10) * $seconds, "$kind: enough of it");
    my $depot = env('SMARTER_PICKUP_DIR');
    my @lost = grep { !-e "$depot/$_" || sha256_of("$depot/$_") ne $sha{$_} } sort keys %sha;
    cmp_ok(scalar keys %sha, '>', 3, "$kind: files were delivered");
    is("@lost", '', "$kind: each is there, and as it came");
    if ($zone{$kind}{valgrind}) {
        my ($wrong, $lost, $ended) = $zone{$kind}->memory;
        cmp_ok($ended, '>=', 2, "$kind: $ended processes were looked through at their end");
        is(scalar @$wrong, 0, "$kind: no wrong access") or diag(map { "$_\n" } @$wrong);
        my @ours = grep { $_->[1] =~ /libsb|mod_hpz/ && $_->[1] !~ /sb_saml_make|lasso_init/ } @$lost;
        is(scalar @ours, 0, "$kind: nothing is lost by us") or diag(map { "$_->[1]\n" } @ours);
    }
    wait_until(20, 'what was broken off to go', sub { !grep { !$left{$_} } glob "$depot/.upload-*" });
    my @ids = (keys %sha, @{ $common{$kind} });
    http('DELETE', inside("/files/$_")) for @ids;
}

finish();
