#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Test;
use Smarter::Browser;
use Smarter::Results;

# The sample's groups are small; what is hidden is judged elsewhere.
metadata('{"min_cell_size": 1}');

browser_tests('filters.mjs', 5);
