# Programs that come with a bearer token: who they are, what they may, how long an answer about a token is believed, and
# what becomes of them while the verifier is slow, down, or lies. Nobody is let in by a token nobody vouches for.
use strict;
use warnings;
use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Smarter::Test qw(:DEFAULT !url);
use Smarter::Sanitized;
use Smarter::Verifier;
use Time::HiRes qw(sleep time);

need('httpd', 'memcached', 'postgres', 'idp');

my ($tenant, $state) = (env('SMARTER_TENANT'), env('SMARTER_STATE'));
my $as = Smarter::Verifier->new;
my $logs = tmpdir();
my %ini = ($as->ini, 'logging.security' => "file:$logs/security.log", 'logging.application' => "file:$logs/application.log",
    'auth.oauth2.cache' => '30s', 'auth.oauth2.idp_server_verify_url.timeout' => '2s', 'auth.oauth2.breaker.failures' => 100);
my $server = Smarter::Sanitized->new('none', %ini);
my @everywhere = (roles => [['PII', $tenant, $state]]);

# The server as it stands, with other lines in its ini.
sub settings {
    my (%more) = @_;
    my %old = map { $_ => 1 } $server->children;
    $server->{ini} = { %ini, %more };
    $server->write_ini;
    $server->graceful;
    wait_until(20, 'other processes', sub { my @now = $server->children; @now && !grep { $old{$_} } @now });
    wait_until(20, 'the server', sub { get($server->url('/services/ready'))->{status} == 200 });
}

my $seen = 0;

# Texts of the security stream since the last call, in order.
sub events {
    my @all = map { JSON::PP->new->utf8->decode($_)->{msg} } split /\n/, slurp("$logs/security.log");
    my @new = @all[$seen .. $#all];
    $seen = @all;
    return map { $_->{msg} } @new;
}

sub ref_of { return substr sha256_hex($_[0]), 0, 12 }

sub ask {
    my ($path, $token, %opt) = @_;
    return get($server->url($path), headers => { %{ bearer($token) }, %{ delete $opt{headers} // {} } }, %opt);
}

my $WHO = '/services/userinfo';
my $REPORT = "/data/comparing_populations?stateCode=$state";

# Refused as RFC 6750 has it: no page, no way to sign in, one event that says why and not what.
sub refused {
    my ($what, $token, $reason, %opt) = @_;
    events();
    my $answer = ask($WHO, $token, %opt);
    my @bad;
    push @bad, "status $answer->{status}" if $answer->{status} != 401;
    push @bad, $answer->{headers}{'www-authenticate'} // 'no challenge'
        if ($answer->{headers}{'www-authenticate'} // '') ne 'Bearer realm="Smarter Reporting", error="invalid_token"';
    my $told = eval { json($answer) } // {};
    push @bad, 'members' if join(' ', sort keys %$told) ne 'detail error request_id status title type';
    push @bad, 'a cookie' if @{ $answer->{cookies} };
    my @told = events();
    push @bad, "events: @told" if @told != 1 || $told[0] !~ /\Abearer token (?:[0-9a-f]{12} )?refused: \Q$reason\E\z/;
    is(join('; ', @bad), '', "$what: refused");
}

# Nobody knows now.
sub unknown {
    my ($what, $token) = @_;
    my $answer = ask($WHO, $token);
    my @bad;
    push @bad, "status $answer->{status}" if $answer->{status} != 503;
    push @bad, 'does not say when to come again' if ($answer->{headers}{'retry-after'} // '') !~ /\A[1-9]\d*\z/;
    push @bad, 'tells too much' if $answer->{body} =~ /curl|timeout|localhost|introspect|SECRET/i;
    push @bad, 'a cookie' if @{ $answer->{cookies} };
    is(join('; ', @bad), '', "$what: 503") or diag $answer->{body};
    return $answer;
}

subtest 'who it is' => sub {
    my $token = $as->give('ann', @everywhere);
    events();
    my $answer = ask($WHO, $token);
    is($answer->{status}, 200, 'a good token') or diag $answer->{body};
    my $user = json($answer)->{user_info}{_User__info};
    is_deeply([sort @{ $user->{roles} }], ['GENERAL', 'PII'], 'its roles');
    is_deeply([@$user{qw(guid uid)}], ['guid-ann', 'guid-ann'], 'the uid is the guid');
    is_deeply([$answer->{cookies}, $answer->{headers}{'x-csrf-token'}], [[], undef], 'no session: no cookie, no token for pages');
    is_deeply([events()], ['bearer token ' . ref_of($token) . ' accepted, given to client-1'], 'one event, without the token');
    is(ask($REPORT, $token)->{status}, 200, 'a report by GET');
    is(post_json($server->url('/data/comparing_populations'), { stateCode => $state }, headers => bearer($token))->{status}, 200, 'and by POST');
    is(ask($WHO, $token)->{status}, 200, 'again') for 1 .. 20;
    is(scalar $as->asked($token), 1, 'all of that on one answer, kept for all processes');
    is_deeply([events()], [], 'and one event');
    my ($question) = $as->asked($token);
    is("$question->{method} $question->{path}", 'POST /introspect', 'the question: a POST');
    is($question->{headers}{authorization}, 'Basic c21hcnRlcjp2ZXJpZmllci1zZXNhbWU=', 'by which we say who we are');
    like($question->{body}, qr/\Atoken=[A-Za-z0-9.~%-]+&token_type_hint=access_token\z/, 'with the token as a form');
    is(ask($WHO, $token, headers => { Authorization => "$_ $token" })->{status}, 200, "scheme $_") for 'bearer', 'BEARER';
    like(slurp("$server->{dir}/audit.log"), qr/guid-ann/, 'the audit stream has who');
};

subtest 'other ways of asking' => sub {
    my $token = $as->give('bob', @everywhere);
    events();
    for my $header ('Basic Zm9vOmJhcg==', 'Negotiate x', 'Bearertoken', '') {
        my $answer = get($server->url($WHO), headers => { Authorization => $header });
        is_deeply([$answer->{status}, exists json($answer)->{redirect}], [401, 1], "scheme '$header' is not looked at: sign in");
    }
    is(get($server->url("$WHO?access_token=$token"))->{status}, 401, 'a token in the address is none');
    my $jar = sign_in('state');
    my $cookie = get($server->url($WHO), jar => $jar);
    is($cookie->{status}, 200, 'a session is good here, too');
    is(get($server->url($WHO), jar => $jar, headers => { Authorization => 'Basic Zm9vOmJhcg==' })->{status}, 200, 'also with another scheme');
    events();
    my $both = ask($WHO, $token, jar => $jar);
    is($both->{status}, 400, 'both a session and a token: neither');
    like($both->{headers}{'www-authenticate'}, qr/error="invalid_request"/, 'and told');
    is_deeply([events()], ["request refused: it has both a session's cookie and a bearer token"], 'an event');
    is(scalar $as->asked($token), 0, 'nobody was asked about the token');
    is(ask('/logout', $token)->{status}, 403, 'there is no session to sign out of');
    is(ask('/services/ready', $token . '!')->{status}, 200, 'open to all is open to a bad token, too');
};

subtest 'no token' => sub {
    my $asked = () = $as->asked;
    refused("'" . substr($_, 0, 9) . "'", $_, 'syntax') for '', 'a b', 'a"b', 'a,b', "\xc3\xbc", '=a', 'x' x 4097;
    is(scalar(() = $as->asked), $asked, 'the verifier hears of none');
};

subtest 'refused' => sub {
    my @no = (
        ['unknown', 'nobody-gave-it', 'inactive'],
        ['inactive', $as->give('eve', @everywhere, active => JSON::PP::false), 'inactive'],
        ['active as a text', $as->give('eve', @everywhere, active => 'true'), 'inactive'],
        ['expired', $as->give('eve', @everywhere, exp => time - 1 | 0), 'expired'],
        ['not yet', $as->give('eve', @everywhere, nbf => 3600 + time | 0), 'not_yet_valid'],
        ['a refresh token', $as->give('eve', @everywhere, token_type => 'refresh_token'), 'token_type'],
        ['bound to a key', $as->give('eve', @everywhere, cnf => { jkt => 'x' }), 'bound'],
        ['nobody\'s', $as->give('eve', @everywhere, sbacUUID => undef), 'no_user'],
    );
    refused(@$_) for @no;
    my $later = $no[1][1];
    my $before = () = $as->asked($later);
    refused('again', $later, 'inactive');
    is(scalar(() = $as->asked($later)), $before + 1, 'that it is refused is not kept');
    $as->set($later, 200, '{"active":true,"sbacUUID":"guid-eve"}');
    is(ask('/logout', $later)->{status}, 403, 'once the verifier vouches for it, it is known');
};

subtest 'what it may' => sub {
    my %token = map { $_ => $as->give(lc $_, $_ eq 'NONE' ? () : (roles => [[$_, $tenant, $state]])) } qw(GENERAL PII SUPER_USER ASMTDATALOAD NONE);
    is(ask($WHO, $token{$_})->{status}, $_ eq 'NONE' ? 403 : 200, "$_ asks who he is") for sort keys %token;
    my ($district, $school) = @{ (sql('SELECT district_id, school_id FROM ' . env('SMARTER_SCHEMA') . '.fact_asmt_outcome_vw LIMIT 1'))[0] };
    my $list = "/data/list_of_students?stateCode=$state&districtId=$district&schoolId=$school&asmtYear=2015";
    is(ask($list, $token{PII})->{status}, 200, 'PII sees students');
    is(ask($list, $token{GENERAL})->{status}, 403, 'GENERAL does not');
    is(ask("/data/comparing_populations?stateCode=ZZ", $token{PII})->{status}, 403, 'nobody sees another state');
    events();
    my $answer = http('DELETE', $server->url('/services/cache/data'), headers => bearer($token{SUPER_USER}));
    is($answer->{status}, 403, 'what operators do is not for tokens');
    my @told = events();
    is($told[-1], 'forbidden: DELETE /services/cache/{} by a bearer token', 'an event');
};

subtest 'how long' => sub {
    my $short = $as->give('sue', @everywhere, exp => 3 + time | 0);
    is(ask($WHO, $short)->{status}, 200, 'two or three seconds to live');
    $as->set($short, 200, '{"active":false}');
    is(ask($WHO, $short)->{status}, 200, 'still believed');
    my $until = time + 10;
    my $status;
    do { $status = ask($WHO, $short)->{status}; sleep 0.2 } until $status != 200 || time > $until;
    is($status, 401, 'never longer than it lives, though answers are believed for 30 s');
    my $kept = $as->give('tom', @everywhere);
    is(ask($WHO, $kept)->{status}, 200, 'another one');
    my ($sealed, $plain) = (0, 0);
    for my $node (split /;/, env('SMARTER_MEMCACHED')) {
        for my $key (grep { /smarter_bearer_/ } keys_of($node)) {
            $sealed++;
            $plain++ if value_of($node, $key) =~ /guid-|PII|$tenant\b|SECRET/ || $key =~ /\Q@{[sha256_hex($kept)]}\E/;
        }
    }
    cmp_ok($sealed, '>', 0, 'it lies in memcached');
    is($plain, 0, 'sealed');
    run_program({ as_me => 1 }, 'smarter', 'cache', 'flush', 'session', '--yes');
    wait_until(10, 'the flush to count', sub { ask($WHO, $kept); $as->asked($kept) > 1 });
    pass('emptying the sessions makes it be asked for anew');
};

sub keys_of { return map { /\Akey=(\S+)/ ? $1 : () } split /\n/, talk($_[0], 'lru_crawler metadump all', qr/^END\r?\n/m) }

sub value_of {
    my ($node, $key) = @_;
    $key =~ s/%(..)/chr hex $1/ge;
    return talk($node, "get $key", qr/^END\r?\n/m);
}

sub talk {
    my ($node, $command, $end) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $node, Timeout => 5) or die "memcached $node: $!";
    print {$s} "$command\r\n";
    my $text = '';
    while ($text !~ $end) { sysread $s, $text, 65536, length $text or last }
    return $text;
}

# ---- a verifier that does not work ---------------------------------------------------------------------------
subtest 'one question at a time' => sub {
    my $slow = $as->give('flo', @everywhere, prefix => 'slow-1-');
    my @answers = http_all(map { ['GET', $server->url($WHO), headers => bearer($slow)] } 1 .. 8);
    is_deeply([map { $_->{status} } @answers], [(200) x 8], 'eight requests with a new token');
    cmp_ok(scalar(() = $as->asked($slow)), '<=', scalar(() = $server->children), 'one question a process');
    my @all = map { $as->give("many$_", @everywhere) } 1 .. 12;
    ask($WHO, $_) for @all;
    my %connections = map { $_->{connection} => 1 } map { $as->asked($_) } @all;
    cmp_ok(scalar keys %connections, '<', 12, 'connections are kept: ' . keys %connections);
};

subtest 'answers that say nothing' => sub {
    my $asked = sub { scalar grep { $_->{path} =~ /elsewhere/ } $as->asked };
    unknown('status 500', $as->give('x', status => 500));
    unknown('status 401: our own credentials', $as->give('x', status => 401));
    unknown('a page', $as->give('x', raw => '<html>'));
    unknown('half of it', $as->give('x', @everywhere, prefix => 'half-'));
    unknown('an array', $as->give('x', raw => '[{"active":true}]'));
    unknown('nothing', $as->give('x', raw => ''));
    unknown('a name twice', $as->give('x', raw => '{"active":false,"active":true,"sbacUUID":"g"}'));
    unknown('very deep', $as->give('x', raw => '{"active":true,"sbacUUID":"g","a":' . ('[' x 1000) . (']' x 1000) . '}'));
    my $answer = unknown('a gigabyte', $as->give('x', @everywhere, prefix => 'huge-'));
    cmp_ok($answer->{time}, '<', 3, 'of which little is read');
    unknown('a redirect', $as->give('x', @everywhere, prefix => 'redirect-'));
    is($asked->(), 0, 'which is not followed');
    unknown('a connection that ends', $as->give('x', @everywhere, prefix => 'reset-'));
    for my $case (['silence', $as->give('x', @everywhere, prefix => 'slow-20-')], ['a byte now and then', $as->give('x', @everywhere, prefix => 'trickle-')]) {
        $answer = unknown(@$case);
        cmp_ok($answer->{time}, '<', 2 + 2, 'after its time');
    }
    is(ask($WHO, $as->give('y', @everywhere))->{status}, 200, 'the next token is fine');
    my $text = slurp("$logs/application.log");
    like($text, qr/"SB1720"/, 'the log tells why');
    unlike($text, qr/SECRET|sesame/, 'and neither token nor secret');
};

# More requests at once than the server has threads (64).
subtest 'many tokens at a verifier that hangs' => sub {
    my $jar = sign_in('state');
    my $good = $as->give('kept', @everywhere);
    is(ask($WHO, $good)->{status}, 200, 'a token from before');
    $as->mode('silent');
    my @tokens = map { $as->give("t$_", @everywhere) } 1 .. 100;
    for my $case (['a hundred tokens', @tokens], ['one token a hundred times', ($as->give('t', @everywhere)) x 100]) {
        my ($what, @flood) = @$case;
        my $before = () = $as->asked;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            local $Smarter::Test::AT_ONCE = @flood;
            my @answers = http_all(map { ['GET', $server->url($WHO), headers => bearer($_)] } @flood);
            POSIX::_exit((grep { $_->{status} != 503 } @answers) ? 1 : 0);
        }
        wait_until(10, 'the flood to arrive', sub { $before < (() = $as->asked) });    # which of them comes first, nobody knows
        for (1 .. 3) {
            my @well = (get($server->url($WHO), jar => $jar), ask($WHO, $good), get($server->url('/services/ready')));
            is_deeply([map { "$_->{status} " . ($_->{time} < 1 ? 'soon' : $_->{time}) } @well], [('200 soon') x 3], "$what: sessions, known tokens and the rest go on");
        }
        waitpid $pid, 0;
        is($? >> 8, 0, "$what: every one got 503");
    }
    $as->mode('ok');
};

subtest 'the breaker' => sub {
    settings('auth.oauth2.breaker.failures' => 2, 'auth.oauth2.breaker.pause' => '3s');
    my $known = $as->give('known', @everywhere);
    wait_until(10, 'every process to know it', sub { ask($WHO, $known)->{status} == 200 });
    events();
    $as->mode('reset');
    my $processes = () = $server->children;
    my $before = () = $as->asked;
    for (1 .. 12 * $processes) {    # whichever process gets them
        unknown('down', $as->give("d$_", @everywhere)) if $_ <= 3;
        ask($WHO, $as->give("e$_", @everywhere));
    }
    my $down = grep { /\Abearer tokens cannot be verified: nobody is let in by one\z/ } events();
    ok($down >= 1 && $down <= $processes, "an event for each process that gave up: $down of $processes");
    $as->mode('500');
    $before = () = $as->asked;
    my $answer = unknown('not asked any more', $as->give('f', @everywhere));
    cmp_ok($answer->{headers}{'retry-after'}, '<=', 4, 'come again after the pause');
    is(ask($WHO, $known)->{status}, 200, 'what is known goes on');
    my @answers = http_all(map { ['GET', $server->url($WHO), headers => bearer($as->give("g$_", @everywhere))] } 1 .. 40);
    is(scalar(grep { $_->{status} == 503 } @answers), 40, 'forty more: 503');
    cmp_ok(scalar(() = $as->asked) - $before, '<=', 2 * $processes, 'the verifier is spared');
    $as->mode('ok');
    my $fresh = $as->give('h', @everywhere);
    wait_until(15, 'a probe', sub { ask($WHO, $fresh)->{status} == 200 });
    wait_until(15, 'an event of it', sub { grep { $_ eq 'bearer tokens can be verified again' } events() });
    pass('once it answers, tokens are good again');
};

# ---- strangers --------------------------------------------------------------------------------------------------
subtest 'tokens that nobody vouches for' => sub {
    my %flood = (args => ['--interface', '127.0.9.4']);
    my $known = $as->give('before', @everywhere);
    settings('auth.oauth2.refused_per_minute' => 4);
    is(ask($WHO, $known, %flood)->{status}, 200, 'a good token from there');
    sleep 61 - time % 60 if time % 60 > 45;    # limits count by the clock
    events();
    my @answers = map { ask($WHO, "stranger-$_", %flood) } 1 .. 7;
    is(join(' ', map { $_->{status} } @answers), '401 401 401 401 429 429 429', 'refused, then not looked at');
    like($answers[6]{headers}{'retry-after'}, qr/\A(?:[1-9]|[1-5]\d|60)\z/, 'with the time to wait');
    is(scalar(() = map { $as->asked("stranger-$_") } 5 .. 7), 0, 'nor asked about');
    my @told = events();
    is(scalar(grep { /refused: inactive\z/ } @told), 4, 'four events');
    is(join('|', grep { !/refused: inactive\z/ } @told), 'rate limited: bearer tokens from one address that nobody vouches for', 'and one that there were too many');
    is(ask($WHO, $known, %flood)->{status}, 200, 'a token that is known goes on');
    my $fresh = $as->give('fresh', @everywhere);
    is(ask($WHO, $fresh, %flood)->{status}, 429, 'a new one from there waits');
    is(ask($WHO, $fresh)->{status}, 200, 'from elsewhere it does not');
    is(join(' ', map { ask($WHO, $as->give("busy$_", status => 429), args => ['--interface', '127.0.9.5'])->{status} } 1 .. 5), '503 503 503 503 429',
        'one that the verifier is too busy for counts, too');
    my $limited = 'rate limited: bearer tokens from one address that nobody vouches for';
    events();
    is(join(' ', map { ask($WHO, 'no token', args => ['--interface', '127.0.9.6'])->{status} } 1 .. 6), '401 401 401 401 429 429', 'what is no token counts, too');
    is(join('|', events()), join('|', ('bearer token refused: syntax') x 4, $limited), 'five events of six');
    my %cookie = (headers => { Cookie => '__Host-smarter-' . (env('SMARTER_URL') =~ /:(\d+)\z/)[0] . '=x' });
    is(join(' ', map { ask($WHO, $known, args => ['--interface', '127.0.9.7'], %cookie)->{status} } 1 .. 6), '400 400 400 400 429 429', 'and what comes beside a cookie');
    is(join('|', events()), join('|', ("request refused: it has both a session's cookie and a bearer token") x 4, $limited), 'the same');
    my $behind = sub { ask($WHO, 'stranger', args => ['--interface', '127.0.9.1'], headers => { 'X-Forwarded-For' => $_[0] })->{status} };
    is(join(' ', map { $behind->('198.51.100.20') } 1 .. 5), '401 401 401 401 429', 'behind a proxy of ours it is the browser that counts');
    is($behind->('198.51.100.21'), 401, 'not the proxy');
    my %stranger = (args => ['--interface', '127.0.9.3']);
    my $asked = () = $as->asked;
    is(ask('/services/heartbeat', 'open-1', %stranger)->{status}, 200, 'where it is open to all');
    isnt(ask("/public_data/comparing_populations?stateCode=$state", 'open-2', %stranger)->{status}, 401, 'a token means nothing');
    is(scalar(() = $as->asked), $asked, 'and nobody is asked about it');
};

subtest 'a verifier that complains' => sub {
    settings('auth.oauth2.breaker.failures' => 1);
    my $processes = () = $server->children;
    ask($WHO, $as->give("c$_", status => 400)) for 1 .. 4 * $processes;
    is(join(' ', map { ask($WHO, $as->give("w$_", @everywhere))->{status} } 1 .. 2 * $processes), join(' ', (200) x (2 * $processes)), 'is not down');
};

# ---- the verifier's identity -----------------------------------------------------------------------------------
subtest 'somebody else in its place' => sub {
    my $dir = tmpdir();
    for my $case (['self-signed', '/CN=localhost', 'DNS:localhost']) {
        my ($what, $subject, $name) = @$case;
        system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj $subject -addext subjectAltName=$name -keyout $dir/k -out $dir/c 2>/dev/null") == 0 or die 'openssl';
        my $false = Smarter::Verifier->new(cert => "$dir/c", key => "$dir/k");
        my $token = $false->give('mallory', roles => [['SUPER_USER', $tenant, $state]]);
        settings('auth.oauth2.introspection_url' => $false->url('/introspect'));
        unknown("a certificate that is $what", $token);
        is(scalar(() = $false->asked), 0, 'hears neither token nor secret');
        settings('auth.oauth2.introspection_url' => $as->url('/introspect') =~ s/localhost/127.0.0.2/r);
        unknown('a certificate of another name', $token);
    }
};

subtest 'tokeninfo, and rules' => sub {
    settings((map { $_ => undef } 'auth.oauth2.introspection_url', 'auth.oauth2.client_id', 'auth.oauth2.client_secret'),
        'auth.oauth2.idp_server_verify_url' => $as->url('/oauth2/tokeninfo?realm=/'), 'auth.oauth2.cache' => 0,
        'auth.oauth2.identity_parser' => 'edauth.security.sbac_live_identity_parser.SbacOauthIdentityParser',
        'auth.oauth2.scope.view' => 'reports', 'auth.oauth2.clients' => 'client-1 client-2');
    my %info = (active => undef, expires_in => 600, token_type => 'Bearer', scope => ['reports', 'x'], roles => [['PII', $state, 'North']]);
    my $token = $as->give('oam', %info);
    is(ask($WHO, $token)->{status}, 200, 'as OpenAM tells it') for 1, 2;
    my @questions = $as->asked($token);
    is(scalar @questions, 2, 'without a cache every request asks');
    like("$questions[0]{method} $questions[0]{path}", qr{\AGET /oauth2/tokeninfo\?realm=/&access_token=[A-Za-z0-9.~%-]+\z}, 'by GET, behind what is there');
    is($questions[0]{headers}{authorization}, undef, 'without a secret');
    refused("status $_", $as->give('no', %info, status => $_, raw => '{"error":"invalid_token"}'), "status_$_") for 400, 401;
    unknown("status $_", $as->give('no', %info, status => $_, raw => '{"error":"x"}')) for 429, 503;
    refused('its time is up', $as->give('no', %info, expires_in => 0), 'expired');
    refused('about another token', $as->give('no', %info, access_token => 'x'), 'other_token');
    refused('given to another program', $as->give('no', %info, client_id => 'client-3'), 'client');
    my $scoped = $as->give('no', %info, scope => ['report']);
    events();
    my $answer = ask($WHO, $scoped);
    is_deeply([$answer->{status}, $answer->{headers}{'www-authenticate'}], [403, 'Bearer realm="Smarter Reporting", error="insufficient_scope"'], 'without the scope');
    my @told = events();
    is($told[-1], 'forbidden: GET /services/userinfo without permission view', 'an event');
};

subtest 'not configured' => sub {
    settings(map { $_ => undef } 'auth.oauth2.introspection_url', 'auth.oauth2.client_id', 'auth.oauth2.client_secret');
    my $answer = ask($WHO, $as->give('ann', @everywhere));
    is_deeply([$answer->{status}, exists json($answer)->{redirect}], [401, 1], 'a token means nothing: sign in');
};

# AH00484: as many requests at once as the server has threads.
is_deeply([grep { !/SB1720|SB1721|AH00484/ } grep { /:(?:warn|error|crit)\]/ } split /\n/, slurp("$server->{dir}/error.log")], [], 'no other warning');
unlike(join('', map { slurp($_) } "$server->{dir}/error.log", "$server->{dir}/audit.log", "$logs/security.log", glob("$server->{dir}/access*.log")),
    qr/SECRET|sesame/, 'no log has a token or our secret');
is_deeply([$server->stop], [], 'no process ended by a signal');
finish();
