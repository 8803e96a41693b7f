#!/usr/bin/perl
use strict;
use warnings;
use Test::More;
use Smarter::Browser;
use Smarter::Jobs;
use Smarter::Test;

need('postgres');
my ($me) = user('school');
sql('DELETE FROM jobs.job WHERE owner_uid = ' . quote($me));
a_job($me, title => 'Results <b>grade 03</b>', created_at => '2016-04-03 10:11:12+00', ended_at => '2016-04-03 10:12:00+00', expires_at => '2116-04-10 10:12:00+00',
    files => [['ASMT_2016_NC_GRADE_03_MATH_SUMMATIVE_a-long-name-that-has-no-blanks.zip', 4_711_000], ['part2.zip', 800]], notice => 'Results were added meanwhile.');
a_job($me, title => 'Raw XML, math', state => 'failed', error => 'The pickup zone could not be reached.', created_at => '2016-04-02 10:11:12+00');
a_job($me, title => 'Registration', state => 'expired', created_at => '2016-04-01 10:11:12+00', files => [['reg.csv', 12_300]]);
a_job($me, title => 'Items, grade 05', state => 'running', created_at => '2016-04-04 10:11:12+00');
browser_tests('downloads.mjs', 12);
