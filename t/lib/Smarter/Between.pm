package Smarter::Between;

# A port of our own between two programs, so that one connection can fail without its server: stop()
# makes it hang (connections are accepted by the kernel and nothing comes), cut() makes it refuse, and
# resume() puts it right again.
#
#   my $between = Smarter::Between->new(25310);      # forwards to 127.0.0.1:25310
#   ... "127.0.0.1:" . $between->port

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

sub new {
    my ($class, $to) = @_;
    my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!\n";
    my $self = bless { to => $to, port => $free->sockport, owner => $$ }, $class;
    close $free;
    $self->start;
    return $self;
}

sub port { return $_[0]{port} }

sub start {
    my ($self) = @_;
    my $listen = IO::Socket::INET->new(Listen => 1024, LocalAddr => '127.0.0.1', LocalPort => $self->{port}, ReuseAddr => 1)
        or die "port $self->{port}: $!\n";
    $self->{pid} = fork // die "fork: $!\n";
    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw(TERM INT);
        $SIG{PIPE} = 'IGNORE';
        eval { forward($listen, $self->{to}) };
        POSIX::_exit(1);
    }
    close $listen;
}

sub forward {
    my ($listen, $to) = @_;
    my $all = IO::Select->new($listen);
    my %peer;
    while (1) {
        for my $from ($all->can_read) {
            if ($from == $listen) {
                my $here = $listen->accept or next;
                my $there = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $to) or next;
                @peer{ fileno $here, fileno $there } = ($there, $here);
                $all->add($here, $there);
                next;
            }
            my $other = defined fileno $from ? $peer{ fileno $from } : undef;
            next if !$other;    # closed in this round, by its peer
            my $n = sysread $from, my $some, 65536;
            next if $n && syswrite($other, $some);
            $all->remove($from, $other);
            delete @peer{ fileno $from, fileno $other };
            close $_ for $from, $other;
        }
    }
}

sub stop { kill 'STOP', $_[0]{pid} }

sub cut {
    my ($self) = @_;
    kill 'KILL', $self->{pid} or return;
    waitpid $self->{pid}, 0;
    delete $self->{pid};
}

sub resume {
    my ($self) = @_;
    $self->{pid} ? kill('CONT', $self->{pid}) : $self->start;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!);
    $self->cut if $self->{pid} && $self->{owner} == $$;
}

1;
