# smarter tenant: a state is onboarded while everything runs, and is served; killed anywhere, the command
# is just repeated. What is not meant to change, above all the ini, does not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Smarter::Test;

need('httpd', 'workers');
my ($ini, $var) = map { env($_) } qw(SMARTER_INI SMARTER_VAR);
my $original = slurp($ini);
my $dir = tmpdir();
chmod 0755, $dir;
my $owner = sprintf 'postgresql://%s@%s:%s/%s', map { env($_) } qw(PGUSER PGHOST PGPORT PGDATABASE);
my %env = (PGPASSWORD => env('PGPASSWORD'), SMARTER_INI => $ini);

sub tenant {
    my (@args) = @_;
    return run_program({ as_me => 1, env => \%env }, 'smarter', 'tenant', @args);
}

sub owner_and_mode { my @s = stat $_[0]; return sprintf '%d:%d %o', @s[4, 5], $s[2] & 07777 }

# ---- the sender of Georgia -----------------------------------------------------------------------------
my $home = "$dir/ga";
mkdir $home, 0700 or die;
Smarter::Test::loaders($home);
my @as = $> == 0 ? ('setpriv', '--reuid', env('SMARTER_LOADER_USER'), '--regid', env('SMARTER_LOADER_USER'), '--clear-groups') : ();
sub gpg { my $r = Smarter::Test::run({ env => { HOME => $dir } }, @as, 'gpg', '--homedir', $home, '--batch', '--quiet', '--no-tty', @_); die $r->{err} if $r->{exit}; return $r->{out} }
gpg('--passphrase', '', '--quick-gen-key', 'sender@ga.invalid', 'default', 'default', 'never');
my $key = spew("$dir/ga.asc", gpg('--armor', '--export', 'sender@ga.invalid'));
my $secret = spew("$dir/ga.secret.asc", gpg('--armor', '--export-secret-keys', 'sender@ga.invalid'));
my ($fpr) = gpg('--with-colons', '--list-keys', 'sender@ga.invalid') =~ /^fpr:::::::::([0-9A-F]{40})/m;
my $loader_key = spew("$dir/loader.asc", Smarter::Test::run({}, @as, 'gpg', '--homedir', env('SMARTER_GPG_LOADER_HOME'), '--batch', '--armor', '--export', env('SMARTER_GPG_RECIPIENT'))->{out});
chmod 0644, $loader_key;
gpg('--import', $loader_key);
my @add = ('add', 'ga', '--state', 'GA', '--sender', $key, '--owner-url', $owner);
# The stack has a landing zone where it may make accounts: as root.
my ($lz) = $original =~ /^sftp\.base_dir = (.*)/m;
my $sender = 'sb' . env('SMARTER_PORT_BASE') . '_ga';
my $ssh_key = "$var/keys/lz/sender.pub";
push @add, '--sftp-user', "$sender=$ssh_key" if $lz;

# ---- what is refused ---------------------------------------------------------------------------------------
my $two = spew("$dir/two.asc", slurp($key) . slurp(env('SMARTER_VAR') . '/keys/sender-nc.asc'));
my $junk = spew("$dir/junk.gpg", `gpg --batch --quiet --dearmor <$key` . "junk\n" . "\0" x 300_000);
my @refused = (
    ['a name', ['add', 'Ga', '--state', 'GA', '--sender', $key], qr/'Ga' is no name for a tenant/],
    ['a name of the history zone', ['add', 'quarantine', '--state', 'GA', '--sender', $key], qr/not quarantine or failed/],
    ['a way out', ['add', '../ga', '--state', 'GA', '--sender', $key], qr/is no name for a tenant/],
    ['no state', ['add', 'ga', '--sender', $key], qr/--state/],
    ['a state in small letters', ['add', 'ga', '--state', 'ga', '--sender', $key], qr/'ga' is no code of a state/],
    ['a state that is taken', ['add', 'ga', '--state', 'NC', '--sender', $key], qr/state NC is tenant nc already/],
    ['a tenant that is another', ['add', 'nc', '--state', 'GA', '--sender', $key], qr/there is a tenant nc with state NC/],
    ['a schema that is taken', [@add, '--schema', env('SMARTER_SCHEMA')], qr/is tenant nc's/],
    ['a schema of ours', [@add, '--schema', 'udl2'], qr/none of the product's own/],
    ['another kind of schema', [@add, '--schema', 't_tenant_else'], qr/is no production schema/],
    ['no sender', ['add', 'ga', '--state', 'GA', '--owner-url', $owner], qr/nobody could send anything/],
    ['a secret key', [@add, '--sender', $secret], qr/it is a secret key/],
    ['two keys in a file', [@add, '--sender', $two], qr/several keys/],
    ['a key with a tail, which gpg does not read to its end', [@add, '--sender', $junk], qr/comes to no end|something else than a key|no OpenPGP key in it/],
    ['no key in it', [@add, '--sender', spew("$dir/none.asc", 'hello')], qr/none\.asc: /],
    ['no file', [@add, '--sender', "$dir/nothing"], qr/nothing: /],
    ['an unknown fingerprint', [@add, '--sender', 'A' x 40], qr/not in the loader's key ring/],
    ['no owner', ['add', 'ga', '--state', 'GA', '--sender', $key], qr/who owns the databases/],
    ['a password on the command line', ['add', 'ga', '--state', 'GA', '--sender', $key, '--owner-url', 'postgresql://u:sesame@h/d'], qr/no passwords/],
    ['a server that does not answer', [@add, '--server', '127.0.0.1:9/smarter', '--owner-url', 'postgresql://o@127.0.0.1:9/x'], qr/does not answer/],
    ['a name no account has', [@add, '--sftp-user', 'Ga;x'], qr/no landing zone here|'Ga;x' is no name/],
    ['nobody to be like', [@add, '--like', 'zz'], qr/there is no tenant zz/],
);
sql('DROP SCHEMA IF EXISTS t_tenant_else CASCADE; CREATE SCHEMA t_tenant_else');
for (@refused) {
    my ($what, $args, $like) = @$_;
    my $r = tenant(@$args);
    cmp_ok($r->{exit}, '>', 0, "refused: $what");
    like($r->{err}, $like, $r->{err} =~ s/\n.*//sr);
    unlike($r->{err} . $r->{out}, qr/sesame|@{[env('SMARTER_PG_LOADER_PASSWORD')]}/, 'without a secret');
}
sql('DROP SCHEMA t_tenant_else');
is(slurp($ini), $original, 'the ini is untouched');
is(sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'prod_ga'"), 0, 'there is no schema');

my $r = tenant(@add, '--dry-run');
is($r->{exit}, 0, 'a dry run') or diag $r->{err};
like($r->{out}, qr/^schema +making prod_ga.*^sender +$fpr.*^ini .*^pickup zone +.*edware\.db\.ga\.state_code = GA\n.*nothing was changed/ms, 'says what would be done');
is_deeply([slurp($ini), sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'prod_ga'"), -e env('SMARTER_ARRIVALS') . '/ga'],
    [$original, 0, undef], 'and does nothing');

# ---- killed at every step -----------------------------------------------------------------------------------
# The command says what it is about to do; it dies a moment later.
sub killed_at {
    my ($line, $pause) = @_;
    pipe my $from, my $to or die;
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>&', $to;
        open STDERR, '>&', $to;
        %ENV = (%ENV, %env);
        exec env('SMARTER_SBIN') . '/smarter', 'tenant', @add;
    }
    close $to;
    my $seen = 0;
    while ($seen < $line && defined(my $said = <$from>)) { $seen++ }
    sleep $pause;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return $? & 127;
}

my $wanted;
my $killed = 0;
for my $line (1 .. 14) {
    $killed++ if killed_at($line, ($line % 3) * 0.003);
    my $now = slurp($ini);
    $wanted //= $now if $now ne $original;
    ok($now eq $original || $now eq $wanted, "killed at line $line: the ini is the old one or the new one");
    is(run_program('smarter-config', 'check', $ini)->{exit}, 0, 'and a good one');
}
cmp_ok($killed, '>=', 6, "it died $killed times");

# ---- onboarded ------------------------------------------------------------------------------------------------
my $started = join ' ', map { server_pid($_) } qw(httpd);
my @workers = map { worker_pid($_) } qw(udl-trigger worker-udl1);
$r = tenant(@add, '--reload');
is($r->{exit}, 0, 'then it runs to its end') or BAIL_OUT($r->{err});
like($r->{out}, qr/tenant ga is ready/, 'and says so');
unlike($r->{out} . $r->{err}, qr/@{[env('SMARTER_PG_LOADER_PASSWORD')]}/, 'without a secret');
my $new = slurp($ini);
is(join('', grep { !/\bga\b/ } split /^/, $new), $original, 'the ini has keys of ga, and all else as it was');
is(scalar(() = $new =~ /^\S*\bga\b\S* = /mg), 12, 'twelve of them, each once');
is(owner_and_mode($ini), owner_and_mode("$ini.default") =~ s/\d+:\d+ 600/owner_and_mode($ini)/er, 'owner and mode are kept');
like($new, qr/^tenant\.ga\.senders = $fpr$/m, 'its sender is pinned by fingerprint');
ok(!-e "$ini.new", 'nothing is left beside it');
for my $zone (qw(arrivals work history)) {
    my @root = stat "$var/$zone";
    my @mine = stat "$var/$zone/ga";
    is_deeply([@mine[4, 5]], [@root[4, 5]], "$zone/ga belongs to the zone's owner");
    is($mine[2] & 07, 0, 'and is closed to others');
}
is(sql_one("SELECT asmt_custom_metadata FROM prod_ga.custom_metadata WHERE state_code = 'GA'"), '{"min_cell_size":10}', 'it has settings for its reports');
is_deeply([sql("SELECT action, tenant FROM udl2.operator_action WHERE tenant = 'ga' ORDER BY 1 LIMIT 1")], [['tenant add', 'ga']], 'it is written down');

if ($lz) {
    like(run_program({ as_me => 1 }, 'smarter-lz', 'list')->{out}, qr/^ga +$sender +sftparrivals +1 /m, 'its sender has an account of the landing zone, with one key');
}
my $again = tenant(@add);
is($again->{exit}, 0, 'again');
like($again->{out}, qr/prod_ga is there.*has all keys.*ga is there/s, 'everything is there');
is(slurp($ini), $new, 'and the ini is not touched');

$r = tenant('list');
like($r->{out}, qr/^ga +GA +prod_ga +1 *\n(?s:.*)^nc +NC/m, 'it is listed');
$r = tenant('show', 'ga');
is($r->{exit}, 0, 'shown') or diag $r->{out};
like($r->{out}, qr/^sender +$fpr$/m, 'with its sender');
unlike($r->{out}, qr/@{[env('SMARTER_PG_LOADER_PASSWORD')]}/, 'without a password');

# ---- served -----------------------------------------------------------------------------------------------------
my $data = datagen('--state', 'GA', '--districts', '2', '--schools', '2', '--students', '60', '--years', '2016', '--subjects', 'math', '--kinds', 'summative');
my ($sample) = grep { -d } glob "$data/GA-*";
sub package_of {
    my ($from, $to) = @_;
    my $tar = "$dir/tar";
    system("cd $sample && tar -czf $tar *.csv *.json") == 0 or die;
    chmod 0644, $tar;
    my $r = Smarter::Test::run({ env => { HOME => $dir } }, @as, 'gpg', '--homedir', $from, '--batch', '--yes', '--trust-model', 'always', '--sign', '--encrypt',
        '-r', env('SMARTER_GPG_RECIPIENT'), '-o', "$home/$to", $tar);
    die $r->{err} if $r->{exit};
    return "$home/$to";
}
sub drop {
    my ($file, $tenant, $name) = @_;
    my $arrivals = env('SMARTER_ARRIVALS') . "/$tenant";
    system('cp', '-p', $file, "$arrivals/.$name") == 0 or die;
    Smarter::Test::loaders("$arrivals/.$name");
    rename "$arrivals/.$name", "$arrivals/$name" or die $!;
}

drop(package_of($home, 'a.gpg'), 'ga', 'georgia.tar.gz.gpg');
wait_until(60, 'the package of ga to be promoted', sub { (batch_status('georgia.tar.gz.gpg') // '') =~ /failed|migrate\.ingested/ });
is(batch_status('georgia.tar.gz.gpg'), 'migrate.ingested', 'a package of its sender is loaded and promoted');
cmp_ok(sql_one("SELECT count(*) FROM prod_ga.fact_asmt_outcome_vw"), '>', 50, 'its results are in its own schema');
is_deeply([map { worker_pid($_) } qw(udl-trigger worker-udl1)], \@workers, 'no worker was restarted');
is(server_pid('httpd'), $started, 'nor was httpd');

my $gia = sign_in('georgia');
my $sam = sign_in('state');
sub ask { my ($jar, $state) = @_; return post_json('/data/comparing_populations', { stateCode => $state, asmtYear => 2016 }, jar => $jar) }
my $answer = ask($gia, 'GA');
is($answer->{status}, 200, 'a user of Georgia sees its report');
cmp_ok(scalar @{ json($answer)->{records} }, '==', 2, 'with its districts');
is(ask($sam, 'GA')->{status}, 403, 'a user of North Carolina does not');
is(ask($gia, 'NC')->{status}, 403, 'nor the other way round');

allow_log(qr/SB22\d\d/);
drop(package_of(env('SMARTER_GPG_SENDER_HOME'), 'b.gpg'), 'ga', 'stranger.tar.gz.gpg');
wait_until(60, 'the package of a stranger to be judged', sub { (batch_status('stranger.tar.gz.gpg') // '') =~ /failed|ingested/ });
is(batch_status('stranger.tar.gz.gpg'), 'udl.failed', 'a sender of North Carolina cannot load into Georgia');
drop("$home/a.gpg", 'nc', 'stray.tar.gz.gpg');
wait_until(60, 'the stray package to be judged', sub { (batch_status('stray.tar.gz.gpg') // '') =~ /failed|ingested/ });
is(batch_status('stray.tar.gz.gpg'), 'udl.failed', 'nor the other way round');

# ---- taken away ---------------------------------------------------------------------------------------------------
my @remove = ('remove', 'ga', '--owner-url', $owner);
$r = tenant(@remove);
is($r->{exit}, 1, 'a tenant with data is not removed');
like($r->{err}, qr/holds 1 batches, results.*--drop-data ga destroys/, 'and it says what that would take');
is(tenant(@remove, '--drop-data', 'nc')->{exit}, 1, 'nor with another name typed');
spew(env('SMARTER_ARRIVALS') . '/ga/.waiting', 'x');
is(tenant(@remove, '--drop-data', 'ga')->{exit}, 1, 'nor while files lie in arrivals');
unlink env('SMARTER_ARRIVALS') . '/ga/.waiting';
cmp_ok(sql_one("SELECT count(*) FROM prod_ga.fact_asmt_outcome_vw"), '>', 50, 'its data are still there');
$r = tenant(@remove, '--drop-data', 'ga', '--dry-run');
is($r->{exit}, 0, 'a dry run');
is(sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'prod_ga'"), 1, 'drops nothing');
if ($lz) {
    $r = tenant(@remove, '--drop-data', 'ga');
    is($r->{exit}, 1, 'not while he has accounts of the landing zone');
    like($r->{err}, qr/landing zone: /, $r->{err} =~ s/\n.*//sr);
    is(run_program({ as_me => 1 }, 'smarter-lz', 'user-remove', $sender)->{exit}, 0, 'they are removed');
}
-d or mkdir or die "$_: $!" for env('SMARTER_ARRIVALS') . '/ga/sender'; # left behind when his packages were taken
$r = tenant(@remove, '--drop-data', 'ga', '--reload');
is($r->{exit}, 0, 'with its name typed it goes') or diag $r->{err};
like($r->{out}, qr/^pickup zone +take out of its own ini.*: edware\.db\.ga\.state_code$/m, 'it says what is left to do by hand');
is(slurp($ini), $original, 'the ini is what it was, byte for byte');
is(sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = 'prod_ga'"), 0, 'the schema is gone');
ok(!-e env('SMARTER_ARRIVALS') . '/ga', 'and its place in arrivals');
ok(glob("$var/history/ga/*"), 'its history stays');
is(tenant('show', 'ga')->{exit}, 1, 'nobody knows it any more');
wait_until(20, 'httpd to forget it', sub { ask($gia, 'GA')->{status} != 200 });

# A test that broke off must not leave an account.
END {
    my $status = $?;
    run_program({ as_me => 1 }, 'smarter-lz', 'user-remove', $sender, '--force') if $lz;
    $? = $status;
}

finish();
