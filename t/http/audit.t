# Who saw what, who changed what, who was denied it: every address of the server, by what the audit and the security
# stream say of one request each. An address that the server has and the table has not is a failure.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Jobs;
use Smarter::Test;
use Smarter::Results;

need('httpd', 'postgres');

my $state = env('SMARTER_STATE');
my $year = 2062;
my %ours = (Origin => env('SMARTER_URL'));

my $near = school('D001', 'Audit Near', 'S0001', 'Audit School', 'I');
my $far = school('AU9', 'Audit Far', 'AUS9', 'Audit Far School');
my %row = (year => $year, subject => 'Math', grade => '03', level => 3);
my $math = assessment('SUMMATIVE', $year, 'Math', levels => [['Low', undef], ['Fair', 1400], ['Good', 1800], ['High', 2100]]);
results($near, %row, asmt => $math, student => student('AU-NEAR', first_name => 'Auditina', last_name => 'Nearwood'));
results($far, %row, asmt => $math, student => student('AU-FAR', first_name => 'Auditus', last_name => 'Farwood'));
put();

my $populations = 'get_comparing_populations_report';
my %place = (stateCode => $state, asmtYear => $year, districtId => 'D001', schoolId => 'S0001');
my %one = (stateCode => $state, studentId => 'AU-NEAR', asmtYear => $year, asmtType => 'SUMMATIVE');
my $none = '0' x 12;    # no session
my %asked = (stateCode => $state, asmtYear => '1999');
my %listed = (stateCode => [$state], asmtYear => ['1999']);
my $without = 'forbidden: %s without permission %s';

# [route, who, parameters or body, status, callable in the audit stream or undef, event or undef, path, headers].
# The arguments of the audit line are the parameters.
(my $sid = run_program('smarter-public-copy', '--sid', '-t', env('SMARTER_TENANT'))->{out}) =~ s/\s//g;
my $mine = a_job((user('school'))[0]);
my @table = (
    ['GET /data', 'school', undef, 200, 'list_reports'],
    ['GET /data', 'norole', undef, 403, undef, sprintf($without, 'GET /data', 'view')],
    ['GET /data', undef, undef, 401],
    ['OPTIONS /data/{}', 'school', undef, 200, 'describe_report', undef, '/data/quick_links'],
    ['GET /data/{}', 'school', undef, 404, 'get_report', undef, '/data/nothing'],
    ['GET /data/{}', 'school', { stateCode => $state }, 200, 'get_academic_year_report', undef, '/data/academic_year'],
    ['GET /data/{}', 'school', { stateCode => $state }, 200, 'get_quick_links_report', undef, '/data/quick_links'],
    ['GET /data/{}', 'school', { stateCode => $state }, 200, $populations, undef, '/data/comparing_populations'],
    ['POST /data/{}', 'school', { stateCode => $state, grade => ['03'] }, 200, $populations, undef, '/data/comparing_populations'],
    ['POST /data/{}', 'school', { stateCode => $state, grade => ['3'] }, 412, undef, undef, '/data/comparing_populations'],
    ['POST /data/{}', 'school', { stateCode => 'ZZ' }, 403, undef, 'forbidden: report comparing_populations of a state that is not the user\'s', '/data/comparing_populations'],
    ['POST /data/{}', 'school', \%place, 200, 'get_list_of_students_report', undef, '/data/list_of_students'],
    ['POST /data/{}', 'general', \%place, 403, undef, 'forbidden: report list_of_students without role PII', '/data/list_of_students'],
    ['POST /data/{}', 'school', \%one, 200, 'get_student_report', undef, '/data/individual_student_report'],
    ['POST /data/{}', 'school', { %one, studentId => 'AU-FAR' }, 404, 'get_student_report',
        'forbidden: report individual_student_report about a student out of reach of role PII', '/data/individual_student_report'],
    ['POST /data/{}', 'state', { %one, studentId => 'AU-FAR' }, 200, 'get_student_report', undef, '/data/individual_student_report'],
    ['POST /data/{}', 'school', { %one, studentId => 'AU-NOBODY' }, 404, 'get_student_report', undef, '/data/individual_student_report'],
    ['POST /data/{}', 'school', { %one, asmtYear => 2001 }, 404, 'get_student_report', undef, '/data/individual_student_report'],
    ['GET /public_data/{}', 'school', { sid => $sid }, 200, 'get_public_comparing_populations_report', undef, '/public_data/comparing_populations'],
    ['POST /public_data/{}', 'school', { sid => $sid }, 200, 'get_public_short_url_report', undef, '/public_data/public_short_url'],
    ['POST /public_data/{}', 'school', { sid => 'A' x 24 }, 404, 'get_public_short_url_report', undef, '/public_data/public_short_url'],
    ['GET /services/tool/state_code/{}', 'super', undef, 200, 'state_code_service', undef, '/services/tool/state_code/nc', undef, { state_code => 'nc' }],
    ['GET /services/tool/state_code/{}', 'state', undef, 403, undef, sprintf($without, 'GET /services/tool/state_code/{}', 'super_admin_rights'), '/services/tool/state_code/nc'],
    ['GET /services/userinfo', 'school', undef, 200, 'user_info_service'],
    ['POST /services/userinfo', 'school', {}, 200, 'user_info_service', undef, undef],
    ['GET /services/sessions', 'school', undef, 200, 'session_list_service'],
    ['DELETE /services/sessions', 'alone', undef, 200, 'session_end_others_service', undef, undef, \%ours],
    ['DELETE /services/sessions', 'school', undef, 403, undef, 'forbidden: DELETE /services/sessions asked for from elsewhere'],
    ['DELETE /services/sessions/{}', 'school', undef, 404, 'session_end_service', undef, "/services/sessions/$none", \%ours, { ref => $none }],
    ['GET /services/administration/sessions', 'super', { user => 'nobody' }, 200, 'administration_session_list_service'],
    ['GET /services/administration/sessions', 'state', undef, 403, undef, sprintf($without, 'GET /services/administration/sessions', 'super_admin_rights')],
    ['DELETE /services/administration/sessions/{}', 'super', undef, 404, 'administration_session_end_service', undef, "/services/administration/sessions/$none", \%ours, { ref => $none }],
    ['DELETE /services/administration/sessions/{}', 'state', undef, 403, undef, sprintf($without, 'DELETE /services/administration/sessions/{}', 'super_admin_rights'), "/services/administration/sessions/$none", \%ours],
    ['DELETE /services/jobs/{}', 'state', undef, 404, 'delete_job_service', undef, "/services/jobs/$mine", \%ours, { job_id => $mine }],
    ['DELETE /services/jobs/{}', 'school', undef, 403, undef, 'forbidden: DELETE /services/jobs/{} asked for from elsewhere', "/services/jobs/$mine"],
    ['DELETE /services/jobs/{}', 'school', undef, 200, 'delete_job_service', undef, "/services/jobs/$mine", \%ours, { job_id => $mine }],
    ['DELETE /services/cache/{}', 'super', undef, 200, 'cache_flush_service', undef, '/services/cache/data', \%ours, { cache_name => 'data' }],
    ['DELETE /services/flush/{}', 'super', undef, 404, 'cache_flush_service', undef, '/services/flush/nothing', \%ours],
    ['DELETE /services/flush/{}', 'super', undef, 403, undef, 'forbidden: DELETE /services/flush/{} asked for from elsewhere', '/services/flush/data'],
    ['GET /services/trigger/{}', 'super', undef, 503, 'trigger_service', undef, '/services/trigger/pdf', \%ours, { trigger_type => 'pdf' }],
    ['GET /services/trigger/{}', 'state', undef, 403, undef, sprintf($without, 'GET /services/trigger/{}', 'super_admin_rights'), '/services/trigger/cache', \%ours],
    ['GET /services/extract', 'state', { %asked, asmtType => 'SUMMATIVE', asmtSubject => 'Math' }, 404, 'post_extract_service', undef, undef, undef,
        { %listed, asmtType => ['SUMMATIVE'], asmtSubject => ['Math'] }],
    ['POST /services/extract', 'state', { %listed, asmtType => ['SUMMATIVE'], asmtSubject => ['Math'], async => 'true' }, 200, 'post_extract_service', undef, undef, \%ours],
    ['POST /services/extract', 'state', { %listed, asmtType => ['SUMMATIVE'], asmtSubject => ['Math'], async => 'true' }, 403, undef,
        'forbidden: extract studentAssessment asked for from elsewhere'],
    ['POST /services/extract', 'general', { %listed, asmtType => ['SUMMATIVE'], asmtSubject => ['Math'] }, 403, undef, 'forbidden: extract studentAssessment without role SAREXTRACTS'],
    ['POST /services/extract', 'state', { %listed, asmtType => ['SUMMATIVE'] }, 412],
    (map { my ($name, $callable, $p) = @$_; map { ["$_ /services/extract/$name", 'extractor', $p, 200, $callable, undef, undef, \%ours] }
        $name =~ /completion/ ? 'POST' : ('GET', 'POST') }
        ['assessment_item_level', 'post_item_extract_service', { %asked, asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' }],
        ['raw_data', 'post_raw_data_service', { %asked, asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03' }],
        ['student_registration_statistics', 'post_sr_stat_extract_service', { stateCode => $state, academicYear => 1999 }],
        ['student_assessment_completion', 'post_sr_comp_extract_service', { stateCode => $state, academicYear => 1999 }]),
);
# These show and change nothing, or are about signing in: the security stream's.
my @not_audited = ('GET /services/jobs', 'GET /services/jobs/{}', 'GET /services/session', 'POST /services/session/touch', 'GET /services/ready', 'GET /services/heartbeat', 'GET /services/openapi.json', 'GET /login', 'POST /saml_post', 'GET /logout',
    'POST /logout', 'GET /logout_redirect', 'GET /saml_metadata', 'OPTIONS /public_data/{}', 'ANY /public/{}');

# Other addresses and reports are audited under the names they have in the source.
my $source = slurp(top() . '/mod_smarter/smarter_routes.c');
my (%routes, %called);
while ($source =~ /^\s*\{\.path = "(\/[^"]*)",\s*\.methods = ([A-Z_ |]+),(.*?)\},(?:\s|$)/msg) {
    my ($path, $methods, $rest) = ($1, $2, $3);
    $routes{"$_ $path"} = $rest =~ /\.audit = "(\w+)"/ ? $1 : '' for map { s/SB_//r } split /\s*\|\s*/, $methods;
}
cmp_ok(scalar keys %routes, '>', 15, 'the table of addresses can be read');
$called{ $_->[0] }++ for @table;
is_deeply([grep { $routes{$_} ne '' && !$called{$_} } sort keys %routes], [], 'every audited address is called here');
is_deeply([sort grep { $routes{$_} eq '' } keys %routes], [sort @not_audited], 'the others are those that need not be');

add_user('alone', ['PII', env('SMARTER_TENANT'), $state]);    # has no other session
add_user('extractor', map { [$_, env('SMARTER_TENANT'), $state] } qw(IIRDEXTRACTS AUDITXML SRSEXTRACTS SRCEXTRACTS));
my %jar = map { $_ => sign_in($_) } qw(state school super general norole alone extractor);
my (%callables, @named);
for my $report (@{ json(get('/data', jar => $jar{state})) }) {
    my ($file) = grep { slurp($_) =~ /\.name = "\Q$report\E"/ } glob top() . '/lib/report/*.c';
    my ($callable) = slurp($file) =~ /\.name = "\Q$report\E",\s*\.callable = "(\w+)"/;
    ok($callable && !$callables{$callable}++, "report $report has a name of its own in the audit stream");
}

my $before = sprintf '%08x-%04x-1000-8000', time, $$ % 65536;
for my $i (0 .. $#table) {
    my ($route, $who, $params, $status, undef, undef, $path, $headers) = @{ $table[$i] };
    my ($method, $address) = split / /, $route;
    $path //= $address;
    $path .= '?' . join '&', map { "$_=$params->{$_}" } sort keys %$params if $method eq 'GET' && $params;
    my $answer = http($method, $path, $who ? (jar => $jar{$who}) : (), $method eq 'POST' && $params ? (json => $params) : (),
        headers => { 'X-Request-Id' => sprintf("$before-%012d", $i), %{ $headers // {} } });
    is($answer->{status}, $status, "$route $path: " . ($who // 'nobody'));
}
my (%audit, %security);
for (map { [\%audit, $_] } log_since('audit')) { push @{ $_->[0]{$1} }, JSON::PP->new->utf8->decode($_->[1]) if $_->[1] =~ /"\Q$before\E-0*(\d+)"/ }
for (map { [\%security, $_] } log_since('security')) { push @{ $_->[0]{$1} }, JSON::PP->new->utf8->decode($_->[1]) if $_->[1] =~ /"\Q$before\E-0*(\d+)"/ }
for my $i (0 .. $#table) {
    my ($route, $who, $params, $status, $callable, $event, $path, undef, $args) = @{ $table[$i] };
    my $what = "$route " . ($path // '') . ' ' . ($who // 'nobody') . " $status";
    my @lines = @{ $audit{$i} // [] };
    is(scalar @lines, $callable ? 1 : 0, "$what: lines in the audit stream");
    if ($callable) {
        my $line = $lines[0] // {};
        is_deeply([@$line{qw(status)}, $line->{msg}{callable}], [$status, $callable], "$what: what, with which status");
        my $said = $line->{msg}{params}{args}{params} // {};
        is_deeply($said, $args // ($status == 404 && !$params ? {} : $params // {}), "$what: with which parameters");
        ok($who ? $line->{msg}{session_id} && @{ $line->{msg}{principals} } : $line->{msg}{session_id} eq 'Unknown guid', "$what: who");
    }
    is_deeply([map { $_->{msg}{msg} } @{ $security{$i} // [] }], $event ? [$event] : $status == 401 ? [map { $_->{msg}{msg} } @{ $security{$i} // [] }] : [], "$what: denied");
    for my $told (grep { $event } @{ $security{$i} // [] }) {
        is($told->{msg}{type}, 1, "$what: a warning");
        ok($told->{msg}{user}{guid} && @{ $told->{msg}{user}{roles} }, "$what: by whom, in which role");
        unlike(JSON::PP->new->encode($told), qr/AU-FAR|AU-NEAR|wood|S0001/, "$what: without names and ids");
    }
}
is(scalar(grep { /Auditin|Auditus|Nearwood|Farwood/ } map { log_since($_) } qw(audit security application httpd)), 0, 'no log names a child');

finish();
