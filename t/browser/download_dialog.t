#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Browser;
use Smarter::Results;
use Smarter::Test;

# The sample's groups are small; what is hidden is judged elsewhere.
metadata('{"min_cell_size": 1}');

# Statistics of students want some: one is enough.
registered(2016, 'T-REG-1', ['D001', 'First District'], ['S0001', 'First School']);
put();

# All that can be asked for of a whole state.
add_user('files', map { [$_, env('SMARTER_TENANT'), env('SMARTER_STATE')] } qw(GENERAL SRSEXTRACTS SRCEXTRACTS AUDITXML IIRDEXTRACTS));
browser_tests('download_dialog.mjs', 12, 'files');
