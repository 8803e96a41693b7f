package Smarter::Jobs;

# For tests of jobs: a schema, queues and a relay of their own, with workers that do as the tasks tell them
# (t/jobs/player.c).
#
#   my $j = Smarter::Jobs->new('t_jobs');
#   $j->relay; $j->worker;
#   my $id = $j->make(steps => [{ tasks => [{ name => 'part' }] }]);
#   $j->ended($id, 'ready');

use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Smarter::Test;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(a_job);

# a_job(uid, state => 'ready', ...): the id of a job in the stack's own schema, made by hand. Options are columns;
# files => [[name, size], ...]. Gone when the test ends.
my @made;

sub a_job {
    my ($uid, %column) = @_;
    my $files = delete $column{files} // [];
    my $id = sql_one('SELECT gen_random_uuid()');
    my %row = (job_id => $id, kind => 'extract', tenant => env('SMARTER_TENANT'), owner_uid => $uid, title => 'Results, grade 03', params => '{}',
        state => 'ready', max_attempts => 1, retry_delay => '1 s', keep => '1 day', give_up_at => 'tomorrow', %column);
    sql(sprintf 'INSERT INTO jobs.job (%s) VALUES (%s)', join(', ', sort keys %row), join(', ', map { quote($row{$_}) } sort keys %row));
    sql("INSERT INTO jobs.file (job_id, name, number, url, web_url, size) VALUES ('$id', " . quote($files->[$_][0]) . ", $_, "
        . "'https://pickup.example.org/file/$_', 'https://pickup.example.org/download/$_', " . ($files->[$_][1] // 'NULL') . ')') for 0 .. $#$files;
    push @made, $id;
    return $id;
}

END {
    my $status = $?;
    eval { sql("DELETE FROM jobs.job WHERE job_id IN (" . join(', ', map { quote($_) } @made) . ')') } if @made;
    $? = $status;
}

sub new {
    my ($class, $name, @lines) = @_;
    my $self = bless { name => $name, dir => tmpdir(), queue => "$name.$$" }, $class;
    my $ini = slurp(env('SMARTER_INI'));
    my %key = ('jobs.db.schema_name' => $name, 'jobs.lease' => '2', 'jobs.retry_delay' => '100ms', 'jobs.relay.poll' => '1',
        'jobs.relay.overdue' => '2', 'logging.application' => "file:$self->{dir}/application.log", @lines);
    $ini =~ s/^\[app\]\n.*//ms;
    $ini =~ s/^\Q$_\E\s*=.*\n//mg for keys %key;
    $ini =~ s/^(\[app:main\])$/join "\n", $1, map { "$_ = $key{$_}" } sort keys %key/me;
    $self->{ini} = spew("$self->{dir}/smarter.ini", $ini);
    chmod 0644, $self->{ini};
    sql("DROP SCHEMA IF EXISTS $name CASCADE");
    my $url = sprintf 'postgresql://%s:%s@%s:%s/%s', map { env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE);
    my $r = run_program('smarter-schema', '--kind', 'jobs', '--schema', $name, '--url', $url, 'create');
    die "smarter-schema: $r->{err}\n" if $r->{exit};
    return $self;
}

# ---- calls ------------------------------------------------------------------------------------

sub player { return (env('SMARTER_BUILD') . '/t/jobs/player') }

# call('cancel', $id): { exit, out, err }
sub call {
    my ($self, @args) = @_;
    return Smarter::Test::run({}, $self->player, $self->{ini}, @args);
}

# The job as its owner sees it; undef when there is none.
sub find {
    my ($self, $id, $uid) = @_;
    my $r = $self->call('find', $uid // 'me', $id);
    return $r->{exit} ? undef : JSON::PP->new->decode($r->{out});
}

sub list {
    my ($self, $uid) = @_;
    return map { JSON::PP->new->decode($_) } split /\n/, $self->call('list', $uid // 'me')->{out};
}

# Make a job; its id. Tasks get our queue and a directory of the job's own.
sub make {
    my ($self, %spec) = @_;
    my $r = $self->try_make(%spec);
    die "make: $r->{err}\n" if $r->{exit};
    chomp $r->{out};
    $self->{dirs}{ $r->{out} } = $r->{dir};
    return $r->{out};
}

sub try_make {
    my ($self, %spec) = @_;
    my $dir = tmpdir();
    for my $task (map { @{ $_->{tasks} } } @{ $spec{steps} }) {
        $task->{queue} //= $self->{queue};
        $task->{args}{dir} //= $dir;
    }
    $spec{final} = { name => 'clean', queue => $self->{queue}, dir => $dir } if $spec{final};
    my $in = spew("$self->{dir}/spec.json", JSON::PP->new->canonical->encode({ kind => 'test', uid => 'me', title => 'A test', %spec }));
    my $r = Smarter::Test::run({ stdin => $in }, $self->player, $self->{ini}, 'make');
    return { %$r, dir => $dir };
}

sub dir { my ($self, $id) = @_; return $self->{dirs}{$id} }

# ---- what stands in the tables -----------------------------------------------------------------

sub state { my ($self, $id) = @_; return sql_one("SELECT state FROM $self->{name}.job WHERE job_id = '$id'") }

# Wait until the job is over, its final step included; its state.
sub closed {
    my ($self, $id, $seconds) = @_;
    wait_until($seconds // 20, "job $id to be over", sub { sql_one("SELECT closed_at IS NOT NULL FROM $self->{name}.job WHERE job_id = '$id'") eq 't' });
    return $self->state($id);
}

# "step.number state attempt" of each task, in order; columns as asked.
sub tasks {
    my ($self, $id, $columns) = @_;
    $columns //= "state || ' ' || attempt";
    return map { $_->[0] } sql("SELECT step || '.' || number || ' ' || $columns FROM $self->{name}.task WHERE job_id = '$id' ORDER BY step, number");
}

sub outbox { my ($self) = @_; return sql_one("SELECT count(*) FROM $self->{name}.outbox") }

# ---- processes ---------------------------------------------------------------------------------

sub start {
    my ($self, @command) = @_;
    my $log = "$self->{dir}/output.log";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        { no warnings; exec @command; }
        POSIX::_exit(127);
    }
    $self->{running}{$pid} = 1;
    return $pid;
}

sub relay { my ($self) = @_; return $self->start(env('SMARTER_SBIN') . '/smarter-job-relay', '-c', $self->{ini}) }

# A worker of our queue; with a directory, one that takes tasks only while there is a file "up" in it.
sub worker { my ($self, @dir) = @_; return $self->start($self->player, $self->{ini}, 'work', $self->{queue}, @dir) }

sub once { my ($self) = @_; return run_program({ as_me => 1 }, 'smarter-job-relay', '-c', $self->{ini}, '--once') }

# End one; how it ended: a status, or "signal N".
sub stop {
    my ($self, $pid, $signal) = @_;
    my $how = Smarter::Test::end_process($pid, $signal // 'TERM');
    delete $self->{running}{$pid} if $how ne 'still running';
    return $how;
}

# What workers and relays said on stderr and in their log.
sub said {
    my ($self) = @_;
    return join '', map { -e $_ ? slurp($_) : '' } "$self->{dir}/output.log", "$self->{dir}/application.log";
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->stop($_, 'KILL') for keys %{ $self->{running} // {} };
    eval { sql("DROP SCHEMA IF EXISTS $self->{name} CASCADE") };
}

1;
