#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Browser;
use Smarter::Results;
use Smarter::Test;

# The sample's groups are small; what is hidden is judged elsewhere.
metadata('{"min_cell_size": 1}');

# All that can be asked for of a whole state.
add_user('files', map { [$_, env('SMARTER_TENANT'), env('SMARTER_STATE')] } qw(GENERAL SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS));
browser_tests('download_dialog.mjs', 11, 'files');
