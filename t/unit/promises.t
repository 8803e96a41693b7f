#!/usr/bin/perl
# What docs/security.md and docs/asvs.md promise is shown by tests that they name: each file is there, and has what is
# named of it, which is the name of a subtest, the heading of a section, or the beginning of what is tried. SB_TOP is
# the source.
use strict;
use warnings;
use Test::More;

my $top = $ENV{SB_TOP} // '.';

sub slurp {
    local (@ARGV, $/) = @_;
    return <>;
}

# The text of a test, as one searches in it; '' there is none.
my %text;
sub text_of {
    my ($path) = @_;
    return $text{$path} //= -f "$top/$path" ? slurp("$top/$path") =~ s/\\'/'/gr : '';
}

sub has_part {
    my ($path, $name) = @_;
    my $like = join '.*', map { quotemeta } split / ?… ?/, $name, -1;
    my $function = $name =~ tr/ /_/r;
    return text_of($path) =~ /(?:^#|^\/\*) -+ (?:the )?$like|['"](?:the )?$like|^static void \Q$function\E\w*\(/m;
}

sub has_heading {
    my ($page, $name) = @_;
    return -f "$top/docs/$page" && slurp("$top/docs/$page") =~ /^##+ \Q$name\E/m;
}

# What a cell refers to: { files => [paths], parts => [names], pages => [[page, heading]], wrong => [words] }
sub references {
    my ($cell) = @_;
    my (%found, $dir, $page);
    while ($cell =~ m{`([^`]*)`|\[([\w.]+\.md)\]|\b(\w+\.md)\b|(?<![\w*])\*([^*]+)\*(?![\w*])}g) {
        my ($code, $link, $name, $words) = ($1, $2, $3, $4);
        if (defined $code) {
            if ($code =~ m{\A(t/\w+)/[\w/]+(?:\.\w+)?\z} || $code =~ m{\A(t/\w+)\z}) {
                $dir = $1;
            }
            elsif ($code =~ /\A\w+\.[tc]\z/ && $dir) {
                $code = "$dir/$code";
            }
            else {
                push @{ $found{wrong} }, $code if $code =~ /\.t\z/;
                next;
            }
            push @{ $found{files} }, $code;
            $page = undef;
        }
        elsif (defined $words) {
            push @{ $found{ $page ? 'pages' : 'parts' } }, $page ? [$page, $words] : $words;
        }
        else {
            $page = $link // $name;
            push @{ $found{named} }, $page;
        }
    }
    return \%found;
}

for my $page ('security.md', 'asvs.md') {
    my ($section, $wanted, $rows, %here) = ('', 0, 0);
    my (@missing, @unshown);
    for my $line (split /\n/, slurp("$top/docs/$page")) {
        if ($line =~ /^##+ (.*)/) {
            ($section, %here) = ($1);
        }
        $wanted = 0 if $line !~ /^\|/;
        next if $line !~ /^\|(.*)\|\s*$/;
        my @cells = map { s/\A\s+|\s+\z//gr } split /(?<!\\)\|/, $1;
        $wanted = $line, next if $line =~ /\| (?:shown by|tried in|how) \|\s*$/;
        next if !$wanted || $line =~ /^\|-/;
        $rows++;
        my $has = references($cells[-1]);
        my $where = "$section: $cells[0]";
        push @missing, map { "$where: no file $_" } @{ $has->{wrong} // [] }, grep { !-e "$top/$_" } @{ $has->{files} // [] };
        @here{ @{ $has->{files} // [] } } = ();
        for my $part (@{ $has->{parts} // [] }) {
            push @missing, "$where: nowhere *$part*" if !grep { has_part($_, $part) } keys %here;
        }
        push @missing, map { "$where: $_->[0] has no heading '$_->[1]'" } grep { !has_heading(@$_) } @{ $has->{pages} // [] };
        push @missing, map { "$where: no page $_" } grep { !-f "$top/docs/$_" } @{ $has->{named} // [] };
        my $shown = $has->{files} || $has->{parts} || $cells[-1] =~ /\bthe same\b/;
        # Who claims by a page that tells it claims nothing new; what can only be read off the source says so.
        $shown ||= $has->{named} || $cells[1] ne 'yes' || $cells[-1] =~ /\bsource: / if $page eq 'asvs.md';
        push @unshown, $where if !$shown;
    }
    cmp_ok($rows, '>=', 100, "$page: $rows rows were read");
    is_deeply(\@missing, [], 'the tests and headings they name are there');
    is_deeply(\@unshown, [], 'each says where it is shown');
}

done_testing();
