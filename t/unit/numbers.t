#!/usr/bin/perl
# The numbers of log lines: none stands twice, for operators and tests find a line by its number; each lies in
# the range that core/sb_log.h gives its directory. SB_TOP is the source.
use strict;
use warnings;
use Test::More;

my $top = $ENV{SB_TOP} // '.';

sub slurp {
    local (@ARGV, $/) = @_;
    return <>;
}

my ($ranges) = slurp("$top/lib/core/sb_log.h") =~ /Ranges: ([^.]+)\./ or die 'no ranges';
my %first = $ranges =~ m{([\w/]+) (\d{4})}g;
cmp_ok(scalar keys %first, '>=', 10, 'ranges: ' . join ', ', sort keys %first);
my @first = sort { $a <=> $b } values %first;

my (%where, @outside);
for my $file (sort glob "$top/{lib/*,mod_*,workers}/*.c") {
    my ($dir) = $file =~ m{\A\Q$top\E/(.*)/};
    for my $number (slurp($file) =~ /SBLOGNO\((\d+)\)/g) {
        push @{ $where{$number} }, $file;
        next if $dir eq 'workers';    # two ranges: what is shared by programs has the second
        my ($begin) = grep { $_ <= $number } reverse @first;
        next if $begin && $dir eq 'lib/web' && $begin == $first{mod_smarter};    # it comes from there
        push @outside, "$number in $file" if !$begin || ($first{$dir} // 0) != $begin;
    }
}
cmp_ok(scalar keys %where, '>=', 120, scalar(keys %where) . ' numbers');
is_deeply([map { "$_: @{ $where{$_} }" } grep { @{ $where{$_} } > 1 } sort keys %where], [], 'none stands twice');
is_deeply(\@outside, [], 'all are in the range of their directory');

done_testing();
