package Smarter::Sanitized;

# A second httpd beside the stack's, whose mod_smarter and libsb are built with a sanitizer. It has ports
# of its own; databases, caches, identity provider and sessions are the stack's, so that a jar from
# sign_in() is good here, too.
#
#   my $server = Smarter::Sanitized->new('address');     # or 'thread', 'memory' (valgrind), 'none'; builds first, if need be
#   my $server = Smarter::Sanitized->new('none', 'auth.home' => '/x');     # what else its ini says
#   my $answer = get($server->url('/data'), jar => $jar);
#   my @findings = $server->stop;                        # reports of the sanitizer, each with its stacks
#
#   my $zone = Smarter::Sanitized->pickup('thread');     # both faces of the pickup zone instead: url(), and inside()
#   my $worker = Smarter::Sanitized->program('thread', 'smarter-worker-extract', '-c', $ini);    # a program of ours
#
# httpd and the libraries of others are not built with it: their memory is not watched, and what they
# would be blamed for stands in %suppressed with the reason. Use of APR's pools is watched by the thread checker
# all the same (pools.c).

use strict;
use warnings;
use Fcntl qw(LOCK_EX);
use IO::Socket::INET;
use Smarter::Test qw(:DEFAULT !url);
use Smarter::Wire;
use Time::HiRes qw(sleep time);

my %kinds = (
    address => { flags => '--enable-asan', library => 'libasan.so', build => 'asan' },
    thread => { flags => '--enable-tsan', library => 'libtsan.so', build => 'tsan' },
    memory => { build => 'build', valgrind => 1 },    # as the stack's own, one process, every access and block watched
    none => { build => 'build' },    # as the stack's own, for what is measured
);

# Frames that end the blame, with why it is not ours.
my %suppressed = ('race:ap_queue_info_push_pool' => "a connection's pool goes to the next thread by an atomic operation, which the checker does not see");

sub new { my ($class, $kind, %ini) = @_; return $class->made($kind, 'httpd', %ini) }

sub pickup { my ($class, $kind, %ini) = @_; return $class->made($kind, 'pickup', %ini) }

sub made {
    my ($class, $kind, $part, %ini) = @_;
    my $self = bless { kind => $kind, part => $part, dir => tmpdir(), ini => \%ini, %{ $kinds{$kind} } }, $class;
    mkdir "$self->{dir}/found";
    chmod 01777, "$self->{dir}/found";    # children write there, under another user
    $self->{build} = $self->built($part eq 'pickup' ? 'mod_hpz.la' : 'mod_smarter.la');
    $self->{preload} = $self->preload;
    $self->start;
    return $self;
}

# What the tests want of the thread checker's tree. A full run has it made ahead, beside tests that wait.
sub prepare {
    my $self = bless { kind => 'thread', %{ $kinds{thread} } }, shift;
    $self->built(qw(mod_smarter.la mod_hpz.la smarter-worker-extract));
    return;
}

# Only what is wanted. A full run has built the whole tree with AddressSanitizer already.
sub built {
    my ($self, @what) = @_;
    my $dir = env('SMARTER_VAR') . "/$self->{build}";
    return $dir if !$self->{library};
    my $log = env('SMARTER_VAR') . "/log/build-$self->{build}.log";
    my $top = top();
    mkdir $dir;
    open my $lock, '>', "$dir.lock" or die "$dir.lock: $!\n";
    flock $lock, LOCK_EX or die "$dir.lock: $!\n";
    system("cd '$dir' && { [ -f Makefile ] && [ Makefile -nt '$top/configure' ] || '$top/configure' --enable-werror $self->{flags}; } >>'$log' 2>&1"
        . " && make -j2 @what >>'$log' 2>&1 </dev/null") == 0 or die "the build with the $self->{kind} sanitizer failed; see $log\n";
    qx(nm -D '$dir/.libs/libsb.so') =~ /__[at]san_init/ or die "$dir is not built with a sanitizer\n";
    return $dir;
}

# The sanitizer's library; and for the thread checker what makes use of APR's pools be seen.
sub preload {
    my ($self) = @_;
    return '' if !$self->{library};
    chomp(my $library = qx(gcc -print-file-name=$self->{library}));
    return $library if $self->{kind} ne 'thread';
    my ($so, $source) = ("$self->{dir}/pools.so", top() . '/t/lib/pools.c');
    system("gcc -shared -fPIC -O1 -g -fsanitize=thread \$(apr-1-config --includes --cppflags) -o '$so' '$source'") == 0 or die "$source cannot be built\n";
    return "$library:$so";
}

sub options {
    my ($self) = @_;
    my $to = "log_path=$self->{dir}/found/report";
    return (ASAN_OPTIONS => "detect_leaks=0:handle_abort=1:$to", UBSAN_OPTIONS => "print_stacktrace=1:$to",
        TSAN_OPTIONS => "ignore_noninstrumented_modules=1:report_thread_leaks=0:exitcode=0:history_size=4:suppressions=$self->{dir}/suppressions:$to",
        $self->{valgrind} ? (G_SLICE => 'always-malloc') : ());
}

sub valgrind {
    my ($self) = @_;
    return $self->{valgrind}
        ? ('valgrind', '--leak-check=full', '--show-leak-kinds=definite,indirect', '--num-callers=12', "--log-file=$self->{dir}/found/memory.%p") : ();
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!\n";
    return $socket->sockport;
}

sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    my ($http, $https) = (free_port(), free_port());
    @{$self}{qw(port other_port)} = ($https, $http);
    $self->write_ini;
    my $conf = slurp(env('SMARTER_VAR') . ($self->{part} eq 'pickup' ? '/pickup-external' : '/httpd') . '/httpd.conf');
    $conf =~ s/^Listen .*\n//mg;
    my %set = (ServerRoot => $dir, DefaultRuntimeDir => $dir, PidFile => "$dir/httpd.pid", ErrorLog => "$dir/error.log",
        SSLSessionCache => "shmcb:$dir/tls_cache(512000)");
    $conf =~ s/^$_ .*$/$_ $set{$_}/m for keys %set;
    my %define = (SMARTER_HTTP_PORT => $http, SMARTER_HTTPS_PORT => $https, SMARTER_MODULES => "$self->{build}/.libs",
        SMARTER_INI => "$dir/smarter.ini", SMARTER_LOGDIR => $dir,
        HPZ_INTERNAL_PORT => $http, HPZ_EXTERNAL_PORT => $https, HPZ_MODULES => "$self->{build}/.libs", HPZ_INI => "$dir/smarter.ini", HPZ_LOGDIR => $dir);
    $conf =~ s/^Define $_ .*$/Define $_ $define{$_}/m for keys %define;
    $conf =~ s/^(Define HPZ_)EXTERNAL$/$1EXTERNAL\n$1INTERNAL/m;
    $conf =~ s/^Define \w+_NO_HSTS\n//mg;    # as installed
    if ($self->{valgrind}) {    # it runs one thread at a time anyway
        my %few = (StartServers => 1, ServerLimit => 1, ThreadsPerChild => 8, ThreadLimit => 8, MaxRequestWorkers => 8, MinSpareThreads => 1, MaxSpareThreads => 8);
        $conf =~ s/^$_ .*/$_ $few{$_}/m for keys %few;
    }
    spew("$dir/httpd.conf", "$conf\nListen 127.0.0.1:$http\nListen 127.0.0.1:$https\n");
    spew("$dir/suppressions", join '', map { "$_\n" } sort keys %suppressed);
    # Fixed addresses: the shadow memory wants its place.
    my $r = Smarter::Test::run({ background => 1, env => { LD_PRELOAD => $self->{preload}, LD_LIBRARY_PATH => "$self->{build}/.libs", $self->options } },
        'setarch', '-R', $self->valgrind, '/usr/sbin/apache2', '-f', "$dir/httpd.conf", '-D', 'FOREGROUND');
    $self->{pid} = $r->{pid};
    wait_until(120, 'the sanitized httpd to answer', sub {
        die "it ended: " . slurp($r->{files}[1]) . (-e "$dir/error.log" ? slurp("$dir/error.log") : '') if waitpid($self->{pid}, 1) == $self->{pid};
        get($self->url('/services/ready'))->{status} == 200;
    });
}

# The stack's ini, with lines of its own; change $self->{ini} and call it before graceful().
sub write_ini {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $ini = slurp(env($self->{part} eq 'pickup' ? 'SMARTER_PICKUP_INI' : 'SMARTER_INI'));
    my %own = ('logging.application' => 'none', 'logging.audit' => "file:$dir/audit.log", 'logging.security' => 'none', %{ $self->{ini} });
    $ini =~ s/^logging\..*\n//mg;
    $ini =~ s/^\Q$_\E = .*\n//mg for keys %own;
    my $lines = join '', map { "$_ = $own{$_}\n" } grep { defined $own{$_} } sort keys %own;
    $ini =~ s/^(\[app:main\]\n)/$1$lines/m;
    spew("$dir/smarter.ini", $ini);
    chmod 0640, "$dir/smarter.ini";
    chown 0, (stat env('SMARTER_INI'))[5], "$dir/smarter.ini";
}

sub url { return "https://localhost:$_[0]{port}$_[1]" }

# Of the pickup zone's internal face.
sub inside { return "https://localhost:$_[0]{other_port}$_[1]" }

sub pid { return $_[0]{pid} }

sub children { return split ' ', qx(pgrep -P $_[0]{pid}) }

# New processes, while those under way finish.
sub graceful { kill 'USR1', $_[0]{pid} }

# What the sanitizer has found so far, one text a process, and every process that ended by a signal.
sub findings {
    my ($self) = @_;
    return ((map { slurp($_) } glob "$self->{dir}/found/report*"), slurp("$self->{dir}/error.log") =~ /^(.*AH0005[012]: .*)$/mg);
}

# What valgrind says of the processes that have ended: reports of wrong accesses, and (blocks, report) of memory lost,
# for each place that lost it; and how many processes were looked through at their end.
sub memory {
    my ($self) = @_;
    my (@wrong, @lost);
    my $ended = 0;
    for my $file (glob "$self->{dir}/found/memory.*") {
        my $text = slurp($file) =~ s/^==\d+== ?//mgr;
        $ended += $text =~ /^LEAK SUMMARY:|no leaks are possible/m;
        for my $report (split /\n\s*\n/, $text) {
            if ($report =~ /^[\d,]+(?: \([^)]*\))? bytes in ([\d,]+) blocks are definitely lost/m) {
                push @lost, [$1 =~ tr/,//dr, $report];
            }
            elsif ($report =~ /^   at .* \(strcmp-\w+\.S:.*\n   by .* \(dl-load\.c:/m) {
                next;    # the dynamic linker compares by words
            }
            elsif ($report =~ /^(?:Invalid|Conditional jump|Use of uninit|Mismatched|Syscall param|Source and destination)/m) {
                push @wrong, $report;
            }
        }
    }
    return (\@wrong, \@lost, $ended);
}

# ---- programs ------------------------------------------------------------------------------------------

# program(kind, name, arguments): a program of ours in the background, as the user who runs it in the stack; findings()
# and stop() as of a server.
sub program {
    my ($class, $kind, $name, @args) = @_;
    my $self = bless { kind => $kind, dir => tmpdir(), %{ $kinds{$kind} } }, $class;
    mkdir "$self->{dir}/found";
    chmod 01777, "$self->{dir}/found";
    $self->{build} = $self->built($name);
    spew("$self->{dir}/suppressions", join '', map { "$_\n" } sort keys %suppressed);
    spew("$self->{dir}/error.log", '');
    my ($program) = grep { -x } "$self->{build}/.libs/$name", "$self->{build}/$name";
    my $user = env('SMARTER_LOADER_USER');
    my @as = $> == 0 ? ('setpriv', '--reuid', $user, '--regid', $user, '--clear-groups') : ();
    my $r = Smarter::Test::run({ background => 1, env => { LD_PRELOAD => $self->preload, LD_LIBRARY_PATH => "$self->{build}/.libs", $self->options } },
        'setarch', '-R', @as, $self->valgrind, $program, @args);
    @{$self}{qw(pid files)} = @{$r}{qw(pid files)};
    return $self;
}

# What it has said, to be read when it has ended.
sub said { return join '', map { slurp("$_") } @{ $_[0]{files} } }

# ---- load ----------------------------------------------------------------------------------------------

# A request for each report there is, by the rules the server itself describes; some twice, with filters.
sub requests {
    my ($self, $jar) = @_;
    my $schema = env('SMARTER_SCHEMA');
    my ($district, $school, $student, $year) = @{ (sql("SELECT district_id, school_id, student_id, asmt_year FROM $schema.fact_asmt_outcome_vw"
                . " WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE' ORDER BY 1, 2, 3, 4 DESC LIMIT 1"))[0] };
    my %good = (stateCode => env('SMARTER_STATE'), districtId => $district, schoolId => $school, studentId => $student, asmtYear => 0 + $year,
        academicYear => 0 + $year, asmtType => 'SUMMATIVE', text => 'School', sid => 'x' x 24);
    my @requests = (map { ['GET', $_] } '/data', '/services/userinfo', '/services/ready', '/services/heartbeat', '/services/openapi.json',
        '/data/nothing', '/data/comparing_populations?stateCode=%zz', '/data/comparing_populations?stateCode=ZZ', '/login');
    for my $report (@{ json(get($self->url('/data'), jar => $jar)) }) {
        my $described = json(http('OPTIONS', $self->url("/data/$report"), jar => $jar));
        my @needed = grep { $described->{$_}{required} } sort keys %$described;
        die "$report needs $_: Smarter::Sanitized has no value for it\n" for grep { !exists $good{$_} } @needed;
        my @more = ({}, $described->{sex} ? ({ sex => ['male'] }, { grade => ['03'], ethnicity => ['3'] }) : (),
            map { my $name = $_; $described->{$name} && !$described->{$name}{required} ? { map { $_ => $good{$_} } 'districtId', $name } : () } 'districtId', 'schoolId');
        push @requests, map { ['POST', "/data/$report", { (map { $_ => $good{$_} } @needed), %$_ }] } @more;
    }
    return @requests;
}

# Ask all of them again and again, in several processes, each as one of several users, until stop_load.
sub start_load {
    my ($self, $n, %opt) = @_;
    $self->{jars} = [map { sign_in($_) } qw(state district school general)];
    my @requests = $self->requests($self->{jars}[0]);
    for my $i (1 .. $n) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            open STDERR, '>', "$self->{dir}/load$i.err";
            eval { $self->ask_on($i, @requests) };
            print STDERR $@;
            POSIX::_exit(0);
        }
        push @{ $self->{load} }, $pid;
    }
}

# Each answer's status is counted in a file of this process.
sub ask_on {
    my ($self, $i, @requests) = @_;
    my $wire;
    my %count;
    my $end = 0;
    local $SIG{TERM} = sub { $end = 1 };
    until ($end) {
        my ($method, $path, $data) = @{ $requests[rand @requests] };
        $wire //= Smarter::Wire->new(peer => "localhost:$self->{port}", cookie => Smarter::Wire::cookie_header($self->{jars}[$i % @{ $self->{jars} }]));
        my $answer = eval {
            $wire->request($method, $path, $data ? { 'Content-Type' => 'application/json' } : {}, $data ? JSON::PP->new->encode($data) : undef);
        } // { status => 0 };
        # A heartbeat says 500 when a part is away; nothing else may.
        $count{ $answer->{status} . ($answer->{status} == 500 && $path !~ /heartbeat/ ? " $path" : '') }++;
        undef $wire if !$answer->{status} || $answer->{status} == 401;    # perhaps there is another session by now
        sleep 0.05 if !$answer->{status};
    }
    spew("$self->{dir}/load$i.count", join '', map { "$count{$_} $_\n" } sort keys %count);
}

# Sessions that are gone (a cache was started again) are made anew, under the same names of jars.
sub sign_in_again {
    my ($self) = @_;
    my @kinds = qw(state district school general);
    for my $i (0 .. $#kinds) {
        my $jar = eval { sign_in($kinds[$i]) } // next;
        rename $jar, $self->{jars}[$i];
    }
}

# Sign in and out through this server, whose certificate of the identity provider's answers is the stack's.
sub come_and_go {
    my ($self, $kind) = @_;
    my $form = idp_answer($kind);
    $form->{action} =~ s{^https://[^/]+}{$self->url('')}e;
    my $in = deliver_answer($form);
    my $out = http('POST', $self->url('/logout'), jar => $form->{jar}, headers => { 'Sec-Fetch-Site' => 'same-origin' });
    return "$in->{status} $out->{status}";
}

# How many requests it has answered.
sub answered { return 0 + qx(wc -l < '$_[0]{dir}/access.log') }

# (status => how often)
sub stop_load {
    my ($self) = @_;
    my @load = splice @{ $self->{load} };
    kill 'TERM', @load;
    waitpid $_, 0 for @load;
    my %sum;
    for my $file (glob "$self->{dir}/load*.count") {
        my $text = slurp($file);
        $sum{$2} += $1 while $text =~ /^(\d+) (.*)$/mg;
    }
    return %sum;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    # httpd kills processes that take ten seconds to end, and valgrind looks through all memory then.
    my $patient = $self->{valgrind} && $self->{port};
    my $signal = $patient ? 'WINCH' : 'TERM';
    my $again = 0;
    eval { wait_until($patient ? 120 : 30, 'the sanitized program to end', sub {
        if (time > $again) {    # httpd forgets one that comes while it begins anew, which takes seconds here
            kill $signal, $pid;
            $again = time + 5;
        }
        return waitpid($pid, 1) == $pid && defined($self->{status} = $?) }) } or kill 'KILL', -$pid;
    return $self->findings;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    kill 'KILL', @{ $self->{load} } if @{ $self->{load} // [] };
    kill 'KILL', -$self->{pid} if $self->{pid};
}

1;
