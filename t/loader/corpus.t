#!/usr/bin/perl
# The corpus of bad input, t/data, and what is too big to be kept there: each case goes through the loader,
# and what comes out is compared with its expect.json: status, counts, each error and warning with line,
# column and code, the words of a refusal of the whole package (which name the path in the metadata), and
# where asked what was stored. t/data/README.md says how to add one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use Test::More;
use Smarter::Loader;
use Smarter::Promotion;
use Smarter::Test;

need('postgres');
my $l = Smarter::Loader->new('t_corpus');
my $data = top() . '/t/data';
my $json = JSON::PP->new->utf8;
my $dir = tmpdir();
binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

# ---- the cases of t/data ----------------------------------------------------------------------

my @cases = map {
    my ($name) = m{([^/]+/[^/]+)/expect\.json\z};
    { name => $name, expect => $json->decode(slurp($_)) };
} sort glob "$data/*/*/expect.json";
cmp_ok(scalar @cases, '>', 200, scalar(@cases) . ' cases in t/data');
system('cp', '-r', $data, "$dir/data") == 0 or die "cp: $?\n"; # the loader may not be let into the checkout
$_->{dir} = "$dir/data/$_->{name}/package" for @cases;

# Each code of the contract has a case, but: 3001, 3002 (nothing in a package leads there), 3004, 3007
# (not used). 1000 and 1001 come from promotion.
my %codes = map { ($_ => 1) } map { map { $_->{code} // () } @{ $_->{expect}{errors} }, @{ $_->{expect}{warnings} } } @cases;
my @documented = slurp(top() . '/docs/loader.md') =~ /^\|\s*(3\d\d\d)\s*\|/mg;
cmp_ok(scalar @documented, '>=', 23, scalar(@documented) . ' codes of rows in docs/loader.md');
is(join(' ', grep { !$codes{$_} } 3003, 3005, 3006, 3008 .. 3014, @documented), '', 'a case for each code');

# ---- what is too big --------------------------------------------------------------------------

my $header = join ',', @Smarter::Loader::header;
my $rows = (split /\n/, $l->csv([{}]), 2)[1];

sub generated {
    my ($name, $csv, $meta, %expect) = @_;
    my $package = "$dir/big-" . @cases;
    mkdir $package;
    spew("$package/a.csv", $csv);
    spew("$package/a.json", $meta // $l->metadata);
    push @cases, { name => "generated/$name", dir => $package,
        expect => { status => 'udl.failed', counts => [0, 0, 0, 0], warnings => [], %expect } };
}

sub refused { my ($code, $reason) = @_; return errors => [{ line => 0, column => undef, code => $code, reason => $reason }] }

my @loads = (status => 'udl.ingested', errors => []);
my $mega = 10 * 1024 * 1024;
generated('field-of-10-mb', "$header\n$rows\n" . 'x' x $mega . "\n", undef, refused(undef, 'line 3: field 1 is longer than 131072 bytes'),
    counts => [1, 0, 0, 0]);
generated('quote-over-10-mb', qq($header\n$rows\n") . "NC,d1\n" x ($mega / 6), undef,
    refused(undef, 'line 3: field 1 is longer than 131072 bytes'), counts => [1, 0, 0, 0]);
generated('header-of-10-mb', 'x' x $mega . "\n", undef, refused(undef, 'line 1: field 1 is longer than 131072 bytes'));
generated('5000-columns', join(',', $header, map { "c$_" } 92 .. 5000) . "\n$rows\n", undef, refused(3006, ''));
generated('5000-fields', "$header\n$rows\n$rows" . ',x' x 4909 . "\n$rows\n", undef, @loads, counts => [3, 2, 1, 1],
    errors => [{ line => 3, column => undef, code => 3008 }], warnings => [{ line => 4, column => undef, code => 3128, count => 1 }]);
generated('million-commas', "$header\n$rows\n" . ',' x 1_000_000 . "\n", undef, @loads, counts => [2, 1, 1, 0],
    errors => [{ line => 3, column => undef, code => 3008 }]);
generated('record-of-10-mb', "$header\n$rows\n" . ('x' x 100_000 . ',') x 100 . "\n", undef, refused(undef, ''), counts => [1, 0, 0, 0]);
generated('100000-blank-lines', "$header\n" . "\n" x 100_000 . "$rows\n", undef, @loads, counts => [1, 1, 0, 0],
    warnings => [{ line => 2, column => undef, code => 3121, count => 100_000 }]);
generated('nul-bytes', "\0" x 1_000_000, undef, refused(undef, 'line 1: field 1 is longer than 131072 bytes'));
generated('metadata-of-2-mb', "$header\n$rows\n", $l->metadata({ 'Identification.Comment' => 'x' x 2_000_000 }), refused(3012, ''));
generated('metadata-100000-deep', "$header\n$rows\n", '{"Content":' . '[' x 100_000 . ']' x 100_000 . '}', refused(3012, ''));
generated('metadata-of-100000-keys', "$header\n$rows\n", '{"Content":"assessment",' . join(',', map { qq("k$_":$_) } 1 .. 100_000) . '}',
    refused(3012, ''));
generated('metadata-of-blanks', "$header\n$rows\n", ' ' x 900_000, refused(3012, ''));
system('chown', '-R', env('SMARTER_LOADER_USER'), $dir) == 0 or die "chown: $?\n" if $> == 0;

# ---- all of them through the loader -----------------------------------------------------------

# In two processes, for there are two cores. A line of output each, in their order.
my @halves = ([@cases[grep { $_ % 2 == 0 } 0 .. $#cases]], [@cases[grep { $_ % 2 } 0 .. $#cases]]);
$_ = { cases => $_, run => run_program({ background => 1 }, 'smarter-worker-udl', '-c', $l->{ini}, '--tenant', 'nc',
    map { ('--once-dir', $_->{dir}) } @$_) } for @halves;
my $said = '';
for my $half (@halves) {
    waitpid $half->{run}{pid}, 0;
    is($? >> 8, 1, 'the loader says that some failed');
    is($? & 127, 0, 'and ended by itself');
    my ($out, $err) = map { slurp("$_") } @{ $half->{run}{files} };
    my @lines = split /\n/, $out;
    is(scalar @lines, scalar @{ $half->{cases} }, 'with a line for each case') or diag($err);
    $half->{cases}[$_]{got} = eval { $json->decode($lines[$_]) } for 0 .. $#lines;
    push @{ $l->{batches} }, map { $_->{got}{batch} } grep { $_->{got} } @{ $half->{cases} };
    $said .= "$out$err";
}
unlike($said, qr/zqx|quillfeather/i, 'no value of a row is quoted anywhere');
unlike(join("\n", $l->log_lines), qr/zqx|quillfeather/i, 'nor in the log');
allow_log(qr/SB2203/);

# What came out, in the form of expect.json.
sub outcome {
    my ($case) = @_;
    my ($got, $stored) = ($case->{got}, $case->{expect}{stored});
    my $is = { about => $case->{expect}{about}, status => $got->{status}, counts => [@$got{qw(read loaded rejected deduplicated)}],
        errors => [map { my $e = $_; +{ map { ($_ => $e->{$_}) } qw(line column code), $e->{line} ? () : 'reason' } } @{ $got->{errors} }],
        warnings => [map { my $w = $_; +{ map { ($_ => $w->{$_}) } qw(line column code count) } } @{ $got->{warnings} }] };
    $is->{promoted} = $case->{expect}{promoted} if $case->{expect}{promoted}; # judged below
    if ($stored) {
        my $table = $case->{name} =~ /^registration/ ? 'student_reg' : 'asmt_outcome';
        $is->{stored} = { columns => $stored->{columns}, rows => $got->{status} eq 'udl.ingested'
            ? [map { [map { defined ? "$_" : undef } @$_] } sql(qq(SELECT $stored->{columns} FROM "$got->{batch}".$table ORDER BY file_line))] : [] };
    }
    return $is;
}

# The same as text, a line for each item.
sub readable {
    my ($is) = @_;
    my $one = sub { JSON::PP->new->utf8->canonical->space_after->encode($_[0]) };
    my $list = sub { return @_ ? "[\n" . join(",\n", map { '    ' . $one->($_) } @_) . "\n  ]" : '[]' };
    my @lines = map { sprintf '  "%s": %s', $_, /errors|warnings/ ? $list->(@{ $is->{$_} })
        : JSON::PP->new->utf8->allow_nonref->canonical->space_after->encode($is->{$_}) } qw(about status counts errors warnings);
    push @lines, '  "promoted": ' . $one->($is->{promoted}) if $is->{promoted};
    push @lines, sprintf qq(  "stored": {\n  "columns": "%s",\n  "rows": %s}), $is->{stored}{columns}, $list->(@{ $is->{stored}{rows} }) if $is->{stored};
    return "{\n" . join(",\n", @lines) . "\n}\n";
}

for my $case (@cases) {
    my $expect = $case->{expect};
    if (!$case->{got}) {
        fail("$case->{name}: no outcome");
        next;
    }
    my $is = outcome($case);
    if ($ENV{CORPUS_RECORD} && -d "$data/$case->{name}") { # to be read before it is believed: git diff
        spew("$data/$case->{name}/expect.json", readable($is));
        next;
    }
    if ($case->{name} =~ /^generated/) { # the words do not matter so much
        delete $is->{about};
        for (0 .. $#{ $expect->{errors} }) {
            my ($want, $have) = ($expect->{errors}[$_], $is->{errors}[$_] // next);
            $want->{reason} = $have->{reason} if defined $want->{reason} && $want->{reason} eq '';
        }
    }
    is_deeply($is, $expect, $case->{name} . ($expect->{about} ? ": $expect->{about}" : ''))
        or diag(readable($is));
}
# ---- deletes, on into production --------------------------------------------------------------

# A production with results of s7, s8 and s9; each case starts from there.
my $d = Smarter::Loader->new('t_corpus_d');
my $prod = 't_corpus_p';
my $ini = $d->{ini_text};
$ini =~ s/^(migrate_dest\.db\.nc\.schema_name\s*=).*/$1 $prod/m or die "no production schema in the ini\n";
$ini =~ s/^(prod_db_conn\.nc\.db_schema\s*=).*/$1 $prod/m;
$ini =~ s/^(\[app:main\])$/$1\nmigrate_errors.db.schema_name = $d->{udl}/m;
spew("$d->{dir}/deletes.ini", $ini);
chmod 0644, $d->{ini} = "$d->{dir}/deletes.ini";

sub promote {
    my ($r) = @_;
    is($r->{status}, 'udl.ingested', 'the loader leaves deletes to promotion');
    my $c = run_program('smarter-migrate-conductor', '-c', $d->{ini}, '--once');
    my ($report) = map { $json->decode($_) } grep { /\A\{/ } split /\n/, $c->{out};
    return { status => $report->{status}, err_list => [sql("SELECT record_sid, err_code, err_source, err_input FROM $d->{udl}.err_list"
        . " WHERE guid_batch = '$r->{batch}' ORDER BY record_sid, err_code")] };
}

for my $case (grep { $_->{expect}{promoted} } @cases) {
    Smarter::Promotion->schema('drop', '--yes', '--kind', 'prod', '--schema', $prod);
    Smarter::Promotion->schema('create', '--kind', 'prod', '--schema', $prod);
    my $first = $l->csv([map { { StudentIdentifier => $_ } } qw(s7 s8 s9)]);
    is(promote($d->once_dir("$first\n"))->{status}, 'migrate.ingested', 'a production');
    my $is = promote($d->once($case->{dir}, dir => 1));
    is_deeply($is, $case->{expect}{promoted}, "$case->{name}: $case->{expect}{about}") or diag($json->encode($is));
}
sql("DROP SCHEMA IF EXISTS $prod CASCADE");
allow_log(qr/SB24\d\d/);

my @failed = map { $_->{got}{batch} } grep { $_->{got} && $_->{got}{status} eq 'udl.failed' } @cases;
is(sql_one('SELECT count(*) FROM pg_namespace WHERE nspname IN (' . join(', ', map { quote($_) } @failed) . ')'), 0,
    'nothing of a failed batch stays in the database');
is_deeply([$l->files('work')], [], 'nor a file');

finish();
