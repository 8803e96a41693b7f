#!/usr/bin/perl
# The systemd units of deploy/: complete, hardened, and as systemd wants them. SMARTER_BUILD is where they
# were made, SB_TOP the source.
use strict;
use warnings;
use File::Temp;
use Test::More;

my $build = $ENV{SMARTER_BUILD} // '.';
my $top = $ENV{SB_TOP} // '.';
my @units = sort map { s{.*/}{}r } glob "$build/deploy/systemd/*.{service,timer}";
my @sources = sort map { s{.*/}{}r =~ s/\.in\z//r } glob "$top/deploy/systemd/*.in";
cmp_ok(scalar @sources, '>=', 10, scalar(@sources) . ' units');
is_deeply(\@units, \@sources, 'all of them are made');

my $makefile = do { local (@ARGV, $/) = "$top/Makefile.am"; <> };
my %programs = map { $_ => 1 } map { split } $makefile =~ /^sbin_PROGRAMS \+= (.*)/mg;
my $dir = File::Temp->newdir;
my $have = grep { -x "$_/systemd-analyze" } split /:/, $ENV{PATH};
for my $unit (@units) {
    my $text = do { local (@ARGV, $/) = "$build/deploy/systemd/$unit"; <> };
    unlike($text, qr/\@\w+\@/, "$unit: nothing is left to be filled in");
    if ($unit =~ /\.timer\z/) {
        ok((grep { $_ eq $unit =~ s/timer\z/service/r } @units), "$unit has its service");
    }
    else {
        my ($program) = $text =~ m{^ExecStart=/\S+/(smarter-[\w-]+)(?: |$)}m;
        ok($program && $programs{$program}, "$unit starts a program of ours");
        for my $line ('NoNewPrivileges=yes', 'ProtectSystem=strict', 'PrivateTmp=yes', 'User=[\w-]+') {
            like($text, qr/^$line$/m, "$unit: $line");
        }
    }
    # systemd-analyze asks for the program too; it need not be installed here.
    $text =~ s{^(ExecStart=)\S+}{$1/bin/true}m;
    $text =~ s/^(Documentation|User)=.*\n//mg;
    open my $out, '>', "$dir/$unit" or die;
    print $out $text;
    close $out;
}
# Not everywhere: a container has no systemd.
if ($have) {
    my $said = `systemd-analyze verify --man=no $dir/*.service $dir/*.timer 2>&1`;
    is($? >> 8, 0, 'systemd takes them');
    unlike($said, qr/smarter-/, 'without a complaint') or diag $said;
}
done_testing;
