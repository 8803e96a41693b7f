# Reports made in advance: what smarter-cache-warm keeps is what the web tier looks for; whose batches; what becomes of
# mistakes. The filters are those of the example file.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd', 'postgres', 'memcached');

my $state = env('SMARTER_STATE');
my $tenant = env('SMARTER_TENANT');
my $schema = env('SMARTER_SCHEMA');
my $report = '/data/comparing_populations';
my $year = 2061;
my %ours = (Origin => env('SMARTER_URL'));
my %jar = map { $_ => sign_in($_) } qw(state super);

sub made { return scalar grep { /SB2004\b/ } log_since('application') }

# How many of some requests were not in the cache.
sub missed {
    my $before = made();
    is(post_json($report, { stateCode => $state, %$_ }, jar => $jar{state})->{status}, 200, 'answered') for @_;
    return made() - $before;
}

my @mine;

sub batch {
    my ($guid, %row) = @_;
    %row = (tenant => $tenant, load_type => 'assessment', load_status => 'migrate.ingested', %row);
    push @mine, $guid;
    sql('INSERT INTO edware_stats.udl_stats (batch_guid, file_arrived, ' . join(', ', sort keys %row) . ') VALUES ('
        . join(', ', quote($guid), 'now()', map { quote($row{$_}) } sort keys %row) . ')');
}

sub marked { return sql_one('SELECT last_pre_cached IS NOT NULL FROM edware_stats.udl_stats WHERE batch_guid = ' . quote($_[0])) eq 't' }
END { my $s = $?; sql('DELETE FROM edware_stats.udl_stats WHERE batch_guid IN (' . join(',', map { quote($_) } @mine) . ')') if @mine; $? = $s }

sub warm {
    my ($opt, @args) = ref $_[0] ? @_ : ({}, @_);
    return run_program($opt, 'smarter-cache-warm', @args ? @args : '--once');
}

sub change { sql("UPDATE $schema.data_version SET version = version + 1") }

# Nobody else's batches, and three districts, two of which a batch delivers results of.
sql('UPDATE edware_stats.udl_stats SET last_pre_cached = now() WHERE last_pre_cached IS NULL');
results(school("W$_", "Warm $_", "WS$_", "Warm School $_"), year => $year, subject => 'Math', grade => '03', level => 3, count => 30) for 1 .. 2;
put();
my $guid = sql_one("SELECT batch_guid FROM $schema.fact_asmt_outcome_vw WHERE asmt_year = $year LIMIT 1");
my $years = sql_one("SELECT least(5, count(DISTINCT asmt_period_year)) FROM $schema.dim_asmt");
my $each = 1 + $years + 2 * 23;
my @asked = map { my $place = $_; map { { %$place, %$_ } } {}, { asmtYear => $year }, { grade => ['03'] }, { asmtYear => $year, grade => ['03'], dmgPrgIep => ['Y'] } }
    {}, { districtId => 'W1' }, { districtId => 'W2' };

subtest 'what is promoted' => sub {
    batch($guid);
    batch('warm-other', load_type => 'studentregistration');
    batch('warm-failed', load_status => 'migrate.failed');
    batch('warm-empty');
    stack('down', 'httpd');
    my $r = warm();
    stack('up', 'httpd');
    is($r->{exit}, 0, 'while no web node is up') or diag($r->{err});
    my %done = map { ($_->{batch} => $_) } map { JSON::PP->new->decode($_) } split /\n/, $r->{out};
    is_deeply([sort keys %done], [sort $guid, 'warm-empty'], 'assessments in production');
    is_deeply([@{ $done{$guid} }{qw(tenant districts reports failed)}], [$tenant, 2, 3 * $each, 0], 'state and districts, every year and every filter');
    is_deeply([@{ $done{'warm-empty'} }{qw(districts reports failed)}], [0, $each, 0], 'of a batch without districts the state');
    is_deeply([map { marked($_) } $guid, qw(warm-empty warm-other warm-failed)], [1, 1, '', ''], 'are marked');
    is(missed(@asked), 0, 'nobody waits for what was made');
    is(missed({ districtId => 'D001' }, { grade => ['03', '04'] }), 2, 'what nobody asked for in advance is made when it is wanted');
    $r = warm();
    is_deeply([@$r{qw(exit out)}], [0, ''], 'there is nothing more to do');
};

subtest 'by the address' => sub {
    change();
    sql("UPDATE edware_stats.udl_stats SET last_pre_cached = NULL WHERE batch_guid = '$guid'");
    my $go = sub { my ($what, %opt) = @_; return http($opt{method} // 'GET', "/services/trigger/$what", jar => $jar{super}, headers => \%ours, %opt) };
    is($go->('cache', jar => $jar{state})->{status}, 403, 'administrators only');
    is($go->('cache', headers => { 'Sec-Fetch-Site' => 'cross-site' })->{status}, 403, 'of their own will');
    is($go->('cache', headers => {})->{status}, 403, 'which a typed address does not show');
    is($go->('cache', method => 'HEAD', timeout => 5)->{status}, 405, 'not by looking');
    ok(!marked($guid), 'nothing was done');
    my $answer = $go->('cache');
    is_deeply([$answer->{status}, json($answer)], [200, { result => 'OK' }], 'done');
    ok(marked($guid), 'and marked');
    is(missed(@asked), 0, 'nobody waits');
    $answer = $go->('pdf');
    is($answer->{status}, 503, 'there is no PDF worker yet');
    like(json($answer)->{detail}, qr/not installed/, 'which it says');
    is($go->('tea')->{status}, 404, 'nor anything else');
    my $lock = "SELECT pg_advisory_lock(hashtextextended('smarter cache warm', 0)), pg_sleep(4)";
    my $busy = fork // die;
    if (!$busy) { eval { sql($lock) }; POSIX::_exit(0) }
    wait_until(5, 'the lock', sub { sql_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND query NOT LIKE '%pg_locks%')") });
    is($go->('cache')->{status}, 409, 'not twice at a time');
    my $r = warm();
    is($r->{exit}, 0, 'nor the program') or diag($r->{err});
    like($r->{err}, qr/another one is running/, 'which says so');
    waitpid $busy, 0;
};

subtest 'mistakes' => sub {
    allow_log(qr/SB(2072|3053)\b/);
    sql("UPDATE edware_stats.udl_stats SET last_pre_cached = NULL WHERE batch_guid = '$guid'");
    change();
    my $dir = tmpdir();
    my $ini = slurp(env('SMARTER_INI'));
    my $with = sub {
        my ($name, $key, $value) = @_;
        my $file = spew("$dir/$name.ini", $ini =~ s/^(\Q$key\E) = .*/$1 = $value/mr);
        Smarter::Test::loaders($file);
        return warm('--once', '-c', $file);
    };
    spew("$dir/bad.json", '{"state": [{"grade": ["03"]}], "district": [{"grade": ["3"]}]}');
    my $r = $with->('bad', 'trigger.recache.filter.file', "$dir/bad.json");
    is($r->{exit}, 1, 'a value that is none');
    like($r->{err}, qr/bad\.json: \$\.district\[0\]\.grade: want texts out of 03/, 'is named with its place');
    $r = $with->('none', 'trigger.recache.filter.file', "$dir/nothing.json");
    is($r->{exit}, 1, 'a file that is not there');
    is(missed({ grade => ['03'] }), 1, 'nothing was made');
    $r = $with->('dead', 'cache.data.url', '127.0.0.1:1');
    is($r->{exit}, 75, 'a cache that is away: later');
    like($r->{err}, qr/cache: does not answer/, 'it says so');
    ok(!marked($guid), 'the batch waits');
    $r = warm('--once', '--tenant', 'nobody');
    is($r->{exit}, 1, 'an unknown tenant');
    is(warm('--if-due')->{exit}, 0, 'without a schedule nothing is due');
    ok(!marked($guid), 'and nothing is done');
    is(warm('--once', '--tenant', $tenant)->{exit}, 0, 'all is well again');
    ok(marked($guid), 'and marked');
    is(missed(@asked), 0, 'nobody waits');
};

finish();
