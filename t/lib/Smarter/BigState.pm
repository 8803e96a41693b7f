package Smarter::BigState;

# For benchmarks of reports: a state of any size in a production schema of its own, made by SQL once and
# kept while the stack is, and the web server switched to it for the time of the benchmark.
#
#   my $big = Smarter::BigState->new(200_000);
#   my $ms = $big->ask('/data/comparing_populations', stateCode => 'NC');

use strict;
use warnings;
use JSON::PP ();
use Smarter::Test;
use Smarter::Promotion;

my @switched;

# Students, 300 a school and 8 schools a district, with two subjects in each of three years, from which they go from
# grade to grade and a few to another school; a state of more
# than half a million has only the last of them, which takes 2 GB for a million students.
sub new {
    my ($class, $students) = @_;
    my $schools = int(($students + 299) / 300);
    my $self = bless { students => $students, schools => $schools, districts => int(($schools + 7) / 8),
        schema => "bench_state_$students", years => $students > 500_000 ? [2016] : [2014, 2015, 2016] }, $class;
    $self->is_made ? $self->upgrade : $self->make;
    $self->switch;
    $self->{jar} = sign_in('state');
    return $self;
}

sub is_made {
    my ($self) = @_;
    return sql_one("SELECT to_regclass('$self->{schema}.made') IS NOT NULL") eq 't';
}

# A state that was made by an older program.
sub upgrade {
    my ($self) = @_;
    my $r = run_program('smarter-schema', 'upgrade', '--kind', 'prod', '--schema', $self->{schema}, '--url', Smarter::Promotion::owner_url());
    die $r->{err} if $r->{exit};
}

sub make {
    my ($self) = @_;
    my ($s, $n) = @$self{qw(schema students)};
    print STDERR "making a state of $n students\n";
    for my $do (['drop', '--yes'], ['create']) {
        my $r = run_program('smarter-schema', @$do, '--kind', 'prod', '--schema', $s, '--url', Smarter::Promotion::owner_url());
        die $r->{err} if $r->{exit};
    }
    my @claims = map { my $c = $_; map { "asmt_claim_${c}_$_" } qw(score score_range_min score_range_max perf_lvl) } 1 .. 3;
    my $claims = join ', ', @claims;
    my @acc = map { "acc_$_" } qw(asl_video_embed braile_embed closed_captioning_embed text_to_speech_embed abacus_nonembed
        alternate_response_options_nonembed calculator_nonembed multiplication_table_nonembed print_on_demand_nonembed
        print_on_demand_items_nonembed read_aloud_nonembed scribe_nonembed speech_to_text_nonembed streamline_mode
        noise_buffer_nonembed);
    my $acc = join ', ', @acc;
    my $acc_values = join ', ', map { 6 } @acc;
    sql(<<"SQL");
BEGIN;
INSERT INTO $s.dim_inst_hier SELECT i, 'NC', 'D' || (i - 1) / 8, 'District ' || (i - 1) / 8, 'S' || i, 'School ' || i,
    '20140101', '99991231', 'C', 'bench' FROM generate_series(1, $self->{schools}) i;
INSERT INTO $s.dim_student (student_rec_id, student_id, first_name, last_name, birthdate, sex, group_1_id, group_1_text,
    from_date, to_date, rec_status, batch_guid)
SELECT i, 'student-' || i, 'First' || i, 'Last' || i % 5000, '20060708', CASE WHEN hashint8(i) % 2 = 0 THEN 'male' ELSE 'female' END,
    'g' || i % 100, 'Group ' || i % 100, '20140101', '99991231', 'C', 'bench' FROM generate_series(1, $n) i;
INSERT INTO $s.dim_asmt (asmt_rec_id, asmt_guid, asmt_type, asmt_period_year, asmt_version, asmt_subject, effective_date,
    asmt_score_min, asmt_score_max, asmt_claim_1_score_min, asmt_claim_1_score_max, asmt_claim_2_score_min,
    asmt_claim_2_score_max, asmt_claim_3_score_min, asmt_claim_3_score_max, asmt_claim_1_name, asmt_claim_2_name,
    asmt_claim_3_name, from_date, to_date, rec_status, batch_guid)
SELECT y * 10 + b, 'asmt-' || y || '-' || b, 'SUMMATIVE', y, 'V1', (ARRAY['Math', 'ELA'])[b], y || '0401', 1200, 2400, 1200, 2400,
    1200, 2400, 1200, 2400, 'One', 'Two', 'Three', '20140101', '99991231', 'C', 'bench' FROM generate_series(2014, 2016) y, generate_series(1, 2) b;
INSERT INTO $s.asmt_level SELECT asmt_rec_id, l, 'Level ' || l, 1200 + 300 * (l - 1) FROM $s.dim_asmt, generate_series(1, 4) l;
INSERT INTO $s.asmt_claim SELECT asmt_rec_id, c, 'Claim ' || c, 1200, 2400 FROM $s.dim_asmt, generate_series(1, 3) c;
COMMIT;
SQL
    for my $year (@{ $self->{years} }) {
        # Statements of a year and subject and at most 200,000 rows, as packages come.
        for my $part (map { my $subject = $_; map { [$subject, 200_000 * $_ + 1] } 0 .. int(($n - 1) / 200_000) } 1, 2) {
            my ($subject, $first) = @$part;
            my $last = $first + 199_999 < $n ? $first + 199_999 : $n;
            sql(<<"SQL");
INSERT INTO $s.fact_asmt_outcome_vw (asmt_outcome_vw_rec_id, asmt_rec_id, student_rec_id, inst_hier_rec_id, asmt_guid, student_id,
    state_code, district_id, school_id, asmt_type, asmt_year, asmt_subject, asmt_grade, enrl_grade, date_taken, date_taken_day,
    date_taken_month, date_taken_year, asmt_score, asmt_score_range_min, asmt_score_range_max, asmt_perf_lvl, $claims, sex,
    dmg_eth_derived, dmg_prg_iep, dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig, $acc, complete, from_date, to_date,
    rec_status, batch_guid, administration_condition)
SELECT ($year * 10 + $subject) * 10000000::bigint + i, $year * 10 + $subject, i, inst, 'asmt-$year-$subject', 'student-' || i, 'NC',
    'D' || (inst - 1) / 8, 'S' || inst, 'SUMMATIVE', $year, (ARRAY['Math', 'ELA'])[$subject], grade, grade, '${year}0403', 3, 4, $year,
    1200 + abs(h) % 1200, 1180, 2420, 1 + abs(h) % 4, 1300, 1280, 1320, 1, 1400, 1380, 1420, 2, 1500, 1480, 1520, 3,
    CASE WHEN hashint8(i) % 2 = 0 THEN 'male' ELSE 'female' END, abs(h / 7) % 8, abs(h / 11) % 9 = 0,
    CASE WHEN abs(h / 13) % 20 > 0 THEN abs(h / 13) % 7 = 0 END, abs(h / 17) % 30 = 0, abs(h / 19) % 2 = 0, abs(h / 23) % 50 = 0,
    $acc_values, true, '20140101', '99991231', 'C', 'bench', CASE WHEN abs(h / 29) % 20 = 0 THEN 'IN' ELSE 'SD' END
FROM (SELECT i, 1 + (i - 1 + CASE WHEN hashint8(i * 3 + $year) % 20 = 0 THEN $year - 2013 ELSE 0 END) % $self->{schools} AS inst,
        (ARRAY['03', '04', '05', '06', '07', '08', '11'])[1 + (i / $self->{schools} + $year - 2014) % 7] AS grade,
        hashint8(i * 100 + $year * 3 + $subject) AS h FROM generate_series($first, $last) i) x
SQL
        }
    }
    sql("UPDATE $s.data_version SET version = version + 1");
    sql("SELECT $s.analyze_promoted()");
    sql("VACUUM ANALYZE $s.$_") for qw(fact_asmt_outcome_vw report_pack report_count);
    sql("CREATE TABLE $s.made ()");
}

# The web server reads this schema until the benchmark ends.
sub switch {
    my ($self) = @_;
    my $ini = slurp(env('SMARTER_INI'));
    push @switched, $ini unless @switched;
    $ini =~ s/^(edware\.db\.nc\.schema_name\s*=).*/$1 $self->{schema}/m or die "no schema of nc in the ini\n";
    put($ini);
    $self->hide($ini);
}

# What the conductor does behind a promotion, with an ini of its own; the stack's conductor may have the lock.
sub hide {
    my ($self, $ini) = @_;
    $ini =~ s/^(migrate_dest\.db\.nc\.schema_name\s*=).*/$1 $self->{schema}/m or die "no production of nc in the ini\n";
    $self->{conductor} = spew(tmpdir() . '/conductor.ini', $ini);
    $self->conduct(sub {
        my ($s) = @_;
        return !sql_one("SELECT count(*) FROM (SELECT DISTINCT asmt_year FROM $s.report_pack EXCEPT SELECT asmt_year FROM $s.report_hidden_made) y")
            && $self->is_counted;
    });
}

sub is_counted {
    my ($self) = @_;
    my $s = $self->{schema};
    return !sql_one("SELECT count(*) FROM (SELECT DISTINCT asmt_year FROM $s.report_pack EXCEPT SELECT min(asmt_year) FROM $s.report_pack"
        . " EXCEPT SELECT asmt_year FROM $s.report_cohort_made WHERE valid) y");
}

# Until it is done.
sub conduct {
    my ($self, $done) = @_;
    for (1 .. 60) {
        return if $done->($self->{schema});
        run_program('smarter-migrate-conductor', '--once', '-t', 'nc', '-c', $self->{conductor});
        select undef, undef, undef, 0.3 unless $done->($self->{schema});
    }
    die "no conductor does it\n";
}

# In place: the file keeps its owner and mode.
sub put {
    my ($text) = @_;
    open my $out, '>', env('SMARTER_INI') or die "writing the ini: $!\n";
    print $out $text;
    close $out or die "writing the ini: $!\n";
    stack('restart', 'httpd');
}

$SIG{INT} = $SIG{TERM} = sub { exit 1 };
END {
    my $status = $?;
    put(shift @switched) if @switched;
    $? = $status;
}

# Make every cached answer old.
sub forget {
    my ($self) = @_;
    sql("UPDATE $self->{schema}.data_version SET version = version + 1");
}

# Milliseconds of a request, without connecting; dies unless it is answered by 200.
sub ask {
    my ($self, $path, %params) = @_;
    my $out = tmpdir() . '/answer';
    my $data = tmpdir() . '/params';
    spew($data, JSON::PP->new->canonical->encode({ stateCode => 'NC', %params }));
    open my $curl, '-|', 'curl', '-sS', '--cacert', env('SMARTER_CA'), '-b', $self->{jar}, '-o', $out, '-H', 'Content-Type: application/json',
        '--data-binary', "\@$data", '-w', '%{http_code} %{time_pretransfer} %{time_total} %{size_download}', url($path) or die "curl: $!\n";
    my ($status, $begin, $end, $size) = split ' ', join '', <$curl>;
    close $curl;
    die "$path: $status: " . slurp($out) . "\n" if $status != 200;
    $self->{size} = $size;
    return 1000 * ($end - $begin);
}

# Milliseconds of each of several requests (hashes of parameters), one after the other on one connection that is
# kept: what a browser or a balancer in front of the servers sees. The first one, which connects, is left out.

# Milliseconds of each statement, on one connection of psql, results fetched and thrown away.
sub psql {
    my ($self, @sql) = @_;
    my $script = spew(tmpdir() . '/script', join '', "\\timing on\n\\pset format unaligned\n", map { "\\echo next\n$_;\n" } @sql);
    local @ENV{qw(PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE)} = map { env($_) } qw(PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE);
    my $out = qx(psql -Xq -o /dev/null -f $script 2>&1);
    return $out =~ /^Time: ([\d.]+) ms/mg;
}

sub median {
    my @v = sort { $a <=> $b } @_;
    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

# A line of a benchmark. Faster is a smaller time: ratio is limit by product.
sub line {
    my ($bench, $product, $limit, %more) = @_;
    my $extra = join '', map { sprintf ', "%s": %s', $_, $more{$_} } sort keys %more;
    printf qq({"bench": "%s", "value": %.2f, "unit": "ms", "limit": %.2f, "ratio": %.2f%s}\n), $bench, $product, $limit, $limit / $product, $extra;
}

1;
