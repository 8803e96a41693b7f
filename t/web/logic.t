#!/usr/bin/perl
# The pages' own logic (web/test/), without browser or server.
use strict;
use warnings;
use Cwd ();
use File::Basename qw(dirname);
use Test::More;

my $web = dirname(Cwd::abs_path(__FILE__)) . '/../../web';
chdir $web or die "$web: $!\n";
plan skip_all => 'web/node_modules is missing: cd web && npm ci' if !$ENV{SMARTER_TEST_ALL} && !(-d 'node_modules/typescript');
my $said = `npm test --silent 2>&1`;
my $status = $?;
my ($passed) = $said =~ /^# pass (\d+)/m;
is($status, 0, 'npm test') or diag($said);
cmp_ok($passed // 0, '>=', 20, 'it ran the tests');
done_testing();
