# smarter metadata: an operator changes what a state's reports show, and they show it at once: no
# restart, no waiting for a cache.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP ();
use Test::More;
use Smarter::Test;
use Smarter::Results;

need('httpd');
my ($tenant, $state, $schema) = map { env("SMARTER_$_") } qw(TENANT STATE SCHEMA);
my $dir = tmpdir();
chmod 0755, $dir;

sub smarter { return run_program('smarter', 'metadata', @_) }
sub stored { return sql_one("SELECT asmt_custom_metadata FROM $schema.custom_metadata WHERE state_code = '$state'") }
sub version { return sql_one("SELECT version FROM $schema.data_version") }

# ---- a report of 12 and 30 students --------------------------------------------------------------------
my $small = school('MD1', 'Small District', 'MS1', 'Small School');
my $large = school('MD2', 'Large District', 'MS2', 'Large School');
results($small, year => 2043, subject => 'Math', grade => '03', level => $_, count => 3) for 1 .. 4;
results($large, year => 2043, subject => 'Math', grade => '03', level => $_, count => 8) for 1 .. 4;
metadata('{"min_cell_size":10}');       # the old one comes back at the end
put();
my $jar = sign_in('state');

sub report {
    my $answer = post_json('/data/comparing_populations', { stateCode => $state, asmtYear => 2043 }, jar => $jar);
    is($answer->{status}, 200, 'the report') or diag($answer->{body});
    return json($answer);
}

sub shown {
    my ($report) = @_;
    return { map { $_->{name} => $_->{results}{subject1}{total} } @{ $report->{records} } };
}

my $report = report();
is_deeply(shown($report), { 'Small District' => 12, 'Large District' => 32 }, 'both districts are shown');
is_deeply(shown(report()), { 'Small District' => 12, 'Large District' => 32 }, 'also from the cache');

# ---- a setting -----------------------------------------------------------------------------------------
my $before = version();
my $r = smarter('set', $tenant, '--min-cell-size', 20);
is_deeply([@$r{qw(exit err)}], [0, ''], 'the smallest group becomes 20') or diag $r->{err};
is($r->{out}, "$tenant: set; data version " . ($before + 1) . "\n", 'with a new data version');
is(stored(), '{"min_cell_size":20}', 'that is what is stored');
$report = report();
is_deeply(shown($report), { 'Small District' => -1, 'Large District' => -1 }, 'the small district is hidden at once, and the other with it: their sum would tell');
is($report->{metadata}{subject1}{min_cell_size}, 20, 'and the page is told');
is_deeply([sql("SELECT action, tenant, detail FROM udl2.operator_action ORDER BY action_sid DESC LIMIT 1")],
    [['metadata set', $tenant, '{"min_cell_size":20}']], 'it is written down who did it');
like(slurp(env('SMARTER_VAR') . '/log/audit.log'), qr/"callable":"operator.metadata set".*"tenant":"$tenant".*min_cell_size\\":20.*"operator:\w+/, 'in the audit log too');

$r = smarter('set', $tenant, '--min-cell-size', 20);
is_deeply([@$r{qw(exit out)}, version()], [0, "$tenant: it is so already\n", $before + 1], 'again: nothing changes, no cache is emptied');

# ---- colours and branding ----------------------------------------------------------------------------------
$r = smarter('set', $tenant, '--color', 'Math=#BB231C,#e4c904,#4a7500', '--branding', 'display=Größe <b>', '--branding', 'image=/assets/x.png');
is($r->{exit}, 0, 'colours and branding') or diag $r->{err};
my $m = report()->{metadata};
is_deeply([map { $_->{bg_color} } @{ $m->{subject1}{colors} }], ['#BB231C', '#e4c904', '#4a7500'], 'the report has the colours');
is_deeply([map { $_->{text_color} } @{ $m->{subject1}{colors} }], ['#ffffff', '#000000', '#ffffff'], 'with a text that can be read');
is_deeply($m->{branding}, { display => "Gr\x{f6}\x{df}e <b>", image => '/assets/x.png' }, 'and the branding');
is($m->{subject1}{min_cell_size}, 20, 'what was set before stays');
$r = smarter('get', $tenant);
is_deeply([$r->{exit}, JSON::PP->new->utf8->decode($r->{out})->{min_cell_size}], [0, 20], 'get says what is there');

# ---- a file ------------------------------------------------------------------------------------------------
my $good = spew("$dir/good.json", qq({"min_cell_size": 10}\n));
my $bad = spew("$dir/bad.json", '{"min_cell_size": 10, "subjects": {"Math": {"colors": [{"bg_color": "#000"}, {}, {}]}}}');
my $other = spew("$dir/other.json", '{"subjects": {"Alchemy": {}}}');
is_deeply([@{ smarter('check', $good) }{qw(exit out)}], [0, "$good: good\n"], 'a file is judged without being set');
$r = smarter('check', $bad);
is_deeply([@$r{qw(exit err)}], [1, "smarter metadata: $bad: \$.subjects.Math.colors[0].text_color: want a colour as #rgb or #rrggbb\n"], 'the place of the fault is named');
my $old = stored();
for (['--file', $bad], ['--file', $other], ['--file', "$dir/none.json"], ['--min-cell-size', 1001], ['--color', 'Math=#000'],
    ['--color', 'Alchemy=#000,#111,#222'], ['--branding', 'image=https://example.org/x.png'], ['--branding', 'logo=x'], ['--min-cell-size', 'ten'], [],
    ['--file', $good, '--min-cell-size', 3]) {
    my $r = smarter('set', $tenant, @$_);
    cmp_ok($r->{exit}, '>', 0, "refused: @$_");
    isnt($r->{err}, '', $r->{err} =~ s/\n.*//sr);
}
is(stored(), $old, 'and nothing is changed by any of them');
is(smarter('set', $tenant, '--file', $good)->{exit}, 0, 'all of it, by a file');
is(stored(), slurp($good), 'is stored as it is');
is_deeply(shown(report()), { 'Small District' => 12, 'Large District' => 32 }, 'and shown');
$r = smarter('set', 'nowhere', '--min-cell-size', 10);
is($r->{exit}, 1, 'no such tenant');
like($r->{err}, qr/nowhere: no tenant of this ini/, 'it says so');

# ---- what cannot be written down ------------------------------------------------------------------------
my $ini = slurp(env('SMARTER_INI'));
allow_log(qr/SB1201\b/);
for (['logging.audit' => "file:$dir/nowhere/audit.log"], ['udl2_db_conn.url' => 'postgresql://nobody@127.0.0.1:1/none']) {
    my ($key, $value) = @$_;
    my $copy = spew("$dir/other.ini", $ini =~ s/^\Q$key\E = .*/$key = $value/mr);
    chmod 0600, $copy;
    Smarter::Test::loaders($copy);
    $r = smarter('set', $tenant, '--min-cell-size', 17, '-c', $copy);
    cmp_ok($r->{exit}, '>', 0, "a wrong $key");
    like($r->{err}, qr/\Q$key\E: .*nothing is done$/m, '... is named');
}
is(stored(), slurp($good), '... and nothing is done');

# ---- two at once -------------------------------------------------------------------------------------------
my @pids = map { run_program({ background => 1 }, 'smarter', 'metadata', 'set', $tenant, @$_)->{pid} }
    ['--min-cell-size', 15], ['--branding', 'display=Both'];
waitpid $_, 0 for @pids;
is_deeply(JSON::PP->new->decode(stored()), { min_cell_size => 15, branding => { display => 'Both' } }, 'of two changes at once none is lost');

finish();
