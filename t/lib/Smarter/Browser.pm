package Smarter::Browser;

# Browser tests are scripts for node (t/browser/pages/*.mjs) driving Debian's Chromium with
# playwright-core. This runs one against the stack and passes its results on.
#
#   use Smarter::Browser;
#   browser_tests('journey.mjs');       # reports, judges the logs, ends the test

use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Smarter::Test;

our @EXPORT = qw(browser_tests);

# browser_tests(script, least number of tests it has, kinds of add_user's that sign in): a script that dies early must
# not look well.
sub browser_tests {
    my ($script, $least, @kinds) = @_;
    my $web = top() . '/web';
    Test::More::plan(skip_all => 'no playwright-core: cd web && npm ci') if !$ENV{SMARTER_TEST_ALL} && !(-d "$web/node_modules/playwright-core");
    Test::More::plan(skip_all => 'no chromium: apt-get install chromium') if !$ENV{SMARTER_TEST_ALL} && !(-x q(/usr/bin/chromium));
    need('httpd', 'idp');
    my $years = sql_one('SELECT count(DISTINCT asmt_year) FROM ' . env('SMARTER_SCHEMA') . '.fact_asmt_outcome_vw');
    Test::More::plan(skip_all => 'the stack holds no sample state of two years') if !$ENV{SMARTER_TEST_ALL} && $years < 2;
    local @ENV{qw(SMARTER_URL SMARTER_IDP_URL SMARTER_USERS SMARTER_STATE)} =
        map { env($_) } qw(SMARTER_URL SMARTER_IDP_URL SMARTER_USERS SMARTER_STATE);
    $ENV{SMARTER_USERS} = join ' ', $ENV{SMARTER_USERS}, map { join ':', user($_), $_ } @kinds;
    open my $out, '-|', 'node', '--test-reporter=tap', top() . "/t/browser/pages/$script" or die "node: $!\n";
    binmode $out, ':utf8';
    my ($seen, $passed, @more) = (0, 1);
    while (my $line = <$out>) {
        if ($line =~ /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO).*)?$/) {
            $seen++;
            $passed = Test::More::ok(!$1, $2);
            Test::More::diag(join '', @more) if !$passed;
            @more = ();
        }
        elsif (!$passed || $line =~ /^#/) {
            Test::More::diag($line) if !$passed && $line !~ /^# Subtest/;
        }
        else {
            push @more, $line if $line !~ /^(TAP version|\s+(---|\.\.\.|duration_ms|type:))/;
        }
    }
    close $out;
    Test::More::cmp_ok($seen, '>=', $least, "$script ran its tests");
    finish();
}

1;
