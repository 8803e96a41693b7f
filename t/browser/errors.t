#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Test;
use Smarter::Browser;

browser_tests('errors.mjs', 9);
