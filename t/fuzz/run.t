#!/usr/bin/perl
# Every libFuzzer target for a few seconds from its seeds: FUZZ_SECONDS each (default 6). Skipped
# where clang or its fuzzing library is not installed. A crash leaves its input in FUZZ_KEEP (default
# the build directory), with the command that repeats it.
use strict;
use warnings;
use Cwd ();
use File::Basename;
use File::Copy;
use File::Temp;
use Test::More;

my $top = dirname(dirname(dirname(Cwd::abs_path(__FILE__))));
my $build = $ENV{SMARTER_BUILD} // '.';
my $seconds = $ENV{FUZZ_SECONDS} // 6;
my $keep = Cwd::abs_path($ENV{FUZZ_KEEP} // $build);

my $made = `make -s -C '$build' fuzz 2>&1`;
plan skip_all => $1 if !$ENV{SMARTER_TEST_ALL} && $made =~ /^fuzz: (no .*)/m;
is($?, 0, 'the targets are built') or do { diag($made); done_testing(); exit };

my %of_packages = (csv => 'csv', json => 'json', meta => 'json', rows => 'csv');
my @targets = map { basename($_, '.c') } sort glob "$top/t/fuzz/*.c";
cmp_ok(scalar @targets, '>=', 15, scalar(@targets) . ' targets');
for my $target (@targets) {
    my $seeds = "$top/t/fuzz/corpus/$target";
    my @seeds = glob "$seeds/*";
    my $corpus = File::Temp->newdir;
    if ($of_packages{$target}) { # the corpus of bad input is full of good seeds
        my @files = glob "$top/t/data/*/*/package/*.$of_packages{$target}";
        copy($files[$_], "$corpus/seed$_") or die "$files[$_]: $!\n" for 0 .. $#files;
        push @seeds, @files;
    }
    ok(@seeds > 0, "$target: " . @seeds . ' seeds');
    my $log = File::Temp->new;
    my $dict = $target =~ /^(xml|gate)$/ ? "-dict='$top/t/fuzz/xml.dict'" : '';
    my $status = system("exec '$build/t/fuzz/$target' -max_total_time=$seconds -timeout=10 -rss_limit_mb=1024"
        . " -max_len=8192 $dict -print_final_stats=1 -artifact_prefix='$keep/$target-' '$corpus'" . (-d $seeds ? " '$seeds'" : '') . " >'$log' 2>&1 </dev/null");
    open my $in, '<', "$log";
    my @said = <$in>;
    my ($runs) = map { /number_of_executed_units:\s*(\d+)/ } @said;
    is($status, 0, "$target: " . ($runs // 0) . ' inputs')
        or diag(@said > 60 ? @said[-60 .. -1] : @said);
    cmp_ok($runs // 0, '>', 100, "$target: really ran");
}
done_testing();
