# Emptying the caches: over HTTP and by the operator's tool; who may, and what is left of it on every node.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('httpd', 'postgres', 'memcached');

my $state = env('SMARTER_STATE');
my $schema = env('SMARTER_SCHEMA');
my $report = "/data/comparing_populations?stateCode=$state";
my %ours = (Origin => env('SMARTER_URL'));
my $admin = sign_in('super');
my $jar = sign_in('state');

sub made { return scalar grep { /SB2004\b/ } log_since('application') }

sub flush {
    my ($what, %opt) = @_;
    return http('DELETE', "/services/cache/$what", jar => $admin, headers => \%ours, %opt);
}

# How often a report that was just asked for is made when it is asked for twelve times more.
sub made_again {
    my $before = made();
    is(get($report, jar => $jar)->{status}, 200, 'the report') for 1 .. 12;
    return made() - $before;
}

subtest 'who may' => sub {
    for my $kind (qw(state district school)) {
        my $other = $kind eq 'state' ? $jar : sign_in($kind);
        is(http('DELETE', '/services/cache/all', jar => $other, headers => \%ours)->{status}, 403, "not a user of kind $kind");
    }
    is(http('DELETE', '/services/cache/all', headers => \%ours)->{status}, 401, 'nobody in particular may not either');
    my @events = map { JSON::PP->new->decode($_)->{msg}{msg} } log_since('security');
    is(scalar(grep { $_ eq 'forbidden: DELETE /services/cache/{} without permission super_admin_rights' } @events), 3, 'each denied one is a security event');
    add_user('part', ['SUPER_USER', env('SMARTER_TENANT'), $state, 'D001'], ['PII', env('SMARTER_TENANT'), $state]);
    my $part = sign_in('part');
    is(flush($_, jar => $part)->{status}, 403, "nor an administrator of a part: $_") for qw(all session data);
    is(http('GET', '/services/trigger/cache', jar => $part, headers => \%ours)->{status}, 403, 'nor does he fill them');
    @events = map { JSON::PP->new->decode($_)->{msg}{msg} } log_since('security');
    is(scalar(grep { $_ eq 'forbidden: DELETE /services/cache/session without SUPER_USER for every tenant' } @events), 1, 'a security event each');
    is(scalar(grep { /forbidden: .* without SUPER_USER for every tenant\z/ } @events), 4, 'all of them');
    is(flush('all', headers => { Origin => 'https://elsewhere.example' })->{status}, 403, 'another site may not make him do it');
    is(flush('all', headers => {})->{status}, 403, 'nor may nobody knows who');
    my $token = get('/services/userinfo', jar => $admin)->{headers}{'x-csrf-token'};
    is(flush('data', headers => { 'X-CSRF-Token' => $token })->{status}, 200, 'unless he has the token of the session');
    is(flush('data', headers => { 'X-CSRF-Token' => scalar reverse $token })->{status}, 403, 'the right one');
    is(flush($_)->{status}, 404, "there is no cache '$_'") for qw(other ALL all%20 %2e);
    my $answer = get('/services/cache/all', jar => $admin);
    is_deeply([$answer->{status}, $answer->{headers}{allow}], [405, 'DELETE'], 'reading it is no way to empty it');
    is(flush('all?x=1')->{status}, 412, 'there are no parameters');
};

subtest 'data' => sub {
    made_again();
    is(made_again(), 0, 'a report that was kept');
    my $answer = flush('data');
    is_deeply([$answer->{status}, json($answer)], [200, { cache_name => 'data', result => 'OK' }], 'emptied');
    is(made_again(), 1, 'is made once more, whichever process is asked');
    is(get('/services/userinfo', jar => $jar)->{status}, 200, 'nobody was signed out');
    $answer = http('DELETE', '/services/flush/data', jar => $admin, headers => \%ours);
    is_deeply([$answer->{status}, json($answer)], [200, { cache_name => 'data', result => 'OK' }], 'by its other address');
    is(made_again(), 1, 'the same');
};

# Behind the back of the version: only who makes the report anew can know.
sub rename_district { sql("UPDATE $schema.dim_inst_hier SET district_name = " . quote($_[0]) . " WHERE district_id = 'D001'") }

subtest 'nodes that do not answer meanwhile' => sub {
    allow_log(qr/SB126\d\b/);
    my $name = sql_one("SELECT district_name FROM $schema.dim_inst_hier WHERE district_id = 'D001' LIMIT 1");
    made_again();
    rename_district('Flushed District');
    unlike(get($report, jar => $jar)->{body}, qr/Flushed District/, 'an old name is kept');
    kill 'STOP', server_pid('memcached1'), server_pid('memcached2');
    my $r = eval { run_program({ as_me => 1 }, 'smarter', 'cache', 'flush', 'data', '--yes') };
    kill 'CONT', server_pid('memcached1'), server_pid('memcached2');
    is($r->{exit}, 0, 'emptied') or diag($r->{out}, $r->{err});
    my %seen;
    wait_until(30, 'every process to use the nodes again', sub {
        $seen{ get($report, jar => $jar)->{body} =~ /Flushed District/ ? 'new' : 'old' }++;
        return made_again() == 0;
    });
    is_deeply([keys %seen], ['new'], 'bring nothing back');
    rename_district($name);
    is(flush('data')->{status}, 200, 'emptied once more');
    unlike(get($report, jar => $jar)->{body}, qr/Flushed District/, 'the true name');
};

subtest 'sessions' => sub {
    $jar = sign_in('state');
    $admin = sign_in('super');
    made_again();
    my $answer = flush('session');
    is_deeply([$answer->{status}, json($answer)], [200, { cache_name => 'session', result => 'OK' }], 'emptied');
    is(get('/services/userinfo', jar => $_)->{status}, 401, 'signed out') for ($jar, $admin) x 6;
    like(join('', log_since('security')), qr/everybody is signed out/, 'which is a security event');
    $jar = sign_in('state');
    is(made_again(), 0, 'reports were kept');
    $admin = sign_in('super');
    is(flush('all')->{status}, 200, 'both');
    is(get('/services/userinfo', jar => $jar)->{status}, 401, 'signed out');
    $jar = sign_in('state');
    is(made_again(), 1, 'and made once more');
};

subtest 'when the number cannot be raised' => sub {
    allow_log(qr/SB305[01]\b/);
    $admin = sign_in('super');
    sql('REVOKE UPDATE ON edware_stats.cache_generation FROM smarter_web');
    my $answer = flush('data');
    sql('GRANT UPDATE ON edware_stats.cache_generation TO smarter_web');
    is($answer->{status}, 503, 'it says so');
    ok($answer->{headers}{'retry-after'}, 'and to try again');
    is(flush('data')->{status}, 200, 'later it can');
};

subtest 'by the operator' => sub {
    made_again();
    my $r = run_program({ as_me => 1 }, 'smarter', 'cache', 'status', '--json');
    is($r->{exit}, 0, 'status') or diag($r->{err});
    my $status = JSON::PP->new->decode($r->{out});
    is_deeply([map { $_->{name} } @{ $status->{caches} }], [qw(session data)], 'both caches');
    my @nodes = @{ $status->{caches}[1]{nodes} };
    is(scalar @nodes, 2, 'two nodes each');
    is_deeply([map { $_->{answers} } @nodes], [JSON::PP::true, JSON::PP::true], 'both answer');
    cmp_ok($nodes[0]{items} + $nodes[1]{items}, '>', 0, 'something is kept');
    cmp_ok($nodes[0]{hits} + $nodes[1]{hits}, '>', 0, 'and was found');
    my $generation = $status->{caches}[1]{generation};
    like(run_program({ as_me => 1 }, 'smarter', 'cache', 'status')->{out}, qr/^data: generation $generation$/m, 'people are told, too');
    $r = run_program({ as_me => 1 }, 'smarter', 'cache', 'flush', 'data');
    is($r->{exit}, 2, 'nothing without --yes where nobody can be asked');
    is(made_again(), 0, 'nothing');
    $r = run_program({ as_me => 1 }, 'smarter', 'cache', 'flush', 'data', '--yes');
    is($r->{exit}, 0, 'flush') or diag($r->{err});
    is(made_again(), 1, 'emptied');
    cmp_ok(JSON::PP->new->decode(run_program({ as_me => 1 }, 'smarter', 'cache', 'status', '--json')->{out})->{caches}[1]{generation},
        '>', $generation, 'by a new generation');
    like(join('', log_since('audit')), qr/"operator\.cache flush"/, 'which is audited');
    is(run_program({ as_me => 1 }, 'smarter', 'cache', 'flush', $_, '--yes')->{exit}, 2, "no cache '$_'") for qw(everything Data);
};

finish();
