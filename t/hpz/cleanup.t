# smarter-hpz-cleanup: what is too old goes, and nothing else; whatever is missing, and whenever it is killed.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX ();
use Smarter::Test;
use Smarter::Pickup;

need('pickup');
my $ini = env('SMARTER_PICKUP_INI');
my $depot = env('SMARTER_PICKUP_DIR');
my $file = file_of(1000);

sub clean { return run_program('smarter-hpz-cleanup', '-c', $ini, @_) }
sub age { my ($id, $days) = @_; sql("UPDATE hpz.file_registry SET create_dt = now() - interval '$days days' WHERE registration_id = '$id'") }
sub ready { my ($days) = @_; my $id = announce('state1'); deliver($id, $file); age($id, $days); return $id }
my @super = ({ user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') });    # sees what others do
sub counts { my $said = $_[0]{out}; return eval { JSON::PP::decode_json($said) } // die "no JSON: $said$_[0]{err}" }

sub left { # a file of that name and age
    my ($name, $hours) = @_;
    spew("$depot/$name", 'x');
    utime time - $hours * 3600, time - $hours * 3600, "$depot/$name";
    return $name;
}

clean('--once');
my ($old, $young, $bare) = (ready(20), ready(1), ready(20));
my $edge = ready(7);
unlink "$depot/$bare";
my ($unused, $waiting) = (announce('state1'), announce('state1'));
sql("UPDATE hpz.file_registry SET registered_at = now() - interval '20 days' WHERE registration_id = '$unused'");
my $nobody = 'aaaaaaaa-0000-4000-8000-00000000000';
my @leftovers = (left("${nobody}1", 25), left(".upload-$waiting-0123456789abcdef", 25), left(".heartbeat-${nobody}1", 25), left($waiting, 25));
my @kept = (left("${nobody}2", 23), left(".upload-$waiting-ffff", 1), left('README', 1000), left('.keep', 1000), left("${nobody}3.zip", 1000));

my $r = clean('--dry-run');
is($r->{exit}, 0, 'a dry run');
is_deeply(counts($r), { expired => 3, unused => 1, leftovers => 4, failed => 0, dry_run => JSON::PP::true }, '... says what would go');
ok(-e "$depot/$old" && stored($old) && -e "$depot/$leftovers[0]", '... and removes nothing');
is_deeply(counts(clean('-e', 30, '-n')), { expired => 0, unused => 0, leftovers => 4, failed => 0, dry_run => JSON::PP::true }, '-e DAYS instead of those configured');

$r = clean('--once');
is($r->{exit}, 0, 'for good');
is_deeply(counts($r), { expired => 3, unused => 1, leftovers => 4, failed => 0 }, '... as announced');
ok(!-e "$depot/$old" && !stored($old), 'dated 20 days ago: file and row are gone');
ok(!-e "$depot/$edge" && !stored($edge), '... 7 days ago, too');
ok(!stored($bare), '... and a row whose file was gone already');
ok(-e "$depot/$young" && stored($young), 'dated yesterday: it stays');
ok(!stored($unused) && stored($waiting), 'a registration nobody used goes by its own date');
is_deeply([grep { -e "$depot/$_" } @leftovers], [], 'leftovers of a day ago are gone');
is_deeply([grep { !-e "$depot/$_" } @kept], [], 'younger ones stay, and what is not ours');
is_deeply(counts(clean()), { expired => 0, unused => 0, leftovers => 0, failed => 0 }, 'again: nothing left to do');

# One that cannot be removed does not keep the others.
my ($stuck, $next) = sort(ready(20), ready(20));
unlink "$depot/$stuck";
mkdir "$depot/$stuck";
$r = clean('--once');
is($r->{exit}, 1, 'a file that cannot be removed is a failure');
is_deeply(counts($r), { expired => 1, unused => 0, leftovers => 0, failed => 1 }, '... of its own');
ok(stored($stuck) && !stored($next), '... its row stays, the others go');
rmdir "$depot/$stuck";
is(counts(clean())->{expired}, 1, '... until it can be');

# A directory that is not there (not mounted, perhaps) costs no row.
my $victim = ready(20);
(my $elsewhere = slurp($ini)) =~ s{^(hpz.frs.upload_base_path = ).*$}{$1/nonexistent/uploads}m;
my $dir = tmpdir();
spew("$dir/ini", $elsewhere);
$r = run_program('smarter-hpz-cleanup', '-c', "$dir/ini", '--once');
is($r->{exit}, 1, 'no directory: refused');
like($r->{err}, qr{/nonexistent/uploads}, '... by its name');
ok(stored($victim), '... and no row went');

# One at a time; options that make no sense.
my $held = fork // die;
if (!$held) {
    open STDERR, '>', '/dev/null';
    eval { sql({ user => 'smarter_hpz', password => env('SMARTER_PG_HPZ_PASSWORD') },
        "SELECT pg_advisory_lock(hashtextextended('smarter-hpz-cleanup hpz', 0)), pg_sleep(30)") };
    POSIX::_exit(0);
}
my $holder = wait_until(10, 'the lock to be held', sub { sql_one(@super, "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
    . " WHERE locktype = 'advisory' AND granted AND query LIKE '%smarter-hpz-cleanup hpz%pg_sleep(%' AND usename = 'smarter_hpz'") });
$r = clean('--once');
is($r->{exit}, 0, 'another one is at work');
like($r->{err}, qr/another one is running/, '... and will do it');
ok(stored($victim), '... so this one leaves it alone');
sql(@super, "SELECT pg_terminate_backend($holder)");
waitpid $held, 0;
is(clean('-e', $_)->{exit}, 2, "-e $_ is no number of days") for '0', '-1', 'x', '7d';

# By the schedule of the ini: 04:00 has not come since the schedule was first seen.
$r = clean('--if-due');
is("$r->{exit} $r->{out}", '0 ', '--if-due: not now, and not a word');
is(sql_one("SELECT schedule FROM edware_stats.schedule_run WHERE name = 'hpz.record_expiration'"), 'hour=4', '... by the hour that is configured');

# Killed at any time, it goes on where it was.
sql("INSERT INTO hpz.file_registry (registration_id, user_id, file_path, create_dt, file_name, size, sha256)"
    . " SELECT 'bbbbbbbb-0000-4000-8000-' || lpad(i::text, 12, '0'), 'crowd', 'x', now() - interval '20 days', 'x', 1, 'x' FROM generate_series(1, 900) i");
spew("$depot/bbbbbbbb-0000-4000-8000-" . sprintf('%012d', $_), 'x') for 1 .. 900;
my $killed = 0;
for (1 .. 3) {
    my $run = run_program({ background => 1 }, 'smarter-hpz-cleanup', '-c', $ini);
    my $before = sql_one("SELECT count(*) FROM hpz.file_registry WHERE user_id = 'crowd'");
    wait_until(10, 'it to be at work', sub { sql_one("SELECT count(*) FROM hpz.file_registry WHERE user_id = 'crowd'") < $before || !kill 0, $run->{pid} });
    $killed += kill 'KILL', $run->{pid};
    waitpid $run->{pid}, 0;
    wait_until(10, 'its lock to go', sub { !sql_one(@super, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smarter-hpz-cleanup'") });
}
cmp_ok($killed, '>=', 1, 'it was killed at work');
is(clean()->{exit}, 0, 'the next one ends');
is(sql_one("SELECT count(*) FROM hpz.file_registry WHERE user_id = 'crowd'"), 0, '... all rows are gone');
is(scalar(() = glob "$depot/bbbbbbbb-*"), 0, '... and all files');

unlink map { "$depot/$_" } @kept;
finish();
