# Five hundred sign-ins (SIGNINS) through a server that a thread checker watches, and as many through one that valgrind
# watches, some with an encrypted assertion; and what becomes of those sessions: they are asked about, listed, ended
# here or by the identity provider, while programs come with bearer tokens. No race of ours, no wrong access, and
# nothing lost with each sign-in. t/soak/signins.t does ten thousand, and looks whether processes grow.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use Test::More;
use Time::HiRes 'time';
use Forge;
use Smarter::Sanitized;
use Smarter::Test;
use Smarter::Verifier;
use Smarter::WebLoad 'bench_program';
use Smarter::Wire;

use constant AT_ONCE => 500;    # answers are good for some minutes: that many are made at a time
use constant SEALED => 3;       # each third is encrypted

need('httpd', 'postgres', 'memcached', 'idp');

my %count = (thread => $ENV{SIGNINS} // 500, memory => $ENV{SIGNINS_VALGRIND} // $ENV{SIGNINS} // 500);
my $program = bench_program('signins');
my $var = env('SMARTER_VAR');
my ($port) = env('SMARTER_URL') =~ /:(\d+)\z/;
my ($tenant, $state) = (env('SMARTER_TENANT'), env('SMARTER_STATE'));
my ($idp_id) = slurp("$var/etc/idp_metadata.xml") =~ /entityID="([^"]*)"/;
my $idp = Forge->new(key => "$var/tls/idp.key", cert => "$var/tls/idp.pem", issuer => $idp_id, slo => url('/logout_redirect'));
my $verifier = Smarter::Verifier->new;
# (good, refused): several browsers come with the same one at the same time.
my @tokens = map { my $name = "app$_"; [map { $verifier->give($name, roles => [['PII', $tenant, $state]], @$_) } [], [active => JSON::PP::false]] } 1 .. AT_ONCE / 64 + 1;

my %OURS = ('Sec-Fetch-Site' => 'same-origin');
my %THEIRS = (Accept => 'text/html', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate');

# ---- what browsers do with every other session, each the next of these ----------------------------------------------

# ask(METHOD, path, headers): status. The last answer is there for who wants more of it.
my ($ask, $last);
sub over { my ($how) = @_; my $status = $ask->('GET', '/services/userinfo'); return $status == 401 ? () : "$status after it was ended $how" }

my @visits = (
    sub { return $ask->('GET', '/services/userinfo') == 200 ? () : 'no session' },
    sub {
        return ($ask->('POST', '/logout', %OURS) == 200 ? () : "signing out: $last->{status}", over('by signing out'));
    },
    sub {
        my ($id) = @_;    # of the assertion, from which signins.c makes name and session
        my $query = $idp->query('SAMLRequest', $idp->logout_request(name_id => "_n$id", session_index => "_s$id"));
        return ($ask->('GET', "/logout_redirect?$query", %THEIRS) == 302 ? () : "signed out from there: $last->{status}", over('from there'));
    },
    sub {
        return "list: $last->{status}" if $ask->('GET', '/services/sessions') != 200;
        my ($this) = grep { $_->{this} } @{ json($last)->{sessions} } or return 'not in its own list';
        return ($ask->('DELETE', "/services/sessions/$this->{ref}", %OURS) == 200 ? () : "ending it: $last->{status}", over('in the list'));
    },
    sub {
        my @bad = $ask->('GET', '/services/session') == 200 ? () : "how long it lasts: $last->{status}";
        return (@bad, $ask->('POST', '/services/session/touch', %OURS) == 200 ? () : "touching it: $last->{status}");
    },
    sub { return program_comes($_[1], 0, 200) },
    sub { return program_comes($_[1], 1, 401) },
    sub { return $ask->('GET', "/data/comparing_populations?stateCode=$state") == 200 ? () : "a report: $last->{status}" },
);

# By a token instead of a session.
sub program_comes {
    my ($n, $which, $want) = @_;
    my $status = $ask->('GET', '/services/userinfo', %{ bearer($tokens[$n / 64 % @tokens][$which]) });
    return $status == $want ? () : "a bearer token: $status";
}

# One browser with its share of the answers, in a process of its own: complaints, and how many it has signed in.
sub browse {
    my ($server, @lines) = @_;
    my $wire = Smarter::Wire->new(peer => $server->url('') =~ m{//(.*)}, timeout => 120);
    my ($done, @bad) = (0);
    for my $line (@lines) {
        my ($n, $relay, $browser, $answer, $id) = @$line;
        $answer =~ s/([+\/=])/sprintf '%%%02X', ord $1/ge;
        my $in = $wire->request('POST', '/saml_post',
            { %THEIRS, Cookie => "__Host-signin-$port=$browser", 'Content-Type' => 'application/x-www-form-urlencoded' }, "RelayState=$relay&SAMLResponse=$answer");
        my ($session) = map { /\A(__Host-smarter[^=]*=[0-9a-f]{64});/ } @{ $in->{cookies} };
        push @bad, "sign-in $n: $in->{status} $in->{error}" if $in->{status} != 303 || !$session;
        next if !$session;
        $done++;
        $ask = sub {
            my ($method, $path, %headers) = @_;
            $headers{Cookie} = $session if !$headers{Authorization};
            $last = $wire->request($method, $path, \%headers);
            return $last->{status};
        };
        push @bad, map { "session $n: $_" } $visits[$n / 2 % @visits]->($id, $n) if $n % 2;
    }
    $wire->close;
    return ($done, @bad);
}

# ---- servers ------------------------------------------------------------------------------------------------------

# In a process of its own: $do's lines go into the file.
sub apart {
    my ($file, $do) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my @lines = eval { $do->() };
    spew($file, join '', map { "$_\n" } @lines, $@ ? (0, "it died: $@") : ());
    POSIX::_exit(0);
}

sub signins { # a list of [number, words of a line]
    my ($n, $first) = @_;
    my $r = Smarter::Test::run({}, $program, 'make', env('SMARTER_INI'), "$var/tls/idp.key", "$var/tls/idp.pem", $n, SEALED);
    die "signins: $r->{err}\n" if $r->{exit};
    return map { [$first++, split] } split /\n/, $r->{out};
}

# Sign so many in at that server, by so many browsers at once. How many got in, and complaints.
sub sign_them_in {
    my ($server, $n, $browsers) = @_;
    my ($done, @bad) = (0);
    for (my $first = 0; $first < $n; $first += AT_ONCE) {
        my @lines = signins($n - $first < AT_ONCE ? $n - $first : AT_ONCE, $first);
        my @files = map { "$server->{dir}/browser$_" } 1 .. $browsers;
        my @pids = map { my $i = $_; apart($files[$i], sub { browse($server, @lines[grep { $_ % $browsers == $i } 0 .. $#lines]) }) } 0 .. $#files;
        waitpid $_, 0 for @pids;
        for my $file (@files) {
            my ($some, @complaints) = split /\n/, slurp($file);
            $done += $some;
            push @bad, @complaints;
        }
    }
    return ($done, @bad);
}

# The same in the background: what $them->() returns when it is done.
sub begin_with {
    my ($server, $browsers) = @_;
    my $count = $count{ $server->{kind} };
    my ($file, $begun) = ("$server->{dir}/signed-in", time);
    my $pid = apart($file, sub { my @told = sign_them_in($server, $count, $browsers); return @told, sprintf '%.0f s', time - $begun });
    return sub {
        waitpid $pid, 0;
        my ($done, @bad) = split /\n/, slurp($file);
        my $took = @bad && $bad[-1] =~ /\A\d+ s\z/ ? pop @bad : '';
        $count == 500 ? note($took) : diag("$server->{kind}: $count in $took");
        is($done, $count, "$count signed in");
        is(scalar @bad, 0, 'and every session did as it should') or diag(map { "$_\n" } @bad[0 .. ($#bad > 9 ? 9 : $#bad)]);
    };
}

sub first_of { my ($n, @all) = @_; return @all > $n ? @all[0 .. $n - 1] : @all }

# Both at once: much of it is waiting.
my %server = (thread => Smarter::Sanitized->new('thread', $verifier->ini));
my %them = (thread => begin_with($server{thread}, 12));
$server{memory} = Smarter::Sanitized->new('memory', $verifier->ini);
$them{memory} = begin_with($server{memory}, 4);

subtest 'threads' => sub {
    $them{thread}->();
    my @findings = $server{thread}->stop;
    is(scalar @findings, 0, 'no race of ours') or diag(map { substr($_, 0, 6000) . "\n" } first_of(3, @findings));
};

subtest 'memory' => sub {
    $them{memory}->();
    my $server = $server{memory};
    my @ended = $server->stop;
    is("@ended", '', 'no process ended badly');
    my ($wrong, $lost, $looked) = $server->memory;
    cmp_ok($looked, '>=', 2, 'valgrind has looked through the memory of both processes at their end');
    is(scalar @$wrong, 0, 'no wrong access') or diag(map { "$_\n" } first_of(3, @$wrong));
    my @each = grep { $_->[0] >= $count{memory} / (4 * @visits) } @$lost;
    is(scalar @each, 0, 'nothing is lost with each sign-in or visit, by us or by libraries') or diag(map { "$_->[1]\n" } @each);
    my @ours = grep { $_->[1] =~ /libsb|mod_smarter/ && $_->[1] !~ /sb_saml_make|lasso_init/ } @$lost;
    is(scalar @ours, 0, 'nothing is lost by us at all') or diag(map { "$_->[1]\n" } first_of(6, @ours));
    ok(-s "$server->{dir}/access.log", 'and it is the watched server that answered');
};

growth() if $ENV{SIGNINS_GROWTH};

# What valgrind does not call lost, since somebody still knows of it. KiB of each process after so many sign-ins.
sub growth {
    subtest 'growth' => sub {
        my ($server, $count) = (Smarter::Sanitized->new('none', $verifier->ini), $count{thread});
        my $sizes = sub { return map { my ($kib) = slurp("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m; ($_ => $kib) } $server->children };
        my ($all, @after) = (0);
        for my $part (6, 2, 2) {    # tenths; the first fill what is kept of sessions, which has an upper bound
            my ($done, @bad) = sign_them_in($server, $count * $part / 10, 12);
            is("$done @bad", $count * $part / 10 . ' ', "$done signed in");
            $all += $done;
            push @after, { $sizes->() };
            diag(sprintf 'after %d: %s KiB', $all, join ' ', map { $after[-1]{$_} } sort keys %{ $after[-1] });
        }
        is_deeply([sort keys %{ $after[-1] }], [sort keys %{ $after[0] }], 'the processes are the same');
        cmp_ok($after[-1]{$_}, '<', $after[0]{$_} + $ENV{SIGNINS_GROWTH}, "process $_ does not grow") for sort keys %{ $after[0] };
        is(join(' ', $server->stop), '', 'and none ended badly');
    };
}

finish();
