#!/usr/bin/perl
# smarter-config: what is wrong with a file is said so that it can be mended; the table is printed
# whole; settings.yaml becomes the ini the manual describes. SMARTER_BUILD is where the program is.
use strict;
use warnings;
use File::Temp;
use Test::More;

my $program = ($ENV{SMARTER_BUILD} // '.') . '/smarter-config';
my $top = File::Temp->newdir;

sub run {
    my (@args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec $program, @args or exit 127;
    }
    local $/;
    my $text = <$out>;
    close $out;
    return ($? >> 8, $text);
}

sub file {
    my ($name, $text) = @_;
    open my $out, '>', "$top/$name" or die;
    print $out $text;
    close $out;
    return "$top/$name";
}

# ---- check ------------------------------------------------------------------------------------

my $main = "[app:main]\nedware.db.nc.url = postgresql://a:secret\@h/d\n";
my @table = (
    ["good", $main, 0, qr/\[app:main\] is good/],
    ['both sections', "$main\n[app]\nzones.arrivals = /a\n", 0, qr/main\] is good.*\[app\] is good/s],
    ['unknown key', "${main}smarter.report.year_back = 4\n", 0,
        qr/:3: unknown key 'smarter.report.year_back'; did you mean 'smarter.reports.year_back'/],
    ['not a number', "${main}smarter.reports.year_back = many\n", 1,
        qr/:3: smarter.reports.year_back = many: accepted is a whole number from 1 to 50/],
    ['out of range', "${main}smarter.reports.year_back = 51\n", 1, qr/:3: .*from 1 to 50/],
    ['no boolean', "${main}edware.db.prepare = maybe\n", 1, qr/:3: edware.db.prepare = maybe: accepted is True or False/],
    ['no choice', "${main}mode = fast\n", 1, qr/:3: mode = fast: accepted is one of dev\|test\|prod/],
    ['no path', "[app]\nzones.work = work\n", 1, qr/:2: zones.work = work: accepted is an absolute path/],
    ['never', "${main}disable.context.security = True\n", 1, qr/:3: disable.context.security = True: accepted is only False/],
    ['a secret is not shown', "[app:main]\nedware.db.nc.url = topsecret\n", 1, qr/:2: edware.db.nc.url = \(not shown\)/],
    ['no address of a broker', "${main}jobs.broker.url = mq\n", 1, qr/:3: jobs.broker.url = .*such as amqps:/],
    ['a password with a %', "[app:main]\nedware.db.nc.url = postgresql://a:top%secret\@h/d\n", 1, qr/:2: edware.db.nc.url = \(not shown\): .*%25 for a '%'/],
    ['a database of others', "[app:main]\nedware.db.nc.url = mysql://a:secret\@h/d\n", 1, qr/such as postgresql:/],
    ['several databases', "${main}migrate_source.db.nc.url = postgresql://h/d mq://secret\n", 1, qr/such as postgresql:/],
    ['no address of a page', "${main}hpz.file_upload_base_url = host\n", 1, qr/:3: hpz.file_upload_base_url = .*such as https:/],
    ['no form', "${main}what is this\n", 1, qr/:3: not of the form 'key = value'/],
    ['no section', "a = 1\n", 1, qr/neither section \[app:main\] nor \[app\]/],
    ['an open section', "[app:main\n", 1, qr/:1:|neither section/],
);
for my $t (@table) {
    my ($what, $text, $want, $like) = @$t;
    my ($rc, $said) = run('check', file('t.ini', $text));
    is($rc, $want, "$what: exit status");
    like($said, $like, "$what: " . ($said =~ s/\n.*//sr =~ s/\Q$top\E/.../r));
    unlike($said, qr/secret/, "$what: no secret");
}
is((run('check', "$top/none.ini"))[0], 1, 'no file');
is((run('check', file('t.ini', $main), '--section', 'app'))[0], 1, 'a section that is not there');
is((run('check', file('t.ini', $main), '--section', 'app:main'))[0], 0, 'one that is');
is((run('check'))[0], 2, 'usage');
is((run('wipe'))[0], 2, 'no such command');

# ---- keys -------------------------------------------------------------------------------------

my ($rc, $text) = run('keys');
is($rc, 0, 'keys');
my ($rc2, $markdown) = run('keys', '--markdown');
my @names = $text =~ /^(\S+)$/mg;
my @rows = $markdown =~ /^\| `([^`]+)` \| .* \|$/mg;
cmp_ok(scalar @names, '>', 35, scalar(@names) . ' keys');
is("@rows", "@names", 'the same in Markdown');
my @lines = split /\n/, $markdown;
is(scalar(grep { (() = /(?<!\\)\|/g) != 5 } @lines), 0, 'four cells a line');
like($text, qr/^smarter\.reports\.year_back\n    number 1-50, default 5\n    \S/m, 'type, range, default, help');

# ---- sample -----------------------------------------------------------------------------------

my ($rc3, $sample) = run('sample');
is($rc3, 0, 'a sample');
is_deeply([run('check', file('s.ini', $sample))], [0, "$top/s.ini: [app:main] is good\n$top/s.ini: [app] is good\n"], 'which is good');
(my $all = $sample) =~ s/^#(\S+ =)/$1/mg;
is_deeply([run('check', file('s.ini', $all))], [0, "$top/s.ini: [app:main] is good\n$top/s.ini: [app] is good\n"], 'also with every key uncommented');
my ($main_part, $app_part) = split /^\[app\]$/m, $sample;
like($main_part, qr/^# [^\n]+\n#edware\.db\.nc\.url = $/m, 'with the meaning of each');
unlike($app_part, qr/^#edware\.db\./m, 'in the section it belongs to');
like($app_part, qr/^#zones\.arrivals = \/\S+$/m, 'and its default');
like($sample, qr/^#(?:$_) = /m, "with $_") for map { quotemeta s/<tenant>/nc/r } grep { !/<(?!tenant)/ } @names[0 .. 20];

my ($rc4, $pickup) = run('sample', 'hpz');
($all = $pickup) =~ s/^#(\S+ =)/$1/mg;
is_deeply([run('check', file('h.ini', $all))], [0, "$top/h.ini: [app:main] is good\n"], 'one of the pickup zone, good with every key uncommented');
like($pickup, qr/^#\Q$_\E = /m, "... with $_") for 'hpz.frs.upload_base_path', 'auth.saml.acs_url', 'edware.db.nc.state_code', 'logging.audit';
unlike($pickup, qr/^#(?:hpz\.file_|edware\.db\.nc\.url|zones|migrate)/m, '... and nothing of the others');
unlike($sample, qr/^#hpz\.(?:db|frs|mail)/m, 'the others have nothing of it');
like($sample, qr/^#hpz\.file_registration_url = /m, '... but where it is');

# ---- generate ---------------------------------------------------------------------------------

my $yaml = file('settings.yaml', <<'END');
common: &c
  mode: dev
  auth:
    session: {timeout: 1200}
    skip:
      verify: no
  db: &db
    list: [a, 2, 'it''s', true, null]
    nothing:
    text: 'yes'
  smarter.reports.year_back: 5
  "[app]":
    zones: {work: /w}
production:
  mode: prod
  copy:
    <<: *db
    text: other
  '[loggers]':
    keys: root, x
production.web:
  auth: {session: {timeout: 600}}
  long: |
    one
    two
empty:
END
($rc, $text) = run('generate', '-e', 'production', '-H', 'web', '-i', $yaml);
is($rc, 0, 'generate');
is($text =~ s/\A#.*\n//r, <<'END', 'the whole file');

[app:main]
mode = prod
auth.session.timeout = 600
auth.skip.verify = False
db.list = ['a', 2, 'it\'s', True, None]
db.nothing =
db.text = yes
smarter.reports.year_back = 5
copy.list = ['a', 2, 'it\'s', True, None]
copy.nothing =
copy.text = other
long = one
    two

[app]
zones.work = /w

[loggers]
keys = root, x
END
($rc, $text) = run('generate', '-e', 'empty', '-i', $yaml, '-o', "$top/out.ini");
is($rc, 0, 'an environment that adds nothing');
is((stat "$top/out.ini")[2] & 07777, 0640, 'not for everybody');
($rc, $text) = run('check', "$top/out.ini");
like($text, qr/unknown key 'db.text'/, 'what is made can be checked');
for (['-e', 'staging', qr/has no environment 'staging'/], ['-e', 'production', '-H', 'pdf', qr/no environment 'production.pdf'/]) {
    my $like = pop @$_;
    ($rc, $text) = run('generate', '-i', $yaml, @$_);
    is($rc, 1, 'refused');
    like($text, $like, 'and why');
}
for (["a: [", qr/line 2: /], ["- a\n", qr/want a map/], ["common:\n  a=b: 1\n", qr/line 2: a name/], ["common: 5\n", qr/line 1: an environment/],
    ["common: &a\n  b: *a\n", qr/too deep|line 2|line 1/], ['', qr/want a map/]) {
    ($rc, $text) = run('generate', '-e', 'common', '-i', file('bad.yaml', $_->[0]));
    is($rc, 1, 'bad YAML');
    like($text, $_->[1], $text =~ s/\n//gr =~ s/\Q$top\E/.../r);
}
my $bomb = "common:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n" . join '', map { "  a$_: &a$_ [" . join(',', ('*a' . ($_ - 1)) x 9) . "]\n" } 1 .. 12;
($rc, $text) = run('generate', '-e', 'common', '-i', file('bomb.yaml', $bomb));
is($rc, 1, 'a file that grows by aliases');
like($text, qr/too large/, 'is refused');
is((run('generate'))[0], 2, 'usage');

# ---- programs that cannot work with the ini they are given ----------------------------------------
# They say so where who started them looks, wherever their log goes.

for (['smarter-hpz-cleanup'], ['smarter-hpz-mail', '--once'], ['smarter-job-relay'], ['smarter-worker-extract']) {
    my ($name, @args) = @$_;
    $program =~ s{[^/]*\z}{$name};
    ($rc, $text) = run(@args, '-c', file('t.ini', $main . "logging.application = none\n"));
    is($rc, 1, "$name without its keys");
    like($text, qr/\A\Q$name\E: \S+t\.ini: \S+\.url is not set/, '... names one');
    like($text, qr/an ini of its own.* -c/, '... and what may be wrong') if $name =~ /hpz/;
    ($rc, $text) = do { local $ENV{SMARTER_INI} = "$top/none.ini"; run(@args) };
    is($rc, 1, "$name without an ini");
    like($text, qr{there is no \S+/none\.ini; name the ini by -c}, '... says how to name one');
}
done_testing();
