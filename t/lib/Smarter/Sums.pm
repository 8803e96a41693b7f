package Smarter::Sums;

# Somebody who has every page and knows which numbers add up to which: what can he calculate of those that are
# hidden? Gauss and Jordan over what is hidden, with sparse rows; the numbers themselves are of no interest.
# t/unit/adversary.h is the same in C, where random states are tried.

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(solved);

my $PRIME = 2147483647; # calculated modulo it: what is solved there is solved

# solved(sums, is_hidden): names of hidden numbers that have one solution, and how many sums are independent.
# A sum is [[names of parts], name of the result]; is_hidden->(name).
sub solved {
    my ($sums, $is_hidden) = @_;
    my %pivot;
    for my $sum (@$sums) {
        my ($parts, $result) = @$sum;
        my %row;
        $row{$_} = 1 for grep { $is_hidden->($_) } @$parts;
        $row{$result} = $PRIME - 1 if $is_hidden->($result);
        for my $p (sort keys %row) {
            subtract(\%row, $pivot{$p}, $row{$p}) if $row{$p} && $pivot{$p};
        }
        my ($p) = sort keys %row or next;
        my $by = inverse($row{$p});
        $_ = $_ * $by % $PRIME for values %row;
        for my $other (values %pivot) {
            subtract($other, \%row, $other->{$p}) if $other->{$p};
        }
        $pivot{$p} = \%row;
    }
    return ([grep { keys %{ $pivot{$_} } == 1 } sort keys %pivot], scalar keys %pivot);
}

sub subtract {
    my ($from, $row, $times) = @_;
    for (keys %$row) {
        my $v = (($from->{$_} // 0) + ($PRIME - $times) * $row->{$_}) % $PRIME;
        $v ? ($from->{$_} = $v) : delete $from->{$_};
    }
}

sub inverse {
    my ($n) = @_;
    my ($r, $e) = (1, $PRIME - 2);
    for (; $e; $e >>= 1) {
        $r = $r * $n % $PRIME if $e & 1;
        $n = $n * $n % $PRIME;
    }
    return $r;
}

1;
