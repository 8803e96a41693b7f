# smarter-schema: create, upgrade, status, drop; rights of the roles; what the constraints refuse.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Smarter::Test;
use Smarter::Promotion;

need('postgres');
my $url = Smarter::Promotion::owner_url();
my $name = 't_schema';
my $files = tmpdir();

sub schema {
    my ($action, @args) = @_;
    my $opt = ref $args[0] ? shift @args : {};
    return run_program($opt, 'smarter-schema', $action, '--kind', 'prod', '--schema', $name, '--url', $url, @args);
}

# A copy of the files of the kind prod, of which tests may change some.
sub copy_files {
    my ($dir, @which) = @_;
    mkdir "$files/$dir";
    mkdir "$files/$dir/prod";
    for my $file (@which ? map { top() . "/sql/prod/$_" } @which : glob(top() . '/sql/prod/*.sql')) {
        my ($base) = $file =~ m{([^/]+)\z};
        spew("$files/$dir/prod/$base", slurp($file));
    }
    return { env => { SB_SQLDIR => "$files/$dir" } };
}

my $first = (map { m{([^/]+)\z} } sort glob(top() . '/sql/prod/001_*.sql'))[0];
my $count = () = glob(top() . '/sql/prod/[0-9]*.sql');

schema('drop', '--yes');
my $r = schema('status');
is($r->{exit}, 1, 'status of no schema');
like($r->{out}, qr/not there/, 'says so');
is(schema('upgrade')->{exit}, 1, 'upgrade makes none');

# ---- an older version, then this one ------------------------------------------------------------
my $old = copy_files('old', $first);
$r = schema('create', $old, '--no-grants');
is($r->{exit}, 0, 'an older version is made') or diag $r->{err};
sql("INSERT INTO $name.custom_metadata VALUES ('NC', '{}')");
is(schema('status')->{exit}, 1, 'this version has more to apply');
like(schema('status')->{out}, qr/applied $first.*waiting/s, 'and says what');
$r = schema('upgrade');
is($r->{exit}, 0, 'upgraded') or diag $r->{err};
like($r->{out}, qr/@{[$count - 1]} changes? applied/, 'by the rest');
is(sql_one("SELECT asmt_custom_metadata FROM $name.custom_metadata"), '{}', 'with what was in it');
is(schema('status')->{exit}, 0, 'up to date');
like(schema('create')->{out}, qr/\b0 changes applied/, 'once more: nothing to do');

$r = schema('upgrade', $old);
is($r->{exit}, 1, 'an older program leaves it alone');
like($r->{err}, qr/newer/, 'and says why');

my $edited = copy_files('edited');
spew("$files/edited/prod/$first", "-- a comment more\n" . slurp("$files/edited/prod/$first"));
is(schema('upgrade', $edited)->{exit}, 0, 'an edited comment is no change');
spew("$files/edited/prod/$first", slurp("$files/edited/prod/$first") . "CREATE TABLE {schema}.more (x int);\n");
$r = schema('upgrade', $edited);
is($r->{exit}, 1, 'an applied file that was edited is refused');
like($r->{err}, qr/\Q$first\E was edited/, 'by name');

my $broken = copy_files('broken');
spew("$files/broken/prod/900_a.sql", "CREATE TABLE {schema}.a (x int);\n");
spew("$files/broken/prod/901_b.sql", "CREATE TABLE {schema}.b (x nonsense);\n");
$r = schema('upgrade', $broken);
is($r->{exit}, 1, 'a broken change fails');
like($r->{err}, qr/901_b\.sql: .*nonsense/, 'by name and reason');
is(sql_one("SELECT count(*) FROM pg_tables WHERE schemaname = '$name' AND tablename IN ('a', 'b')"), 0,
    'and takes back the whole');

# ---- at once -----------------------------------------------------------------------------------
is(schema('drop')->{exit}, 2, 'drop wants --yes');
is(schema('drop', '--yes')->{exit}, 0, 'dropped');
my @pids = map { schema('create', { background => 1 })->{pid} } 1 .. 4;
my $bad = 0;
for (@pids) { waitpid $_, 0; $bad += $? != 0 }
is($bad, 0, 'four at once all succeed');
is(sql_one("SELECT count(*) FROM $name.schema_version"), $count, 'each change once');

# ---- rights ------------------------------------------------------------------------------------
sub may {
    my ($role, $sql) = @_;
    return eval { sql("BEGIN; SET ROLE $role; $sql; ROLLBACK"); 1 } ? 1 : 0;
}
# What a role may is asked of the catalogue: the owner cannot become every role.
sub can {
    my ($role, $table, $right) = @_;
    return sql_one("SELECT has_table_privilege('$role', '$name.$table', '$right')");
}
is(can('smarter_web', 'fact_asmt_outcome_vw', 'SELECT'), 't', 'web reads facts');
is(can('smarter_web', 'fact_asmt_outcome_vw', $_), 'f', "web has no $_") for qw(INSERT UPDATE DELETE TRUNCATE);
is(can('smarter_loader', 'fact_asmt_outcome_vw', 'INSERT'), 't', 'the loader writes facts');
is(can('smarter_loader', 'schema_version', 'INSERT'), 'f', 'but no versions of the schema');
is(sql_one("SELECT has_table_privilege('$_->[0]', '$_->[1].schema_version', 'INSERT')"), 'f', "nor does $_->[0] in $_->[1]")
    for ['smarter_loader', 'udl2'], ['smarter_web', 'signin'], ['smarter_jobs', 'jobs'];
is(can('smarter_analyst', $_, 'SELECT'), 'f', "the analyst does not see $_")
    for qw(dim_student fact_asmt_outcome_vw fact_asmt_outcome fact_block_asmt_outcome student_reg);
is(can('smarter_analyst', 'analyst_result', 'SELECT'), 't', 'but results without names');
is(sql_one("SELECT count(*) FROM information_schema.columns WHERE table_schema = '$name'"
    . " AND table_name LIKE 'analyst%' AND column_name ~ 'first_name|last_name|middle_name|birth|student_id|where_taken|group_'"),
    0, 'and without whatever names a student');
ok(may('smarter_loader', "SELECT nextval('$name.global_rec_seq'); SELECT $name.analyze_promoted()"), 'the loader draws ids and refreshes statistics');
ok(!may('smarter_loader', "CREATE TABLE $name.x (y int)"), 'the loader makes no tables in production');

# ---- constraints -------------------------------------------------------------------------------
my $dims = "INSERT INTO $name.dim_inst_hier VALUES (%d, 'NC', 'd', 'D', 's', 'S', '20160101', '99991231', '%s', 'b')";
sql(sprintf $dims, 1, 'C');
ok(!eval { sql(sprintf $dims, 2, 'C'); 1 }, 'one current row of a natural key');
ok(eval { sql(sprintf $dims, 3, 'I'); 1 }, 'any number of old ones');
ok(!eval { sql(sprintf $dims, 4, 'X'); 1 }, 'no unknown status');
ok(!eval { sql("INSERT INTO $name.data_version (version) VALUES (7)"); 1 }, 'one data version');
for (['fact_asmt_outcome_vw', 75], ['fact_asmt_outcome', 58], ['fact_block_asmt_outcome', 59], ['student_reg', 40],
    ['dim_asmt', 38], ['dim_student', 45], ['dim_inst_hier', 10], ['custom_metadata', 2]) {
    my ($table, $columns) = @$_;
    cmp_ok(sql_one("SELECT count(*) FROM information_schema.columns WHERE table_schema = '$name' AND table_name = '$table'"),
        '>=', $columns, "$table has its columns");
}

# ---- batches, other kinds, mistakes -------------------------------------------------------------
my $guid = '0b9cb1b2-3b2e-4f0e-9c80-0a5d6f5c1a11';
is(run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $guid)->{exit}, 0, 'a batch schema, as the loader');
is(run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $guid)->{exit}, 0, 'in place of an older one');
is(sql_one("SELECT string_agg(relname::text || relpersistence::text, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = '\"$guid\"'::regnamespace AND relkind IN ('r', 'i')"),
    'asmtu asmt_outcomeu registrationu student_regu', 'unlogged tables and no index');
like(run_program('smarter-schema', 'status', '--kind', 'stage')->{out}, qr/^$guid$/m, 'it is listed');
is(run_program('smarter-schema', 'drop', '--yes', '--kind', 'stage', '--schema', $guid)->{exit}, 0, 'and dropped');
is(run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', 'x; --')->{exit}, 2, 'no batch guid, no schema');
is(run_program('smarter-schema', 'create', '--kind', 'nonsense', '--url', $url)->{exit}, 2, 'unknown kind');
is(run_program('smarter-schema', '--kind', 'prod', '--url', $url)->{exit}, 2, 'no action');
is(run_program('smarter-schema', 'status', '--kind', 'udl', '--url', 'postgresql://x@127.0.0.1:1/x')->{exit}, 75, 'no database: try again');

sql("DROP SCHEMA $name CASCADE");
finish();
