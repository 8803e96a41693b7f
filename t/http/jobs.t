# /services/jobs: one's own and nobody else's; what is said of each state; ending and removing; how often to ask.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Jobs;
use Smarter::Test;

need('httpd', 'postgres');
my %jar = map { $_ => sign_in($_) } qw(school state norole);
my $me = json(get('/services/userinfo', jar => $jar{school}))->{user_info}{_User__info}{uid};
my %ours = (Origin => env('SMARTER_URL'));
sub ask { return get('/services/jobs', jar => $jar{school}, @_) }
sub jobs { return json(ask())->{jobs} }
sub end { return http('DELETE', "/services/jobs/$_[0]", jar => $jar{ $_[1] // 'school' }, headers => \%ours) }

# ---- nothing, and each state ------------------------------------------------------------------------
sql("DELETE FROM jobs.job WHERE owner_uid = " . quote($me));
my $answer = ask();
is_deeply([$answer->{status}, json($answer)], [200, { jobs => [], more => JSON::PP::false, poll_seconds => 0 }], 'nothing was asked for');
like($answer->{headers}{'cache-control'}, qr/private/, 'for him alone');
my %id;
$id{ready} = a_job($me, created_at => '2016-04-03 10:11:12+00', ended_at => '2016-04-03 10:12:00+00', expires_at => 'tomorrow', files => [['a.zip', 4711]], notice => 'Data moved');
$id{failed} = a_job($me, state => 'failed', error => 'The pickup zone was away.', files => [['b.zip']]);
$id{expired} = a_job($me, state => 'expired', files => [['c.zip', 12]]);
$id{cancelled} = a_job($me, state => 'cancelled');
is(json(ask())->{poll_seconds}, 0, 'what is over need not be asked for again');
my %job = map { $_->{state} => $_ } @{ jobs() };
is_deeply([sort keys %job], [sort keys %id], 'all of them are there');
is_deeply($job{ready}, { id => $id{ready}, kind => 'extract', title => 'Results, grade 03', state => 'ready', percent => 100, missing_parts => 0, reason => undef,
        notice => 'Data moved', created => '2016-04-03T10:11:12.000Z', ended => '2016-04-03T10:12:00.000Z', expires => $job{ready}{expires},
        files => [{ name => 'a.zip', size => 4711, download_url => 'https://pickup.example.org/file/0', web_download_url => 'https://pickup.example.org/download/0' }] },
    'everything about one that is ready');
is($job{failed}{reason}, 'The pickup zone was away.', 'why one failed');
is_deeply([map { $_->{files}[0]{download_url} } @job{qw(failed expired)}], [undef, undef], 'what is not there or there no more has no address');
is($job{expired}{files}[0]{size}, 12, 'but its size');

# ---- live updates -----------------------------------------------------------------------------------
$id{running} = a_job($me, state => 'running');
$answer = ask();
is(json($answer)->{poll_seconds}, 2, 'just asked for: look again soon');
is(ask(headers => { 'If-None-Match' => $answer->{headers}{etag} })->{status}, 304, 'nothing is new: nothing is sent');
sql("UPDATE jobs.job SET created_at = now() - interval '3 minutes' WHERE job_id = '$id{running}'");
is(json(ask())->{poll_seconds}, 5, 'after minutes: less often');
sql("UPDATE jobs.job SET created_at = now() - interval '1 hour' WHERE job_id = '$id{running}'");
is(json(ask())->{poll_seconds}, 15, 'after an hour: seldom');
sql("INSERT INTO jobs.step (job_id, number, on_failure, tasks, unfinished) VALUES ('$id{running}', 1, 'fail', 4, 3)");
sql("INSERT INTO jobs.task (job_id, step, number, queue, name, args, state, progress) SELECT '$id{running}', 1, n, 'none', 'none', '{}', 'running', n::real / 4 FROM generate_series(1, 4) n");
is(json(get("/services/jobs/$id{running}", jar => $jar{school}))->{percent}, 62, 'progress is that of its tasks');
isnt(ask()->{headers}{etag}, $answer->{headers}{etag}, 'and another tag');

# ---- whose it is ------------------------------------------------------------------------------------
my $foreign = get("/services/jobs/$id{ready}", jar => $jar{state});
my $unknown = get('/services/jobs/11111111-1111-4111-8111-111111111111', jar => $jar{state});
is_deeply([$foreign->{status}, { %{ json($foreign) }, request_id => 0 }], [404, { %{ json($unknown) }, request_id => 0 }], 'another\'s looks like one that is not there');
is(get("/services/jobs/$_", jar => $jar{school})->{status}, 404, "no id: $_") for 'x', uc $id{ready}, "$id{ready}1", '%27';
is(end($id{ready}, 'state')->{status}, 404, 'nobody removes it but its owner');
is(scalar(grep { $_->{id} eq $id{ready} } @{ json(get('/services/jobs', jar => $jar{state}))->{jobs} }), 0, 'nor has it in his list');
is(get('/services/jobs', jar => $jar{norole})->{status}, 403, 'not without a role');
is(get('/services/jobs')->{status}, 401, 'not without signing in');

# ---- ending and removing ------------------------------------------------------------------------------
is(http('DELETE', "/services/jobs/$id{running}", jar => $jar{school}, headers => { Origin => 'https://elsewhere.example' })->{status}, 403, 'another site cannot');
is_deeply(json(end($id{running})), { job_id => $id{running}, result => 'cancelled' }, 'a running one is cancelled');
is(sql_one("SELECT state FROM jobs.job WHERE job_id = '$id{running}'"), 'cancelled', 'in the database, too');
is_deeply(json(end($id{$_})), { job_id => $id{$_}, result => 'deleted' }, "one that is $_ goes out of the list") for qw(running ready failed expired cancelled);
is(scalar @{ jobs() }, 0, 'none is left');
is(end($id{ready})->{status}, 404, 'and cannot go again');
is(sql_one("SELECT count(*) FROM jobs.job WHERE job_id = '$id{ready}'"), 1, 'operators still see it');

# ---- texts that are no markup, and many of them ----------------------------------------------------------
my $title = "<script>\"\\ \xc3\xa9";
my $one = a_job($me, title => $title);
is(jobs()->[0]{title}, "<script>\"\\ \x{e9}", 'a title is text');
sql("INSERT INTO jobs.job (job_id, kind, tenant, owner_uid, title, params, state, max_attempts, retry_delay, keep, give_up_at)"
    . " SELECT gen_random_uuid(), kind, tenant, owner_uid, title, params, state, max_attempts, retry_delay, keep, give_up_at FROM jobs.job, generate_series(1, 105) WHERE job_id = '$one'");
sub page { my $r = json(get('/services/jobs' . ($_[0] && "?before=$_[0]"), jar => $jar{ $_[1] // 'school' })); return ([map { $_->{id} } @{ $r->{jobs} }], $r->{more}) }
my ($first, $more) = page('');
is(scalar(@$first) . " $more", '100 1', 'at most a hundred, and that there are more');
my ($second, $rest) = page($first->[99]);
is(scalar(@$second) . " $rest", '6 0', 'behind the last one are the others');
is_deeply([sort @$first, @$second], [sort map { $_->[0] } sql('SELECT job_id FROM jobs.job WHERE owner_uid = ' . quote($me) . ' AND deleted_at IS NULL')], 'each is there once, also those of one moment');
end($first->[99]);
is_deeply([(page($first->[99]))[0]], [$second], 'the same if the last one was removed meanwhile');
is(scalar @{ (page($second->[-1]))[0] }, 0, 'behind the very last there is nothing');
is(scalar @{ (page($first->[0], 'state'))[0] }, 0, 'nor behind one of another user');
is(scalar @{ (page('-' x 36))[0] }, 0, 'nor behind what is no id');
is(get("/services/jobs?$_", jar => $jar{school})->{status}, 412, "refused: $_") for 'before=x', 'before=', "after=$first->[0]";
sql('DELETE FROM jobs.job WHERE owner_uid = ' . quote($me));
finish();
