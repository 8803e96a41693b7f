#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Browser;
use Smarter::Test;

need('httpd', 'idp');
my $jar = sign_in('school');    # by curl; whatever else he has is over
is(http('DELETE', '/services/sessions', jar => $jar, headers => { Origin => env('SMARTER_URL') })->{status}, 200, 'one session, of another program');
browser_tests('sessions.mjs', 9);
