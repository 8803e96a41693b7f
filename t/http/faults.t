# Parts that are down, refuse, or hang: who is told what, how soon, who else notices, and that all is
# well again as soon as the part is, without a restart.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Between;
use Smarter::Test;

need('httpd', 'postgres', 'memcached', 'rabbitmq');

my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');
my $schema = env('SMARTER_SCHEMA');
my ($district, $school, $student, $year) = @{ (sql("SELECT district_id, school_id, student_id, asmt_year FROM $schema.fact_asmt_outcome_vw"
            . " WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE' ORDER BY 1, 2, 3, 4 DESC LIMIT 1"))[0] };
my %report = (    # all that ask the database each time
    academic_year => {},
    comparing_populations => {},
    list_of_students => { districtId => $district, schoolId => $school },
    individual_student_report => { studentId => $student, asmtYear => 0 + $year, asmtType => 'SUMMATIVE' },
);

# What waits, and how long at most: short here, and so that one cannot be taken for another. SLACK is for
# a busy machine.
my ($STATEMENT, $REQUEST, $CONNECT, $POOL, $SLACK) = (1, 3, 2, 1, 2);
allow_log(qr/SB(?:12\d\d|1400|161[23]|1740|2002|3010|3023|3030|30[89]\d|3102|3104)\b/,
    qr/"no":"SB(?:4002|4022|43\d\d)"|ended with status 75/);    # the workers notice, too

# ---- the stack, with our port before the tenant's database, and a second tenant that has none ----------
my $ini_file = env('SMARTER_INI');
my $ini = slurp($ini_file);
my $database = Smarter::Between->new(env('PGPORT'));
my $broker = Smarter::Between->new((slurp($ini_file) =~ m{^udl2\.broker\.url = amqp://[^@\n]*@[^:\n]+:(\d+)}m)[0]);

sub with_settings {
    my (%more) = @_;
    my ($url) = $ini =~ /^edware\.db\.\Q$tenant\E\.url = (\S+)$/m or die 'no database in the ini';
    my %set = ((map { $_ => $url =~ s/(\@[^:\/]+):\d+/"$1:" . $database->port/er } "edware.db.$tenant.url", 'jobs.db.url'), 'edware.db.zz.url' => $url,
        'extract.celery_timeout' => $REQUEST, 'extract.request_timeout' => $REQUEST,
        'edware.db.zz.schema_name' => $schema, 'edware.db.zz.state_code' => 'ZZ', 'edware.db.pool_size' => 4,
        'edware.db.statement_timeout' => "${STATEMENT}s", 'edware.db.request_timeout' => "${REQUEST}s",
        'edware.db.connect_timeout' => "${CONNECT}s", 'edware.db.pool_timeout' => "${POOL}s", %more);
    my $text = $ini;
    $text =~ s{^(udl2\.broker\.url = amqp://[^@\n]*@[^:\n]+):\d+}{"$1:" . $broker->port}em;
    $text =~ s/^\Q$_\E *=.*\n//mg for keys %set;
    $text =~ s/^(\[app:main\]\n)/$1 . join '', map { "$_ = $set{$_}\n" } sort keys %set/em;
    settings($text);
}

# The servers read the ini again: every process that read the old one ends.
sub settings {
    my ($text) = @_;
    my %old = map { $_ => 1 } split ' ', qx(pgrep -P @{[server_pid('httpd')]});
    spew($ini_file, $text);
    stack('reload');
    wait_until(20, 'httpd to have other processes', sub { !grep { $old{$_} } split ' ', qx(pgrep -P @{[server_pid('httpd')]}) });
    wait_until(20, 'httpd to answer', sub { get('/services/ready')->{status} == 200 });
}

END {
    local $?;
    settings($ini) if defined $ini && slurp($ini_file) ne $ini;
}

with_settings();
my %jar = map { $_ => sign_in($_) } qw(state otherstate);

# ---- asking --------------------------------------------------------------------------------------------
sub ask {
    my ($who, $name, %more) = @_;
    return post_json("/data/$name", { stateCode => $who eq 'otherstate' ? 'ZZ' : $state, %{ $report{$name} }, %more }, jar => $jar{$who}, timeout => 60);
}

# Extracts at once and for later, and what was asked for before, which is in the database of jobs.
my %extract = (stateCode => $state, asmtYear => "$year", asmtType => 'SUMMATIVE', asmtSubject => 'Math');
my %jobs = (
    'an extract at once' => ['POST', '/services/extract', json => \%extract], 'an extract for later' => ['POST', '/services/extract', json => { %extract, async => 'true' }],
    'the list of jobs' => ['GET', '/services/jobs'], 'one job' => ['GET', '/services/jobs/11111111-1111-4111-8111-111111111111'],
    'ending one' => ['DELETE', '/services/jobs/11111111-1111-4111-8111-111111111111'],
);
sub ask_jobs {
    my ($method, $path, @more) = @{ $jobs{ $_[0] } };
    return http($method, $path, jar => $jar{state}, headers => { Origin => env('SMARTER_URL') }, timeout => 60, @more);
}

sub refused {
    my ($answer, $secs, $what) = @_;
    subtest "$what: 503" => sub {
        is($answer->{status}, 503, 'the status') or diag($answer->{body});
        is($answer->{headers}{'content-type'}, 'application/problem+json; charset=UTF-8', 'a problem document');
        like($answer->{headers}{'retry-after'}, qr/\A\d+\z/, 'says when to come again');
        unlike($answer->{body}, qr/postgres|memcached|127\.0|timeout|canceling/i, 'no inside of ours');
        cmp_ok($answer->{time}, '<', $secs + $SLACK, "within $secs s");
    };
}

# Everybody else goes on.
sub others_are_well {
    my ($what) = @_;
    for (['GET', '/services/userinfo', 'state'], ['GET', '/services/ready'], ['GET', '/login'], ['GET', '/assets/public/landing.html']) {
        my ($method, $path, $who) = @$_;
        my $answer = http($method, $path, $who ? (jar => $jar{$who}) : ());
        like("$answer->{status} " . ($answer->{time} < $SLACK), qr/\A[23]\d\d 1/, "$what: $path goes on");
    }
    my $answer = ask('otherstate', 'academic_year');
    is($answer->{status} . ' ' . ($answer->{time} < $SLACK ? 'soon' : $answer->{time}), '200 soon', "$what: so does the other tenant");
}

sub is_back {
    my ($what, $first) = @_;
    my $start = time;
    my $answer;
    do { $answer = ask('state', 'academic_year') } until $answer->{status} == 200 || time > $start + 15 || !sleep 0.2;
    is($answer->{status}, 200, "$what: back after " . sprintf('%.1f s', time - $start));
    cmp_ok(time - $start, '<', $first // 3, 'which is soon');
    is(ask('state', $_)->{status}, 200, "$what: $_ works again") for sort keys %report;
    is(ask_jobs('the list of jobs')->{status}, 200, "$what: so does the list of jobs");
}

# Many at once: the answers' statuses with how often, and the longest time.
sub many {
    my ($n, $name) = @_;
    my $dir = tmpdir();
    my $body = spew("$dir/body", JSON::PP->new->encode({ stateCode => $state, %{ $report{$name} } }));
    my $list = spew("$dir/list", join '', map { sprintf qq(url = "%s"\noutput = "$dir/%d"\n), url("/data/$name"), $_ } 1 .. $n);
    my $out = qx(curl -s -Z --parallel-immediate --parallel-max $n -m 60 --cacert '@{[env('SMARTER_CA')]}' -b '$jar{state}' --json '\@$body' -w '%{http_code} %{time_total}\\n' -K '$list' 2>/dev/null);
    my (%codes, $longest);
    for (split /\n/, $out) {
        my ($code, $time) = split / /;
        $codes{$code}++;
        $longest = $time if $time > ($longest // 0);
    }
    return (\%codes, $longest);
}

sub meanwhile {
    my ($do) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        $do->();
        POSIX::_exit(0);
    }
    return $pid;
}

# Several at once: what each returns.
sub at_once {
    my (@do) = @_;
    my $dir = tmpdir();
    my @pids;
    for my $i (0 .. $#do) {
        push @pids, my $pid = fork // die "fork: $!\n";
        next if $pid;
        spew("$dir/$i", JSON::PP->new->utf8->encode($do[$i]->()));
        POSIX::_exit(0);
    }
    waitpid $_, 0 for @pids;
    return map { JSON::PP->new->utf8->decode(slurp("$dir/$_")) } 0 .. $#do;
}

# All of these reports, refused; or extracts, or what is about them.
sub all_refused {
    my ($secs, $what, @names) = @_;
    my @answers = at_once(map { my $name = $_; sub { $jobs{$name} ? ask_jobs($name) : ask('state', $name) } } @names);
    refused($answers[$_], $secs, "$what, $names[$_]") for 0 .. $#names;
}

# No worker thread is left in a request: those that wait for one sit on a condition variable.
sub nobody_is_stuck {
    my ($what) = @_;
    my %busy = (7 => 'poll', 271 => 'ppoll', 45 => 'recvfrom', 47 => 'recvmsg', 0 => 'read', 1 => 'write', 42 => 'connect', 230 => 'sleep', 35 => 'sleep');
    my $parent = server_pid('httpd');
    my $stuck = sub {
        my @found;
        for my $pid (split ' ', qx(pgrep -P $parent)) {
            for my $file (glob "/proc/$pid/task/*/syscall") {
                my ($task) = $file =~ m{task/(\d+)/};
                next if $task == $pid;    # the main thread of a child waits for its end
                my ($call) = (eval { slurp($file) } // '') =~ /\A(\d+)/ or next;
                push @found, "$pid/$task $busy{$call}" if exists $busy{$call};
            }
        }
        return @found;
    };
    my @left;
    my $end = time + 15;    # an idle kept connection holds a thread for 5 s
    sleep 0.3 while (@left = $stuck->()) && time < $end;
    is("@left", '', "$what: no thread is stuck");
}

is(ask('state', $_)->{status}, 200, "$_ works") for sort keys %report;
others_are_well('to begin with');

subtest 'the server begins anew, again and again' => sub {
    my $parent = server_pid('httpd');
    for (1 .. 4) {    # what a module leaves behind in httpd's own memory may lie elsewhere afterwards
        settings(slurp($ini_file));
        is(server_pid('httpd') . ' ' . kill(0, $parent), "$parent 1", 'and is still the same');
        is(ask('state', 'academic_year')->{status}, 200, 'which knows its sessions');
    }
};

# ---- the database ----------------------------------------------------------------------------------------
$database->cut;
refused(ask('state', $_), 0, "the database refuses, $_") for sort keys %report;
refused(ask_jobs($_), 0, "the database refuses, $_") for sort keys %jobs;
others_are_well('the database refuses');
$database->resume;
is_back('the database refused', 1);

$database->stop;
all_refused($REQUEST + 1, 'connections hang', 'academic_year', 'comparing_populations', sort keys %jobs);
my $flood = meanwhile(sub { many(40, 'academic_year') });
sleep 1;
others_are_well('connections hang, under a flood');
waitpid $flood, 0;
my ($codes, $longest) = many(40, 'list_of_students');
is_deeply([keys %$codes], [503], 'all are refused');
cmp_ok($longest, '<', $REQUEST + $CONNECT + $SLACK, "the last after $longest s");
($codes, $longest) = many(40, 'list_of_students');
is_deeply([keys %$codes], [503], 'all are refused again');
cmp_ok($longest, '<', $CONNECT + $SLACK, "the last after $longest s, as only one of them still tries");
$database->resume;
is_back('the database hung');

subtest 'tables are locked' => sub {
    my $tables = sql_one("SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = '$schema'");
    my $lock = Smarter::Test::run({ background => 1, env => { PGHOST => env('PGHOST'), PGPORT => env('PGPORT'), PGDATABASE => env('PGDATABASE'),
                PGUSER => env('PGUSER'), PGPASSWORD => env('PGPASSWORD') } }, 'psql', '-XqAt', '-c', "BEGIN; LOCK TABLE $tables IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)");
    wait_until(10, 'the lock', sub { sql_one("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = '$schema.data_version'::regclass") });
    all_refused($STATEMENT, 'a locked table', sort keys %report);
    my $flood = meanwhile(sub { many(40, 'academic_year') });
    sleep 0.5;
    is(get('/services/userinfo', jar => $jar{state})->{status}, 200, 'others go on');
    waitpid $flood, 0;
    my ($codes, $longest) = many(40, 'list_of_students');
    is_deeply([keys %$codes], [503], 'more than there are connections: all are refused');
    cmp_ok($longest, '<', $POOL + $REQUEST + $SLACK, "the last after $longest s");
    kill 'TERM', -$lock->{pid};
    waitpid $lock->{pid}, 0;
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
    is_back('tables were locked');
};
nobody_is_stuck('a database that fails');

# The server itself: nobody can sign in then, and that is said, too.
subtest 'all of PostgreSQL is stopped' => sub {
    my $form = idp_answer('district');
    my $parent = server_pid('postgres');
    my @processes = ($parent, split ' ', qx(pgrep -P $parent));
    kill 'STOP', @processes;
    Smarter::Test::disturb();
    my ($report, $answer, $heartbeat) = at_once(sub { ask('state', 'academic_year') }, sub { deliver_answer($form) },
        sub { get('/services/heartbeat', timeout => 60) });
    # The request that happens to ask which sessions were ended waits two seconds for that, once in five.
    refused($report, $REQUEST + 2, 'stopped, a report');
    is($answer->{status}, 503, 'stopped, a sign-in');
    like($answer->{headers}{'retry-after'}, qr/\A\d+\z/, 'says when to come again');
    cmp_ok($answer->{time}, '<', 8 + $SLACK, "after $answer->{time} s");
    is($heartbeat->{status}, 500, 'stopped, the heartbeat says so');
    cmp_ok($heartbeat->{time}, '<', 4 * 3 + $SLACK, "after $heartbeat->{time} s");
    is(get('/services/userinfo', jar => $jar{state})->{status}, 200, 'stopped, a session is known');
    kill 'CONT', @processes;
    is_back('stopped', 5);
    ok(eval { sign_in('district') }, 'signing in works again') or diag $@;
};

# ---- the caches ------------------------------------------------------------------------------------------
my @nodes = map { server_pid("memcached$_") } 1, 2;
my $answer;
for my $i (0, 1) {
    my $node = 'node ' . ($i + 1);
    kill 'STOP', $nodes[$i];
    sleep 1.1;    # a process knows a session for a second
    for my $who (sort keys %jar) {
        $answer = ask($who, 'comparing_populations');
        $answer = ask($who, 'comparing_populations') if $answer->{status} == 503;    # it was this one that found out
        like($answer->{status}, qr/\A(?:200|401)\z/, "$node hangs: the $who is let in, or has to sign in again");
        cmp_ok($answer->{time}, '<', 2 + $SLACK, "after $answer->{time} s");
    }
    ok(eval { sign_in('school') }, "$node hangs: signing in works") or diag $@;
    kill 'CONT', $nodes[$i];
    wait_until(10, 'every process to ask it again', sub { !grep { ask($_, 'academic_year')->{status} != 200 } ('state', 'otherstate') x 6 });
    pass("$node: all sessions are back");
}
kill 'STOP', @nodes;
sleep 1.1;
all_refused(2, 'all nodes hang', sort keys %report);
($codes, $longest) = many(40, 'academic_year');
is_deeply([keys %$codes], [503], 'all nodes hang: nobody is let in');
cmp_ok($longest, '<', 5 + $SLACK, "the last is told after $longest s");
kill 'CONT', @nodes;
wait_until(10, 'every process to ask them again', sub { !grep { ask('state', 'academic_year')->{status} != 200 } 1 .. 12 });
pass('all nodes are back');

# ---- the broker: nothing but the heartbeat asks it -------------------------------------------------------
for my $how ('cut', 'stop') {
    $broker->$how;
    sleep 1.1;    # a finding is repeated for a second
    $answer = get('/services/heartbeat', timeout => 60);
    is($answer->{status}, 500, "the broker ($how): the heartbeat says so");
    cmp_ok($answer->{time}, '<', 3 * 2 + $SLACK, "after $answer->{time} s");
    is(ask('state', 'academic_year')->{status}, 200, 'reports go on');
    $broker->resume;
    wait_until(10, 'the heartbeat is well again', sub { get('/services/heartbeat')->{status} == 200 });
}

# ---- a cache of data that hangs, beside sessions that are well ----------------------------------------------
my $hung = Smarter::Between->new(1);
$hung->stop;
with_settings('cache.data.url' => '127.0.0.1:' . $hung->port);
for (1 .. 3) {
    $answer = ask('state', 'comparing_populations');
    is($answer->{status}, 200, 'the cache of data hangs: a query instead');
    cmp_ok($answer->{time}, '<', 3 + $SLACK, "after $answer->{time} s");
}
nobody_is_stuck('at the end');

finish();
