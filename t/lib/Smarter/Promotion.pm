package Smarter::Promotion;

# For tests of the promotion: schemas of their own beside the stack's, so that its conductor and they do
# not see each other; batches made by SQL; sessions that hold a lock while something else happens.
#
#   my $w = Smarter::Promotion->new('t_promotion');
#   $w->batch($guid, {}, { student_id => 's1', asmt_score => 1400 }, ...);
#   my ($report) = $w->conduct;

use strict;
use warnings;
use JSON::PP ();
use Smarter::Test;

my %base = (op => 'C', asmt_guid => 'asmt-1', student_id => 's1', state_code => 'NC', district_id => 'd1',
    school_id => 'sch1', asmt_type => 'SUMMATIVE', asmt_year => 2016, asmt_subject => 'Math', asmt_grade => '03',
    enrl_grade => '03', date_taken => '20160403', date_taken_day => 3, date_taken_month => 4,
    date_taken_year => 2016, asmt_score => 1400, asmt_score_range_min => 1380, asmt_score_range_max => 1420,
    asmt_perf_lvl => 2, acc_asl_video_embed => 0, acc_braile_embed => 0, acc_closed_captioning_embed => 0,
    acc_text_to_speech_embed => 0, acc_abacus_nonembed => 0, acc_alternate_response_options_nonembed => 0,
    acc_calculator_nonembed => 0, acc_multiplication_table_nonembed => 0, acc_print_on_demand_nonembed => 0,
    acc_print_on_demand_items_nonembed => 0, acc_read_aloud_nonembed => 0, acc_scribe_nonembed => 0,
    acc_speech_to_text_nonembed => 0, acc_streamline_mode => 0, acc_noise_buffer_nonembed => 0,
    complete => 't', administration_condition => 'SD', district_name => 'First District',
    school_name => 'First School', first_name => 'Ada', last_name => 'Example', birthdate => '20060708',
    sex => 'female', dmg_eth_derived => 6, dmg_prg_lep => 'f');

my %base_asmt = (asmt_guid => 'asmt-1', asmt_type => 'SUMMATIVE', asmt_period => 'Spring 2016',
    asmt_period_year => 2016, asmt_version => 'V1', asmt_subject => 'Math', effective_date => '20160401',
    asmt_claim_1_name => 'Claim one', asmt_perf_lvl_name_1 => 'Low', asmt_perf_lvl_name_2 => 'High',
    asmt_score_min => 1200, asmt_score_max => 2400, asmt_claim_1_score_min => 1200,
    asmt_claim_1_score_max => 2400, asmt_claim_2_score_min => 1200, asmt_claim_2_score_max => 2400,
    asmt_claim_3_score_min => 1200, asmt_claim_3_score_max => 2400, asmt_cut_point_1 => 1800);

my %base_reg = (state_code => 'NC', state_name => 'North Carolina', district_id => 'd1', district_name => 'First District',
    school_id => 'sch1', school_name => 'First School', student_id => 's1', external_student_ssid => 'x1',
    first_name => 'Ada', last_name => 'Example', birthdate => '2006-07-08', sex => 'female', enrl_grade => '03',
    dmg_eth_hsp => 'f', dmg_prg_lep => 't', language_code => 'eng');

# Fresh schemas NAME, NAME_stats, NAME_udl and an ini that names them.
sub new {
    my ($class, $name) = @_;
    my $self = bless { name => $name, minute => 0, dir => tmpdir() }, $class;
    my $ini = slurp(env('SMARTER_INI'));
    $ini =~ s/^(migrate_dest\.db\.nc\.schema_name\s*=).*/$1 $name/m or die "no production schema in the ini\n";
    $ini =~ s/^(edware_stats\.db\.schema_name\s*=).*/$1 ${name}_stats/mg;
    $ini =~ s/^(\[app:main\])$/$1\nmigrate_errors.db.schema_name = ${name}_udl/m;
    $self->{ini_text} = $ini;
    $self->{ini} = $self->ini('smarter.ini');
    for (["prod", $name], ["stats", "${name}_stats"], ["udl", "${name}_udl"]) {
        $self->schema('drop', '--yes', '--kind', $_->[0], '--schema', $_->[1]);
        $self->schema('create', '--kind', $_->[0], '--schema', $_->[1]);
    }
    return $self;
}

# Another ini, with more lines in [app:main]; returns its path.
sub ini {
    my ($self, $file, @lines) = @_;
    my $text = $self->{ini_text};
    my $more = join '', map { "$_\n" } @lines;
    for (@lines) {
        my ($key) = /\A(\S+)/;
        $text =~ s/^\Q$key\E\s*=.*\n//mg;
    }
    $text =~ s/^(\[app:main\]\n)/$1$more/m;
    my $path = spew("$self->{dir}/$file", $text);
    chmod 0644, $path;
    return $path;
}

sub owner_url {
    return sprintf 'postgresql://%s:%s@%s:%s/%s', map { env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE);
}

# smarter-schema as the owner; dies when it fails.
sub schema {
    my ($self, @args) = @_;
    my $r = run_program('smarter-schema', @args, '--url', owner_url());
    die "smarter-schema @args: $r->{err}\n" if $r->{exit};
    return $r->{out};
}

sub drop {
    my ($self) = @_;
    sql("DROP SCHEMA IF EXISTS $self->{name} CASCADE; DROP SCHEMA IF EXISTS $self->{name}_stats CASCADE;"
        . " DROP SCHEMA IF EXISTS $self->{name}_udl CASCADE");
}

# The n-th batch guid of this test.
sub guid { my ($self, $n) = @_; return sprintf '%08d-0000-4000-8000-%012x', $n, unpack('%32C*', $self->{name}) }

sub literal { my ($v) = @_; return defined $v ? quote($v) : 'NULL' }

sub insert {
    my ($table, $row) = @_;
    my @columns = sort keys %$row;
    return "INSERT INTO $table (" . join(', ', @columns) . ') VALUES ('
        . join(', ', map { literal($row->{$_}) } @columns) . ');';
}

# A batch as the loader leaves it: its schema, one assessment, the lines (2, 3, ...), its status row.
sub batch {
    my ($self, $guid, $asmt, @rows) = @_;
    my $r = run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $guid);
    die "batch schema: $r->{err}\n" if $r->{exit};
    my $line = 1;
    my $sql = 'SET ROLE smarter_loader; ' . insert(qq("$guid".asmt), { %base_asmt, %$asmt });
    my %of_asmt = map { exists $asmt->{$_} ? ($_ => $asmt->{$_}) : () } qw(asmt_guid asmt_type asmt_subject);
    $sql .= insert(qq("$guid".asmt_outcome), { file_line => ++$line, %base, %of_asmt, %$_ }) for @rows;
    sql($sql . $self->waits($guid, 'assessment', scalar @rows));
    return $guid;
}

# The same with a registration of a system and year.
sub registration {
    my ($self, $guid, $reg, @rows) = @_;
    my $r = run_program('smarter-schema', 'create', '--kind', 'stage', '--schema', $guid);
    die "batch schema: $r->{err}\n" if $r->{exit};
    my $line = 1;
    sql('SET ROLE smarter_loader; ' . insert(qq("$guid".registration), { student_reg_guid => "reg-$guid", academic_year => 2016,
            extract_date => '2015-09-30', reg_system_id => 'sys1', %$reg })
        . join('', map { insert(qq("$guid".student_reg), { file_line => ++$line, %base_reg, %$_ }) } @rows)
        . $self->waits($guid, 'studentregistration', scalar @rows));
    return $guid;
}

# SQL for a status row that says: loaded, waiting for promotion. Later ones arrived later.
sub waits {
    my ($self, $guid, $type, $lines) = @_;
    return sprintf "RESET ROLE; INSERT INTO %s_stats.udl_stats (tenant, load_type, file_arrived, load_status, batch_guid,"
        . " record_loaded_count, notification) VALUES ('nc', '%s', timestamp '2026-01-01' + %d * interval '1 minute', 'udl.ingested',"
        . " '%s', %d, '{\"callback_url\": \"https://example.org/\"}')",
        $self->{name}, $type, $self->{minute}++, $guid, $lines;
}

# Take a batch back, or only ask what that would do. Returns what is told as a hash.
sub withdraw { my ($self, $guid) = @_; return $self->_withdraw('do', $guid) }
sub plan { my ($self, $guid) = @_; return $self->_withdraw('plan', $guid) }

sub _withdraw {
    my ($self, $how, $guid) = @_;
    $self->{last} = Smarter::Test::run({}, env('SMARTER_BUILD') . '/t/loader/withdraw', $self->{ini}, $how, $guid);
    return $self->{last}{out} =~ /\A\{/ ? JSON::PP->new->decode($self->{last}{out}) : { error => $self->{last}{err} };
}

# Run the conductor once, with more args. Returns the reports as hashes; in $w->{last} exit, out, err.
sub conduct {
    my ($self, %opt) = @_;
    $self->{last} = run_program('smarter-migrate-conductor', '-c', $opt{ini} // $self->{ini}, '--once', @{ $opt{args} // [] });
    return map { JSON::PP->new->decode($_) } grep { /\A\{/ } split /\n/, $self->{last}{out};
}

# Start it and return its pid.
sub start {
    my ($self) = @_;
    return run_program({ background => 1 }, 'smarter-migrate-conductor', '-c', $self->{ini}, '--once')->{pid};
}

sub status {
    my ($self, $guid) = @_;
    return sql_one("SELECT load_status FROM $self->{name}_stats.udl_stats WHERE batch_guid = '$guid'");
}

sub schema_there {
    my ($self, $guid) = @_;
    return sql_one("SELECT count(*) FROM pg_namespace WHERE nspname = '$guid'");
}

# Everything in production, as one number.
sub fingerprint {
    my ($self) = @_;
    return sql_one('SELECT md5(string_agg(x, chr(10) ORDER BY x)) FROM ('
        . join(' UNION ALL ', map { "SELECT '$_' || t::text AS x FROM $self->{name}.$_ t" }
            qw(dim_asmt dim_student dim_inst_hier asmt_level asmt_claim fact_asmt_outcome_vw
            fact_block_asmt_outcome report_count student_reg student_reg_replaced batch_applied data_version)) . ') all_rows');
}

# Facts, counts and packs agree: both are what counting the facts gives.
sub counts_agree {
    my ($self) = @_;
    my $key = 'asmt_year, asmt_type, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl';
    my $have = "SELECT $key, n, n_valid, ns_ethnicity, ns_sex, ns_504, ns_iep, ns_lep, ns_mig, score_sum, score_squares"
        . " FROM $self->{name}.report_count WHERE n > 0";
    my $valid = "FILTER (WHERE coalesce(administration_condition, 'SD') = 'SD')";
    my $want = "SELECT $key, count(*), count(*) $valid,"
        . " count(*) FILTER (WHERE dmg_eth_derived = 0), count(*) FILTER (WHERE sex IN ('NS', 'not_stated')),"
        . ' count(*) FILTER (WHERE dmg_prg_504 IS NULL), count(*) FILTER (WHERE dmg_prg_iep IS NULL),'
        . ' count(*) FILTER (WHERE dmg_prg_lep IS NULL), count(*) FILTER (WHERE dmg_sts_mig IS NULL),'
        . " coalesce(sum(asmt_score) $valid, 0), coalesce(sum(power(asmt_score::numeric, 2)::bigint) $valid, 0)::bigint"
        . " FROM $self->{name}.fact_asmt_outcome_vw WHERE rec_status = 'C' GROUP BY $key";
    return !sql("($have EXCEPT $want) UNION ALL ($want EXCEPT $have)") && $self->packs_agree;
}

# What packs hold, less what is gone of it, is what there is of facts. Read bit by bit, without the
# product's own words. Packs out of date are nobody's business.
sub packs_agree {
    my ($self) = @_;
    my $s = $self->{name};
    my $current = sub { "NOT EXISTS (SELECT FROM $s.report_pack_stale o WHERE (o.asmt_year, o.inst_hier_rec_id) = ($_[0].asmt_year, $_[0].inst_hier_rec_id))" };
    my $words = sub {
        my ($sign, $words, $scores) = @_;
        return "SELECT p.asmt_year, p.inst_hier_rec_id, $sign AS sign, ('x' || encode(substr(p.$words, 4 * i + 1, 4), 'hex'))::bit(32) AS w,"
            . " get_byte(p.$scores, 2 * i) * 256 + get_byte(p.$scores, 2 * i + 1) AS score"
            . " FROM $s.report_pack p, generate_series(0, octet_length(p.$words) / 4 - 1) i WHERE " . $current->('p');
    };
    my $bits = sub { my ($low, $n) = @_; return "substring(w FROM 33 - $low - $n FOR $n)::int" };
    my $have = 'SELECT asmt_year, inst_hier_rec_id, s.value, g.value, ' . join(', ', map { $bits->(@$_) } [9, 4], [13, 2], [15, 4],
            (map { [19 + 2 * $_, 2] } 0 .. 5), [31, 1])
        . ', score, sum(sign) FROM (' . $words->(1, 'words', 'scores') . ' UNION ALL ' . $words->(-1, 'gone', 'gone_scores') . ') x'
        . " LEFT JOIN $s.report_code s ON s.kind = 'subject' AND s.code = " . $bits->(0, 4)
        . " LEFT JOIN $s.report_code g ON g.kind = 'grade' AND g.code = " . $bits->(4, 5)
        . ' GROUP BY ' . join(', ', 1 .. 15) . ' HAVING sum(sign) <> 0';
    my $want = 'SELECT asmt_year, inst_hier_rec_id, asmt_subject, asmt_grade, asmt_perf_lvl,'
        . " CASE sex WHEN 'male' THEN 0 WHEN 'female' THEN 1 WHEN 'NS' THEN 2 WHEN 'not_stated' THEN 2 ELSE 3 END,"
        . ' CASE WHEN dmg_eth_derived BETWEEN 0 AND 7 THEN dmg_eth_derived ELSE 15 END, '
        . join(', ', map { "CASE WHEN $_ THEN 1 WHEN NOT $_ THEN 0 ELSE 2 END" } map({ "dmg_$_" } qw(prg_lep prg_iep prg_504 sts_ecd sts_mig)), 'complete')
        . ", CASE coalesce(administration_condition, 'SD') WHEN 'SD' THEN 1 ELSE 0 END, asmt_score, count(*)"
        . " FROM $s.fact_asmt_outcome_vw f WHERE rec_status = 'C' AND asmt_type = 'SUMMATIVE' AND " . $current->('f') . ' GROUP BY ' . join(', ', 1 .. 15);
    return !sql("($have EXCEPT $want) UNION ALL ($want EXCEPT $have)")
        && !sql("SELECT FROM $s.report_pack p WHERE (octet_length(words) <> 2 * octet_length(scores) OR octet_length(gone) <> 2 * octet_length(gone_scores)"
            . ' OR 4 * octet_length(gone) > octet_length(words)) AND ' . $current->('p'));
}

# ---- sessions that hold something -----------------------------------------------------------------

my $sessions = 0;

# A session that has run the SQL and stays open: { in, pid, name }. Ended by release(). In another
# database than production's, if one is given.
sub hold {
    my ($self, $sql, $database) = @_;
    my $name = 'holder' . ++$sessions . "-$$";
    local $ENV{PGHOST} = env('PGHOST');
    local $ENV{PGPORT} = env('PGPORT');
    local $ENV{PGDATABASE} = $database // env('PGDATABASE');
    local $ENV{PGUSER} = env('PGUSER');
    local $ENV{PGPASSWORD} = env('PGPASSWORD');
    local $ENV{PGAPPNAME} = $name;
    my $pid = open my $in, '|-', 'psql -XqAt -v ON_ERROR_STOP=1 >/dev/null' or die "psql: $!\n";
    $in->autoflush(1);
    print {$in} "BEGIN; $sql;\n";
    wait_until(10, "a session to hold: $sql", sub {
        sql_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name'"
            . " AND state = 'idle in transaction' AND query NOT LIKE 'BEGIN%'");
    });
    return { in => $in, pid => $pid, name => $name };
}

sub release {
    my ($self, $held) = @_;
    print { $held->{in} } "ROLLBACK;\n";
    close $held->{in};
}

# Wait until a backend of the conductor waits for a lock on a relation.
sub await_blocked {
    my ($self) = @_;
    wait_until(10, 'the conductor to wait for a lock', sub {
        sql_one(q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'smarter-migrate-conductor')
            . q( AND wait_event_type = 'Lock' AND query NOT LIKE '%pg_advisory%'));
    });
}

# Kill a conductor hard.
sub kill9 {
    my ($self, $pid) = @_;
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

1;
