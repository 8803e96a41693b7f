# Sessions, seen from outside: listed and ended by their person, an administrator, an operator; how long they last;
# what becomes of them when secrets change, web nodes differ and a cache is lost; and those of programs.
use strict;
use warnings;
use lib 't/lib', 't/saml';
use MIME::Base64 'decode_base64';
use Test::More;
use Time::HiRes qw(sleep time);
use Forge;
use Smarter::Sanitized;
use Smarter::Test;

need('httpd', 'idp', 'memcached', 'postgres');

my $PORT = (env('SMARTER_URL') =~ /:(\d+)\z/)[0];
my $SESSION = "__Host-smarter-$PORT";
my ($state, $tenant) = (env('SMARTER_STATE'), env('SMARTER_TENANT'));
my %SCRIPT = (Accept => 'application/json', 'X-Requested-With' => 'XMLHttpRequest');
my @OURS = (headers => { %SCRIPT, Origin => env('SMARTER_URL') });
my $INI = env('SMARTER_INI');

# Of this jar's browser: 200 signed in, 401 not.
sub status { return get(($_[1] // '') . '/services/userinfo', jar => $_[0], headers => \%SCRIPT)->{status} }
sub mine { return json(get('/services/sessions', jar => $_[0])) }
sub ref_of { return (grep { $_->{this} } @{ mine($_[0])->{sessions} })[0]{ref} }
sub smarter { return run_program('smarter', @_) }

# Who is nobody else in this run.
my $who = "sessions$$";
add_user($who, ['PII', $tenant, $state]);
add_user("other$who", ['PII', $tenant, $state]);
add_user("admin$who", ['SUPER_USER', $tenant, $state]);
add_user("school$who", ['SUPER_USER', $tenant, $state, 'D001', 'S0001'], ['PII', $tenant, $state]);
my $guid = json(get('/services/userinfo', jar => sign_in($who)))->{user_info}{_User__info}{guid};

# A web node where sessions that are not used end soon; what is put off there is written after six seconds. And clocks agree.
my $soon = Smarter::Sanitized->new('none', 'auth.session.idle' => '60s', 'auth.clock_skew' => '0s');
add_user("waits$who", ['PII', $tenant, $state]);
my $waiting = sign_in("waits$who");
my $waits_since = time;

subtest 'listed' => sub {
    my $jar = sign_in($who);
    my $list = mine($jar);
    ok(!$list->{more}, 'not too many');
    cmp_ok(scalar @{ $list->{sessions} }, '>=', 2, 'two sign-ins, two sessions');
    is(scalar(grep { $_->{this} } @{ $list->{sessions} }), 1, 'one of them is this');
    my ($this) = grep { $_->{this} } @{ $list->{sessions} };
    is_deeply([@$this{qw(browser browser_name system service)}], ['curl', 'curl', undef, 'reports'], 'the browser in words, and where he signed in');
    my $form = idp_answer($who);
    deliver_answer($form, headers => { 'User-Agent' => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1 MARK' });
    my ($other) = grep { $_->{this} } @{ mine($form->{jar})->{sessions} };
    is_deeply([@$other{qw(browser browser_name system)}], ['Safari on iPhone', 'Safari', 'iPhone'], 'and no more of it than that');
    like($this->{$_}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/, $_) for qw(since seen ends);
    unlike(get('/services/sessions', jar => $jar)->{body}, qr/\Q@{[cookie($jar, $SESSION)]}\E/, 'no id in it');
    is(scalar(grep { $_->{ref} eq $this->{ref} } @{ mine(sign_in("other$who"))->{sessions} }), 0, 'nobody else sees it');
};

subtest 'ended by oneself' => sub {
    my ($here, $there, $third) = map { sign_in($who) } 1 .. 3;
    my $ref = ref_of($there);
    my $stranger = sign_in("other$who");
    my ($foreign, $unknown, $nonsense) = map { my $a = http('DELETE', "/services/sessions/$_", jar => $stranger, @OURS); $a->{body} =~ s/"request_id":"[^"]*"//; "$a->{status} $a->{body}" } $ref, '0' x 12, 'x';
    like($foreign, qr/\A404 /, 'not by others');
    is_deeply([$foreign, $foreign], [$unknown, $nonsense], 'to whom it is like one that there is not');
    is(http('DELETE', "/services/sessions/$ref", jar => $here)->{status}, 403, 'not by another site');
    is(status($there), 200, 'it lives on');
    my $answer = http('DELETE', "/services/sessions/$ref", jar => $here, @OURS);
    is_deeply([$answer->{status}, json($answer)], [200, { ended => 1 }], 'by another session of the same person');
    is(status($there), 401, 'it is over at once');
    is(status($here), 200, 'the other is not');
    ok((grep { /"ended session $ref of \Q$guid\E"/ } log_since('security')), 'the security stream knows');
    is(http('DELETE', "/services/sessions/$ref", jar => $here, @OURS)->{status}, 404, 'there is no such any more');
    cmp_ok(json(http('DELETE', '/services/sessions', jar => $here, @OURS))->{ended}, '>=', 1, 'all others');
    is(status($third), 401, 'are over');
    is_deeply([map { $_->{this} } @{ mine($here)->{sessions} }], [JSON::PP::true], 'one is left');
    $answer = http('DELETE', '/services/sessions/' . ref_of($here), jar => $here, @OURS);
    like(join(' ', @{ $answer->{cookies} }), qr/\Q$SESSION\E=; .*Max-Age=0/, 'one\'s own too, and its cookie goes');
    is(status($here), 401, 'over');
};

subtest 'ended by an administrator' => sub {
    my ($jar, $admin) = (sign_in($who), sign_in("admin$who"));
    my $ref = ref_of($jar);
    my $list = json(get("/services/administration/sessions?user=$guid", jar => $admin));
    is_deeply([map { $_->{guid} } grep { $_->{ref} eq $ref } @{ $list->{sessions} }], [$guid], 'he sees it, and whose it is');
    my $school = sign_in("school$who");
    is_deeply(json(get('/services/administration/sessions', jar => $school))->{sessions}, [], 'one of a school none, though he sees the state');
    is(http('DELETE', "/services/administration/sessions/$ref", jar => $school, @OURS)->{status}, 404, 'nor can he end one');
    # Somebody who belongs to another state, too.
    sql(sprintf "UPDATE %s.session SET tenants = tenants || '{elsewhere}' WHERE left(hash, 12) = '%s'", 'signin', $ref);
    is_deeply([grep { $_->{ref} eq $ref } @{ json(get('/services/administration/sessions', jar => $admin))->{sessions} }], [], 'not who has another tenant, too');
    is(http('DELETE', "/services/administration/sessions/$ref", jar => $admin, @OURS)->{status}, 404, 'nor can he end that');
    sql(sprintf "UPDATE %s.session SET tenants = '{}' WHERE left(hash, 12) = '%s'", 'signin', $ref);
    is(http('DELETE', "/services/administration/sessions/$ref", jar => $admin, @OURS)->{status}, 404, 'nor that of somebody without any');
    sql(sprintf "UPDATE %s.session SET tenants = '{%s}' WHERE left(hash, 12) = '%s'", 'signin', $tenant, $ref);
    is(status($jar), 200, 'it lives');
    is(http('DELETE', "/services/administration/sessions/$ref", jar => $admin, @OURS)->{status}, 200, 'one of his tenant');
    is(status($jar), 401, 'is over');
};

subtest 'ended by an operator' => sub {
    my ($one, $two, $other) = (sign_in($who), sign_in($who), sign_in("other$who"));
    my $listed = JSON::PP->new->decode(smarter('sessions', '--user', $guid, '--json')->{out});
    is(scalar(grep { $_->{guid} eq $guid } @{ $listed->{sessions} }), scalar @{ $listed->{sessions} }, 'of one person only');
    my $ref = ref_of($one);
    like(smarter('sessions')->{out}, qr/^$ref\s+\Q$guid\E\s/m, 'a line each');
    cmp_ok(JSON::PP->new->decode(smarter('sessions', 'count', '--json')->{out})->{sessions}, '>=', 3, 'counted');
    is(smarter('sessions', 'end', $ref)->{exit}, 2, 'nobody can be asked');
    is(status($one), 200, 'nothing is done');
    is(smarter('sessions', 'end', $ref, '--yes')->{exit}, 0, 'one');
    is_deeply([status($one), status($two)], [401, 200], 'is over when the tool says so, on every node');
    is(smarter('sessions', 'end', '--user', $guid, '--yes')->{exit}, 0, 'all of a person');
    is_deeply([status($two), status($other)], [401, 200], 'are over, nobody else\'s');
    is(smarter('sessions', 'end', $ref, '--yes')->{exit}, 1, 'there is no such any more');
    my $lost = sprintf '%064x', $$;
    sql("INSERT INTO signin.session (hash, guid, uid, tenants, batch, browser, created, not_after) VALUES ('$lost', 'lost$who', 'lost$who', '{}', false, '', now(), now() + interval '5 minutes')");
    is(smarter('sessions', '--user', "lost$who", '--json')->{out} =~ /"sessions":\[\]/ ? 1 : 0, 1, 'one that memcached does not know is in no list');
    like(smarter('sessions', 'end', '--user', "lost$who", '--yes')->{out}, qr/^Left unused .*: 1\n.*^1 ended/ms, 'but is ended, and one is told of it');
    is(sql_one("SELECT ended_at IS NOT NULL FROM signin.session WHERE hash = '$lost'"), 't', 'for good');
    is(smarter('sessions', 'end', '--yes')->{exit}, 2, 'end alone means nobody');
    is(smarter('sessions', 'end', "x'; --", '--yes')->{exit}, 2, 'a reference is 12 digits');
    ok((grep { /operator\.session end/ } log_since('audit')), 'the audit stream knows');
    ok((grep { /operator \S+: session end, session $ref of \Q$guid\E/ } log_since('security')), 'and the security stream');
};

# A browser whose session was ended from elsewhere: the provider knows it still and would send it back without a question.
subtest 'not let in again by what the identity provider remembers' => sub {
    my $var = env('SMARTER_VAR');
    my ($issuer) = slurp("$var/etc/idp_metadata.xml") =~ /entityID="([^"]*)"/;
    my $idp = Forge->new(key => "$var/tls/idp.key", cert => "$var/tls/idp.pem", issuer => $issuer, sp => url('/saml_post'), acs => url('/saml_post'));
    my $xml_of = sub { Forge::inflate(decode_base64(query_value($_[0], 'SAMLRequest'))) };
    # The answer to a request, about somebody who gave his password so many seconds ago.
    my $answer = sub {
        my ($jar, $to, $ago, $name) = @_;
        my ($request) = $xml_of->($to) =~ /\bID="([^"]*)"/;
        my $xml = $idp->response(request => $request, attributes => { guid => [$name // "device$who"], memberOf => ["||PII||||||$tenant|$state|||||||||"] },
            authn => '<saml:AuthnStatement AuthnInstant="' . Forge::stamp(-$ago) . '" SessionIndex="_s"><saml:AuthnContext><saml:AuthnContextClassRef>'
                . 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>');
        return post('/saml_post', jar => $jar, headers => { Origin => env('SMARTER_IDP_URL'), 'Sec-Fetch-Site' => 'cross-site' },
            form => { SAMLResponse => Forge::post_form($xml), RelayState => query_value($to, 'RelayState') });
    };
    my $leave = sub { get('/login?target=/b', jar => $_[0])->{headers}{location} };
    my ($lost, $mine) = (jar(), jar());
    security_events();
    is(join(' ', map { $answer->($_, $leave->($_), 7200)->{status} } $lost, $mine), '303 303', 'two browsers that the provider has known for hours');
    http('DELETE', '/services/sessions/' . ref_of($lost), jar => $mine, @OURS);
    is(status($lost), 401, 'one of them is lost, and its session ended from the other');

    my $to = $leave->($lost);
    unlike($xml_of->($to), qr/ForceAuthn="(?:true|1)"/, 'who sits there now is sent to the provider as nobody in particular');
    spew($lost, join '', grep { !/\t\Q$SESSION\E\t/ } map { "$_\n" } split /\n/, slurp($lost));    # as whoever has it may do
    my $back = $answer->($lost, $to, 7200);
    is($back->{status}, 303, 'and what it remembers');
    like($back->{headers}{location}, qr/\A\Q@{[env('SMARTER_IDP_URL')]}\E\/.*SAMLRequest=/, 'sends him there again');
    like($xml_of->($back->{headers}{location}), qr/ForceAuthn="(?:true|1)"/, 'to prove who he is');
    is(status($lost), 401, 'not in');
    is(scalar(grep { /sent back to prove anew who he is: device\Q$who\E"/ } log_since('security')), 1, 'one event');
    $back = $answer->($lost, $back->{headers}{location}, 7200);
    is($back->{status}, 403, 'a provider that does not ask him');
    like($back->{body}, qr/Please prove who you are.*Sign in again/s, 'gets him to a page');
    is(join('|', grep { /refused/ } security_texts(1)), 'sign-in refused: authn_instant', 'and into the security stream');
    is(status($lost), 401, 'but not in');

    $back = $answer->($lost, $answer->($lost, $leave->($lost), 7200)->{headers}{location}, 0);
    is("$back->{status} $back->{headers}{location}", '303 ' . url('/b'), 'who has given the password comes where he wanted to go');
    is(status($lost), 200, 'signed in');
    is(status($mine), 200, 'the other has been all the while');
    my $other = jar();
    is($answer->($other, $leave->($other), 7200, "elsewhere$who")->{headers}{location}, url('/b'), 'nobody else is asked');
};

subtest 'SimpleSAMLphp remembers, and asks when it is told to' => sub {
    my ($lost, $mine) = (jar(), sign_in($who));
    my $deliver = sub {
        my ($start) = @_;
        my $form = idp_answer($who, jar => $lost, start => $start);
        $form->{action} =~ s{^https://[^/]+}{$soon->url('')}e;
        return deliver_answer($form);
    };
    is($deliver->($soon->url('/login'))->{status}, 303, 'signed in');
    is(http('DELETE', '/services/sessions/' . ref_of($lost), jar => $mine, @OURS)->{status}, 200, 'and signed out from elsewhere');
    sleep 1.1;    # it writes whole seconds
    my $back = $deliver->($soon->url('/login?target=/b'));
    like($back->{headers}{location}, qr/SAMLRequest=/, 'what it says without asking leads back to it');
    like(get($back->{headers}{location}, jar => $lost, follow => 1)->{body}, qr/name="password"/, 'where the password is asked for');
    $back = $deliver->($back->{headers}{location});
    is($back->{headers}{location}, url('/b'), 'with it one comes in');
    is(status($lost), 200, 'signed in');
};

subtest 'how long it lasts' => sub {
    my $jar = sign_in($who);
    my $left = json(get('/services/session', jar => $jar));
    cmp_ok($left->{ends_in}, '<=', $left->{ends_at_latest_in}, 'idle limit before the absolute one');
    cmp_ok($left->{warn_before}, '>=', 20, 'time to notice');
    my $used = sub { json(get('/services/session', jar => $jar))->{ends_in} };
    sleep 2.1;
    my $later = $used->();
    cmp_ok($later, '<=', $left->{ends_in} - 2, 'asking does not put it off');
    is(get('/services/userinfo', jar => $jar, headers => { 'X-Smarter-Background' => 1 })->{status}, 200, 'a request by a clock');
    cmp_ok($used->(), '<=', $later, 'neither');
    is(post('/services/session/touch', jar => $jar)->{status}, 403, 'another site does not keep it alive');
    my $touched = json(post('/services/session/touch', jar => $jar, @OURS));
    # the absolute limit of the stack is the idle one: there it cannot be put off
    my $idle = $left->{ends_in} == $left->{ends_at_latest_in} ? $touched->{ends_at_latest_in} : $left->{ends_in};
    cmp_ok(abs($touched->{ends_in} - $idle), '<=', 1, 'being used does');
};

subtest 'being refused is no use' => sub {
    my $left = sub { json(get($soon->url('/services/session'), jar => $waiting))->{ends_in} };
    sleep 0.2 while time < $waits_since + 8;
    my $report = "/data/comparing_populations?stateCode=$state";
    is(get($soon->url($report), jar => $waiting, headers => { 'Sec-Fetch-Site' => 'same-site', 'Sec-Fetch-Mode' => 'no-cors' })->{status}, 403, 'a picture in the page of a neighbour');
    is(post($soon->url('/services/session/touch'), jar => $waiting)->{status}, 403, 'a form of another site');
    is(http('DELETE', $soon->url('/services/cache/data'), jar => $waiting, @OURS)->{status}, 403, 'what he may not');
    is(get($soon->url('/login'), jar => $waiting, headers => { 'Sec-Fetch-Mode' => 'no-cors' })->{status}, 403, 'signing in, inside a page');
    sleep 1.1;    # a process goes by a record it has opened for a second
    cmp_ok($left->(), '<=', 52, 'keep no session alive');
    is(get($soon->url($report), jar => $waiting)->{status}, 200, 'what he may');
    ok(wait_until(5, 'it to be put off', sub { $left->() >= 54 }), 'does');
    $soon->stop;
};

subtest 'a new session before the end' => sub {
    my $jar = sign_in($who);
    my $before = cookie($jar, $SESSION);
    is(get('/login?target=/b', jar => $jar)->{headers}{location}, url('/b'), 'who is signed in is not sent away');
    my $form = idp_answer($who, jar => $jar, start => '/login?renew=1&target=/b');
    is(deliver_answer($form)->{headers}{location}, url('/b'), 'but who wants to, and comes back to where he was');
    isnt(cookie($jar, $SESSION), $before, 'with a new session');
    my $old = jar();
    spew($old, join("\t", '#HttpOnly_localhost', 'FALSE', '/', 'TRUE', 0, $SESSION, $before) . "\n");
    is(status($old), 401, 'the old one is over');
};

subtest 'a session for a program' => sub {
    my $file = tmpdir() . '/night.curl';
    my @call = ('batch-session', 'night-work', '--role', 'SUPER_USER', '--file', $file);
    is(smarter(@call)->{exit}, 2, 'a tenant is wanted');
    is(smarter(@call, '--tenant', 'nowhere')->{exit}, 2, 'one that there is');
    is(smarter(@call, '--tenant', $tenant, '--role', 'GOD')->{exit}, 2, 'and roles that there are');
    is(smarter(@call, '--tenant', $tenant, '--life', 99999999)->{exit}, 2, 'for no longer than the ini says');
    is(smarter(@call, '--tenant', $tenant, '--all-tenants')->{exit}, 2, 'one or all');
    is(smarter('batch-session', '../x', '--role', 'PII', '--tenant', $tenant, '--file', $file)->{exit}, 2, 'a name is a word');
    ok(!-e $file, 'nothing is written');
    my $r = smarter(@call, '--tenant', $tenant, '--life', 600);
    is($r->{exit}, 0, 'made') or diag($r->{err});
    my ($id) = slurp($file) =~ /\Q$SESSION\E=([0-9a-f]{64})"/;
    ok($id, 'the file has it');
    is((stat $file)[2] & 07777, 0600, 'for one pair of eyes');
    ok(index("$r->{out}$r->{err}", $id) < 0, 'nothing else says it');
    my $ask = sub {
        my ($method, $path) = @_;
        return qx(curl -s -o /dev/null -w '%{http_code}' -X $method --cacert '@{[env('SMARTER_CA')]}' --config '$file' '@{[url($path)]}');
    };
    is($ask->('GET', '/services/userinfo'), 200, 'it is signed in');
    is($ask->('GET', "/services/tool/state_code/$state"), 200, 'with its role');
    is($ask->('DELETE', '/services/cache/data'), 200, 'and may change something');
    is($ask->('POST', '/data/list_of_students?x=y'), 415, 'a request like others\'');
    ok((grep { /"callable":"cache_flush_service".*"batch_session":"night-work"/ } log_since('audit')), 'marked in the audit stream');
    my ($ref) = $r->{out} =~ /Session ([0-9a-f]{12})/;
    ok((grep { /batch session, session $ref of batch:night-work, roles GENERAL,SUPER_USER, tenants \Q$tenant\E/ } log_since('security')), 'its making is in the security stream');
    ok(!(grep { /\Q$id\E/ } log_since()), 'no log knows the id');
    my @mine = (['GET', '/services/sessions'], ['DELETE', '/services/sessions'], ['DELETE', "/services/sessions/$ref"]);
    is(join(' ', map { $ask->(@$_) } @mine), '403 403 403', 'nobody looks at its sessions by it');
    for my $route (map { "$_->[0] $_->[1]" =~ s/$ref/{}/r } @mine) {
        ok((grep { /"forbidden: \Q$route\E by a program's session"/ } map { s{\\/}{/}gr } log_since('security')), "$route: which is a security event");
    }
    like(smarter('sessions', '--batch')->{out}, qr/^$ref\s+batch:night-work\s/m, 'listed');
    is(smarter('sessions', 'end', $ref, '--yes')->{exit}, 0, 'ended');
    is($ask->('GET', '/services/userinfo'), 401, 'over');
};

# ---- web nodes ---------------------------------------------------------------------------------------------------

# Another web node on the same caches and databases, with an ini changed by a sub.
sub node {
    my ($change) = @_;
    no warnings 'redefine';
    local *Smarter::Sanitized::slurp = sub { my $text = slurp(@_); $_[0] eq $INI ? $change->($text) : $text };
    return Smarter::Sanitized->new('none');
}

my ($secret) = slurp($INI) =~ /^auth\.session\.secret\s*=\s*(\S+)/m;
sub secrets {
    my ($first, $previous) = @_;
    return sub {
        my $text = $_[0] =~ s/^auth\.session\.secret(?:\.previous)?\s*=.*\n//mgr;
        return $text =~ s/^(\[app:main\]\n)/$1auth.session.secret = $first\n@{[$previous ? "auth.session.secret.previous = $previous\n" : '']}/mr;
    };
}

# The stack's ini as the sub makes it, and its httpd reloaded.
sub reload_with {
    my ($change) = @_;
    my $children = sub { split ' ', qx(pgrep -P @{[server_pid('httpd')]}) };
    my @old = $children->();
    spew($INI, $change->(slurp($INI)));
    kill 'USR1', server_pid('httpd');
    wait_until(20, 'processes with the new secret', sub { my %now = map { $_ => 1 } $children->(); %now && !grep { $now{$_} } @old });
}
my $ini_before = slurp($INI);

END {
    my $status = $?;
    if (defined $ini_before && slurp($INI) ne $ini_before) {
        spew($INI, $ini_before);
        kill 'USR1', server_pid('httpd');
    }
    $? = $status;
}

# Rolling: first every node learns the new secret, then it is used, then the old one is forgotten. At each step one
# node is ahead of the other, and sessions of either must be good at both.
subtest 'a new secret signs nobody out' => sub {
    my $new = 'n' x 40;
    my $ini = slurp($INI);
    my $before = sign_in($who);
    my @steps = (['learns it', [$secret, $new]], ['uses it', [$new, $secret]], ['forgets the old one', [$new]]);
    for my $step (@steps) {
        my ($what, $secrets) = @$step;
        my $ahead = node(secrets(@$secrets));
        is(status($before, $ahead->url('')), $what =~ /forgets/ ? 401 : 200, "a node that $what: a session of before") if $what !~ /forgets/;
        my $here = sign_in($who);
        is(status($here, $ahead->url('')), 200, 'one of a node that is behind');
        my $form = idp_answer($who);
        $form->{action} =~ s{^https://[^/]+}{$ahead->url('')}e;
        is(deliver_answer($form)->{status}, 303, 'signing in there, sent away by the other');
        is(status($form->{jar}), 200, 'is good at the node that is behind');
        if ($what =~ /learns/) {
            is(status($here, $ahead->url('')), 200, 'a session that both know');
            cmp_ok(json(http('DELETE', '/services/sessions', jar => $form->{jar}, @OURS))->{ended}, '>=', 1, 'is ended by its person from another one');
            sleep 1.1;
            is_deeply([map { status($here, $ahead->url('')) } 1 .. 4], [(401) x 4], 'a second later every process of another node has heard of it');
            $here = sign_in($who);
        }
        my @found = $ahead->stop;
        is_deeply(\@found, [], 'and it ends in peace');
        reload_with(secrets(@$secrets));
        is(status($here), 200, "after a graceful restart nobody has to sign in");
        $before = $here;
    }
    my $last = sign_in($who);
    reload_with(sub { $ini });
    is(status($last), 401, 'a secret that nobody knows opens nothing');
};

subtest 'a cookie of another installation' => sub {
    my $jar = sign_in($who);
    my $foreign = node(secrets('f' x 40));
    is(status($jar, $foreign->url('')), 401, 'with another secret, on the same caches: refused');
    my $theirs = idp_answer($who);
    $theirs->{action} =~ s{^https://[^/]+}{$foreign->url('')}e;
    is(deliver_answer($theirs)->{status}, 403, 'so is a sign-in that the other began');
    $foreign->stop;
    # One that does not serve this tenant: what was granted there is worth nothing.
    my $elsewhere = node(sub { $_[0] =~ s/^(edware\.(?:public\.)?db|migrate_\w+\.db)\.\Q$tenant\E\./$1.elsewhere./mgr =~ s/^(edware\.db\.elsewhere\.state_code\s*=).*/$1 ZZ/mr });
    my $answer = get($elsewhere->url("/data/comparing_populations?stateCode=$state"), jar => $jar, headers => \%SCRIPT);
    is($answer->{status}, 403, 'a tenant that is not served here gives no right');
    $elsewhere->stop;
    is(status($jar), 200, 'at home it is good');
};

subtest 'a node of the cache is lost' => sub {
    my @jars = map { sign_in($who) } 1 .. 16;    # on one node only: once in 32,000 runs
    my $pid = server_pid('memcached2');
    allow_log(qr/SB1260\b/);
    kill 'TERM', $pid;
    wait_until(10, 'it to end', sub { !-d "/proc/$pid" || slurp("/proc/$pid/stat") =~ /\) [ZX] / });
    my (%n, @out);
    for my $jar (@jars) {
        my $status = status($jar);
        $n{$status}++;
        push @out, $jar if $status == 401;
    }
    is(join(' ', sort keys %n), '200 401', 'some are lost, others not');
    my $jar = $out[0];
    my $page = get('/login?target=/b', jar => $jar, follow => 1);
    like($page->{body}, qr/name="SAMLResponse"/, 'one round trip, no password') or return;
    is(deliver_answer(idp_answer($who, jar => $jar, start => '/login?target=/b'))->{headers}{location}, url('/b'), 'back to the same place');
    is(status($jar), 200, 'signed in');
    stack('up', 'memcached');
    stack('restart', 'httpd'); # processes that thought it lost would put things elsewhere for some seconds
};

subtest 'all of a tenant' => sub {
    my ($one, $other, $nobody) = (sign_in($who), sign_in("other$who"), sign_in('norole'));
    isnt(smarter('sessions', 'end', '--tenant', 'elsewhere', '--yes')->{exit}, 0, 'of one that is not here');
    is_deeply([map { status($_) } $one, $other, $nobody], [200, 200, 403], 'nobody is signed out');
    is(smarter('sessions', 'end', '--tenant', $tenant, '--yes')->{exit}, 0, 'ended by an operator');
    is_deeply([map { status($_) } $one, $other, $nobody], [401, 401, 403], 'all who have rights there');
};

finish();
