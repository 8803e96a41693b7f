package Smarter::BadPackages;

# Packages made byte by byte, as no archiver would: what a hostile or broken sender might put together
# (the ordinary mistakes are in t/loader/packages.t), and what is odd but sound. One small package is
# taken apart and changed; each case says what the loader has to answer. For t/loader/bad_packages.t
# and whoever needs one of them:
#
#   use Smarter::BadPackages;
#   for my $case (bad_packages()) { ... $case->{name}, $case->{file} ... }
#   my ($case) = bad_packages('broken_signature');
#
# A case: name; file; fails => regular expression of the reason, or loads => [loaded, rejected];
# line => file line that the reason or the rejected row must name; column and code of that row.

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(basename);
use File::Temp ();
use IO::Compress::Gzip ();
use Smarter::Test;

our @EXPORT = qw(bad_packages sound_package tar_member seal);

my $STUDENTS = 60;

# ---- building blocks --------------------------------------------------------------------------

# The sound CSV and JSON as octets, made once.
my ($csv, $json);

sub sound_package {
    return ($csv, $json) if defined $csv;
    my $dir = datagen(qw(--state NC --districts 3 --schools 6 --years 2015 --subjects Math --seed 99),
        '--students', $STUDENTS);
    my $base = "$dir/NC-2015-math-summative/NC-2015-math-summative";
    ($csv, $json) = (slurp("$base.csv"), slurp("$base.json"));
    return ($csv, $json);
}

# One member of a tar file, byte by byte: any name, any type ('0' file, '2' symlink, '5' directory...).
sub tar_member {
    my ($name, $data, %opt) = @_;
    $data //= '';
    my $head = pack('a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12', $name,
        '0000644', '0000000', '0000000', sprintf('%011o', $opt{size} // length $data), '00000000000',
        '', $opt{type} // '0', $opt{link} // '', 'ustar', '00', '', '', '', '', '');
    substr($head, 148, 8) = sprintf("%06o\0 ", unpack('%32C*', $head));
    return $head . $data . "\0" x (-length($data) % 512);
}

sub tar { return join('', @_) . "\0" x 1024 }

sub zip {
    my ($in) = @_;
    IO::Compress::Gzip::gzip(\$in => \my $out) or die "gzip failed\n";
    return $out;
}

# Sign and encrypt octets as $file; options as Smarter::Test's encrypt.
sub seal {
    my ($file, $octets, %opt) = @_;
    spew("$file.clear", $octets);
    Smarter::Test::encrypt("$file.clear", $file, %opt);
    unlink "$file.clear";
    return $file;
}

# The signature is made over other text than what is inside: sign, change a byte, encrypt the packets.
sub broken_signature {
    my ($file, $octets) = @_;
    my $home = env('SMARTER_GPG_SENDER_HOME');
    my @gpg = ('gpg', '--homedir', $home, '--batch', '--yes', '--quiet', '--no-tty', '-z', '0', '--trust-model', 'always');
    spew("$file.clear", $octets);
    my $r = Smarter::Test::run({}, @gpg, '--sign', '-o', "$file.signed", "$file.clear");
    my $packets = slurp("$file.signed");
    my $at = index $packets, substr($octets, 40, 60);
    die "the signed text is not stored plainly\n" if $r->{exit} || $at < 0;
    substr($packets, $at + 20, 1) ^= "\x01";
    spew("$file.changed", $packets);
    $r = Smarter::Test::run({}, @gpg, '--no-literal', '--encrypt', '-r', env('SMARTER_GPG_RECIPIENT'), '-o', $file, "$file.changed");
    die "gpg: $r->{err}" if $r->{exit};
    Smarter::Test::loaders(glob "$home/*");
    unlink "$file.clear", "$file.signed", "$file.changed";
    chmod 0644, $file;
}

# Encrypted by a passphrase instead of to a key.
sub by_passphrase {
    my ($file, $octets) = @_;
    spew("$file.clear", $octets);
    my $home = File::Temp->newdir;
    my $r = Smarter::Test::run({}, 'gpg', '--homedir', "$home", '--batch', '--yes', '--quiet', '--no-tty', '--pinentry-mode', 'loopback',
        '--passphrase', 'x', '--symmetric', '-o', $file, "$file.clear");
    Smarter::Test::run({}, 'gpgconf', '--homedir', "$home", '--kill', 'all');
    die "gpg: $r->{err}" if $r->{exit};
    unlink "$file.clear";
}

# ---- changes of the CSV -----------------------------------------------------------------------

# Change one field of one data row (1 is the first): edit(row, 'Header', value).
sub edit {
    my ($text, $row, $header, $value) = @_;
    my @lines = split /\n/, $text;
    my @names = split /,/, $lines[0];
    my ($at) = grep { $names[$_] eq $header } 0 .. $#names;
    my @fields = $lines[$row] =~ /\G((?:"(?:[^"]|"")*"|[^,"]*))(?:,|\z)/g;
    $fields[$at] = $value;
    $lines[$row] = join ',', @fields[0 .. $#names];
    return join("\n", @lines) . "\n";
}

sub edit_line {
    my ($text, $row, $change) = @_;
    my @lines = split /\n/, $text, -1;
    $change->() for $lines[$row];
    return join "\n", @lines;
}

sub edit_header { my ($text, $change) = @_; return edit_line($text, 0, $change) }

# ---- the cases --------------------------------------------------------------------------------

# Each is a name, what is expected, and a function that writes the file.
sub cases {
    my ($c, $j) = sound_package();
    my @both = (tar_member('a.csv', $c), tar_member('a.json', $j));
    my $sound = zip(tar(@both));
    my $n = $STUDENTS;
    my $sealed = sub { my ($octets, %opt) = @_; return sub { seal($_[0], $octets, %opt) } };
    my $members = sub { my @m = @_; return $sealed->(zip(tar(@m))) };
    my $with_csv = sub { return $members->(tar_member('a.csv', $_[0]), $both[1]) };
    my $with_json = sub { return $members->($both[0], tar_member('a.json', $_[0])) };
    my $bad_json = sub { my ($from, $to) = @_; return $with_json->($j =~ s/$from/$to/r) };
    my $damaged = sub { my ($change) = @_;
        return sub { seal($_[0], $sound); my $o = slurp($_[0]); $change->() for $o; spew($_[0], $o); } };

    my $cut = qr/^0 Decryption Failed: the encrypted message is truncated or damaged\z/;
    my $no_file = qr/^0 a member is no regular file but a directory, link or device\z/;
    my $pax = sub { my ($k, $v) = @_; my $n = length("$k$v") + 3; $n += length($n + length $n); return "$n $k=$v\n" };

    return (
        # the envelope
        [not_openpgp => { fails => qr/^0 Decryption Failed: not an encrypted OpenPGP message\z/ }, sub { spew($_[0], $c) }],
        [armour_only => { fails => qr/^0 Decryption Failed: not an encrypted OpenPGP message\z/ }, sub { spew($_[0], "-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----\n") }],
        [not_encrypted => { fails => qr/^0 Decryption Failed: not an encrypted OpenPGP message\z/ }, sub { spew($_[0], $sound) }],
        [broken_signature => { fails => qr/^0 Decryption Failed: the signature is wrong \(key [0-9A-F]{16}\)\z/ }, sub { broken_signature($_[0], $sound) }],
        [truncated => { fails => $cut }, $damaged->(sub { substr($_, int(length($_) * 2 / 3)) = '' })],
        [truncated_by_one => { fails => $cut }, $damaged->(sub { chop })],
        [flipped_bit => { fails => $cut }, $damaged->(sub { substr($_, int(length($_) / 2), 1) ^= "\x04" })],
        [last_byte => { fails => $cut }, $damaged->(sub { substr($_, -1) ^= "\x01" })], # of the digest over all
        [trailing_bytes => { fails => $cut }, $damaged->(sub { $_ .= 'more' })],
        [by_passphrase => { fails => qr/^0 Decryption Failed: encrypted by a passphrase, not to the loader's key\z/ }, sub { by_passphrase($_[0], $sound) }],

        # the archive
        [not_an_archive => { fails => qr/^0 not a gzipped tar archive\z/ }, $sealed->("just text\n" x 1000)],
        [not_gzip => { fails => qr/^0 the tar archive is not compressed by gzip\z/ }, $sealed->(tar(@both))],
        [not_tar => { fails => qr/^0 not a gzipped tar archive\z/ }, $sealed->(zip($c))],
        [half_archive => { fails => qr/^0 the archive is truncated or damaged in member a\.csv\z/ }, $sealed->(substr $sound, 0, int(length($sound) / 2))],
        [half_tar => { fails => qr/^0 the archive is truncated or damaged in member a\.csv\z/ }, $sealed->(zip(substr tar(@both), 0, 4000))],
        [empty_archive => { fails => qr/^0 not a gzipped tar archive, or an empty one\z/ }, $members->()],
        # its first field is already too long, before the ratio is
        [zip_bomb => { fails => qr/^0 line 1: field 1 is longer than 131072 bytes\z/ }, sub { seal($_[0], zip_of_zeros(400)) }],
        [size_lie => { fails => qr/^0 the archive is truncated or damaged in member a\.csv\z/ }, $members->(tar_member('a.csv', $c, size => 8 * 1024**3 - 1), $both[1])],
        [many_members => { fails => qr/^0 Expected files not found in the tar archive: f1\.txt is neither/ }, $members->(@both, map { tar_member("f$_.txt", 'x') } 1 .. 2000)],
        [path_upwards_inside => { fails => qr/^0 a member's name climbs out of the archive/ }, $members->(tar_member('x/../../a.csv', $c), $both[1])],
        [symbolic_link => { fails => $no_file }, $members->(tar_member('a.csv', '', type => '2', link => '/etc/passwd'), $both[1])],
        [hard_link => { fails => $no_file }, $members->($both[1], tar_member('a.csv', '', type => '1', link => 'a.json'))],
        [sparse_pax => { fails => qr/^0 member a\.csv is a sparse file\z/ }, $members->($both[1], tar_member('PaxHeaders/a.csv',
            $pax->('GNU.sparse.major', 1) . $pax->('GNU.sparse.minor', 0) . $pax->('GNU.sparse.name', 'a.csv')
            . $pax->('GNU.sparse.realsize', 1_000_000_000), type => 'x'), tar_member('x', "1\n900000000\n5\n" . "\0" x 496 . 'hello'))],
        [name_control => { fails => qr/^0 a member's name is refused: / }, $members->(tar_member("a\n.csv", $c), $both[1])],
        [name_hidden => { fails => qr/^0 a member's name is refused: / }, $members->(tar_member('d/.a.csv', $c), $both[1])],
        [name_not_utf8 => { fails => qr/^0 a member/ }, $members->(tar_member("a\xff.csv", $c), $both[1])],
        [name_long => { fails => qr/^0 a member's name is refused: / }, $members->(tar_member('././@LongLink', 'x' x 300 . ".csv\0", type => 'L'),
            tar_member('x', $c), $both[1])],
        [name_absolute => { fails => qr/^0 a member's name is absolute\z/ }, $members->(tar_member('/a.csv', $c), $both[1])],
        [directory_entry => { fails => $no_file }, $members->(tar_member('d/', '', type => '5'), @both)],
        [damaged_header => { fails => qr/^0 (?:the archive is truncated or damaged|not a gzipped tar)/ },
            $sealed->(zip(tar($both[0], "\x41" x 512 . $both[1])))],
        [gzip_flipped => { fails => qr/^0 the archive is truncated or damaged/ }, $sealed->(do {
            my $z = $sound; substr($z, 2000, 1) ^= "\x10"; $z })],
        [gzip_sum => { fails => qr/^0 the archive is truncated or damaged\z/ }, $sealed->(do { my $z = $sound; substr($z, -8, 1) ^= "\x10"; $z })],
        [device => { fails => $no_file }, $members->(tar_member('a.csv', '', type => '3'), $both[1])],
        [fifo => { fails => $no_file }, $members->(tar_member('a.csv', '', type => '6'), $both[1])],

        # the metadata
        [json_cut => { fails => qr/^0 3012 the metadata is no JSON: it ends in the middle, after 200 bytes \(code 3012\)\z/ }, $with_json->(substr $j, 0, 200)],
        [json_twice => { fails => qr/^0 3012 the metadata is no JSON: the name "Guid" stands twice in one object/ }, $with_json->($j =~ s/"Guid":/"Guid":"x","Guid":/r)],
        [json_deep => { fails => qr/^0 3012 the metadata is no JSON: nested deeper than 32/ }, $with_json->('{"Content":' . '[' x 10000 . ']' x 10000 . '}')],
        [json_not_utf8 => { fails => qr/^0 3012 the metadata is no JSON: .*invalid bytes in UTF8 string/ }, $bad_json->(qr/Spring/, "Spr\xe9ng")],
        [json_list => { fails => qr/^0 3013 the metadata is JSON, but no object/ }, $with_json->("[$j]")],
        [json_empty_guid => { fails => qr/^0 3013 in the metadata: Identification\.Guid: a required value is empty/ }, $bad_json->(qr/"Guid":"[^"]*",/, '"Guid":"",')],

        # the table as a whole
        [csv_blank => { fails => qr/3003 the CSV file is empty/ }, $with_csv->("\n\n\n")],
        [csv_300_columns => { fails => qr/3006/ }, $with_csv->(edit_header($c, sub { $_ .= ',x' x 300 }))],
        [csv_binary => { fails => qr/3006 .*columns missing/ }, $with_csv->(join '', map { chr(($_ * 7919) % 256) } 1 .. 20_000)],

        # single rows: the rest loads
        [row_grade => { loads => [$n - 1, 1], line => 2, column => 'GradeLevelWhenAssessed' }, $with_csv->(edit($c, 1, 'GradeLevelWhenAssessed', '14'))],
        [row_control => { loads => [$n - 1, 1], line => 5, column => 'StudentIdentifier' }, $with_csv->(edit($c, 4, 'StudentIdentifier', "NC\x07123"))],
        [row_no_text => { loads => [$n - 1, 1], line => 5, column => 'FirstName' }, $with_csv->(edit($c, 4, 'FirstName', "Ren\x81e"))],

        # odd, but to be loaded whole
        [fine_sound => { loads => [$n, 0] }, $sealed->($sound)],
        [fine_directories => { loads => [$n, 0] }, $members->(tar_member('some/where/a.csv', $c), tar_member('./a.json', $j))],
        [fine_pax_names => { loads => [$n, 0] }, $members->(tar_member('PaxHeaders/a', $pax->('path', 'results of 2015.csv'), type => 'x'), @both)],
        [fine_two_gzips => { loads => [$n, 0] }, $sealed->(zip($both[0]) . zip(tar($both[1])))],
        [fine_crlf => { loads => [$n, 0] }, $with_csv->($c =~ s/\n/\r\n/gr)],
        [fine_cr => { loads => [$n, 0] }, $with_csv->($c =~ tr/\n/\r/r)],
        [fine_byte_order_mark => { loads => [$n, 0] }, $with_csv->("\xef\xbb\xbf$c")],
        [fine_no_last_newline => { loads => [$n, 0] }, $with_csv->($c =~ s/\n\z//r)],
        [fine_header_case => { loads => [$n, 0] }, $with_csv->(edit_header($c, sub { $_ = uc }))],
        [fine_windows_1252 => { loads => [$n, 0] }, $with_csv->(edit($c, 4, 'FirstName', "Ren\xe9e"))],
        [fine_sql => { loads => [$n, 0] }, $with_csv->(edit($c, 4, 'FirstName', "'); DROP TABLE fact_asmt_outcome; --"))],
        [fine_html => { loads => [$n, 0] }, $with_csv->(edit($c, 4, 'OrganizationName', '<script>alert(1)</script>'))],
        [fine_backslash => { loads => [$n, 0] }, $with_csv->(edit($c, 4, 'LastOrSurname', '\\N \\. {schema}'))],
    );
}

# A gzipped tar whose CSV is so many MB of zeros, made without holding it in memory.
sub zip_of_zeros {
    my ($megabytes) = @_;
    my $z = IO::Compress::Gzip->new(\my $out) or die "gzip failed\n";
    $z->print(substr tar_member('a.csv', '', size => $megabytes * 1024**2), 0, 512);
    $z->print("\0" x 1024**2) for 1 .. $megabytes;
    $z->print(tar(tar_member('a.json', $json)));
    $z->close;
    return $out;
}

# The cases by name, or all, written into a new directory.
sub bad_packages {
    my %wanted = map { $_ => 1 } @_;
    my $dir = tmpdir();
    my @cases;
    for my $case (cases()) {
        my ($name, $expect, $write) = @$case;
        next if %wanted && !delete $wanted{$name};
        my $file = "$dir/$name.tar.gz.gpg";
        $write->($file);
        chmod 0644, $file;
        push @cases, { name => $name, file => $file, %$expect };
    }
    die 'no such bad package: ' . join(', ', sort keys %wanted) . "\n" if %wanted && @_ && keys %wanted;
    return @cases;
}

1;
