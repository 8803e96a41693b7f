#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Test;
use Smarter::Browser;

browser_tests('timeout.mjs', 8);
