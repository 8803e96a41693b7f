# Who may not: every address, for somebody without a session, without a role, and of another state.
# And what the logs say about it: guids, never names.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

need('httpd');

my $state = env('SMARTER_STATE');
my $schema = env('SMARTER_SCHEMA');
my $report = '/data/comparing_populations';
my ($district, $school) = @{ (sql("SELECT district_id, school_id FROM $schema.dim_inst_hier WHERE rec_status = 'C'"
            . " AND state_code = '$state' ORDER BY 1, 2 LIMIT 1"))[0] // ['D1', 'S1'] };
my @places = ("stateCode=$state", "stateCode=$state&districtId=$district", "stateCode=$state&districtId=$district&schoolId=$school");

# [method, path, who may ask: all, user (a role in any state), state (a role in this state)]
my @routes = (
    ['GET', '/services/ready', 'all'], ['GET', '/services/heartbeat', 'all'],
    ['GET', '/data', 'user'], ['GET', '/services/userinfo', 'user'], ['POST', '/services/userinfo', 'user'],
    ['OPTIONS', $report, 'user'], ['OPTIONS', '/data/academic_year', 'user'],
    (map { ['GET', "$report?$_", 'state'] } @places),
    ['POST', $report, 'state'], ['GET', "/data/academic_year?stateCode=$state", 'state'],
    ['POST', '/data/academic_year', 'state'],
);
my %jar = map { $_ => sign_in($_) } qw(state district school general otherstate norole);

sub ask {
    my ($route, $jar) = @_;
    my ($method, $path) = @$route;
    return http($method, $path, $jar ? (jar => $jar) : (), $method eq 'POST' ? (json => { stateCode => $state }) : ());
}

for my $route (@routes) {
    my ($method, $path, $who) = @$route;
    my $what = "$method $path";
    my $anonymous = ask($route);
    is($anonymous->{status}, $who eq 'all' ? 200 : 401, "$what: without a session");
    unlike($anonymous->{body}, qr/records|user_info|_User__/, 'gets nothing') if $who ne 'all';
    is(ask($route, $jar{norole})->{status}, $who eq 'all' ? 200 : 403, "$what: without a role");
    my $other = ask($route, $jar{otherstate});
    is($other->{status}, $who eq 'state' ? 403 : 200, "$what: with a role in another state") unless $who eq 'user' && $other->{status} == 403;
    unlike($other->{body}, qr/"records"|asmt_period_year/, 'gets no data') if $who eq 'state';
    is(ask($route, $jar{$_})->{status}, 200, "$what: of the $_") for qw(state district school general);
}

is(get("$report?stateCode=$_", jar => $jar{state})->{status}, 403, "stateCode=$_ is not this state") for 'ZZ', lc $state, 'CA';

subtest 'permissions follow the place' => sub {
    my $of = sub { json(get("$report?$_[1]", jar => $jar{ $_[0] }))->{context}{permissions} };
    is_deeply($of->('general', $places[0])->{sar_extracts}, { all => JSON::PP::false, guid => [] }, 'no role, no extract');
    is_deeply($of->('school', $places[0])->{pii}, { all => JSON::PP::true }, 'above schools everybody may go on');
    ok(!$of->('general', $places[2])->{pii}{all}, 'at a school only who may see students there');
    ok($of->('state', $places[2])->{pii}{all}, 'a state user may');
};

subtest 'userinfo' => sub {
    my $answer = http('POST', '/services/userinfo', jar => $jar{state}, body => 'anything', type => 'text/plain');
    is($answer->{status}, 200, 'whatever the body');
    is($answer->{headers}{'cache-control'}, 'no-store', 'is not kept');
    my $data = json($answer);
    is_deeply($data->{context}, { items => [{ type => 'home', name => 'Home' }] }, 'the way home');
    is_deeply($data->{user_info}{_User__info}{stateCode}, [$state], 'the state');
    ok($data->{user_info}{_User__info}{name}{fullName}, 'a name, for the person himself');
};

subtest 'the audit log' => sub {
    my $id = sprintf '%08x-%04x-1000-8000-%08x', time, $$ % 65536, rand 1e9;    # and four digits
    my $who = json(get('/services/userinfo', jar => $jar{district}))->{user_info}{_User__info};
    get("$report?stateCode=$state&grade=04&grade=03", jar => $jar{district}, headers => { 'X-Request-Id' => "${id}0001" });
    get("$report?stateCode=$state&grade=4", jar => $jar{district}, headers => { 'X-Request-Id' => "${id}0002" });
    get("$report?stateCode=ZZ", jar => $jar{district}, headers => { 'X-Request-Id' => "${id}0003" });
    my @lines = map { JSON::PP->new->utf8->decode($_) } grep { /\Q$id\E/ } log_since('audit');
    is(scalar @lines, 1, 'one line for the report, none for what was refused before');
    my $line = $lines[0];
    like($line->{asctime}, qr/\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\z/, 'when');
    is($line->{msg}{callable}, 'get_comparing_populations_report', 'what');
    is_deeply($line->{msg}{params}{args}{params}, { stateCode => $state, grade => ['03', '04'] }, 'with which parameters');
    is($line->{msg}{session_id}, $who->{guid}, 'who, by guid');
    is_deeply([sort @{ $line->{msg}{principals} }], [sort @{ $who->{roles} }], 'in which roles');
    is_deeply([@$line{qw(request_id status)}], ["${id}0001", 200], 'as which request, with which status');

    my @denied = map { JSON::PP->new->utf8->decode($_) } grep { /\Q${id}0003\E/ } log_since('security');
    is(scalar @denied, 1, 'the other state is a security event');
    is_deeply([$denied[0]{msg}{type}, $denied[0]{msg}{user}{guid}], [1, $who->{guid}], 'a warning, by guid');
    my @way = grep { /\Q$id\E/ } log_since('httpd');
    is(scalar(grep { /SB3021|SB3024/ } @way), 2, 'the error log has the way in and out') or diag(join "\n", @way);

    my @named;
    for my $kind (qw(state district school)) {
        my $info = json(get('/services/userinfo', jar => $jar{$kind}))->{user_info}{_User__info};
        push @named, grep { defined && length > 3 } $info->{name}{fullName}, $info->{email};
    }
    ok(scalar @named, 'people have names');
    for my $name (@named) {
        utf8::encode($name) if utf8::is_utf8($name);
        is(scalar(grep { /\Q$name\E/i } map { log_since($_) } qw(audit security application httpd)), 0, 'no log holds one of them');
    }
};

finish();
