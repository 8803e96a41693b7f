#!/usr/bin/perl
# What a state must not send: each package ends with a reason that names the place, and leaves nothing
# half done; what is only odd, or bad in one row, loads the rest.
use strict;
use warnings;
use Test::More;
use Smarter::BadPackages;
use Smarter::Loader;
use Smarter::Test;

need(qw(postgres));

my $l = Smarter::Loader->new('t_bad');

# Batch schemas there are, but those of batches that loaded.
sub leftovers {
    my ($guid) = @_;
    return sql_one('SELECT count(*) FROM information_schema.schemata WHERE schema_name = ' . quote($guid));
}

# A reason for people: where and why. The server's and library's own words may be quoted, no paths of ours.
sub reasons {
    my ($batch) = @_;
    return join '; ', map { join ' ', grep { defined } @$_{qw(line column code reason)} } @{ $batch->{errors} };
}

my @cases = bad_packages();
cmp_ok(scalar @cases, '>', 30, scalar(@cases) . ' packages');
for my $case (@cases) {
    my $name = $case->{name};
    my $started = time;
    my $batch = $l->once($case->{file});
    subtest $name => sub {
        ok($batch->{batch}, 'prints a batch') or return diag(explain $batch);
        my $said = reasons($batch);
        cmp_ok(time - $started, '<', 20, 'in good time');
        if ($case->{fails}) {
            is($batch->{exit}, 1, 'exit status');
            is($batch->{status}, 'udl.failed', 'the batch failed');
            is($batch->{loaded}, 0, 'nothing is loaded');
            like($said, $case->{fails}, 'why');
            unlike($said, qr{/(?!/)\w+/|\bSB_|errno}, 'in words for the sender');
            is(leftovers($batch->{batch}), 0, 'no schema is left');
            like($said, qr/\bline $case->{line}\b|^$case->{line} /, 'where') if $case->{line};
        }
        else {
            my ($loaded, $rejected) = @{ $case->{loads} };
            is($batch->{exit}, 0, 'exit status') or diag($said);
            is($batch->{status}, 'udl.ingested', 'the batch is loaded');
            is($batch->{loaded}, $loaded, 'rows loaded');
            is($batch->{rejected}, $rejected, 'rows rejected');
            is(sql_one("SELECT count(*) FROM \"$batch->{batch}\".asmt_outcome"), $loaded, 'rows in the batch schema');
            if ($rejected) {
                my ($e) = @{ $batch->{errors} };
                is($e->{line}, $case->{line}, 'names the line');
                is($e->{column}, $case->{column}, 'and the column') if $case->{column};
                ok($e->{reason}, "and why: $e->{reason}");
                is(sql_one("SELECT count(*) FROM $l->{udl}.rejected_row WHERE batch_guid = " . quote($batch->{batch})
                    . " AND line = $case->{line}"), 1, 'kept for the operator');
            }
        }
        note("$name: $said") if $said ne '';
    };
}
allow_log(qr/udl|package|batch/i);
finish();
