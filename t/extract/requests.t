# Extracts over HTTP: what is answered at once, what becomes a job and is fetched from the pickup zone, and who may not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Results;
use Smarter::Extracts;
use Smarter::Pickup;
use Smarter::Jobs;

need('httpd', 'pickup', 'workers');

my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my $year = 2073;
my %ours = (Origin => env('SMARTER_URL'));
my $one = school('ZD1', 'Alpha District', 'ZS1', 'School One');
my $two = school('ZD2', 'Beta District', 'ZS2', 'School Two');
my $same = school('ZD3', 'Gamma District', 'ZS1', 'Another One');
my $math = assessment('SUMMATIVE', $year, 'Math');
my %row = (asmt => $math, year => $year, subject => 'Math', grade => '03');
results($one, %row, student => student('Z-1', last_name => 'Onewood'));
results($two, %row, student => student('Z-2', last_name => 'Twowood'));
results($same, %row, student => student('Z-3', last_name => 'Threewood'));
registered($year, 'Z-1', ['ZD1', 'Alpha District'], ['ZS1', 'School One']);
put();
my %asked = (stateCode => [$state], asmtYear => ["$year"], asmtType => ['SUMMATIVE'], asmtSubject => ['Math']);
my %one = (stateCode => $state, asmtYear => "$year", asmtType => 'SUMMATIVE', asmtSubject => 'Math', asmtGrade => '03');

add_user('x-state', map { [$_, $tenant, $state] } qw(SAREXTRACTS IIRDEXTRACTS AUDITXML SRSEXTRACTS SRCEXTRACTS));
add_user('x-district', map { [$_, $tenant, $state, 'ZD1'] } qw(SAREXTRACTS IIRDEXTRACTS AUDITXML SRSEXTRACTS SRCEXTRACTS));
add_user('x-school', ['SAREXTRACTS', $tenant, $state, 'ZD2', 'ZS2']);
add_user('x-viewer', [$_, $tenant, $state]) for 'PII';
my %jar = map { $_ => sign_in("x-$_") } qw(state district school viewer);
my %outside = map { $_ => sign_in_outside("x-$_") } qw(state district);

sub zip_of {
    my ($answer) = @_;
    return unzip(spew(tmpdir() . '/x.zip', $answer->{body}));
}
sub students { return join ' ', sort map { /,(Z-\d),/g } values %{ $_[0] } }

# ---- at once -----------------------------------------------------------------------------------------

my $r = post_json('/services/extract', \%asked, jar => $jar{state});
is($r->{status}, 200, 'at once');
is($r->{headers}{'content-type'}, 'application/octet-stream', 'a file');
like($r->{headers}{'content-disposition'}, qr/\Aattachment; filename="ASMT_${year}_MATH_SUMMATIVE_\d\d-\d\d-\d{4}_\d\d-\d\d-\d\d\.zip"\z/, 'with a name');
is($r->{headers}{'content-length'}, length $r->{body}, 'its length is known');
is($r->{headers}{'cache-control'}, 'no-store', 'kept nowhere');
is(students(zip_of($r)), 'Z-1 Z-2 Z-3', 'everybody');
is(scalar(keys %{ zip_of($r) }), 2, 'a CSV and a description');
like((sort keys %{ zip_of($r) })[0], qr/\AASMT_${year}_GRADE_03_/, 'whose name has no state');
$r = get("/services/extract?stateCode=$state&asmtYear=$year&asmtType=SUMMATIVE&asmtSubject=Math&asmtSubject=ELA&asmtGrade=03&sync=true&sl=123", jar => $jar{state});
like($r->{headers}{'content-disposition'}, qr/"ASMT_${year}_GRADE_03_ELA_MATH_SUMMATIVE_/, 'by GET; a grade and subjects in the name');
is(post_json('/services/extract', { %asked, asmtYear => ['2001'] }, jar => $jar{state})->{status}, 404, 'nothing there');
is(students(zip_of(post_json('/services/extract', { %asked, districtId => ['ZD1', 'ZD2'] }, jar => $jar{state}))), 'Z-1 Z-2', 'two districts');
is(students(zip_of(post_json('/services/extract', \%asked, jar => $jar{district}))), 'Z-1', 'a district sees its own');
is(students(zip_of(post_json('/services/extract', \%asked, jar => $jar{school}))), 'Z-2', 'a school its own');
is(post_json('/services/extract', { %asked, districtId => ['ZD2'] }, jar => $jar{district})->{status}, 404, 'of elsewhere there is nothing');
is(post_json('/services/extract', { %asked, studentId => ['Z-2'] }, jar => $jar{district})->{status}, 404, 'nor of a student elsewhere');

# ---- who may not -------------------------------------------------------------------------------------

my %paths = ('/services/extract' => \%asked, (map { ("/services/extract/$_" => \%one) } qw(assessment_item_level raw_data)),
    map { ("/services/extract/$_" => { stateCode => $state, academicYear => $year }) } qw(student_registration_statistics student_assessment_completion));
for my $path (sort keys %paths) {
    my @opt = (headers => { %ours });
    is(post_json($path, $paths{$path}, @opt)->{status}, 401, "$path: nobody");
    is(post_json($path, $paths{$path}, jar => $jar{viewer}, @opt)->{status}, 403, "$path: without the role");
    my $own = $path eq '/services/extract' ? 'ZZ' : $state;
    is(post_json($path, { %{ $paths{$path} }, stateCode => ref $paths{$path}{stateCode} ? ['ZZ'] : 'ZZ' }, jar => $jar{state}, @opt)->{status}, 403, "$path: another state");
    next if $path eq '/services/extract';
    is(post_json($path, $paths{$path}, jar => $jar{district}, @opt)->{status}, 403, "$path: the role, but of a district");
    is(post_json($path, $paths{$path}, jar => $jar{state})->{status}, 403, "$path: not from our own pages");
}
is(post_json('/services/extract', { %asked, async => 'true' }, jar => $jar{state})->{status}, 403, 'for later: not from elsewhere either');

my $head = http('HEAD', "/services/extract?stateCode=$state&asmtYear=$year&asmtType=SUMMATIVE&asmtSubject=Math&async=true", jar => $jar{state}, headers => { %ours });
is_deeply([$head->{status}, $head->{headers}{allow}], [405, 'GET, POST'], 'HEAD makes nothing for later');

# ---- what is refused ---------------------------------------------------------------------------------

for my $bad (['stateCode missing', { %asked, stateCode => undef }], ['two states', { %asked, stateCode => [$state, 'ZZ'] }], ['no year', do { my %a = %asked; delete $a{asmtYear}; \%a }],
    ['two years', { %asked, asmtYear => ['2015', '2016'] }], ['a year with letters', { %asked, asmtYear => ['20x5'] }], ['no subject', { %asked, asmtSubject => [] }],
    ['a subject there is not', { %asked, asmtSubject => ['Art'] }], ['a kind there is not', { %asked, asmtType => ['X'] }], ['an unknown name', { %asked, zz => 1 }],
    ['an id with a path', { %asked, districtId => ['../x'] }], ['an id too long', { %asked, schoolId => ['x' x 51] }], ['an empty list', { %asked, districtId => [] }],
    ['too many combinations', { %asked, districtId => [map { "D$_" } 1 .. 100], schoolId => [map { "S$_" } 1 .. 100] }], ['too long a list', { %asked, studentId => [map { "s$_" } 1 .. 101] }],
    ['async with a number', { %asked, async => 1 }]) {
    my $a = post_json('/services/extract', { %{ $bad->[1] } }, jar => $jar{state}, headers => { %ours });
    is($a->{status}, 412, "$bad->[0]: refused") or diag $a->{body};
    unlike($a->{body}, qr/\.\.\/x/, 'the value is not repeated') if $bad->[0] =~ /path/;
}
is(get("/services/extract?stateCode=$state&asmtYear=$year&asmtType=SUMMATIVE&asmtSubject=Art&asmtSubject=Math", jar => $jar{state})->{status}, 412, 'by GET each of several counts');
for my $bad ((map { my $path = $_; map { [$path, { %one, %$_ }] } { asmtGrade => '123' }, { asmtGrade => 'x' }, { asmtYear => '20x5' }, { asmtType => 'INTERIM ASSESSMENT BLOCKS' }, { asmtSubject => 'Art' },
        { stateCode => 'NCX' }, { async => 'true' }, { asmtGrade => ['03', '04'] } } qw(assessment_item_level raw_data)),
    ['assessment_item_level', { %one, itemId => ['../x'] }], ['raw_data', { %one, itemId => ['x'] }],
    (map { my $path = $_; map { [$path, { stateCode => $state, academicYear => $year, %$_ }] } { academicYear => 'x' }, { academicYear => undef }, { extractType => 'x' }, { asmtYear => '2015' } }
        qw(student_registration_statistics student_assessment_completion))) {
    my ($path, $params) = @$bad;
    my $a = post_json("/services/extract/$path", $params, jar => $jar{state}, headers => { %ours });
    is($a->{status}, 412, "$path: refused: " . join ' ', map { "$_=" . (ref $params->{$_} ? "@{ $params->{$_} }" : $params->{$_} // '') } sort keys %$params) or diag $a->{body};
}
is(post('/services/extract', jar => $jar{state}, headers => { %ours, 'Content-Type' => 'application/json' }, body => '{')->{status}, 400, 'no JSON');
is(http('DELETE', '/services/extract', jar => $jar{state})->{status}, 405, 'another method');
is(get("/services/extract/student_assessment_completion?stateCode=$state&academicYear=$year", jar => $jar{state}, headers => { %ours })->{status}, 405, 'completion by POST only');

# ---- for later ---------------------------------------------------------------------------------------

# The archive behind an address of an answer, once it is there.
sub archive_of {
    my ($file, $who) = @_;
    my ($id) = $file->{web_download_url} =~ m{([-0-9a-f]{36})\z} or return { status => 0 };
    my $got;
    wait_until(60, 'the archive', sub { $got = fetch($id, $outside{$who}); $got->{status} == 200 });
    return $got;
}
$r = post_json('/services/extract', { %asked, asmtSubject => ['ELA', 'Math'], districtId => ['ZD1', 'ZD9'], async => 'true' }, jar => $jar{district}, headers => { %ours });
is($r->{status}, 200, 'for later') or diag $r->{body};
my $of_request = $r->{headers}{'x-request-id'};
my $said = json($r);
is_deeply([map { "$_->{districtId} $_->{asmtSubject} $_->{status}" } @{ $said->{tasks} }], ['ZD1 ELA no_data', 'ZD1 Math ok', 'ZD9 ELA no_data', 'ZD9 Math no_data'],
    'each combination is answered for');
is_deeply([sort keys %{ $said->{tasks}[0] }], [sort qw(stateCode districtId schoolId extractType asmtSubject asmtType asmtYear requestId status message)], 'with what belongs to it');
is(scalar @{ $said->{files} }, 1, 'one archive');
like($said->{files}[0]{fileName}, qr/\At-x-district_\d\d-\d\d-\d{4}_\d\d-\d\d-\d\d\.zip\z/, 'its name');
my $id = $said->{tasks}[0]{requestId};
my $got = archive_of($said->{files}[0], 'district');
is($got->{status}, 200, 'it can be fetched');
my $files = unzip(spew(tmpdir() . '/x.zip', $got->{body}));
is(students($files), 'Z-1', 'and is what was asked for');
like((sort keys %$files)[0], qr/\AASMT_${year}_${state}_GRADE_03_/, 'names of its files tell the state');
is(fetch($said->{files}[0]{web_download_url} =~ m{([-0-9a-f]{36})\z}, $outside{state})->{status}, 404, 'nobody else gets it');
my ($right) = sql("SELECT concat_ws(' ', role, tenant, state_code), places::text FROM hpz.file_registry WHERE registration_id = "
    . quote($said->{files}[0]{web_download_url} =~ m{([-0-9a-f]{36})\z}));
is($right->[0], "SAREXTRACTS $tenant $state", 'it is announced with the right it is made under');
is_deeply(JSON::PP::decode_json($right->[1]), [{ district_id => 'ZD1', school_id => undef }], '... and where that is held');
wait_until(10, "it", sub { sql_one("SELECT count(*) FROM edware_stats.extract_stats WHERE request_guid = '$id' AND status = 'COPIED'") });
is_deeply([map { $_->[0] } sql("SELECT status FROM edware_stats.extract_stats WHERE request_guid = '$id' ORDER BY \"timestamp\"")],
    [qw(QUEUED EXTRACTING EXTRACTED COPYING COPIED)], 'what became of it is noted');
wait_until(15, 'the pickup zone to be told that it is over', sub {
    sql_one("SELECT job.state = 'ready' AND tell_at IS NULL FROM jobs.job JOIN jobs.task USING (job_id) WHERE name = 'extract.make' AND args::text LIKE '%$id%'") eq 't' });

# The audit stream has the request and what came of it, under one id.
my %line;
wait_until(15, 'its line in the audit stream', sub {
    %line = map { ($_->{msg}{callable} => $_) } grep { $_->{request_id} eq $of_request } map { JSON::PP::decode_json($_) } log_since('audit');
    $line{extract_job} });
is_deeply([map { $_->{status} } @line{qw(post_extract_service extract_job)}], [200, 200], 'asked for and made');
is($line{extract_job}{msg}{session_id}, $line{post_extract_service}{msg}{session_id}, 'by the same person');
is_deeply($line{extract_job}{msg}{params}{args}{files}, [{ id => $said->{files}[0]{web_download_url} =~ s{.*/}{}r, size => length $got->{body} }], 'which file, and how large');

# What became of it long ago is forgotten.
sub cleanup { return run_program('smarter-extract-cleanup', '-c', env('SMARTER_INI'), @_) }
sub events { return sql_one("SELECT count(*) FROM edware_stats.extract_stats WHERE request_guid = '$id'") }
sql("UPDATE edware_stats.extract_stats SET \"timestamp\" = now() AT TIME ZONE 'UTC' - interval '30 days' WHERE request_guid = '$id'");
cleanup();
is(events(), 5, 'what became of it is kept for a month');
sql("INSERT INTO edware_stats.extract_stats SELECT '$id', now() AT TIME ZONE 'UTC' - interval '31 days', 'EXTRACTED' FROM generate_series(1, 20003)");
my $cleaned = cleanup();
is($cleaned->{exit}, 0, 'the cleanup') or diag $cleaned->{err};
cmp_ok(json({ body => $cleaned->{out} })->{forgotten}, '>=', 20003, '... in portions');
is(events(), 5, '... takes what is older, and nothing else');
is(cleanup('--if-due')->{out}, '', 'cron says nothing');
my $zone = env('SMARTER_VAR') . "/extraction/$tenant/$id";
ok(wait_until(30, "it", sub { !-e $zone }), 'nothing is left in the work zone');
my ($args) = sql("SELECT args::text FROM jobs.task WHERE args::text LIKE '%$id%' LIMIT 1");
unlike($args->[0], qr/Tess|T-x-district|\@/, 'no names of the user in the job') if $args;

$r = post_json('/services/extract', { %asked, asmtYear => ['2001'], async => 'TRUE' }, jar => $jar{state}, headers => { %ours });
is_deeply([$r->{status}, map { $_->{status} } @{ json($r)->{tasks} }], [200, 'no_data'], 'nothing there');
ok(!exists json($r)->{files}, 'no files');
for my $kind (qw(student_registration_statistics student_assessment_completion)) {
    # the address says which, not the parameter
    $r = post_json("/services/extract/$kind", { stateCode => $state, academicYear => $year, extractType => 'studentAssessmentCompletion' }, jar => $jar{state}, headers => { %ours });
    is($r->{status}, 200, $kind);
    (my $type = $kind) =~ s/_(\w)/\U$1/g;
    is_deeply({ map { $_ => json($r)->{tasks}[0]{$_} } qw(state_code academicYear extractType status) },
        { state_code => $state, academicYear => $year, extractType => $type, status => 'ok' }, "$kind: what was taken on");
    $files = unzip(spew(tmpdir() . '/x.zip', archive_of(json($r)->{files}[0], 'state')->{body}));
    like((values %$files)[0], qr/\r\nNorth Carolina,ALL,ALL,Total,Total,/, "$kind: it comes");
}
$r = post_json('/services/extract/raw_data', \%one, jar => $jar{state}, headers => { %ours });
is_deeply(json($r)->{tasks}, [{ status => 'ok' }], 'raw data');
is_deeply(unzip(spew(tmpdir() . '/x.zip', archive_of(json($r)->{files}[0], 'state')->{body})), {}, 'an archive, though no files were ever delivered');
my $school_year = $year - 1 . "\x{2013}$year";
is_deeply([map { my $w = $_; sort map { $_->{title} } @{ json(get('/services/jobs', jar => $jar{$w}))->{jobs} } } qw(district state)],
    ["Student assessment results, $school_year: ELA, Math", "Raw XML data, $school_year: Math, grade 03", "Student assessment completion, $school_year",
     "Student registration statistics, $school_year"], 'the list of downloads says what each is');
is_deeply(json(post_json('/services/extract/assessment_item_level', { %one, asmtGrade => '08' }, jar => $jar{state}, headers => { %ours })), { tasks =>
    [{ status => 'no_data', message => 'Data is not available' }] }, 'items nobody has');

# ---- what one may lay up -------------------------------------------------------------------------------

my $keeper = json(get('/services/userinfo', jar => $jar{school}))->{user_info}{_User__info}{uid};
my $later = sub { return post_json('/services/extract', { %asked, asmtYear => ['2001'], async => 'true' }, jar => $jar{school}, headers => { %ours }) };
sql("DELETE FROM jobs.job WHERE owner_uid = " . quote($keeper));
my ($first) = map { a_job($keeper, files => [['kept.zip', 1]]) } 1 .. 49;
a_job($keeper, @$_) for [files => [['never.zip']]], [state => 'expired', files => [['old.zip', 1]]], [deleted_at => 'now', files => [['gone.zip', 1]]];
is($later->()->{status}, 200, 'below extract.max_kept; what has no file, or none any more, does not count');
a_job($keeper, files => [['kept.zip', 1]]);
$r = $later->();
is($r->{status}, 429, 'as many as one may keep');
like(json($r)->{detail}, qr/delete some in My downloads/, 'says what to do');
is(http('DELETE', "/services/jobs/$first", jar => $jar{school}, headers => { %ours })->{status}, 200, 'delete one');
is($later->()->{status}, 200, 'and ask again');

is(scalar(grep { /Onewood|Twowood|Threewood/ } map { log_since($_) } qw(audit security application httpd)), 0, 'no log names a child');

finish();
