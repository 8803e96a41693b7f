# The sample state of the stack: what other tests count on.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('postgres', 'workers');

my ($districts, $schools, $students) = split / /, env('SMARTER_SAMPLE');
my $schema = env('SMARTER_SCHEMA');
my $facts = "$schema.fact_asmt_outcome_vw WHERE rec_status = 'C'";
is(sql_one("SELECT count(DISTINCT district_id) FROM $facts"), $districts, 'districts');
is(sql_one("SELECT count(DISTINCT school_id) FROM $facts"), $schools, 'schools');
is(sql_one("SELECT count(DISTINCT student_id) FROM $facts AND asmt_year = 2016"), $students, 'students of a year');
is(sql_one("SELECT count(*) - count(DISTINCT (student_id, asmt_subject, asmt_year, asmt_type)) FROM $facts"), 0, 'no result twice');
is(sql_one("SELECT string_agg(DISTINCT district_id, ',') FROM $facts AND school_id = 'S0001'"), 'D001', 'S0001 lies in D001, as the sign-ins say');
is(sql_one("SELECT string_agg(DISTINCT district_id, ',') FROM $facts AND school_id = 'S0002'"), 'D002', 'S0002 in D002');
is_deeply([map { $_->[0] } sql("SELECT DISTINCT load_status FROM edware_stats.udl_stats WHERE batch_guid IN (SELECT batch_guid FROM udl2.package WHERE path LIKE '%/NC-201%')")],
    ['migrate.ingested'], 'every package is promoted');
is(sql_one("SELECT count(*) FROM udl2.rejected_row JOIN udl2.package USING (batch_guid) WHERE path LIKE '%/NC-201%'"), 0, 'without a rejected row');
like(sql_one("SELECT asmt_custom_metadata FROM $schema.custom_metadata"), qr/min_cell_size/, 'the state has its settings');

finish();
