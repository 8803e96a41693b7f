# What users delete or cancel is taken out of the pickup zone by the relay; what is ready or still running stays.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Jobs;
use Smarter::Pickup;

need('pickup', 'postgres', 'workers');

# A job with a file in the pickup zone; the id there.
sub delivered {
    my (%column) = @_;
    my $id = announce('state1');
    is(deliver($id, file_of(1000))->{status}, 200, 'delivered');
    my $job = a_job('state1', ended_at => 'now', closed_at => 'now', files => [['a.zip', 1000]], %column);
    sql("UPDATE jobs.file SET pickup_id = '$id' WHERE job_id = '$job'");
    return ($id, $job);
}

my ($ready) = delivered();
my ($stopping, $job) = delivered(state => 'cancelled', closed_at => undef);
my ($deleted) = delivered(deleted_at => 'now');
my ($cancelled) = delivered(state => 'cancelled');
wait_until(30, 'the relay to remove what nobody wants', sub { !stored($deleted) && !stored($cancelled) });
is(scalar in_depot($_), 0, 'the file is gone, too') for $deleted, $cancelled;
ok(stored($ready), 'what is ready stays');
ok(stored($stopping), 'so does what its worker may still deliver');
sql("UPDATE jobs.job SET closed_at = now() WHERE job_id = '$job'");
wait_until(30, 'it to be gone, too', sub { !stored($stopping) });
is(sql_one("SELECT count(*) FROM jobs.file WHERE pickup_id IN ('$deleted', '$cancelled', '$stopping') AND removed_at IS NOT NULL"), 3, 'and that is noted');

# A pickup zone that is away is asked again; one whose registration is gone has nothing to say.
my $j = Smarter::Jobs->new('t_jobs_pickup', 'hpz.file_upload_base_url' => 'https://localhost:1/files', 'hpz.file_registration_url' => 'https://localhost:1/registration');
my $s = $j->{name};
my $id = $j->make(files => ['a.zip'], steps => [{ tasks => [{ name => 'part' }] }]);
sql("UPDATE $s.job SET state = 'ready', closed_at = now(), deleted_at = now() WHERE job_id = '$id'");
sql("UPDATE $s.file SET pickup_id = '00000000-0000-4000-8000-000000000000'");
sub telling { return sql_one("SELECT coalesce(tell_at > now(), false) || ' ' || (tell_at IS NULL) FROM $s.job WHERE title = 'Over'") }
my $over = $j->make(title => 'Over', files => ['b.zip'], steps => [{ tasks => [{ name => 'part' }] }]);
sql("SELECT $s.job_end('$over', 'ready', NULL)");
is(telling(), 'false false', 'the owner of what is ready is to be told');
is($j->once->{exit}, 0, 'nobody is there: no failure of the relay');
is(sql_one("SELECT removed_at FROM $s.file WHERE job_id = '$id'"), undef, 'it waits');
is(telling(), 'true false', '... so does the word to the owner');
my $away = slurp($j->{ini});
sub upload_at { spew($j->{ini}, $away =~ s{https://localhost:1/files}{inside($_[0])}er =~ s{https://localhost:1/registration}{inside('/registration')}er) }
upload_at('/registration?');
is($j->once->{exit}, 0, 'the zone refuses');
is_deeply([sql("SELECT removed_at, not_before > now() + interval '1 minute' FROM $s.file WHERE job_id = '$id'")], [[undef, 't']], 'it is not taken for removed, and waits longer');
upload_at('/files');
$j->once;
is(sql_one("SELECT removed_at FROM $s.file WHERE job_id = '$id'"), undef, 'so long, indeed');
sql("UPDATE $s.file SET not_before = now()");
sql("UPDATE $s.job SET tell_at = now() WHERE tell_at IS NOT NULL");
is($j->once->{exit}, 0, 'the zone is back');
isnt(sql_one("SELECT removed_at FROM $s.file WHERE job_id = '$id'"), undef, 'nothing there is as good as removed');
is(telling(), 'false true', 'and the word is passed on');

# Who is to be told of what.
my %told = map { my ($how) = @$_; my $job = $j->make(files => $how eq 'bare' ? [] : ['c.zip'], steps => [{ tasks => [{ name => 'part' }] }]);
    sql("SELECT $s.job_end('$job', '$_->[1]', NULL)"); sql("SELECT $s.job_delete('$job')") if $how eq 'deleted';
    ($how => sql_one("SELECT tell_at IS NOT NULL FROM $s.job WHERE job_id = '$job'")) }
    ['ready', 'ready'], ['failed', 'failed'], ['cancelled', 'cancelled'], ['deleted', 'ready'], ['bare', 'ready'];
is_deeply(\%told, { ready => 't', failed => 't', cancelled => 'f', deleted => 'f', bare => 'f' }, 'nobody is told of what he ended himself, or of what has no file there');
finish();
