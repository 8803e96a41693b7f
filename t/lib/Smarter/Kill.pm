package Smarter::Kill;

# For tests that kill: a loader, a production schema and a conductor of their own, and a way to hold any of
# them at a chosen point until it is dead.
#
#   my $k = Smarter::Kill->new('t_kill');
#   $k->start_all;
#   my $pid = $k->held_at('batch:loading', sub { $k->drop('a') });   # the backend that waits there
#   $k->murder('worker');
#   $k->go_on;
#   $k->arrives('a');
#
# Points: package:new (recorded), package:queued, package:running (claimed), package:done, batch:STAGE,
# stats:STATUS, prod:applied (in the transaction of the promotion, its last row but one).

use strict;
use warnings;
use parent -norequire, 'Smarter::Loader';
use Smarter::Loader;
use Smarter::Test;
use Time::HiRes qw(sleep time);

sub new {
    my ($class, $name, %opt) = @_;
    my $self = $class->SUPER::new($name);
    $self->{prod} = "${name}_prod";
    $self->{rows} = $opt{rows} // 200;
    $self->{super} = { user => 'postgres', password => env('SMARTER_PG_SUPERUSER_PASSWORD') };
    for ($self->{ini_text}) {
        s/^(migrate_dest\.db\.nc\.schema_name\s*=).*/$1 $self->{prod}/m or die "no production schema in the ini\n";
        s/^(\[app:main\])$/$1\nmigrate_errors.db.schema_name = $self->{udl}/m;
    }
    sql("DROP SCHEMA IF EXISTS $self->{prod} CASCADE");
    my $url = sprintf 'postgresql://%s:%s@%s:%s/%s', map { env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE);
    my $r = run_program('smarter-schema', '--kind', 'prod', '--schema', $self->{prod}, '--url', $url, 'create');
    die "smarter-schema: $r->{err}\n" if $r->{exit};
    $self->{ini} = $self->ini('smarter.ini', 'udl2_trigger.file_system_scan_delay = 1', @{ $opt{ini} // [] });
    $self->holds;
    return $self;
}

# A hold is a row; whoever comes to its point waits until the row is gone.
sub holds {
    my ($self) = @_;
    my ($udl, $stats, $prod) = @$self{qw(udl stats prod)};
    sql("CREATE TABLE $udl.hold (point text)");
    sql("CREATE FUNCTION $udl.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ DECLARE at text := TG_ARGV[0]; BEGIN"
        . " IF TG_ARGV[1] <> '' THEN at := at || (to_jsonb(NEW) ->> TG_ARGV[1]);"
        . " IF TG_OP = 'UPDATE' THEN IF to_jsonb(OLD) ->> TG_ARGV[1] = to_jsonb(NEW) ->> TG_ARGV[1] THEN RETURN NEW; END IF; END IF; END IF;"
        . " FOR i IN 1 .. 3000 LOOP EXIT WHEN NOT EXISTS (SELECT FROM $udl.hold WHERE point = at); PERFORM pg_sleep(0.02); END LOOP;"
        . ' RETURN NEW; END $$');
    for (["$udl.package", 'package:', 'state'], ["$udl.batch", 'batch:', 'stage'], ["$stats.udl_stats", 'stats:', 'load_status'],
        ["$prod.batch_applied", 'prod:applied', '']) {
        sql("CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON $_->[0] FOR EACH ROW EXECUTE FUNCTION $udl.hold('$_->[1]', '$_->[2]')");
    }
}

my %program = (trigger => ['smarter-udl-trigger'], worker => ['smarter-worker-udl'], conductor => ['smarter-migrate-conductor', '--every', 1]);

sub start_all {
    my ($self) = @_;
    $self->{pid}{$_} //= $self->start(@{ $program{$_} }) for sort keys %program;
}

# Kill one of them, for good: the next start_all starts another one.
sub murder {
    my ($self, $what, $signal) = @_;
    return $self->stop(delete $self->{pid}{$what}, $signal // 'KILL');
}

# Kill the server process behind a connection: PostgreSQL ends all others and recovers as after a power cut.
sub crash {
    my ($self, $backend) = @_;
    CORE::kill('KILL', $backend);
    Smarter::Test::disturb();
    wait_until(60, 'the database to be back', sub { eval { sql_one('SELECT 1') } });
}

# Hold at a point, do something, and wait until somebody is there; the backend that waits.
sub held_at {
    my ($self, $point, $do) = @_;
    sql("INSERT INTO $self->{udl}.hold VALUES ('$point')");
    $do->();
    return wait_until(30, "somebody at $point", sub {
        $self->look;
        sql_one($self->{super}, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name LIKE 'smarter-%' LIMIT 1") });
}

sub go_on { my ($self) = @_; sql("DELETE FROM $self->{udl}.hold") }

# Drop a package of an assessment of its own.
sub drop_one {
    my ($self, $name) = @_;
    my $guid = "$self->{name}-$name";
    if (!$self->{line}) {
        @$self{qw(header line)} = split /\n/, $self->csv([{ StudentIdentifier => 'STUDENT', AssessmentGuid => 'ASMT' }]);
    }
    my $csv = join '', map { "$_\n" } $self->{header}, map { ($self->{line} =~ s/STUDENT/$name-$_/r) =~ s/ASMT/$guid/r } 1 .. $self->{rows};
    $self->drop($self->package({ 'Identification.Guid' => $guid }, [], csv => $csv), name => "$name.gpg");
    $self->{there}{$guid} = 0;
    return $name;
}

# What a reader sees now: all of an assessment or nothing.
sub look {
    my ($self) = @_;
    my %there = map { @$_ } eval { sql("SELECT asmt_guid, count(*) FROM $self->{prod}.fact_asmt_outcome_vw WHERE rec_status = 'C' GROUP BY asmt_guid") };
    for my $guid (keys %there) {
        push @{ $self->{odd} }, "$guid: $there{$guid} rows" if $there{$guid} != $self->{rows};
    }
    return \%there;
}

# Wait until all packages are in production; an empty list, or what is wrong.
sub settle {
    my ($self, $seconds) = @_;
    my ($udl, $stats, $prod) = @$self{qw(udl stats prod)};
    my $n = keys %{ $self->{there} };
    my @wrong = ();
    eval {
        wait_until($seconds // 60, 'all to be in production', sub {
            $self->look;
            (eval { sql_one("SELECT count(*) FROM $stats.udl_stats WHERE load_status = 'migrate.ingested'") } // 0) == $n
                && sql_one("SELECT count(*) FROM $udl.package WHERE state = 'done'") == $n });
        wait_until(20, 'batch schemas to be gone', sub { !$self->schemas_left });
        1;
    } or push @wrong, $@, "$n packages", join(" ", map { join ":", @$_ } sql("SELECT load_status, count(*) FROM $stats.udl_stats GROUP BY 1"), sql("SELECT state, count(*) FROM $udl.package GROUP BY 1")), map { join ' ', map { $_ // '-' } @$_ } sql("SELECT k.path, k.state, k.attempts, k.claims, s.load_status, k.error FROM $udl.package k"
        . " LEFT JOIN $stats.udl_stats s USING (batch_guid) WHERE k.state <> 'done' OR s.load_status <> 'migrate.ingested'");
    my $there = $self->look;
    push @wrong, map { "$_: " . ($there->{$_} // 0) . ' rows' } grep { ($there->{$_} // 0) != $self->{rows} } keys %{ $self->{there} };
    push @wrong, map { "twice: @$_" } sql("SELECT asmt_guid, student_id, count(*) FROM $prod.fact_asmt_outcome_vw GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 3");
    push @wrong, map { "statistics: @$_" } sql("SELECT batch_guid, record_loaded_count FROM $stats.udl_stats WHERE record_loaded_count <> $self->{rows}");
    push @wrong, map { "batch: @$_" } sql("SELECT batch_guid, stage, rows_loaded FROM $udl.batch WHERE stage <> 'loaded' OR rows_loaded <> $self->{rows}");
    push @wrong, map { "steps: @$_" } sql("SELECT guid_batch, count(*) FROM $udl.udl_batch WHERE udl_phase = 'UDL_COMPLETE' GROUP BY 1 HAVING count(*) <> 1");
    push @wrong, map { "left behind: $_" } $self->files('arrivals'), $self->entries('work');
    push @wrong, map { "seen by a reader: $_" } splice @{ $self->{odd} //= [] };
    my @kept = map { m{([^/]+)\z} } grep { /\.gpg\z/ } $self->files('history');
    push @wrong, 'history holds ' . @kept . " packages of $n" if @kept != $n || keys %{ { map { $_ => 1 } @kept } } != $n;
    push @wrong, map { "lock: @$_" } sql($self->{super}, "SELECT l.pid, l.objid FROM pg_locks l WHERE l.locktype = 'advisory'"
        . " AND l.classid = '$udl.package'::regclass::oid AND l.objid > 0");
    return @wrong;
}

sub schemas_left {
    my ($self) = @_;
    return sql_one("SELECT count(*) FROM pg_namespace n JOIN $self->{udl}.package k ON k.batch_guid = n.nspname");
}

# Directories and files of a batch below a zone.
sub entries {
    my ($self, $zone) = @_;
    my $root = "$self->{dir}/$zone";
    return split /\n/, `find $root -mindepth 3`;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    eval { sql("DELETE FROM $self->{udl}.hold") };
    $self->stop($_, 'KILL') for keys %{ $self->{running} // {} };
    eval {
        sql(qq(DROP SCHEMA IF EXISTS "$_->[0]" CASCADE)) for sql("SELECT k.batch_guid FROM $self->{udl}.package k JOIN pg_namespace n ON n.nspname = k.batch_guid");
        sql("DROP SCHEMA IF EXISTS $self->{prod} CASCADE");
    };
    $self->SUPER::DESTROY;
}

1;
