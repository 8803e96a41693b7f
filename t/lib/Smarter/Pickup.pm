package Smarter::Pickup;

# The pickup zone in tests: addresses of its two faces, announcing, delivering, signing in.

use strict;
use warnings;
use Digest::SHA ();
use Exporter 'import';
use Smarter::Test;

our @EXPORT = qw(inside outside announce deliver fetch sign_in_outside stored in_depot file_of sha256_of);

# Addresses: of the internal face, of the external one.
sub inside { return env('SMARTER_PICKUP_INTERNAL_URL') . $_[0] }
sub outside { return env('SMARTER_PICKUP_URL') . $_[0] }

# announce(uid, more members): the registration's id. Dies unless it is made.
sub announce {
    my ($uid, %more) = @_;
    my $answer = http('PUT', inside('/registration'), json => { uid => $uid, %more });
    die "registration: $answer->{status} $answer->{body}\n" if $answer->{status} != 200;
    return json($answer)->{registration_id};
}

# deliver(id, path of a file, options of http; name => File-Name, undef none; args => [more for curl])
sub deliver {
    my ($id, $path, %opt) = @_;
    my $name = exists $opt{name} ? delete $opt{name} : 'result.zip';
    my $args = delete $opt{args} // [];
    my %headers = (%{ delete $opt{headers} // {} }, defined $name ? ('File-Name' => $name) : ());
    return http('POST', inside("/files/$id"), timeout => 60, %opt, headers => \%headers,
        args => [defined $path ? ('-F', "file=\@$path;type=application/octet-stream") : (), @$args]);
}

# fetch(id, jar, options of http): the file
sub fetch {
    my ($id, $jar, %opt) = @_;
    return get(outside("/file/$id"), jar => $jar, %opt);
}

# A jar signed in at the external face.
sub sign_in_outside {
    my ($kind) = @_;
    return sign_in($kind, start => outside('/login'));
}

# The row of a registration, as a hash; undef when there is none.
sub stored {
    my ($id) = @_;
    my @columns = qw(user_id email file_path file_name size sha256 state role tenant state_code places);
    my ($row) = sql('SELECT ' . join(', ', @columns) . ' FROM hpz.file_registry WHERE registration_id = ' . quote($id));
    return $row ? { map { $columns[$_] => $row->[$_] } 0 .. $#columns } : undef;
}

# Names in the directory that stand for this registration, leftovers included.
sub in_depot {
    my ($id) = @_;
    opendir my $dir, env('SMARTER_PICKUP_DIR') or die $!;
    my @found = sort grep { /\Q$id/ } readdir $dir;
    return @found;
}

# file_of(bytes [, seed]): a file of that size in a directory that goes away with the test
my $dir;

sub file_of {
    my ($bytes, $seed) = @_;
    $dir //= tmpdir();
    my $path = "$dir/" . ($seed // 'a') . $bytes;
    return $path if -e $path;
    open my $out, '>:raw', $path or die $!;
    # Nothing that packs, and boundaries' first bytes now and then.
    my $block = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 0 .. 16383;
    substr($block, 0, 20) = sprintf '%-20s', $seed // 'a';
    substr($block, 4000, 6) = "\r\n--\r\n";
    for (my $left = $bytes; $left > 0; $left -= length $block) {
        print {$out} $left < length $block ? substr($block, 0, $left) : $block;
    }
    close $out or die $!;
    chmod 0644, $path;
    return $path;
}

sub sha256_of {
    my ($path) = @_;
    return Digest::SHA->new(256)->addfile($path, 'b')->hexdigest;
}

1;
