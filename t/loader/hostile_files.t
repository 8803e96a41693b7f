# What somebody who may write into the arrivals zone, but cannot sign, can do with files alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Path qw(make_path);
use POSIX ();
use Test::More;
use Smarter::Test;
use Smarter::Loader;

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_hostile_files');
my $arrivals = "$l->{dir}/arrivals/nc";
my $package = $l->package({}, [{}, {}]);
allow_log(qr/package of nobody|SB2203/);

# ---- a name that the database does not take ----------------------------------------------------
my $trigger = $l->start('smarter-udl-trigger');
for my $name ("a\xff.tar.gz.gpg", "b\xc0\xaf\n.tar.gz.gpg") {
    spew("$arrivals/.part", 'x');
    Smarter::Test::loaders("$arrivals/.part");
    rename "$arrivals/.part", "$arrivals/$name" or die $!;
}
$l->drop($package, name => 'z.tar.gz.gpg');
ok(wait_until(20, 'the good package to be noted', sub { $l->arrival('z.tar.gz.gpg') }), 'a name that is no UTF-8 does not hold up others');
is_deeply([map { s{.*/}{}r } $l->files('arrivals')], ['z.tar.gz.gpg'], 'it is out of the way');
is(scalar(grep { /\Aquarantine\/.*reason\.txt\z/ } $l->files('history')), 2, 'with the reason beside it');

# ---- something else in the place of a noted file -----------------------------------------------
my $unsigned = "$l->{dir}/in/unsigned";
make_path($unsigned);
spew("$unsigned/a.csv", $l->csv([{}]));
spew("$unsigned/a.json", $l->metadata);
my %instead = (
    directory => sub { system('cp', '-r', $unsigned, $_[0]) == 0 or die },
    link => sub { symlink $unsigned, $_[0] or die $! },
    pipe => sub { POSIX::mkfifo($_[0], 0644) or die $! },
);
for my $what (sort keys %instead) {
    my $at = $l->drop($package, name => "$what.tar.gz.gpg");
    wait_until(20, "$what to be noted", sub { ($l->arrival("$what.tar.gz.gpg") // {})->{batch} });
    unlink $at or die $!;
    $instead{$what}->($at);
    system('chown', '-hR', env('SMARTER_LOADER_USER'), $at) if $> == 0;
}
$l->start('smarter-worker-udl');
is($l->ended('z.tar.gz.gpg')->{status}, 'udl.ingested', 'the good package loads');
for my $what (sort keys %instead) {
    my $r = $l->ended("$what.tar.gz.gpg", 20);
    is_deeply([@$r{qw(state status)}], ['failed', 'udl.failed'], "a $what in its place is not loaded");
    like($r->{error} // '', qr/no regular file/, 'and says why');
    is($l->schema_there($r->{batch}), 0, 'nothing of it is stored');
    ok(!-e "$arrivals/$what.tar.gz.gpg" && !-l "$arrivals/$what.tar.gz.gpg", 'it is out of the way');
}
my ($mode) = grep { $_ & 07 } map { (stat)[2] } glob("$l->{dir}/history/nc $l->{dir}/work/nc $l->{dir}/history/quarantine");
is($mode, undef, 'nobody else looks into the zones');

finish();
