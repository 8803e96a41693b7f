# The external face: the page behind a link, and the file for its owner and nobody else. Routes of both faces, by role.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Pickup;
use Smarter::Wire;
use Time::HiRes 'time';

need('pickup');

my $unknown = '00000000-0000-4000-8000-000000000000';
my $file = file_of(300_000);
my $content = slurp($file);
my ($sha256, $size) = (sha256_of($file), 300_000);
my ($uid) = user('state');
my $jar = sign_in_outside('state');
my $other = sign_in_outside('district');
is(sql_one("SELECT service FROM signin.session WHERE uid = '@{[(user('district'))[0]]}' ORDER BY created DESC LIMIT 1"), 'pickup', 'the book of sessions knows where he signed in');
my %right = (role => 'SAREXTRACTS', tenant => env('SMARTER_TENANT'), state_code => env('SMARTER_STATE'));
my $id = announce($uid, %right);
is(deliver($id, $file, name => 'Résultats "2015".zip')->{status}, 200, 'a file is there');

# ---- the file

my $answer = fetch($id, $jar);
is($answer->{status}, 200, 'its owner gets it');
is(length $answer->{body}, $size, 'all of it');
ok($answer->{body} eq $content, 'byte for byte');
my $h = $answer->{headers};
is($h->{'content-disposition'}, q(attachment; filename="R__sultats _2015_.zip"; filename*=UTF-8''R%C3%A9sultats%20%222015%22.zip), 'its name, for old and new browsers');
is_deeply([@$h{qw(content-length content-type etag accept-ranges cache-control x-content-type-options)}],
    [$size, 'application/zip', "\"$sha256\"", 'bytes', 'private, no-store', 'nosniff'], 'its other headers');
$answer = get(outside("/files/$id"), jar => $jar);
is($answer->{status}, 200, 'as download_url says, too');
ok($answer->{body} eq $content, '... the same');
is(get(outside("/files/$id"), jar => $other)->{status}, 404, '... for nobody else');
my $head = http('HEAD', outside("/file/$id"), jar => $jar);
is("$head->{status} $head->{headers}{'content-length'} $head->{headers}{etag}", "200 $size \"$sha256\"", 'HEAD says the same');

sub ranged { return fetch($id, $jar, headers => { Range => "bytes=$_[0]", %{ $_[1] // {} } }) }
for (['0-99', 0, 100], ['299900-', 299_900, 100], ['-10', 299_990, 10], ['5-5', 5, 1]) {
    my ($range, $from, $len) = @$_;
    my $part = ranged($range);
    is($part->{status}, 206, "a range: $range");
    is($part->{headers}{'content-range'}, "bytes $from-" . ($from + $len - 1) . "/$size", '... says which');
    ok($part->{body} eq substr($content, $from, $len), '... and is it');
}
$answer = ranged('300000-');
is($answer->{status}, 416, 'a range behind the end');
is($answer->{headers}{'content-disposition'}, undef, '... is no file to be kept');
$answer = ranged('0-9,299990-299999');
is($answer->{status}, 206, 'two ranges at once');
my ($boundary) = ($answer->{headers}{'content-type'} // '') =~ m{\Amultipart/byteranges; boundary=(\S+)\z};
is_deeply([map { m{\A\r\nContent-type: application/zip\r\nContent-range: bytes ([^\r]+)\r\n\r\n(.*)\r\n\z}s ? ($1, $2) : () } split /--\Q$boundary\E/, $answer->{body}],
    ["0-9/$size", substr($content, 0, 10), "299990-299999/$size", substr($content, -10)], '... each says which it is, and is it');
cmp_ok(length ranged(join ',', map { "$_-" } 0 .. 500)->{body}, '<=', $size, 'five hundred that overlap are no more than the file');
is(ranged('0-9', { 'If-Range' => "\"$sha256\"" })->{status}, 206, 'If-Range of this content');
is(ranged('0-9', { 'If-Range' => '"0"' })->{status}, 200, 'If-Range of another one: all of it');
is(fetch($id, $jar, headers => { 'If-None-Match' => "\"$sha256\"" })->{status}, 304, 'If-None-Match: the browser has it');
is(fetch($id, $jar, headers => { 'If-None-Match' => '"0"' })->{status}, 200, '... or not');
$answer = fetch($id, $jar, headers => { 'If-Match' => '"0"' });
is($answer->{status}, 412, 'If-Match of another one');
is_deeply([map { $_ // '' } @{ $answer->{headers} }{qw(content-type content-disposition)}], ['application/problem+json; charset=UTF-8', ''], '... a problem, not a file');
my $empty = announce($uid);
deliver($empty, file_of(0));
$answer = fetch($empty, $jar);
is("$answer->{status} $answer->{headers}{'content-length'} $answer->{body}", '200 0 ', 'an empty file');

my $over = announce($uid);
deliver($over, file_of(10));
is(fetch($over, $jar)->{status}, 200, 'a file that is there');
sql("UPDATE hpz.file_registry SET create_dt = now() - interval '8 days' WHERE registration_id = '$over'");
is(fetch($over, $jar)->{status}, 404, '... is not given out when its time is up, though nobody removed it yet');

my @audit = grep { /"callable":"download_file"/ } log_since('audit');
cmp_ok(scalar @audit, '>=', 10, 'every download is an audit event');
like($audit[0], qr/"session_id":"guid-$uid"/, 'of the person');
like($audit[0], qr/"registration_id":"$id"/, 'about that file');
is(scalar grep({ /R.sultats/ } log_since()), 0, 'no log names it');

# ---- who may

sub from { return fetch($id, $jar, headers => { map { ("Sec-Fetch-$_->[0]" => $_->[1]) } @_ })->{status} }
is(from(['Site', 'same-site'], ['Mode', 'no-cors'], ['Dest', 'iframe']), 403, "a neighbour's page cannot embed it");
is(from(['Site', 'same-site'], ['Mode', 'navigate'], ['Dest', 'iframe']), 403, '... nor in a frame');
is(from(['Site', 'cross-site'], ['Mode', 'cors'], ['Dest', 'empty']), 403, 'nor another site read it');
is(from(['Site', 'same-site'], ['Mode', 'navigate'], ['Dest', 'document']), 200, 'but one may follow a link of theirs');
is(from(['Site', 'same-origin'], ['Mode', 'cors'], ['Dest', 'empty']), 200, 'and our own pages fetch it');

is(http('GET', outside("/validate/$id"), jar => $jar)->{status}, 200, 'validate: its owner');
my $waiting = announce($uid);
my $gone = announce($uid);
deliver($gone, $file);
unlink env('SMARTER_PICKUP_DIR') . "/$gone";
my $cut = announce($uid);
deliver($cut, $file);
truncate env('SMARTER_PICKUP_DIR') . "/$cut", 1000;
my $swapped = announce($uid);
deliver($swapped, $file);
unlink env('SMARTER_PICKUP_DIR') . "/$swapped";
symlink env('SMARTER_INI'), env('SMARTER_PICKUP_DIR') . "/$swapped";
allow_log(qr/SB3220/, qr/AH01630: client denied by server configuration/, qr/AH02039: Certificate Verification/);
my %cases = (
    'unknown' => [$unknown, $jar], 'no id' => ['x', $jar], 'not yet uploaded' => [$waiting, $jar], 'gone from the disk' => [$gone, $jar],
    'cut short on the disk' => [$cut, $jar], 'a link on the disk' => [$swapped, $jar], "somebody else's" => [$id, $other],
    'by another spelling' => [uc $id, $jar], 'a path' => ['..%2f..%2fetc%2fpasswd', $jar],
);
sub plain { return $_[0]{body} =~ s/[0-9a-f-]{36}//gr . join ',', map { "$_=$_[0]{headers}{$_}" } grep { !/date|request-id|length/ } sort keys %{ $_[0]{headers} } }
my $first = fetch($unknown, $jar);
for my $what (sort keys %cases) {
    my ($which, $who) = @{ $cases{$what} };
    my $got = fetch($which, $who);
    is($got->{status}, 404, "file: $what");
    is(plain($got), plain($first), '... answers as an unknown one') if $what ne 'a path';
    is(get(outside("/validate/$which"), jar => $who)->{status}, 404, "validate: $what");
}
# It takes no longer either, however much there is to know of a foreign one.
my $crowded = announce($uid, %right, places => [map { { district_id => "D$_" . 'x' x 90, school_id => "S$_" . 'x' x 90 } } 1 .. 1000]);
my $wire = Smarter::Wire->new(peer => outside('') =~ s{.*//}{}r, cookie => Smarter::Wire::cookie_header($other));
my %took;
for (1 .. 60) {
    for my $which ($unknown, $crowded) {
        my $began = time;
        $wire->request('GET', "/file/$which")->{status} == 404 or fail('not the same');
        push @{ $took{$which} }, time - $began;
    }
}
my ($of_unknown, $of_foreign) = map { (sort { $a <=> $b } @{ $took{$_} })[30] } $unknown, $crowded;
cmp_ok($of_foreign, '<', 1.4 * $of_unknown, sprintf 'a foreign id is told as soon as an unknown one: %.2f ms, %.2f ms', 1000 * $of_foreign, 1000 * $of_unknown);

my @denied = grep { /forbidden: GET of a file which is somebody else's/ } log_since('security');
cmp_ok(scalar @denied, '>=', 2, 'asking for somebody else\'s file is a security event');
is(scalar grep({ /$id/ } @denied), 0, '... which does not name the file');

# He must hold the right it was made under, where it was made.
my %place = (d1 => { district_id => 'D001', school_id => undef }, s1 => { district_id => 'D001', school_id => 'S0001' });
my ($duid) = user('district');
for (
    [200, 'the district, whose he is', { %right, places => [$place{d1}] }], [200, 'a school of it', { %right, places => [$place{s1}] }],
    [404, 'the whole state', {%right}], [404, 'another district', { %right, places => [{ district_id => 'D002' }] }],
    [404, 'his district and another', { %right, places => [$place{d1}, { district_id => 'D002' }] }],
    [404, 'a right he has not', { %right, role => 'SRSEXTRACTS', places => [$place{d1}] }],
    [404, 'another tenant', { %right, tenant => 'zz', state_code => 'ZZ', places => [$place{d1}] }],
) {
    my ($status, $what, $under) = @$_;
    my $one = announce($duid, %$under);
    deliver($one, $file);
    is(fetch($one, $other)->{status}, $status, "made under a right for $what: $status");
}

# Nobody is signed in.
$answer = get(outside("/file/$id"), headers => { Accept => 'text/html' });
is("$answer->{status} $answer->{headers}{location}", '302 ' . outside("/login?target=/file/$id"), 'file: a browser is sent to the sign-in');
$answer = get(outside("/validate/$id"), headers => { Accept => 'application/json', Referer => outside("/download/$id") });
is($answer->{status}, 401, 'validate: a script is told so');
is(json($answer)->{redirect}, outside("/login?target=/download/$id"), '... and where to sign in, to come back to the page');
my $to = idp_answer('state', start => outside("/login?target=/download/$id"));
is(deliver_answer($to)->{headers}{location}, outside("/download/$id"), 'after signing in one is back there');

# ---- the page behind the link

for my $which ($id, $unknown) {
    $answer = get(outside("/download/$which"));
    is($answer->{status}, 200, 'the page is for everybody, whatever the id');
    like($answer->{body}, qr/<main id="start" data-file="$which"/, '... knows its file');
    is_deeply([$answer->{body} =~ /<main id="(\w+)"[^>]* hidden>/g], [qw(start message later)], '... and shows nothing at first');
}
like($answer->{body}, qr/more than 7 days old/, 'it tells the configured number of days');
unlike($answer->{body}, qr/<script>|style=|onclick/, 'no inline code');
like($answer->{headers}{'content-security-policy'}, qr/default-src 'none'; script-src 'self'/, '... which would not run');
is(get(outside($_))->{status}, 200, "$_ is there") for '/assets/public/pickup.js', '/assets/public/message.css', '/', '/error';
is(get(outside('/download/%22%3E%3Cscript%3E'))->{status}, 404, 'a link that is none');

is(get(outside('/logout_redirect'))->{headers}{'clear-site-data'}, '"cache"', 'who has signed out leaves nothing in the browser');

# ---- routes of both faces

my %table = (
    inside => { 'PUT /registration' => 'open', 'POST /registration' => 'open', 'POST /files/{}' => 'open', 'DELETE /files/{}' => 'open', 'GET /services/ready' => 'open', 'GET /services/heartbeat' => 'open' },
    outside => { 'GET /' => 'open', 'GET /download/{}' => 'open', 'GET /validate/{}' => 'closed', 'GET /file/{}' => 'closed', 'GET /files/{}' => 'closed', 'ANY /error' => 'open',
        'GET /services/ready' => 'open', 'GET /services/heartbeat' => 'open', 'GET /login' => 'open', 'POST /saml_post' => 'open',
        'GET /logout' => 'closed', 'POST /logout' => 'closed', 'GET /logout_redirect' => 'open', 'GET /saml_metadata' => 'open' },
);
my $source = slurp(top() . '/mod_hpz/hpz_routes.c');
for (['inside', 'internal'], ['outside', 'external']) {
    my ($face, $name) = @$_;
    my ($text) = $source =~ /static const sb_route_t $name\[\] = \{(.*?)^\};/ms;
    my %have;
    while ($text =~ /\{\.path = "(\/[^"]*)",\s*\.methods = ([A-Z_ |]+),( \.open = 1,)?/g) {
        my ($path, $methods, $open) = ($1, $2, $3);
        $have{"$_ $path"} = $open ? 'open' : 'closed' for map { s/SB_//r } split /\s*\|\s*/, $methods;
    }
    is_deeply(\%have, $table{$face}, "the addresses of the $name face are those of the table here");
}
my %jars = (state => $jar, district => $other, norole => sign_in_outside('norole'), nobody => undef);
for my $face (sort keys %table) {
    my %mine = map { (split / /)[1] => 1 } keys %{ $table{$face} };
    my %all = map { $_ => 1 } map { keys %$_ } values %table;
    for my $route (sort keys %all) {
        my ($method, $path) = split / /, $route;
        (my $where = $path) =~ s/\{\}/$unknown/;
        next if $mine{$path} && ($table{$face}{$route} // '') ne 'closed';
        $method = 'GET' if $method eq 'ANY';
        for my $who (sort keys %jars) {
            next if $path =~ /logout/ && $mine{$path};
            my $got = http($method, $face eq 'inside' ? inside($where) : outside($where), $jars{$who} ? (jar => $jars{$who}) : (),
                $method eq 'GET' ? () : (body => ''));
            if (!$mine{$path}) {
                like($got->{status}, qr/^(403|404)$/, "$face has no $route, for $who");
            }
            else {
                is($got->{status}, $who eq 'nobody' ? 401 : $who eq 'norole' ? 403 : 404, "$face: $route by $who");
            }
        }
    }
}
is(http('GET', outside('/registration'))->{status}, 403, 'the external face denies /registration');
is(http($_, outside("/files/$id"), jar => $jar, body => '')->{status}, 405, "... and to $_ a file") for 'POST', 'DELETE';
is(http('GET', inside($_))->{status}, 403, "the internal face denies $_") for "/download/$id", "/file/$id", "/validate/$id", '/login', '/assets/public/error.html';
is(http('GET', inside('/registration'))->{status}, 405, 'a wrong method is said to be one');
is(http('POST', outside("/file/$id"), jar => $jar, body => '')->{status}, 405, 'there, too');

# Neighbours only, or a certificate of ours.
my @elsewhere = (args => ['--interface', '127.0.0.2']);
my $tls = env('SMARTER_VAR') . '/tls';
is(http('GET', inside('/services/heartbeat'))->{status}, 200, 'from a configured network');
is(http('GET', inside('/services/heartbeat'), @elsewhere)->{status}, 403, 'from another one: nothing, not even the heartbeat');
is(http('PUT', inside('/registration'), json => { uid => 'x' }, @elsewhere)->{status}, 403, '... and no registration');
push @{ $elsewhere[1] }, '--cert', "$tls/client.pem", '--key', "$tls/client.key";
is(http('PUT', inside('/registration'), json => { uid => 'x' }, @elsewhere)->{status}, 200, '... but with a certificate of ours');
my $dir = tmpdir();
system(qq(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=worker -keyout '$dir/k' -out '$dir/c' 2>/dev/null)) == 0 or die;
isnt(http('PUT', inside('/registration'), json => { uid => 'x' }, args => ['--interface', '127.0.0.2', '--cert', "$dir/c", '--key', "$dir/k"])->{status},
    200, '... not with one that somebody made himself');

unlink map { env('SMARTER_PICKUP_DIR') . "/$_" } $swapped;
finish();
