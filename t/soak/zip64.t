# An extract beyond 4 GiB, from the request to the browser: XML files of three students, the second of which is larger
# than 4 GiB by itself, so that size, packed size and the next one's place in the archive need ZIP64. Its progress moves
# while that one file is packed, cancelling it then is heard, and the file that is fetched is read by programs that are
# not ours, by its directory and as a stream. By name only, some minutes and 14 GiB of disk: smarterctl test t/soak/zip64.t
use strict;
use warnings;
use lib 't/lib';
use Digest::SHA ();
use File::Path ();
use IO::Uncompress::Unzip ();
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Extracts;
use Smarter::Pickup;
use Smarter::Results;
use Smarter::Test;

use constant GIB => 1 << 30;

need('httpd', 'pickup', 'workers');

my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my $year = 2078;
my $school = school('BD1', 'Big District', 'BS1', 'Big School');
my $math = assessment('SUMMATIVE', $year, 'Math', effective_date => "${year}0401");
my @students = qw(B-1 B-2 B-3);
results($school, student => student($_), asmt => $math, year => $year, subject => 'Math', grade => '05') for @students;
put();
add_user('big', ['AUDITXML', $tenant, $state]);
my $jar = sign_in('big');
my $outside = sign_in_outside('big');
my $depot = env('SMARTER_PICKUP_DIR');
my $work = env('SMARTER_VAR') . "/extraction/$tenant";
my $top = env('SMARTER_VAR') . "/raw_data/$state/$year";
my $leaf = "$top/SUMMATIVE/${year}0401/MATH/05/BD1";
my $ini = env('SMARTER_PICKUP_INI');
my $ini_before = slurp($ini);
my $id;

END {
    my $status = $?;
    File::Path::remove_tree($top) if $top;
    unlink "$depot/$id" if $id;
    if (defined $ini_before && slurp($ini) ne $ini_before) {
        spew($ini, $ini_before);
        stack('restart', 'pickup');
    }
    $? = $status;
}

# ---- the files ---------------------------------------------------------------------------------------

# Bytes that do not pack, and are not the same anywhere: a cipher's of nothing.
File::Path::make_path($leaf);
my %size = ('B-1' => 100 << 20, 'B-2' => 4 * GIB + 12_345, 'B-3' => 50 << 20);
for my $student (@students) {
    system(qq(head -c $size{$student} /dev/zero | openssl enc -aes-128-ctr -K @{[unpack 'H*', "$student-0123456789ab"]} -iv @{['0' x 32]} -out '$leaf/$student.xml')) == 0 or die;
}
Smarter::Test::loaders($top, split /\n/, qx(find '$top'));
my %sha = map { $_ => sha256_of("$leaf/$_.xml") } @students;

# The pickup zone takes 4 GiB by default.
spew($ini, $ini_before =~ s/^(\[app:main\]\n)/$1hpz.frs.file_size_limit = @{[6 * GIB]}\n/mr);
stack('restart', 'pickup');

sub ask {
    my $r = post_json('/services/extract/raw_data', { stateCode => $state, asmtYear => "$year", asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '05' },
        jar => $jar, headers => { Origin => env('SMARTER_URL') });
    is($r->{status}, 200, 'asked') or die "$r->{body}\n";
    is(scalar @{ json($r)->{files} }, 1, 'one archive');
    return json($r)->{files}[0]{web_download_url} =~ m{([-0-9a-f]{36})\z};
}

sub job { my ($newest) = @{ json(get('/services/jobs', jar => $jar))->{jobs} }; return $newest }

# ---- cancelled in the midst of the large file ----------------------------------------------------------

($id) = ask();
wait_until(120, 'the large file to be begun', sub { job()->{percent} >= 35 });
is(http('DELETE', '/services/jobs/' . job()->{id}, jar => $jar, headers => { Origin => env('SMARTER_URL') })->{status}, 200, 'cancelled meanwhile');
my $begun = time;
wait_until(60, 'the worker to hear of it', sub { my @left = glob "$work/*"; !@left });
cmp_ok(time - $begun, '<', 10, '... the worker hears of it soon, and nothing is left');

# ---- made --------------------------------------------------------------------------------------------

($id) = ask();
my (%seen, $job);
my $back = 0;
my $last = 0;
$begun = time;
wait_until(900, 'the file', sub {
    $job = job();
    $seen{ $job->{percent} }++;
    $back++ if $job->{percent} < $last;
    $last = $job->{percent};
    sleep 0.4;
    $job->{state} !~ /queued|running/;
});
is($job->{state}, 'ready', sprintf 'ready after %.0f s', time - $begun) or diag($job->{reason});
my @between = grep { $_ > 0 && $_ < 90 } sort { $a <=> $b } keys %seen;
cmp_ok(scalar @between, '>=', 8, "progress moves: @between");
is($back, 0, '... and never back');
my ($peak) = slurp('/proc/' . worker_pid('worker-extract') . '/status') =~ /^VmHWM:\s+(\d+) kB/m;
cmp_ok($peak, '<', 64 * 1024, "$peak KiB were enough for the worker");
my $size = -s "$depot/$id";
cmp_ok($size, '>', 4 * GIB, "$size bytes");
is($job->{files}[0]{size}, $size, 'its size is told');

# ---- fetched -----------------------------------------------------------------------------------------

my $cookies = join '; ', map { my @f = split /\t/; @f == 7 ? "$f[5]=$f[6]" : () } map { s/\A#HttpOnly_//r } split /\n/, slurp($outside);
my $fetched = qx(curl -sS --cacert '@{[env('SMARTER_CA')]}' -H 'Cookie: $cookies' '@{[outside("/file/$id")]}' | sha256sum);
is($fetched =~ s/ .*//sr, stored($id)->{sha256}, 'it comes as it was delivered');
is(http('HEAD', outside("/file/$id"), jar => $outside)->{headers}{'content-length'}, $size, 'HEAD knows its length');
my $part = fetch($id, $outside, headers => { Range => 'bytes=' . (4 * GIB - 5) . '-' . (4 * GIB + 4) });
open my $in, '<:raw', "$depot/$id" or die $!;
seek $in, 4 * GIB - 5, 0;
read $in, my $there, 10;
is("$part->{status} $part->{body}", "206 $there", 'a part of it on both sides of 4 GiB');

# ---- read --------------------------------------------------------------------------------------------

my $r = Smarter::Test::run({ timeout => 900 }, 'unzip', '-tqq', "$depot/$id");
is($r->{exit}, 0, 'unzip finds nothing wrong') or diag("$r->{out}$r->{err}");
$r = Smarter::Test::run({ timeout => 900 }, 'python3', '-c', <<'PY', "$depot/$id");
import sys, zipfile, hashlib
for i in (z := zipfile.ZipFile(sys.argv[1])).infolist():
    h = hashlib.sha256()
    with z.open(i) as f:
        while b := f.read(1 << 20): h.update(b)
    print(i.filename, i.file_size, i.compress_size > 1 << 32, i.header_offset > 1 << 32, h.hexdigest())
PY
is($r->{out}, join('', map { "$_.xml $size{$_} " . join(' ', map { $_ ? 'True' : 'False' } $_ eq 'B-2', $_ eq 'B-3') . " $sha{$_}\n" } @students),
    'so does Python, by its directory: names, sizes, places and every byte') or diag($r->{err});
seek $in, 0, 0;
my $stream = IO::Uncompress::Unzip->new($in, MultiStream => 0) or die "unzip: $IO::Uncompress::Unzip::UnzipError";
my (@streamed, $buffer);
for (my $more = 1; $more > 0; $more = $stream->nextStream) {
    my ($name, $length) = ($stream->getHeaderInfo->{Name}, 0);
    while ((my $n = $stream->read($buffer, 1 << 20)) > 0) { $length += $n }
    push @streamed, "$name $length";
}
is_deeply(\@streamed, [map { "$_.xml $size{$_}" } @students], 'and as a stream, without it');

http('DELETE', '/services/jobs/' . $job->{id}, jar => $jar, headers => { Origin => env('SMARTER_URL') });
finish();
