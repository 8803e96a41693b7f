#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Test;
use Smarter::Browser;

run_program('smarter-public-copy', '--once')->{exit} == 0 or die "no public copy\n";    # of what is there now
my $sid = run_program('smarter-public-copy', '--sid', '-t', env('SMARTER_TENANT'))->{out};
chomp($ENV{SMARTER_SID} = $sid);
browser_tests('public.mjs', 3);
