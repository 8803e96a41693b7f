package Smarter::Test;

# What tests against the running stack share: the stack's addresses, SQL, HTTP with cookies, sign-in
# through the real identity provider, packages for the loader, and the check that no log holds a
# warning the test did not expect. Core Perl only; curl and psql do the work.
#
#   use Test::More;
#   use Smarter::Test;
#   my $jar = sign_in('school');
#   is(get('/data/academic_year', jar => $jar)->{status}, 200, 'a school user may ask');
#   finish();            # instead of done_testing(): also judges the logs
#
# Run by ./smarterctl test [PATH], which gives it a stack of its own.

use strict;
use warnings;
use Exporter 'import';
use Cwd ();
use Fcntl ':seek';
use File::Basename qw(basename dirname);
use File::Copy ();
use File::Path ();
use File::Spec;
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    env url top need tmpdir slurp spew
    sql sql_one quote
    http http_all get post post_json json jar cookie
    user add_user sign_in idp_answer deliver_answer
    wait_until
    run_program datagen make_package drop_package batch_status
    worker_pid kill_worker server_pid stack
    allow_log log_since security_events security_texts query_value finish
);

my $top = dirname(dirname(dirname(dirname(Cwd::abs_path(__FILE__)))));
my %env;

# The directory of the checkout.
sub top { return $top }

# A value of `smarterctl env`; dies on a name it does not print.
sub env {
    my ($name) = @_;
    load_env() unless %env;
    die "smarterctl env prints no $name\n" unless exists $env{$name};
    return $env{$name};
}

sub load_env {
    open my $in, '-|', "$top/smarterctl", 'env' or die "smarterctl env: $!\n";
    while (<$in>) {
        chomp;
        my ($name, $value) = split /=/, $_, 2;
        $value =~ s/\A'(.*)'\z/$1/s;
        $env{$name} = $value;
    }
    close $in or die "smarterctl env failed\n";
}

# The address of a path of the application.
sub url {
    my ($path) = @_;
    return $path if $path =~ /\Ahttps?:/;
    return env('SMARTER_URL') . $path;
}

# A value of an address's query, decoded; undef: it has none.
sub query_value {
    my ($url, $name) = @_;
    my ($value) = $url =~ /[?&]$name=([^&]*)/ or return undef;
    $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $value;
}

# need('httpd', 'workers'): fail this test at once, with the remedy, when a part is not there.
sub need {
    my @parts = @_;
    my ($out) = stack_output('status');
    for my $part (@parts) {
        next if $out =~ /^\Q$part\E\s+running/m;
        Test::More::fail("$part is running: ./smarterctl up starts it; ./smarterctl test has its own");
        Test::More::done_testing();
        exit 1;
    }
}

# ---- files ------------------------------------------------------------------------------------

# A directory that goes away with the test; the loader's user may write there.
sub tmpdir {
    my $base = env('SMARTER_VAR') . '/tmp';
    File::Path::make_path($base);
    chmod 0711, $base;
    my $dir = File::Temp::tempdir('t-XXXXXX', DIR => $base, CLEANUP => 1);
    chmod 0755, $dir;
    loaders($dir);
    return $dir;
}

# Give files to the loader's user.
sub loaders {
    return if $> != 0;
    my (undef, undef, $uid, $gid) = getpwnam(env('SMARTER_LOADER_USER'));
    chown $uid, $gid, @_;
}

sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($path, $text) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    return $path;
}

# ---- database ---------------------------------------------------------------------------------

# sql('SELECT ...'): rows as array references, NULL as undef. An option hash may come first:
# sql({ user => 'smarter_web', password => ... }, 'SELECT ...'); or database => ... Dies with the server's complaint.
sub sql {
    my $opt = ref $_[0] ? shift : {};
    my ($query) = @_;
    local $ENV{PGHOST} = env('PGHOST');
    local $ENV{PGPORT} = env('PGPORT');
    local $ENV{PGDATABASE} = $opt->{database} // env('PGDATABASE');
    local $ENV{PGUSER} = $opt->{user} // env('PGUSER');
    local $ENV{PGPASSWORD} = $opt->{password} // env('PGPASSWORD');
    local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
    local $ENV{PGCONNECT_TIMEOUT} = 5;
    my $r = run({}, 'psql', '-XqAt', '-F', "\x1f", '-R', "\x1e", '-P', "null=\x1d",
        '-v', 'ON_ERROR_STOP=1', '-c', $query);
    die "SQL failed: $r->{err}in: $query\n" if $r->{exit} != 0;
    my $out = $r->{out};
    utf8::decode($out);
    chomp $out;
    return map {
        [map { $_ eq "\x1d" ? undef : $_ } split /\x1f/, $_, -1]
    } split /\x1e/, $out;
}

# The first value of the first row, or undef.
sub sql_one {
    my ($row) = sql(@_);
    return $row ? $row->[0] : undef;
}

# A text as SQL literal.
sub quote {
    my ($text) = @_;
    return 'NULL' unless defined $text;
    $text =~ s/'/''/g;
    return "'$text'";
}

# ---- HTTP -------------------------------------------------------------------------------------

my $scratch;

sub scratch {
    $scratch //= File::Temp::tempdir(CLEANUP => 1);
    return "$scratch/$_[0]";
}

# A new, empty cookie jar.
my $jars = 0;

sub jar {
    my $path = scratch('jar' . ++$jars);
    spew($path, '');
    return $path;
}

# The value of a cookie in a jar, by name or pattern; undef when it has none.
sub cookie {
    my ($jar, $name) = @_;
    my $pattern = ref $name ? $name : qr/\A\Q$name\E\z/;
    for (split /\n/, slurp($jar)) {
        s/\A#HttpOnly_//;
        my @f = split /\t/;
        return $f[6] if @f == 7 && $f[5] =~ $pattern;
    }
    return undef;
}

# http(METHOD, path or URL, options): one exchange by curl, answered as
#   { status, headers => { lower-case name => last value }, cookies => [Set-Cookie values],
#     body, url => where it ended, time => seconds, error => curl's complaint when status is 0 }
# Options: jar => cookie file (read and written), headers => { name => value },
#   form => { name => value }, json => data, body => octets, follow => 1, timeout => seconds,
#   type => Content-Type of body, args => [more for curl].
sub http {
    my ($method, $where, %opt) = @_;
    my ($head, $body, $sent) = map { scratch("$_.$$") } 'head', 'body', 'data';    # children of a test may ask, too
    unlink $head, $body;
    my @args = ('-sS', '-X', $method, '-D', $head, '-o', $body, '-m', $opt{timeout} // 30,
        '--cacert', env('SMARTER_CA'), '--path-as-is', '--globoff',
        '-w', '%{http_code} %{time_total} %{url_effective}');
    push @args, '-I' if $method eq 'HEAD';
    push @args, '-b', $opt{jar}, '-c', $opt{jar} if $opt{jar};
    # A redirect after a POST is fetched by GET, as browsers do.
    push @args, '-L', '--max-redirs', 10 if $opt{follow};
    if ($opt{follow} && $method ne 'GET') {
        splice @args, 1, 2;
        push @args, '-X', $method if $method ne 'POST';
    }
    my %headers = %{ $opt{headers} // {} };
    my $data = $opt{body};
    if ($opt{form}) {
        $data = join '&', map { "$_=" . percent($opt{form}{$_}) } sort keys %{ $opt{form} };
        $headers{'Content-Type'} //= 'application/x-www-form-urlencoded';
    }
    elsif (exists $opt{json}) {
        $data = JSON::PP->new->utf8->canonical->encode($opt{json});
        $headers{'Content-Type'} //= 'application/json';
        $headers{Accept} //= 'application/json';
    }
    $headers{'Content-Type'} = $opt{type} if defined $opt{type};
    $headers{Expect} //= '';
    push @args, '--data-binary', '@' . spew($sent, $data) if defined $data;
    push @args, '-H', $headers{$_} eq '' ? "$_:" : "$_: $headers{$_}" for sort keys %headers;
    my $r = run({}, 'curl', @args, @{ $opt{args} // [] }, url($where));
    my ($status, $time, $end) = $r->{out} =~ /\A(\d+) (\S+) (.*)\z/s;
    return { answer_of($head, $body), status => ($status // 0) + 0, time => $time, url => $end, error => $r->{err} };
}

sub answer_of {
    my ($head, $body) = @_;
    my %answer = (status => 0, headers => {}, cookies => [], body => -e $body ? slurp($body) : '');
    for (split /\r?\n/, -e $head ? slurp($head) : '') {
        if (m{\AHTTP/\S+ (\d+)}) {
            $answer{status} = $1 + 0;
            $answer{headers} = {};    # of the last answer only; cookies of all
        }
        elsif (/\A([^:]+):\s*(.*?)\s*\z/) {
            $answer{headers}{ lc $1 } = $2;
            push @{ $answer{cookies} }, $2 if lc $1 eq 'set-cookie';
        }
    }
    return %answer;
}

# http_all([METHOD, path, jar => ..., json => data], ...): many exchanges over a few connections, for tests
# with hundreds of them; the answers in their order, with status, headers, body. Jars are only read. More connections
# at once: local $Smarter::Test::AT_ONCE = 100.
our $AT_ONCE = 8;

sub http_all {
    my @requests = @_;
    my $config = '';
    my $text = sub { my ($v) = @_; $v =~ s/([\\"])/\\$1/g; return "\"$v\"" };
    my $dir = File::Temp::tempdir(DIR => scratch(''), CLEANUP => 1);
    for my $i (0 .. $#requests) {
        my ($method, $path, %opt) = @{ $requests[$i] };
        my %option = (url => url($path), request => $method, output => "$dir/b$i", 'dump-header' => "$dir/h$i",
            cacert => env('SMARTER_CA'), 'max-time' => 60);
        $option{'data-raw'} = JSON::PP->new->utf8->canonical->encode($opt{json}) if exists $opt{json};
        my @headers = ('Expect:', exists $opt{json} ? ('Content-Type: application/json', 'Accept: application/json') : ());
        push @headers, map { "$_: $opt{headers}{$_}" } sort keys %{ $opt{headers} // {} };
        push @headers, 'Cookie: ' . join '; ', map { my @f = split /\t/; @f == 7 ? "$f[5]=$f[6]" : () }
            map { s/\A#HttpOnly_//r } split /\n/, slurp($opt{jar}) if $opt{jar};
        $config .= join('', $i ? "next\n" : '', map { "$_ = " . $text->($option{$_}) . "\n" } sort keys %option)
            . join('', map { 'header = ' . $text->($_) . "\n" } @headers) . "globoff\npath-as-is\n";
    }
    my $r = run({}, 'curl', '-sS', '-Z', $AT_ONCE > 8 ? '--parallel-immediate' : (), '--parallel-max', $AT_ONCE, '-K', spew("$dir/config", $config));
    return map { { answer_of("$dir/h$_", "$dir/b$_"), error => $r->{err} } } 0 .. $#requests;
}

sub get { return http('GET', @_) }

sub post { return http('POST', @_) }

# post_json(path, data, options)
sub post_json {
    my ($where, $data, %opt) = @_;
    return http('POST', $where, json => $data, %opt);
}

# The body as data; dies, showing the body, when it is no JSON.
sub json {
    my ($answer) = @_;
    my $data = eval { JSON::PP->new->utf8->decode($answer->{body}) };
    die "not JSON (status $answer->{status}): " . substr($answer->{body}, 0, 300) . "\n" if $@;
    return $data;
}

sub percent {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub unhtml {
    my ($text) = @_;
    $text =~ s/&lt;/</g;
    $text =~ s/&gt;/>/g;
    $text =~ s/&quot;/"/g;
    $text =~ s/&#0*39;|&apos;/'/g;
    $text =~ s/&amp;/&/g;
    return $text;
}

# ---- sign-in ----------------------------------------------------------------------------------

my (%added, $users_before);

# add_user(kind, chains...): one more sign-in at the identity provider until the test ends. A chain is a
# memberOf value, 17 fields between bars, or [role, tenant, state, district, school] with undef for no place.
sub add_user {
    my ($kind, @chains) = @_;
    my $file = env('SMARTER_VAR') . '/idp/users';
    $users_before //= slurp($file);
    $added{$kind} = ["t-$kind", "$kind-pw"];
    @chains = map { my ($role, $tenant, $state, $district, $school) = ref $_ ? map { $_ // '' } @{$_}[0 .. 4] : ();
        ref $_ ? "||$role||||||$tenant|$state|||$district||||$school||" : $_ } @chains;
    open my $out, '>>', $file or die "$file: $!\n";
    print {$out} join(' ', @{ $added{$kind} }, $kind, 'Tess', "T-$kind", @chains), "\n";
    close $out or die "$file: $!\n";
}

# The text goes back into the same file: the identity provider's user owns it.
END {
    my $status = $?;
    spew(env('SMARTER_VAR') . '/idp/users', $users_before) if defined $users_before;
    $? = $status;
}

# (user, password) of a kind of SMARTER_USERS (state, district, school, norole, ...) or of add_user().
sub user {
    my ($kind) = @_;
    return @{ $added{$kind} } if $added{$kind};
    for (split / /, env('SMARTER_USERS')) {
        my ($user, $password, $have) = split /:/;
        return ($user, $password) if $have eq $kind;
    }
    die "SMARTER_USERS has nobody of kind '$kind'\n";
}

# idp_answer(kind, jar => ..., start => path): go to the identity provider and sign in there; returns
# the form it would post to us: { action, SAMLResponse, RelayState, jar }. start => undef asks the
# identity provider directly (an answer nobody asked for).
sub idp_answer {
    my ($kind, %opt) = @_;
    my ($user, $password) = user($kind);
    my $jar = $opt{jar} // jar();
    my $start = exists $opt{start} ? $opt{start} : '/login';
    $start //= env('SMARTER_IDP_URL') . '/saml2/idp/SSOService.php?spentityid=' . percent(url('/saml_post'));
    my $page = get($start, jar => $jar, follow => 1, headers => { Accept => 'text/html' });
    if ($page->{body} !~ /name="SAMLResponse"/) {
        my ($state) = $page->{body} =~ /name="AuthState" value="([^"]*)"/
            or die "no sign-in form at $page->{url} (status $page->{status}): "
            . substr($page->{body}, 0, 300) . "\n";
        (my $where = $page->{url}) =~ s/\?.*//s;
        $page = post($where, jar => $jar, follow => 1,
            form => { username => $user, password => $password, AuthState => unhtml($state) });
    }
    my %form = (jar => $jar);
    ($form{action}) = map { unhtml($_) } $page->{body} =~ /<form[^>]*\baction="([^"]*)"/;
    for my $name (qw(SAMLResponse RelayState)) {
        my ($value) = $page->{body} =~ /name="$name" value="([^"]*)"/ or next;
        $form{$name} = unhtml($value);
    }
    die "the identity provider gave $user no answer: " . substr($page->{body}, 0, 500) . "\n"
        unless defined $form{SAMLResponse};
    return \%form;
}

# Post such a form, as the browser would; options as for http().
sub deliver_answer {
    my ($form, %opt) = @_;
    my %fields = map { defined $form->{$_} ? ($_ => $form->{$_}) : () } qw(SAMLResponse RelayState);
    return post($form->{action}, jar => $form->{jar}, form => \%fields, %opt,
        headers => { Origin => env('SMARTER_IDP_URL'), 'Sec-Fetch-Site' => 'cross-site', %{ $opt{headers} // {} } });
}

# sign_in(kind): the whole way; returns the cookie jar. Dies when it does not end in a session.
sub sign_in {
    my ($kind, %opt) = @_;
    my $form = idp_answer($kind, %opt);
    my $answer = deliver_answer($form);
    die "sign-in of $kind failed: $answer->{status} " . substr($answer->{body}, 0, 300) . "\n"
        unless $answer->{status} =~ /\A(200|302|303)\z/ && cookie($form->{jar}, qr/\A__Host-smarter/);
    return $form->{jar};
}

# ---- waiting ----------------------------------------------------------------------------------

# wait_until(seconds, what, sub): the sub's first true value. Dies when the time is up.
sub wait_until {
    my ($seconds, $what, $try) = @_;
    my $end = time + $seconds;
    while (1) {
        my $got = $try->();
        return $got if $got;
        die "waited $seconds s in vain for: $what\n" if time > $end;
        sleep 0.1;
    }
}

# ---- programs ---------------------------------------------------------------------------------

# run({ stdin, env, timeout }, command...): { exit, signal, out, err }
sub run {
    my ($opt, @command) = @_;
    my $out = File::Temp->new;
    my $err = File::Temp->new;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp;
        open STDIN, '<', $opt->{stdin} // '/dev/null';
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err;
        %ENV = (%ENV, %{ $opt->{env} // {} });
        { no warnings; exec @command; }
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }
    return { pid => $pid, files => [$out, $err] } if $opt->{background};
    local $SIG{ALRM} = sub { kill 'KILL', -$pid };
    alarm($opt->{timeout} // 300);
    waitpid $pid, 0;
    alarm 0;
    return { exit => $? >> 8, signal => $? & 127, out => slurp("$out"), err => slurp("$err") };
}

# run_program([options,] 'smarter-worker-udl', args...): a program of SMARTER_SBIN, with the stack's
# ini in its environment, as the user who runs it in the stack. Options: stdin, env, timeout,
# background => 1 (returns { pid } at once), as_me => 1 (not as the loader's user).
sub run_program {
    my $opt = ref $_[0] ? shift : {};
    my ($name, @args) = @_;
    my @as = ();
    if ($> == 0 && !$opt->{as_me}) {
        my $user = env('SMARTER_LOADER_USER');
        @as = ('setpriv', '--reuid', $user, '--regid', $user, '--clear-groups');
    }
    my %more = (SMARTER_INI => env('SMARTER_INI'), %{ $opt->{env} // {} });
    return run({ %$opt, env => \%more }, @as, env('SMARTER_SBIN') . "/$name", @args);
}

# ---- packages for the loader ------------------------------------------------------------------

# datagen(args...): runs smarter-datagen with --out in a new directory, which it returns; say --pack
# for packages. Dies with its complaint.
sub datagen {
    my (@args) = @_;
    my $dir = tmpdir();
    my $r = run_program({ env => gpg_env() }, 'smarter-datagen', @args, '--out', $dir);
    die "smarter-datagen failed ($r->{exit}): $r->{err}\n" if $r->{exit} != 0;
    return $dir;
}

sub gpg_env {
    return { map { $_ => env($_) } qw(SMARTER_GPG_SENDER_HOME SMARTER_GPG_RECIPIENT) };
}

# make_package(file, { 'name.csv' => octets, 'name.json' => octets }, options): a tar.gz.gpg as a
# state would send it. Options: sign => 0, recipient => fingerprint, home => key ring.
# Member names are used as they are ("../x" stays "../x").
sub make_package {
    my ($file, $members, %opt) = @_;
    my $dir = tmpdir();
    my $n = 0;
    my @tar = ();
    for my $name (sort keys %$members) {
        my $part = 'm' . $n++;
        spew("$dir/$part", $members->{$name});
        push @tar, [$part, $name];
    }
    my @rename = map { ('--transform', "s\x01^$_->[0]\$\x01$_->[1]\x01") } @tar;
    my $r = run({}, 'tar', '-czPf', "$dir/p.tar.gz", '-C', $dir, @rename, map { $_->[0] } @tar);
    die "tar: $r->{err}" if $r->{exit};
    encrypt("$dir/p.tar.gz", $file, %opt);
    return $file;
}

# Sign and encrypt one file as a state would.
sub encrypt {
    my ($in, $out, %opt) = @_;
    my $home = $opt{home} // env('SMARTER_GPG_SENDER_HOME');
    my $r = run({}, 'gpg', '--homedir', $home, '--batch', '--yes', '--quiet', '--no-tty', '-z', '0',
        '--trust-model', 'always', ($opt{sign} // 1) ? '--sign' : (), '--encrypt',
        '-r', $opt{recipient} // env('SMARTER_GPG_RECIPIENT'), '-o', $out, $in);
    # Key rings belong to the loader's user, who could not read what root leaves in them.
    loaders(glob "$home/*");
    die "gpg: $r->{err}" if $r->{exit};
    chmod 0644, $out;
}

# drop_package(file, options): put it into arrivals as one step, as a transfer with a temporary name
# does; returns its name there. Options: name => other name, tenant => other tenant.
sub drop_package {
    my ($file, %opt) = @_;
    my $dir = env('SMARTER_ARRIVALS') . '/' . ($opt{tenant} // env('SMARTER_TENANT'));
    my $name = $opt{name} // basename($file);
    File::Copy::copy($file, "$dir/.$name.part") or die "$dir/.$name.part: $!\n";
    chmod 0644, "$dir/.$name.part";
    loaders("$dir/.$name.part");
    rename "$dir/.$name.part", "$dir/$name" or die "$dir/$name: $!\n";
    return $name;
}

# The last load_status of a package by its file name, or undef while nobody has seen it.
sub batch_status {
    my ($name) = @_;
    return sql_one('SELECT s.load_status FROM udl2.package p JOIN edware_stats.udl_stats s USING (batch_guid)'
        . " WHERE p.path LIKE '%/' || " . quote($name) . ' ORDER BY s.rec_id DESC LIMIT 1');
}

# ---- processes of the stack -------------------------------------------------------------------

# The pid of a supervised program (udl-trigger, worker-udl1, conductor), undef between two runs.
sub worker_pid {
    my ($name) = @_;
    my $record = env('SMARTER_VAR') . "/run/workers/$name";
    open my $in, '<', $record or return undef;
    my $pid = <$in>;
    return defined $pid && $pid =~ /\A(\d+)/ ? $1 : undef;
}

# kill_worker(name, signal = KILL): its supervisor starts another one. Returns the pid that died.
sub kill_worker {
    my ($name, $signal) = @_;
    my $pid = wait_until(10, "$name to run", sub { worker_pid($name) });
    kill $signal // 'KILL', $pid;
    wait_until(20, "$name to end", sub { !-d "/proc/$pid" || slurp("/proc/$pid/stat") =~ /\) [ZX] / });
    return $pid;
}

# The pid of a server process: postgres, memcached1, memcached2, rabbitmq, idp, httpd.
sub server_pid {
    my ($name) = @_;
    my ($pid) = slurp(env('SMARTER_VAR') . "/run/$name.pid") =~ /\A(\d+)/;
    return $pid;
}

# stack('restart', 'httpd'): smarterctl; dies with its output when it fails.
sub stack {
    my ($out, $exit) = stack_output(@_);
    disturb() if grep { /\A(?:postgres|rabbitmq)\z/ } @_;
    die "smarterctl @_ failed ($exit): $out\n" if $exit;
    return $out;
}

sub stack_output {
    my $r = run({ timeout => 600 }, "$top/smarterctl", @_);
    return ($r->{out} . $r->{err}, $r->{exit});
}

# ---- logs -------------------------------------------------------------------------------------

my %seen;
my @allowed;

sub logs { return grep { !m{/(access|packages|build|web|initdb|tls|gpg|rabbitmq|epmd|idp|postgres)} } glob(env('SMARTER_VAR') . '/log/*.log') }

# Remember where the logs end: called when the test starts.
sub mark_logs { %seen = map { $_ => -s $_ } logs() }

# allow_log(pattern): lines this test provokes on purpose, e.g. allow_log(qr/no=2215\b/).
sub allow_log { push @allowed, @_ }

# Lines written since the test began, of the logs whose name starts with the given text.
sub log_since {
    my ($name) = @_;
    my @lines;
    for my $log (logs()) {
        next if defined $name && basename($log) !~ /\A\Q$name\E/;
        open my $in, '<:raw', $log or next;
        my $from = $seen{$log} // 0;
        seek $in, $from <= -s $log ? $from : 0, SEEK_SET;
        push @lines, map { chomp; $_ } <$in>;
    }
    return @lines;
}

# Security events since the last call of this or the next one, decoded.
my $events_seen = 0;

sub security_events {
    my @all = log_since('security');
    my @new = map { JSON::PP->new->utf8->decode($_) } @all[$events_seen .. $#all];
    $events_seen = @all;
    return @new;
}

# What those of a type say: 1 warnings, 0 the rest.
sub security_texts {
    my ($type) = @_;
    return map { $_->{msg}{msg} } grep { $_->{msg}{type} == $type } security_events();
}

sub is_complaint {
    my ($line) = @_;
    return 1 if $line =~ /\A\[[^\]]+\] \[[\w-]*:(?:warn|error|crit|alert|emerg)\]/;
    return 1 if $line =~ /"level":\s*"(?:warn|warning|error|crit)"/;
    return 1 if $line =~ /AddressSanitizer|runtime error:|Assertion .* failed|GLib-.*(?:CRITICAL|WARNING)|ended with status/;
    return 0;
}

# Send a signal to a child of ours, with '-' before its name to its whole group, and wait for its end: its status,
# or "signal N".
sub end_process {
    my ($pid, $signal) = @_;
    kill $signal, $pid;
    my $end = time + 20;
    while (time < $end) {
        return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        sleep 0.02;
    }
    return 'still running';
}

# Note that this test stops or crashes a server under the feet of the stack's workers: they notice at their
# next scan, which may be in the next test.
sub disturb { spew(disturbed(), time) }

# When that last happened.
sub disturbed { return env('SMARTER_VAR') . '/run/disturbed' }

# The last words of a test: judge the logs, then done_testing.
sub finish {
    if (-e disturbed() && time - slurp(disturbed()) < 300) {
        # Idle connections notice when next used.
        allow_log(qr/"no":"SB(?:12\d\d|14\d\d|23[56]\d|4554|4002|4022|43\d\d)","program":"smarter-(?:job-relay|udl-trigger|udl-notify|worker-\w+|migrate-conductor)"/);
        # Who asks each minute whether it is due says that it cannot know, and is started again.
        allow_log(qr/"level":"warn","no":"SB4504","program":"smarter-(?:hpz|extract)-cleanup"/, qr/smarter-(?:hpz|extract)-cleanup ended with status 75/);
    }
    my @bad = grep {
        my $line = $_;
        is_complaint($line) && !grep { $line =~ $_ } @allowed
    } log_since();
    Test::More::is(scalar @bad, 0, 'the logs hold no unexpected warning')
        or Test::More::diag(join "\n", @bad > 20 ? (@bad[0 .. 19], '...') : @bad);
    Test::More::done_testing();
}

mark_logs();

1;
