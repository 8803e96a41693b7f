package Smarter::Bench;

# What the benchmarks of the loader share: packages and CSVs of an invented state, rounds in which product
# and limit take turns, medians, the one line of JSON, and the memory a worker took at its peak. They use
# schemas, zones and a queue of their own (Smarter::Loader), so that the stack's programs leave them alone.
#
# SMARTER_BENCH_ROWS and SMARTER_BENCH_ROUNDS make a run smaller; SMARTER_BENCH_VERBOSE=1 shows the rounds.

use strict;
use warnings;
use Exporter 'import';
use JSON::PP ();
use Time::HiRes qw(sleep time);
use Smarter::Loader;
use Smarter::Test;

our @EXPORT = qw(copy_bench world rows rounds median percentile timed note_round result table_like copy_csv worker_once drop_batch);

sub rows { return $ENV{SMARTER_BENCH_ROWS} // $_[0] }

sub rounds { return $ENV{SMARTER_BENCH_ROUNDS} // $_[0] }

sub median { return percentile(50, @_) }

sub percentile {
    my ($percent, @all) = @_;
    @all = sort { $a <=> $b } @all;
    my $at = int(@all * $percent / 100);
    return $all[$at < @all ? $at : -1];
}

# The arguments of smarter-datagen for so many students.
sub world {
    my ($students, @more) = @_;
    return ('--state', env('SMARTER_STATE'), '--districts', 12, '--schools', 60, '--students', $students, '--seed', 7, @more);
}

# Seconds of wall clock, and what it returned.
sub timed {
    my ($do) = @_;
    my $start = time;
    my $r = $do->();
    return (time - $start, $r);
}

sub note_round { print STDERR "@_\n" if $ENV{SMARTER_BENCH_VERBOSE} }

# The line of JSON: result(name, unit, value, limit, n, more => ...); the ratio is the one given, or value / limit.
sub result {
    my ($bench, $unit, $value, $limit, $n, %more) = @_;
    my $ratio = delete $more{ratio} // $value / $limit;
    my $number = sub { my ($x) = @_; return $x >= 1000 ? sprintf '%.0f', $x : sprintf '%.4g', $x };
    printf qq({"bench":"%s","value":%s,"unit":"%s","limit":%s,"ratio":%.3f,"n":%d%s}\n), $bench, $number->($value), $unit,
        $number->($limit), $ratio, $n, join '', map { sprintf ',"%s":%s', $_, $number->($more{$_}) } sort keys %more;
}

# ---- the limit --------------------------------------------------------------------------------

# An unlogged table of texts with the columns of a CSV, empty.
sub table_like {
    my ($schema, $csv) = @_;
    open my $in, '<', $csv or die "$csv: $!\n";
    my $header = <$in>;
    $header =~ s/\s+\z//;
    my $columns = join ', ', map { qq("$_" text) } split /,/, $header;
    sql("CREATE SCHEMA IF NOT EXISTS $schema; DROP TABLE IF EXISTS $schema.t; CREATE UNLOGGED TABLE $schema.t ($columns)");
}

# psql, from exec to exit; its seconds.
sub copy_csv {
    my ($schema, $csv) = @_;
    table_like($schema, $csv);
    my ($took, $r) = timed(sub {
        Smarter::Test::run({ timeout => 3600, env => { map { $_ => env($_) } qw(PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE) } },
            'psql', '-Xqc', "\\copy $schema.t from '$csv' csv header");
    });
    die "psql: $r->{err}\n" if $r->{exit};
    return $took;
}

# ---- the product ------------------------------------------------------------------------------

# One package from exec to exit: seconds, the batch, and MiB at its peak (only if asked: watching costs time).
sub worker_once {
    my ($l, $package, %opt) = @_;
    my @args = ('smarter-worker-udl', '-c', $l->{ini}, '--once', $package, '--tenant', env('SMARTER_TENANT'));
    my ($took, $r, $peak) = (0, undef, 0);
    if ($opt{memory}) {
        my $p = run_program({ background => 1 }, @args);
        while (waitpid($p->{pid}, 1) == 0) { # WNOHANG
            if (open my $in, '<', "/proc/$p->{pid}/status") {
                my $status = join '', <$in>;
                $peak = $1 / 1024 if $status =~ /^Name:\s+smarter-worker/m && $status =~ /^VmHWM:\s+(\d+) kB/m && $1 / 1024 > $peak;
            }
            sleep 0.01;
        }
        $r = { exit => $? >> 8, out => slurp("$p->{files}[0]"), err => slurp("$p->{files}[1]") };
    }
    else {
        ($took, $r) = timed(sub { run_program({ timeout => 3600 }, @args) });
    }
    die "smarter-worker-udl: " . substr("$r->{err}$r->{out}", 0, 600) . "\n" if $r->{exit};
    return ($took, JSON::PP->new->decode($r->{out}), $peak);
}

sub drop_batch { sql(qq(DROP SCHEMA IF EXISTS "$_[0]{batch}" CASCADE)) }

# ---- a package against psql copying the same CSV ----------------------------------------------

# copy_bench('loader', rows => 100_000, rounds => 7, kind => 'summative')
sub copy_bench {
    my ($bench, %opt) = @_;
    my ($rows, $rounds) = (rows($opt{rows}), rounds($opt{rounds}));
    my $schema = $bench =~ s/\W/_/gr;
    my @world = world($rows, '--subjects', 'Math', '--years', 2015, '--kinds', $opt{kind} // 'summative', '--blocks', 1);
    my $l = Smarter::Loader->new("b_$schema");
    my ($package) = glob datagen(@world, '--pack') . '/*.gpg';
    my ($csv) = glob datagen(@world, '--format', 'csv') . '/*/*.csv';
    die "smarter-datagen made no package or no CSV\n" unless $package && $csv;
    my (@product, @limit, $memory);
    my $done = eval {
        for my $round (0 .. $rounds) { # the first one warms the caches and is watched
            my $limit = copy_csv("b_${schema}_limit", $csv);
            sql("DROP TABLE b_${schema}_limit.t");
            my ($product, $batch, $peak) = worker_once($l, $package, memory => $round == 0);
            die "loaded $batch->{loaded} rows, not $rows\n" unless $batch->{loaded} == $rows;
            drop_batch($batch);
            $memory = $peak if $round == 0;
            next if $round == 0;
            push @product, $product;
            push @limit, $limit;
            note_round(sprintf '%s: round %d: %.2f s, limit %.2f s', $bench, $round, $product, $limit);
        }
        1;
    };
    my $why = $@;
    sql("DROP SCHEMA IF EXISTS b_${schema}_limit CASCADE");
    die $why unless $done;
    result($bench, 'rows/s', (map { $rows / median(@$_) } \@product, \@limit), $rows, rounds => $rounds, rss_mib => $memory);
}

1;
