# The internal face: announcing and delivering, good and bad input, and what the row and the directory hold then.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;
use Smarter::Pickup;
use Smarter::Wire;

need('pickup');

my $unknown = '00000000-0000-4000-8000-000000000000';
my $small = file_of(1000);

# ---- announcing

my $made = json(http('PUT', inside('/registration'), json => { uid => 'state1', email => 'state1@smarter.invalid' }));
like($made->{registration_id}, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/, 'a random UUID');
is_deeply($made, { registration_id => $made->{registration_id}, url => outside("/files/$made->{registration_id}"),
    web_url => outside("/download/$made->{registration_id}") }, 'the three members, with addresses of the external face');
my $row = stored($made->{registration_id});
is("$row->{user_id} $row->{email} $row->{state}", 'state1 state1@smarter.invalid registered', 'the row');
is(grep({ defined } @$row{qw(file_path file_name size sha256)}), 0, 'without a file');

$row = stored(announce('u', role => 'PII', tenant => 'nc', state_code => 'NC',
    places => [{ district_id => 'D001', school_id => undef }, { district_id => 'D002', school_id => 'S0002' }]));
is("$row->{role} $row->{tenant} $row->{state_code}", 'PII nc NC', 'the right it is made under');
is_deeply(JSON::PP::decode_json($row->{places}), [{ district_id => 'D001', school_id => undef }, { district_id => 'D002', school_id => 'S0002' }], 'and where');
is(stored(announce('u', email => "a\@b.invalid, c\@d.invalid"))->{email}, undef, 'what is no mailbox is no reason to refuse');

my $before = sql_one('SELECT count(*) FROM hpz.file_registry');
for (
    [400, 'no JSON', '{"uid": '], [400, 'nothing', ''], [412, 'no object', '[]'], [412, 'no uid', '{}'], [412, 'an empty uid', '{"uid":""}'],
    [412, 'a number as uid', '{"uid":7}'], [412, 'a long uid', '{"uid":"' . 'x' x 257 . '"}'], [412, 'a line break in uid', '{"uid":"a\\nb"}'],
    [412, 'a NUL in uid', '{"uid":"a\\u0000b"}'], [412, 'a role without tenant', '{"uid":"u","role":"PII"}'],
    [412, 'places that are none', '{"uid":"u","places":{"district_id":"x"}}'], [412, 'a place without district', '{"uid":"u","places":[{"school_id":"x"}]}'],
    [400, 'deep', '[' x 50], [413, 'too much', '{"uid":"' . 'x' x 300000 . '"}'],
) {
    my ($status, $what, $body) = @$_;
    my $answer = http('PUT', inside('/registration'), body => $body);
    is($answer->{status}, $status, "registration: $what");
    like($answer->{headers}{'content-type'}, qr{^application/problem\+json}, '... says so as a problem document');
}
is(sql_one('SELECT count(*) FROM hpz.file_registry'), $before, 'none of these made a row');

# ---- delivering

my $id = announce('state1');
my $answer = deliver($id, $small, name => 'results.zip');
is($answer->{status}, 200, 'a file is taken');
is_deeply(json($answer), { registration_id => $id, size => 1000, sha256 => sha256_of($small) }, 'and acknowledged with size and digest');
$row = stored($id);
is_deeply([@$row{qw(file_path file_name size sha256 state)}], [env('SMARTER_PICKUP_DIR') . "/$id", 'results.zip', 1000, sha256_of($small), 'ready'], 'the row knows it');
is_deeply([in_depot($id)], [$id], 'it is all there is in the directory');
is(slurp(env('SMARTER_PICKUP_DIR') . "/$id"), slurp($small), 'byte for byte');
is((stat env('SMARTER_PICKUP_DIR') . "/$id")[2] & 07777, 0640, 'for nobody else to read');
my $when = sql_one("SELECT create_dt FROM hpz.file_registry WHERE registration_id = '$id'");
is(deliver($id, $small, name => 'other.zip')->{status}, 200, 'the same content again is fine');
is(sql_one("SELECT create_dt FROM hpz.file_registry WHERE registration_id = '$id'"), $when, '... and changes nothing');
is(stored($id)->{file_name}, 'results.zip', '... nor its name');
is(deliver($id, file_of(1000, 'b'))->{status}, 409, 'another content is a conflict');
is(slurp(env('SMARTER_PICKUP_DIR') . "/$id"), slurp($small), '... and leaves the first');

my $large = file_of(50_000_000);
$id = announce('state1');
sub peaks { # pid => MiB of memory it ever had, of the internal face's processes
    return map { $_ => slurp("/proc/$_/status") =~ /^VmHWM:\s+(\d+) kB/m ? $1 / 1024 : 0 } split /\s+/, `pgrep -P @{[server_pid('pickup-internal')]}`;
}
my %idle = peaks();
is(json(deliver($id, $large, headers => { 'Transfer-Encoding' => 'chunked' }))->{sha256}, sha256_of($large), 'chunked, without a length');
my %busy = peaks();    # there may be one process more by now
my ($least) = sort { $a <=> $b } values %idle;
my ($grown) = sort { $b <=> $a } map { $busy{$_} - ($idle{$_} // $least) } keys %busy;
cmp_ok($grown, '<', 16, sprintf 'in pieces: no process has grown by more than %.1f MiB', $grown);
is(-s env('SMARTER_PICKUP_DIR') . "/$id", 50_000_000, 'all of it');
$id = announce('state1');
is(json(deliver($id, file_of(0)))->{size}, 0, 'an empty file is a file');
$id = announce('state1');
is(deliver($id, $small, args => ['-F', 'note=x', '-F', 'more=y'])->{status}, 200, 'other fields are skipped');

# What the form ends with does not end the body, or the other way round.
my ($peer) = inside('') =~ m{//(.*)};
my $wire = Smarter::Wire->new(peer => $peer);
my $begin = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
my %form = ('File-Name' => 'x', 'Content-Type' => 'multipart/form-data; boundary=b');
sub raw { # of a form as it is written, with more headers
    my ($id, $octets, %more) = @_;
    my %headers = (Host => $peer, %form, %more);
    return $wire->octets(join '', "POST /files/$id HTTP/1.1\r\n", map({ "$_: $headers{$_}\r\n" } sort keys %headers), "\r\n", $octets);
}
sub chunked { return join '', map({ sprintf("%x\r\n%s\r\n", length, $_) } @_), "0\r\n\r\n" }
my @chunked = ('Transfer-Encoding' => 'chunked');
for (
    [400, 'chunks that end before the form does', chunked($begin, 'abc'), @chunked],
    [400, 'a chunk of no length', $begin =~ s/\A/zz\r\n/r . "\r\n", @chunked],
    [400, 'a length that ends before the form does', "${begin}abc\r\n--b--\r\n", 'Content-Length' => length($begin) + 3],
    [413, 'much behind the form', "${begin}abc\r\n--b--\r\n" . 'x' x 70000, 'Content-Length' => length($begin) + 10 + 70002],
    [400, 'a length that is none', "${begin}abc\r\n--b--\r\n", 'Content-Length' => '-1'],
    [200, 'a word behind the form', chunked("${begin}abc\r\n--b--\r\n", 'bye'), @chunked],
) {
    my ($status, $what, $octets, %more) = @$_;
    $id = announce('state1');
    is(raw($id, $octets, %more)->{status}, $status, "a body with $what");
    is(stored($id)->{size}, $status == 200 ? 3 : undef, '... and what the row says then');
    is(scalar(in_depot($id)), $status == 200 ? 1 : 0, '... and the directory');
}

# Two at once, each with another content: the first to end has it.
$id = announce('state1');
my @content = map { $_ x 100_000 } 'x', 'y';
my @both = map {
    my $octets = "${begin}$_\r\n--b--\r\n";
    my $socket = Smarter::Wire->new(peer => $peer)->connected;
    print {$socket} "POST /files/$id HTTP/1.1\r\nHost: $peer\r\n", map({ "$_: $form{$_}\r\n" } sort keys %form),
        'Content-Length: ' . length($octets) . "\r\n\r\n", substr $octets, 0, 50_000;
    [$socket, substr $octets, 50_000];
} @content;
wait_until(10, 'both to be under way', sub { in_depot($id) == 2 });
is(join(' ', map { my ($socket, $rest) = @$_; print {$socket} $rest; <$socket> =~ /\AHTTP\S+ (\d+)/ ? $1 : 'none' } @both), '200 409', 'of two at once the first to end is taken');
ok(slurp(env('SMARTER_PICKUP_DIR') . "/$id") eq $content[0], '... and kept');
is_deeply([in_depot($id)], [$id], '... nothing is left of the other');
@both = ();

# No name makes a header.
my $jar = sign_in_outside('state');
my ($uid) = user('state');
for (["x\rX-Injected: 1", 'CR'], ["x\r\n X-Injected: 1", 'a folded line'], ["x\x0bX-Injected: 1", 'a vertical tab'], ["x\0y", 'NUL'],
    ['a"; x="b', 'quotes'], ["x\xc2\x85X-Injected: 1", 'a C1 control']) {
    my ($name, $what) = @$_;
    $id = announce($uid);
    my $status = raw($id, "${begin}abc\r\n--b--\r\n", 'Content-Length' => length($begin) + 12, 'File-Name' => $name)->{status};
    like($status, qr/\A(?:200|400|412)\z/, "a name with $what: $status");
    next if $status != 200;
    unlike(stored($id)->{file_name}, qr/[\x00-\x1f\x7f-\x9f]/, '... has none when it is kept');
    my $got = fetch($id, $jar);
    is($got->{headers}{'x-injected'}, undef, '... and makes no header');
    like($got->{headers}{'content-disposition'}, qr/\Aattachment; filename="[^"\\]*"(?:; filename\*=UTF-8''[\w%!#\$&+.^`|~-]+)?\z/, '... but a well-formed one');
}

# What the file is called.
for (["..\\..\\x.zip", 'x.zip'], ['../../etc/passwd', 'passwd'], ["a\x{c3}\x{a4} \"b\".zip", "a\x{e4} \"b\".zip"], ["tab\there", 'tabhere'],
    ['%0d%0aSet-Cookie: a=b', '%0d%0aSet-Cookie: a=b'], ['.hidden', 'hidden']) {
    my ($offered, $kept) = @$_;
    $id = announce('state1');
    is(deliver($id, $small, name => $offered)->{status}, 200, "name $kept");
    is(stored($id)->{file_name}, $kept, '... is what is kept of it');
}

# ---- refused: the id, the headers, the body

$id = announce('state1');
is(deliver($unknown, $small)->{status}, 404, 'an id nobody registered');
is(deliver($_, $small)->{status}, 404, "an id that is none: $_") for 'x', uc $id, "$id%20", "$id.zip", '%2e%2e%2fetc', substr($id, 1);
is(deliver('..', $small)->{status}, 403, 'the place itself');
is(deliver("../../../etc/$id", $small)->{status}, 400, 'a path out of the place');
is(http('POST', inside("/files/$id/x"), args => ['-F', "file=\@$small"])->{status}, 404, 'more behind it');
is(deliver($id, $small, name => $_->[1])->{status}, 412, "File-Name: $_->[0]")
    for ['none', undef], ['only a path', 'x/'], ['dots', '..'], ['no UTF-8', "a\xff\xfe"], ['too long', 'x' x 201];
is(deliver($id, undef, body => 'x', type => 'application/octet-stream')->{status}, 412, 'no form at all');
is(deliver($id, undef, body => 'x', type => 'multipart/form-data')->{status}, 412, 'a form without boundary');
is(deliver($id, undef, args => ['-F', "other=\@$small"])->{status}, 412, 'no part "file"');
is(deliver($id, undef, args => ['-F', 'file=text'])->{status}, 412, 'a plain value of that name');
is(deliver($id, $small, args => ['-F', "file=\@$small"])->{status}, 412, 'two of them');
is(deliver($id, undef, args => ['-F', 'note=' . 'x' x 70000, '-F', "file=\@$small"])->{status}, 413, 'much beside the file');
for (['it ends before the last boundary', $begin . 'abc'], ['another boundary', $begin . "abc\r\n--c--\r\n"], ['no header', "--b\r\n\r\nabc\r\n--b--\r\n"],
    ['a boundary that goes on', "--bx\r\n"], ['nothing', ''], ['an endless header', "--b\r\nX: " . 'x' x 5000]) {
    my ($what, $body) = @$_;
    like(deliver($id, undef, body => $body, type => 'multipart/form-data; boundary=b')->{status}, qr/^(400|413)$/, "a broken form: $what");
}
is(stored($id)->{state}, 'registered', 'the registration still waits');
is_deeply([in_depot($id)], [], 'and nothing was left in the directory');
is(deliver($id, $small)->{status}, 200, 'after all that it takes a good one');

# Taken back.
is(http('DELETE', inside("/files/$id"))->{status}, 200, 'a registration is taken back');
is(stored($id), undef, '... its row has gone');
is_deeply([in_depot($id)], [], '... and its file');
is(http('DELETE', inside("/files/$_"))->{status}, 404, '... there is none') for $id, 'x';
is(deliver($id, $small)->{status}, 404, '... and nothing can be delivered');

# A length over the limit is refused before a byte of the body is asked for.
my $head = join "\r\n", "POST /files/$id HTTP/1.1", "Host: $peer", 'File-Name: x', 'Content-Type: multipart/form-data; boundary=b', '';
is($wire->octets("${head}Content-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n")->{status}, 413, 'more than the limit: refused at once');

# A sender that breaks off, and one that is killed, leave nothing.
$id = announce('state1');
$head =~ s{/files/\S+}{/files/$id};
my $socket = Smarter::Wire->new(peer => $peer)->connected;
print {$socket} "${head}Content-Length: 1000000\r\n\r\n", $begin, 'x' x 500000;
wait_until(10, 'the upload to have begun', sub { in_depot($id) });
$socket->close(SSL_no_shutdown => 1);
wait_until(10, 'its file to go', sub { !in_depot($id) });
is(stored($id)->{state}, 'registered', 'a sender that broke off left nothing');

# Who gets hold of the pickup zone's database role has the rows of its files, and these two; nothing of results.
is_deeply([map { $_->[0] } sql(q(SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
    . q( WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'hpz'))
    . q( AND has_schema_privilege('smarter_hpz', n.oid, 'USAGE') AND has_table_privilege('smarter_hpz', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY 1))],
    [qw(edware_stats.cache_generation edware_stats.schedule_run)], "what the role of the pickup zone has of others");
allow_log(qr/SB3225\b/, qr/AH10244: invalid URI path/, qr/AH01630: client denied/);    # paths out of the place, which httpd itself refuses
finish();
