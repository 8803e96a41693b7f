# smarter-public-copy: what is in the copy and what is not; that readers never see half of it; that it
# survives being killed; that the public's role reads nothing else.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Smarter::Test;
use Smarter::Results;

need('postgres');

my $private = env('SMARTER_SCHEMA');
my $public = env('SMARTER_PUBLIC_SCHEMA');
my $tenant = env('SMARTER_TENANT');
my $year = 2051;

sub copy {
    my @args = @_;
    my $opt = ref $args[0] ? shift @args : {};
    return run_program($opt, 'smarter-public-copy', '--once', '-t', $tenant, @args);
}

sub copied {
    my $r = copy(@_);
    is($r->{exit}, 0, "smarter-public-copy @_") or diag($r->{err});
    return $r->{exit} == 0 ? json({ body => $r->{out} }) : {};
}

sub schemas { return map { $_->[0] } sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '$public%' ORDER BY 1") }

# ---- what is known ------------------------------------------------------------------------------
# (words that nothing else in the database could hold)
my @secret = qw(Zebedaeus Quixotte Wolframite 19990807 EXT-77123 GRP-QUITE-SPECIAL WHERE-TAKEN-9 Xanthippe);
my $one = school('PD1', 'Public District', 'PS1', 'Public School One');
my $two = school('PD1', 'Public District', 'PS2', 'Public School Two');
my $child = student('STU-SECRET-1', first_name => $secret[0], middle_name => $secret[1], last_name => $secret[2],
    birthdate => $secret[3], external_student_id => $secret[4], group_1_id => $secret[5], group_1_text => $secret[7]);
results($one, year => $year, subject => 'Math', grade => '03', level => 2, student => $child,
    where_taken_id => $secret[6], where_taken_name => $secret[6]);
results($one, year => $year, subject => 'Math', grade => '03', level => 3, count => 20);
results($two, year => $year, subject => 'Math', grade => '04', level => 4, count => 15);
results($two, year => $year, subject => 'ELA', grade => '04', level => 1, count => 5, type => 'INTERIM ASSESSMENT BLOCKS');
results($two, year => $year, subject => 'Math', grade => '04', level => 1, count => 7, status => 'I');
results($two, year => $year, subject => 'Math', grade => '04', level => 1, count => 3, status => 'D');
put();

subtest 'a copy' => sub {
    my $r = copied();
    is($r->{status}, 'copied', 'is made');
    is($r->{data_version}, sql_one("SELECT version FROM $private.data_version"), 'of the version of production');
    is(sql_one("SELECT version FROM $public.data_version"), $r->{data_version}, 'and says so');
    is(copied()->{status}, 'unchanged', 'not again without need');
    is(sql_one("SELECT checked_at > copied_at FROM $public.public_copy"), 't', 'but that it was looked is noted');
    is_deeply([schemas()], [$public], 'nothing is left beside it');
    for my $table (qw(fact_asmt_outcome_vw fact_block_asmt_outcome dim_student)) {
        is(sql_one("SELECT count(*) FROM $public.$table"), sql_one("SELECT count(*) FROM $private.$table WHERE rec_status = 'C'"),
            "$table: the current rows");
        is(sql_one("SELECT count(*) FROM $public.$table WHERE rec_status <> 'C' OR batch_guid <> ''"), 0, 'and no others');
    }
    for my $table (qw(dim_inst_hier dim_asmt asmt_level asmt_claim subject custom_metadata report_count report_pack
        report_code report_pack_stale report_hidden report_hidden_made)) {
        is(sql_one("SELECT count(*) FROM $public.$table"), sql_one("SELECT count(*) FROM $private.$table"), "$table: all rows");
    }
    my @counts = map {
        [sql("SELECT i.school_name, c.asmt_subject, c.asmt_type, c.asmt_grade, c.asmt_perf_lvl, c.n FROM $_.report_count c
            JOIN $_.dim_inst_hier i USING (inst_hier_rec_id) WHERE c.asmt_year = $year ORDER BY 1, 2, 3, 4, 5")]
    } $public, $private;
    is_deeply($counts[0], $counts[1], 'the counts are those of production');
    cmp_ok(scalar @{ $counts[0] }, '>=', 3, 'there are some');
    is(sql_one("SELECT count(*) FROM $public.fact_asmt_outcome_vw f JOIN $public.dim_student s USING (student_rec_id, student_id)
        JOIN $public.dim_asmt a USING (asmt_rec_id, asmt_guid)
        JOIN $public.dim_inst_hier i USING (inst_hier_rec_id, district_id, school_id) WHERE f.asmt_year = $year"), 36,
        'numbers and hashes fit together');
    cmp_ok(sql_one("SELECT count(*) FROM $public.report_hidden WHERE asmt_year = $year"), '>', 0, 'something is hidden');
    is(sql_one("SELECT count(*) FROM $public.report_hidden h WHERE asmt_year = $year AND district_id <> '' AND NOT EXISTS (SELECT FROM $public.dim_inst_hier i
        WHERE i.district_id = h.district_id AND (h.school_id = '' OR i.school_id = h.school_id)
          AND (h.child_id = '' OR i.school_id = h.child_id))"), 0, 'in the same places');
    is(sql_one("SELECT count(*) FROM $public.report_hidden h WHERE asmt_year = $year AND district_id = '' AND child_id <> ''
        AND NOT EXISTS (SELECT FROM $public.dim_inst_hier i WHERE i.district_id = h.child_id)"), 0, 'and districts');
    is(sql_one("SELECT length(words) FROM $public.report_pack JOIN $public.dim_inst_hier USING (inst_hier_rec_id)
        WHERE asmt_year = $year AND school_name = 'Public School One'"), 4 * 21, 'packs belong to their school');
};

subtest 'nobody is in it' => sub {
    # Of what has years this one: production may be large.
    my $dump = join "\n", map { map { join "\t", map { $_ // '' } @$_ } sql("SELECT * FROM $public.$_->[0]" . ($_->[1] ? " WHERE asmt_year = $year" : '')) }
        sql("SELECT tablename, (SELECT count(*) FROM information_schema.columns WHERE table_schema = '$public' AND table_name = tablename AND column_name = 'asmt_year')
            FROM pg_tables WHERE schemaname = '$public'");
    cmp_ok(length $dump, '>', 100_000, 'the whole of it');
    like($dump, qr/Public School One/, 'names of schools are there');
    for my $word (@secret, 'STU-SECRET-1', 'PD1', 'PS1', $child->{rec}) {
        unlike($dump, qr/\b\Q$word\E\b/, "$word is not");
    }
    # What identifies in production, row by row, the sample's included.
    my @ids = map { grep { defined && length > 5 } @$_ }
        sql("SELECT student_id, external_student_id FROM $private.dim_student WHERE rec_status = 'C' LIMIT 500"),
        sql("SELECT asmt_guid, batch_guid FROM $private.fact_asmt_outcome_vw WHERE rec_status = 'C' LIMIT 300");
    cmp_ok(scalar @ids, '>', 500, 'ids of production');
    is(scalar(grep { index($dump, $_) >= 0 } @ids), 0, 'none of them is there');
    is(sql_one("SELECT count(*) FROM $public.fact_asmt_outcome_vw JOIN $private.fact_asmt_outcome_vw USING ($_)"), 0, "nor is a number: $_")
        for qw(asmt_outcome_vw_rec_id student_rec_id);
    is_deeply([sql("SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = '$public'
        AND column_name ~ 'name\$|birth|external|taken_(id|name)|^group' AND column_name !~ '^(asmt|district|school)'
        AND table_name NOT IN ('schema_version', 'asmt_level', 'asmt_claim')")], [], 'there are no columns for it');
    my $before = sql_one("SELECT district_id FROM $public.dim_inst_hier WHERE school_name = 'Public School One'");
    like($before, qr/\A[0-9a-f]{40}\z/, 'an id fits into an address');
    is(copied('--force')->{status}, 'copied', 'a copy may be forced');
    isnt(sql_one("SELECT district_id FROM $public.dim_inst_hier WHERE school_name = 'Public School One'"), $before,
        'the next copy has other ids');
};

subtest 'the role of the public' => sub {
    my $as = { user => 'smarter_public', password => env('SMARTER_PG_PUBLIC_PASSWORD') };
    is(sql_one($as, "SELECT count(*) > 0 FROM $public.report_count"), 't', 'reads the copy');
    my @schemas = map { $_->[0] } sql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'");
    cmp_ok(scalar @schemas, '>=', 5, 'there are other schemas');
    is_deeply([grep { sql_one("SELECT has_schema_privilege('smarter_public', '$_', 'usage')") eq 't' && $_ ne 'public' } @schemas],
        [$public], 'and enters no other');
    is_deeply([sql("SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'm', 'S') AND n.nspname !~ '^(pg_|information_schema)' AND n.nspname <> '$public'
          AND has_table_privilege('smarter_public', c.oid, 'select')")], [], 'nor reads a table there');
    for my $table ("$private.dim_student", 'udl2.batch', 'edware_stats.udl_stats', 'signin.used_assertion') {
        ok(!eval { sql($as, "SELECT 1 FROM $table LIMIT 1"); 1 }, "$table is closed");
        like($@, qr/permission denied/, 'by rights');
    }
    ok(!eval { sql($as, "DELETE FROM $public.report_count"); 1 }, 'it changes nothing');
    ok(!eval { sql($as, 'CREATE TEMP TABLE t (i int)'); 1 }, 'and makes nothing');
};

# What is there after each of many copies, seen by readers who ask for several tables in one snapshot, as
# reports do. A copy that took its place in the middle is seen by its age.
subtest 'a reader in a loop' => sub {
    my $want = sql_one("SELECT count(*) FROM $public.fact_asmt_outcome_vw");
    my $bad = tmpdir() . '/reader';
    my $pid = fork // die;
    if (!$pid) {
        my ($n, @wrong) = (0);
        local $ENV{PGHOST} = env('PGHOST'); local $ENV{PGPORT} = env('PGPORT'); local $ENV{PGDATABASE} = env('PGDATABASE');
        local $ENV{PGUSER} = 'smarter_public'; local $ENV{PGPASSWORD} = env('SMARTER_PG_PUBLIC_PASSWORD');
        my $script = tmpdir() . '/loop.sql';
        spew($script, join "\n", map { (
            'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;',
            '\set a nobody', "SELECT copied_at AS a FROM $public.public_copy \\gset",
            "SELECT count(*) AS n FROM $public.fact_asmt_outcome_vw JOIN $public.dim_inst_hier USING (inst_hier_rec_id) \\gset",
            "SELECT count(*) AS c FROM $public.report_count JOIN $public.dim_inst_hier USING (inst_hier_rec_id) \\gset",
            '\set b none', "SELECT copied_at AS b FROM $public.public_copy \\gset",
            'COMMIT;', "\\echo :a/:b/:n/:c") } 1 .. 250);
        open STDERR, '>', '/dev/null';    # "no rows" is what a swap in the middle looks like
        open my $in, '-|', 'psql', '-XqAt', '-f', $script or die;
        while (<$in>) {
            chomp;
            my ($a, $b, $rows, $counts) = split m{/};
            $n++ if $a eq $b;
            push @wrong, $_ if $a eq $b && ($rows != $want || $counts == 0);
        }
        close $in or push @wrong, 'psql failed';
        spew($bad, join "\n", $n, @wrong);
        require POSIX;
        POSIX::_exit(0);
    }
    my $copies = 0;
    while (waitpid($pid, 1) == 0) {
        my $r = copy('--force');
        if ($r->{exit} != 0) { fail("copy: $r->{err}"); waitpid $pid, 0; last }
        $copies++;
    }
    my ($n, @wrong) = split /\n/, slurp($bad);
    cmp_ok($copies, '>=', 1, "$copies copies under the eyes of a reader");
    cmp_ok($n, '>', 20, "$n looks");
    is_deeply(\@wrong, [], 'all of them whole');
    is_deeply([schemas()], [$public], 'nothing is left');
};

subtest 'killed' => sub {
    my $age = "SELECT copied_at FROM $public.public_copy";
    my ($old, $left, $began) = (sql_one($age), 0, time);
    is(copy('--force')->{exit}, 0, 'one that ends');
    my $whole = time - $began;
    for my $part (.3, .6, .8, .95) {
        my $run = copy({ background => 1 }, '--force');
        sleep $part * $whole;
        kill 'KILL', -$run->{pid};
        waitpid $run->{pid}, 0;
        $left ||= schemas() > 1;
        is(sql_one("SELECT count(*) FROM $public.data_version, $public.public_copy WHERE copied_at >= '$old'"), 1,
            "at $part of its time: a whole copy is served");
    }
    ok($left, 'something was left aside');
    wait_until(20, 'the lock to be free', sub { copy('--force')->{exit} == 0 });
    is_deeply([schemas()], [$public], 'the next run removes it');
    isnt(sql_one($age), $old, 'and copies');
};

subtest 'two at once' => sub {
    my @lock = ("SELECT pg_advisory_lock(hashtextextended('smarter-public-copy $public', 0))", 'SELECT pg_sleep(3)');
    my $pid = fork // die;
    if (!$pid) { sql(join ';', @lock); require POSIX; POSIX::_exit(0) }
    wait_until(5, 'the lock', sub { sql_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") });
    my $r = wait_until(3, 'to be refused', sub { my $try = copy('--force'); $try->{exit} ? $try : undef });
    is($r->{exit}, 75, 'the second one ends');
    like($r->{err}, qr/another one is at it/, 'and says why');
    waitpid $pid, 0;
};

subtest 'what must not be touched, and what cannot be done' => sub {
    my $ini = tmpdir() . '/smarter.ini';
    my $edited = sub {
        my ($from, $to) = @_;
        my $text = slurp(env('SMARTER_INI'));
        $text =~ s/$from/$to/m or die;
        spew($ini, $text);
        my $r = run_program('smarter-public-copy', '--once', '-t', $tenant, '-i', $ini, '--force');
        isnt($r->{exit}, 0, "refused: $to");
        return $r->{err};
    };
    spew($ini, q());
    chmod 0644, $ini;
    like($edited->(qr/^(edware\.public\.db\.nc\.schema_name) = .*$/m, "edware.public.db.nc.schema_name = $private"),
        qr/schema \Q$private\E: is no public copy/, 'production itself');
    like($edited->(qr/^(migrate_public\.db\.nc\.url) = .*$/m, 'migrate_public.db.nc.url = postgresql://smarter_web:'
                . env('SMARTER_PG_WEB_PASSWORD') . '@' . env('PGHOST') . ':' . env('PGPORT') . '/' . env('PGDATABASE')),
        qr/permission denied/, 'a role that may not');
    like($edited->(qr/^(migrate_public\.db\.nc\.url) = .*$/m, 'migrate_public.db.nc.url = postgresql://smarter_loader@127.0.0.1:1/x'),
        qr/migrate_public\.db\.nc\.url: the database does not answer/, 'nobody there');
    like($edited->(qr/^edware\.db\.nc\.schema_name = .*$/m, 'edware.db.nc.schema_name = nothing_here'),
        qr/nothing_here.*does not exist/, 'no production');
    is_deeply([schemas()], [$public], 'all is as it was');
    is(run_program('smarter-public-copy', '--once', '-t', 'nobody')->{exit}, 2, 'an unknown tenant');
    is(run_program('smarter-public-copy')->{exit}, 2, 'neither --once nor --if-due');
    is(run_program('smarter-public-copy', '--if-due')->{exit}, 0, 'nothing to do without a schedule');
};

subtest 'what is removed goes with the next copy' => sub {
    my $school = "SELECT count(*) FROM $public.fact_asmt_outcome_vw f JOIN $public.dim_inst_hier i USING (inst_hier_rec_id)
        WHERE i.school_name = 'Public School Two'";
    is(sql_one($school), 15, 'results of a school');
    sql("BEGIN; UPDATE $private.fact_asmt_outcome_vw SET rec_status = 'D' WHERE school_id = 'PS2' AND rec_status = 'C';
        UPDATE $private.data_version SET version = version + 1, changed_at = now(); COMMIT");
    is(copied()->{status}, 'copied', 'deleted in production: copied');
    is(sql_one($school), 0, 'gone');
};

finish();
