# A full disk, and what does not belong into arrivals.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Loader;
use Time::HiRes qw(sleep time);

need('postgres', 'rabbitmq');
my $l = Smarter::Loader->new('t_room');
my ($udl, $dir) = @$l{qw(udl dir)};
$l->{ini} = $l->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2_trigger.file_stat_watch_period = 3',
    'udl2_trigger.stray_after = 4', 'udl2.min_free_bytes = 1M');
my $trigger = $l->start('smarter-udl-trigger');
my $ten = $l->package({}, [map { {} } 1 .. 10]);

# ---- what does not belong there ------------------------------------------------------------------
mkdir "$dir/elsewhere";
$l->drop($ten, name => 'mine.gpg');
spew("$dir/elsewhere/other.gpg", slurp($ten));
Smarter::Test::loaders("$dir/elsewhere", "$dir/elsewhere/other.gpg");
symlink "$dir/elsewhere", "$dir/arrivals/nc/link" or die $!;
symlink "$dir/elsewhere/other.gpg", "$dir/arrivals/nc/link.gpg" or die $!;
my $half = spew("$dir/arrivals/nc/half.gpg", substr slurp($ten), 0, 600);
spew("$dir/arrivals/nc/readme.txt", 'hello');
spew("$dir/arrivals/nc/.temporary", 'hello');
Smarter::Test::loaders(glob "$dir/arrivals/nc/*");
sleep 1.5;
is($l->arrival('half.gpg'), undef, 'an upload that broke off is not taken for complete when its file is closed');
spew($half, slurp($ten));
Smarter::Test::loaders($half);
my @gone = wait_until(20, 'quarantine', sub { my @f = grep { m{\Aquarantine/} } $l->files('history'); @f == 2 ? \@f : undef })->@*;
is_deeply([sort map { s{.*/}{}r } @gone], [qw(readme.txt reason.txt)], 'a file that is no package goes to quarantine after a while');
is(slurp("$dir/history/" . (grep { /reason/ } @gone)[0]), "its name is no package's\n", 'with the reason');
ok(-e "$dir/arrivals/nc/.temporary" && -l "$dir/arrivals/nc/link.gpg" && -e "$dir/elsewhere/other.gpg", 'hidden files and links stay where they are');
is(sql_one("SELECT count(*) FROM $udl.package WHERE path LIKE '%other%' OR path LIKE '%link%'"), 0, 'no link was followed');
allow_log(qr/"no":"SB4024"/);

# The directory of a package becomes a link while it waits: the worker does not follow it either.
$l->drop($ten, name => 'deep.gpg', sub => 'user');
wait_until(10, 'its row', sub { $l->arrival('deep.gpg') });
rename "$dir/arrivals/nc/user", "$dir/arrivals/nc/.away" or die $!;
spew("$dir/elsewhere/deep.gpg", slurp($ten));
symlink "$dir/elsewhere", "$dir/arrivals/nc/user" or die $!;
my $worker = $l->start('smarter-worker-udl');
my $x = $l->ended('deep.gpg');
is($x->{state}, 'failed', 'a package whose directory became a link is not taken');
ok(-e "$dir/elsewhere/deep.gpg", 'nor is what the link leads to');
is($l->ended('mine.gpg')->{status}, 'udl.ingested', 'others are');
is($l->ended('half.gpg')->{status}, 'udl.ingested', 'the upload too, once it was finished and left alone');
$l->stop($worker);

# ---- a full disk -----------------------------------------------------------------------------------
SKIP: {
    skip 'only root can mount a small file system', 7 if $>;
    is(system('mount', '-t', 'tmpfs', '-o', 'size=3m,mode=0777', 'none', "$dir/work"), 0, 'the work zone is a small disk');
    my $filler = "$dir/work/filler";
    eval {
        spew($filler, 'x' x (2_200 << 10));
        $worker = $l->start('smarter-worker-udl');
        wait_until(10, 'it to notice', sub { grep { /"no":"SB4010"/ } $l->log_lines });
        $l->drop($ten, name => 'full.gpg');
        wait_until(10, 'its row', sub { my $y = $l->arrival('full.gpg'); $y && $y->{state} eq 'queued' });
        sleep 1.5;
        is($l->arrival('full.gpg')->{state}, 'queued', 'a worker without room takes no package');
        unlink $filler;
        is($l->ended('full.gpg')->{status}, 'udl.ingested', 'with room again it goes on');
        is(scalar(grep { /"no":"SB401[01]"/ } $l->log_lines), 2, 'it said so, once each');
        $l->stop($worker);

        # the disk fills up in the middle
        $l->{ini} = $l->ini('small.ini', 'udl2_trigger.file_system_scan_delay = 1', 'udl2.min_free_bytes = 0');
        $worker = $l->start('smarter-worker-udl');
        my ($header, $text) = split /\n/, $l->csv([{ StudentIdentifier => 'STUDENT' }]);
        srand 7;
        my $rows = join '', map { my $id = join '', map { chr 97 + rand 26 } 1 .. 30; $text =~ s/STUDENT/$id/r . "\n" } 1 .. 8000;
        my $big = $l->package({}, [], csv => "$header\n$rows");
        spew($filler, 'x' x ((3 << 20) - 1.4 * -s $big));
        $l->drop($big, name => 'middle.gpg');
        wait_until(20, 'it to go back', sub { grep { /"no":"SB4005"/ } $l->log_lines });
        $x = $l->arrival('middle.gpg');
        ok($x->{state} =~ /new|queued|running/ && $x->{attempts} <= 1, 'a full disk in the middle fails no batch') or diag explain $x;
        unlink $filler;
        $x = $l->ended('middle.gpg', 60);
        is_deeply([@$x{qw(status attempts)}], ['udl.ingested', 1], 'it is loaded when there is room, and no attempt was burned') or diag explain $x;
        is_deeply([$l->files('work')], [], 'and nothing is left at work');
        $l->stop($worker);
        1;
    } or do { diag $@, join "\n", $l->log_lines; fail('a full disk') };
    system 'umount', "$dir/work";
}

finish();
