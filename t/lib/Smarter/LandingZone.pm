package Smarter::LandingZone;

# For tests of the landing zone: one of its own below the stack's, with its ini, tenant and users, and sftp to the
# stack's sshd. Needs root, as the landing zone does.
#
#   my $z = Smarter::LandingZone->new('hostile');
#   my $sender = $z->sender("h");                       # tenant nc; an account sb<port base>_h
#   $z->as($sender, sub { spew($z->drop($sender) . '/x.gpg', 'x') });
#   $z->watch;                                        # one pass: { released, waiting, quarantined, failed }

use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use JSON::PP ();
use POSIX ();
use Smarter::Test;
use Time::HiRes qw(sleep time);

# Where there is none: skip the test, saying why; fail where everything is to be there.
sub needed {
    return need(@_, "sshd") if $> == 0;
    Test::More::plan(skip_all => 'the landing zone needs root');
}

sub new {
    my ($class, $name, @lines) = @_;
    my $dir = env('SMARTER_LZ') . "/t_$name";
    remove_tree($dir);
    make_path($dir);
    chmod 0755, $dir;
    my $self = bless { name => $name, dir => $dir, base => "$dir/home", staging => "$dir/staging", users => [] }, $class;
    $self->{ini} = $self->ini('smarter.ini', @lines);
    my $r = $self->lz('init');
    die "smarter-lz init: $r->{err}" if $r->{exit};
    $r = $self->lz('tenant-add', 'nc');
    die "smarter-lz tenant-add: $r->{err}" if $r->{exit};
    return $self;
}

# An ini of this zone with more lines; its path.
sub ini {
    my ($self, $file, @lines) = @_;
    my %line = ('sftp.base_dir' => $self->{base}, 'sftp.user_home_base_dir' => $self->{base},
        'sftp.staging_dir' => $self->{staging}, 'sftp.authorized_keys_dir' => env('SMARTER_LZ') . '/keys',
        'sftp.group' => env('SMARTER_LZ_GROUP'), 'sftp.file_stat_watch_interval' => '100ms',
        'sftp.file_stat_watch_period' => '0', 'sftp.file_system_scan_delay' => '1',
        'logging.application' => "file:$self->{dir}/application.log");
    for (@lines) {
        my ($key, $value) = /\A(\S+)\s*=\s*(.*)/;
        $line{$key} = $value;
    }
    my $text = "[app:main]\n" . join('', map { "$_ = $line{$_}\n" } sort keys %line);
    spew("$self->{dir}/$file", $text);
    chmod 0644, "$self->{dir}/$file";
    return "$self->{dir}/$file";
}

# smarter-lz with this zone's ini (or another: { ini => ... } first), as root: { exit, out, err }
sub lz {
    my $self = shift;
    my $opt = ref $_[0] ? shift : {};
    return run_program({ as_me => 1, %$opt }, 'smarter-lz', '-c', $opt->{ini} // $self->{ini}, @_);
}

# The account of a short name.
sub account { return 'sb' . env('SMARTER_PORT_BASE') . "_$_[1]" }

# A new sender: his account's name.
sub sender {
    my ($self, $short, @args) = @_;
    my $user = $self->account($short);
    my $r = $self->lz('user-add', '--user', $user, '--tenant', 'nc', @args);
    die "smarter-lz user-add: $r->{err}" if $r->{exit};
    push @{ $self->{users} }, $user;
    return $user;
}

sub drop { my ($self, $user) = @_; return "$self->{base}/arrivals/nc/$user/file_drop" }

sub staged { my ($self, $user) = @_; return "$self->{staging}/nc/$user" }

# Run code as a sender, in a process of its own; its pid with background => 1, else it must succeed.
sub as {
    my ($self, $user, $code, %opt) = @_;
    my (undef, undef, $uid, $gid) = getpwnam($user) or die "no account $user\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setgid($gid);
        $) = "$gid $gid";
        POSIX::setuid($uid);
        my $ok = $> == $uid && eval { $code->(); 1 };
        print STDERR $@ if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }
    return $pid if $opt{background};
    waitpid $pid, 0;
    die "what $user was to do failed\n" if $?;
}

# One pass of the watcher.
sub watch {
    my ($self, %opt) = @_;
    my $r = $self->lz({ ini => $opt{ini} // $self->{ini} }, 'watch', '--once', '--log', "file:$self->{dir}/application.log");
    my $pass = eval { JSON::PP->new->decode($r->{out}) } // {};
    return { %$pass, exit => $r->{exit}, err => $r->{err} };
}

sub names {
    my ($dir) = @_;
    opendir my $d, $dir or return ();
    return sort grep { !/\A\.\.?\z/ } readdir $d;
}

sub log_text { my ($self) = @_; return -e "$self->{dir}/application.log" ? slurp("$self->{dir}/application.log") : '' }

# sftp(user, key, commands...): a batch against the stack's sshd: { exit, out, err }
sub ssh_options {
    my ($key) = @_;
    return ('-F', 'none', '-i', $key, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR',
        '-o', 'UserKnownHostsFile=' . env('SMARTER_SFTP_KNOWN_HOSTS'), '-o', 'StrictHostKeyChecking=yes',
        '-o', 'ConnectTimeout=10');
}

sub sftp {
    my ($user, $key, @commands) = @_;
    my $batch = tmpdir() . '/batch';
    spew($batch, join('', map { "$_\n" } @commands));
    return Smarter::Test::run({ timeout => 60 }, 'sftp', '-q', '-b', $batch, '-P', env('SMARTER_SFTP_PORT'), ssh_options($key),
        "$user\@localhost");
}

sub ssh {
    my ($user, $key, @args) = @_;
    return Smarter::Test::run({ timeout => 30 }, 'ssh', '-p', env('SMARTER_SFTP_PORT'), ssh_options($key), @args);
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    return if $self->{gone}++;
    $self->lz('user-remove', '--force', $_) for @{ $self->{users} };
    remove_tree($self->{dir});
}

1;
