# What jobs came to stands in the audit stream: each end once, whoever ended it, and not before the stream takes it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Smarter::Test;
use Smarter::Jobs;

need('postgres', 'rabbitmq', 'workers');
my $audit = tmpdir() . '/audit.log';
my $j = Smarter::Jobs->new('t_jobs_outcome', 'logging.audit' => "file:$audit");
my $s = $j->{name};

sub waiting { return sql_one("SELECT count(*) FROM $s.outcome") }

# A job that ended with these files; its id.
sub over {
    my ($state, %size) = @_;
    my $id = $j->make(files => ['a.zip', 'b.zip'], steps => [{ tasks => [{ name => 'part' }] }]);
    sql("UPDATE $s.job SET owner_guid = 'guid-of-me', request_id = 'r-$state' WHERE job_id = '$id'");
    sql("UPDATE $s.file SET pickup_id = 'at-' || name, size = " . ($size{$_} // 'NULL') . " WHERE job_id = '$id' AND name = '$_'") for 'a.zip', 'b.zip';
    sql("SELECT $s.job_end('$id', '$state', 'why it is so')");
    return $id;
}

# The lines that came since the last call, without the time of writing.
my $seen = 0;
sub lines {
    my @all = -e $audit ? map { JSON::PP->new->decode($_) } split /\n/, slurp($audit) : ();
    my @new = @all[$seen .. $#all];
    $seen = @all;
    like(delete $_->{asctime}, qr/\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\z/, 'when it was written') for @new;
    return @new;
}

# A stream that takes nothing: what is to be written waits.
my $good = slurp($j->{ini});
my %id = (ready => over('ready', 'a.zip' => 10, 'b.zip' => 5_000_000_000), failed => over('failed', 'b.zip' => 7), cancelled => over('cancelled'));
for (["file:$audit.d/x.log", qr/SB4558.*\Q$audit.d\/x.log\E cannot be opened/], ['file:/dev/full', qr/SB4559.*No space left/]) {
    my ($target, $complaint) = @$_;
    spew($j->{ini}, $good =~ s/^logging\.audit = \K.*/$target/mr);
    my $r = $j->once;
    is($r->{exit}, 0, "$target: the relay does the rest");
    like($r->{err}, $complaint, '... and complains');
    is(waiting(), 3, '... what is to be written stays');
}
spew($j->{ini}, $good);
sql("SELECT $s.job_end('$id{ready}', 'failed', NULL)");
is(waiting(), 3, 'what is over does not end again');
sql("DELETE FROM $s.job WHERE job_id = '$id{failed}'"); # forgotten
is($j->once->{exit}, 0, 'the stream is there');
is(waiting(), 0, 'nothing waits');
my @got = lines();
my @ended = map { delete $_->{msg}{params}{args}{ended} } @got;
is(scalar(grep { /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/ } @ended), 3, 'when they ended');
my %expected = (ready => [200, { id => 'at-a.zip', size => 10 }, { id => 'at-b.zip', size => 5_000_000_000 }], failed => [500, { id => 'at-b.zip', size => 7 }], cancelled => [410]);
is_deeply(\@got, [map { my ($status, @files) = @{ $expected{$_} };
    { msg => { callable => 'test_job', session_id => 'guid-of-me', principals => [],
        params => { args => { job => $id{$_}, tenant => 'nc', state => $_, files => \@files } } }, request_id => "r-$_", status => $status } } qw(ready failed cancelled)],
    'a line each, in the order they ended');
unlike(slurp($audit), qr/why it is so|A test|[ab]\.zip"(?<!at-[ab]\.zip")/, 'no title, no name of a file, no reason');
is($j->once->{exit}, 0, 'again');
is(scalar lines(), 0, 'nothing twice');

# As it happens: through the work of a worker, and once more when it is tried again.
my $relay = $j->relay;
my $worker = $j->worker;
my $id = $j->make(max_attempts => 1, steps => [{ tasks => [{ name => 'fail', args => { as => 'error' } }] }]);
is($j->closed($id), 'failed', 'one that fails');
is($j->call('retry', $id)->{exit}, 0, 'is tried again');
is($j->closed($id), 'failed', 'and fails again');
wait_until(10, 'both to be written', sub { !waiting() });
is_deeply([map { "$_->{msg}{params}{args}{job} $_->{status}" } lines()], ["$id 500", "$id 500"], 'each end has its line');
$j->stop($_) for $relay, $worker;
finish();
