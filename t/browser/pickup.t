#!/usr/bin/perl
# The page behind a download link, in a browser: sign in, come back, get the file; or learn why not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Browser;
use Smarter::Pickup;

my $file = file_of(200_000);
my ($uid) = user('state');
my ($id, $waiting) = map { announce($uid) } 1, 2;
deliver($id, $file, name => "R\xc3\xa9sultats.zip");
local @ENV{qw(PICKUP_URL PICKUP_ID PICKUP_WAITING PICKUP_SHA256)} = (outside(''), $id, $waiting, sha256_of($file));
browser_tests('pickup.mjs', 5);
